//! Whatever bytes come, cut wherever: as many outcomes as there are blocks between zeros, each frame that is found
//! is the one that its block says by rules that are written anew here, and a decoder starts afresh behind each.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service::ingest::decoder::Decoder;

fuzz_target!(|input: (&[u8], usize)| {
    let (bytes, cut) = input;
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
    for mut piece in [first, second] {
        frames.extend(std::iter::from_fn(|| decoder.next(&mut piece)));
    }
    let (whole, _open) =
        bytes.split_at(bytes.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1));
    let blocks: Vec<_> = whole.split(|byte| *byte == 0).filter(|block| !block.is_empty()).collect();
    assert_eq!(frames.len(), blocks.len());
    for (frame, block) in frames.iter().zip(blocks) {
        match (frame, unstuffed(block)) {
            (Ok(frame), Some(raw)) => {
                assert_eq!(raw[2..6], frame.device.to_le_bytes());
                assert_eq!(raw[6..14], frame.epoch.to_le_bytes());
                assert_eq!(raw[14..18], frame.sequence.to_le_bytes());
                let mut again = Vec::new();
                frame.encode(&mut again);
                assert_eq!(unstuffed(&again[..again.len() - 1]), Some(raw));
            }
            (Ok(frame), None) => panic!("{frame:?} of {block:x?}"),
            (Err(_), _) => {}
        }
    }
});

/// COBS undone, of what is as long as a frame may be.
fn unstuffed(block: &[u8]) -> Option<Vec<u8>> {
    let (mut raw, mut rest) = (Vec::new(), block);
    while let Some((&code, after)) = rest.split_first() {
        let (group, others) = after.split_at_checked(usize::from(code).checked_sub(1)?)?;
        raw.extend(group);
        if code < 255 && !others.is_empty() {
            raw.push(0);
        }
        rest = others;
    }
    (20..=64).contains(&raw.len()).then_some(raw)
}
