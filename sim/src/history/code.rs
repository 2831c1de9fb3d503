//! What is known of a code: what was asked of it, what its record shows, and where entries of it lie.

use std::collections::BTreeSet;

use keyway_core::access_code::{Record, Status};
use keyway_core::id::{CodeId, Epoch};
use keyway_core::pin::Pin;
use keyway_core::port::{Name, Place};
use keyway_core::time::Timestamp;

use super::{AskedOffline, Intent, Last, Lost, Work};
use crate::occurrence::{Lock, TrueEntry};

/// A code, by the order in which the judge first heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeIx(pub u32);

/// What is known of a code.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its id.
    pub id: CodeId,
    /// Its record; none before it was first read and after it is gone.
    pub record: Option<Box<Record>>,
    /// Its lock, once known.
    pub lock: Option<Lock>,
    /// When its record went.
    pub gone_at: Option<Timestamp>,
    /// Whether the loss of its record is saved: a restart must not bring it back.
    pub is_gone_for_good: bool,
    /// Whether a restart came up without its record.
    pub is_lost_by_restart: bool,
    /// Whether it ever had a record.
    pub was_recorded: bool,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// What was asked for it, oldest first, without what is no longer lawful.
    pub intents: Vec<Intent>,
    /// Every PIN that was sent for it, or that its record showed as being in the lock.
    pub pins: Vec<Pin>,
    /// Every name that was sent for it, with the incarnation of its lock.
    pub names: Vec<(Epoch, Name)>,
    /// What commands made anew for it.
    pub(super) created: BTreeSet<(Pin, Name)>,
    /// What was taken over by a conversion (T31) or put over an entry that was there, and where: if no command made the like anew, that is others' elsewhere.
    pub(super) bound: BTreeSet<(Epoch, Place, Pin, Name)>,
    /// How often something was asked for it.
    pub version: u32,
    /// `prefer_native_scheduling` as last asked.
    pub prefers_native: bool,
    /// Whether that was ever changed (`R-23`).
    pub was_switched: bool,
    /// What was asked of it, if it is an offline code.
    pub offline: Option<AskedOffline>,
    /// When it was pulled from its pool.
    pub pulled_at: Option<Timestamp>,
    /// Whether it may stay in the lock for good: its device was removed, or it became unmanaged.
    pub is_residual: bool,
    /// What calls were answered ok for it.
    pub acked: Acked,
    /// Where entries of it lie.
    pub places: Vec<Place>,
    /// Entries that others took away unseen.
    pub lost: Vec<Lost>,
    /// What was done for it.
    pub work: Work,
    /// Whether memory is not what its goal wants now.
    pub is_off_goal: bool,
    /// Whether its lock would refuse it or has no room for it.
    pub is_hindered: bool,
    /// Since when neither is so.
    pub free_since: Timestamp,
    /// When it last became `unknown`.
    pub was_unknown_since: Option<Timestamp>,
    /// Whether it was ever shown as `set`.
    pub was_confirmed: bool,
    /// When the controller died of a deletion of it that it had not answered, if the record could not show since whether that is in force.
    pub(super) perhaps_deleted_at: Option<Timestamp>,
    /// What the record was before the present step; means something only if it changed in it.
    pub(super) before: Option<Box<Record>>,
    pub(super) before_last: Option<Last>,
    pub(super) is_changed: bool,
    pub(super) last_transition: &'static str,
    pub(super) edge: Option<Timestamp>,
    pub(super) is_touched: bool,
}

/// What calls were answered ok for a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// Its creation.
    pub is_created: bool,
    /// Its deletion.
    pub is_deleted: bool,
    /// The pull of this backup for it.
    pub pulled: Option<CodeId>,
    /// Its name, as last given.
    pub name: Option<String>,
    /// Whether others may change it, as last given.
    pub allows: Option<bool>,
    /// The erasure of an entry that nobody manages.
    pub is_erasure_asked: bool,
}

impl Code {
    pub(super) fn new(id: CodeId) -> Self {
        Self {
            id,
            record: None,
            lock: None,
            gone_at: None,
            is_gone_for_good: false,
            is_lost_by_restart: false,
            was_recorded: false,
            status_since: Timestamp::MIN,
            intents: Vec::new(),
            pins: Vec::new(),
            names: Vec::new(),
            created: BTreeSet::new(),
            bound: BTreeSet::new(),
            version: 0,
            prefers_native: true,
            was_switched: false,
            offline: None,
            pulled_at: None,
            is_residual: false,
            acked: Acked::default(),
            places: Vec::new(),
            lost: Vec::new(),
            work: Work::new(),
            is_off_goal: false,
            is_hindered: false,
            free_since: Timestamp::MIN,
            was_unknown_since: None,
            was_confirmed: false,
            perhaps_deleted_at: None,
            before: None,
            before_last: None,
            is_changed: false,
            last_transition: "",
            edge: None,
            is_touched: false,
        }
    }

    /// Whether the like of an entry was the code's, and can lie nowhere but in other places than this one. A join may have moved it (`R-57`).
    pub(super) fn is_bound_elsewhere(&self, epoch: Epoch, place: Place, entry: &TrueEntry) -> bool {
        let is_like = |pin: &Pin, name: &Name| (*pin, name) == (entry.pin, &entry.name);
        let is_created = self.created.iter().any(|(pin, name)| is_like(pin, name));
        let bound = || self.bound.iter().filter(|(_, _, pin, name)| is_like(pin, name));
        if is_created || bound().next().is_none() {
            return false;
        }
        let mut places = bound().filter(|(since, ..)| *since == epoch).map(|(_, place, ..)| *place).peekable();
        // Of what had left before the join nothing was moved by it.
        let has_left = self.record.is_none() && self.places.is_empty() && self.lost.is_empty();
        if places.peek().is_some() {
            places.all(|bound| bound != place)
        } else {
            has_left || self.places.iter().any(|found| *found != place)
        }
    }

    /// Its last change of status, as text for fingerprints.
    #[must_use]
    pub const fn last_transition(&self) -> &'static str {
        self.last_transition
    }

    /// The mutating command for it before the last one.
    #[must_use]
    pub const fn before_last(&self) -> Option<&Last> {
        self.before_last.as_ref()
    }

    /// Its status now; none without a record.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.record.as_ref().map(|record| record.status)
    }
}

/// A change of status as text; none is a missing record.
pub(crate) fn transition(from: Option<Status>, to: Option<Status>) -> &'static str {
    macro_rules! pairs {
        ($($from:ident $before:literal),*) => {
            match (from, to) {
                (None, None) => "none>none",
                $((Some(Status::$from), None) => concat!($before, ">none"),
                  (None, Some(Status::$from)) => concat!("none>", $before),
                  (Some(Status::$from), Some(to)) => match to {
                      Status::Setting => concat!($before, ">setting"),
                      Status::Set => concat!($before, ">set"),
                      Status::Unset => concat!($before, ">unset"),
                      Status::Removing => concat!($before, ">removing"),
                      Status::Unknown => concat!($before, ">unknown"),
                  },)*
            }
        };
    }
    pairs!(Setting "setting", Set "set", Unset "unset", Removing "removing", Unknown "unknown")
}
