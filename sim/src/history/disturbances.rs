//! What keeps locks from their plain course: faults, the reach of a lock, slow jobs; and what is a definite change of cause.

use keyway_core::time::Timestamp;

use super::{History, LockState};
use crate::occurrence::{Lock, Phase};

impl History {
    /// Something that is no part of the plain course happened.
    pub(super) fn disturb(&mut self, now: Timestamp, lock: Lock) {
        self.retire_all(lock, now);
        let is_echo = self.is_echo;
        let state = &mut self.locks[lock.0 as usize];
        state.disturbed_at = now;
        if !is_echo {
            state.faulted_at = now;
        }
    }

    pub(super) fn change_faults(&mut self, now: Timestamp, lock: Lock, active: u32) {
        self.change_way(now, lock, |state| state.faults = active);
    }

    pub(super) fn change_reach(&mut self, now: Timestamp, lock: Lock, up: bool) {
        self.change_way(now, lock, |state| {
            state.reach = up;
            if up && state.clock_means_at.is_none() {
                state.clock_means_at = Some(now);
            }
            (state.clock_settings, state.clock_settings_since) = (0, now);
        });
    }

    /// The way to a lock is another one now.
    fn change_way(&mut self, now: Timestamp, lock: Lock, change: impl FnOnce(&mut LockState)) {
        self.retire_all(lock, now);
        let state = &mut self.locks[lock.0 as usize];
        change(state);
        (state.disturbed_at, state.faulted_at) = (now, now);
        self.change_cause(lock, now);
        self.touch_codes_of(lock);
        self.touch_lock(lock);
    }

    pub(super) fn change_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.touch_all_codes();
    }

    /// A definite change of cause for all that is to be done on a lock.
    pub(super) fn change_cause(&mut self, lock: Lock, now: Timestamp) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            self.codes[code.0 as usize].work.change_cause(now);
        }
    }

    /// Something happened at a lock that may be reason to write any code of it.
    pub(super) fn give_reason(&mut self, lock: Lock, now: Timestamp) {
        self.locks[lock.0 as usize].faulted_at = now;
        self.change_cause(lock, now);
    }
}
