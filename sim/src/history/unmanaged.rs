//! Codes that nobody manages: what was asked of them, and whose an entry is once its code is converted (`P-09`).

use keyway_core::access_code::Record;
use keyway_core::id::CodeId;
use keyway_core::port::Place;
use keyway_core::request::Request;
use keyway_core::request::device::DeviceRequest;
use keyway_core::request::unmanaged::UnmanagedRequest;
use keyway_core::time::Timestamp;

use super::{CodeIx, Goal, History, Intent, Whose};
use crate::occurrence::{Cause, Lock, Origin};

impl History {
    /// A call about unmanaged codes was answered ok.
    pub(super) fn accept_unmanaged(&mut self, request: &UnmanagedRequest) {
        if let Some(code) = request.deletes().and_then(|id| self.find_code(id)) {
            let state = &mut self.codes[code.0 as usize];
            state.acked.is_erasure_asked = true;
            state.version += 1;
        }
    }

    /// A call about a device was answered ok.
    pub(super) fn accept_device(&mut self, request: &DeviceRequest) {
        let Some(lock) = self.find_lock(request.device()) else { return };
        if let Some(lengths) = request.reported() {
            self.locks[lock.0 as usize].reported = Some(lengths);
            self.touch_codes_of(lock);
        }
        if request.gives_up() {
            for code in self.lock(lock).codes.clone() {
                let is_given_up = self.is_given_up(code);
                self.codes[code.0 as usize].is_residual |= is_given_up;
            }
        }
    }

    /// Whether a code becomes nobody's with its device: all do but what is being removed, and backups that nobody has pulled (T30).
    fn is_given_up(&self, code: CodeIx) -> bool {
        let state = self.code(code);
        let is_leaving = matches!(self.goal(code), Some(Intent { goal: Goal::Absent, .. }));
        let is_pooled = |record: &Record| record.is_backup && state.pulled_at.is_none();
        state.record.as_deref().is_some_and(|record| record.is_managed && !is_pooled(record)) && !is_leaving
    }

    /// A crash may have fallen between the save and the answer of a deletion: then it is in force.
    pub(super) fn grant_unanswered_erasure(&mut self) {
        if let Some(Request::Unmanaged(request)) = self.unanswered().cloned() {
            self.accept_unmanaged(&request);
        }
    }

    /// A conversion: from now on the entry is this code's, whoever stored it.
    pub(super) fn claim(&mut self, now: Timestamp, lock: Lock, place: Place, id: CodeId) {
        let code = self.intern(id);
        self.adopt(code, lock);
        let epoch = self.lock(lock).epoch;
        let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place) else { return };
        let before = stored.clone();
        (stored.code, stored.touched, stored.granted_at) = (Some(code), None, None);
        stored.entry.origin = Origin::Code(id);
        if stored.cause == Cause::World {
            // Nobody has to clear away or mend what was taken over as it is.
            stored.cause = Cause::Beginning;
        }
        let (pin, name) = (stored.entry.pin, stored.entry.name.clone());
        self.unlink(place, Some(&before));
        self.tell_anew(lock, place, Some(pin), Whose::Code(code));
        let state = &mut self.codes[code.0 as usize];
        state.places.push(place);
        state.lost.clear();
        state.bound.insert((epoch, place, pin, name.clone()));
        state.names.push((epoch, name));
        state.is_residual = false;
        state.acked.is_erasure_asked = false;
        state.work.confirmed_at = Some(now);
        self.unsaved_proofs.push(code);
        self.touch_code(code);
        self.touch_lock(lock);
    }
}
