//! Explains a small story: which of its elements are necessary, whether their order matters, and which values do not.

use keyway_core::time::MINUTE_MS;
use serde::Serialize;
use serde_json::Value;

use super::tree::{Edit, edited, elements, last, leaves};
use super::{gone, lawful, text, tree_of};
use crate::plan::Plan;
use crate::plan_text::Offset;
use crate::verdict::Finding;

/// What is known of one element that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Where it stands, such as `/steps/0`.
    pub place: String,
    /// The element.
    pub element: Value,
    /// Without it the story does not break the same.
    pub is_necessary: bool,
    /// Changing places with the next one in time breaks something else, or nothing; none: there is no next one, or it could not be asked.
    pub order_matters: Option<bool>,
    /// Fields that may as well say something else.
    pub irrelevant: Vec<String>,
}

/// Asks of each element what it does for the finding. Ends early with what it has if `goes_on` says no.
pub fn explain(
    plan: &Plan,
    finding: &Finding,
    find: &dyn Fn(&Plan) -> Option<Finding>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Vec<Explained> {
    let tree = tree_of(plan);
    // None: no lawful plan, or the same one.
    let breaks_same = |edit: &Edit| {
        let changed = lawful(edited(&tree, [edit])).filter(|changed| changed != plan)?;
        Some(find(&changed).is_some_and(|found| found.fingerprint == finding.fingerprint))
    };
    let mut explained = Vec::new();
    for place in elements(&tree) {
        if !goes_on() {
            break;
        }
        let element = tree.pointer(&place).cloned().unwrap_or_default();
        let is_irrelevant = |(at, value): &(String, &Value)| {
            let others = others(plan, at, value);
            let answers: Vec<bool> = others.into_iter().filter_map(|other| breaks_same(&vec![(at.clone(), other)])).collect();
            !answers.is_empty() && answers.into_iter().all(|same| same)
        };
        let within = format!("{place}/");
        let fields = leaves(&tree).into_iter().filter(|(at, _)| at.starts_with(&within) && innermost(&tree, at) == place);
        explained.push(Explained {
            is_necessary: breaks_same(&gone(place.clone())) != Some(true),
            order_matters: exchange(&tree, plan, &place).and_then(|edit| breaks_same(&edit)).map(|same| !same),
            irrelevant: fields.filter(is_irrelevant).map(|(at, _)| at[within.len()..].to_owned()).collect(),
            place,
            element,
        });
    }
    explained
}

/// The innermost element that a place lies in.
fn innermost(tree: &Value, at: &str) -> String {
    let around = elements(tree).into_iter().filter(|place| at.starts_with(&format!("{place}/")));
    around.max_by_key(String::len).unwrap_or_default()
}

/// Other values that would be as good, were the value irrelevant.
fn others(plan: &Plan, at: &str, value: &Value) -> Vec<Value> {
    match (last(at), value) {
        ("pin" | "new_pin", Value::String(pin)) => {
            let shifted = |by: u8| pin.bytes().map(|digit| char::from(b'0' + (digit.wrapping_sub(b'0') + by) % 10)).collect::<String>();
            vec![shifted(3).into(), shifted(4).into()]
        }
        ("on" | "code" | "name" | "owner" | "vendor" | "account" | "hub" | "quirk" | "of" | "as" | "step", _) => vec![],
        (_, Value::Number(number)) => number.as_u64().map_or(vec![], |number| vec![(number + 1).into(), (number + 7).into()]),
        (_, Value::String(_)) => match serde_json::from_value::<Offset>(value.clone()) {
            Ok(offset) => {
                let ms = offset.at(plan.start.0) - plan.start.0;
                [MINUTE_MS, -MINUTE_MS].map(|by| text(&Offset::After((ms + by).max(0)))).to_vec()
            }
            Err(_) => vec![],
        },
        _ => vec![],
    }
}

/// Lets an element and the next one in time change places.
fn exchange(tree: &Value, plan: &Plan, place: &str) -> Option<Edit> {
    let moments = elements(tree).into_iter().filter_map(|place| {
        let at = ["at", "from"].into_iter().map(|field| format!("{place}/{field}")).find(|at| tree.pointer(at).is_some())?;
        let value = tree.pointer(&at)?.clone();
        let ms = serde_json::from_value::<Offset>(value.clone()).ok()?.at(plan.start.0) - plan.start.0;
        Some((ms, place, at, value))
    });
    let mut moments: Vec<_> = moments.collect();
    moments.sort_by_key(|(ms, ..)| *ms);
    let nth = moments.iter().position(|(_, of, ..)| of == place)?;
    let [(_, _, at, value), (_, _, next_at, next_value)] = moments.get(nth..nth + 2)? else { return None };
    (value != next_value).then(|| vec![(at.clone(), next_value.clone()), (next_at.clone(), value.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;
    use crate::scenario;
    use crate::verdict::Verdict;

    #[test]
    fn what_matters_is_told_from_what_does_not() {
        let text = r#"{
            "name": "n", "horizon": "6h", "devices": [{ "name": "L1", "vendor": "generic_slot" }, { "name": "L2", "vendor": "august" }],
            "steps": [
                { "at": "+1m", "do": { "create": { "code": "A", "on": "L1", "pin": "4711" } } },
                { "at": "+2h", "do": { "delete": "A" } }
            ]
        }"#;
        let plan = scenario::parse("n", text).unwrap().remove(0);
        // A code that lives for more than an hour before it is deleted.
        let find = |plan: &Plan| {
            let created = plan.steps.iter().find(|step| matches!(step.action, Action::Create(_)))?;
            let deleted = plan.steps.iter().find(|step| matches!(step.action, Action::Delete(_)))?;
            let long = deleted.at.at(plan.start.0) > created.at.at(plan.start.0) + 60 * MINUTE_MS;
            long.then(|| Finding { verdict: Verdict::Safety, violations: vec![], fingerprint: "long".to_owned() })
        };
        let explained = explain(&plan, &find(&plan).unwrap(), &find, &mut || true);
        let of = |place: &str| explained.iter().find(|explained| explained.place == place).unwrap();
        assert!(of("/devices/0").is_necessary && !of("/devices/1").is_necessary);
        assert_eq!((of("/steps/0").order_matters, of("/steps/1").order_matters), (Some(true), None));
        assert_eq!(of("/steps/0").irrelevant, ["at", "do/create/pin"]);
        assert_eq!(super::explain(&plan, &find(&plan).unwrap(), &find, &mut || false), []);
    }
}
