#!/usr/bin/env bash
# Everything that must hold before a change is merged, in one command; CI runs the same one.
#   scripts/test.sh           format, lints, the suite on SQLite, hostile input, who sees what, the integration tests on PostgreSQL + Redis, kills on both
#   scripts/test.sh --quick   the same without PostgreSQL and Redis
# Missing servers are installed where apt-get exists and root (or sudo) works. What is started here is private,
# on loopback and free ports, and is gone at the end, so two runs do not disturb each other.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh
# shellcheck source=scripts/lib/foreign.sh
source scripts/lib/foreign.sh
# shellcheck source=scripts/lib/groups.sh
source scripts/lib/groups.sh

usage() { sed -n '2,4s/^# \{0,1\}//p' scripts/test.sh; }

quick=
for argument in "$@"; do
  case $argument in
    --quick) quick=1 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "unknown option: $argument" >&2; usage >&2; exit 2 ;;
  esac
done

current=''

finish() {
  local code=$?
  trap '' INT TERM HUP # a second Ctrl-C must not interrupt the cleaning up
  set +e
  group_end
  services_stop
  if [[ $code -eq 0 ]]; then
    printf '\n=== all passed (%d s)\n' "$SECONDS"
  else
    printf '\n=== FAILED%s (exit code %d, %d s)\n' "${current:+: $current}" "$code" "$SECONDS" >&2
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# step <heading> <command…>; the first one that fails ends the run (set -e, then finish names it).
step() {
  local begun=$SECONDS
  current=$1
  shift
  printf '\n=== %s\n' "$current"
  "$@"
  printf '=== ok: %s (%d s)\n' "$current" $((SECONDS - begun))
  current=''
}

check_tools() {
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install the Rust toolchain with rustup" >&2
    return 1
  fi
  local component
  for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
      echo "cargo $component is missing: rustup component add rustfmt clippy" >&2
      return 1
    fi
  done
  if ! command -v cc >/dev/null; then
    echo "a C compiler is missing (SQLite and libpq are built from source): install gcc and libc6-dev" >&2
    return 1
  fi
}

# Clients and readers of somebody else's, which tests ask whether they understand us; in a folder of their own.
install_foreign() {
  local folder=$root/target/foreign
  foreign_install "$folder" tuspy==1.1.0 standardwebhooks==1.1.0 icalendar==7.3.2 pypdf==7.1.1 pillow==13.0.0
  export ZHIBU_TEST_PYTHON=$folder/bin/python
}

# The caller's own databases and settings must not leak into the tests.
unset DATABASE_URL REDIS_URL PUBLIC_URL RUST_LOG FAILPOINTS "${!ZHIBU_@}" "${!PG@}"

step 'Tools' check_tools
# One build for the tests and for scripts/faults.sh: with fail points, which do nothing until FAILPOINTS names some.
build=(--locked --features failpoints)
test_command=(cargo test "${build[@]}")
at_once=()
if cargo nextest --version >/dev/null 2>&1; then
  test_command=(cargo nextest run "${build[@]}")
  # A test waits for its disk or its database now and then: another one goes on meanwhile.
  at_once=(--test-threads $(($(nproc) + 1)))
fi

if [[ ! $quick ]]; then
  step 'PostgreSQL and Redis: install' services_install
  services_in_memory
  step 'PostgreSQL and Redis: start' services_start
fi
step 'Foreign clients and readers: install' install_foreign
step 'Format' run cargo fmt --check
if [[ ${RUSTC_WORKSPACE_WRAPPER:-} == clippy-driver ]]; then
  # Clippy stands in for the compiler: it reads our code once, for its lints and for the build (.ci/run).
  export CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
  step 'Lints and build' run "${test_command[@]}" --no-run
else
  step 'Lints' run cargo clippy --all-targets "${build[@]}" -- -D warnings
fi
step 'All tests on SQLite + memory' run env ZHIBU_TEST_BACKEND=sqlite "${test_command[@]}" "${at_once[@]}"
# The tests have built the program beside themselves.
for part in links tokens files sheets; do
  step "Hostile input: $part" run scripts/input.sh --only "$part" --binary target/debug/zhibu
done
step 'Who sees what' run scripts/access.sh --binary target/debug/zhibu
if [[ ! $quick ]]; then
  step 'Integration tests on PostgreSQL + Redis' run env ZHIBU_TEST_BACKEND=postgres \
    "ZHIBU_TEST_DATABASE_URL=$SERVICES_PG_URL" "ZHIBU_TEST_REDIS_URL=$SERVICES_REDIS_URL" \
    "${test_command[@]}" "${at_once[@]}" --test api
fi
# Twenty kills on each backend, other faults once, and servers that are broken on purpose; the long round is scripts/faults.sh --kills 300.
faults_on=both
if [[ $quick ]]; then faults_on=sqlite; fi
step "Faults: $faults_on" run scripts/faults.sh --short --backend "$faults_on" \
  --binary target/debug/zhibu --failpoints-binary target/debug/zhibu
