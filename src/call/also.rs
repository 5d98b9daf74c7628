//! More of a target's state than one read gives.
//!
//! What an optional read can't tell is null, and is said. That counts as "not protected" too where the manifest takes
//! protection from it: AWS itself enforces such a protection and refuses the call. Only a definite answer of AWS's is taken
//! for that, never one that comes of too many requests or of no answer at all: whoever can bring those about must not
//! thereby take a protection out of sight.

use futures::future::{FutureExt, join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refused::{Code, Refused};
use super::target::Scene;
use crate::aws::redact::{Direction, redact};
use crate::manifest::spec::{AlsoRead, Targets};
use crate::ports::{CloudError, CloudSession};
use crate::text::escape::quoted;

/// A part of a target's state that can't be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotKnown {
    /// The part, such as `termination_protection`.
    pub what: String,
    /// Why: a lower-case fragment with AWS's error code, and nothing that differs from one try to the next.
    pub why: String,
}

/// What one read gave.
enum Part {
    Known(Value),
    NotKnown(String),
}

/// A target of which the main state is known.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    /// Its context, with that state.
    pub(super) context: &'a Value,
}

/// Reads all of it and puts it into `state`.
pub(super) async fn read(
    scene: Scene<'_>,
    targets: &Targets,
    reader: &dyn CloudSession,
    target: Known<'_>,
    mut state: Value,
) -> Result<(Value, Vec<NotKnown>), Refused> {
    let reads = targets.also.iter().map(|how| part(scene, targets, how, reader, target).boxed());
    let parts = join_all(reads.collect::<Vec<_>>()).await;
    let mut not_known = Vec::new();
    for (how, part) in targets.also.iter().zip(parts) {
        let value = match part? {
            Part::Known(value) => value,
            Part::NotKnown(why) => {
                not_known.push(NotKnown { what: how.name.clone(), why });
                Value::Null
            }
        };
        let Value::Object(members) = &mut state else {
            return Err(fault(scene, target.name, &"its state is no object, so nothing can be put into it"));
        };
        members.insert(how.name.clone(), value);
    }
    Ok((state, not_known))
}

async fn part(
    scene: Scene<'_>,
    targets: &Targets,
    how: &AlsoRead,
    reader: &dyn CloudSession,
    target: Known<'_>,
) -> Result<Part, Refused> {
    let wrong = |error: &dyn std::fmt::Display| fault(scene, target.name, error);
    let with = how.with.render(target.context).map_err(|error| wrong(&error))?;
    let error = match reader.send(&how.operation, &with).await {
        Ok(reply) => {
            let output = redact(scene.models, &how.operation, Direction::Output, &reply.output);
            let value = how.state.search(&output.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            return Ok(Part::Known(value));
        }
        Err(CloudError::Refused { code, .. }) if how.missing.contains(&code) => return Ok(Part::Known(Value::Null)),
        Err(error) => error,
    };
    let bears_on_protection =
        targets.protected.as_ref().is_some_and(|protected| protected.mentions(&[how.name.as_str()]));
    match &error {
        CloudError::Refused { code, .. } if how.optional && !(bears_on_protection && of_too_many(code)) => {
            Ok(Part::NotKnown(format!("AWS answered {code} to {}", how.operation)))
        }
        CloudError::Unknown { .. } if how.optional && !bears_on_protection => {
            Ok(Part::NotKnown(format!("no conclusive answer to {}", how.operation)))
        }
        CloudError::NotSent { .. } if how.optional && !bears_on_protection => {
            Ok(Part::NotKnown(format!("{} could not be asked", how.operation)))
        }
        _ => Err(Refused::new(
            Code::TargetUnreadable,
            format!("`{}` of {} can't be read with `{}`: {error}", how.name, quoted(target.name, 80), how.operation),
            "without knowing its state nothing is changed; an operator must let the account's `read_role` read it, or \
             try again later",
        )),
    }
}

/// True for the codes that AWS answers too many requests with.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
fn of_too_many(code: &str) -> bool {
    ["Throttl", "LimitExceeded", "TooManyRequests", "SlowDown", "ProvisionedThroughputExceeded", "BandwidthLimit"]
        .iter()
        .any(|part| code.contains(part))
}

/// A manifest that reads what it can't.
pub(super) fn fault(scene: Scene<'_>, name: &str, error: &dyn std::fmt::Display) -> Refused {
    let message = format!("target {} of `{}` can't be read", quoted(name, 80), scene.tool);
    Refused::new(Code::Internal, message, "tell an operator: the manifest is at fault")
        .with_operator_detail(error.to_string())
}
