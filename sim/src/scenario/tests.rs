//! Tests of reading and writing scenario files: sugar, places of errors, and the way back.

use super::*;
use crate::plan::Action;

const SMALL: &str = r#"{
  "name": "small",
  "horizon": "2h",
  "devices": [{ "name": "L1", "vendor": "generic_slot" }],
  "steps": [{ "at": "+1m", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } }]
}"#;

fn refused(text: &str) -> (usize, usize, String) {
    let bad = parse("file.json", text).expect_err("this text is wrong");
    let (line, column) = bad.line_and_column().unwrap_or_default();
    (line, column, bad.message().to_owned())
}

#[test]
fn a_plan_written_down_reads_back() {
    let plans = parse("file.json", SMALL).unwrap();
    assert_eq!(plans.len(), 1);
    let again = parse("file.json", &to_text(&plans[0])).unwrap();
    assert_eq!(again, plans);
}

#[test]
fn files_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b.json");
    let plan = &parse("file.json", SMALL).unwrap()[0];
    write(&path, &to_text(plan)).unwrap();
    assert_eq!(&read(&path).unwrap()[0], plan);
    assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
}

#[test]
fn repetitions_are_counted_and_moved() {
    let text = SMALL
        .replace(r#"{ "at": "+1m", "do""#, r#"{ "repeat": { "times": 3, "every": "10m" }, "at": "+1m", "do""#)
        .replace(r#""code": "A""#, r#""code": "X{i}""#)
        .replace(r#""pin": "4711""#, r#""pin": "9{i:3}""#);
    let plan = &parse("file.json", &text).unwrap()[0];
    let seen: Vec<String> = plan
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::Create(create) => format!("{} {} {:?}", step.at, create.code, create.pin),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, [r#"+1m X1 Some(Text("9001"))"#, r#"+11m X2 Some(Text("9002"))"#, r#"+21m X3 Some(Text("9003"))"#]);
}

#[test]
fn variants_are_merged_by_the_rfc() {
    let text = SMALL.replace(
        r#""horizon": "2h","#,
        r#""horizon": "2h", "about": "x", "policy": { "retry_base": "30s" },
           "variants": [{ "name": "long", "patch": { "horizon": "3h", "about": null, "policy": { "retry_cap": "1m" } } }],"#,
    );
    let plans = parse("file.json", &text).unwrap();
    assert_eq!(plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(), ["small", "small/long"]);
    assert_eq!((plans[1].horizon.0, plans[1].about.as_str()), (3 * 3_600_000, ""));
    assert_eq!((plans[1].policy.retry_base.unwrap().0, plans[1].policy.retry_cap.unwrap().0), (30_000, 60_000));
}

#[test]
fn an_error_in_a_variant_is_shown_where_the_variant_stands() {
    let text = SMALL.replace(
        r#""horizon": "2h","#,
        "\"horizon\": \"2h\",\n\"variants\": [{ \"name\": \"v\", \"patch\": {\n  \"horizon\": \"soon\" } }],",
    );
    assert_eq!(refused(&text), (5, 14, "expected a duration such as 2h30m, 1d or 250ms".to_owned()));
}

#[test]
fn errors_have_their_places() {
    for (from, to, line, column, message) in [
        ("\"horizon\": \"2h\",", "\"horizon\": \"2h\"", 3, 18, "no JSON: expected comma"),
        ("\"horizon\"", "\"horizont\"", 3, 3, "unknown field `horizont`"),
        ("\"horizon\": \"2h\",", "", 1, 1, "missing field `horizon`"),
        ("generic_slot", "generic_slt", 4, 41, "unknown vendor `generic_slt`"),
        ("\"vendor\": \"generic_slot\"", "\"slots\": 0, \"vendor\": \"generic_slot\"", 4, 40, "a lock of 0 slots; expected 1 to 65,535"),
        ("{ \"create\"", "{ \"creat\"", 5, 36, "unknown action `creat`"),
        ("\"on\": \"L1\"", "\"on\": \"L2\"", 5, 67, "no device of the name `L2` is declared"),
        ("\"on\": \"L1\"", "\"on\": 1", 5, 67, "expected a string, found the number `1`"),
        ("\"4711\"", "\"47a1\"", 5, 80, "`47a1` is no PIN; expected a string of 1 to 19 digits"),
        ("\"4711\"", "true", 5, 80, "expected a PIN: a string of digits"),
        ("+1m", "+3h", 5, 21, "+3h is after the horizon, +2h"),
        (
            "+1m",
            "2026-01-05T07:59Z",
            5,
            21,
            "2026-01-05T07:59:00.000Z is before the start of the plan, 2026-01-05T08:00:00.000Z; expected a time from +0s on",
        ),
    ] {
        assert_eq!(refused(&SMALL.replacen(from, to, 1)), (line, column, message.to_owned()), "{from} -> {to}");
    }
}

#[test]
fn the_nearest_word_is_named() {
    for (word, known, near) in [
        ("hub_power_lst", vec!["hub_power_lost", "lock_power_lost"], Some("hub_power_lost")),
        ("L2", vec!["L1", "door"], Some("L1")),
        ("zebra", vec!["L1", "door"], None),
        ("device_ofline", vec!["device_offline", "device_removed"], Some("device_offline")),
    ] {
        assert_eq!(nearest(word, &known), near, "{word}");
    }
}
