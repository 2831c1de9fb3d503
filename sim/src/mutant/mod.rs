//! Deliberately broken controllers, and the scoreboard of what catches them. They test the judge, the generator and the scenarios.
//!
//! A mutant is subtle: no happy story reveals it. The naive controllers of the field cases are the exception,
//! since each does what its case tells of.

use keyway_core::controller::Controllers;
use keyway_core::platform::{Honest, Policy, Reference};

mod decisions;
mod scoreboard;
mod tampering;

pub use scoreboard::{Budget, Caught, Row, Scoreboard, scoreboard};

use tampering::{Tamper, Tampered};

/// A broken controller.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// What it does wrong, in one sentence.
    pub about: &'static str,
    /// The invariants that name what is wrong with it.
    pub catches: &'static [&'static str],
    /// The field case whose naive controller it is.
    pub naive_of: Option<&'static str>,
    make: Make,
}

/// How a mutant comes into being.
#[derive(Clone, Copy)]
enum Make {
    Decides(&'static dyn Policy),
    Tampers(fn(&'static dyn Policy) -> Box<dyn Controllers>, &'static dyn Policy),
}

impl std::fmt::Debug for Make {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Decides(_) => "decides",
            Self::Tampers(..) => "tampers",
        })
    }
}

impl Mutant {
    /// Its factory, which runs like any other.
    #[must_use]
    pub fn controllers(&self) -> Box<dyn Controllers> {
        match self.make {
            Make::Decides(policy) => Box::new(Reference { policy }),
            Make::Tampers(make, policy) => make(policy),
        }
    }

    /// Whether it is the reference with a decision of its own.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(self.make, Make::Decides(_))
    }

    /// The same tamper before a controller that decides wrongly.
    const fn deciding(self, policy: &'static dyn Policy) -> Self {
        match self.make {
            Make::Decides(_) => self,
            Make::Tampers(make, _) => Self { make: Make::Tampers(make, policy), ..self },
        }
    }

    const fn naive(self, case: &'static str) -> Self {
        Self { naive_of: Some(case), ..self }
    }
}

const fn decides(name: &'static str, policy: &'static dyn Policy, catches: &'static [&'static str], about: &'static str) -> Mutant {
    Mutant { name, about, catches, naive_of: None, make: Make::Decides(policy) }
}

const fn tampers<T: Tamper>(name: &'static str, catches: &'static [&'static str], about: &'static str) -> Mutant {
    Mutant { name, about, catches, naive_of: None, make: Make::Tampers(between::<T>, &Honest) }
}

fn between<T: Tamper>(policy: &'static dyn Policy) -> Box<dyn Controllers> {
    Box::new(Tampered::<T>::new(policy))
}

/// All mutants: the naive controllers first.
#[must_use]
pub fn mutants() -> Vec<Mutant> {
    naive().into_iter().chain(wrong_decisions()).chain(tamperers()).collect()
}

/// The mutant of this name.
#[must_use]
pub fn mutant(name: &str) -> Option<Mutant> {
    mutants().into_iter().find(|mutant| mutant.name == name)
}

fn naive() -> [Mutant; 6] {
    [
        tampers::<tampering::KeysByContent>(
            "believes-server-errors",
            &["I-EVT-11", "I-DEV-02", "I-LIV-01"],
            "Takes a server error for a refusal, repeats the write blindly and lists its own entry as a stranger's.",
        )
        .deciding(&decisions::BelievesServerErrors)
        .naive("F-01"),
        decides(
            "writes-again",
            &decisions::WritesAgain,
            &["I-QUI-01"],
            "Writes the same PIN again after every empty read-back and every refusal.",
        )
        .naive("F-02"),
        decides(
            "occupied-is-set",
            &decisions::TakesOccupancyForSuccess,
            &["I-STA-01", "I-WIN-05", "I-DEV-07"],
            "Takes whatever lies in the planned slot for its own code.",
        )
        .naive("F-04"),
        tampers::<tampering::ClearsLater>(
            "clears-later",
            &["I-DEV-06", "I-EVT-07", "I-WIN-03"],
            "Drops the record first and erases by a task that a crash forgets.",
        )
        .naive("F-06"),
        decides(
            "forgets-confirmations",
            &decisions::ForgetsConfirmations,
            &["I-QUI-01", "I-STA-08", "I-STA-12"],
            "Forgets at a restart what was confirmed, and writes it all again.",
        )
        .naive("F-18"),
        tampers::<tampering::TakesAcknowledgedForGone>(
            "acknowledged-is-gone",
            &["I-EVT-07", "I-DEV-06", "I-WIN-03"],
            "Calls an acknowledged erasure done.",
        )
        .naive("F-19"),
    ]
}

fn wrong_decisions() -> Vec<Mutant> {
    vec![
        decides(
            "gives-up-on-timeouts",
            &decisions::GivesUpOnTimeouts,
            &["I-DEV-06", "I-EVT-11", "I-DEV-02", "I-DEV-09", "I-STA-02", "I-LIV-01"],
            "Takes a write that timed out for one that was not done.",
        ),
        decides(
            "removes-in-a-hurry",
            &decisions::RemovesInAHurry,
            &["I-DEV-06", "I-EVT-07", "I-STA-02", "I-WIN-03"],
            "Ends a removal although an earlier write may still come.",
        ),
        decides(
            "trusts-one-listing",
            &decisions::TrustsOneListing,
            &["I-EVT-11", "I-EVT-07", "I-DEV-06", "I-QUI-01"],
            "Takes an entry for gone that one listing does not show.",
        ),
        decides(
            "trusts-old-reads",
            &decisions::TrustsOldReads,
            &["I-EVT-11", "I-STA-01", "I-QUI-01", "I-DEV-06"],
            "Lets a read of before a change overturn what was confirmed after it.",
        ),
        decides(
            "answers-before-saving",
            &decisions::AnswersBeforeSaving,
            &["I-DUR-01"],
            "Answers a call before what it promises is on the disk.",
        ),
        decides(
            "sends-before-saving",
            &decisions::SendsBeforeSaving,
            &["contract", "I-DUR-01", "I-DEV-06", "I-DEV-09"],
            "Sends a command before the intent is on the disk.",
        ),
        decides(
            "keeps-old-places",
            &decisions::KeepsOldPlaces,
            &["I-IDENT-01", "I-DEV-07"],
            "Believes in old slots and handles after a factory reset.",
        ),
        decides("sends-twins", &decisions::SendsTwins, &["I-DEV-01"], "Sends a PIN that it knows to be in the lock under another entry."),
        decides(
            "writes-into-full-locks",
            &decisions::WritesIntoFullLocks,
            &["I-DEV-03"],
            "Writes although all places it knows of are taken.",
        ),
        decides("takes-unknown-slots", &decisions::TakesUnknownSlots, &["I-DEV-07"], "Writes into a slot that it never saw free."),
        decides("hands-out-backups-twice", &decisions::HandsOutBackupsTwice, &["I-BAK-01"], "Hands one backup to several codes."),
        decides(
            "hands-out-unfinished-backups",
            &decisions::HandsOutUnfinishedBackups,
            &["I-BAK-02", "I-BAK-05"],
            "Hands out a backup that is not set yet.",
        ),
        decides(
            "forgets-pulled-backups",
            &decisions::ForgetsPulledBackups,
            &["I-BAK-03"],
            "Leaves a pulled backup its old end when the original's end moves.",
        ),
        decides("never-backs-off", &decisions::NeverBacksOff, &["I-QUI-01"], "Tries again every half minute for ever."),
        decides(
            "keeps-delay-warnings",
            &decisions::KeepsDelayWarnings,
            &["I-ERR-07"],
            "Leaves the warning of delay on a code that is set.",
        ),
        decides(
            "recovers-blindly",
            &decisions::RecoversBlindly,
            &["I-STA-04", "I-STA-01"],
            "Leaves `unknown` without looking at the lock.",
        ),
        decides(
            "overrides-allowed-changes",
            &decisions::OverridesAllowedChanges,
            &["I-ERR-06", "I-STA-08", "I-QUI-01"],
            "Puts back what the owner allows others to change.",
        ),
        decides(
            "overlooks-disabled-entries",
            &decisions::OverlooksDisabledEntries,
            &["I-STA-01", "I-LIV-01", "I-STA-03"],
            "Does not see that somebody switched an entry off.",
        ),
        decides(
            "leaves-expired-codes",
            &decisions::LeavesExpiredCodes,
            &["I-EVT-07", "I-DEV-06", "I-LIV-01"],
            "Leaves the end of a scheduled code to the lock.",
        ),
        decides(
            "cuts-windows",
            &decisions::CutsWindows,
            &["I-STA-01", "I-STA-03", "I-WIN-05"],
            "Sends windows whose end is cut down to a whole half hour.",
        ),
    ]
}

fn tamperers() -> Vec<Mutant> {
    vec![
        tampers::<tampering::LosesPatience>(
            "loses-patience",
            &["I-STA-01", "I-STA-03"],
            "Trusts a mere acknowledgement once an attempt has failed.",
        ),
        tampers::<tampering::KeepsWarningsQuiet>(
            "keeps-warnings-quiet",
            &["I-CTR-01"],
            "Announces no change of a record when only its warnings differ.",
        ),
        tampers::<tampering::SavesSeldom>("saves-seldom", &["I-DUR-01", "contract"], "Saves every half minute at most."),
        tampers::<tampering::DeletesFirst>(
            "deletes-first",
            &["I-EVT-03"],
            "Tells `deleted` before `removed_from_device` when the removal was slow.",
        ),
        tampers::<tampering::CountsPins>("counts-pins", &["I-BYTES-01"], "Keeps PINs as numbers and pads them to four digits."),
        tampers::<tampering::KeysByContent>(
            "keys-by-content",
            &["I-STA-01", "I-STA-03", "I-EVT-05", "I-DEV-09"],
            "Gives a new write the key of an old one with the same content.",
        ),
        tampers::<tampering::RepeatsItself>(
            "repeats-itself",
            &["I-EVT-03", "I-EVT-04", "I-EVT-05"],
            "Tells its events again when an answer comes twice.",
        ),
        tampers::<tampering::PromisesBackups>(
            "promises-backups",
            &["I-BAK-05"],
            "Goes on showing a backup as available once one was pulled.",
        ),
        tampers::<tampering::HidesUnknownCodes>("hides-unknown-codes", &["I-API-02"], "Leaves codes in `unknown` out of lists."),
        tampers::<tampering::AnnouncesRefusedChanges>(
            "announces-refused-changes",
            &["I-API-01", "I-EVT-10", "I-EVT-04"],
            "Sends `changed` for an update that it refused.",
        ),
        tampers::<tampering::Oversleeps>(
            "oversleeps",
            &["I-LIV-01", "I-WIN-02", "I-WIN-04", "I-STA-06"],
            "Looks at its clock only every three hours after a restart.",
        ),
        tampers::<tampering::NamesOldPins>(
            "names-old-pins",
            &["I-EVT-06"],
            "Goes on naming the PIN that was asked for when another was adopted.",
        ),
        tampers::<tampering::IgnoresClockChanges>(
            "ignores-clock-changes",
            &["I-STA-01", "I-STA-03", "I-WIN-05", "I-WIN-01", "I-WIN-02"],
            "Reckons times behind a clock change with the offset of today.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keyway_core::rule;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_rules_that_exist() {
        let all = mutants();
        let names: BTreeSet<_> = all.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), all.len());
        for mutant in &all {
            assert!(mutant.about.ends_with('.') && !mutant.catches.is_empty(), "{}", mutant.name);
            for id in mutant.catches.iter().filter(|id| **id != "contract") {
                assert!(rule::invariant(id).is_some(), "{}: {id}", mutant.name);
            }
        }
    }

    #[test]
    fn there_are_enough_of_each_kind() {
        let all = mutants();
        let cases: Vec<_> = all.iter().filter_map(|mutant| mutant.naive_of).collect();
        assert_eq!(cases, ["F-01", "F-02", "F-04", "F-06", "F-18", "F-19"]);
        assert!(all.len() >= 14 && all.iter().filter(|mutant| mutant.is_decision()).count() >= 6);
    }
}
