//! Occurrences in the words of the plan: names instead of ids, times after the start.

use keyway_core::id::CodeId;
use keyway_core::port::{Answer, News, Op, OpKind};
use keyway_core::time::{Timestamp, Window};

use crate::occurrence::{Origin, TrueEntry};
use crate::plan::device::DeviceAction;
use crate::plan::unmanaged::{AtUnmanaged, UnmanagedAction};
use crate::plan::{Action, AtEntry, CreateCode, Plan, RequestedPin};
use crate::plan_text::{Offset, Span};
use crate::view::View;

/// A time after the start of the plan; before it, with a minus.
pub fn clock(plan: &Plan, at: Timestamp) -> String {
    let after_ms = at - plan.start.0;
    if after_ms < 0 { format!("-{}", Span(-after_ms)) } else { Offset::After(after_ms).to_string() }
}

/// A window.
pub fn window(plan: &Plan, window: Window) -> String {
    format!("{} to {}", clock(plan, window.starts_at), clock(plan, window.ends_at))
}

/// A text of the judge with the plan's times and names in it: instants as time after the start, codes by their words.
pub fn plainly(plan: &Plan, view: &View, text: &str) -> String {
    let plain = |word: &str| -> String {
        let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
        let label =
            || view.words_of_codes().find(|(code, _)| bare.len() == 36 && code.to_string() == bare).map(|(_, label)| label.to_owned());
        match bare.parse::<Timestamp>().ok().map(|at| clock(plan, at)).or_else(label) {
            Some(told) => format!("{told}{}", &word[bare.len()..]),
            None => word.to_owned(),
        }
    };
    text.split(' ').map(plain).collect::<Vec<_>>().join(" ")
}

/// Whose an entry is.
pub fn owner<'a>(view: &'a View, entry: &TrueEntry) -> &'a str {
    match entry.origin {
        Origin::Reserved => "the lock itself",
        Origin::Code(_) | Origin::Unclaimed | Origin::External | Origin::Other => view.owner(entry).unwrap_or("nobody"),
    }
}

fn pin(pin: Option<&RequestedPin>) -> String {
    match pin {
        None => String::new(),
        Some(RequestedPin::Text(text)) => format!(" with {text}"),
        Some(RequestedPin::Number(number)) => format!(" with the number {number}"),
    }
}

fn bounds(starts: Option<Offset>, ends: Option<Offset>) -> String {
    let starts = starts.map_or(String::new(), |starts| format!(" from {starts}"));
    let ends = ends.map_or(String::new(), |ends| format!(" to {ends}"));
    format!("{starts}{ends}")
}

fn create(create: &CreateCode) -> String {
    format!("create {} on {}{}{}", create.code, create.on, pin(create.pin.as_ref()), bounds(create.starts, create.ends))
}

fn entry(entry: &AtEntry) -> String {
    let which = match (&entry.code, entry.slot, &entry.pin) {
        (Some(code), _, _) => format!("the entry of {code}"),
        (None, Some(slot), _) => format!("slot {slot}"),
        (None, None, Some(pin)) => pin.0.to_string(),
        (None, None, None) => "an entry".to_owned(),
    };
    format!("{which} on {}", entry.on)
}

fn unmanaged(action: &UnmanagedAction) -> String {
    let which = |target: &AtUnmanaged| {
        let pin = target.pin.map_or_else(|| "code".to_owned(), |pin| pin.0.to_string());
        target.code.clone().unwrap_or_else(|| format!("unmanaged {pin} on {}", target.on.as_deref().unwrap_or("no device")))
    };
    match action {
        UnmanagedAction::List(device) => format!("list the unmanaged codes of {device}"),
        UnmanagedAction::Get(target) => format!("get {}", which(target)),
        UnmanagedAction::Convert(convert) | UnmanagedAction::Update(convert) => {
            let forced = if convert.force == Some(true) { " by force" } else { "" };
            format!("convert {}{forced}", which(&convert.target))
        }
        UnmanagedAction::Delete(target) => format!("delete {}", which(target)),
    }
}

/// What a step of the plan does.
pub fn action(action: &Action) -> String {
    match action {
        Action::Create(arguments) => create(arguments),
        Action::CreateMultiple(arguments) => {
            let codes: Vec<String> = arguments.codes.iter().map(|(code, device)| format!("{code} on {device}")).collect();
            format!("create {}{}{}", codes.join(", "), pin(arguments.pin.as_ref()), bounds(arguments.starts, arguments.ends))
        }
        Action::Update(update) if update.is_managed == Some(false) => format!("manage {} no more", update.code),
        Action::Update(update) => format!("update {}{}{}", update.code, pin(update.pin.as_ref()), bounds(update.starts, update.ends)),
        Action::UpdateMultiple(update) => format!("update the group of {}{}", update.group_of, bounds(update.starts, update.ends)),
        Action::Delete(code) => format!("delete {code}"),
        Action::DeleteOn(delete) => format!("delete {} on {}", delete.code, delete.on),
        Action::Get(code) => format!("get {code}"),
        Action::GetByPin(get) => format!("get the code{} on {}", pin(Some(&get.pin)), get.on),
        Action::ListCodes(list) => format!("list {}", list.codes.join(", ")),
        Action::List(device) => format!("list {device}"),
        Action::GenerateCode(device) => format!("generate a PIN for {device}"),
        Action::PullBackup(pull) => format!("pull a backup of {} as {}", pull.of, pull.named),
        Action::Unmanaged(action) => unmanaged(action),
        Action::Device(DeviceAction::GiveUp(device)) => format!("manage {device} no more"),
        Action::Device(DeviceAction::ManageAgain(device)) => format!("manage {device} again"),
        Action::Device(DeviceAction::ReportLengths(report)) => format!("report PIN lengths of {}", report.on),
        Action::SimulateUnmanaged(simulate) => format!("simulate an unmanaged {} on {}", simulate.pin.0, simulate.on),
        Action::PersonAdds(adds) => format!("a person adds {} on {}", adds.pin.0, adds.on),
        Action::PersonRemoves(at) => format!("a person removes {}", entry(at)),
        Action::PersonEdits(edits) => format!("a person edits {}", entry(&edits.target)),
        Action::PersonDisables(at) => format!("a person disables {}", entry(at)),
        Action::PersonSetsLength(set) => format!("a person sets {} to PINs of {} digits", set.on, set.length),
        Action::Enter(enter) => format!("somebody at {}", enter.on),
        Action::EnterRepeatedly(enter) => format!("somebody at {}", enter.enter.on),
    }
}

/// A command that may change a lock; none for those that only read.
pub fn command(view: &View, op: &Op, for_code: Option<CodeId>) -> Option<String> {
    let what = match op {
        Op::CreateEntry { pin, .. } => format!("create entry {pin}"),
        Op::ReplaceEntry { handle, pin, .. } => format!("replace entry {} by {pin}", handle.0),
        Op::SetSchedule { handle, .. } => format!("set schedule of entry {}", handle.0),
        Op::DeleteEntry { handle } => format!("delete entry {}", handle.0),
        Op::SetSlot { slot, pin, .. } => format!("set slot {} to {pin}", slot.0),
        Op::ClearSlot { slot } => format!("clear slot {}", slot.0),
        Op::CreateUser { name } => format!("create user {name}"),
        Op::DeleteUser { user } => format!("delete user {}", user.0),
        Op::TakeSeat { user } => format!("take a seat for user {}", user.0),
        Op::ReleaseSeat { user } => format!("release the seat of user {}", user.0),
        Op::AssignPin { user, pin: None, .. } => format!("assign a PIN to user {}", user.0),
        Op::AssignPin { user, pin: Some(pin), .. } => format!("assign {pin} to user {}", user.0),
        Op::ReadSite => return None,
        Op::SetClock { .. } => "set clock".to_owned(),
        Op::RegisterOffline { kind, .. } => format!("register {} code", plain(kind)),
        Op::RevokeOffline { pin } => format!("revoke {pin}"),
        Op::AdoptEntry { handle } => format!("claim entry {}", handle.0),
        Op::ReadUserLevels => return None,
        Op::ListEntries { .. } | Op::ReadEntry { .. } | Op::ReadSlot { .. } | Op::ListDevices { .. } | Op::GetDevice | Op::ReadClock => {
            return None;
        }
    };
    Some(for_code.map_or_else(|| what.clone(), |code| format!("{what} for {}", view.label(code))))
}

/// What an answer to a command that changes something says.
pub fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => "accepted".to_owned(),
        Answer::Done { .. } => "done".to_owned(),
        Answer::Refused(reason) => format!("refused, {}", plain(reason)),
        Answer::Busy => "busy".to_owned(),
        Answer::QueueFull => "queue full".to_owned(),
        Answer::RateLimited { .. } => "rate limited".to_owned(),
        Answer::Unreachable(part) => format!("unreachable, {}", plain(part)),
        Answer::Unauthorized => "unauthorized".to_owned(),
        Answer::Gone => "no such device".to_owned(),
        Answer::NotFound => "not found".to_owned(),
        Answer::MaybeDuplicate => "maybe a duplicate".to_owned(),
        Answer::ServerError { status, .. } => format!("server error {status}"),
        Answer::TimedOut => "timed out".to_owned(),
        Answer::User { user } => format!("user {} made", user.0),
        Answer::Assigned { pin, .. } => format!("assigned {pin}"),
        Answer::Registered { pin, .. } => format!("registered as {pin}"),
        Answer::Site { .. } | Answer::UserLevels(_) => "a read's result".to_owned(),
        Answer::Entries { .. } | Answer::Entry(_) | Answer::Slot(_) | Answer::Devices { .. } | Answer::Device(_) | Answer::Clock { .. } => {
            "a read's result".to_owned()
        }
    }
}

/// What a notice says.
pub fn news(news: &News) -> String {
    match news {
        News::EntryAdded(at) => format!("{at} added"),
        News::EntryChanged(at) => format!("{at} changed"),
        News::EntryRemoved(at) => format!("{at} removed"),
        News::NotAdded { slot, duplicate } => format!("slot {} not added{}", slot.0, if *duplicate { ", duplicate" } else { "" }),
        News::AllRemoved => "all removed".to_owned(),
        News::KeypadUsed { .. } => "keypad used".to_owned(),
        News::KeypadRefused => "keypad refused".to_owned(),
        News::KeypadLocked => "keypad locked".to_owned(),
        News::LockOnline => "lock online".to_owned(),
        News::LockOffline => "lock offline".to_owned(),
        News::HubUp(part, _) => format!("{} up", plain(part)),
        News::HubDown(part, _) => format!("{} down", plain(part)),
        News::BatteryLow => "battery low".to_owned(),
        News::BatteryChanged => "battery changed".to_owned(),
        News::KeypadAttached => "keypad attached".to_owned(),
        News::KeypadDetached => "keypad detached".to_owned(),
        News::DeviceAdded { .. } => "device added".to_owned(),
        News::DeviceRemoved => "device removed".to_owned(),
        News::AccountRevoked => "account revoked".to_owned(),
        News::AccountRestored => "account restored".to_owned(),
        News::PlanChanged => "plan changed".to_owned(),
    }
}

/// A word of the boundary without its underscores.
fn plain(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|value| value.as_str().map(|text| text.replace('_', " "))).unwrap_or_default()
}

/// A kind of command.
pub fn kind(kind: OpKind) -> String {
    plain(&kind)
}
