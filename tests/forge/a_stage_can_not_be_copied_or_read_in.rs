//! No stage can be cloned, made from nothing, or read from outside.

use countersign::approval::redeem::ApprovedPlan;
use countersign::audit::record::Recorded;
use countersign::call::resolve::ResolvedCall;
use countersign::call::validate::ValidatedCall;
use countersign::execute::arm::ArmedCall;
use countersign::execute::run::Outcome;
use countersign::manifest::spec::ToolSpec;
use countersign::plan::build::Plan;
use countersign::policy::decide::PermittedCall;

fn cloned<T: Clone>() {}
fn made_from_nothing<T: Default>() {}
fn read_in<T: serde::de::DeserializeOwned>() {}

fn main() {
    cloned::<ToolSpec>();
    cloned::<ValidatedCall>();
    cloned::<ResolvedCall>();
    cloned::<PermittedCall>();
    cloned::<Plan>();
    cloned::<ApprovedPlan>();
    cloned::<ArmedCall>();
    cloned::<Outcome>();
    cloned::<Recorded>();
    made_from_nothing::<ToolSpec>();
    made_from_nothing::<ValidatedCall>();
    made_from_nothing::<ResolvedCall>();
    made_from_nothing::<PermittedCall>();
    made_from_nothing::<Plan>();
    made_from_nothing::<ApprovedPlan>();
    made_from_nothing::<ArmedCall>();
    made_from_nothing::<Outcome>();
    made_from_nothing::<Recorded>();
    read_in::<ToolSpec>();
    read_in::<ValidatedCall>();
    read_in::<ResolvedCall>();
    read_in::<PermittedCall>();
    read_in::<Plan>();
    read_in::<ApprovedPlan>();
    read_in::<ArmedCall>();
    read_in::<Outcome>();
    read_in::<Recorded>();
}
