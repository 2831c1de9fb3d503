//! A run as a picture of at most a screen: what was true at the doors above, what the controller believed below, and under
//! them the same moments in words.
//!
//! A column is a moment at which something changed, not a fixed span of time: what matters in these stories happens within
//! seconds of each other and then not for hours.

use std::fmt::Write as _;

use keyway_core::port::Place;
use keyway_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

use super::telling::{Said, Side, Telling, Weight as Told, problems, shown_device};
use super::{Look, words};
use crate::occurrence::{Facts, Occurrence};
use crate::plan::Plan;
use crate::view::View;

/// What is to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Timeline<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What never changed.
    pub facts: &'a Facts,
    /// What happened.
    pub log: &'a [(Timestamp, Occurrence)],
    /// The violating instant; nothing after it is drawn.
    pub violated_at: Option<Timestamp>,
    /// Words of the finding: locks and codes in it are drawn first.
    pub about: &'a str,
}

/// The rows of each half of the picture, at most.
const LANES_MAX: usize = 9;

/// The columns of the picture, at most.
const COLUMNS_MAX: usize = 22;

/// The moments in words, unless the picture has room for more.
const MOMENTS_MAX: usize = 16;

/// Among more moments than this of one weight the oldest go first.
const CROWD: usize = 400;

/// The characters before the first column: at least, and at most.
const MARGINS: [usize; 2] = [16, 26];

/// Where fewer characters than this fit in a line, what happened stands under its time instead of beside it.
const NARROW: usize = 64;

/// An instant at which something changed.
#[derive(Clone, Debug)]
struct Moment {
    at: Timestamp,
    world: Vec<String>,
    controller: Vec<String>,
    weight: Weight,
    lanes: Lanes,
}

/// How much is lost if a moment is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Traffic.
    Quiet,
    /// Something changed.
    Change,
    /// The plan tells of it, or the finding is about it.
    Told,
    /// The beginning, or the violation.
    Edge,
}

/// The state of each lane: for truth and for belief, by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lanes {
    truth: BTreeMap<Row, Segment>,
    belief: BTreeMap<Row, Segment>,
}

/// A row of the picture: of which lock or code, and which of its rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    of: String,
    part: String,
}

/// What a row shows from one moment to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    text: String,
    stroke: char,
}

impl Timeline<'_> {
    /// The picture and its words.
    #[must_use]
    pub fn draw(&self, look: Look) -> String {
        let all = Fold::new(self).moments();
        let count = all.len();
        let columns = ((look.width.saturating_sub(MARGINS[0])) / 8).clamp(2, COLUMNS_MAX);
        let moments: Vec<(usize, Moment)> = (1..).zip(self.weightiest(all, columns.max(MOMENTS_MAX), |moment| moment)).collect();
        let mut drawn = moments.clone();
        if drawn.len() > columns {
            // A column in which nothing begins or ends shows nothing.
            drawn.dedup_by(|(_, later), (_, earlier)| later.lanes == earlier.lanes && later.weight != Weight::Edge);
        }
        let mut text = self.picture(look, &self.weightiest(drawn, columns, |(_, moment)| moment));
        text.push('\n');
        let clocks = moments.iter().map(|(_, moment)| words::clock(self.plan, moment.at).chars().count()).max().unwrap_or(0).max(11);
        for (number, moment) in &moments {
            text.push_str(&self.in_words(look, *number, clocks, moment));
        }
        if count > moments.len() {
            let left_out = format!("{} quieter moments left out; `--trace FILE` writes them all", count - moments.len());
            text.push_str(&look.dim(&look.wrapped("    ", &left_out)));
            text.push('\n');
        }
        text
    }

    /// At most so many moments. The quietest go first: of equal ones the earliest where a violation is what they lead to, and else the one after
    /// which another follows soonest.
    fn weightiest<T>(&self, mut moments: Vec<T>, count: usize, moment_of: impl Fn(&T) -> &Moment) -> Vec<T> {
        for weight in [Weight::Quiet, Weight::Change, Weight::Told] {
            let is_meant = |moment: &T| moment_of(moment).weight == weight;
            let members = moments.iter().filter(|moment| is_meant(moment)).count();
            let surplus = moments.len().saturating_sub(count).min(members);
            // Traffic, or a crowd, is not worth the search for pauses.
            let is_led_up_to = self.violated_at.is_some() || weight == Weight::Quiet;
            let mut by_age = if is_led_up_to { surplus } else { surplus.min(members.saturating_sub(CROWD)) };
            let by_pause = surplus - by_age;
            moments.retain(|moment| {
                let goes = by_age > 0 && is_meant(moment);
                by_age -= usize::from(goes);
                !goes
            });
            for _ in 0..by_pause {
                let at = |n: usize| moments.get(n).map_or(i64::MAX, |moment| moment_of(moment).at.0);
                let least = (0..moments.len()).filter(|n| is_meant(&moments[*n])).min_by_key(|n| at(*n + 1).saturating_sub(at(*n)));
                let Some(least) = least else { break };
                moments.remove(least);
            }
        }
        moments
    }

    fn picture(&self, look: Look, moments: &[(usize, Moment)]) -> String {
        let halves = [true, false].map(|truth| self.rows(moments, truth));
        // Names get what the columns can spare.
        let labels = halves.iter().flat_map(|(rows, _)| rows).map(|row| label_of(row, usize::MAX).chars().count() + 3).max().unwrap_or(0);
        let spare = look.width.saturating_sub(7 * moments.len()).clamp(MARGINS[0], MARGINS[1]);
        let margin = labels.clamp(MARGINS[0], spare);
        let column = ((look.width.saturating_sub(margin)) / moments.len().max(1)).clamp(6, 20);
        let mut numbers = format!("{:<margin$}", "");
        for (number, moment) in moments {
            let mark = if Some(moment.at) == self.violated_at { "!" } else { "" };
            write!(numbers, "{:<column$}", format!("{number}{mark}")).unwrap_or_default();
        }
        let mut text = format!("{}\n", look.dim(numbers.trim_end()));
        for ((title, truth), (rows, left_out)) in [("at the door", true), ("the controller believes", false)].into_iter().zip(halves) {
            writeln!(text, "{}", look.bold(title)).unwrap_or_default();
            for row in rows {
                let line = line_of(&row, moments, truth, margin, column);
                writeln!(text, "{}", line.trim_end()).unwrap_or_default();
            }
            if left_out > 0 {
                writeln!(text, "  and {left_out} more").unwrap_or_default();
            }
        }
        text
    }

    /// The rows to draw, those that the finding is about first, and how many are left out.
    fn rows(&self, moments: &[(usize, Moment)], truth: bool) -> (Vec<Row>, usize) {
        let lanes = |moment: &Moment| if truth { moment.lanes.truth.clone() } else { moment.lanes.belief.clone() };
        let mut rows: Vec<Row> = moments.iter().flat_map(|(_, moment)| lanes(moment).into_keys()).collect();
        rows.sort();
        rows.dedup();
        let count = rows.len();
        let about = words_of(self.about);
        let is_about = |row: &Row| about.contains(&row.of.as_str());
        let mut kept: Vec<Row> = rows.iter().filter(|row| is_about(row)).cloned().collect();
        kept.extend(rows.iter().filter(|row| !is_about(row)).cloned());
        kept.truncate(LANES_MAX);
        kept.sort();
        let left_out = count - kept.len();
        (kept, left_out)
    }

    fn in_words(&self, look: Look, number: usize, clocks: usize, moment: &Moment) -> String {
        let is_violation = Some(moment.at) == self.violated_at;
        let mark = if is_violation { "!" } else { " " };
        let clock = words::clock(self.plan, moment.at);
        let is_narrow = look.width < NARROW;
        let head = if is_narrow { format!("{number:>2}{mark} {clock}\n") } else { format!("{number:>2}{mark} {clock:<clocks$} ") };
        let rest = " ".repeat(if is_narrow { 4 } else { head.chars().count() });
        let mut text = if is_narrow { head.clone() } else { String::new() };
        let nothing = [if is_violation { "its time is over" } else { "nothing" }.to_owned()];
        let is_empty = moment.world.is_empty() && moment.controller.is_empty();
        let world = if is_empty { &nothing[..] } else { &moment.world };
        for (who, what) in [("world", world), ("controller", &moment.controller)] {
            if what.is_empty() {
                continue;
            }
            let first = if text.is_empty() { &head } else { &rest };
            writeln!(text, "{}", look.wrapped(&format!("{first}{who:<11} "), &what.join("; "))).unwrap_or_default();
        }
        if is_violation { look.bad(text.trim_end()) + "\n" } else { text }
    }
}

/// One row as text.
fn line_of(row: &Row, moments: &[(usize, Moment)], truth: bool, margin: usize, column: usize) -> String {
    let room = margin - 3;
    let label = label_of(row, room);
    let mut line = format!("  {label:<room$} ");
    let segment = |moment: &Moment| if truth { moment.lanes.truth.get(row).cloned() } else { moment.lanes.belief.get(row).cloned() };
    let mut i = 0;
    while i < moments.len() {
        let here = segment(&moments[i].1);
        let length = moments[i..].iter().take_while(|(_, moment)| segment(moment) == here).count();
        line.push_str(&drawn(here.as_ref(), length * column));
        i += length;
    }
    line
}

/// What a row is of and which of its rows it is; a long name gives way to the part, which tells rows apart.
fn label_of(row: &Row, room: usize) -> String {
    let cut = |text: &str, room: usize| -> String {
        if text.chars().count() > room { text.chars().take(room.saturating_sub(1)).chain(['…']).collect() } else { text.to_owned() }
    };
    if row.part.is_empty() {
        return cut(&row.of, room);
    }
    format!("{} {}", cut(&row.of, room.saturating_sub(row.part.chars().count() + 1)), row.part)
}

/// A segment in so many characters: its text, its stroke to the end, and a gap.
fn drawn(segment: Option<&Segment>, width: usize) -> String {
    let Some(segment) = segment else { return " ".repeat(width) };
    let room = width - 1;
    let text: String = if segment.text.chars().count() > room {
        segment.text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
    } else {
        segment.text.clone()
    };
    let mut drawn = text;
    if !drawn.is_empty() && drawn.chars().count() < room {
        drawn.push(' ');
    }
    while drawn.chars().count() < room {
        drawn.push(segment.stroke);
    }
    drawn.push(' ');
    drawn
}

/// The words of a text, as names are written.
fn words_of(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_').collect()
}

/// The stream on its way into moments.
struct Fold<'a> {
    timeline: &'a Timeline<'a>,
    view: View,
    /// Locks and codes that the finding is about.
    subjects: BTreeSet<&'a str>,
    telling: Telling<'a>,
    moments: Vec<Moment>,
    world: Vec<String>,
    controller: Vec<String>,
    weight: Weight,
}

impl<'a> Fold<'a> {
    fn new(timeline: &'a Timeline<'a>) -> Self {
        let codes = timeline.log.iter().filter_map(|(_, occurrence)| match occurrence {
            Occurrence::Bound { name, .. } => Some(name),
            _ => None,
        });
        let names: BTreeSet<&str> = codes.chain(timeline.facts.locks.iter().map(|lock| &lock.name)).map(String::as_str).collect();
        Self {
            timeline,
            view: View::naming(timeline.facts, timeline.log),
            subjects: words_of(timeline.about).into_iter().filter(|word| names.contains(word)).collect(),
            telling: Telling::of(timeline.plan),
            moments: Vec::new(),
            world: Vec::new(),
            controller: Vec::new(),
            weight: Weight::Quiet,
        }
    }

    fn moments(mut self) -> Vec<Moment> {
        let start = self.timeline.plan.start.0;
        let mut now = start;
        let mut has_started = false;
        for (at, occurrence) in self.timeline.log {
            if self.timeline.violated_at.is_some_and(|end| *at > end) {
                break;
            }
            if *at > now && has_started {
                self.close(now);
                self.edges(now, *at);
                now = *at;
            }
            if self.view.has_begun() && !has_started {
                has_started = true;
                now = *at;
                self.weight = Weight::Edge;
            }
            if has_started {
                self.tell(*at, occurrence);
            } else {
                self.telling.note(&self.view, occurrence);
            }
            self.view.observe(occurrence);
        }
        if let Some(violated_at) = self.timeline.violated_at {
            self.close_unless(now, violated_at);
            self.weight = Weight::Edge;
            self.close(violated_at);
        } else {
            self.close(now);
        }
        self.moments
    }

    /// Closes the moment `now` before another one begins.
    fn close_unless(&mut self, now: Timestamp, next: Timestamp) {
        if now == next {
            return;
        }
        self.close(now);
        self.edges(now, next);
    }

    /// Ends a moment, if anything happened in it.
    fn close(&mut self, at: Timestamp) {
        let is_empty = self.world.is_empty() && self.controller.is_empty();
        if is_empty && self.weight != Weight::Edge {
            return;
        }
        self.moments.push(Moment {
            at,
            world: std::mem::take(&mut self.world),
            controller: std::mem::take(&mut self.controller),
            weight: std::mem::replace(&mut self.weight, Weight::Quiet),
            lanes: self.lanes(at),
        });
    }

    /// The moments between two instants at which a stored window begins or ends.
    fn edges(&mut self, from: Timestamp, to: Timestamp) {
        let mut now = from;
        loop {
            let of_lock = |lock: &crate::view::LockView| -> Option<Timestamp> {
                let edges =
                    lock.entries().filter_map(|(_, entry)| entry.kept_window()).flat_map(|window| [window.starts_at, window.ends_at]);
                edges.map(|edge| edge - lock.clock_off_ms).filter(|edge| *edge > now && *edge < to).min()
            };
            let Some(edge) = self.view.locks.iter().filter_map(of_lock).min() else { return };
            for lock in &self.view.locks {
                for (_, entry) in lock.entries() {
                    let (before, after) = (lock.opens(entry, edge - 1), lock.opens(entry, edge));
                    if before != after {
                        let does = if after { "opens from now on" } else { "opens no longer" };
                        let owner = words::owner(&self.view, entry);
                        self.world.push(format!("{} of {owner} {does} at {}", entry.pin, lock.name));
                    }
                }
            }
            self.weight = Weight::Change;
            self.close(edge);
            now = edge;
        }
    }

    fn tell(&mut self, now: Timestamp, occurrence: &Occurrence) {
        let Some(Said { side, weight, what }) = self.telling.tell(now, &self.view, occurrence) else { return };
        let weight =
            match weight {
                Told::Quiet => Weight::Quiet,
                // A finding has a subject of its own; what it is not about is one change among others.
                Told::Change | Told::Told if !self.subjects.is_empty() => {
                    if words_of(&what).iter().any(|word| self.subjects.contains(word)) { Weight::Told } else { Weight::Change }
                }
                Told::Change => Weight::Change,
                Told::Told => Weight::Told,
            };
        self.weight = self.weight.max(weight);
        match side {
            Side::World => self.world.push(what),
            Side::Controller => self.controller.push(what),
        }
    }

    /// All rows as they are at this instant.
    fn lanes(&self, now: Timestamp) -> Lanes {
        let mut lanes = Lanes::default();
        for lock in &self.view.locks {
            let row = |part: &str| Row { of: lock.name.clone(), part: part.to_owned() };
            match (lock.works, lock.is_reachable, lock.faults + lock.slow_jobs) {
                (false, _, _) => lanes.truth.insert(row("path"), Segment { text: "dead".to_owned(), stroke: '×' }),
                (true, false, _) => lanes.truth.insert(row("path"), Segment { text: "down".to_owned(), stroke: '×' }),
                (true, true, 1..) => lanes.truth.insert(row("path"), Segment { text: "faulty".to_owned(), stroke: '░' }),
                (true, true, 0) => lanes.truth.insert(row("path"), Segment { text: String::new(), stroke: '─' }),
            };
            for (place, entry) in lock.entries() {
                let stroke = if lock.opens(entry, now) { '━' } else { '·' };
                let part = match place {
                    Place::Slot(slot) => format!("slot {:>2}", slot.0),
                    Place::Handle(handle) => format!("entry {:>2}", handle.0),
                };
                let text = format!("{} {}", entry.pin, words::owner(&self.view, entry));
                lanes.truth.insert(row(&part), Segment { text, stroke });
            }
            let problems = self.view.devices.get(&lock.device).map(shown_device).unwrap_or_default();
            if !problems.is_empty() {
                lanes.belief.insert(row(""), Segment { text: problems, stroke: '─' });
            }
        }
        for (code, record) in &self.view.records {
            let row = |part: &str| Row { of: self.view.label(*code).to_owned(), part: part.to_owned() };
            let status = if record.is_scheduled_on_device && record.status.name() == "unset" { "scheduled" } else { record.status.name() };
            let stroke = if status == "set" { '━' } else { '─' };
            lanes.belief.insert(row(""), Segment { text: status.to_owned(), stroke });
            let problems = problems(record);
            if !problems.is_empty() {
                lanes.belief.insert(row("has"), Segment { text: problems.join(", "), stroke: '─' });
            }
        }
        if self.view.is_down {
            lanes.belief.insert(Row { of: "(down)".to_owned(), part: String::new() }, Segment { text: String::new(), stroke: '×' });
        }
        lanes
    }
}
