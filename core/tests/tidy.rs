//! The walls of the house: cited rules exist, the wings stay apart, core stays pure, and no source knows the machine it was written on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keyway_core::rule;

struct Source {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
}

/// All files of the workspace with one of these extensions, in order of their paths.
fn sources(extensions: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the workspace");
    let (mut folders, mut found) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // What is built, fetched, found or hidden is nobody's source.
            let is_ours =
                !name.starts_with('.') && !["target", "corpus", "artifacts", "keyway-findings", "mutants.out"].contains(&name.as_str());
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if path.is_file() && path.extension().is_some_and(|extension| extensions.iter().any(|each| extension == *each)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().map(|path| read(root, &path)).collect()
}

fn read(root: &Path, path: &PathBuf) -> Source {
    let relative = path.strip_prefix(root).expect("a file of the workspace").to_string_lossy().replace('\\', "/");
    Source { path: relative, text: fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The places at which `word` stands with no word character on either side; an end that is none itself is not looked beyond.
fn standing<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back().is_some_and(is_word) && word.starts_with(is_word);
        let after = text[at + word.len()..].chars().next().is_some_and(is_word) && word.ends_with(is_word);
        !before && !after
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// What stands before the two digits of an id; an invariant's family follows its letter.
const FAMILIES: [&str; 10] = ["T", "R-", "V-", "P-", "EO-", "EV-", "A-", "IN-", "I-", "F-"];

/// The length of the id that a text begins with, if it does: a family, two digits, and then no word character.
fn id_length(text: &str) -> Option<usize> {
    FAMILIES.into_iter().find_map(|family| {
        let mut rest = text.strip_prefix(family)?;
        if family == "I-" {
            rest = rest.trim_start_matches(|character: char| character.is_ascii_uppercase());
            let has_name = rest.len() + family.len() < text.len();
            rest = rest.strip_prefix('-').filter(|_| has_name)?;
        }
        let is_end = !rest.chars().nth(2).is_some_and(is_word);
        let has_digits = rest.chars().take(2).filter(char::is_ascii_digit).count() == 2;
        (is_end && has_digits).then(|| text.len() - rest.len() + 2)
    })
}

/// The ids that a text cites, and where.
fn ids(text: &str) -> Vec<(usize, &str)> {
    let mut previous = ' ';
    let mut found = Vec::new();
    for (at, character) in text.char_indices() {
        if !is_word(previous)
            && let Some(length) = id_length(&text[at..])
        {
            found.push((at, &text[at..at + length]));
        }
        previous = character;
    }
    found
}

#[test]
fn the_scanner_knows_an_id() {
    let text = "T07, `R-20` (V-03); EO-04/EV-05 A-01 IN-01 I-DEV-05's F-24-P-12- T01-T02 é T03 \
                T0 T100 R-1 XR-20 I-dev-05 2026-01-05T08:00 I--05 UTF-16 R-20a I-DEV-123";
    let found: Vec<_> = ids(text).into_iter().map(|(_, id)| id).collect();
    assert_eq!(found, ["T07", "R-20", "V-03", "EO-04", "EV-05", "A-01", "IN-01", "I-DEV-05", "F-24", "P-12", "T01", "T02", "T03"]);
    assert_eq!(ids("x R-20"), [(2, "R-20")]);
}

#[test]
fn cited_rules_exist() {
    let mut unknown = Vec::new();
    for source in sources(&["rs", "md", "json"]) {
        if source.path == "core/tests/tidy.rs" {
            continue;
        }
        for (at, id) in ids(&source.text).into_iter().filter(|(_, id)| rule::statement(id).is_none()) {
            unknown.push(format!("{}:{}: no rule {id}", source.path, line_of(&source.text, at)));
        }
    }
    assert!(unknown.is_empty(), "\n{}", unknown.join("\n"));
}

/// Which of `names`, modules at the crate's root, a source of core names.
fn named_modules(text: &str, names: &[&'static str]) -> BTreeSet<&'static str> {
    let dense = dense(text);
    let mut found = BTreeSet::new();
    for name in names {
        for start in ["crate::", "super::", "keyway_core::"] {
            if standing(&dense, &format!("{start}{name}")).next().is_some() {
                found.insert(*name);
            }
            // A group: the names at its top level.
            for (at, _) in dense.match_indices(&format!("{start}{{")) {
                if top_level(&dense[at + start.len() + 1..]).any(|item| item.split(|c: char| !is_word(c)).next() == Some(name)) {
                    found.insert(*name);
                }
            }
        }
    }
    found
}

/// The text with a space only where it keeps two words apart.
fn dense(text: &str) -> String {
    let mut dense = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if dense.chars().next_back().is_some_and(is_word) && word.starts_with(is_word) {
            dense.push(' ');
        }
        dense.push_str(word);
    }
    dense
}

/// The items of a brace group whose opening brace was read, as far as the first inner brace each.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.into_iter()
}

#[test]
fn the_scanner_knows_a_module() {
    let names = ["world", "problem"];
    for (text, expected) in [
        ("use crate::world::lock;", vec!["world"]),
        ("use crate::{\n    id::{world, Slot},\n    problem::ErrorCode,\n};", vec!["problem"]),
        ("use crate::{pin, world as w};", vec!["world"]),
        ("use crate::world as w;", vec!["world"]),
        ("/// See [`crate::world`].", vec!["world"]),
        ("use super::super::world;", vec!["world"]),
        ("use crate::worlds; use crate::id::world; let world = 1;", vec![]),
    ] {
        assert_eq!(named_modules(text, &names).into_iter().collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn the_wings_stay_apart() {
    let mut wrong = Vec::new();
    for source in sources(&["rs"]) {
        let forbidden: &[&str] = match source.path.as_str() {
            path if path.starts_with("core/src/platform") => &["world"],
            path if path.starts_with("core/src/world") => &["platform", "problem"],
            // The crate's root and the wings declare and document themselves; the vocabulary knows neither wing.
            path if path.starts_with("core/src/") && path != "core/src/lib.rs" => &["platform", "world"],
            _ => &[],
        };
        wrong.extend(named_modules(&source.text, forbidden).into_iter().map(|name| format!("{} names {name}", source.path)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether a source is part of what core is for its users: tests have std, and print.
fn is_shipped(path: &str) -> bool {
    path.starts_with("core/src/") && !path.contains("/tests/")
}

#[test]
fn core_stays_pure() {
    let mut wrong = Vec::new();
    for source in sources(&["rs"]).iter().filter(|source| is_shipped(&source.path)) {
        for word in ["HashMap", "HashSet", "f32", "f64", "std::"] {
            wrong.extend(standing(&source.text, word).map(|at| format!("{}:{}: {word}", source.path, line_of(&source.text, at))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_source_knows_a_machine() {
    let mut wrong = Vec::new();
    for source in sources(&["rs", "md", "json", "toml", "yml", "yaml", "snap"]) {
        // In two halves, so that this file does not name them.
        for (first, second) in [("/tm", "p/"), ("/wor", "k/"), ("/hom", "e/"), ("/Use", "rs/")] {
            let path = format!("{first}{second}");
            wrong.extend(source.text.match_indices(&path).map(|(at, _)| format!("{}:{}: {path}", source.path, line_of(&source.text, at))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
