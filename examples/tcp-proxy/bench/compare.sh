#!/bin/sh
# The proxy beside nginx, haproxy and the ordinary way in Rust: processor time of connections and of bytes, throughput,
# memory. See README.md.
set -eu
cd "$(dirname "$0")"
# shellcheck source=bench/processes.sh
. ./processes.sh
connections=${CONNECTIONS:-20000}
gibibytes=${GIBIBYTES:-2}
load=../target/bench/release/load
module=/usr/lib/nginx/modules/ngx_stream_module.so
need "nginx haproxy prlimit" "nginx libnginx-mod-stream haproxy"
[ -e "$module" ] || fail "no $module; on Debian: apt-get install libnginx-mod-stream"

# Of 10 000 idle connections, as many as there are descriptors for: each takes two of the proxy's.
descriptors=$(prlimit --pid $$ --nofile --noheadings --raw --output=HARD)
prlimit --pid $$ --nofile="$descriptors"
idle=$(((descriptors - 1000) / 2))
[ "$idle" -le 10000 ] || idle=10000
export MAXCONN=$((idle + 200))

asks() { "$load" connections "$1" 1 2>/dev/null; }

measure() {
  pid=$(pid_of "$2")
  time=$(busy "$pid") count=$(switches "$pid")
  case $1 in
    connection)
      taskset -c "$3" "$load" connections "$(address_of "$2")" "$connections" || fail "$2 did not serve all"
      sample connection "$2" $((($(busy "$pid") - time) / connections))
      [ "$2" != own ] || sample switches alone "$(quotient $(($(switches "$pid") - count)) "$connections")"
      ;;
    gibibyte)
      seconds=$(taskset -c "$3" "$load" bytes "$(address_of "$2")" "$gibibytes") || fail "$2 did not pass all"
      sample gibibyte "$2" $((($(busy "$pid") - time) / gibibytes))
      sample throughput "$2" "$(quotient $((1024 * gibibytes)) "$seconds")"
      ;;
    memory)
      hold "$2" "$3"
      sample memory "$2" "$bytes"
      [ "$2" != own ] || sample idle alone "$(quotient $((bytes - unused)) "$idle")"
      ;;
  esac
}

# Has connections to a proxy answered once, and kept; $bytes is what it takes meanwhile.
hold() {
  of=$(pid_of "$1")
  start "$2" "$load" idle "$(address_of "$1")" "$idle"
  until grep -q held "$log"; do
    kill -0 "$pid" 2>/dev/null || fail "$1 did not take $idle connections: $(cat "$log")"
    sleep 0.05
  done
  bytes=$(memory "$of")
  finish "$pid"
}

upstream() {
  start "$1" "$load" serve 127.0.0.1:18080
  answers 127.0.0.1:18080
}

last=$((cores - 1))
upstream "1-$last"
for one in nginx haproxy own ordinary; do proxy "$one" 1 0; done
compare connection "nginx haproxy own ordinary" "1-$last"
compare gibibyte "nginx haproxy own ordinary" "1-$last"
stop

upstream "0-$last"
for one in nginx haproxy own; do proxy "$one" 2 0-1; done
unused=$(memory "$(pid_of own)")
# What a process has once had it keeps in part.
for one in nginx haproxy own; do hold "$one" "0-$last"; done
compare memory "nginx haproxy own" "0-$last"
stop

tell
