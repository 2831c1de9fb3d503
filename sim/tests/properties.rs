//! Properties over generated plans and values. The generator here knows nothing of the sweep's: gentle worlds without faults, in
//! which codes come, change and go at any minute and the controller may die at any instant, or after any single output.
//!
//! Cases are the same in each run. A plan that fails is kept as a scenario in `keyway-findings`; proptest keeps no files of its own.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{AccessCodeView, DeviceView};
use keyway_core::config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::draw::mix;
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::pin::{Constraint, Lengths, Pin, PinEquality, PinRules, PinSpace, UsedPins, choose_free_pin};
use keyway_core::platform::Reference;
use keyway_core::port::OpKind;
use keyway_core::time::{Timestamp, Window};
use keyway_sim::agenda::{Agenda, Class};
use keyway_sim::bytes::Kind::{self, Crash, Create, CreateTimeBound, Delete, Enter, List, Update};
use keyway_sim::bytes::{bytes_of_plan, plan_of_bytes};
use keyway_sim::differential::CONSTRAINTS;
use keyway_sim::judge::Judge;
use keyway_sim::mutant::{Mutant, mutants};
use keyway_sim::plan::{self, CrashPoint, Plan};
use keyway_sim::plan_text::Span;
use keyway_sim::run::{Options, Outcome, run};
use keyway_sim::strategy::{constraints, pins, plans};
use keyway_sim::verdict::Finding;
use keyway_sim::{Story, differential, scenario};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
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

/// Where the controller dies within a step.
fn crash_points() -> impl Strategy<Value = CrashPoint> {
    let commands = select(&[OpKind::CreateEntry, OpKind::DeleteEntry, OpKind::SetSlot, OpKind::ClearSlot, OpKind::ListEntries][..]);
    prop_oneof![
        (0_u32..12, 0_u32..6).prop_map(|(step, outputs)| CrashPoint::InCall { step, outputs }),
        (0_u32..12).prop_map(|step| CrashPoint::AfterReply { step }),
        (0_u32..40, 0_u32..6).prop_map(|(nth, outputs)| CrashPoint::InWake { nth, outputs }),
        (commands, 0_u32..6, 0_u32..6).prop_map(|(command, nth, outputs)| {
            let on = "L1".to_owned();
            CrashPoint::InAnswer { on, command, nth, outputs }
        }),
    ]
}

#[test]
fn after_a_death_within_any_step_nothing_is_broken() {
    let plans = plans(&[Create, CreateTimeBound, Update, Delete, List], 8);
    check(200, (plans, vec(crash_points(), 1..4), 0_i64..600_000), |(mut plan, points, down_ms)| {
        plan.crashes.extend(points.into_iter().map(|when| plan::Crash { when, down: Span(down_ms) }));
        Story { plan }.tell(&Reference::new()).assert_passed();
        Ok(())
    });
}

#[test]
fn a_plan_of_bytes_survives_being_written_as_bytes() {
    check(300, plans(&Kind::ALL, 20), |plan| {
        let bytes = bytes_of_plan(&plan);
        let again = plan_of_bytes(&bytes);
        prop_assert_eq!(&again, &plan);
        prop_assert_eq!(bytes_of_plan(&again), bytes);
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
    let slots = prop_oneof![1_u16..70, 60_u16..700, 4_000_u16..4_200];
    check(300, (slots, vec((0_u8..3, any::<u16>()), 0..200)), |(slots, operations)| {
        let records = operations.into_iter().flat_map(|(what, number)| {
            let [low, high] = (number % (slots + 2)).to_le_bytes();
            [what, low, high]
        });
        let bytes: Vec<u8> = slots.to_le_bytes().into_iter().chain(records).collect();
        differential::slot_allocator(&bytes);
        Ok(())
    });
}

#[test]
fn the_pin_chooser_is_a_search_through_all_of_them() {
    check(60, vec(any::<u8>(), 2..120), |mut bytes| {
        differential::pin_chooser(&bytes);
        // Filled up to the last three, then whatever the bytes say.
        bytes.splice(2..2, [0xFF, 0xFF]);
        differential::pin_chooser(&bytes);
        Ok(())
    });
}

/// From none taken to all taken, one by one: each is free, none comes twice, and with the last one gone there is none.
fn exhaust(constraints: &[Constraint], length: u8, equality: PinEquality, entropy: u64) {
    let rules = PinRules { lengths: Lengths::range(length, length), constraints };
    let every = (0..10_u64.pow(length.into())).filter_map(|value| Pin::new(length, value));
    let mut free: BTreeSet<Pin> = every.filter(|pin| rules.check(*pin).is_ok()).collect();
    let space = PinSpace::new(length, constraints);
    assert_eq!(space.count(), free.len() as u64, "{constraints:?}");
    let mut used = UsedPins::new();
    while let Some(pin) = choose_free_pin(&space, &used, mix(entropy ^ (free.len() as u64) << 32)) {
        assert!(free.contains(&pin), "{pin} under {constraints:?}");
        assert!(used.insert(&space, equality, pin));
        if !free.remove(&pin) || equality != PinEquality::Exact {
            free.retain(|other| !equality.same(*other, pin));
        }
    }
    assert!(free.is_empty(), "{} are left under {constraints:?}", free.len());
}

#[test]
fn the_pin_chooser_finds_each_free_pin_down_to_the_last_under_every_constraint() {
    for constraint in CONSTRAINTS {
        for length in 2..=4 {
            exhaust(&[constraint], length, PinEquality::Exact, 7);
        }
    }
    exhaust(&[Constraint::CannotContain089], 5, PinEquality::FirstFour, 7);
    check(25, (constraints(), any::<u64>()), |(constraints, entropy)| {
        exhaust(&constraints, 4, PinEquality::Exact, entropy);
        Ok(())
    });
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
    let view = |code| controller.access_code(code).map(|view| format!("{view:?}"));
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

/// What a judge finds who is shown all this, and who looks at everything anew after one in so many occurrences.
fn judged(outcome: &Outcome, looks_one_in: Option<u64>) -> Option<Finding> {
    let mut judge = Judge::new(outcome.facts.clone());
    for (n, (now, occurrence)) in (0..).zip(&outcome.log) {
        while let Some(at) = judge.next_deadline().filter(|at| at <= now) {
            judge.deadline(at);
        }
        judge.observe(*now, occurrence);
        if looks_one_in.is_some_and(|one_in| mix(n).is_multiple_of(one_in)) {
            judge.check_fully(*now);
        }
    }
    judge.finding()
}

#[test]
fn whoever_looks_at_everything_at_any_moment_finds_what_whoever_looks_at_changes_finds() {
    let all = mutants();
    let plans = plans(&Kind::ALL, 12);
    let found = Cell::new(0);
    check(400, (plans, 0..=all.len(), 1_u64..30), |(plan, mutant, one_in)| {
        let controllers = all.get(mutant).map_or_else(|| Box::new(Reference::new()) as Box<dyn Controllers>, Mutant::controllers);
        let outcome = run(&plan, controllers.as_ref(), Options { keep_log: true, ..Options::default() });
        let changes = judged(&outcome, None);
        prop_assert_eq!(judged(&outcome, Some(one_in)), changes.clone());
        found.set(found.get() + usize::from(changes.is_some()));
        Ok(())
    });
    assert!(found.get() > 5, "only {} of the runs broke anything", found.get());
}

#[test]
fn the_durable_state_survives_being_written_down() {
    check(10, plans(&[Create, CreateTimeBound, Update, Delete], 6), |plan| {
        Story { plan }.tell(&Restarting).assert_passed();
        Ok(())
    });
}
