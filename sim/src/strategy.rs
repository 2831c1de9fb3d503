//! Strategies for proptest: PINs, constraints, operations, and whole plans in which they happen.
//!
//! The plans are gentle: short days of a few locks, in which codes come, change and go at any minute. They share no
//! assumption with [`generate`](crate::generate), so what one is blind to, the other may see.

use std::ops::RangeInclusive;

use keyway_core::pin::{Constraint, Pin};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::bytes::{Kind, Operation, WIDTH, plan_of};
use crate::plan::Plan;

/// The constraints that a PIN alone can break.
const ON_PINS: [Constraint; 9] = [
    Constraint::NoZeros,
    Constraint::CannotStartWith12,
    Constraint::NoTripleConsecutiveInts,
    Constraint::NoAscendingOrDescendingSequence,
    Constraint::AtLeastThreeUniqueDigits,
    Constraint::CannotContain089,
    Constraint::CannotContain0789,
    Constraint::UniqueFirstFourDigits,
    Constraint::NoAllSameDigits,
];

/// PINs of these lengths, in digits, 1 to 19; smaller is shorter, then lower.
pub fn pins(lengths: RangeInclusive<u8>) -> impl Strategy<Value = Pin> {
    lengths.prop_flat_map(|length| {
        (0..10_u64.pow(length.into())).prop_map(move |value| Pin::new(length, value).expect("as many digits as its length says"))
    })
}

/// Any set of the constraints that a PIN alone can break.
pub fn constraints() -> impl Strategy<Value = Vec<Constraint>> {
    subsequence(ON_PINS.to_vec(), 0..=ON_PINS.len())
}

/// Operations of these kinds; a kind that is named twice comes twice as often.
pub fn operations(kinds: &'static [Kind]) -> impl Strategy<Value = Operation> {
    let draw = (select(kinds), any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>());
    draw.prop_map(|(kind, target, minute, pin, more)| Operation { kind, target, minute, pin, more })
}

/// Worlds of one to three locks, and fewer than `below` operations of these kinds in a day.
pub fn plans(kinds: &'static [Kind], below: usize) -> impl Strategy<Value = Plan> {
    (any::<[u8; WIDTH]>(), vec(operations(kinds), 1..below)).prop_map(|(header, operations)| plan_of(header, operations))
}
