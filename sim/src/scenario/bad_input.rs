//! One clear message about input that was refused: file, line, column, what was expected, and the nearest right word.

use std::fmt::{self, Write as _};
use std::ops::Range;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters, ThemeStyles};

/// What is wrong at a place in a file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong, and what was expected.
    pub message: String,
    /// Where, if it is at a place.
    pub bytes: Option<Range<usize>>,
    /// What may have been meant.
    pub help: Option<String>,
}

impl Problem {
    /// Something wrong at a place.
    pub fn at(bytes: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), bytes: Some(bytes), help: None }
    }

    /// Something wrong with the file as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), bytes: None, help: None }
    }

    /// A word that is none of those known.
    pub fn unknown_word(what: &str, word: &str, known: &[&str], bytes: Range<usize>) -> Self {
        let (message, help) = unknown_word(what, word, known);
        Self { message, bytes: Some(bytes), help }
    }

    /// With what may have been meant.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Message and help about a word that is none of those known.
#[must_use]
pub fn unknown_word(what: &str, word: &str, known: &[&str]) -> (String, Option<String>) {
    let help = match nearest(word, known) {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => None,
        None if known.len() <= 16 => Some(format!("expected one of {}", listed(known))),
        None => Some(format!("expected one of {} and {} more; `keyway schema` lists them all", listed(&known[..8]), known.len() - 8)),
    };
    (format!("unknown {what} `{word}`"), help)
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The word that was most likely meant, if one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let near = known.iter().copied().min_by_key(|known| distance(known))?;
    if distance(near) <= (word.chars().count() / 3).max(1) {
        return Some(near);
    }
    let alike = |known: &&&str| strsim::jaro_winkler(&lower, known);
    let alike = known.iter().filter(|known| alike(known) >= 0.88).max_by(|a, b| alike(a).total_cmp(&alike(b)));
    alike.copied()
}

/// Input that was refused before anything ran.
#[derive(Debug)]
pub struct BadInput {
    file: String,
    problem: Box<Problem>,
    source: Option<Box<NamedSource<String>>>,
}

impl BadInput {
    /// About the file of this name with this text; the text may be empty where there is no place to show.
    #[must_use]
    pub fn new(file: &str, text: &str, problem: Problem) -> Self {
        let source = problem.bytes.is_some().then(|| Box::new(NamedSource::new(file, text.to_owned())));
        Self { file: file.to_owned(), problem: Box::new(problem), source }
    }

    /// Line and column (in characters) of the place, both from 1.
    #[must_use]
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let text = self.source.as_ref()?.inner();
        let before = text.get(..self.problem.bytes.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// What is wrong, without its place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.problem.message
    }

    /// Whether the lines around the place are such as people can read.
    fn is_showable(&self) -> bool {
        let Some((source, (line, _))) = self.source.as_ref().zip(self.line_and_column()) else { return false };
        let mut around = source.inner().lines().skip(line.saturating_sub(2)).take(3);
        around.all(|line| line.len() <= 300 && !line.contains(|letter: char| letter.is_control() && letter != '\t'))
    }

    /// The message as people see it; with colours and line drawing for a terminal, else in plain ASCII.
    #[must_use]
    pub fn render(&self, terminal: bool, width: usize) -> String {
        let mut text = format!("error: {self}\n");
        if self.is_showable() {
            let theme = if terminal {
                GraphicalTheme::unicode()
            } else {
                GraphicalTheme { characters: ThemeCharacters::ascii(), styles: ThemeStyles::none() }
            };
            let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(width).with_context_lines(1);
            let mut page = String::new();
            if handler.render_report(&mut page, &Snippet(self)).is_ok() {
                let lines = page.lines().skip_while(|line| line.trim().is_empty()).skip(1);
                lines.for_each(|line| writeln!(text, "{}", line.trim_end()).unwrap_or_default());
                return text;
            }
        }
        if let Some(help) = &self.problem.help {
            writeln!(text, "  help: {help}").unwrap_or_default();
        }
        text
    }
}

impl fmt::Display for BadInput {
    /// One line: `file:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_and_column() {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.problem.message),
            None => write!(f, "{}: {}", self.file, self.problem.message),
        }
    }
}

impl std::error::Error for BadInput {}

/// The part of a message that shows the place in the file.
#[derive(Debug)]
struct Snippet<'a>(&'a BadInput);

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

impl std::error::Error for Snippet<'_> {}

impl Diagnostic for Snippet<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source.as_ref().map(|source| &**source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let bytes = self.0.problem.bytes.clone()?;
        // A long value is not underlined whole: its first line says enough.
        let text = self.0.source.as_ref()?.inner();
        let first_line = text.get(bytes.clone()).map_or(0, |span| span.find('\n').unwrap_or(span.len()));
        let label = LabeledSpan::new(Some("here".to_owned()), bytes.start, first_line.max(1).min(bytes.len().max(1)));
        Some(Box::new(std::iter::once(label)))
    }
}
