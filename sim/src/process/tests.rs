//! Processes that do not behave: each is a verdict with its last words, soon. They are written for `sh`, which is everywhere that this runs.

use std::time::{Duration, Instant};

use crate::Story;
use crate::process::{Processes, schema};
use crate::verdict::Verdict;

/// The verdict on a process of this shell script, and why.
fn verdict(script: &str) -> (Verdict, String) {
    let story = serde_json::json!({
        "name": "n", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "generic_cloud" }],
        "steps": [{ "at": "+1m", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } }]
    });
    let story = Story::new(&story).unwrap();
    let processes = Processes::new(&format!("sh -c '{script}'"), Duration::from_millis(700)).unwrap();
    let began = Instant::now();
    let told = story.tell(&processes);
    assert!(began.elapsed() < Duration::from_secs(10), "{script}");
    let why = told.outcome.finding.map_or(String::new(), |finding| finding.violations[0].what.clone());
    (told.verdict, why)
}

#[test]
fn one_that_dies_is_broken() {
    let (verdict, why) = verdict(r#"read line; echo "{}"; read line; echo "out of milk" >&2; exit 3"#);
    assert_eq!(verdict, Verdict::Panic);
    assert!(why.contains("ended (exit status: 3)") && why.contains("out of milk"), "{why}");
}

#[test]
fn one_that_hangs_is_broken() {
    let (verdict, why) = verdict(r#"read line; echo "thinking" >&2; sleep 100 & wait"#);
    assert_eq!(verdict, Verdict::Panic);
    assert!(why.contains("did not answer within 700ms") && why.contains("thinking"), "{why}");
}

#[test]
fn one_that_never_reads_is_broken() {
    let (verdict, why) = verdict("sleep 100");
    assert_eq!(verdict, Verdict::Panic);
    assert!(why.contains("did not answer"), "{why}");
}

#[test]
fn one_that_writes_rubbish_is_broken() {
    for (rubbish, expected) in [
        ("milk", "expected value"),
        (r#"{"outputs":[{"reply":{"call_id":0}}]}"#, "outputs[0].reply"),
        (r#"{"output":[]}"#, "unknown field `output`"),
        ("{} {}", "trailing characters"),
    ] {
        let (verdict, why) = verdict(&format!("read line; echo \"{}\"", rubbish.replace('"', "\\\"")));
        assert_eq!(verdict, Verdict::Panic);
        assert!(why.contains("wrote no reply") && why.contains(expected), "{why}");
    }
}

#[test]
fn one_that_floods_is_broken() {
    let (flood, why) = verdict("while :; do echo {}; done");
    // Which of its lines pass for answers before the flood is seen, is up to the operating system.
    assert!(matches!(flood, Verdict::Panic | Verdict::Contract), "{why}");
    assert!(why.contains("spoke before it was asked") || why.contains("is not answered in its step"), "{why}");
    let (long, why) = verdict("tr \"\\0\" \"x\" < /dev/zero");
    assert_eq!(long, Verdict::Panic, "{why}");
    assert!(why.contains("a line of more than 16 MiB") || why.contains("did not answer"), "{why}");
    let (loud, why) = verdict("tr \"\\0\" \"x\" < /dev/zero >&2");
    assert_eq!(loud, Verdict::Panic, "{why}");
    assert!(why.len() < 3_000, "only the last words are kept");
}

#[test]
fn what_is_no_program_is_refused_at_once() {
    for wrong in ["", "  ", "\"", "no-such-program-anywhere --help"] {
        assert!(Processes::new(wrong, Duration::from_secs(1)).is_err(), "{wrong}");
    }
}

#[test]
fn the_schema_is_one_and_names_both_directions() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    assert!(schema["$defs"]["Question"].is_object() && schema["$defs"]["Reply"].is_object());
}
