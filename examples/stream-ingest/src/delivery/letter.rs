//! A dead letter: a reading with the members that the API would take, and why it did not.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::date;
use super::problem::Refusal;
use super::reading::{Reading, Unfit};

#[derive(Serialize)]
struct Letter<'a> {
    time: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    detail: &'a str,
    reading: Written,
}

#[derive(Serialize)]
struct Written {
    device: String,
    epoch: u64,
    sequence: u32,
    measured_at: String,
    value: f64,
}

/// The line of a reading that the API refuses.
pub fn refused(reading: &Reading, refusal: &Refusal) -> String {
    let Refusal { status, code, detail } = refusal;
    line(&Letter { status: Some(*status), code: Some(code), ..letter("refused", detail, reading) })
}

/// The line of a reading that no request can carry.
pub fn unfit(reading: &Reading, unfit: Unfit) -> String {
    line(&letter("unfit", unfit.detail(), reading))
}

fn letter<'a>(reason: &'static str, detail: &'a str, reading: &Reading) -> Letter<'a> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let time = date::text(i64::try_from(now).unwrap_or(i64::MAX));
    let reading = Written {
        device: format!("{:08x}", reading.device),
        epoch: reading.epoch,
        sequence: reading.sequence,
        measured_at: date::text(reading.measured_at),
        value: f64::from(reading.value) / 1_000.0,
    };
    Letter { time, reason, status: None, code: None, detail, reading }
}

fn line(letter: &Letter<'_>) -> String {
    // Every member has a key that is a text, and every float is finite.
    let mut line = serde_json::to_string(letter).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What a reader finds beside the time, which is that of the test.
    fn read(line: &str) -> Value {
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let mut letter: Value = serde_json::from_str(line).unwrap();
        let time = letter.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().starts_with("20"));
        letter
    }

    #[test]
    fn a_letter_says_what_was_refused_and_why() {
        let reading = Reading {
            device: 42,
            epoch: 1_795_000_000_123,
            sequence: 7,
            measured_at: 1_795_000_001_250,
            value: -5,
        };
        let refusal = Refusal {
            status: 409,
            code: "conflict".to_owned(),
            detail: "two\nlines and a \" quote".to_owned(),
        };
        let expected = json!({
            "reason": "refused",
            "status": 409,
            "code": "conflict",
            "detail": "two\nlines and a \" quote",
            "reading": {
                "device": "0000002a",
                "epoch": 1_795_000_000_123_u64,
                "sequence": 7,
                "measured_at": "2026-11-18T11:06:41.250Z",
                "value": -0.005,
            },
        });
        assert_eq!(read(&refused(&reading, &refusal)), expected);
        let early = Reading { measured_at: 0, ..reading };
        let letter = read(&unfit(&early, Unfit::Time));
        assert_eq!(letter["reason"], "unfit");
        assert_eq!(letter["reading"]["measured_at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(letter.get("status"), None);
    }
}
