//! Plans that need other people: parked, signed, carried out, and every way around that.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::approval::people::{Invitation, Passkey, PeopleChange, Proposal, Standing};
use crate::approval::statement::{Saying, Signed, Statement};
use crate::audit::event::{Event, What};
use crate::digest::Digest;
use crate::names::{GrantId, PlanId, ProposalId};
use crate::plan::filed::{FiledPlan, PlanState};
use crate::ports::{GrantKind, GrantRecord};

const HTTP: &str = "[http]\npublic_url = \"https://guard.example.com\"\n";

/// An installation with a console, where bob, dana and cleo are approvers, and ann is one as well.
async fn desk_with_people() -> Desk {
    let desk = desk_of(cloud(), None, HTTP).await;
    for name in ["bob", "dana", "cleo", "ann"] {
        desk.enrol(name).await;
    }
    desk
}

fn passkey(of: &str) -> Passkey {
    Passkey {
        id: format!("key-of-{of}"),
        label: "laptop".into(),
        added_at: Timestamp::UNIX_EPOCH,
        credential: json!({}),
    }
}

fn signed(by: &str, saying: Saying, at: Timestamp) -> Box<Signed> {
    let (by, origin) = (Human::new(by), "https://guard.example.com".to_owned());
    let passkey = passkey(by.as_str());
    let statement = Statement { saying, by, origin, at, nonce: "0".repeat(32) };
    Box::new(Signed { statement, passkey, assertion: json!({}) })
}

impl Desk {
    fn event(&self, what: What) -> Event {
        Event { at: self.clock.now(), call: None, caller: None, what }
    }

    /// Carries a change of people out; signed by bob, but for the first of all.
    async fn change_people(&self, change: PeopleChange, invitation: Option<Invitation>) {
        let (store, at) = (&self.pipeline.world().store, self.clock.now());
        let first = store.people().await.unwrap().is_empty();
        let proposal = Proposal {
            id: ProposalId::fresh(),
            change: change.clone(),
            by: "ops".into(),
            at,
            expires_at: at + SignedDuration::from_hours(1),
        };
        let id = (!first).then(|| proposal.id.clone());
        let signed = (!first).then(|| signed("bob", Saying::People { change: proposal.digest().unwrap() }, at));
        if !first {
            let proposed = self.event(What::PeopleProposed { proposal: proposal.clone() });
            store.propose(proposal, proposed).await.unwrap();
        }
        let what = What::PeopleChanged { proposal: id.clone(), change: change.clone(), by: "bob".into(), signed };
        store.change_people(id.as_ref(), change, invitation, self.event(what)).await.unwrap();
    }

    async fn enrol(&self, name: &str) {
        let (name, at) = (Human::new(name), self.clock.now());
        let groups = ["approvers".to_owned()].into();
        let standing = Standing { name: name.clone(), aliases: BTreeSet::new(), groups, admin: true };
        let token = Digest::of_bytes("t", name.as_str().as_bytes());
        let expires_at = at + SignedDuration::from_hours(1);
        let invitation = Invitation { token, standing: standing.clone(), at, expires_at, by: None };
        self.change_people(PeopleChange::Invite(standing.clone()), Some(invitation)).await;
        let key = passkey(name.as_str());
        let enrolled = self.event(What::Enrolled { standing, passkey: Box::new(key.clone()) });
        self.pipeline.world().store.enrol(&token, key, enrolled).await.unwrap();
    }

    async fn filed(&self, plan: &Value) -> FiledPlan {
        let id = PlanId::from_outside(plan["plan_id"].as_str().unwrap());
        self.pipeline.world().store.plan(&id, self.clock.now()).await.unwrap().unwrap()
    }

    /// Records a signature, as the console does after it has checked it.
    async fn sign(&self, plan: &Value, kind: GrantKind, by: &str) -> Result<(), StoreError> {
        let filed = self.filed(plan).await;
        let (id, digest, at) = (filed.content.id.clone(), filed.digest, self.clock.now());
        let saying = Saying::of(kind, id.clone(), digest);
        let signed = signed(by, saying, at);
        let grant = GrantRecord {
            id: GrantId::fresh(),
            plan: id.clone(),
            digest,
            by: Human::new(by),
            at,
            expires_at: filed.content.expires_at,
            answered_after_ms: 60_000,
            kind,
            signed: Some(signed.clone()),
        };
        let event = self.event(What::Signed {
            plan: id,
            digest,
            kind,
            grant: grant.id.clone(),
            by: Human::new(by),
            answered_after_ms: 60_000,
            signed,
        });
        self.pipeline.world().store.grant(grant, event).await
    }

    /// Previews terminating an instance in production, and has ann's agent put it before people.
    async fn parked(&self) -> Value {
        let plan = self.preview("ec2_terminate_instances", terminate("shop-prod")).await;
        let person = Person::types(INSTANCE);
        let answer = self.apply_prod(&plan, &person).await;
        assert_eq!(succeeded(answer)["status"], "approval_pending");
        assert_eq!(person.asked(), 1);
        plan
    }

    async fn apply_prod(&self, plan: &Value, person: &Person) -> Answered {
        self.call("ec2_terminate_instances", apply(terminate("shop-prod"), plan), person).await
    }

    async fn still_waits(&self, plan: &Value) {
        let answer = self.apply_prod(plan, &Person::never_asked()).await;
        assert_eq!(succeeded(answer)["status"], "approval_pending");
        self.nothing_changed();
    }
}

#[tokio::test]
async fn a_plan_waits_for_two_people_and_is_then_carried_out() {
    let desk = desk_with_people().await;
    let before = desk.events().await.len();
    let plan = desk.parked().await;
    let events = desk.events().await;
    assert_eq!(events[before..], ["requested", "previewed", "requested", "asked", "confirmed", "parked"]);
    assert!(desk.filed(&plan).await.parked_at.is_some());
    desk.still_waits(&plan).await;
    desk.sign(&plan, GrantKind::Approval, "bob").await.unwrap();
    desk.still_waits(&plan).await;
    desk.sign(&plan, GrantKind::Approval, "dana").await.unwrap();
    let applied = desk.apply_prod(&plan, &Person::never_asked()).await;
    assert_eq!(succeeded(applied)["status"], "applied");
    assert_eq!(desk.cloud.changes().len(), 1);
    // Once.
    assert_eq!(code(desk.apply_prod(&plan, &Person::never_asked()).await), Code::PlanNotUsable);
    assert_eq!(desk.cloud.changes().len(), 1);
}

#[tokio::test]
async fn other_people_have_longer_than_a_plan_without_them() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    desk.clock.advance(SignedDuration::from_hours(3));
    for name in ["bob", "dana"] {
        desk.sign(&plan, GrantKind::Approval, name).await.unwrap();
    }
    assert_eq!(succeeded(desk.apply_prod(&plan, &Person::never_asked()).await)["status"], "applied");
}

#[tokio::test]
async fn nothing_counts_when_the_plan_has_expired() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    for name in ["bob", "dana"] {
        desk.sign(&plan, GrantKind::Approval, name).await.unwrap();
    }
    desk.clock.advance(SignedDuration::from_hours(4));
    assert_eq!(code(desk.apply_prod(&plan, &Person::never_asked()).await), Code::PlanNotUsable);
    desk.nothing_changed();
}

#[tokio::test]
async fn the_requester_is_no_second_person_and_nobody_is_two() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    assert!(desk.sign(&plan, GrantKind::Approval, "ann").await.is_err());
    desk.sign(&plan, GrantKind::Approval, "bob").await.unwrap();
    assert!(desk.sign(&plan, GrantKind::Approval, "bob").await.is_err());
    assert!(desk.sign(&plan, GrantKind::Approval, "mallory").await.is_err());
    desk.still_waits(&plan).await;
}

#[tokio::test]
async fn who_was_revoked_has_not_signed() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    for name in ["bob", "dana"] {
        desk.sign(&plan, GrantKind::Approval, name).await.unwrap();
    }
    desk.change_people(PeopleChange::Revoke { name: Human::new("dana") }, None).await;
    desk.still_waits(&plan).await;
    desk.sign(&plan, GrantKind::Approval, "cleo").await.unwrap();
    assert_eq!(succeeded(desk.apply_prod(&plan, &Person::never_asked()).await)["status"], "applied");
}

#[tokio::test]
async fn what_changed_since_the_signatures_refuses() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    for name in ["bob", "dana"] {
        desk.sign(&plan, GrantKind::Approval, name).await.unwrap();
    }
    desk.cloud.change("ec2:DescribeInstances", instance("running"));
    assert_eq!(code(desk.apply_prod(&plan, &Person::never_asked()).await), Code::Drift);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_rejection_ends_the_plan_and_its_reason_reaches_the_agent() {
    let desk = desk_with_people().await;
    let plan = desk.parked().await;
    let filed = desk.filed(&plan).await;
    let reason = "it still serves the old shop\nask again on Monday";
    let event = desk.event(What::Rejected {
        plan: filed.content.id.clone(),
        digest: filed.digest,
        by: Human::new("bob"),
        reason: reason.into(),
    });
    desk.pipeline.world().store.reject(&filed.content.id, reason, event).await.unwrap();
    assert_eq!(desk.filed(&plan).await.state, PlanState::Rejected);
    let Answered::Refused(refused) = desk.apply_prod(&plan, &Person::never_asked()).await else { panic!() };
    assert_eq!(refused.code, Code::Rejected);
    assert!(refused.message.contains("`it still serves the old shop\\nask again on Monday`"), "{}", refused.message);
    for name in ["bob", "dana"] {
        assert!(desk.sign(&plan, GrantKind::Approval, name).await.is_err());
    }
    let status = desk.preview("plan_status", json!({ "plan_id": plan["plan_id"] })).await;
    assert_eq!(status["status"], "rejected");
    desk.nothing_changed();
}

#[tokio::test]
async fn a_client_without_forms_can_have_its_human_confirm_in_the_console() {
    let desk = desk_with_people().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let nobody = Person::without_forms();
    let dev = || desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &nobody);
    let answer = succeeded(dev().await);
    assert_eq!(answer["status"], "approval_pending");
    assert_eq!(answer["waits_for"], json!(["a confirmation by `ann`"]));
    // Nobody else can give it.
    assert!(desk.sign(&plan, GrantKind::Confirmation, "bob").await.is_err());
    assert_eq!(succeeded(dev().await)["status"], "approval_pending");
    desk.nothing_changed();
    desk.sign(&plan, GrantKind::Confirmation, "ann").await.unwrap();
    assert_eq!(succeeded(dev().await)["status"], "applied");
}

#[tokio::test]
async fn a_person_applies_what_an_agent_may_only_suggest() {
    let desk = desk_with_people().await;
    desk.put_in_force(Profile::Suggest, Vec::new());
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let nobody = Person::without_forms();
    let dev = || desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &nobody);
    assert_eq!(succeeded(dev().await)["status"], "approval_pending");
    desk.sign(&plan, GrantKind::Application, "bob").await.unwrap();
    // The signature is bob's to use: the agent can't apply with it.
    assert_eq!(succeeded(dev().await)["status"], "approval_pending");
    let filed = desk.filed(&plan).await;
    for other in ["dana", "ann", "mallory"] {
        let answer = desk.pipeline.apply_for(&filed, &Human::new(other)).await.unwrap();
        assert_eq!(succeeded(answer.answer().clone())["status"], "approval_pending", "{other}");
    }
    desk.nothing_changed();
    let answer = desk.pipeline.apply_for(&filed, &Human::new("bob")).await.unwrap();
    assert_eq!(succeeded(answer.answer().clone())["status"], "applied");
    assert_eq!(desk.cloud.changes().len(), 1);
}

#[tokio::test]
async fn plan_status_tells_what_is_missing_and_returns_when_it_is_there() {
    let desk = Arc::new(desk_with_people().await);
    let plan = desk.parked().await;
    desk.sign(&plan, GrantKind::Approval, "bob").await.unwrap();
    let asks = json!({ "plan_id": plan["plan_id"] });
    let status = desk.preview("plan_status", asks.clone()).await;
    assert_eq!(status["waits_for"], json!(["the approval of one more person, other than `ann`"]));
    assert_eq!(
        status["approval_url"],
        format!("https://guard.example.com/plans/{}", plan["plan_id"].as_str().unwrap())
    );
    let waiting = {
        let desk = Arc::clone(&desk);
        let mut asks = asks;
        asks["wait_seconds"] = json!(120);
        tokio::spawn(async move { desk.preview("plan_status", asks).await })
    };
    desk.sign(&plan, GrantKind::Approval, "dana").await.unwrap();
    let status = waiting.await.unwrap();
    assert_eq!(status["waits_for"], json!([]));
    assert!(status["next"].as_str().unwrap().contains("needs is there"), "{status}");
}
