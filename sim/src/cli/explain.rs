//! `keyway explain`: what an id or a word of the domain means, why it matters, and which stories show it.

use std::fmt::Write as _;
use std::path::Path;

use keyway_core::event::EventType;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::rule::{CASES, Class, Origin, QUIRKS, RULES, Sort, invariant, quirk, rule};
use keyway_core::vendor::Vendor;

use super::{Refused, program, target};
use crate::mutant::{Mutant, mutants};
use crate::report::Look;
use crate::scenario::nearest;
use crate::words::event_name;

/// Stories that are named.
const STORIES_MAX: usize = 8;

/// Where stories are looked for.
const STORIES: &str = "scenarios";

/// What a word means.
pub fn explain(word: &str) -> Result<String, Refused> {
    let look = Look::of_stdout();
    let word = word.strip_prefix("access_code.").unwrap_or(word);
    let meanings = meanings(word);
    if meanings.is_empty() {
        let known = known();
        let help = nearest(word, &known).map_or_else(
            || {
                "expected an id such as I-STA-01, R-20 or T07, or the name of a problem, event, quirk, vendor or broken controller"
                    .to_owned()
            },
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Refused::Word { message: format!("`{word}` is no id and no word of the domain"), help: Some(help) });
    }
    let (mut text, program) = (String::new(), program());
    for Meaning { head, says, why } in meanings {
        let _ = writeln!(text, "{}\n{}", look.bold(&head), look.wrapped("  ", &says));
        if !why.is_empty() {
            let _ = writeln!(text, "{}", look.wrapped("  ", &why));
        }
    }
    for mutant in mutants().iter().filter(|mutant| mutant.catches.contains(&word) || mutant.naive_of == Some(word)) {
        let _ = writeln!(text, "\n{}\n             {}", look.wrapped("  broken by  ", mutant.about), tried(mutant));
    }
    if let Some(mutant) = mutants().iter().find(|mutant| mutant.name == word) {
        let _ = writeln!(text, "\n  caught by  {}", tried(mutant));
    }
    let stories = stories(Path::new(STORIES), word);
    if !stories.is_empty() {
        text.push('\n');
    }
    for story in stories.iter().take(STORIES_MAX) {
        let _ = writeln!(text, "  shown by   {program} run {story} --timeline");
    }
    if stories.len() > STORIES_MAX {
        let _ = writeln!(text, "  and {} stories more", stories.len() - STORIES_MAX);
    }
    Ok(text)
}

struct Meaning {
    head: String,
    says: String,
    /// Why it matters.
    why: String,
}

fn meanings(word: &str) -> Vec<Meaning> {
    let mut found = Vec::new();
    let mut add = |head: String, says: &str, why: String| found.push(Meaning { head, says: says.to_owned(), why });
    if let Some(invariant) = invariant(word) {
        let (class, why) = match invariant.class {
            Class::Safety => ("safety", "It must hold at every instant; one step that breaks it is a failure, exit code 10."),
            Class::Liveness => ("liveness", "It must come true within a bound once nothing stands against it, else exit code 11."),
        };
        add(format!("{word}, an invariant ({class})"), invariant.statement, format!("{why} {}", from(invariant.origin)));
    } else if let Some(rule) = rule(word) {
        add(format!("{word}, a rule"), rule.statement, from(rule.origin).to_owned());
    }
    if let Some(case) = CASES.iter().find(|case| case.id == word) {
        add(format!("{word}, a field case"), case.title, "It went wrong for somebody, and is retold here as a story.".to_owned());
    }
    if let Some(quirk) = quirk(word) {
        let sort = format!("{:?}", quirk.sort).to_lowercase();
        let why = match quirk.sort {
            Sort::Standing => "A fact of the lock that nothing heals; a controller has to live with it.",
            Sort::Fault => "It begins and ends, and everything must come to rest after it.",
            Sort::Noise => "It strikes single messages, so what was heard is never the whole truth.",
            Sort::Actor => "Somebody else has a hand in it, and is not asked.",
        };
        add(format!("{word}, a quirk ({sort})"), quirk.statement, why.to_owned());
    }
    if let Some(error) = ErrorCode::ALL.iter().find(|error| error.name() == word) {
        let family = format!("{:?}", error.family());
        let why = match family.as_str() {
            "AccessCode" => "It is about one code, and blocks it until it is cleared.",
            "Device" => "It is about the lock: each of its codes shows it when it is read (R-10).",
            _ => "It is about the account: every code of every lock of it shows it when it is read (R-10).",
        };
        add(format!("{word}, an error"), error.message(), why.to_owned());
    }
    if let Some(warning) = WarningCode::ALL.iter().find(|warning| warning.name() == word) {
        let why = "A code with it works, or soon will; somebody should know all the same.";
        add(format!("{word}, a warning"), warning.message(), why.to_owned());
    }
    if let Some(event) = EventType::ALL.iter().find(|event| event_name(**event) == word) {
        let rule_id = crate::report::html::rule_of_event(*event);
        let says = rule(rule_id).map_or("", |rule| rule.statement);
        let why =
            format!("It is announced by {rule_id}; what waits for it acts on it, so it must be true, once, and in order (EO-01 to EO-18).");
        add(format!("{}, an event", event.name()), says, why);
    }
    if let Some(vendor) = Vendor::ALL.iter().find(|vendor| vendor.name() == word) {
        add(format!("{word}, a vendor"), vendor.about(), format!("`keyway vendors {word}` prints all that is known of its locks."));
    }
    if let Some(mutant) = mutants().iter().find(|mutant| mutant.name == word) {
        let why = format!("It is a mistake that was planted, to see that it is caught: by {}.", mutant.catches.join(", "));
        add(format!("{word}, a broken controller"), mutant.about, why);
    }
    found
}

/// Where a rule comes from, for whoever wants to decline it.
const fn from(origin: Origin) -> &'static str {
    match origin {
        Origin::Seed => "It follows from the words of the API's own reference, and can't be waived.",
        Origin::Docs => "It follows from documented behaviour.",
        Origin::Ours => "The sources are silent or disagree here: it is a decision of this project, which a controller may waive.",
    }
}

/// The command that catches a broken controller: by the story of its case, or else by seeds. It is for pasting, so it is never broken across lines.
fn tried(mutant: &Mutant) -> String {
    let case = mutant.naive_of.and_then(|case| stories(Path::new(STORIES), case).into_iter().find(|story| story.contains(case)));
    let what = match case {
        Some(story) => format!("run {story}"),
        None => "sweep --seeds 0..20000 --budget 60s".to_owned(),
    };
    format!("{} {what} --mutant {}", program(), mutant.name)
}

/// The stories in which the word stands.
fn stories(folder: &Path, word: &str) -> Vec<String> {
    let Ok(files) = target::files(&[folder.display().to_string()]) else { return Vec::new() };
    let has_word =
        |text: &str| text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '-').any(|part| part == word);
    let is_meant = |path: &Path| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        name.starts_with(&format!("{word}-")) || std::fs::read_to_string(path).is_ok_and(|text| has_word(&text))
    };
    files.iter().filter(|path| is_meant(path)).map(|path| path.display().to_string()).collect()
}

fn known() -> Vec<&'static str> {
    let rules = RULES.iter().map(|rule| rule.id).chain(CASES.iter().map(|case| case.id));
    let quirks = QUIRKS.iter().map(|quirk| quirk.name);
    let errors = ErrorCode::ALL.iter().map(|error| error.name());
    let warnings = WarningCode::ALL.iter().map(|warning| warning.name());
    let events = EventType::ALL.iter().map(|event| event_name(*event));
    let vendors = Vendor::ALL.iter().map(|vendor| vendor.name());
    let mutants = mutants().into_iter().map(|mutant| mutant.name);
    rules.chain(quirks).chain(errors).chain(warnings).chain(events).chain(vendors).chain(mutants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_known_means_something() {
        for word in known() {
            let meanings = meanings(word);
            assert!(!meanings.is_empty() && meanings.iter().all(|meaning| !meaning.says.is_empty() && !meaning.why.is_empty()), "{word}");
        }
    }

    #[test]
    fn stories_that_show_a_word_are_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(STORIES);
        let named =
            |word: &str| stories(&folder, word).iter().filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect::<Vec<_>>();
        assert!(named("create_path_down").contains(&"backup-on-a-bad-night.json".to_owned()));
        assert!(named("F-04").contains(&"F-04-somebody-elses-code.json".to_owned()));
        assert!(named("set_on_device").len() > STORIES_MAX);
        assert!(named("no_such_word").is_empty());
    }

    #[test]
    fn what_is_said_of_a_word() {
        // This program has another name in each place.
        let said =
            |word: &str| explain(word).unwrap_or_default().split("\n  shown by").next().unwrap_or_default().replace(&program(), "keyway");
        insta::assert_snapshot!(
            ["I-WIN-05", "F-04", "T07", "device_offline", "set_on_device", "hub_power_lost", "schlage", "occupied-is-set"]
                .map(said)
                .join("\n")
        );
        assert!(matches!(explain(concat!("I-WIN-", "33")), Err(Refused::Word { help: Some(help), .. }) if help.contains("did you mean")));
    }
}
