//! The page of a sweep: what was found, how often, and whether the judge had anything to judge.

use serde::Serialize;

use super::assembled;
use super::rules::says;
use crate::sweep::{Summary, Swept};

/// What the page is drawn from.
#[derive(Debug, Serialize)]
struct Page<'a> {
    title: String,
    #[serde(flatten)]
    summary: &'a Summary,
    failed: u64,
    /// For each finding, the statements of what it broke, by id.
    statements: std::collections::BTreeMap<&'a str, &'static str>,
    /// What the command line that runs a seed again says of the world and of who is tested, with a space before.
    words: &'a str,
    /// For each mark, how often it was hit in all.
    times: std::collections::BTreeMap<&'a str, u64>,
}

/// The page of a sweep; `words` is what a command line says after a seed to run it as it was, with a space before.
#[must_use]
pub fn of_sweep(swept: &Swept, summary: &Summary, words: &str) -> String {
    let title = format!("seeds {}..{}", summary.seeds.start, summary.seeds.end);
    let broken = summary.findings.iter().flat_map(|group| group.ids());
    let statements = broken.chain(summary.armed.keys().map(String::as_str)).map(|id| (id, says(id))).collect();
    let times = swept.tally.marks.iter().map(|(mark, hits)| (mark.as_str(), hits.times)).collect();
    let page = Page { failed: summary.failed(), title: title.clone(), summary, statements, words, times };
    assembled(&title, &page, include_str!("sweep.html"), include_str!("sweep.js"))
}
