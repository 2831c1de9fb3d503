//! The room of a pool of backups: it gives way to owners (`I-BAK-09`), and is full again when nothing is in its way (`I-BAK-10`).

use std::collections::BTreeMap;

use keyway_core::access_code::{Record, Status};
use keyway_core::time::Timestamp;
use keyway_core::vendor::ReadBack;

use super::alarms::Alarms;
use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, Goal, History, Intent, target};
use crate::occurrence::{Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-BAK-09"), Row::of("I-BAK-10")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(LastPlace), OfCode::boxed(&["I-BAK-09"], given_way), Box::<Refill>::default()]
}

/// A managed backup that nobody has pulled, on its way in or in the lock.
fn is_pooled(history: &History, code: CodeIx) -> bool {
    let state = history.code(code);
    let is_backup = |record: &Record| record.is_backup && record.is_managed;
    let is_leaving = matches!(history.goal(code), Some(Intent { goal: Goal::Absent, .. }));
    state.record.as_deref().is_some_and(is_backup) && state.pulled_at.is_none() && !is_leaving
}

/// Since when an owner's code is due and not in its lock, if its PIN is not in the way.
fn waits_since(history: &History, code: CodeIx, now: Timestamp) -> Option<Timestamp> {
    missing_since(history, code, now).filter(|_| !history.is_refused(code))
}

/// Since when an owner's code is due and not in its lock.
fn missing_since(history: &History, code: CodeIx, now: Timestamp) -> Option<Timestamp> {
    let state = history.code(code);
    let record = state.record.as_deref().filter(|record| record.is_managed && !record.is_offline_access_code && !state.is_residual)?;
    let is_owners = !record.is_backup || state.pulled_at.is_some();
    let intent = history.goal(code).filter(|intent| matches!(intent.goal, Goal::Present { .. }) && intent.due_at <= now)?;
    let is_waiting = matches!(record.status, Status::Setting | Status::Unset) && !record.is_scheduled_on_device;
    let is_absent = !history.is_resident(code) && !history.rests_as_left(code);
    (is_owners && is_waiting && is_absent).then_some(intent.due_at.max(state.status_since))
}

/// `I-BAK-09`, the refill: a backup is not written into the last places that are known to be free while as many due codes of owners wait for them. That it evicts
/// nobody is `I-DEV-07`'s. A code of an owner that has a command under way is left out, since its place may be counted already.
struct LastPlace;

impl Invariant for LastPlace {
    fn ids(&self) -> &'static [&'static str] {
        &["I-BAK-09"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Commanded { command, lock: Some(lock) } = occurrence else { return };
        let Some(code) = command.for_code.and_then(|code| history.find_code(code)) else { return };
        let is_new = command.op.is_mutating() && !command.op.is_erasing() && !history.is_resident(code);
        if !is_new || !is_pooled(history, code) {
            return;
        }
        found.armed("I-BAK-09");
        let is_under_way = |other: CodeIx| history.open_commands(*lock).any(|sent| sent.code == Some(other));
        let others = &history.lock(*lock).codes;
        let waiting = others.iter().filter(|other| waits_since(history, **other, now).is_some() && !is_under_way(**other)).count() as u32;
        let (occupied, capacity) = history.known_room(*lock);
        // A write into a slot counts that slot as taken from then on.
        let taken_by_this = u32::from(target(&command.op).is_some());
        if waiting > 0 && occupied + 1 - taken_by_this + waiting > capacity {
            let what = format!("is a backup, and is written while {waiting} due codes of owners wait for the last places");
            found.broken_by("I-BAK-09", history, code, what);
        }
    }
}

/// `I-BAK-09`, the owners: a due code for which its lock has no room does not wait longer than a setting and a removal take while a backup that nobody pulled lies
/// there. How long a backup takes to leave is `I-LIV-04`'s.
fn given_way(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let (Some(since), Some(lock)) = (waits_since(history, code, now), history.code(code).lock) else { return };
    // While nobody can tell what became of its last write, nothing else can be written for it.
    let Some(quiet) = history.quiet_since(lock).filter(|_| !history.has_room(code) && !history.is_past_proof(code)) else { return };
    let is_in_lock = |other: &CodeIx| is_pooled(history, *other) && history.is_resident(*other);
    let backups = history.lock(lock).codes.iter().filter(|other| is_in_lock(other)).count();
    if backups == 0 {
        return;
    }
    found.armed("I-BAK-09");
    let is_blind = history.lock(lock).facts.profile.read_back == ReadBack::None;
    let doubted_until = if is_blind { history.code(code).work.active_at } else { Timestamp::MIN };
    let since = quiet.max(since).max(doubted_until);
    if now > since + history.b_set(code, since) + history.b_detect(lock, since) {
        let what = format!("is due, its lock is full since {since}, and {backups} backups that nobody pulled lie there");
        found.broken_by("I-BAK-09", history, code, what);
    }
}

/// `I-BAK-10`. The room that owners' codes wait for is not free, and a backup that the lock refuses is not missing.
#[derive(Default)]
struct Refill {
    /// Since when each lock's pool lacks backups that it has room for.
    lacking_since: BTreeMap<Lock, Timestamp>,
    alarms: Alarms,
}

impl Refill {
    /// How long a lock may take to fill its pool, from when on at the earliest, and how many it lacks; none if it lacks none, or something is in its way.
    fn lacks(history: &History, lock: Lock, now: Timestamp) -> Option<(Timestamp, i64, u32)> {
        let state = history.lock(lock);
        let is_active = state.device.as_deref().is_some_and(|device| device.is_backup_pool_active);
        let quiet = history.quiet_since(lock).filter(|_| is_active)?;
        let target = history.policy().backup_pool_target.clamp(1, 5);
        let pooled: Vec<CodeIx> = state.codes.iter().copied().filter(|code| is_pooled(history, *code)).collect();
        let available = pooled.iter().filter(|code| history.code(**code).status() == Some(Status::Set)).count() as u32;
        let lacking = target.saturating_sub(available);
        let waiting = state.codes.iter().filter(|code| missing_since(history, **code, now).is_some()).count() as u32;
        let (occupied, capacity) = history.known_room(lock);
        let on_the_way = pooled.iter().filter(|code| !history.is_resident(**code)).count() as u32;
        let free = state.facts.usable_slots.saturating_sub(state.used()).min(capacity.saturating_sub(occupied));
        let room = free.saturating_sub(history.unwilling_places(lock));
        let is_hindered = pooled.iter().any(|code| history.is_refused(*code) || history.is_touched(*code));
        if lacking == 0 || room < waiting + lacking.max(on_the_way) || is_hindered {
            return None;
        }
        // The last change of anything on the lock may be the cause that it lacks them.
        let changed =
            state.codes.iter().map(|code| history.code(*code)).flat_map(|code| [Some(code.status_since), code.gone_at, code.pulled_at]);
        let since = changed.flatten().max().unwrap_or(quiet).max(quiet);
        let policy = history.policy();
        let fresh = policy.sync_period_ms + history.with_jitter(policy.retry_cap_ms) + history.b_first(lock, since);
        let each = pooled.iter().map(|code| history.b_set(*code, since)).fold(fresh, i64::max);
        Some((since, i64::from(target) * each, lacking))
    }

    fn judge(&mut self, history: &History, lock: Lock, now: Timestamp, found: &mut Found) {
        self.alarms.silence(lock);
        let Some((changed_at, period_ms, lacking)) = Self::lacks(history, lock, now) else {
            self.lacking_since.remove(&lock);
            return;
        };
        found.armed("I-BAK-10");
        let since = changed_at.max(*self.lacking_since.entry(lock).or_insert(now));
        if self.alarms.is_over(lock, since + period_ms, now) {
            let what = format!("{}: its pool lacks {lacking} backups, with room for them on a quiet path", history.lock_name(lock));
            found.broken("I-BAK-10", what, history.lock_role(lock));
        }
    }
}

impl Invariant for Refill {
    fn ids(&self) -> &'static [&'static str] {
        &["I-BAK-10"]
    }

    fn interests(&self) -> Interests {
        Interests::DEADLINE
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in history.touched_locks() {
            self.judge(history, *lock, now, found);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::port::Op;
    use keyway_core::time::DAY_MS;

    use super::*;
    use crate::judge::testing::{CLOUD, Story, pin};

    /// A cloud lock of so many places.
    fn story(places: u32) -> Story {
        Story::with(checkers(), |facts| {
            facts.locks[0].usable_slots = places;
            Arc::make_mut(&mut facts.locks[0].profile).slots = places;
        })
    }

    fn backup(story: &mut Story, digits: &str) -> keyway_core::id::CodeId {
        let draft = story.draft(CLOUD, digits, None);
        story.create(Record { is_backup: true, status: Status::Setting, ..draft })
    }

    #[test]
    fn a_backup_takes_no_last_place_before_an_owner() {
        for places in [2, 3] {
            let mut story = story(places);
            story.confirmed(CLOUD, "1111", None);
            story.code(CLOUD, "2222", None, Status::Setting);
            let spare = backup(&mut story, "3333");
            story.command(CLOUD, Some(spare), Op::CreateEntry { pin: pin("3333"), name: "spare".into(), window: None });
            if places == 2 {
                story.must_break("I-BAK-09");
            } else {
                story.must_hold();
            }
        }
    }

    #[test]
    fn an_owner_gets_the_place_of_a_backup() {
        let mut story = story(1);
        let spare = backup(&mut story, "3333");
        story.write(spare);
        story.change(spare, |record| record.status = Status::Set);
        story.code(CLOUD, "2222", None, Status::Setting);
        story.wait(DAY_MS);
        story.must_break("I-BAK-09");
    }

    #[test]
    fn a_pool_is_filled_where_there_is_room() {
        let mut story = story(10);
        story.device_shows(CLOUD, |device| device.is_backup_pool_active = true);
        story.wait(DAY_MS);
        story.must_break("I-BAK-10");
    }

    #[test]
    fn a_pool_without_room_need_not_be_filled() {
        let mut story = story(1);
        story.confirmed(CLOUD, "1111", None);
        story.device_shows(CLOUD, |device| device.is_backup_pool_active = true);
        story.wait(DAY_MS);
        story.must_hold();
    }
}
