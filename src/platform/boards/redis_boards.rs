//! Boards in Redis. A board is a sorted set whose members are eight bytes of `reached_at` and the id, under minus the points:
//! so Redis' own order is the board's. Beside it a hash finds an entrant's member, and another tells the version and how many
//! entrants there must be: what was evicted in part is no board. All keys of a board share a hash slot.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{RedisResult, Script};
use uuid::Uuid;

use super::{Applied, Batch, BoardKey, Found, KEPT, LEASE, Line, Page, Score, Unavailable};
use crate::platform::cache::RedisCache;

/// Entrants that one call sets.
const AT_ONCE: usize = 1_000;
/// Longer than for a read: it carries a thousand entrants.
const WRITING: Duration = Duration::from_secs(2);
/// A half-made board that nobody goes on with.
const HALF_MADE: Duration = Duration::from_secs(60);

/// The version, if the board is whole; what is left of one that is not goes.
const CHECK: &str = "local v = redis.call('HMGET', KEYS[3], 'at', 'n') \
    if not v[1] then return nil end \
    local n = tonumber(v[2]) \
    if redis.call('ZCARD', KEYS[1]) ~= n or redis.call('HLEN', KEYS[2]) ~= n then \
      redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3]) return nil end ";

static AT: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{CHECK} return v[1]")));

/// ARGV: from, limit. Answers the version, the size, how many have more points than the first line, and the lines.
static PAGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{CHECK} local from = tonumber(ARGV[1]) \
         local lines = redis.call('ZRANGE', KEYS[1], from, from + tonumber(ARGV[2]) - 1, 'WITHSCORES') \
         local above = 0 \
         if lines[2] then above = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. lines[2]) end \
         return {{v[1], n, above, lines}}"
    ))
});

/// ARGV: id, neighbours. Answers the version, the size, the position (-1: none), that of the first line, how many have more
/// points than that, and the lines.
static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{CHECK} local reached = redis.call('HGET', KEYS[2], ARGV[1]) \
         if not reached then return {{v[1], n, -1, 0, 0, {{}}}} end \
         local position = redis.call('ZRANK', KEYS[1], reached .. ARGV[1]) \
         local from = math.max(position - tonumber(ARGV[2]), 0) \
         local lines = redis.call('ZRANGE', KEYS[1], from, position + tonumber(ARGV[2]), 'WITHSCORES') \
         local above = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. lines[2]) \
         return {{v[1], n, position, from, above, lines}}"
    ))
});

/// ARGV: from, to, whether it is the last part, and then id, reached (empty: off), score of each. The version is raised with
/// the last part only.
static APPLY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{CHECK} if tonumber(ARGV[1]) > tonumber(v[1]) then return 'gap' end \
         if tonumber(ARGV[2]) < tonumber(v[1]) then return 'stale' end \
         for i = 4, #ARGV, 3 do \
           local id, reached = ARGV[i], ARGV[i + 1] \
           local before = redis.call('HGET', KEYS[2], id) \
           if before then redis.call('ZREM', KEYS[1], before .. id) n = n - 1 end \
           if reached ~= '' then \
             redis.call('ZADD', KEYS[1], ARGV[i + 2], reached .. id) redis.call('HSET', KEYS[2], id, reached) n = n + 1 \
           elseif before then redis.call('HDEL', KEYS[2], id) end \
         end \
         redis.call('HSET', KEYS[3], 'n', n) \
         if ARGV[3] == '1' then redis.call('HSET', KEYS[3], 'at', ARGV[2]) end \
         local left = redis.call('PTTL', KEYS[3]) \
         if left > 0 then redis.call('PEXPIRE', KEYS[1], left) redis.call('PEXPIRE', KEYS[2], left) end \
         return 'done'"
    ))
});

/// ARGV: token, milliseconds.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1 end return 0",
    )
});

/// KEYS: board, hash, version, lease, and the half-made board and hash. ARGV: token, version, entrants, milliseconds.
static FINISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local at = redis.call('HGET', KEYS[3], 'at') \
         local n = tonumber(ARGV[3]) \
         local ours = redis.call('GET', KEYS[4]) == ARGV[1] \
         if ours then redis.call('DEL', KEYS[4]) end \
         if not ours or (at and tonumber(at) > tonumber(ARGV[2])) or redis.call('ZCARD', KEYS[5]) ~= n then \
           redis.call('UNLINK', KEYS[5], KEYS[6]) return 0 end \
         redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3]) \
         if n > 0 then \
           redis.call('RENAME', KEYS[5], KEYS[1]) redis.call('RENAME', KEYS[6], KEYS[2]) \
           redis.call('PEXPIRE', KEYS[1], ARGV[4]) redis.call('PEXPIRE', KEYS[2], ARGV[4]) \
         end \
         redis.call('HSET', KEYS[3], 'at', ARGV[2], 'n', n) redis.call('PEXPIRE', KEYS[3], ARGV[4]) \
         return 1",
    )
});

#[derive(Clone)]
pub struct RedisBoards {
    redis: RedisCache,
}

/// What a sorted set answers: members and scores in turn.
type Raw = Vec<(Vec<u8>, f64)>;

/// Sorted as bytes as the numbers are.
fn sortable(reached_at: i64) -> [u8; 8] {
    (reached_at.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn member(id: Uuid, score: Score) -> Vec<u8> {
    [&sortable(score.reached_at)[..], id.as_bytes()].concat()
}

/// The lines of an answer whose first one has so many above it.
fn lines(raw: Raw, from: u64, above: u64) -> Option<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::with_capacity(raw.len());
    for (position, (member, score)) in (from..).zip(raw) {
        let (reached, id) = member.split_first_chunk::<8>()?;
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
        let points = -score as i64;
        let rank = match lines.last() {
            Some(last) if last.score.points == points => last.rank,
            Some(_) => position + 1,
            None => above + 1,
        };
        lines.push(Line {
            id: Uuid::from_slice(id).ok()?,
            score: Score {
                points,
                reached_at: (u64::from_be_bytes(*reached) ^ (1 << 63)).cast_signed(),
            },
            rank,
            position,
        });
    }
    Some(lines)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RedisBoards {
    pub fn new(redis: RedisCache) -> Self {
        Self { redis }
    }

    fn keys(&self, key: &BoardKey) -> [String; 3] {
        ["lines", "entrants", "version"].map(|part| self.key(key, part))
    }

    fn key(&self, key: &BoardKey, part: &str) -> String {
        format!("{{{}:board:{key}}}:{part}", self.redis.prefix())
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unavailable> {
        self.redis.within(deadline, call).await.ok_or(Unavailable)
    }

    pub async fn page(&self, key: &BoardKey, from: u64, limit: u64) -> Result<Option<Page>, Unavailable> {
        let call = async {
            let mut call = PAGE.key(&self.keys(key)[..]);
            call.arg(from).arg(limit);
            let mut connection = self.redis.connection().await?;
            call.invoke_async::<Option<(i64, u64, u64, Raw)>>(&mut connection)
                .await
        };
        let Some((at, size, above, raw)) = self.within(self.redis.deadline(), call).await? else {
            return Ok(None);
        };
        let lines = lines(raw, from, above).ok_or(Unavailable)?;
        Ok(Some(Page { at, size, lines }))
    }

    pub async fn find(
        &self,
        key: &BoardKey,
        id: Uuid,
        neighbours: u64,
    ) -> Result<Option<Found>, Unavailable> {
        let call = async {
            let mut call = FIND.key(&self.keys(key)[..]);
            call.arg(id.as_bytes()).arg(neighbours);
            let mut connection = self.redis.connection().await?;
            call.invoke_async::<Option<(i64, u64, i64, u64, u64, Raw)>>(&mut connection)
                .await
        };
        let found = self.within(self.redis.deadline(), call).await?;
        let Some((at, size, position, from, above, raw)) = found else {
            return Ok(None);
        };
        let around = lines(raw, from, above).ok_or(Unavailable)?;
        let is_it = |line: &&Line| i64::try_from(line.position) == Ok(position);
        Ok(Some(Found {
            at,
            size,
            line: around.iter().find(is_it).cloned(),
            around,
        }))
    }

    /// One after the other on one connection, all at once: each of its own slot.
    pub async fn at(&self, keys: &[BoardKey]) -> Result<Vec<Option<i64>>, Unavailable> {
        let one = |key: &BoardKey| {
            let keys = self.keys(key);
            async move {
                let mut connection = self.redis.connection().await?;
                AT.key(&keys[..])
                    .invoke_async::<Option<i64>>(&mut connection)
                    .await
            }
        };
        let all = async {
            join_all(keys.iter().map(one))
                .await
                .into_iter()
                .collect::<RedisResult<Vec<_>>>()
        };
        self.within(self.redis.deadline(), all).await
    }

    pub async fn apply(&self, key: &BoardKey, batch: &Batch) -> Result<Applied, Unavailable> {
        let mut parts = batch.changes.chunks(AT_ONCE).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let is_last = parts.peek().is_none();
            let applied = self.apply_part(key, batch, part, is_last).await?;
            if is_last || applied != Applied::Done {
                return Ok(applied);
            }
        }
    }

    async fn apply_part(
        &self,
        key: &BoardKey,
        batch: &Batch,
        part: &[(Uuid, Option<Score>)],
        is_last: bool,
    ) -> Result<Applied, Unavailable> {
        let call = async {
            let mut call = APPLY.key(&self.keys(key)[..]);
            call.arg(batch.from).arg(batch.to).arg(i32::from(is_last));
            for (id, score) in part {
                call.arg(id.as_bytes());
                match score {
                    Some(score) => call.arg(&sortable(score.reached_at)).arg(-score.points),
                    None => call.arg("").arg(0),
                };
            }
            let mut connection = self.redis.connection().await?;
            call.invoke_async::<Option<String>>(&mut connection).await
        };
        let told = self.within(WRITING, call).await?;
        Ok(match told.as_deref() {
            None => Applied::Missing,
            Some("gap") => Applied::Gap,
            Some("stale") => Applied::Stale,
            Some(_) => Applied::Done,
        })
    }

    pub async fn begin(&self, key: &BoardKey) -> Result<Option<RedisBuilding>, Unavailable> {
        let token = hex::encode(rand::random::<[u8; 16]>());
        let call = async {
            redis::cmd("SET")
                .arg(self.key(key, "lease"))
                .arg(&token)
                .arg("NX")
                .arg("PX")
                .arg(millis(LEASE))
                .query_async::<Option<String>>(&mut self.redis.connection().await?)
                .await
        };
        let is_ours = self.within(self.redis.deadline(), call).await?.is_some();
        Ok(is_ours.then(|| RedisBuilding {
            boards: self.clone(),
            key: key.clone(),
            token,
            entrants: 0,
        }))
    }

    pub async fn keep(&self, keys: &[BoardKey]) -> Result<(), Unavailable> {
        for key in keys {
            let call = async {
                let mut pipe = redis::pipe();
                for key in self.keys(key) {
                    pipe.cmd("PEXPIRE").arg(key).arg(millis(KEPT)).ignore();
                }
                pipe.query_async::<()>(&mut self.redis.connection().await?).await
            };
            self.within(self.redis.deadline(), call).await?;
        }
        Ok(())
    }

    pub async fn drop_board(&self, key: &BoardKey) -> Result<(), Unavailable> {
        let call = async {
            redis::cmd("UNLINK")
                .arg(&self.keys(key))
                .query_async::<()>(&mut self.redis.connection().await?)
                .await
        };
        self.within(self.redis.deadline(), call).await
    }
}

/// A board that is being made.
pub struct RedisBuilding {
    boards: RedisBoards,
    key: BoardKey,
    token: String,
    entrants: u64,
}

impl RedisBuilding {
    fn keys(&self) -> [String; 2] {
        ["lines", "entrants"].map(|part| self.boards.key(&self.key, &format!("{}:{part}", self.token)))
    }

    /// No entrant twice.
    pub async fn add(&mut self, entrants: &[(Uuid, Score)]) -> Result<(), Unavailable> {
        let [lines, hash] = self.keys();
        for some in entrants.chunks(AT_ONCE) {
            let mut pipe = redis::pipe();
            let (mut add, mut set) = (redis::cmd("ZADD"), redis::cmd("HSET"));
            add.arg(&lines);
            set.arg(&hash);
            for (id, score) in some {
                add.arg(-score.points).arg(member(*id, *score));
                set.arg(id.as_bytes()).arg(&sortable(score.reached_at));
            }
            pipe.add_command(add).ignore();
            pipe.add_command(set).ignore();
            for key in [&lines, &hash] {
                pipe.cmd("PEXPIRE").arg(key).arg(millis(HALF_MADE)).ignore();
            }
            let call = async {
                let mut connection = self.boards.redis.connection().await?;
                pipe.query_async::<()>(&mut connection).await
            };
            self.boards.within(WRITING, call).await?;
            self.entrants += u64::try_from(some.len()).unwrap_or_default();
        }
        let call = async {
            let mut call = RENEW.key(self.boards.key(&self.key, "lease"));
            call.arg(&self.token).arg(millis(LEASE));
            let mut connection = self.boards.redis.connection().await?;
            call.invoke_async::<bool>(&mut connection).await
        };
        let is_ours = self.boards.within(self.boards.redis.deadline(), call).await?;
        if is_ours { Ok(()) } else { Err(Unavailable) }
    }

    pub async fn finish(self, at: i64) -> Result<bool, Unavailable> {
        let call = async {
            let mut call = FINISH.key(&self.boards.keys(&self.key)[..]);
            call.key(self.boards.key(&self.key, "lease"))
                .key(&self.keys()[..]);
            call.arg(&self.token).arg(at).arg(self.entrants).arg(millis(KEPT));
            let mut connection = self.boards.redis.connection().await?;
            call.invoke_async::<bool>(&mut connection).await
        };
        self.boards.within(WRITING, call).await
    }
}
