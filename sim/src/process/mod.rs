//! A controller in any language: a process that answers lines of JSON with lines of JSON, in virtual time.
//!
//! It needs no clock, no server and no library: it reads a question from standard input and writes its answer to
//! standard output until its input ends. [`schema`] is the JSON Schema of both; `sim/examples/README.md` explains them.
//! A process that dies, hangs, floods or writes rubbish is a verdict with its last words, as a panic would be.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use keyway_core::access_code::{AccessCodeView, DeviceRecord, DeviceView, Record};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::time::Timestamp;

mod child;
mod message;
#[cfg(test)]
mod tests;

pub use message::{Question, Reply, schema};

use child::{Conversation, excerpt};

/// How long a process may take to answer a line, in real time, unless said otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a process for each life of a controller: one for its first start, one more after each crash.
#[derive(Clone, Debug)]
pub struct Processes {
    words: Vec<String>,
    patience: Duration,
}

impl Processes {
    /// Of this command, split into words as a shell would; no shell runs.
    ///
    /// # Errors
    /// If it is no command, or can't be started.
    pub fn new(command: &str, patience: Duration) -> io::Result<Self> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let words =
            words.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "expected a command such as `python3 controller.py`"))?;
        let processes = Self { words, patience };
        Conversation::begin(&processes.words, patience)?;
        Ok(processes)
    }

    fn begin(&self, question: &Question) -> Result<(Conversation, Reply), Broken> {
        let unstarted = |wrong: io::Error| Broken(format!("`{}` can't be started: {wrong}", self.words[0]));
        let mut conversation = Conversation::begin(&self.words, self.patience).map_err(unstarted)?;
        let reply = ask(&mut conversation, question)?;
        Ok((conversation, reply))
    }
}

impl Controllers for Processes {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        let durable = durable.map(String::from_utf8_lossy);
        let begun = self.begin(&Question::Start { now, config, durable: durable.as_deref() });
        let wake_at = begun.as_ref().ok().and_then(|(_, reply)| reply.wake_at);
        let conversation = RefCell::new(begun.map(|(conversation, _)| conversation));
        Box::new(Remote { conversation, shown: Shown::default(), wake_at })
    }
}

/// The near end of a process.
struct Remote {
    conversation: RefCell<Result<Conversation, Broken>>,
    shown: Shown,
    wake_at: Option<Timestamp>,
}

/// What the process has shown. A later look is linked behind an earlier one, whose records may still be borrowed.
#[derive(Default)]
struct Shown {
    access_codes: BTreeMap<CodeId, Record>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    later: OnceCell<Box<Shown>>,
}

impl Shown {
    fn last(&self) -> &Self {
        let mut last = self;
        while let Some(later) = last.later.get() {
            last = later;
        }
        last
    }

    fn into_last(mut self) -> Self {
        while let Some(later) = self.later.take() {
            self = *later;
        }
        self
    }

    /// After a step: what the outputs name is as the reply shows it, or gone.
    fn take(&mut self, outputs: &[Output], reply: (Vec<Record>, Vec<DeviceRecord>)) {
        for output in outputs {
            match output {
                Output::Changed(code) => drop(self.access_codes.remove(code)),
                Output::ChangedDevice(device) => drop(self.devices.remove(device)),
                Output::Reply { .. } | Output::Command(_) | Output::Event(_) | Output::Save(_) => {}
            }
        }
        self.access_codes.extend(reply.0.into_iter().map(|record| (record.access_code_id, record)));
        self.devices.extend(reply.1.into_iter().map(|device| (device.device_id, device)));
    }
}

impl Remote {
    fn ask(&self, question: &Question) -> Result<Reply, Broken> {
        let mut conversation = self.conversation.borrow_mut();
        let reply = match &mut *conversation {
            Ok(conversation) => ask(conversation, question),
            Err(broken) => return Err(broken.clone()),
        };
        if let Err(broken) = &reply {
            *conversation = Err(broken.clone());
        }
        reply
    }
}

impl Controller for Remote {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        let Reply { outputs, wake_at, access_codes, devices } =
            self.ask(&Question::Step { now, input: &input, keeps_saves: out.keeps_saves() })?;
        self.shown = std::mem::take(&mut self.shown).into_last();
        self.shown.take(&outputs, (access_codes, devices));
        self.wake_at = wake_at;
        for output in outputs {
            match output {
                Output::Save(bytes) => out.save(|| bytes),
                output => out.push(output),
            }
        }
        Ok(())
    }

    /// A process that broke while it was looked at wants to be woken, to say so.
    fn next_deadline(&self) -> Option<Timestamp> {
        if self.conversation.borrow().is_err() { Some(Timestamp::MIN) } else { self.wake_at }
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        if let Ok(reply) = self.ask(&Question::Show {}) {
            let mut shown = Shown::default();
            shown.take(&[], (reply.access_codes, reply.devices));
            // The end of the list has nothing behind it.
            let _ = self.shown.last().later.set(Box::new(shown));
        }
        self.shown.last().access_codes.keys().copied().for_each(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.shown.last().access_codes.get(&id).map(Record::view)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.shown.last().devices.get(&id).map(DeviceRecord::view)
    }
}

fn ask(conversation: &mut Conversation, question: &Question) -> Result<Reply, Broken> {
    let line = serde_json::to_vec(question).map_err(|wrong| Broken(wrong.to_string()))?;
    let answer = conversation.ask(line).map_err(Broken)?;
    let mut json = serde_json::Deserializer::from_slice(&answer);
    let reply = serde_path_to_error::deserialize(&mut json).map_err(|wrong| wrong.to_string());
    let reply = reply.and_then(|reply| json.end().map(|()| reply).map_err(|wrong| wrong.to_string()));
    reply.map_err(|wrong| Broken(conversation.give_up(&format!("wrote no reply ({wrong}): {}", excerpt(&answer)))))
}
