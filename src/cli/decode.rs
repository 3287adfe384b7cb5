//! `memgate decode`: one text with everything that hides in it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::collect::{self, Refused};
use super::recognise::{self, Locator, Readable};
use super::{CliError, Context, Exit, Format, rules};
use crate::detect::{self, ViewText};
use crate::domain::{Authority, Channel, Digest, Span, Stage, Untrusted, View};
use crate::ingest;
use crate::report::style::Style;
use crate::report::{ShowOptions, describe, hidden_count, show_line, show_plain, show_terminal};

/// Arguments of `decode`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate decode suspicious.md\n  \
    pbpaste | memgate decode -\n  \
    memgate decode suspicious.md --format json\n\n\
    Safe to paste in a ticket: nothing in the output acts on a terminal or a page.")]
pub struct Args {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Bytes of one layer that are printed; JSON has all.
const MAX_SHOWN: usize = 64 * 1024;

/// Decodes one text.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let collection = collect::collect(std::slice::from_ref(&args.file), |_| false)?;
    let place = || args.file.to_string_lossy().into_owned();
    let found = match collection.found.as_slice() {
        [one] if one.named && !matches!(one.refused, Some(Refused::Failed(_))) => one,
        _ => return Err(CliError::Usage(format!("decode takes one file, and {} is a folder", place()))),
    };
    let bytes =
        collect::read(found, ingest::MAX_INPUT_BYTES as u64).map_err(|problem| CliError::read(&args.file, problem))?;
    let digest = Digest::of(&bytes);
    let Readable { text, gap } = recognise::readable(bytes);
    let scanner = rules::scanner(None, detect::Levels::default())?;
    let (layers, limits) = detect::views(&text, scanner.budget());
    let layers: Vec<ViewText> = layers.into_iter().filter(|layer| says_more(layer, &text)).collect();
    let examined = scanner.examine(&Untrusted::new(text.as_str()), Stage::Write, Channel::Memory, Authority::External);
    let mut gaps: Vec<String> = gap.into_iter().collect();
    gaps.extend(limits.iter().map(|limit| format!("not decoded completely: the limit {limit} was reached")));
    let mut locator = Locator::new(text.as_bytes());

    if context.format == Format::Json {
        let rows: Vec<Value> = layers
            .iter()
            .map(
                |layer| json!({"view": layer.view, "decoding": layer.decoding, "span": raw(layer), "text": layer.text}),
            )
            .collect();
        context.print_json(&json!({
            "schema": "memgate/decode/1", "name": found.name, "bytes": text.len(), "digest": digest,
            "hidden_characters": hidden_count(&text), "visible": show_plain(&text), "layers": rows,
            "findings": examined.findings(), "gaps": gaps,
        }))?;
        return Ok(if gaps.is_empty() { Exit::Done } else { Exit::Incomplete });
    }
    let paint = context.paint();
    let layout = ShowOptions { max_bytes: MAX_SHOWN, ..context.show() };
    let mut out = format!("{}\n{}\n\n", show_line(&found.name, context.width), describe(&text));
    let _ = write!(
        out,
        "{}\n{}",
        paint.wrap(Style::Title, "as it is, with everything visible"),
        show_terminal(&text, &layout)
    );
    for layer in &layers {
        let span = raw(layer);
        let (line, column) = locator.locate(span.start);
        let mut title = format!("{} text at {line}:{column} (bytes {}..{})", layer.view.name(), span.start, span.end);
        if !layer.decoding.is_empty() {
            let _ = write!(title, ", after {}", show_line(&layer.decoding.join(" > "), 80));
        }
        let _ = write!(out, "\n{}\n{}", paint.wrap(Style::Title, &title), show_terminal(&layer.text, &layout));
    }
    if !examined.findings().is_empty() {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, "findings"));
        for finding in examined.findings() {
            let (line, column) = locator.locate(finding.span.start);
            let severity = paint.wrap(Style::of(finding.severity), finding.severity.name());
            let rule = show_line(finding.rule.as_str(), 60);
            let _ = writeln!(out, "{severity} {line}:{column} {rule}: {}", show_line(&finding.title, context.width));
        }
    }
    for gap in &gaps {
        let _ = writeln!(out, "\n{}: {}", paint.wrap(Style::Warn, "incomplete"), show_line(gap, 200));
    }
    context.print(&out)?;
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Incomplete })
}

/// The bytes of the raw text that a layer came from.
fn raw(layer: &ViewText) -> Span {
    layer.map.to_raw(Span::new(0, layer.text.len()))
}

/// False for a reading that is the text itself, up to case and white space.
fn says_more(layer: &ViewText, text: &str) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect() };
    match layer.view {
        View::Raw => false,
        View::Folded => plain(&layer.text) != plain(text),
        _ => true,
    }
}
