//! `ResolvedCall` to [`PermittedCall`]: the policies are asked for each target, the strictest answer counts.

use std::sync::Arc;

use jiff::Timestamp;

use super::obligations::{self, Needs};
use super::question::{Circumstances, Evidence, Question, Resource, kind_of};
use super::reasons;
use super::set::{Policies, Verdict};
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::call::validate::{Intention, ValidatedCall};
use crate::digest::Digest;
use crate::names::Effect;

/// A call that policies do not forbid, with what it still needs.
#[derive(Debug)]
pub struct PermittedCall {
    call: ResolvedCall,
    effect: Effect,
    needs: Needs,
    circumstances: Circumstances,
    policies: Arc<Policies>,
}

/// Asks the policies. One forbidden target forbids the call; so does anything that can't be decided.
pub fn decide(
    call: ResolvedCall,
    policies: &Arc<Policies>,
    circumstances: Circumstances,
) -> Result<PermittedCall, Refused> {
    let effect = call.call().spec().effect;
    let resources = call.size();
    let circumstances = Circumstances { resources, ..circumstances };
    let needs = match call.call().intention() {
        // The answer of a read comes at once: what needs consent can't be had as a read.
        Intention::Read => permitted(&call, effect, policies, &Evidence::default(), &circumstances)?,
        Intention::Preview | Intention::Apply(_) => strictest(&call, effect, policies, &circumstances)?,
    };
    Ok(PermittedCall { call, effect, needs, circumstances, policies: Arc::clone(policies) })
}

/// Refuses before anything is read at AWS what no target could make permitted: an account that is not the agent's, an
/// agent that has expired, a tool that it is not shown (`visible`).
pub fn at_home(
    call: &ValidatedCall,
    policies: &Policies,
    circumstances: &Circumstances,
    visible: bool,
) -> Result<(), Refused> {
    let agent = policies.people().agents.get(&call.caller().agent);
    let lives = |expires: Option<Timestamp>| expires.is_none_or(|expires| circumstances.now < expires);
    if visible && agent.is_some_and(|agent| agent.accounts.contains(&call.account().name) && lives(agent.expires)) {
        return Ok(());
    }
    let whole = Resource::whole_account(call.account(), call.region(), call.spec().operation.service());
    let question = question(call, call.spec().effect, circumstances, whole);
    let evidence = Evidence::default();
    let verdict = policies.ask(&question, &evidence);
    Err(refusal(policies, &question, &evidence, &verdict))
}

impl PermittedCall {
    /// Asks again with what the preview shows: a worse effect, and what depends on the targets (`None` where that is not
    /// known). A lower effect changes nothing.
    pub fn with_preview(mut self, effect: Effect, dependents: Option<u64>) -> Result<Self, Refused> {
        let effect = effect.max(self.effect);
        if effect != self.effect || dependents != self.circumstances.dependents {
            self.circumstances.dependents = dependents;
            let needs = strictest(&self.call, effect, &self.policies, &self.circumstances)?;
            self.needs = self.needs.and(needs);
            self.effect = effect;
        }
        Ok(self)
    }

    /// Asks a last time, with the consent there really is and the circumstances as they are now. Only this permits.
    pub fn permits(&self, evidence: &Evidence, now: Circumstances) -> Result<(), Refused> {
        let now =
            Circumstances { resources: self.circumstances.resources, dependents: self.circumstances.dependents, ..now };
        permitted(&self.call, self.effect, &self.policies, evidence, &now).map(|_| ())
    }

    /// The call.
    pub fn call(&self) -> &ResolvedCall {
        &self.call
    }

    /// The effect it was judged by.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// What it still needs.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// True where the operation returns a secret or credentials.
    pub fn reveals_secret(&self) -> bool {
        self.circumstances.reveals_secret
    }

    /// Names the set of policies that decided.
    pub fn policy(&self) -> Digest {
        self.policies.digest()
    }
}

/// Asks for each target with the consent there is.
fn permitted(
    call: &ResolvedCall,
    effect: Effect,
    policies: &Policies,
    evidence: &Evidence,
    circumstances: &Circumstances,
) -> Result<Needs, Refused> {
    let mut needs = Needs::default();
    for question in questions(call, effect, circumstances, policies) {
        match policies.ask(&question, evidence) {
            Verdict::Permitted { by } => needs.permitted_by.extend(by),
            denied => return Err(refusal(policies, &question, evidence, &denied)),
        }
    }
    Ok(needs)
}

fn strictest(
    call: &ResolvedCall,
    effect: Effect,
    policies: &Policies,
    circumstances: &Circumstances,
) -> Result<Needs, Refused> {
    let mut needs = Needs::default();
    for question in questions(call, effect, circumstances, policies) {
        let found = obligations::find(policies, &question)
            .map_err(|denied| refusal(policies, &question, &Evidence::default(), &denied))?;
        needs = needs.and(found);
    }
    Ok(needs.at_least_for(effect))
}

/// One for each target; for a call without targets one about its account.
fn questions(call: &ResolvedCall, effect: Effect, circumstances: &Circumstances, policies: &Policies) -> Vec<Question> {
    let validated = call.call();
    let about = |resource: Resource| question(validated, effect, circumstances, resource);
    match call.targets() {
        [] => {
            let service = validated.spec().operation.service();
            let mut whole = Resource::whole_account(validated.account(), validated.region(), service);
            if effect != Effect::Read {
                whole.stage = whole.stage.max(policies.people().highest_by_tags.unwrap_or(whole.stage));
            }
            vec![about(whole)]
        }
        targets => targets.iter().map(|target| about(resource(target))).collect(),
    }
}

fn question(call: &ValidatedCall, effect: Effect, circumstances: &Circumstances, resource: Resource) -> Question {
    Question {
        agent: call.caller().agent.clone(),
        human: call.caller().human.clone(),
        tool: call.spec().name.clone(),
        effect,
        operation: call.spec().operation.clone(),
        account: call.account().clone(),
        region: call.region().clone(),
        resource,
        circumstances: circumstances.clone(),
    }
}

fn resource(target: &Target) -> Resource {
    Resource {
        arn: target.arn.clone(),
        kind: kind_of(&target.arn),
        stage: target.stage,
        protected: target.protected,
        owner: target.owner.clone(),
        tags: target.tags.clone(),
    }
}

fn refusal(policies: &Policies, question: &Question, evidence: &Evidence, denied: &Verdict) -> Refused {
    let reasons = reasons::why(policies, question, evidence, denied);
    let data = reasons.data();
    Refused::new(Code::Forbidden, reasons.message, reasons.hint).with_data(data)
}
