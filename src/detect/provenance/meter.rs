//! The laundering meter: an entry may not claim more than the spans it cites (threat model R5).
//!
//! Sentence by sentence, the entry is laid beside the cited sentences that speak of the same thing, and compared on
//! certainty, attribution, scope, time, quantity and names. The best supporter of each axis counts, so citing more
//! never makes an entry look worse, and a hedge that stands beside a sentence ("not sure, though") counts as in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::words::{Certainty, Sentence, content, dates, digits, names, numbers, sentences};
use super::{Cited, Step};
use crate::detect::normalize::fold_text;
use crate::domain::Span;

/// Share of an entry sentence's words that a supporter has to have, hundredths.
const SUPPORT: usize = 25;
/// Cited sentences that are looked at; the meter says so when there are more.
const SENTENCES: usize = 4_000;

/// What a rise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Axis {
    Certainty,
    Attribution,
    Scope,
    Time,
    Quantity,
    Name,
}

impl Axis {
    pub(super) const fn slug(self) -> &'static str {
        match self {
            Self::Certainty => "laundered-certainty",
            Self::Attribution => "laundered-attribution",
            Self::Scope => "laundered-scope",
            Self::Time => "laundered-time",
            Self::Quantity => "laundered-quantity",
            Self::Name => "laundered-name",
        }
    }
}

/// Every upward step of `entry` against `cited`. `counted`: our own code composed the entry, so its counts and
/// places are its own evidence.
///
/// Cost: sentences of the entry times cited sentences, of which at most 4,000 are looked at.
pub(super) fn rises(entry: &str, cited: &[Cited<'_>], counted: bool) -> Vec<Step> {
    let mut sources: Vec<Sentence> = Vec::new();
    let mut whole = String::new();
    for source in cited {
        let mut own = sentences(source.text);
        lend_asides(&mut own);
        sources.extend(own);
        whole.push_str(&fold_text(source.text));
        whole.push('\n');
        whole.push_str(&fold_text(source.context));
        whole.push('\n');
    }
    sources.truncate(SENTENCES);
    if sources.is_empty() {
        return Vec::new();
    }
    let known = Known::of(&whole, cited);
    let mut steps = Vec::new();
    let entry = without_masks(entry);
    let mut own = sentences(&entry);
    lend_asides(&mut own);
    for sentence in own.iter().filter(|s| !s.words.is_empty()) {
        let supporters = supporters(sentence, &sources);
        compare(sentence, &supporters, &known, counted, &mut steps);
    }
    steps
}

/// The entry with the masks of secrets blanked, byte for byte. Only ids of our own masks: a bracket hides nothing else.
fn without_masks(entry: &str) -> Cow<'_, str> {
    if !entry.contains("[redacted:") {
        return Cow::Borrowed(entry);
    }
    let mut out = entry.to_owned();
    for (at, _) in entry.match_indices("[redacted:") {
        let rest = entry.get(at..).unwrap_or_default();
        let Some(end) = rest.find(']') else { continue };
        let id = rest.get("[redacted:".len()..end).unwrap_or_default();
        let name = id.strip_prefix("secrets.").or_else(|| id.strip_prefix("personal-data."));
        if name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')) {
            out.replace_range(at..=at + end, &" ".repeat(end + 1));
        }
    }
    Cow::Owned(out)
}

/// A sentence takes on what its neighbour says about it.
fn lend_asides(list: &mut [Sentence]) {
    for at in 0..list.len() {
        if !list[at].is_aside() {
            continue;
        }
        let aside = list[at].clone();
        for near in [at.checked_sub(1), Some(at + 1)].into_iter().flatten() {
            if let Some(next) = list.get_mut(near).filter(|next| !next.is_aside()) {
                next.certainty = next.certainty.min(aside.certainty);
                next.reported |= aside.reported;
                next.passing |= aside.passing;
                next.limited |= aside.limited;
            }
        }
    }
}

/// Cited sentences that speak of the same thing; all of them when none clearly does.
fn supporters<'s>(sentence: &Sentence, sources: &'s [Sentence]) -> Vec<&'s Sentence> {
    let share = |source: &Sentence| {
        let common = source.words.intersection(&sentence.words).count();
        let least = source.words.len().min(sentence.words.len()).max(1);
        common * 100 / least
    };
    let best = sources.iter().filter(|s| !s.words.is_empty()).map(share).max().unwrap_or(0);
    if best < SUPPORT {
        return sources.iter().filter(|s| !s.words.is_empty()).collect();
    }
    sources.iter().filter(|s| !s.words.is_empty() && share(s) * 4 >= best * 3).collect()
}

/// What all cited spans together name.
struct Known {
    text: String,
    words: BTreeSet<String>,
    numbers: BTreeSet<String>,
    names: BTreeSet<String>,
    /// Days at which cited spans were said, `YYYY-MM-DD`.
    said: BTreeSet<String>,
}

impl Known {
    fn of(whole: &str, cited: &[Cited<'_>]) -> Self {
        let said: BTreeSet<String> =
            cited.iter().filter_map(|c| c.at).map(|at| at.to_string().chars().take(10).collect::<String>()).collect();
        let mut numbers = numbers(whole);
        for day in &said {
            numbers.extend(self::numbers(day));
        }
        Self { words: content(whole), numbers, names: names(whole), said, text: whole.to_owned() }
    }
    fn has_name(&self, name: &str) -> bool {
        self.text.contains(name) || self.names.iter().any(|n| n.len() >= 4 && name.ends_with(n.as_str()))
    }
    /// A date that cited text holds, or at which it was said; relative words may stand for days near that.
    fn has_date(&self, date: &str, relative: bool) -> bool {
        if self.text.contains(date) || self.said.iter().any(|day| day.starts_with(date)) {
            return true;
        }
        let parts = numbers(date);
        let month = date.split(|c: char| !c.is_alphabetic()).find(|w| w.len() >= 3);
        let written = parts.iter().all(|n| self.numbers.contains(n))
            && month.is_none_or(|m| self.words.iter().any(|w| w.starts_with(&m[..3])) || self.month_said(m));
        written || (relative && !self.said.is_empty() && self.near(date))
    }
    fn month_said(&self, month: &str) -> bool {
        const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let number = MONTHS.iter().position(|m| month.starts_with(m)).map(|at| format!("-{:02}-", at + 1));
        number.is_some_and(|n| self.said.iter().any(|day| day.contains(&n)) || self.text.contains(&n))
    }
    /// Within about two weeks of a day on which something was said: what `next Monday` may mean.
    fn near(&self, date: &str) -> bool {
        let day = |text: &str| -> Option<i64> {
            let mut parts = text.split('-').map(|p| p.parse::<i64>().ok());
            let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
            Some(year * 372 + month * 31 + day)
        };
        match day(date) {
            Some(wanted) => self.said.iter().filter_map(|said| day(said)).any(|said| (said - wanted).abs() <= 16),
            None => self.said.iter().any(|said| said.get(..4).is_some_and(|year| date.contains(year))),
        }
    }
}

fn compare(entry: &Sentence, supporters: &[&Sentence], known: &Known, counted: bool, steps: &mut Vec<Step>) {
    if supporters.is_empty() {
        return;
    }
    let all = |test: fn(&Sentence) -> bool| supporters.iter().all(|s| test(s));
    let mut rise = |axis: Axis, what: &'static str| steps.push(Step { axis, span: entry.span, what });
    let best = supporters.iter().map(|s| s.certainty).max().unwrap_or(Certainty::Question);
    let firm = entry.certainty >= Certainty::Plain;
    match best {
        Certainty::Question if firm => rise(Axis::Certainty, "a question became a statement"),
        Certainty::Hedged if firm => rise(Axis::Certainty, "a guess became a fact"),
        Certainty::Planned if firm => rise(Axis::Certainty, "a plan or request became a fact"),
        Certainty::Coming if firm && entry.done && !supporters.iter().any(|s| s.done) => {
            rise(Axis::Certainty, "what is to come became a deed");
        }
        Certainty::Plain if entry.certainty == Certainty::Emphatic => {
            rise(Axis::Certainty, "a plain statement was declared certain");
        }
        _ => {}
    }
    if !entry.reported && all(|s| s.reported) {
        rise(Axis::Attribution, "somebody's claim lost its speaker");
    }
    if entry.reported && firm && !counted && supporters.iter().all(|s| !s.reported && !s.own) {
        rise(Axis::Attribution, "a speaker was added");
    }
    if entry.universal && !supporters.iter().any(|s| s.universal) {
        rise(Axis::Scope, "one case became all cases");
    } else if !entry.limited && !entry.universal && all(|s| s.limited && !s.universal) && firm {
        rise(Axis::Scope, "a limit was lost");
    }
    if entry.many && all(|s| s.own && !s.many) && !counted {
        rise(Axis::Scope, "one person's word became everybody's");
    }
    if !entry.passing && firm && all(|s| s.passing && !s.reported) && all(|s| s.certainty >= Certainty::Coming) {
        rise(Axis::Time, "a date or an end was lost");
    }
    let relative = supporters.iter().any(|s| s.relative);
    let written = dates(&entry.text);
    if written.iter().any(|date| !known.has_date(date, relative)) && !counted {
        rise(Axis::Time, "a date was added");
    }
    if !counted && digits(&entry.text).iter().any(|(at, n)| !is_known_number(entry, *at, n, known, &written)) {
        rise(Axis::Quantity, "a number is not in what is cited");
    }
    if !counted && names(&entry.text).iter().any(|name| !known.has_name(name)) {
        rise(Axis::Name, "a place, path or id is not in what is cited");
    }
}

fn is_known_number(entry: &Sentence, at: Span, number: &str, known: &Known, written: &[String]) -> bool {
    if known.numbers.contains(number) || written.iter().any(|date| date.contains(number)) {
        return true;
    }
    // A number inside a name is the name's; a time of day has two spellings.
    if names(&entry.text).iter().any(|name| name.contains(number) && known.has_name(name)) {
        return true;
    }
    let parts: Vec<&str> = number.split(':').collect();
    let around = entry.text.get(at.end..).unwrap_or_default().trim_start();
    let hour = parts[0].parse::<u32>().ok().filter(|_| parts.len() == 2 || around.starts_with(['a', 'p']));
    hour.is_some_and(|h| {
        let minutes = parts.get(1).is_none_or(|m| *m == "00" || known.numbers.contains(*m));
        minutes && [h, h + 12, h.wrapping_sub(12)].iter().any(|h| known.numbers.contains(&h.to_string()))
    })
}
