//! How often an account is called: below the vendor's rate, in the order of urgency, and not at all while it throttles (`P-11`, `F-09`).

use alloc::collections::BTreeSet;

use super::Platform;
use super::step::Who;
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp};

/// What comes first when calls are scarce; the smaller the earlier. Codes then go by the instant they are wanted at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Login and list of devices: everything else hangs on them.
    Account,
    /// Writes.
    Write(Timestamp),
    /// Reads that settle or verify something.
    Proof,
    /// Reads of a device's conditions.
    Condition,
    /// Periodic reads.
    Sync,
}

/// The calls of one account. Free to lose.
#[derive(Debug)]
pub(super) struct Pace {
    pub wake: Option<Timestamp>,
    /// The lowest rate of the devices met, in calls per minute.
    pub rate_per_minute: Option<u32>,
    /// When the calls made so far are paid off.
    paid_at: Timestamp,
    quiet_until: Timestamp,
    /// The own rate is halved this many times, since the vendor throttled.
    halvings: u32,
    throttled_at: Timestamp,
    queue: BTreeSet<(Urgency, Who)>,
}

impl Pace {
    pub fn new(rate_per_minute: Option<u32>) -> Self {
        Self {
            wake: None,
            rate_per_minute,
            paid_at: Timestamp::MIN,
            quiet_until: Timestamp::MIN,
            halvings: 0,
            throttled_at: Timestamp::MIN,
            queue: BTreeSet::new(),
        }
    }
}

impl Platform {
    /// How long a read that failed so many times before waits for its next try.
    pub(super) fn probe_delay_ms(&self, failures: u32) -> i64 {
        ((30 * SECOND_MS) << failures.min(5)).min(self.config.policy.sync_period_ms)
    }

    /// When a read that began then, and failed now as it did so many times before, is tried again. However long it fails and however late that is told, each
    /// period has one (`R-04`).
    pub(super) fn probe_at(&self, began_at: Timestamp, failures: u32) -> Timestamp {
        let by_period = (began_at + self.config.policy.sync_period_ms).max(self.now + self.probe_delay_ms(0));
        by_period.min(self.now + self.probe_delay_ms(failures))
    }

    /// Whether `who` may call now; then the call is counted. Else it is woken when its turn comes.
    pub(super) fn may_call(&mut self, account: u32, urgency: Urgency, who: Who) -> bool {
        let ready_at = self.ready_at(account);
        let entry = (urgency, who);
        let now = self.now;
        let pace = &mut self.paces[account as usize];
        if ready_at <= now && pace.queue.first().is_none_or(|first| entry <= *first) {
            pace.queue.remove(&entry);
            self.count_call(account);
            return true;
        }
        pace.queue.insert(entry);
        self.wake_for_queue(account);
        false
    }

    /// Lets those go who wait for a call, as far as calls are left.
    pub(super) fn serve_queue(&mut self, account: u32) {
        if self.ready_at(account) <= self.now
            && let Some((_, who)) = self.paces[account as usize].queue.pop_first()
        {
            self.todo.insert(who);
            self.todo_queues.insert(account);
        } else {
            self.wake_for_queue(account);
        }
    }

    /// The vendor called for a pause: it concerns the account, and no lock (`P-11`).
    pub(super) fn throttle(&mut self, account: u32, retry_after_ms: i64, sent_at: Timestamp) {
        let now = self.now;
        let pause = self.policy.retry_after_floor_ms(retry_after_ms);
        let pace = &mut self.paces[account as usize];
        // Answers to calls made before the first refusal say nothing new about the rate.
        if sent_at >= pace.throttled_at {
            pace.halvings = (pace.halvings + 1).min(4);
            pace.throttled_at = now;
        }
        pace.quiet_until = pace.quiet_until.max(now + pause);
        // No burst after the pause: one call finds out whether it is over.
        pace.paid_at = pace.quiet_until + MINUTE_MS;
        self.wake_for_queue(account);
    }

    fn ready_at(&self, account: u32) -> Timestamp {
        let pace = &self.paces[account as usize];
        let burst = if pace.rate_per_minute.is_some() { MINUTE_MS } else { 0 };
        pace.quiet_until.max(pace.paid_at - burst)
    }

    fn count_call(&mut self, account: u32) {
        let now = self.now;
        let pace = &self.paces[account as usize];
        let Some(rate) = pace.rate_per_minute else { return };
        let calm = now - pace.throttled_at > 10 * MINUTE_MS;
        let halvings = if calm { pace.halvings.saturating_sub(1) } else { pace.halvings };
        let paced = (self.policy.paced_rate_per_minute(rate) >> halvings).max(1);
        let pace = &mut self.paces[account as usize];
        if calm && halvings < pace.halvings {
            pace.halvings = halvings;
            pace.throttled_at = now;
        }
        pace.paid_at = pace.paid_at.max(now) + MINUTE_MS / i64::from(paced);
    }

    /// Whether `who` waits for a call of this urgency.
    pub(super) fn is_queued(&self, account: u32, urgency: Urgency, who: Who) -> bool {
        self.paces[account as usize].queue.contains(&(urgency, who))
    }

    /// When the first in the queue may call.
    pub(super) fn queue_ready_at(&self, account: u32) -> Option<Timestamp> {
        (!self.paces[account as usize].queue.is_empty()).then(|| self.ready_at(account))
    }

    fn wake_for_queue(&mut self, account: u32) {
        if self.queue_ready_at(account).is_some_and(|at| at <= self.now) {
            self.todo_queues.insert(account);
        }
        self.schedule_account(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Honest;
    use crate::platform::tests::bench::Bench;
    use crate::vendor::Vendor;

    const ONE: Who = Who::Account(0);

    /// A platform with one account of which this many calls a minute may be made, as the policy of half the vendor's rate has it.
    fn platform(rate_per_minute: Option<u32>) -> Platform {
        let bench = Bench::new(Vendor::GenericSlot.profile());
        let mut platform = Platform::start(&Honest, bench.now, &bench.config, bench.durable.as_deref());
        platform.paces[0] = Pace::new(rate_per_minute.map(|rate| 2 * rate));
        platform
    }

    /// Calls that may be made at once.
    fn burst(platform: &mut Platform) -> u32 {
        let mut calls = 0;
        while calls < 100 && platform.may_call(0, Urgency::Proof, ONE) {
            calls += 1;
        }
        calls
    }

    /// P-11: no more than the rate in a minute, and what was not used is not saved up.
    #[test]
    fn an_account_is_called_at_its_rate() {
        let mut platform = platform(Some(6));
        assert_eq!(burst(&mut platform), 7, "the first of the next minute too");
        assert_eq!(platform.queue_ready_at(0), Some(platform.now + 10 * SECOND_MS));
        platform.now = platform.now + (10 * SECOND_MS - 1);
        assert_eq!(burst(&mut platform), 0);
        platform.now = platform.now + 1;
        assert_eq!(burst(&mut platform), 1);
        platform.now = platform.now + 20 * SECOND_MS;
        assert_eq!(burst(&mut platform), 2);
        platform.now = platform.now + 10 * MINUTE_MS;
        assert_eq!(burst(&mut platform), 7);
    }

    #[test]
    fn where_no_rate_is_known_none_is_kept() {
        assert_eq!(burst(&mut platform(None)), 100);
    }

    /// P-11: a pause is kept, one call finds out whether it is over, and the rate is halved once a pause, four times at most.
    #[test]
    fn a_throttled_account_is_called_half_as_often() {
        let mut platform = platform(Some(64));
        let began_at = platform.now;
        platform.throttle(0, 30 * SECOND_MS, began_at);
        platform.throttle(0, 10 * SECOND_MS, began_at - 1);
        assert_eq!(platform.paces[0].halvings, 1, "what was sent before the refusal is no news");
        assert_eq!(burst(&mut platform), 0);
        assert_eq!(platform.queue_ready_at(0), Some(began_at + 30 * SECOND_MS));
        platform.now = began_at + 30 * SECOND_MS;
        assert_eq!(burst(&mut platform), 1);
        assert_eq!(platform.queue_ready_at(0), Some(platform.now + MINUTE_MS / 32));
        for halvings in [2, 3, 4, 4] {
            platform.throttle(0, 0, platform.now);
            assert_eq!(platform.paces[0].halvings, halvings);
        }
        // Each calm of more than ten minutes gives one halving back.
        for (calm_ms, halvings) in [(10 * MINUTE_MS, 4), (1, 3), (10 * MINUTE_MS, 3), (1, 2)] {
            platform.now = platform.now + calm_ms;
            assert!(platform.may_call(0, Urgency::Proof, ONE));
            assert_eq!(platform.paces[0].halvings, halvings);
        }
    }

    /// F-09: the most urgent goes first, whoever asked first.
    #[test]
    fn the_most_urgent_goes_first() {
        let mut platform = platform(Some(1));
        assert_eq!(burst(&mut platform), 2);
        let device = Who::device(0);
        assert!(!platform.may_call(0, Urgency::Sync, device) && !platform.may_call(0, Urgency::Account, ONE));
        assert!(platform.is_queued(0, Urgency::Sync, device) && !platform.is_queued(0, Urgency::Account, device));
        platform.now = platform.now + MINUTE_MS;
        assert!(!platform.may_call(0, Urgency::Sync, device));
        assert!(platform.may_call(0, Urgency::Account, ONE) && !platform.is_queued(0, Urgency::Account, ONE));
        assert!(!platform.may_call(0, Urgency::Sync, device), "one call a minute");
    }

    /// pauses double from half a minute on, and no period passes without a try.
    #[test]
    fn each_period_has_a_try() {
        let mut platform = platform(None);
        let period_ms = platform.config.policy.sync_period_ms;
        assert_eq!([0, 1, 2, 9].map(|failures| platform.probe_delay_ms(failures)), [30 * SECOND_MS, MINUTE_MS, 2 * MINUTE_MS, period_ms]);
        let began_at = platform.now;
        assert_eq!(platform.probe_at(began_at, 1), began_at + MINUTE_MS);
        platform.now = began_at + (period_ms - 45 * SECOND_MS);
        assert_eq!(platform.probe_at(began_at, 9), began_at + period_ms);
        platform.now = began_at + period_ms;
        assert_eq!(platform.probe_at(began_at, 9), platform.now + 30 * SECOND_MS);
    }
}
