//! What must go on in time while a run lasts: `I-LIV-03`, `I-LIV-06` to `I-LIV-08`; and what pulled backups are good for: `I-BAK-11`.

use keyway_core::access_code::{Record, Status};
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;
use keyway_core::vendor::ReadBack;

use super::{Found, Invariant, OfCode, Row};
use crate::history::{CodeIx, Goal, History, Intent, Stored, Touch, is_path_error};
use crate::occurrence::Lock;

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-BAK-11"), Row::of("I-LIV-03"), Row::of("I-LIV-06"), Row::of("I-LIV-07"), Row::of("I-LIV-08")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        OfCode::boxed(&["I-BAK-11"], pulled_works),
        OfCode::boxed(&["I-LIV-03"], set_at_start),
        OfCode::boxed(&["I-LIV-06"], found_in_time),
        OfCode::boxed(&["I-LIV-07"], known_again_in_time),
        OfCode::boxed(&["I-LIV-08"], decided_in_time),
    ]
}

/// A managed online code that is no residual, with its lock.
fn managed(history: &History, code: CodeIx) -> Option<(&Record, Lock)> {
    let state = history.code(code);
    let record = state.record.as_deref().filter(|record| record.is_managed && !record.is_offline_access_code && !state.is_residual)?;
    Some((record, state.lock?))
}

/// `I-BAK-11`, with the exceptions of `I-WIN-05`: what others took while it was not shown as `set` has its own rules.
fn pulled_works(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, lock)) = managed(history, code) else { return };
    let (Some(_), Some(pin), Some(ends_at)) = (history.code(code).pulled_at, record.code, record.ends_at) else { return };
    let is_wanted = matches!(history.goal(code), Some(Intent { goal: Goal::Present { .. }, .. }));
    let is_shown = record.status == Status::Set && is_wanted && now < ends_at;
    let is_disabled = history.entries(code).any(|(_, stored)| !stored.entry.enabled);
    if !is_shown || is_disabled || !history.lock(lock).works || history.is_touched(code) || history.is_catching_up() {
        return;
    }
    found.armed("I-BAK-11");
    if !history.opens(lock, pin, now) {
        found.broken_by("I-BAK-11", history, code, format!("is a pulled backup, and {pin} does not open"));
    }
}

/// `I-LIV-03`: what is scheduled is `set` from its start on, whatever the path is like. That a quiet time ahead is enough to be scheduled is `I-LIV-02`'s.
fn set_at_start(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, _)) = managed(history, code) else { return };
    let has_begun = record.window().is_some_and(|window| window.starts_at < now && now < window.ends_at);
    if !has_begun || !record.is_scheduled_on_device || !history.is_up() || history.is_catching_up() {
        return;
    }
    found.armed("I-LIV-03");
    if record.status == Status::Unset {
        found.broken_by("I-LIV-03", history, code, "is scheduled, and is still unset after its start");
    }
}

/// `I-LIV-07`.
fn known_again_in_time(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, lock)) = managed(history, code) else { return };
    let (Status::Unknown, Some(quiet)) = (record.status, history.quiet_since(lock)) else { return };
    found.armed("I-LIV-07");
    let since = quiet.max(history.code(code).status_since);
    if now > since + history.b_detect(lock, since) + history.b_set(code, since) {
        found.broken_by("I-LIV-07", history, code, format!("is still unknown, on a path quiet since {quiet}"));
    }
}

/// `I-LIV-06`, of what reads show of an entry: the controller is shown it in time. That it believes what it is shown is `I-STA-01`'s, that it tells of it once
/// `I-EVT-11`'s, and that the declared state comes back in time `I-LIV-02`'s.
fn found_in_time(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, lock)) = managed(history, code) else { return };
    let is_confirmed = record.status == Status::Set || record.is_scheduled_on_device;
    let profile = &history.lock(lock).facts.profile;
    let is_readable = matches!(profile.read_back, ReadBack::Exact | ReadBack::ExactLoaded);
    let Some(quiet) = history.quiet_since(lock).filter(|_| is_confirmed && is_readable) else { return };
    let is_shown = |stored: &&Stored| !stored.entry.hidden && !history.is_granted(code, stored, now);
    let shows = |touch: &Touch| {
        let is_of_window = touch.window && profile.schedules;
        touch.came || touch.pin || touch.enabled || is_of_window || touch.name && profile.shows_names
    };
    let touches = history.entries(code).map(|(_, stored)| stored).filter(is_shown).filter_map(|stored| stored.touched).filter(shows);
    let lost = history.code(code).lost.iter().map(|lost| lost.at);
    let Some(first) = touches.map(|touch| touch.at).chain(lost).min() else { return };
    found.armed("I-LIV-06");
    let since = quiet.max(first);
    if now > since + history.b_detect(lock, since) {
        found.broken_by("I-LIV-06", history, code, format!("was changed by others at {first}, and no read has shown it since {since}"));
    }
}

/// `I-LIV-08`. No action attempt crosses this boundary; what ends one is a confirmation or the failure of its episode, so these must come in time. An account
/// that is lost, a path that the device calls broken, and down time are outages.
fn decided_in_time(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some((record, lock)) = managed(history, code) else { return };
    let Some((since, after_ms)) = episode(history, code) else { return };
    let failure = if record.status == Status::Removing { ErrorCode::FailedToRemoveFromDevice } else { ErrorCode::FailedToSetOnDevice };
    if now <= since + after_ms || History::device_shows(history.lock(lock).device.as_deref(), is_path_error) || !history.is_up() {
        return;
    }
    found.armed("I-LIV-08");
    let has_failed = record.errors.iter().any(|error| error.error_code == failure);
    if now > since + after_ms + history.b_cmd(lock, since) && !has_failed {
        found.broken_by("I-LIV-08", history, code, format!("is {} since {since}, and neither done nor said to have failed", record.status));
    }
}

/// The present episode of a code that is being set or removed: since when, at the latest, its timers count, and after how long it has failed. A pooled backup has
/// none, since its pool may give it another PIN at any time (`R-25`).
pub(super) fn episode(history: &History, code: CodeIx) -> Option<(Timestamp, i64)> {
    let (state, policy) = (history.code(code), history.policy());
    let (record, lock) = managed(history, code)?;
    let intent = history.goal(code)?;
    let is_pooled = record.is_backup && state.pulled_at.is_none();
    // A join is an outage, though nothing may show it but what comes after (`R-57`).
    let joined_at = history.lock(lock).picture.epoch_at;
    let since =
        state.status_since.max(intent.asked_at).max(intent.due_at).max(history.started_at()?).max(joined_at.unwrap_or(Timestamp::MIN));
    match record.status {
        Status::Setting if !is_pooled => Some((since, policy.fail_set_after_ms)),
        Status::Removing => Some((since, policy.fail_remove_after_ms)),
        Status::Setting | Status::Set | Status::Unset | Status::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::access_code::Type;
    use keyway_core::request::{PullBackupAccessCode, Request, Response};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story};
    use crate::occurrence::Occurrence;

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    #[test]
    fn a_pulled_backup_that_opens_no_longer_is_found() {
        let mut story = story();
        let window = story.window(0, DAY_MS);
        let original = story.confirmed(SLOT, "1234", Some(window));
        let draft = story.draft(SLOT, "4321", None);
        let backup = story.create(Record { is_backup: true, status: Status::Setting, ..draft });
        let place = story.write(backup);
        let pulled = Record { pulled_backup_access_code_id: Some(backup), ..story.record(original).clone() };
        let (starts_at, ends_at) = (Some(story.now()), Some(window.ends_at));
        let spare = Record { kind: Type::TimeBound, starts_at, ends_at, ..story.record(backup).clone() };
        let request = Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: original });
        story.call(request, Response::AccessCode(backup), vec![Occurrence::Saved], vec![pulled, spare]);
        story.wait(HOUR_MS);
        story.must_hold();
        story.erase(backup, place);
        story.must_break("I-BAK-11");
    }

    #[test]
    fn a_schedule_begins_by_itself() {
        let mut story = story();
        let window = story.window(HOUR_MS, DAY_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        story.must_hold();
        let mut kept = story;
        kept.change(id, |record| record.status = Status::Set);
        kept.wait(HOUR_MS);
        kept.must_hold();
        let mut late = self::story();
        let window = late.window(HOUR_MS, DAY_MS);
        late.confirmed(CLOUD, "1234", Some(window));
        late.wait_until(window.starts_at + MINUTE_MS);
        late.must_break("I-LIV-03");
    }

    #[test]
    fn what_is_unknown_on_a_quiet_path_becomes_known() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.change(id, |record| record.status = Status::Unknown);
        story.wait(10 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-LIV-07");
    }

    #[test]
    fn what_others_changed_is_shown_in_time() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let place = story.place_of(id);
        story.world_erases(SLOT, place);
        story.wait(5 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-LIV-06");
    }

    #[test]
    fn a_setting_or_a_removal_is_decided_in_time() {
        for status in [Status::Setting, Status::Removing] {
            let mut story = Story::judged_by(checkers().into_iter().filter(|checker| checker.ids() == ["I-LIV-08"]).collect());
            story.code(SLOT, "1234", None, status);
            story.wait(30 * MINUTE_MS);
            story.must_hold();
            story.wait(DAY_MS);
            story.must_break("I-LIV-08");
        }
    }
}
