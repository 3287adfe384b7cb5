//! Splitting a memory loses nothing, and an edit touches nothing it does not name.

use memgate::notes::{Document, Edit, Piece};

/// Pieces tile the text; spans lie on character borders; edits keep every other note byte for byte.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data) else { return };
    let document = Document::parse(text);
    assert_eq!(document.text(), text);
    assert_eq!(document.print(), text, "printing an unedited memory changed it");
    let mut end = 0;
    for piece in document.pieces() {
        let span = piece.span();
        assert_eq!(span.start, end, "a gap or an overlap before {span:?}");
        assert!(span.end > span.start, "an empty piece at {span:?}");
        end = span.end;
        assert!(span.slice(text).is_some(), "{span:?} is not on character borders");
        if let Piece::Note(note) = piece {
            let inside = note.body.start >= note.span.start && note.body.end <= note.span.end;
            assert!(inside, "the body of {span:?} leaves its note");
            let blank = document.body(note).chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            assert!(!blank, "a note without a statement at {span:?}");
            for heading in &note.headings {
                assert!(heading.end <= note.span.start, "a heading below its note");
            }
        }
    }
    assert_eq!(end, text.len());
    let count = document.note_count();
    assert_eq!(document.notes().count(), count);
    for (number, note) in document.notes().enumerate() {
        assert_eq!(document.note_at(note.span.start), Some(number));
        assert_eq!(document.notes_in(&note.span), number..number + 1);
    }
    if count == 0 {
        return;
    }
    // Which note is edited follows from the input, so the engine can steer it.
    let chosen = data.iter().map(|&b| usize::from(b)).sum::<usize>() % count;
    edited(&document, &[Edit::Remove(chosen)], &[chosen], 1);
    edited(&document, &[Edit::Replace(chosen, "a new statement".to_owned())], &[chosen], 0);
    edited(&document, &[Edit::Append { heading: "Insights".to_owned(), text: "one more".to_owned() }], &[], 0);
    assert!(document.apply(&[Edit::Remove(count)]).is_err(), "an edit of a note that is not there");
    assert!(document.apply(&[Edit::Remove(chosen), Edit::Remove(chosen)]).is_err(), "an edit made twice");
    assert_eq!(document.apply(&[]).map(|d| d.print()).as_deref(), Ok(text));
}

/// Every note that no edit names is a note of the result, in order, with the same statement.
fn edited(document: &Document, edits: &[Edit], named: &[usize], removed: usize) {
    let Ok(result) = document.apply(edits) else { return };
    assert_eq!(result.print(), result.text());
    let kept: Vec<&str> =
        document.notes().enumerate().filter(|(n, _)| !named.contains(n)).map(|(_, note)| document.body(note)).collect();
    let mut rest = result.notes().map(|note| result.body(note));
    for body in &kept {
        assert!(rest.any(|other| other == *body), "an edit of {named:?} changed the note {body:?}");
    }
    assert!(result.note_count() + removed >= document.note_count(), "an edit of {named:?} lost a note");
}
