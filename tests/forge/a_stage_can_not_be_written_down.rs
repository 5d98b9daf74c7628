//! Stage types have no public field, so nobody can write one down.

use countersign::audit::record::{Answered, Recorded};
use countersign::approval::redeem::ApprovedPlan;
use countersign::call::refused::{Code, Refused};
use countersign::plan::build::Plan;

fn approved(plan: Plan) -> ApprovedPlan {
    ApprovedPlan { plan, grants: Vec::new() }
}

fn recorded() -> Recorded {
    Recorded { answer: Answered::Refused(Refused::new(Code::Internal, "", "")) }
}

fn main() {}
