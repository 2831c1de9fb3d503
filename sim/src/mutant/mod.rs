//! Deliberately broken controllers, and the scoreboard of what catches them. They test the judge, the generator and the scenarios.
//!
//! A mutant is subtle: no happy story reveals it. The naive controllers of the field cases are the exception,
//! since each does what its case tells of.

use keyway_core::controller::Controllers;
use keyway_core::platform::{Honest, Policy, Reference};

mod decisions;
mod naive_tampering;
mod scoreboard;
mod tampering;

pub use scoreboard::{Budget, Caught, Row, Scoreboard, scoreboard};

use crate::plan::Plan;
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

    /// Whether this is a story of its own case.
    #[must_use]
    pub fn is_naive_in(&self, story: &Plan) -> bool {
        self.naive_of.is_some_and(|case| story.name.split(['/', '-']).take(2).eq(case.split('-')))
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

fn naive() -> Vec<Mutant> {
    vec![
        tampers::<tampering::BelievesServerErrors>(
            "believes-server-errors",
            &["I-EVT-11", "I-DEV-02", "I-LIV-01"],
            "Takes a server error for a refusal, and what is found afterwards for somebody else's.",
        )
        .deciding(&decisions::WaitsAfterRefusals)
        .naive("F-01"),
        decides(
            "writes-again",
            &decisions::WritesAgain,
            &["I-QUI-01"],
            "Writes the same PIN again after every empty read-back and every refusal.",
        )
        .naive("F-02"),
        decides(
            "trusts-the-cache",
            &decisions::TrustsTheCache,
            &["I-QUI-01"],
            "Lets what the vendor's cache shows overturn what the lock has just confirmed.",
        )
        .naive("F-03"),
        tampers::<tampering::TakesOccupancyForSuccess>(
            "occupied-is-set",
            &["I-STA-01", "I-WIN-05", "I-DEV-07"],
            "Takes whatever comes into the planned slot for its own code.",
        )
        .naive("F-04"),
        tampers::<naive_tampering::TellsEachMessage>(
            "tells-each-message",
            &["I-EVT-03", "I-EVT-04", "I-EVT-05"],
            "Tells of a removal once for each message about it.",
        )
        .naive("F-05"),
        tampers::<naive_tampering::TellsNoRemovals>(
            "tells-no-removals",
            &["I-EVT-03", "I-EVT-05"],
            "Tells that a code is deleted, and not that it was removed from the lock.",
        )
        .naive("F-05"),
        tampers::<tampering::ClearsLater>(
            "clears-later",
            &["I-DEV-06", "I-EVT-07", "I-WIN-03"],
            "Drops the record first and erases by a task that a crash forgets.",
        )
        .naive("F-06"),
        decides(
            "trusts-one-device-list",
            &decisions::TrustsOneDeviceList,
            &["I-ERR-09"],
            "Takes one list of devices without a lock for the lock's removal.",
        )
        .naive("F-08"),
        decides(
            "throttled-is-dead",
            &decisions::TakesThrottlingForDeath,
            &["I-ERR-09"],
            "Takes a call that was turned away for the rate for a lock that is offline, and calls again at once.",
        )
        .naive("F-09"),
        decides(
            "keeps-old-places",
            &decisions::KeepsOldPlaces,
            &["I-IDENT-01", "I-STA-01", "I-DEV-07"],
            "Believes in old slots and handles after a factory reset.",
        )
        .naive("F-10"),
        decides(
            "converts-unclaimed",
            &decisions::ConvertsUnclaimed,
            &["I-LIV-01", "I-LIV-04", "I-WIN-04", "I-DEV-06"],
            "Manages what it never claimed at the vendor, who then lets it neither change nor erase it.",
        ),
        decides(
            "takes-any-lock-for-the-lost-one",
            &decisions::TakesAnyLockForTheLostOne,
            &["I-IDENT-01", "I-STA-01", "I-DEV-07", "I-STA-04"],
            "Takes a lock that its vendor lists without a serial for the one that was removed.",
        ),
        tampers::<naive_tampering::KeepsItsCache>(
            "keeps-its-cache",
            &["I-STA-01", "I-LIV-06"],
            "Goes on believing in entries that a lock dropped all at once.",
        )
        .naive("F-11"),
        decides(
            "forgets-expired-jobs",
            &decisions::ForgetsExpiredJobs,
            &["I-DEV-06", "I-DEV-09", "I-EVT-11", "I-DEV-02", "I-STA-02", "I-EVT-07", "I-WIN-03"],
            "Takes a job that has expired in a queue for a failed one, and forgets it.",
        )
        .naive("F-07"),
        decides(
            "overlooks-clock-changes",
            &decisions::OverlooksClockChanges,
            &["I-WIN-05", "I-EVT-11"],
            "Takes the hour that a clock change shifts for a change by others, and lets the guest out an hour early.",
        )
        .naive("F-12"),
        decides(
            "overlooks-clocks",
            &decisions::OverlooksClocks,
            &["I-WIN-05", "I-WIN-01", "I-WIN-02"],
            "Never looks at the clock of a lock.",
        )
        .naive("F-13"),
        decides(
            "writes-over-masters",
            &decisions::WritesOverMasters,
            &["I-DEV-03", "I-DEV-07", "I-QUI-01"],
            "Takes the place of the master code for free, and writes for ever what the lock will never store.",
        )
        .naive("F-15"),
        tampers::<naive_tampering::FollowsLocks>(
            "follows-locks",
            &["I-IDENT-01", "I-DEV-07"],
            "Goes on with the codes of a removed lock when it turns up in another account.",
        )
        .naive("F-17"),
        decides(
            "missing-place-is-dead",
            &decisions::TakesMissingPlacesForDeath,
            &["I-ERR-09"],
            "Takes a place that the lock has not for a lock that cannot be reached.",
        )
        .naive("F-16"),
        tampers::<tampering::ForgetsConfirmations>(
            "forgets-confirmations",
            &["I-QUI-01", "I-DUR-01", "I-STA-01"],
            "Forgets at a restart what was confirmed, and writes it all again.",
        )
        .naive("F-18"),
        tampers::<tampering::TakesAcknowledgedForGone>(
            "acknowledged-is-gone",
            &["I-EVT-07", "I-DEV-06", "I-WIN-03"],
            "Calls an acknowledged erasure done.",
        )
        .naive("F-19"),
        decides(
            "takes-short-names-for-changes",
            &decisions::TakesShortNamesForChanges,
            &["I-EVT-11", "I-LIV-01"],
            "Compares the name that a lock has cut short with the full one.",
        )
        .naive("F-14"),
        decides("never-yields", &decisions::NeverYields, &["I-QUI-01"], "Fights with another writer as fast as it can.").naive("F-20"),
        decides(
            "counts-each-copy-of-a-use",
            &decisions::CountsEachCopyOfAUse,
            &["I-EVT-04", "I-EVT-03"],
            "Counts each copy of the news that a code for one use was used.",
        )
        .naive("F-21"),
        decides("sends-twins", &decisions::SendsTwins, &["I-DEV-01"], "Sends a PIN that it knows to be in the lock under another entry.")
            .naive("F-22"),
        tampers::<tampering::WithdrawsEverywhere>(
            "withdraws-everywhere",
            &["I-STA-12", "I-ISO-01", "I-STA-08"],
            "Takes a PIN off all locks when one of them does not take it.",
        )
        .naive("F-23"),
        tampers::<tampering::CountsPins>("counts-pins", &["I-BYTES-01"], "Keeps PINs as numbers and pads them to four digits.")
            .naive("F-24"),
        decides(
            "overlooks-seats",
            &decisions::OverlooksSeats,
            &["I-STA-01", "I-QUI-01"],
            "Goes on showing a code as set that lost its seat, and makes a new user for each attempt.",
        )
        .naive("F-25"),
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
            &["I-DEV-06", "I-DEV-09", "I-EVT-07", "I-STA-02", "I-WIN-03"],
            "Erases, and ends the removal, although an earlier write may still come.",
        ),
        decides(
            "trusts-one-listing",
            &decisions::TrustsOneListing,
            &["I-EVT-11", "I-EVT-07", "I-DEV-06", "I-QUI-01"],
            "Takes an entry for gone that one listing does not show.",
        ),
        decides(
            "answers-before-saving",
            &decisions::AnswersBeforeSaving,
            &["I-DUR-01"],
            "Answers a call before what it promises is on the disk.",
        ),
        decides(
            "writes-into-full-locks",
            &decisions::WritesIntoFullLocks,
            &["I-DEV-03"],
            "Writes although all places it knows of are taken.",
        ),
        decides("hands-out-backups-twice", &decisions::HandsOutBackupsTwice, &["I-BAK-01"], "Hands one backup to several codes."),
        decides(
            "hands-out-unfinished-backups",
            &decisions::HandsOutUnfinishedBackups,
            &["I-BAK-02", "I-BAK-05"],
            "Counts a backup as available that is not set yet, and hands it out.",
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
            &["I-STA-08"],
            "Puts back what the owner allows others to change.",
        ),
        decides(
            "backups-come-first",
            &decisions::BackupsComeFirst,
            &["I-BAK-09"],
            "Lets the code of an owner wait for a place that a backup of the pool has.",
        ),
        decides(
            "keeps-both-problems",
            &decisions::KeepsBothProblems,
            &["I-ERR-04"],
            "Leaves the warning of delay beside the error of the failure that it warned of.",
        ),
        decides(
            "starts-in-the-past",
            &decisions::StartsInThePast,
            &["I-LIV-02", "I-LIV-01", "I-LIV-05"],
            "Sends a window that has begun to a vendor who takes only future ones.",
        ),
        decides(
            "asks-refusers-again",
            &decisions::AsksRefusersAgain,
            &["I-QUI-01"],
            "Goes on sending by the clock what was refused for good.",
        ),
        decides(
            "overlooks-pauses",
            &decisions::OverlooksPauses,
            &["I-QUI-01"],
            "Tries again before the time that a vendor asks it to wait.",
        ),
        decides(
            "gives-accounts-up",
            &decisions::GivesAccountsUp,
            &["I-ERR-09"],
            "Counts an account as lost with the first call that is refused.",
        ),
        decides(
            "holds-on-to-accounts",
            &decisions::HoldsOnToAccounts,
            &["I-ERR-13"],
            "Never counts an account as lost, however many calls are refused.",
        ),
        decides(
            "makes-users-again",
            &decisions::MakesUsersAgain,
            &["I-QUI-01"],
            "Makes another user of the site for each attempt that finds no seat.",
        ),
        decides(
            "adopts-linked-pins",
            &decisions::AdoptsLinkedPins,
            &["I-LNK-01"],
            "Takes over a PIN that others gave to one of several linked codes.",
        ),
        decides(
            "takes-without-asking",
            &decisions::TakesWithoutAsking,
            &["I-WS-01"],
            "Converts an entry that another workspace manages without force, and does not tell that workspace.",
        ),
        decides("shares-ids", &decisions::SharesIds, &["I-WS-02"], "Finds a code by its id, whichever workspace asks."),
        decides(
            "overlooks-disabled-entries",
            &decisions::OverlooksDisabledEntries,
            &["I-STA-01", "I-LIV-01", "I-STA-03"],
            "Does not see that somebody switched an entry off.",
        ),
        decides(
            "trusts-old-reads",
            &decisions::TrustsOldReads,
            &["I-EVT-11", "I-STA-01", "I-QUI-01", "I-DEV-06"],
            "Lets a read that was under way overturn what was confirmed meanwhile.",
        ),
        decides("cuts-windows", &decisions::CutsWindows, &["I-WIN-05"], "Sends windows whose end is cut down to a whole half hour."),
        decides(
            "gives-up",
            &decisions::GivesUp,
            &["I-LIV-02", "I-LIV-04", "I-LIV-05", "I-LIV-01"],
            "Stops trying after four failures in a row.",
        ),
        decides(
            "writes-on-broken-paths",
            &decisions::WritesOnBrokenPaths,
            &["I-DEV-10"],
            "Sends writes to a lock that it shows as out of reach.",
        ),
        decides(
            "forgets-tombstones",
            &decisions::ForgetsTombstones,
            &["I-EVT-11", "I-DEV-06"],
            "Lists an old entry of its own that came back as a stranger's.",
        ),
        decides(
            "revokes-offline-codes",
            &decisions::RevokesOfflineCodes,
            &["I-API-04"],
            "Deletes an offline code that was given out, as if anybody could take it back.",
        ),
        decides(
            "shows-asked-windows",
            &decisions::ShowsAskedWindows,
            &["I-WIN-08", "I-STA-13"],
            "Shows the window that was asked for an offline code, and not the rounded one.",
        ),
        decides(
            "hides-the-first-day",
            &decisions::HidesTheFirstDay,
            &["I-WIN-07"],
            "Does not say that a code must be used on its first day.",
        ),
        decides(
            "trusts-the-clock-alone",
            &decisions::TrustsTheClockAlone,
            &["I-STA-13", "I-STA-09"],
            "Shows an offline code as set at its start, whether or not it was registered.",
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
        tampers::<tampering::SendsBeforeSaving>(
            "sends-before-saving",
            &["I-CTR-01", "I-DEV-06", "I-DEV-09", "I-EVT-11"],
            "Sends a command before the intent is on the disk.",
        ),
        tampers::<tampering::KeepsHubsQuiet>("keeps-hubs-quiet", &["I-ERR-13"], "Shows nothing of it while the hub of a lock is down."),
        tampers::<tampering::PullsInSilence>("pulls-in-silence", &["I-EVT-04"], "Pulls a backup without the event that tells of it."),
        tampers::<tampering::TakesBlankSlots>("takes-blank-slots", &["I-DEV-07"], "Takes a slot for free that shows no PIN."),
        tampers::<tampering::OverlooksExpiredEntries>(
            "overlooks-expired-entries",
            &["I-EVT-07", "I-DEV-06", "I-STA-08"],
            "Takes an entry for gone whose window is over.",
        ),
        tampers::<tampering::WorksOneByOne>(
            "works-one-by-one",
            &["I-LIV-02", "I-LIV-04", "I-LIV-05", "I-WIN-04"],
            "Lets all locks wait for the answer of one.",
        ),
        tampers::<tampering::ExpectsAnswersInOrder>(
            "expects-answers-in-order",
            &["I-ISO-01"],
            "Takes the listing of one lock for that of another.",
        ),
        tampers::<tampering::DeletesFirst>(
            "deletes-first",
            &["I-EVT-03"],
            "Tells `deleted` before `removed_from_device` when the removal was slow.",
        ),
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
        tampers::<tampering::ForgetsWhatLeaves>(
            "forgets-what-leaves",
            &["I-API-02"],
            "Says of a code that is being removed that it is not there.",
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
    use std::path::Path;

    use super::*;
    use crate::expect::settled;
    use crate::invariant;
    use crate::run::{Options, run};
    use crate::scenario;
    use crate::verdict::Verdict;

    /// The stories of a folder of scenarios.
    fn stories(folder: &str) -> Vec<Plan> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(folder);
        let files = scenario::files_below(&folder).expect("the stories");
        files.iter().flat_map(|file| scenario::read(file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100)))).collect()
    }

    /// What a story came to, and the ids of what was broken.
    fn told(story: &Plan, controllers: &dyn Controllers) -> (Verdict, Vec<String>) {
        let outcome = run(story, controllers, Options::default());
        let broken = outcome.finding.iter().flat_map(|finding| &finding.violations).map(|violation| violation.id.clone()).collect();
        (settled(story, &outcome), broken)
    }

    #[test]
    fn each_has_a_name_of_its_own_and_rules_that_are_judged() {
        let all = mutants();
        let names: BTreeSet<_> = all.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), all.len());
        for mutant in &all {
            assert!(mutant.about.ends_with('.') && !mutant.catches.is_empty(), "{}", mutant.name);
            for id in mutant.catches {
                assert!(invariant::row(id).is_some(), "{}: {id}", mutant.name);
            }
        }
    }

    #[test]
    fn there_are_enough_of_each_kind() {
        let all = mutants();
        let cases: BTreeSet<_> = all.iter().filter_map(|mutant| mutant.naive_of).collect();
        let told = ["F-01", "F-02", "F-03", "F-04", "F-05", "F-06", "F-07", "F-08", "F-09", "F-10", "F-11", "F-12", "F-13"];
        let told = told.into_iter().chain(["F-14", "F-15", "F-16", "F-17", "F-18", "F-19", "F-20", "F-21", "F-22", "F-23", "F-24", "F-25"]);
        assert!(cases.iter().copied().eq(told), "{cases:?}");
        assert!(all.len() >= 30 && all.iter().filter(|mutant| mutant.is_decision()).count() >= 15);
    }

    #[test]
    fn each_family_of_invariants_has_a_mutant() {
        let families: BTreeSet<&str> = mutants().iter().flat_map(|mutant| mutant.catches).filter_map(|id| id.split('-').nth(1)).collect();
        for family in ["DEV", "WIN", "STA", "ERR", "EVT", "BAK", "API", "QUI", "DUR", "ISO", "IDENT", "BYTES", "CTR", "LIV"] {
            assert!(families.contains(family), "{family}");
        }
    }

    /// A naive controller fails the case it is named after as the case says it does, and the reference does not.
    #[test]
    fn each_naive_controller_fails_its_case() {
        let named: &[(&str, &[&str])] = &[
            ("F-01", &["I-EVT-11", "I-DEV-02", "I-LIV-01"]),
            ("F-02", &["I-QUI-01", "I-ERR-13", "I-DEV-07"]),
            ("F-03", &["I-QUI-01", "I-LIV-01"]),
            ("F-04", &["I-STA-01", "I-WIN-05", "I-DEV-07"]),
            ("F-05", &["I-EVT-03", "I-EVT-04", "I-EVT-05"]),
            ("F-06", &["I-DEV-06", "I-DUR-01", "I-DEV-03"]),
            ("F-07", &["I-WIN-03", "I-WIN-02", "I-DEV-06", "I-DEV-08", "I-DEV-09", "I-LIV-01"]),
            ("F-08", &["I-EVT-05", "I-ERR-09", "I-IDENT-01", "I-LIV-01"]),
            ("F-09", &["I-ERR-09", "I-QUI-01", "I-LIV-02"]),
            ("F-10", &["I-IDENT-01", "I-STA-01", "I-DEV-07"]),
            // That others' changes are found in time is more exact than what the case names, and broken first.
            ("F-11", &["I-STA-01", "I-ERR-13", "I-BYTES-01", "I-LIV-01", "I-LIV-06"]),
            ("F-12", &["I-WIN-05", "I-WIN-02", "I-EVT-11", "I-ERR-06"]),
            ("F-13", &["I-WIN-05", "I-WIN-02", "I-QUI-01"]),
            ("F-15", &["I-DEV-07", "I-DEV-03", "I-QUI-01", "I-ERR-13"]),
            ("F-16", &["I-DEV-03", "I-BAK-09", "I-ERR-09", "I-QUI-01"]),
            ("F-17", &["I-IDENT-01", "I-DEV-07", "I-EVT-03"]),
            ("F-18", &["I-QUI-01", "I-DUR-01", "I-STA-01"]),
            ("F-19", &["I-EVT-07", "I-WIN-03", "I-QUI-01", "I-LIV-04"]),
            ("F-14", &["I-DEV-04", "I-ERR-09", "I-EVT-11", "I-LIV-01"]),
            ("F-20", &["I-QUI-01", "I-ERR-13", "I-LIV-01"]),
            ("F-21", &["I-EVT-04", "I-EVT-03", "I-WIN-06"]),
            ("F-22", &["I-DEV-01", "I-WIN-05", "I-EVT-11"]),
            ("F-23", &["I-STA-12", "I-ISO-01", "I-QUI-01", "I-LIV-01"]),
            ("F-24", &["I-BYTES-01", "I-QUI-01", "I-LIV-01"]),
            ("F-25", &["I-STA-01", "I-WIN-05", "I-ERR-13", "I-QUI-01"]),
        ];
        let cases = stories("field");
        for mutant in mutants() {
            let Some(case) = mutant.naive_of else { continue };
            let (_, ids) = named.iter().find(|(named, _)| *named == case).unwrap_or_else(|| panic!("{case} names no invariant"));
            let stories: Vec<_> = cases.iter().filter(|story| mutant.is_naive_in(story)).collect();
            assert!(!stories.is_empty(), "{case}");
            for story in &stories {
                assert_eq!(told(story, &Reference::new()).0, Verdict::Pass, "{}", story.name);
            }
            // A variant of the story may be there to show what is no fault.
            let (verdict, broken) = told(stories[0], mutant.controllers().as_ref());
            assert_ne!(verdict, Verdict::Pass, "{}", mutant.name);
            assert!(broken.iter().any(|id| ids.contains(&id.as_str())), "{} breaks {broken:?}", mutant.name);
        }
    }

    #[test]
    fn no_happy_story_reveals_a_subtle_one() {
        let happy = stories("happy");
        assert!(!happy.is_empty());
        for mutant in mutants().iter().filter(|mutant| mutant.naive_of.is_none()) {
            let controllers = mutant.controllers();
            for story in &happy {
                assert_eq!(told(story, controllers.as_ref()), (Verdict::Pass, Vec::new()), "{} in {}", mutant.name, story.name);
            }
        }
    }
}
