//! What ranked boards cost: a million entrants built while a reader goes on, then pages, places and batches of changes; in
//! this process, and in Redis where `REDIS_URL` names one.
//!
//! `boards [ENTRANTS]` prints milliseconds.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;
use zhibu::platform::boards::{Batch, BoardKey, Boards, Extent, Score};
use zhibu::platform::cache::Cache;
use zhibu::platform::clock::Clock;
use zhibu::platform::config::CacheConfig;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let entrants = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |count| count.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        measure("memory", &Boards::memory(Clock::system()), entrants).await?;
        if let Ok(url) = std::env::var("REDIS_URL") {
            let config = CacheConfig {
                redis: Some(url.parse()?),
                prefix: "bench_boards".into(),
                deadline: Duration::from_millis(100),
            };
            measure(
                "redis",
                &Boards::beside(&Cache::open(&config), Clock::system()),
                entrants,
            )
            .await?;
        }
        Ok(())
    })
}

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), n)
}

/// Many are level, as people are with points for the same things.
fn score(n: u64, round: u64) -> Score {
    let points = (n.wrapping_add(round).wrapping_mul(0xD134_2543_DE82_EF95) >> 32) % 5_000;
    Score {
        points: i64::try_from(points).unwrap_or(0),
        reached_at: i64::try_from(n).unwrap_or(0),
    }
}

async fn measure(name: &str, boards: &Boards, entrants: u64) -> Result<(), Failure> {
    let board = BoardKey::new("bench");
    boards.forget(&board).await;
    build(boards, &board, 1_000, 0).await?;
    let (before_kib, is_built) = (resident_kib(), Arc::new(AtomicBool::new(false)));
    let reader = tokio::spawn(read_meanwhile(boards.clone(), board.clone(), is_built.clone()));
    let begun = Instant::now();
    build(boards, &board, entrants, 1).await?;
    let built = begun.elapsed();
    is_built.store(true, Ordering::Relaxed);
    println!(
        "{name}: {entrants} entrants built in {:.0} ms, {} KiB more in this process; pages meanwhile {}",
        built.as_secs_f64() * 1e3,
        resident_kib().saturating_sub(before_kib),
        reader.await?
    );
    let page = async |n: u64| boards.page(&board, (n * 7_919) % entrants, 20).await.map(drop);
    println!("{name}: page of 20 anywhere {}", timed(5_000, page).await?);
    let find = async |n: u64| boards.find(&board, id((n * 7_919) % entrants), 5).await.map(drop);
    println!(
        "{name}: place and 5 neighbours either way {}",
        timed(5_000, find).await?
    );
    let mut at = 1;
    for (changes, times) in [(1, 2_000), (100, 200), (1_000, 50), (10_000, 10)] {
        let mut took = Vec::new();
        for round in 0..times {
            let n = |k: u64| (k * 104_729 + round * 31) % entrants;
            let changes = (0..changes)
                .map(|k| (id(n(k)), Some(score(n(k), round + 2))))
                .collect();
            let batch = Batch {
                from: at,
                to: at + 1,
                changes,
            };
            let begun = Instant::now();
            boards.apply(&board, &batch).await?;
            took.push(begun.elapsed());
            at += 1;
        }
        println!("{name}: batch of {changes} {}", spread(took));
    }
    boards.forget(&board).await;
    Ok(())
}

async fn build(boards: &Boards, board: &BoardKey, entrants: u64, at: i64) -> Result<(), Failure> {
    let mut building = boards.begin(board).await?.ok_or("somebody else builds")?;
    let mut n = 0;
    while n < entrants {
        let upto = entrants.min(n + 10_000);
        let chunk: Vec<(Uuid, Score)> = (n..upto).map(|n| (id(n), score(n, 0))).collect();
        if !building.add(&chunk).await? {
            return Err("the lease has run out".into());
        }
        n = upto;
    }
    match building.finish(Extent::up_to(at)).await? {
        true => Ok(()),
        false => Err("not finished".into()),
    }
}

async fn read_meanwhile(boards: Boards, board: BoardKey, is_built: Arc<AtomicBool>) -> String {
    let (mut took, mut late) = (Vec::new(), 0);
    while !is_built.load(Ordering::Relaxed) {
        let begun = Instant::now();
        late += u32::from(boards.page(&board, 0, 20).await.is_err());
        took.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    format!("{}, {late} not in time", spread(took))
}

async fn timed<E, F: Future<Output = Result<(), E>>>(
    times: u64,
    call: impl Fn(u64) -> F,
) -> Result<String, E> {
    let mut took = Vec::new();
    for n in 0..times {
        let begun = Instant::now();
        call(n).await?;
        took.push(begun.elapsed());
    }
    Ok(spread(took))
}

fn spread(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |permille: usize| {
        let nth = (took.len() * permille / 1_000).min(took.len().saturating_sub(1));
        took.get(nth).copied().unwrap_or_default().as_secs_f64() * 1_000.0
    };
    format!(
        "p50_ms={:.4} p99_ms={:.4} max_ms={:.4}",
        at(500),
        at(990),
        at(1_000)
    )
}

/// What this process holds of memory, where the system tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
