//! What a batch of check-ins knows of points. Nothing is read unless somebody in it shows a point's code.

use std::collections::HashMap;

use super::rules::{self, Kind, Passed};
use super::store::{self, CheckpointRow, PassageRow};
use crate::attendance::desk::{CheckIn, PassedPoint};
use crate::attendance::rules::Gate;
use crate::attendance::store::{CheckInRow, Pair};
use crate::attendance::{CheckInId, CheckpointId, codes};
use crate::auth::AccountId;
use crate::events::{EventId, EventRow};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppResult, Code};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;

#[derive(Default)]
pub struct Passing {
    /// In order, of the events whose points' codes were shown.
    points: Vec<CheckpointRow>,
    standing: HashMap<Pair, Vec<PassageRow>>,
    sent: HashMap<(AccountId, AnyId), (PassageRow, CheckInRow)>,
}

impl Passing {
    pub fn load(
        conn: &mut DbConnection,
        keys: &Keys,
        events: &HashMap<EventId, EventRow>,
        batch: &[CheckIn],
    ) -> AppResult<Self> {
        let shows_a_point = |wish: &&CheckIn| {
            let event = events.get(&wish.event);
            wish.checkpoint.is_some() || event.is_some_and(|event| !is_events_own(keys, event, wish))
        };
        let wishes: Vec<&CheckIn> = batch.iter().filter(shows_a_point).collect();
        if wishes.is_empty() {
            return Ok(Self::default());
        }
        let mut ids: Vec<EventId> = wishes.iter().map(|wish| wish.event).collect();
        ids.sort_unstable();
        ids.dedup();
        let points = store::list_points(conn, &ids)?;
        if points.is_empty() {
            return Ok(Self::default());
        }
        let people: Vec<_> = wishes.iter().map(|wish| (wish.event, wish.member)).collect();
        let mut standing: HashMap<Pair, Vec<PassageRow>> = HashMap::new();
        for row in store::list_passages_of(conn, &people)? {
            standing.entry(pair(&row)).or_default().push(row);
        }
        let sent: Vec<_> = wishes
            .iter()
            .map(|wish| (wish.submitted_by, wish.client_event_id))
            .collect();
        let sent = sent_before(conn, &sent)?;
        Ok(Self {
            points,
            standing,
            sent: sent
                .into_iter()
                .map(|(passage, check_in)| {
                    (
                        (passage.submitted_by, passage.client_event_id),
                        (passage, check_in),
                    )
                })
                .collect(),
        })
    }

    fn point(&self, id: CheckpointId) -> Option<&CheckpointRow> {
        self.points.iter().find(|point| point.id == id)
    }

    /// The passage that was made under this wish's id before, with the check-in it stands under. Its point is known where
    /// it is of an event that somebody asks about.
    pub fn sent_before(&self, wish: &CheckIn) -> Option<(Option<PassedPoint>, CheckInRow)> {
        let (passage, check_in) = self.sent.get(&(wish.submitted_by, wish.client_event_id))?;
        let passed = self.point(passage.checkpoint_id).map(|point| PassedPoint {
            point: point.clone(),
            passage: passage.clone(),
        });
        Some((passed, check_in.clone()))
    }

    /// The point whose code was shown; none for an event's own code.
    pub fn point_of(
        &self,
        keys: &Keys,
        event: &EventRow,
        wish: &CheckIn,
    ) -> AppResult<Option<CheckpointRow>> {
        let mut of_event = self.points.iter().filter(|point| point.event_id == event.id);
        let found = match (wish.checkpoint, &wish.typed_code) {
            (Some(id), _) => of_event.find(|point| point.id == id),
            (None, Some(typed)) if !is_events_own(keys, event, wish) => {
                let (window_s, at) = (event.code_window_s, wish.claim.judged_at);
                of_event
                    .find(|point| codes::is_typed_code(keys, event.id, Some(point.id), window_s, at, typed))
            }
            (None, _) => return Ok(None),
        };
        // A point that is there no more.
        Ok(Some(found.cloned().ok_or(Code::InvalidCode)?))
    }

    /// The standing passage of a point.
    pub fn passed(&self, pair: Pair, point: CheckpointId) -> Option<&PassageRow> {
        let passed = self.standing.get(&pair)?;
        passed.iter().find(|row| row.checkpoint_id == point)
    }

    /// From when on somebody who is checked in may check out.
    pub fn first_in_at(&self, pair: Pair, check_in: &CheckInRow) -> Instant {
        let rows = self.standing.get(&pair).map(Vec::as_slice).unwrap_or_default();
        rules::first_in_at(check_in.own_time(), &passed(&self.points, rows))
    }

    pub fn remember(&mut self, passage: &PassageRow, check_in: &CheckInRow) {
        self.standing
            .entry(pair(passage))
            .or_default()
            .push(passage.clone());
        self.sent.insert(
            (passage.submitted_by, passage.client_event_id),
            (passage.clone(), check_in.clone()),
        );
    }
}

/// Is a typed code that of the event itself? Any other wish names what it shows.
fn is_events_own(keys: &Keys, event: &EventRow, wish: &CheckIn) -> bool {
    wish.typed_code.as_ref().is_none_or(|typed| {
        codes::is_typed_code(
            keys,
            event.id,
            None,
            event.code_window_s,
            wish.claim.judged_at,
            typed,
        )
    })
}

fn pair(row: &PassageRow) -> Pair {
    Pair {
        event_id: row.event_id,
        member_id: row.member_id,
    }
}

/// Rows as the rules read them.
pub fn passed(points: &[CheckpointRow], rows: &[PassageRow]) -> Vec<Passed> {
    let kind_of = |id| points.iter().find(|point| point.id == id).map(Kind::of);
    rows.iter()
        .filter_map(|row| {
            Some(Passed {
                checkpoint: row.checkpoint_id,
                kind: kind_of(row.checkpoint_id)?,
                at: row.passed_at,
            })
        })
        .collect()
}

fn sent_before(
    conn: &mut DbConnection,
    asked: &[(AccountId, AnyId)],
) -> AppResult<Vec<(PassageRow, CheckInRow)>> {
    let passages = store::list_by_client_event(conn, asked)?;
    if passages.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<CheckInId> = passages.iter().map(|row| row.check_in_id).collect();
    let check_ins: HashMap<CheckInId, CheckInRow> = store::list_check_ins(conn, &ids)?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let with_check_in = |passage: PassageRow| {
        let check_in = check_ins.get(&passage.check_in_id)?.clone();
        Some((passage, check_in))
    };
    Ok(passages.into_iter().filter_map(with_check_in).collect())
}

/// What this account has sent before under this id, if it passed a point.
pub fn find_sent(
    conn: &mut DbConnection,
    by: AccountId,
    id: AnyId,
) -> AppResult<Option<(PassedPoint, CheckInRow)>> {
    let Some((passage, check_in)) = sent_before(conn, &[(by, id)])?.pop() else {
        return Ok(None);
    };
    let points = store::list_points(conn, &[passage.event_id])?;
    let point = points.into_iter().find(|point| point.id == passage.checkpoint_id);
    Ok(point.map(|point| (PassedPoint { passage, point }, check_in)))
}

pub fn gate_of(event: &EventRow, point: Option<&CheckpointRow>) -> Gate {
    point.map_or_else(|| Gate::of(event), |point| rules::gate(event, point))
}

/// A passage, before it is on disk.
pub fn new_passage(
    ids: &Ids,
    wish: &CheckIn,
    point: &CheckpointRow,
    check_in: CheckInId,
    flags: &[&str],
) -> PassageRow {
    PassageRow {
        id: ids.make(),
        tenant_id: point.tenant_id,
        event_id: point.event_id,
        checkpoint_id: point.id,
        member_id: wish.member,
        check_in_id: check_in,
        submitted_by: wish.submitted_by,
        client_event_id: wish.client_event_id,
        source: wish.claim.source.as_str().to_owned(),
        passed_at: wish.claim.judged_at,
        occurred_at: wish.claim.claimed_at,
        received_at: wish.claim.received_at,
        flags: flags.join(","),
        device: wish.claim.device.map(AnyId),
        reason: wish.reason.clone(),
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    }
}
