//! Whole examinations of made-up machines.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use super::*;
use crate::audit::event::{Event, What};
use crate::call::refused::Code;
use crate::call::request::{Caller, ClientInfo};
use crate::names::{Agent, Human, SessionId};
use crate::ports::Store;
use crate::store::SqliteStore;

/// A machine in a folder of its own: its home, and a configuration that leads to no AWS.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(config: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("countersign.toml", &format!("{LEAST}{config}"));
        machine.write("own-keys", "[server]\naws_access_key_id = AKIASERVER\naws_secret_access_key = secret\n");
        machine
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn patient(&self) -> Patient {
        let home = self.0.path().to_owned();
        Patient {
            config: None,
            environment: Environment { home: Some(home.clone()), working: home.clone(), ..Environment::default() },
            around: Surroundings { home: Some(home.clone()), working: home.clone(), ..Surroundings::default() },
            aws: AwsHome { home: Some(home), ..AwsHome::default() },
            now: "2026-11-21T18:00:00Z".parse().unwrap(),
            patience: Duration::from_secs(60),
        }
    }

    /// What people are shown, without what depends on this machine's solver.
    async fn shown(&self, patient: &Patient) -> String {
        let mut findings = examined(patient).await;
        findings.retain(|finding| !(finding.about == About::Policies && finding.says.contains("prove")));
        let shown = anstream::adapter::strip_str(&for_people(&findings)).to_string();
        shown.replace(&self.0.path().display().to_string(), "[home]")
    }
}

const LEAST: &str = r#"[caller]
human = "ann"

[accounts.shop-dev]
id = "111122223333"
stage = "dev"
regions = ["eu-central-1"]

[store]
path = "countersign.db"

[aws]
endpoint_url = "http://127.0.0.1:1"
credentials_file = "own-keys"
profile = "server"
"#;

macro_rules! assert_told {
    ($machine:expr, $patient:expr) => {{
        let shown = $machine.shown(&$patient).await;
        insta::with_settings!({ filters => vec![
            (r"digest [0-9a-f]{12}\b", "digest [hash]"),
            (r"\b\d+ policies\b", "[n] policies"),
            (r"os error \d+", "os error [n]"),
            (r"\b\d+ tools\b", "[n] tools"),
        ], omit_expression => true }, { insta::assert_snapshot!(shown) });
    }};
}

#[tokio::test]
async fn a_new_machine_without_a_configuration() {
    let machine = Machine::new("");
    std::fs::remove_file(machine.0.path().join("countersign.toml")).unwrap();
    assert_told!(machine, machine.patient());
}

#[tokio::test]
async fn a_configuration_with_slips() {
    let machine = Machine::new("[policy]\nprofil = \"standard\"\n");
    assert_told!(machine, machine.patient());
    let machine = Machine::new("[policy]\nfiles = [\"own.cedar\"]\n");
    machine.write("own.cedar", "forbid (principal, action, resource) when { context.nothing };");
    assert_told!(machine, machine.patient());
}

#[tokio::test]
async fn a_laptop_with_everything_that_can_be_wrong() {
    let machine = Machine::new("[http]\npublic_url = \"https://guard.example.com\"\nlisten = \"0.0.0.0:8470\"\n");
    machine.write(
        ".aws/config",
        "[profile prod-admin]\nsso_account_id = 444455556666\nsso_role_name = AdministratorAccess\n",
    );
    machine.write(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = planted-secret\n",
    );
    machine.write(
        ".kiro/settings/mcp.json",
        r#"{ "mcpServers": { "aws": { "command": "/gone/countersign", "args": ["serve"], "autoApprove": ["*"] } } }"#,
    );
    record(&machine).await;
    let database = machine.0.path().join("countersign.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(machine.0.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut patient = machine.patient();
    patient.aws.variables = [("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE".to_owned())].into();
    assert_told!(machine, patient);
    let findings = examined(&patient).await;
    assert_eq!(format!("{:?}", verdict(&findings)), format!("{:?}", ExitCode::FAILURE));
    let json = as_json(&findings).unwrap();
    assert!(!json.contains("planted-secret") && !json.contains("AKIAIOSFODNN7EXAMPLE"), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(read["problems"].as_u64().unwrap() >= 4, "{json}");
    assert_eq!(read["findings"][0]["about"], "configuration");
    assert_eq!(read["findings"][0]["level"], "ok");
}

#[tokio::test]
async fn a_record_that_was_cut_off_is_told() {
    let machine = Machine::new("");
    record(&machine).await;
    let head = machine.0.path().join("audit.head");
    assert!(head.is_file());
    for name in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        let _ = std::fs::remove_file(machine.0.path().join(name));
    }
    let kept = std::fs::read(&head).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let fresh = SqliteStore::open(&elsewhere.path().join("countersign.db")).await.unwrap();
    fresh.close().await;
    std::fs::copy(elsewhere.path().join("countersign.db"), machine.0.path().join("countersign.db")).unwrap();
    std::fs::write(&head, kept).unwrap();
    let shown = machine.shown(&machine.patient()).await;
    assert!(shown.contains("the record is broken"), "{shown}");
}

#[tokio::test]
async fn aws_that_never_answers_is_not_waited_for() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let machine = Machine::new("");
    machine.write("countersign.toml", &LEAST.replace("127.0.0.1:1", &address.to_string()));
    let patient = Patient { patience: Duration::from_millis(500), ..machine.patient() };
    let mut findings = Vec::new();
    let bench = configured::configuration(&patient, &mut findings).unwrap();
    let started = Instant::now();
    let told = cloud::aws(&bench, patient.now, patient.patience).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(told[0].says.starts_with("AWS can't be reached"), "{told:?}");
}

/// A session of two clients, one of which shows no forms.
async fn record(machine: &Machine) {
    let store = SqliteStore::open(&machine.0.path().join("countersign.db")).await.unwrap();
    let event = |client: &str, what: What| Event {
        at: "2026-11-21T17:00:00Z".parse().unwrap(),
        call: None,
        caller: Some(Caller {
            agent: Agent::new("agent"),
            human: Human::new("ann"),
            session: SessionId::new("session"),
            source: None,
            client: ClientInfo {
                name: client.to_owned(),
                version: "1.2".to_owned(),
                protocol: "2025-11-25".to_owned(),
            },
        }),
        what,
    };
    let refused = What::Refused {
        code: Code::ElicitationUnavailable,
        message: "no forms".to_owned(),
        operator_detail: None,
        plan: None,
    };
    let events = vec![event("formless", refused), event("kiro\u{1b}[2J", What::Served { tool: "whoami".to_owned() })];
    store.append(events).await.unwrap();
    store.close().await;
}
