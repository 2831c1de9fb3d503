//! From names to numbers: builds the sites, the facts and the controller's configuration that a plan describes.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_core::config::{AccountConfig, Config};
use keyway_core::id::{AccountId, DeviceId, WorkspaceId};
use keyway_core::pin::Constraint;
use keyway_core::port::{Name, PathPart};
use keyway_core::time::{HOUR_MS, MINUTE_MS, Timestamp};
use keyway_core::vendor::{DuplicatePolicy, Model, Profile, Vendor};
use keyway_core::world::lock::{Lock as TrueLock, QuirkSet};
use keyway_core::world::quirk::Quirk;
use keyway_core::world::site::Site;

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
    /// One per account, in the order of the configuration.
    pub sites: Vec<Site>,
    /// The locks, in order of declaration.
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
    locks_by_address: BTreeMap<(usize, usize), Lock>,
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
        Self {
            prologue,
            starts_at,
            horizon_at: starts_at + plan.horizon.0,
            locks_by_address: builder.addresses.iter().zip(0..).map(|(address, n)| ((address.site, address.lock), Lock(n))).collect(),
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

    /// The lock at an address.
    #[must_use]
    pub fn lock_at(&self, site: usize, lock: usize) -> Lock {
        self.locks_by_address[&(site, lock)]
    }

    /// The site of an account.
    #[must_use]
    pub fn site_of(&self, account: AccountId) -> Option<usize> {
        self.sites.iter().position(|site| site.account == account)
    }

    /// What a name in a fault means; none: every lock.
    #[must_use]
    pub fn target(&self, name: Option<&str>) -> Target {
        let all = || (0..self.addresses.len() as u32).map(Lock).collect();
        let Some(name) = name else { return Target::Locks(all()) };
        if let Some(lock) = self.lock(name) {
            return Target::Locks(vec![lock]);
        }
        if let Some((site, hub)) = self.hubs_by_name.get(name) {
            return Target::Hub(*site, *hub);
        }
        self.accounts_by_name.get(name).map_or(Target::Locks(Vec::new()), |site| Target::Account(*site))
    }

    /// The locks that a target touches.
    #[must_use]
    pub fn locks_of(&self, target: &Target) -> Vec<Lock> {
        let of_site = |site: usize| (0..self.addresses.len()).filter(move |n| self.addresses[*n].site == site);
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
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan, begins_at: Timestamp) -> Self {
        let config = Config {
            workspaces: vec![WorkspaceId::numbered(0)],
            accounts: Vec::new(),
            profiles: Vec::new(),
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
        };
        for account in &plan.accounts {
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
        let account = AccountId::numbered(self.sites.len() as u32);
        self.sites.push(Site::new(account, rate_per_minute.or(profile.rate_per_minute), profile.page_size));
        self.facts.config.accounts.push(AccountConfig { account, workspace: WorkspaceId::numbered(0), vendor, zone });
        self.accounts_by_name.insert(name.to_owned(), self.sites.len() - 1);
        self.sites.len() - 1
    }

    fn add(&mut self, device: &Device) {
        let named = device.account.as_ref().and_then(|name| self.accounts_by_name.get(name).copied());
        let of_site = |site: usize, facts: &Facts| facts.config.accounts[site].vendor;
        let Some(vendor) = device.vendor.or_else(|| named.map(|site| of_site(site, &self.facts))) else { return };
        let implied = |builder: &Self| builder.accounts_by_name.get(vendor.name()).copied();
        let site = named.or_else(|| implied(self)).unwrap_or_else(|| self.add_account(vendor.name(), vendor, None, None));
        let profile = overridden(vendor.profile(), device);
        let model = self.model(&profile);
        let hub = self.hub(site, device, profile.hub);
        let quirks: QuirkSet = device.quirks.iter().map(|quirk| quirk.0).collect();
        let mut lock = TrueLock::new(Arc::new(profile.clone()), quirks);
        if let Some(slots) = device.true_slots.filter(|_| quirks.has(Quirk::FewerSlotsThanTold)) {
            lock.missing_places = profile.slots.saturating_sub(slots.max(profile.reserved_slots + 1));
        }
        lock.clock_off_ms = match device.clock_off {
            Some(Offset::After(ms)) => ms,
            _ => 0,
        };
        let usable_slots = lock.capacity() - profile.reserved_slots;
        let minds_twins = lock.duplicate_policy() != DuplicatePolicy::Accept;
        let serial = Name::from(device.name.as_str());
        let number = self.sites[site].add_lock(self.facts.begins_at, lock, serial, model, hub, device.zone.as_deref().map(Name::from));
        let account = self.sites[site].account;
        self.locks_by_name.insert(device.name.clone(), Lock(self.addresses.len() as u32));
        self.addresses.push(Address { site, lock: number });
        self.facts.locks.push(LockFacts {
            name: device.name.clone(),
            device: DeviceId::of(account, &device.name),
            account,
            hub: hub.map(|hub| self.hub_numbers[&(site, hub)]),
            profile,
            usable_slots,
            minds_twins,
        });
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
