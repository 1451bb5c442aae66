//! Object storage: where the events of sessions go that nobody has said anything in for long.
//!
//! An object holds events of one session, as the lines that an export has of them, compressed with gzip. It is written
//! once, read back, and never changed. Whoever reads it brings the checksum it must have.

mod aws;
mod pack;
mod place;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use domain::{SessionId, TenantId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig};
use url::Url;

pub use pack::{Damage, MOST_BYTES, Pack};
pub use place::{Found, Place};

/// What is asked of object storage is given up after this, repeats included.
const PATIENCE: Duration = Duration::from_secs(10);
/// A request that is not answered by then is repeated.
const ONE_REQUEST: Duration = Duration::from_secs(4);
/// So often.
const REPEATS: usize = 3;

/// Why something could not be done with an object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there.
    #[error("the archive has no object {place}")]
    Missing {
        /// Where it should be.
        place: String,
    },
    /// It is not what was written.
    #[error("the object {place} of the archive is damaged: {damage}")]
    Damaged {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        damage: Damage,
    },
    /// Object storage did not do what it was asked.
    #[error("the archive: {}", describe(.0))]
    Storage(#[from] object_store::Error),
    /// The directory that stands for object storage.
    #[error("the archive: {0}")]
    Directory(#[from] std::io::Error),
}

impl Error {
    /// Whether asking again will not help: what should be there is not, or is not what was written.
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Damaged { .. })
    }
}

/// With what it came from, and without the answer of the server, which may be long.
fn describe(error: &object_store::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// `ARCHIVE_URL` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("ARCHIVE_URL is {got:?}, expected s3://bucket/prefix or file:///directory ({why})")]
pub struct InvalidArchiveUrl {
    /// What it holds.
    pub got: String,
    /// What is wrong with it.
    pub why: String,
}

/// Some of the objects of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The objects. What is no object of an archive is not among them.
    pub objects: Vec<Found>,
    /// The key that the next ones come after; `None` when there are none.
    pub through: Option<String>,
}

/// Objects under one prefix of a bucket, or in a directory.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The directory, when it is one.
    directory: Option<PathBuf>,
}

impl Archive {
    /// The archive at `s3://bucket/prefix`, by the credentials, the region and the endpoint that the other AWS clients have, or at
    /// `file:///directory`, which is made when it is not there. Nothing is asked of S3 yet.
    pub fn open(text: &str, aws: &SdkConfig) -> Result<Self, InvalidArchiveUrl> {
        let invalid = |why: String| InvalidArchiveUrl { got: text.chars().take(200).collect(), why };
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(invalid("nothing may come before the bucket or after the prefix".to_owned()));
        }
        match url.scheme() {
            "file" => {
                let folder =
                    url.to_file_path().map_err(|()| invalid("no path of this machine".to_owned()))?;
                std::fs::create_dir_all(&folder).map_err(|error| invalid(error.to_string()))?;
                let store = LocalFileSystem::new_with_prefix(&folder)
                    .map_err(|error| invalid(error.to_string()))?
                    .with_automatic_cleanup(true)
                    .with_fsync(true);
                Ok(Self { store: Arc::new(store), prefix: Path::default(), directory: Some(folder) })
            }
            "s3" => {
                let bucket = url.host_str().ok_or_else(|| invalid("no bucket".to_owned()))?;
                let prefix = Path::from_url_path(url.path()).map_err(|error| invalid(error.to_string()))?;
                let store = s3(bucket, aws).map_err(|error| invalid(error.to_string()))?;
                Ok(Self { store: Arc::new(store), prefix, directory: None })
            }
            other => Err(invalid(format!("{other:?} is neither"))),
        }
    }

    /// Writes an object and reads it back.
    pub async fn write(&self, place: &Place<'_>, pack: &Pack) -> Result<(), Error> {
        let path = place.path(&self.prefix);
        self.store.put(&path, pack.bytes().clone().into()).await?;
        let stored = self.bytes(&path).await?;
        if stored != *pack.bytes() {
            return Err(Error::Damaged { place: path.into(), damage: Damage::Checksum });
        }
        Ok(())
    }

    /// The lines of an object that has the checksum it was written with.
    pub async fn read(&self, place: &Place<'_>, checksum: &[u8]) -> Result<Vec<String>, Error> {
        let path = place.path(&self.prefix);
        let bytes = self.bytes(&path).await?;
        pack::lines(&bytes, checksum).map_err(|damage| Error::Damaged { place: path.into(), damage })
    }

    /// Deletes an object; whether it was there may not be known.
    pub async fn delete(&self, place: &Place<'_>) -> Result<(), Error> {
        self.delete_path(&place.path(&self.prefix)).await
    }

    /// Deletes whatever there is of a session, also what nobody knows of, and answers how many objects that were.
    pub async fn delete_session(&self, tenant: &TenantId, session: SessionId) -> Result<u64, Error> {
        let folder = place::folder(&self.prefix, tenant, session);
        let found: Vec<Path> =
            self.store.list(Some(&folder)).map_ok(|object| object.location).try_collect().await?;
        for path in &found {
            self.delete_path(path).await?;
        }
        if let Some(directory) = &self.directory {
            // Whoever was killed while they wrote a file leaves a part of it, which is not listed.
            match tokio::fs::remove_dir_all(directory.join(folder.as_ref())).await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found.len() as u64)
    }

    /// The objects of a tenant in the order of their keys, from after a key on: those of the next `most` keys.
    pub async fn list(&self, tenant: &TenantId, after: Option<&str>, most: usize) -> Result<Listed, Error> {
        let folder = place::tenant_folder(&self.prefix, tenant);
        let listing = match after {
            Some(after) => {
                self.store.list_with_offset(Some(&folder), &Path::from(format!("{folder}/{after}")))
            }
            None => self.store.list(Some(&folder)),
        };
        // S3 lists keys in their order, a directory in any.
        let found: Vec<ObjectMeta> = if self.directory.is_some() {
            let mut all: Vec<ObjectMeta> = listing.try_collect().await?;
            all.sort_by(|one, other| one.location.as_ref().cmp(other.location.as_ref()));
            all.truncate(most);
            all
        } else {
            listing.take(most).try_collect().await?
        };
        let key = |object: &ObjectMeta| {
            object.location.as_ref().strip_prefix(folder.as_ref())?.strip_prefix('/').map(str::to_owned)
        };
        let through = if found.len() < most { None } else { found.last().and_then(key) };
        let read = |object: &ObjectMeta| {
            let written_at = Timestamp::from_millisecond(object.last_modified.timestamp_millis()).ok()?;
            Found::read(&key(object)?, written_at)
        };
        Ok(Listed { objects: found.iter().filter_map(read).collect(), through })
    }

    async fn bytes(&self, path: &Path) -> Result<Bytes, Error> {
        let read = async { self.store.get(path).await?.bytes().await };
        read.await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::Missing { place: path.to_string() },
            other => other.into(),
        })
    }

    async fn delete_path(&self, path: &Path) -> Result<(), Error> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn s3(bucket: &str, aws: &SdkConfig) -> object_store::Result<impl ObjectStore> {
    let retries = RetryConfig { max_retries: REPEATS, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(retries)
        .with_client_options(ClientOptions::new().with_timeout(ONE_REQUEST));
    if let Some(region) = aws.region() {
        builder = builder.with_region(region.as_ref());
    }
    if let Some(endpoint) = aws.endpoint_url() {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(provider) = aws.credentials_provider() {
        builder = builder.with_credentials(Arc::new(aws::Credentials::new(provider)));
    }
    builder.build()
}

#[cfg(test)]
mod tests;
