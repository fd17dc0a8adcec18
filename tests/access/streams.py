"""How long a live screen goes on showing what somebody may see no more (P10). Its things change all the while: what is sent
after the right was taken counts, and a screen that is told nothing shows nothing new."""

import itertools
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from client import Client
from revocation import Person
from world import mark, new_id

# Each right is taken so often, at chance moments between two looks of the server.
TIMES = 6
# So long the screens are looked at before the first is taken, and after the last.
BEFORE_S, AFTER_S = 2.0, 3.0


class Screen:
    """One live stream, read by a thread of its own."""

    def __init__(self, address, authorization, path):
        self.address = address
        # When it was sent something to show.
        self.shown = []
        self.client = Client(address, authorization)
        self.lines = self.client.open_stream(path)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self.lines:
                if line.startswith(b"data:"):
                    self.shown.append(time.monotonic())
        except OSError:
            pass

    def close(self):
        # Not the client's own way, which would wait for the reader. The server may have closed it.
        with suppress(OSError):
            self.client.connection.shutdown(socket.SHUT_RDWR)

    def shows_since(self, instant):
        """Seconds after it at which something was shown for the last time."""
        return max([at - instant for at in self.shown if at > instant], default=0.0)


class Streams:
    def __init__(self, world, objects, addresses):
        self.world = world
        self.objects = objects
        self.addresses = addresses
        self.place = world.places["own"]
        self.event = objects.event(self.place)
        self.stirring = threading.Event()

    def run(self):
        """Name of the case, seconds until nothing was shown any more, and what was wrong."""
        cases = [case for case in self._cases() for _ in range(TIMES)]
        with ThreadPoolExecutor(8) as pool:
            prepared = list(pool.map(lambda case: (case[0], *case[1]()), cases))
        with self._stirred():
            opened = [
                (name, [Screen(address, authorization, path) for address in self.addresses], take)
                for name, authorization, path, take in prepared
            ]
            time.sleep(BEFORE_S)
            taken = [(name, screens, *self._take(screens, take)) for name, screens, take in opened]
            time.sleep(AFTER_S)
        found = {}
        for name, screens, taken_at, silent in taken:
            took = max(screen.shows_since(taken_at) for screen in screens)
            found.setdefault(name, []).append((took, silent))
            for screen in screens:
                screen.close()
        for name, each in found.items():
            yield name, max(took for took, _ in each), sorted({words for _, silent in each for words in silent})

    def _take(self, screens, take):
        """When it was taken, and which screens had shown nothing before."""
        time.sleep(random.uniform(0, 0.4))
        silent = [f"nothing was shown at {screen.address} before" for screen in screens if len(screen.shown) < 2]
        take()
        return time.monotonic(), silent

    @contextmanager
    def _stirred(self):
        """People come and go, and points are given, until it is left."""
        self.stirring.set()
        stirrers = [threading.Thread(target=self._stir, args=[step]) for step in (self._come_and_go, self._give_points)]
        for stirrer in stirrers:
            stirrer.start()
        try:
            yield
        finally:
            self.stirring.clear()
            for stirrer in stirrers:
                stirrer.join()

    def _cases(self):
        live, board = f"/events/{self.event}/live", f"/leaderboards/{self.place.organization}/live"
        yield "screen of an event: account disabled", lambda: self._person(live, self._disable, "secretary")
        yield "screen of an event: signed out", lambda: self._person(live, self._sign_out, "organizer")
        yield "screen of an event: role removed", self._demoted
        yield "screen of an event: device revoked", self._device
        yield "ranking: account disabled", lambda: self._person(board, self._disable)
        yield "ranking: signed out", lambda: self._person(board, self._sign_out)
        yield "ranking: transferred to another branch", lambda: self._person(board, self._transfer)

    def _person(self, path, take, role=None):
        person = Person(self.world, "who watches", role)
        return self._bearer(person), path, lambda: take(person)

    def _bearer(self, person):
        return f"Bearer {person.tokens['access_token']}"

    def _disable(self, person):
        self.world.system.post(f"/members/{person.id}/deactivate", {"reason": "x"}).expect(200)

    def _sign_out(self, person):
        person.client(self.addresses[0]).post("/auth/logout").expect(204)

    def _transfer(self, person):
        body = {"organization_id": self.world.places["sibling"].organization, "reason": "x"}
        self.world.system.post(f"/members/{person.id}/transfers", body).expect(201)

    def _demoted(self):
        person = Person(self.world, "who watches")
        own = self.place.organization
        grant = self.world.grant(own, person.id, "inspector")
        take = lambda: self.world.system.send("DELETE", f"/organizations/{own}/roles/{grant}").expect(204)
        return self._bearer(person), f"/events/{self.event}/live", take

    def _device(self):
        devices = f"/organizations/{self.place.organization}/devices"
        made = self.world.system.post(devices, {"name": mark("own", "screen"), "purposes": ["screen"]}).expect(201).json
        enrolled = Client(self.addresses[0]).send("POST", "/devices/enrolments", {"code": made["code"]}).expect(201)
        take = lambda: self.world.system.send("DELETE", f"{devices}/{made['device']['id']}").expect(204)
        return f"Device {enrolled.json['device_token']}", f"/events/{self.event}/live", take

    def _stir(self, step):
        """At each server in turn: without Redis one learns late what was done at the other."""
        for address in itertools.cycle(self.addresses):
            if not self.stirring.is_set():
                return
            step(lambda client: Client(address, client.authorization))
            time.sleep(0.05)

    def _come_and_go(self, at):
        """Somebody arrives, and was not there after all."""
        maker = at(self.place.maker)
        arrival = {"member_id": self.place.subject_id, "reason": "x", "client_event_id": new_id()}
        arrived = maker.post(f"/events/{self.event}/check-ins", arrival).expect(201).json
        maker.post(f"/check-ins/{arrived['id']}/annul", {"reason": "x"}).expect(200)

    def _give_points(self, at):
        """By one, and approved by another."""
        body = {"points": 1, "reason": "x"}
        award = at(self.place.maker).post(f"/members/{self.place.subject_id}/point-awards", body).expect(201).id
        at(self.world.system).post(f"/point-awards/{award}/approve").expect(200)
