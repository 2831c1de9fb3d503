//! What happened, as JSON lines for people and tools, and as a rolling 128-bit hash over the same occurrences in postcard's bytes:
//! every run is hashed, and to write it out as text took half the time of a sweep. The last line of
//! the text says of what run it is, so that it can be drawn without running anything.

use std::io::{self, Write};

use keyway_core::time::Timestamp;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::occurrence::Occurrence;
use crate::plan::Plan;
use crate::run::Outcome;
use crate::verdict::Finding;

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
        postcard::serialize_with_flavor(&Line { at: now, occurrence }, Bytes(&mut self.bytes)).expect("memory takes every occurrence");
        let chained = xxh3_128_with_seed(&self.bytes, self.value as u64);
        self.value = chained ^ self.value.rotate_left(1);
    }

    /// The hash of everything taken in so far.
    #[must_use]
    pub fn value(&self) -> u128 {
        self.value
    }
}

/// Bytes whose memory is used again.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Flavor for Bytes<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
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

/// The last line of a trace.
#[derive(Serialize)]
struct Last<'a> {
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'a Finding>,
    plan: &'a Plan,
}

/// The trace of a run whose log was kept; its last line is the hash, with what was broken and the plan.
///
/// # Panics
/// Never: memory takes every line.
#[must_use]
pub fn text(plan: &Plan, outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for (at, occurrence) in &outcome.log {
        write_line(&mut lines, *at, occurrence).expect("memory takes every line");
    }
    let last = Last { hash: format!("{:032x}", outcome.hash), finding: outcome.finding.as_ref(), plan };
    serde_json::to_writer(&mut lines, &last).expect("memory takes every line");
    lines.push(b'\n');
    String::from_utf8(lines).expect("JSON is UTF-8")
}

/// A trace that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The plan of the run.
    pub plan: Plan,
    /// What happened.
    pub log: Vec<(Timestamp, Occurrence)>,
    /// What was broken.
    pub finding: Option<Finding>,
    /// The hash of the run.
    pub hash: String,
}

/// A line that is none of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A line of a trace as it is read.
#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Happened { at: Timestamp, occurrence: Box<Occurrence> },
    Last { hash: String, finding: Option<Finding>, plan: Box<Plan> },
}

/// Whether a text begins as a trace does.
#[must_use]
pub fn is_trace(text: &str) -> bool {
    text.starts_with("{\"at\":") && text.lines().next().is_some_and(|line| line.contains("\"occurrence\":"))
}

/// Reads what [`text`] has written.
///
/// # Errors
/// The first bad line, or that the last one is missing.
pub fn read(text: &str) -> Result<Trace, BadLine> {
    let mut log = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let read = serde_json::from_str(line).map_err(|_| {
            let message = "no line of a trace of this version of keyway; expected what `keyway run --trace FILE` writes".to_owned();
            BadLine { line: number, message }
        })?;
        match read {
            Read::Happened { at, occurrence } => log.push((at, *occurrence)),
            Read::Last { hash, finding, plan } => return Ok(Trace { plan: *plan, log, finding, hash }),
        }
    }
    Err(BadLine { line: log.len() + 1, message: "the trace ends before its last line, which holds the hash and the plan".to_owned() })
}

#[cfg(test)]
mod tests {
    use keyway_core::id::DeviceId;
    use keyway_core::platform::{Honest, Reference};

    use super::*;
    use crate::generate::plan_of_seed;
    use crate::run::{Options, run};

    #[test]
    fn what_is_written_can_be_read() {
        let plan = plan_of_seed(7);
        let outcome = run(&plan, &Reference { policy: &Honest }, Options { keep_log: true, ..Options::default() });
        let written = text(&plan, &outcome);
        assert!(is_trace(&written) && !is_trace("{}"));
        let trace = read(&written).unwrap();
        assert!(trace.log == outcome.log && trace.plan == plan && trace.finding == outcome.finding);
        assert_eq!(trace.hash, format!("{:032x}", outcome.hash));
    }

    #[test]
    fn what_is_cut_or_no_trace_is_refused_with_its_line() {
        let plan = plan_of_seed(7);
        let outcome = run(&plan, &Reference { policy: &Honest }, Options { keep_log: true, ..Options::default() });
        let written = text(&plan, &outcome);
        let cut: String = written.split_inclusive('\n').take(3).collect();
        assert!(read(&cut).unwrap_err() == BadLine { line: 4, ..read(&cut).unwrap_err() }, "{:?}", read(&cut).unwrap_err());
        assert_eq!(read("{\"at\":0}\n").unwrap_err().line, 1);
    }

    #[test]
    fn instants_and_ids_survive_the_form_that_is_hashed() {
        let told = (Timestamp(-1), DeviceId(7 << 100));
        let bytes = postcard::to_allocvec(&told).expect("memory takes every value");
        assert_eq!(postcard::from_bytes::<(Timestamp, DeviceId)>(&bytes).expect("what was written"), told);
        assert!(bytes.len() < 24, "no text: {} bytes", bytes.len());
    }
}
