//! The facts of one IAM prefix, read from its frame of the pack.

use serde::{Deserialize, Serialize};

/// How much an action allows, in AWS's words. Ordered: what comes later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLevel {
    /// Tells which resources there are.
    List,
    /// Tells what is in them.
    Read,
    /// Changes tags only; policies may hang on tags.
    Tagging,
    /// Creates, deletes or modifies.
    Write,
    /// Grants or modifies permissions.
    PermissionsManagement,
}

/// A resource type that an action acts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResource {
    /// The type's name under the action's prefix, such as `instance`.
    pub name: String,
    /// A statement that allows the action must name a resource of this type.
    pub required: bool,
}

/// A resource type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceType {
    /// Its name, such as `instance`.
    pub name: String,
    /// Its ARN with `${Partition}`, `${Region}`, `${Account}` and names of its own.
    pub arn: String,
    /// The condition keys it knows.
    pub condition_keys: Vec<String>,
}

/// A condition key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionKey {
    /// Its name, such as `ec2:InstanceType`; may hold `${TagKey}`.
    pub name: String,
    /// Its type, such as `String` or `ArrayOfString`.
    pub kind: String,
}

/// Everything under one prefix.
#[derive(Debug, Default)]
pub(super) struct PrefixFacts {
    pub(super) actions: Vec<Action>,
    pub(super) resources: Vec<ResourceType>,
    pub(super) condition_keys: Vec<ConditionKey>,
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) name: String,
    pub(super) level: AccessLevel,
    pub(super) resources: Vec<ActionResource>,
    pub(super) condition_keys: Vec<String>,
    pub(super) dependent: Vec<String>,
}

impl PrefixFacts {
    /// Reads a frame; lines of another form don't count, so that what they tell is unknown.
    pub(super) fn parse(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                ["A", name, level, resources, keys, dependent] => {
                    let Some(level) = AccessLevel::of(level) else { continue };
                    let (condition_keys, dependent) = (items(keys), items(dependent));
                    let resources = items(resources).into_iter().map(ActionResource::of).collect();
                    facts.actions.push(Action {
                        name: (*name).to_owned(),
                        level,
                        resources,
                        condition_keys,
                        dependent,
                    });
                }
                ["R", name, arn, keys] => facts.resources.push(ResourceType {
                    name: (*name).to_owned(),
                    arn: (*arn).to_owned(),
                    condition_keys: items(keys),
                }),
                ["C", name, kind] => {
                    facts.condition_keys.push(ConditionKey { name: (*name).to_owned(), kind: (*kind).to_owned() });
                }
                _ => {}
            }
        }
        facts
    }
}

impl AccessLevel {
    fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "L" => Self::List,
            "R" => Self::Read,
            "T" => Self::Tagging,
            "W" => Self::Write,
            "P" => Self::PermissionsManagement,
            _ => return None,
        })
    }

    /// AWS's words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Read => "Read",
            Self::Tagging => "Tagging",
            Self::Write => "Write",
            Self::PermissionsManagement => "Permissions management",
        }
    }

    /// True where it changes nothing by AWS's word.
    pub fn only_reads(self) -> bool {
        self <= Self::Read
    }
}

impl ActionResource {
    fn of(mut name: String) -> Self {
        let required = name.ends_with('*');
        if required {
            name.pop();
        }
        Self { name, required }
    }
}

fn items(text: &str) -> Vec<String> {
    text.split(';').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
