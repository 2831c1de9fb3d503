//! What was asked for each code over time, and how long each wish may lawfully show in the lock.

use keyway_core::access_code::{Record, Status, Type};
use keyway_core::event::EventType;
use keyway_core::id::{CallId, CodeId, DeviceId};
use keyway_core::pin::{Constraint, Pin};
use keyway_core::problem::ErrorCode;
use keyway_core::request::{BehaviorWhenCodeCannotBeShared, Request, RequestedCode, Response, Update};
use keyway_core::time::{Timestamp, Window};

use super::{AskedOffline, CodeIx, History};
use crate::occurrence::Lock;

/// What shall be in the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// An entry with this PIN and this window; no PIN until the platform has chosen one.
    Present {
        /// The PIN.
        pin: Option<Pin>,
        /// The window; none: always.
        window: Option<Window>,
    },
    /// Nothing.
    Absent,
}

/// What made a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A create or update call, or the platform's own for its pool.
    Asked,
    /// The pull of a backup.
    Pulled,
    /// A delete call.
    Deleted,
    /// The end of the window.
    Ended,
    /// An external change that is allowed (T25).
    Adopted,
    /// An external removal that is allowed (T26).
    Left,
    /// The platform's own decision about a backup of its pool.
    Own,
}

/// One wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What shall be.
    pub goal: Goal,
    /// What made it.
    pub why: Why,
    /// Since when.
    pub asked_at: Timestamp,
    /// From when on the lock shall know it.
    pub due_at: Timestamp,
    /// Whether its successor has had its time.
    pub is_retired: bool,
}

impl History {
    /// What is wished for a code now; none for a code that the platform never managed.
    #[must_use]
    pub fn goal(&self, code: CodeIx) -> Option<&Intent> {
        self.code(code).intents.last()
    }

    /// Whether the lock keeps a code's schedule, by what was asked and what it is.
    #[must_use]
    pub fn is_native(&self, code: CodeIx) -> bool {
        let state = self.code(code);
        let schedules = self.profile(code).is_some_and(|profile| profile.schedules);
        let is_timed = matches!(self.goal(code), Some(Intent { goal: Goal::Present { window: Some(_), .. }, .. }))
            || state.record.as_ref().is_some_and(|record| record.kind == Type::TimeBound);
        schedules && state.prefers_native && state.pulled_at.is_none() && is_timed
    }

    /// The wishes that may lawfully show in the lock now.
    pub fn lawful(&self, code: CodeIx, now: Timestamp) -> impl Iterator<Item = &Intent> {
        let intents = &self.code(code).intents;
        intents.iter().enumerate().filter(move |(at, _)| self.is_lawful(code, *at, now)).map(|(_, intent)| intent)
    }

    /// Whether nothing at all may lawfully be in the lock: before the code is due and for the time of a setting after, and after each wish of absence.
    #[must_use]
    pub fn is_absence_lawful(&self, code: CodeIx, now: Timestamp) -> bool {
        if self.lawful(code, now).any(|intent| intent.goal == Goal::Absent) {
            return true;
        }
        let Some(current) = self.goal(code) else { return true };
        if matches!(current.goal, Goal::Present { window: Some(window), .. } if window.ends_at <= now) {
            return true;
        }
        let Some(quiet) = self.code_quiet_since(code) else { return true };
        let since = quiet.max(current.due_at);
        now <= since + self.b_set(code, since)
    }

    /// When a wish that has a successor stops being lawful, as things stand; none while the path is not quiet.
    #[must_use]
    pub(super) fn retires_at(&self, code: CodeIx, at: usize) -> Option<Timestamp> {
        let state = self.code(code);
        let next = state.intents.get(at + 1)?;
        let quiet = match next.goal {
            Goal::Present { .. } => self.code_quiet_since(code)?,
            Goal::Absent => self.removal_quiet_since(code)?,
        };
        let since = quiet.max(next.asked_at);
        Some(since + self.b_set(code, since))
    }

    fn is_lawful(&self, code: CodeIx, at: usize, now: Timestamp) -> bool {
        let intents = &self.code(code).intents;
        let is_last = at + 1 == intents.len();
        is_last || (!intents[at].is_retired && self.retires_at(code, at).is_none_or(|until| now <= until))
    }

    /// Notes for good which wishes are no longer lawful; must run before the path is disturbed anew.
    pub(super) fn retire(&mut self, code: CodeIx, now: Timestamp) {
        let count = self.code(code).intents.len();
        for at in 0..count.saturating_sub(1) {
            if !self.is_lawful(code, at, now) {
                self.codes[code.0 as usize].intents[at].is_retired = true;
            }
        }
        let state = &mut self.codes[code.0 as usize];
        while state.intents.len() > 1 && state.intents[0].is_retired {
            state.intents.remove(0);
        }
    }

    /// The same for all codes of a lock.
    pub(super) fn retire_all(&mut self, lock: Lock, now: Timestamp) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            if self.code(code).intents.len() > 1 {
                self.retire(code, now);
            }
        }
    }

    pub(super) fn ask(&mut self, code: CodeIx, goal: Goal, why: Why, now: Timestamp) {
        self.retire(code, now);
        let goal = match goal {
            Goal::Present { window, .. } if self.is_chosen_by_vendor(code) => Goal::Present { pin: None, window },
            Goal::Present { .. } | Goal::Absent => goal,
        };
        let due_at = self.due_at(code, goal, now);
        let is_other = self.goal(code).is_none_or(|intent| intent.goal != goal);
        let state = &mut self.codes[code.0 as usize];
        if is_other {
            state.work.told_twin_at = None;
        }
        // That the end of a pulled backup moves with its original's is nothing to the lock, which stores no schedule of it: a fight about it goes on (`R-62`).
        let bounded = |goal: Goal| if let Goal::Present { pin, window: Some(_) } = goal { Some(pin) } else { None };
        let only_ends_elsewhere = state.pulled_at.is_some()
            && bounded(goal).is_some()
            && state.intents.last().and_then(|intent| bounded(intent.goal)) == bounded(goal);
        state.intents.push(Intent { goal, why, asked_at: now, due_at, is_retired: false });
        // To end what is being erased already changes nothing of how that goes on (`R-61`).
        if is_other || goal != Goal::Absent {
            state.version += 1;
            if !only_ends_elsewhere {
                // A removal that was begun before the code became due goes on when its window ends (`T12`), and so does the failure of it (`R-03`).
                let goes_on = goal == Goal::Absent && state.status() == Some(Status::Removing);
                let failing_since = state.work.failing_since.filter(|_| goes_on);
                state.work.begin_anew(now);
                state.work.failing_since = failing_since;
            }
        }
        let (id, version) = (state.id, state.version);
        // What the step has sent already serves the new wish.
        for (command, _) in self.step.commands.iter().filter(|(command, _)| self.is_in_step && command.for_code == Some(id)) {
            if let Some(sent) = self.commands.get_mut(&command.command_id) {
                sent.version = version;
            }
        }
        self.weigh_hindrance(now, code);
        self.touch_code(code);
    }

    fn due_at(&self, code: CodeIx, goal: Goal, now: Timestamp) -> Timestamp {
        let Goal::Present { window: Some(window), .. } = goal else { return now };
        if self.is_offline(code) {
            return now;
        }
        let state = self.code(code);
        let native = state.prefers_native && state.pulled_at.is_none() && self.profile(code).is_some_and(|profile| profile.schedules);
        let lead = if native { self.policy().native_preload_ms } else { self.policy().just_in_time_lead_ms };
        now.max(window.starts_at - lead)
    }

    /// Lets the end of a window be a wish of absence.
    pub(super) fn end_window(&mut self, code: CodeIx, now: Timestamp) {
        if let Some(Intent { goal: Goal::Present { window: Some(window), .. }, .. }) = self.goal(code).copied()
            && window.ends_at <= now
        {
            self.ask(code, Goal::Absent, Why::Ended, window.ends_at);
        }
    }

    /// A call was answered ok: what it asked is in force.
    pub(super) fn accept(&mut self, call_id: CallId, response: &Response, now: Timestamp) {
        let Some(call) = self.calls.get(&call_id).cloned() else { return };
        match (&call.request, response) {
            (Request::Create(create), Response::AccessCode(id)) => {
                let ix = self.intern(*id);
                self.codes[ix.0 as usize].offline = AskedOffline::of(create);
                let window = window(create.starts_at, create.ends_at);
                self.accept_create(
                    *id,
                    create.device_id,
                    create.code.as_ref(),
                    window,
                    create.prefer_native_scheduling,
                    create.name.as_ref(),
                    now,
                );
                self.accept_flag(*id, create.is_external_modification_allowed);
            }
            (Request::CreateMultiple(create), Response::AccessCodes(ids)) => {
                let (window, prefers) = (window(create.starts_at, create.ends_at), create.prefer_native_scheduling);
                // A lock that cannot share the PIN gets one of its own; that the others have it is `I-BYTES-01`'s (`R-48`).
                let may_differ = create.behavior_when_code_cannot_be_shared == Some(BehaviorWhenCodeCannotBeShared::CreateRandomCode);
                let pin = create.code.as_ref().filter(|_| !may_differ);
                for (id, device) in ids.iter().zip(&create.device_ids) {
                    self.accept_create(*id, *device, pin, window, prefers, create.name.as_ref(), now);
                    self.accept_flag(*id, create.is_external_modification_allowed);
                }
            }
            (Request::Update(update), _) => self.accept_update(update, now),
            (Request::UpdateMultiple(update), _) => {
                let in_group = |record: &Record| record.common_code_key.as_deref() == Some(update.common_code_key.as_str());
                let members: Vec<CodeId> = self.live().filter(|record| in_group(record)).map(|record| record.access_code_id).collect();
                for access_code_id in members {
                    let (starts_at, ends_at) = (update.starts_at, update.ends_at);
                    let name = update.name.clone();
                    self.accept_update(&Update { access_code_id, name, starts_at, ends_at, ..Update::default() }, now);
                }
            }
            (Request::Delete(delete), _) => self.accept_delete(delete.access_code_id, now),
            (Request::PullBackupAccessCode(pull), Response::AccessCode(backup)) => self.accept_pull(pull.access_code_id, *backup, now),
            (Request::Create(_) | Request::CreateMultiple(_) | Request::PullBackupAccessCode(_), _) => {}
            (Request::Unmanaged(request), _) => self.accept_unmanaged(request),
            (Request::Device(request), _) => self.accept_device(request),
            (Request::Get(_) | Request::List(_) | Request::GenerateCode(_), _) => {}
        }
    }

    /// Whether the vendor chooses the code's PIN, and may choose another: any that it gave the code is as good (`V-05`).
    pub(super) fn is_chosen_by_vendor(&self, code: CodeIx) -> bool {
        self.profile(code).is_some_and(|profile| profile.constraints.contains(&Constraint::CannotSpecifyPinCode))
    }

    fn live(&self) -> impl Iterator<Item = &Record> {
        self.codes.iter().filter_map(|code| code.record.as_deref())
    }

    fn accept_flag(&mut self, id: CodeId, allows: Option<bool>) {
        let ix = self.intern(id);
        self.codes[ix.0 as usize].acked.allows = allows;
    }

    #[allow(clippy::too_many_arguments)] // The fields of the call.
    fn accept_create(
        &mut self,
        id: CodeId,
        device: DeviceId,
        code: Option<&RequestedCode>,
        window: Option<Window>,
        prefers: Option<bool>,
        name: Option<&String>,
        now: Timestamp,
    ) {
        let ix = self.intern(id);
        if let Some(lock) = self.find_lock(device) {
            self.adopt(ix, lock);
        }
        self.codes[ix.0 as usize].prefers_native = prefers != Some(false);
        let acked = &mut self.codes[ix.0 as usize].acked;
        (acked.is_created, acked.name) = (true, name.cloned());
        self.ask(ix, Goal::Present { pin: requested(code), window }, Why::Asked, now);
    }

    pub(super) fn accept_update(&mut self, update: &Update, now: Timestamp) {
        let Some(ix) = self.find_code(update.access_code_id) else { return };
        if update.is_managed == Some(false) {
            self.codes[ix.0 as usize].is_residual = true;
            return;
        }
        let acked = &mut self.codes[ix.0 as usize].acked;
        if acked.allows == Some(true) && update.is_external_modification_allowed == Some(false) {
            // What others named it while they had leave is its name (T25).
            acked.name = None;
        }
        acked.allows = update.is_external_modification_allowed.or(acked.allows);
        if update.name.is_some() {
            acked.name.clone_from(&update.name);
        }
        if let Some(prefers) = update.prefer_native_scheduling.filter(|prefers| *prefers != self.code(ix).prefers_native) {
            self.switch_schedule(ix, prefers, now);
        }
        let known = match self.goal(ix).map(|intent| intent.goal) {
            Some(Goal::Present { pin, window }) => (pin, window),
            Some(Goal::Absent) | None => {
                let record = self.code(ix).record.as_deref();
                (record.and_then(|record| record.code).filter(|_| !self.is_chosen_by_vendor(ix)), record.and_then(Record::window))
            }
        };
        let window = updated_window(known.1, update);
        let pin = requested(update.code.as_ref()).or(known.0);
        if self.says_nothing_new(ix, pin, window, update) {
            return;
        }
        self.ask(ix, Goal::Present { pin, window }, Why::Asked, now);
        self.move_end_of_backup(ix, known.1, window, Why::Asked, now);
    }

    /// `R-23`: what is due or stored, or may be on its way, keeps its kind of schedule, and what is written anew in its stead may have either; any other code has the
    /// new one.
    fn switch_schedule(&mut self, ix: CodeIx, prefers: bool, now: Timestamp) {
        let was_due = self.goal(ix).map(|intent| intent.due_at);
        let state = self.code(ix);
        let is_at_rest = state.record.as_deref().is_some_and(|record| record.status == Status::Unset);
        let is_on_its_way = state.lock.is_some_and(|lock| self.open_commands(lock).any(|sent| sent.code == Some(ix)));
        let is_new = is_at_rest && was_due.is_some_and(|due| now < due) && !self.is_resident(ix) && !is_on_its_way;
        let state = &mut self.codes[ix.0 as usize];
        state.prefers_native = prefers;
        state.was_switched |= !is_new;
        let due = self.goal(ix).map(|intent| self.due_at(ix, intent.goal, now));
        // What was due already is due no later.
        let due = due.filter(|_| was_due.is_none_or(|due| now < due));
        if let (Some(intent), Some(due)) = (self.codes[ix.0 as usize].intents.last_mut(), due) {
            intent.due_at = if is_new { due } else { due.max(was_due.unwrap_or(due)) };
        }
    }

    /// A pulled backup ends with its original, whoever moved that end (`R-37`, `I-BAK-03`).
    fn move_end_of_backup(&mut self, original: CodeIx, before: Option<Window>, window: Option<Window>, why: Why, now: Timestamp) {
        let backup = self.code(original).record.as_ref().and_then(|record| record.pulled_backup_access_code_id);
        if let (Some(backup), Some(window)) = (backup.and_then(|backup| self.find_code(backup)), window)
            && Some(window.ends_at) != before.map(|before| before.ends_at)
            && let Some(Goal::Present { pin, window: Some(own) }) = self.goal(backup).map(|intent| intent.goal)
        {
            let own = Window { ends_at: window.ends_at, ..own };
            self.ask(backup, Goal::Present { pin, window: Some(own) }, why, now);
        }
    }

    /// Whether an update leaves all as it is: then it is no new wish (`R-17`).
    fn says_nothing_new(&self, code: CodeIx, pin: Option<Pin>, window: Option<Window>, update: &Update) -> bool {
        // What a restart shows to be in force has altered the record already.
        let Some(record) = self.code(code).record.as_deref().filter(|_| self.is_real_step) else { return false };
        let is_same_goal = self.goal(code).is_none_or(|intent| match intent.goal {
            Goal::Present { .. } => intent.goal == Goal::Present { pin, window },
            Goal::Absent => true,
        });
        let is_same_name = update.name.is_none() || update.name == record.name;
        let allows = update.is_external_modification_allowed;
        let is_same_flag = allows.is_none_or(|allows| allows == record.is_external_modification_allowed);
        let is_same_pin = record.code == pin || self.is_chosen_by_vendor(code);
        is_same_goal && is_same_name && is_same_flag && is_same_pin && record.window() == window
    }

    fn accept_delete(&mut self, id: CodeId, now: Timestamp) {
        let Some(ix) = self.find_code(id) else { return };
        self.codes[ix.0 as usize].acked.is_deleted = true;
        let backup = self.code(ix).record.as_ref().and_then(|record| record.pulled_backup_access_code_id);
        for code in [Some(ix), backup.and_then(|backup| self.find_code(backup))].into_iter().flatten() {
            self.ask(code, Goal::Absent, Why::Deleted, now);
        }
    }

    pub(super) fn accept_pull(&mut self, original: CodeId, backup: CodeId, now: Timestamp) {
        let (original, backup) = (self.intern(original), self.intern(backup));
        if self.code(backup).pulled_at.is_some() {
            return;
        }
        self.codes[original.0 as usize].acked.pulled = Some(self.code(backup).id);
        let ends_at = self.code(original).record.as_ref().and_then(|record| record.ends_at);
        let pin = match self.goal(backup).map(|intent| intent.goal) {
            Some(Goal::Present { pin, .. }) => pin,
            Some(Goal::Absent) | None => None,
        };
        self.codes[backup.0 as usize].pulled_at = Some(now);
        let window = ends_at.map(|ends_at| Window { starts_at: now, ends_at });
        self.ask(backup, Goal::Present { pin, window }, Why::Pulled, now);
    }

    /// Wishes that no call made, seen in the change of a record: the platform's own for its pool, adoptions, and a PIN that it chose.
    pub(super) fn infer(&mut self, code: CodeIx, before: Option<&Record>, now: Timestamp) {
        let Some(record) = self.code(code).record.clone() else {
            let had = |lock| {
                self.previous_device(lock).is_some_and(|device| device.errors.iter().any(|e| e.error_code == ErrorCode::DeviceRemoved))
            };
            let was_removed = self.code(code).lock.is_some_and(had);
            self.codes[code.0 as usize].is_residual |= was_removed;
            return;
        };
        if !record.is_managed {
            self.codes[code.0 as usize].is_residual |= before.is_some_and(|before| before.is_managed);
            return;
        }
        let present = Goal::Present { pin: record.code, window: record.window() };
        let Some(current) = self.goal(code).copied() else { return self.ask(code, present, Why::Own, now) };
        if record.is_offline_access_code {
            // Its vendor chooses PIN and window, as far as the call allows (I-WIN-08).
            if let Some(last) = self.codes[code.0 as usize].intents.last_mut().filter(|last| last.goal != Goal::Absent) {
                last.goal = present;
            }
            return;
        }
        let is_pooled = record.is_backup && self.code(code).pulled_at.is_none();
        let emitted = |kind| self.has_emitted(record.access_code_id, kind);
        match current.goal {
            Goal::Present { .. } if is_pooled && record.status == Status::Removing => self.ask(code, Goal::Absent, Why::Own, now),
            Goal::Present { pin, .. } if is_pooled && record.code != pin => self.ask(code, present, Why::Own, now),
            Goal::Present { pin: None, window } if record.code.is_some() && !self.is_chosen_by_vendor(code) => {
                let filled = Goal::Present { pin: record.code, window };
                if let Some(last) = self.codes[code.0 as usize].intents.last_mut() {
                    last.goal = filled;
                }
            }
            Goal::Present { .. } if !record.is_external_modification_allowed => {}
            Goal::Present { pin, window }
                if (pin, window) != (record.code, record.window()) && emitted(EventType::ModifiedExternalToSeam) =>
            {
                self.ask(code, present, Why::Adopted, now);
                self.move_end_of_backup(code, window, record.window(), Why::Adopted, now);
            }
            Goal::Present { .. } if record.status == Status::Unset && emitted(EventType::DeletedExternalToSeam) => {
                self.ask(code, Goal::Absent, Why::Left, now);
            }
            Goal::Present { .. } | Goal::Absent => {}
        }
    }
}

/// The PIN of a request, if it carries a legal one.
fn requested(code: Option<&RequestedCode>) -> Option<Pin> {
    match code? {
        RequestedCode::Text(text) => text.parse().ok(),
        RequestedCode::Number(_) => None,
    }
}

fn window(starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> Option<Window> {
    Some(Window { starts_at: starts_at?, ends_at: ends_at? })
}

fn updated_window(known: Option<Window>, update: &Update) -> Option<Window> {
    if update.kind == Some(Type::Ongoing) {
        return None;
    }
    let starts_at = update.starts_at.or(known.map(|known| known.starts_at));
    let ends_at = update.ends_at.or(known.map(|known| known.ends_at));
    window(starts_at, ends_at)
}
