"""What the table asks only for a version that is not there, or of a thing that is over: done in earnest once, for the audit log.

By an admin from above, to things of branch A that are made for it. Each deed is named like its operation.
"""

import time

from objects import DATA, at, day
from world import new_id

NOW = {"If-Match": "*"}
# A code of ten seconds is good for one more window; who sends it later is looked at.
CODE_S = 21


class Deeds:
    def __init__(self, world, objects):
        self.world = world
        self.objects = objects
        self.place = world.places["own"]
        self.maker = self.place.maker
        self.own = self.place.organization

    def do_all(self):
        for name in vars(Deeds):
            if not name.startswith("_") and name != "do_all":
                getattr(self, name)()

    def update_organization(self):
        path = f"/organizations/{self.own}"
        name = self.maker.get(path).expect(200).json["name"]
        for words in (f"{name}.", name):
            self.maker.send("PATCH", path, {"name": words}, NOW).expect(200)

    def update_budget(self):
        lines = {"currency": "CNY", "lines": [{"category": "venue", "amount_cents": 100}]}
        self.maker.put(f"/organizations/{self.own}/budgets/{day()[:4]}", lines).expect(200, 201)
        self.maker.put(f"/events/{self._later()}/budget", lines).expect(200, 201)

    def update_webhook(self):
        webhook = self.objects.webhook(self.place)
        self.maker.put(f"/webhooks/{webhook}", {"url": "http://127.0.0.1:9/hook", "description": "x"}).expect(200)
        self.maker.post(f"/webhooks/{webhook}/rotate-secret", headers=NOW).expect(200)

    def update_member(self):
        member = self.objects.spare_member(self.place)
        self.maker.send("PATCH", f"/members/{member}", {"employee_no": f"E-{new_id()[:8]}"}, NOW).expect(200)
        self.maker.post(f"/members/{member}/deactivate", {"reason": "x"}).expect(200)
        self.maker.post(f"/members/{member}/reactivate").expect(200)

    def import_members(self):
        roster = f"姓名,工號,黨員類別\n某某,N-{new_id()[:8]},正式黨員\n".encode()
        path = f"/members/imports?organization_id={self.own}"
        self.maker.send("POST", path, roster, {"Content-Type": "text/csv"}).expect(201)

    def reject_expense(self):
        expense = self.objects.expense(self.place)
        self.maker.post(f"/expenses/{expense}/reject", {"reason": "x"}).expect(200)

    def reject_point_award(self):
        award = self.objects.point_award(self.place)
        self.maker.post(f"/point-awards/{award}/reject", {"reason": "x"}).expect(200)

    def return_lesson(self):
        lesson = self.objects.write_lesson(self.place)
        self.maker.post(f"/lessons/{lesson}/submit").expect(200)
        self.maker.post(f"/lessons/{lesson}/return", {"note": "x"}).expect(200)

    def refuse_study_review(self):
        review = self.objects.study_review(self.place)
        self.maker.post(f"/study-reviews/{review}/refuse", {"reason": "x"}).expect(200)

    def hide_reflection(self):
        for verb in ("reject", "hide"):
            event = self.objects.begun_event(self.place)
            reflection = self.objects.share(self.place, event) if verb == "reject" else self.objects.published(self.place, event)
            self.maker.post(f"/reflections/{reflection}/{verb}", {"reason": "x"}, NOW).expect(200)

    def continue_upload(self):
        data = (DATA / "poster.jpg").read_bytes()
        for method, more in (("PATCH", {}), ("POST", {"X-HTTP-Method-Override": "PATCH"})):
            upload = self.objects.begin(self.maker, self.place, "lesson", data, whole=False)
            kind = {"Content-Type": "application/offset+octet-stream"}
            headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "1", **kind, **more}
            self.maker.send(method, f"/uploads/{upload}", data[1:], headers).expect(204)

    def accept_sign_up(self):
        """A place that was freed is offered to who waits, and is taken or not; who has one is moved."""
        for verb in ("accept", "decline"):
            event = self.objects.call(self.place, publish=False, starts_at=at(days=3), ends_at=at(days=3, hours=2))
            terms = {"sessions": [{"name": "x", "capacity": 1}, {"name": "y"}], "waiting_limit": 5, "offer_s": 3600}
            made = self.maker.put(f"/events/{event}/sign-up-policy", terms).expect(201).json["sessions"]
            self.maker.post(f"/events/{event}/publish").expect(200)
            first, second = (self._sign_up(who, event, made[0]) for who in ("subject", "member"))
            self.maker.post(f"/sign-ups/{first}/cancel", {"reason": "x"}).expect(200)
            self.maker.post(f"/sign-ups/{second}/{verb}").expect(200)
        moved = self._sign_up("subject", event, made[0])
        self.maker.post(f"/sign-ups/{moved}/move", {"session_id": made[1]["id"], "reason": "x"}).expect(200)

    def accept_check_in(self):
        """Sent when its code was no longer on the screen."""
        event = self.objects.event(self.place)
        code = self.maker.get(f"/events/{event}/code").expect(200).json["code"]
        body = {"code": code, "client_event_id": new_id(), "occurred_at": at()}
        time.sleep(CODE_S)
        made = self.place.subject.post("/check-ins/batch", {"items": [body]}).expect(200).json["items"][0]
        self.maker.post(f"/check-ins/{made['check_in']['id']}/accept").expect(200)

    def _later(self):
        return self.objects.later_event(self.place)

    def _sign_up(self, who, event, session):
        body = {"client_event_id": new_id(), "session_id": session["id"]}
        return self.world.actors[who].post(f"/events/{event}/sign-ups", body).expect(201).id
