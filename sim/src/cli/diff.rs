//! `keyway diff`: says where two traces part.

use std::path::Path;

use serde_json::Value;

use super::{Diff, Refused, say, text_of};
use crate::diff::{Difference, first_difference};
use crate::verdict::Verdict;

/// Compares what the command line says; traces that differ have a verdict of their own.
pub fn diff(arguments: &Diff) -> Result<Verdict, Refused> {
    let (one, other) = (text_of(&arguments.one)?, text_of(&arguments.other)?);
    let found = first_difference(&one, &other).map_err(|wrong| {
        let path = if wrong.is_of_other { &arguments.other } else { &arguments.one };
        let message = format!("{}:{}:{}: {}", path.display(), wrong.line, wrong.column, wrong.message);
        Refused::Word { message, help: Some("expected what `keyway run --trace FILE` writes".to_owned()) }
    })?;
    let text = match &found {
        _ if arguments.json => serde_json::to_string(&found).unwrap_or_default(),
        None => format!("the same: {} lines", one.lines().count()),
        Some(found) => told(found, &arguments.one, &arguments.other),
    };
    say(&(text + "\n"));
    Ok(if found.is_none() { Verdict::Pass } else { Verdict::NonDeterminism })
}

fn told(found: &Difference, one: &Path, other: &Path) -> String {
    let line = |value: &Option<Value>| value.as_ref().map_or("nothing more".to_owned(), Value::to_string);
    let place = if found.place.is_empty() { String::new() } else { format!(" at {}", found.place) };
    format!(
        "the first {} lines are the same; line {} differs{place}\n{}: {}\n{}: {}",
        found.line - 1,
        found.line,
        one.display(),
        line(&found.one),
        other.display(),
        line(&found.other),
    )
}
