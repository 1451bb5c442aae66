//! Having the last word before the process of a function is ended.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Where Lambda's extensions are served, below the address that the runtime is given.
const EXTENSIONS: &str = "2020-01-01/extension";
const NAME_HEADER: &str = "lambda-extension-name";
const IDENTIFIER_HEADER: &str = "lambda-extension-identifier";
/// An extension that is not registered within this time is done without.
const LONGEST_REGISTRATION: Duration = Duration::from_millis(500);

/// Runs `last` when the process is asked to end (SIGTERM), and then ends it.
///
/// Lambda asks only functions that have an extension, and gives them half a second; so one that listens to nothing is
/// registered under `name` with `runtime`, the address of the runtime's API. Where that fails, the function goes on without. An
/// address with its protocol is not Lambda's: whoever serves there, such as `cargo local`, asks every process. To be called
/// before the runtime starts, which ends the time for registering.
pub async fn before<F: Future<Output = ()> + Send>(
    name: &'static str,
    runtime: Option<&str>,
    last: impl FnOnce() -> F + Send + 'static,
) {
    if let Some(runtime) = runtime.filter(|runtime| !runtime.contains("://"))
        && let Err(error) = register(name, runtime).await
    {
        tracing::warn!(%error, "no extension: this process is not asked before it is ended");
    }
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::spawn(async move {
                terminate.recv().await;
                last().await;
                end();
            });
        }
        Err(error) => tracing::warn!(%error, "this process cannot be asked before it is ended"),
    }
}

/// Registers an extension that listens to nothing. Its question for the next event says that it is ready, and is never
/// answered.
async fn register(name: &str, runtime: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client
        .post(format!("http://{runtime}/{EXTENSIONS}/register"))
        .header(NAME_HEADER, name)
        .json(&serde_json::json!({"events": []}))
        .timeout(LONGEST_REGISTRATION)
        .send()
        .await?
        .error_for_status()?;
    let Some(identifier) = answer.headers().get(IDENTIFIER_HEADER).cloned() else {
        anyhow::bail!("the answer has no header `{IDENTIFIER_HEADER}`");
    };
    let next =
        client.get(format!("http://{runtime}/{EXTENSIONS}/event/next")).header(IDENTIFIER_HEADER, identifier);
    tokio::spawn(next.send());
    Ok(())
}

#[expect(clippy::exit, reason = "the signal was to end the process, and whoever takes it must do so")]
fn end() {
    std::process::exit(0);
}
