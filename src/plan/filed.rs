//! `FiledPlan`: a plan as it lies in the store. It is a record, not a stage: nothing can be applied with it alone.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chain::{Chain, EarlierStep, PlannedStep};
pub use super::change_set::{ChangeSet, ResourceChange};
pub use super::changes::Change;
use super::kept::{Kept, Undone};
pub use crate::call::also::NotKnown;
pub use crate::call::target::Target as PlannedTarget;
use crate::digest::{Digest, NotCanonical};
use crate::names::{Agent, Effect, Human, OperationId, PlanId, Region, Stage};
use crate::ports::{CredentialsNote, SignedRequest};

/// The domain of plan digests; a change of [`PlanContent`]'s form changes it.
pub const PLAN_DOMAIN: &str = "countersign.plan.v1";

/// A filed plan: what was previewed, its digest, and what has become of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FiledPlan {
    /// Everything the digest covers.
    pub content: PlanContent,
    /// The digest computed when it was filed.
    pub digest: Digest,
    /// What has become of it.
    pub state: PlanState,
    /// How it ended: AWS's request id, error, what was reconciled, or why it was rejected; empty while it hasn't.
    pub outcome: Option<String>,
    /// The tool's arguments as the agent gave them, for a person who carries it out; `None` where one of them is
    /// sensitive and so kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// When it was put before people; `None` while it hasn't been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_at: Option<Timestamp>,
    /// What carrying it out has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Box<Kept>>,
    /// What has become of undoing it; `None` while nobody has tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Box<Undone>>,
}

/// What has become of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanState {
    /// Waiting to be applied.
    Open,
    /// Being applied by a living process.
    Applying,
    /// AWS accepted the call.
    Applied,
    /// AWS refused the call; nothing changed.
    Failed,
    /// It is not known whether AWS acted.
    Unknown,
    /// Its time ran out.
    Expired,
    /// A person said no.
    Rejected,
}

impl PlanState {
    /// The word as it is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for PlanState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Everything that is shown to a person and bound by the digest. Sensitive values are redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanContent {
    /// The plan.
    pub id: PlanId,
    /// The tool's name.
    pub tool: String,
    /// The tool's title.
    pub title: String,
    /// Digest of the tool's manifest.
    pub manifest: Digest,
    /// Digest of the policy that decided.
    pub policy: Digest,
    /// The agent that asks.
    pub agent: Agent,
    /// The human it acts for.
    pub human: Human,
    /// Why, in the agent's words.
    pub reason: String,
    /// The account.
    pub account: PlannedAccount,
    /// The region.
    pub region: Region,
    /// The operation that would be called.
    pub operation: OperationId,
    /// The effect, after raising.
    pub effect: Effect,
    /// What raised the effect.
    pub raised: Vec<Raised>,
    /// What it does to which things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PlannedStep>,
    /// The chains of steps that it goes on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Chain>,
    /// What other open plans would do to the same things, as it was when this one was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<EarlierStep>,
    /// What the person is warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The operation's arguments, sensitive values replaced by a mark.
    pub arguments: Value,
    /// Digest of the arguments as they are.
    pub arguments_digest: Digest,
    /// What the call acts on, with its state before.
    pub targets: Vec<PlannedTarget>,
    /// The request, signed and not sent; made from the redacted arguments.
    pub request: SignedRequest,
    /// AWS's own dry run.
    pub dry_run: DryRun,
    /// What depends on the targets.
    pub dependents: Vec<Dependents>,
    /// What it changes, as the manifest says: before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What AWS says it changes, where it can say so before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSet>,
    /// What is taken and verified before the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery_points: Vec<PlannedPoint>,
    /// How it could be undone.
    pub undo: Undo,
    /// The plan that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<Undoes>,
    /// The ticket it is done under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What must be met before it can be applied.
    pub obligations: Vec<Obligation>,
    /// Names of the policies that permit it then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permitted_by: Vec<String>,
    /// The session policy that would narrow these credentials; `None` where no role is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<String>,
    /// Whose credentials would be used.
    pub credentials: CredentialsNote,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

impl PlanContent {
    /// The digest that grants are bound to.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        Digest::of(PLAN_DOMAIN, self)
    }
}

/// The account a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAccount {
    /// Its twelve digits.
    pub id: String,
    /// Its name in the configuration.
    pub name: String,
    /// Its stage.
    pub stage: Stage,
}

/// Why the effect is worse than the manifest's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The effect it was raised to.
    pub to: Effect,
    /// The reason, in the manifest's words.
    pub because: String,
}

impl PlanContent {
    /// The text that whoever confirms it, or carries it out, must type; none where it asks for none.
    pub fn confirmation(&self) -> Option<&str> {
        self.obligations.iter().find_map(|obligation| match obligation {
            Obligation::Confirmation { text } => Some(text.as_str()),
            _ => None,
        })
    }

    /// What can't be known of its targets: each with the target it is about.
    pub fn not_known(&self) -> impl Iterator<Item = (&PlannedTarget, &NotKnown)> {
        self.targets.iter().flat_map(|target| target.not_known.iter().map(move |part| (target, part)))
    }

    /// True where other people must sign it.
    pub fn needs_approvals(&self) -> bool {
        self.obligations.iter().any(|obligation| matches!(obligation, Obligation::Approvals { .. }))
    }

    /// True where a person carries it out, not the agent.
    pub fn is_for_a_person(&self) -> bool {
        self.obligations.contains(&Obligation::Person)
    }

    /// The highest stage of any target, where tags raise it above the account's.
    pub fn raised_stage(&self) -> Option<Stage> {
        self.targets.iter().map(|target| target.stage).max().filter(|highest| *highest > self.account.stage)
    }
}

/// What AWS's own dry run said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum DryRun {
    /// AWS would have let it through.
    Passed,
    /// AWS made a change set of it; see the plan's `change_set`.
    ChangeSet,
    /// AWS offers none for this operation.
    NotOffered,
    /// None was made, because this endpoint can't be trusted with one.
    NotTrusted {
        /// What the canary showed.
        reason: String,
    },
}

/// Things that depend on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependents {
    /// What they are, such as `volumes deleted with it`.
    pub label: String,
    /// The target they depend on.
    pub target: String,
    /// How many; `None` where it could not be found out.
    pub count: Option<u64>,
    /// Some of their names.
    pub sample: Vec<String>,
    /// Why the count isn't known.
    pub unknown_because: Option<String>,
}

/// How the call could be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// By another tool call, itself previewed and confirmed.
    Recipe {
        /// The tool.
        tool: String,
        /// Its arguments. Those of `later` are null until the call has been made.
        arguments: Value,
        /// What will not come back.
        loses: Vec<String>,
        /// Which arguments are known only after the call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        later: Vec<Later>,
        /// What a person does where it fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<String>,
    },
    /// Not at all.
    None {
        /// Why not.
        reason: String,
        /// What a person can do all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<String>,
    },
}

/// A recovery point that is taken of a target before the call, which is sent only once it is usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPoint {
    /// What it is.
    pub label: String,
    /// The target it is of.
    pub target: String,
    /// The name it will be given.
    pub name: String,
    /// The operation that takes it.
    pub operation: OperationId,
    /// The longest wait until it is usable, in seconds.
    pub seconds: u64,
    /// The session policy that would narrow the credentials for taking it; `None` where no role is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<String>,
}

/// The plan that a plan undoes, and what is known of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoes {
    /// The plan.
    pub plan: PlanId,
    /// Its title.
    pub title: String,
    /// Its targets.
    pub targets: Vec<String>,
    /// What will not come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
    /// What was done to its targets since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub since: Vec<String>,
    /// What a person does where the undo fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
}

impl Undo {
    /// What a person does where there is no undo, or where it fails.
    pub fn by_hand(&self) -> Option<&str> {
        match self {
            Self::Recipe { by_hand, .. } | Self::None { by_hand, .. } => by_hand.as_deref(),
        }
    }

    /// The arguments for a reader: what is known only after the call is told as that.
    pub fn shown_arguments(&self) -> Option<Value> {
        let Self::Recipe { arguments, later, .. } = self else { return None };
        let mut shown = arguments.clone();
        for Later { at, from } in later {
            if let Some(place) = shown.pointer_mut(at) {
                *place = Value::from(format!("known only after the call: {from}"));
            }
        }
        Some(shown)
    }
}

/// An argument of an undo that is known only after the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// JSON pointer into the undo's arguments.
    pub at: String,
    /// What it is made from, as the manifest writes it.
    pub from: String,
}

/// What must be met before a plan can be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "obligation", rename_all = "snake_case")]
pub enum Obligation {
    /// The plan must have been shown before.
    Preview,
    /// The person the agent acts for types this text.
    Confirmation {
        /// The exact text.
        text: String,
    },
    /// Other people than the one the agent acts for sign the plan.
    Approvals {
        /// How many.
        count: u32,
        /// Somebody of each of these groups is among them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        groups: BTreeSet<String>,
    },
    /// The call names a ticket. It names none, so it needs another preview.
    Ticket,
    /// A change window is open when it is applied.
    Window,
    /// A person applies it, not the agent.
    Person,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::names::StepKind;
    use crate::plan::chain::ChainKind;

    /// A plan with something in every part.
    pub(crate) fn sample() -> PlanContent {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        PlanContent {
            id: PlanId::from_outside("plan-01jd0000000000000000000000"),
            tool: "ec2_terminate_instances".into(),
            title: "Terminate EC2 instances".into(),
            manifest: Digest::of_bytes("t", b"manifest"),
            policy: Digest::of_bytes("t", b"policy"),
            agent: Agent::new("claude-code"),
            human: Human::new("ann"),
            reason: "the web tier is rebuilt from the new image".into(),
            account: PlannedAccount { id: "210987654321".into(), name: "shop-dev".into(), stage: Stage::Dev },
            region: Region::new("eu-central-1"),
            operation: OperationId::new("ec2", "TerminateInstances"),
            effect: Effect::Irreversible,
            raised: vec![Raised { to: Effect::Irreversible, because: "its disks are instance store".into() }],
            steps: vec![PlannedStep {
                is: StepKind::Delete,
                of: "arn:aws:ec2:eu-central-1:210987654321:instance/i-0123456789abcdef0".into(),
            }],
            chains: vec![Chain {
                kind: ChainKind::TakeApart,
                thing: "arn:aws:ec2:eu-central-1:210987654321:instance/i-0123456789abcdef0".into(),
                step: 2,
                is: StepKind::Delete,
                worst: Effect::Destructive,
                earlier: vec![EarlierStep {
                    plan: PlanId::from_outside("plan-01jc0000000000000000000000"),
                    is: StepKind::Unprotect,
                    of: "arn:aws:ec2:eu-central-1:210987654321:instance/i-0123456789abcdef0".into(),
                    effect: Effect::Destructive,
                    at: at("2026-01-02T09:50:00Z"),
                }],
            }],
            besides: Vec::new(),
            warnings: vec!["its security group lets everybody in".into()],
            arguments: json!({ "InstanceIds": ["i-0123456789abcdef0"] }),
            arguments_digest: Digest::of_bytes("t", b"arguments"),
            targets: vec![PlannedTarget {
                id: "i-0123456789abcdef0".into(),
                arn: "arn:aws:ec2:eu-central-1:210987654321:instance/i-0123456789abcdef0".into(),
                state: json!({ "State": { "Name": "running" }, "InstanceType": "m7g.large", "Volumes": [1, 2] }),
                fingerprint: json!({ "state": "running", "type": "m7g.large" }),
                tags: BTreeMap::from([("Name".into(), "orders-web-1".into()), ("env".into(), "dev".into())]),
                stage: Stage::Dev,
                protected: false,
                owner: None,
                not_known: vec![NotKnown {
                    what: "termination_protection".into(),
                    why: "AWS answered UnauthorizedOperation to ec2:DescribeInstanceAttribute".into(),
                }],
            }],
            request: SignedRequest {
                method: "POST".into(),
                url: "https://ec2.eu-central-1.amazonaws.com/".into(),
                headers: vec![("content-type".into(), "application/x-www-form-urlencoded".into())],
                body: "Action=TerminateInstances&InstanceId.1=i-0123456789abcdef0".into(),
            },
            dry_run: DryRun::Passed,
            dependents: vec![Dependents {
                label: "volumes deleted with it".into(),
                target: "i-0123456789abcdef0".into(),
                count: Some(1),
                sample: vec!["vol-0aaa".into()],
                unknown_because: None,
            }],
            changes: vec![
                Change {
                    target: "i-0123456789abcdef0".into(),
                    what: "state".into(),
                    before: json!("running"),
                    after: json!("terminated"),
                    not_known: None,
                },
                Change {
                    target: "i-0123456789abcdef0".into(),
                    what: "instance store".into(),
                    before: json!({ "disks": 2 }),
                    after: Value::Null,
                    not_known: None,
                },
            ],
            change_set: Some(ChangeSet {
                changes: vec![ResourceChange {
                    logical_id: "Web".into(),
                    action: "Modify".into(),
                    kind: "AWS::EC2::Instance".into(),
                    physical_id: Some("i-0123456789abcdef0".into()),
                    replacement: Some("Conditional".into()),
                    scope: vec!["Properties".into()],
                    properties: vec!["ImageId".into()],
                    names: Vec::new(),
                    policy: Some("ReplaceAndDelete".into()),
                }],
                anew: None,
            }),
            undo: Undo::None { reason: "a terminated instance can't be started again".into(), by_hand: None },
            recovery_points: vec![PlannedPoint {
                label: "snapshot of its volumes".into(),
                target: "i-0123456789abcdef0".into(),
                name: "cs-01jd0000000000000000000000-1".into(),
                operation: OperationId::new("ec2", "CreateSnapshots"),
                seconds: 600,
                session_policy: Some("{}".into()),
            }],
            undoes: None,
            ticket: None,
            obligations: vec![Obligation::Preview, Obligation::Confirmation { text: "i-0123456789abcdef0".into() }],
            permitted_by: Vec::new(),
            session_policy: Some(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:TerminateInstances"}]}"#.into(),
            ),
            credentials: CredentialsNote { role: Some("arn:aws:iam::210987654321:role/countersign-change".into()) },
            created_at: at("2026-01-02T10:00:00Z"),
            expires_at: at("2026-01-02T10:15:00Z"),
        }
    }

    fn leaves(value: &Value) -> Vec<String> {
        let of = |at: String, inner: &Value| match leaves(inner) {
            deeper if deeper.is_empty() => vec![at],
            deeper => deeper.into_iter().map(|path| format!("{at}{path}")).collect(),
        };
        match value {
            Value::Object(members) => members.iter().flat_map(|(key, inner)| of(format!("/{key}"), inner)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().flat_map(|(at, inner)| of(format!("/{at}"), inner)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn digest(value: &Value) -> Digest {
        Digest::of(PLAN_DOMAIN, value).unwrap()
    }

    #[test]
    fn the_digest_is_that_of_the_content_s_json() {
        let sample = sample();
        assert_eq!(sample.digest().unwrap(), digest(&serde_json::to_value(&sample).unwrap()));
    }

    #[test]
    fn a_plan_survives_the_store() {
        let sample = sample();
        let back: PlanContent = serde_json::from_str(&serde_json::to_string(&sample).unwrap()).unwrap();
        assert_eq!(back.digest().unwrap(), sample.digest().unwrap());
    }

    #[test]
    fn taking_out_any_part_changes_the_digest() {
        let whole = serde_json::to_value(sample()).unwrap();
        for path in leaves(&whole) {
            let mut less = whole.clone();
            let (parent, key) = path.rsplit_once('/').unwrap();
            match less.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.shift_remove(key)),
                Value::Array(items) => drop(items.remove(key.parse().unwrap())),
                leaf => panic!("{leaf} has no parts"),
            }
            assert_ne!(digest(&less), digest(&whole), "{path}");
        }
    }

    proptest! {
        #[test]
        fn changing_any_part_changes_the_digest(which in any::<prop::sample::Index>(), new in "\\PC{0,20}") {
            let whole = serde_json::to_value(sample()).unwrap();
            let leaves = leaves(&whole);
            let path = &leaves[which.index(leaves.len())];
            let mut other = whole.clone();
            let place = other.pointer_mut(path).unwrap();
            prop_assume!(*place != json!(new));
            *place = json!(new);
            prop_assert_ne!(digest(&other), digest(&whole));
        }
    }
}
