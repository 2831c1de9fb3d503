//! What a sweep came to, as JSON lines: one for the whole, one for each kind of finding, one for each mark.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Ended, Group, Histogram, Hits, Share, Swept, Tally};
use crate::generate::Draw;

/// One line of the file of a sweep.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Sweep {
        seeds: Range<u64>,
        #[serde(default, skip_serializing_if = "Draw::is_default")]
        draw: Draw,
        share: Share,
        ended: Ended,
        ran: u64,
        crashed_inside: u64,
        compared: u64,
        productive: Histogram,
        fired: Histogram,
    },
    Finding(Group),
    Mark {
        name: String,
        hits: Hits,
    },
}

impl Swept {
    /// The lines of a file that tells all of it.
    ///
    /// # Panics
    /// Never: all of it is plain data.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let Tally { ran, groups, marks, productive, fired, crashed_inside, compared } = self.tally.clone();
        let Self { seeds, draw, share, ended, .. } = self.clone();
        let whole = Line::Sweep { seeds, draw, share, ended, ran, crashed_inside, compared, productive, fired };
        let findings = groups.into_values().map(Line::Finding);
        let marks = marks.into_iter().map(|(name, hits)| Line::Mark { name, hits });
        let lines = [whole].into_iter().chain(findings).chain(marks);
        lines.map(|line| serde_json::to_string(&line).expect("it is plain data") + "\n").collect()
    }
}

/// A line that is none of a sweep's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which, from 1.
    pub line: usize,
    /// Where in it, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Swept {
    /// What the lines of a file tell.
    ///
    /// # Errors
    /// The first bad line.
    pub fn from_lines(text: &str) -> Result<Self, BadLine> {
        let mut swept: Option<Self> = None;
        for (n, text) in text.lines().enumerate() {
            let bad = |column: usize, message: &str| BadLine { line: n + 1, column, message: message.to_owned() };
            let line = serde_json::from_str(text).map_err(|wrong| {
                let message = wrong.to_string();
                bad(wrong.column().max(1), message.split(" at line ").next().unwrap_or(&message))
            })?;
            match (line, &mut swept) {
                (Line::Sweep { seeds, draw, share, ended, ran, crashed_inside, compared, productive, fired }, None) => {
                    if seeds.is_empty() || share.index == 0 || share.index > share.of {
                        return Err(bad(1, "expected a share such as 1/3 of a range of seeds"));
                    }
                    let tally = Tally { ran, productive, fired, crashed_inside, compared, ..Tally::default() };
                    swept = Some(Self { seeds, draw, share, ended, tally });
                }
                (Line::Finding(group), Some(swept)) => swept.tally.add_group(group),
                (Line::Mark { name, hits }, Some(swept)) => drop(swept.tally.marks.insert(name, hits)),
                (Line::Sweep { .. }, Some(_)) => return Err(bad(1, "a second sweep; expected one in a file")),
                (_, None) => return Err(bad(1, "expected a line that begins with {\"sweep\":")),
            }
        }
        swept.ok_or_else(|| BadLine { line: 1, column: 1, message: "the file is empty; expected what `--out` writes".to_owned() })
    }

    /// Joins all shares of one sweep; names go into the message if they are not.
    ///
    /// # Errors
    /// Why they are not all shares of one sweep.
    pub fn merged(shares: Vec<(String, Self)>) -> Result<Self, String> {
        let mut shares = shares.into_iter();
        let (first_name, first) = shares.next().ok_or("nothing to merge")?;
        let mut names = BTreeMap::from([(first.share.index, first_name.clone())]);
        let of = first.share.of;
        let mut merged = first;
        for (name, share) in shares {
            let told = |swept: &Self, of: u64| {
                format!("one of {of} shares of the seeds {}..{}{}", swept.seeds.start, swept.seeds.end, swept.draw.words())
            };
            if (share.share.of, &share.seeds, &share.draw) != (of, &merged.seeds, &merged.draw) {
                let (one, other) = (told(&merged, of), told(&share, share.share.of));
                return Err(format!("{name} is {other}, but {first_name} is {one}"));
            }
            if let Some(other) = names.insert(share.share.index, name.clone()) {
                return Err(format!("{other} and {name} are both share {}/{of}", share.share.index));
            }
            merged.ended = merged.ended.max(share.ended);
            merged.tally = merged.tally.joined(share.tally);
        }
        if let Some(missing) = (1..=of).find(|index| !names.contains_key(index)) {
            return Err(format!("share {missing}/{of} is missing"));
        }
        Ok(Self { share: Share::ALL, ..merged })
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::vendor::Vendor;

    use super::*;
    use crate::verdict::{Finding, Verdict};

    fn swept(index: u64, of: u64) -> Swept {
        let share = Share { index, of };
        let mut tally = Tally { ran: share.size(&(0..10)), ..Tally::default() };
        for nth in 0..tally.ran {
            let seed = share.seed(&(0..10), nth).unwrap();
            tally.mark(if seed.is_multiple_of(2) { "even" } else { "odd" }, seed);
            tally.productive.add(seed * 100);
            if seed % 3 == 2 {
                let fingerprint = format!("safety|{}", seed % 2);
                tally.add_group(Group::of(seed, Finding { verdict: Verdict::Safety, violations: vec![], fingerprint }));
            }
        }
        Swept { seeds: 0..10, draw: Draw::default(), share, ended: Ended::Complete, tally }
    }

    fn named(swept: Swept) -> (String, Swept) {
        (format!("{}.jsonl", swept.share.index), swept)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let whole = swept(1, 1);
        assert_eq!(Swept::from_lines(&whole.to_lines()), Ok(whole));
    }

    #[test]
    fn shares_in_any_order_make_the_whole() {
        for order in [[1, 2, 3], [3, 1, 2]] {
            let merged = Swept::merged(order.map(|index| named(swept(index, 3))).to_vec()).unwrap();
            assert_eq!(merged.to_lines(), swept(1, 1).to_lines());
        }
    }

    #[test]
    fn what_is_no_whole_is_refused() {
        let other = Swept { seeds: 0..11, ..swept(2, 2) };
        let narrowed = Swept { draw: Draw { vendors: vec![Vendor::Wyze], shape: None }, ..swept(2, 2) };
        for (shares, wrong) in [
            (vec![swept(1, 2)], "share 2/2 is missing"),
            (vec![swept(1, 2), swept(1, 2)], "1.jsonl and 1.jsonl are both share 1/2"),
            (vec![swept(1, 2), other], "2.jsonl is one of 2 shares of the seeds 0..11, but 1.jsonl is one of 2 shares of the seeds 0..10"),
            (
                vec![swept(1, 2), narrowed],
                "2.jsonl is one of 2 shares of the seeds 0..10 --vendor wyze, but 1.jsonl is one of 2 shares of the seeds 0..10",
            ),
        ] {
            assert_eq!(Swept::merged(shares.into_iter().map(named).collect()), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn bad_lines_are_named_with_their_place() {
        let good = swept(1, 1).to_lines();
        let at = |text: &str| Swept::from_lines(text).map_err(|bad| (bad.line, bad.column, bad.message)).unwrap_err();
        assert_eq!(at("").2, "the file is empty; expected what `--out` writes");
        assert_eq!(at("{\"mark\":{\"name\":\"a\",\"hits\":{\"seeds\":1,\"times\":1}}}").2, "expected a line that begins with {\"sweep\":");
        assert_eq!((at(&format!("{good}{good}")).0, at(&format!("{good}{{\"ma")).0), (good.lines().count() + 1, good.lines().count() + 1));
        assert!(at("{\"swep\":{}}").2.contains("expected one of `sweep`, `finding`, `mark`"));
    }
}
