"""Is what a 2xx acknowledges on disk before the 2xx leaves? Told by the system calls of the server and of PostgreSQL. Promise P3.

One phone asks, one request at a time, so there is nobody whose sync could have served by chance. strace writes down the calls in the
order in which it sees them begin and end, and a call is held at both until it is written: no clock is needed.
"""

import pathlib
import re
import signal
import subprocess
import time
import uuid

import api
import checker
import rounds
import servers
import world

TIMES = 5
CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"
SYNCS = (b"fsync", b"fdatasync")
WRITES = (b"pwrite64", b"pwritev", b"write", b"writev")
READS = (b"read", b"readv", b"recvfrom", b"recvmsg")
SENDS = (b"write", b"writev", b"sendto", b"sendmsg")
# How the file that is synced at a commit is named.
LOGS = {"sqlite": b"zhibu.db-wal>", "postgres": b"/pg_wal/"}
# As libpq sends it.
COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
LINE = re.compile(rb"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
RESULT = re.compile(rb"\) += (-?\d+)")


class Call:
    """`begun` and `ended` are numbers of lines; a call that has not ended has None."""

    def __init__(self, pid, name, text, begun):
        self.pid, self.name, self.text, self.begun, self.ended, self.result = pid, name, text, begun, None, None

    def end(self, text, line):
        self.text += text
        result = RESULT.findall(text)
        self.ended, self.result = line, int(result[-1]) if result else None
        # Data and names of files are hexadecimal: each byte as it was.
        self.text = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), self.text)

    @property
    def file(self):
        return self.text.split(b",")[0]

    def lies_between(self, first, last):
        return self.begun > first.ended and self.ended is not None and self.ended < last.begun


def parse(path):
    calls, open_calls = [], {}
    with open(path, "rb") as lines:
        for number, text in enumerate(lines):
            found = LINE.match(text)
            if not found:
                continue
            pid, resumed, name, rest = found.groups()
            if resumed:
                call = open_calls.pop(pid)
            else:
                call = Call(int(pid), name, b"", number)
                calls.append(call)
            if b"<unfinished ...>" in rest:
                call.text = rest.split(b"<unfinished ...>")[0]
                open_calls[pid] = call
            else:
                call.end(rest, number)
    return [call for call in calls if call.ended is not None]


class Trace:
    """strace of these processes, all their threads, and the children that they get."""

    def __init__(self, pids, path):
        self.pids, self.path, self.child = pids, path, None

    def __enter__(self):
        command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(self.path)]
        command += [part for pid in self.pids for part in ("-p", str(pid))]
        self.child = subprocess.Popen([*servers.ends_with_us(), *command], stderr=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + 30
        while not self.sees_all():
            if self.child.poll() is not None or time.monotonic() > until:
                raise servers.NotStarted("strace does not get hold of the servers")
            time.sleep(0.05)
        return self

    def sees_all(self):
        by_us = f"TracerPid:\t{self.child.pid}\n"
        threads = [status for pid in self.pids for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
        return all(by_us in status.read_text() for status in threads)

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()


class Order(rounds.Round):
    def act(self, scene):
        self.verdicts = []
        connection = api.Connection(scene.ports, timeout=30)
        # The first is not watched: connections are made and statements prepared.
        members = list(scene.members.items())
        requests = [make(scene) for make in (check_ins, sign_ups)]
        self.ask(connection, requests, members[:1])
        path = self.folder / "calls.txt"
        with Trace(self.pids(), path):
            asked = self.ask(connection, requests, members[1:])
        calls = parse(path)
        judge = {"sqlite": sqlite_fault, "postgres": postgres_fault}[self.plan.backend]
        self.verdicts = [(kind, judge(calls, mark)) for kind, mark in asked]

    def pids(self):
        pids = [self.zhibus[0].child.pid]
        return [*pids, self.postgres.child.pid, *self.postgres.children()] if self.postgres else pids

    def ask(self, connection, requests, members):
        asked = []
        for member, token in members:
            for kind, path, body in requests:
                mark = str(uuid.uuid4())
                operation = self.log.invoke(kind, member=member, mark=mark)
                answer = connection.send("POST", path, token, {**body, "client_event_id": mark})
                if answer.status >= 300:
                    raise AssertionError(f"{kind}: {answer.status} {answer.body}")
                self.log.write("ok", op=operation, answer={"id": answer.body["id"]})
                asked.append((kind, uuid.UUID(mark)))
        return asked

    def judge(self, scene, before, seconds):
        self.log.close()
        return Result(self.plan, self.verdicts, [where for zhibu in self.zhibus for where in zhibu.panics()], seconds)


def check_ins(scene):
    event = scene.make_meeting()
    return "check_in", "/check-ins", {"code": scene.code(event), "occurred_at": world.when(0)}


def sign_ups(scene):
    event = scene.make_theme_day()
    return "sign_up", f"/events/{event}/sign-ups", {"wait": True}


def exchange(calls, mark):
    """The server's reading of the request with this mark, and its answer on the same connection."""
    wanted = str(mark).encode()
    is_request = lambda call: wanted in call.text and b"<socket:" in call.file and call.name in READS
    request = next(call for call in calls if is_request(call))
    is_answer = lambda call: call.name in SENDS and call.file == request.file and b"HTTP/1.1 2" in call.text
    return request, next(call for call in calls if call.begun > request.ended and is_answer(call))


def sqlite_fault(calls, mark):
    """The thread that wrote the row to the log synced it after its last write."""
    request, answer = exchange(calls, mark)
    meanwhile = [call for call in calls if call.lies_between(request, answer) and LOGS["sqlite"] in call.file]
    row = [call for call in meanwhile if call.name in WRITES and mark.bytes in call.text]
    if not row:
        return "the row was not written to the log before the answer"
    mine = [call for call in meanwhile if call.pid == row[0].pid]
    last = [call for call in mine if call.name in WRITES][-1]
    if not any(is_sync(call) and call.begun > last.ended for call in mine):
        return "the row was written to the log, which was not synced before the answer"
    return None


def postgres_fault(calls, mark):
    """After its COMMIT had come, the log was written and then synced by one process."""
    request, answer = exchange(calls, mark)
    meanwhile = [call for call in calls if call.lies_between(request, answer)]
    names = (mark.bytes, str(mark).encode())
    reads = [call for call in meanwhile if call.name in READS]
    told = {call.pid: call.ended for call in reads if any(name in call.text for name in names)}
    commits = [call for call in reads if COMMIT in call.text and call.begun > told.get(call.pid, call.begun)]
    if not commits:
        return "PostgreSQL was not told of it, and to commit it, before the answer"
    # Reading transactions end so too, but earlier.
    log = [call for call in meanwhile if call.begun > commits[-1].ended and LOGS["postgres"] in call.file]
    for write in log:
        if write.name in WRITES and any(is_sync(call) and call.pid == write.pid and call.begun > write.ended for call in log):
            return None
    return "after the COMMIT the log was not written and synced before the answer"


def is_sync(call):
    return call.name in SYNCS and call.result == 0


class Result:
    def __init__(self, plan, verdicts, panics, seconds):
        self.plan, self.verdicts, self.seconds, self.found = plan, verdicts, seconds, checker.Findings()
        # An answer that went out too early is what a loss needs.
        self.found.losses = [f"{kind}: {fault}" for kind, fault in verdicts if fault]
        self.found.others = [f"the server panicked: {where}" for where in panics]

    def lines(self):
        yield f"{self.plan.name} seed={self.plan.seed}; {self.seconds:.0f} s"
        for kind in ("check_in", "sign_up"):
            faults = [fault for name, fault in self.verdicts if name == kind]
            yield f"  {kind}: the log was synced before the answer {faults.count(None)} of {len(faults)} times"
            yield from (f"    {fault}" for fault in sorted(set(filter(None, faults))))


def plans(backend, seed, binary, failpoints_binary):
    """As it is; and broken on purpose, which must be seen."""
    # Nobody but whoever commits writes the log meanwhile.
    alone = {"postgres": ["wal_writer_delay=10s"], "replicas": 1, "members": TIMES + 1}
    yield rounds.Plan(f"{backend} order", backend, seed, binary, [], 0, **alone), False
    if failpoints_binary:
        point = {"sqlite": "sqlite::synchronous_normal", "postgres": "postgres::asynchronous_commit"}[backend]
        settings = {"FAILPOINTS": f"{point}=return"}
        yield rounds.Plan(f"control: {backend} order, {point}", backend, seed, failpoints_binary, [], 0, settings=settings, **alone), True
