//! Plans from bytes, for fuzzers: a header of 8 bytes for the world, then records of 8 bytes, each one thing that happens.
//!
//! Records have a fixed width, so that leaving one out leaves out one thing and moves no other. Tags are numbered and only
//! ever added to: one that is not known yet does nothing, and an old corpus means later what it means now.

use std::sync::LazyLock;

use keyway_core::pin::Pin;
use keyway_core::platform::Reference;
use keyway_core::time::{HOUR_MS, MINUTE_MS};
use keyway_core::vendor::Vendor;
use keyway_core::world::quirk::Quirk;

use crate::expect::settled;
use crate::plan::{Action, AtEntry, Crash, CrashPoint, CreateCode, Device, Enter, Fault, PersonAdds, Plan, RequestedPin, Step, UpdateCode};
use crate::plan_text::{Offset, PinText, Span};
use crate::quirk;
use crate::run::{Options, run};
use crate::scenario;
use crate::verdict::Verdict;

/// Bytes of the header and of each record.
pub const WIDTH: usize = 8;
/// Records beyond this are not read.
pub const RECORDS_MAX: usize = 64;
/// What happens, happens within this many minutes.
const MINUTES: u16 = 24 * 60;

static EMPTY: LazyLock<Plan> = LazyLock::new(|| {
    let text = r#"{ "name": "bytes", "horizon": "26h", "devices": [{ "name": "L1", "vendor": "august" }], "faults": [{ "quirk": "link_loses_answer" }] }"#;
    serde_json::from_str(text).expect("a plan")
});

/// One record: a tag, a target, a minute, a PIN and something more.
struct Record {
    tag: u8,
    target: usize,
    minute: u16,
    pin: u16,
    more: u8,
}

impl Record {
    fn of(bytes: &[u8]) -> Self {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self { tag: bytes[0], target: usize::from(bytes[1]), minute: number(2) % MINUTES, pin: number(4) % 10_000, more: bytes[6] }
    }

    fn at(&self) -> Offset {
        Offset::After(i64::from(self.minute) * MINUTE_MS)
    }

    /// Later than its minute by `more` times ten minutes, at least once, and before the horizon.
    fn until(&self) -> Offset {
        let minute = i64::from(self.minute) + 10 * i64::from(self.more.max(1));
        Offset::After(minute.min(i64::from(MINUTES) + 90) * MINUTE_MS)
    }

    fn pin(&self) -> Pin {
        Pin::new(4, u64::from(self.pin)).expect("four digits")
    }
}

/// The plan that these bytes stand for; any bytes stand for one. What is missing is read as zeros.
#[must_use]
pub fn plan_of_bytes(bytes: &[u8]) -> Plan {
    let mut header = [0; WIDTH];
    let given = bytes.len().min(WIDTH);
    header[..given].copy_from_slice(&bytes[..given]);
    let mut plan = Plan { faults: Vec::new(), devices: Vec::new(), ..EMPTY.clone() };
    for n in 0..=usize::from(header[0] % 3) {
        let vendor = Vendor::ALL[usize::from(header[1 + n]) % 4];
        plan.devices.push(Device { name: format!("L{}", n + 1), vendor: Some(vendor), ..EMPTY.devices[0].clone() });
    }
    plan.noise_seed = u64::from(u16::from_le_bytes([header[4], header[5]]));
    plan.tie_order = u64::from(header[6]);
    plan.entropy = u64::from(header[7]);
    let records = bytes[given..].chunks_exact(WIDTH).take(RECORDS_MAX).map(Record::of);
    let mut codes = Vec::new();
    for (n, record) in records.enumerate() {
        take(&mut plan, &mut codes, n, &record);
    }
    plan
}

fn take(plan: &mut Plan, codes: &mut Vec<String>, n: usize, record: &Record) {
    let on = plan.devices[record.target % plan.devices.len()].name.clone();
    let code = (!codes.is_empty()).then(|| codes[record.target % codes.len()].clone());
    let mut act = |action: Option<Action>| plan.steps.extend(action.map(|action| Step { at: record.at(), action }));
    let pin = PinText(record.pin());
    let requested = Some(RequestedPin::Text(record.pin().to_string()));
    let fault = |what| Fault {
        quirk: quirk::Quirk(what),
        on: Some(on.clone()),
        from: record.at(),
        until: Some(record.until()),
        ..EMPTY.faults[0].clone()
    };
    match record.tag {
        tag @ (0 | 1) => {
            let name = format!("c{n}");
            let window = (tag == 1).then(|| (Offset::After(i64::from(record.minute) * MINUTE_MS + HOUR_MS), record.until()));
            let create = CreateCode { code: name.clone(), on, pin: requested, ..CreateCode::default() };
            let (starts, ends) = (window.map(|(starts, _)| starts), window.map(|(starts, until)| later(starts, until)));
            act(Some(Action::Create(CreateCode { starts, ends, ..create })));
            codes.push(name);
        }
        2 => act(code.map(|code| Action::Update(UpdateCode { code, pin: requested, ..UpdateCode::default() }))),
        3 => act(code.map(Action::Delete)),
        4 => act(Some(Action::List(on))),
        5 => act(Some(Action::Enter(Enter { on, pin: Some(pin), ..Enter::default() }))),
        6 => act(Some(Action::PersonAdds(PersonAdds { on, pin, slot: None, name: None, hidden: false }))),
        7 => act(Some(Action::PersonRemoves(AtEntry { on, pin: Some(pin), ..AtEntry::default() }))),
        8 => plan.faults.push(Fault { one_in: Some(2), ..fault(Quirk::LinkLosesAnswer) }),
        9 => plan.faults.push(fault(Quirk::CloudFailsAfterStoring)),
        10 => plan.faults.push(fault(Quirk::CloudDown)),
        11 => plan.crashes.push(Crash { when: CrashPoint::At(record.at()), down: Span(i64::from(record.more) * MINUTE_MS) }),
        _ => {}
    }
}

/// The end of a window from `starts` that is at least half an hour long.
fn later(starts: Offset, until: Offset) -> Offset {
    let Offset::After(from) = starts else { return until };
    let Offset::After(to) = until else { return until };
    Offset::After(to.max(from + HOUR_MS / 2))
}

/// For the fuzz target `lifecycle`: runs the plan of the bytes against the reference platform and judges it.
///
/// # Panics
/// If anything was found; the story is kept in `keyway-findings` before.
pub fn lifecycle(bytes: &[u8]) {
    let plan = plan_of_bytes(bytes);
    let outcome = run(&plan, &Reference::new(), Options::default());
    if settled(&plan, &outcome) != Verdict::Pass {
        crate::Story { plan }.tell(&Reference::new()).assert_passed();
    }
}

/// For the fuzz target `scenario_file`: any text is refused in words or is a plan that survives being written down.
///
/// # Panics
/// If it is read as a plan, and its own text as another one.
pub fn scenario_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match scenario::parse("fuzz.json", text) {
        Ok(plans) => {
            for plan in plans {
                let again = scenario::parse("again.json", &scenario::to_text(&plan));
                assert_eq!(again.unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))), [plan]);
            }
        }
        Err(bad) => assert!(!bad.render(false, 100).is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway_core::draw::mix;

    #[test]
    fn any_bytes_stand_for_a_plan_that_a_file_can_hold() {
        for seed in 0..200_u64 {
            let bytes: Vec<u8> =
                (0..8 * (seed % 12)).map(|n| (mix(seed << 32 | n) >> 8) as u8 % if n % 8 == 0 && n > 0 { 13 } else { 255 }).collect();
            let plan = plan_of_bytes(&bytes);
            let read = scenario::parse("bytes.json", &scenario::to_text(&plan));
            assert_eq!(read.unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))), [plan]);
        }
    }

    #[test]
    fn leaving_out_a_record_leaves_out_one_thing() {
        let bytes = [[0; 8], [0, 0, 10, 0, 0x67, 0x12, 0, 0], [6, 0, 20, 0, 0x11, 0x11, 0, 0], [4, 0, 30, 0, 0, 0, 0, 0]].concat();
        let (whole, part) = (plan_of_bytes(&bytes), plan_of_bytes(&[&bytes[..16], &bytes[24..]].concat()));
        assert_eq!(whole.steps.len(), 3);
        assert_eq!([&whole.steps[0], &whole.steps[2]], [&part.steps[0], &part.steps[1]]);
    }
}
