//! Virtual time: integer milliseconds since the Unix epoch, UTC; RFC 3339 text at the edges.

use core::fmt;
use core::ops::{Add, Sub};
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds in one second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in one minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in one hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in one day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant of virtual time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earlier than every instant of a run.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// Later than every instant of a run.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// The start of the granule of `step_ms` that holds this instant. `step_ms` must be positive.
    #[must_use]
    pub fn floor_to(self, step_ms: i64) -> Self {
        Self(self.0.div_euclid(step_ms) * step_ms)
    }

    /// The first granule of `step_ms` that starts at or after this instant. `step_ms` must be positive.
    #[must_use]
    pub fn ceil_to(self, step_ms: i64) -> Self {
        Self((self.0 + step_ms - 1).div_euclid(step_ms) * step_ms)
    }
}

impl Add<i64> for Timestamp {
    type Output = Self;
    fn add(self, ms: i64) -> Self {
        Self(self.0 + ms)
    }
}

impl Sub<i64> for Timestamp {
    type Output = Self;
    fn sub(self, ms: i64) -> Self {
        Self(self.0 - ms)
    }
}

impl Sub for Timestamp {
    type Output = i64;
    fn sub(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-01-05T08:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, date) = civil_from_day(day);
        let (hour, minute) = (ms / HOUR_MS, ms / MINUTE_MS % 60);
        let (second, milli) = (ms / SECOND_MS % 60, ms % SECOND_MS);
        write!(f, "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// The text is no instant of the form `2026-01-05T08:00:00Z` (a fraction of up to three digits may follow the seconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTimestamp;

impl fmt::Display for NoTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an instant such as 2026-01-05T08:00:00Z")
    }
}

impl core::error::Error for NoTimestamp {}

impl FromStr for Timestamp {
    type Err = NoTimestamp;

    fn from_str(text: &str) -> Result<Self, NoTimestamp> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Result<i64, NoTimestamp> {
            let digits = bytes.get(from..to).ok_or(NoTimestamp)?;
            digits.iter().try_fold(
                0,
                |sum: i64, byte| {
                    if byte.is_ascii_digit() { Ok(sum * 10 + i64::from(byte - b'0')) } else { Err(NoTimestamp) }
                },
            )
        };
        let (year, month, date) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        for (at, expected) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            if bytes[at] != expected {
                return Err(NoTimestamp);
            }
        }
        let milli = match bytes.len() {
            20 => 0,
            length @ 22..=24 if bytes[19] == b'.' => {
                let digits = length - 21;
                number(20, 20 + digits)? * [100, 10, 1][digits - 1]
            }
            _ => return Err(NoTimestamp),
        };
        let day = day_from_civil(year, month, date);
        let in_range = hour < 24 && minute < 60 && second < 60 && civil_from_day(day) == (year, month, date);
        if !in_range || bytes[bytes.len() - 1] != b'Z' {
            return Err(NoTimestamp);
        }
        Ok(Self(day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + milli))
    }
}

/// Day number since 1970-01-01 to (year, month, day), proleptic Gregorian; the year starts in March so that the leap day is last.
fn civil_from_day(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, date)
}

/// The inverse of [`civil_from_day`]; a date that does not exist maps to some other day.
fn day_from_civil(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + date - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// As text in formats that people read; as a number of milliseconds in others.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A half-open span of validity: from `starts_at` until `ends_at`, `starts_at < ends_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// First instant of validity.
    pub starts_at: Timestamp,
    /// First instant after validity.
    pub ends_at: Timestamp,
}

impl Window {
    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }

    /// Whether the two share an instant.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.starts_at < other.ends_at && other.starts_at < self.ends_at
    }

    /// The window rounded outward to multiples of `step_ms`, as a lock of that time granularity stores it.
    #[must_use]
    pub fn rounded_outward(&self, step_ms: i64) -> Self {
        Self { starts_at: self.starts_at.floor_to(step_ms), ends_at: self.ends_at.ceil_to(step_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn text_and_back() {
        for text in ["1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-11-23T18:44:00.120Z", "1969-12-31T23:59:59.000Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!("2026-01-05T08:00:00Z".parse(), Ok(Timestamp(1_767_600_000_000)));
        assert_eq!("2026-01-05T08:00:00.5Z".parse(), Ok(Timestamp(1_767_600_000_500)));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-02-30T00:00:00Z",
            "2026-01-05 08:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T08:00:00",
            "2026-01-05T08:00:00+01:00",
            "2026-01-05T08:00:00.1234Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NoTimestamp), "{text}");
        }
    }

    #[test]
    fn a_window_ends_before_its_last_instant() {
        let window = |starts_at, ends_at| Window { starts_at: Timestamp(starts_at), ends_at: Timestamp(ends_at) };
        let holds = |at| window(10, 20).contains(Timestamp(at));
        assert_eq!([9, 10, 19, 20].map(holds), [false, true, true, false]);
        let overlaps = |starts_at, ends_at| window(10, 20).overlaps(&window(starts_at, ends_at));
        assert!(overlaps(0, 11) && overlaps(19, 30) && overlaps(12, 13) && overlaps(0, 30));
        assert!(!overlaps(0, 10) && !overlaps(20, 30), "windows that touch share no instant");
        assert_eq!(window(11, 19).rounded_outward(10), window(10, 20));
        assert_eq!(window(10, 20).rounded_outward(10), window(10, 20));
    }
}
