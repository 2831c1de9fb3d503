//! The rule behind what a picture shows: the row of the rule table that says what a correct controller does there.
//!
//! It is a hint for a reader, found from the change alone. What was broken is the judge's word.

use keyway_core::access_code::{Record, Status};
use keyway_core::event::EventType;
use keyway_core::rule::{case, statement};

use super::data::Fate;
use crate::report::telling::problems;

/// What a rule says.
pub fn says(rule: &str) -> &'static str {
    statement(rule).or_else(|| case(rule).map(|case| case.title)).unwrap_or_default()
}

/// The rule behind an event.
pub const fn of_event(event: EventType) -> &'static str {
    match event {
        EventType::Created => "T01",
        EventType::Changed => "R-17",
        EventType::ScheduledOnDevice => "T04",
        EventType::SetOnDevice => "T07",
        EventType::RemovedFromDevice => "T17",
        EventType::DelayInSettingOnDevice => "T09",
        EventType::FailedToSetOnDevice => "T10",
        EventType::Deleted => "T17",
        EventType::DelayInRemovingFromDevice => "T18",
        EventType::FailedToRemoveFromDevice => "T19",
        EventType::ModifiedExternalToSeam => "T23",
        EventType::DeletedExternalToSeam => "T24",
        EventType::BackupAccessCodePulled => "R-36",
        EventType::UnmanagedConvertedToManaged => "T31",
        EventType::UnmanagedFailedToConvertToManaged => "T32",
        EventType::UnmanagedCreated => "T33",
        EventType::UnmanagedRemoved => "T34",
    }
}

/// The rule behind a message's fate.
pub const fn of_fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Fine | Fate::Open => "P-01",
        Fate::Refused => "P-13",
        Fate::Unclear => "P-05",
        Fate::Lost | Fate::AnswerLost | Fate::Doubled => "P-06",
        Fate::Late => "P-03",
    }
}

/// The rule behind a change of what the API shows.
pub fn of_change(before: Option<&Record>, after: Option<&Record>) -> &'static str {
    match (before, after) {
        (None, Some(after)) if !after.is_managed => "T33",
        (None, _) => "T01",
        (Some(before), None) if !before.is_managed => "T34",
        (Some(before), None) if before.status == Status::Removing => "T17",
        (Some(_), None) => "T16",
        (Some(before), Some(after)) if before.is_managed != after.is_managed => {
            if after.is_managed {
                "T31"
            } else {
                "T30"
            }
        }
        (Some(before), Some(after)) if before.status == after.status => of_same_status(before, after),
        (Some(before), Some(after)) => of_status(before, after),
    }
}

fn of_status(before: &Record, after: &Record) -> &'static str {
    let is_external = has_new(before, after, "code_modified_external_to_seam");
    match (before.status, after.status) {
        (_, Status::Unknown) => "T20",
        (Status::Unknown, _) => "T22",
        (Status::Set, Status::Setting) if is_external => "T23",
        (Status::Set, Status::Setting) => "T11",
        (Status::Set, Status::Unset) if is_external => "T26",
        (Status::Set, Status::Unset) => "T12",
        (Status::Setting, Status::Unset) => "T36",
        (Status::Unset, Status::Setting) => "T02",
        (Status::Unset, Status::Set) if before.is_scheduled_on_device => "T05",
        (_, Status::Set) => "T07",
        (Status::Removing, Status::Unset) => "R-15",
        (_, Status::Removing) if after.ends_at.is_some() => "T14",
        (_, Status::Removing) => "T15",
        (_, Status::Setting | Status::Unset) => "R-13",
    }
}

fn of_same_status(before: &Record, after: &Record) -> &'static str {
    const RAISED: [(&str, &str); 5] = [
        ("delay_in_setting_on_device", "T09"),
        ("failed_to_set_on_device", "T10"),
        ("delay_in_removing_from_device", "T18"),
        ("failed_to_remove_from_device", "T19"),
        ("code_modified_external_to_seam", "T25"),
    ];
    let raised = RAISED.iter().find(|(problem, _)| has_new(before, after, problem));
    match (before.is_scheduled_on_device, after.is_scheduled_on_device) {
        (false, true) => "T04",
        (true, false) => "T27",
        _ if raised.is_some() => raised.map_or("", |(_, rule)| rule),
        _ if (before.code, before.window()) != (after.code, after.window()) => "R-17",
        _ if problems(before) != problems(after) => "T08",
        _ => "R-08",
    }
}

fn has_new(before: &Record, after: &Record, problem: &str) -> bool {
    problems(after).contains(&problem) && !problems(before).contains(&problem)
}

#[cfg(test)]
mod tests {
    use keyway_core::id::{CodeId, DeviceId, WorkspaceId};
    use keyway_core::time::Timestamp;

    use super::*;

    fn shown(status: Status) -> Record {
        Record { status, ..Record::new(CodeId(1), WorkspaceId(1), DeviceId(1), Timestamp(0)) }
    }

    #[test]
    fn every_change_of_status_has_a_rule_that_says_something() {
        for before in Status::ALL {
            for after in Status::ALL {
                assert!(!says(of_change(Some(&shown(before)), Some(&shown(after)))).is_empty(), "{before} to {after}");
            }
            assert!(!says(of_change(Some(&shown(before)), None)).is_empty() && !says(of_change(None, Some(&shown(before)))).is_empty());
        }
    }

    #[test]
    fn the_rule_is_that_of_the_change() {
        let change = |before, after| of_change(Some(&shown(before)), Some(&shown(after)));
        assert_eq!(change(Status::Setting, Status::Set), "T07");
        assert_eq!(change(Status::Set, Status::Removing), "T15");
        assert_eq!(of_change(Some(&shown(Status::Removing)), None), "T17");
        assert_eq!(of_change(None, Some(&shown(Status::Unset))), "T01");
        let scheduled = Record { is_scheduled_on_device: true, ..shown(Status::Unset) };
        assert_eq!(of_change(Some(&scheduled), Some(&shown(Status::Set))), "T05");
        assert_eq!(of_change(Some(&shown(Status::Unset)), Some(&scheduled)), "T04");
    }

    #[test]
    fn every_event_and_fate_has_a_rule_that_says_something() {
        for event in EventType::ALL {
            assert!(!says(of_event(event)).is_empty(), "{event}");
        }
    }
}
