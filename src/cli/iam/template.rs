//! `countersign iam template`: an account's roles, to be deployed by an admin.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Bench, For, told};
use crate::cli::Failure;
use crate::ports::Purpose;
use crate::roles::needs::{Families, RoleNeeds};
use crate::roles::role::{Ground, NoRole, Role, word};
use crate::roles::template::{Format, template};

#[derive(Debug, Args)]
pub(super) struct TemplateArgs {
    #[command(flatten)]
    which: For,
    /// The ARN of the server's own identity, which alone may assume the roles.
    #[arg(long, value_name = "ARN", value_parser = identity)]
    trust: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = FormatWord::Cloudformation)]
    format: FormatWord,
}

/// Most bytes of a template that CloudFormation takes in a call; from a bucket it takes a megabyte.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const MOST_BYTES_DIRECTLY: usize = 51_200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatWord {
    /// A CloudFormation template, in JSON.
    Cloudformation,
    /// Terraform's JSON form, for a file that ends with `.tf.json`.
    Terraform,
    /// The documents as they are.
    Json,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Cloudformation => Self::CloudFormation,
            FormatWord::Terraform => Self::Terraform,
            FormatWord::Json => Self::Json,
        }
    }
}

/// One role or user, no wildcard and no whole account.
pub(super) fn identity(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let good = match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            let named = |kind| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty());
            partition.starts_with("aws")
                && account.len() == 12
                && account.chars().all(|c| c.is_ascii_digit())
                && (named("role/") || named("user/"))
                && !text.contains(['*', '?', '$'])
                && !text.chars().any(char::is_whitespace)
        }
        _ => false,
    };
    if good {
        Ok(text.to_owned())
    } else {
        Err("write `arn:aws:iam::ACCOUNT:role/NAME` or `.../NAME` of a user".to_owned())
    }
}

pub(super) fn run(args: &TemplateArgs, bench: &Bench) -> Result<ExitCode, Failure> {
    let account = bench.account(args.which.account.as_deref())?;
    let families = Families::from(args.which.families);
    let needs = bench.needs(account, families, &args.which.toolsets)?;
    let ground = Ground { account, trusted: &args.trust, iam: &bench.iam };
    let (mut roles, mut notes) = (Vec::new(), Vec::new());
    for (needs, purpose) in [(&needs.read, Purpose::Read), (&needs.change, Purpose::Change)] {
        match Role::of(needs, purpose, ground) {
            Ok(role) => roles.push(role),
            Err(error @ NoRole::NothingNeeded(_)) => notes.push(format!("{error}, so it is left out")),
            Err(error) => return Err(error.into()),
        }
        notes.extend(escalations(needs, purpose, bench));
    }
    if let (Families::Read, Some(family)) = (families, bench.catalog.families().find(|family| family.changes())) {
        notes.push(format!(
            "`{}` is not covered: AWS will refuse its calls (`--families all` covers it)",
            family.name()
        ));
    }
    if account.external_id.is_none() {
        notes.push("the account has no `external_id` in countersign.toml, so the roles ask for none".to_owned());
    }
    let written = template(account, &roles, args.format.into());
    let (short, long) = (written.to_string(), format!("{written:#}"));
    let direct = args.format == FormatWord::Cloudformation && long.len() > MOST_BYTES_DIRECTLY;
    let text = if direct { short } else { long };
    if direct && text.len() > MOST_BYTES_DIRECTLY {
        notes.push(format!(
            "the template has {} bytes, and CloudFormation takes {MOST_BYTES_DIRECTLY} directly: deploy it from a bucket \
             (`aws cloudformation deploy --s3-bucket`), or make it for some toolsets (`--toolset`)",
            text.len()
        ));
    }
    for note in notes {
        anstream::eprintln!("note: {note}");
    }
    writeln!(anstream::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// Told at length where few, counted where many.
fn escalations(needs: &RoleNeeds, purpose: Purpose, bench: &Bench) -> Vec<String> {
    let found = needs.escalations(&bench.iam);
    match needs.managed() {
        Some(name) if found.len() > 8 => {
            let all = found.len();
            vec![format!(
                "the {} role contains {all} known ways to more permissions, as AWS's `{name}` does",
                word(purpose)
            )]
        }
        _ => found.iter().map(|escalation| told(word(purpose), escalation)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_identity_is_trusted() {
        for good in ["arn:aws:iam::111122223333:role/agents/server", "arn:aws-cn:iam::111122223333:user/server"] {
            assert_eq!(identity(good).unwrap(), good);
        }
        for bad in [
            "*",
            "111122223333",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::1111:role/x",
            "arn:aws:sts::111122223333:assumed-role/x/y",
        ] {
            assert!(identity(bad).is_err(), "{bad}");
        }
    }
}
