//! Frames that come in pieces, between bytes of any kind: what is read does not depend on how they are cut.

#![expect(clippy::indexing_slicing, reason = "a test ends where something unexpected happens")]

mod cases;
mod support;

use std::io::{Read, Write};
use std::net::Shutdown;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use stream_ingest::ingest::decoder::Decoder;
use stream_ingest::ingest::frame::{Body, Damage, Frame};

use cases::runner;
use support::device::{Device, hello, reading};
use support::{Upstream, metric, serves, start_before, until};

/// What a decoder makes of pieces.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Frame, Damage>> {
    let mut decoder = Decoder::default();
    let mut outcomes = Vec::new();
    for mut piece in pieces {
        outcomes.extend(std::iter::from_fn(|| decoder.next(&mut piece)));
    }
    outcomes
}

/// Cuts bytes at these places.
fn cut(bytes: &[u8], places: &[Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let ends = places.iter().copied().chain([bytes.len()]);
    let begins = [0].into_iter().chain(places.iter().copied());
    begins.zip(ends).map(|(begin, end)| bytes[begin..end].to_vec()).collect()
}

/// Something between two delimiters: whether it is a frame, and its bytes.
fn block() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let noise = vec(1_u8.., 1..150).prop_map(|bytes| (false, [bytes, vec![0]].concat()));
    let good = (any::<u32>(), 1_u64.., 1..u32::MAX)
        .prop_map(|(device, epoch, number)| (true, reading(device, epoch, number, number)));
    let greeting = any::<u32>().prop_map(|device| (true, hello(device)));
    prop_oneof![noise, good, greeting]
}

#[test]
fn each_block_is_a_frame_or_counted_once_however_the_bytes_are_cut() {
    let cases = (vec(block(), 0..12), vec(any::<Index>(), 0..20));
    let outcome = runner(512).run(&cases, |(blocks, places)| {
        let bytes: Vec<_> = blocks.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let pieces = cut(&bytes, &places);
        let outcomes = decode(pieces.iter().map(Vec::as_slice));
        let found: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        let sent: Vec<_> = blocks.iter().map(|(is_frame, _)| *is_frame).collect();
        prop_assert_eq!(found, sent);
        prop_assert_eq!(outcomes, decode([bytes.as_slice()]));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn whatever_frame_is_written_is_read_again() {
    let reply = (any::<u8>(), any::<u8>(), any::<u32>())
        .prop_map(|(command, result, value)| Body::Reply { command, result, value });
    let epitaph = (any::<[u32; 4]>(), any::<u8>(), any::<u16>()).prop_map(
        |([pc, lr, sp, cfsr], cause, boots)| Body::Epitaph { cause, pc, lr, sp, cfsr, boots },
    );
    let cases = (any::<u32>(), any::<u64>(), any::<u32>(), prop_oneof![reply, epitaph]);
    let outcome = runner(512).run(&cases, |(device, epoch, sequence, body)| {
        let frame = Frame { device, epoch, sequence, body };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        prop_assert_eq!(bytes.iter().position(|byte| *byte == 0), Some(bytes.len() - 1));
        prop_assert_eq!(decode([bytes.as_slice()]), [Ok(frame)]);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn two_hundred_connections_of_any_bytes_are_answered_nothing_and_harm_nobody() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "workers = 2");
    let outcome = runner(200).run(&vec(any::<u8>(), 1..4_000), |bytes| {
        let mut stream = Device::connect(service.address, 0).client.stream;
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        prop_assert_eq!(answer, b"");
        Ok(())
    });
    outcome.unwrap();
    until(|| metric(&service, "connections") == 0);
    assert_eq!(metric(&service, "panics_total"), 0);
    assert!(metric(&service, "bad_frames_total") > 200);
    assert!(serves(service.address));
}

#[test]
fn readings_that_come_in_pieces_are_stored_like_any_others() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let outcome = runner(16).run(&vec(any::<Index>(), 0..30), |places| {
        let mut device = Device::connect(service.address, 42);
        let epoch = device.hello();
        let bytes: Vec<_> = (1..=5).flat_map(|it| reading(42, epoch, it, 1)).collect();
        for piece in cut(&bytes, &places) {
            device.send(&piece);
        }
        while device.acknowledged(epoch) < 5 {}
        Ok(())
    });
    outcome.unwrap();
    let mut sent = upstream.sequences("0000002a");
    sent.sort_unstable();
    let expected: Vec<_> = (1..=5).flat_map(|sequence| [sequence; 16]).collect();
    assert_eq!(sent, expected);
}
