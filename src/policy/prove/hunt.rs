//! The hunt for an example that reads like a request somebody could make.

use cedar_policy::{Authorizer, Decision, PolicySet};
use cedar_policy_symcc::Env;
use cedar_policy_symcc::solver::Solver;

use super::assume::{Assumption, denial, ordinary, possible};
use super::example::{Example, Likelihood};
use super::slice::{Slice, Symbols, told};
use super::{Compiled, Prover};
use crate::policy::set::Policies;

/// What an example is wanted of.
#[derive(Clone, Copy)]
pub(super) enum Hunted<'a> {
    /// A request that is permitted, in a region where none should be.
    Permitted { by: &'a Compiled<'a>, in_region: &'a PolicySet },
    /// A request that one set permits and the other denies.
    Differs { permitted_by: &'a PolicySet, denied_by: &'a Compiled<'a> },
}

impl<S: Solver> Prover<S> {
    /// The most ordinary example there is. `policies` permit it.
    pub(super) async fn example(
        &mut self,
        hunted: Hunted<'_>,
        policies: &Policies,
        slice: &Slice,
        symbols: &Symbols<'_>,
    ) -> Result<Example, String> {
        let asked = slice.asked.first().ok_or("nothing is asked")?;
        let mut kept = vec![possible()];
        let (mut best, likelihood) = match self.with(hunted, &kept, symbols).await? {
            Some(env) => (env, Likelihood::Possible),
            None => {
                kept.clear();
                let raw = self.with(hunted, &kept, symbols).await?;
                (raw.ok_or("the solver found an example, and then found none")?, Likelihood::Impossible)
            }
        };
        // Many rows at once, and fewer where that leaves no example: most of them hold in most examples.
        let mut blocks = if self.ordinary { vec![ordinary(policies, asked)] } else { Vec::new() };
        while let Some(mut rows) = blocks.pop() {
            let ordinary: Vec<Assumption> = rows.iter().filter_map(|row| row.first().cloned()).collect();
            if ordinary.iter().all(|assumption| fulfils(&best, assumption)) {
                kept.extend(ordinary);
                continue;
            }
            let before = kept.len();
            kept.extend(ordinary);
            // Without an answer the example found so far is as good a proof, only less pretty.
            if let Ok(Some(env)) = self.with(hunted, &kept, symbols).await {
                best = env;
                continue;
            }
            kept.truncate(before);
            if rows.len() > 1 {
                let rest = rows.split_off(rows.len() / 2);
                blocks.extend([rest, rows]);
            } else if let Some(row) = rows.pop().filter(|row| row.len() > 1) {
                blocks.push(vec![row.into_iter().skip(1).collect()]);
            }
        }
        Example::new(best, asked.clone(), likelihood, policies)
    }

    /// An example that fulfils all assumptions, or that there is none.
    async fn with(
        &mut self,
        hunted: Hunted<'_>,
        assumptions: &[Assumption],
        symbols: &Symbols<'_>,
    ) -> Result<Option<Env>, String> {
        let narrow = |set: &PolicySet| {
            let mut narrowed = set.clone();
            narrowed.add(denial(assumptions)?).map_err(|error| error.to_string())?;
            symbols.set(&narrowed)
        };
        match hunted {
            Hunted::Permitted { by, in_region } => {
                let region = narrow(in_region)?;
                self.solver.check_disjoint_with_counterexample_opt(&by.set, &region).await.map_err(told)
            }
            Hunted::Differs { permitted_by, denied_by } => {
                let permitted = narrow(permitted_by)?;
                self.solver.check_implies_with_counterexample_opt(&permitted, &denied_by.set).await.map_err(told)
            }
        }
    }
}

/// Whether an example fulfils an assumption already.
fn fulfils(env: &Env, assumption: &Assumption) -> bool {
    let text = format!("permit (principal, action, resource) when {{ {assumption} }};");
    let Ok(policy) = text.parse::<PolicySet>() else { return false };
    let response = Authorizer::new().is_authorized(&env.request, &policy, &env.entities);
    response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
}
