//! The terms of the invariants that speak of time: when a path is quiet, how wrong a lock's clock is, and how long a correct controller may take.

use keyway_core::config::PolicyConstants;
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, Window};
use keyway_core::vendor::ReadBack;
use keyway_core::zone::shift_between;

use crate::history::{CodeIx, Goal, History};
use crate::occurrence::Lock;
use crate::setup::WHEN_NO_ZONE_IS_KNOWN;

/// A figure over time, which answers what it was at most since an instant.
#[derive(Clone, Debug, Default)]
pub struct Peak {
    now: u32,
    /// Older values that no later one reached, each with the instant until which it stood: values fall, instants rise.
    past: Vec<(Timestamp, u32)>,
}

impl Peak {
    /// The figure is this from `now` on.
    pub fn set(&mut self, now: Timestamp, value: u32) {
        if value == self.now {
            return;
        }
        while self.past.last().is_some_and(|(_, older)| *older <= self.now) {
            self.past.pop();
        }
        self.past.push((now, self.now));
        self.now = value;
    }

    /// The figure now.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.now
    }

    /// The most it was at `since` or later.
    #[must_use]
    pub fn since(&self, since: Timestamp) -> u32 {
        let first = self.past.partition_point(|(until, _)| *until < since);
        self.past.get(first).map_or(self.now, |(_, value)| (*value).max(self.now))
    }
}

/// The attempts for one code that `R-03` permits in `span_ms` without a change of cause: `A(t)`.
#[must_use]
pub fn attempts_allowed(policy: &PolicyConstants, span_ms: i64) -> u32 {
    let (mut attempts, mut at, mut delay) = (1, 0, policy.retry_base_ms);
    while at + delay <= span_ms.min(policy.retry_long_after_ms) {
        at += delay;
        attempts += 1;
        delay = (2 * delay).min(policy.retry_cap_ms);
    }
    let beyond = span_ms - policy.retry_long_after_ms;
    if beyond > 0 { attempts + 1 + (beyond / policy.retry_cap_long_ms.max(1)) as u32 } else { attempts }
}

/// `R-54`: from then on attempts are an hour apart.
pub const ABSENCES_THAT_SUSPECT_A_TWIN: u32 = 2;

impl History {
    /// Since when nothing but the plain course happened on the way to the lock; none while it is disturbed or out of reach.
    #[must_use]
    pub fn quiet_since(&self, lock: Lock) -> Option<Timestamp> {
        let state = self.lock(lock);
        (self.is_up() && state.reach && state.faults == 0 && state.slow_jobs == 0).then_some(state.disturbed_at)
    }

    /// The same for what shall be stored for a code: there was also room for it, and the lock would not have refused it.
    #[must_use]
    pub fn code_quiet_since(&self, code: CodeIx) -> Option<Timestamp> {
        let state = self.code(code);
        let quiet = self.quiet_since(state.lock?)?;
        // A tenth for jitter.
        let retry_ms = self.policy().refused_retry_ms;
        let told_until = state.work.told_twin_at.map_or(Timestamp::MIN, |told_at| told_at + retry_ms + retry_ms / 10);
        (!state.is_hindered && told_until <= self.now()).then(|| quiet.max(state.free_since).max(told_until))
    }

    /// The same for what shall be erased: where nothing can be read, the removal could also be proven.
    #[must_use]
    pub fn removal_quiet_since(&self, code: CodeIx) -> Option<Timestamp> {
        let state = self.code(code);
        let quiet = self.quiet_since(state.lock?)?;
        if self.profile(code)?.read_back != ReadBack::None {
            return Some(quiet);
        }
        (!state.is_hindered).then(|| quiet.max(state.free_since))
    }

    /// Until when the controller may wait for the answer to a step towards the present wish that it had saved before it died: the step may never have left, and
    /// counts as timed out only then (`P-01`).
    #[must_use]
    pub fn lost_step_until(&self, code: CodeIx) -> Timestamp {
        let (Some(started_at), Some(intent), Some(profile)) = (self.started_at(), self.goal(code), self.profile(code)) else {
            return Timestamp::MIN;
        };
        let is_cut_short = self.restarts() > 0 && intent.asked_at.max(intent.due_at) <= started_at;
        if is_cut_short { started_at + profile.command_timeout_ms } else { Timestamp::MIN }
    }

    /// `B_CMD`, by the longest backlog since `since`.
    #[must_use]
    pub fn b_cmd(&self, lock: Lock, since: Timestamp) -> i64 {
        let path = self.path(lock);
        (1 + i64::from(path.backlog.since(since))) * path.lat_max_ms + self.rate_wait(lock, since)
    }

    /// How long the calls of a busy account may have to wait: one minute for each quota that they fill.
    fn rate_wait(&self, lock: Lock, since: Timestamp) -> i64 {
        let Some(limit) = self.lock(lock).facts.profile.rate_per_minute else { return 0 };
        let (limit, scope) = (limit.max(1), self.scope(lock));
        let calls = 4 * scope.off_goal.since(since) + 2 * scope.devices;
        if 2 * calls < limit { 0 } else { i64::from(calls.div_ceil(limit)) * MINUTE_MS }
    }

    /// `B_FIRST`.
    #[must_use]
    pub fn b_first(&self, lock: Lock, since: Timestamp) -> i64 {
        self.lock(lock).facts.profile.read_lag_ms + 3 * self.b_cmd(lock, since)
    }

    /// `B_SET`, and by the same formula `B_REMOVE` (`R-06`), of a code whose quiet time began at `since`.
    #[must_use]
    pub fn b_set(&self, code: CodeIx, since: Timestamp) -> i64 {
        let first = self.code(code).lock.map_or(0, |lock| self.b_first(lock, since));
        self.policy().sync_period_ms + self.wait(code, since) + first
    }

    /// `B_DETECT`.
    #[must_use]
    pub fn b_detect(&self, lock: Lock, since: Timestamp) -> i64 {
        self.policy().sync_period_ms + self.lock(lock).facts.profile.read_lag_ms + 30 * SECOND_MS + 2 * self.b_cmd(lock, since)
    }

    /// `B_CONV` of a lock, with the longest back-off.
    #[must_use]
    pub fn b_conv(&self, lock: Lock, since: Timestamp) -> i64 {
        let b_set = self.policy().sync_period_ms + self.with_jitter(self.policy().retry_cap_long_ms) + self.b_first(lock, since);
        self.b_detect(lock, since) + 2 * b_set
    }

    /// `WAIT`: the longest back-off under which a code may stand when its quiet time begins. A failure that is still under way then counts as
    /// old as it will be when its command times out.
    #[must_use]
    pub fn wait(&self, code: CodeIx, since: Timestamp) -> i64 {
        let (work, policy) = (&self.code(code).work, self.policy());
        if work.is_twin {
            return self.with_jitter(policy.refused_retry_ms);
        }
        let timeout = self.profile(code).map_or(0, |profile| profile.command_timeout_ms);
        let is_fighting = work.is_fighting(since, policy) || work.absences >= ABSENCES_THAT_SUSPECT_A_TWIN;
        match work.failing_since {
            Some(failing) if is_fighting || since + timeout >= failing + policy.retry_long_after_ms => {
                self.with_jitter(policy.retry_cap_long_ms)
            }
            None if is_fighting => self.with_jitter(policy.retry_cap_long_ms),
            Some(_) => self.with_jitter(policy.retry_cap_ms),
            None => 0,
        }
    }

    /// A delay with the most jitter that `R-03` adds.
    #[must_use]
    pub fn with_jitter(&self, delay_ms: i64) -> i64 {
        delay_ms + delay_ms * self.policy().retry_jitter_percent / 100
    }

    /// `SKEW`: how far the lock misjudges a stored window. Past `CLOCK_TOL` it counts only until the controller could have mended it (`R-56`).
    #[must_use]
    pub fn skew(&self, lock: Lock, now: Timestamp) -> i64 {
        let state = self.lock(lock);
        let (off, tolerance) = (state.clock_off_ms.abs(), self.policy().clock_tolerance_ms);
        if off <= tolerance || !state.facts.profile.clock_readable || !state.facts.clock_settable {
            return off;
        }
        let begun = state.clock_means_at.unwrap_or(state.clock_since + self.policy().clock_period_ms);
        let since = self.quiet_since(lock).map(|quiet| quiet.max(begun));
        let mended = since.is_some_and(|since| now > since + self.policy().sync_period_ms + self.b_first(lock, since));
        if mended { tolerance } else { off }
    }

    /// The part of `SKEW` that clock changes make of a code's stored schedules, if `R-58` does not foresee them: those of a lock that stands in another zone
    /// than is configured, as its vendor tells none.
    #[must_use]
    pub fn unforeseen_shift(&self, code: CodeIx) -> i64 {
        let Some(lock) = self.code(code).lock else { return 0 };
        let facts = &self.lock(lock).facts;
        let configured = self.facts().config.accounts.iter().find(|account| account.account == facts.account);
        let known = facts.told_zone.as_deref().or(configured.and_then(|account| account.zone.as_deref()));
        let zones = || known.into_iter().chain(WHEN_NO_ZONE_IS_KNOWN.into_iter().filter(|_| known.is_none()));
        let changes = || zones().filter_map(|zone| self.facts().config.zones.get(zone));
        let is_foreseen = |from, to, shift_ms| changes().any(|changes| shift_between(changes, from, to) == shift_ms);
        let shifts = self.entries(code).flat_map(|(_, stored)| {
            let both = stored.entry.window.zip(stored.entry.kept);
            let bounds = both.map(|(window, kept)| [(window.starts_at, kept.starts_at), (window.ends_at, kept.ends_at)]);
            bounds.into_iter().flatten().map(move |(bound, kept)| (stored.since, bound, kept - bound))
        });
        shifts
            .filter(|(since, bound, shift_ms)| !is_foreseen(*since, *bound, *shift_ms))
            .map(|(.., shift_ms)| shift_ms.abs())
            .max()
            .unwrap_or(0)
    }

    /// `EARLY`: how long before its start a code may lawfully open.
    #[must_use]
    pub fn early(&self, code: CodeIx, now: Timestamp) -> i64 {
        if self.is_native(code) { self.native_slack(code, now) + self.offset_slack(code) } else { self.policy().just_in_time_lead_ms }
    }

    /// What `R-58` adds to `EARLY` and `LATE`: one shift, where the window may lie across a clock change and the lock keeps its offset.
    #[must_use]
    pub fn offset_slack(&self, code: CodeIx) -> i64 {
        let window = self.code(code).intents.iter().rev().find_map(|intent| match intent.goal {
            Goal::Present { window, .. } => window,
            Goal::Absent => None,
        });
        let is_kept = self.profile(code).is_some_and(|profile| profile.keeps_offset);
        let written_from = |window: Window| window.starts_at - self.policy().native_preload_ms;
        match window {
            Some(window) if is_kept && self.clocks_change(written_from(window), window.ends_at + HOUR_MS) => HOUR_MS,
            _ => 0,
        }
    }

    /// Whether the clocks of any zone that the controller was told of change in a time.
    #[must_use]
    pub fn clocks_change(&self, from: Timestamp, to: Timestamp) -> bool {
        self.clock_shifts(from, to).next().is_some()
    }

    /// By how much they change, whichever way.
    pub fn clock_shifts(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = i64> {
        let changes = self.facts().config.zones.values().flatten().filter(move |change| from < change.at && change.at <= to);
        changes.map(|change| change.shift_ms.abs())
    }

    /// `LATE` of a code whose lock keeps its schedule; without one the end is kept by a removal.
    #[must_use]
    pub fn native_slack(&self, code: CodeIx, now: Timestamp) -> i64 {
        let Some(lock) = self.code(code).lock else { return 0 };
        self.skew(lock, now) + self.lock(lock).facts.profile.round_ms
    }

    /// The constants of the run.
    #[must_use]
    pub fn policy(&self) -> &PolicyConstants {
        &self.facts().config.policy
    }
}

/// The longest that any lock may need from now on to converge: `B_CONV` with a backlog of all that is off its goal now, that others touched unseen, or that
/// time will move while it lasts.
#[must_use]
pub fn convergence_ms(history: &History) -> i64 {
    let since = history.now();
    let slowest = history.locks().map(|(lock, _)| {
        let path = history.path(lock);
        let members = path.locks.iter().flat_map(|member| &history.lock(*member).codes);
        let busy = members.filter(|code| is_to_be_moved(history, **code, since)).count() as i64;
        let more = (2 * busy + i64::from(path.open) - i64::from(path.backlog.now())).max(0) * path.lat_max_ms;
        // B_CMD is in B_DETECT twice, and in B_SET and B_REMOVE three times each.
        history.b_conv(lock, since) + 8 * more
    });
    slowest.max().unwrap_or(HOUR_MS)
}

/// Whether no lock needs any commands from now on.
#[must_use]
pub fn is_at_rest(history: &History) -> bool {
    history.locks().all(|(_, lock)| lock.codes.iter().all(|code| !is_to_be_moved(history, *code, history.now())))
}

/// Whether a code will need commands in the time after `since`.
fn is_to_be_moved(history: &History, code: CodeIx, since: Timestamp) -> bool {
    let state = history.code(code);
    let is_soon = |at: Timestamp| at >= since && at <= since + DAY_MS;
    let is_moved_by_time = state.intents.iter().any(|intent| match intent.goal {
        Goal::Present { window: Some(window), .. } => is_soon(intent.due_at) || is_soon(window.ends_at),
        Goal::Present { window: None, .. } | Goal::Absent => is_soon(intent.due_at),
    });
    let is_live = state.record.is_some() || !state.places.is_empty();
    is_live && (state.is_off_goal || state.work.unsettled > 0 || history.is_touched(code) || is_moved_by_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_forgets_only_what_is_older() {
        let mut peak = Peak::default();
        for (at, value) in [(10, 3), (20, 1), (30, 2), (40, 0)] {
            peak.set(Timestamp(at), value);
        }
        for (since, most) in [(0, 3), (20, 3), (21, 2), (40, 2), (41, 0)] {
            assert_eq!(peak.since(Timestamp(since)), most, "since {since}");
        }
    }

    #[test]
    fn attempts_follow_the_table_of_the_defaults() {
        let policy = PolicyConstants::default();
        let table = [(0, 1), (15 * MINUTE_MS, 5), (HOUR_MS, 8), (2 * HOUR_MS, 12), (2 * HOUR_MS + 1, 13), (3 * HOUR_MS, 14)];
        for (span, attempts) in table {
            assert_eq!(attempts_allowed(&policy, span), attempts, "{span} ms");
        }
        assert_eq!(attempts_allowed(&policy, DAY_MS + 6 * HOUR_MS), 41);
    }
}
