//! Completions as xAPI statements (1.0.3), for learning record stores; what is played by the video profile. A statement is
//! made of what was recorded when the lesson was completed, so it stays the same for ever.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::played::Played;
use super::service::FullCompletion;
use crate::lessons::Kind;

const VIDEO: &str = "https://w3id.org/xapi/video";
const COMPLETED: &str = "http://adlnet.gov/expapi/verbs/completed";

/// One statement. `base` is the address that members use, without a slash at its end: the home page of the accounts, and the
/// beginning of a lesson's name.
pub fn statement(completion: &FullCompletion, played: &Played, base: &str) -> Value {
    let (row, version) = (&completion.row, &completion.version);
    let length_s = f64::from(version.duration_ms) / 1_000.0;
    let is_played = version.kind != Kind::Article;
    let kind = match version.kind {
        Kind::Video => format!("{VIDEO}/activity-type/video"),
        Kind::Audio => "http://activitystrea.ms/schema/1.0/audio".to_owned(),
        Kind::Article => "http://activitystrea.ms/schema/1.0/article".to_owned(),
    };
    let mut result = Map::new();
    result.insert("completion".to_owned(), json!(true));
    let duration = format!("PT{}S", f64::from(row.covered_ms) / 1_000.0);
    result.insert("duration".to_owned(), json!(duration));
    let mut context = Map::new();
    context.insert("platform".to_owned(), json!("zhibu"));
    context.insert("revision".to_owned(), json!(version.number.to_string()));
    if is_played {
        let progress = f64::from(row.covered_ms) / f64::from(version.duration_ms.max(1));
        let of_result = json!({
            format!("{VIDEO}/extensions/played-segments"): segments(played),
            format!("{VIDEO}/extensions/progress"): (progress * 1_000.0).floor() / 1_000.0,
            format!("{VIDEO}/extensions/time"): end_of(played),
        });
        let of_context = json!({
            format!("{VIDEO}/extensions/length"): length_s,
            format!("{VIDEO}/extensions/completion-threshold"): f64::from(row.threshold_permille) / 1_000.0,
        });
        result.insert("extensions".to_owned(), of_result);
        context.insert("extensions".to_owned(), of_context);
        context.insert(
            "contextActivities".to_owned(),
            json!({ "category": [{ "id": VIDEO }] }),
        );
    }
    json!({
        "id": id(completion),
        "actor": {
            "objectType": "Agent",
            "account": { "homePage": base, "name": row.member_id },
        },
        "verb": { "id": COMPLETED, "display": { "en-US": "completed", "zh-CN": "完成", "zh-TW": "完成" } },
        "object": {
            "objectType": "Activity",
            "id": format!("{base}/api/v1/lessons/{}", row.lesson_id),
            "definition": { "type": kind, "name": { "und": version.title } },
        },
        "result": result,
        "context": context,
        "timestamp": row.occurred_at,
        "stored": row.received_at,
        "version": "1.0.3",
    })
}

/// The same for the same member and lesson, whoever asks and whenever: a completion is recorded once.
pub fn id(completion: &FullCompletion) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"zhibu xapi completed");
    hash.update(completion.row.member_id.0.as_bytes());
    hash.update(completion.row.lesson_id.0.as_bytes());
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = hashed;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// As the video profile writes them: `0[.]15.2[,]30[.]61.5`.
fn segments(played: &Played) -> String {
    let segment = |span: &super::played::Span| {
        let seconds = |ms: u32| f64::from(ms) / 1_000.0;
        format!("{}[.]{}", seconds(span.from), seconds(span.to))
    };
    played.spans().iter().map(segment).collect::<Vec<_>>().join("[,]")
}

fn end_of(played: &Played) -> f64 {
    let end = played.spans().last().map_or(0, |span| span.to);
    f64::from(end) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::played::Span;

    #[test]
    fn segments_are_written_as_the_profile_says() {
        let span = |from, to| Span { from, to };
        let played = Played::of([span(0, 15_200), span(30_000, 61_500)]);
        assert_eq!(segments(&played), "0[.]15.2[,]30[.]61.5");
        assert_eq!(end_of(&played), 61.5);
    }
}
