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

mod written;

pub use written::bytes_of_plan;

/// Bytes of the header and of each record.
pub const WIDTH: usize = 8;
/// Records beyond this are not read.
pub const RECORDS_MAX: usize = 64;
/// What happens, begins within this many minutes: a run costs what its virtual time costs, and a fuzzer wants many.
const MINUTES: u16 = 3 * 60;
/// How many tens of minutes something lasts at most, a code's window included.
const TENS_MAX: u8 = 15;
/// How many tens of minutes after its call a window ends at the earliest; it begins an hour after it.
const WINDOW_TENS: u8 = 9;
/// Headers with this bit in their first byte stand for a controller that reads locks seldom: most of what a short run costs are reads that show nothing new.
const READS_SELDOM: u8 = 0x80;
/// How long such a controller waits between two reads of a lock.
const SELDOM_MS: i64 = HOUR_MS / 2;
/// The vendors that a header can name.
const VENDORS: usize = 4;

static EMPTY: LazyLock<Plan> = LazyLock::new(|| {
    let text = r#"{ "name": "bytes", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "august" }], "faults": [{ "quirk": "link_loses_answer" }] }"#;
    serde_json::from_str(text).expect("a plan")
});

/// What kind of thing a record stands for; its place in [`Kind::ALL`] is its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Kind {
    /// An ongoing code is created.
    Create,
    /// A time-bound code is created.
    CreateTimeBound,
    /// A code gets another PIN.
    Update,
    /// A code is deleted.
    Delete,
    /// The codes of a lock are listed.
    List,
    /// Somebody enters a PIN.
    Enter,
    /// A person adds an entry at the lock.
    PersonAdds,
    /// A person removes an entry at the lock.
    PersonRemoves,
    /// Every second answer of the lock is lost for a while.
    LinkLosesAnswer,
    /// The cloud stores and says that it failed, for a while.
    CloudFailsAfterStoring,
    /// The cloud is down for a while.
    CloudDown,
    /// The controller dies, and is started again later.
    Crash,
}

impl Kind {
    /// All kinds. Only ever added to, at the end.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::CreateTimeBound,
        Self::Update,
        Self::Delete,
        Self::List,
        Self::Enter,
        Self::PersonAdds,
        Self::PersonRemoves,
        Self::LinkLosesAnswer,
        Self::CloudFailsAfterStoring,
        Self::CloudDown,
        Self::Crash,
    ];
}

/// One thing that happens. Every value of every field stands for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Operation {
    /// What happens.
    pub kind: Kind,
    /// To which lock or code, modulo how many there are.
    pub target: u8,
    /// In which minute, modulo three hours.
    pub minute: u16,
    /// With which PIN of four digits, modulo 10,000.
    pub pin: u16,
    /// For how long: tens of minutes, modulo 16.
    pub more: u8,
}

impl Operation {
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let kind = *Kind::ALL.get(usize::from(bytes[0]))?;
        Some(Self { kind, target: bytes[1], minute: number(2), pin: number(4), more: bytes[6] })
    }

    fn minute(self) -> i64 {
        i64::from(self.minute % MINUTES)
    }

    fn at(self) -> Offset {
        Offset::After(self.minute() * MINUTE_MS)
    }

    /// How long it lasts; a window ends an hour and a half after its call at the earliest.
    fn lasts_ms(self) -> i64 {
        let tens = self.more % (TENS_MAX + 1);
        10 * MINUTE_MS * i64::from(if self.kind == Kind::CreateTimeBound { tens.max(WINDOW_TENS) } else { tens })
    }

    /// When it is over; it lasts ten minutes at least.
    fn until(self) -> Offset {
        Offset::After(self.minute() * MINUTE_MS + self.lasts_ms().max(10 * MINUTE_MS))
    }

    /// When nothing of it is under way any more, in milliseconds.
    fn over_ms(self) -> i64 {
        let lasts_ms = match self.kind {
            Kind::CreateTimeBound | Kind::LinkLosesAnswer | Kind::CloudFailsAfterStoring | Kind::CloudDown | Kind::Crash => self.lasts_ms(),
            Kind::Create | Kind::Update | Kind::Delete | Kind::List | Kind::Enter | Kind::PersonAdds | Kind::PersonRemoves => 0,
        };
        self.minute() * MINUTE_MS + lasts_ms.max(10 * MINUTE_MS)
    }

    fn pin(self) -> Pin {
        Pin::new(4, u64::from(self.pin % 10_000)).expect("four digits")
    }
}

/// The plan that these bytes stand for; any bytes stand for one. What is missing is read as zeros.
#[must_use]
pub fn plan_of_bytes(bytes: &[u8]) -> Plan {
    let mut header = [0; WIDTH];
    let given = bytes.len().min(WIDTH);
    header[..given].copy_from_slice(&bytes[..given]);
    plan_of(header, bytes[given..].chunks_exact(WIDTH).take(RECORDS_MAX).filter_map(Operation::of_bytes))
}

/// The plan of the world that the header stands for, in which all this happens.
#[must_use]
pub fn plan_of(header: [u8; WIDTH], operations: impl IntoIterator<Item = Operation>) -> Plan {
    let mut plan = Plan { faults: Vec::new(), devices: Vec::new(), horizon: Span(HOUR_MS / 2), ..EMPTY.clone() };
    for n in 0..=usize::from((header[0] & !READS_SELDOM) % 3) {
        let vendor = Vendor::ALL[usize::from(header[1 + n]) % VENDORS];
        plan.devices.push(Device { name: format!("L{}", n + 1), vendor: Some(vendor), ..EMPTY.devices[0].clone() });
    }
    plan.policy.sync_period = (header[0] & READS_SELDOM != 0).then_some(Span(SELDOM_MS));
    plan.noise_seed = u64::from(u16::from_le_bytes([header[4], header[5]]));
    plan.tie_order = u64::from(header[6]);
    plan.entropy = u64::from(header[7]);
    let mut codes = Vec::new();
    for operation in operations {
        let before = things(&plan);
        take(&mut plan, &mut codes, operation);
        if things(&plan) > before {
            // The world is healed soon after the last thing is over.
            plan.horizon = plan.horizon.max(Span(operation.over_ms() + HOUR_MS / 2));
        }
    }
    plan
}

fn things(plan: &Plan) -> usize {
    plan.steps.len() + plan.faults.len() + plan.crashes.len()
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Plan {
    /// One of those that [`plan_of_bytes`] makes.
    fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let header = bytes.arbitrary()?;
        let operations = bytes.arbitrary_iter()?.take(RECORDS_MAX).collect::<arbitrary::Result<Vec<_>>>()?;
        Ok(plan_of(header, operations))
    }
}

fn take(plan: &mut Plan, codes: &mut Vec<String>, operation: Operation) {
    let target = usize::from(operation.target);
    let on = plan.devices[target % plan.devices.len()].name.clone();
    let code = (!codes.is_empty()).then(|| codes[target % codes.len()].clone());
    let mut act = |action: Option<Action>| plan.steps.extend(action.map(|action| Step { at: operation.at(), action, by: None }));
    let pin = PinText(operation.pin());
    let requested = Some(RequestedPin::Text(operation.pin().to_string()));
    let fault = |what| Fault {
        quirk: quirk::Quirk(what),
        on: Some(on.clone()),
        from: operation.at(),
        until: Some(operation.until()),
        ..EMPTY.faults[0].clone()
    };
    match operation.kind {
        kind @ (Kind::Create | Kind::CreateTimeBound) => {
            let name = format!("c{}", codes.len());
            let window =
                (kind == Kind::CreateTimeBound).then(|| (Offset::After(operation.minute() * MINUTE_MS + HOUR_MS), operation.until()));
            let create = CreateCode { code: name.clone(), on, pin: requested, ..CreateCode::default() };
            let (starts, ends) = (window.map(|(starts, _)| starts), window.map(|(_, ends)| ends));
            act(Some(Action::Create(CreateCode { starts, ends, ..create })));
            codes.push(name);
        }
        Kind::Update => act(code.map(|code| Action::Update(UpdateCode { code, pin: requested, ..UpdateCode::default() }))),
        Kind::Delete => act(code.map(Action::Delete)),
        Kind::List => act(Some(Action::List(on))),
        Kind::Enter => act(Some(Action::Enter(Enter { on, pin: Some(pin), ..Enter::default() }))),
        Kind::PersonAdds => act(Some(Action::PersonAdds(PersonAdds { on, pin, slot: None, name: None, hidden: false }))),
        Kind::PersonRemoves => act(Some(Action::PersonRemoves(AtEntry { on, pin: Some(pin), ..AtEntry::default() }))),
        Kind::LinkLosesAnswer => plan.faults.push(Fault { one_in: Some(2), ..fault(Quirk::LinkLosesAnswer) }),
        Kind::CloudFailsAfterStoring => plan.faults.push(fault(Quirk::CloudFailsAfterStoring)),
        Kind::CloudDown => plan.faults.push(fault(Quirk::CloudDown)),
        Kind::Crash => plan.crashes.push(Crash { when: CrashPoint::At(operation.at()), down: Span(operation.lasts_ms()) }),
    }
}

/// For the fuzz target `lifecycle`: runs the plan of the bytes against the reference platform and judges it, until nothing of it is under way any more.
///
/// # Panics
/// If anything was found; the story is kept in `keyway-findings` before.
pub fn lifecycle(bytes: &[u8]) {
    let plan = plan_of_bytes(bytes);
    let outcome = run(&plan, &Reference::new(), Options { ends_at_rest: true, ..Options::default() });
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
    use crate::occurrence::{Occurrence, Phase};
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
    fn a_run_that_ends_at_rest_is_the_beginning_of_the_whole() {
        let mut shorter = 0;
        for n in 0..12_u8 {
            let header = [if n % 2 == 0 { 0 } else { READS_SELDOM | n }, n, n / 4, 1, n, 0, n, n];
            let records = Kind::ALL.iter().map(|kind| Operation { kind: *kind, target: n, minute: 17 * u16::from(n), pin: 1000, more: n });
            let plan = plan_of(header, records.take(usize::from(n) + 1));
            let [whole, part] = [false, true]
                .map(|ends_at_rest| run(&plan, &Reference::new(), Options { keep_log: true, ends_at_rest, ..Options::default() }));
            let (end, before) = part.log.split_last().expect("a run has an end");
            assert_eq!(end.1, Occurrence::Phase(Phase::End));
            assert!(whole.log.starts_with(before), "plan {n}");
            shorter += usize::from(part.log.len() < whole.log.len());
        }
        assert!(shorter > 8, "only {shorter} runs ended earlier");
    }

    #[test]
    fn leaving_out_a_record_leaves_out_one_thing() {
        let bytes = [[0; 8], [0, 0, 10, 0, 0x67, 0x12, 0, 0], [6, 0, 20, 0, 0x11, 0x11, 0, 0], [4, 0, 30, 0, 0, 0, 0, 0]].concat();
        let (whole, part) = (plan_of_bytes(&bytes), plan_of_bytes(&[&bytes[..16], &bytes[24..]].concat()));
        assert_eq!(whole.steps.len(), 3);
        assert_eq!([&whole.steps[0], &whole.steps[2]], [&part.steps[0], &part.steps[1]]);
    }
}
