//! Other orders, other spacing, and places that a rendered page does not show.

fn lines(text: &str, turn: impl Fn(&str) -> String) -> String {
    text.split('\n').map(turn).collect::<Vec<_>>().join("\n")
}

fn mirror(text: &str) -> String {
    text.chars().rev().collect()
}

/// Words on one line, as attributes and titles want it.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(text: &str, between: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(between)
}

/// `with` between the letters of each word.
fn inside(text: &str, with: char) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c.is_alphanumeric() && chars.peek().is_some_and(|n| n.is_alphanumeric()) {
            out.push(with);
        }
    }
    out
}

/// `with` in the middle of every word of four letters or more.
fn halves(text: &str, with: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_alphabetic()) {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        for (i, c) in word.chars().enumerate() {
            if letters >= 4 && i == letters / 2 {
                out.push_str(with);
            }
            out.push(c);
        }
    }
    out
}

pub(super) fn bidi_override(text: &str) -> String {
    lines(text, |line| if line.is_empty() { String::new() } else { format!("\u{202E}{}\u{202C}", mirror(line)) })
}
pub(super) fn spaced(text: &str) -> String {
    lines(text, |line| line.chars().map(String::from).collect::<Vec<_>>().join(" "))
}
pub(super) fn spaced_unbroken(text: &str) -> String {
    lines(text, |line| line.chars().filter(|c| *c != ' ').map(String::from).collect::<Vec<_>>().join(" "))
}
pub(super) fn dotted(text: &str) -> String {
    inside(text, '.')
}
pub(super) fn dashed(text: &str) -> String {
    inside(text, '-')
}
pub(super) fn starred(text: &str) -> String {
    inside(text, '*')
}
pub(super) fn joined_words(text: &str) -> String {
    lines(text, |line| words(line, "_"))
}
pub(super) fn reversed(text: &str) -> String {
    lines(text, mirror)
}
pub(super) fn reversed_words(text: &str) -> String {
    lines(text, |line| line.split(' ').rev().collect::<Vec<_>>().join(" "))
}
pub(super) fn mirrored_words(text: &str) -> String {
    lines(text, |line| line.split(' ').map(mirror).collect::<Vec<_>>().join(" "))
}

/// The rest of a line that begins with a given letter.
const TAILS: [&str; 26] = [
    "pples keep well in cool rooms",
    "read is baked before sunrise",
    "louds drift over the bay",
    "oors stay open in summer",
    "very path leads to the lake",
    "erns grow beside the stream",
    "ardens need some rain",
    "ills turn blue at dusk",
    "n spring the ice melts",
    "une brings long evenings",
    "ites rise above the pier",
    "anterns glow at the gate",
    "aple leaves turn red",
    "ights are quiet up here",
    "rchards bloom in April",
    "ines stand on the ridge",
    "uiet water runs deep",
    "ivers carry the silt away",
    "wallows nest under the roof",
    "ides come twice a day",
    "mbrellas dry in the hall",
    "alleys fill with fog",
    "inter light is low",
    "ylophones sound bright",
    "ellow fields lie fallow",
    "ephyrs cool the terrace",
];

/// A line for every character; a blank line for every run of white space.
pub(super) fn acrostic(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for c in text.chars() {
        let place = u32::from(c.to_ascii_lowercase()).wrapping_sub(97) as usize;
        match TAILS.get(place).filter(|_| c.is_ascii_alphabetic()) {
            Some(tail) => out.push(format!("{}{tail}", c.to_ascii_uppercase())),
            None if c.is_whitespace() => {
                if out.last().is_some_and(|l| !l.is_empty()) {
                    out.push(String::new());
                }
            }
            None => out.push(format!("{c}and so on")),
        }
    }
    out.join("\n")
}

pub(super) fn word_per_line(text: &str) -> String {
    words(text, "\n")
}
pub(super) fn word_per_item(text: &str) -> String {
    text.split_whitespace().map(|word| format!("- {word}\n")).collect()
}
pub(super) fn word_per_paragraph(text: &str) -> String {
    words(text, "\n\n")
}
pub(super) fn unicode_breaks(text: &str) -> String {
    text.replace(' ', "\u{2028}")
}
pub(super) fn unicode_spaces(text: &str) -> String {
    let spaces = ['\u{2003}', '\u{A0}', '\u{3000}', '\u{2009}', '\u{202F}', '\u{205F}', '\u{1680}'];
    text.chars().enumerate().map(|(i, c)| if c == ' ' { spaces[i % spaces.len()] } else { c }).collect()
}
pub(super) fn broken_words(text: &str) -> String {
    halves(text, "\n")
}
pub(super) fn hyphenated(text: &str) -> String {
    halves(text, "-\n")
}

const EMOJI: [&str; 5] = ["\u{1F600}", "\u{1F680}", "\u{2728}", "\u{1F525}", "\u{2705}"];

fn with_emoji(text: &str, around: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split(' ').enumerate() {
        if i > 0 {
            out.push_str(around);
            out.push_str(EMOJI[i % EMOJI.len()]);
            out.push_str(around);
        }
        out.push_str(part);
    }
    out
}
pub(super) fn emoji_words(text: &str) -> String {
    with_emoji(text, "")
}
pub(super) fn emoji_between(text: &str) -> String {
    with_emoji(text, " ")
}

pub(super) fn html_comment(text: &str) -> String {
    format!("<p>Notes</p>\n<!-- {text} -->")
}
pub(super) fn html_hidden(text: &str) -> String {
    format!("<p>Notes</p><span style=\"display:none\">{text}</span>")
}
pub(super) fn html_attribute(text: &str) -> String {
    format!("<img src=\"a.png\" alt=\"{}\">", flat(text).replace('"', "&quot;"))
}
pub(super) fn tags_in_words(text: &str) -> String {
    halves(text, "<b></b>")
}
pub(super) fn comments_in_words(text: &str) -> String {
    halves(text, "<!-- x -->")
}
pub(super) fn emphasis_in_words(text: &str) -> String {
    halves(text, "**")
}
pub(super) fn link_title(text: &str) -> String {
    format!("See the [notes](https://docs.example/notes \"{}\").", flat(text).replace('"', "'"))
}
pub(super) fn image_text(text: &str) -> String {
    format!("![{}](notes.png)", flat(text).replace(']', ")"))
}
pub(super) fn reference(text: &str) -> String {
    format!("Notes.\n\n[notes]: https://docs.example/notes \"{}\"\n", flat(text).replace('"', "'"))
}
pub(super) fn markdown_comment(text: &str) -> String {
    format!("Notes.\n\n[//]: # ({})\n", flat(text))
}
pub(super) fn footnote(text: &str) -> String {
    format!("Notes[^1].\n\n[^1]: {}\n", flat(text))
}
pub(super) fn front_matter(text: &str) -> String {
    format!("---\ntitle: Notes\ndescription: {}\n---\n\nNotes.\n", flat(text))
}
