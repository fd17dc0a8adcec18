# shellcheck shell=bash
# Range reads of one film, by us and by nginx with the same file on the same machine: sourced by bench.sh, never run.
# Needs of it: work, seconds, server_pid, stop_server; sets nginx_pid, which it ends.

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# nginx with the same files, as much of it as it takes to serve them.
start_nginx() { # FOLDER
  nginx_port="$(free_port)"
  cat >"$work/nginx.conf" <<END
worker_processes auto;
pid $work/nginx.pid;
error_log $work/nginx.err;
daemon off;
$([ "$EUID" -ne 0 ] || echo 'user root;')
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; default_type video/mp4; keepalive_requests 1000000;
  client_body_temp_path $work/n1; proxy_temp_path $work/n2; fastcgi_temp_path $work/n3; uwsgi_temp_path $work/n4; scgi_temp_path $work/n5;
  server { listen 127.0.0.1:$nginx_port; root $1; }
}
END
  nginx -c "$work/nginx.conf" -e "$work/nginx.err" &
  nginx_pid=$!
  until curl -s "http://127.0.0.1:$nginx_port/" >/dev/null; do kill -0 "$nginx_pid" || { cat "$work/nginx.err"; return 1; }; sleep 0.02; done
}

# A film of a quarter of a gigabyte: a small one and a box of filling.
make_film() { # FILE
  cp tests/data/lesson.mp4 "$1"
  printf '\x10\x00\x00\x00free' >>"$1"
  head -c $((0x10000000 - 8)) /dev/urandom >>"$1"
}

upload() { # FILE ORGANIZATION: prints where it lies
  local size place
  size="$(stat -c %s "$1")"
  place="$(curl -sf -D - -o /dev/null -X POST "$url/api/v1/uploads" -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0' \
    -H "Upload-Length: $size" -H "Upload-Metadata: organization_id $(printf %s "$2" | base64 -w0)" | sed -n 's/^location: \(.*\)\r$/\1/p')"
  curl -sf -X PATCH "$url$place" -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Offset: 0' \
    -H 'Content-Type: application/offset+octet-stream' -H 'Expect:' -T "$1"
  echo "${place/uploads/media}"
}

media() {
  command -v nginx >/dev/null || services_apt nginx-light >/dev/null || { echo "(m) nginx is missing: left out"; return 0; }
  local film="$work/film.mp4" folder="$work/media" organization address place port size piece ours theirs
  make_film "$film"
  size="$(stat -c %s "$film")"
  port="$(free_port)" url="http://127.0.0.1:$port"
  ZHIBU_DEMO_PASSWORD="only for the benchmark" ZHIBU_DATA="$folder" ./target/release/zhibu serve --demo --listen "127.0.0.1:$port" >/dev/null 2>"$work/err.txt" &
  server_pid=$!
  until curl -sf "$url/readyz" >/dev/null; do kill -0 "$server_pid" || { cat "$work/err.txt"; exit 1; }; sleep 0.02; done
  token="$(curl -sf "$url/api/v1/auth/login" -H 'Content-Type: application/json' -d '{"account":"demo-admin","password":"only for the benchmark"}' |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/')"
  organization="$(curl -sf "$url/api/v1/me" -H "Authorization: Bearer $token" | sed 's/.*"organization_id":"\([^"]*\)","organization_name.*/\1/')"
  place="$(upload "$film" "$organization")"
  address="$(curl -sf "$url$place" -H "Authorization: Bearer $token" | sed 's/.*"content_url":"\([^"]*\)".*/\1/')"
  start_nginx "$folder/media/files"
  for piece in 262144 1048576 4194304; do
    ours="$(ranges "$url" "${address#"$url"}" "$size" "$piece")"
    theirs="$(ranges "http://127.0.0.1:$nginx_port" "/$organization/${place##*/}" "$size" "$piece")"
    echo "(m) ranges of $((piece / 1024)) KiB: $ours rss_mib=$(awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$server_pid/status")"
    echo "(n) the same by nginx: $theirs"
    printf '%s\n%s\n' "$ours" "$theirs" | awk '{ match($0, /per_s=[0-9]+/); n[NR] = substr($0, RSTART + 6, RLENGTH - 6) } END { printf "(m)/(n) %.2f\n", n[1] / n[2] }'
  done
  stop_server
  kill "$nginx_pid" && nginx_pid=""
}

ranges() { # URL PATH SIZE PIECE
  wrk -t2 -c16 -d"${seconds}s" -s benches/ranges.lua "$1" -- "$2" "$3" "$4" | sed -n 's/^RESULT //p'
}

