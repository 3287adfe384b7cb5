//! What a credential may do on the wire: roles are sets of scopes, one table.

use serde::{Deserialize, Serialize};

/// One right on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Propose text: memories, events.
    #[serde(rename = "submit")]
    Submit,
    /// Read memory that is served.
    #[serde(rename = "recall")]
    Recall,
    /// Read stores, versions, sessions, dreams.
    #[serde(rename = "store:read")]
    StoreRead,
    /// Make, change, archive and delete stores and sessions; redact old versions.
    #[serde(rename = "store:write")]
    StoreWrite,
    /// Start and cancel dreams.
    #[serde(rename = "dream:run")]
    DreamRun,
    /// Put a store back to an earlier version.
    #[serde(rename = "store:rollback")]
    StoreRollback,
    /// See held items.
    #[serde(rename = "review:read")]
    ReviewRead,
    /// Decide on held items.
    #[serde(rename = "review:decide")]
    ReviewDecide,
    /// Give the second yes.
    #[serde(rename = "review:second")]
    ReviewSecond,
    /// Make exceptions from rules.
    #[serde(rename = "exclusion:write")]
    ExclusionWrite,
    /// Change policies.
    #[serde(rename = "policy:write")]
    PolicyWrite,
    /// Grade sessions.
    #[serde(rename = "grade:run")]
    GradeRun,
    /// Read grades.
    #[serde(rename = "grade:read")]
    GradeRead,
    /// Change monitors.
    #[serde(rename = "drift:write")]
    DriftWrite,
    /// Read the audit trail.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Make and revoke credentials.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 16] = [
        Self::Submit,
        Self::Recall,
        Self::StoreRead,
        Self::StoreWrite,
        Self::DreamRun,
        Self::StoreRollback,
        Self::ReviewRead,
        Self::ReviewDecide,
        Self::ReviewSecond,
        Self::ExclusionWrite,
        Self::PolicyWrite,
        Self::GradeRun,
        Self::GradeRead,
        Self::DriftWrite,
        Self::AuditRead,
        Self::Admin,
    ];
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Recall => "recall",
            Self::StoreRead => "store:read",
            Self::StoreWrite => "store:write",
            Self::DreamRun => "dream:run",
            Self::StoreRollback => "store:rollback",
            Self::ReviewRead => "review:read",
            Self::ReviewDecide => "review:decide",
            Self::ReviewSecond => "review:second",
            Self::ExclusionWrite => "exclusion:write",
            Self::PolicyWrite => "policy:write",
            Self::GradeRun => "grade:run",
            Self::GradeRead => "grade:read",
            Self::DriftWrite => "drift:write",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }
    /// True for the scopes that decide what enters memory. Whoever proposes never holds one: a memory plugin
    /// whose agents could approve their own notes shipped with exactly this hole.
    pub const fn decides(self) -> bool {
        matches!(self, Self::ReviewDecide | Self::ReviewSecond | Self::ExclusionWrite | Self::PolicyWrite)
    }
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialRole {
    /// An agent: reads and writes memories, sends its transcript.
    Agent,
    /// An application that runs agents: also makes stores and sessions and starts dreams.
    Submitter,
    /// A person who decides on held items.
    Reviewer,
    /// The second person of four eyes.
    SecondReviewer,
    /// A person who writes policies and exceptions.
    PolicyAuthor,
    /// Runs grades and monitors.
    GraderOperator,
    /// Reads everything, changes nothing.
    Auditor,
    /// Makes and revokes credentials of one workspace.
    TenantAdmin,
    /// Runs the deployment; sees no content.
    Operator,
}

impl CredentialRole {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Agent,
        Self::Submitter,
        Self::Reviewer,
        Self::SecondReviewer,
        Self::PolicyAuthor,
        Self::GraderOperator,
        Self::Auditor,
        Self::TenantAdmin,
        Self::Operator,
    ];
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Submitter => "submitter",
            Self::Reviewer => "reviewer",
            Self::SecondReviewer => "second_reviewer",
            Self::PolicyAuthor => "policy_author",
            Self::GraderOperator => "grader_operator",
            Self::Auditor => "auditor",
            Self::TenantAdmin => "tenant_admin",
            Self::Operator => "operator",
        }
    }
    /// The role with this name; dashes read as underscores.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace('-', "_");
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
    /// What it may do: the one table.
    pub const fn scopes(self) -> &'static [Scope] {
        use Scope::{
            Admin, AuditRead, DreamRun, DriftWrite, ExclusionWrite, GradeRead, GradeRun, PolicyWrite, Recall,
            ReviewDecide, ReviewRead, ReviewSecond, StoreRead, StoreRollback, StoreWrite, Submit,
        };
        match self {
            Self::Agent => &[Submit, Recall, StoreRead],
            Self::Submitter => &[Submit, Recall, StoreRead, StoreWrite, DreamRun],
            Self::Reviewer => &[Recall, StoreRead, ReviewRead, ReviewDecide, GradeRead, AuditRead],
            Self::SecondReviewer => &[Recall, StoreRead, ReviewRead, ReviewSecond, AuditRead],
            Self::PolicyAuthor => &[StoreRead, ReviewRead, ExclusionWrite, PolicyWrite, AuditRead],
            Self::GraderOperator => &[Recall, StoreRead, StoreRollback, GradeRun, GradeRead, DriftWrite],
            Self::Auditor => &[Recall, StoreRead, ReviewRead, GradeRead, AuditRead],
            Self::TenantAdmin => &[Admin, AuditRead],
            Self::Operator => &[AuditRead],
        }
    }
    /// True when the role holds a scope.
    pub fn may(self, scope: Scope) -> bool {
        self.scopes().contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_proposes_never_decides() {
        for role in CredentialRole::ALL {
            let decides = role.scopes().iter().any(|scope| scope.decides());
            assert!(!(role.may(Scope::Submit) && decides), "{} proposes and decides", role.name());
        }
    }

    #[test]
    fn the_auditor_and_the_operator_change_nothing() {
        let reads = [Scope::Recall, Scope::StoreRead, Scope::ReviewRead, Scope::GradeRead, Scope::AuditRead];
        for role in [CredentialRole::Auditor, CredentialRole::Operator] {
            assert!(role.scopes().iter().all(|scope| reads.contains(scope)), "{}", role.name());
        }
    }

    #[test]
    fn names_come_back() {
        for role in CredentialRole::ALL {
            assert_eq!(CredentialRole::from_name(role.name()), Some(role));
        }
        assert_eq!(CredentialRole::from_name("tenant-admin"), Some(CredentialRole::TenantAdmin));
        let names: std::collections::BTreeSet<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        assert_eq!(names.len(), Scope::ALL.len());
    }
}
