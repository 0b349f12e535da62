#!/bin/sh
# Starts an image without root, capabilities or a writable disk, uses it and stops it. Needs only Docker.
set -eu

image=$1
docker=${DOCKER:-docker}

container=$($docker run --detach --read-only --cap-drop ALL --security-opt no-new-privileges "$image")
trap '$docker rm --force "$container" >/dev/null' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "smoke: $1" >&2
    $docker logs "$container" >&2
    exit 1
}

attempts=100
until $docker exec "$container" /event-worker healthcheck >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || fail "not ready"
    sleep 0.1
done
call=v1/aggregates
$docker exec "$container" /event-worker healthcheck "http://127.0.0.1:9090/$call" || fail "no answer"

$docker stop -t 35 "$container" >/dev/null
status=$($docker wait "$container")
[ "$status" -eq 0 ] || fail "exit status $status"
echo "smoke: ready, answered, drained"
