//! Notes beside what they cite: case files, the laundering meter's figures, and what must not lower suspicion.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memgate::detect::provenance::example::parse;
use memgate::domain::{Candidate, Untrusted};
use proptest::prelude::*;

use crate::common::claims::{self, Case};
use crate::common::scanner;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/provenance")
}

/// Rules of the family that fire on a case text.
fn found(text: &str) -> BTreeSet<String> {
    let (candidate, sources) = parse(text).unwrap_or_else(|| panic!("no note in {text:?}"));
    let scanned = scanner().scan_with(Untrusted::new(candidate), &sources);
    let ids = scanned.findings().iter().map(|f| f.rule.as_str().to_owned());
    ids.filter(|id| id.starts_with("provenance.")).collect()
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    inflated: Vec<(String, String)>,
    faithful: Vec<(String, String)>,
}

fn pairs() -> Pairs {
    serde_saphyr::from_str(&std::fs::read_to_string(folder().join("hedges.yaml")).unwrap()).unwrap()
}

fn pair(source: &str, note: &str) -> BTreeSet<String> {
    found(&format!("user: {source}\nnote: {note}"))
}

/// The figures of T09: at least 38 of 40 entries that drop a doubt, at most one of 40 faithful ones.
#[test]
fn dropped_hedges_are_found_and_faithful_paraphrases_are_not() {
    let Pairs { inflated, faithful } = pairs();
    assert_eq!((inflated.len(), faithful.len()), (40, 40));
    let missed: Vec<&(String, String)> = inflated.iter().filter(|(s, n)| pair(s, n).is_empty()).collect();
    let alarms: Vec<(&String, BTreeSet<String>)> =
        faithful.iter().map(|(s, n)| (n, pair(s, n))).filter(|(_, found)| !found.is_empty()).collect();
    assert!(missed.len() <= 2, "{} missed: {missed:#?}", missed.len());
    assert!(alarms.len() <= 1, "{} alarms: {alarms:#?}", alarms.len());
}

fn cases() -> Vec<Case> {
    let mut names: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    names.retain(|name| name.to_string_lossy().starts_with('t'));
    names.iter().flat_map(|name| claims::read(&Path::new("provenance").join(name))).collect()
}

#[test]
fn every_case_comes_out_as_it_says() {
    let wrong: Vec<String> =
        cases().iter().filter_map(|case| claims::wrong(case, &found(&case.text), scanner())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_threat_has_all_four_kinds_of_case() {
    let thin = claims::thin(&cases(), &["T03", "T04", "T06", "T08", "T09"]);
    assert!(thin.is_empty(), "{thin:?}");
}

/// Scans a candidate of several notes; the rules that fire on any.
fn scan(candidate: Candidate, text: &str) -> BTreeSet<String> {
    let (_, sources) = parse(text).unwrap();
    let scanned = scanner().scan_with(Untrusted::new(candidate), &sources);
    scanned.findings().iter().map(|f| f.rule.as_str().to_owned()).filter(|id| id.starts_with("provenance.")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// I8: the order of the cited texts, and citing one twice, change nothing.
    #[test]
    fn order_and_repetition_of_sources_change_nothing(which in 0_usize..40, other in 0_usize..40, twice in any::<bool>()) {
        let Pairs { inflated, faithful } = pairs();
        let ((one, note), (two, _)) = (&inflated[which], &faithful[other]);
        let forward = found(&format!("user: {one}\nweb: {two}\nnote: {note}"));
        let backward = found(&format!("web: {two}\nuser: {one}\nnote: {note}"));
        prop_assert_eq!(&forward, &backward);
        if twice {
            prop_assert_eq!(&forward, &found(&format!("user: {one}\nuser: {one}\nweb: {two}\nnote: {note}")));
        }
    }

    /// I9: an entry that says its claim twice, or says something honest before it, is as suspicious as before.
    #[test]
    fn repeating_or_padding_an_entry_never_clears_it(which in 0_usize..40, other in 0_usize..40) {
        let Pairs { inflated, faithful } = pairs();
        let ((source, note), (honest, _)) = (&inflated[which], &faithful[other]);
        let alone = pair(source, note);
        let twice = format!("{note} {note}");
        prop_assert!(alone.is_subset(&pair(source, &twice)));
        let padded = found(&format!("user: {source}\nnote: {honest} {note}"));
        prop_assert!(!alone.is_empty() <= !padded.is_empty(), "{alone:?} {padded:?}");
    }

    /// I11: the same notes as one memory or as several, in any order, have the same rules.
    #[test]
    fn splitting_and_permuting_notes_changes_nothing(which in 0_usize..40, other in 0_usize..40) {
        let Pairs { inflated, .. } = pairs();
        let ((source, note), (_, more)) = (&inflated[which], &inflated[other]);
        let text = format!("user: {source}\nnote: {note}");
        let (one, _) = parse(&text).unwrap();
        let claim = one.claims[0].clone();
        let joined = |first: &str, second: &str| {
            let body = format!("- {first}\n- {second}\n");
            let span = memgate::domain::Span::new(0, body.len());
            Candidate { text: body, claims: vec![memgate::domain::Claim { span, ..claim.clone() }], ..one.clone() }
        };
        prop_assert_eq!(scan(joined(note, more), &text), scan(joined(more, note), &text));
        let separate: BTreeSet<String> = [note, more].iter().flat_map(|n| pair(source, n)).collect();
        prop_assert_eq!(separate, scan(joined(note, more), &text));
    }

    /// I1: any text at all is weighed without a panic, twice the same.
    #[test]
    fn anything_is_weighed_the_same_twice(source in "\\PC{0,200}", note in "\\PC{1,200}") {
        let text = format!("user: {}\nnote: {}", source.replace('\n', " "), note.replace('\n', " "));
        prop_assert_eq!(found(&text), found(&text));
    }
}
