//! Reads YAML rule packs, refuses bad ones, compiles good ones.
//!
//! For: data over code. In: pack text. Out: `RuleSet`.
//! May touch: `domain`. Built-in packs are embedded.
//! Never: skips an unknown key, an untested rule or a pattern that is not linear.

mod error;
mod load;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use include_dir::{Dir, DirEntry, include_dir};

use crate::domain::{Digest, RuleId};

pub use error::{PackProblem, ProblemKind, RuleSetError};
pub use rule::{Composite, DETECTORS, Evasion, Examples, Matcher, Pattern, Raises, Rule, Status, Term};

static RULES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// Compiled rules with the digest of the packs they came from.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: BTreeMap<RuleId, usize>,
    digest: Digest,
}

/// The closed lists that packs are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Ids that `maps` may name.
    pub taxonomy: BTreeSet<String>,
    /// Rule ids that were used once and never return.
    pub retired: BTreeSet<String>,
}

impl Lists {
    /// The lists built into this program.
    ///
    /// Errors: `ruleset-bad-list` when an embedded file does not parse.
    pub fn builtin() -> Result<Self, RuleSetError> {
        let text = |name: &str| RULES.get_file(name).and_then(|file| file.contents_utf8()).unwrap_or_default();
        Self::parse(text("taxonomy.yaml"), text("retired.yaml"))
    }
    /// Lists from the text of `taxonomy.yaml` and `retired.yaml`; an empty text is an empty list.
    ///
    /// Errors: `ruleset-bad-list` when a text does not parse.
    pub fn parse(taxonomy: &str, retired: &str) -> Result<Self, RuleSetError> {
        load::lists(taxonomy, retired)
    }
}

impl RuleSet {
    /// The packs built into this program.
    ///
    /// Errors: any [`RuleSetError`]; a shipped program has none, its tests load the packs.
    pub fn builtin() -> Result<Self, RuleSetError> {
        Self::assemble(embedded(), &Lists::builtin()?, Patterns::Proven)
    }
    /// Compiles packs given as (name, YAML text), in any order, against the built-in lists.
    ///
    /// Errors: [`RuleSetError::Refused`] names every problem of every pack, not only the first.
    pub fn from_packs<N: AsRef<str>, T: AsRef<str>>(
        packs: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, RuleSetError> {
        Self::from_packs_with(packs, &Lists::builtin()?)
    }
    /// Compiles packs against given lists.
    ///
    /// Errors: as [`RuleSet::from_packs`].
    pub fn from_packs_with<N: AsRef<str>, T: AsRef<str>>(
        packs: impl IntoIterator<Item = (N, T)>,
        lists: &Lists,
    ) -> Result<Self, RuleSetError> {
        let packs = packs.into_iter().map(|(n, t)| (n.as_ref().to_owned(), t.as_ref().to_owned())).collect();
        Self::assemble(packs, lists, Patterns::Unknown)
    }
    fn assemble(mut sorted: Vec<(String, String)>, lists: &Lists, patterns: Patterns) -> Result<Self, RuleSetError> {
        sorted.sort();
        let rules = load::packs(&sorted, lists, patterns)?;
        let by_id = rules.iter().enumerate().map(|(i, rule)| (rule.id.clone(), i)).collect();
        let digest = Digest::of_parts(sorted.iter().flat_map(|(n, t)| [n.as_bytes(), t.as_bytes()]));
        Ok(Self { rules, by_id, digest })
    }
    /// Some of the rules: to see what the others bring.
    ///
    /// The digest is another one, so that no decision passes for one under all rules.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Rule) -> bool) -> Self {
        let rules: Vec<Rule> = self.rules.iter().filter(|rule| keep(rule)).cloned().collect();
        if rules.len() == self.rules.len() {
            return self.clone();
        }
        let by_id: BTreeMap<RuleId, usize> = rules.iter().enumerate().map(|(i, rule)| (rule.id.clone(), i)).collect();
        let named = by_id.keys().map(|id| id.as_str().as_bytes());
        let digest = Digest::of_parts(std::iter::once(self.digest.hex().as_bytes()).chain(named));
        Self { rules, by_id, digest }
    }
    /// All rules, ordered by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(&RuleId::new(id)).and_then(|&i| self.rules.get(i))
    }
    /// SHA-256 over names and texts of all packs, sorted by name.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// Whether the patterns of a pack have been compiled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patterns {
    /// By a test, before this program was shipped: they wait until they are needed.
    Proven,
    /// Never: they are compiled now, under a ceiling.
    Unknown,
}

/// The packs built into this program, by name.
fn embedded() -> Vec<(String, String)> {
    let mut packs = Vec::new();
    collect(&RULES, &mut packs);
    packs
}

/// Every YAML file under `packs/`, by its path below it.
fn collect(dir: &Dir<'static>, packs: &mut Vec<(String, String)>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(sub) => collect(sub, packs),
            DirEntry::File(file) => {
                let name = file.path().to_string_lossy().replace('\\', "/");
                let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
                if let (Some(name), true, Some(text)) = (name.strip_prefix("packs/"), is_yaml, file.contents_utf8()) {
                    packs.push((name.to_owned(), text.to_owned()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
