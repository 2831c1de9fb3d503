//! Changes of clocks: zones enter core as data, a table of instants at which their offset changes.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// An instant at which the clocks of a zone change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClockChange {
    /// When.
    pub at: Timestamp,
    /// By how much local time jumps, in milliseconds: positive in spring.
    pub shift_ms: i64,
}

/// By how much the offset of a zone changes after `from` and up to `to`.
#[must_use]
pub fn shift_between(changes: &[ClockChange], from: Timestamp, to: Timestamp) -> i64 {
    changes.iter().filter(|change| from < change.at && change.at <= to).map(|change| change.shift_ms).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_counts() {
        let change = |at, shift_ms| ClockChange { at: Timestamp(at), shift_ms };
        let changes = [change(10, 3), change(20, -3)];
        let cases = [((0, 9), 0), ((0, 10), 3), ((10, 19), 0), ((10, 20), -3), ((0, 30), 0), ((30, 0), 0)];
        for ((from, to), shift_ms) in cases {
            assert_eq!(shift_between(&changes, Timestamp(from), Timestamp(to)), shift_ms, "{from} to {to}");
        }
    }
}
