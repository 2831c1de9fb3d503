//! The page of a run or of a sweep for a browser: one file with everything in it, which loads nothing from anywhere.

use serde::Serialize;

use crate::verdict::Verdict;

mod data;
mod fold;
mod rules;
mod sweep;

pub use fold::Recorded;
pub use rules::of_event as rule_of_event;
pub use sweep::of_sweep;

/// What is said above the picture, and is not in the record of the run.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// What the run came to.
    pub verdict: Verdict,
    /// Whether that is as the plan expects.
    pub is_as_expected: bool,
    /// The command that shows it again.
    pub replay: &'a str,
    /// The rolling hash.
    pub hash: &'a str,
}

/// The page of a run.
#[must_use]
pub fn of_run(run: Recorded<'_>, head: Head<'_>) -> String {
    let page = data::Page {
        verdict: head.verdict.name(),
        is_as_expected: head.is_as_expected,
        replay: head.replay.to_owned(),
        hash: head.hash.to_owned(),
        ..fold::page_of(run)
    };
    assembled(&page.title, &page, include_str!("run.html"), include_str!("run.js"))
}

/// Puts a page together.
fn assembled(title: &str, data: &impl Serialize, body: &str, script: &str) -> String {
    // Nothing in a text may end the element that holds the data, whatever a scenario file is named.
    let data = serde_json::to_string(data).unwrap_or_default().replace('<', "\\u003c");
    let title = escaped(title);
    let style = include_str!("page.css");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · Keyway</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )
}

/// A text that stands for itself in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests;
