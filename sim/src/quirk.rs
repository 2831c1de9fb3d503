//! Quirks in plans: the world's names, with a schema that lists them.

use std::borrow::Cow;
use std::ops::Deref;

use keyway_core::world::quirk;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A named misbehaviour of the world (port.md 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quirk(pub quirk::Quirk);

impl Deref for Quirk {
    type Target = quirk::Quirk;
    fn deref(&self) -> &quirk::Quirk {
        &self.0
    }
}

impl JsonSchema for Quirk {
    fn schema_name() -> Cow<'static, str> {
        "Quirk".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = quirk::Quirk::ALL.iter().map(|quirk| quirk.name()).collect();
        json_schema!({ "type": "string", "enum": names, "description": "A named misbehaviour of the world." })
    }
}
