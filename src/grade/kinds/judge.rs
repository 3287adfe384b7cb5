//! Judge kinds: accepted, and open until somebody configures a judge. Never a made-up verdict.

use serde::Serialize;
use serde_json::Value;

use crate::grade::error::GradeError;
use crate::grade::run::Reading;
use crate::grade::target::Target;
use crate::grade::yaml::Fields;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Judge {
    kind: &'static str,
    on: Target,
    ask: Option<String>,
    /// Everything else the file says, for the digest.
    rest: Vec<(&'static str, Value)>,
}

impl Judge {
    pub(super) fn parse(kind: &'static str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let on = Target::take(fields)?;
        let asks = matches!(kind, "judge.yesno" | "judge.scale" | "judge.labels" | "judge.rubric");
        let ask = if asks { Some(fields.need_text("ask")?) } else { fields.text("ask")? };
        let own: &[&'static str] = match kind {
            "judge.scale" => &["levels"],
            "judge.labels" => &["labels", "met"],
            "judge.pair" => &["baseline"],
            "judge.facts" => &["source", "min"],
            "judge.goal" => &["goal"],
            "embed.near" => &["reference", "min"],
            _ => &[],
        };
        let mut rest = Vec::new();
        for key in ["judges", "abstain", "quotes", "commit_first"].iter().chain(own) {
            if let Some(value) = fields.json(key)? {
                rest.push((*key, value));
            }
        }
        Ok(Self { kind, on, ask, rest })
    }
    pub(super) fn read(&self) -> Reading {
        match self.kind {
            "embed.near" => Reading::abstain("no embedder configured"),
            _ => Reading::abstain("no judge configured"),
        }
    }
    pub(super) fn is_yes_no(&self) -> bool {
        !matches!(self.kind, "judge.scale" | "judge.facts" | "embed.near")
    }
    pub(super) fn lint(&self) -> Option<String> {
        let ask = self.ask.as_deref()?.to_lowercase();
        let hints = [
            ("valid json", "json.valid"),
            ("at most", "text.length"),
            ("fewer than", "text.length"),
            ("contain the word", "text.contains"),
            ("contain the phrase", "text.contains"),
            ("call the tool", "calls.used"),
            ("code block", "code.fence"),
        ];
        let (_, kind) = hints.iter().find(|(words, _)| ask.contains(words))?;
        Some(format!("a deterministic kind may answer this, e.g. `{kind}`"))
    }
}
