#!/bin/sh
# Starts an image without root, capabilities or a writable disk, uses it and stops it. Needs only Docker.
set -eu

image=$1
docker=${DOCKER:-docker}

container=$($docker run --detach --read-only --cap-drop ALL --security-opt no-new-privileges "$image")
trap '$docker rm --force --volumes "$container" >/dev/null' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "smoke: $1" >&2
    $docker logs "$container" >&2
    exit 1
}

attempts=100
until $docker exec "$container" /stream-ingest healthcheck >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || fail "not ready"
    sleep 0.1
done
attempts=100
until $docker logs "$container" 2>&1 | grep -q 'reading of a simulated device is acknowledged'; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || fail "no reading is acknowledged"
    sleep 0.1
done

$docker stop --time 35 "$container" >/dev/null
status=$($docker wait "$container")
[ "$status" -eq 0 ] || fail "exit status $status"
echo "smoke: ready, answered, drained"
