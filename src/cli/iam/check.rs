//! `countersign iam check`: deployed roles against what is needed.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::template::identity;
use super::{Bench, FamiliesWord, For, told};
use crate::aws::cloud::AwsCloud;
use crate::cli::Failure;
use crate::clock::SystemClock;
use crate::config::Account;
use crate::names::OperationId;
use crate::ports::{Cloud, CloudError, CloudSession, Purpose};
use crate::roles::compare::{Difference, Wanted, compare};
use crate::roles::deployed::{Bounds, Deployed, Policy};
use crate::roles::role::word;
use crate::text::escape::quoted;

/// Pages of one list that are read at most.
const MOST_PAGES: usize = 50;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    which: For,
    /// The ARN of the server's own identity, which alone may assume the roles.
    #[arg(long, value_name = "ARN", value_parser = identity)]
    trust: String,
    /// A profile whose identity may read IAM in that account; without it the server's own identity.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// How an account's deployed roles differ from what the loaded tools and the reading families need; those that differ,
/// with what they are for. The server's own identity looks, which must be of that account and may read IAM.
pub(in crate::cli) async fn differences(
    bench: &Bench,
    account: &Account,
    trusted: &str,
) -> Result<Vec<(Purpose, Difference)>, Failure> {
    let needs = bench.needs(account, FamiliesWord::Read.into(), &[])?;
    let reader = Reader { session: open(None, bench, account).await? };
    let mut all = Vec::new();
    let roles =
        [(Purpose::Read, &needs.read, &account.read_role), (Purpose::Change, &needs.change, &account.change_role)];
    for (purpose, needs, role) in roles {
        let Some(role) = role else { continue };
        let wanted = Wanted { needs, purpose, account, trusted, iam: &bench.iam };
        let Findings(difference) = findings(&reader, role, wanted).await?;
        if !difference.is_none() {
            all.push((purpose, difference));
        }
    }
    Ok(all)
}

pub(super) async fn run(args: &CheckArgs, bench: &Bench) -> Result<ExitCode, Failure> {
    let account = bench.account(args.which.account.as_deref())?;
    let needs = bench.needs(account, args.which.families.into(), &args.which.toolsets)?;
    let reader = Reader { session: open(args.profile.as_deref(), bench, account).await? };
    let mut text = format!("account {} ({})\n", account.name, account.id);
    let mut good = true;
    let roles =
        [(Purpose::Read, &needs.read, &account.read_role), (Purpose::Change, &needs.change, &account.change_role)];
    for (purpose, needs, role) in roles {
        let findings = match role {
            None if needs.is_empty() => Findings::default(),
            None => Findings::missing(format!(
                "no `{0}_role` is configured: `countersign iam template` makes one",
                word(purpose)
            )),
            Some(role) => {
                let wanted = Wanted { needs, purpose, account, trusted: &args.trust, iam: &bench.iam };
                findings(&reader, role, wanted).await?
            }
        };
        good &= findings.0.is_none();
        let name = role.as_deref().unwrap_or("none");
        text.push_str(&findings.shown(&format!("{} role {name}", word(purpose))));
        for escalation in needs.escalations(&bench.iam).iter().take(8) {
            text.push_str(&format!("    note: {}\n", told(word(purpose), escalation)));
        }
    }
    anstream::stdout().lock().write_all(text.as_bytes())?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Findings(Difference);

impl Findings {
    fn missing(line: String) -> Self {
        Self(Difference { missing: vec![line], ..Difference::default() })
    }

    fn shown(&self, head: &str) -> String {
        if self.0.is_none() {
            return format!("  {head}: as needed\n");
        }
        let mut text = format!("  {head}\n");
        let unclear = "not understood, look yourself";
        for (word, lines) in [("missing", &self.0.missing), ("too much", &self.0.too_much), (unclear, &self.0.unclear)]
        {
            text.extend(lines.iter().map(|line| format!("    {word}: {line}\n")));
        }
        text
    }
}

async fn findings(reader: &Reader, role: &str, wanted: Wanted<'_>) -> Result<Findings, Failure> {
    let name = role.rsplit('/').next().unwrap_or_default();
    Ok(match reader.role(name).await? {
        None => Findings::missing("there is no such role: `countersign iam template` makes one".to_owned()),
        Some(deployed) => Findings(compare(&deployed, wanted)),
    })
}

/// A session with an identity of the account itself: it is the roles that are looked at.
async fn open(profile: Option<&str>, bench: &Bench, account: &Account) -> Result<Arc<dyn CloudSession>, Failure> {
    let region = account.regions.first().ok_or("the account has no region")?.clone();
    let of_itself = Account { read_role: None, change_role: None, ..account.clone() };
    let request = bench.session(of_itself, region, Purpose::Read);
    let opened = match profile {
        None => bench.cloud.open(request).await,
        Some(profile) => {
            let mut config = bench.config.clone();
            config.aws.profile = Some(profile.to_owned());
            AwsCloud::new(&config, bench.models.clone(), Arc::new(SystemClock)).open(request).await
        }
    };
    opened.map_err(|error| {
        format!("{error}; name an identity that may read IAM in account `{}` with `--profile`", account.name).into()
    })
}

/// Reads roles from IAM.
struct Reader {
    session: Arc<dyn CloudSession>,
}

impl Reader {
    /// A role with all its policies; `None` where there is none of the name.
    async fn role(&self, name: &str) -> Result<Option<Deployed>, Failure> {
        let found = match self.ask("GetRole", json!({ "RoleName": name })).await {
            Ok(found) => found,
            Err(CloudError::Refused { code, .. }) if code == "NoSuchEntity" => return Ok(None),
            Err(error) => return Err(failed("GetRole", &error)),
        };
        let arn = text(&found, "/Role/Arn")?;
        let trust = text(&found, "/Role/AssumeRolePolicyDocument")?;
        let boundary = match found.pointer("/Role/PermissionsBoundary/PermissionsBoundaryArn").and_then(Value::as_str) {
            Some(arn) => Some(self.boundary(arn).await?),
            None => None,
        };
        let (mut policies, mut managed) = (Vec::new(), Vec::new());
        for attached in self.list("ListAttachedRolePolicies", name, "AttachedPolicies").await? {
            let arn = text(&attached, "/PolicyArn")?;
            match of_aws(&arn) {
                Some(own) => managed.push(own.to_owned()),
                None => policies.push(self.managed(&arn).await?),
            }
        }
        for inline in self.list("ListRolePolicies", name, "PolicyNames").await? {
            let policy = inline.as_str().ok_or("IAM gave no name of a policy")?;
            let found = self.asked("GetRolePolicy", json!({ "RoleName": name, "PolicyName": policy })).await?;
            policies.push(Policy::parse(policy, &text(&found, "/PolicyDocument")?)?);
        }
        Ok(Some(Deployed { arn, trust: Policy::parse("trust", &trust)?, policies, managed, boundary }))
    }

    async fn boundary(&self, arn: &str) -> Result<Bounds, Failure> {
        Ok(Bounds { of_aws: of_aws(arn).map(str::to_owned), policy: self.managed(arn).await? })
    }

    async fn managed(&self, arn: &str) -> Result<Policy, Failure> {
        let policy = self.asked("GetPolicy", json!({ "PolicyArn": arn })).await?;
        let version = text(&policy, "/Policy/DefaultVersionId")?;
        let found = self.asked("GetPolicyVersion", json!({ "PolicyArn": arn, "VersionId": version })).await?;
        let name = arn.rsplit('/').next().unwrap_or(arn);
        Ok(Policy::parse(name, &text(&found, "/PolicyVersion/Document")?)?)
    }

    /// All pages of a list.
    async fn list(&self, operation: &str, role: &str, member: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut arguments = Map::from_iter([("RoleName".to_owned(), json!(role))]);
        for _ in 0..MOST_PAGES {
            let page = self.asked(operation, Value::Object(arguments.clone())).await?;
            items.extend(page.get(member).and_then(Value::as_array).cloned().unwrap_or_default());
            match page.get("Marker").and_then(Value::as_str).filter(|_| page.get("IsTruncated") == Some(&json!(true))) {
                Some(marker) => arguments.insert("Marker".to_owned(), json!(marker)),
                None => return Ok(items),
            };
        }
        Err(format!("iam:{operation} gives more than {MOST_PAGES} pages for the role `{role}`").into())
    }

    async fn asked(&self, operation: &str, arguments: Value) -> Result<Value, Failure> {
        self.ask(operation, arguments).await.map_err(|error| failed(operation, &error))
    }

    async fn ask(&self, operation: &str, arguments: Value) -> Result<Value, CloudError> {
        self.session.send(&OperationId::new("iam", operation), &arguments).await.map(|reply| reply.output)
    }
}

fn failed(operation: &str, error: &CloudError) -> Failure {
    format!("iam:{operation} failed: {error}; it takes an identity that may read IAM").into()
}

fn text(value: &Value, pointer: &str) -> Result<String, Failure> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("IAM's answer has no `{}`", quoted(pointer, 80)).into())
}

/// The name of one of AWS's own managed policies.
fn of_aws(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let account = parts.nth(4)?;
    let resource = parts.next()?;
    (account == "aws").then(|| resource.rsplit('/').next().unwrap_or(resource))
}
