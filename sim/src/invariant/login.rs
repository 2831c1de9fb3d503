//! What refused credentials show (`V-17`): the first refused call one error, the third in a row that the account is lost (`I-ERR-13`), and not before (`I-ERR-09`).

use std::collections::BTreeMap;

use keyway_core::id::{AccountId, CommandId, Epoch};
use keyway_core::port::{Answer, News};
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;

use super::memory::broken_at;
use super::{Found, Interests, Invariant};
use crate::history::History;
use crate::occurrence::{Lock, Occurrence};

/// Refused calls in a row after which an account is lost.
const REFUSALS_THAT_DISCONNECT: u32 = 3;

/// Judged at the end of each step, for the accounts that the step was about.
#[derive(Default)]
pub(super) struct Logins {
    known: BTreeMap<AccountId, Login>,
    /// Commands that are not answered.
    asked: BTreeMap<CommandId, Asked>,
    heard_of: Option<AccountId>,
}

/// A command that is not answered.
#[derive(Clone, Copy)]
struct Asked {
    account: AccountId,
    at: Timestamp,
    of: Option<(Lock, Epoch)>,
    /// Whether it timed out, whoever asked has died, or it was for a device that had left.
    is_late: bool,
    /// Whether it makes the vendor compute a PIN; the history knows no such command once it is answered.
    is_registering: bool,
}

impl Asked {
    /// A command that was answered already: a copy of it may be answered otherwise, and that is as true (`P-01`).
    fn before(history: &History, command_id: CommandId) -> Option<Self> {
        let sent = history.sent(command_id)?;
        let of = sent.lock.map(|lock| (lock, sent.command.epoch));
        Some(Self { account: sent.command.account, at: sent.at, of, is_late: true, is_registering: false })
    }
}

/// What a controller was told of a login.
#[derive(Clone, Copy)]
struct Login {
    /// When the last call was made that the vendor did not refuse, or the last notice said that it would refuse them.
    works_since: Timestamp,
    /// When a refusal was last told, or that there will be some.
    refused_at: Timestamp,
    /// Refusals that were told since the login was last known to work.
    refusals: u32,
    /// Those of calls that nothing else made void or old, and that no crash made it forget.
    remembered: u32,
    /// Whether a notice said that the login is gone.
    is_told: bool,
}

impl Login {
    const NEW: Self = Self { works_since: Timestamp::MIN, refused_at: Timestamp::MIN, refusals: 0, remembered: 0, is_told: false };

    /// An answer to a call of `sent_at`, which may be void by now (`P-10`) or come too late.
    fn hear(&mut self, now: Timestamp, sent_at: Timestamp, is_void: bool, answer: &Answer) {
        match answer {
            Answer::Unauthorized => {
                self.refused_at = now;
                self.refusals += 1;
                self.remembered += u32::from(sent_at >= self.works_since && !is_void);
            }
            // These come from before the vendor looks who calls.
            Answer::TimedOut | Answer::ServerError { .. } | Answer::RateLimited { .. } | Answer::Unreachable(_) => {}
            _ if sent_at >= self.refused_at => *self = Self { works_since: sent_at, ..Self::NEW },
            _ => {
                self.works_since = self.works_since.max(sent_at);
                self.remembered = 0;
            }
        }
    }
}

impl Logins {
    fn judge(&self, history: &History, account: AccountId, found: &mut Found) {
        let Some(login) = self.known.get(&account).filter(|login| login.refusals > 0) else { return };
        for lock in history.locks_of(account) {
            let Some(device) = history.lock(*lock).device.as_deref() else { continue };
            let shows = |error: ErrorCode| device.account_errors.iter().any(|entry| entry.error_code == error);
            let (is_refused, is_lost) = (shows(ErrorCode::InvalidCredentials), shows(ErrorCode::AccountDisconnected));
            found.armed("I-ERR-13");
            if login.remembered > 0 && !is_refused && !is_lost {
                broken_at("I-ERR-13", history, *lock, "a call was refused for its credentials, and its account does not say so", found);
            }
            if login.remembered >= REFUSALS_THAT_DISCONNECT && !is_lost {
                let what = format!(
                    "{} calls in a row were refused for their credentials, and its account does not count as lost",
                    login.remembered
                );
                broken_at("I-ERR-13", history, *lock, &what, found);
            }
        }
    }

    fn judge_alarms(&self, history: &History, found: &mut Found) {
        for lock in history.changed_devices() {
            let is_lost = |error: ErrorCode| error == ErrorCode::AccountDisconnected;
            let was = History::device_shows(history.previous_device(*lock), is_lost);
            if was || !History::device_shows(history.lock(*lock).device.as_deref(), is_lost) {
                continue;
            }
            let login = self.known.get(&history.lock(*lock).facts.account).copied().unwrap_or(Login::NEW);
            found.armed("I-ERR-09");
            if !login.is_told && login.refusals < REFUSALS_THAT_DISCONNECT {
                let what = format!("its account counts as lost after {} refused calls, and no notice said so", login.refusals);
                broken_at("I-ERR-09", history, *lock, &what, found);
            }
        }
    }
}

impl Invariant for Logins {
    fn ids(&self) -> &'static [&'static str] {
        &["I-ERR-09", "I-ERR-13"]
    }

    fn interests(&self) -> Interests {
        let told = Interests::ANSWERED.and(Interests::NOTICED).and(Interests::COMMANDED);
        told.and(Interests::CRASHED).and(Interests::STEP_ENDED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Answered { command_id, answer, .. } => {
                let Some(asked) = self.asked.get(command_id).copied().or_else(|| Asked::before(history, *command_id)) else { return };
                match answer {
                    // More may be heard of it, if anybody still listens (`P-01`).
                    _ if !answer.is_closing() => {}
                    _ if asked.is_registering || *answer == Answer::TimedOut => {
                        self.asked.insert(*command_id, Asked { is_late: true, ..asked });
                    }
                    _ => drop(self.asked.remove(command_id)),
                }
                let is_void = asked.is_late || asked.of.is_some_and(|(lock, epoch)| history.lock(lock).epoch > epoch);
                self.known.entry(asked.account).or_insert(Login::NEW).hear(now, asked.at, is_void, answer);
                self.heard_of = Some(asked.account);
            }
            Occurrence::Noticed { notice, .. } if notice.news == News::AccountRevoked => {
                let login = self.known.entry(notice.account).or_insert(Login::NEW);
                (login.works_since, login.refused_at, login.is_told) = (now, now, true);
            }
            Occurrence::Commanded { command, lock } => {
                let of = lock.map(|lock| (lock, command.epoch));
                let is_registering = command.op.is_registering();
                // What was written to a device that has left is of an earlier incarnation.
                let is_late = command.op.is_mutating() && of.is_none();
                let asked = Asked { account: command.account, at: now, of, is_late, is_registering };
                self.asked.insert(command.command_id, asked);
            }
            Occurrence::Crashed => {
                self.asked.values_mut().for_each(|asked| asked.is_late = true);
                self.known.values_mut().for_each(|login| login.remembered = 0);
            }
            Occurrence::StepEnded if !history.is_catching_up() => {
                if let Some(account) = self.heard_of.take() {
                    self.judge(history, account, found);
                }
                self.judge_alarms(history, found);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::access_code::Status;
    use keyway_core::port::{News, Op};
    use keyway_core::problem::ErrorEntry;
    use keyway_core::time::MINUTE_MS;

    use super::*;
    use crate::judge::testing::{CLOUD, Story};

    fn story() -> Story {
        Story::judged_by(vec![Box::<Logins>::default()])
    }

    /// A call is refused, and the account shows these errors then.
    fn is_refused(story: &mut Story, errors: &[ErrorCode]) {
        story.wait(MINUTE_MS);
        let command_id = story.command(CLOUD, None, Op::GetDevice);
        let created_at = story.now();
        let errors = errors.iter().map(|error_code| ErrorEntry { error_code: *error_code, created_at }).collect();
        let view = story.device_view(CLOUD, |device| device.account_errors = errors);
        story.answer_with(command_id, Answer::Unauthorized, vec![Occurrence::Saved, view], Vec::new());
    }

    const REFUSED: &[ErrorCode] = &[ErrorCode::InvalidCredentials];
    const LOST: &[ErrorCode] = &[ErrorCode::InvalidCredentials, ErrorCode::AccountDisconnected];

    #[test]
    fn three_refusals_in_a_row_lose_an_account() {
        let mut story = story();
        for errors in [REFUSED, REFUSED, LOST, LOST] {
            is_refused(&mut story, errors);
        }
        story.must_hold();
    }

    #[test]
    fn a_refusal_is_not_kept_quiet() {
        let mut story = story();
        is_refused(&mut story, REFUSED);
        is_refused(&mut story, &[]);
        story.must_break("I-ERR-13");
    }

    #[test]
    fn an_account_is_lost_with_the_third_refusal() {
        let mut story = story();
        for errors in [REFUSED, REFUSED, REFUSED] {
            is_refused(&mut story, errors);
        }
        story.must_break("I-ERR-13");
    }

    #[test]
    fn two_refusals_lose_no_account() {
        let mut story = story();
        for errors in [REFUSED, LOST] {
            is_refused(&mut story, errors);
        }
        story.must_break("I-ERR-09");
    }

    #[test]
    fn what_works_between_begins_the_count_anew() {
        let mut story = story();
        for errors in [REFUSED, REFUSED] {
            is_refused(&mut story, errors);
        }
        story.list(CLOUD);
        is_refused(&mut story, REFUSED);
        story.must_hold();
    }

    #[test]
    fn a_notice_loses_an_account_at_once() {
        let mut story = story();
        story.code(CLOUD, "1234", None, Status::Setting);
        story.notice(CLOUD, News::AccountRevoked, Vec::new());
        is_refused(&mut story, LOST);
        story.must_hold();
    }
}
