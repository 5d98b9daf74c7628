//! A deployed permission boundary, judged: that it lets through what is needed is seen with each permission (see
//! [`super::compare`]); here, that it forbids the rest, as the one that would be generated does.

use std::collections::BTreeSet;

use super::actions::compressed;
use super::compare::{Difference, Wanted, some};
use super::deployed::{Bounds, Matcher, Policy, Statement};
use super::role::{Boundary, boundary_for};

/// Holds a boundary against the one that would be generated.
pub fn compare(deployed: Option<&Bounds>, wanted: Wanted<'_>, difference: &mut Difference) {
    let generated = boundary_for(wanted.needs, wanted.purpose, wanted.account, wanted.iam);
    let Some(bounds) = deployed else {
        difference.missing("it has no permission boundary".to_owned());
        return;
    };
    match (generated, &bounds.of_aws) {
        (Boundary::Managed(arn), Some(name)) if arn.ends_with(&format!(":policy/{name}")) => {}
        (Boundary::Managed(arn), Some(name)) => {
            difference.too_much(format!("its permission boundary is AWS's `{name}`, not `{arn}`"))
        }
        // Narrower than AWS's it may be; what it lets through beyond can't be told from AWS's name.
        (Boundary::Managed(arn), None) => {
            difference.unclear(format!("its permission boundary is `{}`, not `{arn}`", bounds.policy.name))
        }
        (Boundary::Own { name, .. }, Some(of_aws)) => difference.too_much(format!(
            "its permission boundary is AWS's `{of_aws}`, which lets through more than `{name}` would"
        )),
        (Boundary::Own { name, document }, None) => match Policy::parse(&name, &document.to_string()) {
            Ok(generated) => beyond(&bounds.policy, &generated, wanted, difference),
            Err(error) => difference.unclear(error.to_string()),
        },
    }
}

fn beyond(deployed: &Policy, generated: &Policy, wanted: Wanted<'_>, difference: &mut Difference) {
    let iam = wanted.iam;
    let allowing = |policy: &Policy| -> BTreeSet<String> {
        let statements = policy.statements.iter().filter(|statement| statement.allows);
        let all = statements.flat_map(|statement| statement.actions.all(iam));
        all.filter(|action| !denies_everywhere(policy, action)).collect()
    };
    let known: BTreeSet<String> = allowing(generated).iter().map(|action| action.to_ascii_lowercase()).collect();
    let more: BTreeSet<String> =
        allowing(deployed).into_iter().filter(|action| !known.contains(&action.to_ascii_lowercase())).collect();
    if !more.is_empty() {
        let shown = some(compressed(more.iter().map(String::as_str), iam));
        difference
            .too_much(format!("its permission boundary `{}` lets {shown} through: no tool needs it", deployed.name));
    }
    for statement in generated.statements.iter().filter(|statement| !statement.allows) {
        let (Matcher::Any(actions), Matcher::Any(resources)) = (&statement.actions, &statement.resources) else {
            continue;
        };
        let open: Vec<&str> =
            resources.iter().filter(|one| !denies(deployed, actions, one)).map(String::as_str).collect();
        if !open.is_empty() {
            difference.too_much(format!(
                "its permission boundary `{}` does not deny {} on {}",
                deployed.name,
                actions.join(", "),
                open.join(", ")
            ));
        }
    }
}

fn denies_everywhere(policy: &Policy, action: &str) -> bool {
    denying(policy).any(|statement| statement.actions.takes_action(action) && statement.resources.takes("*"))
}

fn denies(policy: &Policy, actions: &[String], resource: &str) -> bool {
    actions.iter().all(|action| {
        denying(policy).any(|statement| statement.actions.takes_all(action) && statement.resources.takes(resource))
    })
}

/// Unconditional denials: what a condition leaves open is open.
fn denying(policy: &Policy) -> impl Iterator<Item = &Statement> {
    policy.statements.iter().filter(|statement| !statement.allows && statement.conditions.is_empty())
}
