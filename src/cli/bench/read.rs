//! Labelled lines: read completely or not at all, with file and line for whatever is wrong.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::CliError;
use crate::cli::collect::{self, Refused};
use crate::domain::{Channel, Span};

/// Largest file of labelled lines, bytes.
const MAX_FILE: u64 = 1 << 30;

/// One labelled text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Labelled {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) attack: bool,
    pub(super) source: String,
    pub(super) family: String,
    /// As the data names it.
    pub(super) channel: String,
    /// As memgate knows it.
    pub(super) came_by: Channel,
    pub(super) span: Option<Span>,
}

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    text: String,
    label: u8,
    source: Option<String>,
    family: Option<String>,
    channel: Option<String>,
    span: Option<(usize, usize)>,
}

/// The channel a name of the data stands for.
fn channel(name: &str) -> Option<Channel> {
    Some(match name {
        "system" => Channel::System,
        "user" => Channel::User,
        "assistant" => Channel::Assistant,
        "memory" => Channel::Memory,
        "peer" => Channel::Peer,
        "tool" | "document" | "web" | "email" | "code" => Channel::Tool,
        _ => return None,
    })
}

/// All labelled texts of files and folders, in the order of names and lines.
///
/// Errors: nothing to read; a file that cannot be read; a line that is not what it should be.
pub(super) fn labelled(paths: &[PathBuf]) -> Result<Vec<Labelled>, CliError> {
    let place = || paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(", ");
    let mut texts = Vec::new();
    for found in collect::collect(paths, |name| !name.starts_with('.'))?.found {
        let path = found.path.clone().unwrap_or_else(|| PathBuf::from("standard input"));
        match &found.refused {
            // A link inside a folder is not followed; a corpus that consists of links is nothing to read.
            Some(Refused::Skipped(_)) => continue,
            Some(Refused::Failed(why)) => return Err(CliError::read(&path, std::io::Error::other(why.clone()))),
            None => {}
        }
        if !found.named && !found.name.ends_with(".jsonl") {
            continue;
        }
        let bytes = collect::read(&found, MAX_FILE).map_err(|problem| CliError::read(&path, problem))?;
        let stem = Path::new(&found.name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        lines(&bytes, &found.name, &stem.unwrap_or_default(), &mut texts)?;
    }
    if texts.is_empty() { Err(CliError::Nothing { place: place() }) } else { Ok(texts) }
}

fn lines(bytes: &[u8], name: &str, stem: &str, texts: &mut Vec<Labelled>) -> Result<(), CliError> {
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let bad = |why: String| CliError::Labelled { file: name.to_owned(), line: number + 1, why };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: Line = serde_json::from_slice(line).map_err(|problem| bad(problem.to_string()))?;
        if line.label > 1 {
            return Err(bad(format!("the label is {}, not 0 or 1", line.label)));
        }
        let channel_name = line.channel.unwrap_or_else(|| "memory".to_owned());
        let came_by = channel(&channel_name).ok_or_else(|| bad(format!("there is no channel {channel_name:?}")))?;
        let span = match line.span {
            None => None,
            Some((from, to)) => {
                let span = (from < to).then(|| Span::new(from, to)).filter(|span| span.slice(&line.text).is_some());
                Some(span.ok_or_else(|| bad(format!("the span {from} to {to} is not a part of the text, in bytes")))?)
            }
        };
        texts.push(Labelled {
            id: line.id.unwrap_or_else(|| format!("{stem}-{}", number + 1)),
            text: line.text,
            attack: line.label == 1,
            source: line.source.unwrap_or_else(|| stem.to_owned()),
            family: line.family.unwrap_or_default(),
            channel: channel_name,
            came_by,
            span,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Labelled>, String> {
        let mut out = Vec::new();
        match lines(text.as_bytes(), "a.jsonl", "a", &mut out) {
            Ok(()) => Ok(out),
            Err(CliError::Labelled { line, why, .. }) => Err(format!("{line}: {why}")),
            Err(other) => Err(other.to_string()),
        }
    }

    #[test]
    fn what_a_line_leaves_out_has_a_documented_value() {
        let all =
            read("\n{\"text\":\"x\",\"label\":1}\r\n{\"text\":\"y\",\"label\":0,\"channel\":\"web\",\"more\":[1]}")
                .unwrap();
        assert_eq!((all[0].id.as_str(), all[0].source.as_str(), all[0].came_by), ("a-2", "a", Channel::Memory));
        assert_eq!((all[1].attack, all[1].came_by, all[1].channel.as_str()), (false, Channel::Tool, "web"));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for (text, said) in [
            ("{\"text\":\"x\",\"label\":0}\n{\"text\":\"x\"", "2: EOF"),
            ("{\"text\":\"x\"}", "1: missing field `label`"),
            ("{\"text\":\"x\",\"label\":2}", "1: the label is 2"),
            ("{\"text\":\"x\",\"label\":-1}", "1: invalid value"),
            ("{\"text\":\"x\",\"label\":0,\"channel\":\"smoke\"}", "1: there is no channel \"smoke\""),
            ("{\"text\":\"\\u00e4\",\"label\":1,\"span\":[0,1]}", "1: the span 0 to 1"),
            ("{\"text\":\"abc\",\"label\":1,\"span\":[2,1]}", "1: the span 2 to 1"),
            ("{\"text\":\"abc\",\"label\":1,\"span\":[0,9]}", "1: the span 0 to 9"),
            ("{\"text\":\"\\ud800\",\"label\":0}", "1: "),
            ("[]\n", "1: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
