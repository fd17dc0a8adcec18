"""A server of ours with the demonstration's data on a free port of loopback, and how the parts of the suite talk to it."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import requests

PASSWORD = "input-suite-" + secrets.token_hex(8)
SECRET_KEY = secrets.token_hex(32)
ROLES = ("anonymous", "member", "organizer", "secretary", "admin", "system_admin")

# A fuzzer is what the limits are there to stop; here they would hide every answer behind 429.
GENEROUS = {
    "ZHIBU__AUTH__ACCESS_TOKEN_S": "3600",
    "ZHIBU__AUTH__LOGIN_FAILURES_PER_HOUR": "1000",
    "ZHIBU__AUTH__FAILURES_PER_ADDRESS_PER_HOUR": "1000000",
    "ZHIBU__AUTH__PHONE_CHANGES_PER_HOUR": "1000",
    "ZHIBU__CHECK_IN__PROOFS_PER_ADDRESS": "1000000",
    "ZHIBU__CHECK_IN__TYPED_GUESSES_PER_MEMBER": "100",
    "ZHIBU__CHECK_IN__TYPED_GUESSES_PER_EVENT": "100000",
}


class Unusable(Exception):
    """The suite itself cannot go on; this says nothing about the server's promises."""


class Server:
    """`with Server(options) as server:`; nothing of it is left afterwards."""

    def __init__(self, options, **settings):
        self.binary = options.binary
        self.folder = Path(tempfile.mkdtemp(prefix="zhibu-input."))
        self.log_path = self.folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = Database(options) if options.database_url else None
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ZHIBU")},
            **GENEROUS,
            **settings,
            "ZHIBU_DATA": str(self.folder / "data"),
            "ZHIBU_DEMO_PASSWORD": PASSWORD,
            "ZHIBU_SECRET_KEY": SECRET_KEY,
            "RUST_LOG": "warn",
        }
        if self.database:
            self.environment["DATABASE_URL"] = self.database.url
            self.environment["REDIS_URL"] = options.redis_url
            # Servers beside each other share one Redis.
            self.environment["ZHIBU__CACHE__PREFIX"] = self.database.name
        self.process = None
        self.admin_code = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        if self.database:
            self.database.create()
        # Should this process be killed with SIGKILL, the kernel stops the server in its stead.
        guard = ["setpriv", "--pdeathsig=TERM"] if shutil.which("setpriv") else []
        command = [*guard, self.binary, "serve", "--demo", "--listen", f"127.0.0.1:{self.port}"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        self.wait_until(lambda: requests.get(self.url + "/readyz", timeout=2).ok)

    def wait_until(self, holds, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if holds():
                    return
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise Unusable(f"the server did not get ready:\n{self.log()[-2000:]}")

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.database:
            self.database.drop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def panics(self):
        """What P14 rules out, even where an answer hid it, and an end of the process."""
        found = [line.strip() for line in self.log().splitlines() if "panicked at" in line]
        if self.process.poll() is not None:
            found.append(f"the server ended with {self.process.returncode}")
        return found

    def resident_kib(self):
        """VmRSS: what the process really occupies."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def system_admin_code(self, name):
        """A one-time activation code of a new system admin, as an operator gets it."""
        command = [self.binary, "admin", "create", name]
        printed = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120)
        code = re.search(r"\b[A-Z0-9]{4}(?:-[A-Z0-9]{4}){2,}\b", printed.stdout)
        if not code:
            raise Unusable(f"no activation code in: {printed.stdout}{printed.stderr}")
        return code[0]


class Database:
    """One database of a PostgreSQL that scripts/lib/services.sh started."""

    def __init__(self, options):
        self.name = "input_" + uuid.uuid4().hex[:12]
        self.psql, self.server_url = options.psql, options.database_url
        self.url = self.server_url.rsplit("/", 1)[0] + "/" + self.name

    def create(self):
        self._sql(f"CREATE DATABASE {self.name}")

    def drop(self):
        self._sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def _sql(self, statement):
        subprocess.run([self.psql, "-q", self.server_url, "-c", statement], check=True, timeout=120)


class Client:
    """One role's view of the server."""

    def __init__(self, server, token=None):
        self.server = server
        self.token = token
        self.session = requests.Session()

    def send(self, method, path, **options):
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        address = path if path.startswith("http") else f"{self.server.url}/api/v1{path}"
        return self.session.request(method, address, headers=headers, timeout=options.pop("timeout", 30), **options)

    def get(self, path, **options):
        return self.send("GET", path, **options)

    def me(self):
        """The member that this role is."""
        return self.make("GET", "/me")["member"]

    def make(self, method, path, body=None, **options):
        """A request that must succeed for the suite to go on."""
        reply = self.send(method, path, json=body, **options)
        if not reply.ok:
            raise Unusable(f"{method} {path} answered {reply.status_code}: {reply.text[:400]}")
        return reply.json() if reply.text else {}


def sign_in(server, account):
    body = {"account": account, "password": PASSWORD}
    return Client(server, Client(server).make("POST", "/auth/login", body)["access_token"])


def sign_in_roles(server):
    """A client for each role; the organizer is a member to whom the demonstration's admin gives that role."""
    admin, secretary, organizer = (sign_in(server, name) for name in ("demo-admin", "demo-secretary", "demo-member-002"))
    branch = secretary.me()["organization_id"]
    grant = {"member_id": organizer.me()["id"], "role": "organizer"}
    admin.make("POST", f"/organizations/{branch}/roles", grant)
    code = server.system_admin_code("input-operator")
    tokens = Client(server).make("POST", "/auth/activations", {"code": code, "password": PASSWORD})
    return {
        "anonymous": Client(server),
        "member": sign_in(server, "demo-member-001"),
        "organizer": organizer,
        "secretary": secretary,
        "admin": admin,
        "system_admin": Client(server, tokens["access_token"]),
    }


def free_port():
    """Below the range from which systems take ports for outgoing connections."""
    for _ in range(100):
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise Unusable("no free port between 20000 and 32000")


def problem_fault(reply):
    """Why this refusal is no RFC 9457 document of ours; None when it is one."""
    kind = reply.headers.get("content-type", "")
    if kind.split(";")[0].strip() != "application/problem+json":
        return f"content type {kind or 'missing'} instead of application/problem+json"
    try:
        body = reply.json()
    except ValueError:
        return "the body is no JSON"
    if body.get("status") != reply.status_code:
        return f"status {body.get('status')} in the body of a {reply.status_code}"
    missing = [name for name in ("type", "title", "code", "detail", "request_id") if not body.get(name)]
    return f"without {', '.join(missing)}" if missing else None
