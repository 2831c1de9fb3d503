//! One lock in several workspaces: one of them manages an entry (`I-WS-01`), and none sees the codes of another but as nobody's (`I-WS-02`).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::Record;
use keyway_core::id::{CodeId, WorkspaceId};
use keyway_core::port::Place;
use keyway_core::problem::WarningCode;
use keyway_core::request::{Request, Response};
use keyway_core::time::Timestamp;

use super::alarms::touched;
use super::unmanaged::conversions;
use super::{Found, Interests, Invariant, Row};
use crate::history::{CodeIx, History};
use crate::occurrence::{Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-WS-01"), Row::of("I-WS-02")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::<OneManager>::default(), Box::new(NobodyElse)]
}

fn is_managed(history: &History, code: CodeIx) -> bool {
    history.code(code).record.as_deref().is_some_and(|record| record.is_managed)
}

/// `I-WS-01`. That a take-over was forced is part of it (`R-44`); that nothing is sent for the former manager's record afterwards is `I-STA-14` too.
#[derive(Default)]
struct OneManager {
    /// Codes whose conversion was asked for with force.
    forced: BTreeSet<CodeId>,
    /// Codes whose entries other workspaces took over.
    taken: BTreeSet<CodeIx>,
}

impl OneManager {
    /// The codes that the workspaces of a lock manage at each of its places.
    fn managers(history: &History, lock: Lock) -> BTreeMap<Place, Vec<CodeIx>> {
        let mut managers: BTreeMap<Place, Vec<CodeIx>> = BTreeMap::new();
        for view in history.views(lock) {
            for (place, stored) in &history.lock(*view).memory {
                managers.entry(*place).or_default().extend(stored.code.filter(|code| is_managed(history, *code)));
            }
        }
        managers
    }

    /// The former manager's code at the place of one that is converted in this step.
    fn former(history: &History, code: CodeIx) -> Option<CodeIx> {
        let lock = history.code(code).lock?;
        let place = history.code(code).places.first()?;
        let views = history.views(lock).iter().filter(|view| **view != lock);
        let at_place = views.filter_map(|view| history.lock(*view).memory.get(place)?.code);
        let was_managed = |code: &CodeIx| history.previous(*code).is_some_and(|record| record.is_managed);
        at_place.into_iter().find(was_managed)
    }

    fn end_step(&mut self, history: &History, found: &mut Found) {
        for (code, _, after) in conversions(history) {
            let Some(former) = Self::former(history, code) else { continue };
            found.armed("I-WS-01");
            let says = |record: &Record| record.warnings.iter().any(|entry| entry.warning_code == WarningCode::ManagementTransferred);
            let record = history.code(former).record.as_deref();
            if !self.forced.contains(&after.access_code_id) {
                found.broken_by("I-WS-01", history, code, "is taken from another workspace, and force was not asked for");
            } else if !record.is_some_and(says) {
                found.broken_by("I-WS-01", history, former, "is taken over by another workspace, and does not say so");
            }
            self.taken.insert(former);
        }
        for (command, _) in &history.step().commands {
            let Some(code) = command.for_code.and_then(|code| history.find_code(code)) else { continue };
            let erases = history.code(code).acked.is_erasure_asked;
            if self.taken.contains(&code) && command.op.is_mutating() && !is_managed(history, code) && !erases {
                found.broken_by("I-WS-01", history, code, "is another workspace's by now, and is written");
            }
        }
    }
}

impl Invariant for OneManager {
    fn ids(&self) -> &'static [&'static str] {
        &["I-WS-01"]
    }

    fn interests(&self) -> Interests {
        Interests::CALLED.and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Called { request: Request::Unmanaged(request), .. } if request.is_forced() => {
                self.forced.extend(request.converts());
            }
            Occurrence::StepEnded => self.end_step(history, found),
            _ => {}
        }
    }

    fn settled(&mut self, history: &History, _now: Timestamp, found: &mut Found) {
        for lock in touched(history) {
            Self::judge(history, lock, found);
        }
    }

    fn full(&self, history: &History, _now: Timestamp, found: &mut Found) {
        for (lock, _) in history.locks() {
            Self::judge(history, lock, found);
        }
    }
}

impl OneManager {
    fn judge(history: &History, lock: Lock, found: &mut Found) {
        // Further views of a lock stand after all locks.
        if history.facts().locks.last().is_none_or(|facts| facts.view_of.is_none()) {
            return;
        }
        for (place, codes) in Self::managers(history, lock) {
            if let [code, _, ..] = codes[..] {
                found.broken_by("I-WS-01", history, code, format!("lies at {place:?}, and another workspace manages that entry too"));
            }
        }
    }
}

/// `I-WS-02`. That what another workspace manages is listed as nobody's is `I-UNM-02`; here, that it is given to nobody in any other way: no answer and no event of one
/// workspace names a code of another, and no call changes one.
struct NobodyElse;

impl NobodyElse {
    fn owner(history: &History, code: CodeId) -> Option<WorkspaceId> {
        let code = history.find_code(code)?;
        history.code(code).record.as_deref().or(history.previous(code)).map(|record| record.workspace_id)
    }

    /// The codes that an ok answer gives away or stands for.
    fn codes(request: &Request, response: &Response) -> Vec<CodeId> {
        match response {
            Response::AccessCode(code) => vec![*code],
            Response::AccessCodes(codes) => codes.clone(),
            Response::GeneratedCode(_) | Response::Done => request.target().0.into_iter().collect(),
        }
    }
}

impl Invariant for NobodyElse {
    fn ids(&self) -> &'static [&'static str] {
        &["I-WS-02"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        if history.facts().config.workspaces.len() < 2 || !history.is_transition() {
            return;
        }
        for (call, result) in &history.step().replies {
            let (Some(call), Ok(response)) = (history.call(*call), result) else { continue };
            for code in Self::codes(&call.request, response) {
                found.armed("I-WS-02");
                if Self::owner(history, code).is_some_and(|owner| owner != call.workspace)
                    && let Some(code) = history.find_code(code)
                {
                    found.broken_by("I-WS-02", history, code, "is given to a caller of another workspace");
                }
            }
        }
        for event in &history.step().events {
            let owner = Self::owner(history, event.access_code_id);
            if owner.is_some_and(|owner| owner != event.workspace_id)
                && let Some(code) = history.find_code(event.access_code_id)
            {
                found.broken_by("I-WS-02", history, code, format!("{} is told to another workspace", event.event_type));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::access_code::Status;
    use keyway_core::config::AccountConfig;
    use keyway_core::event::EventType;
    use keyway_core::id::{AccountId, CallId, DeviceId};
    use keyway_core::problem::WarningEntry;
    use keyway_core::request::unmanaged::{ConvertToManaged, UnmanagedRequest};
    use keyway_core::request::{Delete, Get};
    use keyway_core::time::MINUTE_MS;
    use keyway_core::vendor::Vendor;

    use super::*;
    use crate::judge::testing::{CLOUD, Story, entry};
    use crate::occurrence::{LockFacts, Origin};

    /// The cloud lock once more, as another workspace sees it.
    const AGENCY: Lock = Lock(2);

    fn story() -> Story {
        Story::with(checkers(), |facts| {
            let (account, workspace) = (AccountId::numbered(2), WorkspaceId::numbered(1));
            facts.config.workspaces.push(workspace);
            facts.config.accounts.push(AccountConfig { account, workspace, vendor: Vendor::GenericCloud, zone: None });
            let device = DeviceId::of(account, "cloud");
            facts.locks.push(LockFacts { device, account, view_of: Some(CLOUD), ..facts.locks[0].clone() });
        })
    }

    /// An owner's code, and the record that the other workspace has of its entry.
    fn seen_twice(story: &mut Story) -> (CodeId, CodeId) {
        let owners = story.confirmed(CLOUD, "4711", None);
        let place = story.place_of(owners);
        story.world_stores(AGENCY, place, entry("4711", Origin::Other));
        let mut record = story.draft(AGENCY, "4711", None);
        (record.is_managed, record.status, record.workspace_id) = (false, Status::Set, WorkspaceId::numbered(1));
        let agencys = record.access_code_id;
        let found = [story.emits(&record, EventType::UnmanagedCreated), Occurrence::Saved, story.shows(record)];
        story.step(Occurrence::Woken, found.into());
        story.wait(MINUTE_MS);
        (owners, agencys)
    }

    fn asks(story: &mut Story, code: CodeId, force: bool) {
        let convert = ConvertToManaged { access_code_id: code, force: Some(force), ..ConvertToManaged::default() };
        let request = Request::Unmanaged(UnmanagedRequest::ConvertToManaged(convert));
        call(story, 1, request, Response::AccessCode(code));
    }

    fn call(story: &mut Story, workspace: u32, request: Request, response: Response) {
        let call_id = CallId(story.number());
        let replied = Occurrence::Replied { call_id, result: Ok(response) };
        story.step(Occurrence::Called { call_id, workspace: WorkspaceId::numbered(workspace), request }, vec![Occurrence::Saved, replied]);
    }

    /// The conversion, with what becomes of the owner's record.
    fn takes_over(story: &mut Story, (owners, agencys): (CodeId, CodeId), change: impl FnOnce(&mut Record)) {
        let (place, mut record) = (story.place_of(owners), story.record(agencys).clone());
        record.is_managed = true;
        let mut former = story.record(owners).clone();
        change(&mut former);
        let told = story.emits(&record, EventType::UnmanagedConvertedToManaged);
        let claimed = Occurrence::Claimed { lock: AGENCY, place, code: agencys };
        let shows = [story.shows(former), story.shows(record)];
        story.step(Occurrence::Woken, [vec![told, Occurrence::Saved, claimed], shows.into()].concat());
    }

    fn hand_over(record: &mut Record) {
        record.is_managed = false;
        let created_at = record.created_at;
        record.warnings.push(WarningEntry { warning_code: WarningCode::ManagementTransferred, created_at });
    }

    #[test]
    fn a_forced_take_over_leaves_one_manager() {
        let mut story = story();
        let codes = seen_twice(&mut story);
        asks(&mut story, codes.1, true);
        takes_over(&mut story, codes, hand_over);
        story.must_hold();
    }

    #[test]
    fn two_workspaces_manage_no_entry_together() {
        let mut story = story();
        let codes = seen_twice(&mut story);
        asks(&mut story, codes.1, true);
        takes_over(&mut story, codes, |_| {});
        story.must_break("I-WS-01");
    }

    #[test]
    fn the_former_manager_is_told() {
        let mut story = story();
        let codes = seen_twice(&mut story);
        asks(&mut story, codes.1, true);
        takes_over(&mut story, codes, |record| record.is_managed = false);
        story.must_break("I-WS-01");
    }

    #[test]
    fn nothing_is_taken_over_without_force() {
        let mut story = story();
        let codes = seen_twice(&mut story);
        asks(&mut story, codes.1, false);
        takes_over(&mut story, codes, hand_over);
        story.must_break("I-WS-01");
    }

    #[test]
    fn the_former_manager_writes_no_more() {
        let mut story = story();
        let codes = seen_twice(&mut story);
        asks(&mut story, codes.1, true);
        takes_over(&mut story, codes, hand_over);
        story.write(codes.0);
        story.must_break("I-WS-01");
    }

    #[test]
    fn no_answer_gives_away_another_workspaces_code() {
        let mut story = story();
        let (owners, _) = seen_twice(&mut story);
        let get = Get { access_code_id: Some(owners), ..Get::default() };
        call(&mut story, 1, Request::Get(get), Response::AccessCode(owners));
        story.must_break("I-WS-02");
    }

    #[test]
    fn no_call_reaches_another_workspaces_code() {
        let mut story = story();
        let (owners, _) = seen_twice(&mut story);
        call(&mut story, 1, Request::Delete(Delete { access_code_id: owners, device_id: None }), Response::Done);
        story.must_break("I-WS-02");
    }

    #[test]
    fn no_event_goes_to_another_workspace() {
        let mut story = story();
        let (owners, _) = seen_twice(&mut story);
        let record = Record { workspace_id: WorkspaceId::numbered(1), ..story.record(owners).clone() };
        let told = story.emits(&record, EventType::Changed);
        story.step(Occurrence::Woken, vec![told, Occurrence::Saved]);
        story.must_break("I-WS-02");
    }
}
