//! Looks at the circumstances of a call: the clock, the calendar, and what happened before.

use super::in_force::InForce;
use super::question::Circumstances;
use crate::audit::breakers::open_tripped;
use crate::aws::iam::IamFacts;
use crate::call::refused::{Code, Refused};
use crate::call::request::CONSOLE;
use crate::call::validate::ValidatedCall;
use crate::config::{Config, Trust};
use crate::names::{Agent, Effect, SessionId};
use crate::ports::{Clock, Counted, Store};

/// Where circumstances are looked up.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What happened before.
    pub store: &'a dyn Store,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Which operations return secrets.
    pub iam: &'a IamFacts,
    /// The policies in force.
    pub policies: &'a InForce,
}

impl Surroundings<'_> {
    /// The circumstances now. Where they can't be known the call goes no further.
    pub async fn of(&self, call: &ValidatedCall) -> Result<Circumstances, Refused> {
        let now = self.clock.now();
        let caller = call.caller();
        let who = counted(&caller.agent, &caller.session, &call.account().id);
        let tally = open_tripped(self.store, self.clock, &self.config.breakers, &who).await.map_err(|error| {
            let message = "what this agent did before can't be read from the store";
            Refused::new(Code::Internal, message, "tell an operator; then try again")
                .with_operator_detail(error.to_string())
        })?;
        let account = call.account();
        // All but plain reads go under the role for changing.
        let role = if call.spec().effect == Effect::Read { &account.read_role } else { &account.change_role };
        Ok(Circumstances {
            now,
            ticket: call.ticket().map(str::to_owned),
            window_open: self.config.windows.at(now).open,
            resources: 1,
            dependents: Some(0),
            changed_in_session: tally.changed_in_session.into(),
            changed_in_hour: tally.changed_in_hour.into(),
            errors_in_hour: tally.errors_in_hour.into(),
            denials_in_hour: tally.denials_in_hour.into(),
            breaker_open: !tally.open.is_empty(),
            reveals_secret: self.iam.reveals(&call.spec().operation).is_some() || call.spec().effect == Effect::Secret,
            scoped_credentials: role.is_some(),
            client: caller.client.name.clone(),
            client_trust: match caller.client.name.as_str() {
                CONSOLE => Trust::Managed,
                name => self.config.clients.get(name).copied().unwrap_or_default(),
            },
            source_ip: caller.source,
        })
    }
}

/// For whom a request is counted.
pub fn counted(agent: &Agent, session: &SessionId, account: &str) -> Counted {
    Counted { agent: agent.clone(), session: session.clone(), account: account.to_owned() }
}
