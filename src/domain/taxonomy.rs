//! Ids of outside taxonomies: list, edition, id.

use serde::{Deserialize, Serialize};

/// One outside id, e.g. `owasp-llm-2025:LLM01`. The closed list is `rules/taxonomy.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaxonomyId(pub String);

/// One row of `rules/taxonomy.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonomyEntry {
    /// The id, with its list and edition.
    pub id: TaxonomyId,
    /// The published title.
    pub title: String,
}
