"""The bodies that requests are asked with: such as pass their own checks. Each is made of the things at home."""

from objects import DATA, at, day, text64
from world import new_id


def reason(_):
    return {"reason": "x"}


def empty(_):
    return {}


def event_body(home):
    times = {"starts_at": at(days=5), "ends_at": at(days=5, hours=1)}
    return {"organization_id": home.id("organization"), "title": "x", "forms": ["lecture"], **times}


def member_body(home):
    return {"organization_id": home.id("organization"), "name": "x", "standing": "full", "account_name": f"x-{new_id()}"}


def lesson_body(home):
    return {"organization_id": home.id("organization"), "kind": "article", "title": "x", "body": "x"}


def plan_body(home):
    lessons = {"lesson_ids": [home.there("lesson")], "due_on": day(days=90)}
    return {"organization_id": home.id("organization"), "title": "x", **lessons}


def template_body(home):
    return home.objects.template_body(home.place)


def check_in_body(home):
    return {"code": home.code(), "client_event_id": new_id(), "occurred_at": at()}


def typed_body(_):
    """Six digits that are wrong almost always: what is asked is whether the event's existence is told."""
    return {"typed_code": "000000", "client_event_id": new_id(), "occurred_at": at()}


def played(_):
    return {"session_id": new_id(), "sections": [0], "occurred_at": at()}


def guest_body(home):
    return {"name": "x", "phone": str(next(home.objects.phones)), "consent": True}


def own_guest_body(home):
    return {**guest_body(home), "client_event_id": new_id()}


def quiz_body(home):
    return home.objects.quiz()


def scheme(_):
    return {"from_day": day(days=30), "scheme": {"amount": 1}}


def trial(_):
    rule = {"rule": "check_in_on_time", "scheme": {"amount": 3}}
    return {"from_day": day(days=-7), "to_day": day(days=-1), "rules": [rule]}


def tus(**more):
    return {"Tus-Resumable": "1.0.0", **more}


def piece(**more):
    kind = {"Content-Type": "application/offset+octet-stream"}
    # An offset where nothing ends: 409 after the question of access.
    return tus(**{"Upload-Offset": "7"}, **kind, **more)


def upload_metadata(organization):
    return f"organization_id {text64(organization)},filename {text64('x')}"


def roster(_):
    return "姓名,工號,黨員類別\n某某,N-1,正式黨員\n".encode()


def picture(_):
    return (DATA / "poster.jpg").read_bytes()
