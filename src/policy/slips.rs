//! What goes wrong in a policy file, and must not turn the guard off: slips of the pen, and policies that fail.

#![expect(clippy::string_slice, reason = "clippy.toml allows this in test functions only, not in what they share")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::fixtures::{consent, people, policies, question, tools, words};
use super::question::{Evidence, Question};
use super::reasons;
use super::set::{Policies, Verdict};
use super::shipped;
use super::vocabulary::{ToolWord, Vocabulary, reachable};
use crate::config::{Profile, Trust};
use crate::document::{Problems, Source};
use crate::names::{Effect, Stage};

/// An admin's own file, with a bit of everything.
const OWN: &str = r#"// What the web team's agents may do.

@id("web-reads")
@says("everybody reads")
permit (principal, action in Action::"read", resource);

@id("web-restarts")
@says("the web team's agents restart what is theirs")
permit (
    principal in Role::"deployer",
    action in [Action::"ec2_reboot_instances", Action::"ec2_create_tags"],
    resource
)
when { resource has owner && resource.owner == Team::"web" }
unless { context.resources > 5 || context.errorsInHour >= 3 };

@id("web-not-frozen")
@says("what is tagged freeze stays as it is")
forbid (principal, action in Action::"change", resource)
when { resource.hasTag("freeze") && resource.getTag("freeze") != "no" };

@id("web-senior")
@says("in production somebody senior signs, or a person applies it")
forbid (principal in Role::"deployer", action in Action::"change", resource)
when { resource.stage == Stage::"prod" || resource.account == Account::"prod" }
unless { context.approverGroups.contains(Group::"senior") || context.appliedByPerson };

@id("web-careful")
@says("a ticket, a known client, and not while it is busy")
forbid (principal == Agent::"kiro", action in Action::"toolset:ec2", resource is AwsResource)
when {
    (context has ticket && !(context.ticket like "WEB-*")) || context.clientTrust == Trust::"unknown" ||
    (context has sourceIp && !context.sourceIp.isInRange(ip("10.0.0.0/8"))) || context.now >= datetime("2027-01-01")
}
unless { if resource.protected then context.approvals >= 2 else context.windowOpen };
"#;

const ROLES: [&str; 1] = ["deployer"];

/// Some of the tools: few, because thousands of sets are compiled here.
fn few_tools() -> Vec<ToolWord> {
    let few = ["aws_read", "ec2_create_tags", "ec2_reboot_instances"];
    tools().into_iter().filter(|tool| few.contains(&tool.name.as_str())).collect()
}

static WORDS: LazyLock<Vocabulary> = LazyLock::new(|| words(few_tools()));

/// The floor, and an own file on it.
fn with_own(own: &str) -> Result<Policies, Problems> {
    let mut sources = shipped::sources(Profile::None);
    sources.push(Source::new("own.cedar", own));
    Policies::compile(sources, WORDS.clone(), people(&ROLES), Profile::None)
}

/// Calls of every kind: each tool and effect, in each stage, under good and bad circumstances, with and without consent.
fn sample() -> Vec<(Question, Evidence)> {
    let mut sample = Vec::new();
    let changes: [fn(&mut Question); 9] = [
        |_| {},
        |asked| asked.resource.owner = Some("web".to_owned()),
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.resource.tags.insert("freeze".to_owned(), "yes".to_owned());
        },
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.circumstances.ticket = Some("OPS-1".to_owned());
            asked.circumstances.window_open = false;
        },
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.circumstances.ticket = Some("WEB-1".to_owned());
            asked.circumstances.resources = 6;
        },
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.circumstances.client_trust = Trust::Unknown;
            asked.circumstances.window_open = false;
        },
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.resource.protected = true;
            asked.circumstances.source_ip = Some([192, 0, 2, 1].into());
        },
        |asked| {
            asked.resource.owner = Some("db".to_owned());
            asked.circumstances.errors_in_hour = 4;
        },
        |asked| {
            asked.resource.owner = Some("web".to_owned());
            asked.circumstances.window_open = false;
            asked.circumstances.now = "2027-02-01T00:00:00Z".parse().unwrap();
        },
    ];
    let mut senior = consent(&["bob"]);
    senior.approvals.values_mut().for_each(|groups| {
        groups.insert("senior".to_owned());
    });
    let person = Evidence { applied_by_person: true, ..consent(&["bob", "dana"]) };
    for tool in few_tools() {
        for effect in reachable(tool.effect) {
            for stage in [Stage::Dev, Stage::Prod] {
                for change in changes {
                    let mut asked = question(&tool.name, effect, stage);
                    change(&mut asked);
                    for evidence in [Evidence::default(), consent(&[]), consent(&["bob", "dana"]), senior.clone()] {
                        sample.push((asked.clone(), evidence));
                    }
                    sample.push((asked, person.clone()));
                }
            }
        }
    }
    sample
}

fn permitted(policies: &Policies, (question, evidence): &(Question, Evidence)) -> bool {
    matches!(policies.ask(question, evidence), Verdict::Permitted { .. })
}

/// A piece of a policy file: a word, a text in quotes, or one character of anything else.
fn pieces(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        pieces.push(at..at + length);
        at += length;
    }
    pieces
}

/// A slip of the pen at one piece; `None` where this one can't be made there.
///
/// Left out is what only its author can tell from what was meant: another number, another comparison, a whole policy
/// that is missing, another text where texts are free (tags, ARNs, kinds, teams).
fn slip(text: &str, kind: usize, at: usize) -> Option<String> {
    let all = pieces(text);
    let (before, piece) = (at.checked_sub(1).and_then(|at| all.get(at)), all.get(at)?.clone());
    let word = &text[piece.clone()];
    let first = word.chars().next()?;
    let put = |new: &str| Some(format!("{}{new}{}", &text[..piece.start], &text[piece.end..]));
    let is_word = first.is_ascii_alphabetic();
    // Texts whose words are known: names behind `::`, of a type that is not free.
    let named = first == '"'
        && before.is_some_and(|before| &text[before.clone()] == ":")
        && !text[..piece.start].ends_with("Team::")
        && word.len() > 2;
    let other_case = |word: &str| -> String {
        word.chars()
            .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect()
    };
    let comment = word.starts_with("//");
    match kind {
        // Case
        0 if is_word || named => put(&other_case(word)),
        1 if is_word => put(&format!("{}{}", other_case(&word[..1]), &word[1..])),
        2 if named => put(&format!("\"{}{}", other_case(&word[1..2]), &word[2..])),
        // Letters
        3 if is_word => put(&format!("{word}{}", &word[word.len() - 1..])),
        4 if is_word && word.len() > 1 => put(&word[..word.len() - 1]),
        5 if is_word && word.len() > 2 => put(&format!("{}{}{}", &word[1..2], &word[..1], &word[2..])),
        6 if named => put(&format!("{}x\"", &word[..word.len() - 1])),
        // Punctuation
        7 if "(){}[];,\".&|:".contains(first) => put(&word[1..]),
        8 if "(){}[];\".&|:@".contains(first) => put(&format!("{first}{word}")),
        9 if first == ',' => put(""),
        10 if !comment => put(&format!("{word},")),
        11 if first == '"' => put(&word.replace('"', "'")),
        12 if first == '=' && text[piece.end..].starts_with('=') => put(""),
        13 if !comment => put(&format!("{word};")),
        // The whole file
        14 => Some(text[..piece.end - 1].to_owned()),
        15 => Some(String::new()),
        16 => Some("// nothing yet\n".to_owned()),
        17 => Some(format!("{text}{word}")),
        _ => None,
    }
}

/// True where nothing is left out but whole policies.
fn cut_between_policies(slipped: &str) -> bool {
    !slipped.is_empty() && OWN.starts_with(slipped) && slipped.trim_end().ends_with(';')
}

#[test]
fn t07_no_slip_widens_what_is_permitted() {
    let meant = with_own(OWN).unwrap();
    let sample = sample();
    let denied: Vec<_> = sample.iter().filter(|asked| !permitted(&meant, asked)).collect();
    assert!(denied.len() > 100 && sample.len() - denied.len() > 40, "{} of {}", denied.len(), sample.len());
    let shipped_alone =
        Policies::compile(shipped::sources(Profile::None), WORDS.clone(), people(&ROLES), Profile::None);
    let shipped_alone = shipped_alone.unwrap();
    let (mut refused, mut taken) = (0, 0);
    let mut seen = BTreeSet::from([OWN.to_owned()]);
    for kind in 0..18 {
        // Every other place: all of them take too long to be run each time.
        for at in (kind % 2..pieces(OWN).len()).step_by(2) {
            let Some(slipped) = slip(OWN, kind, at).filter(|slipped| seen.insert(slipped.clone())) else { continue };
            let Ok(policies) = with_own(&slipped) else {
                refused += 1;
                continue;
            };
            if cut_between_policies(&slipped) {
                // Nobody can tell it from a file that ends there. What is shipped holds all the same.
                let forbidden = |asked: &(Question, Evidence)| match shipped_alone.ask(&asked.0, &asked.1) {
                    Verdict::Denied { forbidden_by, .. } => !forbidden_by.is_empty(),
                    Verdict::Permitted { .. } => false,
                };
                assert!(!sample.iter().any(|asked| forbidden(asked) && permitted(&policies, asked)));
                continue;
            }
            if let Some((question, evidence)) = denied.iter().find(|asked| permitted(&policies, asked)) {
                panic!("slip {kind} at {at} permits {question:?} with {evidence:?}\n{slipped}");
            }
            taken += 1;
        }
    }
    assert!(refused > 500, "{refused} refused, {taken} taken");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Two at once don't make up for each other either.
    #[test]
    fn t07_two_slips_do_not_widen_what_is_permitted(
        first in (0_usize..14, any::<prop::sample::Index>()),
        second in (0_usize..14, any::<prop::sample::Index>()),
    ) {
        let count = pieces(OWN).len();
        let Some(once) = slip(OWN, first.0, first.1.index(count)) else { return Ok(()) };
        let Some(twice) = slip(&once, second.0, second.1.index(pieces(&once).len())) else { return Ok(()) };
        let Ok(policies) = with_own(&twice) else { return Ok(()) };
        let meant = with_own(OWN).unwrap();
        for asked in sample() {
            prop_assert!(permitted(&meant, &asked) || !permitted(&policies, &asked), "{:?}\n{}", asked, twice);
        }
    }
}

#[test]
fn t07_slips_are_told_with_their_place() {
    let told = |own: &str| with_own(own).unwrap_err().to_string();
    let mut all = String::new();
    for own in [
        "",
        "@id(\"a\") forbid (principal, action, resource,,);\n",
        "@id(\"a\")\nForbid (principal, action, resource);\n",
        "@id(\"a\")\nforbid (principal, action, resource)\nunless { context.Confirmed };\n",
        "@id(\"a\")\nforbid (principal, action, resource)\nwhen { context has tickte || context.resources > 5 };\n",
        "@id(\"a\")\nforbid (principal, action in Action::\"Destructive\", resource);\n",
        "@id(\"a\")\nforbid (principal in Role::\"deploier\", action, resource);\n",
        "@id(\"a\")\nforbid (principal == Agent::\"kiri\", action, resource);\n",
        "@id(\"a\")\nforbid (principal, action, resource)\nwhen { resource.stage == Stage::\"production\" };\n",
        "@id(\"a\")\nforbid (principal, action, resource)\nwhen { Account::\"prod\".stage == Stage::\"prod\" };\n",
        "@id(\"a\") forbid (principal, action, resource)\nunless { context.approvals => 1 };\n",
        "@id(\"a\") forbid (principal, action, resource)\n",
        "forbid (principal, action, resource);\n",
        "@id(\"floor-breaker\") permit (principal, action, resource);\n",
    ] {
        all.push_str(&format!("{own:?}\n  {}\n", told(own).replace('\n', "\n  ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn t08_what_could_fail_is_refused() {
    for condition in [
        "context.resources + context.dependents > 5",
        "context.resources * 2 > 5",
        "5 - context.resources > 0",
        "-context.resources < 0",
        "context.ticket like \"CHG-*\"",
        "resource.getTag(\"env\") == \"prod\"",
        "resource.owner == Team::\"web\"",
        "context.sourceIp.isLoopback()",
        "ip(context.client).isLoopback()",
        "datetime(context.client) < context.now",
        "decimal(context.client).lessThan(decimal(\"1.0\"))",
        "context.now.offset(duration(\"1h\")) > context.now",
        "context.now.durationSince(context.now) > duration(\"1h\")",
        "principal.expires > context.now",
        "Account::\"prod\".stage == Stage::\"prod\"",
        "Agent::\"kiro\".maxResources > 5",
        "Agent::\"kiro\" in Role::\"secrets\"",
    ] {
        let own = format!("@id(\"own\") forbid (principal, action, resource) when {{ {condition} }};");
        assert!(with_own(&own).is_err(), "{condition}");
    }
}

#[test]
fn t08_what_fails_all_the_same_denies() {
    let asked = question("ec2_create_tags", Effect::Write, Stage::Dev);
    let good = policies(Profile::Standard, &["operator"], "");
    assert!(matches!(good.ask(&asked, &Evidence::default()), Verdict::Permitted { .. }));
    let failing = good
        .with_unchecked("forbid (principal, action, resource) when { context.resources + 9223372036854775807 > 5 };");
    let verdict = failing.ask(&asked, &Evidence::default());
    let Verdict::Denied { forbidden_by, errors } = &verdict else { panic!("{verdict:?}") };
    assert!(forbidden_by.is_empty() && errors.len() == 1 && errors[0].contains("unchecked"), "{verdict:?}");
    let told = reasons::why(&failing, &asked, &Evidence::default(), &verdict);
    assert!(told.message.contains("unchecked") && told.message.contains("denies"), "{told:?}");
    assert!(super::obligations::find(&failing, &asked).is_err());
}
