use std::path::PathBuf;
use std::time::Duration;

use archive::Archive;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// How far the server's identity is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SslMode {
    /// No encryption: Unix sockets and loopback.
    Disable,
    /// Encryption, and a certificate that a trusted authority signed for the host's name.
    VerifyFull {
        /// A PEM file of trusted authorities; the system's when absent.
        root_certificates: Option<PathBuf>,
    },
}

/// A database URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Not a URL of the right kind.
    #[error("DATABASE_URL is not a Postgres URL, expected postgres://user:password@host:port/database")]
    NotPostgres,
    /// A parameter of the URL that is not understood.
    #[error("DATABASE_URL has sslmode={got}, expected verify-full or disable")]
    SslMode {
        /// What was given.
        got: String,
    },
    /// The driver does not accept it.
    #[error("DATABASE_URL: {0}")]
    Driver(#[from] tokio_postgres::Error),
}

/// Where Postgres is and how to speak to it.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    url: SecretString,
    ssl_mode: SslMode,
    timeout: Duration,
    archive: Option<Archive>,
    request_key: Duration,
}

/// How long a server that cannot be reached may keep one waiting for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how long the kernel gives up on what was sent and never acknowledged, and on a peer that is gone.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// How often the kernel asks whether a silent peer is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

impl DatabaseConfig {
    /// How long Postgres may take, unless something else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// For how long the key of a request is known, unless something else is said.
    pub const REQUEST_KEY: Duration = Duration::from_hours(24);

    /// Reads a libpq URL. `sslmode` is `verify-full` or `disable`; without one, it is `disable` on loopback and Unix
    /// sockets and `verify-full` elsewhere. `sslrootcert` names a PEM file, such as the bundle RDS publishes.
    pub fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let parsed = Url::parse(url).map_err(|_not_shown| InvalidDatabaseUrl::NotPostgres)?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(InvalidDatabaseUrl::NotPostgres);
        }
        let parameter = |name: &str| {
            parsed.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let host = parameter("host").or_else(|| parsed.host_str().map(str::to_owned)).unwrap_or_default();
        let is_local = host.is_empty()
            || host == "localhost"
            || host == "127.0.0.1"
            || host == "[::1]"
            || host.starts_with('/')
            || host.starts_with("%2F");
        let root_certificates = parameter("sslrootcert").filter(|path| path != "system").map(PathBuf::from);
        let ssl_mode = match parameter("sslmode").as_deref() {
            Some("disable") => SslMode::Disable,
            None if is_local && root_certificates.is_none() => SslMode::Disable,
            None | Some("verify-full") => SslMode::VerifyFull { root_certificates },
            Some(got) => return Err(InvalidDatabaseUrl::SslMode { got: got.to_owned() }),
        };
        let mut driver_url = parsed.clone();
        let kept: Vec<(String, String)> = parsed
            .query_pairs()
            .filter(|(key, _)| key != "sslmode" && key != "sslrootcert")
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        driver_url.set_query(None);
        if !kept.is_empty() {
            driver_url.query_pairs_mut().extend_pairs(kept);
        }
        let config = Self {
            url: String::from(driver_url).into(),
            ssl_mode,
            timeout: Self::TIMEOUT,
            archive: None,
            request_key: Self::REQUEST_KEY,
        };
        config.driver()?;
        Ok(config)
    }

    /// How the server's identity is checked.
    pub const fn ssl_mode(&self) -> &SslMode {
        &self.ssl_mode
    }

    /// The same, with another time that Postgres may take for one transaction of an agent, or to give a connection. Of
    /// operators it is twice that, of sweeps twelve times.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long Postgres may take for one transaction of an agent.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same, with the archive that holds what was said in events of old sessions.
    #[must_use]
    pub fn with_archive(self, archive: Option<Archive>) -> Self {
        Self { archive, ..self }
    }

    /// The same, with another time for which the key of a request is known.
    #[must_use]
    pub const fn with_request_key(mut self, request_key: Duration) -> Self {
        self.request_key = request_key;
        self
    }

    /// For how long the key of a request is known.
    pub const fn request_key(&self) -> Duration {
        self.request_key
    }

    /// The archive, where there is one.
    pub const fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    /// The driver's configuration, without a role.
    pub fn driver(&self) -> Result<tokio_postgres::Config, InvalidDatabaseUrl> {
        let mut config: tokio_postgres::Config = self.url.expose_secret().parse()?;
        config.ssl_mode(match self.ssl_mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::VerifyFull { .. } => tokio_postgres::config::SslMode::Require,
        });
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(LOST_AFTER)
            .keepalives_idle(LOST_AFTER)
            .keepalives_interval(ALIVE_EVERY)
            .keepalives_retries(3);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_server_is_verified_unless_told_otherwise() {
        let mode = |url: &str| DatabaseConfig::parse(url).unwrap().ssl_mode;
        assert_eq!(mode("postgres://u@db.example.com/d"), SslMode::VerifyFull { root_certificates: None });
        assert_eq!(mode("postgres://u@127.0.0.1:5/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u@db.example.com/d?sslmode=disable"), SslMode::Disable);
        assert_eq!(
            mode("postgres://u@db/d?sslrootcert=/rds.pem&application_name=x"),
            SslMode::VerifyFull { root_certificates: Some("/rds.pem".into()) }
        );
    }

    #[test]
    fn an_error_names_the_variable_and_never_shows_the_password() {
        for url in ["mysql://u:secret@h/d", "secret", "postgres://u:secret@h/d?sslmode=prefer"] {
            let error = DatabaseConfig::parse(url).unwrap_err().to_string();
            assert!(error.contains("DATABASE_URL") && !error.contains("secret"), "{error}");
        }
        assert!(
            !format!("{:?}", DatabaseConfig::parse("postgres://u:secret@h/d").unwrap()).contains("secret")
        );
    }
}
