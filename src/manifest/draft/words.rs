//! Names of AWS's taken apart: verbs, nouns, and which of two names mean the same thing.

pub(super) use crate::text::words::words;

/// Words that stand before the verb.
const BEFORE_VERB: [&str; 4] = ["Admin", "Batch", "Bulk", "Force"];

/// What ends the name of a member that names a thing.
const NAMING_ENDS: [&str; 12] =
    ["identifiers", "identifier", "names", "name", "arns", "arn", "urls", "url", "ids", "id", "numbers", "number"];

/// `DeleteDBInstance` is `delete_db_instance`.
pub(super) fn snake(name: &str) -> String {
    words(name).join("_").to_lowercase()
}

/// Letters and digits in lower case: `DBInstance` is `dbinstance`.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The verb of an operation and what follows it.
pub(super) fn verb_and_noun(operation: &str) -> (String, String) {
    let words = words(operation);
    let before = words.iter().take_while(|word| BEFORE_VERB.contains(&word.as_str()) && words.len() > 1).count();
    let mut rest = words.into_iter().skip(before);
    let verb = rest.next().unwrap_or_default();
    (verb, rest.collect::<String>())
}

/// The singular of a word in lower case, as far as its end tells.
pub(super) fn singular(word: &str) -> String {
    let kept = ["ss", "us", "is", "dns", "aws", "sms", "os"];
    if kept.iter().any(|end| word.ends_with(end)) {
        return word.to_owned();
    }
    match (word.strip_suffix("ies"), word.strip_suffix('s')) {
        (Some(stem), _) => format!("{stem}y"),
        (None, Some(stem)) => {
            let es = ["sse", "she", "che", "xe", "ze"].iter().any(|end| stem.ends_with(end));
            if es { stem.trim_end_matches('e').to_owned() } else { stem.to_owned() }
        }
        (None, None) => word.to_owned(),
    }
}

/// What a member names: `DBInstanceIdentifier` and `dbInstances` both name a `dbinstance`. A member that only says how
/// (`Name`, `Arn`) stays as it is.
pub(super) fn core(name: &str) -> String {
    let plain = plain(name).replace("friendly", "");
    let end = NAMING_ENDS.iter().find_map(|end| plain.strip_suffix(end).filter(|stem| !stem.is_empty()));
    singular(end.unwrap_or(&plain))
}

/// True where a member says by its name that it names a thing.
pub(super) fn names_a_thing(name: &str) -> bool {
    let plain = plain(name);
    NAMING_ENDS.iter().any(|end| plain.ends_with(end)) || words(name).last().is_some_and(|word| word == "Resource")
}

/// True where a member holds an ARN.
pub(super) fn is_arn(name: &str) -> bool {
    words(name).last().is_some_and(|word| matches!(word.to_lowercase().as_str(), "arn" | "arns"))
}

/// True where two members name in the same way: both by an ARN, or both by a name.
pub(super) fn same_way(one: &str, other: &str) -> bool {
    let end = |name: &str| words(name).last().map(|word| singular(&word.to_lowercase()));
    end(one) == end(other)
}

/// True where a member holds a URL.
pub(super) fn is_url(name: &str) -> bool {
    words(name).last().is_some_and(|word| word.eq_ignore_ascii_case("url"))
}

/// How alike what two names name is, from 0 (not at all) to 3 (the same).
pub(super) fn likeness(one: &str, other: &str) -> u32 {
    let (one, other) = (core(one), core(other));
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    match () {
        () if one == other => 3,
        () if short.len() >= 3 && long.ends_with(short.as_str()) => 2,
        () if short.len() >= 3 && long.contains(short.as_str()) => 1,
        () => 0,
    }
}

/// `InstanceIds` as EC2's filters name it: `instance-id`.
pub(super) fn filter(member: &str) -> String {
    let mut words = words(member);
    if let Some(last) = words.pop() {
        words.push(singular(&last.to_lowercase()));
    }
    words.join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("DeleteDBInstance"), ["Delete", "DB", "Instance"]);
        assert_eq!(words("LoadBalancerARNs"), ["Load", "Balancer", "ARNs"]);
        assert_eq!(snake("ListVpcEndpointServices"), "list_vpc_endpoint_services");
        assert_eq!(verb_and_noun("BatchDeleteImage"), ("Delete".to_owned(), "Image".to_owned()));
        assert_eq!(
            ["policies", "addresses", "access", "caches", "status"].map(singular),
            ["policy", "address", "access", "cach", "status"]
        );
    }

    #[test]
    fn members_that_name_the_same_are_known_by_it() {
        for (one, other, wanted) in [
            ("DBInstanceIdentifier", "DbInstanceName", 3),
            ("InstanceIds", "InstanceId", 3),
            ("LoadBalancerArn", "LoadBalancer", 3),
            ("AutoScalingGroupName", "GroupName", 2),
            ("QueueUrl", "TopicArn", 0),
            ("name", "name", 3),
        ] {
            assert_eq!(likeness(one, other), wanted, "{one} {other}");
        }
        assert_eq!(filter("InstanceIds"), "instance-id");
    }
}
