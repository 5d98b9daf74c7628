//! Proofs about policies: what is told here holds for every agent, resource and circumstance there can be, and for every
//! tool, those to come included. A solver is asked; what it can't answer is not proved.
//!
//! A proof that fails comes with an example: a request that is permitted, and that the authorizer permits again when it
//! is asked. What starts the solver is elsewhere.

mod assume;
mod difference;
mod example;
mod hunt;
pub mod invariants;
mod review;
mod slice;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedar_policy::{Policy, PolicySet};
use cedar_policy_symcc::solver::Solver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, CompiledSchema};

pub use difference::{Difference, Wider};
pub use example::Example;
pub use review::Review;
pub use slice::Asked;

use self::hunt::Hunted;
use self::invariants::{Invariant, Invariants};
use self::slice::{Slice, Symbols, slices, told};
use super::set::Policies;

/// Asks a solver.
#[derive(Debug)]
pub struct Prover<S: Solver> {
    solver: CedarSymCompiler<S>,
    /// Whether examples are to be as ordinary as possible; otherwise any will do, which takes a tenth of the time.
    ordinary: bool,
}

/// What became of an invariant.
#[derive(Debug)]
pub struct Proof {
    /// Its name.
    pub invariant: String,
    /// What must hold.
    pub says: String,
    /// Whether it does.
    pub outcome: Outcome,
}

/// Whether something holds.
#[derive(Debug)]
pub enum Outcome {
    /// It does, always.
    Proved,
    /// It doesn't, for these tools; the example is of the first.
    Fails(Vec<Asked>, Box<Example>),
    /// Nobody knows: the reason. Never to be taken for a proof.
    Unknown(String),
}

/// All that `prove` has to tell.
#[derive(Debug)]
pub struct Report {
    /// Every invariant.
    pub proofs: Vec<Proof>,
    /// What else there is to say of the policies.
    pub review: Review,
    /// Actions there are, those of tools to come included.
    pub actions: usize,
    /// Pairs of an action and an invariant that is about it.
    pub obligations: usize,
    /// So many of them are different, and were proved.
    pub distinct: usize,
}

impl Report {
    /// True where every invariant is proved, and no policy can fail.
    pub fn holds(&self) -> bool {
        let proved = |proof: &Proof| matches!(proof.outcome, Outcome::Proved);
        self.proofs.iter().all(proved) && self.review.can_fail.is_empty()
    }
}

impl<S: Solver> Prover<S> {
    /// Takes a solver.
    ///
    /// # Errors
    /// Where the solver can't be used.
    pub fn new(solver: S) -> Result<Self, String> {
        CedarSymCompiler::new(solver).map(|solver| Self { solver, ordinary: true }).map_err(told)
    }

    /// Proves the invariants, and looks the policies through.
    pub async fn prove(&mut self, policies: &Policies, invariants: &Invariants) -> Report {
        let (proofs, count) = self.invariants(policies, invariants).await;
        let review = self.review(policies).await;
        Report { proofs, review, actions: count.actions, obligations: count.all, distinct: count.distinct }
    }

    /// What is cheap enough for every start and reload: that no policy can fail, and the invariants. Told is what does
    /// not hold, or could not be proved within `limit`; nothing told means that everything holds.
    pub async fn at_load(&mut self, policies: &Policies, invariants: &Invariants, limit: Duration) -> Vec<String> {
        self.ordinary = false;
        let proving = async {
            let mut told: Vec<String> = self.can_fail(policies).await;
            let (proofs, _) = self.invariants(policies, invariants).await;
            told.extend(proofs.iter().filter_map(Proof::bad_news));
            told
        };
        match tokio::time::timeout(limit, proving).await {
            Ok(told) => told,
            Err(_) => vec![format!("the invariants could not be proved within {} s", limit.as_secs())],
        }
    }

    async fn invariants(&mut self, policies: &Policies, invariants: &Invariants) -> (Vec<Proof>, Count) {
        let slices = slices(policies.vocabulary(), &[policies, invariants.compiled()]);
        let mut count = Count { actions: slices.iter().map(|slice| slice.asked.len()).sum(), ..Count::default() };
        let schema = CompiledSchema::new(policies.vocabulary().schema()).map_err(told);
        let mut held: BTreeMap<String, Vec<Held<'_>>> = BTreeMap::new();
        let mut possible: BTreeSet<String> = BTreeSet::new();
        for slice in &slices {
            let concerning = invariants.concerning(&slice.action);
            count.all += slice.asked.len() * concerning.len();
            count.distinct += concerning.len();
            let compiled =
                schema.as_ref().map_err(Clone::clone).and_then(|schema| Compiled::of(schema, policies, slice));
            for invariant in concerning {
                let held = held.entry(invariant.id.clone()).or_default();
                let told = held.iter().any(|held| matches!(held.answer, Answer::Fails(Some(_))));
                let answer = match &compiled {
                    Ok(compiled) => self.one(compiled, invariant, !told).await.unwrap_or_else(Answer::Unknown),
                    Err(error) => Answer::Unknown(error.clone()),
                };
                if !possible.contains(&invariant.id)
                    && let Ok(compiled) = &compiled
                    && self.is_possible(compiled, invariant).await
                {
                    possible.insert(invariant.id.clone());
                }
                held.push(Held { slice, answer });
            }
        }
        let proof = |one: &Invariant| {
            let outcome = match outcome(held.remove(&one.id).unwrap_or_default()) {
                Outcome::Proved if !possible.contains(&one.id) => Outcome::Unknown(EMPTY.to_owned()),
                outcome => outcome,
            };
            Proof { invariant: one.id.clone(), says: one.says.clone(), outcome }
        };
        (invariants.iter().map(proof).collect(), count)
    }

    /// Whether there is any request at all that an invariant describes.
    async fn is_possible(&mut self, compiled: &Compiled<'_>, invariant: &Invariant) -> bool {
        match compiled.symbols.policy(&invariant.policy) {
            Ok(region) => matches!(self.solver.check_never_matches_opt(&region).await, Ok(false)),
            Err(_) => false,
        }
    }

    /// One invariant in one slice. Looking for an example takes longer than all else: one is enough.
    async fn one(
        &mut self,
        compiled: &Compiled<'_>,
        invariant: &Invariant,
        with_example: bool,
    ) -> Result<Answer, String> {
        let region = alone(&invariant.policy)?;
        let symbolic = compiled.symbols.set(&region)?;
        if self.solver.check_disjoint_opt(&compiled.set, &symbolic).await.map_err(told)? {
            return Ok(Answer::Holds);
        }
        if !with_example {
            return Ok(Answer::Fails(None));
        }
        let hunted = Hunted::Permitted { by: compiled, in_region: &region };
        let example = self.example(hunted, compiled.policies, compiled.slice, &compiled.symbols).await;
        let example = example.map_err(|error| format!("it does not hold, and there is no example to tell: {error}"))?;
        Ok(Answer::Fails(Some(Box::new(example))))
    }
}

/// The policies of a slice, with the solver's symbols.
struct Compiled<'a> {
    policies: &'a Policies,
    slice: &'a Slice,
    symbols: Symbols<'a>,
    set: CompiledPolicySet,
}

impl<'a> Compiled<'a> {
    fn of(schema: &'a CompiledSchema, policies: &'a Policies, slice: &'a Slice) -> Result<Self, String> {
        let symbols = Symbols::of(schema, &slice.action)?;
        let set = symbols.set(concerning(policies, slice)?)?;
        Ok(Self { policies, slice, symbols, set })
    }
}

fn concerning<'a>(policies: &'a Policies, slice: &Slice) -> Result<&'a PolicySet, String> {
    policies.concerning(&slice.action).ok_or_else(|| format!("policies know no action {}", slice.action))
}

/// A set of one policy.
fn alone(policy: &Policy) -> Result<PolicySet, String> {
    PolicySet::from_policies([policy.clone()]).map_err(|error| error.to_string())
}

#[derive(Default)]
struct Count {
    actions: usize,
    all: usize,
    distinct: usize,
}

/// An invariant that describes nothing holds whatever the policies say; that is not what its author meant.
const EMPTY: &str = "there is no request that it describes";

/// How an invariant fared in a slice.
struct Held<'a> {
    slice: &'a Slice,
    answer: Answer,
}

enum Answer {
    Holds,
    Fails(Option<Box<Example>>),
    Unknown(String),
}

/// What holds in every slice is proved, and only if it was asked in one. An example counts for more than not knowing.
fn outcome(held: Vec<Held<'_>>) -> Outcome {
    if held.is_empty() {
        return Outcome::Unknown(EMPTY.to_owned());
    }
    let (mut fails, mut first, mut unknown) = (Vec::new(), None, None);
    for Held { slice, answer } in held {
        match answer {
            Answer::Holds => {}
            Answer::Fails(example) => {
                fails.extend(slice.asked.iter().cloned());
                first = first.or(example);
            }
            Answer::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    match (first, unknown) {
        (Some(example), _) => Outcome::Fails(fails, example),
        (None, Some(why)) => Outcome::Unknown(why),
        // Without an example it was not asked for, and there was one before.
        (None, None) if !fails.is_empty() => Outcome::Unknown("it does not hold".to_owned()),
        (None, None) => Outcome::Proved,
    }
}
