//! So many phones ask for a place at the same instant: each has its connection open, all wait at one barrier, and each
//! sends one sign-up. Prints how long they waited for their answers.
//!
//! `herd URL FOLDER EVENT PHONES`: FOLDER as `seed` has written it, URL like http://127.0.0.1:8080. The first phones of
//! FOLDER/tokens.txt take part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, event, phones] = arguments.as_slice() else {
        return Err("herd URL FOLDER EVENT PHONES".into());
    };
    let phones: usize = phones.parse()?;
    let tokens = std::fs::read_to_string(format!("{folder}/tokens.txt"))?;
    let tokens: Vec<String> = tokens.lines().take(phones).map(str::to_owned).collect();
    let host = url.trim_start_matches("http://").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut waited = runtime.block_on(stampede(host, event.clone(), tokens))?;
    waited.sort_unstable();
    let at = |permille: usize| {
        let nth = (waited.len() * permille / 1_000).min(waited.len().saturating_sub(1));
        waited.get(nth).copied().unwrap_or_default().as_secs_f64() * 1_000.0
    };
    println!(
        "{} answers, p50_ms={:.1} p99_ms={:.1} max_ms={:.1}",
        waited.len(),
        at(500),
        at(990),
        at(1_000)
    );
    Ok(())
}

async fn stampede(host: String, event: String, tokens: Vec<String>) -> Result<Vec<Duration>, Failure> {
    let gate = Arc::new(Barrier::new(tokens.len()));
    let phones: Vec<_> = tokens
        .into_iter()
        .map(|token| tokio::spawn(phone(host.clone(), event.clone(), token, gate.clone())))
        .collect();
    let mut waited = Vec::new();
    for phone in phones {
        waited.push(phone.await??);
    }
    Ok(waited)
}

async fn phone(host: String, event: String, token: String, gate: Arc<Barrier>) -> Result<Duration, Failure> {
    let mut line = TcpStream::connect(&host).await?;
    // The connection is open and known to the server before anybody starts.
    line.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())
        .await?;
    read_answer(&mut line).await?;
    let body = format!(
        r#"{{"client_event_id":"{}"}}"#,
        uuid::Uuid::from_bytes(rand::random())
    );
    let request = format!(
        "POST /api/v1/events/{event}/sign-ups HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    gate.wait().await;
    let start = Instant::now();
    line.write_all(request.as_bytes()).await?;
    let status = read_answer(&mut line).await?;
    if status == 201 {
        Ok(start.elapsed())
    } else {
        Err(format!("answered {status}").into())
    }
}

/// The status of an answer whose body fits one read after its head, which ours do.
async fn read_answer(line: &mut TcpStream) -> Result<u16, Failure> {
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let read = line.read(&mut piece).await?;
        answer.extend(piece.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Err("the line was cut".into());
            }
            continue;
        };
        let length = head.lines().find_map(|header| {
            header
                .to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        });
        if read == 0 || body.len() >= length.unwrap_or(0) {
            let status = head.split(' ').nth(1).ok_or("no status")?;
            return Ok(status.parse()?);
        }
    }
}
