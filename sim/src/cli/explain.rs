//! `keyway explain`: what an id or a word of the domain means.

use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::rule::{CASES, RULES, invariant, quirk, rule};

use super::Refused;
use crate::report::Look;
use crate::scenario::nearest;

/// What a word means.
pub fn explain(word: &str) -> Result<String, Refused> {
    let look = Look::of_stdout();
    let lines: Vec<String> =
        meanings(word).iter().map(|(head, text)| format!("{}\n{}\n", look.bold(head), look.wrapped("  ", text))).collect();
    if !lines.is_empty() {
        return Ok(lines.concat());
    }
    let known = known();
    let help = nearest(word, &known).map_or_else(
        || "expected an id such as I-STA-01, R-20 or T07, or the name of a quirk, error or warning".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Refused::Word { message: format!("`{word}` is no id and no word of the domain"), help: Some(help) })
}

fn meanings(word: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(invariant) = invariant(word) {
        let class = format!("{:?}", invariant.class).to_lowercase();
        found.push((format!("{word}, an invariant ({class})"), invariant.statement.to_owned()));
    } else if let Some(rule) = rule(word) {
        found.push((format!("{word}, a rule"), rule.statement.to_owned()));
    }
    if let Some(case) = CASES.iter().find(|case| case.id == word) {
        found.push((format!("{word}, a field case"), case.title.to_owned()));
    }
    if let Some(quirk) = quirk(word) {
        let sort = format!("{:?}", quirk.sort).to_lowercase();
        found.push((format!("{word}, a quirk ({sort})"), quirk.statement.to_owned()));
    }
    if let Some(error) = ErrorCode::ALL.iter().find(|error| error.name() == word) {
        found.push((format!("{word}, an error"), error.message().to_owned()));
    }
    if let Some(warning) = WarningCode::ALL.iter().find(|warning| warning.name() == word) {
        found.push((format!("{word}, a warning"), warning.message().to_owned()));
    }
    found
}

fn known() -> Vec<&'static str> {
    let rules = RULES.iter().map(|rule| rule.id).chain(CASES.iter().map(|case| case.id));
    let quirks = keyway_core::rule::QUIRKS.iter().map(|quirk| quirk.name);
    let errors = ErrorCode::ALL.iter().map(|error| error.name());
    let warnings = WarningCode::ALL.iter().map(|warning| warning.name());
    rules.chain(quirks).chain(errors).chain(warnings).collect()
}
