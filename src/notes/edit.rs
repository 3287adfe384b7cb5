//! Edits by note number, checked by splitting the result again.

use std::collections::BTreeMap;

use super::{Document, Edit, Note, NotesError, Shape, line};

/// A note as the result must have it.
struct Expected<'a> {
    /// All its bytes, without the line break at the end.
    whole: &'a str,
    body: String,
    shape: Shape,
}

pub(super) fn apply(document: &Document, edits: &[Edit]) -> Result<Document, NotesError> {
    let count = document.note_count();
    let mut changes: BTreeMap<usize, Option<&str>> = BTreeMap::new();
    let mut appends: Vec<(&str, Vec<&str>)> = Vec::new();
    for edit in edits {
        let (note, change) = match edit {
            Edit::Remove(note) => (*note, None),
            Edit::Replace(note, text) => (*note, Some(filled(text)?)),
            Edit::Append { heading, text } => {
                let (heading, text) = (heading_text(heading)?, filled(text)?);
                match appends.iter_mut().find(|(known, _)| *known == heading) {
                    Some((_, texts)) => texts.push(text),
                    None => appends.push((heading, vec![text])),
                }
                continue;
            }
        };
        if note >= count {
            return Err(NotesError::NoSuchNote { note, count });
        }
        if changes.insert(note, change).is_some() {
            return Err(NotesError::EditedTwice { note });
        }
    }
    let mut result = if changes.is_empty() { document.clone() } else { change(document, &changes)? };
    for (heading, texts) in appends {
        result = append(&result, heading, &texts)?;
    }
    Ok(result)
}

fn filled(text: &str) -> Result<&str, NotesError> {
    let text = text.trim();
    if text.is_empty() { Err(NotesError::EmptyText) } else { Ok(text) }
}

fn heading_text(text: &str) -> Result<&str, NotesError> {
    let text = text.trim();
    if text.contains(['\n', '\r']) || text.starts_with('#') || text.ends_with('#') {
        return Err(NotesError::BadHeading);
    }
    Ok(text)
}

/// How carefully a removed note's place is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Nothing stays.
    None,
    /// An empty line, except between list items and in tables.
    Between,
    /// An empty line, except in tables.
    Everywhere,
}

fn change(document: &Document, changes: &BTreeMap<usize, Option<&str>>) -> Result<Document, NotesError> {
    let mut refused = NotesError::WouldRestructure { note: 0 };
    for gap in [Gap::None, Gap::Between, Gap::Everywhere] {
        match attempt(document, changes, gap) {
            Ok(result) => return Ok(result),
            Err(error @ NotesError::WouldRestructure { .. }) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

fn attempt(document: &Document, changes: &BTreeMap<usize, Option<&str>>, gap: Gap) -> Result<Document, NotesError> {
    let text = document.text();
    let line_break = line_break(text);
    let mut out = String::with_capacity(text.len());
    let mut expected = Vec::with_capacity(document.note_count());
    let mut copied = 0;
    for (number, note) in document.notes().enumerate() {
        let body = document.body(note);
        match changes.get(&number) {
            None => expected.push(Expected { whole: whole(text, note), body: body.to_owned(), shape: note.shape }),
            Some(None) => {
                out.push_str(&text[copied..note.span.start]);
                copied = note.span.end;
                let in_list = |number: Option<usize>| {
                    number.and_then(|number| document.note(number)).is_some_and(|note| note.shape == Shape::ListItem)
                };
                let between = in_list(number.checked_sub(1)) && in_list(Some(number + 1));
                if document.front_matter().contains(&note.span) {
                    // A bare comment keeps the front matter front matter when its first key goes.
                    if gap != Gap::None {
                        out.push('#');
                        push_break(&mut out, line_break);
                    }
                } else if note.shape != Shape::TableRow && (gap == Gap::Everywhere || (gap == Gap::Between && !between))
                {
                    push_break(&mut out, line_break);
                }
            }
            Some(Some(new)) => {
                let new = reindent(text, note, new, line_break)?;
                out.push_str(&text[copied..note.body.start]);
                out.push_str(&new);
                copied = note.body.end;
                expected.push(Expected { whole: "", body: new, shape: note.shape });
            }
        }
    }
    out.push_str(&text[copied..]);
    checked(&out, &expected)
}

/// An empty line. After a lone CR an LF would only finish that line break.
fn push_break(out: &mut String, line_break: &str) {
    if line_break == "\n" && out.ends_with('\r') {
        out.push('\r');
    }
    out.push_str(line_break);
}

/// Splits the result and compares it with what the edits promise.
fn checked(text: &str, expected: &[Expected<'_>]) -> Result<Document, NotesError> {
    let result = Document::parse(text);
    let same = |note: &Note, expected: &Expected<'_>| {
        result.body(note) == expected.body
            && note.shape == expected.shape
            && (expected.whole.is_empty() || whole(text, note) == expected.whole)
    };
    let first_other = result.notes().zip(expected).position(|(note, expected)| !same(note, expected));
    match first_other {
        Some(note) => Err(NotesError::WouldRestructure { note }),
        None if result.note_count() == expected.len() => Ok(result),
        None => Err(NotesError::WouldRestructure { note: expected.len().min(result.note_count()) }),
    }
}

/// A note's bytes without the line break at the end.
fn whole<'a>(text: &'a str, note: &Note) -> &'a str {
    note.span.slice(text).unwrap_or_default().trim_end_matches(['\n', '\r'])
}

fn line_break(text: &str) -> &'static str {
    match line::line_at(text, 0).and_then(|line| text.get(line.text_end..line.end)) {
        Some("\r\n") => "\r\n",
        Some("\r") => "\r",
        _ => "\n",
    }
}

/// The lines of a new text, each after the first with the indent (and quote marks) of the note.
fn reindent(text: &str, note: &Note, new: &str, line_break: &str) -> Result<String, NotesError> {
    let prefix = text.get(note.span.start..note.body.start).unwrap_or_default();
    let prefix = prefix.rsplit(['\n', '\r']).next().unwrap_or_default();
    let prefix: String = prefix.chars().map(|c| if matches!(c, '>' | '\t') { c } else { ' ' }).collect();
    match note.shape {
        Shape::ListItem | Shape::Paragraph => Ok(join_lines(new, &prefix, line_break)),
        Shape::KeyValue if new.contains(['\n', '\r']) => Err(NotesError::LineBreak { shape: "key: value line" }),
        Shape::TableRow if new.contains(['\n', '\r']) => Err(NotesError::LineBreak { shape: "table row" }),
        Shape::KeyValue | Shape::TableRow => Ok(new.to_owned()),
    }
}

fn join_lines(new: &str, prefix: &str, line_break: &str) -> String {
    let mut out = String::with_capacity(new.len());
    let mut at = 0;
    while let Some(line) = line::line_at(new, at) {
        if at > 0 {
            out.push_str(line_break);
            out.push_str(prefix);
        }
        out.push_str(new[line.start..line.text_end].trim());
        at = line.end;
    }
    out
}

/// How an appended statement is written.
enum Style {
    /// Marker with indent; the number of the next ordered item.
    Item(String, Option<u32>),
    /// Directly below, with this indent.
    Line(String),
    /// Set off by an empty line.
    Paragraph,
}

fn append(document: &Document, heading: &str, texts: &[&str]) -> Result<Document, NotesError> {
    let text = document.text();
    let line_break = line_break(text);
    let headings = document.headings();
    let found = headings.iter().position(|known| known.text.slice(text) == Some(heading));
    // The part of the text that stands directly under the heading.
    let part = match (found, heading.is_empty()) {
        (Some(at), _) => Some((headings[at].span.end, headings.get(at + 1).map_or(text.len(), |h| h.span.start))),
        (None, true) => {
            let start = document.front_matter().end.max(if text.starts_with('\u{FEFF}') { 3 } else { 0 });
            Some((start, headings.first().map_or(text.len(), |h| h.span.start)))
        }
        (None, false) => None,
    };
    let mut inserted = String::new();
    let (offset, style) = match part {
        Some((start, end)) => {
            let notes: Vec<&Note> =
                document.notes().filter(|note| start <= note.span.start && note.span.end <= end).collect();
            match notes.last() {
                Some(last) => (last.span.end, style(text, &notes, last, texts)),
                None => {
                    if start > 0 && text[..start].ends_with(['\n', '\r']) {
                        inserted.push_str(line_break);
                    }
                    (start, Style::Item("- ".to_owned(), None))
                }
            }
        }
        None => {
            if !text.is_empty() {
                inserted.push_str(line_break);
            }
            inserted.push_str("## ");
            inserted.push_str(heading);
            inserted.push_str(line_break);
            inserted.push_str(line_break);
            (text.len(), Style::Item("- ".to_owned(), None))
        }
    };
    // An unfinished last line is finished first.
    if offset > 0 && !text[..offset].ends_with(['\n', '\r']) && text[..offset] != *"\u{FEFF}" {
        inserted.insert_str(0, line_break);
    }
    let (bodies, shape) = render(&style, texts, line_break, &mut inserted)?;
    let rest = &text[offset..];
    if !rest.is_empty() && !matches!(style, Style::Line(_)) && !rest.starts_with(['\n', '\r']) {
        let item_follows = matches!(style, Style::Item(..)) && document.note_at(offset).is_some();
        if !item_follows {
            inserted.push_str(line_break);
        }
    }
    let before = document.notes().take_while(|note| note.span.end <= offset).count();
    let mut expected: Vec<Expected<'_>> = document
        .notes()
        .map(|note| Expected { whole: whole(text, note), body: document.body(note).to_owned(), shape: note.shape })
        .collect();
    expected.splice(before..before, bodies.into_iter().map(|body| Expected { whole: "", body, shape }));
    let result = checked(&[&text[..offset], &inserted, rest].concat(), &expected)?;
    if found.is_none() && !heading.is_empty() && result.headings().len() != headings.len() + 1 {
        return Err(NotesError::BadHeading);
    }
    Ok(result)
}

fn style(text: &str, notes: &[&Note], last: &Note, texts: &[&str]) -> Style {
    let prefix = |note: &Note| text.get(note.span.start..note.body.start).unwrap_or_default().to_owned();
    match last.shape {
        Shape::ListItem => {
            // The outermost item of the list at the end: new statements are not nested into another.
            let indent = |note: &Note| prefix(note).chars().take_while(|c| matches!(c, ' ' | '\t' | '>')).count();
            let items = notes.iter().rev().take_while(|note| note.shape == Shape::ListItem);
            let outer = items.min_by_key(|note| indent(note)).map_or_else(String::new, |note| prefix(note));
            if outer.contains(['\n', '\r']) || outer.trim().is_empty() {
                return Style::Item("- ".to_owned(), None);
            }
            let digits: String = outer.chars().filter(char::is_ascii_digit).collect();
            let number = digits.parse::<u32>().ok().filter(|number| *number < 999_999_000);
            Style::Item(outer, number.map(|number| number + 1))
        }
        Shape::KeyValue => {
            let one_key_value = |text: &&str| {
                let split = Document::parse(text);
                split.note_count() == 1 && split.pieces().len() == 1 && split.notes().all(|n| n.shape == last.shape)
            };
            if texts.iter().all(one_key_value) { Style::Line(prefix(last)) } else { Style::Paragraph }
        }
        Shape::Paragraph | Shape::TableRow => Style::Paragraph,
    }
}

/// Writes the statements; their bodies as the result must have them.
fn render(
    style: &Style,
    texts: &[&str],
    line_break: &str,
    out: &mut String,
) -> Result<(Vec<String>, Shape), NotesError> {
    let mut bodies = Vec::with_capacity(texts.len());
    let mut shape = Shape::ListItem;
    let mut next = match style {
        Style::Item(_, number) => *number,
        Style::Line(_) | Style::Paragraph => None,
    };
    for text in texts {
        let (prefix, body) = match style {
            Style::Item(marker, _) => {
                let marker = match next {
                    Some(number) => {
                        next = Some(number.saturating_add(1));
                        let start = marker.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
                        let end = marker.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
                        format!("{}{number}{}", &marker[..start], &marker[end..])
                    }
                    None => marker.clone(),
                };
                let indent: String = marker.chars().map(|c| if matches!(c, '>' | '\t') { c } else { ' ' }).collect();
                (marker, join_lines(text, &indent, line_break))
            }
            Style::Line(prefix) => {
                shape = Shape::KeyValue;
                (prefix.clone(), join_lines(text, prefix, line_break))
            }
            Style::Paragraph => {
                out.push_str(line_break);
                // A `key: value` sentence stays what it is in a paragraph's place.
                shape = Document::parse(texts[0]).notes().next().map_or(Shape::Paragraph, |note| note.shape);
                (String::new(), join_lines(text, "", line_break))
            }
        };
        out.push_str(&prefix);
        out.push_str(&body);
        out.push_str(line_break);
        bodies.push(body);
    }
    Ok((bodies, shape))
}
