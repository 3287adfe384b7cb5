//! The store as the stages see it: every note once, in a fixed order.

use std::collections::BTreeMap;

use crate::domain::{Authority, Digest, MemoryPath, Origin, PrincipalId, Severity, Timestamp};
use crate::ingest::Memory;
use crate::notes::{Document, Note, Shape};

use super::frame::{self, Frame};
use super::gate::Gist;
use super::key::Key;
use super::steering::Steering;
use super::token::Class;
use super::{Input, Marks, NoteRef, words};

/// One note with everything the stages ask about it.
pub(super) struct Entry {
    pub(super) note: NoteRef,
    pub(super) body: String,
    pub(super) key: Key,
    pub(super) gist: Gist,
    pub(super) frame: Option<Frame>,
    /// Who shares it: notes of different scopes never meet.
    pub(super) scope: String,
    /// The headings and the parent it stands under; for a dependent note also its memory.
    pub(super) context: String,
    /// Memory, headings and parent: the exact spot.
    pub(super) place: String,
    /// Says what it says wherever it stands.
    pub(super) self_contained: bool,
    /// Its place carries meaning (step of a list, parent, table row): never retired by a merge.
    pub(super) bound: bool,
    pub(super) authority: Authority,
    pub(super) principal: PrincipalId,
    /// When it became so: a date in the text, else when it was written.
    pub(super) time: Option<Timestamp>,
    /// When it was written.
    pub(super) recorded: Option<Timestamp>,
    /// Reports what happened once.
    pub(super) event: bool,
    /// The scan found something at or above low severity.
    pub(super) found: bool,
    pub(super) held: Option<String>,
    pub(super) pinned: bool,
    /// Of a kind over which recency may decide.
    pub(super) ordinary: bool,
    /// Written by an earlier dream in one of the fixed frames.
    pub(super) generated: bool,
    /// Takes part (steering did not leave it out).
    pub(super) active: bool,
    pub(super) origin: Origin,
}

/// The whole store.
pub(super) struct Snapshot {
    pub(super) entries: Vec<Entry>,
    pub(super) base: Digest,
    pub(super) errors: Vec<String>,
}

/// The store's memories by path, each path once.
pub(super) fn by_path(memories: &[Memory]) -> (Vec<&Memory>, Vec<String>) {
    let mut sorted: Vec<&Memory> = memories.iter().collect();
    sorted.sort_by(|a, b| (&a.path, a.text.digest(), &a.origin).cmp(&(&b.path, b.text.digest(), &b.origin)));
    let mut errors = Vec::new();
    sorted.dedup_by(|next, kept| {
        let same = next.path == kept.path;
        if same {
            errors.push(format!("memory {} was given twice; only one copy was read", kept.path));
        }
        same
    });
    (sorted, errors)
}

/// Digest over the memories and sessions: what a plan is bound to.
pub(super) fn base(input: &Input<'_>) -> Digest {
    let (memories, _) = by_path(input.memories);
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for memory in memories {
        parts.push(memory.path.as_str().as_bytes().to_vec());
        parts.push(memory.text.digest().bytes().to_vec());
        parts.push(memory.origin.authority.name().as_bytes().to_vec());
    }
    let mut sessions: Vec<_> = input.sessions.iter().map(|s| (s.id.as_str(), s.input_digest)).collect();
    sessions.sort_unstable();
    sessions.dedup();
    for (id, digest) in sessions {
        parts.push(id.as_bytes().to_vec());
        parts.push(digest.bytes().to_vec());
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

impl Snapshot {
    pub(super) fn of(input: &Input<'_>, steering: &Steering) -> Self {
        let (memories, errors) = by_path(input.memories);
        let mut entries: Vec<Entry> = Vec::new();
        for memory in memories {
            let document = Document::parse(memory.text.peek_unscanned());
            read_memory(input, steering, memory, &document, &mut entries);
        }
        Self { entries, base: base(input), errors }
    }
}

/// The scope of a path: `/users/<name>`, `/teams/<name>`, `/projects/<name>`, else the whole store.
pub(super) fn scope_of(path: &MemoryPath) -> String {
    // What was put aside is no partner for what is live: a merge must not keep the archived copy.
    let aside = |s: &str| {
        matches!(
            s.trim_start_matches('.').to_ascii_lowercase().as_str(),
            "archive" | "archived" | "attic" | "trash" | "deleted"
        )
    };
    if path.relative().split('/').any(aside) {
        return format!("archive{path}");
    }
    let mut segments = path.relative().split('/');
    match (segments.next(), segments.next()) {
        (Some(kind @ ("users" | "teams" | "projects" | "user" | "team" | "project")), Some(name)) => {
            let name = name.strip_suffix(".md").unwrap_or(name);
            format!("{}/{name}", kind.trim_end_matches('s'))
        }
        _ => String::new(),
    }
}

fn read_memory(input: &Input<'_>, steering: &Steering, memory: &Memory, document: &Document, entries: &mut Vec<Entry>) {
    let text = document.text();
    let front = document.front_matter();
    let memory_pinned = front.slice(text).is_some_and(|front| {
        front.lines().any(|line| line.trim().to_ascii_lowercase().replace(' ', "") == "pinned:true")
    });
    let scope = scope_of(&memory.path);
    let in_insights = memory.path.as_str().starts_with("/insights/");
    let notes: Vec<&Note> = document.notes().collect();
    let no_marks = Marks::default();
    let marks: Vec<&Marks> = (0..notes.len())
        .map(|number| input.memory_marks.get(&(memory.path.clone(), number)).unwrap_or(&no_marks))
        .collect();
    // Held neighbours must not influence how others are read, so they are passed over here.
    let visible: Vec<usize> = (0..notes.len()).filter(|&n| !marks[n].held).collect();
    let places = surroundings(text, &notes, &visible);
    for (number, note) in notes.iter().enumerate() {
        let body = document.body(note).to_owned();
        let key = Key::of(&body);
        let gist = Gist::of(&key);
        let around = places.get(&number).cloned().unwrap_or_default();
        let headings = document.heading_path(note).iter().map(|h| frame::fold(h)).collect::<Vec<_>>().join(" / ");
        let in_front = front.contains(&note.span) && !front.is_empty();
        let key_value = note.shape == Shape::KeyValue;
        let self_contained =
            note.shape != Shape::TableRow && !key_value && !in_front && is_self_contained(&key) && !around.nested;
        // Under headings a statement belongs to its document: another document is another place.
        let context = if self_contained && headings.is_empty() {
            String::new()
        } else if self_contained {
            format!("{}\u{1}{headings}", memory.path)
        } else {
            format!("{}\u{1}{headings}\u{1}{}", memory.path, around.parent)
        };
        let place = format!("{}\u{1}{headings}\u{1}{}", memory.path, around.parent);
        // In a list the items around a pair may say whose it is; a date of its own says that it is a value of its time.
        let dated_item = note.shape == Shape::ListItem && key.dated.is_some();
        let looks_like_pair = key_value || dated_item || (key.text.contains('=') && !key.text.contains("=="));
        let frame = if note.shape == Shape::TableRow || in_front {
            None
        } else {
            frame::parse(&key, looks_like_pair, &place).map(|frame| match steering.is_functional(&frame.attribute) {
                Some(functional) => Frame { functional, ..frame },
                None => frame,
            })
        };
        let place_key = (memory.path.clone(), number);
        // A mark on a single note can only lower what its memory may claim.
        let authority = input
            .note_authority
            .get(&place_key)
            .map_or(memory.origin.authority, |given| (*given).min(memory.origin.authority));
        let ordinary =
            input.note_kinds.get(&place_key).map_or_else(|| looks_ordinary(&key), |kind| !kind.is_governed());
        let recorded = memory.origin.at;
        let event = is_event(&key);
        let mark = marks[number];
        let findings: Vec<String> = mark.findings.iter().map(|f| f.rule.as_str().to_owned()).collect();
        let held = mark.held.then(|| {
            let mut names = findings.clone();
            names.sort();
            names.dedup();
            if names.is_empty() {
                "held by policy".to_owned()
            } else {
                format!("held by the scan: {}", names.join(", "))
            }
        });
        entries.push(Entry {
            note: NoteRef { path: memory.path.clone(), note: number, digest: document.body_digest(note) },
            generated: in_insights || is_generated(&body),
            active: steering.covers(memory.path.as_str(), &body),
            pinned: memory_pinned || body.contains("<!-- pin -->"),
            bound: around.bound || note.shape == Shape::TableRow || in_front || body.trim_end().ends_with(':'),
            found: mark.findings.iter().any(|f| f.severity >= Severity::Low),
            time: key.dated.or(recorded),
            origin: Origin { span: note.body.shifted(memory.origin.span.start), authority, ..memory.origin.clone() },
            principal: memory.origin.principal.clone(),
            scope: scope.clone(),
            body,
            gist,
            frame,
            context,
            place,
            self_contained,
            authority,
            recorded,
            event,
            held,
            ordinary,
            key,
        });
    }
}

#[derive(Clone, Default)]
struct Surroundings {
    parent: String,
    nested: bool,
    bound: bool,
}

/// What the position of each note adds to its meaning.
fn surroundings(text: &str, notes: &[&Note], visible: &[usize]) -> BTreeMap<usize, Surroundings> {
    let indent = |note: &Note| -> usize {
        let head = &text[note.span.start..note.body.start.max(note.span.start)];
        head.bytes().take_while(|b| matches!(b, b' ' | b'\t')).map(|b| if b == b'\t' { 4 } else { 1 }).sum()
    };
    let ordered = |note: &Note| {
        let head = text[note.span.start..note.body.start.max(note.span.start)].trim_start();
        note.shape == Shape::ListItem && head.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut out = BTreeMap::new();
    // Open parents: (indent, folded text). A paragraph that ends with a colon is one as well.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut lead: Option<(String, Vec<crate::domain::Span>)> = None;
    for (at, &number) in visible.iter().enumerate() {
        let note = notes[number];
        let body = note.body.slice(text).unwrap_or_default();
        let next = visible.get(at + 1).map(|&n| notes[n]);
        let previous = at.checked_sub(1).and_then(|p| visible.get(p)).map(|&n| notes[n]);
        let mut place = Surroundings::default();
        if note.shape == Shape::ListItem {
            let depth = indent(note);
            open.retain(|(above, _)| *above < depth);
            place.nested = !open.is_empty();
            let lead_text = lead.as_ref().filter(|(_, h)| *h == note.headings).map(|(t, _)| t.clone());
            place.nested |= lead_text.is_some();
            place.parent =
                lead_text.into_iter().chain(open.iter().map(|(_, t)| t.clone())).collect::<Vec<_>>().join(" > ");
            let child = next.is_some_and(|n| n.shape == Shape::ListItem && indent(n) > depth);
            let same_list = |n: Option<&Note>| n.is_some_and(|n| ordered(n) && n.headings == note.headings);
            place.bound = child || (ordered(note) && (same_list(next) || same_list(previous)));
            open.push((depth, Key::of(body).key));
        } else {
            open.clear();
            lead = body.trim_end().ends_with(':').then(|| (Key::of(body).key, note.headings.clone()));
            place.bound = lead.is_some();
        }
        out.insert(number, place);
    }
    out
}

/// A whole statement with a subject of its own: it means the same under any heading.
fn is_self_contained(key: &Key) -> bool {
    const LEANING: &[&str] = &[
        "it", "its", "this", "that", "these", "those", "they", "he", "she", "here", "there", "same", "also", "then",
        "uses", "use", "runs", "run", "requires", "needs", "has", "is", "are", "was", "see", "yes", "no", "todo",
        "done", "none", "set", "call", "add", "fix", "and", "or", "but", "so", "both", "such", "above", "below",
        "step",
    ];
    let words = key.tokens.iter().filter(|t| t.class != Class::Symbol).count();
    let first = key.tokens.first().map_or("", |t| t.fold.as_str());
    words >= 4 && !LEANING.contains(&first) && !key.text.trim_end().ends_with(':')
}

/// True for statements that report something that happened once: they never update each other.
fn is_event(key: &Key) -> bool {
    // "DATE: it was full" is one line of a log; the next day's line is another event, not the same fact again.
    let was = |fold: &str| matches!(fold, "was" | "were" | "had");
    let past = key.tokens.iter().take(12).any(|t| words::EVENT_VERBS.contains(t.fold.as_str()) || was(&t.fold));
    let has_date = key.tokens.iter().any(|t| t.class == Class::Date) || key.dated.is_some();
    let strong =
        ["merged", "deployed", "released", "shipped", "incident", "outage", "postmortem", "crashed", "visited", "met"];
    (past && has_date) || key.tokens.iter().take(8).any(|t| strong.contains(&t.fold.as_str()))
}

/// Cautious stand-in for the kinds of `detect`: orders, rights, destinations are not ordinary.
fn looks_ordinary(key: &Key) -> bool {
    !key.tokens.iter().any(|t| t.class == Class::Url || words::GOVERNED.contains(t.fold.as_str()))
}

/// True for the fixed frames that [`super::patterns`] writes.
fn is_generated(body: &str) -> bool {
    ["Stated in ", "Asked to remember ("].iter().any(|frame| body.starts_with(frame))
}
