//! The field cases `F-01` to `F-25`, by title.

use super::Case;

/// The failures seen in the field, in order.
pub static CASES: &[Case] = &[
    Case { id: "F-01", title: "A server error for a code that was stored all the same." },
    Case { id: "F-02", title: "The PIN already sits in a slot that nobody manages." },
    Case { id: "F-03", title: "A cache that lags behind the acknowledgement." },
    Case { id: "F-04", title: "A stranger's code in the planned slot is taken for ours." },
    Case { id: "F-05", title: "Several notices of a single deletion." },
    Case { id: "F-06", title: "Dropped from the records, left on the lock." },
    Case { id: "F-07", title: "A bridge with a short queue that is flushed late." },
    Case { id: "F-08", title: "An empty listing that wipes out an account." },
    Case { id: "F-09", title: "Throttling mistaken for dead locks." },
    Case { id: "F-10", title: "A factory reset that keeps the old entries." },
    Case { id: "F-11", title: "A new PIN length that clears the lock." },
    Case { id: "F-12", title: "The clocks change in the middle of a stay." },
    Case { id: "F-13", title: "A lock whose clock is off." },
    Case { id: "F-14", title: "Names that collide once they are cut." },
    Case { id: "F-15", title: "The master's slot, and PINs that begin like the master's." },
    Case { id: "F-16", title: "Fewer slots than told, and backups in the guests' places." },
    Case { id: "F-17", title: "A lock taken out of one account and connected by another." },
    Case { id: "F-18", title: "After a restart our own entry looks like a twin." },
    Case { id: "F-19", title: "A deletion that is acknowledged and not done." },
    Case { id: "F-20", title: "Two managers fight over one lock." },
    Case { id: "F-21", title: "A one-time code used twice, and its use reported twice." },
    Case { id: "F-22", title: "The same PIN again next week, and a start that just passed." },
    Case { id: "F-23", title: "One dead lock takes the others of its group down." },
    Case { id: "F-24", title: "Leading zeros are lost, and zeros that mean nothing." },
    Case { id: "F-25", title: "A code without a paid seat." },
];
