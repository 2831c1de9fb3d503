//! What follows from something that happened at a site, and the notices of it.

use alloc::vec::Vec;

use super::Site;
use super::condition::LOSS_NOTICED_AFTER_MS;
use crate::id::CommandId;
use crate::offline::OfflineKind;
use crate::pin::Pin;
use crate::port::{Answer, News, Place};
use crate::time::{SECOND_MS, Timestamp, Window};
use crate::vendor::DuplicatePolicy;
use crate::world::lock::Effect;
use crate::world::quirk::Quirk;

/// What follows from something that happened at a site.
#[derive(Clone, Debug)]
pub enum Consequence {
    /// The vendor answers a command.
    Answer {
        /// Which.
        command_id: CommandId,
        /// What.
        answer: Answer,
        /// The instant whose state it shows.
        snapshot_at: Option<Timestamp>,
    },
    /// The head of this lock's queue is ready at this time.
    RunAt {
        /// The lock, by its number in the site.
        lock: usize,
        /// When.
        at: Timestamp,
    },
    /// The vendor sends a notice.
    News {
        /// The lock, by its number in the site; none: about the account.
        lock: Option<usize>,
        /// What.
        news: News,
        /// When the fact happened.
        snapshot_at: Timestamp,
        /// The command whose effect it tells, if it closes one (`ack: nothing`).
        closes: Option<CommandId>,
        /// Not before this.
        not_before: Timestamp,
    },
    /// An entry was stored at a lock; it may have replaced another.
    Stored {
        /// The lock.
        lock: usize,
        /// Where.
        place: Place,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// An entry was erased from a lock.
    Erased {
        /// The lock.
        lock: usize,
        /// Where.
        place: Place,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// The vendor's server computed a PIN, which the lock understands from now on.
    Issued {
        /// The lock.
        lock: usize,
        /// The PIN.
        pin: Pin,
        /// The kind of code.
        kind: OfflineKind,
        /// When it opens.
        window: Window,
        /// By which command.
        by: CommandId,
    },
    /// A PIN that the lock understands by itself opened it for the first time.
    Used {
        /// The lock.
        lock: usize,
        /// The PIN.
        pin: Pin,
    },
    /// The lock was set back: it understands no PIN of before.
    Renewed {
        /// The lock.
        lock: usize,
    },
    /// A command ran after its `TimedOut` (`P-03`), or otherwise off the plain course.
    OffCourse {
        /// The lock.
        lock: usize,
    },
    /// The lock's clock differs.
    ClockChanged {
        /// The lock.
        lock: usize,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// The lock works, or does not: power, keypad.
    Works {
        /// The lock.
        lock: usize,
        /// Which.
        works: bool,
    },
    /// The lock joined its account anew.
    Joined {
        /// The lock.
        lock: usize,
    },
    /// The lock left its account.
    Left {
        /// The lock.
        lock: usize,
    },
    /// The seats of the site are not what they were, or whose they are.
    SeatsChanged {
        /// By which command, if by one.
        by: Option<CommandId>,
    },
}

impl Site {
    /// The notice about what happened at a place.
    pub(super) fn report(
        &mut self,
        now: Timestamp,
        lock: usize,
        effect: Effect,
        place: Place,
        closes: Option<CommandId>,
        out: &mut Vec<Consequence>,
    ) {
        let site = &self.locks[lock];
        let notify = site.lock.duplicate_policy() == DuplicatePolicy::Notify;
        let news = match (effect, place) {
            (Effect::Added, _) => News::EntryAdded(place),
            (Effect::Changed, _) => News::EntryChanged(place),
            (Effect::Removed, _) => News::EntryRemoved(place),
            // An erasure of nothing is reported as one that was done: the lock says what is true of the place.
            (Effect::NotFound, Place::Slot(_)) if closes.is_some() => News::EntryRemoved(place),
            (Effect::Twin, Place::Slot(slot)) if notify => {
                News::NotAdded { slot, duplicate: !site.lock.quirks.has(Quirk::TwinCauseUnclear) }
            }
            (Effect::NotFound | Effect::Twin | Effect::Refused(_), _) => return,
        };
        if site.lock.profile.notices.entry {
            self.tell(now, Some(lock), news, closes, out);
        }
    }

    /// Sends a notice, or keeps it in the lock's own log while the path is down.
    pub(super) fn tell(&mut self, now: Timestamp, lock: Option<usize>, news: News, closes: Option<CommandId>, out: &mut Vec<Consequence>) {
        // An account hears nothing of a lock that is not in it, but that it left.
        if lock.is_some_and(|lock| !self.locks[lock].present && news != News::DeviceRemoved) && closes.is_none() {
            return;
        }
        if let Some(lock) = lock.filter(|lock| is_kept(&news) && !self.link_is_up(*lock)) {
            self.locks[lock].own_log.push((now, news));
            return;
        }
        let delay = if matches!(news, News::NotAdded { .. }) { 2 * SECOND_MS } else { 0 };
        out.push(Consequence::News { lock, news, snapshot_at: now, closes, not_before: now + delay });
    }
}

pub(super) fn answered(command_id: CommandId, answer: Answer) -> Consequence {
    Consequence::Answer { command_id, answer, snapshot_at: None }
}

pub(super) fn loss(now: Timestamp, lock: Option<usize>, news: News, is_back: bool) -> Consequence {
    let delay = if is_back { SECOND_MS } else { LOSS_NOTICED_AFTER_MS };
    Consequence::News { lock, news, snapshot_at: now, closes: None, not_before: now + delay }
}

/// Notices that a lock keeps while it can't send (port.md 7).
fn is_kept(news: &News) -> bool {
    let is_of_memory = matches!(news, News::EntryAdded(_) | News::EntryChanged(_) | News::EntryRemoved(_) | News::AllRemoved);
    is_of_memory || matches!(news, News::KeypadUsed { .. } | News::KeypadRefused | News::KeypadLocked)
}
