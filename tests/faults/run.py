"""Kills, freezes, cuts and fills while phones go on, then compares what was acknowledged with what is stored. Standard library only.

Exit code 0: nothing acknowledged is lost, nothing is there that nobody asked for, nothing twice, and all controls were found out.
"""

import argparse
import pathlib
import random
import signal
import sys

import rounds

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/debug/zhibu")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--backend", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))
    seed = options.seed if options.seed is not None else random.randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    is_good = True
    plan = rounds.Plan(f"{options.backend} kill", options.backend, seed, options.binary, [options.only], options.kills)
    is_good &= run(plan)
    sys.exit(0 if is_good else 1)


def run(plan):
    one = rounds.Round(plan)
    result = one.run()
    print("\n".join(result.lines()), flush=True)
    problems = result.found.all()
    if problems:
        for problem in problems[:20]:
            print(f"  {problem}")
        print(f"  FAILED; kept in {one.folder}")
        return False
    one.forget()
    print("  ok")
    return True


if __name__ == "__main__":
    main()
