//! The folder of findings: the plan of the lowest seed of each fingerprint, on the disk before anything else is done with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::plan::Plan;
use crate::scenario;

/// Keeps the plans that failed.
#[derive(Debug)]
pub struct Keeper {
    folder: Option<PathBuf>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The lowest seed so far of each fingerprint, with its file.
    first: BTreeMap<String, (u64, PathBuf)>,
    /// Seeds whose plan could not be written, and why.
    unwritten: BTreeMap<u64, String>,
}

impl Keeper {
    /// One that writes to this folder; none: it writes nothing.
    #[must_use]
    pub fn new(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_owned), kept: Mutex::default() }
    }

    /// Writes the plan, unless a lower seed has told the same.
    pub fn keep(&self, seed: u64, fingerprint: &str, plan: &Plan) {
        let Some(folder) = &self.folder else { return };
        let Ok(mut kept) = self.kept.lock() else { return };
        if kept.first.get(fingerprint).is_some_and(|(first, _)| *first < seed) {
            return;
        }
        let file = folder.join(format!("{}.json", plan.name));
        let before = kept.first.insert(fingerprint.to_owned(), (seed, file.clone()));
        match scenario::write(&file, &scenario::to_text(plan)) {
            // One that can't be removed does no harm.
            Ok(()) => drop(before.map(|(_, before)| fs::remove_file(before))),
            Err(wrong) => drop(kept.unwritten.insert(seed, format!("{}: {wrong}", folder.display()))),
        }
    }

    /// Seeds whose plan could not be written, and why.
    #[must_use]
    pub fn unwritten(&self) -> BTreeMap<u64, String> {
        self.kept.lock().map(|kept| kept.unwritten.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::plan_of_seed;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_lowest_seed_of_each_fingerprint_stays() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(Some(folder.path()));
        for (seed, fingerprint) in [(7, "a"), (9, "a"), (8, "b"), (3, "a")] {
            keeper.keep(seed, fingerprint, &plan_of_seed(seed));
        }
        assert_eq!(names(folder.path()), ["seed-3.json", "seed-8.json"]);
        assert!(keeper.unwritten().is_empty());
    }

    #[test]
    fn what_can_t_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let keeper = Keeper::new(Some(&file));
        keeper.keep(1, "a", &plan_of_seed(1));
        assert!(keeper.unwritten()[&1].starts_with(&file.display().to_string()));
    }
}
