//! The rules of the boundary, all `I-CTR-01`: what changed was announced, calls are answered once and in their step, commands have ids of their own.

use std::collections::BTreeMap;

use keyway_core::id::{CallId, CommandId};
use keyway_core::time::Timestamp;

use super::{Class, Found, Interests, Invariant, Row};
use crate::history::History;
use crate::occurrence::Occurrence;

/// The rows of this family.
pub const ROWS: &[Row] = &[Row { class: Class::Contract, ..Row::of("I-CTR-01") }];

/// The checkers of this family.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(Announced), Box::new(Replies::default()), Box::new(CommandIds::default())]
}

/// What changed was announced. The runner compares the views; each step that announced something is a premise.
struct Announced;

impl Invariant for Announced {
    fn ids(&self) -> &'static [&'static str] {
        &["I-CTR-01"]
    }

    fn interests(&self) -> Interests {
        Interests::UNANNOUNCED.and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Unannounced { what } => {
                found.broken("I-CTR-01", format!("{what} differs, and no step announced it"), "an unannounced change".to_owned());
            }
            Occurrence::StepEnded if !history.changed_codes().is_empty() || !history.changed_devices().is_empty() => {
                found.armed("I-CTR-01");
            }
            _ => {}
        }
    }
}

/// A call has exactly one reply, in the step that handles it, and nothing else has one. A step that a crash cuts short owes no reply.
#[derive(Default)]
struct Replies {
    /// The call of the step.
    call: Option<CallId>,
    replies: u32,
}

impl Invariant for Replies {
    fn ids(&self) -> &'static [&'static str] {
        &["I-CTR-01"]
    }

    fn interests(&self) -> Interests {
        let steps = Interests::STEP_BEGAN.and(Interests::STEP_ENDED).and(Interests::CRASHED);
        steps.and(Interests::CALLED).and(Interests::REPLIED)
    }

    fn observe(&mut self, _history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::StepBegan | Occurrence::Crashed => *self = Self::default(),
            Occurrence::Called { call_id, .. } => self.call = Some(*call_id),
            Occurrence::Replied { call_id, .. } => {
                self.replies += 1;
                if self.call != Some(*call_id) {
                    let what = format!("call {} is answered in a step that does not handle it", call_id.0);
                    found.broken("I-CTR-01", what, "a reply to no call".to_owned());
                } else if self.replies > 1 {
                    found.broken("I-CTR-01", format!("call {} is answered twice", call_id.0), "a second reply".to_owned());
                }
            }
            Occurrence::StepEnded => {
                if let Some(call) = self.call.take() {
                    found.armed("I-CTR-01");
                    if self.replies == 0 {
                        found.broken("I-CTR-01", format!("call {} is not answered in its step", call.0), "a missing reply".to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// No two commands have the same id, also across restarts.
#[derive(Default)]
struct CommandIds {
    /// Runs of ids, the last of each by its first: controllers count, and a run of a year has millions.
    seen: BTreeMap<u64, u64>,
}

impl CommandIds {
    /// Adds an id; whether it is new.
    fn insert(&mut self, CommandId(id): CommandId) -> bool {
        let before = self.seen.range(..=id).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| id <= last) {
            return false;
        }
        let first = before.filter(|(_, last)| last + 1 == id).map_or(id, |(first, _)| first);
        let last = id.checked_add(1).and_then(|next| self.seen.remove(&next)).unwrap_or(id);
        self.seen.insert(first, last);
        true
    }
}

impl Invariant for CommandIds {
    fn ids(&self) -> &'static [&'static str] {
        &["I-CTR-01"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, _history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Commanded { command, .. } = occurrence else { return };
        found.armed("I-CTR-01");
        if !self.insert(command.command_id) {
            let what = format!("a second command has the id {:?}", command.command_id);
            found.broken("I-CTR-01", what, format!("a command of kind {:?}", command.op.kind()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::kit::breaks;
    use super::*;
    use crate::judge::testing::{SLOT, Story};
    use keyway_core::id::WorkspaceId;
    use keyway_core::port::Op;
    use keyway_core::request::{Delete, Refusal, Request};

    fn called(call: u64) -> Occurrence {
        let request = Request::Delete(Delete::default());
        Occurrence::Called { call_id: CallId(call), workspace: WorkspaceId::numbered(0), request }
    }

    fn replied(call: u64) -> Occurrence {
        Occurrence::Replied { call_id: CallId(call), result: Err(Refusal::AccessCodeNotFound) }
    }

    #[test]
    fn ids_are_kept_as_runs() {
        let mut ids = CommandIds::default();
        for id in [5, 3, u64::MAX, 4, 9, 0, 1] {
            assert!(ids.insert(CommandId(id)), "{id}");
            assert!(!ids.insert(CommandId(id)), "{id}");
        }
        assert_eq!(ids.seen.into_iter().collect::<Vec<_>>(), [(0, 1), (3, 5), (9, 9), (u64::MAX, u64::MAX)]);
    }

    #[test]
    fn a_change_that_nobody_announced_is_found() {
        let mut story = Story::judged_by(checkers());
        story.occur(Occurrence::Unannounced { what: "code 7".to_owned() });
        breaks(&mut story, "I-CTR-01");
    }

    #[test]
    fn a_call_without_its_one_reply_is_found() {
        let wrong: [&[Occurrence]; 3] = [&[], &[replied(7), replied(7)], &[replied(8)]];
        for rest in wrong {
            let mut story = Story::judged_by(checkers());
            story.step(called(7), rest.to_vec());
            breaks(&mut story, "I-CTR-01");
        }
        let mut story = Story::judged_by(checkers());
        story.step(Occurrence::Woken, vec![replied(7)]);
        breaks(&mut story, "I-CTR-01");
    }

    #[test]
    fn a_crash_excuses_from_the_reply() {
        let mut story = Story::judged_by(checkers());
        story.occur(Occurrence::StepBegan);
        story.occur(called(7));
        story.crash(1_000, |_| {});
        story.must_hold();
    }

    #[test]
    fn a_second_command_of_an_id_is_found() {
        let mut story = Story::judged_by(checkers());
        let command = story.draft_command(SLOT, None, Op::GetDevice);
        let again = Occurrence::Commanded { command, lock: Some(SLOT) };
        story.step(Occurrence::Woken, vec![again.clone()]);
        story.step(Occurrence::Woken, vec![again]);
        breaks(&mut story, "I-CTR-01");
    }
}
