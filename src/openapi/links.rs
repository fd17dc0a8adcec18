//! What may be done next with an answer: the main jobs, as links of the document. `scripts/input.sh` follows each of them.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::Operation;

/// Where a parameter's value is taken from: a runtime expression of OpenAPI, or the value itself.
type Parameters = &'static [(&'static str, &'static str)];

const NONE: Parameters = &[];
const ID: Parameters = &[("id", "$response.body#/id")];
const EVENT: Parameters = &[("id", "$response.body#/event_id")];
const VERSION: Parameters = &[
    ("id", "$response.body#/id"),
    ("If-Match", "$response.header.ETag"),
];
const ANY_VERSION: Parameters = &[("id", "$response.body#/id"), ("If-Match", "*")];

/// Members of a body that the answer tells, as JSON.
type Members = &'static str;

const EMPTY: Members = "";
const ORGANIZATION: Members = r##"{"organization_id": "$response.body#/id"}"##;
const CODE: Members = r##"{"code": "$response.body#/code"}"##;
const REFRESH_TOKEN: Members = r##"{"refresh_token": "$response.body#/refresh_token"}"##;
const PROOF: Members = r##"{"proof": "$response.body#/proof"}"##;
const PASS: Members = r##"{"pass": "$response.body#/pass"}"##;
const ANSWERS: Members =
    r##"{"answers": [{"question_id": "$response.body#/questions/0/id", "chosen": [1]}]}"##;

/// An operation, the status it answers, what follows, with which parameters and members of its body.
const LINKS: [(&str, &str, &str, Parameters, Members); 58] = [
    // An organization, its members and events, codes and check-ins.
    ("create_organization", "201", "find_organization", ID, EMPTY),
    (
        "create_organization",
        "201",
        "update_organization",
        VERSION,
        EMPTY,
    ),
    ("create_organization", "201", "create_member", NONE, ORGANIZATION),
    ("create_organization", "201", "create_event", NONE, ORGANIZATION),
    ("create_organization", "201", "archive_organization", ID, EMPTY),
    ("create_member", "201", "find_member", ID, EMPTY),
    ("create_member", "201", "update_member", VERSION, EMPTY),
    ("create_member", "201", "issue_activation_code", ID, EMPTY),
    ("create_member", "201", "transfer_member", ID, EMPTY),
    ("create_member", "201", "deactivate_member", ID, EMPTY),
    ("issue_activation_code", "201", "activate_account", NONE, CODE),
    ("activate_account", "201", "refresh_session", NONE, REFRESH_TOKEN),
    ("create_event", "201", "update_event", VERSION, EMPTY),
    ("create_event", "201", "update_sign_up_policy", ANY_VERSION, EMPTY),
    ("create_event", "201", "publish_event", ID, EMPTY),
    ("create_event", "201", "clone_event", ID, EMPTY),
    ("publish_event", "200", "find_code", ID, EMPTY),
    ("publish_event", "200", "list_attendance", ID, EMPTY),
    ("publish_event", "200", "cancel_event", ID, EMPTY),
    ("publish_event", "200", "close_event", ID, EMPTY),
    ("find_code", "200", "verify_code", NONE, CODE),
    ("find_code", "200", "check_in", NONE, CODE),
    ("find_code", "200", "create_check_in_proof", NONE, CODE),
    ("create_check_in_proof", "201", "check_in", NONE, PROOF),
    ("check_in", "201", "annul_check_in", ID, EMPTY),
    ("check_in", "201", "find_my_attendance", EVENT, EMPTY),
    ("check_in_member", "201", "annul_check_in", ID, EMPTY),
    // A lesson, progress in it, its quiz.
    ("create_lesson", "201", "submit_lesson", ID, EMPTY),
    ("create_lesson", "201", "update_lesson", VERSION, EMPTY),
    ("create_lesson", "201", "update_quiz", ANY_VERSION, EMPTY),
    ("submit_lesson", "200", "publish_lesson", ID, EMPTY),
    ("submit_lesson", "200", "return_lesson", ID, EMPTY),
    ("publish_lesson", "200", "update_progress", ID, EMPTY),
    ("publish_lesson", "200", "find_offline_lesson", ID, EMPTY),
    ("publish_lesson", "200", "archive_lesson", ID, EMPTY),
    ("start_quiz_attempt", "201", "hand_in_quiz_attempt", ID, ANSWERS),
    ("start_quiz_attempt", "201", "find_quiz_attempt", ID, EMPTY),
    // Sign-ups and leave.
    ("create_sign_up", "201", "cancel_sign_up", ID, EMPTY),
    ("create_sign_up", "201", "find_sign_up", ID, EMPTY),
    ("request_leave", "201", "approve_leave", ID, EMPTY),
    ("request_leave", "201", "withdraw_leave", ID, EMPTY),
    // What is decided on, and what has a secret of its own.
    ("create_expense", "201", "approve_expense", ID, EMPTY),
    ("create_expense", "201", "withdraw_expense", ID, EMPTY),
    ("approve_expense", "200", "annul_expense", ID, EMPTY),
    ("create_reflection", "201", "withdraw_reflection", ID, EMPTY),
    ("create_reflection", "201", "approve_reflection", VERSION, EMPTY),
    ("propose_points", "201", "withdraw_point_award", ID, EMPTY),
    ("propose_points", "201", "approve_point_award", ID, EMPTY),
    ("create_device", "201", "enrol_device", NONE, CODE),
    ("create_guest", "201", "check_in_guest", ID, EMPTY),
    ("create_guest", "201", "delete_guest", ID, EMPTY),
    ("create_own_guest", "201", "cancel_own_guest", NONE, PASS),
    ("create_webhook", "201", "ping_webhook", ID, EMPTY),
    ("create_webhook", "201", "update_webhook", VERSION, EMPTY),
    ("create_series", "201", "publish_series", ID, EMPTY),
    ("create_study_plan", "201", "publish_study_plan", ID, EMPTY),
    ("publish_study_plan", "200", "list_study_plan_members", ID, EMPTY),
    ("create_event_template", "201", "end_event_template", ID, EMPTY),
];

/// What follows from `operation`, put at its answers.
pub fn add_links(operation: &mut Operation) {
    let Some(name) = operation.operation_id.as_deref() else {
        return;
    };
    for (_, status, target, parameters, body) in LINKS.iter().filter(|(source, ..)| *source == name) {
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut(*status) {
            let link = RefOr::T(link(target, parameters, body));
            answer.links.insert((*target).to_owned(), link);
        }
    }
}

fn link(target: &str, parameters: Parameters, body: Members) -> Link {
    let link = LinkBuilder::new()
        .operation_id(target)
        .request_body(serde_json::from_str::<Value>(body).ok());
    parameters
        .iter()
        .fold(link, |link, (name, value)| link.parameter(*name, *value))
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::LINKS;

    #[test]
    fn each_link_stands_in_the_document_with_a_body_that_is_json() {
        for (source, _, target, _, body) in LINKS {
            let members = serde_json::from_str::<Map<String, Value>>(body);
            assert!(body.is_empty() || members.is_ok(), "{source} -> {target}: {body}");
        }
        let document = crate::openapi::document_json();
        let document: Value = serde_json::from_str(&document).unwrap();
        let stand = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .filter_map(|operation| operation["responses"].as_object())
            .flat_map(|answers| answers.values())
            .filter_map(|answer| answer["links"].as_object())
            .map(Map::len)
            .sum::<usize>();
        assert_eq!(stand, LINKS.len());
    }
}
