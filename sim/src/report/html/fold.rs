//! Folds what a run recorded into what its page is drawn from.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::Record;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, AnswerClass, Notice, Place};
use keyway_core::request::{Request, RequestedCode, Response};
use keyway_core::rule::quirk;
use keyway_core::time::{HOUR_MS, Timestamp, Window};

use super::data::{
    Band, BandSort, Broken, CodeLane, DeviceShown, Entered, Entry, Fate, Line, LockLane, Message, MessageSort, Moment, Page, Shown, Span,
    Tick, Wish,
};
use super::rules;
use crate::occurrence::{Cause, Change, Facts, Lock, Occurrence, Origin, PROLOGUE_CALLS, Phase, TrueEntry};
use crate::plan::{Fault, Plan};
use crate::report::telling::{Side, Telling, Weight, problems, shown_device};
use crate::report::words;
use crate::verdict::Finding;
use crate::view::{LockView, View};
use crate::words::event_name;

/// A run that was recorded whole.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What never changed.
    pub facts: &'a Facts,
    /// What happened.
    pub log: &'a [(Timestamp, Occurrence)],
    /// What was broken, if anything.
    pub finding: Option<&'a Finding>,
}

/// What the page of a run is drawn from, but for its head.
pub fn page_of(run: Recorded<'_>) -> Page {
    let mut fold = Fold::new(run);
    for (at, occurrence) in run.log {
        fold.take(*at, occurrence);
    }
    fold.end()
}

/// Whether an entry of a lock's memory is on the picture, and since when it opened.
struct OpenEntry {
    at: usize,
    told_until: Timestamp,
}

struct Fold<'a> {
    run: Recorded<'a>,
    page: Page,
    view: View,
    telling: Telling<'a>,
    codes: BTreeMap<CodeId, usize>,
    pins: BTreeMap<String, usize>,
    places: Vec<BTreeMap<Place, usize>>,
    entries: BTreeMap<(Lock, Place), OpenEntry>,
    shown: BTreeMap<CodeId, usize>,
    devices: BTreeMap<DeviceId, usize>,
    wishes: BTreeMap<CodeId, usize>,
    calls: BTreeMap<CallId, Request>,
    messages: BTreeMap<CommandId, usize>,
    /// The notices of late, with the instants of their facts.
    notices: Vec<(&'a Notice, Timestamp, usize)>,
    /// The bands that go on, by what they are.
    bands: BTreeMap<(&'static str, Option<usize>), usize>,
    now: Timestamp,
}

impl<'a> Fold<'a> {
    fn new(run: Recorded<'a>) -> Self {
        let Recorded { plan, facts, log, .. } = run;
        let lock = |lock: &crate::occurrence::LockFacts| LockLane {
            name: lock.name.clone(),
            vendor: lock.profile.vendor.name(),
            places: Vec::new(),
        };
        let page = Page { locks: facts.locks.iter().map(lock).collect(), ..Page::default() };
        let mut fold = Self {
            run,
            page,
            view: View::naming(facts, log),
            telling: Telling::of(plan),
            codes: BTreeMap::new(),
            pins: BTreeMap::new(),
            places: places(facts, log),
            entries: BTreeMap::new(),
            shown: BTreeMap::new(),
            devices: BTreeMap::new(),
            wishes: BTreeMap::new(),
            calls: BTreeMap::new(),
            messages: BTreeMap::new(),
            notices: Vec::new(),
            bands: BTreeMap::new(),
            now: facts.begins_at,
        };
        for (lane, places) in fold.page.locks.iter_mut().zip(&fold.places) {
            lane.places = places.keys().map(Place::to_string).collect();
        }
        fold
    }

    /// Milliseconds after the start.
    fn ms(&self, at: Timestamp) -> i64 {
        at - self.run.plan.start.0
    }

    fn open(&self) -> Span {
        Span { from: self.ms(self.now), to: None }
    }

    fn window(&self, window: Window) -> (i64, i64) {
        (self.ms(window.starts_at), self.ms(window.ends_at))
    }

    fn pin(&mut self, pin: &str) -> usize {
        let next = self.pins.len();
        *self.pins.entry(pin.to_owned()).or_insert(next)
    }

    fn code(&mut self, code: CodeId) -> usize {
        if let Some(at) = self.codes.get(&code) {
            return *at;
        }
        self.page.codes.push(CodeLane { label: String::new(), lock: None });
        self.codes.insert(code, self.page.codes.len() - 1);
        self.page.codes.len() - 1
    }

    fn lock_of(&self, device: DeviceId) -> Option<usize> {
        self.run.facts.locks.iter().position(|lock| lock.device == device)
    }

    fn take(&mut self, at: Timestamp, occurrence: &'a Occurrence) {
        self.now = at;
        self.say(occurrence);
        match occurrence {
            Occurrence::Called { call_id, request, .. } => {
                self.calls.insert(*call_id, request.clone());
            }
            Occurrence::Replied { call_id, result } => {
                if let (Some(request), Ok(response)) = (self.calls.remove(call_id), result) {
                    self.asked(*call_id, &request, response);
                }
            }
            Occurrence::Commanded { command, lock } => {
                let code = command.for_code.map(|code| self.code(code));
                let write = words::command(&self.view, &command.op, command.for_code);
                let sort = if write.is_some() { MessageSort::Write } else { MessageSort::Read };
                let what = write.unwrap_or_else(|| words::kind(command.op.kind()));
                self.messages.insert(command.command_id, self.page.messages.len());
                self.message(Message { code, what, ..self.new_message(sort, lock.map(index), at) });
            }
            Occurrence::Answered { command_id, answer, .. } => self.answered(*command_id, answer),
            Occurrence::Noticed { notice, snapshot_at, lock } => {
                let what = words::news(&notice.news);
                let heard = self.ms(at);
                let earlier = self.notices.iter().find(|(other, since, _)| (*other, *since) == (notice, *snapshot_at));
                if let Some((_, _, at)) = earlier {
                    self.page.messages[*at].heard.push(heard);
                } else {
                    // Copies come within minutes.
                    self.notices.retain(|(_, since, _)| at - *since < HOUR_MS);
                    self.notices.push((notice, *snapshot_at, self.page.messages.len()));
                    let message = self.new_message(MessageSort::Notice, lock.map(index), *snapshot_at);
                    self.message(Message { what, heard: vec![heard], ..message });
                }
            }
            Occurrence::Truth { lock, change, cause } => self.changed(*lock, change, *cause),
            Occurrence::Reach { lock, up } => self.band("not programmable", Some(*lock), BandSort::Unreachable, !up),
            Occurrence::Crashed => self.band("controller down", None, BandSort::Down, true),
            Occurrence::Started { .. } => self.band("controller down", None, BandSort::Down, false),
            Occurrence::Phase(phase) => self.band("faults healed", None, BandSort::Heal, *phase == Phase::Heal),
            Occurrence::Entered { lock, pin, opened } => {
                let pin = self.pin(&pin.to_string());
                self.page.entered.push(Entered { at: self.ms(at), lock: index(*lock), pin, opened: *opened });
            }
            Occurrence::Recorded { code, after } => self.recorded(*code, after.as_deref()),
            Occurrence::DeviceRecorded { device, after } => {
                let problems = after.as_deref().map(shown_device).unwrap_or_default();
                self.device_recorded(*device, problems);
            }
            Occurrence::StepBegan
            | Occurrence::WakeDue
            | Occurrence::CallLost { .. }
            | Occurrence::Woken
            | Occurrence::Unsent { .. }
            | Occurrence::Bound { .. }
            | Occurrence::NoTarget { .. }
            | Occurrence::Emitted(_)
            | Occurrence::Saved
            | Occurrence::Claimed { .. }
            | Occurrence::Unannounced { .. }
            | Occurrence::StepEnded
            | Occurrence::Disturbed { .. }
            | Occurrence::Faults { .. }
            | Occurrence::Slowed { .. } => {}
        }
        for event in self.view.observe(occurrence) {
            let code = self.code(event.access_code_id);
            let tick = Tick { at: self.ms(at), name: event_name(event.event_type), code, rule: rules::of_event(event.event_type) };
            self.page.events.push(tick);
        }
    }

    fn say(&mut self, occurrence: &Occurrence) {
        let Some(said) = self.telling.tell(self.now, &self.view, occurrence) else { return };
        let rule = match occurrence {
            Occurrence::Recorded { code, after } => rules::of_change(self.view.records.get(code), after.as_deref()),
            Occurrence::Emitted(event) => rules::of_event(event.event_type),
            Occurrence::Truth { change: Change::Stored { .. }, .. } => "P-09",
            Occurrence::Crashed => "P-08",
            Occurrence::Answered { answer, .. } => rules::of_fate(fate_of(answer)),
            Occurrence::Noticed { .. } => "P-06",
            Occurrence::Replied { result: Err(_), .. } => "A-02",
            _ => "",
        };
        let line = Line { is_controller: said.side == Side::Controller, is_change: said.weight > Weight::Quiet, what: said.what, rule };
        let at = self.ms(self.now);
        match self.page.moments.last_mut() {
            Some(moment) if moment.at == at => moment.said.push(line),
            _ => self.page.moments.push(Moment { at, said: vec![line] }),
        }
    }

    fn new_message(&self, sort: MessageSort, lock: Option<usize>, sent: Timestamp) -> Message {
        Message {
            sort,
            lock,
            code: None,
            what: String::new(),
            sent: self.ms(sent),
            landed: None,
            heard: Vec::new(),
            answer: String::new(),
            fate: Fate::Fine,
            rule: "",
        }
    }

    fn message(&mut self, message: Message) {
        self.page.messages.push(message);
    }

    fn answered(&mut self, command: CommandId, answer: &Answer) {
        let heard = self.ms(self.now);
        let Some(message) = self.messages.get(&command).map(|at| &mut self.page.messages[*at]) else { return };
        // An acceptance is no answer yet.
        if answer.class() != AnswerClass::Interim {
            message.heard.push(heard);
        }
        if message.heard.len() < 2 {
            message.answer = words::answer(answer);
            message.fate = fate_of(answer);
        }
    }

    /// An accepted call changes what is wished for.
    fn asked(&mut self, call_id: CallId, request: &Request, response: &Response) {
        let why = match self.run.plan.steps.get(call_id.0 as usize).filter(|_| call_id.0 < PROLOGUE_CALLS) {
            Some(step) => words::action(&step.action),
            None => "created before the start".to_owned(),
        };
        match (request, response) {
            (Request::Create(create), Response::AccessCode(code)) => {
                self.wish(*code, create.code.as_ref(), create.starts_at, create.ends_at, why);
            }
            (Request::CreateMultiple(create), Response::AccessCodes(codes)) => {
                for code in codes {
                    self.wish(*code, create.code.as_ref(), create.starts_at, create.ends_at, why.clone());
                }
            }
            (Request::Update(update), Response::AccessCode(_) | Response::Done) => {
                let code = update.access_code_id;
                let old = self.wishes.get(&code).map(|at| self.page.wishes[*at].clone());
                let start = self.run.plan.start.0;
                let kept = |bound: Option<i64>| bound.map(|ms| start + ms);
                let is_ongoing = update.kind == Some(keyway_core::access_code::Type::Ongoing);
                let old_window = old.as_ref().filter(|_| !is_ongoing).map_or((None, None), |wish| wish.window);
                let (starts, ends) = (update.starts_at.or(kept(old_window.0)), update.ends_at.or(kept(old_window.1)));
                let old_pin = old.and_then(|wish| wish.pin);
                self.wish(code, update.code.as_ref(), starts, ends, why);
                if let (None, Some(at)) = (&update.code, self.wishes.get(&code)) {
                    self.page.wishes[*at].pin = old_pin;
                }
            }
            (Request::PullBackupAccessCode(pull), Response::AccessCode(backup)) => {
                let original = self.wishes.get(&pull.access_code_id).map(|at| self.page.wishes[*at].window);
                let ends = original.and_then(|window| window.1).map(|ms| self.run.plan.start.0 + ms);
                self.wish(*backup, None, Some(self.now), ends, why);
            }
            (Request::Delete(delete), _) => self.wish_ends(delete.access_code_id),
            _ => {}
        }
    }

    fn wish(&mut self, code: CodeId, pin: Option<&RequestedCode>, starts: Option<Timestamp>, ends: Option<Timestamp>, why: String) {
        self.wish_ends(code);
        let pin = match pin {
            Some(RequestedCode::Text(text)) => Some(self.pin(text)),
            Some(RequestedCode::Number(_)) | None => None,
        };
        let window = (starts.map(|at| self.ms(at)), ends.map(|at| self.ms(at)));
        let wish = Wish { span: self.open(), code: self.code(code), pin, window, why };
        self.wishes.insert(code, self.page.wishes.len());
        self.page.wishes.push(wish);
    }

    fn wish_ends(&mut self, code: CodeId) {
        let now = self.ms(self.now);
        if let Some(at) = self.wishes.remove(&code) {
            self.page.wishes[at].span.to = Some(now);
        }
    }

    fn changed(&mut self, lock: Lock, change: &Change, cause: Cause) {
        if let Cause::Command(command) = cause
            && let Some(at) = self.messages.get(&command)
        {
            let now = self.ms(self.now);
            self.page.messages[*at].landed.get_or_insert(now);
        }
        match change {
            Change::Stored { place, entry } => {
                self.erased(lock, *place);
                if entry.origin != Origin::Reserved {
                    self.stored(lock, *place, entry, cause);
                }
            }
            Change::Erased { place } => self.erased(lock, *place),
            Change::Clock { .. } => self.tell_opens(lock),
            Change::Works(works) => {
                self.tell_opens(lock);
                self.band("dead", Some(lock), BandSort::Dead, !works);
            }
            Change::Joined { .. } | Change::Left | Change::Lengths(_) | Change::Seats { .. } => {}
            Change::Computed { .. } | Change::Used { .. } | Change::SetBack => {}
        }
    }

    fn stored(&mut self, lock: Lock, place: Place, entry: &TrueEntry, cause: Cause) {
        let code = match entry.origin {
            Origin::Code(code) => Some(self.code(code)),
            Origin::Unclaimed | Origin::External | Origin::Other | Origin::Reserved => None,
        };
        let cause = match cause {
            Cause::Command(command) => {
                self.messages.get(&command).map_or_else(|| "a command".to_owned(), |at| self.page.messages[*at].what.clone())
            }
            Cause::World => "somebody else, or a fault".to_owned(),
            Cause::Beginning => "there at the start".to_owned(),
        };
        let drawn = Entry {
            span: self.open(),
            lock: index(lock),
            place: self.places[index(lock)].get(&place).copied().unwrap_or(0),
            pin: self.pin(&entry.pin.to_string()),
            code,
            name: entry.name.to_string(),
            window: entry.window.map(|window| self.window(window)),
            is_enabled: entry.enabled,
            is_hidden: entry.hidden,
            opens: Vec::new(),
            cause,
            rule: if matches!(entry.origin, Origin::External | Origin::Other) { "T33" } else { "P-09" },
        };
        self.entries.insert((lock, place), OpenEntry { at: self.page.entries.len(), told_until: self.now });
        self.page.entries.push(drawn);
    }

    fn erased(&mut self, lock: Lock, place: Place) {
        self.tell_opens(lock);
        let now = self.ms(self.now);
        if let Some(open) = self.entries.remove(&(lock, place)) {
            self.page.entries[open.at].span.to = Some(now);
        }
    }

    /// Writes down when the entries of a lock opened since this was last written; the view must not have seen the change yet.
    fn tell_opens(&mut self, lock: Lock) {
        let start = self.run.plan.start.0;
        let view = self.view.lock(lock);
        for ((of, place), open) in self.entries.iter_mut().filter(|((of, _), _)| *of == lock) {
            debug_assert_eq!(*of, lock);
            let spans = view.memory.get(place).and_then(|entry| opened(view, entry, open.told_until, self.now));
            if let Some((from, to)) = spans {
                add_span(&mut self.page.entries[open.at].opens, (from - start, to - start));
            }
            open.told_until = self.now;
        }
    }

    fn recorded(&mut self, code: CodeId, after: Option<&Record>) {
        let now = self.ms(self.now);
        let rule = rules::of_change(self.view.records.get(&code), after);
        let at = self.code(code);
        let Some(record) = after else {
            if let Some(open) = self.shown.remove(&code) {
                self.page.shown[open].span.to = Some(now);
            }
            return;
        };
        self.page.codes[at].lock = self.lock_of(record.device_id);
        let shown = Shown {
            span: self.open(),
            code: at,
            status: record.status.name(),
            is_scheduled: record.is_scheduled_on_device,
            is_managed: record.is_managed,
            pin: record.code.as_ref().map(|pin: &Pin| self.pin(&pin.to_string())),
            window: record.window().map(|window| self.window(window)),
            problems: problems(record),
            rule,
        };
        if let Some(open) = self.shown.get(&code).map(|open| &mut self.page.shown[*open]) {
            if (Shown { span: open.span, rule: open.rule, ..shown.clone() }) == *open {
                return;
            }
            open.span.to = Some(now);
        }
        self.shown.insert(code, self.page.shown.len());
        self.page.shown.push(shown);
    }

    fn device_recorded(&mut self, device: DeviceId, problems: String) {
        let (now, Some(lock)) = (self.ms(self.now), self.lock_of(device)) else { return };
        if let Some(open) = self.devices.get(&device).map(|open| &mut self.page.devices[*open]) {
            if open.problems == problems {
                return;
            }
            open.span.to = Some(now);
            self.devices.remove(&device);
        }
        if !problems.is_empty() {
            self.devices.insert(device, self.page.devices.len());
            self.page.devices.push(DeviceShown { span: self.open(), lock, problems });
        }
    }

    /// Begins or ends a band.
    fn band(&mut self, name: &'static str, lock: Option<Lock>, sort: BandSort, is_on: bool) {
        let (now, lock) = (self.ms(self.now), lock.map(index));
        match (self.bands.get(&(name, lock)).copied(), is_on) {
            (None, true) => {
                self.bands.insert((name, lock), self.page.bands.len());
                let about = about(sort).to_owned();
                self.page.bands.push(Band { span: self.open(), lock, sort, name: name.to_owned(), about });
            }
            (Some(at), false) => {
                self.page.bands[at].span.to = Some(now);
                self.bands.remove(&(name, lock));
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    fn end(mut self) -> Page {
        for lock in 0..self.run.facts.locks.len() {
            self.tell_opens(Lock(lock as u32));
        }
        let Recorded { plan, facts, finding, .. } = self.run;
        let ended_ms = self.ms(self.now);
        for message in &mut self.page.messages {
            let lat_max_ms = message.lock.map(|lock| facts.locks[lock].profile.lat_max_ms);
            message.fate = settled(message, lat_max_ms);
            message.rule = rules::of_fate(message.fate);
        }
        for (code, at) in &self.codes {
            self.view.label(*code).clone_into(&mut self.page.codes[*at].label);
        }
        self.faults(plan, ended_ms);
        let mut page = self.page;
        page.title.clone_from(&plan.name);
        page.about.clone_from(&plan.about);
        page.start_unix_ms = plan.start.0.0;
        page.from_ms = facts.begins_at - plan.start.0;
        page.to_ms = ended_ms.max(page.from_ms + 1);
        let violations = finding.map_or(&[][..], |finding| &finding.violations);
        page.violated_at_ms = violations.first().map(|violation| violation.at - plan.start.0);
        page.to_ms = page.to_ms.max(page.violated_at_ms.unwrap_or(page.to_ms));
        let broken = |violation: &crate::verdict::Violation| Broken {
            id: violation.id.clone(),
            statement: rules::says(&violation.id),
            what: words::plainly(plan, &self.view, &violation.what),
        };
        page.broken = violations.iter().map(broken).collect();
        let mut pins = vec![String::new(); self.pins.len()];
        for (pin, at) in &self.pins {
            pins[*at].clone_from(pin);
        }
        page.pins = pins;
        let rules: BTreeSet<&'static str> = (page.entries.iter().map(|entry| entry.rule))
            .chain(page.shown.iter().map(|shown| shown.rule))
            .chain(page.messages.iter().map(|message| message.rule))
            .chain(page.events.iter().map(|event| event.rule))
            .chain(page.moments.iter().flat_map(|moment| &moment.said).map(|line| line.rule))
            .chain(["I-WIN-01", "I-WIN-05", "A-01", "R-10"])
            .filter(|rule| !rule.is_empty())
            .collect();
        page.rules = rules.into_iter().map(|rule| (rule, rules::says(rule))).collect();
        mask(&mut page, &self.pins);
        page
    }

    /// The plan's own faults, as far as the run went.
    fn faults(&mut self, plan: &Plan, ended_ms: i64) {
        for fault in &plan.faults {
            let from = plan.instant(fault.from) - plan.start.0;
            let to = fault.until.map_or(plan.horizon.0, |until| plan.instant(until) - plan.start.0);
            if from > ended_ms {
                continue;
            }
            let name = fault.quirk.name().to_owned();
            let about = quirk(&name).map_or_else(String::new, |quirk| quirk.statement.to_owned());
            for lock in struck(plan, fault) {
                let (name, about) = (name.clone(), about.clone());
                self.page.bands.push(Band { span: Span { from, to: Some(to.min(ended_ms)) }, lock, sort: BandSort::Fault, name, about });
            }
        }
    }
}

/// What a band that no fault of the plan explains by itself means.
const fn about(sort: BandSort) -> &'static str {
    match sort {
        BandSort::Fault => "",
        BandSort::Unreachable => "No way to the lock, or its cloud does not let through what is to be stored or erased.",
        BandSort::Dead => "The lock has no power, no keypad, or keeps everybody out.",
        BandSort::Down => "The controller died, and is started again from what it saved last.",
        BandSort::Heal => "All faults have stopped; what is left must come to rest.",
    }
}

fn index(lock: Lock) -> usize {
    lock.0 as usize
}

/// The locks that a fault strikes; none stands for all of them.
fn struck(plan: &Plan, fault: &Fault) -> Vec<Option<usize>> {
    let Some(on) = &fault.on else { return vec![None] };
    let is_struck =
        |device: &crate::plan::Device| device.name == *on || device.hub.as_ref() == Some(on) || device.account.as_ref() == Some(on);
    plan.devices.iter().enumerate().filter(|(_, device)| is_struck(device)).map(|(at, _)| Some(at)).collect()
}

/// The places of each lock that were ever used, in order.
fn places(facts: &Facts, log: &[(Timestamp, Occurrence)]) -> Vec<BTreeMap<Place, usize>> {
    let mut places: Vec<BTreeMap<Place, usize>> = vec![BTreeMap::new(); facts.locks.len()];
    for (_, occurrence) in log {
        if let Occurrence::Truth { lock, change: Change::Stored { place, entry }, .. } = occurrence
            && entry.origin != Origin::Reserved
        {
            places[index(*lock)].insert(*place, 0);
        }
    }
    for places in &mut places {
        (0..).zip(places.values_mut()).for_each(|(n, at)| *at = n);
    }
    places
}

/// When an entry opened the door between two instants at which nothing changed but the time.
fn opened(lock: &LockView, entry: &TrueEntry, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
    if !lock.works || !entry.enabled {
        return None;
    }
    let window = entry.kept_window().map(|window| (window.starts_at - lock.clock_off_ms, window.ends_at - lock.clock_off_ms));
    let (from, to) = window.map_or((from, to), |(starts, ends)| (from.max(starts), to.min(ends)));
    (from < to).then_some((from, to))
}

fn add_span(spans: &mut Vec<(i64, i64)>, next: (i64, i64)) {
    match spans.last_mut() {
        Some(last) if last.1 == next.0 => last.1 = next.1,
        _ => spans.push(next),
    }
}

/// How a command with this answer went, as far as the answer tells.
const fn fate_of(answer: &Answer) -> Fate {
    match (answer, answer.class()) {
        (Answer::TimedOut, _) => Fate::Lost,
        (_, AnswerClass::Ambiguous) => Fate::Unclear,
        (Answer::Accepted | Answer::Done { .. } | Answer::Entries { .. } | Answer::Entry(_) | Answer::Slot(_), _) => Fate::Fine,
        (Answer::Devices { .. } | Answer::Device(_) | Answer::Clock { .. }, _) => Fate::Fine,
        (_, AnswerClass::Interim | AnswerClass::Definitive) => Fate::Refused,
    }
}

/// How a message went, all told.
fn settled(message: &Message, lat_max_ms: Option<i64>) -> Fate {
    let Some(heard) = message.heard.first() else {
        return if message.sort == MessageSort::Notice { Fate::Lost } else { Fate::Open };
    };
    let is_slow = lat_max_ms.is_some_and(|lat_max_ms| heard - message.sent > lat_max_ms);
    let landed_after = message.landed.is_some_and(|landed| landed > *heard);
    match message.fate {
        Fate::Lost if landed_after => Fate::Late,
        Fate::Lost if message.landed.is_some() => Fate::AnswerLost,
        Fate::Lost => Fate::Lost,
        fate if message.heard.len() < 2 => {
            if is_slow || landed_after {
                Fate::Late
            } else {
                fate
            }
        }
        _ => Fate::Doubled,
    }
}

/// Puts references in the place of PINs, in all texts.
fn mask(page: &mut Page, pins: &BTreeMap<String, usize>) {
    let masked = |text: &mut String| *text = without_pins(text, pins);
    masked(&mut page.about);
    page.broken.iter_mut().for_each(|broken| masked(&mut broken.what));
    page.entries.iter_mut().for_each(|entry| masked(&mut entry.cause));
    page.wishes.iter_mut().for_each(|wish| masked(&mut wish.why));
    page.messages.iter_mut().for_each(|message| masked(&mut message.what));
    page.moments.iter_mut().flat_map(|moment| &mut moment.said).for_each(|line| masked(&mut line.what));
}

/// A text in which each word that is a PIN has become a reference to it.
fn without_pins(text: &str, pins: &BTreeMap<String, usize>) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_word = |letter: char| letter.is_alphanumeric();
        let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        match pins.get(word) {
            // A PIN of fewer digits would hide places and counts too.
            Some(at) if word.len() >= 3 => masked.extend(["⟦", &at.to_string(), "⟧"]),
            _ => masked.push_str(word),
        }
        let gap = after.find(is_word).unwrap_or(after.len());
        masked.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    masked
}
