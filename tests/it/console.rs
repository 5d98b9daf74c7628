//! The console through the eyes of people: a real browser with passkeys of its own, before the real server.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::{Act, Installation, Instance, NEWEST, Session, Stub, repository, with};

const WEB: &str = "i-0123456789abcdef0";
const OTHER: &str = "i-0fedcba9876543210";

/// A server that agents reach over stdio and people with their browsers.
struct Scene {
    stub: Stub,
    installation: Installation,
    origin: String,
    _server: Child,
    /// The link with which bob, the first admin, enrols.
    link: String,
}

impl Scene {
    async fn new(config: &str) -> Self {
        let stub = Stub::start().await;
        stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
        stub.put(Instance::running(OTHER).tagged("Name", "web\u{202e}\n<script>alert(1)</script>"));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = format!("[http]\nlisten = \"127.0.0.1:{port}\"\nreading_time = \"8s\"\n{config}");
        let installation = Installation::before_stub(&stub).with_config(&http);
        let invited = installation.run(&["approver", "invite", "bob"]);
        assert_eq!(invited.code, Some(0), "{invited:?}");
        let link = invited.out.split_whitespace().find(|word| word.contains("/enrol/")).unwrap().to_owned();
        let mut server = Command::from(installation.command());
        server.args(["serve", "--http"]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let server = server.spawn().unwrap();
        let origin = format!("http://localhost:{port}");
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Self { stub, installation, origin, _server: server, link };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not listen at {origin}");
    }

    /// An agent of ann's, in a client that has no forms: she confirms in the console.
    async fn agent(&self) -> Session {
        Session::start(&self.installation, NEWEST, Act::HasNoForms).await
    }

    /// Runs a part of the story in a browser.
    async fn tell(&self, browser: &PathBuf, part: &str, plans: &Value) {
        let mut command = Command::new(repository().join(".venv/bin/python"));
        command.arg(repository().join("tests/python/console.py")).arg(browser).arg(part);
        command.args([&self.origin, &self.link, &plans.to_string()]).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(240), command.output()).await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    }
}

/// What terminates an instance of an account.
fn terminate(account: &str, id: &str) -> Value {
    json!({ "account": account, "InstanceIds": [id], "reason": "the web tier is rebuilt\n<b>approved</b> \u{202e}" })
}

/// Puts a plan before people; what applies it, with its id.
async fn parked(agent: &Session, account: &str, id: &str) -> Value {
    let apply = agent.preview("ec2_terminate_instances", &terminate(account, id)).await;
    let waits = agent.call("ec2_terminate_instances", apply.clone()).await;
    assert_eq!(waits.structured()["status"], "approval_pending", "{:#}", waits.structured());
    apply
}

/// The browser; where there is none the test is skipped, loudly, but for where everything must be tested.
pub(crate) fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium, and nothing may be skipped here");
        eprintln!("SKIPPED: the console is NOT tested in a browser, because there is no Chromium: install `chromium`");
    }
    found
}

#[tokio::test]
async fn people_read_sign_and_reject_in_a_browser() {
    let Some(browser) = browser() else { return };
    let scene = Scene::new("").await;
    let agent = scene.agent().await;
    let first = parked(&agent, "shop-prod", WEB).await;
    let second = parked(&agent, "shop-prod", OTHER).await;
    scene.tell(&browser, "decide", &json!([first["plan_id"], second["plan_id"], WEB])).await;
    assert_eq!(scene.stub.changes(), Vec::<String>::new(), "nothing is done by signing alone");

    agent.call("ec2_terminate_instances", first.clone()).await.applied();
    let rejected = agent.call("ec2_terminate_instances", second.clone()).await;
    assert!(rejected.refused("rejected").contains("needed until Friday"), "{:#}", rejected.structured());
    assert_eq!(scene.stub.changes(), ["TerminateInstances"]);
    assert_eq!(scene.stub.instance(WEB).state, "terminated");

    let record = scene.installation.record();
    assert_eq!((record.count("signed"), record.count("rejected"), record.count("enrolled")), (3, 1, 3));
    let signers: Vec<_> = record.of_kind("signed").iter().map(|event| event["by"].clone()).collect();
    assert_eq!(signers, ["ann", "bob", "dana"]);
}

#[tokio::test]
async fn a_person_applies_from_the_browser_what_an_agent_only_suggests() {
    let Some(browser) = browser() else { return };
    let scene = Scene::new("[policy]\nprofile = \"suggest\"\n").await;
    let agent = scene.agent().await;
    let plan = parked(&agent, "shop-dev", WEB).await;
    scene.tell(&browser, "apply", &json!([plan["plan_id"], WEB])).await;
    assert_eq!(scene.stub.changes(), ["TerminateInstances"]);
    assert_eq!(scene.stub.instance(WEB).state, "terminated");
    agent.call("ec2_terminate_instances", with(&plan, json!({}))).await.refused("plan_not_usable");
    let record = scene.installation.record();
    assert_eq!(record.of_kind("signed")[0]["kind"], "application");
}
