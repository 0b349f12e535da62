#!/bin/sh
# Starts an image without root, capabilities or a writable disk, uses it and stops it. Needs only Docker.
set -eu

image=$1
docker=${DOCKER:-docker}

# A volume, because nothing can be copied to a disk that is read-only.
container=$($docker create --volume /etc/tcp-proxy --read-only --cap-drop ALL --security-opt no-new-privileges "$image")
trap '$docker rm --force --volumes "$container" >/dev/null' EXIT
$docker cp "$(dirname "$0")/smoke.toml" "$container:/etc/tcp-proxy/config.toml" >/dev/null
$docker start "$container" >/dev/null
trap 'exit 1' HUP INT TERM

fail() {
    echo "smoke: $1" >&2
    $docker logs "$container" >&2
    exit 1
}

attempts=100
until $docker exec "$container" /tcp-proxy healthcheck >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || fail "not ready"
    sleep 0.1
done
$docker exec "$container" /tcp-proxy healthcheck http://127.0.0.1:8080/livez || fail "no answer"

$docker stop --time 35 "$container" >/dev/null
status=$($docker wait "$container")
[ "$status" -eq 0 ] || fail "exit status $status"
echo "smoke: ready, answered, drained"
