//! What the policy commands stand on: the configuration's agents, accounts, tools and files; where no configuration is
//! found, the shipped tools and a stand-in for each stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Which;
use crate::aws::iam::IamFacts;
use crate::aws::models::{Models, nearest};
use crate::cli::Failure;
use crate::config::{self, Account, AgentConfig, CallerConfig, Config, Environment, ManifestsConfig, Profile, TagRule};
use crate::document::{Problem, Problems, Source};
use crate::manifest::catalog::Catalog;
use crate::names::{Agent, Human, Region, Stage};
use crate::policy::set::{People, Policies};
use crate::policy::shipped::{self, PROFILES, word};
use crate::policy::vocabulary::Vocabulary;

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
    /// What tags say.
    pub(in crate::cli) tag_rules: Vec<TagRule>,
    profile: Profile,
    files: Vec<PathBuf>,
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
            people: People { agents: BTreeMap::from([(caller.agent.clone(), agent)]), accounts },
            caller,
            tag_rules: Vec::new(),
            profile: Profile::default(),
            files: Vec::new(),
        })
    }

    fn of(config: Config, catalog: Catalog) -> Result<Self, Failure> {
        let Config { path, accounts, agents, caller, policy, tag_rules, .. } = config;
        Ok(Self {
            path: Some(path),
            vocabulary: Vocabulary::of_catalog(&catalog, &policy.roles, &policy.groups)?,
            catalog,
            people: People { agents, accounts },
            caller,
            tag_rules,
            profile: policy.profile,
            files: policy.files,
        })
    }

    /// The policies a command means, compiled.
    pub(in crate::cli) fn policies(&self, which: &Which) -> Result<Policies, Problems> {
        let files = if which.files.is_empty() { &self.files } else { &which.files };
        self.compile(files, which.profile.unwrap_or(self.profile), self.people.clone())
    }

    /// Some files over a profile, for some people. A file that is a shipped one, word for word, counts once.
    pub(in crate::cli) fn compile(
        &self,
        files: &[PathBuf],
        profile: Profile,
        people: People,
    ) -> Result<Policies, Problems> {
        let mut sources = shipped::sources(profile);
        for own in read(files)? {
            if !sources.iter().any(|known| known.text() == own.text()) {
                sources.push(own);
            }
        }
        Policies::compile(sources, self.vocabulary.clone(), people, profile)
    }
}

/// Reads policy files, and the `*.cedar` files of folders. What can't be read is a problem, and so is a folder without
/// any: a policy that is looked for and missing must not go unnoticed.
pub(in crate::cli) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Problems> {
    let mut problems = Problems::new();
    let mut sources = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => {
                for file in files {
                    match Source::load(&file) {
                        Ok(source) => sources.push(source),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(sources)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |what: String| Source::new(path, "").problem(0..0, what, "name a folder of `*.cedar` files");
    let entries = std::fs::read_dir(path).map_err(|error| wrong(format!("the folder can't be read: {error}")))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| wrong(format!("the folder can't be read: {error}")))?;
        if entry.path().extension().is_some_and(|extension| extension == "cedar") {
            files.push(entry.path());
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(wrong("there is no policy file in this folder".to_owned())),
        false => Ok(files),
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
    fn folders_give_their_policies_and_an_empty_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let empty = read(std::slice::from_ref(&path)).unwrap_err();
        assert!(empty.to_string().contains("no policy file"), "{empty}");
        std::fs::write(path.join("b.cedar"), "b").unwrap();
        std::fs::write(path.join("a.cedar"), "a").unwrap();
        std::fs::write(path.join("notes.txt"), "x").unwrap();
        let texts: Vec<String> = read(&[path.clone()]).unwrap().iter().map(|source| source.text().to_owned()).collect();
        assert_eq!(texts, ["a", "b"]);
        let missing = read(&[path.join("gone.cedar"), path.join("gone too")]).unwrap_err();
        assert_eq!(missing.len(), 2, "{missing}");
    }

    #[test]
    fn profiles_are_known_by_name() {
        for one in PROFILES {
            assert_eq!(profile(word(one)), Ok(one));
        }
        assert!(profile("standrd").unwrap_err().contains("did you mean `standard`?"));
    }
}
