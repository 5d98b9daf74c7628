//! `ResolvedCall` to [`PermittedCall`]: the policy is asked for each target, the strictest answer counts.

use super::rule::{Needs, Policy, Question};
use crate::call::refused::Refused;
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::names::Effect;

/// A call that policy does not forbid, with what it still needs.
#[derive(Debug)]
pub struct PermittedCall {
    call: ResolvedCall,
    effect: Effect,
    needs: Needs,
}

/// Asks the policy. One forbidden target forbids the call.
pub fn decide(call: ResolvedCall, policy: &dyn Policy) -> Result<PermittedCall, Refused> {
    let effect = call.call().spec().effect;
    let needs = strictest(&call, effect, policy)?;
    Ok(PermittedCall { call, effect, needs })
}

impl PermittedCall {
    /// Asks again where the preview shows a worse effect. A lower effect changes nothing.
    pub fn raised_to(mut self, effect: Effect, policy: &dyn Policy) -> Result<Self, Refused> {
        if effect > self.effect {
            let needs = strictest(&self.call, effect, policy)?;
            self.needs = either(self.needs, needs);
            self.effect = effect;
        }
        Ok(self)
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
    pub fn needs(&self) -> Needs {
        self.needs
    }
}

fn strictest(call: &ResolvedCall, effect: Effect, policy: &dyn Policy) -> Result<Needs, Refused> {
    let ask = |target: Option<&Target>| {
        let validated = call.call();
        policy.decide(&Question {
            caller: validated.caller(),
            tool: &validated.spec().name,
            operation: &validated.spec().operation,
            effect,
            account: &validated.account().name,
            stage: target.map_or(validated.account().stage, |target| target.stage),
            target: target.map(|target| target.arn.as_str()),
            protected: target.is_some_and(|target| target.protected),
            scoped_credentials: validated.account().change_role.is_some(),
        })
    };
    let mut needs = ask(None)?;
    for target in call.targets() {
        needs = either(needs, ask(Some(target))?);
    }
    // Mandatory whatever a policy says.
    if effect.needs_preview() {
        needs = either(needs, Needs { approvals: 0, preview: true, confirmation: true });
    }
    Ok(needs)
}

fn either(a: Needs, b: Needs) -> Needs {
    Needs {
        approvals: a.approvals.max(b.approvals),
        preview: a.preview || b.preview,
        confirmation: a.confirmation || b.confirmation,
    }
}
