//! How a controller behaves: it is quiet when nothing is wrong and patient when something is (`I-QUI-01`), keeps its word over a crash (`I-DUR-01`),
//! keeps trouble where it is (`I-ISO-01`), means the lock that is there (`I-IDENT-01`) and never changes a digit (`I-BYTES-01`).

use std::collections::BTreeMap;

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::id::{AccountId, CodeId, CommandId, Key};
use keyway_core::pin::Pin;
use keyway_core::port::{Command, Op};
use keyway_core::request::{BehaviorWhenCodeCannotBeShared, Request, RequestedCode, Response};
use keyway_core::time::Timestamp;

use super::identity::Identity;
use super::quiet::Quiet;
use super::{Found, Interests, Invariant, Row};
use crate::history::{CodeIx, Goal, History, Input, Intent, Why};
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
pub(super) fn mutating(history: &History) -> impl Iterator<Item = (&Command, Lock, CodeIx)> {
    let commands = history.step().commands.iter().filter(|(command, _)| command.op.is_mutating());
    commands.filter_map(|(command, _)| {
        let sent = history.sent(command.command_id)?;
        Some((command, sent.lock?, sent.code?))
    })
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

/// `I-ISO-01`, for all inputs but wakes, which may be due to any lock, and those that come when a wake is due. A change at an instant at which time alone has work to do on the code is a timer's; so may be
/// any in the first instant after a restart. What a call names, or the linked group it names, is its own.
#[derive(Default)]
struct Isolation {
    /// Commands that name no lock, and their accounts.
    inventories: BTreeMap<CommandId, AccountId>,
    about: About,
    /// Whether a change of an earlier step was found in this one, or timers of any lock may do their work in it.
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

    /// Whether a timer of this lock may be due now.
    fn is_timed(history: &History, lock: Lock, now: Timestamp) -> bool {
        history.lock(lock).codes.iter().any(|code| Self::is_code_timed(history, *code, now))
    }

    fn is_code_timed(history: &History, code: CodeIx, now: Timestamp) -> bool {
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
            if !self.about.reaches(history, other) && !is_linked && !Self::is_timed(history, other, now) {
                let what = format!("its record changes by an input about {}, with which it shares nothing", self.about.names(history));
                found.broken_by("I-ISO-01", history, *code, what);
            }
        }
        for other in history.changed_devices().iter().filter(|other| !self.about.locks().contains(other)) {
            found.armed("I-ISO-01");
            let errors = |device: Option<&DeviceRecord>| device.map(|device| (device.errors.clone(), device.account_errors.clone()));
            let is_troubled = errors(history.previous_device(*other)) != errors(history.lock(*other).device.as_deref());
            if is_troubled && !Self::is_timed(history, *other, now) && !self.about.reaches(history, *other) {
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
        inputs.and(Interests::WAKE_DUE).and(Interests::COMMANDED).and(Interests::UNANNOUNCED).and(Interests::STEP_ENDED)
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
            Occurrence::Unannounced { .. } | Occurrence::WakeDue => self.is_muddled = true,
            Occurrence::StepEnded => self.end_step(history, now, found),
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
    use keyway_core::id::Slot;
    use keyway_core::port::{Answer, News, Place};
    use keyway_core::request::Update;
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, pin, set_slot};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
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
