use anyhow::Context as _;
use archive::Archive;
use hot::Hot;
use jiff::Timestamp;
use model::{ApiKeys, EmbedderConfig, ModelConfig};
use queue::Publisher;
use seal::Sealer;
use secrecy::{ExposeSecret, SecretString};
use store::{DatabaseConfig, Role, Store};

use crate::config::{Config, Secret, check_operator_key};
use crate::models::Models;
use crate::secrets;

/// The clients of one process, built once.
pub struct Services {
    /// The configuration they were built from.
    pub config: Config,
    /// Where Postgres is, with secrets resolved.
    pub database: DatabaseConfig,
    /// Postgres, held to one tenant per transaction.
    pub store: Store,
    /// Postgres, positions of all tenants: what a tick fans out over. No connection is opened before it is used.
    pub positions: Store,
    /// DynamoDB.
    pub hot: Hot,
    /// SQS.
    pub publisher: Publisher,
    /// What tenants may choose to think for them.
    pub models: Models,
    /// The AWS configuration behind the clients.
    pub aws: aws_config::SdkConfig,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Services {
    /// Builds the clients. Only a secret given by reference is read over the network now.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let aws = aws_config::load_from_env().await;
        Self::with_aws(config, aws).await
    }

    /// Builds the clients on an AWS configuration at hand.
    pub async fn with_aws(config: &Config, aws: aws_config::SdkConfig) -> anyhow::Result<Self> {
        let database = database(config, &aws).await?;
        let config = &with_api_keys(config, &aws).await?;
        Ok(Self {
            store: Store::new(&database, Role::Agent, config.concurrency)?,
            positions: Store::new(&database, Role::Reader, 1)?,
            hot: Hot::new(aws_sdk_dynamodb::Client::new(&aws), config.hot_table.clone())
                .with_lifetimes(config.lifetimes)
                .with_timeout(config.hot_timeout),
            publisher: Publisher::new(aws_sdk_sqs::Client::new(&aws)),
            models: Models::new(&config.offered_models),
            config: config.clone(),
            database,
            aws,
            #[expect(
                clippy::disallowed_methods,
                reason = "the one clock of a process; tests put their own in its place"
            )]
            now: Timestamp::now,
        })
    }
}

/// Where Postgres is, with the secret resolved: for functions that need nothing else.
pub async fn database(config: &Config, aws: &aws_config::SdkConfig) -> anyhow::Result<DatabaseConfig> {
    let url = secrets::resolve(&config.database, aws).await?;
    let archive = config.variables.get("ARCHIVE_URL").filter(|url| !url.is_empty());
    let archive = archive.map(|url| Archive::open(url, aws)).transpose()?;
    Ok(DatabaseConfig::parse(url.expose_secret())?
        .with_timeout(config.database_timeout)
        .with_archive(archive)
        .with_request_key(config.lifetimes.request_key))
}

/// What seals the secrets of tenants: for functions that keep or use them.
pub async fn sealer(config: &Config, aws: &aws_config::SdkConfig) -> anyhow::Result<Sealer> {
    let secret =
        config.sealing_key.as_ref().context("SEALING_KEY is not set, expected 32 or more random bytes")?;
    Ok(Sealer::new(&secrets::resolve(secret, aws).await?)?)
}

/// What operators show, where there is such a key: for the function that obeys them.
pub async fn operator_key(
    config: &Config,
    aws: &aws_config::SdkConfig,
) -> anyhow::Result<Option<SecretString>> {
    let Some(secret) = &config.operator_key else { return Ok(None) };
    let key = secrets::resolve(secret, aws).await?;
    check_operator_key(key.expose_secret())?;
    Ok(Some(key))
}

/// The configuration with the keys that were given by reference.
async fn with_api_keys(config: &Config, aws: &aws_config::SdkConfig) -> anyhow::Result<Config> {
    let mut config = config.clone();
    let by_reference = |variable: &str| {
        config.variables.get(variable).filter(|arn| !arn.is_empty()).cloned().map(Secret::Arn)
    };
    let (model_key, embedder_key) =
        (by_reference("MODEL_API_KEY_SECRET_ARN"), by_reference("EMBEDDER_API_KEY_SECRET_ARN"));
    if let (ModelConfig::OpenAi(endpoint), Some(secret)) = (&mut config.model, model_key) {
        let keys = ApiKeys::read(&secrets::resolve(&secret, aws).await?)?;
        endpoint.api_key = keys.usual();
        config.offered_models = config.offered_models.with_keys(&keys)?;
    }
    if let (EmbedderConfig::OpenAi(endpoint), Some(secret)) = (&mut config.embedder, embedder_key) {
        endpoint.api_key = Some(secrets::resolve(&secret, aws).await?);
    }
    Ok(config)
}
