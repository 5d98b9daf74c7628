//! `ToolSpec`: one compiled manifest. Only `compile` and `family` of this folder make one.

use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;

use super::expression::Expression;
use super::template::Template;
use crate::digest::Digest;
use crate::names::{Effect, OperationId, StepKind};

/// A tool that was checked: against the service models, IAM's facts and the other manifests.
#[derive(Debug)]
pub struct ToolSpec(Tool);

impl ToolSpec {
    /// Seals a tool that `compile` or `family` has checked.
    pub(super) fn seal(tool: Tool) -> Self {
        Self(tool)
    }
}

impl Deref for ToolSpec {
    type Target = Tool;

    fn deref(&self) -> &Tool {
        &self.0
    }
}

/// What a manifest declares, every reference resolved and checked.
#[derive(Debug)]
pub struct Tool {
    /// `^[a-z0-9_]{1,40}$`.
    pub name: String,
    /// For people, such as `Terminate EC2 instances`.
    pub title: String,
    /// One or two sentences for the model and the person.
    pub summary: String,
    /// Groups tools, such as `ec2`.
    pub toolset: String,
    /// Listed by default; `None`: where it lies in one's own folders.
    pub core: Option<bool>,
    /// The operation it calls.
    pub operation: OperationId,
    /// The least harm it does; a preview can raise it.
    pub effect: Effect,
    /// What the agent may pass. Nothing else exists for it.
    pub input: Vec<InputMember>,
    /// Members the manifest sets itself.
    pub fixed: Vec<(String, Value)>,
    /// What the call acts on; `None` for reads without targets and for families.
    pub targets: Option<Targets>,
    /// Least-privilege scopes of the call.
    pub scopes: Vec<Scope>,
    /// Why no credentials can be narrowed to the call, where that is so.
    pub unscoped: Option<String>,
    /// Known ways to more permissions that the scopes contain, and that an admin has accepted.
    pub escalates: Vec<String>,
    /// AWS's own dry run.
    pub dry_run: DryRunKind,
    /// What the dry run's own session is allowed; empty where it needs none of its own.
    pub dry_run_scopes: Vec<Scope>,
    /// What to count as depending on a target.
    pub dependents: Vec<Dependent>,
    /// What is shown as before and after, for each target.
    pub changes: Vec<ChangeRow>,
    /// What raises the effect.
    pub raise_effect: Vec<RaiseEffect>,
    /// What the person is warned of.
    pub warn: Vec<Warning>,
    /// What is refused because it could only fail.
    pub refuse: Vec<Refusal>,
    /// What the call is in a chain of steps about one thing.
    pub steps: Vec<Step>,
    /// The text to type, where the manifest names one. Context: that of one target.
    pub confirm: Option<Template>,
    /// What is waited for after the call.
    pub wait: Option<Wait>,
    /// What is taken before the call, and verified.
    pub recovery_points: Vec<RecoveryPoint>,
    /// How a call is undone: the first way whose condition holds. The last has none; there always is one.
    pub undo: Vec<UndoWay>,
    /// Limits of one call and of an hour.
    pub limits: Limits,
    /// Projects a read's output; context: the output.
    pub output: Option<Expression>,
    /// The AWS page this rests on.
    pub docs: Option<String>,
    /// Digest of the manifest's text.
    pub digest: Digest,
}

impl Tool {
    /// The operations that its targets, their tags and their dependents are read with, what the call began, and whether
    /// its recovery points are usable.
    pub fn reads(&self) -> impl Iterator<Item = &OperationId> {
        let of_targets = self.targets.iter().flat_map(|targets| {
            let also = targets.also.iter().map(|read| &read.operation);
            let tags = targets.tags_read.iter().map(|read| &read.operation);
            targets.read.iter().map(|read| &read.operation).chain(also).chain(tags)
        });
        let of_dependents = self.dependents.iter().map(|dependent| &dependent.operation);
        let of_points = self.recovery_points.iter().map(|point| &point.usable.operation);
        of_targets.chain(of_dependents).chain(self.wait.iter().map(|wait| &wait.operation)).chain(of_points)
    }
}

/// One member of the operation's input that the agent may pass.
#[derive(Debug)]
pub struct InputMember {
    /// The member's name in the service model.
    pub member: String,
    /// The agent must pass it (the model's requirements hold besides).
    pub required: bool,
    /// For the model that calls; `None`: derived from the service model.
    pub description: Option<String>,
    /// Narrower than the service model.
    pub narrowing: Narrowing,
}

/// Constraints on top of the service model's.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    /// Least number of list items.
    pub min_items: Option<u64>,
    /// Most list items.
    pub max_items: Option<u64>,
    /// Least number.
    pub min: Option<i64>,
    /// Greatest number.
    pub max: Option<i64>,
    /// Only these values.
    pub one_of: Vec<Value>,
    /// The text (or each text of a list) must match, anchored at both ends.
    pub pattern: Option<String>,
}

/// What a call acts on.
#[derive(Debug)]
pub struct Targets {
    /// The targets' names. Context: the operation's arguments. Yields a text or a list of texts.
    pub each: Expression,
    /// A target's ARN. Context: see [`super::template`].
    pub arn: Template,
    /// True where the call makes it: it must not be there yet.
    pub absent: bool,
    /// How its state is read; `None` where it can't be.
    pub read: Option<TargetRead>,
    /// More of its state, each part under a name of its own.
    pub also: Vec<AlsoRead>,
    /// Its tags, as AWS gives them. Context: the state.
    pub tags: Option<Expression>,
    /// Reads of tags that the state doesn't hold: the target's own first, then those of what holds it.
    pub tags_read: Vec<TagsRead>,
    /// What must not change until the call. Context: the state. `None`: the whole state.
    pub fingerprint: Option<Expression>,
    /// True where something protects it from deletion. Context: the state.
    pub protected: Option<Expression>,
}

/// Reads one target's state.
#[derive(Debug)]
pub struct TargetRead {
    /// A read operation.
    pub operation: OperationId,
    /// Its arguments. Context: that of one target, without `state`.
    pub with: Template,
    /// The state in its output; null means the target doesn't exist.
    pub state: Expression,
    /// AWS error codes that mean the target doesn't exist.
    pub missing: Vec<String>,
}

/// Reads more of one target's state.
#[derive(Debug)]
pub struct AlsoRead {
    /// The member of the state that it becomes.
    pub name: String,
    /// A read operation.
    pub operation: OperationId,
    /// Its arguments. Context: that of one target, with the state as [`TargetRead`] gives it.
    pub with: Template,
    /// What is put into the state, in its output.
    pub state: Expression,
    /// AWS error codes that mean null.
    pub missing: Vec<String>,
    /// True where its value is not known after any other error; otherwise the target counts as unreadable.
    pub optional: bool,
}

/// Reads tags with an operation of their own.
#[derive(Debug)]
pub struct TagsRead {
    /// A read operation.
    pub operation: OperationId,
    /// Its arguments. Context: that of one target, without `tags`.
    pub with: Template,
    /// The tags in its output, in one of the forms of [`TAG_FORMS`] or as a map; null means none.
    pub list: Expression,
    /// AWS error codes that mean that there are none.
    pub untagged: Vec<String>,
}

/// What AWS's services call the key and the value of a tag in a list: most of them, KMS, ECS, the newer ones.
pub const TAG_FORMS: [(&str, &str); 4] =
    [("Key", "Value"), ("TagKey", "TagValue"), ("key", "value"), ("tagKey", "tagValue")];

/// IAM actions on resources.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Actions, such as `ec2:TerminateInstances`.
    pub actions: Vec<String>,
    /// ARNs. Context: that of one target.
    pub resources: Vec<Template>,
    /// Why the actions are needed, where IAM's facts don't say so.
    pub because: Option<String>,
    /// What must hold besides; all of them.
    pub conditions: Vec<Condition>,
}

/// A condition of a scope: one of the values matches.
#[derive(Clone, Debug)]
pub struct Condition {
    /// IAM's operator, such as `StringEquals`. None of those that hold where the key is absent.
    pub operator: String,
    /// The key, such as `aws:ResourceTag/env`.
    pub key: String,
    /// The values. Context: that of one target.
    pub values: Vec<Template>,
}

/// What stands in the form of an ARN for what only a call knows.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Such as `aws`.
    pub partition: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// Stands for every other expression: targets' names, arguments, state.
    pub name: &'a str,
}

impl Tool {
    /// The form of an ARN's template at a place. `None` where it asks for `{arn}` and there are no targets.
    pub fn form(&self, template: &Template, place: Place<'_>) -> Option<String> {
        self.form_of(template, place, place.name)
    }

    /// As [`Self::form`], with something else for what of an ARN names its resource (`{resource}`).
    pub fn form_of(&self, template: &Template, place: Place<'_>, resource: &str) -> Option<String> {
        template.form(&|expression| match expression.text().trim() {
            "resource" => Some(resource.to_owned()),
            "partition" => Some(place.partition.to_owned()),
            "account" => Some(place.account.to_owned()),
            "region" => Some(place.region.to_owned()),
            "arn" => {
                let targets = self.targets.as_ref()?;
                targets.arn.form(&|expression| {
                    Some(match expression.text().trim() {
                        "partition" => place.partition.to_owned(),
                        "account" => place.account.to_owned(),
                        "region" => place.region.to_owned(),
                        "resource" => resource.to_owned(),
                        _ => place.name.to_owned(),
                    })
                })
            }
            _ => Some(place.name.to_owned()),
        })
    }
}

/// AWS's own dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRunKind {
    /// EC2's `DryRun` member.
    Native,
    /// A change set of CloudFormation.
    ChangeSet,
    /// None.
    None,
}

/// Something that depends on a target.
#[derive(Debug)]
pub struct Dependent {
    /// What it is, such as `volumes deleted with it`.
    pub label: String,
    /// A read operation.
    pub operation: OperationId,
    /// Its arguments. Context: that of one target.
    pub with: Template,
    /// The list of dependents' names (or objects) in its output; its length is the count.
    pub list: Expression,
    /// What the call does to each of them, where that is a step of chains.
    pub step: Option<DependentStep>,
}

/// What a call does to what depends on its targets.
#[derive(Debug)]
pub struct DependentStep {
    /// What it is.
    pub is: StepKind,
    /// The things' names or ARNs in the output that the dependents are listed from.
    pub of: Expression,
}

/// One row of what a call changes.
#[derive(Debug)]
pub struct ChangeRow {
    /// What changes, such as `desired capacity`.
    pub what: String,
    /// What it is now. Context: that of one target.
    pub before: Expression,
    /// What it will be. Context: that of one target.
    pub after: Expression,
}

/// Raises the effect where the preview shows worse.
#[derive(Debug)]
pub struct RaiseEffect {
    /// True raises. Context: `{arguments, targets: [{id, arn, state, tags}], dependents: [{label, target, count}]}`.
    pub when: Expression,
    /// To at least this effect.
    pub to: Effect,
    /// Told to the person.
    pub because: String,
}

/// Warns the person where the preview shows it.
#[derive(Debug)]
pub struct Warning {
    /// True warns. Context: that of [`RaiseEffect::when`].
    pub when: Expression,
    /// Told to the person.
    pub because: String,
}

/// Refuses a call that could only fail.
#[derive(Debug)]
pub struct Refusal {
    /// True refuses. Context: that of [`RaiseEffect::when`], and `narrowed`.
    pub when: Expression,
    /// Why it could only fail.
    pub because: String,
    /// What to do instead.
    pub instead: String,
}

/// What a call is in a chain of steps about one thing.
#[derive(Debug)]
pub struct Step {
    /// What it is.
    pub is: StepKind,
    /// True where the call is that; `None`: always. Context: that of [`RaiseEffect::when`].
    pub when: Option<Expression>,
    /// The thing's ARN; `None`: the target's. Context: that of one target.
    pub of: Option<Template>,
}

/// What is waited for after a call that AWS has accepted.
#[derive(Debug)]
pub struct Wait {
    /// A waiter of the service's model.
    pub until: String,
    /// What it reads with.
    pub operation: OperationId,
    /// That operation's arguments. Context: that of one target.
    pub with: Template,
    /// The longest wait.
    pub most: Duration,
}

/// Something to go back to, taken of each target after consent and before the call.
#[derive(Debug)]
pub struct RecoveryPoint {
    /// What it is, such as `manual snapshot`.
    pub label: String,
    /// It is taken where this holds; `None`: always. Context: that of [`RaiseEffect::when`].
    pub when: Option<Expression>,
    /// The operation that takes it.
    pub take: OperationId,
    /// That operation's arguments. Context: that of one target, and `point`, its name.
    pub with: Template,
    /// What AWS calls it: a text or a list of texts. Context: the operation's output.
    pub id: Expression,
    /// How it is known that one can go back to it.
    pub usable: Usable,
    /// The longest wait until it is usable.
    pub most: Duration,
    /// All that the credentials for taking it allow. Context: that of one target, and `point`.
    pub scopes: Vec<Scope>,
}

/// Tells whether a recovery point is usable.
#[derive(Debug)]
pub struct Usable {
    /// A read operation.
    pub operation: OperationId,
    /// Its arguments. Context: that of one target, `point` and `id`.
    pub with: Template,
    /// True where it is usable. Context: the operation's output.
    pub when: Expression,
    /// True where it never will be. Context: the operation's output.
    pub never: Option<Expression>,
}

/// One way to undo a call.
#[derive(Debug)]
pub struct UndoWay {
    /// It counts where this holds; `None`: always. Context: that of [`RaiseEffect::when`].
    pub when: Option<Expression>,
    /// How.
    pub how: UndoHow,
    /// What a person does where the undo fails, or where there is none.
    pub by_hand: Option<String>,
}

/// How a call is undone.
#[derive(Debug)]
pub enum UndoHow {
    /// By another tool.
    Recipe {
        /// The tool's name.
        tool: String,
        /// Its arguments. Context: that of one target, with the `state` before the call, `arguments`, `targets`, and what
        /// is known only after the call ([`LATER`]).
        with: Template,
        /// What will not come back.
        loses: Vec<String>,
    },
    /// Not at all.
    None {
        /// Why not.
        reason: String,
    },
}

/// What an undo may use that is known only after the call: AWS's answer, and the recovery points (`label`, `target`,
/// `name`, `id`).
pub const LATER: [&str; 2] = ["result", "points"];

impl UndoWay {
    /// That a call can't be undone, and why.
    pub fn none(reason: impl Into<String>) -> Self {
        Self { when: None, how: UndoHow::None { reason: reason.into() }, by_hand: None }
    }
}

/// Limits that a manifest sets.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Most targets of one call.
    pub per_call: Option<u32>,
    /// Most targets in an hour, for one agent.
    pub per_hour: Option<u32>,
}
