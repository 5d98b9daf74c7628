//! [`Policies`]: a set of policies that was parsed, validated and held against the configuration. There is no other way to
//! get one, and a set with one slip in it is none.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cedar_policy::{ActionConstraint, Authorizer, Context, Entities, Entity, EntityUid, PolicyId, Request, Schema};
use miette::Diagnostic;

use super::entities;
use super::literals;
use super::question::{Evidence, Question};
use super::shipped;
use super::vocabulary::{ANY, EFFECTS, ToolWord, Vocabulary, action, reachable};
use crate::config::{Account, AgentConfig, Profile};
use crate::digest::Digest;
use crate::document::{Problem, Problems, Source};
use crate::names::{Agent, Effect, Human, Stage};

/// Policies in force: compiled, and ready to be asked.
#[derive(Debug)]
pub struct Policies {
    vocabulary: Vocabulary,
    all: cedar_policy::PolicySet,
    by_action: ByAction,
    people: People,
    sources: Vec<Source>,
    /// Tickets that policies' patterns take, one for each.
    tickets: Vec<String>,
    profile: Profile,
    digest: Digest,
}

/// The configured agents and accounts, which policies may name.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// The agents.
    pub agents: BTreeMap<Agent, AgentConfig>,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The highest stage a tag can give a resource; a tag that protects counts as production. What a call acts on without
    /// naming it may bear any tag.
    pub highest_by_tags: Option<Stage>,
}

/// What the policies say of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Permitted, by these policies.
    Permitted {
        /// Names of the policies that permit it.
        by: Vec<String>,
    },
    /// Denied.
    Denied {
        /// Names of the policies that forbid it; empty where merely nothing permits it.
        forbidden_by: Vec<String>,
        /// What went wrong while it was decided; whatever goes wrong denies.
        errors: Vec<String>,
    },
}

impl Policies {
    /// Compiles a set. Everything that is wrong is told at once.
    ///
    /// Refused is what does not parse or validate, what has no name or another's, a template, a file without policies, a
    /// name of an agent or account that isn't configured, and an expression that could fail when it is evaluated: Cedar
    /// skips a policy that fails, and a `forbid` that is skipped forbids nothing.
    ///
    /// Shipped texts were checked by this program's tests (see [`super::shipped::is_shipped`]).
    pub fn compile(
        sources: Vec<Source>,
        vocabulary: Vocabulary,
        people: People,
        profile: Profile,
    ) -> Result<Self, Problems> {
        Self::compile_checking(sources, vocabulary, people, profile, |source| !shipped::is_shipped(source.text()))
    }

    /// Compiles a set, and checks the texts for which `checked` says so.
    fn compile_checking(
        sources: Vec<Source>,
        vocabulary: Vocabulary,
        people: People,
        profile: Profile,
        checked: impl Fn(&Source) -> bool,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let words = OnceLock::new();
        let mut all = cedar_policy::PolicySet::new();
        let mut own = cedar_policy::PolicySet::new();
        let mut origin: BTreeMap<String, usize> = BTreeMap::new();
        for (index, source) in sources.iter().enumerate() {
            let check = checked(source);
            for policy in parse(source, &mut problems) {
                let id = policy.id().to_string();
                match origin.get(&id) {
                    Some(first) => {
                        let other = sources.get(*first).map(|source| source.path().display().to_string());
                        let message =
                            format!("a policy called `{id}` is there already, in {}", other.unwrap_or_default());
                        problems.push(at_policy(source, &policy, message, "give it a name of its own"));
                    }
                    None => {
                        origin.insert(id, index);
                        // The name is new, so adding can't fail; were it to, the policy must not be missing unnoticed.
                        let mut added = all.add(policy.clone());
                        if check {
                            let words = words.get_or_init(|| literals::Words::new(&people));
                            literals::check(source, &policy, words, &mut problems);
                            added = added.and_then(|()| own.add(policy.clone()));
                        }
                        if let Err(error) = added {
                            problems.push(at_policy(source, &policy, error.to_string(), "report it"));
                        }
                    }
                }
            }
        }
        let place = |id: &PolicyId| origin.get(id.to_string().as_str()).and_then(|index| sources.get(*index));
        if !own.is_empty() {
            validate(&own, &vocabulary, &sources, place, &mut problems);
        }
        let digest = digest(&sources, &vocabulary).map_err(|error| {
            Problems::from(Source::new("policies", "").problem(0..0, error.to_string(), "report it"))
        })?;
        let by_action = ByAction::new(&vocabulary);
        let tickets = literals::ticket_examples(&own);
        drop(words);
        problems.or(Self { vocabulary, all, by_action, people, sources, tickets, profile, digest })
    }

    /// What the policies say. Whatever can't be evaluated, is unknown or is missing denies.
    pub fn ask(&self, question: &Question, evidence: &Evidence) -> Verdict {
        match self.request(question, evidence) {
            Ok((request, entities, policies)) => {
                let response = Authorizer::new().is_authorized(&request, policies, &entities);
                let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
                let mut names: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
                names.sort();
                match response.decision() {
                    cedar_policy::Decision::Allow if errors.is_empty() => Verdict::Permitted { by: names },
                    cedar_policy::Decision::Allow => Verdict::Denied { forbidden_by: Vec::new(), errors },
                    cedar_policy::Decision::Deny => Verdict::Denied { forbidden_by: names, errors },
                }
            }
            Err(error) => Verdict::Denied { forbidden_by: Vec::new(), errors: vec![error] },
        }
    }

    /// The request, the entities and the policies it concerns, as Cedar takes them.
    pub(super) fn request(
        &self,
        question: &Question,
        evidence: &Evidence,
    ) -> Result<(Request, Entities, &cedar_policy::PolicySet), String> {
        let asked = action(&question.tool, question.effect);
        let Leaf { entity: action_entity, .. } = self.by_action.leaf(&asked).ok_or_else(|| unknown(&asked))?;
        let policies = self.concerning(&asked).ok_or_else(|| unknown(&asked))?;
        let context = Context::from_pairs(entities::context(question, evidence)).map_err(|error| error.to_string())?;
        let principal = self.principal(&question.agent, &question.human)?;
        let resource = entities::resource(question).map_err(|error| error.to_string())?;
        let account = entities::account(&question.account).map_err(|error| error.to_string())?;
        // That the tool is there is known by now; all else is the same for every tool.
        let any = action(ANY, question.effect);
        Request::new(principal.uid(), any, resource.uid(), context.clone(), Some(self.vocabulary.plain()))
            .map_err(|error| error.to_string())?;
        let request =
            Request::new(principal.uid(), asked, resource.uid(), context, None).map_err(|error| error.to_string())?;
        let entities = Entities::from_entities([principal, resource, account, action_entity.clone()], None)
            .map_err(|error| error.to_string())?;
        Ok((request, entities, policies))
    }

    /// An agent as policies see it. One that isn't configured is nobody.
    pub(super) fn principal(&self, name: &Agent, human: &Human) -> Result<Entity, String> {
        let agent = self.people.agents.get(name).ok_or_else(|| format!("the agent `{name}` is not configured"))?;
        entities::agent(name, human, agent).map_err(|error| error.to_string())
    }

    /// The policies that can have something to say of an action; `None` of one that isn't there.
    pub(super) fn concerning(&self, action: &EntityUid) -> Option<&cedar_policy::PolicySet> {
        self.by_action.slice(action, &self.all)
    }

    /// Their names, sorted.
    pub(super) fn concerning_by_name(&self, action: &EntityUid) -> Option<Vec<String>> {
        self.by_action.names(action, &self.all)
    }

    /// A schema of the tools that these policies name, and of some more: enough for evaluating policies for these, and a
    /// fraction of the whole.
    pub(super) fn schema_around(&self, more: &dyn Fn(&ToolWord) -> bool) -> Result<Schema, String> {
        let named = Named::of(&self.sources);
        let schema = self.vocabulary.schema_of(|tool| named.names(tool) || more(tool));
        schema.map_err(|error| error.to_string())
    }

    /// The schema's words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// All policies.
    pub(super) fn cedar(&self) -> &cedar_policy::PolicySet {
        &self.all
    }

    /// The configured agents and accounts.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// The texts they were compiled from.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Tickets that would do for the policies' patterns; never empty.
    pub(super) fn ticket_examples(&self) -> &[String] {
        &self.tickets
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let profile = match self.profile {
            Profile::None => "no profile".to_owned(),
            profile => format!("profile `{profile}`"),
        };
        format!("{profile}, {} policies in {} files", self.len(), self.sources.len())
    }

    /// What a policy says of itself: its `@says`.
    pub fn says(&self, id: &str) -> Option<&str> {
        self.all.policy(&PolicyId::new(id)).and_then(|policy| policy.annotation("says"))
    }

    /// Where a policy stands: its file, and the line (from 1).
    pub fn place(&self, id: &str) -> Option<(&Source, usize)> {
        let text = self.all.policy(&PolicyId::new(id))?.to_cedar()?;
        self.sources.iter().find_map(|source| {
            let before = source.text().split_once(&text).map(|(before, _)| before)?;
            Some((source, before.matches('\n').count() + 1))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.policies().count()
    }

    /// True where there is none, and so nothing is permitted.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Names this very set: its texts and the words it was compiled with.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The shipped profile among them.
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

#[cfg(test)]
impl Policies {
    /// With a policy that no check has seen.
    pub(super) fn with_unchecked(mut self, text: &str) -> Self {
        let policy = cedar_policy::Policy::parse(Some(PolicyId::new("unchecked")), text).unwrap();
        self.all.add(policy).unwrap();
        self.by_action = ByAction::new(&self.vocabulary);
        self
    }

    /// Compiles a set and checks shipped texts, too.
    pub(super) fn compile_checking_all(
        sources: Vec<Source>,
        vocabulary: Vocabulary,
        people: People,
        profile: Profile,
    ) -> Result<Self, Problems> {
        Self::compile_checking(sources, vocabulary, people, profile, |_| true)
    }
}

/// The policies of a file, each under its own name.
fn parse(source: &Source, problems: &mut Problems) -> Vec<cedar_policy::Policy> {
    let set: cedar_policy::PolicySet = match source.text().parse() {
        Ok(set) => set,
        Err(errors) => {
            let errors: cedar_policy::ParseErrors = errors;
            for error in errors.iter() {
                problems.push(of_diagnostic(source, error));
            }
            return Vec::new();
        }
    };
    for template in set.templates() {
        let bytes = span(source, template.id(), &set);
        let mend = "write a policy for each; what has a placeholder can't be proved";
        problems.push(source.problem(bytes, "this is a template", mend));
    }
    if set.is_empty() {
        problems.push(source.problem(0..0, "there is no policy in this file", "write one, or take the file away"));
    }
    let mut named = Vec::new();
    for policy in set.policies() {
        match policy.annotation("id") {
            Some(id) if !id.trim().is_empty() => named.push(policy.new_id(PolicyId::new(id))),
            _ => {
                let mend = "put `@id(\"a-name-that-says-what-it-is-for\")` before it";
                problems.push(at_policy(source, policy, "this policy has no name", mend));
            }
        }
    }
    named.sort_by_key(|policy| policy.to_cedar().and_then(|text| source.text().find(&text)));
    named
}

/// The words in quotation marks in some texts: what tools policies can name.
struct Named<'a> {
    words: HashSet<&'a str>,
    /// Something is written with escapes, and could be any word.
    any: bool,
}

impl<'a> Named<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let texts = || sources.iter().map(Source::text);
        Self { words: texts().flat_map(|text| text.split('"')).collect(), any: texts().any(|text| text.contains('\\')) }
    }

    fn names(&self, tool: &ToolWord) -> bool {
        let has = |word: &str| self.words.contains(word);
        self.any
            || has(&tool.name)
            || has(&format!("toolset:{}", tool.toolset))
            || EFFECTS.iter().any(|effect| has(&format!("{}:{effect}", tool.name)))
    }
}

fn validate<'a>(
    all: &cedar_policy::PolicySet,
    vocabulary: &Vocabulary,
    sources: &[Source],
    place: impl Fn(&PolicyId) -> Option<&'a Source>,
    problems: &mut Problems,
) {
    let strict =
        |schema: Schema| cedar_policy::Validator::new(schema).validate(all, cedar_policy::ValidationMode::Strict);
    // Tools that no policy names are alike to all of them. Where something is wrong the whole schema has the nearest words.
    let named = Named::of(sources);
    let found = match vocabulary.schema_of(|tool| named.names(tool)) {
        Ok(schema) => strict(schema),
        Err(_) => strict(vocabulary.schema().clone()),
    };
    if found.validation_passed_without_warnings() {
        return;
    }
    let found = strict(vocabulary.schema().clone());
    let nowhere = Source::new("policies", "");
    // The validator tells a slip once for each action: the first will do.
    let mut told = BTreeSet::new();
    let mut errors: Vec<_> = found.validation_errors().collect();
    errors.sort_by_cached_key(ToString::to_string);
    for error in errors {
        let problem = of_diagnostic(place(error.policy_id()).unwrap_or(&nowhere), error);
        let slip = (problem.file().to_owned(), problem.line(), problem.column(), problem.mend().to_owned());
        if told.insert(slip) {
            problems.push(problem);
        }
    }
    // A warning says that a policy can't match what its author meant: that is a slip like any other.
    for warning in found.validation_warnings() {
        problems.push(of_diagnostic(place(warning.policy_id()).unwrap_or(&nowhere), warning));
    }
}

fn of_diagnostic(source: &Source, error: &dyn Diagnostic) -> Problem {
    let label = error.labels().and_then(|mut labels| labels.next());
    let bytes = label.as_ref().map(|label| label.offset()..label.offset() + label.len()).unwrap_or_default();
    let mend = match (error.help(), label.as_ref().and_then(|label| label.label())) {
        (Some(help), _) => help.to_string(),
        (None, Some(label)) => label.to_owned(),
        (None, None) => "`countersign policy schema` shows every word policies can use".to_owned(),
    };
    source.problem(bytes, error.to_string(), mend)
}

/// A problem at a policy: at its first line.
pub(super) fn at_policy(
    source: &Source,
    policy: &cedar_policy::Policy,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> Problem {
    let start = policy.to_cedar().and_then(|text| source.text().find(&text)).unwrap_or_default();
    source.problem(start..source.text().len(), message, mend)
}

fn span(source: &Source, id: &PolicyId, set: &cedar_policy::PolicySet) -> std::ops::Range<usize> {
    let text = set.template(id).map(cedar_policy::Template::to_cedar).unwrap_or_default();
    let start = source.text().find(&text).unwrap_or_default();
    start..start + text.len()
}

/// Policies are picked by their action: what names another action can't match, and needs not be looked at in every
/// decision. They are picked when an action is first asked for, and actions that the same policies concern share them.
#[derive(Debug)]
struct ByAction {
    leaves: HashMap<EntityUid, Leaf>,
    shared: Mutex<HashMap<Vec<String>, Arc<cedar_policy::PolicySet>>>,
}

/// An action that can be asked for.
#[derive(Debug)]
struct Leaf {
    entity: Entity,
    ancestors: HashSet<EntityUid>,
    policies: OnceLock<Arc<cedar_policy::PolicySet>>,
}

impl ByAction {
    fn new(vocabulary: &Vocabulary) -> Self {
        let leaf = |(tool, toolset, effect): (&str, &str, Effect)| {
            let asked = action(tool, effect);
            let ancestors = entities::ancestors(tool, toolset, effect);
            let entity = Entity::new_no_attrs(asked.clone(), ancestors.clone());
            (asked, Leaf { entity, ancestors, policies: OnceLock::new() })
        };
        Self { leaves: leaves(vocabulary).map(leaf).collect(), shared: Mutex::default() }
    }

    fn leaf(&self, asked: &EntityUid) -> Option<&Leaf> {
        self.leaves.get(asked)
    }

    fn names(&self, asked: &EntityUid, all: &cedar_policy::PolicySet) -> Option<Vec<String>> {
        let mut names: Vec<String> = self.leaf(asked)?.concerned(asked, all).map(|one| one.id().to_string()).collect();
        names.sort();
        Some(names)
    }

    fn slice(&self, asked: &EntityUid, all: &cedar_policy::PolicySet) -> Option<&cedar_policy::PolicySet> {
        let leaf = self.leaf(asked)?;
        let policies = leaf.policies.get_or_init(|| {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let names = self.names(asked, all).unwrap_or_default();
            let made = shared.entry(names).or_insert_with(|| {
                let mut concerned = cedar_policy::PolicySet::new();
                for policy in leaf.concerned(asked, all) {
                    // Names are unique already: nothing can be lost here.
                    let _ = concerned.add(policy.clone());
                }
                Arc::new(concerned)
            });
            Arc::clone(made)
        });
        Some(policies)
    }
}

impl Leaf {
    fn concerned<'p>(
        &'p self,
        asked: &'p EntityUid,
        all: &'p cedar_policy::PolicySet,
    ) -> impl Iterator<Item = &'p cedar_policy::Policy> {
        all.policies().filter(move |policy| match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(named) => named == *asked,
            ActionConstraint::In(named) => named.iter().any(|named| named == asked || self.ancestors.contains(named)),
        })
    }
}

fn unknown(action: &EntityUid) -> String {
    format!("policies know no action {action}")
}

/// Every action that can be asked for: tool, toolset and effect, those of [`ANY`] too.
pub(super) fn leaves(vocabulary: &Vocabulary) -> impl Iterator<Item = (&str, &str, Effect)> {
    let any = EFFECTS.into_iter().map(|effect| (ANY, ANY, effect));
    let tools = vocabulary.tools().iter();
    any.chain(tools.flat_map(|tool| reachable(tool.effect).map(|e| (tool.name.as_str(), tool.toolset.as_str(), e))))
}

fn digest(sources: &[Source], vocabulary: &Vocabulary) -> Result<Digest, crate::digest::NotCanonical> {
    let texts: BTreeSet<(String, &str)> =
        sources.iter().map(|source| (source.path().display().to_string(), source.text())).collect();
    Digest::of("countersign.policies.v1", &(texts, vocabulary.text()))
}
