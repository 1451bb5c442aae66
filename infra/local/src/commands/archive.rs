use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Deserialize;
use url::Url;

use super::StateOption;
use super::caller::Caller;
use super::terminal::say;

/// `cargo local archive`
#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    state: StateOption,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring what was said in a session back, until all of it is.
    Restore {
        /// The user.
        user: String,
        /// The session.
        session: String,
        #[command(flatten)]
        caller: Caller,
    },
}

/// What one request brought back.
#[derive(Debug, Deserialize)]
struct Restored {
    restored_events: u64,
    more: bool,
}

impl Archive {
    pub(crate) async fn run(self) -> Result<()> {
        let recall_url = self.state.open()?.endpoints()?.recall_url;
        let Command::Restore { user, session, caller } = self.command;
        let events = restore(&recall_url, &caller, &user, &session).await?;
        say(&format!("{events} events are back"));
        Ok(())
    }
}

/// Asks until nothing of the session is in the archive; answers how many events have come back.
async fn restore(recall_url: &str, caller: &Caller, user: &str, session: &str) -> Result<u64> {
    let mut url = Url::parse(recall_url)?;
    url.path_segments_mut()
        .ok()
        .context("the recall URL has no path")?
        .extend(["v1", "users", user, "sessions", session, "restore"]);
    let client = reqwest::Client::new();
    let mut events = 0;
    loop {
        let answer = caller.sign(client.post(url.clone())).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("recall answered {status} after {events} events: {text}");
        }
        let restored: Restored = serde_json::from_str(&text)
            .with_context(|| format!("recall answered something else than what was restored: {text}"))?;
        events += restored.restored_events;
        if !restored.more {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn a_session_is_asked_for_until_all_of_it_is_back() {
        let server = MockServer::start().await;
        for (restored, more, times) in [(1_000, true, 2), (345, false, 1)] {
            let answer = json!({"restored_events": restored, "more": more});
            Mock::given(method("POST"))
                .and(path("/v1/users/Ada%20Lovelace/sessions/a%2Fb/restore"))
                .and(header("afterthought-tenant", "acme"))
                .respond_with(ResponseTemplate::new(200).set_body_json(answer))
                .up_to_n_times(times)
                .mount(&server)
                .await;
        }
        let caller = Caller::trusted("acme".to_owned());
        assert_eq!(restore(&server.uri(), &caller, "Ada Lovelace", "a/b").await.unwrap(), 2_345);
        let error = restore(&server.uri(), &caller, "nobody", "none").await.unwrap_err().to_string();
        assert!(error.contains("404"), "{error}");
    }
}
