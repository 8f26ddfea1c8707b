//! The `kmig` program: parse, run, print, exit.

use clap::Parser;
use kmig::cli::Cli;
use kmig::shell;
use std::process::ExitCode;

/// Rows that are compared are owned, a few small pieces each: half of what a comparison costs is their allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => shell::run(&cli),
        Err(error) => shell::usage(&error),
    }
}
