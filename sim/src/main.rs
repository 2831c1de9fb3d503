//! The `keyway` program.

use std::process::ExitCode;

use keyway_core::platform::Reference;
use keyway_sim::cli::{self, Engine};
use keyway_sim::generate::plan_of_seed;
use keyway_sim::run::run;

fn main() -> ExitCode {
    cli::main(Engine {
        run: Some(|plan, options| run(plan, &Reference::new(), options)),
        generate: Some(plan_of_seed),
        ..Engine::default()
    })
}
