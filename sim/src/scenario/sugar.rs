//! What a scenario file may say more briefly than a plan: variants of one story, and elements that repeat.

use super::bad_input::Problem;
use super::node::{Field, Kind, Node};
use crate::plan_text::{Offset, Span};
use keyway_core::time::Timestamp;

/// More repetitions than this are a slip of the pen.
const TIMES_MAX: u64 = 10_000;

/// The stories of one file: the one it tells, and one for each of its variants.
pub fn stories(mut root: Node) -> Result<Vec<Node>, Problem> {
    root.take("$schema");
    let variants = root.take("variants");
    let mut stories = vec![root];
    for variant in variants.map_or(Ok(Vec::new()), |field| list(field.value, "a list of variants"))? {
        let story = varied(&stories[0], variant)?;
        stories.push(story);
    }
    for story in &mut stories {
        repeat_in(story)?;
    }
    Ok(stories)
}

fn list(node: Node, expected: &str) -> Result<Vec<Node>, Problem> {
    match node.kind {
        Kind::List(list) => Ok(list),
        Kind::Plain(_) | Kind::Text(_) | Kind::Object(_) => Err(Problem::at(node.bytes, format!("expected {expected}"))),
    }
}

/// The story with a variant's patch, under the name `story/variant`.
fn varied(story: &Node, mut variant: Node) -> Result<Node, Problem> {
    let bytes = variant.bytes.clone();
    if variant.fields().is_none() {
        return Err(Problem::at(bytes, "expected a variant: an object with `name` and `patch`"));
    }
    let name = variant.take("name").ok_or_else(|| Problem::at(bytes.clone(), "a variant without `name`"))?;
    let patch = variant.take("patch").ok_or_else(|| Problem::at(bytes, "a variant without `patch`"))?;
    variant.take("about");
    if let Some(stray) = variant.fields().and_then(<[Field]>::first) {
        return Err(Problem::unknown_word("field", &stray.key, &["name", "about", "patch"], stray.key_bytes.clone()));
    }
    let Kind::Text(variant_name) = &name.value.kind else {
        return Err(Problem::at(name.value.bytes, "expected the variant's name, in words joined by hyphens"));
    };
    if patch.value.fields().is_none() {
        return Err(Problem::at(patch.value.bytes, "expected an object: the fields that differ"));
    }
    let mut story = story.clone();
    merge(&mut story, patch.value);
    if let Kind::Object(fields) = &mut story.kind
        && let Some(field) = fields.iter_mut().find(|field| field.key == "name")
        && let Kind::Text(text) = &mut field.value.kind
    {
        *text = format!("{text}/{variant_name}");
        field.value.bytes = name.value.bytes;
    }
    Ok(story)
}

/// RFC 7396: objects are merged field by field, `null` removes a field, everything else replaces.
fn merge(target: &mut Node, patch: Node) {
    let bytes = patch.bytes.clone();
    let Kind::Object(changes) = patch.kind else {
        *target = patch;
        return;
    };
    if target.fields().is_none() {
        *target = Node { bytes, kind: Kind::Object(Vec::new()) };
    }
    for change in changes {
        let Kind::Object(fields) = &mut target.kind else { return };
        let at = fields.iter().position(|field| field.key == change.key);
        let removes = matches!(change.value.kind, Kind::Plain(serde_json::Value::Null));
        match (at, removes) {
            (Some(at), true) => {
                fields.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => {
                if change.value.fields().is_none() {
                    fields[at].key_bytes = change.key_bytes;
                }
                merge(&mut fields[at].value, change.value);
            }
            (None, false) => {
                let mut value = Node { bytes: change.value.bytes.clone(), kind: Kind::Object(Vec::new()) };
                merge(&mut value, change.value);
                fields.push(Field { key: change.key, key_bytes: change.key_bytes, value });
            }
        }
    }
}

/// Expands what repeats: steps, and what lies in a memory.
fn repeat_in(story: &mut Node) -> Result<(), Problem> {
    let start = start_of(story);
    let Kind::Object(fields) = &mut story.kind else { return Ok(()) };
    for field in fields {
        match (field.key.as_str(), &mut field.value.kind) {
            ("steps", Kind::List(steps)) => *steps = expanded(std::mem::take(steps), Some(start))?,
            ("devices", Kind::List(devices)) => {
                for device in devices {
                    if let Kind::Object(fields) = &mut device.kind
                        && let Some(memory) = fields.iter_mut().find(|field| field.key == "memory")
                        && let Kind::List(entries) = &mut memory.value.kind
                    {
                        *entries = expanded(std::mem::take(entries), None)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The start of the plan, for shifting absolute times; a bad one is refused later.
fn start_of(story: &Node) -> Timestamp {
    let text = story.field("start").map(|field| field.value.to_value());
    text.and_then(|value| serde_json::from_value::<crate::plan_text::Start>(value).ok()).unwrap_or_default().0
}

/// `times` copies of each element that has a `repeat`; those of steps `every` so long. `{i}` counts from 1, `{i:3}` with leading zeros.
fn expanded(elements: Vec<Node>, start: Option<Timestamp>) -> Result<Vec<Node>, Problem> {
    let mut all = Vec::with_capacity(elements.len());
    for mut element in elements {
        let Some(repeat) = element.take("repeat") else {
            all.push(element);
            continue;
        };
        let (times, every_ms) = repeat_of(&repeat.value, start.is_some())?;
        for i in 1..=times {
            let mut copy = element.clone();
            fill_in(&mut copy, i);
            if let Some(start) = start {
                shift(&mut copy, start, every_ms * (i as i64 - 1));
            }
            all.push(copy);
        }
    }
    Ok(all)
}

fn repeat_of(repeat: &Node, in_time: bool) -> Result<(u64, i64), Problem> {
    let bytes = repeat.bytes.clone();
    let expected = if in_time { r#"expected a repetition such as { "times": 6, "every": "10m" }"# } else { r#"expected { "times": 6 }"# };
    let Some(fields) = repeat.fields() else { return Err(Problem::at(bytes, expected)) };
    let known: &[&str] = if in_time { &["times", "every"] } else { &["times"] };
    if let Some(stray) = fields.iter().find(|field| !known.contains(&field.key.as_str())) {
        return Err(Problem::unknown_word("field", &stray.key, known, stray.key_bytes.clone()));
    }
    let times = repeat.field("times").ok_or_else(|| Problem::at(bytes.clone(), format!("missing field `times`; {expected}")))?;
    let count = times.value.to_value().as_u64().filter(|count| (1..=TIMES_MAX).contains(count));
    let count = count.ok_or_else(|| Problem::at(times.value.bytes.clone(), format!("expected a number from 1 to {TIMES_MAX}")))?;
    if !in_time {
        return Ok((count, 0));
    }
    let every = repeat.field("every").ok_or_else(|| Problem::at(bytes, format!("missing field `every`; {expected}")))?;
    let span = serde_json::from_value::<Span>(every.value.to_value());
    span.map(|span| (count, span.0)).map_err(|wrong| Problem::at(every.value.bytes.clone(), wrong.to_string()))
}

/// Moves a step's `at`, and the `until` of what it does; times that are no times are refused later.
fn shift(step: &mut Node, start: Timestamp, by_ms: i64) {
    for path in [&["at"][..], &["do", "enter_repeatedly", "until"]] {
        if let Some(node) = descend(step, path)
            && let Ok(at) = serde_json::from_value::<Offset>(node.to_value())
        {
            let moved = match at {
                Offset::After(ms) => Offset::After(ms + by_ms),
                Offset::Instant(_) => Offset::Instant(at.at(start) + by_ms),
            };
            node.kind = Kind::Text(moved.to_string());
        }
    }
}

fn descend<'a>(node: &'a mut Node, path: &[&str]) -> Option<&'a mut Node> {
    let Some((key, rest)) = path.split_first() else { return Some(node) };
    let Kind::Object(fields) = &mut node.kind else { return None };
    descend(&mut fields.iter_mut().find(|field| field.key == *key)?.value, rest)
}

fn fill_in(node: &mut Node, i: u64) {
    match &mut node.kind {
        Kind::Plain(_) => {}
        Kind::Text(text) => *text = filled(text, i),
        Kind::List(list) => list.iter_mut().for_each(|element| fill_in(element, i)),
        Kind::Object(fields) => {
            for field in fields {
                field.key = filled(&field.key, i);
                fill_in(&mut field.value, i);
            }
        }
    }
}

fn filled(text: &str, i: u64) -> String {
    let mut text = text.replace("{i}", &i.to_string());
    for width in 1..=9 {
        let sign = format!("{{i:{width}}}");
        if text.contains(&sign) {
            text = text.replace(&sign, &format!("{i:0width$}"));
        }
    }
    text
}
