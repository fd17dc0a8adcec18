//! Tries of the rules of attendance, without a database.

use proptest::prelude::*;

use super::*;
use crate::platform::ids::Ids;

fn at(second: i64) -> Instant {
    Instant::from_micros(second * 1_000_000)
}

/// Published; open from 0 to 7,200 s, late from 3,600 s on; within 100 m of a place, if anybody asks.
fn event(change: impl FnOnce(&mut EventRow)) -> EventRow {
    let ids = Ids::seeded();
    let mut event = EventRow {
        id: ids.make(),
        tenant_id: ids.make(),
        organization_id: ids.make(),
        title: String::new(),
        description: String::new(),
        place: String::new(),
        starts_at: at(1_800),
        ends_at: at(5_400),
        time_zone: "Asia/Shanghai".to_owned(),
        status: "published".to_owned(),
        expected_standings: 0,
        opens_before_s: 1_800,
        late_after_s: 1_800,
        closes_after_s: 5_400,
        code_window_s: 10,
        offline_allowed: true,
        geofence_latitude: Some(39.9087),
        geofence_longitude: Some(116.3975),
        geofence_radius_m: None,
        check_in_opens_at: at(0),
        late_from: at(3_600),
        check_in_closes_at: at(7_200),
        roster_frozen_at: None,
        audience_version: 1,
        last_seq: 0,
        version: 1,
        created_at: at(0),
        created_by: None,
        updated_at: at(0),
        closed_at: None,
        cancel_reason: None,
        admission: "roster".to_owned(),
    };
    change(&mut event);
    event
}

fn claim(source: Source, second: i64) -> Claim {
    Claim {
        source,
        judged_at: at(second),
        claimed_at: at(second),
        received_at: at(second),
        location: None,
        device: None,
    }
}

const EXPECTED: Facts = Facts {
    on_roster: true,
    on_leave: false,
    device_used_by_other: false,
};

fn refusal(event: &EventRow, facts: Facts, claim: &Claim) -> Option<Code> {
    let decided = decide(event, Gate::of(event), facts, claim);
    decided.err().map(|error| error.code())
}

#[test]
fn a_draft_is_told_to_its_makers_only_and_what_is_cancelled_to_everybody() {
    let draft = event(|event| event.status = "draft".to_owned());
    let told = |source| refusal(&draft, EXPECTED, &claim(source, 10));
    assert_eq!(told(Source::Code), Some(Code::InvalidCode));
    assert_eq!(told(Source::ByHand), Some(Code::NotOpenYet));
    assert_eq!(told(Source::PersonalCode), Some(Code::NotOpenYet));
    let cancelled = event(|event| event.status = "cancelled".to_owned());
    for source in [Source::Code, Source::ByHand] {
        assert_eq!(
            refusal(&cancelled, EXPECTED, &claim(source, 10)),
            Some(Code::EventCancelled)
        );
    }
}

#[test]
fn check_in_is_open_from_its_beginning_to_its_end_or_to_the_close() {
    let planned = event(|_| {});
    let told = |event, source, second| refusal(event, EXPECTED, &claim(source, second));
    assert_eq!(told(&planned, Source::Code, -1), Some(Code::NotOpenYet));
    assert_eq!(told(&planned, Source::ByHand, -1), Some(Code::NotOpenYet));
    assert_eq!(told(&planned, Source::Code, 0), None);
    assert_eq!(told(&planned, Source::Code, 7_199), None);
    assert_eq!(told(&planned, Source::Code, 7_200), Some(Code::Closed));
    // Who was there is put down by an organiser afterwards too.
    assert_eq!(told(&planned, Source::ByHand, 9_000), None);
    let closed = event(|event| event.closed_at = Some(at(600)));
    assert_eq!(told(&closed, Source::Offline, 599), None);
    assert_eq!(told(&closed, Source::Offline, 600), Some(Code::Closed));
    assert_eq!(told(&closed, Source::Code, 601), Some(Code::Closed));
    let is_late = |second| {
        let claim = claim(Source::Code, second);
        decide(&planned, Gate::of(&planned), EXPECTED, &claim)
            .unwrap()
            .late
    };
    assert!(!is_late(3_599) && is_late(3_600));
}

#[test]
fn who_is_not_expected_or_on_leave_comes_in_by_an_organiser_only() {
    let stranger = Facts {
        on_roster: false,
        ..EXPECTED
    };
    let on_leave = Facts {
        on_leave: true,
        ..EXPECTED
    };
    for (facts, code) in [(stranger, Code::NotExpected), (on_leave, Code::OnLeave)] {
        assert_eq!(
            refusal(&event(|_| {}), facts, &claim(Source::Code, 10)),
            Some(code)
        );
        assert_eq!(refusal(&event(|_| {}), facts, &claim(Source::ByHand, 10)), None);
    }
}

#[test]
fn an_upload_needs_leave_and_is_reviewed() {
    let strict = event(|event| event.offline_allowed = false);
    assert_eq!(
        refusal(&strict, EXPECTED, &claim(Source::Offline, 10)),
        Some(Code::OfflineNotAllowed)
    );
    let free = event(|_| {});
    let decided = |source| decide(&free, Gate::of(&free), EXPECTED, &claim(source, 10)).unwrap();
    let upload = decided(Source::Offline);
    assert_eq!(
        (upload.review, upload.flags),
        (Some("late_upload"), vec!["late_upload"])
    );
    let scan = decided(Source::Code);
    assert_eq!((scan.review, scan.flags), (None, vec![]));
}

#[test]
fn a_place_is_asked_of_those_who_come_by_themselves_and_only_where_it_holds() {
    let fenced = event(|event| event.geofence_radius_m = Some(100));
    let told = |source, location, in_area| {
        let gate = Gate {
            in_area,
            ..Gate::of(&fenced)
        };
        let claim = Claim {
            location,
            ..claim(source, 10)
        };
        let decided = decide(&fenced, gate, EXPECTED, &claim);
        decided
            .map(|accepted| accepted.location)
            .map_err(|error| error.code())
    };
    let near = Location {
        latitude: 39.9087,
        longitude: 116.3975,
        accuracy_m: 10.0,
    };
    let far = Location {
        latitude: 40.0,
        ..near
    };
    assert_eq!(told(Source::Code, Some(near), true), Ok(Some("inside_precise")));
    assert_eq!(told(Source::Code, Some(far), true), Err(Code::OutsideArea));
    assert_eq!(told(Source::Code, None, true), Err(Code::LocationRequired));
    // A phone without a network may have been without satellites too; a person looks at it anyway.
    assert_eq!(told(Source::Offline, None, true), Ok(None));
    assert_eq!(told(Source::ByHand, None, true), Ok(None));
    assert_eq!(told(Source::PersonalCode, Some(far), true), Ok(None));
    assert_eq!(told(Source::Code, Some(far), false), Ok(None));
}

#[test]
fn a_clock_is_far_off_beyond_five_minutes_either_way() {
    let told = |claimed_at, received_at| {
        let claim = Claim {
            claimed_at: at(claimed_at),
            received_at: at(received_at),
            ..claim(Source::Code, received_at)
        };
        flags(Facts::default(), &claim)
    };
    assert_eq!(told(1_000, 1_300), Vec::<&str>::new());
    assert_eq!(told(1_000, 1_301), ["far_clock"]);
    assert_eq!(told(1_000, 4_600), ["far_clock"]);
    assert_eq!(told(1_300, 1_000), Vec::<&str>::new());
    assert_eq!(told(1_301, 1_000), ["far_clock"]);
}

#[test]
fn a_committee_needs_half_of_itself_and_a_lecture_nobody() {
    let turnout = Turnout {
        expected: 7,
        may_vote: 0,
        present: 3,
        voters_present: 0,
    };
    let committee = quorum(Form::CommitteeMeeting, turnout);
    assert_eq!(
        (
            committee.rule,
            committee.required,
            committee.counted,
            committee.missing
        ),
        (QuorumRule::HalfOfExpected, 4, 3, 1)
    );
    let lecture = quorum(Form::Lecture, turnout);
    assert!(lecture.reached && lecture.rule == QuorumRule::None && lecture.required == 0);
}

#[test]
fn five_marks_in_ten_seconds_are_no_burst() {
    let marks = |step_ms: i64| {
        let mark = |n: u32| Act {
            id: Uuid::from_u128(u128::from(n)),
            member: Uuid::from_u128(u128::from(100 + n)),
            by: Uuid::from_u128(1),
            by_hand: true,
            device: None,
            at: Instant::from_micros(i64::from(n) * step_ms * 1_000),
        };
        sheet_hints(&(0..5).map(mark).collect::<Vec<_>>()).len()
    };
    assert_eq!((marks(2_500), marks(2_499)), (0, 5));
}

#[test]
fn quorum_holds_at_exactly_half_and_fails_just_under() {
    let of = |may_vote, voters_present| {
        quorum(
            Form::GeneralMeeting,
            Turnout {
                expected: 99,
                may_vote,
                present: 99,
                voters_present,
            },
        )
    };
    assert!(of(10, 5).reached);
    assert_eq!((of(10, 4).reached, of(10, 4).missing), (false, 1));
    assert!(of(11, 6).reached && !of(11, 5).reached);
    assert!(!of(0, 0).reached);
}

#[test]
fn a_motion_fails_at_exactly_half_of_those_who_should_attend() {
    assert_eq!(votes_needed(10), 6);
    assert_eq!(votes_needed(11), 6);
    assert_eq!(votes_needed(1), 1);
}

#[test]
fn presence_follows_from_records() {
    assert_eq!(Presence::of(Some("late"), true, true), Presence::Late);
    assert_eq!(Presence::of(None, true, true), Presence::OnLeave);
    assert_eq!(Presence::of(None, false, true), Presence::Absent);
    assert_eq!(Presence::of(None, false, false), Presence::Expected);
}

#[test]
fn study_answers_an_absence_and_nothing_else() {
    use Presence::{Absent, Expected, Late, MadeUp, NotExpected, OnLeave, Present};
    for (presence, answered) in [
        (Absent, MadeUp),
        (OnLeave, MadeUp),
        (Present, Present),
        (Late, Late),
        (Expected, Expected),
        (NotExpected, NotExpected),
    ] {
        assert_eq!(presence.answered(true), answered);
        assert_eq!(presence.answered(false), presence);
    }
}

#[test]
fn a_shared_device_and_a_burst_of_marks_are_pointed_out_and_nothing_else_is() {
    let act = |n: u128, device: Option<u128>, by_hand: bool, at_s: i64| Act {
        id: Uuid::from_u128(n),
        member: Uuid::from_u128(100 + n),
        by: Uuid::from_u128(if by_hand { 1 } else { 100 + n }),
        by_hand,
        device: device.map(Uuid::from_u128),
        at: Instant::from_micros(at_s * 1_000_000),
    };
    let mut acts = vec![
        act(1, Some(7), false, 0),
        act(2, Some(7), false, 500),
        act(3, Some(8), false, 0),
    ];
    // Six marks: five within nine seconds, the sixth a minute later.
    acts.extend((0..5).map(|n| act(10 + n, None, true, n as i64 * 2)));
    acts.push(act(15, None, true, 68));
    let mut hints = sheet_hints(&acts);
    hints.sort_unstable();
    let mut expected = vec![
        (Uuid::from_u128(1), "shared_device"),
        (Uuid::from_u128(2), "shared_device"),
    ];
    expected.extend((10..15).map(|n| (Uuid::from_u128(n), "burst")));
    assert_eq!(hints, expected);
    acts.retain(|act| act.id != Uuid::from_u128(12));
    assert!(
        sheet_hints(&acts)
            .iter()
            .all(|(_, hint)| *hint == "shared_device")
    );
}

#[test]
fn a_phone_may_be_wrong_by_its_accuracy_and_by_no_more_than_half_a_kilometre() {
    for (distance, accuracy, judged) in [
        (100.0, 0.0, "inside_precise"),
        (100.1, 0.0, "outside_precise"),
        (150.0, 50.0, "inside_precise"),
        (150.1, 50.0, "outside_precise"),
        (150.1, 50.1, "inside_coarse"),
        (600.0, 9_999.0, "inside_coarse"),
        (600.1, 9_999.0, "outside_coarse"),
        (100.1, -5.0, "outside_precise"),
    ] {
        assert_eq!(
            judge_distance(distance, 100.0, accuracy),
            judged,
            "{distance} {accuracy}"
        );
    }
}

#[test]
fn a_kilometre_is_a_kilometre() {
    // A hundredth of a degree is 1,112 m northwards, and half of that eastwards where a circle of latitude is half as long.
    let from = (60.0, 116.4);
    for (to, metres) in [
        ((60.01, 116.4), 1_112.0),
        ((60.0, 116.41), 556.0),
        ((60.01, 116.41), 1_243.1),
        ((59.99, 116.39), 1_243.4),
    ] {
        let d = distance_m(from, to);
        assert!((d - metres).abs() < 0.3, "{to:?}: {d}");
        assert!((distance_m(to, from) - d).abs() < 1e-6);
    }
}

proptest! {
    #[test]
    fn quorum_is_at_least_half_in_whole_people(may_vote in 1u32..100_000, present in 0u32..100_000) {
        let q = quorum(Form::GeneralMeeting, Turnout { expected: may_vote, may_vote, present, voters_present: present });
        prop_assert_eq!(q.reached, u64::from(present) * 2 >= u64::from(may_vote));
        prop_assert_eq!(q.missing == 0, q.reached);
        prop_assert!(u64::from(votes_needed(may_vote)) * 2 > u64::from(may_vote));
        prop_assert!(u64::from(votes_needed(may_vote) - 1) * 2 <= u64::from(may_vote));
    }
}
