//! What must be right about a plan beyond its form: names, times, ranges, and what a quirk can be on.
//!
//! The first thing found wrong is reported, with the way to it, so that the reader can point at the words in the file.

use std::collections::BTreeMap;

use keyway_core::pin::Pin;
use keyway_core::rule::invariant;
use keyway_core::vendor::{Family, Profile, Vendor};
use keyway_core::world::quirk::{Quirk, QuirkSort};

use super::bad_input::{Problem, nearest, unknown_word};
use super::node::{Node, Step};
use crate::invariant::bridge::LOCKS_A_BRIDGE;
use crate::plan::unmanaged::{AtUnmanaged, SimulateUnmanaged, UnmanagedAction};
use crate::plan::{Action, AtEntry, CrashPoint, Device, Enter, Fault, Never, Plan, RequestedPin, State};
use crate::plan_text::Offset;
use crate::words;

/// Something wrong in meaning, and the way to it.
#[derive(Debug)]
pub struct Wrong {
    path: Vec<Step>,
    of_key: bool,
    message: String,
    help: Option<String>,
}

impl Wrong {
    /// At its place in the file.
    pub fn in_file(self, story: &Node) -> Problem {
        Problem::at(story.locate(&self.path, self.of_key), self.message).with_help(self.help)
    }

    fn helped(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// About the last key of the way instead of its value.
    fn key(mut self) -> Self {
        self.of_key = true;
        self
    }
}

fn wrong(path: &[Step], message: impl Into<String>) -> Wrong {
    Wrong { path: path.to_vec(), of_key: false, message: message.into(), help: None }
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<&String> for Step {
    fn from(key: &String) -> Self {
        Self::Key(key.clone())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A way: `way![from..; "do", 3, key]` goes on from another one.
macro_rules! way {
    ($from:expr; $($step:expr),*) => {{ let mut way: Vec<Step> = $from.to_vec(); $(way.push(Step::from($step));)* way }};
    ($($step:expr),*) => { [$(Step::from($step)),*] };
}

type Checked = Result<(), Wrong>;

/// Checks a plan.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(plan: &Plan) -> Checked {
    if plan.name.trim().is_empty() {
        return Err(wrong(&way!["name"], "a story without a name; expected words joined by hyphens"));
    }
    if plan.horizon.0 <= 0 {
        return Err(wrong(&way!["horizon"], "a horizon of 0; expected how long the world may misbehave, such as 6h"));
    }
    if plan.devices.is_empty() {
        return Err(wrong(&way!["devices"], "no devices; expected at least one lock"));
    }
    if let Some(target) = plan.policy.backup_pool_target
        && !(1..=5).contains(&target)
    {
        return Err(wrong(&way!["policy", "backup_pool_target"], format!("a pool of {target} backups; expected 1 to 5")));
    }
    let names = Names::of(plan)?;
    let checker = Checker { plan, names };
    checker.accounts()?;
    checker.devices()?;
    checker.steps()?;
    checker.faults()?;
    checker.crashes()?;
    checker.expectations()
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Account,
    Hub,
    Device,
    Code,
}

impl Named {
    fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Hub => "hub",
            Self::Device => "device",
            Self::Code => "code",
        }
    }
}

/// Words that stand for something else where names stand.
const RESERVED: &[&str] = &["none", "backup", "unmanaged", "all"];

struct Names(BTreeMap<String, Named>);

impl Names {
    /// All names that the plan declares, each once.
    fn of(plan: &Plan) -> Result<Self, Wrong> {
        let mut names = Self(BTreeMap::new());
        for (i, account) in plan.accounts.iter().enumerate() {
            names.declare(&account.name, Named::Account, &way!["accounts", i, "name"], false)?;
        }
        for (i, hub) in plan.hubs.iter().enumerate() {
            names.declare(&hub.name, Named::Hub, &way!["hubs", i, "name"], false)?;
        }
        for (i, device) in plan.devices.iter().enumerate() {
            names.declare(&device.name, Named::Device, &way!["devices", i, "name"], false)?;
        }
        // Each lock has one name more in each workspace that shares its account.
        for account in plan.accounts.iter().filter(|account| account.shares.is_some()) {
            let is_shared = |device: &&Device| device.account == account.shares;
            let views = plan.devices.iter().filter(is_shared).map(|device| format!("{}/{}", account.name, device.name));
            names.0.extend(views.map(|view| (view, Named::Device)));
        }
        for (i, device) in plan.devices.iter().enumerate() {
            for (j, stored) in device.memory.iter().enumerate() {
                if let Some(owner) = &stored.owner {
                    names.declare(owner, Named::Code, &way!["devices", i, "memory", j, "owner"], false)?;
                }
            }
        }
        let mut pulls: Vec<(&str, &str)> = Vec::new();
        for (i, step) in plan.steps.iter().enumerate() {
            let at = way!["steps", i, "do"];
            match &step.action {
                Action::Create(create) => names.declare(&create.code, Named::Code, &way![at; "create", "code"], false)?,
                Action::CreateMultiple(create) => {
                    for code in create.codes.keys() {
                        names.declare(code, Named::Code, &way![at; "create_multiple", "codes", code], true)?;
                    }
                }
                // A repeated pull of one original answers the same backup.
                Action::PullBackup(pull) if pulls.contains(&(&pull.of, &pull.named)) => {}
                Action::PullBackup(pull) => {
                    names.declare(&pull.named, Named::Code, &way![at; "pull_backup", "as"], false)?;
                    pulls.push((&pull.of, &pull.named));
                }
                Action::Unmanaged(UnmanagedAction::Convert(convert) | UnmanagedAction::Update(convert)) => {
                    if let Some(named) = &convert.named {
                        names.declare(named, Named::Code, &way![at; "unmanaged", "convert", "as"], false)?;
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn declare(&mut self, name: &str, what: Named, path: &[Step], of_key: bool) -> Checked {
        let refuse = |message: String| Err(Wrong { of_key, ..wrong(path, message) });
        if name.trim().is_empty() || name.ends_with(['?', '*']) || name.contains('/') {
            return refuse(format!("`{name}` is no name for a {}; expected a word", what.word()));
        }
        if RESERVED.contains(&name) {
            return refuse(format!("`{name}` can't be the name of a {}: it stands for something else", what.word()));
        }
        match self.0.insert(name.to_owned(), what) {
            None => Ok(()),
            Some(before) if before == what => refuse(format!("two {}s of the name `{name}`; expected each name once", what.word())),
            Some(before) => refuse(format!("`{name}` is the name of a {} already; expected each name once", before.word())),
        }
    }

    /// That a name stands for one of these kinds.
    fn expect(&self, name: &str, kinds: &[Named], path: &[Step]) -> Checked {
        let expected = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" or ");
        match self.0.get(name) {
            Some(kind) if kinds.contains(kind) => Ok(()),
            Some(kind) => Err(wrong(path, format!("`{name}` is a {}; expected a {expected}", kind.word()))),
            None => {
                let known: Vec<&str> = self.0.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(name, _)| name.as_str()).collect();
                let help = match nearest(name, &known) {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None if known.is_empty() => Some(format!("the plan declares no {expected}")),
                    None if known.len() <= 12 => Some(format!("declared: {}", known.join(", "))),
                    None => None,
                };
                Err(wrong(path, format!("no {expected} of the name `{name}` is declared")).helped(help))
            }
        }
    }
}

struct Checker<'a> {
    plan: &'a Plan,
    names: Names,
}

impl Checker<'_> {
    /// That a time lies between start and horizon.
    fn time(&self, at: Offset, path: &[Step]) -> Checked {
        let after_ms = self.plan.instant(at) - self.plan.start.0;
        if after_ms < 0 {
            let message = format!("{at} is before the start of the plan, {}; expected a time from +0s on", self.plan.start.0);
            return Err(wrong(path, message));
        }
        if after_ms > self.plan.horizon.0 {
            return Err(wrong(path, format!("{at} is after the horizon, +{}", self.plan.horizon))
                .helped(Some("make `horizon` longer, or the time earlier".to_owned())));
        }
        Ok(())
    }

    /// That `until`, if given, is a time not before `from`.
    fn time_span(&self, from: Offset, until: Option<Offset>, path: &[Step]) -> Checked {
        self.time(from, &way![path; "from"])?;
        let Some(until) = until else { return Ok(()) };
        let until_at = way![path; "until"];
        self.time(until, &until_at)?;
        if self.plan.instant(until) < self.plan.instant(from) {
            return Err(wrong(&until_at, format!("`until` {until} is before `from` {from}")));
        }
        Ok(())
    }

    fn device(&self, name: &str, path: &[Step]) -> Checked {
        self.names.expect(name, &[Named::Device], path)
    }

    fn code(&self, name: &str, path: &[Step]) -> Checked {
        self.names.expect(name, &[Named::Code], path)
    }

    fn accounts(&self) -> Checked {
        for (i, account) in self.plan.accounts.iter().enumerate() {
            zone(account.zone.as_deref(), &way!["accounts", i, "zone"])?;
            if account.rate_per_minute == Some(0) {
                return Err(wrong(&way!["accounts", i, "rate_per_minute"], "0 calls a minute; expected at least 1"));
            }
            let is_by_seat = account.vendor.profile().family == Family::BySeat;
            if !is_by_seat && (account.seats.is_some() || account.seats_of_others.is_some()) {
                return Err(wrong(&way!["accounts", i, "seats"], format!("{} sells no seats", account.vendor)));
            }
            let Some(shared) = &account.shares else { continue };
            let at = way!["accounts", i, "shares"];
            self.names.expect(shared, &[Named::Account], &at)?;
            let first = self.plan.accounts[..i].iter().find(|first| first.name == *shared);
            if first.is_none_or(|first| first.shares.is_some() || first.vendor != account.vendor) {
                return Err(wrong(&at, format!("expected an account of {} that stands before this one and shares none", account.vendor)));
            }
        }
        Ok(())
    }

    fn devices(&self) -> Checked {
        for (i, device) in self.plan.devices.iter().enumerate() {
            let at = way!["devices", i];
            let profile = self.profile(device, &at)?;
            if let Some(hub) = &device.hub {
                let hub_at = way![at; "hub"];
                self.names.expect(hub, &[Named::Hub], &hub_at)?;
                if profile.hub.is_none() {
                    return Err(wrong(&hub_at, format!("a lock of {} is behind no hub", profile.vendor)));
                }
                // vendors.md 9.
                let before = self.plan.devices[..i].iter().filter(|other| other.hub.as_ref() == Some(hub)).count();
                if profile.queue_limit.is_some() && before >= LOCKS_A_BRIDGE {
                    return Err(wrong(
                        &hub_at,
                        format!("a bridge of {} serves {LOCKS_A_BRIDGE} locks at most, and `{hub}` has as many already", profile.vendor),
                    ));
                }
            }
            figures(device, &at)?;
            zone(device.zone.as_deref(), &way![at; "zone"])?;
            for (j, quirk) in device.quirks.iter().enumerate() {
                if quirk.sort() != QuirkSort::Standing {
                    let message = format!("`{quirk}` comes and goes, so it is no standing quirk of a device", quirk = quirk.0);
                    return Err(wrong(&way![at; "quirks", j], message).helped(Some("put it into the plan's `faults`".to_owned())));
                }
            }
            memory(device, &profile, &at)?;
        }
        Ok(())
    }

    /// The profile of a device's vendor, which it names itself or through its account.
    fn profile(&self, device: &Device, at: &[Step]) -> Result<Profile, Wrong> {
        let account = match &device.account {
            None => None,
            Some(name) => {
                self.names.expect(name, &[Named::Account], &way![at; "account"])?;
                self.plan.accounts.iter().find(|account| account.name == *name)
            }
        };
        if let Some(shared) = account.and_then(|account| account.shares.as_ref()) {
            let message = format!("the account is another's login; its locks belong to `{shared}`");
            return Err(wrong(&way![at; "account"], message));
        }
        match (device.vendor, account.map(|account| account.vendor)) {
            (Some(own), Some(other)) if own != other => {
                Err(wrong(&way![at; "vendor"], format!("the device is of {own}, its account of {other}; expected one vendor")))
            }
            (Some(vendor), _) | (None, Some(vendor)) => Ok(vendor.profile()),
            (None, None) => {
                let vendors = words::vendors().join(", ");
                Err(wrong(at, format!("the device `{}` has neither vendor nor account", device.name))
                    .helped(Some(format!("expected `vendor`, one of {vendors}"))))
            }
        }
    }

    fn steps(&self) -> Checked {
        for (i, step) in self.plan.steps.iter().enumerate() {
            self.time(step.at, &way!["steps", i, "at"])?;
            if let Some(account) = &step.by {
                self.names.expect(account, &[Named::Account], &way!["steps", i, "by"])?;
            }
            self.action(&step.action, step.at, &way!["steps", i, "do"])?;
        }
        Ok(())
    }

    fn action(&self, action: &Action, at: Offset, path: &[Step]) -> Checked {
        match action {
            Action::Create(create) => {
                let path = way![path; "create"];
                self.device(&create.on, &way![path; "on"])?;
                self.requested_pin(create.pin.as_ref(), &create.code, &way![path; "pin"])
            }
            Action::CreateMultiple(create) => {
                for (code, device) in &create.codes {
                    self.device(device, &way![path; "create_multiple", "codes", code])?;
                    self.requested_pin(create.pin.as_ref(), code, &way![path; "create_multiple", "pin"])?;
                }
                Ok(())
            }
            Action::Update(update) => {
                self.code(&update.code, &way![path; "update", "code"])?;
                update.on.iter().try_for_each(|on| self.device(on, &way![path; "update", "on"]))?;
                self.requested_pin(update.pin.as_ref(), &update.code, &way![path; "update", "pin"])
            }
            Action::UpdateMultiple(update) => self.code(&update.group_of, &way![path; "update_multiple", "group_of"]),
            Action::Delete(code) => self.code(code, &way![path; "delete"]),
            Action::DeleteOn(delete) => {
                self.code(&delete.code, &way![path; "delete_on", "code"])?;
                self.device(&delete.on, &way![path; "delete_on", "on"])
            }
            Action::GetByPin(get) => {
                self.device(&get.on, &way![path; "get_by_pin", "on"])?;
                self.requested_pin(Some(&get.pin), &get.on, &way![path; "get_by_pin", "pin"])
            }
            Action::ListCodes(list) => {
                { list.codes.iter().enumerate() }.try_for_each(|(i, code)| self.code(code, &way![path; "list_codes", "codes", i]))
            }
            Action::Get(code) => self.code(code, &way![path; "get"]),
            Action::List(device) => self.device(device, &way![path; "list"]),
            Action::GenerateCode(device) => self.device(device, &way![path; "generate_code"]),
            Action::PullBackup(pull) => self.code(&pull.of, &way![path; "pull_backup", "of"]),
            Action::Unmanaged(action) => self.unmanaged(action, &way![path; "unmanaged"]),
            Action::Device(action) => self.device(action.on(), &way![path; "device"]),
            Action::SimulateUnmanaged(simulate) => self.simulated(simulate, &way![path; "simulate_unmanaged"]),
            Action::PersonAdds(adds) => {
                self.device(&adds.on, &way![path; "person_adds", "on"])?;
                self.slot_of(adds.slot, &adds.on, &way![path; "person_adds", "slot"])
            }
            Action::PersonRemoves(entry) => self.entry(entry, &way![path; "person_removes"]),
            Action::PersonEdits(edits) => self.entry(&edits.target, &way![path; "person_edits", "entry"]),
            Action::PersonDisables(entry) => self.entry(entry, &way![path; "person_disables"]),
            Action::PersonSetsLength(set) => {
                self.device(&set.on, &way![path; "person_sets_length", "on"])?;
                if !(1..=19).contains(&set.length) {
                    let at = way![path; "person_sets_length", "length"];
                    return Err(wrong(&at, format!("a PIN of {} digits; expected a length from 1 to 19", set.length)));
                }
                Ok(())
            }
            Action::Enter(enter) => self.enter(enter, &way![path; "enter"]),
            Action::EnterRepeatedly(enter) => {
                let path = way![path; "enter_repeatedly"];
                self.enter(&enter.enter, &way![path; "enter"])?;
                if enter.every.0 < 100 {
                    return Err(wrong(&way![path; "every"], "expected at least 100ms between two entries"));
                }
                let until_at = way![path; "until"];
                self.time(enter.until, &until_at)?;
                if self.plan.instant(enter.until) < self.plan.instant(at) {
                    return Err(wrong(&until_at, format!("`until` {} is before `at` {at}", enter.until)));
                }
                Ok(())
            }
        }
    }

    fn unmanaged(&self, action: &UnmanagedAction, path: &[Step]) -> Checked {
        let target = |target: &AtUnmanaged, path: &[Step]| match (&target.code, &target.on) {
            (Some(code), None) => self.code(code, &way![path; "code"]),
            (None, Some(device)) => self.device(device, &way![path; "on"]),
            (Some(_), Some(_)) => Err(wrong(path, "expected either `code` or `on`, found both")),
            (None, None) => Err(wrong(path, "expected either `code` or `on`, found neither")),
        };
        match action {
            UnmanagedAction::List(device) => self.device(device, &way![path; "list"]),
            UnmanagedAction::Get(at) => target(at, &way![path; "get"]),
            UnmanagedAction::Convert(convert) => target(&convert.target, &way![path; "convert", "of"]),
            UnmanagedAction::Update(convert) => target(&convert.target, &way![path; "update", "of"]),
            UnmanagedAction::Delete(at) => target(at, &way![path; "delete"]),
        }
    }

    /// The endpoint takes 4 to 8 digits.
    fn simulated(&self, simulate: &SimulateUnmanaged, path: &[Step]) -> Checked {
        self.device(&simulate.on, &way![path; "on"])?;
        let device = self.plan.devices.iter().find(|device| device.name == simulate.on);
        let vendor = device.map(|device| self.profile(device, path)).transpose()?.map(|profile| profile.vendor);
        if let Some(vendor) = vendor.filter(|vendor| *vendor != Vendor::August) {
            return Err(wrong(
                &way![path; "on"],
                format!("the endpoint knows locks of {} only, and this is one of {vendor}", Vendor::August),
            )
            .helped(Some("`person_adds` works everywhere".to_owned())));
        }
        let length = simulate.pin.0.length();
        if !(4..=8).contains(&length) {
            return Err(wrong(&way![path; "pin"], format!("a PIN of {length} digits; expected 4 to 8")));
        }
        Ok(())
    }

    /// That a requested PIN is one, unless the plan is about its refusal.
    fn requested_pin(&self, pin: Option<&RequestedPin>, code: &str, path: &[Step]) -> Checked {
        let found = match pin {
            None => return Ok(()),
            Some(RequestedPin::Text(text)) if text.parse::<Pin>().is_ok() => return Ok(()),
            Some(RequestedPin::Text(text)) => format!("`{text}` is no PIN"),
            Some(RequestedPin::Number(number)) => format!("the number {number} is no PIN"),
        };
        if self.plan.expect.refused.contains_key(code) {
            return Ok(());
        }
        Err(wrong(path, format!("{found}; expected a string of 1 to 19 digits"))
            .helped(Some("a PIN that must be refused needs an expectation in `expect.refused`".to_owned())))
    }

    fn slot_of(&self, slot: Option<u16>, device: &str, path: &[Step]) -> Checked {
        let (Some(slot), Some(device)) = (slot, self.plan.devices.iter().find(|known| known.name == device)) else { return Ok(()) };
        let vendor = device.vendor.or_else(|| {
            let name = device.account.as_ref()?;
            self.plan.accounts.iter().find(|account| account.name == *name).map(|account| account.vendor)
        });
        let profile = vendor.map(Vendor::profile);
        if let Some(profile) = &profile
            && profile.family != Family::BySlot
        {
            return Err(wrong(path, format!("a lock of {} has no numbered slots", profile.vendor)));
        }
        slot_in(slot, device.slots.or(profile.map(|profile| profile.slots)).unwrap_or(u32::MAX), path)
    }

    fn entry(&self, entry: &AtEntry, path: &[Step]) -> Checked {
        self.device(&entry.on, &way![path; "on"])?;
        let given = usize::from(entry.code.is_some()) + usize::from(entry.slot.is_some()) + usize::from(entry.pin.is_some());
        if given != 1 {
            return Err(wrong(path, format!("expected exactly one of `code`, `slot` and `pin`, found {given}")));
        }
        self.slot_of(entry.slot, &entry.on, &way![path; "slot"])?;
        entry.code.as_ref().map_or(Ok(()), |code| self.code(code, &way![path; "code"]))
    }

    fn enter(&self, enter: &Enter, path: &[Step]) -> Checked {
        self.device(&enter.on, &way![path; "on"])?;
        match (&enter.code, &enter.pin) {
            (Some(code), None) => self.code(code, &way![path; "code"]),
            (None, Some(_)) => Ok(()),
            (Some(_), Some(_)) => Err(wrong(path, "expected exactly one of `code` and `pin`, found both")),
            (None, None) => Err(wrong(path, "expected exactly one of `code` and `pin`, found neither")),
        }
    }

    fn faults(&self) -> Checked {
        for (i, fault) in self.plan.faults.iter().enumerate() {
            let at = way!["faults", i];
            self.time_span(fault.from, fault.until, &at)?;
            self.fault_on(fault, &at)?;
            if let Some(code) = &fault.code {
                self.code(code, &way![at; "code"])?;
            }
            let is_noise = fault.quirk.sort() == QuirkSort::Noise;
            let only_noise = [
                ("commands", !fault.commands.is_empty()),
                ("code", fault.code.is_some() && fault.quirk.0 != Quirk::SeatTakenAway),
                ("first", fault.first.is_some()),
                ("one_in", fault.one_in.is_some()),
                ("copies", !fault.copies.is_empty()),
                ("status", fault.status.is_some()),
            ];
            if let Some((key, _)) = only_noise.iter().find(|(_, is_given)| *is_given && !is_noise) {
                let message = format!("`{key}` is for noise; `{}` strikes no single commands", fault.quirk.0);
                return Err(wrong(&way![at; *key], message).key());
            }
            for (key, figure) in [("first", fault.first), ("one_in", fault.one_in)] {
                if figure == Some(0) {
                    return Err(wrong(&way![at; key], "expected a number of at least 1"));
                }
            }
            if let Some(slots) = fault.slots {
                range(slots, &way![at; "slots"])?;
            }
        }
        Ok(())
    }

    /// That a fault is on something of a kind that it can strike.
    fn fault_on(&self, fault: &Fault, at: &[Step]) -> Checked {
        let quirk = fault.quirk.0;
        if quirk.sort() == QuirkSort::Standing {
            return Err(wrong(&way![at; "quirk"], format!("`{quirk}` is a standing quirk, which no time begins or ends"))
                .helped(Some("put it into the device's `quirks`".to_owned())));
        }
        if let Some(becomes) = &fault.becomes {
            self.names.expect(becomes, &[Named::Device], &way![at; "as"])?;
        }
        let Some(on) = &fault.on else { return Ok(()) };
        let on_at = way![at; "on"];
        self.names.expect(on, &[Named::Account, Named::Hub, Named::Device], &on_at)?;
        let kinds = targets(quirk);
        match self.names.0.get(on) {
            Some(kind) if !kinds.contains(kind) => {
                let expected = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" or ");
                Err(wrong(&on_at, format!("`{on}` is a {}; `{quirk}` is on a {expected}", kind.word())))
            }
            Some(Named::Device) if kinds.contains(&Named::Hub) && !kinds.contains(&Named::Account) => {
                let device = self.plan.devices.iter().find(|device| device.name == *on);
                let vendor = device.and_then(|device| device.vendor);
                match vendor.map(Vendor::profile) {
                    Some(profile) if profile.hub.is_none() => {
                        Err(wrong(&on_at, format!("a lock of {} is behind no hub, so `{quirk}` can't strike it", profile.vendor)))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn crashes(&self) -> Checked {
        for (i, crash) in self.plan.crashes.iter().enumerate() {
            let at = way!["crashes", i, "when"];
            match &crash.when {
                CrashPoint::At(offset) => self.time(*offset, &way![at; "at"])?,
                CrashPoint::InCall { step, .. } => self.call(*step, &way![at; "in_call", "step"])?,
                CrashPoint::AfterReply { step } => self.call(*step, &way![at; "after_reply", "step"])?,
                CrashPoint::InAnswer { on, .. } => self.device(on, &way![at; "in_answer", "on"])?,
                CrashPoint::InNotice { on: Some(on), .. } => self.device(on, &way![at; "in_notice", "on"])?,
                CrashPoint::InNotice { on: None, .. } | CrashPoint::InWake { .. } => {}
            }
        }
        Ok(())
    }

    /// That a step is an API call.
    fn call(&self, step: u32, path: &[Step]) -> Checked {
        let steps = self.plan.steps.len();
        match self.plan.steps.get(step as usize).map(|step| &step.action) {
            None => Err(wrong(path, format!("there is no step {step}; the plan has {steps}, counted from 0"))),
            Some(
                Action::Create(_)
                | Action::CreateMultiple(_)
                | Action::Update(_)
                | Action::UpdateMultiple(_)
                | Action::Delete(_)
                | Action::DeleteOn(_)
                | Action::Get(_)
                | Action::GetByPin(_)
                | Action::List(_)
                | Action::ListCodes(_)
                | Action::PullBackup(_)
                | Action::GenerateCode(_)
                | Action::Unmanaged(_),
            ) => Ok(()),
            Some(_) => Err(wrong(path, format!("step {step} is no API call; expected the index of one, counted from 0"))),
        }
    }

    fn expectations(&self) -> Checked {
        let expect = &self.plan.expect;
        if let Some(id) = &expect.verdict
            && id != "expect"
            && invariant(id).is_none()
        {
            let (message, help) = unknown_word("invariant", id, &words::invariants());
            return Err(wrong(&way!["expect", "verdict"], message).helped(help));
        }
        for (i, state) in expect.at.iter().enumerate() {
            let at = way!["expect", "at", i];
            self.time(state.at, &way![at; "at"])?;
            self.state(&state.state, &way![at; "state"])?;
        }
        self.state(&expect.end, &way!["expect", "end"])?;
        for name in expect.refused.keys() {
            self.names.expect(name, &[Named::Code, Named::Device], &way!["expect", "refused", name]).map_err(Wrong::key)?;
        }
        for (name, pattern) in &expect.events {
            self.code(name, &way!["expect", "events", name]).map_err(Wrong::key)?;
            pattern_of(pattern, &words::events(), &way!["expect", "events", name])?;
        }
        for (name, pattern) in &expect.unmanaged_events {
            self.device(name, &way!["expect", "unmanaged_events", name]).map_err(Wrong::key)?;
            pattern_of(pattern, &words::unmanaged_events(), &way!["expect", "unmanaged_events", name])?;
        }
        self.bounds()?;
        self.never()
    }

    fn state(&self, state: &State, path: &[Step]) -> Checked {
        let devices = state.memory.keys().map(|name| ("memory", name));
        let devices = devices.chain(state.free_slots.keys().map(|name| ("free_slots", name)));
        let devices = devices.chain(state.site_users.keys().map(|name| ("site_users", name)));
        for (field, name) in devices.chain(state.clock_error_at_most.keys().map(|name| ("clock_error_at_most", name))) {
            self.device(name, &way![path; field, name]).map_err(Wrong::key)?;
        }
        for (name, entries) in &state.memory {
            for (i, entry) in entries.iter().enumerate() {
                let at = way![path; "memory", name, i];
                if let Some(owner) = entry.owner.as_deref().filter(|owner| !["none", "backup"].contains(owner)) {
                    self.code(owner, &way![at; "owner"])?;
                }
                self.slot_of(entry.slot, name, &way![at; "slot"])?;
            }
        }
        let codes = state.codes.keys().map(|name| ("codes", name)).chain(state.windows.keys().map(|name| ("windows", name)));
        for (field, name) in codes.chain(state.waits_for_pin.keys().map(|name| ("waits_for_pin", name))) {
            self.code(name, &way![path; field, name]).map_err(Wrong::key)?;
        }
        for (name, window) in &state.windows {
            self.time(window.starts, &way![path; "windows", name, "starts"])?;
            self.time(window.ends, &way![path; "windows", name, "ends"])?;
        }
        for (field, map, known, word) in
            [("errors", &state.errors, words::errors(), "error"), ("warnings", &state.warnings, words::warnings(), "warning")]
        {
            for (name, problems) in map {
                let at = way![path; field, name];
                self.names.expect(name, &[Named::Code, Named::Device, Named::Account], &at).map_err(Wrong::key)?;
                for (i, problem) in problems.iter().enumerate() {
                    let problem = problem.strip_suffix('?').unwrap_or(problem);
                    if !known.contains(&problem) {
                        let (message, help) = unknown_word(word, problem, &known);
                        return Err(wrong(&way![at; i], message).helped(help));
                    }
                }
            }
        }
        Ok(())
    }

    fn bounds(&self) -> Checked {
        for (i, bound) in self.plan.expect.bounds.iter().enumerate() {
            let at = way!["expect", "bounds", i];
            if let Some(on) = &bound.on {
                self.names.expect(on, &[Named::Device, Named::Account], &way![at; "on"])?;
            }
            if let Some(code) = &bound.code {
                self.code(code, &way![at; "code"])?;
            }
            if let Some(slots) = bound.slots {
                range(slots, &way![at; "slots"])?;
            }
            self.time_span(bound.from, bound.until, &at)?;
            match (bound.min, bound.max) {
                (None, None) => return Err(wrong(&at, "a bound without a limit; expected `min`, `max` or both")),
                (Some(min), Some(max)) if min > max => {
                    return Err(wrong(&way![at; "min"], format!("at least {min} and at most {max} can't both hold")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn never(&self) -> Checked {
        for (i, never) in self.plan.expect.never.iter().enumerate() {
            let at = way!["expect", "never", i];
            match never {
                Never::Status(never) => self.code(&never.code, &way![at; "status", "code"])?,
                Never::Problem(never) => {
                    self.names.expect(&never.of, &[Named::Code, Named::Device, Named::Account], &way![at; "problem", "of"])?;
                    let known = [words::errors(), words::warnings()].concat();
                    if let Some((j, name)) = never.names.iter().enumerate().find(|(_, name)| !known.contains(&name.as_str())) {
                        let (message, help) = unknown_word("error or warning", name, &known);
                        return Err(wrong(&way![at; "problem", "names", j], message).helped(help));
                    }
                }
                Never::Twice(never) => self.device(&never.on, &way![at; "twice", "on"])?,
                Never::Absent(never) => {
                    let at = way![at; "absent"];
                    self.code(&never.code, &way![at; "code"])?;
                    self.time_span(never.from, never.until, &at)?;
                }
            }
        }
        Ok(())
    }
}

/// The figures of a device that have a range.
fn figures(device: &Device, at: &[Step]) -> Checked {
    if let Some(slots) = device.slots
        && !(1..=65_535).contains(&slots)
    {
        return Err(wrong(&way![at; "slots"], format!("a lock of {slots} slots; expected 1 to 65,535")));
    }
    let told = device.slots.unwrap_or(u32::MAX);
    if device.true_slots.is_some_and(|slots| slots == 0 || slots > told) {
        return Err(wrong(&way![at; "true_slots"], "expected at least 1 place, and no more than are told"));
    }
    if let Some(lengths) = &device.pin_lengths {
        let at = way![at; "pin_lengths"];
        if lengths.is_empty() {
            return Err(wrong(&at, "a lock that takes no PIN at all; expected lengths from 1 to 19"));
        }
        if let Some((i, length)) = lengths.iter().enumerate().find(|(_, length)| !(1..=19).contains(*length)) {
            return Err(wrong(&way![at; i], format!("a PIN of {length} digits; expected a length from 1 to 19")));
        }
    }
    if device.page_size == Some(0) {
        return Err(wrong(&way![at; "page_size"], "pages of 0 entries; expected at least 1"));
    }
    Ok(())
}

/// What lies in a lock at `+0`.
fn memory(device: &Device, profile: &Profile, at: &[Step]) -> Checked {
    let mut taken = Vec::new();
    let slots = device.slots.unwrap_or(profile.slots);
    for (j, stored) in device.memory.iter().enumerate() {
        let at = way![at; "memory", j];
        if let Some(slot) = stored.slot {
            let slot_at = way![at; "slot"];
            if profile.family != Family::BySlot {
                return Err(wrong(&slot_at, format!("a lock of {} has no numbered slots", profile.vendor)));
            }
            slot_in(slot, slots, &slot_at)?;
            if taken.contains(&slot) {
                return Err(wrong(&slot_at, format!("two entries in slot {slot}; expected each slot once")));
            }
            taken.push(slot);
        }
        if stored.pin.is_none() && stored.owner.is_none() {
            return Err(wrong(&at, "an entry with neither `pin` nor `owner`; expected at least one of them"));
        }
        if let Some(create) = &stored.create {
            for (key, is_given) in [("code", !create.code.is_empty()), ("on", !create.on.is_empty()), ("pin", create.pin.is_some())] {
                if is_given {
                    return Err(wrong(&way![at; "create", key], format!("`{key}` is told by the entry itself")).key());
                }
            }
            if stored.owner.is_none() {
                return Err(wrong(&way![at; "create"], "`create` says how an owner's code is created; expected `owner`").key());
            }
        }
    }
    if device.memory.len() as u64 > u64::from(slots) {
        let message = format!("{} entries in a lock of {slots} slots", device.memory.len());
        return Err(wrong(&way![at; "memory"], message));
    }
    Ok(())
}

fn slot_in(slot: u16, slots: u32, path: &[Step]) -> Checked {
    if (1..=slots).contains(&u32::from(slot)) {
        return Ok(());
    }
    Err(wrong(path, format!("slot {slot} of a lock of {slots} slots; expected 1 to {slots}")))
}

fn range((from, to): (u16, u16), path: &[Step]) -> Checked {
    if from == 0 || to < from {
        return Err(wrong(path, format!("slots {from} to {to}; expected the first and the last one, counted from 1")));
    }
    Ok(())
}

fn zone(zone: Option<&str>, path: &[Step]) -> Checked {
    match zone {
        Some(name) if jiff::tz::db().get(name).is_err() => {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = nearest(name, &known)
                .map_or_else(|| "expected an IANA name such as Europe/Berlin".to_owned(), |near| format!("did you mean `{near}`?"));
            Err(wrong(path, format!("unknown time zone `{name}`")).helped(Some(help)))
        }
        _ => Ok(()),
    }
}

fn pattern_of(pattern: &[String], known: &[&str], path: &[Step]) -> Checked {
    for (i, word) in pattern.iter().enumerate() {
        let name = word.strip_suffix(['?', '*']).unwrap_or(word);
        if word != "*" && !known.contains(&name) {
            let (message, help) = unknown_word("event", name, known);
            return Err(wrong(&way![path; i], message).helped(help));
        }
    }
    Ok(())
}

/// What a quirk can be on. A device stands for its own hub or account where the quirk is theirs.
fn targets(quirk: Quirk) -> &'static [Named] {
    const ANY: &[Named] = &[Named::Account, Named::Hub, Named::Device];
    const OF_ACCOUNT: &[Named] = &[Named::Account, Named::Device];
    const OF_HUB: &[Named] = &[Named::Hub, Named::Device];
    const OF_LOCK: &[Named] = &[Named::Device];
    if quirk.sort() == QuirkSort::Noise {
        return match quirk {
            Quirk::ListingEmpty | Quirk::ListingTruncated => OF_ACCOUNT,
            _ => ANY,
        };
    }
    match quirk {
        Quirk::CloudDown | Quirk::CreatePathDown | Quirk::DeletePathDown => OF_ACCOUNT,
        Quirk::RateBudgetSmall | Quirk::RatePenaltyGrows => OF_ACCOUNT,
        Quirk::LoginRevoked | Quirk::CredentialChanged | Quirk::TunnelProgramStopped => OF_ACCOUNT,
        Quirk::SeatsUsedUp | Quirk::SeatTakenAway => OF_ACCOUNT,
        Quirk::HubPowerLost | Quirk::HubForgetsQueue | Quirk::HubRadioCollides | Quirk::HubFlushesLate | Quirk::BridgeSeemsOnline => OF_HUB,
        _ => OF_LOCK,
    }
}
