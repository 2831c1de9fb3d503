//! The JSON Schema of a scenario file, by which an editor completes and checks it.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::plan::Plan;

/// The schema of a plan, with the conveniences that only files have: `variants` and `repeat`.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.root_schema_for::<Plan>().to_value();
    schema["title"] = json!("Keyway scenario");
    schema["description"] = json!("One story about locks and access codes, and what must be seen in it.");
    schema["properties"]["variants"] = json!({
        "type": "array",
        "description": "Further stories, each this one with a patch (RFC 7396: objects are merged, null removes, all else replaces).",
        "items": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Its name, behind the story's name and a slash." },
                "about": { "type": "string", "description": "How it differs, for a reader." },
                "patch": { "type": "object", "description": "The fields that differ." }
            },
            "required": ["name", "patch"],
            "additionalProperties": false
        }
    });
    // An editor that knows the schema by this field shall not be told off for it.
    schema["properties"]["$schema"] = json!({ "type": "string", "description": "Where this schema is, for editors." });
    let times =
        json!({ "type": "integer", "minimum": 1, "description": "How often; {i} in texts counts from 1, {i:3} with leading zeros." });
    let every = generator.subschema_for::<crate::plan_text::Span>();
    schema["$defs"]["Step"]["properties"]["repeat"] = json!({
        "type": "object",
        "description": "This step again and again.",
        "properties": { "times": times.clone(), "every": every },
        "required": ["times", "every"],
        "additionalProperties": false
    });
    schema["$defs"]["Stored"]["properties"]["repeat"] = json!({
        "type": "object",
        "description": "This entry several times.",
        "properties": { "times": times },
        "required": ["times"],
        "additionalProperties": false
    });
    schema
}
