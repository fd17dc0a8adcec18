"""Refresh tokens (P11) at two servers: a lost answer comes again, anything else that is used twice ends the family."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from client import BASE, Client
from revocation import WITHIN_S, Person

# The previous token is good for so long.
GRACE_S = 30
DEVICE = "first"


class Family:
    """The tokens of one session."""

    def __init__(self, world, addresses, what):
        self.addresses = addresses
        self.first = Person(world, what).tokens
        self.wrong = []

    def refresh(self, token, server=0, device=DEVICE):
        body = {"refresh_token": token, "device_id": device}
        return Client(self.addresses[server]).send("POST", "/auth/refresh", body)

    def next(self, token, server=0):
        """The successor, where there must be one."""
        reply = self.refresh(token, server)
        if reply.status != 200:
            self.wrong.append(f"no successor: {reply.status} {reply.body[:200].decode(errors='replace')}")
            return token
        self.access = reply.json["access_token"]
        return reply.json["refresh_token"]

    def lose(self, token, server):
        """Sends it, and hangs up when the answer begins to come."""
        body = json.dumps({"refresh_token": token, "device_id": DEVICE}).encode()
        head = f"POST {BASE}/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        host, port = self.addresses[server].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + body)
            connection.recv(1)

    def expect(self, holds, words):
        if not holds:
            self.wrong.append(words)

    def expect_ended(self, newest, access):
        """Refused at once where tokens are renewed, within a second where they are used."""
        for server, address in enumerate(self.addresses):
            status = self.refresh(newest, server).status
            self.expect(status == 401, f"the newest token of an ended family answers {status} at {address}")
        time.sleep(WITHIN_S)
        for address in self.addresses:
            status = Client(address, f"Bearer {access}").get("/me").status
            self.expect(status == 401, f"the access token of an ended family answers {status} at {address}")


class Rotation:
    def __init__(self, world, addresses):
        self.world = world
        self.addresses = addresses

    def run(self):
        """Name of the case, and what was wrong."""
        for name in ("parallel", "lost answers", "used successor", "older", "another device", "stolen"):
            yield name, self._wrong(name)
        # They wait, so they wait together.
        with ThreadPoolExecutor() as pool:
            waiting = [(name, pool.submit(self._wrong, name)) for name in ("in time", "too late")]
            for name, wrong in waiting:
                yield name, wrong.result()

    def _wrong(self, name):
        family = Family(self.world, self.addresses, name)
        getattr(self, name.replace(" ", "_"))(family, family.first["refresh_token"])
        return family.wrong

    def parallel(self, family, first):
        with ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda n: family.refresh(first, n % len(self.addresses)), range(20)))
        statuses = {reply.status for reply in replies}
        family.expect(statuses == {200}, f"twenty at once answer {sorted(statuses)}")
        successors = {reply.json.get("refresh_token") for reply in replies}
        family.expect(len(successors) == 1, f"twenty at once have {len(successors)} successors")
        family.next(successors.pop(), 1)

    def lost_answers(self, family, token):
        """Ten in a row, asked again at the other server."""
        for turn in range(10):
            family.lose(token, turn % 2)
            again = [family.next(token, (turn + n) % 2) for n in (1, 2)]
            family.expect(again[0] == again[1] != token, "what was asked for again is another successor")
            token = again[0]
        family.expect(Client(self.addresses[0], f"Bearer {family.access}").get("/me").status == 200, "signed out at the end")

    def used_successor(self, family, first):
        second = family.next(first)
        third = family.next(second, 1)
        family.expect(family.refresh(first).status == 401, "the previous token is good though its successor was used")
        family.expect_ended(third, family.access)

    def older(self, family, first):
        second = family.next(first)
        third = family.next(second, 1)
        fourth = family.next(third)
        family.expect(family.refresh(first, 1).status == 401, "an old token is good")
        family.expect_ended(fourth, family.access)

    def another_device(self, family, first):
        second = family.next(first)
        family.expect(family.refresh(first, 1, "another").status == 401, "the previous token is good on another device")
        family.expect_ended(second, family.access)

    def stolen(self, family, first):
        """Not used before: but not by whom it was given to."""
        family.expect(family.refresh(first, 1, "another").status == 401, "the newest token is good on another device")
        family.expect_ended(first, family.first["access_token"])

    def in_time(self, family, first):
        begun = time.monotonic()
        second = family.next(first)
        time.sleep(GRACE_S - 2 - (time.monotonic() - begun))
        family.expect(family.next(first, 1) == second, "another successor, or none, within the time")

    def too_late(self, family, first):
        second = family.next(first)
        time.sleep(GRACE_S + 1)
        family.expect(family.refresh(first, 1).status == 401, "the previous token is good for too long")
        family.expect_ended(second, family.access)
