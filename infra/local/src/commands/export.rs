use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use url::Url;

use super::StateOption;
use super::caller::Caller;
use super::terminal::say;

/// `cargo local export`
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    state: StateOption,
    /// The user.
    user: String,
    /// The file of JSON Lines to write; one that is there is replaced when the export is complete.
    file: PathBuf,
    #[command(flatten)]
    caller: Caller,
}

impl Export {
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = self.state.open()?.endpoints()?;
        let mut url = Url::parse(&endpoints.recall_url)?;
        url.path_segments_mut()
            .ok()
            .context("the recall URL has no path")?
            .extend(["v1", "users", &self.user, "export"]);
        let mut partial = self.file.clone().into_os_string();
        partial.push(".partial");
        let mut file =
            File::create(&partial).await.with_context(|| format!("cannot write {}", partial.display()))?;
        let client = reqwest::Client::new();
        let (mut after, mut lines): (Option<String>, usize) = (None, 0);
        loop {
            let mut page = url.clone();
            if let Some(after) = &after {
                page.query_pairs_mut().append_pair("after", after);
            }
            let answer = self.caller.sign(client.get(page)).send().await?;
            let status = answer.status();
            let next = answer.headers().get("afterthought-next").map(|next| next.to_str().map(str::to_owned));
            let text = answer.text().await?;
            if !status.is_success() {
                bail!("recall answered {status}: {text}");
            }
            lines += text.lines().count();
            file.write_all(text.as_bytes()).await?;
            match next {
                Some(next) => after = Some(next?),
                None => break,
            }
        }
        file.sync_all().await?;
        tokio::fs::rename(&partial, &self.file).await?;
        say(&format!("{lines} lines in {}", self.file.display()));
        Ok(())
    }
}
