//! Where Redis is, and connecting to it.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::Uri;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, aio::MultiplexedConnection};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{error::StartError, options::RedisOptions, upstream::tls::system_roots};

/// Carries the connection's traffic; done when the connection is.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many questions may wait for being written.
const QUEUE: usize = 1_024;

/// A Redis and how to sign in.
pub(super) struct Target {
    host: String,
    port: u16,
    database: i64,
    user: Option<String>,
    password: Option<SecretString>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection can be made")]
    Stream(#[source] std::io::Error),
    #[error("it does not let this gateway in")]
    SignIn(#[source] RedisError),
}

impl Target {
    /// Reads the options; what cannot be meant is an error.
    pub(super) fn read(options: &RedisOptions) -> Result<Self, StartError> {
        let wrong = |reason: &str| StartError::Redis {
            reason: reason.to_owned(),
        };
        let uri: Uri = options
            .url
            .parse()
            .map_err(|_| wrong("write its URL as `redis://HOST:PORT/DATABASE` or, with TLS, `rediss://…`"))?;
        let secure = match uri.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err(wrong("its URL begins with `redis://` or, with TLS, `rediss://`")),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        if user.is_some_and(|user| user.contains(':')) {
            return Err(wrong(
                "its URL holds a password, which others could read; give it on its own",
            ));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong("its URL names no host"));
        }
        let database = match uri.path().trim_matches('/') {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| wrong("what follows the host in its URL is the number of a database"))?,
        };
        let tls = match secure {
            true => Some((connector(options)?, server_name(&host)?)),
            false => None,
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(6379),
            host,
            database,
            user: user.filter(|user| !user.is_empty()).map(str::to_owned),
            password: options.password.clone(),
            tls,
        })
    }

    /// The address, for people.
    pub(super) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Connects and signs in.
    pub(super) async fn connect(&self) -> Result<(MultiplexedConnection, Driver), ConnectError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(ConnectError::Stream)?;
        stream.set_nodelay(true).map_err(ConnectError::Stream)?;
        match &self.tls {
            None => self.sign_in(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                self.sign_in(stream.map_err(ConnectError::Stream)?).await
            }
        }
    }

    async fn sign_in<S>(&self, stream: S) -> Result<(MultiplexedConnection, Driver), ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut info = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose_secret());
        }
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None::<Duration>)
            .set_pipeline_buffer_size(QUEUE);
        let connected = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (connection, driver) = connected.map_err(ConnectError::SignIn)?;
        Ok((connection, Box::pin(driver)))
    }
}

fn connector(options: &RedisOptions) -> Result<TlsConnector, StartError> {
    let roots = match &options.authorities_file {
        None => system_roots(),
        Some(file) => {
            let unusable = |reason: String| StartError::Certificate {
                file: file.clone(),
                reason,
            };
            let mut roots = RootCertStore::empty();
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(&unusable)?;
            }
            if roots.is_empty() {
                return Err(unusable("it holds no certificate".to_owned()));
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Redis {
            reason: error.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn server_name(host: &str) -> Result<ServerName<'static>, StartError> {
    ServerName::try_from(host.to_owned()).map_err(|_| StartError::Redis {
        reason: format!("`{host}` is not a name that a certificate can have"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Target, StartError> {
        Target::read(&RedisOptions::new(url))
    }

    #[test]
    fn a_url_says_where_and_as_whom_but_holds_no_password() {
        let target = read("redis://gateway@[::1]:7000/3").expect("a target");
        assert_eq!(target.address(), "[::1]:7000");
        assert_eq!((target.database, target.user.as_deref()), (3, Some("gateway")));
        let target = read("redis://redis.internal").expect("a target");
        assert_eq!(target.address(), "redis.internal:6379");
        for (url, words) in [
            ("redis://user:s3cret@a", "holds a password"),
            ("redis://:s3cret@a", "holds a password"),
            ("http://a", "begins with `redis://`"),
            ("a", "begins with `redis://`"),
            ("redis://a/x", "number of a database"),
            ("", "write its URL"),
        ] {
            let error = read(url).err().expect(url).to_string();
            assert!(
                error.contains(words) && !error.contains("s3cret"),
                "{url}: {error}"
            );
        }
    }
}
