"""Very many members ask for few places at one moment; some give theirs back, and the places become more. Promise P6."""

import base64
import hashlib
import hmac
import json
import resource
import threading
import time
import urllib.request
import uuid

import api
import clients
import controls
import rounds
import servers

# Of the theme days, one after another: all clients ask for a place on each.
CAPACITIES = (0, 1, 50, 120, 999)
MORE = 10
WAITS = 0.9
CANCELS = 0.3
ASKS_AGAIN = 0.5
AT_MOST_S = 180
STACK = 256 * 1024


class Asker(clients.Phone):
    """One member at the barrier."""

    def __init__(self, name, seed, scene, member, token, event, barrier):
        super().__init__(name, seed, scene, {}, {member: token})
        self.member, self.event, self.barrier = member, event, barrier
        self.let_through = None

    def run(self):
        try:
            self.connection.send("GET", "/me", self.members[self.member])
        except api.Unanswered:
            pass  # the connection is made with the first request then
        try:
            self.barrier.wait()
            self.let_through = time.monotonic()
            self.live()
        except Exception as error:  # as in Phone
            self.error = f"{type(error).__name__}: {error}"

    def live(self):
        made = self.ask_for_place(self.event, self.member, WAITS)
        if made is None or self.random.random() >= CANCELS:
            return
        self.give_back(made["id"], self.member)
        if self.random.random() < ASKS_AGAIN:
            self.ask_for_place(self.event, self.member, WAITS)


class Rush:
    """What a Round asks of a crowd."""

    def __init__(self):
        self.askers = []

    def errors(self):
        return [f"{asker.name}: {asker.error}" for asker in self.askers if asker.error]


class Places(rounds.Round):
    spoils = ("places", "oversold", "invented_sign_up")

    def act(self, scene):
        # A connection for each client, and some more for what is sent several times at once.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.crowd = Rush()
        people = import_people(scene, self.plan.clients)
        for capacity in CAPACITIES:
            self.rush(scene, people, capacity)
        scene.stop.set()

    def rush(self, scene, people, capacity):
        event = scene.make_theme_day(capacity)
        barrier = threading.Barrier(len(people) + 1)
        threading.stack_size(STACK)
        askers = [Asker(f"{capacity}/{n}", self.plan.seed, scene, *who, event, barrier) for n, who in enumerate(people.items())]
        threading.stack_size(0)
        self.crowd.askers += askers
        for asker in askers:
            asker.start()
        barrier.wait(AT_MOST_S)
        begun, before = time.monotonic(), self.log.acknowledged
        until = begun + AT_MOST_S
        while self.log.acknowledged < before + len(people) // 4 and time.monotonic() < until and any(a.is_alive() for a in askers):
            time.sleep(0.02)
        scene.set_capacity(event, capacity + MORE)
        for asker in askers:
            asker.join(max(0.01, until - time.monotonic()))
        late, seconds = sum(asker.is_alive() for asker in askers), time.monotonic() - begun
        through = [asker.let_through for asker in askers if asker.let_through]
        times = f"all asked within {max(through) - min(through):.1f} s, {late} not done after {seconds:.1f} s"
        self.told.append(f"{self.standing(event, capacity)}; {times}")

    def standing(self, event, capacity):
        rows = [row["status"] for row in self.stored()["sign_ups"] if row["event_id"] == event]
        count = {status: rows.count(status) for status in ("confirmed", "waitlisted", "cancelled")}
        words = f"{count['confirmed']} confirmed, {count['waitlisted']} wait, {count['cancelled']} cancelled"
        return f"{capacity} places, then {capacity + MORE}: {words}"


def import_people(scene, number):
    """So many members, and a token of each. A thousand passwords would take minutes: the tokens are made with the server's key."""
    rows = "\n".join(f"同志{n},P{n:05},正式黨員" for n in range(number))
    request = urllib.request.Request(
        f"http://127.0.0.1:{scene.ports[0]}/api/v1/members/imports?organization_id={scene.root}",
        data=f"姓名,工號,黨員類別\n{rows}\n".encode(), method="POST",
        headers={"Authorization": f"Bearer {scene.admin}", "Content-Type": "text/csv"},
    )
    urllib.request.urlopen(request, timeout=120).close()
    people, cursor = {}, ""
    while cursor is not None:
        page = scene.get(f"/members?organization_id={scene.root}&limit=200{cursor}", scene.admin)
        people.update({row["id"]: token(row["id"], scene) for row in page["items"] if (row.get("employee_no") or "").startswith("P0")})
        cursor = f"&cursor={page['next_cursor']}" if page.get("next_cursor") else None
    if len(people) != number:
        raise AssertionError(f"{len(people)} of {number} members were imported")
    return people


def token(member, scene):
    """As src/auth/tokens.rs makes them: somebody else's account, a session that has not ended."""
    claims, now = part_of(scene.admin, 1), int(time.time())
    claims |= {"sub": member, "sid": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + 3600}
    message = f"{scene.admin.split('.')[0]}.{encoded(json.dumps(claims).encode())}"
    derived = lambda key, words: hmac.new(key, words, hashlib.sha256).digest()
    key = derived(derived(servers.SECRET_KEY.encode(), b"access token"), b"")
    return f"{message}.{encoded(derived(key, message.encode()))}"


def part_of(token, number):
    part = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def plan(backend, seed, binary, number):
    return rounds.Plan(f"{backend} places, {number} clients", backend, seed, binary, [], 0, members=0, clients=number)
