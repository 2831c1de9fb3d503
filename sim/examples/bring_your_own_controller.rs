//! A small controller of your own under test: it programs codes on one kind of lock and believes every answer.
//!
//! `cargo run --example bring_your_own_controller -- run sim/examples/two-guests.json` tells it two stories: in one the cloud stores a code
//! and then answers with an error, which the controller believes. The page says what follows. The other story is without trouble, and
//! passes. The program is the whole `keyway` around this controller: it sweeps, shrinks and reports too.

use std::collections::BTreeMap;
use std::process::ExitCode;

use keyway_core::access_code::{AccessCodeView, DeviceRecord, DeviceView, Record, Status};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::event::EventType;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::port::{Answer, DeviceInfo, Op};
use keyway_core::request::{Refusal, Request, RequestedCode, Response};
use keyway_core::time::Timestamp;
use keyway_sim::book::Book;
use keyway_sim::cli::{self, Engine};

/// Makes [`Trusting`] controllers. They keep nothing over a restart.
struct Trustings;

impl Controllers for Trustings {
    fn start(&self, _now: Timestamp, config: &Config, _durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Trusting { book: Book::new(config), locks: BTreeMap::new(), asked: BTreeMap::new() })
    }
}

/// Sends each code to its lock once and shows what the answer says.
struct Trusting {
    book: Book,
    locks: BTreeMap<DeviceId, DeviceInfo>,
    /// Which code each command is for.
    asked: BTreeMap<CommandId, CodeId>,
}

impl Controller for Trusting {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        match input {
            Input::Wake => drop(self.book.send(None, None, Op::ListDevices { page: 0 }, out)),
            Input::Call { call_id, request, .. } => {
                if let Err(refusal) = self.call(now, call_id, request, out) {
                    out.push(Output::Reply { call_id, result: Err(refusal) });
                }
            }
            Input::Answer { command_id, answer } => self.answer(now, command_id, answer, out),
            Input::Notice(_) => {}
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        (self.book.commands() == 0).then_some(Timestamp::MIN)
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.book.records().keys().copied().for_each(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.book.records().get(&id).map(Record::view)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.book.devices().get(&id).map(DeviceRecord::view)
    }
}

impl Trusting {
    fn call(&mut self, now: Timestamp, call_id: CallId, request: Request, out: &mut Outputs) -> Result<(), Refusal> {
        let Request::Create(create) = request else { return Err(Refusal::InvalidInput) };
        let lock = self.locks.get(&create.device_id).ok_or(Refusal::DeviceNotFound)?;
        let Some(RequestedCode::Text(text)) = create.code else { return Err(Refusal::InvalidInput) };
        let pin = text.parse().map_err(|_| Refusal::InvalidInput)?;
        let op = Op::CreateEntry { pin, name: create.name.as_deref().unwrap_or_default().into(), window: None };
        let record = Record { code: Some(pin), name: create.name, ..self.book.draft(now, create.device_id) };
        let id = record.access_code_id;
        self.book.tell(now, &record, EventType::Created, out);
        self.book.show(record, out);
        out.save(Vec::new);
        out.push(Output::Reply { call_id, result: Ok(Response::AccessCode(id)) });
        self.asked.insert(self.book.send(Some(lock), Some(id), op, out), id);
        Ok(())
    }

    fn answer(&mut self, now: Timestamp, command_id: CommandId, answer: Answer, out: &mut Outputs) {
        match (self.asked.get(&command_id), answer) {
            (None, Answer::Devices { items, .. }) => {
                self.locks.extend(items.iter().map(|info| (self.book.meet(info, out), info.clone())));
            }
            (Some(id), Answer::Done { .. }) => {
                let Some(record) = self.book.remove(*id, out) else { return };
                let record = Record { status: Status::Set, ..record };
                self.book.tell(now, &record, EventType::SetOnDevice, out);
                self.book.show(record, out);
                out.save(Vec::new);
            }
            // The first bug: an error is believed, although the vendor may have stored the code.
            (Some(id), Answer::ServerError { .. } | Answer::TimedOut) => drop(self.book.remove(*id, out)),
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    cli::main(Engine::of(&Trustings))
}

/// Paste this beside your own controller. `assert_passed` fails with the page and keeps the story.
#[test]
fn a_story_without_trouble_passes_and_the_first_bug_is_caught() {
    let stories = keyway_sim::Story::read("examples/two-guests.json".as_ref()).expect("good stories");
    let [trouble, calm] = &stories[..] else { panic!("there are two") };
    calm.tell(&Trustings).assert_passed();
    let told = trouble.tell(&Trustings);
    assert!(told.page().contains("I-DEV-06"), "{}", told.page());
}
