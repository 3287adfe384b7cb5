//! SARIF 2.1.0, the exchange form of static analysis results.
//!
//! Source: OASIS SARIF 2.1.0 (sections named at the members).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::to_line;
use super::scan::{Coverage, FileReport, Located, RuleInfo, ScanReport};
use super::show::{show_markdown, show_plain};
use crate::domain::{Confidence, Finding, RuleId, Severity};

/// A scan as a SARIF 2.1.0 log with one run.
///
/// Shape: rules with help, tags and `security-severity`; results with a fingerprint from content and rule,
/// never from a line number. An input that is not a file gets a logical location and a synthetic artifact.
pub fn scan(report: &ScanReport) -> String {
    let rules = rules(report);
    let index = |id: &RuleId| rules.iter().position(|(rule, _)| *rule == id);
    let mut results = Vec::new();
    let mut notices = Vec::new();
    for (nth, file) in report.files.iter().enumerate() {
        for (located, print) in file.findings.iter().zip(file.fingerprints()) {
            results.push(result(nth, file, located, index(&located.finding.rule), &print));
        }
        notices.extend(notifications(nth, file));
    }
    let complete = report.partial() == 0;
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "memgate",
                "version": report.tool_version,
                "semanticVersion": report.tool_version,
                "rules": rules.iter().map(|(id, info)| rule(id, info.as_ref())).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "artifacts": report.files.iter().map(artifact).collect::<Vec<_>>(),
            "invocations": [{"executionSuccessful": complete, "toolExecutionNotifications": notices}],
            "results": results,
            "properties": {"rulesetDigest": report.ruleset},
        }],
    });
    to_line(&log)
}

/// Every rule that a result names, in order of id, with what is known of it.
fn rules(report: &ScanReport) -> Vec<(&RuleId, Option<RuleInfo>)> {
    let mut ids: Vec<(&RuleId, &Finding)> =
        report.findings().map(|(_, located)| (&located.finding.rule, &located.finding)).collect();
    ids.sort_by_key(|(id, _)| *id);
    ids.dedup_by_key(|(id, _)| *id);
    ids.into_iter()
        .map(|(id, found)| {
            let info = report.rules.get(id).cloned().unwrap_or_else(|| RuleInfo {
                title: found.title.clone(),
                severity: found.severity,
                confidence: found.confidence,
                why: String::new(),
                advice: String::new(),
                maps: Vec::new(),
                threats: found.threats.clone(),
            });
            (id, Some(info))
        })
        .collect()
}

fn rule(id: &RuleId, info: Option<&RuleInfo>) -> Value {
    let Some(info) = info else { return json!({"id": id}) };
    let title = show_plain(&info.title);
    let mut help = show_plain(&info.why);
    if !info.advice.is_empty() {
        let _ = write!(help, "\n\nWhat to do: {}", show_plain(&info.advice));
    }
    if help.trim().is_empty() {
        help.clone_from(&title);
    }
    let mut tags = vec!["security".to_owned(), "agent-memory".to_owned()];
    tags.extend(info.threats.iter().map(|threat| show_plain(threat)));
    tags.extend(info.maps.iter().map(|map| show_plain(map)));
    json!({
        "id": id,
        "name": id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": if info.why.is_empty() { title.clone() } else { show_plain(&info.why) }},
        // 3.49.12: text is required; markdown fences what a rule author wrote.
        "help": {"text": help, "markdown": show_markdown(&help)},
        "defaultConfiguration": {"level": level(info.severity)},
        "properties": {
            "tags": tags,
            "precision": precision(info.confidence),
            "security-severity": score(info.severity),
        },
    })
}

fn result(nth: usize, file: &FileReport, located: &Located, rule: Option<usize>, print: &str) -> Value {
    let found = &located.finding;
    let mut message = plain_message(&found.title);
    let _ = write!(message, " (seen in the {} text", found.view.name());
    if !found.decoding.is_empty() {
        let _ = write!(message, " after {}", plain_message(&found.decoding.join(", ")));
    }
    message.push(')');
    let mut region = json!({
        "startLine": located.line.max(1),
        "startColumn": located.column.max(1),
        "byteOffset": found.span.start,
        "byteLength": found.span.len(),
    });
    if !found.excerpt.is_empty()
        && let Some(region) = region.as_object_mut()
    {
        // 3.30.13: the excerpt of the view that matched, in its visible form.
        region.insert("snippet".to_owned(), json!({"text": show_plain(&found.excerpt)}));
    }
    let mut logical = Vec::new();
    if !file.is_file {
        logical.push(
            json!({"name": show_plain(&file.name), "fullyQualifiedName": show_plain(&file.name), "kind": "object"}),
        );
    }
    if let Some(place) = &located.place {
        logical.push(json!({"name": show_plain(place), "kind": "object"}));
    }
    let mut location = json!({
        "physicalLocation": {"artifactLocation": {"uri": uri(file), "index": nth}, "region": region},
    });
    if !logical.is_empty()
        && let Some(location) = location.as_object_mut()
    {
        location.insert("logicalLocations".to_owned(), Value::Array(logical));
    }
    json!({
        "ruleId": found.rule,
        "ruleIndex": rule,
        "kind": "fail",
        "level": level(found.severity),
        "message": {"text": message},
        "locations": [location],
        // 3.27.17: stable over edits elsewhere in the file.
        "partialFingerprints": {"memgateContent/v1": print},
        "properties": {
            "id": file.finding_id(located),
            "severity": found.severity,
            "confidence": found.confidence,
            "view": found.view,
            "threats": found.threats,
        },
    })
}

fn artifact(file: &FileReport) -> Value {
    let mut artifact = json!({
        "location": {"uri": uri(file)},
        "length": file.bytes,
        "description": {"text": file.kind},
    });
    if let (Some(digest), Some(artifact)) = (file.digest, artifact.as_object_mut()) {
        artifact.insert("hashes".to_owned(), json!({"sha-256": digest}));
    }
    artifact
}

fn notifications(nth: usize, file: &FileReport) -> Vec<Value> {
    let notice = |id: &str, level: &str, why: &str| {
        json!({
            "descriptor": {"id": id},
            "level": level,
            "message": {"text": plain_message(why)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(file), "index": nth}}}],
        })
    };
    match (&file.skipped, &file.coverage) {
        (Some(why), _) => vec![notice("not-examined", "warning", why)],
        (None, Coverage::Partial(gaps)) => gaps.iter().map(|gap| notice("examined-in-part", "error", gap)).collect(),
        (None, Coverage::Complete) => Vec::new(),
    }
}

/// 3.11.6: a plain text message may hold links, `[text](target)`; a backslash makes brackets literal.
fn plain_message(text: &str) -> String {
    show_plain(text).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

/// The file's name as a relative URI reference (RFC 3986); items without a file go to a folder of their own.
fn uri(file: &FileReport) -> String {
    let mut out = String::new();
    if !file.is_file {
        out.push_str("memgate-items/");
    }
    for byte in file.name.replace('\\', "/").trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The bands that code hosts derive from the score: above 9.0 critical, 7.0 high, 4.0 medium, below low.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.5",
    }
}

const fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}
