//! The few styles a terminal gets. Meaning is never in the colour alone.

use anstyle::{AnsiColor, Effects, Style as Ansi};

use crate::domain::Severity;

/// What a piece of our own output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A mark for a hidden character.
    Mark,
    /// A heading.
    Title,
    /// Less important.
    Dim,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// A warning.
    Warn,
    /// Added text.
    Added,
    /// Removed text.
    Removed,
}

impl Style {
    /// The style of a severity.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Bad,
            Severity::Medium => Self::Warn,
            Severity::Low | Severity::Info => Self::Title,
        }
    }

    const fn ansi(self) -> Ansi {
        match self {
            Self::Mark => Ansi::new().effects(Effects::INVERT),
            Self::Title => Ansi::new().effects(Effects::BOLD),
            Self::Dim => Ansi::new().effects(Effects::DIMMED),
            Self::Good => Ansi::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))),
            Self::Bad => Ansi::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))).effects(Effects::BOLD),
            Self::Warn => Ansi::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow))).effects(Effects::BOLD),
            Self::Added => Ansi::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))),
            Self::Removed => Ansi::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))),
        }
    }
}

/// Applies styles, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    color: bool,
}

impl Paint {
    /// With `color` false every call returns its text as it is.
    pub const fn new(color: bool) -> Self {
        Self { color }
    }
    /// True when styles are applied.
    pub const fn is_on(self) -> bool {
        self.color
    }
    /// Styles one text. The text must be ours or already shown by [`crate::report::show`].
    pub fn wrap(self, style: Style, text: &str) -> String {
        if self.color && !text.is_empty() {
            let ansi = style.ansi();
            format!("{}{text}{}", ansi.render(), ansi.render_reset())
        } else {
            text.to_owned()
        }
    }
}
