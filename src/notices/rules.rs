//! Kinds of notices and their words, and the hours in which nothing rings. No database, no clock.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::platform::db::Instant;
use crate::platform::error::Language;
use crate::platform::local_time;

/// What a notice tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NoticeKind)]
pub enum Kind {
    /// An event that calls me was published.
    EventPublished,
    /// Its time, place or title is another now.
    EventChanged,
    EventCancelled,
    /// It begins tomorrow.
    EventTomorrow,
    /// I have a place.
    SignUpConfirmed,
    /// I was not drawn, and wait in line.
    SignUpWaitlisted,
    /// I waited, and have a place now.
    SignUpPromoted,
    /// A place is kept for me until I answer.
    SignUpOffered,
    /// It was kept for me, and I did not answer in time.
    SignUpExpired,
    /// The organiser took my sign-up back.
    SignUpCancelled,
    /// The organiser moved me to another session.
    SignUpMoved,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::EventPublished,
        Self::EventChanged,
        Self::EventCancelled,
        Self::EventTomorrow,
        Self::SignUpConfirmed,
        Self::SignUpWaitlisted,
        Self::SignUpPromoted,
        Self::SignUpOffered,
        Self::SignUpExpired,
        Self::SignUpCancelled,
        Self::SignUpMoved,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventPublished => "event_published",
            Self::EventChanged => "event_changed",
            Self::EventCancelled => "event_cancelled",
            Self::EventTomorrow => "event_tomorrow",
            Self::SignUpConfirmed => "sign_up_confirmed",
            Self::SignUpWaitlisted => "sign_up_waitlisted",
            Self::SignUpPromoted => "sign_up_promoted",
            Self::SignUpOffered => "sign_up_offered",
            Self::SignUpExpired => "sign_up_expired",
            Self::SignUpCancelled => "sign_up_cancelled",
            Self::SignUpMoved => "sign_up_moved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The headline, in English, Simplified and Traditional Chinese.
    fn headline(self) -> [&'static str; 3] {
        match self {
            Self::EventPublished => ["New event", "新活动", "新活動"],
            Self::EventChanged => ["Event changed", "活动变更", "活動變更"],
            Self::EventCancelled => ["Event cancelled", "活动取消", "活動取消"],
            Self::EventTomorrow => ["Tomorrow", "明日活动", "明日活動"],
            Self::SignUpConfirmed => ["You have a place", "报名成功", "報名成功"],
            Self::SignUpWaitlisted => ["You are on the waiting list", "已列入候补", "已列入候補"],
            Self::SignUpPromoted => ["You have a place now", "候补成功", "候補成功"],
            Self::SignUpOffered => ["A place is kept for you", "有名额待您确认", "有名額待您確認"],
            Self::SignUpExpired => [
                "The place was not confirmed in time",
                "名额逾期未确认",
                "名額逾期未確認",
            ],
            Self::SignUpCancelled => ["Your sign-up was cancelled", "报名已被取消", "報名已被取消"],
            Self::SignUpMoved => [
                "You were moved to another session",
                "报名场次已调整",
                "報名場次已調整",
            ],
        }
    }
}

/// What a notice's words are made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NoticeData {
    /// Of the event.
    pub title: String,
    pub starts_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The tree's, in which times are told.
    pub time_zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ends_at: Option<Instant>,
    /// What the organiser has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The headline, and a line of text.
pub fn words(kind: Kind, language: Language, data: &NoticeData) -> (String, String) {
    let pick = |[en, hans, hant]: [&'static str; 3]| match language {
        Language::En => en,
        Language::ZhHans => hans,
        Language::ZhHant => hant,
    };
    let zone = local_time::zone(&data.time_zone);
    let time = |at: Instant| at.utc().with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    let mut parts = vec![data.title.clone()];
    parts.extend(data.session.clone());
    parts.extend(data.starts_at.map(time));
    if !data.place.is_empty() {
        parts.push(data.place.clone());
    }
    if let Some(at) = data.offer_ends_at {
        parts.push(format!(
            "{} {}",
            pick(["answer by", "确认截止", "確認截止"]),
            time(at)
        ));
    }
    parts.extend(data.reason.clone());
    (pick(kind.headline()).to_owned(), parts.join(" · "))
}

/// Part of each day, in the tree's zone, in which no phone makes a sound; it may span midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    pub from_min: u32,
    pub until_min: u32,
}

/// Of who has set nothing: from ten in the evening to seven in the morning.
pub const QUIET: QuietHours = QuietHours {
    from_min: 22 * 60,
    until_min: 7 * 60,
};

impl QuietHours {
    fn hold(self, minute: u32) -> bool {
        if self.from_min <= self.until_min {
            (self.from_min..self.until_min).contains(&minute)
        } else {
            minute >= self.from_min || minute < self.until_min
        }
    }
}

/// When a notice of `now` may ring: now, or when the quiet hours end.
pub fn rings_at(now: Instant, quiet: Option<QuietHours>, zone: Tz) -> Instant {
    let minute = local_time::minute_of_day(now, zone);
    let Some(quiet) = quiet.filter(|quiet| quiet.hold(minute)) else {
        return now;
    };
    let today = local_time::local_date(now, zone);
    let date = if minute < quiet.until_min {
        today
    } else {
        today.succ_opt().unwrap_or(today)
    };
    local_time::at_minute(date, quiet.until_min, zone).max(now)
}

/// The same for whoever has set nothing, by the hours of this time zone.
pub fn rings_by_default(now: Instant, time_zone: &str) -> Instant {
    rings_at(now, Some(QUIET), local_time::zone(time_zone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn what_comes_at_night_rings_in_the_morning() {
        let zone = local_time::zone("Asia/Shanghai");
        let rings = |now: &str| rings_at(at(now), Some(QUIET), zone).to_string();
        assert_eq!(rings("2026-12-31T21:59:59+08:00"), "2026-12-31T13:59:59Z");
        assert_eq!(rings("2026-12-31T22:00:00+08:00"), "2026-12-31T23:00:00Z");
        assert_eq!(rings("2027-01-01T06:59:59+08:00"), "2026-12-31T23:00:00Z");
        assert_eq!(rings("2027-01-01T07:00:00+08:00"), "2026-12-31T23:00:00Z");
        assert_eq!(
            rings_at(at("2027-01-01T03:00:00Z"), None, zone),
            at("2027-01-01T03:00:00Z")
        );
    }

    proptest! {
        /// Never before now, never in the quiet hours, and never more than a day (of 25 hours) later.
        #[test]
        fn it_rings_as_soon_as_it_may(second in 0i64..4_000_000_000, from in 0u32..1_440, until in 0u32..1_440,
            name in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])) {
            let (now, zone) = (Instant::from_micros(second * 1_000_000), local_time::zone(name));
            let quiet = QuietHours { from_min: from, until_min: until };
            let rings = rings_at(now, Some(quiet), zone);
            prop_assert!(rings >= now && rings <= now.plus_s(25 * 3_600));
            // An hour that the clocks leave out, or show twice, may lie at the edge.
            let is_quiet = quiet.hold(local_time::minute_of_day(rings, zone));
            let turns = (-7_200..7_200).step_by(600).any(|s| {
                let offset = |at: Instant| at.utc().with_timezone(&zone).naive_local().and_utc() - at.utc();
                offset(rings.plus_s(s)) != offset(rings)
            });
            prop_assert!(!is_quiet || turns);
        }
    }

    #[test]
    fn every_kind_has_words_and_goes_both_ways() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(kind.headline().iter().all(|words| !words.is_empty()));
        }
    }

    #[test]
    fn words_tell_the_time_where_people_are() {
        let data = NoticeData {
            title: "參觀紀念館".into(),
            starts_at: Some(at("2026-12-01T06:30:00Z")),
            place: "東門".into(),
            time_zone: "Asia/Shanghai".into(),
            reason: Some("改期".into()),
            ..NoticeData::default()
        };
        let (headline, text) = words(Kind::EventChanged, Language::ZhHant, &data);
        assert_eq!(headline, "活動變更");
        assert_eq!(text, "參觀紀念館 · 2026-12-01 14:30 · 東門 · 改期");
    }
}
