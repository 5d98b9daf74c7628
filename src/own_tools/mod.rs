//! The few tools of the server's own. They change nothing at AWS, but for `undo_plan`, whose call goes through the chain as
//! any other.

mod find_operations;
mod list_plans;
mod plan_status;
pub mod read_resource;
pub(crate) mod undo_plan;
mod whoami;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::approval::ask::Asker;
use crate::call::listing::ToolListing;
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::names::Effect;
use crate::pipeline::World;

/// A tool of the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTool {
    /// Finds AWS operations by name and parameter.
    FindOperations,
    /// Lists the agent's plans.
    ListPlans,
    /// What has become of a plan.
    PlanStatus,
    /// Undoes an applied plan.
    UndoPlan,
    /// Who am I, and what may I do?
    Whoami,
    /// Reads an MCP resource. Not listed as a tool.
    ReadResource,
}

/// The tool's name, title, description and arguments.
struct Sheet {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: Value,
    required: &'static [&'static str],
}

impl OwnTool {
    /// All that are listed as tools, in that order.
    pub const ALL: [Self; 5] = [Self::FindOperations, Self::ListPlans, Self::PlanStatus, Self::UndoPlan, Self::Whoami];

    /// The tool of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::ReadResource]).find(|tool| tool.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.sheet().name
    }

    /// How it is made known.
    pub fn listing(self) -> ToolListing {
        let sheet = self.sheet();
        let object = |value: Value| match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        ToolListing {
            name: sheet.name.to_owned(),
            title: sheet.title.to_owned(),
            description: sheet.description.to_owned(),
            input_schema: object(json!({
                "type": "object",
                "properties": sheet.arguments,
                "required": sheet.required,
                "additionalProperties": false,
            })),
            output_schema: object(json!({ "type": "object" })),
            // What an undo does is as bad as its own tool; at worst this.
            effect: if self == Self::UndoPlan { Effect::Destructive } else { Effect::Read },
            idempotent: self != Self::UndoPlan,
        }
    }

    /// Answers a request: structured and as text.
    ///
    /// A tool that waits tells `asker` how it goes on, and stops with `cancel`.
    pub async fn serve(
        self,
        request: &ToolRequest,
        world: &World,
        asker: &dyn Asker,
        cancel: &CancellationToken,
    ) -> Result<(Value, String), Refused> {
        match self {
            Self::FindOperations => find_operations::serve(request, world),
            Self::ListPlans => list_plans::serve(request, world).await,
            Self::PlanStatus => plan_status::serve(request, world, asker, cancel).await,
            Self::UndoPlan => Err(Refused::new(Code::Internal, "an undo goes through the chain", "tell an operator")),
            Self::Whoami => whoami::serve(request, world).await,
            Self::ReadResource => read_resource::serve(request, world).await,
        }
    }

    fn sheet(self) -> Sheet {
        match self {
            Self::FindOperations => find_operations::sheet(),
            Self::ListPlans => list_plans::sheet(),
            Self::PlanStatus => plan_status::sheet(),
            Self::UndoPlan => undo_plan::sheet(),
            Self::Whoami => whoami::sheet(),
            Self::ReadResource => read_resource::sheet(),
        }
    }
}

/// Reads a tool's arguments; unknown ones are refused.
fn arguments<A: DeserializeOwned>(request: &ToolRequest) -> Result<A, Refused> {
    serde_json::from_value(Value::Object(request.arguments.clone())).map_err(|error| {
        Refused::new(
            Code::InvalidArguments,
            format!("the arguments of `{}` don't fit: {error}", request.tool),
            "`tools/list` has its input schema",
        )
    })
}

fn store_failed(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Code::Internal, "the store can't be read", "tell an operator").with_operator_detail(error.to_string())
}
