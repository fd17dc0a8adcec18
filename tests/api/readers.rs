//! Who asks and does not read: their connection ends, and what was kept for them with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::TestApp;

/// The kernel's state of the server's end of a connection; none: it is over.
fn server_end(of: &TcpStream) -> Option<String> {
    let (server, client) = (of.peer_addr().unwrap().port(), of.local_addr().unwrap().port());
    let ends = [format!(":{server:04X}"), format!(":{client:04X}")];
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.find(|line| line[1].ends_with(&ends[0]) && line[2].ends_with(&ends[1]));
    ours.map(|line| line[3].to_owned())
}

#[actix_web::test]
async fn a_connection_whose_reader_takes_nothing_ends() {
    if !cfg!(target_os = "linux") {
        eprintln!("LEFT OUT: only Linux ends a connection whose reader takes nothing");
        return;
    }
    let t = TestApp::start_with(|config| config.server.reader_timeout = Duration::from_secs(1)).await;
    let ask = |times: usize| {
        let mut stream = TcpStream::connect(t.url.strip_prefix("http://").unwrap()).unwrap();
        let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request.repeat(times).as_bytes()).unwrap();
        stream
    };
    // So much that no buffer holds it.
    let (stalled, idle) = (ask(60), ask(0));
    while server_end(&stalled).is_none() {
        actix_web::rt::task::yield_now().await;
    }
    let over = async {
        while server_end(&stalled).is_some() {
            actix_web::rt::task::yield_now().await;
        }
    };
    actix_web::rt::time::timeout(Duration::from_secs(30), over)
        .await
        .expect("its reader took nothing");
    // Who has nothing to take is waited for.
    assert!(server_end(&idle).is_some());

    // Who reads is told everything.
    let url = format!("{}/api/v1/openapi.json", t.url);
    let whole = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert!(whole.len() > 100_000);
    let mut got = Vec::new();
    let mut stalled = stalled;
    let _ = stalled.read_to_end(&mut got);
    assert!(got.len() < 60 * whole.len());
}
