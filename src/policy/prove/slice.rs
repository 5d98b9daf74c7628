//! What is the same for many tools, so that it is proved once.
//!
//! All tools take the same principal, resource and context. So two actions that the same policies concern, and whose
//! policies look at the action nowhere but in their head, are one and the same question to a solver.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, CompiledSchema, SymEnv};
use serde_json::Value;

use crate::names::Effect;
use crate::policy::set::{Policies, leaves};
use crate::policy::vocabulary::{ANY, Vocabulary, action};

/// A tool, with an effect it can turn out to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The tool; [`ANY`] stands for those that are not there yet.
    pub tool: String,
    /// The effect.
    pub effect: Effect,
}

/// Actions that are one question.
pub(super) struct Slice {
    /// What is asked, the most telling first. Never empty.
    pub(super) asked: Vec<Asked>,
    /// One of them, for all.
    pub(super) action: EntityUid,
}

/// The policies that concern an action (by their set and name), and the action itself where one of them looks at it.
type Concern = (BTreeSet<(usize, String)>, Option<String>);

/// The actions of a vocabulary, put together where each of `sets` says the same of them.
pub(super) fn slices(vocabulary: &Vocabulary, sets: &[&Policies]) -> Vec<Slice> {
    let looks: BTreeSet<(usize, String)> = (sets.iter().enumerate())
        .flat_map(|(index, set)| set.cedar().policies().map(move |policy| (index, policy)))
        .filter(|(_, policy)| looks_at_action(policy))
        .map(|(index, policy)| (index, policy.id().to_string()))
        .collect();
    let mut found: BTreeMap<Concern, Vec<Asked>> = BTreeMap::new();
    for (tool, _, effect) in leaves(vocabulary) {
        let asked = action(tool, effect);
        let concerned: BTreeSet<(usize, String)> = (sets.iter().enumerate())
            .flat_map(|(index, set)| set.concerning(&asked).into_iter().map(move |policies| (index, policies)))
            .flat_map(|(index, policies)| policies.policies().map(move |policy| (index, policy.id().to_string())))
            .collect();
        let alone = (!concerned.is_disjoint(&looks)).then(|| asked.to_string());
        found.entry((concerned, alone)).or_default().push(Asked { tool: tool.to_owned(), effect });
    }
    let mut slices: Vec<Slice> = found.into_values().filter_map(|asked| Slice::of(asked, vocabulary)).collect();
    slices.sort_by_key(|slice| slice.asked.first().map(|first| (first.tool == ANY, first.effect)));
    slices
}

impl Slice {
    fn of(mut asked: Vec<Asked>, vocabulary: &Vocabulary) -> Option<Self> {
        let usual =
            |one: &Asked| vocabulary.tools().iter().any(|tool| tool.name == one.tool && tool.effect == one.effect);
        // A tool of its own says more to people than a family, which reaches everything, or than a tool yet to come.
        let family = |one: &Asked| one.tool.starts_with("aws_");
        asked.sort_by_key(|one| (one.tool == ANY, family(one), !usual(one), one.tool.clone(), one.effect));
        let action = asked.first().map(|first| action(&first.tool, first.effect))?;
        Some(Self { asked, action })
    }
}

/// True where a policy says `action` in its conditions.
pub(super) fn looks_at_action(policy: &Policy) -> bool {
    // What can't be looked through is taken for one that does: it is proved for every action by itself.
    policy.to_json().map_or(true, |json| json.get("conditions").is_none_or(says_action))
}

fn says_action(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(says_action),
        Value::Object(members) => {
            members.get("Var").is_some_and(|var| var == "action") || members.values().any(says_action)
        }
        _ => false,
    }
}

/// Cedar's symbols for one action, which policies are compiled with.
pub(super) struct Symbols<'a> {
    schema: &'a CompiledSchema,
    env: RequestEnv,
    symbols: SymEnv,
}

impl<'a> Symbols<'a> {
    pub(super) fn of(schema: &'a CompiledSchema, action: &EntityUid) -> Result<Self, String> {
        let all = schema.schema().request_envs().find(|env| env.action() == action);
        let env = all.ok_or_else(|| format!("the schema has no action {action}"))?;
        let symbols = schema.sym_env(&env).map_err(told)?;
        Ok(Self { schema, env, symbols })
    }

    pub(super) fn set(&self, policies: &PolicySet) -> Result<CompiledPolicySet, String> {
        let symbols = self.symbols.clone();
        CompiledPolicySet::compile_with_custom_symenv(policies, &self.env, self.schema.schema(), symbols).map_err(told)
    }

    pub(super) fn policy(&self, policy: &Policy) -> Result<CompiledPolicy, String> {
        let symbols = self.symbols.clone();
        CompiledPolicy::compile_with_custom_symenv(policy, &self.env, self.schema.schema(), symbols).map_err(told)
    }
}

/// Why the solver, or what stands before it, has no answer.
pub(super) fn told(error: cedar_policy_symcc::err::Error) -> String {
    match error {
        cedar_policy_symcc::err::Error::SolverUnknown => "the solver gave up, or ran out of time".to_owned(),
        error => crate::policy::vocabulary::chain_of(&miette::Report::new(error)),
    }
}
