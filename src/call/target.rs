//! One thing a call acts on, and how its state is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::also::{self, Known, NotKnown};
use super::refused::{Code, Refused};
use super::tags::{self, Tags};
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::config::{Account, TagRule};
use crate::manifest::expression::Expression;
use crate::manifest::spec::{TagsRead, TargetRead, Targets};
use crate::manifest::template::NotRendered;
use crate::names::{Region, Stage};
use crate::policy::tags::{Standing, standing};
use crate::ports::{CloudError, CloudSession};
use crate::text::escape::quoted;

/// One thing a call acts on. Sensitive values were redacted before anything was taken from AWS's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The name the call uses.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its state as read; null where the manifest reads none, and where the call makes it.
    pub state: Value,
    /// What must not change until the call.
    pub fingerprint: Value,
    /// Its tags, and those of what holds it; of two values for a key its own.
    pub tags: BTreeMap<String, String>,
    /// Its stage: the account's, or a higher one that its tags say.
    pub stage: Stage,
    /// True where something protects it from deletion.
    pub protected: bool,
    /// The team that owns it, by its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Parts of its state that can't be known; they are null in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<NotKnown>,
}

/// Where a target is read, and for which tool.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The account.
    pub account: &'a Account,
    /// The region.
    pub region: &'a Region,
    /// The operation's arguments.
    pub arguments: &'a Value,
    /// The service models, which say what is sensitive.
    pub models: &'a Models,
    /// What tags say of a target.
    pub tag_rules: &'a [TagRule],
}

impl Scene<'_> {
    /// Reads a target's state and tags. One that doesn't exist is refused as [`Code::TargetNotFound`], and one that the
    /// call would make and that exists as [`Code::TargetExists`].
    pub async fn read(self, targets: &Targets, reader: &dyn CloudSession, name: String) -> Result<Target, Refused> {
        let manifest_fault = |error: &dyn std::fmt::Display| also::fault(self, &name, error);
        let arn = targets.arn.render_text(&self.context(&name, None, None)).map_err(|e| manifest_fault(&e))?;
        let main = match &targets.read {
            None => Ok(Value::Null),
            Some(read) => {
                let with = read.with.render(&self.context(&name, Some(&arn), None)).map_err(|e| manifest_fault(&e))?;
                self.main_state(read, reader, &with, &name).await
            }
        };
        if targets.absent {
            return match main {
                Err(absent) if absent.code == Code::TargetNotFound => Ok(self.absent(name, arn)),
                Err(unreadable) => Err(unreadable),
                Ok(_) => Err(self.exists(&name)),
            };
        }
        let state = main?;
        let context = self.context(&name, Some(&arn), Some((&state, &Tags::new())));
        let known = Known { name: &name, context: &context };
        let (state, not_known) = match targets.also.as_slice() {
            [] => (state, Vec::new()),
            _ => also::read(self, targets, reader, known, state).await?,
        };
        let search = |expression: &Option<Expression>| match expression {
            None => Ok(None),
            Some(expression) => expression.search(&state).map(Some).map_err(|e| manifest_fault(&e)),
        };
        let mut fingerprint = search(&targets.fingerprint)?.unwrap_or_else(|| state.clone());
        let mut all_tags = vec![tags::of(&search(&targets.tags)?.unwrap_or_default()).map_err(|e| manifest_fault(&e))?];
        if !targets.tags_read.is_empty() {
            let mut read = Vec::new();
            let context = self.context(&name, Some(&arn), Some((&state, &Tags::new())));
            for how in &targets.tags_read {
                let with = how.with.render(&context).map_err(|e| manifest_fault(&e))?;
                read.push(self.tags(how, reader, with, &name).await?);
            }
            fingerprint = tags::fingerprinted(fingerprint, &read);
            all_tags.extend(read);
        }
        let protected = match search(&targets.protected)? {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(_) => true,
        };
        let Standing { stage, protected, owner } = standing(self.account.stage, protected, &all_tags, self.tag_rules);
        let tags = tags::shown(all_tags);
        Ok(Target { id: name, arn, state, fingerprint, tags, stage, protected, owner, not_known })
    }

    /// What isn't there yet: nothing is known of it but its name.
    fn absent(self, id: String, arn: String) -> Target {
        let Standing { stage, protected, owner } = standing(self.account.stage, false, &[], self.tag_rules);
        let (state, fingerprint, tags) = (Value::Null, Value::Null, BTreeMap::new());
        Target { id, arn, state, fingerprint, tags, stage, protected, owner, not_known: Vec::new() }
    }

    /// The context of a read target's templates (see `manifest/template`).
    pub fn context_of(&self, target: &Target) -> Value {
        self.context(&target.id, Some(&target.arn), Some((&target.state, &target.tags)))
    }

    /// The context of a target that wasn't read: without state and tags.
    pub fn context_named(&self, targets: &Targets, name: &str) -> Result<Value, NotRendered> {
        let arn = targets.arn.render_text(&self.context(name, None, None))?;
        Ok(self.context(name, Some(&arn), None))
    }

    /// The context of a call that has no targets.
    pub fn context_without_target(&self) -> Value {
        let mut context = self.context("", None, None);
        if let Value::Object(members) = &mut context {
            members.shift_remove("target");
        }
        context
    }

    fn context(&self, target: &str, arn: Option<&str>, known: Option<(&Value, &BTreeMap<String, String>)>) -> Value {
        json!({
            "target": target,
            "resource": self.resource(target),
            "arn": arn,
            "state": known.map(|(state, _)| state),
            "tags": known.map(|(_, tags)| tags),
            "arguments": self.arguments,
            "account": self.account.id,
            "account_name": self.account.name,
            "region": self.region,
            "partition": self.region.partition(),
        })
    }

    /// What names a target within the account where it is called by its whole ARN or by a queue's URL; `None` where it is
    /// neither, or of another partition, region or account.
    fn resource<'t>(&self, target: &'t str) -> Option<&'t str> {
        let own = |region: &str, account: &str| {
            (region.is_empty() || region == self.region.as_str()) && (account.is_empty() || account == self.account.id)
        };
        if let Some(arn) = target.strip_prefix("arn:") {
            let mut parts = arn.splitn(5, ':');
            let (partition, _, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            let rest = parts.next()?;
            return (partition == self.region.partition() && own(region, account) && !rest.is_empty()).then_some(rest);
        }
        let (_, path) = target.split_once("://")?.1.split_once('/')?;
        let (account, name) = path.split_once('/')?;
        (account == self.account.id && !name.is_empty() && !name.contains(['/', '?', '#', '%'])).then_some(name)
    }

    /// A target that a manifest knows by its whole ARN or URL is one of the call's own place, and stays what it was called.
    pub fn fits(&self, targets: &Targets, name: &str) -> Result<(), Refused> {
        if !targets.arn.expressions().iter().any(|(_, expression)| expression.text().trim() == "resource") {
            return Ok(());
        }
        let arn = self.resource(name).and_then(|_| targets.arn.render_text(&self.context(name, None, None)).ok());
        if arn.is_some_and(|arn| arn == name || !name.starts_with("arn:")) {
            return Ok(());
        }
        let (account, region) = (&self.account.name, self.region);
        Err(Refused::new(
            Code::InvalidArguments,
            format!(
                "{} is not the whole name of such a thing in account `{account}`, region `{region}`",
                quoted(name, 120)
            ),
            "pass its ARN (for a queue its URL) exactly as a read tool gives it",
        ))
    }

    async fn main_state(
        &self,
        read: &TargetRead,
        reader: &dyn CloudSession,
        with: &Value,
        name: &str,
    ) -> Result<Value, Refused> {
        let fault = |error: &dyn std::fmt::Display| also::fault(*self, name, error);
        match reader.send(&read.operation, with).await {
            Ok(reply) => {
                let output = redact(self.models, &read.operation, Direction::Output, &reply.output);
                let state = read.state.search(&output.map_err(|e| fault(&e))?).map_err(|e| fault(&e))?;
                if state.is_null() { Err(self.not_found(name)) } else { Ok(state) }
            }
            Err(CloudError::Refused { code, .. }) if read.missing.contains(&code) => Err(self.not_found(name)),
            Err(error) => Err(Refused::new(
                Code::TargetUnreadable,
                format!("the present state of {} can't be read with `{}`: {error}", quoted(name, 80), read.operation),
                "without knowing its state nothing is changed; check the name, account and region, or try again later",
            )),
        }
    }

    async fn tags(&self, how: &TagsRead, reader: &dyn CloudSession, with: Value, name: &str) -> Result<Tags, Refused> {
        tags::read(how, reader, self.models, with).await.map_err(|error| {
            Refused::new(
                Code::TargetUnreadable,
                format!("the tags of {} can't be read with `{}`: {error}", quoted(name, 80), how.operation),
                "without knowing its tags nothing is changed; an operator must let the account's `read_role` read \
                 them, or try again later",
            )
        })
    }

    fn exists(&self, name: &str) -> Refused {
        let (account, region) = (&self.account.name, self.region);
        let message = format!(
            "{} exists already in account `{account}`, region `{region}`; this call makes it",
            quoted(name, 80)
        );
        let mend = "choose another name; or look at what is there with a read tool, and change that instead";
        Refused::new(Code::TargetExists, message, mend)
    }

    fn not_found(&self, name: &str) -> Refused {
        let (account, region) = (&self.account.name, self.region);
        let message = format!("{} does not exist in account `{account}`, region `{region}`", quoted(name, 80));
        Refused::new(Code::TargetNotFound, message, "look it up with a read tool first")
    }
}
