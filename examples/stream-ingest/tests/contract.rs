//! The vectors that all programs of the link share: devices' frames are read as what they say, what devices are
//! sent is written as they expect it, and what is malformed is dropped.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use serde_json::Value;

use stream_ingest::ingest::decoder::Decoder;
use stream_ingest::ingest::frame::{Body, Damage, Frame, Order};
use stream_ingest::ingest::stuffing::check_of;

fn vectors(list: &str) -> Vec<Value> {
    let text = include_str!("../testdata/contract/frames.json");
    let all: Value = serde_json::from_str(text).unwrap();
    all[list].as_array().unwrap().clone()
}

fn bytes(field: &Value) -> Vec<u8> {
    let digits = field.as_str().unwrap();
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn number<T: TryFrom<i128, Error: std::fmt::Debug>>(field: &Value) -> T {
    let number = field.as_i64().map(i128::from).or(field.as_u64().map(i128::from));
    T::try_from(number.unwrap()).unwrap()
}

/// What a decoder makes of bytes, frame by frame.
fn decode(encoded: &[u8]) -> Vec<Result<Frame, Damage>> {
    let (mut decoder, mut rest) = (Decoder::default(), encoded);
    std::iter::from_fn(|| decoder.next(&mut rest)).collect()
}

fn body(kind: &str, body: &Value) -> Body {
    match kind {
        "hello" => Body::Hello {
            uptime_ms: number(&body["uptime_ms"]),
            reset_cause: number(&body["reset_cause"]),
            version: ["major", "minor", "patch"].map(|part| number(&body[part])),
        },
        "reading" => Body::Reading {
            elapsed_ms: number(&body["elapsed_ms"]),
            value: number(&body["value"]),
            base: number(&body["base"]),
        },
        "status" => Body::Status {
            mode: number(&body["mode"]),
            period_ms: number(&body["period_ms"]),
            queued: number(&body["queued"]),
            dropped: number(&body["dropped"]),
            bad_frames: number(&body["bad_frames"]),
        },
        "epitaph" => Body::Epitaph {
            cause: number(&body["cause"]),
            pc: number(&body["pc"]),
            lr: number(&body["lr"]),
            sp: number(&body["sp"]),
            cfsr: number(&body["cfsr"]),
            boots: number(&body["boots"]),
        },
        "reply" => Body::Reply {
            command: number(&body["command"]),
            result: number(&body["result"]),
            value: number(&body["value"]),
        },
        other => panic!("no such frame comes up: {other}"),
    }
}

#[test]
fn checks_are_as_the_contract_has_them() {
    for case in vectors("crc") {
        assert_eq!(
            check_of(&bytes(&case["data"])),
            number::<u16>(&case["crc"]),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn frames_of_devices_say_what_they_say() {
    for case in vectors("frames").iter().filter(|case| case["direction"] == "up") {
        let expected = Frame {
            device: number(&case["device"]),
            epoch: number(&case["epoch"]),
            sequence: number(&case["sequence"]),
            body: body(case["kind_name"].as_str().unwrap(), &case["body"]),
        };
        assert_eq!(decode(&bytes(&case["encoded"])), [Ok(expected)], "{}", case["name"]);
        assert_eq!(Frame::parse(&bytes(&case["raw"])), Ok(expected), "{}", case["name"]);
    }
}

#[test]
fn devices_are_sent_what_they_expect() {
    let mut tried = 0;
    for case in vectors("frames").iter().filter(|case| case["direction"] == "down") {
        let order = match case["kind_name"].as_str().unwrap() {
            "welcome" => Order::Welcome,
            "ack" => Order::Ack { sequence: number(&case["sequence"]) },
            "start" => Order::Start { period_ms: number(&case["body"]["period_ms"]) },
            // Operators send the others.
            _ => continue,
        };
        let mut out = vec![7];
        order.encode(number(&case["device"]), number(&case["epoch"]), &mut out);
        assert_eq!(out[1..], bytes(&case["encoded"]), "{}", case["name"]);
        tried += 1;
    }
    assert!(tried >= 7, "{tried} frames");
}

#[test]
fn what_is_malformed_is_dropped_once_and_harms_nothing_behind_it() {
    let cases = vectors("malformed");
    let cases: Vec<_> = cases.iter().filter(|case| case["listener"] == "ingest").collect();
    assert!(cases.len() > 20);
    let hello = vectors("frames").remove(0);
    let good = decode(&bytes(&hello["encoded"])).remove(0);
    for case in cases {
        let damage = match case["reason"].as_str().unwrap() {
            "cobs" => Damage::Cobs,
            "length" => Damage::Length,
            "crc" => Damage::Check,
            "version" => Damage::Version,
            "kind" => Damage::Kind,
            "body_length" => Damage::BodyLength,
            "reading" => Damage::Reading,
            other => panic!("no such reason: {other}"),
        };
        let encoded = [bytes(&case["block"]), vec![0, 0], bytes(&hello["encoded"])].concat();
        assert_eq!(decode(&encoded), [Err(damage), good], "{}", case["name"]);
    }
}

#[test]
fn blocks_of_any_length_end_where_they_end() {
    for case in vectors("cobs") {
        // None of them is a frame.
        let encoded = [bytes(&case["encoded"]), vec![0]].concat();
        let outcome = decode(&encoded);
        assert!(matches!(outcome[..], [Err(_)]), "{}: {outcome:?}", case["name"]);
    }
}
