//! Many actions in few words: `ec2:Describe*` for all of `ec2` that begin so.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::iam::IamFacts;

/// Sets of fewer actions of a prefix are written out.
const FEWEST: usize = 4;

/// Patterns that allow exactly `actions`, by what IAM's facts know today: a pattern stands only where every known action
/// that it matches is among them. Small sets are written out.
///
/// An action that AWS adds tomorrow may match a pattern, as it would in AWS's own managed policies.
pub fn compressed<'a>(actions: impl IntoIterator<Item = &'a str>, iam: &IamFacts) -> BTreeSet<String> {
    let mut by_prefix: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for action in actions {
        match action.split_once(':') {
            Some((prefix, name)) => {
                by_prefix.entry(prefix).or_default().insert(name);
            }
            None => {
                written.insert(action.to_owned());
            }
        }
    }
    for (prefix, names) in by_prefix {
        let known = iam.actions_of(prefix);
        let others: Vec<String> = known
            .iter()
            .filter(|known| !names.contains(known.as_str()))
            .map(|known| known.to_ascii_lowercase())
            .collect();
        let mut left: BTreeSet<&str> = names.clone();
        while let Some(name) = left.pop_first() {
            let beginning = if names.len() < FEWEST { None } else { beginning(name, &others) };
            match beginning {
                Some(beginning) => {
                    let lower = beginning.to_ascii_lowercase();
                    let before = left.len();
                    left.retain(|other| !other.to_ascii_lowercase().starts_with(&lower));
                    let alone = left.len() == before;
                    written.insert(if alone { format!("{prefix}:{name}") } else { format!("{prefix}:{beginning}*") });
                }
                None => {
                    written.insert(format!("{prefix}:{name}"));
                }
            }
        }
    }
    written
}

/// The shortest beginning of a name, at the end of one of its words, that no other action has.
fn beginning<'n>(name: &'n str, others: &[String]) -> Option<&'n str> {
    let ends = name.char_indices().skip(1).filter(|(_, c)| c.is_ascii_uppercase()).map(|(at, _)| at);
    ends.filter_map(|end| name.get(..end)).find(|beginning| {
        let beginning = beginning.to_ascii_lowercase();
        beginning.len() > 2 && !others.iter().any(|other| other.starts_with(&beginning))
    })
}

/// The known actions that a pattern such as `ec2:Describe*` matches; the pattern itself where it matches none.
pub fn expanded(pattern: &str, iam: &IamFacts) -> Vec<String> {
    let prefixes: Vec<&str> = match pattern.split_once(':') {
        Some((prefix, _)) => iam.prefixes().filter(|known| super::glob::covers_action(prefix, known)).collect(),
        None if pattern == "*" => iam.prefixes().collect(),
        None => Vec::new(),
    };
    let name = pattern.split_once(':').map_or("*", |(_, name)| name);
    let of = |prefix: &str| {
        let matching = iam.actions_of(prefix).into_iter().filter(|known| super::glob::covers_action(name, known));
        matching.map(|known| format!("{prefix}:{known}")).collect::<Vec<_>>()
    };
    let found: Vec<String> = prefixes.into_iter().flat_map(of).collect();
    if found.is_empty() { vec![pattern.to_owned()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn iam() -> IamFacts {
        IamFacts::embedded().unwrap()
    }

    #[test]
    fn few_are_written_out_and_many_shortened() {
        let iam = iam();
        let few = ["ec2:StartInstances", "ec2:StopInstances"];
        assert_eq!(compressed(few, &iam).into_iter().collect::<Vec<_>>(), few);
        let describe: Vec<String> = expanded("ec2:Describe*", &iam);
        assert!(describe.len() > 100);
        let short = compressed(describe.iter().map(String::as_str), &iam);
        assert_eq!(short.into_iter().collect::<Vec<_>>(), ["ec2:Describe*"]);
    }

    #[test]
    fn a_pattern_without_a_match_stays_itself() {
        assert_eq!(expanded("nowhere:Do*", &iam()), ["nowhere:Do*"]);
        assert_eq!(expanded("ec2:terminateinstances", &iam()), ["ec2:TerminateInstances"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn patterns_allow_exactly_what_they_stand_for(
            prefix in prop::sample::select(vec!["ec2", "s3", "apigateway", "sts", "lambda", "iam"]),
            picks in prop::collection::vec(any::<bool>(), 800),
        ) {
            let iam = iam();
            let all = iam.actions_of(prefix).into_iter().map(|name| format!("{prefix}:{name}"));
            let picked: BTreeSet<String> = all.zip(picks).filter(|(_, picked)| *picked).map(|(name, _)| name).collect();
            let patterns = compressed(picked.iter().map(String::as_str), &iam);
            let back: BTreeSet<String> = patterns.iter().flat_map(|pattern| expanded(pattern, &iam)).collect();
            prop_assert_eq!(back, picked);
        }
    }
}
