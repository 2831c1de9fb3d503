//! PINs as digit strings, the constraints that vendors put on them, and the choice of a free one.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A string of 1 to 19 digits. Length and leading zeros are part of it (`I-BYTES-01`): `0420` is neither `420` nor `00420`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin {
    length: u8,
    value: u64,
}

/// The longest PIN that can be represented, in digits.
pub const PIN_LENGTH_MAX: u8 = 19;

impl Pin {
    /// The PIN of `length` digits that reads as `value`; none if `length` is not 1 to 19 or `value` needs more digits.
    #[must_use]
    pub fn new(length: u8, value: u64) -> Option<Self> {
        let fits = (1..=PIN_LENGTH_MAX).contains(&length) && value < 10_u64.pow(u32::from(length));
        fits.then_some(Self { length, value })
    }

    /// Digits in all, leading zeros included.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// The digits read as a number.
    #[must_use]
    pub fn value(self) -> u64 {
        self.value
    }

    /// The digits from first to last, each 0 to 9.
    pub fn digits(self) -> impl DoubleEndedIterator<Item = u8> + Clone {
        (0..u32::from(self.length)).rev().map(move |place| (self.value / 10_u64.pow(place) % 10) as u8)
    }

    /// The first `count` digits as a PIN of their own (all of them if there are fewer). `count` must not be 0.
    #[must_use]
    pub fn prefix(self, count: u8) -> Self {
        let length = count.min(self.length);
        Self { length, value: self.value / 10_u64.pow(u32::from(self.length - length)) }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.length))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no string of 1 to 19 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPin;

impl fmt::Display for NoPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a string of 1 to 19 digits")
    }
}

impl core::error::Error for NoPin {}

impl FromStr for Pin {
    type Err = NoPin;

    fn from_str(text: &str) -> Result<Self, NoPin> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let length = u8::try_from(text.len()).map_err(|_| NoPin)?;
        if !digits || !(1..=PIN_LENGTH_MAX).contains(&length) {
            return Err(NoPin);
        }
        Ok(Self { length, value: text.parse().map_err(|_| NoPin)? })
    }
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A set of PIN lengths, each 1 to 19 digits; written as a list of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lengths(u32);

impl Lengths {
    /// The lengths `from..=to`.
    #[must_use]
    pub const fn range(from: u8, to: u8) -> Self {
        Self((1 << (to + 1)) - (1 << from))
    }

    /// Whether PINs of `length` digits are in the set.
    #[must_use]
    pub const fn contains(self, length: u8) -> bool {
        length < 32 && self.0 >> length & 1 == 1
    }

    /// The shortest length, if there is any.
    #[must_use]
    pub fn shortest(self) -> Option<u8> {
        self.iter().next()
    }

    /// The lengths in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lengths, shortest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=PIN_LENGTH_MAX).filter(move |length| self.contains(*length))
    }
}

impl FromIterator<u8> for Lengths {
    /// Lengths outside 1 to 19 are left out.
    fn from_iter<I: IntoIterator<Item = u8>>(lengths: I) -> Self {
        let bits = lengths.into_iter().filter(|length| (1..=PIN_LENGTH_MAX).contains(length));
        Self(bits.fold(0, |set, length| set | 1 << length))
    }
}

impl Serialize for Lengths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lengths = Vec::<u8>::deserialize(deserializer)?;
        if let Some(wrong) = lengths.iter().find(|length| !(1..=PIN_LENGTH_MAX).contains(length)) {
            return Err(de::Error::custom(format_args!("a PIN length is 1 to 19 digits, not {wrong}")));
        }
        Ok(lengths.into_iter().collect())
    }
}

/// What a vendor demands of a PIN, a name or a window (lifecycle 5.1), by the API's `constraint_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// No digit 0.
    NoZeros,
    /// Does not begin with 12.
    #[serde(rename = "cannot_start_with_12")]
    CannotStartWith12,
    /// No run of four or more equal digits, or of four or more stepping by one (`R-26`).
    NoTripleConsecutiveInts,
    /// The vendor chooses the PIN; a request must not carry one.
    CannotSpecifyPinCode,
    /// A given PIN must already be assigned in the vendor account.
    PinCodeMatchesExistingSet,
    /// A time-bound code must start in the future.
    StartDateInFuture,
    /// Not wholly ascending or descending by one.
    NoAscendingOrDescendingSequence,
    /// At least three different digits.
    AtLeastThreeUniqueDigits,
    /// None of 0, 8, 9.
    #[serde(rename = "cannot_contain_089")]
    CannotContain089,
    /// None of 0, 7, 8, 9.
    #[serde(rename = "cannot_contain_0789")]
    CannotContain0789,
    /// The first four digits differ from each other (`R-27`).
    UniqueFirstFourDigits,
    /// Not all digits equal.
    NoAllSameDigits,
    /// Bounds on the length of the displayed name; a longer one is cut, never refused.
    NameLength {
        /// Fewest characters.
        min_length: u8,
        /// Most characters.
        max_length: u8,
    },
    /// The displayed name is unique on the device (`R-28`).
    NameMustBeUnique,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn leading_zeros_are_kept() {
        let pin: Pin = "0420".parse().unwrap();
        assert_eq!(pin.to_string(), "0420");
        assert_ne!(pin, "420".parse().unwrap());
        assert_eq!(pin.digits().collect::<Vec<_>>(), [0, 4, 2, 0]);
        assert_eq!(pin.prefix(2).to_string(), "04");
        for wrong in ["", "12a4", "+123", "12345678901234567890"] {
            assert_eq!(wrong.parse::<Pin>(), Err(NoPin), "{wrong}");
        }
    }
}
