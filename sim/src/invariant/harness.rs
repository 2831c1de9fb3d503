//! The harness's check on itself: what the lock did when a PIN was entered must be what the judge computes from the truth it has seen.

use keyway_core::time::Timestamp;

use super::{Class, Found, Interests, Invariant, Origin, Row, Scope};
use crate::history::History;
use crate::occurrence::Occurrence;

/// The rows of this family.
pub const ROWS: &[Row] = &[Row {
    id: "harness",
    statement: "A door opens exactly when the entries, the clock and the state that the world reported say so.",
    class: Class::Harness,
    scope: Scope::World,
    origin: Origin::Ours,
}];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(Doors)]
}

/// Compares each entered PIN with the judge's own `opens`.
struct Doors;

impl Invariant for Doors {
    fn ids(&self) -> &'static [&'static str] {
        &["harness"]
    }

    fn interests(&self) -> Interests {
        Interests::ENTERED
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Entered { lock, pin, opened } = occurrence else { return };
        found.armed("harness");
        let expected = history.opens(*lock, *pin, now);
        if expected != *opened {
            let name = &history.lock(*lock).facts.name;
            let what = format!("{name}: entering {pin} gave opened = {opened}, the truth as reported says {expected}");
            found.broken("harness", what, "lock".to_owned());
        }
    }
}
