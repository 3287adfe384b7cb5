//! From the paths a user names to inputs: walks folders, follows no link out of them, reads with a limit.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::CliError;

/// One thing that was named, or found in a folder that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Name for people and reports: as the user would type it, `/` between its parts.
    pub(super) name: String,
    /// Where it lies; `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// True when the user named it, false when a folder held it.
    pub(super) named: bool,
    /// Why it will not be read, when that is known already.
    pub(super) refused: Option<Refused>,
}

/// Why a found thing is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// By rule: a link, a device. Not a failure.
    Skipped(String),
    /// It should have been read and could not be.
    Failed(String),
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Collection {
    /// In the order the user named, folders in the order of their names.
    pub(super) found: Vec<Found>,
    /// Folders that hold no memory by their name (version control and the like), and how many.
    pub(super) passed_folders: BTreeMap<String, usize>,
}

/// Entries of one walk beyond which it stops and says so.
const MAX_ENTRIES: usize = 1_000_000;

/// Folder levels of one walk beyond which it says so.
const MAX_DEPTH: usize = 128;

/// Looks at what was named. `enter` says which folders a walk looks into.
///
/// Errors: a named path that does not exist or cannot be looked at.
pub(super) fn collect(paths: &[PathBuf], enter: impl Fn(&str) -> bool) -> Result<Collection, CliError> {
    let mut out = Collection::default();
    for path in paths {
        if path.as_os_str() == "-" {
            out.found.push(Found { name: "standard input".to_owned(), path: None, named: true, refused: None });
            continue;
        }
        // What the user names is followed, also when it is a link: that is what was asked for.
        let about = path.metadata().map_err(|problem| CliError::read(path, problem))?;
        if about.is_dir() {
            walk(path, &enter, &mut out)?;
        } else {
            out.found.push(Found { name: display(path), path: Some(path.clone()), named: true, refused: None });
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    out.found.retain(|one| seen.insert((one.path.clone(), one.name.clone())));
    Ok(out)
}

fn walk(root: &Path, enter: &impl Fn(&str) -> bool, out: &mut Collection) -> Result<(), CliError> {
    let real = root.canonicalize().map_err(|problem| CliError::read(root, problem))?;
    let mut passed = BTreeMap::<String, usize>::new();
    let walker =
        WalkDir::new(root).follow_links(false).follow_root_links(true).max_depth(MAX_DEPTH).sort_by_file_name();
    let entries = walker.into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        let goes_in = entry.depth() == 0 || !entry.file_type().is_dir() || enter(&name);
        if !goes_in {
            *passed.entry(name.into_owned()).or_default() += 1;
        }
        goes_in
    });
    for (count, entry) in entries.enumerate() {
        if count >= MAX_ENTRIES {
            let why = format!("the folder has more than {MAX_ENTRIES} entries; the rest was not looked at");
            out.found.push(refused(root, Refused::Failed(why)));
            break;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                let place = problem.path().unwrap_or(root).to_owned();
                out.found.push(refused(&place, Refused::Failed(reason(&problem))));
                continue;
            }
        };
        let kind = entry.file_type();
        if kind.is_dir() && entry.depth() == MAX_DEPTH {
            let why = format!("folders are nested deeper than {MAX_DEPTH}; what is below was not looked at");
            out.found.push(refused(entry.path(), Refused::Failed(why)));
        }
        if kind.is_dir() {
            continue;
        }
        let why = if kind.is_symlink() {
            Some(link(entry.path(), &real))
        } else if kind.is_file() {
            None
        } else {
            Some("not a regular file".to_owned())
        };
        out.found.push(Found {
            name: display(entry.path()),
            path: Some(entry.path().to_owned()),
            named: false,
            refused: why.map(Refused::Skipped),
        });
    }
    for (name, count) in passed {
        *out.passed_folders.entry(name).or_default() += count;
    }
    Ok(())
}

/// Why a link inside a folder is not followed. What it leads to inside the folder is examined under its own name.
fn link(path: &Path, root: &Path) -> String {
    match path.canonicalize() {
        Ok(target) if target.starts_with(root) => {
            // A link to a folder above itself is a circle; nothing is lost by not following it.
            let circle =
                path.parent().and_then(|parent| parent.canonicalize().ok()).is_some_and(|at| at.starts_with(&target));
            if circle {
                "a link that leads in a circle"
            } else {
                "a link; what it leads to is examined in its own place"
            }
            .to_owned()
        }
        Ok(_) => "a link that leads out of the folder".to_owned(),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => "a link that leads nowhere".to_owned(),
        Err(_) => "a link that leads in a circle".to_owned(),
    }
}

fn refused(path: &Path, why: Refused) -> Found {
    Found { name: display(path), path: Some(path.to_owned()), named: false, refused: Some(why) }
}

fn reason(problem: &walkdir::Error) -> String {
    problem
        .io_error()
        .map_or_else(|| "a link that leads in a circle".to_owned(), |inner| format!("cannot be read: {inner}"))
}

/// A path as people type it: `/` between its parts, without a leading `./`.
fn display(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace('\\', "/") };
    match text.strip_prefix("./") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => text,
    }
}

/// Reads a found thing, at most `limit` bytes.
///
/// Errors: cannot be read, or is larger than the limit (kind `FileTooLarge`).
pub(super) fn read(found: &Found, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match &found.path {
        None => io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?,
        Some(path) => open(path)?.take(limit + 1).read_to_end(&mut bytes)?,
    };
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the files that the user names")]
fn open(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests use their own folders")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<(String, Option<Refused>)> {
        let collection = collect(&[folder.to_owned()], |name| name != ".git").unwrap();
        let prefix = format!("{}/", folder.display());
        collection.found.into_iter().map(|one| (one.name.replacen(&prefix, "", 1), one.refused)).collect()
    }

    #[test]
    fn links_are_never_followed_and_each_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.md"), "x").unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/note.md"), "x").unwrap();
        symlink(outside.path().join("secret.md"), root.join("1-out.md")).unwrap();
        symlink(outside.path(), root.join("2-out")).unwrap();
        symlink(root.join("a"), root.join("a/b/3-circle")).unwrap();
        symlink("4-self", root.join("4-self")).unwrap();
        symlink("nowhere", root.join("5-broken")).unwrap();
        symlink("a/note.md", root.join("6-inside.md")).unwrap();
        let found = names(root);
        let why = |name: &str| match found.iter().find(|(one, _)| one == name).unwrap_or_else(|| panic!("{name}")) {
            (_, Some(Refused::Skipped(why))) => why.clone(),
            other => panic!("{other:?}"),
        };
        assert!(why("1-out.md").contains("out of the folder"));
        assert!(why("2-out").contains("out of the folder"));
        assert!(why("a/b/3-circle").contains("circle"));
        assert!(why("4-self").contains("circle"));
        assert!(why("5-broken").contains("nowhere"));
        assert!(why("6-inside.md").contains("its own place"));
        assert!(found.contains(&("a/note.md".to_owned(), None)));
        assert!(!found.iter().any(|(name, _)| name.contains("secret")));
    }

    #[test]
    fn version_control_is_passed_over_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git/x")).unwrap();
        std::fs::write(folder.path().join(".git/x/a.md"), "x").unwrap();
        let collection = collect(&[folder.path().to_owned()], |name| name != ".git").unwrap();
        assert!(collection.found.is_empty());
        assert_eq!(collection.passed_folders.get(".git"), Some(&1));
    }

    #[test]
    fn a_read_stops_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.md");
        std::fs::write(&path, vec![b'x'; 1000]).unwrap();
        let found = Found { name: "big.md".into(), path: Some(path), named: true, refused: None };
        assert_eq!(read(&found, 1000).unwrap().len(), 1000);
        assert_eq!(read(&found, 999).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
