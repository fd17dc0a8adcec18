//! Redis behind Sentinel and as a Cluster: counters, news and boards as on a single server, and after a failover again.
//! These start servers of their own, where the suite runs with a Redis and there is a `redis-server`.

use std::time::{Duration, Instant};

use uuid::Uuid;
use zhibu::platform::boards::{Applied, Batch, BoardKey, Boards, Extent, Score};
use zhibu::platform::cache::{Cache, News};
use zhibu::platform::clock::Clock;
use zhibu::platform::config::Config;
use zhibu::platform::limits::Limit;

use crate::support::{Process, redis_process, redis_url};

const TRIES: Limit = Limit::on_guesses("tries", 2, Duration::from_secs(60));
const SECRET: &str = "a-secret-of-redis";

/// Two processes' caches and boards.
struct Replicas {
    one: Cache,
    other: Cache,
}

impl Replicas {
    fn of(address: &str) -> Self {
        Self::within(address, 1_000)
    }

    /// With such a deadline for each call.
    fn within(address: &str, deadline_ms: u64) -> Self {
        let mut config = Config::for_testing(std::path::Path::new("unused")).cache;
        config.redis = Some(address.parse().unwrap());
        config.deadline = Duration::from_millis(deadline_ms);
        Self {
            one: Cache::open(&config),
            other: Cache::open(&config),
        }
    }

    fn boards(&self) -> [Boards; 2] {
        [&self.one, &self.other].map(|cache| Boards::beside(cache, Clock::system()))
    }

    /// Whether what one counts is counted for the other: each by itself would allow two.
    async fn count_together(&self, subject: &str) -> bool {
        let first = self.one.take(&TRIES, subject, None).await.is_within;
        let second = self.other.take(&TRIES, subject, None).await.is_within;
        first && second && !self.other.take(&TRIES, subject, None).await.is_within
    }

    /// Whether news of one reach the other within seconds; the subscription may still be under way.
    async fn hear_each_other(&self) -> bool {
        for (from, to) in [(&self.one, &self.other), (&self.other, &self.one)] {
            let mut heard = to.listen();
            let news = News(format!("news {}", rand::random::<u64>()));
            let hear = async { while heard.recv().await.unwrap() != news {} };
            let tell = async {
                loop {
                    from.announce(news.clone());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::select! {
                () = hear => {}
                () = tell => {}
                () = tokio::time::sleep(Duration::from_secs(10)) => return false,
            }
        }
        true
    }
}

async fn within(what: &str, seconds: u64, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed().as_secs() < seconds, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("{what} after {:?}", begun.elapsed());
}

async fn everything_works(replicas: &Replicas) {
    let Replicas { one, other } = replicas;
    assert!(one.is_up().await && other.is_up().await);
    for n in 0..20 {
        assert!(replicas.count_together(&format!("subject {n}")).await, "{n}");
    }
    // Every way to count, over both.
    assert!(one.take(&TRIES, "items", Some(7)).await.is_new);
    assert!(
        other.take(&TRIES, "items", Some(7)).await.is_within,
        "the same counts once"
    );
    one.spend(&TRIES, "items", 7).await;
    assert!(other.take(&TRIES, "items", Some(7)).await.is_new);
    other.give_back(&TRIES, "items", Some(7)).await;
    assert!(one.take(&TRIES, "items", Some(8)).await.is_new);
    assert!(!other.take(&TRIES, "items", Some(9)).await.is_within);
    one.take(&TRIES, "back", None).await;
    one.take(&TRIES, "back", None).await;
    assert!(!other.peek(&TRIES, "back").await.is_within);
    one.give_back(&TRIES, "back", None).await;
    assert!(other.peek(&TRIES, "back").await.is_within);
    one.take(&TRIES, "back", None).await;
    one.forget(&TRIES, "back").await;
    assert!(other.peek(&TRIES, "back").await.is_within);
    assert!(replicas.hear_each_other().await);
    boards_work(replicas, "board").await;
}

/// Ten of them: in a cluster they are on several nodes.
async fn boards_work(replicas: &Replicas, name: &str) {
    let [one, other] = replicas.boards();
    let keys: Vec<BoardKey> = (0..10).map(|n| BoardKey::new(format!("{name} {n}"))).collect();
    let entrant = |n: u128, points| {
        (
            Uuid::from_u128(n),
            Score {
                points,
                reached_at: 5,
            },
        )
    };
    let entrants: Vec<(Uuid, Score)> = (0..1_500).map(|n| entrant(n, 100)).collect();
    for key in &keys {
        let mut building = one.begin(key).await.unwrap().unwrap();
        assert!(other.begin(key).await.unwrap().is_none());
        assert!(building.add(&entrants).await.unwrap());
        assert!(building.finish(Extent::up_to(1)).await.unwrap());
        let (id, score) = entrant(700, 101);
        let batch = Batch {
            from: 1,
            to: 2,
            changes: vec![(id, Some(score))],
        };
        assert_eq!(other.apply(key, &batch).await, Ok(Applied::Done));
        let found = one.find(key, id, 2).await.unwrap().unwrap();
        let line = found.line.unwrap();
        assert_eq!((found.at, found.size, line.rank, line.position), (2, 1_500, 1, 0));
        assert_eq!(
            found.around.iter().map(|line| line.rank).collect::<Vec<u64>>(),
            [1, 2, 2]
        );
        assert_eq!(other.page(key, 1_499, 5).await.unwrap().unwrap().lines[0].rank, 2);
    }
    assert_eq!(other.extents(&keys).await, Ok(vec![Some(Extent::up_to(2)); 10]));
    one.keep(&keys).await;
    one.forget(&keys[3]).await;
    assert_eq!(
        other.extents(&keys[3..5]).await,
        Ok(vec![None, Some(Extent::up_to(2))])
    );
}

#[actix_web::test]
async fn a_single_server_with_a_password() {
    if redis_url().is_none() {
        return eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis");
    }
    let Some(mut server) = redis_process(Some(SECRET), &[], &[]) else {
        return;
    };
    let address = format!("redis://:{SECRET}@127.0.0.1:{}/2", server.port);
    let replicas = Replicas::of(&address);
    everything_works(&replicas).await;
    assert!(!Replicas::of(&address.replace(SECRET, "wrong")).one.is_up().await);

    // Gone, and back at the same address.
    server.kill();
    assert!(!replicas.one.is_up().await && !replicas.other.is_up().await);
    server.start_again();
    let both = async || replicas.one.is_up().await && replicas.other.is_up().await;
    within("connected again", 10, both).await;
    assert!(replicas.count_together("again").await && replicas.hear_each_other().await);
}

#[actix_web::test]
async fn a_server_that_freezes_is_waited_for_a_few_times_only() {
    if redis_url().is_none() {
        return eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis");
    }
    let Some(server) = redis_process(None, &[], &[]) else {
        return;
    };
    let replicas = Replicas::within(&format!("redis://127.0.0.1:{}", server.port), 100);
    assert!(replicas.one.is_up().await && replicas.other.is_up().await);
    server.freeze();
    // Each call ends with its deadline, and once it is known that nobody answers, at once.
    let begun = Instant::now();
    for _ in 0..200 {
        assert!(!replicas.one.is_up().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert!(
        replicas.one.take(&TRIES, "frozen", None).await.is_within,
        "counted here"
    );
    server.thaw();
    within("thawed", 10, async || replicas.one.is_up().await).await;
    within("counted together again", 10, async || {
        replicas.count_together(&format!("{:?}", Instant::now())).await
    })
    .await;
}

/// Three masters that share the slots.
fn cluster() -> Option<Vec<Process>> {
    let settings = ["cluster-enabled yes", "cluster-node-timeout 2000"].map(str::to_owned);
    let nodes: Option<Vec<Process>> = (0..3)
        .map(|_| redis_process(Some(SECRET), &settings, &[]))
        .collect();
    let nodes = nodes?;
    for (n, node) in nodes.iter().enumerate() {
        let slots = (n * 16_384 / 3..(n + 1) * 16_384 / 3).map(|slot| slot.to_string());
        let slots = slots.collect::<Vec<String>>().join(" ");
        node.ask::<()>(&format!("CLUSTER ADDSLOTS {slots}")).unwrap();
        node.ask::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1))
            .unwrap();
        node.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port))
            .unwrap();
    }
    for node in &nodes {
        node.wait_for("CLUSTER INFO", "cluster_state:ok");
        node.wait_for("CLUSTER INFO", "cluster_known_nodes:3");
    }
    Some(nodes)
}

#[actix_web::test]
async fn a_cluster_of_three() {
    if redis_url().is_none() {
        return eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis");
    }
    let Some(nodes) = cluster() else { return };
    // The third is found by itself.
    let (first, second) = (nodes[0].port, nodes[1].port);
    let address = format!("redis+cluster://:{SECRET}@127.0.0.1:{first},127.0.0.1:{second}");
    let replicas = Replicas::within(&address, 300);
    everything_works(&replicas).await;
    for node in &nodes {
        let keys: Vec<String> = node.ask("KEYS *").unwrap();
        assert!(keys.iter().any(|key| key.contains(":count:")), "{keys:?}");
        assert!(keys.iter().any(|key| key.contains("}:order")), "{keys:?}");
    }

    // A node that freezes takes its own slots along, and no others.
    nodes[2].freeze();
    let mut together = 0;
    for n in 0..12 {
        together += u32::from(replicas.count_together(&format!("frozen {n}")).await);
    }
    assert!((1..12).contains(&together), "{together}");
    nodes[2].thaw();
    let again = async || replicas.count_together(&format!("{:?}", Instant::now())).await;
    for _ in 0..12 {
        within("counted together again", 10, again).await;
    }
}

/// A master, a replica, and who watches them.
fn watched(sentinels: Option<&'static str>) -> Option<[Process; 3]> {
    let signed_in = format!("masterauth {SECRET}");
    let master = redis_process(Some(SECRET), &[signed_in.clone()], &[])?;
    let replicaof = format!("replicaof 127.0.0.1 {}", master.port);
    let replica = redis_process(
        Some(SECRET),
        &[signed_in, replicaof, "repl-diskless-sync-delay 0".into()],
        &[],
    )?;
    replica.wait_for("INFO replication", "master_link_status:up");
    let settings = [
        format!("sentinel monitor main 127.0.0.1 {} 1", master.port),
        format!("sentinel auth-pass main {SECRET}"),
        "sentinel down-after-milliseconds main 500".into(),
        "sentinel failover-timeout main 2000".into(),
    ];
    let sentinel = redis_process(sentinels, &settings, &["--sentinel"])?;
    sentinel.wait_for("SENTINEL REPLICAS main", &replica.port.to_string());
    Some([master, replica, sentinel])
}

#[actix_web::test]
async fn the_master_that_sentinel_names_also_after_a_failover() {
    if redis_url().is_none() {
        return eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis");
    }
    let Some([mut master, replica, sentinel]) = watched(None) else {
        return;
    };
    let address = format!(
        "redis+sentinel://:{SECRET}@127.0.0.1:1,127.0.0.1:{}/main",
        sentinel.port
    );
    let replicas = Replicas::of(&address);
    everything_works(&replicas).await;
    assert_eq!(
        master.ask::<u32>("WAIT 1 5000").unwrap(),
        1,
        "the replica has what was written"
    );
    master.kill();
    let mut n = 0;
    let count = async || {
        n += 1;
        replicas.count_together(&format!("after {n}")).await
    };
    within("counted together again", 15, count).await;
    replica.wait_for("INFO replication", "role:master");
    assert!(replicas.hear_each_other().await);
    boards_work(&replicas, "after").await;
    // What the replica had taken over is there as well.
    let [boards, _] = replicas.boards();
    let extents = boards.extents(&[BoardKey::new("board 0")]).await;
    assert_eq!(extents, Ok(vec![Some(Extent::up_to(2))]));
}

#[actix_web::test]
async fn sentinels_that_want_a_password_get_the_same() {
    if redis_url().is_none() {
        return eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis");
    }
    let Some([_master, _replica, sentinel]) = watched(Some(SECRET)) else {
        return;
    };
    let address = format!("redis+sentinel://:{SECRET}@127.0.0.1:{}/main/1", sentinel.port);
    let replicas = Replicas::of(&address);
    assert!(replicas.one.is_up().await && replicas.count_together("subject").await);
    assert!(
        !Replicas::of(&address.replace("/main/", "/other/"))
            .one
            .is_up()
            .await
    );
}
