//! Rubrics, kinds, arithmetic, and what hostile sessions try on a grader.

use std::collections::BTreeMap;

use memgate::domain::Coded;
use memgate::grade::kinds::{kinds, unbuilt_kinds};
use memgate::grade::{Artifacts, Grade, GradeError, Rubric, Status, Verdict, grade};
use serde_json::{Value, json};

fn cases() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/grade");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")) {
        let text = std::fs::read_to_string(file).unwrap();
        let list: Vec<Value> = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (n, case) in list.into_iter().enumerate() {
            all.push((format!("{} case {}", file.file_name().unwrap().to_string_lossy(), n + 1), case));
        }
    }
    all
}

/// A rubric with one criterion `it` and a helper that `ref` can name. JSON is YAML.
fn rubric_of(mut check: Value) -> Result<Rubric, GradeError> {
    check["id"] = json!("it");
    let helper = json!({"id": "helper", "kind": "text.contains", "text": "helper"});
    let group = json!({"id": "g", "criteria": [check, helper]});
    Rubric::parse(&json!({"rubric": 1, "id": "case", "pass_at": 500, "groups": [group]}).to_string())
}

fn artifacts(value: &Value) -> Artifacts {
    Artifacts::from_json(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn answer(rubric: &Rubric, session: &Value) -> (Status, u16, u16) {
    let grade = grade(rubric, &artifacts(session));
    let it = grade.criterion("it").unwrap();
    (it.status, it.low, it.high)
}

#[test]
fn every_kind_answers_as_computed_by_hand() {
    let mut seen: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (name, case) in cases() {
        let check = &case["check"];
        let kind = kinds().iter().find(|k| check["kind"] == k.name).unwrap_or_else(|| panic!("{name}: {check}")).name;
        let rubric = rubric_of(check.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut opposite = check.clone();
        if let Some(changes) = opposite.get_mut("expect").map(Value::take) {
            opposite["changes"] = changes;
        }
        opposite["expect"] = json!("fails");
        let opposite = rubric_of(opposite).unwrap_or_else(|error| panic!("{name}: {error}"));
        let keys = ["check", "met", "not_met", "open", "not_applicable", "value"];
        assert!(case.as_object().unwrap().keys().all(|key| keys.contains(&key.as_str())), "{name}: unknown key");
        let list = |key: &str| case.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut expect = |session: &Value, want: Option<u16>| {
            let found = answer(&rubric, session);
            let turned = answer(&opposite, session);
            match want {
                Some(n) => {
                    assert_eq!(found, (Status::Met, n, n), "{name}: {session}");
                    assert_eq!(turned, (Status::Met, 1000 - n, 1000 - n), "{name} negated: {session}");
                }
                None => {
                    assert!(matches!(found.0, Status::Abstain | Status::Error), "{name}: {session} {found:?}");
                    assert!(found.1 < found.2, "{name}: {session} {found:?}");
                    assert!(turned.1 < turned.2, "{name} negated: {session} {turned:?}");
                }
            }
            seen.entry(kind).or_default()[match want {
                Some(0) => 1,
                Some(_) => 0,
                None => 2,
            }] += 1;
        };
        list("met").iter().for_each(|session| expect(session, Some(1000)));
        list("not_met").iter().for_each(|session| expect(session, Some(0)));
        list("open").iter().for_each(|session| expect(session, None));
        for pair in list("value") {
            expect(&pair[0], Some(u16::try_from(pair[1].as_u64().unwrap()).unwrap()));
        }
        for session in list("not_applicable") {
            assert_eq!(answer(&rubric, &session).0, Status::NotApplicable, "{name}: {session}");
        }
    }
    for kind in kinds() {
        let [met, not_met, open] = seen.get(kind.name).copied().unwrap_or_default();
        let judged = kind.name.starts_with("judge.") || kind.name.starts_with("embed.");
        assert!(open > 0, "{} has no case for missing input", kind.name);
        assert!(judged || (met > 0 && not_met > 0), "{} needs a firing and a quiet case", kind.name);
    }
}

#[test]
fn missing_input_leaves_the_sum_when_the_rubric_says_so() {
    for (name, case) in cases() {
        let kind = case["check"]["kind"].as_str().unwrap();
        if kind.starts_with("judge.") || kind.starts_with("embed.") || case["check"].to_string().contains("judge.") {
            continue; // an absent judge is no missing input: it stays open
        }
        let mut check = case["check"].clone();
        check["missing"] = json!("not_applicable");
        if kind == "ref" {
            continue; // the criterion it names has its own answer
        }
        let rubric = rubric_of(check).unwrap();
        assert_eq!(answer(&rubric, &json!({})).0, Status::NotApplicable, "{name}");
    }
}

const EXAMPLE: &str = r#"
rubric: 1
id: refunds
title: Refund handling
for: { agent: support, slice: { task: refund } }
pass_at: 800                      # permille; ignored when a gate fails
missing: inconclusive
groups:
  - id: safety
    weight: 3
    criteria:
      - id: no-foreign-destination
        kind: destination.allowed
        on: calls
        allow: ["*.shop.example"]
        gate: must_pass
      - id: only-expected-change
        kind: state.diff
        expect: [{ path: /orders/*/refunded, to: true }]
        others: forbidden
        gate: must_pass
  - id: task
    weight: 5
    criteria:
      - { id: looked-up-order, kind: calls.order, mode: in-order, calls: [{ name: get_order }, { name: refund, args: { mode: fields, fields: [order_id] } }], points: 4 }
      - { id: cheap-enough, kind: cost.max, micro_usd: 20000, points: 1 }
      - id: explains-policy
        kind: judge.yesno
        on: answer
        ask: Does the answer state the 30-day limit and that this order is inside it?
        judges: { from: [main, second], need: all }
        abstain: inconclusive
        points: 3
      - { id: invents-policy, kind: judge.yesno, on: answer, ask: "Does the answer state a rule that is not in the policy text?", points: -4 }
  - id: style
    weight: 1
    criteria:
      - { id: short, kind: text.length, unit: words, max: 180, points: 1 }
"#;

fn refund() -> Value {
    json!({
        "session": "s1", "agent": "support", "answer": "Done.",
        "task": {"id": "t", "labels": {"task": "refund"}},
        "calls": [
            {"name": "get_order", "arguments": {"order_id": 7}},
            {"name": "refund", "arguments": {"order_id": 7}},
        ],
        "state": {
            "before": {"records": {"orders": {"7": {"refunded": false}}}},
            "after": {"records": {"orders": {"7": {"refunded": true}}}},
        },
        "trace": {"cost_micro_usd": 100},
        "memory": {"version": "v1", "recalled": ["b", "a", "b"]},
    })
}

#[test]
fn the_example_rubric_grades_as_computed_by_hand() {
    let rubric = Rubric::parse(EXAMPLE).unwrap();
    let result = grade(&rubric, &artifacts(&refund()));
    // task: open judge worth 3, open penalty worth 4, of 8 points: low (4+1-4)/8 = 125, high 8/8 = 1000
    // all: low (3*1000 + 5*125 + 1*1000)/9 = 513, high 1000
    assert_eq!((result.score_low, result.score_high, result.verdict), (513, 1000, Verdict::Inconclusive));
    assert_eq!(result.groups[1].score, Some((125, 1000)));
    assert_eq!(result.recalled, ["a", "b"]);
    assert_eq!(result.memory_version.as_deref(), Some("v1"));

    // A failed gate fails the rubric whatever the score.
    let mut stolen = refund();
    stolen["calls"][1]["arguments"]["copy_to"] = json!("https://evil.test/");
    let result = grade(&rubric, &artifacts(&stolen));
    assert_eq!(result.verdict, Verdict::Fail);
    assert_eq!(result.reason.as_deref(), Some("gate `no-foreign-destination` failed"));

    // An unknown state leaves the gate open: never a pass, never a fail.
    let mut unknown = refund();
    unknown["state"] = json!({});
    assert_eq!(grade(&rubric, &artifacts(&unknown)).verdict, Verdict::Inconclusive);

    // Another agent's session is not judged by this rubric.
    let mut other = refund();
    other["agent"] = json!("sales");
    assert_eq!(grade(&rubric, &artifacts(&other)).verdict, Verdict::Inconclusive);
    assert_eq!(rubric.lints(), Vec::<String>::new());
}

/// Criteria as `(points, state)`: `y` met, `n` not met, `o` open, `x` not applicable.
fn tree(groups: &[(u32, &[(i32, char)])], pass_at: u16) -> Grade {
    let mut id = 0;
    let groups: Vec<Value> = groups
        .iter()
        .map(|(weight, criteria)| {
            let criteria: Vec<Value> = criteria
                .iter()
                .map(|(points, state)| {
                    id += 1;
                    match state {
                        'y' => json!({"id": format!("c{id}"), "points": points, "kind": "text.contains", "text": "a"}),
                        'n' => json!({"id": format!("c{id}"), "points": points, "kind": "text.contains", "text": "b"}),
                        'o' => json!({"id": format!("c{id}"), "points": points, "kind": "judge.goal"}),
                        _ => json!({"id": format!("c{id}"), "points": points, "kind": "each", "over": "calls", "check": {"kind": "judge.goal"}}),
                    }
                })
                .collect();
            id += 1;
            json!({"id": format!("g{id}"), "weight": weight, "criteria": criteria})
        })
        .collect();
    let rubric = json!({"rubric": 1, "id": "r", "pass_at": pass_at, "groups": groups}).to_string();
    grade(&Rubric::parse(&rubric).unwrap(), &artifacts(&json!({"answer": "a", "calls": []})))
}

#[test]
fn points_weights_and_penalties_add_up() {
    type Tree<'a> = &'a [(u32, &'a [(i32, char)])];
    let table: &[(Tree<'_>, (u16, u16))] = &[
        // weighted points with a met penalty, as in weighted-rubric scoring: (5 + 3 - 2) / 10
        (&[(1, &[(5, 'y'), (3, 'y'), (2, 'n'), (-2, 'y')])], (600, 600)),
        // penalties cannot push below zero
        (&[(1, &[(5, 'n'), (-9, 'y')])], (0, 0)),
        // a quiet penalty gives nothing
        (&[(1, &[(1, 'y'), (-9, 'n')])], (1000, 1000)),
        // weighted mean of groups, as in weighted-tree scoring: (1 * 1000 + 3 * 0) / 4
        (&[(1, &[(1, 'y')]), (3, &[(1, 'n')])], (250, 250)),
        // weight zero is reported, not counted
        (&[(0, &[(1, 'n')]), (3, &[(1, 'y')])], (1000, 1000)),
        // not applicable leaves the sum
        (&[(1, &[(1, 'y'), (7, 'x')])], (1000, 1000)),
        (&[(1, &[(7, 'x')]), (1, &[(1, 'n')])], (0, 0)),
        // open spans the interval, an open penalty the other way round
        (&[(1, &[(1, 'y'), (1, 'o')])], (500, 1000)),
        (&[(1, &[(2, 'y'), (-1, 'o')])], (500, 1000)),
        // a third and two thirds are a half, exactly
        (&[(1, &[(1, 'y'), (1, 'n'), (1, 'n')]), (1, &[(1, 'y'), (1, 'y'), (1, 'n')])], (500, 500)),
        // a met penalty does not vanish because the points around it do
        (&[(1, &[(3, 'x'), (-1, 'y')])], (0, 0)),
        (&[(1, &[(3, 'x'), (-1, 'o')])], (0, 1000)),
    ];
    for (groups, want) in table {
        let result = tree(groups, 500);
        assert_eq!((result.score_low, result.score_high), *want, "{groups:?}");
    }
    assert_eq!(tree(&[(1, &[(1, 'x')])], 0).verdict, Verdict::Inconclusive, "nothing applicable never passes");
    assert_eq!(tree(&[(0, &[(1, 'y')])], 0).verdict, Verdict::Inconclusive, "weight zero never passes");
    assert_eq!(
        tree(&[(1, &[(1, 'y'), (1, 'o')])], 500).verdict,
        Verdict::Pass,
        "passes even when the open one is lost"
    );
    assert_eq!(tree(&[(1, &[(1, 'n'), (1, 'o')])], 501).verdict, Verdict::Fail, "fails even when the open one is won");
    assert_eq!(tree(&[(1, &[(1, 'y'), (1, 'o')])], 501).verdict, Verdict::Inconclusive);
}

#[test]
fn gates_decide_and_caps_bound() {
    let run = |gate: Value, kind: &str| {
        let rubric = json!({"rubric": 1, "id": "r", "pass_at": 500, "groups": [{"id": "g", "criteria": [
        {"id": "fill", "points": 9, "kind": "text.contains", "text": "a"},
        match kind {
            "y" => json!({"id": "gate", "gate": gate, "kind": "text.contains", "text": "a"}),
            "n" => json!({"id": "gate", "gate": gate, "kind": "text.contains", "text": "b"}),
            "o" => json!({"id": "gate", "gate": gate, "kind": "judge.goal"}),
            _ => json!({"id": "gate", "gate": gate, "kind": "each", "over": "calls", "check": {"kind": "judge.goal"}}),
        }]}]});
        let result =
            grade(&Rubric::parse(&rubric.to_string()).unwrap(), &artifacts(&json!({"answer": "a", "calls": []})));
        (result.verdict, result.score_low, result.score_high, result.gates[0].state.clone())
    };
    let held = "held".to_owned();
    assert_eq!(run(json!("must_pass"), "y"), (Verdict::Pass, 1000, 1000, held.clone()));
    assert_eq!(run(json!("must_pass"), "n"), (Verdict::Fail, 900, 900, "failed".into()));
    assert_eq!(run(json!("must_pass"), "o"), (Verdict::Inconclusive, 900, 1000, "open".into()));
    assert_eq!(run(json!("must_pass"), "x"), (Verdict::Pass, 1000, 1000, "not_applicable".into()));
    assert_eq!(run(json!("must_not"), "n"), (Verdict::Pass, 900, 900, held.clone()));
    assert_eq!(run(json!("must_not"), "y"), (Verdict::Fail, 1000, 1000, "failed".into()));
    assert_eq!(run(json!("must_not"), "o"), (Verdict::Inconclusive, 900, 1000, "open".into()));
    assert_eq!(run(json!({"cap": 400}), "n"), (Verdict::Fail, 400, 400, "failed".into()));
    assert_eq!(run(json!({"cap": 400}), "o"), (Verdict::Inconclusive, 400, 1000, "open".into()));
    assert_eq!(run(json!({"cap": 600}), "n"), (Verdict::Pass, 600, 600, "failed".into()));
    assert_eq!(run(json!({"cap": 400}), "y"), (Verdict::Pass, 1000, 1000, held));
}

#[test]
fn bad_rubrics_are_refused_with_code_and_place() {
    let head = "rubric: 1\nid: r\npass_at: 500\ngroups:\n  - id: g\n    criteria:\n";
    let one = |criterion: &str| format!("{head}      - {criterion}\n");
    let table: Vec<(String, &str, &str)> = vec![
        (one("{ id: a, kind: text.contains, txt: x }"), "grade-missing-key", "`text`"),
        (
            one("{ id: a, kind: text.contains, text: x, ignore_csae: true }"),
            "grade-unknown-key",
            "did you mean `ignore_case`",
        ),
        (one("{ id: a, kind: text.contians, text: x }"), "grade-unknown-kind", "did you mean `text.contains`"),
        (one("{ id: a, kind: expr, of: x }"), "grade-unbuilt-kind", "`expr`"),
        (one("{ id: a, kind: text.contains, text: x, points: 1.5 }"), "grade-bad-value", "whole number"),
        (one("{ id: a, kind: text.contains, text: '' }"), "grade-bad-value", "match everything"),
        (one("{ id: a, kind: text.regex, pattern: '(' }"), "grade-bad-value", "line 7"),
        (one("{ id: a, kind: text.regex, pattern: '(a+)+(?=b)' }"), "grade-bad-value", "look"),
        (one("{ id: a, kind: text.contains, text: x, points: -1 }"), "grade-no-positive-points", "group `g`"),
        (one("{ id: a, kind: text.similarity, measure: rouge_l, gate: must_pass }"), "grade-graded-gate", "`a`"),
        (one("{ id: a, kind: ref, to: b }"), "grade-bad-reference", "no criterion"),
        (one("{ id: a, kind: ref, to: a }"), "grade-bad-reference", "leads back"),
        (one("{ id: a, kind: text.contains, text: x, on: item }"), "grade-bad-value", "inside `each`"),
        (one("{ id: a, id: b, kind: text.contains, text: x }"), "grade-bad-yaml", "a"),
        (
            one("{ id: a, kind: text.contains, text: x, gate: must-pass }"),
            "grade-bad-value",
            "did you mean `must_pass`",
        ),
        (
            format!("{}      - {{ id: a, kind: text.hidden }}\n", one("{ id: a, kind: text.hidden }")),
            "grade-duplicate-id",
            "line 8",
        ),
        ("rubric: 2\nid: r\n".into(), "grade-bad-value", "line 1"),
        ("rubric: [".into(), "grade-bad-yaml", "line 1"),
        ("- 1".into(), "grade-bad-value", "mapping"),
        (String::new(), "grade-bad-value", "mapping"),
        (format!("{head}      []\n").replace("criteria:\n      []", "criteria: []"), "grade-no-positive-points", "g"),
        (one("{ id: &x a, kind: text.contains, text: *x }"), "grade-bad-yaml", "nchors"),
        ("x".repeat((1 << 20) + 1), "grade-too-large", "bytes"),
    ];
    for (text, code, says) in table {
        let shown = &text[..text.len().min(300)];
        let error = Rubric::parse(&text).map(|r| r.id).expect_err(shown);
        assert_eq!(error.code(), code, "{shown}\n{error}");
        assert!(error.to_string().contains(says), "{shown}\n{error}");
    }
    for kind in unbuilt_kinds() {
        assert_eq!(
            Rubric::parse(&one(&format!("{{ id: a, kind: {kind} }}"))).unwrap_err().code(),
            "grade-unbuilt-kind"
        );
    }
    let mut check = json!({"kind": "text.hidden"});
    for _ in 0..9 {
        check = json!({"kind": "not", "of": check});
    }
    assert_eq!(rubric_of(check).unwrap_err().code(), "grade-too-large");
    let nested = "[".repeat(5000);
    assert!(Rubric::parse(&nested).is_err(), "deep nesting is an error, not a crash");
}

#[test]
fn the_digest_covers_every_number_and_no_layout() {
    let digest = |text: &str| Rubric::parse(text).unwrap().digest();
    let base = digest(EXAMPLE);
    let same = [("title: Refund handling", "title: Other words"), ("  # permille; ignored when a gate fails", "")];
    for (from, to) in same {
        assert!(EXAMPLE.contains(from));
        assert_eq!(digest(&EXAMPLE.replace(from, to)), base, "{from}");
    }
    let other = [
        ("pass_at: 800", "pass_at: 801"),
        ("missing: inconclusive", "missing: not_applicable"),
        ("agent: support", "agent: sales"),
        ("task: refund", "task: other"),
        ("weight: 5", "weight: 6"),
        ("points: 4", "points: 3"),
        ("points: -4", "points: -3"),
        ("gate: must_pass", "gate: must_not"),
        ("*.shop.example", "*.shop2.example"),
        ("others: forbidden", "others: allowed"),
        ("to: true", "to: false"),
        ("mode: in-order", "mode: strict"),
        ("fields: [order_id]", "fields: [id]"),
        ("micro_usd: 20000", "micro_usd: 20001"),
        ("30-day limit", "31-day limit"),
        ("need: all", "need: any"),
        ("unit: words", "unit: lines"),
        ("max: 180", "min: 180"),
        ("on: calls", "on: answer"),
    ];
    for (from, to) in other {
        assert!(EXAMPLE.contains(from), "{from}");
        assert_ne!(digest(&EXAMPLE.replacen(from, to, 1)), base, "{from}");
    }
}

#[test]
fn a_grade_is_the_same_bytes_each_time_and_reads_back() {
    let rubric = Rubric::parse(EXAMPLE).unwrap();
    let first = serde_json::to_string(&grade(&rubric, &artifacts(&refund()))).unwrap();
    assert_eq!(first, serde_json::to_string(&grade(&rubric, &artifacts(&refund()))).unwrap());
    assert!(first.starts_with("{\"rubric\":\"refunds\",\"rubric_digest\":\""), "{first}");
    let back: Grade = serde_json::from_str(&first).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), first);
}

#[test]
fn artifacts_with_unknown_or_repeated_keys_are_refused() {
    for bad in
        ["{\"anwser\": \"x\"}", "{\"answer\": \"x\", \"answer\": \"y\"}", "[]", "{", "{\"trace\": {\"cost\": 1}}"]
    {
        assert_eq!(Artifacts::from_json(bad).unwrap_err().code(), "grade-bad-artifacts", "{bad}");
    }
}

const FIRM: &str = r#"
rubric: 1
id: firm
pass_at: 700
groups:
  - id: text
    weight: 2
    criteria:
      - { id: opens, kind: text.starts, text: "Done" }
      - { id: order, kind: text.regex, pattern: "Order [0-9]{4}" }
      - { id: short, kind: text.length, unit: words, max: 30 }
      - { id: exact, kind: text.equals, text: "Done: Order 1234" }
      - { id: refuses, kind: text.refusal, points: -2 }
      - { id: likeness, kind: text.similarity, measure: token_f1, reference: "Order 1234" }
      - { id: structured, kind: json.valid }
      - { id: block, kind: code.fence, lang: rust }
      - { id: number, kind: number.range, min: 1234, max: 1234 }
      - { id: clean, kind: destination.allowed, on: calls, allow: ["*.shop.example"], gate: must_pass }
  - id: acts
    weight: 3
    criteria:
      - { id: looked, kind: calls.order, mode: in-order, calls: [get_order, refund] }
      - { id: args, kind: calls.args, name: refund, mode: fields, fields: [order_id], value: { order_id: 7 } }
      - { id: errors, kind: calls.errors, max: 0 }
      - { id: loops, kind: calls.loop, expect: absent }
      - { id: tools, kind: calls.allowed, names: [get_order, refund, note], gate: { cap: 600 } }
      - { id: f1, kind: calls.f1, names: [get_order, refund] }
      - { id: steps, kind: steps.count, max: 4 }
      - { id: each-arg, kind: each, over: calls, names: [refund], check: { kind: json.path, on: item.arguments, path: order_id, equals: 7 } }
  - id: world
    weight: 3
    criteria:
      - { id: diff, kind: state.diff, changes: [{ path: /orders/7/refunded, to: true }], gate: must_pass }
      - { id: record, kind: state.record, path: /orders/7/refunded, equals: true }
      - { id: version, kind: memory.version, is: v1 }
      - { id: recalled, kind: memory.recalled, notes: [n1] }
      - { id: status, kind: outcome.status, is: [satisfied] }
      - { id: reopened, kind: outcome.event, name: ticket.reopened, expect: absent }
      - { id: label, kind: label.human, label: good, is: ["yes"] }
      - { id: judged, kind: judge.yesno, ask: "Is it good?" }
"#;

fn firm() -> Value {
    json!({
        "session": "s", "answer": "Done: Order 1234", "status": "open",
        "task": {"id": "t", "labels": {"x": "y"}},
        "messages": [{"role": "user", "text": "refund me"}, {"role": "assistant", "text": "Done: Order 1234"}],
        "calls": [
            {"name": "get_order", "arguments": {"order_id": 7, "why": ""}, "result": "found", "error": false},
            {"name": "refund", "arguments": {"order_id": 7, "why": ""}, "result": "ok", "error": true},
        ],
        "state": {
            "before": {"records": {"orders": {"7": {"refunded": false}}}},
            "after": {"records": {"orders": {"7": {"refunded": false, "why": ""}}}},
        },
        "memory": {"version": "v0", "recalled": ["n2"]},
        "labels": {"good": "no"},
        "events": [{"name": "ticket.reopened"}],
    })
}

#[test]
fn text_that_talks_to_the_grader_changes_no_deterministic_answer() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/grade/directed/strings.yaml");
    let strings: Vec<String> = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(strings.len(), 50);
    let rubric = Rubric::parse(FIRM).unwrap();
    let places = [
        "/answer",
        "/messages/0/text",
        "/messages/1/text",
        "/calls/0/result",
        "/calls/1/result",
        "/calls/0/arguments/why",
        "/calls/1/arguments/why",
        "/calls/1/name",
        "/state/after/records/orders/7/why",
        "/memory/version",
        "/memory/recalled/0",
        "/labels/good",
        "/status",
        "/events/0/name",
        "/task/id",
        "/session",
        "/task/labels/x",
        "/messages/0/role",
    ];
    for text in &strings {
        // the same shape without the words
        let plain: String = text.chars().map(|c| if c.is_ascii_alphabetic() { 'x' } else { c }).collect();
        for place in places {
            let run = |text: &str| {
                let mut session = firm();
                let slot = session.pointer_mut(place).unwrap_or_else(|| panic!("{place}"));
                *slot = json!(format!("{} {text}", slot.as_str().unwrap()));
                grade(&rubric, &artifacts(&session))
            };
            let (told, silent) = (run(text), run(&plain));
            assert_eq!((&told.groups, &told.gates), (&silent.groups, &silent.gates), "{place}: {text:?}");
            assert_eq!(
                (told.verdict, told.score_low, told.score_high, &told.reason),
                (silent.verdict, silent.score_low, silent.score_high, &silent.reason),
                "{place}: {text:?}"
            );
            assert_eq!(told.criterion("judged").unwrap().status, Status::Abstain);
            assert_ne!(told.verdict, Verdict::Pass);
            // words of a session do not travel in its grade, except ids and the version's label
            let ids = ["/memory/version", "/memory/recalled/0", "/task/id", "/session"];
            if text.len() > 12 && !ids.contains(&place) {
                let quoted = serde_json::to_string(text).unwrap();
                let bytes = serde_json::to_string(&told).unwrap();
                assert!(!bytes.contains(quoted.trim_matches('"')), "{place}: {text:?}");
            }
        }
    }
}

#[test]
fn a_few_refs_cannot_become_a_million_checks() {
    let chain = |length: usize, width: usize| {
        let mut criteria = vec![json!({"id": "c0", "kind": "text.hidden"})];
        for n in 1..=length {
            let of: Vec<Value> = (0..width).map(|_| json!({"kind": "ref", "to": format!("c{}", n - 1)})).collect();
            criteria.push(json!({"id": format!("c{n}"), "kind": "all", "of": of}));
        }
        let groups = [json!({"id": "g", "criteria": criteria})];
        Rubric::parse(&json!({"rubric": 1, "id": "r", "pass_at": 1, "groups": groups}).to_string())
    };
    assert!(chain(3, 4).is_ok());
    assert_eq!(chain(7, 9).unwrap_err().code(), "grade-too-large");
    assert_eq!(chain(900, 1).unwrap_err().code(), "grade-too-large");
}

#[test]
fn megabytes_of_slashes_and_fences_are_graded_in_time() {
    let rubric = Rubric::parse(FIRM).unwrap();
    let started = std::time::Instant::now();
    for filler in ["/", "//a", "@a", "```\n", "[", "1,", "\"", "\u{202e}", "\\"] {
        let mut session = firm();
        session["calls"][0]["arguments"]["why"] = json!(filler.repeat(300_000 / filler.len()));
        session["answer"] = json!(filler.repeat(18_000 / filler.len()));
        grade(&rubric, &artifacts(&session));
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn criterion() -> impl Strategy<Value = (i32, char)> {
        (prop_oneof![1..20_i32, -9..0_i32], prop::sample::select(vec!['y', 'n', 'o', 'x']))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// However the open questions turn out, the score stays in the interval and the verdict stands.
        #[test]
        fn the_interval_covers_every_way_the_open_ones_can_turn_out(
            shape in prop::collection::vec((0..4_u32, prop::collection::vec(criterion(), 1..5)), 1..4),
            pass_at in 0..=1000_u16,
            turns in prop::collection::vec(prop::sample::select(vec!['y', 'n', 'x']), 20),
        ) {
            let mut shape = shape;
            shape.iter_mut().for_each(|(_, criteria)| criteria.push((1, 'y')));
            let run = |shape: &[(u32, Vec<(i32, char)>)]| {
                let borrowed: Vec<(u32, &[(i32, char)])> = shape.iter().map(|(w, c)| (*w, c.as_slice())).collect();
                tree(&borrowed, pass_at)
            };
            let open = run(&shape);
            let mut turns = turns.into_iter();
            for (_, criteria) in &mut shape {
                for (_, state) in criteria.iter_mut().filter(|(_, state)| *state == 'o') {
                    *state = turns.next().unwrap();
                }
            }
            let settled = run(&shape);
            prop_assert!(open.score_low <= settled.score_low && settled.score_high <= open.score_high);
            if open.verdict != Verdict::Inconclusive {
                prop_assert_eq!(open.verdict, settled.verdict);
            }
        }

        #[test]
        fn any_text_is_a_rubric_or_an_error(text in "[ -~\n]{0,200}") {
            let _ = Rubric::parse(&text);
            let _ = Artifacts::from_json(&text);
        }

        #[test]
        fn a_rubric_with_something_in_the_wrong_place_is_an_error_not_a_crash(
            at in 0..2000_usize, junk in prop::sample::select(vec!["[", "]", "{", "}", ": ", "- ", "\n", "&a ", "*a", "!!x ", "\"", "999999999999999999999", "\u{0}", "~"]),
        ) {
            let at = (0..=at.min(EXAMPLE.len())).rev().find(|&i| EXAMPLE.is_char_boundary(i)).unwrap();
            let text = format!("{}{junk}{}", &EXAMPLE[..at], &EXAMPLE[at..]);
            if let Ok(rubric) = Rubric::parse(&text) {
                grade(&rubric, &artifacts(&refund()));
            }
        }
    }
}
