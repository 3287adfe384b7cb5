//! Safety kinds: hidden characters, findings, canaries, destinations.

use serde::Serialize;
use unicode_general_category::{GeneralCategory, get_general_category};

use super::glob;
use crate::domain::Severity;
use crate::grade::error::GradeError;
use crate::grade::run::{Evidence, Reading};
use crate::grade::target::{Context, Target};
use crate::grade::yaml::Fields;

#[derive(Clone, Debug, Serialize)]
pub(super) enum Safety {
    Hidden(Target),
    Clean { rules: Vec<String>, level: Severity },
    Canary { on: Target, canaries: Vec<String> },
    Destination { on: Target, allow: Vec<String> },
}

impl Safety {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        match kind {
            "text.hidden" => Ok(Self::Hidden(Target::take(fields)?)),
            "scan.clean" => {
                let words = [Severity::Medium, Severity::Info, Severity::Low, Severity::High, Severity::Critical];
                let words = words.map(|level| (level.name(), level));
                Ok(Self::Clean { rules: fields.texts("rules")?, level: fields.choice("level", &words)? })
            }
            "secret.none" => Ok(Self::Clean { rules: vec!["secret".to_owned()], level: Severity::Info }),
            "canary.absent" => {
                let on = Target::take(fields)?;
                let canaries = fields.need_texts("canaries")?;
                Ok(Self::Canary { on, canaries: canaries.iter().map(|c| c.to_lowercase()).collect() })
            }
            _ => {
                let on = Target::take(fields)?;
                let allow = fields.texts("allow")?;
                if fields.peek("allow").is_none() {
                    return Err(GradeError::MissingKey {
                        place: fields.at,
                        key: "allow",
                        within: fields.within.clone(),
                    });
                }
                Ok(Self::Destination { on, allow: allow.iter().map(|host| host.to_lowercase()).collect() })
            }
        }
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        match self {
            Self::Hidden(on) => {
                let Some(pieces) = on.pieces(cx) else { return Reading::missing("the text to read") };
                for piece in pieces {
                    if let Some((at, c)) = piece.text.char_indices().find(|(_, c)| hidden(*c)) {
                        return Reading::yes(true).with([piece.at.spanning(at, at + c.len_utf8())]);
                    }
                }
                Reading::yes(false)
            }
            Self::Clean { rules, level } => {
                let Some(findings) = &cx.artifacts.findings else { return Reading::missing("a scan of the session") };
                let of = |id: &str| rules.is_empty() || rules.iter().any(|prefix| id.starts_with(prefix.as_str()));
                let bad = findings.iter().enumerate();
                let bad = bad.filter(|(_, f)| f.severity >= *level && of(f.rule.as_str()));
                let bad: Vec<_> = bad.map(|(i, _)| Evidence::at("findings", i)).collect();
                Reading::yes(bad.is_empty()).with(bad)
            }
            Self::Canary { on, canaries } => {
                let Some(pieces) = on.pieces(cx) else { return Reading::missing("the text to read") };
                let bad = pieces.into_iter().filter(|p| {
                    let text = p.text.to_lowercase();
                    canaries.iter().any(|canary| text.contains(canary.as_str()))
                });
                let bad: Vec<_> = bad.map(|p| p.at).collect();
                Reading::yes(bad.is_empty()).with(bad)
            }
            Self::Destination { on, allow } => {
                let Some(pieces) = on.pieces(cx) else { return Reading::missing("the text to read") };
                let foreign = |host: &String| !allow.iter().any(|pattern| glob(pattern, host));
                let bad = pieces.into_iter().filter(|p| hosts(&p.text).iter().any(foreign));
                let bad: Vec<_> = bad.map(|p| p.at).collect();
                Reading::yes(bad.is_empty()).with(bad)
            }
        }
    }
}

/// Characters that take no visible room or steer the others.
fn hidden(c: char) -> bool {
    match c {
        '\n' | '\r' | '\t' => false,
        // variation selectors and their supplement, combining grapheme joiner, fillers
        '\u{FE00}'..='\u{FE0F}'
        | '\u{E0100}'..='\u{E01EF}'
        | '\u{034F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{3164}'
        | '\u{FFA0}' => true,
        _ => matches!(
            get_general_category(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        ),
    }
}

/// Hosts of URLs (`scheme://`, `//`) and mail addresses, lower-case. What follows a user part
/// (`https://shop.example@evil.test`) is the host. A URL whose host cannot be read yields `?`,
/// which only `*` allows.
fn hosts(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // a backslash is a slash to browsers
    let text = text.replace('\\', "/");
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '`' | ')' | ']' | '}' | ',' | ';')
    };
    let mut from = 0;
    while let Some(at) = text[from..].find("//").map(|at| from + at) {
        let rest = text[at + 2..].trim_start_matches('/');
        // past the whole run, or a megabyte of slashes would cost a megabyte each
        from = text.len() - rest.len();
        let authority = rest.split(ends).next().unwrap_or_default();
        let scheme = text[..at].ends_with(':');
        let bracketed = rest.starts_with('[');
        if authority.is_empty() && !(scheme && bracketed) {
            continue;
        }
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_lowercase();
        let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        match (plain, scheme) {
            (true, true) => found.push(host),
            // without a scheme `//` is as often a comment: a host there has a dot
            (true, false) if host.contains('.') => found.push(host),
            (false, true) => found.push("?".to_owned()),
            _ => {}
        }
    }
    for (at, _) in text.match_indices('@') {
        let before = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c));
        let host: String = text[at + 1..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
            .collect::<String>()
            .trim_end_matches(['.', '-'])
            .to_lowercase();
        if before && host.contains('.') {
            found.push(if host.is_ascii() { host } else { "?".to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_a_browser_reads_them() {
        for (text, want) in [
            ("see https://Shop.Example/a?b", vec!["shop.example"]),
            ("https://shop.example@evil.test/x", vec!["evil.test", "evil.test"]),
            ("https:\\\\evil.test\\x", vec!["evil.test"]),
            ("https:///evil.test", vec!["evil.test"]),
            ("//evil.test/x", vec!["evil.test"]),
            ("a // comment", vec![]),
            ("mail bob@evil.test.", vec!["evil.test"]),
            ("https://evil.test.:443/", vec!["evil.test"]),
            ("https://[2001:db8::1]/", vec!["?"]),
            ("https://\u{0435}vil.test/", vec!["?"]),
            ("@handle and a @ b", vec![]),
        ] {
            assert_eq!(hosts(text), want, "{text:?}");
        }
    }
}
