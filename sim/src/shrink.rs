//! Makes a failing story small: leaves out and rounds off whatever its finding does not need.
//!
//! A plan is taken as the tree of its scenario file, so that nothing in it is forgotten, not even what plans learn
//! to say later. Every attempt is a tree with something put in some places, and counts only if it passes the check
//! of a scenario file. There is no chance in it: the same plan shrinks to the same plan, unless time runs out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use serde::Serialize;
use serde_json::Value;

use crate::plan::Plan;
use crate::plan_text::{Offset, Span};
use crate::scenario;
use crate::verdict::Finding;

mod explain;
mod tree;

pub use explain::{Explained, explain};

use tree::{Edit, declared, edited, element_around, elements, fields, is_element, last, leaves, list, places, renamed};

/// A name for what was found: the invariant and the roles, as a file can be called.
#[must_use]
pub fn speaking_name(finding: &Finding) -> String {
    let said: Vec<&str> = finding.fingerprint.split('|').skip(1).filter(|part| !part.is_empty()).collect();
    let said = if said.is_empty() { finding.fingerprint.clone() } else { said.join(" ") };
    let words = said.to_lowercase().replace('>', " to ");
    let words: Vec<&str> = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(180).collect()
}

/// How much work may be spent.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Plans that may be run.
    pub runs: u64,
    /// Time that it may take; a run that has begun is finished.
    pub time: Duration,
}

/// What became of a plan.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan with the same finding.
    pub plan: Plan,
    /// What it breaks; of the same fingerprint.
    pub finding: Finding,
    /// Elements of the lists of the plan as it was.
    pub elements_before: usize,
    /// Elements that are left.
    pub elements: usize,
    /// Plans that were run.
    pub runs: u64,
    /// Whether nothing more helps; else the budget ended first.
    pub is_finished: bool,
}

/// One run of a smaller plan.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Attempt<'a> {
    /// Its number.
    pub run: u64,
    /// What was tried.
    pub step: &'a str,
    /// Where, in the smallest plan before it, as JSON pointers.
    pub places: &'a [String],
    /// Elements of the smallest plan after it.
    pub elements: usize,
    /// The plan, if it breaks the same and is the smallest one now.
    #[serde(skip)]
    pub kept: Option<&'a Plan>,
}

/// Shrinks a plan as long as what `find` finds in it keeps its fingerprint. None: it finds nothing. `observe` is told
/// of each run, and says whether to go on.
///
/// ```
/// use std::time::Duration;
///
/// use keyway_core::platform::Reference;
/// use keyway_sim::Story;
/// use keyway_sim::run::{Options, run};
/// use keyway_sim::shrink::{Budget, shrink};
///
/// let story = Story::new(&serde_json::json!({
///     "name": "shut", "horizon": "3h", "devices": [{ "name": "L1", "vendor": "august" }, { "name": "L2", "vendor": "august" }],
///     "steps": [
///         { "at": "+1m", "do": { "create": { "code": "ann", "on": "L2", "pin": "4711" } } },
///         { "at": "+2h", "do": { "enter": { "on": "L1", "pin": "1357", "must": "open" } } }
///     ]
/// }))?;
/// let find = |plan: &_| run(plan, &Reference::new(), Options::default()).finding;
/// let budget = Budget { runs: 400, time: Duration::from_secs(60) };
/// let small = shrink(&story.plan, budget, &find, &mut |_| true).expect("the door stays shut");
/// assert_eq!((small.plan.devices.len(), small.plan.steps.len()), (1, 1));
/// # Ok::<(), keyway_sim::scenario::BadInput>(())
/// ```
pub fn shrink(
    plan: &Plan,
    budget: Budget,
    find: &dyn Fn(&Plan) -> Option<Finding>,
    observe: &mut dyn FnMut(&Attempt) -> bool,
) -> Option<Shrunk> {
    let ends_at = Instant::now() + budget.time;
    let finding = find(plan)?;
    let tree = tree_of(plan);
    let elements_before = elements(&tree).len();
    let (plan, tried) = (plan.clone(), BTreeSet::new());
    let (doing, is_stopped) = ("leave out", false);
    let mut shrinker = Shrinker { plan, tree, finding, find, observe, doing, tried, runs: 1, runs_max: budget.runs, ends_at, is_stopped };
    let mut is_finished = false;
    while !is_finished && !shrinker.is_spent() {
        let before = shrinker.plan.clone();
        shrinker.round();
        is_finished = shrinker.plan == before && !shrinker.is_spent();
    }
    let Shrinker { plan, tree, finding, runs, .. } = shrinker;
    Some(Shrunk { plan, finding, elements_before, elements: elements(&tree).len(), runs, is_finished })
}

struct Shrinker<'a> {
    /// The smallest plan so far, as it is and as a tree.
    plan: Plan,
    tree: Value,
    finding: Finding,
    find: &'a dyn Fn(&Plan) -> Option<Finding>,
    observe: &'a mut dyn FnMut(&Attempt) -> bool,
    doing: &'static str,
    /// The texts of all plans that were run.
    tried: BTreeSet<String>,
    runs: u64,
    runs_max: u64,
    ends_at: Instant,
    is_stopped: bool,
}

impl Shrinker<'_> {
    fn is_spent(&self) -> bool {
        self.is_stopped || self.runs >= self.runs_max || Instant::now() >= self.ends_at
    }

    /// Everything once: what takes most away comes first, because a small plan runs faster.
    fn round(&mut self) {
        self.doing = "end sooner";
        self.cut();
        self.doing = "leave out";
        for list in ["devices", "faults", "steps", "crashes"] {
            let elements = self.tree[list].as_array().map_or(0, Vec::len);
            self.apply((0..elements).map(|n| gone(format!("/{list}/{n}"))).collect());
        }
        self.apply(elements(&self.tree).into_iter().map(gone).collect());
        self.apply(implied(&self.tree));
        self.apply(fields(&self.tree).into_iter().map(gone).collect());
        self.doing = "strike the first command";
        self.apply(counted(&self.tree));
        self.doing = "round";
        for unit_ms in [HOUR_MS, 10 * MINUTE_MS, MINUTE_MS, SECOND_MS] {
            self.apply(self.rounded(unit_ms));
        }
        self.doing = "draw together";
        self.close_gaps();
        self.doing = "simplify";
        for number in [0, 1] {
            self.apply(numbers(&self.tree, number));
        }
        self.apply(plain_pins(&self.tree));
        self.doing = "rename";
        self.attempt(renamed(&self.tree, &plain_names(&self.tree)), &[]);
    }

    /// Takes a tree for the smallest one if it is lawful and breaks the same.
    fn attempt(&mut self, tree: Value, edits: &[&Edit]) -> bool {
        let Some(plan) = lawful(tree).filter(|plan| *plan != self.plan) else { return false };
        if self.is_spent() || !self.tried.insert(scenario::to_text(&plan)) {
            return false;
        }
        self.runs += 1;
        let finding = (self.find)(&plan).filter(|finding| finding.fingerprint == self.finding.fingerprint);
        let is_same = finding.is_some();
        if let Some(finding) = finding {
            (self.tree, self.plan, self.finding) = (tree_of(&plan), plan, finding);
        }
        let places: Vec<String> = edits.iter().flat_map(|edit| edit.iter()).map(|(at, _)| at.clone()).collect();
        let (elements, kept) = (elements(&self.tree).len(), is_same.then_some(&self.plan));
        let attempt = Attempt { run: self.runs, step: self.doing, places: &places, elements, kept };
        self.is_stopped = !(self.observe)(&attempt);
        is_same
    }

    /// Makes as many of the edits as can be: all at once, else by halves, quarters and so on, the last ones first.
    fn apply(&mut self, mut edits: Vec<Edit>) {
        let base = self.tree.clone();
        edits.retain(|edit| !self.is_spent() && lawful(edited(&base, [edit])).is_some_and(|plan| plan != self.plan));
        let mut is_made = vec![false; edits.len()];
        let mut size = edits.len();
        while size > 0 {
            for start in (0..edits.len()).step_by(size).rev() {
                let before = is_made.clone();
                is_made[start..edits.len().min(start + size)].fill(true);
                let made: Vec<&Edit> = edits.iter().zip(&is_made).filter(|(_, is_made)| **is_made).map(|(edit, _)| edit).collect();
                if is_made != before && !self.attempt(edited(&base, made.iter().copied()), &made) {
                    is_made = before;
                }
            }
            size /= 2;
        }
    }

    /// Moves the horizon to shortly after the finding, or else nearer.
    fn cut(&mut self) {
        let horizon_ms = self.plan.horizon.0;
        let found_ms = self.finding.violations.first().map_or(horizon_ms, |violation| violation.at - self.plan.start.0);
        let last_ms = self.times().iter().filter(|(at, _)| is_moment(at)).map(|(_, ms)| *ms).max().unwrap_or(0);
        let nearer = [found_ms, last_ms, horizon_ms / 4, horizon_ms / 2, horizon_ms / 4 * 3];
        let mut nearer = nearer.map(|ms| (ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS).to_vec();
        nearer.retain(|ms| (MINUTE_MS..horizon_ms).contains(ms));
        nearer.sort_unstable();
        for ms in nearer {
            let edit = self.ending_after(ms);
            if self.attempt(edited(&self.tree, [&edit]), &[&edit]) {
                return;
            }
        }
    }

    /// Lets the plan end sooner: what begins later goes, what lasts longer ends with it.
    fn ending_after(&self, horizon_ms: i64) -> Edit {
        let mut edit = vec![("/horizon".to_owned(), text(&Span(horizon_ms)))];
        for (at, _) in self.times().into_iter().filter(|(at, ms)| is_moment(at) && *ms > horizon_ms) {
            match at.strip_suffix("/until") {
                Some(whole) if self.tree.pointer(whole).is_some_and(|whole| whole.get("every").is_some()) => {
                    edit.push((at, text(&Offset::After(horizon_ms))));
                }
                Some(_) => edit.push((at, Value::Null)),
                None => edit.push((element_around(&at).to_owned(), Value::Null)),
            }
        }
        edit
    }

    /// All places where a time of the plan stands, in milliseconds after its start.
    fn times(&self) -> Vec<(String, i64)> {
        let start = self.plan.start.0;
        let time = |(at, value): (String, &Value)| match serde_json::from_value::<Offset>(value.clone()) {
            Ok(offset) if at != "/start" && last(&at) != "clock_off" => Some((at, offset.at(start) - start)),
            _ => None,
        };
        leaves(&self.tree).into_iter().filter_map(time).collect()
    }

    /// Times and durations cut down to whole units.
    fn rounded(&self, unit_ms: i64) -> Vec<Edit> {
        let down = |ms: i64| ms.div_euclid(unit_ms) * unit_ms;
        let times = self.times().into_iter().map(|(at, ms)| vec![(at, text(&Offset::After(down(ms))))]);
        let spans = leaves(&self.tree).into_iter().filter_map(|(at, value)| {
            let span = serde_json::from_value::<Span>(value.clone()).ok()?;
            (at != "/horizon" && span.0 >= unit_ms).then(|| vec![(at, text(&Span(down(span.0))))])
        });
        times.chain(spans).collect()
    }

    /// Draws together what lies apart: everything from some moment on comes sooner by as much.
    fn close_gaps(&mut self) {
        let mut nth = 0;
        while !self.is_spent() {
            let moments: BTreeSet<i64> = self.times().into_iter().map(|(_, ms)| ms).chain([0]).collect();
            let moments: Vec<i64> = moments.into_iter().collect();
            let Some(&[before, after]) = moments.get(nth..nth + 2) else { return };
            for short_ms in [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS].into_iter().filter(|short_ms| *short_ms < after - before) {
                let sooner_ms = after - before - short_ms;
                let later = self.times().into_iter().filter(|(_, ms)| *ms >= after);
                let mut edit: Edit = later.map(|(at, ms)| (at, text(&Offset::After(ms - sooner_ms)))).collect();
                edit.push(("/horizon".to_owned(), text(&Span((self.plan.horizon.0 - sooner_ms).max(MINUTE_MS)))));
                if self.attempt(edited(&self.tree, [&edit]), &[&edit]) {
                    break;
                }
            }
            nth += 1;
        }
    }
}

fn tree_of(plan: &Plan) -> Value {
    serde_json::to_value(plan).expect("a plan is plain data")
}

/// The plan that a tree stands for, if it would pass as a scenario file.
fn lawful(tree: Value) -> Option<Plan> {
    let plan: Plan = serde_json::from_value(tree).ok()?;
    scenario::parse("candidate", &scenario::to_text(&plan)).ok()?.pop()
}

fn text(value: &impl ToString) -> Value {
    Value::String(value.to_string())
}

fn gone(at: String) -> Edit {
    vec![(at, Value::Null)]
}

/// Whether a time says when something happens, as opposed to a window that a caller asks for.
fn is_moment(at: &str) -> bool {
    matches!(last(at), "at" | "from" | "until")
}

/// Accounts and hubs that need not be told apart: their devices get their own, and what struck them strikes the first device.
fn implied(tree: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (owners, field) in [("accounts", "account"), ("hubs", "hub")] {
        for (n, owner) in list(tree, owners).enumerate() {
            let mut edit = gone(format!("/{owners}/{n}"));
            let is_its = |(_, device): &(usize, &Value)| device.get(field) == Some(&owner["name"]);
            for (n, _) in list(tree, "devices").enumerate().filter(is_its) {
                edit.push((format!("/devices/{n}/{field}"), Value::Null));
                if field == "account" {
                    edit.push((format!("/devices/{n}/vendor"), owner["vendor"].clone()));
                }
            }
            let first = list(tree, "devices").enumerate().find(is_its).map_or(Value::Null, |(_, device)| device["name"].clone());
            let struck = list(tree, "faults").enumerate().filter(|(_, fault)| fault.get("on") == Some(&owner["name"]));
            edit.extend(struck.map(|(n, _)| (format!("/faults/{n}/on"), first.clone())));
            edits.push(edit);
        }
    }
    edits
}

/// Noise that strikes the first command instead of one in so many.
fn counted(tree: &Value) -> Vec<Edit> {
    let ratios = places(tree).into_iter().filter_map(|(at, _)| at.strip_suffix("/one_in").map(str::to_owned));
    ratios.map(|fault| vec![(format!("{fault}/one_in"), Value::Null), (format!("{fault}/first"), 1.into())]).collect()
}

/// Numbers brought down to this one. An index into a list is no figure.
fn numbers(tree: &Value, to: u64) -> Vec<Edit> {
    let greater =
        |(at, value): &(String, &Value)| last(at) != "step" && !is_element(at) && value.as_u64().is_some_and(|number| number > to);
    leaves(tree).into_iter().filter(greater).map(|(at, _)| vec![(at, to.into())]).collect()
}

/// PINs of one digit again and again, each its own; wherever a PIN stands it changes alike.
fn plain_pins(tree: &Value) -> Vec<Edit> {
    let mut pins: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, value) in leaves(tree).into_iter().filter(|(at, _)| matches!(last(at), "pin" | "new_pin")) {
        value.as_str().into_iter().for_each(|pin| pins.entry(pin).or_default().push(at.clone()));
    }
    let is_plain = |pin: &str| pin.chars().all(|digit| pin.starts_with(digit));
    let mut free = ('1'..='9').filter(|digit| !pins.keys().any(|pin| is_plain(pin) && pin.starts_with(*digit)));
    let odd = pins.iter().filter(|(pin, _)| !is_plain(pin));
    odd.zip(&mut free)
        .map(|((pin, places), digit)| {
            let plain = text(&digit.to_string().repeat(pin.len()));
            places.iter().map(|at| (at.clone(), plain.clone())).collect()
        })
        .collect()
}

/// Numbered names counted anew: L1, L2 for locks, A, B for codes. A name without a number was given by somebody who meant it.
fn plain_names(tree: &Value) -> BTreeMap<String, String> {
    let is_of = |lists: &[&str], name: &str| lists.iter().any(|owners| list(tree, owners).any(|owner| owner["name"] == *name));
    let (numbered, meant): (Vec<String>, Vec<String>) =
        declared(tree).into_iter().partition(|name| name.bytes().any(|byte| byte.is_ascii_digit()) && !is_of(&["accounts", "hubs"], name));
    let mut locks = (1..).map(|n| format!("L{n}")).filter(|name| !meant.contains(name));
    let mut codes = ('A'..='Z').map(String::from).filter(|name| !meant.contains(name));
    let plainer = |name: String| {
        let plain = if is_of(&["devices"], &name) { locks.next() } else { codes.next() };
        plain.map(|plain| (name, plain))
    };
    numbered.into_iter().filter_map(plainer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::plan_of_seed;
    use crate::mutant::mutant;
    use crate::plan::Action;
    use crate::run::{Options, run};
    use crate::verdict::Verdict;

    const AMPLE: Budget = Budget { runs: 2_000, time: Duration::from_mins(10) };

    /// What a broken controller breaks.
    fn broken(plan: &Plan) -> Option<Finding> {
        let mutant = mutant("counts-pins").expect("a mutant of ours");
        run(plan, mutant.controllers().as_ref(), Options::default()).finding
    }

    /// A guest's code among many others, on three locks, with trouble that has no part in it.
    fn long_story() -> Plan {
        let text = r#"{
            "name": "long", "horizon": "9h", "entropy": 7, "noise_seed": 11,
            "accounts": [{ "name": "acct1", "vendor": "generic_cloud", "rate_per_minute": 60 }],
            "devices": [
                { "name": "L1", "account": "acct1", "schedules": false },
                { "name": "L2", "vendor": "generic_slot" },
                { "name": "L3", "account": "acct1", "schedules": false, "memory": [{ "pin": "2580" }, { "owner": "C0" }] }
            ],
            "steps": [
                { "at": "+1m3s", "repeat": { "times": 9, "every": "10m" }, "do": { "create": { "code": "C1{i}", "on": "L1", "pin": "712{i}" } } },
                { "at": "+5m", "repeat": { "times": 9, "every": "10m" }, "do": { "create": { "code": "C2{i}", "on": "L2" } } },
                { "at": "+2h7m9s", "do": { "create": { "code": "guest", "on": "L3", "pin": "004711", "starts": "+2h10m", "ends": "+4h20m17s" } } },
                { "at": "+3h", "repeat": { "times": 9, "every": "10m" }, "do": { "delete": "C2{i}" } }
            ],
            "faults": [
                { "quirk": "link_loses_answer", "on": "L1", "from": "+1h", "until": "+2h", "one_in": 3 },
                { "quirk": "cloud_down", "on": "acct1", "from": "+20m", "until": "+1h" }
            ],
            "crashes": [{ "when": { "in_call": { "step": 3, "outputs": 2 } }, "down": "10s" }]
        }"#;
        scenario::parse("long", text).unwrap().remove(0)
    }

    #[test]
    fn a_long_story_becomes_a_short_one_with_the_same_finding() {
        let long = long_story();
        let shrunk = shrink(&long, AMPLE, &broken, &mut |_| true).unwrap();
        assert_eq!(shrunk.finding.fingerprint, broken(&long).unwrap().fingerprint);
        assert_eq!(broken(&shrunk.plan), Some(shrunk.finding.clone()));
        assert!(shrunk.is_finished && shrunk.elements_before > 35, "{shrunk:#?}");
        // A lock, and the code whose zeros are lost.
        let steps: Vec<_> = shrunk.plan.steps.iter().map(|step| &step.action).collect();
        assert!(matches!(steps[..], [Action::Create(_)]) && shrunk.elements == 2, "{:#?}", shrunk.plan);
        assert_eq!(scenario::parse("shrunk", &scenario::to_text(&shrunk.plan)).unwrap(), [shrunk.plan]);
    }

    #[test]
    fn the_same_story_shrinks_to_the_same() {
        let shrunk = [(); 2].map(|()| shrink(&long_story(), AMPLE, &broken, &mut |_| true).unwrap());
        assert_eq!((&shrunk[0].plan, shrunk[0].runs), (&shrunk[1].plan, shrunk[1].runs));
    }

    #[test]
    fn nothing_found_is_nothing_to_shrink() {
        assert!(shrink(&plan_of_seed(3), AMPLE, &|_| None, &mut |_| true).is_none());
    }

    #[test]
    fn a_budget_ends_it_with_what_it_has() {
        let shrunk = shrink(&long_story(), Budget { runs: 6, ..AMPLE }, &broken, &mut |_| true).unwrap();
        assert!(shrunk.runs == 6 && !shrunk.is_finished && shrunk.elements < shrunk.elements_before, "{shrunk:#?}");
        assert!(broken(&shrunk.plan).is_some());
        let hasty = shrink(&long_story(), Budget { time: Duration::ZERO, ..AMPLE }, &broken, &mut |_| true).unwrap();
        assert_eq!((hasty.runs, hasty.plan), (1, long_story()));
    }

    #[test]
    fn who_watches_sees_each_step_and_may_stop_it() {
        let mut kept = Vec::new();
        let mut watch = |attempt: &Attempt| {
            kept.extend(attempt.kept.cloned());
            kept.len() < 3
        };
        let shrunk = shrink(&long_story(), AMPLE, &broken, &mut watch).unwrap();
        assert!(kept.len() == 3 && !shrunk.is_finished);
        assert_eq!(kept.last(), Some(&shrunk.plan));
    }

    /// What a plan says of something, as a finding.
    fn seen(is_seen: bool) -> Option<Finding> {
        is_seen.then(|| Finding { verdict: Verdict::Safety, violations: Vec::new(), fingerprint: "seen".to_owned() })
    }

    #[test]
    fn of_any_plan_that_is_left_which_is_looked_for() {
        let deletes = |plan: &Plan| seen(plan.steps.iter().any(|step| matches!(step.action, Action::Delete(_))));
        let crashes = |plan: &Plan| seen(!plan.crashes.is_empty());
        for seed in 0..30 {
            let plan = plan_of_seed(seed);
            // A lock, its code or the entry that it has from the start, and the deletion.
            let deleting = shrink(&plan, AMPLE, &deletes, &mut |_| true);
            assert!(deleting.is_none_or(|shrunk| shrunk.elements == 3 && shrunk.plan.horizon.0 == MINUTE_MS), "seed {seed}");
            // A crash may need a call to happen in.
            let crashing = shrink(&plan, AMPLE, &crashes, &mut |_| true);
            assert!(crashing.is_none_or(|shrunk| shrunk.elements <= 4), "seed {seed}");
        }
    }
}
