//! A controller that is quiet when nothing is wrong and patient when something is (`I-QUI-01`).

use std::collections::BTreeMap;

use keyway_core::access_code::Status;
use keyway_core::id::{CommandId, Key};
use keyway_core::port::{Answer, Command, News, Notice, Op};
use keyway_core::time::{DAY_MS, Timestamp};

use super::conduct::mutating;
use super::{Found, Interests, Invariant};
use crate::bounds::attempts_allowed;
use crate::history::{CodeIx, Goal, History, Intent, Work, target};
use crate::occurrence::{Lock, Occurrence};

/// What `name_cut_short` leaves of a name.
const NAME_CUT_CHARS: usize = 14;

/// `I-QUI-01`. Judged at the end of the step, when it is known whether the step itself changed what is wanted.
#[derive(Default)]
pub(super) struct Quiet {
    /// For a code whose last attempt was turned away for the rate: when that was told, and how long the vendor wants it to wait (`R-03`).
    pauses: BTreeMap<CodeIx, (Timestamp, Timestamp)>,
    /// Codes that have a user of a site, as far as the controller was told and may not have forgotten, each with the key under which it was made.
    users: BTreeMap<CodeIx, Key>,
}

/// No pause is longer, whatever a vendor asks.
const PAUSE_MAX_MS: i64 = DAY_MS;

impl Quiet {
    fn hear(&mut self, history: &History, now: Timestamp, command_id: CommandId, answer: &Answer) {
        let Some(sent) = history.sent(command_id) else { return };
        let Some(code) = sent.code else { return };
        match answer {
            // The pause counts from the closing input: a copy of it makes none longer (R-03, P-01).
            Answer::RateLimited { retry_after_ms } if sent.closed_at.is_none_or(|closed_at| closed_at >= now) => {
                self.pauses.insert(code, (now, now + (*retry_after_ms).clamp(0, PAUSE_MAX_MS)));
            }
            Answer::User { .. } => drop(self.users.insert(code, sent.command.key)),
            Answer::NotFound => drop(self.users.remove(&code)),
            _ => {}
        }
    }

    /// Whether a site user is made for a code that has one (`R-63`).
    fn crowds(&mut self, command: &Command, code: CodeIx) -> Option<String> {
        match command.op {
            Op::DeleteUser { .. } => drop(self.users.remove(&code)),
            // Under the same key it is the same one (`P-04`).
            Op::CreateUser { .. } if self.users.get(&code).is_some_and(|key| *key != command.key) => {
                return Some("another user of the site is made for it".to_owned());
            }
            _ => {}
        }
        None
    }

    /// Whether a code is tried again before its vendor wants it, and nothing about it changed since.
    fn disturbs(&self, history: &History, code: CodeIx, now: Timestamp) -> Option<String> {
        let (told_at, until) = *self.pauses.get(&code)?;
        let is_early = now < until && history.code(code).work.cause_at <= told_at;
        is_early.then(|| format!("was turned away for the rate until {until}, and is tried again"))
    }

    /// Why a write for a code was needless; none if there was a reason.
    fn needless(history: &History, command: &Command, lock: Lock, code: CodeIx, now: Timestamp) -> Option<String> {
        let (state, intent) = (history.code(code), history.goal(code)?);
        let is_going_before_its_time =
            now < intent.due_at || state.status() == Some(Status::Removing) && state.status_since < intent.due_at;
        if command.op.is_erasing() && is_going_before_its_time && history.is_resident(code) {
            return None; // T12, T36: it came to be there before its time, and a removal that was begun by then goes on.
        }
        if command.op.is_erasing() && history.entries(code).count() > 1 {
            return None; // I-DEV-02: one of them has to go.
        }
        if command.op.is_erasing() && history.is_yet_to_leave(code, target(&command.op)) {
            return None; // P-12: that nothing is there any more was not told, or not saved.
        }
        if command.op.is_erasing() && history.rests_as_left(code) && history.entries(code).any(|(_, stored)| stored.entry.enabled) {
            return None; // T26, I-WIN-04: what came back since others took it away goes.
        }
        if state.was_switched && matches!(intent.goal, Goal::Present { .. }) && !history.is_resident(code) {
            return None; // it may be written anew by either schedule.
        }
        let confirmed = history.confirmed_at(code).or_else(|| Self::absent_since(history, code, now))?;
        let due = if intent.due_at <= now { intent.due_at } else { Timestamp::MIN };
        let reason = state.work.reason_at.max(intent.asked_at).max(due).max(history.lock(lock).faulted_at);
        let in_step = |id| history.step().commands.iter().any(|(command, _)| command.command_id == id);
        let is_unsettled =
            history.open_commands(lock).any(|sent| sent.code == Some(code) && !sent.is_settled && !in_step(sent.command.command_id));
        let is_clock_off = history.lock(lock).clock_off_ms.abs() > history.policy().clock_tolerance_ms;
        let is_calm = confirmed > reason && !is_unsettled && !is_clock_off && !state.is_hindered && !history.is_touched(code);
        let is_calm = is_calm && !Self::is_yet_to_be_written(history, code);
        is_calm.then(|| format!("{:?} is sent, and nothing was asked, due, changed or faulty since {confirmed}", command.op.kind()))
    }

    /// Whether what lies in the lock was written for an older wish: it may differ in what memory shows only in part, such as the name.
    fn is_yet_to_be_written(history: &History, code: CodeIx) -> bool {
        let name = history.code(code).record.as_deref().and_then(|record| record.name.as_deref());
        history.entries(code).any(|(_, stored)| {
            let is_older = stored.version.is_some_and(|version| version < history.code(code).version);
            // Controllers add to a name, and locks cut it short (`name_cut_short`). A crash may have cut short the call that changed it.
            let shown = &*stored.entry.name;
            let is_cut = shown.chars().count() == NAME_CUT_CHARS;
            is_older || name.is_some_and(|name| !(shown.starts_with(name) || is_cut && name.starts_with(shown)))
        })
    }

    /// Since when it is proven that nothing of a code is in the lock, and nothing need be.
    fn absent_since(history: &History, code: CodeIx, now: Timestamp) -> Option<Timestamp> {
        let is_idle = match history.goal(code)? {
            Intent { goal: Goal::Absent, .. } => true,
            Intent { goal: Goal::Present { .. }, due_at, .. } => now < *due_at,
        };
        let absent_at = history.code(code).work.absent_at;
        absent_at.filter(|_| is_idle && !history.is_resident(code))
    }

    /// Which bound on attempts was passed.
    fn impatient(history: &History, work: &Work, now: Timestamp) -> Option<String> {
        let policy = history.policy();
        let allowed = attempts_allowed(policy, now - work.cause_at);
        if work.attempts > allowed {
            return Some(format!("makes attempt {} since {}, and {allowed} are allowed", work.attempts, work.cause_at));
        }
        if let Some(refused_at) = work.refused_at {
            let allowed = (now - refused_at) / policy.refused_retry_ms.max(1);
            if i64::from(work.attempts_refused) > allowed {
                return Some(format!("was refused at {refused_at} and is tried again, {allowed} tries being allowed"));
            }
        }
        Self::quarrelsome(work, policy.reversal_period_ms).filter(|_| work.is_fighting(now, policy))
    }

    /// A clock is set because it is wrong, and no more often than anything else is tried (`R-56`).
    fn fusses(history: &History, lock: Lock, now: Timestamp) -> Option<String> {
        let (state, policy) = (history.lock(lock), history.policy());
        let is_right = state.clock_off_ms.abs() <= policy.clock_tolerance_ms;
        // A reading may be as old as its way.
        let known_by = state.clock_since + 2 * state.facts.profile.command_timeout_ms;
        if is_right && now > known_by {
            return Some(format!("sets the clock of {}, which is right since {}", state.facts.name, state.clock_since));
        }
        let allowed = attempts_allowed(policy, now - state.clock_settings_since);
        let times = state.clock_settings;
        (times > allowed).then(|| format!("sets the clock of {} {times} times, and {allowed} are allowed", state.facts.name))
    }

    /// Re-sets in a fight: two in its first hour, one in each later one.
    fn quarrelsome(work: &Work, period_ms: i64) -> Option<String> {
        let start = work.reversals.windows(3).find(|three| three[2] - three[0] <= period_ms)?[0];
        let mut by_hour: BTreeMap<i64, u32> = BTreeMap::new();
        for reset in work.resets.iter().filter(|reset| **reset >= start) {
            *by_hour.entry((*reset - start) / period_ms).or_default() += 1;
        }
        let over = by_hour.iter().find(|(hour, count)| **count > if **hour == 0 { 2 } else { 1 })?;
        Some(format!("is written again {} times in hour {} of a fight", over.1, over.0 + 1))
    }
}

impl Invariant for Quiet {
    fn ids(&self) -> &'static [&'static str] {
        &["I-QUI-01"]
    }

    fn interests(&self) -> Interests {
        Interests::ANSWERED.and(Interests::NOTICED).and(Interests::CRASHED).and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Answered { command_id, answer, .. } => return self.hear(history, now, *command_id, answer),
            // What was not saved is forgotten.
            Occurrence::Crashed => return *self = Self::default(),
            // Who took an entry may have taken its user.
            Occurrence::Noticed { notice: Notice { news: News::EntryRemoved(_) | News::AllRemoved, .. }, .. } => return self.users.clear(),
            Occurrence::Noticed { .. } => return,
            _ => {}
        }
        for (command, lock, code) in mutating(history) {
            found.armed("I-QUI-01");
            let needless = Self::needless(history, command, lock, code, now);
            let impatient = || Self::impatient(history, &history.code(code).work, now);
            if let Some(what) =
                needless.or_else(impatient).or_else(|| self.disturbs(history, code, now)).or_else(|| self.crowds(command, code))
            {
                found.broken_by("I-QUI-01", history, code, what);
            }
        }
        for (command, lock) in &history.step().commands {
            if let (Op::SetClock { .. }, Some(lock)) = (&command.op, *lock)
                && let Some(what) = Self::fusses(history, lock, now)
            {
                found.broken("I-QUI-01", what, "clock".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::id::Slot;
    use keyway_core::port::{Place, Reason};
    use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

    use super::*;
    use crate::judge::testing::{SLOT, Story, entry, set_slot};
    use crate::occurrence::{Origin, TrueEntry};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(vec![Box::<Quiet>::default()])
    }

    #[test]
    fn what_is_confirmed_is_left_alone() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.wait(HOUR_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-QUI-01");
    }

    #[test]
    fn a_restart_is_no_reason_to_write() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.change(id, |_| {});
        story.crash(MINUTE_MS, |_| {});
        story.wait(HOUR_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-QUI-01");
    }

    #[test]
    fn a_free_slot_is_not_cleared_again() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.erase(id, ONE);
        story.wait(MINUTE_MS);
        story.must_hold();
        story.command(SLOT, Some(id), Op::ClearSlot { slot: Slot(1) });
        story.must_break("I-QUI-01");
    }

    #[test]
    fn attempts_are_spaced() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        for _ in 0..4 {
            let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
            story.wait(SECOND_MS);
            story.answer(command, Answer::Busy);
        }
        story.must_break("I-QUI-01");
    }

    #[test]
    fn attempts_by_the_rule_are_allowed() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let mut delay = 30 * SECOND_MS;
        for _ in 0..30 {
            let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
            story.answer(command, Answer::Busy);
            story.wait(delay);
            delay = (2 * delay).min(HOUR_MS);
        }
        story.must_hold();
    }

    #[test]
    fn what_was_refused_as_a_twin_waits_a_day() {
        let mut story = story();
        story.world_stores(SLOT, Place::Slot(Slot(5)), TrueEntry { hidden: true, ..entry("1234", Origin::External) });
        story.wait(HOUR_MS);
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.answer(command, Answer::Refused(Reason::PinTaken));
        story.wait(DAY_MS);
        let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.answer(command, Answer::Refused(Reason::PinTaken));
        story.must_hold();
        story.wait(12 * HOUR_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-QUI-01");
    }

    #[test]
    fn a_fight_is_not_fought() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        for _ in 0..3 {
            story.world_erases(SLOT, ONE);
            let record = story.record(id).clone();
            let event = story.emits(&record, EventType::DeletedExternalToSeam);
            story.notice(SLOT, News::EntryRemoved(ONE), vec![event, Occurrence::Saved]);
            story.write(id);
            story.wait(MINUTE_MS);
        }
        story.must_break("I-QUI-01");
    }
}
