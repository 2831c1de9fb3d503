//! The choice of a PIN that nobody gave (lifecycle 5).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::cell::RefCell;

use crate::pin::{Constraint, Pin, PinEquality, PinSpace, UsedPins, choose_free_pin};

/// What the PINs of a lock have in common: their length and its constraints.
type Kind = (u8, Arc<[Constraint]>);

/// The valid PINs of each kind met so far: what costs time to count is counted once.
#[derive(Default)]
pub(super) struct PinSpaces(RefCell<BTreeMap<Kind, PinSpace>>);

impl PinSpaces {
    /// A PIN of `length` digits, 1 to 19, that satisfies `constraints` and is none of `used`; none only if there is no such PIN.
    pub(super) fn free_pin(&self, length: u8, constraints: Arc<[Constraint]>, used: BTreeSet<Pin>, draw: u64) -> Option<Pin> {
        // Locks that want the first four digits to differ may well compare nothing else (`R-27`).
        let is_first_four = constraints.contains(&Constraint::UniqueFirstFourDigits);
        let equality = if is_first_four { PinEquality::FirstFour } else { PinEquality::Exact };
        let mut spaces = self.0.borrow_mut();
        let space = spaces.entry((length, constraints)).or_insert_with_key(|(length, constraints)| PinSpace::new(*length, constraints));
        choose_free_pin(space, &UsedPins::collect(space, equality, used), draw)
    }
}
