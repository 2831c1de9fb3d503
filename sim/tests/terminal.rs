//! The program as people and pipes see it: the failure page in a pipe, in few columns and on a terminal, progress, and what Ctrl-C leaves.

#[cfg(unix)]
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEYWAY: &str = env!("CARGO_BIN_EXE_keyway");

/// A broken controller in the story of its case.
const FAILS: [&str; 6] =
    ["run", "scenarios/field/F-04-somebody-elses-code.json", "--only", "F-04-somebody-elses-code", "--mutant", "occupied-is-set"];

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

fn keyway(arguments: &[&str]) -> Command {
    let mut command = Command::new(KEYWAY);
    command.args(arguments).current_dir(home()).env_remove("COLUMNS").env_remove("GITHUB_ACTIONS");
    command
}

/// What it said, with its own name instead of where it lies.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).replace(KEYWAY, "keyway")
}

#[test]
fn a_failure_in_a_pipe() {
    let output = keyway(&FAILS).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(10), 0));
    assert!(!said(&output).contains('\u{1b}'));
    insta::assert_snapshot!(said(&output));
}

#[test]
fn a_failure_in_fifty_columns() {
    let output = keyway(&FAILS).env("COLUMNS", "50").output().unwrap();
    let said = said(&output);
    // A command is pasted whole.
    assert!(said.lines().filter(|line| !line.starts_with("replay")).all(|line| line.chars().count() <= 50 || line.starts_with("SAFETY")));
    insta::assert_snapshot!(said);
}

/// What a command line says on a terminal of so many columns; none, with a word, where no terminal can be had.
fn on_a_terminal(columns: u32, environment: &str, arguments: &str) -> Option<String> {
    let line = format!("stty cols {columns} && {environment} '{KEYWAY}' {arguments}");
    let script = Command::new("script").args(["-qec", &line, "/dev/null"]).current_dir(home()).stdin(Stdio::null()).output();
    let Some(output) = script.ok().filter(|output| output.stderr.is_empty()) else {
        eprintln!("SKIPPED: no util-linux `script` on this machine, so no terminal");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_gets_colours_unless_it_wants_none() {
    let Some(coloured) = on_a_terminal(80, "NO_COLOR=", &FAILS.join(" ")) else { return };
    assert!(coloured.contains("\u{1b}[1;31mSAFETY  I-WIN-05\u{1b}[0m"), "{coloured}");
    let plain = on_a_terminal(80, "NO_COLOR=1", &FAILS.join(" ")).unwrap();
    assert!(plain.contains("SAFETY  I-WIN-05") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn what_takes_long_shows_progress_on_a_terminal_and_nowhere_else() {
    let long = ["sweep", "--seeds", "0..100000", "--budget", "3s", "--no-shrink"];
    let output = keyway(&long).output().unwrap();
    let remarks = String::from_utf8_lossy(&output.stderr);
    assert!(remarks.lines().count() == 1 && remarks.contains("seeds a second"), "{remarks}");
    let Some(shown) = on_a_terminal(80, "NO_COLOR=1", &long.join(" ")) else { return };
    assert!(shown.contains(" of 100,000 seeds") && shown.contains(" left"), "{shown}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_what_was_done() {
    let arguments: Vec<&str> = std::iter::once("run").chain(std::iter::repeat_n("scenarios", 20)).collect();
    let mut child = keyway(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Everything is read and checked before the first story runs.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    out.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    let remarks = String::from_utf8_lossy(&output.stderr);
    let done = said.lines().filter(|line| line.starts_with("ok ")).count();
    let stories = if done == 1 { "story" } else { "stories" };
    assert_eq!(said.lines().last(), Some(format!("{done} {stories}, all as expected").as_str()));
    assert!(remarks.starts_with(&format!("only {done} of ")) && remarks.ends_with("stories were run: it was stopped\n"), "{remarks}");
    assert_eq!(output.status.code(), Some(130));
}
