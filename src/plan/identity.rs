//! Which plan a call belongs to: a fresh one, or the filed one it names.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::filed::{FiledPlan, PlanState};
use crate::call::refused::{Code, Refused};
use crate::call::validate::{Intention, ValidatedCall};
use crate::config::LimitsConfig;
use crate::names::PlanId;
use crate::ports::{Clock, Store};
use crate::text::escape::quoted;

/// The plan a call belongs to.
#[derive(Debug)]
pub enum Identity {
    /// A plan of its own.
    Fresh {
        /// Its identifier.
        id: PlanId,
        /// When it is made.
        created_at: Timestamp,
        /// From then on it is worth nothing.
        expires_at: Timestamp,
        /// The same where it needs other people.
        expires_with_people: Timestamp,
    },
    /// The plan that was previewed, open and unexpired.
    Filed(Box<FiledPlan>),
}

/// Finds the plan, and refuses one that can't be applied (any more) before anything is asked of AWS.
///
/// `resumed` is the plan that a sealed state names: a client of the newest MCP version calls again with the person's
/// answer, and for a plain write that second call is the first to name the plan.
pub async fn identify(
    call: &ValidatedCall,
    resumed: Option<PlanId>,
    store: &dyn Store,
    clock: &dyn Clock,
    limits: &LimitsConfig,
) -> Result<Identity, Refused> {
    let now = whole_seconds(clock.now());
    let named = match call.intention() {
        Intention::Apply(Some(named)) => Some(named.clone()),
        Intention::Apply(None) => resumed,
        Intention::Read | Intention::Preview => None,
    };
    let Some(id) = named else {
        let after = |lifetime: Duration| {
            let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
            now.checked_add(lifetime).unwrap_or(now)
        };
        return Ok(Identity::Fresh {
            id: PlanId::fresh(),
            created_at: now,
            expires_at: after(limits.plan_ttl),
            expires_with_people: after(limits.approval_ttl),
        });
    };
    let filed = store.plan(&id, now).await.map_err(|error| {
        Refused::new(Code::PlanNotUsable, "the plan can't be read from the store", "make a new preview")
            .with_operator_detail(error.to_string())
    })?;
    match filed {
        Some(filed) if filed.content.human == call.caller().human && filed.content.agent == call.caller().agent => {
            usable(&filed, now)?;
            Ok(Identity::Filed(Box::new(filed)))
        }
        // Somebody else's plan is treated as if there were none: ids tell nothing.
        _ => Err(Refused::new(
            Code::PlanNotUsable,
            format!("there is no plan {} of yours", quoted(id.as_str(), 64)),
            "make a preview with `dry_run: true` and pass the `plan_id` it returns",
        )),
    }
}

/// People read these times; fractions of a second tell them nothing.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn usable(filed: &FiledPlan, now: Timestamp) -> Result<(), Refused> {
    let id = &filed.content.id;
    let again = "make a new preview";
    let (message, hint) = match filed.state {
        PlanState::Open if now < filed.content.expires_at => return Ok(()),
        PlanState::Open | PlanState::Expired => {
            (format!("plan `{id}` expired at {}", filed.content.expires_at), again.to_owned())
        }
        PlanState::Applying => (
            format!("plan `{id}` is being applied now"),
            "a plan is applied once; wait for it with `plan_status`".to_owned(),
        ),
        PlanState::Applied => {
            (format!("plan `{id}` was applied already; a plan is good for one call"), again.to_owned())
        }
        PlanState::Failed => (format!("plan `{id}` was tried already and failed"), again.to_owned()),
        PlanState::Rejected => {
            let why = filed.outcome.as_deref().map(|why| format!(": {}", quoted(why, 500))).unwrap_or_default();
            let hint = "don't ask for the same again: change what was objected to, or tell the person you work for";
            return Err(Refused::new(Code::Rejected, format!("plan `{id}` was rejected{why}"), hint));
        }
        PlanState::Unknown => (
            format!("plan `{id}` was tried and its outcome is not known yet"),
            "don't repeat it; ask `plan_status`, which reads the targets".to_owned(),
        ),
    };
    Err(Refused::new(Code::PlanNotUsable, message, hint))
}

impl Identity {
    /// The plan's identifier.
    pub fn id(&self) -> &PlanId {
        match self {
            Self::Fresh { id, .. } => id,
            Self::Filed(filed) => &filed.content.id,
        }
    }

    /// When it was made, and when it expires; people other than the one the agent acts for take longer.
    pub fn times(&self, needs_people: bool) -> (Timestamp, Timestamp) {
        match self {
            Self::Fresh { created_at, expires_with_people, .. } if needs_people => (*created_at, *expires_with_people),
            Self::Fresh { created_at, expires_at, .. } => (*created_at, *expires_at),
            Self::Filed(filed) => (filed.content.created_at, filed.content.expires_at),
        }
    }
}
