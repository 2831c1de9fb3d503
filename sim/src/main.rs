//! The `keyway` program.

use std::process::ExitCode;

use keyway_sim::cli::{self, Engine};

fn main() -> ExitCode {
    cli::main(Engine::of_reference())
}
