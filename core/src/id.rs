//! Typed ids. What the API shows are UUIDs, drawn deterministically; what vendors hand out are small numbers.

use alloc::borrow::Cow;
use alloc::format;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::draw::{Purpose, digest, draw_uuid};

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }

        /// As text in formats that people read; as a number in others.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return u128::deserialize(deserializer).map(Self);
                }
                let text = <Cow<'de, str>>::deserialize(deserializer)?;
                parse_uuid(&text).map(Self).ok_or_else(|| de::Error::custom("expected a UUID of 36 characters"))
            }
        }
    };
}

uuid! {
    /// An access code, managed or not.
    CodeId
}
uuid! {
    /// A lock inside one account (`R-57`).
    DeviceId
}
uuid! {
    /// One event of the log.
    EventId
}
uuid! {
    /// A workspace of the platform.
    WorkspaceId
}
uuid! {
    /// A connected account: one login at one vendor.
    AccountId
}

impl DeviceId {
    /// The published function from account and serial, so that a lock can be named before the controller has seen it.
    #[must_use]
    pub fn of(account: AccountId, serial: &str) -> Self {
        Self(draw_uuid(digest(serial.as_bytes()), Purpose::DeviceId, account.0, 0))
    }

    /// The same where the vendor tells no serial: each incarnation under each of its ids is a device of its own (`R-57`).
    #[must_use]
    pub fn without_serial(account: AccountId, device: VendorDevice, epoch: Epoch) -> Self {
        Self::of(account, &format!("vendor id {} epoch {}", device.0, epoch.0))
    }
}

impl AccountId {
    /// The account with this number in a plan.
    #[must_use]
    pub fn numbered(n: u32) -> Self {
        Self(draw_uuid(0, Purpose::ConfigId, 1, u64::from(n)))
    }
}

impl WorkspaceId {
    /// The workspace with this number in a plan.
    #[must_use]
    pub fn numbered(n: u32) -> Self {
        Self(draw_uuid(0, Purpose::ConfigId, 2, u64::from(n)))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

number! {
    /// A vendor's own id of a lock. Void after the lock leaves the account.
    VendorDevice(u32)
}
number! {
    /// The opaque id a vendor gives to an entry it placed (`by_id` families). Void after a join (`P-10`).
    Handle(u32)
}
number! {
    /// A numbered place in a lock's memory (`by_slot` families), from 1.
    Slot(u16)
}
number! {
    /// A user of a site, by the vendor's own id (`by_seat` families).
    UserId(u32)
}
number! {
    /// The incarnation of a lock (`P-10`); it rises when the lock is reset or joined again.
    Epoch(u32)
}
number! {
    /// A command, unique over the life of a controller including its restarts (`R-60`).
    CommandId(u64)
}
number! {
    /// An API call, unique in a run.
    CallId(u64)
}
number! {
    /// An idempotency key: (code, intent version, phase) folded to a number (`P-04`).
    Key(u64)
}

fn write_uuid(value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        (value >> 96) as u32,
        (value >> 80) as u16,
        (value >> 64) as u16,
        (value >> 48) as u16,
        value & 0xFFFF_FFFF_FFFF
    )
}

fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    bytes.iter().enumerate().try_fold(0_u128, |value, (at, byte)| match (at, byte) {
        (8 | 13 | 18 | 23, b'-') => Some(value),
        (8 | 13 | 18 | 23, _) => None,
        _ => Some((value << 4) | u128::from(char::from(*byte).to_digit(16)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn uuids_are_text_and_back() {
        let id = DeviceId::of(AccountId::numbered(1), "L1");
        assert_eq!(parse_uuid(&id.to_string()), Some(id.0));
        assert_eq!(id.to_string().as_bytes()[14], b'8');
        assert_ne!(id, DeviceId::of(AccountId::numbered(1), "L2"));
        assert_ne!(id, DeviceId::of(AccountId::numbered(2), "L1"));
    }
}
