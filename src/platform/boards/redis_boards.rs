//! The side in Redis. Of each board all keys are in one slot of a cluster:
//!
//! - `{…}:order`: a sorted set with the points' negative as score and `reached_at` + id as member, both of a fixed width and
//!   such that Redis' own order (score, then bytes) is the order of a board;
//! - `{…}:scores`: a hash from id to `reached_at` + score, so that a member can be found; and in it `at`, `to` and `by`,
//!   the board's `Versions`, and `besides`, the rest of its `Extent`, with commas. One of the two that Redis has thrown away alone is noticed by their lengths;
//! - `{…}:lease`, and `{…}:new:<builder>:…` while it is built.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use redis::{FromRedisValue, RedisWrite, ToRedisArgs};
use uuid::Uuid;

use super::ranking::{Line, Score};
use super::versions::{PART, Part};
use super::{Applied, BoardKey, Extent, Found, KEPT_S, LEASE_S, Page, Unavailable};
use crate::platform::gather::Gather;
use crate::platform::redis::{Redis, Script};

/// Nobody waits for a page while a board is built, so its builder may wait for longer.
const BUILD: Duration = Duration::from_secs(2);

/// The version of a board that is whole; false where there is none.
const AT: &str = "
local function version(scores, order)
    local at = redis.call('HGET', scores, 'at')
    if at and redis.call('HLEN', scores) - 4 == redis.call('ZCARD', order) then return at end
    return false
end
";
/// Sets what stands in ARGV from `first` on, three for each entrant: id, `reached_at`, and the score or nothing.
const PUT: &str = "
local function put(scores, order, first)
    local ids, old, gone, off, set, add = {}, {}, {}, {}, {}, {}
    for i = first, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
    if #ids > 0 then old = redis.call('HMGET', scores, unpack(ids)) end
    for n, id in ipairs(ids) do
        local reached, score = ARGV[first + 3 * n - 2], ARGV[first + 3 * n - 1]
        if old[n] then gone[#gone + 1] = string.sub(old[n], 1, 8) .. id end
        if score == '' then
            off[#off + 1] = id
        else
            set[#set + 1] = id
            set[#set + 1] = reached .. score
            add[#add + 1] = score
            add[#add + 1] = reached .. id
        end
    end
    if #gone > 0 then redis.call('ZREM', order, unpack(gone)) end
    if #off > 0 then redis.call('HDEL', scores, unpack(off)) end
    if #set > 0 then redis.call('HSET', scores, unpack(set)) end
    if #add > 0 then redis.call('ZADD', order, unpack(add)) end
end
";
/// Lines from one position to another, and the rank of the first.
const LINES: &str = "
local function lines(order, from, to)
    local found = redis.call('ZRANGE', order, from, to, 'WITHSCORES')
    if #found == 0 then return 0, found end
    return 1 + redis.call('ZCOUNT', order, '-inf', '(' .. found[2]), found
end
";

static EXTENT: Script = Script::new(&[
    AT,
    "
local at = version(KEYS[1], KEYS[2])
if not at then return false end
return {at, redis.call('HGET', KEYS[1], 'besides')}
",
]);

static PAGE: Script = Script::new(&[
    AT,
    LINES,
    "
local at = version(KEYS[1], KEYS[2])
if not at then return false end
local rank, found = lines(KEYS[2], ARGV[1], ARGV[2])
return {at, redis.call('ZCARD', KEYS[2]), rank, found}
",
]);

/// ARGV: of each who is looked for, id and neighbours either way.
static FIND: Script = Script::new(&[
    AT,
    LINES,
    "
local at = version(KEYS[1], KEYS[2])
if not at then return false end
local told = {}
for i = 1, #ARGV, 2 do
    local id, neighbours = ARGV[i], tonumber(ARGV[i + 1])
    local score = redis.call('HGET', KEYS[1], id)
    if score then
        local member = string.sub(score, 1, 8) .. id
        local position = redis.call('ZRANK', KEYS[2], member)
        if not position then return false end
        if neighbours == 0 then
            local points = string.sub(score, 9)
            local rank = 1 + redis.call('ZCOUNT', KEYS[2], '-inf', '(' .. points)
            told[#told + 1] = {position, rank, {member, points}}
        else
            local rank, found = lines(KEYS[2], math.max(0, position - neighbours), position + neighbours)
            told[#told + 1] = {position, rank, found}
        end
    else
        told[#told + 1] = {0, 0, {}}
    end
end
return {at, redis.call('ZCARD', KEYS[2]), told}
",
]);

/// Says what `Versions` says.
static APPLY: Script = Script::new(&[
    AT,
    PUT,
    "
local at = version(KEYS[1], KEYS[2])
if not at then return 'missing' end
if tonumber(ARGV[1]) > tonumber(at) then return 'gap' end
local begun = redis.call('HMGET', KEYS[1], 'to', 'by')
local is_overtaken = ARGV[4] == '0' and begun[2] ~= ARGV[3]
if tonumber(ARGV[2]) < tonumber(begun[1]) or is_overtaken then return 'stale' end
put(KEYS[1], KEYS[2], 6)
if ARGV[5] == '1' then
    redis.call('HSET', KEYS[1], 'at', ARGV[2], 'to', ARGV[2], 'by', '')
else
    redis.call('HSET', KEYS[1], 'to', ARGV[2], 'by', ARGV[3])
end
-- A set that was empty in between has lost its end.
redis.call('PEXPIRE', KEYS[2], math.max(1, redis.call('PTTL', KEYS[1])))
return 'done'
",
]);

/// What is half made ends with the lease. A length other than the builder knows: some of it was thrown away. ARGV from the fourth
/// on: for the hash, id and `reached_at` + score of each; then for the set, score and `reached_at` + id.
static ADD: Script = Script::new(&["
local size, count = tonumber(ARGV[3]), (#ARGV - 3) / 4
local is_whole = redis.call('HLEN', KEYS[2]) == size and redis.call('ZCARD', KEYS[3]) == size
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not is_whole then return false end
if count > 0 then
    redis.call('HSET', KEYS[2], unpack(ARGV, 4, 3 + 2 * count))
    redis.call('ZADD', KEYS[3], unpack(ARGV, 4 + 2 * count))
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[2]) end
return size + count
"]);

/// The old board is unlinked first, as renaming over a million entries would free them all while everybody waits.
static FINISH: Script = Script::new(&[
    AT,
    "
local size = tonumber(ARGV[2])
local is_whole = redis.call('HLEN', KEYS[2]) == size and redis.call('ZCARD', KEYS[3]) == size
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not is_whole then return 0 end
redis.call('DEL', KEYS[1])
local other = version(KEYS[4], KEYS[5])
if other and tonumber(other) > tonumber(ARGV[3]) then
    redis.call('UNLINK', KEYS[2], KEYS[3])
    return 0
end
redis.call('UNLINK', KEYS[4], KEYS[5])
redis.call('HSET', KEYS[2], 'at', ARGV[3], 'to', ARGV[3], 'by', '', 'besides', ARGV[5])
redis.call('RENAME', KEYS[2], KEYS[4])
if size > 0 then redis.call('RENAME', KEYS[3], KEYS[5]) end
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('PEXPIRE', KEYS[5], ARGV[4])
return 1
",
]);

static KEEP: Script = Script::new(&["for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end"]);

#[derive(Clone)]
pub struct RedisBoards {
    redis: Redis,
    finds: Gather<BoardKey, Wanted, Option<Found>>,
}

/// Who is looked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    id: Uuid,
    neighbours: u64,
}

type FoundLines = Vec<(Vec<u8>, i64)>;
/// Version, size, rank of the first line, lines.
type PageAnswer = (i64, u64, u64, FoundLines);
/// Version, size, and of each who was looked for: position, rank of the first line, lines.
type FindAnswer = (i64, u64, Vec<(u64, u64, FoundLines)>);

impl RedisBoards {
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            finds: Gather::default(),
        }
    }

    pub async fn page(&self, board: &BoardKey, from: u64, limit: u64) -> Result<Option<Page>, Unavailable> {
        // Redis reads a last position below 0 as counted from the end.
        let (first, last) = match limit {
            0 => (1, 0),
            _ => (index(from), index(from.saturating_add(limit - 1))),
        };
        let answer: Option<PageAnswer> = self.run(&PAGE, &self.keys(board), (first, last)).await?;
        let Some((at, size, rank, found)) = answer else {
            return Ok(None);
        };
        let lines = lines(from, rank, &found)?;
        Ok(Some(Page { at, size, lines }))
    }

    /// Those who ask while others are answered are answered together: one round trip for all of them.
    pub async fn find(
        &self,
        board: &BoardKey,
        id: Uuid,
        neighbours: u64,
    ) -> Result<Option<Found>, Unavailable> {
        let wanted = Wanted { id, neighbours };
        let of = self.clone();
        let ask = move |board, some: Vec<Wanted>| {
            let of = of.clone();
            async move {
                let found = of.find_all(&board, &some).await.ok()?;
                Some(match found {
                    Some(found) => found.into_iter().map(Some).collect(),
                    None => some.iter().map(|_| None).collect(),
                })
            }
        };
        self.finds.ask(board, wanted, ask).await.ok_or(Unavailable)
    }

    async fn find_all(&self, board: &BoardKey, wanted: &[Wanted]) -> Result<Option<Vec<Found>>, Unavailable> {
        let arguments: Vec<_> = wanted
            .iter()
            .map(|one| (one.id.as_bytes().as_slice(), index(one.neighbours)))
            .collect();
        let answer: Option<FindAnswer> = self.run(&FIND, &self.keys(board), arguments).await?;
        let Some((at, size, told)) = answer else {
            return Ok(None);
        };
        let found = wanted.iter().zip(told).map(|(one, (position, rank, found))| {
            let before = one.neighbours.min(position);
            let around = lines(position - before, rank, &found)?;
            let is_theirs = |line: &&Line| line.position == position && line.id == one.id;
            Ok(Found {
                at,
                size,
                line: around.iter().find(is_theirs).copied(),
                around,
            })
        });
        found.collect::<Result<_, _>>().map(Some)
    }

    pub async fn extents(&self, boards: &[BoardKey]) -> Result<Vec<Option<Extent>>, Unavailable> {
        // Sent one after another over the one connection, or to the nodes that have them, before any is answered.
        let find = async |board: &BoardKey| -> Result<_, Unavailable> {
            let found: Option<(i64, String)> = self.run(&EXTENT, &self.keys(board), None::<u64>).await?;
            Ok(found.map(|(at, besides)| Extent {
                at,
                besides: numbers(&besides),
            }))
        };
        try_join_all(boards.iter().map(find)).await
    }

    pub(super) async fn apply(&self, board: &BoardKey, part: &Part<'_>) -> Result<Applied, Unavailable> {
        let entrants = Entrants::of(part.changes.iter().copied());
        let by = part.by.to_string();
        let arguments = (
            part.from,
            part.to,
            by,
            u8::from(part.is_first),
            u8::from(part.is_last),
            entrants,
        );
        let applied: String = self.run(&APPLY, &self.keys(board), arguments).await?;
        match applied.as_str() {
            "done" => Ok(Applied::Done),
            "stale" => Ok(Applied::Stale),
            "gap" => Ok(Applied::Gap),
            _ => Ok(Applied::Missing),
        }
    }

    pub async fn begin(&self, board: &BoardKey) -> Result<Option<RedisBuilding>, Unavailable> {
        let holder = hex::encode(rand::random::<[u8; 16]>());
        let [scores, order] = self.keys(board);
        let lease = self.key(board, "lease");
        let new = |name: &str| self.key(board, &format!("new:{holder}:{name}"));
        let keys = [lease.clone(), new("scores"), new("order"), scores, order];
        let take = async |mut redis| {
            let mut set = redis::cmd("SET");
            set.arg(lease)
                .arg(&holder)
                .arg("NX")
                .arg("PX")
                .arg(LEASE_S * 1000);
            set.query_async::<Option<()>>(&mut redis).await
        };
        let taken = self.redis.call(take).await.ok_or(Unavailable)?;
        Ok(taken.map(|()| RedisBuilding {
            redis: self.redis.clone(),
            keys,
            holder,
            size: 0,
        }))
    }

    pub async fn keep(&self, boards: &[BoardKey]) {
        let keep = async |board: &BoardKey| {
            let kept: Result<(), _> = self.run(&KEEP, &self.keys(board), KEPT_S * 1000).await;
            // Redis that is away has lost them anyway.
            kept.is_ok()
        };
        join_all(boards.iter().map(keep)).await;
    }

    pub async fn forget(&self, board: &BoardKey) {
        let [scores, order] = self.keys(board);
        let keys = [scores, order, self.key(board, "lease")];
        let unlink = async |mut redis| {
            redis::cmd("UNLINK")
                .arg(&keys)
                .query_async::<()>(&mut redis)
                .await
        };
        self.redis.call(unlink).await;
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: impl ToRedisArgs,
    ) -> Result<T, Unavailable> {
        let call = async |redis| script.run(redis, keys, arguments).await;
        self.redis.call(call).await.ok_or(Unavailable)
    }

    fn keys(&self, board: &BoardKey) -> [String; 2] {
        ["scores", "order"].map(|name| self.key(board, name))
    }

    /// What stands in braces decides the slot.
    fn key(&self, board: &BoardKey, name: &str) -> String {
        format!(
            "{{{}}}:{name}",
            self.redis.key(&format!("board:{}", board.as_str()))
        )
    }
}

pub struct RedisBuilding {
    redis: Redis,
    /// The lease, the new board's two, the board's two.
    keys: [String; 5],
    holder: String,
    size: u64,
}

impl RedisBuilding {
    pub async fn add(&mut self, entrants: &[(Uuid, Score)]) -> Result<bool, Unavailable> {
        let [lease, scores, order, ..] = &self.keys;
        let keys = [lease.clone(), scores.clone(), order.clone()];
        // Redis finds places sooner that are near each other.
        let mut entrants = entrants.to_vec();
        entrants.sort_unstable_by_key(|(_, score)| (score.points, score.reached_at));
        // Without entrants the lease alone is renewed.
        let parts = match entrants.as_slice() {
            [] => vec![[].as_slice()],
            some => some.chunks(PART).collect(),
        };
        for part in parts {
            let arguments = (&self.holder, LEASE_S * 1000, self.size, Newcomers(part));
            let call = async |redis| ADD.run::<Option<u64>>(redis, &keys, arguments).await;
            match self.redis.call_within(BUILD, call).await.ok_or(Unavailable)? {
                Some(size) => self.size = size,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    pub async fn finish(self, extent: &Extent) -> Result<bool, Unavailable> {
        let besides: Vec<String> = extent.besides.iter().map(i64::to_string).collect();
        let besides = besides.join(",");
        let arguments = (&self.holder, self.size, extent.at, KEPT_S * 1000, besides);
        let call = async |redis| FINISH.run(redis, &self.keys, arguments).await;
        self.redis.call_within(BUILD, call).await.ok_or(Unavailable)
    }
}

/// What is no number was written by nobody here.
fn numbers(list: &str) -> Vec<i64> {
    list.split(',').filter_map(|number| number.parse().ok()).collect()
}

/// The changes as `PUT` reads them; of one who comes twice only the last.
struct Entrants(Vec<(Uuid, Option<Score>)>);

impl Entrants {
    fn of(changes: impl DoubleEndedIterator<Item = (Uuid, Option<Score>)>) -> Self {
        let mut seen = HashSet::new();
        Self(changes.rev().filter(|(id, _)| seen.insert(*id)).collect())
    }
}

impl ToRedisArgs for Entrants {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        for (id, score) in &self.0 {
            out.write_arg(id.as_bytes());
            match score.map(Score::bounded) {
                Some(score) => {
                    out.write_arg(&sortable(score.reached_at));
                    out.write_arg_fmt(-score.points);
                }
                None => {
                    out.write_arg(b"");
                    out.write_arg(b"");
                }
            }
        }
    }
}

/// Entrants as `ADD` hands them on.
struct Newcomers<'a>(&'a [(Uuid, Score)]);

impl ToRedisArgs for Newcomers<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let scores = || self.0.iter().map(|(id, score)| (id, score.bounded()));
        for (id, score) in scores() {
            let against = (-score.points).to_string();
            out.write_arg(id.as_bytes());
            out.write_arg(&[&sortable(score.reached_at), against.as_bytes()].concat());
        }
        for (id, score) in scores() {
            out.write_arg_fmt(-score.points);
            out.write_arg(&[&sortable(score.reached_at), id.as_bytes().as_slice()].concat());
        }
    }
}

/// Bytes that sort as the numbers do.
fn sortable(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

fn lines(from: u64, first_rank: u64, found: &[(Vec<u8>, i64)]) -> Result<Vec<Line>, Unavailable> {
    let entrant = |(member, against): &(Vec<u8>, i64)| {
        let (reached_at, id) = member.split_first_chunk::<8>()?;
        let score = Score {
            points: -against,
            reached_at: i64::from_be_bytes(*reached_at) ^ i64::MIN,
        };
        Some((Uuid::from_slice(id).ok()?, score))
    };
    let entrants: Option<Vec<(Uuid, Score)>> = found.iter().map(entrant).collect();
    Ok(Line::run(
        from,
        first_rank,
        entrants.ok_or(Unavailable)?.into_iter(),
    ))
}

/// A number that Redis counts with exactly.
fn index(number: u64) -> u64 {
    number.min(1 << 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_their_bytes_do() {
        let times = [
            i64::MIN,
            -1_000_000,
            -1,
            0,
            1,
            255,
            256,
            1_795_000_000_000_000,
            i64::MAX,
        ];
        assert!(times.is_sorted_by_key(|time| sortable(*time)));
    }

    #[test]
    fn of_one_who_comes_twice_the_last_is_sent() {
        let score = |points| {
            Some(Score {
                points,
                reached_at: 0,
            })
        };
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sent = Entrants::of([(one, score(1)), (other, score(2)), (one, score(3))].into_iter()).0;
        assert_eq!(sent, [(one, score(3)), (other, score(2))]);
        assert_eq!(sent.to_vec().len() * 3, Entrants(sent).to_redis_args().len());
    }
}
