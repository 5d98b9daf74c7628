//! What one set of policies permits and another does not.

use cedar_policy_symcc::CompiledSchema;
use cedar_policy_symcc::solver::Solver;

use super::hunt::Hunted;
use super::slice::{Asked, Slice, Symbols, slices, told};
use super::{Compiled, Example, Prover, concerning};
use crate::policy::set::Policies;

/// How two sets differ.
#[derive(Debug)]
pub struct Difference {
    /// What only the new set permits.
    pub more: Vec<Wider>,
    /// What only the old set permits.
    pub less: Vec<Wider>,
    /// What could not be found out; where there is any, the sets may differ by more than is told.
    pub unknown: Vec<String>,
}

/// Tools of which one set permits something the other doesn't, in the same way.
#[derive(Debug)]
pub struct Wider {
    /// The tools.
    pub asked: Vec<Asked>,
    /// A request that only one of the sets permits.
    pub example: Example,
}

impl<S: Solver> Prover<S> {
    /// Compares two sets, which must be compiled with the same words.
    pub async fn difference(&mut self, old: &Policies, new: &Policies) -> Difference {
        let mut found = Difference { more: Vec::new(), less: Vec::new(), unknown: Vec::new() };
        let schema = match CompiledSchema::new(new.vocabulary().schema()) {
            Ok(schema) => schema,
            Err(error) => {
                found.unknown.push(told(error));
                return found;
            }
        };
        for slice in &slices(new.vocabulary(), &[old, new]) {
            for (wide, narrow, wider) in [(new, old, &mut found.more), (old, new, &mut found.less)] {
                match self.wider(&schema, slice, wide, narrow).await {
                    Ok(Some(example)) => wider.push(Wider { asked: slice.asked.clone(), example }),
                    Ok(None) => {}
                    Err(why) => found.unknown.push(why),
                }
            }
        }
        found
    }

    /// A request that `wide` permits and `narrow` does not.
    async fn wider(
        &mut self,
        schema: &CompiledSchema,
        slice: &Slice,
        wide: &Policies,
        narrow: &Policies,
    ) -> Result<Option<Example>, String> {
        let denied_by = Compiled::of(schema, narrow, slice)?;
        let permitted_by = concerning(wide, slice)?;
        let symbols = Symbols::of(schema, &slice.action)?;
        let permitted = symbols.set(permitted_by)?;
        if self.solver.check_implies_opt(&permitted, &denied_by.set).await.map_err(told)? {
            return Ok(None);
        }
        let hunted = Hunted::Differs { permitted_by, denied_by: &denied_by };
        self.example(hunted, wide, slice, &symbols).await.map(Some)
    }
}
