//! Chance without state (`R-55`): one pure function from entropy, purpose, entity and count to a number.

/// What a draw is for; two purposes never share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The UUID of a device, from its account and serial.
    DeviceId = 1,
    /// The UUID of an access code, from its device and its number on it.
    CodeId = 2,
    /// The UUID of an event.
    EventId = 3,
    /// A generated PIN.
    Pin = 4,
    /// Jitter of a retry delay (`R-03`).
    Jitter = 5,
    /// The idempotency key of a command (`P-04`).
    Key = 6,
    /// The UUID of a workspace or an account.
    ConfigId = 7,
}

/// 64 bits that depend on all four arguments and on nothing else. The values are pinned by a test: changing them changes every run.
#[must_use]
pub fn draw(entropy: u64, purpose: Purpose, entity: u128, n: u64) -> u64 {
    let mut state = mix(entropy ^ (purpose as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for word in [entity as u64, (entity >> 64) as u64, n] {
        state = mix(state ^ word);
    }
    state
}

/// 128 bits, shaped as a version 8 UUID (RFC 9562).
#[must_use]
pub fn draw_uuid(entropy: u64, purpose: Purpose, entity: u128, n: u64) -> u128 {
    let high = draw(entropy, purpose, entity, n.wrapping_mul(2));
    let low = draw(entropy, purpose, entity, n.wrapping_mul(2).wrapping_add(1));
    let raw = (u128::from(high) << 64) | u128::from(low);
    raw & !(0xF << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62)
}

/// A number below `bound`, without noticeable bias for the bounds used here. `bound` must not be 0.
#[must_use]
pub fn below(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

/// A 64-bit value from bytes, for names and serials.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(mix(bytes.len() as u64), |state, byte| mix(state ^ u64::from(*byte)))
}

/// A bijective mixing step: every input bit reaches every output bit.
#[must_use]
pub fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_all_matter() {
        let base = draw(1, Purpose::Pin, 2, 3);
        assert_eq!(base, draw(1, Purpose::Pin, 2, 3));
        for other in
            [draw(2, Purpose::Pin, 2, 3), draw(1, Purpose::Jitter, 2, 3), draw(1, Purpose::Pin, 2 << 64, 3), draw(1, Purpose::Pin, 2, 4)]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn golden() {
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }
}
