//! Whether what a device or account is said to suffer from was so: `I-ERR-09` for the errors of the path.

use std::collections::BTreeMap;

use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;

use super::memory::broken_at;
use super::{Found, Interests, Invariant, Row};
use crate::history::{History, is_path_error};
use crate::occurrence::{Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-ERR-09")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(FalseAlarms::default())]
}

/// `I-ERR-09`, for what a device or its account is shown with: nobody may call the way to a lock broken that was not lately broken, or a
/// lock removed that was not lately out of its account. Throttling breaks no way (`F-09`), and neither does a bad list (`F-08`).
#[derive(Default)]
struct FalseAlarms {
    /// When the way to a lock was last mended.
    mended_at: BTreeMap<Lock, Timestamp>,
}

impl FalseAlarms {
    /// Whether the way to the lock was broken, or the lock joined anew, as lately as a controller may need to hear of it.
    fn was_lately_broken(&self, history: &History, lock: Lock, now: Timestamp) -> bool {
        let state = history.lock(lock);
        let policy = history.policy();
        let late_ms = history.b_detect(lock, now) + policy.fail_set_after_ms.max(policy.fail_remove_after_ms);
        let ended_at = self.mended_at.get(&lock).copied().max(state.joined_at);
        !state.reach || ended_at.is_some_and(|ended_at| now <= ended_at + late_ms)
    }
}

impl Invariant for FalseAlarms {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ERR-09"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED.and(Interests::REACH)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        if let Occurrence::Reach { lock, up: true } = occurrence {
            self.mended_at.insert(*lock, now);
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

#[cfg(test)]
mod tests {
    use keyway_core::problem::{ErrorCode, ErrorEntry};

    use super::*;
    use crate::judge::testing::{CLOUD, Story};

    fn shows_removed(story: &mut Story) {
        let error = ErrorEntry { error_code: ErrorCode::DeviceRemoved, created_at: story.now() };
        story.device_shows(CLOUD, |device| device.errors.push(error));
    }

    #[test]
    fn a_removal_that_nobody_made_is_found() {
        let mut story = Story::judged_by(checkers());
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
}
