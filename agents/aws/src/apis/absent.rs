//! What is asked for and not there is no failure.

use gatehouse_connector_sdk::error::{ErrorKind, Result};

/// Nothing, where AWS says that there is no such thing.
pub(crate) fn unless_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// An endpoint that knows nothing of the kind, as some partitions and test servers, holds none.
pub(crate) fn none_where_unknown<T>(listed: Result<Vec<T>>) -> Result<Vec<T>> {
    match listed {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        listed => listed,
    }
}
