//! What the deserializer says, in the words of people who write scenarios.

use serde_path_to_error::{Error, Path, Segment};

use super::bad_input::{Problem, unknown_word};
use super::node::{Node, Step};

/// An error of form, at its place in the file.
pub fn problem(story: &Node, wrong: &Error<serde_json::Error>) -> Problem {
    let mut path = steps(wrong.path());
    let text = wrong.inner().to_string();
    if let Some((word, known)) = unknown(&text, "unknown field ") {
        if path.last() != Some(&Step::Key(word.clone())) {
            path.push(Step::Key(word.clone()));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Problem::unknown_word("field", &word, &known, story.locate(&path, true));
    }
    if let Some((word, known)) = unknown(&text, "unknown variant ") {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let (message, help) = unknown_word(variant_of(&path), &word, &known);
        let of_key = with_key(story, &mut path, &word);
        return Problem::at(story.locate(&path, of_key), message).with_help(help);
    }
    let mut bytes = story.locate(&path, false);
    if text.starts_with("missing field") {
        bytes.end = bytes.start + 1;
    }
    Problem::at(bytes, plainly(&text))
}

fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { variant } => Some(Step::Key(variant.clone())),
        Segment::Unknown => None,
    };
    path.iter().map_while(step).collect()
}

/// If the unknown variant is the key of an object (`{"creat": ..}`), extends the path to it.
fn with_key(story: &Node, path: &mut Vec<Step>, word: &str) -> bool {
    if path.last() == Some(&Step::Key(word.to_owned())) {
        return true;
    }
    path.push(Step::Key(word.to_owned()));
    let as_key = story.locate(path, true);
    path.pop();
    if as_key == story.locate(path, true) {
        return false;
    }
    path.push(Step::Key(word.to_owned()));
    true
}

/// The word and the words known, of `unknown field `x`, expected one of `a`, `b``.
fn unknown(text: &str, prefix: &str) -> Option<(String, Vec<String>)> {
    let mut words = text.strip_prefix(prefix)?.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((words.next()?, words.collect()))
}

/// What an unknown word was meant to be, by the last key on the way to it.
fn variant_of(path: &[Step]) -> &'static str {
    let key = path.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    match key {
        Some("quirk" | "quirks") => "quirk",
        Some("vendor") => "vendor",
        Some("do") => "action",
        Some("command" | "commands") => "command",
        Some("must") => "word",
        Some("when") => "crash point",
        _ if path.iter().any(|step| *step == Step::Key("refused".into())) => "refusal",
        _ if path.iter().any(|step| *step == Step::Key("codes".into())) => "status",
        _ => "word",
    }
}

const TERMS: &[(&str, &str)] = &[
    ("did not match any variant of untagged enum RequestedPin", "expected a PIN: a string of digits"),
    ("a string", "a string"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("a boolean", "true or false"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65,535"),
    ("u32", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("i64", "a whole number"),
    ("f64", "a number"),
    ("enum ", "an object with one key, the kind of thing"),
    ("string or map", "a word, or an object with one key"),
    ("struct ", "an object"),
    ("map with a single key", "an object with one key"),
    ("newtype variant", "an object with this word as its key"),
    ("a tuple of size 2", "a list of two numbers"),
    ("tuple of 2 elements", "a list of two numbers"),
];

/// The message with the deserializer's terms replaced.
fn plainly(text: &str) -> String {
    if let Some((_, plain)) = TERMS.iter().take(1).find(|(term, _)| text.contains(term)) {
        return (*plain).to_owned();
    }
    let Some((found, expected)) = text.split_once(", expected ") else { return text.to_owned() };
    let found = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")).unwrap_or(found);
    let found = match found.split_once(' ') {
        Some(("integer" | "floating", rest)) => format!("the number {}", rest.trim_start_matches("point ")),
        Some(("string", rest)) => format!("the string {rest}"),
        Some(("boolean", rest)) => rest.to_owned(),
        _ if found == "unit variant" => "the word alone".to_owned(),
        _ if found == "map" => "an object".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    };
    let term = TERMS.iter().skip(1).find(|(term, _)| expected == *term || (term.ends_with(' ') && expected.starts_with(term)));
    format!("expected {}, found {found}", term.map_or(expected, |(_, plain)| plain))
}
