//! What must happen: `expected.toml` and `rows.toml`, where the keys are explained.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bed;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Filled in from the table's name.
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) scenario: String,
    #[serde(default = "target_test")]
    pub(crate) target: String,
    #[serde(default = "asyncio")]
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    #[serde(default)]
    pub(crate) exit: i32,
    pub(crate) winner: Option<String>,
    /// The table of the scenario, where it stands in no file.
    pub(crate) network: Option<toml::Table>,
    #[serde(default = "system")]
    pub(crate) via: String,
    pub(crate) before: Option<String>,
    pub(crate) questions: Option<Vec<String>>,
    #[serde(default = "both_types")]
    pub(crate) queries: Vec<String>,
    pub(crate) resolve: Option<f64>,
    pub(crate) total: Option<f64>,
    #[serde(default)]
    pub(crate) asyncio: bool,
    #[serde(default)]
    pub(crate) attempts: Vec<Expected>,
    #[serde(default)]
    pub(crate) untried: Vec<String>,
}

/// One attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) to: String,
    pub(crate) start: Option<f64>,
    pub(crate) after: Option<String>,
    #[serde(default = "yes")]
    pub(crate) sent: bool,
    pub(crate) result: String,
    pub(crate) error: Option<String>,
    pub(crate) took: Option<f64>,
    pub(crate) resent: Option<u32>,
}

impl Case {
    /// All of a file, in the order of their names.
    pub(crate) fn all(file: &str) -> Vec<Self> {
        let text = std::fs::read_to_string(bed::path(file)).unwrap();
        let tables: BTreeMap<String, Self> = toml::from_str(&text).unwrap();
        tables.into_iter().map(|(name, case)| case.named(name)).collect()
    }

    pub(crate) fn called(file: &str, name: &str) -> Self {
        let found = Self::all(file).into_iter().find(|case| case.name == name);
        found.unwrap_or_else(|| panic!("{file} has no [{name}]"))
    }

    /// The program with everything that it is told.
    pub(crate) fn command(&self) -> Vec<String> {
        const AFTER: &str = r#"exec "$@""#;
        let first = self.before.iter().flat_map(|before| {
            ["sh", "-c", &format!("{before}\n{AFTER}"), "sh"].map(str::to_owned)
        });
        let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", &self.target, "--json"];
        // The program's own rules are those that it has where nothing is said.
        let rules: &[&str] = match (self.via.as_str(), self.policy.as_str()) {
            ("dns", _) => &["--via", "dns", "--policy", "hev3"],
            (_, "hev3") => &[],
            (_, policy) => &["--policy", policy],
        };
        let words = program.iter().chain(rules).map(|word| (*word).to_owned());
        first.chain(words).chain(self.flags.iter().cloned()).collect()
    }

    /// Those that put a packet on the wire.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Expected> {
        self.attempts.iter().filter(|attempt| attempt.sent)
    }

    fn named(mut self, name: String) -> Self {
        if self.scenario.is_empty() {
            self.scenario.clone_from(&name);
        }
        self.name = name;
        self
    }
}

fn target_test() -> String {
    "target.test:7".to_owned()
}

fn system() -> String {
    "system".to_owned()
}

/// Its lookups wait for both families, and a failure starts the next attempt at once: most cases are about that.
fn asyncio() -> String {
    "asyncio".to_owned()
}

fn both_types() -> Vec<String> {
    ["A", "AAAA"].map(str::to_owned).to_vec()
}

fn yes() -> bool {
    true
}
