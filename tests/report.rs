//! Every sink reads back exactly one record from any hostile text; no output acts on a terminal.

use html5gum::{Token, Tokenizer};
use memgate::domain::{Confidence, Digest, Finding, RuleId, Severity, Span, View};
use memgate::report::{
    Coverage, FileReport, Located, RuleInfo, ScanReport, ShowOptions, Table, diff, json, sarif, show_cell, show_ci,
    show_csv, show_html, show_json, show_line, show_markdown, show_plain, show_terminal, style::Paint, text,
};
use proptest::prelude::*;
use pulldown_cmark::{Event, Parser, Tag};
use serde_json::Value;

/// A part of a hostile text: things that terminals, browsers, runners and readers act on.
fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "\u{1b}[2J",
        "\u{1b}[31m",
        "\u{1b}]8;;http://evil.invalid\u{7}link\u{1b}]8;;\u{7}",
        "\u{1b}]52;c;ZXZpbA==\u{7}",
        "\u{1b}]0;title\u{1b}\\",
        "\u{9b}2J",
        "\u{90}q\u{9c}",
        "\r",
        "\r\n",
        "\n",
        "\t",
        "\0",
        "\u{8}\u{8}\u{8}",
        "\u{202e}gnp.exe",
        "\u{2066}\u{2069}",
        "\u{200b}\u{200c}\u{200d}",
        "\u{e0049}\u{e0067}\u{e006e}",
        "\u{fe0f}\u{e0100}\u{e0155}",
        "\u{e000}",
        "\u{f0000}",
        "\u{a0}\u{2003}\u{3000}",
        "\u{2028}\u{2029}",
        "\u{feff}",
        "\u{ad}",
        "\u{115f}\u{3164}",
        "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{27e6}U+200B\u{27e7}",
        "```",
        "`````",
        "~~~",
        "::error file=a::b",
        "##[error]",
        "##vso[task.setvariable variable=x]y",
        "::set-output name=x::y",
        "<script>alert(1)</script>",
        "<!--",
        "-->",
        "]]>",
        "&lt;&#x3c;",
        "\" onload=\"x",
        "'",
        "\\",
        "\"",
        ",",
        ";",
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "[x](http://evil.invalid)",
        "![x](http://evil.invalid/p.png)",
        "@someone",
        "{\"a\":1}",
        "    indented",
        "# heading",
        "plain words",
        "\u{5d0}\u{5d1}\u{5d2}",
        "\u{627}\u{644}",
        "\u{65e5}\u{672c}",
        "\u{1f642}",
    ]);
    prop_oneof![
        6 => known.prop_map(str::to_owned),
        2 => any::<String>(),
        1 => any::<char>().prop_map(String::from),
        1 => (any::<char>(), 1usize..60).prop_map(|(c, n)| c.to_string().repeat(n)),
    ]
}

fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..12).prop_map(|parts| parts.concat())
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| unicode_width::UnicodeWidthChar::width(c).unwrap_or(0)).sum()
}

fn acts(c: char) -> bool {
    c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c))
}

/// A minimal headless terminal: text advances, a line feed starts a line, everything else is an effect.
fn effects(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).expect("valid UTF-8");
    text.chars().filter(|c| acts(*c)).count()
}

/// Removes the styles that `report::style` writes, and nothing else.
fn without_own_styles(text: &str) -> String {
    let mut text = text.to_owned();
    for code in ["0", "1", "2", "7", "31", "32", "33"] {
        text = text.replace(&format!("\u{1b}[{code}m"), "");
    }
    text
}

/// RFC 4180, one record.
fn csv_cells(record: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = record;
    while let Some(body) = rest.strip_prefix('"') {
        let mut cell = String::new();
        let mut chars = body.char_indices().peekable();
        let mut end = body.len();
        while let Some((at, c)) = chars.next() {
            if c != '"' {
                cell.push(c);
            } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                cell.push('"');
            } else {
                end = at + 1;
                break;
            }
        }
        cells.push(cell);
        rest = body[end..].strip_prefix(',').unwrap_or(&body[end..]);
    }
    assert!(rest.is_empty(), "left over: {rest:?}");
    cells
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_terminal_gets_no_byte_that_acts(text in hostile(), width in 0usize..140, max in 0usize..400, gutter: bool) {
        let options = ShowOptions { width, max_bytes: max, color: false, gutter };
        let shown = show_terminal(&text, &options);
        prop_assert_eq!(effects(shown.as_bytes()), 0);
        prop_assert!(shown.ends_with('\n'));
        if gutter {
            prop_assert!(shown.lines().all(|line| line.starts_with("| ") || line.starts_with(": ")));
        }
        let styled = show_terminal(&text, &ShowOptions { color: true, ..options });
        prop_assert_eq!(without_own_styles(&styled), shown);
    }

    #[test]
    fn a_line_is_one_line_of_bounded_width(text in hostile(), width in 8usize..200) {
        let line = show_line(&text, width);
        prop_assert_eq!(effects(line.as_bytes()), 0);
        prop_assert!(!line.contains('\n'));
        // Two whole labels beside the notice are the least that is shown, however narrow the line.
        prop_assert!(columns(&line) <= width.max(200), "{}", line);
        let cell = show_cell(&text, width);
        prop_assert_eq!(effects(cell.as_bytes()), 0);
        prop_assert!(!cell.contains('\n'));
        prop_assert!(columns(&cell) <= width, "{}", cell);
    }

    #[test]
    fn html_is_one_text_without_markup(text in hostile()) {
        let page = format!("<p title=\"{0}\">{0}</p>", show_html(&text));
        let tokens: Vec<Token> = Tokenizer::new(page.as_str()).map(|token| token.unwrap()).collect();
        let (mut tags, mut body) = (0, String::new());
        for token in tokens {
            match token {
                Token::StartTag(tag) => {
                    tags += 1;
                    prop_assert_eq!(tag.attributes.len(), 1);
                    let title = tag.attributes.values().next().map(|v| String::from_utf8_lossy(v).into_owned());
                    prop_assert_eq!(title, Some(show_plain(&text)));
                }
                Token::EndTag(_) => tags += 1,
                Token::String(part) => body.push_str(&String::from_utf8_lossy(&part)),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(tags, 2);
        prop_assert_eq!(body, show_plain(&text));
    }

    #[test]
    fn markdown_is_one_code_block(text in hostile()) {
        let block = show_markdown(&text);
        let page = format!("before\n\n{block}\nafter\n");
        let (mut blocks, mut body) = (0, String::new());
        let mut inside = false;
        for event in Parser::new(&page) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => { blocks += 1; inside = true; }
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => inside = false,
                Event::Text(part) if inside => body.push_str(&part),
                Event::Start(Tag::Paragraph) | Event::End(_) => {}
                Event::Text(part) => prop_assert!(&*part == "before" || &*part == "after", "{}", part),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(blocks, 1);
        let shown = show_plain(&text);
        prop_assert_eq!(body.trim_end_matches('\n'), shown.trim_end_matches('\n'));
    }

    #[test]
    fn json_reads_back_the_exact_text_and_shows_nothing_invisible(text in hostile()) {
        let literal = show_json(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), text);
        prop_assert_eq!(effects(literal.as_bytes()), 0);
        prop_assert!(!literal.contains('\n'));
        let hidden = literal.chars().any(|c| ('\u{e0000}'..='\u{e01ef}').contains(&c) || c == '\u{200b}');
        prop_assert!(!hidden, "{}", literal);
    }

    #[test]
    fn csv_is_one_record_and_no_formula(text in hostile(), other in hostile()) {
        let record = format!("{},{}", show_csv(&text), show_csv(&other));
        prop_assert!(!record.contains(['\n', '\r']));
        let cells = csv_cells(&record);
        prop_assert_eq!(cells.len(), 2);
        prop_assert!(!cells[0].starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", cells[0]);
        let shown = show_plain(&text).replace('\n', "\u{27e6}U+000A LF\u{27e7}");
        prop_assert_eq!(cells[0].strip_prefix('\'').unwrap_or(&cells[0]), shown.strip_prefix('\'').unwrap_or(&shown));
    }

    #[test]
    fn a_build_log_gets_no_runner_command(text in hostile()) {
        let log = show_ci(&text);
        prop_assert_eq!(effects(log.as_bytes()), 0);
        for line in log.lines() {
            prop_assert!(line.starts_with("| "));
            prop_assert!(!line.trim_start().starts_with("::"));
            prop_assert!(!line.contains("##[") && !line.contains("##vso["), "{}", line);
        }
    }

    #[test]
    fn nothing_hidden_gets_lost(text in hostile()) {
        // The visible form is injective up to the size of runs: equal forms of one-character texts are equal texts.
        let shown = show_plain(&text);
        prop_assert_eq!(shown.is_empty(), text.is_empty());
        prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whole_reports_stay_clean(name in hostile(), excerpt in hostile(), rule in hostile(), place in hostile()) {
        let report = report(&name, &excerpt, &rule, &place);
        let shown = text::scan(&report, Severity::Info, &ShowOptions::default());
        prop_assert_eq!(effects(shown.as_bytes()), 0);
        let allowed = ["high[", "  --> ", "   |", "   :", "   =", "    ", "examined", "not examined", "1 finding", "next:"];
        for line in shown.lines().filter(|line| !line.is_empty()) {
            prop_assert!(allowed.iter().any(|start| line.starts_with(start)), "{}", line);
            prop_assert!(!line.trim_start().starts_with("::"));
        }
        for output in [json::scan(&report), sarif::scan(&report)] {
            prop_assert_eq!(effects(output.as_bytes()), 0);
            prop_assert!(serde_json::from_str::<Value>(&output).is_ok());
        }
        let mut table = Table::new(["A", "B"]);
        table.row([&name, &excerpt]);
        prop_assert_eq!(effects(table.render(80, Paint::default()).as_bytes()), 0);
        prop_assert_eq!(table.render(80, Paint::default()).lines().count(), 2);
        let changed = diff::unified(&name, &place, &excerpt, &rule, &ShowOptions::default());
        prop_assert_eq!(effects(changed.as_bytes()), 0);
        prop_assert!(changed.lines().all(|line| line.starts_with([' ', '-', '+', '@', '\\'])));
    }
}

fn report(name: &str, excerpt: &str, rule: &str, place: &str) -> ScanReport {
    let finding = Finding {
        rule: RuleId::new(rule),
        title: "Text tells the agent to drop its earlier instructions".into(),
        severity: Severity::High,
        confidence: Confidence::Medium,
        span: Span::new(4, 40),
        view: View::Decoded,
        decoding: vec!["base64".into()],
        threats: vec!["T01".into(), "T28".into()],
        excerpt: excerpt.into(),
        level: Finding::FIRST_LEVEL,
    };
    let located = Located { finding, line: 1, column: 5, place: Some(place.into()) };
    let file = FileReport {
        name: name.into(),
        digest: Some(Digest::of("file")),
        bytes: 44,
        kind: "memory".into(),
        is_file: true,
        findings: vec![located],
        coverage: Coverage::Complete,
        skipped: None,
    };
    let skipped = FileReport {
        name: format!("{name}2"),
        findings: Vec::new(),
        skipped: Some(place.to_owned()),
        digest: None,
        ..file.clone()
    };
    let info = RuleInfo {
        title: "Text tells the agent to drop its earlier instructions".into(),
        severity: Severity::High,
        confidence: Confidence::Medium,
        why: "Memory is read as if the agent had thought it.".into(),
        advice: "Remove the sentence, or quote it as data with its source.".into(),
        maps: vec!["owasp-llm-2025:LLM01".into()],
        threats: vec!["T01".into()],
    };
    ScanReport {
        blocking: 1,
        tool_version: "0.0.0".into(),
        ruleset: Some(Digest::of("rules")),
        rules: [(RuleId::new(rule), info)].into_iter().collect(),
        files: vec![file, skipped],
        passed_over: Default::default(),
    }
}

fn sample() -> ScanReport {
    report("notes/a b.md", "ignore all\u{200b} previous", "injection.override", "event 3")
}

#[test]
fn a_diagnostic_reads_like_a_compilers() {
    insta::assert_snapshot!(text::scan(&sample(), Severity::Info, &ShowOptions::default()), @r"
    high[injection.override]: Text tells the agent to drop its earlier instructions
      --> notes/a b.md:1:5 (event 3)
       | ignore all⟦U+200B ZWSP⟧ previous
       = seen in the decoded text after base64, confidence medium, threats T01 T28, find_bc3863ab907a
       = advice: Remove the sentence, or quote it as data with its source.

    not examined: notes/a b.md2: event 3

    examined 1 of 2 inputs (1 memory)
    1 finding: 1 high
    next: memgate explain injection.override
    ");
}

#[test]
fn findings_below_the_threshold_are_counted_aloud() {
    let shown = text::scan(&sample(), Severity::Critical, &ShowOptions::default());
    assert!(shown.contains("1 below critical not shown"), "{shown}");
    assert!(!shown.contains("-->"), "{shown}");
}

#[test]
fn scan_json_is_one_versioned_line() {
    let line = json::scan(&sample());
    assert!(!line.contains('\n') && line.contains("\\u200b"), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["schema"], "memgate/scan/1");
    assert_eq!(value["summary"]["by_severity"]["high"], 1);
    assert_eq!(value["summary"]["skipped"], 1);
    assert_eq!(value["files"][0]["findings"][0]["excerpt"], "ignore all\u{200b} previous");
}

#[test]
fn sarif_has_the_members_the_standard_and_code_hosts_require() {
    let log: Value = serde_json::from_str(&sarif::scan(&sample())).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "memgate");
    let rule = &driver["rules"][0];
    for member in ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"] {
        assert!(!rule[member].is_null(), "rule without {member}: {rule}");
    }
    for text in [&rule["shortDescription"]["text"], &rule["help"]["text"], &rule["help"]["markdown"]] {
        assert!(text.as_str().is_some_and(|text| !text.is_empty()));
    }
    let score: f64 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
    assert!((7.0..9.0).contains(&score));
    assert!(rule["properties"]["tags"].as_array().unwrap().iter().any(|tag| tag == "security"));
    let result = &run["results"][0];
    assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
    assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    assert_eq!(driver["rules"][result["ruleIndex"].as_u64().unwrap() as usize]["id"], result["ruleId"]);
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "notes/a%20b.md");
    let index = place["artifactLocation"]["index"].as_u64().unwrap() as usize;
    assert_eq!(run["artifacts"][index]["location"]["uri"], "notes/a%20b.md");
    assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    assert!(result["partialFingerprints"]["memgateContent/v1"].as_str().unwrap().len() > 32);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().len(), 1);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
}

#[test]
fn sarif_fingerprints_ignore_lines_and_tell_repeats_apart() {
    let print = |report: &ScanReport| -> Vec<String> {
        let log: Value = serde_json::from_str(&sarif::scan(report)).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|one| one["partialFingerprints"]["memgateContent/v1"].as_str().unwrap().to_owned()).collect()
    };
    let before = sample();
    let mut moved = before.clone();
    moved.files[0].findings[0].line = 99;
    moved.files[0].findings[0].finding.span = Span::new(500, 536);
    moved.files[0].digest = Some(Digest::of("edited elsewhere"));
    assert_eq!(print(&before), print(&moved));
    let mut twice = before.clone();
    let again = twice.files[0].findings[0].clone();
    twice.files[0].findings.push(again);
    let prints = print(&twice);
    assert_ne!(prints[0], prints[1]);
}

#[test]
fn sarif_gives_items_without_files_a_logical_location() {
    let mut report = sample();
    report.files[0].is_file = false;
    report.files[0].name = "standard input".into();
    let log: Value = serde_json::from_str(&sarif::scan(&report)).unwrap();
    let location = &log["runs"][0]["results"][0]["locations"][0];
    assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], "standard input");
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "memgate-items/standard%20input");
}

#[test]
fn an_unfinished_scan_is_not_called_clean() {
    let mut report = sample();
    report.files[0].findings.clear();
    report.files[0].coverage = Coverage::Partial(vec!["time budget spent".into()]);
    let shown = text::scan(&report, Severity::Info, &ShowOptions::default());
    assert!(shown.contains("examined in part: notes/a b.md: time budget spent"), "{shown}");
    assert!(shown.contains("nothing found in what was examined"), "{shown}");
    let log: Value = serde_json::from_str(&sarif::scan(&report)).unwrap();
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn secrets_are_not_copied_and_have_no_digest_of_their_own() {
    let print = |report: &ScanReport| report.files[0].fingerprints();
    let mut report = sample();
    report.files[0].findings[0].finding.excerpt = String::new();
    let mut other_file = report.clone();
    other_file.files[0].digest = Some(Digest::of("another file"));
    assert_ne!(print(&report), print(&other_file));
    let shown = text::scan(&report, Severity::Info, &ShowOptions::default());
    assert!(shown.contains("(the text is not copied here)"), "{shown}");
    let log: Value = serde_json::from_str(&sarif::scan(&report)).unwrap();
    assert!(log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["snippet"].is_null());
}
