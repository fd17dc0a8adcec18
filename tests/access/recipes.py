"""How each operation is asked so that what is refused is the access: a body that passes its own checks, and does no harm.

A write that may be repeated is made as it is; one of a version asks for a version that is not there (412 after the
question of access); one that uses its thing up has a spare, which is renewed after each success. No rights are known here.
"""

from dataclasses import dataclass, field

from bodies import (
    check_in_body,
    empty,
    event_body,
    guest_body,
    lesson_body,
    member_body,
    own_guest_body,
    picture,
    piece,
    plan_body,
    played,
    quiz_body,
    reason,
    roster,
    scheme,
    template_body,
    trial,
    tus,
    typed_body,
)
from objects import at, day
from world import PASSWORD, new_id

STALE = {"If-Match": '"999999"'}
ANY = {"If-Match": "*"}

# What stands in `/events/{id}` and the like, unless a recipe says otherwise.
KIND_BY_SEGMENT = {
    "check-ins": "check_in",
    "checkpoint-passages": "passage",
    "event-templates": "template",
    "events": "event",
    "expenses": "expense",
    "guest-links": "guest_link",
    "guests": "guest",
    "leaderboards": "organization",
    "leave-requests": "leave_request",
    "lessons": "lesson",
    "materials": "material",
    "media": "media",
    "members": "member",
    "organizations": "organization",
    "point-awards": "point_award",
    "quiz-attempts": "quiz_attempt",
    "reflections": "reflection",
    "series": "series",
    "service-hours": "service_hours",
    "sessions": "session",
    "sign-ups": "sign_up",
    "study-plans": "study_plan",
    "study-reviews": "study_review",
    "uploads": "upload",
    "webhook-deliveries": "webhook_delivery",
    "webhooks": "webhook",
    "devices": "device",
    "roles": "role_grant",
    "guest-invitations": "invitation",
}
KIND_BY_TYPE = {
    "AccountId": "member",
    "AnyId": "event",
    "CheckpointId": "checkpoint",
    "EventId": "event",
    "LessonId": "lesson",
    "MediaId": "media",
    "MemberId": "member",
    "NoticeId": "notice",
    "OrganizationId": "organization",
    "QuestionId": "question",
    "SeriesId": "series",
    "SignUpSessionId": "sign_up_session",
}
# Other parts of a path.
WORDS = {"{year}": "2026", "{rule}": "check_in_late", "{number}": "1"}


@dataclass
class Recipe:
    """`body` is made for each request, of the things at home; a slot's id is put into it afterwards."""

    body: object = None
    headers: dict = field(default_factory=dict)
    query: str = ""
    query_of: object = None
    # Slot -> the kind of thing in it, where it is not the usual one.
    kinds: dict = field(default_factory=dict)
    # The thing in the path is used up by a success.
    uses_up: bool = False
    # The later, the more of the world it changes.
    turn: int = 0
    # Asked with a session of its own, which may end.
    own_session: bool = False
    # Takes a success back, so that whoever asks next finds the world as it was.
    undo: object = None


def on(kind, body=None, **more):
    return Recipe(body, kinds={"path:id": kind}, **more)


def cancel_sign_up(_, client, reply):
    """What was there before stays: it is somebody's who is not asking."""
    item = (reply.json.get("items") or [{}])[0]
    made = item["sign_up"] if item.get("outcome") == "created" else reply.json if reply.status == 201 else None
    if made:
        client.post(f"/sign-ups/{made['id']}/cancel", {"reason": "x"})


def publish_again(objects, _client, reply):
    """A picture that was added puts what was published back to be read again."""
    reflection = reply.request.split("/")[4]
    maker = objects.world.places["own"].maker
    maker.post(f"/reflections/{reflection}/approve", headers=ANY).expect(200)


def call_own_again(objects, _client, reply):
    """A template calls its own organization again: who does not see all whom it calls may not write it."""
    places = objects.world.places.values()
    place = next(place for place in places if place.organization == reply.json["organization_id"])
    place.maker.put(f"/event-templates/{reply.json['id']}", objects.template_body(place)).expect(200)


RECIPES = {
    # Sessions. Theirs may end, so each asks with another one.
    "login": Recipe(
        lambda _: {"account": "access-subject-top", "password": PASSWORD}, kinds={"body:/organization_id": "tree"}
    ),
    "refresh_session": Recipe(lambda _: {"refresh_token": "x" * 43}),
    "activate_account": Recipe(lambda _: {"code": "AAAA-AAAA-AAAA", "password": "a long enough word for it"}),
    "logout": Recipe(own_session=True),
    "change_password": Recipe(lambda _: {"current_password": PASSWORD, "new_password": "short"}),
    "delete_session": Recipe(uses_up=True),
    # Attendance.
    "verify_code": Recipe(lambda home: {"code": home.code()}),
    "create_check_in_proof": Recipe(lambda home: {"code": home.code(), "device_id": "x"}),
    "check_in": Recipe(check_in_body),
    "check_in_batch": Recipe(lambda home: {"items": [check_in_body(home)]}),
    "check_in_member": Recipe(
        lambda home: {"member_id": home.id("member"), "reason": "x", "client_event_id": new_id()},
        kinds={"body:/checkpoint_id": "checkpoint"},
    ),
    "annul_check_in": Recipe(reason, turn=3),
    "annul_passage": Recipe(reason, turn=2),
    "exit_all": on("points_event", empty, turn=1),
    "list_checkpoints": on("points_event"),
    "update_checkpoints": on("points_event", lambda home: {"checkpoints": [{"name": "x", "kind": "check_in"}]}, headers=STALE),
    "find_code": Recipe(kinds={"query:checkpoint_id": "checkpoint"}),
    "find_code_png": Recipe(kinds={"query:checkpoint_id": "checkpoint"}),
    "find_code_svg": Recipe(kinds={"query:checkpoint_id": "checkpoint"}),
    "approve_leave": Recipe(empty),
    "reject_leave": Recipe(empty),
    "withdraw_leave": Recipe(turn=2),
    "request_leave": on("later_event", reason),
    "list_leave_requests": on("later_event"),
    "update_make_up": on("later_event", lambda _: {"lesson_id": None}),
    "enrol_device": Recipe(lambda _: {"code": "AAAA-AAAA"}),
    "create_device": Recipe(lambda _: {"name": "x", "purposes": ["screen"]}),
    "revoke_device": Recipe(uses_up=True),
    # Events.
    "create_event": Recipe(event_body),
    "update_event": on("draft_event", lambda home: {"title": "x"}, headers=STALE),
    "clone_event": Recipe(lambda _: {"starts_at": at(days=5)}),
    "publish_event": on("closed_event", empty),
    "close_event": on("closed_event"),
    "cancel_event": on("closed_event", reason, turn=1),
    "update_event_template": Recipe(template_body, STALE),
    "create_event_template": Recipe(template_body),
    "skip_event_template_day": Recipe(lambda home: {"day": home.objects.template_day(), "reason": "x"}),
    "end_event_template": Recipe(turn=2),
    # Sign-ups.
    "find_sign_up_policy": on("sign_up_event"),
    "update_sign_up_policy": on("sign_up_event", lambda _: {"capacity": 90}, headers=STALE),
    "list_sign_ups": on("sign_up_event"),
    "list_draw_entries": on("sign_up_event"),
    "create_sign_up": on(
        "sign_up_event", lambda home: {"client_event_id": new_id(), **home.session()}, undo=cancel_sign_up
    ),
    "create_group_sign_up": on(
        "sign_up_event",
        lambda home: {"member_ids": [home.me()], "all_or_none": False, **home.session()},
        undo=cancel_sign_up,
    ),
    "find_my_sign_up": on("sign_up_event"),
    "move_sign_up": Recipe(lambda home: {**home.session(), "reason": "x"}, turn=1),
    "cancel_sign_up": Recipe(reason, turn=2),
    # Money.
    "create_expense": Recipe(
        lambda _: {"category": "venue", "amount_cents": 1, "spent_on": day(), "payee": "x"},
        kinds={"body:/receipt_media_id": "receipt"},
    ),
    "update_event_budget": Recipe(lambda _: {"lines": []}, STALE),
    "update_budget": Recipe(lambda _: {"lines": []}, STALE),
    "reject_expense": Recipe(reason),
    "annul_expense": Recipe(reason, turn=1),
    "withdraw_expense": Recipe(turn=2),
    # Guests.
    "create_guest": Recipe(guest_body),
    "create_own_guest": Recipe(own_guest_body),
    "cancel_own_guest": Recipe(lambda _: {"pass": "x" * 40}),
    "check_in_as_guest": Recipe(lambda home: {"code": home.code(), "phone": "13900000000"}),
    "create_guest_link": Recipe(lambda _: {"places": 3, "expires_at": at(minutes=20)}),
    "revoke_guest_link": Recipe(turn=2),
    "delete_guest": Recipe(uses_up=True, turn=1),
    # Lessons.
    "create_lesson": Recipe(lesson_body),
    "update_lesson": Recipe(lambda _: {"title": "x"}, STALE),
    "search_lessons": Recipe(query="q=canary"),
    "archive_lesson": on("spare_lesson", reason, uses_up=True, turn=1),
    "publish_lesson": Recipe(empty),
    "return_lesson": Recipe(lambda _: {"note": "x"}),
    "update_progress": Recipe(played),
    "record_progress_batch": Recipe(lambda home: {"items": [{"lesson_id": home.id("lesson"), "progress": played(home)}]}),
    "update_quiz": Recipe(quiz_body, STALE),
    "archive_quiz": on("spare_lesson", uses_up=True, turn=1),
    "hand_in_quiz_attempt": Recipe(lambda _: {"answers": [], "occurred_at": at()}),
    "create_series": Recipe(lambda home: {"organization_id": home.id("organization"), "title": "x"}),
    "update_series": Recipe(lambda _: {"title": "x"}, STALE),
    "archive_series": on("spare_series", reason, uses_up=True, turn=1),
    "create_study_plan": Recipe(plan_body),
    "update_study_plan": Recipe(lambda _: {"title": "x"}, STALE),
    "cancel_study_plan": on("spare_plan", reason, uses_up=True, turn=1),
    "excuse_member": Recipe(lambda home: {"member_id": home.there("member"), "reason": "x"}),
    "unexcuse_member": Recipe(lambda home: {"member_id": home.there("member")}),
    "refuse_study_review": Recipe(reason, turn=1),
    # Files.
    "create_upload": Recipe(headers=tus(**{"Upload-Length": "5"})),
    "find_upload": Recipe(headers=tus()),
    "continue_upload": Recipe(lambda _: b"x", piece()),
    "override_upload": Recipe(lambda _: b"x", piece(**{"X-HTTP-Method-Override": "PATCH"})),
    "delete_upload": Recipe(headers=tus(), uses_up=True, turn=1),
    "delete_media": on("spare_media", uses_up=True, turn=1),
    "create_material": Recipe(
        lambda home: {"title": "x", "media_id": home.there("slides")}, kinds={"body:/media_id": "slides"}
    ),
    "archive_material": Recipe(uses_up=True, turn=1),
    # Members.
    "create_member": Recipe(member_body),
    "import_members": Recipe(roster, {"Content-Type": "text/csv"}, query="dry_run=true"),
    "update_member": Recipe(lambda _: {"name": "x"}, STALE),
    "issue_activation_code": on("spare_member"),
    "issue_activation_codes": Recipe(
        lambda home: {"member_ids": [home.id("spare_member")]}, kinds={"body:/member_ids/0": "spare_member"}
    ),
    "deactivate_member": on("spare_member", reason, turn=2),
    "reactivate_member": on("spare_member", turn=2),
    "erase_member": on("spare_member", turn=2),
    "transfer_member": on(
        "spare_member", lambda home: {"organization_id": home.id("organization"), "reason": "x"}, uses_up=True, turn=1
    ),
    "propose_points": Recipe(lambda _: {"points": 1, "reason": "x"}),
    "reject_point_award": Recipe(reason),
    "annul_point_award": Recipe(reason, turn=1),
    "withdraw_point_award": Recipe(turn=2),
    "update_me": Recipe(empty),
    "update_leaderboard_wishes": Recipe(lambda _: {"hides_name": False}),
    "update_notice_settings": Recipe(lambda _: {"muted": []}),
    "mark_notices_read": Recipe(empty),
    # Organizations.
    "create_organization": Recipe(
        lambda home: {"name": f"x {new_id()}", "kind": home.kind_below(), "parent_id": home.id("organization")}
    ),
    "update_organization": Recipe(lambda _: {"name": "x"}, STALE),
    "move_organization": Recipe(lambda home: {"parent_id": home.target_above()}),
    "grant_role": Recipe(lambda home: {"member_id": home.id("member"), "role": "lecturer"}, turn=3),
    "revoke_role": Recipe(uses_up=True),
    "update_point_rule": Recipe(scheme),
    "simulate_points": Recipe(trial),
    "create_webhook": Recipe(lambda _: {"url": "http://127.0.0.1:9/hook"}),
    "update_webhook": Recipe(lambda _: {"url": "http://127.0.0.1:9/hook"}, STALE),
    "rotate_webhook_secret": Recipe(headers=STALE),
    "delete_webhook": Recipe(turn=2),
    # Service hours and what is shared.
    "list_event_service_hours": on("served_event"),
    "confirm_service_hours": on("served_event", lambda _: {"all": True}),
    "annul_service_hours": Recipe(reason, turn=2),
    "create_reflection": on("begun_event", lambda _: {"text": "x", "visibility": "event"}),
    "list_event_reflections": on("begun_event"),
    "update_reflection": Recipe(lambda _: {"text": "x"}, STALE),
    "approve_reflection": Recipe(headers=STALE),
    "hide_reflection": Recipe(reason, STALE),
    "reject_reflection": Recipe(reason, STALE),
    "withdraw_reflection": on("spare_reflection", uses_up=True, turn=3),
    "add_reflection_picture": Recipe(picture, {"Content-Type": "image/jpeg"}, turn=1, undo=publish_again),
    "remove_reflection_picture": Recipe(turn=2),
}


# Where a slot needs more around it than the operation's usual body has; versions are passed over, for what a version
# refuses is refused before the slot is looked at.
SLOT_RECIPES = {
    ("update_event", "body:/expected/member_ids/0"): on("draft_event", empty, headers=ANY),
    ("update_event", "body:/expected/organization_ids/0"): on("draft_event", empty, headers=ANY),
    ("update_event_template", "body:/expected/member_ids/0"): Recipe(template_body, ANY, undo=call_own_again),
    ("update_event_template", "body:/expected/organization_ids/0"): Recipe(template_body, ANY, undo=call_own_again),
    ("update_event_template", "body:/sign_up/quotas/0/organization_id"): Recipe(
        lambda home: {**template_body(home), "sign_up": {"quotas": [{"places": 1}]}}, ANY, undo=call_own_again
    ),
    ("create_event_template", "body:/sign_up/quotas/0/organization_id"): Recipe(
        lambda home: {**template_body(home), "sign_up": {"quotas": [{"places": 1}]}}
    ),
    ("update_checkpoints", "body:/checkpoints/0/id"): on(
        "points_event", lambda home: {"checkpoints": [{"name": "x", "kind": "check_in"}]}, headers=ANY
    ),
    ("update_sign_up_policy", "body:/quotas/0/organization_id"): on(
        "draft_event", lambda _: {"quotas": [{"places": 1}]}, headers=ANY
    ),
    ("update_sign_up_policy", "body:/sessions/0/id"): Recipe(
        lambda _: {"sessions": [{"name": "x"}]},
        ANY,
        kinds={"path:id": "policy_event", "body:/sessions/0/id": "policy_session"},
    ),
    ("find_code", "query:checkpoint_id"): on("points_event"),
    ("find_code_png", "query:checkpoint_id"): on("points_event"),
    ("find_code_svg", "query:checkpoint_id"): on("points_event"),
    ("check_in_member", "body:/checkpoint_id"): on(
        "points_event", lambda home: {"member_id": home.id("member"), "reason": "x", "client_event_id": new_id()}
    ),
    ("confirm_service_hours", "body:/items/0/member_id"): on(
        "served_event", lambda _: {"items": [{"minutes": 1, "reason": "x"}]}
    ),
    ("create_lesson", "body:/subtitles/0/media_id"): Recipe(
        lambda home: {**lesson_body(home), "subtitles": [{"language": "zh-Hant"}]}
    ),
    ("update_lesson", "body:/subtitles/0/media_id"): on(
        "draft_lesson", lambda _: {"subtitles": [{"language": "zh-Hant"}]}, headers=ANY
    ),
    ("update_lesson", "body:/attachments/0"): on("draft_lesson", empty, headers=ANY),
    ("update_lesson", "body:/media_id"): on("draft_lesson", empty, headers=ANY),
    ("update_lesson", "body:/poster_id"): on("draft_lesson", empty, headers=ANY),
    ("update_lesson", "body:/audience/organization_ids/0"): on("draft_lesson", empty, headers=ANY),
    ("update_quiz", "body:/questions/0/id"): Recipe(quiz_body, ANY),
    ("hand_in_quiz_attempt", "body:/answers/0/question_id"): Recipe(
        lambda _: {"answers": [{"chosen": [0]}], "occurred_at": at()}
    ),
    ("create_series", "body:/lessons/0/prerequisite_ids/0"): Recipe(
        lambda home: {
            "organization_id": home.id("organization"), "title": "x", "lessons": [{"lesson_id": home.id("lesson")}],
        }
    ),
    ("update_series", "body:/lessons/0/lesson_id"): on("draft_series", empty, headers=ANY),
    ("update_series", "body:/lessons/0/prerequisite_ids/0"): on(
        "draft_series", lambda home: {"lessons": [{"lesson_id": home.id("lesson")}]}, headers=ANY
    ),
    ("create_study_plan", "body:/series_ids/0"): Recipe(lambda home: {**plan_body(home), "lesson_ids": [home.id("lesson")]}),
    ("update_study_plan", "body:/lesson_ids/0"): on("draft_plan", empty, headers=ANY),
    ("update_study_plan", "body:/series_ids/0"): on("draft_plan", empty, headers=ANY),
    ("issue_activation_codes", "body:/organization_id"): Recipe(empty),
    ("move_organization", "body:/parent_id"): on("spare_group", empty, uses_up=True),
    # A published one is changed with another right than a draft: so it is asked for no version that would be refused first.
    ("update_series", "path:id"): Recipe(empty, ANY),
    ("create_group_sign_up", "body:/session_id"): on(
        "sign_up_event", lambda home: {"all_or_none": False, "member_ids": [home.me_at_home()]}, undo=cancel_sign_up
    ),
    ("create_group_sign_up", "body:/member_ids/0"): on(
        "sign_up_event", lambda home: {"all_or_none": False, **home.session(home.name)}, undo=cancel_sign_up
    ),
    ("check_in", "body:/event_id"): Recipe(typed_body),
    ("check_in_batch", "body:/items/0/event_id"): Recipe(lambda home: {"items": [typed_body(home)]}),
    ("find_media_content", "path:id"): Recipe(query_of=lambda home: f"ticket={home.objects.ticket(home.name)}"),
}


def recipe_of(operation, slot=None):
    """That of the slot, of the operation, or the plain one: no body, and the usual things in its path."""
    return SLOT_RECIPES.get((operation.id, slot)) or RECIPES.get(operation.id) or Recipe()


def unknown(operations):
    """Recipes of operations and slots that are no more."""
    known = {operation.id for operation in operations}
    slots = {(operation.id, slot) for operation in operations for slot in operation.slots}
    return sorted(set(RECIPES) - known) + sorted(set(SLOT_RECIPES) - slots)


def place_into(body, pointer, value):
    """Puts a value where a JSON pointer says, making on the way what is not there; a list has one element."""
    parts = pointer.strip("/").split("/")
    here = body
    for part, after in zip(parts, parts[1:]):
        if part == "0":
            here = here[0]
        elif after == "0":
            here[part] = here.get(part) or [{}]
            here = here[part]
        else:
            here = here.setdefault(part, {})
    here[0 if parts[-1] == "0" else parts[-1]] = value

