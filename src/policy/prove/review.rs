//! What there is to say of single policies: that none can fail, which never match, which change nothing.

use cedar_policy::{EntityUid, Policy, PolicySet};
use cedar_policy_symcc::CompiledSchema;
use cedar_policy_symcc::solver::Solver;

use super::Prover;
use super::slice::{Slice, Symbols, slices, told};
use crate::policy::set::Policies;
use crate::policy::shipped::{self, PROFILES};

/// In larger sets it isn't looked for policies that change nothing: each has to be held against all others.
const MOST_FOR_REDUNDANCY: usize = 200;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Policies that could fail when they are evaluated, or of which nobody knows; with the reason. Cedar skips a policy
    /// that fails, so none may.
    pub can_fail: Vec<String>,
    /// Policies that match no request there can be.
    pub dead: Vec<String>,
    /// Policies without which exactly the same would be permitted. Shipped ones are not among them: they are there for
    /// what is added.
    pub redundant: Vec<String>,
    /// What could not be found out.
    pub unknown: Vec<String>,
}

impl<S: Solver> Prover<S> {
    /// Looks a set through.
    pub(super) async fn review(&mut self, policies: &Policies) -> Review {
        let can_fail = self.can_fail(policies).await;
        let mut review = Review { can_fail, ..Review::default() };
        let schema = match CompiledSchema::new(policies.vocabulary().schema()) {
            Ok(schema) => schema,
            Err(error) => {
                review.unknown.push(told(error));
                return review;
            }
        };
        let slices = slices(policies.vocabulary(), &[policies]);
        for policy in sorted(policies) {
            let id = policy.id().to_string();
            match self.is_dead(&schema, policies, &slices, &policy).await {
                Ok(true) => review.dead.push(id),
                Ok(false) if policies.len() > MOST_FOR_REDUNDANCY || is_shipped(&policy) => {}
                Ok(false) => match self.is_redundant(&schema, policies, &slices, &policy).await {
                    Ok(true) => review.redundant.push(id),
                    Ok(false) => {}
                    Err(why) => review.unknown.push(format!("whether `{id}` changes anything: {why}")),
                },
                Err(why) => review.unknown.push(format!("whether `{id}` ever matches: {why}")),
            }
        }
        review
    }

    /// Policies that could fail when they are evaluated.
    pub(super) async fn can_fail(&mut self, policies: &Policies) -> Vec<String> {
        let schema = match CompiledSchema::new(policies.vocabulary().schema()) {
            Ok(schema) => schema,
            Err(error) => return vec![told(error)],
        };
        let slices = slices(policies.vocabulary(), &[policies]);
        let mut found = Vec::new();
        for policy in sorted(policies) {
            for slice in concerned(&slices, policies, &policy) {
                let why = match self.fails(&schema, &slice.action, &policy).await {
                    Ok(false) => continue,
                    Ok(true) => "can fail when it is evaluated, and would be skipped".to_owned(),
                    Err(why) => format!("is not proved never to fail: {why}"),
                };
                found.push(format!("`{}` {why}", policy.id()));
                break;
            }
        }
        found
    }

    async fn fails(&mut self, schema: &CompiledSchema, action: &EntityUid, policy: &Policy) -> Result<bool, String> {
        let compiled = Symbols::of(schema, action)?.policy(policy)?;
        self.solver.check_never_errors_opt(&compiled).await.map(|never| !never).map_err(told)
    }

    async fn is_dead(
        &mut self,
        schema: &CompiledSchema,
        policies: &Policies,
        slices: &[Slice],
        policy: &Policy,
    ) -> Result<bool, String> {
        for slice in concerned(slices, policies, policy) {
            let compiled = Symbols::of(schema, &slice.action)?.policy(policy)?;
            if !self.solver.check_never_matches_opt(&compiled).await.map_err(told)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_redundant(
        &mut self,
        schema: &CompiledSchema,
        policies: &Policies,
        slices: &[Slice],
        policy: &Policy,
    ) -> Result<bool, String> {
        for slice in concerned(slices, policies, policy) {
            let Some(all) = policies.concerning(&slice.action) else { continue };
            let others = all.policies().filter(|other| other.id() != policy.id()).cloned();
            let others = PolicySet::from_policies(others).map_err(|error| error.to_string())?;
            let symbols = Symbols::of(schema, &slice.action)?;
            let (with, without) = (symbols.set(all)?, symbols.set(&others)?);
            if !self.solver.check_equivalent_opt(&with, &without).await.map_err(told)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn sorted(policies: &Policies) -> Vec<Policy> {
    let mut all: Vec<Policy> = policies.cedar().policies().cloned().collect();
    all.sort_by_key(|policy| policy.id().to_string());
    all
}

fn is_shipped(policy: &Policy) -> bool {
    let text = policy.to_cedar().unwrap_or_default();
    PROFILES.into_iter().flat_map(shipped::sources).any(|source| !text.is_empty() && source.text().contains(&text))
}

/// The slices that a policy concerns.
fn concerned<'a>(slices: &'a [Slice], policies: &'a Policies, policy: &'a Policy) -> impl Iterator<Item = &'a Slice> {
    slices.iter().filter(|slice| {
        policies.concerning(&slice.action).is_some_and(|concerning| concerning.policy(policy.id()).is_some())
    })
}
