//! What holds for every frame, however it is cut up and whatever is done to it.

use app::cobs::{Decoder, Encoder};
use app::command;
use app::wire::{Damage, Frame, Header, Writer};
use proptest::prelude::*;

const START: usize = 20 + 4;

fn encoded(kind: u8, device: u32, epoch: u64, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Writer::<128>::new();
    frame.start(&Header { kind, device, epoch, sequence });
    for &byte in body {
        frame.put_u8(byte);
    }
    frame.seal();
    frame.encoded().to_vec()
}

/// The kinds that arrive, and how many blocks are no frames.
fn received(bytes: &[u8]) -> (Vec<(u8, u32)>, usize) {
    let mut decoder = Decoder::<START>::new();
    let (mut frames, mut bad) = (Vec::new(), 0);
    for &byte in bytes {
        if let Some(block) = decoder.push(byte) {
            match block.and_then(|block| Frame::parse(block, command::body_length)) {
                Ok(frame) => frames.push((frame.header.kind, frame.header.sequence)),
                Err(_) => bad += 1,
            }
        }
    }
    (frames, bad)
}

proptest! {
    #[test]
    fn blocks_survive_cobs(block in proptest::collection::vec(any::<u8>(), 0..=254)) {
        let mut encoder = Encoder::<300>::new();
        encoder.open();
        for &byte in &block {
            encoder.encode(byte);
        }
        encoder.close();
        let (&delimiter, code) = encoder.encoded().split_last().unwrap();
        prop_assert_eq!(delimiter, 0);
        prop_assert!(!code.contains(&0));
        let mut decoder = Decoder::<254>::new();
        for &byte in code {
            prop_assert!(decoder.push(byte).is_none());
        }
        prop_assert_eq!(decoder.push(0), Some(Ok(&block[..])));
    }

    #[test]
    fn headers_survive_the_wire(
        kind in command::WELCOME..=command::GET_VERSION,
        device: u32,
        epoch: u64,
        sequence: u32,
        body: [u8; 4],
    ) {
        let body = &body[..command::body_length(kind).unwrap()];
        let bytes = encoded(kind, device, epoch, sequence, body);
        let mut decoder = Decoder::<START>::new();
        let (_, code) = bytes.split_last().unwrap();
        for &byte in code {
            prop_assert!(decoder.push(byte).is_none());
        }
        let block = decoder.push(0).unwrap().unwrap();
        let header = Header { kind, device, epoch, sequence };
        prop_assert_eq!(Frame::parse(block, command::body_length), Ok(Frame { header, body }));
    }

    #[test]
    fn damage_never_passes_for_a_frame(
        sequence: u32, bit in 0..20_usize * 8, second in 0..20_usize * 8,
    ) {
        let mut bytes = encoded(command::ACK, 1, 2, sequence, &[]);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if second != bit {
            bytes[second / 8] ^= 1 << (second % 8);
        }
        let (frames, _) = received(&bytes);
        prop_assert_eq!(frames, []);
    }

    #[test]
    fn the_frame_after_noise_and_a_delimiter_arrives(
        noise in proptest::collection::vec(any::<u8>(), 0..400), sequence: u32,
    ) {
        let mut bytes = noise;
        bytes.push(0);
        let (_, bad) = received(&bytes);
        bytes.extend(encoded(command::ACK, 1, 2, sequence, &[]));
        let (frames, bad_in_all) = received(&bytes);
        prop_assert_eq!(frames.last(), Some(&(command::ACK, sequence)));
        prop_assert_eq!(bad_in_all, bad);
    }
}

#[test]
fn a_block_is_bad_once_however_long() {
    for length in 1..2_000 {
        let mut bytes = vec![1; length];
        bytes.push(0);
        assert_eq!(received(&bytes), (vec![], 1), "{length}");
    }
}

#[test]
fn empty_blocks_are_nothing() {
    assert_eq!(received(&[0, 0, 0]), (vec![], 0));
}

#[test]
fn a_block_that_ends_inside_a_group_is_told_from_one_that_is_short() {
    let mut decoder = Decoder::<START>::new();
    assert!(decoder.push(3).is_none());
    assert_eq!(decoder.push(0), Some(Err(Damage::Cobs)));
    assert!(decoder.push(1).is_none());
    assert_eq!(decoder.push(0), Some(Ok(&[][..])));
}
