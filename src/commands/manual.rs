//! `kmig completions` and `kmig man`: made from the same description as the command line itself.

use crate::cli::Cli;
use crate::error::{Error, Result};
use crate::report::Answer;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// The completion script of a shell.
pub fn completions(shell: Shell) -> Answer {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "kmig", &mut script);
    Answer::line(String::from_utf8_lossy(&script).trim_end().to_string())
}

/// The manual page.
pub fn man() -> Result<Answer> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Error::failed(format!("the manual page could not be made: {error}")))?;
    Ok(Answer::line(
        String::from_utf8_lossy(&page).trim_end().to_string(),
    ))
}
