//! Where seeds are run: the workers who run them, and what each of them hands in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;

use super::Shared;
use super::compare::compare;
use super::keeper::Keeper;
use super::tally::Share;
use crate::generate::Draw;
use crate::panics::{LastWords, harness_panic, hushed};
use crate::plan::Plan;
use crate::run::{Figures, Options, run};
use crate::verdict::Finding;
use crate::watch::{Watch, Watched, blamed};

/// One in so many seeds is run a second time, and must give the same hash.
const COMPARED_ONE_IN: u64 = 50;

/// What the workers of a sweep share.
pub struct Floor {
    pub seeds: Range<u64>,
    pub share: Share,
    pub draw: Draw,
    pub controllers: Shared,
    pub keeper: Keeper,
    /// The number in the share of the seed that is run next. Seeds are taken in order, so those that were run are the first ones.
    pub next: AtomicU64,
    /// No seed more.
    pub is_closed: AtomicBool,
}

/// One worker, as others see it.
#[derive(Debug, Default)]
pub struct Post {
    pub seed: AtomicU64,
    pub watch: Arc<Watch>,
    /// Nobody waits for it any longer.
    pub is_given_up: AtomicBool,
}

/// What a worker hands in.
pub enum Report {
    /// A seed is done.
    Ran { worker: usize, seed: u64, ran: Box<Ran> },
    /// There is no seed more for it.
    Left { worker: usize },
}

/// What one seed came to.
pub struct Ran {
    /// Marks and figures; none if the run did not end.
    pub run: Option<(BTreeMap<&'static str, u64>, Figures)>,
    pub was_compared: bool,
    pub finding: Option<Finding>,
}

impl Floor {
    /// Lets somebody run seeds until there are none.
    pub fn hire(self: &Arc<Self>, worker: usize, reports: SyncSender<Report>) -> std::io::Result<Arc<Post>> {
        let (floor, post) = (Arc::clone(self), Arc::<Post>::default());
        let own = Arc::clone(&post);
        thread::Builder::new().name(format!("sweep {worker}")).spawn(move || floor.work(worker, &own, &reports))?;
        Ok(post)
    }

    fn work(&self, worker: usize, post: &Post, reports: &SyncSender<Report>) {
        while !post.is_given_up.load(Ordering::Relaxed) && !self.is_closed.load(Ordering::Relaxed) {
            let Some(seed) = self.share.seed(&self.seeds, self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            post.seed.store(seed, Ordering::Relaxed);
            let ran = Box::new(self.run_named(seed, &post.watch));
            if reports.send(Report::Ran { worker, seed, ran }).is_err() {
                return;
            }
        }
        // Nobody may be left to hear it.
        let _ = reports.send(Report::Left { worker });
    }

    /// Runs the seed in a thread of its name: an endless recursion takes the process along, and its last words are that name.
    fn run_named(&self, seed: u64, watch: &Arc<Watch>) -> Ran {
        thread::scope(|scope| {
            let hired = thread::Builder::new().name(format!("seed {seed}")).spawn_scoped(scope, || self.run_seed(seed, watch));
            hired.ok().and_then(|ran| ran.join().ok()).unwrap_or_else(|| self.run_seed(seed, watch))
        })
    }

    fn run_seed(&self, seed: u64, watch: &Arc<Watch>) -> Ran {
        watch.begin(Timestamp::MIN);
        let plan = match hushed(|| self.draw.plan(seed)) {
            Ok(plan) => plan,
            Err(words) => return Ran { run: None, was_compared: false, finding: Some(harness_panic(Timestamp::MIN, &words)) },
        };
        let ran = run_plan(&plan, &Watched { controllers: self.controllers.as_ref(), watch, ends_at: None }, watch, is_compared(seed));
        if let Some(finding) = &ran.finding {
            // First on the disk: whatever happens to this process from here on, the story is kept.
            self.keeper.keep(seed, &finding.fingerprint, &plan);
        }
        ran
    }
}

/// Whether it is this seed's turn to be run twice.
fn is_compared(seed: u64) -> bool {
    seed.is_multiple_of(COMPARED_ONE_IN)
}

/// Runs a plan, a second time too if it is to be compared. `controllers` show on the watch what they are at.
fn run_plan(plan: &Plan, controllers: &dyn Controllers, watch: &Watch, is_compared: bool) -> Ran {
    let blamed = |words: &LastWords| blamed(watch, plan, words);
    let outcome = match hushed(|| run(plan, controllers, Options::default())) {
        Ok(outcome) => outcome,
        Err(words) => return Ran { run: None, was_compared: false, finding: Some(blamed(&words)) },
    };
    let differs = if is_compared { compare(plan, &outcome, controllers) } else { Ok(None) };
    let finding = differs.unwrap_or_else(|words| Some(blamed(&words))).or(outcome.finding);
    Ran { run: Some((outcome.marks, outcome.figures)), was_compared: is_compared, finding }
}
