//! The `keyway` program: reads what it is asked, hands it to the rooms that do the work, and prints what they say.

use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use keyway_core::controller::Controllers;
use keyway_core::platform::{Honest, Reference};
use keyway_core::vendor::Vendor;

use crate::generate::{Draw, Shape};
use crate::mutant::{mutant, mutants as mutants_by_name};
use crate::plan::Plan;
use crate::plan_text::Span;
use crate::process::{PATIENCE, Processes};
use crate::report::Look;
use crate::run::{Options, Outcome};
use crate::scenario::{self, BadInput};
use crate::sweep::{Share, Shared};
use crate::verdict::Verdict;
use crate::watch::run_watched;

mod ci;
mod coverage;
mod diff;
mod explain;
mod interrupt;
mod marks;
mod mutants;
mod new;
mod progress;
mod report;
mod run;
mod shrink;
mod small;
mod sweep;
mod target;
mod vendors;

pub use ci::ForCi;
pub use progress::Progress;

/// Runs one plan; a step of the controller that lasts longer than this is given up.
pub type RunOne = dyn Fn(&Plan, Options, Duration) -> Outcome;

/// Runs many seeds, prints what came of them, and gives the gravest verdict.
pub type SweepSeeds = dyn Fn(&Sweep) -> Verdict;

/// Runs many seeds, and prints how often there was something to judge.
pub type MarkSeeds = dyn Fn(&Range<u64>, &Coverage) -> Verdict;

/// What the program does its work with. A build that lacks a part says so when it is asked for.
#[derive(Clone, Copy, Default)]
pub struct Engine {
    /// Runs a checked plan against the controller under test, and judges it.
    pub run: Option<&'static RunOne>,
    /// The plan of a seed.
    pub generate: Option<fn(&Draw, u64) -> Plan>,
    /// Runs many seeds, prints what came of them, and gives the gravest verdict.
    pub sweep: Option<&'static SweepSeeds>,
    /// Runs many seeds, and prints how often there was something to judge.
    pub marks: Option<&'static MarkSeeds>,
    /// Runs the broken controllers, prints which invariant catches which, and gives the verdict.
    pub mutants: Option<fn(&Mutants) -> Verdict>,
}

impl Engine {
    /// Everything, with these controllers under test: with yours, your program is `keyway` around your controller.
    ///
    /// ```no_run
    /// use keyway_sim::cli::{self, Engine};
    ///
    /// fn main() -> std::process::ExitCode {
    ///     cli::main(Engine::of(&keyway_core::platform::Reference { policy: &keyway_core::platform::Honest }))
    /// }
    /// ```
    #[must_use]
    pub fn of(controllers: &'static dyn Controllers) -> Self {
        // The program needs them until it ends.
        let shared: Shared = Arc::new(controllers);
        Self {
            run: Some(Box::leak(Box::new(move |plan: &Plan, options, stuck_after| run_watched(plan, &shared, options, stuck_after)))),
            generate: Some(Draw::plan),
            sweep: Some(Box::leak(Box::new(move |arguments: &Sweep| sweep::sweep(arguments, &(Arc::new(controllers) as Shared))))),
            marks: Some(Box::leak(Box::new(move |seeds: &Range<u64>, arguments: &Coverage| {
                marks::marks(seeds, arguments, Arc::new(controllers))
            }))),
            mutants: None,
        }
    }

    /// Everything, with the reference controller under test.
    #[must_use]
    pub fn of_reference() -> Self {
        Self { mutants: Some(mutants::mutants), ..Self::of(&Reference { policy: &Honest }) }
    }
}

/// Keyway runs a controller of smart-lock access codes in virtual time, against simulated clouds and locks that lose,
/// delay and misreport things, and judges whether the right PIN opens the right door.
#[derive(Debug, Parser)]
#[command(name = "keyway", version, max_term_width = 100)]
#[command(help_template = "{about}\n\n{usage-heading} {usage}\n\n{subcommands}{after-help}")]
#[command(after_help = "Begin with:\n  keyway new first.json && keyway run first.json --timeline\n  keyway sweep --seeds 0..2000\n\n\
`keyway COMMAND --help` has examples. Exit codes: 0 as expected, 2 bad input, 10 safety,\n\
11 liveness, 12 contract, 13 expectation not met, 14 panic, 15 stuck, 16 non-determinism,\n\
17 vacuous, 18 a broken controller survived.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first scenario to start from
    #[command(after_help = "Example:\n  keyway new first.json\n  keyway run first.json --timeline")]
    New {
        /// A file that is not there yet
        file: PathBuf,
    },
    /// Run stories and judge them
    #[command(after_help = "Examples:\n  keyway run scenarios\n  keyway run seed:4711 --timeline\n  \
keyway run scenarios/guest/backup-on-a-bad-night.json --trace trace.jsonl\n  keyway run seed:4711 --vendor schlage\n  \
keyway run scenarios --junit junit.xml --markdown summary.md")]
    Run(Run),
    /// Check scenario files without running them
    #[command(after_help = "Example:\n  keyway check scenarios first.json")]
    Check {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Draw a run or a sweep as a page for a browser
    #[command(after_help = "Examples:\n  keyway report scenarios/guest/backup-on-a-bad-night.json -o report.html\n  \
keyway report keyway-findings/seed-4711.json\n  keyway report trace.jsonl\n  keyway report sweep.jsonl -o sweep.html\n\n\
The page is one file with everything in it; it loads nothing, and masks PINs until you say otherwise.")]
    Report(Report),
    /// Run the plans of many seeds, and make what fails small
    #[command(after_help = "Examples:\n  keyway sweep --seeds 0..20000\n  \
keyway sweep --seeds 0..100000 --budget 60s --out sweep.jsonl\n  \
keyway sweep --seeds 0..2000 --vendor kwikset --vendor wyze")]
    Sweep(Sweep),
    /// Make a failing story small: leave out what its finding does not need
    #[command(after_help = "Examples:\n  keyway shrink keyway-findings/seed-4711.json\n  \
keyway shrink story.json --runs 5000 --budget 60s -o small.json\n  keyway shrink seed:4711\n  \
keyway shrink bytes:fuzz/artifacts/lifecycle/crash-0badc0de")]
    Shrink(Shrink),
    /// Join the files of all shares of a sweep
    #[command(after_help = "Example:\n  keyway sweep --seeds 0..100000 --shard 1/2 --out 1.jsonl\n  \
keyway sweep --seeds 0..100000 --shard 2/2 --out 2.jsonl\n  keyway merge 1.jsonl 2.jsonl")]
    Merge(Merge),
    /// Say where two traces of `run --trace` part
    #[command(after_help = "Example:\n  keyway run seed:1 --trace one.jsonl\n  \
keyway run seed:1 --noise-seed 5 --trace other.jsonl\n  keyway diff one.jsonl other.jsonl")]
    Diff(Diff),
    /// Count what stories raise and clear, or how often a sweep had something to judge
    #[command(after_help = "Examples:\n  keyway coverage scenarios\n  keyway coverage --seeds 0..20000")]
    Coverage(Coverage),
    /// Run deliberately broken controllers, and print what catches them
    #[command(after_help = "Examples:\n  keyway mutants scenarios\n  \
keyway run scenarios/field --mutant occupied-is-set     one of them, as if it were yours")]
    Mutants(Mutants),
    /// Say what a word means: an invariant, rule, problem, event, quirk, vendor or mutant
    #[command(after_help = "Examples:\n  keyway explain I-WIN-03\n  keyway explain device_offline\n  \
keyway explain cloud_fails_after_storing\n  keyway explain T07")]
    Explain {
        /// Such as I-STA-01, R-20, T07, EO-04, F-04, hub_power_lost, device_offline, set_on_device, schlage, occupied-is-set
        word: String,
    },
    /// Print what each vendor's locks can do, demand, and how they misbehave
    #[command(after_help = "Examples:\n  keyway vendors\n  keyway vendors schlage")]
    Vendors {
        /// Such as schlage; none: all in short
        name: Option<String>,
    },
    /// Print the JSON Schema of scenario files, or of a process's messages
    #[command(after_help = "Examples:\n  keyway schema > scenario.schema.json\n  keyway schema messages")]
    Schema {
        /// Which schema
        #[arg(value_enum, default_value_t = Schema::Scenario)]
        of: Schema,
    },
    /// Print completions for a shell
    #[command(after_help = "Examples:\n  keyway completions bash > ~/.local/share/bash-completion/completions/keyway\n  \
keyway completions zsh > ~/.zfunc/_keyway\n  keyway completions fish > ~/.config/fish/completions/keyway.fish")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    #[command(after_help = "Examples:\n  keyway man > keyway.1 && man ./keyway.1\n  keyway man run > keyway-run.1")]
    Man {
        /// Of this command; none: of the whole program
        command: Option<String>,
    },
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schema {
    /// A scenario file
    Scenario,
    /// The lines that Keyway and a controller say to each other
    Messages,
}

/// When a step is given up, where nothing else is said.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What is tested.
#[derive(Args, Clone, Debug)]
pub struct UnderTest {
    /// Test this command, which speaks JSON lines, instead of the reference controller
    #[arg(long, value_name = "COMMAND")]
    pub controller: Option<String>,
    /// Test one of the deliberately broken controllers of `keyway mutants` instead of the reference controller
    #[arg(long, value_name = "NAME", conflicts_with = "controller")]
    pub mutant: Option<String>,
    /// Seconds of real time that the command may take to answer a line
    #[arg(long, value_name = "N", default_value_t = PATIENCE.as_secs(), requires = "controller")]
    pub patience: u64,
    /// A controller whose step lasts longer than this is stuck; for a command, `--patience` says so
    #[arg(long, value_name = "TIME", value_parser = time_of, default_value = "10s", conflicts_with = "controller")]
    pub stuck_after: Duration,
}

impl UnderTest {
    /// The engine with the command under test, if there is one.
    fn engine(&self, engine: Engine) -> Result<Engine, Refused> {
        if let Some(name) = &self.mutant {
            let mutant = mutant(name).ok_or_else(|| {
                let names: Vec<&str> = mutants_by_name().iter().map(|mutant| mutant.name).collect();
                let help = scenario::nearest(name, &names)
                    .map_or_else(|| format!("expected one of {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
                Refused::Word { message: format!("no broken controller is named `{name}`"), help: Some(help) }
            })?;
            return Ok(Engine::of(Box::leak(mutant.controllers())));
        }
        let Some(command) = &self.controller else { return Ok(engine) };
        let processes = Processes::new(command, Duration::from_secs(self.patience)).map_err(|wrong| {
            let message = format!("`--controller {command}` can't be started: {wrong}");
            Refused::Word { message, help: Some("expected a program and its arguments, such as `python3 controller.py`".to_owned()) }
        })?;
        Ok(Engine::of(Box::leak(Box::new(processes))))
    }

    /// After what time a step is given up. A command is killed when its patience is over, so that nobody waits longer than that.
    fn stuck_after(&self) -> Duration {
        if self.controller.is_some() { Duration::MAX } else { self.stuck_after }
    }

    /// What a command line says of it, with a space before.
    fn words(&self) -> String {
        let mutant = self.mutant.as_ref().map(|name| format!(" --mutant {name}"));
        self.controller.as_ref().map(|command| format!(" --controller '{command}'")).or(mutant).unwrap_or_default()
    }
}

/// Which worlds the seeds stand for.
#[derive(Args, Clone, Debug, Default)]
pub struct Narrowed {
    /// Draw the worlds of seeds from this vendor's locks alone, such as schlage; may be said several times
    #[arg(long = "vendor", value_name = "NAME", value_parser = vendor_of)]
    pub vendors: Vec<Vendor>,
    /// Give each world of a seed this kind of bad night
    #[arg(long, value_name = "NAME", value_parser = shapes())]
    pub shape: Option<Shape>,
}

impl Narrowed {
    /// What the plans of seeds are drawn from.
    #[must_use]
    pub fn draw(&self) -> Draw {
        Draw { vendors: self.vendors.clone(), shape: self.shape }
    }

    /// # Errors
    /// If it says something, where there are no seeds of which it could.
    fn says_nothing(&self) -> Result<(), Refused> {
        let draw = self.draw();
        if draw.is_default() {
            return Ok(());
        }
        let message = format!("`{}` says what seeds stand for, but there is none", draw.words().trim());
        Err(Refused::Word { message, help: Some("expected a seed, such as seed:4711 or --seeds 0..2000".to_owned()) })
    }
}

/// Arguments of `keyway run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Files, folders (with all that is in them), seeds such as seed:4711, and inputs of the fuzz target `lifecycle`
    #[arg(required = true, value_name = "PATH|seed:N|bytes:FILE")]
    pub what: Vec<String>,
    /// Only stories whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Write all that happens, as JSON lines; for one story
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// The seed of the world's noise, instead of the plan's
    #[arg(long, value_name = "N")]
    pub noise_seed: Option<u64>,
    /// Print JSON lines instead of text
    #[arg(long)]
    pub json: bool,
    /// Draw each story, also one that passes
    #[arg(long)]
    pub timeline: bool,
    /// What is written for machines that build
    #[command(flatten)]
    pub for_ci: ForCi,
    /// Which worlds seeds stand for
    #[command(flatten)]
    pub narrowed: Narrowed,
    /// What is tested
    #[command(flatten)]
    pub under_test: UnderTest,
}

/// Arguments of `keyway sweep`.
#[derive(Args, Clone, Debug)]
pub struct Sweep {
    /// From the first to before the last
    #[arg(long, value_name = "A..B", value_parser = seeds_of)]
    pub seeds: Range<u64>,
    /// Which worlds they stand for
    #[command(flatten)]
    pub narrowed: Narrowed,
    /// As many as there are cores, unless said otherwise
    #[arg(long, value_name = "N", value_parser = threads())]
    pub threads: Option<usize>,
    /// Run only the I-th of N interleaved shares; `keyway merge` joins what they write with --out
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub shard: Share,
    /// After this time no seed is begun; such as 60s or 2h30m
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    pub budget: Option<Duration>,
    /// Write what it came to, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave findings as long as they are
    #[arg(long)]
    pub no_shrink: bool,
    /// What is tested
    #[command(flatten)]
    pub under_test: UnderTest,
    /// How it is told
    #[command(flatten)]
    pub told: Told,
}

/// How the sum of a sweep is told.
#[derive(Args, Clone, Debug)]
pub struct Told {
    /// Findings that are known: their fingerprints, one a line. They are told and change no exit code
    #[arg(long, value_name = "FILE")]
    pub accept: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// What is written for machines that build
    #[command(flatten)]
    pub for_ci: ForCi,
}

/// Arguments of `keyway merge`.
#[derive(Args, Clone, Debug)]
pub struct Merge {
    /// What `keyway sweep --shard I/N --out FILE` has written, for each share
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the whole, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How it is told
    #[command(flatten)]
    pub told: Told,
}

/// Arguments of `keyway diff`.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// A trace
    #[arg(value_name = "A")]
    pub one: PathBuf,
    /// Another trace of the same plan
    #[arg(value_name = "B")]
    pub other: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keyway shrink`.
#[derive(Args, Clone, Debug)]
pub struct Shrink {
    /// A scenario file (of several stories in it, the first one that fails), a seed such as seed:4711, or an input of the fuzz target
    /// `lifecycle`
    #[arg(value_name = "FILE|seed:N|bytes:FILE")]
    pub what: String,
    /// Which world a seed stands for
    #[command(flatten)]
    pub narrowed: Narrowed,
    /// Plans that may be run
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub runs: u64,
    /// Time that it may take, such as 5s
    #[arg(long, value_name = "TIME", value_parser = time_of, default_value = "5s")]
    pub budget: Duration,
    /// What is tested
    #[command(flatten)]
    pub under_test: UnderTest,
    /// Where the small story is written; otherwise beside FILE, with `-small` after its name, or with a name that says what is broken
    /// if it was one of a seed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write each accepted step, and what the elements that are left do, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Arguments of `keyway mutants`.
#[derive(Args, Clone, Debug)]
pub struct Mutants {
    /// Scenario files and folders that each mutant meets before the sweep; none: `scenarios`, if there is such a folder
    #[arg(value_name = "PATH")]
    pub scenarios: Vec<String>,
    /// Seeds that a mutant meets before it counts as a survivor
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub seeds: u64,
    /// Seconds of one core that a mutant gets before it counts as a survivor
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keyway report`.
#[derive(Args, Clone, Debug)]
pub struct Report {
    /// A scenario file, a seed such as seed:4711, what `run --trace` wrote, or what `sweep --out` wrote
    #[arg(value_name = "PATH|seed:N")]
    pub what: String,
    /// Of several stories in the file, the one of this name
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Where the page is written
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// What a seed stands for
    #[command(flatten)]
    pub narrowed: Narrowed,
    /// What is tested
    #[command(flatten)]
    pub under_test: UnderTest,
}

/// Arguments of `keyway coverage`.
#[derive(Args, Clone, Debug)]
pub struct Coverage {
    /// Scenario files and folders; none: `scenarios`, if there is such a folder
    #[arg(value_name = "PATH", conflicts_with = "seeds")]
    pub scenarios: Vec<String>,
    /// Instead of stories, the plans of these seeds, from the first to before the last
    #[arg(long, value_name = "A..B", value_parser = seeds_of)]
    pub seeds: Option<Range<u64>>,
    /// Which worlds the seeds stand for.
    #[command(flatten)]
    pub narrowed: Narrowed,
    /// As many as there are cores, unless said otherwise
    #[arg(long, value_name = "N", requires = "seeds", value_parser = threads())]
    pub threads: Option<usize>,
    /// After this time no seed is begun; such as 60s or 2h30m
    #[arg(long, value_name = "TIME", value_parser = time_of, requires = "seeds")]
    pub budget: Option<Duration>,
    /// Print JSON lines instead of text
    #[arg(long)]
    pub json: bool,
}

fn seeds_of(text: &str) -> Result<Range<u64>, String> {
    let expected = || "expected a range such as 0..20000".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str| text.replace('_', "").parse::<u64>().map_err(|_| expected());
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err("the range is empty; expected one such as 0..20000".to_owned()) }
}

/// At least one.
fn threads() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..)
}

/// The shapes by their names; clap lists them after a wrong one.
fn shapes() -> impl TypedValueParser<Value = Shape> {
    let named = |name: String| *Shape::ALL.iter().find(|shape| shape.name() == name).expect("one of those that are possible");
    PossibleValuesParser::new(Shape::ALL.iter().map(|shape| PossibleValue::new(shape.name()).help(shape.about()))).map(named)
}

fn vendor_of(text: &str) -> Result<Vendor, String> {
    let names: Vec<&str> = Vendor::ALL.iter().map(|vendor| vendor.name()).collect();
    let known = Vendor::ALL.iter().find(|vendor| vendor.name() == text);
    known.copied().ok_or_else(|| match scenario::nearest(text, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", names.join(", ")),
    })
}

fn time_of(text: &str) -> Result<Duration, String> {
    let span: Span = serde_json::from_value(text.into()).map_err(|wrong| wrong.to_string())?;
    u64::try_from(span.0).map(Duration::from_millis).map_err(|_| "it must not be negative".to_owned())
}

/// Does what the command line says.
#[must_use]
pub fn main(engine: Engine) -> ExitCode {
    let verdict = match Arguments::parse().command {
        Command::New { file } => new::new(&file),
        Command::Run(arguments) => arguments.under_test.engine(engine).and_then(|engine| run::run(engine, &arguments)),
        Command::Check { paths } => check(&paths),
        Command::Schema { of } => {
            let schema = match of {
                Schema::Scenario => scenario::schema(),
                Schema::Messages => crate::process::schema(),
            };
            say(&format!("{schema:#}\n"));
            Ok(Verdict::Pass)
        }
        Command::Sweep(arguments) => {
            arguments.under_test.engine(engine).and_then(|engine| part(engine.sweep, "sweep")).map(|sweep| sweep(&arguments))
        }
        Command::Merge(arguments) => sweep::merge(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Shrink(arguments) => arguments.under_test.engine(engine).and_then(|engine| shrink::shrink(engine, &arguments)),
        Command::Mutants(arguments) => part(engine.mutants, "mutants").map(|mutants| mutants(&arguments)),
        Command::Coverage(arguments) => match &arguments.seeds {
            Some(seeds) => part(engine.marks, "coverage of seeds").map(|marks| marks(seeds, &arguments)),
            None => arguments.narrowed.says_nothing().and_then(|()| coverage::coverage(engine, &arguments)),
        },
        Command::Report(arguments) => arguments.under_test.engine(engine).and_then(|engine| report::report(engine, &arguments)),
        Command::Vendors { name } => vendors::vendors(name.as_deref()).map(|text| {
            say(&text);
            Verdict::Pass
        }),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "keyway", &mut text);
            say(&String::from_utf8_lossy(&text));
            Ok(Verdict::Pass)
        }
        Command::Man { command } => manual(command.as_deref()).map(|text| {
            say(&text);
            Verdict::Pass
        }),
        Command::Explain { word } => explain::explain(&word).map(|text| {
            say(&text);
            Verdict::Pass
        }),
    };
    ExitCode::from(verdict.unwrap_or_else(|refused| complain(&refused)).exit_code())
}

/// A page of the manual, as man(1) reads it.
fn manual(command: Option<&str>) -> Result<String, Refused> {
    let mut whole = Arguments::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let names: Vec<String> = whole.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let help = scenario::nearest(name, &names).map(|near| format!("did you mean `{near}`?"));
            let found = whole.find_subcommand(name).cloned();
            found
                .ok_or_else(|| Refused::Word { message: format!("keyway has no command `{name}`"), help })?
                .display_name(format!("keyway-{name}"))
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).expect("memory takes every line");
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Why nothing was done.
enum Refused {
    /// A file.
    Input(BadInput),
    /// A word of the command line.
    Word { message: String, help: Option<String> },
}

impl From<BadInput> for Refused {
    fn from(bad: BadInput) -> Self {
        Self::Input(bad)
    }
}

fn complain(refused: &Refused) -> Verdict {
    remark(&worded(refused));
    Verdict::BadInput
}

fn worded(refused: &Refused) -> String {
    use std::io::IsTerminal as _;
    let look = Look::of_stdout();
    match refused {
        Refused::Input(bad) => {
            let in_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            bad.render(in_colour, look.width)
        }
        Refused::Word { message, help } => {
            let help = help.as_ref().map_or(String::new(), |help| format!("  help: {help}\n"));
            format!("error: {message}\n{help}")
        }
    }
}

/// The text of a file.
fn text_of(path: &Path) -> Result<String, Refused> {
    std::fs::read_to_string(path)
        .map_err(|wrong| Refused::Word { message: format!("{}: can't be read: {wrong}", path.display()), help: None })
}

fn part<T>(part: Option<T>, name: &str) -> Result<T, Refused> {
    part.ok_or_else(|| Refused::Word { message: format!("this build of keyway has no `{name}`"), help: None })
}

fn check(paths: &[PathBuf]) -> Result<Verdict, Refused> {
    let words: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let files = target::files(&words)?;
    let mut stories = 0;
    for file in &files {
        stories += scenario::read(file)?.len();
    }
    say(&format!("{} in {}: all well\n", counted(stories, "story", "stories"), counted(files.len(), "file", "files")));
    Ok(Verdict::Pass)
}

/// The program as it was called: what it tells people to type works where they are.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "keyway".to_owned())
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Says something beside the result: on standard error, where it spoils no output for machines.
fn remark(text: &str) {
    // Nobody is left to be told if standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints to standard output. A reader that has gone away ends the program quietly.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen_and_each_command_has_an_example() {
        let mut whole = Arguments::command().term_width(100);
        let help = whole.render_help().to_string();
        assert!(help.lines().count() <= 30 && help.lines().all(|line| line.chars().count() <= 100), "{help}");
        insta::assert_snapshot!("help", help);
        for command in whole.get_subcommands().filter(|command| command.get_name() != "help") {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Example"), "`{}` has no example", command.get_name());
            // Each example is a command line that is understood.
            for line in examples.lines().filter(|line| line.starts_with("  keyway ")) {
                let line = line.split("     ").next().unwrap_or(line);
                for part in line.split("&&").map(|part| part.split('>').next().unwrap_or(part)) {
                    let words = part.split_whitespace();
                    let wrong = Arguments::try_parse_from(words).err().filter(|_| part.trim().starts_with("keyway"));
                    assert!(wrong.is_none(), "`{part}`: {wrong:?}");
                }
            }
        }
    }

    #[test]
    fn each_command_in_the_readme_is_understood() {
        let readme = include_str!("../../../README.md");
        let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("    cargo run --release -- ")).collect();
        assert!(commands.len() > 10, "{commands:?}");
        for command in commands {
            // What stands in quotes is one word.
            let words = command.split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let wrong = Arguments::try_parse_from(std::iter::once("keyway").chain(words)).err();
            assert!(wrong.is_none(), "`{command}`: {wrong:?}");
        }
    }

    #[test]
    fn help_of_run() {
        let mut whole = Arguments::command().term_width(100);
        whole.build();
        let help = whole.find_subcommand_mut("run").map(|run| run.render_help().to_string());
        insta::assert_snapshot!(help.unwrap_or_default());
    }

    #[test]
    fn a_wrong_command_suggests_the_right_one() {
        let wrong = Arguments::try_parse_from(["keyway", "swep"]).unwrap_err().to_string();
        assert!(wrong.contains("'sweep'"), "{wrong}");
        let refused = manual(Some("swep")).unwrap_err();
        assert!(worded(&refused).contains("did you mean `sweep`?"), "{}", worded(&refused));
    }

    #[test]
    fn manual_and_completions_know_every_command() {
        let text = manual(None).unwrap_or_else(|refused| panic!("{}", worded(&refused)));
        let mut completions = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Arguments::command(), "keyway", &mut completions);
        let completions = String::from_utf8(completions).unwrap();
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(text.contains(name) && completions.contains(name), "{name}");
            assert!(manual(Some(name)).is_ok_and(|page| page.contains(&format!("keyway\\-{name}"))), "{name}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time_of("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(time_of("1h30m"), Ok(Duration::from_mins(90)));
        for wrong in ["", "60", "-1s", "soon"] {
            assert!(time_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn vendors_of_seeds() {
        assert_eq!(vendor_of("two_n"), Ok(Vendor::TwoN));
        assert_eq!(vendor_of("kwickset"), Err("did you mean `kwikset`?".to_owned()));
        assert!(vendor_of("").unwrap_err().starts_with("expected one of generic_cloud, "));
    }

    #[test]
    fn ranges_of_seeds() {
        assert_eq!(seeds_of("0..20_000"), Ok(0..20_000));
        for wrong in ["", "5", "5..5", "9..1", "a..b", "-1..2"] {
            assert!(seeds_of(wrong).is_err(), "{wrong}");
        }
    }
}
