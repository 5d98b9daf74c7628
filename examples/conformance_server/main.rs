//! A server for the official conformance suite: the fixtures its scenarios ask for by name, behind the product's own
//! listener, door, sessions and endpoint.
//!
//!     cargo run --example conformance_server -- 8471
//!     npx @modelcontextprotocol/conformance server --url http://localhost:8471/mcp --requirements 2026-07-28
//!
//! It guards nothing. Once it listens it says where on standard output.

#![expect(clippy::print_stdout, reason = "it is a program of its own")]

mod asking;
mod fixtures;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use countersign::auth::Gate;
use countersign::config::{CallerConfig, HttpConfig};
use countersign::http::admit::admit;
use countersign::http::listener::{Ending, Listener};
use countersign::http::site::Door;
use countersign::mcp::http::Endpoint;
use countersign::names::{Agent, Human};
use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let port: u16 = std::env::args().nth(1).unwrap_or_else(|| "0".to_owned()).parse()?;
    let mut http = HttpConfig::at(([127, 0, 0, 1], port).into());
    let listener = Listener::bind(http.listen, None, http.limits.connections).await?;
    http.listen = listener.address()?;
    let caller = CallerConfig { human: Human::new("ann"), agent: Agent::new("conformance") };
    let gate = Arc::new(Gate::without_credentials(&caller));
    let ending = Ending::default();
    let codec = Arc::new(RequestStateCodec::try_new(vec![7; 32])?);
    let changes = broadcast::Sender::new(16);
    let make = move |_guest| Fixtures { codec: Arc::clone(&codec), changes: changes.clone() };
    let agents = Endpoint::new(&http, make, Duration::from_secs(60), ending.close.clone())
        .routes()
        .layer(middleware::from_fn_with_state(gate, admit));
    let router = Door::new(&http, ending.no_more.clone()).before(agents, Router::new());
    println!("listening at {}", http.listen);
    listener.serve(router, ending).await;
    Ok(())
}

/// The server the scenarios are about.
struct Fixtures {
    codec: Arc<RequestStateCodec>,
    changes: broadcast::Sender<Change>,
}

/// What clients can be told of.
#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

/// Fixtures are written as they are on the wire.
fn made<T: DeserializeOwned>(wire: Value) -> Result<T, ErrorData> {
    serde_json::from_value(wire).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn text(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

impl Fixtures {
    fn changed(&self, change: Change) -> Result<CallToolResponse, ErrorData> {
        let listening = self.changes.send(change).unwrap_or(0);
        text(format!("{listening} were told"))
    }
}

#[expect(deprecated, reason = "the older versions have them, and the suite asks for them")]
impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging();
        ServerConfig::new(capabilities.build())
            .with_server_info(Implementation::new("countersign-conformance", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let listed: ListToolsResult = made(json!({ "resultType": "complete", "tools": fixtures::tools() }))?;
        Ok(listed.with_ttl_ms(60_000).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        fixtures::tools().into_iter().filter_map(|tool| made::<Tool>(tool).ok()).find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = params.name.to_string();
        if let Some(content) = fixtures::content(&name) {
            return Ok(made::<CallToolResult>(content)?.into());
        }
        match name.as_str() {
            "test_tool_with_logging" => asking::logs(&context).await,
            "test_tool_with_progress" => asking::tells_progress(&context).await,
            "test_trigger_tool_change" => self.changed(Change::Tools),
            "test_trigger_prompt_change" => self.changed(Change::Prompts),
            "test_missing_capability" => asking::needs_sampling(&context),
            "test_reconnection" => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                text("done, in one stream")
            }
            _ if name.starts_with("test_input_required_result") => asking::across_calls(&self.codec, params, &context),
            _ => asking::in_call(params, &context).await,
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let listed: ListPromptsResult = made(json!({ "resultType": "complete", "prompts": fixtures::prompts() }))?;
        Ok(listed.with_ttl_ms(60_000).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if params.name == "test_input_required_result_prompt" {
            return asking::prompt_across_calls(params);
        }
        let arguments = params.arguments.unwrap_or_default();
        let unknown = || ErrorData::invalid_params("there is no such prompt", None);
        let messages = fixtures::messages(&params.name, &arguments).ok_or_else(unknown)?;
        Ok(made::<GetPromptResult>(json!({ "resultType": "complete", "messages": messages }))?.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed: ListResourcesResult =
            made(json!({ "resultType": "complete", "resources": fixtures::resources() }))?;
        Ok(listed.with_ttl_ms(60_000).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let listed: ListResourceTemplatesResult =
            made(json!({ "resultType": "complete", "resourceTemplates": fixtures::templates() }))?;
        Ok(listed.with_ttl_ms(60_000).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let missing = || ErrorData::invalid_params("resource not found", Some(json!({ "uri": params.uri })));
        let contents = fixtures::read(&params.uri).ok_or_else(missing)?;
        let read: ReadResourceResult = made(json!({ "resultType": "complete", "contents": [contents] }))?;
        Ok(read.with_ttl_ms(60_000).with_cache_scope(CacheScope::Private).into())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = subscription.cancelled() => return Ok(()),
            };
            let told = match change {
                Ok(Change::Tools) => json!({ "method": "notifications/tools/list_changed" }),
                Ok(Change::Prompts) => json!({ "method": "notifications/prompts/list_changed" }),
                Err(_) => return Ok(()),
            };
            // Those that didn't ask for this are not told.
            let _ = subscription.sink().send(made(told)?).await;
        }
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
}
