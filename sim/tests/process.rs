//! The example controllers of other languages, each through the happy stories and a field case, and what they say against the published schema.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use keyway_sim::process::{Processes, schema};
use keyway_sim::verdict::Verdict;
use keyway_sim::{Story, Told};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The example under the interpreter; none, with a word, where the interpreter is absent.
fn controller(interpreter: &str, file: &str) -> Option<Processes> {
    let version = Command::new(interpreter).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: there is no `{interpreter}` here, so {file} was not run");
        return None;
    }
    let file = root().join("sim/examples").join(file);
    Some(Processes::new(&format!("{interpreter} '{}'", file.display()), Duration::from_mins(1)).expect("it starts"))
}

fn stories(file: &str) -> Vec<Story> {
    Story::read(&root().join("scenarios").join(file)).expect("a good scenario")
}

fn broken(told: &Told) -> Vec<String> {
    told.outcome.finding.iter().flat_map(|finding| &finding.violations).map(|violation| violation.id.clone()).collect()
}

fn is_modest(controllers: &Processes, caught_by: &str) {
    for file in ["generic-cloud", "generic-slot", "august", "smartthings"] {
        for story in stories(&format!("happy/{file}.json")) {
            let (told, again) = (story.tell(controllers), story.tell(controllers));
            told.assert_passed();
            assert!(told.trace() == again.trace(), "the same story gives the same bytes");
        }
    }
    for story in stories("field/F-01-the-cloud-said-502.json") {
        let told = story.tell(controllers);
        assert_eq!(told.verdict, Verdict::Safety, "{}", told.page());
        assert!(broken(&told).iter().any(|id| id == caught_by), "{}", told.page());
    }
}

#[test]
fn the_one_in_python_is_modest_and_is_caught() {
    if let Some(controllers) = controller("python3", "controller.py") {
        is_modest(&controllers, "I-DEV-09");
    }
}

#[test]
fn the_one_in_javascript_is_modest_and_is_caught() {
    if let Some(controllers) = controller("node", "controller.mjs") {
        is_modest(&controllers, "I-DEV-06");
    }
}

#[test]
fn the_exchange_in_the_page_is_what_the_schema_says() {
    let page = std::fs::read_to_string(root().join("sim/examples/README.md")).expect("the page");
    let schema = schema();
    let of = |definition: &str| {
        let schema = serde_json::json!({ "$ref": format!("#/$defs/{definition}"), "$defs": schema["$defs"] });
        jsonschema::validator_for(&schema).expect("a schema")
    };
    let (question, reply) = (of("Question"), of("Reply"));
    let mut seen = [0, 0];
    for line in page.lines() {
        let (validator, text, count) = match (line.strip_prefix("> "), line.strip_prefix("< ")) {
            (Some(text), _) => (&question, text, &mut seen[0]),
            (_, Some(text)) => (&reply, text, &mut seen[1]),
            _ => continue,
        };
        let value = serde_json::from_str(text).unwrap_or_else(|wrong| panic!("{wrong}: {text}"));
        let wrong: Vec<String> = validator.iter_errors(&value).map(|wrong| format!("{}: {wrong}", wrong.instance_path())).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{text}");
        *count += 1;
    }
    assert!(seen[0] >= 5 && seen[0] == seen[1], "questions and replies: {seen:?}");
}
