//! The workspace notes speak of: its files, and its git history by plumbing commands.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::consolidate::GitFacts;

use super::FirewallError;

/// Commits of history that are looked at.
const COMMITS: &str = "20000";

/// Reads a workspace: file names, and what history says of renames and deletions. Without git, or
/// outside a repository, there is no history: then nothing is called deleted.
///
/// # Errors
/// Unavailable when the folder cannot be read.
pub fn read(folder: &Path) -> Result<GitFacts, FirewallError> {
    let problem = |source| FirewallError::Workspace { path: folder.to_owned(), source };
    std::fs::read_dir(folder).map_err(problem)?;
    let mut files = Vec::new();
    let walk = walkdir::WalkDir::new(folder).follow_links(false).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.file_name() != ".git") {
        let entry = entry.map_err(|e| problem(e.into_io_error().unwrap_or_else(|| std::io::Error::other("a loop"))))?;
        if !entry.file_type().is_dir()
            && let Some(name) = entry.path().strip_prefix(folder).ok().and_then(Path::to_str)
        {
            files.push(name.to_owned());
        }
    }
    let log =
        git(folder, &["log", "--name-status", "-M", "--format=commit %H", "--relative", "-n", COMMITS, "--", "."]);
    let shallow = git(folder, &["rev-parse", "--is-shallow-repository"]);
    // No answer is not "never shallow": history that cannot be read proves nothing.
    let complete = log.is_some() && shallow.as_deref().map(str::trim) == Some("false");
    Ok(GitFacts::new(files, log.as_deref().unwrap_or_default(), !complete))
}

#[expect(clippy::disallowed_methods, reason = "history is read by git's own plumbing, without hooks or a pager")]
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    // The folder's own configuration must not run anything: no hooks, no external diff, no pager.
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external="])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
