//! What codes and locks are called: for readers, and in fingerprints.

use keyway_core::access_code::Type;
use keyway_core::vendor::Family;

use super::{CodeIx, History};
use crate::occurrence::Lock;

impl History {
    /// A code for a reader: its name if it has one, and its lock.
    #[must_use]
    pub fn code_name(&self, code: CodeIx) -> String {
        let code = self.code(code);
        let name = code.record.as_ref().and_then(|record| record.name.clone());
        // A code that is gone keeps the name that it was asked for with.
        let name = name.or_else(|| code.acked.name.clone()).unwrap_or_else(|| code.id.to_string());
        let lock = code.lock.map_or_else(|| "no lock".to_owned(), |lock| self.lock(lock).facts.name.clone());
        format!("code {name} on {lock}")
    }

    /// What part a code plays, for fingerprints.
    #[must_use]
    pub fn role(&self, code: CodeIx) -> String {
        let state = self.code(code);
        let record = state.record.as_deref();
        let kind = match record.map(|record| record.kind) {
            Some(Type::Ongoing) => "ongoing",
            Some(Type::TimeBound) => "time-bound",
            None => "gone",
        };
        let backup = if record.is_some_and(|record| record.is_backup) { " backup" } else { "" };
        let family = self.profile(code).map_or("unknown", |profile| family_name(profile.family));
        format!("{kind}{backup} code on a {family} lock")
    }

    /// A lock's name.
    #[must_use]
    pub fn lock_name(&self, lock: Lock) -> &str {
        &self.lock(lock).facts.name
    }

    /// What part a lock plays, for fingerprints.
    #[must_use]
    pub fn lock_role(&self, lock: Lock) -> String {
        format!("{} lock", family_name(self.lock(lock).facts.profile.family))
    }
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::ById => "by_id",
        Family::BySlot => "by_slot",
        Family::BySeat => "by_seat",
        Family::Offline => "offline",
    }
}
