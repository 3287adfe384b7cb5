//! What pages are made of: the shell around them, times, addresses, and the templates as types.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::auth::Scope;
use crate::domain::{Coded as _, Digest, Family, Timestamp};
use crate::http::error::ApiError;
use crate::report::show::{Html, scrubbed};
use crate::service::ServiceError;
use crate::service::console::{Act, Health, LayerView, Row};

use super::door::Desk;

/// The frame of a page.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    pub(super) title: String,
    pub(super) theme: &'static str,
    pub(super) user: Option<(String, &'static str)>,
    pub(super) nav: Vec<(&'static str, &'static str, bool)>,
    pub(super) token: String,
    pub(super) here: String,
    /// What just happened: our own words.
    pub(super) done: String,
}

impl Shell {
    /// A page for somebody who is not logged in.
    pub(super) fn outside(title: &str, theme: &'static str) -> Self {
        Self {
            title: title.to_owned(),
            theme,
            user: None,
            nav: Vec::new(),
            token: String::new(),
            here: String::new(),
            done: String::new(),
        }
    }

    /// A page for somebody who is: what their role may see is in the menu.
    pub(super) fn of(desk: &Desk, title: impl Into<String>, section: &str, here: impl Into<String>) -> Self {
        const MENU: [(&str, &str, Scope); 6] = [
            ("/console/queue", "Queue", Scope::ReviewRead),
            ("/console/stores", "Stores", Scope::StoreRead),
            ("/console/dreams", "Dreams", Scope::StoreRead),
            ("/console/rules", "Rules", Scope::ReviewRead),
            ("/console/audit", "Audit", Scope::AuditRead),
            ("/console/health", "Health", Scope::AuditRead),
        ];
        let role = desk.visitor.account.role;
        let nav = MENU.into_iter().filter(|(_, _, scope)| role.may(*scope));
        Self {
            title: title.into(),
            theme: desk.theme,
            user: Some((desk.visitor.account.name.clone(), role.name())),
            nav: nav.map(|(href, label, _)| (href, label, label == section)).collect(),
            token: desk.visitor.form_token(),
            here: here.into(),
            done: String::new(),
        }
    }

    pub(super) fn said(self, done: impl Into<String>) -> Self {
        Self { done: done.into(), ..self }
    }
}

/// A moment: exactly, and as people say it.
#[derive(Clone, Debug)]
pub(super) struct When {
    pub(super) iso: String,
    pub(super) says: String,
}

impl When {
    pub(super) fn of(at: Timestamp, now: Timestamp) -> Self {
        let ms = at.0.saturating_sub(now.0);
        let span = span(ms.saturating_abs());
        let says = match ms {
            1001.. => format!("in {span}"),
            ..=-1001 => format!("{span} ago"),
            _ => "now".to_owned(),
        };
        Self { iso: at.rfc3339_seconds(), says }
    }
}

fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => format!("{} s", ms / 1000),
        1..=119 => format!("{minutes} min"),
        120..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// The current time, for pages that say how long ago something was.
pub(super) fn now() -> Timestamp {
    crate::service::console::clock()
}

/// One component of an address.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// What the login form sends back of a page's own value.
pub(super) fn door_token(door: &str) -> String {
    Digest::of_parts([b"memgate-door".as_slice(), door.as_bytes()]).hex()
}

/// A page on its way out.
pub(super) fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], scrubbed(text)).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n").into_response(),
    }
}

/// A page that says no.
pub(super) fn refused(status: StatusCode, title: &str, why: &str, theme: &'static str) -> Response {
    let shell = Shell::outside(title, theme);
    shown(status, &Refused { shell, title: title.to_owned(), why: Html::text(why) })
}

/// The status and the words of an error.
pub(super) fn failure(error: &ServiceError) -> (StatusCode, &'static str, String) {
    match error {
        ServiceError::Unknown { .. } | ServiceError::RouteNotServed => {
            (StatusCode::NOT_FOUND, "Not here", "There is no such page or object in your workspace.".to_owned())
        }
        ServiceError::Forbidden { scope } => {
            (StatusCode::FORBIDDEN, "Not allowed", format!("Your role does not have the right {scope}."))
        }
        ServiceError::Conflict { message } => (StatusCode::CONFLICT, "Not now", message.clone()),
        ServiceError::Invalid { message } => (StatusCode::BAD_REQUEST, "Not understood", message.clone()),
        ServiceError::TooLarge { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "Too large", "The form is too large.".to_owned())
        }
        ServiceError::Limited { after_s } => {
            (StatusCode::TOO_MANY_REQUESTS, "Too much at once", format!("Try again in {after_s} seconds."))
        }
        other => match other.family() {
            Family::Refused => (StatusCode::CONFLICT, "Refused", format!("{}: {}", other.code(), other.remedy())),
            Family::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not available", format!("{}: {}", other.code(), other.remedy()))
            }
            Family::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "A fault of this program", other.code().to_owned()),
        },
    }
}

/// An error's page for somebody who may not be logged in.
pub(super) fn failed(error: &ServiceError, theme: &'static str) -> Response {
    let (status, title, why) = failure(error);
    refused(status, title, &why, theme)
}

/// An error's page within the console.
pub(super) fn failed_for(desk: &Desk, error: &ApiError) -> Response {
    let (status, title, why) = failure(&error.0);
    let shell = Shell::of(desk, title, "", "");
    shown(status, &Refused { shell, title: title.to_owned(), why: Html::text(&why) })
}

/// `login.html`
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login {
    pub(super) shell: Shell,
    pub(super) token: String,
    pub(super) next: String,
    pub(super) problem: String,
}

/// `refused.html`
#[derive(Template)]
#[template(path = "refused.html")]
pub(super) struct Refused {
    pub(super) shell: Shell,
    pub(super) title: String,
    pub(super) why: Html,
}

/// One line of the queue, ready for a page.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) key: String,
    pub(super) id: String,
    pub(super) severity: &'static str,
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
    pub(super) start: Html,
    pub(super) place: Html,
    pub(super) store: Html,
    pub(super) submitter: Html,
    pub(super) rules: Vec<Html>,
    pub(super) created: When,
    pub(super) deadline: When,
    pub(super) late: bool,
    pub(super) claim: String,
    pub(super) needs_two: bool,
    pub(super) others: usize,
    pub(super) bulk: bool,
}

impl Line {
    pub(super) fn of(row: &Row, now: Timestamp) -> Self {
        let left = row.deadline.0.saturating_sub(now.0);
        let whole = row.deadline.0.saturating_sub(row.created.0).max(1);
        Self {
            href: format!("/console/items/{}/{}", encode(&row.store), encode(&row.id)),
            key: format!("{}/{}", row.store, row.id),
            id: row.id.clone(),
            severity: row.severity.name(),
            kind: row.kind,
            state: row.state,
            start: Html::cell(&row.start, 160),
            place: Html::cell(&row.place, 60),
            store: Html::cell(&row.store_name, 40),
            submitter: Html::cell(&row.submitter, 40),
            rules: row.rules.iter().take(3).map(|rule| Html::cell(rule, 40)).collect(),
            created: When::of(row.created, now),
            deadline: When::of(row.deadline, now),
            late: left.saturating_mul(10) < whole,
            claim: row.claim.clone().unwrap_or_default(),
            needs_two: row.needs_two,
            others: row.others,
            bulk: row.may_bulk(),
        }
    }
}

/// `queue.html`
#[derive(Template)]
#[template(path = "queue.html")]
pub(super) struct QueuePage {
    pub(super) shell: Shell,
    pub(super) filter: Html,
    pub(super) problem: String,
    pub(super) lines: Vec<Line>,
    pub(super) matched: usize,
    pub(super) waiting: usize,
    pub(super) expired: usize,
    pub(super) oldest: Option<When>,
    pub(super) unread: Vec<String>,
    pub(super) severities: Vec<(&'static str, usize, String)>,
    pub(super) kinds: Vec<(&'static str, usize, String)>,
    pub(super) group: bool,
    pub(super) group_href: String,
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
    pub(super) first: usize,
    pub(super) may_decide: bool,
    pub(super) at: When,
}

/// A finding, ready for a page.
pub(super) struct FindingLine {
    pub(super) number: usize,
    pub(super) rule: Html,
    pub(super) rule_href: String,
    pub(super) title: Html,
    pub(super) severity: &'static str,
    pub(super) confidence: &'static str,
    pub(super) span: String,
    pub(super) view: &'static str,
    pub(super) decoding: Html,
    pub(super) threats: String,
    pub(super) excerpt: Html,
    pub(super) why: Html,
    pub(super) advice: Html,
}

/// A reading, ready for a page.
pub(super) struct LayerBlock {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) steps: Html,
    pub(super) span: String,
    pub(super) text: Html,
    pub(super) cut: bool,
}

impl LayerBlock {
    pub(super) fn of(number: usize, layer: &LayerView) -> Self {
        Self {
            number,
            name: layer.view.to_owned(),
            steps: Html::cell(&layer.decoding.join(" > "), 120),
            span: format!("{} to {}", layer.span.start, layer.span.end),
            text: Html::logical(&layer.text, 0, &[]),
            cut: layer.cut,
        }
    }
}

/// A source, ready for a page.
pub(super) struct SourceLine {
    pub(super) input: Html,
    pub(super) digest: String,
    pub(super) session: Html,
    pub(super) href: String,
    pub(super) event: String,
    pub(super) span: String,
    pub(super) channel: &'static str,
    pub(super) authority: &'static str,
    pub(super) principal: Html,
    pub(super) at: Option<When>,
}

/// A neighbour, ready for a page.
pub(super) struct NeighbourLine {
    pub(super) href: String,
    pub(super) place: Html,
    pub(super) state: &'static str,
    pub(super) start: Html,
    pub(super) shared: String,
}

/// An earlier decision, ready for a page.
pub(super) struct HistoryLine {
    pub(super) decision: &'static str,
    pub(super) reviewer: Html,
    pub(super) reason: Html,
    pub(super) note: Html,
    pub(super) at: When,
    pub(super) digest: String,
}

/// `item.html`
#[derive(Template)]
#[template(path = "item.html")]
pub(super) struct ItemPage {
    pub(super) shell: Shell,
    pub(super) line: Line,
    pub(super) verdict: &'static str,
    pub(super) reasons: Vec<Html>,
    pub(super) authority: &'static str,
    pub(super) normative: bool,
    pub(super) first_yes: bool,
    pub(super) problem: String,
    pub(super) moved: Vec<&'static str>,
    pub(super) digest: String,
    pub(super) size: usize,
    pub(super) characters: usize,
    pub(super) lines: usize,
    pub(super) hidden: usize,
    pub(super) mixed: bool,
    pub(super) view: &'static str,
    pub(super) views: Vec<(&'static str, bool, String)>,
    pub(super) text: Html,
    pub(super) escapes: Html,
    pub(super) part: usize,
    pub(super) parts: usize,
    pub(super) part_links: Vec<(usize, String, bool)>,
    pub(super) last_part: bool,
    pub(super) diff: Option<Html>,
    pub(super) diff_path: Html,
    pub(super) is_new: bool,
    pub(super) outdated: bool,
    pub(super) findings: Vec<FindingLine>,
    pub(super) findings_total: usize,
    pub(super) layers: Vec<LayerBlock>,
    pub(super) layer_limits: String,
    pub(super) sources: Vec<SourceLine>,
    pub(super) sources_total: usize,
    pub(super) neighbours: Vec<NeighbourLine>,
    pub(super) history: Vec<HistoryLine>,
    pub(super) act: Act,
    pub(super) basis: String,
    pub(super) version: u64,
    pub(super) dwell_s: i64,
    pub(super) policy: String,
    pub(super) ruleset: String,
    pub(super) reasons_no: Vec<(&'static str, bool)>,
    pub(super) reasons_yes: Vec<(&'static str, bool)>,
    pub(super) note: Html,
    pub(super) note_needed: bool,
    pub(super) mine: bool,
}

/// `bulk.html`
#[derive(Template)]
#[template(path = "bulk.html")]
pub(super) struct BulkPage {
    pub(super) shell: Shell,
    pub(super) items: Vec<BulkLine>,
    pub(super) skipped: Vec<(String, String)>,
    pub(super) reasons: Vec<&'static str>,
    pub(super) outcome: Vec<(String, String)>,
    pub(super) done: usize,
}

/// One item that a bulk decision would take.
pub(super) struct BulkLine {
    pub(super) key: String,
    pub(super) basis: String,
    pub(super) line: Line,
    pub(super) text: Html,
}

/// A store in a list, ready for a page.
pub(super) struct StoreRow {
    pub(super) href: String,
    pub(super) name: Html,
    pub(super) id: String,
    pub(super) created: When,
    pub(super) archived: bool,
    pub(super) memories: String,
    pub(super) version: u64,
    pub(super) waiting: usize,
}

/// `stores.html`
#[derive(Template)]
#[template(path = "stores.html")]
pub(super) struct StoresPage {
    pub(super) shell: Shell,
    pub(super) stores: Vec<StoreRow>,
}

/// A version, ready for a page.
pub(super) struct VersionRow {
    pub(super) sequence: u64,
    pub(super) action: Html,
    pub(super) created: When,
    pub(super) memories: usize,
    pub(super) statement: String,
    pub(super) log_index: u64,
    pub(super) diff: Option<String>,
    pub(super) rollback: Option<String>,
}

/// `store.html`
#[derive(Template)]
#[template(path = "store.html")]
pub(super) struct StorePage {
    pub(super) shell: Shell,
    pub(super) store: StoreRow,
    pub(super) description: Html,
    pub(super) reviewers: Vec<Html>,
    pub(super) versions: Vec<VersionRow>,
    pub(super) versions_total: usize,
    pub(super) memories: Vec<(String, Html, usize, When)>,
}

/// A memory in two versions, ready for a page.
pub(super) struct PairBlock {
    pub(super) path: Html,
    pub(super) what: &'static str,
    pub(super) diff: Html,
}

/// `diff.html`
#[derive(Template)]
#[template(path = "diff.html")]
pub(super) struct DiffPage {
    pub(super) shell: Shell,
    pub(super) store: Html,
    pub(super) href: String,
    pub(super) old: u64,
    pub(super) new: u64,
    pub(super) same: usize,
    pub(super) pairs: Vec<PairBlock>,
    /// True on the page that asks before a store goes back.
    pub(super) rollback: bool,
    pub(super) head: u64,
    pub(super) problem: String,
}

/// `memory.html`
#[derive(Template)]
#[template(path = "memory.html")]
pub(super) struct MemoryPage {
    pub(super) shell: Shell,
    pub(super) store: Html,
    pub(super) href: String,
    pub(super) path: Html,
    pub(super) text: Html,
    pub(super) facts: Html,
}

/// A dream in a list, ready for a page.
pub(super) struct DreamRow {
    pub(super) href: String,
    pub(super) id: String,
    pub(super) status: Html,
    pub(super) created: Html,
    pub(super) ended: Html,
    pub(super) summary: Html,
}

/// `dreams.html`
#[derive(Template)]
#[template(path = "dreams.html")]
pub(super) struct DreamsPage {
    pub(super) shell: Shell,
    pub(super) dreams: Vec<DreamRow>,
}

/// A change of a dream, ready for a page.
pub(super) struct ChangeBlock {
    pub(super) id: Html,
    pub(super) kind: Html,
    pub(super) applied: bool,
    pub(super) places: Vec<Html>,
    pub(super) output: Option<Html>,
    pub(super) reason: Html,
    pub(super) rule: Html,
    pub(super) authority: Html,
    pub(super) warnings: Vec<Html>,
    pub(super) quotes: Vec<(Html, Html)>,
}

/// `dream.html`
#[derive(Template)]
#[template(path = "dream.html")]
pub(super) struct DreamPage {
    pub(super) shell: Shell,
    pub(super) dream: DreamRow,
    pub(super) stores: Vec<(String, String)>,
    pub(super) kept: bool,
    pub(super) changes: Vec<ChangeBlock>,
    pub(super) changes_total: usize,
    pub(super) held: Vec<(String, Html, Html)>,
    pub(super) dispositions: Vec<(Html, usize)>,
}

/// A rule, ready for a page.
pub(super) struct RuleRow {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) title: Html,
    pub(super) severity: &'static str,
    pub(super) confidence: &'static str,
    pub(super) level: u8,
    pub(super) threats: String,
    pub(super) hits: usize,
    pub(super) right: usize,
    pub(super) wrong: usize,
}

/// `rules.html`
#[derive(Template)]
#[template(path = "rules.html")]
pub(super) struct RulesPage {
    pub(super) shell: Shell,
    pub(super) rules: Vec<RuleRow>,
}

/// `rule.html`
#[derive(Template)]
#[template(path = "rule.html")]
pub(super) struct RulePage {
    pub(super) shell: Shell,
    pub(super) rule: RuleRow,
    pub(super) why: Html,
    pub(super) advice: Html,
    pub(super) fires: Vec<Html>,
    pub(super) quiet: Vec<Html>,
    pub(super) references: Vec<Html>,
    pub(super) evasions: Vec<(Html, bool)>,
}

/// A line of the audit trail, ready for a page.
pub(super) struct AuditRow {
    pub(super) number: i64,
    pub(super) at: When,
    pub(super) event: Html,
    pub(super) who: Html,
    pub(super) about: Html,
}

/// `audit.html`
#[derive(Template)]
#[template(path = "audit.html")]
pub(super) struct AuditPage {
    pub(super) shell: Shell,
    pub(super) lines: Vec<AuditRow>,
    pub(super) older: Option<String>,
}

/// `health.html`
#[derive(Template)]
#[template(path = "health.html")]
pub(super) struct HealthPage {
    pub(super) shell: Shell,
    pub(super) health: Health,
    pub(super) oldest: Option<When>,
    pub(super) at: When,
    pub(super) broken: Vec<Html>,
}

/// `transcript.html`
#[derive(Template)]
#[template(path = "transcript.html")]
pub(super) struct TranscriptPage {
    pub(super) shell: Shell,
    pub(super) session: String,
    pub(super) events: Vec<(usize, Html, Html, bool)>,
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
}

/// `help.html`
#[derive(Template)]
#[template(path = "help.html")]
pub(super) struct HelpPage {
    pub(super) shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every template, by name.
    #[expect(clippy::disallowed_methods, reason = "a test reads the templates as files")]
    fn templates() -> Vec<(String, String)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/templates");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .map(|path| {
                (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
            })
            .collect()
    }

    #[test]
    fn no_template_takes_text_as_markup_or_runs_something_inline() {
        for (name, text) in templates() {
            let squeezed: String = text.split_whitespace().collect();
            for word in
                ["|safe", "escape(", "{%filter", "<style", "style=", "javascript:", "<iframe", "<object", "<base"]
            {
                assert!(!squeezed.contains(word), "{name} has {word}");
            }
            let mut rest = text.as_str();
            while let Some(at) = rest.find("<script") {
                rest = &rest[at + 7..];
                let tag = &rest[..rest.find('>').unwrap()];
                assert!(tag.contains("src=\"/console/assets/console.js\""), "{name} has a script of its own");
            }
            for word in text.split(|c: char| c.is_whitespace() || c == '<') {
                assert!(!(word.starts_with("on") && word.contains('=')), "{name} has the handler {word}");
                assert!(!word.contains("=\"http") && !word.contains("=\"//"), "{name} leads outside: {word}");
            }
        }
    }

    #[test]
    fn every_form_that_posts_carries_the_token() {
        for (name, text) in templates() {
            for form in text.split("<form").skip(1) {
                let form = form.split("</form>").next().unwrap_or_default();
                let posts = form.split('>').next().is_some_and(|tag| tag.contains("method=\"post\""));
                assert!(!posts || form.contains("name=\"token\""), "{name} has a form without a token");
            }
        }
    }

    #[test]
    fn the_script_is_small_and_makes_no_markup() {
        let script = crate::http::console::SCRIPT;
        assert!(script.len() <= 20 * 1024, "{} bytes", script.len());
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "http"] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn spans_of_time_are_said_like_people_say_them() {
        let now = Timestamp(100_000_000_000);
        for (ms, says) in [
            (0, "now"),
            (-45_000, "45 s ago"),
            (90 * 60_000, "in 90 min"),
            (-5 * 3_600_000, "5 h ago"),
            (3 * 86_400_000, "in 3 days"),
            (i64::MAX, "in 105274941565 days"),
        ] {
            let when = When::of(Timestamp(now.0.saturating_add(ms)), now);
            if ms != i64::MAX {
                assert_eq!(when.says, says);
            }
        }
    }

    #[test]
    fn components_of_addresses_are_encoded() {
        assert_eq!(encode("a b&c=\"<\u{e9}"), "a%20b%26c%3D%22%3C%C3%A9");
    }
}
