//! A plan that waits for people, as the agent is told.

use serde_json::{Value, json};

use super::redeem::Waiting;
use super::signatures::{Missing, Signatures};
use crate::plan::filed::FiledPlan;
use crate::plan::text::again;
use crate::text::escape::quoted;

/// The structured form and the text.
pub fn told(waiting: &Waiting) -> (Value, String) {
    let Waiting { plan, page, signatures, missing, .. } = waiting;
    let content = &plan.content;
    let needs = needs(plan, missing);
    let next = next(plan, missing);
    let structured = json!({
        "status": "approval_pending",
        "plan_id": content.id,
        "digest": plan.digest,
        "approval_url": page,
        "waits_for": needs,
        "signatures": signatures.list(),
        "expires_at": content.expires_at,
        "next": next,
    });
    let mut lines = vec![
        format!("Nothing was changed yet: plan {} waits for {}.", content.id, needs.join("; and for ")),
        format!("Its page for people: {page}"),
    ];
    lines.extend(signed(signatures));
    lines.push(format!("It is good until {}.", content.expires_at));
    lines.push(format!("Next: {next}"));
    (structured, lines.join("\n"))
}

/// What is missing, for people and models.
pub fn needs(plan: &FiledPlan, missing: &[Missing]) -> Vec<String> {
    missing.iter().map(|missing| missing.told(&plan.content.human)).collect()
}

/// What the agent does about it.
pub fn next(plan: &FiledPlan, missing: &[Missing]) -> String {
    let content = &plan.content;
    let apply = again(content);
    match missing {
        [] => format!("everything it needs is there: {apply}"),
        _ if content.is_for_a_person() => format!(
            "a person applies this from that page, you can't; give them the link; `plan_status` with `plan_id: {}` and \
             `wait_seconds` tells when it is done",
            content.id
        ),
        _ => format!(
            "give the person you work for the link; only people can sign there, so don't open it, and don't try the same \
             by another tool; `plan_status` with `plan_id: {}` and `wait_seconds` tells when they have; then {apply}",
            content.id
        ),
    }
}

fn signed(signatures: &Signatures) -> Option<String> {
    let names: Vec<String> = signatures.approvals.keys().map(|name| quoted(name.as_str(), 64)).collect();
    (!names.is_empty()).then(|| format!("Approved so far by {}.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::filed::tests::sample;
    use crate::plan::filed::{Obligation, PlanState};

    fn waiting(obligations: Vec<Obligation>) -> Waiting {
        let mut content = sample();
        content.obligations = obligations;
        let digest = content.digest().unwrap();
        let plan = FiledPlan {
            content,
            digest,
            state: PlanState::Open,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        };
        let signatures = Signatures::default();
        let missing = signatures.missing(&plan.content, None);
        let page = format!("https://guard.example.com/plans/{}", plan.content.id);
        Waiting { plan, page, signatures, missing, newly: true }
    }

    #[test]
    fn what_the_agent_reads() {
        let groups = ["database-owners".to_owned()].into();
        let approvals = Obligation::Approvals { count: 2, groups };
        let (structured, text) =
            told(&waiting(vec![Obligation::Confirmation { text: "i-0123456789abcdef0".into() }, approvals]));
        insta::assert_snapshot!(format!("{text}\n\n{structured:#}"));
    }

    #[test]
    fn what_only_a_person_applies() {
        let (_, text) = told(&waiting(vec![Obligation::Person]));
        insta::assert_snapshot!(text);
    }
}
