"""Organizations, their people, and what hangs on them: roles, devices, webhooks, sessions, notices."""

from objects import Objects, kind
from world import mark, new_id


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
