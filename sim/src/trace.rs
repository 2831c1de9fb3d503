//! What happened, as JSON lines for people and tools, and as a rolling 128-bit hash over the same occurrences in MessagePack:
//! every run is hashed, and to write it out as text took half the time of a sweep.

use std::io::{self, Write};

use keyway_core::time::Timestamp;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::occurrence::Occurrence;
use crate::run::Outcome;

/// One line of a trace.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    occurrence: &'a Occurrence,
}

/// The rolling hash: each occurrence's hash is chained into that of those before it.
#[derive(Clone, Debug, Default)]
pub struct Hash {
    value: u128,
    bytes: Vec<u8>,
}

impl Hash {
    /// Takes an occurrence in.
    pub fn take(&mut self, now: Timestamp, occurrence: &Occurrence) {
        self.bytes.clear();
        rmp_serde::encode::write(&mut self.bytes, &Line { at: now, occurrence }).expect("memory takes every occurrence");
        let chained = xxh3_128_with_seed(&self.bytes, self.value as u64);
        self.value = chained ^ self.value.rotate_left(1);
    }

    /// The hash of everything taken in so far.
    #[must_use]
    pub fn value(&self) -> u128 {
        self.value
    }
}

/// Writes one line of a trace, with its line feed.
///
/// # Errors
/// If `out` refuses.
pub fn write_line(out: &mut impl Write, now: Timestamp, occurrence: &Occurrence) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Line { at: now, occurrence })?;
    out.write_all(b"\n")
}

/// The trace of a run whose log was kept; its last line is the hash.
///
/// # Panics
/// Never: memory takes every line.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for (at, occurrence) in &outcome.log {
        write_line(&mut lines, *at, occurrence).expect("memory takes every line");
    }
    let lines = String::from_utf8(lines).expect("JSON is UTF-8");
    lines + &format!("{{\"hash\":\"{:032x}\"}}\n", outcome.hash)
}

#[cfg(test)]
mod tests {
    use keyway_core::id::DeviceId;

    use super::*;

    #[test]
    fn instants_and_ids_survive_the_form_that_is_hashed() {
        let told = (Timestamp(-1), DeviceId(7 << 100));
        let bytes = rmp_serde::to_vec(&told).expect("memory takes every value");
        assert_eq!(rmp_serde::from_slice::<(Timestamp, DeviceId)>(&bytes).expect("what was written"), told);
        assert!(bytes.len() < 24, "no text: {} bytes", bytes.len());
    }
}
