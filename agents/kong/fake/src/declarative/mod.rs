//! `/config`: the whole configuration of a Kong without a database.

use crate::errors::AdminError;
use crate::http::{AdminRequest, Answer};
use crate::kong::Kong;
use crate::options::Database;

const NEEDS_NO_DATABASE: &str =
    "this endpoint is only available when Kong is configured to not use a database";

/// GET and POST of `/config`.
pub(crate) fn answer(kong: &Kong, _request: &AdminRequest) -> Result<Answer, AdminError> {
    match kong.options.database {
        Database::Postgres => Err(AdminError::bad_request(NEEDS_NO_DATABASE)),
        Database::Off => Err(AdminError::unexpected()),
    }
}
