//! The vendor's operations, by name.

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub(super) enum Operation {
    GetPermissions,
    GetApis,
    GetApi,
    GetExport,
    GetDeployment,
    CreateApi,
    UpdateApi,
    DeleteApi,
    PutRoutes,
    PutPolicies,
    PutDefinition,
    CreateDeployment,
    DeleteDeployment,
    PutStage,
    DeleteStage,
}

impl Operation {
    pub(super) const ALL: [Self; 15] = [
        Self::GetPermissions,
        Self::GetApis,
        Self::GetApi,
        Self::GetExport,
        Self::GetDeployment,
        Self::CreateApi,
        Self::UpdateApi,
        Self::DeleteApi,
        Self::PutRoutes,
        Self::PutPolicies,
        Self::PutDefinition,
        Self::CreateDeployment,
        Self::DeleteDeployment,
        Self::PutStage,
        Self::DeleteStage,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetPermissions => "GetPermissions",
            Self::GetApis => "GetApis",
            Self::GetApi => "GetApi",
            Self::GetExport => "GetExport",
            Self::GetDeployment => "GetDeployment",
            Self::CreateApi => "CreateApi",
            Self::UpdateApi => "UpdateApi",
            Self::DeleteApi => "DeleteApi",
            Self::PutRoutes => "PutRoutes",
            Self::PutPolicies => "PutPolicies",
            Self::PutDefinition => "PutDefinition",
            Self::CreateDeployment => "CreateDeployment",
            Self::DeleteDeployment => "DeleteDeployment",
            Self::PutStage => "PutStage",
            Self::DeleteStage => "DeleteStage",
        }
    }

    pub(super) fn is_read(self) -> bool {
        self.name().starts_with("Get")
    }

    /// Whether a word means it: its name, `read`, `write`, or `*`.
    pub(super) fn is_meant_by(self, word: &str) -> bool {
        match word {
            "*" => true,
            "read" => self.is_read(),
            "write" => !self.is_read(),
            name => name == self.name(),
        }
    }
}
