# shellcheck shell=sh
# The programs that compare.sh compares: how they are started, what the kernel accounts to them, and rounds. It defines
# `asks PORT`, which says whether something answers there, and `measure QUANTITY PROXY CORES`, which takes samples.
rounds=${ROUNDS:-5}
# What the others are compared with.
reference=nginx
own=../target/release/tcp-proxy
ordinary=../target/bench/release/side_by_side
cores=$(nproc)
here=$PWD

fail() {
  echo "compare: $*" >&2
  exit 2
}

# Ends unless these programs are there, for which these packages are, and what make bench builds.
need() {
  for program in $1 taskset; do
    command -v "$program" >/dev/null || fail "no $program; on Debian: apt-get install $2 util-linux"
  done
  [ -x "$own" ] && [ -x "$ordinary" ] || fail "they are not built: run make bench"
  case $("$own" version) in
    *debug*) fail "$own is a debug build, of which nothing should be measured: cargo build --release" ;;
  esac
  [ "$cores" -ge 2 ] || fail "one core is not enough: the proxy has one for itself"
}

work=$(mktemp -d)
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

# Ends one of them before the others.
finish() {
  kill "$1"
  wait "$1" 2>/dev/null || true
}

answers() {
  for _ in $(seq 200); do
    if asks "$1"; then return; fi
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

quotient() { awk "BEGIN { print $1 / $2 }"; }

address_of() {
  case $1 in nginx) port=18081 ;; haproxy) port=18082 ;; own) port=18083 ;; ordinary) port=18084 ;; esac
  echo "127.0.0.1:$port"
}

# Starts a proxy with that many workers on these cores, by way of another program where one is named.
proxy() {
  one=$1 on=$3
  export WORKERS="$2"
  shift 3
  case $one in
    nginx) start "$on" "$@" nginx -p "$work" -c "$here/nginx.conf" -g "worker_processes $WORKERS; master_process $([ $# = 0 ] && echo on || echo off);" ;;
    haproxy) start "$on" "$@" haproxy -db -f haproxy.cfg ;;
    own)
      { echo "workers = $WORKERS" && cat own.toml; } >"$work/own.toml"
      start "$on" "$@" "$own" --config "$work/own.toml"
      ;;
    ordinary) start "$on" "$@" "$ordinary" "$(address_of ordinary)" 127.0.0.1:18080 "$WORKERS" ;;
  esac
  eval "pid_$one=$pid"
  answers "$(address_of "$one")"
}

pid_of() { eval "echo \$pid_$1"; }

# Adds to $work/samples: quantity, proxy, value. What is measured of one proxy only is `alone`.
sample() { echo "$1 $2 $3" >>"$work/samples"; }

# Rounds of a quantity, of these proxies, with the load on these cores. Each ends with the reference, as it began.
compare() {
  for _ in $(seq "$rounds"); do
    for one in $2 $reference; do measure "$1" "$one" "$3"; done
    printf . >&2
  done
}

# The table of all samples; what it ends with is the exit code.
tell() {
  echo >&2
  awk -v "reference=$reference" -f limits.awk -f table.awk "$work/samples"
}
