//! Wiring: middleware, health, metrics, `/docs`, and a stop that loses nothing.

use std::any::Any;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{App as ActixApp, HttpMessage, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config as SwaggerConfig, SwaggerUi};

use crate::app::{App, Ctx};
use crate::auth::Actor;
use crate::devices::RoomDevice;
use crate::platform::db::migrate;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{
    BodyLimits, Frame, KnownPaths, answer_head, frame, know_path, nothing_here, sweep_keys,
};
use crate::platform::jobs::Jobs;
use crate::platform::limits::Limit;
use crate::{
    attendance, audit, auth, doctor, event_templates, guests, home, leaderboards, media, notices, openapi,
    points, routes, sign_ups, webhooks,
};

/// A running server: its address, what runs it, and what must outlive it.
pub struct Running {
    pub server: Server,
    pub address: std::net::SocketAddr,
    pub jobs: Jobs,
}

/// Binds the address of the settings and starts serving. Await `server` to run until it is stopped.
pub async fn start(app: web::Data<App>) -> std::io::Result<Running> {
    auth::load_revocations(&app)
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    // Before anything is written, in a database that was restored too.
    app.db
        .write(points::mend_change_numbers)
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let metrics = recorder();
    let (data, settings) = (app.clone(), app.config.server.clone());
    let slice_of = routes::slices_of_paths();
    let known = KnownPaths::of(
        &openapi::document(),
        |path| slice_of.get(path).copied(),
        &routes::PAGES,
    )
    .map_err(std::io::Error::other)?;
    let server = HttpServer::new(move || {
        let limits = BodyLimits {
            arrival: data.config.server.request_timeout,
        };
        // The document stands before the scope that would answer for everything below its path.
        let (service, _) = ActixApp::new()
            .route("/api/v1/openapi.json", web::get().to(document))
            .into_utoipa_app()
            .service(utoipa_actix_web::scope("/api/v1").configure(routes::api))
            .split_for_parts();
        service
            .app_data(data.clone())
            .app_data(web::Data::new(limits))
            .app_data(web::Data::new(Frame {
                ids: data.ids.clone(),
                public_url: data.config.server.public_url.as_str().into(),
            }))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(known.clone()))
            .configure(routes::pages)
            .configure(probes)
            .service(SwaggerUi::new("/docs/{_:.*}").config(SwaggerConfig::from("/api/v1/openapi.json")))
            .route("/docs", web::get().to(to_docs))
            .route("/", web::get().to(to_docs))
            .default_service(web::to(nothing_here))
            .wrap(from_fn(know_path))
            .wrap(from_fn(record_refusals))
            .wrap(from_fn(answer_head))
            .wrap(from_fn(frame))
            .wrap(Compress::default())
            .wrap(from_fn(media::at_the_edge))
    })
    .on_connect(move |connection, _| bound_reader(connection, settings.reader_timeout))
    .client_request_timeout(settings.request_timeout)
    .keep_alive(Duration::from_secs(75))
    .disable_signals()
    .shutdown_timeout(settings.shutdown_timeout.as_secs())
    .worker_max_blocking_threads(64)
    .bind(settings.listen)?;
    let server = if settings.workers > 0 {
        server.workers(settings.workers)
    } else {
        server.workers(cores())
    };
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    Ok(Running {
        server: server.run(),
        address,
        jobs: start_jobs(&app),
    })
}

/// Each phone holds a file of ours, and shells and service managers begin with 1,024 of them, whatever more they allow.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}

/// Whoever takes nothing of an answer, or went away without a word, keeps a connection no longer than this (RELIABILITY.md P15).
/// The kernel sees to it, since the framework has no deadline for writing. Nor does it take more of an answer than a little beyond what
/// is on its way: four megabytes are copied at once else, and three hundred slow readers held up everybody for seconds.
fn bound_reader(connection: &dyn Any, timeout: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds(timeout))
            .map_err(std::io::Error::from)
            .and_then(|()| socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT))
    {
        tracing::warn!(%error, "a connection without bounds");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (connection, timeout);
}

/// Bytes of an answer that wait in the kernel to be sent. What is on its way is not among them, so a fast reader far away is as fast.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

#[cfg(target_os = "linux")]
fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn start_jobs(app: &web::Data<App>) -> Jobs {
    let mut jobs = Jobs::default();
    auth::jobs(&mut jobs, app);
    attendance::jobs(&mut jobs, app);
    sign_ups::jobs(&mut jobs, app);
    media::jobs(&mut jobs, &app.media);
    notices::jobs(&mut jobs, app);
    guests::jobs(&mut jobs, app);
    event_templates::jobs(&mut jobs, app);
    webhooks::jobs(&mut jobs, app);
    leaderboards::jobs(&mut jobs, app);
    home::jobs(&mut jobs, app);
    if let Some(pace) = app.config.jobs.pace {
        app.queue.start(&mut jobs, pace);
    }
    let keys = app.clone();
    jobs.every("sweep idempotency keys", Duration::from_secs(3_600), move || {
        let app = keys.clone();
        async move {
            let now = app.clock.now();
            app.db.sweep(move |conn| sweep_keys(conn, now)).await
        }
    });
    let watched = app.clone();
    jobs.every("watch the clock", Duration::from_secs(60), move || {
        let app = watched.clone();
        async move { doctor::watch_clock(&app).await }
    });
    let gauges = app.clone();
    jobs.every("gauges", Duration::from_secs(5), move || {
        let app = gauges.clone();
        async move {
            metrics::gauge!("zhibu_check_in_lane_waiting").set(app.check_ins.waiting() as f64);
            metrics::gauge!("zhibu_sign_up_lane_waiting").set(app.sign_ups.waiting() as f64);
            metrics::gauge!("zhibu_study_lane_waiting").set(app.study.waiting() as f64);
            metrics::gauge!("zhibu_database_connections_in_use").set(f64::from(app.db.connections_in_use()));
            // Else what histograms were told waits in memory until somebody reads them, which nobody may ever do.
            recorder().run_upkeep();
            Ok(())
        }
    });
    jobs
}

/// Serves until SIGTERM or SIGINT: no new connections, requests in flight and lanes finish, then it returns.
pub async fn run(app: web::Data<App>, running: Running) -> std::io::Result<()> {
    let Running {
        server,
        address,
        jobs,
    } = running;
    tracing::info!(%address, "listening");
    let (handle, stopped) = (server.handle(), app.clone());
    actix_web::rt::spawn(async move {
        asked_to_stop().await;
        tracing::info!("stopping: no new connections, requests in flight finish");
        stopped.live.stop();
        handle.stop(true).await;
    });
    server.await?;
    drop(jobs);
    // Blocks: in a thread of its own, so that the runtime can still answer what the lanes finish.
    tokio::task::spawn_blocking(move || {
        app.check_ins.finish();
        app.sign_ups.finish();
        app.study.finish();
    })
    .await
    .map_err(std::io::Error::other)?;
    tracing::info!("stopped");
    Ok(())
}

/// SIGTERM (service managers, containers) or SIGINT (Ctrl-C).
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

fn probes(cfg: &mut web::ServiceConfig) {
    cfg.route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics_text));
}

/// The process runs.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Check-ins and progress are taken, the database answers, and has at least the version of this binary (see `migrate::is_current`). Redis holds no truth, so its absence is told but is no reason to stop.
async fn readyz(app: web::Data<App>) -> AppResult<HttpResponse> {
    let lanes = [
        app.check_ins.is_running(),
        app.sign_ups.is_running(),
        app.study.is_running(),
    ];
    if lanes.contains(&false) {
        return Err(AppError::unavailable().caused_by("a lane has ended"));
    }
    app.db
        .read_fresh(|conn| {
            if migrate::is_current(conn)? {
                return Ok(());
            }
            Err(AppError::unavailable().caused_by("the database lacks migrations of this binary"))
        })
        .await
        .map_err(|error| AppError::unavailable().caused_by(error.to_string()))?;
    let cache = if app.cache.is_up().await { "up" } else { "down" };
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "status": "ready", "database": "up", "cache": cache, "cache_kind": app.cache.kind(),
    })))
}

async fn metrics_text(handle: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(handle.render())
}

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::document_json);

/// Writes the OpenAPI document, which takes a quarter of a second, before somebody asks for it: whoever asks first would hold
/// up all whom the same worker serves.
pub fn write_document() {
    LazyLock::force(&DOCUMENT);
}

async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(DOCUMENT.as_str())
}

async fn to_docs() -> HttpResponse {
    HttpResponse::Found()
        .insert_header(("location", "/docs/"))
        .finish()
}

/// Each line is a transaction of its own, synced: somebody who does nothing but be refused must not own the writer.
const REFUSALS: Limit = Limit::on_addresses("refusals", 20, Duration::from_secs(60));

/// Access that is refused with 403 is on record (RELIABILITY.md P19), the first 20 of an account in a minute: the rest
/// are counted in the metrics. The refused transaction is gone by then.
async fn record_refusals(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    let error = response
        .response()
        .error()
        .and_then(|error| error.as_error::<AppError>());
    if error.is_some_and(|error| error.code() == Code::Forbidden) {
        let app = response.request().app_data::<web::Data<App>>().cloned();
        let actor = response.request().extensions().get::<Actor>().cloned();
        let device = response.request().extensions().get::<RoomDevice>().copied();
        if let (Some(app), Some(actor)) = (app, actor.or(device.map(RoomDevice::actor))) {
            let route = format!("{} {}", response.request().method(), response.request().path());
            let ctx = Ctx {
                device,
                ..app.ctx(actor)
            };
            record_refusal(&app, ctx, route).await;
        }
    }
    Ok(response)
}

async fn record_refusal(app: &App, ctx: Ctx, route: String) {
    let account = ctx.actor.account.to_string();
    if REFUSALS.admit(&app.cache, &account).await.is_err() {
        return;
    }
    let recorded = app
        .db
        .write(move |conn| audit::record_refusal(conn, &ctx, &route))
        .await;
    if let Err(error) = recorded {
        tracing::warn!(%error, "a refusal could not be recorded");
    }
}

/// One recorder for the process; tests start many servers in one.
fn recorder() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
            let check_ins = [
                1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
            ];
            let lane = Matcher::Full("zhibu_lane_batch".to_owned());
            let builder = PrometheusBuilder::new()
                .set_buckets(&buckets)
                .and_then(|builder| builder.set_buckets_for_metric(lane, &check_ins))
                .unwrap_or_else(|_| PrometheusBuilder::new());
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder stays; ours then renders nothing.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

/// Runs pending migrations for the settings; replicas starting together take turns.
pub fn migrate_now(config: &crate::platform::config::Config) -> Result<Vec<String>, migrate::MigrateError> {
    migrate::run(&doctor::manager(config))
}
