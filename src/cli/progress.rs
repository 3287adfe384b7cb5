//! Progress on stderr: only on a terminal, never in CI, off with `--no-progress`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::show_line;

/// A progress bar, or nothing that behaves like one.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(visible: bool, total: u64, what: &str) -> Self {
        if !visible {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let layout = "{prefix} [{bar:30}] {pos}/{len} ({per_sec}) {msg}";
        if let Ok(style) = ProgressStyle::with_template(layout) {
            bar.set_style(style.progress_chars("=> "));
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
