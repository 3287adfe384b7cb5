//! Views of a workspace, passed in: this room reads no file and starts no program.

use std::collections::{BTreeMap, BTreeSet};

/// What a probe knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe<T> {
    /// It looked, and this is so.
    Known(T),
    /// It cannot tell, and why. Never read as "gone".
    Unknown(String),
}

/// A read-only view of the files a memory speaks about.
///
/// Paths are relative to the workspace, with `/`, without a leading `./`.
pub trait Workspace {
    /// Is there a file or folder at this path now?
    fn exists(&self, path: &str) -> Probe<bool>;
    /// Where history says that this path went, when it was renamed and the new place exists.
    fn renamed(&self, path: &str) -> Probe<Option<String>>;
    /// The commit that deleted this path, when one did and nothing came after.
    fn deleted_in(&self, path: &str) -> Probe<Option<String>>;
    /// Files now whose last segment is `base`, sorted.
    fn same_name(&self, base: &str) -> Vec<String>;
}

/// A workspace from facts that were collected already: a list of files and a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitFacts {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
    by_name: BTreeMap<String, Vec<String>>,
    /// For each path: (position in history, what became of it), oldest first.
    history: BTreeMap<String, Vec<(usize, Fate)>>,
    shallow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Seen,
    Renamed(String),
    Deleted(String),
}

impl GitFacts {
    /// Reads facts.
    ///
    /// `files` are the files of the workspace now, tracked or not. `log` is the text of
    /// `git log --name-status -M` (newest commit first, any `--format` whose commit lines start
    /// with `commit `). `shallow` says that history is cut off: then nothing is called deleted
    /// that the log does not show deleted, and nothing is called invented.
    pub fn new<S: AsRef<str>>(files: impl IntoIterator<Item = S>, log: &str, shallow: bool) -> Self {
        let mut facts = Self { shallow, ..Self::default() };
        for file in files {
            let file = file.as_ref().trim_start_matches("./").replace('\\', "/");
            let mut folder = file.as_str();
            while let Some((head, _)) = folder.rsplit_once('/') {
                if !facts.folders.insert(head.to_owned()) {
                    break;
                }
                folder = head;
            }
            let base = file.rsplit('/').next().unwrap_or(&file).to_owned();
            facts.by_name.entry(base).or_default().push(file.clone());
            facts.files.insert(file);
        }
        facts.by_name.values_mut().for_each(|paths| {
            paths.sort();
            paths.dedup();
        });
        let mut commit = String::new();
        let mut events: Vec<(String, Fate)> = Vec::new();
        for line in log.lines() {
            if let Some(id) = line.strip_prefix("commit ") {
                commit = id.split_whitespace().next().unwrap_or("").chars().take(40).collect();
                continue;
            }
            let mut columns = line.split('\t');
            let (Some(status), Some(first)) = (columns.next(), columns.next()) else { continue };
            let first = unquote(first);
            match (status.chars().next(), columns.next()) {
                (Some('R'), Some(second)) => {
                    let second = unquote(second);
                    events.push((second.clone(), Fate::Seen));
                    events.push((first, Fate::Renamed(second)));
                }
                (Some('D'), None) => events.push((first, Fate::Deleted(commit.clone()))),
                (Some('A' | 'M' | 'T'), None) => events.push((first, Fate::Seen)),
                (Some('C'), Some(second)) => events.push((unquote(second), Fate::Seen)),
                _ => {}
            }
        }
        for (position, (path, fate)) in events.into_iter().rev().enumerate() {
            facts.history.entry(path).or_default().push((position, fate));
        }
        facts
    }

    /// Follows a path forward through renames and ends with what is so now.
    fn follow(&self, path: &str) -> Option<Fate> {
        let mut path = path.to_owned();
        let mut after = 0;
        let mut moved = false;
        // Every step goes forward in history, so this ends.
        loop {
            let events = self.history.get(&path).map(Vec::as_slice).unwrap_or_default();
            // For the path asked about, its last end counts; after a rename, the next one.
            let mut ends = events.iter().filter(|(at, fate)| *at >= after && *fate != Fate::Seen);
            let end = if moved { ends.next() } else { ends.next_back() };
            match end {
                Some((at, Fate::Renamed(to))) => {
                    after = at + 1;
                    path = to.clone();
                    moved = true;
                }
                Some((_, fate)) => return Some(fate.clone()),
                None if moved && self.files.contains(&path) => return Some(Fate::Renamed(path)),
                None => return None,
            }
        }
    }
}

impl Workspace for GitFacts {
    fn exists(&self, path: &str) -> Probe<bool> {
        Probe::Known(self.files.contains(path) || self.folders.contains(path))
    }
    fn renamed(&self, path: &str) -> Probe<Option<String>> {
        match self.follow(path) {
            Some(Fate::Renamed(to)) => Probe::Known(Some(to)),
            Some(_) => Probe::Known(None),
            None if self.shallow => Probe::Unknown("history is shallow".into()),
            None => Probe::Known(None),
        }
    }
    fn deleted_in(&self, path: &str) -> Probe<Option<String>> {
        let folder = format!("{path}/");
        match self.follow(path) {
            Some(Fate::Deleted(commit)) => Probe::Known(Some(commit)),
            Some(_) => Probe::Known(None),
            None if self.shallow => Probe::Unknown("history is shallow".into()),
            None => {
                // A folder is gone when files under it were deleted.
                let under = self.history.range(folder.clone()..).take_while(|(p, _)| p.starts_with(&folder));
                let last = under.filter_map(|(_, events)| match events.last() {
                    Some((at, Fate::Deleted(commit))) => Some((*at, commit.clone())),
                    _ => None,
                });
                Probe::Known(last.max().map(|(_, commit)| commit))
            }
        }
    }
    fn same_name(&self, base: &str) -> Vec<String> {
        self.by_name.get(base).cloned().unwrap_or_default()
    }
}

/// Undoes git's C-style quoting of unusual paths.
fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes().peekable();
    while let Some(b) = rest.next() {
        if b != b'\\' {
            bytes.push(b);
            continue;
        }
        match rest.next() {
            Some(d @ b'0'..=b'3') => {
                let mut value = u32::from(d - b'0');
                for _ in 0..2 {
                    if let Some(d) = rest.next_if(|d| matches!(d, b'0'..=b'7')) {
                        value = value * 8 + u32::from(d - b'0');
                    }
                }
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
            }
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
