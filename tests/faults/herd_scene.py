"""Where the herd meets: one server on SQLite, or two on PostgreSQL and Redis behind HAProxy; thousands of members, and a meeting that
has just opened."""

import csv
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid

import api
import balancer
import servers
import store
import tokens
import world


class Scene:
    def __init__(self, options, settings=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zhibu-herd.", dir="/tmp"))
        self.options, self.settings = options, {"ZHIBU__SERVER__TRUSTED_PROXIES": "127.0.0.1", **(settings or {})}
        self.postgres = self.redis = self.balancer = self.screen = None
        self.zhibus = []

    def start(self):
        if self.options.backend == "postgres":
            self.postgres, self.redis = servers.Postgres(self.folder), servers.Redis(self.folder)
            self.postgres.start()
            self.redis.start()
            self.settings |= {"DATABASE_URL": self.postgres.url(), "REDIS_URL": self.redis.url}
        for number in range(2 if self.postgres else 1):
            self.zhibus.append(servers.Zhibu(self.options.binary, self.folder, self.settings, number=number))
            self.zhibus[number].start()
        self.port = self.zhibus[0].port
        if self.postgres:
            self.balancer = balancer.Haproxy(self.folder, [zhibu.port for zhibu in self.zhibus])
            self.balancer.start()
            self.port = self.balancer.port
        self.connection = api.Connection([self.port], timeout=60)
        self.admin = self.ask("POST", "/auth/login", {"account": "demo-admin", "password": servers.PASSWORD}, None)["access_token"]
        root = self.ask("GET", "/organizations")["items"][0]
        self.import_members(root["id"])
        self.people = list(self.members(root["id"]))
        self.tokens = list(tokens.access_tokens(servers.SECRET_KEY, root["id"], self.people))
        self.event = self.make_meeting(root["id"])
        self.screen = Screen(self)

    def ask(self, method, path, body=None, token=True):
        """Until it is answered: it carries a key, HAProxy closes what has been idle, and a machine may be busy."""
        request, until = (method, path, self.admin if token else None, body, str(uuid.uuid4())), time.monotonic() + 60
        while True:
            try:
                answer = self.connection.send(*request)
                if answer.status < 300:
                    return answer.body
                told = f"{answer.status} {answer.body}"
            except api.Unanswered as error:
                answer, told = None, error
            if time.monotonic() > until or answer and answer.status not in (429, 502, 503, 504):
                raise servers.NotStarted(f"{method} {path}: {told}")
            time.sleep(0.2)

    def import_members(self, root):
        """With the command that a committee uses."""
        roster = self.folder / "roster.csv"
        with open(roster, "w", encoding="utf-8", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(["姓名", "工號", "黨員類別"])
            sheet.writerows([f"到會{number:05}", f"H{number:05}", "正式黨員"] for number in range(self.options.members))
        zhibu = self.zhibus[0]
        command = [zhibu.binary, "import", "members", str(roster), "--organization", root]
        done = subprocess.run(command, env=zhibu.environment(), cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise servers.NotStarted(f"the import failed: {done.stdout}{done.stderr}")

    def members(self, root):
        """Ids of those of the roster, as the API lists them."""
        cursor = ""
        while cursor is not None:
            page = self.ask("GET", f"/members?organization_id={root}&limit=200{cursor and '&cursor='}{cursor}")
            yield from (item["id"] for item in page["items"] if (item["employee_no"] or "").startswith("H"))
            cursor = page["next_cursor"]

    def make_meeting(self, root):
        event = {
            "organization_id": root, "title": "黨員大會", "place": "禮堂", "forms": ["general_meeting"],
            "starts_at": world.when(900), "ends_at": world.when(6300), "expected": {"standings": ["full"]},
        }
        event = self.ask("POST", "/events", event)["id"]
        self.ask("POST", f"/events/{event}/publish", {"notify": False})
        # A task of the servers' freezes the roster as check-in opens; the herd comes later.
        while not self.ask("GET", f"/events/{event}")["roster_frozen_at"]:
            time.sleep(0.2)
        return event

    def stored(self):
        if self.postgres:
            return store.read_postgres(self.postgres)
        return store.read_sqlite(self.zhibus[0].data / "zhibu.db")

    def present(self):
        """How many the organiser's sheet shows."""
        return self.ask("GET", f"/events/{self.event}/attendance?status=present&count=true&limit=1")

    def memory(self):
        """Peaks in MiB by process; of PostgreSQL's many the largest, whose shared memory is all of theirs."""
        named = [(zhibu.log.stem, zhibu) for zhibu in self.zhibus]
        named += [(name, process) for name, process in (("haproxy", self.balancer), ("redis", self.redis)) if process]
        found = {name: mib(process.child.pid, "VmHWM") for name, process in named}
        if self.postgres:
            children = pathlib.Path(f"/proc/{self.postgres.child.pid}/task/{self.postgres.child.pid}/children").read_text().split()
            found[f"largest of {len(children) + 1} postgres"] = max(mib(pid, "VmHWM") for pid in (self.postgres.child.pid, *children))
        return found

    def resident(self):
        return {zhibu.log.stem: mib(zhibu.child.pid, "VmRSS") for zhibu in self.zhibus}

    def end(self):
        # A second Ctrl-C must not interrupt the cleaning up.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        if self.screen:
            self.screen.stop.set()
        for process in (self.balancer, *self.zhibus, self.redis, self.postgres):
            if process is not None:
                process.kill()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Screen(threading.Thread):
    """The code at the door, as whoever stands before it sees it."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.scene, self.stop, self.unanswered = scene, threading.Event(), 0
        self.code = scene.ask("GET", f"/events/{scene.event}/code")["code"]

    def run(self):
        connection = api.Connection([self.scene.port])
        while not self.stop.wait(1):
            try:
                answer = connection.send("GET", f"/events/{self.scene.event}/code", self.scene.admin)
            except api.Unanswered:
                answer = None
            if answer is not None and answer.status == 200:
                self.code = answer.body["code"]
            else:
                # The last one stays on the screen.
                self.unanswered += 1


def mib(pid, what):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith(f"{what}:")]
    return int(lines[0].split()[1]) // 1024 if lines else 0
