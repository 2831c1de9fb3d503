//! The name that the lock shows: derived from the full one, within the vendor's limits, and unique where it must be (`R-28`, `P-14`).

use alloc::format;
use alloc::string::String;

use super::Platform;
use super::likeness::hides_pin;
use super::state::{Code, Write};
use super::step::At;
use crate::pin::Constraint;
use crate::port::{Name, Op};
use crate::vendor::Family;

/// Characters a lock shows, where it tells no limit.
const NAME_MAX: usize = 60;

impl Platform {
    /// Derives the displayed name anew, for another content of the code.
    pub(super) fn renew_display(&mut self, at: At) {
        let is_being_made = |write: &Write| matches!(write.op, Op::CreateUser { .. });
        if self.code(at).user.is_some() || self.code(at).write.as_ref().is_some_and(is_being_made) {
            // A user keeps the name it was, or is being, made with; that alone is no modification.
            return;
        }
        let version = {
            let code = self.code_mut(at);
            code.version += 1;
            code.version
        };
        let profile = self.profile(at.device);
        // A PIN that is hidden, or that the vendor chooses, is proven by its name, which then must never have stood for another PIN (P-14).
        let is_tag_proof = hides_pin(profile) || profile.family == Family::BySeat;
        let tag = if is_tag_proof && profile.shows_names { format!(" #{}.{version}", at.n) } else { String::new() };
        self.display_with(at, &tag);
    }

    /// A name that the vendor says is taken gets a number of its own.
    pub(super) fn vary_display(&mut self, at: At) {
        let code = self.code_mut(at);
        code.version += 1;
        let tag = format!(" {}.{}", at.n, code.version);
        self.display_with(at, &tag);
    }

    fn display_with(&mut self, at: At, tag: &str) {
        let full = self.code(at).record.name.clone().unwrap_or_default();
        let constraints = self.device(at.device).info.constraints.clone();
        let (min, max) = constraints
            .iter()
            .find_map(|constraint| match constraint {
                Constraint::NameLength { min_length, max_length } => Some((usize::from(*min_length), usize::from(*max_length).max(1))),
                _ => None,
            })
            .unwrap_or((0, NAME_MAX));
        let is_unique = constraints.contains(&Constraint::NameMustBeUnique);
        let mut display = fitted(&full, tag, min, max);
        let mut number = 2;
        while is_unique && self.is_displayed(at, &display) && number < 1_000 {
            display = fitted(&full, &format!("{tag} {number}"), min, max);
            number += 1;
        }
        self.code_mut(at).display = display;
    }

    fn is_displayed(&self, at: At, display: &str) -> bool {
        let mut ours = self.device(at.device).codes.iter().filter(|code| code.n != at.n && (!code.is_gone || code.may_be_on_lock()));
        let shown = self.caches[at.device as usize].places.values();
        let place = self.code(at).held.as_ref().map(|held| held.place);
        // Until it is renamed an entry has its former name, and a write that is on its way gives it the one it was sent with.
        let is_name = |name: Option<&Name>| name.is_some_and(|name| &**name == display);
        let written = |code: &Code| code.write.as_ref().and_then(Write::content).is_some_and(|(_, _, name)| is_name(Some(&name)));
        ours.any(|code| &*code.display == display || written(code) || code.entries().any(|held| is_name(held.name.as_ref())))
            || shown.filter(|item| Some(item.place) != place).any(|item| item.name.as_deref() == Some(display))
    }
}

/// The full name, cut or padded so that it fits with its tag; limits count characters.
fn fitted(full: &str, tag: &str, min: usize, max: usize) -> Name {
    let room = max.saturating_sub(tag.chars().count());
    let mut text: String = full.chars().take(room).collect();
    text.push_str(tag);
    let missing = min.saturating_sub(text.chars().count());
    text.extend(core::iter::repeat_n('.', missing));
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_padded_to_the_limits() {
        assert_eq!(&*fitted("Housekeeping East", "", 2, 14), "Housekeeping E");
        assert_eq!(&*fitted("Housekeeping East", " 2", 2, 14), "Housekeeping 2");
        assert_eq!(&*fitted("x", "", 2, 14), "x.");
    }
}
