//! The reference controller: it turns what was asked into commands, and what vendors say into records and events.

use alloc::boxed::Box;

use crate::access_code::{AccessCodeView, DeviceView};
use crate::config::Config;
use crate::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use crate::id::{CodeId, DeviceId};
use crate::request::Refusal;
use crate::time::Timestamp;

mod choose;
mod policy;

pub use policy::{Honest, Policy};

/// The factory of the reference controller.
#[derive(Clone, Copy)]
pub struct Reference {
    /// What it decides by.
    pub policy: &'static dyn Policy,
}

impl Reference {
    /// The reference with its own decisions.
    #[must_use]
    pub const fn new() -> Self {
        Self { policy: &Honest }
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self::new()
    }
}

impl Controllers for Reference {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Platform::start(self.policy, now, config, durable))
    }
}

/// The reference controller.
pub struct Platform {
    _policy: &'static dyn Policy,
}

impl Platform {
    fn start(policy: &'static dyn Policy, _now: Timestamp, _config: &Config, _durable: Option<&[u8]>) -> Self {
        let _ = (choose::satisfies, choose::free_pin);
        Self { _policy: policy }
    }
}

impl Controller for Platform {
    fn handle(&mut self, _now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        if let Input::Call { call_id, .. } = input {
            out.push(Output::Reply { call_id, result: Err(Refusal::InvalidInput) });
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn access_codes(&self, _each: &mut dyn FnMut(CodeId)) {}

    fn access_code(&self, _id: CodeId) -> Option<AccessCodeView<'_>> {
        None
    }

    fn device(&self, _id: DeviceId) -> Option<DeviceView<'_>> {
        None
    }
}
