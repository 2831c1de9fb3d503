//! What an onlooker knows at one instant: the stream of occurrences folded into records, memories and names.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::event::Event;
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::port::Place;
use keyway_core::time::Timestamp;

use crate::occurrence::{Change, Facts, Lock, Occurrence, Origin, Phase, TrueEntry};

/// The state of the world and of the boundary, as far as the stream has told it.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Codes by their names in the plan.
    pub codes: BTreeMap<String, CodeId>,
    /// The records that exist.
    pub records: BTreeMap<CodeId, Record>,
    /// The devices' own views.
    pub devices: BTreeMap<DeviceId, DeviceRecord>,
    /// The locks, indexed by [`Lock`].
    pub locks: Vec<LockView>,
    /// Where the run stands; none before the first phase is told.
    pub phase: Option<Phase>,
    /// Whether the controller is down.
    pub is_down: bool,
    labels: BTreeMap<CodeId, String>,
    named: BTreeSet<CodeId>,
    unsaved: Vec<Event>,
}

/// What is true of a lock.
#[derive(Clone, Debug)]
pub struct LockView {
    /// Its name in the plan.
    pub name: String,
    /// Its id at the boundary.
    pub device: DeviceId,
    /// Its memory.
    pub memory: BTreeMap<Place, TrueEntry>,
    /// Error of its clock in milliseconds; positive is fast.
    pub clock_off_ms: i64,
    /// Power, keypad, no lockout.
    pub works: bool,
    /// Users that the controller made at its site.
    pub site_users: u32,
    /// Whether commands can reach it.
    pub is_reachable: bool,
    /// Faults active on its path.
    pub faults: u32,
    /// Jobs that hold its path longer than one may without a fault.
    pub slow_jobs: u32,
    /// Places in truth.
    pub usable_slots: u32,
}

impl LockView {
    /// Whether entering this entry's PIN would open the door now.
    #[must_use]
    pub fn opens(&self, entry: &TrueEntry, now: Timestamp) -> bool {
        let in_window = entry.kept_window().is_none_or(|window| window.contains(now + self.clock_off_ms));
        self.works && entry.enabled && in_window
    }

    /// The entries that are not the lock's own.
    pub fn entries(&self) -> impl Iterator<Item = (&Place, &TrueEntry)> {
        self.memory.iter().filter(|(_, entry)| entry.origin != Origin::Reserved)
    }
}

impl View {
    /// Before the first occurrence.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let lock = |lock: &crate::occurrence::LockFacts| LockView {
            name: lock.name.clone(),
            device: lock.device,
            memory: BTreeMap::new(),
            clock_off_ms: 0,
            works: true,
            site_users: 0,
            is_reachable: true,
            faults: 0,
            slow_jobs: 0,
            usable_slots: lock.usable_slots,
        };
        Self { locks: facts.locks.iter().map(lock).collect(), ..Self::default() }
    }

    /// Before the first occurrence of a log that is known whole: codes have their names before the answer that binds them.
    #[must_use]
    pub fn naming(facts: &Facts, log: &[(Timestamp, Occurrence)]) -> Self {
        let bound = log.iter().filter_map(|(_, occurrence)| match occurrence {
            Occurrence::Bound { name, code } => Some((*code, name.clone())),
            _ => None,
        });
        let labels: BTreeMap<CodeId, String> = bound.collect();
        Self { named: labels.keys().copied().collect(), labels, ..Self::new(facts) }
    }

    /// Takes one occurrence in; gives the events that are in the log with it (`P-08`, `EV-05`). Who is told of them later, and how often, is not
    /// looked at (`EV-03`).
    pub fn observe(&mut self, occurrence: &Occurrence) -> Vec<Event> {
        match occurrence {
            Occurrence::Started { .. } => self.is_down = false,
            Occurrence::Crashed => {
                self.is_down = true;
                self.unsaved.clear();
            }
            Occurrence::Bound { name, code } => {
                self.codes.insert(name.clone(), *code);
                self.labels.insert(*code, name.clone());
                self.named.insert(*code);
            }
            Occurrence::Emitted(event) => self.unsaved.push(event.clone()),
            Occurrence::Saved => return std::mem::take(&mut self.unsaved),
            Occurrence::Recorded { code, after } => match after {
                Some(record) => {
                    self.label_record(record);
                    self.records.insert(*code, (**record).clone());
                }
                None => {
                    self.records.remove(code);
                }
            },
            Occurrence::DeviceRecorded { device, after } => match after {
                Some(record) => {
                    self.devices.insert(*device, (**record).clone());
                }
                None => {
                    self.devices.remove(device);
                }
            },
            Occurrence::Truth { lock, change, .. } => self.change(*lock, change),
            Occurrence::Claimed { lock, place, code } => {
                if let Some(entry) = self.lock_mut(*lock).memory.get_mut(place) {
                    entry.origin = Origin::Code(*code);
                }
            }
            Occurrence::Faults { lock, active } => self.lock_mut(*lock).faults = *active,
            Occurrence::Slowed { lock, jobs } => self.lock_mut(*lock).slow_jobs = *jobs,
            Occurrence::Reach { lock, up } => self.lock_mut(*lock).is_reachable = *up,
            Occurrence::Phase(phase) => self.phase = Some(*phase),
            Occurrence::StepBegan
            | Occurrence::WakeDue
            | Occurrence::Called { .. }
            | Occurrence::CallLost { .. }
            | Occurrence::Answered { .. }
            | Occurrence::Noticed { .. }
            | Occurrence::Woken
            | Occurrence::Replied { .. }
            | Occurrence::NoTarget { .. }
            | Occurrence::Commanded { .. }
            | Occurrence::Unsent { .. }
            | Occurrence::Unannounced { .. }
            | Occurrence::StepEnded
            | Occurrence::Disturbed { .. }
            | Occurrence::Entered { .. } => {}
        }
        Vec::new()
    }

    fn change(&mut self, lock: Lock, change: &Change) {
        let lock = self.lock_mut(lock);
        match change {
            Change::Stored { place, entry } => {
                lock.memory.insert(*place, entry.clone());
            }
            Change::Erased { place } => {
                lock.memory.remove(place);
            }
            Change::Clock { off_ms } => lock.clock_off_ms = *off_ms,
            Change::Works(works) => lock.works = *works,
            Change::Seats { users, .. } => lock.site_users = users.len() as u32,
            Change::Joined { .. } | Change::Left | Change::Lengths(_) => {}
            Change::Computed { .. } | Change::Used { .. } | Change::SetBack => {}
        }
    }

    /// A lock.
    #[must_use]
    pub fn lock(&self, lock: Lock) -> &LockView {
        &self.locks[lock.0 as usize]
    }

    fn lock_mut(&mut self, lock: Lock) -> &mut LockView {
        &mut self.locks[lock.0 as usize]
    }

    /// The lock of this name.
    #[must_use]
    pub fn lock_named(&self, name: &str) -> Option<&LockView> {
        self.locks.iter().find(|lock| lock.name == name)
    }

    /// The lock behind a device.
    #[must_use]
    pub fn lock_of(&self, device: DeviceId) -> Option<&LockView> {
        self.locks.iter().find(|lock| lock.device == device)
    }

    /// Whether `+0` has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.phase.is_some_and(|phase| phase > Phase::Prologue)
    }

    /// A short word for a code: its name in the plan, else what it is and a number.
    #[must_use]
    pub fn label(&self, code: CodeId) -> &str {
        self.labels.get(&code).map_or("a code", String::as_str)
    }

    /// Whether the plan itself names a code.
    #[must_use]
    pub fn is_named(&self, code: CodeId) -> bool {
        self.named.contains(&code)
    }

    /// Every word that stands for a code so far.
    pub fn words_of_codes(&self) -> impl Iterator<Item = (&CodeId, &str)> {
        self.labels.iter().map(|(code, label)| (code, label.as_str()))
    }

    /// Gives codes that the plan does not name a word, in the order in which they are first seen.
    fn label_record(&mut self, record: &Record) {
        if self.labels.contains_key(&record.access_code_id) {
            return;
        }
        let kind = match (record.is_backup, record.is_managed) {
            (true, _) => "backup",
            (false, true) => "code",
            (false, false) => "stranger",
        };
        let count = self.labels.values().filter(|label| label.split('-').next() == Some(kind)).count();
        self.labels.insert(record.access_code_id, format!("{kind}-{}", count + 1));
    }

    /// Who owns an entry: a code's word, or none for an entry managed by nobody.
    #[must_use]
    pub fn owner(&self, entry: &TrueEntry) -> Option<&str> {
        match entry.origin {
            Origin::Code(code) => match self.records.get(&code) {
                Some(record) if !record.is_managed => None,
                // The ghost of a record that is gone is still told by its name.
                _ => Some(self.label(code)),
            },
            Origin::Unclaimed | Origin::External | Origin::Other | Origin::Reserved => None,
        }
    }

    /// Whether an entry belongs to a backup that was not pulled.
    #[must_use]
    pub fn is_pooled_backup(&self, entry: &TrueEntry) -> bool {
        match entry.origin {
            Origin::Code(code) => {
                self.records.get(&code).is_some_and(|record| record.is_backup) && !self.codes.values().any(|named| *named == code)
            }
            Origin::Unclaimed | Origin::External | Origin::Other | Origin::Reserved => false,
        }
    }
}
