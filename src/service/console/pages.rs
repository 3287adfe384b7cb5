//! The other screens: stores with their versions, dreams, rules, the audit trail, health.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::detect::Scanner;
use crate::domain::{Severity, Timestamp};
use crate::firewall::FirewallError;
use crate::gate::HeldState;
use crate::service::{Caller, DreamList, Service, ServiceError, Visitor, now};
use crate::store::Store as _;

use super::item::said;

/// Versions that a page lists.
const VERSIONS: usize = 200;
/// Memories that a page lists.
const MEMORIES: usize = 1000;
/// Changes of a dream that a page lists.
const CHANGES: usize = 500;

/// A store in a list. Names are untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was archived.
    pub archived: Option<Timestamp>,
    /// Its memories; `None` when it could not be opened.
    pub memories: Option<usize>,
    /// Its last version.
    pub version: u64,
    /// Items that wait.
    pub waiting: usize,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionLine {
    /// 1, 2, 3 …
    pub sequence: u64,
    /// `genesis`, `advance` or `rollback`.
    pub action: String,
    /// When it was signed.
    pub created: Timestamp,
    /// Memories in it.
    pub memories: usize,
    /// Id of its statement.
    pub statement: String,
    /// Its place in the log.
    pub log_index: u64,
}

/// A memory in a list. Its path is untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLine {
    /// Its id.
    pub id: String,
    /// Its path.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// When it changed last.
    pub updated: Timestamp,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreView {
    /// The line.
    pub line: StoreLine,
    /// What it is for. Untrusted.
    pub description: String,
    /// Newest first.
    pub versions: Vec<VersionLine>,
    /// How many there are.
    pub versions_total: usize,
    /// By path.
    pub memories: Vec<MemoryLine>,
    /// Who may decide here.
    pub reviewers: Vec<String>,
    /// True for who may roll it back.
    pub may_roll_back: bool,
}

/// A memory in two versions. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPair {
    /// Its path.
    pub path: String,
    /// Its text in the older one.
    pub old: Option<String>,
    /// Its text in the newer one.
    pub new: Option<String>,
}

/// One proposed change of a dream. Texts are untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeView {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: String,
    /// True when it took effect.
    pub applied: bool,
    /// The memories it touches.
    pub places: Vec<String>,
    /// What it writes.
    pub output: Option<String>,
    /// Why.
    pub reason: String,
    /// The rule that produced it.
    pub rule: String,
    /// The lowest authority among its sources.
    pub authority: String,
    /// What a reviewer should know first.
    pub warnings: Vec<String>,
    /// Where it comes from: place and quote.
    pub quotes: Vec<(String, String)>,
}

/// One dream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DreamView {
    /// The dream as the wire shows it.
    pub wire: Value,
    /// Its changes; `None` when its report is not kept.
    pub changes: Option<Vec<ChangeView>>,
    /// How many there are.
    pub changes_total: usize,
    /// Items it brought into the quarantine: store and id, severity, how it begins.
    pub held: Vec<(String, String, String, String)>,
    /// What happened to the input's notes, counted.
    pub dispositions: Vec<(String, usize)>,
}

/// A rule with what it did here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// Our own text.
    pub title: String,
    /// Harm if real.
    pub severity: Severity,
    /// How often a hit is real.
    pub confidence: &'static str,
    /// Its paranoia level.
    pub level: u8,
    /// Threats it answers.
    pub threats: Vec<String>,
    /// Items of this workspace that it fired on.
    pub hits: usize,
    /// Of those that were decided: destroyed.
    pub right: usize,
    /// Of those that were decided: released.
    pub wrong: usize,
    /// Why a hit matters.
    pub why: String,
    /// What to do.
    pub advice: String,
    /// Texts that show it.
    pub fires: Vec<String>,
    /// Texts in which it is quiet.
    pub quiet: Vec<String>,
    /// Public sources.
    pub references: Vec<String>,
    /// Known ways round it: text, and whether it is caught.
    pub evasions: Vec<(String, bool)>,
}

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditLine {
    /// Its number.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: String,
    /// Who, when a person or a key is named.
    pub who: String,
    /// Everything else.
    pub about: String,
}

/// How the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// True when the database takes writes.
    pub ready: bool,
    /// Stores.
    pub stores: usize,
    /// Stores that could not be opened.
    pub broken: Vec<String>,
    /// Items that wait.
    pub waiting: usize,
    /// The oldest that waits.
    pub oldest: Option<Timestamp>,
    /// Items whose time ran out undecided.
    pub expired: usize,
    /// Waiting items that end within a day.
    pub soon: usize,
    /// Dreams by state.
    pub dreams: Vec<(String, usize)>,
    /// Digest of the rules.
    pub ruleset: String,
    /// Number of rules.
    pub rules: usize,
    /// The program's version.
    pub version: &'static str,
    /// The time.
    pub at: Timestamp,
}

impl Service {
    fn store_line(&self, row: &crate::store::server::ObjectRow) -> StoreLine {
        let read = self.stores.get(&row.id).and_then(|live| {
            let head = live.head();
            let waiting = live.with(|firewall| {
                firewall.held().map(|held| held.iter().filter(|record| record.state.is_open()).count())
            })??;
            Ok((head.len(), head.sequence(), waiting))
        });
        let (memories, version, waiting) = match read {
            Ok((memories, version, waiting)) => (Some(memories), version, waiting),
            Err(_) => (None, 0, 0),
        };
        StoreLine {
            id: row.id.clone(),
            name: row.body["name"].as_str().unwrap_or_default().to_owned(),
            created: row.created,
            archived: row.archived,
            memories,
            version,
            waiting,
        }
    }

    /// Every store of the workspace, newest first.
    ///
    /// # Errors
    /// Forbidden without `store:read`.
    pub fn console_store_list(&self, caller: &Caller) -> Result<Vec<StoreLine>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        Ok(self.console_stores(caller)?.iter().map(|row| self.store_line(row)).collect())
    }

    /// One store with its versions and memories.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown store.
    pub fn console_store(&self, caller: &Caller, store: &str) -> Result<StoreView, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let row = self.store_row(&caller.workspace, store)?;
        let live = self.live(&caller.workspace, store)?;
        let mut versions: Vec<VersionLine> = live
            .with(|firewall| firewall.versions())??
            .into_iter()
            .map(|version| VersionLine {
                sequence: version.sequence,
                action: version.action,
                created: version.created,
                memories: version.memories,
                statement: version.statement.short(),
                log_index: version.log_index,
            })
            .collect();
        versions.reverse();
        let versions_total = versions.len();
        versions.truncate(VERSIONS);
        let head = live.head();
        let memories = head.memories().take(MEMORIES).map(|memory| MemoryLine {
            id: memory.id.clone(),
            path: memory.path.to_string(),
            size: memory.size,
            updated: memory.updated,
        });
        Ok(StoreView {
            line: self.store_line(&row),
            description: row.body["description"].as_str().unwrap_or_default().to_owned(),
            versions,
            versions_total,
            memories: memories.collect(),
            reviewers: self.store_reviewers(caller, store)?.into_iter().collect(),
            may_roll_back: caller.role.may(Scope::StoreRollback) && row.archived.is_none(),
        })
    }

    /// The path and text of a memory in the last signed version.
    ///
    /// # Errors
    /// Forbidden without `recall`; unknown store or memory.
    pub fn console_memory(&self, caller: &Caller, store: &str, id: &str) -> Result<(String, String), ServiceError> {
        Self::require(caller, Scope::Recall)?;
        let head = self.live(&caller.workspace, store)?.head();
        let row = head.memory(id).ok_or(ServiceError::Unknown { what: "memory" })?;
        Ok((row.path.to_string(), head.text(row).to_owned()))
    }

    /// The memories that differ between two versions.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown store or version.
    pub fn console_diff(
        &self,
        caller: &Caller,
        store: &str,
        old: u64,
        new: u64,
    ) -> Result<(Vec<TextPair>, usize), ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let diff = self.live(&caller.workspace, store)?.with(move |firewall| firewall.diff(old, new))?;
        let diff = match diff {
            Err(FirewallError::UnknownVersion { .. }) => return Err(ServiceError::Unknown { what: "version" }),
            other => other?,
        };
        let mut pairs: Vec<TextPair> = Vec::new();
        for text in diff.added {
            pairs.push(TextPair { path: text.path.to_string(), old: None, new: Some(text.text) });
        }
        for (before, after) in diff.changed {
            pairs.push(TextPair { path: after.path.to_string(), old: Some(before.text), new: Some(after.text) });
        }
        for text in diff.removed {
            pairs.push(TextPair { path: text.path.to_string(), old: Some(text.text), new: None });
        }
        pairs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((pairs, diff.same))
    }

    /// Puts a store back to an earlier version, as a new one; `head` is what the caller saw as the last.
    ///
    /// # Errors
    /// Forbidden without `store:rollback`; a conflict when something was signed since; what today's rules hold in the
    /// old version.
    pub fn console_rollback(
        &self,
        visitor: &Visitor,
        store: &str,
        target: u64,
        head: u64,
        reason: &str,
    ) -> Result<u64, ServiceError> {
        let caller = visitor.account.caller();
        Self::require(&caller, Scope::StoreRollback)?;
        if reason.trim().is_empty() || reason.len() > 4096 {
            return Err(ServiceError::invalid("reason: say why, in at most 4,096 bytes"));
        }
        self.writable_store(&caller.workspace, store)?;
        let (why, actor) = (reason.to_owned(), caller.actor());
        let done = self.live(&caller.workspace, store)?.with(move |firewall| {
            if firewall.live_head()?.sequence() != head {
                return Ok(None);
            }
            firewall.set_actor(Some(actor));
            let done = firewall.rollback(target, &why);
            firewall.set_actor(None);
            done.map(Some)
        })?;
        let version = match done {
            Err(FirewallError::UnknownVersion { .. }) => return Err(ServiceError::Unknown { what: "version" }),
            Err(FirewallError::NothingChanged) => {
                return Err(ServiceError::Conflict { message: "the store holds exactly that already".to_owned() });
            }
            Err(error @ FirewallError::StoreHeld { .. }) => {
                // The firewall's own words name a digest and our reasons, no text.
                return Err(ServiceError::Conflict { message: error.to_string() });
            }
            other => other?,
        };
        let version = version.ok_or_else(|| ServiceError::Conflict {
            message: "a newer version was signed since the preview: look again".to_owned(),
        })?;
        let about = json!({ "memory_store": store, "user": caller.id, "to": target, "version": version.sequence });
        self.audit(&caller.workspace, "memory_store.rolled_back", &about)?;
        Ok(version.sequence)
    }

    /// Dreams of the workspace, newest first, as the wire shows them.
    ///
    /// # Errors
    /// Forbidden without `store:read`.
    pub fn console_dreams(&self, caller: &Caller) -> Result<Vec<Value>, ServiceError> {
        let request = DreamList { archived: true, limit: 200, ..DreamList::default() };
        Ok(self.list_dreams(caller, &request)?.data)
    }

    /// One dream with every change it proposed.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown dream.
    pub fn console_dream(&self, caller: &Caller, id: &str) -> Result<DreamView, ServiceError> {
        let wire = self.dream(caller, id)?;
        let mut view = DreamView { wire, ..DreamView::default() };
        let outputs = view.wire["outputs"].as_array().cloned().unwrap_or_default();
        let store = outputs.iter().find_map(|output| output["memory_store_id"].as_str()).map(str::to_owned);
        let Some(store) = store else { return Ok(view) };
        let Ok(live) = self.live(&caller.workspace, &store) else { return Ok(view) };
        let reports = live.with(|firewall| firewall.store().documents("dream"))??;
        // A store that a dream made has one report: that of the dream.
        let updates = view.wire["output_behavior"]["type"].as_str() == Some("update_existing");
        let Some((_, body)) = reports.into_iter().next_back().filter(|_| !updates) else { return Ok(view) };
        let Ok(report) = serde_json::from_str::<Value>(&body) else { return Ok(view) };
        let applied: Vec<&str> = report["applied"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let operations = report["plan"]["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        view.changes_total = operations.len();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        view.changes = Some(
            operations
                .iter()
                .take(CHANGES)
                .map(|operation| ChangeView {
                    id: text(&operation["id"]),
                    kind: text(&operation["kind"]),
                    applied: operation["id"].as_str().is_some_and(|id| applied.contains(&id)),
                    places: operation["inputs"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .take(8)
                        .map(|input| format!("{} note {}", text(&input["path"]), input["note"]))
                        .collect(),
                    output: operation["output"]["text"].as_str().map(str::to_owned),
                    reason: text(&operation["reason"]),
                    rule: text(&operation["rule"]),
                    authority: text(&operation["authority"]),
                    warnings: texts(&operation["warnings"]),
                    quotes: operation["evidence"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .take(6)
                        .map(|evidence| {
                            let origin = &evidence["origin"];
                            let place = match origin["session"].as_str() {
                                Some(session) => format!("{session}, event {}", origin["event"]),
                                None => text(&origin["input"]),
                            };
                            (place, text(&evidence["quote"]))
                        })
                        .collect(),
                })
                .collect(),
        );
        for item in report["held"].as_array().into_iter().flatten().take(200) {
            let start = super::head(item["text"].as_str().unwrap_or_default(), 200).to_owned();
            view.held.push((store.clone(), text(&item["id"]), text(&item["severity"]), start));
        }
        let mut counts = std::collections::BTreeMap::new();
        for pair in report["dispositions"].as_array().into_iter().flatten() {
            *counts.entry(text(&pair[1]["disposition"])).or_insert(0) += 1;
        }
        view.dispositions = counts.into_iter().collect();
        Ok(view)
    }

    /// Rules with what they did in this workspace; one alone when it is named.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown rule.
    pub fn console_rules(&self, caller: &Caller, only: Option<&str>) -> Result<Vec<RuleView>, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let scanner = Scanner::builtin(crate::detect::Levels::default()).map_err(FirewallError::from)?;
        let mut counts: std::collections::BTreeMap<String, (usize, usize, usize)> = std::collections::BTreeMap::new();
        for store in self.console_stores(caller)? {
            let held = self.stores.get(&store.id).and_then(|live| live.with(|firewall| firewall.held()));
            let Ok(Ok(held)) = held else { continue };
            for record in held {
                let rules: std::collections::BTreeSet<&str> =
                    record.findings.iter().take(256).map(|finding| finding.rule.as_str()).collect();
                for rule in rules {
                    let count = counts.entry(rule.to_owned()).or_default();
                    count.0 += 1;
                    count.1 += usize::from(record.state == HeldState::Destroyed);
                    count.2 += usize::from(record.state == HeldState::Released);
                }
            }
        }
        let rules = scanner.rules().rules().iter().filter(|rule| only.is_none_or(|only| rule.id.as_str() == only));
        let mut views: Vec<RuleView> = rules
            .map(|rule| {
                let (hits, right, wrong) = counts.get(rule.id.as_str()).copied().unwrap_or_default();
                let full = only.is_some();
                RuleView {
                    id: rule.id.to_string(),
                    title: rule.title.clone(),
                    severity: rule.severity,
                    confidence: rule.confidence.name(),
                    level: rule.paranoia,
                    threats: rule.threats.clone(),
                    hits,
                    right,
                    wrong,
                    why: rule.why.clone(),
                    advice: rule.advice.clone(),
                    fires: if full { rule.examples.fires.clone() } else { Vec::new() },
                    quiet: if full { rule.examples.quiet.clone() } else { Vec::new() },
                    references: if full { rule.references.clone() } else { Vec::new() },
                    evasions: if full {
                        rule.evasions.iter().map(|evasion| (evasion.text.clone(), evasion.fires)).collect()
                    } else {
                        Vec::new()
                    },
                }
            })
            .collect();
        if only.is_some() && views.is_empty() {
            return Err(ServiceError::Unknown { what: "rule" });
        }
        views.sort_by(|a, b| b.hits.cmp(&a.hits).then(b.severity.cmp(&a.severity)).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }

    /// The audit trail, newest first: lines before a number.
    ///
    /// # Errors
    /// Forbidden without `audit:read`.
    pub fn console_audit(&self, caller: &Caller, before: Option<i64>) -> Result<Vec<AuditLine>, ServiceError> {
        Self::require(caller, Scope::AuditRead)?;
        let names: std::collections::BTreeMap<String, String> = self
            .accounts()?
            .into_iter()
            .map(|account| (account.id, account.name))
            .chain(self.keys(Some(&caller.workspace)).into_iter().map(|key| (key.id, format!("key {}", key.name))))
            .collect();
        let lines = self.db.audit_before(&caller.workspace, before, 100)?;
        Ok(lines
            .into_iter()
            .map(|(number, at, body)| {
                let mut about = body["about"].as_object().cloned().unwrap_or_default();
                let id = ["user", "key"].into_iter().find_map(|name| about.remove(name));
                let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
                let words: Vec<String> = about
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| {
                        format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    })
                    .collect();
                AuditLine {
                    number,
                    at,
                    event: body["event"].as_str().unwrap_or_default().to_owned(),
                    who: names.get(id).cloned().unwrap_or_else(|| id.to_owned()),
                    about: words.join(", "),
                }
            })
            .collect())
    }

    /// How the server is, without content.
    ///
    /// # Errors
    /// Forbidden without `audit:read`; unavailable database.
    pub fn console_health(&self, caller: &Caller) -> Result<Health, ServiceError> {
        Self::require(caller, Scope::AuditRead)?;
        let at = now();
        let mut health = Health { ready: self.is_ready(), version: env!("CARGO_PKG_VERSION"), at, ..Health::default() };
        for store in self.console_stores(caller)? {
            health.stores += 1;
            let held = self
                .stores
                .get(&store.id)
                .and_then(|live| live.with(|firewall| (firewall.held(), firewall.scanner().rules().digest())));
            let (held, digest) = match held {
                Ok((Ok(held), digest)) => (held, digest),
                Ok((Err(error), _)) => {
                    health.broken.push(format!("{}: {}", store.id, said(&error.into())));
                    continue;
                }
                Err(error) => {
                    health.broken.push(format!("{}: {}", store.id, said(&error)));
                    continue;
                }
            };
            health.ruleset = digest.short();
            for record in held {
                health.expired += usize::from(record.state == HeldState::Expired);
                if record.state.is_open() {
                    health.waiting += 1;
                    health.soon += usize::from(record.deadline < at.plus_ms(86_400_000));
                    health.oldest = Some(health.oldest.map_or(record.created, |oldest| oldest.min(record.created)));
                }
            }
        }
        let mut dreams = std::collections::BTreeMap::new();
        let query = crate::store::server::ListQuery { archived: true, limit: 10_000, ..Default::default() };
        for dream in self.db.list(crate::store::server::Table::Dream, &caller.workspace, &query)? {
            *dreams.entry(dream.state).or_insert(0) += 1;
        }
        health.dreams = dreams.into_iter().collect();
        let scanner = Scanner::builtin(crate::detect::Levels::default()).map_err(FirewallError::from)?;
        health.rules = scanner.rules().rules().len();
        if health.ruleset.is_empty() {
            health.ruleset = scanner.rules().digest().short();
        }
        Ok(health)
    }

    /// The events of a session, in order, each with its number, type and texts. Untrusted.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown session.
    pub fn console_transcript(
        &self,
        caller: &Caller,
        session: &str,
        from: usize,
    ) -> Result<Vec<(usize, String, String)>, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        self.session_row(&caller.workspace, session)?;
        let query = crate::store::server::EventQuery { limit: from.saturating_add(100), ..Default::default() };
        let events = self.db.events(session, &query)?;
        let texts = |body: &Value| -> String {
            let mut out = String::new();
            collect(body, &mut out, 0);
            out
        };
        let shown = events.into_iter().enumerate().skip(from);
        Ok(shown.map(|(at, event)| (at, event.kind, texts(&event.body))).collect())
    }
}

/// The texts of an event, a line each.
fn collect(value: &Value, out: &mut String, depth: usize) {
    if depth > 16 || out.len() > 64 * 1024 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text)
                        if matches!(name.as_str(), "text" | "name" | "input" | "output" | "content") =>
                    {
                        out.push_str(text);
                        out.push('\n');
                    }
                    Value::String(_) => {}
                    other => collect(other, out, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out, depth + 1)),
        _ => {}
    }
}
