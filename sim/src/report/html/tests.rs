//! What the pages are drawn from, for small stories written by hand.

use keyway_core::access_code::Status;
use keyway_core::event::EventType;
use keyway_core::port::Answer;
use keyway_core::time::{HOUR_MS, Window};

use super::fold::page_of;
use super::{Head, Recorded, of_run};
use crate::handwritten::Hand;
use crate::occurrence::{Lock, Occurrence};
use crate::verdict::{Finding, Verdict, Violation};

/// A stranger takes the slot that was meant for A, and the controller takes it for its own work.
fn stolen_slot() -> Hand {
    let mut hand = Hand::telling(
        r#"{ "name": "stolen-slot", "about": "5150 is A's; </script><b>9009</b> is not.", "horizon": "6h",
             "devices": [{ "name": "L1", "vendor": "generic_slot", "slots": 10, "latency": "5m", "lat_max": "5m" }],
             "steps": [
               { "at": "+0s", "do": { "create": { "code": "A", "on": "L1", "pin": "5150" } } },
               { "at": "+2m", "do": { "person_adds": { "on": "L1", "pin": "9009" } } }
             ],
             "faults": [{ "quirk": "link_slow", "on": "L1", "from": "+1m", "until": "+4m" }] }"#,
    );
    hand.created(0, "A", "5150").sets_slot("A", 1, "5150");
    hand.at("+1s").answered(Answer::TimedOut);
    let start = hand.plan.start.0;
    hand.at("+2m").stored(1, "9009", None, Some(Window { starts_at: start, ends_at: start + HOUR_MS }));
    hand.at("+3m").event("A", EventType::SetOnDevice).shown("A", "5150", Status::Set, &[]);
    hand.at("+2h").add(Occurrence::Reach { lock: Lock(0), up: false });
    hand
}

fn finding(hand: &Hand) -> Finding {
    let what = "A is shown as set on L1, but 9009 lies there, not 5150".to_owned();
    let violation = Violation { id: "I-STA-01".to_owned(), at: hand.plan.start.0 + 180_000, what, roles: String::new() };
    Finding { verdict: Verdict::Safety, violations: vec![violation], fingerprint: String::new() }
}

#[test]
fn what_the_page_of_a_run_is_drawn_from() {
    let hand = stolen_slot();
    let finding = finding(&hand);
    let page = page_of(Recorded { plan: &hand.plan, facts: &hand.facts, log: &hand.log, finding: Some(&finding) });
    insta::assert_json_snapshot!(page);
}

#[test]
fn no_text_holds_a_pin_and_none_ends_the_script() {
    let hand = stolen_slot();
    let finding = finding(&hand);
    let head = Head { verdict: Verdict::Safety, is_as_expected: false, replay: "keyway run x", hash: "0" };
    let page = of_run(Recorded { plan: &hand.plan, facts: &hand.facts, log: &hand.log, finding: Some(&finding) }, head);
    assert_eq!(page.matches("9009").count(), 1, "the PIN stands in the list of PINs alone");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(page.contains(r"\u003c/script>\u003cb>⟦"), "the text stands for itself");
    for address in ["http:", "https:", "src=", "url(", "@import"] {
        assert!(!page.contains(address), "the page loads nothing, but has {address}");
    }
}

#[test]
fn a_window_is_opened_by_the_clock_of_the_lock() {
    let hand = stolen_slot();
    let page = page_of(Recorded { plan: &hand.plan, facts: &hand.facts, log: &hand.log, finding: None });
    // Stored at +2m with a window until +1h; the run goes on until +2h.
    assert_eq!(page.entries[0].opens, [(120_000, HOUR_MS)]);
    assert_eq!(page.entries[0].span.to, None);
}
