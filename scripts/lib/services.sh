# shellcheck shell=bash
# A private PostgreSQL and Redis for the tests and the benchmarks: sourced, never run.
#
#   services_install    installs what is missing, or says in words what to install
#   services_apt        installs packages by name without starting what is in them
#   services_in_memory  where there is room, has services_start put them there: for data that lives for seconds
#   services_start      sets SERVICES_PG_URL, SERVICES_REDIS_URL, SERVICES_PG_PID, SERVICES_REDIS_PID
#   services_stop       stops exactly these two and removes their folder; harmless when nothing runs
#
# The caller sets a trap on EXIT that calls services_stop, BEFORE it calls services_start, and calls
# both from its main shell (not from a subshell: the servers end with the shell that started them).
# Both listen on loopback only and ask for no password, so no real data belongs in them.

# Not TMPDIR: a socket path may have about 100 characters, and another user must be able to get there.
SERVICES_PARENT=${SERVICES_PARENT:-/tmp}
SERVICES_DIR='' SERVICES_PG_PID='' SERVICES_REDIS_PID='' SERVICES_PG_URL='' SERVICES_REDIS_URL=''

# Prints the folder with initdb and postgres in it: the newest of Debian's, else the one on PATH.
services_postgres_bin() {
  local dir
  while read -r dir; do
    [[ -x $dir/initdb && -x $dir/postgres ]] && { echo "$dir"; return; }
  done < <(
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
    dirname "$(readlink -f "$(command -v initdb)" 2>/dev/null)" 2>/dev/null
  )
  return 1
}

services_in_memory() {
  local free_kib
  free_kib=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1) || return 0
  # A database of the tests has 700 files, which a disk takes a second to make and to remove.
  if ((${free_kib:-0} > 4 * 1024 * 1024)) && [[ -w /dev/shm ]]; then SERVICES_PARENT=/dev/shm; fi
}

services_install() {
  # One at a time, also when the script runs twice at once; the lock is this file itself.
  (
    if command -v flock >/dev/null; then flock 9; fi
    _services_install
  ) 9<"${BASH_SOURCE[0]}"
}

_services_install() {
  local missing=()
  services_postgres_bin >/dev/null || missing+=(postgresql)
  command -v redis-server >/dev/null || missing+=(redis-server)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  # Documents are printed in it: small, and with Latin letters, which Droid's fallback font has not.
  [[ -e /usr/share/fonts/truetype/wqy/wqy-microhei.ttc ]] || missing+=(fonts-wqy-microhei)
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if ! services_apt "${missing[@]}"; then
    echo "Missing here: ${missing[*]}. Please install the PostgreSQL server (initdb, postgres), redis-server, Python with venv" >&2
    echo "and a font with Chinese signs with your system's package manager; the servers need not be running." >&2
    return 1
  fi
}

# Installs packages where the system is Debian's and we may; 1 otherwise.
services_apt() {
  local sudo=()
  if [[ $EUID -ne 0 ]]; then sudo=(sudo -n); fi
  if ! command -v apt-get >/dev/null || ! "${sudo[@]}" true 2>/dev/null; then return 1; fi
  echo "installing $*"
  # We need the programs only: policy-rc.d keeps the packages from starting servers of their own.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive sh -ec '
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap "rm -f $policy" EXIT
      trap "exit 1" INT TERM
      printf "#!/bin/sh\nexit 101\n" >"$policy"
      chmod +x "$policy"
    fi
    apt-get -q update || echo "apt-get update failed: trying with the lists that are here" >&2
    apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
  ' sh "$@"
}

services_start() {
  local attempt
  SERVICES_DIR=$(mktemp -d "$SERVICES_PARENT/zhibu-services.XXXXXX") || return 1
  mkdir "$SERVICES_DIR/pg" "$SERVICES_DIR/redis" && chmod 700 "$SERVICES_DIR"/* || return 1

  # PostgreSQL refuses to run as root, so root steps down to a user that owns nothing else of ours.
  _services_as=()
  if [[ $EUID -eq 0 ]]; then
    local user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    if ! command -v setpriv >/dev/null; then
      echo "PostgreSQL does not run as root: install setpriv (util-linux), or run this as another user" >&2
      return 1
    fi
    chmod 711 "$SERVICES_DIR" && chown "$user" "$SERVICES_DIR"/* || return 1
    _services_as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
  fi

  _services_bin=$(services_postgres_bin) || { echo "PostgreSQL is not installed" >&2; return 1; }
  # --no-sync spares only the flush of the empty cluster; the server itself runs with fsync on.
  (cd / && LC_ALL=C "${_services_as[@]}" "$_services_bin/initdb" -D "$SERVICES_DIR/pg/data" -U postgres \
    -A trust -E UTF8 --locale=C --no-sync) >"$SERVICES_DIR/initdb.log" 2>&1 ||
    { cat "$SERVICES_DIR/initdb.log" >&2; return 1; }

  # Between finding a free port and using it somebody else may take it: then try another.
  for attempt in 1 2 3 4 5; do _services_start_postgres && break; done
  [[ $SERVICES_PG_PID ]] || { tail -n 20 "$SERVICES_DIR/pg.log" >&2; return 1; }
  # A role of its own, which passes no row-level security: the fences are there in each test.
  "$_services_bin/psql" -q "${SERVICES_PG_URL/zhibu@/postgres@}" -c 'CREATE ROLE zhibu LOGIN CREATEDB' || return 1
  for attempt in 1 2 3 4 5; do _services_start_redis && break; done
  [[ $SERVICES_REDIS_PID ]] || { tail -n 20 "$SERVICES_DIR/redis.log" >&2; return 1; }
}

_services_start_postgres() {
  local port
  port=$(_services_free_port) || return 1
  # 300 connections, because every test has pools of its own. A boot of zhibu refuses fsync=off.
  _services_launch QUIT "$SERVICES_DIR/pg.log" "$_services_bin/postgres" -D "$SERVICES_DIR/pg/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$SERVICES_DIR/pg" -c max_connections=300 -c fsync=on
  SERVICES_PG_PID=$!
  # Its own file rather than a connection: whoever answers on the port might be somebody else's server.
  if _services_wait "$SERVICES_PG_PID" grep -qs '^ready' "$SERVICES_DIR/pg/data/postmaster.pid"; then
    SERVICES_PG_URL="postgres://zhibu@127.0.0.1:$port/postgres"
  else
    _services_end "$SERVICES_PG_PID" QUIT
    SERVICES_PG_PID=''
    return 1
  fi
}

_services_start_redis() {
  local port
  port=$(_services_free_port) || return 1
  _services_launch TERM "$SERVICES_DIR/redis.log" redis-server --bind 127.0.0.1 --port "$port" \
    --save '' --appendonly no --dir "$SERVICES_DIR/redis" --daemonize no
  SERVICES_REDIS_PID=$!
  if _services_wait "$SERVICES_REDIS_PID" grep -qs 'Ready to accept connections' "$SERVICES_DIR/redis.log"; then
    SERVICES_REDIS_URL="redis://127.0.0.1:$port"
  else
    _services_end "$SERVICES_REDIS_PID" TERM
    SERVICES_REDIS_PID=''
    return 1
  fi
}

# _services_launch <signal> <log> <command…>: in the background, as the other user, pid in $!.
_services_launch() {
  local signal=$1 log=$2 as=("${_services_as[@]}")
  shift 2
  # Should this shell be killed with SIGKILL, the kernel stops the servers in our stead (Linux only).
  if setpriv "--pdeathsig=$signal" true 2>/dev/null; then as=(setpriv "${as[@]:1}" "--pdeathsig=$signal"); fi
  set -m # a process group of its own: Ctrl-C is for the script, which then stops things in order
  LC_ALL=C "${as[@]}" "$@" </dev/null >"$log" 2>&1 &
  set +m
}

# _services_wait <pid> <test…>: until the test holds; fails when the process ends or after 30 s.
_services_wait() {
  local pid=$1 i
  shift
  for ((i = 0; i < 300; i++)); do
    "$@" && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# A port nobody listens on, below the range from which systems take ports for outgoing connections.
_services_free_port() {
  local port i
  for ((i = 0; i < 100; i++)); do
    port=$((20000 + RANDOM % 12000))
    # The connection attempt fails where nobody listens.
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "no free port between 20000 and 32000" >&2
  return 1
}

# _services_end <pid> <signal>: asks, wakes it should it be frozen, and after 10 s kills.
_services_end() {
  local pid=$1 signal=$2 i
  kill "-$signal" "$pid" 2>/dev/null || true
  kill -CONT "$pid" 2>/dev/null || true
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

services_stop() {
  # QUIT is PostgreSQL's immediate stop: the data is thrown away anyway.
  if [[ $SERVICES_PG_PID ]]; then _services_end "$SERVICES_PG_PID" QUIT; fi
  if [[ $SERVICES_REDIS_PID ]]; then _services_end "$SERVICES_REDIS_PID" TERM; fi
  if [[ $SERVICES_DIR ]]; then rm -rf -- "$SERVICES_DIR"; fi
  SERVICES_DIR='' SERVICES_PG_PID='' SERVICES_REDIS_PID='' SERVICES_PG_URL='' SERVICES_REDIS_URL=''
}
