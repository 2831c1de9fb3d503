//! What survives a crash, as one serialisable value; and beside it, marked as skipped, what is free to lose (`R-60`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::offline::Offline;
use crate::access_code::{Record, Status, Type};
use crate::id::{CodeId, CommandId, DeviceId, Epoch, Handle, Key, Slot, UserId, WorkspaceId};
use crate::offline::UserLevel;
use crate::pin::{Lengths, Pin};
use crate::port::{DeviceInfo, Name, Op, PathPart, Place, Reason};
use crate::problem::{ErrorCode, ErrorEntry, WarningCode, WarningEntry};
use crate::time::{Timestamp, Window};

use super::likeness::Content;

/// All durable state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Durable {
    /// Starts of a process so far, this one included; it keeps the ids of reads apart.
    pub boots: u32,
    /// The number of the last mutating command.
    pub last_command: u64,
    /// That of the last one before the step that saved this: all up to it have left for certain, as the steps that sent them came to their ends (`P-01`).
    #[serde(default)]
    pub last_command_sent: u64,
    /// In the order of the configuration.
    pub accounts: Vec<Account>,
    /// In the order of discovery.
    pub devices: Vec<Device>,
}

/// One connected account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    pub errors: Vec<ErrorEntry>,
    /// Calls refused in a row (`V-17`).
    pub refusals: u32,
    /// The seats of its site, as last read.
    #[serde(default)]
    pub site: Option<Site>,
}

/// The seats of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Site {
    pub seats: u32,
    pub used: u32,
}

/// The site's user behind a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SiteUser {
    pub id: UserId,
    pub has_seat: bool,
}

/// One lock (`R-57`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Device {
    pub id: DeviceId,
    pub account: u32,
    pub info: DeviceInfo,
    pub is_removed: bool,
    /// False once it was given up: its codes are nobody's, and it takes no new ones (T30).
    pub is_managed: bool,
    /// PIN lengths that somebody reported; they count instead of those that the vendor tells.
    pub reported_lengths: Option<Lengths>,
    /// The part of the path that a command found down; cleared by contact.
    pub unreachable: Option<PathPart>,
    /// A lasting refusal that concerns the device and not a code.
    pub refusal: Option<Reason>,
    pub errors: Vec<ErrorEntry>,
    pub warnings: Vec<WarningEntry>,
    pub is_pool_active: bool,
    pub is_backup_available: bool,
    /// Entries that the lock held when it called itself full (`I-DEV-03`).
    pub capacity_met: Option<u32>,
    /// When it last did.
    pub capacity_met_at: Timestamp,
    /// The first slot that the lock said it has not.
    pub first_missing_slot: Option<Slot>,
    /// It refused a PIN for a length that it takes otherwise, beside entries of another length: backups take the length that lies there.
    #[serde(default)]
    pub has_one_length: bool,
    /// Slots that the lock keeps for itself.
    pub closed_slots: BTreeSet<Slot>,
    /// Slots that refused a write as occupied, and when: what is in them may be hidden from every read.
    #[serde(default)]
    pub refusing: BTreeMap<Slot, Timestamp>,
    /// Places that a stranger's entry left, and when a read that showed them empty began: an older one may still show it (`P-06`).
    #[serde(default)]
    pub left: Vec<(Place, Timestamp)>,
    /// The latest reversal by others (`R-62`).
    pub last_reversal: Option<Timestamp>,
    /// Another writer's work was seen since the peace (`R-62`).
    pub saw_other_writer: bool,
    /// The door's time slots for offline codes, as last read.
    pub levels: Option<Vec<UserLevel>>,
    /// Its clock is wrong and can't be set: a warning of the inside, which no API shows (`R-56`).
    #[serde(default)]
    pub is_clock_wrong: bool,
    /// Attempts to set its clock, since that was last right.
    #[serde(default)]
    pub clock_settings: u32,
    /// No attempt to set it before.
    #[serde(default)]
    pub clock_set_not_before: Option<Timestamp>,
    pub codes_made: u64,
    /// The number of the last mutating command that may have been for an earlier incarnation.
    #[serde(default)]
    pub outdated_command: u64,
    /// In order of creation; gone ones too, as long as they are remembered.
    pub codes: Vec<Code>,
}

impl Device {
    pub fn left_at(&self, place: Place) -> Option<Timestamp> {
        self.left.iter().find(|(left, _)| *left == place).map(|(_, at)| *at)
    }

    pub fn epoch(&self) -> Epoch {
        self.info.epoch
    }

    pub fn live(&self) -> impl Iterator<Item = &Code> {
        self.codes.iter().filter(|code| !code.is_gone)
    }

    pub fn has_path_error(&self) -> bool {
        self.errors.iter().any(|entry| is_path_error(entry.error_code))
    }

    /// Whether the lock itself is out of reach, and not merely barred to writes.
    pub fn is_cut_off(&self) -> bool {
        self.errors.iter().any(|entry| is_path_error(entry.error_code) && !bars_only_writes(entry.error_code))
    }
}

/// The errors of a device or account under which nothing is written (`I-DEV-10`).
pub(super) fn is_path_error(code: ErrorCode) -> bool {
    !matches!(code, ErrorCode::EmptyBackupAccessCodePool | ErrorCode::AuxiliaryHeatRunning | ErrorCode::SaltoKsSubscriptionLimitExceeded)
}

/// The errors under which the lock is read as ever (`R-04`).
fn bars_only_writes(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AugustLockNotAuthorized | ErrorCode::SubscriptionRequired | ErrorCode::MissingDeviceCredentials)
}

/// What the lock shall come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// Hold the code from its due time to its end.
    Hold,
    /// Hold nothing; the record stays.
    Rest,
    /// What others made of it with leave stands until the owner says otherwise (T26).
    Yield,
    /// Hold nothing; then the record ends.
    End,
}

/// An entry, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub place: Place,
    pub pin: Option<Pin>,
    pub window: Option<Window>,
    pub name: Option<Name>,
    pub is_enabled: bool,
    /// Others gave it a PIN or a name that was never the code's: should it come back so, it is theirs.
    pub is_edited: bool,
    /// It was taken over (T31), or put over an entry that was there: no command can have made another one of it.
    #[serde(default)]
    pub is_bound: bool,
    /// When it was confirmed to be there.
    pub confirmed_at: Timestamp,
}

impl Held {
    /// Leaves the incarnation that it was known in: whatever a read of the new one shows is newer.
    pub fn outlive(&mut self) {
        self.confirmed_at = Timestamp(0);
    }

    /// Whether it was known in an older incarnation: its place tells nothing any more.
    pub fn is_of_before(&self) -> bool {
        self.confirmed_at == Timestamp(0)
    }
}

/// A mutating command that is not settled (`P-05`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Write {
    pub command: CommandId,
    pub key: Key,
    pub op: Op,
    pub sent_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub closed: Option<Closing>,
    /// A conclusive read showed that it had no effect, before it was closed.
    pub is_without_effect: bool,
    /// A notice called its PIN taken before the write was accepted: perhaps an old copy, unless reads show nothing of the write.
    pub is_twin_hinted: bool,
    /// What it may have met as a twin has left since it was sent, or the record has changed: that it was refused says nothing of the next try (`R-54`).
    #[serde(default)]
    pub is_twin_outdated: bool,
    /// The earlier commands with its key, of which it asks what became: that it was not taken says nothing of them, and that one of them is done says
    /// all (`P-04`).
    #[serde(default)]
    pub asked_before: Vec<CommandId>,
    /// One of them was done.
    #[serde(default)]
    pub done_before: Option<DoneBefore>,
    /// A read or notice showed something in its place since: if nothing is there any more, somebody took it away.
    pub was_seen: bool,
    /// The last read that showed what it stores showed it switched off.
    #[serde(default)]
    pub is_seen_off: bool,
    /// The process died perhaps before it was sent, and nothing has answered it since (`P-01`).
    #[serde(default)]
    pub may_have_stayed: bool,
}

impl Write {
    /// Since when a fresh read runs after it for certain (`P-02`, `P-05` b).
    pub fn runs_before_reads_since(&self) -> Option<Timestamp> {
        self.accepted_at.or(self.closed.map(|closing| closing.at))
    }

    /// The place it aims at; none for a creation that the vendor places.
    pub fn place(&self) -> Option<Place> {
        match &self.op {
            Op::ReplaceEntry { handle, .. } | Op::SetSchedule { handle, .. } | Op::DeleteEntry { handle } => Some(Place::Handle(*handle)),
            Op::SetSlot { slot, .. } | Op::ClearSlot { slot } => Some(Place::Slot(*slot)),
            Op::CreateEntry { .. }
            | Op::CreateUser { .. }
            | Op::DeleteUser { .. }
            | Op::TakeSeat { .. }
            | Op::ReleaseSeat { .. }
            | Op::AssignPin { .. }
            | Op::ReadSite
            | Op::ListEntries { .. }
            | Op::ReadEntry { .. }
            | Op::ReadSlot { .. }
            | Op::ListDevices { .. }
            | Op::GetDevice
            | Op::ReadClock
            | Op::SetClock { .. }
            | Op::RegisterOffline { .. }
            | Op::RevokeOffline { .. }
            | Op::AdoptEntry { .. }
            | Op::ReadUserLevels => None,
        }
    }

    /// Whether it may put something into the lock.
    pub fn is_storing(&self) -> bool {
        self.content().is_some() || matches!(self.op, Op::AssignPin { .. })
    }

    /// What it stores, if it stores and says what: PIN, window and name.
    pub fn content(&self) -> Option<(Pin, Option<Window>, Name)> {
        match &self.op {
            Op::CreateEntry { pin, name, window } | Op::ReplaceEntry { pin, name, window, .. } => Some((*pin, *window, name.clone())),
            Op::SetSlot { pin, name, .. } => Some((*pin, None, name.clone())),
            Op::SetSchedule { .. }
            | Op::DeleteEntry { .. }
            | Op::ClearSlot { .. }
            | Op::CreateUser { .. }
            | Op::DeleteUser { .. }
            | Op::TakeSeat { .. }
            | Op::ReleaseSeat { .. }
            | Op::AssignPin { .. }
            | Op::ReadSite
            | Op::ListEntries { .. }
            | Op::ReadEntry { .. }
            | Op::ReadSlot { .. }
            | Op::ListDevices { .. }
            | Op::GetDevice
            | Op::ReadClock
            | Op::SetClock { .. }
            | Op::RegisterOffline { .. }
            | Op::RevokeOffline { .. }
            | Op::AdoptEntry { .. }
            | Op::ReadUserLevels => None,
        }
    }
}

/// The answer to an earlier command with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DoneBefore {
    pub handle: Option<Handle>,
}

/// How a write was closed without being settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Closing {
    pub at: Timestamp,
    pub doubt: Doubt,
}

/// What is to be concluded if reads show nothing of the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Doubt {
    /// It had no effect, for a reason unknown.
    Lost,
    /// It was done; a removal that was told meanwhile came before it or after.
    Removed,
    /// The vendor said that the PIN is taken.
    PinTaken,
    /// The vendor said that the name is taken.
    NameTaken,
    /// The vendor gave the sign that stands for duplicates and for other failures.
    Unclear,
}

/// A set or remove episode (lifecycle 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Episode {
    /// Its timers count from here.
    pub since: Timestamp,
    pub is_delayed: bool,
    pub is_failed: bool,
}

impl Episode {
    pub fn begin(since: Timestamp) -> Self {
        Self { since, is_delayed: false, is_failed: false }
    }
}

/// A refusal that the clock does not cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Block {
    /// Until record, device or capacity change (`R-20`).
    Refused(Reason),
    /// A length was refused at `since` that the device's description allows. `is_odd`: all that lay in the lock had another one, and stands in the way as
    /// long as that is so. `until`: whatever comes; none: until a description read later still allows the length.
    Length { since: Timestamp, is_odd: bool, until: Option<Timestamp> },
    /// What was sent at `sent_at` was told to be a twin; until something changes, or that instant (`R-54`).
    Twin { sent_at: Timestamp, until: Timestamp },
}

/// Back-off of one code (`R-03`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retry {
    /// Failures in a row since the cause last changed.
    pub failures: u32,
    /// Since when it fails.
    pub since: Option<Timestamp>,
    /// No attempt before.
    pub not_before: Option<Timestamp>,
    /// Writes in a row that were acknowledged and then read back absent (`R-54`).
    pub absences: u32,
}

/// What was asked of an unmanaged code and is not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Errand {
    /// To manage it (T31, T32).
    Convert { asked_at: Timestamp, is_external_modification_allowed: bool, force: bool },
    /// To erase it (T34).
    Delete,
}

/// A released code of which nothing is known to be on the lock: what may still come there, and until when (T30).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Awaited {
    pub content: Option<Content>,
    pub until: Timestamp,
}

/// Which events this content of the code has had already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub scheduled: bool,
    pub set: bool,
}

/// One code: what was asked (`record`), what was last sent (`write`), what was last confirmed (`held`). What the last reads show is the
/// device's [`super::listing::Memory`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub record: Record,
    /// Its number on the device, from 1.
    pub n: u64,
    /// The record ended; the rest is a tombstone (`F-06`).
    pub is_gone: bool,
    pub goal: Goal,
    pub prefers_native: bool,
    pub is_native: bool,
    /// What makes it an offline code; none: it goes to the lock.
    pub offline: Option<Offline>,
    /// Counts intents that change what is stored.
    pub version: u32,
    /// Counts settled commands; part of the key (`P-04`).
    pub phase: u64,
    /// The name as the lock shows it. Like what is pending, it is no part of the record that the API shows (`R-08`).
    pub display: Name,
    /// The window as it was sent, where the vendor's margin moved it (`F-22`).
    pub moved_window: Option<Window>,
    /// A bound of what was sent lies behind a clock change, and the lock keeps its offset (`R-58`).
    #[serde(default)]
    pub is_across_change: bool,
    pub held: Option<Held>,
    /// Its user, where access is sold by the seat.
    #[serde(default)]
    pub user: Option<SiteUser>,
    /// Further entries of its own: twins the world made, old states that came back.
    pub surplus: Vec<Held>,
    /// What its entries held before.
    pub past: Vec<Held>,
    pub write: Option<Write>,
    /// A command that reads settled before anything answered it; nothing else is sent until something does (`I-DEV-09`).
    pub unanswered: Option<CommandId>,
    /// The last write, settled without having been applied as far as anybody could tell; what comes late may still tell of it.
    pub late: Option<Write>,
    /// It is or may have been on the lock since the last `removed_from_device` (EV-02).
    pub has_trace: bool,
    /// PINs of which one is in `held`, where an overtaken write leaves open which (`R-46`).
    #[serde(default)]
    pub in_doubt: Vec<Pin>,
    pub told: Told,
    pub episode: Option<Episode>,
    /// Its status before it became `unknown`.
    pub before_outage: Option<Status>,
    pub block: Option<Block>,
    pub retry: Retry,
    pub draws: u64,
    pub events: u64,
    pub is_pulled: bool,
    pub reversals: Vec<Timestamp>,
    pub is_in_fight: bool,
    /// Of an unmanaged code only.
    pub errand: Option<Errand>,
    /// Of an unmanaged code only.
    pub awaited: Option<Awaited>,
    /// When a notice told that its entry was removed, if nothing has told more of that since. What was tried because of it is durable, and so is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_removed_at: Option<Timestamp>,
    #[serde(skip)]
    pub passing: Passing,
}

/// What a code may forget in a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct Passing {
    /// The registered wake.
    pub wake: Option<Timestamp>,
    /// The direct read under way.
    pub read: Option<CommandId>,
    /// A direct fresh read is wanted, not before this.
    pub verify_at: Option<Timestamp>,
    pub read_failures: u32,
    /// Begin of the first complete fresh listing without it (`P-12`).
    pub absent_since: Option<Timestamp>,
    /// A slot that a fresh read showed free, and when that read began.
    pub scouted: Option<(Slot, Timestamp)>,
    /// Reads for it failed; not before this the next one.
    pub read_not_before: Option<Timestamp>,
    /// When a notice told of a change of this entry of somebody else's, if no read was made since.
    pub told_changed_at: Option<Timestamp>,
    /// How long the last write was on its way whose start had gone by when it arrived (`F-22`).
    pub way_ms: i64,
    /// After a restart an unclosed write counts as timed out here (`P-01`).
    pub restart_deadline: Option<Timestamp>,
    /// Of an unmanaged code only: whether its entry was claimed at the vendor, where that has to be.
    pub claim: Claim,
}

/// How far the platform has come with claiming an entry at the vendor (T31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Claim {
    #[default]
    None,
    Wanted,
    Made,
}

impl Code {
    /// Whether something of it is or may be in the lock's memory.
    pub fn may_be_on_lock(&self) -> bool {
        self.held.is_some() || !self.surplus.is_empty() || self.write.as_ref().is_some_and(Write::is_storing)
    }

    pub fn window(&self) -> Option<Window> {
        self.record.window()
    }

    /// The schedule that goes to the lock; a pulled backup keeps none (`fit`).
    pub fn stored_window(&self) -> Option<Window> {
        let window = self.window().filter(|_| self.is_native && !self.record.is_backup);
        self.moved_window.filter(|_| window.is_some()).or(window)
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.record.ends_at.is_some_and(|ends_at| ends_at <= now)
    }

    /// By when the code's entry has left, as a notice told.
    pub fn told_left_at(&self) -> Option<Timestamp> {
        self.passing.told_changed_at.or(self.told_removed_at)
    }

    /// Whether the door shall open for it now, as far as its status tells (lifecycle 4.2: T02, T03).
    pub fn is_before_native_start(&self, now: Timestamp) -> bool {
        self.is_native && self.record.starts_at.is_some_and(|starts_at| now < starts_at)
    }

    /// Another content is a cause of its own, whatever failed and whatever others did before (`R-03`, `R-62`).
    pub fn begin_anew(&mut self) {
        self.retry = Retry::default();
        self.reversals.clear();
        self.is_in_fight = false;
    }

    /// Whether what a write stores can lie nowhere else: it goes over an entry that is there, and no command made the like before.
    pub fn is_bound_by(&self, write: &Write) -> bool {
        let Some((pin, _, name)) = write.content() else { return false };
        let is_like_it = |known: &Held| !known.is_bound && known.pin == Some(pin) && known.name.as_ref() == Some(&name);
        matches!(write.op, Op::ReplaceEntry { .. }) && !self.past.iter().chain(self.entries()).any(is_like_it)
    }

    /// All entries that are or may be in memory under this code.
    pub fn entries(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().chain(&self.surplus)
    }

    /// PINs that are known to be in memory under this code.
    pub fn known_pins(&self) -> impl Iterator<Item = Pin> + '_ {
        self.entries().filter_map(|held| held.pin)
    }

    /// PINs that are or may be in memory under this code.
    pub fn resident_pins(&self) -> impl Iterator<Item = Pin> + '_ {
        let in_doubt = self.in_doubt.iter().copied().filter(|_| self.held.is_some());
        self.known_pins().chain(in_doubt).chain(self.write.iter().filter_map(Write::content).map(|(pin, _, _)| pin))
    }

    pub fn set_window(&mut self, window: Option<Window>) {
        self.record.starts_at = window.map(|window| window.starts_at);
        self.record.ends_at = window.map(|window| window.ends_at);
        self.record.kind = if window.is_some() { Type::TimeBound } else { Type::Ongoing };
    }

    pub fn raise_error(&mut self, code: ErrorCode, now: Timestamp) {
        raise(&mut self.record.errors, code, now);
    }

    pub fn raise_warning(&mut self, code: WarningCode, now: Timestamp) {
        if !self.record.warnings.iter().any(|entry| entry.warning_code == code) {
            self.record.warnings.push(WarningEntry { warning_code: code, created_at: now });
        }
    }

    pub fn clear_error(&mut self, code: ErrorCode) {
        self.record.errors.retain(|entry| entry.error_code != code);
    }

    pub fn clear_warning(&mut self, code: WarningCode) {
        self.record.warnings.retain(|entry| entry.warning_code != code);
    }

    pub fn has_error(&self, code: ErrorCode) -> bool {
        self.record.errors.iter().any(|entry| entry.error_code == code)
    }

    /// Drops what tells of trouble with setting (`I-ERR-07`); what others did to the code stays.
    pub fn clear_set_problems(&mut self, keeps_delay: bool) {
        self.record.errors.retain(|entry| {
            matches!(
                entry.error_code,
                ErrorCode::FailedToRemoveFromDevice
                    | ErrorCode::KwiksetUnableToConfirmDeletion
                    | ErrorCode::CodeModifiedExternalToSeam
                    | ErrorCode::AugustLockMissingKeypad
            )
        });
        self.record.warnings.retain(|entry| match entry.warning_code {
            WarningCode::DelayInSettingOnDevice => keeps_delay,
            WarningCode::CodeModifiedExternalToSeam
            | WarningCode::DelayInRemovingFromDevice
            | WarningCode::ThirdPartyIntegrationDetected
            | WarningCode::IglooAlgopinMustBeUsedWithin24Hours
            | WarningCode::ManagementTransferred => true,
            WarningCode::SmartthingsFailedToSetAccessCode
            | WarningCode::SchlageDetectedDuplicate
            | WarningCode::SchlageCreationOutage
            | WarningCode::AugustDeviceProgrammingDelay
            | WarningCode::AugustLockTemporarilyOffline
            | WarningCode::KwiksetUnableToConfirmCode => false,
        });
    }

    pub fn clear_removal_problems(&mut self) {
        self.clear_error(ErrorCode::FailedToRemoveFromDevice);
        self.clear_error(ErrorCode::KwiksetUnableToConfirmDeletion);
        self.clear_error(ErrorCode::AugustLockTemporarilyOffline);
        self.clear_warning(WarningCode::DelayInRemovingFromDevice);
        self.clear_warning(WarningCode::AugustLockTemporarilyOffline);
    }
}

/// Adds an error unless it is there (`R-09`).
pub(super) fn raise(errors: &mut Vec<ErrorEntry>, code: ErrorCode, now: Timestamp) {
    if !errors.iter().any(|entry| entry.error_code == code) {
        errors.push(ErrorEntry { error_code: code, created_at: now });
    }
}

/// A record without anything in it; unmanaged, as found.
pub(super) fn blank_record(id: CodeId, workspace_id: WorkspaceId, device_id: DeviceId, created_at: Timestamp) -> Record {
    Record { is_managed: false, status: Status::Set, ..Record::new(id, workspace_id, device_id, created_at) }
}

/// A code that has done nothing yet.
pub(super) fn new_code(n: u64, record: Record, display: Name) -> Code {
    Code {
        record,
        n,
        is_gone: false,
        goal: Goal::Hold,
        prefers_native: true,
        is_native: false,
        offline: None,
        version: 0,
        phase: 0,
        display,
        moved_window: None,
        is_across_change: false,
        held: None,
        user: None,
        surplus: Vec::new(),
        past: Vec::new(),
        write: None,
        unanswered: None,
        late: None,
        has_trace: false,
        in_doubt: Vec::new(),
        told: Told::default(),
        episode: None,
        before_outage: None,
        block: None,
        retry: Retry::default(),
        draws: 0,
        events: 0,
        is_pulled: false,
        reversals: Vec::new(),
        is_in_fight: false,
        errand: None,
        awaited: None,
        told_removed_at: None,
        passing: Passing::default(),
    }
}
