//! `kmig config`.

use super::context::Context;
use crate::error::{Exit, Result};
use crate::report::{Answer, object};
use crate::settings::{FILE, Origin};
use serde_json::json;

/// Prints each effective value and where it came from. Passwords are masked.
pub fn run(context: &Context) -> Result<Answer> {
    let settings = context.settings()?;
    let style = context.terminal.style;
    let dependencies: Vec<(String, &Vec<String>)> = settings
        .depends_on
        .iter()
        .map(|(name, needs)| (format!("subsystem.{name}.depends_on"), needs))
        .collect();
    let width = settings
        .effective
        .iter()
        .map(|value| value.key.len())
        .chain(dependencies.iter().map(|(key, _)| key.len()))
        .max()
        .unwrap_or(0);
    let mut lines: Vec<String> = settings
        .effective
        .iter()
        .map(|value| {
            let origin = match &value.origin {
                Origin::Flag => "flag".to_string(),
                Origin::Environment(name) => format!("environment, {name}"),
                Origin::File => FILE.to_string(),
                Origin::Default => "default".to_string(),
            };
            let shown = value.value.as_deref().unwrap_or("(not set)");
            format!(
                "{:width$} = {shown}  {}",
                value.key,
                style.dim(&format!("# {origin}"))
            )
        })
        .collect();
    for (key, needs) in dependencies {
        lines.push(format!(
            "{key:width$} = {}  {}",
            needs.join(","),
            style.dim(&format!("# {FILE}"))
        ));
    }
    let config = settings.config.as_ref();
    Ok(Answer {
        exit: Exit::Done,
        text: lines.join("\n"),
        document: object(json!({
            "file": config.map(|path| path.display().to_string()),
            "values": settings.effective,
            "subsystems": settings.depends_on,
        })),
    })
}
