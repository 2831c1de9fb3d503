//! Hand-written streams, each met or missed by exactly the expectation that is meant.

use keyway_core::access_code::Status::{Set, Setting};
use keyway_core::event::EventType;
use keyway_core::problem::ErrorCode;
use keyway_core::request::Refusal;

use super::*;
use crate::handwritten::{Hand, code};

/// A story with these expectations; its steps create A and B on L1 and try A's PIN at +10m and every minute from +20m to +22m.
fn story(expect: &str) -> Hand {
    Hand::telling(&format!(
        r#"{{ "name": "hand", "horizon": "1h", "devices": [{{ "name": "L1", "vendor": "generic_slot", "slots": 5 }}],
             "steps": [
               {{ "at": "+0s", "do": {{ "create": {{ "code": "A", "on": "L1", "pin": "4711" }} }} }},
               {{ "at": "+1m", "do": {{ "create": {{ "code": "B", "on": "L1", "pin": "2222" }} }} }}
             ],
             "expect": {{ {expect} }} }}"#
    ))
}

/// A is created, stored and shown as set within ten seconds.
fn plain(hand: &mut Hand) {
    hand.created(0, "A", "4711").sets_slot("A", 1, "4711");
    hand.at("+5s").stored(1, "4711", Some("A"), None);
    hand.at("+10s").event("A", EventType::SetOnDevice).shown("A", "4711", Set, &[]);
}

fn missed(hand: &Hand, end: &str) -> Vec<String> {
    let mut expect = Expect::new(&hand.plan, &hand.facts);
    for (at, occurrence) in &hand.log {
        expect.observe(*at, occurrence);
    }
    let end: Offset = serde_json::from_value(end.into()).unwrap();
    expect.finish(hand.plan.instant(end)).into_iter().map(|violation| violation.what).collect()
}

#[test]
fn a_story_as_expected_misses_nothing() {
    let mut hand = story(
        r#""at": [{ "at": "+2s", "state": { "codes": { "A": "setting" }, "memory": { "L1": [] } } }],
           "end": { "codes": { "A": "set" }, "errors": { "A": [], "L1": [] }, "free_slots": { "L1": 4 },
                    "memory": { "L1": [{ "slot": 1, "pin": "4711", "owner": "A" }] } },
           "events": { "A": ["created", "set_on_device"] }, "unmanaged_events": { "L1": [] },
           "bounds": [{ "on": "L1", "code": "A", "count": "writes", "min": 1, "max": 1 }],
           "never": [{ "status": { "code": "A", "is": "set", "without_pin": "4711" } }]"#,
    );
    plain(&mut hand);
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
}

#[test]
fn states_are_compared_after_their_instant() {
    let mut hand = story(r#""at": [{ "at": "+10s", "state": { "codes": { "A": "setting" } } }]"#);
    plain(&mut hand);
    assert_eq!(missed(&hand, "+1h"), ["at +10s A must be setting, but is set"]);
}

#[test]
fn memory_is_compared_whole_and_in_any_order() {
    let expect = r#""end": { "memory": { "L1": [{ "pin": "9009", "owner": "none" }, { "not_slot": 2, "owner": "A" }] } }"#;
    let mut hand = story(expect);
    plain(&mut hand);
    hand.stored(2, "9009", None, None);
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
    hand.stored(3, "1111", None, None);
    assert_eq!(
        missed(&hand, "+1h"),
        [
            "at the end L1 must hold [9009 of nobody, not slot 2 of A], but holds [slot 1 4711 of A, slot 2 9009 of nobody, slot 3 1111 of nobody]"
        ]
    );
}

#[test]
fn statuses_and_errors_are_exact() {
    let mut hand = story(
        r#""end": { "codes": { "A": "gone", "B": "set" }, "errors": { "A": ["failed_to_set_on_device", "duplicate_code_on_device?"] } }"#,
    );
    plain(&mut hand);
    hand.shown("A", "4711", Setting, &[ErrorCode::DuplicateCodeOnDevice]);
    assert_eq!(
        missed(&hand, "+1h"),
        [
            "at the end A must be gone, but is setting",
            "at the end B must be set, but is never created",
            "at the end the errors of A must be [failed_to_set_on_device, duplicate_code_on_device?], but are [duplicate_code_on_device]",
        ]
    );
    hand.add(Occurrence::Recorded { code: code("A"), after: None });
    let missed = missed(&hand, "+1h");
    assert_eq!(missed.len(), 2, "{missed:?}");
}

#[test]
fn patterns_of_events() {
    let pattern = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (words, seen, expected) in [
        (&["created", "set"][..], &["created", "set"][..], true),
        (&["created", "set"], &["created"], false),
        (&["created", "delay?", "set"], &["created", "set"], true),
        (&["created", "delay?", "set"], &["created", "delay", "set"], true),
        (&["created", "delay?", "set"], &["created", "delay", "delay", "set"], false),
        (&["created", "changed*"], &["created", "changed", "changed"], true),
        (&["created", "*"], &["created"], true),
        (&["created", "*", "deleted"], &["created", "a", "b", "deleted"], true),
        (&["created", "*", "deleted"], &["created", "a", "b"], false),
        (&[], &["created"], false),
        (&["*"], &[], true),
    ] {
        assert_eq!(matches(&pattern(words), seen), expected, "{words:?} {seen:?}");
    }
}

#[test]
fn an_event_counts_only_with_its_save() {
    let mut hand = story(r#""events": { "A": ["created", "set_on_device"] }"#);
    plain(&mut hand);
    hand.event("A", EventType::Changed);
    hand.log.pop();
    hand.add(Occurrence::Crashed).add(Occurrence::Started { restart: true }).add(Occurrence::Saved);
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
}

#[test]
fn refusals_are_awaited() {
    let mut hand = story(r#""refused": { "B": "duplicate_access_code" }"#);
    plain(&mut hand);
    assert_eq!(missed(&hand, "+1h"), ["a call for B must be refused with duplicate_access_code, but was not refused"]);
    hand.at("+1m").refused(1, Refusal::DuplicateAccessCode);
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
}

#[test]
fn bounds_count_commands_in_their_time() {
    let mut hand = story(r#""bounds": [{ "count": "writes", "on": "L1", "slots": [1, 1], "until": "+5m", "max": 1 }]"#);
    plain(&mut hand);
    hand.at("+6m").sets_slot("A", 1, "4711").sets_slot("A", 2, "4711");
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
    hand.at("+4m").sets_slot("A", 1, "4711");
    assert_eq!(missed(&hand, "+1h"), ["at most 1 writes on L1 to slots 1 to 1 until +5m, but there are 2"]);
}

#[test]
fn doors_must_do_what_is_said() {
    let text = r#"{ "name": "doors", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "generic_slot" }],
        "steps": [
          { "at": "+0s", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } },
          { "at": "+1m", "do": { "enter": { "on": "L1", "pin": "9009", "must": "refuse" } } },
          { "at": "+2m", "do": { "enter_repeatedly": { "enter": { "on": "L1", "code": "A", "must": "open" }, "every": "1m", "until": "+4m" } } }
        ] }"#;
    let mut hand = Hand::telling(text);
    plain(&mut hand);
    hand.at("+1m").entered("9009", true);
    hand.at("+2m").entered("4711", true);
    hand.at("+3m").entered("4711", false);
    assert_eq!(
        missed(&hand, "+1h"),
        [
            "the door of L1 must stay shut to 9009, but opens",
            "the door of L1 must open to 4711 of A, but stays shut",
            "the PIN of A must be entered at L1 at +4m, but never was",
        ]
    );
}

#[test]
fn what_must_never_be_seen_is_seen_once() {
    let mut hand = story(
        r#""never": [{ "twice": { "on": "L1", "pin": "4711" } }, { "problem": { "of": "A" } }, { "absent": { "code": "A", "from": "+1m" } }]"#,
    );
    plain(&mut hand);
    assert_eq!(missed(&hand, "+1h"), Vec::<String>::new());
    hand.at("+2m").stored(2, "4711", None, None).stored(3, "4711", None, None).erased(1);
    hand.shown("A", "4711", Setting, &[ErrorCode::FailedToSetOnDevice]);
    assert_eq!(
        missed(&hand, "+1h"),
        [
            "L1 must never hold 4711 twice, but does",
            "A must never be missing from L1, but is",
            "A must never show failed_to_set_on_device, but does",
        ]
    );
}

#[test]
fn required_marks_are_told_when_missing() {
    let hand = story(r#""marks": ["crash inside a step", "T07"]"#);
    let marks = BTreeMap::from([("T07", 3), ("crash inside a step", 0)]);
    assert_eq!(missing_marks(&hand.plan, &marks), ["crash inside a step"]);
}
