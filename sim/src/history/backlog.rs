//! How much is to be done on locks that wait for each other: those of one serial path, and those that share a quota of calls.

use std::collections::BTreeMap;

use keyway_core::id::AccountId;
use keyway_core::time::Timestamp;
use keyway_core::vendor::SerialPath;

use super::{CodeIx, Goal, History, Intent};
use crate::bounds::Peak;
use crate::occurrence::Lock;

/// Locks whose commands run one at a time.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The locks.
    pub locks: Vec<Lock>,
    /// `backlog`.
    pub backlog: Peak,
    /// The longest `lat_max` among them.
    pub lat_max_ms: i64,
    /// Mutating commands that are not closed.
    pub open: u32,
    /// Codes whose memory is not at its goal.
    pub off_goal: u32,
}

/// Locks that share a quota of calls.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    /// The account.
    pub account: AccountId,
    /// How many locks it has.
    pub devices: u32,
    /// Codes whose memory is not at its goal.
    pub off_goal: Peak,
}

impl History {
    /// Puts a lock on its serial path and into its quota.
    pub(super) fn join_path(&mut self, lock: Lock, paths_of_hubs: &mut BTreeMap<u32, u32>, quotas: &mut BTreeMap<AccountId, u32>) {
        let (first, new_path, new_scope) = (self.first_view(lock), self.paths.len() as u32, self.quotas.len() as u32);
        let facts = &self.locks[lock.0 as usize].facts;
        // What several workspaces share is one path and one quota.
        let (account, lat_max_ms) = (self.locks[first.0 as usize].facts.account, facts.profile.lat_max_ms);
        let hub = facts.hub.filter(|_| facts.profile.serial_path == SerialPath::Hub);
        let path = match hub {
            Some(hub) => *paths_of_hubs.entry(hub).or_insert(new_path),
            None if first == lock => new_path,
            None => self.locks[first.0 as usize].path,
        };
        if path == new_path {
            self.paths.push(Path::default());
        }
        let scope = *quotas.entry(account).or_insert(new_scope);
        if scope == new_scope {
            self.quotas.push(Quota { account, ..Quota::default() });
        }
        self.quotas[scope as usize].devices += 1;
        let shared = &mut self.paths[path as usize];
        shared.locks.push(lock);
        shared.lat_max_ms = shared.lat_max_ms.max(lat_max_ms);
        let state = &mut self.locks[lock.0 as usize];
        (state.path, state.scope) = (path, scope);
    }

    /// The serial path of a lock.
    #[must_use]
    pub fn path(&self, lock: Lock) -> &Path {
        &self.paths[self.lock(lock).path as usize]
    }

    /// The quota of a lock's account.
    #[must_use]
    pub fn scope(&self, lock: Lock) -> &Quota {
        &self.quotas[self.lock(lock).scope as usize]
    }

    pub(super) fn count_backlog(&mut self, lock: Lock, now: Timestamp, change: impl FnOnce(&mut Path)) {
        let path = &mut self.paths[self.locks[lock.0 as usize].path as usize];
        change(path);
        let backlog = path.open + 2 * path.off_goal;
        path.backlog.set(now, backlog);
    }

    /// Counts whether memory is at the code's goal.
    pub(super) fn count_goal(&mut self, code: CodeIx, now: Timestamp) {
        let Some(lock) = self.code(code).lock else { return };
        let state = self.code(code);
        let wants_absence = matches!(self.goal(code), Some(Intent { goal: Goal::Absent, .. }));
        let is_residual = state.is_residual;
        let is_off = !is_residual && (!self.is_at_goal(code) || (wants_absence && state.record.is_some() && state.work.unsettled > 0));
        if is_off != state.is_off_goal {
            self.codes[code.0 as usize].is_off_goal = is_off;
            let change = |count: u32| if is_off { count + 1 } else { count.saturating_sub(1) };
            self.count_backlog(lock, now, |path| path.off_goal = change(path.off_goal));
            let quota = &mut self.quotas[self.locks[lock.0 as usize].scope as usize];
            let off_goal = change(quota.off_goal.now());
            quota.off_goal.set(now, off_goal);
        }
        if is_off || self.code(code).is_hindered {
            self.weigh_hindrance(now, code);
        }
    }
}
