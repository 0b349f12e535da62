//! The body of a request: readings as the API takes them, written without a value in between.

use bytes::BufMut;

use super::date;
use super::reading::Reading;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `{"readings":[…]}`, with each reading as `reading` writes it.
pub fn write<'a>(readings: impl Iterator<Item = &'a Reading>, body: &mut impl BufMut) {
    body.put_slice(b"{\"readings\":[");
    for (number, one) in readings.enumerate() {
        if number > 0 {
            body.put_u8(b',');
        }
        reading(one, body);
    }
    body.put_slice(b"]}");
}

/// One reading: its device as eight hexadecimal digits, its value in the unit.
pub fn reading(reading: &Reading, body: &mut impl BufMut) {
    body.put_slice(b"{\"device\":\"");
    let mut hex = [0; 8];
    for (place, digit) in hex.iter_mut().rev().enumerate() {
        let nibble = (reading.device >> (4 * place)) as usize & 0xF;
        *digit = HEX.get(nibble).copied().unwrap_or_default();
    }
    body.put_slice(&hex);
    body.put_slice(b"\",\"epoch\":");
    digits(reading.epoch, body);
    body.put_slice(b",\"sequence\":");
    digits(reading.sequence.into(), body);
    body.put_slice(b",\"measured_at\":\"");
    date::write(reading.measured_at, body);
    body.put_slice(b"\",\"value\":");
    thousandths(reading.value, body);
    body.put_u8(b'}');
}

/// Exactly, where a float might not be.
fn thousandths(value: i32, body: &mut impl BufMut) {
    if value < 0 {
        body.put_u8(b'-');
    }
    let value = u64::from(value.unsigned_abs());
    digits(value / 1_000, body);
    body.put_u8(b'.');
    padded(value % 1_000, 3, body);
}

pub fn digits(number: u64, text: &mut impl BufMut) {
    padded(number, 1, text);
}

/// With zeros in front, up to this width.
pub fn padded(mut number: u64, width: usize, text: &mut impl BufMut) {
    // 2^64 has twenty digits; they are found from the last to the first.
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 && count >= width {
            break;
        }
        *digit += (number % 10) as u8;
        number /= 10;
        count += 1;
    }
    text.put_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(readings: &[Reading]) -> String {
        let mut body = Vec::new();
        write(readings.iter(), &mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_reading_is_written_as_the_contract_has_it() {
        let reading = Reading {
            device: 42,
            epoch: 1_795_000_000_123,
            sequence: 7,
            measured_at: 1_795_000_001_250,
            value: 21_875,
        };
        let expected = "{\"readings\":[{\"device\":\"0000002a\",\"epoch\":1795000000123,\"sequence\":7,\
            \"measured_at\":\"2026-11-18T11:06:41.250Z\",\"value\":21.875}]}";
        assert_eq!(text(&[reading]), expected);
    }

    #[test]
    fn thousandths_are_written_exactly() {
        for (value, expected) in [
            (0, "0.000"),
            (-5, "-0.005"),
            (999, "0.999"),
            (1_000, "1.000"),
            (-21_050, "-21.050"),
            (i32::MAX, "2147483.647"),
            (i32::MIN, "-2147483.648"),
        ] {
            let mut text = Vec::new();
            thousandths(value, &mut text);
            assert_eq!(text, expected.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn a_parser_reads_what_was_written(
            readings in prop::collection::vec(
                (any::<u32>(), any::<u64>(), any::<u32>(), any::<i32>()), 0..20)
        ) {
            let readings: Vec<_> = readings.into_iter().map(|(device, epoch, sequence, value)| {
                Reading { device, epoch, sequence, measured_at: 1_795_000_001_250, value }
            }).collect();
            let read: Value = serde_json::from_str(&text(&readings)).unwrap();
            let expected: Vec<_> = readings.iter().map(|reading| json!({
                "device": format!("{:08x}", reading.device),
                "epoch": reading.epoch,
                "sequence": reading.sequence,
                "measured_at": "2026-11-18T11:06:41.250Z",
                "value": f64::from(reading.value) / 1_000.0,
            })).collect();
            prop_assert_eq!(read, json!({ "readings": expected }));
        }
    }
}
