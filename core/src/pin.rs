//! PINs as digit strings, the constraints that vendors put on them, and the choice of a free one.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod space;

pub use space::{PinSpace, UsedPins, choose_free_pin};

/// A string of 1 to 19 digits. Length and leading zeros are part of it (`I-BYTES-01`): `0420` is neither `420` nor `00420`.
///
/// ```
/// use keyway_core::pin::Pin;
///
/// let pin: Pin = "0420".parse()?;
/// assert_eq!((pin.to_string(), pin.length(), pin.value()), ("0420".to_owned(), 4, 420));
/// assert_ne!(pin, "420".parse()?);
/// # Ok::<(), keyway_core::pin::NoPin>(())
/// ```
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
        let mut lengths = serializer.serialize_seq(Some(self.0.count_ones() as usize))?;
        self.iter().try_for_each(|length| lengths.serialize_element(&length))?;
        lengths.end()
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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

impl Constraint {
    /// Whether a PIN satisfies it. Constraints on names and windows admit every PIN, and so do two that need more than the digits:
    /// `cannot_specify_pin_code` forbids a request to carry one at all, and what `pin_code_matches_existing_set` compares
    /// with lies in the vendor account.
    #[must_use]
    pub fn admits(self, pin: Pin) -> bool {
        let mut digits = pin.digits();
        match self {
            Self::NoZeros => digits.all(|digit| digit != 0),
            Self::CannotContain089 => digits.all(|digit| !matches!(digit, 0 | 8 | 9)),
            Self::CannotContain0789 => digits.all(|digit| !matches!(digit, 0 | 7 | 8 | 9)),
            Self::CannotStartWith12 => (digits.next(), digits.next()) != (Some(1), Some(2)),
            Self::NoTripleConsecutiveInts => longest_run(pin) < 4,
            Self::NoAscendingOrDescendingSequence => !is_whole(pin, 1) && !is_whole(pin, -1),
            Self::NoAllSameDigits => !is_whole(pin, 0),
            Self::AtLeastThreeUniqueDigits => unique_digits(digits) >= 3,
            Self::UniqueFirstFourDigits => unique_digits(pin.prefix(4).digits()) == u32::from(pin.length.min(4)),
            Self::CannotSpecifyPinCode | Self::PinCodeMatchesExistingSet => true,
            Self::StartDateInFuture | Self::NameLength { .. } | Self::NameMustBeUnique => true,
        }
    }
}

/// The step from each digit to the next.
fn steps(pin: Pin) -> impl Iterator<Item = i8> {
    pin.digits().zip(pin.digits().skip(1)).map(|(digit, next)| next as i8 - digit as i8)
}

/// Whether two or more digits all follow each other by `step`.
fn is_whole(pin: Pin, step: i8) -> bool {
    pin.length >= 2 && steps(pin).all(|each| each == step)
}

/// The most digits in a row that are equal, or that all step up or all step down by one.
fn longest_run(pin: Pin) -> u32 {
    let (mut longest, mut run, mut running) = (1, 1, None);
    for step in steps(pin) {
        run = match step {
            -1..=1 if running == Some(step) => run + 1,
            -1..=1 => 2,
            _ => 1,
        };
        running = Some(step);
        longest = longest.max(run);
    }
    longest
}

fn unique_digits(digits: impl Iterator<Item = u8>) -> u32 {
    digits.fold(0_u16, |seen, digit| seen | 1 << digit).count_ones()
}

/// What a lock takes for a PIN: its lengths and constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinRules<'a> {
    /// PIN lengths.
    pub lengths: Lengths,
    /// Constraints; those on names and windows may be among them.
    pub constraints: &'a [Constraint],
}

/// Why a lock does not take a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinFault {
    /// It has a wrong number of digits.
    Length,
    /// It breaks this constraint, the first one of those it breaks.
    Constraint(Constraint),
}

impl PinRules<'_> {
    /// Whether the lock takes it.
    #[must_use]
    pub fn admits(&self, pin: Pin) -> bool {
        self.check(pin).is_ok()
    }

    /// Whether the lock takes it.
    ///
    /// # Errors
    /// What stands against it; the length before any constraint.
    pub fn check(&self, pin: Pin) -> Result<(), PinFault> {
        if !self.lengths.contains(pin.length) {
            return Err(PinFault::Length);
        }
        match self.constraints.iter().find(|constraint| !constraint.admits(pin)) {
            Some(broken) => Err(PinFault::Constraint(*broken)),
            None => Ok(()),
        }
    }
}

/// When a lock takes two PINs for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinEquality {
    /// Digit for digit.
    #[default]
    Exact,
    /// By their first four digits alone (`R-27`); PINs of fewer digits by all of them.
    FirstFour,
}

impl PinEquality {
    /// Whether the lock takes the two for the same.
    #[must_use]
    pub fn same(self, one: Pin, other: Pin) -> bool {
        self.compared(one) == self.compared(other)
    }

    /// The part of a PIN that is compared.
    #[must_use]
    pub fn compared(self, pin: Pin) -> Pin {
        pin.prefix(self.compared_digits(pin.length))
    }

    const fn compared_digits(self, length: u8) -> u8 {
        match self {
            Self::FirstFour if length > 4 => 4,
            Self::Exact | Self::FirstFour => length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn pin(text: &str) -> Pin {
        text.parse().unwrap()
    }

    #[test]
    fn each_constraint_has_its_yes_and_no() {
        for (constraint, yes, no) in [
            (Constraint::NoZeros, "1234", "1034"),
            (Constraint::CannotStartWith12, "2112", "1230"),
            (Constraint::NoTripleConsecutiveInts, "1112355", "91111"),
            (Constraint::NoTripleConsecutiveInts, "123321", "934569"),
            (Constraint::NoTripleConsecutiveInts, "7891", "6543"),
            (Constraint::NoAscendingOrDescendingSequence, "12344", "12345"),
            (Constraint::NoAscendingOrDescendingSequence, "9012", "9876"),
            (Constraint::AtLeastThreeUniqueDigits, "1213", "1212"),
            (Constraint::CannotContain089, "1717", "1718"),
            (Constraint::CannotContain0789, "1616", "1617"),
            (Constraint::UniqueFirstFourDigits, "12344", "12324"),
            (Constraint::NoAllSameDigits, "1112", "1111"),
        ] {
            assert!(constraint.admits(pin(yes)) && !constraint.admits(pin(no)), "{constraint:?}");
        }
        for silent in [
            Constraint::CannotSpecifyPinCode,
            Constraint::PinCodeMatchesExistingSet,
            Constraint::StartDateInFuture,
            Constraint::NameLength { min_length: 2, max_length: 14 },
            Constraint::NameMustBeUnique,
        ] {
            assert!(silent.admits(pin("0000")), "{silent:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_pin_is_said() {
        let rules = PinRules { lengths: Lengths::range(4, 6), constraints: &[Constraint::NameMustBeUnique, Constraint::NoZeros] };
        assert_eq!(rules.check(pin("123")), Err(PinFault::Length));
        assert_eq!(rules.check(pin("1230")), Err(PinFault::Constraint(Constraint::NoZeros)));
        assert!(rules.admits(pin("1234")) && !rules.admits(pin("1234567")));
    }

    #[test]
    fn equality_is_the_vendors() {
        for (one, other, exact, first_four) in
            [("1234", "1234", true, true), ("12345", "12349", false, true), ("1234", "12345", false, true), ("123", "1234", false, false)]
        {
            assert_eq!(PinEquality::Exact.same(pin(one), pin(other)), exact, "{one} {other}");
            assert_eq!(PinEquality::FirstFour.same(pin(one), pin(other)), first_four, "{one} {other}");
        }
    }

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
