//! The words policies speak with: a schema, made of a hand-written base and of a fragment for every tool.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, OnceLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema, SchemaFragment};
use serde_json::{Map, Value, json};

use crate::manifest::catalog::Catalog;
use crate::names::Effect;

/// The part that is the same everywhere.
pub const BASE: &str = include_str!("base.cedarschema");

/// Roles there are without any configuration.
///
/// `reader` reads; `operator` changes; `secrets` reads what returns secrets. The shipped profiles speak of these three.
pub const ROLES: [&str; 3] = ["reader", "operator", "secrets"];

/// Groups of approvers there are without any configuration: everybody who is enrolled.
pub const GROUPS: [&str; 1] = ["approvers"];

/// The tool that stands for those that are not there yet. With it every group of actions holds something, whatever the
/// configuration switches off.
pub const ANY: &str = "any";

/// The group of all actions that change something.
const CHANGE: &str = "change";

/// Every effect, the least harm first.
pub const EFFECTS: [Effect; 5] =
    [Effect::Read, Effect::Secret, Effect::Write, Effect::Destructive, Effect::Irreversible];

/// One tool, as policies know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolWord {
    /// Its name.
    pub name: String,
    /// Its toolset.
    pub toolset: String,
    /// The least harm it does.
    pub effect: Effect,
}

/// What policies can speak of here.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// What is the same for all tools, parsed.
    base: SchemaFragment,
    plain: Schema,
    whole: Arc<OnceLock<Schema>>,
    text: String,
    tools: Vec<ToolWord>,
    roles: BTreeSet<String>,
    groups: BTreeSet<String>,
}

/// A schema that can't be made: a name among the tools, roles or groups is at fault.
#[derive(Debug, thiserror::Error)]
#[error("the policies' schema can't be made: {0}")]
pub struct NoVocabulary(String);

impl Vocabulary {
    /// The words for some tools, with roles and groups besides the built-in ones.
    ///
    /// # Errors
    /// Where two names clash, or a tool has the name of an effect.
    pub fn new(mut tools: Vec<ToolWord>, roles: &[String], groups: &[String]) -> Result<Self, NoVocabulary> {
        let taken = |name: &str| name == ANY || name == CHANGE || EFFECTS.iter().any(|effect| effect.word() == name);
        if let Some(tool) = tools.iter().find(|tool| taken(&tool.name)) {
            return Err(NoVocabulary(format!("a tool can't be called `{}`", tool.name)));
        }
        tools.sort();
        tools.dedup();
        let mut names = BTreeSet::new();
        if let Some(twice) = tools.iter().find(|tool| !names.insert(&tool.name)) {
            return Err(NoVocabulary(format!("`{}` is there twice", twice.name)));
        }
        let all = |built_in: &[&str], more: &[String]| -> BTreeSet<String> {
            built_in.iter().map(|word| (*word).to_owned()).chain(more.iter().cloned()).collect()
        };
        let (roles, groups) = (all(&ROLES, roles), all(&GROUPS, groups));
        let text = text(&tools, &roles, &groups);
        let written = format!("{BASE}{}", people(&roles, &groups));
        let (base, _) = SchemaFragment::from_cedarschema_str(&written).map_err(wrong)?;
        let plain = schema(&base, std::iter::empty())?;
        Ok(Self { base, plain, whole: Arc::default(), text, tools, roles, groups })
    }

    /// The words for every tool and family of a catalog.
    ///
    /// # Errors
    /// As [`Vocabulary::new`].
    pub fn of_catalog(catalog: &Catalog, roles: &[String], groups: &[String]) -> Result<Self, NoVocabulary> {
        let tools = catalog.heads().map(|tool| ToolWord {
            name: tool.name.clone(),
            toolset: tool.toolset.clone(),
            effect: tool.effect,
        });
        let families = catalog.families().map(|family| ToolWord {
            name: family.name().to_owned(),
            toolset: family.toolset().to_owned(),
            effect: family.effect(),
        });
        Self::new(tools.chain(families).collect(), roles, groups)
    }

    /// The schema with all tools. With hundreds of them it takes as long as all else at the start of a server, so it is made
    /// when it is first asked for: by proofs, that is.
    pub fn schema(&self) -> &Schema {
        self.whole.get_or_init(|| {
            self.schema_of(|_| true).unwrap_or_else(|error| {
                // Without tools nothing is permitted, and nothing is proved.
                tracing::error!(%error, "no tool can be asked for");
                self.plain.clone()
            })
        })
    }

    /// The schema without tools but [`ANY`]. A request is of the same types for every tool.
    pub fn plain(&self) -> &Schema {
        &self.plain
    }

    /// The schema with some of the tools.
    ///
    /// # Errors
    /// Where Cedar doesn't take it.
    pub fn schema_of(&self, wanted: impl Fn(&ToolWord) -> bool) -> Result<Schema, NoVocabulary> {
        schema(&self.base, self.tools.iter().filter(|tool| wanted(tool)))
    }

    /// The schema's text, for `countersign policy schema` and for editors.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tools.
    pub fn tools(&self) -> &[ToolWord] {
        &self.tools
    }

    /// The roles an agent can have.
    pub fn roles(&self) -> &BTreeSet<String> {
        &self.roles
    }

    /// The groups an approver can belong to.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Every action that can be asked for, with its tool and effect; those of [`ANY`] are left out.
    pub fn actions(&self) -> impl Iterator<Item = (&ToolWord, Effect)> {
        self.tools.iter().flat_map(|tool| reachable(tool.effect).map(move |effect| (tool, effect)))
    }
}

/// The effects a tool can turn out to have: its manifest's, and for changes every worse one.
pub fn reachable(least: Effect) -> impl Iterator<Item = Effect> {
    EFFECTS.into_iter().filter(move |effect| *effect == least || (least.changes() && *effect > least))
}

/// The action that is asked for.
pub fn action(tool: &str, effect: Effect) -> EntityUid {
    entity("Action", &format!("{tool}:{effect}"))
}

/// The types of the base schema, and the two that are generated. Naming one takes Cedar's parser, and every decision
/// names a dozen: that is done once.
static TYPES: LazyLock<BTreeMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
    const NAMES: [&str; 10] =
        ["Account", "Action", "Agent", "AwsResource", "Group", "Human", "Role", "Stage", "Team", "Trust"];
    NAMES.into_iter().filter_map(|name| Some((name, EntityTypeName::from_str(name).ok()?))).collect()
});

/// An entity of a type of the base schema.
pub(super) fn entity(kind: &'static str, id: &str) -> EntityUid {
    let kind = TYPES.get(kind).cloned().unwrap_or_else(unnameable);
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}

#[expect(clippy::unreachable, reason = "only literals of this folder come here, and a test names them all")]
fn unnameable() -> EntityTypeName {
    unreachable!("a word of the base schema is not a name")
}

/// The schema of [`text`]. Its actions, most of it, are given as JSON: that takes a tenth of what Cedar's parser takes.
fn schema<'a>(base: &SchemaFragment, tools: impl Iterator<Item = &'a ToolWord>) -> Result<Schema, NoVocabulary> {
    let tools: Vec<&ToolWord> = tools.collect();
    let mut actions = Map::new();
    let mut add = |name: String, groups: &[&str], asked: bool| {
        let groups: Vec<Value> = groups.iter().map(|group| json!({ "id": group })).collect();
        let applies = json!({
            "principalTypes": ["Agent"], "resourceTypes": ["AwsResource"], "context": { "type": "Call" },
        });
        let action = if asked { json!({ "memberOf": groups, "appliesTo": applies }) } else { json!({}) };
        actions.insert(name.clone(), action).map_or(Ok(()), |_| Err(NoVocabulary(format!("`{name}` is there twice"))))
    };
    let toolsets: BTreeSet<&str> = tools.iter().map(|tool| tool.toolset.as_str()).collect();
    for toolset in toolsets {
        add(format!("toolset:{toolset}"), &[], false)?;
    }
    add(ANY.to_owned(), &[], false)?;
    for effect in EFFECTS {
        add(format!("{ANY}:{effect}"), &[ANY, effect.word()], true)?;
    }
    for tool in tools {
        add(tool.name.clone(), &[], false)?;
        for effect in reachable(tool.effect) {
            let toolset = format!("toolset:{}", tool.toolset);
            add(format!("{}:{effect}", tool.name), &[&tool.name, &toolset, effect.word()], true)?;
        }
    }
    let actions = json!({ "": { "entityTypes": {}, "actions": actions } });
    let actions = SchemaFragment::from_json_value(actions).map_err(wrong)?;
    Schema::from_schema_fragments([base.clone(), actions]).map_err(wrong)
}

fn wrong(error: impl miette::Diagnostic + Send + Sync + 'static) -> NoVocabulary {
    NoVocabulary(chain_of(&miette::Report::new(error)))
}

fn people(roles: &BTreeSet<String>, groups: &BTreeSet<String>) -> String {
    let words = |words: &BTreeSet<String>| words.iter().map(|word| literal(word)).collect::<Vec<_>>().join(", ");
    format!("\nentity Role enum [{}];\nentity Group enum [{}];\n", words(roles), words(groups))
}

fn text(tools: &[ToolWord], roles: &BTreeSet<String>, groups: &BTreeSet<String>) -> String {
    let mut text = BASE.to_owned();
    text.push_str(&people(roles, groups));
    let toolsets: BTreeMap<&str, ()> = tools.iter().map(|tool| (tool.toolset.as_str(), ())).collect();
    for toolset in toolsets.keys() {
        text.push_str(&format!("action {};\n", literal(&format!("toolset:{toolset}"))));
    }
    text.push_str(&format!("\naction \"{ANY}\";\n"));
    for effect in EFFECTS {
        text.push_str(&format!("action \"{ANY}:{effect}\" in [\"{ANY}\", \"{effect}\"] {APPLIES};\n"));
    }
    for tool in tools {
        let name = literal(&tool.name);
        text.push_str(&format!("\naction {name};\n"));
        for effect in reachable(tool.effect) {
            text.push_str(&format!(
                "action {} in [{name}, {}, {}] {APPLIES};\n",
                literal(&format!("{}:{effect}", tool.name)),
                literal(&format!("toolset:{}", tool.toolset)),
                literal(effect.word()),
            ));
        }
    }
    text
}

const APPLIES: &str = "appliesTo { principal: Agent, resource: AwsResource, context: Call }";

/// A string literal of Cedar's.
pub(super) fn literal(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// An error with all that caused it, on one line.
pub(super) fn chain_of(report: &miette::Report) -> String {
    report.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, effect: Effect) -> ToolWord {
        ToolWord { name: name.to_owned(), toolset: "ec2".to_owned(), effect }
    }

    #[test]
    fn a_tool_is_an_action_in_groups_by_effect_and_toolset() {
        let words = Vocabulary::new(vec![tool("a", Effect::Read), tool("b", Effect::Write)], &[], &[]).unwrap();
        let generated = words.text().strip_prefix(BASE).unwrap();
        insta::assert_snapshot!(generated);
        let asked: Vec<String> = words.actions().map(|(tool, effect)| format!("{}:{effect}", tool.name)).collect();
        assert_eq!(asked, ["a:read", "b:write", "b:destructive", "b:irreversible"]);
        assert_eq!(words.schema().request_envs().count(), 4 + EFFECTS.len());
    }

    #[test]
    fn the_schema_is_that_of_the_text() {
        let tools = vec![tool("a", Effect::Read), tool("b", Effect::Write), tool("c\"\\", Effect::Irreversible)];
        for tools in [Vec::new(), tools] {
            let words = Vocabulary::new(tools, &["auditor".to_owned()], &["dba".to_owned()]).unwrap();
            let (parsed, _) = Schema::from_cedarschema_str(words.text()).unwrap();
            let told = |schema: &Schema| {
                let actions = schema.action_entities().unwrap().to_json_value().unwrap();
                let mut actions: Vec<String> = actions.as_array().unwrap().iter().map(sorted).collect();
                actions.sort();
                let envs =
                    schema.request_envs().map(|env| format!("{} {} {}", env.principal(), env.action(), env.resource()));
                let mut envs: Vec<String> = envs.collect();
                envs.sort();
                (actions, envs)
            };
            assert_eq!(told(words.schema()), told(&parsed));
        }
    }

    fn sorted(action: &Value) -> String {
        let mut parents: Vec<String> = action["parents"].as_array().unwrap().iter().map(Value::to_string).collect();
        parents.sort();
        format!("{} in {}", action["uid"], parents.join(" "))
    }

    #[test]
    fn a_tool_with_the_name_of_an_effect_is_refused() {
        for name in ["read", "secret", "change", "write", "destructive", "irreversible", ANY] {
            assert!(Vocabulary::new(vec![tool(name, Effect::Read)], &[], &[]).is_err(), "{name}");
        }
    }

    #[test]
    fn every_type_of_the_base_schema_can_be_named() {
        for kind in ["Action", "Agent", "Human", "Account", "AwsResource", "Stage", "Trust", "Team", "Role", "Group"] {
            assert_eq!(entity(kind, "x").type_name().to_string(), kind);
        }
    }
}
