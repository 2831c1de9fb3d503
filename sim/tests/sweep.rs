//! `keyway sweep` as a program: what it writes and says, however it ends.

use std::path::Path;
use std::process::{Command, Output};

fn keyway(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyway")).args(words.split(' ')).current_dir(folder).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_budget_ends_it_with_a_true_summary() {
    let folder = tempfile::tempdir().unwrap();
    let output = keyway(folder.path(), "sweep --seeds 0..1000000 --budget 1s --threads 1 --json");
    let summary: serde_json::Value = serde_json::from_str(&said(&output)).unwrap();
    let (ran, compared) = (summary["ran"].as_u64().unwrap(), summary["compared"].as_u64().unwrap());
    assert!(ran > 0 && ran < 100_000 && compared == ran.div_ceil(50), "{summary}");
    assert_eq!(summary["ended"], "budget");
}

#[test]
fn the_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let output = keyway(folder.path(), "sweep --seeds 0..20 --out out/sweep.jsonl");
    let text = std::fs::read_to_string(folder.path().join("out/sweep.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["sweep"]["ran"], &lines[0]["sweep"]["ended"]), (&20.into(), &"complete".into()));
    assert!(lines.iter().any(|line| line["mark"]["name"] == "I-DET-01"), "{text}");
    assert!(said(&output).starts_with("seeds 0..20: "));
    assert_eq!(names(&folder.path().join("out")), ["sweep.jsonl"]);
}

#[test]
fn a_file_that_can_t_be_written_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let output = keyway(folder.path(), "sweep --seeds 0..1000000 --out file/sweep.jsonl");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(2), ""));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: file/sweep.jsonl: can't be written: "));
}

#[cfg(unix)]
#[test]
fn who_is_asked_to_end_ends_cleanly_and_who_is_killed_leaves_nothing_half() {
    use std::process::Stdio;
    let folder = tempfile::tempdir().unwrap();
    for (signal, file) in [("-INT", true), ("-TERM", true), ("-KILL", false)] {
        let words = "sweep --seeds 0..1000000 --threads 1 --out sweep.jsonl";
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
        let command = command.args(words.split(' ')).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().expect("the program starts");
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let path = folder.path().join("sweep.jsonl");
        assert_eq!((path.exists(), said(&output).contains("it was stopped")), (file, file), "{signal}: {}", said(&output));
        if file {
            assert!(std::fs::read_to_string(&path).unwrap().ends_with('\n'));
            std::fs::remove_file(&path).unwrap();
        }
        let kept = folder.path().join("keyway-findings");
        for name in if kept.exists() { names(&kept) } else { vec![] } {
            // A kill may leave the beginning of a file under a name that nobody reads.
            let is_read = Path::new(&name).extension().is_some_and(|ending| ending == "json");
            assert!(!is_read || keyway_sim::scenario::read(&kept.join(&name)).is_ok(), "{name}");
        }
    }
}

#[test]
fn shares_merged_say_what_the_whole_says() {
    let folder = tempfile::tempdir().unwrap();
    let whole = keyway(folder.path(), "sweep --seeds 500..700 --out whole.jsonl");
    for index in 1..=3 {
        keyway(folder.path(), &format!("sweep --seeds 500..700 --shard {index}/3 --threads {index} --out {index}.jsonl"));
    }
    let merged = keyway(folder.path(), "merge 3.jsonl 1.jsonl 2.jsonl --out merged.jsonl");
    assert_eq!((said(&merged), merged.status), (said(&whole), whole.status));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("merged.jsonl"), read("whole.jsonl"));
    let lacking = keyway(folder.path(), "merge 3.jsonl 1.jsonl");
    assert_eq!((lacking.status.code(), said(&lacking).as_str()), (Some(2), ""));
    assert!(String::from_utf8_lossy(&lacking.stderr).starts_with("error: share 2/3 is missing"));
}

#[test]
fn accepted_findings_keep_the_exit_code_green() {
    let folder = tempfile::tempdir().unwrap();
    // A file as a sweep of a controller with one known bug would write it.
    let finding = r#"{"finding":{"fingerprint":"safety|I-DEV-06|a|b","count":2,"first_seed":1,"verdict":"safety","violations":[]}}"#;
    let whole = r#"{"sweep":{"seeds":{"start":0,"end":9},"share":{"index":1,"of":1},"ended":"complete","ran":9,"crashed_inside":0,"compared":1,"productive":{"5":9},"fired":{"2":9}}}"#;
    std::fs::write(folder.path().join("sweep.jsonl"), format!("{whole}\n{finding}\n")).unwrap();
    std::fs::write(folder.path().join("known.txt"), "# waits\nsafety|I-DEV-06|a|b\nstuck\n").unwrap();
    assert_eq!(keyway(folder.path(), "merge sweep.jsonl").status.code(), Some(10));
    let accepted = keyway(folder.path(), "merge sweep.jsonl --accept known.txt");
    assert_eq!(accepted.status.code(), Some(0));
    assert!(said(&accepted).contains("accepted, but not found: stuck"), "{}", said(&accepted));
    std::fs::write(folder.path().join("known.txt"), "safty|I-DEV-06|a|b\n").unwrap();
    let refused = keyway(folder.path(), "merge sweep.jsonl --accept known.txt");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("error: known.txt:1:1: expected a fingerprint"));
}

#[test]
fn two_traces_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    keyway(folder.path(), "run seed:1 --trace one.jsonl");
    keyway(folder.path(), "run seed:1 --trace same.jsonl");
    keyway(folder.path(), "run seed:1 --noise-seed 5 --trace other.jsonl");
    let same = keyway(folder.path(), "diff one.jsonl same.jsonl");
    assert!(same.status.code() == Some(0) && said(&same).starts_with("the same: "), "{}", said(&same));
    let other = keyway(folder.path(), "diff one.jsonl other.jsonl");
    assert!(other.status.code() == Some(16) && said(&other).contains(" differs at /"), "{}", said(&other));
    assert_eq!(keyway(folder.path(), "diff one.jsonl missing.jsonl").status.code(), Some(2));
}
