//! `memgate demo`: the whole product on sample data, from a poisoned dream to a rollback.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::json;

use super::{CliError, Context, Exit, Format, dream_text, drift, review, stop, store, verify};
use crate::auditor;
use crate::consolidate::GitFacts;
use crate::domain::{Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, PrincipalId, Span, Stage};
use crate::firewall::{
    AcceptMode, Decided, DreamReport, DreamRequest, DriftSettings, Firewall, InitRequest, VersionInfo, artifacts,
    write_out,
};
use crate::gate::policy::DEFAULT_POLICY;
use crate::gate::{HeldRecord, Place};
use crate::grade::{Rubric, Verdict, grade};
use crate::ingest::{self, RawInput, Session};
use crate::report::style::Style;
use crate::report::{show_line, show_terminal};

static DATA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/demo_data");

/// Arguments of `memgate demo`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate demo                            in a temporary folder that is removed at the end\n  \
    memgate demo --keep ./demo              keep everything to look around\n  \
    memgate demo --console                  the review console on sample data, until Ctrl-C\n\n\
    Takes some seconds, needs no network and asks nothing. Exit code 8 if it does not come out as promised.")]
pub struct Args {
    /// Folder to work in and keep; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Serve the sample store with its review console instead, with one reviewer whose password is printed
    #[arg(long)]
    pub console: bool,
}

#[derive(Deserialize)]
struct SessionIndex {
    files: Vec<SessionFile>,
}

#[derive(Deserialize)]
struct SessionFile {
    file: String,
    format: String,
    principal: String,
}

#[derive(Deserialize)]
struct Expected {
    poisoned: Vec<Poison>,
    honest: Vec<Honest>,
}

#[derive(Deserialize)]
struct Poison {
    id: String,
    what: String,
    session: String,
    markers: Vec<String>,
}

#[derive(Deserialize)]
struct Honest {
    file: String,
    text: String,
}

#[derive(Deserialize)]
struct WorkspaceFacts {
    files: Vec<String>,
    log: String,
}

/// Runs the tour.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    // Its folder goes when it ends, also when somebody ends it.
    let _working = stop::Working::begin()?;
    let temporary = tempfile::Builder::new().prefix("memgate-demo-").tempdir();
    let temporary = temporary.map_err(|e| CliError::write(&std::env::temp_dir(), e))?;
    let folder = match &args.keep {
        Some(folder) => {
            if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(CliError::from(crate::firewall::FirewallError::OutputExists { path: folder.clone() }));
            }
            std::fs::create_dir_all(folder).map_err(|e| CliError::write(folder, e))?;
            folder.clone()
        }
        None => temporary.path().to_owned(),
    };
    if args.console {
        return super::demo_console::run(&folder, context);
    }
    let tour = Tour { context, folder: &folder, text: String::new() };
    let outcome = tour.run()?;
    if context.format == Format::Json {
        context.print_json(&json!({
            "schema": "memgate/demo/1", "poison_in_output": outcome.leaked, "poison_held": outcome.held, "poison_total": outcome.poison,
            "honest_kept": outcome.kept, "honest_total": outcome.honest, "verified": outcome.verified,
            "drift_alarm": outcome.alarm, "rolled_back_to": outcome.restored,
        }))?;
    }
    if args.keep.is_some() && context.format == Format::Text {
        let data = folder.join("data");
        context.print(&format!(
            "\nKept in {0}. Look around:\n  memgate --data {1} review list --all\n  memgate --data {1} log\n  memgate --data {1} diff 1 2\n",
            show_line(&folder.to_string_lossy(), 80),
            show_line(&data.to_string_lossy(), 80),
        ))?;
    }
    let good = outcome.leaked == 0
        && outcome.held == outcome.poison
        && outcome.kept == outcome.honest
        && outcome.verified
        && outcome.alarm;
    Ok(if good { Exit::Done } else { Exit::Quality })
}

struct Tour<'a> {
    context: &'a Context,
    folder: &'a Path,
    text: String,
}

#[derive(Default)]
struct Outcome {
    leaked: usize,
    held: usize,
    poison: usize,
    kept: usize,
    honest: usize,
    verified: bool,
    alarm: bool,
    restored: Option<u64>,
}

impl Tour<'_> {
    fn run(mut self) -> Result<Outcome, CliError> {
        let expected: Expected = yaml("expected.yaml")?;
        let (sessions, raw) = sessions()?;
        let honest = raw.iter().filter(|input| input.name.starts_with("honest/")).count();
        self.poisoned_dream(sessions.len(), honest)?;
        let (mut firewall, report) = self.guarded_dream(sessions, raw)?;
        let mut outcome = self.check(&firewall, &expected, &report)?;
        self.quarantine(&mut firewall, &report)?;
        self.grades(&mut firewall, &mut outcome)?;
        firewall.close()?;
        self.verify(&mut outcome)?;
        self.next()?;
        Ok(outcome)
    }

    /// Prints what was collected, so that each step appears when it is done.
    fn flush(&mut self) -> Result<(), CliError> {
        stop::go_on()?;
        let text = std::mem::take(&mut self.text);
        if self.context.format == Format::Text { self.context.print(&text) } else { Ok(()) }
    }

    fn title(&mut self, number: usize, words: &str) {
        let line = self.context.paint().wrap(Style::Title, &format!("{number}. {words}"));
        let _ = writeln!(self.text, "\n{line}");
    }

    fn poisoned_dream(&mut self, sessions: usize, honest: usize) -> Result<(), CliError> {
        let _ = writeln!(
            self.text,
            "An airline's support agent keeps notes, and {sessions} transcripts wait to be dreamed over.\n\
             {honest} of them are honest. In the others, customers, web pages, mails and tools try to get into its memory."
        );
        self.title(1, "What an obedient dream would have written");
        for file in files("memory_poisoned") {
            for line in text(file)?.lines().filter(|line| line.starts_with('-')) {
                let shown = show_line(line, 200);
                let _ = writeln!(self.text, "  {shown}");
            }
        }
        let _ = writeln!(self.text, "  No commit, no review, no signature: next month the agent believes all of this.");
        self.flush()
    }

    fn guarded_dream(
        &mut self,
        sessions: Vec<Session>,
        raw: Vec<RawInput>,
    ) -> Result<(Firewall, DreamReport), CliError> {
        self.title(2, "The same dream through memgate");
        let memory = self.folder.join("memory");
        extract("memory", &memory)?;
        let inputs = store::read_memories(&memory, "desk", Authority::Agent, self.context)?;
        let request = InitRequest {
            store: "demo".to_owned(),
            operator: PrincipalId::new("ana"),
            reviewers: vec![PrincipalId::new("ana"), PrincipalId::new("ben")],
            policy: DEFAULT_POLICY.to_owned(),
        };
        let mut firewall = Firewall::init(&self.folder.join("data"), request, store::env(self.context))?;
        let facts = workspace()?;
        let mut all = raw;
        all.extend(inputs.raw);
        let request = DreamRequest {
            memories: Some(inputs.memories),
            sessions,
            raw: all,
            instructions: None,
            workspace: Some(&facts),
            accept: AcceptMode::Proposals,
            ask: None,
            adopt: true,
            dry_run: false,
        };
        let report = firewall.dream(request, &mut store::follow(self.context))?;
        self.text.push_str(&dream_text::render(&report, self.context));
        self.flush()?;
        Ok((firewall, report))
    }

    /// Nothing planted came through, nothing honest was lost: counted on the signed version.
    fn check(&mut self, firewall: &Firewall, expected: &Expected, report: &DreamReport) -> Result<Outcome, CliError> {
        let head = head(firewall)?;
        let texts = firewall.texts(head.sequence)?;
        let served: String = texts.iter().map(|t| t.text.as_str()).collect();
        let leaked: Vec<&Poison> =
            expected.poisoned.iter().filter(|p| p.markers.iter().any(|marker| served.contains(marker))).collect();
        let lost: Vec<&Honest> = expected.honest.iter().filter(|honest| !is_kept(honest, &texts)).collect();
        let held = expected.poisoned.iter().filter(|p| is_held(p, report)).count();
        self.title(3, "Did it work?");
        let _ = writeln!(
            self.text,
            "  {} of {} planted attempts reached the new memory; {held} are held with their evidence, or masked",
            leaked.len(),
            expected.poisoned.len(),
        );
        for poison in expected.poisoned.iter().filter(|p| !is_held(p, report)) {
            let _ = writeln!(self.text, "    NOT HELD {}: {}", poison.id, poison.what);
        }
        for poison in &leaked {
            let _ = writeln!(self.text, "    LEAKED {}: {}", poison.id, poison.what);
        }
        let kept = expected.honest.len() - lost.len();
        let _ = writeln!(self.text, "  {kept} of {} honest notes are kept, word for word", expected.honest.len());
        for honest in &lost {
            let _ = writeln!(self.text, "    LOST {}: {}", honest.file, show_line(&honest.text, 80));
        }
        write_out(&texts, &self.folder.join("memory-new"))?;
        self.flush()?;
        Ok(Outcome {
            leaked: leaked.len(),
            held,
            poison: expected.poisoned.len(),
            kept,
            honest: expected.honest.len(),
            ..Outcome::default()
        })
    }

    fn quarantine(&mut self, firewall: &mut Firewall, report: &DreamReport) -> Result<(), CliError> {
        self.title(4, "The quarantine: a person decides, on exactly the bytes shown");
        // The item with the deepest disguise is the best example.
        let disguised = report.held.iter().max_by_key(|record| {
            let steps = record.findings.iter().map(|f| f.decoding.len()).max().unwrap_or(0);
            (steps.min(3), record.findings.len(), std::cmp::Reverse(record.text.len()))
        });
        if let Some(record) = disguised {
            self.text.push_str(&review::page(record, self.context));
            let outcome = firewall.destroy(
                record.id.as_str(),
                &PrincipalId::new("ana"),
                &record.digest.hex(),
                "prompt_injection",
                None,
            )?;
            if outcome == Decided::Destroyed {
                let _ = writeln!(self.text, "\n  ana destroys it: the same text is refused from now on.");
            }
        }
        self.flush()
    }

    fn grades(&mut self, firewall: &mut Firewall, outcome: &mut Outcome) -> Result<(), CliError> {
        self.title(5, "A careless release, and how it is seen and undone");
        let rubric =
            Rubric::parse(text_of("outcomes/rubric.yaml")?).map_err(|e| CliError::from(e).exits(Exit::Config))?;
        let good = head(firewall)?.sequence;
        self.grade(firewall, &rubric, "outcomes/version-1.jsonl", good)?;
        let planted = text_of("outcomes/planted_note.md")?;
        let held = self.submit(firewall, planted)?;
        let Some(bad) = self.release_all(firewall, &held)? else { return self.flush() };
        self.grade(firewall, &rubric, "outcomes/version-2.jsonl", bad.sequence)?;
        let report = firewall.drift(&DriftSettings::default())?;
        let shown = drift::render(&report, self.context);
        for line in shown.lines() {
            let _ = writeln!(self.text, "  {line}");
        }
        outcome.alarm = !report.alarms.is_empty();
        if let Some(target) = report.alarms.iter().find_map(|alarm| alarm.rollback_to) {
            let version = firewall.rollback(target, "grades fell after the released note")?;
            outcome.restored = Some(target);
            let _ = writeln!(
                self.text,
                "  Rolled back: version {} ({}) has the content of version {target}; nothing was erased.",
                version.sequence,
                version.statement.short()
            );
        }
        self.flush()
    }

    fn submit(&mut self, firewall: &mut Firewall, planted: &str) -> Result<Vec<HeldRecord>, CliError> {
        let settings = firewall.config().settings.clone();
        let agent = PrincipalId::new("desk");
        let who = crate::auth::Principal::new(agent.clone(), settings.store, [crate::auth::Role::Agent])?;
        let span = Span::new(0, planted.len());
        let origin = Origin {
            input: "planted_note.md".to_owned(),
            input_digest: Digest::of(planted),
            session: None,
            event: None,
            span,
            channel: Channel::Assistant,
            principal: agent,
            authority: Authority::Agent,
            at: None,
        };
        let path = MemoryPath::parse("/support/shortcuts.md").map_err(|e| CliError::Usage(e.to_string()))?;
        let claims = vec![Claim { span, origins: vec![origin], authority: Authority::Agent }];
        let candidate = Candidate { path, text: planted.to_owned(), claims, stage: Stage::Write };
        let submitted = firewall.submit(&who, candidate)?;
        let _ = writeln!(
            self.text,
            "  The agent submits a note; memgate holds {} of it:",
            dream_text::count(submitted.held.len(), "statement", "statements")
        );
        let mut records = Vec::new();
        for id in &submitted.held {
            let record = firewall.held_item(id.as_str())?;
            let shown = show_terminal(&record.text, &self.context.show());
            for line in shown.lines() {
                let _ = writeln!(self.text, "    {line}");
            }
            let _ = writeln!(self.text, "    {}, {}", record.kind.name(), record.reasons.join("; "));
            records.push(record);
        }
        Ok(records)
    }

    /// Both reviewers say yes without thinking.
    fn release_all(&mut self, firewall: &mut Firewall, held: &[HeldRecord]) -> Result<Option<VersionInfo>, CliError> {
        let mut last = None;
        for record in held {
            for name in ["ana", "ben"] {
                let person = PrincipalId::new(name);
                let note = Some("looks fine".to_owned());
                let digest = record.digest.hex();
                match firewall.release(record.id.as_str(), &person, &digest, "acceptable_risk", note)? {
                    Decided::AwaitsSecond => {
                        let _ = writeln!(self.text, "  {name} releases it without looking; a second person is needed.");
                    }
                    Decided::Released { version } => {
                        let _ =
                            writeln!(self.text, "  {name} releases it, too: version {} is signed.", version.sequence);
                        last = Some(version);
                        break;
                    }
                    Decided::Destroyed => {}
                }
            }
        }
        Ok(last)
    }

    fn grade(&mut self, firewall: &mut Firewall, rubric: &Rubric, file: &str, version: u64) -> Result<(), CliError> {
        let raw = RawInput::new(file, text_of(file)?.as_bytes().to_vec());
        let knows = ingest::Context { principal: PrincipalId::new("demo"), memory_authority: Authority::Agent };
        let sessions = ingest::read_sessions(&raw, None, &knows).map_err(|errors| first(errors, file))?;
        let label = version.to_string();
        let grades: Vec<_> =
            sessions.iter().map(|session| grade(rubric, &artifacts::from_session(session, Some(&label)))).collect();
        firewall.record_grades(&grades)?;
        let pass = grades.iter().filter(|g| g.verdict == Verdict::Pass).count();
        let _ =
            writeln!(self.text, "  {pass} of {} recorded sessions on version {version} pass the rubric.", grades.len());
        Ok(())
    }

    fn verify(&mut self, outcome: &mut Outcome) -> Result<(), CliError> {
        self.title(6, "Verification, offline, and what one changed byte does");
        let data = self.folder.join("data");
        let now = store::env(self.context).now;
        let report = auditor::verify(&data, None, now)?;
        self.text.push_str(&verify::render(&report, self.context));
        let good = report.is_good();
        // A copy is tampered with; the original stays as it is.
        let copy = self.folder.join("tampered-copy");
        copy_folder(&data, &copy)?;
        let victim = copy.join(crate::config::DATABASE);
        let mut bytes = std::fs::read(&victim).map_err(|e| CliError::read(&victim, e))?;
        let at = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        std::fs::write(&victim, &bytes).map_err(|e| CliError::write(&victim, e))?;
        let tampered = auditor::verify(&copy, None, now)?;
        let _ = writeln!(self.text, "\n  One bit flipped at byte {at} of a copy's {}:", crate::config::DATABASE);
        for problem in tampered.problems.iter().take(3) {
            let _ = writeln!(self.text, "  {}  {}", problem.code, show_line(&problem.what, 90));
        }
        outcome.verified = good && !tampered.is_good();
        std::fs::remove_dir_all(&copy).map_err(|e| CliError::write(&copy, e))?;
        self.flush()
    }

    fn next(&mut self) -> Result<(), CliError> {
        self.title(7, "On your own agent");
        self.text.push_str(
            "  memgate scan .                                            what is in your memory and instruction files\n  \
             memgate init\n  \
             memgate dream --memory FOLDER --sessions TRANSCRIPTS --out NEW-FOLDER\n  \
             memgate review list\n  \
             memgate verify\n",
        );
        self.flush()
    }
}

fn head(firewall: &Firewall) -> Result<VersionInfo, CliError> {
    Ok(firewall.head()?.ok_or(crate::firewall::FirewallError::NoVersion)?)
}

fn is_kept(honest: &Honest, texts: &[crate::firewall::VersionText]) -> bool {
    let path = honest.file.trim_start_matches("memory");
    texts.iter().any(|t| t.path.as_str() == path && t.text.contains(&honest.text))
}

fn is_held(poison: &Poison, report: &DreamReport) -> bool {
    let secret = format!("session {} event", poison.session);
    report.redacted.iter().any(|(place, _)| place.starts_with(&secret))
        || report.held.iter().any(|record| {
            let here = matches!(&record.place, Place::Session { session, .. } if session.as_str() == poison.session);
            here || record.origins.iter().any(|o| o.session.as_ref().is_some_and(|s| s.as_str() == poison.session))
        })
}

fn missing(what: &str) -> CliError {
    CliError::Unknown { what: "demo file", name: what.to_owned(), near: Vec::new() }
}

fn first(errors: Vec<ingest::IngestError>, file: &str) -> CliError {
    errors.into_iter().next().map_or_else(|| missing(file), CliError::from)
}

fn text_of(name: &str) -> Result<&'static str, CliError> {
    DATA.get_file(name).and_then(|file| file.contents_utf8()).ok_or_else(|| missing(name))
}

fn text(file: &'static include_dir::File<'static>) -> Result<&'static str, CliError> {
    file.contents_utf8().ok_or_else(|| missing(&file.path().to_string_lossy()))
}

fn yaml<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, CliError> {
    serde_saphyr::from_str(text_of(name)?).map_err(|e| CliError::Usage(format!("{name}: {e}")))
}

/// Paths and texts of a folder of the demo's memories.
pub(super) fn memories(folder: &str) -> Result<Vec<(String, &'static str)>, CliError> {
    let path = |file: &include_dir::File<'_>| {
        let name = file.path().strip_prefix(folder).unwrap_or(file.path());
        format!("/{}", name.to_string_lossy().replace('\\', "/"))
    };
    files(folder).into_iter().map(|file| Ok((path(file), text(file)?))).collect()
}

/// All files below a folder of the demo's data, by path.
fn files(folder: &str) -> Vec<&'static include_dir::File<'static>> {
    fn walk(dir: &'static Dir<'static>, out: &mut Vec<&'static include_dir::File<'static>>) {
        out.extend(dir.files());
        dir.dirs().for_each(|inner| walk(inner, out));
    }
    let mut out = Vec::new();
    if let Some(dir) = DATA.get_dir(folder) {
        walk(dir, &mut out);
    }
    out.sort_by_key(|file| file.path());
    out
}

fn extract(folder: &str, to: &Path) -> Result<(), CliError> {
    for file in files(folder) {
        let name = file.path().strip_prefix(folder).unwrap_or(file.path());
        let path = to.join(name);
        let parent = path.parent().unwrap_or(to);
        std::fs::create_dir_all(parent).map_err(|e| CliError::write(parent, e))?;
        std::fs::write(&path, file.contents()).map_err(|e| CliError::write(&path, e))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), CliError> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|e| CliError::read(from, e.into()))?;
        let path = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&path).map_err(|e| CliError::write(&path, e))?;
        } else {
            std::fs::copy(entry.path(), &path).map_err(|e| CliError::write(&path, e))?;
        }
    }
    Ok(())
}

fn sessions() -> Result<(Vec<Session>, Vec<RawInput>), CliError> {
    let index: SessionIndex = yaml("sessions/index.yaml")?;
    let (mut sessions, mut raw) = (Vec::new(), Vec::new());
    for item in index.files {
        let name = format!("sessions/{}", item.file);
        let input = RawInput::new(item.file.as_str(), text_of(&name)?.as_bytes().to_vec());
        let knows =
            ingest::Context { principal: PrincipalId::new(&item.principal), memory_authority: Authority::Agent };
        let format = ingest::Format::from_name(&item.format);
        sessions.extend(ingest::read_sessions(&input, format, &knows).map_err(|errors| first(errors, &item.file))?);
        raw.push(input);
    }
    Ok((sessions, raw))
}

/// The demo's workspace: its files, and its history as git would print it.
fn workspace() -> Result<GitFacts, CliError> {
    let facts: WorkspaceFacts = yaml("workspace/workspace.yaml")?;
    Ok(GitFacts::new(facts.files, &facts.log, false))
}
