//! The API: a refusal changes nothing, an answer agrees with the records, and an accepted PIN is a lawful one (I-API).

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::id::{CodeId, DeviceId, WorkspaceId};
use keyway_core::pin::{Constraint, Lengths, Pin};
use keyway_core::request::{Create, CreateMultiple, Get, List, Request, RequestedCode, Response, Update, UpdateMultiple};
use keyway_core::time::Timestamp;

use super::story::{Check, Steps, View};
use super::{Found, Row};
use super::{refusal, unmanaged};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-API-01"), Row::of("I-API-02"), Row::of("I-API-03")];

/// The checks of this family.
#[must_use]
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Steps { id: "I-API-01", judge: refusals }),
        Box::new(Steps { id: "I-API-02", judge: answers }),
        Box::new(Steps { id: "I-API-03", judge: accepted_pins }),
    ]
}

/// I-API-01. A controller may do what is due in any step of that instant, so what the clock may have brought is granted, and so are
/// commands for codes that were there. Truth can change in the step only by what the step sent. I-EVT-10 has the events, too.
fn refusals(view: &View<'_>, found: &mut Found) {
    let Some((_, Some(Err(refusal)))) = view.call() else { return };
    found.armed("I-API-01");
    if let Some(change) = view.changes().find(|change| !view.may_change_by_clock(change)) {
        found.broken_by("I-API-01", view.history, change.code, format!("its record changed by a call that was refused as {refusal}"));
    }
    let is_active = |device: Option<&DeviceRecord>| device.is_some_and(|device| device.is_backup_pool_active);
    if let Some((lock, ..)) = view.device_changes().find(|(_, before, after)| is_active(*before) != is_active(*after)) {
        view.broken_device(found, "I-API-01", lock, &format!("its pool was switched by a call that was refused as {refusal}"));
    }
    let is_for_nobody = |code: CodeId| view.before(code).is_none() && view.live(code).is_none();
    let mut commands = view.history.step().commands.iter().map(|(command, _)| command);
    if let Some(command) = commands.find(|command| command.for_code.is_some_and(is_for_nobody)) {
        let what = format!("a call that was refused as {refusal} sent {:?} for a code that is not there", command.op.kind());
        found.broken("I-API-01", what, "a refused call".to_owned());
    }
    if let Some(event) = view.emitted().iter().find(|event| !view.may_come_by_clock(event)) {
        let what = format!("{} is told by a call that was refused as {refusal}", event.event_type);
        view.broken(found, "I-API-01", event.access_code_id, &what);
    }
}

/// I-API-02. Where what is due changes records in the step of the call, the answer may be of before or after it.
fn answers(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(reply))) = view.call() else { return };
    let workspace = call.workspace;
    let fault = match (&call.request, reply) {
        (Request::Get(get), Ok(Response::AccessCode(code))) => wrong_get(view, workspace, get, *code),
        (Request::List(list), Ok(Response::AccessCodes(codes))) => wrong_list(view, workspace, list, codes),
        (Request::Create(create), Ok(Response::AccessCode(code))) => wrong_create(view, create, *code),
        (Request::CreateMultiple(create), Ok(Response::AccessCodes(codes))) => wrong_creates(view, create, codes),
        (Request::Update(update), Ok(Response::AccessCode(_) | Response::Done)) => wrong_update(view, update),
        (Request::UpdateMultiple(update), Ok(Response::AccessCodes(_) | Response::Done)) => wrong_updates(view, workspace, update),
        (Request::Delete(delete), Ok(Response::AccessCode(_) | Response::Done)) => wrong_delete(view, delete.access_code_id),
        (Request::PullBackupAccessCode(pull), Ok(Response::AccessCode(code))) => wrong_pull(view, pull.access_code_id, *code),
        (Request::GenerateCode(generate), Ok(Response::GeneratedCode(pin))) => wrong_generated(view, workspace, generate.device_id, *pin),
        (Request::Device(_), Ok(Response::Done)) => None,
        (Request::Unmanaged(request), Ok(response)) => unmanaged::wrong_answer(view, workspace, request, response),
        (_, Err(refusal)) => refusal::wrong_refusal(view, call, *refusal),
        (_, Ok(_)) => Some("the answer has the wrong shape".to_owned()),
    };
    found.armed("I-API-02");
    let overlooked = || refusal::overlooked(view, call).filter(|_| reply.is_ok());
    let what = fault.or_else(|| reads_change(view, &call.request)).or_else(overlooked);
    if let Some(what) = what {
        found.broken("I-API-02", format!("{}: {what}", name_of(&call.request)), format!("a call of {}", name_of(&call.request)));
    }
}

const fn name_of(request: &Request) -> &'static str {
    match request {
        Request::Create(_) => "create",
        Request::CreateMultiple(_) => "create_multiple",
        Request::Update(_) => "update",
        Request::UpdateMultiple(_) => "update_multiple",
        Request::Delete(_) => "delete",
        Request::Get(_) => "get",
        Request::List(_) => "list",
        Request::PullBackupAccessCode(_) => "pull_backup_access_code",
        Request::GenerateCode(_) => "generate_code",
        Request::Unmanaged(_) => "unmanaged",
        Request::Device(_) => "device",
    }
}

fn reads_change(view: &View<'_>, request: &Request) -> Option<String> {
    let reads = match request {
        Request::Unmanaged(request) => request.reads(),
        request => matches!(request, Request::Get(_) | Request::List(_) | Request::GenerateCode(_)),
    };
    let changes = view.changes().any(|change| !view.may_change_by_clock(&change));
    (reads && changes).then(|| "a call that only reads changed something".to_owned())
}

/// The managed record of this workspace, as calls see it: before the step, and after it.
fn visible<'a>(view: &View<'a>, workspace: WorkspaceId, code: CodeId) -> [Option<&'a Record>; 2] {
    let own = |record: &&Record| record.is_managed && record.workspace_id == workspace;
    [view.before(code).filter(own), view.live(code).filter(own)]
}

fn requested(code: Option<&RequestedCode>) -> Option<Pin> {
    match code {
        Some(RequestedCode::Text(text)) => text.parse().ok(),
        Some(RequestedCode::Number(_)) | None => None,
    }
}

fn wrong_get(view: &View<'_>, workspace: WorkspaceId, get: &Get, code: CodeId) -> Option<String> {
    let Some(record) = visible(view, workspace, code).into_iter().flatten().next() else {
        return Some(format!("gave {code}, which is not there"));
    };
    let is_asked = get.access_code_id.is_none_or(|asked| asked == code)
        && get.device_id.is_none_or(|device| device == record.device_id)
        && get.code.as_ref().is_none_or(|pin| requested(Some(pin)) == record.code);
    if !is_asked {
        return Some(format!("gave {code}, which was not asked for"));
    }
    // What may change in this very step is left open.
    let device = get.device_id.filter(|_| get.access_code_id.is_none())?;
    let is_upcoming = |record: &Record| record.starts_at.is_some_and(|starts_at| view.now < starts_at);
    let is_active = |record: &Record| !is_upcoming(record) && record.ends_at.is_none_or(|ends_at| view.now < ends_at);
    let is_sooner = |other: &Record| {
        is_active(other) && !is_active(record) || is_upcoming(other) && is_upcoming(record) && other.starts_at < record.starts_at
    };
    let stays = |code: CodeId| {
        let [before, after] = visible(view, workspace, code);
        before == after && after.is_some_and(|after| after.code == record.code)
    };
    let mut others = view.codes_on(device).map(|(_, other)| other).filter(|other| stays(other.access_code_id));
    others.any(is_sooner).then(|| format!("gave {code}, and another code with this PIN is active or comes sooner"))
}

fn wrong_list(view: &View<'_>, workspace: WorkspaceId, list: &List, codes: &[CodeId]) -> Option<String> {
    let is_asked = |record: &Record| match (list.device_id, &list.access_code_ids) {
        (Some(device), None) => record.device_id == device,
        (None, Some(ids)) => ids.contains(&record.access_code_id),
        (Some(device), Some(ids)) => record.device_id == device && ids.contains(&record.access_code_id),
        (None, None) => false,
    };
    let lists = |wanted: usize| {
        let all = view.history.codes().filter_map(|(_, code)| visible(view, workspace, code.id)[wanted]);
        let mut own: Vec<(Timestamp, CodeId)> =
            all.filter(|record| is_asked(record)).map(|record| (record.created_at, record.access_code_id)).collect();
        own.sort_unstable();
        own.into_iter().map(|(_, code)| code).collect::<Vec<_>>()
    };
    let (before, after) = (lists(0), lists(1));
    if before == codes || after == codes {
        return None;
    }
    Some(format!("gave {} codes, and these are not the {} that there are, in the order of their creation", codes.len(), after.len()))
}

/// it fits the lock, and no record on it has it.
fn wrong_generated(view: &View<'_>, workspace: WorkspaceId, device: DeviceId, pin: Pin) -> Option<String> {
    if view.codes_on(device).any(|(_, record)| record.code == Some(pin)) {
        return Some(format!("gave {pin}, which a code on the device has"));
    }
    let made = Record { code: Some(pin), ..Record::new(CodeId::default(), workspace, device, view.now) };
    wrong_pin(view, &made, Length::Chosen { preferred: None })
}

/// What create calls have in common.
struct Wanted<'a> {
    device: DeviceId,
    pin: Option<&'a RequestedCode>,
    name: Option<&'a String>,
    bounds: (Option<Timestamp>, Option<Timestamp>),
    is_external_modification_allowed: Option<bool>,
    uses_pool: Option<bool>,
}

fn wrong_create(view: &View<'_>, create: &Create, code: CodeId) -> Option<String> {
    let wanted = Wanted {
        device: create.device_id,
        pin: create.code.as_ref(),
        name: create.name.as_ref(),
        bounds: (create.starts_at, create.ends_at),
        is_external_modification_allowed: create.is_external_modification_allowed,
        uses_pool: create.use_backup_access_code_pool,
    };
    let key_differs = |record: &Record| create.common_code_key.is_some() && record.common_code_key != create.common_code_key;
    let kind_differs = |record: &Record| {
        let asked = (create.is_offline_access_code == Some(true), create.is_one_time_use == Some(true));
        (record.is_offline_access_code, record.is_one_time_use) != asked
    };
    wrong_birth(view, &wanted, code).or_else(|| match view.live(code)? {
        record if key_differs(record) => Some("gave another key".to_owned()),
        record if kind_differs(record) => Some("gave a code of another kind".to_owned()),
        _ => None,
    })
}

fn wrong_creates(view: &View<'_>, create: &CreateMultiple, codes: &[CodeId]) -> Option<String> {
    if codes.len() != create.device_ids.len() {
        return Some(format!("gave {} codes for {} devices", codes.len(), create.device_ids.len()));
    }
    create.device_ids.iter().zip(codes).find_map(|(device, code)| {
        let wanted = Wanted {
            device: *device,
            // A device that can't share it may get another.
            pin: None,
            name: create.name.as_ref(),
            bounds: (create.starts_at, create.ends_at),
            is_external_modification_allowed: create.is_external_modification_allowed,
            uses_pool: create.use_backup_access_code_pool,
        };
        wrong_birth(view, &wanted, *code)
    })
}

fn wrong_birth(view: &View<'_>, wanted: &Wanted<'_>, code: CodeId) -> Option<String> {
    let Some(record) = view.live(code) else { return Some(format!("gave {code}, which is not there")) };
    let pin = requested(wanted.pin);
    //
    let has_pool = || view.lock(wanted.device).and_then(|lock| lock.device.as_deref()).is_some_and(|device| device.is_backup_pool_active);
    let what = if view.before(code).is_some() {
        "gave a code that was there before"
    } else if record.device_id != wanted.device {
        "gave a code on another device"
    } else if !record.is_managed || record.is_backup {
        "gave a code that is not the owner's"
    } else if wanted.pin.is_some() && record.code != pin {
        "gave a code with another PIN"
    } else if wanted.name.is_some_and(|name| record.name.as_ref() != Some(name)) {
        "gave a code with another name"
    } else if !record.is_offline_access_code && (record.starts_at, record.ends_at) != wanted.bounds {
        "gave a code with another window"
    } else if record.is_external_modification_allowed != wanted.is_external_modification_allowed.unwrap_or(false) {
        "gave a code with another leave for external changes"
    } else if wanted.uses_pool == Some(true) && !has_pool() {
        "left the pool of its device switched off"
    } else {
        return None;
    };
    Some(what.to_owned())
}

fn wrong_update(view: &View<'_>, update: &Update) -> Option<String> {
    let Some(record) = view.live(update.access_code_id) else { return Some("the updated code is not there".to_owned()) };
    let becomes_ongoing = update.kind == Some(Type::Ongoing);
    let bound_differs = |wanted: Option<Timestamp>, shown: Option<Timestamp>| match wanted {
        _ if becomes_ongoing => shown.is_some(),
        Some(wanted) => shown != Some(wanted),
        None => false,
    };
    let what = if update.code.is_some() && record.code != requested(update.code.as_ref()) {
        "the PIN was not taken over"
    } else if update.name.is_some() && record.name != update.name {
        "the name was not taken over"
    } else if bound_differs(update.starts_at, record.starts_at) || bound_differs(update.ends_at, record.ends_at) {
        "the window was not taken over"
    } else if update.kind.is_some_and(|kind| kind != record.kind) {
        "the type was not taken over"
    } else if update.is_external_modification_allowed.is_some_and(|allowed| allowed != record.is_external_modification_allowed) {
        "the leave for external changes was not taken over"
    } else if update.is_managed.is_some_and(|managed| managed != record.is_managed) {
        "the management was not taken over"
    } else {
        return None;
    };
    Some(what.to_owned())
}

/// A member that is already going, for which the rules say nothing, is left out.
fn wrong_updates(view: &View<'_>, workspace: WorkspaceId, update: &UpdateMultiple) -> Option<String> {
    let is_member = |record: &Record| {
        record.is_managed
            && record.workspace_id == workspace
            && record.status != Status::Removing
            && record.common_code_key.as_ref() == Some(&update.common_code_key)
    };
    let mut members = view.live_codes().map(|(_, record)| record).filter(|record| is_member(record));
    let differs = |record: &Record| {
        update.name.is_some() && record.name != update.name
            || update.starts_at.is_some() && record.starts_at != update.starts_at
            || update.ends_at.is_some() && record.ends_at != update.ends_at
    };
    members.any(differs).then(|| "a member did not take it over".to_owned())
}

fn wrong_delete(view: &View<'_>, code: CodeId) -> Option<String> {
    let status = view.live(code)?.status;
    match status {
        Status::Removing | Status::Unknown => None,
        Status::Set | Status::Setting | Status::Unset => Some(format!("the deleted code is {status}")),
    }
}

fn wrong_pull(view: &View<'_>, original: CodeId, backup: CodeId) -> Option<String> {
    let Some(record) = view.live(original) else { return Some("the original is not there".to_owned()) };
    if view.live(backup).is_none() {
        return Some("the pulled backup is not there".to_owned());
    }
    (record.pulled_backup_access_code_id != Some(backup)).then(|| "the original does not name the backup".to_owned())
}

/// I-API-03. Lengths that the device told later are granted as well as those of its profile.
fn accepted_pins(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(Ok(reply)))) = view.call() else { return };
    let (asked, length, codes): (Option<&RequestedCode>, Length, Vec<CodeId>) = match (&call.request, reply) {
        (Request::Create(create), Response::AccessCode(code)) => {
            // The PIN of a linked group was fixed by its first code.
            let is_own = create.code.is_none() && create.common_code_key.is_none();
            let length = if is_own { Length::Chosen { preferred: create.preferred_code_length } } else { Length::Given };
            (create.code.as_ref(), length, vec![*code])
        }
        (Request::CreateMultiple(create), Response::AccessCodes(codes)) => {
            let length = match create.code {
                None => shared_length(view, codes, create.preferred_code_length),
                Some(_) => Length::Given,
            };
            (create.code.as_ref(), length, codes.clone())
        }
        (Request::Update(update), _) if update.code.is_some() => (update.code.as_ref(), Length::Given, vec![update.access_code_id]),
        _ => return,
    };
    found.armed("I-API-03");
    if let Some(what) = asked.and_then(wrong_form) {
        found.broken("I-API-03", format!("{} took {what}", name_of(&call.request)), format!("a call of {}", name_of(&call.request)));
    }
    for record in codes.into_iter().filter_map(|code| view.live(code)) {
        if let Some(what) = wrong_pin(view, record, length) {
            view.broken(found, "I-API-03", record.access_code_id, &what);
        }
    }
}

/// A requested PIN is a string of 4 to 9 digits, never a number (`F-24`).
pub fn wrong_form(code: &RequestedCode) -> Option<String> {
    match code {
        RequestedCode::Number(number) => Some(format!("the number {number} as a PIN")),
        RequestedCode::Text(text) => {
            let fits = text.parse::<Pin>().is_ok_and(|pin| (4..=9).contains(&pin.length()));
            (!fits).then(|| format!("{text:?} as a PIN"))
        }
    }
}

/// Where the length of a PIN comes from.
#[derive(Clone, Copy)]
enum Length {
    /// From the caller, or from other devices that share the PIN.
    Given,
    /// It was generated for this device alone.
    Chosen { preferred: Option<u8> },
    /// It was generated for all devices that can share it, which take these lengths.
    Shared { preferred: Option<u8>, lengths: Lengths },
}

/// The length of a PIN for all codes with a key; none in particular where one of their locks lately took others.
fn shared_length(view: &View<'_>, codes: &[CodeId], preferred: Option<u8>) -> Length {
    let records = || codes.iter().filter_map(|code| view.live(*code)).filter(|record| record.common_code_key.is_some());
    if records().any(|record| view.story.took_other_lengths(record.device_id, view.history)) {
        return Length::Given;
    }
    let lengths = records().filter_map(|record| Some(view.lock(record.device_id)?.told_lengths()));
    Length::Shared { preferred, lengths: lengths.reduce(Lengths::and).unwrap_or_default() }
}

fn wrong_pin(view: &View<'_>, record: &Record, length: Length) -> Option<String> {
    let (pin, lock) = (record.code?, view.lock(record.device_id)?);
    let profile = &lock.facts.profile;
    if view.story.took_other_lengths(record.device_id, view.history) || record.is_offline_access_code {
        return None;
    }
    let lengths = lock.told_lengths();
    if !lengths.contains(pin.length()) {
        return Some(format!("got {pin}, which has a length that its lock does not take"));
    }
    if let Some(constraint) = profile.constraints.iter().find(|constraint| !obeys(pin, **constraint)) {
        return Some(format!("got {pin}, which breaks {constraint:?}"));
    }
    let (preferred, lengths) = match length {
        Length::Given => return None,
        Length::Shared { preferred, lengths } if record.common_code_key.is_some() => (preferred, lengths),
        Length::Chosen { preferred } | Length::Shared { preferred, .. } => (preferred, lengths),
    };
    let wanted = preferred.filter(|length| lengths.contains(*length)).or(lengths.shortest());
    (wanted != Some(pin.length())).then(|| format!("was given {pin}, which has not the length of {} digits", wanted.unwrap_or_default()))
}

/// Whether a PIN satisfies a constraint (lifecycle 5.1): the judge's own reading of it.
#[must_use]
pub fn obeys(pin: Pin, constraint: Constraint) -> bool {
    let digits: Vec<u8> = pin.digits().collect();
    let steps = || digits.windows(2).map(|pair| i16::from(pair[1]) - i16::from(pair[0]));
    let distinct = |digits: &[u8]| (0..=9).filter(|digit| digits.contains(digit)).count();
    let runs = |step: i16| digits.windows(4).any(|run| run.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step));
    match constraint {
        Constraint::NoZeros => !digits.contains(&0),
        Constraint::CannotStartWith12 => !digits.starts_with(&[1, 2]),
        Constraint::NoTripleConsecutiveInts => !(runs(0) || runs(1) || runs(-1)),
        Constraint::NoAscendingOrDescendingSequence => {
            digits.len() < 2 || !(steps().all(|step| step == 1) || steps().all(|step| step == -1))
        }
        Constraint::AtLeastThreeUniqueDigits => distinct(&digits) >= 3,
        Constraint::CannotContain089 => !digits.iter().any(|digit| matches!(digit, 0 | 8 | 9)),
        Constraint::CannotContain0789 => !digits.iter().any(|digit| matches!(digit, 0 | 7..=9)),
        Constraint::UniqueFirstFourDigits => {
            let first = &digits[..digits.len().min(4)];
            distinct(first) == first.len()
        }
        Constraint::NoAllSameDigits => distinct(&digits) > 1,
        // Not about the digits.
        Constraint::CannotSpecifyPinCode
        | Constraint::PinCodeMatchesExistingSet
        | Constraint::StartDateInFuture
        | Constraint::NameLength { .. }
        | Constraint::NameMustBeUnique => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::kit::{breaks, story};
    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, pin};
    use crate::occurrence::Occurrence;
    use keyway_core::id::CallId;
    use keyway_core::request::{Delete, Refusal};

    fn call(story: &mut Story, request: Request, result: Result<Response, Refusal>, rest: Vec<Occurrence>) {
        let call_id = CallId(story.number());
        let mut occurrences = vec![Occurrence::Replied { call_id, result }];
        occurrences.extend(rest);
        story.step(Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request }, occurrences);
    }

    #[test]
    fn a_generated_pin_is_no_codes() {
        let mut story = story();
        story.confirmed(CLOUD, "1234", None);
        let request = Request::GenerateCode(keyway_core::request::GenerateCode { device_id: story.device(CLOUD) });
        call(&mut story, request, Ok(Response::GeneratedCode(pin("1234"))), Vec::new());
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_code_of_another_kind_than_asked_for_is_found() {
        let mut story = story();
        let record = story.draft(CLOUD, "1234", None);
        let id = record.access_code_id;
        let Request::Create(create) = Story::create_request(&record) else { unreachable!() };
        let request = Request::Create(Create { is_one_time_use: Some(true), ..create });
        story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], vec![record]);
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_pool_that_was_asked_for_and_is_off_is_found() {
        let mut story = story();
        let window = Some(story.window(60_000, 3_600_000));
        let record = story.draft(CLOUD, "1234", window);
        let id = record.access_code_id;
        let Request::Create(create) = Story::create_request(&record) else { unreachable!() };
        let request = Request::Create(Create { use_backup_access_code_pool: Some(true), ..create });
        story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], vec![record]);
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_shared_pin_has_the_length_that_all_locks_take() {
        let mut story = story();
        let mut records = [CLOUD, SLOT].map(|lock| story.draft(lock, "123456", None));
        for record in &mut records {
            record.common_code_key = Some("key".to_owned());
        }
        let device_ids = records.iter().map(|record| record.device_id).collect();
        let ids = records.iter().map(|record| record.access_code_id).collect();
        let request = Request::CreateMultiple(CreateMultiple { device_ids, preferred_code_length: Some(5), ..CreateMultiple::default() });
        story.call(request, Response::AccessCodes(ids), vec![Occurrence::Saved], records.into());
        breaks(&mut story, "I-API-03");
    }

    #[test]
    fn of_two_codes_with_a_pin_the_active_one_is_given() {
        let mut story = story();
        let (soon, later) = (story.window(3_600_000, 7_200_000), story.window(72_000_000, 80_000_000));
        let ids = [later, soon].map(|window| story.code(SLOT, "1234", Some(window), Status::Unset));
        let request = Request::Get(Get { device_id: Some(story.device(SLOT)), code: Some(pin("1234").into()), ..Get::default() });
        call(&mut story, request.clone(), Ok(Response::AccessCode(ids[1])), Vec::new());
        story.must_hold();
        call(&mut story, request, Ok(Response::AccessCode(ids[0])), Vec::new());
        breaks(&mut story, "I-API-02");
    }

    fn get(code: CodeId) -> Request {
        Request::Get(Get { access_code_id: Some(code), ..Get::default() })
    }

    #[test]
    fn lawful_calls_break_nothing() {
        let mut story = Story::judged_by_all();
        let id = story.confirmed(SLOT, "1234", None);
        call(&mut story, get(id), Ok(Response::AccessCode(id)), Vec::new());
        call(&mut story, get(CodeId(9_999)), Err(Refusal::AccessCodeNotFound), Vec::new());
        let device_id = Some(story.record(id).device_id);
        let list = Request::List(List { device_id, access_code_ids: None });
        call(&mut story, list, Ok(Response::AccessCodes(vec![id])), Vec::new());
        call(&mut story, Request::Delete(Delete::default()), Err(Refusal::AccessCodeNotFound), Vec::new());
        story.must_hold();
    }

    #[test]
    fn a_refused_call_that_changes_something_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let mut record = story.record(id).clone();
        record.name = Some("other".to_owned());
        let shows = story.shows(record);
        let request = Request::Update(Update { access_code_id: id, code: Some(RequestedCode::Number(1_234)), ..Update::default() });
        call(&mut story, request, Err(Refusal::InvalidInput), vec![shows]);
        breaks(&mut story, "I-API-01");
    }

    #[test]
    fn a_tombstone_that_is_given_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let place = story.place_of(id);
        story.delete(id);
        story.erase(id, place);
        story.drop_record(id);
        call(&mut story, get(id), Ok(Response::AccessCode(id)), Vec::new());
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_list_that_leaves_one_out_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let device_id = Some(story.record(id).device_id);
        let list = Request::List(List { device_id, access_code_ids: None });
        call(&mut story, list, Ok(Response::AccessCodes(Vec::new())), Vec::new());
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn an_update_that_is_granted_and_not_done_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let request = Request::Update(Update { access_code_id: id, code: Some(pin("5678").into()), ..Update::default() });
        call(&mut story, request, Ok(Response::AccessCode(id)), Vec::new());
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_pin_that_the_lock_does_not_take_is_found() {
        let mut story = story();
        story.code(CLOUD, "123456789012", None, Status::Setting);
        breaks(&mut story, "I-API-03");
    }

    #[test]
    fn each_constraint_is_read_as_the_vendor_means_it() {
        let cases = [
            (Constraint::NoZeros, "1234", "1034"),
            (Constraint::CannotStartWith12, "2134", "1234"),
            (Constraint::NoTripleConsecutiveInts, "1235", "91234"),
            (Constraint::NoTripleConsecutiveInts, "1112", "1111"),
            (Constraint::NoAscendingOrDescendingSequence, "1235", "9876"),
            (Constraint::AtLeastThreeUniqueDigits, "1123", "1122"),
            (Constraint::CannotContain089, "1237", "1238"),
            (Constraint::CannotContain0789, "1236", "1237"),
            (Constraint::UniqueFirstFourDigits, "12344", "12324"),
            (Constraint::NoAllSameDigits, "1112", "1111"),
        ];
        for (constraint, good, bad) in cases {
            assert!(obeys(pin(good), constraint), "{constraint:?} {good}");
            assert!(!obeys(pin(bad), constraint), "{constraint:?} {bad}");
        }
    }
}
