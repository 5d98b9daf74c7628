//! What the minted credentials of a call can do, tried at a cloud that enforces IAM's policies: the sandbox.
//!
//! The roles there may do nearly everything in their account, in all regions. So whatever is denied here is denied by the
//! session policy alone, as it would be with a hole in this server.

mod accounts;
mod broken_stage;
mod tools;
mod versions;

use std::sync::Arc;

use countersign::aws::iam::IamFacts;
use countersign::aws::{AwsCloud, Models};
use countersign::call::scope::Scoping;
use countersign::call::target::Scene;
use countersign::clock::SystemClock;
use countersign::config::{self, Account, Config, Environment, ManifestsConfig};
use countersign::credentials::session_policy::SessionPolicy;
use countersign::manifest::catalog::{Catalog, Entry};
use countersign::manifest::spec::ToolSpec;
use countersign::names::{Agent, CallId, Human, OperationId, PlanId, Region};
use countersign::ports::{Cloud, CloudError, CloudSession, Purpose, SessionRequest};
use serde_json::{Map, Value};

use crate::support::sandbox;

/// The configured region of the sandbox's accounts.
const HERE: &str = "eu-central-1";

/// Another one, which the roles themselves would allow.
const ELSEWHERE: &str = "us-east-1";

/// The server's way to the sandbox, without the server.
struct Bench {
    config: Config,
    models: Models,
    iam: IamFacts,
    catalog: Catalog,
    cloud: AwsCloud,
}

impl Bench {
    async fn new() -> Self {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let config = config::load(&sandbox().await.config_path(), &models, &Environment::of_process()).unwrap();
        let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        let cloud = AwsCloud::new(&config, models.clone(), Arc::new(SystemClock));
        Self { config, models, iam, catalog, cloud }
    }

    fn account(&self, name: &str) -> &Account {
        self.config.accounts.iter().find(|account| account.name == name).unwrap()
    }

    /// A tool; of a family, the tool for an operation.
    fn tool(&self, name: &str, operation: &str) -> Arc<ToolSpec> {
        match self.catalog.entry(name).unwrap() {
            Entry::Tool(spec) => Arc::clone(spec),
            Entry::Family(family) => {
                Arc::new(family.expand(&operation.parse().unwrap(), &Map::new(), &self.catalog, &self.models).unwrap())
            }
        }
    }

    /// The session policy of a call in shop-dev, and the context of its target.
    fn policy(&self, tool: &ToolSpec, purpose: Purpose, target: &str, arguments: &Value) -> (SessionPolicy, Value) {
        let (account, region) = (self.account("shop-dev"), Region::new(HERE));
        let scene =
            Scene { tool: &tool.name, account, region: &region, arguments, models: &self.models, tag_rules: &[] };
        let context = match &tool.targets {
            Some(targets) => scene.context_named(targets, target).unwrap(),
            None => scene.context_without_target(),
        };
        let scoping = Scoping { account, region: &region, arguments, cloud: &self.cloud, iam: &self.iam };
        let contexts = std::slice::from_ref(&context);
        let policy = match purpose {
            Purpose::Read => scoping.reading(tool, contexts),
            Purpose::Change => scoping.changing(tool, contexts),
        };
        (policy.unwrap(), context)
    }

    /// A session with credentials that were minted under a policy.
    async fn open(
        &self,
        account: &str,
        purpose: Purpose,
        policy: SessionPolicy,
        region: &str,
    ) -> Arc<dyn CloudSession> {
        let request = SessionRequest {
            account: self.account(account).clone(),
            region: Region::new(region),
            purpose,
            policy,
            call: CallId::fresh(),
            human: Human::new("ann"),
            agent: Agent::new("demo-agent"),
            plan: Some(PlanId::fresh()),
            ticket: None,
        };
        self.cloud.open(request).await.unwrap()
    }
}

/// Whether a call was let through. What exists or not is another question: permissions are checked first.
async fn let_through(session: &dyn CloudSession, operation: &OperationId, arguments: &Value) -> Result<(), String> {
    match session.send(operation, arguments).await {
        Err(CloudError::Refused { code, .. }) if is_denial(&code) => Err(code),
        Ok(_) | Err(CloudError::Refused { .. }) => Ok(()),
        Err(error) => panic!("{operation}: {error}"),
    }
}

fn is_denial(code: &str) -> bool {
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"].contains(&code)
}
