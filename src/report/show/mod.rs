//! Showing hostile text: every character that would not be seen, or that would act, becomes a mark.
//!
//! A mark stands between `⟦` and `⟧` and names code points. Those two brackets are themselves shown
//! as marks when text contains them, so text can never forge a mark (or hide that it tried).
//!
//! What a mark stands for (threats T26, T27, T33): control characters, format and bidi characters,
//! variation selectors, tag characters, private use, unassigned code points, every space that is not
//! U+0020, combining marks without a base or stacked too high, and the openings of build-runner commands.

mod classify;
mod html;
mod pieces;
mod sinks;
mod terminal;

pub use classify::{Class, class_of};
pub use html::{Html, has_mixed_direction, scrubbed};
pub use pieces::{Mark, Piece, pieces};
pub use sinks::{show_ci, show_csv, show_html, show_json, show_markdown};
pub use terminal::{ShowOptions, describe, hidden_count, show_cell, show_line, show_plain, show_terminal};

pub(crate) use terminal::columns;
