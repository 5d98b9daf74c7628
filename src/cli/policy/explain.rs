//! `countersign policy explain`: whether policies permit a call, which of them decide, and what it takes. Asks nobody and
//! reads nothing but the configuration: what AWS would say of a target is told by flags.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::asked::{Asked, AskedCircumstances, AskedConsent, AskedResource};
use super::cases::ExpectedNeeds;
use super::ground::Ground;
use super::{Failure, Which, ground, told};
use crate::config::{Profile, Trust};
use crate::names::{Effect, Stage};
use crate::policy::obligations::{self, Needs};
use crate::policy::question::{Evidence, Question};
use crate::policy::reasons::{self, Reasons};
use crate::policy::set::{Policies, Verdict};
use crate::text::escape::quoted;

/// `countersign policy explain TOOL ..`
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The tool.
    tool: String,
    /// What it acts on: a name such as `i-0123456789abcdef0`, or an ARN.
    target: Option<String>,
    /// The agent; without it the caller's.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Roles the agent shall have instead of its own.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The human the agent acts for.
    #[arg(long, value_name = "NAME")]
    human: Option<String>,
    /// The account's name; without it the agent's first.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The region; without it the account's first.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The effect the preview would show, where it is worse than the tool's own.
    #[arg(long, value_parser = word::<Effect>)]
    effect: Option<Effect>,
    /// The operation, where the tool is a family.
    #[arg(long, value_name = "SERVICE:OPERATION")]
    operation: Option<String>,
    /// A tag of the target. The configuration's rules for tags hold.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// The target's stage, where it is higher than its account's.
    #[arg(long, value_parser = word::<Stage>)]
    stage: Option<Stage>,
    /// AWS protects the target from deletion.
    #[arg(long)]
    protected: bool,
    /// The ticket the call names.
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
    /// The human has confirmed.
    #[arg(long)]
    confirmed: bool,
    /// So many other people have signed.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    approvals: u32,
    /// A group one of them belongs to.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A person applies it from the approvals console.
    #[arg(long)]
    applied_by_person: bool,
    /// Whether a change window is open.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    window_open: bool,
    /// Targets of the call.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    resources: u64,
    /// What depends on them, or `unknown`.
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = count)]
    dependents: Count,
    /// A breaker is open.
    #[arg(long)]
    breaker_open: bool,
    /// The account has no role of its own.
    #[arg(long)]
    unscoped: bool,
    /// What the client says it is.
    #[arg(long, value_name = "NAME", default_value = "")]
    client: String,
    /// How far that client is trusted, where the configuration doesn't say it.
    #[arg(long, value_parser = word::<Trust>)]
    client_trust: Option<Trust>,
    /// Files and folders of policies, taken for those of the configuration.
    #[arg(long = "policies", value_name = "FILES", num_args = 1..)]
    files: Vec<PathBuf>,
    /// The shipped profile below them, or `none`; without it the configuration's.
    #[arg(long, value_name = "NAME", value_parser = ground::profile)]
    profile: Option<Profile>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A number of dependents; `None` where it isn't known.
type Count = Option<u64>;

/// Runs the command.
pub(super) fn run(args: &ExplainArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let ground = match Ground::find(config)? {
        Ok(ground) => ground,
        Err(wrong) => return told(&wrong),
    };
    let asked = asked(args);
    let which = Which { files: args.files.clone(), profile: args.profile };
    let people = asked.people(&ground);
    let (question, evidence) = asked.question(&ground, &people)?;
    match ground.policies(&which, people) {
        Ok(policies) => {
            let answer = Answer::of(&policies, question, evidence);
            match args.json {
                true => writeln!(anstream::stdout().lock(), "{:#}", answer.json())?,
                false => write!(anstream::stdout().lock(), "{}", answer.text())?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => told(&wrong),
    }
}

fn asked(args: &ExplainArgs) -> Asked {
    let (arn, id) = match &args.target {
        Some(arn) if arn.starts_with("arn:") => (Some(arn.clone()), None),
        target => (None, target.clone()),
    };
    Asked {
        tool: Some(args.tool.clone()),
        effect: args.effect,
        operation: args.operation.clone(),
        agent: args.agent.clone(),
        human: args.human.clone(),
        roles: (!args.roles.is_empty()).then(|| args.roles.clone()),
        account: args.account.clone(),
        region: args.region.clone(),
        resource: AskedResource {
            id,
            arn,
            stage: args.stage,
            protected: args.protected,
            tags: args.tags.iter().cloned().collect(),
            ..AskedResource::default()
        },
        circumstances: AskedCircumstances {
            ticket: args.ticket.clone(),
            window_open: args.window_open,
            resources: args.resources,
            dependents: args.dependents.unwrap_or_default(),
            dependents_known: args.dependents.is_some(),
            breaker_open: args.breaker_open,
            scoped_credentials: args.unscoped.then_some(false),
            client: args.client.clone(),
            client_trust: args.client_trust,
            ..AskedCircumstances::default()
        },
        consent: AskedConsent {
            confirmed: args.confirmed,
            approvals: args.approvals,
            groups: args.groups.clone(),
            applied_by_person: args.applied_by_person,
            ..AskedConsent::default()
        },
        ..Asked::default()
    }
}

/// All there is to say of a call.
struct Answer<'a> {
    policies: &'a Policies,
    question: Question,
    verdict: Verdict,
    /// Of what is denied.
    reasons: Reasons,
    /// What it takes; the reasons where nothing would do.
    takes: Result<Needs, Reasons>,
}

impl<'a> Answer<'a> {
    fn of(policies: &'a Policies, question: Question, evidence: Evidence) -> Self {
        let verdict = policies.ask(&question, &evidence);
        let reasons = reasons::why(policies, &question, &evidence, &verdict);
        let takes = obligations::find(policies, &question)
            .map(|needs| needs.at_least_for(question.effect))
            .map_err(|denied| reasons::why(policies, &question, &Evidence::default(), &denied));
        Self { policies, question, verdict, reasons, takes }
    }

    fn text(&self) -> String {
        let question = &self.question;
        let mut text = format!(
            "{} ({}), by {} for {}\non {}\nin {} ({}), stage {}{}\n\n",
            question.tool,
            question.effect,
            question.agent,
            question.human,
            quoted(&question.resource.arn, 200),
            question.account.name,
            question.account.id,
            question.resource.stage,
            if question.resource.protected { ", protected" } else { "" },
        );
        match &self.verdict {
            Verdict::Permitted { by } => {
                text.push_str("permitted, as it is asked, by\n");
                by.iter().for_each(|id| text.push_str(&self.policy(id)));
            }
            Verdict::Denied { forbidden_by, .. } if !forbidden_by.is_empty() => {
                text.push_str("denied, as it is asked, by\n");
                for because in &self.reasons.forbidden_by {
                    text.push_str(&self.policy(&because.policy));
                    for missing in &because.missing {
                        text.push_str(&format!("      missing: {missing}\n"));
                    }
                    for fact in &because.in_the_way {
                        text.push_str(&format!("      in the way: {fact}\n"));
                    }
                }
            }
            Verdict::Denied { .. } => {
                text.push_str("denied, as it is asked: no policy permits it\n");
                for way in &self.reasons.ways {
                    text.push_str(&self.policy(&way.permitted_by));
                    for missing in &way.missing {
                        text.push_str(&format!("      missing: {missing}\n"));
                    }
                    for fact in &way.in_the_way {
                        text.push_str(&format!("      in the way: {fact}\n"));
                    }
                }
            }
        }
        for error in &self.reasons.errors {
            text.push_str(&format!("  can't be evaluated: {error}\n"));
        }
        match &self.takes {
            Ok(needs) => {
                text.push_str(&format!("\nit takes {}", ExpectedNeeds::of(needs).said()));
                if matches!(self.verdict, Verdict::Permitted { .. }) {
                    text.push('\n');
                } else {
                    text.push_str(", and is permitted then by\n");
                    needs.permitted_by.iter().for_each(|id| text.push_str(&self.policy(id)));
                }
            }
            Err(never) => text.push_str(&format!("\nno consent would do: {}\n", never.message)),
        }
        text
    }

    /// One policy: its name, where it stands, and what it says.
    fn policy(&self, id: &str) -> String {
        let says = self.policies.says(id).map(|says| format!("    {says}\n")).unwrap_or_default();
        format!("  {id}  {}\n{says}", self.place(id).unwrap_or_default())
    }

    fn place(&self, id: &str) -> Option<String> {
        self.policies.place(id).map(|(source, line)| format!("{}:{line}", source.path().display()))
    }

    fn json(&self) -> Value {
        let named = |ids: &mut dyn Iterator<Item = &String>| -> Value {
            ids.map(|id| json!({ "policy": id, "says": self.policies.says(id), "at": self.place(id) })).collect()
        };
        let (permitted, by) = match &self.verdict {
            Verdict::Permitted { by } => (true, by),
            Verdict::Denied { forbidden_by, .. } => (false, forbidden_by),
        };
        let takes = match &self.takes {
            Ok(needs) => json!({
                "preview": needs.preview, "confirmation": needs.confirmation, "approvals": needs.approvals,
                "groups": needs.groups, "ticket": needs.ticket, "window": needs.window, "person": needs.person,
                "permitted_by": named(&mut needs.permitted_by.iter()),
            }),
            Err(_) => Value::Null,
        };
        json!({
            "tool": self.question.tool, "effect": self.question.effect, "agent": self.question.agent,
            "account": self.question.account.name, "arn": self.question.resource.arn,
            "stage": self.question.resource.stage, "permitted": permitted, "by": named(&mut by.iter()),
            "reasons": if permitted { Value::Null } else { self.reasons.data() }, "takes": takes,
        })
    }
}

/// A word of an enumeration, as it is written in the configuration.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn count(text: &str) -> Result<Count, String> {
    match text {
        "unknown" => Ok(None),
        number => number.parse().map(Some).map_err(|_| "write a number, or `unknown`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The lines of the shipped files are not what is tested here.
    const LINES: [(&str, &str); 1] = [(r"(policies/\w+\.cedar):\d+", "$1:[line]")];

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn explained(line: &str) -> String {
        let args = Line::parse_from(std::iter::once("explain").chain(line.split(' '))).args;
        let ground = Ground::shipped().unwrap();
        let asked = asked(&args);
        let people = asked.people(&ground);
        let (question, evidence) = match asked.question(&ground, &people) {
            Ok(asked) => asked,
            Err(wrong) => return format!("{wrong}\n"),
        };
        let which = Which { files: Vec::new(), profile: args.profile };
        let policies = ground.policies(&which, people).unwrap();
        let answer = Answer::of(&policies, question, evidence);
        if args.json { format!("{:#}\n", answer.json()) } else { answer.text() }
    }

    #[test]
    fn a_call_explained_for_people() {
        let mut all = String::new();
        for line in [
            "ec2_terminate_instances i-0123456789abcdef0 --account prod",
            "ec2_terminate_instances i-0123456789abcdef0 --account prod --confirmed --approvals 2",
            "ec2_stop_instances --account dev --protected",
            "ec2_start_instances --account dev",
            "ec2_start_instances --account dev --role reader",
            "rds_delete_db_instance orders --account prod --profile regulated --confirmed --window-open false",
            "aws_change --account staging --operation sqs:DeleteQueue --dependents unknown",
            "ec2_stop_instance --account dev",
            "ec2_stop_instances --account production",
            "ec2_describe_instances --effect write",
        ] {
            all.push_str(&format!("$ explain {line}\n{}\n", explained(line)));
        }
        insta::with_settings!({ filters => LINES.to_vec() }, { insta::assert_snapshot!(all) });
    }

    #[test]
    fn a_call_explained_for_programs() {
        let explained = explained("ec2_stop_instances i-1 --account prod --json");
        insta::with_settings!({ filters => LINES.to_vec() }, { insta::assert_snapshot!(explained) });
    }
}
