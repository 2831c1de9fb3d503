//! Seed to plan, swarm style: first what exists at all in this world, then how much of it, then the plan itself.
//!
//! Every choice is legal for the vendor it is about: what a plan can't say sensibly is never drawn. A world in
//! which everything may happen hides what a world with three things in it shows, so each seed leaves most out.

use keyway_core::config::ExpiredRecordPolicy;
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use keyway_core::vendor::Vendor;
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, PolicyOverrides};
use crate::plan_text::{Span, Start};

mod chance;
mod encounter;
mod locks;
mod shape;
mod story;
mod trouble;
mod whole;
mod wide;

use chance::Chance;
pub use shape::Shape;
pub use trouble::of_other_vendors;

/// The plan of a seed. The same seed gives the same plan on every machine.
#[must_use]
pub fn plan_of_seed(seed: u64) -> Plan {
    Draw::default().plan(seed)
}

/// What the plans of seeds are drawn from.
///
/// ```
/// use keyway_core::vendor::Vendor;
/// use keyway_sim::generate::Draw;
///
/// let plan = Draw { vendors: vec![Vendor::Kwikset], ..Draw::default() }.plan(7);
/// assert_eq!(plan, Draw { vendors: vec![Vendor::Kwikset], ..Draw::default() }.plan(7));
/// assert_ne!(plan, Draw::default().plan(7));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draw {
    /// Worlds have locks of these vendors alone; none: mostly of a few that differ in everything that matters, and every fourth of any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vendors: Vec<Vendor>,
    /// The kind of bad night that each world has, besides what chance brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

impl Draw {
    /// The plan of a seed. The same seed gives the same plan on every machine.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let is_wide = self.is_default() && seed % WIDE_EVERY == WIDE_EVERY - 1;
        let swarm = Swarm::draw(self, is_wide, &mut chance);
        Plan { name: self.name(seed), ..swarm.plan(seed, &mut chance) }
    }

    /// The name of a seed's plan, which is that of its file too.
    #[must_use]
    pub fn name(&self, seed: u64) -> String {
        let narrowed = self.vendors.iter().map(|vendor| vendor.name()).chain(self.shape.map(Shape::name));
        narrowed.fold(format!("seed-{seed}"), |name, word| name + "-" + word)
    }

    /// How a command line says it, with a space before.
    #[must_use]
    pub fn words(&self) -> String {
        let vendors = self.vendors.iter().fold(String::new(), |words, vendor| words + " --vendor " + vendor.name());
        self.shape.iter().fold(vendors, |words, shape| words + " --shape " + shape.name())
    }

    /// Whether it is the one that everybody means who names a seed and nothing else.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn known_vendors(&self) -> &[Vendor] {
        if self.vendors.is_empty() { self.shape.map_or(&DRAWN, Shape::vendors) } else { &self.vendors }
    }
}

/// Of so many seeds of the default draw one is about locks of any vendor, with the quirks that are known of them.
const WIDE_EVERY: u64 = 4;
/// The vendors of the other seeds. Another one here would change what every seed means.
const DRAWN: [Vendor; 4] = [Vendor::GenericCloud, Vendor::GenericSlot, Vendor::August, Vendor::SmartThings];

/// What exists in a world, drawn before anything else.
#[derive(Clone, Debug)]
struct Swarm {
    vendors: Vec<Vendor>,
    start: Timestamp,
    horizon_ms: i64,
    /// Times of trouble, from and to in milliseconds after the start; between them it is quiet.
    spells: Vec<(i64, i64)>,
    /// What exists in wide worlds alone; none: it is no such world, and the quirks of all vendors do not exist either.
    wide: Option<wide::Kinds>,
    /// How likely a lock differs from its vendor's profile, in percent.
    odd_percent: u64,
    habits: story::Habits,
    troubles: trouble::Kinds,
    shape: Option<Shape>,
    /// Whether the caller asked for some vendors or a shape.
    is_narrowed: bool,
}

impl Swarm {
    fn draw(draw: &Draw, is_wide: bool, chance: &mut Chance) -> Self {
        let vendors = if is_wide { chance.some_of(Vendor::ALL, 15) } else { chance.some_of(draw.known_vendors(), 40) };
        let horizon_ms = horizon(chance);
        Self {
            start: start(chance),
            horizon_ms,
            spells: spells(chance, horizon_ms),
            odd_percent: chance.one_of(&[0, 40, 70, 90]),
            habits: story::Habits::draw(chance),
            troubles: trouble::Kinds::draw(draw, is_wide, chance),
            vendors,
            wide: is_wide.then(|| wide::Kinds::draw(chance)),
            shape: draw.shape,
            is_narrowed: !draw.is_default(),
        }
    }

    fn plan(&self, seed: u64, chance: &mut Chance) -> Plan {
        let mut plan = Plan {
            name: String::new(),
            about: String::new(),
            start: Start(self.start),
            horizon: Span(self.horizon_ms),
            entropy: chance.word(),
            noise_seed: chance.word(),
            tie_order: if chance.happens(25) { chance.word() } else { 0 },
            policy: policy(chance),
            expired_record_policy: if chance.happens(15) { ExpiredRecordPolicy::RetainUnset } else { ExpiredRecordPolicy::Delete },
            accounts: Vec::new(),
            hubs: Vec::new(),
            devices: Vec::new(),
            steps: Vec::new(),
            faults: Vec::new(),
            crashes: Vec::new(),
            expect: crate::plan::Expectations::default(),
        };
        let mut locks = locks::add(self, chance, &mut plan);
        if let Some(shape) = self.shape {
            shape.prepare(self, &mut locks, &mut plan);
        }
        story::add(self, &locks, chance, &mut plan);
        if let Some(shape) = self.shape {
            shape.arrange(self, &locks, chance, &mut plan);
        }
        trouble::add(self, &locks, chance, &mut plan);
        encounter::add(self, seed, &mut plan);
        plan.about = self.about(&plan);
        plan
    }

    /// The drawn profile, for a reader of the plan.
    fn about(&self, plan: &Plan) -> String {
        let vendors: Vec<_> = self.vendors.iter().map(|vendor| vendor.name()).collect();
        let mut quirks: Vec<_> = plan.faults.iter().map(|fault| fault.quirk.name()).collect();
        quirks.sort_unstable();
        quirks.dedup();
        let crashes = if plan.crashes.is_empty() { "" } else { "; crashes" };
        let shape = self.shape.map_or(String::new(), |shape| format!(" {}", shape.about()));
        format!("Drawn at random: {}; {} times of trouble; {}{crashes}.{shape}", vendors.join(", "), self.spells.len(), quirks.join(", "))
    }

    /// An instant of the story, often near the beginning or end of a time of trouble.
    fn moment(&self, chance: &mut Chance) -> i64 {
        let last = self.horizon_ms - MINUTE_MS;
        if !self.spells.is_empty() && chance.happens(45) {
            let (from, to) = chance.one_of(&self.spells);
            let edge = if chance.happens(60) { from } else { to };
            let near = edge + chance.within(-3 * MINUTE_MS, 12 * MINUTE_MS);
            return round(chance, near).clamp(0, last);
        }
        let anywhere = chance.within(0, self.horizon_ms * 9 / 10);
        round(chance, anywhere).clamp(0, last)
    }
}

/// Times that people name are whole minutes or seconds, mostly.
fn round(chance: &mut Chance, ms: i64) -> i64 {
    let step = chance.weighted(&[(6, MINUTE_MS), (3, 1_000), (1, 1)]);
    ms.div_euclid(step) * step
}

fn horizon(chance: &mut Chance) -> i64 {
    let (from, to) = chance.weighted(&[(3, (6 * HOUR_MS, 12 * HOUR_MS)), (4, (12 * HOUR_MS, 2 * DAY_MS)), (2, (2 * DAY_MS, 6 * DAY_MS))]);
    chance.within(from, to) / (10 * MINUTE_MS) * (10 * MINUTE_MS)
}

/// 2026-01-05T00:00Z.
const FIRST_START: Timestamp = Timestamp(1_767_571_200_000);
/// Clock changes of Europe/Berlin and America/New_York in 2026, in March, October and November.
const CLOCK_CHANGES: [Timestamp; 4] =
    [Timestamp(1_774_746_000_000), Timestamp(1_792_890_000_000), Timestamp(1_772_953_200_000), Timestamp(1_793_512_800_000)];

fn start(chance: &mut Chance) -> Timestamp {
    if chance.happens(20) {
        return chance.one_of(&CLOCK_CHANGES) - chance.within(1, 30) * HOUR_MS;
    }
    FIRST_START + chance.within(0, 300 * 24) * HOUR_MS
}

/// Times of trouble. They may overlap, and one may last until the horizon.
fn spells(chance: &mut Chance, horizon_ms: i64) -> Vec<(i64, i64)> {
    let count = chance.weighted(&[(1, 1), (3, 2), (3, 3), (2, 4)]);
    let longest = (horizon_ms / 3).min(10 * HOUR_MS);
    let one = |chance: &mut Chance| {
        let length = chance.spread(10 * MINUTE_MS, longest);
        let from = chance.within(0, horizon_ms - length) / MINUTE_MS * MINUTE_MS;
        (from, from + length)
    };
    let mut spells: Vec<_> = (0..count).map(|_| one(chance)).collect();
    spells.sort_unstable();
    spells
}

fn policy(chance: &mut Chance) -> PolicyOverrides {
    let minutes = |chance: &mut Chance, list: &[i64]| Some(Span(chance.one_of(list) * MINUTE_MS));
    PolicyOverrides {
        sync_period: if chance.happens(30) { minutes(chance, &[5, 20, 30]) } else { None },
        backup_pool_target: Some(chance.weighted(&[(4, 1), (4, 2), (2, 3), (1, 5)])),
        just_in_time_lead: if chance.happens(10) { minutes(chance, &[10, 30]) } else { None },
        native_preload: if chance.happens(10) { minutes(chance, &[6 * 60, 24 * 60]) } else { None },
        refused_retry: if chance.happens(30) { minutes(chance, &[2 * 60, 6 * 60]) } else { None },
        ..PolicyOverrides::default()
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::scenario;

    #[test]
    fn plans_are_lawful_and_can_be_read_back() {
        for seed in 0..300 {
            let plan = plan_of_seed(seed);
            let text = scenario::to_text(&plan);
            let again = scenario::parse("generated", &text).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong:?}\n{text}"));
            assert_eq!(again, [plan], "seed {seed}");
        }
    }

    #[test]
    fn plans_can_be_narrowed_to_any_vendors() {
        for vendor in Vendor::ALL {
            let draw = Draw { vendors: vec![*vendor], shape: None };
            for seed in 0..30 {
                let plan = draw.plan(seed);
                assert!(plan.devices.iter().all(|device| device.vendor.is_none_or(|own| own == *vendor)), "seed {seed}");
                assert!(plan.accounts.iter().all(|account| account.vendor == *vendor), "seed {seed}");
                let text = scenario::to_text(&plan);
                let again = scenario::parse("generated", &text).unwrap_or_else(|wrong| panic!("{}: {wrong:?}\n{text}", plan.name));
                assert_eq!(again, [plan]);
            }
        }
        let two = Draw { vendors: vec![Vendor::Kwikset, Vendor::Wyze], shape: None };
        assert_eq!((two.name(7).as_str(), two.words().as_str()), ("seed-7-kwikset-wyze", " --vendor kwikset --vendor wyze"));
    }

    #[test]
    fn every_shape_gives_lawful_plans_in_which_it_happens() {
        for shape in Shape::ALL {
            let draw = Draw { shape: Some(*shape), ..Draw::default() };
            for seed in 0..40 {
                let plan = draw.plan(seed);
                let text = scenario::to_text(&plan);
                let again = scenario::parse("generated", &text).unwrap_or_else(|wrong| panic!("{}: {wrong:?}\n{text}", plan.name));
                assert_eq!(again, std::slice::from_ref(&plan));
                assert!(text.contains("\"code\": \"N1\""), "{}", plan.name);
                assert!(plan.about.ends_with(shape.about()), "{}", plan.about);
            }
        }
    }

    #[test]
    fn a_seed_stands_for_one_plan() {
        let hashes: Vec<String> = [0, 1, 4711, u64::MAX]
            .map(|seed| format!("{:016x}", xxh3_64(serde_json::to_string(&plan_of_seed(seed)).unwrap().as_bytes())))
            .to_vec();
        insta::assert_debug_snapshot!(hashes);
    }

    #[test]
    fn a_plan_can_be_read() {
        insta::assert_json_snapshot!(plan_of_seed(4711));
    }
}
