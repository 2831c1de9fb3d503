//! How a record may change: `I-STA-08`, `I-STA-10` to `I-STA-12`, and how `unknown` begins and ends (`I-STA-04`).
//!
//! Over a restart nothing is a transition: what was not saved may be undone by it.

use keyway_core::access_code::{Record, Status, Type};
use keyway_core::event::EventType;
use keyway_core::id::CodeId;
use keyway_core::port::Op;
use keyway_core::problem::ErrorCode;
use keyway_core::request::{Request, Response};
use keyway_core::time::Timestamp;
use keyway_core::vendor::ReadBack;

use super::status::{is_account_loss, losses, meets_incarnation};
use super::{Found, Interests, Invariant, Row};
use crate::history::{CodeIx, Goal, History, Input, Intent};
use crate::occurrence::Occurrence;

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-STA-08"), Row::of("I-STA-10"), Row::of("I-STA-11"), Row::of("I-STA-12")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(UnknownTransitions), Box::new(Transitions), Box::new(Fixed), Box::new(Resurrection), Box::new(OngoingLeavesSet)]
}

/// `I-STA-04`, from the status to the loss: how `unknown` begins and ends. It may last beyond the loss until it is read, which has a bound of its own.
struct UnknownTransitions;

impl Invariant for UnknownTransitions {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-04"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        for (code, before, after) in changes(history) {
            let Some(after) = after else { continue };
            let was = before.map(|record| record.status);
            let (is_removed, is_lost) = losses(history, code);
            if after.status == Status::Unknown && was != Some(Status::Unknown) {
                found.armed("I-STA-04");
                let lock = history.code(code).lock;
                let before = lock.and_then(|lock| history.previous_device(lock));
                let was_lost = History::device_shows(before, |error| error == ErrorCode::DeviceRemoved || is_account_loss(error))
                    || meets_incarnation(history, code);
                if !after.is_managed || !(is_removed || is_lost || was_lost) {
                    found.broken_by("I-STA-04", history, code, "becomes unknown, and neither its device nor its account is lost");
                }
            }
            if was == Some(Status::Unknown) && after.status != Status::Unknown && after.is_managed && !after.is_offline_access_code {
                let is_read = was_read_since_unknown(history, code);
                if is_removed || is_lost || !is_read {
                    found.broken_by("I-STA-04", history, code, format!("leaves unknown for {} before it was read again", after.status));
                }
            }
        }
    }
}

/// Whether a read of the code's lock was delivered since the code became unknown.
fn was_read_since_unknown(history: &History, code: CodeIx) -> bool {
    let state = history.code(code);
    let Some(lock) = state.lock.map(|lock| history.lock(lock)) else { return true };
    let is_readable = lock.facts.profile.read_back != ReadBack::None;
    !is_readable || matches!((lock.read_at, state.was_unknown_since), (Some(read), Some(since)) if read >= since)
}

/// The records that changed in the step, as transitions.
fn changes(history: &History) -> impl Iterator<Item = (CodeIx, Option<&Record>, Option<&Record>)> {
    let changed = if history.is_transition() { history.changed_codes() } else { &[] };
    changed.iter().map(|code| (*code, history.previous(*code), history.code(*code).record.as_deref()))
}

/// `I-STA-08`. Rows that follow each other at one instant may show as one change: an erasure for an update that is due by then, a native code confirmed at its
/// very start.
struct Transitions;

impl Transitions {
    /// Why a change of status is no row of the transition table; none if it is one.
    fn fault(history: &History, code: CodeIx, before: Option<&Record>, after: Option<&Record>, now: Timestamp) -> Option<&'static str> {
        let (is_managed_before, is_managed_after) = (before.map(|record| record.is_managed), after.map(|record| record.is_managed));
        if is_managed_before == Some(false) || (is_managed_after == Some(false)) {
            return Self::unmanaged_fault(before, after);
        }
        let is_wanted = matches!(history.goal(code), Some(Intent { goal: Goal::Present { .. }, .. }));
        let is_started = |record: &Record| record.starts_at.is_some_and(|starts_at| now >= starts_at);
        let (from, to) = (before.map(|record| record.status), after.map(|record| record.status));
        let is_offline = before.or(after).is_some_and(|record| record.is_offline_access_code);
        if is_offline || from == to {
            return None;
        }
        match (from, to) {
            (None, Some(Status::Unset | Status::Setting | Status::Unknown)) => None,
            (None, _) => Some("T01 creates a code as unset, setting or unknown"),
            (Some(Status::Unset), Some(Status::Set)) if after.is_some_and(|record| !is_started(record)) => {
                Some("T05 needs the start to have come")
            }
            (Some(Status::Unset), _) => None,
            (Some(Status::Setting), Some(Status::Unset))
                if before.is_some_and(|r| r.kind == Type::Ongoing) && after.is_some_and(|r| r.kind == Type::Ongoing) =>
            {
                Some("an ongoing code does not fall back to unset")
            }
            (Some(Status::Setting), _) => None,
            (Some(Status::Set), Some(Status::Unset)) if !after.is_some_and(|record| record.is_external_modification_allowed) => {
                Some("only T26 leads from set to unset, where external changes are allowed")
            }
            (Some(Status::Set), Some(Status::Setting)) if Self::is_put_back(before, after) => {
                Some("T25 and T26 leave what others did as it is, where external changes are allowed")
            }
            // What was lost needs no removing any more.
            (Some(Status::Set), None) if history.was_told_lost(code) => None,
            (Some(Status::Set), None) => Some("a code that is set goes through removing"),
            (Some(Status::Set), _) => None,
            (Some(Status::Removing), Some(Status::Set)) => Some("removing never becomes set"),
            (Some(Status::Removing), Some(Status::Setting)) if !is_wanted => Some("a code that shall go does not become setting"),
            (Some(Status::Removing), _) => None,
            (Some(Status::Unknown), _) => None,
        }
    }

    /// Whether a code that others may change is set once more although its owner asked for nothing new (T11 shows in the record). A linked code
    /// keeps its PIN even so (`IN-01`), and a lost seat is nothing that others did to it (T39).
    fn is_put_back(before: Option<&Record>, after: Option<&Record>) -> bool {
        let asked = |record: &Record| (record.code, record.window(), record.name.clone());
        let (Some(before), Some(after)) = (before, after) else { return false };
        let is_allowed = before.is_external_modification_allowed && after.is_external_modification_allowed;
        let has_lost_seat = after.errors.iter().any(|entry| entry.error_code == ErrorCode::SaltoKsUserNotSubscribed);
        is_allowed && !has_lost_seat && after.common_code_key.is_none() && asked(before) == asked(after)
    }

    fn unmanaged_fault(before: Option<&Record>, after: Option<&Record>) -> Option<&'static str> {
        match (before.map(|record| record.is_managed), after) {
            (_, None) => None,
            (Some(false), Some(after)) if after.is_managed && !matches!(after.status, Status::Set | Status::Unset) => {
                Some("T31 leaves the status as it was")
            }
            _ => None,
        }
    }
}

impl Invariant for Transitions {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-08"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        for (code, before, after) in changes(history) {
            if before.map(|record| record.status) != after.map(|record| record.status) {
                found.armed("I-STA-08");
            }
            if let Some(fault) = Self::fault(history, code, before, after, now) {
                found.broken_by("I-STA-08", history, code, format!("{}: {fault}", history.code(code).last_transition()));
            }
        }
    }
}

/// `I-STA-10`. What is fixed stays so over a restart too; what is written once may be unwritten by one, if it was not saved.
struct Fixed;

impl Fixed {
    fn changed(before: &Record, after: &Record, is_transition: bool) -> Option<&'static str> {
        let was_pulled = before.pulled_backup_access_code_id.is_some();
        let fixed = [
            ("device_id", before.device_id == after.device_id),
            ("created_at", before.created_at == after.created_at),
            ("common_code_key", before.common_code_key == after.common_code_key),
            ("is_backup", before.is_backup == after.is_backup),
            ("is_offline_access_code", before.is_offline_access_code == after.is_offline_access_code),
            ("is_one_time_use", before.is_one_time_use == after.is_one_time_use),
            (
                "pulled_backup_access_code_id",
                !is_transition || !was_pulled || before.pulled_backup_access_code_id == after.pulled_backup_access_code_id,
            ),
        ];
        fixed.iter().find(|(_, is_same)| !is_same).map(|(name, _)| *name)
    }
}

impl Invariant for Fixed {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-10"]
    }

    fn interests(&self) -> Interests {
        Interests::RECORDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Recorded { code, after: Some(after) } = occurrence else { return };
        let Some(ix) = history.find_code(*code) else { return };
        let Some(before) = history.previous(ix) else { return };
        found.armed("I-STA-10");
        if let Some(name) = Self::changed(before, after, history.is_transition()) {
            found.broken_by("I-STA-10", history, ix, format!("its {name} changed"));
        }
    }
}

/// `I-STA-11`. A record whose end was not saved may come back with a restart.
struct Resurrection;

impl Invariant for Resurrection {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-11"]
    }

    fn interests(&self) -> Interests {
        Interests::RECORDED.and(Interests::COMMANDED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let (id, what): (Option<CodeId>, _) = match occurrence {
            Occurrence::Recorded { code, after: Some(_) } => (Some(*code), "has a record again"),
            // A user of the site is nothing in a lock, and one that may have been made is asked for so that it can be deleted.
            Occurrence::Commanded { command, .. } if matches!(command.op, Op::CreateUser { .. }) => return,
            Occurrence::Commanded { command, .. } if command.op.is_mutating() && !command.op.is_erasing() => {
                (command.for_code, "is written to a lock again")
            }
            _ => return,
        };
        let Some(code) = id.and_then(|id| history.find_code(id)) else { return };
        if history.code(code).is_gone_for_good {
            found.broken_by("I-STA-11", history, code, format!("{what} after it was gone"));
        }
    }

    fn settled(&mut self, history: &History, _now: Timestamp, found: &mut Found) {
        let is_gone = |code: &&CodeIx| history.code(**code).is_gone_for_good;
        for _ in history.touched_codes().iter().filter(is_gone) {
            found.armed("I-STA-11");
        }
    }
}

/// `I-STA-12`. A pooled backup, which is ongoing, may also be ended or given another PIN by its pool (`R-25`, `R-59`).
struct OngoingLeavesSet;

impl OngoingLeavesSet {
    fn is_called(history: &History, record: &Record) -> bool {
        let Some(Input::Call(call_id)) = &history.step().input else { return false };
        let is_ok =
            history.step().replies.iter().any(|(id, result)| {
                id == call_id && matches!(result, Ok(Response::Done | Response::AccessCode(_) | Response::AccessCodes(_)))
            });
        let Some(call) = history.call(*call_id).filter(|_| is_ok) else { return false };
        let names = |id: CodeId| {
            let original = history.find_code(id).and_then(|code| history.previous(code));
            id == record.access_code_id
                || original.is_some_and(|original| original.pulled_backup_access_code_id == Some(record.access_code_id))
        };
        match &call.request {
            Request::Update(update) => names(update.access_code_id),
            Request::Delete(delete) => names(delete.access_code_id),
            Request::UpdateMultiple(update) => record.common_code_key.as_deref() == Some(update.common_code_key.as_str()),
            Request::PullBackupAccessCode(_) => record.is_backup,
            Request::Device(request) => request.gives_up() && request.device() == record.device_id,
            Request::Create(_) | Request::CreateMultiple(_) | Request::Unmanaged(_) => false,
            Request::Get(_) | Request::List(_) | Request::GenerateCode(_) => false,
        }
    }

    fn is_lawful(history: &History, code: CodeIx, before: &Record, after: Option<&Record>) -> bool {
        let emitted =
            |kind| history.step().events.iter().any(|event| event.access_code_id == before.access_code_id && event.event_type == kind);
        let is_external = emitted(EventType::ModifiedExternalToSeam) || emitted(EventType::DeletedExternalToSeam);
        let is_pooled = before.is_backup && history.code(code).pulled_at.is_none();
        let (is_removed, is_lost) = losses(history, code);
        let is_unknown =
            after.is_some_and(|after| after.status == Status::Unknown) && (is_removed || is_lost || meets_incarnation(history, code));
        let is_released = after.is_some_and(|after| !after.is_managed);
        let has_lost_seat = history.entries(code).any(|(_, stored)| !stored.entry.enabled)
            && after.is_some_and(|after| after.errors.iter().any(|entry| entry.error_code == ErrorCode::SaltoKsUserNotSubscribed));
        is_external || has_lost_seat || is_pooled || is_unknown || is_released || Self::is_called(history, before)
    }
}

impl Invariant for OngoingLeavesSet {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-12"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        for (code, before, after) in changes(history) {
            let Some(before) = before.filter(|record| record.is_managed && record.kind == Type::Ongoing && record.status == Status::Set)
            else {
                continue;
            };
            if after.is_some_and(|after| after.status == Status::Set) {
                continue;
            }
            found.armed("I-STA-12");
            if !Self::is_lawful(history, code, before, after) {
                found.broken_by("I-STA-12", history, code, format!("{} without a cause of its own", history.code(code).last_transition()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::Slot;
    use keyway_core::port::Place;
    use keyway_core::problem::ErrorEntry;
    use keyway_core::time::{DAY_MS, HOUR_MS};

    use super::*;
    use crate::judge::testing::{SLOT, Story};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    #[test]
    fn nothing_becomes_unknown_without_a_loss() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", Some(story.window(-HOUR_MS, DAY_MS)));
        story.change(id, |record| record.status = Status::Unknown);
        story.must_break("I-STA-04");
    }

    #[test]
    fn unknown_ends_with_a_read() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let error = ErrorEntry { error_code: ErrorCode::AccountDisconnected, created_at: story.now() };
        let mut record = story.record(id).clone();
        record.status = Status::Unknown;
        let device = story.device_view(SLOT, |device| device.account_errors.push(error));
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![Occurrence::Saved, shows, device]);
        story.wait(HOUR_MS);
        story.device_shows(SLOT, |device| device.account_errors.clear());
        story.must_hold();
        story.change(id, |record| record.status = Status::Set);
        story.must_break("I-STA-04");
    }

    #[test]
    fn what_others_may_change_is_not_put_back() {
        let mut story = story();
        let window = story.window(-HOUR_MS, DAY_MS);
        let id = story.confirmed(SLOT, "1234", Some(window));
        story.change(id, |record| record.is_external_modification_allowed = true);
        story.must_hold();
        story.change(id, |record| record.status = Status::Setting);
        story.must_break("I-STA-08");
    }

    #[test]
    fn what_its_owner_changes_is_set_again() {
        let mut story = story();
        let window = story.window(-HOUR_MS, DAY_MS);
        let id = story.confirmed(SLOT, "1234", Some(window));
        story.change(id, |record| record.is_external_modification_allowed = true);
        story.change(id, |record| (record.name, record.status) = (Some("guest".to_owned()), Status::Setting));
        story.must_hold();
    }

    #[test]
    fn removing_does_not_become_set() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.change(id, |record| record.status = Status::Set);
        story.must_break("I-STA-08");
    }

    #[test]
    fn what_is_fixed_stays() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.change(id, |record| record.is_backup = true);
        story.must_break("I-STA-10");
    }

    #[test]
    fn nobody_rises() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.erase(id, ONE);
        let mut record = story.record(id).clone();
        story.drop_record(id);
        story.must_hold();
        record.status = Status::Setting;
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![Occurrence::Saved, shows]);
        story.must_break("I-STA-11");
    }

    #[test]
    fn an_ongoing_code_does_not_leave_set_by_itself() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.change(id, |record| record.status = Status::Setting);
        story.must_break("I-STA-12");
    }
}
