//! What a sweep came to, as JSON lines: one for the whole, one for each kind of finding, one for each mark.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Ended, Group, Histogram, Hits, Share, Swept, Tally};

/// One line of the file of a sweep.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Sweep {
        seeds: Range<u64>,
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
        let Self { seeds, share, ended, .. } = self.clone();
        let whole = Line::Sweep { seeds, share, ended, ran, crashed_inside, compared, productive, fired };
        let findings = groups.into_values().map(Line::Finding);
        let marks = marks.into_iter().map(|(name, hits)| Line::Mark { name, hits });
        let lines = [whole].into_iter().chain(findings).chain(marks);
        lines.map(|line| serde_json::to_string(&line).expect("it is plain data") + "\n").collect()
    }
}
