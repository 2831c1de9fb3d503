//! A controller that dies after any single output of any step loses nothing: all invariants hold, and all ends as it would have without.
//!
//! What a story expects of doors and instants is left out, as a restart costs the time of a read; what it bounds holds, with one read more of
//! each device. A call is cut short only after its reply: before, it was never answered, so that what comes of it is open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use keyway_core::access_code::Record;
use keyway_core::id::{CodeId, CommandId, DeviceId};
use keyway_core::platform::Reference;
use keyway_core::port::{Answer, News, OpKind, Place};
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;
use keyway_core::vendor::{Family, Profile, ReadBack};
use keyway_sim::occurrence::{Cause, Change, Lock, LockFacts, Occurrence, Origin, Phase, TrueEntry};
use keyway_sim::plan::{Action, Counted, Crash, CrashPoint, Expectations, Plan};
use keyway_sim::plan_text::Span;
use keyway_sim::run::{Options, Outcome, run};
use keyway_sim::scenario::{files_below, read};
use keyway_sim::verdict::Verdict;
use rayon::prelude::*;

const DOWN_MS: i64 = 1_000;
/// Steps that the controllers of one story make in all its crashes together, so that none takes long; the ignored test makes them all.
const STEPS_A_STORY: u64 = 8_000;

/// What must not depend on a crash: each code's status and errors, the PINs in each lock, and those that its vendor computed for it and a record told.
/// What was chosen may be another one: an id, a PIN that was not asked for, a PIN of a seat, how many backups a full lock keeps, and who has its last place.
/// So may what tells how often a code was tried.
#[derive(Debug, Default, PartialEq)]
struct End {
    codes: BTreeMap<String, Vec<String>>,
    pins: BTreeMap<Lock, Vec<String>>,
}

/// What lay in the locks at an instant.
fn memory(outcome: &Outcome, at: Timestamp) -> BTreeMap<(Lock, Place), &TrueEntry> {
    let mut memory = BTreeMap::new();
    for (_, occurrence) in outcome.log.iter().take_while(|(when, _)| *when <= at) {
        match occurrence {
            Occurrence::Truth { lock, change: Change::Stored { place, entry }, .. } => drop(memory.insert((*lock, *place), entry)),
            Occurrence::Truth { lock, change: Change::Erased { place }, .. } => drop(memory.remove(&(*lock, *place))),
            _ => {}
        }
    }
    memory
}

/// Locks that had no place left at an instant.
fn full(outcome: &Outcome, at: Timestamp) -> BTreeSet<DeviceId> {
    let memory = memory(outcome, at);
    let entries_in = |lock: Lock| memory.iter().filter(|((of, _), entry)| *of == lock && entry.origin != Origin::Reserved).count();
    let locks = (0..).map(Lock).zip(&outcome.facts.locks);
    locks.filter(|(lock, facts)| entries_in(*lock) >= facts.usable_slots as usize).map(|(_, facts)| facts.device).collect()
}

/// How things stood at an instant: runs are as long as they need, and time goes on. Who has the places of a lock that was `full` in one of them is chosen.
fn end(outcome: &Outcome, at: Timestamp, full: &BTreeSet<DeviceId>) -> End {
    let mut end = End::default();
    let mut backups = BTreeSet::new();
    let mut records: BTreeMap<CodeId, &Record> = BTreeMap::new();
    let mut names: BTreeMap<CodeId, &str> = BTreeMap::new();
    let (mut told, mut computed) = (BTreeSet::new(), Vec::new());
    for (_, occurrence) in outcome.log.iter().take_while(|(when, _)| *when <= at) {
        match occurrence {
            Occurrence::Bound { name, code } => drop(names.insert(*code, name)),
            Occurrence::Recorded { code, after: Some(record) } if record.is_backup => drop(backups.insert(*code)),
            Occurrence::Recorded { code, after: Some(record) } if record.is_managed => {
                told.insert(record.code);
                records.insert(*code, record);
            }
            Occurrence::Recorded { code, .. } => drop(records.remove(code)),
            Occurrence::Truth { lock, change: Change::Computed { pin, .. }, .. } => computed.push((*lock, *pin)),
            _ => {}
        }
    }
    let name_of = |code: CodeId| match records.get(&code) {
        Some(record) if full.contains(&record.device_id) => "one of a full lock".to_owned(),
        _ => names.get(&code).map_or_else(|| code.to_string(), |name| (*name).to_owned()),
    };
    for (code, record) in &records {
        let is_of_tries = |error: &ErrorCode| *error == ErrorCode::SmartthingsFailedToSetAfterMultipleRetries;
        let errors = record.errors.iter().map(|entry| entry.error_code).filter(|error| !is_of_tries(error));
        let errors: BTreeSet<&str> = errors.map(ErrorCode::name).collect();
        end.codes.entry(name_of(*code)).or_default().push(format!("{} {errors:?}", record.status));
    }
    end.codes.values_mut().for_each(|codes| codes.sort());
    for (lock, pin) in computed.into_iter().filter(|(_, pin)| told.contains(&Some(*pin))) {
        end.pins.entry(lock).or_default().push(pin.to_string());
    }
    let is_backup = |entry: &TrueEntry| matches!(entry.origin, Origin::Code(code) if backups.contains(&code));
    for ((lock, _), entry) in memory(outcome, at).into_iter().filter(|(_, entry)| !is_backup(entry)) {
        let is_chosen = outcome.facts.locks[lock.0 as usize].profile.family == Family::BySeat;
        let pin = match entry.origin {
            _ if is_chosen => "chosen by the vendor".to_owned(),
            Origin::Code(code) if records.get(&code).is_some_and(|record| record.code == Some(entry.pin)) => {
                format!("of {}", name_of(code))
            }
            _ => entry.pin.to_string(),
        };
        end.pins.entry(lock).or_default().push(pin);
    }
    end.pins.values_mut().for_each(|pins| pins.sort());
    end
}

/// Whether the crash made another story of it, in which only the invariants must hold: a call or the only word of a use met no controller, people and
/// faults met something else in the locks or acted while the new process was still finding out what the old one had done, a race cost a stranger
/// his entry, or the only word that an entry is a stranger's may have died with the process.
fn is_another_story(plain: &Outcome, crashed: &Outcome) -> bool {
    let is_lost = |(_, occurrence): &&(_, Occurrence)| matches!(occurrence, Occurrence::CallLost { .. });
    let lost = |of: &Outcome| of.log.iter().filter(is_lost).count();
    lost(crashed) > lost(plain)
        || uses(crashed) < uses(plain)
        || acts(plain) != acts(crashed)
        || is_disturbed_soon(plain, crashed)
        || is_disguised(plain, crashed)
}

/// Whether a stranger's entry had come before the crash to where one of a code's was, with its PIN. That it is not the code's under another name (`R-64` a) only a
/// notice told, which is a hint to read (port.md 7), and as free to lose as what was read (`R-60`). So it is with the word that an entry of its own had left, where
/// what comes back in its place shows no name.
fn is_disguised(plain: &Outcome, crashed: &Outcome) -> bool {
    let Some(crash) = plain.log.iter().zip(&crashed.log).position(|(one, other)| one != other) else { return false };
    let mut own = BTreeMap::new();
    let mut left = BTreeMap::new();
    crashed.log[..crash].iter().any(|(_, occurrence)| match occurrence {
        Occurrence::Truth { lock, change: Change::Erased { place }, cause: Cause::World } => {
            left.extend(own.get(&(*lock, *place)).map(|entry: &&TrueEntry| ((*lock, *place), entry.pin)));
            false
        }
        Occurrence::Truth { lock, change: Change::Stored { place, entry }, cause: Cause::World }
            if !crashed.facts.locks[lock.0 as usize].profile.shows_names && left.get(&(*lock, *place)) == Some(&entry.pin) =>
        {
            true
        }
        Occurrence::Truth { lock, change: Change::Stored { place, entry }, .. } if entry.origin == Origin::External => {
            own.get(&(*lock, *place)).is_some_and(|before: &&TrueEntry| before.pin == entry.pin && before.name != entry.name)
        }
        Occurrence::Truth { lock, change: Change::Stored { place, entry }, .. } => {
            own.insert((*lock, *place), entry);
            false
        }
        _ => false,
    })
}

/// The uses of PINs that a process was told of and did not die of.
fn uses(outcome: &Outcome) -> usize {
    let is_told = |(_, occurrence): &&(_, Occurrence)| matches!(occurrence, Occurrence::Noticed { notice, .. } if matches!(notice.news, News::KeypadUsed { .. }));
    let is_end = |(_, occurrence): &&(_, Occurrence)| matches!(occurrence, Occurrence::StepEnded | Occurrence::Crashed);
    let told = (0..outcome.log.len()).filter(|at| is_told(&&outcome.log[*at]));
    told.filter(|at| outcome.log[*at..].iter().find(is_end).is_some_and(|(_, end)| *end == Occurrence::StepEnded)).count()
}

/// What the world did to the locks on its own: by a fault, by somebody's hand, or by another copy of a command.
fn unasked(outcome: &Outcome) -> BTreeSet<usize> {
    let mut ran: BTreeSet<CommandId> = BTreeSet::new();
    let mut is_it = |occurrence: &Occurrence| match occurrence {
        Occurrence::Truth { change: Change::Stored { .. }, cause: Cause::Command(id), .. } => !ran.insert(*id),
        Occurrence::Truth { cause, .. } => *cause == Cause::World,
        _ => false,
    };
    outcome.log.iter().enumerate().filter(|(_, (_, occurrence))| is_it(occurrence)).map(|(n, _)| n).collect()
}

/// What the world did to the locks on its own, and what it lost to the controller.
fn acts(outcome: &Outcome) -> Vec<(Lock, String)> {
    let mut entries: BTreeMap<(Lock, Place), &TrueEntry> = BTreeMap::new();
    let (unasked, mut done) = (unasked(outcome), Vec::new());
    for (n, (_, occurrence)) in outcome.log.iter().enumerate() {
        let Occurrence::Truth { lock, change, .. } = occurrence else { continue };
        let what = |entry: &TrueEntry| format!("{} {:?} {}", entry.pin, entry.origin, entry.enabled);
        let (before, after) = match change {
            Change::Stored { place, entry } => (entries.insert((*lock, *place), entry), what(entry)),
            Change::Erased { place } => (entries.remove(&(*lock, *place)), "nothing".to_owned()),
            change => (None, format!("{change:?}")),
        };
        let is_race = matches!(change, Change::Stored { .. }) && before.is_some_and(|before| before.origin == Origin::External);
        if unasked.contains(&n) || is_race {
            done.push((*lock, format!("{:?} {after}", before.map(what))));
        }
    }
    done
}

/// Whether others changed what a lock holds or takes before all that was open at the crash, and at those of the story soon after it, can have been settled and
/// read. While nothing reaches the lock, nothing can.
fn is_disturbed_soon(plain: &Outcome, crashed: &Outcome) -> bool {
    let timeout = |lock: &LockFacts| lock.profile.command_timeout_ms;
    let longest = crashed.facts.locks.iter().map(timeout).max().unwrap_or_default() + crashed.facts.config.policy.sync_period_ms;
    let Some(crash) = plain.log.iter().zip(&crashed.log).position(|(one, other)| one != other) else { return false };
    let tells =
        |change: &Change| matches!(change, Change::Stored { .. } | Change::Erased { .. } | Change::Joined { .. } | Change::Lengths(_));
    let unasked = unasked(crashed);
    (0..).map(Lock).take(crashed.facts.locks.len()).any(|of| {
        let (mut is_up, mut since, mut left) = (true, Timestamp::MIN, longest);
        for (n, (when, occurrence)) in crashed.log.iter().enumerate() {
            left -= if is_up && n > crash { *when - since } else { 0 };
            since = *when;
            match occurrence {
                _ if left < 0 => return false,
                Occurrence::Crashed => left = longest,
                Occurrence::Reach { lock, up } if *lock == of => is_up = *up,
                Occurrence::Truth { lock, change, .. } if *lock == of && n > crash && tells(change) && unasked.contains(&n) => return true,
                _ => {}
            }
        }
        false
    })
}

/// A step of the controller in which it may die after each output.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wake {
        nth: u32,
    },
    /// With whether it refuses a write.
    Answer {
        on: Lock,
        command: OpKind,
        nth: u32,
        refuses: bool,
    },
    Notice {
        on: Option<Lock>,
        nth: u32,
    },
    Call {
        step: u32,
    },
}

impl Step {
    fn after(self, outputs: u32, outcome: &Outcome) -> Option<CrashPoint> {
        let name = |lock: Lock| outcome.facts.locks[lock.0 as usize].name.clone();
        match self {
            Self::Wake { nth } => Some(CrashPoint::InWake { nth, outputs }),
            Self::Answer { on, command, nth, .. } => Some(CrashPoint::InAnswer { on: name(on), command, nth, outputs }),
            Self::Notice { on, nth } => Some(CrashPoint::InNotice { on: on.map(name), nth, outputs }),
            Self::Call { step } => (outputs == 0).then_some(CrashPoint::AfterReply { step }),
        }
    }
}

/// The steps of the controller before the heal phase, in order, each with whether it did more than look.
fn steps(outcome: &Outcome) -> Vec<(Step, bool)> {
    let mut steps: Vec<(Step, bool)> = Vec::new();
    let mut sent: BTreeMap<CommandId, (Option<Lock>, OpKind)> = BTreeMap::new();
    let (mut wakes, mut answers, mut notices) = (0..u32::MAX, BTreeMap::new(), BTreeMap::new());
    let nth = |of: &mut BTreeMap<_, u32>, key| {
        let next = of.entry(key).or_insert(0);
        *next += 1;
        *next - 1
    };
    let mut phase = Phase::Safety;
    let mut is_in_step = false;
    for (_, occurrence) in &outcome.log {
        if let Occurrence::Commanded { command, lock } = occurrence {
            sent.insert(command.command_id, (*lock, command.op.kind()));
        }
        let step = match occurrence {
            Occurrence::Phase(now) => {
                phase = *now;
                None
            }
            _ if phase != Phase::Safety => None,
            Occurrence::Woken => wakes.next().map(|nth| Step::Wake { nth }),
            Occurrence::Answered { command_id, answer, .. } => match sent.get(command_id) {
                Some((Some(on), command)) => {
                    let nth = nth(&mut answers, (Some(*on), Some(*command)));
                    Some(Step::Answer { on: *on, command: *command, nth, refuses: matches!(answer, Answer::Refused(_)) })
                }
                _ => None,
            },
            Occurrence::Noticed { lock, .. } => Some(Step::Notice { on: *lock, nth: nth(&mut notices, (*lock, None)) }),
            Occurrence::Called { call_id, .. } => Some(Step::Call { step: call_id.0 as u32 }),
            _ => None,
        };
        if let Some(step) = step {
            steps.push((step, false));
            is_in_step = true;
        }
        let acts = match occurrence {
            Occurrence::Commanded { command, .. } => command.op.is_mutating(),
            Occurrence::Replied { .. } | Occurrence::Emitted(_) | Occurrence::Recorded { .. } | Occurrence::DeviceRecorded { .. } => true,
            Occurrence::StepEnded | Occurrence::Crashed => {
                is_in_step = false;
                false
            }
            _ => false,
        };
        if let Some((_, does)) = steps.last_mut().filter(|_| is_in_step) {
            *does |= acts;
        }
    }
    steps
}

fn outcome(plan: &Plan, when: Option<CrashPoint>) -> Outcome {
    let mut plan = plan.clone();
    plan.crashes.extend(when.map(|when| Crash { when, down: Span(DOWN_MS) }));
    run(&plan, &Reference::new(), Options { keep_log: true, ..Options::default() })
}

/// What came of the stories, and how many crashes they were put through.
#[derive(Default)]
struct Tally {
    stories: u64,
    /// Those that are about a verdict.
    left_out: u64,
    crashes: u64,
    /// Crashes that made another story of it.
    otherwise: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.stories += other.stories;
        self.left_out += other.left_out;
        self.crashes += other.crashes;
        self.otherwise += other.otherwise;
        self.wrong.extend(other.wrong);
        self
    }
}

/// How many records and devices there ever were.
fn views(outcome: &Outcome) -> usize {
    let recorded = outcome.log.iter().filter_map(|(_, occurrence)| match occurrence {
        Occurrence::Recorded { code, .. } => Some(*code),
        _ => None,
    });
    recorded.collect::<BTreeSet<_>>().len() + outcome.facts.locks.len()
}

/// What a lock refuses shows in no read: who dies of the word has to ask again.
fn allow_for(plan: &Plan, step: Step) -> Plan {
    let mut plan = plan.clone();
    let is_untold = matches!(step, Step::Answer { refuses: true, .. });
    for bound in &mut plan.expect.bounds {
        let is_of_writes = matches!(bound.count, Counted::All | Counted::Writes | Counted::Mutating);
        bound.max = bound.max.map(|max| max + u32::from(is_untold && is_of_writes));
    }
    plan
}

/// Dies once after each output of one step.
fn die_in(plan: &Plan, plain: &Outcome, step: Step) -> Tally {
    let mut tally = Tally::default();
    let plan = &allow_for(plan, step);
    let (mut before, mut announced) = (None, 0);
    for outputs in 0.. {
        let Some(point) = step.after(outputs, plain) else { break };
        let crashed = outcome(plan, Some(point.clone()));
        if crashed.figures.crashes == plain.figures.crashes {
            break; // Long after the step's last output.
        }
        let is_inside = crashed.figures.crashes_inside > plain.figures.crashes_inside;
        if before.replace(crashed.hash) == Some(crashed.hash) {
            // An announcement, of which the world takes no notice: one for each view at most.
            announced += 1;
            if is_inside && announced <= views(plain) {
                continue;
            }
            break; // After the step's last output.
        }
        tally.crashes += 1;
        let is_another_story = is_another_story(plain, &crashed);
        tally.otherwise += u64::from(is_another_story);
        let last = |outcome: &Outcome| outcome.log.last().map_or(Timestamp::MIN, |(at, _)| *at);
        let both = last(plain).min(last(&crashed));
        let full: BTreeSet<DeviceId> = full(&crashed, both).union(&full(plain, both)).copied().collect();
        let (seen, wanted) = (end(&crashed, both, &full), end(plain, both, &full));
        let at = || format!("{} with {}", plan.name, serde_json::to_string(&point).expect("a crash point as text"));
        match crashed.verdict {
            Verdict::Pass if is_another_story || seen == wanted => {}
            Verdict::Pass => tally.wrong.push(format!("{}: ends with {seen:#?}, not {wanted:#?}", at())),
            Verdict::ExpectationNotMet if is_another_story => {}
            _ => tally.wrong.push(format!("{}: {:#?}", at(), crashed.finding.as_ref().map(|finding| &finding.violations))),
        }
        if !is_inside {
            break; // After the step's last output.
        }
    }
    tally
}

/// An even share of the steps that act, and half as many of those that only look. What a story does again and again has a beat: from each stretch another one is
/// taken, so that the share does not fall in with it.
fn share(steps: Vec<(Step, bool)>, each: usize) -> Vec<Step> {
    let (acting, looking): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(_, acts)| *acts);
    let even = |steps: Vec<(Step, bool)>, count: usize| {
        let stretches = steps.chunks(steps.len().div_ceil(count).max(1)).enumerate();
        let taken: Vec<Step> = stretches.map(|(n, stretch)| stretch[n % stretch.len()].0).collect();
        taken
    };
    let (acting, looking) = (even(acting, each), even(looking, each.div_ceil(2)));
    acting.into_iter().chain(looking).collect()
}

/// A bound may grow by one read of each device, and by one attempt more where no read proves that a write was done, or why it was not.
fn widen(plan: &mut Plan, plain: &Outcome) {
    let is_shown = |profile: &Profile| profile.read_back == ReadBack::Exact || profile.shows_names;
    // Of a site's users nothing is ever read.
    let proves = |lock: &LockFacts| is_shown(&lock.profile) && lock.profile.family != Family::BySeat;
    let reads = plain.facts.locks.len() as u32;
    let writes = 2 * plain.facts.locks.iter().filter(|lock| !proves(lock)).count() as u32;
    for bound in &mut plan.expect.bounds {
        let more = match bound.count {
            Counted::Reads => reads,
            Counted::All => reads + writes,
            Counted::Writes | Counted::Erasures | Counted::Mutating => writes,
            // That a lock lets nobody set its clock is told to who asks, and to nobody who dies of it.
            Counted::ClockSettings => 1,
        };
        bound.max = bound.max.map(|max| max + more);
    }
}

fn crash_anywhere(mut plan: Plan, steps_a_story: u64) -> Tally {
    let bounds = std::mem::take(&mut plan.expect.bounds);
    plan.expect = Expectations { bounds, ..Expectations::default() };
    for step in &mut plan.steps {
        match &mut step.action {
            Action::Enter(enter) => enter.must = None,
            Action::EnterRepeatedly(again) => again.enter.must = None,
            _ => {}
        }
    }
    let plain = outcome(&plan, None);
    if plain.verdict != Verdict::Pass {
        return Tally { left_out: 1, ..Tally::default() };
    }
    widen(&mut plan, &plain);
    // A step has some three outputs, each of them a run.
    let each = (steps_a_story / (3 * plain.figures.steps)).max(2) as usize;
    let died = share(steps(&plain), each).into_par_iter().map(|step| die_in(&plan, &plain, step));
    died.reduce(Tally::default, Tally::and).and(Tally { stories: 1, ..Tally::default() })
}

fn survive_a_crash_anywhere(steps_a_story: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    // For a closer look at some of them.
    let only = std::env::var("KEYWAY_STORY").unwrap_or_default();
    let mut files = files_below(&folder).expect("the scenarios");
    files.retain(|file| file.to_string_lossy().contains(&only));
    let plans = files.into_par_iter().flat_map(|file| read(&file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))));
    let tally = plans.map(|plan| crash_anywhere(plan, steps_a_story)).reduce(Tally::default, Tally::and);
    let Tally { stories, left_out, crashes, otherwise, wrong } = tally;
    println!("{stories} stories, {left_out} about a verdict left out; {crashes} crashes, {otherwise} of them made another story of it");
    assert!(wrong.is_empty(), "{} of {crashes}:\n{}", wrong.len(), wrong.join("\n"));
    // Most regressions are about what others do, within minutes of the crash: two in five crashes at most may make another story.
    assert!(!only.is_empty() || stories > 20 * left_out && crashes > 10 * stories && 2 * crashes > 5 * otherwise);
}

#[test]
fn the_stories_survive_a_crash_anywhere() {
    survive_a_crash_anywhere(STEPS_A_STORY);
}

#[test]
#[ignore = "takes very long; the test above takes an even share of the steps"]
fn the_stories_survive_a_crash_after_every_output() {
    survive_a_crash_anywhere(u64::MAX);
}
