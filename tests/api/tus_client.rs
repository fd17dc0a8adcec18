//! A tus client that is not ours (tuspy) uploads through a line that is cut. `scripts/test.sh` installs it and names its
//! Python in ZHIBU_TEST_PYTHON; run by hand without it, these tests say that they were left out.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::media::data;
use crate::support::{Reply, TestApp, python};

/// A line to `server` that is cut in the middle of the first `cuts` requests of more than `most` bytes.
async fn cutting_line(server: String, most: usize, cuts: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    actix_web::rt::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            actix_web::rt::spawn(carry(client, server, most, cuts.clone()));
        }
    });
    format!("http://{address}")
}

async fn carry(client: TcpStream, server: TcpStream, most: usize, cuts: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = actix_web::rt::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let (mut carried, mut piece) = (0, [0; 512]);
    while let Ok(read @ 1..) = from_client.read(&mut piece).await {
        carried += read;
        if to_server.write_all(&piece[..read]).await.is_err() {
            break;
        }
        let is_cut = || {
            cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
        };
        if carried > most && is_cut() {
            back.abort();
            return;
        }
    }
    let _ = to_server.shutdown().await;
    let _ = back.await;
}

#[actix_web::test]
async fn somebody_elses_client_uploads_over_a_line_that_is_cut_twice() {
    let Some(python) = python() else { return };
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for (name, kind) in [("lesson.mp4", "video"), ("lesson.mp3", "audio")] {
        // Whole requests, cut twice; then small ones with checksums, cut twice, of which a cut one keeps nothing.
        for (most, step) in [(3_000, "0"), (1_000, "1500")] {
            let cuts = Arc::new(AtomicUsize::new(2));
            let line = cutting_line(t.url.replace("http://", ""), most, cuts.clone()).await;
            let mut command = Command::new(&python);
            let root = env!("CARGO_MANIFEST_DIR");
            command.arg(format!("{root}/tests/data/tus_client.py"));
            command.args([
                &format!("{line}/api/v1/uploads"),
                &tenant.secretary_a,
                &tenant.branch_a,
            ]);
            command.args([&format!("{root}/tests/data/{name}"), step]);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap())
                .await
                .unwrap();
            let (said, wrong) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            assert!(output.status.success(), "{said}{wrong}");
            assert_eq!(cuts.load(Ordering::SeqCst), 0, "the line was not cut");
            let id = said.trim().rsplit('/').next().unwrap().to_owned();
            let seen = t
                .get(&format!("/media/{id}"), &tenant.secretary_a)
                .await
                .expect(200);
            assert_eq!(
                (seen.json["state"].as_str(), seen.json["kind"].as_str()),
                (Some("ready"), Some(kind))
            );
            let (bytes, address) = (data(name), t.here(&seen.text("/content_url")));
            let mut glued = Vec::new();
            while glued.len() < bytes.len() {
                let range = format!("bytes={}-{}", glued.len(), glued.len() + 999);
                let request = t.request(Method::GET, &address, "").header("range", range);
                glued.extend(Reply::of(request).await.expect(206).bytes);
            }
            assert!(glued == bytes, "{name}");
        }
    }
}
