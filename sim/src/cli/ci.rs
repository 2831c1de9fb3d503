//! Where results go that are not for the terminal: files that were asked for, and what the environment of a build wants.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::run::unwritten;
use super::{Refused, remark};
use crate::report::ci::{Case, annotations, junit, markdown};
use crate::scenario;

/// What is written for machines that build.
#[derive(Args, Clone, Debug, Default)]
pub struct ForCi {
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write a summary in Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

impl ForCi {
    /// Better told now than after hours: whether the files can be written.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for path in [&self.junit, &self.markdown].into_iter().flatten() {
            scenario::writable(path).map_err(|wrong| unwritten(path, &wrong))?;
        }
        Ok(())
    }

    /// Whether anybody wants to know.
    pub(super) fn is_wanted(&self) -> bool {
        self.junit.is_some() || self.markdown.is_some() || is_on_github()
    }

    /// Writes it all: the files, and on GitHub the annotations and the summary of the step.
    pub(super) fn write(&self, suite: &str, cases: &[Case]) -> Result<(), Refused> {
        if let Some(path) = &self.junit {
            scenario::write(path, &junit(suite, cases)).map_err(|wrong| unwritten(path, &wrong))?;
        }
        let summary = markdown(suite, cases);
        if let Some(path) = &self.markdown {
            scenario::write(path, &summary).map_err(|wrong| unwritten(path, &wrong))?;
        }
        if is_on_github() {
            remark(&annotations(cases));
            if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
                // Other commands of the step have a part in it.
                let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
                file.and_then(|mut file| file.write_all(summary.as_bytes())).map_err(|wrong| unwritten(&path, &wrong))?;
            }
        }
        Ok(())
    }
}

fn is_on_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}
