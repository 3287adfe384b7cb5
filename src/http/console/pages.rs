//! Stores and their versions, dreams, rules, the audit trail, health.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use crate::domain::Timestamp;
use crate::http::App;
use crate::http::extract::Query;
use crate::report::describe;
use crate::report::show::{Html, has_mixed_direction};
use crate::service::ServiceError;
use crate::service::console::{RuleView, StoreLine, TextPair};

use super::door::{Desk, Form};
use super::view::{
    AuditPage, AuditRow, ChangeBlock, DiffPage, DreamPage, DreamRow, DreamsPage, HealthPage, HelpPage, MemoryPage,
    PairBlock, RulePage, RuleRow, RulesPage, Shell, StorePage, StoreRow, StoresPage, TranscriptPage, VersionRow, When,
    encode, failed_for, now, shown,
};

fn store_row(line: &StoreLine, at: Timestamp) -> StoreRow {
    StoreRow {
        href: format!("/console/stores/{}", encode(&line.id)),
        name: Html::cell(&line.name, 80),
        id: line.id.clone(),
        created: When::of(line.created, at),
        archived: line.archived.is_some(),
        memories: line.memories.map_or_else(|| "cannot be opened".to_owned(), |count| count.to_string()),
        version: line.version,
        waiting: line.waiting,
    }
}

/// `GET /console/stores`
pub(super) async fn stores(State(app): State<App>, desk: Desk) -> Response {
    let caller = desk.caller();
    match app.run(move |service| service.console_store_list(&caller)).await {
        Ok(stores) => {
            let at = now();
            let stores = stores.iter().map(|line| store_row(line, at)).collect();
            let shell = Shell::of(&desk, "Stores", "Stores", "/console/stores");
            shown(StatusCode::OK, &StoresPage { shell, stores })
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/stores/{store}`
pub(super) async fn store(State(app): State<App>, desk: Desk, Path(store): Path<String>, query: Query) -> Response {
    let (caller, wanted) = (desk.caller(), store.clone());
    let view = match app.run(move |service| service.console_store(&caller, &wanted)).await {
        Ok(view) => view,
        Err(error) => return failed_for(&desk, &error),
    };
    let at = now();
    let here = format!("/console/stores/{}", encode(&store));
    let head = view.line.version;
    let versions = view
        .versions
        .iter()
        .map(|version| VersionRow {
            sequence: version.sequence,
            action: Html::cell(&version.action, 20),
            created: When::of(version.created, at),
            memories: version.memories,
            statement: version.statement.clone(),
            log_index: version.log_index,
            diff: (version.sequence > 1)
                .then(|| format!("{here}/diff?from={}&to={}", version.sequence - 1, version.sequence)),
            rollback: (view.may_roll_back && version.sequence != head)
                .then(|| format!("{here}/rollback?to={}", version.sequence)),
        })
        .collect();
    let done = match query.one("done").ok().flatten().as_deref() {
        Some("rolled_back") => "Rolled back, as a new signed version.",
        _ => "",
    };
    let page = StorePage {
        shell: Shell::of(&desk, "Store", "Stores", here.clone()).said(done),
        store: store_row(&view.line, at),
        description: Html::text(&view.description),
        reviewers: view.reviewers.iter().map(|name| Html::cell(name, 64)).collect(),
        versions,
        versions_total: view.versions_total,
        memories: view
            .memories
            .iter()
            .map(|memory| {
                let href = format!("{here}/memories/{}", encode(&memory.id));
                (href, Html::cell(&memory.path, 100), memory.size, When::of(memory.updated, at))
            })
            .collect(),
    };
    shown(StatusCode::OK, &page)
}

/// `GET /console/stores/{store}/memories/{memory}`
pub(super) async fn memory(
    State(app): State<App>,
    desk: Desk,
    Path((store, memory)): Path<(String, String)>,
) -> Response {
    let (caller, in_store) = (desk.caller(), store.clone());
    let found = app
        .run(move |service| {
            let name = service.store(&caller, &in_store)?["name"].as_str().unwrap_or_default().to_owned();
            service.console_memory(&caller, &in_store, &memory).map(|(path, text)| (name, path, text))
        })
        .await;
    match found {
        Ok((name, path, text)) => {
            let href = format!("/console/stores/{}", encode(&store));
            let page = MemoryPage {
                shell: Shell::of(&desk, "Memory", "Stores", href.clone()),
                store: Html::cell(&name, 80),
                href,
                path: Html::cell(&path, 120),
                facts: Html::line(&describe(&text), 300),
                text: if has_mixed_direction(&text) { Html::logical(&text, 0, &[]) } else { Html::text(&text) },
            };
            shown(StatusCode::OK, &page)
        }
        Err(error) => failed_for(&desk, &error),
    }
}

fn pair(pair: &TextPair) -> PairBlock {
    PairBlock {
        path: Html::cell(&pair.path, 120),
        what: match (&pair.old, &pair.new) {
            (None, _) => "new",
            (_, None) => "removed",
            _ => "changed",
        },
        diff: Html::diff(pair.old.as_deref().unwrap_or(""), pair.new.as_deref().unwrap_or("")),
    }
}

async fn difference(
    app: &App,
    desk: &Desk,
    store: &str,
    (from, to): (Option<u64>, Option<u64>),
    rollback: bool,
    problem: String,
) -> Response {
    let (caller, in_store) = (desk.caller(), store.to_owned());
    let found = app
        .run(move |service| {
            let view = service.console_store(&caller, &in_store)?;
            let head = view.line.version;
            let (old, new) = if rollback {
                (head, to.unwrap_or(head.saturating_sub(1)))
            } else {
                let new = to.unwrap_or(head);
                (from.unwrap_or(new.saturating_sub(1)), new)
            };
            let (pairs, same) = service.console_diff(&caller, &in_store, old, new)?;
            if rollback && !view.may_roll_back {
                return Err(ServiceError::Forbidden { scope: "store:rollback" });
            }
            Ok((view.line, old, new, pairs, same))
        })
        .await;
    match found {
        Ok((line, old, new, pairs, same)) => {
            let href = format!("/console/stores/{}", encode(store));
            let title = if rollback { "Roll back" } else { "Difference" };
            let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
            let page = DiffPage {
                shell: Shell::of(desk, title, "Stores", href.clone()),
                store: Html::cell(&line.name, 80),
                href,
                old,
                new,
                same,
                pairs: pairs.iter().map(pair).collect(),
                rollback,
                head: line.version,
                problem,
            };
            shown(status, &page)
        }
        Err(error) => failed_for(desk, &error),
    }
}

fn number(query: &Query, name: &str) -> Option<u64> {
    query.one(name).ok().flatten().and_then(|text| text.parse().ok())
}

/// `GET /console/stores/{store}/diff`
pub(super) async fn diff(State(app): State<App>, desk: Desk, Path(store): Path<String>, query: Query) -> Response {
    difference(&app, &desk, &store, (number(&query, "from"), number(&query, "to")), false, String::new()).await
}

/// `GET /console/stores/{store}/rollback`
pub(super) async fn rollback(State(app): State<App>, desk: Desk, Path(store): Path<String>, query: Query) -> Response {
    difference(&app, &desk, &store, (None, number(&query, "to")), true, String::new()).await
}

/// `POST /console/stores/{store}/rollback`
pub(super) async fn roll_back(State(app): State<App>, desk: Desk, Path(store): Path<String>, form: Form) -> Response {
    let (to, head) = (number(&form.0, "to"), number(&form.0, "head"));
    let reason = form.text("reason").unwrap_or_default();
    let (Some(to), Some(head)) = (to, head) else {
        return failed_for(&desk, &ServiceError::invalid("the versions are missing").into());
    };
    let (visitor, in_store) = (desk.visitor.clone(), store.clone());
    match app.run(move |service| service.console_rollback(&visitor, &in_store, to, head, &reason)).await {
        Ok(_) => Redirect::to(&format!("/console/stores/{}?done=rolled_back", encode(&store))).into_response(),
        Err(error) => match error.0 {
            ServiceError::Conflict { message } | ServiceError::Invalid { message } => {
                difference(&app, &desk, &store, (None, Some(to)), true, message).await
            }
            other => failed_for(&desk, &other.into()),
        },
    }
}

fn dream_row(wire: &Value) -> DreamRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = text(&wire["id"]);
    let gate = wire["gate"].as_object().cloned().unwrap_or_default();
    let summary: Vec<String> = gate
        .iter()
        .filter(|(_, value)| value.is_u64())
        .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
        .collect();
    let failed = text(&wire["error"]["message"]);
    DreamRow {
        href: format!("/console/dreams/{}", encode(&id)),
        id,
        status: Html::cell(&text(&wire["status"]), 20),
        created: Html::cell(&text(&wire["created_at"]), 40),
        ended: Html::cell(&text(&wire["ended_at"]), 40),
        summary: Html::line(
            if failed.is_empty() { &summary } else { std::slice::from_ref(&failed) }.join(", ").as_str(),
            300,
        ),
    }
}

/// `GET /console/dreams`
pub(super) async fn dreams(State(app): State<App>, desk: Desk) -> Response {
    let caller = desk.caller();
    match app.run(move |service| service.console_dreams(&caller)).await {
        Ok(dreams) => {
            let shell = Shell::of(&desk, "Dreams", "Dreams", "/console/dreams");
            shown(StatusCode::OK, &DreamsPage { shell, dreams: dreams.iter().map(dream_row).collect() })
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/dreams/{dream}`
pub(super) async fn dream(State(app): State<App>, desk: Desk, Path(dream): Path<String>) -> Response {
    let (caller, wanted) = (desk.caller(), dream.clone());
    let view = match app.run(move |service| service.console_dream(&caller, &wanted)).await {
        Ok(view) => view,
        Err(error) => return failed_for(&desk, &error),
    };
    let lists = |texts: &[String]| texts.iter().map(|text| Html::line(text, 300)).collect::<Vec<_>>();
    let changes = view.changes.iter().flatten().map(|change| ChangeBlock {
        id: Html::cell(&change.id, 40),
        kind: Html::cell(&change.kind.replace('_', " "), 40),
        applied: change.applied,
        places: lists(&change.places),
        output: change.output.as_deref().map(Html::text),
        reason: Html::line(&change.reason, 600),
        rule: Html::cell(&change.rule, 60),
        authority: Html::cell(&change.authority, 20),
        warnings: lists(&change.warnings),
        quotes: change.quotes.iter().map(|(place, quote)| (Html::line(place, 120), Html::line(quote, 400))).collect(),
    });
    let outputs = view.wire["outputs"].as_array().into_iter().flatten();
    let stores = outputs.filter_map(|output| output["memory_store_id"].as_str());
    let page = DreamPage {
        shell: Shell::of(&desk, "Dream", "Dreams", format!("/console/dreams/{}", encode(&dream))),
        dream: dream_row(&view.wire),
        stores: stores.map(|id| (format!("/console/stores/{}", encode(id)), id.to_owned())).collect(),
        kept: view.changes.is_some(),
        changes: changes.collect(),
        changes_total: view.changes_total,
        held: view
            .held
            .iter()
            .map(|(store, id, severity, start)| {
                let href = format!("/console/items/{}/{}", encode(store), encode(id));
                (href, Html::cell(severity, 10), Html::cell(start, 160))
            })
            .collect(),
        dispositions: view
            .dispositions
            .iter()
            .map(|(name, count)| (Html::cell(&name.replace('_', " "), 40), *count))
            .collect(),
    };
    shown(StatusCode::OK, &page)
}

fn rule_row(rule: &RuleView) -> RuleRow {
    RuleRow {
        id: rule.id.clone(),
        href: format!("/console/rules/{}", encode(&rule.id)),
        title: Html::line(&rule.title, 200),
        severity: rule.severity.name(),
        confidence: rule.confidence,
        level: rule.level,
        threats: rule.threats.join(" "),
        hits: rule.hits,
        right: rule.right,
        wrong: rule.wrong,
    }
}

/// `GET /console/rules`
pub(super) async fn rules(State(app): State<App>, desk: Desk) -> Response {
    let caller = desk.caller();
    match app.run(move |service| service.console_rules(&caller, None)).await {
        Ok(rules) => {
            let shell = Shell::of(&desk, "Rules", "Rules", "/console/rules");
            shown(StatusCode::OK, &RulesPage { shell, rules: rules.iter().map(rule_row).collect() })
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/rules/{rule}`
pub(super) async fn rule(State(app): State<App>, desk: Desk, Path(rule): Path<String>) -> Response {
    let caller = desk.caller();
    let rules = match app.run(move |service| service.console_rules(&caller, Some(&rule))).await {
        Ok(rules) => rules,
        Err(error) => return failed_for(&desk, &error),
    };
    let Some(rule) = rules.first() else {
        return failed_for(&desk, &ServiceError::Unknown { what: "rule" }.into());
    };
    let texts = |texts: &[String]| texts.iter().map(|text| Html::logical(text, 0, &[])).collect();
    let page = RulePage {
        shell: Shell::of(&desk, rule.id.clone(), "Rules", format!("/console/rules/{}", encode(&rule.id))),
        rule: rule_row(rule),
        why: Html::text(&rule.why),
        advice: Html::text(&rule.advice),
        fires: texts(&rule.fires),
        quiet: texts(&rule.quiet),
        references: rule.references.iter().map(|text| Html::line(text, 300)).collect(),
        evasions: rule.evasions.iter().map(|(text, caught)| (Html::logical(text, 0, &[]), *caught)).collect(),
    };
    shown(StatusCode::OK, &page)
}

/// `GET /console/audit`
pub(super) async fn audit(State(app): State<App>, desk: Desk, query: Query) -> Response {
    let caller = desk.caller();
    let before = query.one("before").ok().flatten().and_then(|text| text.parse().ok());
    match app.run(move |service| service.console_audit(&caller, before)).await {
        Ok(lines) => {
            let at = now();
            let older = lines.last().filter(|_| lines.len() == 100);
            let page = AuditPage {
                shell: Shell::of(&desk, "Audit", "Audit", "/console/audit"),
                older: older.map(|line| format!("/console/audit?before={}", line.number)),
                lines: lines
                    .iter()
                    .map(|line| AuditRow {
                        number: line.number,
                        at: When::of(line.at, at),
                        event: Html::cell(&line.event, 60),
                        who: Html::cell(&line.who, 60),
                        about: Html::line(&line.about, 400),
                    })
                    .collect(),
            };
            shown(StatusCode::OK, &page)
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/health`
pub(super) async fn health(State(app): State<App>, desk: Desk) -> Response {
    let caller = desk.caller();
    match app.run(move |service| service.console_health(&caller)).await {
        Ok(health) => {
            let page = HealthPage {
                shell: Shell::of(&desk, "Health", "Health", "/console/health"),
                oldest: health.oldest.map(|at| When::of(at, health.at)),
                at: When::of(health.at, health.at),
                broken: health.broken.iter().map(|line| Html::line(line, 300)).collect(),
                health,
            };
            shown(StatusCode::OK, &page)
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/transcripts/{session}`
pub(super) async fn transcript(
    State(app): State<App>,
    desk: Desk,
    Path(session): Path<String>,
    query: Query,
) -> Response {
    let from = number(&query, "from").and_then(|from| usize::try_from(from).ok()).unwrap_or(0).min(1_000_000);
    let (caller, wanted) = (desk.caller(), session.clone());
    match app.run(move |service| service.console_transcript(&caller, &wanted, from)).await {
        Ok(events) => {
            let here = format!("/console/transcripts/{}", encode(&session));
            let page = TranscriptPage {
                shell: Shell::of(&desk, "Transcript", "Queue", here.clone()),
                earlier: (from > 0).then(|| format!("{here}?from={}", from.saturating_sub(100))),
                later: (events.len() == 100).then(|| format!("{here}?from={}", from + 100)),
                events: events
                    .iter()
                    .map(|(at, kind, text)| {
                        let text = text.trim_end();
                        let shown =
                            if has_mixed_direction(text) { Html::logical(text, 0, &[]) } else { Html::text(text) };
                        (*at, Html::cell(kind, 60), shown, text.is_empty())
                    })
                    .collect(),
                session,
            };
            shown(StatusCode::OK, &page)
        }
        Err(error) => failed_for(&desk, &error),
    }
}

/// `GET /console/help`
pub(super) async fn help(desk: Desk) -> Response {
    shown(StatusCode::OK, &HelpPage { shell: Shell::of(&desk, "Help", "", "/console/help") })
}

/// Anything else.
pub(super) async fn nowhere(desk: Desk) -> Response {
    failed_for(&desk, &ServiceError::RouteNotServed.into())
}
