//! Plans as scenario files: pretty JSON that reads back to the same plan, written whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;

use crate::plan::Plan;

/// The text of a scenario file for this plan.
///
/// # Panics
/// Never: a plan is plain data.
#[must_use]
pub fn to_text(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).expect("a plan is plain data");
    text.push('\n');
    text
}

/// Writes a text to a file: beside it first, then renamed, so that nobody ever sees half of it. Missing folders are made.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
