use clap::Args;
use reqwest::RequestBuilder;

/// Who asks, as an application does.
#[derive(Debug, Clone, Args)]
pub(crate) struct Caller {
    /// The user's tenant.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// The API key to ask with, which decides the tenant.
    #[arg(long, env = "AFTERTHOUGHT_API_KEY", hide_env_values = true)]
    key: Option<String>,
}

impl Caller {
    /// Somebody who is trusted, and shows no key.
    pub(crate) const fn trusted(tenant: String) -> Self {
        Self { tenant, key: None }
    }

    /// A request with what says who asks.
    pub(crate) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request.header("afterthought-tenant", &self.tenant),
        }
    }
}
