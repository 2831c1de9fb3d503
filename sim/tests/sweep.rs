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
