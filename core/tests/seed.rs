//! What the API and the event log show has the seed's names and no others: properties, errors, warnings, events.

use keyway_core::access_code::{AccessCode, DeviceRecord, Record, Status, Type, UnmanagedAccessCode};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, DeviceId, EventId, WorkspaceId};
use keyway_core::problem::{ErrorCode, ErrorEntry, ProblemFamily, WarningCode, WarningEntry};
use keyway_core::time::Timestamp;
use serde_json::Value;

const PROPERTIES: [&str; 21] = [
    "access_code_id",
    "code",
    "common_code_key",
    "created_at",
    "device_id",
    "ends_at",
    "errors",
    "is_backup",
    "is_backup_access_code_available",
    "is_external_modification_allowed",
    "is_managed",
    "is_offline_access_code",
    "is_one_time_use",
    "is_scheduled_on_device",
    "is_waiting_for_code_assignment",
    "name",
    "pulled_backup_access_code_id",
    "starts_at",
    "status",
    "type",
    "warnings",
];

const UNMANAGED_PROPERTIES: [&str; 12] = [
    "access_code_id",
    "code",
    "created_at",
    "device_id",
    "ends_at",
    "errors",
    "is_managed",
    "name",
    "starts_at",
    "status",
    "type",
    "warnings",
];

const ERRORS: [&str; 39] = [
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

const WARNINGS: [&str; 12] = [
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

const EVENTS: [&str; 17] = [
    "access_code.created",
    "access_code.changed",
    "access_code.scheduled_on_device",
    "access_code.set_on_device",
    "access_code.removed_from_device",
    "access_code.delay_in_setting_on_device",
    "access_code.failed_to_set_on_device",
    "access_code.deleted",
    "access_code.delay_in_removing_from_device",
    "access_code.failed_to_remove_from_device",
    "access_code.modified_external_to_seam",
    "access_code.deleted_external_to_seam",
    "access_code.backup_access_code_pulled",
    "access_code.unmanaged.converted_to_managed",
    "access_code.unmanaged.failed_to_convert_to_managed",
    "access_code.unmanaged.created",
    "access_code.unmanaged.removed",
];

const DEVICE: DeviceId = DeviceId(7);

fn error(error_code: ErrorCode) -> ErrorEntry {
    ErrorEntry { error_code, created_at: Timestamp(1) }
}

fn warning(warning_code: WarningCode) -> WarningEntry {
    WarningEntry { warning_code, created_at: Timestamp(1) }
}

fn record() -> Record {
    Record {
        access_code_id: CodeId(1),
        workspace_id: WorkspaceId(2),
        device_id: DEVICE,
        code: "0420".parse().ok(),
        common_code_key: None,
        created_at: Timestamp(0),
        starts_at: None,
        ends_at: None,
        errors: vec![error(ErrorCode::FailedToSetOnDevice)],
        warnings: vec![warning(WarningCode::ManagementTransferred)],
        is_backup: false,
        is_external_modification_allowed: false,
        is_managed: true,
        is_offline_access_code: false,
        is_one_time_use: false,
        is_scheduled_on_device: false,
        is_waiting_for_code_assignment: false,
        name: None,
        pulled_backup_access_code_id: None,
        status: Status::Setting,
        kind: Type::Ongoing,
    }
}

fn device() -> DeviceRecord {
    DeviceRecord {
        device_id: DEVICE,
        errors: vec![error(ErrorCode::HubDisconnected)],
        account_errors: vec![error(ErrorCode::AccountDisconnected)],
        warnings: vec![warning(WarningCode::ThirdPartyIntegrationDetected), warning(WarningCode::DelayInSettingOnDevice)],
        is_backup_pool_active: true,
        is_backup_access_code_available: true,
    }
}

/// The keys of an object, in the order in which the text has them.
fn keys(text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| text.find(&format!("\"{key}\":")));
    keys
}

#[test]
fn the_object_has_the_seeds_21_properties_in_its_order() {
    let code = AccessCode::compose(&record().view(), &device().view());
    let text = serde_json::to_string(&code).unwrap();
    assert_eq!(keys(&text), PROPERTIES);
    assert!(PROPERTIES.is_sorted());
    assert_eq!(serde_json::from_str::<AccessCode>(&text).unwrap(), code);
    for (key, expected) in [("code", "\"0420\""), ("ends_at", "null"), ("name", "null"), ("status", "\"setting\""), ("type", "\"ongoing\"")]
    {
        assert!(text.contains(&format!("\"{key}\":{expected}")), "{text}");
    }
    let extended = text.replacen('{', "{\"workspace_id\":null,", 1);
    assert!(serde_json::from_str::<AccessCode>(&extended).is_err());
}

#[test]
fn what_is_the_devices_shows_on_managed_codes() {
    let (record, device) = (record(), device());
    let code = AccessCode::compose(&record.view(), &device.view());
    let errors: Vec<_> = code.errors.iter().map(|entry| entry.error_code).collect();
    assert_eq!(errors, [ErrorCode::FailedToSetOnDevice, ErrorCode::HubDisconnected, ErrorCode::AccountDisconnected]);
    let warnings: Vec<_> = code.warnings.iter().map(|entry| entry.warning_code).collect();
    assert_eq!(warnings, [WarningCode::ManagementTransferred, WarningCode::ThirdPartyIntegrationDetected]);
    assert!(code.is_backup_access_code_available);

    let backup = Record { is_backup: true, ..record.clone() };
    assert!(!AccessCode::compose(&backup.view(), &device.view()).is_backup_access_code_available);

    let unmanaged = Record { is_managed: false, status: Status::Set, ..record };
    let shown = AccessCode::compose(&unmanaged.view(), &device.view());
    assert_eq!((&shown.errors, &shown.warnings), (&unmanaged.errors, &unmanaged.warnings));
    assert!(!shown.is_backup_access_code_available);
}

#[test]
fn the_unmanaged_object_is_a_restricted_one() {
    let unmanaged = Record { is_managed: false, status: Status::Set, ..record() };
    let shown = UnmanagedAccessCode::compose(&unmanaged.view()).unwrap();
    let text = serde_json::to_string(&shown).unwrap();
    assert_eq!(keys(&text), UNMANAGED_PROPERTIES);
    assert!(UNMANAGED_PROPERTIES.iter().all(|property| PROPERTIES.contains(property)));
    assert_eq!(serde_json::from_str::<UnmanagedAccessCode>(&text).unwrap(), shown);
    assert_eq!(UnmanagedAccessCode::compose(&record().view()), None);
}

#[test]
fn statuses_and_types_are_the_seeds() {
    let statuses = Status::ALL.map(|status| serde_json::to_string(&status).unwrap());
    assert_eq!(statuses, [r#""setting""#, r#""set""#, r#""unset""#, r#""removing""#, r#""unknown""#]);
    assert!(Status::ALL.iter().all(|status| serde_json::to_string(status).unwrap() == format!("\"{status}\"")));
    assert_eq!([Type::TimeBound, Type::Ongoing].map(|kind| serde_json::to_string(&kind).unwrap()), [r#""time_bound""#, r#""ongoing""#]);
}

#[test]
fn the_39_errors_are_the_seeds_and_have_one_family_of_flags() {
    assert_eq!(ErrorCode::ALL.map(ErrorCode::name), ERRORS);
    let mut families = [0; 3];
    for code in ErrorCode::ALL {
        let text = serde_json::to_string(&error(code)).unwrap();
        assert_eq!(serde_json::from_str::<ErrorEntry>(&text).unwrap(), error(code));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["error_code"], code.name());
        assert!(value["message"].is_string() && value["created_at"].is_string());
        let flags = ["is_access_code_error", "is_device_error", "is_connected_account_error"]
            .map(|flag| value.get(flag) == Some(&Value::Bool(true)));
        let (family, expected) = match code.family() {
            ProblemFamily::AccessCode => (0, [true, false, false]),
            ProblemFamily::Device => (1, [false, true, false]),
            ProblemFamily::ConnectedAccount => (2, [false, false, true]),
        };
        families[family] += 1;
        assert_eq!(flags, expected, "{text}");
        assert_eq!(value.get("is_bridge_error") == Some(&Value::Bool(true)), code == ErrorCode::BridgeDisconnected, "{text}");
    }
    assert_eq!(families, [24, 11, 4]);
}

#[test]
fn the_12_warnings_are_the_seeds_and_have_no_flags() {
    assert_eq!(WarningCode::ALL.map(WarningCode::name), WARNINGS);
    for code in WarningCode::ALL {
        let text = serde_json::to_string(&warning(code)).unwrap();
        assert_eq!(serde_json::from_str::<WarningEntry>(&text).unwrap(), warning(code));
        assert_eq!(keys(&text), ["created_at", "message", "warning_code"]);
    }
}

#[test]
fn the_17_events_have_the_seeds_properties() {
    assert_eq!(EventType::ALL.map(EventType::name), EVENTS);
    for event_type in EventType::ALL {
        let event = Event {
            access_code_id: CodeId(1),
            backup_access_code_id: (event_type == EventType::BackupAccessCodePulled).then_some(CodeId(3)),
            code: if event_type.has_code() { "1234".parse().ok() } else { None },
            connected_account_id: AccountId(4),
            created_at: Timestamp(2),
            device_id: DEVICE,
            event_id: EventId(5),
            event_type,
            occurred_at: Timestamp(1),
            workspace_id: WorkspaceId(6),
        };
        let extra = match event_type.name() {
            "access_code.scheduled_on_device" | "access_code.set_on_device" | "access_code.deleted" => Some("code"),
            "access_code.backup_access_code_pulled" => Some("backup_access_code_id"),
            _ => None,
        };
        let common =
            ["access_code_id", "connected_account_id", "created_at", "device_id", "event_id", "event_type", "occurred_at", "workspace_id"];
        let mut expected: Vec<_> = common.into_iter().chain(extra).collect();
        expected.sort_unstable();
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(keys(&text), expected, "{event_type}");
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

#[test]
fn names_agree_with_their_serialisation() {
    for code in ErrorCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
    for code in WarningCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
    for event_type in EventType::ALL {
        assert_eq!(serde_json::to_value(event_type).unwrap(), event_type.name());
    }
}
