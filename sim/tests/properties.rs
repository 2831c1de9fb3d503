//! Properties over generated plans and values. The generator here knows nothing of the sweep's: gentle worlds without faults, in
//! which codes come, change and go at any minute and the controller may die at any instant.
//!
//! Cases are the same in each run. A plan that fails is kept as a scenario in `keyway-findings`; proptest keeps no files of its own.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{AccessCodeView, DeviceView};
use keyway_core::config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::id::{CodeId, DeviceId, Slot};
use keyway_core::pin::{Lengths, Pin, PinEquality, PinRules, PinSpace, UsedPins};
use keyway_core::platform::Reference;
use keyway_core::slot::SlotAllocator;
use keyway_core::time::{Timestamp, Window};
use keyway_sim::agenda::{Agenda, Class};
use keyway_sim::bytes::Kind::{self, Crash, Create, CreateTimeBound, Delete, Enter, List, Update};
use keyway_sim::plan::Plan;
use keyway_sim::strategy::{constraints, pins, plans};
use keyway_sim::{Story, differential, scenario};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(failure) = runner.run(&strategy, test) {
        panic!("{failure}");
    }
}

#[test]
fn on_a_day_without_trouble_nothing_is_broken() {
    check(150, plans(&[Create, Create, CreateTimeBound, CreateTimeBound, Update, Delete, List, Enter], 10), |plan| {
        Story { plan }.tell(&Reference::new()).assert_passed();
        Ok(())
    });
}

#[test]
fn after_a_restart_at_any_instant_nothing_is_broken() {
    check(100, plans(&[Create, CreateTimeBound, Update, Delete, List, Crash], 8), |plan| {
        Story { plan }.tell(&Reference::new()).assert_passed();
        Ok(())
    });
}

#[test]
fn a_plan_survives_being_written_down() {
    check(200, plans(&Kind::ALL, 20), |plan| {
        let again = scenario::parse("again.json", &scenario::to_text(&plan));
        prop_assert_eq!(again.unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))), [plan]);
        Ok(())
    });
}

#[test]
fn a_pin_is_text_and_back() {
    check(500, "[0-9]{1,19}", |text| {
        let pin: Pin = text.parse().expect("digits");
        prop_assert_eq!(pin.to_string(), text.clone());
        prop_assert_eq!(serde_json::from_str::<Pin>(&format!("\"{text}\"")).expect("a PIN"), pin);
        Ok(())
    });
}

#[test]
fn what_arbitrary_makes_of_any_bytes_keeps_the_rules_of_its_kind() {
    check(200, vec(any::<u8>(), 0..300), |bytes| {
        let mut unstructured = arbitrary::Unstructured::new(&bytes);
        let (pin, window): (Pin, Window) = unstructured.arbitrary().expect("zeros where bytes are missing");
        prop_assert!(pin.to_string().parse() == Ok(pin) && window.starts_at < window.ends_at);
        let plan: Plan = unstructured.arbitrary().expect("zeros where bytes are missing");
        let again = scenario::parse("again.json", &scenario::to_text(&plan));
        prop_assert_eq!(again.unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))), [plan]);
        Ok(())
    });
}

#[test]
fn a_pin_that_breaks_no_constraint_is_counted_among_those_that_can_be_chosen() {
    check(60, (constraints(), pins(3..=5)), |(constraints, pin)| {
        let rules = PinRules { lengths: Lengths::range(1, 9), constraints: &constraints };
        let space = PinSpace::new(pin.length(), &constraints);
        let mut used = UsedPins::new();
        prop_assert_eq!(used.insert(&space, PinEquality::Exact, pin), rules.admits(pin));
        Ok(())
    });
}

#[test]
fn the_slot_allocator_is_an_ordered_set() {
    check(300, (1_u16..700, vec((0_u8..3, any::<u16>()), 0..200)), |(slots, operations)| {
        let mut allocator = SlotAllocator::new(u32::from(slots));
        let mut free: BTreeSet<u16> = (1..=slots).collect();
        for (operation, number) in operations {
            let number = number % (slots + 2);
            match operation {
                0 => prop_assert_eq!(allocator.allocate_lowest().map(|slot| slot.0), free.pop_first()),
                1 => prop_assert_eq!(allocator.take(Slot(number)), free.remove(&number)),
                _ => prop_assert_eq!(allocator.free(Slot(number)), (1..=slots).contains(&number) && free.insert(number)),
            }
            prop_assert_eq!(allocator.lowest_free().map(|slot| slot.0), free.first().copied());
        }
        Ok(())
    });
}

#[test]
fn the_pin_chooser_is_a_search_through_all_of_them_at_every_fill() {
    for constraints in 0..8 {
        check(10, vec(any::<u8>(), 2..120), move |mut bytes| {
            bytes[0] = constraints;
            differential::pin_chooser(&bytes);
            // Filled up to the last three, then whatever the bytes say.
            bytes.splice(2..2, [0xFF, 0xFF]);
            differential::pin_chooser(&bytes);
            Ok(())
        });
    }
}

#[test]
fn the_agenda_is_a_sorted_list() {
    const CLASSES: [Class; 3] = [Class::Fault, Class::Work, Class::Call];
    check(200, vec((0_i64..20, 0_usize..3, 0_u32..4), 0..80), |items| {
        let mut agenda = Agenda::new(0);
        let mut list = Vec::new();
        for (n, (at, class, entity)) in items.into_iter().enumerate() {
            agenda.add(Timestamp(at), CLASSES[class], entity, n);
            list.push((at, CLASSES[class], entity, n));
        }
        // The sort is stable: what one source adds for one instant keeps its order.
        list.sort_by_key(|(at, class, entity, _)| (*at, *class, *entity));
        for (at, _, _, n) in list {
            prop_assert_eq!(agenda.next_at(), Some(Timestamp(at)));
            prop_assert_eq!(agenda.pop_until(Timestamp(at)), Some(n));
        }
        prop_assert!(agenda.is_empty());
        Ok(())
    });
}

#[test]
fn an_event_survives_being_written_down() {
    check(200, vec(any::<u8>(), 8..160), |bytes| {
        differential::event_log(&bytes);
        Ok(())
    });
}

/// What the reference saves, starts it again to show the same: the durable state through JSON and back.
struct Restarting;

struct Again {
    config: config::Config,
    inner: Box<dyn Controller>,
}

impl Controllers for Restarting {
    fn start(&self, now: Timestamp, config: &config::Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Again { config: config.clone(), inner: Reference::new().start(now, config, durable) })
    }
}

fn shown(controller: &dyn Controller) -> BTreeMap<String, String> {
    let mut codes = Vec::new();
    controller.access_codes(&mut |code| codes.push(code));
    let view = |code| controller.access_code(code).map(|view| format!("{:?} {:?} {:?}", view.code, view.name, view.starts_at));
    codes.into_iter().filter_map(|code| Some((code.to_string(), view(code)?))).collect()
}

impl Controller for Again {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        let mut kept = Outputs::new(true);
        self.inner.handle(now, input, &mut kept)?;
        for output in kept.drain() {
            if let Output::Save(bytes) = &output {
                let again = Reference::new().start(now, &self.config, Some(bytes));
                let (before, after) = (shown(self.inner.as_ref()), shown(again.as_ref()));
                assert_eq!(before, after, "what is shown after the save and after a start from it");
            }
            out.push(output);
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.inner.next_deadline()
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.inner.access_codes(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.inner.access_code(id)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.inner.device(id)
    }
}

#[test]
fn the_durable_state_survives_being_written_down() {
    check(10, plans(&[Create, CreateTimeBound, Update, Delete], 6), |plan| {
        Story { plan }.tell(&Restarting).assert_passed();
        Ok(())
    });
}
