//! Many seeds on all cores: what was found, grouped by fingerprint, and whether the judge had anything to judge.
//!
//! What a seed comes to depends on the seed alone, and everything added up here is added in a way that knows no
//! order, so the number of threads changes nothing but the time it takes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;
use rayon::prelude::*;
use serde::Serialize;

use crate::generate::plan_of_seed;
use crate::invariant::{Class, registry};
use crate::occurrence::Occurrence;
use crate::plan::Plan;
use crate::run::{Options, Outcome, run};
use crate::scenario;
use crate::verdict::{Finding, Verdict, Violation};

/// What a sweep shall do.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Threads; none: as many as there are cores.
    pub threads: Option<usize>,
    /// The folder for plans that failed; none: they are not written.
    pub findings: Option<&'a Path>,
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds that were run.
    pub done: u64,
    /// Those of them that failed.
    pub failed: u64,
}

/// One in so many seeds is run a second time, and must give the same hash.
const COMPARED_ONE_IN: u64 = 50;
/// A sweep of so many seeds in which a checker was never armed is vacuous.
const VACUOUS_FROM: u64 = 5_000;
/// The invariant that a sweep checks itself, by comparison.
const DETERMINISM: &str = "I-DET-01";

/// Runs the seeds and sums up what they came to. `progress` is called after each seed, from any thread.
#[must_use]
pub fn sweep(order: &Order, controllers: &dyn Controllers, progress: &(dyn Fn(Progress) + Sync)) -> Summary {
    hush_panics();
    let began = Instant::now();
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |tally: Tally, seed: u64| {
        let tally = tally.with(seed, controllers, order.findings);
        failed.fetch_add(u64::from(tally.last_failed), Ordering::Relaxed);
        progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, failed: failed.load(Ordering::Relaxed) });
        tally
    };
    let sum = || order.seeds.clone().into_par_iter().fold(Tally::default, one).reduce(Tally::default, Tally::joined);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(order.threads.unwrap_or(0)).build();
    let tally = match pool {
        Ok(pool) => pool.install(sum),
        Err(_) => sum(), // No threads of our own to be had: those of the program will do.
    };
    if let Some(folder) = order.findings {
        tally.keep_first_of_each(folder);
    }
    Summary::new(order.seeds.clone(), tally, began.elapsed().as_millis() as u64)
}

/// What a part of the seeds came to. Joining parts gives the same in any order.
#[derive(Clone, Debug, Default)]
struct Tally {
    groups: BTreeMap<String, Group>,
    /// In how many seeds a mark was hit.
    marked: BTreeMap<&'static str, u64>,
    productive: Histogram,
    fired: Histogram,
    crashed_inside: u64,
    compared: u64,
    /// Seeds of findings whose plan could not be written, and why.
    unwritten: BTreeMap<u64, String>,
    /// All seeds with a written plan.
    written: Vec<u64>,
    last_failed: bool,
}

/// Counts by value.
#[derive(Clone, Debug, Default)]
struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    fn add(&mut self, value: u64) {
        *self.0.entry(value).or_default() += 1;
    }

    fn join(&mut self, other: Self) {
        for (value, count) in other.0 {
            *self.0.entry(value).or_default() += count;
        }
    }

    /// The lower median; 0 of nothing.
    fn median(&self) -> u64 {
        let half = self.0.values().sum::<u64>().div_ceil(2);
        let mut below = 0;
        let reaches_half = |(_, count): &(&u64, &u64)| {
            below += **count;
            below >= half
        };
        self.0.iter().find(reaches_half).map_or(0, |(value, _)| *value)
    }
}

/// All findings of one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub fingerprint: String,
    /// Seeds that failed so.
    pub count: u64,
    /// The lowest of them.
    pub first_seed: u64,
    /// Its verdict.
    pub verdict: Verdict,
    /// What its first violating step broke.
    pub violations: Vec<Violation>,
}

impl Group {
    /// The ids of what was broken, each once.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for violation in &self.violations {
            if !ids.contains(&violation.id.as_str()) {
                ids.push(&violation.id);
            }
        }
        ids
    }

    fn joined(self, other: Self) -> Self {
        let count = self.count + other.count;
        let first = if other.first_seed < self.first_seed { other } else { self };
        Self { count, ..first }
    }
}

impl Tally {
    /// Runs one seed more.
    fn with(mut self, seed: u64, controllers: &dyn Controllers, folder: Option<&Path>) -> Self {
        let (plan, result) = run_seed(seed, controllers);
        let finding = match (&plan, result) {
            (Some(plan), Ok(outcome)) => self.take(seed, plan, outcome, controllers),
            (_, Ok(_)) => unreachable!("an outcome is that of a plan"),
            (_, Err(finding)) => Some(finding),
        };
        self.last_failed = finding.is_some();
        if let Some(finding) = finding {
            // First on the disk: whatever happens to this process from here on, the story is kept.
            if let (Some(folder), Some(plan)) = (folder, &plan) {
                match scenario::write(&folder.join(file_name(seed)), &scenario::to_text(plan)) {
                    Ok(()) => self.written.push(seed),
                    Err(error) => drop(self.unwritten.insert(seed, format!("{}: {error}", folder.display()))),
                }
            }
            let Finding { verdict, violations, fingerprint } = finding;
            self.add_group(Group { fingerprint, count: 1, first_seed: seed, verdict, violations });
        }
        self
    }

    /// Counts what an outcome says, and compares it with that of a second run if it is this seed's turn.
    fn take(&mut self, seed: u64, plan: &Plan, outcome: Outcome, controllers: &dyn Controllers) -> Option<Finding> {
        for (mark, count) in &outcome.marks {
            *self.marked.entry(mark).or_default() += u64::from(*count > 0);
        }
        self.productive.add(outcome.figures.productive);
        self.fired.add(outcome.figures.fired);
        self.crashed_inside += u64::from(outcome.figures.crashes_inside > 0);
        if seed.is_multiple_of(COMPARED_ONE_IN) {
            self.compared += 1;
            *self.marked.entry(DETERMINISM).or_default() += 1;
            if let Some(finding) = compare(plan, &outcome, controllers) {
                return Some(finding);
            }
        }
        outcome.finding
    }

    fn add_group(&mut self, group: Group) {
        let joined = match self.groups.remove(&group.fingerprint) {
            Some(known) => known.joined(group),
            None => group,
        };
        self.groups.insert(joined.fingerprint.clone(), joined);
    }

    fn joined(mut self, other: Self) -> Self {
        for group in other.groups.into_values() {
            self.add_group(group);
        }
        for (mark, count) in other.marked {
            *self.marked.entry(mark).or_default() += count;
        }
        self.productive.join(other.productive);
        self.fired.join(other.fired);
        self.crashed_inside += other.crashed_inside;
        self.compared += other.compared;
        self.unwritten.extend(other.unwritten);
        self.written.extend(other.written);
        self
    }

    /// Takes the plans away that tell what another one tells already; their seeds would give them back.
    fn keep_first_of_each(&self, folder: &Path) {
        let is_first = |seed: &u64| self.groups.values().any(|group| group.first_seed == *seed);
        for seed in self.written.iter().filter(|seed| !is_first(seed)) {
            // One that can't be removed does no harm.
            let _ = fs::remove_file(folder.join(file_name(*seed)));
        }
    }
}

/// Generates and runs a seed. The error is a panic of the harness itself, which is a finding like any other.
fn run_seed(seed: u64, controllers: &dyn Controllers) -> (Option<Plan>, Result<Outcome, Finding>) {
    let plan = match hushed(|| plan_of_seed(seed)) {
        Ok(plan) => plan,
        Err(words) => return (None, Err(harness_panic(Timestamp::MIN, &words))),
    };
    let result = hushed(|| run(&plan, controllers, Options::default()));
    let result = result.map_err(|words| harness_panic(plan.start.0, &words));
    (Some(plan), result)
}

/// What a run finds, be it a panic of the harness itself.
pub(crate) fn finding(plan: &Plan, run: impl FnOnce(&Plan) -> Outcome) -> Option<Finding> {
    match hushed(|| run(plan)) {
        Ok(outcome) => outcome.finding,
        Err(words) => Some(harness_panic(plan.start.0, &words)),
    }
}

fn harness_panic(at: Timestamp, words: &LastWords) -> Finding {
    let violation = Violation { id: "harness".into(), at, what: format!("the harness panicked: {words}"), roles: String::new() };
    let fingerprint = format!("{}|harness|{}", Verdict::Panic, words.place);
    Finding { verdict: Verdict::Panic, violations: vec![violation], fingerprint }
}

/// Runs a plan again; a finding if it comes to anything else.
fn compare(plan: &Plan, first: &Outcome, controllers: &dyn Controllers) -> Option<Finding> {
    let again = |options| hushed(|| run(plan, controllers, options));
    let second = match again(Options::default()) {
        Ok(second) if second.hash == first.hash => return None,
        Ok(second) => second,
        Err(words) => return Some(harness_panic(plan.start.0, &words)),
    };
    let logged = Options { keep_log: true, ..Options::default() };
    let what = match (again(logged), again(logged)) {
        (Ok(one), Ok(other)) => first_difference(&one.log, &other.log),
        _ => None,
    };
    let (at, what) = what.unwrap_or_else(|| {
        let hashes = format!("two runs of one plan came to the hashes {:032x} and {:032x}", first.hash, second.hash);
        (plan.start.0, hashes)
    });
    let violation = Violation { id: DETERMINISM.into(), at, what, roles: String::new() };
    let fingerprint = format!("{}|{DETERMINISM}", Verdict::NonDeterminism);
    Some(Finding { verdict: Verdict::NonDeterminism, violations: vec![violation], fingerprint })
}

/// The first occurrence in which two logs differ, in words.
fn first_difference(one: &[(Timestamp, Occurrence)], other: &[(Timestamp, Occurrence)]) -> Option<(Timestamp, String)> {
    let nth = (0..one.len().max(other.len())).find(|nth| one.get(*nth) != other.get(*nth))?;
    let told = |log: &[(Timestamp, Occurrence)]| match log.get(nth) {
        Some((at, occurrence)) => format!("{at} {}", serde_json::to_string(occurrence).unwrap_or_default()),
        None => "nothing more".to_owned(),
    };
    let at = one.get(nth).or(other.get(nth)).map_or(Timestamp::MIN, |(at, _)| *at);
    Some((at, format!("occurrence {nth} differs between two runs of one plan: {} and {}", told(one), told(other))))
}

fn file_name(seed: u64) -> String {
    format!("seed-{seed}.json")
}

/// What a sweep came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The seeds, the last one excluded.
    pub seeds: Range<u64>,
    /// The gravest verdict.
    pub verdict: Verdict,
    /// Findings by fingerprint, most frequent first.
    pub findings: Vec<Group>,
    /// For each checker, the seeds in which its premise was true before the heal phase.
    pub armed: BTreeMap<&'static str, u64>,
    /// Other marks, and the seeds that hit them.
    pub marks: BTreeMap<&'static str, u64>,
    /// Productive events of a seed, in the median.
    pub productive_median: u64,
    /// Faults and noise that fired in a seed, in the median.
    pub fired_median: u64,
    /// Seeds in which the controller died inside a step.
    pub crashed_inside: u64,
    /// Seeds that were run twice.
    pub compared: u64,
    /// Findings whose plan could not be written, and why.
    pub unwritten: BTreeMap<u64, String>,
    /// Milliseconds it took.
    pub took_ms: u64,
}

impl Summary {
    fn new(seeds: Range<u64>, tally: Tally, took_ms: u64) -> Self {
        let checkers = checkers();
        let (armed, marks): (BTreeMap<_, _>, BTreeMap<_, _>) = tally.marked.iter().partition(|(mark, _)| checkers.contains(*mark));
        let armed = checkers.iter().map(|id| (*id, armed.get(id).copied().unwrap_or(0))).collect();
        let mut findings: Vec<Group> = tally.groups.into_values().collect();
        findings.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.fingerprint.cmp(&other.fingerprint)));
        let mut summary = Self {
            verdict: findings.iter().map(|group| group.verdict).max().unwrap_or(Verdict::Pass),
            seeds,
            findings,
            armed,
            marks,
            productive_median: tally.productive.median(),
            fired_median: tally.fired.median(),
            crashed_inside: tally.crashed_inside,
            compared: tally.compared,
            unwritten: tally.unwritten,
            took_ms,
        };
        if summary.verdict == Verdict::Pass && summary.count() >= VACUOUS_FROM && !summary.never_armed().is_empty() {
            summary.verdict = Verdict::Vacuous;
        }
        summary
    }

    /// How many seeds were run.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.seeds.end.saturating_sub(self.seeds.start)
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.findings.iter().map(|group| group.count).sum()
    }

    /// Checkers whose premise was true in no seed.
    #[must_use]
    pub fn never_armed(&self) -> Vec<&'static str> {
        self.armed.iter().filter(|(_, seeds)| **seeds == 0).map(|(id, _)| *id).collect()
    }
}

/// The ids of the checkers that a sweep must arm.
fn checkers() -> Vec<&'static str> {
    let of_controllers = registry().filter(|row| !matches!(row.class, Class::Harness)).map(|row| row.id);
    of_controllers.filter(|id| *id != DETERMINISM).chain([DETERMINISM]).collect()
}

/// Fingerprints that fit on a screen beside the rest.
const GROUPS_SHOWN: usize = 12;
/// Checkers in one line.
const CHECKERS_A_LINE: usize = 5;
/// Checkers that are named because they were never armed.
const NEVER_SHOWN: usize = 6;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, Range { start, end }) = (self.count(), &self.seeds);
        writeln!(f, "seeds {start}..{end}: {} ({} of {count} failed)", self.verdict, self.failed())?;
        self.write_findings(f)?;
        self.write_armed(f)?;
        let percent = share(self.crashed_inside, count);
        writeln!(
            f,
            "medians: {} productive events, {} fired faults; a crash inside a step in {percent} % of the seeds",
            self.productive_median, self.fired_median
        )?;
        for (seed, why) in self.unwritten.iter().take(3) {
            writeln!(f, "the plan of seed {seed} could not be written to {why}")?;
        }
        let (seconds, rate) = (self.took_ms / 1_000, count * 1_000 / self.took_ms.max(1));
        write!(f, "{} seeds ran twice and were compared; {seconds} s, {rate} seeds a second", self.compared)
    }
}

impl Summary {
    fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  {:>6}  {:>10}  {:<12} broken", "seeds", "first seed", "verdict")?;
        for group in self.findings.iter().take(GROUPS_SHOWN) {
            let first = group.violations.first();
            let what = first.map_or("", |violation| violation.what.as_str());
            let line = format!("{}: {what}", group.ids().join(", "));
            let line: String = line.chars().take(75).collect();
            writeln!(f, "  {:>6}  {:>10}  {:<12} {line}", group.count, group.first_seed, group.verdict)?;
        }
        if self.findings.len() > GROUPS_SHOWN {
            writeln!(f, "  and {} kinds more; --json lists them all", self.findings.len() - GROUPS_SHOWN)?;
        }
        writeln!(f)
    }

    fn write_armed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "checkers armed before the heal phase, in percent of the seeds:")?;
        let shares: Vec<_> = self.armed.iter().map(|(id, seeds)| format!("{id:<10} {:>5}", share(*seeds, self.count()))).collect();
        for line in shares.chunks(CHECKERS_A_LINE) {
            writeln!(f, "  {}", line.join("   "))?;
        }
        let never = self.never_armed();
        if !never.is_empty() {
            let others = if never.len() > NEVER_SHOWN { format!(" and {} more", never.len() - NEVER_SHOWN) } else { String::new() };
            let shown: Vec<_> = never.iter().take(NEVER_SHOWN).copied().collect();
            writeln!(f, "never armed: {}{others}", shown.join(", "))?;
        }
        Ok(())
    }
}

/// A share in percent with one digit after the point; what is not nothing is not shown as nothing.
fn share(part: u64, whole: u64) -> String {
    let permille = (part * 1_000).checked_div(whole).unwrap_or(0);
    if permille == 0 && part > 0 {
        return "<0.1".to_owned();
    }
    format!("{}.{}", permille / 10, permille % 10)
}

/// What a panic said, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords {
    text: String,
    place: String,
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.text, self.place)
    }
}

thread_local! {
    static IS_HUSHED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics inside [`hushed`] are findings, which are told once and by us; all others speak for themselves as ever.
pub(crate) fn hush_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_HUSHED.get() {
                return usual(info);
            }
            let place = info.location().map(|location| format!("{}:{}", location.file(), location.line()));
            PLACE.with_borrow_mut(|last| *last = place.unwrap_or_default());
        }));
    });
}

/// Runs `work`; its panic, if it does not end well.
pub(crate) fn hushed<T>(work: impl FnOnce() -> T) -> Result<T, LastWords> {
    let before = IS_HUSHED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_HUSHED.set(before);
    result.map_err(|panic| LastWords { text: text_of(panic.as_ref()), place: PLACE.with_borrow(Clone::clone) })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use keyway_core::access_code::{AccessCodeView, DeviceView};
    use keyway_core::config::Config;
    use keyway_core::controller::{Broken, Controller, Input, Outputs};
    use keyway_core::id::{CodeId, DeviceId};
    use keyway_core::platform::Reference;

    use super::*;

    /// A controller that does nothing but this, whenever it is asked.
    struct Idle(fn() -> Option<Timestamp>);

    impl Controller for Idle {
        fn handle(&mut self, _: Timestamp, _: Input, _: &mut Outputs) -> Result<(), Broken> {
            (self.0)();
            Ok(())
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            (self.0)()
        }

        fn access_codes(&self, _: &mut dyn FnMut(CodeId)) {}

        fn access_code(&self, _: CodeId) -> Option<AccessCodeView<'_>> {
            None
        }

        fn device(&self, _: DeviceId) -> Option<DeviceView<'_>> {
            None
        }
    }

    struct Idlers(fn() -> Option<Timestamp>);

    impl Controllers for Idlers {
        fn start(&self, _: Timestamp, _: &Config, _: Option<&[u8]>) -> Box<dyn Controller> {
            Box::new(Idle(self.0))
        }
    }

    fn order(seeds: Range<u64>, threads: usize) -> Order<'static> {
        Order { seeds, threads: Some(threads), findings: None }
    }

    #[test]
    fn threads_change_nothing_but_the_time() {
        let told = |threads| {
            let summary = sweep(&order(0..24, threads), &Reference::new(), &|_| ());
            serde_json::to_string(&Summary { took_ms: 0, ..summary }).unwrap()
        };
        assert_eq!(told(1), told(3));
    }

    #[test]
    fn a_controller_that_panics_is_a_finding_with_its_plan_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let order = Order { seeds: 7..10, threads: Some(2), findings: Some(folder.path()) };
        let summary = sweep(&order, &Idlers(|| panic!("out of ideas")), &|_| ());
        assert_eq!((summary.verdict, summary.failed()), (Verdict::Panic, 3));
        let kept = summary.findings.iter().map(|group| folder.path().join(file_name(group.first_seed)));
        for path in kept {
            assert_eq!(scenario::read(&path).unwrap().len(), 1);
        }
    }

    #[test]
    fn what_changes_between_two_runs_is_named() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        struct Moody;
        // Each run gets another entropy.
        impl Controllers for Moody {
            fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
                let run = RUNS.fetch_add(1, Ordering::Relaxed);
                Reference::new().start(now, &Config { entropy: config.entropy ^ u64::from(run), ..config.clone() }, durable)
            }
        }
        let summary = sweep(&order(0..1, 1), &Moody, &|_| ());
        let found = &summary.findings[0];
        assert_eq!(found.verdict, Verdict::NonDeterminism);
        assert!(found.violations[0].what.contains("differs between two runs"), "{}", found.violations[0].what);
    }

    #[test]
    fn the_summary_fits_a_screen() {
        let text = sweep(&order(0..12, 2), &Idlers(|| None), &|_| ()).to_string();
        assert!(text.lines().count() < 45 && text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn medians_are_lower_medians() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.median(), 0);
        for value in [5, 1, 9, 7] {
            histogram.add(value);
        }
        assert_eq!(histogram.median(), 5);
        histogram.add(9);
        assert_eq!(histogram.median(), 7);
    }
}
