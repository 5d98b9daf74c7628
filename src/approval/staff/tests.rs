use super::*;
use crate::approval::passkey::verify_signed;
use crate::approval::tests::{Desk, ORIGIN, human, standing};

fn code<T: std::fmt::Debug>(result: Result<T, NotDone>) -> &'static str {
    result.unwrap_err().code()
}

fn token(link: &str) -> &str {
    link.strip_prefix("https://guard.example.com/enrol/").unwrap()
}

async fn person(desk: &Desk, name: &str) -> Approver {
    desk.store.people().await.unwrap().into_iter().find(|person| person.name == human(name)).unwrap()
}

#[tokio::test]
async fn the_first_admin_is_invited_by_the_operator_and_nobody_else_is() {
    let mut desk = Desk::empty().await;
    let ann = standing("ann", &[], false);
    let lost = desk.office().invite_first(ann.clone(), "operator (uid 1000)").await.unwrap();
    let link = desk.office().invite_first(ann.clone(), "operator (uid 1000)").await.unwrap();
    assert_eq!(BASE64.decode(token(&link)).unwrap().len(), 32);
    assert_eq!(code(desk.enrol("ann", &lost).await), "no_invitation");
    let shown = desk.approvals.invitation(token(&link)).await.unwrap();
    assert_eq!(shown.standing, standing("ann", &["approvers"], true));
    assert_eq!(desk.enrol("ann", &link).await.unwrap(), human("ann"));
    assert_eq!(person(&desk, "ann").await.standing(), standing("ann", &["approvers"], true));
    assert_eq!(code(desk.enrol("ann", &link).await), "no_invitation");
    assert_eq!(code(desk.office().invite_first(standing("bob", &[], true), "operator").await), "refused");

    // The token is in the link and nowhere else.
    let records = desk.store.records(1, 100).await.unwrap();
    assert!(records.iter().all(|record| !record.event.contains(token(&link))));
}

#[tokio::test]
async fn a_link_runs_out_and_enrols_one() {
    let desk = Desk::empty().await;
    let link = desk.office().invite_first(standing("ann", &[], true), "operator").await.unwrap();
    let (one, other) = (
        desk.approvals.begin_enrol(token(&link)).await.unwrap(),
        desk.approvals.begin_enrol(token(&link)).await.unwrap(),
    );
    let mut keys = [crate::testing::SoftKey::new().unwrap(), crate::testing::SoftKey::new().unwrap()];
    let first = keys[0].register(&one.options, ORIGIN).unwrap();
    let second = keys[1].register(&other.options, ORIGIN).unwrap();
    let swapped = desk.approvals.finish_enrol(&one.ceremony, "another-token", "", &first).await;
    assert_eq!(code(swapped), "not_begun");
    desk.approvals.finish_enrol(&one.ceremony, token(&link), "", &first).await.unwrap();
    assert_eq!(code(desk.approvals.finish_enrol(&other.ceremony, token(&link), "", &second).await), "refused");
    assert_eq!(person(&desk, "ann").await.passkeys.len(), 1);

    let mut late = Desk::empty().await;
    let link = late.office().invite_first(standing("ann", &[], true), "operator").await.unwrap();
    late.wait(24 * 3600);
    assert_eq!(code(late.enrol("ann", &link).await), "no_invitation");
}

#[tokio::test]
async fn a_change_is_signed_by_an_admin_as_it_was_shown() {
    let mut desk = Desk::staffed().await;
    let (ann, bob) = (human("ann"), human("bob"));
    let invite = PeopleChange::Invite(standing("dana", &["senior"], false));
    assert_eq!(code(desk.approvals.propose(invite.clone(), &bob).await), "not_admin");
    let proposal = desk.office().propose(invite.clone(), "operator").await.unwrap();
    assert_eq!(code(desk.sign_proposal(&proposal, "bob").await), "not_admin");
    let other = Digest::of_bytes("t", b"another");
    assert_eq!(code(desk.approvals.begin_sign_proposal(&proposal.id, &other, &ann).await), "no_proposal");

    let asked = desk.approvals.begin_sign_proposal(&proposal.id, &proposal.digest().unwrap(), &ann).await.unwrap();
    let by_bob = desk.answer("bob", &asked);
    assert_eq!(code(desk.approvals.finish_sign_proposal(&asked.ceremony, &ann, &by_bob).await), "not_signed");
    let changed = desk.sign_proposal(&proposal, "ann").await.unwrap();
    assert_eq!(changed.change, PeopleChange::Invite(standing("dana", &["approvers", "senior"], false)));
    assert_eq!(code(desk.sign_proposal(&proposal, "ann").await), "no_proposal");
    desk.enrol("dana", &changed.link.unwrap()).await.unwrap();

    let records = desk.store.records(1, 100).await.unwrap();
    let last = records.iter().rev().find(|record| record.event.contains("people_changed")).unwrap();
    let event: Event = serde_json::from_str(&last.event).unwrap();
    match event.what {
        What::PeopleChanged { signed: Some(signed), by, .. } => {
            assert_eq!(by, "ann");
            verify_signed(&signed).unwrap();
            assert_eq!(signed.statement.saying, Saying::People { change: proposal.digest().unwrap() });
        }
        what => panic!("{what:?}"),
    }
}

#[tokio::test]
async fn a_proposal_is_withdrawn_or_runs_out() {
    let mut desk = Desk::staffed().await;
    let revoke = || PeopleChange::Revoke { name: human("bob") };
    let proposal = desk.approvals.propose(revoke(), &human("ann")).await.unwrap();
    assert_eq!(code(desk.approvals.withdraw(&proposal.id, &human("bob")).await), "not_admin");
    desk.approvals.withdraw(&proposal.id, &human("ann")).await.unwrap();
    assert_eq!(code(desk.sign_proposal(&proposal, "ann").await), "no_proposal");
    assert_eq!(code(desk.office().withdraw(&proposal.id, "operator").await), "no_proposal");
    let proposal = desk.approvals.propose(revoke(), &human("ann")).await.unwrap();
    desk.wait(72 * 3600);
    assert_eq!(code(desk.sign_proposal(&proposal, "ann").await), "no_proposal");
    assert!(person(&desk, "bob").await.is_active());
}

#[tokio::test]
async fn names_are_readable_and_groups_are_known() {
    let desk = Desk::staffed().await;
    let long = "x".repeat(65);
    for name in ["", " eve", "eve\n", "e\u{202e}ve", "eve\u{200b}", "`eve`", "eve/bob", "\u{1}approver 1", &long] {
        let invited = desk.office().propose(PeopleChange::Invite(standing(name, &[], false)), "operator").await;
        assert_eq!(code(invited), "bad_name", "{name:?}");
        let alias = Standing { aliases: [human(name)].into(), ..standing("eve", &[], false) };
        let proposed = desk.office().propose(PeopleChange::Invite(alias), "operator").await;
        // An issuer's names for people may have slashes and bars.
        match name {
            "eve/bob" => drop(proposed.unwrap()),
            _ => assert_eq!(code(proposed), "bad_name", "{name:?}"),
        }
    }
    let auth0 = Standing { aliases: [human("auth0|5f7c")].into(), ..standing("eve", &[], false) };
    desk.office().propose(PeopleChange::Invite(auth0), "operator").await.unwrap();
    let unknown = PeopleChange::Invite(standing("eve", &["wizards"], false));
    assert_eq!(code(desk.office().propose(unknown, "operator").await), "unknown_group");
    for name in ["Eve Müller", "eve@example.com", "eve_2"] {
        desk.office().propose(PeopleChange::Invite(standing(name, &[], false)), "operator").await.unwrap();
    }
}

#[tokio::test]
async fn another_passkey_is_for_who_is_there() {
    let mut desk = Desk::staffed().await;
    let bob = person(&desk, "bob").await;
    let link = desk.change(PeopleChange::Invite(bob.standing())).await.unwrap().link.unwrap();
    let asked = desk.approvals.begin_enrol(token(&link)).await.unwrap();
    assert_eq!(asked.options["publicKey"]["excludeCredentials"][0]["id"], bob.passkeys[0].id);
    desk.enrol("bob's tablet", &link).await.unwrap();
    let now = person(&desk, "bob").await;
    assert_eq!((now.passkeys.len(), now.standing()), (2, bob.standing()));
    let asked = desk.approvals.begin_sign_in(Some("bob")).await.unwrap();
    assert_eq!(asked.options["publicKey"]["allowCredentials"].as_array().unwrap().len(), 2);
    let answer = desk.answer("bob's tablet", &asked);
    assert_eq!(desk.approvals.finish_sign_in(&asked.ceremony, &answer).await.unwrap().name, human("bob"));
}

#[tokio::test]
async fn people_sign_in_by_name_or_by_what_the_browser_knows() {
    let mut desk = Desk::staffed().await;
    for name in [Some("bob"), Some(" BOB "), None] {
        let asked = desk.approvals.begin_sign_in(name).await.unwrap();
        let answer = desk.answer("bob", &asked);
        let person = desk.approvals.finish_sign_in(&asked.ceremony, &answer).await.unwrap();
        assert_eq!(person.name, human("bob"));
        assert_eq!(code(desk.approvals.finish_sign_in(&asked.ceremony, &answer).await), "not_begun");
    }
    assert_eq!(desk.recorded("signed_in").await, 3);

    let asked = desk.approvals.begin_sign_in(Some("bob")).await.unwrap();
    let by_cleo = desk.answer("cleo", &asked);
    assert_eq!(code(desk.approvals.finish_sign_in(&asked.ceremony, &by_cleo).await), "not_signed");
    let (asked, other) =
        (desk.approvals.begin_sign_in(None).await.unwrap(), desk.approvals.begin_sign_in(None).await.unwrap());
    let answer = desk.answer("bob", &asked);
    assert_eq!(code(desk.approvals.finish_sign_in(&other.ceremony, &answer).await), "not_signed");

    desk.change(PeopleChange::Revoke { name: human("bob") }).await.unwrap();
    assert_eq!(code(desk.approvals.finish_sign_in(&asked.ceremony, &answer).await), "not_signed");
    assert_eq!(desk.recorded("signed_in").await, 3);
}

#[tokio::test]
async fn asking_for_a_name_does_not_tell_who_is_there() {
    let mut desk = Desk::staffed().await;
    desk.change(PeopleChange::Revoke { name: human("cleo") }).await.unwrap();
    let bob = desk.approvals.begin_sign_in(Some("bob")).await.unwrap().options;
    for name in ["eve", "cleo", "", "dana"] {
        let other = desk.approvals.begin_sign_in(Some(name)).await.unwrap().options;
        let form = |options: &Value| {
            let mut options = options.clone();
            let id = options.pointer_mut("/publicKey/allowCredentials/0/id").unwrap().take();
            options.pointer_mut("/publicKey/challenge").unwrap().take();
            (id.as_str().unwrap().len(), options)
        };
        assert_eq!(form(&other), form(&bob), "{name}");
    }
}

#[tokio::test]
async fn the_signature_of_a_sign_in_signs_no_plan() {
    let mut desk = Desk::staffed().await;
    let plan = desk.plan(crate::names::Effect::Destructive).await;
    let kind = crate::ports::GrantKind::Approval;
    let (sign_in, approval) =
        (desk.approvals.begin_sign_in(Some("bob")).await.unwrap(), desk.begin(&plan, "bob", kind).await.unwrap());
    let answer = desk.answer("bob", &sign_in);
    assert_eq!(code(desk.approvals.finish_sign(&sign_in.ceremony, &human("bob"), &answer).await), "not_begun");
    assert_eq!(code(desk.approvals.finish_sign(&approval.ceremony, &human("bob"), &answer).await), "not_signed");
}
