//! Watches controllers from outside: whether one is inside a step, and whether that step ever ends.
//!
//! No thread can be made to leave a loop that never looks up, so whoever waits for a run looks at its watch from
//! another thread, and gives the run up when the watch has not moved for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use keyway_core::access_code::{AccessCodeView, DeviceView};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Outputs};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::time::Timestamp;

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
}

impl Controllers for Watched<'_> {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        let controller = self.watch.during(|| self.controllers.start(now, config, durable));
        Box::new(WatchedController { controller, watch: Arc::clone(self.watch) })
    }
}

struct WatchedController {
    controller: Box<dyn Controller>,
    watch: Arc<Watch>,
}

impl Controller for WatchedController {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        self.watch.at.store(now.0, Ordering::Relaxed);
        self.watch.during(|| self.controller.handle(now, input, out))
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

#[cfg(test)]
mod tests {
    use keyway_core::platform::Reference;

    use super::*;
    use crate::generate::plan_of_seed;
    use crate::run::{Options, run};

    #[test]
    fn watching_changes_nothing() {
        let (plan, watch) = (plan_of_seed(3), Arc::default());
        let watched = Watched { controllers: &Reference::new(), watch: &watch };
        assert_eq!(run(&plan, &watched, Options::default()).hash, run(&plan, &Reference::new(), Options::default()).hash);
        assert!(watch.pulse() > 100 && !watch.is_inside() && watch.at() > plan.start.0);
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
