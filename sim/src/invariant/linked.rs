//! Codes that share one PIN (`I-LNK-01` to `I-LNK-04`).

use std::collections::BTreeMap;

use keyway_core::access_code::{Record, Status};
use keyway_core::id::{CodeId, WorkspaceId};
use keyway_core::pin::Pin;
use keyway_core::request::{BehaviorWhenCodeCannotBeShared, CreateMultiple, Request, Response, UpdateMultiple};

use super::story::{Check, Steps, View};
use super::{Found, Row};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-LNK-01"), Row::of("I-LNK-02"), Row::of("I-LNK-03"), Row::of("I-LNK-04")];

/// The checks of this family.
#[must_use]
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Steps { id: "I-LNK-01", judge: one_pin }),
        Box::new(Steps { id: "I-LNK-02", judge: all_or_none }),
        Box::new(Steps { id: "I-LNK-03", judge: outsiders }),
        Box::new(Steps { id: "I-LNK-04", judge: same_bounds }),
    ]
}

/// The live managed members of a group.
fn members<'a>(view: &View<'a>, workspace: WorkspaceId, key: &'a str) -> impl Iterator<Item = &'a Record> {
    let is_member =
        move |record: &&Record| record.is_managed && record.workspace_id == workspace && record.common_code_key.as_deref() == Some(key);
    view.live_codes().map(|(_, record)| record).filter(is_member)
}

/// I-LNK-01. A change of others is taken over on none of them (`IN-01`).
fn one_pin(view: &View<'_>, found: &mut Found) {
    for record in view.changes().filter_map(|change| change.after).filter(|record| record.is_managed) {
        let Some(key) = record.common_code_key.as_deref() else { continue };
        let mut others = members(view, record.workspace_id, key).filter(|other| other.access_code_id != record.access_code_id).peekable();
        if others.peek().is_some() {
            found.armed("I-LNK-01");
        }
        if let Some(other) = others.find(|other| other.code != record.code) {
            let what = format!("its PIN is another than that of {}, which has the same key", other.access_code_id);
            view.broken(found, "I-LNK-01", record.access_code_id, &what);
        }
    }
}

/// The `create_multiple` call of the step, and what it made; none if it was refused.
fn created<'a>(view: &View<'a>) -> Option<(&'a CreateMultiple, Option<Vec<&'a Record>>)> {
    let (call, Some(reply)) = view.call()? else { return None };
    let Request::CreateMultiple(create) = &call.request else { return None };
    let records = |ids: &[CodeId]| ids.iter().filter_map(|id| view.live(*id)).collect();
    match reply {
        Ok(Response::AccessCodes(ids)) => Some((create, Some(records(ids)))),
        Ok(Response::AccessCode(_) | Response::GeneratedCode(_) | Response::Done) => None,
        Err(_) => Some((create, None)),
    }
}

fn throws(create: &CreateMultiple) -> bool {
    create.behavior_when_code_cannot_be_shared != Some(BehaviorWhenCodeCannotBeShared::CreateRandomCode)
}

/// I-LNK-02.
fn all_or_none(view: &View<'_>, found: &mut Found) {
    let Some((create, records)) = created(view) else { return };
    found.armed("I-LNK-02");
    let what = match &records {
        None => {
            let is_new = |record: &Record| create.device_ids.contains(&record.device_id) && record.is_managed && !record.is_backup;
            let made =
                view.changes().filter(|change| change.before.is_none()).filter_map(|change| change.after).find(|record| is_new(record));
            made.map(|_| "a code was made by a call that was refused")
        }
        Some(records) if records.len() != create.device_ids.len() => Some("not every device has got a code"),
        Some(records) if create.code.is_some() => {
            records.iter().any(|record| record.common_code_key.is_some()).then_some("a PIN that the caller chose has a key")
        }
        Some(records) if throws(create) => {
            let first = records.first().map(|record| (record.code, record.common_code_key.as_deref()));
            let is_shared = records.iter().all(|record| Some((record.code, record.common_code_key.as_deref())) == first);
            let has_key = first.is_some_and(|(_, key)| key.is_some());
            (!is_shared || !has_key).then_some("a group that must share has not one PIN and one key")
        }
        Some(_) => None,
    };
    if let Some(what) = what {
        found.broken("I-LNK-02", format!("create_multiple: {what}"), "a group of linked codes".to_owned());
    }
}

/// I-LNK-03. The PIN of those with a key is the shared one; whoever has another is an outsider.
fn outsiders(view: &View<'_>, found: &mut Found) {
    let Some((create, Some(records))) = created(view) else { return };
    if throws(create) || create.code.is_some() {
        return;
    }
    // Locks whose vendor chooses their PINs share none (`R-48`).
    let mut counts: BTreeMap<Pin, usize> = BTreeMap::new();
    for pin in records.iter().filter_map(|record| record.code) {
        *counts.entry(pin).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    for record in records.iter().filter(|record| record.code.is_none_or(|pin| counts[&pin] < most)) {
        found.armed("I-LNK-03");
        if record.common_code_key.is_some() {
            view.broken(found, "I-LNK-03", record.access_code_id, "it has a key, and not the PIN that the others share");
        }
    }
}

/// I-LNK-04. A member that is already going is left out.
fn same_bounds(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(Ok(_)))) = view.call() else { return };
    let Request::UpdateMultiple(update) = &call.request else { return };
    found.armed("I-LNK-04");
    for record in members(view, call.workspace, &update.common_code_key).filter(|record| record.status != Status::Removing) {
        if differs(update, record) {
            view.broken(found, "I-LNK-04", record.access_code_id, "an update of its group left it with other bounds");
        }
    }
}

fn differs(update: &UpdateMultiple, record: &Record) -> bool {
    let is_other_start = update.starts_at.is_some() && record.starts_at != update.starts_at;
    let is_other_end = update.ends_at.is_some() && record.ends_at != update.ends_at;
    is_other_start || is_other_end
}

#[cfg(test)]
mod tests {
    use keyway_core::event::EventType;
    use keyway_core::time::{HOUR_MS, MINUTE_MS};

    use super::super::story::kit::{breaks, story};
    use crate::judge::testing::{CLOUD, SLOT, Story};
    use crate::occurrence::Occurrence;

    use super::*;

    /// A call that makes codes with these PINs and keys, on one lock and the other in turn.
    fn create(story: &mut Story, when: BehaviorWhenCodeCannotBeShared, codes: &[(&str, Option<&str>)]) -> Vec<Record> {
        let window = story.window(200 * HOUR_MS, 201 * HOUR_MS);
        let records: Vec<Record> = [CLOUD, SLOT]
            .into_iter()
            .cycle()
            .zip(codes)
            .map(|(lock, (digits, key))| Record { common_code_key: key.map(Into::into), ..story.draft(lock, digits, Some(window)) })
            .collect();
        let request = Request::CreateMultiple(CreateMultiple {
            device_ids: records.iter().map(|record| record.device_id).collect(),
            behavior_when_code_cannot_be_shared: Some(when),
            starts_at: Some(window.starts_at),
            ends_at: Some(window.ends_at),
            ..CreateMultiple::default()
        });
        let mut rest: Vec<Occurrence> = records.iter().map(|record| story.emits(record, EventType::Created)).collect();
        rest.push(Occurrence::Saved);
        let ids = records.iter().map(|record| record.access_code_id).collect();
        story.call(request, Response::AccessCodes(ids), rest, records.clone());
        records
    }

    #[test]
    fn a_group_that_shares_is_lawful() {
        let mut story = Story::judged_by_all();
        create(&mut story, BehaviorWhenCodeCannotBeShared::Throw, &[("1234", Some("key")), ("1234", Some("key"))]);
        story.must_hold();
    }

    #[test]
    fn two_pins_of_one_key() {
        let mut story = story();
        let records = create(&mut story, BehaviorWhenCodeCannotBeShared::Throw, &[("1234", Some("key")), ("1234", Some("key"))]);
        story.wait(MINUTE_MS);
        story.change(records[0].access_code_id, |record| record.code = Some("4321".parse().expect("a PIN")));
        breaks(&mut story, "I-LNK-01");
    }

    #[test]
    fn a_group_that_must_share_and_does_not() {
        let mut story = story();
        create(&mut story, BehaviorWhenCodeCannotBeShared::Throw, &[("1234", Some("key")), ("4321", None)]);
        breaks(&mut story, "I-LNK-02");
    }

    #[test]
    fn an_outsider_with_a_key() {
        let mut story = story();
        let codes = [("1234", Some("key")), ("1234", Some("key")), ("4321", Some("other"))];
        create(&mut story, BehaviorWhenCodeCannotBeShared::CreateRandomCode, &codes);
        breaks(&mut story, "I-LNK-03");
    }

    #[test]
    fn a_group_update_that_leaves_a_member_behind() {
        let mut story = story();
        let codes = [("1234", Some("key")), ("1234", Some("key"))];
        let mut records = create(&mut story, BehaviorWhenCodeCannotBeShared::Throw, &codes);
        let ends_at = Some(story.after(3 * HOUR_MS));
        let update = UpdateMultiple { common_code_key: "key".into(), ends_at, ..UpdateMultiple::default() };
        records[0].ends_at = ends_at;
        let changed = story.emits(&records[0], EventType::Changed);
        let first = records.remove(0);
        story.call(Request::UpdateMultiple(update), Response::Done, vec![changed, Occurrence::Saved], vec![first]);
        breaks(&mut story, "I-LNK-04");
    }
}
