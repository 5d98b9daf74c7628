//! What a call's own credentials cost: the policy, the session, and a session from the cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::aws::iam::IamFacts;
use countersign::aws::{AwsCloud, Models};
use countersign::call::scope::Scoping;
use countersign::clock::SystemClock;
use countersign::config::{self, Environment, ManifestsConfig};
use countersign::manifest::catalog::Catalog;
use countersign::names::{Agent, CallId, Human, Region};
use countersign::ports::{Cloud, Purpose, SessionRequest};
use serde_json::{Value, json};

use crate::peer::{Failure, Installation};
use crate::stub::Stub;
use crate::{Table, median};

/// Sessions opened of each kind.
const SESSIONS: usize = 1000;
/// Targets of the measured call; the most its manifest takes.
const TARGETS: usize = 10;

/// Measures all three against a stub on loopback: AWS's own STS adds its round trip to a minted session.
pub(crate) async fn minting(table: &mut Table) -> Result<(), Failure> {
    let stub = Stub::start(Duration::ZERO).await?;
    let installation = Installation::before(&stub)?;
    let (models, iam) = (Models::embedded()?, IamFacts::embedded()?);
    let config = config::load(&installation.config(), &models, &Environment::of_process())
        .map_err(|problems| problems.to_string())?;
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).map_err(|problems| problems.to_string())?;
    let tool = catalog.get("ec2_terminate_instances").ok_or("no such tool")?;
    let account = config.accounts.first().ok_or("no account")?;
    let cloud = AwsCloud::new(&config, models, Arc::new(SystemClock));
    let region = Region::new("eu-central-1");
    let arguments = json!({});
    let scoping = Scoping { account, region: &region, arguments: &arguments, cloud: &cloud, iam: &iam };
    let contexts: Vec<Value> = (0..TARGETS)
        .map(|number| {
            let target = format!("i-{number:017x}");
            let arn = format!("arn:aws:ec2:eu-central-1:{}:instance/{target}", account.id);
            json!({
                "target": target, "arn": arn, "arguments": arguments, "account": account.id,
                "account_name": account.name, "region": region, "partition": "aws",
            })
        })
        .collect();
    let mut times = Vec::new();
    for _ in 0..SESSIONS {
        let began = Instant::now();
        scoping.changing(tool, &contexts).map_err(|refused| refused.to_string())?;
        times.push(began.elapsed());
    }
    table.time("a session policy for ten instances", "", median(&mut times));
    let policy = scoping.changing(tool, &contexts).map_err(|refused| refused.to_string())?;
    let rows =
        [("credentials of their own for a change", Purpose::Change), ("credentials for a read, cached", Purpose::Read)];
    for (what, purpose) in rows {
        let mut times = Vec::new();
        for _ in 0..SESSIONS {
            let request = SessionRequest {
                account: account.clone(),
                region: region.clone(),
                purpose,
                policy: policy.clone(),
                call: CallId::fresh(),
                human: Human::new("ann"),
                agent: Agent::new("bench"),
                plan: None,
                ticket: None,
            };
            let began = Instant::now();
            cloud.open(request).await?;
            times.push(began.elapsed());
        }
        table.time(what, "", median(&mut times));
    }
    Ok(())
}
