//! How times and PINs are written in a plan: `+2h30m`, `2026-03-29T01:30[Europe/Berlin]`, `"0420"`.

use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::friendly::{Spacing, SpanPrinter};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, SpanRound, Unit, Zoned};
use keyway_core::pin::Pin;
use keyway_core::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration of at least 0 ms, written `2h30m`, `1d`, `250ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

/// A time of a plan: `+2h30m` after its start (in ms), or an absolute instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offset {
    /// Milliseconds after the start of the plan.
    After(i64),
    /// An instant, independent of the start.
    Instant(Timestamp),
}

/// The start of a plan: an absolute time; 2026-01-05T08:00Z, a Monday, by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start(pub Timestamp);

/// A PIN in a plan: a string of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinText(pub Pin);

impl Default for Offset {
    fn default() -> Self {
        Self::After(0)
    }
}

impl Default for Start {
    fn default() -> Self {
        Self(Timestamp(1_767_600_000_000))
    }
}

impl Offset {
    /// The instant in a plan that starts at `start`.
    #[must_use]
    pub fn at(self, start: Timestamp) -> Timestamp {
        match self {
            Self::After(ms) => start + ms,
            Self::Instant(at) => at,
        }
    }
}

/// What is wrong with a time.
const DURATION_EXPECTED: &str = "expected a duration such as 2h30m, 1d or 250ms";
const OFFSET_EXPECTED: &str =
    "expected a time after the start such as +2h30m, or an instant such as 2026-03-29T01:30[Europe/Berlin] or 2026-03-29T01:30Z";

/// Milliseconds of `2h30m`; days have 24 hours. Stricter than the library: no blanks, signs, ISO or clock forms.
fn parse_duration(text: &str) -> Result<i64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'.');
    let span: jiff::Span =
        if plain && !text.contains("ago") { text.parse().map_err(|_| DURATION_EXPECTED)? } else { return Err(DURATION_EXPECTED.into()) };
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| DURATION_EXPECTED)?;
    i64::try_from(duration.as_millis()).map_err(|_| DURATION_EXPECTED.into())
}

fn print_duration(ms: i64) -> String {
    let rounding = SpanRound::new().largest(Unit::Day).smallest(Unit::Millisecond).relative(SpanRelativeTo::days_are_24_hours());
    let span = jiff::Span::new().milliseconds(ms).round(rounding).unwrap_or_else(|_| jiff::Span::new().milliseconds(ms));
    SpanPrinter::new().spacing(Spacing::None).span_to_string(&span)
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    if let Some((civil, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        let zone = TimeZone::get(zone).map_err(|_| format!("unknown time zone `{zone}`; expected an IANA name such as Europe/Berlin"))?;
        let zoned: Zoned = match civil.parse::<jiff::Timestamp>() {
            Ok(instant) => instant.to_zoned(zone),
            Err(_) => civil.parse::<DateTime>().and_then(|civil| civil.to_zoned(zone)).map_err(|_| OFFSET_EXPECTED)?,
        };
        return Ok(Timestamp(zoned.timestamp().as_millisecond()));
    }
    let with_seconds = if text.len() == 17 && text.ends_with('Z') { format!("{}:00Z", &text[..16]) } else { text.to_owned() };
    with_seconds.parse::<jiff::Timestamp>().map(|instant| Timestamp(instant.as_millisecond())).map_err(|_| OFFSET_EXPECTED.into())
}

fn parse_offset(text: &str) -> Result<Offset, String> {
    match text.strip_prefix('+') {
        Some(duration) => parse_duration(duration).map(Offset::After).map_err(|_| OFFSET_EXPECTED.into()),
        None if text.starts_with('-') => Err("a time before the start of the plan; expected one such as +2h30m".into()),
        None => parse_instant(text).map(Offset::Instant),
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_duration(self.0))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(ms) => write!(f, "+{}", print_duration(*ms)),
            Self::Instant(at) => at.fmt(f),
        }
    }
}

macro_rules! as_text {
    ($type:ty, $parse:expr, $pattern:literal, $about:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $parse(&text).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $about })
            }
        }
    };
}

as_text!(Span, |text: &str| parse_duration(text).map(Span), r"^([0-9.]+(d|h|m|s|ms))+$", "A duration such as 2h30m, 1d or 250ms.");
as_text!(
    Offset,
    parse_offset,
    r"^(\+([0-9.]+(d|h|m|s|ms))+|\d{4}-\d\d-\d\dT.*)$",
    "A time: +2h30m after the start, or an instant such as 2026-03-29T01:30[Europe/Berlin]."
);
as_text!(Start, |text: &str| parse_instant(text).map(Start), r"^\d{4}-\d\d-\d\dT.*$", "An instant such as 2026-01-05T08:00Z.");
as_text!(
    PinText,
    |text: &str| text.parse().map(PinText).map_err(|no_pin: keyway_core::pin::NoPin| no_pin.to_string()),
    r"^[0-9]{1,19}$",
    "A PIN: a string of digits."
);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for PinText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_text_and_back() {
        for (text, ms) in [("2h30m", 9_000_000), ("1d2h", 93_600_000), ("250ms", 250), ("30h", 108_000_000)] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
            assert_eq!(parse_duration(&print_duration(ms)), Ok(ms), "{text}");
        }
        assert_eq!(parse_duration(&print_duration(0)), Ok(0));
        for wrong in ["", "2", "PT2H", "2:30:00", "2 h", "-2h", "+2h", "2h ago", "2y"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn instants_may_have_a_zone() {
        assert_eq!(parse_offset("2026-03-29T01:30[Europe/Berlin]"), Ok(Offset::Instant("2026-03-29T00:30:00Z".parse().unwrap())));
        assert_eq!(parse_offset("2026-03-29T01:30Z"), Ok(Offset::Instant("2026-03-29T01:30:00Z".parse().unwrap())));
        for wrong in ["-1h", "2026-03-29", "noon", "2026-03-29T01:30[Europe/Berlim]"] {
            assert!(parse_offset(wrong).is_err(), "{wrong}");
        }
    }
}
