//! Text, JSON and SARIF; the one place where untrusted text is shown.
//!
//! For: people, terminals, build logs, other programs. In: findings, plans, grades. Out: strings.
//! May touch: `domain`, `notes`, `ruleset`, `detect`, `gate`, `ledger`, `consolidate`, `grade`. No I/O.
//! Never: lets a byte of untrusted text out that [`show`] did not make visible first.

pub mod diff;
pub mod json;
pub mod sarif;
pub mod scan;
pub mod show;
pub mod style;
pub mod table;
pub mod text;

pub use scan::{Coverage, FileReport, Located, RuleInfo, ScanReport};
pub use show::{
    ShowOptions, describe, hidden_count, show_cell, show_ci, show_csv, show_html, show_json, show_line, show_markdown,
    show_plain, show_terminal,
};
pub use table::Table;
