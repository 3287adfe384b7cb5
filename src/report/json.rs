//! JSON output: one record a line, every invisible character escaped, versioned schemas.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::{Value, json};

use super::scan::{Coverage, FileReport, Located, ScanReport};
use super::show::class_of;

/// The schema of [`scan`].
pub const SCAN_SCHEMA: &str = "memgate/scan/1";

/// A value as one line of JSON without a line end; invisible and control characters are `\u` escapes.
///
/// Errors: none for values that JSON can hold; a value it cannot hold (a map with keys that are not
/// text) gives `null`.
pub fn to_line<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Visible(CompactFormatter));
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(out).unwrap_or_else(|_| "null".to_owned()),
        Err(_) => "null".to_owned(),
    }
}

/// The compact form, with what nobody would see written as escapes.
struct Visible(CompactFormatter);

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut start = 0;
        for (at, c) in fragment.char_indices() {
            let plain = c.is_ascii() && c != '\u{7F}' || !c.is_ascii() && class_of(c).is_none();
            if plain {
                continue;
            }
            self.0.write_string_fragment(writer, &fragment[start..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            start = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[start..])
    }
}

/// A scan as one line of JSON in the form `memgate/scan/1`.
///
/// Shape: `{"schema","tool","ruleset","summary":{…},"files":[{"name","kind","digest","bytes","coverage",
/// "skipped","findings":[{"id","rule","title","severity","confidence","view","decoding","threats","line",
/// "column","span","excerpt","fingerprint"}]}]}`. Text fields hold the raw text; what is invisible is escaped.
pub fn scan(report: &ScanReport) -> String {
    let by_severity: serde_json::Map<String, Value> =
        report.by_severity().into_iter().map(|(severity, count)| (severity.name().to_owned(), json!(count))).collect();
    let value = json!({
        "schema": SCAN_SCHEMA,
        "tool": {"name": "memgate", "version": report.tool_version},
        "ruleset": report.ruleset,
        "summary": {
            "files": report.files.len(),
            "examined": report.examined(),
            "skipped": report.skipped(),
            "partial": report.partial(),
            "passed_over": report.passed_over,
            "findings": report.finding_count(),
            "by_severity": by_severity,
        },
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
    });
    to_line(&value)
}

fn file(file: &FileReport) -> Value {
    let coverage = match &file.coverage {
        Coverage::Complete => json!({"complete": true, "gaps": []}),
        Coverage::Partial(gaps) => json!({"complete": false, "gaps": gaps}),
    };
    json!({
        "name": file.name,
        "kind": file.kind,
        "digest": file.digest,
        "bytes": file.bytes,
        "coverage": coverage,
        "skipped": file.skipped,
        "findings": file.fingerprints().into_iter().zip(&file.findings).map(|(print, found)| finding(file, found, &print))
            .collect::<Vec<_>>(),
    })
}

fn finding(file: &FileReport, located: &Located, fingerprint: &str) -> Value {
    let found = &located.finding;
    json!({
        "id": file.finding_id(located),
        "rule": found.rule,
        "title": found.title,
        "severity": found.severity,
        "paranoia": found.level,
        "confidence": found.confidence,
        "view": found.view,
        "decoding": found.decoding,
        "threats": found.threats,
        "line": located.line,
        "column": located.column,
        "place": located.place,
        "span": found.span,
        "excerpt": found.excerpt,
        "fingerprint": fingerprint,
    })
}
