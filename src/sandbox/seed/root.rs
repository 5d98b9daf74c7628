//! Sessions with an account's root key: to seed, and to look past the server at what really happened.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::aws::Models;
use crate::aws::cloud::AwsCloud;
use crate::aws::iam::IamFacts;
use crate::clock::SystemClock;
use crate::config::{self, Account, Config, Environment};
use crate::credentials::session_policy::SessionPolicy;
use crate::manifest::catalog::Catalog;
use crate::names::{Agent, CallId, Human, OperationId, Region, Stage};
use crate::ports::{Cloud, CloudSession, Purpose, SessionRequest};
use crate::roles::needs::{Families, Ground, Needs};
use crate::roles::role::{self, Role};
use crate::sandbox::{SandboxError, files};

use super::REGION;
use super::identity::server_arn;

/// Opens root sessions at the emulator whose folder and configuration it was made from.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Root {
    config: Config,
    models: Models,
}

impl Root {
    /// Takes the endpoint from the configuration that the sandbox has written.
    pub(in crate::sandbox) fn of(folder: &Path) -> Result<Self, SandboxError> {
        let models = Models::embedded().map_err(|error| SandboxError::Config(error.to_string()))?;
        let path = folder.join(files::CONFIG_FILE);
        let mut config = config::load(&path, &models, &Environment::of_process())
            .map_err(|problems| SandboxError::Config(problems.to_string()))?;
        config.aws.credentials_file = Some(folder.join(files::ROOT_CREDENTIALS_FILE));
        Ok(Self { config, models })
    }

    /// The roles of an account, generated for the tools of the sandbox's server and for its families.
    pub(super) fn roles(&self, account: &str) -> Result<Vec<Role>, SandboxError> {
        let wrong = |error: &dyn std::fmt::Display| SandboxError::Config(error.to_string());
        let iam = IamFacts::embedded().map_err(|error| wrong(&error))?;
        let catalog = Catalog::load(&self.config.manifests, &self.models, &iam).map_err(|problems| wrong(&problems))?;
        let accounts = &self.config.accounts;
        let account = accounts.iter().find(|known| known.name == account);
        let account = account.ok_or_else(|| SandboxError::Config("an account is not configured".to_owned()))?;
        let cloud = AwsCloud::new(&self.config, self.models.clone(), Arc::new(SystemClock));
        let signed_for = |operation: &OperationId, region: &Region| {
            let signed = cloud.signing_region(operation, &json!({}), region);
            signed.unwrap_or_else(|_| region.as_str().to_owned())
        };
        let needs = Needs::of(Ground {
            account,
            catalog: &catalog,
            families: Families::All,
            toolsets: &[],
            signed_for: &signed_for,
        });
        let ground = role::Ground { account, trusted: &server_arn(), iam: &iam };
        let roles = [(&needs.read, Purpose::Read), (&needs.change, Purpose::Change)];
        roles
            .map(|(needs, purpose)| Role::of(needs, purpose, ground).map_err(|error| wrong(&error)))
            .into_iter()
            .collect()
    }

    /// A session past every policy of an account.
    pub(in crate::sandbox) async fn session(
        &self,
        name: &str,
        id: &str,
    ) -> Result<Arc<dyn CloudSession>, SandboxError> {
        let mut config = self.config.clone();
        config.aws.profile = Some(files::root_profile(id));
        let account = Account {
            name: name.to_owned(),
            id: id.to_owned(),
            stage: Stage::Dev,
            regions: vec![Region::new(REGION)],
            read_role: None,
            change_role: None,
            external_id: None,
        };
        let request = SessionRequest {
            account,
            region: Region::new(REGION),
            purpose: Purpose::Change,
            policy: SessionPolicy::nothing(),
            call: CallId::fresh(),
            human: Human::new("root"),
            agent: Agent::new("sandbox"),
            plan: None,
            ticket: None,
        };
        let cloud = AwsCloud::new(&config, self.models.clone(), Arc::new(SystemClock));
        cloud.open(request).await.map_err(|error| SandboxError::Seed {
            account: name.to_owned(),
            step: "open a session".to_owned(),
            error: Box::new(error),
        })
    }
}
