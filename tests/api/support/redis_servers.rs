//! Redis servers of a test's own: single ones, sentinels, nodes of a cluster. Each in a folder of its own, ended with the test.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Process {
    child: Child,
    pub port: u16,
    folder: tempfile::TempDir,
    kind: &'static [&'static str],
    password: Option<&'static str>,
}

/// Starts one with these lines of settings, and waits until it answers. None where there is no `redis-server`.
pub fn redis_process(
    password: Option<&'static str>,
    settings: &[String],
    kind: &'static [&'static str],
) -> Option<Process> {
    // Between finding a port and using it somebody else may take it: then another.
    for _ in 0..5 {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".into(),
            "save \"\"".into(),
        ];
        lines.push(format!("dir {}", folder.path().display()));
        lines.extend(password.map(|password| format!("requirepass {password}")));
        lines.extend_from_slice(settings);
        std::fs::write(folder.path().join("redis.conf"), lines.join("\n") + "\n").unwrap();
        let Ok(child) = launch(folder.path(), kind) else {
            eprintln!("LEFT OUT: there is no redis-server here");
            return None;
        };
        let mut process = Process {
            child,
            port,
            folder,
            kind,
            password,
        };
        if process.answers() {
            return Some(process);
        }
    }
    panic!("redis-server does not start: {settings:?}");
}

fn launch(folder: &Path, kind: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.arg(folder.join("redis.conf")).args(kind);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

/// Below where systems take ports for outgoing connections, and so that a cluster's second port, 10,000 higher, is one.
fn free_port() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(12_000u16..22_000))
        .find(|port| is_free(*port) && is_free(port + 10_000))
        .unwrap()
}

impl Process {
    /// One command, by its words.
    pub fn ask<T: redis::FromRedisValue>(&self, words: &str) -> redis::RedisResult<T> {
        let sign_in = self
            .password
            .map_or(String::new(), |password| format!(":{password}@"));
        let client = redis::Client::open(format!("redis://{sign_in}127.0.0.1:{}", self.port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut connection)
    }

    /// Until an answer to a command has this in it.
    pub fn wait_for(&self, words: &str, part: &str) {
        let begun = Instant::now();
        loop {
            let answer = self.ask::<redis::Value>(words);
            let text = match &answer {
                Ok(redis::Value::BulkString(text)) => String::from_utf8_lossy(text).into_owned(),
                other => format!("{other:?}"),
            };
            if text.contains(part) {
                return;
            }
            assert!(begun.elapsed().as_secs() < 20, "{words}: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&mut self) -> bool {
        for _ in 0..500 {
            if self.ask::<String>("PING").is_ok() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The same once more, after it was killed.
    pub fn start_again(&mut self) {
        self.child = launch(self.folder.path(), self.kind).unwrap();
        assert!(self.answers());
    }

    /// Stops it where it is: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// With SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
