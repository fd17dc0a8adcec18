#!/usr/bin/env bash
# Random bytes at everything that reads what strangers write: codes, cursors, tokens, rosters, subtitles, articles (docs/reliability.md, P14, P16).
#   scripts/fuzz.sh                  a minute for each, under libFuzzer (needs the nightly compiler; installs cargo-fuzz)
#   scripts/fuzz.sh --seconds N      N seconds for each
#   scripts/fuzz.sh --seed N         the same choices again, as far as time allows
#   scripts/fuzz.sh --only TARGET
# The first build takes some fifteen minutes. Where there is no nightly: ZHIBU_FUZZ_ROUNDS=100000 cargo nextest run --features failpoints -E 'test(/^fuzz::/)'
# What makes a target fail is kept under fuzz/artifacts, and belongs into fuzz/corpus once it is mended.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../fuzz"
seconds=60 seed=$RANDOM targets=(codes cursors tokens rosters subtitles articles)
while [[ $# -gt 0 ]]; do
  case $1 in
    --seconds) seconds=${2:?--seconds wants a number} ;;
    --seed) seed=${2:?--seed wants a number} ;;
    --only) targets=("${2:?--only wants a target: ${targets[*]}}") ;;
    -h | --help) sed -n '3,8s/^# \{0,1\}//p' ../scripts/fuzz.sh; exit 0 ;;
    *) echo "unknown option: $1" >&2; exit 2 ;;
  esac
  shift 2
done
if ! cargo fuzz --version >/dev/null 2>&1; then cargo install --locked cargo-fuzz; fi
cargo +nightly fuzz build --dev -s none

found=$(mktemp -d)
trap 'rm -rf -- "$found"' EXIT
failed=()
for target in "${targets[@]}"; do
  mkdir -- "$found/$target"
  # New inputs go to the first folder: the corpus in the repository stays as small as it is.
  if ! cargo +nightly fuzz run --dev -s none "$target" "$found/$target" "corpus/$target" -- \
    -max_total_time="$seconds" -seed="$seed" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$found/$target.log" 2>&1; then
    failed+=("$target")
    tail -n 40 -- "$found/$target.log"
  fi
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/$target.log")
  kept=$(sed -n 's/^stat::new_units_added: *//p' "$found/$target.log")
  peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$found/$target.log")
  echo "$target: inputs=${inputs:-?} new=${kept:-?} peak_mib=${peak:-?} seed=$seed"
done
if [[ ${#failed[@]} -gt 0 ]]; then echo "FAILED: ${failed[*]}" >&2; exit 1; fi
