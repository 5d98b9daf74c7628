//! Puts the real world behind the ports.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, policy_files};
use crate::aws::cloud::AwsCloud;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::clock::SystemClock;
use crate::config::{self, Config, Environment};
use crate::manifest::catalog::Catalog;
use crate::pipeline::{Pipeline, World};
use crate::plan::canary::Canary;
use crate::policy::in_force::InForce;
use crate::store::SqliteStore;

/// Reads the configuration and the manifests, opens the store, and refuses to start where anything is wrong.
pub(super) async fn pipeline(config: Option<&Path>) -> Result<Pipeline, Failure> {
    pipeline_of(configuration(config)?).await
}

/// As [`pipeline`], of a configuration that was read already.
pub(super) async fn pipeline_of(config: Config) -> Result<Pipeline, Failure> {
    let models = Models::embedded()?;
    let iam = IamFacts::embedded()?;
    let catalog = Catalog::load(&config.manifests, &models, &iam)?;
    let policies = InForce::new(policy_files::load(&config, &catalog)?);
    let store = Arc::new(SqliteStore::open(&config.store).await?);
    let cloud = Arc::new(AwsCloud::new(&config, models.clone(), Arc::new(SystemClock)));
    Ok(Pipeline::new(World {
        config,
        catalog,
        models,
        policies,
        cloud,
        store,
        clock: Arc::new(SystemClock),
        canary: Canary::default(),
    }))
}

/// The configuration alone, for commands that need nothing else.
pub(super) fn configuration(explicit: Option<&Path>) -> Result<Config, Failure> {
    load(explicit, &Models::embedded()?)
}

fn load(explicit: Option<&Path>, models: &Models) -> Result<Config, Failure> {
    let environment = Environment::of_process();
    Ok(config::load(&config::find(explicit, &environment)?, models, &environment)?)
}
