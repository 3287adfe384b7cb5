//! The prefilter and what it starts: one pass for the literals of every rule, secret shape and kind
//! cue, then the patterns whose literals stand in order and within reach, on a window around them.
//!
//! Of each chain only the rarest set is waited for. Where one of its literals stands, the others are looked up among what
//! the block holds: so a chain may ask for common words as well, and few windows are cut.
//!
//! Windows never cross a break between blocks (empty line, list item, heading, table row). Windows of
//! one rule that touch are joined before its pattern runs, so each byte is read once per rule at most.

mod chain;
mod common;
mod forms;
mod lexicon;
mod probe;

use std::collections::BTreeMap;

use self::chain::{Before, Chain, Literal, Reach, Step};
pub(super) use self::forms::Form;
use self::lexicon::{Lexicon, Place, is_word};
pub(super) use self::probe::{Probe, Target};
use super::normalize::{self, Folded};
use super::span::{ceil_char, floor_char, on_borders};
use crate::domain::Span;

/// Characters of a window on each side of what was found, where the pattern sets no limit of its own. The
/// longest honest pattern spans about 250.
const WINDOW: usize = 400;

/// A match, in bytes of the view's own text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) span: Span,
    /// The folded form differs from the text here in more than case and white space.
    pub(super) changed: bool,
}

/// All probes behind one lexicon.
#[derive(Debug)]
pub(super) struct Engine {
    lexicon: Lexicon,
    /// By literal: the sets it belongs to that do not stand alone in their chain.
    members: Lists<Member>,
    /// By literal: the links it belongs to the rarest set of.
    wakes: Lists<Member>,
    /// By set: its literals.
    sets: Lists<Member>,
    links: Vec<Link>,
    /// By link: its sets, each with the most characters between the one before and itself.
    steps: Lists<(u32, Option<usize>)>,
    probes: Vec<Probe>,
}

/// Lists behind each other.
#[derive(Debug)]
struct Lists<T> {
    ends: Vec<u32>,
    all: Vec<T>,
}

impl<T> Lists<T> {
    fn new(lists: impl IntoIterator<Item = Vec<T>>) -> Self {
        let (mut ends, mut all) = (vec![0], Vec::new());
        for list in lists {
            all.extend(list);
            ends.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
        }
        Self { ends, all }
    }
    #[inline]
    fn get(&self, at: u32) -> &[T] {
        let at = at as usize;
        match self.ends.get(at..at + 2) {
            Some(&[from, to]) => self.all.get(from as usize..to as usize).unwrap_or_default(),
            _ => &[],
        }
    }
    fn len(&self) -> usize {
        self.ends.len() - 1
    }
}

/// A set, a link or a literal that something belongs to, with the word borders that a literal needs on its left
/// and right for that.
#[derive(Clone, Copy, Debug)]
struct Member {
    of: u32,
    left: bool,
    right: bool,
}

impl Member {
    /// True when a literal that stands here belongs.
    const fn fits(self, seen: &Seen) -> bool {
        !(self.left && seen.left || self.right && seen.right)
    }
}

/// A chain of one probe.
#[derive(Debug)]
struct Link {
    probe: u32,
    before: Option<Box<Opening>>,
    lead: Reach,
    trail: Reach,
}

/// A literal that stands in the block.
#[derive(Clone, Copy, Debug)]
struct Seen {
    literal: u32,
    /// The one before that is the same literal, counted from one; zero when there is none.
    previous: u32,
    start: usize,
    end: usize,
    /// Whether a word goes on to the left and to the right of it.
    left: bool,
    right: bool,
}

/// Working memory of one scan.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Literals of this block, by where they begin.
    seen: Vec<Seen>,
    /// By literal: the last of them, counted from one.
    last: Vec<u32>,
    /// Blocks so far: what was noted in another block is void.
    block: u32,
    /// By link: the block it was looked at in.
    followed: Vec<u32>,
    /// By set: the last block that one of its literals stands in, if anybody asked.
    stands: Vec<u32>,
    /// By set: the block its places were gathered in, and the places.
    places: Vec<(u32, Vec<(usize, usize)>)>,
    /// Beginnings of chains so far: where the first literal begins, where the last ends.
    begun: Vec<(usize, usize)>,
    longer: Vec<(usize, usize)>,
    windows: Vec<(u32, usize, usize)>,
    line: String,
}

impl Scratch {
    fn fit(&mut self, engine: &Engine) {
        let (literals, sets) = (engine.members.len(), engine.sets.len());
        if self.last.len() != literals || self.followed.len() != engine.links.len() || self.places.len() != sets {
            *self = Self::default();
            self.last.resize(literals, 0);
            self.followed.resize(engine.links.len(), 0);
            self.stands.resize(sets, 0);
            self.places.resize(sets, (0, Vec::new()));
        }
    }
}

impl Engine {
    /// Reads the chains off every pattern; a pattern that tells nothing waits for its keywords.
    pub(super) fn new(items: impl IntoIterator<Item = (Probe, Vec<String>)>) -> Self {
        let mut sets: BTreeMap<Vec<Literal>, u32> = BTreeMap::new();
        let (mut probes, mut links) = (Vec::new(), Vec::new());
        let (mut rarest, mut all_steps) = (Vec::new(), Vec::new());
        let items: Vec<(Probe, Vec<String>)> = items.into_iter().collect();
        let read = all_chains(&items);
        for ((number, (probe, _)), chains) in (0_u32..).zip(items).zip(read) {
            for chain in chains {
                let rare = chain.rarest();
                let mut set = |step: &Step| {
                    let next = u32::try_from(sets.len()).unwrap_or(u32::MAX);
                    let gap = if step.gap.quiet { None } else { step.gap.most };
                    (*sets.entry(step.set.clone()).or_insert(next), gap)
                };
                let steps: Vec<_> = chain.steps.iter().map(&mut set).collect();
                rarest.push(steps[rare].0);
                all_steps.push(steps);
                let Chain { before, lead, trail, .. } = chain;
                let before = before.map(|before| Box::new(Opening::new(before)));
                links.push(Link { probe: number, before, lead, trail });
            }
            probes.push(probe);
        }
        let mut woken = vec![Vec::new(); sets.len()];
        for (link, set) in (0_u32..).zip(rarest) {
            woken[set as usize].push(link);
        }
        let mut literals: BTreeMap<&str, Vec<Member>> = BTreeMap::new();
        for (set, &number) in &sets {
            for literal in set {
                let member = Member { of: number, left: literal.left, right: literal.right };
                literals.entry(&literal.text).or_default().push(member);
            }
        }
        // Frequent literals stand together: what belongs to them stays near the processor.
        let mut literals: Vec<(&str, Vec<Member>)> = literals.into_iter().collect();
        literals.sort_by_cached_key(|(text, members)| {
            let [left, right] = [members.iter().all(|m| m.left), members.iter().all(|m| m.right)];
            std::cmp::Reverse(common::frequency(&[Literal { text: (*text).to_owned(), left, right }]))
        });
        let lexicon = Lexicon::new(literals.iter().map(|(text, members)| {
            let place = if members.iter().all(|m| m.left) { Place::Word } else { Place::Any };
            ((*text).to_owned(), place)
        }));
        let mut of_sets = vec![Vec::new(); sets.len()];
        let mut wakes = Vec::with_capacity(literals.len());
        for (number, (_, members)) in (0_u32..).zip(&literals) {
            for member in members {
                of_sets[member.of as usize].push(Member { of: number, ..*member });
            }
            let links = |member: &Member| {
                let (set, member) = (member.of as usize, *member);
                woken[set].iter().map(move |&link| Member { of: link, ..member })
            };
            wakes.push(members.iter().flat_map(links).collect());
        }
        let mut joined = vec![false; sets.len()];
        for (set, _) in all_steps.iter().filter(|steps| steps.len() > 1).flatten() {
            joined[*set as usize] = true;
        }
        let members =
            literals.into_iter().map(|(_, list)| list.into_iter().filter(|m| joined[m.of as usize]).collect());
        let (wakes, of_sets, steps) = (Lists::new(wakes), Lists::new(of_sets), Lists::new(all_steps));
        Self { lexicon, members: Lists::new(members), wakes, sets: of_sets, links, steps, probes }
    }

    pub(super) fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Runs every active probe whose literals stand in order and within reach. `steps` is charged with bytes
    /// looked at.
    ///
    /// Cost: about one hash a word, plus the windows of the rules that are hit.
    pub(super) fn run(
        &self,
        text: &str,
        folded: &Folded,
        active: &[bool],
        scratch: &mut Scratch,
        steps: &mut u64,
        found: &mut impl FnMut(Hit),
    ) {
        let bytes = folded.text.as_bytes();
        *steps += bytes.len() as u64;
        scratch.fit(self);
        // A character is up to four bytes, and in ASCII text one.
        let width = if folded.text.is_ascii() { 1 } else { 4 };
        let mut from = 0;
        while from < bytes.len() {
            // No literal holds a line break, so each block begins anew.
            let to = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |i| from + i);
            scratch.seen.clear();
            self.lexicon.find(bytes, (from, to), |literal, start, end| {
                let left = start > from && is_word(bytes[start - 1]);
                let right = end < to && is_word(bytes[end]);
                scratch.seen.push(Seen { literal, previous: 0, start, end, left, right });
            });
            self.follow(folded, (from, to), width, active, scratch);
            self.search(text, folded, (from, to), scratch, steps, found);
            from = to + 1;
        }
    }

    /// Notes the window of every chain that stands in the block.
    ///
    /// Only the rarest set of a chain wakes it; the places of its other sets are gathered when it does.
    fn follow(
        &self,
        folded: &Folded,
        (from, to): (usize, usize),
        width: usize,
        active: &[bool],
        scratch: &mut Scratch,
    ) {
        let Scratch { seen, last, block, followed, stands, places, begun, longer, windows, .. } = scratch;
        let bytes = folded.text.as_bytes();
        *block = block.wrapping_add(1);
        if *block == 0 {
            // After so many blocks the numbers begin again.
            followed.fill(0);
            stands.fill(0);
            places.iter_mut().for_each(|place| place.0 = 0);
            *block = 1;
        }
        let (mut asked, mut chained) = (false, false);
        for at in 0..seen.len() {
            let one = seen[at];
            for wake in self.wakes.get(one.literal) {
                let Some(link) = self.links.get(wake.of as usize) else { continue };
                if followed[wake.of as usize] == *block || !wake.fits(&one) || !active[link.probe as usize] {
                    continue;
                }
                followed[wake.of as usize] = *block;
                let steps = self.steps.get(wake.of);
                if steps.len() > 1 {
                    if !asked {
                        asked = true;
                        for one in seen.iter() {
                            let fitting = self.members.get(one.literal).iter().filter(|member| member.fits(one));
                            fitting.for_each(|member| stands[member.of as usize] = *block);
                        }
                    }
                    if steps.iter().any(|step| stands[step.0 as usize] != *block) {
                        continue;
                    }
                }
                if !chained {
                    chained = true;
                    chain_up(seen, last);
                }
                for step in steps {
                    let place = &mut places[step.0 as usize];
                    if place.0 != *block {
                        place.0 = *block;
                        self.gather(step.0, seen, last, &mut place.1);
                    }
                }
                let mut steps = steps.iter();
                begun.clear();
                let first = steps.next().into_iter().flat_map(|step| &places[step.0 as usize].1);
                let stands = |at: usize| link.before.as_ref().is_none_or(|before| before.stands(folded, from, at));
                begun.extend(first.filter(|(start, _)| stands(*start)));
                for &(set, gap) in steps {
                    if begun.is_empty() {
                        break;
                    }
                    joined(begun, &places[set as usize].1, gap.map(|gap| gap.saturating_mul(width)), longer);
                    std::mem::swap(begun, longer);
                }
                for &(start, end) in begun.iter() {
                    let low = walk_left(bytes, from, start, link.lead, width);
                    let high = walk_right(bytes, to, end, link.trail, width);
                    windows.push((link.probe, low, high));
                }
            }
        }
        if chained {
            for one in seen.iter() {
                last[one.literal as usize] = 0;
            }
        }
    }

    /// Where the literals of a set stand in the block, by where they begin.
    fn gather(&self, set: u32, seen: &[Seen], last: &[u32], places: &mut Vec<(usize, usize)>) {
        places.clear();
        for member in self.sets.get(set) {
            let mut at = last.get(member.of as usize).copied().unwrap_or_default();
            while let Some(one) = at.checked_sub(1).and_then(|at| seen.get(at as usize)) {
                if member.fits(one) {
                    places.push((one.start, one.end));
                }
                at = one.previous;
            }
        }
        places.sort_unstable();
    }

    /// Runs the patterns on their windows, joined where they touch.
    fn search(
        &self,
        text: &str,
        folded: &Folded,
        (from, to): (usize, usize),
        scratch: &mut Scratch,
        steps: &mut u64,
        found: &mut impl FnMut(Hit),
    ) {
        let Scratch { windows, line, .. } = scratch;
        windows.sort_unstable();
        let mut waiting = windows.drain(..).peekable();
        while let Some((number, low, mut high)) = waiting.next() {
            while let Some(next) = waiting.next_if(|next| next.0 == number && next.1 <= high) {
                high = high.max(next.2);
            }
            *steps += (high - low) as u64;
            let probe = &self.probes[number as usize];
            if probe.raw {
                let window = Span::new(floor_char(&folded.text, low), ceil_char(&folded.text, high));
                let part = on_borders(text, folded.map.to_raw(window));
                probe.each(part.slice(text).unwrap_or_default(), 0, |m| {
                    found(Hit { target: probe.target, span: m.shifted(part.start), changed: false });
                });
                continue;
            }
            // One character more on each side: a pattern sees whether a word or a line ends there.
            let low = floor_char(&folded.text, low);
            let wide = Span::new(before(&folded.text, low, from), after(&folded.text, high, to));
            let slice = wide.slice(&folded.text).unwrap_or_default();
            let slice = if probe.lines { with_breaks(slice, wide.start, folded, line) } else { slice };
            probe.each(slice, low - wide.start, |m| {
                let at = m.shifted(wide.start);
                let span = on_borders(text, folded.map.to_raw(at));
                let changed = folded.map.is_changed(at) && !span.slice(text).is_some_and(is_plain);
                found(Hit { target: probe.target, span, changed });
            });
        }
    }
}

/// Ties every literal to the one before that is the same.
fn chain_up(seen: &mut [Seen], last: &mut [u32]) {
    for (number, one) in (1_u32..).zip(seen) {
        let last = &mut last[one.literal as usize];
        one.previous = std::mem::replace(last, number);
    }
}

/// The chains of every probe, in order. Reading them is most of the start of a program, so all cores share it.
fn all_chains(items: &[(Probe, Vec<String>)]) -> Vec<Vec<Chain>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let share = items.len().div_ceil(cores).max(32);
    let read =
        |part: &[(Probe, Vec<String>)]| part.iter().map(|(probe, words)| chains(probe, words)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let mut parts = items.chunks(share);
        let first = parts.next().unwrap_or_default();
        let start = |part| std::thread::Builder::new().spawn_scoped(scope, move || read(part)).ok();
        let others: Vec<_> = parts.map(|part| (part, start(part))).collect();
        let mut all = read(first);
        for (part, thread) in others {
            // What no thread did is done here.
            all.extend(thread.and_then(|t| t.join().ok()).unwrap_or_else(|| read(part)));
        }
        all
    })
}

/// The chains of a probe's pattern, and its keywords where these do not tell all.
fn chains(probe: &Probe, keywords: &[String]) -> Vec<Chain> {
    // The lexicon reads the folded text; what a pattern needs of the raw text it cannot tell.
    let (mut list, all) = if probe.raw { (Vec::new(), false) } else { chain::of(probe.pattern.as_str()) };
    if all {
        return list;
    }
    let word = matches!(probe.target, Target::Cue(_));
    let mut set: Vec<Literal> = keywords
        .iter()
        .map(|keyword| normalize::fold_text(keyword).trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(|text| Literal { left: word && text.bytes().next().is_some_and(is_word), right: false, text })
        .collect();
    set.sort_unstable();
    set.dedup();
    if !set.is_empty() {
        let steps = vec![Step { set, gap: Reach::NONE }];
        list.push(Chain { before: None, steps, lead: Reach::ANY, trail: Reach::ANY });
    }
    list
}

/// Pairs of a chain so far and a literal that begins within `gap` bytes of its end. Both lists are by beginning.
fn joined(begun: &[(usize, usize)], seen: &[(usize, usize)], gap: Option<usize>, out: &mut Vec<(usize, usize)>) {
    out.clear();
    let mut from = 0;
    for &(start, end) in seen {
        if let Some(gap) = gap {
            while begun.get(from).is_some_and(|b| b.1 + gap < start) {
                from += 1;
            }
        }
        // The earliest beginning: the window is the widest.
        let mut near = begun[from..].iter().take_while(|b| b.1 <= start + chain::BYTES);
        let first = near.find(|b| b.1 <= start && gap.is_none_or(|gap| start <= b.1 + gap));
        if let Some(first) = first {
            out.push((first.0, end));
        }
    }
}

/// What has to stand directly before a literal, ready to be looked for.
#[derive(Debug)]
struct Opening {
    line: bool,
    /// Strings of one byte.
    bytes: [bool; 256],
    /// Longer ones by their last two bytes.
    longer: Vec<([u8; 2], String)>,
}

impl Opening {
    fn new(before: Before) -> Self {
        let (mut bytes, mut longer) = ([false; 256], Vec::new());
        for text in before.ends {
            match *text.as_bytes() {
                [] => {}
                [one] => bytes[usize::from(one)] = true,
                [.., a, b] => longer.push(([a, b], text)),
            }
        }
        longer.sort_unstable();
        Self { line: before.line, bytes, longer }
    }

    /// True when one of the strings ends at `at`, or nothing but marks and numbers stands between it and the start
    /// of its line.
    fn stands(&self, folded: &Folded, from: usize, at: usize) -> bool {
        let bytes = &folded.text.as_bytes()[..at];
        if bytes.last().is_some_and(|last| self.bytes[usize::from(*last)]) {
            return true;
        }
        if let &[.., a, b] = bytes {
            let first = self.longer.partition_point(|(end, _)| *end < [a, b]);
            let mut same = self.longer[first..].iter().take_while(|(end, _)| *end == [a, b]);
            if same.any(|(_, text)| bytes.ends_with(text.as_bytes())) {
                return true;
            }
        }
        if !self.line {
            return false;
        }
        let mut start = at;
        while start > from && !bytes[start - 1].is_ascii_alphabetic() {
            start -= 1;
        }
        start == from || soft_between(folded, start, at)
    }
}

/// True when a line begins in `start..at`.
fn soft_between(folded: &Folded, start: usize, at: usize) -> bool {
    let next = folded.soft.partition_point(|&soft| soft < start);
    folded.soft.get(next).is_some_and(|&soft| soft < at)
}

/// Where a match may begin at the earliest, when its first literal begins at `at`.
fn walk_left(bytes: &[u8], from: usize, at: usize, reach: Reach, width: usize) -> usize {
    let floor = at.saturating_sub(WINDOW * width).max(from);
    let quiet = |mut at: usize| {
        while reach.quiet && at > floor && !bytes[at - 1].is_ascii_alphanumeric() {
            at -= 1;
        }
        at
    };
    match reach.most {
        Some(most) => quiet(quiet(at).saturating_sub(most.saturating_mul(width)).max(floor)),
        None => floor,
    }
}

/// Where a match may end at the latest, when its last literal ends at `at`.
fn walk_right(bytes: &[u8], to: usize, at: usize, reach: Reach, width: usize) -> usize {
    let roof = (at + WINDOW * width).min(to);
    let quiet = |mut at: usize| {
        while reach.quiet && at < roof && !bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        at
    };
    match reach.most {
        Some(most) => quiet(quiet(at).saturating_add(most.saturating_mul(width)).min(roof)),
        None => roof,
    }
}

/// The border of characters before `at`, not before `from`.
fn before(text: &str, at: usize, from: usize) -> usize {
    floor_char(text, at.saturating_sub(1)).max(from)
}

/// The border of characters behind `at`, not behind `to`.
fn after(text: &str, at: usize, to: usize) -> usize {
    ceil_char(text, at + 1).min(to)
}

/// The window with its single line breaks put back; they are one byte, like the space.
fn with_breaks<'a>(slice: &'a str, start: usize, folded: &Folded, line: &'a mut String) -> &'a str {
    let from = folded.soft.partition_point(|&at| at < start);
    let to = folded.soft.partition_point(|&at| at < start + slice.len());
    if from == to {
        return slice;
    }
    line.clear();
    let mut at = 0;
    for &soft in &folded.soft[from..to] {
        let soft = soft - start;
        line.push_str(slice.get(at..soft).unwrap_or_default());
        line.push('\n');
        at = soft + 1;
    }
    line.push_str(slice.get(at..).unwrap_or_default());
    line
}

/// Visible ASCII and white space: folding changed no more than case and spacing.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests;
