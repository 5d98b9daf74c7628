//! The blast radius: what depends on the targets, counted with read-only credentials.

use serde_json::Value;

use super::chain::PlannedStep;
use super::filed::Dependents;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::manifest::expression::Expression;
use crate::manifest::spec::Dependent;
use crate::ports::{Cloud, CloudSession};
use crate::text::escape::quoted;

/// Names of dependents that are shown.
const SAMPLE: usize = 5;

/// Counts each kind of dependents of each target, and tells the steps that the call is of them. What can't be counted is said,
/// not left out.
///
/// # Errors
/// Where the call does something to dependents that can't be listed.
pub async fn count(call: &ResolvedCall, cloud: &dyn Cloud) -> Result<(Vec<Dependents>, Vec<PlannedStep>), Refused> {
    let declared = &call.call().spec().dependents;
    let (mut found, mut steps) = (Vec::new(), Vec::new());
    if declared.is_empty() {
        return Ok((found, steps));
    }
    let reader = call.reader(cloud).await?;
    for dependent in declared {
        for target in call.targets() {
            let listed = list(dependent, target, call, &*reader).await.and_then(|output| {
                let things = match &dependent.step {
                    Some(step) => Some((step.is, items(&step.of, &output)?)),
                    None => None,
                };
                Ok((items(&dependent.list, &output)?, things))
            });
            if let (Some(_), Err(reason)) = (&dependent.step, &listed) {
                let message =
                    format!("the {} of {} can't be listed: {reason}", dependent.label, quoted(&target.id, 80));
                let hint = "try again; or an operator looks at what the account's `read_role` may do";
                return Err(Refused::new(Code::PreviewFailed, message, hint));
            }
            if let Ok((_, Some((is, things)))) = &listed {
                steps.extend(things.iter().map(|thing| PlannedStep { is: *is, of: name(thing) }));
            }
            found.push(match listed {
                Ok((items, _)) => Dependents {
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
    Ok((found, steps))
}

async fn list(
    dependent: &Dependent,
    target: &Target,
    call: &ResolvedCall,
    reader: &dyn CloudSession,
) -> Result<Value, String> {
    let with = dependent.with.render(&call.context(target)).map_err(|error| error.to_string())?;
    Ok(reader.send(&dependent.operation, &with).await.map_err(|error| error.to_string())?.output)
}

fn items(of: &Expression, output: &Value) -> Result<Vec<Value>, String> {
    match of.search(output).map_err(|error| error.to_string())? {
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
