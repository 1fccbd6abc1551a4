//! Numbers and times as people read them.

use std::time::SystemTime;

/// The time, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A count: whole up to 99,999, then with three digits and a letter.
pub(crate) fn count(number: u64) -> String {
    if number < 100_000 {
        return grouped(number);
    }
    let (value, letter) = scaled(number as f64, 1000.0, &["k", "M", "G", "T", "P", "E"]);
    format!("{value} {letter}")
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Something per second.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate <= 0.0 => "0/s".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}/s"),
        rate => format!("{}/s", count(rate.round() as u64)),
    }
}

/// Bytes, in units of 1024.
pub(crate) fn bytes(number: u64) -> String {
    if number < 1024 {
        return format!("{number} B");
    }
    let (value, unit) = scaled(number as f64, 1024.0, &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]);
    format!("{value} {unit}")
}

/// A duration in the two largest units that matter.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds.max(0.0) * 1000.0);
    }
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A part of one as a percentage.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// A time in UTC, as RFC 3339 writes it: a browser makes the reader's own time of it.
pub(crate) fn utc(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970, by the rules of the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin with March: the day that comes and goes is their last one.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn scaled<'a>(mut number: f64, step: f64, units: &[&'a str]) -> (String, &'a str) {
    let mut unit = "";
    for next in units {
        if number < step && !unit.is_empty() {
            break;
        }
        number /= step;
        unit = next;
    }
    let text = if number < 10.0 {
        format!("{number:.2}")
    } else if number < 100.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    };
    (text, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        let counts = [(0, "0"), (999, "999"), (99_999, "99,999"), (123_456, "123 k")];
        for (number, text) in counts.into_iter().chain([(1_234_567, "1.23 M")]) {
            assert_eq!(count(number), text);
        }
        assert_eq!(grouped(10_000_000), "10,000,000");
        for (number, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (52 << 20, "52.0 MiB")]
        {
            assert_eq!(bytes(number), text);
        }
        for (number, text) in [(0.0, "0/s"), (0.25, "0.2/s"), (12.4, "12/s"), (2.5e6, "2.50 M/s")] {
            assert_eq!(rate(number), text);
        }
        assert_eq!(percent(0.256), "26 %");
    }

    #[test]
    fn durations_show_the_two_units_that_matter() {
        let cases = [(0.05, "50 ms"), (59.0, "59 s"), (61.0, "1 min 1 s"), (3_600.0, "1 h 0 min")];
        for (seconds, text) in cases.into_iter().chain([(90_061.0, "1 d 1 h")]) {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn times_are_dates_in_utc() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_000, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_796_000_000_500, "2026-11-30T00:53:20Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(milliseconds), text);
        }
    }
}
