//! All readings of a text: the folded one, and whatever is hidden or encoded in it, to a depth.

use std::borrow::Cow;

use super::budget::{Budget, Limit};
use super::decode::{self, Piece};
use super::detectors::invisible;
use super::normalize::{self, Folded, Form};
use super::span::SpanMap;
use super::{hidden, markup};
use crate::domain::{Span, View};

/// One reading of a text, for people who look at what is really there.
#[derive(Clone, Debug)]
pub struct ViewText {
    /// Which reading.
    pub view: View,
    /// Steps from the raw text, outermost first.
    pub decoding: Vec<String>,
    /// The reading. Untrusted: show it escaped.
    pub text: String,
    /// Bytes of the reading to bytes of the raw text.
    pub map: SpanMap,
}

/// Every reading of `text` within the ceilings, and the ceilings that were reached.
pub fn views(text: &str, budget: &Budget) -> (Vec<ViewText>, Vec<Limit>) {
    let mut list = Vec::new();
    let mut meter = Meter::default();
    walk(text, budget, &mut meter, &mut |job, folded, _, _| {
        if let Some(map) = &job.map {
            list.push(ViewText {
                view: job.view,
                decoding: job.steps(),
                text: job.text.clone().into_owned(),
                map: map.clone(),
            });
        } else {
            list.push(ViewText {
                view: View::Folded,
                decoding: Vec::new(),
                text: folded.text.clone(),
                map: folded.map.clone(),
            });
            if folded.skeleton_differs {
                let other = normalize::fold(&job.text, Form::Skeleton);
                list.push(ViewText {
                    view: View::Folded,
                    decoding: vec!["skeleton".to_owned()],
                    text: other.text,
                    map: other.map,
                });
            }
        }
    });
    (list, meter.limits)
}

/// What a scan has used up.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) steps: u64,
    pub(super) limits: Vec<Limit>,
    views: usize,
    view_bytes: usize,
}

impl Meter {
    pub(super) fn reach(&mut self, limit: Limit) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }
}

/// One reading on its way through the scan.
pub(super) struct Job<'a> {
    pub(super) view: View,
    pub(super) decoding: Vec<&'static str>,
    pub(super) text: Cow<'a, str>,
    /// To the raw text; `None` for the raw text itself.
    pub(super) map: Option<SpanMap>,
    depth: usize,
}

impl Job<'_> {
    /// The raw range of a range of this reading.
    pub(super) fn to_raw(&self, span: Span) -> Span {
        self.map.as_ref().map_or(span, |map| map.to_raw(span))
    }
    /// False for parts of a decoded region that were plain text all along: its parent has them.
    pub(super) fn is_new(&self, span: Span) -> bool {
        // A verbatim part of the markup view is news by being hidden.
        self.map.as_ref().is_none_or(|map| self.is_verbatim() || map.is_changed(span))
    }
    /// The decoding steps as text.
    pub(super) fn steps(&self) -> Vec<String> {
        self.decoding.iter().map(|s| (*s).to_owned()).collect()
    }
    fn is_verbatim(&self) -> bool {
        self.view == View::Markup && !self.decoding.last().is_some_and(|s| s.ends_with("-strip"))
    }
}

/// Visits every reading of `text`: the job, its folded form, its undecodable runs.
pub(super) fn walk(
    text: &str,
    budget: &Budget,
    meter: &mut Meter,
    visit: &mut impl FnMut(&Job<'_>, &Folded, &[Span], &mut Meter),
) {
    let mut shown = text;
    if text.len() > budget.text_bytes {
        meter.reach(Limit::TextBytes);
        shown = &text[..super::span::floor_char(text, budget.text_bytes)];
    }
    let root = Job { view: View::Raw, decoding: Vec::new(), text: Cow::Borrowed(shown), map: None, depth: 0 };
    let mut jobs = vec![root];
    while let Some(job) = jobs.pop() {
        if meter.steps > budget.steps {
            meter.reach(Limit::Steps);
            return;
        }
        meter.steps += job.text.len() as u64 * 2;
        let folded = normalize::fold(&job.text, Form::Main);
        let (pieces, opaque) =
            if job.view == View::Markup { (Vec::new(), Vec::new()) } else { inner(&job, &folded, meter) };
        visit(&job, &folded, &opaque, meter);
        for piece in pieces {
            let deeper = job.depth + usize::from(piece.view != View::Markup);
            if deeper > budget.depth {
                meter.reach(Limit::Depth);
                continue;
            }
            meter.views += 1;
            meter.view_bytes += piece.text.len();
            if meter.views > budget.views {
                meter.reach(Limit::Views);
                break;
            }
            if meter.view_bytes > budget.view_bytes {
                meter.reach(Limit::ViewBytes);
                break;
            }
            let mut decoding = job.decoding.clone();
            decoding.push(piece.step);
            let map = job.map.as_ref().map_or_else(|| piece.map.clone(), |outer| piece.map.over(outer));
            jobs.push(Job { view: piece.view, decoding, text: Cow::Owned(piece.text), map: Some(map), depth: deeper });
        }
    }
}

/// What is hidden or encoded in one reading.
fn inner(job: &Job<'_>, folded: &Folded, meter: &mut Meter) -> (Vec<Piece>, Vec<Span>) {
    let text: &str = &job.text;
    let mut pieces = Vec::new();
    if !folded.dropped.is_empty() {
        meter.steps += folded.dropped.len() as u64 * 64;
        pieces.extend(hidden::pieces(text, &folded.dropped));
        for (span, turned) in invisible::overridden(text) {
            let map = SpanMap::block(turned.len(), span);
            pieces.push(Piece { view: View::Decoded, step: "bidi-override", text: turned, map });
        }
    }
    let (parts, strips) = markup::parts(text);
    pieces.extend(parts);
    pieces.extend(decode::rewrite(text, View::Markup, &strips));
    let escapes = decode::escapes(text);
    pieces.extend(decode::rewrite(text, View::Decoded, &escapes));
    let (blobs, mut opaque) = decode::blobs(text, &mut meter.steps);
    pieces.extend(blobs);
    // In a region that is only partly decoded, the plain part was looked at before.
    pieces.retain(|piece| job.is_new(piece.map.to_raw(Span::new(0, piece.text.len()))));
    opaque.retain(|run| job.is_new(*run));
    (pieces, opaque)
}
