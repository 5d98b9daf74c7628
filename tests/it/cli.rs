//! What the command line prints, and how it exits.

use serde_json::json;

use crate::support::{Act, Installation, Instance, NEWEST, Ran, Session, Stub};

/// Everything a run showed, with what differs from run to run replaced by its name.
fn shown(installation: &Installation, arguments: &[&str], ran: &Ran) -> String {
    let command = arguments.join(" ");
    let out = if ran.out.is_empty() { String::new() } else { format!("\n--- out\n{}", ran.out) };
    let err = if ran.err.is_empty() { String::new() } else { format!("\n--- err\n{}", ran.err) };
    let text = format!("countersign {command}\nexit {}{out}{err}", ran.code.unwrap());
    text.replace(&installation.folder().display().to_string(), "[folder]")
}

/// Asserts on what a command shows.
macro_rules! assert_shown {
    ($installation:expr, $($argument:expr),+) => {{
        let installation = $installation;
        let arguments: &[&str] = &[$($argument),+];
        let ran = installation.run(arguments);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("snapshots");
        settings.set_omit_expression(true);
        settings.add_filter(r"\b(plan|call|grant|session)-[0-9a-z]{26}\b", "$1-[id]");
        settings.add_filter(r"\b[0-9a-f]{64}\b", "[hash]");
        settings.add_filter(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]");
        settings.add_filter(r"countersign\.01[0-9a-z]{24}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", "[key]");
        settings.add_filter(r#""checkpoint":"[^"]+""#, r#""checkpoint":"[note]""#);
        settings.add_filter(r#""session": ?"[0-9a-z]{26}""#, r#""session":"[id]""#);
        settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]");
        settings.add_filter(r#""answered_after_ms": ?\d+"#, r#""answered_after_ms":[ms]"#);
        settings.add_filter(r"(?m)^  manifest    [0-9a-f]{12}$", "  manifest    [hash]");
        settings.add_filter(r"digest [0-9a-f]{12}\b", "digest [hash]");
        settings.add_filter(r"  \d+ tools", "  [n] tools");
        settings.add_filter(r"(policies/\w+\.cedar):\d+", "$1:[line]");
        settings.add_filter(r"countersign \d+\.\d+\.\d+", "countersign [version]");
        settings.add_filter(r#""version":"\d+\.\d+\.\d+""#, r#""version":"[version]""#);
        settings.bind(|| insta::assert_snapshot!(shown(installation, arguments, &ran)));
    }};
}

const LEAST: &str = r#"[caller]
human = "ann"

[accounts.shop-dev]
id = "210987654321"
stage = "dev"
regions = ["eu-central-1"]
"#;

#[test]
fn help_names_every_command() {
    let installation = Installation::empty();
    assert_shown!(&installation, "--help");
    assert_shown!(&installation, "--version");
    assert_shown!(&installation, "audit", "--help");
    assert_shown!(&installation, "srve");
}

#[test]
fn a_good_configuration_is_told_and_exits_with_0() {
    let installation = Installation::empty();
    installation.write("countersign.toml", LEAST);
    assert_shown!(&installation, "config", "check");
}

#[test]
fn a_bad_configuration_is_told_with_its_place_and_exits_with_1() {
    let installation = Installation::empty();
    installation.write("countersign.toml", &LEAST.replace("stage = \"dev\"", "stge = \"dev\"\nregion = 1"));
    assert_shown!(&installation, "config", "check");
    installation.write("countersign.toml", &LEAST.replace("eu-central-1\"]", "eu-central-1\",, ]"));
    assert_shown!(&installation, "config", "check");
    assert_shown!(&installation, "serve");
}

#[test]
fn without_a_configuration_every_command_says_where_one_is_looked_for() {
    let installation = Installation::empty();
    for command in [&["serve"][..], &["config", "check"], &["plans"], &["audit", "verify"]] {
        let ran = installation.run(command);
        assert_eq!(ran.code, Some(2), "{command:?}: {ran:?}");
        assert!(ran.err.contains("there is no configuration"), "{command:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{command:?}: {ran:?}");
    }
    assert_shown!(&installation, "serve");
    assert_shown!(&installation, "--config", "elsewhere.toml", "config", "check");
}

#[test]
fn misspelt_names_of_tools_are_told_at_their_place() {
    let installation = Installation::empty();
    let manifests = "[manifests]\ntoolsets = [\"ec2\", \"rsd\"]\ndisabled = [\n  \"ec2_terminate_instance\",\n]\n";
    installation.write("countersign.toml", &format!("{LEAST}\n{manifests}"));
    assert_shown!(&installation, "config", "check");
}

#[test]
fn a_store_that_is_none_is_told() {
    let installation = Installation::empty();
    installation.write("countersign.toml", LEAST);
    assert_shown!(&installation, "audit", "verify");
    installation.write("broken.db", "this is no database, and long enough to be taken for one by nobody");
    assert_shown!(&installation, "audit", "verify", "--store", "broken.db");
    assert_shown!(&installation, "plans", "--store", "broken.db");
}

#[test]
fn manifests_are_listed_shown_and_checked() {
    let installation = Installation::empty();
    installation.write("countersign.toml", LEAST);
    assert_shown!(&installation, "manifest", "list");
    assert_shown!(&installation, "manifest", "show", "ec2_terminate_instances");
    assert_shown!(&installation, "manifest", "show", "ec2_terminate_instance");
    assert_shown!(&installation, "manifest", "check");
}

#[test]
fn a_bad_manifest_is_told_with_every_slip_and_no_server_starts_with_it() {
    let installation = Installation::empty();
    let tool = "tool: my_stop\ntitle: Stop\nsummary: Stops.\ntoolset: mine\noperation: ec2:StopInstancez\neffect: read\n\
                scopes:\n  - actions: [\"ec2:*\"]\n    resources: [\"*\"]\nundo:\n  none: because\n";
    installation.write("mine/my_stop.yaml", tool);
    installation.write("countersign.toml", &format!("{LEAST}\n[manifests]\nfolders = [\"mine\"]\n"));
    assert_shown!(&installation, "manifest", "check", "mine");
    let served = installation.run(&["serve"]);
    assert_ne!(served.code, Some(0), "{served:?}");
    assert!(served.err.contains("my_stop.yaml") && served.out.is_empty(), "{served:?}");
}

#[tokio::test]
async fn plans_and_the_record_of_a_session_are_shown() {
    let stub = Stub::start().await;
    stub.put(Instance::running("i-0123456789abcdef0").tagged("Name", "orders-web-1"));
    let installation = Installation::before_stub(&stub);
    let session = Session::start(&installation, NEWEST, Act::types("i-0123456789abcdef0")).await;
    let stop = json!({ "account": "shop-dev", "InstanceIds": ["i-0123456789abcdef0"], "reason": "it is idle" });
    let apply = session.preview("ec2_stop_instances", &stop).await;
    let plan = apply["plan_id"].as_str().unwrap().to_owned();
    assert_shown!(&installation, "plans", "--state", "open");
    session.call("ec2_stop_instances", apply.clone()).await.applied();
    session.call("ec2_stop_instances", apply).await.refused("plan_not_usable");
    session.end().await;

    assert_shown!(&installation, "plans");
    assert_shown!(&installation, "plans", "--state", "done");
    assert_shown!(&installation, "plan", "show", "plan-0");
    assert_shown!(&installation, "audit", "verify");
    assert_shown!(&installation, "audit", "tail", "-n", "4");
    assert_shown!(&installation, "plan", "show", &plan);
    assert_shown!(&installation, "plan", "settle", &plan, "--as", "failed", "--because", "I looked");
    let shown = installation.run(&["plan", "show", &plan, "--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let filed: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&filed["state"], &filed["content"]["id"]), (&json!("applied"), &json!(plan)));

    let exported = installation.run(&["audit", "export"]);
    let file = installation.write("export.jsonl", &exported.out);
    let file = file.to_str().unwrap();
    assert_shown!(&installation, "audit", "verify", "--file", file);
    std::fs::write(file, exported.out.replace("it is idle", "it is mine")).unwrap();
    assert_shown!(&installation, "audit", "verify", "--file", file);
}

#[tokio::test]
async fn breakers_that_are_not_open_are_told() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    assert_shown!(&installation, "breaker", "list");
    Session::start(&installation, NEWEST, Act::Declines).await.end().await;
    assert_shown!(&installation, "breaker", "list");
    assert_shown!(&installation, "breaker", "close", "agent", "test-agent", "--reason", "I looked");
    assert_shown!(&installation, "breaker", "close", "account", "shop-dev", "--reason", "I looked");
    assert_shown!(&installation, "breaker", "close", "account", "shop-dve", "--reason", "I looked");
    assert_shown!(&installation, "breaker", "close", "agent", "test-agent", "--reason", " ");
    assert_shown!(&installation, "breaker", "close", "account", "--help");
    assert_eq!(installation.record().count("breaker_closed"), 0);
}

#[test]
fn policies_are_checked_tested_and_explained() {
    let installation = Installation::before("http://127.0.0.1:1");
    let own = "@id(\"frozen\")\n@says(\"what is tagged freeze stays as it is\")\n\
               forbid (principal, action in Action::\"change\", resource)\nwhen { resource.hasTag(\"freeze\") };\n";
    let cases = "cases:\n  - name: what is frozen stays\n    request: { tool: ec2_stop_instances, account: shop-dev, resource: { tags: \
                 { freeze: \"yes\" } } }\n    expect: never\n    forbidden_by: [frozen]\n  - name: stops in prod are free\n    request: { \
                 tool: ec2_stop_instances, account: shop-prod }\n    needs: {}\n";
    installation.write("cases.yaml", cases);
    let installation = installation.with_policy(own);
    assert_shown!(&installation, "policy", "check");
    assert_shown!(&installation, "policy", "test", "cases.yaml");
    assert_shown!(&installation, "policy", "test");
    assert_shown!(
        &installation,
        "policy",
        "explain",
        "ec2_stop_instances",
        "i-0123456789abcdef0",
        "--account",
        "shop-prod",
        "--tag",
        "freeze=yes"
    );
    assert_shown!(
        &installation,
        "policy",
        "explain",
        "ec2_stop_instances",
        "i-0123456789abcdef0",
        "--account",
        "shop-prod"
    );
    assert_shown!(&installation, "policy", "explain", "ec2_stop_instance");
    let installation = installation.with_policy(&own.replace("hasTag", "hasTags").replace("Action", "Actoin"));
    assert_shown!(&installation, "policy", "check");
}
