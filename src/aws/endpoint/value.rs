//! Values that rules compute with.

use std::borrow::Cow;
use std::rc::Rc;

use super::partitions::PartitionFacts;

/// A value; texts are borrowed from rules, parameters and partitions where they can be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Absent,
    Bool(bool),
    Integer(i64),
    Text(Cow<'a, str>),
    Texts(Rc<[Cow<'a, str>]>),
    Url(Rc<UrlParts>),
    Arn(Rc<ArnParts>),
    Partition(PartitionFacts<'a>),
}

/// What `parseURL` yields.
#[derive(Debug, PartialEq)]
pub(super) struct UrlParts {
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) normalized_path: String,
    pub(super) is_ip: bool,
}

/// What `aws.parseArn` yields.
#[derive(Debug, PartialEq)]
pub(super) struct ArnParts {
    pub(super) partition: String,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) resource_id: Vec<String>,
}

/// A path of `getAttr`, such as `resourceId[1]`; a negative index counts from the end.
#[derive(Debug, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Index(i64),
}

impl Path {
    /// `None` where the text is not a path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, index) = match part.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']')?.parse().ok()?)),
                None => (part, None),
            };
            if !name.is_empty() {
                steps.push(Step::Member(name.to_owned()));
            } else if index.is_none() {
                return None;
            }
            steps.extend(index.map(Step::Index));
        }
        Some(Self(steps))
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text",
            Self::Texts(_) => "a list",
            Self::Url(_) => "a URL",
            Self::Arn(_) => "an ARN",
            Self::Partition(_) => "a partition",
        }
    }

    /// What is at a path; nothing where the path leads nowhere.
    pub(super) fn at(self, path: &Path) -> Self {
        path.0.iter().fold(self, |value, step| match step {
            Step::Member(name) => value.member(name),
            Step::Index(index) => value.item(*index),
        })
    }

    fn member(&self, name: &str) -> Self {
        match self {
            Self::Url(url) => match name {
                "scheme" => Self::owned(url.scheme.clone()),
                "authority" => Self::owned(url.authority.clone()),
                "path" => Self::owned(url.path.clone()),
                "normalizedPath" => Self::owned(url.normalized_path.clone()),
                "isIp" => Self::Bool(url.is_ip),
                _ => Self::Absent,
            },
            Self::Arn(arn) => match name {
                "partition" => Self::owned(arn.partition.clone()),
                "service" => Self::owned(arn.service.clone()),
                "region" => Self::owned(arn.region.clone()),
                "accountId" => Self::owned(arn.account_id.clone()),
                "resourceId" => Self::Texts(arn.resource_id.iter().cloned().map(Cow::Owned).collect()),
                _ => Self::Absent,
            },
            Self::Partition(partition) => partition.member(name),
            _ => Self::Absent,
        }
    }

    fn item(&self, index: i64) -> Self {
        let Self::Texts(items) = self else { return Self::Absent };
        let place = if index < 0 {
            items.len().checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
        } else {
            usize::try_from(index).ok()
        };
        place.and_then(|place| items.get(place)).map_or(Self::Absent, |text| Self::Text(text.clone()))
    }
}
