#!/bin/sh
# Calls the service on 127.0.0.1 as its clients do: over gRPC with grpcurl, which asks for the schema by reflection,
# and over connect with curl.
set -eu

address=127.0.0.1:8080
service=telemetry.v1.ReadingService
reading='{"readings":[{"device":"smoke","epoch":1,"sequence":1,"measuredAt":"2026-11-18T11:06:41.250Z","value":0}]}'

grpc() { grpcurl -plaintext "$@" 2>&1; }
json() { curl --silent -H 'Content-Type: application/json' --data "$2" "http://$address/$service/$1"; }

# Where JSON made of Protobuf has spaces is another matter with every build.
expect() {
    case $(echo "$3" | tr -d '[:space:]') in
    *"$2"*) ;;
    *) echo "$1: no $2 in $3" >&2 && exit 1 ;;
    esac
}

expect reflection "$service" "$(grpc "$address" list)"
expect health '"SERVING"' "$(grpc "$address" grpc.health.v1.Health/Check)"
expect gRPC '"accepted":1' "$(grpc -d "$reading" "$address" $service/AddReadings)"
expect JSON '{"duplicates":1}' "$(json AddReadings "$reading")"
expect JSON '"readings":"1"' "$(json GetDevice '{"device":"smoke"}')"
expect 'error of gRPC' 'Code:NotFound' "$(grpc -d '{"device":"nobody"}' "$address" $service/GetDevice)"
expect 'details of gRPC' '"field":"device"' "$(grpc -d '{"device":"-"}' "$address" $service/GetDevice)"
expect 'error as JSON' '"code":"not_found"' "$(json GetDevice '{"device":"nobody"}')"
