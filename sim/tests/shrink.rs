//! `keyway shrink` as a program: what it writes and says, and what it says of a story in which nothing is broken.

use std::path::Path;
use std::process::{Command, Output};

use keyway_sim::plan::Plan;
use keyway_sim::scenario::{parse, read, to_text};

/// A story with a wish that nobody can meet, among much that has nothing to do with it.
fn story(end: &str) -> Plan {
    let text = format!(
        r#"{{
            "name": "long", "horizon": "6h",
            "devices": [{{ "name": "L1", "vendor": "generic_slot" }}, {{ "name": "L2", "vendor": "august" }}],
            "steps": [
                {{ "at": "+1m", "repeat": {{ "times": 8, "every": "5m" }}, "do": {{ "create": {{ "code": "C{{i}}", "on": "L1", "pin": "712{{i}}" }} }} }},
                {{ "at": "+1h7m3s", "do": {{ "create": {{ "code": "guest", "on": "L2", "pin": "4711" }} }} }}
            ],
            "faults": [{{ "quirk": "bridge_unplugged", "on": "L2", "from": "+2h", "until": "+3h" }}],
            "expect": {{ "end": {{ "codes": {{ "guest": "{end}", "C1": "set" }} }} }}
        }}"#
    );
    parse("story.json", &text).unwrap().remove(0)
}

fn keyway(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyway")).args(arguments).current_dir(folder).output().expect("the program starts")
}

#[test]
fn a_failing_story_gets_a_small_one_beside_it_that_fails_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("story.json"), to_text(&story("gone"))).unwrap();
    let output = keyway(folder.path(), &["shrink", "story.json", "--budget", "600s"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && output.stderr.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("long: 12 elements down to 2, ") && said.contains("nothing more helps"), "{said}");
    let small = read(&folder.path().join("story-small.json")).unwrap().remove(0);
    assert_eq!((small.devices.len(), small.steps.len(), small.faults.len()), (1, 1, 0));
    assert_eq!(keyway(folder.path(), &["run", "story-small.json"]).status.code(), Some(13));
}

#[test]
fn a_story_in_which_nothing_is_broken_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("story.json"), to_text(&story("set"))).unwrap();
    let output = keyway(folder.path(), &["shrink", "story.json", "-o", "small.json"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: story.json: nothing is broken in it, so there is nothing to shrink\n  help: expected a story that `keyway run` finds something in\n"
    );
    assert!(!folder.path().join("small.json").exists());
}
