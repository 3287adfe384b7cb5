//! Exact maps from the bytes of a view back to the bytes of the raw text.

use crate::domain::Span;

/// How the bytes of one stretch stand for the raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Byte for byte (lengths equal).
    Linear,
    /// Any part of the view stretch stands for all of the raw stretch.
    Block,
    /// Every so many view bytes stand for so many raw bytes (three for four in base64). The last group may be short.
    Groups(u8, u8),
    /// Byte for byte, from the other end (lengths equal).
    Mirror,
}

/// One stretch of a view and what it came from.
///
/// Units: `view`/`view_len` are bytes of the view, `raw`/`raw_len` bytes of the raw text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    view: usize,
    view_len: usize,
    raw: usize,
    raw_len: usize,
    kind: Kind,
}

impl Run {
    /// The raw bytes of the view bytes `from..to`, counted from the start of this run.
    fn raw_of(&self, from: usize, to: usize) -> (usize, usize) {
        let (from, to) = (from.min(self.view_len), to.min(self.view_len));
        match self.kind {
            Kind::Linear => (self.raw + from, self.raw + to),
            Kind::Block => (self.raw, self.raw + self.raw_len),
            Kind::Groups(view, raw) => {
                let (view, raw) = (usize::from(view.max(1)), usize::from(raw));
                let start = (from / view * raw).min(self.raw_len);
                (self.raw + start, self.raw + (to.div_ceil(view) * raw).min(self.raw_len))
            }
            Kind::Mirror => (self.raw + self.raw_len - to, self.raw + self.raw_len - from),
        }
    }
    /// The view bytes of the raw bytes `from..to`, counted from the start of this run.
    fn view_of(&self, from: usize, to: usize) -> (usize, usize) {
        let (from, to) = (from.min(self.raw_len), to.min(self.raw_len));
        match self.kind {
            Kind::Linear => (self.view + from, self.view + to),
            Kind::Block => (self.view, self.view + self.view_len),
            Kind::Groups(view, raw) => {
                let (view, raw) = (usize::from(view), usize::from(raw.max(1)));
                let start = (from / raw * view).min(self.view_len);
                (self.view + start, self.view + (to.div_ceil(raw) * view).min(self.view_len))
            }
            Kind::Mirror => (self.view + self.raw_len - to, self.view + self.raw_len - from),
        }
    }
}

/// Maps byte ranges of a view to byte ranges of the raw text.
///
/// Shape: runs in view order without gap in the view; the raw side may have gaps (dropped
/// characters) and may be in another order (reversed text). Cost: one binary search a lookup; a walk over
/// the runs in between where the order is another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanMap {
    runs: Vec<Run>,
    /// True when the raw side does not ascend.
    turned: bool,
}

impl SpanMap {
    /// The map of a view that is `raw` byte for byte.
    pub fn linear(raw: Span) -> Self {
        let mut map = Self::default();
        map.push_linear(raw.start, raw.len());
        map
    }
    /// The map of a view of which every part stands for all of `raw`.
    pub fn block(view_len: usize, raw: Span) -> Self {
        let mut map = Self::default();
        map.push_block(view_len, raw.start, raw.len());
        map
    }
    /// Length of the mapped view in bytes.
    pub fn view_len(&self) -> usize {
        self.runs.last().map_or(0, |run| run.view + run.view_len)
    }
    /// Adds bytes that are copied one by one.
    pub fn push_linear(&mut self, raw: usize, len: usize) {
        if len == 0 {
            return;
        }
        if let Some(last) = self.runs.last_mut().filter(|r| r.kind == Kind::Linear && r.raw + r.raw_len == raw) {
            last.view_len += len;
            last.raw_len += len;
            return;
        }
        self.push(len, raw, len, Kind::Linear);
    }
    /// Adds view bytes that stand together for some raw bytes.
    pub fn push_block(&mut self, view_len: usize, raw: usize, raw_len: usize) {
        if view_len > 0 {
            self.push(view_len, raw, raw_len, Kind::Block);
        }
    }
    /// Adds view bytes of which every `unit.0` stand for `unit.1` raw bytes; the last group may be short.
    pub fn push_groups(&mut self, view_len: usize, raw: usize, raw_len: usize, unit: (u8, u8)) {
        if view_len == 0 {
            return;
        }
        if let Some(last) = self.runs.last_mut().filter(|r| {
            r.kind == Kind::Groups(unit.0, unit.1)
                && r.raw + r.raw_len == raw
                && r.view_len.is_multiple_of(usize::from(unit.0.max(1)))
                && r.raw_len.is_multiple_of(usize::from(unit.1.max(1)))
        }) {
            last.view_len += view_len;
            last.raw_len += raw_len;
            return;
        }
        self.push(view_len, raw, raw_len, Kind::Groups(unit.0, unit.1));
    }
    /// Adds bytes that are copied one by one from the end of `raw` to its start.
    pub fn push_mirror(&mut self, raw: Span) {
        if raw.is_empty() {
            return;
        }
        if let Some(last) = self.runs.last_mut().filter(|r| r.kind == Kind::Mirror && raw.end == r.raw) {
            last.raw = raw.start;
            last.view_len += raw.len();
            last.raw_len += raw.len();
            return;
        }
        self.push(raw.len(), raw.start, raw.len(), Kind::Mirror);
    }
    fn push(&mut self, view_len: usize, raw: usize, raw_len: usize, kind: Kind) {
        let view = self.view_len();
        self.turned |= kind == Kind::Mirror || self.runs.last().is_some_and(|last| raw < last.raw);
        self.runs.push(Run { view, view_len, raw, raw_len, kind });
    }
    /// The smallest raw range that covers what `span` of the view came from.
    pub fn to_raw(&self, span: Span) -> Span {
        let end = span.end.max(span.start);
        let first = self.index_at(span.start);
        let last = self.index_at(end.saturating_sub(1).max(span.start));
        let Some(runs) = self.runs.get(first..=last).filter(|runs| !runs.is_empty()) else { return Span::default() };
        let part = |run: &Run| run.raw_of(span.start.saturating_sub(run.view), end.saturating_sub(run.view));
        if !self.turned {
            let (Some(a), Some(b)) = (runs.first().map(part), runs.last().map(part)) else { return Span::default() };
            return Span::new(a.0.min(b.1), b.1.max(a.0));
        }
        let parts = runs.iter().map(part);
        let (low, high) = parts.fold((usize::MAX, 0), |(low, high), (a, b)| (low.min(a), high.max(b)));
        Span::new(low.min(high), high)
    }
    /// The view range made from the raw bytes of `raw`; empty when they were all dropped.
    pub fn to_view(&self, raw: Span) -> Span {
        let part = |run: &Run| run.view_of(raw.start.saturating_sub(run.raw), raw.end.saturating_sub(run.raw));
        if self.turned {
            let touched = self.runs.iter().filter(|run| run.raw < raw.end && raw.start < run.raw + run.raw_len);
            let (low, high) = touched.map(part).fold((usize::MAX, 0), |(low, high), (a, b)| (low.min(a), high.max(b)));
            return if low <= high { Span::new(low, high) } else { Span::default() };
        }
        let first = self.runs.partition_point(|run| run.raw + run.raw_len <= raw.start);
        let past = self.runs.partition_point(|run| run.raw < raw.end);
        let (Some(a), Some(b)) = (self.runs.get(first), past.checked_sub(1).and_then(|i| self.runs.get(i))) else {
            return Span::default();
        };
        if first >= past {
            return Span::new(a.view, a.view);
        }
        Span::new(part(a).0, part(b).1)
    }
    /// True when some byte of `span` was not copied one to one.
    pub fn is_changed(&self, span: Span) -> bool {
        let mut at = self.runs.partition_point(|run| run.view + run.view_len <= span.start);
        let mut expected = None;
        while let Some(run) = self.runs.get(at).filter(|run| run.view < span.end) {
            if run.kind != Kind::Linear || expected.is_some_and(|raw| raw != run.raw) {
                return true;
            }
            expected = Some(run.raw + run.raw_len);
            at += 1;
        }
        false
    }
    /// This map followed by `outer`: from this view, over its parent, to the raw text.
    pub fn over(&self, outer: &Self) -> Self {
        let mut map = Self::default();
        for run in &self.runs {
            let part = Span::new(run.raw, run.raw + run.raw_len);
            match run.kind {
                Kind::Linear => outer.pieces(part, |piece, from, to| map.push_part(piece, from, to)),
                Kind::Mirror => {
                    let mut list = Vec::new();
                    outer.pieces(part, |piece, from, to| list.push((*piece, from, to)));
                    for (piece, from, to) in list.into_iter().rev() {
                        let (low, high) = piece.raw_of(from, to);
                        match piece.kind {
                            Kind::Linear => map.push_mirror(Span::new(low, high)),
                            Kind::Mirror => map.push_linear(low, high - low),
                            Kind::Block | Kind::Groups(..) => map.push_block(to - from, low, high - low),
                        }
                    }
                }
                Kind::Block => {
                    let raw = outer.to_raw(part);
                    map.push_block(run.view_len, raw.start, raw.len());
                }
                Kind::Groups(view, raw) => map.push_groups_over(run, (view, raw), outer),
            }
        }
        map
    }
    /// Adds the part `from..to` of a run of another map, counted from its start.
    fn push_part(&mut self, run: &Run, from: usize, to: usize) {
        let (low, high) = run.raw_of(from, to);
        match run.kind {
            Kind::Linear => self.push_linear(low, high - low),
            Kind::Mirror => self.push_mirror(Span::new(low, high)),
            Kind::Block => self.push_block(to - from, low, high - low),
            Kind::Groups(view, raw) => {
                // What is left of the group that the part begins in.
                let unit = usize::from(view.max(1));
                let head = (from.next_multiple_of(unit)).min(to);
                if head > from {
                    let (low, high) = run.raw_of(from, head);
                    self.push_block(head - from, low, high - low);
                }
                if to > head {
                    let (low, high) = run.raw_of(head, to);
                    self.push_groups(to - head, low, high - low, (view, raw));
                }
            }
        }
    }
    /// Adds a run of groups whose raw side is a view of `outer`.
    fn push_groups_over(&mut self, run: &Run, (view, raw): (u8, u8), outer: &Self) {
        let mut list = Vec::new();
        outer.pieces(Span::new(run.raw, run.raw + run.raw_len), |piece, from, to| list.push((*piece, from, to)));
        if let [(piece, from, to)] = list.as_slice() {
            let (low, high) = piece.raw_of(*from, *to);
            match piece.kind {
                Kind::Linear => return self.push_groups(run.view_len, low, high - low, (view, raw)),
                Kind::Block => return self.push_block(run.view_len, low, high - low),
                Kind::Groups(inner, bytes) if from.is_multiple_of(usize::from(inner.max(1))) => {
                    // Groups of groups: as many as make whole ones on both sides.
                    let both = lcm(raw, inner);
                    let unit = (
                        u32::from(view) * both / u32::from(raw.max(1)),
                        u32::from(bytes) * both / u32::from(inner.max(1)),
                    );
                    if let (Ok(a), Ok(b)) = (u8::try_from(unit.0), u8::try_from(unit.1)) {
                        return self.push_groups(run.view_len, low, high - low, (a, b));
                    }
                }
                Kind::Mirror | Kind::Groups(..) => {}
            }
        }
        let unit = usize::from(view.max(1));
        let mut at = 0;
        while at < run.view_len {
            let next = (at + unit).min(run.view_len);
            let (low, high) = run.raw_of(at, next);
            let span = outer.to_raw(Span::new(low, high));
            match self
                .runs
                .last_mut()
                .filter(|r| r.kind == Kind::Block && r.raw == span.start && r.raw_len == span.len())
            {
                Some(last) => last.view_len += next - at,
                None => self.push_block(next - at, span.start, span.len()),
            }
            at = next;
        }
    }
    /// Every run that `span` of the view touches, with the part it touches.
    fn pieces(&self, span: Span, mut each: impl FnMut(&Run, usize, usize)) {
        let mut at = self.runs.partition_point(|run| run.view + run.view_len <= span.start);
        while let Some(run) = self.runs.get(at).filter(|run| run.view < span.end) {
            each(run, span.start.saturating_sub(run.view), (span.end - run.view).min(run.view_len));
            at += 1;
        }
    }
    fn index_at(&self, view: usize) -> usize {
        let at = self.runs.partition_point(|run| run.view + run.view_len <= view);
        at.min(self.runs.len().saturating_sub(1))
    }
}

fn lcm(a: u8, b: u8) -> u32 {
    let (mut x, mut y) = (u32::from(a.max(1)), u32::from(b.max(1)));
    let product = x * y;
    while y > 0 {
        (x, y) = (y, x % y);
    }
    product / x
}

/// The nearest character borders that enclose `span`.
pub fn on_borders(text: &str, span: Span) -> Span {
    Span::new(floor_char(text, span.start), ceil_char(text, span.end))
}

/// The character border at or before `at`.
pub fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The character border at or after `at`.
pub fn ceil_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_runs_map_byte_by_byte_and_blocks_as_a_whole() {
        let mut map = SpanMap::default();
        map.push_linear(0, 4);
        map.push_block(1, 4, 3);
        map.push_linear(7, 5);
        assert_eq!(map.to_raw(Span::new(1, 3)), Span::new(1, 3));
        assert_eq!(map.to_raw(Span::new(4, 5)), Span::new(4, 7));
        assert_eq!(map.to_raw(Span::new(2, 7)), Span::new(2, 9));
        assert!(map.is_changed(Span::new(3, 6)));
        assert!(!map.is_changed(Span::new(5, 8)));
        assert_eq!(map.to_view(Span::new(7, 9)), Span::new(5, 7));
    }

    #[test]
    fn groups_and_mirrors_map_to_the_bytes_they_came_from() {
        let mut map = SpanMap::default();
        map.push_groups(7, 10, 12, (3, 4));
        assert_eq!(map.to_raw(Span::new(0, 3)), Span::new(10, 14));
        assert_eq!(map.to_raw(Span::new(2, 4)), Span::new(10, 18));
        assert_eq!(map.to_raw(Span::new(6, 7)), Span::new(18, 22));
        assert_eq!(map.to_view(Span::new(15, 16)), Span::new(3, 6));
        let mut turned = SpanMap::default();
        turned.push_mirror(Span::new(5, 10));
        turned.push_linear(0, 2);
        assert_eq!(turned.to_raw(Span::new(0, 1)), Span::new(9, 10));
        assert_eq!(turned.to_raw(Span::new(3, 6)), Span::new(0, 7));
        assert_eq!(turned.to_view(Span::new(8, 10)), Span::new(0, 2));
    }

    #[test]
    fn a_map_over_a_map_is_as_exact_as_both() {
        let mut inner = SpanMap::default();
        inner.push_groups(9, 0, 12, (3, 4));
        let mut outer = SpanMap::default();
        outer.push_groups(12, 100, 16, (3, 4));
        // Nine bytes for twelve for sixteen: the least common groups.
        assert_eq!(inner.over(&outer).to_raw(Span::new(0, 1)), Span::new(100, 116));
        let mut bytes = SpanMap::default();
        bytes.push_groups(12, 100, 24, (1, 2));
        assert_eq!(inner.over(&bytes).to_raw(Span::new(3, 6)), Span::new(108, 116));
        let mut mirror = SpanMap::default();
        mirror.push_mirror(Span::new(2, 6));
        assert_eq!(mirror.over(&bytes).to_raw(Span::new(0, 4)), Span::new(104, 112));
        let plain = SpanMap::linear(Span::new(1, 8));
        assert_eq!(plain.over(&bytes).to_raw(Span::new(0, 1)), Span::new(102, 104));
        assert_eq!(plain.over(&outer).to_raw(Span::new(0, 2)), Span::new(100, 104));
    }

    #[test]
    fn an_empty_map_gives_an_empty_span() {
        assert_eq!(SpanMap::default().to_raw(Span::new(3, 9)), Span::default());
    }
}
