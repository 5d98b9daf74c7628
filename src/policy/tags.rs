//! What tags say of a resource. Tags only add to what the account says: a rule raises the stage or adds protection, and
//! whoever can set a tag can take nothing away with it.

use std::collections::BTreeMap;

use crate::config::{TagRule, TagSays};
use crate::names::Stage;

/// What is known of a resource besides its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its stage.
    pub stage: Stage,
    /// True where something protects it from deletion.
    pub protected: bool,
    /// The team that owns it.
    pub owner: Option<String>,
}

/// Applies the rules to a resource of an account of `stage`, which AWS itself says is `protected` or not. `tags` are its
/// own and those of what holds it, such as an object's bucket: the rules look at all of them, so that none hides another.
/// Of several rules that name an owner the first one that matches counts, and of several tags the resource's own.
pub fn standing(stage: Stage, protected: bool, tags: &[BTreeMap<String, String>], rules: &[TagRule]) -> Standing {
    let mut standing = Standing { stage, protected, owner: None };
    for (rule, value) in tags.iter().flat_map(|tags| rules.iter().filter_map(|r| Some((r, tags.get(&r.tag)?)))) {
        if rule.value.as_ref().is_some_and(|pattern| !like(value, pattern)) {
            continue;
        }
        match &rule.says {
            TagSays::Stage(at_least) => standing.stage = standing.stage.max(*at_least),
            TagSays::Protected => standing.protected = true,
            TagSays::Owner if standing.owner.is_none() && !value.is_empty() => standing.owner = Some(value.clone()),
            TagSays::Owner => {}
        }
    }
    standing
}

/// True where the whole text is like the pattern, in which `*` stands for any text, none included. Cases differ.
pub fn like(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(rest) = pieces.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(end) = pieces.pop() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(end) else { return false };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(tag: &str, value: Option<&str>, says: TagSays) -> TagRule {
        TagRule { tag: tag.to_owned(), value: value.map(str::to_owned), says }
    }

    fn tags(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (text, pattern) in [
            ("prod", "prod"),
            ("production", "prod*"),
            ("prod", "prod*"),
            ("non-prod", "*prod"),
            ("a-prod-b", "*prod*"),
            ("", ""),
            ("", "*"),
            ("abcabc", "a*bc"),
            ("a*b", "a*b"),
            ("aXbXc", "a*b*c"),
            ("pröd", "pr*d"),
            ("aa", "a**a"),
        ] {
            assert!(like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("Prod", "prod"),
            ("prod", ""),
            ("preprod", "prod*"),
            ("prod-1", "prod"),
            ("a", "a*a"),
            ("ab", "*a*b*c*"),
            ("", "prod*"),
            ("prod", "prod?"),
        ] {
            assert!(!like(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn rules_speak_of_exact_keys() {
        let rules = [
            rule("env", Some("prod*"), TagSays::Stage(Stage::Prod)),
            rule("keep", None, TagSays::Protected),
            rule("team", None, TagSays::Owner),
            rule("owner", None, TagSays::Owner),
        ];
        let seen = |all: &[(&str, &str)]| {
            let Standing { stage, protected, owner } = standing(Stage::Dev, false, &[tags(all)], &rules);
            (stage, protected, owner)
        };
        assert_eq!(seen(&[]), (Stage::Dev, false, None));
        assert_eq!(seen(&[("env", "production")]), (Stage::Prod, false, None));
        assert_eq!(seen(&[("Env", "prod"), ("env", "dev")]), (Stage::Dev, false, None));
        assert_eq!(seen(&[("keep", "")]), (Stage::Dev, true, None));
        assert_eq!(seen(&[("owner", "b"), ("team", "a")]), (Stage::Dev, false, Some("a".to_owned())));
        assert_eq!(seen(&[("owner", "b"), ("team", "")]), (Stage::Dev, false, Some("b".to_owned())));
    }

    #[test]
    fn the_dev_tag_of_a_thing_in_production_changes_nothing() {
        let rules = [rule("env", Some("dev"), TagSays::Stage(Stage::Dev))];
        let found = standing(Stage::Prod, true, &[tags(&[("env", "dev")])], &rules);
        assert_eq!(found, Standing { stage: Stage::Prod, protected: true, owner: None });
    }

    #[test]
    fn neither_hides_the_other_s_tags() {
        let rules = [rule("env", Some("prod"), TagSays::Stage(Stage::Prod)), rule("team", None, TagSays::Owner)];
        let object = tags(&[("env", "dev"), ("team", "receipts")]);
        let bucket = tags(&[("env", "prod"), ("team", "platform")]);
        let found = standing(Stage::Dev, false, &[object, bucket], &rules);
        assert_eq!(found, Standing { stage: Stage::Prod, protected: false, owner: Some("receipts".to_owned()) });
    }

    fn any_rule() -> impl Strategy<Value = TagRule> {
        let says = prop_oneof![
            prop::sample::select(vec![Stage::Dev, Stage::Staging, Stage::Prod]).prop_map(TagSays::Stage),
            Just(TagSays::Protected),
            Just(TagSays::Owner),
        ];
        ("[ab]", prop::option::of("[ab*]{0,3}"), says).prop_map(|(tag, value, says)| TagRule { tag, value, says })
    }

    proptest! {
        #[test]
        fn no_rule_and_no_tag_ever_lowers_anything(
            stage in prop::sample::select(vec![Stage::Dev, Stage::Staging, Stage::Prod]),
            protected: bool,
            tags in prop::collection::vec(prop::collection::btree_map("[ab]", "[ab]{0,3}", 0..3), 1..3),
            rules in prop::collection::vec(any_rule(), 0..5),
            extra in any_rule(),
        ) {
            let found = standing(stage, protected, &tags, &rules);
            prop_assert!(found.stage >= stage && found.protected >= protected);
            let more: Vec<TagRule> = rules.into_iter().chain([extra]).collect();
            let with_one_more = standing(stage, protected, &tags, &more);
            prop_assert!(with_one_more.stage >= found.stage && with_one_more.protected >= found.protected);
        }

        #[test]
        fn likeness_is_that_of_a_regular_expression(text in "[ab*]{0,8}", pattern in "[ab*]{0,6}") {
            let pieces: Vec<String> = pattern.split('*').map(|piece| piece.replace('*', "")).collect();
            let expression = fancy_regex::Regex::new(&format!("^(?s:{})$", pieces.join(".*"))).unwrap();
            prop_assert_eq!(like(&text, &pattern), expression.is_match(&text).unwrap());
        }
    }
}
