//! The folder a local stack keeps its state in, and the file by which other commands find a running one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use url::Url;
use uuid::Uuid;

use crate::postgres;

/// How to reach the parts of a running stack.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Endpoints {
    /// Postgres, as its superuser.
    pub database_url: String,
    /// The replication slot.
    pub slot: String,
    /// The AWS emulator.
    pub aws_endpoint: String,
    /// The account in it: the access key to use.
    pub account: String,
    /// Where functions are invoked: add `/<function>/invocations`.
    pub functions_url: String,
    /// The recall function's HTTP address.
    pub recall_url: String,
    /// The webhook function's HTTP address.
    pub webhook_url: String,
    /// The table of hot state.
    pub hot_table: String,
    /// The queue that wakes each agent, whether events or a schedule send to it.
    pub queues: BTreeMap<String, String>,
}

/// A state folder.
#[derive(Debug, Clone)]
pub struct StateFolder {
    root: PathBuf,
}

/// The right to run a stack on a state folder, held by one process at a time and given back however it ends.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
    endpoints: PathBuf,
}

impl StateFolder {
    /// The folder at `root`, made when it is not there. Git is told to ignore it, and with git `cargo lambda watch`.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join("log")).with_context(|| format!("cannot create {}", root.display()))?;
        let root = root.canonicalize()?;
        fs::write(root.join(".gitignore"), "*\n")?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a part of the stack writes its output.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("log").join(format!("{name}.log"))
    }

    /// The folder of the log files.
    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where Postgres keeps its data.
    pub fn postgres_data(&self) -> PathBuf {
        self.root.join("postgres").join("data")
    }

    /// Where old sessions go: beside the database, which lasts longer than what the emulator holds.
    pub fn archive_url(&self) -> Result<String> {
        let folder = self.root.join("archive");
        let url = Url::from_directory_path(&folder)
            .map_err(|()| anyhow::anyhow!("{} is no absolute path", folder.display()))?;
        Ok(url.into())
    }

    /// What seals tenants' secrets in this stack: made at its first start and kept as long as its database.
    pub fn sealing_key(&self) -> Result<String> {
        let file = self.root.join("sealing.key");
        match fs::read_to_string(&file) {
            Ok(key) => Ok(key),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = random_key();
                fs::write(&file, &key).with_context(|| format!("cannot write {}", file.display()))?;
                Ok(key)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn endpoints_file(&self) -> PathBuf {
        self.root.join("endpoints.json")
    }

    fn lock(&self) -> Result<File> {
        Ok(File::create(self.root.join("stack.lock"))?)
    }

    /// Claims the folder for a new stack.
    pub fn claim(&self) -> Result<Claim> {
        let lock = self.lock()?;
        if lock.try_lock().is_err() {
            bail!(
                "a stack already runs in {}; use it, stop it, or give this one a folder of its own with --state",
                self.root.display()
            );
        }
        let endpoints = self.endpoints_file();
        // What a killed stack left behind would lead others astray.
        if endpoints.exists() {
            fs::remove_file(&endpoints)?;
        }
        Ok(Claim { _lock: lock, endpoints })
    }

    /// How to reach the stack that runs on this folder.
    pub fn endpoints(&self) -> Result<Endpoints> {
        if self.lock()?.try_lock_shared().is_ok() {
            bail!("no stack runs in {}; start one with `cargo local up`", self.root.display());
        }
        let file = fs::read(self.endpoints_file())
            .with_context(|| format!("the stack in {} is still starting", self.root.display()))?;
        Ok(serde_json::from_slice(&file)?)
    }

    /// Removes the folder and all state in it, when no stack runs on it.
    pub fn reset(self) -> Result<()> {
        let _claim = self.claim()?;
        postgres::remove_stand_in(&self.postgres_data())?;
        fs::remove_dir_all(&self.root).with_context(|| format!("cannot remove {}", self.root.display()))
    }
}

/// 244 random bits.
#[expect(clippy::disallowed_methods, reason = "a key has to be random")]
fn random_key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

impl Claim {
    /// Lets other commands find the stack.
    pub fn publish(&self, endpoints: &Endpoints) -> Result<()> {
        let folder = self.endpoints.parent().context("the endpoints have a folder")?;
        let written = tempfile::NamedTempFile::new_in(folder)?;
        fs::write(written.path(), serde_json::to_vec_pretty(endpoints)?)?;
        written.persist(&self.endpoints)?;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Absent when the stack never came up.
        let _ = fs::remove_file(&self.endpoints);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints {
            database_url: "postgres://127.0.0.1/postgres".to_owned(),
            slot: "afterthought".to_owned(),
            aws_endpoint: "http://127.0.0.1:1".to_owned(),
            account: "000000000000".to_owned(),
            functions_url: "http://127.0.0.1:2".to_owned(),
            recall_url: "http://127.0.0.1:2/recall".to_owned(),
            webhook_url: "http://127.0.0.1:2/webhook".to_owned(),
            hot_table: "hot".to_owned(),
            queues: BTreeMap::new(),
        }
    }

    #[test]
    fn a_running_stack_is_found_and_a_second_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(&folder.path().join("state")).unwrap();
        assert!(state.endpoints().unwrap_err().to_string().contains("cargo local up"));
        let claim = state.claim().unwrap();
        assert!(state.endpoints().unwrap_err().to_string().contains("still starting"));
        claim.publish(&endpoints()).unwrap();
        assert_eq!(state.endpoints().unwrap(), endpoints());
        assert!(state.claim().unwrap_err().to_string().contains("already runs"));
        assert!(state.clone().reset().is_err());
        drop(claim);
        assert!(state.endpoints().is_err());
        let root = state.root().to_owned();
        state.reset().unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn what_a_killed_stack_left_behind_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        fs::write(state.endpoints_file(), serde_json::to_vec(&endpoints()).unwrap()).unwrap();
        assert!(state.endpoints().is_err());
        let _claim = state.claim().unwrap();
        assert!(!state.endpoints_file().exists());
    }
}
