//! schema.cql: what restores the schema by hand. Pure.

/// The text of the file, made of the statements as the server describes them, in an order in which they can be run.
///
/// `head` is said above them, a line each.
pub fn text<'a>(head: &[String], statements: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in head {
        text.push_str("-- ");
        // A name may hold anything, and a comment ends with its line.
        text.push_str(&line.replace(['\n', '\r'], " "));
        text.push('\n');
    }
    for statement in statements {
        text.push('\n');
        text.push_str(statement.trim());
        if !statement.trim_end().ends_with(';') {
            text.push(';');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_ends() {
        let head = ["of k\nDROP".to_string()];
        let statements = ["CREATE A;", "CREATE B"].into_iter();
        assert_eq!(
            text(&head, statements),
            "-- of k DROP\n\nCREATE A;\n\nCREATE B;\n"
        );
    }
}
