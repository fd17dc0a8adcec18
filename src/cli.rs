//! The commands. `serve` is what a bare `zhibu` does.

use std::path::PathBuf;
use std::process::ExitCode;

use actix_web::web;
use clap::{Parser, Subcommand};

use crate::app::{App, Ctx};
use crate::audit::{self, Entry};
use crate::demo;
use crate::doctor::{self, Finding};
use crate::members::ImportStage;
use crate::organizations::OrganizationId;
use crate::platform::clock::Clock;
use crate::platform::config::{Config, LogConfig, Overrides};
use crate::platform::db::{DbConnection, lock_first_start, migrate};
use crate::platform::error::{AppResult, Code};
use crate::platform::ids::Ids;
use crate::{auth, backup, lessons, members, openapi, server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Study and check-in for grass-roots membership organisations.
#[derive(Parser)]
#[command(name = "zhibu", version, about)]
struct Cli {
    /// Settings file (default: zhibu.toml in the working directory, if there is one)
    #[arg(long, global = true, value_name = "FILE", env = "ZHIBU_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the SQLite file and the secret key
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, global = true, value_name = "ADDR")]
    listen: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve {
        /// Fill an empty database with a believable organization first
        #[arg(long)]
        demo: bool,
    },
    /// Run pending migrations
    Migrate {
        /// Only tell what is pending; exit 1 if something is
        #[arg(long)]
        check: bool,
    },
    /// Fill an empty database with the demonstration organization, without serving
    Demo,
    /// Import from a file
    Import {
        #[command(subcommand)]
        what: Import,
    },
    /// Print the OpenAPI document
    Openapi,
    /// Copy the database and the key into a new folder, while the server runs or not; on PostgreSQL tell the commands
    Backup {
        /// The folder to make
        folder: PathBuf,
    },
    /// Write the search index of lessons anew, while the server runs or not
    Reindex,
    /// System administrators
    Admin {
        #[command(subcommand)]
        what: Admin,
    },
    /// Say in words what is wrong with this machine's settings; exit 1 if something is
    Doctor,
    /// Ask the server on this machine whether it is ready (/readyz); exit 1 if not. For container health checks
    Healthcheck,
}

#[derive(Subcommand)]
enum Import {
    /// Members from an XLSX or CSV file: checked as a whole, then all rows or none
    Members {
        file: PathBuf,
        /// The organization that rows without a branch of their own belong to
        #[arg(long, value_name = "ID")]
        organization: OrganizationId,
        /// Only check the file
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Subcommand)]
enum Admin {
    /// Make a system administrator and print the one-time activation code
    Create {
        #[arg(default_value = "admin")]
        account_name: String,
    },
    /// Print a new one-time activation code for a system administrator who has lost the first one, or the password
    Code {
        #[arg(default_value = "admin")]
        account_name: String,
    },
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let overrides = Overrides {
        listen: cli.listen,
        data: cli.data,
        file: cli.config,
    };
    let command = cli.command.unwrap_or(Command::Serve { demo: false });
    if matches!(command, Command::Openapi) {
        // Whoever reads only its beginning is no failure of ours.
        let _ = std::io::Write::write_all(&mut std::io::stdout(), openapi::document_json().as_bytes());
        return ExitCode::SUCCESS;
    }
    if matches!(command, Command::Healthcheck) {
        return told(
            Config::load(&overrides)
                .map_err(Failure::from)
                .and_then(healthcheck),
        );
    }
    let outcome = Config::load(&overrides)
        .map_err(Failure::from)
        .and_then(|config| {
            start_logging(&config.log);
            crate::platform::fault::set_up();
            actix_web::rt::System::new().block_on(run(command, config))
        });
    told(outcome)
}

fn told(outcome: Result<ExitCode, Failure>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("zhibu: {error}");
        ExitCode::FAILURE
    })
}

/// Plain HTTP over one connection: no runtime, no client, done in a moment.
fn healthcheck(config: Config) -> Result<ExitCode, Failure> {
    use std::io::{Read, Write};
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let limit = Some(std::time::Duration::from_secs(5));
    let mut stream = std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(2))
        .map_err(|error| format!("nothing answers on {address}: {error}"))?;
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    write!(stream, "GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    if status.contains(" 200 ") {
        println!("ready");
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("not ready: {status}").into())
    }
}

fn start_logging(config: &LogConfig) {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if config.json {
        builder.json().init()
    } else {
        builder.init()
    }
}

async fn run(command: Command, config: Config) -> Result<ExitCode, Failure> {
    if config.database.url.is_none() || config.auth.secret_key.is_none() {
        make_private_folder(&config.server.data)?;
    }
    if config.database.url.is_none() && !matches!(command, Command::Backup { .. }) {
        begin_sqlite(&config)?;
    }
    match command {
        Command::Serve { demo } => serve(config, demo).await?,
        Command::Migrate { check } => return migrate(&config, check),
        Command::Demo => {
            let app = open(config)?;
            demo::fill(&app).await?;
        }
        Command::Import {
            what:
                Import::Members {
                    file,
                    organization,
                    dry_run,
                },
        } => {
            return import_members(config, &file, organization, dry_run).await;
        }
        Command::Admin {
            what: Admin::Create { account_name },
        } => {
            let app = open(config)?;
            let code = create_admin(&app, account_name.clone()).await?;
            println!("system admin '{account_name}', activation code (once): {code}");
        }
        Command::Admin {
            what: Admin::Code { account_name },
        } => {
            let app = open(config)?;
            let code = reissue_code(&app, account_name.clone()).await?;
            println!("system admin '{account_name}', activation code (once): {code}");
        }
        Command::Backup { folder } => println!("{}", backup::take(&config, &folder)?),
        Command::Reindex => reindex(open(config)?.get_ref()).await?,
        Command::Doctor => return Ok(examine(&config).await),
        Command::Openapi | Command::Healthcheck => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn reindex(app: &App) -> AppResult<()> {
    let mut last = None;
    loop {
        last = app
            .db
            .write_long(move |conn| lessons::reindex(conn, last))
            .await?;
        if last.is_none() {
            return Ok(());
        }
    }
}

/// Password hashes and the key are for this user's eyes only.
pub(crate) fn make_private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Checked for durability, migrated, opened.
fn open(config: Config) -> Result<web::Data<App>, Failure> {
    // PostgreSQL is looked at before anything is written to it; SQLite has to be opened first.
    let first = config.database.url.is_some();
    if first {
        refuse_unsafe(&config)?;
    }
    for name in server::migrate_now(&config)? {
        tracing::info!(migration = %name, "ran");
    }
    if !first {
        refuse_unsafe(&config)?;
    }
    Ok(web::Data::new(App::build(
        config,
        Clock::system(),
        Ids::system(),
    )?))
}

/// Its file is for this user's eyes only, in a folder that was there before, too, and was not always made so. SQLite makes
/// what lies beside it alike.
fn begin_sqlite(config: &Config) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let path = &config.database.sqlite_path;
    let named =
        |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(named)?;
    let about = file.metadata()?;
    if about.permissions().mode() & 0o077 != 0
        && let Err(error) = file.set_permissions(std::fs::Permissions::from_mode(0o600))
    {
        tracing::warn!(%error, "others of this machine may read the database {}", path.display());
    }
    let has_key = config.auth.secret_key.is_some() || config.server.data.join("secret.key").exists();
    if about.len() > 0 && !has_key {
        tracing::warn!(
            "there is a database and no secret.key beside it: a new one is made. Sessions end, and webhooks need new \
             secrets; if this is a restore, put back the key of the backup before anybody signs in"
        );
    }
    Ok(())
}

fn refuse_unsafe(config: &Config) -> Result<(), Failure> {
    for finding in doctor::safety(config)? {
        match finding {
            Finding::Bad(words) => return Err(format!("refusing to start: {words}").into()),
            Finding::Warning(words) => tracing::warn!("{words}"),
            Finding::Good(_) => {}
        }
    }
    Ok(())
}

async fn serve(config: Config, with_demo: bool) -> Result<(), Failure> {
    server::raise_open_files();
    let app = open(config)?;
    if with_demo {
        demo::fill(&app).await?;
    } else {
        welcome(&app).await?;
    }
    let running = server::start(app.clone()).await?;
    tokio::task::spawn_blocking(server::write_document);
    println!(
        "zhibu listens on http://{}  (API documents: {}/docs)",
        running.address, app.config.server.public_url
    );
    server::run(app, running).await?;
    Ok(())
}

/// The first start makes a system admin; the code is printed once and never again. Of several processes that start
/// together on an empty database one does.
async fn welcome(app: &App) -> Result<(), Failure> {
    let ctx = app.ctx(auth::Actor::operator());
    let made = app
        .db
        .write(move |conn| {
            lock_first_start(conn)?;
            if auth::has_system_admin(conn)? {
                return Ok(None);
            }
            make_admin(conn, &ctx, "admin").map(Some)
        })
        .await?;
    let Some(code) = made else {
        return Ok(());
    };
    let url = &app.config.server.public_url;
    println!(
        "A system admin 'admin' was made. Its one-time activation code: {code}\n\
         Set the password with:\n  curl -X POST {url}/api/v1/auth/activations -H 'Content-Type: application/json' \\\n    \
         -d '{{\"code\":\"{code}\",\"password\":\"…at least 12 characters…\"}}'"
    );
    Ok(())
}

async fn create_admin(app: &App, account_name: String) -> Result<String, Failure> {
    let ctx = app.ctx(auth::Actor::operator());
    let code = app
        .db
        .write(move |conn| make_admin(conn, &ctx, &account_name))
        .await?;
    Ok(code)
}

/// The account, and the code that sets its password.
fn make_admin(conn: &mut DbConnection, ctx: &Ctx, account_name: &str) -> AppResult<String> {
    let account = auth::create_system_admin(conn, ctx.now, &ctx.ids, account_name)?;
    let entry = Entry {
        action: "account.create_system_admin",
        object: account.0,
        tenant: None,
        organization: None,
        detail: serde_json::json!({ "account_name": account_name }),
    };
    audit::record(conn, ctx, entry)?;
    auth::issue_activation_code(conn, ctx.now, &ctx.ids, &ctx.config.auth, account, None)
}

async fn reissue_code(app: &App, account_name: String) -> Result<String, Failure> {
    let (ctx, name) = (app.ctx(auth::Actor::operator()), account_name.clone());
    let issued = app
        .db
        .write(move |conn| auth::reissue_system_admin_code(conn, &ctx, &name))
        .await;
    match issued {
        Err(error) if error.code() == Code::NotFound => Err(format!(
            "there is no system admin '{account_name}': zhibu admin create {account_name}"
        )
        .into()),
        issued => Ok(issued?),
    }
}

fn migrate(config: &Config, check: bool) -> Result<ExitCode, Failure> {
    let manager = doctor::manager(config);
    if !check {
        let ran = migrate::run(&manager)?;
        println!(
            "{}",
            if ran.is_empty() {
                "nothing to do".into()
            } else {
                format!("ran {}", ran.join(", "))
            }
        );
        return Ok(ExitCode::SUCCESS);
    }
    let pending = migrate::pending(&manager)?;
    println!(
        "{}",
        if pending.is_empty() {
            "up to date".into()
        } else {
            format!("pending: {}", pending.join(", "))
        }
    );
    Ok(if pending.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn import_members(
    config: Config,
    file: &std::path::Path,
    organization: OrganizationId,
    dry_run: bool,
) -> Result<ExitCode, Failure> {
    let bytes = std::fs::read(file)?;
    let app = open(config)?;
    let bar = indicatif::ProgressBar::new(0)
        .with_style(indicatif::ProgressStyle::with_template(
            "{msg} {wide_bar} {human_pos} of {human_len} rows",
        )?)
        .with_message("reading");
    let (ctx, shown) = (app.ctx(auth::Actor::operator()), bar.clone());
    let outcome = app
        .db
        .write_long(move |conn| {
            members::import_roster(
                conn,
                &ctx,
                organization,
                &bytes,
                dry_run,
                &|stage, done, total| {
                    show(&shown, stage, done, total);
                },
            )
        })
        .await;
    bar.finish_and_clear();
    match outcome {
        Ok(report) => {
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}: {}", serde_json::to_string_pretty(error.members())?);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(bar: &indicatif::ProgressBar, stage: ImportStage, done: usize, total: usize) {
    bar.set_message(match stage {
        ImportStage::Checking => "checking",
        ImportStage::Writing => "writing",
    });
    bar.set_length(u64::try_from(total).unwrap_or_default());
    bar.set_position(u64::try_from(done).unwrap_or_default());
}

async fn examine(config: &Config) -> ExitCode {
    let findings = doctor::examine(config, &Clock::system()).await;
    for finding in &findings {
        println!("{finding}");
    }
    let bad = findings.iter().any(|finding| matches!(finding, Finding::Bad(_)));
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
