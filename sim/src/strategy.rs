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
use crate::differential::CONSTRAINTS;
use crate::plan::Plan;

/// PINs of these lengths, in digits, 1 to 19; smaller is shorter, then lower.
pub fn pins(lengths: RangeInclusive<u8>) -> impl Strategy<Value = Pin> {
    lengths.prop_flat_map(|length| {
        (0..10_u64.pow(length.into())).prop_map(move |value| Pin::new(length, value).expect("as many digits as its length says"))
    })
}

/// Any set of the constraints that a PIN alone can break.
pub fn constraints() -> impl Strategy<Value = Vec<Constraint>> {
    subsequence(CONSTRAINTS.to_vec(), 0..=CONSTRAINTS.len())
}

/// Operations of these kinds; a kind that is named twice comes twice as often.
pub fn operations(kinds: &'static [Kind]) -> impl Strategy<Value = Operation> {
    let draw = (select(kinds), any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>());
    draw.prop_map(|(kind, target, minute, pin, more)| Operation { kind, target, minute, pin, more })
}

/// Worlds of one to three locks, and fewer than `below` operations of these kinds in three hours.
///
/// ```
/// use keyway_core::platform::Reference;
/// use keyway_sim::Story;
/// use keyway_sim::bytes::Kind::{Create, Delete, Enter};
/// use proptest::prelude::*;
/// use proptest::test_runner::{Config, TestRunner};
///
/// let config = Config { cases: 5, failure_persistence: None, ..Config::default() };
/// TestRunner::new(config).run(&keyway_sim::strategy::plans(&[Create, Delete, Enter], 5), |plan| {
///     Story { plan }.tell(&Reference::new()).assert_passed(); // Yours, instead of the reference.
///     Ok(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plans(kinds: &'static [Kind], below: usize) -> impl Strategy<Value = Plan> {
    (any::<[u8; WIDTH]>(), vec(operations(kinds), 1..below)).prop_map(|(header, operations)| plan_of(header, operations))
}
