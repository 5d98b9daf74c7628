//! What goes wrong elsewhere, and must not here. Each test runs the real binary and asserts the refusal, that nothing
//! changed at the cloud, and that the refusal is on record. The numbers are those of the list of threats.

mod t01_no_elicitation;
mod t03_content_counts;
mod t04_another_thing;
mod t05_drift;
mod t06_hostile_text;
mod t06_real_resources;
mod t07_broken_policy;
mod t09_other_credentials;
mod t10_consent_in_arguments;
mod t11_second_person;
mod t12_replay;
mod t13_expiry;
mod t14_ignored_dry_run;
mod t15_crash;
mod t16_at_once;
mod t17_steps;
mod t18_record;
mod t19_secrets;
mod t20_arguments;
mod t21_many_small_calls;
mod t22_tokens;
mod t22_web;

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::support::{Act, Answer, Installation, Instance, Session, Stub};

/// For snapshots of what people and agents read, without what differs from run to run.
fn steady() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\bplan-?[0-9a-zA-Z]{26}\b|\b[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}\b", "[plan]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[digest]");
    settings.add_filter(r"\([0-9a-f]{12}\)", "([digest])");
    settings.add_filter(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "[time]");
    settings.add_filter(r"\b(i|vol|eni)-[0-9a-f]{17}\b", "[$1]");
    settings.add_filter(r"sha256 [0-9a-f]{16}", "sha256 [start]");
    settings.add_filter(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[uuid]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]");
    settings.add_filter(r"\b1[78]\d{8}(\.\d+)?\b", "[seconds]");
    settings
}

/// The instance that most of these tests are about.
const WEB: &str = "i-0123456789abcdef0";

/// Another one.
const OTHER: &str = "i-0fedcba9876543210";

/// A stub with both instances running, and a server's installation before it.
struct Scene {
    stub: Stub,
    installation: Installation,
}

impl Scene {
    async fn new() -> Self {
        let stub = Stub::start().await;
        stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
        stub.put(Instance::running(OTHER).tagged("Name", "orders-web-2"));
        let installation = Installation::before_stub(&stub);
        Self { stub, installation }
    }

    /// With a policy besides the profile: a write needs its person in dev too.
    async fn where_writes_are_confirmed() -> Self {
        let Self { stub, installation } = Self::new().await;
        let policy =
            r#"@id("own") forbid (principal, action in Action::"write", resource) unless { context.confirmed };"#;
        Self { stub, installation: installation.with_policy(policy) }
    }

    async fn session(&self, version: &ProtocolVersion, act: Act) -> Session {
        Session::start(&self.installation, version.clone(), act).await
    }

    /// Asserts a refusal that is on record, after which the cloud is as it was.
    #[track_caller]
    fn refused<'a>(&self, answer: &'a Answer, code: &str) -> &'a str {
        let message = answer.refused(code);
        self.unchanged();
        let record = self.installation.record();
        let last = record.of_kind("refused").pop().unwrap();
        assert_eq!((last["code"].as_str(), last["message"].as_str()), (Some(code), Some(message)));
        message
    }

    /// Asserts that no change reached the cloud.
    #[track_caller]
    fn unchanged(&self) {
        assert_eq!(self.stub.changes(), Vec::<String>::new());
        assert_eq!(self.stub.instance(WEB).state, "running");
        assert_eq!(self.stub.instance(OTHER).state, "running");
        assert_eq!(self.installation.exported().count("intent"), 0);
    }

    /// Asserts that exactly one termination reached the cloud, and that the record says so.
    #[track_caller]
    fn terminated_once(&self) {
        assert_eq!(self.stub.changes(), ["TerminateInstances"]);
        assert_eq!(self.stub.instance(WEB).state, "terminated");
        let record = self.installation.record();
        assert_eq!((record.count("intent"), record.count("outcome")), (1, 1));
        assert_eq!(record.of_kind("outcome")[0]["result"], "applied");
    }
}

/// The arguments of a preview that would terminate an instance.
fn terminate(id: &str) -> Value {
    json!({ "account": "shop-dev", "InstanceIds": [id], "reason": "it is not used any more" })
}
