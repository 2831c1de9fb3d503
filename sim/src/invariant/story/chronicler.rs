//! The checker that carries all checks of a step: it keeps the story, and puts each step before them.

use std::sync::LazyLock;

use keyway_core::time::Timestamp;

use super::{Check, Story, View};
use crate::history::{History, Input};
use crate::invariant::{Found, Interests, Invariant, api, backups, events, linked, problems};
use crate::occurrence::Occurrence;

/// The checker that carries all checks.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(Chronicler::new())]
}

fn all_checks() -> Vec<Box<dyn Check>> {
    let mut checks = problems::checks();
    checks.append(&mut events::checks());
    checks.append(&mut backups::checks());
    checks.append(&mut api::checks());
    checks.append(&mut linked::checks());
    checks
}

/// Keeps the story and puts each step before the checks. It is one checker with many ids, so that what a step did is gathered once.
struct Chronicler {
    ids: &'static [&'static str],
    story: Story,
    checks: Vec<Box<dyn Check>>,
    /// Views were read after a restart, and not judged yet.
    is_rereading: bool,
}

impl Chronicler {
    /// A chronicler before the first occurrence, with every check there is.
    fn new() -> Self {
        static IDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| all_checks().iter().map(|check| check.id()).collect());
        Self { ids: &IDS, story: Story::default(), checks: all_checks(), is_rereading: false }
    }

    fn judge(&mut self, history: &History, now: Timestamp, is_reread: bool, found: &mut Found) {
        let logged = self.story.log(history, now, is_reread);
        if is_reread {
            // What the step that was cut short had told comes before what it had in mind.
            self.story.doubt_writes(history);
        }
        let view = View { history, story: &self.story, now, is_reread, logged: &logged };
        let step = history.step();
        let has_call = !is_reread && matches!(step.input, Some(Input::Call(_)));
        let is_idle = logged.is_empty() && view.emitted().is_empty() && !has_call;
        if is_idle && history.changed_codes().is_empty() && history.changed_devices().is_empty() {
            return;
        }
        for check in &mut self.checks {
            check.check(&view, found);
        }
    }
}

impl Invariant for Chronicler {
    fn ids(&self) -> &'static [&'static str] {
        self.ids
    }

    fn interests(&self) -> Interests {
        let steps = Interests::STARTED.and(Interests::CRASHED).and(Interests::STEP_BEGAN).and(Interests::STEP_ENDED);
        let log = Interests::EMITTED.and(Interests::SAVED).and(Interests::RECORDED).and(Interests::REPLIED);
        steps
            .and(log)
            .and(Interests::COMMANDED)
            .and(Interests::ANSWERED)
            .and(Interests::NOTICED)
            .and(Interests::TRUTH)
            .and(Interests::CLAIMED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Started { restart } => self.is_rereading = *restart,
            // What was read after a restart is judged by now, or there was nothing.
            Occurrence::StepBegan => {
                (self.is_rereading, self.story.has_saved, self.story.unsaved_answer) = (false, false, None);
            }
            Occurrence::Crashed => {
                self.story.unsaved.clear();
                self.story.crashed_at = Some(now);
                // What a step heard that was not saved is not known (`R-60`).
                let unheard = self.story.unsaved_answer.take().filter(|_| !self.story.has_saved);
                if let Some(code) = unheard {
                    self.story.codes.entry(code).or_default().writes += 1;
                }
            }
            Occurrence::StepEnded => {
                let is_reread = std::mem::take(&mut self.is_rereading);
                self.judge(history, now, is_reread, found);
            }
            Occurrence::Replied { result, .. } => self.story.reply(history, result),
            Occurrence::Emitted(event) => self.story.unsaved.push(event.clone()),
            Occurrence::Saved => {
                self.story.has_saved = true;
                self.story.saved.append(&mut self.story.unsaved);
            }
            Occurrence::Recorded { code, .. } => self.story.record(history, now, *code),
            Occurrence::Commanded { command, lock } => self.story.command(history, now, command, *lock),
            Occurrence::Answered { command_id, answer, .. } => self.story.answer(history, *command_id, answer),
            Occurrence::Noticed { notice, lock, .. } => self.story.notice(&notice.news, *lock),
            Occurrence::Truth { lock, change, cause } => self.story.truth(history, now, *lock, change, *cause),
            Occurrence::Claimed { lock, place, code } => self.story.claimed(*lock, *place, *code),
            _ => {}
        }
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        if std::mem::take(&mut self.is_rereading) {
            self.judge(history, now, true, found);
        }
    }

    fn full(&self, history: &History, now: Timestamp, found: &mut Found) {
        let view = View { history, story: &self.story, now, is_reread: true, logged: &[] };
        for check in &self.checks {
            check.full(&view, found);
        }
    }
}

/// What the tests of the checks' files share.
#[cfg(test)]
pub mod kit {
    use super::checkers;
    use crate::judge::testing::Story;

    /// A story judged by every check of a step.
    pub fn story() -> Story {
        Story::judged_by(checkers())
    }

    /// Asserts that this was broken, and no other of its family.
    #[track_caller]
    pub fn breaks(story: &mut Story, id: &str) {
        let now = story.now();
        story.judge.check_fully(now);
        let broken = story.broken();
        let family: Vec<&str> = broken.iter().map(String::as_str).filter(|one| one[..6] == id[..6]).collect();
        assert_eq!(family, [id], "{:#?}", story.judge.finding());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_check_and_each_check_its_row() {
        let rows: Vec<&str> =
            [problems::ROWS, events::ROWS, backups::ROWS, api::ROWS, linked::ROWS].concat().iter().map(|row| row.id).collect();
        let checks: Vec<&str> = all_checks().iter().map(|check| check.id()).collect();
        assert_eq!(checks, rows);
    }
}
