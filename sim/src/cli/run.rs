//! `keyway run`: reads everything first, then runs story after story, one line each, and a page for each that failed.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::target::{Target, plan_of_input, targets};
use super::{Engine, Progress, Refused, Run, RunOne, counted, interrupt, part, program, remark, say};
use crate::expect::settled;
use crate::plan::Plan;
use crate::report::Look;
use crate::report::ci::Case;
use crate::report::page::Failure;
use crate::report::timeline::Timeline;
use crate::run::{Figures, Options, Outcome};
use crate::scenario;
use crate::verdict::{Finding, Verdict};
use crate::watch::is_one_given_up;

/// Where the plans of failed seeds are kept.
pub const FINDINGS: &str = "keyway-findings";

/// A story and where it comes from.
pub(super) struct Story {
    pub(super) plan: Plan,
    /// The words by which the command line can name it again.
    pub(super) replay: String,
    is_of_seed: bool,
    /// The file that tells it.
    file: Option<String>,
}

/// A story with what it came to.
#[derive(Serialize)]
struct Line<'a> {
    story: &'a str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'a Finding>,
    hash: String,
    figures: Figures,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<PathBuf>,
}

/// Runs what the command line says; the gravest verdict wins.
pub fn run(engine: Engine, arguments: &Run) -> Result<Verdict, Refused> {
    let stories = stories(engine, arguments)?;
    if arguments.trace.is_some() && stories.len() != 1 {
        let message = format!("`--trace` is for one story, but these are {}", stories.len());
        return Err(Refused::Word { message, help: Some("choose one with `--only NAME`".to_owned()) });
    }
    arguments.for_ci.check()?;
    let run = part(engine.run, "run")?;
    let (mut verdicts, mut cases) = (Vec::new(), Vec::new());
    let mut progress = Progress::of(stories.len() as u64, "stories");
    let stop = interrupt::flag();
    for story in &stories {
        if stop.load(Ordering::Relaxed) || is_one_given_up() {
            break;
        }
        let case = one(run, story, arguments, &progress)?;
        verdicts.push(case.verdict);
        cases.push(case);
        progress.done(verdicts.len() as u64);
    }
    progress.end();
    if !arguments.json {
        say(&summary(&verdicts));
    }
    let is_cut_short = verdicts.len() < stories.len();
    if is_cut_short {
        let why = if is_one_given_up() { "a step that never ends takes the time of a core" } else { "it was stopped" };
        remark(&format!("only {} of {} stories were run: {why}\n", verdicts.len(), stories.len()));
    }
    if arguments.for_ci.is_wanted() {
        arguments.for_ci.write("stories", &cases)?;
    }
    let verdict = verdicts.into_iter().max().unwrap_or(Verdict::Pass);
    if is_cut_short && verdict == Verdict::Pass {
        interrupt::end();
    }
    Ok(verdict)
}

/// All stories, read and checked before the first one runs.
pub(super) fn stories(engine: Engine, arguments: &Run) -> Result<Vec<Story>, Refused> {
    let (mut stories, draw) = (Vec::new(), arguments.narrowed.draw());
    let targets = targets(&arguments.what)?;
    if !targets.iter().any(|target| matches!(target, Target::Seed(_))) {
        arguments.narrowed.says_nothing()?;
    }
    for target in targets {
        match target {
            Target::File(path) => {
                let plans = scenario::read(&path)?;
                let several = plans.len() > 1;
                for plan in plans {
                    let only = if several { format!(" --only {}", plan.name) } else { String::new() };
                    stories.push(Story {
                        replay: format!("{}{only}", path.display()),
                        file: Some(path.display().to_string()),
                        plan,
                        is_of_seed: false,
                    });
                }
            }
            Target::Bytes(path) => {
                let plan = plan_of_input(&path)?;
                stories.push(Story { plan, replay: format!("bytes:{}", path.display()), is_of_seed: true, file: None });
            }
            Target::Seed(seed) => {
                let plan = part(engine.generate, "seed")?(&draw, seed);
                stories.push(Story { plan, replay: format!("seed:{seed}{}", draw.words()), is_of_seed: true, file: None });
            }
        }
    }
    if let Some(only) = &arguments.only {
        let names: Vec<String> = stories.iter().map(|story| story.plan.name.clone()).collect();
        // A whole name means that story alone, not its variants too.
        let exact = names.iter().any(|name| name == only);
        stories.retain(|story| if exact { story.plan.name == *only } else { story.plan.name.contains(only.as_str()) });
        if stories.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let help = scenario::nearest(only, &names).map(|near| format!("did you mean `{near}`?"));
            return Err(Refused::Word { message: format!("no story of a name with `{only}`"), help });
        }
    }
    for story in &mut stories {
        if let Some(seed) = arguments.noise_seed {
            story.plan.noise_seed = seed;
            if !story.is_of_seed {
                story.replay = format!("{} --noise-seed {seed}", story.replay);
            }
        }
    }
    Ok(stories)
}

fn one(run: &RunOne, story: &Story, arguments: &Run, progress: &Progress) -> Result<Case, Refused> {
    let plan = &story.plan;
    let keep_log = arguments.trace.is_some() || arguments.timeline;
    let stuck_after = arguments.under_test.stuck_after();
    let mut outcome = run(plan, Options { keep_log, ..Options::default() }, stuck_after);
    let mut verdict = settled(plan, &outcome);
    let mut written = Vec::new();
    let program = program();
    let mut replay = format!("{program} run {}{}", story.replay, arguments.under_test.words());
    if verdict != Verdict::Pass && story.is_of_seed {
        // The plan is safe before anything else is tried with it.
        let path = PathBuf::from(FINDINGS).join(format!("{}.json", plan.name.replace('/', "-")));
        keep(plan, &path)?;
        replay = format!("{program} run {}{}", path.display(), arguments.under_test.words());
        written.push(path);
    }
    if verdict != Verdict::Pass && outcome.log.is_empty() && !is_one_given_up() && (!arguments.json || arguments.for_ci.is_wanted()) {
        let again = run(plan, Options { keep_log: true, ..Options::default() }, stuck_after);
        if again.hash != outcome.hash {
            verdict = Verdict::NonDeterminism;
        }
        outcome = again;
    }
    if let Some(path) = &arguments.trace {
        let text = crate::trace::text(plan, &outcome);
        scenario::write(path, &text).map_err(|wrong| unwritten(path, &wrong))?;
        written.push(path.clone());
    }
    let case = Case {
        name: plan.name.clone(),
        file: story.file.clone(),
        verdict,
        violations: outcome.finding.as_ref().filter(|_| verdict != Verdict::Pass).map_or(Vec::new(), |finding| finding.violations.clone()),
        count: None,
        replay: replay.clone(),
        page: if verdict != Verdict::Pass && arguments.for_ci.is_wanted() {
            failure_page(plan, verdict, &outcome, &replay, &written, Look::default())
        } else {
            String::new()
        },
    };
    let text = if arguments.json {
        json_line(plan, verdict, &outcome, written)
    } else {
        told(plan, verdict, &outcome, &replay, &written, arguments.timeline)
    };
    progress.aside(|| say(&text));
    Ok(case)
}

/// Writes a plan down, as a file that can be committed as it is.
fn keep(plan: &Plan, path: &Path) -> Result<(), Refused> {
    scenario::write(path, &scenario::to_text(plan)).map_err(|wrong| unwritten(path, &wrong))
}

pub(super) fn unwritten(path: &Path, wrong: &std::io::Error) -> Refused {
    Refused::Word { message: format!("{}: can't be written: {wrong}", path.display()), help: None }
}

fn json_line(plan: &Plan, verdict: Verdict, outcome: &Outcome, written: Vec<PathBuf>) -> String {
    let line = Line {
        story: &plan.name,
        verdict,
        expected: plan.expect.verdict.as_deref(),
        finding: outcome.finding.as_ref(),
        hash: format!("{:032x}", outcome.hash),
        figures: outcome.figures,
        written,
    };
    serde_json::to_string(&line).map(|text| text + "\n").unwrap_or_default()
}

/// A story's line, and its page or picture.
fn told(plan: &Plan, verdict: Verdict, outcome: &Outcome, replay: &str, written: &[PathBuf], draws: bool) -> String {
    let look = Look::of_stdout();
    if verdict == Verdict::Pass {
        let expected = plan.expect.verdict.as_ref().map_or(String::new(), |id| format!("  (fails by {id}, as it must)"));
        let mut text = format!("{}  {}{expected}\n", look.good("ok  "), plan.name);
        if draws {
            let about = outcome.finding.iter().flat_map(|finding| &finding.violations).map(|violation| violation.what.as_str());
            let about: String = about.collect::<Vec<_>>().join(" ");
            let violated_at = outcome.finding.as_ref().and_then(|finding| finding.violations.first()).map(|violation| violation.at);
            let timeline = Timeline { plan, facts: &outcome.facts, log: &outcome.log, violated_at, about: &about };
            text = format!("{text}\n{}\n", timeline.draw(look));
        }
        return text;
    }
    let page = failure_page(plan, verdict, outcome, replay, written, look);
    format!("{}  {}\n\n{page}\n", look.bad("FAIL"), plan.name)
}

fn failure_page(plan: &Plan, verdict: Verdict, outcome: &Outcome, replay: &str, written: &[PathBuf], look: Look) -> String {
    let shown = Outcome { verdict, ..outcome.clone() };
    Failure { plan, outcome: &shown, replay, files: written }.page(look)
}

fn summary(verdicts: &[Verdict]) -> String {
    let look = Look::of_stdout();
    let failed: Vec<Verdict> = verdicts.iter().copied().filter(|verdict| *verdict != Verdict::Pass).collect();
    let stories = counted(verdicts.len(), "story", "stories");
    if failed.is_empty() {
        return format!("{}\n", look.good(&format!("{stories}, all as expected")));
    }
    let mut kinds = failed.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds: Vec<String> =
        kinds.iter().rev().map(|kind| format!("{} {kind}", failed.iter().filter(|verdict| *verdict == kind).count())).collect();
    format!("{}\n", look.bad(&format!("{stories}, {} not as expected: {}", failed.len(), kinds.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keyway_core::config::{Config, ExpiredRecordPolicy, PolicyConstants};
    use keyway_core::time::Timestamp;

    use super::*;
    use crate::occurrence::Facts;
    use crate::verdict::Violation;

    fn plan(expect: &str) -> Plan {
        let text =
            format!(r#"{{ "name": "n", "horizon": "1h", "devices": [{{ "name": "L1", "vendor": "august" }}], "expect": {{ {expect} }} }}"#);
        scenario::parse("n.json", &text).unwrap().remove(0)
    }

    fn outcome(broken: &[&str]) -> Outcome {
        let violation = |id: &&str| Violation { id: (*id).to_owned(), at: Timestamp(0), what: "w".to_owned(), roles: String::new() };
        let verdict = if broken.is_empty() { Verdict::Pass } else { Verdict::Safety };
        let violations: Vec<Violation> = broken.iter().map(violation).collect();
        let config = Config {
            workspaces: vec![],
            accounts: vec![],
            profiles: vec![],
            zones: BTreeMap::new(),
            policy: PolicyConstants::default(),
            expired_record_policy: ExpiredRecordPolicy::Delete,
            entropy: 0,
            waivers: vec![],
        };
        Outcome {
            verdict,
            finding: (!violations.is_empty()).then(|| Finding { verdict, violations, fingerprint: "f".to_owned() }),
            hash: 7,
            marks: BTreeMap::from([("T07", 0)]),
            figures: Figures::default(),
            facts: Facts { config, locks: vec![], begins_at: Timestamp(0) },
            log: vec![],
        }
    }

    #[test]
    fn a_verdict_is_settled_by_what_the_plan_expects() {
        let must_fail = r#""verdict": "I-STA-01""#;
        for (expect, broken, verdict) in [
            ("", &[][..], Verdict::Pass),
            ("", &["I-STA-01"], Verdict::Safety),
            (must_fail, &["I-WIN-05", "I-STA-01"], Verdict::Pass),
            (must_fail, &["I-WIN-05"], Verdict::Safety),
            (must_fail, &[], Verdict::ExpectationNotMet),
            (r#""marks": ["T07"]"#, &[], Verdict::Vacuous),
        ] {
            assert_eq!(settled(&plan(expect), &outcome(broken)), verdict, "{expect} {broken:?}");
        }
    }

    #[test]
    fn a_story_is_a_line_of_json() {
        let line = json_line(&plan(""), Verdict::Safety, &outcome(&["I-STA-01"]), vec![]);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["story"], &value["verdict"]), (&"n".into(), &"safety".into()));
        assert_eq!(value["finding"]["violations"][0]["id"], "I-STA-01");
        assert_eq!(value["hash"], format!("{:032x}", 7));
    }

    #[test]
    fn a_failed_seed_is_written_before_its_page_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FINDINGS).join("n.json");
        let story = Story { plan: plan(""), replay: "seed:1".to_owned(), is_of_seed: true, file: None };
        assert!(keep(&story.plan, &path).is_ok());
        assert_eq!(scenario::read(&path).unwrap(), [story.plan]);
    }

    #[test]
    fn the_summary_counts_by_verdict() {
        let summary = summary(&[Verdict::Pass, Verdict::Safety, Verdict::Liveness, Verdict::Safety]);
        assert!(summary.contains("4 stories, 3 not as expected: 2 safety, 1 liveness"), "{summary}");
    }
}
