//! The first start: data folder, first admin token, and what `gatehouse dev` needs besides.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use gatehouse_control_plane_api::admin::{CreatedJoinToken, CreatedToken, Role};
use gatehouse_control_plane_store::StoreError;
use gatehouse_schemas::identity::{GatewayType, ResourceName};
use tracing::info;

use crate::{
    access,
    failure::Failure,
    server::{Server, StartError},
    state::AppState,
};

/// Who changes what the server itself changes.
pub(crate) const SYSTEM: &str = "system";
/// The name of the token that the first start makes.
const FIRST_TOKEN: &str = "admin";

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The database refused it.
    #[error("the database did not take the token")]
    Store(#[from] StoreError),
    /// Anything else, as it would be answered to a request.
    #[error("{0}")]
    Refused(String),
}

impl From<Failure> for TokenError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure.problem().detail.clone())
    }
}

/// Makes a one-time token with which an agent of this gateway type joins.
pub async fn create_join_token(
    server: &Server,
    gateway_type: &GatewayType,
    time_to_live: Duration,
) -> Result<CreatedJoinToken, TokenError> {
    let state = server.state();
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    let created = access::create_join_token(&mut transaction, gateway_type, time_to_live).await?;
    transaction.commit().await?;
    Ok(created)
}

/// Makes an API token of this name and role. The name must be free.
pub async fn create_token(
    server: &Server,
    name: &ResourceName,
    role: Role,
    time_to_live: Option<Duration>,
) -> Result<CreatedToken, TokenError> {
    let state = server.state();
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    let created = access::create_token(&mut transaction, name, role, time_to_live).await?;
    transaction.commit().await?;
    Ok(created)
}

/// Makes the data folder, closed to others, if it is not there.
pub(crate) fn data_dir(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| data_error(path, source))
}

/// Makes the first admin token in a new database. Returns its file, if that is still there.
pub(crate) async fn first_admin_token(
    state: &AppState,
    data_dir: &Path,
) -> Result<Option<PathBuf>, StartError> {
    let file = data_dir.join("admin-token");
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    if !transaction.has_tokens().await? {
        let name = FIRST_TOKEN
            .parse()
            .map_err(|error| data_error(&file, io::Error::other(error)))?;
        let created = access::create_token(&mut transaction, &name, Role::Admin, None).await;
        let created = created.map_err(|failure| StartError::FirstToken(failure.problem().detail.clone()))?;
        // Before the commit: a token that nobody can read would lock everybody out.
        write_private(&file, &created.token).map_err(|source| data_error(&file, source))?;
        transaction.commit().await?;
        info!(file = %file.display(), "Made the first admin token; it is in `{}`", file.display());
    }
    Ok(file.exists().then_some(file))
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    // A file left by a start that broke off before its commit belongs to no token; a fresh one gets the right mode.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

pub(crate) fn data_error(path: &Path, source: io::Error) -> StartError {
    StartError::DataDir {
        path: path.to_owned(),
        source,
    }
}
