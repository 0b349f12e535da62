#!/bin/sh
# The gateway beside nginx, haproxy and the ordinary way in Rust: processor time, memory, tails. See README.md.
set -eu
cd "$(dirname "$0")"
# shellcheck source=bench/processes.sh
. ./processes.sh
requests=${REQUESTS:-50000}
need "nginx haproxy h2load" "nginx haproxy nghttp2-client valgrind"

asks() { h2load --h1 -n1 -c1 "http://$1/" 2>/dev/null | grep -q ' 1 2xx'; }

# So many requests over so many connections, from these cores.
load() {
  said=$(taskset -c "$1" h2load --h1 -c "$2" -n "$3" "http://$(address_of "$4")/")
  echo "$said" | grep -q " $3 2xx" || fail "$4 did not answer all: $said"
}

measure() {
  pid=$(pid_of "$2")
  case $1 in
    one | two)
      time=$(busy "$pid") count=$(switches "$pid")
      load "$3" 64 "$requests" "$2"
      sample "$1" "$2" $((($(busy "$pid") - time) / requests))
      [ "$1 $2" != "one own" ] || sample switches alone "$(quotient $(($(switches "$pid") - count)) "$requests")"
      ;;
    tail) sample tail "$2" "$(tail_of "$2" "$3")" ;;
    memory)
      load "$3" 256 "$requests" "$2"
      sample memory "$2" "$(memory "$pid")"
      ;;
  esac
}

# p99 in µs at half of what nginx can do in a second.
tail_of() {
  rm -f "$work/requests"
  taskset -c "$2" h2load --h1 -c 64 --rps "$((half / 64))" -D 4 --log-file="$work/requests" \
    "http://$(address_of "$1")/" >/dev/null
  cut -f 3 "$work/requests" | sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }'
}

# Instructions outside of the kernel for a request: what 2 000 more of them add under valgrind.
instructions_of() {
  for count in 1000 3000; do
    proxy "$1" 1 0 valgrind --tool=callgrind --callgrind-out-file=/dev/null
    load 1 8 $count "$1"
    finish "$pid"
    eval "after_$count=$(awk '/Collected/ { print $4 }' "$log")"
  done
  # shellcheck disable=SC2154 # set by eval
  sample instructions "$1" $(((after_3000 - after_1000) / 2000))
}

instructions() {
  command -v valgrind >/dev/null || return 0
  upstream 1
  for one in nginx own nginx; do instructions_of "$one"; done
  stop
}

upstream() {
  start "$1" nginx -p "$work" -c "$here/upstream.conf"
  answers 127.0.0.1:18080
}

# Starts these proxies with so many workers, and has each do what will be measured once.
warm() {
  for one in $1; do proxy "$one" "$2" "$3"; done
  for one in $1; do load "$4" 64 "$requests" "$one"; done
}

last=$((cores - 1))
upstream "1-$last"
warm "nginx haproxy own ordinary" 1 0 "1-$last"
compare one "nginx haproxy own ordinary" "1-$last"
half=$(taskset -c "1-$last" h2load --h1 -c 64 -D 4 "http://$(address_of nginx)/" | awk '/^finished in/ { printf "%d", $4 / 2 }')
compare tail "nginx haproxy own" "1-$last"
stop

upstream "0-$last"
warm "nginx haproxy own" 2 0-1 "0-$last"
compare two "nginx haproxy own" "0-$last"
compare memory "nginx haproxy own" "0-$last"
stop

instructions
tell
