//! Sessions against a stub.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::aws::stub::{Act, Stub};
use crate::config::{
    Account, AwsConfig, BreakersConfig, BudgetsConfig, CallerConfig, LimitsConfig, ManifestsConfig, PolicyConfig,
};
use crate::credentials::session_policy::SessionPolicy;
use crate::digest::Digest;
use crate::names::{Agent, CallId, Human, PlanId, Stage};
use crate::policy::windows::Windows;
use crate::testing::{FixedClock, session_policy};

const ACCOUNT: &str = "111111111111";

fn config(url: &str, folder: &std::path::Path) -> Config {
    let credentials = folder.join("credentials");
    std::fs::write(&credentials, "[default]\naws_access_key_id = AKIDOWN\naws_secret_access_key = hunter2\n").unwrap();
    Config {
        accounts: vec![],
        caller: CallerConfig { human: Human::new("jo@example.com"), agent: Agent::new("agent") },
        store: PathBuf::from("unused"),
        aws: AwsConfig {
            credentials_file: Some(credentials),
            endpoint_url: Some(url.to_owned()),
            ..AwsConfig::default()
        },
        limits: LimitsConfig {
            plan_ttl: Duration::from_secs(900),
            chain: Duration::from_secs(86_400),
            approval_ttl: Duration::from_secs(900),
            confirmation_timeout: Duration::from_secs(240),
            call_timeout: Duration::from_secs(20),
            result_bytes: 65536,
            concurrent_calls: 64,
        },
        manifests: ManifestsConfig::default(),
        policy: PolicyConfig::default(),
        agents: BTreeMap::new(),
        clients: BTreeMap::new(),
        tag_rules: Vec::new(),
        windows: Windows::default(),
        ticket: None,
        budgets: BudgetsConfig::default(),
        breakers: BreakersConfig::default(),
        http: None,
        notify: None,
        digest: Digest::of_bytes("t", b""),
        path: PathBuf::from("unused"),
    }
}

fn request(purpose: Purpose, role: bool) -> SessionRequest {
    let role = |name: &str| role.then(|| format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
    SessionRequest {
        account: Account {
            name: "shop-dev".to_owned(),
            id: ACCOUNT.to_owned(),
            stage: Stage::Dev,
            regions: vec![Region::new("eu-central-1")],
            read_role: role("read"),
            change_role: role("change"),
            external_id: Some("external".to_owned()),
        },
        region: Region::new("eu-central-1"),
        purpose,
        policy: SessionPolicy::nothing(),
        call: CallId::fresh(),
        human: Human::new("jo@example.com"),
        agent: Agent::new("agent"),
        plan: Some(PlanId::fresh()).filter(|_| purpose == Purpose::Change),
        ticket: None,
    }
}

fn assumed(now: Timestamp) -> Act {
    let expires = now.checked_add(SignedDuration::from_secs(900)).unwrap();
    let body = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
         <SecretAccessKey>hunter2</SecretAccessKey><SessionToken>hunter2</SessionToken>\
         <Expiration>{expires}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    Act::AnswerWith(200, vec![], body.into_bytes())
}

fn is_you(account: &str) -> Act {
    let body = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Act::AnswerWith(200, vec![], body.into_bytes())
}

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

struct Made {
    cloud: AwsCloud,
    stub: Stub,
    clock: FixedClock,
    folder: tempfile::TempDir,
}

async fn made(acts: Vec<Act>) -> Made {
    let (stub, folder) = (Stub::start(acts).await, tempfile::tempdir().unwrap());
    let clock = FixedClock::at(now());
    let config = config(&stub.url, folder.path());
    let cloud = AwsCloud::new(&config, Models::embedded().unwrap(), Arc::new(clock.clone()));
    Made { cloud, stub, clock, folder }
}

#[tokio::test]
async fn a_change_gets_credentials_of_its_own_and_reads_share_theirs() {
    let made = made(vec![assumed(now())]).await;
    let opened = |purpose| made.cloud.open(request(purpose, true));
    opened(Purpose::Change).await.unwrap();
    opened(Purpose::Change).await.unwrap();
    let changes = made.stub.requests();
    assert_eq!(changes.len(), 2);
    for request in &changes {
        for part in [
            "Action=AssumeRole",
            "role%2Fchange",
            "RoleSessionName=call-",
            "SourceIdentity=jo%40example.com",
            "ExternalId=external",
            "DurationSeconds=900",
            "Tags.member.1.Key=agent",
            "Tags.member.2.Key=plan",
            "Policy=%7B%22Version%22",
        ] {
            assert!(request.contains(part), "{part} is not in {request}");
        }
    }
    let (one, other) = tokio::join!(opened(Purpose::Read), opened(Purpose::Read));
    let session = one.unwrap();
    other.unwrap();
    assert_eq!(made.stub.requests().len(), 3);
    assert!(!format!("{session:?} {:?}", made.cloud).contains("hunter2"));
    assert!(session.credentials().role.unwrap().ends_with("role/read"));
    made.clock.advance(SignedDuration::from_secs(479));
    opened(Purpose::Read).await.unwrap();
    assert_eq!(made.stub.requests().len(), 3);
    made.clock.advance(SignedDuration::from_secs(2));
    opened(Purpose::Read).await.unwrap();
    assert_eq!(made.stub.requests().len(), 4);
}

/// A session's tags as sts is sent them.
fn tags(sent: &str) -> BTreeMap<String, String> {
    let part = |name: &str| {
        sent.split(['&', '\n'])
            .filter_map(|part| part.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let at = |n: usize| Some((part(&format!("Tags.member.{n}.Key"))?, part(&format!("Tags.member.{n}.Value"))?));
    (1..10).map_while(at).collect()
}

#[tokio::test]
async fn a_change_s_session_is_tagged_with_its_ticket() {
    let made = made(vec![assumed(now())]).await;
    for ticket in ["OPS-17", "AWS:ops-17"] {
        let request = SessionRequest { ticket: Some(ticket.to_owned()), ..request(Purpose::Change, true) };
        made.cloud.open(request).await.unwrap();
    }
    made.cloud.open(request(Purpose::Read, true)).await.unwrap();
    let [plain, reserved, read] = made.stub.requests().try_into().unwrap();
    assert_eq!(tags(&plain)["ticket"], "OPS-17", "{plain}");
    assert!(tags(&reserved)["ticket"].starts_with("AWS-ops-17-"), "{reserved}");
    assert_eq!(tags(&read).into_keys().collect::<Vec<_>>(), ["agent"], "{read}");
}

/// A call waits for a person at most 270 seconds, and has to be read once more after that.
#[tokio::test]
async fn reading_credentials_outlive_the_wait_for_a_person() {
    let made = made(vec![assumed(now())]).await;
    for passed in 0..900 {
        let before = made.stub.requests().len();
        made.cloud.open(request(Purpose::Read, true)).await.unwrap();
        if made.stub.requests().len() > before && passed > 0 {
            assert!(900 - passed >= 270 + 60, "renewed only {} seconds before the end", 900 - passed);
            return;
        }
        made.clock.advance(SignedDuration::from_secs(1));
    }
    panic!("never renewed");
}

#[tokio::test]
async fn a_refused_role_means_that_nothing_was_sent() {
    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    let made = made(vec![Act::Answer(403, body)]).await;
    let error = made.cloud.open(request(Purpose::Change, true)).await.unwrap_err();
    assert!(matches!(&error, CloudError::NotSent { reason } if reason.contains("AccessDenied")), "{error}");
    assert!(error.to_string().contains("sts:SetSourceIdentity"), "{error}");
}

#[tokio::test]
async fn reading_credentials_are_shared_by_reads_of_the_same_things_only() {
    let made = made(vec![assumed(now())]).await;
    let opened = async |policy: &str, human: &str, region: &str| {
        let mut request = request(Purpose::Read, true);
        (request.policy, request.human) = (session_policy(policy), Human::new(human));
        request.region = Region::new(region);
        made.cloud.open(request).await.unwrap();
        made.stub.requests().len()
    };
    assert_eq!(opened("one", "ann", "eu-central-1").await, 1);
    assert_eq!(opened("other", "ann", "eu-central-1").await, 2);
    assert_eq!(opened("one", "bob", "eu-central-1").await, 3);
    assert_eq!(opened("one", "ann", "us-east-1").await, 4);
    assert_eq!(opened("one", "ann", "eu-central-1").await, 4);
    let requests = made.stub.requests();
    assert!(requests[0].contains("Policy=one") && requests[1].contains("Policy=other"), "{requests:?}");
    assert!(!requests[0].contains("Key=plan") && !requests[0].contains("Transitive"), "{requests:?}");
}

#[tokio::test]
async fn a_throttled_sts_is_asked_again() {
    let throttled =
        "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    let made = made(vec![Act::Answer(400, throttled), assumed(now())]).await;
    made.cloud.open(request(Purpose::Change, true)).await.unwrap();
    assert_eq!(made.stub.requests().len(), 2);
}

#[tokio::test]
async fn the_life_of_credentials_is_told_by_aws_s_clock() {
    let ahead = now().checked_add(SignedDuration::from_hours(1)).unwrap();
    let Act::AnswerWith(status, mut headers, body) = assumed(ahead) else { panic!() };
    let date = jiff::fmt::rfc2822::to_string(&ahead.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    headers.push(("date", date));
    let made = made(vec![Act::AnswerWith(status, headers, body)]).await;
    for (pass, minted) in [(0, 1), (479, 1), (2, 2)] {
        made.clock.advance(SignedDuration::from_secs(pass));
        made.cloud.open(request(Purpose::Read, true)).await.unwrap();
        assert_eq!(made.stub.requests().len(), minted);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_role_is_told_with_its_mend() {
    let error = |code: &str, message: &str| {
        let body =
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>");
        Act::AnswerWith(403, vec![], body.into_bytes())
    };
    for (code, message, mend) in [
        ("AccessDenied", "not authorized to perform: sts:TagSession on resource", "must also allow sts:TagSession"),
        ("AccessDenied", "not authorized to perform: sts:SetSourceIdentity", "must also allow sts:SetSourceIdentity"),
        ("AccessDenied", "not authorized to perform: sts:AssumeRole", "`external_id`"),
        ("PackedPolicyTooLarge", "Packed size: 120%", "fewer targets"),
        ("SignatureDoesNotMatch", "Signature expired: 20261121T100000Z", "clock"),
        ("ExpiredToken", "The security token included in the request is expired", "renew them"),
    ] {
        let made = made(vec![error(code, message)]).await;
        let told = made.cloud.open(request(Purpose::Change, true)).await.unwrap_err().to_string();
        assert!(told.contains(mend) && !told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn own_credentials_that_aws_does_not_take_are_looked_up_again() {
    let expired = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>";
    let made = made(vec![Act::Answer(403, expired), assumed(now())]).await;
    made.cloud.open(request(Purpose::Change, true)).await.unwrap_err();
    let renewed = "[default]\naws_access_key_id = AKIDNEW\naws_secret_access_key = hunter2\n";
    std::fs::write(made.folder.path().join("credentials"), renewed).unwrap();
    made.cloud.open(request(Purpose::Change, true)).await.unwrap();
    assert!(made.stub.requests()[1].contains("Credential=AKIDNEW/"));
}

#[tokio::test]
async fn without_a_role_the_own_identity_serves_only_its_own_account() {
    let made = made(vec![is_you(ACCOUNT), Act::Answer(200, r#"{"TableNames":[]}"#)]).await;
    let session = made.cloud.open(request(Purpose::Read, false)).await.unwrap();
    assert_eq!(session.credentials(), CredentialsNote { role: None });
    session.send(&"dynamodb:ListTables".parse().unwrap(), &json!({})).await.unwrap();
    assert!(made.stub.requests()[1].contains("Credential=AKIDOWN/"));
    let stranger = self::made(vec![is_you("222222222222")]).await;
    let error = stranger.cloud.open(request(Purpose::Change, false)).await.unwrap_err();
    assert!(matches!(&error, CloudError::NotSent { reason } if reason.contains("222222222222")), "{error}");
}

#[tokio::test]
async fn only_the_configuration_says_where_calls_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("unused", folder.path());
    config.aws.endpoint_url = None;
    config.aws.endpoint_urls.insert("ec2".to_owned(), "http://127.0.0.1:7".to_owned());
    let credentials = config.aws.credentials_file.clone().unwrap();
    let text =
        "[default]\naws_access_key_id = AKIDOWN\naws_secret_access_key = hunter2\nendpoint_url = http://127.0.0.1:9\n";
    std::fs::write(credentials, text).unwrap();
    let client = Client::new(Models::embedded().unwrap(), &config.aws, &config.limits);
    let at = |operation: &str| client.endpoint(&operation.parse().unwrap(), &Region::new("eu-central-1")).unwrap();
    assert_eq!(at("ec2:DescribeInstances"), "http://127.0.0.1:7");
    assert_eq!(at("sts:AssumeRole"), "https://sts.eu-central-1.amazonaws.com");
    assert_eq!(at("iam:ListRoles"), "https://iam.amazonaws.com");
    let mut government = config.aws.clone();
    (government.use_fips, government.use_dual_stack) = (true, true);
    government.endpoint_urls.clear();
    let client = Client::new(Models::embedded().unwrap(), &government, &config.limits);
    let endpoint = client.endpoint(&"ec2:DescribeInstances".parse().unwrap(), &Region::new("us-gov-west-1")).unwrap();
    assert_eq!(endpoint, "https://ec2-fips.us-gov-west-1.api.aws");
}

/// Runs the test above once more in a process whose environment names other endpoints.
#[test]
fn the_environment_has_no_say_in_where_calls_go() {
    let test = "aws::cloud::tests::only_the_configuration_says_where_calls_go";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .envs(
            ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_IAM"]
                .map(|name| (name, "http://127.0.0.1:9")),
        )
        .env("AWS_USE_FIPS_ENDPOINT", "true")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
