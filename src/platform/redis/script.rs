//! A script that Redis runs at once. It is sent by its hash, and whole to a server that does not have it yet, which may be
//! any node of a cluster and any master after a failover.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs};
use sha1::{Digest, Sha1};

use super::Connection;

pub struct Script {
    /// Functions that several scripts share, and what this one does.
    parts: &'static [&'static str],
    made: OnceLock<(String, String)>,
}

impl Script {
    pub const fn new(parts: &'static [&'static str]) -> Self {
        Self {
            parts,
            made: OnceLock::new(),
        }
    }

    /// Its keys have to be in one slot of a cluster.
    pub async fn run<T: FromRedisValue>(
        &self,
        mut on: Connection,
        keys: &[String],
        arguments: impl ToRedisArgs,
    ) -> RedisResult<T> {
        let (text, hash) = self.made.get_or_init(|| {
            let text = self.parts.concat();
            let hash = hex::encode(Sha1::digest(&text));
            (text, hash)
        });
        let call = |how: &str, script: &str| {
            let mut call = Cmd::new();
            call.arg(how)
                .arg(script)
                .arg(keys.len())
                .arg(keys)
                .arg(&arguments);
            call
        };
        match call("EVALSHA", hash).query_async(&mut on).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call("EVAL", text).query_async(&mut on).await
            }
            done => done,
        }
    }
}
