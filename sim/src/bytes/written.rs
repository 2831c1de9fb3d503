//! The way back: a plan as bytes, as far as records can tell it. So the corpus of the fuzzer begins with the stories that people wrote.

use std::collections::BTreeMap;

use keyway_core::pin::Pin;
use keyway_core::time::{MINUTE_MS, Timestamp};
use keyway_core::vendor::{Family, Vendor};
use keyway_core::world::quirk::Quirk;

use super::{Kind, MINUTES, Operation, READS_SELDOM, SELDOM_MS, TENS_MAX, VENDORS, WIDTH, WINDOW_TENS};
use crate::plan::{Action, CrashPoint, Fault, Plan, RequestedPin};
use crate::plan_text::{Offset, PinText, Span};

/// The bytes that stand for a plan: first its calls and people, then its faults, then its crashes. What no record can tell is left
/// out, other vendors become the plain one of their family, and a long story is told in three hours.
///
/// ```
/// use keyway_sim::bytes::{bytes_of_plan, plan_of_bytes};
///
/// let told = bytes_of_plan(&keyway_sim::generate::plan_of_seed(7));
/// assert_eq!(bytes_of_plan(&plan_of_bytes(&told)), told);
/// ```
#[must_use]
pub fn bytes_of_plan(plan: &Plan) -> Vec<u8> {
    let writing = Writing::of(plan);
    let mut bytes = writing.header().to_vec();
    let (mut codes, mut pins) = (Vec::new(), BTreeMap::new());
    let steps = plan.steps.iter().filter_map(|step| {
        let (kind, on, pin, more) = writing.step(&step.action, step.at, &mut codes, &mut pins)?;
        Some(writing.operation(kind, on, step.at, pin, more))
    });
    let steps: Vec<Operation> = steps.collect();
    let faults = plan.faults.iter().filter_map(|fault| writing.fault(fault));
    let crashes = plan.crashes.iter().filter_map(|crash| match crash.when {
        CrashPoint::At(at) => Some(writing.operation(Kind::Crash, 0, at, None, tens(crash.down.0))),
        _ => None,
    });
    for operation in steps.into_iter().chain(faults).chain(crashes) {
        bytes.extend(operation.to_bytes());
    }
    bytes
}

impl Operation {
    fn to_bytes(self) -> [u8; WIDTH] {
        let tag = Kind::ALL.iter().position(|kind| *kind == self.kind).expect("all kinds are listed") as u8;
        let ([minute, later], [pin, higher]) = (self.minute.to_le_bytes(), self.pin.to_le_bytes());
        [tag, self.target, minute, later, pin, higher, self.more, 0]
    }
}

struct Writing<'a> {
    plan: &'a Plan,
    /// The plan's last moment, if it does not fit.
    last_minute: Option<i64>,
}

impl<'a> Writing<'a> {
    fn of(plan: &'a Plan) -> Self {
        let moments = plan.steps.iter().map(|step| step.at).chain(plan.faults.iter().map(|fault| fault.from));
        let last = moments.map(|at| minutes(plan, at)).max().unwrap_or(0);
        Self { plan, last_minute: Some(last).filter(|last| *last >= i64::from(MINUTES)) }
    }

    fn header(&self) -> [u8; WIDTH] {
        let plan = self.plan;
        let [noise, higher, ..] = plan.noise_seed.to_le_bytes();
        let mut header = [0, 0, 0, 0, noise, higher, plan.tie_order as u8, plan.entropy as u8];
        header[0] = (plan.devices.len().clamp(1, 3) - 1) as u8;
        if plan.policy.sync_period == Some(Span(SELDOM_MS)) {
            header[0] |= READS_SELDOM;
        }
        for (slot, device) in header[1..].iter_mut().zip(plan.devices.iter().take(3)) {
            let account = plan.accounts.iter().find(|account| Some(&account.name) == device.account.as_ref());
            let vendor = device.vendor.or(account.map(|account| account.vendor)).unwrap_or(Vendor::GenericCloud);
            let plain = if vendor.profile().family == Family::BySlot { Vendor::GenericSlot } else { Vendor::GenericCloud };
            let at = |vendor| Vendor::ALL.iter().take(VENDORS).position(|one| *one == vendor);
            *slot = at(vendor).or_else(|| at(plain)).unwrap_or(0) as u8;
        }
        header
    }

    fn operation(&self, kind: Kind, target: usize, at: Offset, pin: Option<Pin>, more: u8) -> Operation {
        let minute = minutes(self.plan, at).max(0);
        let minute = self.last_minute.map_or(minute, |last| minute * (i64::from(MINUTES) - 1) / last);
        Operation { kind, target: target as u8, minute: minute as u16, pin: pin.map_or(0, |pin| (pin.value() % 10_000) as u16), more }
    }

    fn lock(&self, name: &str) -> Option<usize> {
        self.plan.devices.iter().take(3).position(|device| device.name == name)
    }

    /// What kind of thing it is, to what, with which PIN, and how long it lasts.
    fn step(
        &self,
        action: &Action,
        at: Offset,
        codes: &mut Vec<String>,
        pins: &mut BTreeMap<String, Pin>,
    ) -> Option<(Kind, usize, Option<Pin>, u8)> {
        let of = |codes: &[String], name: &str| codes.iter().position(|code| code == name);
        Some(match action {
            Action::Create(create) => {
                let (on, pin) = (self.lock(&create.on)?, requested(create.pin.as_ref()));
                codes.push(create.code.clone());
                pin.map(|pin| pins.insert(create.code.clone(), pin));
                let ends = create.ends.map(|ends| tens((minutes(self.plan, ends) - minutes(self.plan, at)) * MINUTE_MS).max(WINDOW_TENS));
                (ends.map_or(Kind::Create, |_| Kind::CreateTimeBound), on, pin, ends.unwrap_or(0))
            }
            Action::Update(update) => {
                let pin = requested(update.pin.as_ref())?;
                pins.insert(update.code.clone(), pin);
                (Kind::Update, of(codes, &update.code)?, Some(pin), 0)
            }
            Action::Delete(code) => (Kind::Delete, of(codes, code)?, None, 0),
            Action::List(on) => (Kind::List, self.lock(on)?, None, 0),
            Action::Enter(enter) => {
                let of_code = enter.code.as_ref().and_then(|code| pins.get(code).copied());
                (Kind::Enter, self.lock(&enter.on)?, enter.pin.map(|PinText(pin)| pin).or(of_code), 0)
            }
            Action::PersonAdds(adds) => (Kind::PersonAdds, self.lock(&adds.on)?, Some(adds.pin.0), 0),
            Action::PersonRemoves(entry) => {
                let of_code = entry.code.as_ref().and_then(|code| pins.get(code).copied());
                (Kind::PersonRemoves, self.lock(&entry.on)?, entry.pin.map(|PinText(pin)| pin).or(of_code), 0)
            }
            _ => return None,
        })
    }

    fn fault(&self, fault: &Fault) -> Option<Operation> {
        let kind = match fault.quirk.0 {
            Quirk::LinkLosesAnswer => Kind::LinkLosesAnswer,
            Quirk::CloudFailsAfterStoring => Kind::CloudFailsAfterStoring,
            Quirk::CloudDown => Kind::CloudDown,
            _ => return None,
        };
        let on = fault.on.as_ref().and_then(|on| self.lock(on)).unwrap_or(0);
        let until_ms = fault.until.map_or(self.plan.horizon.0, |until| minutes(self.plan, until) * MINUTE_MS);
        let lasts = tens(until_ms - minutes(self.plan, fault.from) * MINUTE_MS).max(1);
        Some(self.operation(kind, on, fault.from, None, lasts))
    }
}

/// Minutes after the start of the plan.
fn minutes(plan: &Plan, at: Offset) -> i64 {
    let start: Timestamp = plan.start.0;
    (at.at(start) - start) / MINUTE_MS
}

/// A duration in tens of minutes, as far as a record can tell it.
fn tens(ms: i64) -> u8 {
    (ms / (10 * MINUTE_MS)).clamp(0, TENS_MAX.into()) as u8
}

fn requested(pin: Option<&RequestedPin>) -> Option<Pin> {
    match pin? {
        RequestedPin::Text(text) => text.parse().ok(),
        RequestedPin::Number(_) => None,
    }
}
