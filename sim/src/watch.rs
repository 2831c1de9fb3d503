//! Watches controllers from outside: whether one is inside a step, and whether that step ever ends.
//!
//! No thread can be made to leave a loop that never looks up, so whoever waits for a run looks at its watch from
//! another thread, and gives the run up when the watch has not moved for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use keyway_core::access_code::{AccessCodeView, DeviceView};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Outputs};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::time::Timestamp;

use crate::panics::{LastWords, controller_panic, harness_panic, hush_panics, hushed};
use crate::plan::Plan;
use crate::run::{Options, Outcome, run};
use crate::sweep::Shared;
use crate::verdict::{Finding, Verdict, Violation};

/// How often a watch is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Moves with every call into a controller, and with every return.
#[derive(Debug, Default)]
pub struct Watch {
    /// Odd inside a call.
    pulse: AtomicU64,
    at: AtomicI64,
}

impl Watch {
    /// What changes as long as things go on.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Whether the controller has been called and has not returned; a call that ended by a panic has not.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.pulse().is_multiple_of(2)
    }

    /// The virtual time of the last step.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at.load(Ordering::Relaxed))
    }

    /// A run begins.
    pub fn begin(&self, at: Timestamp) {
        self.at.store(at.0, Ordering::Relaxed);
        self.pulse.store((self.pulse() | 1) + 1, Ordering::Relaxed);
    }

    fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        self.pulse.store(self.pulse() | 1, Ordering::Relaxed);
        let result = call();
        self.pulse.store(self.pulse() + 1, Ordering::Relaxed);
        result
    }
}

/// Controllers that show on a watch what they are at; else they are who they were.
pub struct Watched<'a> {
    /// Whom to watch.
    pub controllers: &'a dyn Controllers,
    /// Where it shows.
    pub watch: &'a Arc<Watch>,
    /// The pulse inside the step that is not to be taken any more; none: all are.
    pub ends_at: Option<u64>,
}

impl Controllers for Watched<'_> {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        let controller = self.watch.during(|| self.controllers.start(now, config, durable));
        Box::new(WatchedController { controller, watch: Arc::clone(self.watch), ends_at: self.ends_at })
    }
}

struct WatchedController {
    controller: Box<dyn Controller>,
    watch: Arc<Watch>,
    ends_at: Option<u64>,
}

impl Controller for WatchedController {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        self.watch.at.store(now.0, Ordering::Relaxed);
        self.watch.during(|| {
            if self.ends_at.is_some_and(|ends_at| self.watch.pulse() >= ends_at) {
                return Err(Broken("this step never ends".to_owned()));
            }
            self.controller.handle(now, input, out)
        })
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.watch.during(|| self.controller.next_deadline())
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.watch.during(|| self.controller.access_codes(each));
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.watch.during(|| self.controller.access_code(id))
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.watch.during(|| self.controller.device(id))
    }
}

/// Threads of this program that were given up. They go on, and take the time of a core each.
static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

/// Whether some thread goes on that nobody waits for, so that more runs had better not begin.
#[must_use]
pub fn is_one_given_up() -> bool {
    GIVEN_UP.load(Ordering::Relaxed) > 0
}

/// Runs a plan, and gives it up when a step of the controller has not ended after so long. Whoever panics has a finding.
#[must_use]
pub fn run_watched(plan: &Plan, controllers: &Shared, options: Options, stuck_after: Duration) -> Outcome {
    hush_panics();
    let watch = Arc::default();
    if let Some(outcome) = attempt(plan, controllers, options, stuck_after, &watch, None) {
        return outcome;
    }
    let (finding, pulse) = (endless_step(&watch, stuck_after), watch.pulse());
    // The same once more as far as to that step, which shows what led there.
    let options = Options { keep_log: true, ..options };
    let led_there = attempt(plan, controllers, options, stuck_after, &Arc::default(), Some(pulse));
    let outcome = led_there.unwrap_or_else(|| Outcome::without_a_run(plan, finding.clone()));
    Outcome { verdict: finding.verdict, finding: Some(finding), ..outcome }
}

/// One run on a thread of its own, to whose end nobody is bound; none if it was given up.
fn attempt(
    plan: &Plan,
    controllers: &Shared,
    options: Options,
    stuck_after: Duration,
    watch: &Arc<Watch>,
    ends_at: Option<u64>,
) -> Option<Outcome> {
    let (sender, outcome) = sync_channel(1);
    let (own, controllers, observed) = (plan.clone(), Arc::clone(controllers), Arc::clone(watch));
    watch.begin(plan.start.0);
    let work = move || {
        let watched = Watched { controllers: controllers.as_ref(), watch: &observed, ends_at };
        let outcome = hushed(|| run(&own, &watched, options));
        // Nobody may be left to hear it.
        let _ = sender.send(outcome.unwrap_or_else(|words| Outcome::without_a_run(&own, blamed(&observed, &own, &words))));
    };
    // Whoever takes the whole process along, as an endless recursion does, is named by the name of its thread.
    let name = plan.name.replace('\0', "");
    if let Err(wrong) = thread::Builder::new().name(name).spawn(work) {
        let words = LastWords::of(format!("the system gives no thread: {wrong}"));
        return Some(Outcome::without_a_run(plan, harness_panic(plan.start.0, &words)));
    }
    let (mut pulse, mut since) = (watch.pulse(), Instant::now());
    loop {
        match outcome.recv_timeout(LOOK_EVERY) {
            Ok(outcome) => return Some(outcome),
            Err(RecvTimeoutError::Disconnected) => unreachable!("the thread always sends"),
            Err(RecvTimeoutError::Timeout) if watch.pulse() != pulse => (pulse, since) = (watch.pulse(), Instant::now()),
            Err(RecvTimeoutError::Timeout) if since.elapsed() >= stuck_after && watch.is_inside() => {
                GIVEN_UP.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// A panic is a finding about whoever had the word.
pub(crate) fn blamed(watch: &Watch, plan: &Plan, words: &LastWords) -> Finding {
    let inside = watch.is_inside();
    if inside { controller_panic(watch.at().max(plan.start.0), words) } else { harness_panic(plan.start.0, words) }
}

/// What is said of a step that has not ended after so long.
pub(crate) fn endless_step(watch: &Watch, after: Duration) -> Finding {
    let what = format!("a step of the controller has not ended after {} s", after.as_secs_f64());
    let violation = Violation { id: Verdict::Stuck.name().to_owned(), at: watch.at(), what, roles: String::new() };
    Finding { verdict: Verdict::Stuck, violations: vec![violation], fingerprint: format!("{}|endless step", Verdict::Stuck) }
}

#[cfg(test)]
mod tests {
    use keyway_core::platform::Reference;

    use super::*;
    use crate::generate::plan_of_seed;
    use crate::run::{Options, run};

    #[test]
    fn watching_changes_nothing() {
        let (plan, watch) = (plan_of_seed(3), Arc::default());
        let watched = Watched { controllers: &Reference::new(), watch: &watch, ends_at: None };
        assert_eq!(run(&plan, &watched, Options::default()).hash, run(&plan, &Reference::new(), Options::default()).hash);
        assert!(watch.pulse() > 100 && !watch.is_inside() && watch.at() > plan.start.0);
    }

    #[test]
    fn a_run_that_ends_is_the_same_as_without_a_watch() {
        let (plan, shared) = (plan_of_seed(3), Arc::new(Reference::new()) as Shared);
        let watched = run_watched(&plan, &shared, Options::default(), Duration::from_mins(10));
        assert_eq!(watched.hash, run(&plan, &Reference::new(), Options::default()).hash);
    }

    #[test]
    fn a_panic_inside_a_call_shows() {
        let watch = Watch::default();
        let ended = crate::panics::hushed(|| watch.during(|| panic!("out of ideas")));
        assert!(ended.is_err() && watch.is_inside());
        watch.begin(Timestamp(7));
        assert!(!watch.is_inside());
    }
}
