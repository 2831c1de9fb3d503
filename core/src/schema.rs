//! The JSON Schema of types that are text in JSON, for the published messages of the boundary.

use alloc::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::id::{AccountId, CodeId, DeviceId, EventId, WorkspaceId};
use crate::pin::{Lengths, PIN_LENGTH_MAX, Pin};
use crate::time::Timestamp;

macro_rules! texts {
    ($($type:ident: $pattern:literal, $about:literal;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $about })
            }
        }
    )*};
}

texts! {
    Pin: "^[0-9]{1,19}$", "A PIN. Its length and leading zeros are part of it.";
    Timestamp: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,3})?Z$", "An instant, in UTC.";
    AccountId: "^[0-9a-f-]{36}$", "A connected account: a UUID.";
    WorkspaceId: "^[0-9a-f-]{36}$", "A workspace: a UUID.";
    DeviceId: "^[0-9a-f-]{36}$", "A lock inside one account: a UUID, the published function of account and serial.";
    CodeId: "^[0-9a-f-]{36}$", "An access code: a UUID.";
    EventId: "^[0-9a-f-]{36}$", "An event: a UUID.";
}

impl JsonSchema for Lengths {
    fn schema_name() -> Cow<'static, str> {
        "Lengths".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let length = json_schema!({ "type": "integer", "minimum": 1, "maximum": PIN_LENGTH_MAX });
        json_schema!({ "type": "array", "items": length, "description": "PIN lengths." })
    }
}
