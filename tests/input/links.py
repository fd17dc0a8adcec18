"""How operations follow from each other in the main jobs: OpenAPI links, which the document itself does not have (yet)."""

HANDED_IN = {"answers": [{"question_id": "$body/questions/0/id", "chosen": [1]}]}

# source operation, status, target operation, parameters, body. `$body/x` is the source's answer at /x.
LINKS = (
    # create organization -> member -> event -> code -> check-in
    ("create_organization", "201", "find_organization", {"id": "$body/id"}, None),
    ("create_organization", "201", "update_organization", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("create_organization", "201", "create_member", {}, {"organization_id": "$body/id"}),
    ("create_organization", "201", "create_event", {}, {"organization_id": "$body/id"}),
    ("create_organization", "201", "archive_organization", {"id": "$body/id"}, None),
    ("create_member", "201", "find_member", {"id": "$body/id"}, None),
    ("create_member", "201", "update_member", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("create_member", "201", "issue_activation_code", {"id": "$body/id"}, None),
    ("create_member", "201", "transfer_member", {"id": "$body/id"}, None),
    ("create_member", "201", "deactivate_member", {"id": "$body/id"}, None),
    ("issue_activation_code", "201", "activate_account", {}, {"code": "$body/code"}),
    ("activate_account", "201", "refresh_session", {}, {"refresh_token": "$body/refresh_token"}),
    ("create_event", "201", "update_event", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("create_event", "201", "update_sign_up_policy", {"id": "$body/id", "If-Match": "*"}, None),
    ("create_event", "201", "publish_event", {"id": "$body/id"}, None),
    ("create_event", "201", "clone_event", {"id": "$body/id"}, None),
    ("publish_event", "200", "find_code", {"id": "$body/id"}, None),
    ("publish_event", "200", "list_attendance", {"id": "$body/id"}, None),
    ("publish_event", "200", "cancel_event", {"id": "$body/id"}, None),
    ("publish_event", "200", "close_event", {"id": "$body/id"}, None),
    ("find_code", "200", "verify_code", {}, {"code": "$body/code"}),
    ("find_code", "200", "check_in", {}, {"code": "$body/code"}),
    ("find_code", "200", "create_check_in_proof", {}, {"code": "$body/code"}),
    ("create_check_in_proof", "201", "check_in", {}, {"proof": "$body/proof"}),
    ("check_in", "201", "annul_check_in", {"id": "$body/id"}, None),
    ("check_in", "201", "find_my_attendance", {"id": "$body/event_id"}, None),
    ("check_in_member", "201", "annul_check_in", {"id": "$body/id"}, None),
    # lesson -> progress, quiz
    ("create_lesson", "201", "submit_lesson", {"id": "$body/id"}, None),
    ("create_lesson", "201", "update_lesson", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("create_lesson", "201", "update_quiz", {"id": "$body/id", "If-Match": "*"}, None),
    ("submit_lesson", "200", "publish_lesson", {"id": "$body/id"}, None),
    ("submit_lesson", "200", "return_lesson", {"id": "$body/id"}, None),
    ("publish_lesson", "200", "update_progress", {"id": "$body/id"}, None),
    ("publish_lesson", "200", "find_offline_lesson", {"id": "$body/id"}, None),
    ("publish_lesson", "200", "archive_lesson", {"id": "$body/id"}, None),
    ("start_quiz_attempt", "201", "hand_in_quiz_attempt", {"id": "$body/id"}, HANDED_IN),
    ("start_quiz_attempt", "201", "find_quiz_attempt", {"id": "$body/id"}, None),
    # sign-up
    ("create_sign_up", "201", "cancel_sign_up", {"id": "$body/id"}, None),
    ("create_sign_up", "201", "find_sign_up", {"id": "$body/id"}, None),
    ("request_leave", "201", "approve_leave", {"id": "$body/id"}, None),
    ("request_leave", "201", "withdraw_leave", {"id": "$body/id"}, None),
    # things that are decided on, and things with a secret of their own
    ("create_expense", "201", "approve_expense", {"id": "$body/id"}, None),
    ("create_expense", "201", "withdraw_expense", {"id": "$body/id"}, None),
    ("approve_expense", "200", "annul_expense", {"id": "$body/id"}, None),
    ("create_reflection", "201", "withdraw_reflection", {"id": "$body/id"}, None),
    ("create_reflection", "201", "approve_reflection", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("propose_points", "201", "withdraw_point_award", {"id": "$body/id"}, None),
    ("propose_points", "201", "approve_point_award", {"id": "$body/id"}, None),
    ("create_device", "201", "enrol_device", {}, {"code": "$body/code"}),
    ("create_guest", "201", "check_in_guest", {"id": "$body/id"}, None),
    ("create_guest", "201", "delete_guest", {"id": "$body/id"}, None),
    ("create_own_guest", "201", "cancel_own_guest", {}, {"pass": "$body/pass"}),
    ("create_webhook", "201", "ping_webhook", {"id": "$body/id"}, None),
    ("create_webhook", "201", "update_webhook", {"id": "$body/id", "If-Match": "$etag"}, None),
    ("create_series", "201", "publish_series", {"id": "$body/id"}, None),
    ("create_study_plan", "201", "publish_study_plan", {"id": "$body/id"}, None),
    ("publish_study_plan", "200", "list_study_plan_members", {"id": "$body/id"}, None),
    ("create_event_template", "201", "end_event_template", {"id": "$body/id"}, None),
)


def each(value, change):
    """`value` with every text in it changed."""
    if isinstance(value, dict):
        return {name: each(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [each(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def expression(text):
    return text.replace("$body/", "$response.body#/").replace("$etag", "$response.header.ETag")


def add_links(document):
    """Puts them where OpenAPI wants them. A link whose operation or answer is gone is a fault of this table."""
    operations = {one["operationId"]: one for path in document["paths"].values() for one in path.values()}
    for source, status, target, parameters, body in LINKS:
        if target not in operations:
            raise KeyError(f"links.py: no operation {target}")
        link = {"operationId": target, "parameters": each(parameters, expression)}
        if body:
            link["requestBody"] = each(body, expression)
        operations[source]["responses"][status].setdefault("links", {})[target] = link
    return len(LINKS)
