//! What the API and the event log show, as text: the object, and each of its errors and warnings, and each event. Read the snapshot beside the seed's
//! tables; that the names are the seed's is asserted row by row in core's own tests.

use keyway_core::access_code::{AccessCode, DeviceRecord, Record, Status, Type, UnmanagedAccessCode};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, DeviceId, EventId, WorkspaceId};
use keyway_core::problem::{ErrorCode, ErrorEntry, WarningCode, WarningEntry};
use keyway_core::time::Timestamp;

const AT: Timestamp = Timestamp(1_767_600_000_000);

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("text")
}

fn record() -> Record {
    let made = Record::new(CodeId(1), WorkspaceId(2), DeviceId(3), AT);
    Record {
        code: "0420".parse().ok(),
        name: Some("Ben".to_owned()),
        starts_at: Some(AT),
        ends_at: Some(AT + 3_600_000),
        kind: Type::TimeBound,
        status: Status::Set,
        is_managed: true,
        is_scheduled_on_device: true,
        pulled_backup_access_code_id: Some(CodeId(4)),
        ..made
    }
}

#[test]
fn the_objects() {
    let device = DeviceRecord { is_backup_access_code_available: true, ..DeviceRecord::new(DeviceId(3)) };
    let managed = AccessCode::compose(&record().view(), &device.view());
    let strangers = Record { is_managed: false, code: None, starts_at: None, ends_at: None, kind: Type::Ongoing, ..record() };
    let unmanaged = UnmanagedAccessCode::compose(&strangers.view()).expect("nobody manages it");
    insta::assert_snapshot!([text(&managed), text(&unmanaged)].join("\n"));
}

#[test]
fn the_errors_and_warnings() {
    let errors = ErrorCode::ALL.map(|error_code| text(&ErrorEntry { error_code, created_at: AT }));
    let warnings = WarningCode::ALL.map(|warning_code| text(&WarningEntry { warning_code, created_at: AT }));
    insta::assert_snapshot!([errors.join("\n"), warnings.join("\n")].join("\n\n"));
}

#[test]
fn the_events() {
    let event = |event_type: EventType| Event {
        access_code_id: CodeId(1),
        backup_access_code_id: (event_type == EventType::BackupAccessCodePulled).then_some(CodeId(4)),
        code: if event_type.has_code() { "0420".parse().ok() } else { None },
        connected_account_id: AccountId(5),
        created_at: AT,
        device_id: DeviceId(3),
        event_id: EventId(6),
        event_type,
        occurred_at: AT,
        workspace_id: WorkspaceId(2),
    };
    insta::assert_snapshot!(EventType::ALL.map(|event_type| text(&event(event_type))).join("\n"));
}
