//! Conditions of deployed policies, judged: whether they hold for what this server does, and what they require.
//!
//! Anything that isn't understood is [`Verdict::Unknown`], which is told and never passed over.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use super::glob::covers;

/// A condition as it is written: operator, key and values. One of the values must match.
pub type Condition = (String, String, Vec<String>);

/// Whether a condition holds for all the requests that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// For each of them.
    Always,
    /// For none of them.
    Never,
    /// For some.
    Sometimes,
    /// Nobody here can tell.
    Unknown,
}

/// What is known of a key in the requests that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// It is in none of them.
    Absent,
    /// It is in each of them, with one of these values, each of which occurs.
    One(&'a [String]),
    /// It is in each of them, with several values at once, which are among these.
    Several(&'a [String]),
    /// It is in each of them, with a value that can't be told.
    Present,
    /// Nothing is known.
    Nothing,
}

/// An operator in its parts.
struct Operator<'a> {
    /// `ForAllValues` or `ForAnyValue`.
    set: Option<&'a str>,
    base: &'a str,
    if_exists: bool,
}

impl<'a> Operator<'a> {
    fn of(written: &'a str) -> Self {
        let (set, rest) = match written.split_once(':') {
            Some((set, rest)) => (Some(set), rest),
            None => (None, written),
        };
        match rest.strip_suffix("IfExists") {
            Some(base) => Self { set, base, if_exists: true },
            None => Self { set, base: rest, if_exists: false },
        }
    }

    /// Whether a text is compared, how, and whether it must not match.
    fn matching(&self) -> Option<(Matching, bool)> {
        Some(match self.base {
            "StringEquals" | "Bool" => (Matching::Equal, false),
            "StringNotEquals" => (Matching::Equal, true),
            "StringEqualsIgnoreCase" => (Matching::IgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Matching::IgnoringCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Matching::Pattern, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Matching::Pattern, true),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy)]
enum Matching {
    Equal,
    IgnoringCase,
    Pattern,
}

impl Matching {
    fn takes(self, written: &str, value: &str) -> bool {
        match self {
            Self::Equal => written == value,
            Self::IgnoringCase => written.eq_ignore_ascii_case(value),
            Self::Pattern => covers(written, value),
        }
    }
}

/// Judges a condition by what is known of its key.
pub fn judge(condition: &Condition, known: Known<'_>) -> Verdict {
    let (written, _, values) = condition;
    let operator = Operator::of(written);
    if operator.base == "Null" && operator.set.is_none() {
        let absent = match known {
            Known::Absent => true,
            Known::One(_) | Known::Several(_) | Known::Present => false,
            Known::Nothing => return Verdict::Unknown,
        };
        return match values.as_slice() {
            [only] if only == "true" || only == "false" => certainly(absent == (only == "true")),
            _ => Verdict::Unknown,
        };
    }
    let Some((matching, negated)) = operator.matching() else { return Verdict::Unknown };
    if !matches!(operator.set, None | Some("ForAllValues" | "ForAnyValue")) {
        return Verdict::Unknown;
    }
    let variable = values.iter().any(|value| value.contains("${"));
    let takes = |value: &String| values.iter().any(|written| matching.takes(written, value)) != negated;
    match (known, operator.set) {
        (Known::Nothing, _) => Verdict::Unknown,
        (Known::Absent, set) => {
            certainly(operator.if_exists || set == Some("ForAllValues") || (negated && set.is_none()))
        }
        (Known::Present, None) => {
            let anything = matches!(matching, Matching::Pattern) && values.iter().any(|value| value == "*");
            if anything { certainly(!negated) } else { Verdict::Unknown }
        }
        (Known::One(_) | Known::Several(_), _) if variable => Verdict::Unknown,
        (Known::One(found), _) => of_all(found, takes),
        (Known::Several(found), Some("ForAllValues")) if found.iter().all(takes) => Verdict::Always,
        (Known::Several(found), Some("ForAnyValue")) if !found.iter().any(takes) => Verdict::Never,
        (Known::Present | Known::Several(_), _) => Verdict::Unknown,
    }
}

fn of_all(found: &[String], takes: impl Fn(&String) -> bool) -> Verdict {
    match found.iter().filter(|value| takes(value)).count() {
        count if count == found.len() => Verdict::Always,
        0 => Verdict::Never,
        _ => Verdict::Sometimes,
    }
}

fn certainly(holds: bool) -> Verdict {
    if holds { Verdict::Always } else { Verdict::Never }
}

/// True where a condition holds only for requests that have the key with one of these values (patterns). Those that also
/// hold where the key is missing (`IfExists`, `ForAllValues`, negations) require nothing.
pub fn requires(condition: &Condition, key: &str, patterns: &[String]) -> bool {
    let (written, own, values) = condition;
    let operator = Operator::of(written);
    let Some((matching, false)) = operator.matching() else { return false };
    own.eq_ignore_ascii_case(key)
        && !operator.if_exists
        && operator.set != Some("ForAllValues")
        && !values.is_empty()
        && values.iter().all(|value| {
            // In a value that is compared as it is, `*` is a character as any other; a pattern covers that, too.
            let ignoring = matches!(matching, Matching::IgnoringCase) && value.chars().any(char::is_alphabetic);
            !ignoring && !value.contains("${") && patterns.iter().any(|pattern| covers(pattern, value))
        })
}

/// True where a denial under this condition leaves only requests that have the key with one of these values (patterns).
pub fn leaves_only(condition: &Condition, key: &str, patterns: &[String]) -> bool {
    let (written, own, values) = condition;
    let operator = Operator::of(written);
    own.eq_ignore_ascii_case(key)
        && operator.set.is_none()
        && matches!(operator.matching(), Some((Matching::Equal | Matching::Pattern, true)))
        && !values.is_empty()
        && values.iter().all(|value| !value.contains("${") && patterns.iter().any(|pattern| covers(pattern, value)))
}

/// A condition for people.
pub fn told((operator, key, values): &Condition) -> String {
    format!("`{operator}` of `{key}` ({})", values.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition(operator: &str, values: &[&str]) -> Condition {
        (operator.to_owned(), "key".to_owned(), values.iter().map(|&value| value.to_owned()).collect())
    }

    #[test]
    fn conditions_are_judged_by_their_operators() {
        let (one, two) = (["a".to_owned()], ["a".to_owned(), "b".to_owned()]);
        use Verdict::{Always, Never, Sometimes, Unknown};
        for (operator, values, known, wanted) in [
            ("StringEquals", &["a", "c"][..], Known::One(&one), Always),
            ("StringEquals", &["a"], Known::One(&two), Sometimes),
            ("StringEquals", &["c"], Known::One(&two), Never),
            ("StringEquals", &["a"], Known::Absent, Never),
            ("StringEqualsIfExists", &["a"], Known::Absent, Always),
            ("StringEqualsIfExists", &["b"], Known::One(&one), Never),
            ("StringEqualsIgnoreCase", &["A"], Known::One(&one), Always),
            ("StringEquals", &["*"], Known::One(&one), Never),
            ("StringLike", &["*"], Known::One(&one), Always),
            ("StringLike", &["*"], Known::Present, Always),
            ("StringLike", &["a*"], Known::Present, Unknown),
            ("StringNotLike", &["*"], Known::Present, Never),
            ("StringNotEquals", &["a"], Known::One(&one), Never),
            ("StringNotEquals", &["c"], Known::One(&two), Always),
            ("StringNotEquals", &["c"], Known::Absent, Always),
            ("StringEquals", &["${aws:username}"], Known::One(&one), Unknown),
            ("ForAllValues:StringEquals", &["a", "b"], Known::Several(&two), Always),
            ("ForAllValues:StringEquals", &["a"], Known::Several(&two), Unknown),
            ("ForAllValues:StringEquals", &["a"], Known::Absent, Always),
            ("ForAnyValue:StringEquals", &["c"], Known::Several(&two), Never),
            ("ForAnyValue:StringEquals", &["a"], Known::Absent, Never),
            ("ForAnyValue:StringNotEquals", &["a"], Known::Absent, Never),
            ("Null", &["true"], Known::Absent, Always),
            ("Null", &["false"], Known::Present, Always),
            ("Null", &["false"], Known::Absent, Never),
            ("Null", &["maybe"], Known::Absent, Unknown),
            ("Bool", &["true"], Known::Absent, Never),
            ("BoolIfExists", &["true"], Known::Absent, Always),
            ("NumericLessThan", &["3"], Known::One(&one), Unknown),
            ("StringEquals", &["a"], Known::Nothing, Unknown),
            ("Sometimes:StringEquals", &["a"], Known::One(&one), Unknown),
        ] {
            assert_eq!(judge(&condition(operator, values), known), wanted, "{operator} {values:?} {known:?}");
        }
    }

    #[test]
    fn only_what_demands_a_value_requires_it() {
        let allowed = ["a".to_owned(), "b".to_owned()];
        for (operator, values, wanted) in [
            ("StringEquals", &["a"][..], true),
            ("StringEquals", &["a", "b"], true),
            ("StringEquals", &["a", "c"], false),
            ("StringEquals", &[], false),
            ("StringEqualsIgnoreCase", &["a"], false),
            ("StringLike", &["a"], true),
            ("StringLike", &["a*"], false),
            ("StringEqualsIfExists", &["a"], false),
            ("ForAnyValue:StringEquals", &["a"], true),
            ("ForAllValues:StringEquals", &["a"], false),
            ("StringNotEquals", &["c"], false),
            ("Null", &["false"], false),
        ] {
            assert_eq!(requires(&condition(operator, values), "KEY", &allowed), wanted, "{operator} {values:?}");
        }
        assert!(!requires(&condition("StringEquals", &["a"]), "other", &allowed));
        for (operator, values, wanted) in [
            ("StringNotEquals", &["a", "b"][..], true),
            ("StringNotEqualsIfExists", &["a"], true),
            ("StringNotLike", &["a*"], false),
            ("StringNotEquals", &["c"], false),
            ("StringEquals", &["a"], false),
            ("ForAllValues:StringNotEquals", &["a"], false),
        ] {
            assert_eq!(leaves_only(&condition(operator, values), "key", &allowed), wanted, "{operator} {values:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_required_is_what_holds(
            operator in prop::sample::select(vec![
                "StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists", "ForAllValues:StringLike",
                "StringEqualsIgnoreCase", "ArnLike", "Bool", "Null",
            ]),
            values in prop::collection::vec("[ab*]{0,2}", 0..3),
            patterns in prop::collection::vec("[ab*]{0,2}", 0..3),
            value in "[ab]{0,2}",
        ) {
            let condition = (operator.to_owned(), "key".to_owned(), values);
            if requires(&condition, "key", &patterns) {
                prop_assert_eq!(judge(&condition, Known::Absent), Verdict::Never);
                let known = [value.clone()];
                if judge(&condition, Known::One(&known)) != Verdict::Never {
                    prop_assert!(patterns.iter().any(|pattern| covers(pattern, &value)));
                }
            }
        }
    }
}
