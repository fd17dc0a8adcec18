"""One round: servers of its own, a crowd of phones, faults, and the comparison at the end."""

import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import api
import checker
import clients
import controls
import nemesis
import oplog
import promises
import proxy
import servers
import store
import world

MEMBERS, PHONES = 24, 6
# So many faults take long enough for theme days to fill up.
LONG = 10
DISK_MIB = {"disk": 48, "pg": 160, "log": 32}
# So that PostgreSQL's log meets a full disk soon: small segments of it, each made anew.
SMALL_LOG = ["wal_recycle=off", "min_wal_size=2MB", "max_wal_size=16MB"]
WRITES = ("check_in", "progress", "sign_up", "cancel", "award", "approve", "event", "lesson")
REPLICAS = {"sqlite": 1, "postgres": 2}
THROUGH_PROXY = {"cut", "hang", "delay", "slice"}


class Plan:
    """What a round is to do."""

    def __init__(self, name, backend, seed, binary, faults, times, longest=1.5, **more):
        self.name, self.backend, self.seed, self.binary = name, backend, seed, binary
        self.faults, self.times, self.longest = faults, times, longest
        # Environment of the server; options of PostgreSQL; what `failpoints` draws from.
        self.settings, self.postgres, self.fail_points = more.get("settings", {}), more.get("postgres", ()), more.get("fail_points", ())
        # Where PostgreSQL's files lie. A killed process loses nothing that the kernel has, so that may be memory.
        self.cluster_parent = more.get("cluster_parent", "/tmp")
        self.replicas, self.members = more.get("replicas", REPLICAS[backend]), more.get("members", MEMBERS)
        self.clients = more.get("clients", PHONES)


class Round:
    # The spoiled copies that the checker must see; none: all there are.
    spoils = None

    def __init__(self, plan):
        self.plan, self.random, self.fail_points = plan, random.Random(f"{plan.seed}/{plan.name}"), plan.fail_points
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zhibu-faults.", dir="/tmp"))
        self.log = oplog.OperationLog(self.folder / "operations.jsonl")
        self.stop = threading.Event()
        self.postgres = self.redis = self.proxy = self.crowd = None
        # `told`: lines to print of it.
        self.zhibus, self.told = [], []
        self.disk, self.durable = None, self.folder / "durable"
        self.cluster, self.is_mounted = None, False

    def run(self):
        """Findings, and the words to print of it."""
        begun = time.monotonic()
        try:
            self.start_servers()
            scene = world.World([zhibu.port for zhibu in self.zhibus], self.log, self.plan.members, self.stop)
            before = self.stored()
            self.act(scene)
            return self.judge(scene, before, time.monotonic() - begun)
        finally:
            self.end()

    def act(self, scene):
        self.crowd = clients.Crowd(self.plan.seed, scene, PHONES)
        self.crowd.start()
        nemesis.Nemesis(self).run(self.plan.faults, self.plan.times, self.plan.longest)
        self.crowd.settle()

    def start_servers(self):
        plan, settings = self.plan, dict(self.plan.settings)
        data = self.folder / "data"
        if plan.backend == "postgres":
            self.cluster = pathlib.Path(tempfile.mkdtemp(prefix="zhibu-faults.", dir=plan.cluster_parent))
            self.postgres, self.redis = self.make_postgres(), servers.Redis(self.folder)
            self.postgres.start()
            self.redis.start()
            port = self.postgres.port
            if THROUGH_PROXY & set(plan.faults):
                self.proxy = proxy.Proxy(servers.free_port(), port, plan.seed)
                self.proxy.start()
                port = self.proxy.port
            settings |= {"DATABASE_URL": self.postgres.url(port), "REDIS_URL": self.redis.url}
        elif "disk-full" in plan.faults:
            self.mount(self.folder / "disk")
            data = self.disk / "data"
        if "power-loss" in plan.faults:
            settings |= self.keep_what_is_synced(data)
        for number in range(plan.replicas):
            self.zhibus.append(servers.Zhibu(plan.binary, self.folder, settings, data, number))
            self.zhibus[number].start()

    def make_postgres(self):
        cluster_options = ["--wal-segsize=1"]
        if "log-full" in self.plan.faults:
            self.mount(self.cluster / "log")
            cluster_options.append(f"--waldir={self.disk}")
        elif "disk-full" in self.plan.faults:
            self.mount(self.cluster / "pg")
        else:
            return servers.Postgres(self.cluster, self.plan.postgres)
        return servers.Postgres(self.cluster, [*self.plan.postgres, *SMALL_LOG], cluster_options)

    def mount(self, folder):
        nemesis.mount_small_disk(folder, DISK_MIB[folder.name])
        self.disk, self.is_mounted = folder, True

    def keep_what_is_synced(self, data):
        library = self.folder / "powerloss.so"
        source = pathlib.Path(__file__).parent / "powerloss.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        self.durable.mkdir()
        return {"LD_PRELOAD": str(library), "POWERLOSS_FROM": str(data), "POWERLOSS_TO": str(self.durable)}

    def stored(self):
        if self.postgres:
            return store.read_postgres(self.postgres)
        return store.read_sqlite(self.zhibus[0].data / "zhibu.db")

    def judge(self, scene, before, seconds):
        self.log.close()
        operations, faults = oplog.read(self.log.path)
        after = self.stored()
        comparison = checker.Checker(operations, before, after)
        found = comparison.check()
        checker.check_answers(operations, found)
        self.ask_the_server(scene, comparison, found)
        figures = promises.judge(operations, faults, found)
        found.others += [f"the driver: {error}" for error in self.crowd.errors()]
        found.others += [f"the server panicked: {where}" for zhibu in self.zhibus for where in zhibu.panics()]
        found.others += [f"nobody came to {point}" for point in never_reached(faults)]
        is_long = self.spoils is not None or self.plan.times >= LONG
        unseen = controls.unseen_spoils(operations, before, after, self.spoils, is_long) if not found.all() else []
        found.others += [f"the checker does not see {name}" for name in unseen]
        return Result(self.plan, operations, faults, comparison, found, figures, seconds, self.told)

    def ask_the_server(self, scene, comparison, found):
        """The API has to show what is stored: the board of all, each member's sum, each theme day's places."""
        points = comparison.points_of_members()
        checker.check_shown("leaderboard", self.board(scene, points), points, found)
        connection = api.Connection(scene.ports)

        def shown(path, token, choose):
            answer = connection.send("GET", path, token)
            return choose(answer.body) if answer.status == 200 else (answer.status, answer.code)

        sums = {member: shown("/me/points?limit=1", token, lambda body: body["totals"]["all"]) for member, token in scene.members.items()}
        checker.check_shown("own points", sums, {member: points[member] for member in sums}, found)
        stored = {row["event_id"]: (row["taken"], row["waiting"]) for row in comparison.stored["sign_up_sessions"]}
        counted = lambda body: (body["sessions"][0]["taken"], body["sessions"][0]["waiting"])
        told = {event: shown(f"/events/{event}/sign-up-policy", scene.admin, counted) for event in stored}
        checker.check_shown("places", told, stored, found)

    def board(self, scene, expected):
        """As the API shows it; it may be behind for a moment, so it is asked until it agrees, ten seconds at most."""
        connection, shown = api.Connection(scene.ports), {}
        until = time.monotonic() + 10
        while time.monotonic() < until and shown != expected:
            try:
                answer = connection.send("GET", f"/leaderboards/{scene.root}?span=all&limit=200", scene.admin)
            except api.Unanswered:
                answer = None
            if answer is not None and answer.status == 200:
                shown = {line["member_id"]: line["points"] for line in answer.body["items"]}
            time.sleep(0.1)
        return shown

    def end(self):
        # A second Ctrl-C must not interrupt the cleaning up.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        self.stop.set()
        for server in (*self.zhibus, self.redis, self.postgres):
            if server is not None:
                server.kill()
        if self.proxy:
            self.proxy.stop()
        if self.is_mounted:
            # Sockets cannot be copied.
            shutil.copytree(self.disk, self.folder / "kept", ignore=shutil.ignore_patterns(".s.*", "ballast"))
            nemesis.unmount(self.disk)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

    def forget(self):
        for folder in filter(None, (self.folder, self.cluster)):
            shutil.rmtree(folder, ignore_errors=True)

    def folders(self):
        return " and ".join(str(folder) for folder in filter(None, (self.folder, self.cluster)))


def never_reached(faults):
    """Fail points that were set and ended nothing, a full disk that no log met: a round that only looks as if it had tried them."""
    tried = {fault["point"] for fault in faults if "point" in fault}
    missed = sorted(tried - {fault["point"] for fault in faults if fault.get("has_fired")})
    filled = [fault for fault in faults if fault["name"] == "log-full"]
    return missed + (["a panic of PostgreSQL"] if filled and not sum(fault["panics"] for fault in filled) else [])


class Result:
    def __init__(self, plan, operations, faults, comparison, found, figures, seconds, told):
        self.plan, self.found, self.figures, self.seconds, self.told = plan, found, figures, seconds, told
        self.ok, self.fail, self.unknown = checker.count(operations, WRITES)
        attempts = [attempt for operation in operations.values() for attempt in operation.attempts]
        self.figures = {
            "answers dropped": sum(attempt.get("error") == "dropped" for attempt in attempts),
            "sent again": sum(len(operation.attempts) > 1 for operation in operations.values()),
            "repeats of what was answered": sum(len(operation.repeats) for operation in operations.values()),
            **figures,
        }
        self.faults = faults
        self.stored = comparison.count_stored()
        self.by_kind = {kind: "/".join(str(number) for number in checker.count(operations, (kind,))) for kind in WRITES}

    def lines(self):
        names = sorted({fault["name"] for fault in self.faults})
        faults = ", ".join(f"{name} {sum(fault['name'] == name for fault in self.faults)}" for name in names)
        points = [fault["point"] for fault in self.faults if fault.get("has_fired")]
        found = self.found
        yield f"{self.plan.name} seed={self.plan.seed}{faults and f' faults: {faults}'}; {self.seconds:.0f} s"
        yield from (f"  {line}" for line in self.told)
        if points:
            yield "  ended by itself at " + ", ".join(f"{point} {points.count(point)}" for point in sorted(set(points)))
        ended = [fault for fault in self.faults if "panics" in fault]
        if ended:
            started = sum(fault["is_started"] for fault in ended)
            yield f"  PostgreSQL panicked {sum(fault['panics'] for fault in ended)} times, and was started again {started} times"
        kinds = ", ".join(f"{kind} {told}" for kind, told in self.by_kind.items())
        yield f"  operations ok={self.ok} fail={self.fail} unknown={self.unknown}; {kinds}"
        yield "  " + ", ".join(f"{name} {round(value, 2)}" for name, value in self.figures.items())
        yield (
            f"  stored={self.stored} losses={len(found.losses)} inventions={len(found.inventions)} duplicates={len(found.duplicates)} "
            f"other={len(found.others)}"
        )
