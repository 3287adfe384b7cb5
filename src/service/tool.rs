//! The client-side memory tool `memory_20250818` over a store: six commands, each write through the gate.

use crate::domain::MemoryPath;
use crate::firewall::Head;

use super::live::Op;
use super::{Caller, Service, ServiceError};

/// What a tool result says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolAnswer {
    /// The text.
    pub content: String,
    /// True for a failure.
    pub is_error: bool,
}

/// A command of the tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Shows a folder or a file.
    View {
        /// Where.
        path: String,
        /// First and last line; -1 for the end.
        range: Option<(i64, i64)>,
    },
    /// Makes a file.
    Create {
        /// Where.
        path: String,
        /// Its text.
        text: String,
    },
    /// Replaces one place.
    StrReplace {
        /// Where.
        path: String,
        /// The old text.
        old: String,
        /// The new text.
        new: String,
    },
    /// Puts lines after a line.
    Insert {
        /// Where.
        path: String,
        /// After which line.
        line: i64,
        /// The lines.
        text: String,
    },
    /// Deletes a file or a folder.
    Delete {
        /// Where.
        path: String,
    },
    /// Renames a file or a folder.
    Rename {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
}

/// A failure in the tool's own words.
struct Failure(String);

type Done = Result<String, Failure>;

fn fail<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(text.into()))
}

const ROOT: &str = "/memories";
/// Most lines a file is shown with.
const LINES: usize = 999_999;

/// The path in the store of a path of the tool: `/` for the root itself.
fn inner(path: &str) -> Result<String, Failure> {
    let rest = match path.strip_prefix(ROOT) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => return fail(format!("Path must start with /memories, got: {path}")),
    };
    let escapes = || Failure(format!("Path {path} would escape /memories directory"));
    // Percent-encoded dots are how a path is smuggled past a check that decodes later.
    let lower = rest.to_ascii_lowercase();
    if lower.contains("%2e") || lower.contains("%2f") || lower.contains("%5c") || rest.contains('\\') {
        return Err(escapes());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(escapes)?;
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn file(head: &Head, path: &str) -> Option<(String, String)> {
    let path = MemoryPath::parse(path).ok()?;
    let row = head.at(&path)?;
    Some((row.id.clone(), head.text(row).to_owned()))
}

/// Ids and paths of everything below a folder.
fn below(head: &Head, path: &str) -> Vec<(String, String, usize)> {
    let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
    head.from(&prefix)
        .take_while(|row| row.path.as_str().starts_with(&prefix))
        .map(|row| (row.id.clone(), row.path.as_str().to_owned(), row.size))
        .collect()
}

/// Sizes as people read them: 0B, 512B, 1.5K, 2M.
fn size(bytes: usize) -> String {
    let mut tenths = bytes.saturating_mul(10);
    for unit in ["B", "K", "M"] {
        if tenths < 10 * 1024 || unit == "M" {
            let (whole, rest) = (tenths / 10, tenths % 10);
            return if rest == 0 || unit == "B" { format!("{whole}{unit}") } else { format!("{whole}.{rest}{unit}") };
        }
        tenths /= 1024;
    }
    String::new()
}

fn listing(head: &Head, shown: &str, path: &str) -> String {
    let all = below(head, path);
    let base = if path == "/" { "" } else { path };
    let total: usize = all.iter().map(|(_, _, size)| size).sum();
    let mut text = format!(
        "Here're the files and directories up to 2 levels deep in {shown}, excluding hidden items:\n{}\t{shown}",
        size(total)
    );
    let hidden = |rest: &str| rest.split('/').any(|part| part.starts_with('.'));
    let mut entries: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for (_, full, bytes) in &all {
        let Some(rest) = full.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if hidden(rest) {
            continue;
        }
        let parts: Vec<&str> = rest.split('/').collect();
        for depth in 1..=parts.len().min(2) {
            let folder = depth < parts.len();
            let name = format!("{}{}", parts[..depth].join("/"), if folder { "/" } else { "" });
            *entries.entry(name).or_insert(0) += bytes;
        }
    }
    for (name, bytes) in entries {
        text.push_str(&format!("\n{}\t{}/{name}", size(bytes), shown.trim_end_matches('/')));
    }
    text
}

fn numbered(lines: &[&str], first: usize) -> String {
    let shown = |(number, line): (usize, &&str)| format!("{:>6}\t{line}", first + number);
    lines.iter().enumerate().map(shown).collect::<Vec<_>>().join("\n")
}

impl Service {
    /// Carries out one command of the memory tool.
    ///
    /// # Errors
    /// As the writes behind it: what the gate holds or blocks is an error of the wire, not a tool result.
    pub fn memory_tool(&self, caller: &Caller, store: &str, command: &Command) -> Result<ToolAnswer, ServiceError> {
        Self::require(caller, crate::auth::Scope::Submit)?;
        let head = self.head(&caller.workspace, store)?;
        let answer = match command {
            Command::View { path, range } => Ok(view(&head, path, *range)),
            _ => {
                self.writable_store(&caller.workspace, store)?;
                self.tool_write(caller, store, &head, command)
            }
        }?;
        Ok(match answer {
            Ok(content) => ToolAnswer { content, is_error: false },
            Err(Failure(content)) => ToolAnswer { content, is_error: true },
        })
    }

    fn tool_write(&self, caller: &Caller, store: &str, head: &Head, command: &Command) -> Result<Done, ServiceError> {
        let plan = match plan(head, command) {
            Ok(plan) => plan,
            Err(failure) => return Ok(Err(failure)),
        };
        for op in plan.ops {
            match self.tool_op(caller, store, op) {
                // A bad path is the model's mistake: it reads why and tries another.
                Err(ServiceError::Invalid { message }) => return Ok(fail(message)),
                Err(ServiceError::PathConflict { path, .. }) => {
                    return Ok(fail(format!("The destination {ROOT}{path} already exists")));
                }
                other => other?,
            }
        }
        Ok(Ok(plan.said))
    }

    fn tool_op(&self, caller: &Caller, store: &str, op: ToolOp) -> Result<(), ServiceError> {
        match op {
            ToolOp::Create(path, text) => self.create_memory(caller, store, &path, text, false).map(drop),
            ToolOp::Write(id, text) => {
                let change = super::MemoryUpdate { content: Some(text), ..Default::default() };
                self.update_memory(caller, store, &id, change, false).map(drop)
            }
            ToolOp::Move(id, path) => {
                let change = super::MemoryUpdate { path: Some(path), ..Default::default() };
                self.update_memory(caller, store, &id, change, false).map(drop)
            }
            ToolOp::Delete(id) => self.write(caller, store, Op::Delete { id, expected: None }).map(drop),
        }
    }
}

enum ToolOp {
    Create(String, String),
    Write(String, String),
    Move(String, String),
    Delete(String),
}

struct Plan {
    ops: Vec<ToolOp>,
    said: String,
}

fn view(head: &Head, path: &str, range: Option<(i64, i64)>) -> Done {
    let at = inner(path)?;
    let Some((_, text)) = file(head, &at) else {
        if at == "/" || !below(head, &at).is_empty() {
            return Ok(listing(head, path, &at));
        }
        return fail(format!("The path {path} does not exist. Please provide a valid path."));
    };
    let lines: Vec<&str> = text.split('\n').collect();
    if lines.len() > LINES {
        return fail(format!("File {path} exceeds maximum line limit of 999,999 lines."));
    }
    let (first, last) = match range {
        None => (1, lines.len()),
        Some((start, end)) => {
            let start = usize::try_from(start.max(1)).unwrap_or(1);
            let end = if end < 0 { lines.len() } else { usize::try_from(end).unwrap_or(0).min(lines.len()) };
            (start, end)
        }
    };
    let shown = lines.get(first - 1..last).unwrap_or_default();
    Ok(format!("Here's the content of {path} with line numbers:\n{}", numbered(shown, first)))
}

fn plan(head: &Head, command: &Command) -> Result<Plan, Failure> {
    let missing = |path: &str| Failure(format!("The path {path} does not exist. Please provide a valid path."));
    let open = |path: &str, at: &str| match file(head, at) {
        Some(found) => Ok(found),
        None if at == "/" || !below(head, at).is_empty() => fail(format!("The path {path} is not a file.")),
        None => Err(missing(path)),
    };
    match command {
        Command::View { .. } => fail("view changes nothing"),
        Command::Create { path, text } => {
            let at = inner(path)?;
            if file(head, &at).is_some() || at == "/" || !below(head, &at).is_empty() {
                return fail(format!("File {path} already exists"));
            }
            let said = format!("File created successfully at: {path}");
            Ok(Plan { ops: vec![ToolOp::Create(at, text.clone())], said })
        }
        Command::StrReplace { path, old, new } => {
            let at = inner(path)?;
            let (id, text) = open(path, &at)?;
            let places: Vec<usize> = if old.is_empty() { Vec::new() } else { overlapping(&text, old) };
            let line_of = |at: usize| text[..at].matches('\n').count() + 1;
            match places.as_slice() {
                [] => fail(format!("No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")),
                [place] => {
                    let changed = format!("{}{new}{}", &text[..*place], &text[place + old.len()..]);
                    let first = line_of(*place).saturating_sub(2).max(1);
                    // Two lines on as the SDK counts them: from the first changed line, however many follow it.
                    let last = line_of(*place) + 2;
                    let lines: Vec<&str> = changed.split('\n').collect();
                    let shown = lines.get(first - 1..last.min(lines.len())).unwrap_or_default();
                    let said = format!(
                        "The memory file has been edited. Here is the snippet showing the change (with line \
                         numbers):\n{}",
                        numbered(shown, first)
                    );
                    Ok(Plan { ops: vec![ToolOp::Write(id, changed)], said })
                }
                several => {
                    let mut lines: Vec<String> = several.iter().map(|at| line_of(*at).to_string()).collect();
                    lines.dedup();
                    fail(format!(
                        "No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {}. Please \
                         ensure it is unique",
                        lines.join(", ")
                    ))
                }
            }
        }
        Command::Insert { path, line, text: new } => {
            let at = inner(path)?;
            let (id, text) = open(path, &at)?;
            let mut lines: Vec<&str> = text.split('\n').collect();
            if text.ends_with('\n') || text.is_empty() {
                lines.pop();
            }
            let most = lines.len();
            let place = usize::try_from(*line).ok().filter(|line| *line <= most);
            let Some(place) = place else {
                return fail(format!(
                    "Invalid `insert_line` parameter: {line}. It should be within the range [0, {most}]."
                ));
            };
            lines.insert(place, new.trim_end_matches('\n'));
            let changed = format!("{}\n", lines.join("\n"));
            Ok(Plan { ops: vec![ToolOp::Write(id, changed)], said: format!("The file {path} has been edited.") })
        }
        Command::Delete { path } => {
            let at = inner(path)?;
            if at == "/" {
                return fail("Cannot delete the /memories directory itself");
            }
            let ids: Vec<String> = match file(head, &at) {
                Some((id, _)) => vec![id],
                None => below(head, &at).into_iter().map(|(id, _, _)| id).collect(),
            };
            if ids.is_empty() {
                return fail(format!("The path {path} does not exist"));
            }
            let ops = ids.into_iter().map(ToolOp::Delete).collect();
            Ok(Plan { ops, said: format!("Successfully deleted {path}") })
        }
        Command::Rename { from, to } => {
            let (old, new) = (inner(from)?, inner(to)?);
            if old == "/" {
                return fail("Cannot rename the /memories directory itself");
            }
            if new == "/" || file(head, &new).is_some() || !below(head, &new).is_empty() {
                return fail(format!("The destination {to} already exists"));
            }
            let moves: Vec<(String, String)> = match file(head, &old) {
                Some((id, _)) => vec![(id, new.clone())],
                None => below(head, &old)
                    .into_iter()
                    .map(|(id, path, _)| (id, format!("{new}{}", path.get(old.len()..).unwrap_or_default())))
                    .collect(),
            };
            if moves.is_empty() {
                return fail(format!("The path {from} does not exist"));
            }
            if new.starts_with(&format!("{old}/")) {
                return fail(format!("The destination {to} lies inside {from}"));
            }
            let ops = moves.into_iter().map(|(id, path)| ToolOp::Move(id, path)).collect();
            Ok(Plan { ops, said: format!("Successfully renamed {from} to {to}") })
        }
    }
}

/// Every place of a text, overlapping ones too: a replacement must mean one place.
fn overlapping(text: &str, old: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(old)) {
        places.push(from + at);
        from += at + text[from + at..].chars().next().map_or(1, char::len_utf8);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_root() {
        let ok = |path: &str| inner(path).map_err(|f| f.0);
        assert_eq!(ok("/memories").unwrap(), "/");
        assert_eq!(ok("/memories/a/../b.md").unwrap(), "/b.md");
        for bad in ["/memoriesX/a", "/etc/passwd", "/memories/../x", "/memories/%2e%2e/x", "/memories/..%2fx", ""] {
            assert!(ok(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_like_those_of_the_sdk() {
        let sizes = [0, 512, 1024, 1536, 2 * 1024 * 1024].map(size);
        assert_eq!(sizes, ["0B", "512B", "1K", "1.5K", "2M"]);
    }
}
