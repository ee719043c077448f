//! Whom a change concerns: the gateway types whose agents must look again.

use std::collections::BTreeSet;

use gatehouse_schemas::identity::GatewayType;

/// The longest list that is sent to other replicas; PostgreSQL takes 8000 bytes.
const LONGEST: usize = 7000;
const EVERYBODY: &str = "*";

/// Whose agents must look again after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Those of these gateway types; of none, nobody's.
    Types(BTreeSet<String>),
    /// Everybody's.
    Everybody,
}

impl Concern {
    /// Nobody's.
    pub(crate) fn nobody() -> Self {
        Self::Types(BTreeSet::new())
    }

    /// Those of one gateway type.
    pub(crate) fn of(gateway_type: &GatewayType) -> Self {
        Self::Types(BTreeSet::from([gateway_type.to_string()]))
    }

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Types(mut types), Self::Types(others)) => {
                types.extend(others);
                Self::Types(types)
            }
            _ => Self::Everybody,
        }
    }

    /// For other replicas. A list that is too long is everybody.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Types(types) => {
                let list = types.iter().map(String::as_str).collect::<Vec<_>>().join(",");
                if list.len() > LONGEST {
                    return EVERYBODY.to_owned();
                }
                list
            }
            Self::Everybody => EVERYBODY.to_owned(),
        }
    }

    /// From another replica.
    pub(crate) fn from_text(text: &str) -> Self {
        match text {
            EVERYBODY => Self::Everybody,
            "" => Self::nobody(),
            list => Self::Types(list.split(',').map(str::to_owned).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(list: &[&str]) -> Concern {
        Concern::Types(list.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn other_replicas_read_what_was_meant() {
        for concern in [
            Concern::nobody(),
            types(&["kong"]),
            types(&["aws", "kong"]),
            Concern::Everybody,
        ] {
            assert_eq!(Concern::from_text(&concern.to_text()), concern);
        }
    }

    #[test]
    fn a_list_too_long_to_send_is_everybody() {
        let many: Vec<String> = (0..1_000).map(|number| format!("gateway-{number}")).collect();
        let many = Concern::Types(many.into_iter().collect());
        assert_eq!(Concern::from_text(&many.to_text()), Concern::Everybody);
    }

    #[test]
    fn everybody_and_somebody_is_everybody() {
        assert_eq!(types(&["kong"]).and(Concern::Everybody), Concern::Everybody);
        assert_eq!(types(&["kong"]).and(types(&["aws"])), types(&["aws", "kong"]));
    }
}
