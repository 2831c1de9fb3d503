//! Stand-ins for the choice of a PIN and the check of constraints.

use alloc::collections::BTreeSet;

use crate::draw::below;
use crate::pin::{Constraint, Pin};

/// Whether the PIN satisfies all constraints that speak of PINs (lifecycle 5.1, `R-26`, `R-27`).
pub(super) fn satisfies(pin: Pin, constraints: &[Constraint]) -> bool {
    constraints.iter().all(|constraint| holds(pin, *constraint))
}

fn holds(pin: Pin, constraint: Constraint) -> bool {
    let distinct = |pin: Pin| pin.digits().collect::<BTreeSet<_>>().len();
    let longest_run = |step: i16| {
        let mut last = None;
        let mut run = 0_u32;
        pin.digits().fold(0, |longest: u32, digit| {
            run = if last == Some(i16::from(digit) - step) { run + 1 } else { 1 };
            last = Some(i16::from(digit));
            longest.max(run)
        })
    };
    match constraint {
        Constraint::NoZeros => pin.digits().all(|digit| digit != 0),
        Constraint::CannotStartWith12 => pin.digits().take(2).ne([1, 2]),
        Constraint::NoTripleConsecutiveInts => [-1, 0, 1].into_iter().all(|step| longest_run(step) < 4),
        Constraint::NoAscendingOrDescendingSequence => [-1, 1].into_iter().all(|step| longest_run(step) < u32::from(pin.length()).max(2)),
        Constraint::AtLeastThreeUniqueDigits => distinct(pin) >= 3,
        Constraint::CannotContain089 => pin.digits().all(|digit| !matches!(digit, 0 | 8 | 9)),
        Constraint::CannotContain0789 => pin.digits().all(|digit| !matches!(digit, 0 | 7..=9)),
        Constraint::UniqueFirstFourDigits => distinct(pin.prefix(4)) == usize::from(pin.length().min(4)),
        Constraint::NoAllSameDigits => distinct(pin) > 1,
        Constraint::CannotSpecifyPinCode
        | Constraint::PinCodeMatchesExistingSet
        | Constraint::StartDateInFuture
        | Constraint::NameLength { .. }
        | Constraint::NameMustBeUnique => true,
    }
}

/// A PIN of `length` digits that satisfies `constraints` and is none of `used`, starting the search at `draw`. None if the search, which
/// is bounded, finds none.
pub(super) fn free_pin(length: u8, constraints: &[Constraint], used: &BTreeSet<Pin>, draw: u64) -> Option<Pin> {
    let size = 10_u64.checked_pow(u32::from(length))?;
    let first = below(draw, size);
    (0..size.min(1_000_000))
        .filter_map(|offset| Pin::new(length, (first + offset) % size))
        .find(|pin| !used.contains(pin) && satisfies(*pin, constraints))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_refuse_what_they_name() {
        let pin = |text: &str| text.parse::<Pin>().unwrap();
        for (constraint, good, bad) in [
            (Constraint::NoZeros, "1111", "1011"),
            (Constraint::CannotStartWith12, "2112", "1211"),
            (Constraint::NoTripleConsecutiveInts, "1123", "12349"),
            (Constraint::NoTripleConsecutiveInts, "111212", "511112"),
            (Constraint::NoAscendingOrDescendingSequence, "1235", "9876"),
            (Constraint::AtLeastThreeUniqueDigits, "1223", "1221"),
            (Constraint::CannotContain0789, "1236", "1237"),
            (Constraint::UniqueFirstFourDigits, "12341", "12314"),
            (Constraint::NoAllSameDigits, "1112", "1111"),
        ] {
            assert!(satisfies(pin(good), &[constraint]), "{good} under {constraint:?}");
            assert!(!satisfies(pin(bad), &[constraint]), "{bad} under {constraint:?}");
        }
    }

    #[test]
    fn the_choice_passes_over_used_pins() {
        let used = (0..9).filter_map(|value| Pin::new(1, value)).collect();
        assert_eq!(free_pin(1, &[], &used, 0), Pin::new(1, 9));
        assert_eq!(free_pin(1, &[Constraint::NoAllSameDigits], &used, 0), None);
    }
}
