//! What is needed besides to take recovery points, and to look again when it was some time ago.

use std::sync::Arc;

use serde_json::Value;

use super::{ResolvedCall, Seen, open_reader, scene, scoping, session_request};
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::call::refused::{Code, Refused};
use crate::credentials::session_policy::SessionPolicy;
use crate::names::PlanId;
use crate::plan::points::Due;
use crate::ports::{Cloud, CloudSession, Purpose, SessionRequest};

impl ResolvedCall {
    /// The service models it was resolved with.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The operation's arguments without what the service model calls sensitive; null where that can't be told.
    pub fn arguments_to_show(&self) -> Value {
        redact(&self.models, &self.call.spec().operation, Direction::Input, self.call.arguments()).unwrap_or_default()
    }

    /// The context of a recovery point's templates: that of its target, and `point`.
    pub fn point_context(&self, due: &Due<'_>) -> Value {
        let mut context = scene(&self.call, &self.models, &self.tag_rules).context_of(due.target);
        if let Value::Object(members) = &mut context {
            members.insert("point".to_owned(), Value::from(due.name.as_str()));
        }
        context
    }

    /// What the credentials that take a recovery point may do.
    pub fn point_policy(&self, cloud: &dyn Cloud, due: &Due<'_>) -> Result<SessionPolicy, Refused> {
        let contexts = [self.point_context(due)];
        scoping(&self.call, cloud, &self.iam).taking(self.call.spec(), due.point, &contexts)
    }

    /// A session with credentials of its own, which are good for taking one recovery point only.
    pub async fn taker(
        &self,
        cloud: &dyn Cloud,
        plan: &PlanId,
        due: &Due<'_>,
    ) -> Result<Arc<dyn CloudSession>, Refused> {
        let request = SessionRequest {
            plan: Some(plan.clone()),
            ticket: self.call.ticket().map(str::to_owned),
            ..session_request(&self.call, Purpose::Change, self.point_policy(cloud, due)?)
        };
        cloud.open(request).await.map_err(|error| {
            Refused::new(
                Code::AwsRefused,
                format!("no credentials for a recovery point in account `{}`: {error}", self.call.account().name),
                "nothing was changed; an operator must check the account's `change_role`",
            )
        })
    }

    /// A session with read-only credentials for this call that were looked up now.
    pub async fn reader_anew(&self, cloud: &dyn Cloud) -> Result<Arc<dyn CloudSession>, Refused> {
        open_reader(&self.call, self.contexts(), cloud, &self.iam).await
    }

    /// As [`Self::read_again`], with credentials that were looked up now: the first ones may have expired.
    pub async fn read_anew(&self, cloud: &dyn Cloud) -> Result<Vec<Seen>, Refused> {
        let reader = self.reader_anew(cloud).await?;
        self.read_with(&*reader).await
    }
}
