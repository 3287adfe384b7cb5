//! The queue, one item, and decisions.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::auth::Scope;
use crate::domain::{Severity, Span};
use crate::http::App;
use crate::http::extract::Query;
use crate::report::hidden_count;
use crate::report::show::{Html, has_mixed_direction};
use crate::service::console::{Conflict, Item, Outcome, SCREEN};
use crate::service::{REASONS, ReviewDecision, ServiceError};

use super::door::{Desk, Form};
use super::view::{
    BulkLine, BulkPage, FindingLine, HistoryLine, ItemPage, LayerBlock, Line, NeighbourLine, QueuePage, Shell,
    SourceLine, When, encode, failed_for, now, shown,
};

/// Bytes of a text on one page: the decision is below the last one.
const PART: usize = 20_000;
/// Items that one bulk decision takes.
const BULK: usize = 50;
/// Bytes of a text that a bulk page shows whole; longer ones are decided alone.
const BULK_BYTES: usize = 4_000;

fn address(filter: &str, page: usize, group: bool) -> String {
    let mut out = format!("/console/queue?filter={}", encode(filter));
    if page > 0 {
        out.push_str(&format!("&page={page}"));
    }
    if !group {
        out.push_str("&group=0");
    }
    out
}

/// `GET /console/queue`
pub(super) async fn queue(State(app): State<App>, desk: Desk, query: Query) -> Response {
    let one = |name: &str| query.one(name).ok().flatten();
    let filter = one("filter").unwrap_or_default();
    let page = one("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(0).min(100_000);
    let group = one("group").as_deref() != Some("0");
    let (caller, wanted) = (desk.caller(), filter.clone());
    let queue = match app.run(move |service| service.console_queue(&caller, &wanted, page, group)).await {
        Ok(queue) => queue,
        Err(error) => return failed_for(&desk, &error),
    };
    let with = |term: String| {
        let words: Vec<&str> = filter.split_whitespace().filter(|word| *word != term).collect();
        let added =
            if words.len() < filter.split_whitespace().count() { words.join(" ") } else { format!("{filter} {term}") };
        address(added.trim(), 0, group)
    };
    let first = page.saturating_mul(SCREEN);
    let done = match one("done").as_deref() {
        Some("released") => "Released into a new signed version. You can take that back for ten minutes.",
        Some("awaits") => "First yes recorded. A second, different person is needed.",
        Some("destroyed") => "Destroyed. The same text is refused from now on.",
        Some("reopened") => "Taken back. The item waits again.",
        Some("back") => "Handed back.",
        _ => "",
    };
    let page = QueuePage {
        shell: Shell::of(&desk, "Queue", "Queue", address(&filter, page, group)).said(done),
        filter: Html::escaped_field(&filter),
        problem: queue.problem.unwrap_or_default(),
        lines: queue.rows.iter().map(|row| Line::of(row, queue.at)).collect(),
        matched: queue.matched,
        waiting: queue.waiting,
        expired: queue.expired,
        oldest: queue.oldest.map(|at| When::of(at, queue.at)),
        unread: queue.unread,
        severities: queue
            .severities
            .into_iter()
            .map(|(name, count)| (name, count, with(format!("severity:{name}"))))
            .collect(),
        kinds: queue.kinds.into_iter().map(|(name, count)| (name, count, with(format!("kind:{name}")))).collect(),
        group,
        group_href: address(&filter, 0, !group),
        newer: (page > 0).then(|| address(&filter, page - 1, group)),
        older: (first + SCREEN < queue.matched).then(|| address(&filter, page + 1, group)),
        first,
        may_decide: desk.visitor.account.role.may(Scope::ReviewDecide),
        at: When::of(queue.at, queue.at),
    };
    shown(StatusCode::OK, &page)
}

/// The bytes where pages of a text begin: after a line where there is one near, else after a character.
fn parts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    while text.len() - at > PART {
        let mut end = at + PART;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let near = text.get(at + PART / 2..end).and_then(|tail| tail.rfind('\n'));
        at = near.map_or(end, |line| at + PART / 2 + line + 1);
        starts.push(at);
    }
    starts
}

/// What the page of an item is told beside the item.
#[derive(Default)]
struct Told {
    view: String,
    part: Option<usize>,
    problem: String,
    moved: Vec<&'static str>,
    reason: String,
    note: String,
    done: &'static str,
    /// A page that refuses shows the text anew; that counts as a showing only when it is the same.
    status: Option<StatusCode>,
}

/// `GET /console/items/{store}/{id}`
pub(super) async fn item(
    State(app): State<App>,
    desk: Desk,
    Path((store, id)): Path<(String, String)>,
    query: Query,
) -> Response {
    let one = |name: &str| query.one(name).ok().flatten();
    let told = Told {
        view: one("view").unwrap_or_default(),
        part: one("part").and_then(|part| part.parse().ok()),
        done: match one("done").as_deref() {
            Some("claimed") => "You have it for fifteen minutes.",
            Some("reopened") => "Taken back. The item waits again.",
            Some("released") => "Released into a new signed version.",
            Some("destroyed") => "Destroyed. The same text is refused from now on.",
            _ => "",
        },
        ..Told::default()
    };
    page(&app, &desk, &store, &id, told).await
}

async fn page(app: &App, desk: &Desk, store: &str, id: &str, told: Told) -> Response {
    let (visitor, in_store, wanted) = (desk.visitor.clone(), store.to_owned(), id.to_owned());
    let found = match app.run(move |service| service.console_item(&visitor, &in_store, &wanted)).await {
        Ok(item) => item,
        Err(error) => return failed_for(desk, &error),
    };
    let starts = parts(&found.text);
    let part = told.part.unwrap_or(1).clamp(1, starts.len());
    let last = part == starts.len();
    if last {
        app.service.console_shown(&desk.visitor, &found);
    }
    let status = told.status.unwrap_or(StatusCode::OK);
    shown(status, &item_page(desk, &found, &starts, part, &told))
}

fn item_page(desk: &Desk, item: &Item, starts: &[usize], part: usize, told: &Told) -> ItemPage {
    let at = now();
    let mixed = has_mixed_direction(&item.text);
    // What may be in another order than it looks is opened in the order of its code points.
    let view = match told.view.as_str() {
        "readable" => "readable",
        "logical" => "logical",
        "bytes" => "bytes",
        _ if mixed => "logical",
        _ => "readable",
    };
    let here = format!("/console/items/{}/{}", encode(&item.row.store), encode(&item.row.id));
    let from = starts.get(part - 1).copied().unwrap_or(0);
    let to = starts.get(part).copied().unwrap_or(item.text.len());
    let text = item.text.get(from..to).unwrap_or_default();
    let spans: Vec<Span> = item.findings.iter().map(|finding| finding.span).collect();
    let line = Line::of(&item.row, at);
    let open = matches!(item.row.state, "open" | "awaits_second");
    let verdict = match item.row.state {
        "open" => "Held: it waits for a person and influences nothing.",
        "awaits_second" => "Held: one person said yes, a second, different one is needed.",
        "released" => "Released: it is in the store.",
        "destroyed" => "Destroyed: the same text is refused.",
        _ => "Expired: nobody decided in time, so the answer is no.",
    };
    let chosen = |code: &'static str| (code, code == told.reason);
    let (yes, no): (Vec<&'static str>, Vec<&'static str>) =
        REASONS.iter().partition(|code| matches!(**code, "false_positive" | "acceptable_risk" | "test_data" | "other"));
    ItemPage {
        shell: Shell::of(desk, format!("{} {}", item.row.severity.name(), item.row.id), "Queue", here.clone())
            .said(told.done),
        verdict,
        reasons: item.reasons.iter().map(|reason| Html::line(reason, 400)).collect(),
        authority: item.row.authority,
        normative: item.normative,
        first_yes: item.first_yes,
        problem: told.problem.clone(),
        moved: told.moved.clone(),
        digest: item.digest.clone(),
        size: item.text.len(),
        characters: item.text.chars().count(),
        lines: item.text.lines().count(),
        hidden: hidden_count(&item.text),
        mixed,
        view,
        views: [("readable", "Readable"), ("logical", "Logical order"), ("bytes", "Bytes")]
            .map(|(name, label)| (label, name == view, format!("{here}?view={name}&part={part}#text")))
            .to_vec(),
        text: match view {
            "logical" => Html::logical(text, from, &spans),
            "bytes" => Html::bytes(text, from),
            _ => Html::readable(text, from, &spans),
        },
        escapes: Html::escapes(text),
        part,
        parts: starts.len(),
        part_links: (1..=starts.len())
            .filter(|n| *n == 1 || *n == starts.len() || n.abs_diff(part) < 3)
            .map(|n| (n, format!("{here}?view={view}&part={n}#text"), n == part))
            .collect(),
        last_part: part == starts.len(),
        diff: item.change.as_ref().map(|(_, before, after)| Html::diff(before.as_deref().unwrap_or(""), after)),
        diff_path: item.change.as_ref().map(|(path, _, _)| Html::cell(path, 120)).unwrap_or_default(),
        is_new: item.change.as_ref().is_some_and(|(_, before, _)| before.is_none()),
        outdated: item.outdated && open,
        findings: item
            .findings
            .iter()
            .map(|finding| FindingLine {
                number: finding.number,
                rule: Html::cell(&finding.rule, 60),
                rule_href: format!("/console/rules/{}", encode(&finding.rule)),
                title: Html::line(&finding.title, 200),
                severity: finding.severity.name(),
                confidence: finding.confidence,
                span: format!("{} to {}", finding.span.start, finding.span.end),
                view: finding.view,
                decoding: Html::cell(&finding.decoding.join(" > "), 80),
                threats: finding.threats.join(" "),
                excerpt: Html::line(&finding.excerpt, 240),
                why: Html::line(&finding.why, 800),
                advice: Html::line(&finding.advice, 800),
            })
            .collect(),
        findings_total: item.findings_total,
        layers: item.layers.iter().zip(1..).map(|(layer, number)| LayerBlock::of(number, layer)).collect(),
        layer_limits: item.layer_limits.join(", "),
        sources: item
            .sources
            .iter()
            .map(|source| {
                let event = source.event.map(|event| event.to_string()).unwrap_or_default();
                let href = match (&source.session, source.known, source.event) {
                    (Some(session), true, Some(event)) => format!(
                        "/console/transcripts/{}?from={}#event-{event}",
                        encode(session),
                        event.saturating_sub(10)
                    ),
                    _ => String::new(),
                };
                SourceLine {
                    input: Html::line(&source.input, 120),
                    digest: source.digest.clone(),
                    session: Html::cell(source.session.as_deref().unwrap_or(""), 60),
                    href,
                    event,
                    span: format!("{} to {}", source.span.start, source.span.end),
                    channel: source.channel,
                    authority: source.authority,
                    principal: Html::cell(&source.principal, 60),
                    at: source.at.map(|when| When::of(when, at)),
                }
            })
            .collect(),
        sources_total: item.sources_total,
        neighbours: item
            .neighbours
            .iter()
            .map(|near| NeighbourLine {
                href: match near.held {
                    true => format!("/console/items/{}/{}", encode(&item.row.store), encode(&near.id)),
                    false => format!("/console/stores/{}/memories/{}", encode(&item.row.store), encode(&near.id)),
                },
                place: Html::cell(&near.place, 80),
                state: near.state,
                start: Html::cell(&near.start, 160),
                shared: format!("{} %", near.shared / 10),
            })
            .collect(),
        history: item
            .history
            .iter()
            .rev()
            .map(|entry| HistoryLine {
                decision: entry.decision,
                reviewer: Html::cell(&entry.reviewer, 60),
                reason: Html::cell(&entry.reason, 60),
                note: Html::text(&entry.note),
                at: When::of(entry.at, at),
                digest: entry.digest.clone(),
            })
            .collect(),
        act: item.act.clone(),
        basis: item.basis.clone(),
        version: item.version,
        dwell_s: (item.dwell_ms + 999) / 1000,
        policy: item.policy.clone(),
        ruleset: item.ruleset.clone(),
        reasons_no: no.into_iter().chain(["other"]).map(chosen).collect(),
        reasons_yes: yes.into_iter().map(chosen).collect(),
        note: Html::escaped_field(&told.note),
        note_needed: item.row.severity >= Severity::High,
        mine: item.row.claim.as_deref() == Some(desk.visitor.account.name.as_str()),
        line,
    }
}

/// `POST /console/items/{store}/{id}`
pub(super) async fn decide(
    State(app): State<App>,
    desk: Desk,
    Path((store, id)): Path<(String, String)>,
    form: Form,
) -> Response {
    let field = |name: &str| form.text(name).unwrap_or_default();
    let (verb, reason, basis) = (field("verb"), field("reason"), field("basis"));
    let note = field("note");
    let kept = Some(note.trim().to_owned()).filter(|note| !note.is_empty());
    let here = format!("/console/items/{}/{}", encode(&store), encode(&id));
    let visitor = desk.visitor.clone();
    let (in_store, wanted, code, words) = (store.clone(), id.clone(), reason.clone(), kept);
    let outcome: Result<Outcome, Conflict> = match verb.as_str() {
        "claim" | "hand_back" => {
            let take = verb == "claim";
            let done = app.run(move |service| service.console_claim(&visitor, &in_store, &wanted, take)).await;
            match done {
                Ok(()) => {
                    return Redirect::to(&format!("{here}?done={}", if take { "claimed" } else { "" })).into_response();
                }
                Err(error) => Err(Conflict::Refused(error.0)),
            }
        }
        "undo" => app
            .run(move |service| Ok(service.console_undo(&visitor, &in_store, &wanted, &code, words)))
            .await
            .unwrap_or_else(|error| Err(Conflict::Refused(error.0))),
        "release" | "destroy" => {
            let digest = field("digest");
            let decision = ReviewDecision { release: verb == "release", digest, reason: code, note: words };
            app.run(move |service| Ok(service.console_decide(&visitor, &in_store, &wanted, &basis, decision)))
                .await
                .unwrap_or_else(|error| Err(Conflict::Refused(error.0)))
        }
        _ => Err(Conflict::Refused(ServiceError::invalid("verb: claim, hand_back, release, destroy or undo"))),
    };
    let conflict = match outcome {
        Ok(Outcome::Released(_)) => return Redirect::to(&format!("{here}?done=released")).into_response(),
        Ok(Outcome::AwaitsSecond) => return Redirect::to("/console/queue?done=awaits").into_response(),
        Ok(Outcome::Destroyed) => return Redirect::to(&format!("{here}?done=destroyed")).into_response(),
        Ok(Outcome::Reopened) => return Redirect::to(&format!("{here}?done=reopened")).into_response(),
        Err(conflict) => conflict,
    };
    if let Conflict::Refused(error @ (ServiceError::Unknown { .. } | ServiceError::Forbidden { .. })) = conflict {
        return failed_for(&desk, &error.into());
    }
    // What was typed is kept; what is there now is shown.
    let status = match &conflict {
        Conflict::TooFast(_) => StatusCode::TOO_EARLY,
        Conflict::Refused(ServiceError::Invalid { .. }) => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    let told = Told {
        problem: conflict.said(),
        moved: if let Conflict::Moved(parts) = &conflict { parts.clone() } else { Vec::new() },
        part: Some(usize::MAX),
        reason,
        note,
        status: Some(status),
        ..Told::default()
    };
    page(&app, &desk, &store, &id, told).await
}

/// `POST /console/queue/bulk`: first what would happen, then what happened.
pub(super) async fn bulk(State(app): State<App>, desk: Desk, form: Form) -> Response {
    let field = |name: &str| form.text(name).unwrap_or_default();
    if field("step") == "apply" {
        return bulk_apply(&app, &desk, &form).await;
    }
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    let keys = form.0.many("item");
    for key in keys.iter().take(BULK) {
        let Some((store, id)) = key.split_once('/') else { continue };
        let (visitor, in_store, wanted) = (desk.visitor.clone(), store.to_owned(), id.to_owned());
        let found = app.run(move |service| service.console_item(&visitor, &in_store, &wanted)).await;
        let why = match &found {
            Err(error) => Some(super::view::failure(&error.0).2),
            Ok(item) => match &item.act.destroy {
                Some(why) => Some(why.clone()),
                None if !item.row.may_bulk() => Some("severe or governed kinds are decided one by one".to_owned()),
                None if item.text.len() > BULK_BYTES => Some("its text is too long for this page".to_owned()),
                None => None,
            },
        };
        match (why, found) {
            (None, Ok(item)) => {
                // The whole text is on the next page: it is a showing like any other.
                app.service.console_shown(&desk.visitor, &item);
                items.push(BulkLine {
                    key: key.clone(),
                    line: Line::of(&item.row, now()),
                    text: if has_mixed_direction(&item.text) {
                        Html::logical(&item.text, 0, &[])
                    } else {
                        Html::readable(&item.text, 0, &[])
                    },
                    basis: item.basis,
                });
            }
            (why, _) => skipped.push((id.to_owned(), why.unwrap_or_default())),
        }
    }
    for key in keys.iter().skip(BULK) {
        skipped.push((key.clone(), format!("at most {BULK} at once")));
    }
    let shell = Shell::of(&desk, "Decide on several", "Queue", "/console/queue");
    let reasons = REASONS.to_vec();
    shown(StatusCode::OK, &BulkPage { shell, items, skipped, reasons, outcome: Vec::new(), done: 0 })
}

async fn bulk_apply(app: &App, desk: &Desk, form: &Form) -> Response {
    let field = |name: &str| form.text(name).unwrap_or_default();
    let keys = form.0.many("item");
    let bases = form.0.many("basis");
    let (verb, reason, note) = (field("verb"), field("reason"), field("note"));
    let count_fits = field("count").parse() == Ok(keys.len()) && keys.len() == bases.len() && keys.len() <= BULK;
    if !count_fits || !matches!(verb.as_str(), "release" | "destroy") {
        let error = ServiceError::invalid("the set is not the one that was shown");
        return failed_for(desk, &error.into());
    }
    let (mut outcome, mut done) = (Vec::new(), 0);
    for (key, basis) in keys.into_iter().zip(bases) {
        let Some((store, id)) = key.split_once('/') else { continue };
        let (visitor, in_store, wanted) = (desk.visitor.clone(), store.to_owned(), id.to_owned());
        let (release, code) = (verb == "release", reason.clone());
        let words = Some(note.trim().to_owned()).filter(|note| !note.is_empty());
        let result = app
            .run(move |service| {
                // The same checks as alone, and that it may be one of many at all.
                let item = service.console_item(&visitor, &in_store, &wanted)?;
                if !item.row.may_bulk() {
                    return Err(ServiceError::invalid("severe or governed kinds are decided one by one"));
                }
                let decision = ReviewDecision { release, digest: item.digest, reason: code, note: words };
                Ok(service.console_decide(&visitor, &in_store, &wanted, &basis, decision))
            })
            .await;
        let said = match result {
            Ok(Ok(_)) => {
                done += 1;
                if release { "released".to_owned() } else { "destroyed".to_owned() }
            }
            Ok(Err(conflict)) => conflict.said(),
            Err(error) => super::view::failure(&error.0).2,
        };
        outcome.push((id.to_owned(), said));
    }
    let shell = Shell::of(desk, "Decided", "Queue", "/console/queue");
    let page = BulkPage { shell, items: Vec::new(), skipped: Vec::new(), reasons: Vec::new(), outcome, done };
    shown(StatusCode::OK, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_text_whatever_it_is_made_of() {
        for text in ["x".repeat(100_000), "\u{301}".repeat(60_000), "a line\n".repeat(9_000), String::new()] {
            let starts = parts(&text);
            assert_eq!(starts[0], 0);
            let ends = starts.iter().skip(1).copied().chain([text.len()]);
            let whole: String = starts.iter().zip(ends).map(|(from, to)| &text[*from..to]).collect();
            assert_eq!(whole, text);
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= PART));
        }
    }
}
