//! Coded detectors: what no pattern can say.

pub(super) mod invisible;
pub(super) mod opaque;
pub(super) mod personal;
pub(super) mod secrets;

use crate::domain::Span;

/// A coded detector's hit, in bytes of the view's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The slug of the detector.
    pub(super) slug: &'static str,
    /// Where.
    pub(super) span: Span,
    /// What exactly, our own constant words.
    pub(super) what: &'static str,
}
