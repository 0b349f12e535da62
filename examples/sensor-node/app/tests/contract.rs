//! The vectors that all programs of the link share: the codec gives them, and takes them.

use std::num::NonZeroU64;

use app::cobs::{Decoder, Encoder};
use app::command::{self, Command};
use app::crc::Crc;
use app::epitaph::{Cause, Epitaph, Registers};
use app::report::{self, Mode, Outgoing, Status};
use app::wire::{Damage, Frame, Header};
use serde_json::Value;

fn vectors(list: &str) -> Vec<Value> {
    let text = include_str!("../../testdata/contract/frames.json");
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

fn cause(field: &Value) -> Cause {
    [Cause::Power, Cause::Pin, Cause::Watchdog, Cause::Fault, Cause::Panic, Cause::Software]
        [number::<usize>(field)]
}

fn mode(field: &Value) -> Mode {
    [Mode::Idle, Mode::Streaming, Mode::Fault][number::<usize>(field)]
}

/// The block that a decoder of `N` bytes makes of `encoded`.
fn decode<const N: usize>(encoded: &[u8]) -> Option<Result<Vec<u8>, Damage>> {
    let mut decoder = Decoder::<N>::new();
    let mut blocks = Vec::new();
    for &byte in encoded.iter().chain(&[0]) {
        blocks.extend(decoder.push(byte).map(|block| block.map(<[u8]>::to_vec)));
    }
    assert!(blocks.len() <= 1);
    blocks.pop()
}

#[test]
fn checksums() {
    for case in vectors("crc") {
        assert_eq!(Crc::of(&bytes(&case["data"])), number::<u16>(&case["crc"]), "{}", case["name"]);
    }
}

#[test]
fn cobs_encodes() {
    for case in vectors("cobs").iter().filter(|case| case["decode_only"] == false) {
        let mut block = Encoder::<1024>::new();
        block.open();
        for byte in bytes(&case["decoded"]) {
            block.encode(byte);
        }
        block.close();
        let (&delimiter, encoded) = block.encoded().split_last().unwrap();
        assert_eq!((encoded, delimiter), (&*bytes(&case["encoded"]), 0), "{}", case["name"]);
    }
}

#[test]
fn cobs_decodes_what_fits() {
    for case in vectors("cobs") {
        let decoded = bytes(&case["decoded"]);
        let expected = if decoded.len() <= 254 { Ok(decoded) } else { Err(Damage::Length) };
        assert_eq!(decode::<254>(&bytes(&case["encoded"])), Some(expected), "{}", case["name"]);
    }
}

#[test]
fn the_device_writes_its_frames() {
    for case in vectors("frames").iter().filter(|case| case["direction"] == "up") {
        let body = &case["body"];
        let mut frame = Outgoing::new();
        frame.start(&Header {
            kind: number(&case["kind"]),
            device: number(&case["device"]),
            epoch: number(&case["epoch"]),
            sequence: number(&case["sequence"]),
        });
        match case["kind_name"].as_str().unwrap() {
            "hello" => report::hello(
                &mut frame,
                number(&body["uptime_ms"]),
                cause(&body["reset_cause"]),
                [number(&body["major"]), number(&body["minor"]), number(&body["patch"])],
            ),
            "reading" => report::reading(
                &mut frame,
                number(&body["elapsed_ms"]),
                number(&body["value"]),
                number(&body["base"]),
            ),
            "status" => report::status(
                &mut frame,
                &Status {
                    mode: mode(&body["mode"]),
                    period_ms: number(&body["period_ms"]),
                    queued: number(&body["queued"]),
                    dropped: number(&body["dropped"]),
                    bad_frames: number(&body["bad_frames"]),
                },
            ),
            "epitaph" => report::epitaph(
                &mut frame,
                &Epitaph {
                    cause: cause(&body["cause"]),
                    registers: Registers {
                        pc: number(&body["pc"]),
                        lr: number(&body["lr"]),
                        sp: number(&body["sp"]),
                        cfsr: number(&body["cfsr"]),
                    },
                    boots: number(&body["boots"]),
                },
            ),
            "reply" => report::reply(
                &mut frame,
                number(&body["command"]),
                number::<u8>(&body["result"]) == 0,
                number(&body["value"]),
            ),
            other => panic!("no such frame goes up: {other}"),
        }
        frame.seal();
        assert_eq!(frame.encoded(), bytes(&case["encoded"]), "{}", case["name"]);
    }
}

#[test]
fn the_device_reads_its_commands() {
    for case in vectors("frames").iter().filter(|case| case["direction"] == "down") {
        let encoded = bytes(&case["encoded"]);
        let (_delimiter, encoded) = encoded.split_last().unwrap();
        let block = decode::<{ command::LONGEST }>(encoded).unwrap().unwrap();
        assert_eq!(block, bytes(&case["raw"]), "{}", case["name"]);
        let frame = Frame::parse(&block, command::body_length).unwrap();
        assert_eq!(frame.header.device, number::<u32>(&case["device"]), "{}", case["name"]);
        let (epoch, sequence) = (number(&case["epoch"]), number(&case["sequence"]));
        let expected = match case["kind_name"].as_str().unwrap() {
            "welcome" => Command::Welcome { epoch: NonZeroU64::new(epoch).unwrap() },
            "ack" => Command::Ack { epoch, sequence },
            "start" => Command::Start { period_ms: number(&case["body"]["period_ms"]) },
            "stop" => Command::Stop,
            "ping" => Command::Ping,
            "get_status" => Command::GetStatus,
            "get_version" => Command::GetVersion,
            other => panic!("no such frame goes down: {other}"),
        };
        assert_eq!(Command::parse(&frame), Some(expected), "{}", case["name"]);
    }
}

#[test]
fn the_device_refuses_what_is_malformed() {
    let cases = vectors("malformed");
    let cases: Vec<_> = cases.iter().filter(|case| case["listener"] == "device").collect();
    assert!(cases.len() > 20);
    for case in cases {
        let reason = match case["reason"].as_str().unwrap() {
            "cobs" => Damage::Cobs,
            "length" => Damage::Length,
            "crc" => Damage::Crc,
            "version" => Damage::Version,
            "kind" => Damage::Kind,
            "body_length" => Damage::BodyLength,
            other => panic!("no such reason: {other}"),
        };
        let block = decode::<128>(&bytes(&case["block"])).unwrap();
        let damage = block
            .and_then(|block| Frame::parse(&block, command::body_length).map(|_| ()))
            .unwrap_err();
        assert_eq!(damage, reason, "{}", case["name"]);
    }
}
