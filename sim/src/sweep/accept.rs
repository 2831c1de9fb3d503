//! Findings that are known and wait for their fix: they are told, and change no exit code.

use std::collections::BTreeSet;

use super::BadLine;
use crate::scenario::nearest;
use crate::verdict::Verdict;

/// Fingerprints of findings that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted(BTreeSet<String>);

/// What a finding can be.
const VERDICTS: [Verdict; 7] = [
    Verdict::ExpectationNotMet,
    Verdict::Liveness,
    Verdict::Safety,
    Verdict::Contract,
    Verdict::Stuck,
    Verdict::Panic,
    Verdict::NonDeterminism,
];

impl Accepted {
    /// Reads a list: one fingerprint a line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is no fingerprint.
    pub fn from_lines(text: &str) -> Result<Self, BadLine> {
        let mut fingerprints = BTreeSet::new();
        for (n, line) in text.lines().enumerate() {
            let fingerprint = line.trim();
            if fingerprint.is_empty() || fingerprint.starts_with('#') {
                continue;
            }
            let verdict = fingerprint.split('|').next().unwrap_or_default();
            let names = VERDICTS.map(Verdict::name);
            if !names.contains(&verdict) {
                let meant = nearest(verdict, &names).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let message = format!("expected a fingerprint, such as safety|I-DEV-06|gone code on a by_id lock|setting>none{meant}");
                let column = line.len() - line.trim_start().len() + 1;
                return Err(BadLine { line: n + 1, column, message });
            }
            fingerprints.insert(fingerprint.to_owned());
        }
        Ok(Self(fingerprints))
    }

    /// Whether a finding is known.
    #[must_use]
    pub fn has(&self, fingerprint: &str) -> bool {
        self.0.contains(fingerprint)
    }

    /// All fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_fingerprints() {
        let accepted = Accepted::from_lines("# waits for #12\nsafety|I-DEV-06|a|b\n\n  stuck\n").unwrap();
        assert_eq!(accepted.iter().collect::<Vec<_>>(), ["safety|I-DEV-06|a|b", "stuck"]);
        assert!(accepted.has("stuck") && !accepted.has("safety"));
    }

    #[test]
    fn what_is_none_is_told_with_its_place() {
        let bad = Accepted::from_lines("stuck\n  safty|I-DEV-06\n").unwrap_err();
        assert_eq!((bad.line, bad.column), (2, 3));
        assert!(bad.message.ends_with("did you mean `safety`?"), "{}", bad.message);
    }
}
