//! Whether what a code, device or account is said to suffer from is so: false alarms of the path (`I-ERR-09`), what stays when its cause has left (`I-ERR-12`), and
//! what hinders a code without a word (`I-ERR-13`).

use std::collections::BTreeMap;

use keyway_core::access_code::{Record, Status};
use keyway_core::problem::{ErrorCode, WarningCode, WarningEntry};
use keyway_core::time::Timestamp;

use super::alarms::{Alarms, touched};
use super::login::Logins;
use super::memory::broken_at;
use super::naming::{Names, failures_are_counted};
use super::progress::episode;
use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, History, is_path_error};
use crate::occurrence::{Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-ERR-09"), Row::of("I-ERR-12"), Row::of("I-ERR-13")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    let silent = OfCode::boxed(&["I-ERR-13"], silent_failure);
    let counted = OfCode::boxed(&["I-ERR-09"], failures_are_counted);
    vec![Box::new(FalseAlarms::default()), Box::<Cleared>::default(), silent, counted, Box::<Names>::default(), Box::<Logins>::default()]
}

/// `I-ERR-09`, for what a device or its account is shown with: nobody may call the way to a lock broken that was not lately broken, or a
/// lock removed that was not lately out of its account. Throttling breaks no way (`F-09`), and neither does a bad list (`F-08`).
#[derive(Default)]
struct FalseAlarms {
    /// When the way to a lock was last mended.
    mended_at: BTreeMap<Lock, Timestamp>,
    /// When the controller last went down.
    crashed_at: Option<Timestamp>,
}

impl FalseAlarms {
    /// Whether the way to the lock was broken, or the lock joined anew, as lately as a controller may need to hear of it.
    fn was_lately_broken(&self, history: &History, lock: Lock, now: Timestamp) -> bool {
        let state = history.lock(lock);
        let policy = history.policy();
        let late_ms = history.b_detect(lock, now) + policy.fail_set_after_ms.max(policy.fail_remove_after_ms);
        let ended_at = self.mended_at.get(&lock).copied().max(state.joined_at);
        // Of what ended while it was down it hears when it is up again.
        let is_unheard = |ended_at: Timestamp| self.crashed_at.is_some_and(|crashed_at| crashed_at <= ended_at);
        let heard_from =
            |ended_at| history.started_at().filter(|_| is_unheard(ended_at)).map_or(ended_at, |started_at| started_at.max(ended_at));
        !state.reach || ended_at.is_some_and(|ended_at| now <= heard_from(ended_at) + late_ms)
    }
}

impl Invariant for FalseAlarms {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ERR-09"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED.and(Interests::REACH).and(Interests::CRASHED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Reach { lock, up: true } => drop(self.mended_at.insert(*lock, now)),
            Occurrence::Crashed => self.crashed_at = Some(now),
            _ => {}
        }
        if !matches!(occurrence, Occurrence::StepEnded) || history.is_catching_up() {
            return;
        }
        for lock in history.changed_devices() {
            let before = history.previous_device(*lock);
            let is_new = |error: ErrorCode| is_path_error(error) && !History::device_shows(before, |known| known == error);
            let after = history.lock(*lock).device.as_deref();
            if !History::device_shows(after, is_new) {
                continue;
            }
            found.armed("I-ERR-09");
            if !self.was_lately_broken(history, *lock, now) {
                broken_at("I-ERR-09", history, *lock, "an error of its path is raised, and the way to it was not lately broken", found);
            }
        }
    }
}

/// `I-ERR-12`, on a path that is quiet for `B_CONV`: the device carries no error of it, and no sign of another manager longer than peace takes (`R-62`); and a code
/// that is as its owner wants it carries no problem. While a code is still to be set, its errors have their cause, and how long that may last is `I-LIV-02`'s.
#[derive(Default)]
struct Cleared {
    alarms: Alarms,
}

impl Cleared {
    fn judge(&mut self, history: &History, lock: Lock, now: Timestamp, found: &mut Found) {
        let Some(quiet) = history.quiet_since(lock) else { return };
        self.judge_device(history, lock, quiet, now, found);
        for code in &history.lock(lock).codes {
            self.judge_code(history, *code, quiet, now, found);
        }
    }

    fn judge_device(&mut self, history: &History, lock: Lock, quiet: Timestamp, now: Timestamp, found: &mut Found) {
        let Some(device) = history.lock(lock).device.as_deref() else { return };
        let error = device.errors.iter().chain(&device.account_errors).find(|entry| is_path_error(entry.error_code));
        let is_rival = |entry: &&WarningEntry| entry.warning_code == WarningCode::ThirdPartyIntegrationDetected;
        let warning = device.warnings.iter().find(is_rival);
        let until = quiet + history.b_conv(lock, quiet);
        if let Some(error) = error {
            found.armed("I-ERR-12");
            let until = until.max(error.created_at + history.b_conv(lock, quiet));
            if self.alarms.is_over(lock, until, now) {
                broken_at("I-ERR-12", history, lock, &format!("{} stands, and its path is quiet since {quiet}", error.error_code), found);
            }
        }
        if warning.is_some() {
            found.armed("I-ERR-12");
            if self.alarms.is_over(lock, until + history.policy().reversal_calm_ms, now) {
                broken_at("I-ERR-12", history, lock, "another manager is said to be there, and all is quiet for long", found);
            }
        }
    }

    fn judge_code(&mut self, history: &History, code: CodeIx, quiet: Timestamp, now: Timestamp, found: &mut Found) {
        let state = history.code(code);
        let Some(record) = state.record.as_deref().filter(|record| record.is_managed && !state.is_residual) else { return };
        let (Some(lock), Some(problem)) = (state.lock, clearable(record)) else { return };
        let is_settled = match record.status {
            Status::Set => history.is_matching(code),
            Status::Unset => !history.is_resident(code) || record.is_scheduled_on_device,
            Status::Setting | Status::Removing | Status::Unknown => false,
        };
        // switched since, it may be due by either schedule.
        let is_due = state.was_switched || history.goal(code).is_some_and(|intent| intent.due_at <= now);
        let is_at_rest = is_settled && (record.status == Status::Set || record.is_scheduled_on_device || !is_due);
        if !is_at_rest || state.is_hindered || history.is_touched(code) {
            return;
        }
        found.armed("I-ERR-12");
        let since = quiet.max(state.status_since).max(state.free_since);
        if self.alarms.is_over(lock, since + history.b_conv(lock, since), now) {
            found.broken_by("I-ERR-12", history, code, format!("carries {problem}, and nothing is wrong with it since {since}"));
        }
    }
}

/// A problem of a code that goes when its cause goes.
fn clearable(record: &Record) -> Option<&'static str> {
    let stays = |warning: WarningCode| {
        matches!(
            warning,
            WarningCode::CodeModifiedExternalToSeam | WarningCode::ManagementTransferred | WarningCode::IglooAlgopinMustBeUsedWithin24Hours
        )
    };
    let error = record.errors.iter().map(|entry| entry.error_code);
    let error = error.filter(|code| *code != ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable).map(ErrorCode::name).next();
    error.or_else(|| record.warnings.iter().map(|entry| entry.warning_code).find(|code| !stays(*code)).map(WarningCode::name))
}

impl Invariant for Cleared {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ERR-12"]
    }

    fn interests(&self) -> Interests {
        Interests::DEADLINE
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in touched(history) {
            self.judge(history, lock, now, found);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.alarms.next()
    }

    fn at_deadline(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in self.alarms.ring(now) {
            self.judge(history, lock, now, found);
        }
    }
}

/// `I-ERR-13`, of a setting or a removal that does not come to its end: by the time that it has failed and could be detected, an error of the code, its device or its
/// account names a cause. What hinders and does not show within that time is not visible under the profile, and the failure itself is the word.
fn silent_failure(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let (Some((since, after_ms)), Some(lock)) = (episode(history, code), history.code(code).lock) else { return };
    if now <= since + after_ms || !history.is_up() {
        return;
    }
    found.armed("I-ERR-13");
    let state = history.code(code);
    let has_own = state.record.as_deref().is_some_and(|record| !record.errors.is_empty());
    let is_named = has_own || History::device_shows(history.lock(lock).device.as_deref(), |_| true);
    if !is_named && now > since + after_ms + history.b_detect(lock, since) {
        found.broken_by("I-ERR-13", history, code, format!("comes to no end since {since}, and no error names a cause"));
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::problem::{ErrorCode, ErrorEntry};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, Story};

    fn shows_removed(story: &mut Story) {
        let error = ErrorEntry { error_code: ErrorCode::DeviceRemoved, created_at: story.now() };
        story.device_shows(CLOUD, |device| device.errors.push(error));
    }

    #[test]
    fn a_removal_that_nobody_made_is_found() {
        let mut story = Story::judged_by(vec![Box::new(FalseAlarms::default())]);
        shows_removed(&mut story);
        story.must_break("I-ERR-09");
    }

    #[test]
    fn a_loss_of_the_way_to_the_lock_is_no_false_alarm() {
        let mut story = Story::judged_by(checkers());
        story.occur(Occurrence::Reach { lock: CLOUD, up: false });
        shows_removed(&mut story);
        story.must_hold();
    }

    #[test]
    fn an_error_of_a_path_that_is_quiet_leaves() {
        let mut story = Story::judged_by(checkers());
        story.occur(Occurrence::Reach { lock: CLOUD, up: false });
        shows_removed(&mut story);
        story.occur(Occurrence::Reach { lock: CLOUD, up: true });
        story.wait(HOUR_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-ERR-12");
    }

    #[test]
    fn a_code_that_is_set_keeps_no_problem() {
        let mut story = Story::judged_by(checkers());
        let code = story.confirmed(CLOUD, "1234", None);
        let created_at = story.now();
        let entry = ErrorEntry { error_code: ErrorCode::CodeModifiedExternalToSeam, created_at };
        story.change(code, |record| record.errors.push(entry));
        story.wait(DAY_MS);
        story.must_break("I-ERR-12");
    }

    #[test]
    fn a_failure_is_not_silent() {
        let mut story = Story::judged_by(checkers());
        story.code(CLOUD, "1234", None, Status::Setting);
        story.wait(30 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-ERR-13");
    }
}
