//! AWS's own dry run of the very call, with the credentials that would make it.

use serde_json::{Value, json};

use super::canary::Canary;
use super::filed::DryRun;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::manifest::spec::DryRunKind;
use crate::names::PlanId;
use crate::ports::{Cloud, CloudError, LONGEST_MESSAGE};
use crate::text::escape::quoted;

/// Runs it where the manifest declares one and the endpoint can be trusted.
pub async fn run(
    call: &ResolvedCall,
    plan: &PlanId,
    arguments: &Value,
    cloud: &dyn Cloud,
    canary: &Canary,
) -> Result<DryRun, Refused> {
    let validated = call.call();
    match validated.spec().dry_run {
        DryRunKind::Native => {}
        DryRunKind::ChangeSet => return Ok(DryRun::ChangeSet),
        DryRunKind::None => return Ok(DryRun::NotOffered),
    }
    let reader = call.reader(cloud).await?;
    if let Err(reason) = canary.check(&*reader).await {
        return Ok(DryRun::NotTrusted { reason });
    }
    let session = call.changer(cloud, plan).await?;
    let mut arguments = arguments.clone();
    if let Value::Object(members) = &mut arguments {
        members.insert("DryRun".to_owned(), json!(true));
    }
    match session.send(&validated.spec().operation, &arguments).await {
        Err(CloudError::Refused { code, .. }) if code == "DryRunOperation" => Ok(DryRun::Passed),
        Err(CloudError::Refused { code, message, .. }) => Err(Refused::new(
            Code::PreviewFailed,
            format!("AWS would refuse this call: {code}: {}", quoted(&message, LONGEST_MESSAGE)),
            "correct the call, or ask an operator for the missing permission",
        )),
        Err(error) => Err(Refused::new(
            Code::PreviewFailed,
            format!("AWS's dry run gave no answer: {error}"),
            "try the preview again",
        )),
        Ok(_) => Err(Refused::new(
            Code::OutcomeUnknown,
            "the endpoint answered a dry run as if it had carried the call out",
            "read the targets' state, and tell an operator: this endpoint can't be trusted",
        )),
    }
}
