//! What a pattern cannot match without: sets of literals, one of each set in the text, in order and
//! within reach of each other.
//!
//! Single keywords are common words, and every sentence wakes a dozen rules. The pattern itself
//! says what else has to stand there (`ignore`, then within sixty characters `instruction`), and
//! where words have to begin and end. Checking that costs a few steps per literal, and only ever
//! rejects what the pattern would reject: what is read off is always less than what is needed.
//!
//! Source: the idea of RE2's `FilteredRE2`; own design for order, reach and word borders.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

use super::common;
use crate::detect::span::floor_char;

/// Strings kept apart while they are put together; more are cut off as one set.
const PRODUCT: usize = 160;
/// The same where several on one side meet several on the other: phrases that differ late tell little more.
const PHRASES: usize = 32;
/// Largest set that is worth a place in the lexicon.
const SET: usize = 160;
/// Strings of a set that are compared with each other.
const PAIRED: usize = 40;
/// Characters of a class that are spelled out, and of one that is nothing but marks.
const CLASS: usize = 12;
const MARKS: usize = 24;
/// Bytes of a literal that are looked for.
pub(super) const BYTES: usize = 24;
/// Sets of one chain.
const STEPS: usize = 6;
/// Ways through one pattern; more are put together as one set.
const WAYS: usize = 64;
/// A set found more often than this, per million words of honest text, tells too little beside a rarer one: its places
/// are looked up only where the rarest set of the chain stands, but they fill the list of what was found.
const COMMON: u64 = 30_000;
/// Two letters that more words of a million begin with than this are not looked for.
const PAIR: u64 = 20_000;

/// A string, and whether it ends at the border of a word on its left and on its right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) left: bool,
    pub(super) right: bool,
}

/// Alternatives of which one must be there.
pub(super) type Set = Vec<Literal>;

/// How far something can be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    /// At most so many characters; `None` for any number.
    pub(super) most: Option<usize>,
    /// And any number of characters that are no letters.
    pub(super) quiet: bool,
}

impl Reach {
    pub(super) const NONE: Self = Self::of(0);
    pub(super) const ANY: Self = Self { most: None, quiet: false };

    const fn of(most: usize) -> Self {
        Self { most: Some(most), quiet: false }
    }
    fn plus(self, other: Self) -> Self {
        let sum = |a: usize, b: usize| a.saturating_add(b);
        Self { most: self.most.zip(other.most).map(|(a, b)| sum(a, b)), quiet: self.quiet || other.quiet }
    }
    fn max(self, other: Self) -> Self {
        Self { most: self.most.zip(other.most).map(|(a, b)| a.max(b)), quiet: self.quiet || other.quiet }
    }
    fn times(self, count: Option<u32>) -> Self {
        match (self.most, count) {
            (_, Some(0)) => Self::NONE,
            (Some(0), _) => self,
            (most, count) => {
                let most = most.zip(count).map(|(most, count)| most.saturating_mul(count as usize));
                Self { most, quiet: self.quiet }
            }
        }
    }
}

/// What has to stand directly before the first literal: one of these strings, or the start of a line with nothing
/// but list marks and numbers between.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Before {
    pub(super) line: bool,
    /// Each ends in no letter, or the first literal would not begin a word.
    pub(super) ends: Vec<String>,
}

/// One way to match a pattern: a literal of each set, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chain {
    pub(super) before: Option<Before>,
    /// Never empty. Each with the most characters between its end and the next one's beginning.
    pub(super) steps: Vec<Step>,
    /// The most characters of a match before the first.
    pub(super) lead: Reach,
    /// The most characters of a match after the last.
    pub(super) trail: Reach,
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) set: Set,
    /// The most characters between the link before and this one; of no use in the first.
    pub(super) gap: Reach,
}

/// Chains of which every match of `pattern` over folded text holds one, or `false` beside them when a way through
/// the pattern has nothing to look for.
pub(super) fn of(pattern: &str) -> (Vec<Chain>, bool) {
    let Ok(hir) = regex_syntax::parse(pattern) else { return (Vec::new(), false) };
    let ways = ways(&hir);
    let count = ways.len();
    let mut chains: Vec<Chain> = ways.into_iter().filter_map(chain).collect();
    let all = chains.len() == count;
    chains.sort_unstable();
    chains.dedup();
    (chains, all)
}

/// A piece of a way through a pattern.
#[derive(Clone, Debug)]
enum Item {
    /// Exactly these strings. An empty one with `left` is the border of a word.
    Exact(Set),
    /// At most so many characters that are not looked at. `first` and `last` tell that it begins and ends
    /// with the border of a word, `keeps` that behind it there is one if there was one before, `marks` that it holds
    /// no letters.
    Gap { most: Reach, first: bool, last: bool, keeps: bool, marks: bool },
    /// Where an order begins: a line, a sentence, or what follows a joining word.
    Before { before: Before, most: Reach },
}

type Way = Vec<Item>;

const fn gap(most: Reach) -> Item {
    Item::Gap { most, first: false, last: false, keeps: false, marks: false }
}

fn literal(text: impl Into<String>) -> Literal {
    Literal { text: text.into(), left: false, right: false }
}

fn empty(border: bool) -> Literal {
    Literal { left: border, ..literal("") }
}

/// Word characters as `\b` sees them; unknown ones count as none, which only asks for less.
fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// True when every string ends with the border of a word: an empty one that asks for it, or no letter.
fn ends(set: &[Literal]) -> bool {
    set.iter().all(|l| if l.text.is_empty() { l.left } else { l.right || !is_word(l.text.chars().next_back()) })
}

fn longest(set: &[Literal]) -> usize {
    set.iter().map(|l| l.text.chars().count()).max().unwrap_or(0)
}

fn reach(way: &[Item]) -> Reach {
    let each = way.iter().map(|item| match item {
        Item::Exact(set) => Reach::of(longest(set)),
        Item::Gap { most, .. } | Item::Before { most, .. } => *most,
    });
    each.fold(Reach::NONE, Reach::plus)
}

fn reach_of(ways: &[Way]) -> Reach {
    ways.iter().map(|way| reach(way)).fold(Reach::NONE, Reach::max)
}

/// All ways through a pattern, or fewer that hold less.
fn ways(hir: &Hir) -> Vec<Way> {
    let exact = |set| vec![vec![Item::Exact(set)]];
    match hir.kind() {
        HirKind::Empty => exact(vec![empty(false)]),
        // Starts and ends of lines are borders of words, too.
        HirKind::Look(Look::Start | Look::StartLF | Look::StartCRLF) => {
            vec![vec![Item::Before { before: Before { line: true, ends: Vec::new() }, most: Reach::NONE }]]
        }
        HirKind::Look(look) => exact(vec![empty(!matches!(look, Look::WordAsciiNegate | Look::WordUnicodeNegate))]),
        HirKind::Literal(found) => match std::str::from_utf8(&found.0) {
            Ok(text) => exact(vec![literal(text.replace(is_space, " "))]),
            Err(_) => vec![vec![gap(Reach::of(found.0.len()))]],
        },
        HirKind::Class(Class::Unicode(class)) => vec![vec![of_class(class)]],
        HirKind::Class(Class::Bytes(_)) => vec![vec![gap(Reach::of(1))]],
        HirKind::Repetition(repetition) => of_repetition(repetition),
        HirKind::Capture(capture) => ways(&capture.sub),
        HirKind::Concat(parts) => of_concat(parts),
        HirKind::Alternation(parts) => of_alternation(parts),
    }
}

/// White space is one space in the folded text.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn of_class(class: &ClassUnicode) -> Item {
    let ranges = class.ranges();
    let chars = || ranges.iter().flat_map(|r| r.start()..=r.end());
    let count: usize = ranges.iter().map(|r| (r.end() as usize) - (r.start() as usize) + 1).sum();
    if count <= CLASS + 32 {
        let mut set: Set = chars().filter(|c| !is_space(*c)).map(literal).collect();
        if chars().any(is_space) {
            set.push(literal(" "));
        }
        let marks = || set.iter().all(|l| !l.text.chars().any(char::is_alphanumeric));
        if (1..=CLASS).contains(&set.len()) || (set.len() <= MARKS && !set.is_empty() && marks()) {
            return Item::Exact(set);
        }
    }
    let border = disjoint(class, r"\w");
    let marks = disjoint(class, r"\p{Alphabetic}");
    Item::Gap { most: Reach::of(1), first: border, last: border, keeps: false, marks }
}

/// True when no character of `class` is one of `other`, a class of its own.
fn disjoint(class: &ClassUnicode, other: &'static str) -> bool {
    static KNOWN: [OnceLock<Option<ClassUnicode>>; 2] = [OnceLock::new(), OnceLock::new()];
    let parse = || match regex_syntax::parse(other).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    };
    KNOWN[usize::from(other == r"\w")].get_or_init(parse).as_ref().is_some_and(|other| {
        let mut both = class.clone();
        both.intersect(other);
        both.ranges().is_empty()
    })
}

/// True for `\s` and the like.
fn is_white(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class
            .ranges()
            .iter()
            .all(|r| (r.end() as u32) - (r.start() as u32) < 16 && (r.start()..=r.end()).all(is_space)),
        _ => false,
    }
}

fn of_repetition(repetition: &Repetition) -> Vec<Way> {
    if is_white(&repetition.sub) {
        // A run of white space is one space in the folded text.
        let mut set = vec![literal(" ")];
        set.extend((repetition.min == 0).then(|| empty(false)));
        return vec![vec![Item::Exact(set)]];
    }
    let sub = ways(&repetition.sub);
    let most = reach_of(&sub);
    let silent = sub.iter().all(|way| way.iter().all(is_silent));
    let keeps = silent || sub.iter().all(|way| way.last().is_some_and(ends_word));
    let marks = sub.iter().all(|way| way.iter().all(is_marks));
    let times = |count: Option<u32>| match count {
        None if silent => Reach { most: Some(0), quiet: true },
        count => most.times(count),
    };
    match (repetition.min, repetition.max, sub.as_slice()) {
        (_, Some(0), _) => vec![vec![Item::Exact(vec![empty(false)])]],
        (0, Some(1), [way]) if matches!(way.as_slice(), [Item::Exact(set)] if set.len() < PRODUCT) => {
            let mut way = way.clone();
            if let Some(Item::Exact(set)) = way.first_mut() {
                set.push(empty(false));
            }
            vec![way]
        }
        (0, max, _) => vec![vec![Item::Gap { most: times(max), first: false, last: false, keeps, marks }]],
        (1, Some(1), _) => sub,
        (_, max, _) => {
            // One is there; the others are not looked at.
            let rest = Item::Gap { most: times(max.map(|m| m - 1)), first: false, last: false, keeps, marks };
            sub.into_iter().map(|way| way.into_iter().chain([rest.clone()]).collect()).collect()
        }
    }
}

/// No letters in it.
fn is_marks(item: &Item) -> bool {
    match item {
        Item::Exact(set) => !set.iter().any(|l| l.text.chars().any(char::is_alphabetic)),
        Item::Gap { marks, .. } => *marks,
        Item::Before { .. } => false,
    }
}

/// No word characters in it.
fn is_silent(item: &Item) -> bool {
    match item {
        Item::Exact(set) => set.iter().all(|l| !l.text.chars().any(|c| is_word(Some(c)))),
        Item::Gap { first, last, .. } => *first && *last,
        Item::Before { .. } => false,
    }
}

/// It ends with the border of a word.
fn ends_word(item: &Item) -> bool {
    match item {
        Item::Exact(set) => ends(set),
        Item::Gap { last, .. } => *last,
        Item::Before { .. } => true,
    }
}

fn of_concat(parts: &[Hir]) -> Vec<Way> {
    let mut all: Vec<Way> = vec![Vec::new()];
    for part in parts {
        let mut more = ways(part);
        // Where one of several ways has nothing to look for, the others need not be told apart.
        if more.len() > 1 && (all.len() * more.len() > WAYS || more.iter().any(|way| chain(way.clone()).is_none())) {
            more = vec![beginning(&more).map_or_else(|| together(more), |item| vec![item])];
        }
        all = all.iter().flat_map(|way| more.iter().map(|next| next.iter().fold(way.clone(), followed))).collect();
    }
    all
}

/// Several ways as the place where an order begins, when that is what they are.
fn beginning(ways: &[Way]) -> Option<Item> {
    let mut before = Before::default();
    for way in ways {
        match way.as_slice() {
            [Item::Before { before: more, .. }, rest @ ..] if rest.iter().all(is_marks) && more.ends.is_empty() => {
                before.line = true;
            }
            [Item::Exact(set)] if set.iter().all(|l| !l.text.is_empty() && ends(std::slice::from_ref(l))) => {
                before.ends.extend(set.iter().map(|l| l.text.clone()));
            }
            _ => return None,
        }
    }
    before.ends.sort_unstable();
    before.ends.dedup();
    Some(Item::Before { before, most: reach_of(ways) })
}

/// A way with one more item; strings that follow each other become one.
fn followed(mut way: Way, item: &Item) -> Way {
    match (way.last_mut(), item) {
        (Some(Item::Exact(before)), Item::Exact(after)) if may_join(before, after) => {
            *before = product(before, after);
        }
        _ => way.push(item.clone()),
    }
    way
}

fn of_alternation(parts: &[Hir]) -> Vec<Way> {
    let (mut exact, mut others) = (Vec::new(), Vec::new());
    for way in parts.iter().flat_map(ways) {
        match way.as_slice() {
            [Item::Exact(set)] if exact.len() + set.len() <= PRODUCT => exact.extend(set.iter().cloned()),
            _ => others.push(way),
        }
    }
    if !exact.is_empty() {
        others.push(vec![Item::Exact(exact)]);
    }
    if others.len() > WAYS { vec![together(others)] } else { others }
}

/// Several ways as one: the rarest set of each, or a gap.
fn together(ways: Vec<Way>) -> Way {
    let most = reach_of(&ways);
    let (mut union, mut lead, mut trail) = (Vec::new(), Reach::NONE, Reach::NONE);
    for way in ways {
        let Some(mut chain) = chain(way) else { return vec![gap(most)] };
        let best = chain.rarest();
        let sum = |steps: &[Step]| {
            steps.iter().fold(Reach::NONE, |sum, step| sum.plus(step.gap).plus(Reach::of(longest(&step.set))))
        };
        lead = lead.max(chain.lead.plus(sum(&chain.steps[..best])).plus(chain.steps[best].gap));
        trail = trail.max(sum(&chain.steps[best + 1..]).plus(chain.trail));
        union.append(&mut chain.steps[best].set);
    }
    match close(union) {
        Some(Closed { set, head, tail }) => {
            vec![gap(lead.plus(Reach::of(head))), Item::Exact(set), gap(trail.plus(Reach::of(tail)))]
        }
        None => vec![gap(most)],
    }
}

/// The sets of one way that are worth looking for. `None` when there is none.
fn chain(way: Way) -> Option<Chain> {
    // Neighbours are put together, and borders of words carried over.
    let mut parts: Vec<(Set, Reach)> = Vec::new(); // a set, and the gap before it
    let mut now = vec![empty(false)];
    let mut before = Reach::NONE;
    let (mut place, mut first) = (None, true);
    for item in way {
        match &item {
            Item::Before { before, .. } if first => place = Some(before.clone()),
            Item::Exact(set) => first &= set.iter().all(|l| l.text.is_empty()),
            // Marks and numbers may stand between the start of a line and its first word.
            item => {
                place = place.filter(|place: &Before| !first || (is_marks(item) && place.ends.is_empty()));
                first &= place.is_some();
            }
        }
        match item {
            Item::Before { most, .. } => {
                parts.push((std::mem::replace(&mut now, vec![empty(true)]), before));
                before = most;
            }
            Item::Exact(set) if may_join(&now, &set) => now = product(&now, &set),
            Item::Exact(set) => {
                let border = ends(&now);
                let set = if border { product(&[empty(true)], &set) } else { set };
                parts.push((std::mem::replace(&mut now, set), std::mem::replace(&mut before, Reach::NONE)));
            }
            Item::Gap { most, first, last, keeps, .. } => {
                // No letter follows: the word before ends here.
                let word = if first { product(&now, &[empty(true)]) } else { now };
                let border = last || (keeps && ends(&word));
                let nothing = word.iter().all(|l| l.text.is_empty());
                now = vec![empty(border)];
                if nothing {
                    before = before.plus(most);
                } else {
                    parts.push((word, before));
                    before = most;
                }
            }
        }
    }
    parts.push((now, before));
    // Sets that tell nothing become part of the gaps, and what stood before the first of them no longer does.
    let told = parts.iter().find(|part| part.0.iter().any(|l| !l.text.is_empty()));
    place = place.filter(|_| told.and_then(|part| close(part.0.clone())).is_some_and(|closed| closed.head == 0));
    let mut steps: Vec<Step> = Vec::new();
    let mut last: Option<Set> = None;
    let mut open = Reach::NONE;
    for (set, before) in parts {
        open = open.plus(before);
        let length = longest(&set);
        // What stands directly before the first set and tells nothing alone: `, ` or `: first `.
        if steps.is_empty() && place.is_none() && before == Reach::NONE {
            let marks = |set: &Set| set.iter().all(|l| l.text.chars().next_back().is_some_and(|c| !is_word(Some(c))));
            let headless = |set: &Set| close(set.clone()).is_some_and(|closed| closed.head == 0);
            place = last
                .filter(|last: &Set| marks(last) && headless(&set))
                .map(|last| Before { line: false, ends: last.into_iter().map(|l| l.text).collect() });
        }
        last = Some(set.clone());
        match close(set) {
            Some(Closed { set, head, tail }) => {
                steps.push(Step { set, gap: open.plus(Reach::of(head)) });
                open = Reach::of(tail);
            }
            None => open = open.plus(Reach::of(length)),
        }
    }
    let mut chain = Chain { before: place, lead: steps.first()?.gap, steps, trail: open };
    chain.steps[0].gap = Reach::NONE;
    // A step is worth what it keeps away from the pattern: beside a rare one, a common one is not.
    let often = |chain: &Chain, i: usize| common::frequency(&chain.steps[i].set);
    while chain.steps.len() > 1 {
        let most = (0..chain.steps.len()).max_by_key(|&i| often(&chain, i))?;
        if chain.steps.len() <= STEPS && often(&chain, most) <= COMMON {
            break;
        }
        chain.drop_step(most);
    }
    Some(chain)
}

impl Chain {
    fn drop_step(&mut self, at: usize) {
        let gone = self.steps.remove(at);
        let length = Reach::of(longest(&gone.set));
        match self.steps.get_mut(at) {
            Some(next) if at == 0 => {
                self.before = None;
                self.lead = self.lead.plus(length).plus(next.gap);
                next.gap = Reach::NONE;
            }
            Some(next) => next.gap = gone.gap.plus(length).plus(next.gap),
            None => self.trail = gone.gap.plus(length).plus(self.trail),
        }
    }

    /// The step that is rarest in honest text.
    pub(super) fn rarest(&self) -> usize {
        (0..self.steps.len()).min_by_key(|&i| common::frequency(&self.steps[i].set)).unwrap_or(0)
    }
}

fn may_join(a: &[Literal], b: &[Literal]) -> bool {
    // A space or none tells nothing apart.
    let spaces = b.iter().all(|l| l.text.is_empty() || l.text == " ");
    let most = if a.len() > 1 && b.len() > 1 && !spaces { PHRASES } else { PRODUCT };
    a.len() * b.len() <= most
}

/// Every string of `a` followed by every one of `b`, where no border of words is asked for inside of a word.
fn product(a: &[Literal], b: &[Literal]) -> Set {
    let meet = |a: &Literal, b: &Literal| {
        let letters = is_word(a.text.chars().next_back()) && is_word(b.text.chars().next());
        !(letters && (a.right || b.left))
    };
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let mut out: Set = pairs.filter(|(a, b)| meet(a, b)).map(|(a, b)| join(a, b)).collect();
    out.sort_unstable();
    out.dedup();
    out
}

fn join(a: &Literal, b: &Literal) -> Literal {
    if a.text.is_empty() {
        let starts = b.text.is_empty() || is_word(b.text.chars().next());
        return Literal { text: b.text.clone(), left: b.left || (a.left && starts), right: b.right };
    }
    if b.text.is_empty() {
        let right = a.right || (b.left && is_word(a.text.chars().next_back()));
        return Literal { right, ..a.clone() };
    }
    // White space is one space, whoever asks for it.
    let next = if a.text.ends_with(' ') { b.text.trim_start_matches(' ') } else { &b.text };
    Literal { text: format!("{}{next}", a.text), left: a.left, right: b.right }
}

/// A set ready to be looked for, and how many characters at most its strings lost at their ends.
struct Closed {
    set: Set,
    head: usize,
    tail: usize,
}

/// Strings as they are looked for; `None` when they would be found everywhere.
fn close(set: Set) -> Option<Closed> {
    let (mut head, mut tail) = (0, 0);
    let mut set: Set = set
        .into_iter()
        .map(|literal| {
            // A space at an end is the border of a word, and no more is asked.
            let text = literal.text.trim_start_matches(' ');
            let (before, left) = (literal.text.len() - text.len(), literal.left || text.len() < literal.text.len());
            let trimmed = text.trim_end_matches(' ');
            let mut right = literal.right || trimmed.len() < text.len();
            let kept = &trimmed[..floor_char(trimmed, BYTES)];
            right &= kept.len() == trimmed.len();
            head = head.max(before);
            tail = tail.max(text.chars().count() - kept.chars().count());
            let (first, last) = (kept.chars().next(), kept.chars().next_back());
            Literal { text: kept.to_owned(), left: left && is_word(first), right: right && is_word(last) }
        })
        .collect();
    let telling = |l: &Literal| match l.text.as_bytes() {
        [] => false,
        [one] => matches!(one, b'@' | b'{' | b'$' | b'\\'),
        // Two or three letters inside of words stand everywhere, and many words begin with the same two.
        [a, b] => {
            (l.left && common::frequency(std::slice::from_ref(l)) < PAIR)
                || !(a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
        }
        [a, _, c] => l.left || !a.is_ascii_alphanumeric() || !c.is_ascii_alphanumeric(),
        _ => true,
    };
    if set.is_empty() || !set.iter().all(telling) {
        return None;
    }
    set.sort_unstable();
    set.dedup();
    // A string that holds another one is found with it. Large sets are looked for as they are: comparing all pairs would
    // take longer than any scan.
    let (mut more_head, mut more_tail) = (0, 0);
    let few = set.len() <= PAIRED;
    let kept: Set = set
        .iter()
        .filter(|l| {
            !few || match set.iter().filter(|other| other != l && implies(l, other)).min_by_key(|o| o.text.len()) {
                Some(other) => {
                    let at = l.text.find(&other.text).unwrap_or(0);
                    more_head = more_head.max(l.text[..at].chars().count());
                    more_tail = more_tail.max(l.text[at + other.text.len()..].chars().count());
                    false
                }
                None => true,
            }
        })
        .cloned()
        .collect();
    (kept.len() <= SET).then_some(Closed { set: kept, head: head + more_head, tail: tail + more_tail })
}

/// True when wherever `l` stands `other` stands as well.
fn implies(l: &Literal, other: &Literal) -> bool {
    let Some(at) = l.text.find(&other.text) else { return false };
    let left = !other.left || (at == 0 && l.left);
    let right = !other.right || (at + other.text.len() == l.text.len() && l.right);
    left && right
}
