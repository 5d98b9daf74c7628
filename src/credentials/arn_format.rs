//! ARN formats of IAM's facts, such as `arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}`.

use crate::names::Region;

/// A part of a format.
enum Part<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

/// True where an ARN can be one of a format. Placeholders hold neither `/` nor `:`, but for the last, which may be a path.
pub(super) fn fits(arn: &str, format: &str) -> bool {
    let parts = parts(format);
    let mut rest = arn;
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => match rest.strip_prefix(literal) {
                Some(after) => rest = after,
                None => return false,
            },
            Part::Placeholder(name) if at + 1 == parts.len() => {
                // an object's ARN is not a bucket's
                return !rest.is_empty() && !(*name == "BucketName" && rest.contains('/'));
            }
            Part::Placeholder(_) => {
                let end = rest.find(['/', ':']).unwrap_or(rest.len());
                let Some(after) = rest.get(end..).filter(|_| end > 0) else { return false };
                rest = after;
            }
        }
    }
    rest.is_empty()
}

/// A pattern for everything of a format in an account and region.
pub(super) fn any_of(format: &str, region: &Region, account: &str) -> String {
    let fill = |part: &Part<'_>| match part {
        Part::Literal(literal) => (*literal).to_owned(),
        Part::Placeholder("Partition") => region.partition().to_owned(),
        Part::Placeholder("Region") => region.as_str().to_owned(),
        Part::Placeholder("Account") => account.to_owned(),
        Part::Placeholder(_) => "*".to_owned(),
    };
    parts(format).iter().map(fill).collect()
}

fn parts(format: &str) -> Vec<Part<'_>> {
    let mut pieces = format.split("${");
    let mut parts: Vec<Part<'_>> = pieces.next().map(Part::Literal).into_iter().collect();
    for piece in pieces {
        let (name, literal) = piece.split_once('}').unwrap_or((piece, ""));
        parts.push(Part::Placeholder(name));
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_known_by_their_form() {
        let bucket = "arn:${Partition}:s3:::${BucketName}";
        let object = "arn:${Partition}:s3:::${BucketName}/${ObjectName}";
        let group = "arn:${Partition}:autoscaling:${Region}:${Account}:autoScalingGroup:${GroupId}:autoScalingGroupName/${GroupFriendlyName}";
        assert!(fits("arn:aws:s3:::b", bucket) && !fits("arn:aws:s3:::b/k", bucket));
        assert!(fits("arn:aws:s3:::b/k/l", object) && !fits("arn:aws:s3:::b", object));
        assert!(fits("arn:aws:autoscaling:eu-central-1:1:autoScalingGroup:*:autoScalingGroupName/web", group));
        assert!(!fits("arn:aws:rds:eu-central-1:1:db:orders", group));
        assert!(!fits("", bucket) && !fits("arn:aws:s3:::", bucket));
    }

    #[test]
    fn a_pattern_stays_in_the_account_and_region() {
        let format = "arn:${Partition}:rds:${Region}:${Account}:snapshot:${SnapshotName}";
        let pattern = any_of(format, &Region::new("eu-central-1"), "111122223333");
        assert_eq!(pattern, "arn:aws:rds:eu-central-1:111122223333:snapshot:*");
    }
}
