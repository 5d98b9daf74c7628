//! Which recovery points are taken before a call.

use super::effects::{seen, truthy};
use super::filed::{Dependents, PlannedPoint};
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::manifest::spec::RecoveryPoint;
use crate::names::PlanId;
use crate::ports::Cloud;

/// The longest name of a recovery point, in characters.
const LONGEST_NAME: usize = 40;

/// A recovery point that a call needs, of one target.
#[derive(Debug)]
pub struct Due<'a> {
    /// How it is taken.
    pub point: &'a RecoveryPoint,
    /// What it is of.
    pub target: &'a Target,
    /// The name it gets: lower-case letters, digits and `-`, made from the plan's id.
    pub name: String,
}

/// What a call needs, target by target. A condition that can't be evaluated counts as met.
///
/// # Errors
/// Where a call that needs some has no targets they could be taken of.
pub fn due<'a>(call: &'a ResolvedCall, dependents: &[Dependents], plan: &PlanId) -> Result<Vec<Due<'a>>, Refused> {
    let context = seen(call, dependents);
    let met = |point: &&RecoveryPoint| match &point.when {
        None => true,
        Some(when) => !when.search(&context).is_ok_and(|found| !truthy(&found)),
    };
    let points: Vec<&RecoveryPoint> = call.call().spec().recovery_points.iter().filter(met).collect();
    if !points.is_empty() && call.targets().is_empty() {
        let message = format!("`{}` has no targets to take a recovery point of", call.call().spec().name);
        return Err(Refused::new(Code::PreviewFailed, message, "tell an operator: the manifest is at fault"));
    }
    let mut due = Vec::new();
    for target in call.targets() {
        for point in &points {
            let name = name(plan, due.len() + 1);
            due.push(Due { point, target, name });
        }
    }
    Ok(due)
}

/// What of them stands in the plan.
///
/// # Errors
/// As [`due`], and where their credentials can't be narrowed.
pub fn planned(
    call: &ResolvedCall,
    dependents: &[Dependents],
    plan: &PlanId,
    cloud: &dyn Cloud,
) -> Result<Vec<PlannedPoint>, Refused> {
    let planned = |due: Due<'_>| {
        let policy = match call.call().account().change_role {
            Some(_) => Some(call.point_policy(cloud, &due)?.text().to_owned()),
            None => None,
        };
        Ok(PlannedPoint {
            label: due.point.label.clone(),
            target: due.target.id.clone(),
            name: due.name,
            operation: due.point.take.clone(),
            seconds: due.point.most.as_secs(),
            session_policy: policy,
        })
    };
    due(call, dependents, plan)?.into_iter().map(planned).collect()
}

fn name(plan: &PlanId, number: usize) -> String {
    let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let id = plan.as_str().rsplit('-').next().unwrap_or_default();
    let end = format!("-{number}");
    let id: String = id.chars().filter(plain).take(LONGEST_NAME.saturating_sub(3 + end.len())).collect();
    format!("cs-{id}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_whatever_the_service() {
        let names =
            [("plan-01jd0000000000000000000000", 1), ("plan-01jd0000000000000000000000", 120), ("PLAN--É\n", 3)];
        let names = names.map(|(plan, number)| name(&PlanId::from_outside(plan), number));
        assert_eq!(names, ["cs-01jd0000000000000000000000-1", "cs-01jd0000000000000000000000-120", "cs--3"]);
        assert!(PlanId::fresh().as_str().len() < 32 && name(&PlanId::fresh(), 99).len() <= LONGEST_NAME);
    }
}
