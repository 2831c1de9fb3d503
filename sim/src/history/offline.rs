//! Offline codes as the judge sees them: what was asked, and which PINs a lock takes because its vendor's server computed them. The judge keeps the
//! server's book and the uses at the keypad; how the lock reads a PIN it does not know.

use keyway_core::id::CodeId;
use keyway_core::offline::OfflineKind;
use keyway_core::pin::Pin;
use keyway_core::request::{Create, MaxTimeRounding};
use keyway_core::time::{DAY_MS, HOUR_MS, Timestamp, Window};

use super::{CodeIx, History};
use crate::occurrence::{Change, Lock};

/// What a call asked of an offline code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedOffline {
    /// Its start.
    pub starts_at: Timestamp,
    /// Its end, if the call gave one.
    pub ends_at: Option<Timestamp>,
    /// How far each bound may be moved.
    pub rounding_ms: i64,
}

impl AskedOffline {
    /// What a call asks, if it is about an offline code.
    #[must_use]
    pub fn of(create: &Create) -> Option<Self> {
        let rounding_ms = match create.max_time_rounding {
            None | Some(MaxTimeRounding::Hour) => HOUR_MS,
            Some(MaxTimeRounding::Day) => DAY_MS,
        };
        let starts_at = create.starts_at.filter(|_| create.is_offline_access_code == Some(true))?;
        Some(Self { starts_at, ends_at: create.ends_at, rounding_ms })
    }
}

/// A PIN that a lock takes because the vendor's server computed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The PIN.
    pub pin: Pin,
    /// The kind of code.
    pub kind: OfflineKind,
    /// When it opens.
    pub window: Window,
    /// When it must have been used for the first time, if that matters.
    pub first_use_until: Option<Timestamp>,
    /// For whom.
    pub code: Option<CodeIx>,
    /// Whether it was used.
    pub is_used: bool,
    /// Whether the lock was set back since and knows it no more.
    pub is_void: bool,
}

impl Computed {
    /// Whether the lock takes it, at the lock's own time.
    #[must_use]
    pub fn opens(&self, local: Timestamp) -> bool {
        !self.is_spent(local) && self.window.contains(local)
    }

    /// Whether the lock takes it no more, though its window goes on: burnt, not used in time, or void.
    #[must_use]
    pub fn is_spent(&self, local: Timestamp) -> bool {
        let is_burnt = self.kind == OfflineKind::OneTime && self.is_used;
        is_burnt || self.is_late(local) || self.is_void
    }

    /// Whether it should have been used before and was not.
    #[must_use]
    pub fn is_late(&self, local: Timestamp) -> bool {
        !self.is_used && self.first_use_until.is_some_and(|until| local >= until)
    }
}

impl History {
    /// The PINs that the vendor's server computed for a code.
    pub fn computed(&self, code: CodeIx) -> impl Iterator<Item = &Computed> {
        let lock = self.code(code).lock;
        let all = lock.into_iter().flat_map(|lock| &self.lock(lock).computed);
        all.filter(move |computed| computed.code == Some(code))
    }

    /// The computed PIN that is this one, the latest if a reset lock got it again.
    #[must_use]
    pub fn computed_pin(&self, lock: Lock, pin: Pin) -> Option<&Computed> {
        self.lock(lock).computed.iter().rfind(|computed| computed.pin == pin)
    }

    /// The computed PIN that a code's record shows.
    #[must_use]
    pub fn computed_as_shown(&self, code: CodeIx) -> Option<&Computed> {
        let pin = self.code(code).record.as_deref().filter(|record| record.is_offline_access_code)?.code?;
        self.computed(code).find(|computed| computed.pin == pin)
    }

    /// The lock's own time at an instant.
    #[must_use]
    pub fn local_time(&self, lock: Lock, at: Timestamp) -> Timestamp {
        at + self.lock(lock).clock_off_ms
    }

    /// Whether a code is an offline one.
    #[must_use]
    pub fn is_offline(&self, code: CodeIx) -> bool {
        let state = self.code(code);
        state.offline.is_some() || state.record.as_ref().is_some_and(|record| record.is_offline_access_code)
    }

    /// What changed for offline codes; whether the change was one of that kind.
    pub(super) fn change_offline(&mut self, lock: Lock, change: &Change) {
        match change {
            Change::Computed { pin, kind, window, code } => {
                let terms = self.lock(lock).facts.profile.offline.as_ref();
                let first_use_until = terms.and_then(|terms| terms.first_use_until(*window));
                let code = code.map(|code: CodeId| self.intern(code));
                let computed = Computed { pin: *pin, kind: *kind, window: *window, first_use_until, code, is_used: false, is_void: false };
                self.locks[lock.0 as usize].computed.push(computed);
            }
            Change::Used { pin } => {
                let all = self.locks[lock.0 as usize].computed.iter_mut();
                all.filter(|computed| computed.pin == *pin).for_each(|computed| computed.is_used = true);
            }
            Change::SetBack => self.locks[lock.0 as usize].computed.iter_mut().for_each(|computed| computed.is_void = true),
            _ => {}
        }
    }

    /// The instants at which the lock's word on a computed PIN of the code changes by itself.
    pub(super) fn offline_edges(&self, code: CodeIx, lock: Lock, at: &mut impl FnMut(Timestamp)) {
        let off_ms = self.lock(lock).clock_off_ms;
        if let Some((asked, ends_at)) = self.code(code).offline.and_then(|asked| Some((asked, asked.ends_at?))) {
            at(ends_at + asked.rounding_ms + off_ms.abs() + 1);
        }
        for computed in self.computed(code) {
            let Window { starts_at, ends_at } = computed.window;
            let edges = [Some(starts_at), Some(ends_at), Some(ends_at + 1), computed.first_use_until];
            edges.into_iter().flatten().for_each(|edge| at(edge - off_ms));
        }
    }
}
