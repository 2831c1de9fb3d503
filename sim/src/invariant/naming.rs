//! Whether what hinders a code is called by its name, where the controller was told of it (`I-ERR-13`): what a description says of a lock and the way to it, why a
//! write was refused, and that the lock is full (vendors.md 21, written down a second time).

use std::collections::BTreeMap;

use keyway_core::access_code::{Record, Status};
use keyway_core::port::Reason;
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;
use keyway_core::vendor::Vendor;

use super::alarms::{Alarms, touched};
use super::memory::broken_at;
use super::progress::episode;
use super::{Found, Interests, Invariant};
use crate::history::{Closing, CodeIx, Hindrance, History};
use crate::occurrence::{Lock, Occurrence};

/// What hinders work on a code for longer than failing and detecting take is called by its name: by the device, or by the code.
#[derive(Default)]
pub(super) struct Names {
    broken_since: BTreeMap<Lock, Timestamp>,
    /// When what a lock's descriptions say was last seen to be named: an answer may name something worse before the next description does (`R-52`).
    named_at: BTreeMap<(Lock, Hindrance), Timestamp>,
    alarms: Alarms,
}

impl Names {
    fn judge(&mut self, history: &History, lock: Lock, now: Timestamp, found: &mut Found) {
        let Some(started_at) = history.started_at().filter(|_| history.is_up() && history.lock(lock).is_present) else { return };
        for (hindrance, told_at) in &history.lock(lock).hindrances {
            self.judge_way(history, lock, *hindrance, started_at.max(*told_at), now, found);
        }
        for code in &history.lock(lock).codes {
            self.judge_keypad(history, *code, lock, started_at, now, found);
            self.judge_failure(history, *code, lock, started_at, now, found);
        }
    }

    /// A way that is broken, and that the descriptions of the lock call broken in just this manner.
    fn judge_way(&mut self, history: &History, lock: Lock, hindrance: Hindrance, since: Timestamp, now: Timestamp, found: &mut Found) {
        let state = history.lock(lock);
        let failed_at = state.codes.iter().filter_map(|code| episode(history, *code)).map(|(since, after_ms)| since + after_ms).min();
        let (Some(failed_at), Some(broken_since)) = (failed_at, self.broken_since.get(&lock)) else { return };
        if hindrance == Hindrance::NoKeypad {
            return;
        }
        found.armed("I-ERR-13");
        let since = since.max(failed_at).max(*broken_since);
        let is_named = History::device_shows(state.device.as_deref(), |error| names(hindrance, error));
        if is_named {
            self.named_at.insert((lock, hindrance), now);
            return;
        }
        let since = self.named_at.get(&(lock, hindrance)).map_or(since, |named_at| since.max(*named_at));
        if self.alarms.is_over(lock, since + history.b_detect(lock, since), now) {
            broken_at("I-ERR-13", history, lock, &format!("its descriptions say {hindrance:?}, and since {since} no error does"), found);
        }
    }

    /// The keypad is gone: from due on the code says so, and a `set` one too (`R-64` b).
    fn judge_keypad(&mut self, history: &History, code: CodeIx, lock: Lock, started_at: Timestamp, now: Timestamp, found: &mut Found) {
        let Some(told_at) = history.lock(lock).hindrances.get(&Hindrance::NoKeypad) else { return };
        let (Some(intent), Some(record)) = (history.goal(code), history.code(code).record.as_deref()) else { return };
        if !record.is_managed || !matches!(record.status, Status::Setting | Status::Set) || intent.due_at > now {
            return;
        }
        found.armed("I-ERR-13");
        let since = intent.due_at.max(*told_at).max(started_at);
        let is_named = record.errors.iter().any(|entry| entry.error_code == ErrorCode::AugustLockMissingKeypad);
        if !is_named && self.alarms.is_over(lock, since + history.b_detect(lock, since), now) {
            found.broken_by("I-ERR-13", history, code, format!("does not say that the keypad is gone, since {since}"));
        }
    }

    /// A code that failed to be set, for a reason that its vendor has a name for: its last write was refused for it, or its lock is known to be full.
    fn judge_failure(&mut self, history: &History, code: CodeIx, lock: Lock, started_at: Timestamp, now: Timestamp, found: &mut Found) {
        let state = history.code(code);
        let Some(record) = state.record.as_deref().filter(|record| record.is_managed && record.status == Status::Setting) else { return };
        let (vendor, has) = (history.lock(lock).facts.profile.vendor, |name| record.errors.iter().any(|entry| entry.error_code == name));
        if !has(ErrorCode::FailedToSetOnDevice) {
            return;
        }
        let is_twin = has(ErrorCode::DuplicateCodeOnDevice) || has(ErrorCode::DuplicateCodeAttemptPrevented);
        let refused_for = state.work.last.as_ref().filter(|last| last.version == state.version).map(|last| last.closing);
        if let Some(Closing::Refused(reason)) = refused_for
            && let Some(name) = name_of(vendor, reason)
            && !is_twin
            // The descriptions tell whether there is a keypad since.
            && (reason != Reason::NoKeypad || history.lock(lock).hindrances.contains_key(&Hindrance::NoKeypad))
        {
            found.armed("I-ERR-13");
            // Another look may have to tell first whether it is still so.
            let since = state.work.active_at.max(started_at);
            if !has(name) && self.alarms.is_over(lock, since + history.b_detect(lock, since), now) {
                found.broken_by("I-ERR-13", history, code, format!("was refused for {reason:?}, and does not carry {name}"));
            }
        }
        let (occupied, capacity) = history.known_room(lock);
        let (Some(name), Some(quiet)) = (name_of(vendor, Reason::Full), history.quiet_since(lock)) else { return };
        if occupied < capacity || history.has_room(code) || history.is_refused(code) {
            return;
        }
        found.armed("I-ERR-13");
        let since = quiet.max(started_at).max(state.status_since).max(history.lock(lock).change_shown_at);
        if !has(name) && self.alarms.is_over(lock, since + history.b_set(code, since) + history.b_detect(lock, since), now) {
            found.broken_by("I-ERR-13", history, code, format!("finds its lock full since {since}, and does not carry {name}"));
        }
    }
}

/// `SmartThings` counts failures: five in a row have a name of their own, fewer have not (`V-11`). How soon after the fifth is open, as what counts anew is.
pub(super) fn failures_are_counted(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    let Some(record) = state.record.as_deref().filter(|record| record.is_managed && history.is_up()) else { return };
    let is_counted = history.profile(code).is_some_and(|profile| profile.vendor == Vendor::SmartThings);
    if !is_counted || record.status != Status::Setting || history.is_catching_up() {
        return;
    }
    let shows = |record: &Record, name| record.errors.iter().any(|entry| entry.error_code == name);
    let (many, enough) = (ErrorCode::SmartthingsFailedToSetAfterMultipleRetries, history.policy().multiple_retries);
    let was_shown = history.previous(code).is_some_and(|before| shows(before, many));
    if shows(record, many) && !was_shown {
        found.armed("I-ERR-09");
        if state.work.tries < enough {
            let what = format!("shows {many} after {} commands, and {enough} have to fail", state.work.tries);
            found.broken_by("I-ERR-09", history, code, what);
        }
    }
}

/// Whether an error of a device or its account stands for what a description tells. An account that cannot be asked, and a lock that left it, hide the rest.
const fn names(hindrance: Hindrance, error: ErrorCode) -> bool {
    use ErrorCode as E;
    match error {
        E::AccountDisconnected | E::InvalidCredentials | E::BridgeDisconnected | E::DeviceRemoved => true,
        E::HubDisconnected | E::AugustLockMissingBridge | E::TtlockLockNotPairedToGateway => matches!(hindrance, Hindrance::Hub),
        E::DeviceOffline | E::DeviceDisconnected => matches!(hindrance, Hindrance::Offline),
        E::AugustLockNotAuthorized => matches!(hindrance, Hindrance::NoRights),
        E::SubscriptionRequired => matches!(hindrance, Hindrance::NotPaid),
        _ => false,
    }
}

/// What a vendor's code carries after such a refusal; none where the failure itself is the word (`V-16`, `V-19`), or where it may be its own entry that is in the way
/// (`R-54`).
const fn name_of(vendor: Vendor, reason: Reason) -> Option<ErrorCode> {
    use ErrorCode as E;
    match (vendor, reason) {
        (Vendor::August | Vendor::Yale, Reason::Full) => Some(E::AugustDeviceSlotsFull),
        (Vendor::August | Vendor::Yale, Reason::BadLength) => Some(E::AugustLockInvalidCodeLength),
        (Vendor::August | Vendor::Yale, Reason::NoKeypad) => Some(E::AugustLockMissingKeypad),
        (Vendor::SmartThings, Reason::Full) => Some(E::SmartthingsNoFreeSlotsAvailable),
        (Vendor::Hubitat, Reason::Full) => Some(E::HubitatNoFreePositionsAvailable),
        (Vendor::Wyze, Reason::NameTaken) => Some(E::WyzeDuplicateCodeName),
        (Vendor::SaltoKs, Reason::NoSeat) => Some(E::SaltoKsUserNotSubscribed),
        (Vendor::IgloohomeOffline, Reason::NoVariance) => Some(E::IgloohomeOfflineAccessCodeNoVarianceAvailable),
        (Vendor::Oracode, Reason::NoUserLevel) => Some(E::DormakabaOracodeNoValidUserLevel),
        _ => None,
    }
}

impl Invariant for Names {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ERR-13"]
    }

    fn interests(&self) -> Interests {
        Interests::DEADLINE.and(Interests::REACH)
    }

    fn observe(&mut self, _: &History, now: Timestamp, occurrence: &Occurrence, _: &mut Found) {
        match occurrence {
            Occurrence::Reach { lock, up: false } => drop(self.broken_since.insert(*lock, now)),
            Occurrence::Reach { lock, up: true } => drop(self.broken_since.remove(lock)),
            _ => {}
        }
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in touched(history) {
            self.judge(history, lock, now, found);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.alarms.next()
    }

    fn at_deadline(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in self.alarms.ring(now) {
            self.judge(history, lock, now, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::access_code::Record;
    use keyway_core::id::{Epoch, VendorDevice};
    use keyway_core::port::{Answer, DeviceInfo, Op};
    use keyway_core::problem::ErrorEntry;
    use keyway_core::time::{DAY_MS, HOUR_MS};
    use keyway_core::vendor::{Model, Profile};

    use super::*;
    use crate::judge::testing::{CLOUD, Story};

    /// A lock of this vendor in place of the first one.
    fn story_at(vendor: Vendor) -> Story {
        Story::with(vec![Box::<Names>::default()], |facts| {
            facts.locks[0].profile = Profile { vendor, ..facts.locks[0].profile.as_ref().clone() }.into();
        })
    }

    /// The lock is described, save for what `adapt` changes, as one that lacks nothing.
    fn describe(story: &mut Story, adapt: impl FnOnce(&mut DeviceInfo)) {
        let profile = story.history().lock(CLOUD).facts.profile.clone();
        let mut info = DeviceInfo {
            device: VendorDevice(0),
            serial: None,
            epoch: Epoch(1),
            model: Model(0),
            online: Some(true),
            hub: None,
            keypad: true,
            lengths: profile.lengths,
            constraints: Vec::new().into(),
            positions: profile.slots,
            zone: None,
            has_rights: true,
            is_paid: true,
        };
        adapt(&mut info);
        let command = story.command(CLOUD, None, Op::GetDevice);
        story.answer(command, Answer::Device(info));
    }

    fn fails(story: &mut Story, name: ErrorCode) -> impl FnOnce(&mut Record) + use<> {
        let created_at = story.now();
        move |record| record.errors.extend([ErrorCode::FailedToSetOnDevice, name].map(|error_code| ErrorEntry { error_code, created_at }))
    }

    fn goes_offline(story: &mut Story) {
        story.code(CLOUD, "1234", None, Status::Setting);
        story.occur(Occurrence::Reach { lock: CLOUD, up: false });
        describe(story, |info| info.online = Some(false));
    }

    #[test]
    fn an_offline_lock_is_called_so() {
        let mut story = story_at(Vendor::GenericCloud);
        goes_offline(&mut story);
        story.wait(30 * 60_000);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-ERR-13");
    }

    #[test]
    fn a_name_of_something_else_will_not_do() {
        for (error_code, does) in [(ErrorCode::DeviceDisconnected, true), (ErrorCode::HubDisconnected, false)] {
            let mut story = story_at(Vendor::GenericCloud);
            goes_offline(&mut story);
            let created_at = story.now();
            story.device_shows(CLOUD, |device| device.errors.push(ErrorEntry { error_code, created_at }));
            story.wait(DAY_MS);
            if does { story.must_hold() } else { story.must_break("I-ERR-13") }
        }
    }

    #[test]
    fn what_the_descriptions_no_longer_tell_needs_no_name() {
        let mut story = story_at(Vendor::GenericCloud);
        goes_offline(&mut story);
        describe(&mut story, |_| {});
        story.wait(DAY_MS);
        story.must_hold();
    }

    #[test]
    fn a_missing_keypad_shows_on_a_code_that_is_set() {
        let mut story = story_at(Vendor::August);
        story.confirmed(CLOUD, "1234", None);
        describe(&mut story, |info| info.keypad = false);
        story.must_hold();
        story.wait(3 * HOUR_MS);
        story.must_break("I-ERR-13");
    }

    #[test]
    fn a_refusal_is_called_by_its_name() {
        for (name, does) in [(ErrorCode::AugustDeviceSlotsFull, true), (ErrorCode::AugustLockInvalidCodeLength, false)] {
            let mut story = story_at(Vendor::August);
            let id = story.code(CLOUD, "1234", None, Status::Setting);
            let op = story.write_op(story.record(id));
            let command = story.command(CLOUD, Some(id), op);
            story.answer(command, Answer::Refused(Reason::Full));
            let change = fails(&mut story, name);
            story.change(id, change);
            story.wait(HOUR_MS);
            if does { story.must_hold() } else { story.must_break("I-ERR-13") }
        }
    }

    #[test]
    fn a_lock_that_is_known_to_be_full_is_called_so() {
        let mut story = Story::with(vec![Box::<Names>::default()], |facts| {
            facts.locks[0].profile = Profile { vendor: Vendor::Yale, slots: 1, ..facts.locks[0].profile.as_ref().clone() }.into();
            facts.locks[0].usable_slots = 1;
        });
        story.confirmed(CLOUD, "1234", None);
        let id = story.code(CLOUD, "4321", None, Status::Setting);
        let change = fails(&mut story, ErrorCode::AugustDeviceProgrammingDelay);
        story.change(id, change);
        story.wait(HOUR_MS);
        story.wait(DAY_MS);
        story.must_break("I-ERR-13");
    }
}
