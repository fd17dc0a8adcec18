"""Events in every state, with their points, sign-up policies, codes and templates."""

from datetime import datetime, timedelta, timezone

from objects import at, kind
from organizations import Organizations
from world import mark


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
        # Only drafts are deleted, and a draft has no code.
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
