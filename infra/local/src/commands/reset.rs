use anyhow::Result;
use clap::Args;

use super::StateOption;
use super::terminal::say;

/// `cargo local reset`
#[derive(Debug, Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    state: StateOption,
}

impl Reset {
    pub(crate) fn run(self) -> Result<()> {
        let state = self.state.open()?;
        let root = state.root().display().to_string();
        state.reset()?;
        say(&format!("removed {root} and everything remembered in it"));
        Ok(())
    }
}
