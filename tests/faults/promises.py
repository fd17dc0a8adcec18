"""What P2, P4 and P5 say about time and service while a dependency is away: judged from the log alone. What is wrong whatever the
machine does (5xx besides 503, losses) is the checker's."""

import os

import checker

ANSWERED_WITHIN_S = 2.0
# Nothing of Redis is worth waiting for: a call ends after 0.1 s, and a check-in makes few.
WITHOUT_REDIS_S = 0.5
# The driver's own clock runs on a busy machine.
TOLERANCE_S = 0.5
REDIS = ("kill-redis", "freeze-redis", "flush-redis", "full-redis")
DATABASE_GONE = {"kill-postgres": 10, "freeze-postgres": 5, "hang": 5, "cut": 5, "delay": 5, "slice": 5, "disk-full": 5, "log-full": 5}
SERVER = ("kill-server", "freeze-server", "failpoints", "power-loss")


# On a machine where so many wait for each processor nothing can be said about times, nor about what follows from them: 503 and
# answers that did not come.
STARVED = 4


def judge(operations, faults, found):
    """Adds what is broken; returns figures to print."""
    waiting = os.getloadavg()[0] / os.cpu_count()
    if waiting > STARVED:
        figures = judge_times(operations, faults, checker.Findings())
        return {**figures, "TIMES AND 503 NOT JUDGED, load a processor": waiting}
    return judge_times(operations, faults, found)


def judge_times(operations, faults, found):
    attempts = [attempt for operation in operations.values() for attempt in operation.attempts if attempt.get("error") != "dropped"]
    own = [fault for fault in faults if fault["name"] in SERVER]
    # While our own process is away nobody can expect an answer.
    attempts = [attempt for attempt in attempts if not any(touches(attempt, fault) for fault in own)]
    figures = {}
    for fault in faults:
        during = [attempt for attempt in attempts if touches(attempt, fault)]
        if fault["name"] in REDIS:
            redis_holds_no_truth(fault, during, found, figures)
        elif fault["name"] in DATABASE_GONE:
            never_hangs(fault, during, found, figures)
            comes_back(fault, attempts, found, figures)
    return figures


def touches(attempt, fault):
    return attempt["sent"] <= fault["ended"] and attempt["at"] >= fault["begun"]


def redis_holds_no_truth(fault, during, found, figures):
    served = [attempt for attempt in during if attempt["kind"] in ("check_in", "sign_up")]
    for attempt in served:
        if attempt.get("status", 500) >= 500:
            got = attempt.get("error") or f"{attempt['status']} {attempt['code']}"
            found.others.append(f"P4 {fault['name']}: {attempt['kind']} got {got}")
        elif attempt["at"] - attempt["sent"] > WITHOUT_REDIS_S + TOLERANCE_S:
            found.others.append(f"P4 {fault['name']}: {attempt['kind']} took {attempt['at'] - attempt['sent']:.2f} s")
    add(figures, "served while Redis was away", len(served))
    longest(figures, "slowest of them s", served)


def never_hangs(fault, during, found, figures):
    for attempt in during:
        took = attempt["at"] - attempt["sent"]
        if "error" in attempt:
            found.others.append(f"P5 {fault['name']}: {attempt['kind']} was not answered ({attempt['error']} after {took:.2f} s)")
        elif took > ANSWERED_WITHIN_S + TOLERANCE_S:
            found.others.append(f"P5 {fault['name']}: {attempt['kind']} was answered {attempt['status']} after {took:.2f} s")
    add(figures, "answered 503 meanwhile", sum(attempt.get("status") == 503 for attempt in during))
    longest(figures, "slowest answer s", during)


def comes_back(fault, attempts, found, figures):
    limit, name = DATABASE_GONE[fault["name"]], fault["name"]
    worked = [attempt["at"] for attempt in attempts if attempt["sent"] >= fault["ended"] and attempt.get("status", 500) < 300]
    back = min(worked) - fault["ended"] if worked else None
    for what, seconds in (("ready again", fault["ready_after"]), ("works again", back)):
        if seconds is None or seconds > limit:
            found.others.append(f"{'P2' if name == 'kill-postgres' else 'P5'} {name}: {what} after {seconds} s")
        else:
            figures[f"{what} after s, at most"] = max(figures.get(f"{what} after s, at most", 0), seconds)


def add(figures, name, number):
    figures[name] = figures.get(name, 0) + number


def longest(figures, name, attempts):
    figures[name] = max([figures.get(name, 0.0), *(attempt["at"] - attempt["sent"] for attempt in attempts if "status" in attempt)])
