//! What the policy commands stand on: the configuration's agents, accounts, tools and files; where no configuration is
//! found, the shipped tools and a stand-in for each stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Which;
use crate::aws::iam::IamFacts;
use crate::aws::models::{Models, nearest};
use crate::cli::{Failure, policy_files};
use crate::clock::SystemClock;
use crate::config::{
    self, Account, AgentConfig, CallerConfig, Config, Environment, ManifestsConfig, Profile, TagRule, Trust,
};
use crate::document::{Problems, Source};
use crate::manifest::catalog::Catalog;
use crate::names::{Agent, Human, Region, Stage};
use crate::policy::set::{People, Policies};
use crate::policy::shipped::{self, PROFILES, word};
use crate::policy::vocabulary::Vocabulary;
use crate::ports::Clock;

/// The caller where there is no configuration.
const NOBODY: (&str, &str) = ("agent", "ann");

/// What policies are compiled with, and asked about.
#[derive(Debug)]
pub(in crate::cli) struct Ground {
    /// The configuration's file; `None` where none was found.
    pub(in crate::cli) path: Option<PathBuf>,
    /// The tools there are.
    pub(in crate::cli) catalog: Catalog,
    /// The words.
    pub(in crate::cli) vocabulary: Vocabulary,
    /// Agents and accounts.
    pub(in crate::cli) people: People,
    /// Who asks, where nobody else is named.
    pub(in crate::cli) caller: CallerConfig,
    /// How far clients are trusted.
    pub(in crate::cli) clients: BTreeMap<String, Trust>,
    /// What tags say.
    pub(in crate::cli) tag_rules: Vec<TagRule>,
    /// The time.
    pub(in crate::cli) now: Timestamp,
    /// The shipped profile.
    pub(in crate::cli) profile: Profile,
    /// The admin's own files.
    pub(in crate::cli) files: Vec<PathBuf>,
    /// The admin's own invariants.
    pub(in crate::cli) invariants: Vec<PathBuf>,
}

impl Ground {
    /// The configuration's, or the shipped one where there is no configuration at all.
    pub(in crate::cli) fn find(explicit: Option<&Path>) -> Result<Result<Self, Problems>, Failure> {
        let environment = Environment::of_process();
        let Ok(path) = config::find(explicit, &environment) else { return Ok(Ok(Self::shipped()?)) };
        let models = Models::embedded()?;
        let config = match config::load(&path, &models, &environment) {
            Ok(config) => config,
            Err(wrong) => return Ok(Err(wrong)),
        };
        match Catalog::load(&config.manifests, &models, &IamFacts::embedded()?) {
            Ok(catalog) => Ok(Ok(Self::of(config, catalog)?)),
            Err(wrong) => Ok(Err(wrong)),
        }
    }

    /// The shipped tools, an account for each stage that is called like it, and one agent with the role
    /// `operator`.
    pub(in crate::cli) fn shipped() -> Result<Self, Failure> {
        let catalog = Catalog::load(&ManifestsConfig::default(), &Models::embedded()?, &IamFacts::embedded()?)?;
        let account = |stage: Stage, id: &str| Account {
            name: stage.to_string(),
            id: id.to_owned(),
            stage,
            regions: vec![Region::new("eu-central-1")],
            read_role: None,
            change_role: None,
            external_id: None,
        };
        let accounts = vec![
            account(Stage::Dev, "111111111111"),
            account(Stage::Staging, "222222222222"),
            account(Stage::Prod, "333333333333"),
        ];
        let caller = CallerConfig { agent: Agent::new(NOBODY.0), human: Human::new(NOBODY.1) };
        let agent = AgentConfig {
            roles: vec!["operator".to_owned()],
            accounts: accounts.iter().map(|account| account.name.clone()).collect(),
            max_resources: 100,
            expires: None,
        };
        Ok(Self {
            path: None,
            vocabulary: Vocabulary::of_catalog(&catalog, &[], &[])?,
            catalog,
            people: People { agents: BTreeMap::from([(caller.agent.clone(), agent)]), accounts, ..People::default() },
            caller,
            clients: BTreeMap::new(),
            tag_rules: Vec::new(),
            now: SystemClock.now(),
            profile: Profile::default(),
            files: Vec::new(),
            invariants: Vec::new(),
        })
    }

    fn of(config: Config, catalog: Catalog) -> Result<Self, Failure> {
        let people = config.people();
        let Config { path, caller, policy, clients, tag_rules, .. } = config;
        Ok(Self {
            path: Some(path),
            vocabulary: Vocabulary::of_catalog(&catalog, &policy.roles, &policy.groups)?,
            catalog,
            people,
            caller,
            clients,
            tag_rules,
            now: SystemClock.now(),
            profile: policy.profile,
            files: policy.files,
            invariants: policy.invariants,
        })
    }

    /// The policies a command means, compiled for some people.
    pub(in crate::cli) fn policies(&self, which: &Which, people: People) -> Result<Policies, Problems> {
        let files = if which.files.is_empty() { &self.files } else { &which.files };
        self.compile(policy_files::read(files)?, which.profile.unwrap_or(self.profile), people)
    }

    /// Some files over a profile, for some people. A file that is a shipped one, word for word, counts once.
    pub(in crate::cli) fn compile(
        &self,
        files: Vec<Source>,
        profile: Profile,
        people: People,
    ) -> Result<Policies, Problems> {
        let mut sources = shipped::sources(profile);
        for own in files {
            if !sources.iter().any(|known| known.text() == own.text()) {
                sources.push(own);
            }
        }
        Policies::compile(sources, self.vocabulary.clone(), people, profile)
    }
}

/// A profile by its name.
pub(super) fn profile(name: &str) -> Result<Profile, String> {
    PROFILES.into_iter().find(|profile| word(*profile) == name).ok_or_else(|| {
        let best = nearest(name, PROFILES.into_iter().map(word));
        let mend = best.first().map(|best| format!("; did you mean `{best}`?")).unwrap_or_default();
        format!("there is no profile of this name, there are {}{mend}", PROFILES.map(word).join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_known_by_name() {
        for one in PROFILES {
            assert_eq!(profile(word(one)), Ok(one));
        }
        assert!(profile("standrd").unwrap_err().contains("did you mean `standard`?"));
    }
}
