//! Tags as AWS gives them, and those that take a read of their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pages::{NotFollowed, Pages};
use crate::aws::models::{ModelError, Models};
use crate::aws::redact::{Direction, redact};
use crate::manifest::expression::NotEvaluated;
use crate::manifest::spec::{TAG_FORMS, TagsRead};
use crate::ports::{CloudError, CloudSession};

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// Most pages of one resource's tags. AWS allows 50 tags on most resources, which come on one or two.
const MOST_PAGES: usize = 20;

/// Why tags aren't known.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRead {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Pages(#[from] NotFollowed),
    #[error("they hold what is secret")]
    Secret,
    #[error(transparent)]
    NoTags(#[from] NoTags),
    #[error(transparent)]
    NotEvaluated(#[from] NotEvaluated),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A value that was taken for tags and is none.
#[derive(Debug, thiserror::Error)]
#[error("these are no tags: {0}")]
pub(super) struct NoTags(Value);

/// Reads all pages of tags.
pub(super) async fn read(
    how: &TagsRead,
    reader: &dyn CloudSession,
    models: &Models,
    mut with: Value,
) -> Result<Tags, NotRead> {
    let pages = Pages::of(&how.operation, models)?;
    let mut tags = Tags::new();
    for page in 0..MOST_PAGES {
        let output = match reader.send(&how.operation, &with).await {
            Ok(reply) => reply.output,
            Err(CloudError::Refused { code, .. }) if page == 0 && how.untagged.contains(&code) => return Ok(tags),
            Err(error) => return Err(error.into()),
        };
        let found = how.list.search(&output)?;
        // A rule could not see what is redacted, and it would look like another tag.
        if how.list.search(&redact(models, &how.operation, Direction::Output, &output)?)? != found {
            return Err(NotRead::Secret);
        }
        tags.extend(of(&found)?);
        match (pages.next(&output)?, &mut with) {
            (None, _) => return Ok(tags),
            (Some(tokens), Value::Object(members)) => members.extend(tokens),
            (Some(_), _) => return Err(NotFollowed::Cut.into()),
        }
    }
    Err(NotFollowed::Cut.into())
}

/// Tags come as a list of keys and values (see [`TAG_FORMS`]) or as a map (Lambda, SQS). A tag may have no value.
pub(super) fn of(found: &Value) -> Result<Tags, NoTags> {
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(NoTags(found.clone())),
    };
    match found {
        Value::Null => Ok(Tags::new()),
        Value::Object(map) => map.iter().map(|(key, value)| Ok((key.clone(), text(Some(value))?))).collect(),
        Value::Array(items) => {
            let pair = |item: &Value| {
                let form = TAG_FORMS.iter().find_map(|(key, value)| Some((item.get(key)?.as_str()?, item.get(value))));
                let (key, value) = form.ok_or_else(|| NoTags(found.clone()))?;
                Ok((key.to_owned(), text(value)?))
            };
            items.iter().map(pair).collect()
        }
        _ => Err(NoTags(found.clone())),
    }
}

/// Puts tags that were read into what must not change.
pub(super) fn fingerprinted(fingerprint: Value, read: &[Tags]) -> Value {
    let tags = match read {
        [one] => json!(one),
        several => json!(several),
    };
    let mut members = match fingerprint {
        Value::Object(members) => members,
        other => Map::from_iter([("state".to_owned(), other)]),
    };
    let name = if members.contains_key("tags") { "tags_read" } else { "tags" };
    members.insert(name.to_owned(), tags);
    Value::Object(members)
}

/// One set of tags to show: of two values for a key the first.
pub(super) fn shown(all: Vec<Tags>) -> Tags {
    all.into_iter().rev().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::expression::Expression;
    use crate::manifest::template::Template;
    use crate::ports::Cloud;
    use crate::testing::{FakeCloud, reading};

    fn tags(all: &[(&str, &str)]) -> Tags {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_of_all_shapes() {
        let expected = tags(&[("env", "prod")]);
        for form in [
            json!([{"Key": "env", "Value": "prod"}]),
            json!([{"TagKey": "env", "TagValue": "prod"}]),
            json!([{"key": "env", "value": "prod"}]),
            json!([{"tagKey": "env", "tagValue": "prod"}]),
            json!({"env": "prod"}),
        ] {
            assert_eq!(of(&form).unwrap(), expected);
        }
        assert_eq!(of(&Value::Null).unwrap(), Tags::new());
        for bare in [json!([{"Key": "protected"}]), json!([{"Key": "protected", "Value": null}])] {
            assert_eq!(of(&bare).unwrap(), tags(&[("protected", "")]));
        }
    }

    #[test]
    fn what_is_no_tag_is_not_passed_over() {
        for odd in [json!("env=prod"), json!([{"Name": "env"}]), json!({"env": 1}), json!([{"Key": 1}]), json!([[]])] {
            assert!(of(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn own_tags_are_shown_before_those_of_what_holds_a_thing() {
        let (own, bucket) = (tags(&[("env", "dev")]), tags(&[("env", "prod"), ("team", "orders")]));
        assert_eq!(shown(vec![own, bucket]), tags(&[("env", "dev"), ("team", "orders")]));
    }

    #[test]
    fn tags_are_part_of_what_must_not_change() {
        let (one, two) = (tags(&[("env", "prod")]), tags(&[("a", "b")]));
        let print = |state: Value, read: &[Tags]| fingerprinted(state, read);
        assert_eq!(print(json!({"id": 1}), std::slice::from_ref(&one)), json!({"id": 1, "tags": {"env": "prod"}}));
        assert_eq!(print(json!("up"), &[Tags::new()]), json!({"state": "up", "tags": {}}));
        let both = json!({"tags": [], "tags_read": [{"env": "prod"}, {"a": "b"}]});
        assert_eq!(print(json!({"tags": []}), &[one, two]), both);
    }

    fn how(operation: &str) -> TagsRead {
        TagsRead {
            operation: operation.parse().unwrap(),
            with: Template::compile(&json!({})).unwrap(),
            list: Expression::compile("Tags || TagSet").unwrap(),
            untagged: vec!["NoSuchTagSet".to_owned()],
        }
    }

    async fn from(operation: &str, cloud: &FakeCloud) -> Result<Tags, String> {
        let reader = cloud.open(reading()).await.unwrap();
        let models = Models::embedded().unwrap();
        read(&how(operation), &*reader, &models, json!({ "Of": "it" })).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn all_pages_are_read() {
        let page = |key: &str, next: Value| json!({ "Tags": [{ "Key": key, "Value": "x" }], "NextToken": next });
        let cloud = FakeCloud::new()
            .answers("dynamodb:ListTagsOfResource", page("a", json!("1")))
            .answers("dynamodb:ListTagsOfResource", page("b", json!("2")))
            .answers("dynamodb:ListTagsOfResource", page("c", Value::Null));
        let found = from("dynamodb:ListTagsOfResource", &cloud).await.unwrap();
        assert_eq!(found, tags(&[("a", "x"), ("b", "x"), ("c", "x")]));
        let asked: Vec<Value> = cloud.sent().into_iter().map(|call| call.arguments).collect();
        let expected =
            [json!({ "Of": "it" }), json!({ "Of": "it", "NextToken": "1" }), json!({ "Of": "it", "NextToken": "2" })];
        assert_eq!(asked, expected);

        let endless = FakeCloud::new().answers("dynamodb:ListTagsOfResource", page("a", json!("1")));
        assert_eq!(from("dynamodb:ListTagsOfResource", &endless).await.unwrap_err(), "AWS gives only a part of them");
        assert_eq!(endless.sent().len(), MOST_PAGES);
    }

    #[tokio::test]
    async fn half_a_list_is_none() {
        let half = json!({ "Tags": [{ "TagKey": "a", "TagValue": "x" }], "Truncated": true });
        let cloud = FakeCloud::new().answers("kms:ListResourceTags", half);
        assert_eq!(from("kms:ListResourceTags", &cloud).await.unwrap_err(), "AWS gives only a part of them");
        let half = json!({ "Tags": [{ "Key": "a", "Value": "x" }], "HasMoreTags": true });
        let cloud = FakeCloud::new().answers("kinesis:ListTagsForStream", half);
        assert_eq!(from("kinesis:ListTagsForStream", &cloud).await.unwrap_err(), "AWS gives only a part of them");
    }

    #[tokio::test]
    async fn only_the_named_error_means_that_there_are_none() {
        let none = FakeCloud::new().refuses("s3:GetBucketTagging", "NoSuchTagSet", "The TagSet does not exist");
        assert_eq!(from("s3:GetBucketTagging", &none).await.unwrap(), Tags::new());
        let denied = FakeCloud::new().refuses("s3:GetBucketTagging", "AccessDenied", "no");
        assert!(from("s3:GetBucketTagging", &denied).await.is_err());
        let late = FakeCloud::new()
            .answers("dynamodb:ListTagsOfResource", json!({ "Tags": [], "NextToken": "1" }))
            .refuses("dynamodb:ListTagsOfResource", "NoSuchTagSet", "?");
        assert!(from("dynamodb:ListTagsOfResource", &late).await.is_err());
    }
}
