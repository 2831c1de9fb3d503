//! Every scenario through the reference platform: the verdict it must have, and what came of it, in a snapshot beside the scenario.

use std::collections::BTreeMap;

use keyway_core::platform::Reference;
use keyway_sim::expect::settled;
use keyway_sim::generate::plan_of_seed;
use keyway_sim::marks::OF_STORIES;
use keyway_sim::plan::Plan;
use keyway_sim::report::snapshot::snapshot;
use keyway_sim::run::{Options, Outcome, run};
use keyway_sim::scenario::read;
use keyway_sim::trace;
use keyway_sim::verdict::Verdict;

fn outcome(plan: &Plan) -> Outcome {
    run(plan, &Reference::new(), Options { keep_log: true, ..Options::default() })
}

#[test]
fn every_story_ends_as_it_must_and_as_it_did() {
    insta::glob!("../../scenarios", "**/*.json", |file| {
        let plans = read(file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100)));
        for plan in plans {
            let outcome = outcome(&plan);
            assert_eq!(settled(&plan, &outcome), Verdict::Pass, "{}: {:#?}", plan.name, outcome.finding);
            let mut beside = insta::Settings::clone_current();
            beside.set_snapshot_path(file.parent().expect("a scenario lies in a folder"));
            beside.set_prepend_module_to_snapshot(false);
            beside.remove_snapshot_suffix();
            beside.set_omit_expression(true);
            beside.remove_input_file();
            // A variant's name follows its story's; a folder's stands before it.
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let variant = plan.name.rsplit('/').next().filter(|last| *last != stem);
            let name = variant.map_or(stem.to_string(), |variant| format!("{stem}-{variant}"));
            beside.bind(|| insta::assert_snapshot!(name, snapshot(&plan, &outcome)));
        }
    });
}

#[test]
fn what_no_seed_arms_the_stories_do() {
    let mut armed = BTreeMap::<&str, u64>::new();
    insta::glob!("../../scenarios", "{linked,unmanaged,vendors,workspaces}/*.json", |file| {
        let plans = read(file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100)));
        for (mark, times) in plans.iter().flat_map(|plan| outcome(plan).marks) {
            *armed.entry(mark).or_default() += times;
        }
    });
    for id in OF_STORIES {
        assert!(armed.get(id).is_some_and(|times| *times > 0), "no story arms {id}");
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    for seed in [1, 4711] {
        let plan = plan_of_seed(seed);
        let (first, second) = (outcome(&plan), outcome(&plan));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert!(trace::text(&plan, &first) == trace::text(&plan, &second), "seed {seed}");
        assert!(first.log.len() > 100, "seed {seed} does something");
    }
    assert_ne!(outcome(&plan_of_seed(1)).hash, outcome(&plan_of_seed(4711)).hash);
}
