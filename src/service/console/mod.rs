//! What the console shows: the queue of a workspace, one item with everything a decision needs, and the decision
//! itself, bound to what was shown.

mod filter;
mod item;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::json;

use crate::auth::Scope;
use crate::domain::{Digest, Severity, Timestamp};
use crate::gate::{HeldRecord, HeldState, Place};
use crate::store::server::{ClaimRow, ListQuery, ObjectRow, Table};

use super::{Caller, Service, ServiceError, Visitor, lock, now};

pub use item::{Act, Conflict, FindingView, HistoryView, Item, LayerView, NeighbourView, Outcome, SourceView};
pub use pages::{
    AuditLine, ChangeView, DreamView, Health, MemoryLine, RuleView, StoreLine, StoreView, TextPair, VersionLine,
};

use filter::Filter;

/// Items on one screen of the queue.
pub const SCREEN: usize = 50;
/// How long somebody has an item.
const CLAIM_MS: i64 = 15 * 60 * 1000;
/// Showings that are remembered.
const SHOWN: usize = 8192;

/// One line of the queue. Texts are untrusted: show them escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The store.
    pub store: String,
    /// Its name.
    pub store_name: String,
    /// The item.
    pub id: String,
    /// Harm.
    pub severity: Severity,
    /// What it is.
    pub kind: &'static str,
    /// Where it stands.
    pub state: &'static str,
    /// The lowest authority among its sources.
    pub authority: &'static str,
    /// When it was held.
    pub created: Timestamp,
    /// When it becomes no.
    pub deadline: Timestamp,
    /// Where it would go.
    pub place: String,
    /// How its text begins.
    pub start: String,
    /// The rules that fired.
    pub rules: Vec<String>,
    /// On whose behalf.
    pub submitter: String,
    /// True when a release needs two people.
    pub needs_two: bool,
    /// Who has it now.
    pub claim: Option<String>,
    /// Others with the same text, in this list.
    pub others: usize,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            store: String::new(),
            store_name: String::new(),
            id: String::new(),
            severity: Severity::Info,
            kind: "",
            state: "",
            authority: "",
            created: Timestamp(0),
            deadline: Timestamp(0),
            place: String::new(),
            start: String::new(),
            rules: Vec::new(),
            submitter: String::new(),
            needs_two: false,
            claim: None,
            others: 0,
        }
    }
}

impl Row {
    /// True for what may be decided together with others: slight harm, no governed kind, one person.
    pub fn may_bulk(&self) -> bool {
        let governed = ["directive", "permission", "destination", "tool_choice", "identity"].contains(&self.kind);
        self.severity <= Severity::Medium && !governed && !self.needs_two && self.state == "open"
    }
}

/// The time now, for pages.
pub fn clock() -> Timestamp {
    now()
}

/// A screen of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// The lines, worst first.
    pub rows: Vec<Row>,
    /// Items that match, groups counted once.
    pub matched: usize,
    /// Items that wait in the workspace.
    pub waiting: usize,
    /// Waiting items by severity, worst first.
    pub severities: Vec<(&'static str, usize)>,
    /// Waiting items by kind.
    pub kinds: Vec<(&'static str, usize)>,
    /// The oldest that waits.
    pub oldest: Option<Timestamp>,
    /// Items past their deadline that nobody decided.
    pub expired: usize,
    /// What of the filter was not understood.
    pub problem: Option<String>,
    /// Stores that could not be read.
    pub unread: Vec<String>,
    /// The time of the list.
    pub at: Timestamp,
}

/// What was shown to whom: a decision counts for that only.
#[derive(Debug, Default)]
pub(super) struct Showings {
    seen: Mutex<BTreeMap<Digest, i64>>,
}

impl Showings {
    fn key(visitor: &Visitor, store: &str, id: &str, basis: &str) -> Digest {
        Digest::of(visitor.seal("shown", &[store, id, basis]))
    }

    /// Notes a showing; the first one of the same thing counts.
    fn note(&self, visitor: &Visitor, store: &str, id: &str, basis: &str, at: Timestamp) {
        let mut seen = lock(&self.seen);
        seen.entry(Self::key(visitor, store, id, basis)).or_insert(at.0);
        if seen.len() > SHOWN {
            let oldest = seen.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key);
            oldest.and_then(|key| seen.remove(&key));
        }
    }

    fn at(&self, visitor: &Visitor, store: &str, id: &str, basis: &str) -> Option<Timestamp> {
        lock(&self.seen).get(&Self::key(visitor, store, id, basis)).map(|at| Timestamp(*at))
    }
}

fn place(record: &HeldRecord) -> String {
    match &record.place {
        Place::Memory { path, heading: Some(heading) } => format!("{path} under \"{heading}\""),
        Place::Memory { path, heading: None } => path.to_string(),
        Place::Write { path, moves: Some(from), .. } => format!("{path}, renamed from {from}"),
        Place::Write { path, .. } => path.to_string(),
        Place::Session { session, event } => format!("transcript {session}, event {event}"),
    }
}

fn source(record: &HeldRecord) -> String {
    let mut out = String::new();
    for origin in record.origins.iter().take(32) {
        out.push_str(origin.channel.name());
        out.push(' ');
        out.push_str(&origin.input);
        out.push(' ');
        out.push_str(origin.session.as_ref().map_or("", |session| session.as_str()));
        out.push(' ');
    }
    out
}

/// The first bytes of a text, at most so many, whole characters.
fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn row(store: &ObjectRow, record: &HeldRecord, claim: Option<&ClaimRow>) -> Row {
    let mut rules: Vec<String> = Vec::new();
    for finding in record.findings.iter().take(256) {
        let rule = finding.rule.to_string();
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Row {
        store: store.id.clone(),
        store_name: store.body["name"].as_str().unwrap_or_default().to_owned(),
        id: record.id.to_string(),
        severity: record.severity,
        kind: record.kind.name(),
        state: record.state.name(),
        authority: record.authority.name(),
        created: record.created,
        deadline: record.deadline,
        place: place(record),
        start: head(&record.text, 400).trim_end_matches(['\n', ' ']).to_owned(),
        rules,
        submitter: record.submitter.to_string(),
        needs_two: record.needs_two,
        claim: claim.map(|claim| claim.name.clone()),
        others: 0,
    }
}

/// What counts as the same text: letters and digits, without case and spacing.
fn sameness(record: &HeldRecord) -> Digest {
    let plain: String =
        record.text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(100_000).collect();
    if plain.is_empty() { record.digest } else { Digest::of(plain) }
}

impl Service {
    /// All stores of a workspace that a console lists.
    fn console_stores(&self, caller: &Caller) -> Result<Vec<ObjectRow>, ServiceError> {
        let query = ListQuery { archived: true, limit: 10_000, ..ListQuery::default() };
        Ok(self.db.list(Table::MemoryStore, &caller.workspace, &query)?)
    }

    /// One screen of the queue: every store of the workspace, worst first, then oldest first. Items with the same text
    /// are one line when `group` is set.
    ///
    /// # Errors
    /// Forbidden without `review:read`.
    pub fn console_queue(
        &self,
        caller: &Caller,
        filter: &str,
        page: usize,
        group: bool,
    ) -> Result<Queue, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let at = now();
        let mut queue = Queue { at, ..Queue::default() };
        let filter = Filter::read(filter).unwrap_or_else(|problem| {
            queue.problem = Some(problem);
            Filter::default()
        });
        let claims = self.db.claims(at)?;
        let claims: BTreeMap<(&str, &str), &ClaimRow> =
            claims.iter().map(|claim| ((claim.store.as_str(), claim.item.as_str()), claim)).collect();
        let (mut severities, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        let mut found: Vec<(Row, Digest)> = Vec::new();
        for store in self.console_stores(caller)? {
            let held = self.stores.get(&store.id).and_then(|live| live.with(|firewall| firewall.held()));
            let Ok(Ok(held)) = held else {
                queue.unread.push(store.id);
                continue;
            };
            for record in &held {
                if record.state.is_open() {
                    queue.waiting += 1;
                    *severities.entry(record.severity).or_insert(0) += 1;
                    *kinds.entry(record.kind.name()).or_insert(0) += 1;
                    queue.oldest = Some(queue.oldest.map_or(record.created, |oldest| oldest.min(record.created)));
                }
                if record.state == HeldState::Expired {
                    queue.expired += 1;
                }
                if !filter.names_state && !record.state.is_open() {
                    continue;
                }
                let row = row(&store, record, claims.get(&(store.id.as_str(), record.id.as_str())).copied());
                if filter.takes(&row, &record.text, &source(record), &caller.name, at) {
                    found.push((row, if group { sameness(record) } else { record.digest }));
                }
            }
        }
        // Severity, then age: what is old and low never hides what is severe.
        found.sort_by(|(a, _), (b, _)| {
            b.severity.cmp(&a.severity).then(a.created.cmp(&b.created)).then_with(|| a.id.cmp(&b.id))
        });
        if group {
            let mut first: BTreeMap<(Digest, &'static str), usize> = BTreeMap::new();
            let mut grouped: Vec<(Row, Digest)> = Vec::new();
            for (row, same) in found {
                match first.get(&(same, row.state)).and_then(|at| grouped.get_mut(*at)) {
                    Some((leader, _)) => leader.others += 1,
                    None => {
                        first.insert((same, row.state), grouped.len());
                        grouped.push((row, same));
                    }
                }
            }
            found = grouped;
        }
        queue.matched = found.len();
        let screen = found.into_iter().skip(page.saturating_mul(SCREEN)).take(SCREEN);
        queue.rows = screen.map(|(row, _)| self.named(row)).collect();
        queue.severities = severities.into_iter().rev().map(|(severity, count)| (severity.name(), count)).collect();
        queue.kinds = kinds.into_iter().collect();
        Ok(queue)
    }

    /// A principal as people know it: a key by its name, with its id.
    fn name_of(&self, principal: &str) -> String {
        if !principal.starts_with("apikey_") {
            return principal.to_owned();
        }
        let key = self.keys(None).into_iter().find(|key| key.id == principal);
        key.map_or_else(|| principal.to_owned(), |key| format!("{} ({principal})", key.name))
    }

    fn named(&self, row: Row) -> Row {
        Row { submitter: self.name_of(&row.submitter), ..row }
    }

    /// Takes an item for a while, so that two people do not read the same thing. The answer says who has it.
    ///
    /// # Errors
    /// Forbidden without a deciding scope; unknown store or item; a conflict when somebody else has it.
    pub fn console_claim(&self, visitor: &Visitor, store: &str, id: &str, take: bool) -> Result<(), ServiceError> {
        let caller = visitor.account.caller();
        if !caller.role.may(Scope::ReviewSecond) {
            Self::require(&caller, Scope::ReviewDecide)?;
        }
        let record = self.held_record(&caller, store, id)?;
        let (item, at) = (record.id.to_string(), now());
        let about = json!({ "memory_store": store, "review": item, "user": caller.id });
        if !take {
            if self.db.drop_claim(store, &item, &caller.id)? {
                self.audit(&caller.workspace, "review.handed_back", &about)?;
            }
            return Ok(());
        }
        if !record.state.is_open() {
            return Err(ServiceError::Conflict { message: format!("{item} is {} already", record.state.name()) });
        }
        let wanted = ClaimRow {
            store: store.to_owned(),
            item,
            account: caller.id.clone(),
            name: caller.name.clone(),
            until: at.plus_ms(CLAIM_MS),
        };
        let has = self.db.claim(&wanted, at)?;
        if has.account != caller.id {
            return Err(ServiceError::Conflict { message: format!("{} has it until {}", has.name, has.until) });
        }
        self.audit(&caller.workspace, "review.claimed", &about)
    }

    /// One held record, as it is kept.
    fn held_record(&self, caller: &Caller, store: &str, id: &str) -> Result<HeldRecord, ServiceError> {
        let wanted = id.to_owned();
        match self.live(&caller.workspace, store)?.with(move |firewall| firewall.held_item(&wanted))? {
            Err(crate::firewall::FirewallError::NoItem { .. }) => Err(ServiceError::Unknown { what: "held item" }),
            other => Ok(other?),
        }
    }

    /// The names of the people who may decide in a store.
    fn store_reviewers(&self, caller: &Caller, store: &str) -> Result<BTreeSet<String>, ServiceError> {
        let live = self.live(&caller.workspace, store)?;
        live.with(|firewall| firewall.config().settings.reviewers.iter().map(ToString::to_string).collect())
    }
}
