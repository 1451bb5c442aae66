//! What answers a message: the tools, for one tenant and, where the client is set up for one person, for that one.

use domain::{KeyScopes, MemoryId, TenantId, UserId};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde::Serialize;
use serde_json::Value;

use super::USER_HEADER;
use super::tools::Tool;
use crate::http::{Problem, Shared, Whole, read_arguments};
use crate::memories::{CorrectionAsked, DeletionAsked, NewMemoryAsked};

const INSTRUCTIONS: &str = "\
What is remembered of a user, learned from conversations. `recall` answers a question with memories and with what was said. \
`remember` keeps something at once; what is said in a conversation is learned without it, after a moment: `status` tells how \
far that is. `list` shows memories with their id and version, which `correct` and `forget` take. Say what is so in one plain \
sentence per memory.";

/// The tools of one caller.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) parts: Shared,
    pub(super) tenant: TenantId,
    pub(super) scopes: KeyScopes,
    /// The one user this client may ask about.
    pub(super) user: Option<UserId>,
}

impl Server {
    /// Whose memories a call is about.
    fn user(&self, arguments: &mut JsonObject) -> Result<UserId, Problem> {
        let invalid = |detail: String| Err(Problem::invalid("user", detail));
        match (&self.user, arguments.remove("user")) {
            (Some(user), None) => Ok(user.clone()),
            (Some(_), Some(_)) => invalid(format!(
                "argument `user` is given, expected none: the header `{USER_HEADER}` says whose memories these are"
            )),
            (None, Some(Value::String(name))) => {
                UserId::new(name).or_else(|error| invalid(format!("argument `user`: {error}")))
            }
            (None, Some(_)) => invalid("argument `user`: expected the name of a user".to_owned()),
            (None, None) => invalid(format!(
                "argument `user` is missing, expected the name of a user: the header `{USER_HEADER}` names none"
            )),
        }
    }

    async fn call(&self, tool: Tool, mut arguments: JsonObject) -> Result<Value, Problem> {
        if !self.scopes.allow(tool.scope()) {
            return Err(Problem::out_of_scope(&KeyScopes::from_iter([tool.scope()])));
        }
        let (parts, tenant) = (&self.parts, &self.tenant);
        let user = self.user(&mut arguments)?;
        match tool {
            Tool::Recall => written(&parts.recall(tenant, &user, read_arguments(arguments)?).await?),
            Tool::Status => written(&parts.status(tenant, &user, read_arguments(arguments)?).await?),
            Tool::List => written(&parts.list_memories(tenant, &user, read_arguments(arguments)?).await?),
            Tool::Remember => {
                let mut asked: NewMemoryAsked = read_arguments(arguments)?;
                parts.screen_memory(tenant, Some(&mut asked.content), Some(&mut asked.data)).await?;
                written(&parts.remember(tenant, &user, asked, None).await?)
            }
            Tool::Correct => {
                let id = memory(&mut arguments)?;
                let mut asked: CorrectionAsked = read_arguments(arguments)?;
                parts.screen_memory(tenant, Some(&mut asked.content), asked.data.as_mut()).await?;
                written(&parts.correct_memory(tenant, &user, id, asked, None).await?)
            }
            Tool::Forget => {
                let id = memory(&mut arguments)?;
                let DeletionAsked { version } = read_arguments(arguments)?;
                written(&parts.forget(tenant, &user, id, version.map(Whole::get), None).await?)
            }
        }
    }
}

/// The memory a call is about.
fn memory(arguments: &mut JsonObject) -> Result<MemoryId, Problem> {
    let invalid = |detail: &str| Problem::invalid("memory", format!("argument `memory` {detail}"));
    let given =
        arguments.remove("memory").ok_or_else(|| invalid("is missing, expected the id of a memory"))?;
    let id = given.as_str().and_then(|id| id.parse().ok());
    id.map(MemoryId).ok_or_else(|| invalid("is no id, expected one as the tools `list` and `recall` show it"))
}

fn written(answer: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::unavailable("this function")
    })
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("afterthought", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let takes_user = self.user.is_none();
        let tools = Tool::ALL.into_iter().filter(|tool| self.scopes.allow(tool.scope()));
        Ok(ListToolsResult::with_all_items(tools.map(|tool| tool.described(takes_user)).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = Tool::from_name(&request.name) else {
            let names = Tool::ALL.map(Tool::name).join(", ");
            return Err(ErrorData::invalid_params(
                format!("there is no such tool, expected one of {names}"),
                None,
            ));
        };
        let called = self.call(tool, request.arguments.unwrap_or_default()).await;
        let status = called.as_ref().err().map_or(200, |problem| problem.status);
        metrics::counter!("ToolCalls", "Tool" => tool.name(), "Status" => status.to_string()).increment(1);
        Ok(match called {
            Ok(answer) => CallToolResult::structured(answer),
            // The same problem as over HTTP, for whoever called the tool to do better: it names the field.
            Err(problem) => {
                let problem = serde_json::to_string(&problem).unwrap_or(problem.detail);
                CallToolResult::error(vec![ContentBlock::text(problem)])
            }
        }
        .into())
    }
}
