//! How a controller behaves: it is quiet when nothing is wrong and patient when something is (`I-QUI-01`), keeps its word over a crash (`I-DUR-01`),
//! keeps trouble where it is (`I-ISO-01`), means the lock that is there (`I-IDENT-01`) and never changes a digit (`I-BYTES-01`).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::id::{AccountId, CodeId, CommandId, Epoch, Handle, Key, VendorDevice};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, Command, Item, News, Notice, Op, Place};
use keyway_core::request::{BehaviorWhenCodeCannotBeShared, Request, RequestedCode, Response};
use keyway_core::time::{DAY_MS, Timestamp};

use super::{Found, Interests, Invariant, Row};
use crate::bounds::attempts_allowed;
use crate::history::{CodeIx, Goal, History, Input, Intent, Why, Work, target};
use crate::occurrence::{Cause, Change, Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-IDENT-01"), Row::of("I-BYTES-01"), Row::of("I-ISO-01"), Row::of("I-QUI-01"), Row::of("I-DUR-01")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Identity::default()),
        Box::new(Bytes::default()),
        Box::new(Isolation::default()),
        Box::new(Quiet::default()),
        Box::new(Durability),
    ]
}

/// The mutating commands of the step, each with its lock and code.
fn mutating(history: &History) -> impl Iterator<Item = (&Command, Lock, CodeIx)> {
    let commands = history.step().commands.iter().filter(|(command, _)| command.op.is_mutating());
    commands.filter_map(|(command, _)| {
        let sent = history.sent(command.command_id)?;
        Some((command, sent.lock?, sent.code?))
    })
}

/// What `name_cut_short` leaves of a name.
const NAME_CUT_CHARS: usize = 14;

/// `I-QUI-01`. Judged at the end of the step, when it is known whether the step itself changed what is wanted.
#[derive(Default)]
struct Quiet {
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
        if command.op.is_erasing() && now < intent.due_at && history.is_resident(code) {
            return None; // T36: it came to be there before its time.
        }
        if command.op.is_erasing() && history.entries(code).count() > 1 {
            return None; // I-DEV-02: one of them has to go.
        }
        if command.op.is_erasing() && history.rests_as_left(code) && history.entries(code).any(|(_, stored)| stored.entry.enabled) {
            return None; // T26, I-WIN-04: what came back since others took it away goes.
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

/// `I-DUR-01`, when everything was read again after a restart; and later no record may come out of a call that was answered long ago.
struct Durability;

impl Durability {
    fn lost(history: &History, code: CodeIx) -> Option<String> {
        let state = history.code(code);
        let Some(record) = state.record.as_deref() else {
            let is_missing = state.acked.is_created && (state.is_lost_by_restart || !state.was_recorded);
            return (is_missing && !state.acked.is_deleted).then(|| "its creation was answered ok, and it has no record".to_owned());
        };
        if !record.is_managed {
            return None;
        }
        if state.acked.is_deleted && !matches!(record.status, Status::Removing | Status::Unknown) {
            return Some(format!("its deletion was answered ok, and it is {}", record.status));
        }
        if state.acked.pulled.is_some() && record.pulled_backup_access_code_id != state.acked.pulled {
            return Some("the pull of its backup was answered ok and is forgotten".to_owned());
        }
        let Some(Intent { goal: Goal::Present { pin, window }, why: Why::Asked | Why::Pulled, .. }) = history.goal(code) else {
            return None;
        };
        if pin.is_some_and(|pin| record.code != Some(pin)) || record.window() != *window {
            return Some(format!(
                "{pin:?} and {window:?} were answered ok, and its record has {:?} and {:?}",
                record.code,
                record.window()
            ));
        }
        if state.acked.allows.is_some_and(|allows| allows != record.is_external_modification_allowed) {
            return Some("whether others may change it was answered ok and is forgotten".to_owned());
        }
        let is_renamed = state.acked.name.is_some() && state.acked.name != record.name && !record.is_external_modification_allowed;
        is_renamed.then(|| "its name was answered ok and is forgotten".to_owned())
    }

    fn read_again(history: &History, found: &mut Found) {
        let mut unasked = 0;
        let under_way = match history.unanswered() {
            Some(Request::Create(_)) => 1,
            Some(Request::CreateMultiple(create)) => create.device_ids.len(),
            _ => 0,
        };
        for (code, state) in history.codes() {
            if state.acked.is_created {
                found.armed("I-DUR-01");
            }
            if let Some(what) = Self::lost(history, code) {
                found.broken_by("I-DUR-01", history, code, format!("after a restart {what}"));
            }
            if state.pulled_at.is_none() && state.record.as_ref().is_some_and(|record| record.is_backup && record.kind == Type::TimeBound) {
                found.broken_by("I-DUR-01", history, code, "after a restart is pulled, and no call pulled it");
            }
            let is_new = history.changed_codes().contains(&code) && history.previous(code).is_none();
            let is_made = state.record.as_ref().is_some_and(|record| record.is_managed && !record.is_backup);
            if is_new && is_made && !state.acked.is_created {
                unasked += 1;
                if unasked > under_way {
                    found.broken_by("I-DUR-01", history, code, "after a restart has a record that no call made");
                }
            }
        }
    }

    fn born_late(history: &History, found: &mut Found) {
        let is_call = matches!(history.step().input, Some(Input::Call(_)));
        if is_call || history.restarts() == 0 {
            return;
        }
        for code in history.changed_codes() {
            let is_born = history.previous(*code).is_none() && !history.code(*code).acked.is_created;
            let is_made = history.code(*code).record.as_ref().is_some_and(|record| record.is_managed && !record.is_backup);
            if is_born && is_made {
                found.broken_by("I-DUR-01", history, *code, "comes into being without a call");
            }
        }
    }
}

impl Invariant for Durability {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DUR-01"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        if history.is_transition() {
            Self::born_late(history, found);
        } else if history.restarts() > 0 {
            Self::read_again(history, found);
        }
    }
}

/// `I-ISO-01`, for all inputs but wakes, which may be due to any lock. A change at an instant at which time alone has work to do on the code is a timer's; so may be
/// any in the first instant after a restart. What a call names, or the linked group it names, is its own.
#[derive(Default)]
struct Isolation {
    /// Commands that name no lock, and their accounts.
    inventories: BTreeMap<CommandId, AccountId>,
    about: About,
    /// Whether a change of an earlier step was found in this one.
    is_muddled: bool,
}

/// What the input of a step is about.
#[derive(Clone, Debug, Default)]
enum About {
    /// Nobody can tell.
    #[default]
    Anything,
    /// These locks.
    Locks(Vec<Lock>),
    /// An account as a whole.
    Account(AccountId),
}

impl About {
    fn locks(&self) -> &[Lock] {
        match self {
            Self::Locks(locks) => locks,
            Self::Anything | Self::Account(_) => &[],
        }
    }

    fn reaches(&self, history: &History, other: Lock) -> bool {
        match self {
            Self::Anything => true,
            Self::Locks(locks) => locks.iter().any(|lock| Self::shares(history, *lock, other)),
            Self::Account(account) => history.lock(other).facts.account == *account,
        }
    }

    fn shares(history: &History, one: Lock, other: Lock) -> bool {
        // What one workspace takes over changes the record of another.
        let is_same = history.is_same_lock(one, other);
        let (one, other) = (&history.lock(one).facts, &history.lock(other).facts);
        is_same || one.account == other.account || one.hub.is_some() && one.hub == other.hub
    }

    fn names(&self, history: &History) -> String {
        match self {
            Self::Anything => "anything".to_owned(),
            Self::Locks(locks) => locks.iter().map(|lock| history.lock_name(*lock)).collect::<Vec<_>>().join(", "),
            Self::Account(_) => "another account".to_owned(),
        }
    }

    /// What a call is about; one that only reads is about nothing that may change.
    fn call(history: &History, request: &Request) -> Self {
        let of_code = |id: CodeId| history.find_code(id).and_then(|code| history.code(code).lock);
        let locks: Vec<Lock> = match request {
            Request::Create(create) => history.find_lock(create.device_id).into_iter().collect(),
            Request::CreateMultiple(create) => create.device_ids.iter().filter_map(|device| history.find_lock(*device)).collect(),
            Request::Update(update) => of_code(update.access_code_id).into_iter().collect(),
            Request::UpdateMultiple(update) => {
                let is_member = |record: &Record| record.common_code_key.as_deref() == Some(update.common_code_key.as_str());
                let codes = history.codes().filter(|(_, state)| state.record.as_deref().is_some_and(is_member));
                codes.filter_map(|(_, state)| state.lock).collect()
            }
            Request::Delete(delete) => of_code(delete.access_code_id).into_iter().collect(),
            Request::PullBackupAccessCode(pull) => of_code(pull.access_code_id).into_iter().collect(),
            Request::Unmanaged(request) => request.converts().or(request.deletes()).and_then(of_code).into_iter().collect(),
            Request::Device(request) => history.find_lock(request.device()).into_iter().collect(),
            Request::Get(_) | Request::List(_) | Request::GenerateCode(_) => Vec::new(),
        };
        Self::Locks(locks)
    }
}

impl Isolation {
    fn is_linked(history: &History, code: CodeIx, locks: &[Lock]) -> bool {
        let key = |code: CodeIx| {
            history.code(code).record.as_deref().or(history.previous(code)).and_then(|record| record.common_code_key.as_deref())
        };
        let Some(own) = key(code) else { return false };
        locks.iter().any(|lock| history.lock(*lock).codes.iter().any(|other| key(*other) == Some(own)))
    }

    fn is_timed(history: &History, code: CodeIx, now: Timestamp) -> bool {
        let policy = history.policy();
        let delays = [0, policy.delay_set_after_ms, policy.fail_set_after_ms, policy.delay_remove_after_ms, policy.fail_remove_after_ms];
        let is_delayed = |since: Timestamp| delays.iter().any(|delay| since + *delay == now);
        let is_due = |intent: &Intent| {
            let bounds = match intent.goal {
                Goal::Present { window: Some(window), .. } => [window.starts_at, window.ends_at],
                Goal::Present { window: None, .. } | Goal::Absent => [intent.asked_at; 2],
            };
            bounds.into_iter().any(is_delayed) || is_delayed(intent.due_at) || is_delayed(intent.asked_at)
        };
        let state = history.code(code);
        // A record that rests as others left it has its end all the same (T26, T14).
        let is_bound = |record: &Record| [Some(record.created_at), record.starts_at, record.ends_at].into_iter().flatten().any(is_delayed);
        state.record.as_deref().or(history.previous(code)).is_some_and(is_bound)
            || state.intents.iter().any(is_due)
            || (state.status_since < now && is_delayed(state.status_since))
    }

    fn end_step(&self, history: &History, now: Timestamp, found: &mut Found) {
        if !history.is_transition() || self.is_muddled || history.is_catching_up() || matches!(self.about, About::Anything) {
            return;
        }
        for code in history.changed_codes() {
            let Some(other) = history.code(*code).lock.filter(|other| !self.about.locks().contains(other)) else { continue };
            found.armed("I-ISO-01");
            let is_linked = Self::is_linked(history, *code, self.about.locks());
            if !self.about.reaches(history, other) && !is_linked && !Self::is_timed(history, *code, now) {
                let what = format!("its record changes by an input about {}, with which it shares nothing", self.about.names(history));
                found.broken_by("I-ISO-01", history, *code, what);
            }
        }
        for other in history.changed_devices().iter().filter(|other| !self.about.locks().contains(other)) {
            found.armed("I-ISO-01");
            let errors = |device: Option<&DeviceRecord>| device.map(|device| (device.errors.clone(), device.account_errors.clone()));
            let is_troubled = errors(history.previous_device(*other)) != errors(history.lock(*other).device.as_deref());
            let is_timed = history.lock(*other).codes.iter().any(|code| Self::is_timed(history, *code, now));
            if is_troubled && !is_timed && !self.about.reaches(history, *other) {
                let what = format!("{} changes by an input about {}", history.lock_name(*other), self.about.names(history));
                found.broken("I-ISO-01", what, history.lock_role(*other));
            }
        }
    }

    fn hear(&mut self, history: &History, command_id: CommandId, is_closing: bool) -> About {
        let account = self.inventories.get(&command_id).copied();
        if is_closing {
            self.inventories.remove(&command_id);
        }
        match history.step().input {
            Some(Input::Answer(_, Some(lock))) => About::Locks(vec![lock]),
            _ => account.map_or(About::Anything, About::Account),
        }
    }
}

impl Invariant for Isolation {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ISO-01"]
    }

    fn interests(&self) -> Interests {
        let inputs = Interests::CALLED.and(Interests::ANSWERED).and(Interests::NOTICED).and(Interests::STEP_BEGAN);
        inputs.and(Interests::COMMANDED).and(Interests::UNANNOUNCED).and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::StepBegan => (self.about, self.is_muddled) = (About::Anything, false),
            Occurrence::Called { request, .. } => self.about = About::call(history, request),
            Occurrence::Answered { command_id, answer, .. } => self.about = self.hear(history, *command_id, answer.is_closing()),
            Occurrence::Noticed { notice, lock, .. } => {
                self.about = lock.map_or(About::Account(notice.account), |lock| About::Locks(vec![lock]));
            }
            Occurrence::Commanded { command, lock: None } => drop(self.inventories.insert(command.command_id, command.account)),
            Occurrence::Unannounced { .. } => self.is_muddled = true,
            Occurrence::StepEnded => self.end_step(history, now, found),
            _ => {}
        }
    }
}

/// `I-IDENT-01`. A slot is learnt anew by any inventory of the incarnation. What was told and not saved is unknown again after a crash, until it is told again or
/// used. Where a vendor tells no serial nobody can know that what is listed anew is the lock that was there (`R-57`), so that the old vendor id may still be
/// asked for. That nothing meant for an old incarnation runs on a new one is the world's part.
#[derive(Default)]
struct Identity {
    locks: BTreeMap<Lock, Knowledge>,
    /// Locks of which something was told since the last save.
    unsaved: BTreeSet<Lock>,
    /// The lock of each vendor id.
    names: BTreeMap<(AccountId, VendorDevice), Lock>,
    /// Commands that ask for devices, and their accounts.
    inventories: BTreeMap<CommandId, AccountId>,
    /// The newest incarnation in which each handle was learnt.
    handles: BTreeMap<(Lock, Handle), Epoch>,
}

/// What the controller knows of the incarnations of a lock.
#[derive(Clone, Copy, Default)]
struct Knowledge {
    /// The newest it was told of and has not forgotten.
    told: Epoch,
    /// The newest that a save holds, or that it has used.
    kept: Epoch,
    /// Whether it was ever told of another.
    has_risen: bool,
    /// Whether the vendor told no serial.
    is_nameless: bool,
    /// The vendor id of the present incarnation.
    device: VendorDevice,
}

impl Identity {
    fn tell(&mut self, account: AccountId, device: VendorDevice, epoch: Epoch, is_nameless: bool) {
        let Some(lock) = self.names.get(&(account, device)).copied() else { return };
        let Some(known) = self.locks.get_mut(&lock) else { return };
        known.is_nameless |= is_nameless;
        if epoch > known.told {
            self.unsaved.insert(lock);
            known.has_risen |= known.told > Epoch::default();
            known.told = epoch;
        }
    }

    fn end_unsaved(&mut self, end: impl Fn(&mut Knowledge)) {
        for lock in std::mem::take(&mut self.unsaved) {
            self.locks.get_mut(&lock).into_iter().for_each(&end);
        }
    }

    /// Notes the handles that an answer tells, by the incarnation that was asked.
    fn learn(&mut self, history: &History, command_id: CommandId, answer: &Answer) {
        let Some(Input::Answer(_, Some(lock))) = history.step().input else { return };
        let told = self.locks.get(&lock).map_or(Epoch::default(), |known| known.told);
        let asked = history.sent(command_id).map_or(told, |sent| sent.command.epoch);
        let mut note = |handle: Handle| {
            let learnt = self.handles.entry((lock, handle)).or_insert(asked);
            *learnt = asked.max(*learnt);
        };
        let mut note_item = |item: &Item| match item.place {
            Place::Handle(handle) => note(handle),
            Place::Slot(_) => {}
        };
        match answer {
            Answer::Entries { items, .. } => items.iter().for_each(note_item),
            Answer::Entry(item) => note_item(item),
            Answer::Done { handle: Some(handle) } => note(*handle),
            _ => {}
        }
    }

    fn hear(&mut self, command_id: CommandId, answer: &Answer) {
        let Some(account) = self.inventories.get(&command_id).copied() else { return };
        let items = match answer {
            Answer::Devices { items, .. } => &items[..],
            Answer::Device(info) => std::slice::from_ref(info),
            _ => &[],
        };
        for info in items {
            self.tell(account, info.device, info.epoch, info.serial.is_none());
        }
        if answer.is_closing() {
            self.inventories.remove(&command_id);
        }
    }

    fn fault(&self, history: &History, command: &Command, lock: Lock) -> Option<String> {
        let known = self.locks.get(&lock).filter(|known| known.has_risen)?;
        if known.is_nameless && command.device != Some(known.device) {
            return None;
        }
        let (kind, told) = (command.op.kind(), known.told);
        if command.epoch < told {
            return Some(format!("{kind:?} is sent to incarnation {} and {} is known", command.epoch.0, told.0));
        }
        let place = target(&command.op)?;
        let picture = &history.lock(lock).picture;
        let is_void = match place {
            Place::Handle(handle) => self.handles.get(&(lock, handle)).is_some_and(|learnt| *learnt < told),
            Place::Slot(_) => {
                let is_learnt = picture.is_inventoried || picture.places.contains_key(&place);
                command.op.is_mutating() && picture.epoch == Some(told) && !is_learnt
            }
        };
        is_void.then(|| format!("{kind:?} is sent to {place}, which was learnt of an older incarnation"))
    }

    fn send(&mut self, history: &History, command: &Command, found: &mut Found) {
        if matches!(command.op, Op::ListDevices { .. } | Op::GetDevice) {
            self.inventories.insert(command.command_id, command.account);
        }
        let Some(lock) = command.device.and_then(|device| self.names.get(&(command.account, device)).copied()) else { return };
        let what = self.fault(history, command, lock).or_else(|| strays(history, command, lock));
        let Some(known) = self.locks.get_mut(&lock) else { return };
        (known.told, known.kept) = (known.told.max(command.epoch), known.kept.max(command.epoch));
        if known.has_risen {
            found.armed("I-IDENT-01");
        }
        let Some(what) = what else { return };
        match command.for_code.and_then(|code| history.find_code(code)) {
            Some(code) => found.broken_by("I-IDENT-01", history, code, what),
            None => found.broken("I-IDENT-01", format!("{}: {what}", history.lock_name(lock)), history.lock_role(lock)),
        }
    }

    fn see_truth(&mut self, history: &History, lock: Lock, change: &Change, cause: Cause, found: &mut Found) {
        match (change, cause) {
            (Change::Joined { device, .. }, _) => {
                self.names.insert((history.lock(lock).facts.account, *device), lock);
                self.locks.entry(lock).or_default().device = *device;
            }
            (Change::Stored { .. } | Change::Erased { .. }, Cause::Command(id)) => {
                let Some(sent) = history.sent(id).filter(|sent| sent.command.epoch < history.lock(lock).epoch) else { return };
                let what = format!("{}: {:?} for an older incarnation was run", history.lock_name(lock), sent.command.op.kind());
                found.broken("I-IDENT-01", what, history.lock_role(lock));
            }
            _ => {}
        }
    }
}

/// Whether a write for a code goes to another lock than that of its record: a lock in another account is another one (`R-57`).
fn strays(history: &History, command: &Command, lock: Lock) -> Option<String> {
    let own = history.code(command.for_code.and_then(|id| history.find_code(id))?).lock?;
    let strays = command.op.is_mutating() && !history.is_same_lock(own, lock);
    strays
        .then(|| format!("{:?} is sent to {}, and its record is on {}", command.op.kind(), history.lock_name(lock), history.lock_name(own)))
}

impl Invariant for Identity {
    fn ids(&self) -> &'static [&'static str] {
        &["I-IDENT-01"]
    }

    fn interests(&self) -> Interests {
        let told = Interests::ANSWERED.and(Interests::NOTICED).and(Interests::TRUTH);
        told.and(Interests::COMMANDED).and(Interests::SAVED).and(Interests::CRASHED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Answered { command_id, answer, .. } => {
                self.learn(history, *command_id, answer);
                self.hear(*command_id, answer);
            }
            Occurrence::Noticed { notice, .. } => {
                let is_nameless = matches!(notice.news, News::DeviceAdded { serial: None });
                let names_serial = matches!(notice.news, News::DeviceAdded { serial: Some(_) });
                if let Some(device) = notice.device.filter(|device| names_serial || history.has_met(notice.account, *device)) {
                    self.tell(notice.account, device, notice.epoch, is_nameless);
                }
            }
            Occurrence::Commanded { command, .. } => self.send(history, command, found),
            Occurrence::Saved => self.end_unsaved(|known| known.kept = known.told),
            Occurrence::Crashed => {
                // What it asked dies with it: an answer that comes now tells the next one nothing (`P-01`).
                self.inventories.clear();
                self.end_unsaved(|known| known.told = known.kept);
            }
            Occurrence::Truth { lock, change, cause } => self.see_truth(history, *lock, change, *cause, found),
            _ => {}
        }
    }
}

/// `I-BYTES-01`. While a code is being removed any PIN may be written over it. A step that is repeated under its own key keeps its PIN, whatever was asked
/// since (`P-04`).
#[derive(Default)]
struct Bytes {
    sent: BTreeMap<Key, Pin>,
}

impl Bytes {
    fn requested(request: &Request) -> Option<&RequestedCode> {
        match request {
            Request::Create(create) => create.code.as_ref(),
            Request::CreateMultiple(create) => create.code.as_ref(),
            Request::Update(update) => update.code.as_ref(),
            Request::UpdateMultiple(_) | Request::Delete(_) | Request::Get(_) => None,
            Request::List(_) | Request::PullBackupAccessCode(_) | Request::GenerateCode(_) | Request::Unmanaged(_) | Request::Device(_) => {
                None
            }
        }
    }

    /// Whether a lock that cannot share the PIN may get one of its own: it stands outside the group then (`R-48`).
    fn may_differ(request: &Request, record: &Record) -> bool {
        let Request::CreateMultiple(create) = request else { return false };
        let random = Some(BehaviorWhenCodeCannotBeShared::CreateRandomCode);
        create.behavior_when_code_cannot_be_shared == random && record.common_code_key.is_none()
    }

    /// The record must show what the call said, digit for digit.
    fn check_call(history: &History, found: &mut Found) {
        let Some(Input::Call(call_id)) = history.step().input else { return };
        let Some(call) = history.call(call_id) else { return };
        let Some(asked) = Self::requested(&call.request) else { return };
        let Some((_, Ok(response))) = history.step().replies.iter().find(|(id, _)| *id == call_id) else { return };
        let ids: Vec<CodeId> = match (response, &call.request) {
            (_, Request::Update(update)) => vec![update.access_code_id],
            (Response::AccessCode(id), _) => vec![*id],
            (Response::AccessCodes(ids), _) => ids.clone(),
            (Response::GeneratedCode(_) | Response::Done, _) => Vec::new(),
        };
        for code in ids.iter().filter_map(|id| history.find_code(*id)) {
            found.armed("I-BYTES-01");
            let Some(record) = &history.code(code).record else { continue };
            match asked {
                RequestedCode::Text(text) if record.code.is_some_and(|shown| shown.to_string() == *text) => {}
                RequestedCode::Text(_) if Self::may_differ(&call.request, record) => {}
                RequestedCode::Text(text) => {
                    found.broken_by("I-BYTES-01", history, code, format!("{text} was asked, and its record shows {:?}", record.code));
                }
                RequestedCode::Number(number) => {
                    found.broken_by("I-BYTES-01", history, code, format!("the number {number} was taken for a PIN"));
                }
            }
        }
    }

    fn is_own(history: &History, code: CodeIx, pin: Pin) -> bool {
        let state = history.code(code);
        let records = [history.previous(code), state.record.as_deref()];
        let is_removing = records.iter().flatten().any(|record| record.status == Status::Removing);
        let is_shown = records.iter().flatten().any(|record| record.code == Some(pin));
        let is_asked = state.intents.iter().any(|intent| matches!(intent.goal, Goal::Present { pin: asked, .. } if asked == Some(pin)));
        let is_unheard_of = state.intents.is_empty() && state.record.is_none();
        is_removing || is_shown || is_asked || is_unheard_of || matches!(history.goal(code), Some(Intent { goal: Goal::Absent, .. }))
    }
}

impl Invariant for Bytes {
    fn ids(&self) -> &'static [&'static str] {
        &["I-BYTES-01"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED.and(Interests::TRUTH)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::StepEnded => {
                Self::check_call(history, found);
                for (command, _, code) in mutating(history) {
                    let Some(pin) = written(&command.op) else { continue };
                    found.armed("I-BYTES-01");
                    let is_repeated = self.sent.insert(command.key, pin) == Some(pin);
                    if !is_repeated && !Self::is_own(history, code, pin) {
                        found.broken_by("I-BYTES-01", history, code, format!("{pin} is sent, which nobody asked for"));
                    }
                }
            }
            Occurrence::Truth { lock, change: Change::Stored { entry, .. }, cause: Cause::Command(id) } => {
                let pin = history.sent(*id).and_then(|sent| written(&sent.command.op));
                if pin.is_some_and(|pin| pin != entry.pin) {
                    let what = format!("{}: {pin:?} was sent, and {} is stored", history.lock_name(*lock), entry.pin);
                    found.broken("I-BYTES-01", what, history.lock_role(*lock));
                }
            }
            _ => {}
        }
    }
}

/// The PIN that a command writes.
fn written(op: &Op) -> Option<Pin> {
    match op {
        Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. } => Some(*pin),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::event::EventType;
    use keyway_core::id::Slot;
    use keyway_core::port::Reason;
    use keyway_core::request::Update;
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, entry, pin};
    use crate::occurrence::{Origin, TrueEntry};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    fn set_slot(slot: u16, digits: &str) -> Op {
        Op::SetSlot { slot: Slot(slot), pin: pin(digits), name: "code".into() }
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

    #[test]
    fn an_answered_call_survives_a_crash() {
        let mut story = story();
        story.code(SLOT, "1234", None, Status::Setting);
        story.must_hold();
        story.crash(MINUTE_MS, Vec::clear);
        story.must_break("I-DUR-01");
    }

    #[test]
    fn an_answered_update_survives_a_crash() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.update(id, Some("4321"), None, Status::Setting);
        story.crash(MINUTE_MS, |records| records[0].code = Some(pin("1234")));
        story.must_break("I-DUR-01");
    }

    #[test]
    fn no_call_shows_twice() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let copy = story.draft(SLOT, "1234", None);
        assert_ne!(id, copy.access_code_id);
        story.crash(MINUTE_MS, |records| records.push(copy));
        story.must_break("I-DUR-01");
    }

    #[test]
    fn trouble_stays_where_it_is() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let mut record = story.record(id).clone();
        record.status = Status::Setting;
        let shows = story.shows(record);
        story.notice(CLOUD, News::LockOffline, vec![Occurrence::Saved, shows]);
        story.must_break("I-ISO-01");
    }

    fn join(story: &mut Story) {
        story.truth(SLOT, Change::Joined { device: VendorDevice(7), epoch: Epoch(2) }, Cause::World);
        let notice = keyway_core::port::Notice {
            account: story.history().lock(SLOT).facts.account,
            device: Some(VendorDevice(7)),
            epoch: Epoch(2),
            device_time: None,
            serial: 1,
            news: News::DeviceAdded { serial: Some("serial".into()) },
        };
        let snapshot_at = story.now();
        story.step(Occurrence::Noticed { notice, snapshot_at, lock: Some(SLOT) }, Vec::new());
    }

    #[test]
    fn an_old_incarnation_is_not_meant() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        join(&mut story);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-IDENT-01");
    }

    #[test]
    fn old_slots_are_void() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        join(&mut story);
        let command = Command { epoch: Epoch(2), ..story.draft_command(SLOT, Some(id), set_slot(1, "1234")) };
        story.step(Occurrence::Woken, vec![Occurrence::Saved, Occurrence::Commanded { command, lock: Some(SLOT) }]);
        story.must_break("I-IDENT-01");
    }

    #[test]
    fn no_digit_is_lost() {
        let mut story = story();
        let id = story.code(SLOT, "0420", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(1, "420"));
        story.must_break("I-BYTES-01");
    }

    #[test]
    fn the_record_shows_what_was_asked() {
        let mut story = story();
        let id = story.code(SLOT, "0420", None, Status::Setting);
        let record = story.record(id).clone();
        let request = Request::Update(Update { access_code_id: id, code: Some(pin("0042").into()), ..Update::default() });
        let changed = keyway_core::access_code::Record { code: Some(pin("42")), ..record };
        story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], vec![changed]);
        story.must_break("I-BYTES-01");
    }

    #[test]
    fn a_patient_life_breaks_nothing() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.wait(HOUR_MS);
        story.update(id, Some("4321"), None, Status::Setting);
        let command = story.command(SLOT, Some(id), set_slot(1, "4321"));
        story.answer(command, Answer::TimedOut);
        story.crash(MINUTE_MS, |_| {});
        story.wait(30 * SECOND_MS);
        let command = story.command(SLOT, Some(id), set_slot(1, "4321"));
        story.store(SLOT, Some(id), command);
        story.answer(command, Answer::Done { handle: None });
        story.change(id, |record| record.status = Status::Set);
        story.wait(DAY_MS);
        story.delete(id);
        story.erase(id, ONE);
        story.drop_record(id);
        story.crash(MINUTE_MS, |_| {});
        story.must_hold();
    }
}
