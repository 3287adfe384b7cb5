//! The owner's directives: a small closed language inside free text.
//!
//! They can narrow what is done and can raise thresholds. Nothing here reaches trust rules,
//! scanning, support counts or the quarantine, so no wording can loosen those. Only the owner's
//! text is read: the same words in a memory or a session are data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Options;

/// Understood directives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steering {
    focus: Vec<String>,
    ignore: Vec<String>,
    never_merge: Vec<String>,
    functional: BTreeMap<String, bool>,
    pub(super) task_retention_days: u32,
    echo: Vec<String>,
}

static DIRECTIVE: LazyLock<Vec<(Directive, Option<Regex>)>> = LazyLock::new(|| {
    [
        (Directive::Focus, r"^(?:please )?(?:focus|concentrate)(?: only)? on (?:the )?(?:path |topic |memory )?(.+)$"),
        (
            Directive::Ignore,
            r"^(?:please )?(?:ignore|skip|leave alone|do not touch) (?:the )?(?:path |topic |memory )?(.+)$",
        ),
        (
            Directive::NeverMerge,
            r"^(?:please )?(?:never|do not|don't) merge (?:notes about |anything about |notes with )?(?:the )?(.+)$",
        ),
        (Directive::Single, r"^treat (?:the attribute )?(.+?) as (?:functional|single-valued|single valued)$"),
        (Directive::Multi, r"^treat (?:the attribute )?(.+?) as (?:multi-valued|multivalued|multi valued)$"),
        (Directive::Retention, r"^(?:keep|retain) (?:finished )?tasks?(?: states?)? (?:for )?(\d{1,5}) days$"),
    ]
    .into_iter()
    .map(|(directive, pattern)| (directive, Regex::new(&format!("(?i){pattern}")).ok()))
    .collect()
});

#[derive(Clone, Copy)]
enum Directive {
    Focus,
    Ignore,
    NeverMerge,
    Single,
    Multi,
    Retention,
}

impl Steering {
    pub(super) fn parse(text: Option<&str>, options: &Options) -> Self {
        let mut out = Self { task_retention_days: options.task_retention_days, ..Self::default() };
        let Some(text) = text else { return out };
        if text.chars().count() > 4096 {
            out.echo.push("not applied: instructions are longer than 4096 characters".into());
            return out;
        }
        for sentence in sentences(text) {
            let line = match out.read(&sentence) {
                Ok(understood) => format!("applied: {understood}"),
                Err(why) => format!("not applied: {} ({why})", sentence.replace(char::is_control, " ")),
            };
            out.echo.push(line);
        }
        out
    }

    fn read(&mut self, sentence: &str) -> Result<String, &'static str> {
        let found = DIRECTIVE.iter().find_map(|(directive, regex)| {
            let captures = regex.as_ref()?.captures(sentence)?;
            let what = captures[1].trim().trim_matches(['"', '\'', '`']).to_lowercase();
            (!what.is_empty()).then_some((*directive, what))
        });
        let Some((directive, what)) = found else { return Err("not a directive") };
        Ok(match directive {
            Directive::Focus => {
                let line = format!("focus on {what:?}");
                self.focus.push(what);
                line
            }
            Directive::Ignore => {
                if ["finding", "quarantine", "rule", "scan", "review", "hold", "instruction", "polic"]
                    .iter()
                    .any(|w| what.contains(w))
                {
                    return Err("steering cannot loosen scanning or review");
                }
                let line = format!("ignore {what:?}");
                self.ignore.push(what);
                line
            }
            Directive::NeverMerge => {
                let line = format!("never merge {what:?}");
                self.never_merge.push(what);
                line
            }
            Directive::Single | Directive::Multi => {
                let single = matches!(directive, Directive::Single);
                let line = format!("treat {what:?} as {}", if single { "functional" } else { "multi-valued" });
                self.functional.insert(what, single);
                line
            }
            Directive::Retention => {
                let days: u32 = what.parse().map_err(|_| "not a number of days")?;
                if days < self.task_retention_days {
                    return Err("shorter than the configured retention");
                }
                self.task_retention_days = days;
                format!("keep finished tasks {days} days")
            }
        })
    }

    /// True when the note takes part at all.
    pub(super) fn covers(&self, path: &str, text: &str) -> bool {
        let (path, text) = (path.to_lowercase(), text.to_lowercase());
        let names = |topic: &String| {
            if topic.starts_with('/') {
                path.starts_with(topic.as_str())
            } else {
                text.contains(topic.as_str()) || path.contains(topic.as_str())
            }
        };
        (self.focus.is_empty() || self.focus.iter().any(names)) && !self.ignore.iter().any(names)
    }

    /// True when the owner forbade merging such text.
    pub(super) fn forbids_merge(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.never_merge.iter().any(|topic| text.contains(topic.as_str()))
    }

    /// What the owner said about an attribute's values.
    pub(super) fn is_functional(&self, attribute: &str) -> Option<bool> {
        self.functional.get(attribute).copied()
    }

    /// Understood and not understood sentences, in order.
    pub(super) fn echo(&self) -> Vec<String> {
        self.echo.clone()
    }
}

fn sentences(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends = matches!(c, '\n' | ';' | '!') || (c == '.' && chars.peek().is_none_or(|next| next.is_whitespace()));
        match out.last_mut() {
            Some(last) if !ends => last.push(c),
            _ => out.push(String::new()),
        }
    }
    out.into_iter().map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}
