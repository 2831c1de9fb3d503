//! A run as a picture of at most a screen: what was true at the doors above, what the controller believed below, and under
//! them the same moments in words.
//!
//! A column is a moment at which something changed, not a fixed span of time: what matters in these stories happens within
//! seconds of each other and then not for hours.

use std::fmt::Write as _;

use keyway_core::port::Place;
use keyway_core::time::Timestamp;
use std::collections::BTreeMap;

use super::telling::{Said, Side, Telling, problems, shown_device};
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

/// The moments in words, at most.
const MOMENTS_MAX: usize = 22;

/// The characters before the first column.
const MARGIN: usize = 16;

/// An instant at which something changed.
#[derive(Debug)]
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
    /// The beginning, or the violation.
    Edge,
}

/// The state of each lane: for truth and for belief, by row.
#[derive(Clone, Debug, Default)]
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
        let columns = ((look.width.saturating_sub(MARGIN)) / 8).clamp(2, MOMENTS_MAX);
        let count = all.len();
        let moments = weightiest(all, columns);
        let mut text = self.picture(look, &moments);
        text.push('\n');
        for (i, moment) in moments.iter().enumerate() {
            text.push_str(&self.in_words(look, i + 1, moment));
        }
        if count > moments.len() {
            let left_out = format!("{} quieter moments left out; `--trace FILE` writes them all", count - moments.len());
            text.push_str(&look.dim(&look.wrapped("    ", &left_out)));
            text.push('\n');
        }
        text
    }

    fn picture(&self, look: Look, moments: &[Moment]) -> String {
        let column = ((look.width.saturating_sub(MARGIN)) / moments.len().max(1)).clamp(6, 20);
        let mut numbers = format!("{:<MARGIN$}", "");
        for (i, moment) in moments.iter().enumerate() {
            let mark = if Some(moment.at) == self.violated_at { "!" } else { "" };
            write!(numbers, "{:<column$}", format!("{}{mark}", i + 1)).unwrap_or_default();
        }
        let mut text = format!("{}\n", look.dim(numbers.trim_end()));
        for (title, truth) in [("at the door", true), ("the controller believes", false)] {
            writeln!(text, "{}", look.bold(title)).unwrap_or_default();
            let (rows, left_out) = self.rows(moments, truth);
            for row in rows {
                let line = line_of(&row, moments, truth, column);
                writeln!(text, "{}", line.trim_end()).unwrap_or_default();
            }
            if left_out > 0 {
                writeln!(text, "  and {left_out} more").unwrap_or_default();
            }
        }
        text
    }

    /// The rows to draw, those that the finding is about first, and how many are left out.
    fn rows(&self, moments: &[Moment], truth: bool) -> (Vec<Row>, usize) {
        let lanes = |moment: &Moment| if truth { moment.lanes.truth.clone() } else { moment.lanes.belief.clone() };
        let mut rows: Vec<Row> = moments.iter().flat_map(|moment| lanes(moment).into_keys()).collect();
        rows.sort();
        rows.dedup();
        let count = rows.len();
        let about: Vec<&str> = self.about.split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_').collect();
        let is_about = |row: &Row| about.contains(&row.of.as_str());
        let mut kept: Vec<Row> = rows.iter().filter(|row| is_about(row)).cloned().collect();
        kept.extend(rows.iter().filter(|row| !is_about(row)).cloned());
        kept.truncate(LANES_MAX);
        kept.sort();
        let left_out = count - kept.len();
        (kept, left_out)
    }

    fn in_words(&self, look: Look, number: usize, moment: &Moment) -> String {
        let is_violation = Some(moment.at) == self.violated_at;
        let mark = if is_violation { "!" } else { " " };
        let head = format!("{number:>2}{mark} {:<11} ", words::clock(self.plan, moment.at));
        let rest = " ".repeat(head.chars().count());
        let mut text = String::new();
        for (who, what) in [("world", &moment.world), ("controller", &moment.controller)] {
            if what.is_empty() {
                continue;
            }
            let first = if text.is_empty() { &head } else { &rest };
            writeln!(text, "{}", look.wrapped(&format!("{first}{who:<11} "), &what.join("; "))).unwrap_or_default();
        }
        if text.is_empty() {
            writeln!(text, "{}", head.trim_end()).unwrap_or_default();
        }
        if is_violation { look.bad(text.trim_end()) + "\n" } else { text }
    }
}

/// One row as text.
fn line_of(row: &Row, moments: &[Moment], truth: bool, column: usize) -> String {
    let room = MARGIN - 3;
    let label = label_of(row, room);
    let mut line = format!("  {label:<room$} ");
    let segment = |moment: &Moment| if truth { moment.lanes.truth.get(row).cloned() } else { moment.lanes.belief.get(row).cloned() };
    let mut i = 0;
    while i < moments.len() {
        let here = segment(&moments[i]);
        let length = moments[i..].iter().take_while(|moment| segment(moment) == here).count();
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

/// At most so many moments: the quietest go first, the earliest of them before the later ones.
fn weightiest(mut moments: Vec<Moment>, count: usize) -> Vec<Moment> {
    for weight in [Weight::Quiet, Weight::Change] {
        while moments.len() > count {
            let Some(at) = moments.iter().position(|moment| moment.weight == weight) else { break };
            moments.remove(at);
        }
    }
    moments
}

/// The stream on its way into moments.
struct Fold<'a> {
    timeline: &'a Timeline<'a>,
    view: View,
    telling: Telling<'a>,
    moments: Vec<Moment>,
    world: Vec<String>,
    controller: Vec<String>,
    weight: Weight,
}

impl<'a> Fold<'a> {
    fn new(timeline: &'a Timeline<'a>) -> Self {
        Self {
            timeline,
            view: View::naming(timeline.facts, timeline.log),
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
                self.tell(occurrence);
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
                let edges = lock.entries().filter_map(|(_, entry)| entry.window).flat_map(|window| [window.starts_at, window.ends_at]);
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

    fn tell(&mut self, occurrence: &Occurrence) {
        let Some(Said { side, is_change, what }) = self.telling.tell(&self.view, occurrence) else { return };
        self.weight = self.weight.max(if is_change { Weight::Change } else { Weight::Quiet });
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
            match (lock.works, lock.is_reachable, lock.faults) {
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
