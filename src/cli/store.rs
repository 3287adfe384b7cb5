//! Opening the data folder for a command.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use crate::domain::{Authority, PrincipalId};
use crate::firewall::{Asker, Env, Firewall, Outside, Progress};
use crate::ingest::{self, FileKind, Format, IngestError, Memory, RawInput, Session};

use super::stop::{self, Working};
use super::{Bar, CliError, Context, Exit};
use crate::report::show_line;

/// The clock of this run: `SOURCE_DATE_EPOCH` (seconds) when it is set, for reproducible output.
pub(super) fn env(context: &Context) -> Env {
    Env {
        now: context.now(),
        stopped: Box::new(|| stop::asked().is_some()),
        outside: outside(context),
        ..Env::system()
    }
}

/// What a store may ask of the world: the witnesses of its log policy, the passphrase of its keys.
pub(super) fn outside(context: &Context) -> Outside {
    let witnesses = crate::http::asker().ok().map(Asker);
    Outside { witnesses, passphrase: Some(context.passphrase.clone()), encrypt: false }
}

/// Opens the data folder to write.
pub(super) fn open(context: &Context) -> Result<Firewall, CliError> {
    Ok(warned(Firewall::open(&context.data, env(context))?, context))
}

/// Opens the data folder to read.
pub(super) fn open_read(context: &Context) -> Result<Firewall, CliError> {
    Ok(warned(Firewall::open_read(&context.data, env(context))?, context))
}

fn warned(firewall: Firewall, context: &Context) -> Firewall {
    if firewall.policy_changed() {
        let digest = firewall.config().policy.digest();
        context.warn(&format!("policy.toml was edited since the last run; it is now {}", digest.short()));
    }
    firewall
}

/// Runs `work` on the open data folder and seals it, also when the work was refused.
pub(super) fn with<T>(
    context: &Context,
    work: impl FnOnce(&mut Firewall) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let _working = Working::begin()?;
    let mut firewall = open(context)?;
    let outcome = work(&mut firewall);
    let sealed = firewall.close();
    let value = outcome?;
    sealed?;
    Ok(value)
}

/// Inputs with their raw bytes.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) memories: Vec<Memory>,
    pub(super) sessions: Vec<Session>,
    pub(super) raw: Vec<RawInput>,
}

/// Reads a folder of memories, whole or not at all: every bad file is reported first.
pub(super) fn read_memories(
    folder: &Path,
    principal: &str,
    authority: Authority,
    context: &Context,
) -> Result<Inputs, CliError> {
    let knows = ingest::Context { principal: PrincipalId::new(principal), memory_authority: authority };
    let mut inputs = Inputs::default();
    let mut problems = Vec::new();
    let mut seen = 0;
    for raw in files(folder, Some(FileKind::Memory), context)? {
        seen += 1;
        match ingest::read_memory(&raw.name, &raw, &knows) {
            Ok(memory) => inputs.memories.push(memory),
            Err(problem) => problems.push(problem),
        }
        inputs.raw.push(raw);
    }
    if inputs.memories.is_empty() && problems.is_empty() {
        return Err(CliError::Nothing { place: folder.to_string_lossy().into_owned() });
    }
    all_or_nothing(&problems, seen, context)?;
    inputs.memories.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(inputs)
}

/// Reads sessions from files and folders, whole or not at all.
pub(super) fn read_sessions(
    paths: &[std::path::PathBuf],
    format: Option<Format>,
    principal: &str,
    context: &Context,
) -> Result<Inputs, CliError> {
    let knows = ingest::Context { principal: PrincipalId::new(principal), memory_authority: Authority::Agent };
    let mut inputs = Inputs::default();
    let mut problems = Vec::new();
    let mut seen = 0;
    for path in paths {
        let kind = path.is_dir().then_some(FileKind::Transcript);
        for raw in files(path, kind, context)? {
            seen += 1;
            match ingest::read_sessions(&raw, format, &knows) {
                Ok(sessions) => inputs.sessions.extend(sessions),
                Err(errors) => problems.extend(errors),
            }
            inputs.raw.push(raw);
        }
    }
    // Marks and evidence go by a session's name: a second one of that name could pass for the first.
    let mut names = BTreeSet::new();
    for session in &inputs.sessions {
        if !names.insert(&session.id) {
            problems.push(IngestError {
                input: session.input.clone(),
                place: None,
                problem: ingest::Problem::DuplicateSession { id: show_line(session.id.as_str(), 64) },
            });
        }
    }
    all_or_nothing(&problems, seen, context)?;
    Ok(inputs)
}

fn all_or_nothing(problems: &[IngestError], files: usize, context: &Context) -> Result<(), CliError> {
    if problems.is_empty() {
        return Ok(());
    }
    for problem in problems {
        context.problem(&CliError::from(problem.clone()).exits(Exit::Incomplete));
    }
    Err(CliError::Refused { bad: problems.len(), files })
}

/// Every plain file of one kind (or of any) at or below a path, by name. Links are never followed: they could
/// lead out of the folder, or round in circles. Files of other kinds are named and not read.
pub(super) fn files(root: &Path, kind: Option<FileKind>, context: &Context) -> Result<Vec<RawInput>, CliError> {
    let mut found = Vec::new();
    let walk = walkdir::WalkDir::new(root).follow_links(false).sort_by_file_name();
    let enters = |entry: &walkdir::DirEntry| {
        !entry.file_type().is_dir() || entry.depth() == 0 || ingest::enters_folder(&entry.file_name().to_string_lossy())
    };
    for entry in walk.into_iter().filter_entry(enters) {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(root).to_owned();
            CliError::read(&path, e.into_io_error().unwrap_or_else(|| std::io::Error::other("a loop of links")))
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        let name = entry.path().strip_prefix(root).ok().filter(|p| !p.as_os_str().is_empty());
        let name = name.unwrap_or_else(|| Path::new(entry.path().file_name().unwrap_or_default()));
        if !entry.file_type().is_file() && entry.depth() > 0 {
            context.warn(&format!("not a plain file, not followed: {}", name.to_string_lossy()));
            continue;
        }
        let Some(name) = name.to_str() else {
            return Err(CliError::read(entry.path(), std::io::Error::other("its name is not UTF-8")));
        };
        if let Some(kind) = kind.filter(|kind| ingest::file_kind(name) != *kind) {
            let what = if kind == FileKind::Memory { "memory" } else { "transcript" };
            context.note(&format!("not a {what}, left out: {name}"));
            continue;
        }
        let bytes = read_whole(entry.path()).map_err(|e| CliError::read(entry.path(), e))?;
        found.push(RawInput::new(name, bytes));
    }
    Ok(found)
}

/// A file's bytes. A byte more than any input may have is read, so that the reader can say it is too long; the
/// rest of an endless file is not.
fn read_whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(ingest::MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A progress bar that follows a dream's stages.
pub(super) fn follow<'a>(context: &'a Context) -> impl FnMut(Progress) + 'a {
    let mut bar: Option<Bar> = None;
    move |step| match step {
        Progress::Stage(name, units) => bar = (units > 0).then(|| context.bar(units as u64, name)),
        Progress::Done(units) => {
            if let Some(bar) = &bar {
                bar.step(units as u64);
            }
        }
    }
}
