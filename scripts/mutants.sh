#!/usr/bin/env bash
# Changes the rules in a thousand small ways and says which changes no test finds out (docs/reliability.md, Mutants).
#   scripts/mutants.sh                  all that .cargo/mutants.toml chooses, each with the tests that come there, the likeliest first, on SQLite
#   scripts/mutants.sh --only TEXT      those with TEXT in their name, such as a file's; may be given many times
#   scripts/mutants.sh --most N         with so many tests each at most
#   scripts/mutants.sh --again          without building: with the copy and the measures of the last run
# It builds a copy of the program under target/mutants. Nothing there serves people.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
if ! cargo mutants --version >/dev/null 2>&1; then cargo install --locked cargo-mutants; fi
exec python3 tests/mutants/run.py "$@"
