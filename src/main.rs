//! The `kmig` program: parse, run, print, exit.

use clap::Parser;
use kmig::cli::Cli;
use kmig::shell;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => shell::run(&cli),
        Err(error) => shell::usage(&error),
    }
}
