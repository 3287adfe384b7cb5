//! Candidates for memory through memgate's own API: one or many, judged as every write is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::{Digest, PrincipalId, RuleId, Timestamp};
use crate::firewall::Judged;
use crate::store::server::{RecordQuery, RecordRow};

use super::listing::{Ask, Listed};
use super::live::{LiveStore, Op, Written};
use super::{Caller, Service, ServiceError, ids, memories, now};

/// What is done with the gate's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubmitMode {
    /// Admitted text is stored, held text waits for a person.
    #[default]
    Enforce,
    /// Nothing is stored and nothing waits: only the answer.
    Shadow,
    /// As shadow, with everything that was found: for reviewers.
    Explain,
}

impl SubmitMode {
    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Enforce, Self::Shadow, Self::Explain].into_iter().find(|mode| mode.name() == name)
    }
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Explain => "explain",
        }
    }
}

/// A candidate: the whole new text of the memory at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// The store.
    pub store: String,
    /// The path.
    pub path: String,
    /// The text.
    pub content: String,
    /// SHA-256 that the memory must have now.
    pub expected: Option<Digest>,
    /// What is done with the answer.
    pub mode: SubmitMode,
}

/// Records of one kind that a workspace can have: the oldest go.
pub(super) const RECORDS: usize = 100_000;
const KIND: &str = "submission";

fn row(caller: &Caller, store: &str, body: Value) -> Result<RecordRow, ServiceError> {
    Ok(RecordRow {
        workspace: caller.workspace.clone(),
        kind: KIND.to_owned(),
        id: ids::fresh("sub_")?,
        created: now(),
        about: store.to_owned(),
        body,
    })
}

fn shown(row: &RecordRow) -> Value {
    let mut value = row.body.clone();
    value["id"] = row.id.as_str().into();
    value["type"] = KIND.into();
    value["store"] = row.about.as_str().into();
    value["created_at"] = json!(row.created);
    value
}

/// What an agent may know of a rule that fired: its name and what to do, nothing that helps to get around it.
fn agent_view(live: &LiveStore, rules: &[RuleId]) -> Value {
    rules.iter().map(|rule| json!({ "rule": rule, "advice": live.advice(rule) })).collect()
}

/// What became of a write, or the error that it ended with.
fn outcome(live: &LiveStore, written: Result<Written, ServiceError>) -> Result<Value, ServiceError> {
    match written {
        Ok(written) => {
            let (id, version) =
                written.row.as_ref().map(|row| (row.id.as_str(), row.version_id.as_str())).unwrap_or_default();
            let decision = if written.redacted.is_empty() { "admit" } else { "redact" };
            Ok(json!({
                "decision": decision, "rules": agent_view(live, &written.redacted), "observed": written.observed,
                "memory_id": id, "memory_version_id": version, "store_version": written.head.sequence(),
                "content_sha256": written.row.as_ref().map(|row| row.sha256.hex()),
            }))
        }
        Err(ServiceError::Held { review, rules }) => {
            Ok(json!({ "decision": "hold", "rules": agent_view(live, &rules), "review_id": review }))
        }
        Err(ServiceError::Blocked { rules, .. }) => {
            Ok(json!({ "decision": "refuse", "rules": agent_view(live, &rules) }))
        }
        Err(other) => Err(other),
    }
}

impl Service {
    /// Submits one candidate.
    ///
    /// # Errors
    /// Forbidden; refused for a bad path or text, a taken path, a precondition that does not hold. What the gate says
    /// is no error but the answer.
    pub fn submit(&self, caller: &Caller, submission: Submission) -> Result<Value, ServiceError> {
        let mut answers = self.submit_all(caller, vec![submission])?;
        answers.pop().unwrap_or(Err(ServiceError::Bug { what: "a submission has no answer" }))
    }

    /// Submits candidates: exactly one answer for each, in their order.
    ///
    /// # Errors
    /// Forbidden, or the server cannot do any of it now; nothing was done then.
    pub fn submit_all(
        &self,
        caller: &Caller,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Value, ServiceError>>, ServiceError> {
        for submission in &submissions {
            Self::require(
                caller,
                match submission.mode {
                    SubmitMode::Enforce => Scope::Submit,
                    // An agent that could ask without a trace would try until a wording passes.
                    SubmitMode::Shadow => Scope::StoreWrite,
                    SubmitMode::Explain => Scope::ReviewRead,
                },
            )?;
        }
        if self.is_stopping() {
            return Err(ServiceError::Unavailable { why: "the server is stopping" });
        }
        let mut answers: Vec<Option<Result<Value, ServiceError>>> = Vec::new();
        answers.resize_with(submissions.len(), || None);
        let mut waiting: BTreeMap<String, Vec<(usize, Op)>> = BTreeMap::new();
        let modes: Vec<(String, SubmitMode)> = submissions.iter().map(|s| (s.store.clone(), s.mode)).collect();
        for (number, submission) in submissions.into_iter().enumerate() {
            let done = match submission.mode {
                SubmitMode::Enforce => match self.operation(caller, &submission) {
                    Ok(op) => {
                        waiting.entry(submission.store).or_default().push((number, op));
                        continue;
                    }
                    Err(error) => Err(error),
                },
                SubmitMode::Shadow | SubmitMode::Explain => self.judge(caller, &submission),
            };
            if let Some(place) = answers.get_mut(number) {
                *place = Some(done);
            }
        }
        for (store, writes) in waiting {
            let live = self.live(&caller.workspace, &store)?;
            let (numbers, ops): (Vec<usize>, Vec<Op>) = writes.into_iter().unzip();
            let written = self.write_all(caller, &store, ops)?;
            for (number, written) in numbers.into_iter().zip(written) {
                if let Some(place) = answers.get_mut(number) {
                    *place = Some(outcome(&live, written));
                }
            }
        }
        let mut rows = Vec::new();
        let answers: Vec<Result<Value, ServiceError>> = answers
            .into_iter()
            .zip(modes)
            .map(|(answer, (store, mode))| {
                let mut body = answer.unwrap_or(Err(ServiceError::Bug { what: "a submission has no answer" }))?;
                body["mode"] = mode.name().into();
                body["api_key_id"] = caller.id.as_str().into();
                let explained = body.as_object_mut().and_then(|body| body.remove("explained"));
                let row = row(caller, &store, body)?;
                let mut value = shown(&row);
                rows.push(row);
                if let Some(explained) = explained {
                    value["explained"] = explained;
                }
                Ok(value)
            })
            .collect();
        self.db.put_records(&rows, RECORDS)?;
        Ok(answers)
    }

    /// The change that a submission asks for.
    fn operation(&self, caller: &Caller, submission: &Submission) -> Result<Op, ServiceError> {
        self.writable_store(&caller.workspace, &submission.store)?;
        let path = memories::path_of(&submission.path)?;
        memories::check_content(&submission.content)?;
        let text = submission.content.clone();
        let head = self.live(&caller.workspace, &submission.store)?.head();
        match head.at(&path) {
            Some(row) => {
                Ok(Op::Update { id: row.id.clone(), path: None, text: Some(text), expected: submission.expected })
            }
            None if submission.expected.is_some() => Err(ServiceError::Precondition),
            None => Ok(Op::Create { path, text }),
        }
    }

    /// What the gate would say, and nothing else happens.
    fn judge(&self, caller: &Caller, submission: &Submission) -> Result<Value, ServiceError> {
        self.writable_store(&caller.workspace, &submission.store)?;
        let path = memories::path_of(&submission.path)?;
        memories::check_content(&submission.content)?;
        let live = self.live(&caller.workspace, &submission.store)?;
        let author = PrincipalId::new(caller.id.clone());
        let scanned = live.scan(&author, &path, &submission.content);
        let explained = json!({
            "findings": scanned.findings(), "score_permille": permille(scanned.score()),
            "coverage": format!("{:?}", scanned.coverage()), "ruleset": live.ruleset(),
        });
        let mut answer = match live.judge(&author, scanned)? {
            Judged::Admitted { redacted, observed, .. } => {
                let decision = if redacted.is_empty() { "admit" } else { "redact" };
                json!({ "decision": decision, "rules": agent_view(&live, &redacted), "observed": observed })
            }
            Judged::Unchanged => json!({ "decision": "admit", "rules": [], "observed": false }),
            Judged::Held { rules, severity, kind, .. } => {
                let mut answer = json!({ "decision": "hold", "rules": agent_view(&live, &rules) });
                if submission.mode == SubmitMode::Explain {
                    answer["severity"] = json!(severity);
                    answer["kind"] = json!(kind);
                }
                answer
            }
            Judged::Refused { rules, .. } => json!({ "decision": "refuse", "rules": agent_view(&live, &rules) }),
        };
        if submission.mode == SubmitMode::Explain {
            answer["explained"] = explained;
        }
        // Whoever tries wordings leaves a trace of each try.
        let about = json!({ "memory_store": submission.store, "key": caller.id, "mode": submission.mode.name(),
            "decision": answer["decision"], "content_sha256": Digest::of(&submission.content).hex() });
        self.audit(&caller.workspace, "submission.judged", &about)?;
        Ok(answer)
    }

    /// One submission, without its text.
    ///
    /// # Errors
    /// Unknown id.
    pub fn submission(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let row = self.db.record(&caller.workspace, KIND, id)?;
        row.as_ref().map(shown).ok_or(ServiceError::Unknown { what: "submission" })
    }

    /// Submissions, newest first; only of one store, when one is named.
    ///
    /// # Errors
    /// Refused for a foreign cursor.
    pub fn submissions(&self, caller: &Caller, store: Option<&str>, ask: &Ask) -> Result<Listed, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.records(caller, KIND, store, ask, shown)
    }

    pub(super) fn records(
        &self,
        caller: &Caller,
        kind: &str,
        about: Option<&str>,
        ask: &Ask,
        show: impl Fn(&RecordRow) -> Value,
    ) -> Result<Listed, ServiceError> {
        let list = format!("{kind} {} {about:?}", caller.workspace);
        let after: Option<(i64, String)> = self.at(&list, ask)?;
        let after = after.map(|(at, id)| (Timestamp(at), id));
        let query = RecordQuery { about: about.map(str::to_owned), after, limit: ask.limit.saturating_add(1) };
        let mut rows = self.db.records(&caller.workspace, kind, &query)?;
        let more = rows.len() > ask.limit;
        rows.truncate(ask.limit);
        let next = match rows.last() {
            Some(last) if more => Some(self.cursors.seal(&list, &(last.created.0, &last.id))?),
            _ => None,
        };
        Ok(Listed { data: rows.iter().map(show).collect(), next, count: None })
    }
}

/// A probability as thousandths.
fn permille(score: f64) -> u16 {
    let clamped = (score.clamp(0.0, 1.0) * 1000.0).round();
    (0..=1000_u16).find(|thousandth| f64::from(*thousandth) >= clamped).unwrap_or(1000)
}
