use super::*;

const GOOD: &str = "
- id: family.rule-one
  title: A title
  status: preview
  since: 0.1.0
  severity: high
  confidence: medium
  stages: [write]
  maps: [list-2026:X1]
  threats: [T01]
  keywords: [word]
  pattern: 'word'
  why: Because.
  advice: Remove it.
  references: []
  examples: {fires: [a word, word b], quiet: [wordless, nothing]}
";

fn lists() -> Lists {
    Lists::parse("- {id: 'list-2026:X1', title: One}\n", "- family.gone\n- {id: family.old, why: replaced}\n").unwrap()
}

fn load(text: &str) -> Result<RuleSet, RuleSetError> {
    RuleSet::from_packs_with([("family/one.yaml", text)], &lists())
}

fn kinds(text: &str) -> Vec<ProblemKind> {
    match load(text) {
        Err(RuleSetError::Refused { problems }) => problems.into_iter().map(|p| p.kind).collect(),
        other => panic!("{text}\nwas not refused: {other:?}"),
    }
}

#[test]
fn a_good_pack_loads_and_its_digest_covers_every_byte() {
    let set = load(GOOD).unwrap();
    assert_eq!(set.rules().len(), 1);
    assert_eq!(set.get("family.rule-one").unwrap().pack, "family/one.yaml");
    assert!(set.get("family.other").is_none());
    assert_ne!(set.digest(), load(&GOOD.replace("A title", "A title!")).unwrap().digest());
    let two = GOOD.replace("rule-one", "rule-two");
    let forward = RuleSet::from_packs_with([("a", GOOD), ("b", &two)], &lists()).unwrap();
    let backward = RuleSet::from_packs_with([("b", two.as_str()), ("a", GOOD)], &lists()).unwrap();
    assert_eq!(forward.digest(), backward.digest(), "the order of packs does not matter");
}

#[test]
fn every_defect_is_refused_with_its_own_code() {
    use ProblemKind::*;
    for (from, to, kind) in [
        ("why: Because.", "why: Because.\n  colour: red", Schema),
        ("severity: high", "severity: huge", Schema),
        ("  title: A title\n", "", Schema),
        ("family.rule-one", "Family.rule one", BadId),
        ("family.rule-one", "rule-one", BadId),
        ("family.rule-one", "family.gone", RetiredId),
        ("family.rule-one", "family.old", RetiredId),
        ("list-2026:X1", "list-2025:X1", UnknownMapping),
        ("[T01]", "[T47]", UnknownThreat),
        ("[T01]", "[]", UnknownThreat),
        ("0.1.0", "soon", BadSince),
        ("[a word, word b]", "[a word]", TooFewExamples),
        ("[wordless, nothing]", "[wordless]", TooFewExamples),
        ("why: Because.", "why: ' '", MissingText),
        ("advice: Remove it.", "advice: ''", MissingText),
        ("  pattern: 'word'\n", "", MatcherCount),
        ("  pattern: 'word'\n", "  pattern: 'word'\n  detector: secrets\n", MatcherCount),
        ("pattern: 'word'", "composite: {all: [[family.], [kind:directive]]}", BadComposite),
        ("pattern: 'word'", "composite: {all: [[kind:directive]]}", BadComposite),
        ("pattern: 'word'", "composite: {all: [[kind:directive], []]}", BadComposite),
        ("pattern: 'word'", "pattern: 'word'\n  composite: {all: [[kind:fact], [kind:directive]]}", MatcherCount),
        ("stages: [write]", "stages: [write]\n  paranoia: 0", BadParanoia),
        ("stages: [write]", "stages: [write]\n  paranoia: 5", BadParanoia),
        ("stages: [write]", "stages: [write]\n  paranoia: high", Schema),
        ("pattern: 'word'", "pattern: '(?=word)'", BadPattern),
        ("pattern: 'word'", "pattern: '(word)\\1'", BadPattern),
        ("pattern: 'word'", "pattern: '(?:\\w{1000}){1000}'", BadPattern),
        ("pattern: 'word'", "pattern: '(?:word)?'", EmptyPattern),
        ("pattern: 'word'", "detector: magic", UnknownDetector),
        ("keywords: [word]", "keywords: []", BadKeyword),
        ("keywords: [word]", "keywords: [w]", BadKeyword),
        ("stages: [write]", "stages: []", NoStage),
        ("stages: [write]", "stages: [write]\n  views: [structure]", BadView),
        ("nothing]}", "nothing]}\n  evasions: [{text: '', fires: true}]", BadEvasion),
        ("nothing]}", "nothing]}\n  evasions: [{text: w o r d, fires: false}]", BadEvasion),
        ("nothing]}", "nothing]}\n  evasions: [{text: w o r d}]", Schema),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        assert_eq!(kinds(&text), [kind], "{to}");
    }
    assert_eq!(kinds(&format!("{GOOD}{GOOD}")), [DuplicateId]);
}

#[test]
fn a_problem_names_pack_line_rule_code_and_hint() {
    let error = load(&GOOD.replace("[T01]", "[T99]")).unwrap_err().to_string();
    for part in ["ruleset-unknown-threat", "family/one.yaml:2", "family.rule-one", "T99", "hint:"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn codes_never_repeat_and_carry_the_room() {
    let codes: BTreeSet<&str> = ProblemKind::ALL.iter().map(|k| k.code()).collect();
    assert_eq!(codes.len(), ProblemKind::ALL.len());
    assert!(codes.iter().all(|c| c.starts_with("ruleset-")));
}

#[test]
fn evasions_are_kept_as_declared() {
    let text = GOOD.replace(
        "nothing]}",
        "nothing]}\n  evasions:\n  - {text: WORD, fires: true}\n  - {text: w0rd, fires: false, why: digits}",
    );
    let set = load(&text).unwrap();
    let evasions = &set.get("family.rule-one").unwrap().evasions;
    assert_eq!(evasions.iter().map(|e| e.fires).collect::<Vec<_>>(), [true, false]);
    assert_eq!(evasions[1].why.as_deref(), Some("digits"));
}

#[test]
fn a_list_that_does_not_parse_is_refused() {
    assert!(matches!(Lists::parse("- {id: 1, name: x}", ""), Err(RuleSetError::BadList { .. })));
    assert_eq!(Lists::parse("# nothing\n", "").unwrap(), Lists::default());
}

#[test]
fn built_in_patterns_compile_under_the_ceiling_of_foreign_ones() {
    let (strict, shipped) = (RuleSet::from_packs(embedded()).unwrap(), RuleSet::builtin().unwrap());
    assert_eq!(strict.digest(), shipped.digest());
    for (one, other) in strict.rules().iter().zip(shipped.rules()) {
        assert_eq!(one.id, other.id);
        if let Matcher::Pattern { pattern, .. } = &other.matcher {
            assert!(pattern.regex().is_some(), "{}", other.id);
        }
    }
}
