//! The boundary of the system under test: what a controller is told, what it may answer, and how it is restarted.
//!
//! All of it is plain serialisable data, so that the same boundary can carry a controller that is another
//! process in another language.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::access_code::{AccessCodeView, DeviceView};
use crate::config::Config;
use crate::event::Event;
use crate::id::{CallId, CodeId, CommandId, DeviceId, WorkspaceId};
use crate::port::{Answer, Command, Notice};
use crate::request::{Refusal, Request, Response};
use crate::time::Timestamp;

/// A factory of controllers: the first start and every restart. A sweep shares it across threads.
pub trait Controllers: Sync {
    /// A controller that begins at `now`: fresh if `durable` is none, else from the bytes of its last [`Output::Save`].
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller>;
}

impl<C: Controllers + ?Sized> Controllers for &C {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        (**self).start(now, config, durable)
    }
}

/// The system under test.
pub trait Controller {
    /// One step: takes one input and appends what follows from it, in order, to `out`.
    ///
    /// # Errors
    /// [`Broken`] if the controller can't go on, such as a process that died or babbles.
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken>;

    /// When it wants to be woken; right after the start: that instant, if there is work. None: not before another input.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Calls `each` with every record the API would list now, managed or not, of all workspaces, in any order that is the same in each run.
    fn access_codes(&self, each: &mut dyn FnMut(CodeId));

    /// What the API would answer now; none for one that is gone or never was.
    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>>;

    /// The device's own view; none for one that was never seen.
    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>>;
}

/// What a controller is told (port.md 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An API call; it wants exactly one [`Output::Reply`].
    Call {
        /// Names the call in its reply.
        call_id: CallId,
        /// The workspace of the caller.
        workspace: WorkspaceId,
        /// What is asked.
        request: Request,
    },
    /// An answer to a command (`P-01`).
    Answer {
        /// The command.
        command_id: CommandId,
        /// What the vendor said, or `TimedOut`.
        answer: Answer,
    },
    /// Something a vendor sent on its own accord.
    Notice(Notice),
    /// The instant announced by [`Controller::next_deadline`] has come.
    Wake,
}

/// What a controller does, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The answer to an API call.
    Reply {
        /// The call.
        call_id: CallId,
        /// The result.
        result: Result<Response, Refusal>,
    },
    /// A command to a vendor.
    Command(Command),
    /// An event for the log; visible with the next `Save` (`P-08`).
    Event(Event),
    /// This record's own view differs after the step (`I-CTR-01`); also for one that came or went.
    Changed(CodeId),
    /// This device's own view differs after the step (`I-CTR-01`).
    ChangedDevice(DeviceId),
    /// The durable state of this moment (`P-08`); empty in runs whose plan has no crash. As JSON it is text.
    Save(
        #[serde(with = "text")]
        #[cfg_attr(feature = "schema", schemars(with = "alloc::string::String"))]
        Vec<u8>,
    ),
}

/// Where a step puts its outputs.
#[derive(Debug, Default)]
pub struct Outputs {
    list: Vec<Output>,
    keeps_saves: bool,
}

impl Outputs {
    /// An empty sink. `keeps_saves`: whether the plan crashes, so that durable bytes are wanted.
    #[must_use]
    pub fn new(keeps_saves: bool) -> Self {
        Self { list: Vec::new(), keeps_saves }
    }

    /// Appends an output other than a save.
    pub fn push(&mut self, output: Output) {
        self.list.push(output);
    }

    /// Appends a save. `bytes` runs at this point of the step if the plan crashes, and is dropped else.
    pub fn save(&mut self, bytes: impl FnOnce() -> Vec<u8>) {
        let bytes = if self.keeps_saves { bytes() } else { Vec::new() };
        self.list.push(Output::Save(bytes));
    }

    /// Whether the bytes of saves are wanted.
    #[must_use]
    pub fn keeps_saves(&self) -> bool {
        self.keeps_saves
    }

    /// What was put in so far.
    #[must_use]
    pub fn as_slice(&self) -> &[Output] {
        &self.list
    }

    /// Takes the outputs out; the sink is empty afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.list.drain(..)
    }
}

/// Bytes as the text that they are.
mod text {
    use alloc::string::String;
    use alloc::vec::Vec;

    use serde::{Deserialize as _, Deserializer, Serializer, ser};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(core::str::from_utf8(bytes).map_err(ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}

/// A controller that can't go on; its last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub alloc::string::String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn last_words_are_shown_as_they_are() {
        assert_eq!(Broken("no account".to_owned()).to_string(), "no account");
    }
}
