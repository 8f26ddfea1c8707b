//! docs/rules.md is written from the tables of rules. `UPDATE=1` writes it anew: review the difference.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kmig::safety::Harm;
use kmig::safety::rule::{Example, Rule, rules};
use kmig::source::Dialect;

const HEAD: &str = "# Safety rules

`kmig up` judges each statement of an up or backfill part before it runs anything, and refuses (7) what would take something from the old version of
the application. `kmig check` does so without a database. What is not understood is refused as well: kmig does not call safe what it does not know.
A finding names its rule. Where it is fine all the same, say why above the statement; the reason is kept in the journal:

```sql
-- kmig:allow drop-column because no version has read it since 0.9
alter table users drop column nickname;
```

What the same batch made is exempt from all rules but those about CASCADE, since the old version never saw it. `bootstrap` runs without rules. What a finish or undo part
holds is shown by `kmig plan`, never refused. `kmig check --explain RULE` prints what stands here. This page is written from the tables that kmig
judges by; each example is run by the tests, and what is said of locks, scans and rewrites was seen on Postgres 13 to 18.

";

fn page() -> String {
    let mut page = HEAD.to_string();
    for dialect in Dialect::ALL {
        let language = match dialect {
            Dialect::Postgres => "SQL",
            Dialect::Cassandra => "CQL",
        };
        let _ = writeln!(page, "## {language}\n\n| rule | saves from |\n|---|---|");
        for harm in Harm::ALL {
            for rule in rules(dialect).filter(|rule| rule.harm == harm) {
                let _ = writeln!(
                    page,
                    "| [{0}](#{1}) | {2} |",
                    rule.name,
                    anchor(rule),
                    harm.words()
                );
            }
        }
        page.push('\n');
        for rule in rules(dialect) {
            section(&mut page, rule);
        }
    }
    page.trim_end().to_string() + "\n"
}

/// Both languages have rules of one name.
fn heading(rule: &Rule) -> String {
    match rule.dialect {
        Dialect::Postgres => rule.name.to_string(),
        Dialect::Cassandra => format!("{} in CQL", rule.name),
    }
}

fn anchor(rule: &Rule) -> String {
    heading(rule).to_lowercase().replace(' ', "-")
}

fn section(page: &mut String, rule: &Rule) {
    let _ = writeln!(page, "### {}\n\n{}\n", heading(rule), rule.why);
    let _ = writeln!(
        page,
        "Instead: {} Goes {}.\n",
        rule.instead,
        rule.goes.words()
    );
    for example in rule.examples {
        code(page, rule, example);
    }
}

fn code(page: &mut String, rule: &Rule, example: &Example) {
    let mut heading = format!("In the {} part", example.part);
    match (example.since, example.until) {
        (0, 0) => {}
        (since, 0) => {
            let _ = write!(heading, ", from {since} on");
        }
        (0, until) => {
            let _ = write!(heading, ", up to {until}");
        }
        (since, until) => {
            let _ = write!(heading, ", {since} to {until}");
        }
    }
    let fence = rule.dialect.extension();
    let _ = writeln!(page, "{heading}:\n\n```{fence}\n{}\n```\n", example.trips);
    if let Some(seen) = &example.seen {
        let mut told: Vec<String> = Vec::new();
        for (relation, lock) in seen.locks {
            told.push(format!(
                "{} on `{relation}` ({})",
                lock.mode(),
                lock.words()
            ));
        }
        let named = |relations: &[&str]| relations.join("`, `");
        if !seen.scans.is_empty() {
            told.push(format!("reads `{}` to the end", named(seen.scans)));
        }
        if !seen.rewrites.is_empty() {
            told.push(format!("rewrites `{}`", named(seen.rewrites)));
        }
        if !told.is_empty() {
            let _ = writeln!(page, "Seen: {}.\n", told.join("; "));
        }
    }
    if !example.instead.is_empty() {
        let _ = writeln!(page, "Passes:\n\n```{fence}");
        for (at, (part, text)) in example.instead.iter().enumerate() {
            if at > 0 {
                page.push('\n');
            }
            let _ = writeln!(
                page,
                "-- {part} part{}",
                if at > 0 { " of the next migration" } else { "" }
            );
            let _ = writeln!(page, "{text}");
        }
        page.push_str("```\n\n");
    }
}

#[test]
fn the_page_of_rules_is_that_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page()).expect("write docs/rules.md");
    }
    let written = fs::read_to_string(&path).expect("docs/rules.md");
    assert!(
        written == page(),
        "docs/rules.md is not what the tables say: UPDATE=1 cargo test --test it safety writes it anew"
    );
}
