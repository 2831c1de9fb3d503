//! From names to numbers: builds the sites, the facts and the controller's configuration that a plan describes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use keyway_core::config::{AccountConfig, Config};
use keyway_core::id::{AccountId, DeviceId, VendorDevice, WorkspaceId};
use keyway_core::pin::Constraint;
use keyway_core::port::{Name, PathPart};
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use keyway_core::vendor::{DuplicatePolicy, Model, Profile, Vendor};
use keyway_core::world::lock::{Lock as TrueLock, QuirkSet};
use keyway_core::world::quirk::Quirk;
use keyway_core::world::site::{SCAN_ENDS_AT, Site};
use keyway_core::zone::ClockChange;

use crate::occurrence::{Facts, Lock, LockFacts};
use crate::plan::{CreateCode, Device, Plan};
use crate::plan_text::Offset;

/// Where a lock is: its site and its number there.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Index into the sites.
    pub site: usize,
    /// Number of the lock in its site.
    pub lock: usize,
}

/// A plan with its names resolved.
pub struct Setup {
    /// One per vendor login, in order of declaration.
    pub sites: Vec<Site>,
    /// The locks, in order of declaration; behind them, the same locks as each further workspace sees them.
    pub addresses: Vec<Address>,
    /// What never changes.
    pub facts: Facts,
    /// Codes to be created in the prologue.
    pub prologue: Vec<CreateCode>,
    /// The instant of `+0`.
    pub starts_at: Timestamp,
    /// When the safety phase ends.
    pub horizon_at: Timestamp,
    locks_by_name: BTreeMap<String, Lock>,
    accounts_by_name: BTreeMap<String, usize>,
    hubs_by_name: BTreeMap<String, (usize, usize)>,
    locks_by_address: BTreeMap<(usize, usize), Vec<Lock>>,
    workspaces: BTreeMap<DeviceId, WorkspaceId>,
    /// The accounts, with their sites.
    logins: Vec<(AccountId, usize)>,
    /// In the order of the configuration.
    account_names: Vec<String>,
}

/// What a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These locks; with the hub of the site where a hub was named.
    Locks(Vec<Lock>),
    /// A whole account.
    Account(usize),
    /// A hub: site and number.
    Hub(usize, usize),
}

/// How long before `+0` the prologue begins, if there is one.
const PROLOGUE_MS: i64 = 6 * HOUR_MS;
/// Zones that a controller reckons with where it knows none (`R-58`).
pub(crate) const WHEN_NO_ZONE_IS_KNOWN: [&str; 2] = ["America/New_York", "Europe/Berlin"];
/// How far beyond the horizon clock changes are told.
const ZONE_TABLE_MS: i64 = 400 * DAY_MS;
/// Time between two creations of the prologue, so that they reach the locks in order.
const PROLOGUE_GAP_MS: i64 = MINUTE_MS;

impl Setup {
    /// Resolves a checked plan. Names that mean nothing are ignored, since plans are total.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let starts_at = plan.start.0;
        let mut prologue: Vec<CreateCode> = Vec::new();
        for device in &plan.devices {
            prologue.extend(device.memory.iter().filter_map(|stored| {
                let create =
                    CreateCode { code: stored.owner.clone()?, on: device.name.clone(), ..stored.create.clone().unwrap_or_default() };
                let pin = stored.pin.map(|pin| crate::plan::RequestedPin::Text(pin.0.to_string()));
                Some(CreateCode { pin: pin.or(create.pin.clone()), ..create })
            }));
        }
        let lead = if prologue.is_empty() { 0 } else { PROLOGUE_MS + PROLOGUE_GAP_MS * prologue.len() as i64 };
        let mut builder = Builder::new(plan, starts_at - lead);
        for device in &plan.devices {
            builder.add(device);
        }
        builder.add_views();
        let mut locks_by_address: BTreeMap<(usize, usize), Vec<Lock>> = BTreeMap::new();
        for (address, n) in builder.addresses.iter().zip(0..) {
            locks_by_address.entry((address.site, address.lock)).or_default().push(Lock(n));
        }
        let accounts: BTreeMap<_, _> = builder.facts.config.accounts.iter().map(|known| (known.account, known.workspace)).collect();
        let workspace = |lock: &LockFacts| Some((lock.device, *accounts.get(&lock.account)?));
        Self {
            prologue,
            starts_at,
            horizon_at: starts_at + plan.horizon.0,
            locks_by_address,
            workspaces: builder.facts.locks.iter().filter_map(workspace).collect(),
            logins: builder.logins,
            account_names: builder.account_names,
            locks_by_name: builder.locks_by_name,
            accounts_by_name: builder.accounts_by_name,
            hubs_by_name: builder.hubs_by_name,
            sites: builder.sites,
            addresses: builder.addresses,
            facts: builder.facts,
        }
    }

    /// The lock of this name.
    #[must_use]
    pub fn lock(&self, name: &str) -> Option<Lock> {
        self.locks_by_name.get(name).copied()
    }

    /// The device id of the lock of this name.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<DeviceId> {
        self.lock(name).map(|lock| self.facts.locks[lock.0 as usize].device)
    }

    /// The lock at an address, as the workspace sees it that connected its account first.
    #[must_use]
    pub fn lock_at(&self, site: usize, lock: usize) -> Lock {
        self.locks_by_address[&(site, lock)][0]
    }

    /// A lock as each workspace sees it, the first one first.
    #[must_use]
    pub fn views(&self, lock: Lock) -> &[Lock] {
        let address = self.addresses[lock.0 as usize];
        &self.locks_by_address[&(address.site, address.lock)]
    }

    /// The lock at an address, as this account sees it.
    #[must_use]
    pub fn view_of(&self, account: AccountId, site: usize, lock: usize) -> Option<Lock> {
        self.locks_by_address[&(site, lock)].iter().copied().find(|view| self.facts.locks[view.0 as usize].account == account)
    }

    /// The site of an account.
    #[must_use]
    pub fn site_of(&self, account: AccountId) -> Option<usize> {
        self.logins.iter().find(|login| login.0 == account).map(|login| login.1)
    }

    /// The accounts that share a site's login.
    pub fn accounts_of(&self, site: usize) -> impl Iterator<Item = AccountId> + '_ {
        self.logins.iter().filter(move |login| login.1 == site).map(|login| login.0)
    }

    /// The workspace of an account, by its name.
    #[must_use]
    pub fn workspace_named(&self, account: &str) -> Option<WorkspaceId> {
        let known = self.facts.config.accounts.iter().zip(&self.account_names);
        known.into_iter().find(|(_, name)| *name == account).map(|(known, _)| known.workspace)
    }

    /// The workspace in which a device's account was connected.
    #[must_use]
    pub fn workspace_of(&self, device: DeviceId) -> Option<WorkspaceId> {
        self.workspaces.get(&device).copied()
    }

    /// What a name in a fault means; none: every lock.
    #[must_use]
    pub fn target(&self, name: Option<&str>) -> Target {
        let Some(name) = name else {
            let all = self.locks_by_address.values().map(|views| views[0]).collect::<BTreeSet<_>>();
            return Target::Locks(all.into_iter().collect());
        };
        if let Some(lock) = self.lock(name) {
            return Target::Locks(vec![self.views(lock)[0]]);
        }
        if let Some((site, hub)) = self.hubs_by_name.get(name) {
            return Target::Hub(*site, *hub);
        }
        self.accounts_by_name.get(name).map_or(Target::Locks(Vec::new()), |site| Target::Account(*site))
    }

    /// The locks that a target touches, each once.
    #[must_use]
    pub fn locks_of(&self, target: &Target) -> Vec<Lock> {
        let is_first = |n: &usize| self.facts.locks[*n].view_of.is_none();
        let of_site = |site: usize| (0..self.addresses.len()).filter(is_first).filter(move |n| self.addresses[*n].site == site);
        match target {
            Target::Locks(locks) => locks.clone(),
            Target::Account(site) => of_site(*site).map(|n| Lock(n as u32)).collect(),
            Target::Hub(site, hub) => {
                let behind = |n: &usize| self.sites[*site].hub_of(self.addresses[*n].lock) == Some(*hub);
                of_site(*site).filter(behind).map(|n| Lock(n as u32)).collect()
            }
        }
    }

    /// When the n-th creation of the prologue is called.
    #[must_use]
    pub fn prologue_at(&self, n: usize) -> Timestamp {
        self.facts.begins_at + MINUTE_MS + PROLOGUE_GAP_MS * n as i64
    }

    /// An instant of the plan.
    #[must_use]
    pub fn instant(&self, offset: Offset) -> Timestamp {
        offset.at(self.starts_at)
    }
}

struct Builder<'a> {
    plan: &'a Plan,
    sites: Vec<Site>,
    addresses: Vec<Address>,
    facts: Facts,
    locks_by_name: BTreeMap<String, Lock>,
    accounts_by_name: BTreeMap<String, usize>,
    hubs_by_name: BTreeMap<String, (usize, usize)>,
    hub_count: u32,
    hub_numbers: BTreeMap<(usize, usize), u32>,
    logins: Vec<(AccountId, usize)>,
    account_names: Vec<String>,
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan, begins_at: Timestamp) -> Self {
        let config = Config {
            workspaces: vec![WorkspaceId::numbered(0)],
            accounts: Vec::new(),
            profiles: Vec::new(),
            zones: BTreeMap::new(),
            policy: plan.policy.constants(),
            expired_record_policy: plan.expired_record_policy,
            entropy: plan.entropy,
            waivers: Vec::new(),
        };
        let mut builder = Self {
            plan,
            sites: Vec::new(),
            addresses: Vec::new(),
            facts: Facts { config, locks: Vec::new(), begins_at },
            locks_by_name: BTreeMap::new(),
            accounts_by_name: BTreeMap::new(),
            hubs_by_name: BTreeMap::new(),
            hub_count: 0,
            hub_numbers: BTreeMap::new(),
            logins: Vec::new(),
            account_names: Vec::new(),
        };
        for account in &plan.accounts {
            let shared = account.shares.as_ref().and_then(|name| builder.accounts_by_name.get(name).copied());
            if let Some(site) = shared {
                builder.connect_again(&account.name, site);
                continue;
            }
            let site = builder.add_account(&account.name, account.vendor, account.zone.clone(), account.rate_per_minute);
            if let Some(page_size) = account.page_size {
                builder.sites[site].page_size = page_size;
            }
            let seats = &mut builder.sites[site].seats;
            seats.limit = account.seats.unwrap_or(seats.limit);
            seats.others = account.seats_of_others.unwrap_or(seats.others);
        }
        builder
    }

    fn add_account(&mut self, name: &str, vendor: Vendor, zone: Option<String>, rate_per_minute: Option<u32>) -> usize {
        let profile = vendor.profile();
        let (account, site) = (AccountId::numbered(self.logins.len() as u32), self.sites.len());
        self.sites.push(Site::new(account, rate_per_minute.or(profile.rate_per_minute), profile.page_size));
        self.facts.config.accounts.push(AccountConfig { account, workspace: WorkspaceId::numbered(0), vendor, zone });
        self.note_login(name, account, site);
        site
    }

    /// The login of a site is connected once more, in a workspace of its own.
    fn connect_again(&mut self, name: &str, site: usize) {
        let config = &mut self.facts.config;
        let account = AccountId::numbered(self.logins.len() as u32);
        let workspace = WorkspaceId::numbered(config.workspaces.len() as u32);
        config.workspaces.push(workspace);
        let first = self.logins.iter().position(|login| login.1 == site).unwrap_or_default();
        let AccountConfig { vendor, zone, .. } = config.accounts[first].clone();
        config.accounts.push(AccountConfig { account, workspace, vendor, zone });
        self.note_login(name, account, site);
    }

    fn note_login(&mut self, name: &str, account: AccountId, site: usize) {
        self.accounts_by_name.insert(name.to_owned(), site);
        self.logins.push((account, site));
        self.account_names.push(name.to_owned());
    }

    /// Every lock once more for each further workspace that its site's login was connected in.
    fn add_views(&mut self) {
        for n in 0..self.logins.len() {
            let (account, site) = self.logins[n];
            if self.sites[site].account == account {
                continue;
            }
            for first in 0..self.plan.devices.len().min(self.addresses.len()) {
                let (address, facts) = (self.addresses[first], &self.facts.locks[first]);
                if address.site != site {
                    continue;
                }
                let (view_of, device) = (Some(Lock(first as u32)), DeviceId::of(account, &facts.name));
                let name = format!("{}/{}", self.account_names[n], facts.name);
                let facts = LockFacts { name: name.clone(), device, account, view_of, ..facts.clone() };
                self.locks_by_name.insert(name, Lock(self.addresses.len() as u32));
                self.addresses.push(address);
                self.facts.locks.push(facts);
            }
        }
    }

    fn add(&mut self, device: &Device) {
        let named = device.account.as_ref().and_then(|name| self.accounts_by_name.get(name).copied());
        let of_site = |site: usize, builder: &Self| {
            let login = builder.logins.iter().position(|login| login.1 == site);
            builder.facts.config.accounts[login.unwrap_or_default()].vendor
        };
        let Some(vendor) = device.vendor.or_else(|| named.map(|site| of_site(site, self))) else { return };
        let implied = |builder: &Self| builder.accounts_by_name.get(vendor.name()).copied();
        let site = named.or_else(|| implied(self)).unwrap_or_else(|| self.add_account(vendor.name(), vendor, None, None));
        let profile = Arc::new(overridden(vendor.profile(), device));
        let model = self.model(&profile);
        let hub = self.hub(site, device, profile.hub);
        let quirks: QuirkSet = device.quirks.iter().map(|quirk| quirk.0).collect();
        let mut lock = TrueLock::new(Arc::clone(&profile), quirks);
        if let Some(slots) = device.true_slots.filter(|_| quirks.has(Quirk::FewerSlotsThanTold)) {
            lock.missing_places = profile.slots.saturating_sub(slots.max(profile.reserved_slots + 1));
        }
        lock.clock_off_ms = match device.clock_off {
            Some(Offset::After(ms)) => ms,
            _ => 0,
        };
        let zone = device.zone.clone().or_else(|| self.facts.config.accounts[site].zone.clone());
        let is_told_late = quirks.has(Quirk::OffsetFixedAtWrite) || quirks.has(Quirk::ListingShiftsAfterDst);
        if let Some(zone) = zone.filter(|_| is_told_late) {
            lock.clock_changes = self.clock_changes(&zone).into();
        }
        if profile.keeps_offset {
            self.foresee(site, device);
        }
        let reserved = profile.reserved_slots + u32::from(quirks.has(Quirk::MasterSlotCounted));
        let usable_slots = lock.capacity().saturating_sub(reserved);
        let master_prefix = lock.master_prefix();
        let twins = (lock.duplicate_policy() != DuplicatePolicy::Accept).then_some(lock.equality());
        let scan_ends_at = quirks.has(Quirk::ScanStopsEarly).then_some(SCAN_ENDS_AT);
        let one_length = quirks.has(Quirk::OneLengthPerLock);
        let clock_settable = profile.clock_settable && !quirks.has(Quirk::ClockWriteRefused);
        let told_zone = device.zone.clone().filter(|_| profile.tells_zone && !quirks.has(Quirk::ZoneUntold));
        let serial = Name::from(device.serial.as_deref().unwrap_or(&device.name));
        let number = self.sites[site].add_lock(self.facts.begins_at, lock, serial, model, hub, device.zone.as_deref().map(Name::from));
        self.sites[site].locks[number].present = !device.joins_later;
        let account = self.sites[site].account;
        if let Some(vendor_id) = device.vendor_id {
            self.sites[site].calls(number, VendorDevice(vendor_id));
        }
        let vendors = &self.sites[site].locks[number];
        let device_id = match device.vendor_id {
            Some(_) if quirks.has(Quirk::SerialHidden) => DeviceId::without_serial(account, vendors.device, vendors.epoch),
            Some(_) | None => DeviceId::of(account, &vendors.serial),
        };
        self.locks_by_name.insert(device.name.clone(), Lock(self.addresses.len() as u32));
        self.addresses.push(Address { site, lock: number });
        self.facts.locks.push(LockFacts {
            name: device.name.clone(),
            device: device_id,
            account,
            view_of: None,
            hub: hub.map(|hub| self.hub_numbers[&(site, hub)]),
            profile,
            usable_slots,
            master_prefix,
            twins,
            one_length,
            scan_ends_at,
            clock_settable,
            told_zone,
        });
    }

    /// The clock changes of a zone that codes of this plan may meet.
    fn clock_changes(&self, zone: &str) -> Vec<ClockChange> {
        let Ok(zone) = TimeZone::get(zone) else { return Vec::new() };
        let Ok(from) = jiff::Timestamp::from_millisecond(self.facts.begins_at.0) else { return Vec::new() };
        let until = self.facts.begins_at + self.plan.horizon.0 + ZONE_TABLE_MS;
        let mut offset = zone.to_offset(from);
        let mut changes = Vec::new();
        for change in zone.following(from) {
            let at = Timestamp(change.timestamp().as_millisecond());
            if at > until {
                break;
            }
            let shift_ms = i64::from(change.offset().seconds() - offset.seconds()) * SECOND_MS;
            offset = change.offset();
            if shift_ms != 0 {
                changes.push(ClockChange { at, shift_ms });
            }
        }
        changes
    }

    /// Tells the controller of the zones that a lock which keeps its offset may stand in (`R-58`).
    fn foresee(&mut self, site: usize, device: &Device) {
        let configured = self.facts.config.accounts[site].zone.clone();
        let named = configured.into_iter().chain(device.zone.clone());
        for zone in named.chain(WHEN_NO_ZONE_IS_KNOWN.map(str::to_owned)) {
            if !self.facts.config.zones.contains_key(&zone) {
                let changes = self.clock_changes(&zone);
                self.facts.config.zones.insert(zone, changes);
            }
        }
    }

    fn model(&mut self, profile: &Profile) -> Model {
        let profiles = &mut self.facts.config.profiles;
        let at = profiles.iter().position(|known| known == profile).unwrap_or_else(|| {
            profiles.push(profile.clone());
            profiles.len() - 1
        });
        Model(at as u16)
    }

    fn hub(&mut self, site: usize, device: &Device, part: Option<PathPart>) -> Option<usize> {
        let declared = device.hub.as_ref().filter(|name| self.plan.hubs.iter().any(|hub| hub.name == **name));
        if part.is_none() && declared.is_none() {
            return None;
        }
        if let Some((owner, hub)) = declared.and_then(|name| self.hubs_by_name.get(name)).copied()
            && owner == site
        {
            return Some(hub);
        }
        let hub = self.sites[site].add_hub(part.unwrap_or(PathPart::Hub));
        self.hub_numbers.insert((site, hub), self.hub_count);
        self.hub_count += 1;
        if let Some(name) = declared {
            self.hubs_by_name.insert(name.clone(), (site, hub));
        }
        Some(hub)
    }
}

/// A profile with what a plan writes on the device.
pub(crate) fn overridden(mut profile: Profile, device: &Device) -> Profile {
    fn put<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    put(&mut profile.slots, device.slots);
    put(&mut profile.lengths, device.pin_lengths.as_ref().map(|lengths| lengths.iter().copied().collect()));
    put(&mut profile.duplicate, device.duplicate);
    put(&mut profile.ack, device.ack);
    put(&mut profile.read_back, device.read_back);
    put(&mut profile.shows_names, device.shows_names);
    put(&mut profile.schedules, device.schedules);
    put(&mut profile.lat_max_ms, device.lat_max.map(|span| span.0));
    put(&mut profile.command_timeout_ms, device.command_timeout.map(|span| span.0));
    put(&mut profile.read_lag_ms, device.read_lag.map(|span| span.0));
    put(&mut profile.update_in_place, device.update_in_place);
    if let Some((min_length, max_length)) = device.name_length {
        profile.constraints.push(Constraint::NameLength { min_length, max_length });
    }
    profile.claims_conversions |= device.quirks.iter().any(|quirk| quirk.0 == Quirk::AdoptNeedsClaim);
    profile.keeps_offset |= device.quirks.iter().any(|quirk| quirk.0 == Quirk::OffsetFixedAtWrite);
    if device.quirks.iter().any(|quirk| quirk.0 == Quirk::NameUnique) && !profile.constraints.contains(&Constraint::NameMustBeUnique) {
        profile.constraints.push(Constraint::NameMustBeUnique);
    }
    put(&mut profile.start_margin_ms, device.start_margin.map(|span| span.0));
    put(&mut profile.page_size, device.page_size);
    if let Some(latency) = device.latency {
        // Way there and back take 200 ms, which a fixed latency includes.
        profile.ack_latency_ms = (200, 200);
        profile.apply_latency_ms = ((latency.0 - 200).max(0), (latency.0 - 200).max(0));
    }
    if profile.slots <= profile.reserved_slots {
        profile.reserved_slots = profile.slots - 1;
    }
    profile
}
