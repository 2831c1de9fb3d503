//! The order of events on one code, `EO-01` to `EO-18`, and rules about the log, `EV-01` to `EV-05`.

use super::{Rule, rows};

/// What may follow what.
pub(super) const ORDER: &[Rule] = rows! { Docs:
    "EO-01" "A code's first event is its creation, managed or unmanaged."
    "EO-02" "A code's last event is `deleted` or `unmanaged.removed`; nothing names it later."
    "EO-03" "A code is never announced as set before it came due, and a native one never before its start."
    "EO-04" "Something that explains it stands between two `set_on_device`: a change, an external event, a removal, or the failure of a lost seat."
    "EO-05" "Something that explains it stands between two `scheduled_on_device`, as between two `set_on_device`."
    "EO-06" "Within one native episode the schedule is announced before the code is set, if it is announced at all."
    "EO-07" "A removal is announced only of a code that was announced as on the device, or one of whose writes stayed open."
    "EO-08" "When both have the same cause, `deleted` follows `removed_from_device` directly and at the same instant."
    "EO-09" "Delay comes before failure unless the failure is a refusal for good, and both before the success of their episode."
    "EO-10" "Delay in removing comes before failure to remove, and both before the removal."
    "EO-11" "No event of setting falls between the beginning and the end of a removal."
    "EO-12" "External events are only about codes that were confirmed at least once."
    "EO-13" "After an external deletion a protected code is set again or ends, and an unprotected one waits for its owner."
    "EO-14" "A backup that is pulled was announced as set and has not been lost or deleted since."
    "EO-15" "A pull makes no `changed` on the backup, which then lives as a time-bound code does."
    "EO-16" "Unmanaged events come before all managed ones of a code, unless management was lost again; after that only its removal follows."
    "EO-17" "While the account is disconnected no event tells what only the vendor could have told, and none of the clock's delays and failures."
    "EO-18" "The log stands in the order in which the steps ran, which has a total order of its own, and the same plan gives the same bytes."
};

/// What the log is.
pub(super) const LOG: &[Rule] = rows! { Ours:
    "EV-01" "An event tells when its fact happened or was detected, and when it was logged; the second is never earlier and never decreases."
    "EV-02" "A deleted code that was never confirmed but may have been written is announced as removed too."
    "EV-03" "The log is judged, not the deliveries to its consumers."
    "EV-04" "Events of devices and locks go to a trace of their own, not to the log of access codes."
    "EV-05" "An event is in the log from the save that contains it: a crash before it leaves none, a crash after it no second one."
};
