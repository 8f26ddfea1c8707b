//! The connection service file (libpq documentation, "The Connection Service File"; `parseServiceFile` in libpq's
//! source). Pure.

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong; never the value of a setting.
    pub what: String,
}

/// The settings of `[service]`, in order, or `None` if the file has no such section. Of two sections of one name the
/// first counts; keys are not checked here.
pub fn settings(contents: &str, service: &str) -> Result<Option<Vec<(String, String)>>, Fault> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (index, line) in contents.lines().enumerate() {
        let fault = |what: &str| Fault {
            line: index + 1,
            what: what.to_owned(),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name
                .strip_prefix(service)
                .is_some_and(|rest| rest.starts_with(']'))
            {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(settings) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(fault("settings are not looked up in LDAP"));
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| fault("there is no \"=\""))?;
        if key == "service" || key == "servicefile" {
            return Err(fault("a service cannot name another service"));
        }
        // The first of two settings of one name counts, as in libpq: a setting that is there is not replaced.
        if !settings.iter().any(|(known, _)| known == key) {
            settings.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_section_that_is_asked_for() {
        let file = "\n# c\n[one]\nhost=a\n  port=1  \n[two]\nhost=b\nhost=c\noptions=-c x=y\n\n[two]\nhost=d\n";
        let pairs = |service| settings(file, service).map(Option::unwrap_or_default);
        let owned = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            pairs("one"),
            Ok(vec![owned("host", "a"), owned("port", "1")])
        );
        assert_eq!(
            pairs("two"),
            Ok(vec![owned("host", "b"), owned("options", "-c x=y")])
        );
        assert_eq!(settings(file, "tw"), Ok(None));
        assert_eq!(settings("", "x"), Ok(None));
    }

    #[test]
    fn says_which_line_is_wrong() {
        for (file, line) in [
            ("[s]\nhost", 2),
            ("[s]\nhost=a\nservice=t", 3),
            ("[s]\nldap://x", 2),
        ] {
            assert_eq!(
                settings(file, "s").map_err(|fault| fault.line),
                Err(line),
                "{file}"
            );
        }
        assert_eq!(settings("[other]\nnonsense\n", "s"), Ok(None));
    }
}
