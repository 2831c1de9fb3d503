//! Vendors who sell access by the seat: a user of the site for each code, a seat for each user, then the PIN that the vendor chooses (`R-63`, `V-05`).
//!
//! A user is made once for a code and used until the code leaves the lock. Every command for a user is repeated under its own key until it is answered for
//! certain, so that nobody is left behind at the site (`P-04`).

use alloc::vec::Vec;

use super::Platform;
use super::listing::remember;
use super::obstacle::Obstacle;
use super::pace::Urgency;
use super::reading::{Evidence, Read, ReadKind};
use super::state::{Code, Held, Site, SiteUser, Write, raise};
use super::step::{At, Who};
use super::vendor::{Symptom, site_full_error};
use crate::access_code::Status;
use crate::id::{Handle, UserId};
use crate::pin::{Constraint, Pin};
use crate::port::{Answer, Item, OnLock, Op, Place, ShownPin};
use crate::time::Timestamp;
use crate::vendor::Family;

impl Platform {
    /// Whether the vendor of the device chooses the PINs of its codes (`V-05`).
    pub(super) fn vendor_chooses_pins(&self, device: u32) -> bool {
        self.device(device).info.constraints.contains(&Constraint::CannotSpecifyPinCode)
    }

    pub(super) fn is_by_seat(&self, device: u32) -> bool {
        self.profile(device).family == Family::BySeat
    }

    /// What the code needs next where access is sold by the seat. Returns when it is to be looked at again.
    pub(super) fn work_by_seat(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        let is_wanted = self.wants_access(code);
        match (is_wanted, &code.held, code.user) {
            (true, Some(held), _) if self.fits(code, held) => self.confirm_if_new(at),
            (true, ..) if code.record.status == Status::Removing => None,
            (true, held, user) => {
                let held = held.clone();
                self.give_access(at, held.as_ref(), user)
            }
            (false, _, Some(user)) => self.send_if_allowed(at, Op::DeleteUser { user: user.id }),
            (false, Some(held), None) => {
                // Its user is gone, and with it the right to anything.
                let place = held.place;
                self.forget_entry(at, place);
                self.again(at);
                None
            }
            (false, None, None) => {
                if !code.surplus.is_empty() {
                    self.code_mut(at).surplus.clear();
                }
                self.finish_if_absent(at);
                None
            }
        }
    }

    pub(super) fn wants_access(&self, code: &Code) -> bool {
        !code.is_gone && code.record.is_managed && self.is_due(code, self.now) && !code.is_expired(self.now)
    }

    /// One step on the way: user, seat, PIN, schedule.
    fn give_access(&mut self, at: At, held: Option<&Held>, user: Option<SiteUser>) -> Option<Timestamp> {
        if self.is_without_room(at) {
            self.meet_obstacle(at, Obstacle::Full);
            return None;
        }
        if !user.is_some_and(|user| user.has_seat) {
            if let Err(wait) = self.may_write(at) {
                return wait;
            }
            if !self.has_seat_for(at) {
                return None;
            }
        }
        let op = match (user, held) {
            (None, _) => Op::CreateUser { name: self.code(at).display.clone() },
            (Some(user), _) if !user.has_seat => Op::TakeSeat { user: user.id },
            (Some(user), None) => {
                let window = self.code(at).stored_window();
                let is_chosen_by_vendor = self.vendor_chooses_pins(at.device);
                let pin = self.code(at).record.code.filter(|_| !is_chosen_by_vendor);
                Op::AssignPin { user: user.id, window, pin }
            }
            (Some(user), Some(held)) => match held.place {
                Place::Handle(handle) if self.serves_but_for_window(at, held) => {
                    Op::SetSchedule { handle, window: self.code(at).stored_window() }
                }
                // Somebody gave it another PIN, and none can be written: another user gets another one.
                Place::Handle(_) | Place::Slot(_) => Op::DeleteUser { user: user.id },
            },
        };
        self.send_if_allowed(at, op)
    }

    fn serves_but_for_window(&self, at: At, held: &Held) -> bool {
        let code = self.code(at);
        self.fits(code, &Held { window: code.stored_window(), ..held.clone() })
    }

    fn send_if_allowed(&mut self, at: At, op: Op) -> Option<Timestamp> {
        if let Err(wait) = self.may_write(at) {
            return wait;
        }
        self.send_when_called(at, op)
    }

    /// `R-63`: whether a seat is free that no code waits for which comes first: by its start, then by its creation. If not, the code says so.
    fn has_seat_for(&mut self, at: At) -> bool {
        let account = self.device(at.device).account;
        let Some(site) = self.state.accounts[account as usize].site else {
            self.want_site(account);
            return false;
        };
        let place_in_line = |code: &Code| (code.record.starts_at.unwrap_or(code.record.created_at), code.record.created_at);
        let own = (place_in_line(self.code(at)), at);
        let is_ahead = |device: u32, code: &Code| {
            let waits = self.wants_access(code) && !code.user.is_some_and(|user| user.has_seat);
            waits && (place_in_line(code), At { device, n: code.n }) < own
        };
        let devices = self.devices_of(account).into_iter().filter(|device| self.is_by_seat(*device));
        let ahead: usize = devices.map(|device| self.device(device).codes.iter().filter(|code| is_ahead(device, code)).count()).sum();
        let is_free = (site.seats.saturating_sub(site.used) as usize) > ahead;
        if !is_free {
            self.lack_seat(at);
        }
        is_free || self.policy.asks_for_missing_seats()
    }

    fn lack_seat(&mut self, at: At) {
        // Only a seat that was refused or lost says so, never a schedule that has not begun (V-06).
        self.show(at, Symptom::NoSeat);
        self.fail_to_set(at);
    }

    /// T39: the user lost its seat. That is no change by others: the set episode begins anew, and fails at once (`R-63`).
    pub(super) fn on_seat_lost(&mut self, at: At, evidence: Evidence) {
        let code = self.code_mut(at);
        if let Some(user) = &mut code.user {
            user.has_seat = false;
        }
        if let Some(held) = &mut code.held {
            // A look that began before this one tells nothing against it.
            (held.is_enabled, held.confirmed_at) = (false, held.confirmed_at.max(evidence.sent_at));
        }
        let account = self.device(at.device).account;
        self.want_site(account);
        let code = self.code(at);
        let was_confirmed = code.record.status == Status::Set || code.record.is_scheduled_on_device;
        if self.ends_outage(at, evidence) {
            self.resolve(at);
        } else if was_confirmed && self.wants_access(code) && code.record.status != Status::Unknown {
            self.begin_without_seat(at);
        }
        self.again(at);
    }

    pub(super) fn begin_without_seat(&mut self, at: At) {
        self.restart_setting(at);
        self.lack_seat(at);
    }

    /// Whether all that the code's entry lacks is a seat.
    pub(super) fn is_without_seat(&self, at: At) -> bool {
        let code = self.code(at);
        let entry = code.held.as_ref().map(|held| Held { is_enabled: true, ..held.clone() });
        code.user.is_some_and(|user| !user.has_seat) && entry.is_some_and(|entry| self.fits(code, &entry))
    }

    /// Whether an entry that a read shows switched off tells of a lost seat.
    pub(super) fn shows_lost_seat(&self, device: u32, item: Option<&Item>) -> bool {
        self.is_by_seat(device) && item.is_some_and(|item| !item.enabled && item.on_lock != OnLock::No)
    }

    /// Whether a read that ran after a seat was asked for shows that the user has one: nobody said what became of the question, and its entry opens
    /// (`P-05` c).
    pub(super) fn shows_taken_seat(&self, at: At, place: Place, item: Option<&Item>, evidence: Evidence) -> bool {
        let code = self.code(at);
        let is_asked = |write: &Write| matches!(write.op, Op::TakeSeat { .. }) && write.closed.is_some();
        let asked_at = code.write.as_ref().filter(|write| is_asked(write)).map(|write| write.sent_at);
        let is_later = asked_at.is_some_and(|asked_at| asked_at + self.lag_of(at.device, evidence) <= evidence.sent_at);
        let is_its_entry = code.held.as_ref().is_some_and(|held| held.place == place);
        is_later && is_its_entry && item.is_some_and(|item| item.enabled && item.on_lock == OnLock::Yes)
    }

    pub(super) fn on_seat_shown(&mut self, at: At) {
        if let Some(write) = self.code(at).write.clone() {
            self.on_user_done(at, &write);
        }
    }

    /// A user was made.
    pub(super) fn on_user_made(&mut self, at: At, user: UserId) {
        self.settle(at);
        let code = self.code_mut(at);
        if code.user.is_none() {
            code.user = Some(SiteUser { id: user, has_seat: false });
        }
        self.again(at);
    }

    /// A seat was taken or given up, or a user ended.
    pub(super) fn on_user_done(&mut self, at: At, write: &Write) {
        let (account, now) = (self.device(at.device).account, self.now);
        self.settle(at);
        match write.op {
            // That it was done, said to a repeat, may have been before somebody took the seat away again, as reads show: it is asked for anew (P-04).
            Op::TakeSeat { .. } if !write.asked_before.is_empty() && self.is_shown_without_seat(at) => {}
            Op::TakeSeat { .. } => {
                let places = &self.caches[at.device as usize].places;
                if self.code(at).held.as_ref().is_some_and(|held| !places.contains_key(&held.place)) {
                    // A seat brings back no entry that was lost meanwhile.
                    self.want_verify(at, now);
                }
                let code = self.code_mut(at);
                if let Some(user) = &mut code.user {
                    user.has_seat = true;
                }
                if let Some(held) = &mut code.held {
                    held.is_enabled = true;
                    held.confirmed_at = now;
                }
                if let Some(site) = &mut self.state.accounts[account as usize].site {
                    site.used += 1;
                }
                self.refresh_site_error(account);
            }
            Op::DeleteUser { .. } => self.on_user_gone(at),
            _ => {}
        }
        self.want_site(account);
        self.again(at);
    }

    fn is_shown_without_seat(&self, at: At) -> bool {
        let item = self.code(at).held.as_ref().and_then(|held| self.caches[at.device as usize].places.get(&held.place));
        self.shows_lost_seat(at.device, item)
    }

    /// The site has no such user: whatever it had is gone.
    pub(super) fn on_user_missing(&mut self, at: At) {
        self.settle(at);
        self.on_user_gone(at);
    }

    fn on_user_gone(&mut self, at: At) {
        // With a user goes whatever it had.
        let code = self.code_mut(at);
        code.user = None;
        code.surplus.clear();
        let place = self.code(at).held.as_ref().map(|held| held.place);
        self.on_erased(at, place);
    }

    /// The site had no seat after all: somebody was faster. That is known of it until a read of the site tells otherwise (`R-20`).
    pub(super) fn on_seat_refused(&mut self, at: At, closed_at: Timestamp) {
        let is_taking = self.code(at).write.as_ref().is_some_and(|write| matches!(write.op, Op::TakeSeat { .. }));
        self.settle(at);
        let keeps_user = self.policy.keeps_user_without_seat();
        let code = self.code_mut(at);
        code.user = code.user.filter(|_| keeps_user).map(|user| SiteUser { has_seat: false, ..user });
        let account = self.device(at.device).account;
        if let Some(site) = self.state.accounts[account as usize].site.as_mut().filter(|_| is_taking) {
            site.used = site.used.max(site.seats);
            self.refresh_site_error(account);
        }
        self.attempt_failed(at, closed_at, 0);
        self.lack_seat(at);
        self.want_site(account);
    }

    /// The vendor has chosen a PIN, and it is in lock memory.
    pub(super) fn on_assigned(&mut self, at: At, pin: Pin, handle: Handle) {
        let now = self.now;
        let Some(Op::AssignPin { window, .. }) = self.code(at).write.as_ref().map(|write| write.op.clone()) else { return };
        self.settle(at);
        // After a join its own entry may have been taken for somebody's, whose PIN others had changed unseen: now it is known to be its own (P-09, R-57).
        let is_strangers = |n: &u64| !self.code(At { device: at.device, n: *n }).record.is_managed;
        if let Some(n) = self.owner_of_place(at.device, Place::Handle(handle)).filter(is_strangers) {
            self.end_unmanaged_code(At { device: at.device, n });
        }
        let code = self.code_mut(at);
        code.late = None;
        code.has_trace = true;
        if let Some(held) = code.held.take() {
            remember(&mut code.past, held, now);
        }
        let (place, name) = (Place::Handle(handle), Some(code.display.clone()));
        code.past.retain(|past| past.place != place);
        code.held =
            Some(Held { place, pin: Some(pin), window, name, is_enabled: true, is_edited: false, is_bound: false, confirmed_at: now });
        if !code.is_gone {
            code.record.code = Some(pin);
            code.record.is_waiting_for_code_assignment = false;
        }
        self.again(at);
    }

    /// Takes an entry that a read shows for the one which an unanswered assignment made: it has the name that this code alone gave its user. Returns the
    /// number of the code.
    pub(super) fn take_assigned(&mut self, device: u32, item: &Item) -> Option<u64> {
        let assigns = |write: &Option<Write>| write.as_ref().is_some_and(|write| matches!(write.op, Op::AssignPin { .. }));
        let is_unsettled = |code: &Code| assigns(&code.write) || (code.write.is_none() && assigns(&code.late));
        // Its answer may have died with the controller that left the user to be ended.
        let is_leaving = |code: &Code| code.user.is_some() && code.record.is_managed && !self.wants_access(code);
        // An old listing may show the one before, under the same name.
        let is_new = |code: &Code| !code.past.iter().any(|past| past.place == item.place);
        let is_its_own =
            |code: &&Code| (is_unsettled(code) || is_leaving(code)) && is_new(code) && item.name.as_ref() == Some(&code.display);
        let at = At { device, n: self.device(device).codes.iter().find(is_its_own)?.n };
        let (ShownPin::Shown(pin), Place::Handle(handle)) = (item.pin, item.place) else { return Some(at.n) };
        if !is_unsettled(self.code(at)) {
            let (place, window, name, now) = (item.place, item.window, item.name.clone(), self.now);
            let found = Held {
                place,
                pin: Some(pin),
                window,
                name,
                is_enabled: item.enabled,
                is_edited: false,
                is_bound: false,
                confirmed_at: now,
            };
            remember(&mut self.code_mut(at).past, found, now);
        } else if item.on_lock == OnLock::Yes && item.enabled {
            self.keep_unanswered(at);
            let code = self.code_mut(at);
            code.write = code.write.take().or_else(|| code.late.take());
            self.on_assigned(at, pin, handle);
        }
        Some(at.n)
    }

    /// Wants the seats of the account's site read, if it is one.
    pub(super) fn want_site(&mut self, account: u32) {
        if self.devices_of(account).into_iter().any(|device| self.is_by_seat(device)) {
            self.watches[account as usize].is_site_wanted = true;
            self.todo.insert(Who::Account(account));
        }
    }

    /// Reads the seats of a site when that is wanted.
    pub(super) fn tend_site(&mut self, account: u32) {
        let watch = &self.watches[account as usize];
        if watch.is_site_wanted && !watch.is_site_read && self.may_call(account, Urgency::Condition, Who::Account(account)) {
            let watch = &mut self.watches[account as usize];
            (watch.is_site_wanted, watch.is_site_read) = (false, true);
            let command = self.send_read(account, None, None, Op::ReadSite);
            self.reads.insert(command, Read { sent_at: self.now, kind: ReadKind::Site { account } });
        }
    }

    pub(super) fn on_site(&mut self, account: u32, read: &Read, answer: &Answer) {
        self.watches[account as usize].is_site_read = false;
        let Answer::Site { seats, used } = *answer else {
            // The next list of devices asks once more.
            self.take_condition(account, None, read.sent_at, answer);
            return;
        };
        if self.watches[account as usize].is_site_wanted {
            // Something changed since this was asked.
            self.todo.insert(Who::Account(account));
            return;
        }
        let site = Some(Site { seats, used });
        let known = &mut self.state.accounts[account as usize].site;
        if *known == site {
            return;
        }
        *known = site;
        self.note_change();
        self.refresh_site_error(account);
        let devices: Vec<u32> = self.devices_of(account).into_iter().filter(|device| self.is_by_seat(*device)).collect();
        for device in devices {
            // A seat that went somewhere may have been one of ours.
            self.want_listing(device, self.now);
            self.stir(device);
        }
    }

    /// The account shows whether its site has a seat left.
    fn refresh_site_error(&mut self, account: u32) {
        let now = self.now;
        let vendor = self.config.accounts[account as usize].vendor;
        let (Some(site), Some(error)) = (self.state.accounts[account as usize].site, site_full_error(vendor)) else { return };
        let is_full = site.used >= site.seats;
        let is_shown = self.state.accounts[account as usize].errors.iter().any(|entry| entry.error_code == error);
        if is_full && !is_shown {
            raise(&mut self.account_mut(account).errors, error, now);
        } else if is_shown && !is_full {
            self.account_mut(account).errors.retain(|entry| entry.error_code != error);
        }
    }
}
