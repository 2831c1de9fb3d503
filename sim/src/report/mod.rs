//! What people read after a run: the failure page, the timeline, and compact text for snapshots.

pub mod ci;
pub mod html;
pub mod page;
pub mod snapshot;
mod telling;
pub mod timeline;
mod words;

/// How a page is to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Characters in a line.
    pub width: usize,
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

impl Look {
    /// For standard output as it is: its width, in a pipe that of `COLUMNS` or 100, and colours on a terminal that is not told otherwise by `NO_COLOR`.
    #[must_use]
    pub fn of_stdout() -> Self {
        use std::io::IsTerminal as _;
        let is_terminal = std::io::stdout().is_terminal();
        let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
        let width = terminal_size::terminal_size().filter(|_| is_terminal).map_or_else(told, |(width, _)| usize::from(width.0));
        Self { width: width.clamp(40, 200), colour: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn painted(self, sign: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{sign}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// In bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// As something bad.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.painted("1;31", text)
    }

    /// As something good.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.painted("32", text)
    }

    /// As something of less weight.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// The text in lines of this look's width, the first one after `first`, the others under it.
    #[must_use]
    pub fn wrapped(self, first: &str, text: &str) -> String {
        let indent = " ".repeat(first.chars().count());
        textwrap::fill(text, textwrap::Options::new(self.width).initial_indent(first).subsequent_indent(&indent))
    }
}
