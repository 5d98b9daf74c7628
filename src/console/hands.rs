//! What the console needs of the chain: to carry a plan out for a person, and what policies say of themselves.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::audit::record::Answered;
use crate::digest::Digest;
use crate::names::Human;
use crate::pipeline::Pipeline;
use crate::plan::filed::FiledPlan;

/// What carries plans out for people. The pipeline is the one there is; tests put others in its place.
#[async_trait]
pub trait Hands: Send + Sync + Debug {
    /// Carries a plan out for somebody who has signed that, through the same stages as an agent's call. What came of it,
    /// in one sentence; the error says why nothing did.
    async fn apply(&self, plan: &FiledPlan, by: &Human) -> Result<String, String>;

    /// What policies say of themselves, by name, where the set of this digest is in force; else nothing.
    fn says(&self, set: Digest, names: &[String]) -> BTreeMap<String, String>;
}

#[async_trait]
impl Hands for Pipeline {
    async fn apply(&self, plan: &FiledPlan, by: &Human) -> Result<String, String> {
        let recorded = self.apply_for(plan, by).await.map_err(|error| {
            tracing::error!(%error, plan = %plan.content.id, "a plan was carried out from the console, and its answer can't be recorded");
            "what came of it can’t be recorded; don’t try again, tell an operator".to_owned()
        })?;
        match recorded.answer() {
            Answered::Result { structured, .. }
                if structured.get("status").is_some_and(|status| status == "applied") =>
            {
                Ok("It was applied.".to_owned())
            }
            // What else comes back is a plan that still waits.
            Answered::Result { .. } => Err("it still waits for somebody else; look at the plan again".to_owned()),
            Answered::Refused(refused) => Err(format!("{}: {}", refused.message, refused.hint)),
            Answered::Suspended(_) => Err("it still waits for somebody; look at the plan again".to_owned()),
        }
    }

    fn says(&self, set: Digest, names: &[String]) -> BTreeMap<String, String> {
        let policies = self.world().policies.now();
        if policies.digest() != set {
            return BTreeMap::new();
        }
        let says = |name: &String| Some((name.clone(), policies.says(name)?.to_owned()));
        names.iter().filter_map(says).collect()
    }
}
