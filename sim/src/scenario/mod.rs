//! Scenario files: the human form of a plan, read strictly and written back.
//!
//! A file is JSON; its form is [`Plan`], with two conveniences that are resolved before typing: `variants` of
//! one story, and `repeat` on steps and memory entries. Whatever is wrong with it, in syntax, type or meaning, becomes one
//! [`BadInput`] with its place.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::plan::Plan;

mod bad_input;
mod check;
mod explain;
mod node;
mod schema;
mod sugar;
#[cfg(test)]
mod tests;
mod write;

pub use bad_input::{BadInput, nearest};
pub use schema::schema;
pub use write::{to_text, writable, write};

use bad_input::Problem;
use node::Node;

/// The largest file that is read, in bytes.
pub const SIZE_MAX: u64 = 1 << 20;

/// The deepest nesting that is read.
const DEPTH_MAX: u32 = 127;

/// Reads a file: the story it tells, then its variants.
///
/// # Errors
/// [`BadInput`] for whatever is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Plan>, BadInput> {
    let file = path.display().to_string();
    let bytes = bytes_of(path).map_err(|problem| BadInput::new(&file, "", problem))?;
    let text = String::from_utf8(bytes).map_err(|wrong| BadInput::new(&file, "", not_utf8(&wrong)))?;
    parse(&file, &text)
}

/// All scenario files in a folder and in those within it, by name.
///
/// # Errors
/// [`BadInput`] for a folder that can't be read.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, BadInput> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BadInput> {
    let unreadable = |wrong: std::io::Error| {
        let problem = Problem::whole(format!("can't be read: {}", said(&wrong)));
        BadInput::new(&folder.display().to_string(), "", problem)
    };
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // A link to a folder could lead in circles; one to a file is as good as the file.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "json") && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn not_utf8(wrong: &std::string::FromUtf8Error) -> Problem {
    let at = wrong.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(&wrong.as_bytes()[..at]);
    let (line, column) = (before.matches('\n').count() + 1, before.chars().rev().take_while(|letter| *letter != '\n').count() + 1);
    Problem::whole(format!("no UTF-8 at line {line}, column {column} (byte {at}); expected a JSON file in UTF-8"))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |wrong: std::io::Error| {
        let nearest = (wrong.kind() == std::io::ErrorKind::NotFound).then(|| near_file(path)).flatten();
        Problem::whole(format!("can't be read: {}", said(&wrong))).with_help(nearest.map(|near| format!("did you mean `{near}`?")))
    };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let too_big = || Problem::whole(format!("bigger than {SIZE_MAX} bytes; expected a scenario file"));
    if length > SIZE_MAX {
        return Err(too_big());
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX { Err(too_big()) } else { Ok(bytes) }
}

/// What the system said, without the number of the error.
fn said(wrong: &std::io::Error) -> String {
    let text = wrong.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The file beside a missing one that was most likely meant.
fn near_file(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    let near = nearest(path.file_name()?.to_str()?, &names)?;
    Some(path.with_file_name(near).display().to_string())
}

/// Reads the text of a file of this name.
///
/// # Errors
/// [`BadInput`] for whatever is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Vec<Plan>, BadInput> {
    plans(text).map_err(|problem| BadInput::new(file, text, problem))
}

fn plans(text: &str) -> Result<Vec<Plan>, Problem> {
    let stories = sugar::stories(tree(text)?)?;
    let mut plans: Vec<Plan> = Vec::with_capacity(stories.len());
    for story in &stories {
        let plan: Plan = serde_path_to_error::deserialize(story.to_value()).map_err(|wrong| explain::problem(story, &wrong))?;
        check::check(&plan).map_err(|wrong| wrong.in_file(story))?;
        if plans.iter().any(|other| other.name == plan.name) {
            let bytes = story.locate(&[node::Step::Key("name".into())], false);
            return Err(Problem::at(bytes, format!("two variants of the name `{}`; expected each name once", plan.name)));
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// The tree of a text that is JSON to the letter.
fn tree(text: &str) -> Result<Node, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::whole("the file is empty; expected a scenario: a JSON object with `name`, `horizon` and `devices`"));
    }
    // serde_json decides what is JSON and how deep it may be; the other parser knows places and says more about what is wrong.
    let strict = serde_json::from_str::<serde_json::Value>(text);
    if let Err(wrong) = &strict
        && wrong.to_string().contains("recursion limit")
    {
        let at = offset_of(text, wrong.line(), wrong.column());
        return Err(Problem::at(at..at + 1, format!("nested deeper than {DEPTH_MAX} levels")));
    }
    let parsed = parse_to_ast(text, &CollectOptions::default(), &nothing_lenient());
    let value = match (parsed, strict) {
        (Ok(parsed), Ok(_)) => parsed.value,
        (Err(wrong), _) => {
            let range = wrong.range();
            if text[..range.start].trim().is_empty() {
                return Err(Problem::at(range.start..range.end, "no JSON; expected an object with `name`, `horizon` and `devices`"));
            }
            return Err(Problem::at(range.start..range.end, format!("no JSON: {}", sentence(&wrong.kind().to_string()))));
        }
        (Ok(_), Err(wrong)) => {
            let at = offset_of(text, wrong.line(), wrong.column());
            let message = wrong.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            return Err(Problem::at(at..at + 1, format!("no JSON: {message}")));
        }
    };
    let value = value.ok_or_else(|| Problem::whole("the file is empty; expected a scenario"))?;
    let node = Node::of(&value).map_err(|twice| Problem::at(twice.bytes, format!("the field `{}` stands here twice", twice.key)))?;
    if node.fields().is_none() {
        return Err(Problem::at(node.bytes, "expected a scenario: a JSON object with `name`, `horizon` and `devices`"));
    }
    Ok(node)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

fn nothing_lenient() -> ParseOptions {
    ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// The byte at a line and column, both from 1, of a text; kept inside it and on a character.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + column.saturating_sub(1)).min(text.len().saturating_sub(1));
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
