//! 11: the requester approves as the second person; one person as two. And 2: an agent whose client answers for its person.
//!
//! The agent's server runs over stdio, the console in another process, as on a laptop; they share a store.

use super::*;
use crate::support::approver::Approver;
use crate::support::serving::{Serving, free_port};
use crate::support::{NEWEST, VERSIONS, with};

/// A scene with a console, where bob is an admin and dana and ann are approvers. Irreversible plans can be approved at
/// once: nobody waits in a test.
struct Staffed {
    scene: Scene,
    _console: Serving,
    bob: Approver,
    dana: Approver,
    ann: Approver,
}

impl Staffed {
    async fn new() -> Self {
        let Scene { stub, installation } = Scene::new().await;
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let installation = installation.set("http.listen", listen).set("http.reading_time", "0s");
        let console = Serving::start(&installation, port).await;
        let origin = console.origin().to_owned();
        let mut bob = Approver::first(&installation, &origin, "bob").await;
        let link = bob.invite("dana", "approvers").await;
        let dana = Approver::enrolled(&origin, &link).await;
        let link = bob.invite("ann", "approvers").await;
        let ann = Approver::enrolled(&origin, &link).await;
        Self { scene: Scene { stub, installation }, _console: console, bob, dana, ann }
    }

    /// ann's agent previews, and applies until it waits; the plan and the call to repeat.
    async fn waiting(&self, session: &Session) -> (String, Value) {
        let prod = with(&terminate(WEB), json!({ "account": "shop-prod" }));
        let apply = session.preview("ec2_terminate_instances", &prod).await;
        let answer = session.call("ec2_terminate_instances", apply.clone()).await;
        assert_eq!(answer.structured()["status"], "approval_pending", "{answer:?}");
        (apply["plan_id"].as_str().unwrap().to_owned(), apply)
    }

    async fn still_waits(&self, session: &Session, apply: &Value) {
        let answer = session.call("ec2_terminate_instances", apply.clone()).await;
        assert_eq!(answer.structured()["status"], "approval_pending", "{answer:?}");
        self.scene.unchanged();
    }
}

/// Long enough to have read the form.
fn ann_confirms() -> Act {
    Act::Meanwhile(std::sync::Arc::new(|| std::thread::sleep(std::time::Duration::from_secs(15))), WEB.to_owned())
}

#[tokio::test]
async fn t11_nobody_approves_their_own_agents_plan_and_nobody_counts_twice() {
    let mut staffed = Staffed::new().await;
    let session = staffed.scene.session(&NEWEST, ann_confirms()).await;
    let (plan, apply) = staffed.waiting(&session).await;

    let (status, told) = staffed.ann.sign("approve", &plan, None).await;
    assert_eq!(status, 403, "{told}");
    assert_eq!(staffed.bob.sign("approve", &plan, None).await.0, 200);
    let (status, told) = staffed.bob.sign("approve", &plan, None).await;
    assert_eq!(status, 422, "{told}");
    staffed.still_waits(&session, &apply).await;

    // A second passkey doesn't make bob two people.
    let again = json!({ "change": "passkey", "name": "bob", "groups": [], "admin": true, "aliases": "" });
    let (status, told) = staffed.bob.change_people(again).await;
    assert_eq!(status, 200, "{told}");
    let origin = staffed.bob_origin();
    let mut other = Approver::enrolled(&origin, told["link"].as_str().unwrap()).await;
    assert_ne!(other.sign("approve", &plan, None).await.0, 200);
    staffed.still_waits(&session, &apply).await;

    assert_eq!(staffed.dana.sign("approve", &plan, None).await.0, 200);
    let answer = session.call("ec2_terminate_instances", apply).await;
    assert_eq!(answer.structured()["status"], "applied", "{answer:?}");
    staffed.scene.terminated_once();
}

#[tokio::test]
async fn t11_an_alias_is_the_same_person() {
    let mut staffed = Staffed::new().await;
    let aliases =
        json!({ "change": "regroup", "name": "dana", "groups": ["approvers"], "admin": false, "aliases": "ANN" });
    let (status, told) = staffed.bob.change_people(aliases).await;
    // `ann` is somebody: nobody else can be called so.
    assert_ne!(status, 200, "{told}");
    let revoke = json!({ "change": "revoke", "name": "ann", "groups": [], "admin": false, "aliases": "" });
    assert_eq!(staffed.bob.change_people(revoke).await.0, 200);
    let aliases =
        json!({ "change": "regroup", "name": "dana", "groups": ["approvers"], "admin": false, "aliases": "ANN" });
    let (renamed, told) = staffed.bob.change_people(aliases).await;
    let session = staffed.scene.session(&NEWEST, ann_confirms()).await;
    let (plan, apply) = staffed.waiting(&session).await;
    if renamed == 200 {
        assert_ne!(staffed.dana.sign("approve", &plan, None).await.0, 200, "{told}");
    }
    // ann is revoked: she has no session any more, and her passkey signs nothing.
    assert!(staffed.ann.is_sent_away("/").await);
    let digest = staffed.bob.digest(&plan).await;
    assert_eq!(staffed.ann.sign_digest("approve", &plan, &digest, None).await.0, 401);
    staffed.still_waits(&session, &apply).await;
}

#[tokio::test]
async fn t11_a_rejection_reaches_the_agent() {
    let mut staffed = Staffed::new().await;
    let session = staffed.scene.session(&NEWEST, ann_confirms()).await;
    let (plan, apply) = staffed.waiting(&session).await;
    assert_eq!(staffed.dana.reject(&plan, "it still serves the old shop").await, 303);
    let answer = session.call("ec2_terminate_instances", apply.clone()).await;
    let message = staffed.scene.refused(&answer, "rejected");
    assert!(message.contains("`it still serves the old shop`"), "{message}");
    let (status, told) = staffed.bob.sign("approve", &plan, None).await;
    assert_eq!(status, 422, "{told}");
    staffed.scene.refused(&session.call("ec2_terminate_instances", apply).await, "rejected");
}

#[tokio::test]
async fn t02_a_client_that_answers_everything_itself_gets_no_second_person() {
    for version in &VERSIONS {
        let staffed = Staffed::new().await;
        // Right away: faster than a person reads, which is on record.
        let session = staffed.scene.session(version, Act::types(WEB)).await;
        let (plan, apply) = staffed.waiting(&session).await;
        staffed.still_waits(&session, &apply).await;
        let record = staffed.scene.installation.exported();
        assert_eq!(record.of_kind("confirmed")[0]["faster_than_reading"], true);
        // Nor by pretending to be somebody at the console.
        let mut agent = Approver::at(&staffed.bob_origin());
        assert!(agent.is_sent_away(&format!("/plans/{plan}")).await);
        let asked = json!({ "kind": "approve", "plan": plan, "digest": "0".repeat(64), "typed": null });
        assert_eq!(agent.ask("/api/sign/begin", asked).await.0, 401);
        let (status, _) = agent.enrol(&format!("{}/enrol/guessed", staffed.bob_origin())).await;
        assert_ne!(status, 200);
        let invited = staffed.scene.installation.run(&["approver", "invite", "mallory", "--group", "approvers"]);
        assert!(!invited.out.contains("/enrol/"), "{invited:?}");
        staffed.still_waits(&session, &apply).await;
    }
}

#[tokio::test]
async fn t22_the_console_takes_nothing_from_other_pages() {
    let mut staffed = Staffed::new().await;
    let session = staffed.scene.session(&NEWEST, ann_confirms()).await;
    let (plan, apply) = staffed.waiting(&session).await;
    let digest = staffed.bob.digest(&plan).await;
    let asked = json!({ "kind": "approve", "plan": plan, "digest": digest, "typed": null });
    let own = staffed.bob_origin();
    for (origin, csrf) in [
        (Some("https://evil.example"), ""),
        (Some("null"), ""),
        (Some(own.as_str()), ""),
        (Some(own.as_str()), "guessed"),
        (None, "guessed"),
    ] {
        assert_eq!(staffed.bob.forged("/api/sign/begin", &asked, origin, csrf).await, 403, "{origin:?} {csrf}");
    }
    // A signature made on another site's page, or for another site, or without looking who it is.
    staffed.bob.key.origin = Some("https://evil.example".into());
    assert_ne!(staffed.bob.sign("approve", &plan, None).await.0, 200);
    staffed.bob.key.origin = None;
    staffed.bob.key.host = Some("evil.example".into());
    assert_ne!(staffed.bob.sign("approve", &plan, None).await.0, 200);
    staffed.bob.key.host = None;
    staffed.bob.key.verifies_user = false;
    assert_ne!(staffed.bob.sign("approve", &plan, None).await.0, 200);
    staffed.still_waits(&session, &apply).await;
}

impl Staffed {
    fn bob_origin(&self) -> String {
        self.bob.origin().to_owned()
    }
}
