//! What a sweep came to, for people: the findings, the most frequent first, and whether the judge had anything to judge.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::{Accepted, Ended, Group, Share, Swept};
use crate::generate::Draw;
use crate::marks::{NON_VACUITY, REQUIRED_FROM, checkers, missing};
use crate::verdict::Verdict;

/// A sweep of so many seeds in which a checker was never armed is vacuous (`I-COV-01`).
const VACUOUS_FROM: u64 = 5_000;

/// What a sweep came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The seeds, the last one excluded.
    pub seeds: Range<u64>,
    /// What their plans were drawn from.
    #[serde(skip_serializing_if = "Draw::is_default")]
    pub draw: Draw,
    /// Which of them.
    pub share: Share,
    /// Why it ended.
    pub ended: Ended,
    /// Seeds that were run; the first ones, if it ended early.
    pub ran: u64,
    /// The gravest verdict; accepted findings have none.
    pub verdict: Verdict,
    /// Findings by fingerprint, most frequent first.
    pub findings: Vec<Group>,
    /// Fingerprints of findings that are known and wait for their fix.
    pub accepted: Vec<String>,
    /// Accepted fingerprints that were not found.
    pub accepted_in_vain: Vec<String>,
    /// For each checker, the seeds in which its premise was true before the heal phase.
    pub armed: BTreeMap<String, u64>,
    /// Other marks, and the seeds that hit them.
    pub marks: BTreeMap<String, u64>,
    /// Marks that a sweep of this size must hit and that it missed.
    pub missing: Vec<&'static str>,
    /// Productive events of a seed, in the median.
    pub productive_median: u64,
    /// Faults and noise that fired in a seed, in the median.
    pub fired_median: u64,
    /// Seeds in which the controller died inside a step.
    pub crashed_inside: u64,
    /// Seeds that were run twice.
    pub compared: u64,
}

impl Summary {
    /// Sums up; findings that are accepted change no verdict.
    #[must_use]
    pub fn of(swept: &Swept, accepted: &Accepted) -> Self {
        let (tally, checkers) = (&swept.tally, checkers());
        let hits = tally.marks.iter().map(|(mark, hits)| (mark.clone(), hits.seeds));
        let (armed, marks): (BTreeMap<_, _>, BTreeMap<_, _>) = hits.partition(|(mark, _)| checkers.contains(&mark.as_str()));
        let armed = checkers.iter().map(|id| ((*id).to_owned(), armed.get(*id).copied().unwrap_or(0))).collect();
        let mut findings: Vec<Group> = tally.groups.values().cloned().collect();
        findings.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.fingerprint.cmp(&other.fingerprint)));
        let new = findings.iter().filter(|group| !accepted.has(&group.fingerprint));
        let (found, in_vain) = accepted.iter().map(str::to_owned).partition(|fingerprint| tally.groups.contains_key(fingerprint));
        let mut summary = Self {
            seeds: swept.seeds.clone(),
            draw: swept.draw.clone(),
            share: swept.share,
            ended: swept.ended,
            ran: tally.ran,
            verdict: new.map(|group| group.verdict).max().unwrap_or(Verdict::Pass),
            findings,
            accepted: found,
            accepted_in_vain: in_vain,
            armed,
            marks,
            missing: if swept.is_due(REQUIRED_FROM) { missing(&tally.marks) } else { Vec::new() },
            productive_median: tally.productive.median(),
            fired_median: tally.fired.median(),
            crashed_inside: tally.crashed_inside,
            compared: tally.compared,
        };
        let is_vacuous = swept.is_due(VACUOUS_FROM) && !summary.never_armed().is_empty() || !summary.missing.is_empty();
        if summary.verdict == Verdict::Pass && is_vacuous {
            summary.verdict = Verdict::Vacuous;
        }
        summary
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.findings.iter().map(|group| group.count).sum()
    }

    /// Checkers whose premise was true in no seed.
    #[must_use]
    pub fn never_armed(&self) -> Vec<&str> {
        self.armed.iter().filter(|(_, seeds)| **seeds == 0).map(|(id, _)| id.as_str()).collect()
    }
}

/// Fingerprints that fit on a screen beside the rest.
const GROUPS_SHOWN: usize = 12;
/// What stands before the words of a finding is as wide as this.
const BESIDE: &str = "                                    ";
/// Checkers in one line.
const CHECKERS_A_LINE: usize = 5;
/// Checkers that are named because they were never armed.
const NEVER_SHOWN: usize = 6;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Range { start, end }, Share { index, of }) = (&self.seeds, self.share);
        let share = if self.share == Share::ALL { String::new() } else { format!(", share {index}/{of}") };
        let draw = self.draw.words();
        writeln!(f, "seeds {start}..{end}{draw}{share}: {} ({} of {} failed)", self.verdict, self.failed(), self.ran)?;
        let why = match self.ended {
            Ended::Complete => None,
            Ended::Budget => Some("its time was over"),
            Ended::Interrupted => Some("it was stopped"),
            Ended::Stuck => Some("too many steps never ended"),
        };
        if let Some(why) = why {
            writeln!(f, "only {} of {} seeds were run, the first ones of each share: {why}", self.ran, self.share.size(&self.seeds))?;
        }
        self.write_findings(f)?;
        self.write_armed(f)?;
        if !self.missing.is_empty() {
            writeln!(f, "{NON_VACUITY}: missed, although so many seeds must meet it: {}", self.missing.join(", "))?;
        }
        let percent = share_of(self.crashed_inside, self.ran);
        writeln!(
            f,
            "medians: {} productive events, {} fired faults; a crash inside a step in {percent} % of the seeds",
            self.productive_median, self.fired_median
        )?;
        write!(f, "{} seeds ran twice and were compared", self.compared)
    }
}

impl Summary {
    fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() && self.accepted_in_vain.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  {:>6}  {:>10}  {:<12} broken", "seeds", "first seed", "verdict")?;
        for group in self.findings.iter().take(GROUPS_SHOWN) {
            let first = group.violations.first();
            let what = first.map_or("", |violation| violation.what.as_str());
            let line = format!("{}: {what}", group.ids().join(", "));
            let line = textwrap::fill(&line, textwrap::Options::new(100).initial_indent(BESIDE).subsequent_indent(BESIDE));
            let line = line.trim_start();
            let verdict = if self.accepted.contains(&group.fingerprint) { "accepted" } else { group.verdict.name() };
            writeln!(f, "  {:>6}  {:>10}  {verdict:<12} {line}", group.count, group.first_seed)?;
        }
        if self.findings.len() > GROUPS_SHOWN {
            writeln!(f, "  and {} kinds more; --json lists them all", self.findings.len() - GROUPS_SHOWN)?;
        }
        for fingerprint in &self.accepted_in_vain {
            writeln!(f, "accepted, but not found: {fingerprint}")?;
        }
        writeln!(f)
    }

    fn write_armed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "checkers armed before the heal phase, in percent of the seeds:")?;
        let shares: Vec<_> = self.armed.iter().map(|(id, seeds)| format!("{id:<10} {:>5}", share_of(*seeds, self.ran))).collect();
        for line in shares.chunks(CHECKERS_A_LINE) {
            writeln!(f, "  {}", line.join("   "))?;
        }
        let never = self.never_armed();
        if !never.is_empty() {
            let others = if never.len() > NEVER_SHOWN { format!(" and {} more", never.len() - NEVER_SHOWN) } else { String::new() };
            let shown: Vec<_> = never.iter().take(NEVER_SHOWN).copied().collect();
            let id = if self.verdict == Verdict::Vacuous { format!("{NON_VACUITY}: ") } else { String::new() };
            writeln!(f, "{id}never armed: {}{others}", shown.join(", "))?;
        }
        Ok(())
    }
}

/// A share in percent with one digit after the point; what is not nothing is not shown as nothing.
fn share_of(part: u64, whole: u64) -> String {
    let permille = (part * 1_000).checked_div(whole).unwrap_or(0);
    if permille == 0 && part > 0 {
        return "<0.1".to_owned();
    }
    format!("{}.{}", permille / 10, permille % 10)
}
