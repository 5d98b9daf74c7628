//! [`Invariants`]: what must never be permitted, written in Cedar as a `permit` of just that.

use cedar_policy::{Effect, EntityUid, Policy, PolicySet};

use crate::config::Profile;
use crate::document::{Problems, Source};
use crate::policy::set::{People, Policies, at_policy};
use crate::policy::shipped::{PROFILES, word};
use crate::policy::vocabulary::Vocabulary;

/// Invariants that were parsed and validated, those of other profiles left out.
#[derive(Debug)]
pub struct Invariants {
    compiled: Policies,
    all: Vec<Invariant>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Its name.
    pub id: String,
    /// What must hold, for people.
    pub says: String,
    pub(super) policy: Policy,
}

/// The annotation that names the profiles an invariant is about.
const ABOUT: &str = "profiles";

impl Invariants {
    /// Compiles invariants, in the order of their files. Those that say they are about other profiles than `profile` are
    /// checked, and left out.
    ///
    /// # Errors
    /// As [`Policies::compile`]; and where one is a `forbid`, does not say what must hold (`@says`), or is about a profile
    /// that there isn't.
    pub fn compile(
        sources: Vec<Source>,
        vocabulary: Vocabulary,
        people: People,
        profile: Profile,
    ) -> Result<Self, Problems> {
        let compiled = Policies::compile(sources, vocabulary, people, profile)?;
        let mut problems = Problems::new();
        let mut all = Vec::new();
        for policy in compiled.cedar().policies() {
            let text = policy.to_cedar().unwrap_or_default();
            let found = compiled.sources().iter().enumerate();
            let mut found = found.filter_map(|(index, source)| Some((index, source.text().find(&text)?, source)));
            let Some((index, at, source)) = found.next() else { continue };
            let mut wrong = |message: String, mend: &str| problems.push(at_policy(source, policy, message, mend));
            if policy.effect() == Effect::Forbid {
                let mend = "write a `permit` of what must never be permitted";
                wrong("an invariant describes what must never be, it forbids nothing".to_owned(), mend);
            }
            let says = policy.annotation("says").unwrap_or_default();
            if says.trim().is_empty() {
                wrong("this invariant doesn't say what must hold".to_owned(), "put `@says(\"...\")` before it");
            }
            match about(policy) {
                Ok(profiles) if profiles.contains(&profile) => {
                    let id = policy.id().to_string();
                    all.push((index, at, Invariant { id, says: says.to_owned(), policy: policy.clone() }));
                }
                Ok(_) => {}
                Err(unknown) => {
                    let known = PROFILES.map(word).join(", ");
                    wrong(format!("there is no profile `{unknown}`"), &format!("there are {known}"));
                }
            }
        }
        // A policy set has no order.
        all.sort_by_key(|(index, at, _)| (*index, *at));
        let all = all.into_iter().map(|(_, _, one)| one).collect();
        problems.or(Self { compiled, all })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Invariant> {
        self.all.iter()
    }

    /// Only those of these names.
    pub fn only(mut self, names: &[&str]) -> Self {
        self.all.retain(|invariant| names.contains(&invariant.id.as_str()));
        self
    }

    /// All that were compiled, those about other profiles too.
    pub(super) fn compiled(&self) -> &Policies {
        &self.compiled
    }

    /// Those that speak of an action.
    pub(super) fn concerning(&self, action: &EntityUid) -> Vec<&Invariant> {
        let nothing = PolicySet::new();
        let concerned = self.compiled.concerning(action).unwrap_or(&nothing);
        self.all.iter().filter(|invariant| concerned.policy(invariant.policy.id()).is_some()).collect()
    }
}

/// The profiles an invariant is about; the word that is none where there is one.
fn about(policy: &Policy) -> Result<Vec<Profile>, String> {
    let Some(words) = policy.annotation(ABOUT) else { return Ok(PROFILES.to_vec()) };
    let named = words.split(',').map(str::trim);
    named.map(|name| PROFILES.into_iter().find(|one| word(*one) == name).ok_or(name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::shipped;

    fn compile(text: &str, profile: Profile) -> Result<Vec<String>, String> {
        let words = Vocabulary::new(Vec::new(), &[], &[]).unwrap();
        let all = Invariants::compile(vec![Source::new("own.cedar", text)], words, People::default(), profile);
        all.map(|all| all.iter().map(|one| one.id.clone()).collect()).map_err(|problems| problems.plain())
    }

    #[test]
    fn an_invariant_is_about_the_profiles_it_names() {
        let text = r#"@id("b") @says("x") @profiles("regulated") permit (principal, action, resource);
            @id("a") @says("x") permit (principal, action, resource);"#;
        assert_eq!(compile(text, Profile::Regulated).unwrap(), ["b", "a"]);
        assert_eq!(compile(text, Profile::None).unwrap(), ["a"]);
    }

    #[test]
    fn a_slip_in_an_invariant_is_told() {
        for (text, said) in [
            (r#"@id("a") @says("x") forbid (principal, action, resource);"#, "it forbids nothing"),
            (r#"@id("a") permit (principal, action, resource);"#, "what must hold"),
            (
                r#"@id("a") @says("x") @profiles("standart") permit (principal, action, resource);"#,
                "no profile `standart`",
            ),
            (r#"@id("a") @says("x") permit (principal, action, resource) when { context.x };"#, "x"),
        ] {
            let problems = compile(text, Profile::Standard).unwrap_err();
            assert!(problems.contains(said), "{problems}");
        }
    }

    #[test]
    fn at_least_twelve_are_about_standard_and_regulated() {
        for profile in [Profile::Standard, Profile::Regulated] {
            let words = Vocabulary::new(Vec::new(), &[], &[]).unwrap();
            let all = Invariants::compile(shipped::invariants(), words, People::default(), profile).unwrap();
            assert!(all.iter().count() >= 12);
            assert!(all.iter().any(|one| one.id == "incident"));
        }
    }
}
