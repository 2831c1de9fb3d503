//! What a run met beside the premises of its checkers, as marks: the events that were told, and the changes of status (`I-COV-01`).

use std::collections::BTreeMap;

use keyway_core::access_code::Status;
use keyway_core::id::CodeId;

use crate::history::transition;
use crate::occurrence::Occurrence;

/// Counts what comes by. What is read again after a restart is no change of status.
#[derive(Debug, Default)]
pub struct Met {
    marks: BTreeMap<&'static str, u64>,
    statuses: BTreeMap<CodeId, Status>,
    is_in_step: bool,
}

impl Met {
    /// Takes in the next occurrence.
    pub fn observe(&mut self, occurrence: &Occurrence) {
        match occurrence {
            Occurrence::StepBegan => self.is_in_step = true,
            Occurrence::StepEnded | Occurrence::Crashed => self.is_in_step = false,
            Occurrence::Emitted(event) => self.mark(event.event_type.name()),
            Occurrence::Recorded { code, after } => {
                let to = after.as_ref().map(|record| record.status);
                let from = match to {
                    Some(status) => self.statuses.insert(*code, status),
                    None => self.statuses.remove(code),
                };
                if from != to && self.is_in_step {
                    self.mark(transition(from, to));
                }
            }
            _ => {}
        }
    }

    fn mark(&mut self, mark: &'static str) {
        *self.marks.entry(mark).or_default() += 1;
    }

    /// All that was met, and how often.
    #[must_use]
    pub fn marks(self) -> BTreeMap<&'static str, u64> {
        self.marks
    }
}
