#!/usr/bin/env bash
# Who sees what: every operation as every role against own, child, parent, sibling, foreign, missing and deleted things,
# compared with tests/access/policy.csv; how fast two processes refuse what was taken away, live screens too; refresh tokens; the audit log;
# and a server whose clock is weeks away.
#   scripts/access.sh [--backend sqlite|postgres] [--no-redis] [--part table|revocation|live|rotation|audit|clock] [--only OPERATION_ID] [--actors NAMES] [--binary FILE]
# The server is target/release/zhibu, ZHIBU_BIN, or --binary. Exit code 1 if anything differs. What is started here is private,
# on loopback and free ports, and is gone at the end.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh

usage() { sed -n '2,7s/^# \{0,1\}//p' scripts/access.sh; }

backend=sqlite redis=1 binary=${ZHIBU_BIN:-target/release/zhibu} part='' options=() some=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --backend) backend=${2:?--backend needs sqlite or postgres}; shift ;;
    --no-redis) redis='' ;;
    --part) part=${2:?--part needs table, revocation, live, rotation, audit or clock}; options+=(--part "$part"); shift ;;
    --actors) some=(--actors "${2:?--actors needs names, with commas between}"); shift ;;
    --only) options+=(--only "${2:?--only needs an operationId}"); shift ;;
    --binary) binary=${2:?--binary needs a file}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[[ $backend == sqlite || $backend == postgres ]] || { echo "--backend is sqlite or postgres" >&2; exit 2; }
[[ -x $binary ]] || { echo "$binary is missing: cargo build --release, or --binary FILE" >&2; exit 2; }

work='' pids=() driver=''

finish() {
  local code=$? pid
  trap '' INT TERM HUP # a second Ctrl-C must not interrupt the cleaning up
  set +e
  if [[ $driver ]]; then kill -KILL "$driver" 2>/dev/null; fi
  for pid in "${pids[@]}"; do _services_end "$pid" TERM; done
  services_stop
  if [[ $work ]]; then rm -rf -- "$work"; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# start_server <name>: by the clock of `clock` on the folder `data`; sets port and adds to pids. Between finding a free port and using it somebody else may take it.
start_server() {
  local attempt
  for attempt in 1 2 3 4 5; do
    port=$(_services_free_port)
    _services_as=()
    # A log for each: a first start that was too slow has told the activation code.
    _services_launch TERM "$work/$1.$attempt.log" "${clock[@]}" "$binary" --data "$data" --listen "127.0.0.1:$port"
    if _services_wait $! curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"; then
      pids+=($!)
      return
    fi
    _services_end $! TERM
  done
  tail -n 20 "$work/$1.$attempt.log" >&2
  return 1
}

activation_code() { sed -n 's/.*activation code: \([A-Z0-9-]*\).*/\1/p' "$work/$1".*.log; }

# drive <python's arguments…>: in the background, so that a signal to this script is handled at once.
drive() {
  python3 "$@" </dev/null &
  driver=$!
  local code=0
  wait "$driver" || code=$?
  driver=''
  return "$code"
}

# by_clock <time>: sets clock, so that a program started with it believes that it is then. 1 where that cannot be done.
by_clock() {
  local library
  library=$(find /usr/lib -name libfaketimeMT.so.1 -print -quit)
  [[ $library ]] || return 1
  clock=(env "LD_PRELOAD=$library" "FAKETIME=$1" FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC)
}

# fresh <name>: ends the servers that run; the next ones have a database of their own.
fresh() {
  local pid
  for pid in "${pids[@]}"; do _services_end "$pid" TERM; done
  pids=()
  data=$work/$1
  mkdir "$data"
  if [[ $backend == postgres ]]; then
    "$_services_bin/psql" -q "$SERVICES_PG_URL" -c "CREATE DATABASE zhibu_$1"
    export DATABASE_URL=${SERVICES_PG_URL%/*}/zhibu_$1
  fi
}

# look_with_two <name> <python's further arguments…>: two processes on one database, and the one who looks.
look_with_two() {
  local name=$1 first
  shift
  fresh "$name" || return
  start_server "$name" || return
  first=$port
  start_server "$name-beside" || return
  echo "backend: $backend${REDIS_URL:+ and Redis}; two processes on ports $first and $port"
  drive tests/access --address "127.0.0.1:$first" --second "127.0.0.1:$port" --code "$(activation_code "$name")" "$@"
}

# A server for which a month begins in Shanghai and has not in London; and what an admin is told of two clocks.
look_at_clock() {
  local code=0 words far
  by_clock +0 || services_apt libfaketime && by_clock "@$(date -u -d "$(date -u +%Y-%m-01) +2 months -1 day" +%F) 16:30:00" || {
    echo "clock: not looked at, libfaketime is not here"
    return
  }
  fresh clock || return
  start_server clock || return
  drive tests/access/clock.py --address "127.0.0.1:$port" --code "$(activation_code clock)" || code=1
  # On SQLite there is one clock.
  [[ $backend == postgres ]] || return "$code"
  for far in +0 +1h -1h; do
    by_clock "$far"
    words=$("${clock[@]}" "$binary" --data "$data" doctor | grep 'this clock') || true
    echo "a clock that is $far away from the database's: $words"
    if [[ $far == +0 ]]; then [[ $words == ok* ]] || code=1; else [[ $words == *"run NTP"* ]] || code=1; fi
  done
  return "$code"
}

# The caller's own databases and settings must not leak into this.
unset DATABASE_URL REDIS_URL PUBLIC_URL RUST_LOG "${!ZHIBU_@}" "${!PG@}"

# In memory where there is such a folder: what is looked at is access, and the rights of whoever asks do not outlive a crash.
parent=/dev/shm
[[ -w $parent ]] || parent=${TMPDIR:-/tmp}
work=$(mktemp -d "$parent/zhibu-access.XXXXXX")
data='' clock=()
ZHIBU_SECRET_KEY=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export ZHIBU_SECRET_KEY RUST_LOG=warn
# Limits as wide as they go: many actors are one address here.
export ZHIBU__AUTH__LOGIN_FAILURES_PER_HOUR=1000 ZHIBU__AUTH__FAILURES_PER_ADDRESS_PER_HOUR=1000000 \
  ZHIBU__CHECK_IN__TYPED_GUESSES_PER_MEMBER=100 ZHIBU__CHECK_IN__TYPED_GUESSES_PER_EVENT=100000 \
  ZHIBU__CHECK_IN__PROOFS_PER_ADDRESS=1000000
# What a busy machine does late is not looked at here, and it may take longer than a token lives.
export ZHIBU__DATABASE__DEADLINE_MS=10000 ZHIBU__AUTH__ACCESS_TOKEN_S=3600
# Nothing happens by itself in the table's world; webhooks may be made to an address here, and nothing is sent.
export ZHIBU__JOBS__PACE_MS=0 ZHIBU__WEBHOOKS__ALLOW_PRIVATE=true

if [[ $backend == postgres ]]; then
  services_install
  services_start
  export DATABASE_URL=$SERVICES_PG_URL
  if [[ $redis ]]; then export REDIS_URL=$SERVICES_REDIS_URL; fi
fi
code=0
if [[ $part != clock && $part != live ]]; then look_with_two main "${options[@]}" "${some[@]}" || code=1; fi
# By themselves again: rankings follow, and what they know of rights is what is looked at.
unset ZHIBU__JOBS__PACE_MS
if [[ -z ${options[*]} || $part == live ]]; then look_with_two live --part live || code=1; fi
if [[ -z ${options[*]} || $part == clock ]]; then look_at_clock || code=1; fi
grep -h -e ' ERROR ' -e panicked "$work"/*.log | sort | uniq -c | sort -rn | head -n 5 || true
exit "$code"
