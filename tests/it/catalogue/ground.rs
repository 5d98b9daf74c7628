//! Where cases are tried: one real server before each cloud, an administrator past it, and the loaded manifests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign::aws::iam::IamFacts;
use countersign::aws::{AwsCloud, Models};
use countersign::call::refused::Code;
use countersign::call::target::{Scene, Target};
use countersign::clock::SystemClock;
use countersign::config::{self, Account, Config, Environment};
use countersign::credentials::session_policy::SessionPolicy;
use countersign::manifest::catalog::Catalog;
use countersign::manifest::spec::ToolSpec;
use countersign::names::{Agent, CallId, Human};
use countersign::ports::{Cloud, CloudError, CloudSession, Purpose, SessionRequest};
use countersign::sandbox::{DEV, Sandbox};
use serde_json::{Map, Value, json};
use toml_edit::Array;

use super::case::CloudName;
use crate::support::clouds::own_sandbox;
use crate::support::{Act, Installation, OLDER, Session, moto};

/// Everything is permitted, after a preview and with a confirmation: so each call runs under credentials of its own, with all
/// that its manifest says, and nothing but that can stop it.
const POLICY: &str = r#"
@id("catalogue-everything") permit (principal, action, resource);
@id("catalogue-confirmed") @says("every change is previewed and confirmed here")
forbid (principal, action in [Action::"change", Action::"secret"], resource)
unless { context.previewed && context.confirmed };
"#;

/// A server before a cloud.
pub(super) struct Ground {
    pub(super) session: Session,
    pub(super) installation: Installation,
    pub(super) catalog: Catalog,
    pub(super) account: Account,
    models: Models,
    admin: Arc<dyn CloudSession>,
    /// Ends with this value.
    _sandbox: Option<Sandbox>,
}

impl Ground {
    pub(super) async fn of(cloud: CloudName) -> Self {
        let models = Models::embedded().unwrap();
        let (installation, sandbox) = match cloud {
            CloudName::Ministack => {
                let sandbox = own_sandbox("catalogue").await;
                (Installation::before_sandbox(&sandbox), Some(sandbox))
            }
            CloudName::Moto => (Installation::before(&moto().await.endpoint()), None),
        };
        let installation = generous(with_own_manifests(installation));
        let config = config::load(&installation.config(), &models, &Environment::of_process())
            .unwrap_or_else(|problems| panic!("{}", problems.pretty(false)));
        let catalog = Catalog::load(&config.manifests, &models, &IamFacts::embedded().unwrap())
            .unwrap_or_else(|problems| panic!("{}", problems.pretty(false)));
        let account = config.accounts.iter().find(|account| account.name == DEV.name).unwrap().clone();
        let admin = match &sandbox {
            Some(sandbox) => {
                let admin = sandbox.root(&DEV).await.unwrap();
                widen(&*admin).await;
                admin
            }
            None => assumed(&config, &models, &account).await,
        };
        let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
        Self { session, installation, catalog, account, models, admin, _sandbox: sandbox }
    }

    /// Calls AWS as an administrator.
    pub(super) async fn admin(&self, operation: &str, arguments: Value) -> Result<Value, CloudError> {
        let operation = operation.parse().unwrap_or_else(|error| panic!("`{operation}`: {error}"));
        self.admin.send(&operation, &arguments).await.map(|reply| reply.output)
    }

    /// The targets of a call as the manifest's own read finds them; `None` for one that isn't there, or
    /// is there where the call makes it.
    pub(super) async fn targets(
        &self,
        tool: &ToolSpec,
        arguments: &Map<String, Value>,
    ) -> Result<Vec<Option<Target>>, String> {
        let Some(targets) = &tool.targets else { return Ok(Vec::new()) };
        let mut all = arguments.clone();
        all.extend(tool.fixed.iter().cloned());
        let arguments = Value::Object(all);
        let scene = Scene {
            tool: &tool.name,
            account: &self.account,
            region: &self.account.regions[0],
            arguments: &arguments,
            models: &self.models,
            tag_rules: &[],
        };
        let names = match targets.each.search(&arguments).map_err(|error| error.to_string())? {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
            other => return Err(format!("`{}` gives {other} for {arguments}", targets.each.text())),
        };
        let mut found = Vec::new();
        for name in names {
            found.push(match scene.read(targets, &*self.admin, name).await {
                Ok(target) => Some(target),
                Err(refused) if matches!(refused.code, Code::TargetNotFound | Code::TargetExists) => None,
                Err(refused) => return Err(format!("{} {:?}", refused.message, refused.operator_detail)),
            });
        }
        Ok(found)
    }
}

/// Limits are tried elsewhere.
fn generous(installation: Installation) -> Installation {
    let text = std::fs::read_to_string(installation.config()).unwrap();
    let (name, installation) = match text.contains("[agents.demo-agent]") {
        true => ("demo-agent", installation),
        false => {
            let agent = "[agents.test-agent]\nroles = [\"operator\"]\naccounts = [\"shop-dev\"]\n";
            ("test-agent", installation.with_config(agent))
        }
    };
    installation
        .set(&format!("agents.{name}.max_resources"), 10_000)
        .set("budgets.changes_per_session", 100_000)
        .set("budgets.changes_per_hour", 100_000)
        .set("breakers.agent_errors_per_hour", 0)
        .set("breakers.agent_denials_per_hour", 0)
        .set("breakers.account_errors_per_hour", 0)
        .set("policy.profile", "none")
        .with_policy(POLICY)
}

/// Puts the manifests of `COUNTERSIGN_CASE_MANIFESTS` in the place of the shipped ones. What the sandbox has of its own stays.
fn with_own_manifests(installation: Installation) -> Installation {
    let Some(from) = own_manifests() else { return installation };
    let config: toml_edit::DocumentMut = std::fs::read_to_string(installation.config()).unwrap().parse().unwrap();
    let there = config.get("manifests").and_then(|table| table["folders"].as_array().cloned()).unwrap_or_default();
    let there: Vec<PathBuf> = there.iter().map(|folder| PathBuf::from(folder.as_str().unwrap())).collect();
    let taken = |name: &str| there.iter().any(|folder| folder.join(name).exists());
    let folders = std::fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for folder in
        folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir() && !path.ends_with("_families"))
    {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if !taken(name) {
                installation.write(&format!("case-manifests/{name}"), &std::fs::read_to_string(&file).unwrap());
            }
        }
    }
    let own = installation.folder().join("case-manifests");
    let all = there.iter().map(PathBuf::as_path).chain([own.as_path()]).map(|path| path.to_str().unwrap().to_owned());
    installation.set("manifests.folders", Array::from_iter(all))
}

/// The folder of manifests that are tried in place of the shipped ones.
pub(super) fn own_manifests() -> Option<PathBuf> {
    std::env::var_os("COUNTERSIGN_CASE_MANIFESTS").map(|folder| Path::new(&folder).to_owned())
}

/// The sandbox denies the change role what its stories must not have; here a call's own credentials are all that narrows it.
/// With manifests that the sandbox's roles were not generated for, the roles allow everything.
async fn widen(admin: &dyn CloudSession) {
    let call = async |operation: &str, arguments: Value| {
        let called = admin.send(&operation.parse().unwrap(), &arguments).await;
        called.unwrap_or_else(|error| panic!("{operation}: {error}"));
    };
    call("iam:DeleteRolePolicy", json!({ "RoleName": "countersign-change", "PolicyName": "never" })).await;
    if own_manifests().is_none() {
        return;
    }
    let all = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    for role in ["countersign-read", "countersign-change"] {
        call("iam:DeleteRolePermissionsBoundary", json!({ "RoleName": role })).await;
        let policy = json!({ "RoleName": role, "PolicyName": "all", "PolicyDocument": all.to_string() });
        call("iam:PutRolePolicy", policy).await;
    }
}

/// moto enforces nothing; what counts is that the administrator is in the same account.
async fn assumed(config: &Config, models: &Models, account: &Account) -> Arc<dyn CloudSession> {
    let request = SessionRequest {
        account: account.clone(),
        region: account.regions[0].clone(),
        purpose: Purpose::Change,
        policy: SessionPolicy::nothing(),
        call: CallId::fresh(),
        human: Human::new("ann"),
        agent: Agent::new("administrator"),
        plan: None,
        ticket: None,
    };
    AwsCloud::new(config, models.clone(), Arc::new(SystemClock)).open(request).await.unwrap()
}
