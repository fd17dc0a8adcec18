"""Everybody at once: thousands check in within a minute, many of them in the same instant, from phones that send again with the same
ids. On PostgreSQL one of two servers behind HAProxy is killed meanwhile. Standard library only.

Exit code 0: each is in, once, with points once, nobody got a 5xx (with --beyond: none but a 503 that says when to come again), and
memory stayed below its limit.
"""

import argparse
import math
import os
import pathlib
import random
import resource
import signal
import sys
import time
import traceback
import urllib.request
import uuid
from collections import Counter

import checker
import controls
import herd_phones
import herd_scene
import oplog
import world

ROOT = pathlib.Path(__file__).resolve().parents[2]
BARRIER_AT_S = 1.0
# By then the phones of the barrier have scanned their code, and have only to send.
READY_BEFORE_S = 0.5
# Whoever is not in so long after the last has come is not in.
LAST_S = 60
# What docs/benchmarks.md allows for 10,000 open connections: each phone keeps its own.
MEMORY_MIB = 400
# Check-ins that may wait for a server when there is to be too much for it.
SMALL_QUEUE = 16
# Phones that connect at a time, before the barrier.
SLICE = 200
# A herd that is driven so late is no test of anything.
LATE_S = 3
SPOILS = ("lost_check_in", "doubled_check_in", "lost_points", "total")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/release/zhibu", help="the server")
    parser.add_argument("--backend", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--barrier", type=int, default=2_000, help="how many of them in the same instant")
    parser.add_argument("--seconds", type=float, default=60, help="in which the others come")
    parser.add_argument("--short", action="store_true", help="500 members, 100 of them at once, in 10 s")
    parser.add_argument("--beyond", action="store_true", help=f"{SMALL_QUEUE} may wait, the others are told when to come again")
    parser.add_argument("--kill-after", type=float, help="seconds after the barrier; the default is drawn from the first half of one")
    parser.add_argument("--seed", type=int, help="repeats what was drawn; the default is drawn itself, and printed")
    options = parser.parse_args()
    if options.short:
        options.members, options.barrier, options.seconds = 500, 100, 10
    if not 0 < options.barrier <= options.members:
        parser.error("--barrier is a part of --members")
    return options


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))
    allow_sockets(options.members)
    seed = options.seed if options.seed is not None else random.randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    is_good = True
    for options.backend in ("sqlite", "postgres") if options.backend == "both" else (options.backend,):
        is_good &= run(options, seed)
    print("verdict: ok" if is_good else "verdict: FAILED", flush=True)
    sys.exit(0 if is_good else 1)


def allow_sockets(members):
    """For us, and for the servers that we start: each phone keeps its connection."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < members + 500:
        sys.exit(f"{members} phones need as many open files, {hard} are allowed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(options, seed):
    scene = herd_scene.Scene(options, {"ZHIBU__CHECK_IN__LANE_QUEUE": str(SMALL_QUEUE)} if options.beyond else {})
    herd = Herd(scene, options, random.Random(f"{seed}/{options.backend}"))
    try:
        scene.start()
        herd.come()
        found = herd.judge()
    except SystemExit:
        scene.end()
        scene.forget()
        raise
    except Exception:
        traceback.print_exc()
        print(f"{options.backend}: FAILED, broken off; kept in {scene.folder}", flush=True)
        return False
    finally:
        scene.end()
    for problem in found.all()[:20]:
        print(f"  {problem}")
    print(f"  FAILED; kept in {scene.folder}" if found.all() else "  ok", flush=True)
    if not found.all():
        scene.forget()
    return not found.all()


class Herd:
    def __init__(self, scene, options, random):
        self.scene, self.options, self.random = scene, options, random
        self.killed, self.is_whole, self.memory = None, True, {}

    def come(self):
        options, scene = self.options, self.scene
        self.before = scene.stored()
        self.memory_before, self.load = scene.resident(), os.getloadavg()[0] / os.cpu_count()
        scene.screen.start()
        uuids = (str(uuid.UUID(int=self.random.getrandbits(128), version=4)) for _ in scene.people)
        dues = [BARRIER_AT_S if n < options.barrier else self.random.uniform(0, options.seconds) for n in range(options.members)]
        self.phones = [herd_phones.Phone(*told) for told in zip(scene.people, scene.tokens, uuids, dues)]
        self.loop = herd_phones.Loop(scene.port, self.request, self.random)
        first = self.phones[: options.barrier]
        self.idle_answers = self.warm_up(first)
        self.begun = time.monotonic()
        self.loop.at(self.begun + BARRIER_AT_S - READY_BEFORE_S, self.prepare, first)
        self.loop.at(self.begun + BARRIER_AT_S, self.everybody, first)
        for phone in self.phones[options.barrier :]:
            self.loop.at(self.begun + phone.due, self.loop.begin, phone)
        if scene.balancer:
            self.plan_kill()
        used = time.process_time()
        is_over = lambda: self.is_whole and self.loop.finished == len(self.phones)
        self.loop.run(self.begun + options.seconds + LAST_S, is_over)
        self.used_s = time.process_time() - used
        self.loop.close()
        if self.killed:
            self.killed.wait_ready()
        self.balancer_says = scene.balancer.figures() if scene.balancer else None
        self.memory |= scene.memory()

    def warm_up(self, phones):
        """Their connections are open before anybody starts; and what the machine needs for so many at once if nothing is to be done."""
        for at in range(0, len(phones), SLICE):
            for phone in phones[at : at + SLICE]:
                phone.state = herd_phones.CONNECTING
                self.loop.connect(phone)
            connected = lambda: not any(phone.state == herd_phones.CONNECTING for phone in phones[at : at + SLICE])
            self.loop.run(time.monotonic() + 10, connected)
        for phone in phones:
            phone.request = f"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{self.scene.port}\r\n\r\n".encode()
        self.everybody(phones)
        self.loop.run(time.monotonic() + 30, lambda: not self.loop.waiting)
        took = [phone.done - phone.began for phone in phones]
        for phone in phones:
            phone.request, phone.attempts = None, []
            phone.outcome = phone.answer = phone.began = phone.done = None
        self.loop.timers.clear()
        self.loop.finished = 0
        return took

    def everybody(self, phones):
        begun = time.monotonic()
        for phone in phones:
            self.loop.begin(phone)
        self.sent_within_s = time.monotonic() - begun

    def prepare(self, phones):
        for phone in phones:
            phone.request = self.request(phone)

    def request(self, phone):
        body = {"code": self.scene.screen.code, "client_event_id": phone.mark, "occurred_at": world.when(0)}
        return herd_phones.check_in_request(self.scene.port, phone.token, body)

    def plan_kill(self):
        after = self.random.uniform(0, 0.5) if self.options.kill_after is None else self.options.kill_after
        self.killed, self.down_s = self.random.choice(self.scene.zhibus), self.random.uniform(3, 8)
        self.is_whole = False
        at = self.begun + BARRIER_AT_S + after
        self.loop.at(at, self.kill)
        self.loop.at(at + self.down_s, self.start_again)

    def kill(self):
        self.memory[f"{self.killed.log.stem} before the kill"] = herd_scene.mib(self.killed.child.pid, "VmHWM")
        self.killed_after_s = time.monotonic() - self.begun - BARRIER_AT_S
        self.asking = len(self.loop.waiting)
        # Its end is not waited for: the phones go on.
        self.killed.signal(signal.SIGKILL)

    def start_again(self):
        self.killed.spawn()
        self.is_whole = True

    def judge(self):
        operations = {number: self.operation(phone) for number, phone in enumerate(self.phones)}
        after = self.scene.stored()
        found = checker.Checker(operations, self.before, after).check()
        checker.check_answers(operations, found)
        self.print_figures(found)
        if self.loop.latest > LATE_S:
            found.others.append(f"the phones themselves were {self.loop.latest:.1f} s late: times and refusals on so busy a machine say little of the servers")
        outside = Counter(str(phone.answer or "no answer") for phone in self.phones if phone.outcome != "ok")
        found.others += [f"{count} are not in: {why}" for why, count in outside.items()]
        self.judge_refusals(found)
        shown = self.scene.present()["count"]
        if shown != len(self.phones):
            found.others.append(f"the organiser's sheet shows {shown} of {len(self.phones)}")
        found.others += [f"{name} took {peak} MiB" for name, peak in self.memory.items() if name.startswith("zhibu") and peak > MEMORY_MIB]
        found.others += [f"the server panicked: {where}" for zhibu in self.scene.zhibus for where in zhibu.panics()]
        unseen = controls.unseen_spoils(operations, self.before, after, SPOILS) if not found.all() else []
        found.others += [f"the checker does not see {name}" for name in unseen]
        return found

    def operation(self, phone):
        """As the checker knows them."""
        made = oplog.Operation({"kind": "check_in", "member": phone.member, "event": self.scene.event, "mark": phone.mark})
        made.outcome, made.answer, made.attempts = phone.outcome or "unknown", phone.answer, phone.attempts
        return made

    def judge_refusals(self, found):
        refused = [answer for answer in self.answers() if answer["status"] == 429 or answer["status"] >= 500]
        told = {answer["retry_after"] for answer in refused}
        if not self.options.beyond:
            times = Counter(f"{answer['status']} {answer['code']}" for answer in refused)
            found.others += [f"{count} times answered {what}" for what, count in times.items()]
        elif not refused:
            found.others.append("nobody was refused, so nothing is shown")
        elif len(told) < 2:
            found.others.append(f"all {len(refused)} that were refused shall come again after {told} s")

    def answers(self):
        return [attempt for phone in self.phones for attempt in phone.attempts if "status" in attempt]

    def print_figures(self, found):
        options, answers, ok = self.options, self.answers(), [phone for phone in self.phones if phone.outcome == "ok"]
        errors = Counter(attempt["error"] for phone in self.phones for attempt in phone.attempts if "error" in attempt)
        statuses = Counter(answer["status"] for answer in answers)
        print(f"{options.backend}: {options.members} members in {options.seconds:g} s, {options.barrier} of them within {self.sent_within_s * 1000:.0f} ms")
        print(
            f"  acknowledged={len(ok)} losses={len(found.losses)} inventions={len(found.inventions)} duplicates={len(found.duplicates)} "
            f"other={len(found.others)}; answers {told(statuses)}; no answer {told(errors)}"
        )
        again = [phone for phone in self.phones if phone.retries() > 0]
        last = max(phone.done or math.inf for phone in self.phones)
        print(
            f"  5xx {sum(count for status, count in statuses.items() if status >= 500)}, retries {sum(phone.retries() for phone in again)} "
            f"of {len(again)} phones; last of the barrier in after {max(self.job(phone) for phone in self.phones[: options.barrier]):.2f} s, "
            f"of all {last - self.begun:.2f} s after the beginning"
        )
        first, rest = self.phones[: options.barrier], self.phones[options.barrier :]
        print(f"  the barrier asking /healthz: {quantiles(self.idle_answers)}")
        for what, phones in (("at the barrier", first), ("the others", rest)):
            requests = [attempt["at"] - attempt["sent"] for phone in phones for attempt in phone.attempts if "status" in attempt]
            print(f"  {what}: a request {quantiles(requests)}; from wish to answer {quantiles(list(map(self.job, phones)))}")
        print(f"  load before {self.load:.1f} a processor")
        if self.balancer_says:
            print(f"  haproxy: {told(self.balancer_says)}")
        if self.killed:
            print(
                f"  {self.killed.log.stem} killed {self.killed_after_s:.2f} s after the barrier, {self.asking} were waiting; started again "
                f"{self.down_s:.1f} s later, check-ins it answered since: {answered_by(self.killed)}"
            )
        print("  peak memory MiB: " + told(self.memory))
        print(f"  resident before: {told(self.memory_before)}; after: {told(self.scene.resident())}")
        print(f"  the phones took {self.used_s:.1f} s of CPU, and were {self.loop.latest * 1000:.0f} ms late at most; unanswered looks at the screen {self.scene.screen.unanswered}")

    def job(self, phone):
        """From when its owner wanted it, however late this process was."""
        return phone.done - self.begun - phone.due if phone.done else math.inf


def told(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def quantiles(seconds):
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    at = lambda part: ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000
    return f"p50 {at(0.5):.1f} p99 {at(0.99):.1f} max {at(1):.1f} ms"


def answered_by(zhibu):
    """By its own metrics, which began with the process."""
    with urllib.request.urlopen(f"{zhibu.url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("zhibu_http_request_seconds_count") and '"/api/v1/check-ins"' in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in counted)


if __name__ == "__main__":
    main()
