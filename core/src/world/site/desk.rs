//! The vendor's server for offline codes: it answers by itself, without the lock, its hub, or anything between them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::consequence::answered;
use super::{Consequence, Fate, LockCondition, Order, Site};
use crate::id::{CommandId, Key};
use crate::offline::{OfflineKind, UserLevel};
use crate::pin::Pin;
use crate::port::{Answer, News, Op, Place, Reason};
use crate::time::{MINUTE_MS, Timestamp, Window};
use crate::world::offline::{Issued, Registry};
use crate::world::quirk::Quirk;

/// Under `pin_assigned_late` a PIN takes this long.
const LATE_ASSIGNMENT_MS: i64 = 2 * MINUTE_MS;
/// Under `levels_sync_late` the table that is shown is this old.
const LEVELS_AGE_MS: i64 = 30 * MINUTE_MS;

/// One lock's part of the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    registry: Registry,
    /// Registrations that are being worked on.
    pending: Vec<Pending>,
    /// What was answered for good, by key (`P-04`).
    settled: BTreeMap<Key, Answer>,
    /// Tables of time slots, each with its first instant; never empty once the first was noted.
    levels: Vec<(Timestamp, Arc<[UserLevel]>)>,
}

#[derive(Clone, Debug)]
struct Pending {
    key: Key,
    kind: OfflineKind,
    window: Window,
    ready_at: Timestamp,
    fails_after: Option<u16>,
    /// Who waits for it; the first made it.
    waiting: Vec<CommandId>,
}

/// Whether a command is for the server and not for a lock.
pub(super) const fn is_for_desk(op: &Op) -> bool {
    matches!(op, Op::RegisterOffline { .. } | Op::RevokeOffline { .. } | Op::ReadUserLevels)
}

impl Site {
    /// A command for the server arrives.
    pub(super) fn ask_desk(&mut self, now: Timestamp, lock: usize, order: &Order, fate: Fate, out: &mut Vec<Consequence>) {
        let site = &self.locks[lock];
        let command_id = order.command_id;
        let refused = |reason| answered(command_id, Answer::Refused(reason));
        let Some(terms) = &site.lock.profile.offline else { return out.push(refused(Reason::NotSupported)) };
        match &order.op {
            Op::ReadUserLevels if terms.by_user_level => {
                let (answer, snapshot_at) = (Answer::UserLevels(self.shown_levels(now, lock)), Some(now));
                out.push(Consequence::Answer { command_id, answer, snapshot_at });
            }
            Op::RegisterOffline { kind, window } => match fate.fails_before {
                Some(status) => out.push(answered(command_id, Answer::ServerError { status, text: "try again".into() })),
                None => self.take_registration(now, lock, (order.key, command_id), (*kind, *window), fate, out),
            },
            _ => out.push(refused(Reason::NotSupported)),
        }
    }

    fn take_registration(
        &mut self,
        now: Timestamp,
        lock: usize,
        (key, command_id): (Key, CommandId),
        (kind, window): (OfflineKind, Window),
        fate: Fate,
        out: &mut Vec<Consequence>,
    ) {
        let site = &mut self.locks[lock];
        if let Some(answer) = site.desk.settled.get(&key) {
            return out.push(answered(command_id, answer.clone()));
        }
        if let Some(pending) = site.desk.pending.iter_mut().find(|pending| pending.key == key) {
            return pending.waiting.push(command_id);
        }
        let is_late = site.lock.quirks.has(Quirk::PinAssignedLate);
        let ready_at = now + if is_late { LATE_ASSIGNMENT_MS } else { fate.apply_ms };
        site.desk.pending.push(Pending { key, kind, window, ready_at, fails_after: fate.fails_after, waiting: alloc::vec![command_id] });
        out.push(Consequence::RunAt { lock, at: ready_at });
    }

    /// Registrations whose time has come are made.
    pub(super) fn finish_registrations(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        while let Some(at) = self.locks[lock].desk.pending.iter().position(|pending| pending.ready_at <= now) {
            let pending = self.locks[lock].desk.pending.remove(at);
            let answer = match self.register(now, lock, &pending) {
                Ok(issued) => {
                    let Issued { handle, pin, grant } = issued;
                    let (kind, window) = (grant.kind, grant.window);
                    out.push(Consequence::Issued { lock, pin, kind, window, by: pending.waiting[0] });
                    Answer::Registered { handle, pin, window }
                }
                Err(reason) => Answer::Refused(reason),
            };
            let shown = match pending.fails_after {
                Some(status) => Answer::ServerError { status, text: "registration failed".into() },
                None => answer.clone(),
            };
            self.locks[lock].desk.settled.insert(pending.key, answer);
            out.extend(pending.waiting.into_iter().map(|command_id| answered(command_id, shown.clone())));
        }
    }

    fn register(&mut self, now: Timestamp, lock: usize, pending: &Pending) -> Result<Issued, Reason> {
        let levels = self.offered_levels(lock);
        let site = &mut self.locks[lock];
        if site.holds(LockCondition::VariantsUsedUp) {
            return Err(Reason::NoVariance);
        }
        let (Some(algorithm), places) = (&mut site.lock.algorithm, site.lock.profile.slots) else { return Err(Reason::NotSupported) };
        site.desk.registry.register(now, algorithm, &levels, (pending.kind, pending.window), places)
    }

    /// The time slots that the server offers now.
    fn offered_levels(&self, lock: usize) -> Arc<[UserLevel]> {
        let site = &self.locks[lock];
        let all = site.lock.algorithm.iter().flat_map(|algorithm| &algorithm.levels);
        all.filter(|_| !site.holds(LockCondition::LevelsMissing)).copied().collect()
    }

    fn shown_levels(&mut self, now: Timestamp, lock: usize) -> Arc<[UserLevel]> {
        self.note_levels(now, lock);
        let site = &self.locks[lock];
        let as_of = if site.holds(LockCondition::LevelsSyncLate) { now - LEVELS_AGE_MS } else { now };
        let (levels, now_offered) = (&site.desk.levels, self.offered_levels(lock));
        let shown = levels.iter().rev().find(|(since, _)| *since <= as_of).or(levels.first());
        shown.map_or(now_offered, |(_, shown)| shown.clone())
    }

    /// Remembers what the server offers from now on, if that has changed.
    pub(super) fn note_levels(&mut self, now: Timestamp, lock: usize) {
        let offered = self.offered_levels(lock);
        let levels = &mut self.locks[lock].desk.levels;
        if levels.last().is_none_or(|(_, last)| *last != offered) {
            levels.push((now, offered));
        }
    }

    /// Somebody enters a PIN that lies in no memory; whether the lock understands it and opens.
    pub(super) fn enters_offline(&mut self, now: Timestamp, lock: usize, pin: Pin, out: &mut Vec<Consequence>) -> bool {
        let site = &mut self.locks[lock];
        let local = now + site.lock.clock_off_ms;
        let Some(is_first) = site.lock.algorithm.as_mut().and_then(|algorithm| algorithm.enters(pin, local)) else { return false };
        if is_first {
            out.push(Consequence::Used { lock, pin });
        }
        let reports = site.lock.quirks.has(Quirk::ReportsOfflineUse);
        let place = site.desk.registry.with_pin(pin).map(|issued| Place::Handle(issued.handle));
        if reports {
            self.tell(now, Some(lock), News::KeypadUsed { place }, None, out);
        }
        true
    }
}
