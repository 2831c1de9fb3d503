//! What was seen of one code, or of one lock, beside what its record and its memory show now.

use std::collections::BTreeMap;

use keyway_core::access_code::{Record, Status};
use keyway_core::event::EventType;
use keyway_core::id::Key;
use keyway_core::pin::Pin;
use keyway_core::port::Place;
use keyway_core::time::Timestamp;

use crate::invariant::life::Life;
use crate::occurrence::Origin;

/// What was seen of one code beside its record.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its events in the log.
    pub life: Life,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// While it is `unknown`: the status before that, if it is certain.
    pub known_as: Option<Status>,
    /// In the step in which it left `unknown`: the status before that, if it is certain and nothing was asked or lost meanwhile.
    pub left_unknown_as: Option<Status>,
    /// Whether something was asked or lost while it was `unknown`.
    pub(super) was_moved_while_unknown: bool,
    /// When its set episode began at the earliest, beside its due time: an update, or a loss that was detected.
    pub episode_since: Option<Timestamp>,
    /// Whether the owner wants a native schedule (`prefer_native_scheduling`), where that is certain.
    pub prefers_schedule: Option<bool>,
    /// The PINs the record showed, each with its first instant.
    pub(super) pins: Vec<(Timestamp, Option<Pin>)>,
    /// Writes sent and not definitely refused since its last removal.
    pub(super) writes: u32,
    /// Whether it lay in a lock at any time since its last removal.
    pub(super) was_stored: bool,
    /// When the last write was sent.
    pub(super) last_write: Option<Timestamp>,
    /// When the last write was sent that leaves nothing as others made it, all but a new schedule or a seat; and its key.
    pub(super) last_whole_write: Option<(Timestamp, Key)>,
    /// A permanent refusal of a write came since its last update or confirmation.
    pub(super) was_refused: bool,
    /// The same for an erasure.
    pub was_removal_refused: bool,
    /// What others did to its entry and no event has told yet, as instants.
    pub(super) foreign: Vec<Timestamp>,
}

impl Seen {
    /// Whether a write for it may have come through since its last removal (`EV-02`).
    #[must_use]
    pub fn was_maybe_written(&self) -> bool {
        self.writes > 0 || self.was_stored
    }

    /// The PIN that the record showed at this instant; the later one if it changed at it.
    #[must_use]
    pub fn pin_at(&self, at: Timestamp) -> Option<Pin> {
        self.pins.iter().rev().find(|(since, _)| *since <= at).and_then(|(_, pin)| *pin)
    }

    /// Whether its record ever showed a PIN.
    #[must_use]
    pub fn had_pin(&self) -> bool {
        self.pins.iter().any(|(_, pin)| pin.is_some())
    }

    /// The record turns from `before` into `after`.
    pub(super) fn turn(&mut self, seen_at: Timestamp, is_reread: bool, before: Option<&Record>, after: &Record) {
        if self.pins.last().is_none_or(|(_, pin)| *pin != after.code) {
            self.pins.push((seen_at, after.code));
        }
        if after.is_backup && before.is_some_and(|before| before.code != after.code) {
            // A pooled PIN that a lock refused is replaced without a word.
            self.life.begin_set_episode();
        }
        let from = before.map(|record| record.status);
        if from == Some(after.status) {
            return;
        }
        self.status_since = seen_at;
        self.left_unknown_as = self.known_as.filter(|_| !self.was_moved_while_unknown);
        self.known_as = from.filter(|_| after.status == Status::Unknown && !is_reread);
        self.was_moved_while_unknown = false;
        if from == Some(Status::Unknown) {
            self.life.begin_set_episode();
        }
        if from == Some(Status::Unknown) || from == Some(Status::Removing) || after.status == Status::Removing {
            self.life.begin_remove_episode();
        }
    }

    /// Others did something to its entry, once at an instant.
    pub(super) fn suffer(&mut self, now: Timestamp) {
        if self.foreign.last() != Some(&now) {
            self.foreign.push(now);
        }
    }

    /// Draws the conclusions from an event of the log; says whether an external one has a cause.
    pub(super) fn hear(&mut self, now: Timestamp, event: EventType, keeps_episode: bool) -> bool {
        match event {
            EventType::Changed => {
                self.was_moved_while_unknown = true;
                if !keeps_episode {
                    self.episode_since = Some(now);
                    self.was_refused = false;
                }
                true
            }
            EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam => {
                self.was_moved_while_unknown = true;
                self.episode_since = Some(now);
                let is_by_others = !self.foreign.is_empty();
                if is_by_others {
                    self.foreign.remove(0);
                }
                is_by_others
            }
            EventType::SetOnDevice | EventType::ScheduledOnDevice => {
                self.was_refused = false;
                // What lay there before the confirmed write was sent is history.
                if let Some((write, _)) = self.last_whole_write {
                    self.foreign.retain(|at| *at >= write);
                }
                true
            }
            EventType::RemovedFromDevice => {
                // What the same step sent comes after it.
                self.writes = u32::from(self.last_write == Some(now));
                self.was_stored = false;
                self.was_removal_refused = false;
                true
            }
            EventType::Created
            | EventType::DelayInSettingOnDevice
            | EventType::FailedToSetOnDevice
            | EventType::Deleted
            | EventType::DelayInRemovingFromDevice
            | EventType::FailedToRemoveFromDevice
            | EventType::BackupAccessCodePulled
            | EventType::UnmanagedFailedToConvertToManaged
            | EventType::UnmanagedCreated
            | EventType::UnmanagedRemoved => true,
            EventType::UnmanagedConvertedToManaged => {
                // It was taken over as it is, whatever others did before.
                self.foreign.clear();
                true
            }
        }
    }
}

/// What was seen of one lock beside its present memory.
#[derive(Clone, Debug, Default)]
pub struct LockSeen {
    /// Whose entry lies where; the history has the rest.
    pub(super) places: BTreeMap<Place, (Origin, Pin)>,
    /// The PINs of entries that ever lay there and were nobody's managed code, or were changed by others; hidden ones left out.
    pub strangers: Vec<Pin>,
    /// It was full once, or a refusal told that it has less room than it says.
    pub(super) was_full: bool,
    /// It takes other PIN lengths than it once told.
    pub(super) lengths_changed: bool,
    /// It joined anew, so that nothing in it is provably the controller's (`R-57`).
    pub rejoined: bool,
}

impl LockSeen {
    /// Whether it gave a lasting reason to refuse any write. When the controller learnt of it is its own affair, so it counts for good.
    pub(super) const fn refuses(&self) -> bool {
        self.was_full || self.lengths_changed
    }
}
