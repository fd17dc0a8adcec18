#!/usr/bin/env bash
# Kills, freezes, cuts and fills while phones go on, then compares what was acknowledged with what is stored (docs/reliability.md).
#   scripts/faults.sh                    20 kills on each backend, all other faults, the order of sync and answer, places, and the controls
#   scripts/faults.sh --short            the kills, other faults once each, and the controls: what scripts/test.sh runs
#   scripts/faults.sh --kills N          so many kills on each backend; of other faults a tenth, three at least
#   scripts/faults.sh --backend NAME     sqlite, postgres or both (the default)
#   scripts/faults.sh --only FAULT       one fault alone, e.g. kill-postgres, hang, disk-full, power-loss, failpoints
#   scripts/faults.sh --only order       is what is acknowledged on disk before the answer leaves? By strace
#   scripts/faults.sh --only places --clients N     so many at one moment for few places; 1000 is the default
#   scripts/faults.sh --controls         only servers that are broken on purpose: a loss must be found
#   scripts/faults.sh --seed N           draws the same again
#   scripts/faults.sh --binary FILE --failpoints-binary FILE     these instead of building them
# Exit code 0 if every promise was kept and every control was found out. Servers are private, on loopback and free ports;
# of a round that fails the log and the data are kept, and named.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh

usage() { sed -n '2,14s/^# \{0,1\}//p' scripts/faults.sh; }

backend=both binary='' failpoints='' arguments=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --short | --controls) arguments+=("$1"); shift; continue ;;
    -h | --help) usage; exit 0 ;;
  esac
  [[ $# -ge 2 ]] || { echo "$1 needs a value, or is no option" >&2; usage >&2; exit 2; }
  case $1 in
    --backend) backend=$2 ;;
    --binary) binary=$2 ;;
    --failpoints-binary) failpoints=$2 ;;
    --kills | --only | --seed | --clients) arguments+=("$1" "$2") ;;
    *) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift 2
done

if [[ ! $failpoints ]]; then
  cargo build --locked --features failpoints
  failpoints=$root/target/debug/zhibu-failpoints
  # The next build puts the server as it is shipped in its place.
  cp -f target/debug/zhibu "$failpoints"
fi
if [[ ! $binary ]]; then
  cargo build --locked
  binary=$root/target/debug/zhibu
fi
if [[ $backend != sqlite ]]; then services_install; fi
# Without it the part `order` says that it is missing.
command -v strace >/dev/null || services_apt strace || true
# In place of this shell, so that a signal to it reaches the driver, which ends its servers.
exec python3 tests/faults/run.py --backend "$backend" --binary "$binary" --failpoints-binary "$failpoints" "${arguments[@]}"
