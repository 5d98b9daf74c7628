//! Stage types have no public field, so nobody can write one down.

use countersign::audit::record::{Answered, Recorded};
use countersign::approval::redeem::ApprovedPlan;
use countersign::call::refused::{Code, Refused};
use countersign::plan::build::Plan;
use countersign::policy::question::Evidence;

fn approved(plan: Plan, evidence: Evidence) -> ApprovedPlan {
    ApprovedPlan { plan, grants: Vec::new(), evidence }
}

fn recorded() -> Recorded {
    Recorded { answer: Answered::Refused(Refused::new(Code::Internal, "", "")) }
}

fn main() {}
