use super::*;
use proptest::prelude::*;

fn bodies(text: &str) -> Vec<String> {
    let document = Document::parse(text);
    document.notes().map(|note| format!("{:?} {:?}", note.shape, document.body(note))).collect()
}

#[test]
fn a_memory_splits_into_statements() {
    let text = "# T\n\n- a\n  more\n  - b\n* c\nlazy\n\nport: 80\nhost: x\n\nTwo. Sentences.\nOne note.\n\n| k | v |\n|---|---|\n| a | b |\n";
    assert_eq!(
        bodies(text),
        [
            "ListItem \"a\\n  more\"",
            "ListItem \"b\"",
            "ListItem \"c\\nlazy\"",
            "KeyValue \"port: 80\"",
            "KeyValue \"host: x\"",
            "Paragraph \"Two. Sentences.\\nOne note.\"",
            "TableRow \"a | b\""
        ]
    );
}

/// Texts made of the pieces that decide how a memory is split.
fn markdown() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("- "),
        Just("* "),
        Just("1. "),
        Just("7) "),
        Just("  "),
        Just("\t"),
        Just("    "),
        Just("> "),
        Just("\n"),
        Just("\n"),
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("\n\n"),
        Just("```"),
        Just("~~~~"),
        Just("```\n"),
        Just("---\n"),
        Just("==="),
        Just("# "),
        Just("## x\n"),
        Just("<!--"),
        Just("-->"),
        Just("a"),
        Just("word "),
        Just("key: value"),
        Just("name: |\n"),
        Just("x:"),
        Just(": "),
        Just("|"),
        Just("| a | b |\n"),
        Just("|---|---|\n"),
        Just("\u{FEFF}"),
        Just("\u{200B}"),
        Just("[x]: y"),
        Just("#"),
    ];
    let front = prop_oneof![3 => Just(""), 1 => Just("---\nk: v\n"), 1 => Just("---\n# c\n- l\n")];
    (front, prop::collection::vec(part, 0..40)).prop_map(|(front, parts)| front.to_owned() + &parts.concat())
}

fn lossless(text: &str) -> Result<(), TestCaseError> {
    let document = Document::parse(text);
    prop_assert_eq!(document.print(), text);
    let mut at = 0;
    for piece in document.pieces() {
        prop_assert_eq!(piece.span().start, at);
        prop_assert!(piece.span().end > at);
        at = piece.span().end;
    }
    prop_assert_eq!(at, text.len());
    for (number, note) in document.notes().enumerate() {
        prop_assert!(note.span.contains(&note.body) && !note.body.is_empty());
        prop_assert!(note.body.slice(text).is_some_and(|body| !body.trim_matches([' ', '\t']).is_empty()));
        prop_assert_eq!(document.note_at(note.span.start), Some(number));
        prop_assert_eq!(document.note_at(note.span.end - 1), Some(number));
        prop_assert_eq!(document.notes_in(&note.span), number..number + 1);
        prop_assert_eq!(document.note(number), Some(note));
        prop_assert_eq!(document.heading_path(note).len(), note.headings.len());
    }
    Ok(())
}

proptest! {
    #[test]
    fn printing_gives_back_the_bytes(text in markdown()) {
        lossless(&text)?;
    }

    #[test]
    fn printing_gives_back_the_bytes_of_any_text(text in "\\PC*|(?s).*") {
        lossless(&text)?;
    }

    /// Removing always works: what is held can be taken out of any memory.
    #[test]
    fn any_notes_can_be_removed(text in markdown(), choice in any::<u64>()) {
        let document = Document::parse(&text);
        let gone = |number: &usize| choice >> (number % 64) & 1 == 1;
        let edits: Vec<Edit> = (0..document.note_count()).filter(gone).map(Edit::Remove).collect();
        let result = document.apply(&edits);
        prop_assert!(result.is_ok(), "{:?} -> {:?}", edits, result);
        let result = result.unwrap();
        let kept: Vec<&str> = document.notes().enumerate().filter(|(n, _)| !gone(n)).map(|(_, note)| document.body(note)).collect();
        let left: Vec<&str> = result.notes().map(|note| result.body(note)).collect();
        prop_assert_eq!(kept, left);
    }

    #[test]
    fn a_replaced_note_changes_no_other_byte(text in markdown(), pick in any::<prop::sample::Index>(), new in markdown()) {
        let document = Document::parse(&text);
        if document.note_count() == 0 {
            return Ok(());
        }
        let number = pick.index(document.note_count());
        let Ok(result) = document.apply(&[Edit::Replace(number, new)]) else { return Ok(()) };
        let (before, after) = (document.note(number).unwrap(), result.note(number).unwrap());
        prop_assert_eq!(&text[..before.body.start], &result.text()[..after.body.start]);
        prop_assert_eq!(&text[before.body.end..], &result.text()[after.body.end..]);
        prop_assert_eq!(document.note_count(), result.note_count());
    }

    #[test]
    fn an_appended_statement_is_one_new_note(text in markdown(), heading in "x|New|", new in "[a-z ]{1,20}") {
        let document = Document::parse(&text);
        let Ok(result) = document.apply(&[Edit::Append { heading, text: new.clone() }]) else { return Ok(()) };
        prop_assert_eq!(result.note_count(), document.note_count() + 1);
        prop_assert!(result.notes().any(|note| result.body(note) == new.trim()));
    }
}
