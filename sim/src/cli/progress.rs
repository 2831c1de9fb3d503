//! A progress bar on standard error, for work of more than a second on a terminal; silent everywhere else.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How far a piece of work is.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    total: u64,
    unit: &'static str,
    ends_at: Option<Instant>,
    bar: Option<ProgressBar>,
    is_terminal: bool,
}

impl Progress {
    /// Work of so many units begins.
    #[must_use]
    pub fn of(total: u64, unit: &'static str) -> Self {
        Self { begun: Instant::now(), total, unit, ends_at: None, bar: None, is_terminal: std::io::stderr().is_terminal() }
    }

    /// It ends after this time, done or not.
    #[must_use]
    pub fn within(self, budget: Option<Duration>) -> Self {
        Self { ends_at: budget.map(|budget| self.begun + budget), ..self }
    }

    /// So many units are done.
    pub fn done(&mut self, count: u64) {
        self.done_and(count, String::new);
    }

    /// So many units are done, and this is worth to be told, such as `3 findings`.
    pub fn done_and(&mut self, count: u64, news: impl FnOnce() -> String) {
        if !self.is_terminal || self.begun.elapsed() < Duration::from_secs(1) {
            return;
        }
        let (total, unit, ends_at) = (self.total, self.unit, self.ends_at);
        let bar = self.bar.get_or_insert_with(|| bar(total, unit, ends_at));
        bar.set_message(news());
        bar.set_position(count);
    }

    /// Prints with the bar out of the way.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// All is done; the bar goes.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u64, unit: &str, ends_at: Option<Instant>) -> ProgressBar {
    let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} {unit}, {{rate}} a second, {{msg}}{{left}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // A bar that can't be written is no bar.
    let rate = |state: &ProgressState, text: &mut dyn Write| {
        let _ = write!(text, "{:.0}", state.per_sec());
    };
    let left = move |state: &ProgressState, text: &mut dyn Write| {
        let budget = ends_at.map_or(Duration::MAX, |ends_at| ends_at.saturating_duration_since(Instant::now()));
        let _ = write!(text, "{:#}", indicatif::HumanDuration(state.eta().min(budget)));
    };
    ProgressBar::new(total).with_style(style.with_key("rate", rate).with_key("left", left))
}
