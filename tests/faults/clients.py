"""Virtual phones. Each does one thing after another and repeats it, with the same key, until it is answered for good.

On purpose some hang up before the answer, some give up for ever, some send the same several times at once, and some send again what was
answered long ago: all of them must be told the same.
"""

import random
import threading
import time
import uuid

import api
import world

ANSWERS_DROPPED = 0.3
SENT_AT_ONCE = 0.05
AT_ONCE = 8
GIVES_UP = 0.03
MOVES = 0.2
SENDS_AGAIN = 0.1
WAITS = 0.8
PAUSE_S = 0.02


class Supply:
    """Events or lessons: each phone uses each of them for each of its members; who has used up the last makes a new one."""

    def __init__(self, make):
        self.make, self.made, self.lock = make, [], threading.Lock()

    def take(self, position):
        with self.lock:
            while len(self.made) <= position:
                self.made.append(self.make())
            return self.made[position]


class Codes:
    """The code that a screen shows, for each meeting; good for two minutes at least."""

    def __init__(self, scene):
        self.scene, self.known = scene, {}

    def of(self, event):
        code, since = self.known.get(event, (None, 0))
        if time.monotonic() - since > 60:
            code = self.scene.code(event)
            self.known[event] = (code, time.monotonic())
        return code


class Phone(threading.Thread):
    """In the hands of some members, by turns. What it does follows from the seed alone."""

    def __init__(self, name, seed, scene, supplies, members):
        super().__init__(name=name, daemon=True)
        self.random = random.Random(f"{seed}/{name}")
        self.scene, self.log, self.stop = scene, scene.log, scene.stop
        self.closing = threading.Event()
        self.supplies, self.members = supplies, members
        self.connection = api.Connection(scene.ports, self.random.randrange(len(scene.ports)))
        self.codes = Codes(scene)
        self.units = {kind: self._units(kind) for kind in ("check_in", "progress", "sign_up")}
        self.sittings, self.places, self.answered = {}, [], []
        self.error = None

    def run(self):
        try:
            while not self.closing.is_set():
                # As a balancer does; else nobody would come back to a server that was killed once.
                if len(self.scene.ports) > 1 and self.random.random() < MOVES:
                    self.connection.move()
                self.random.choice([self.check_in, self.check_in, self.progress, self.sign_up, self.cancel, self.award, self.look])()
                self.closing.wait(PAUSE_S)
        except world.RoundOver:
            pass
        except Exception as error:  # a phone that ends unnoticed would make the round look quieter than it was
            self.error = f"{type(error).__name__}: {error}"

    def _units(self, kind):
        """Every (thing, member) once, in an order of the phone's own."""
        for position in range(1_000_000):
            thing = self.supplies[kind].take(position)
            members = list(self.members)
            self.random.shuffle(members)
            for member in members:
                for section in self._sections(kind):
                    yield thing, member, section

    def _sections(self, kind):
        sections = list(range(world.SECTIONS)) if kind == "progress" else [None]
        self.random.shuffle(sections)
        return sections

    def check_in(self):
        event, member, _ = next(self.units["check_in"])
        mark, now = self._uuid(), world.when(0)
        # The code on the screen changes; what the phone keeps of the act does not.
        body = lambda: {"code": self.codes.of(event), "client_event_id": mark, "occurred_at": now}
        self.perform("check_in", "POST", "/check-ins", member, body, mark=mark, event=event)

    def progress(self):
        lesson, member, section = next(self.units["progress"])
        # Begun ten hours ago: what was read then is credited without waiting for it now.
        sitting = self.sittings.setdefault((lesson, member), {"session_id": self._uuid(), "started_at": world.when(-36_000)})
        body = {**sitting, "sections": [section], "occurred_at": world.when(0)}
        self.perform("progress", "PUT", f"/lessons/{lesson}/progress", member, lambda: body, lesson=lesson, section=section)

    def sign_up(self):
        event, member, _ = next(self.units["sign_up"])
        made = self.ask_for_place(event, member, WAITS)
        if made is not None:
            self.places.append((made["id"], member))

    def ask_for_place(self, event, member, waits):
        mark = self._uuid()
        body = {"client_event_id": mark, "wait": self.random.random() < waits}
        return self.perform("sign_up", "POST", f"/events/{event}/sign-ups", member, lambda: body, mark=mark, event=event)

    def cancel(self):
        # Some keep their place, so that theme days fill up and others wait in line.
        if len(self.places) < 3:
            return
        place, member = self.places.pop(self.random.randrange(len(self.places)))
        if self.random.random() < 0.5:
            self.give_back(place, member)

    def give_back(self, place, member):
        self.perform("cancel", "POST", f"/sign-ups/{place}/cancel", member, dict, key=self._uuid(), sign_up=place)

    def award(self):
        """Two people's word: one proposes, the other approves."""
        member, mark, points = self.random.choice(list(self.members)), self._uuid(), self.random.randint(1, 9)
        body = {"points": points, "reason": mark}
        path = f"/members/{member}/point-awards"
        secretary, admin = self.scene.secretary, self.scene.admin
        made = self.perform("award", "POST", path, member, lambda: body, self._uuid(), secretary, mark=mark, points=points)
        if made is not None:
            path = f"/point-awards/{made['id']}/approve"
            self.perform("approve", "POST", path, member, lambda: None, self._uuid(), admin, award=made["id"])

    def look(self):
        """A board that somebody looks at is kept up to date, in Redis where there is one."""
        member = self.random.choice(list(self.members))
        operation = self.log.invoke("look", member=member)
        self.attempt(operation, "look", ("GET", f"/leaderboards/{self.scene.root}/me", self.members[member]))

    def perform(self, kind, method, path, member, body, key=None, token=None, **fields):
        """The answer's body; None if it was refused, or is left unknown."""
        token = token or self.members[member]
        operation, is_open = self.log.invoke(kind, member=member, **fields), False
        while not self.stop.is_set():
            request = (method, path, token, body(), key)
            if self.random.random() < SENT_AT_ONCE:
                answers = self.at_once(operation, kind, request)
            else:
                answers = [self.attempt(operation, kind, request)]
            answer = decisive(answers)
            is_open |= any(not is_done(answer) and not is_refusal(answer) for answer in answers)
            if is_done(answer):
                self.log.write("ok", op=operation, answer=essence(answer.body))
                self.answered.append((operation, method, path, token, body, key))
                self.send_again()
                return answer.body
            if is_refusal(answer):
                # An earlier request that nobody answered may come after this one, when a place is free again.
                if not (is_open and answer.code == "sign_up_full"):
                    self.log.write("fail", op=operation, answer=refusal(answer))
                return None
            if answer is not None and answer.status < 500:
                self.codes.known.clear()
            elif self.random.random() < GIVES_UP:
                return None
            self.stop.wait(self.random.uniform(0.05, 0.25))
        return None

    def attempt(self, operation, kind, request):
        return self.logged(operation, kind, lambda: self.connection.send(*request, drop=self.random.random() < ANSWERS_DROPPED))

    def logged(self, operation, kind, ask, sent=None):
        sent = sent or time.monotonic()
        try:
            answer = ask()
        except api.Unanswered as error:
            self.log.write("attempt", op=operation, kind=kind, sent=sent, error=str(error))
            return None
        told = {"status": answer.status, "code": answer.code, "retry_after": answer.retry_after}
        self.log.write("attempt", op=operation, kind=kind, sent=sent, **told)
        return answer

    def at_once(self, operation, kind, request):
        """The same on several connections, to all servers: all answers, after they were noted to be compared."""
        sent, out, answers = time.monotonic(), [], []
        for turn in range(self.random.randint(2, AT_ONCE)):
            connection = api.Connection(self.scene.ports, turn)
            try:
                connection.request(*request)
                out.append(connection)
            except api.Unanswered as error:
                self.log.write("attempt", op=operation, kind=kind, sent=sent, error=str(error))
                answers.append(None)
        answers += [self.logged(operation, kind, connection.answer, sent) for connection in out]
        for connection in out:
            connection.close()
        done = [answer for answer in answers if is_done(answer)]
        # Of requests at the same moment one may find all places taken and another a place that was freed: refusals are decided anew.
        contradicting = [answer for answer in answers if done and is_refusal(answer) and answer.code != "sign_up_full"]
        for answer in done[1:] + contradicting:
            self.log.write("repeat", op=operation, answer=essence(answer.body) if answer.status < 300 else refusal(answer))
        return answers

    def send_again(self):
        """Something that was answered, perhaps by a server that has been killed since."""
        if self.random.random() >= SENDS_AGAIN:
            return
        operation, method, path, token, body, key = self.random.choice(self.answered[-50:])
        answer = self.logged(operation, "repeat", lambda: self.connection.send(method, path, token, body(), key))
        if is_done(answer) or is_refusal(answer):
            self.log.write("repeat", op=operation, answer=essence(answer.body) if is_done(answer) else refusal(answer))

    def _uuid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def is_done(answer):
    return answer is not None and answer.status < 300


def decisive(answers):
    """An acceptance, else a refusal, else any answer at all."""
    told = [answer for answer in answers if answer is not None]
    return next(iter([*filter(is_done, told), *filter(is_refusal, told), *told]), None)


def is_refusal(answer):
    """For good. A code that ran out while the phone tried is replaced; what is too much now, or came too slowly, is tried later."""
    if answer is None or answer.status in (408, 429) or answer.code in ("expired_code", "invalid_code"):
        return False
    return 400 <= answer.status < 500


def refusal(answer):
    return {"status": answer.status, "code": answer.code}


def essence(body):
    """What the checker compares of an answer."""
    return {name: body[name] for name in ("id", "accepted", "rejected") if name in body}


class Crowd:
    """All phones of a round."""

    def __init__(self, seed, scene, phones):
        self.scene = scene
        makers = {"check_in": scene.make_meeting, "progress": scene.make_lesson, "sign_up": scene.make_theme_day}
        supplies = {kind: Supply(make) for kind, make in makers.items()}
        people = list(scene.members.items())
        self.phones = [Phone(f"phone-{n}", seed, scene, supplies, dict(people[n::phones])) for n in range(phones)]

    def start(self):
        for phone in self.phones:
            phone.start()

    def settle(self, seconds=20):
        """Nothing new is begun; what is under way is repeated until it is answered, or the time is over."""
        for phone in self.phones:
            phone.closing.set()
        until = time.monotonic() + seconds
        for phone in self.phones:
            phone.join(max(0.1, until - time.monotonic()))
        self.scene.stop.set()
        for phone in self.phones:
            phone.join(10)

    def errors(self):
        return [f"{phone.name}: {phone.error}" for phone in self.phones if phone.error]
