//! What must happen in time: `I-LIV-01` at the end of a run, `I-LIV-02`, `I-LIV-04` and `I-LIV-05` at their own instants.

use keyway_core::access_code::{Record, Status};
use keyway_core::config::ExpiredRecordPolicy;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::time::Timestamp;
use keyway_core::vendor::ReadBack;

use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, Goal, History, Intent, Why, is_path_error};
use crate::occurrence::{Lock, Occurrence, Phase};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-LIV-01"), Row::of("I-LIV-02"), Row::of("I-LIV-04"), Row::of("I-LIV-05")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Convergence),
        OfCode::boxed(&["I-LIV-02"], confirmed_in_time),
        OfCode::boxed(&["I-LIV-04"], removed_in_time),
        OfCode::boxed(&["I-LIV-05"], tried_again),
    ]
}

/// `I-LIV-01`, of each lock whose path was quiet for `B_CONV`, and of each code on it whose own time, counted from when it became due, ended or free, is over
/// as well. What is lost for good leaves its locks out.
struct Convergence;

impl Convergence {
    /// What keeps a code from having converged; none if it has, or if it is excused.
    fn fault(history: &History, code: CodeIx, lock: Lock, now: Timestamp) -> Option<String> {
        let state = history.code(code);
        let Some(record) = state.record.as_deref() else {
            let is_ghost = !state.is_residual
                && history.entries(code).any(|(_, stored)| stored.touched.is_none() && !history.is_granted(code, stored, now));
            return is_ghost.then(|| "it is gone, and an entry of it is left".to_owned());
        };
        if !record.is_managed || state.is_residual {
            return None;
        }
        if record.is_offline_access_code {
            return Self::fault_of_offline(history, code, record, now);
        }
        let intent = history.goal(code)?;
        let is_excused = Self::is_hidden(history, code) || is_honoured(record);
        if is_excused || !Self::is_over(history, lock, intent.due_at.max(state.free_since), now) {
            return None;
        }
        match intent.goal {
            Goal::Absent if history.is_past_proof(code) => {
                record.errors.is_empty().then(|| format!("nothing can prove its removal, and it is {} without an error", record.status))
            }
            Goal::Absent => Self::fault_of_unwanted(history, code, intent, record),
            // either schedule is right, so it may be there already.
            Goal::Present { .. } if now < intent.due_at && state.was_switched => {
                Self::fault_of_waiting(history, code, record).and_then(|_| Self::fault_of_wanted(history, code, record, now))
            }
            Goal::Present { .. } if now < intent.due_at => Self::fault_of_waiting(history, code, record),
            Goal::Present { .. } => Self::fault_of_wanted(history, code, record, now),
        }
    }

    /// An offline code is registered and stands where its window puts it, or says what is in the way.
    fn fault_of_offline(history: &History, code: CodeIx, record: &Record, now: Timestamp) -> Option<String> {
        // One that the lock takes no more is over for whoever was told so.
        let local = history.code(code).lock.map_or(now, |lock| history.local_time(lock, now));
        let is_spent = history.computed_as_shown(code).is_some_and(|computed| computed.is_spent(local));
        if is_spent && record.status == Status::Unset {
            return None;
        }
        let wanted = match record.window() {
            Some(window) if window.contains(now) => Status::Set,
            Some(_) | None => Status::Unset,
        };
        let is_over = record.ends_at.is_some_and(|ends_at| ends_at <= now);
        let is_right = record.status == wanted && (is_over || record.code.is_some() || !record.errors.is_empty());
        let is_told = record.status == Status::Setting && wanted == Status::Set && !record.errors.is_empty();
        (!is_right && !is_told).then(|| format!("it is {} without an error, registered: {}", record.status, record.code.is_some()))
    }

    /// Whether others changed an entry of the code in a way that no read of its lock shows: nobody can know. What reads do show must have been found by now.
    fn is_hidden(history: &History, code: CodeIx) -> bool {
        let reads = history.profile(code).map(|profile| profile.read_back);
        match reads {
            Some(ReadBack::Exact | ReadBack::ExactLoaded) => history
                .entries(code)
                .any(|(_, stored)| stored.touched.is_some() && (stored.entry.hidden || history.is_granted(code, stored, history.now()))),
            Some(ReadBack::Masked | ReadBack::Presence) => {
                history.entries(code).any(|(_, stored)| stored.touched.is_some()) || history.is_replaced_unseen(code)
            }
            Some(ReadBack::None) | None => history.is_touched(code),
        }
    }

    /// Whether `B_CONV` has passed since `since` on a quiet path.
    fn is_over(history: &History, lock: Lock, since: Timestamp, now: Timestamp) -> bool {
        history.quiet_since(lock).is_some_and(|quiet| {
            let since = quiet.max(since.min(now));
            now >= since + history.b_conv(lock, since)
        })
    }

    fn fault_of_unwanted(history: &History, code: CodeIx, intent: &Intent, record: &Record) -> Option<String> {
        let keeps_record = match intent.why {
            Why::Left => true,
            Why::Ended => history.facts().config.expired_record_policy == ExpiredRecordPolicy::RetainUnset,
            Why::Asked | Why::Pulled | Why::Deleted | Why::Adopted | Why::Own => false,
        };
        if !keeps_record {
            return Some(format!("it shall be gone and is {}", record.status));
        }
        let is_right = record.status == Status::Unset && !history.is_resident(code);
        (!is_right).then(|| format!("it shall be unset and erased, and is {}", record.status))
    }

    fn fault_of_waiting(history: &History, code: CodeIx, record: &Record) -> Option<String> {
        let is_right = record.status == Status::Unset && !history.is_resident(code);
        (!is_right).then(|| format!("it is not due, and is {} and in the lock: {}", record.status, history.is_resident(code)))
    }

    fn fault_of_wanted(history: &History, code: CodeIx, record: &Record, now: Timestamp) -> Option<String> {
        let state = history.code(code);
        let is_pooled = record.is_backup && state.pulled_at.is_none();
        let is_before = record.starts_at.is_some_and(|starts_at| now < starts_at);
        let is_set = record.status == Status::Set;
        let is_scheduled = record.status == Status::Unset && record.is_scheduled_on_device;
        let is_shown = match history.is_native(code) {
            _ if is_before && state.was_switched => is_scheduled || is_set,
            true if is_before => is_scheduled,
            _ => is_set,
        };
        let is_right = is_shown && history.is_matching(code);
        if state.is_hindered && !is_right {
            let is_silent = record.errors.is_empty() && !is_pooled;
            return is_silent.then(|| format!("the lock refuses it or has no room, and it is {} without an error", record.status));
        }
        let twin_left_at = history.own_twin_left_at(code).map_or(state.free_since, |left_at| left_at.max(state.free_since));
        if !is_right && state.work.is_twin && now < twin_left_at + history.with_jitter(history.policy().refused_retry_ms) {
            return None;
        }
        if !is_right {
            return Some(format!("it is {} and matches memory: {}", record.status, history.is_matching(code)));
        }
        let stays = |warning: WarningCode| {
            matches!(
                warning,
                WarningCode::CodeModifiedExternalToSeam
                    | WarningCode::ManagementTransferred
                    | WarningCode::IglooAlgopinMustBeUsedWithin24Hours
            )
        };
        let error = record.errors.first().map(|error| error.error_code.name());
        let warning = record.warnings.iter().find(|warning| !stays(warning.warning_code)).map(|warning| warning.warning_code.name());
        error.or(warning).map(|problem| format!("it works and still carries {problem}"))
    }

    fn check(history: &History, now: Timestamp, found: &mut Found) {
        for (lock, state) in history.locks() {
            if !Self::is_over(history, lock, history.facts().begins_at, now) {
                continue;
            }
            for code in &state.codes {
                found.counted("I-LIV-01");
                if let Some(what) = Self::fault(history, *code, lock, now) {
                    found.broken_by("I-LIV-01", history, *code, format!("all is quiet for long enough, and {what}"));
                }
            }
            let stays =
                |error: ErrorCode| matches!(error, ErrorCode::EmptyBackupAccessCodePool | ErrorCode::SaltoKsSubscriptionLimitExceeded);
            if History::device_shows(state.device.as_deref(), |error| !stays(error)) {
                let what = format!("{}: all is quiet for long enough, and the device still carries an error", history.lock_name(lock));
                found.broken("I-LIV-01", what, history.lock_role(lock));
            }
        }
    }
}

impl Invariant for Convergence {
    fn ids(&self) -> &'static [&'static str] {
        &["I-LIV-01"]
    }

    fn interests(&self) -> Interests {
        Interests::PHASE
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        if matches!(occurrence, Occurrence::Phase(Phase::End)) && history.is_up() {
            Self::check(history, now, found);
        }
    }
}

/// Whether the platform leaves a code as others left it, who may: switched off or removed, and said so (T25, T26).
fn is_honoured(record: &Record) -> bool {
    let is_said = record.warnings.iter().any(|warning| warning.warning_code == WarningCode::CodeModifiedExternalToSeam);
    record.is_external_modification_allowed && record.status == Status::Unset && is_said
}

/// A managed online code that shall be in its lock, with the lock, the present wish, and since when nothing was in its way.
fn wanted(history: &History, code: CodeIx) -> Option<(&Record, Lock, &Intent, Timestamp)> {
    let state = history.code(code);
    let record = state.record.as_deref().filter(|record| record.is_managed && !record.is_offline_access_code && !is_honoured(record))?;
    let intent = history.goal(code).filter(|intent| matches!(intent.goal, Goal::Present { .. }))?;
    Some((record, state.lock?, intent, history.code_quiet_since(code)?))
}

/// `I-LIV-02`. A code that leaves `set` because it was lost or changed has the time of a setting from then on.
fn confirmed_in_time(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, lock, intent, quiet)) = wanted(history, code) else { return };
    if history.rests_as_left(code)
        || now <= intent.due_at
        || matches!(record.status, Status::Unknown | Status::Removing)
        || history.is_touched(code)
    {
        return;
    }
    let due = intent.due_at;
    // A fight that was on by then goes on: a moved end of a pulled backup is nothing to it.
    let was_fighting = history.code(code).work.is_fighting(due, history.policy());
    let was_quiet_at_due = quiet + history.b_detect(lock, quiet) <= due && history.code(code).status_since <= due && !was_fighting;
    let first = due + history.b_first(lock, due);
    let since = quiet.max(due).max(history.code(code).status_since).max(history.lost_step_until(code));
    let later = since + history.b_set(code, since);
    let until = if was_quiet_at_due { first.min(later) } else { later };
    if now <= until {
        return;
    }
    found.armed("I-LIV-02");
    if record.status != Status::Set && !record.is_scheduled_on_device {
        let what = format!("is due since {due} on a path quiet since {quiet}, and not confirmed by {until}");
        found.broken_by("I-LIV-02", history, code, what);
    }
}

/// `I-LIV-04`.
fn removed_in_time(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    if state.status() != Some(Status::Removing) {
        return;
    }
    let Some(quiet) = history.removal_quiet_since(code) else { return };
    found.armed("I-LIV-04");
    let since = quiet.max(state.status_since).max(history.lost_step_until(code));
    if now > since + history.b_set(code, since) {
        found.broken_by("I-LIV-04", history, code, format!("is removing since {}, on a path quiet since {quiet}", state.status_since));
    }
}

/// `I-LIV-05`, counted from the last sign of work for the code or of trouble on its path, plus the time in which the controller may learn that the trouble is
/// over. It does not run while a command is under way, a fault lasts, or the device shows an error of its path.
fn tried_again(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    let (Some(record), Some(lock)) = (state.record.as_deref(), state.lock) else { return };
    let is_setting = record.status == Status::Setting;
    if !(is_setting || record.status == Status::Removing) || !record.is_managed || history.quiet_since(lock).is_none() {
        return;
    }
    if record.is_offline_access_code {
        return;
    }
    let is_refused = is_setting && (state.is_hindered || state.work.is_refused_for_good);
    let is_under_way = history.open_commands(lock).any(|sent| sent.code == Some(code) && sent.closed_at.is_none());
    if is_refused || is_under_way || History::device_shows(history.lock(lock).device.as_deref(), is_path_error) {
        return;
    }
    found.armed("I-LIV-05");
    if now > history.retry_deadline(code, lock) {
        found.broken_by("I-LIV-05", history, code, format!("is {} and was not tried again since {}", record.status, state.work.active_at));
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::Slot;
    use keyway_core::port::{Answer, Op, Place};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, pin};
    use crate::occurrence::TrueEntry;

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    fn only(id: &str) -> Story {
        Story::judged_by(checkers().into_iter().filter(|checker| checker.ids() == [id]).collect())
    }

    fn end(story: &mut Story) {
        story.occur(Occurrence::Phase(Phase::Heal));
        story.wait(3 * DAY_MS);
        story.occur(Occurrence::Phase(Phase::End));
    }

    #[test]
    fn all_converges() {
        let mut story = only("I-LIV-01");
        story.code(SLOT, "1234", None, Status::Setting);
        end(&mut story);
        story.must_break("I-LIV-01");
    }

    #[test]
    fn what_works_carries_no_error() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let error = keyway_core::problem::ErrorEntry { error_code: ErrorCode::FailedToSetOnDevice, created_at: story.now() };
        story.change(id, |record| record.errors.push(error));
        end(&mut story);
        story.must_break("I-LIV-01");
    }

    #[test]
    fn a_twin_that_stands_in_the_way_must_be_named() {
        let mut story = story();
        story.person_stores(SLOT, Place::Slot(Slot(5)), "1234");
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let error = keyway_core::problem::ErrorEntry { error_code: ErrorCode::DuplicateCodeOnDevice, created_at: story.now() };
        story.change(id, |record| record.errors.push(error));
        end(&mut story);
        story.must_hold();
    }

    #[test]
    fn a_due_code_is_confirmed_in_time() {
        let mut story = story();
        story.code(SLOT, "1234", None, Status::Setting);
        story.wait(9 * MINUTE_MS);
        story.must_hold();
        story.wait(MINUTE_MS);
        story.must_break("I-LIV-02");
    }

    #[test]
    fn a_removal_ends() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.wait(15 * MINUTE_MS);
        story.must_hold();
        story.wait(10 * MINUTE_MS);
        story.must_break("I-LIV-04");
    }

    #[test]
    fn trying_never_stops() {
        let mut story = only("I-LIV-05");
        let id = story.code(SLOT, "1234", None, Status::Setting);
        for _ in 0..4 {
            let op = Op::SetSlot { slot: Slot(1), pin: pin("1234"), name: "code".into() };
            let command = story.command(SLOT, Some(id), op);
            story.answer(command, Answer::Busy);
            story.wait(20 * MINUTE_MS);
        }
        story.must_hold();
        story.wait(HOUR_MS);
        story.must_break("I-LIV-05");
    }

    #[test]
    fn a_converged_world_breaks_nothing() {
        let mut story = story();
        let window = story.window(20 * DAY_MS, 21 * DAY_MS);
        story.code(CLOUD, "1234", Some(window), Status::Unset);
        let id = story.confirmed(SLOT, "4321", None);
        let changed = TrueEntry { pin: pin("9876"), ..story.history().lock(SLOT).memory[&ONE].entry.clone() };
        story.world_stores(SLOT, ONE, changed);
        story.list(SLOT);
        story.change(id, |record| record.status = Status::Setting);
        let op = Op::SetSlot { slot: Slot(1), pin: pin("4321"), name: "code".into() };
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        story.answer(command, Answer::Done { handle: None });
        story.change(id, |record| record.status = Status::Set);
        end(&mut story);
        story.must_hold();
    }
}
