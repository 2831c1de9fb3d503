//! A small controller of your own under test: it programs codes on one kind of lock and believes every answer.
//!
//! `cargo run --example bring_your_own_controller` runs it through two stories: one without trouble, and one in
//! which the cloud stores a code and then answers with an error. The second fails: it prints the page that says why
//! and keeps the story in `keyway-findings`. With arguments it is the `keyway` program around this controller:
//! `cargo run --example bring_your_own_controller -- shrink keyway-findings/two-guests.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use keyway_core::access_code::{AccessCodeView, DeviceRecord, DeviceView, Record, Status};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::draw::{Purpose, draw_uuid};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, CommandId, DeviceId, Epoch, EventId, Key, VendorDevice, WorkspaceId};
use keyway_core::port::{Answer, Command, DeviceInfo, Op};
use keyway_core::request::{Refusal, Request, RequestedCode, Response};
use keyway_core::time::Timestamp;
use keyway_sim::Story;
use keyway_sim::cli::{self, Engine};
use keyway_sim::report::Look;
use keyway_sim::report::page::Failure;
use keyway_sim::scenario::{to_text, write};
use keyway_sim::verdict::Verdict;
use serde_json::{Value, json};

/// Makes [`Trusting`] controllers. It keeps nothing over a restart.
struct Trustings;

/// Sends each code to its lock once and shows what the answer says.
struct Trusting {
    account: AccountId,
    workspace: WorkspaceId,
    locks: BTreeMap<DeviceId, (DeviceInfo, DeviceRecord)>,
    codes: BTreeMap<CodeId, Record>,
    asked: BTreeMap<CommandId, Option<CodeId>>,
    is_listing_due: bool,
    commands: u64,
    events: u64,
}

impl Controllers for Trustings {
    fn start(&self, _now: Timestamp, config: &Config, _durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Trusting {
            account: config.accounts[0].account,
            workspace: config.workspaces[0],
            locks: BTreeMap::new(),
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
            is_listing_due: true,
            commands: 0,
            events: 0,
        })
    }
}

impl Controller for Trusting {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        match input {
            Input::Wake if self.is_listing_due => {
                self.is_listing_due = false;
                self.send(None, Epoch(0), None, Op::ListDevices { page: 0 }, out);
            }
            Input::Wake | Input::Notice(_) => {}
            Input::Call { call_id, request, .. } => {
                let (result, then) = self.call(now, request, out);
                out.save(Vec::new);
                out.push(Output::Reply { call_id, result });
                if let Some((lock, code, op)) = then {
                    self.send(Some(lock.0), lock.1, Some(code), op, out);
                }
            }
            Input::Answer { command_id, answer } => self.answer(now, command_id, answer, out),
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.is_listing_due.then_some(Timestamp::MIN)
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.codes.keys().copied().for_each(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.codes.get(&id).map(Record::view)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.locks.get(&id).map(|(_, device)| device.view())
    }
}

type Then = Option<((VendorDevice, Epoch), CodeId, Op)>;

impl Trusting {
    fn call(&mut self, now: Timestamp, request: Request, out: &mut Outputs) -> (Result<Response, Refusal>, Then) {
        let Request::Create(create) = request else { return (Err(Refusal::InvalidInput), None) };
        let Some((info, _)) = self.locks.get(&create.device_id) else { return (Err(Refusal::DeviceNotFound), None) };
        let Some(RequestedCode::Text(text)) = create.code else { return (Err(Refusal::InvalidInput), None) };
        let Ok(pin) = text.parse() else { return (Err(Refusal::InvalidInput), None) };
        let id = CodeId(draw_uuid(0, Purpose::CodeId, create.device_id.0, self.codes.len() as u64));
        let lock = (info.device, info.epoch);
        let name = create.name.clone().unwrap_or_default();
        let record = Record { code: Some(pin), name: create.name, ..Record::new(id, self.workspace, create.device_id, now) };
        self.event(now, &record, EventType::Created, out);
        self.codes.insert(id, record);
        out.push(Output::Changed(id));
        let op = Op::CreateEntry { pin, name: name.as_str().into(), window: None };
        (Ok(Response::AccessCode(id)), Some((lock, id, op)))
    }

    fn answer(&mut self, now: Timestamp, command: CommandId, answer: Answer, out: &mut Outputs) {
        match (self.asked.get(&command).copied().flatten(), answer) {
            (None, Answer::Devices { items, .. }) => {
                for info in items.iter() {
                    let id = DeviceId::of(self.account, info.serial.as_deref().unwrap_or_default());
                    self.locks.insert(id, (info.clone(), DeviceRecord::new(id)));
                    out.push(Output::ChangedDevice(id));
                }
            }
            (Some(id), Answer::Done { .. }) => {
                let Some(mut record) = self.codes.remove(&id) else { return };
                record.status = Status::Set;
                self.event(now, &record, EventType::SetOnDevice, out);
                self.codes.insert(id, record);
                out.push(Output::Changed(id));
                out.save(Vec::new);
            }
            // The first bug: an error is believed, although the vendor may have stored the code.
            (Some(id), Answer::ServerError { .. } | Answer::TimedOut) => {
                self.codes.remove(&id);
                out.push(Output::Changed(id));
            }
            _ => {}
        }
    }

    fn send(&mut self, device: Option<VendorDevice>, epoch: Epoch, for_code: Option<CodeId>, op: Op, out: &mut Outputs) {
        self.commands += 1;
        let command_id = CommandId(self.commands);
        self.asked.insert(command_id, for_code);
        out.push(Output::Command(Command { command_id, key: Key(self.commands), account: self.account, device, epoch, for_code, op }));
    }

    fn event(&mut self, now: Timestamp, record: &Record, event_type: EventType, out: &mut Outputs) {
        self.events += 1;
        out.push(Output::Event(Event {
            access_code_id: record.access_code_id,
            backup_access_code_id: None,
            code: record.code.filter(|_| event_type.has_code()),
            connected_account_id: self.account,
            created_at: now,
            device_id: record.device_id,
            event_id: EventId(draw_uuid(0, Purpose::EventId, record.access_code_id.0, self.events)),
            event_type,
            occurred_at: now,
            workspace_id: self.workspace,
        }));
    }
}

/// The story; `faults` is what goes wrong in it.
fn story(faults: &Value) -> Story {
    let story = json!({
        "name": "two-guests", "horizon": "2h",
        "devices": [{ "name": "L1", "vendor": "generic_cloud" }],
        "steps": [
            { "at": "+1m", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } },
            { "at": "+30m", "do": { "create": { "code": "B", "on": "L1", "pin": "0815" } } },
            { "at": "+1h", "do": { "enter": { "on": "L1", "pin": "0815", "must": "open" } } }
        ],
        "faults": faults
    });
    Story::new(&story).expect("a valid story")
}

fn cloud_fails() -> Value {
    json!([{ "quirk": "cloud_fails_after_storing", "commands": ["create_entry"], "code": "B", "from": "+29m" }])
}

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        return cli::main(Engine::of(&Trustings));
    }
    for (title, faults) in [("without trouble", json!([])), ("with a cloud that fails after storing", cloud_fails())] {
        let story = story(&faults);
        let told = story.tell(&Trustings);
        println!("{title}: {} after {} steps", told.verdict, told.outcome.figures.steps);
        if told.verdict != Verdict::Pass {
            let file = Path::new("keyway-findings/two-guests.json");
            write(file, &to_text(&story.plan)).expect("the folder can be written to");
            let replay = format!("cargo run --example bring_your_own_controller -- run {}", file.display());
            let page = Failure { plan: &story.plan, outcome: &told.outcome, replay: &replay, files: &[file.to_owned()] };
            println!("\n{}", page.page(Look::of_stdout()));
        }
    }
    ExitCode::SUCCESS
}

/// Paste this beside your own controller. `assert_passed` fails with the page and keeps the story.
#[test]
fn codes_are_told_as_they_are() {
    story(&json!([])).tell(&Trustings).assert_passed();
}

#[test]
fn the_first_bug_is_caught() {
    let story = story(&cloud_fails());
    let told = story.tell(&Trustings);
    assert_eq!(told.verdict, Verdict::Safety);
    assert!(told.page().contains("I-DEV-06"), "{}", told.page());
}
