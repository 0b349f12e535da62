//! When a certificate expires. rustls holds certificates to their dates but does not tell them, and of
//! all that is in one, this is where no parser of the whole is needed.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// notAfter of RFC 5280 section 4.1.2.5, in seconds since 1970. None for what is no certificate.
pub fn of(certificate: &[u8]) -> Option<i64> {
    let (whole, _) = value(certificate, SEQUENCE)?;
    let (signed, _) = value(whole, SEQUENCE)?;
    // Version 1 does not say so.
    let rest = value(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_, rest) = value(rest, INTEGER)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (validity, _) = value(rest, SEQUENCE)?;
    let (_, until) = time(validity)?;
    time(until).map(|(seconds, _)| seconds)
}

/// What a DER value of this tag holds, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        let most = digits.len() <= size_of::<u32>();
        let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (most.then_some(length)?, rest)
    };
    if *first == tag { rest.split_at_checked(length) } else { None }
}

/// YYMMDDHHMMSSZ of the years 1950 to 2049, or YYYYMMDDHHMMSSZ.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest) = value(bytes, UTC_TIME).or_else(|| value(bytes, GENERALIZED_TIME))?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, text) = text.split_at_checked(text.len().checked_sub(10)?)?;
    let year = match (year.len(), year.parse::<i64>().ok()?) {
        (2, year @ 50..) => 1_900 + year,
        (2, year) => 2_000 + year,
        (4, year) => year,
        _ => return None,
    };
    let field = |index: usize| text.get(2 * index..2 * index + 2)?.parse::<i64>().ok();
    let (month, day) = (field(0)?, field(1)?);
    let seconds = (field(2)? * 60 + field(3)?) * 60 + field(4)?;
    Some((days(year, month, day) * 86_400 + seconds, rest))
}

/// From 1970 to a day of the Gregorian calendar. Years begin in March, so that the day which some have
/// more is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let of_months = (153 * month + 2) / 5;
    of_years + of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn expiring(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(["test".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, month, day);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_expires_when_it_says() {
        // As `date --utc --date DAY +%s` has them.
        for ((year, month, day), seconds) in [
            ((1999, 12, 31), 946_598_400),
            ((2024, 2, 29), 1_709_164_800),
            ((2049, 12, 31), 2_524_521_600),
            ((2050, 1, 1), 2_524_608_000),
            ((2100, 3, 1), 4_107_542_400),
        ] {
            assert_eq!(of(&expiring(year, month, day)), Some(seconds), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn what_is_no_certificate_does_not_expire() {
        let whole = expiring(2030, 1, 1);
        assert_eq!(of(b""), None);
        assert_eq!(of(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(of(b"\x30\x8f"), None);
        (0..whole.len()).for_each(|length| assert_eq!(of(&whole[..length]), None, "{length}"));
    }
}
