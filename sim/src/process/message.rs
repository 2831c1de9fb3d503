//! The messages between Keyway and a controller that is a process: one JSON object a line, each question answered by one line.

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::config::Config;
use keyway_core::controller::{Input, Output};
use keyway_core::time::Timestamp;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A question to the controller.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question<'a> {
    /// The first message: a controller begins, for the first time or again after a crash.
    Start {
        /// The virtual time.
        now: Timestamp,
        /// All that is known before the first step.
        config: &'a Config,
        /// The text of the last save; null for a controller that begins anew.
        durable: Option<&'a str>,
    },
    /// One step: an input at its time.
    Step {
        /// The virtual time.
        now: Timestamp,
        /// What happens.
        input: &'a Input,
        /// Whether the text of saves is wanted; where not, `{"save": ""}` will do.
        keeps_saves: bool,
    },
    /// Show every access code and every device as the API would now. It changes nothing and has no outputs.
    Show {},
}

/// The answer to a question. What is absent is empty.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// To a step: what the controller does, in order.
    pub outputs: Vec<Output>,
    /// When it wants to be woken; absent or null: not before another input.
    pub wake_at: Option<Timestamp>,
    /// To a step: the record of each code that an output `changed` names, as it is after the step; one that is missing is gone. To `show`: all records.
    pub access_codes: Vec<Record>,
    /// To a step: each device that an output `changed_device` names. To `show`: all devices.
    pub devices: Vec<DeviceRecord>,
}

/// The JSON Schema of both directions: `$defs/Question` is what a controller reads, `$defs/Reply` what it writes.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let question = generator.subschema_for::<Question>();
    let reply = generator.subschema_for::<Reply>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Keyway messages",
        "description": "What Keyway and a controller that is a process say to each other: each a JSON object in one line.",
        "anyOf": [question, reply],
        "$defs": generator.take_definitions(true),
    })
}
