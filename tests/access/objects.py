"""One thing of each kind at each place, made through the API. A maker is named like its kind and returns the id."""

import base64
import itertools
import pathlib
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from world import PLACES, mark, new_id

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
LIVING = ("own", "child", "parent", "sibling", "foreign")


def at(**after):
    return (datetime.now(timezone.utc) + timedelta(**after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(**after):
    return at(**after)[:10]


def text64(text):
    return base64.b64encode(text.encode()).decode()


class Objects:
    def __init__(self, world):
        self.world = world
        # What was made beside an id, by the same kind and place: a code, an address, a token.
        self.secrets = {}
        self.ids = {}
        self.turns = defaultdict(threading.RLock)
        self.phones = itertools.count(13800000001)

    def find(self, kind, place):
        """The id of that kind there, made when it is first asked for."""
        # What a thing is made of is made first, never the other way round: so these locks meet in one order.
        with self.turns[kind, place]:
            if (kind, place) not in self.ids:
                self.ids[kind, place] = self._make(kind, place)
            return self.ids[kind, place]

    def _make(self, kind, place):
        if place == "missing":
            made = getattr(self, f"missing_{kind}", new_id)
            return made()
        if place == "deleted":
            gone = getattr(self, f"gone_{kind}", None)
            return gone() if gone else None
        return getattr(self, kind)(self.world.places[place])

    def secret(self, kind, place):
        self.find(kind, place)
        return self.secrets.get((kind, place), "")

    def renew(self, kind, place):
        """Somebody's success has used it up: the next one finds another."""
        self.ids.pop((kind, place), None)


def kind(maker):
    maker.is_kind = True
    return maker


class Organizations(Objects):
    @kind
    def organization(self, place):
        return place.organization

    def gone_organization(self):
        # The archived group's events are made before it is put away.
        return self.world.archived

    @kind
    def tree(self, place):
        """The root of its tree, which is what a sign-in names."""
        top = "foreign_top" if place.name == "foreign" else "top"
        return self.world.places[top].organization

    gone_tree = gone_organization

    @kind
    def spare_group(self, place):
        """A group below a branch; what is no branch is asked about itself, for nothing can be moved below it."""
        if place.name in ("child", "parent"):
            return place.organization
        return self.world.organization(mark(place.name, f"spare {new_id()[:8]}"), "group", place.organization)

    gone_spare_group = gone_organization

    @kind
    def member(self, place):
        return place.subject_id

    def gone_member(self):
        self.gone_people = getattr(self, "gone_people", None) or self._deactivated()
        return self.gone_people

    def _deactivated(self):
        member = self.world.member("own", "gone member")
        self.world.system.post(f"/members/{member}/deactivate", {"reason": "x"}).expect(200)
        return member

    @kind
    def spare_member(self, place):
        return self.world.member(place.name, f"spare {new_id()[:8]}")

    def gone_spare_member(self):
        return self.find("member", "deleted")

    @kind
    def role_grant(self, place):
        member = self.world.member(place.name, f"grantee {new_id()[:8]}")
        return self.world.grant(place.organization, member, "organizer")

    def gone_role_grant(self):
        place = self.world.places["own"]
        grant = self.role_grant(place)
        self.world.system.send("DELETE", f"/organizations/{place.organization}/roles/{grant}").expect(204)
        return grant

    @kind
    def device(self, place):
        body = {"name": mark(place.name, "projector"), "purposes": ["screen"]}
        made = place.maker.post(f"/organizations/{place.organization}/devices", body).expect(201)
        return made.json["device"]["id"]

    def gone_device(self):
        place = self.world.places["own"]
        device = self.device(place)
        place.maker.send("DELETE", f"/organizations/{place.organization}/devices/{device}").expect(204)
        return device

    @kind
    def webhook(self, place):
        # Nobody listens there: what is sent stays on this machine.
        body = {"url": "http://127.0.0.1:9/hook", "description": mark(place.name, "webhook")}
        return place.maker.post(f"/organizations/{place.organization}/webhooks", body).expect(201).id

    def gone_webhook(self):
        place = self.world.places["own"]
        webhook = self.webhook(place)
        place.maker.send("DELETE", f"/webhooks/{webhook}").expect(200)
        return webhook

    @kind
    def webhook_delivery(self, place):
        return place.maker.post(f"/webhooks/{self.find('webhook', place.name)}/ping").expect(201).id

    @kind
    def session(self, place):
        name = "subject" if place.name == "own" else f"subject {place.name}"
        tokens = self.world.log_in(name)
        mine = self.world.actors[name].get("/auth/sessions?limit=1").expect(200).json["items"]
        return tokens.get("session_id") or mine[0]["id"]

    @kind
    def notice(self, place):
        # That they have a place; what goes to many is spread by a job, and jobs rest here.
        self.find("sign_up", place.name)
        found = place.subject.get("/notices?limit=1").expect(200).json["items"]
        return found[0]["id"] if found else new_id()


    def missing_notice(self):
        """Beside a real one: notices are marked up to an id, in the order of ids."""
        real = self.find("notice", "foreign")
        return real[:-1] + ("0" if real[-1] != "0" else "1")


class Events(Organizations):
    def call(self, place, organization=None, publish=True, **change):
        body = {
            "organization_id": organization or place.organization,
            "title": mark(place.name, "event"),
            "place": mark(place.name, "hall"),
            "starts_at": at(minutes=10),
            "ends_at": at(minutes=100),
            "forms": ["general_meeting"],
            **change,
        }
        made = place.maker.post("/events", body).expect(201).id
        if publish:
            place.maker.post(f"/events/{made}/publish").expect(200)
        return made

    @kind
    def event(self, place):
        return self.call(place)

    def gone_event(self):
        """One of the archived group's, with everything that an event may have: it is closed before."""
        if not hasattr(self, "gone"):
            place = self.world.places["own"]
            later = {"starts_at": at(days=3), "ends_at": at(days=3, hours=2), "forms": ["volunteering"]}
            self.gone = self.call(place, self.world.archived, publish=False, **later)
            place.maker.put(f"/events/{self.gone}/sign-up-policy", {"capacity": 5}).expect(201)
            place.maker.post(f"/events/{self.gone}/publish").expect(200)
            place.maker.post(f"/events/{self.gone}/cancel", {"reason": "x"}).expect(200)
        return self.gone

    @kind
    def draft_event(self, place):
        return self.call(place, publish=False, starts_at=at(days=4), ends_at=at(days=4, hours=1))

    @kind
    def later_event(self, place):
        return self.call(place, starts_at=at(days=3), ends_at=at(days=3, hours=2))

    @kind
    def closed_event(self, place):
        event = self.call(place, starts_at=at(hours=-3), ends_at=at(hours=-1))
        place.maker.post(f"/events/{event}/close").expect(200)
        return event

    @kind
    def begun_event(self, place):
        return self.call(place, starts_at=at(minutes=-10), ends_at=at(minutes=50))

    @kind
    def points_event(self, place):
        event = self.call(place, forms=["volunteering"])
        points = [{"name": "in", "kind": "check_in"}, {"name": "out", "kind": "check_out"}]
        made = place.maker.put(f"/events/{event}/checkpoints", {"checkpoints": points}).expect(200)
        self.secrets["points", place.name] = [point["id"] for point in made.json["checkpoints"]]
        return event

    @kind
    def sign_up_event(self, place):
        event = self.call(place, publish=False, starts_at=at(days=3), ends_at=at(days=3, hours=2))
        sessions = [{"name": mark(place.name, "morning")}, {"name": mark(place.name, "evening")}]
        terms = {"sessions": sessions, "waiting_limit": 50}
        made = place.maker.put(f"/events/{event}/sign-up-policy", terms).expect(201)
        self.secrets["sessions", place.name] = [session["id"] for session in made.json["sessions"]]
        place.maker.post(f"/events/{event}/publish").expect(200)
        return event

    @kind
    def policy_event(self, place):
        event = self.call(place, publish=False, starts_at=at(days=4), ends_at=at(days=4, hours=1))
        made = place.maker.put(f"/events/{event}/sign-up-policy", {"sessions": [{"name": "x"}]}).expect(201)
        self.secrets["policy_session", place.name] = made.json["sessions"][0]["id"]
        return event

    @kind
    def policy_session(self, place):
        self.find("policy_event", place.name)
        return self.secrets["policy_session", place.name]

    def gone_draft_event(self):
        return self.find("event", "deleted")

    gone_later_event = gone_closed_event = gone_begun_event = gone_points_event = gone_draft_event
    gone_sign_up_event = gone_policy_event = gone_draft_event

    @kind
    def checkpoint(self, place):
        self.find("points_event", place.name)
        return self.secrets["points", place.name][0]

    @kind
    def sign_up_session(self, place):
        self.find("sign_up_event", place.name)
        return self.secrets["sessions", place.name][1]

    def code(self, place):
        """What the screen of `event` shows now."""
        if place in ("missing", "deleted"):
            return "A" * 44
        event = self.find("event", place)
        return self.world.places[place].maker.get(f"/events/{event}/code").expect(200).json["code"]

    def invitation(self, place):
        """The secret in the public address of `guest_link`."""
        return self.secret("guest_link", place) or "A" * 43

    @kind
    def template(self, place):
        made = place.maker.post(f"/organizations/{place.organization}/event-templates", self.template_body(place))
        return made.expect(201).id

    def template_day(self):
        """A Friday in more than a month."""
        later = datetime.now(timezone.utc) + timedelta(days=35)
        return (later + timedelta(days=(4 - later.weekday()) % 7)).strftime("%Y-%m-%d")

    def template_body(self, place):
        return {
            "title": mark(place.name, "template"),
            "forms": ["theme_day"],
            "rule": "FREQ=WEEKLY;BYDAY=FR",
            "starts_on": self.template_day(),
            "starts_at": "14:30",
            "duration_s": 7200,
            "ahead_days": 1,
        }

    def gone_template(self):
        place = self.world.places["own"]
        template = self.template(place)
        place.maker.post(f"/event-templates/{template}/end").expect(200)
        return template


class Attendance(Events):
    def scan(self, place, event, point=""):
        code = place.maker.get(f"/events/{event}/code{point}").expect(200).json["code"]
        body = {"code": code, "client_event_id": new_id(), "occurred_at": at()}
        return place.subject.post("/check-ins", body).expect(201)

    @kind
    def check_in(self, place):
        self.find("check_in", "deleted")
        return self.scan(place, self.find("event", place.name)).id

    def gone_check_in(self):
        place = self.world.places["own"]
        check_in = self.scan(place, self.find("event", "own")).id
        place.maker.post(f"/check-ins/{check_in}/annul", {"reason": "x"}).expect(200)
        return check_in

    @kind
    def passage(self, place):
        event = self.find("points_event", place.name)
        point = f"?checkpoint_id={self.find('checkpoint', place.name)}"
        return self.scan(place, event, point).json["passage"]["id"]

    @kind
    def service_hours(self, place):
        event, reason = self.call(place, forms=["volunteering"], starts_at=at(hours=-1), ends_at=at(minutes=-1)), "x"
        self.scan(place, event)
        item = {"member_id": place.subject_id, "minutes": 50, "reason": reason}
        made = place.maker.post(f"/events/{event}/service-hours/confirm", {"items": [item]}).expect(200)
        self.ids["served_event", place.name] = event
        return made.json["items"][0]["id"]

    @kind
    def served_event(self, place):
        self.find("service_hours", place.name)
        return self.ids["served_event", place.name]

    gone_served_event = Events.gone_draft_event

    @kind
    def leave_request(self, place):
        self.find("leave_request", "deleted")
        event = self.find("later_event", place.name)
        return place.subject.post(f"/events/{event}/leave-requests", {"reason": mark(place.name, "leave")}).expect(201).id

    def gone_leave_request(self):
        place = self.world.places["own"]
        event = self.find("later_event", "own")
        made = place.subject.post(f"/events/{event}/leave-requests", {"reason": "x"}).expect(201).id
        place.subject.post(f"/leave-requests/{made}/withdraw").expect(200)
        return made

    def sign_up_at(self, place):
        event = self.find("sign_up_event", place.name)
        body = {"client_event_id": new_id(), "session_id": self.secrets["sessions", place.name][0]}
        return place.subject.post(f"/events/{event}/sign-ups", body).expect(201).id

    @kind
    def sign_up(self, place):
        self.find("sign_up", "deleted")
        return self.sign_up_at(place)

    def gone_sign_up(self):
        place = self.world.places["own"]
        made = self.sign_up_at(place)
        place.subject.post(f"/sign-ups/{made}/cancel", {}).expect(200)
        return made

    @kind
    def guest(self, place):
        body = {"name": mark(place.name, "guest"), "phone": str(next(self.phones)), "consent": True}
        return place.maker.post(f"/events/{self.find('event', place.name)}/guests", body).expect(201).id

    def gone_guest(self):
        place = self.world.places["own"]
        guest = self.guest(place)
        place.maker.send("DELETE", f"/guests/{guest}").expect(200, 204)
        return guest

    @kind
    def guest_link(self, place):
        made, self.secrets["guest_link", place.name] = self.open_to_guests(place)
        return made

    def open_to_guests(self, place):
        body = {"places": 50, "expires_at": at(minutes=30)}
        made = place.maker.post(f"/events/{self.find('event', place.name)}/guest-links", body).expect(201)
        return made.id, made.json["url"].rsplit("/g/", 1)[1]

    def gone_guest_link(self):
        place = self.world.places["own"]
        link, self.secrets["guest_link", "deleted"] = self.open_to_guests(place)
        place.maker.post(f"/guest-links/{link}/revoke").expect(200)
        return link


class Studies(Attendance):
    def write_lesson(self, place):
        body = {
            "organization_id": place.organization,
            "kind": "article",
            "title": mark(place.name, "lesson"),
            "body": mark(place.name, "words"),
        }
        return place.maker.post("/lessons", body).expect(201).id

    def published_lesson(self, place):
        lesson = self.write_lesson(place)
        for verb in ("submit", "publish"):
            place.maker.post(f"/lessons/{lesson}/{verb}", {} if verb == "publish" else None).expect(200)
        return lesson

    @kind
    def draft_lesson(self, place):
        return self.write_lesson(place)

    @kind
    def lesson(self, place):
        lesson = self.published_lesson(place)
        place.maker.put(f"/lessons/{lesson}/quiz", self.quiz()).expect(201)
        return lesson

    def quiz(self):
        question = {"kind": "true_false", "text": "x", "options": ["a", "b"], "answer": [0]}
        return {"questions": [question], "attempt_limit": 100}

    @kind
    def question(self, place):
        quiz = place.maker.get(f"/lessons/{self.find('lesson', place.name)}/quiz").expect(200)
        return quiz.json["document"]["questions"][0]["id"]

    def gone_lesson(self):
        place = self.world.places["own"]
        lesson = self.lesson(place)
        place.maker.post(f"/lessons/{lesson}/archive", {"reason": "x"}).expect(200)
        return lesson

    @kind
    def spare_lesson(self, place):
        return self.lesson(place)

    def gone_spare_lesson(self):
        return self.find("lesson", "deleted")

    gone_draft_lesson = gone_spare_lesson

    @kind
    def quiz_attempt(self, place):
        lesson = self.find("spare_lesson", place.name)
        attempt = place.subject.post(f"/lessons/{lesson}/quiz/attempts").expect(201).id
        body = {"answers": [], "occurred_at": at()}
        place.subject.post(f"/quiz-attempts/{attempt}/hand-in", body).expect(200)
        return attempt

    @kind
    def study_review(self, place):
        lesson = self.published_lesson(place)
        ahead = {"session_id": new_id(), "sections": [0], "occurred_at": at(days=1)}
        place.subject.put(f"/lessons/{lesson}/progress", ahead).expect(200)
        found = place.maker.get(f"/study-reviews?organization_id={place.organization}").expect(200).json["items"]
        return next(review["id"] for review in found if review["lesson_id"] == lesson)

    @kind
    def series(self, place):
        series = self.draft_series(place)
        place.maker.post(f"/series/{series}/publish").expect(200)
        return series

    @kind
    def draft_series(self, place):
        lessons = [{"lesson_id": self.find("lesson", place.name)}]
        body = {"organization_id": place.organization, "title": mark(place.name, "series"), "lessons": lessons}
        return place.maker.post("/series", body).expect(201).id

    def gone_series(self):
        place = self.world.places["own"]
        series = self.series(place)
        place.maker.post(f"/series/{series}/archive", {"reason": "x"}).expect(200)
        return series

    @kind
    def spare_series(self, place):
        return self.series(place)

    def gone_spare_series(self):
        return self.find("series", "deleted")

    gone_draft_series = gone_spare_series

    def plan(self, place, publish=True):
        lessons = [self.find("lesson", place.name)]
        body = {"organization_id": place.organization, "title": mark(place.name, "plan"), "lesson_ids": lessons}
        plan = place.maker.post("/study-plans", {**body, "due_on": day(days=90)}).expect(201).id
        if publish:
            place.maker.post(f"/study-plans/{plan}/publish").expect(200)
        return plan

    @kind
    def study_plan(self, place):
        return self.plan(place)

    @kind
    def draft_plan(self, place):
        return self.plan(place, publish=False)

    def gone_study_plan(self):
        place = self.world.places["own"]
        plan = self.plan(place)
        place.maker.post(f"/study-plans/{plan}/cancel", {"reason": "x"}).expect(200)
        return plan

    @kind
    def spare_plan(self, place):
        return self.plan(place)

    def gone_spare_plan(self):
        return self.find("study_plan", "deleted")

    gone_draft_plan = gone_spare_plan


class Files(Studies):
    def begin(self, client, place, purpose, data, whole=True):
        told = {"organization_id": place.organization, "purpose": purpose, "filename": mark(place.name, "file")}
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(data)),
            "Upload-Metadata": ",".join(f"{name} {text64(text)}" for name, text in told.items()),
            "Content-Type": "application/offset+octet-stream",
        }
        made = client.send("POST", "/uploads", data if whole else data[:1], headers).expect(201)
        return made.headers["location"].rsplit("/", 1)[1]

    def file(self, place, purpose="lesson"):
        return self.begin(place.maker, place, purpose, (DATA / "poster.jpg").read_bytes())

    @kind
    def media(self, place):
        return self.file(place)

    @kind
    def spare_media(self, place):
        return self.file(place)

    def gone_media(self):
        place = self.world.places["own"]
        media = self.file(place)
        place.maker.send("DELETE", f"/media/{media}").expect(204)
        return media

    def gone_spare_media(self):
        return self.find("media", "deleted")

    @kind
    def receipt(self, place):
        return self.file(place, "receipt")

    @kind
    def slides(self, place):
        return self.file(place, "material")

    @kind
    def upload(self, place):
        # Branch A's is the lecturer's, so that somebody's own upload is among them.
        client = self.world.actors["lecturer"] if place.name == "own" else place.maker
        return self.begin(client, place, "lesson", (DATA / "poster.jpg").read_bytes(), whole=False)

    def gone_upload(self):
        return self.find("media", "deleted")

    @kind
    def material(self, place):
        body = {"title": mark(place.name, "material"), "media_id": self.find("slides", place.name)}
        return place.maker.post(f"/events/{self.find('event', place.name)}/materials", body).expect(201).id

    def gone_material(self):
        place = self.world.places["own"]
        material = self.material(place)
        place.maker.send("DELETE", f"/materials/{material}").expect(204)
        return material

    def ticket(self, place):
        """What the address of a file there says, for whoever may see the file."""
        if place in ("missing", "deleted"):
            return "A" * 43
        file = self.world.places[place].maker.get(f"/media/{self.find('media', place)}").expect(200)
        return file.json["content_url"].split("ticket=")[1]

    def share(self, place, event):
        body = {"text": mark(place.name, "reflection"), "visibility": "branch"}
        return place.subject.post(f"/events/{event}/reflections", body).expect(201).id

    @kind
    def reflection(self, place):
        self.find("reflection", "deleted")
        return self.published(place, self.find("begun_event", place.name))

    @kind
    def spare_reflection(self, place):
        return self.published(place, self.begun_event(place))

    def gone_spare_reflection(self):
        return self.find("reflection", "deleted")

    def published(self, place, event):
        reflection = self.share(place, event)
        picture = (DATA / "poster.jpg").read_bytes()
        kind_of = {"Content-Type": "image/jpeg"}
        place.subject.send("POST", f"/reflections/{reflection}/pictures", picture, kind_of).expect(201)
        place.maker.send("POST", f"/reflections/{reflection}/approve", None, {"If-Match": "*"}).expect(200)
        return reflection

    def gone_reflection(self):
        place = self.world.places["own"]
        reflection = self.share(place, self.find("begun_event", "own"))
        place.subject.post(f"/reflections/{reflection}/withdraw").expect(200)
        return reflection


class Money(Files):
    @kind
    def expense(self, place):
        # Branch A's is submitted by its organizer, so that the one who submitted it is among the actors.
        client = self.world.actors["organizer"] if place.name == "own" else place.maker
        return self.spend(place, client)

    def spend(self, place, client):
        body = {"category": "venue", "amount_cents": 100, "spent_on": day(), "payee": mark(place.name, "payee")}
        return client.post(f"/events/{self.find('event', place.name)}/expenses", body).expect(201).id

    def gone_expense(self):
        place = self.world.places["own"]
        expense = self.spend(place, place.maker)
        place.maker.post(f"/expenses/{expense}/withdraw").expect(200)
        return expense

    @kind
    def point_award(self, place):
        client = self.world.actors["secretary"] if place.name == "own" else place.maker
        return self.propose(place, client)

    def propose(self, place, client):
        body = {"points": 1, "reason": mark(place.name, "award")}
        return client.post(f"/members/{place.subject_id}/point-awards", body).expect(201).id

    def gone_point_award(self):
        place = self.world.places["own"]
        award = self.propose(place, place.maker)
        place.maker.post(f"/point-awards/{award}/withdraw").expect(200)
        return award


class Everything(Money):
    """All kinds, in the order of what they are made of."""

    def make_all(self):
        for cls in reversed(Everything.__mro__):
            for name, value in vars(cls).items():
                if getattr(value, "is_kind", False):
                    with ThreadPoolExecutor(len(PLACES)) as pool:
                        list(pool.map(lambda place: self.find(name, place), PLACES))
        self.world.system.post(f"/organizations/{self.world.archived}/archive").expect(204)
