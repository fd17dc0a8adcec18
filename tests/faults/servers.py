"""Starts, kills and freezes the servers: ours, PostgreSQL and Redis. Each by its own pid, on loopback, in a folder of its own.

As in scripts/lib/services.sh PostgreSQL steps down from root, and the kernel ends what we started should we be killed ourselves.
For that the main thread starts them: PR_SET_PDEATHSIG is about the thread that forked.
"""

import glob
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

PASSWORD = "ten thousand steps"
SECRET_KEY = "a key for fault rounds only, of sufficient length"
# A start is no promise: others may use the machine too.
PATIENCE_S = 240


class NotStarted(Exception):
    pass


def free_port():
    """Below the range from which systems take ports for outgoing connections: of what is killed it must still be free afterwards."""
    for _ in range(100):
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise NotStarted("no free port between 20000 and 32000")


def ends_with_us():
    return ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []


class Process:
    """A server of ours; subclasses say how it is started and when it is ready."""

    def __init__(self, name, folder):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / f"{name}.log"
        self.child = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {**os.environ, "LC_ALL": "C"}

    def is_ready(self):
        raise NotImplementedError

    def spawn(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(), cwd="/", start_new_session=True
            )

    def start(self, seconds=PATIENCE_S):
        self.spawn()
        self.wait_ready(seconds)

    def wait_ready(self, seconds=PATIENCE_S):
        """How long it took."""
        begun = time.monotonic()
        while not self.is_ready():
            if self.child.poll() is not None:
                raise NotStarted(f"{self.log} ended with {self.child.returncode}:\n{self.log.read_text(errors='replace')[-2000:]}")
            if time.monotonic() - begun > seconds:
                raise NotStarted(f"{self.log}: not ready after {seconds} s")
            time.sleep(0.01)
        return time.monotonic() - begun

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        if self.is_running():
            self.child.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.child is not None:
            self.child.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)


class Zhibu(Process):
    def __init__(self, binary, folder, settings=None, data=None, number=0):
        super().__init__(f"zhibu-{number}", folder)
        self.binary = str(pathlib.Path(binary).resolve())
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = pathlib.Path(data or self.folder / "data")
        self.settings = dict(settings or {})
        self.is_demo = number == 0

    def command(self):
        # The demonstration's people are made by the first start; later ones would only look for an open meeting.
        demo = ["--demo"] if self.is_demo else []
        self.is_demo = False
        return [*ends_with_us(), self.binary, "serve", *demo, "--listen", f"127.0.0.1:{self.port}"]

    def environment(self):
        # The caller's own databases and settings must not leak into a round.
        foreign = [name for name in os.environ if name.startswith(("ZHIBU", "FAILPOINTS")) or name.endswith("_URL")]
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        return {
            **kept,
            "ZHIBU_DATA": str(self.data),
            "ZHIBU_DEMO_PASSWORD": PASSWORD,
            "ZHIBU_SECRET_KEY": SECRET_KEY,
            "ZHIBU__AUTH__ACCESS_TOKEN_S": "3600",
            "RUST_LOG": "info,zhibu::access=off",
            **self.settings,
        }

    def panics(self):
        """Where and why, as Rust's own hook writes it: a line with the place, and one with the reason."""
        return re.findall(r"panicked at (.*\n.*)", self.log.read_text(errors="replace"))

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Postgres(Process):
    def __init__(self, folder, options=(), cluster_options=()):
        """`options` of the server, `cluster_options` of initdb."""
        super().__init__("postgres", folder)
        numbers = lambda path: [int(number) for number in re.findall(r"\d+", path)]
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=numbers)
        program = found[-1] if found else shutil.which("postgres")
        if not program:
            raise NotStarted("PostgreSQL is not installed")
        self.bin = pathlib.Path(program).parent
        self.data = self.folder / "pg"
        self.port = free_port()
        self.options = list(options)
        self.user, self.has_owner = [], False
        if os.geteuid() == 0:
            names = {account.pw_name: account for account in pwd.getpwall()}
            account = names.get("postgres", names["nobody"])
            self.user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
            self._give_to(account)
        self._initialise(cluster_options)

    def _give_to(self, account):
        self.folder.chmod(0o711)
        # A small disk may be mounted there, or on a folder beside it for the log alone.
        self.data.mkdir(exist_ok=True)
        for folder in filter(pathlib.Path.is_dir, (self.data, self.folder / "log")):
            os.chown(folder, account.pw_uid, account.pw_gid)

    def _initialise(self, cluster_options):
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", *cluster_options]
        subprocess.run(
            [*self.user, self.bin / "initdb", "-D", self.data / "cluster", *options],
            check=True, cwd="/", env=self.environment(), stdout=subprocess.DEVNULL,
        )

    def signal(self, number):
        """To its children too, which would else go on for a while; each has a session of its own, so there is no group to signal."""
        if not self.is_running():
            return
        # Frozen first, so that it makes no more of them meanwhile.
        self.child.send_signal(signal.SIGSTOP)
        for child in self.children():
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass
        self.child.send_signal(number)

    def children(self):
        """Its processes besides itself: one for each connection, and the writers."""
        return [int(pid) for pid in pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()]

    def start(self, seconds=PATIENCE_S):
        super().start(seconds)
        if not self.has_owner:
            # As operators run it: the tables belong to a role that passes no row-level security.
            for sql in ("CREATE ROLE zhibu LOGIN", "CREATE DATABASE zhibu OWNER zhibu"):
                self.psql(sql, "postgres")
            self.has_owner = True

    def url(self, port=None):
        """For servers."""
        return f"postgres://zhibu@127.0.0.1:{port or self.port}/zhibu"

    def command(self):
        steps_down = [*self.user[:1], "--pdeathsig=KILL", *self.user[1:]] if self.user else ends_with_us()
        options = [part for option in ("fsync=on", "max_connections=100", *self.options) for part in ("-c", option)]
        return [
            *steps_down, str(self.bin / "postgres"), "-D", str(self.data / "cluster"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.data}", *options,
        ]

    def spawn(self):
        # What a killed one wrote there would else look like ready.
        (self.data / "cluster" / "postmaster.pid").unlink(missing_ok=True)
        super().spawn()

    def is_ready(self):
        try:
            return "\nready" in (self.data / "cluster" / "postmaster.pid").read_text()
        except OSError:
            return False

    def panics(self):
        return self.log.read_text(errors="replace").count("PANIC:")

    def answers(self):
        try:
            return self.psql("SELECT 1") == "1\n"
        except subprocess.CalledProcessError:
            return False

    def psql(self, sql, database="zhibu"):
        """As somebody who sees the rows of all."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/{database}"
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-c", sql],
            check=True, capture_output=True, text=True, cwd="/",
        )
        return done.stdout


class Redis(Process):
    def __init__(self, folder):
        super().__init__("redis", folder)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"

    def command(self):
        return [
            *ends_with_us(), "redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
            "--save", "", "--appendonly", "no", "--dir", str(self.folder), "--daemonize", "no",
        ]

    def ask(self, *words):
        """One command in Redis' inline form, and the first line of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(4096).decode()

    def is_ready(self):
        try:
            return self.ask("PING").startswith("+PONG")
        except OSError:
            return False
