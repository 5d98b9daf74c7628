//! The policies that come with this program.

use crate::config::Profile;
use crate::document::Source;

/// One file, by its name in the repository.
type File = (&'static str, &'static str);

const FLOOR: File = ("policies/floor.cedar", include_str!("../../policies/floor.cedar"));
const OBSERVE: File = ("policies/observe.cedar", include_str!("../../policies/observe.cedar"));
const STANDARD: File = ("policies/standard.cedar", include_str!("../../policies/standard.cedar"));
const SUGGEST: File = ("policies/suggest.cedar", include_str!("../../policies/suggest.cedar"));
const REGULATED: File = ("policies/regulated.cedar", include_str!("../../policies/regulated.cedar"));

/// What must never be permitted.
const INVARIANTS: [File; 7] = [
    ("policies/invariants/destruction.cedar", include_str!("../../policies/invariants/destruction.cedar")),
    ("policies/invariants/agents.cedar", include_str!("../../policies/invariants/agents.cedar")),
    ("policies/invariants/consent.cedar", include_str!("../../policies/invariants/consent.cedar")),
    ("policies/invariants/secrets.cedar", include_str!("../../policies/invariants/secrets.cedar")),
    ("policies/invariants/observe.cedar", include_str!("../../policies/invariants/observe.cedar")),
    ("policies/invariants/suggest.cedar", include_str!("../../policies/invariants/suggest.cedar")),
    ("policies/invariants/regulated.cedar", include_str!("../../policies/invariants/regulated.cedar")),
];

/// Every profile, the strictest first.
pub const PROFILES: [Profile; 5] =
    [Profile::Observe, Profile::Suggest, Profile::Regulated, Profile::Standard, Profile::None];

/// The policies of a profile: the floor, which holds under every profile, and its own. `suggest` and `regulated` are
/// `standard` with demands of their own.
pub fn sources(profile: Profile) -> Vec<Source> {
    let own: &[File] = match profile {
        Profile::Observe => &[OBSERVE],
        Profile::Suggest => &[STANDARD, SUGGEST],
        Profile::Standard => &[STANDARD],
        Profile::Regulated => &[STANDARD, REGULATED],
        Profile::None => &[],
    };
    std::iter::once(&FLOOR).chain(own).map(|(path, text)| Source::new(*path, *text)).collect()
}

/// True where a text is one of the shipped policies', to the letter. They are checked once, by this program's tests: they
/// speak of nothing that a configuration could take away, so what holds of them under one holds under every other.
pub fn is_shipped(text: &str) -> bool {
    [FLOOR, OBSERVE, STANDARD, SUGGEST, REGULATED].iter().any(|(_, shipped)| *shipped == text)
}

/// The invariants of all profiles; each says which ones it is about.
pub fn invariants() -> Vec<Source> {
    INVARIANTS.into_iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// A profile as it is written in the configuration.
pub fn word(profile: Profile) -> &'static str {
    match profile {
        Profile::Observe => "observe",
        Profile::Suggest => "suggest",
        Profile::Standard => "standard",
        Profile::Regulated => "regulated",
        Profile::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Effect;
    use crate::policy::fixtures::words;
    use crate::policy::set::{People, Policies};
    use crate::policy::vocabulary::{ToolWord, Vocabulary};

    fn vocabulary() -> Vocabulary {
        let tool = |name: &str, effect| ToolWord { name: name.to_owned(), toolset: "aws".to_owned(), effect };
        Vocabulary::new(vec![tool("aws_change", Effect::Destructive)], &[], &[]).unwrap()
    }

    /// What compiling takes for granted of shipped texts: they validate, can't fail, name nobody that a configuration
    /// knows, no action of a tool, and hold tickets against no pattern.
    #[test]
    fn shipped_policies_pass_every_check_whatever_the_configuration() {
        const GROUPS_OF_ACTIONS: [&str; 6] = ["read", "secret", "change", "write", "destructive", "irreversible"];
        for profile in PROFILES {
            let mut seen = Vec::new();
            let nothing = Vocabulary::new(Vec::new(), &[], &[]).unwrap();
            let more = words(crate::policy::fixtures::tools());
            for vocabulary in [vocabulary(), nothing, more] {
                let compiled = Policies::compile_checking_all(sources(profile), vocabulary, People::default(), profile);
                let compiled = compiled.unwrap_or_else(|problems| panic!("{profile:?}: {}", problems.plain()));
                assert_eq!(compiled.ticket_examples(), ["TICKET-1"], "{profile:?}");
                seen.extend(compiled.cedar().policies().map(|policy| policy.to_json().unwrap()));
            }
            let text = serde_json::Value::from(seen).to_string();
            for named in text.split(r#"{"type":"Action","id":""#).skip(1) {
                let name = named.split('"').next().unwrap();
                assert!(GROUPS_OF_ACTIONS.contains(&name), "{profile:?} speaks of {name}");
            }
            assert!(text.contains(r#"{"type":"Action","id":""#), "{profile:?}");
        }
    }

    #[test]
    fn every_profile_compiles() {
        for profile in PROFILES {
            let policies = Policies::compile(sources(profile), vocabulary(), People::default(), profile);
            let policies = policies.unwrap_or_else(|problems| panic!("{profile:?}: {}", problems.plain()));
            assert!(!policies.is_empty());
        }
    }

    #[test]
    fn every_shipped_policy_says_what_it_demands() {
        for profile in PROFILES {
            let policies = Policies::compile(sources(profile), vocabulary(), People::default(), profile).unwrap();
            for policy in policies.cedar().policies() {
                let says = policy.annotation("says").unwrap_or_default();
                assert!(!says.is_empty() && !says.contains("please"), "{}: {says:?}", policy.id());
                assert!(!says.ends_with('.') && !says.starts_with(char::is_uppercase), "{}: {says:?}", policy.id());
            }
        }
    }

    #[test]
    fn every_profile_says_in_five_lines_what_it_means() {
        for (path, text) in [FLOOR, OBSERVE, STANDARD, SUGGEST, REGULATED] {
            let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//")).collect();
            assert!(header.len() >= 6 && header[1] == "//", "{path}: a title, and five lines");
        }
    }
}
