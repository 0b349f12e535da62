#!/bin/sh
# The gateway beside nginx, haproxy and the ordinary way in Rust: processor time, memory, tails. See README.md.
set -eu
cd "$(dirname "$0")"
rounds=${ROUNDS:-5}
requests=${REQUESTS:-50000}
gateway=${GATEWAY:-../target/release/gateway}
ordinary=${ORDINARY:-../target/bench/release/side_by_side}

fail() {
  echo "compare: $*" >&2
  exit 2
}

for program in nginx haproxy h2load taskset; do
  command -v "$program" >/dev/null || fail "no $program; on Debian: apt-get install nginx haproxy nghttp2-client util-linux valgrind"
done
case $("$gateway" version) in
  *debug*) fail "$gateway is a debug build, of which nothing should be measured: cargo build --release" ;;
esac
cores=$(nproc)
[ "$cores" -ge 2 ] || fail "one core is not enough: the proxy has one for itself"

work=$(mktemp -d)
here=$PWD
started=''
stop() {
  # shellcheck disable=SC2086 # a list of process ids
  [ -z "$started" ] || kill $started 2>/dev/null || true
  wait
  started=''
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Starts a program in the background, on these cores; its process id is in $pid.
start() {
  on=$1
  shift
  log=$(mktemp -p "$work")
  taskset -c "$on" "$@" >"$log" 2>&1 &
  pid=$!
  started="$started $pid"
}

answers() {
  for _ in $(seq 200); do
    if h2load --h1 -n1 -c1 "http://127.0.0.1:$1/" 2>/dev/null | grep -q ' 1 2xx'; then return; fi
    kill -0 "$pid" 2>/dev/null || fail "what should listen on port $1 has ended: $(cat "$log")"
    sleep 0.05
  done
  fail "nothing answers on port $1: $(cat "$log")"
}

# A process and its children.
family() { echo "$1" "$(cat "/proc/$1/task/$1/children")"; }

# Nanoseconds on a processor, of a process with its threads and children.
busy() { for one in $(family "$1"); do cat "/proc/$one"/task/*/schedstat; done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }

switches() { for one in $(family "$1"); do cat "/proc/$one"/task/*/status; done | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }

# Bytes that are its own, with its share of what is shared.
memory() { for one in $(family "$1"); do cat "/proc/$one/smaps_rollup"; done | awk '/^Pss:/ { sum += $2 } END { printf "%.0f\n", 1024 * sum }'; }

port_of() {
  case $1 in nginx) echo 18081 ;; haproxy) echo 18082 ;; gateway) echo 18083 ;; ordinary) echo 18084 ;; esac
}

# Starts a proxy with that many workers on these cores, by way of another program where one is named.
proxy() {
  one=$1 on=$3
  export WORKERS="$2"
  shift 3
  case $one in
    nginx) start "$on" "$@" nginx -p "$work" -c "$here/nginx.conf" -g "worker_processes $WORKERS; master_process $([ $# = 0 ] && echo on || echo off);" ;;
    haproxy) start "$on" "$@" haproxy -db -f haproxy.cfg ;;
    gateway)
      { echo "workers = $WORKERS" && cat gateway.toml; } >"$work/gateway.toml"
      start "$on" "$@" "$gateway" --config "$work/gateway.toml"
      ;;
    ordinary) start "$on" "$@" "$ordinary" 127.0.0.1:18084 127.0.0.1:18080 "$WORKERS" ;;
  esac
  eval "pid_$one=$pid"
  answers "$(port_of "$one")"
}

pid_of() { eval "echo \$pid_$1"; }

load() {
  said=$(taskset -c "$1" h2load --h1 -c "$2" -n "$3" "http://127.0.0.1:$(port_of "$4")/")
  echo "$said" | grep -q " $3 2xx" || fail "$4 did not answer all: $said"
}

# Adds to $work/samples: quantity, proxy, value. Of nginx there are two, for a round ends with it as it began.
sample() { echo "$1 $2 $3" >>"$work/samples"; }

# processor time and switches of a request: with that name, of a proxy, under load from these cores
measure() {
  pid=$(pid_of "$2")
  time=$(busy "$pid") count=$(switches "$pid")
  load "$3" 64 "$requests" "$2"
  sample "$1" "$2" $((($(busy "$pid") - time) / requests))
  sample "$1-switches" "$2" "$(awk "BEGIN { print ($(switches "$pid") - $count) / $requests }")"
}

compare() {
  name=$1 proxies=$2 from=$3
  for one in $proxies; do load "$from" 64 "$requests" "$one"; done
  for _ in $(seq "$rounds"); do
    for one in $proxies nginx; do measure "$name" "$one" "$from"; done
    printf . >&2
  done
}

# p99 in µs at that many requests in a second
tail_of() {
  rm -f "$work/requests"
  taskset -c "$1" h2load --h1 -c 64 --rps "$(($2 / 64))" -D 4 --log-file="$work/requests" \
    "http://127.0.0.1:$(port_of "$3")/" >/dev/null
  cut -f 3 "$work/requests" | sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }'
}

tails() {
  said=$(taskset -c "$1" h2load --h1 -c 64 -D 4 "http://127.0.0.1:$(port_of nginx)/")
  half=$(echo "$said" | awk '/^finished in/ { printf "%d", $4 / 2 }')
  for _ in $(seq "$rounds"); do
    for one in nginx haproxy gateway nginx; do sample tail "$one" "$(tail_of "$1" "$half" "$one")"; done
    printf . >&2
  done
}

memories() {
  for _ in $(seq "$rounds"); do
    for one in nginx haproxy gateway nginx; do
      load "$1" 256 "$requests" "$one"
      sample memory "$one" "$(memory "$(pid_of "$one")")"
    done
    printf . >&2
  done
}

# Instructions outside of the kernel for a request: what 2 000 more of them add under valgrind.
instructions_of() {
  for count in 1000 3000; do
    proxy "$1" 1 0 valgrind --tool=callgrind --callgrind-out-file=/dev/null
    load 1 8 $count "$1"
    kill "$pid"
    wait "$pid" || true
    eval "after_$count=$(awk '/Collected/ { print $4 }' "$log")"
  done
  # shellcheck disable=SC2154 # set by eval
  sample instructions "$1" $(((after_3000 - after_1000) / 2000))
}

instructions() {
  command -v valgrind >/dev/null || return 0
  upstream 1
  for one in nginx gateway nginx; do instructions_of "$one"; done
  stop
}

upstream() {
  start "$1" nginx -p "$work" -c "$here/upstream.conf"
  answers 18080
}

last=$((cores - 1))
upstream "1-$last"
for one in nginx haproxy gateway ordinary; do proxy "$one" 1 0; done
compare one "nginx haproxy gateway ordinary" "1-$last"
tails "1-$last"
stop

upstream "0-$last"
for one in nginx haproxy gateway; do proxy "$one" 2 0-1; done
compare two "nginx haproxy gateway" "0-$last"
memories "0-$last"
stop

instructions
echo >&2
awk -f table.awk "$work/samples"
