//! Windows across a clock change, on locks that keep the offset of the day of writing (`R-58`).

use super::Platform;
use super::step::At;
use crate::time::{Timestamp, Window};
use crate::zone::shift_between;

/// Zones to reckon with where none is known.
const WHEN_NO_ZONE_IS_KNOWN: [&str; 2] = ["America/New_York", "Europe/Berlin"];

impl Platform {
    /// The window as it must be written now for the guest to lose nothing of it: a bound that the lock will read an hour to the guest's harm is written
    /// an hour to the guest's side.
    pub(super) fn window_across_change(&mut self, at: At, window: Window) -> Window {
        let shifts = [window.starts_at, window.ends_at].map(|bound| self.shifts_before(at.device, bound));
        let [(starts_sooner, starts_later), (ends_sooner, ends_later)] = shifts;
        let is_across = [starts_sooner, starts_later, ends_sooner, ends_later].into_iter().any(|shift_ms| shift_ms != 0);
        if self.code(at).is_across_change != is_across {
            self.code_mut(at).is_across_change = is_across;
        }
        Window { starts_at: window.starts_at - starts_later, ends_at: window.ends_at - ends_sooner }
    }

    /// By how much the lock will at most read a bound too early and too late that is written now.
    fn shifts_before(&self, device: u32, bound: Timestamp) -> (i64, i64) {
        if !self.profile(device).keeps_offset {
            return (0, 0);
        }
        let told = self.device(device).info.zone.as_deref();
        let configured = self.config.accounts[self.device(device).account as usize].zone.as_deref();
        let known = told.or(configured);
        let zones = known.iter().copied().chain(WHEN_NO_ZONE_IS_KNOWN.into_iter().filter(|_| known.is_none()));
        let changes = zones.filter_map(|zone| self.config.zones.get(zone));
        let shifts = changes.map(|changes| shift_between(changes, self.now, bound));
        shifts.fold((0, 0), |(sooner, later), shift_ms| (sooner.min(shift_ms), later.max(shift_ms)))
    }
}
