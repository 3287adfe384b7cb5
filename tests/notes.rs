//! The note model on real memories.

use std::path::Path;

use memgate::notes::{Document, Edit, Piece};

fn lossless(text: &str, whose: &str) {
    let document = Document::parse(text);
    assert!(document.print() == text, "{whose}");
    let mut at = 0;
    for piece in document.pieces() {
        assert_eq!(piece.span().start, at, "{whose}");
        at = piece.span().end;
        if let Piece::Note(note) = piece {
            assert!(note.span.contains(&note.body) && !note.body.is_empty(), "{whose}");
        }
    }
    assert_eq!(at, text.len(), "{whose}");
    // Any other note can go, and the rest stays as it was.
    let edits: Vec<Edit> = (0..document.note_count()).step_by(2).map(Edit::Remove).collect();
    let result = document.apply(&edits).unwrap_or_else(|error| panic!("{whose}: {error}"));
    let kept: Vec<&str> = document.notes().skip(1).step_by(2).map(|note| document.body(note)).collect();
    assert_eq!(kept, result.notes().map(|note| result.body(note)).collect::<Vec<_>>(), "{whose}");
}

fn texts(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        found.extend(value["text"].as_str().map(str::to_owned));
        found.extend(value["memories"].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)));
        for message in value["messages"].as_array().into_iter().flatten() {
            found.extend(message["content"].as_str().map(str::to_owned));
        }
    }
    found
}

#[test]
fn real_memories_print_back_byte_for_byte() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/notes/real.jsonl");
    let texts = texts(&sample);
    assert!(texts.len() >= 20);
    for (number, text) in texts.iter().enumerate() {
        lossless(text, &format!("real.jsonl line {}", number + 1));
        for line_break in ["\r\n", "\r"] {
            lossless(&text.replace('\n', line_break), &format!("real.jsonl line {} {line_break:?}", number + 1));
        }
    }
}

#[test]
fn every_text_of_the_corpora_prints_back_byte_for_byte() {
    let Some(folder) = std::env::var_os("MEMGATE_CORPORA") else {
        eprintln!("SKIPPED every_text_of_the_corpora_prints_back_byte_for_byte: MEMGATE_CORPORA names no folder");
        return;
    };
    let mut count = 0;
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for (number, text) in texts(&path).iter().enumerate() {
                lossless(text, &format!("{} text {number}", path.display()));
                count += 1;
            }
        }
    }
    eprintln!("{count} texts printed back");
    assert!(count > 0);
}

#[test]
fn a_million_tiny_notes_and_one_huge_line_take_linear_time() {
    let tiny = "- a\n".repeat(1_000_000);
    assert_eq!(Document::parse(&tiny).note_count(), 1_000_000);
    let huge = "a ".repeat(32 << 20);
    assert_eq!(Document::parse(&huge).note_count(), 1);
    // Each of these makes a careless splitter search the rest of the text again and again.
    for part in [
        "```\n~~~\nx\n",
        "<!--\nx\n",
        "- a\n  ```\n\n\n",
        "a | b\n",
        "````` x\n",
        "> ",
        "#",
        "key: |\n\n",
        "| a |\n|---|\n",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        assert_eq!(Document::parse(&text).print(), text);
        let front = format!("---\nk: v\n{text}");
        assert_eq!(Document::parse(&front).print(), front);
    }
}

/// A case file: the memory, a line `=====`, then one line a note: shape, headings, body.
#[test]
fn case_files_split_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/notes");
    let mut seen = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "case")) {
        let case = std::fs::read_to_string(path).unwrap();
        let (text, want) = case.split_once("\n=====\n").unwrap();
        let text = text.replace("\\r", "\r").replace("\\u{FEFF}", "\u{FEFF}");
        let document = Document::parse(&text);
        assert_eq!(document.print(), text);
        let line = |note| {
            let headings = document.heading_path(note).join(" > ");
            format!("{:?} [{headings}] {:?}\n", note.shape, document.body(note))
        };
        let got: String = document.notes().map(line).collect();
        if std::env::var_os("MEMGATE_BLESS").is_some() {
            let memory = &case[..case.len() - want.len()];
            std::fs::write(path, format!("{memory}{got}")).unwrap();
        } else {
            assert!(got == want, "{}:\n{got}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 8);
}

#[test]
fn edits_write_in_the_style_of_the_neighbours() {
    let append = |heading: &str, text: &str| Edit::Append { heading: heading.to_owned(), text: text.to_owned() };
    let apply = |text: &str, edits: &[Edit]| Document::parse(text).apply(edits).unwrap().text().to_owned();
    let text = "# A\n\n* one\n  * deep\n\n# B\n\n3. x\n\n# C\n\nWords.\n\n# D\n\nport: 80\n\n# E\n\n# F\n- f";
    assert_eq!(
        apply(
            text,
            &[
                append("A", "two"),
                append("B", "y"),
                append("B", "z"),
                append("C", "More."),
                append("D", "host: h"),
                append("E", "e"),
                append("F", "g")
            ]
        ),
        "# A\n\n* one\n  * deep\n* two\n\n# B\n\n3. x\n4. y\n5. z\n\n# C\n\nWords.\n\nMore.\n\n# D\n\nport: 80\nhost: h\n\n# E\n\n- e\n\n# F\n- f\n- g\n"
    );
    assert_eq!(apply("- a\r\n", &[append("New", "b"), append("New", "c")]), "- a\r\n\r\n## New\r\n\r\n- b\r\n- c\r\n");
    assert_eq!(apply("", &[append("", "first")]), "- first\n");
    assert_eq!(apply("---\nk: v\n---\n", &[append("", "first")]), "---\nk: v\n---\n\n- first\n");
    assert_eq!(apply("- a\n  - b\n    c\n", &[Edit::Replace(1, "x\ny".to_owned())]), "- a\n  - x\n    y\n");
    assert_eq!(apply("- a\n- b\n- c\n", &[Edit::Remove(1)]), "- a\n- c\n");
    assert_eq!(
        apply("| k |\n|---|\n| a |\n| b |\n", &[Edit::Replace(0, "z".to_owned())]),
        "| k |\n|---|\n| z |\n| b |\n"
    );
}

#[test]
fn an_edit_cannot_smuggle_structure_in() {
    let refused = |text: &str, edit: Edit| {
        let document = Document::parse(text);
        document.apply(&[edit]).map(|result| result.text().to_owned()).unwrap_err()
    };
    use memgate::domain::Coded;
    let replace = |text: &str| Edit::Replace(0, text.to_owned());
    for new in ["a\n\nb", "# h", "```\nx\n```", "- x", "k: v", "<!-- x -->\ny", "a\n---"] {
        assert_eq!(refused("Words.\n\nMore.\n", replace(new)).code(), "notes-would-restructure", "{new:?}");
    }
    assert_eq!(refused("k: v\n", replace("k: v\nx: y")).code(), "notes-line-break");
    assert_eq!(refused("k: v\n", replace(" \n")).code(), "notes-empty-text");
    assert_eq!(refused("k: v\n", Edit::Remove(1)).code(), "notes-no-such-note");
    let heading = |heading: &str| Edit::Append { heading: heading.to_owned(), text: "x".to_owned() };
    assert_eq!(refused("k: v\n", heading("a\n# b")).code(), "notes-bad-heading");
    let twice = Document::parse("a\n").apply(&[Edit::Remove(0), Edit::Remove(0)]).unwrap_err();
    assert_eq!(twice.code(), "notes-edited-twice");
}

/// Two harmless halves do not become one order when what stood between them is taken out.
#[test]
fn removing_a_note_joins_no_neighbours() {
    let document = Document::parse("Ignore all\n- a held item\n<!-- x -->\nprevious notes.\n");
    let result = document.apply(&[Edit::Remove(1), Edit::Remove(2)]).unwrap();
    assert_eq!(result.text(), "Ignore all\n\n\nprevious notes.\n");
    assert_eq!(result.note_count(), 2);
}
