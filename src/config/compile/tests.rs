use super::*;
use crate::config::{AgentConfig, BreakersConfig, BudgetsConfig, Profile};
use crate::names::Stage;
use crate::policy::windows::{WeeklySpan, Windows};

fn environment() -> Environment {
    Environment { home: Some("/home/dana".into()), ..Environment::default() }
}

fn load_text(text: &str) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign.toml");
    std::fs::write(&path, text).unwrap();
    load(&path, &Models::embedded().unwrap(), &environment())
}

fn report(text: &str) -> String {
    let problems = load_text(text).unwrap_err();
    let folder = problems.iter().next().unwrap().file().parent().unwrap().display().to_string();
    problems.pretty(false).replace(&format!("{folder}/"), "")
}

#[test]
fn the_example_loads_and_the_least_one_too() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/countersign.toml");
    let config = load(Path::new(example), &Models::embedded().unwrap(), &environment()).unwrap();
    assert_eq!(config.accounts.len(), 2);
    assert_eq!(config.limits.plan_ttl, Duration::from_secs(900));
    let config = load_text(
        "[caller]\nhuman = \"dana\"\n[accounts.dev]\nid = \"111122223333\"\nstage = \"dev\"\nregions = [\"eu-central-1\"]\n",
    )
    .unwrap();
    assert_eq!(config.store, Path::new("/home/dana/.local/state/countersign/countersign.db"));
    assert_eq!(config.accounts.first().unwrap().stage, Stage::Dev);
    assert_eq!(config.limits.confirmation_timeout, Duration::from_secs(240));
}

#[test]
fn misspelt_keys_and_words_are_told_with_the_nearest() {
    insta::assert_snapshot!(report(
        r#"[caller]
human = "dana"
agnet = "kiro"

[accounts.dev]
id = 111122223333
stage = "production"
regions = ["eu-central-1"]

[limit]
"#
    ));
}

#[test]
fn doubtful_values_are_told_all_at_once() {
    insta::assert_snapshot!(
        report(
            r#"[caller]
human = "dana "

[accounts.dev]
id = "111122223333"
stage = "dev"
regions = ["eu-centrl-1", "us-east-1", "us-east-1"]
read_role = "arn:aws:iam::444455556666:role/read"
change_role = "arn:aws:iam::111122223333:user/x"

[accounts."Prod 1"]
id = "111122223333"
stage = "prod"
regions = ["us-east-1"]

[aws]
endpoint_url = "http://10.0.0.1:4566"
endpoint_urls = { dynamo = "https://x.test" }

[limits]
plan_ttl = "2d"
confirmation_timeout = "five minutes"
result_bytes = 64000

[manifests]
folders = ["nowhere"]
"#
        )
        .replace(&std::env::temp_dir().display().to_string(), "")
    );
}

#[test]
fn syntax_errors_and_missing_files_are_told() {
    insta::assert_snapshot!(report("[caller]\nhuman = dana\n"));
    insta::assert_snapshot!(report("[caller]\nhuman = \"a\"\nhuman = \"b\"\n"));
    let missing = load(Path::new("/nowhere/countersign.toml"), &Models::embedded().unwrap(), &environment());
    insta::assert_snapshot!(missing.unwrap_err().to_string());
}

const LEAST: &str = r#"[caller]
human = "dana"
agent = "kiro"
[accounts.shop-dev]
id = "111122223333"
stage = "dev"
regions = ["eu-central-1"]
[accounts.shop-prod]
id = "444455556666"
stage = "prod"
regions = ["eu-central-1"]
"#;

#[test]
fn without_agents_the_callers_is_an_operator_everywhere() {
    let config = load_text(LEAST).unwrap();
    let agent = config.agents.get(&Agent::new("kiro")).unwrap();
    let accounts = vec!["shop-dev".to_owned(), "shop-prod".to_owned()];
    let expected = AgentConfig { roles: vec!["operator".to_owned()], accounts, max_resources: 100, expires: None };
    assert_eq!((config.agents.len(), agent), (1, &expected));
    assert_eq!(config.people().accounts, config.accounts);
    assert_eq!(config.policy.profile, Profile::Standard);
    assert_eq!(config.windows, Windows::default());
    assert_eq!((config.budgets, config.breakers), (BudgetsConfig::default(), BreakersConfig::default()));
    assert!(config.ticket.is_none() && config.tag_rules.is_empty() && config.clients.is_empty());
}

#[test]
fn everything_that_policies_speak_of_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("policies/own.cedar"), "").unwrap();
    let text = format!(
        r#"{LEAST}
[policy]
profile = "regulated"
files = ["policies", "policies/own.cedar"]
roles = ["dba"]
groups = ["database-owners"]
[agents.kiro]
roles = ["reader", "dba"]
accounts = ["shop-dev"]
max_resources = 7
expires = "2027-01-01"
[agents.night]
roles = ["operator"]
accounts = ["shop-prod"]
expires = "2027-01-01T08:00:00+01:00"
[clients]
"claude-code" = "managed"
[[tags]]
tag = "env"
value = "prod*"
stage = "prod"
[[tags]]
tag = "keep"
protected = true
[[tags]]
tag = "team"
owner = true
[windows]
time_zone = "Europe/Berlin"
allowed = ["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"]
frozen = ["Sat-Sun", "Fri 12:00 - Mon 08:00"]
[[windows.freezes]]
from = "2026-12-20T00:00"
to = "2027-01-03T00:00:00+01:00"
why = "year-end"
[ticket]
pattern = "CHG-[0-9]+"
[budgets]
changes_per_session = 20
[breakers]
agent_denials_per_hour = 0
"#
    );
    let path = folder.path().join("countersign.toml");
    std::fs::write(&path, text).unwrap();
    let config = load(&path, &Models::embedded().unwrap(), &environment()).unwrap();
    let Config { policy, agents, clients, tag_rules, windows, ticket, budgets, breakers, .. } = config;
    let found = format!("{policy:#?}\n{agents:#?}\n{clients:?}\n{tag_rules:#?}\n{budgets:?}\n{breakers:?}");
    insta::assert_snapshot!(found.replace(&folder.path().display().to_string(), ""));
    let spans = |spans: &[WeeklySpan]| spans.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(spans(&windows.allowed), ["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"]);
    assert_eq!(spans(&windows.frozen), ["Sat-Sun", "Fri 12:00 - Mon 08:00"]);
    let freeze = windows.freezes.first().unwrap();
    assert_eq!(freeze.from.to_string(), "2026-12-19T23:00:00Z");
    assert_eq!(freeze.to.to_string(), "2027-01-02T23:00:00Z");
    assert!(ticket.unwrap().matches("CHG-7"));
}

#[test]
fn what_policies_speak_of_is_told_with_the_nearest() {
    insta::assert_snapshot!(report(&format!(
        r#"{LEAST}
[policy]
files = ["own.cedar", ".", "countersign.toml"]
roles = ["dba", "operator", "dba"]
groups = ["approvers"]
[agents.kira]
roles = ["operater", "reader", "reader"]
accounts = ["shop-prd", "shop-dev"]
expires = "next year"
[agents."x "]
roles = ["wizard"]
accounts = ["billing"]
expires = "2027-01-01T08:00"
[clients]
"\u0007" = "known"
[[tags]]
tag = "env"
[[tags]]
tag = "env"
stage = "prod"
protected = true
[[tags]]
tag = "keep"
protected = false
[windows]
time_zone = "Europe/Berlln"
allowed = ["mon-fri 09:00-16:00", "Mon 9-16"]
frozen = ["Fri 24:00 - Mon 08:00"]
[[windows.freezes]]
from = "2026-12-20"
to = "2027-01-03T00:00[Asia/Tokyo]"
why = " "
[[windows.freezes]]
from = "2027-01-03T00:00"
to = "2026-12-20T00:00"
why = "year-end"
[ticket]
pattern = "CHG-[0-9"
"#
    )));
}

#[test]
fn spans_need_a_time_zone() {
    insta::assert_snapshot!(report(&format!("{LEAST}\n[windows]\nfrozen = [\"Sat-Sun\"]\n")));
}

#[test]
fn words_of_the_wrong_form_are_told() {
    insta::assert_snapshot!(report(&format!(
        r#"{LEAST}
[policy]
profile = "strict"
roles = ["Data Base"]
[agents.kiro]
roles = []
accounts = ["shop-dev"]
max_resources = 0
[clients]
cursor = "trusted"
[ticket]
pattern = ""
[budgets]
changes_per_session = -1
[windows]
zone = "Europe/Berlin"
"#
    )));
}

const ISSUER: &str = r#"[http]
[http.oauth]
issuer = "https://login.example.com"
[[http.oauth.agents]]
claim = "client_id"
value = "kiro-client"
agent = "kiro"
"#;

#[test]
fn who_may_call_over_http_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign.toml");
    let text = format!(
        r#"{LEAST}
{ISSUER}
[http.tokens.ci]
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
agent = "kiro"
human = "cleo"
expires = "2027-01-01"
"#
    );
    std::fs::write(&path, text).unwrap();
    let auth = load(&path, &Models::embedded().unwrap(), &environment()).unwrap().http.unwrap().auth;
    insta::assert_debug_snapshot!(auth);
}

#[test]
fn what_is_wrong_with_callers_is_told() {
    insta::assert_snapshot!(report(&format!(
        r#"{LEAST}
[http.tokens.a]
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
agent = "kira"
human = "dana\n"
expires = "soon"
[http.tokens.b]
sha256 = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
agent = "kiro"
human = "dana"
expires = "2027-01-01"
[http.tokens.b2]
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
agent = "kiro"
human = "dana"
expires = "2027-01-01"
[http.tokens."My token"]
sha256 = "cs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
agent = "kiro"
human = "dana"
expires = "2027-01-01"
[http.tokens.d]
sha256 = "9f86"
agent = "kiro"
human = "dana"
expires = "2027-01-01"
[http.oauth]
issuer = "http://login.example.com"
jwks_url = "http://login.example.com/jwks"
default_agent = "kira"
max_age = "for ever"
stale_keys = "30d"
[[http.oauth.agents]]
claim = "client_id"
value = "x"
agent = "kirk"
[[http.oauth.agents]]
claim = "client_id"
value = "x"
agent = "kiro"
human = " dana"
"#
    )));
}

#[test]
fn an_issuer_without_rules_or_keys_is_told() {
    insta::assert_snapshot!(report(&format!(
        "{LEAST}\n[http.oauth]\nissuer = \"https://login.example.com\"\njwks_file = \"jwks.json\"\n"
    )));
    let both = ISSUER.replace("[[http", "jwks_file = \"a\"\njwks_url = \"https://x.test\"\n[[http");
    insta::assert_snapshot!(report(&format!("{LEAST}\n{both}")));
    let words = ISSUER.replace("[[http", "algorithms = [\"HS256\", \"none\"]\naudience = []\nscope = \"a b\"\n[[http");
    insta::assert_snapshot!(report(&format!("{LEAST}\n{words}")));
}

#[test]
fn who_is_told_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    std::fs::write(folder.path().join("url"), "https://hooks.slack.com/services/T/B/x\n").unwrap();
    let load = |notify: &str| {
        let path = folder.path().join("countersign.toml");
        std::fs::write(&path, format!("{LEAST}\n{notify}")).unwrap();
        load(&path, &Models::embedded().unwrap(), &environment()).map(|config| config.notify.unwrap())
    };
    let signed = load("[http]\n[notify]\nurl = \"https://x.test/hook\"\nsecret_file = \"secret\"\n").unwrap();
    assert_eq!(signed.events.len(), 7);
    assert_eq!(signed.secret_file, Some(folder.path().join("secret")));
    let slack = "[http]\n[notify]\nurl_file = \"url\"\nformat = \"slack\"\nevents = [\"waiting\", \"rejected\"]\n";
    let slack = load(slack).unwrap();
    assert_eq!((slack.events.len(), slack.secret_file), (2, None));
    let wrong = |notify: &str| {
        let problems = load(notify).unwrap_err().plain();
        problems.replace(&format!("{}/", folder.path().display()), "")
    };
    let cases = [
        "[notify]\nurl = \"https://x.test\"\nsecret_file = \"secret\"\n",
        "[http]\n[notify]\nurl = \"http://x.test\"\n",
        "[http]\n[notify]\nurl = \"https://x.test\"\nurl_file = \"url\"\nsecret_file = \"url\"\n",
        "[http]\n[notify]\nurl_file = \"secret\"\nsecret_file = \"nowhere\"\n",
    ];
    insta::assert_snapshot!(cases.map(wrong).join("\n"));
}
