"""Who comes to events: check-ins, service hours, leave, sign-ups, guests."""

from events import Events
from objects import at, kind
from world import mark, new_id


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
