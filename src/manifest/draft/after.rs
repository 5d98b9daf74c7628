//! What comes after the call in a draft: raises, waiting, undo, limits, columns, the page.

use serde_json::Value;

use super::ground::{Ground, is_number, is_plain};
use super::read::{Read, result_keys};
use super::target::Target;
use super::words::{core, plain, snake};
use super::{decide, yaml};
use crate::aws::{ShapeKind, ShapeModel};
use crate::names::{Effect, OperationId};

/// Most columns of a read's answer.
const MOST_COLUMNS: usize = 12;

/// Verbs and those that put back what they do.
const PAIRS: [(&str, &str); 13] = [
    ("Add", "Remove"),
    ("Associate", "Disassociate"),
    ("Attach", "Detach"),
    ("Authorize", "Revoke"),
    ("Create", "Delete"),
    ("Disable", "Enable"),
    ("Lock", "Unlock"),
    ("Pause", "Resume"),
    ("Put", "Delete"),
    ("Register", "Deregister"),
    ("Start", "Stop"),
    ("Suspend", "Resume"),
    ("Tag", "Untag"),
];

/// Where AWS keeps the pages of a service's API.
const PAGES: [(&str, &str); 34] = [
    ("autoscaling", "autoscaling/ec2/APIReference"),
    ("acm", "acm/latest/APIReference"),
    ("apigateway", "apigateway/latest/api"),
    ("backup", "aws-backup/latest/devguide"),
    ("ce", "aws-cost-management/latest/APIReference"),
    ("cloudformation", "AWSCloudFormation/latest/APIReference"),
    ("cloudfront", "cloudfront/latest/APIReference"),
    ("cloudtrail", "awscloudtrail/latest/APIReference"),
    ("cloudwatch", "AmazonCloudWatch/latest/APIReference"),
    ("dynamodb", "amazondynamodb/latest/APIReference"),
    ("ec2", "AWSEC2/latest/APIReference"),
    ("ecr", "AmazonECR/latest/APIReference"),
    ("ecs", "AmazonECS/latest/APIReference"),
    ("efs", "efs/latest/ug"),
    ("eks", "eks/latest/APIReference"),
    ("elasticache", "AmazonElastiCache/latest/APIReference"),
    ("elasticbeanstalk", "elasticbeanstalk/latest/api"),
    ("elbv2", "elasticloadbalancing/latest/APIReference"),
    ("events", "eventbridge/latest/APIReference"),
    ("iam", "IAM/latest/APIReference"),
    ("kinesis", "kinesis/latest/APIReference"),
    ("kms", "kms/latest/APIReference"),
    ("lambda", "lambda/latest/api"),
    ("logs", "AmazonCloudWatchLogs/latest/APIReference"),
    ("organizations", "organizations/latest/APIReference"),
    ("rds", "AmazonRDS/latest/APIReference"),
    ("redshift", "redshift/latest/APIReference"),
    ("route53", "Route53/latest/APIReference"),
    ("s3", "AmazonS3/latest/API"),
    ("secretsmanager", "secretsmanager/latest/apireference"),
    ("sns", "sns/latest/api"),
    ("sqs", "AWSSimpleQueueService/latest/APIReference"),
    ("ssm", "systems-manager/latest/APIReference"),
    ("stepfunctions", "step-functions/latest/apireference"),
];

/// Arguments that make it worse: what leaves nothing behind, what takes protection away, what makes less of something.
pub(super) fn raises(ground: &Ground<'_>, read: Option<&Read>, offered: &[String]) -> String {
    let mut lines = Vec::new();
    let state = read.map(|read| ground.inside(&read.shape)).unwrap_or_default();
    for member in ground.members.iter().filter(|member| offered.contains(&member.name)) {
        let (name, low) = (&member.name, plain(&member.name));
        let leaves_nothing = low.starts_with("skip") || low.starts_with("force") || low.contains("withoutrecovery");
        let less = ["desired", "capacity", "count", "retention", "size", "days"].iter().any(|part| low.contains(part));
        let known = state.iter().any(|(known, shape)| known == name && is_number(shape));
        let raise = match ground.effect {
            Effect::Destructive if member.is_boolean() && leaves_nothing => {
                Some((format!("arguments.{name} == `true`"), "irreversible", format!("{name} is set")))
            }
            Effect::Write if member.is_boolean() && low.contains("protect") => {
                Some((format!("arguments.{name} == `false`"), "destructive", format!("{name} is switched off")))
            }
            Effect::Write if member.is_number() && less && known => Some((
                format!("targets[0].state.{name} > arguments.{name}"),
                "destructive",
                format!("{name} becomes less than it is now"),
            )),
            _ => None,
        };
        lines.extend(raise.map(|(when, to, because)| {
            format!("  - when: {}\n    to: {to}\n    because: {}\n", yaml::quoted(&when), yaml::text(&because))
        }));
    }
    if lines.is_empty() { String::new() } else { format!("raise_effect:\n{}", lines.concat()) }
}

/// A waiter of the model that fits the verb.
pub(super) fn wait(ground: &Ground<'_>, target: Option<&Target>, needed: &[String]) -> String {
    let (Some(target), Ok(waiters)) = (target, ground.service.waiters()) else { return String::new() };
    let ends: &[&str] = match ground.verb.as_str() {
        "Delete" => &["Deleted", "NotExists", "DeleteComplete"],
        "Terminate" => &["Terminated"],
        "Start" => &["Running", "Available", "Started", "InService"],
        "Stop" => &["Stopped"],
        "Reboot" => &["Available", "StatusOk"],
        "Create" | "Modify" | "Update" | "Put" => {
            &["Updated", "UpdateComplete", "Available", "Active", "InService", "Stable"]
        }
        _ => return String::new(),
    };
    let noun = ground.nouns().first().cloned().unwrap_or_default();
    for end in ends {
        let fits = |name: &&String| plain(name).starts_with(&noun) && name.ends_with(end);
        let Some(name) = waiters.keys().find(fits) else { continue };
        let Some(operation) = waiters.get(name).and_then(|waiter| waiter.get("operation")).and_then(Value::as_str)
        else {
            continue;
        };
        let Ok(operation) = ground.service.operation(operation) else { continue };
        let Ok(members) = super::ground::given(&ground.service, &operation) else { continue };
        let own = members.iter().filter(|member| member.is_text());
        let Some(member) = own.max_by_key(|member| {
            let exact = member.name.eq_ignore_ascii_case(&target.member);
            (exact, core(&member.name) == core(&target.member), member.required)
        }) else {
            continue;
        };
        if core(&member.name) != core(&target.member) && core(&member.name) != noun {
            continue;
        }
        let mut with = vec![(
            member.name.clone(),
            if member.is_list_of_texts() { "[\"{target}\"]" } else { "\"{target}\"" }.to_owned(),
        )];
        let others = members.iter().filter(|other| other.name != member.name);
        for other in others {
            match ground.member(&other.name) {
                Some(own) if own.required || needed.contains(&own.name) => {
                    with.push((other.name.clone(), format!("\"{{arguments.{}}}\"", own.name)))
                }
                _ if other.required => return String::new(),
                _ => {}
            }
        }
        let id = OperationId::new(ground.service.name(), operation.name.as_str());
        return format!("wait: {{ until: {name}, operation: {id}, with: {} }}\n", yaml::flow(&with));
    }
    String::new()
}

/// The way back: the verb's counterpart, or the same call with the state before.
pub(super) fn undo(
    ground: &Ground<'_>,
    target: Option<&Target>,
    read: Option<&Read>,
    (offered, needed): (&[String], &[String]),
    own: &str,
) -> String {
    let counterpart = PAIRS.iter().find_map(|(one, other)| match ground.verb.as_str() {
        verb if verb == *one => Some(*other),
        verb if verb == *other => Some(*one),
        _ => None,
    });
    let ends = "   ".to_owned();
    let setting = ["Set", "Update", "Modify", "Put", "Change"].contains(&ground.verb.as_str());
    if let (true, Some(target), Some(read)) = (setting && ground.effect == Effect::Write, target, read) {
        let state = ground.inside(&read.shape);
        let mut with = Vec::new();
        let mut back = 0;
        for name in offered {
            let Some(member) = ground.member(name) else { continue };
            let same = state.iter().any(|(known, shape)| known == name && same_kind(shape, &member.shape));
            if *name == target.member {
                let value = if target.several { "[\"{target}\"]" } else { "\"{target}\"" };
                with.push((name.clone(), value.to_owned()));
            } else if same {
                back += 1;
                with.push((name.clone(), format!("\"{{state.{name}}}\"")));
            } else if member.required || needed.contains(name) {
                with.push((name.clone(), format!("\"{{arguments.{name}}}\"")));
            }
        }
        if back > 0 {
            let question = decide("does this bring all of it back? else say in `loses` what not");
            return format!("undo:\n  tool: {own}{ends}{question}\n  with: {}\n", yaml::flow(&with));
        }
    }
    if let Some(verb) = counterpart.filter(|_| ground.effect == Effect::Write || ground.verb != "Delete") {
        let operation = format!("{verb}{}", ground.noun);
        if ground.service.operation(&operation).is_ok() {
            let id = OperationId::new(ground.service.name(), operation.as_str());
            let question =
                decide(&format!("once `{}` has a manifest, write `tool: {}` and `with` instead", id, super::name(&id)));
            return format!("undo:\n  none: by {id}, which no tool offers yet{ends}{question}\n");
        }
    }
    let question = decide("how is it undone, or why can't it be? what will not come back?");
    format!("undo:\n  none: nobody has said yet how this is undone{ends}{question}\n")
}

fn same_kind(one: &ShapeModel, other: &ShapeModel) -> bool {
    std::mem::discriminant(&one.kind) == std::mem::discriminant(&other.kind)
}

/// Limits to begin with.
pub(super) fn limits(ground: &Ground<'_>, target: Option<&Target>) -> String {
    let call = if target.is_some_and(|target| target.several) { 10 } else { 1 };
    let hour = if ground.effect >= Effect::Destructive { 10.max(call) } else { 20 };
    format!("limits: {{ per_call: {call}, per_hour: {hour} }}\n")
}

/// The columns of a read's answer: what lists hold that fits on a line, and what leads to the next page.
pub(super) fn output(ground: &Ground<'_>) -> String {
    let Some(output) = ground.operation.output.as_ref().and_then(|output| ground.shape(&output.shape)) else {
        return String::new();
    };
    let keys = result_keys(ground, &ground.operation);
    let members = ground.inside(&output);
    let list = members.iter().find(|(name, shape)| keys.contains(name) && ground.item(shape).is_some());
    let Some((name, item)) = list.and_then(|(name, shape)| Some((name, ground.item(shape)?))) else {
        return String::new();
    };
    let mut columns: Vec<String> = Vec::new();
    let inner = ground.inside(&item);
    let mut shown: Vec<_> = inner.iter().filter(|(_, shape)| is_plain(shape) && !shape.sensitive).collect();
    shown.sort_by_key(|(column, _)| super::state::rank(column, &core(name)));
    columns.extend(shown.iter().take(MOST_COLUMNS).map(|(column, _)| format!("{column}: {column}")));
    let tags = inner.iter().find(|(name, shape)| {
        plain(name).starts_with("tag") && !matches!(shape.kind, ShapeKind::String { .. }) && !is_plain(shape)
    });
    columns.extend(tags.map(|(name, _)| format!("{name}: {name}")));
    if columns.len() < 2 {
        return String::new();
    }
    let paginator = ground.service.paginator(&ground.operation.name).ok().flatten();
    let token = paginator.as_ref().and_then(|paginator| paginator.get("output_token")).and_then(Value::as_str);
    let next = token.filter(|token| members.iter().any(|(name, _)| name == token));
    let next = next.map(|token| format!(", {token}: {token}")).unwrap_or_default();
    let mut text = "output: >-\n".to_owned();
    let mut line = format!("  {{{name}: {name}[].{{");
    for (index, column) in columns.iter().enumerate() {
        let comma = if index + 1 < columns.len() { ", " } else { "" };
        if line.len() + column.len() > 112 {
            text += &format!("{}\n", line.trim_end());
            line = "  ".to_owned();
        }
        line += &format!("{column}{comma}");
    }
    text + &line + &format!("}}{next}}}\n")
}

/// The page of the operation.
pub(super) fn docs(id: &OperationId) -> String {
    match PAGES.iter().find(|(service, _)| *service == id.service()) {
        Some((_, folder)) => format!("docs: https://docs.aws.amazon.com/{folder}/API_{}.html\n", id.name()),
        None => format!(
            "{}\n",
            decide(&format!("add `docs: https://...`, the page of {}", snake(id.name()).replace('_', " ")))
        ),
    }
}
