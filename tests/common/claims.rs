//! Case files about findings of one family of rules: what a text must be found for, or left alone.

use std::collections::BTreeSet;
use std::path::Path;

use memgate::detect::Scanner;

/// One case: a text in the form that its test reads.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) threat: String,
    /// `attack`, `near_miss`, `evasion` or `persistence`.
    pub(crate) kind: String,
    pub(crate) text: String,
    /// Rules that must fire.
    #[serde(default)]
    pub(crate) find: Vec<String>,
    /// No rule of the family may fire.
    #[serde(default)]
    pub(crate) quiet: bool,
    /// It does not come out so yet; the test says when it does.
    #[serde(default)]
    pub(crate) gap: bool,
}

/// Every case of one file under `tests/cases`.
pub(crate) fn read(file: &Path) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What is wrong with a case, given the rules of the family that fired on its text.
pub(crate) fn wrong(case: &Case, found: &BTreeSet<String>, scanner: &Scanner) -> Option<String> {
    let mut why = Vec::new();
    if !matches!(case.kind.as_str(), "attack" | "near_miss" | "evasion" | "persistence") {
        why.push(format!("no such kind: {}", case.kind));
    }
    if case.quiet != case.find.is_empty() {
        why.push("either `find` or `quiet`".to_owned());
    }
    let good = if case.quiet { found.is_empty() } else { case.find.iter().all(|id| found.contains(id)) };
    if good == case.gap {
        why.push(format!("found {found:?}{}", if case.gap { ", no gap now" } else { "" }));
    }
    for id in &case.find {
        match scanner.rules().get(id) {
            None => why.push(format!("no rule {id}")),
            // Bait is bait for whatever threat it lies in wait for.
            Some(rule) if id != "sets.broad-anchor" && !rule.threats.contains(&case.threat) => {
                why.push(format!("{id} does not name {}", case.threat));
            }
            Some(_) => {}
        }
    }
    (!why.is_empty()).then(|| format!("{} ({}): {}", case.id, case.kind, why.join("; ")))
}

/// Threats of `all` that lack one of the four kinds of case.
pub(crate) fn thin<'t>(cases: &[Case], all: &[&'t str]) -> Vec<&'t str> {
    let kinds = |threat: &str| -> BTreeSet<&str> {
        cases.iter().filter(|c| c.threat == threat).map(|c| c.kind.as_str()).collect()
    };
    all.iter().copied().filter(|threat| kinds(threat).len() != 4).collect()
}
