//! Ranked boards: in this process, and in Redis where the suite has one, as the plainest model says.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::Duration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use uuid::Uuid;
use zhibu::platform::boards::{
    Applied, Batch, BoardKey, Boards, Extent, Found, Line, Page, Score, Unavailable,
};
use zhibu::platform::cache::Cache;
use zhibu::platform::clock::Clock;
use zhibu::platform::config::Config;

use crate::support::redis_url;

/// Boards under test, those of a second replica, and what a test may do to them from outside.
struct Side {
    boards: Boards,
    other: Boards,
    clock: Clock,
    /// The server, and what stands before our keys.
    redis: Option<(redis::Client, String)>,
}

fn sides() -> Vec<Side> {
    let clock = Clock::fixed("2026-11-24T01:30:00Z".parse().unwrap());
    let memory = Boards::memory(clock.clone());
    let mut sides = vec![Side {
        boards: memory.clone(),
        other: memory,
        clock: clock.clone(),
        redis: None,
    }];
    match redis_url() {
        None => eprintln!("LEFT OUT: ZHIBU_TEST_REDIS_URL names no Redis"),
        Some(url) => {
            let mut config = Config::for_testing(std::path::Path::new("unused")).cache;
            config.redis = Some(url.parse().unwrap());
            config.prefix = format!("boards_{}", hex::encode(rand::random::<[u8; 8]>()));
            // A busy machine is slow; how long anything takes is measured elsewhere.
            config.deadline = std::time::Duration::from_secs(5);
            let open = || Boards::beside(&Cache::open(&config), clock.clone());
            sides.push(Side {
                boards: open(),
                other: open(),
                clock: clock.clone(),
                redis: Some((redis::Client::open(url).unwrap(), config.prefix.clone())),
            });
        }
    }
    sides
}

impl Side {
    /// Our keys in Redis whose names end so.
    fn keys(&self, end: &str) -> Vec<String> {
        let Some((client, prefix)) = &self.redis else {
            return Vec::new();
        };
        let pattern = format!("*{prefix}*{end}");
        redis::cmd("KEYS")
            .arg(pattern)
            .query(&mut client.get_connection().unwrap())
            .unwrap()
    }

    fn on_keys(&self, command: &str, end: &str, argument: Option<u64>) -> Vec<i64> {
        let keys = self.keys(end);
        assert!(!keys.is_empty(), "{end}");
        let mut connection = self.redis.as_ref().unwrap().0.get_connection().unwrap();
        let mut on = |key| {
            redis::cmd(command)
                .arg(key)
                .arg(argument)
                .query(&mut connection)
                .unwrap()
        };
        keys.iter().map(&mut on).collect()
    }

    /// As long a time passes as no lease and no board lasts.
    async fn outlast(&self, seconds: i64, end: &str) {
        match &self.redis {
            None => self.clock.advance(Duration::seconds(seconds)),
            Some(_) => drop(self.on_keys("PEXPIRE", end, Some(0))),
        }
    }

    /// Redis is emptied, or the process starts anew.
    async fn lose_everything(&self, board: &BoardKey) {
        match &self.redis {
            None => self.boards.forget(board).await,
            Some(_) => drop(self.on_keys("DEL", "", None)),
        }
    }
}

fn board() -> BoardKey {
    BoardKey::new("tree:month:20261101")
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn score(points: i64) -> Score {
    Score {
        points,
        reached_at: 1_795_000_000_000_000,
    }
}

/// So many entrants with the same points.
fn all(count: u128, points: i64) -> Vec<(Uuid, Score)> {
    (0..count).map(|n| (id(n), score(points))).collect()
}

fn batch(from: i64, to: i64, changes: &[(Uuid, Score)]) -> Batch {
    let changes = changes.iter().map(|(id, score)| (*id, Some(*score))).collect();
    Batch { from, to, changes }
}

async fn build(boards: &Boards, board: &BoardKey, entrants: &[(Uuid, Score)], at: i64) {
    let mut building = boards.begin(board).await.unwrap().unwrap();
    for chunk in entrants.chunks(1_700) {
        assert!(building.add(chunk).await.unwrap());
    }
    assert!(building.finish(Extent::up_to(at)).await.unwrap());
}

async fn how_far(boards: &Boards, board: &BoardKey) -> Option<i64> {
    let extents = boards.extents(std::slice::from_ref(board)).await.unwrap();
    extents[0].as_ref().map(|extent| extent.at)
}

/// Sort everything, count everybody.
fn sorted(scores: &BTreeMap<Uuid, Score>) -> Vec<Line> {
    let mut all: Vec<(Uuid, Score)> = scores.iter().map(|(id, score)| (*id, *score)).collect();
    all.sort_by_key(|(id, score)| (Reverse(score.points), score.reached_at, *id));
    let more_than = |points| all.iter().filter(|(_, other)| other.points > points).count() as u64;
    let line = |(position, (id, score)): (u64, &(Uuid, Score))| Line {
        id: *id,
        score: *score,
        rank: 1 + more_than(score.points),
        position,
    };
    (0..).zip(&all).map(line).collect()
}

async fn check(side: &Side, board: &BoardKey, at: i64, scores: &BTreeMap<Uuid, Score>, ids: &[Uuid]) {
    let all = sorted(scores);
    let size = all.len() as u64;
    let page = |from: usize, limit: usize| {
        let lines = all.iter().skip(from).take(limit).copied().collect();
        Some(Page { at, size, lines })
    };
    for (from, limit) in [
        (0, 200),
        (0, 0),
        (0, 1),
        (3, 4),
        (all.len() / 2, 5),
        (all.len(), 5),
        (900, 5),
    ] {
        let found = side.boards.page(board, from as u64, limit as u64).await.unwrap();
        assert_eq!(found, page(from, limit), "from {from}, {limit} lines");
    }
    for (n, id) in ids.iter().enumerate() {
        let line = all.iter().find(|line| line.id == *id).copied();
        let neighbours = n as u64 % 4;
        let is_near =
            |other: &&Line| line.is_some_and(|line| line.position.abs_diff(other.position) <= neighbours);
        let around = all.iter().filter(is_near).copied().collect();
        let found = side.other.find(board, *id, neighbours).await.unwrap();
        assert_eq!(
            found,
            Some(Found {
                at,
                size,
                line,
                around
            })
        );
    }
    assert_eq!(how_far(&side.other, board).await, Some(at));
}

#[actix_web::test]
async fn random_histories_have_the_same_lines_wherever_they_are_kept() {
    let score = (-30i64..30, -3i64..3).prop_map(|(points, reached_at)| match points {
        // The ends, where doubles and signed numbers are at their worst.
        29 => Score {
            points: 1 << 53,
            reached_at: i64::MAX,
        },
        28 => Score {
            points: i64::MAX,
            reached_at,
        },
        -29 => Score {
            points: 1 - (1 << 53),
            reached_at: i64::MIN,
        },
        -28 => Score {
            points: i64::MIN,
            reached_at,
        },
        points => Score { points, reached_at },
    });
    let bounded = |score: Score| Score {
        points: score.points.clamp(-(1 << 53), 1 << 53),
        ..score
    };
    let first = proptest::collection::btree_map(0u128..40, score.clone(), 0..35);
    let changes = proptest::collection::vec((0u128..40, proptest::option::weighted(0.7, score)), 0..30);
    let history = (first, proptest::collection::vec(changes, 0..5));
    let mut runner = TestRunner::deterministic();
    let ids: Vec<Uuid> = (0..40).map(id).collect();
    for side in sides() {
        for n in 0..40 {
            let (first, batches) = history.new_tree(&mut runner).unwrap().current();
            let board = BoardKey::new(format!("history:{n}"));
            let first: Vec<(Uuid, Score)> = first.into_iter().map(|(n, score)| (id(n), score)).collect();
            build(&side.boards, &board, &first, 0).await;
            let mut scores = first
                .into_iter()
                .map(|(id, score)| (id, bounded(score)))
                .collect();
            check(&side, &board, 0, &scores, &ids).await;
            for (from, changes) in (0..).zip(batches) {
                let changes: Vec<(Uuid, Option<Score>)> =
                    changes.into_iter().map(|(n, score)| (id(n), score)).collect();
                for (id, score) in &changes {
                    match score {
                        Some(score) => scores.insert(*id, bounded(*score)),
                        None => scores.remove(id),
                    };
                }
                let batch = Batch {
                    from,
                    to: from + 1,
                    changes,
                };
                assert_eq!(side.boards.apply(&board, &batch).await, Ok(Applied::Done));
                check(&side, &board, from + 1, &scores, &ids[..8]).await;
            }
        }
    }
}

#[actix_web::test]
async fn a_batch_is_set_only_where_nothing_is_missing_before_it_and_nothing_newer_is_there() {
    for side in sides() {
        let (board, one) = (board(), [(id(1), score(5))]);
        let apply = async |from, to| side.boards.apply(&board, &batch(from, to, &one)).await.unwrap();
        assert_eq!(apply(0, 10).await, Applied::Missing);
        assert_eq!(side.boards.page(&board, 0, 9).await, Ok(None));
        assert_eq!(side.boards.find(&board, id(1), 9).await, Ok(None));

        build(&side.boards, &board, &[], 10).await;
        let empty = Page {
            at: 10,
            size: 0,
            lines: Vec::new(),
        };
        assert_eq!(side.other.page(&board, 0, 9).await, Ok(Some(empty)));
        assert_eq!(apply(11, 12).await, Applied::Gap);
        assert_eq!(apply(8, 9).await, Applied::Stale);
        assert_eq!(how_far(&side.boards, &board).await, Some(10));
        assert_eq!(
            apply(8, 12).await,
            Applied::Done,
            "what it has already may come again"
        );
        assert_eq!(apply(8, 12).await, Applied::Done);
        let nothing = batch(12, 20, &[]);
        assert_eq!(side.other.apply(&board, &nothing).await, Ok(Applied::Done));

        let others = ["other:1", "other:2", "other:3"].map(BoardKey::new);
        build(&side.boards, &others[1], &one, 3).await;
        let [a, b, c] = others;
        let known = [None, Some(20), Some(3), None].map(|at| at.map(Extent::up_to));
        assert_eq!(
            side.boards.extents(&[a, board.clone(), b, c]).await.unwrap(),
            known
        );
        side.other.forget(&board).await;
        assert_eq!(how_far(&side.boards, &board).await, None);
    }
}

/// Whether all of a board's entrants have these points.
async fn all_have(boards: &Boards, board: &BoardKey, points: i64) -> bool {
    let page = boards.page(board, 0, 5_000).await.unwrap().unwrap();
    page.lines.len() == 3_000 && page.lines.iter().all(|line| line.score.points == points)
}

#[actix_web::test]
async fn of_long_batches_at_once_the_newest_stands() {
    for side in sides() {
        for n in 0..8 {
            let board = BoardKey::new(format!("race:{n}"));
            build(&side.boards, &board, &all(3_000, 10), 10).await;
            let (old, new) = (batch(10, 20, &all(3_000, 20)), batch(10, 25, &all(3_000, 25)));
            let (_, applied) = tokio::join!(side.boards.apply(&board, &old), side.other.apply(&board, &new));
            assert_eq!(applied, Ok(Applied::Done));
            assert_eq!(how_far(&side.boards, &board).await, Some(25));
            assert!(all_have(&side.boards, &board, 25).await);

            // The same on two replicas.
            let same = batch(25, 30, &all(3_000, 30));
            let (one, other) =
                tokio::join!(side.boards.apply(&board, &same), side.other.apply(&board, &same));
            assert!(
                one == Ok(Applied::Done) || other == Ok(Applied::Done),
                "{one:?} {other:?}"
            );
            assert_eq!(how_far(&side.boards, &board).await, Some(30));
            assert!(all_have(&side.boards, &board, 30).await);
        }
    }
}

/// Some of the batch may have gone to the board that is replaced: then it must not claim that all of it is there.
#[actix_web::test]
async fn a_long_batch_does_not_go_on_in_a_board_that_was_built_anew() {
    for side in sides() {
        for n in 0..20 {
            let board = BoardKey::new(format!("race:{n}"));
            build(&side.boards, &board, &all(3_000, 10), 10).await;
            let mut building = side.other.begin(&board).await.unwrap().unwrap();
            assert!(building.add(&all(3_000, 12)).await.unwrap());
            let long = batch(10, 20, &all(3_000, 20));
            let (applied, finished) = tokio::join!(
                side.boards.apply(&board, &long),
                building.finish(Extent::up_to(12))
            );
            let at = how_far(&side.boards, &board).await.unwrap();
            assert!(
                all_have(&side.boards, &board, at).await,
                "{applied:?} {finished:?} {at}"
            );
            assert_eq!(at == 20, applied == Ok(Applied::Done));
            assert_eq!(side.boards.apply(&board, &long).await, Ok(Applied::Done));
            assert!(all_have(&side.boards, &board, 20).await);
        }
    }
}

#[actix_web::test]
async fn one_builds_at_a_time_beside_the_board_that_answers() {
    for side in sides() {
        let board = board();
        build(&side.boards, &board, &all(3, 1), 1).await;
        let begun = tokio::join!(
            side.boards.begin(&board),
            side.other.begin(&board),
            side.boards.begin(&board),
            side.other.begin(&board)
        );
        let begun = [begun.0, begun.1, begun.2, begun.3].map(Result::unwrap);
        let mut begun: Vec<_> = begun.into_iter().flatten().collect();
        assert_eq!(begun.len(), 1);
        let mut building = begun.pop().unwrap();
        assert!(building.add(&all(2_345, 2)).await.unwrap());
        assert!(building.add(&[]).await.unwrap());
        let later = |n| (id(n), score(7));
        let later: Vec<_> = (2_345..2_350).map(later).collect();
        assert!(building.add(&later).await.unwrap());
        assert_eq!(side.boards.page(&board, 0, 9).await.unwrap().unwrap().size, 3);
        assert!(
            side.boards
                .begin(&BoardKey::new("another"))
                .await
                .unwrap()
                .is_some()
        );
        assert!(building.finish(Extent::up_to(2)).await.unwrap());
        let page = side.other.page(&board, 4, 2).await.unwrap().unwrap();
        let ranks: Vec<(i64, u64)> = page
            .lines
            .iter()
            .map(|line| (line.score.points, line.rank))
            .collect();
        assert_eq!((page.at, page.size, ranks), (2, 2_350, vec![(7, 1), (2, 6)]));
        build(&side.other, &board, &[], 3).await;
        assert!(
            side.redis.is_none() || side.keys("new:*").is_empty(),
            "nothing half made is left"
        );
    }
}

#[actix_web::test]
async fn what_a_board_showed_besides_when_it_was_built_is_told_until_it_is_built_anew() {
    for side in sides() {
        let board = board();
        for besides in [vec![12, 15, 9_007_199_254_740_991], vec![]] {
            let building = side.boards.begin(&board).await.unwrap().unwrap();
            let mut extent = Extent { at: 12, besides };
            assert!(building.finish(extent.clone()).await.unwrap());
            let told = async || side.other.extents(std::slice::from_ref(&board)).await.unwrap();
            assert_eq!(told().await, [Some(extent.clone())]);
            let batch = batch(12, 13, &all(3, 1));
            assert_eq!(side.boards.apply(&board, &batch).await, Ok(Applied::Done));
            extent.at = 13;
            assert_eq!(told().await, [Some(extent)]);
            side.boards.forget(&board).await;
        }
    }
}

#[actix_web::test]
async fn a_builder_that_is_not_heard_of_gives_way_and_comes_too_late() {
    for side in sides() {
        let board = board();
        let mut slow = side.boards.begin(&board).await.unwrap().unwrap();
        assert!(slow.add(&all(10, 1)).await.unwrap());
        side.outlast(15, ":lease").await;
        let mut second = side.other.begin(&board).await.unwrap().unwrap();
        assert!(!slow.add(&all(10, 1)).await.unwrap());
        assert!(second.add(&all(20, 2)).await.unwrap());
        assert!(!slow.finish(Extent::up_to(9)).await.unwrap());
        assert!(
            second.finish(Extent::up_to(2)).await.unwrap(),
            "whoever is late takes nothing from it"
        );
        assert_eq!(side.boards.page(&board, 0, 0).await.unwrap().unwrap().size, 20);

        // One that dies.
        let mut third = side.boards.begin(&board).await.unwrap().unwrap();
        assert!(third.add(&all(10, 3)).await.unwrap());
        drop(third);
        if side.redis.is_some() {
            assert!(
                side.boards.begin(&board).await.unwrap().is_none(),
                "its lease runs out first"
            );
            // Its half-made board and that of the late one.
            let ends = side.on_keys("PTTL", "new:*", None);
            assert!(
                ends.len() == 4 && ends.iter().all(|ms| (1..=15_000).contains(ms)),
                "{ends:?}"
            );
            side.outlast(15, ":lease").await;
        }
        build(&side.other, &board, &all(30, 4), 4).await;
        assert_eq!(side.boards.page(&board, 0, 0).await.unwrap().unwrap().size, 30);
    }
}

#[actix_web::test]
async fn a_late_replica_undoes_nothing() {
    for side in sides() {
        let board = board();
        let mut late = side.other.begin(&board).await.unwrap().unwrap();
        assert!(late.add(&all(10, 1)).await.unwrap());
        // While it was busy its lease ran out, and others built the board and went on.
        side.outlast(15, ":lease").await;
        build(&side.boards, &board, &all(10, 2), 20).await;
        assert_eq!(
            side.boards.apply(&board, &batch(20, 21, &all(10, 3))).await,
            Ok(Applied::Done)
        );
        assert!(!late.finish(Extent::up_to(12)).await.unwrap());
        let late = side.other.apply(&board, &batch(12, 20, &all(10, 2))).await;
        assert_eq!(late, Ok(Applied::Stale));

        // One with a lease, who has read an older version than the board is at.
        let mut late = side.other.begin(&board).await.unwrap().unwrap();
        assert!(late.add(&all(10, 1)).await.unwrap());
        assert!(!late.finish(Extent::up_to(20)).await.unwrap());
        let page = side.boards.page(&board, 0, 1).await.unwrap().unwrap();
        assert_eq!((page.at, page.lines[0].score.points), (21, 3));
    }
}

#[actix_web::test]
async fn what_is_lost_is_missing_and_nothing_goes_on_from_it() {
    for side in sides() {
        let board = board();
        build(&side.boards, &board, &all(10, 1), 1).await;
        let mut building = side.boards.begin(&board).await.unwrap().unwrap();
        assert!(building.add(&all(5, 1)).await.unwrap());
        side.lose_everything(&board).await;
        assert_eq!(side.boards.page(&board, 0, 9).await, Ok(None));
        assert_eq!(
            side.boards.apply(&board, &batch(1, 2, &[])).await,
            Ok(Applied::Missing)
        );
        assert!(
            !building.add(&all(10, 1)).await.unwrap(),
            "half of a board is none"
        );
        assert!(!building.finish(Extent::up_to(2)).await.unwrap());
        build(&side.other, &board, &all(10, 1), 3).await;
        assert_eq!(how_far(&side.boards, &board).await, Some(3));

        if side.redis.is_none() {
            continue;
        }
        // Redis that needs room throws away one key and keeps another.
        for end in [":order", ":scores"] {
            side.on_keys("DEL", end, None);
            assert_eq!(how_far(&side.boards, &board).await, None);
            assert_eq!(side.boards.find(&board, id(1), 1).await, Ok(None));
            assert_eq!(
                side.boards.apply(&board, &batch(3, 4, &[])).await,
                Ok(Applied::Missing)
            );
            build(&side.boards, &board, &all(10, 1), 3).await;
        }
        let mut building = side.boards.begin(&board).await.unwrap().unwrap();
        assert!(building.add(&all(5, 1)).await.unwrap());
        side.on_keys("DEL", "new:*", None);
        assert!(!building.add(&all(5, 1)).await.unwrap());
        assert!(!building.finish(Extent::up_to(9)).await.unwrap());
    }
}

#[actix_web::test]
async fn a_board_that_nobody_keeps_ends() {
    for side in sides() {
        let [kept, left] = ["kept", "left"].map(BoardKey::new);
        for board in [&kept, &left] {
            build(&side.boards, board, &all(10, 1), 1).await;
        }
        let Some((client, prefix)) = &side.redis else {
            side.clock.advance(Duration::minutes(14));
            side.boards.keep(&[kept.clone()]).await;
            side.clock.advance(Duration::minutes(1));
            assert_eq!(
                side.boards.extents(&[kept.clone(), left.clone()]).await,
                Ok(vec![Some(Extent::up_to(1)), None])
            );
            side.boards.keep(&[left.clone()]).await;
            side.clock.advance(Duration::minutes(14));
            assert_eq!(
                side.boards.extents(&[kept, left]).await,
                Ok(vec![None, None]),
                "what is gone is not kept"
            );
            continue;
        };
        side.on_keys("EXPIRE", "", Some(60));
        // Emptied and filled again, its end is still the same for both of its keys.
        let nobody = all(10, 1).into_iter().map(|(id, _)| (id, None)).collect();
        let emptied = Batch {
            from: 1,
            to: 2,
            changes: nobody,
        };
        assert_eq!(side.boards.apply(&left, &emptied).await, Ok(Applied::Done));
        assert_eq!(
            side.boards.apply(&left, &batch(2, 3, &all(4, 1))).await,
            Ok(Applied::Done)
        );
        side.boards.keep(&[kept]).await;
        let mut connection = client.get_connection().unwrap();
        for (board, seconds) in [("kept", 840..=900), ("left", 30..=60)] {
            for key in ["scores", "order"] {
                let key = format!("{{{prefix}:board:{board}}}:{key}");
                let left: i64 = redis::cmd("TTL").arg(&key).query(&mut connection).unwrap();
                assert!(seconds.contains(&left), "{key} {left}");
            }
        }
    }
}

#[actix_web::test]
async fn redis_that_is_away_is_said_in_time() {
    let mut config = Config::for_testing(std::path::Path::new("unused")).cache;
    // One that refuses, and one that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in ["127.0.0.1:1".to_owned(), silent.local_addr().unwrap().to_string()] {
        for kind in [
            format!("redis://{address}"),
            format!("redis+cluster://{address}"),
            format!("redis+sentinel://{address}/main"),
        ] {
            config.redis = Some(kind.parse().unwrap());
            let boards = Boards::beside(&Cache::open(&config), Clock::system());
            let begun = std::time::Instant::now();
            assert_eq!(boards.page(&board(), 0, 9).await, Err(Unavailable));
            assert_eq!(boards.find(&board(), id(1), 9).await, Err(Unavailable));
            assert_eq!(boards.extents(&[board()]).await, Err(Unavailable));
            assert_eq!(boards.apply(&board(), &batch(1, 2, &[])).await, Err(Unavailable));
            assert!(boards.begin(&board()).await.is_err());
            boards.keep(&[board()]).await;
            boards.forget(&board()).await;
            assert!(begun.elapsed().as_secs() < 3, "{kind} {:?}", begun.elapsed());
        }
    }
}

/// In Redis they are answered together.
#[actix_web::test]
async fn those_who_look_for_themselves_at_once_each_find_themselves() {
    for side in sides() {
        let entrants: Vec<_> = (0..500).map(|n| (id(n), score((n % 90) as i64))).collect();
        build(&side.boards, &board(), &entrants, 1).await;
        let (boards, board) = (&side.boards, board());
        let look = async |n: u128| boards.find(&board, id(n), (n % 4) as u64).await.unwrap();
        let at_once = futures_util::future::join_all((0..600).map(look)).await;
        for (n, found) in (0..600).zip(at_once) {
            let line = found.as_ref().unwrap().line;
            assert_eq!(line.map(|line| line.id), (n < 500).then(|| id(n)), "{n}");
            assert_eq!(found, look(n).await, "{n}");
        }
        side.lose_everything(&board).await;
        let gone = futures_util::future::join_all((0..300).map(look)).await;
        assert!(gone.iter().all(Option::is_none));
    }
}
