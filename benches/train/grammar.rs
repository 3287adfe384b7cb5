//! Attacks and honest look-alikes made from templates: the intents of the threat model in many wordings.
//!
//! A template line is `family: text`. In it `{a|b|}` is a choice, which may nest, and `<name>` a slot
//! of `slots.txt`, where the choices stand between ` | `. Everything else is text.

use std::collections::{BTreeMap, BTreeSet};

use crate::learn::Rng;

/// The choices of every slot.
pub struct Slots(BTreeMap<String, Vec<String>>);

impl Slots {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix("= ")?.split_once(": "));
        Self(lines.map(|(name, list)| (name.to_owned(), choices(list, " | "))).collect())
    }

    fn fill(&self, template: &str, rng: &mut Rng) -> String {
        let mut out = String::new();
        let mut at = 0;
        while let Some(c) = template[at..].chars().next() {
            let rest = &template[at..];
            if c == '{' {
                let end = closing(rest);
                let list = choices(&rest[1..end], "|");
                out.push_str(&self.fill(&list[rng.below(list.len())], rng));
                at += end + 1;
                continue;
            }
            let slot = rest
                .strip_prefix('<')
                .and_then(|r| r.split_once('>'))
                .and_then(|(name, _)| self.0.get(name).map(|list| (name.len() + 2, list)));
            if let Some((len, list)) = slot {
                out.push_str(&self.fill(&list[rng.below(list.len())], rng));
                at += len;
                continue;
            }
            out.push(c);
            at += c.len_utf8();
        }
        out
    }

    /// Up to `each` different texts of every template: family and text.
    pub fn expand(&self, templates: &str, each: usize, rng: &mut Rng) -> Vec<(String, String)> {
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for (family, template) in templates.lines().filter_map(|line| line.split_once(": ")) {
            for _ in 0..each {
                let text = self.fill(template, rng).split_whitespace().collect::<Vec<_>>().join(" ");
                if seen.insert(text.clone()) {
                    out.push((family.to_owned(), text));
                }
            }
        }
        out
    }
}

/// Where the brace closes that opens `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("a brace is not closed: {text}");
}

/// The parts of `text` between separators that stand in no brace.
fn choices(text: &str, separator: &str) -> Vec<String> {
    let (mut out, mut depth, mut from, mut at) = (Vec::new(), 0_usize, 0, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && text[at..].starts_with(separator) {
            out.push(text[from..at].to_owned());
            at += separator.len();
            from = at;
            continue;
        }
        at += c.len_utf8();
    }
    out.push(text[from..].to_owned());
    out
}
