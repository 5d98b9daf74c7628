//! Chains: steps about one thing that are harmless one by one, and together delete and recreate it or take it apart.
//!
//! What a call is a step of comes from its manifest, where that says so, and from the verb of its operation otherwise. It is
//! held against the steps of plans that were carried out before, by the same agent or for the same human, in the same
//! account. The call then takes the worst effect of all steps.
//!
//! Two things are one where their ARNs can mean the same, whatever their case and with wildcards on either side. A call of a
//! family names no ARN: its things are the names in its arguments, which are one with whatever bears that name. That finds
//! too much rather than too little. What it doesn't find: a thing under another name, other agents of other humans, and what
//! is older than the configured time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effects::{holds, seen};
use super::filed::{Dependents, Raised};
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::manifest::spec::{Step, Tool};
use crate::names::{Effect, PlanId, StepKind};
use crate::roles::glob;
use crate::text::escape::quoted;

/// Earlier steps of a chain that are told, the newest.
const MOST_TOLD: usize = 20;

/// Names that a call of a family can be about. One with more is refused: the one that matters could be behind them.
const MOST_NAMES: usize = 200;

/// The longest name of a thing, in characters: that of an ARN.
const LONGEST_NAME: usize = 2048;

/// How the unknown end of a secret's ARN is written.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>
const SECRET_END: &str = "-??????";

/// So many different kinds of steps against one thing are destructive, whatever each of them is.
const TOO_MANY_KINDS: usize = 3;

/// What a call does to one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedStep {
    /// What it does.
    pub is: StepKind,
    /// To what: an ARN, or a name in the arguments of a family's call.
    pub of: String,
}

/// A step that another plan took, or would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierStep {
    /// The plan.
    pub plan: PlanId,
    /// What it does.
    pub is: StepKind,
    /// To what.
    pub of: String,
    /// The plan's effect.
    pub effect: Effect,
    /// When it was carried out; for an open plan when it was made.
    pub at: Timestamp,
}

/// A chain that a call goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Which one.
    pub kind: ChainKind,
    /// The thing, as this call names it.
    pub thing: String,
    /// Which step this call is; the first is 1.
    pub step: u32,
    /// What this step does.
    pub is: StepKind,
    /// The worst effect of the steps before, or of all together.
    pub worst: Effect,
    /// The steps before, oldest first; of very many the newest.
    pub earlier: Vec<EarlierStep>,
}

/// What steps amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// It was taken away, and is made anew.
    Recreate,
    /// Step by step something is taken from it.
    TakeApart,
}

impl Chain {
    /// The chain in words: `third step of a delete-and-recreate of "prod-orders"`.
    pub fn words(&self) -> String {
        let (which, thing) = (ordinal(self.step), quoted(short(&self.thing), 80));
        match self.kind {
            ChainKind::Recreate => format!("{which} step of a delete-and-recreate of {thing}"),
            ChainKind::TakeApart => format!("{which} step of taking {thing} apart"),
        }
    }
}

impl EarlierStep {
    /// What it does and to what, with its plan: `deletes "prod-orders" (plan-...)`.
    pub fn words(&self) -> String {
        format!("{} {} ({})", self.is.words(), quoted(short(&self.of), 80), self.plan)
    }
}

/// What a call does to which things. A manifest's condition that can't be evaluated counts as met. `shown` are the arguments
/// without anything sensitive.
///
/// # Errors
/// Where a family's call names more than can be held against what was done before.
pub fn of_call(call: &ResolvedCall, dependents: &[Dependents], shown: &Value) -> Result<Vec<PlannedStep>, Refused> {
    let spec = call.call().spec();
    let verb = by_verb(spec.operation.name());
    let steps: BTreeSet<PlannedStep> = match (&spec.targets, spec.steps.as_slice()) {
        (None, _) => {
            let is = verb.unwrap_or(StepKind::Weaken);
            let about = if harmless(spec.operation.name()) { Vec::new() } else { names(spec, shown)? };
            about.into_iter().map(|of| PlannedStep { is, of }).collect()
        }
        (Some(_), []) => {
            let to_all = |is: StepKind| call.targets().iter().map(move |t| PlannedStep { is, of: t.arn.clone() });
            verb.into_iter().flat_map(to_all).collect()
        }
        (Some(_), declared) => {
            let context = seen(call, dependents);
            let met = |step: &&Step| step.when.as_ref().is_none_or(|when| holds(when, &context));
            declared.iter().filter(met).flat_map(|step| of_targets(step, call)).collect()
        }
    };
    Ok(steps.into_iter().collect())
}

/// A step about each target, or about what the manifest says it is about. Where that gives nothing it is the target itself.
fn of_targets<'a>(step: &'a Step, call: &'a ResolvedCall) -> impl Iterator<Item = PlannedStep> + 'a {
    call.targets().iter().map(|target| {
        let declared = step.of.as_ref().and_then(|of| of.render_text(&call.context(target)).ok());
        PlannedStep { is: step.is, of: declared.unwrap_or_else(|| target.arn.clone()) }
    })
}

/// The chains that some steps go on with, given the steps that were taken before.
pub fn recognise(steps: &[PlannedStep], taken: &[EarlierStep]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for step in steps {
        let mut before: Vec<&EarlierStep> = taken.iter().filter(|earlier| same_thing(&earlier.of, &step.of)).collect();
        before.sort_by(|a, b| (a.at, &a.plan, a.is).cmp(&(b.at, &b.plan, b.is)));
        before.dedup_by(|a, b| (&a.plan, a.is) == (&b.plan, b.is));
        let Some((kind, least)) = amounts_to(step.is, &before) else { continue };
        let plans: BTreeSet<&PlanId> = before.iter().map(|earlier| &earlier.plan).collect();
        let chain = Chain {
            kind,
            thing: step.of.clone(),
            step: u32::try_from(plans.len() + 1).unwrap_or(u32::MAX),
            is: step.is,
            worst: before.iter().map(|earlier| earlier.effect).fold(least, Effect::max),
            earlier: before.iter().skip(before.len().saturating_sub(MOST_TOLD)).map(|&one| one.clone()).collect(),
        };
        match chains.iter_mut().find(|known| known.thing == chain.thing) {
            None => chains.push(chain),
            Some(known) if (chain.worst, known.kind) > (known.worst, chain.kind) => *known = chain,
            Some(_) => {}
        }
    }
    chains
}

/// What makes the effect worse, for the plan.
pub fn raised(chains: &[Chain], effect: Effect) -> Vec<Raised> {
    let worse = chains.iter().filter(|chain| chain.worst > effect);
    worse.map(|chain| Raised { to: chain.worst, because: chain.words() }).collect()
}

/// The open plans' steps about the same things.
pub fn besides(steps: &[PlannedStep], open: Vec<EarlierStep>) -> Vec<EarlierStep> {
    let same = |other: &EarlierStep| steps.iter().any(|step| same_thing(&step.of, &other.of));
    open.into_iter().filter(same).take(MOST_TOLD).collect()
}

/// The chain that a step makes with those before, and the effect that it has at least.
fn amounts_to(is: StepKind, before: &[&EarlierStep]) -> Option<(ChainKind, Effect)> {
    let gone = before.iter().any(|earlier| matches!(earlier.is, StepKind::Delete | StepKind::Replace));
    if gone && matches!(is, StepKind::Create | StepKind::Replace) {
        return Some((ChainKind::Recreate, Effect::Destructive));
    }
    let against: BTreeSet<StepKind> =
        before.iter().map(|earlier| earlier.is).chain([is]).filter(|kind| *kind != StepKind::Create).collect();
    let least = if against.len() >= TOO_MANY_KINDS { Effect::Destructive } else { Effect::Write };
    (is != StepKind::Create && against.len() > 1).then_some((ChainKind::TakeApart, least))
}

/// What an operation's verb says that it does. Tags are nothing that a thing is taken apart by.
fn by_verb(operation: &str) -> Option<StepKind> {
    if operation.contains("Tag") {
        return None;
    }
    let operation = operation.strip_prefix("Batch").unwrap_or(operation);
    if operation.contains("Protection") && !operation.starts_with("Delete") && !operation.starts_with("Create") {
        return Some(StepKind::Unprotect);
    }
    let verbs: [(StepKind, &[&str]); 6] = [
        (
            StepKind::Delete,
            &["Delete", "Terminate", "Remove", "Destroy", "Purge", "Release", "Deregister", "Drop", "Abort", "Empty"],
        ),
        (
            StepKind::Create,
            &["Create", "Run", "Restore", "Register", "Allocate", "Import", "Launch", "Copy", "Recover", "Undelete"],
        ),
        (StepKind::Replace, &["Replace", "Rebuild", "Recreate", "Reset", "Reinstall"]),
        (StepKind::Stop, &["Stop", "Suspend", "Pause", "Cancel", "Disconnect"]),
        (StepKind::Detach, &["Detach", "Disassociate", "Unassign", "Unsubscribe", "Unlink"]),
        (StepKind::Weaken, &["Disable", "Revoke"]),
    ];
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    verbs.iter().find(|(_, words)| begins(words)).map(|(kind, _)| *kind)
}

/// Verbs of operations that take nothing from what they name. Every other one of a family's may.
fn harmless(operation: &str) -> bool {
    const VERBS: [&str; 12] = [
        "Add",
        "Associate",
        "Attach",
        "Enable",
        "Invoke",
        "Publish",
        "Resume",
        "Send",
        "Start",
        "Subscribe",
        "Test",
        "Validate",
    ];
    let begins = VERBS.iter().any(|verb| operation.starts_with(verb));
    operation.contains("Tag") || (begins && by_verb(operation).is_none())
}

/// The names in the arguments of a family's call: values of required members, and of those that by their own name hold one.
fn names(spec: &Tool, shown: &Value) -> Result<Vec<String>, Refused> {
    let required = |name: &str| spec.input.iter().any(|input| input.required && input.member == name);
    let mut found = Vec::new();
    if let Value::Object(members) = shown {
        for (member, value) in members {
            collect(member, value, required(member), &mut found);
        }
    }
    if found.len() > MOST_NAMES {
        let message = format!("the arguments name {} things, and at most {MOST_NAMES} can be judged", found.len());
        return Err(Refused::new(Code::OverLimit, message, "make several calls, each about fewer things"));
    }
    Ok(found)
}

fn collect(member: &str, value: &Value, wanted: bool, found: &mut Vec<String>) {
    const ENDINGS: [&str; 12] =
        ["name", "names", "id", "ids", "identifier", "identifiers", "arn", "arns", "url", "urls", "key", "resource"];
    let member = member.to_ascii_lowercase();
    // Tags tell something of a thing, and don't name it.
    if ["tag", "tags", "taglist", "tagset", "tagging", "tagspecifications"].contains(&member.as_str()) {
        return;
    }
    let wanted = wanted || ENDINGS.iter().any(|ending| member.ends_with(ending));
    match value {
        Value::String(text) if wanted && is_name(text) && !found.contains(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(&member, item, wanted, found)),
        Value::Object(members) => members.iter().for_each(|(member, inner)| collect(member, inner, false, found)),
        _ => {}
    }
}

fn is_name(text: &str) -> bool {
    text.chars().count() <= LONGEST_NAME && text.contains(|c: char| c.is_alphanumeric())
}

fn same_thing(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    match (one.starts_with("arn:"), other.starts_with("arn:")) {
        (true, true) => glob::meets(&one, &other),
        (true, false) => bears(&one, &other),
        (false, true) => bears(&other, &one),
        (false, false) => short(&one) == short(&other),
    }
}

/// True where part of an ARN's resource can be the name.
fn bears(arn: &str, name: &str) -> bool {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let said = |part: &&str| part.contains(|c: char| c.is_alphanumeric());
    let meets = |part: &str| {
        glob::meets(part, short(name))
            || part.strip_suffix(SECRET_END).is_some_and(|part| glob::meets(part, short(name)))
    };
    resource.split(['/', ':']).filter(said).any(meets)
}

/// What names a thing in its ARN or address.
fn short(thing: &str) -> &str {
    let said = |part: &&str| part.contains(|c: char| c.is_alphanumeric());
    thing.rsplit(['/', ':']).find(said).unwrap_or(thing)
}

fn ordinal(number: u32) -> String {
    const WORDS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let word = usize::try_from(number).ok().and_then(|number| WORDS.get(number.checked_sub(1)?));
    word.map_or_else(|| format!("{number}th"), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/prod-orders";

    fn step(is: StepKind, of: &str) -> PlannedStep {
        PlannedStep { is, of: of.to_owned() }
    }

    fn before(second: i64, is: StepKind, of: &str, effect: Effect) -> EarlierStep {
        let at = Timestamp::from_second(1_767_225_600 + second).unwrap();
        EarlierStep { plan: PlanId::from_outside(&format!("plan-{second}")), is, of: of.to_owned(), effect, at }
    }

    fn told(steps: &[PlannedStep], taken: &[EarlierStep]) -> String {
        let chains = recognise(steps, taken);
        let lines = chains.iter().map(|chain| format!("{}, at least {}", chain.words(), chain.worst));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_a_chain_and_what_is_not() {
        use Effect::{Destructive, Irreversible, Write};
        use StepKind::{Create, Delete, Detach, Replace, ScaleDown, Stop, Unprotect, Weaken};
        let of = |is: StepKind| [step(is, TABLE)];
        let past = |steps: &[(StepKind, Effect)]| -> Vec<EarlierStep> {
            steps.iter().zip(0..).map(|((is, effect), at)| before(at, *is, TABLE, *effect)).collect()
        };
        for (is, taken, wanted) in [
            (
                Create,
                past(&[(Delete, Irreversible)]),
                "second step of a delete-and-recreate of `prod-orders`, at least irreversible",
            ),
            (
                Create,
                past(&[(Delete, Write)]),
                "second step of a delete-and-recreate of `prod-orders`, at least destructive",
            ),
            (
                Create,
                past(&[(ScaleDown, Write), (Delete, Destructive)]),
                "third step of a delete-and-recreate of `prod-orders`, at least destructive",
            ),
            (
                Replace,
                past(&[(Delete, Destructive)]),
                "second step of a delete-and-recreate of `prod-orders`, at least destructive",
            ),
            (
                Delete,
                past(&[(Unprotect, Destructive)]),
                "second step of taking `prod-orders` apart, at least destructive",
            ),
            (Weaken, past(&[(Stop, Write)]), "second step of taking `prod-orders` apart, at least write"),
            (
                Detach,
                past(&[(ScaleDown, Write), (Weaken, Write)]),
                "third step of taking `prod-orders` apart, at least destructive",
            ),
            (Delete, past(&[(Create, Write)]), ""),
            (Create, past(&[(Stop, Destructive)]), ""),
            (Stop, past(&[(Stop, Destructive), (Stop, Destructive)]), ""),
            (Delete, past(&[]), ""),
        ] {
            assert_eq!(told(&of(is), &taken), wanted, "{is:?} after {taken:?}");
        }
    }

    #[test]
    fn one_thing_under_several_names() {
        let group = |id: &str| {
            format!("arn:aws:autoscaling:eu-central-1:111122223333:autoScalingGroup:{id}:autoScalingGroupName/Web")
        };
        let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/db-";
        for (one, other) in [
            (TABLE.to_owned(), TABLE.to_uppercase().replace("ARN", "arn")),
            (group("*"), group("1234-5678")),
            (format!("{secret}??????"), format!("{secret}a1B2c3")),
            (TABLE.to_owned(), "PROD-orders".to_owned()),
            (format!("{secret}??????"), "prod/DB".to_owned()),
            (TABLE.to_owned(), "table/prod-orders".to_owned()),
            ("https://sqs.eu-central-1.amazonaws.com/111122223333/jobs".to_owned(), "jobs".to_owned()),
            ("arn:aws:sqs:eu-central-1:111122223333:jobs".to_owned(), "https://sqs/111122223333/Jobs".to_owned()),
            ("arn:aws:cloudformation:eu-central-1:1:stack/shop/*".to_owned(), "shop".to_owned()),
        ] {
            assert!(same_thing(&one, &other) && same_thing(&other, &one), "{one} {other}");
        }
        for (one, other) in [
            (TABLE.to_owned(), TABLE.replace("eu-central-1", "us-east-1")),
            (TABLE.to_owned(), TABLE.replace("prod-orders", "prod-orders-2")),
            (TABLE.to_owned(), "orders".to_owned()),
            ("arn:aws:cloudformation:eu-central-1:1:stack/shop/*".to_owned(), "other".to_owned()),
        ] {
            assert!(!same_thing(&one, &other) && !same_thing(&other, &one), "{one} {other}");
        }
    }

    #[test]
    fn operations_say_what_they_do() {
        let all = [
            "DeleteDBInstance",
            "TerminateEnvironment",
            "BatchDeleteImage",
            "CreateEnvironment",
            "RestoreDBInstanceFromDBSnapshot",
            "RebuildEnvironment",
            "StopDBCluster",
            "DisassociateVPC",
            "ModifyTerminationProtection",
            "DisableAlarmActions",
            "UpdateTable",
            "PutBucketPolicy",
            "DeleteTags",
            "StartInstances",
            "SwapEnvironmentCNAMEs",
        ];
        let said =
            all.map(|name| format!("{name}: {:?}{}", by_verb(name), if harmless(name) { ", harmless" } else { "" }));
        insta::assert_snapshot!(said.join("\n"), @r"
        DeleteDBInstance: Some(Delete)
        TerminateEnvironment: Some(Delete)
        BatchDeleteImage: Some(Delete)
        CreateEnvironment: Some(Create)
        RestoreDBInstanceFromDBSnapshot: Some(Create)
        RebuildEnvironment: Some(Replace)
        StopDBCluster: Some(Stop)
        DisassociateVPC: Some(Detach)
        ModifyTerminationProtection: Some(Unprotect)
        DisableAlarmActions: Some(Weaken)
        UpdateTable: None
        PutBucketPolicy: None
        DeleteTags: None, harmless
        StartInstances: None, harmless
        SwapEnvironmentCNAMEs: None
        ");
    }

    #[test]
    fn names_are_found_in_arguments() {
        let mut found = Vec::new();
        let value = json!({
            "EnvironmentName": "Prod-Orders", "Tags": [{ "Key": "Name", "Value": "x y" }], "Description": "prod-orders",
            "Listeners": [{ "TargetGroupArns": ["arn:aws:x"] }], "Password": "[redacted]",
        });
        collect("Root", &value, false, &mut found);
        assert_eq!(found, ["Prod-Orders", "arn:aws:x"]);
        let mut found = Vec::new();
        collect("AlarmName", &json!("High CPU (prod)"), true, &mut found);
        collect("Key", &json!("k"), false, &mut found);
        collect("Name", &json!(" "), false, &mut found);
        assert_eq!(found, ["High CPU (prod)", "k"]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_thing_is_itself(one in "\\PC{0,30}", other in "(arn:)?[a-z:/*?]{0,30}") {
            let _ = same_thing(&one, &other);
            prop_assert!(same_thing(&one, &one));
            prop_assert!(same_thing(&other, &other));
            let _ = recognise(&[step(StepKind::Create, &one)], &[before(1, StepKind::Delete, &other, Effect::Write)]);
        }
    }
}
