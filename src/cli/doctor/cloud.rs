//! AWS: who the server is there, whether it can take its roles, whether these are as narrow as they can be, and the clock.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;

use super::{About, Finding};
use crate::aws::credentials::OwnIdentity;
use crate::cli::aws_files::sounds_like_admin;
use crate::cli::iam::Bench;
use crate::cli::iam::check::differences;
use crate::config::Account;
use crate::ports::{Cloud, CloudError, Purpose};
use crate::roles::role::word;

/// AWS refuses signatures that are further off than five minutes; what is half of that is told.
const TOLERATED_SKEW: Duration = Duration::from_secs(150);

/// What [`Mint`](crate::aws::credentials::Mint) says where it finds none.
const NO_CREDENTIALS: &str = "this server finds no AWS credentials of its own";

/// Lines of one list that are shown.
const SHOWN: usize = 4;

pub(super) async fn aws(bench: &Bench, now: Timestamp, patience: Duration) -> Vec<Finding> {
    let Some(region) = bench.config.accounts.first().and_then(|account| account.regions.first()) else {
        return Vec::new();
    };
    let own = match within(patience, bench.cloud.own_identity(region)).await {
        Ok(own) => own,
        Err(error) => return vec![unreached(&error)],
    };
    let mut findings = identity(&own);
    findings.extend(own.date.map(|date| clock(now, date)));
    let accounts = bench.config.accounts.iter().map(|account| roles(bench, account, &own, patience));
    findings.extend(join_all(accounts).await.into_iter().flatten());
    findings
}

async fn within<T>(patience: Duration, asked: impl Future<Output = Result<T, CloudError>>) -> Result<T, CloudError> {
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
        let reason = format!("no answer within {} s", patience.as_secs());
        Err(CloudError::Unknown { reason, request_id: None })
    })
}

/// Credentials that are refused are a problem; a way to AWS that isn't there right now may be one.
fn unreached(error: &CloudError) -> Finding {
    match error {
        CloudError::Refused { .. } => Finding::problem(
            About::Aws,
            format!("AWS does not take this server's own credentials: {error}"),
            "renew them, or name others with `profile` under [aws]",
        ),
        CloudError::NotSent { reason } if reason.contains(NO_CREDENTIALS) => Finding::problem(
            About::Aws,
            format!("this server has no credentials of its own: {error}"),
            "give it a role, or name a profile with `profile` under [aws]; reads and changes need one",
        ),
        CloudError::NotSent { .. } | CloudError::Unknown { .. } => Finding::problem(
            About::Aws,
            format!("AWS can't be reached, so credentials, roles and clock were not looked at: {error}"),
            "look at the network, proxies and `[aws]`; `--patience` waits longer",
        ),
    }
}

fn identity(own: &OwnIdentity) -> Vec<Finding> {
    let says = format!("the server's own identity is {}", own.arn);
    let name = own.arn.split('/').nth(1).unwrap_or_default();
    let narrow =
        "give it an identity that may assume the accounts' roles, and nothing more: `countersign iam template`";
    vec![if own.arn.ends_with(":root") {
        Finding::problem(About::Aws, format!("{says}: the root of the account"), narrow)
    } else if sounds_like_admin(name) {
        Finding::warning(About::Aws, format!("{says}: by its name it may do nearly everything"), narrow)
    } else {
        Finding::ok(About::Aws, says)
    }]
}

fn clock(now: Timestamp, date: Timestamp) -> Finding {
    let skew = now.duration_since(date);
    let seconds = skew.as_secs().unsigned_abs();
    match skew.unsigned_abs() > TOLERATED_SKEW {
        false => Finding::ok(About::Aws, "this machine's clock is AWS's"),
        true => Finding::problem(
            About::Aws,
            format!(
                "this machine's clock is {seconds} s {} AWS's",
                if skew.is_positive() { "ahead of" } else { "behind" }
            ),
            "set it; AWS refuses requests that are five minutes off, and expiry is told by it",
        ),
    }
}

async fn roles(bench: &Bench, account: &Account, own: &OwnIdentity, patience: Duration) -> Vec<Finding> {
    let Some(region) = account.regions.first() else { return Vec::new() };
    let name = &account.name;
    let asked = [(Purpose::Read, &account.read_role), (Purpose::Change, &account.change_role)].map(|(purpose, role)| async move {
        let Some(role) = role else {
            let says = format!("{name}: no role to {} is configured, so calls use the server's own identity and AWS narrows nothing", verb(purpose));
            return Finding::warning(About::Aws, says, format!("`countersign iam template --account {name}` makes both"));
        };
        match within(patience, bench.cloud.open(bench.session(account.clone(), region.clone(), purpose))).await {
            Ok(_) => Finding::ok(About::Aws, format!("{name}: {role} can be assumed")),
            Err(error) => Finding::problem(About::Aws, format!("{name}: {error}"), format!(
                "`countersign iam template --account {name} --trust {}` makes roles that this server can assume", principal(&own.arn)
            )),
        }
    });
    let mut findings = join_all(asked).await;
    if account.read_role.is_some() || account.change_role.is_some() {
        let looked = tokio::time::timeout(patience, differences(bench, account, &principal(&own.arn))).await;
        findings.extend(scope(account, own, looked.unwrap_or_else(|_| Err("no answer in time".into()))));
    }
    findings
}

type Looked = Result<Vec<(Purpose, crate::roles::compare::Difference)>, crate::cli::Failure>;

fn scope(account: &Account, own: &OwnIdentity, looked: Looked) -> Vec<Finding> {
    let name = &account.name;
    let check = format!("`countersign iam check --account {name} --trust {}` shows all", principal(&own.arn));
    match looked {
        Err(_) => vec![Finding::warning(
            About::Aws,
            format!(
                "{name}: whether its roles are wider than needed was not looked at: this identity can't read IAM there"
            ),
            format!("{check}, with `--profile` for an identity that may"),
        )],
        Ok(none) if none.is_empty() => {
            vec![Finding::ok(About::Aws, format!("{name}: its roles may do what the tools need, and no more"))]
        }
        Ok(differences) => differences
            .into_iter()
            .flat_map(|(purpose, difference)| {
                let role = word(purpose);
                let check = check.clone();
                [
                    (difference.too_much, "may do more than the tools need", true),
                    (difference.missing, "lacks what the tools need", false),
                    (difference.unclear, "has parts that a person must look at", false),
                ]
                .into_iter()
                .filter(|(lines, ..)| !lines.is_empty())
                .map(move |(lines, what, wide)| {
                    let says = format!("{name}: the {role} role {what}:\n{}", shown(&lines));
                    match wide && purpose == Purpose::Change {
                        true => Finding::problem(About::Aws, says, check.clone()),
                        false => Finding::warning(About::Aws, says, check.clone()),
                    }
                })
                .collect::<Vec<_>>()
            })
            .collect(),
    }
}

fn shown(lines: &[String]) -> String {
    let mut shown: Vec<String> = lines.iter().take(SHOWN).map(|line| format!("- {line}")).collect();
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("- and {more} more"));
    }
    shown.join("\n")
}

fn verb(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Read => "read",
        Purpose::Change => "change",
    }
}

/// The role of an assumed role's session, as trust policies name it. Its path is not in the session's ARN.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
fn principal(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        [arn, partition, "sts", region, account, resource] => {
            let name = resource.split('/').nth(1).unwrap_or_default();
            format!("{arn}:{partition}:iam:{region}:{account}:role/{name}")
        }
        _ => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_told_by_their_roles() {
        assert_eq!(principal("arn:aws:sts::111122223333:assumed-role/ops/me"), "arn:aws:iam::111122223333:role/ops");
        assert_eq!(principal("arn:aws:iam::111122223333:user/x/me"), "arn:aws:iam::111122223333:user/x/me");
    }

    #[test]
    fn a_clock_that_is_off_is_told_before_aws_refuses() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(clock(at(1000), at(1000)).says, "this machine's clock is AWS's");
        assert_eq!(clock(at(1400), at(1000)).says, "this machine's clock is 400 s ahead of AWS's");
        assert_eq!(clock(at(1000), at(1400)).says, "this machine's clock is 400 s behind AWS's");
    }

    #[test]
    fn too_much_identity_is_told() {
        let own = |arn: &str| OwnIdentity { account: "111122223333".to_owned(), arn: arn.to_owned(), date: None };
        let levels = [
            "arn:aws:iam::111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/ann",
            "arn:aws:sts::111122223333:assumed-role/countersign-server/i-0123456789abcdef0",
        ]
        .map(|arn| identity(&own(arn))[0].level);
        assert_eq!(levels, [super::super::Level::Problem, super::super::Level::Warning, super::super::Level::Ok]);
    }
}
