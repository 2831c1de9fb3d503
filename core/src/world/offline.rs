//! Offline codes in truth: a lock and its vendor's server share a secret, so that the server computes PINs and the lock reads out of a PIN
//! what it stands for. Nothing is stored in the lock but which PINs were used.
//!
//! A PIN is a number that names kind, start, length and variant, scrambled by a one-to-one map that depends on the secret; with user levels,
//! the level's number stands before it in the clear. What was not given out under the present secret opens nothing: a PIN that a lock would take
//! by chance, guessed or of before a reset, is left out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::draw::mix;
use crate::id::Handle;
use crate::offline::{OfflineKind, OfflineTerms, UserLevel};
use crate::pin::Pin;
use crate::port::Reason;
use crate::time::{DAY_MS, HOUR_MS, Timestamp, Window};

/// Starts are told by their hour, or their day, modulo this.
const START_HOURS: i64 = 1 << 14;
const START_DAYS: i64 = 1 << 10;
/// Lengths and variants that a PIN has room for.
const LENGTHS: i64 = 1 << 10;
const VARIANTS: i64 = 1 << 3;
const LEVEL_LENGTHS: i64 = 1 << 5;
const LEVEL_VARIANTS: i64 = 1 << 7;
/// Digits of a user level's number.
const LEVEL_DIGITS: u8 = 2;
/// A start further from now than this cannot be told from another.
const HORIZON_MS: i64 = 300 * DAY_MS;

const KINDS: [OfflineKind; 3] = [OfflineKind::Hourly, OfflineKind::Daily, OfflineKind::OneTime];

/// What a PIN stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The kind of code.
    pub kind: OfflineKind,
    /// When it opens.
    pub window: Window,
    /// Which of the PINs for this start.
    pub variant: u32,
    /// Number of the user level, where there are levels.
    pub level: Option<u8>,
}

/// The lock's part: the secret, the door's time slots, and which PINs were used.
#[derive(Clone, Debug)]
pub struct Algorithm {
    secret: u64,
    terms: OfflineTerms,
    /// The door's time slots as they were set up.
    pub levels: Vec<UserLevel>,
    given_out: BTreeSet<Pin>,
    first_used: BTreeMap<Pin, Timestamp>,
}

impl Algorithm {
    /// A lock with this secret and, where its vendor has them, the usual time slots: nights from four to eleven, and whole days from noon.
    #[must_use]
    pub fn new(secret: u64, terms: OfflineTerms) -> Self {
        let night = UserLevel { number: 11, check_in_ms: 16 * HOUR_MS, check_out_ms: 11 * HOUR_MS, is_24_hour: false };
        let day = UserLevel { number: 12, check_in_ms: 12 * HOUR_MS, check_out_ms: 12 * HOUR_MS, is_24_hour: true };
        let levels = if terms.by_user_level { alloc::vec![night, day] } else { Vec::new() };
        Self { secret, terms, levels, given_out: BTreeSet::new(), first_used: BTreeMap::new() }
    }

    /// A factory reset: the lock gets another secret, and no PIN of before opens it.
    pub fn renew(&mut self) {
        self.secret = mix(self.secret);
        self.given_out.clear();
        self.first_used.clear();
    }

    /// Gives out the PIN that stands for a grant.
    pub fn give_out(&mut self, grant: &Grant) -> Pin {
        let digits = self.scrambled_digits();
        let body = permute(self.secret, 10_u64.pow(u32::from(digits)), self.number(grant));
        let level = grant.level.map_or(0, |level| u64::from(level) * 10_u64.pow(u32::from(digits)));
        let pin = Pin::new(self.terms.pin_length, level + body).expect("a scrambled number has the digits of its PIN");
        self.given_out.insert(pin);
        pin
    }

    /// What a PIN stands for at the lock's own time; none if it stands for nothing.
    #[must_use]
    pub fn read(&self, pin: Pin, local: Timestamp) -> Option<Grant> {
        if !self.given_out.contains(&pin) {
            return None;
        }
        let value = pin.digits().fold(0_u64, |value, digit| value * 10 + u64::from(digit));
        let size = 10_u64.pow(u32::from(self.scrambled_digits()));
        let number = unpermute(self.secret, size, value % size) as i64;
        let grant = if self.terms.by_user_level { self.read_level(number, value / size, local) } else { read_hours(number, local) };
        grant.filter(|grant| self.terms.variants_of(grant.kind).is_none_or(|variants| grant.variant < variants))
    }

    /// Whether a PIN opens now, by the lock's own time and what was used.
    #[must_use]
    pub fn opens(&self, pin: Pin, local: Timestamp) -> bool {
        self.opening(pin, local).is_some()
    }

    fn opening(&self, pin: Pin, local: Timestamp) -> Option<Grant> {
        let grant = self.read(pin, local).filter(|grant| grant.window.contains(local))?;
        let first_used = self.first_used.get(&pin);
        let is_burnt = grant.kind == OfflineKind::OneTime && first_used.is_some();
        let is_late = first_used.is_none() && self.terms.first_use_until(grant.window).is_some_and(|until| local >= until);
        (!is_burnt && !is_late).then_some(grant)
    }

    /// Somebody enters a PIN. If it opens: whether this is its first use.
    pub fn enters(&mut self, pin: Pin, local: Timestamp) -> Option<bool> {
        self.opening(pin, local)?;
        let is_first = !self.first_used.contains_key(&pin);
        self.first_used.entry(pin).or_insert(local);
        Some(is_first)
    }

    fn scrambled_digits(&self) -> u8 {
        self.terms.pin_length - if self.terms.by_user_level { LEVEL_DIGITS } else { 0 }
    }

    fn number(&self, grant: &Grant) -> u64 {
        let length_ms = grant.window.ends_at - grant.window.starts_at;
        let number = if self.terms.by_user_level {
            let days = grant.window.ends_at.0.div_euclid(DAY_MS) - grant.window.starts_at.0.div_euclid(DAY_MS);
            let start = grant.window.starts_at.0.div_euclid(DAY_MS).rem_euclid(START_DAYS);
            (start * LEVEL_LENGTHS + days) * LEVEL_VARIANTS + i64::from(grant.variant)
        } else {
            let unit_ms = if grant.kind == OfflineKind::Daily { DAY_MS } else { HOUR_MS };
            let start = grant.window.starts_at.0.div_euclid(HOUR_MS).rem_euclid(START_HOURS);
            let kind = KINDS.iter().position(|kind| *kind == grant.kind).unwrap_or(0) as i64;
            ((start * LENGTHS + length_ms / unit_ms) * KINDS.len() as i64 + kind) * VARIANTS + i64::from(grant.variant)
        };
        number as u64
    }

    fn read_level(&self, number: i64, level: u64, local: Timestamp) -> Option<Grant> {
        let level = self.levels.iter().find(|known| u64::from(known.number) == level)?;
        let (variant, rest) = (number % LEVEL_VARIANTS, number / LEVEL_VARIANTS);
        let (days, start) = (rest % LEVEL_LENGTHS, rest / LEVEL_LENGTHS);
        if start >= START_DAYS {
            return None;
        }
        let day = around(local.0.div_euclid(DAY_MS), start, START_DAYS);
        let starts_at = Timestamp(day * DAY_MS + level.check_in_ms);
        let ends_at = Timestamp((day + days) * DAY_MS + level.check_out_ms);
        let kind = if level.is_24_hour { OfflineKind::Daily } else { OfflineKind::Hourly };
        let is_one = starts_at < ends_at;
        is_one.then_some(Grant { kind, window: Window { starts_at, ends_at }, variant: variant as u32, level: Some(level.number) })
    }
}

fn read_hours(number: i64, local: Timestamp) -> Option<Grant> {
    let (variant, rest) = (number % VARIANTS, number / VARIANTS);
    let (kind, rest) = (KINDS[(rest % KINDS.len() as i64) as usize], rest / KINDS.len() as i64);
    let (length, start) = (rest % LENGTHS, rest / LENGTHS);
    if start >= START_HOURS || length == 0 {
        return None;
    }
    let starts_at = Timestamp(around(local.0.div_euclid(HOUR_MS), start, START_HOURS) * HOUR_MS);
    let unit_ms = if kind == OfflineKind::Daily { DAY_MS } else { HOUR_MS };
    let window = Window { starts_at, ends_at: starts_at + length * unit_ms };
    Some(Grant { kind, window, variant: variant as u32, level: None })
}

/// The number nearest to `near` that leaves `rest` when divided by `modulus`.
fn around(near: i64, rest: i64, modulus: i64) -> i64 {
    let below = near - (near - rest).rem_euclid(modulus);
    if near - below <= modulus / 2 { below } else { below + modulus }
}

/// A one-to-one map of the numbers below `size`, by a secret: a Feistel network over the next even power of two, walked until it is inside.
fn permute(secret: u64, size: u64, value: u64) -> u64 {
    walk(size, value, |number, half| (0..ROUNDS).fold(number, |number, round| turn(secret, number, half, round)))
}

fn unpermute(secret: u64, size: u64, value: u64) -> u64 {
    walk(size, value, |number, half| (0..ROUNDS).rev().fold(number, |number, round| turn_back(secret, number, half, round)))
}

const ROUNDS: u64 = 4;

fn walk(size: u64, value: u64, step: impl Fn(u64, u32) -> u64) -> u64 {
    let half = (64 - (size - 1).leading_zeros()).div_ceil(2);
    let mut number = step(value, half);
    while number >= size {
        number = step(number, half);
    }
    number
}

/// One round: the halves change places, and one is changed by the other.
fn turn(secret: u64, number: u64, half: u32, round: u64) -> u64 {
    let (left, right) = (number >> half, number & ((1 << half) - 1));
    (right << half) | (left ^ scramble(secret, right, half, round))
}

fn turn_back(secret: u64, number: u64, half: u32, round: u64) -> u64 {
    let (left, right) = (number >> half, number & ((1 << half) - 1));
    ((right ^ scramble(secret, left, half, round)) << half) | left
}

fn scramble(secret: u64, half_word: u64, half: u32, round: u64) -> u64 {
    mix(mix(secret ^ round) ^ half_word) & ((1 << half) - 1)
}

/// A code that the server has computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The vendor's id of it.
    pub handle: Handle,
    /// Its PIN.
    pub pin: Pin,
    /// What it stands for.
    pub grant: Grant,
}

/// The server's part, for one lock: which codes it has computed.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    issued: Vec<Issued>,
}

impl Registry {
    /// The latest code with this PIN.
    #[must_use]
    pub fn with_pin(&self, pin: Pin) -> Option<&Issued> {
        self.issued.iter().rfind(|issued| issued.pin == pin)
    }

    /// Computes a PIN for one of the time slots that are offered now, or says why not. A server rounds by an hour at most.
    pub fn register(
        &mut self,
        now: Timestamp,
        algorithm: &mut Algorithm,
        levels: &[UserLevel],
        (kind, window): (OfflineKind, Window),
        places: u32,
    ) -> Result<Issued, Reason> {
        let terms = &algorithm.terms;
        let (level, kind, window) = if terms.by_user_level {
            let (level, window) = terms.level_for(window, HOUR_MS, levels).ok_or(Reason::NoUserLevel)?;
            (Some(level.number), if level.is_24_hour { OfflineKind::Daily } else { OfflineKind::Hourly }, window)
        } else {
            (None, kind, window.rounded_outward(HOUR_MS))
        };
        if (window.starts_at - now).abs() > HORIZON_MS || !is_sold(terms, kind, window) {
            return Err(Reason::BadWindow);
        }
        let room = if terms.by_user_level { LEVEL_VARIANTS } else { VARIANTS } as u32;
        let variant = self.count(kind, window.starts_at, level);
        let is_used_up = variant >= terms.variants_of(kind).unwrap_or(room).min(room);
        let alive = self.issued.iter().filter(|issued| issued.grant.window.ends_at > now).count() as u32;
        if is_used_up || alive >= places {
            return Err(Reason::NoVariance);
        }
        let grant = Grant { kind, window, variant, level };
        let issued = Issued { handle: Handle(self.issued.len() as u32 + 1), pin: algorithm.give_out(&grant), grant };
        self.issued.push(issued.clone());
        Ok(issued)
    }

    /// Codes of the slot in which variants are counted.
    fn count(&self, kind: OfflineKind, starts_at: Timestamp, level: Option<u8>) -> u32 {
        let slot = OfflineTerms::variant_slot(kind, starts_at);
        let is_in = |issued: &&Issued| {
            let grant = &issued.grant;
            OfflineTerms::variant_slot(grant.kind, grant.window.starts_at) == slot && grant.level == level
        };
        self.issued.iter().filter(is_in).count() as u32
    }
}

/// Whether the vendor has codes of this kind for such a window.
fn is_sold(terms: &OfflineTerms, kind: OfflineKind, window: Window) -> bool {
    let length_ms = window.ends_at - window.starts_at;
    match (kind, terms.days) {
        (OfflineKind::Daily, Some((fewest, most))) => length_ms % DAY_MS == 0 && (fewest * DAY_MS..=most * DAY_MS).contains(&length_ms),
        (OfflineKind::Daily, None) if !terms.by_user_level => false,
        (OfflineKind::Daily | OfflineKind::Hourly | OfflineKind::OneTime, _) => {
            (terms.hours.0 * HOUR_MS..=terms.hours.1 * HOUR_MS).contains(&length_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;

    fn algorithm(vendor: Vendor) -> Algorithm {
        Algorithm::new(7, vendor.profile().offline.unwrap())
    }

    fn window(from_hours: i64, to_hours: i64) -> Window {
        let at = |hours: i64| Timestamp(20_000 * DAY_MS + hours * HOUR_MS);
        Window { starts_at: at(from_hours), ends_at: at(to_hours) }
    }

    #[test]
    fn the_map_is_one_to_one() {
        let mut seen: Vec<u64> = (0..1_000).map(|value| permute(3, 1_000, value)).collect();
        assert!((0..1_000).all(|value| unpermute(3, 1_000, seen[value as usize]) == value));
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<u64>>());
    }

    #[test]
    fn the_lock_reads_out_of_a_pin_what_the_server_put_in() {
        for (vendor, kind, window) in [
            (Vendor::IgloohomeOffline, OfflineKind::Hourly, window(3, 10)),
            (Vendor::IgloohomeOffline, OfflineKind::Daily, window(3, 3 + 30 * 24)),
            (Vendor::IgloohomeOffline, OfflineKind::OneTime, window(-2, 22)),
            (Vendor::LocklyOffline, OfflineKind::Hourly, window(100, 900)),
            (Vendor::Oracode, OfflineKind::Hourly, window(16, 35)),
            (Vendor::Oracode, OfflineKind::Daily, window(12, 12 + 24)),
        ] {
            let mut lock = algorithm(vendor);
            let (now, levels) = (window.starts_at - DAY_MS, lock.levels.clone());
            let issued = Registry::default().register(now, &mut lock, &levels, (kind, window), 200).unwrap();
            assert_eq!(lock.read(issued.pin, window.starts_at), Some(issued.grant), "{vendor} {kind:?}");
            let edges = [window.starts_at - 1, window.starts_at, window.ends_at - 1, window.ends_at];
            let first_use_ends = lock.terms.first_use_until(window).is_some();
            let opened = edges.map(|at| lock.opens(issued.pin, at));
            assert_eq!(opened, [false, true, !first_use_ends, false], "{vendor} {kind:?}");
            let other = Algorithm::new(8, lock.terms.clone());
            assert!(!other.opens(issued.pin, window.starts_at), "another lock has another secret");
        }
    }

    #[test]
    fn a_one_time_code_opens_once_and_a_long_one_must_be_used_on_its_first_day() {
        let mut lock = algorithm(Vendor::IgloohomeOffline);
        let mut registry = Registry::default();
        let now = window(0, 1).starts_at;
        let once = registry.register(now, &mut lock, &[], (OfflineKind::OneTime, window(0, 24)), 199).unwrap().pin;
        assert_eq!((lock.enters(once, now), lock.enters(once, now + 1)), (Some(true), None));
        let long = registry.register(now, &mut lock, &[], (OfflineKind::Hourly, window(0, 48)), 199).unwrap().pin;
        let (mut used, first_day_ends) = (lock.clone(), now + DAY_MS);
        assert_eq!(lock.enters(long, first_day_ends), None);
        assert_eq!(used.enters(long, first_day_ends - 1), Some(true));
        assert_eq!(used.enters(long, first_day_ends + HOUR_MS), Some(false));
    }

    #[test]
    fn variants_end_for_one_start_and_not_for_another() {
        let mut lock = algorithm(Vendor::IgloohomeOffline);
        let mut registry = Registry::default();
        let now = window(0, 1).starts_at;
        let mut ask = |kind, window| registry.register(now, &mut lock, &[], (kind, window), 10).map(|issued| issued.pin);
        let pins: Vec<Pin> = (0..3).map(|n| ask(OfflineKind::Hourly, window(5, 6 + n)).unwrap()).collect();
        assert!(pins[0] != pins[1] && pins[1] != pins[2] && pins[0] != pins[2]);
        assert_eq!(ask(OfflineKind::Hourly, window(5, 9)), Err(Reason::NoVariance));
        assert!(ask(OfflineKind::Hourly, window(6, 9)).is_ok());
        let one_time: Vec<_> = (0..6).map(|n| ask(OfflineKind::OneTime, window(n, n + 24))).collect();
        assert_eq!(one_time.iter().filter(|result| result.is_ok()).count(), 5);
        assert!(ask(OfflineKind::Hourly, window(7, 9)).is_ok());
        assert_eq!(ask(OfflineKind::Hourly, window(8, 9)), Err(Reason::NoVariance), "there are ten places in all");
    }

    #[test]
    fn a_reset_lock_knows_no_pin_of_before() {
        let mut lock = algorithm(Vendor::LocklyOffline);
        let now = window(0, 1).starts_at;
        let mut registry = Registry::default();
        let pins: Vec<Pin> = (0..500)
            .map(|n| registry.register(now, &mut lock, &[], (OfflineKind::Hourly, window(-n, 500 - n)), 500).unwrap().pin)
            .collect();
        assert!(pins.iter().all(|pin| lock.opens(*pin, now)));
        lock.renew();
        assert!(pins.iter().all(|pin| !lock.opens(*pin, now)), "not by chance either");
    }
}
