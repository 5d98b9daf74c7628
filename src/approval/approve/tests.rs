use serde_json::json;

use super::*;
use crate::approval::passkey::verify_signed;
use crate::approval::people::PeopleChange;
use crate::approval::people::Standing;
use crate::approval::tests::{Desk, ORIGIN, human, standing};
use crate::plan::filed::Obligation;

fn code<T: std::fmt::Debug>(result: Result<T, NotDone>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn a_signature_becomes_a_grant_that_verifies_later() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Destructive).await;
    assert_eq!(desk.approvals.opened(&plan, &human("bob")), Duration::ZERO);
    desk.wait(42);
    let grant = desk.sign(&plan, "bob", GrantKind::Approval).await.unwrap();
    assert_eq!((grant.by.as_str(), grant.answered_after_ms, grant.kind), ("bob", 42_000, GrantKind::Approval));
    assert_eq!(grant.expires_at, plan.content.expires_at);
    let signed = grant.signed.clone().unwrap();
    verify_signed(&signed).unwrap();
    assert_eq!(signed.statement.saying, Saying::Approve { plan: plan.content.id.clone(), digest: plan.digest });
    assert_eq!(desk.grants(&plan.content.id).await, [grant]);
    assert_eq!(desk.recorded("signed").await, 1);
}

#[tokio::test]
async fn nobody_approves_twice_or_their_own_plan_under_any_name() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Destructive).await;
    let dana = Standing { aliases: [human("DANA")].into(), ..standing("cleo", &[], false) };
    let begun = desk.begin(&plan, "cleo", GrantKind::Approval).await.unwrap();
    desk.change(PeopleChange::Regroup(dana)).await.unwrap();
    assert_eq!(code(desk.begin(&plan, "cleo", GrantKind::Approval).await), "own_plan");
    let answer = desk.answer("cleo", &begun);
    assert_eq!(code(desk.approvals.finish_sign(&begun.ceremony, &human("cleo"), &answer).await), "own_plan");

    let second = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    desk.sign(&plan, "bob", GrantKind::Approval).await.unwrap();
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Approval).await), "already_signed");
    let answer = desk.answer("bob", &second);
    assert_eq!(code(desk.approvals.finish_sign(&second.ceremony, &human("bob"), &answer).await), "already_signed");
    for stranger in ["dana", "Bob", ""] {
        assert_eq!(code(desk.begin(&plan, stranger, GrantKind::Approval).await), "not_an_approver");
    }
    assert_eq!(desk.grants(&plan.content.id).await.len(), 1);
}

#[tokio::test]
async fn an_answer_counts_once_in_time_for_what_was_asked_by_whom_it_was_asked() {
    let mut desk = Desk::staffed().await;
    let (plan, other) = (desk.plan(Effect::Destructive).await, desk.plan(Effect::Destructive).await);
    let bob = human("bob");
    let asked = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    let answer = desk.answer("bob", &asked);
    assert_eq!(code(desk.approvals.finish_sign(&asked.ceremony, &human("cleo"), &answer).await), "not_begun");
    assert_eq!(code(desk.approvals.finish_sign_proposal(&asked.ceremony, &bob, &answer).await), "not_begun");

    let of_other = desk.begin(&other, "bob", GrantKind::Approval).await.unwrap();
    assert_eq!(code(desk.approvals.finish_sign(&of_other.ceremony, &bob, &answer).await), "not_signed");
    // A failed attempt uses it up.
    assert_eq!(code(desk.approvals.finish_sign(&of_other.ceremony, &bob, &answer).await), "not_begun");

    let of_cleo = desk.begin(&plan, "cleo", GrantKind::Approval).await.unwrap();
    let by_bob = desk.answer("bob", &of_cleo);
    assert_eq!(code(desk.approvals.finish_sign(&of_cleo.ceremony, &human("cleo"), &by_bob).await), "not_signed");

    let late = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    let late_answer = desk.answer("bob", &late);
    desk.wait(300);
    assert_eq!(code(desk.approvals.finish_sign(&late.ceremony, &bob, &late_answer).await), "not_begun");
    assert_eq!(desk.recorded("signed").await, 0);
}

#[tokio::test]
async fn a_person_who_was_not_verified_or_a_page_elsewhere_signs_nothing() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Destructive).await;
    desk.key("bob").verifies_user = false;
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Approval).await), "not_signed");
    desk.key("bob").verifies_user = true;
    desk.key("bob").origin = Some("https://guard.example.org".into());
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Approval).await), "not_signed");
    desk.key("bob").origin = None;
    let asked = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    assert_eq!(code(desk.approvals.finish_sign(&asked.ceremony, &human("bob"), &json!({})).await), "not_signed");
    assert_eq!(asked.options["publicKey"]["userVerification"], "required");
    desk.sign(&plan, "bob", GrantKind::Approval).await.unwrap();
}

#[tokio::test]
async fn a_copied_passkey_shows() {
    let mut desk = Desk::staffed().await;
    let (plan, other) = (desk.plan(Effect::Destructive).await, desk.plan(Effect::Destructive).await);
    (desk.key("bob").counts, desk.key("bob").counter) = (true, 7);
    desk.sign(&plan, "bob", GrantKind::Approval).await.unwrap();
    desk.key("bob").counter = 7;
    let error = desk.sign(&other, "bob", GrantKind::Approval).await.unwrap_err();
    assert!(matches!(error, NotDone::NotSigned(NotSigned::Copied)));
    assert!(desk.grants(&other.content.id).await.is_empty());
}

#[tokio::test]
async fn only_open_plans_that_wait_for_people_and_were_shown_are_signed() {
    let mut desk = Desk::staffed().await;
    let (plan, bob) = (desk.unparked(Effect::Destructive, |_| ()).await, human("bob"));
    assert_eq!(code(desk.begin(&plan, "bob", GrantKind::Approval).await), "not_parked");
    desk.park(&plan).await;
    let shown = Digest::of_bytes("t", b"another");
    let other = desk.approvals.begin_sign(&plan.content.id, &shown, &bob, GrantKind::Approval, None).await;
    assert_eq!(code(other), "other_plan");
    let none = PlanId::from_outside("plan-none");
    let unknown = desk.approvals.begin_sign(&none, &plan.digest, &bob, GrantKind::Approval, None).await;
    assert_eq!(code(unknown), "no_plan");

    let asked = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    let answer = desk.answer("bob", &asked);
    desk.approvals.reject(&plan.content.id, &human("cleo"), "not tonight").await.unwrap();
    assert_eq!(code(desk.approvals.finish_sign(&asked.ceremony, &bob, &answer).await), "not_open");

    let late = desk.plan(Effect::Destructive).await;
    desk.wait(15 * 60);
    assert_eq!(code(desk.begin(&late, "bob", GrantKind::Approval).await), "not_open");
    assert_eq!(desk.recorded("signed").await, 0);
}

#[tokio::test]
async fn what_cannot_be_undone_is_read_first() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Irreversible).await;
    let bob = human("bob");
    let too_soon = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap_err();
    assert_eq!(too_soon.to_string(), "this can't be undone, so it takes some reading: 20 more seconds");
    desk.wait(19);
    assert_eq!(code(desk.begin(&plan, "bob", GrantKind::Approval).await), "too_soon");
    // Everybody reads by themselves.
    assert_eq!(desk.approvals.opened(&plan, &human("cleo")), Duration::from_secs(20));
    desk.wait(1);
    assert_eq!(desk.approvals.opened(&plan, &bob), Duration::ZERO);
    assert_eq!(code(desk.begin(&plan, "cleo", GrantKind::Approval).await), "too_soon");
    let grant = desk.sign(&plan, "bob", GrantKind::Approval).await.unwrap();
    assert_eq!(grant.answered_after_ms, 20_000);
}

#[tokio::test]
async fn only_the_plan_s_own_human_confirms_and_whoever_confirms_or_applies_types_the_text() {
    let mut desk = Desk::staffed().await;
    let dana = Standing { aliases: [human("Dana")].into(), ..standing("cleo", &[], false) };
    desk.change(PeopleChange::Regroup(dana)).await.unwrap();
    let plan = desk.plan(Effect::Destructive).await;
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Confirmation).await), "not_own_plan");
    // An agent's plan is carried out by the agent.
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Application).await), "not_needed");
    let plan = desk.unparked(Effect::Destructive, |content| content.obligations.push(Obligation::Person)).await;
    desk.park(&plan).await;
    for (who, kind) in [("cleo", GrantKind::Confirmation), ("bob", GrantKind::Application)] {
        for typed in [None, Some(""), Some("I-1"), Some("i-1 "), Some("yes")] {
            let begun = desk.approvals.begin_sign(&plan.content.id, &plan.digest, &human(who), kind, typed).await;
            assert_eq!(code(begun), "wrong_text", "{typed:?}");
        }
        desk.sign(&plan, who, kind).await.unwrap();
    }
    assert_eq!(code(desk.sign(&plan, "cleo", GrantKind::Confirmation).await), "already_signed");
    desk.sign(&plan, "bob", GrantKind::Application).await.unwrap();
    let kinds: Vec<_> = desk.grants(&plan.content.id).await.into_iter().map(|grant| grant.kind).collect();
    assert_eq!(kinds.len(), 3);
    assert!(!kinds.contains(&GrantKind::Approval));

    let free = desk.unparked(Effect::Write, |content| content.obligations = vec![Obligation::Person]).await;
    desk.park(&free).await;
    assert_eq!(code(desk.begin(&free, "bob", GrantKind::Approval).await), "not_needed");
    assert_eq!(code(desk.begin(&free, "cleo", GrantKind::Confirmation).await), "not_needed");
    let bob = human("bob");
    let applied = desk.approvals.begin_sign(&free.content.id, &free.digest, &bob, GrantKind::Application, None);
    applied.await.unwrap();
}

#[tokio::test]
async fn a_revoked_person_signs_nothing_not_even_what_they_began() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Destructive).await;
    let asked = desk.begin(&plan, "bob", GrantKind::Approval).await.unwrap();
    let answer = desk.answer("bob", &asked);
    desk.change(PeopleChange::Revoke { name: human("bob") }).await.unwrap();
    assert_eq!(code(desk.approvals.finish_sign(&asked.ceremony, &human("bob"), &answer).await), "not_an_approver");
    assert_eq!(code(desk.begin(&plan, "bob", GrantKind::Approval).await), "not_an_approver");
    assert_eq!(code(desk.approvals.reject(&plan.content.id, &human("bob"), "out of spite").await), "not_an_approver");
}

#[tokio::test]
async fn a_rejection_has_a_reason_that_is_kept() {
    let desk = Desk::staffed().await;
    let (plan, bob) = (desk.plan(Effect::Destructive).await, human("bob"));
    for reason in ["", "no", "  no  ", &"x".repeat(501)] {
        assert_eq!(code(desk.approvals.reject(&plan.content.id, &bob, reason).await), "bad_reason");
    }
    desk.approvals.reject(&plan.content.id, &bob, "  wait for the backup\n").await.unwrap();
    let ended = desk.store.plan(&plan.content.id, desk.clock.now()).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.outcome.as_deref()), (PlanState::Rejected, Some("wait for the backup")));
    assert_eq!(code(desk.approvals.reject(&plan.content.id, &bob, "once more").await), "not_open");
    assert_eq!(desk.recorded("rejected").await, 1);
}

#[tokio::test]
async fn without_a_store_nothing_is_signed() {
    let http = HttpConfig { public_url: Some(ORIGIN.parse().unwrap()), ..HttpConfig::default() };
    let clock = Arc::new(crate::testing::FixedClock::default());
    let store = Arc::new(crate::testing::FailingStore);
    let approvals = Approvals::new(store, clock, &http, BTreeSet::new()).unwrap();
    let (plan, digest) = (PlanId::from_outside("plan-1"), Digest::of_bytes("t", b""));
    let begun = approvals.begin_sign(&plan, &digest, &human("bob"), GrantKind::Approval, None).await;
    assert_eq!(code(begun), "failed");
    assert_eq!(code(approvals.begin_sign_in(None).await), "failed");
    assert_eq!(code(approvals.invitation("token").await), "failed");
}

#[tokio::test]
async fn what_somebody_may_not_is_on_record() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(Effect::Destructive).await;
    assert_eq!(code(desk.sign(&plan, "bob", GrantKind::Application).await), "not_needed");
    let last = desk.store.head().await.unwrap().seq;
    let event: Event = serde_json::from_str(&desk.store.records(last, 1).await.unwrap()[0].event).unwrap();
    let What::NotSigned { by, plan: about, code, .. } = event.what else { panic!("{event:?}") };
    assert_eq!((by, about, code.as_str()), (human("bob"), Some(plan.content.id.clone()), "not_needed"));
}
