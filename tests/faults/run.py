"""Kills, freezes, cuts and fills while phones go on, then compares what was acknowledged with what is stored. Standard library only.

Exit code 0: nothing acknowledged is lost, nothing is there that nobody asked for, nothing is there twice, and every control was found out.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import traceback

import boot
import controls
import order
import places
import rounds

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKENDS = ("sqlite", "postgres")
# Which faults make a round, by backend; the first of each is the round of kills.
ROUNDS = {
    "sqlite": [["kill-server"], ["freeze-server"], ["power-loss"], ["disk-full"], ["failpoints"]],
    "postgres": [
        ["kill-server", "kill-postgres", "kill-redis"],
        ["freeze-server"],
        ["kill-redis", "freeze-redis", "flush-redis", "full-redis"],
        ["freeze-postgres", "cut", "hang", "delay", "slice"],
        ["disk-full"],
        ["log-full"],
        ["failpoints"],
    ],
}
# What scripts/test.sh runs: the kills, and each way once in which a dependency goes or a transaction ends half-way.
SHORT = {
    "sqlite": [["kill-server"], ["failpoints"]],
    "postgres": [
        ["kill-server", "kill-postgres", "kill-redis"],
        ["freeze-redis", "flush-redis", "full-redis"],
        ["freeze-postgres", "cut", "hang"],
        ["failpoints"],
    ],
}
NEEDS_ROOT = {"disk-full", "log-full"}
PARTS = ("kills", "order", "places")
FAIL_POINTS = [
    "db::before_commit", "db::after_commit", "lane::before_commit", "lane::after_commit",
    "idempotency::before_row", "idempotency::after_row", "boards::before_update",
]


def arguments():
    names = sorted({fault for sets in ROUNDS.values() for faults in sets for fault in faults})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/debug/zhibu", help="the server")
    parser.add_argument("--failpoints-binary", help="the same built with `failpoints`; rounds that need it are left out without it")
    parser.add_argument("--kills", type=int, default=20, help="how many on each backend; of other faults a tenth, three at least")
    parser.add_argument("--backend", choices=[*BACKENDS, "both"], default="both")
    parser.add_argument("--only", choices=[*names, *PARTS], help="one fault alone, or the kills, so many times as --kills says; or a part")
    parser.add_argument("--clients", type=int, default=1000, help="how many ask for a place at once, in the part `places`")
    parser.add_argument("--controls", action="store_true", help="only the servers that are broken on purpose: losses must be found")
    parser.add_argument("--short", action="store_true", help="the kills, other faults once, and the controls, quickly: what scripts/test.sh runs")
    parser.add_argument("--seed", type=int, help="repeats what was drawn; the default is drawn itself, and printed")
    return parser.parse_args()


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))
    seed = options.seed if options.seed is not None else random.randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    good = []
    for backend in BACKENDS if options.backend == "both" else (options.backend,):
        if not options.controls:
            good += [run(plan) for plan in plans(options, backend, seed)]
        good += run_parts(options, backend, seed)
        if backend == "postgres" and not options.only:
            good.append(boot.refuses(options.binary))
        if options.failpoints_binary and not options.only:
            for plan in controls.plans(backend, seed, options.failpoints_binary, cluster_parent(options)):
                good.append(run(plan, must_lose=True))
    if not good:
        print("nothing was run", flush=True)
    is_good = bool(good) and all(good)
    print("verdict: ok" if is_good else "verdict: FAILED", flush=True)
    sys.exit(0 if is_good else 1)


def cluster_parent(options):
    memory = "/dev/shm"
    has_room = os.path.ismount(memory) and shutil.disk_usage(memory).free > 2**30
    return memory if options.short and has_room else "/tmp"


def run_parts(options, backend, seed):
    """What is no round of faults."""
    good, chosen = [], [options.only] if options.only else PARTS
    if options.controls or options.short:
        return good
    if "order" in chosen and not shutil.which("strace"):
        print(f"{backend} order: FAILED, strace is not installed", flush=True)
        good.append(False)
    elif "order" in chosen:
        for plan, must_lose in order.plans(backend, seed, options.binary, options.failpoints_binary):
            good.append(run(plan, must_lose, order.Order))
    if "places" in chosen:
        good.append(run(places.plan(backend, seed, options.binary, options.clients), kind=places.Places))
    return good


def plans(options, backend, seed):
    sets = (SHORT if options.short and not options.only else ROUNDS)[backend]
    if options.only == "kills":
        sets = sets[:1]
    elif options.only in PARTS:
        sets = []
    elif options.only:
        sets = [[options.only]] if any(options.only in faults for faults in sets) else []
    for faults in sets:
        needs_fail_points = faults == ["failpoints"]
        if needs_fail_points and not options.failpoints_binary:
            print(f"{backend} failpoints: left out, there is no binary with fail points")
            continue
        if NEEDS_ROOT & set(faults) and os.geteuid() != 0:
            print(f"{backend} {faults[0]}: left out, only root mounts a small disk")
            continue
        least = len(FAIL_POINTS) if needs_fail_points else len(faults) if options.short else max(3, len(faults))
        times = options.kills if options.only or faults == sets[0] else max(least, options.kills // 10)
        binary = options.failpoints_binary if needs_fail_points else options.binary
        yield rounds.Plan(
            f"{backend} {'+'.join(faults)}", backend, seed, binary, faults, times,
            longest=1.0 if options.short else 3.0, fail_points=FAIL_POINTS, cluster_parent=cluster_parent(options),
        )


def run(plan, must_lose=False, kind=rounds.Round):
    one = kind(plan)
    try:
        result = one.run()
    except SystemExit:
        one.forget()
        raise
    except Exception:
        traceback.print_exc()
        print(f"{plan.name} seed={plan.seed}: FAILED, broken off; kept in {one.folders()}", flush=True)
        return False
    print("\n".join(result.lines()), flush=True)
    if must_lose:
        is_good = bool(result.found.losses)
        print("  ok: it was found out" if is_good else f"  FAILED: it was not found out; kept in {one.folders()}", flush=True)
    else:
        problems = result.found.all()
        is_good = not problems
        for problem in problems[:20]:
            print(f"  {problem}")
        print("  ok" if is_good else f"  FAILED; kept in {one.folders()}", flush=True)
    if is_good:
        one.forget()
    return is_good


if __name__ == "__main__":
    main()
