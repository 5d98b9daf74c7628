//! ARNs and the forms in which IAM's facts write those of a resource type, such as
//! `arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}`.

use crate::names::Region;

/// How many parts an ARN has: `arn`, partition, service, region, account, resource.
const PARTS: usize = 6;

/// True where an ARN has a form.
///
/// A name in the form stands for at least one character; up to the account, for a whole part. `*` in the form stands for
/// anything. In the ARN `*` is a character as any other: whether a wildcard may stand there is not judged here.
pub fn has_form(arn: &str, form: &str) -> bool {
    let (arn, form): (Vec<&str>, Vec<&str>) = (arn.splitn(PARTS, ':').collect(), form.splitn(PARTS, ':').collect());
    if arn.len() != PARTS || form.len() != PARTS {
        return false;
    }
    // An object's ARN would have the form of a bucket's.
    if form.last() == Some(&"${BucketName}") && arn.last().is_some_and(|bucket| bucket.contains('/')) {
        return false;
    }
    arn.iter().zip(&form).all(|(part, form)| fits(part, &tokens(form)))
}

/// The pattern of everything of a form in an account and region.
pub fn any_of(form: &str, region: &Region, account: &str) -> String {
    let filled = |token: &Token<'_>| match token {
        Token::Literal(literal) => (*literal).to_owned(),
        Token::Name("Partition") => region.partition().to_owned(),
        Token::Name("Region") => region.as_str().to_owned(),
        Token::Name("Account") => account.to_owned(),
        Token::Name(_) | Token::Any => "*".to_owned(),
    };
    tokens(form).iter().map(filled).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Literal(&'a str),
    /// `${Name}`: at least one character.
    Name(&'a str),
    /// `*`: anything.
    Any,
}

fn tokens(form: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = form;
    while !rest.is_empty() {
        let next = rest.find(['$', '*']).unwrap_or(rest.len());
        let (literal, from) = rest.split_at_checked(next).unwrap_or((rest, ""));
        if !literal.is_empty() {
            found.push(Token::Literal(literal));
        }
        rest = match (from.strip_prefix("${").and_then(|name| name.split_once('}')), from.strip_prefix('*')) {
            (Some((name, after)), _) => {
                found.push(Token::Name(name));
                after
            }
            (None, Some(after)) => {
                found.push(Token::Any);
                after
            }
            (None, None) => {
                found.extend((!from.is_empty()).then_some(Token::Literal(from)));
                ""
            }
        };
    }
    found
}

fn fits(text: &str, tokens: &[Token<'_>]) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return text.is_empty() };
    match first {
        Token::Literal(literal) => text.strip_prefix(literal).is_some_and(|text| fits(text, rest)),
        Token::Name(_) | Token::Any => {
            let least = usize::from(*first != Token::Any);
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(least);
            ends.any(|end| text.get(end..).is_some_and(|text| fits(text, rest)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_have_the_forms_of_their_types() {
        let instance = "arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}";
        for (arn, form, wanted) in [
            ("arn:aws:ec2:eu-central-1:111122223333:instance/i-1", instance, true),
            ("arn:aws:ec2:eu-central-1:111122223333:instance/*", instance, true),
            ("arn:aws:ec2:eu-central-1:111122223333:instance/", instance, false),
            ("arn:aws:ec2:eu-central-1::instance/i-1", instance, false),
            ("arn:aws:ec2::111122223333:instance/i-1", instance, false),
            ("arn:aws:ec2:eu-central-1:111122223333:volume/v-1", instance, false),
            ("arn:aws:rds:eu-central-1:111122223333:instance/i-1", instance, false),
            ("*", instance, false),
            ("arn:aws:s3:::b/k/l", "arn:${Partition}:s3:::${BucketName}/${ObjectName}", true),
            ("arn:aws:s3:::b", "arn:${Partition}:s3:::${BucketName}/${ObjectName}", false),
            ("arn:aws:s3:eu-central-1::b", "arn:${Partition}:s3:::${BucketName}", false),
            ("arn:aws:s3:::b/k", "arn:${Partition}:s3:::${BucketName}", false),
            ("arn:aws:s3:::", "arn:${Partition}:s3:::${BucketName}", false),
            ("", instance, false),
            (
                "arn:aws:autoscaling:eu-central-1:111122223333:autoScalingGroup:*:autoScalingGroupName/web",
                "arn:${Partition}:autoscaling:${Region}:${Account}:autoScalingGroup:${Id}:autoScalingGroupName/${Name}",
                true,
            ),
            (
                "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/x:log-stream:s",
                "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:${LogStreamName}",
                true,
            ),
            ("arn:aws:dms:eu-central-1:111122223333:rep:X", "arn:${Partition}:dms:${Region}:${Account}:rep:*", true),
            ("arn:aws:health:eu-central-1::event/a/b/c", "arn:${Partition}:health:*::event/${S}/${E}/*", true),
        ] {
            assert_eq!(has_form(arn, form), wanted, "{arn} {form}");
        }
    }

    #[test]
    fn a_pattern_stays_in_the_account_and_region() {
        let format = "arn:${Partition}:rds:${Region}:${Account}:snapshot:${SnapshotName}";
        let pattern = any_of(format, &Region::new("eu-central-1"), "111122223333");
        assert_eq!(pattern, "arn:aws:rds:eu-central-1:111122223333:snapshot:*");
    }
}
