//! What can go wrong in the store, in words its callers can act on.

use gatehouse_schemas::identity::{Generation, ResourceVersion};

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database address is not one the store can use.
    #[error("the database address `{url}` cannot be used: {reason}")]
    Address {
        /// The address, without its password.
        url: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The database cannot be reached or is overloaded; trying again later may help.
    #[error("the database cannot be reached now; try again in a moment")]
    Unavailable(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The secrets in the database were encrypted with another key.
    #[error(
        "the key file holds key `{given}`, but the secrets in this database are encrypted with key `{expected}`; \
         start with the key file that belongs to this database"
    )]
    WrongKey {
        /// The id of the key the database asks for.
        expected: String,
        /// The id of the key that was given.
        given: String,
    },
    /// The key file cannot be used.
    #[error("the key file `{path}` cannot be used: {reason}")]
    KeyFile {
        /// Which file.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An object of this name exists.
    #[error("{object} exists already")]
    AlreadyExists {
        /// Which object, as `kind/name`.
        object: String,
    },
    /// There is no such object.
    #[error("{object} does not exist")]
    NotFound {
        /// Which object.
        object: String,
    },
    /// The object changed since the caller read it.
    #[error(
        "{object} is at version {actual}, not at version {expected}; read it again and repeat the change"
    )]
    VersionConflict {
        /// Which object.
        object: String,
        /// The version the caller saw.
        expected: ResourceVersion,
        /// The version there is.
        actual: ResourceVersion,
    },
    /// Other objects need this one.
    #[error("{object} is still referred to by other objects")]
    InUse {
        /// Which object.
        object: String,
    },
    /// The cursor was not made by this list.
    #[error("the cursor is not one this list handed out; start again without a cursor")]
    BadCursor,
    /// An agent's position cannot be continued from.
    #[error(
        "position {after} cannot be continued from (the database stands at {current}); ask again with position 0"
    )]
    PositionTooOld {
        /// The position the agent named.
        after: Generation,
        /// The position of the database.
        current: Generation,
    },
    /// Something stored cannot be read back.
    #[error("{object} cannot be read back from the database")]
    Corrupt {
        /// Which object.
        object: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused a statement for a reason that is our fault.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    pub(crate) fn corrupt(
        object: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            object: object.into(),
            source: source.into(),
        }
    }

    pub(crate) fn not_found(object: impl Into<String>) -> Self {
        Self::NotFound {
            object: object.into(),
        }
    }

    /// Turns the violation of a unique index into [`StoreError::AlreadyExists`] of this object.
    pub(crate) fn or_exists(error: sqlx::Error, object: impl Into<String>) -> Self {
        match error.as_database_error() {
            Some(refusal) if refusal.is_unique_violation() => Self::AlreadyExists {
                object: object.into(),
            },
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(error)
        } else {
            Self::Database(error)
        }
    }
}

/// Whether trying again later may help: no connection, a full pool, a busy or shutting-down database.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    }
}

/// SQLite's codes are numbers of at most four digits: busy, locked, I/O error, full, cannot open. PostgreSQL's have five
/// characters: connection, resources, shutdown, serialisation, read-only.
fn is_passing(code: &str) -> bool {
    const POSTGRES: [&str; 5] = ["08", "53", "57P", "40", "25006"];
    const SQLITE: [u32; 5] = [5, 6, 10, 13, 14];
    if code.len() == 5 {
        return POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|number| SQLITE.contains(&(number & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_passes_from_what_stays() {
        for passing in [
            "5", "517", "6", "10", "2570", "13", "14", "08006", "53300", "57P01", "57P03", "40001", "25006",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for staying in ["1", "19", "1555", "2067", "787", "23505", "22021", "42P01", "26"] {
            assert!(!is_passing(staying), "{staying}");
        }
    }
}
