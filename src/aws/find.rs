//! Finding operations by words: what an agent that knows no name asks for.
//!
//! Runs over an index of the words in all names, made on the first query; only the services of the hits are unpacked.

mod words;

use serde::{Deserialize, Serialize};

use super::iam::IamFacts;
use super::models::{ModelError, Models, OperationEntry};
use crate::names::{Effect, OperationId};
use words::{Index, Match, Word, query_words};

/// Names of optional members that a hit tells at most.
const OPTIONAL_TOLD: usize = 24;

/// An operation that fits a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationHit {
    /// The operation.
    pub operation: OperationId,
    /// The least harm it can do.
    pub effect: Effect,
    /// What secret it returns, where it is known to.
    pub reveals: Option<String>,
    /// Members that must be passed.
    pub required: Vec<String>,
    /// Members that can be passed, the first two dozen.
    pub optional: Vec<String>,
    /// How many more can be passed.
    pub more_optional: usize,
    /// The IAM actions it needs, those needed only with some arguments with a `?`; `None` where they aren't known.
    pub actions: Option<Vec<String>>,
    /// AWS has retired it.
    pub deprecated: bool,
}

/// Operations that fit a query such as `terminate instance` or `rds snapshot`, best first, at most `limit`.
///
/// Words are looked for in an operation's name, in its service's names and in its members' names; some words stand for
/// others (`remove` for `delete`). At least half of the query's words must be found.
///
/// # Errors
/// Where the index or the model of a hit can't be read.
pub fn find_operations(
    models: &Models,
    iam: &IamFacts,
    query: &str,
    limit: usize,
) -> Result<Vec<OperationHit>, ModelError> {
    let words = query_words(query);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let operations = models.operation_index()?;
    let matches = Index::shared(operations).matches(&words);
    let mut scored = Vec::new();
    let mut service = ServiceScores::default();
    for (entry, (in_names, others)) in operations.iter().zip(matches.iter()) {
        if service.name != entry.service {
            service = ServiceScores::of(entry.service, iam.prefixes_of(entry.service), &words);
        }
        if let Some(score) = score(in_names, others, &service) {
            scored.push((score, entry));
        }
    }
    let best_first = |a: &((usize, u32), OperationEntry<'_>), b: &((usize, u32), OperationEntry<'_>)| {
        b.0.cmp(&a.0).then_with(|| (a.1.service, a.1.operation).cmp(&(b.1.service, b.1.operation)))
    };
    if scored.len() > limit {
        if limit > 0 {
            scored.select_nth_unstable_by(limit - 1, best_first);
        }
        scored.truncate(limit);
    }
    scored.sort_by(best_first);
    scored.into_iter().map(|(_, entry)| hit(models, iam, &entry)).collect()
}

fn hit(models: &Models, iam: &IamFacts, entry: &OperationEntry<'_>) -> Result<OperationHit, ModelError> {
    let id = entry.id();
    let (service, model) = models.operation(&id)?;
    let shape = model.input.as_ref().map(|input| service.shape(&input.shape)).transpose()?;
    let members = shape.as_ref().map_or(&[][..], |shape| shape.members());
    let names = |required: bool| {
        let of = members.iter().filter(move |member| (member.required && !member.idempotency_token) == required);
        of.map(|member| member.name.clone())
    };
    let actions = iam.actions_for(&id).map(|actions| {
        let told = actions.into_iter().map(|a| if a.always { a.name } else { format!("{}?", a.name) });
        told.collect()
    });
    Ok(OperationHit {
        effect: iam.least_effect(&id),
        reveals: iam.reveals(&id).map(str::to_owned),
        required: names(true).collect(),
        optional: names(false).take(OPTIONAL_TOLD).collect(),
        more_optional: names(false).count().saturating_sub(OPTIONAL_TOLD),
        actions,
        deprecated: model.deprecated,
        operation: id,
    })
}

/// What each word of the query finds in a service's names.
#[derive(Default)]
struct ServiceScores<'a> {
    name: &'a str,
    words: Vec<u32>,
    usual: u32,
}

impl<'a> ServiceScores<'a> {
    fn of(name: &'a str, prefixes: &[String], words: &[Word]) -> Self {
        let names = || std::iter::once(name).chain(prefixes.iter().map(String::as_str));
        let found = words.iter().map(|word| {
            let best = names().map(|name| match word.best_in(name) {
                Match::Whole if word.is_exactly(name) => 9,
                Match::Whole => 6,
                Match::Start => 4,
                Match::Nothing => 0,
            });
            best.max().unwrap_or(0)
        });
        Self { name, words: found.collect(), usual: u32::from(USUAL.contains(&name)) }
    }
}

/// How much an operation fits: words found, then their weight, then how little else is in its name.
fn score(found: &[words::Found], name_words: usize, service: &ServiceScores<'_>) -> Option<(usize, u32)> {
    let (mut count, mut weight, mut in_name) = (0, 0, 0);
    for (found, of_service) in found.iter().zip(&service.words) {
        let of_name = match found.in_name {
            Match::Whole => 10,
            Match::Start => 7,
            Match::Nothing => 0,
        };
        in_name += usize::from(of_name > 0);
        let best = match of_name.max(*of_service) {
            0 if found.in_members != Match::Nothing => 3,
            best => best,
        };
        count += usize::from(best > 0);
        weight += best;
    }
    if count == 0 || count * 2 < found.len() {
        return None;
    }
    let others = name_words.saturating_sub(in_name).min(8) as u32;
    Some((count, (weight * 4 + 6 * service.usual + 16).saturating_sub(others * 2)))
}

/// Services that are meant more often than others; they come first among equals.
const USUAL: &[&str] = &[
    "acm",
    "apigateway",
    "athena",
    "autoscaling",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "efs",
    "eks",
    "elasticache",
    "elbv2",
    "events",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "organizations",
    "rds",
    "redshift",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(query: &str, limit: usize) -> Vec<String> {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let hits = find_operations(&models, &iam, query, limit).unwrap();
        hits.into_iter().map(|hit| hit.operation.to_string()).collect()
    }

    #[test]
    fn the_operation_meant_comes_first_or_nearly() {
        for (query, wanted, within) in [
            ("terminate instance", "ec2:TerminateInstances", 1),
            ("ec2:TerminateInstances", "ec2:TerminateInstances", 1),
            ("TerminateInstances", "ec2:TerminateInstances", 1),
            ("rds snapshot", "rds:CreateDBSnapshot", 6),
            ("bucket versioning", "s3:PutBucketVersioning", 2),
            ("remove a database instance", "rds:DeleteDBInstance", 2),
            ("delete lambda function", "lambda:DeleteFunction", 1),
            ("list s3 buckets", "s3:ListBuckets", 1),
            ("kill vm", "ec2:TerminateInstances", 3),
            ("load balancer delete", "elbv2:DeleteLoadBalancer", 2),
            ("describe stacks", "cloudformation:DescribeStacks", 1),
            ("who am I caller identity", "sts:GetCallerIdentity", 1),
            ("set desired capacity", "autoscaling:SetDesiredCapacity", 1),
            ("purge queue", "sqs:PurgeQueue", 1),
            ("SkipFinalSnapshot", "rds:DeleteDBInstance", 12),
            ("secret value", "secretsmanager:GetSecretValue", 4),
            ("dynamodb delete table", "dynamodb:DeleteTable", 1),
            ("step functions executions", "stepfunctions:ListExecutions", 12),
        ] {
            let hits = found(query, within);
            assert!(hits.iter().any(|hit| hit == wanted), "{query}: {:?}", found(query, 12));
        }
    }

    #[test]
    fn a_hit_tells_what_to_pass_and_how_bad_it_is() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let hits = find_operations(&models, &iam, "delete db instance", 1).unwrap();
        insta::assert_json_snapshot!("delete_db_instance", hits);
    }

    #[test]
    fn nothing_found_is_an_empty_answer() {
        assert!(found("xyzzy plugh", 5).is_empty());
        assert!(found("", 5).is_empty());
        assert!(found("the of and", 5).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_query_panics(query in "\\PC{0,60}") {
            let _ = found(&query, 3);
        }
    }
}
