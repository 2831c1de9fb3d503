//! A progress bar on standard error, for work of more than a second on a terminal; silent everywhere else.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How far a piece of work is.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    total: u64,
    unit: &'static str,
    bar: Option<ProgressBar>,
    is_terminal: bool,
}

impl Progress {
    /// Work of so many units begins.
    #[must_use]
    pub fn of(total: u64, unit: &'static str) -> Self {
        Self { begun: Instant::now(), total, unit, bar: None, is_terminal: std::io::stderr().is_terminal() }
    }

    /// So many units are done.
    pub fn done(&mut self, count: u64) {
        if !self.is_terminal || self.begun.elapsed() < Duration::from_secs(1) {
            return;
        }
        let (total, unit) = (self.total, self.unit);
        self.bar.get_or_insert_with(|| bar(total, unit)).set_position(count);
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

fn bar(total: u64, unit: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
