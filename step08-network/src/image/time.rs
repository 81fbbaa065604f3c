//! Points in time as documents have them, `2026-01-31T12:00:00Z` (RFC 3339), and as lists show them.

use serde::{Deserialize, Serialize};
use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Time(i64);

impl Time {
    pub fn now() -> Time {
        Time::from(SystemTime::now())
    }

    /// Reads a date and time with its difference from UTC. Fractions of a second are left out.
    pub fn parse(text: &str) -> Option<Time> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i32>().ok();
        // SAFETY: struct tm is plain data, for which zeroes are a valid value.
        let mut date: libc::tm = unsafe { mem::zeroed() };
        (date.tm_year, date.tm_mon, date.tm_mday) = (number(0, 4)? - 1900, number(5, 7)? - 1, number(8, 10)?);
        (date.tm_hour, date.tm_min, date.tm_sec) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let zone = text.get(19..)?.trim_start_matches(|it: char| it == '.' || it.is_ascii_digit());
        let ahead = match zone.split_at_checked(1)? {
            ("Z", "") => 0,
            (sign @ ("+" | "-"), rest) => {
                let (hours, minutes) = rest.split_once(':')?;
                let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
                if sign == "-" { -minutes * 60 } else { minutes * 60 }
            }
            _ => return None,
        };
        // SAFETY: the call reads and normalises a struct that outlives it.
        Some(Time(unsafe { libc::timegm(&raw mut date) } - ahead))
    }

    /// Date and time as RFC 3339 has them, in UTC.
    pub fn rfc3339(self) -> String {
        let [year, month, day, hour, minute, second] = self.fields();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Date and time as Docker's lists have them.
    pub fn shown(self) -> String {
        let [year, month, day, hour, minute, second] = self.fields();
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
    }

    fn fields(self) -> [i32; 6] {
        // SAFETY: struct tm is plain data, for which zeroes are a valid value.
        let mut date: libc::tm = unsafe { mem::zeroed() };
        // SAFETY: the call reads one and fills in the other, and both outlive it.
        unsafe { libc::gmtime_r(&raw const self.0, &raw mut date) };
        [date.tm_year + 1900, date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec]
    }

    /// How long before another time this was, in one unit.
    pub fn before(self, now: Time) -> String {
        const UNITS: [(i64, &str); 6] = [
            (365 * 86400, "year"),
            (30 * 86400, "month"),
            (7 * 86400, "week"),
            (86400, "day"),
            (3600, "hour"),
            (60, "minute"),
        ];
        let seconds = (now.0 - self.0).max(0);
        let (length, unit) =
            UNITS.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
        let count = seconds / length;
        format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
    }
}

impl From<Time> for String {
    fn from(time: Time) -> String {
        time.rfc3339()
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Time, String> {
        Time::parse(&text).ok_or_else(|| format!("no date and time: {text}"))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH);
        Time(since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn dates_are_read_in_every_spelling() {
        for text in [
            "2024-02-29T12:34:56Z",
            "2024-02-29T12:34:56.123456789Z",
            "2024-02-29T14:04:56.5+01:30",
            "2024-02-29T07:34:56-05:00",
        ] {
            assert_eq!(Time::parse(text), Some(Time(1_709_210_096)), "{text}");
        }
        for text in [
            "",
            "2024-02-29",
            "2024-02-29T12:34:56",
            "yesterday, at about noon",
            "2024-02-29T12:34:56+1",
            "2024-02-29T12:34:56é",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_in_utc() {
        assert_eq!(Time(0).rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(1_709_210_096).shown(), "2024-02-29 12:34:56 +0000 UTC");
    }

    #[test]
    fn ages_have_one_unit() {
        let now = Time::now();
        for (seconds, age) in
            [(0, "0 seconds ago"), (60, "1 minute ago"), (7200, "2 hours ago"), (8 * 86400, "1 week ago")]
        {
            assert_eq!(Time(now.0 - seconds).before(now), age);
        }
    }
}
