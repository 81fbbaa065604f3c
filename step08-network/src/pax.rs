//! The records of POSIX's extended headers, which hold what the fixed fields of a tar header cannot: pax(1), "pax
//! Extended Header". Each is `LENGTH KEY=VALUE\n`, and the length covers all of it, so that a value may hold any
//! byte.

use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::str;

/// What the keys of extended attributes start with, as star(1) began it and Docker writes it.
pub const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads all records of an extended header.
pub fn parse(mut text: &[u8]) -> Result<Records> {
    let mut records = Records::new();
    while !text.is_empty() {
        let (key, value, rest) = split_first(text).context("a record of an extended header is malformed")?;
        records.insert(key.to_vec(), value.to_vec());
        text = rest;
    }
    Ok(records)
}

fn split_first(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// Writes records as `parse` reads them, in the order of their keys.
pub fn format(records: &Records) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        // The space, the equals sign and the newline; the length's own digits are part of the length.
        let without = key.len() + value.len() + 3;
        let mut length = without + 1;
        while length != without + length.to_string().len() {
            length = without + length.to_string().len();
        }
        text.extend_from_slice(format!("{length} ").as_bytes());
        text.extend_from_slice(key);
        text.push(b'=');
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text
}

/// Reads a time: seconds since 1970, with a sign and a fraction of any length.
pub fn parse_time(text: &[u8]) -> Option<TimeSpec> {
    let text = str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(TimeSpec::new(seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some(TimeSpec::new(seconds, nanoseconds))
}

/// Writes a time as `parse_time` reads it.
pub fn format_time(time: TimeSpec) -> String {
    match (time.tv_sec(), time.tv_nsec()) {
        (seconds, 0) => seconds.to_string(),
        (seconds, nanoseconds) if seconds < 0 => {
            format!("-{}.{:09}", (seconds + 1).abs(), 1_000_000_000 - nanoseconds)
        }
        (seconds, nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_any_byte_and_count_their_own_length() {
        let long = vec![b'x'; 1000];
        let values: [&[u8]; 4] = [b"a\nb=c", b"", b"\xff\0\n", &long];
        let records: Records = values
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("key{n}").into_bytes(), value.to_vec()))
            .collect();
        assert_eq!(parse(&format(&records)).unwrap(), records);
        // The example of 9 and 10 digits' worth: a length whose digits change the length.
        for length in 80..120 {
            let records = Records::from([(b"k".to_vec(), vec![b'v'; length])]);
            assert_eq!(parse(&format(&records)).unwrap(), records);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for text in ["5 a=b", "6 a=b\n6", "9 a=b\n", "x a=b\n", "5 ab\n", " a=b\n", "6", "1 a=b\n", "6 a=bc"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_have_signs_and_fractions() {
        for (text, seconds, nanoseconds) in
            [("7", 7, 0), ("7.25", 7, 250_000_000), ("-1.5", -2, 500_000_000), ("-0.1", -1, 900_000_000)]
        {
            let time = TimeSpec::new(seconds, nanoseconds);
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
            assert_eq!(parse_time(format_time(time).as_bytes()), Some(time), "{text}");
        }
        assert_eq!(parse_time(b"1.0000000019"), Some(TimeSpec::new(1, 1)));
        for text in ["", "x", "1.x", "1.5.", "--1"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }
}
