//! `keyway new`: writes a first scenario to start from.

use std::path::Path;

use super::run::unwritten;
use super::{Refused, program, say};
use crate::scenario;
use crate::verdict::Verdict;

/// The story: short, with a fault, and it passes.
const FIRST: &str = include_str!("first.json");

/// Writes it to a file that is not there yet.
pub fn new(path: &Path) -> Result<Verdict, Refused> {
    if path.exists() {
        let help = Some("expected the name of a file that is not there yet".to_owned());
        return Err(Refused::Word { message: format!("{}: is there already", path.display()), help });
    }
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("first");
    scenario::write(path, &text(name)).map_err(|wrong| unwritten(path, &wrong))?;
    let path = path.display();
    say(&format!("{:<12}{path}\n{:<12}{} run {path} --timeline\n", "written", "run it with", program()));
    Ok(Verdict::Pass)
}

fn text(name: &str) -> String {
    FIRST.replacen("\"NAME\"", &serde_json::Value::from(name).to_string(), 1)
}

#[cfg(test)]
mod tests {
    use keyway_core::platform::{Honest, Reference};

    use super::*;
    use crate::expect::settled;
    use crate::run::{Options, run};

    #[test]
    fn the_first_story_is_valid_and_passes() {
        let plans = scenario::parse("first.json", &text("my \"first\" story")).unwrap();
        assert_eq!((plans.len(), plans[0].name.as_str()), (1, "my \"first\" story"));
        let outcome = run(&plans[0], &Reference { policy: &Honest }, Options::default());
        assert_eq!(settled(&plans[0], &outcome), Verdict::Pass);
        assert_eq!(outcome.figures.no_targets, 0);
        assert!(outcome.figures.fired > 0, "the cloud fails once");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.json");
        std::fs::write(&path, "mine").unwrap();
        assert!(new(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
