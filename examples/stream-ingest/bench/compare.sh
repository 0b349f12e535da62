#!/bin/sh
# Measures what is built beside the ordinary way, as README.md says. Exit code 1 when a limit is exceeded, 2 when
# something could not be measured.
set -eu
cd "$(dirname "$0")"
# shellcheck source=bench/processes.sh
. ./processes.sh
load=../target/bench/release/load
devices=${DEVICES:-1000}
seconds=${SECONDS_EACH:-5}
rate=${RATE:-10}

need prlimit ''

# Each device and each connection takes a descriptor.
descriptors=$(prlimit --pid $$ --nofile --noheadings --raw --output=HARD)
prlimit --pid $$ --nofile="$descriptors"
[ "$descriptors" -gt $((devices + 100)) ] || fail "$descriptors descriptors are not enough for $devices devices"

asks() { "$load" ask "$1" 2>/dev/null; }

measure() {
  pid=$(pid_of "$2")
  time=$(busy "$pid") count=$(switches "$pid")
  case $1 in
    full)
      told=$(taskset -c "$3" "$load" full "$(address_of "$2")" "$devices" "$seconds") || fail "$2 did not acknowledge all"
      readings=${told% *}
      sample reading "$2" "$(quotient $(($(busy "$pid") - time)) "$readings")"
      sample switches "$2" "$(quotient $(($(switches "$pid") - count)) "$readings")"
      sample rate "$2" "${told#* }"
      sample memory "$2" "$(peak "$pid")"
      ;;
    even)
      told=$(taskset -c "$3" "$load" even "$(address_of "$2")" "$devices" "$rate" "$seconds") || fail "$2 did not acknowledge all"
      # shellcheck disable=SC2086 # four numbers
      note "$2" $told
      ;;
  esac
}

# What was said of a load that is even: how many readings, and the times.
note() {
  sample even "$1" "$(quotient $(($(busy "$pid") - time)) "$2")"
  sample p50 "$1" "$3"
  sample p99 "$1" "$4"
  sample p999 "$1" "$5"
  [ "$1" != own ] || sample tail alone "$(quotient "$4" "$3")"
}

# The program, its load and the API together have all cores.
whole() {
  told=$(taskset -c "0-$last" "$load" full "$(address_of own)" "$devices" "$seconds") || fail "own did not acknowledge all"
  sample whole alone "$(quotient 1000000 "${told#* }")"
}

last=$((cores - 1))
start "1-$last" "$load" serve 127.0.0.1:18080
for one in own ordinary; do proxy "$one" 1 0; done
compare full "ordinary own" "1-$last"
compare even "ordinary own" "1-$last"
stop

start "0-$last" "$load" serve 127.0.0.1:18080
proxy own 2 "0-$last"
for _ in $(seq "$rounds"); do whole; done
stop

tell
