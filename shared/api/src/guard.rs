//! Who asks, and whether they may: before any operation sees the request.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{ApiKey, KeyScopes, TenantId};
use hot::Hot;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use store::Store;

use crate::scopes::{Need, Needs};
use crate::uses::Uses;
use crate::{Caller, Keyring, Limiter, Problem, RateLimit, TENANT_HEADER, one_header};

/// The tenant of requests that name none.
const DEFAULT_TENANT: &str = "default";
/// What a tenant's keys begin with.
const KEY_PREFIX: &str = "aft_";

/// What lets requests in.
///
/// Where keys are not required, whoever sends a request without one is trusted, and the header names the tenant. A key that
/// is given is looked at in any case.
#[derive(Clone)]
pub struct Guard {
    keyring: Arc<Keyring>,
    uses: Uses,
    hot: Hot,
    are_keys_required: bool,
    operator_key: Option<SecretString>,
    limiter: Option<Limiter>,
    now: fn() -> Timestamp,
}

impl Guard {
    /// A guard that requires no keys and limits nobody; `now` is the clock that keys expire by.
    pub fn new(store: Store, hot: Hot, now: fn() -> Timestamp) -> Self {
        Self {
            keyring: Arc::new(Keyring::new(store.clone(), hot.clone())),
            uses: Uses::new(store),
            hot,
            are_keys_required: false,
            operator_key: None,
            limiter: None,
            now,
        }
    }

    /// The same guard, letting in only callers with a key, if `required`.
    #[must_use]
    pub fn with_keys_required(self, required: bool) -> Self {
        Self { are_keys_required: required, ..self }
    }

    /// The same guard, obeying only operators who have this key, where there is one.
    #[must_use]
    pub fn with_operator_key(self, key: Option<SecretString>) -> Self {
        Self { operator_key: key, ..self }
    }

    /// The same guard, refusing what a tenant asks beyond its rate.
    #[must_use]
    pub fn with_limiter(self, limiter: Limiter) -> Self {
        Self { limiter: Some(limiter), ..self }
    }

    /// The same guard with another keyring, for whoever has settings looked at otherwise.
    #[must_use]
    pub fn with_keyring(self, keyring: Keyring) -> Self {
        Self { keyring: Arc::new(keyring), ..self }
    }

    /// The same guard, noting the use of keys through a store of its own, so that no request waits for it.
    #[must_use]
    pub fn with_use_store(self, store: Store) -> Self {
        Self { uses: Uses::new(store), ..self }
    }

    /// Where keys and settings are found.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The clock.
    pub const fn now(&self) -> fn() -> Timestamp {
        self.now
    }

    /// Writes down which keys were used and are not noted yet, for a process that ends.
    pub async fn flush(&self) {
        self.uses.flush().await;
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let named = one_header(headers, TENANT_HEADER)?.map(axum::http::HeaderValue::as_bytes);
        let bearer = bearer(headers).filter(|key| self.are_keys_required || key.starts_with(KEY_PREFIX));
        let Some(bearer) = bearer else {
            if self.are_keys_required {
                let detail = "the request has no API key, expected header `authorization: Bearer aft_…`";
                return Err(Problem::unauthenticated(detail.to_owned()));
            }
            return Ok(Caller { tenant: read_tenant(named)?, scopes: KeyScopes::all(), key: None });
        };
        let now = (self.now)();
        let grant = match ApiKey::parse(bearer) {
            Some(key) => self.keyring.grant(&key, now).await?.filter(|grant| grant.is_valid(now)),
            None => None,
        };
        let grant = grant.ok_or_else(|| {
            Problem::unauthenticated("the API key is unknown, revoked or has expired".to_owned())
        })?;
        if named.is_some() && read_tenant(named)? != grant.tenant {
            let detail =
                format!("header `{TENANT_HEADER}` names another tenant than the API key's, expected none");
            return Err(Problem::forbidden(Some(TENANT_HEADER), detail));
        }
        self.uses.record(&grant.tenant, grant.id, now);
        Ok(Caller { tenant: grant.tenant, scopes: grant.scopes, key: Some(grant.id) })
    }

    fn check_operator(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(expected) = &self.operator_key else {
            if self.are_keys_required {
                let detail = "operators are obeyed only where there is a key for them, `OPERATOR_KEY`";
                return Err(Problem::forbidden(None, detail.to_owned()));
            }
            return Ok(());
        };
        let digest = |key: &str| Sha256::digest(key.as_bytes());
        let given = bearer(headers).map(digest);
        let expected = digest(expected.expose_secret());
        match given {
            Some(given) if verify_slices_are_equal(&given, &expected).is_ok() => Ok(()),
            _ => Err(Problem::unauthenticated(
                "this is for operators, expected header `authorization: Bearer` with their key".to_owned(),
            )),
        }
    }

    /// Lets a caller in who may do one of these, and says what is left of the tenant's rate.
    async fn admit(&self, headers: &HeaderMap, need: &Need) -> Result<(Caller, Option<RateLimit>), Problem> {
        let caller = self.authenticate(headers).await?;
        let is_limited = match need {
            Need::Caller(scopes) if scopes.is_empty() => false,
            Need::Caller(scopes) => {
                if !scopes.iter().any(|scope| caller.scopes.allow(scope)) {
                    return Err(Problem::out_of_scope(scopes));
                }
                true
            }
            _ if caller.key.is_some() => {
                return Err(Problem::forbidden(None, "no scope allows this operation".to_owned()));
            }
            _ => true,
        };
        let Some(limiter) = self.limiter.filter(|_| is_limited) else { return Ok((caller, None)) };
        let limit = limiter.admit(&self.keyring, &self.hot, &caller.tenant, (self.now)()).await?;
        Ok((caller, limit))
    }
}

/// A guard, what it guards, and the path that everybody may see.
pub(crate) struct Gate {
    pub(crate) guard: Arc<Guard>,
    pub(crate) needs: Needs,
    pub(crate) open_path: &'static str,
}

/// Lets a request through to its operation, or answers why not.
pub(crate) async fn guarded(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(path) = path.filter(|path| *path != gate.open_path) else { return next.run(request).await };
    match gate.needs.get(path, request.method().as_str()) {
        None | Some(Need::Nobody) => next.run(request).await,
        Some(Need::Operator) => match gate.guard.check_operator(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        },
        Some(need) => match gate.guard.admit(request.headers(), need).await {
            Ok((caller, limit)) => {
                request.extensions_mut().insert(caller);
                let mut response = next.run(request).await;
                if let Some(limit) = limit {
                    limit.tell(response.headers_mut());
                }
                response
            }
            Err(problem) => problem.into_response(),
        },
    }
}

/// The key of a request that has one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn read_tenant(header: Option<&[u8]>) -> Result<TenantId, Problem> {
    let invalid = |detail: String| Problem::invalid(TENANT_HEADER, detail);
    let name = header.map_or(Ok(DEFAULT_TENANT), |bytes| {
        std::str::from_utf8(bytes)
            .map_err(|_not_text| invalid(format!("header `{TENANT_HEADER}` is not UTF-8, expected a tenant")))
    })?;
    TenantId::new(name).map_err(|error| invalid(format!("header `{TENANT_HEADER}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_a_tenant_is_the_default_tenants() {
        assert_eq!(read_tenant(None).unwrap().as_str(), "default");
        assert_eq!(read_tenant(Some(b"acme")).unwrap().as_str(), "acme");
        for wrong in [b"".as_slice(), b"a\tb", b"\xFF"] {
            assert_eq!(read_tenant(Some(wrong)).unwrap_err().parameter.as_deref(), Some(TENANT_HEADER));
        }
    }

    #[test]
    fn only_a_bearer_is_a_key() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer aft_x").as_deref(), Some("aft_x"));
        assert_eq!(of("bearer  aft_x").as_deref(), Some("aft_x"));
        for other in ["aft_x", "Basic aft_x", "AWS4-HMAC-SHA256 Credential=x", "Bearer"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
