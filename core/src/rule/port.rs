//! The contract between controller and vendors: `P-01` to `P-14`.

use super::{Rule, rows};

pub(super) const RULES: &[Rule] = rows! { Ours:
    "P-01" "Each command gets exactly one closing input, at the latest `TimedOut`, and answers that come after it are as true as first ones."
    "P-02" "What a lock's path accepted runs in the order of acceptance, one at a time."
    "P-03" "An accepted command may run after its `TimedOut`, but never after its time to live."
    "P-04" "A repeat of the same step carries the same key, and a vendor that honours keys makes no second entry of it."
    "P-05" "A write is settled by a definitive answer, by a later command on the same path, by a read that shows it as ours, or by a fresh read after its time to live."
    "P-06" "Nothing that arrives is false in what it proves; it may be old, incomplete, hidden, unclear, lost, late, doubled or out of order."
    "P-07" "While the controller is down notices are lost, and every answer it missed turns into `TimedOut`."
    "P-08" "A crash may fall after any single output, the restart knows the last `Save` before it, and events belong to the save that contains them."
    "P-09" "An entry belongs to the code whose command stored it, or which it equals while a create of that code is unsettled."
    "P-10" "A join makes a new incarnation of a lock: its queues are empty, old ids and slots mean nothing, and commands meant for the old one do nothing."
    "P-11" "A call beyond the allowed rate is refused at once and says nothing about any lock."
    "P-12" "Absence is shown by an answered deletion, a fresh direct read, two fresh listings apart in time, or a notice that a fresh read bears out; never by one listing."
    "P-13" "A command that a vendor cannot serve is answered, never a panic."
    "P-14" "Where PINs are hidden a stored name proves a write only if it was never used for another PIN on that lock."
};
