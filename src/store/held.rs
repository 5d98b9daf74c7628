//! Which two targets can be one resource, so that only one plan at a time acts on it.

use crate::roles::glob::meets;

/// True where two targets can be the same resource, whatever their case. Plans for the same account (`same_account`) may
/// name it by patterns: a call without targets holds all of its service, and an ARN may have `*` for what isn't known.
/// An ARN of an account's resource that names no region or account (a bucket, a role) can be in each. For two accounts a
/// resource is the same only where its name is.
///
/// Never false by mistake within an account; true too often makes a call wait.
pub(super) fn is_one(one: &str, other: &str, same_account: bool) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    if one == other {
        return true;
    }
    if !same_account {
        return false;
    }
    let parts = |arn: &'_ str| arn.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    match (parts(&one).as_slice(), parts(&other).as_slice()) {
        ([a, partition, service, region, account, name], [b, partition_b, service_b, region_b, account_b, name_b]) => {
            let open = |one: &str, other: &str| one.is_empty() || other.is_empty() || meets(one, other);
            meets(a, b)
                && meets(partition, partition_b)
                && meets(service, service_b)
                && open(region, region_b)
                && open(account, account_b)
                && meets(name, name_b)
        }
        _ => meets(&one, &other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_one_resource_is_one() {
        let all = |service: &str| format!("arn:aws:{service}:eu-central-1:111122223333:*");
        let rds = "arn:aws:rds:eu-central-1:111122223333:db:orders";
        for (one, other) in [
            (all("rds").as_str(), rds),
            (all("rds").as_str(), all("rds").as_str()),
            (rds, "arn:aws:rds:eu-central-1:111122223333:db:Orders"),
            (all("s3").as_str(), "arn:aws:s3:::orders"),
            (all("s3").as_str(), "arn:aws:s3:::orders/2026/*"),
            (all("iam").as_str(), "arn:aws:iam::111122223333:role/web"),
            (all("apigateway").as_str(), "arn:aws:apigateway:eu-central-1::/restapis/x"),
            (
                "arn:aws:elasticbeanstalk:eu-central-1:111122223333:environment/shop/web",
                "arn:aws:elasticbeanstalk:eu-central-1:111122223333:environment/*/web",
            ),
            ("not-an-arn*", "not-an-arn-at-all"),
        ] {
            assert!(is_one(one, other, true) && is_one(other, one, true), "{one} {other}");
        }
        for (one, other) in [
            (all("rds").as_str(), "arn:aws:ec2:eu-central-1:111122223333:instance/i-1"),
            (all("rds").as_str(), "arn:aws:rds:eu-west-1:111122223333:db:orders"),
            (all("rds").as_str(), "arn:aws:rds:eu-central-1:444455556666:db:orders"),
            ("arn:aws:s3:::orders", "arn:aws:s3:::orders-2"),
            (
                "arn:aws:elasticbeanstalk:eu-central-1:111122223333:environment/shop/web",
                "arn:aws:elasticbeanstalk:eu-central-1:111122223333:environment/*/worker",
            ),
        ] {
            assert!(!is_one(one, other, true) && !is_one(other, one, true), "{one} {other}");
        }
    }

    #[test]
    fn of_two_accounts_only_the_same_name_is_the_same() {
        assert!(is_one("arn:aws:s3:::orders", "arn:aws:s3:::orders", false));
        assert!(!is_one("arn:aws:s3:eu-central-1:111122223333:*", "arn:aws:s3:::orders", false));
    }
}
