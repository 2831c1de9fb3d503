//! Codes that nobody manages: where they may be shown, when they must be, and what a conversion is (`I-UNM-01` to `I-UNM-03`, `I-LIV-09`).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::Record;
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, WorkspaceId};
use keyway_core::pin::Pin;
use keyway_core::port::{Name, Place};
use keyway_core::request::unmanaged::{GetUnmanaged, UnmanagedRequest};
use keyway_core::request::{Request, RequestedCode, Response};
use keyway_core::time::Timestamp;
use keyway_core::vendor::{Profile, ReadBack};

use super::alarms::{Alarms, touched};
use super::story::View;
use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, History, Input, LockState, Stored};
use crate::occurrence::{Lock, Occurrence, Origin};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-UNM-01"), Row::of("I-UNM-02"), Row::of("I-UNM-03"), Row::of("I-LIV-09")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        OfCode::boxed(&["I-UNM-01"], shown_where_allowed),
        Box::<ConvertedWhereAllowed>::default(),
        Box::<Listing>::default(),
        Box::new(Conversions),
        Box::<Decisions>::default(),
    ]
}

const fn hides_pin(profile: &Profile) -> bool {
    matches!(profile.read_back, ReadBack::Masked | ReadBack::Presence)
}

/// The records that a step of the controller took over from nobody.
pub(super) fn conversions(history: &History) -> impl Iterator<Item = (CodeIx, &Record, &Record)> {
    let changed = if history.is_transition() { history.changed_codes() } else { &[] };
    let both = changed.iter().filter_map(|code| Some((*code, history.previous(*code)?, history.code(*code).record.as_deref()?)));
    both.filter(|(_, before, after)| !before.is_managed && after.is_managed)
}

/// `I-UNM-01`, the records. One that the workspace managed before was not found by a read.
fn shown_where_allowed(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    let (Some(record), Some(profile)) = (state.record.as_deref().filter(|record| !record.is_managed), history.profile(code)) else {
        return;
    };
    found.armed("I-UNM-01");
    if profile.read_back == ReadBack::None && !state.is_residual {
        found.broken_by(
            "I-UNM-01",
            history,
            code,
            format!("is listed as unmanaged, and nothing can be read of a lock of {}", profile.vendor),
        );
    } else if hides_pin(profile) && record.code.is_some() {
        found.broken_by("I-UNM-01", history, code, format!("shows a PIN as unmanaged, which no read of a lock of {} does", profile.vendor));
    }
}

/// `I-UNM-01`, the conversions; they take over the leave for external changes that was asked for.
#[derive(Default)]
struct ConvertedWhereAllowed {
    /// What open conversions asked for.
    leaves: BTreeMap<CodeId, BTreeSet<bool>>,
}

impl ConvertedWhereAllowed {
    fn hear(&mut self, history: &History) {
        let Some(Input::Call(call_id)) = history.step().input else { return };
        let asked = match history.call(call_id).map(|call| &call.request) {
            Some(Request::Unmanaged(UnmanagedRequest::ConvertToManaged(convert))) => {
                (convert.access_code_id, convert.is_external_modification_allowed)
            }
            Some(Request::Unmanaged(UnmanagedRequest::Update(update))) => (update.access_code_id, update.is_external_modification_allowed),
            _ => return,
        };
        self.leaves.entry(asked.0).or_default().insert(asked.1 == Some(true));
    }
}

impl Invariant for ConvertedWhereAllowed {
    fn ids(&self) -> &'static [&'static str] {
        &["I-UNM-01"]
    }

    fn interests(&self) -> Interests {
        Interests::CALLED.and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        if matches!(occurrence, Occurrence::Called { .. }) {
            return self.hear(history);
        }
        for (code, before, after) in conversions(history) {
            let leaves = self.leaves.remove(&history.code(code).id);
            if leaves.is_some_and(|leaves| !leaves.contains(&after.is_external_modification_allowed)) {
                found.broken_by(
                    "I-UNM-01",
                    history,
                    code,
                    "is converted, with another leave for external changes than was asked for".to_owned(),
                );
            }
            let Some(profile) = history.profile(code) else { continue };
            if !profile.converts_unmanaged || before.code.is_none() {
                let why = if before.code.is_none() { "its PIN is hidden" } else { "its vendor allows none" };
                found.broken_by("I-UNM-01", history, code, format!("is converted, and {why}"));
            }
        }
    }
}

/// What tells entries apart: the PIN, or else the name.
type Look = (Option<Pin>, Option<Name>);

/// `I-UNM-02`. Entries are compared with records by what the vendor shows of them. Where reads show neither PINs nor names, one entry in another's
/// place is no readable one.
#[derive(Default)]
struct Listing {
    /// Since when each lock's records do not agree with its entries, and about what.
    apart: BTreeMap<Lock, BTreeMap<Look, Timestamp>>,
    alarms: Alarms,
}

impl Listing {
    fn look_of_entry(profile: &Profile, stored: &Stored) -> Look {
        if hides_pin(profile) { (None, Some(stored.entry.name.clone())) } else { (Some(stored.entry.pin), None) }
    }

    fn look_of_record(profile: &Profile, record: &Record) -> Look {
        if hides_pin(profile) { (None, record.name.as_deref().map(Into::into)) } else { (record.code, None) }
    }

    /// Whether an entry is nobody's here, as far as the controller can tell.
    fn is_strange(history: &History, stored: &Stored) -> bool {
        let is_of_nobody = match stored.code {
            Some(code) => history.code(code).record.as_deref().is_some_and(|record| !record.is_managed),
            None => stored.entry.origin != Origin::Reserved,
        };
        is_of_nobody && !stored.entry.hidden
    }

    /// What does not agree on a lock now.
    fn differences(history: &History, lock: &LockState) -> Vec<Look> {
        let profile = &lock.facts.profile;
        let mut counts: BTreeMap<Look, i64> = BTreeMap::new();
        let is_scanned = |place: &Place| lock.facts.scan_ends_at.is_none_or(|last| !matches!(place, Place::Slot(slot) if slot.0 > last));
        let strange = || lock.memory.iter().filter(|(_, stored)| lock.is_present && Self::is_strange(history, stored));
        for (_, stored) in strange().filter(|(place, _)| is_scanned(place)) {
            *counts.entry(Self::look_of_entry(profile, stored)).or_default() += 1;
        }
        let records = lock.codes.iter().filter_map(|code| history.code(*code).record.as_deref());
        for record in records.filter(|record| !record.is_managed) {
            *counts.entry(Self::look_of_record(profile, record)).or_default() -= 1;
        }
        // What no listing shows may have been told by a notice, or not.
        for (_, stored) in strange().filter(|(place, _)| !is_scanned(place)) {
            let count = counts.entry(Self::look_of_entry(profile, stored)).or_default();
            *count += i64::from(*count < 0);
        }
        counts.into_iter().filter(|(_, count)| *count != 0).map(|(look, _)| look).collect()
    }

    fn judge(&mut self, history: &History, lock: Lock, now: Timestamp, found: &mut Found) {
        let state = history.lock(lock);
        // Of a lock that tells no serial nobody can say which device it is to the controller.
        let profile = &state.facts.profile;
        let is_readable = profile.read_back != ReadBack::None && (profile.shows_names || !hides_pin(profile));
        if !is_readable || state.device.is_none() {
            return;
        }
        self.alarms.silence(lock);
        let known = self.apart.remove(&lock).unwrap_or_default();
        let apart: BTreeMap<Look, Timestamp> =
            Self::differences(history, state).into_iter().map(|look| (look.clone(), known.get(&look).copied().unwrap_or(now))).collect();
        if apart.len() < known.len() {
            found.armed("I-UNM-02");
        }
        let Some(quiet) = history.quiet_since(lock) else {
            self.apart.insert(lock, apart);
            return;
        };
        for ((pin, name), since) in &apart {
            let since = quiet.max(*since);
            let until = since + history.b_detect(lock, since);
            if self.alarms.is_over(lock, until, now) {
                let what = pin.map_or_else(|| name.as_deref().unwrap_or_default().to_owned(), |pin| pin.to_string());
                let what =
                    format!("{}: since {since} the unmanaged records do not agree with the entries: {what}", history.lock_name(lock));
                found.broken("I-UNM-02", what, history.lock_role(lock));
            }
        }
        self.apart.insert(lock, apart);
    }
}

impl Invariant for Listing {
    fn ids(&self) -> &'static [&'static str] {
        &["I-UNM-02"]
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

/// `I-UNM-03`. That nothing was written before is `I-STA-14`, that nothing is afterwards `I-QUI-01`.
struct Conversions;

impl Invariant for Conversions {
    fn ids(&self) -> &'static [&'static str] {
        &["I-UNM-03"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        for (code, before, after) in conversions(history) {
            found.armed("I-UNM-03");
            let writes = history.step().commands.iter().any(|(command, _)| {
                let is_its_own = command.for_code == Some(after.access_code_id);
                is_its_own && command.op.is_mutating() && after.ends_at.is_none_or(|ends_at| ends_at > now)
            });
            let what = if before.code != after.code {
                "another PIN"
            } else if before.window() != after.window() {
                "another window"
            } else if writes {
                "a write to the lock"
            } else {
                continue;
            };
            found.broken_by("I-UNM-03", history, code, format!("is converted, with {what}"));
        }
    }
}

/// `I-LIV-09`. One event decides all conversions of a code that are asked for by then. A call that a crash left unanswered may be in force or not.
#[derive(Default)]
struct Decisions {
    open: BTreeMap<CodeId, Asked>,
    /// Decided by events that are not saved yet; a crash opens them again.
    unsaved: Vec<(CodeId, Asked)>,
    deadline: Option<Timestamp>,
}

/// A conversion that was asked for.
#[derive(Clone, Copy)]
struct Asked {
    at: Timestamp,
    /// Its call was answered ok.
    is_certain: bool,
}

impl Decisions {
    /// Time does not run while the controller is down.
    fn deadline_of(history: &History, code: CodeId, asked: Asked) -> Option<Timestamp> {
        let lock = history.code(history.find_code(code)?).lock?;
        let since = history.started_at().map_or(asked.at, |started_at| asked.at.max(started_at));
        Some(since + history.policy().fail_set_after_ms + history.b_detect(lock, since))
    }

    /// The code whose conversion the call of this step asks for.
    fn asked_code(history: &History) -> Option<CodeId> {
        let Some(Input::Call(call_id)) = history.step().input else { return None };
        match &history.call(call_id)?.request {
            Request::Unmanaged(request) => request.converts(),
            _ => None,
        }
    }

    fn decide(&mut self, history: &History, event: &Event, found: &mut Found) {
        let code = event.access_code_id;
        if let Some(asked) = self.open.remove(&code) {
            found.armed("I-LIV-09");
            self.unsaved.push((code, asked));
            return;
        }
        let what = format!("{} is told, and no conversion was asked for", event.event_type);
        match history.find_code(code) {
            Some(code) => found.broken_by("I-LIV-09", history, code, what),
            None => found.broken("I-LIV-09", what, "a code without a record".to_owned()),
        }
    }
}

impl Invariant for Decisions {
    fn ids(&self) -> &'static [&'static str] {
        &["I-LIV-09"]
    }

    fn interests(&self) -> Interests {
        let calls = Interests::CALLED.and(Interests::REPLIED);
        calls.and(Interests::EMITTED).and(Interests::SAVED).and(Interests::CRASHED).and(Interests::STARTED).and(Interests::DEADLINE)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Called { .. } => {
                if let Some(code) = Self::asked_code(history) {
                    self.open.entry(code).or_insert(Asked { at: now, is_certain: false });
                }
            }
            Occurrence::Replied { result, .. } => {
                let Some(code) = Self::asked_code(history) else { return };
                match (self.open.get_mut(&code), result) {
                    (Some(asked), Ok(_)) => asked.is_certain = true,
                    (Some(asked), Err(_)) if !asked.is_certain => drop(self.open.remove(&code)),
                    (Some(_) | None, _) => {}
                }
                self.deadline = Some(now);
            }
            Occurrence::Emitted(event)
                if matches!(event.event_type, EventType::UnmanagedConvertedToManaged | EventType::UnmanagedFailedToConvertToManaged) =>
            {
                self.decide(history, event, found);
            }
            Occurrence::Saved => self.unsaved.clear(),
            Occurrence::Crashed => self.open.extend(self.unsaved.drain(..)),
            Occurrence::Started { .. } => self.deadline = Some(now),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    fn at_deadline(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        self.deadline = None;
        if !history.is_up() {
            return;
        }
        for (code, asked) in self.open.iter().filter(|(_, asked)| asked.is_certain) {
            let Some(until) = Self::deadline_of(history, *code, *asked) else { continue };
            if now > until
                && let Some(code) = history.find_code(*code)
            {
                found.broken_by("I-LIV-09", history, code, format!("a conversion asked for at {} is not decided", asked.at));
            } else {
                self.deadline = Some(self.deadline.map_or(until + 1, |deadline| deadline.min(until + 1)));
            }
        }
    }
}

/// What is wrong with the answer to a call below `/access_codes/unmanaged`, for `I-API-02`.
#[must_use]
pub fn wrong_answer(view: &View<'_>, workspace: WorkspaceId, request: &UnmanagedRequest, response: &Response) -> Option<String> {
    let own = |record: &&Record| !record.is_managed && record.workspace_id == workspace;
    let visible = |code: CodeId| [view.before(code).filter(own), view.live(code).filter(own)];
    match (request, response) {
        (UnmanagedRequest::List(list), Response::AccessCodes(codes)) => {
            let lists = |at: usize| {
                let records = view.history.codes().filter_map(|(_, code)| visible(code.id)[at]);
                let on_device = records.filter(|record| record.device_id == list.device_id);
                let mut all: Vec<(Timestamp, CodeId)> = on_device.map(|record| (record.created_at, record.access_code_id)).collect();
                all.sort_unstable();
                all.into_iter().map(|(_, code)| code).collect::<Vec<_>>()
            };
            (lists(0) != *codes && lists(1) != *codes).then(|| format!("gave {} codes, which are not the unmanaged ones", codes.len()))
        }
        (UnmanagedRequest::Get(get), Response::AccessCode(code)) => {
            let is_meant = |record: &Record| is_asked(get, record);
            let is_right = visible(*code).into_iter().flatten().any(is_meant);
            (!is_right).then(|| format!("gave {code}, which is not the unmanaged code asked for"))
        }
        (UnmanagedRequest::ConvertToManaged(_) | UnmanagedRequest::Update(_), Response::AccessCode(_) | Response::Done) => {
            let is_there = request.converts().is_some_and(|code| visible(code)[0].is_some());
            (!is_there).then(|| "took a code that is not an unmanaged one".to_owned())
        }
        (UnmanagedRequest::Delete(delete), Response::AccessCode(_) | Response::Done) => {
            visible(delete.access_code_id)[0].is_none().then(|| "took a code that is not an unmanaged one".to_owned())
        }
        (_, Response::AccessCode(_) | Response::AccessCodes(_) | Response::GeneratedCode(_) | Response::Done) => {
            Some("the answer has the wrong shape".to_owned())
        }
    }
}

fn is_asked(get: &GetUnmanaged, record: &Record) -> bool {
    let is_pin = |asked: &RequestedCode| match asked {
        RequestedCode::Text(text) => record.code.is_some_and(|pin| pin.to_string() == *text),
        RequestedCode::Number(_) => false,
    };
    get.access_code_id.is_none_or(|id| id == record.access_code_id)
        && get.device_id.is_none_or(|device| device == record.device_id)
        && get.code.as_ref().is_none_or(is_pin)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::access_code::Status;
    use keyway_core::id::{Handle, Slot};
    use keyway_core::port::{Op, Place};
    use keyway_core::request::unmanaged::ConvertToManaged;
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, pin};

    fn story() -> Story {
        let mut story = Story::judged_by(checkers());
        for lock in [CLOUD, SLOT] {
            story.device_shows(lock, |_| {});
        }
        story
    }

    /// A stranger's entry on the cloud lock, and its record.
    fn stranger(story: &mut Story) -> CodeId {
        let place = Place::Handle(Handle(77));
        story.person_stores(CLOUD, place, "4711");
        let mut record = story.draft(CLOUD, "4711", None);
        (record.is_managed, record.status) = (false, Status::Set);
        let id = record.access_code_id;
        let found = [story.emits(&record, EventType::UnmanagedCreated), Occurrence::Saved, story.shows(record)];
        story.step(Occurrence::Woken, found.into());
        id
    }

    fn ask(story: &mut Story, code: CodeId) {
        let convert = ConvertToManaged { access_code_id: code, ..ConvertToManaged::default() };
        let request = Request::Unmanaged(UnmanagedRequest::ConvertToManaged(convert));
        story.call(request, Response::AccessCode(code), vec![Occurrence::Saved], Vec::new());
    }

    fn convert(story: &mut Story, code: CodeId, change: impl FnOnce(&mut Record)) {
        let mut record = story.record(code).clone();
        record.is_managed = true;
        change(&mut record);
        let told = story.emits(&record, EventType::UnmanagedConvertedToManaged);
        let claimed = Occurrence::Claimed { lock: CLOUD, place: Place::Handle(Handle(77)), code };
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![told, Occurrence::Saved, claimed, shows]);
    }

    #[test]
    fn a_stranger_is_found_converted_and_kept() {
        let mut story = Story::judged_by_all();
        let code = stranger(&mut story);
        story.wait(HOUR_MS);
        ask(&mut story, code);
        story.wait(MINUTE_MS);
        convert(&mut story, code, |_| {});
        story.must_hold();
    }

    #[test]
    fn a_pin_that_no_read_shows_is_no_unmanaged_codes() {
        let mut story = Story::with(checkers(), |facts| Arc::make_mut(&mut facts.locks[1].profile).read_back = ReadBack::Presence);
        let mut record = story.draft(SLOT, "4711", None);
        (record.is_managed, record.status) = (false, Status::Set);
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![shows]);
        story.must_break("I-UNM-01");
    }

    #[test]
    fn a_vendor_that_allows_no_conversion_has_none() {
        let mut story = Story::with(checkers(), |facts| Arc::make_mut(&mut facts.locks[0].profile).converts_unmanaged = false);
        let code = stranger(&mut story);
        ask(&mut story, code);
        convert(&mut story, code, |_| {});
        story.must_break("I-UNM-01");
    }

    #[test]
    fn a_conversion_takes_over_the_leave_that_was_asked_for() {
        let mut story = story();
        let code = stranger(&mut story);
        ask(&mut story, code);
        convert(&mut story, code, |record| record.is_external_modification_allowed = true);
        story.must_break("I-UNM-01");
    }

    #[test]
    fn an_entry_without_a_record_is_listed_in_time() {
        let mut story = story();
        story.person_stores(SLOT, Place::Slot(Slot(7)), "4711");
        story.wait(DAY_MS);
        story.must_break("I-UNM-02");
    }

    #[test]
    fn a_record_without_an_entry_leaves_in_time() {
        let mut story = story();
        stranger(&mut story);
        story.world_erases(CLOUD, Place::Handle(Handle(77)));
        story.wait(DAY_MS);
        story.must_break("I-UNM-02");
    }

    #[test]
    fn a_conversion_keeps_the_pin() {
        let mut story = story();
        let code = stranger(&mut story);
        ask(&mut story, code);
        convert(&mut story, code, |record| record.code = Some(pin("4712")));
        story.must_break("I-UNM-03");
    }

    #[test]
    fn a_conversion_writes_nothing() {
        let mut story = story();
        let code = stranger(&mut story);
        ask(&mut story, code);
        let mut record = story.record(code).clone();
        record.is_managed = true;
        let op = Op::ReplaceEntry { handle: Handle(77), pin: pin("4711"), name: "mine".into(), window: None };
        let command = story.draft_command(CLOUD, Some(code), op);
        let told = story.emits(&record, EventType::UnmanagedConvertedToManaged);
        let shows = story.shows(record);
        let sends = Occurrence::Commanded { command, lock: Some(CLOUD) };
        story.step(Occurrence::Woken, vec![told, Occurrence::Saved, sends, shows]);
        story.must_break("I-UNM-03");
    }

    #[test]
    fn a_conversion_is_decided_in_time() {
        let mut story = story();
        let code = stranger(&mut story);
        ask(&mut story, code);
        story.wait(DAY_MS);
        story.must_break("I-LIV-09");
    }

    #[test]
    fn a_conversion_is_decided_once() {
        let mut story = story();
        let code = stranger(&mut story);
        ask(&mut story, code);
        let record = story.record(code).clone();
        for _ in 0..2 {
            let fails = story.emits(&record, EventType::UnmanagedFailedToConvertToManaged);
            story.step(Occurrence::Woken, vec![fails, Occurrence::Saved]);
        }
        story.must_break("I-LIV-09");
    }
}
