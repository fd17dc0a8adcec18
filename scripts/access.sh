#!/usr/bin/env bash
# Who sees what: every operation as every role against own, child, parent, sibling, foreign, missing and deleted things,
# compared with tests/access/policy.csv; and how fast two processes refuse what was taken away.
#   scripts/access.sh [--backend sqlite|postgres] [--only OPERATION_ID] [--binary FILE]
# The server is target/release/zhibu, ZHIBU_BIN, or --binary. Exit code 1 if anything differs. What is started here is private,
# on loopback and free ports, and is gone at the end.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh

usage() { sed -n '2,6s/^# \{0,1\}//p' scripts/access.sh; }

backend=sqlite binary=${ZHIBU_BIN:-target/release/zhibu} only=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --backend) backend=${2:?--backend needs sqlite or postgres}; shift ;;
    --only) only=(--only "${2:?--only needs an operationId}"); shift ;;
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

# start_server <name>: sets port and adds to pids. Between finding a free port and using it somebody else may take it.
start_server() {
  local attempt
  for attempt in 1 2 3 4 5; do
    port=$(_services_free_port)
    _services_as=()
    _services_launch TERM "$work/$1.log" "$binary" --data "$work/data" --listen "127.0.0.1:$port"
    if _services_wait $! curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"; then
      pids+=($!)
      return
    fi
    _services_end $! TERM
  done
  tail -n 20 "$work/$1.log" >&2
  return 1
}

# The caller's own databases and settings must not leak into this.
unset DATABASE_URL REDIS_URL PUBLIC_URL RUST_LOG "${!ZHIBU_@}" "${!PG@}"

# In memory where there is such a folder: what is looked at is access, and the rights of whoever asks do not outlive a crash.
parent=/dev/shm
[[ -w $parent ]] || parent=${TMPDIR:-/tmp}
work=$(mktemp -d "$parent/zhibu-access.XXXXXX")
mkdir "$work/data"
ZHIBU_SECRET_KEY=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export ZHIBU_SECRET_KEY RUST_LOG=warn
# Limits as wide as they go: many actors are one address here.
export ZHIBU__AUTH__LOGIN_FAILURES_PER_HOUR=1000 ZHIBU__AUTH__FAILURES_PER_ADDRESS_PER_HOUR=1000000 \
  ZHIBU__CHECK_IN__TYPED_GUESSES_PER_MEMBER=100 ZHIBU__CHECK_IN__TYPED_GUESSES_PER_EVENT=100000 \
  ZHIBU__CHECK_IN__PROOFS_PER_ADDRESS=1000000
# Nothing happens by itself meanwhile; webhooks may be made to an address here, and nothing is sent.
export ZHIBU__JOBS__PACE_MS=0 ZHIBU__WEBHOOKS__ALLOW_PRIVATE=true

if [[ $backend == postgres ]]; then
  services_install
  services_start
  export DATABASE_URL=$SERVICES_PG_URL REDIS_URL=$SERVICES_REDIS_URL
fi
start_server first
first=$port
code=$(sed -n 's/.*activation code: \([A-Z0-9-]*\).*/\1/p' "$work/first.log")
start_server second
echo "backend: $backend; two processes on ports $first and $port"
# In the background, so that a signal to this script is handled at once.
python3 tests/access --address "127.0.0.1:$first" --second "127.0.0.1:$port" --code "$code" "${only[@]}" </dev/null &
driver=$!
code=0
wait "$driver" || code=$?
driver=''
grep -h -e ' ERROR ' -e panicked "$work"/*.log | sort | uniq -c | sort -rn | head -n 5 || true
exit "$code"
