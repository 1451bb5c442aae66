use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use crate::running::passed_on;

/// What this crate reads from the environment of the process, read in one place.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `AFTERTHOUGHT_CACHE`: where everything fetched is kept.
    pub cache: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub xdg_cache_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DATABASE_URL`: a Postgres to use instead of one of our own.
    pub database_url: Option<String>,
    /// `AWS_ENDPOINT_URL`: an AWS emulator to use instead of one of our own.
    pub aws_endpoint_url: Option<String>,
    /// `PATH`.
    pub path: Option<String>,
    /// Settings of the functions that a local stack passes on, such as `MODEL_URL`.
    pub passed_on: BTreeMap<&'static str, String>,
}

impl Environment {
    /// Reads the environment. Empty variables count as absent.
    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the environment")]
    pub fn read() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        Self {
            cache: path("AFTERTHOUGHT_CACHE"),
            xdg_cache_home: path("XDG_CACHE_HOME"),
            home: path("HOME"),
            database_url: text("DATABASE_URL"),
            aws_endpoint_url: text("AWS_ENDPOINT_URL"),
            path: text("PATH"),
            passed_on: passed_on().filter_map(|name| Some((name, text(name)?))).collect(),
        }
    }
}
