//! The users of a site and the seats that its plan pays for: what the by_seat vendors keep in their cloud, beside the memory of the locks (port.md 3).
//!
//! A PIN belongs to a user. While the user has no seat the PIN lies in the lock and does not open.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::consequence::answered;
use super::queue::{Job, Keyed};
use super::{CloudCondition, Consequence, Fate, LockSite, Order, Site};
use crate::id::{CommandId, UserId};
use crate::pin::{Constraint, Pin};
use crate::port::{Answer, Name, News, Op, Place, Reason};
use crate::time::Timestamp;
use crate::vendor::Family;
use crate::world::lock::{Effect, Entry, Source, Write};

/// Seats of a plan that nothing else is said of.
const SEATS: u32 = 100;

/// The users and seats of a site.
#[derive(Clone, Debug)]
pub struct Seats {
    /// Seats that the plan pays for.
    pub limit: u32,
    /// Seats taken by users that have no PIN at these locks.
    pub others: u32,
    /// The users of the controller's group.
    pub users: BTreeMap<UserId, SiteUser>,
    next: u32,
}

/// A user of the controller's group: it made the user, or took it over with its entry.
#[derive(Clone, Debug)]
pub struct SiteUser {
    /// The name.
    pub name: Name,
    /// By which command.
    pub made_by: CommandId,
    /// Whether the user has a seat.
    pub has_seat: bool,
    /// Where its PIN lies: the lock, by its number in the site, and the place there.
    pub entry: Option<(usize, Place)>,
}

impl Default for Seats {
    fn default() -> Self {
        Self { limit: SEATS, others: 0, users: BTreeMap::new(), next: 1 }
    }
}

impl Seats {
    /// Whether what lies at a place is the PIN of a user.
    pub(super) fn is_of_user(&self, lock: usize, place: Place) -> bool {
        self.seat_at(lock, place).is_some()
    }

    /// Whether the user whose PIN lies at a place has a seat; none if it is no user's.
    pub(super) fn seat_at(&self, lock: usize, place: Place) -> Option<bool> {
        self.users.values().find(|user| user.entry == Some((lock, place))).map(|user| user.has_seat)
    }

    /// The user whose PIN lies there moves into the controller's group, with its seat if it has one.
    pub(super) fn take_over(&mut self, name: Name, has_seat: bool, entry: (usize, Place), made_by: CommandId) -> UserId {
        let known = self.users.iter().find(|(_, user)| user.entry == Some(entry)).map(|(id, _)| *id);
        known.unwrap_or_else(|| self.add(SiteUser { name, made_by, has_seat, entry: Some(entry) }))
    }

    fn add(&mut self, user: SiteUser) -> UserId {
        let id = UserId(self.next);
        self.next += 1;
        self.users.insert(id, user);
        id
    }
}

impl Site {
    /// Seats that are free.
    #[must_use]
    pub fn free_seats(&self) -> u32 {
        if self.holds(CloudCondition::SeatsUsedUp) { 0 } else { self.seats.limit.saturating_sub(self.used_seats()) }
    }

    /// Seats that are taken: by the users of the controller's group, and by everybody else whose PIN opens one of these doors.
    fn used_seats(&self) -> u32 {
        let of_group = self.seats.users.values().filter(|user| user.has_seat).count();
        let is_strangers =
            |lock, entry: &Entry| entry.enabled && entry.source == Source::External && !self.seats.is_of_user(lock, entry.place);
        let strangers_at = |(lock, site): (usize, &LockSite)| site.lock.entries.iter().filter(|entry| is_strangers(lock, entry)).count();
        let of_strangers: usize = self.locks.iter().enumerate().map(strangers_at).sum();
        self.seats.others + (of_group + of_strangers) as u32
    }

    /// Whether a person's PIN finds no seat at this site.
    pub(super) fn lacks_seat(&self, lock: usize) -> bool {
        self.locks[lock].lock.profile.family == Family::BySeat && self.free_seats() == 0
    }

    /// What a person does to a PIN may take a seat or free one.
    pub(super) fn note_seats(&self, lock: usize, out: &mut Vec<Consequence>) {
        if self.locks[lock].lock.profile.family == Family::BySeat {
            out.push(Consequence::SeatsChanged { by: None });
        }
    }

    /// What the site says of its seats.
    pub(super) fn read_site(&self) -> Answer {
        if !self.locks.iter().any(|site| site.lock.profile.family == Family::BySeat) {
            return Answer::Refused(Reason::NotSupported);
        }
        Answer::Site { seats: self.seats.limit, used: self.seats.limit.max(self.used_seats()) - self.free_seats() }
    }

    /// A command that the vendor's cloud carries out by itself: about a user or its seat, and no lock need hear of it first.
    pub(super) fn receive_of_site(&mut self, now: Timestamp, lock: usize, order: &Order, fate: Fate, out: &mut Vec<Consequence>) {
        let command_id = order.command_id;
        if let Some(status) = fate.fails_before {
            return out.push(answered(command_id, Answer::ServerError { status, text: "bad gateway".to_string() }));
        }
        let known = match self.locks[lock].keys.get(&order.key) {
            Some(Keyed::Answered(answer)) => Some(answer.clone()),
            Some(Keyed::Pending(..)) | None => None,
        };
        let answer = known.unwrap_or_else(|| self.carry_out(now, order, out));
        self.locks[lock].keys.insert(order.key, Keyed::Answered(answer.clone()));
        let shown = match fate.fails_after {
            Some(status) => Answer::ServerError { status, text: "bad gateway".to_string() },
            None => answer,
        };
        out.push(answered(command_id, shown));
    }

    fn carry_out(&mut self, now: Timestamp, order: &Order, out: &mut Vec<Consequence>) -> Answer {
        match &order.op {
            Op::CreateUser { name } => {
                let made = SiteUser { name: name.clone(), made_by: order.command_id, has_seat: false, entry: None };
                let user = self.seats.add(made);
                out.push(Consequence::SeatsChanged { by: Some(order.command_id) });
                Answer::User { user }
            }
            Op::TakeSeat { user } => match self.seats.users.get(user).map(|user| user.has_seat) {
                None => Answer::NotFound,
                Some(false) if self.free_seats() == 0 => Answer::Refused(Reason::NoSeat),
                Some(_) => {
                    self.seat(now, *user, true, Some(order.command_id), out);
                    Answer::Done { handle: None }
                }
            },
            Op::ReleaseSeat { user } => {
                self.seat(now, *user, false, Some(order.command_id), out);
                if self.seats.users.contains_key(user) { Answer::Done { handle: None } } else { Answer::NotFound }
            }
            _ => Answer::Refused(Reason::NotSupported),
        }
    }

    /// A user gets a seat or loses it; its PIN opens only with one.
    fn seat(&mut self, now: Timestamp, user: UserId, has_seat: bool, by: Option<CommandId>, out: &mut Vec<Consequence>) {
        let Some(known) = self.seats.users.get_mut(&user).filter(|known| known.has_seat != has_seat) else { return };
        known.has_seat = has_seat;
        if let Some((lock, place)) = known.entry
            && let Some(entry) = self.locks[lock].lock.entries.iter_mut().find(|entry| entry.place == place)
        {
            entry.enabled = has_seat;
            out.push(Consequence::Stored { lock, place, by });
            self.remember(now, lock);
        }
        out.push(Consequence::SeatsChanged { by });
    }

    /// The plan of the site is changed: it pays for so many seats more or fewer.
    pub fn change_plan(&mut self, now: Timestamp, seats: i64, out: &mut Vec<Consequence>) {
        self.seats.limit = (i64::from(self.seats.limit) + seats).max(0) as u32;
        out.push(Consequence::SeatsChanged { by: None });
        self.tell(now, None, News::PlanChanged, None, out);
    }

    /// Somebody unsubscribes a user that the controller made: the one that `command` made, or the first that has a seat.
    pub fn takes_seat_away(&mut self, now: Timestamp, is_meant: impl Fn(CommandId) -> bool, out: &mut Vec<Consequence>) {
        let user = self.seats.users.iter().find(|(_, user)| user.has_seat && is_meant(user.made_by)).map(|(id, _)| *id);
        if let Some(user) = user {
            self.seat(now, user, false, None, out);
        }
    }

    /// In these vendors' apps a PIN is switched off by unsubscribing its user; whether this one is a user's.
    pub fn switches_off(&mut self, now: Timestamp, lock: usize, place: Place, out: &mut Vec<Consequence>) -> bool {
        let user = self.seats.users.iter().find(|(_, user)| user.entry == Some((lock, place))).map(|(id, _)| *id);
        if let Some(user) = user {
            self.seat(now, user, false, None, out);
        }
        user.is_some()
    }

    /// A job for a user reaches the lock: what happened, where, and what the vendor answers.
    pub(super) fn write_for_user(&mut self, now: Timestamp, lock: usize, job: &Job) -> (Effect, Option<Place>, Answer) {
        match &job.order.op {
            Op::AssignPin { user, window, pin } => {
                let Some(known) = self.seats.users.get(user).cloned() else { return (Effect::NotFound, None, Answer::NotFound) };
                if !known.has_seat {
                    return (Effect::Refused(Reason::NoSeat), None, Answer::Refused(Reason::NoSeat));
                }
                let here = known.entry.filter(|(at, place)| *at == lock && self.locks[lock].lock.entry(*place).is_some());
                let place = here.map_or_else(|| Place::Handle(self.locks[lock].lock.new_handle()), |(_, place)| place);
                let own = self.locks[lock].lock.entry(place).map(|entry| entry.pin);
                let Some(chosen) = own.or(*pin).or_else(|| self.free_pin(lock, job.fate.chance)) else {
                    return (Effect::Refused(Reason::Full), None, Answer::Refused(Reason::Full));
                };
                let source = Source::Command(job.order.command_id);
                let write = Write { place, must_exist: false, pin: chosen, name: known.name, window: *window, source };
                let effect = self.locks[lock].lock.store(now, write);
                let answer = match (effect, place) {
                    (Effect::Added | Effect::Changed, Place::Handle(handle)) => {
                        self.seats.users.entry(*user).and_modify(|known| known.entry = Some((lock, place)));
                        Answer::Assigned { pin: chosen, handle }
                    }
                    (Effect::Refused(reason), _) => Answer::Refused(reason),
                    _ => Answer::Refused(Reason::PinTaken),
                };
                (effect, Some(place), answer)
            }
            Op::DeleteUser { user } => match self.seats.users.remove(user) {
                None => (Effect::NotFound, None, Answer::NotFound),
                Some(known) => {
                    let place = known.entry.filter(|(at, _)| *at == lock).map(|(_, place)| place);
                    let effect = place.map_or(Effect::NotFound, |place| self.locks[lock].lock.erase(place));
                    (effect, place, Answer::Done { handle: None })
                }
            },
            op => unreachable!("{op:?} is no job for a lock"),
        }
    }

    /// The PIN that the vendor chooses: the first from a drawn one on that the lock does not hold.
    fn free_pin(&self, lock: usize, chance: u64) -> Option<Pin> {
        let lock = &self.locks[lock].lock;
        let length = lock.lengths.shortest()?;
        let size = 10_u64.checked_pow(u32::from(length))?;
        let all = (0..size).filter_map(|offset| Pin::new(length, (chance % size + offset) % size));
        all.into_iter().find(|pin| !lock.entries.iter().any(|entry| entry.pin == *pin))
    }

    /// Whether the site takes PINs that somebody else chose.
    pub(super) fn takes_custom_pins(&self, lock: usize) -> bool {
        !self.locks[lock].lock.profile.constraints.contains(&Constraint::CannotSpecifyPinCode)
    }
}
