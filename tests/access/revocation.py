"""How long what was taken away goes on working (P10): polled on two servers at once, with access and with refresh tokens."""

import time

from client import Client
from world import PASSWORD, mark, new_id

WITHIN_S = 1.0
GIVE_UP_S = 3.0


class Person:
    """Somebody of branch A with a session of their own at both servers."""

    def __init__(self, world, name, role=None):
        self.world = world
        self.name = f"{name} {new_id()[:8]}"
        self.id = world.member("own", self.name, role)
        self.account = f"access-{self.name.replace(' ', '-')}"
        code = world.system.post(f"/members/{self.id}/activation-codes").expect(201).json["code"]
        body = {"code": code, "password": PASSWORD, "device_id": "first"}
        self.tokens = Client(world.address).post("/auth/activations", body).expect(200, 201).json

    def client(self, address):
        return Client(address, f"Bearer {self.tokens['access_token']}")

    def sign_in_again(self):
        body = {"account": self.account, "password": PASSWORD, "device_id": "second"}
        return Client(self.world.address).post("/auth/login", body).expect(200).json


class Revocation:
    def __init__(self, world, objects, addresses):
        self.world = world
        self.objects = objects
        self.addresses = addresses
        self.own = world.places["own"].organization

    def run(self):
        """Name of the case, seconds until all servers agreed, and what went on working."""
        for name in ("disabled", "role_removed", "transferred", "signed_out", "session_ended", "password_changed",
                     "password_reset", "file_address", "device_revoked"):
            yield (name.replace("_", " "), *getattr(self, name)())

    def _until(self, probes, status):
        """Asks all of them in turn until each answers one of these; tells how long the slowest took."""
        begun, open_probes, took = time.monotonic(), dict(probes), 0.0
        while open_probes and time.monotonic() - begun < GIVE_UP_S:
            for name, ask in list(open_probes.items()):
                if ask().status in status:
                    took = time.monotonic() - begun
                    del open_probes[name]
            time.sleep(0.01)
        return (took if not open_probes else GIVE_UP_S), [f"{name} still not {status}" for name in open_probes]

    def _access_ends(self, person, path="/me", status=(401,)):
        """Asked before, it works everywhere; then it must end everywhere."""
        clients = [(address, person.client(address)) for address in self.addresses]
        for _, client in clients:
            client.get(path).expect(200)
        return {f"access at {address}": (lambda client=client: client.get(path)) for address, client in clients}, status

    def _refresh_refused(self, tokens, device):
        """At every server; one that is let through would be a new session."""
        body = {"refresh_token": tokens["refresh_token"], "device_id": device}
        replies = [(address, Client(address).send("POST", "/auth/refresh", body)) for address in self.addresses]
        return [f"refresh at {address} answers {reply.status}" for address, reply in replies if reply.status != 401]

    def _account_ends(self, person, act, device="first"):
        probes, status = self._access_ends(person)
        act()
        took, left = self._until(probes, status)
        return took, left + self._refresh_refused(person.tokens, device)

    def disabled(self):
        person = Person(self.world, "to disable", "admin")
        return self._account_ends(
            person, lambda: self.world.system.post(f"/members/{person.id}/deactivate", {"reason": "x"}).expect(200)
        )

    def role_removed(self):
        person = Person(self.world, "to demote")
        grant = self.world.grant(self.own, person.id, "secretary")
        probes, status = self._access_ends(person, f"/organizations/{self.own}/roles", (403,))
        self.world.system.send("DELETE", f"/organizations/{self.own}/roles/{grant}").expect(204)
        took, left = self._until(probes, status)
        body = {"refresh_token": person.tokens["refresh_token"], "device_id": "first"}
        fresh = Client(self.addresses[-1]).send("POST", "/auth/refresh", body).expect(200).json["access_token"]
        again = Client(self.addresses[0], f"Bearer {fresh}").get(f"/organizations/{self.own}/roles")
        return took, left + ([f"a refreshed token answers {again.status}"] if again.status != 403 else [])

    def transferred(self):
        person = Person(self.world, "to transfer")
        probes, status = self._access_ends(person, f"/organizations/{self.own}", (404,))
        body = {"organization_id": self.world.places["sibling"].organization, "reason": "x"}
        self.world.system.post(f"/members/{person.id}/transfers", body).expect(201)
        return self._until(probes, status)

    def signed_out(self):
        person = Person(self.world, "to sign out")
        return self._account_ends(person, lambda: person.client(self.addresses[0]).post("/auth/logout").expect(204))

    def session_ended(self):
        person = Person(self.world, "to end")
        other = person.sign_in_again()
        client = Client(self.addresses[-1], f"Bearer {other['access_token']}")
        sessions = client.get("/auth/sessions").expect(200).json["items"]
        first = next(session["id"] for session in sessions if not session["is_current"])
        return self._account_ends(person, lambda: client.send("DELETE", f"/auth/sessions/{first}").expect(204))

    def password_changed(self):
        person = Person(self.world, "to change")
        other = person.sign_in_again()
        client = Client(self.addresses[-1], f"Bearer {other['access_token']}")
        body = {"current_password": PASSWORD, "new_password": "eight blue kites over the river"}
        took, left = self._account_ends(person, lambda: client.send("POST", "/auth/password", body).expect(204))
        mine = client.get("/me").status
        return took, left + ([f"the session that changed it answers {mine}"] if mine != 200 else [])

    def password_reset(self):
        person = Person(self.world, "to reset")
        code = self.world.system.post(f"/members/{person.id}/activation-codes").expect(201).json["code"]
        body = {"code": code, "password": "nine green boats on the lake"}
        return self._account_ends(
            person, lambda: Client(self.addresses[-1]).send("POST", "/auth/activations", body).expect(200, 201)
        )

    def file_address(self):
        """It holds for a session, and ends within a second of it."""
        person = Person(self.world, "to look", "secretary")
        media = self.objects.find("media", "own")
        url = person.client(self.addresses[0]).get(f"/media/{media}").expect(200).json["content_url"]
        path = "/api/v1" + url.split("/api/v1", 1)[1]
        probes = {}
        for address in self.addresses:
            client = Client(address)
            client.get(path).expect(200)
            probes[f"file at {address}"] = lambda client=client: client.get(path)
        person.client(self.addresses[0]).post("/auth/logout").expect(204)
        return self._until(probes, (401, 404, 410))

    def device_revoked(self):
        body = {"name": mark("own", "to revoke"), "purposes": ["screen"]}
        made = self.world.system.post(f"/organizations/{self.own}/devices", body).expect(201).json
        token = Client(self.addresses[0]).send("POST", "/devices/enrolments", {"code": made["code"]}).expect(201).json
        probes = {}
        for address in self.addresses:
            client = Client(address, f"Device {token['device_token']}")
            client.get("/device/events").expect(200)
            probes[f"device at {address}"] = lambda client=client: client.get("/device/events")
        self.world.system.send("DELETE", f"/organizations/{self.own}/devices/{made['device']['id']}").expect(204)
        return self._until(probes, (401,))
