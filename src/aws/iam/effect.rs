//! From IAM's access level and an operation's name to the least effect it can be declared with.

use super::{ActionFact, secrets};
use crate::names::{Effect, OperationId};

/// The least effect of an operation that needs these actions.
///
/// A floor, not a judgement: manifests and previews go above it. Pairs that put each other back (stop and start, detach and
/// attach, disable and enable) stay `Write` here; what only a manifest can know, such as that an instance store is lost,
/// is said there.
pub(super) fn least(operation: &OperationId, actions: Option<&[ActionFact]>) -> Effect {
    let Some(actions) = actions.filter(|actions| !actions.is_empty()) else {
        return Effect::Destructive;
    };
    let words = words(operation.name());
    let loses = loses(&words) || DESTRUCTIVE.contains(&(operation.service(), operation.name()));
    if actions.iter().all(|action| action.level.only_reads()) {
        // AWS calls some changes reads. A read tool must not make them.
        return if loses {
            Effect::Destructive
        } else if changes(operation, &words) {
            Effect::Write
        } else if secrets::why(operation).is_some() {
            Effect::Secret
        } else {
            Effect::Read
        };
    }
    let untags = actions.iter().all(|action| action.level == super::AccessLevel::Tagging);
    let action_loses = actions.iter().any(|action| {
        let name = action.name.split_once(':').map_or("", |(_, name)| name);
        !action.level.only_reads() && loses_by(&self::words(name))
    });
    if (loses || action_loses) && !untags { Effect::Destructive } else { Effect::Write }
}

/// Verbs after which something is gone: state, a running service, or a registration that the same means don't bring back.
const LOSING: &[&str] = &[
    "abort",
    "cancel",
    "clear",
    "close",
    "decommission",
    "delete",
    "deprovision",
    "deregister",
    "destroy",
    "discard",
    "dispose",
    "drop",
    "empty",
    "erase",
    "evict",
    "expire",
    "flush",
    "forget",
    "invalidate",
    "kill",
    "leave",
    "purge",
    "recall",
    "redact",
    "release",
    "remove",
    "reset",
    "retire",
    "shrink",
    "shutdown",
    "terminate",
    "undeploy",
    "uninstall",
    "unregister",
    "wipe",
    "withdraw",
];

/// Words that stand before the verb.
const BEFORE_VERB: &[&str] = &["admin", "batch", "bulk", "force", "schedule", "global", "request"];

/// Operations that lose state though their names don't say so.
const DESTRUCTIVE: &[(&str, &str)] = &[
    // Overwrites and deletes items.
    ("dynamodb", "BatchWriteItem"),
    ("dynamodb", "TransactWriteItems"),
    ("kms", "ScheduleKeyDeletion"),
    ("kms", "UpdatePrimaryRegion"),
    ("neptunedata", "ExecuteFastReset"),
    ("neptunedata", "ExecuteGremlinQuery"),
    ("neptunedata", "ExecuteGremlinProfileQuery"),
    ("neptunedata", "ExecuteOpenCypherQuery"),
    ("neptune-graph", "ExecuteQuery"),
    // Runs any SQL.
    ("athena", "StartQueryExecution"),
    ("rds-data", "BatchExecuteStatement"),
    ("rds-data", "ExecuteSql"),
    ("rds-data", "ExecuteStatement"),
    ("redshift-data", "BatchExecuteStatement"),
    ("redshift-data", "ExecuteStatement"),
    // Runs any command.
    ("ecs", "ExecuteCommand"),
    ("ssm", "SendCommand"),
    ("ssm", "StartSession"),
    // Rolls a database or a cluster back in place.
    ("rds", "BacktrackDBCluster"),
    ("fsx", "RestoreVolumeFromSnapshot"),
    ("ec2", "CreateReplaceRootVolumeTask"),
    ("directconnect", "DisassociateConnectionFromLag"),
];

/// Words that begin names of changes.
const CHANGING: &[&str] = &[
    "accept",
    "add",
    "apply",
    "assign",
    "associate",
    "assume",
    "attach",
    "cancel",
    "complete",
    "create",
    "deliver",
    "disable",
    "enable",
    "execute",
    "import",
    "invoke",
    "modify",
    "publish",
    "put",
    "receive",
    "register",
    "restore",
    "run",
    "send",
    "set",
    "start",
    "stop",
    "subscribe",
    "tag",
    "untag",
    "update",
    "upload",
    "write",
    "chat",
];

/// Operations that only ask, though their names begin like a change.
const QUERIES: &[(&str, &str)] = &[
    ("bedrock-runtime", "ApplyGuardrail"),
    ("internetmonitor", "StartQuery"),
    ("internetmonitor", "StopQuery"),
    ("iotsitewise", "ExecuteQuery"),
    ("iottwinmaker", "ExecuteQuery"),
    ("logs", "StartQuery"),
    ("logs", "StopQuery"),
    ("networkflowmonitor", "StartQueryMonitorTopContributors"),
    ("networkflowmonitor", "StartQueryWorkloadInsightsTopContributors"),
    ("ssm", "StartExecutionPreview"),
    ("xray", "CancelTraceRetrieval"),
    ("xray", "StartTraceRetrieval"),
    // They hand out credentials and presigned addresses, and change nothing.
    ("eks-auth", "AssumeRoleForPodIdentity"),
    ("kinesisanalyticsv2", "CreateApplicationPresignedUrl"),
    ("sagemaker", "CreateHubContentPresignedUrls"),
    ("signin", "CreateOAuth2Token"),
];

fn loses(words: &[String]) -> bool {
    loses_by(words) || words.iter().any(|word| word == "deletion")
}

/// True where the verb, which may follow words such as `batch`, is one of loss.
fn loses_by(words: &[String]) -> bool {
    let verb = words.iter().find(|word| !BEFORE_VERB.contains(&word.as_str()));
    verb.is_some_and(|verb| LOSING.contains(&verb.as_str()))
}

fn changes(operation: &OperationId, words: &[String]) -> bool {
    let verb = words.iter().find(|word| !BEFORE_VERB.contains(&word.as_str()));
    verb.is_some_and(|verb| CHANGING.contains(&verb.as_str()))
        && !QUERIES.contains(&(operation.service(), operation.name()))
}

/// The words of a name in lower case: `DeleteDBInstance` is delete, db, instance.
fn words(name: &str) -> Vec<String> {
    crate::text::words::words(name).into_iter().map(|word| word.to_lowercase()).collect()
}
