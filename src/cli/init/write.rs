//! The configuration as text: the example, with its explanations, and with the answers in it.

use std::path::PathBuf;

use super::Failure;
use super::accounts::NewAccount;
use crate::config::Profile;

/// The example in the repository, which has every key.
const EXAMPLE: &str = include_str!("../../../countersign.toml");

/// What was answered.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// The human.
    pub(super) human: String,
    /// The agent.
    pub(super) agent: String,
    /// The accounts, at least one.
    pub(super) accounts: Vec<NewAccount>,
    /// Whether they have roles for this server.
    pub(super) roles: bool,
    /// What these ask for.
    pub(super) external_id: Option<String>,
    /// The profile of policies.
    pub(super) profile: Profile,
    /// The profile of the server's own identity.
    pub(super) aws_profile: Option<String>,
    /// Where plans and the record are kept.
    pub(super) store: Option<PathBuf>,
    /// Where approvers reach the server.
    pub(super) public_url: Option<String>,
}

/// The whole file.
///
/// # Errors
/// Where the example doesn't have the lines that the answers replace, which is this program's own slip.
pub(super) fn text(answers: &Answers) -> Result<String, Failure> {
    let Answers { human, agent, .. } = answers;
    let mut text = Text(EXAMPLE.to_owned());
    text.line("# An example configuration of countersign.", "# The configuration of countersign.", true)?;
    text.line("human = \"dana\"", &format!("human = {}", quoted(human)), false)?;
    text.line("agent = \"kiro\"", &format!("agent = {}", quoted(agent)), false)?;
    text.between("[accounts.shop-dev]\n", "# Where plans and the record are kept.", &accounts(answers))?;
    if let Some(store) = &answers.store {
        text.line("# path = ", &format!("path = {}", quoted(&store.display().to_string())), false)?;
    }
    if let Some(profile) = &answers.aws_profile {
        text.line("# profile = \"countersign\"", &format!("profile = {}", quoted(profile)), true)?;
    }
    text.line("# profile = \"standard\"", &format!("profile = \"{}\"", answers.profile), true)?;
    let names: Vec<String> = answers.accounts.iter().map(|account| quoted(&account.name)).collect();
    text.line("[agents.kiro]", &format!("[agents.{}]", key(agent)), false)?;
    text.line("accounts = [\"shop-dev\", \"shop-prod\"]", &format!("accounts = [{}]", names.join(", ")), false)?;
    if let Some(url) = &answers.public_url {
        text.line("# [http]", "[http]", false)?;
        text.line("# public_url = ", &format!("public_url = {}", quoted(url)), false)?;
    }
    Ok(text.0)
}

fn accounts(answers: &Answers) -> String {
    let mut text = String::new();
    for (at, NewAccount { name, id, stage, regions }) in answers.accounts.iter().enumerate() {
        let first = at == 0;
        let told = |comment: &str| if first { format!("  # {comment}") } else { String::new() };
        let regions: Vec<String> = regions.iter().map(|region| quoted(region)).collect();
        text.push_str(&format!("[accounts.{}]\nid = {}\n", key(name), quoted(id)));
        text.push_str(&format!("stage = \"{stage}\"{}\n", told("dev, staging or prod; the rules follow it")));
        text.push_str(&format!("regions = [{}]{}\n", regions.join(", "), told("the first is the default")));
        if first {
            text.push_str(
                "# Without roles the server's own identity is used. `countersign iam template` makes them.\n",
            );
        }
        let partition = partition(answers.accounts.get(at).and_then(|account| account.regions.first()));
        let comment = if answers.roles { "" } else { "# " };
        for role in ["read", "change"] {
            text.push_str(&format!("{comment}{role}_role = \"arn:{partition}:iam::{id}:role/countersign-{role}\"\n"));
        }
        match &answers.external_id {
            Some(external) => text.push_str(&format!("external_id = {}\n", quoted(external))),
            None => text.push_str("# external_id = \"...\"\n"),
        }
        text.push('\n');
    }
    text
}

fn partition(region: Option<&String>) -> &'static str {
    region.map_or("aws", |region| crate::names::Region::new(region.as_str()).partition())
}

/// A text being changed, each change once.
struct Text(String);

impl Text {
    /// Replaces the one line that begins so. What explains it behind a `#` stays where `comment` says so.
    fn line(&mut self, begins: &str, with: &str, comment: bool) -> Result<(), Failure> {
        let mut found = 0;
        let lines: Vec<String> = self
            .0
            .lines()
            .map(|line| {
                let Some(rest) = line.strip_prefix(begins) else { return line.to_owned() };
                found += 1;
                let kept = if comment { rest } else { "" };
                format!("{with}{kept}")
            })
            .collect();
        self.0 = lines.join("\n") + "\n";
        once(found, begins)
    }

    /// Replaces what stands between two texts, the first included.
    fn between(&mut self, from: &str, to: &str, with: &str) -> Result<(), Failure> {
        let (Some((before, rest)), true) = (self.0.split_once(from), self.0.matches(from).count() == 1) else {
            return once(0, from);
        };
        let Some((_, after)) = rest.split_once(to) else { return once(0, to) };
        self.0 = format!("{before}{with}{to}{after}");
        Ok(())
    }
}

fn once(found: usize, what: &str) -> Result<(), Failure> {
    match found {
        1 => Ok(()),
        _ => Err(format!("the example has `{what}` {found} times instead of once: report it").into()),
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn key(text: &str) -> String {
    let key = toml_edit::Key::new(text);
    key.display_repr().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::models::Models;
    use crate::config::{self, Environment};
    use crate::names::Stage;

    fn least() -> Answers {
        Answers {
            human: "ann".to_owned(),
            agent: "agent".to_owned(),
            accounts: vec![NewAccount {
                name: "shop-dev".to_owned(),
                id: "111122223333".to_owned(),
                stage: Stage::Dev,
                regions: vec!["eu-central-1".to_owned()],
            }],
            roles: true,
            external_id: None,
            profile: Profile::Standard,
            aws_profile: None,
            store: None,
            public_url: None,
        }
    }

    fn loaded(answers: &Answers) -> config::Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.toml");
        std::fs::write(&path, text(answers).unwrap()).unwrap();
        let environment = Environment { home: Some("/home/ann".into()), ..Environment::default() };
        config::load(&path, &Models::embedded().unwrap(), &environment).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    #[test]
    fn what_is_written_is_good_and_explained() {
        let all = Answers {
            agent: "my agent".to_owned(),
            accounts: vec![
                NewAccount {
                    name: "china".to_owned(),
                    regions: vec!["cn-north-1".to_owned()],
                    ..least().accounts[0].clone()
                },
                NewAccount {
                    name: "shop-prod".to_owned(),
                    id: "444455556666".to_owned(),
                    stage: Stage::Prod,
                    regions: vec!["eu-central-1".to_owned(), "us-east-1".to_owned()],
                },
            ],
            external_id: Some("a \"quoted\" one".to_owned()),
            profile: Profile::Regulated,
            aws_profile: Some("guard".to_owned()),
            store: Some("/var/lib/countersign/countersign.db".into()),
            public_url: Some("https://guard.example.com".to_owned()),
            ..least()
        };
        let config = loaded(&all);
        assert_eq!(config.accounts.len(), 2);
        assert_eq!(config.accounts[0].read_role.as_deref(), Some("arn:aws-cn:iam::111122223333:role/countersign-read"));
        assert_eq!(config.accounts[1].external_id.as_deref(), Some("a \"quoted\" one"));
        assert_eq!(config.http.unwrap().origin(), "https://guard.example.com");
        assert_eq!((config.policy.profile, config.aws.profile.as_deref()), (Profile::Regulated, Some("guard")));
        assert_eq!(config.caller.agent.as_str(), "my agent");
        let least = Answers { roles: false, ..least() };
        let config = loaded(&least);
        assert_eq!((config.accounts.len(), config.accounts[0].read_role.as_ref(), config.http), (1, None, None));
        let written = text(&least).unwrap();
        let new: Vec<&str> = written.lines().filter(|line| !EXAMPLE.lines().any(|known| known == *line)).collect();
        assert_eq!(
            new,
            [
                "# The configuration of countersign. Every key is here; those behind a `#` show their default.",
                r#"human = "ann""#,
                r#"agent = "agent""#,
                r#"stage = "dev"  # dev, staging or prod; the rules follow it"#,
                r#"regions = ["eu-central-1"]  # the first is the default"#,
                "# Without roles the server's own identity is used. `countersign iam template` makes them.",
                r#"# read_role = "arn:aws:iam::111122223333:role/countersign-read""#,
                r#"# change_role = "arn:aws:iam::111122223333:role/countersign-change""#,
                r#"profile = "standard"             # observe, suggest, standard, regulated; or none: only your own files count"#,
                "[agents.agent]",
                r#"accounts = ["shop-dev"]"#,
            ]
        );
        assert!(!written.contains("shop-prod"), "{written}");
    }
}
