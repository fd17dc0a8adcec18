#!/usr/bin/env bash
# Everybody at once (docs/reliability.md, P8): 10,000 check in within a minute, 2,000 of them in the same instant; on PostgreSQL and Redis
# to two servers behind HAProxy (docs/haproxy.cfg), of which one is killed meanwhile.
#   scripts/herd.sh                      the whole herd on each backend
#   scripts/herd.sh --short              500 members, 100 at once, 10 s
#   scripts/herd.sh --backend NAME       sqlite, postgres or both (the default)
#   scripts/herd.sh --beyond             with a queue that is too short: who is refused must be told when to come again
#   scripts/herd.sh --members N --barrier N --seconds N --kill-after S --seed N
#   scripts/herd.sh --binary FILE        this instead of building it
# Exit code 0 if each was acknowledged and stored once, with points once, without a 5xx, in bounded memory. Servers are private, on
# loopback and free ports; of a herd that fails the data and logs are kept, and named.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh

usage() { sed -n '2,11s/^# \{0,1\}//p' scripts/herd.sh; }

backend=both binary='' arguments=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --short | --beyond) arguments+=("$1"); shift; continue ;;
    -h | --help) usage; exit 0 ;;
  esac
  [[ $# -ge 2 ]] || { echo "$1 needs a value, or is no option" >&2; usage >&2; exit 2; }
  case $1 in
    --backend) backend=$2 ;;
    --binary) binary=$2 ;;
    --members | --barrier | --seconds | --kill-after | --seed) arguments+=("$1" "$2") ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift 2
done

if [[ ! $binary ]]; then
  cargo build --release --locked
  binary=$root/target/release/zhibu
fi
if [[ $backend != sqlite ]]; then
  services_install
  command -v haproxy >/dev/null || [[ -x /usr/sbin/haproxy ]] || services_apt haproxy ||
    { echo "haproxy is missing: install it with your system's package manager" >&2; exit 1; }
fi
# In place of this shell, so that a signal to it reaches the driver, which ends its servers.
exec python3 tests/faults/herd.py --backend "$backend" --binary "$binary" "${arguments[@]}"
