//! Many seeds on all cores: what was found, grouped by fingerprint, and whether the judge had anything to judge.
//!
//! What a seed comes to depends on the seed alone, and everything added up here is added in a way that knows no
//! order, so neither the number of threads nor that of shares changes anything but the time it takes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use keyway_core::controller::Controllers;

mod accept;
mod compare;
mod floor;
mod keeper;
mod lines;
mod summary;
mod tally;

pub use accept::Accepted;
pub use lines::BadLine;
pub use summary::Summary;
pub use tally::{Group, Histogram, Hits, Share, Tally};

use crate::generate::Draw;
use crate::marks::{DETERMINISM, SURROUNDINGS};
use crate::panics::{hush_panics, hushed};
use crate::watch::{LOOK_EVERY, endless_step};
use floor::{Floor, Post, Ran, Report};
use keeper::Keeper;

/// Controllers that threads share, one of which may outlive the sweep in a loop that never ends.
pub type Shared = Arc<dyn Controllers + Send + Sync>;

/// What a sweep shall do.
#[derive(Clone, Debug)]
pub struct Order {
    /// The seeds.
    pub seeds: Range<u64>,
    /// What their plans are drawn from.
    pub draw: Draw,
    /// Which of them.
    pub share: Share,
    /// Threads; none: as many as there are cores.
    pub threads: Option<usize>,
    /// The folder for plans that failed; none: they are not written.
    pub findings: Option<PathBuf>,
    /// After this time no seed is begun.
    pub budget: Option<Duration>,
    /// A controller whose step lasts longer than this is stuck.
    pub stuck_after: Duration,
    /// Raised by whoever wants it to end early.
    pub stop: Arc<AtomicBool>,
}

impl Order {
    /// All these seeds, with nothing written.
    #[must_use]
    pub fn of(seeds: Range<u64>) -> Self {
        let stuck_after = Duration::from_secs(10);
        Self {
            seeds,
            draw: Draw::default(),
            share: Share::ALL,
            threads: None,
            findings: None,
            budget: None,
            stuck_after,
            stop: Arc::default(),
        }
    }
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds that were run.
    pub done: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Fingerprints among them.
    pub kinds: usize,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All seeds were run.
    Complete,
    /// Its time was over.
    Budget,
    /// Somebody stopped it.
    Interrupted,
    /// Too many steps that never ended still take the time of the cores.
    Stuck,
}

/// What a sweep, or several shares of it, came to. Nothing in it depends on threads, shares or time, unless it ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The seeds, the last one excluded.
    pub seeds: Range<u64>,
    /// What their plans were drawn from.
    pub draw: Draw,
    /// Which of them.
    pub share: Share,
    /// Why it ended; those that were run are the first ones.
    pub ended: Ended,
    /// The sums.
    pub tally: Tally,
}

/// Reports that may wait to be taken.
const REPORTS_MAX: usize = 256;

impl Swept {
    /// Whether it owes what so many seeds must meet: one that was ended early has not seen what it was to see.
    fn is_due(&self, seeds: u64) -> bool {
        self.ended == Ended::Complete && self.tally.ran >= seeds
    }
}

/// Runs the seeds and sums up what they came to. `progress` is called after each seed. What else went wrong comes second: seeds whose plan
/// could not be written, and why.
///
/// # Panics
/// If the system gives it not a single thread.
#[must_use]
pub fn sweep(order: &Order, controllers: Shared, progress: &mut dyn FnMut(Progress)) -> (Swept, BTreeMap<u64, String>) {
    hush_panics();
    let floor = Arc::new(Floor {
        seeds: order.seeds.clone(),
        share: order.share,
        controllers,
        draw: order.draw.clone(),
        keeper: Keeper::new(order.findings.as_deref()),
        next: AtomicU64::new(0),
        is_closed: AtomicBool::new(false),
    });
    let threads = order.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
    let (sender, reports) = sync_channel(REPORTS_MAX);
    let mut foreman = Foreman {
        order,
        floor: Arc::clone(&floor),
        sender,
        posts: BTreeMap::new(),
        hired: 0,
        given_up: 0,
        given_up_max: 2 * threads,
        tally: Tally::default(),
    };
    for _ in 0..threads {
        foreman.hire();
    }
    assert!(!foreman.posts.is_empty(), "the system gives no thread");
    let ended = foreman.attend(&reports, progress);
    let swept = Swept { seeds: order.seeds.clone(), draw: order.draw.clone(), share: order.share, ended, tally: foreman.tally };
    (swept, floor.keeper.unwritten())
}

/// Whoever waits for the workers, and gives those up who don't come back.
struct Foreman<'a> {
    order: &'a Order,
    floor: Arc<Floor>,
    sender: SyncSender<Report>,
    /// Workers who are waited for, each with the last pulse of its watch and since when it stands.
    posts: BTreeMap<usize, (Arc<Post>, u64, Instant)>,
    hired: usize,
    given_up: usize,
    given_up_max: usize,
    tally: Tally,
}

impl Foreman<'_> {
    fn hire(&mut self) {
        // With fewer threads than wished for it only takes longer.
        if let Ok(post) = self.floor.hire(self.hired, self.sender.clone()) {
            self.posts.insert(self.hired, (post, 0, Instant::now()));
        }
        self.hired += 1;
    }

    /// Takes reports until the last worker has left.
    fn attend(&mut self, reports: &Receiver<Report>, progress: &mut dyn FnMut(Progress)) -> Ended {
        let ends_at = self.order.budget.map(|budget| Instant::now() + budget);
        let (mut ended, mut looked_at) = (Ended::Complete, Instant::now());
        while !self.posts.is_empty() {
            match reports.recv_timeout(LOOK_EVERY) {
                Ok(Report::Ran { worker, seed, ran }) if self.posts.contains_key(&worker) => self.take(seed, *ran),
                Ok(Report::Left { worker }) => drop(self.posts.remove(&worker)),
                // Nobody waits for those who were given up.
                Ok(Report::Ran { .. }) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if looked_at.elapsed() >= LOOK_EVERY {
                looked_at = Instant::now();
                self.look_after_workers();
            }
            let reason = if self.given_up > self.given_up_max {
                Ended::Stuck
            } else if self.order.stop.load(Ordering::Relaxed) {
                Ended::Interrupted
            } else if ends_at.is_some_and(|ends_at| Instant::now() >= ends_at) {
                Ended::Budget
            } else {
                Ended::Complete
            };
            if ended == Ended::Complete && reason != Ended::Complete {
                ended = reason;
                self.floor.is_closed.store(true, Ordering::Relaxed);
            }
            progress(Progress { done: self.tally.ran, failed: self.tally.failed(), kinds: self.tally.groups.len() });
        }
        if self.tally.ran == self.order.share.size(&self.order.seeds) { Ended::Complete } else { ended }
    }

    fn take(&mut self, seed: u64, ran: Ran) {
        self.tally.ran += 1;
        if let Some((marks, figures)) = ran.run {
            self.tally.add_run(&marks, figures);
        }
        if ran.was_compared {
            self.tally.compared += 1;
            self.tally.mark(DETERMINISM, 1);
            self.tally.mark(SURROUNDINGS, 1);
        }
        if let Some(finding) = ran.finding {
            self.tally.add_group(Group::of(seed, finding));
        }
    }

    /// Gives up whoever has not moved for long: its seed is a finding, and somebody else goes on.
    fn look_after_workers(&mut self) {
        let mut lost = Vec::new();
        for (worker, (post, pulse, since)) in &mut self.posts {
            let now = post.watch.pulse();
            if now != *pulse {
                (*pulse, *since) = (now, Instant::now());
            } else if since.elapsed() >= self.order.stuck_after && post.watch.is_inside() {
                lost.push(*worker);
            }
        }
        for worker in lost {
            let Some((post, ..)) = self.posts.remove(&worker) else { continue };
            post.is_given_up.store(true, Ordering::Relaxed);
            self.given_up += 1;
            let seed = post.seed.load(Ordering::Relaxed);
            let finding = endless_step(&post.watch, self.order.stuck_after);
            if let Ok(plan) = hushed(|| self.order.draw.plan(seed)) {
                self.floor.keeper.keep(seed, &finding.fingerprint, &plan);
            }
            self.take(seed, Ran { run: None, was_compared: false, finding: Some(finding) });
            // Those given up still take the time of a core each.
            if self.given_up <= self.given_up_max {
                self.hire();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use keyway_core::access_code::{AccessCodeView, DeviceView};
    use keyway_core::config::Config;
    use keyway_core::controller::{Broken, Controller, Input, Outputs};
    use keyway_core::id::{CodeId, DeviceId};
    use keyway_core::platform::Reference;
    use keyway_core::time::Timestamp;

    use crate::verdict::Verdict;

    use super::*;
    use crate::scenario;

    /// A controller that does nothing but this, whenever it is asked.
    struct Idle(fn() -> Option<Timestamp>);

    impl Controller for Idle {
        fn handle(&mut self, _: Timestamp, _: Input, _: &mut Outputs) -> Result<(), Broken> {
            (self.0)();
            Ok(())
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            (self.0)()
        }

        fn access_codes(&self, _: &mut dyn FnMut(CodeId)) {}

        fn access_code(&self, _: CodeId) -> Option<AccessCodeView<'_>> {
            None
        }

        fn device(&self, _: DeviceId) -> Option<DeviceView<'_>> {
            None
        }
    }

    struct Idlers(fn() -> Option<Timestamp>);

    impl Controllers for Idlers {
        fn start(&self, _: Timestamp, _: &Config, _: Option<&[u8]>) -> Box<dyn Controller> {
            Box::new(Idle(self.0))
        }
    }

    fn swept(order: &Order, controllers: impl Controllers + Send + 'static) -> Swept {
        sweep(order, Arc::new(controllers), &mut |_| ()).0
    }

    #[test]
    fn threads_change_nothing_but_the_time() {
        let told = |threads| swept(&Order { threads: Some(threads), ..Order::of(0..24) }, Reference::new());
        assert_eq!(told(1), told(3));
        assert_eq!((told(2).ended, told(2).tally.ran), (Ended::Complete, 24));
    }

    #[test]
    fn a_controller_that_panics_is_a_finding_with_its_plan_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let order = Order { threads: Some(2), findings: Some(folder.path().to_owned()), ..Order::of(7..10) };
        let summary = Summary::of(&swept(&order, Idlers(|| panic!("out of ideas"))), &Accepted::default());
        assert_eq!((summary.verdict, summary.failed()), (Verdict::Panic, 3));
        assert!(summary.findings[0].violations[0].what.contains("the controller panicked: out of ideas"), "{summary}");
        let kept = summary.findings.iter().map(|group| folder.path().join(format!("seed-{}.json", group.first_seed)));
        for path in kept {
            assert_eq!(scenario::read(&path).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_step_that_never_ends_is_a_finding_and_the_sweep_goes_on() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        // The second call falls asleep for good.
        let sleepy = || {
            if RUNS.fetch_add(1, Ordering::Relaxed) == 1 {
                thread::sleep(Duration::from_hours(1));
            }
            None
        };
        let findings = Some(folder.path().to_owned());
        let order = Order { threads: Some(1), findings, stuck_after: Duration::from_millis(300), ..Order::of(1..5) };
        let swept = swept(&order, Idlers(sleepy));
        assert_eq!((swept.tally.ran, swept.ended), (4, Ended::Complete));
        let stuck = &swept.tally.groups["stuck|endless step"];
        assert_eq!((stuck.count, stuck.verdict, stuck.violations[0].id.as_str()), (1, Verdict::Stuck, "stuck"));
        assert!(folder.path().join(format!("seed-{}.json", stuck.first_seed)).exists());
    }

    #[test]
    fn a_controller_that_always_hangs_ends_the_sweep() {
        let order = Order { threads: Some(1), stuck_after: Duration::from_millis(20), ..Order::of(0..1_000) };
        let swept = swept(
            &order,
            Idlers(|| {
                loop {
                    thread::sleep(Duration::from_hours(1));
                }
            }),
        );
        assert_eq!((swept.tally.ran, swept.tally.failed(), swept.ended), (3, 3, Ended::Stuck));
    }

    #[test]
    fn who_stops_it_gets_the_first_seeds() {
        let order = Order { threads: Some(2), budget: Some(Duration::ZERO), ..Order::of(0..100_000) };
        let timed = swept(&order, Reference::new());
        assert!(timed.ended == Ended::Budget && timed.tally.ran < 1_000);
        let order = Order { budget: None, ..order };
        let stop = Arc::clone(&order.stop);
        let mut stop_at_ten = |progress: Progress| stop.store(progress.done >= 10, Ordering::Relaxed);
        let (stopped, _) = sweep(&order, Arc::new(Reference::new()), &mut stop_at_ten);
        assert!(stopped.ended == Ended::Interrupted && (10..1_000).contains(&stopped.tally.ran));
        // What it says is what a sweep of just these seeds says.
        let whole = swept(&Order::of(0..stopped.tally.ran), Reference::new());
        assert_eq!(whole.tally, stopped.tally);
    }

    #[test]
    fn what_changes_between_two_runs_is_named() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        struct Moody;
        // Each run gets another entropy.
        impl Controllers for Moody {
            fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
                let run = RUNS.fetch_add(1, Ordering::Relaxed);
                Reference::new().start(now, &Config { entropy: config.entropy ^ u64::from(run), ..config.clone() }, durable)
            }
        }
        let swept = swept(&Order { threads: Some(1), ..Order::of(0..1) }, Moody);
        let found = swept.tally.groups.values().next().unwrap();
        assert_eq!(found.verdict, Verdict::NonDeterminism);
        assert!(found.violations[0].what.contains("differs between two runs"), "{}", found.violations[0].what);
    }

    #[test]
    fn what_hangs_on_the_thread_is_named() {
        struct Local;
        // Each thread gets another entropy.
        impl Controllers for Local {
            fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
                let thread =
                    format!("{:?}", thread::current().id()).bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
                Reference::new().start(now, &Config { entropy: config.entropy ^ thread, ..config.clone() }, durable)
            }
        }
        let swept = swept(&Order { threads: Some(1), ..Order::of(0..1) }, Local);
        let found = swept.tally.groups.values().next().unwrap();
        assert_eq!((found.verdict, found.violations[0].id.as_str()), (Verdict::NonDeterminism, "I-DET-02"));
    }

    #[test]
    fn the_summary_fits_a_screen() {
        let text = Summary::of(&swept(&Order::of(0..12), Idlers(|| None)), &Accepted::default()).to_string();
        assert!(text.lines().count() < 45 && text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}
