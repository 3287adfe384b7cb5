//! Exact maps from the bytes of a view back to the bytes of the raw text.

use crate::domain::Span;

/// One stretch of a view and what it came from.
///
/// Units: `view`/`view_len` are bytes of the view, `raw`/`raw_len` bytes of the raw text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    view: usize,
    view_len: usize,
    raw: usize,
    raw_len: usize,
    /// Byte for byte (lengths equal); otherwise any part of the view stretch stands for all of
    /// the raw stretch.
    linear: bool,
}

/// Maps byte ranges of a view to byte ranges of the raw text.
///
/// Shape: runs in view order without gap in the view; the raw side may have gaps (dropped
/// characters). Cost: one binary search a lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanMap {
    runs: Vec<Run>,
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
        let view = self.view_len();
        if let Some(last) = self.runs.last_mut().filter(|r| r.linear && r.raw + r.raw_len == raw) {
            last.view_len += len;
            last.raw_len += len;
            return;
        }
        self.runs.push(Run { view, view_len: len, raw, raw_len: len, linear: true });
    }
    /// Adds view bytes that stand together for some raw bytes.
    pub fn push_block(&mut self, view_len: usize, raw: usize, raw_len: usize) {
        if view_len == 0 {
            return;
        }
        let view = self.view_len();
        self.runs.push(Run { view, view_len, raw, raw_len, linear: false });
    }
    /// The smallest raw range that covers what `span` of the view came from.
    pub fn to_raw(&self, span: Span) -> Span {
        let (Some(first), Some(last)) =
            (self.run_at(span.start), self.run_at(span.end.saturating_sub(1).max(span.start)))
        else {
            return Span::default();
        };
        let start = if first.linear {
            first.raw + (span.start.saturating_sub(first.view)).min(first.raw_len)
        } else {
            first.raw
        };
        let end = if last.linear {
            last.raw + span.end.saturating_sub(last.view).min(last.raw_len)
        } else {
            last.raw + last.raw_len
        };
        Span::new(start.min(end), end.max(start))
    }
    /// The view range made from the raw bytes of `raw`; empty when they were all dropped.
    pub fn to_view(&self, raw: Span) -> Span {
        let first = self.runs.partition_point(|run| run.raw + run.raw_len <= raw.start);
        let past = self.runs.partition_point(|run| run.raw < raw.end);
        let (Some(a), Some(b)) = (self.runs.get(first), past.checked_sub(1).and_then(|i| self.runs.get(i))) else {
            return Span::default();
        };
        if first >= past {
            return Span::new(a.view, a.view);
        }
        let start = if a.linear { a.view + raw.start.saturating_sub(a.raw) } else { a.view };
        let end = if b.linear { b.view + (raw.end - b.raw).min(b.view_len) } else { b.view + b.view_len };
        Span::new(start, end)
    }
    /// True when some byte of `span` was not copied one to one.
    pub fn is_changed(&self, span: Span) -> bool {
        let mut at = self.runs.partition_point(|run| run.view + run.view_len <= span.start);
        let mut expected = None;
        while let Some(run) = self.runs.get(at).filter(|run| run.view < span.end) {
            if !run.linear || expected.is_some_and(|raw| raw != run.raw) {
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
            let raw = outer.to_raw(part);
            if run.linear && raw.len() == run.view_len && !outer.is_changed(part) {
                map.push_linear(raw.start, run.view_len);
            } else {
                map.push_block(run.view_len, raw.start, raw.len());
            }
        }
        map
    }
    fn run_at(&self, view: usize) -> Option<&Run> {
        let at = self.runs.partition_point(|run| run.view + run.view_len <= view);
        self.runs.get(at).or(self.runs.last())
    }
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
    fn an_empty_map_gives_an_empty_span() {
        assert_eq!(SpanMap::default().to_raw(Span::new(3, 9)), Span::default());
    }
}
