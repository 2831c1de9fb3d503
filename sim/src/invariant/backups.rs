//! The pool of backup codes: pulls, what is available, and what a backup looks like (I-BAK).

use keyway_core::access_code::{Record, Status, Type};
use keyway_core::event::EventType;
use keyway_core::id::CodeId;
use keyway_core::request::{Refusal, Request, Response};

use super::api::obeys;
use super::story::{Check, CodeChange, Held, Locks, States, Steps, View};
use super::{Found, Row};
use crate::history::Goal;
use crate::occurrence::Lock;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::of("I-BAK-01"),
    Row::of("I-BAK-02"),
    Row::of("I-BAK-03"),
    Row::of("I-BAK-04"),
    Row::of("I-BAK-05"),
    Row::of("I-BAK-06"),
    Row::of("I-BAK-07"),
    Row::of("I-BAK-08"),
];

/// The checks of this family.
#[must_use]
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Steps { id: "I-BAK-01", judge: one_to_one }),
        Box::new(Steps { id: "I-BAK-02", judge: fit_to_pull }),
        States::of_codes("I-BAK-03", aligned),
        Box::new(Steps { id: "I-BAK-04", judge: same_again }),
        Box::new(Locks { id: "I-BAK-05", judge: availability }),
        Box::new(Steps { id: "I-BAK-06", judge: where_pools_are }),
        Box::new(Steps { id: "I-BAK-07", judge: pins }),
        States::of_codes("I-BAK-08", name),
    ]
}

/// A record's pull, if the step made or changed one.
fn pull<'a>(change: &CodeChange<'a>) -> Option<(&'a Record, CodeId)> {
    let after = change.after?;
    let backup = after.pulled_backup_access_code_id?;
    let was = change.before.and_then(|before| before.pulled_backup_access_code_id);
    (was != Some(backup)).then_some((after, backup))
}

/// I-BAK-01.
fn one_to_one(view: &View<'_>, found: &mut Found) {
    for change in view.changes() {
        let Some((original, backup)) = pull(&change) else { continue };
        let id = original.access_code_id;
        found.armed("I-BAK-01");
        if view.story.originals_of(backup).any(|other| other != id) {
            view.broken(found, "I-BAK-01", id, "its backup was pulled for another code before");
        }
        let had = change.before.and_then(|before| before.pulled_backup_access_code_id);
        if had.is_some() && !view.is_reread {
            view.broken(found, "I-BAK-01", id, "a second backup takes the place of the first");
        }
        let device = view.live(backup).or_else(|| view.before(backup)).map(|record| record.device_id);
        if device.is_some_and(|device| device != original.device_id) {
            view.broken(found, "I-BAK-01", id, "its backup is on another device");
        }
    }
}

/// I-BAK-02. The record before the step shows the backup as the pull found it; a crash may hide a step between the two.
fn fit_to_pull(view: &View<'_>, found: &mut Found) {
    if view.is_reread {
        return;
    }
    for change in view.changes() {
        let Some((original, backup)) = pull(&change) else { continue };
        let before = change.before.unwrap_or(original);
        found.armed("I-BAK-02");
        let what = match view.before(backup) {
            None => "the pulled backup has no record",
            Some(backup) if !backup.is_backup => "the pulled code is no backup",
            Some(backup) if backup.status != Status::Set => "the pulled backup was not set",
            Some(backup) if backup.kind == Type::TimeBound => "the pulled backup had left the pool",
            Some(_) if !before.is_managed => "a backup is pulled for an unmanaged code",
            Some(_) if before.is_backup => "a backup is pulled for a backup",
            Some(_) if before.kind != Type::TimeBound => "a backup is pulled for an ongoing code",
            Some(_) => continue,
        };
        view.broken(found, "I-BAK-02", original.access_code_id, what);
    }
}

/// I-BAK-03, seen from either side. It ends when one of the two goes, begins to go, or passes its end.
fn aligned(view: &View<'_>, record: &Record) -> Held {
    let pair = if record.is_backup {
        view.story.originals_of(record.access_code_id).find_map(|original| view.live(original)).map(|original| (original, record))
    } else {
        record.pulled_backup_access_code_id.and_then(|backup| view.live(backup)).map(|backup| (record, backup))
    };
    let Some((original, backup)) = pair else { return Held::Idle };
    let lives = |one: &Record| one.is_managed && one.status != Status::Removing && one.ends_at.is_none_or(|end| end > view.now);
    if !lives(original) || !lives(backup) {
        return Held::Idle;
    }
    if backup.kind != Type::TimeBound {
        return Held::Broken("a pulled backup is not time-bound".to_owned());
    }
    // What becomes of the backup of a code that turns ongoing is said nowhere.
    if original.kind == Type::TimeBound && backup.ends_at != original.ends_at {
        return Held::Broken("a pulled backup and its original end at different instants".to_owned());
    }
    if backup.starts_at.is_none_or(|start| start > view.now) {
        return Held::Broken("a pulled backup starts in the future".to_owned());
    }
    Held::Kept
}

/// I-BAK-04, and the instant of a first pull (I-BAK-03): the call that pulls is the only place where both are seen.
fn same_again(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(reply))) = view.call() else { return };
    let Request::PullBackupAccessCode(pull) = &call.request else { return };
    let original = pull.access_code_id;
    let Some(before) = view.before(original).and_then(|record| record.pulled_backup_access_code_id) else {
        starts_now(view, reply, found);
        return;
    };
    found.armed("I-BAK-04");
    let is_new = view.changes().any(|change| !view.may_change_by_clock(&change));
    let what = match reply {
        Ok(Response::AccessCode(again)) if *again != before => "pulling again gave another backup",
        Ok(_) if view.emitted().iter().any(|event| event.event_type == EventType::BackupAccessCodePulled) => "pulling again told of a pull",
        Ok(_) if is_new => "pulling again changed a record",
        Ok(_) => return,
        Err(Refusal::NoBackupAccessCodeAvailable) => "pulling again was refused for want of a backup",
        Err(_) => return,
    };
    view.broken(found, "I-BAK-04", original, what);
}

fn starts_now(view: &View<'_>, reply: &Result<Response, Refusal>, found: &mut Found) {
    let Ok(Response::AccessCode(backup)) = reply else { return };
    let Some(record) = view.live(*backup) else { return };
    if record.starts_at != Some(view.now) {
        view.broken(found, "I-BAK-03", *backup, "a pulled backup does not start at the instant of its pull");
    }
}

/// I-BAK-05.
fn availability(view: &View<'_>, lock: Lock, found: &mut Found) {
    let Some(device) = view.history.lock(lock).device.as_deref() else { return };
    let available = view.available_backups(device.device_id).count();
    let target = view.history.facts().config.policy.backup_pool_target as usize;
    let expected = device.is_backup_pool_active && available > 0;
    if available > target {
        view.broken_device(found, "I-BAK-05", lock, &format!("its pool holds {available} backups, and the target is {target}"));
    } else if device.is_backup_access_code_available != expected {
        let told = if device.is_backup_access_code_available { "a" } else { "no" };
        view.broken_device(found, "I-BAK-05", lock, &format!("{told} backup is said to be available, and {available} are"));
    } else if device.is_backup_pool_active {
        found.armed("I-BAK-05");
    }
}

/// I-BAK-06. A pool ends only when its device is given up; its backups are being removed from then on, but for those that were pulled, which are nobody's.
fn where_pools_are(view: &View<'_>, found: &mut Found) {
    for record in view.changes().filter_map(|change| change.after).filter(|record| record.is_backup) {
        let Some(lock) = view.lock(record.device_id) else { continue };
        let is_active = lock.device.as_ref().is_some_and(|device| device.is_backup_pool_active);
        if !lock.facts.profile.backup_pool {
            view.broken(found, "I-BAK-06", record.access_code_id, "a backup exists where no pool is possible");
        } else if !is_active && record.is_managed && !is_leaving(view, record) {
            view.broken(found, "I-BAK-06", record.access_code_id, "a backup exists where no pool is active");
        } else {
            found.armed("I-BAK-06");
        }
    }
    for (lock, before, after) in view.device_changes() {
        let ends = before.is_some_and(|before| before.is_backup_pool_active) && after.is_some_and(|after| !after.is_backup_pool_active);
        let device = view.history.lock(lock).facts.device;
        let is_given_up =
            |request: &Request| matches!(request, Request::Device(request) if request.gives_up() && request.device() == device);
        if ends && !view.is_reread && !view.call().is_some_and(|(call, _)| is_given_up(&call.request)) {
            view.broken_device(found, "I-BAK-06", lock, "its pool was switched off");
        }
    }
}

/// I-BAK-07, judged when the backup gets its PIN and when a call of the API brings another: what others store at the lock can't be helped.
fn pins(view: &View<'_>, found: &mut Found) {
    if view.is_reread {
        return;
    }
    for change in view.changes() {
        let Some(after) = change.after else { continue };
        if after.code.is_none() || change.before.is_some_and(|before| before.code == after.code) {
            continue;
        }
        if is_pooled(view, after) {
            found.armed("I-BAK-07");
            valid(view, after, found);
            if view.codes_on(after.device_id).any(|(_, other)| clashes(view, after, other)) {
                view.broken(found, "I-BAK-07", after.access_code_id, "a pooled backup got a PIN that another code on the device has");
            }
        } else if view.call().is_some() {
            let twin = view.codes_on(after.device_id).find(|(_, other)| is_pooled(view, other) && clashes(view, other, after));
            if let Some((_, backup)) = twin {
                view.broken(found, "I-BAK-07", backup.access_code_id, "another code was given the PIN of a pooled backup");
            }
        }
    }
}

fn is_leaving(view: &View<'_>, record: &Record) -> bool {
    let goal = view.history.find_code(record.access_code_id).and_then(|code| view.history.goal(code)).map(|intent| intent.goal);
    goal == Some(Goal::Absent)
}

fn is_pooled(view: &View<'_>, record: &Record) -> bool {
    record.is_backup && record.is_managed && !view.story.is_pulled(record.access_code_id)
}

/// Whether the other code has the same PIN and is not done with the lock: an expired record that is kept for reading is.
fn clashes(view: &View<'_>, backup: &Record, other: &Record) -> bool {
    let is_done = other.status == Status::Unset && other.ends_at.is_some_and(|end| end <= view.now);
    other.access_code_id != backup.access_code_id && other.code == backup.code && !is_done
}

fn valid(view: &View<'_>, backup: &Record, found: &mut Found) {
    let (Some(pin), Some(lock)) = (backup.code, view.lock(backup.device_id)) else { return };
    // A lock that came to take other lengths may have told so at any time.
    let lengths_fit = lock.told_lengths().contains(pin.length()) || view.story.took_other_lengths(backup.device_id, view.history);
    if !lengths_fit || !lock.facts.profile.constraints.iter().all(|constraint| obeys(pin, *constraint)) {
        view.broken(found, "I-BAK-07", backup.access_code_id, &format!("a pooled backup got {pin}, which its lock does not take"));
    }
}

/// I-BAK-08.
fn name(_: &View<'_>, record: &Record) -> Held {
    if !record.is_backup {
        return Held::Idle;
    }
    let expected = format!("Backup {} (Seam)", record.access_code_id);
    if record.name.as_deref() == Some(expected.as_str()) {
        return Held::Kept;
    }
    Held::Broken(format!("a backup is named {:?} instead of {expected}", record.name.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::super::story::kit::{breaks, story};
    use super::*;
    use crate::judge::testing::{SLOT, Story};
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::DeviceRecord;
    use keyway_core::event::Event;
    use keyway_core::port::Answer;
    use keyway_core::problem::{ErrorCode, ErrorEntry};
    use keyway_core::request::PullBackupAccessCode;
    use keyway_core::time::{HOUR_MS, MINUTE_MS, Timestamp};

    fn empties(now: Timestamp, device: &mut DeviceRecord) {
        device.is_backup_pool_active = true;
        device.is_backup_access_code_available = false;
        device.errors = vec![ErrorEntry { error_code: ErrorCode::EmptyBackupAccessCodePool, created_at: now }];
    }

    fn fills(device: &mut DeviceRecord) {
        device.is_backup_access_code_available = true;
        device.errors.clear();
    }

    /// A time-bound code on a lock whose pool was just activated.
    fn original(story: &mut Story) -> CodeId {
        let window = story.window(0, 5 * HOUR_MS);
        let id = story.confirmed(SLOT, "1234", Some(window));
        let now = story.now();
        story.device_shows(SLOT, |device| empties(now, device));
        id
    }

    /// A backup in the making.
    fn planned(story: &mut Story, digits: &str, adapt: impl FnOnce(&mut Record)) -> CodeId {
        let mut record = story.draft(SLOT, digits, None);
        let id = record.access_code_id;
        (record.is_backup, record.status) = (true, Status::Setting);
        record.name = Some(format!("Backup {id} (Seam)"));
        adapt(&mut record);
        let created = story.emits(&record, EventType::Created);
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![created, Occurrence::Saved, shows]);
        id
    }

    /// A backup that is set.
    fn pooled(story: &mut Story, digits: &str) -> CodeId {
        let id = planned(story, digits, |_| {});
        let mut record = story.record(id).clone();
        let op = story.write_op(&record);
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        let told = story.emits(&record, EventType::SetOnDevice);
        record.status = Status::Set;
        let view = story.device_view(SLOT, fills);
        story.answer_with(command, Answer::Done { handle: None }, vec![told, Occurrence::Saved, view], vec![record]);
        story.wait(MINUTE_MS);
        id
    }

    fn request(original: CodeId) -> Request {
        Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: original })
    }

    /// The pull of the only backup.
    fn pulls(story: &mut Story, original: CodeId, backup: CodeId, adapt: impl FnOnce(&mut Record)) {
        let (mut first, mut second) = (story.record(original).clone(), story.record(backup).clone());
        let Occurrence::Emitted(told) = story.emits(&first, EventType::BackupAccessCodePulled) else { unreachable!() };
        let told = Occurrence::Emitted(Event { backup_access_code_id: Some(backup), ..told });
        first.pulled_backup_access_code_id = Some(backup);
        (second.kind, second.starts_at, second.ends_at) = (Type::TimeBound, Some(story.now()), first.ends_at);
        adapt(&mut second);
        let now = story.now();
        let view = story.device_view(SLOT, |device| empties(now, device));
        story.call(request(original), Response::AccessCode(backup), vec![told, Occurrence::Saved, view], vec![first, second]);
    }

    #[test]
    fn a_lawful_pull_breaks_nothing() {
        let mut story = story();
        let original = original(&mut story);
        let backup = pooled(&mut story, "5678");
        pulls(&mut story, original, backup, |_| {});
        story.call(request(original), Response::AccessCode(backup), Vec::new(), Vec::new());
        story.must_hold();
    }

    #[test]
    fn a_second_backup_for_one_original_is_found() {
        let mut story = story();
        let original = original(&mut story);
        let first = pooled(&mut story, "5678");
        pulls(&mut story, original, first, |_| {});
        let second = pooled(&mut story, "6789");
        let (mut record, mut backup) = (story.record(original).clone(), story.record(second).clone());
        record.pulled_backup_access_code_id = Some(second);
        (backup.kind, backup.starts_at, backup.ends_at) = (Type::TimeBound, Some(story.now()), record.ends_at);
        let now = story.now();
        let view = story.device_view(SLOT, |device| empties(now, device));
        let shows = [story.shows(record), story.shows(backup)];
        let rest = shows.into_iter().chain([view]).collect();
        story.step(Occurrence::Woken, rest);
        breaks(&mut story, "I-BAK-01");
    }

    #[test]
    fn a_pull_of_what_is_not_set_is_found() {
        let mut story = story();
        let original = original(&mut story);
        let backup = planned(&mut story, "5678", |_| {});
        pulls(&mut story, original, backup, |_| {});
        breaks(&mut story, "I-BAK-02");
    }

    #[test]
    fn a_pulled_backup_with_another_end_is_found() {
        let mut story = story();
        let original = original(&mut story);
        let backup = pooled(&mut story, "5678");
        pulls(&mut story, original, backup, |record| record.ends_at = record.ends_at.map(|end| end + 1));
        breaks(&mut story, "I-BAK-03");
    }

    #[test]
    fn an_update_that_leaves_the_backup_behind_is_found() {
        let mut story = story();
        let original = original(&mut story);
        let backup = pooled(&mut story, "5678");
        pulls(&mut story, original, backup, |_| {});
        let window = story.window(0, 9 * HOUR_MS);
        story.update(original, None, Some(window), Status::Set);
        breaks(&mut story, "I-BAK-03");
    }

    #[test]
    fn another_backup_at_the_second_pull_is_found() {
        let mut story = story();
        let original = original(&mut story);
        let backup = pooled(&mut story, "5678");
        pulls(&mut story, original, backup, |_| {});
        let other = pooled(&mut story, "6789");
        story.call(request(original), Response::AccessCode(other), Vec::new(), Vec::new());
        breaks(&mut story, "I-BAK-04");
    }

    #[test]
    fn a_backup_that_is_said_not_to_be_there_is_found() {
        let mut story = story();
        original(&mut story);
        pooled(&mut story, "5678");
        story.device_shows(SLOT, |device| device.is_backup_access_code_available = false);
        breaks(&mut story, "I-BAK-05");
    }

    #[test]
    fn a_backup_without_a_pool_is_found() {
        let mut story = story();
        planned(&mut story, "5678", |_| {});
        breaks(&mut story, "I-BAK-06");
    }

    #[test]
    fn a_backup_with_a_known_pin_is_found() {
        let mut story = story();
        original(&mut story);
        planned(&mut story, "1234", |_| {});
        breaks(&mut story, "I-BAK-07");
    }

    #[test]
    fn a_backup_of_another_name_is_found() {
        let mut story = story();
        original(&mut story);
        planned(&mut story, "5678", |record| record.name = Some("Backup 1".to_owned()));
        breaks(&mut story, "I-BAK-08");
    }
}
