//! Sessions with an account's root key: to seed, and to look past the server at what really happened.

use std::path::Path;
use std::sync::Arc;

use crate::aws::Models;
use crate::aws::cloud::AwsCloud;
use crate::clock::SystemClock;
use crate::config::{self, Account, Config, Environment};
use crate::credentials::session_policy::SessionPolicy;
use crate::names::{Agent, CallId, Human, Region, Stage};
use crate::ports::{Cloud, CloudSession, Purpose, SessionRequest};
use crate::sandbox::{SandboxError, files};

use super::REGION;

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
