//! The examples: each tier's configuration is good, and the client in Python does what it says.

use std::io::Write;
use std::process::{Command, Stdio};

use countersign::sandbox::DEV;

use super::{commands, ended};
use crate::support::clouds::{instance_state, run_instance};
use crate::support::{Installation, Ran, repository, sandbox};

#[test]
fn every_tier_is_a_good_configuration() {
    for tier in ["laptop", "shared", "guarded"] {
        let installation = Installation::empty();
        commands::copy(&repository().join("examples/tiers").join(tier), installation.folder());
        // Where packages put it, or beside the rest.
        let config = installation.config();
        assert!(config.exists(), "{tier} has no countersign.toml");
        assert!(installation.folder().join("README.md").exists(), "{tier}");
        for arguments in [&["config", "check"][..], &["policy", "check"], &["policy", "test", "cases.yaml"]] {
            let ran = installation.run(arguments);
            assert_eq!(ran.code, Some(0), "{tier}: {arguments:?}: {}", ended(&ran));
        }
        let stray = installation.folder().join("countersign.db");
        assert!(!stray.exists(), "{tier}: checks write nothing");
    }
}

/// The unit, the drop-in and the composition name files that there are.
#[test]
fn what_starts_a_tier_starts_this_program() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let compose = read("examples/tiers/shared/compose.yaml");
    assert!(compose.contains("dockerfile: packaging/Dockerfile") && compose.contains("serve\", \"--http\""));
    assert!(repository().join("packaging/Dockerfile").exists());
    let unit = read("packaging/systemd/countersign.service");
    assert!(unit.contains("ExecStart=/usr/bin/countersign serve --http"));
    let drop_in = read("examples/tiers/guarded/countersign.service.d/identity.conf");
    assert!(drop_in.starts_with("[Service]\n"));
    // What the agent's machine gets: an address, and nothing of AWS.
    let client: serde_json::Value = serde_json::from_str(&read("examples/tiers/guarded/agent/mcp.json")).unwrap();
    let server = client["mcpServers"]["countersign"].as_object().unwrap();
    assert!(server["url"].as_str().unwrap().starts_with("https://"));
    assert!(!server.contains_key("command") && !client.to_string().contains("AWS_"));
}

#[tokio::test]
async fn the_python_client_previews_confirms_and_applies() {
    let sandbox = sandbox().await;
    let installation = Installation::before_sandbox(sandbox);
    let id = run_instance(&DEV, "python-example").await;
    for (typed, code, state) in [
        (None, 3, "running"),
        (Some("\n"), 3, "running"),
        (Some("yes\n"), 3, "running"),
        (Some(&*format!("{id}\n")), 0, "stopped"),
    ] {
        let arguments = format!(r#"{{"InstanceIds": ["{id}"]}}"#);
        let told = client(&installation, &arguments, typed);
        assert_eq!(told.code, Some(code), "{typed:?}: {}", ended(&told));
        assert!(told.out.contains("Stop EC2 instances"), "the plan is shown: {}", told.out);
        assert_eq!(instance_state(&DEV, &id).await, state, "{typed:?}: {}", ended(&told));
    }
    let record = installation.record();
    assert_eq!((record.count("intent"), record.count("outcome")), (1, 1));
}

/// The example, with what a person types; nobody is there where nothing is.
fn client(installation: &Installation, arguments: &str, typed: Option<&str>) -> Ran {
    let python = repository().join(".venv/bin/python");
    assert!(python.exists(), "there is no `.venv`: run `make venv`");
    let mut command = Command::new(python);
    command.arg(repository().join("examples/client.py"));
    command.args(["--account", "shop-dev", "--tool", "ec2_stop_instances", "--arguments", arguments]);
    command.args(["--reason", "saves money at night", "--"]);
    command.arg(installation.command().get_program()).args(["serve", "--config"]).arg(installation.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.unwrap_or_default().as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}
