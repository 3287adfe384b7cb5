//! The shipped packs: lawful, exampled, mapped, small, and different from each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use memgate::detect::{Budget, Levels, Scanner, check};
use memgate::domain::{Authority, Channel, Confidence, Severity, Stage, Untrusted};
use memgate::ruleset::{DETECTORS, Lists, Matcher, ProblemKind, Rule, RuleSet, RuleSetError};

/// Threats up to T30 that no rule names, each with the reason. Two-sided: a threat that gets a rule leaves this list.
const NO_TEXT_RULE: [(&str, &str); 1] =
    [("T15", "a loop of the agent's own notes is visible in lineage, not in words")];
/// Rules without outside ids. Two-sided.
const NO_MAPS: [&str; 0] = [];
/// Rules of the core families without a declared evasion. Two-sided.
const NO_EVASIONS: [&str; 0] = [];
/// Rules of low confidence inform only; each is listed so that none hides a weak pattern. Two-sided.
const INFORM_ONLY: [&str; 2] = ["forged-approval.social-pressure", "laundering.certainty-inflation"];
/// About ten rules a file; a topic that outgrows this is split.
const RULES_PER_FILE: usize = 14;
/// Longest pattern, bytes of its source: beyond it nobody can review it.
const PATTERN_BYTES: usize = 5_000;
/// Most keywords of one rule.
const KEYWORDS: usize = 96;

fn rules() -> &'static Arc<RuleSet> {
    static SHARED: OnceLock<Arc<RuleSet>> = OnceLock::new();
    SHARED.get_or_init(|| {
        // An author tries packs without a build: MEMGATE_PACKS=rules/packs.
        let set = match std::env::var_os("MEMGATE_PACKS") {
            Some(folder) => RuleSet::from_packs(packs_in(Path::new(&folder))),
            None => RuleSet::builtin(),
        };
        Arc::new(set.unwrap_or_else(|e| panic!("{e}")))
    })
}

/// Packs of a folder of families, named as the built-in ones are.
fn packs_in(folder: &Path) -> Vec<(String, String)> {
    let mut packs = Vec::new();
    for family in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        for file in std::fs::read_dir(&family).unwrap().map(|e| e.unwrap().path()) {
            let name = file.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
            packs.push((name, std::fs::read_to_string(&file).unwrap()));
        }
    }
    packs
}

fn scanner() -> &'static Scanner {
    static SHARED: OnceLock<Scanner> = OnceLock::new();
    SHARED.get_or_init(|| Scanner::with_levels(Arc::clone(rules()), Budget::default(), Levels::ALL))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Ids that fire on `text`, for the channel a rule asks for.
fn fired(text: &str, channel: Channel) -> BTreeSet<String> {
    let examined = scanner().examine(&Untrusted::new(text), Stage::Write, channel, Authority::External);
    examined.findings().iter().map(|f| f.rule.as_str().to_owned()).collect()
}

fn channel_of(rule: &Rule) -> Channel {
    rule.channels.first().copied().unwrap_or(Channel::Memory)
}

/// Compares with a committed file; `MEMGATE_BLESS=1` rewrites it.
fn golden(path: PathBuf, text: &str) {
    if std::env::var_os("MEMGATE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if committed != text {
        let first = committed.lines().zip(text.lines()).find(|(a, b)| a != b);
        panic!("{} is stale (MEMGATE_BLESS=1 rewrites it); first difference: {first:?}", path.display());
    }
}

#[test]
fn every_example_agrees_with_its_rule() {
    let failures = check(rules());
    let list: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), list.join("\n"));
}

/// An open gap is an attack that passes the rule: it has to be one worth closing, and nothing else may call it an example.
#[test]
fn evasions_are_declared_once_and_gaps_are_explained() {
    for rule in rules().rules() {
        let mut texts: BTreeSet<&str> = rule.examples.fires.iter().map(String::as_str).collect();
        for evasion in &rule.evasions {
            assert!(texts.insert(&evasion.text), "{}: {:?} stands twice", rule.id, evasion.text);
            let why = evasion.why.as_deref().unwrap_or_default();
            assert!(evasion.fires || why.len() >= 20, "{}: say why {:?} passes", rule.id, evasion.text);
        }
    }
}

/// Rules of the core families carry the evasions already known against them.
#[test]
fn core_families_declare_their_evasions() {
    let core = ["injection", "persistence", "exfiltration"];
    let bare: Vec<&str> = rules()
        .rules()
        .iter()
        .filter(|r| core.contains(&r.id.as_str().split('.').next().unwrap_or_default()) && r.evasions.is_empty())
        .map(|r| r.id.as_str())
        .collect();
    assert_eq!(bare, NO_EVASIONS);
}

#[test]
fn there_are_at_least_three_hundred_rules_in_twenty_families() {
    let families: BTreeSet<&str> = rules().rules().iter().filter_map(|r| r.id.as_str().split('.').next()).collect();
    assert!(rules().rules().len() >= 300, "{} rules", rules().rules().len());
    assert!(families.len() >= 20, "{families:?}");
}

#[test]
fn a_rule_lives_in_the_folder_of_its_family_and_files_stay_small() {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in rules().rules() {
        let family = rule.id.as_str().split('.').next().unwrap_or_default();
        assert!(rule.pack.starts_with(&format!("{family}/")), "{} stands in {}", rule.id, rule.pack);
        *files.entry(&rule.pack).or_default() += 1;
    }
    for (file, count) in files {
        assert!(count <= RULES_PER_FILE, "{file} has {count} rules: split the topic");
    }
}

#[test]
fn every_threat_that_text_can_show_is_covered() {
    let covered: BTreeSet<&str> = rules().rules().iter().flat_map(|r| r.threats.iter().map(String::as_str)).collect();
    let excused: BTreeSet<&str> = NO_TEXT_RULE.iter().map(|(threat, _)| *threat).collect();
    for number in 1..=30 {
        let threat = format!("T{number:02}");
        match (covered.contains(threat.as_str()), excused.contains(threat.as_str())) {
            (false, false) => panic!("{threat} has no rule"),
            (true, true) => panic!("{threat} has a rule now: take it off the list"),
            _ => {}
        }
    }
}

#[test]
fn exemptions_are_exactly_the_listed_ones() {
    let named = |keep: &dyn Fn(&Rule) -> bool| -> BTreeSet<&str> {
        rules().rules().iter().filter(|r| keep(r)).map(|r| r.id.as_str()).collect()
    };
    assert_eq!(named(&|r| r.maps.is_empty()), BTreeSet::from(NO_MAPS));
    assert_eq!(named(&|r| r.confidence == Confidence::Low), BTreeSet::from(INFORM_ONLY));
}

#[test]
fn every_coded_detector_has_exactly_one_entry() {
    let mut slugs: Vec<&str> = rules()
        .rules()
        .iter()
        .filter_map(|r| match &r.matcher {
            Matcher::Detector(slug) => Some(slug.as_str()),
            Matcher::Pattern { .. } | Matcher::Composite(_) => None,
        })
        .collect();
    slugs.sort_unstable();
    assert_eq!(slugs, DETECTORS);
}

#[test]
fn patterns_and_keyword_lists_stay_reviewable() {
    for rule in rules().rules() {
        if let Matcher::Pattern { pattern, .. } = &rule.matcher {
            assert!(pattern.as_str().len() <= PATTERN_BYTES, "{}: {} bytes", rule.id, pattern.as_str().len());
            assert!(!pattern.as_str().contains(".*"), "{}: an unbounded gap crosses sentences", rule.id);
        }
        assert!(rule.keywords.len() <= KEYWORDS, "{}: {} keywords", rule.id, rule.keywords.len());
        let unique: BTreeSet<&String> = rule.keywords.iter().collect();
        assert_eq!(unique.len(), rule.keywords.len(), "{}: a keyword twice", rule.id);
    }
}

#[test]
fn words_for_people_say_something() {
    for rule in rules().rules() {
        for (what, text, least) in [("title", &rule.title, 15), ("why", &rule.why, 25), ("advice", &rule.advice, 25)] {
            assert!(text.len() >= least, "{}: {what} is too short", rule.id);
            assert!(!text.contains('\n') && text.trim() == text, "{}: {what} has loose white space", rule.id);
        }
        assert!(rule.title.len() <= 90, "{}: a title is one line", rule.id);
    }
}

#[test]
fn examples_name_only_reserved_hosts() {
    let host = regex::Regex::new(r"(?:https?://|@)([a-z0-9.-]+\.[a-z]{2,})").unwrap();
    for rule in rules().rules() {
        let evasions = rule.evasions.iter().map(|e| &e.text);
        for text in rule.examples.fires.iter().chain(&rule.examples.quiet).chain(evasions) {
            let lower = text.to_lowercase();
            for found in host.captures_iter(&lower) {
                let name = &found[1];
                let reserved = [".invalid", ".test", ".example"].iter().any(|end| name.ends_with(end))
                    || name.ends_with("ngrok.io")
                    || name == "example.com";
                assert!(reserved, "{}: {name}", rule.id);
            }
        }
    }
}

const GOOD: &str = r#"
- id: injection.sample
  title: A sample rule for the loader
  status: preview
  since: 0.1.0
  severity: high
  confidence: medium
  stages: [write]
  maps: [owasp-llm-2025:LLM01]
  threats: [T01]
  keywords: [zebra]
  pattern: '\bzebra\b'
  why: Zebras are not allowed here at all.
  advice: Take the zebra out.
  examples:
    fires: [a zebra, two zebra herds]
    quiet: [a zebrafish, a horse]
"#;

fn problems(pack: &str, retired: &str) -> Vec<ProblemKind> {
    let taxonomy = std::fs::read_to_string(root().join("rules/taxonomy.yaml")).unwrap();
    let lists = Lists::parse(&taxonomy, retired).unwrap();
    match RuleSet::from_packs_with([("injection/sample.yaml", pack)], &lists) {
        Ok(_) => Vec::new(),
        Err(RuleSetError::Refused { problems }) => problems.iter().map(|p| p.kind).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn bad_rules_are_refused_by_name() {
    assert_eq!(problems(GOOD, ""), []);
    let twice = format!("{GOOD}{GOOD}");
    assert_eq!(problems(&twice, ""), [ProblemKind::DuplicateId]);
    assert_eq!(problems(GOOD, "- id: injection.sample\n  since: 0.1.0\n  why: too wide\n"), [ProblemKind::RetiredId]);
    for (from, to, kind) in [
        ("  severity: high", "  severity: high\n  colour: red", ProblemKind::Schema),
        ("  severity: high", "  severity: awful", ProblemKind::Schema),
        ("injection.sample", "Injection Sample", ProblemKind::BadId),
        ("LLM01", "LLM99", ProblemKind::UnknownMapping),
        ("[T01]", "[T99]", ProblemKind::UnknownThreat),
        ("0.1.0", "soon", ProblemKind::BadSince),
        ("[a zebra, two zebra herds]", "[a zebra]", ProblemKind::TooFewExamples),
        ("[a zebrafish, a horse]", "[a zebrafish]", ProblemKind::TooFewExamples),
        ("Take the zebra out.", "''", ProblemKind::MissingText),
        ("Zebras are not allowed here at all.", "' '", ProblemKind::MissingText),
        ("  keywords: [zebra]", "  keywords: [z]", ProblemKind::BadKeyword),
        ("  keywords: [zebra]\n", "", ProblemKind::BadKeyword),
        (r"'\bzebra\b'", r"'(?=zebra)'", ProblemKind::BadPattern),
        (r"'\bzebra\b'", r"'(zebra)\1'", ProblemKind::BadPattern),
        (r"'\bzebra\b'", r"'(?:\w{50}){50}'", ProblemKind::BadPattern),
        (r"'\bzebra\b'", "'(?:zebra)?'", ProblemKind::EmptyPattern),
        (r"  pattern: '\bzebra\b'", "  detector: no-such-slug", ProblemKind::UnknownDetector),
        (r"  pattern: '\bzebra\b'", "  pattern: zebra\n  detector: secrets", ProblemKind::MatcherCount),
        ("[write]", "[]", ProblemKind::NoStage),
        ("  status: preview", "  status: preview\n  paranoia: 0", ProblemKind::BadParanoia),
        ("  status: preview", "  status: preview\n  paranoia: 5", ProblemKind::BadParanoia),
        (r"  pattern: '\bzebra\b'", "  composite: {all: [[injection.]]}", ProblemKind::BadComposite),
        (r"  pattern: '\bzebra\b'", "  composite: {all: [[kind:directive], []]}", ProblemKind::BadComposite),
        (r"  pattern: '\bzebra\b'", "  composite: {all: [[no.such], [kind:directive]]}", ProblemKind::BadComposite),
        (r"  pattern: '\bzebra\b'", "  composite: {all: [[kind:hope], [kind:fact]]}", ProblemKind::Schema),
    ] {
        let pack = GOOD.replace(from, to);
        assert_ne!(pack, GOOD, "{from}");
        assert!(problems(&pack, "").contains(&kind), "{to}: {:?}", problems(&pack, ""));
    }
}

#[test]
fn an_example_that_lies_is_found() {
    for (from, to) in [("two zebra herds", "two horses"), ("a zebrafish", "one zebra"), ("a zebrafish", "a donkey")] {
        let lists = Lists::parse("- id: owasp-llm-2025:LLM01\n  title: Prompt Injection\n", "").unwrap();
        let pack = GOOD.replace(from, to);
        let set = RuleSet::from_packs_with([("injection/sample.yaml", pack)], &lists).unwrap();
        assert!(!check(&Arc::new(set)).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn the_taxonomy_names_list_edition_and_title() {
    let text = std::fs::read_to_string(root().join("rules/taxonomy.yaml")).unwrap();
    let id = regex::Regex::new(
        r"^- id: (?:owasp-asi-2026:ASI\d\d|owasp-llm-2025:LLM\d\d|atlas-5\.6\.1:AML\.T\d{4}(?:\.\d{3})?|nist-aml-2025:NISTAML\.\d{3})$",
    )
    .unwrap();
    let ids: Vec<&str> = text.lines().filter(|l| l.starts_with("- id:")).collect();
    assert!(ids.iter().all(|line| id.is_match(line)), "{ids:?}");
    assert!(ids.is_sorted() && ids.windows(2).all(|w| w[0] != w[1]));
    assert_eq!(text.lines().filter(|l| l.starts_with("  title: \"")).count(), ids.len());
}

/// Which rules fire on which examples, in both directions.
#[test]
fn no_two_rules_are_one() {
    let mut hits: BTreeMap<String, BTreeSet<(String, usize)>> = BTreeMap::new();
    let mut table = String::from("# Rules that fire on the `fires` examples of each rule, besides the rule itself.\n");
    for rule in rules().rules() {
        let mut others = BTreeSet::new();
        for (number, text) in rule.examples.fires.iter().enumerate() {
            for id in fired(text, channel_of(rule)) {
                hits.entry(id.clone()).or_default().insert((rule.id.as_str().to_owned(), number));
                if id != rule.id.as_str() {
                    others.insert(id);
                }
            }
        }
        if !others.is_empty() {
            let others: Vec<String> = others.into_iter().collect();
            let _ = writeln!(table, "{}: {}", rule.id, others.join(", "));
        }
    }
    let mut seen: BTreeMap<Vec<(String, usize)>, &str> = BTreeMap::new();
    for (id, examples) in &hits {
        if let Some(twin) = seen.insert(examples.iter().cloned().collect(), id) {
            panic!("{twin} and {id} fire on the same examples: one rule too many");
        }
    }
    golden(root().join("tests/golden/rules-overlap.txt"), &table);
}

#[test]
fn the_index_is_the_one_the_packs_give() {
    let mut out = String::from(
        "# Rules\n\nGenerated from `packs/` by the tests (`MEMGATE_BLESS=1` rewrites it). How to write one: `README.md`.\n",
    );
    let mut family = "";
    let mut gaps = String::new();
    for rule in rules().rules() {
        let own = rule.id.as_str().split('.').next().unwrap_or_default();
        if own != family {
            family = own;
            let _ = write!(
                out,
                "\n## {family}\n\n| Rule | Severity / confidence | Threats | What it finds | Ways round: caught, open |\n|---|---|---|---|---|\n"
            );
        }
        let open = rule.evasions.iter().filter(|e| !e.fires).count();
        let closed = rule.evasions.len() - open;
        for gap in rule.evasions.iter().filter(|e| !e.fires) {
            let text = gap.text.replace('|', "\\|").replace('\n', " ");
            let _ = writeln!(gaps, "| `{}` | {text} | {} |", rule.id, gap.why.as_deref().unwrap_or_default());
        }
        let _ = writeln!(
            out,
            "| `{}` | {} / {} | {} | {} | {closed}, {open} |",
            rule.id,
            rule.severity.name(),
            rule.confidence.name(),
            rule.threats.join(" "),
            rule.title
        );
    }
    let holding = rules().rules().iter().filter(|r| r.severity >= Severity::High && r.confidence >= Confidence::Medium);
    let _ = write!(out, "\n{} rules, of which {} hold a text alone.\n", rules().rules().len(), holding.count());
    let _ = write!(
        out,
        "\n## Open gaps\n\nAttacks that the rule they are listed under does not see. Most of them still meet another rule, the gate (kind and\norigin) or the classifier; none is deleted to make a test pass.\n\n| Rule | Passes | Why |\n|---|---|---|\n{gaps}"
    );
    golden(root().join("rules/INDEX.md"), &out);
}

/// Work is counted, not timed: all keywords of all rules in one text, as one block, twice over.
#[test]
fn hostile_text_costs_at_most_one_look_per_rule_and_byte() {
    let mut text = String::new();
    for rule in rules().rules() {
        for keyword in &rule.keywords {
            text.push_str(keyword);
            text.push(' ');
        }
    }
    text = text.replace('\n', " ");
    let text = text.repeat(2);
    let length = text.len() as u64;
    // Two folded forms, a few views made of the text itself, and every rule once over each.
    let steps = length * (rules().rules().len() as u64 + 40) * 4;
    let budget = Budget { steps, findings: 100_000, ..Budget::default() };
    let scanner = Scanner::new(Arc::clone(rules()), budget);
    let examined = scanner.examine(&Untrusted::new(&text), Stage::Write, Channel::Memory, Authority::External);
    assert!(!examined.coverage().limits().iter().any(|l| l.name() == "steps"), "{:?}", examined.coverage());
}

fn simple(number: usize, keyword: &str, pattern: &str) -> String {
    GOOD.replace("injection.sample", &format!("injection.sample-{number}"))
        .replace("[zebra]", &format!("[{keyword}]"))
        .replace(r"'\bzebra\b'", &format!("'{pattern}'"))
}

fn codes_of(packs: Vec<(String, String)>) -> Vec<ProblemKind> {
    match RuleSet::from_packs(packs) {
        Ok(_) => Vec::new(),
        Err(RuleSetError::Refused { problems }) => problems.iter().map(|p| p.kind).collect(),
        Err(other) => panic!("{other}"),
    }
}

/// A flood of rules is refused before one of them is compiled; what is within the ceiling scans to the end.
#[test]
fn a_hundred_thousand_rules_are_refused_and_a_thousand_scan_within_budget() {
    let flood = |rules: usize, per: usize| -> Vec<(String, String)> {
        let one = |n: usize| simple(n, &format!("zebra{n}x"), &format!(r"\bzebra{n}x\s+(?:herd|foal)"));
        (0..rules / per)
            .map(|file| (format!("injection/f{file}.yaml"), (0..per).map(|n| one(file * per + n)).collect()))
            .collect()
    };
    // In one file, and over many: the ceiling of bytes and the ceiling of rules.
    assert_eq!(codes_of(flood(100_000, 100_000)), [ProblemKind::TooLarge]);
    let lean = "- {id: injection.a, title: t, status: preview, since: 0.1.0, severity: low, confidence: low, stages: [write], maps: [], threats: [T01], why: w, advice: a, examples: {fires: [], quiet: []}}\n";
    let many: Vec<(String, String)> =
        (0..60).map(|file| (format!("injection/f{file}.yaml"), lean.repeat(1_000))).collect();
    assert!(codes_of(many).contains(&ProblemKind::TooLarge));
    let set = RuleSet::from_packs(flood(1_000, 100)).unwrap();
    let scanner = Scanner::new(Arc::new(set), Budget::default());
    let text: String = (0..2_000).map(|n| format!("zebra{n}x herd. ")).collect();
    let examined = scanner.examine(&Untrusted::new(&text), Stage::Write, Channel::Memory, Authority::External);
    assert!(examined.coverage().is_full(), "{:?}", examined.coverage());
    assert_eq!(examined.findings().iter().filter(|f| f.rule.as_str().starts_with("injection.sample")).count(), 1_000);
}

/// Patterns that send a backtracking engine into exponential time: refused for their size, or linear.
#[test]
fn patterns_that_look_exponential_are_refused_or_cost_no_more_than_their_window() {
    let attack = format!("zebra {}!", "a".repeat(64 * 1024));
    for (number, pattern) in [
        r"zebra (?:a+)+$",
        r"zebra (?:a|aa)+b",
        r"zebra (?:a|a)*b",
        r"zebra (?:a*)*b",
        r"zebra (?:.*a){12}b",
        r"zebra (?:a?){40}a{40}b",
        r"zebra (?:a{1,20}){1,20}b",
        r"zebra (?:(?:(?:a+)+)+)+b",
        r"zebra (?:\w+\s?)*b$",
        r"zebra (?:[a-z]+)*[0-9]",
        r"zebra (?:a{1,60}){1,60}{1,60}",
        r"zebra (?:\w{1,100}){1,100}",
        r"zebra (?:(?:\pL{1,50}){1,50}){1,50}",
    ]
    .into_iter()
    .enumerate()
    {
        let pack = simple(number, "zebra", pattern);
        let started = std::time::Instant::now();
        match RuleSet::from_packs([("injection/sample.yaml", pack)]) {
            Err(RuleSetError::Refused { problems }) => {
                assert_eq!(problems[0].kind, ProblemKind::BadPattern, "{pattern}")
            }
            Err(other) => panic!("{other}"),
            Ok(set) => {
                let scanner = Scanner::new(Arc::new(set), Budget::default());
                let text = Untrusted::new(&attack);
                let examined = scanner.examine(&text, Stage::Write, Channel::Memory, Authority::External);
                assert!(examined.coverage().is_full(), "{pattern}: {:?}", examined.coverage());
            }
        }
        // Exponential time would not end at all; half a minute is for a machine under load.
        assert!(started.elapsed().as_secs() < 30, "{pattern}");
    }
}

/// Aliases that multiply, and nesting without end: the parser gives up, the process does not.
#[test]
fn yaml_that_unfolds_without_end_is_refused() {
    let mut bomb = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        let _ = writeln!(bomb, "- &a{level} [{}]", before.trim_end_matches(", "));
    }
    for pack in [bomb, "[".repeat(200_000), "- {".repeat(50_000), "- id: &a *a\n".to_owned()] {
        assert_eq!(codes_of(vec![("injection/bomb.yaml".to_owned(), pack)]), [ProblemKind::Schema]);
    }
}

/// Prints what fires on each line of a file: how a rule author tries wordings.
#[test]
#[ignore = "needs: MEMGATE_LINES=<file of one text per line>"]
fn what_fires_on_each_line() {
    let lines = std::fs::read_to_string(std::env::var("MEMGATE_LINES").unwrap()).unwrap();
    let (mut all, mut held) = (0, 0);
    for line in lines.lines().filter(|l| !l.trim().is_empty()) {
        let text = Untrusted::new(line);
        let examined = scanner().examine(&text, Stage::Write, Channel::Tool, Authority::External);
        let (strong, medium) = by_strength(examined.findings());
        let holds = !strong.is_empty() || medium.len() >= 2;
        all += 1;
        held += usize::from(holds);
        let ids: Vec<&String> = strong.iter().chain(&medium).collect();
        eprintln!("{} {line:?} {ids:?}", if holds { "HELD" } else { "PASS" });
    }
    eprintln!("{held} of {all} held");
}

/// Rules that hold a text alone, and those that need a second one.
fn by_strength(findings: &[memgate::domain::Finding]) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |keep: &dyn Fn(Severity) -> bool| {
        let sure = findings.iter().filter(|f| f.confidence >= Confidence::Medium && keep(f.severity));
        sure.map(|f| f.rule.as_str().to_owned()).collect()
    };
    (of(&|s| s >= Severity::High), of(&|s| s == Severity::Medium))
}

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    label: u8,
    channel: String,
}

/// Prints recall and false alarms per source: a text is held by one `high` or `critical` finding or
/// two rules of `medium`, each of confidence `medium` or more. Prints the rules that fire on honest text too.
#[test]
#[ignore = "needs: MEMGATE_CORPUS=<folder of labelled .jsonl>"]
fn recall_and_false_alarms_by_source() {
    let folder = std::env::var("MEMGATE_CORPUS").unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut report = String::new();
    let mut alarms: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "jsonl")) {
        let source = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (mut all, mut held) = ([0_usize; 2], [0_usize; 2]);
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let row: Row = serde_json::from_str(line).unwrap();
            let channel = match row.channel.as_str() {
                "user" => Channel::User,
                "memory" => Channel::Memory,
                _ => Channel::Tool,
            };
            let text = Untrusted::new(&row.text);
            let examined = scanner().examine(&text, Stage::Write, channel, Authority::External);
            let (strong, medium) = by_strength(examined.findings());
            let label = usize::from(row.label == 1);
            all[label] += 1;
            if !strong.is_empty() || medium.len() >= 2 {
                held[label] += 1;
                for id in if strong.is_empty() { &medium } else { &strong } {
                    if label == 0 {
                        *alarms.entry(id.clone()).or_default().entry(source.clone()).or_default() += 1;
                    } else {
                        *hits.entry(id.clone()).or_default() += 1;
                    }
                }
                if std::env::var_os("MEMGATE_SHOW").is_some() && label == 0 {
                    for f in examined.findings() {
                        eprintln!("ALARM {source} {} [{}] {:?}", f.rule, f.view.name(), f.excerpt);
                    }
                }
            } else if std::env::var_os("MEMGATE_SHOW").is_some() && label == 1 {
                eprintln!("MISS {source} {:?}", row.text.chars().take(200).collect::<String>());
            }
        }
        let share = |i: usize| if all[i] == 0 { 0.0 } else { 100.0 * held[i] as f64 / all[i] as f64 };
        let _ = writeln!(
            report,
            "{source:28} false alarms {:5} / {:5} = {:5.2} %   recall {:5} / {:5} = {:5.1} %",
            held[0],
            all[0],
            share(0),
            held[1],
            all[1],
            share(1)
        );
    }
    eprintln!("{report}");
    let mut alarms: Vec<_> = alarms.into_iter().map(|(id, by)| (by.values().sum::<usize>(), id, by)).collect();
    alarms.sort_by(|a, b| b.cmp(a));
    for (count, id, by) in alarms {
        eprintln!("{count:5} {id} {by:?}");
    }
    let silent: Vec<&str> =
        rules().rules().iter().map(|r| r.id.as_str()).filter(|id| !hits.contains_key(*id)).collect();
    eprintln!("without a hit: {silent:?}");
}
