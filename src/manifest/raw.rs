//! A manifest as it is written: `tool-manifests/<service>/<tool>.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) use self::undos::RawUndos;
use crate::document;
use crate::names::{Effect, StepKind};

mod undos;

/// The JSON Schema of a tool's manifest, for editors and for checks.
pub fn tool_schema() -> Value {
    document::schema::of::<RawTool>("https://countersign.dev/schemas/tool-manifest.schema.json")
}

/// The JSON Schema of a family's manifest.
pub fn family_schema() -> Value {
    document::schema::of::<RawFamily>("https://countersign.dev/schemas/family-manifest.schema.json")
}

/// One tool: an AWS operation, what an agent may pass to it, what it touches, how it is previewed and undone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tool manifest")]
pub(super) struct RawTool {
    /// The tool's name, as agents call it.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,40}$"))]
    pub(super) tool: String,
    /// For people, such as `Terminate EC2 instances`.
    #[schemars(length(min = 1, max = 60))]
    pub(super) title: String,
    /// One or two sentences for the model and the person; says what is lost.
    #[schemars(length(min = 1, max = 240))]
    pub(super) summary: String,
    /// Groups tools, such as `ec2`.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,40}$"))]
    pub(super) toolset: String,
    /// Listed by default; all others are called by their operation, through a family, or by their name. Default: only what
    /// lies in one's own folders is listed.
    pub(super) core: Option<bool>,
    /// The AWS operation, such as `ec2:TerminateInstances`.
    pub(super) operation: String,
    /// The least harm it does. Never below IAM's access level of the operation.
    pub(super) effect: Effect,
    /// Members of the operation's input that the agent may pass. Nothing else exists for it.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawInput>")]
    pub(super) input: Map<String, Value>,
    /// Members of the operation's input that the manifest sets itself.
    #[serde(default)]
    pub(super) fixed: Map<String, Value>,
    /// What the call acts on. Required where the effect is `write` or worse.
    pub(super) targets: Option<RawTargets>,
    /// IAM actions on resources: all that the one call's credentials allow.
    #[schemars(length(min = 1))]
    pub(super) scopes: Vec<RawScope>,
    /// Known ways to more permissions (ids such as `lambda-003`) that the scopes contain and that an admin has accepted.
    /// A tool whose scopes contain one that is not named here is refused.
    #[serde(default)]
    pub(super) escalates: Vec<String>,
    /// What is looked at before a change.
    pub(super) preview: Option<RawPreview>,
    /// What raises the effect when the preview shows it. Nothing lowers it.
    #[serde(default)]
    pub(super) raise_effect: Vec<RawRaise>,
    /// What the person is warned of when the preview shows it.
    #[serde(default)]
    pub(super) warn: Vec<RawWarning>,
    /// What is refused when the preview shows it, because AWS could only fail.
    #[serde(default)]
    pub(super) refuse: Vec<RawRefusal>,
    /// What the call is in a chain of steps about one thing, such as a delete and recreate.
    #[serde(default)]
    pub(super) steps: Vec<RawStep>,
    /// What the person types to confirm.
    pub(super) confirm: Option<RawConfirm>,
    /// What is waited for after the call, where AWS only begins it.
    pub(super) wait: Option<RawWait>,
    /// Taken and verified before the call; without them it is not sent.
    #[serde(default)]
    pub(super) recovery_points: Vec<RawRecoveryPoint>,
    /// How a call is undone, or why not: one way, or several of which the first counts whose `when` holds. Required where
    /// the effect is `write` or worse.
    #[schemars(with = "Option<undos::Undo>")]
    pub(super) undo: Option<RawUndos>,
    /// Limits of one call and of an hour.
    #[serde(default)]
    pub(super) limits: RawLimits,
    /// JMESPath over the operation's output: what of a read's answer goes to the agent.
    pub(super) output: Option<String>,
    /// The AWS page this rests on.
    #[schemars(regex(pattern = r"^https://"))]
    pub(super) docs: Option<String>,
}

/// One member of the operation's input. Narrower than AWS's own model, never wider.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInput {
    /// The agent must pass it.
    #[serde(default)]
    pub(super) required: bool,
    /// For the model that calls.
    #[schemars(length(min = 1, max = 200))]
    pub(super) description: Option<String>,
    /// Least number of list items.
    pub(super) min_items: Option<u64>,
    /// Most list items.
    pub(super) max_items: Option<u64>,
    /// Least number.
    pub(super) min: Option<i64>,
    /// Greatest number.
    pub(super) max: Option<i64>,
    /// Only these values.
    #[serde(default)]
    pub(super) one_of: Vec<Value>,
    /// The text, or each text of a list, must match this regular expression from end to end.
    pub(super) pattern: Option<String>,
}

/// What a call acts on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTargets {
    /// JMESPath over the arguments: the name of the target, or a list of names.
    pub(super) each: String,
    /// A target's ARN, with `{expressions}`.
    #[schemars(regex(pattern = r"^arn:"))]
    pub(super) arn: String,
    /// True where the call makes the target: the preview refuses where there is one of that name already. `read` tells.
    #[serde(default)]
    pub(super) absent: bool,
    /// How its state is read. Required where the effect is `write` or worse.
    pub(super) read: Option<RawRead>,
    /// More of its state: what each read gives is put under its name into the state.
    #[serde(default)]
    pub(super) also: BTreeMap<String, RawAlso>,
    /// JMESPath over the state: its tags.
    pub(super) tags: Option<String>,
    /// How tags are read that the state doesn't hold: its own first, then those of what holds it. They may not change
    /// between preview and call.
    #[serde(default)]
    pub(super) tags_read: Vec<RawTagsRead>,
    /// JMESPath over the state: what must not change between preview and call. Default: the whole state.
    pub(super) fingerprint: Option<String>,
    /// JMESPath over the state: true where it is protected from deletion.
    pub(super) protected: Option<String>,
}

/// Reads one target's state.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRead {
    /// A read operation.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// JMESPath over its output: the state. Null means that the target doesn't exist.
    pub(super) state: String,
    /// AWS error codes that mean that the target doesn't exist.
    #[serde(default)]
    pub(super) missing: Vec<String>,
}

/// Reads more of one target's state.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlso {
    /// A read operation.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`; `{state}` is what `read` gives.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// JMESPath over its output: what is put into the state.
    pub(super) state: String,
    /// AWS error codes that mean null: there is no such thing.
    #[serde(default)]
    pub(super) missing: Vec<String>,
    /// After any other error its value is null, and the person is told that it is not known. Otherwise the preview is
    /// refused. For `protected` what is not known counts as no protection, because AWS enforces its own; but there too many
    /// requests, or no answer, refuse all the same.
    #[serde(default)]
    pub(super) optional: bool,
}

/// Reads tags with an operation of their own, all pages of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTagsRead {
    /// A read operation.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// JMESPath over its output: a list of keys and values, or a map.
    pub(super) list: String,
    /// AWS error codes that mean that there are no tags. After any other one the target counts as unreadable.
    #[serde(default)]
    pub(super) untagged: Vec<String>,
}

/// IAM actions on resources.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScope {
    /// Actions, without wildcards.
    #[schemars(length(min = 1))]
    pub(super) actions: Vec<String>,
    /// ARNs, with `{expressions}`.
    #[schemars(length(min = 1))]
    pub(super) resources: Vec<String>,
    /// Why these actions are needed, where AWS's own facts don't say that the operation needs them.
    #[schemars(length(min = 1, max = 200))]
    pub(super) because: Option<String>,
    /// What must hold besides: by operator (`StringEquals`) and key (`aws:ResourceTag/env`), values with
    /// `{expressions}`, one of which matches.
    #[serde(default)]
    pub(super) conditions: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// What is looked at before a change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPreview {
    /// AWS's own dry run.
    #[serde(default)]
    pub(super) dry_run: RawDryRun,
    /// What to count as depending on a target.
    #[serde(default)]
    pub(super) dependents: Vec<RawDependent>,
    /// What is shown as before and after, for each target.
    #[serde(default)]
    pub(super) changes: Vec<RawChange>,
}

/// One row of what a call changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChange {
    /// What changes, such as `desired capacity`.
    #[schemars(length(min = 1, max = 60))]
    pub(super) what: String,
    /// JMESPath over one target's context: what it is now. Null is shown as `none`.
    pub(super) before: String,
    /// JMESPath over the same: what it will be. A row whose two sides are equal is left out.
    pub(super) after: String,
}

/// AWS's own dry run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawDryRun {
    /// EC2's `DryRun`.
    Native,
    /// A change set of CloudFormation, made, read and deleted again; only for `cloudformation:UpdateStack`.
    ChangeSet,
    /// None.
    #[default]
    None,
}

/// Something that depends on a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDependent {
    /// What it is, such as `volumes deleted with it`.
    #[schemars(length(min = 1, max = 120))]
    pub(super) label: String,
    /// A read operation.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// JMESPath over its output: the list of dependents.
    pub(super) list: String,
    /// What the call does to each of them, where that is a step of chains.
    pub(super) step: Option<RawDependentStep>,
}

/// What the call does to what depends on its targets, such as to delete it with them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDependentStep {
    /// What it is.
    pub(super) is: StepKind,
    /// JMESPath over the output that the dependents are listed from: their names at AWS, or their ARNs.
    pub(super) of: String,
}

/// Raises the effect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRaise {
    /// JMESPath over `{arguments, targets: [{id, arn, state, tags}], dependents: [{label, target, count}]}`.
    pub(super) when: String,
    /// To at least this effect.
    pub(super) to: Effect,
    /// Told to the person.
    #[schemars(length(min = 1, max = 200))]
    pub(super) because: String,
}

/// Warns the person, without raising the effect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWarning {
    /// JMESPath over the same as that of `raise_effect`.
    pub(super) when: String,
    /// Told to the person.
    #[schemars(length(min = 1, max = 200))]
    pub(super) because: String,
}

/// Refuses a call that could only fail, before anybody is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefusal {
    /// JMESPath over the same as that of `raise_effect`, and `narrowed`: true where the call's credentials are narrowed to
    /// its scopes.
    pub(super) when: String,
    /// Why it could only fail.
    #[schemars(length(min = 1, max = 300))]
    pub(super) because: String,
    /// What to do instead.
    #[schemars(length(min = 1, max = 300))]
    pub(super) instead: String,
}

/// What the call is in a chain of steps about one thing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStep {
    /// What it is.
    pub(super) is: StepKind,
    /// JMESPath over the same as that of `raise_effect`: true where the call is that. Default: always.
    pub(super) when: Option<String>,
    /// The thing's ARN, with `{expressions}`, where it isn't the target itself.
    #[schemars(regex(pattern = r"^(arn:|\{)"))]
    pub(super) of: Option<String>,
}

/// What the person types to confirm.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfirm {
    /// The exact text, with `{expressions}`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub(super) text: String,
}

/// What is waited for after a call that AWS has accepted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWait {
    /// A waiter of the service's model, such as `DBInstanceDeleted`.
    #[schemars(length(min = 1, max = 80))]
    pub(super) until: String,
    /// The operation that the waiter reads with.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// The longest wait, in seconds. Default: 240.
    #[schemars(range(min = 5, max = 270))]
    pub(super) seconds: Option<u64>,
}

/// Something to go back to, of one target: taken after consent and before the call, which is sent only once it is usable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecoveryPoint {
    /// What it is, such as `manual snapshot`.
    #[schemars(length(min = 1, max = 60))]
    pub(super) label: String,
    /// JMESPath over the same as that of `raise_effect`: it is taken where this holds. Default: always.
    pub(super) when: Option<String>,
    /// The call that takes it.
    pub(super) take: RawTake,
    /// JMESPath over that call's output: what AWS calls it, a text or a list of texts.
    pub(super) id: String,
    /// How it is known that one can go back to it.
    pub(super) usable: RawUsable,
    /// The longest wait until it is usable, in seconds. Default: 600.
    #[schemars(range(min = 5, max = 14400))]
    pub(super) seconds: Option<u64>,
    /// IAM actions on resources: all that taking it needs. It has credentials of its own.
    #[schemars(length(min = 1))]
    pub(super) scopes: Vec<RawScope>,
}

/// Takes a recovery point.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTake {
    /// An operation that adds something and takes nothing away, such as `rds:CreateDBSnapshot`.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`; `{point}` is a fresh name of at most 40 lower-case letters, digits and `-`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
}

/// Tells whether a recovery point is usable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUsable {
    /// A read operation.
    pub(super) operation: String,
    /// Its arguments, with `{expressions}`; `{point}` is the name it was taken with, `{id}` what AWS calls it.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// JMESPath over its output: true where it is usable.
    pub(super) when: String,
    /// JMESPath over its output: true where it never will be.
    pub(super) never: Option<String>,
}

/// A way to undo a call: either `tool` and `with`, or `none` with the reason.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUndo {
    /// JMESPath over the same as that of `raise_effect`. Every way but the last has one.
    pub(super) when: Option<String>,
    /// The tool that undoes it.
    pub(super) tool: Option<String>,
    /// That tool's arguments, with `{expressions}`. `state` and `targets` are as they were before the call; `result` is
    /// AWS's answer to it, and `points` its recovery points (`label`, `target`, `name`, `id`).
    pub(super) with: Option<Map<String, Value>>,
    /// What will not come back.
    #[serde(default)]
    pub(super) loses: Vec<String>,
    /// Why it can't be undone.
    #[schemars(length(min = 1, max = 300))]
    pub(super) none: Option<String>,
    /// What a person does where the undo fails, or where there is none.
    #[schemars(length(min = 1, max = 400))]
    pub(super) by_hand: Option<String>,
}

/// Limits of one call and of an hour.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// Most targets of one call.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) per_call: Option<u32>,
    /// Most targets in an hour, for one agent.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) per_hour: Option<u32>,
}

/// A family: one tool for every operation that no manifest declares.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Family manifest")]
pub(super) struct RawFamily {
    /// The tool's name, as agents call it.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,40}$"))]
    pub(super) family: String,
    /// For people.
    #[schemars(length(min = 1, max = 60))]
    pub(super) title: String,
    /// For the model and the person.
    #[schemars(length(min = 1, max = 400))]
    pub(super) summary: String,
    /// Groups tools.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,40}$"))]
    pub(super) toolset: String,
    /// Takes operations whose least effect by IAM is at least this.
    pub(super) from: Effect,
    /// Takes operations whose least effect by IAM is at most this.
    pub(super) to: Effect,
    /// Treats every operation as having at least this effect.
    pub(super) treat_as: Effect,
    /// Services (`sts`) and operations (`sts:AssumeRole`) it never takes.
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    /// Operations it never calls, because a tool does the same with its guards, or because the call doesn't tell what is
    /// changed.
    #[serde(default)]
    pub(super) refuse: Vec<RawRefusedOperations>,
    /// Operations that are known to do more harm than `treat_as` says.
    #[serde(default)]
    pub(super) worse: Vec<RawWorseOperations>,
    /// Why a call is not undone. Required where it changes something.
    #[schemars(length(min = 1, max = 300))]
    pub(super) undo_none: Option<String>,
    /// Limits of one call and of an hour.
    #[serde(default)]
    pub(super) limits: RawLimits,
}

/// Operations that a family refuses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefusedOperations {
    /// The operations.
    #[schemars(length(min = 1))]
    pub(super) operations: Vec<String>,
    /// Why, for the agent.
    #[schemars(length(min = 1, max = 200))]
    pub(super) because: String,
    /// The tools that do it.
    #[serde(default)]
    pub(super) tools: Vec<String>,
    /// What to do where no tool does it.
    #[schemars(length(min = 1, max = 200))]
    pub(super) hint: Option<String>,
}

/// Operations that a family takes for worse.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorseOperations {
    /// The operations.
    #[schemars(length(min = 1))]
    pub(super) operations: Vec<String>,
    /// The least harm they do.
    pub(super) effect: Effect,
    /// Why, for the person.
    #[schemars(length(min = 1, max = 200))]
    pub(super) because: String,
}
