//! What a note is: precision and recall of the kind classifier on labelled notes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use memgate::detect::kind::classify;
use memgate::domain::Kind;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    kind: Kind,
    part: String,
    license: String,
    source: String,
    lang: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("tests/cases/kinds/notes.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

#[test]
fn the_labelled_notes_are_many_distinct_and_licensed() {
    let rows = rows();
    assert!(rows.len() >= 600, "{}", rows.len());
    let ids: BTreeSet<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    let texts: BTreeSet<&str> = rows.iter().map(|r| r.text.as_str()).collect();
    assert_eq!((ids.len(), texts.len()), (rows.len(), rows.len()));
    for row in &rows {
        assert!(matches!(row.part.as_str(), "tune" | "report"), "{}", row.id);
        assert!(!row.license.is_empty() && !row.source.is_empty() && !row.lang.is_empty(), "{}", row.id);
    }
    let report = rows.iter().filter(|r| r.part == "report").count();
    assert!(report * 5 >= rows.len() * 2, "{report} of {} are held out", rows.len());
}

/// The table of one part: for each kind its precision and recall, and for governed kinds together.
fn table(part: &str) -> String {
    let rows: Vec<Row> = rows().into_iter().filter(|r| r.part == part).collect();
    let mut cells: BTreeMap<(Kind, Kind), usize> = BTreeMap::new();
    for row in &rows {
        let said = classify(&row.text);
        *cells.entry((row.kind, said)).or_default() += 1;
        if said != row.kind && part == "tune" && std::env::var_os("MEMGATE_SHOW").is_some() {
            eprintln!("{} -> {}: {}", row.kind.name(), said.name(), row.text);
        }
    }
    let count = |test: &dyn Fn(Kind, Kind) -> bool| -> usize {
        cells.iter().filter(|((true_kind, said), _)| test(*true_kind, *said)).map(|(_, n)| *n).sum()
    };
    let share = |part: usize, all: usize| {
        if all == 0 { "     -".to_owned() } else { format!("{:5.1}%", 100.0 * part as f64 / all as f64) }
    };
    let mut out = format!("{part}: {} notes\n", rows.len());
    for kind in Kind::ALL {
        let (right, said, is) =
            (count(&|t, s| t == kind && s == kind), count(&|_, s| s == kind), count(&|t, _| t == kind));
        let _ = writeln!(
            out,
            "  {:12} precision {} ({right}/{said})  recall {} ({right}/{is})",
            kind.name(),
            share(right, said),
            share(right, is)
        );
    }
    let (right, said, is) = (
        count(&|t, s| t.is_governed() && s.is_governed()),
        count(&|_, s| s.is_governed()),
        count(&|t, _| t.is_governed()),
    );
    let _ = writeln!(
        out,
        "  {:12} precision {} ({right}/{said})  recall {} ({right}/{is})",
        "governed",
        share(right, said),
        share(right, is)
    );
    let _ = writeln!(out, "  exact {}", share(count(&|t, s| t == s), rows.len()));
    out
}

/// Prints the figures and holds them against the committed ones; `MEMGATE_BLESS=1` rewrites those.
#[test]
fn precision_and_recall_by_kind_are_the_committed_ones() {
    let now = format!("{}{}", table("report"), table("tune"));
    eprintln!("{now}");
    let path = root().join("tests/golden/kinds.txt");
    if std::env::var_os("MEMGATE_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(committed, now, "the kinds changed: MEMGATE_BLESS=1 rewrites {}", path.display());
}
