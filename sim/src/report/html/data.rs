//! What the page of a run is drawn from: plain data, with times in milliseconds after the start of the plan.
//!
//! Locks, codes and PINs are named by their place in a list. PINs stand in one list only; texts refer to them as `⟦3⟧`, so that
//! the page can mask them.

use std::collections::BTreeMap;

use serde::Serialize;

/// A run, ready to be drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The plan's name.
    pub title: String,
    /// What the story is about.
    pub about: String,
    /// The instant of `+0`, in milliseconds since 1970.
    pub start_unix_ms: i64,
    /// When the picture begins.
    pub from_ms: i64,
    /// When it ends.
    pub to_ms: i64,
    /// What the run came to.
    pub verdict: &'static str,
    /// Whether that is as the plan expects.
    pub is_as_expected: bool,
    /// When something was broken.
    pub violated_at_ms: Option<i64>,
    /// What was broken.
    pub broken: Vec<Broken>,
    /// The command that shows it again.
    pub replay: String,
    /// The rolling hash of the run.
    pub hash: String,
    /// All PINs.
    pub pins: Vec<String>,
    /// The statements of the rules that are named.
    pub rules: BTreeMap<&'static str, &'static str>,
    /// The locks.
    pub locks: Vec<LockLane>,
    /// The codes.
    pub codes: Vec<CodeLane>,
    /// Whose doing the spans of `path` are: what lies over all locks, or over one.
    pub bands: Vec<Band>,
    /// Entries in locks, over time.
    pub entries: Vec<Entry>,
    /// What was asked, over time.
    pub wishes: Vec<Wish>,
    /// What the API showed of codes, over time.
    pub shown: Vec<Shown>,
    /// What the API showed of devices, over time.
    pub devices: Vec<DeviceShown>,
    /// What went to and fro.
    pub messages: Vec<Message>,
    /// The events in the log.
    pub events: Vec<Tick>,
    /// PINs entered at doors.
    pub entered: Vec<Entered>,
    /// The instants at which something happened, in words.
    pub moments: Vec<Moment>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Its id.
    pub id: String,
    /// What must hold.
    pub statement: &'static str,
    /// What was seen and what was expected of whom.
    pub what: String,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockLane {
    /// Its name.
    pub name: String,
    /// Its vendor.
    pub vendor: &'static str,
    /// The places that were ever used, in order.
    pub places: Vec<String>,
}

/// An access code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeLane {
    /// Its name in the plan, else what it is and a number.
    pub label: String,
    /// Its lock.
    pub lock: Option<usize>,
}

/// From one instant to another; none: to the end of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first instant.
    pub from: i64,
    /// The first instant after it.
    pub to: Option<i64>,
}

/// What lies over lanes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Band {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// Over which lock; none: over all.
    pub lock: Option<usize>,
    /// What it is.
    pub sort: BandSort,
    /// Its name.
    pub name: String,
    /// What it means.
    pub about: String,
}

/// Why there is a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BandSort {
    /// A fault of the plan.
    Fault,
    /// Commands can't reach the lock.
    Unreachable,
    /// The lock is dead.
    Dead,
    /// The controller is down.
    Down,
    /// Faults have stopped, and all must come to rest.
    Heal,
}

/// An entry in a lock's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it lay there.
    #[serde(flatten)]
    pub span: Span,
    /// The lock.
    pub lock: usize,
    /// Where, by its place in the lock's list.
    pub place: usize,
    /// Its PIN.
    pub pin: usize,
    /// Whose it is; none: nobody's.
    pub code: Option<usize>,
    /// The name it is stored under.
    pub name: String,
    /// The window that the lock keeps.
    pub window: Option<(i64, i64)>,
    /// Whether the lock honours it.
    pub is_enabled: bool,
    /// Whether no read shows it.
    pub is_hidden: bool,
    /// When it opened the door.
    pub opens: Vec<(i64, i64)>,
    /// What put it there.
    pub cause: String,
    /// The rule behind it.
    pub rule: &'static str,
}

/// What was asked of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// How long it was the wish.
    #[serde(flatten)]
    pub span: Span,
    /// The code.
    pub code: usize,
    /// The PIN; none: any.
    pub pin: Option<usize>,
    /// When it shall open the door; an end is missing where there is none.
    pub window: (Option<i64>, Option<i64>),
    /// The call in words.
    pub why: String,
}

/// What the API showed of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// The code.
    pub code: usize,
    /// Its status.
    pub status: &'static str,
    /// Whether it is shown as scheduled on the device.
    pub is_scheduled: bool,
    /// Whether it is managed.
    pub is_managed: bool,
    /// Its PIN.
    pub pin: Option<usize>,
    /// Its window.
    pub window: Option<(i64, i64)>,
    /// Its problems by name.
    pub problems: Vec<&'static str>,
    /// The rule behind the change that began it.
    pub rule: &'static str,
}

/// What the API showed of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceShown {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// The lock.
    pub lock: usize,
    /// Its problems, by name.
    pub problems: String,
}

/// A command with its answer, or a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Which.
    pub sort: MessageSort,
    /// The lock, if it is about one.
    pub lock: Option<usize>,
    /// On whose behalf.
    pub code: Option<usize>,
    /// What it says.
    pub what: String,
    /// When it set out: for a notice, the instant of its fact.
    pub sent: i64,
    /// When it changed the lock.
    pub landed: Option<i64>,
    /// When the controller heard the answer, or the notice.
    pub heard: Vec<i64>,
    /// The answer.
    pub answer: String,
    /// How it went.
    pub fate: Fate,
    /// The rule behind that.
    pub rule: &'static str,
}

/// What sort of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageSort {
    /// A command that may change a lock.
    Write,
    /// A command that only reads.
    Read,
    /// News from the vendor.
    Notice,
}

/// How a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// As it should.
    Fine,
    /// It was refused.
    Refused,
    /// The answer leaves open what happened.
    Unclear,
    /// Nothing came back, and the lock did not change.
    Lost,
    /// The lock changed, and no answer came back.
    AnswerLost,
    /// It came later than the vendor's longest latency, or took effect after its answer.
    Late,
    /// It came more than once.
    Doubled,
    /// The run ended before an answer.
    Open,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tick {
    /// When it was logged.
    pub at: i64,
    /// Its name.
    pub name: &'static str,
    /// The code.
    pub code: usize,
    /// The rule behind it.
    pub rule: &'static str,
}

/// A PIN entered at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// When.
    pub at: i64,
    /// The lock.
    pub lock: usize,
    /// The PIN.
    pub pin: usize,
    /// Whether the door opened.
    pub opened: bool,
}

/// An instant in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When.
    pub at: i64,
    /// What happened, in order.
    pub said: Vec<Line>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether it was the controller's doing, not the world's.
    pub is_controller: bool,
    /// Whether something changed.
    pub is_change: bool,
    /// What.
    pub what: String,
    /// The rule behind it.
    pub rule: &'static str,
}
