//! What `run` and `check` are pointed at: files, folders with all scenario files in them, and seeds.

use std::path::{Path, PathBuf};

use super::Refused;
use crate::bytes::plan_of_bytes;
use crate::plan::Plan;
use crate::scenario::{self, nearest};

/// Something to run.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A scenario file.
    File(PathBuf),
    /// The plan of a seed.
    Seed(u64),
    /// The plan of a fuzzer's input.
    Bytes(PathBuf),
}

/// The targets of the words of a command line, in their order; the files of a folder by name.
pub fn targets(words: &[String]) -> Result<Vec<Target>, Refused> {
    let mut targets = Vec::new();
    for word in words {
        if let Some(file) = word.strip_prefix("bytes:") {
            targets.push(Target::Bytes(PathBuf::from(file)));
            continue;
        }
        match word.strip_prefix("seed:") {
            Some(number) => {
                let seed = number.parse::<u64>().map_err(|_| Refused::Word {
                    message: format!("`{word}` names no seed"),
                    help: Some("expected a whole number, such as seed:4711".to_owned()),
                })?;
                targets.push(Target::Seed(seed));
            }
            None => targets.extend(files_of(Path::new(word))?.into_iter().map(Target::File)),
        }
    }
    Ok(targets)
}

/// The plan of an input of the fuzz target `lifecycle`.
pub fn plan_of_input(path: &Path) -> Result<Plan, Refused> {
    let bytes = std::fs::read(path).map_err(|wrong| Refused::Word {
        message: format!("{}: can't be read: {wrong}", path.display()),
        help: Some("expected an input of the fuzz target `lifecycle`".to_owned()),
    })?;
    Ok(Plan { name: format!("bytes-{:016x}", keyway_core::draw::digest(&bytes)), ..plan_of_bytes(&bytes) })
}

/// The files of the words of a command line.
pub fn files(words: &[String]) -> Result<Vec<PathBuf>, Refused> {
    let mut files = Vec::new();
    for word in words {
        files.extend(files_of(Path::new(word))?);
    }
    Ok(files)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, Refused> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = scenario::files_below(path)?;
    if files.is_empty() {
        let message = format!("{}: the folder holds no scenario file", path.display());
        let mut names = Vec::new();
        others(path, &mut names);
        let help = names.first().map_or_else(
            || "expected at least one file whose name ends in .json".to_owned(),
            |other| format!("expected a file whose name ends in .json; there is `{other}`"),
        );
        return Err(Refused::Word { message, help: Some(help) });
    }
    Ok(files)
}

/// Files that were perhaps meant to be scenario files.
fn others(folder: &Path, names: &mut Vec<String>) {
    let Ok(entries) = folder.read_dir() else { return };
    names.extend(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
    names.retain(|name| name.rsplit_once('.').is_some_and(|(_, ending)| nearest(ending, &["json"]).is_some()));
    names.sort();
}
