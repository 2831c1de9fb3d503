//! A progress bar on standard error, for work of more than a second on a terminal; silent everywhere else.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Work that ends sooner has no bar.
const QUIET: Duration = Duration::from_secs(1);

/// The bar is drawn anew so often, also while nothing is done.
const TICK: Duration = Duration::from_millis(250);

/// How far a piece of work is.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    unit: &'static str,
    /// None where nobody looks.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work of so many units begins.
    #[must_use]
    pub fn of(total: u64, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()));
        if let Some(bar) = &bar {
            // By itself, because one unit alone may take minutes.
            let bar = bar.downgrade();
            std::thread::spawn(move || {
                std::thread::sleep(QUIET);
                if let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                    bar.enable_steady_tick(TICK);
                }
            });
        }
        Self { begun: Instant::now(), unit, bar }.within(None)
    }

    /// It ends after this time, done or not.
    #[must_use]
    pub fn within(self, budget: Option<Duration>) -> Self {
        let ends_at = budget.map(|budget| self.begun + budget);
        if let Some(bar) = &self.bar {
            bar.set_style(style(self.unit, ends_at));
        }
        self
    }

    /// So many units are done.
    pub fn done(&mut self, count: u64) {
        self.done_and(count, String::new);
    }

    /// So many units are done, and this is worth to be told, such as `, 3 findings`.
    pub fn done_and(&mut self, count: u64, news: impl FnOnce() -> String) {
        let Some(bar) = &self.bar else { return };
        if !bar.is_hidden() {
            bar.set_message(news());
        }
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

fn style(unit: &str, ends_at: Option<Instant>) -> ProgressStyle {
    // One line, also of 80 characters with findings in it.
    let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0);
    let room = if width < 90 { 8 } else { 20 };
    let template = format!("{{bar:{room}}} {{human_pos}} of {{human_len}} {unit}{{msg}}{{pace}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // A bar that can't be written is no bar.
    style.with_key("pace", move |state: &ProgressState, text: &mut dyn Write| {
        let left = ends_at.map(|ends_at| ends_at.saturating_duration_since(Instant::now()));
        let _ = text.write_str(&pace(state.pos(), state.len().unwrap_or(0), state.elapsed(), left));
    })
}

/// How fast it goes on the whole, and for how long still: nothing before the first unit is done, because nobody knows.
#[allow(clippy::cast_precision_loss)] // For people.
fn pace(done: u64, total: u64, elapsed: Duration, left_at_most: Option<Duration>) -> String {
    let seconds = elapsed.as_secs_f64();
    if done == 0 || seconds <= 0.0 {
        return String::new();
    }
    let rate = done as f64 / seconds;
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    let left = elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64);
    let left = left_at_most.map_or(left, |most| left.min(most));
    format!(", {rate} a second, {:#} left", indicatif::HumanDuration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_whole_work() {
        let second = Duration::from_secs(1);
        assert_eq!(pace(0, 10, second, None), "");
        assert_eq!(pace(1, 3, 4 * second, None), ", 0.2 a second, 8s left");
        assert_eq!(pace(100, 1_000, 2 * second, None), ", 50 a second, 18s left");
        assert_eq!(pace(100, 1_000, 2 * second, Some(5 * second)), ", 50 a second, 5s left");
        assert_eq!(pace(10, 10, 2 * second, None), ", 5.0 a second, 0s left");
    }
}
