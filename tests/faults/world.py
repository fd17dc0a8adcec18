"""What the phones act on: people of the demonstration who are signed in, and events and lessons made for them as they are used up."""

import threading
import time
import uuid
from datetime import datetime, timedelta, timezone

import api
import servers

CAPACITY = 7
SECTIONS = 40


def when(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    def __init__(self, ports, log, members, stop):
        self.ports, self.log, self.stop = ports, log, stop
        self.connection = api.Connection(ports)
        self.lock = threading.Lock()
        self.admin = self._sign_in("demo-admin")
        self.secretary = self._sign_in("demo-secretary")
        self.members = {}
        # Every twelfth is a guest of the organization: guests earn no points.
        for number in [n for n in range(1, 61) if n % 12][:members]:
            token = self._sign_in(f"demo-member-{number:03}")
            self.members[self.get("/me", token)["member"]["id"]] = token
        root = self.get("/organizations", self.admin)["items"][0]
        self.root = root["id"]
        settings = {"settings": {"leaderboards": "open"}}
        self._ask("PATCH", f"/organizations/{self.root}", settings, match=f'"{root["version"]}"')
        secretary = self.get("/me", self.secretary)["member"]["id"]
        self._ask("POST", f"/organizations/{self.root}/roles", {"member_id": secretary, "role": "admin"}, key=str(uuid.uuid4()))

    def _sign_in(self, account):
        return self._ask("POST", "/auth/login", {"account": account, "password": servers.PASSWORD}, token="")["access_token"]

    def get(self, path, token):
        return self._ask("GET", path, token=token)

    def _ask(self, method, path, body=None, key=None, match=None, token=None):
        """Until it is answered, or the round is over: what is made here carries a key, so asking again is harmless."""
        while not self.stop.is_set():
            try:
                answer = self.connection.send(method, path, self.admin if token is None else token, body, key, match)
            except api.Unanswered:
                time.sleep(0.1)
                continue
            if answer.status < 300 or answer.status == 412:
                return answer.body
            if answer.status not in (429, 503):
                raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
            time.sleep(0.2)
        raise RoundOver

    def _create(self, kind, path, body):
        """Logged like any operation: its title is its mark, so the checker sees whether it was made twice."""
        operation, key = self.log.invoke(kind, mark=body["title"]), str(uuid.uuid4())
        made = self._ask("POST", path, body, key)
        self.log.write("ok", op=operation, answer={"id": made["id"]})
        return made["id"]

    def _act(self, path, body=None):
        self._ask("POST", path, body, str(uuid.uuid4()))

    def _event(self, starts_in, **more):
        return {
            "organization_id": self.root, "title": f"到會 {uuid.uuid4()}", "place": "三樓",
            "starts_at": when(starts_in), "ends_at": when(starts_in + 5400),
            "expected": {"standings": ["full", "probationary", "activist"]}, **more,
        }

    def make_meeting(self):
        with self.lock:
            times = {"opens_before_s": 7200, "closes_after_s": 7200, "code_window_s": 120}
            event = self._create("event", "/events", self._event(3000, forms=["general_meeting"], **times))
            self._act(f"/events/{event}/publish", {"notify": False})
            return event

    def make_theme_day(self, capacity=CAPACITY):
        with self.lock:
            event = self._create("event", "/events", self._event(6 * 86_400, forms=["theme_day"]))
            self._ask("PUT", f"/events/{event}/sign-up-policy", {"capacity": capacity}, match='"0"')
            self._act(f"/events/{event}/publish", {"notify": False})
            return event

    def set_capacity(self, event, capacity):
        with self.lock:
            self._ask("PUT", f"/events/{event}/sign-up-policy", {"capacity": capacity}, match="*")

    def make_lesson(self):
        """An article: its sections are read one by one."""
        with self.lock:
            body = "".join(f"# {number}\n\n學習\n\n" for number in range(SECTIONS))
            lesson = {"organization_id": self.root, "kind": "article", "title": f"微黨課 {uuid.uuid4()}", "body": body}
            lesson = self._create("lesson", "/lessons", lesson)
            self._act(f"/lessons/{lesson}/submit")
            self._act(f"/lessons/{lesson}/publish")
            return lesson

    def code(self, event):
        with self.lock:
            return self.get(f"/events/{event}/code", self.admin)["code"]


class RoundOver(Exception):
    """The phones are told to put their work down."""
