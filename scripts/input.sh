#!/usr/bin/env bash
# Hostile, wrong and huge input against a running server with demonstration data: no 5xx, no answer that the document
# does not know, nothing forged let in, bounds everywhere (docs/reliability.md: P12, P14, P15, P16). One exit code.
#   scripts/input.sh                       the links of the document, schemathesis per role, forged tokens, slow clients, hostile files, sheets
#   scripts/input.sh --short               the same with few examples, under three minutes (the default)
#   scripts/input.sh --long                with many, for hours of a night
#   scripts/input.sh --only PART           links | schemathesis | tokens | slow | files | sheets
#   scripts/input.sh --backend postgres    on a private PostgreSQL and Redis instead of SQLite
#   scripts/input.sh --seed N              the examples of a former run, which printed N
#   scripts/input.sh --binary FILE         instead of the release build
#   scripts/input.sh --keep DIR            leaves what the tools printed there
# What is started here is private, on loopback and free ports, and is gone at the end, also after Ctrl-C.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh
# shellcheck source=scripts/lib/foreign.sh
source scripts/lib/foreign.sh
# shellcheck source=scripts/lib/groups.sh
source scripts/lib/groups.sh

usage() { sed -n '4,12s/^# \{0,1\}//p' scripts/input.sh; }

binary='' backend=sqlite part=all arguments=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --short) ;;
    --long) arguments+=(--long) ;;
    --only) part=${2:?--only wants a part}; arguments+=(--only "$part"); shift ;;
    --seed | --keep) arguments+=("$1" "${2:?$1 wants a value}"); shift ;;
    --backend) backend=${2:?--backend wants sqlite or postgres}; shift ;;
    --binary) binary=$(realpath -- "${2:?--binary wants a file}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[[ $backend == sqlite || $backend == postgres ]] || { echo "--backend is sqlite or postgres" >&2; exit 2; }

finish() {
  local code=$?
  trap '' INT TERM HUP # a second Ctrl-C must not interrupt the cleaning up
  set +e
  group_end
  services_stop
  exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

export PYTHONDONTWRITEBYTECODE=1
# The caller's own databases and settings must not leak into the servers.
unset DATABASE_URL REDIS_URL PUBLIC_URL RUST_LOG "${!ZHIBU_@}" "${!PG@}"

if [[ $part == all || $part == slow ]] && ! command -v slowhttptest >/dev/null; then
  services_apt slowhttptest || echo "slowhttptest is missing and cannot be installed here: the slow part does without it" >&2
fi
foreign_install "$root/target/foreign-input" -r "$root/tests/input/requirements.txt"
if [[ ! $binary ]]; then
  run cargo build --release --locked
  binary=$root/target/release/zhibu
fi
if [[ $backend == postgres ]]; then
  services_install
  services_start
  arguments+=(--database-url "$SERVICES_PG_URL" --redis-url "$SERVICES_REDIS_URL" --psql "$(services_postgres_bin)/psql")
fi
# -u: a line is seen when it is printed, also by whoever ends this early.
run "$root/target/foreign-input/bin/python" -u tests/input/run.py --binary "$binary" "${arguments[@]}"
