//! Progress on stderr: only on a terminal, never in CI, off with `--no-progress`.

use std::fmt;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::report::show_line;

/// Steps a second: whole ones, as soon as there are whole ones.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    let _ = if rate < 10.0 { write!(out, "{rate:.1}/s") } else { write!(out, "{rate:.0}/s") };
}

/// A progress bar, or nothing that behaves like one.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(visible: bool, total: u64, what: &str) -> Self {
        if !visible {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let layout = "{prefix} [{bar:30}] {pos}/{len} ({rate}) {msg}";
        if let Ok(style) = ProgressStyle::with_template(layout) {
            bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
        }
        bar.set_prefix(what.to_owned());
        Self(Some(bar))
    }

    /// A bar that nobody sees.
    #[cfg(test)]
    pub(super) const fn hidden() -> Self {
        Self(None)
    }

    /// Names what is being examined. Any text may be given.
    pub fn at(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(show_line(what, 40));
        }
    }
    /// Steps forward.
    pub fn step(&self, by: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(by);
        }
    }
    /// Adds steps to the total.
    pub fn more(&self, by: u64) {
        if let Some(bar) = &self.0 {
            bar.inc_length(by);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
