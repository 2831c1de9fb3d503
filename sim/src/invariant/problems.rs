//! The errors and warnings of codes and devices: names, owners, shape, and when they may stand (I-ERR).

use keyway_core::access_code::{DeviceRecord, Record, Status};
use keyway_core::config::PolicyConstants;
use keyway_core::id::CodeId;
use keyway_core::problem::{ErrorCode, ProblemFamily, WarningCode};
use keyway_core::time::Timestamp;
use keyway_core::vendor::Vendor;

use super::story::{Check, CodeChange, Held, Locks, States, Steps, View};
use super::{Found, Row};
use crate::occurrence::Lock;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::of("I-ERR-01"),
    Row::of("I-ERR-02"),
    Row::of("I-ERR-03"),
    Row::of("I-ERR-04"),
    Row::of("I-ERR-05"),
    Row::of("I-ERR-06"),
    Row::of("I-ERR-07"),
    Row::of("I-ERR-08"),
    Row::of("I-ERR-10"),
    Row::of("I-ERR-11"),
    Row::of("I-ERR-14"),
];

/// The checks of this family.
#[must_use]
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        States::of_both("I-ERR-01", names_of_code, names_of_device),
        States::of_both("I-ERR-02", owners_of_code, owners_of_device),
        States::of_both("I-ERR-03", heat_on_code, heat_on_device),
        States::of_both("I-ERR-04", doubles_on_code, doubles_on_device),
        States::of_both("I-ERR-05", copies_on_code, families_on_device),
        States::of_codes("I-ERR-06", external_form),
        States::of_codes("I-ERR-07", set_problems),
        States::of_codes("I-ERR-08", removal_problems),
        Box::new(Steps { id: "I-ERR-10", judge: thresholds }),
        Box::new(Dates { states: States { id: "I-ERR-11", of_code: dates_of_code, of_device: dates_of_device } }),
        Box::new(Locks { id: "I-ERR-14", judge: empty_pool }),
    ]
}

/// The seed's error names, written down a second time so that a slip in the vocabulary is a finding.
const SEED_ERRORS: [&str; 39] = [
    "smartthings_failed_to_set_access_code",
    "smartthings_failed_to_set_after_multiple_retries",
    "smartthings_no_free_slots_available",
    "failed_to_set_on_device",
    "failed_to_remove_from_device",
    "duplicate_code_on_device",
    "duplicate_code_attempt_prevented",
    "igloohome_bridge_too_many_pending_jobs",
    "igloohome_bridge_offline",
    "igloohome_offline_access_code_no_variance_available",
    "kwikset_unable_to_confirm_code",
    "kwikset_unable_to_confirm_deletion",
    "code_modified_external_to_seam",
    "august_lock_invalid_code_length",
    "august_device_programming_delay",
    "august_device_slots_full",
    "august_lock_missing_keypad",
    "august_lock_temporarily_offline",
    "salto_ks_user_not_subscribed",
    "hubitat_device_programming_delay",
    "hubitat_no_free_positions_available",
    "wyze_duplicate_code_name",
    "wyze_potential_duplicate_code",
    "dormakaba_oracode_no_valid_user_level",
    "account_disconnected",
    "salto_ks_subscription_limit_exceeded",
    "device_offline",
    "device_removed",
    "hub_disconnected",
    "device_disconnected",
    "empty_backup_access_code_pool",
    "august_lock_not_authorized",
    "august_lock_missing_bridge",
    "ttlock_lock_not_paired_to_gateway",
    "missing_device_credentials",
    "auxiliary_heat_running",
    "subscription_required",
    "invalid_credentials",
    "bridge_disconnected",
];

/// The seed's warning names.
const SEED_WARNINGS: [&str; 12] = [
    "smartthings_failed_to_set_access_code",
    "schlage_detected_duplicate",
    "schlage_creation_outage",
    "code_modified_external_to_seam",
    "delay_in_setting_on_device",
    "delay_in_removing_from_device",
    "third_party_integration_detected",
    "august_device_programming_delay",
    "august_lock_temporarily_offline",
    "igloo_algopin_must_be_used_within_24_hours",
    "management_transferred",
    "kwikset_unable_to_confirm_code",
];

/// I-ERR-01. Names are compared as text; at a typed boundary only the vocabulary itself can be wrong.
fn names_of_code(_: &View<'_>, record: &Record) -> Held {
    let errors = record.errors.iter().map(|entry| entry.error_code.name());
    first_stranger(errors, record.warnings.iter().map(|entry| entry.warning_code.name()))
}

fn names_of_device(_: &View<'_>, _: Lock, device: &DeviceRecord) -> Held {
    let errors = device.errors.iter().chain(&device.account_errors).map(|entry| entry.error_code.name());
    first_stranger(errors, device.warnings.iter().map(|entry| entry.warning_code.name()))
}

fn first_stranger<'a>(errors: impl Iterator<Item = &'a str>, warnings: impl Iterator<Item = &'a str>) -> Held {
    let tagged = errors.map(|name| (name, &SEED_ERRORS[..])).chain(warnings.map(|name| (name, &SEED_WARNINGS[..])));
    let mut held = Held::Idle;
    for (name, known) in tagged {
        if !known.contains(&name) {
            return Held::Broken(format!("shows {name}, which the seed does not know"));
        }
        held = Held::Kept;
    }
    held
}

/// Who may carry a problem (vendors.md 21).
enum Owner {
    Any,
    Only(&'static [Vendor]),
}

const fn owner_of_error(code: ErrorCode) -> Owner {
    match code {
        ErrorCode::SmartthingsFailedToSetAccessCode
        | ErrorCode::SmartthingsFailedToSetAfterMultipleRetries
        | ErrorCode::SmartthingsNoFreeSlotsAvailable => Owner::Only(&[Vendor::SmartThings]),
        ErrorCode::AugustLockInvalidCodeLength
        | ErrorCode::AugustDeviceProgrammingDelay
        | ErrorCode::AugustDeviceSlotsFull
        | ErrorCode::AugustLockMissingKeypad
        | ErrorCode::AugustLockTemporarilyOffline
        | ErrorCode::AugustLockNotAuthorized
        | ErrorCode::AugustLockMissingBridge => Owner::Only(&[Vendor::August, Vendor::Yale]),
        ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable => Owner::Only(&[Vendor::IgloohomeOffline]),
        ErrorCode::DormakabaOracodeNoValidUserLevel => Owner::Only(&[Vendor::Oracode]),
        ErrorCode::SaltoKsUserNotSubscribed | ErrorCode::SaltoKsSubscriptionLimitExceeded => Owner::Only(&[Vendor::SaltoKs]),
        ErrorCode::IgloohomeBridgeTooManyPendingJobs | ErrorCode::IgloohomeBridgeOffline => Owner::Only(&[Vendor::Igloohome]),
        ErrorCode::HubitatDeviceProgrammingDelay | ErrorCode::HubitatNoFreePositionsAvailable => Owner::Only(&[Vendor::Hubitat]),
        ErrorCode::WyzeDuplicateCodeName | ErrorCode::WyzePotentialDuplicateCode => Owner::Only(&[Vendor::Wyze]),
        ErrorCode::TtlockLockNotPairedToGateway => Owner::Only(&[Vendor::Ttlock]),
        ErrorCode::KwiksetUnableToConfirmCode | ErrorCode::KwiksetUnableToConfirmDeletion => Owner::Only(&[Vendor::Kwikset]),
        ErrorCode::FailedToSetOnDevice
        | ErrorCode::FailedToRemoveFromDevice
        | ErrorCode::DuplicateCodeOnDevice
        | ErrorCode::DuplicateCodeAttemptPrevented
        | ErrorCode::CodeModifiedExternalToSeam
        | ErrorCode::AccountDisconnected
        | ErrorCode::DeviceOffline
        | ErrorCode::DeviceRemoved
        | ErrorCode::HubDisconnected
        | ErrorCode::DeviceDisconnected
        | ErrorCode::EmptyBackupAccessCodePool
        | ErrorCode::MissingDeviceCredentials
        // No vendor's, and on no lock: that is I-ERR-03.
        | ErrorCode::AuxiliaryHeatRunning
        | ErrorCode::SubscriptionRequired
        | ErrorCode::InvalidCredentials
        | ErrorCode::BridgeDisconnected => Owner::Any,
    }
}

const fn owner_of_warning(code: WarningCode) -> Owner {
    match code {
        WarningCode::SmartthingsFailedToSetAccessCode => Owner::Only(&[Vendor::SmartThings]),
        WarningCode::AugustDeviceProgrammingDelay | WarningCode::AugustLockTemporarilyOffline => {
            Owner::Only(&[Vendor::August, Vendor::Yale])
        }
        WarningCode::SchlageDetectedDuplicate | WarningCode::SchlageCreationOutage => Owner::Only(&[Vendor::Schlage]),
        WarningCode::KwiksetUnableToConfirmCode => Owner::Only(&[Vendor::Kwikset]),
        WarningCode::IglooAlgopinMustBeUsedWithin24Hours => Owner::Only(&[Vendor::IgloohomeOffline]),
        WarningCode::CodeModifiedExternalToSeam
        | WarningCode::DelayInSettingOnDevice
        | WarningCode::DelayInRemovingFromDevice
        | WarningCode::ThirdPartyIntegrationDetected
        | WarningCode::ManagementTransferred => Owner::Any,
    }
}

/// Which vendor's locks may carry which problem.
pub mod may_carry {
    use super::{ErrorCode, Owner, Vendor, WarningCode, owner_of_error, owner_of_warning};

    /// Whether a lock of this vendor may carry this error.
    #[must_use]
    pub fn error(vendor: Vendor, code: ErrorCode) -> bool {
        allows(&owner_of_error(code), vendor)
    }

    /// Whether a lock of this vendor may carry this warning.
    #[must_use]
    pub fn warning(vendor: Vendor, code: WarningCode) -> bool {
        allows(&owner_of_warning(code), vendor)
    }

    pub(super) fn allows(owner: &Owner, vendor: Vendor) -> bool {
        match owner {
            Owner::Any => true,
            Owner::Only(vendors) => vendors.contains(&vendor),
        }
    }
}

/// I-ERR-02.
fn owners_of_code(view: &View<'_>, record: &Record) -> Held {
    let Some(lock) = view.lock(record.device_id) else { return Held::Idle };
    let errors = record.errors.iter().map(|entry| (entry.error_code.name(), owner_of_error(entry.error_code)));
    let warnings = record.warnings.iter().map(|entry| (entry.warning_code.name(), owner_of_warning(entry.warning_code)));
    first_foreign(lock.facts.profile.vendor, errors.chain(warnings))
}

fn owners_of_device(view: &View<'_>, lock: Lock, device: &DeviceRecord) -> Held {
    let errors = device.errors.iter().chain(&device.account_errors);
    let errors = errors.map(|entry| (entry.error_code.name(), owner_of_error(entry.error_code)));
    first_foreign(view.history.lock(lock).facts.profile.vendor, errors)
}

fn first_foreign(vendor: Vendor, problems: impl Iterator<Item = (&'static str, Owner)>) -> Held {
    let mut held = Held::Idle;
    for (name, owner) in problems {
        if matches!(owner, Owner::Any) {
            continue;
        }
        if !may_carry::allows(&owner, vendor) {
            return Held::Broken(format!("shows {name} on a lock of {vendor}"));
        }
        held = Held::Kept;
    }
    held
}

/// I-ERR-03, `V-18`. Each list with an entry is a premise: the problem could have been projected there.
fn heat_on_code(_: &View<'_>, record: &Record) -> Held {
    heat(record.errors.iter().map(|entry| entry.error_code))
}

fn heat_on_device(_: &View<'_>, _: Lock, device: &DeviceRecord) -> Held {
    heat(device.errors.iter().chain(&device.account_errors).map(|entry| entry.error_code))
}

fn heat(mut errors: impl Iterator<Item = ErrorCode>) -> Held {
    let Some(first) = errors.next() else { return Held::Idle };
    if first == ErrorCode::AuxiliaryHeatRunning || errors.any(|code| code == ErrorCode::AuxiliaryHeatRunning) {
        return Held::Broken("a lock carries a thermostat's problem".to_owned());
    }
    Held::Kept
}

/// I-ERR-04.
fn doubles_on_code(_: &View<'_>, record: &Record) -> Held {
    let errors: Vec<&str> = record.errors.iter().map(|entry| entry.error_code.name()).collect();
    let warnings: Vec<&str> = record.warnings.iter().map(|entry| entry.warning_code.name()).collect();
    if let Some(name) = errors.iter().find(|name| warnings.contains(name)) {
        return Held::Broken(format!("{name} stands as error and as warning"));
    }
    match (first_double(&errors), first_double(&warnings)) {
        (Held::Idle, other) | (Held::Kept, other @ Held::Broken(_)) => other,
        (one, _) => one,
    }
}

fn doubles_on_device(_: &View<'_>, _: Lock, device: &DeviceRecord) -> Held {
    let errors: Vec<&str> = device.errors.iter().chain(&device.account_errors).map(|entry| entry.error_code.name()).collect();
    first_double(&errors)
}

fn first_double(names: &[&str]) -> Held {
    if names.is_empty() {
        return Held::Idle;
    }
    let double = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    double.map_or(Held::Kept, |(_, name)| Held::Broken(format!("{name} stands twice")))
}

/// I-ERR-05, the code's half: what belongs to device or account is not kept on the code.
fn copies_on_code(view: &View<'_>, record: &Record) -> Held {
    let stranger = record.errors.iter().find(|entry| entry.error_code.family() != ProblemFamily::AccessCode);
    if let Some(entry) = stranger {
        return Held::Broken(format!("keeps a copy of {}, which is its device's or account's", entry.error_code));
    }
    if record.warnings.iter().any(|entry| entry.warning_code == WarningCode::ThirdPartyIntegrationDetected) {
        return Held::Broken("keeps a copy of third_party_integration_detected, which is its device's".to_owned());
    }
    let device = view.lock(record.device_id).and_then(|lock| lock.device.as_deref());
    let has_projection = device.is_some_and(|device| !(device.errors.is_empty() && device.account_errors.is_empty()));
    if has_projection { Held::Kept } else { Held::Idle }
}

/// I-ERR-05, the device's half: each list holds its own family, and all devices of an account show the account alike.
fn families_on_device(view: &View<'_>, lock: Lock, device: &DeviceRecord) -> Held {
    if let Some(entry) = device.errors.iter().find(|entry| entry.error_code.family() != ProblemFamily::Device) {
        return Held::Broken(format!("shows {} as its own", entry.error_code));
    }
    if let Some(entry) = device.account_errors.iter().find(|entry| entry.error_code.family() != ProblemFamily::ConnectedAccount) {
        return Held::Broken(format!("shows {} as its account's", entry.error_code));
    }
    for other in view.history.locks_of(view.history.lock(lock).facts.account) {
        let other = view.history.lock(*other);
        let Some(view) = other.device.as_deref() else { continue };
        let same = view.account_errors.len() == device.account_errors.len()
            && view.account_errors.iter().all(|entry| device.account_errors.contains(entry));
        if !same {
            return Held::Broken(format!("shows other account errors than {}, which is in the same account", other.facts.name));
        }
    }
    if device.errors.is_empty() && device.account_errors.is_empty() { Held::Idle } else { Held::Kept }
}

/// I-ERR-06. The warning also tells of a window across a clock change, on a lock that keeps its offset (`R-58`).
fn external_form(view: &View<'_>, record: &Record) -> Held {
    if !record.is_managed {
        return Held::Idle;
    }
    let is_error = has_error(record, ErrorCode::CodeModifiedExternalToSeam);
    let is_warning = has_warning(record, WarningCode::CodeModifiedExternalToSeam);
    match (is_error, is_warning, record.is_external_modification_allowed) {
        (true, _, true) => Held::Broken("an external change stands as an error though changes are allowed".to_owned()),
        (_, true, false) if view.history.find_code(record.access_code_id).is_some_and(|code| view.history.offset_slack(code) > 0) => {
            Held::Kept
        }
        (_, true, false) => Held::Broken("an external change stands as a warning though changes are forbidden".to_owned()),
        (true, ..) | (_, true, _) => Held::Kept,
        (false, false, _) => Held::Idle,
    }
}

/// Whether an error says that the code could not be set, and if so, whether it may also tell of a removal.
enum Tells {
    Setting,
    /// Of setting or removing, or it stays with the record to its end.
    Either,
    Other,
}

const fn error_tells(code: ErrorCode) -> Tells {
    match code {
        ErrorCode::SmartthingsFailedToSetAccessCode
        | ErrorCode::SmartthingsFailedToSetAfterMultipleRetries
        | ErrorCode::SmartthingsNoFreeSlotsAvailable
        | ErrorCode::FailedToSetOnDevice
        | ErrorCode::DuplicateCodeOnDevice
        | ErrorCode::DuplicateCodeAttemptPrevented
        | ErrorCode::KwiksetUnableToConfirmCode
        | ErrorCode::AugustLockInvalidCodeLength
        | ErrorCode::AugustDeviceProgrammingDelay
        | ErrorCode::AugustDeviceSlotsFull
        | ErrorCode::HubitatDeviceProgrammingDelay
        | ErrorCode::HubitatNoFreePositionsAvailable
        | ErrorCode::WyzeDuplicateCodeName
        | ErrorCode::WyzePotentialDuplicateCode
        | ErrorCode::DormakabaOracodeNoValidUserLevel => Tells::Setting,
        ErrorCode::IgloohomeBridgeTooManyPendingJobs
        | ErrorCode::IgloohomeBridgeOffline
        | ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable
        | ErrorCode::AugustLockTemporarilyOffline
        | ErrorCode::SaltoKsUserNotSubscribed => Tells::Either,
        // A missing keypad may stand on a code that is set.
        ErrorCode::AugustLockMissingKeypad
        | ErrorCode::FailedToRemoveFromDevice
        | ErrorCode::KwiksetUnableToConfirmDeletion
        | ErrorCode::CodeModifiedExternalToSeam
        | ErrorCode::AccountDisconnected
        | ErrorCode::SaltoKsSubscriptionLimitExceeded
        | ErrorCode::DeviceOffline
        | ErrorCode::DeviceRemoved
        | ErrorCode::HubDisconnected
        | ErrorCode::DeviceDisconnected
        | ErrorCode::EmptyBackupAccessCodePool
        | ErrorCode::AugustLockNotAuthorized
        | ErrorCode::AugustLockMissingBridge
        | ErrorCode::TtlockLockNotPairedToGateway
        | ErrorCode::MissingDeviceCredentials
        | ErrorCode::AuxiliaryHeatRunning
        | ErrorCode::SubscriptionRequired
        | ErrorCode::InvalidCredentials
        | ErrorCode::BridgeDisconnected => Tells::Other,
    }
}

const fn warning_tells(code: WarningCode) -> Tells {
    match code {
        WarningCode::SmartthingsFailedToSetAccessCode
        | WarningCode::SchlageDetectedDuplicate
        | WarningCode::SchlageCreationOutage
        | WarningCode::DelayInSettingOnDevice
        | WarningCode::AugustDeviceProgrammingDelay
        | WarningCode::KwiksetUnableToConfirmCode => Tells::Setting,
        WarningCode::AugustLockTemporarilyOffline => Tells::Either,
        WarningCode::CodeModifiedExternalToSeam
        | WarningCode::DelayInRemovingFromDevice
        | WarningCode::ThirdPartyIntegrationDetected
        | WarningCode::IglooAlgopinMustBeUsedWithin24Hours
        | WarningCode::ManagementTransferred => Tells::Other,
    }
}

/// I-ERR-07. What may tell of a removal as well is granted while removing.
fn set_problems(_: &View<'_>, record: &Record) -> Held {
    let is_removing = match record.status {
        Status::Set => false,
        Status::Removing => true,
        Status::Setting | Status::Unset | Status::Unknown => return Held::Idle,
    };
    let errors = record.errors.iter().map(|entry| (entry.error_code.name(), error_tells(entry.error_code)));
    let warnings = record.warnings.iter().map(|entry| (entry.warning_code.name(), warning_tells(entry.warning_code)));
    for (name, tells) in errors.chain(warnings) {
        let is_wrong = match tells {
            Tells::Setting => true,
            Tells::Either => !is_removing,
            Tells::Other => false,
        };
        if is_wrong && record.is_managed {
            return Held::Broken(format!("shows {name} while it is {}", record.status));
        }
    }
    Held::Kept
}

/// I-ERR-08. An `unknown` whose earlier status a crash hides is granted.
fn removal_problems(view: &View<'_>, record: &Record) -> Held {
    let errors = record.errors.iter().map(|entry| entry.error_code);
    let error = errors.filter(|code| matches!(code, ErrorCode::FailedToRemoveFromDevice | ErrorCode::KwiksetUnableToConfirmDeletion));
    let Some(name) = error
        .map(ErrorCode::name)
        .next()
        .or_else(|| has_warning(record, WarningCode::DelayInRemovingFromDevice).then_some(WarningCode::DelayInRemovingFromDevice.name()))
    else {
        return Held::Idle;
    };
    let known_as = view.story.code(record.access_code_id).and_then(|seen| seen.known_as);
    let fits = match record.status {
        Status::Removing => true,
        Status::Unknown => known_as.is_none_or(|status| status == Status::Removing),
        Status::Set | Status::Setting | Status::Unset => false,
    };
    if fits { Held::Kept } else { Held::Broken(format!("shows {name} while it is {}", record.status)) }
}

/// I-ERR-10. The earliest moment that the rules allow is taken: an update that may have left the episode as it was does not move it.
fn thresholds(view: &View<'_>, found: &mut Found) {
    if view.is_reread {
        return;
    }
    let policy = &view.history.facts().config.policy;
    for change in view.changes() {
        let Some(after) = change.after else { continue };
        for (name, earliest) in told_early(view, policy, &change, after) {
            if view.now < earliest {
                let what = format!("{name} is told at {}, and its time comes at {earliest}", view.now);
                view.broken(found, "I-ERR-10", after.access_code_id, &what);
            } else {
                found.armed("I-ERR-10");
            }
        }
    }
}

/// The delays and failures that the step raised and that have to keep a time, each with its earliest instant.
fn told_early(
    view: &View<'_>,
    policy: &PolicyConstants,
    change: &CodeChange<'_>,
    after: &Record,
) -> impl Iterator<Item = (&'static str, Timestamp)> {
    let id = after.access_code_id;
    let (set, removal) = (set_episode(view, after), removal_episode(view, after));
    let is_refused = view.was_refused(id);
    let is_removal_refused = view.story.code(id).is_some_and(|seen| seen.was_removal_refused);
    let error = |code| raises_error(change.before, after, code);
    let warning = |code| raises_warning(change.before, after, code);
    let told = [
        (warning(WarningCode::DelayInSettingOnDevice), "delay_in_setting_on_device", set + policy.delay_set_after_ms),
        (error(ErrorCode::FailedToSetOnDevice) && !is_refused, "failed_to_set_on_device", set + policy.fail_set_after_ms),
        (warning(WarningCode::DelayInRemovingFromDevice), "delay_in_removing_from_device", removal + policy.delay_remove_after_ms),
        (
            error(ErrorCode::FailedToRemoveFromDevice) && !is_removal_refused,
            "failed_to_remove_from_device",
            removal + policy.fail_remove_after_ms,
        ),
    ];
    told.into_iter().filter(|(is_told, ..)| *is_told).map(|(_, name, earliest)| (name, earliest))
}

/// When the present set episode began at the earliest (lifecycle 4.1).
fn set_episode(view: &View<'_>, record: &Record) -> Timestamp {
    let policy = &view.history.facts().config.policy;
    let seen = view.story.code(record.access_code_id);
    let schedules = view.lock(record.device_id).is_none_or(|lock| lock.facts.profile.schedules);
    let lead = if schedules && seen.and_then(|seen| seen.prefers_schedule) != Some(false) {
        policy.native_preload_ms.max(policy.just_in_time_lead_ms)
    } else {
        policy.just_in_time_lead_ms
    };
    // An offline code is due when it is made.
    let start = record.starts_at.filter(|_| !record.is_offline_access_code);
    let due = start.map_or(record.created_at, |start| record.created_at.max(start - lead));
    seen.and_then(|seen| seen.episode_since).map_or(due, |since| due.max(since))
}

/// When the removal became due at the earliest: when it was first seen, or at an end that passed while nobody looked.
fn removal_episode(view: &View<'_>, record: &Record) -> Timestamp {
    let since = view.story.code(record.access_code_id).map_or(Timestamp::MIN, |seen| seen.status_since);
    record.ends_at.map_or(since, |end| since.min(end))
}

/// Whether the step raised this error: it stands now, and did not before, or dates from later.
#[must_use]
pub fn raises_error(before: Option<&Record>, after: &Record, code: ErrorCode) -> bool {
    let date = |record: &Record| record.errors.iter().find(|entry| entry.error_code == code).map(|entry| entry.created_at);
    let now = date(after);
    now.is_some() && now != before.and_then(date)
}

/// The same for a warning.
#[must_use]
pub fn raises_warning(before: Option<&Record>, after: &Record, code: WarningCode) -> bool {
    let date = |record: &Record| record.warnings.iter().find(|entry| entry.warning_code == code).map(|entry| entry.created_at);
    let now = date(after);
    now.is_some() && now != before.and_then(date)
}

fn has_error(record: &Record, code: ErrorCode) -> bool {
    record.errors.iter().any(|entry| entry.error_code == code)
}

fn has_warning(record: &Record, code: WarningCode) -> bool {
    record.warnings.iter().any(|entry| entry.warning_code == code)
}

/// I-ERR-11. An API call may clear an entry and raise it again in one step, with a new date (T35).
struct Dates {
    states: States,
}

impl Check for Dates {
    fn id(&self) -> &'static str {
        self.states.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        self.states.check(view, found);
        if view.is_reread {
            return;
        }
        for change in view.changes().filter(|_| view.call().is_none()) {
            let (Some(before), Some(after)) = (change.before, change.after) else { continue };
            if let Some(name) = moved_date(before, after) {
                view.broken(found, self.states.id, after.access_code_id, &format!("the date of {name} moved while it stood"));
            }
        }
        for (lock, before, after) in view.device_changes() {
            let (Some(before), Some(after)) = (before, after) else { continue };
            let moved = after.errors.iter().chain(&after.account_errors).find(|entry| {
                let old = before.errors.iter().chain(&before.account_errors).find(|old| old.error_code == entry.error_code);
                old.is_some_and(|old| old.created_at != entry.created_at)
            });
            if let Some(entry) = moved {
                view.broken_device(found, self.states.id, lock, &format!("the date of {} moved while it stood", entry.error_code));
            }
        }
    }

    fn full(&self, view: &View<'_>, found: &mut Found) {
        self.states.full(view, found);
    }
}

fn moved_date(before: &Record, after: &Record) -> Option<&'static str> {
    let errors = after.errors.iter().filter(|entry| has_error(before, entry.error_code) && !before.errors.contains(entry));
    let warnings = after.warnings.iter().filter(|entry| has_warning(before, entry.warning_code) && !before.warnings.contains(entry));
    errors.map(|entry| entry.error_code.name()).chain(warnings.map(|entry| entry.warning_code.name())).next()
}

fn dates_of_code(view: &View<'_>, record: &Record) -> Held {
    let errors = record.errors.iter().map(|entry| entry.created_at);
    in_the_past(view.now, errors.chain(record.warnings.iter().map(|entry| entry.created_at)))
}

fn dates_of_device(view: &View<'_>, _: Lock, device: &DeviceRecord) -> Held {
    let errors = device.errors.iter().chain(&device.account_errors).map(|entry| entry.created_at);
    in_the_past(view.now, errors.chain(device.warnings.iter().map(|entry| entry.created_at)))
}

fn in_the_past(now: Timestamp, mut dates: impl Iterator<Item = Timestamp>) -> Held {
    let Some(first) = dates.next() else { return Held::Idle };
    let latest = dates.fold(first, Timestamp::max);
    if latest > now { Held::Broken(format!("a problem dates from {latest}, and it is {now}")) } else { Held::Kept }
}

/// I-ERR-14.
fn empty_pool(view: &View<'_>, lock: Lock, found: &mut Found) {
    let Some(device) = view.history.lock(lock).device.as_deref() else { return };
    let shown = device.errors.iter().any(|entry| entry.error_code == ErrorCode::EmptyBackupAccessCodePool);
    let first: Option<CodeId> = view.available_backups(device.device_id).next();
    let expected = device.is_backup_pool_active && first.is_none();
    if shown != expected {
        let state = match (device.is_backup_pool_active, first.is_some()) {
            (false, _) => "the pool is not active",
            (true, true) => "a backup could be pulled",
            (true, false) => "no backup could be pulled",
        };
        let word = if shown { "stands" } else { "is missing" };
        view.broken_device(found, "I-ERR-14", lock, &format!("empty_backup_access_code_pool {word}, and {state}"));
    } else if device.is_backup_pool_active {
        found.armed("I-ERR-14");
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::kit::{breaks, story};
    use super::*;
    use crate::judge::testing::{SLOT, Story};
    use keyway_core::event::EventType;
    use keyway_core::problem::{ErrorEntry, WarningEntry};
    use keyway_core::time::{HOUR_MS, MINUTE_MS};

    fn error(error_code: ErrorCode, created_at: Timestamp) -> ErrorEntry {
        ErrorEntry { error_code, created_at }
    }

    fn warning(warning_code: WarningCode, created_at: Timestamp) -> WarningEntry {
        WarningEntry { warning_code, created_at }
    }

    /// A code that is set shows these errors two hours later.
    fn set_with(errors: &[ErrorCode]) -> Story {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.wait(2 * HOUR_MS);
        let now = story.now();
        story.change(id, |record| record.errors = errors.iter().map(|code| error(*code, now)).collect());
        story
    }

    /// Shows a record changed and tells this of it.
    fn tell(story: &mut Story, id: CodeId, event: EventType, change: impl FnOnce(&mut Record)) {
        let mut record = story.record(id).clone();
        let event = story.emits(&record, event);
        change(&mut record);
        let shows = story.shows(record);
        story.step(crate::occurrence::Occurrence::Woken, vec![event, crate::occurrence::Occurrence::Saved, shows]);
    }

    #[test]
    fn lawful_trouble_breaks_nothing() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        let now = story.now();
        let delay = warning(WarningCode::DelayInSettingOnDevice, now);
        tell(&mut story, id, EventType::DelayInSettingOnDevice, |record| record.warnings = vec![delay]);
        story.wait(30 * MINUTE_MS);
        let failure = error(ErrorCode::FailedToSetOnDevice, story.now());
        tell(&mut story, id, EventType::FailedToSetOnDevice, |record| {
            record.warnings.clear();
            record.errors = vec![failure];
        });
        story.must_hold();
    }

    #[test]
    fn a_name_that_the_seed_does_not_know_is_found() {
        let found = first_stranger(["failed_to_set_on_device", "salto_site_user_not_subscribed"].into_iter(), std::iter::empty());
        assert!(matches!(found, Held::Broken(_)));
        let errors = ErrorCode::ALL.iter().map(|code| code.name());
        let warnings = WarningCode::ALL.iter().map(|code| code.name());
        assert!(matches!(first_stranger(errors, warnings), Held::Kept));
    }

    #[test]
    fn another_vendors_problem_is_found() {
        breaks(&mut set_with(&[ErrorCode::AugustLockMissingKeypad]), "I-ERR-02");
    }

    #[test]
    fn a_thermostats_problem_is_found() {
        let mut story = story();
        let now = story.now();
        story.device_shows(SLOT, |device| device.errors = vec![error(ErrorCode::AuxiliaryHeatRunning, now)]);
        breaks(&mut story, "I-ERR-03");
    }

    #[test]
    fn an_entry_that_stands_twice_is_found() {
        breaks(&mut set_with(&[ErrorCode::CodeModifiedExternalToSeam; 2]), "I-ERR-04");
    }

    #[test]
    fn a_copy_of_a_devices_error_is_found() {
        breaks(&mut set_with(&[ErrorCode::DeviceOffline]), "I-ERR-05");
    }

    #[test]
    fn a_forbidden_change_that_is_a_mere_warning_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let now = story.now();
        story.change(id, |record| record.warnings = vec![warning(WarningCode::CodeModifiedExternalToSeam, now)]);
        breaks(&mut story, "I-ERR-06");
    }

    #[test]
    fn a_set_code_that_says_it_could_not_be_set_is_found() {
        breaks(&mut set_with(&[ErrorCode::DuplicateCodeAttemptPrevented]), "I-ERR-07");
    }

    #[test]
    fn trouble_with_removing_what_is_not_removed_is_found() {
        breaks(&mut set_with(&[ErrorCode::FailedToRemoveFromDevice]), "I-ERR-08");
    }

    #[test]
    fn trouble_with_removing_outlives_an_outage() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.wait(15 * MINUTE_MS);
        let late = warning(WarningCode::DelayInRemovingFromDevice, story.now());
        tell(&mut story, id, EventType::DelayInRemovingFromDevice, |record| record.warnings = vec![late]);
        story.change(id, |record| record.status = Status::Unknown);
        story.must_hold();
    }

    #[test]
    fn a_delay_before_its_time_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS - 1);
        let early = warning(WarningCode::DelayInSettingOnDevice, story.now());
        tell(&mut story, id, EventType::DelayInSettingOnDevice, |record| record.warnings = vec![early]);
        breaks(&mut story, "I-ERR-10");
    }

    #[test]
    fn a_date_in_the_future_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let soon = story.after(1);
        story.change(id, |record| record.errors = vec![error(ErrorCode::CodeModifiedExternalToSeam, soon)]);
        breaks(&mut story, "I-ERR-11");
    }

    #[test]
    fn a_date_that_moves_is_found() {
        let mut story = set_with(&[ErrorCode::CodeModifiedExternalToSeam]);
        let id = story.history().codes().next().unwrap().1.id;
        story.wait(MINUTE_MS);
        let now = story.now();
        story.change(id, |record| record.errors[0].created_at = now);
        breaks(&mut story, "I-ERR-11");
    }

    #[test]
    fn an_active_pool_that_does_not_count_as_empty_is_found() {
        let mut story = story();
        story.device_shows(SLOT, |device| device.is_backup_pool_active = true);
        breaks(&mut story, "I-ERR-14");
    }
}
