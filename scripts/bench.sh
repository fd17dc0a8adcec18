#!/usr/bin/env bash
# Load on everything at once, on one machine, in one run: ratios count, absolute figures belong to the machine.
# Needs wrk (installed by apt where that is the system). Usage: scripts/bench.sh [SECONDS] (default 8 per scenario)
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-8}"
members="${BENCH_MEMBERS:-100000}"
lessons="${BENCH_LESSONS:-20000}"
only="${BENCH_ONLY:-}" # study, sign_ups, search, boards, media: nothing else
# shellcheck source=lib/services.sh
. scripts/lib/services.sh
# shellcheck source=lib/media_bench.sh
. scripts/lib/media_bench.sh
command -v wrk >/dev/null || apt-get install -y --no-install-recommends wrk >/dev/null
cargo build --release --locked --bins --examples

work="$(mktemp -d "${BENCH_DIR:-$PWD/target}/bench.XXXXXX")"
# PostgreSQL runs as another user where we are root, and has to get to its folder.
chmod 711 "$work"
server_pid=""
stop_server() { [ -z "$server_pid" ] || { kill "$server_pid" 2>/dev/null || true; wait "$server_pid" 2>/dev/null || true; server_pid=""; }; }
nginx_pid=""
finish() { stop_server; [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || true; services_stop; rm -rf "$work"; }
trap finish EXIT
SERVICES_PARENT="$work" services_start
export ZHIBU_SECRET_KEY="a key for the benchmark only, long enough" ZHIBU_LISTEN=127.0.0.1:0 RUST_LOG=warn,zhibu::leaderboards=info

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
all_ticks() {
  local sum pid
  sum="$(ticks "$server_pid")"
  if [ -n "${DATABASE_URL:-}" ]; then
    for pid in $(pgrep -P "$SERVICES_PG_PID") "$SERVICES_PG_PID"; do
      sum=$((sum + $(ticks "$pid" 2>/dev/null || echo 0)))
    done
  fi
  echo "$sum"
}

start_server() { # NAME: its data folder is $work/NAME
  export ZHIBU_DATA="$work/$1"
  local port begun
  port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  begun="$(date +%s%3N)"
  ./target/release/zhibu --listen "127.0.0.1:$port" >"$work/out.txt" 2>"$work/err.txt" &
  server_pid=$!
  url="http://127.0.0.1:$port"
  until curl -sf "$url/readyz" >/dev/null; do kill -0 "$server_pid" || { cat "$work/err.txt"; exit 1; }; sleep 0.02; done
  ready_ms=$(($(date +%s%3N) - begun))
  [ -f "$work/$1/event.txt" ] || return 0
  # The roster of everybody is frozen once, by the server's own task; no scenario is charged with it.
  until curl -sf "$url/api/v1/events/$(cat "$work/$1/event.txt")" -H "Authorization: Bearer $(cat "$work/$1/admin.txt")" |
    grep -q '"roster_frozen_at":"'; do sleep 0.2; done
}

prepare() { # NAME [MEMBERS] [LESSONS]: fresh database with members, tokens and an open event
  mkdir -p "$work/$1"
  ZHIBU_DATA="$work/$1" ./target/release/examples/seed "$work/$1" "${2:-$members}" ${3:+"$3"}
}

scenario() { # LABEL KIND CONNECTIONS FOLDER
  local code="" before after result good
  [ ! -f "$4/event.txt" ] || code="$(curl -sf "$url/api/v1/events/$(cat "$4/event.txt")/code" -H "Authorization: Bearer $(cat "$4/admin.txt")" | sed 's/.*"code":"\([^"]*\)".*/\1/')"
  before="$(all_ticks)"
  case "$2" in
    progress) code="$(cat "$4/lesson.txt")" ;;
    sign_up | my_place) code="$(cat "$4/theme_day.txt")" ;;
    board | my_rank) code="$(cat "$4/root.txt")" ;;
  esac
  result="$(wrk -t2 -c"$3" -d"${seconds}s" -s benches/check_in.lua "$url" -- "$4" "$2" "$code" 2>"$work/wrk.txt" | sed -n 's/^RESULT //p')"
  after="$(all_ticks)"
  good="$(sed 's/.* good=\([0-9]*\).*/\1/' <<<"$result")"
  printf '%-44s c=%-4s %s cpu_ms_each=%s rss_mib=%s\n' "$1" "$3" "$result" \
    "$(awk -v t=$((after - before)) -v n="$good" 'BEGIN {printf "%.3f", n ? t * 10 / n : 0}')" \
    "$(awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$server_pid/status")"
  sort -u "$work/wrk.txt" | cut -c1-300 | head -n 2
}

backend() { # sqlite|postgres
  for connections in 64 256; do
    for lane in lane control; do
      prepare "$1-$connections-$lane"
      folder="$work/$1-$connections-$lane"
      if [ "$lane" = control ]; then export ZHIBU__CHECK_IN__LANE_BATCH=0; else unset ZHIBU__CHECK_IN__LANE_BATCH; fi
      if [ "$lane" = control ]; then export ZHIBU__STUDY__LANE_BATCH=0; else unset ZHIBU__STUDY__LANE_BATCH; fi
      start_server "$1-$connections-$lane"
      if [ "$lane" = lane ]; then
        echo "ready after ${ready_ms} ms with $members members"
        scenario "(a) $1 healthz" health "$connections" "$folder"
        scenario "(b) $1 token and code, no write" verify "$connections" "$folder"
        [ "$only" = study ] || scenario "(c/d) $1 check-in" check_in "$connections" "$folder"
        scenario "(f) $1 study progress" progress "$connections" "$folder"
      else
        [ "$only" = study ] || scenario "(e) $1 check-in, a transaction each" check_in "$connections" "$folder"
        scenario "(g) $1 study progress, a transaction each" progress "$connections" "$folder"
      fi
      stop_server
      next_database
    done
  done
}

sign_ups() { # sqlite|postgres: everybody wants one of 120 places
  local lane folder
  for connections in 64 256; do
    for lane in lane control; do
      folder="$work/$1-$connections-sign-ups-$lane"
      prepare "$1-$connections-sign-ups-$lane"
      if [ "$lane" = control ]; then export ZHIBU__SIGN_UPS__LANE_BATCH=0; else unset ZHIBU__SIGN_UPS__LANE_BATCH; fi
      start_server "$1-$connections-sign-ups-$lane"
      if [ "$lane" = lane ]; then
        scenario "(b) $1 token and code, no write" verify "$connections" "$folder"
        scenario "(i) $1 sign-up" sign_up "$connections" "$folder"
        # Those who were first have a place or a short line before them; the cost is that of the longest, too.
        scenario "(k) $1 my place in line" my_place 2 "$folder"
      else
        scenario "(j) $1 sign-up, a transaction each" sign_up "$connections" "$folder"
      fi
      stop_server
      next_database
    done
  done
  unset ZHIBU__SIGN_UPS__LANE_BATCH
  prepare "$1-herd"
  start_server "$1-herd"
  echo "(l) $1 herd of 5000 at one barrier: $(ulimit -n 16384 && ./target/release/examples/herd "$url" "$work/$1-herd" "$(cat "$work/$1-herd/theme_day.txt")" 5000)"
  stop_server
  next_database
}

next_database() {
  if [ -n "${DATABASE_URL:-}" ]; then
    psql -q "$SERVICES_PG_URL" -c 'DROP DATABASE bench WITH (FORCE)' -c 'CREATE DATABASE bench'
  fi
}

search() { # sqlite|postgres: words of two signs in so many lessons, the first page of 20 with its passages
  local begun
  prepare "$1-search" 1000 "$lessons"
  begun="$(date +%s%3N)"
  ZHIBU_DATA="$work/$1-search" ./target/release/zhibu reindex
  echo "indexed $lessons lessons in $(($(date +%s%3N) - begun)) ms"
  [ -z "${DATABASE_URL:-}" ] || psql -q "$DATABASE_URL" -c 'VACUUM ANALYZE'
  start_server "$1-search"
  for connections in 2 16; do
    scenario "(h) $1 search" search "$connections" "$work/$1-search"
  done
  stop_server
  next_database
}

show() { # own_rank|open: what the tree's leaderboards show
  curl -sf -X PATCH "$url/api/v1/organizations/$(cat "$folder/root.txt")" -H "Authorization: Bearer $(cat "$folder/admin.txt")" \
    -H 'If-Match: *' -H 'Content-Type: application/json' -d "{\"settings\": {\"leaderboards\": \"$1\"}}" >/dev/null
  # Permits follow within a second.
  sleep 1.5
}

boards() { # sqlite|postgres: everybody looks at the board of all, for themselves on it, and at their first screen
  local size folder begun
  ulimit -n "$(ulimit -Hn)"
  for size in ${BENCH_BOARDS:-10000 100000 1000000}; do
    folder="$work/$1-boards-$size"
    prepare "$1-boards-$size" "$size" points
    [ -z "${DATABASE_URL:-}" ] || psql -q "$DATABASE_URL" -c 'VACUUM ANALYZE'
    start_server "$1-boards-$size"
    begun="$(date +%s%3N)"
    until curl -sf "$url/api/v1/leaderboards/$(cat "$folder/root.txt")" -H "Authorization: Bearer $(cat "$folder/admin.txt")" >/dev/null; do sleep 0.05; done
    echo "board of $size made in $(($(date +%s%3N) - begun)) ms"
    scenario "(a) $1 healthz" health 64 "$folder"
    scenario "(m) $1 top 50 of $size" board 64 "$folder"
    scenario "(n) $1 my rank and neighbours among $size" my_rank 64 "$folder"
    show own_rank
    scenario "(n) $1 my rank alone among $size" my_rank 64 "$folder"
    show open
    scenario "(o) $1 first screen, made" home 64 "$folder"
    # Five hundred phones that look again and again.
    mkdir -p "$folder/again"
    head -n 500 "$folder/tokens.txt" >"$folder/again/tokens.txt"
    scenario "(o) $1 first screen, kept" home 64 "$folder/again"
    echo "(p) $1 $(python3 benches/board_effects.py visible "$url" "$folder")"
    (sleep 1 && python3 benches/board_effects.py move "$url" "$folder") &
    seconds=$((seconds + size / 40000)) scenario "(q) $1 top 50 while $size are ranked anew" board 64 "$folder"
    wait $!
    until [ "$(grep -c 'a leaderboard is made' "$work/out.txt" "$work/err.txt" | awk -F: '{n += $2} END {print n}')" -gt 1 ]; do sleep 0.5; done
    echo "ranked anew in $(cat "$work/out.txt" "$work/err.txt" | grep 'a leaderboard is made' | tail -n 1 | sed 's/.*took_ms[":= ]*\([0-9]*\).*/\1/') ms"
    if [ "$size" = 10000 ]; then
      stop_server
      start_server "$1-boards-$size"
      echo "(r) $1 $(python3 benches/board_effects.py watch "$url" "$folder" 10000 "$server_pid")"
    fi
    stop_server
    next_database
  done
}

wants() { [ -z "$only" ] || [[ " $* " == *" $only "* ]]; }

nproc | sed 's/$/ cores/'
if wants media; then media; fi
if [ "$only" = media ]; then exit 0; fi
if wants study; then
  ./target/release/examples/merge
  backend sqlite
fi
if wants sign_ups; then sign_ups sqlite; fi
if wants search; then search sqlite; fi
if wants boards; then boards sqlite; fi
psql -q "$SERVICES_PG_URL" -c 'CREATE DATABASE bench'
export DATABASE_URL="${SERVICES_PG_URL%/*}/bench" REDIS_URL="$SERVICES_REDIS_URL"
if wants study; then backend postgres; fi
if wants sign_ups; then sign_ups postgres; fi
if wants search; then search postgres; fi
if wants boards; then boards postgres; fi
