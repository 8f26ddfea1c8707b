//! Other spellings of a statement: case, blanks and comments between words, quoted and qualified names.

use fastrand::Rng;
use kmig::source::Dialect;

/// Where a statement stands.
pub struct Place {
    /// What a failure calls it.
    pub name: &'static str,
    /// A whole part with the statement in it, spelled anew.
    pub text: fn(&mut Spell, &str) -> String,
    /// Whether a harmless statement passes there.
    pub transparent: bool,
}

/// Makes spellings.
pub struct Spell {
    rng: Rng,
    dialect: Dialect,
}

impl Spell {
    /// The same ones for the same seed.
    pub fn new(seed: u64, dialect: Dialect) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            dialect,
        }
    }

    /// One of some.
    pub fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.rng.choice(of.iter().copied()).unwrap_or_default()
    }

    /// A statement of words with blanks between them, `<t>` for a name, spelled anew. Without a closing `;`.
    pub fn statement(&mut self, words: &str) -> String {
        let mut text = String::new();
        for (at, word) in words.split(' ').enumerate() {
            if at > 0 {
                text += self.gap();
            }
            text += &match word
                .strip_prefix('<')
                .and_then(|word| word.strip_suffix('>'))
            {
                Some(name) => self.name(name),
                None => self.word(word),
            };
        }
        text
    }

    fn gap(&mut self) -> &'static str {
        let sql = [
            " ",
            " ",
            "  ",
            "\n",
            "\t",
            "\r\n",
            "/**/",
            " /* drop */ ",
            " -- x;\n",
            "/* /* */ ; */",
            "\n--\n",
            " /* ' */ ",
            "/* $$ */ ",
            "\x0c",
            "--\"\n",
        ];
        let cql = [
            " ",
            " ",
            "  ",
            "\n",
            "\t",
            "\r\n",
            "/**/",
            " /* drop */ ",
            " -- x;\n",
            " // ' \n",
            "\n--\n",
            "/* $$ */ ",
        ];
        match self.dialect {
            Dialect::Postgres => self.one(&sql),
            Dialect::Cassandra => self.one(&cql),
        }
    }

    /// A word in some case; what is quoted stays.
    fn word(&mut self, word: &str) -> String {
        if word.contains(['\'', '"', '$']) {
            return word.to_owned();
        }
        let style = self.rng.u8(0..4);
        let letters = word.chars().map(|letter| {
            let upper = match style {
                0 => true,
                1 => false,
                _ => self.rng.bool(),
            };
            match upper {
                true => letter.to_ascii_uppercase(),
                false => letter.to_ascii_lowercase(),
            }
        });
        letters.collect()
    }

    /// A name that an older batch made.
    fn name(&mut self, name: &str) -> String {
        let own = self.quoted(name);
        let qualified = matches!(name, "t" | "u");
        match self.rng.u8(0..3) {
            0 if qualified => {
                let schema = self.quoted("public");
                let dot = self.one(&[".", ".", " . ", "./**/"]);
                format!("{schema}{dot}{own}")
            }
            _ => own,
        }
    }

    fn quoted(&mut self, name: &str) -> String {
        match (self.rng.u8(0..4), self.dialect) {
            (0, _) => format!("\"{name}\""),
            (1, Dialect::Postgres) => format!(
                "U&\"\\{:04x}{}\"",
                u32::from(name.as_bytes()[0]),
                &name[1..]
            ),
            _ => self.word(name),
        }
    }
}
