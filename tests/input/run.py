"""Hostile, wrong and huge input against a running server: scripts/input.sh says how to start this."""

import argparse
import importlib
import secrets
import signal
import sys
import time

from server import Unusable

PARTS = {
    "links": "links",
    "schemathesis": "fuzz",
    "tokens": "forged_tokens",
    "slow": "slow_clients",
    "files": "hostile_files",
    "sheets": "sheets",
}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/input.sh")
    parser.add_argument("--binary", required=True, help="the server's program")
    parser.add_argument("--database-url", help="of a PostgreSQL server where databases may be made; without: SQLite")
    parser.add_argument("--redis-url", help="with --database-url")
    parser.add_argument("--psql", help="with --database-url: the client that makes the databases")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    parser.add_argument("--long", action="store_true", help="many more examples")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="repeats what a former run printed")
    parser.add_argument("--keep", help="a folder for what the tools printed")
    return parser.parse_args()


def main():
    # The same way out as Ctrl-C, so that every `with` ends its server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    print(f"seed {options.seed}", flush=True)
    failed = []
    for part, module in PARTS.items():
        if options.only in (None, part):
            begun = time.monotonic()
            findings = importlib.import_module(module).run(options)
            findings.say()
            print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)
            if findings.found:
                failed.append(part)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as why:
        print(f"the suite could not go on: {why}", file=sys.stderr)
        sys.exit(2)
