//! What the program says to bad input: exit code 2, nothing on standard output, one clear message with its place.

use std::path::Path;
use std::process::Command;

/// A right scenario, for each test to spoil in one place.
const RIGHT: &str = r#"{
  "name": "spoiled",
  "horizon": "6h",
  "hubs": [{ "name": "H1" }],
  "devices": [
    { "name": "L1", "vendor": "generic_slot", "hub": "H1", "slots": 10, "memory": [{ "slot": 1, "pin": "1234", "owner": "B" }] },
    { "name": "L2", "vendor": "generic_cloud" }
  ],
  "steps": [
    { "at": "+1m", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } },
    { "at": "+2h", "do": { "delete": "B" } }
  ],
  "faults": [{ "quirk": "hub_power_lost", "on": "H1", "from": "+10m", "until": "+40m" }],
  "expect": {
    "end": { "codes": { "A": "set", "B": "gone" }, "errors": { "A": [] } },
    "events": { "A": ["created", "set_on_device"] },
    "bounds": [{ "on": "L1", "count": "writes", "max": 3 }]
  }
}
"#;

/// What the program says, run in this folder.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway")).args(arguments).current_dir(folder).output().expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "", "bad input must leave standard output alone");
    assert_eq!(output.status.code(), Some(2), "{err}");
    format!("$ keyway {}\n{err}", arguments.join(" "))
}

fn check(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("story.json"), bytes).expect("a file");
    said(folder.path(), &["check", "story.json"])
}

/// The messages for a right scenario with one text replaced by another, one after the other.
fn spoiled(changes: &[(&str, &str)]) -> String {
    let mut messages = String::new();
    for (from, to) in changes {
        assert!(RIGHT.contains(from), "{from}");
        messages.push_str(&check(RIGHT.replacen(from, to, 1).as_bytes()));
        messages.push('\n');
    }
    messages
}

#[test]
fn the_right_one_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("story.json"), RIGHT).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_keyway")).args(["check", "."]).current_dir(folder.path()).output().expect("the program");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1 story in 1 file: all well\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn malformed_json() {
    let messages = spoiled(&[
        ("\"horizon\": \"6h\",", "\"horizon\": \"6h\""),
        ("\"max\": 3 }]", "\"max\": 3 },]"),
        ("\"spoiled\"", "'spoiled'"),
        ("\"horizon\"", "// a comment\n  \"horizon\""),
        ("\"max\": 3", "\"max\": 03"),
        ("\"horizon\": \"6h\",", "\"horizon\": \"6h\", \"horizon\": \"7h\","),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn unknown_fields() {
    let messages = spoiled(&[
        ("\"horizon\"", "\"horzion\""),
        ("\"slots\": 10", "\"slot\": 10"),
        ("\"pin\": \"4711\"", "\"pincode\": \"4711\""),
        ("\"max\": 3", "\"zebra\": 3"),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn wrong_types() {
    let messages = spoiled(&[
        ("\"slots\": 10", "\"slots\": \"ten\""),
        ("\"slots\": 10", "\"slots\": 1.5"),
        ("[\"created\", \"set_on_device\"]", "\"created\""),
        ("{ \"delete\": \"B\" }", "\"delete\""),
        ("{ \"delete\": \"B\" }", "{ \"delete\": { \"code\": \"B\" } }"),
        ("\"pin\": \"1234\"", "\"pin\": 1234"),
        ("\"name\": \"spoiled\",", ""),
        ("{ \"delete\": \"B\" }", "{ \"delete\": \"B\", \"get\": \"B\" }"),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn a_sixth_lock_on_a_bridge() {
    let lock = |n: u32| format!(r#"{{ "name": "L{n}", "vendor": "igloohome", "hub": "B1" }}"#);
    let plan = |locks: u32| {
        let devices: Vec<String> = (1..=locks).map(lock).collect();
        format!(r#"{{ "name": "many", "horizon": "1h", "hubs": [{{ "name": "B1" }}], "devices": [{}] }}"#, devices.join(", "))
    };
    let message = check(plan(6).as_bytes());
    assert!(message.contains("a bridge of igloohome serves 5 locks at most, and `B1` has as many already"), "{message}");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("five.json"), plan(5)).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_keyway")).args(["check", "."]).current_dir(folder.path()).output().expect("the program");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn no_threads_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = said(folder.path(), &["sweep", "--seeds", "0..10", "--threads", "0"]);
    assert!(message.contains("0 is not in 1.."), "{message}");
}

#[test]
fn bad_times() {
    let messages = spoiled(&[
        ("\"6h\"", "\"six hours\""),
        ("\"6h\"", "\"6:00:00\""),
        ("\"+1m\"", "\"1m\""),
        ("\"+1m\"", "\"-1m\""),
        ("\"+1m\"", "\"2026-01-05T07:59Z\""),
        ("\"+1m\"", "\"2026-03-29T01:30[Europe/Berlim]\""),
        ("\"+1m\"", "\"+7h\""),
        ("\"+40m\"", "\"+5m\""),
        ("\"6h\"", "\"0s\""),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn unknown_words_and_names() {
    let messages = spoiled(&[
        ("\"generic_slot\"", "\"generic_slit\""),
        ("\"hub_power_lost\"", "\"hub_power_cut\""),
        ("\"create\"", "\"crate\""),
        ("\"on\": \"L1\", \"pin\"", "\"on\": \"L3\", \"pin\""),
        ("\"delete\": \"B\"", "\"delete\": \"C\""),
        ("\"delete\": \"B\"", "\"delete\": \"L1\""),
        ("\"hub\": \"H1\"", "\"hub\": \"H2\""),
        ("\"hub\": \"H1\"", "\"account\": \"acct\""),
        ("\"A\": \"set\"", "\"A\": \"sett\""),
        ("\"A\": []", "\"A\": [\"device_ofline\"]"),
        ("\"set_on_device\"]", "\"set_on_devise\"]"),
        ("\"expect\": {", "\"expect\": { \"verdict\": \"I-STA-1\","),
        ("\"vendor\": \"generic_cloud\"", "\"vendor\": \"generic_cloud\", \"zone\": \"Europe/Berlim\""),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn wrong_in_meaning() {
    let messages = spoiled(&[
        ("\"name\": \"L2\"", "\"name\": \"L1\""),
        ("\"owner\": \"B\"", "\"owner\": \"A\""),
        ("\"pin\": \"4711\"", "\"pin\": \"47a1\""),
        ("\"pin\": \"4711\"", "\"pin\": 4711"),
        ("\"pin\": \"1234\"", "\"pin\": \"12 34\""),
        ("\"slots\": 10", "\"slots\": 0"),
        ("\"slots\": 10", "\"slots\": 65536"),
        ("\"slot\": 1,", "\"slot\": 11,"),
        (", \"vendor\": \"generic_cloud\"", ""),
        ("\"on\": \"H1\"", "\"on\": \"L2\""),
        ("\"hub_power_lost\"", "\"lock_power_lost\""),
        ("\"hub_power_lost\"", "\"zeros_when_empty\""),
        ("\"max\": 3", "\"from\": \"+1h\""),
        ("\"steps\"", "\"crashes\": [{ \"when\": { \"after_reply\": { \"step\": 2 } }, \"down\": \"15s\" }],\n  \"steps\""),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn sugar_that_is_wrong() {
    let messages = spoiled(&[
        ("\"horizon\": \"6h\",", "\"horizon\": \"6h\",\n  \"variants\": [{ \"name\": \"v\", \"patch\": { \"horizon\": \"soon\" } }],"),
        ("\"horizon\": \"6h\",", "\"horizon\": \"6h\",\n  \"variants\": [{ \"name\": \"v\" }],"),
        ("{ \"at\": \"+1m\"", "{ \"repeat\": { \"times\": 0, \"every\": \"1m\" }, \"at\": \"+1m\""),
        ("{ \"at\": \"+1m\"", "{ \"repeat\": { \"times\": 3, \"every\": \"1m\" }, \"at\": \"+1m\""),
        ("{ \"at\": \"+1m\"", "{ \"repeat\": { \"time\": 3 }, \"at\": \"+1m\""),
    ]);
    insta::assert_snapshot!(messages);
}

#[test]
fn files_that_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    std::fs::create_dir(path.join("empty")).expect("a folder");
    std::fs::write(path.join("story.json"), RIGHT).expect("a file");
    std::fs::write(path.join("nothing.json"), "").expect("a file");
    std::fs::write(path.join("blank.json"), " \n\n").expect("a file");
    std::fs::write(path.join("list.json"), "[]").expect("a file");
    std::fs::write(path.join("zeros.json"), vec![0; 1000]).expect("a file");
    std::fs::write(path.join("huge.json"), vec![0; 50 << 20]).expect("a file");
    std::fs::write(path.join("deep.json"), "[".repeat(200_000)).expect("a file");
    std::fs::write(path.join("latin1.json"), b"{ \"name\": \"T\xfcr\" }").expect("a file");
    let mut messages = String::new();
    for file in ["empty", "stori.json", "nothing.json", "blank.json", "list.json", "zeros.json", "huge.json", "deep.json", "latin1.json"] {
        messages.push_str(&said(path, &["check", file]));
        let (checked, run) = (said(path, &["check", file]), said(path, &["run", file]));
        assert_eq!(checked.split_once('\n').map(|(_, message)| message), run.split_once('\n').map(|(_, message)| message));
        messages.push('\n');
    }
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    std::fs::write(path.join("deep.json"), deep).expect("a file");
    messages.push_str(&said(path, &["check", "deep.json"]));
    insta::assert_snapshot!(messages);
}

/// As root everything is readable, so the message is only looked at where the system refuses.
#[cfg(unix)]
#[test]
fn a_file_that_is_not_readable() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("story.json");
    std::fs::write(&path, RIGHT).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    if std::fs::read(&path).is_ok() {
        return;
    }
    insta::assert_snapshot!(said(folder.path(), &["check", "story.json"]), @r"
    $ keyway check story.json
    error: story.json: can't be read: permission denied
    ");
}

#[test]
fn words_of_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("story.json"), RIGHT).expect("a file");
    let mut messages = String::new();
    for arguments in [
        &["run", "seed:x"][..],
        &["run", "story.json", "--only", "spoilt"],
        &["sweep", "--seeds", "5..5"],
        &["explain", "I-STA-1"],
        &["chek", "story.json"],
    ] {
        messages.push_str(&said(folder.path(), arguments));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages);
}
