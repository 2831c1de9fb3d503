//! What is to be evaluated anew: what an occurrence touched, and what time alone may have changed, at instants that are known before.

use keyway_core::time::Timestamp;

use super::{CodeIx, Goal, History};
use crate::occurrence::Lock;

impl History {
    /// Codes to be evaluated anew: their record, memory, commands or device changed, or an instant of theirs has come.
    #[must_use]
    pub fn touched_codes(&self) -> &[CodeIx] {
        &self.touched_codes
    }

    /// Locks to be evaluated anew.
    #[must_use]
    pub fn touched_locks(&self) -> &[Lock] {
        &self.touched_locks
    }

    /// Whether anything is to be evaluated anew.
    #[must_use]
    pub fn has_touched(&self) -> bool {
        !(self.touched_codes.is_empty() && self.touched_locks.is_empty())
    }

    /// The next instant at which a code must be evaluated anew.
    #[must_use]
    pub fn next_edge(&self) -> Option<Timestamp> {
        self.edges.first().map(|(at, _)| *at)
    }

    /// Lets time pass: touches the codes whose instant has come.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = now;
        while let Some((at, code)) = self.edges.first().copied() {
            if at > now {
                break;
            }
            self.edges.pop_first();
            self.codes[code.0 as usize].edge = None;
            self.end_window(code, now);
            self.touch_code(code);
        }
    }

    /// Brings what is derived of the touched codes up to date; must run before they are evaluated.
    pub fn prepare(&mut self) {
        let now = self.now;
        for at in 0..self.touched_codes.len() {
            let code = self.touched_codes[at];
            self.retire(code, now);
            self.count_goal(code, now);
        }
    }

    /// Everything touched was evaluated.
    pub fn settle(&mut self) {
        let now = self.now;
        for at in 0..self.touched_codes.len() {
            let code = self.touched_codes[at];
            let next = self.edge_of(code, now);
            let state = &mut self.codes[code.0 as usize];
            state.is_touched = false;
            if state.edge != next {
                if let Some(old) = std::mem::replace(&mut state.edge, next) {
                    self.edges.remove(&(old, code));
                }
                if let Some(next) = next {
                    self.edges.insert((next, code));
                }
            }
        }
        self.touched_codes.clear();
        for lock in self.touched_locks.drain(..) {
            self.locks[lock.0 as usize].is_touched = false;
        }
    }

    /// The next instant after `now` at which time alone may change what holds of a code.
    fn edge_of(&self, code: CodeIx, now: Timestamp) -> Option<Timestamp> {
        let state = self.code(code);
        if state.record.is_none() && state.places.is_empty() {
            return None;
        }
        let mut next: Option<Timestamp> = None;
        let mut at = |instant: Timestamp| {
            if instant > now && next.is_none_or(|next| instant < next) {
                next = Some(instant);
            }
        };
        let (slack, offset_slack) = (self.native_slack(code, now), self.offset_slack(code));
        if self.is_up && self.is_catching_up() {
            at(now + 1);
        }
        for intent in &state.intents {
            at(intent.due_at);
            at(intent.due_at + 1);
            if let Goal::Present { window: Some(window), .. } = intent.goal {
                for instant in [window.starts_at, window.ends_at] {
                    at(instant - slack - offset_slack);
                    at(instant - slack);
                    at(instant);
                    at(instant + 1);
                    at(instant + slack + 1);
                    at(instant + slack + offset_slack + 1);
                }
            }
        }
        if let Some(lock) = state.lock {
            let off = self.lock(lock).clock_off_ms;
            for (_, stored) in self.entries(code) {
                if let Some(window) = stored.entry.kept_window() {
                    at(window.starts_at - off);
                    at(window.ends_at - off);
                }
            }
            self.offline_edges(code, lock, &mut at);
            self.quiet_edges(code, lock, &mut at);
        }
        next
    }

    /// The instants at which a quiet time has lasted long enough for something.
    fn quiet_edges(&self, code: CodeIx, lock: Lock, at: &mut impl FnMut(Timestamp)) {
        let state = self.code(code);
        for n in 0..state.intents.len().saturating_sub(1) {
            if let Some(until) = self.retires_at(code, n) {
                at(until + 1);
            }
        }
        let Some(quiet) = self.quiet_since(lock) else { return };
        let granted = self.entries(code).filter_map(|(_, stored)| stored.granted_at);
        let (due, asked) = self.goal(code).map(|intent| (intent.due_at, intent.asked_at)).unzip();
        let begun = [Some(state.status_since), due, asked, self.code_quiet_since(code)].into_iter().flatten();
        for since in begun.chain(granted) {
            let since = since.max(quiet);
            let b_set = self.b_set(code, since);
            at(since + b_set + 1);
            at(since + b_set + self.b_detect(lock, since) + 1);
            at(since + self.b_first(lock, since) + 1);
        }
        at(self.retry_deadline(code, lock) + 1);
    }

    /// When the next attempt for a code must have been made, as things stand (`I-LIV-05`).
    #[must_use]
    pub fn retry_deadline(&self, code: CodeIx, lock: Lock) -> Timestamp {
        let (work, policy, state) = (&self.code(code).work, self.policy(), self.lock(lock));
        // A failure that is under way counts as old as it will be when its command times out, be it after a restart (`P-01`).
        let since = work.active_at.max(state.disturbed_at);
        let is_long = work
            .failing_since
            .is_some_and(|failing| since + state.facts.profile.command_timeout_ms >= failing + policy.retry_long_after_ms)
            || work.is_fighting(work.active_at, policy)
            || work.absences >= crate::bounds::ABSENCES_THAT_SUSPECT_A_TWIN;
        let cap = match (work.is_twin, is_long) {
            (true, _) => policy.refused_retry_ms,
            (false, true) => policy.retry_cap_long_ms,
            (false, false) => policy.retry_cap_ms,
        };
        // Whatever became of the write of which the lock said that it met a twin (`R-54`).
        let told_until = work.told_twin_at.map_or(Timestamp::MIN, |told_at| told_at + self.with_jitter(policy.refused_retry_ms));
        (since + self.with_jitter(cap)).max(told_until) + self.b_cmd(lock, since) + self.b_detect(lock, since)
    }

    /// A code is to be evaluated anew.
    pub(super) fn touch_code(&mut self, ix: CodeIx) {
        let code = &mut self.codes[ix.0 as usize];
        if !code.is_touched {
            code.is_touched = true;
            self.touched_codes.push(ix);
        }
    }

    pub(super) fn touch_all_codes(&mut self) {
        for n in 0..self.codes.len() {
            self.touch_code(CodeIx(n as u32));
        }
    }

    pub(super) fn touch_codes_of(&mut self, lock: Lock) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            self.touch_code(code);
        }
    }

    pub(super) fn touch_lock(&mut self, lock: Lock) {
        let state = &mut self.locks[lock.0 as usize];
        if !state.is_touched {
            state.is_touched = true;
            self.touched_locks.push(lock);
        }
    }
}
