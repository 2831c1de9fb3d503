//! Everything that happens in a run, as one stream of plain data. The judge, the trace and the rolling hash all
//! read this stream and nothing else.

use std::sync::Arc;

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::config::Config;
use keyway_core::event::Event;
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, VendorDevice, WorkspaceId};
use keyway_core::offline::OfflineKind;
use keyway_core::pin::{Pin, PinEquality};
use keyway_core::port::{Answer, Command, Name, Notice, Place};
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::{Timestamp, Window};
use keyway_core::vendor::Profile;
use serde::{Deserialize, Serialize};

/// A lock, by its place in the plan's order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lock(pub u32);

/// What never changes in a run: given to the judge before the first occurrence.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What the controller was told.
    pub config: Config,
    /// The locks, indexed by [`Lock`].
    pub locks: Vec<LockFacts>,
    /// The first instant (of the prologue, if there is one).
    pub begins_at: Timestamp,
}

/// What never changes about a lock.
#[derive(Clone, Debug)]
pub struct LockFacts {
    /// Its name in the plan.
    pub name: String,
    /// Its id at the boundary.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// The lock that this is, seen from another workspace; it stands before it in the order of declaration.
    pub view_of: Option<Lock>,
    /// Number of its hub, unique in the run; locks with the same number share it.
    pub hub: Option<u32>,
    /// Its profile, with the plan's overrides.
    pub profile: Arc<Profile>,
    /// Places in truth: fewer than `profile.slots` under `fewer_slots_than_told`, and without the hidden reserved ones.
    pub usable_slots: u32,
    /// Digits with which it takes no PIN.
    pub master_prefix: Option<Pin>,
    /// What it takes for an equal PIN and turns away, with or without a word; none if it takes no notice.
    pub twins: Option<PinEquality>,
    /// Whether it takes only PINs as long as those of its other entries.
    pub one_length: bool,
    /// The last slot that a listing shows, where the vendor's scan stops early.
    pub scan_ends_at: Option<u16>,
    /// Whether its clock can be set, in truth.
    pub clock_settable: bool,
    /// The zone that its vendor tells.
    pub told_zone: Option<String>,
}

/// The number of the first API call of the prologue.
pub const PROLOGUE_CALLS: u64 = 1 << 32;

/// One thing that happened. Those between [`Occurrence::StepBegan`] and [`Occurrence::StepEnded`] belong to one step of the controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occurrence {
    /// The controller was started, afresh or again.
    Started {
        /// Whether it is a restart from durable bytes.
        restart: bool,
    },
    /// The controller died. Outputs of the step after this point did not happen.
    Crashed,
    /// The controller is handed an input; what it is comes next.
    StepBegan,
    /// An API call is handed to the controller.
    Called {
        /// Its number: the index into `Plan::steps`; calls of the prologue count from [`PROLOGUE_CALLS`].
        call_id: CallId,
        /// The caller's workspace.
        workspace: WorkspaceId,
        /// What is asked.
        request: Request,
    },
    /// An API call met a controller that is down: refused by the harness, not counted (`P-07`).
    CallLost {
        /// Its number.
        call_id: CallId,
    },
    /// An answer is delivered to the controller.
    Answered {
        /// To which command.
        command_id: CommandId,
        /// The answer.
        answer: Answer,
        /// The instant at which what it shows was true; none where it shows nothing of a lock.
        snapshot_at: Option<Timestamp>,
    },
    /// A notice is delivered to the controller.
    Noticed {
        /// The notice.
        notice: Notice,
        /// The instant of the fact.
        snapshot_at: Timestamp,
        /// The lock, if it is about one.
        lock: Option<Lock>,
    },
    /// The controller is woken.
    Woken,
    /// The controller replied to a call.
    Replied {
        /// The call.
        call_id: CallId,
        /// The result.
        result: Result<Response, Refusal>,
    },
    /// From now on this name of the plan stands for this code: its creation or pull was answered ok.
    Bound {
        /// The name.
        name: String,
        /// The code.
        code: CodeId,
    },
    /// A step of the plan met no target and did nothing.
    NoTarget {
        /// Index into `Plan::steps`.
        step: u32,
    },
    /// The controller sent a command.
    Commanded {
        /// The command, with `for_code`.
        command: Command,
        /// The lock it means, if its vendor id names one of the account.
        lock: Option<Lock>,
    },
    /// The controller died before it sent this command, and had saved in the same step: after a restart it can't know but that it was sent (`R-60`).
    Unsent {
        /// The command, with `for_code`.
        command: Command,
        /// The lock it means, if its vendor id names one of the account.
        lock: Option<Lock>,
    },
    /// The controller emitted an event. It is in the log only from the save on (`P-08`).
    Emitted(Event),
    /// Events emitted since the last save are in the log now.
    Saved,
    /// A record's own view is this now; none: it is gone.
    Recorded {
        /// Which.
        code: CodeId,
        /// Its view.
        after: Option<Box<Record>>,
    },
    /// A device's own view is this now.
    DeviceRecorded {
        /// Which.
        device: DeviceId,
        /// Its view.
        after: Option<Box<DeviceRecord>>,
    },
    /// A view differs from the last one read, and nobody announced it (`I-CTR-01`).
    Unannounced {
        /// The code or device, as text.
        what: String,
    },
    /// All outputs of the step have happened and the views announced were read.
    StepEnded,
    /// A lock's memory, clock or state changed.
    Truth {
        /// The lock.
        lock: Lock,
        /// What changed.
        change: Change,
        /// Who did it.
        cause: Cause,
    },
    /// A conversion made the controller the owner of the entry at this place, which is this code's from now on (`P-09`).
    Claimed {
        /// The lock.
        lock: Lock,
        /// Where.
        place: Place,
        /// Whose it is now.
        code: CodeId,
    },
    /// Something else than the plain course happened to this lock or on its path, now; it stamps `last_disturbed`.
    Disturbed {
        /// The lock.
        lock: Lock,
    },
    /// A fault of the plan began or ended on the path of these locks. While `active` is not 0 the lock counts as disturbed.
    Faults {
        /// The lock.
        lock: Lock,
        /// How many faults are active on its path.
        active: u32,
    },
    /// So many jobs hold the lock's path longer than a job may without a fault. While they are not 0 the lock counts as disturbed.
    Slowed {
        /// The lock.
        lock: Lock,
        /// How many jobs.
        jobs: u32,
    },
    /// Whether commands can reach the lock at all: lock, hub, cloud, account, credentials, plan, all good.
    Reach {
        /// The lock.
        lock: Lock,
        /// All good.
        up: bool,
    },
    /// Somebody entered a PIN.
    Entered {
        /// The lock.
        lock: Lock,
        /// The PIN.
        pin: Pin,
        /// Whether the door opened.
        opened: bool,
    },
    /// The run passed from one phase to the next.
    Phase(Phase),
    /// The controller is handed an input other than a wake when the wake that it asked for is due: it may do the work of its timers in the same step.
    WakeDue,
}

/// What changed at a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An entry lies at this place now, with this content; it may have replaced another.
    Stored {
        /// Where.
        place: Place,
        /// What.
        entry: TrueEntry,
    },
    /// The entry at this place is gone.
    Erased {
        /// Where.
        place: Place,
    },
    /// The lock's clock is off by this much from now on; positive is fast.
    Clock {
        /// Milliseconds.
        off_ms: i64,
    },
    /// Whether the lock itself works: power, keypad, no lockout.
    Works(bool),
    /// The lock joined anew, with this vendor id and incarnation.
    Joined {
        /// The vendor's new id.
        device: VendorDevice,
        /// The new incarnation.
        epoch: Epoch,
    },
    /// The lock left its account.
    Left,
    /// The seats of the lock's site.
    Seats {
        /// Seats that its plan pays for.
        limit: u32,
        /// Seats that are taken.
        used: u32,
        /// The codes whose users the controller made, and whether they have a seat.
        users: Vec<(CodeId, bool)>,
    },
    /// The lock takes these PIN lengths from now on (a bit for each length).
    Lengths(keyway_core::pin::Lengths),
    /// The vendor's server computed a PIN that the lock takes from now on.
    Computed {
        /// The PIN.
        pin: Pin,
        /// The kind of code.
        kind: OfflineKind,
        /// When it opens.
        window: Window,
        /// The code on whose behalf it was computed.
        code: Option<CodeId>,
    },
    /// A computed PIN opened the lock for the first time.
    Used {
        /// The PIN.
        pin: Pin,
    },
    /// The lock was set back and takes no computed PIN of before.
    SetBack,
}

/// An entry as it lies in a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueEntry {
    /// The PIN.
    pub pin: Pin,
    /// The displayed name.
    pub name: Name,
    /// The schedule, as it was written.
    pub window: Option<Window>,
    /// The schedule that the lock goes by, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Window>,
    /// Whether the lock honours it.
    pub enabled: bool,
    /// Seen by no read.
    pub hidden: bool,
    /// Who put it there.
    pub origin: Origin,
}

impl TrueEntry {
    /// The schedule that the lock goes by, at its own time.
    #[must_use]
    pub fn kept_window(&self) -> Option<Window> {
        self.kept.or(self.window)
    }
}

/// Who put an entry into a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The controller, on behalf of this code (`P-09`).
    Code(CodeId),
    /// The controller, on behalf of nobody it named.
    Unclaimed,
    /// A person or another app.
    External,
    /// The controller, on behalf of a code of another workspace.
    Other,
    /// The lock itself.
    Reserved,
}

/// Who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A command of the controller.
    Command(CommandId),
    /// A person, another app, a fault.
    World,
    /// Part of how the world begins.
    Beginning,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before `+0`: owners' codes are created, undisturbed.
    Prologue,
    /// Faults and people at work.
    Safety,
    /// Faults stopped, all healed but what is lost for good.
    Heal,
    /// The run must have converged.
    End,
}
