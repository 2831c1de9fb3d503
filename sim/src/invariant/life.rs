//! The lawful order of the events of one code: an automaton for the lives of events.md 3, with its ordering rules.

use std::fmt;

use keyway_core::event::EventType;

/// Where a code stands in its log (events.md 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// No event has named it.
    #[default]
    Unborn,
    /// Created, or converted.
    Managed,
    /// Found on a lock, and not converted yet.
    Unmanaged,
    /// `deleted` or `unmanaged.removed` has been said.
    Over,
}

/// What the log last confirmed of a code, unless something has undone it since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Nothing, or it was undone.
    #[default]
    Nothing,
    /// Its schedule is on the lock.
    Scheduled,
    /// It is on the lock and active.
    Set,
}

/// What the order of events may depend on beside the events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// A write for the code may have come through since its last removal (`EV-02`).
    pub was_maybe_written: bool,
    /// A cause is known for which a failure to set needs no delay before it (`EO-09`): a permanent refusal, or the escalation of `R-11`.
    pub was_refused: bool,
    /// The same for a failure to remove.
    pub was_removal_refused: bool,
    /// The lock's vendor gives seats, which a confirmed code may lose (T39).
    pub has_seats: bool,
    /// The device was removed and keeps what it had (`R-51`).
    pub is_residual: bool,
    /// A `changed` that need not begin a new set episode (T13, T37, or nothing that is written differs).
    pub keeps_episode: bool,
    /// The record shows a schedule on the lock that has not begun.
    pub is_scheduled: bool,
}

/// An event out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder {
    /// The ordering rule.
    pub rule: &'static str,
    /// What is wrong, without names.
    pub what: &'static str,
}

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.rule)
    }
}

/// The automaton of one code. It reads the log in append order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    stage: Stage,
    shown: Shown,
    /// Confirmed at least once (`EO-12`).
    was_shown: bool,
    /// Confirmed since the last `removed_from_device` (`EO-07`).
    may_be_removed: bool,
    /// `set_on_device` and no loss or end since (`EO-14`).
    works: bool,
    /// Lost where changes are allowed: the owner speaks next (`EO-13`).
    waits_for_owner: bool,
    set_delayed: bool,
    /// A delay was said before an update that need not have begun a new episode.
    set_maybe_delayed: bool,
    set_failed: bool,
    removal_delayed: bool,
    /// A delay was said in a remove episode that an outage may have ended or paused.
    removal_maybe_delayed: bool,
    removal_failed: bool,
}

impl Life {
    /// Where the code stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What is confirmed by the log and not undone since.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown
    }

    /// Whether the code was said to be set, with no loss or end said since (`EO-14`).
    #[must_use]
    pub fn works(&self) -> bool {
        self.works
    }

    /// Whether such an event was said already where it may be said once: once in a life, or once in an episode.
    #[must_use]
    pub fn has_said(&self, event: EventType) -> bool {
        match event {
            EventType::Created | EventType::UnmanagedCreated => self.stage != Stage::Unborn,
            EventType::Deleted | EventType::UnmanagedRemoved => self.stage == Stage::Over,
            EventType::DelayInSettingOnDevice => self.set_delayed,
            EventType::FailedToSetOnDevice => self.set_failed,
            EventType::DelayInRemovingFromDevice => self.removal_delayed,
            EventType::FailedToRemoveFromDevice => self.removal_failed,
            EventType::Changed
            | EventType::ScheduledOnDevice
            | EventType::SetOnDevice
            | EventType::RemovedFromDevice
            | EventType::ModifiedExternalToSeam
            | EventType::DeletedExternalToSeam
            | EventType::BackupAccessCodePulled
            | EventType::UnmanagedConvertedToManaged
            | EventType::UnmanagedFailedToConvertToManaged => false,
        }
    }

    /// A set episode begins that no event announces: the code came back from `unknown`.
    pub fn begin_set_episode(&mut self) {
        // The outage may count as a pause of the episode before it too.
        self.set_maybe_delayed |= std::mem::take(&mut self.set_delayed);
        self.set_failed = false;
    }

    /// A remove episode begins or ends, which no event announces.
    pub fn begin_remove_episode(&mut self) {
        self.removal_maybe_delayed |= std::mem::take(&mut self.removal_delayed);
        self.removal_failed = false;
    }

    /// The code was lost where changes are allowed, and rests until the owner's next word (T26, `EO-13`).
    pub fn rest(&mut self) {
        self.waits_for_owner = true;
    }

    /// Takes the next event of the code.
    ///
    /// # Errors
    /// [`OutOfOrder`] if no lawful life goes on like this. The automaton has moved on all the same.
    pub fn next(&mut self, event: EventType, circumstances: Circumstances) -> Result<(), OutOfOrder> {
        let before = *self;
        self.advance(event, circumstances);
        before.stage_allows(event)?;
        before.order_allows(event, circumstances)
    }

    /// Births, ends and the border between the unmanaged and the managed life.
    fn stage_allows(&self, event: EventType) -> Result<(), OutOfOrder> {
        let is_birth = matches!(event, EventType::Created | EventType::UnmanagedCreated);
        let is_unmanaged = matches!(
            event,
            EventType::UnmanagedCreated
                | EventType::UnmanagedFailedToConvertToManaged
                | EventType::UnmanagedConvertedToManaged
                | EventType::UnmanagedRemoved
        );
        match self.stage {
            Stage::Unborn if !is_birth => broken("EO-01", "an event names a code before its birth was said"),
            Stage::Over => broken("EO-02", "an event names a code after its end was said"),
            Stage::Managed | Stage::Unmanaged if is_birth => broken("EO-01", "a birth is said of a code that lives"),
            Stage::Unmanaged if !is_unmanaged => broken("EO-16", "an event of a managed life is said of an unmanaged code"),
            // A managed code that became unmanaged goes on in silence, and then lives an unmanaged life (T30).
            Stage::Unborn | Stage::Managed | Stage::Unmanaged => Ok(()),
        }
    }

    fn order_allows(&self, event: EventType, circumstances: Circumstances) -> Result<(), OutOfOrder> {
        match event {
            EventType::ScheduledOnDevice | EventType::SetOnDevice if self.waits_for_owner => {
                broken("EO-13", "a code that somebody removed with leave is set again without the owner's word")
            }
            EventType::ScheduledOnDevice => self.scheduling_allowed(),
            EventType::SetOnDevice if self.shown == Shown::Set => broken("EO-04", "set twice, with nothing between that undoes the first"),
            EventType::DelayInSettingOnDevice | EventType::FailedToSetOnDevice if self.waits_for_owner => {
                broken("EO-13", "a code that somebody removed with leave has a set episode without the owner's word")
            }
            EventType::DelayInSettingOnDevice if self.set_failed => broken("EO-09", "a delay in setting is said after the failure"),
            EventType::DelayInSettingOnDevice if self.shown != Shown::Nothing => {
                broken("EO-09", "a delay in setting is said after the success, with nothing between that undoes it")
            }
            EventType::FailedToSetOnDevice => self.failure_allowed(circumstances),
            EventType::DelayInRemovingFromDevice if self.removal_failed => broken("EO-10", "a delay in removing is said after the failure"),
            EventType::FailedToRemoveFromDevice => self.removal_failure_allowed(circumstances),
            EventType::RemovedFromDevice if !self.may_be_removed && !circumstances.was_maybe_written => {
                broken("EO-07", "a removal is said of a code that was not on the device")
            }
            EventType::Deleted if self.shown != Shown::Nothing && !circumstances.is_residual => {
                broken("T17", "the end is said of a code that was on the device, and not its removal")
            }
            EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam if !self.was_shown => {
                broken("EO-12", "an external change is said of a code that was never confirmed")
            }
            EventType::Created
            | EventType::Changed
            | EventType::SetOnDevice
            | EventType::RemovedFromDevice
            | EventType::DelayInSettingOnDevice
            | EventType::Deleted
            | EventType::DelayInRemovingFromDevice
            | EventType::ModifiedExternalToSeam
            | EventType::DeletedExternalToSeam
            | EventType::BackupAccessCodePulled
            | EventType::UnmanagedConvertedToManaged
            | EventType::UnmanagedFailedToConvertToManaged
            | EventType::UnmanagedCreated
            | EventType::UnmanagedRemoved => Ok(()),
        }
    }

    fn removal_failure_allowed(&self, circumstances: Circumstances) -> Result<(), OutOfOrder> {
        if self.removal_delayed || self.removal_maybe_delayed || self.removal_failed || circumstances.was_removal_refused {
            return Ok(());
        }
        broken("EO-10", "a failure to remove is said without a delay before it")
    }

    fn scheduling_allowed(&self) -> Result<(), OutOfOrder> {
        match self.shown {
            Shown::Nothing => Ok(()),
            Shown::Scheduled => broken("EO-05", "scheduled twice, with nothing between that undoes the first"),
            Shown::Set => broken("EO-06", "scheduled after it was set, with nothing between that undoes it"),
        }
    }

    fn failure_allowed(&self, circumstances: Circumstances) -> Result<(), OutOfOrder> {
        if self.shown != Shown::Nothing {
            // Only a lost seat opens an episode with its failure (T39).
            return if circumstances.has_seats { Ok(()) } else { broken("EO-09", "a failure to set is said after the success") };
        }
        // A second failure is one too many (I-EVT-04), not out of order.
        if self.set_delayed || self.set_maybe_delayed || self.set_failed || circumstances.was_refused {
            return Ok(());
        }
        broken("EO-09", "a failure to set is said without a delay before it and without a permanent refusal")
    }

    fn advance(&mut self, event: EventType, circumstances: Circumstances) {
        match event {
            EventType::Created => self.stage = Stage::Managed,
            EventType::UnmanagedCreated => self.stage = Stage::Unmanaged,
            EventType::UnmanagedConvertedToManaged => {
                let shown = if circumstances.is_scheduled { Shown::Scheduled } else { Shown::Set };
                *self = Self { stage: Stage::Managed, shown, was_shown: true, may_be_removed: true, ..Self::default() };
            }
            EventType::UnmanagedFailedToConvertToManaged | EventType::BackupAccessCodePulled => {}
            EventType::Deleted | EventType::UnmanagedRemoved => {
                self.stage = Stage::Over;
                self.works = false;
            }
            EventType::ScheduledOnDevice => self.confirm(Shown::Scheduled),
            EventType::SetOnDevice => {
                self.confirm(Shown::Set);
                self.works = true;
            }
            EventType::Changed => {
                let maybe_delayed = circumstances.keeps_episode && (self.set_delayed || self.set_maybe_delayed);
                self.undo();
                self.set_maybe_delayed = maybe_delayed;
                self.waits_for_owner = false;
            }
            EventType::ModifiedExternalToSeam => self.undo(),
            EventType::DeletedExternalToSeam => {
                self.undo();
                self.works = false;
            }
            EventType::RemovedFromDevice => {
                self.undo();
                self.begin_remove_episode();
                self.removal_maybe_delayed = false;
                self.may_be_removed = false;
                self.works = false;
            }
            EventType::DelayInSettingOnDevice => self.set_delayed = true,
            EventType::FailedToSetOnDevice => {
                // After a lost seat it stands between two settings (EO-04).
                self.shown = Shown::Nothing;
                self.set_failed = true;
            }
            EventType::DelayInRemovingFromDevice => self.removal_delayed = true,
            EventType::FailedToRemoveFromDevice => self.removal_failed = true,
        }
    }

    fn confirm(&mut self, shown: Shown) {
        self.shown = shown;
        self.was_shown = true;
        self.may_be_removed = true;
        self.begin_set_episode();
    }

    fn undo(&mut self) {
        self.shown = Shown::Nothing;
        self.begin_set_episode();
    }
}

fn broken(rule: &'static str, what: &'static str) -> Result<(), OutOfOrder> {
    Err(OutOfOrder { rule, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{
        BackupAccessCodePulled as Pulled, Changed, Created, DelayInRemovingFromDevice as RemovalDelayed,
        DelayInSettingOnDevice as SetDelayed, Deleted, DeletedExternalToSeam as Lost, FailedToRemoveFromDevice as RemovalFailed,
        FailedToSetOnDevice as SetFailed, ModifiedExternalToSeam as Modified, RemovedFromDevice as Removed, ScheduledOnDevice as Scheduled,
        SetOnDevice as Set, UnmanagedConvertedToManaged as Converted, UnmanagedCreated as Found,
        UnmanagedFailedToConvertToManaged as NotConverted, UnmanagedRemoved as Left,
    };

    fn first_fault(events: &[EventType], circumstances: Circumstances) -> Option<&'static str> {
        let mut life = Life::default();
        events.iter().find_map(|event| life.next(*event, circumstances).err().map(|fault| fault.rule))
    }

    #[test]
    fn lawful_lives_are_lawful() {
        let lives: [&[EventType]; 12] = [
            &[Created, Deleted],
            &[Created, Set, Removed, Deleted],
            &[Created, Scheduled, Set, RemovalDelayed, RemovalFailed, Removed, Deleted],
            &[Created, SetDelayed, SetFailed, Set, Changed, Set, Removed, Deleted],
            &[Created, SetDelayed, Changed, SetDelayed, SetFailed, Deleted],
            &[Created, Set, Modified, SetDelayed, Set, Lost, Set, Removed, Deleted],
            &[Created, Scheduled, Lost, Scheduled, Set],
            &[Created, Set, Changed, RemovalDelayed, Removed, Set, Removed, Deleted],
            &[Created, Set, Pulled, Removed, Deleted],
            &[Created, Scheduled, Changed, Removed, Scheduled],
            &[Found, NotConverted, NotConverted, Converted, Lost, Set, Removed, Deleted],
            &[Found, Left],
        ];
        for life in lives {
            assert_eq!(first_fault(life, Circumstances::default()), None, "{life:?}");
        }
    }

    #[test]
    fn each_rule_finds_its_fault() {
        let lives: [(&str, &[EventType]); 21] = [
            ("EO-01", &[Set]),
            ("EO-01", &[Created, Created]),
            ("EO-02", &[Created, Set, Removed, Deleted, Removed]),
            ("EO-02", &[Found, Left, Found]),
            ("EO-04", &[Created, Set, Set]),
            ("EO-04", &[Created, Set, Pulled, Set]),
            ("EO-05", &[Created, Scheduled, Scheduled]),
            ("EO-06", &[Created, Set, Scheduled]),
            ("EO-07", &[Created, Removed]),
            ("EO-07", &[Created, Set, Removed, Removed]),
            ("EO-09", &[Created, SetFailed]),
            ("EO-09", &[Created, SetDelayed, SetFailed, SetDelayed]),
            ("EO-09", &[Created, Set, SetDelayed]),
            ("EO-09", &[Created, Set, SetFailed]),
            ("EO-10", &[Created, Set, RemovalFailed]),
            ("EO-10", &[Created, Set, RemovalDelayed, RemovalFailed, RemovalDelayed]),
            ("EO-12", &[Created, Modified]),
            ("EO-12", &[Created, Lost]),
            ("T17", &[Created, Set, RemovalDelayed, Deleted]),
            ("EO-16", &[Found, Set]),
            ("EO-16", &[Found, Changed]),
        ];
        for (rule, life) in lives {
            assert_eq!(first_fault(life, Circumstances::default()), Some(rule), "{life:?}");
        }
    }

    #[test]
    fn circumstances_excuse_what_they_should() {
        let refused = Circumstances { was_refused: true, ..Circumstances::default() };
        assert_eq!(first_fault(&[Created, SetFailed, Set], refused), None);
        let written = Circumstances { was_maybe_written: true, ..Circumstances::default() };
        assert_eq!(first_fault(&[Created, Removed, Deleted], written), None);
        let residual = Circumstances { is_residual: true, ..Circumstances::default() };
        assert_eq!(first_fault(&[Created, Set, Deleted], residual), None);
        let seats = Circumstances { has_seats: true, ..Circumstances::default() };
        assert_eq!(first_fault(&[Created, Scheduled, SetFailed, Set], seats), None);
    }

    #[test]
    fn a_code_lost_with_leave_rests_until_its_owner_speaks() {
        let plain = Circumstances::default();
        let mut life = Life::default();
        for event in [Created, Set, Lost] {
            life.next(event, plain).unwrap();
        }
        life.rest();
        let mut naive = life;
        assert_eq!(naive.next(Set, plain).unwrap_err().rule, "EO-13");
        life.next(Changed, plain).unwrap();
        life.next(Set, plain).unwrap();
    }

    #[test]
    fn an_episode_may_begin_in_silence() {
        let plain = Circumstances::default();
        let mut life = Life::default();
        for event in [Created, SetDelayed, SetFailed] {
            life.next(event, plain).unwrap();
        }
        life.begin_set_episode();
        life.next(SetDelayed, plain).unwrap();
    }
}
