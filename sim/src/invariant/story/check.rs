//! The forms of a check of what a step did: with a memory of its own, without one, or a predicate of states.

use keyway_core::access_code::{DeviceRecord, Record};

use super::View;
use crate::invariant::Found;
use crate::occurrence::Lock;

/// One check of what a step did, or of what was read after a restart.
pub trait Check {
    /// The id it may report.
    fn id(&self) -> &'static str;

    /// Judges the step that just ended.
    fn check(&mut self, view: &View<'_>, found: &mut Found);

    /// Evaluates a predicate of states for every subject there is.
    fn full(&self, _view: &View<'_>, _found: &mut Found) {}
}

/// How a predicate of states fares with one subject.
pub enum Held {
    /// It says nothing about this one.
    Idle,
    /// Its premise is true and it holds.
    Kept,
    /// It does not hold, because of this.
    Broken(String),
}

/// A predicate of the state of one code, or of one device, evaluated whenever it changes.
pub struct States {
    /// The id it may report.
    pub id: &'static str,
    /// For a code.
    pub of_code: fn(&View<'_>, &Record) -> Held,
    /// For a device.
    pub of_device: fn(&View<'_>, Lock, &DeviceRecord) -> Held,
}

impl States {
    /// A predicate that says nothing about devices.
    #[must_use]
    pub fn of_codes(id: &'static str, of_code: fn(&View<'_>, &Record) -> Held) -> Box<dyn Check> {
        Box::new(Self { id, of_code, of_device: |_, _, _| Held::Idle })
    }

    /// A predicate of codes and devices.
    #[must_use]
    pub fn of_both(
        id: &'static str,
        of_code: fn(&View<'_>, &Record) -> Held,
        of_device: fn(&View<'_>, Lock, &DeviceRecord) -> Held,
    ) -> Box<dyn Check> {
        Box::new(Self { id, of_code, of_device })
    }

    fn judge_code(&self, view: &View<'_>, record: &Record, found: &mut Found) {
        match (self.of_code)(view, record) {
            Held::Idle => {}
            Held::Kept => found.armed(self.id),
            Held::Broken(what) => view.broken(found, self.id, record.access_code_id, &what),
        }
    }

    fn judge_device(&self, view: &View<'_>, lock: Lock, device: &DeviceRecord, found: &mut Found) {
        match (self.of_device)(view, lock, device) {
            Held::Idle => {}
            Held::Kept => found.armed(self.id),
            Held::Broken(what) => view.broken_device(found, self.id, lock, &what),
        }
    }
}

impl Check for States {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for record in view.changes().filter_map(|change| change.after) {
            self.judge_code(view, record, found);
        }
        for (lock, _, after) in view.device_changes() {
            if let Some(device) = after {
                self.judge_device(view, lock, device, found);
            }
        }
    }

    fn full(&self, view: &View<'_>, found: &mut Found) {
        for (_, record) in view.live_codes() {
            self.judge_code(view, record, found);
        }
        for (lock, state) in view.history.locks() {
            if let Some(device) = state.device.as_deref() {
                self.judge_device(view, lock, device, found);
            }
        }
    }
}

/// A check without memory of its own: what a step did, or may not have done.
pub struct Steps {
    /// The id it may report.
    pub id: &'static str,
    /// Judges the step.
    pub judge: fn(&View<'_>, &mut Found),
}

impl Check for Steps {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        (self.judge)(view, found);
    }
}

/// A check without memory of its own: how a device and its codes go together.
pub struct Locks {
    /// The id it may report.
    pub id: &'static str,
    /// Judges a lock whose device or codes differ.
    pub judge: fn(&View<'_>, Lock, &mut Found),
}

impl Check for Locks {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for lock in view.concerned_locks() {
            (self.judge)(view, lock, found);
        }
    }

    fn full(&self, view: &View<'_>, found: &mut Found) {
        for (lock, _) in view.history.locks() {
            (self.judge)(view, lock, found);
        }
    }
}
