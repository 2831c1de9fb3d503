//! Panics as findings: what a panic said and where, without its noise on the terminal.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use keyway_core::time::Timestamp;

use crate::verdict::{Finding, Verdict, Violation};

/// A panic of the harness, as a finding.
pub(crate) fn harness_panic(at: Timestamp, words: &LastWords) -> Finding {
    panicked("harness", at, words)
}

/// A panic of the controller, as a finding.
pub(crate) fn controller_panic(at: Timestamp, words: &LastWords) -> Finding {
    panicked("controller", at, words)
}

fn panicked(who: &str, at: Timestamp, words: &LastWords) -> Finding {
    let violation = Violation { id: who.into(), at, what: format!("the {who} panicked: {words}"), roles: String::new() };
    let fingerprint = format!("{}|{who}|{}", Verdict::Panic, words.place);
    Finding { verdict: Verdict::Panic, violations: vec![violation], fingerprint }
}

/// What a panic said, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords {
    text: String,
    place: String,
}

impl LastWords {
    /// Words that nobody panicked with.
    pub(crate) fn of(text: String) -> Self {
        Self { text, place: file!().to_owned() }
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.text, self.place)
    }
}

thread_local! {
    static IS_HUSHED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics inside [`hushed`] are findings, which are told once and by us; all others speak for themselves as ever.
pub(crate) fn hush_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_HUSHED.get() {
                return usual(info);
            }
            let place = info.location().map(|location| format!("{}:{}", location.file(), location.line()));
            PLACE.with_borrow_mut(|last| *last = place.unwrap_or_default());
        }));
    });
}

/// Runs `work`; its panic, if it does not end well.
pub(crate) fn hushed<T>(work: impl FnOnce() -> T) -> Result<T, LastWords> {
    let before = IS_HUSHED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_HUSHED.set(before);
    result.map_err(|panic| LastWords { text: text_of(panic.as_ref()), place: PLACE.with_borrow(Clone::clone) })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
