//! The blast radius: what depends on the targets, counted with read-only credentials.

use serde_json::Value;

use super::filed::Dependents;
use crate::call::refused::Refused;
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::manifest::spec::Dependent;
use crate::ports::{Cloud, CloudSession};

/// Names of dependents that are shown.
const SAMPLE: usize = 5;

/// Counts each kind of dependents of each target. What can't be counted is said, not left out.
pub async fn count(call: &ResolvedCall, cloud: &dyn Cloud) -> Result<Vec<Dependents>, Refused> {
    let declared = &call.call().spec().dependents;
    if declared.is_empty() {
        return Ok(Vec::new());
    }
    let reader = call.reader(cloud).await?;
    let mut found = Vec::new();
    for dependent in declared {
        for target in call.targets() {
            found.push(match list(dependent, target, call, &*reader).await {
                Ok(items) => Dependents {
                    label: dependent.label.clone(),
                    target: target.id.clone(),
                    count: Some(items.len() as u64),
                    sample: items.iter().take(SAMPLE).map(name).collect(),
                    unknown_because: None,
                },
                Err(reason) => Dependents {
                    label: dependent.label.clone(),
                    target: target.id.clone(),
                    count: None,
                    sample: Vec::new(),
                    unknown_because: Some(reason),
                },
            });
        }
    }
    Ok(found)
}

async fn list(
    dependent: &Dependent,
    target: &Target,
    call: &ResolvedCall,
    reader: &dyn CloudSession,
) -> Result<Vec<Value>, String> {
    let with = dependent.with.render(&call.context(target)).map_err(|error| error.to_string())?;
    let reply = reader.send(&dependent.operation, &with).await.map_err(|error| error.to_string())?;
    match dependent.list.search(&reply.output).map_err(|error| error.to_string())? {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        single => Ok(vec![single]),
    }
}

fn name(item: &Value) -> String {
    match item {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    }
}
