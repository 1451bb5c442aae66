use domain::{TenantId, UserId};
use jiff::Timestamp;

use crate::edit::Touched;
use crate::item::Item;
use crate::key::Key;
use crate::working::{Kept, Revision, look, parts};
use crate::{Error, Hot};

/// How many tools of a session may have a state at a time. It bounds what is wasted, not who comes first: tools whose
/// states begin at the very same moment may each take the last place.
pub const MOST_TOOLS: usize = 32;

/// The state of a tool, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolState {
    /// The tool's name.
    pub name: String,
    /// Its state's.
    pub revision: Revision,
}

impl Hot {
    /// The tools of a session that have a live state, by name. One request for each megabyte that their states take.
    pub async fn tools(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session_name: &str,
        now: Timestamp,
    ) -> Result<Vec<ToolState>, Error> {
        let items = self.query(&Key::tool(tenant, user, session_name, ""), &parts([])).await?;
        let mut tools: Vec<ToolState> = items.iter().filter_map(|item| tool(item, now)).collect();
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(tools)
    }
}

/// A live state. One that cannot be read is none until it is read or written by its name, which says so.
fn tool(item: &Item, now: Timestamp) -> Option<ToolState> {
    let name = Key::of_item(item)?.tool_name()?;
    match look(Some(item), &Touched::Members([].into()), 0, now) {
        Kept::Live(live) => Some(ToolState { name, revision: live.revision }),
        Kept::None | Kept::Expired | Kept::Corrupt { .. } => None,
    }
}
