//! Unix milliseconds as RFC 3339 has them.

use bytes::BufMut;

use super::body::padded;

const DAY: i64 = 86_400_000;
/// Of the Gregorian calendar, which repeats after so many years.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From 0000-03-01, with which the count of days begins here, to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

/// Year, month and day. A year begins with March here, so that a leap day is its last, and a month's
/// first day is a linear function of its number.
fn civil(millis: i64) -> (i64, i64, i64) {
    let days = millis.div_euclid(DAY) + DAYS_BEFORE_1970;
    let (era, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    // Without the leap days of every 4 and 400 years, and with those that every 100 lack.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + next, month, day)
}

pub fn year(millis: i64) -> i64 {
    civil(millis).0
}

pub fn text(millis: i64) -> String {
    let mut text = Vec::with_capacity(24);
    write(millis, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Such as `2026-11-18T11:06:41.250Z`. Years that don't have four digits get a sign (ISO 8601).
pub fn write(millis: i64, text: &mut impl BufMut) {
    let (year, month, day) = civil(millis);
    if !(0..=9_999).contains(&year) {
        text.put_u8(if year < 0 { b'-' } else { b'+' });
    }
    padded(year.unsigned_abs(), 4, text);
    let time = millis.rem_euclid(DAY);
    for (mark, number, width) in [
        (b'-', month, 2),
        (b'-', day, 2),
        (b'T', time / 3_600_000, 2),
        (b':', time / 60_000 % 60, 2),
        (b':', time / 1_000 % 60, 2),
        (b'.', time % 1_000, 3),
    ] {
        text.put_u8(mark);
        padded(number.unsigned_abs(), width, text);
    }
    text.put_u8(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_what_others_say_they_are() {
        // What Python's datetime says; the last two are beyond it, and from `date --utc`.
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_000_001_250, "2026-11-18T11:06:41.250Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-0001-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+10000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(millis), expected);
        }
        assert!(text(i64::MIN).starts_with('-') && text(i64::MAX).starts_with('+'));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..365 * 140 {
            let date = format!("{year:04}-{month:02}-{day:02}T23:59:59.999Z");
            assert_eq!(text((number + 1) * DAY - 1), date);
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = match month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, month, year) = match (day == days, month == 12) {
                (false, _) => (day + 1, month, year),
                (true, false) => (1, month + 1, year),
                (true, true) => (1, 1, year + 1),
            };
        }
        assert!(year > 2_100);
    }
}
