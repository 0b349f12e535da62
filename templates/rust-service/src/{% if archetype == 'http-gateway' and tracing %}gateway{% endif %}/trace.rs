//! The place of a request in a trace, as W3C Trace Context has it.

use std::fmt::Write;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::upstream::chance::Chance;

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Of `traceparent` in the version that is sent.
const LENGTH: usize = 55;
const SAMPLED: u128 = 1;

#[derive(Clone, Copy, Debug)]
pub struct Trace {
    pub id: u128,
    /// The span of whoever asks; 0 where the trace begins here.
    pub parent: u64,
    pub span: u64,
    /// When the request came, if it is recorded.
    pub began: Option<SystemTime>,
}

impl Trace {
    /// That which a request comes with; otherwise a new one, of which this share is recorded.
    pub fn follow(headers: &mut HeaderMap, chance: &Chance, share: f64) -> Self {
        let (id, parent, sampled) = parent(headers).unwrap_or_else(|| {
            // It is said of the trace that was not followed.
            headers.remove(TRACESTATE);
            let id = u128::from(chance.next()) << 64 | u128::from(chance.next());
            (id, 0, chance.hits(share))
        });
        Self { id, parent, span: chance.next(), began: sampled.then(SystemTime::now) }
    }

    /// What the next hop is told: the trace, and which span of it asks.
    pub fn header(&self, span: u64) -> HeaderValue {
        let flags = if self.began.is_some() { SAMPLED } else { 0 };
        let mut text = String::with_capacity(LENGTH);
        let written = write!(text, "00-{:032x}-{span:016x}-{flags:02x}", self.id);
        let value = written.ok().and_then(|()| HeaderValue::try_from(text).ok());
        value.unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The trace, the span in it, and whether the trace is recorded. None where nothing can be followed.
fn parent(headers: &HeaderMap) -> Option<(u128, u64, bool)> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let mut parts = line.to_str().ok()?.split('-');
    let mut part = |digits| number(parts.next()?, digits);
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    // "If a higher version is detected, the implementation SHOULD try to parse it": what it knows comes first.
    let is_known = version == 0 && parts.next().is_none() || (1..0xff).contains(&version);
    let span = u64::try_from(span).ok()?;
    (is_known && trace != 0 && span != 0).then_some((trace, span, flags & SAMPLED != 0))
}

/// So many digits, without capitals.
fn number(text: &str, digits: usize) -> Option<u128> {
    let fits = |byte: u8| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
    if text.len() != digits || !text.bytes().all(fits) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of W3C Trace Context, section 3.2.
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(lines: &[&str]) -> HeaderMap {
        let line = |text: &&str| (TRACEPARENT, HeaderValue::from_str(text).unwrap());
        let mut headers: HeaderMap = lines.iter().map(line).collect();
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        headers
    }

    #[test]
    fn a_trace_goes_on_as_its_caller_has_it() {
        for (version, flags, rest, sampled) in [
            ("00", "01", "", true),
            ("00", "00", "", false),
            ("00", "03", "", true),
            ("00", "02", "", false),
            ("cc", "01", "", true),
            ("cc", "01", "-what-the-future-will-be-like", true),
        ] {
            let mut headers = headers(&[&format!("{version}-{ID}-{SPAN}-{flags}{rest}")]);
            let trace = Trace::follow(&mut headers, &Chance::new(7), 0.5);
            assert_eq!(format!("{:032x}", trace.id), ID);
            assert_eq!(format!("{:016x}", trace.parent), SPAN);
            assert_eq!(trace.began.is_some(), sampled, "{version} {flags}");
            assert!(trace.span != trace.parent && headers.contains_key(TRACESTATE));
            let told = trace.header(0xb7);
            assert_eq!(told, format!("00-{ID}-00000000000000b7-{:02x}", u8::from(sampled)));
        }
    }

    #[test]
    fn what_can_not_be_followed_is_a_new_trace() {
        let good = format!("00-{ID}-{SPAN}-01");
        let zeros = "0".repeat(32);
        for lines in [
            &[][..],
            &[""],
            &[&good, &good],
            &[&good.to_uppercase()],
            &[&format!("{good}-00")],
            &[&format!("{good}0")],
            &[&good[..54]],
            &[&good.replacen("00", "ff", 1)],
            &[&good.replacen("00", "0", 1)],
            &[&good.replace(ID, &zeros)],
            &[&good.replace(SPAN, &zeros[..16])],
            &[&good.replace(ID, &ID[1..])],
            &[&good.replace('-', "_")],
            &[&good.replacen('4', "+", 1)],
            &[&format!("cc-{ID}-{SPAN}-01what")],
        ] {
            let mut headers = headers(lines);
            let trace = Trace::follow(&mut headers, &Chance::new(7), 1.0);
            assert!(trace.parent == 0 && trace.id != 0 && trace.span != 0, "{lines:?}");
            assert!(format!("{:032x}", trace.id) != ID && trace.began.is_some(), "{lines:?}");
            assert!(!headers.contains_key(TRACESTATE), "{lines:?}");
        }
    }
}
