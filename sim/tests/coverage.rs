//! The stories raise every row of `keyway coverage`, and clear it, but for those that the domain knows never to be raised or cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use keyway_core::id::CodeId;
use keyway_core::platform::Reference;
use keyway_sim::coverage::{Coverage, Kind};
use keyway_sim::occurrence::Occurrence;
use keyway_sim::run::{Options, run};
use keyway_sim::scenario::{files_below, read};
use rayon::prelude::*;

/// Never raised: no lock has one (`V-18`).
const NEVER_RAISED: [&str; 1] = ["error auxiliary_heat_running"];
/// Never cleared: they end with their record (lifecycle.md 9).
const NEVER_CLEARED: [&str; 3] = [
    "error igloohome_offline_access_code_no_variance_available",
    "warning igloo_algopin_must_be_used_within_24_hours",
    "warning management_transferred",
];

#[test]
fn no_row_is_empty_but_those_that_are_named_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let plans: Vec<_> = files_below(&folder)
        .expect("the scenarios")
        .iter()
        .flat_map(|file| read(file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))))
        .collect();
    let options = Options { keep_log: true, unjudged: true, ..Options::default() };
    let outcomes: Vec<_> = plans.par_iter().map(|plan| run(plan, &Reference::new(), options)).collect();
    let mut coverage = Coverage::default();
    plans.iter().zip(&outcomes).for_each(|(plan, outcome)| coverage.take(plan, outcome));
    let named = |kind: Kind, name: &str| format!("{} {name}", format!("{kind:?}").to_lowercase());
    let rows = |is_missing: &dyn Fn(&keyway_sim::coverage::Row) -> bool| -> BTreeSet<String> {
        coverage.rows.iter().filter(|row| is_missing(row)).map(|row| named(row.kind, &row.name)).collect()
    };
    let set = |list: &[&str]| -> BTreeSet<String> { list.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(rows(&|row| row.raised == 0), set(&NEVER_RAISED), "rows that no story raises");
    let not_cleared = rows(&|row| row.raised > 0 && row.cleared == Some(0));
    let never: BTreeSet<String> = set(&NEVER_CLEARED).into_iter().filter(|name| not_cleared.contains(name)).collect();
    assert_eq!(not_cleared, never, "rows that no story clears");
    // What never is cleared stays as long as its record; the end of the record counts as an end of it as well.
    for (plan, outcome) in plans.iter().zip(&outcomes) {
        let mut carried: BTreeMap<CodeId, BTreeSet<String>> = BTreeMap::new();
        for (_, occurrence) in &outcome.log {
            let Occurrence::Recorded { code, after } = occurrence else { continue };
            let Some(record) = after else {
                carried.remove(code);
                continue;
            };
            let errors = record.errors.iter().map(|entry| named(Kind::Error, entry.error_code.name()));
            let warnings = record.warnings.iter().map(|entry| named(Kind::Warning, entry.warning_code.name()));
            let now: BTreeSet<String> = errors.chain(warnings).filter(|name| NEVER_CLEARED.contains(&name.as_str())).collect();
            let before = carried.insert(*code, now.clone()).unwrap_or_default();
            assert!(before.is_subset(&now), "{}: {before:?} end before their record", plan.name);
        }
    }
}
