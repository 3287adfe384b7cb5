//! From pack text to checked rules; every problem is reported, not only the first.

use std::collections::BTreeSet;

use regex::RegexBuilder;
use serde::Deserialize;

use super::rule::{DETECTORS, Matcher, Pattern, RawRule, Rule, Term};
use super::{Lists, PackProblem, Patterns, ProblemKind, RuleSetError};
use crate::domain::taxonomy::TaxonomyEntry;
use crate::domain::{RuleId, View};

/// Compiled size of one pattern, bytes. Own choice: the largest honest rule needs a fifth of it.
const PATTERN_BYTES: usize = 2 << 20;

/// Bytes of all packs together. Own choice: eighteen times what is shipped.
const PACK_BYTES: usize = 16 << 20;
/// Rules of all packs together. Own choice: each costs memory for its automata, and some work at start-up.
const RULES: usize = 10_000;
const ONE_MATCHER: &str = "exactly one of `pattern`, `detector` and `composite`";

#[derive(Deserialize)]
#[serde(untagged)]
enum Retired {
    Id(String),
    Entry {
        id: String,
        #[serde(default, rename = "since")]
        _since: Option<String>,
        #[serde(default, rename = "why")]
        _why: Option<String>,
    },
}

pub(super) fn lists(taxonomy: &str, retired: &str) -> Result<Lists, RuleSetError> {
    let entries: Vec<TaxonomyEntry> = list_of(taxonomy, "taxonomy.yaml")?;
    let gone: Vec<Retired> = list_of(retired, "retired.yaml")?;
    Ok(Lists {
        taxonomy: entries.into_iter().map(|entry| entry.id.0).collect(),
        retired: gone
            .into_iter()
            .map(|entry| match entry {
                Retired::Id(id) | Retired::Entry { id, .. } => id,
            })
            .collect(),
    })
}

fn list_of<T: serde::de::DeserializeOwned>(text: &str, file: &'static str) -> Result<Vec<T>, RuleSetError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    serde_saphyr::from_str(text).map_err(|e| RuleSetError::BadList { file, detail: e.to_string() })
}

pub(super) fn packs(packs: &[(String, String)], lists: &Lists, patterns: Patterns) -> Result<Vec<Rule>, RuleSetError> {
    let mut problems = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen = BTreeSet::new();
    // Before anything is parsed: a parser needs a multiple of what it reads.
    let bytes = packs.iter().fold(0_usize, |sum, (_, text)| sum.saturating_add(text.len()));
    if bytes > PACK_BYTES {
        return Err(too_large(packs, format!("{bytes} bytes; at most {PACK_BYTES}")));
    }
    let mut count = 0_usize;
    for (pack, text) in packs {
        match serde_saphyr::from_str::<Vec<RawRule>>(text) {
            Err(error) => problems.push(PackProblem {
                pack: pack.clone(),
                rule: None,
                line: error.location().map(|at| at.line()),
                kind: ProblemKind::Schema,
                detail: error.to_string().lines().next().unwrap_or_default().to_owned(),
            }),
            Ok(raw) => {
                count = count.saturating_add(raw.len());
                if count > RULES {
                    return Err(too_large(packs, format!("more than {RULES} rules")));
                }
                for rule in raw {
                    let mut check = Check {
                        pack,
                        id: &rule.id.value.clone(),
                        line: rule.id.referenced.line(),
                        patterns,
                        problems: &mut problems,
                    };
                    if !seen.insert(rule.id.value.clone()) {
                        check.fail(ProblemKind::DuplicateId, rule.id.value.clone());
                    }
                    if let Some(rule) = check.rule(rule, lists) {
                        rules.push(rule);
                    }
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(RuleSetError::Refused { problems });
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let problems = dangling(&rules);
    if problems.is_empty() { Ok(rules) } else { Err(RuleSetError::Refused { problems }) }
}

/// Composites that wait for a rule that is not there, or is one of them.
fn dangling(rules: &[Rule]) -> Vec<PackProblem> {
    let plain = |rule: &&Rule| !matches!(rule.matcher, Matcher::Composite(_));
    let ids: BTreeSet<&RuleId> = rules.iter().filter(plain).map(|rule| &rule.id).collect();
    // The first id at or after the name is the only one that can match or begin with it.
    let exists = |term: &Term| match term {
        Term::Rule(name) => ids.range(RuleId::new(name.as_str())..).next().is_some_and(|id| term.takes(id)),
        Term::Kind(_) => true,
    };
    let mut problems = Vec::new();
    for rule in rules {
        let Matcher::Composite(composite) = &rule.matcher else { continue };
        for term in composite.all.iter().flatten().filter(|term| !exists(term)) {
            problems.push(PackProblem {
                pack: rule.pack.clone(),
                rule: Some(rule.id.to_string()),
                line: None,
                kind: ProblemKind::BadComposite,
                detail: format!("no rule is named {:?}", String::from(term.clone())),
            });
        }
    }
    problems
}

/// One problem for all packs: none of them is compiled.
fn too_large(packs: &[(String, String)], detail: String) -> RuleSetError {
    let largest = packs.iter().max_by_key(|(_, text)| text.len()).map(|(pack, _)| pack.clone());
    let pack = largest.unwrap_or_default();
    RuleSetError::Refused {
        problems: vec![PackProblem { pack, rule: None, line: None, kind: ProblemKind::TooLarge, detail }],
    }
}

struct Check<'a> {
    pack: &'a str,
    id: &'a str,
    line: u64,
    patterns: Patterns,
    problems: &'a mut Vec<PackProblem>,
}

impl Check<'_> {
    fn fail(&mut self, kind: ProblemKind, detail: impl Into<String>) {
        self.problems.push(PackProblem {
            pack: self.pack.to_owned(),
            rule: Some(self.id.to_owned()),
            line: Some(self.line),
            kind,
            detail: detail.into(),
        });
    }

    fn rule(&mut self, raw: RawRule, lists: &Lists) -> Option<Rule> {
        let before = self.problems.len();
        if !lawful_id(self.id) {
            self.fail(ProblemKind::BadId, self.id);
        }
        if lists.retired.contains(self.id) {
            self.fail(ProblemKind::RetiredId, self.id);
        }
        for map in &raw.maps {
            if !lists.taxonomy.contains(&map.0) {
                self.fail(ProblemKind::UnknownMapping, map.0.clone());
            }
        }
        for threat in &raw.threats {
            let number = threat.strip_prefix('T').filter(|d| d.len() == 2).and_then(|d| d.parse::<u8>().ok());
            if !number.is_some_and(|n| (1..=46).contains(&n)) {
                self.fail(ProblemKind::UnknownThreat, threat.clone());
            }
        }
        if raw.threats.is_empty() {
            self.fail(ProblemKind::UnknownThreat, "`threats` is empty");
        }
        let parts: Vec<&str> = raw.since.split('.').collect();
        if parts.len() != 3 || parts.iter().any(|p| p.parse::<u32>().is_err()) {
            self.fail(ProblemKind::BadSince, raw.since.clone());
        }
        if raw.examples.fires.len() < 2 || raw.examples.quiet.len() < 2 {
            let counts = format!("{} fires, {} quiet", raw.examples.fires.len(), raw.examples.quiet.len());
            self.fail(ProblemKind::TooFewExamples, counts);
        }
        for (name, text) in [("title", &raw.title), ("why", &raw.why), ("advice", &raw.advice)] {
            if text.trim().is_empty() {
                self.fail(ProblemKind::MissingText, format!("`{name}` is empty"));
            }
        }
        for evasion in &raw.evasions {
            let why = evasion.why.as_deref().unwrap_or_default().trim();
            if evasion.text.trim().is_empty() || (!evasion.fires && why.is_empty()) {
                self.fail(ProblemKind::BadEvasion, format!("{:?}", evasion.text));
            }
        }
        if raw.stages.is_empty() {
            self.fail(ProblemKind::NoStage, "`stages` is empty");
        }
        if !(1..=4).contains(&raw.paranoia) {
            self.fail(ProblemKind::BadParanoia, raw.paranoia.to_string());
        }
        if raw.views.contains(&View::Structure) {
            self.fail(ProblemKind::BadView, "structure");
        }
        for keyword in &raw.keywords {
            if keyword.trim() != keyword || keyword.len() < 2 {
                self.fail(ProblemKind::BadKeyword, format!("{keyword:?}"));
            }
        }
        let matcher = self.matcher(&raw);
        if self.problems.len() > before {
            return None;
        }
        Some(Rule {
            id: RuleId::new(raw.id.value),
            title: raw.title,
            status: raw.status,
            since: raw.since,
            severity: raw.severity,
            confidence: raw.confidence,
            paranoia: raw.paranoia,
            stages: raw.stages,
            maps: raw.maps,
            threats: raw.threats,
            keywords: raw.keywords,
            matcher: matcher?,
            views: raw.views,
            raises: raw.raises,
            channels: raw.channels,
            why: raw.why,
            advice: raw.advice,
            references: raw.references,
            examples: raw.examples,
            evasions: raw.evasions,
            pack: self.pack.to_owned(),
        })
    }

    fn matcher(&mut self, raw: &RawRule) -> Option<Matcher> {
        if let Some(composite) = &raw.composite {
            if raw.pattern.is_some() || raw.detector.is_some() {
                self.fail(ProblemKind::MatcherCount, ONE_MATCHER);
            }
            if !(2..=4).contains(&composite.all.len()) || composite.all.iter().any(Vec::is_empty) {
                self.fail(ProblemKind::BadComposite, "two to four groups, none of them empty");
            }
            return Some(Matcher::Composite(composite.clone()));
        }
        match (&raw.pattern, &raw.detector) {
            (Some(pattern), None) => {
                if raw.keywords.is_empty() {
                    self.fail(ProblemKind::BadKeyword, "a pattern needs keywords");
                }
                let lines = speaks_of_lines(pattern);
                if self.patterns == Patterns::Proven {
                    return Some(Matcher::Pattern { pattern: Pattern::proven(pattern), lines });
                }
                match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).nest_limit(64).build() {
                    Err(error) => {
                        let text = error.to_string();
                        self.fail(ProblemKind::BadPattern, text.lines().last().unwrap_or_default().to_owned());
                        None
                    }
                    Ok(regex) if regex.is_match("") => {
                        self.fail(ProblemKind::EmptyPattern, pattern.clone());
                        None
                    }
                    Ok(regex) => Some(Matcher::Pattern { pattern: regex.into(), lines }),
                }
            }
            (None, Some(slug)) if DETECTORS.contains(&slug.as_str()) => Some(Matcher::Detector(slug.clone())),
            (None, Some(slug)) => {
                self.fail(ProblemKind::UnknownDetector, slug.clone());
                None
            }
            (Some(_), Some(_)) | (None, None) => {
                self.fail(ProblemKind::MatcherCount, ONE_MATCHER);
                None
            }
        }
    }
}

/// `family.name` (deeper names allowed), words of lower-case letters and digits joined by hyphens.
fn lawful_id(id: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty()
            && !w.starts_with('-')
            && !w.ends_with('-')
            && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    id.len() <= 80 && id.contains('.') && id.split('.').all(word)
}

/// True when the pattern names line borders: `^` or `$` outside a class, or `\n`.
fn speaks_of_lines(pattern: &str) -> bool {
    let mut escaped = false;
    let mut class = 0_usize;
    for c in pattern.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                if matches!(c, 'n' | 'r') {
                    return true;
                }
            }
            '\\' => escaped = true,
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            '^' | '$' if class == 0 => return true,
            '\n' => return true,
            _ => {}
        }
    }
    false
}
