//! Times are written with their unit: `250ms`, `5s` or `5m`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let count: Option<u64> = number.parse().ok();
    count
        .zip(millis)
        .and_then(|(count, millis)| count.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| Error::custom(format!("{text:?} is not a time such as 250ms, 5s or 5m")))
}

pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    if time.subsec_millis() == 0 {
        to.collect_str(&format_args!("{}s", time.as_secs()))
    } else {
        to.collect_str(&format_args!("{}ms", time.as_millis()))
    }
}
