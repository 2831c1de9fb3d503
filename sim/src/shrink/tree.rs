//! Plans as trees of JSON: the places in them, and edits after which nothing names what is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What shall stand in some places of a tree, which JSON pointers name. Null stands for nothing.
pub type Edit = Vec<(String, Value)>;

/// All places of a tree with what stands there, parents first.
pub fn places(tree: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect(tree, "", &mut found);
    found
}

fn collect<'a>(tree: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    let below: Vec<(String, &Value)> = match tree {
        Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in below {
        let at = format!("{at}/{step}");
        found.push((at.clone(), value));
        collect(value, &at, found);
    }
}

/// The places where a text or number stands.
pub fn leaves(tree: &Value) -> Vec<(String, &Value)> {
    places(tree).into_iter().filter(|(_, value)| value.is_string() || value.is_number()).collect()
}

/// The last step of the way to a place.
pub fn last(at: &str) -> &str {
    at.rsplit('/').next().unwrap_or_default()
}

/// Whether a place is an element of a list.
pub fn is_element(at: &str) -> bool {
    last(at).bytes().all(|byte| byte.is_ascii_digit())
}

/// The element of a list that a place lies in.
pub fn element_around(at: &str) -> &str {
    let mut whole = at;
    while !is_element(whole) {
        whole = whole.rsplit_once('/').map_or("/0", |(parent, _)| parent);
    }
    whole
}

/// The elements of all lists; lists of numbers are figures.
pub fn elements(tree: &Value) -> Vec<String> {
    places(tree).into_iter().filter(|(at, value)| is_element(at) && !value.is_number()).map(|(at, _)| at).collect()
}

/// The fields that a plan may go without, and some more that the check will defend. What it must come to is no ballast.
pub fn fields(tree: &Value) -> Vec<String> {
    let kept = ["/name", "/about", "/expect", "/expect/verdict"];
    places(tree).into_iter().map(|(at, _)| at).filter(|at| !is_element(at) && !kept.contains(&at.as_str())).collect()
}

/// A list of the plan; one that is not there is empty.
pub fn list<'a>(tree: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    tree.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The names that a plan declares, in the order of declaration.
pub fn declared(tree: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut declare = |name: Option<&Value>| {
        let name = name.and_then(Value::as_str).filter(|name| !names.iter().any(|known| known == name)).map(str::to_owned);
        names.extend(name);
    };
    for owner in ["accounts", "hubs", "devices"].into_iter().flat_map(|owners| list(tree, owners)) {
        declare(owner.get("name"));
    }
    for stored in list(tree, "devices").flat_map(|device| list(device, "memory")) {
        declare(stored.get("owner"));
    }
    for action in list(tree, "steps").filter_map(|step| step.get("do")) {
        declare(action.pointer("/create/code"));
        declare(action.pointer("/pull_backup/as"));
        let several = action.pointer("/create_multiple/codes").and_then(Value::as_object).into_iter().flatten();
        several.filter(|(_, device)| !device.is_null()).for_each(|(code, _)| declare(Some(&code.as_str().into())));
    }
    names
}

/// The tree with other names, wherever they stand.
pub fn renamed(tree: &Value, names: &BTreeMap<String, String>) -> Value {
    let known = |name: &str| names.get(name).cloned();
    // A lock as another workspace sees it has a name of two parts.
    let of_parts = |name: &str| name.split('/').map(|part| known(part).unwrap_or_else(|| part.to_owned())).collect::<Vec<_>>().join("/");
    let new = |name: &String| known(name).unwrap_or_else(|| of_parts(name));
    match tree {
        Value::String(name) => Value::String(new(name)),
        Value::Array(list) => list.iter().map(|value| renamed(value, names)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (new(key), renamed(value, names))).collect(),
        other => other.clone(),
    }
}

/// The tree after some edits, with all that named what is gone.
pub fn edited<'a>(base: &Value, edits: impl IntoIterator<Item = &'a Edit>) -> Value {
    let mut tree = base.clone();
    for (at, to) in edits.into_iter().flatten() {
        let Some((parent, step)) = at.rsplit_once('/') else { continue };
        match tree.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.insert(step.replace("~1", "/").replace("~0", "~"), to.clone())),
            Some(Value::Array(list)) => {
                if let Some(place) = step.parse().ok().and_then(|n: usize| list.get_mut(n)) {
                    *place = to.clone();
                }
            }
            _ => {}
        }
    }
    let names = declared(base);
    // What names something that is gone goes too, and may have declared a name itself.
    loop {
        let left = declared(&tree);
        let lost: BTreeSet<&String> = names.iter().filter(|name| !left.contains(name)).collect();
        let before = tree.clone();
        forget(&mut tree, &lost);
        if tree == before {
            break;
        }
    }
    follow_steps(&mut tree);
    sweep(&mut tree);
    tree
}

/// Empties the elements of lists and the fields that name what is lost. Whether the value itself does.
fn forget(value: &mut Value, lost: &BTreeSet<&String>) -> bool {
    match value {
        Value::String(name) => lost.iter().any(|lost| *lost == name || name.split('/').any(|part| part == *lost)),
        Value::Array(list) => {
            for element in list {
                if forget(element, lost) {
                    *element = Value::Null;
                }
            }
            false
        }
        Value::Object(fields) => {
            fields.iter_mut().filter(|(key, _)| lost.contains(key)).for_each(|(_, value)| *value = Value::Null);
            fields.iter_mut().fold(false, |names, (_, value)| forget(value, lost) || names)
        }
        _ => false,
    }
}

/// A crash inside a step follows its step to its new place in the list, or goes with it.
fn follow_steps(tree: &mut Value) {
    let is_left: Vec<bool> = tree["steps"].as_array().into_iter().flatten().map(|step| !step.is_null()).collect();
    for crash in tree.get_mut("crashes").and_then(Value::as_array_mut).into_iter().flatten() {
        for point in ["/when/in_call/step", "/when/after_reply/step"] {
            let Some(step) = crash.pointer(point).and_then(Value::as_u64).map(|step| step as usize) else { continue };
            if is_left.get(step) == Some(&true) {
                *crash.pointer_mut(point).expect("it was there") = is_left[..step].iter().filter(|is_left| **is_left).count().into();
            } else {
                *crash = Value::Null;
            }
        }
    }
}

/// Takes out what is empty.
fn sweep(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|element| !element.is_null());
            list.iter_mut().for_each(sweep);
        }
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(sweep);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree() -> Value {
        json!({
            "devices": [{ "name": "L1", "memory": [{ "owner": "A" }] }, { "name": "L2" }],
            "steps": [
                { "at": "+1m", "do": { "create": { "code": "B", "on": "L2" } } },
                { "at": "+2m", "do": { "delete": "A" } },
                { "at": "+3m", "do": { "pull_backup": { "of": "B", "as": "C" } } },
                { "at": "+4m", "do": { "delete": "C" } }
            ],
            "crashes": [{ "when": { "in_call": { "step": 1 } } }, { "when": { "after_reply": { "step": 3 } } }],
            "expect": { "end": { "codes": { "A": "gone", "B": "set", "C": "gone" } } }
        })
    }

    fn without(at: &str) -> Value {
        edited(&tree(), [&vec![(at.to_owned(), Value::Null)]])
    }

    #[test]
    fn what_names_the_gone_goes_too() {
        let left = without("/devices/1");
        assert_eq!(declared(&left), ["L1", "A"]);
        assert_eq!(left["steps"], json!([{ "at": "+2m", "do": { "delete": "A" } }]));
        assert_eq!(left["expect"], json!({ "end": { "codes": { "A": "gone" } } }));
        assert_eq!(edited(&tree(), []), tree());
    }

    #[test]
    fn a_crash_follows_its_step() {
        let points = |tree: &Value| list(tree, "crashes").map(|crash| crash["when"].clone()).collect::<Vec<_>>();
        assert_eq!(points(&without("/devices/1")), [json!({ "in_call": { "step": 0 } })]);
        assert_eq!(points(&without("/steps/1")), [json!({ "after_reply": { "step": 2 } })]);
        assert_eq!(points(&without("/steps/0")), [json!({ "in_call": { "step": 0 } })]);
    }

    #[test]
    fn names_change_wherever_they_stand() {
        let names = BTreeMap::from([("A".to_owned(), "guest".to_owned())]);
        let text = renamed(&tree(), &names).to_string();
        assert!(text.matches("guest").count() == 3 && !text.contains("\"A\""), "{text}");
    }

    #[test]
    fn places_with_odd_names_are_found_again() {
        let tree = json!({ "expect": { "codes": { "a~b": "set" } } });
        assert!(places(&tree).iter().all(|(at, value)| tree.pointer(at) == Some(*value)));
    }
}
