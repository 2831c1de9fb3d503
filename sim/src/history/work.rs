//! What was done for each code: the last command, and the attempts at its goal as far as they count (`R-03`, `R-20`, `R-54`, `R-62`).

use keyway_core::config::PolicyConstants;
use keyway_core::id::{CommandId, Key};
use keyway_core::port::{Op, OpKind, Reason};
use keyway_core::time::Timestamp;

use super::Closing;

/// The last mutating command for a code.
#[derive(Clone, Debug)]
pub struct Last {
    /// Its id.
    pub id: CommandId,
    /// Its key.
    pub key: Key,
    /// What it was to do.
    pub op: Op,
    /// The wish it served.
    pub version: u32,
    /// How it ended, by the last word of it.
    pub closing: Closing,
    /// Whether any word of it was that it is done.
    pub was_done: bool,
    /// Whether it is settled.
    pub is_settled: bool,
}

/// What was done and seen for one code.
#[derive(Clone, Debug)]
pub struct Work {
    /// Mutating commands that are not settled: `ambig`.
    pub unsettled: u32,
    /// The last mutating command.
    pub last: Option<Last>,
    /// What it had saved after that to send next, and died before it did.
    pub unsent: Option<Last>,
    /// Since when attempts at the present goal fail.
    pub failing_since: Option<Timestamp>,
    /// Whether the last failure named or hinted at a twin.
    pub is_twin: bool,
    /// Whether the last failure was a permanent refusal (`R-20`).
    pub is_refused_for_good: bool,
    /// The last definite change of cause.
    pub cause_at: Timestamp,
    /// Attempts since then.
    pub attempts: u32,
    /// Commands, sent or saved to be sent, since it was last shown as set that may have failed; what makes way for a write may as well as that (`R-03`).
    pub tries: u32,
    /// When the present attempt made its first command, and the kinds it made.
    kinds: [Option<OpKind>; 2],
    /// When it was first refused for good, or as a twin, since the last change of cause, with nothing of the code unsettled (`R-20`, `R-54`).
    pub refused_at: Option<Timestamp>,
    /// When a twin was first named since the last attempt, whatever was open.
    twin_told_since: Option<Timestamp>,
    /// When it was last told that its PIN is taken, whatever came since: without a sign it need not ask again before the time of `R-54`.
    pub told_twin_at: Option<Timestamp>,
    /// Attempts since it was refused.
    pub attempts_refused: u32,
    /// When a proof that the goal is in memory was last delivered.
    pub confirmed_at: Option<Timestamp>,
    /// When a proof that nothing is there was last delivered.
    pub absent_at: Option<Timestamp>,
    /// The last thing that gives reason to write for the code: asked, due, changed or faulty.
    pub reason_at: Timestamp,
    /// When last something was sent or closed for the code, or its goal or path changed.
    pub active_at: Timestamp,
    /// Writes in a row that were acknowledged, and that a read then showed to have had no effect (`R-54`).
    pub absences: u32,
    /// When external changes of it were reported.
    pub reversals: Vec<Timestamp>,
    /// When it was first written again after each of them.
    pub resets: Vec<Timestamp>,
    is_reset_pending: bool,
    /// When the platform last reported a reversal on its device.
    restless_at: Option<Timestamp>,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            unsettled: 0,
            last: None,
            unsent: None,
            failing_since: None,
            is_twin: false,
            is_refused_for_good: false,
            cause_at: Timestamp::MIN,
            attempts: 0,
            tries: 0,
            kinds: [None; 2],
            refused_at: None,
            twin_told_since: None,
            told_twin_at: None,
            attempts_refused: 0,
            confirmed_at: None,
            absent_at: None,
            reason_at: Timestamp::MIN,
            active_at: Timestamp::MIN,
            absences: 0,
            reversals: Vec::new(),
            resets: Vec::new(),
            is_reset_pending: false,
            restless_at: None,
        }
    }

    /// Another goal: what failed before does not count.
    pub(super) fn begin_anew(&mut self, now: Timestamp) {
        (self.failing_since, self.is_twin, self.is_refused_for_good) = (None, false, false);
        (self.reversals, self.resets, self.is_reset_pending) = (Vec::new(), Vec::new(), false);
        self.absences = 0;
        self.reason_at = self.reason_at.max(now);
        self.change_cause(now);
    }

    /// Something definite changed: attempts count anew.
    pub(super) fn change_cause(&mut self, now: Timestamp) {
        self.show_cause(now);
        self.active_at = self.active_at.max(now);
    }

    /// A change of cause that came earlier is shown: only from now on can anybody act on it.
    pub(super) fn show_cause(&mut self, now: Timestamp) {
        (self.cause_at, self.attempts, self.kinds) = (now, 0, [None; 2]);
        (self.refused_at, self.attempts_refused) = (None, 0);
    }

    pub(super) fn attempt(&mut self, now: Timestamp, op: &Op) {
        let kind = Some(op.kind());
        self.active_at = now;
        self.twin_told_since = None;
        self.tries += 1;
        let goes_on = self.attempts > 0 && self.kinds[1].is_none() && self.kinds[0] != kind;
        // What was refused is tried again by a write; an erasure only makes way for it (`R-54`), and so does a seat that is taken for a user that had none (`R-63`).
        let last = self.last.as_ref().map(|last| &last.op);
        let made_way = last.is_some_and(Op::is_erasing);
        let makes_way = op.is_erasing() || matches!((op, last), (Op::TakeSeat { .. }, Some(Op::AssignPin { .. })));
        let is_tried_again = !makes_way && (!goes_on || made_way);
        self.attempts_refused += u32::from(is_tried_again && self.refused_at.is_some());
        if goes_on {
            self.kinds[1] = kind;
        } else {
            self.kinds = [kind, None];
            self.attempts += 1;
        }
        if self.is_reset_pending && !op.is_erasing() {
            self.is_reset_pending = false;
            self.resets.push(now);
        }
    }

    pub(super) fn fail(&mut self, now: Timestamp, closing: Closing) {
        self.failing_since = self.failing_since.or(Some(now));
        self.is_twin = matches!(closing, Closing::Refused(Reason::PinTaken) | Closing::MaybeDuplicate);
        self.is_refused_for_good = matches!(closing, Closing::Refused(reason) if reason.is_permanent());
        // Which of two writes the first word of a twin means nobody can tell: from then on the controller may count (`P-06`, `R-54`).
        let since = if self.is_twin { *self.twin_told_since.get_or_insert(now) } else { now };
        let is_for_good = match closing {
            // In another slot it may succeed.
            Closing::Refused(Reason::SlotOutOfRange) => false,
            Closing::Refused(reason) => reason == Reason::PinTaken || reason.is_permanent(),
            _ => false,
        };
        if !is_for_good {
            self.doubt_refusal();
            return;
        }
        if self.is_twin {
            self.told_twin_at = Some(now);
        }
        // Nor does the word of an earlier write tell what became of one that was saved to follow it, and perhaps was sent (`R-60`).
        if self.unsettled == 0 && self.unsent.is_none() && self.refused_at.is_none() {
            (self.refused_at, self.attempts_refused) = (Some(since), 0);
        }
    }

    /// A write that was acknowledged is not there, and no word says why (`R-54`).
    pub(super) fn miss(&mut self) {
        self.absences += 1;
        if self.twin_told_since.is_none() {
            self.doubt_refusal();
        }
    }

    /// Nobody was told anything definite this time: `R-03` says when to try again.
    pub(super) fn doubt_refusal(&mut self) {
        (self.refused_at, self.attempts_refused) = (None, 0);
    }

    pub(super) fn succeed(&mut self, now: Timestamp) {
        (self.failing_since, self.is_twin, self.is_refused_for_good, self.told_twin_at) = (None, false, false, None);
        self.absences = 0;
        self.change_cause(now);
    }

    /// The controller was told anew what the lock demands: that may end a refusal other than that of a twin.
    pub(super) fn reconsider(&mut self) {
        if !self.is_twin {
            self.doubt_refusal();
        }
    }

    /// The platform reported that somebody changed or removed the code.
    pub(super) fn reverse(&mut self, now: Timestamp) {
        self.reversals.push(now);
        self.is_reset_pending = true;
        self.change_cause(now);
    }

    /// The platform reported a reversal on the device of the code, be it another one's: peace comes later (`R-62`).
    pub(super) fn stay_restless(&mut self, now: Timestamp, calm_ms: i64) {
        if self.restless_at.is_some_and(|last| now - last >= calm_ms) {
            (self.reversals, self.resets) = (Vec::new(), Vec::new());
        }
        self.restless_at = Some(now);
    }

    /// Whether `R-62` slows the re-sets of the code at `at`.
    #[must_use]
    pub fn is_fighting(&self, at: Timestamp, policy: &PolicyConstants) -> bool {
        let is_calm = self.restless_at.is_none_or(|last| at - last >= policy.reversal_calm_ms);
        !is_calm && self.reversals.windows(3).any(|three| three[2] - three[0] <= policy.reversal_period_ms)
    }
}
