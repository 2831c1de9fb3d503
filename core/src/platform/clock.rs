//! The clocks of locks: read where they can be read, and set where they are wrong (`R-56`).

use super::Platform;
use super::pace::Urgency;
use super::reading::{Read, ReadKind};
use super::step::Who;
use crate::port::{Answer, Op, Reason};
use crate::time::Timestamp;

/// So many attempts to set a clock fit into two hours; then they are an hour apart, like all others (`R-03`).
const SETTINGS_BEFORE_LONG_PAUSES: u32 = 11;

/// What is to be done about a lock's clock. Free to lose.
#[derive(Debug)]
pub(super) struct ClockWatch {
    /// When it is to be read next.
    read_at: Timestamp,
    /// It is wrong, and to be set by this much more than the time of sending: the way there.
    set_by: Option<i64>,
    /// A command to it is under way.
    is_asked: bool,
    /// Readings in a row that told nothing.
    failures: u32,
}

impl ClockWatch {
    pub fn new(now: Timestamp) -> Self {
        Self { read_at: now, set_by: None, is_asked: false, failures: 0 }
    }
}

impl Platform {
    /// The clock is to be read now: the lock was just spoken to, came back, or got batteries.
    pub(super) fn want_clock(&mut self, device: u32) {
        if self.profile(device).clock_readable {
            self.caches[device as usize].clock.read_at = self.now;
            self.again_device(device);
        }
    }

    /// Reads or sets the clock when it is time to. Returns when it is to be looked at again.
    pub(super) fn tend_clock(&mut self, device: u32) -> Option<Timestamp> {
        let (now, clock) = (self.now, &self.caches[device as usize].clock);
        let is_minded = self.profile(device).clock_readable && self.policy.minds_clocks();
        if !is_minded || clock.is_asked || !self.is_askable(device) || self.device(device).has_path_error() {
            return None;
        }
        let set_by = clock.set_by;
        let at = if set_by.is_some() { now } else { clock.read_at };
        if at > now {
            return Some(at);
        }
        let account = self.device(device).account;
        if self.may_call(account, Urgency::Condition, Who::device(device)) {
            let op = set_by.map_or(Op::ReadClock, |way_ms| Op::SetClock { to: now + way_ms });
            let settings = self.device(device).clock_settings.saturating_add(1);
            let is_long = settings > SETTINGS_BEFORE_LONG_PAUSES;
            let set_again_at = now + self.policy.retry_delay_ms(settings, is_long, 0, &self.config.policy);
            let clock = &mut self.caches[device as usize].clock;
            clock.is_asked = true;
            clock.read_at = Timestamp::MAX;
            if clock.set_by.take().is_some() {
                let device = self.device_mut(device);
                (device.clock_settings, device.clock_set_not_before) = (settings, Some(set_again_at));
            }
            let command = self.send_read(account, Some(device), None, op);
            let epoch = self.device(device).epoch();
            self.reads.insert(command, Read { sent_at: now, kind: ReadKind::Clock { device, epoch } });
        }
        None
    }

    /// The clock was read or set, or could not be.
    pub(super) fn on_clock(&mut self, device: u32, read: &Read, answer: &Answer) {
        let (now, constants) = (self.now, &self.config.policy);
        let (period_ms, again_ms) = (constants.clock_period_ms, constants.refused_retry_ms);
        self.caches[device as usize].clock.is_asked = false;
        match answer {
            Answer::Clock { lock_time } => {
                self.on_contact(device, read.sent_at);
                self.judge_clock(device, read.sent_at, *lock_time);
            }
            Answer::Done { .. } => self.caches[device as usize].clock.read_at = now,
            Answer::Refused(Reason::ClockNotWritable) => {
                let state = self.device_mut(device);
                state.is_clock_wrong = true;
                (state.clock_set_not_before, state.clock_settings) = (Some(now + again_ms), 0);
                self.read_clock_by(device, now + period_ms);
            }
            _ => {
                let account = self.device(device).account;
                self.take_condition(account, Some(device), read.sent_at, answer);
                self.read_clock_after_failure(device);
            }
        }
        self.again_device(device);
    }

    /// What the clock showed at some instant between sending and now: right or wrong for certain, or to be read again.
    fn judge_clock(&mut self, device: u32, sent_at: Timestamp, lock_time: Timestamp) {
        let (now, constants) = (self.now, &self.config.policy);
        let (tolerance_ms, period_ms) = (constants.clock_tolerance_ms, constants.clock_period_ms);
        let (least_ms, most_ms) = (lock_time - now, lock_time - sent_at);
        let is_wrong = least_ms > tolerance_ms || most_ms < -tolerance_ms;
        let is_right = least_ms >= -tolerance_ms && most_ms <= tolerance_ms;
        if !is_wrong && !is_right {
            return self.read_clock_after_failure(device);
        }
        let is_settable = self.profile(device).clock_settable;
        let is_noted = is_wrong && (!is_settable || self.device(device).is_clock_wrong);
        if is_noted != self.device(device).is_clock_wrong {
            self.device_mut(device).is_clock_wrong = is_noted;
        }
        if is_right && self.device(device).clock_settings > 0 {
            self.device_mut(device).clock_settings = 0;
        }
        let not_before = self.device(device).clock_set_not_before.filter(|not_before| *not_before > now);
        let clock = &mut self.caches[device as usize].clock;
        clock.failures = 0;
        if !is_right && is_settable {
            match not_before {
                // It may be right by then.
                Some(not_before) => self.read_clock_by(device, not_before),
                None => clock.set_by = Some((now - sent_at) / 2),
            }
        }
        self.read_clock_by(device, now + period_ms);
    }

    fn read_clock_after_failure(&mut self, device: u32) {
        let failures = self.caches[device as usize].clock.failures;
        let at = self.now + self.probe_delay_ms(failures);
        self.caches[device as usize].clock.failures = failures.saturating_add(1);
        self.read_clock_by(device, at);
    }

    /// Nobody need look before `at`, unless somebody asked for it meanwhile.
    fn read_clock_by(&mut self, device: u32, at: Timestamp) {
        let clock = &mut self.caches[device as usize].clock;
        clock.read_at = clock.read_at.min(at);
    }
}
