//! Controllers that never come back, in `run`, `shrink` and `sweep` as programs: one falls asleep within a step, one recurses without end.
//!
//! This file is both: with `KEYWAY_UNDER_TEST` it is the program `keyway` around such a controller, without it the test that calls it.

use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use keyway_core::access_code::{AccessCodeView, DeviceView};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Outputs};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::platform::Reference;
use keyway_core::time::Timestamp;
use keyway_sim::cli::{self, Engine};

/// Says which of them this program is around.
const UNDER_TEST: &str = "KEYWAY_UNDER_TEST";

/// The reference until its 40th step, which does this and never comes back.
struct Lost(fn());

struct Losing {
    inner: Box<dyn Controller>,
    steps: u32,
    get_lost: fn(),
}

impl Controllers for Lost {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Losing { inner: Reference::new().start(now, config, durable), steps: 0, get_lost: self.0 })
    }
}

impl Controller for Losing {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        self.steps += 1;
        if self.steps == 40 {
            (self.get_lost)();
        }
        self.inner.handle(now, input, out)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.inner.next_deadline()
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.inner.access_codes(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.inner.access_code(id)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.inner.device(id)
    }
}

fn sleep() {
    std::thread::sleep(Duration::from_hours(1));
}

fn recurse() {
    fn deeper(depth: u64) -> u64 {
        if depth == u64::MAX { 0 } else { 1 + std::hint::black_box(deeper(depth + 1)) }
    }
    std::hint::black_box(deeper(0));
}

fn keyway(folder: &Path, controller: &str, words: &str) -> (Output, String) {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    let output = command.args(words.split(' ')).current_dir(folder).env(UNDER_TEST, controller).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

fn a_step_that_never_ends_has_a_verdict_in_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, said) = keyway(folder.path(), "sleep", "run seed:4 seed:6 --stuck-after 300ms");
    assert_eq!(output.status.code(), Some(15), "{said}");
    assert!(said.contains("STUCK") && said.contains("a step of the controller has not ended after 0.3 s"), "{said}");
    // The page shows what led there, and no more is begun beside a thread that never ends.
    assert!(said.contains("joins anew") && said.contains("1 story, 1 not as expected: 1 stuck"), "{said}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("only 1 of 2 stories were run: a step that never ends"), "{output:?}");
    assert!(folder.path().join("keyway-findings/seed-4.json").exists());
}

fn and_in_shrink_with_the_plan_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, said) = keyway(folder.path(), "sleep", "shrink seed:4 --stuck-after 300ms");
    assert_eq!(output.status.code(), Some(15), "{said}");
    assert!(said.contains("has not ended after 0.3 s; that can't be made small"), "{said}");
    assert!(folder.path().join("keyway-findings/seed-4.json").exists());
}

fn a_recursion_without_end_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for words in ["run seed:4", "sweep --seeds 4..5"] {
        let (output, _) = keyway(folder.path(), "recurse", words);
        let last_words = String::from_utf8_lossy(&output.stderr).into_owned();
        let named = last_words.contains("thread 'seed-4'") || last_words.contains("thread 'seed 4'");
        assert!(!output.status.success() && named && last_words.contains("overflowed its stack"), "{words}: {last_words}");
    }
}

fn main() -> ExitCode {
    match std::env::var(UNDER_TEST).as_deref() {
        Ok("sleep") => return cli::main(Engine::of(&Lost(sleep))),
        Ok("recurse") => return cli::main(Engine::of(&Lost(recurse))),
        _ => {}
    }
    a_step_that_never_ends_has_a_verdict_in_run();
    and_in_shrink_with_the_plan_kept();
    a_recursion_without_end_is_named();
    println!("controllers that never come back: all well");
    ExitCode::SUCCESS
}
