//! Who may sign, and what their signatures are worth.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal, Standing};
use crate::approval::statement::{Saying, Signed, Statement};
use crate::names::ProposalId;
use crate::plan::filed::{Obligation, PlanState};
use crate::ports::StoreError;

fn human(name: &str) -> Human {
    Human::new(name)
}

fn standing(name: &str, admin: bool) -> Standing {
    Standing { name: human(name), aliases: BTreeSet::new(), groups: BTreeSet::from(["senior".to_owned()]), admin }
}

fn alias(standing: Standing, alias: &str) -> Standing {
    Standing { aliases: BTreeSet::from([human(alias)]), ..standing }
}

fn passkey(id: &str) -> Passkey {
    Passkey { id: id.into(), label: "phone".into(), added_at: after(10), credential: json!({ "key": id }) }
}

fn signed(by: &str, saying: Saying) -> Box<Signed> {
    signed_with(by, passkey(&format!("{by}-key")), saying)
}

fn signed_with(by: &str, passkey: Passkey, saying: Saying) -> Box<Signed> {
    let origin = "https://guard.example.com".to_owned();
    let statement = Statement { saying, by: human(by), origin, at: after(20), nonce: "0".repeat(32) };
    Box::new(Signed { statement, passkey, assertion: json!({}) })
}

fn token(text: &str) -> Digest {
    Digest::of_bytes("t", text.as_bytes())
}

fn invitation(standing: &Standing, text: &str) -> Invitation {
    Invitation { token: token(text), standing: standing.clone(), at: after(5), expires_at: after(86_400), by: None }
}

fn proposal(change: &PeopleChange) -> Proposal {
    Proposal {
        id: ProposalId::fresh(),
        change: change.clone(),
        by: "operator".into(),
        at: after(5),
        expires_at: after(600),
    }
}

fn changed(proposal: Option<&Proposal>, change: &PeopleChange, signed: Option<Box<Signed>>) -> Event {
    let by = "operator".into();
    event(What::PeopleChanged { proposal: proposal.map(|p| p.id.clone()), change: change.clone(), by, signed })
}

fn enrolled(standing: &Standing, passkey: &Passkey) -> Event {
    event(What::Enrolled { standing: standing.clone(), passkey: Box::new(passkey.clone()) })
}

/// Invites somebody without a signature.
async fn invite_first(store: &SqliteStore, standing: &Standing, token: &str) -> Result<(), StoreError> {
    let change = PeopleChange::Invite(standing.clone());
    store.change_people(None, change.clone(), Some(invitation(standing, token)), changed(None, &change, None)).await
}

async fn enrol(store: &SqliteStore, standing: &Standing, link: &str, key: &str) -> Result<(), StoreError> {
    store.enrol(&token(link), passkey(key), enrolled(standing, &passkey(key))).await
}

async fn propose(store: &SqliteStore, change: &PeopleChange) -> Result<Proposal, StoreError> {
    let proposal = proposal(change);
    store.propose(proposal.clone(), event(What::PeopleProposed { proposal: proposal.clone() })).await?;
    Ok(proposal)
}

/// Carries out what was proposed, signed by `by`.
async fn sign(store: &SqliteStore, proposal: &Proposal, by: &str, link: &str) -> Result<(), StoreError> {
    let signed = signed(by, Saying::People { change: proposal.digest().unwrap() });
    let invitation = match &proposal.change {
        PeopleChange::Invite(standing) => Some(invitation(standing, link)),
        _ => None,
    };
    let event = changed(Some(proposal), &proposal.change, Some(signed));
    store.change_people(Some(&proposal.id), proposal.change.clone(), invitation, event).await
}

async fn change(store: &SqliteStore, change: &PeopleChange, by: &str) -> Result<(), StoreError> {
    let proposal = propose(store, change).await?;
    sign(store, &proposal, by, &format!("link of {}", change.about())).await
}

/// Enrols the admin ann, and bob and cleo, who sign plans; each with the passkey `NAME-key`.
async fn staff(store: &SqliteStore) {
    let ann = standing("ann", true);
    invite_first(store, &ann, "first").await.unwrap();
    enrol(store, &ann, "first", "ann-key").await.unwrap();
    for name in ["bob", "cleo"] {
        let standing = standing(name, false);
        change(store, &PeopleChange::Invite(standing.clone()), "ann").await.unwrap();
        enrol(store, &standing, &format!("link of {name}"), &format!("{name}-key")).await.unwrap();
    }
}

async fn find(store: &SqliteStore, name: &str) -> Approver {
    store.people().await.unwrap().into_iter().find(|person| person.name == human(name)).unwrap()
}

fn signature(plan: &FiledPlan, by: &str, kind: GrantKind) -> GrantRecord {
    let (id, digest) = (plan.content.id.clone(), plan.digest);
    let saying = match kind {
        GrantKind::Approval => Saying::Approve { plan: id.clone(), digest },
        GrantKind::Confirmation => Saying::Confirm { plan: id.clone(), digest },
        GrantKind::Application => Saying::Apply { plan: id.clone(), digest },
    };
    GrantRecord {
        id: GrantId::fresh(),
        plan: id,
        digest,
        by: human(by),
        at: after(30),
        expires_at: plan.content.expires_at,
        answered_after_ms: 40_000,
        kind,
        signed: Some(signed(by, saying)),
    }
}

fn signing(grant: &GrantRecord) -> Event {
    event(What::Signed {
        plan: grant.plan.clone(),
        digest: grant.digest,
        kind: grant.kind,
        grant: grant.id.clone(),
        by: grant.by.clone(),
        answered_after_ms: grant.answered_after_ms,
        signed: grant.signed.clone().unwrap_or_else(|| signed("nobody", Saying::SignIn)),
    })
}

async fn give(store: &SqliteStore, grant: &GrantRecord) -> Result<(), StoreError> {
    store.grant(grant.clone(), signing(grant)).await
}

fn why<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result.unwrap_err() {
        StoreError::NotGranted(why) => why,
        error => panic!("{error}"),
    }
}

/// The reason a grant is refused for.
fn why_not(result: Result<(), StoreError>) -> String {
    let why = why(result);
    why.split_once(" does not count: ").map(|(_, why)| why.to_owned()).unwrap_or(why)
}

#[tokio::test]
async fn the_first_is_an_admin_and_all_after_them_are_signed() {
    let place = Place::new();
    let store = place.open().await;
    let bob = standing("bob", false);
    assert!(why(invite_first(&store, &bob, "a").await).contains("must become an admin"));
    let proposed = propose(&store, &PeopleChange::Invite(bob.clone())).await;
    assert!(why(proposed).contains("no admin has enrolled yet"));
    assert_eq!(intact(&store).await, 0);

    staff(&store).await;
    let names: Vec<_> = store.people().await.unwrap().into_iter().map(|person| person.name).collect();
    assert_eq!(names, ["ann", "bob", "cleo"].map(Human::new));
    assert_eq!(find(&store, "bob").await, Approver::new(bob, passkey("bob-key")));
    assert!(why(invite_first(&store, &standing("dana", true), "b").await).contains("an admin has enrolled"));
    assert_eq!(intact(&store).await, 8);
}

#[tokio::test]
async fn another_first_invitation_takes_the_place_of_the_one_before() {
    let place = Place::new();
    let store = place.open().await;
    let (ann, dana) = (standing("ann", true), standing("dana", true));
    invite_first(&store, &ann, "one").await.unwrap();
    invite_first(&store, &dana, "two").await.unwrap();
    assert_eq!(store.invitation(&token("one"), after(6)).await.unwrap(), None);
    assert!(why(enrol(&store, &ann, "one", "ann-key").await).contains("a newer one took its place"));
    enrol(&store, &dana, "two", "dana-key").await.unwrap();
    assert_eq!(store.people().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_link_works_once_in_time_and_for_whom_it_was_made() {
    let place = Place::new();
    let store = place.open().await;
    let ann = standing("ann", true);
    invite_first(&store, &ann, "first").await.unwrap();
    assert_eq!(store.invitation(&token("first"), after(6)).await.unwrap(), Some(invitation(&ann, "first")));
    assert_eq!(store.invitation(&token("first"), after(86_400)).await.unwrap(), None);

    let late = Event { at: after(86_400), ..enrolled(&ann, &passkey("ann-key")) };
    assert!(why(store.enrol(&token("first"), passkey("ann-key"), late).await).contains("has expired"));
    assert!(why(enrol(&store, &standing("ann", false), "first", "ann-key").await).contains("changed in the meantime"));
    assert!(why(enrol(&store, &standing("dana", true), "first", "x").await).contains("changed in the meantime"));
    let other = enrolled(&ann, &passkey("another"));
    assert!(matches!(store.enrol(&token("first"), passkey("ann-key"), other).await, Err(StoreError::Failed(_))));
    enrol(&store, &ann, "first", "ann-key").await.unwrap();
    assert!(why(enrol(&store, &ann, "first", "second-key").await).contains("used already"));
    assert_eq!(store.invitation(&token("first"), after(6)).await.unwrap(), None);
    assert_eq!(count(&store, "enrolled").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_use_one_link_at_once_one_enrols() {
    let place = Place::new();
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let ann = standing("ann", true);
    invite_first(&stores[0], &ann, "first").await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let (store, ann) = (Arc::clone(&stores[number % 2]), ann.clone());
            tokio::spawn(async move { enrol(&store, &ann, "first", &format!("key-{number}")).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += u32::from(task.await.unwrap().is_ok());
    }
    assert_eq!(won, 1);
    assert_eq!(find(&stores[0], "ann").await.passkeys.len(), 1);
    assert_eq!(intact(&stores[1]).await, 2);
}

#[tokio::test]
async fn a_change_is_what_was_proposed_and_signed_by_an_admin() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let before = intact(&store).await;
    let invite = PeopleChange::Invite(standing("dana", false));
    let proposed = propose(&store, &invite).await.unwrap();
    assert_eq!(store.proposals(after(6)).await.unwrap(), std::slice::from_ref(&proposed));
    assert!(store.proposals(after(600)).await.unwrap().is_empty());

    let right = Saying::People { change: proposed.digest().unwrap() };
    let link = || Some(invitation(&standing("dana", false), "link"));
    let attempt = |change: PeopleChange, link: Option<Invitation>, signed: Option<Box<Signed>>, at| {
        let event = Event { at, ..changed(Some(&proposed), &change, signed) };
        store.change_people(Some(&proposed.id), change, link, event)
    };
    let made_admin = PeopleChange::Invite(standing("dana", true));
    let by_ann = || Some(signed("ann", right.clone()));
    assert!(why(attempt(made_admin, link(), by_ann(), now()).await).contains("for another change"));
    assert!(why(attempt(invite.clone(), link(), None, now()).await).contains("is not signed"));
    assert!(why(attempt(invite.clone(), link(), by_ann(), after(600)).await).contains("has expired"));
    let by_bob = Some(signed("bob", right.clone()));
    assert!(why(attempt(invite.clone(), link(), by_bob, now()).await).contains("`bob` is no admin"));
    let stolen = Some(signed_with("ann", passkey("bob-key"), right.clone()));
    assert!(why(attempt(invite.clone(), link(), stolen, now()).await).contains("not signed with a passkey of `ann`"));
    let other = Saying::People { change: Digest::of_bytes("t", b"another") };
    let something_else = Some(signed("ann", other));
    assert!(why(attempt(invite.clone(), link(), something_else, now()).await).contains("what was signed is not"));
    let for_another = Some(invitation(&standing("dana", true), "link"));
    assert!(why(attempt(invite.clone(), for_another, by_ann(), now()).await).contains("not for this change"));
    assert!(why(attempt(invite.clone(), None, by_ann(), now()).await).contains("not for this change"));
    let event_of_another = changed(None, &invite, by_ann());
    let hidden = store.change_people(Some(&proposed.id), invite.clone(), link(), event_of_another).await;
    assert!(matches!(hidden, Err(StoreError::Failed(_))));

    attempt(invite.clone(), link(), by_ann(), now()).await.unwrap();
    assert!(why(attempt(invite, link(), by_ann(), now()).await).contains("it was signed, withdrawn, or has expired"));
    assert!(store.proposals(after(6)).await.unwrap().is_empty());
    assert_eq!(intact(&store).await, before + 2);
}

#[tokio::test]
async fn a_withdrawn_proposal_is_gone() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let proposed = propose(&store, &PeopleChange::Revoke { name: human("bob") }).await.unwrap();
    let withdrawn = event(What::PeopleWithdrawn { proposal: proposed.id.clone(), by: "operator".into() });
    assert!(store.withdraw(&proposed.id, withdrawn.clone()).await.unwrap());
    assert!(!store.withdraw(&proposed.id, withdrawn).await.unwrap());
    assert!(why(sign(&store, &proposed, "ann", "").await).contains("there is no proposal"));
    assert_eq!(count(&store, "people_withdrawn").await, 1);
    assert!(find(&store, "bob").await.is_active());
}

#[tokio::test]
async fn nobody_takes_a_name_that_means_somebody_else() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let regroup = PeopleChange::Regroup(alias(standing("bob", false), "bob@example.com"));
    change(&store, &regroup, "ann").await.unwrap();
    change(&store, &PeopleChange::Invite(alias(standing("dana", false), "d@example.com")), "ann").await.unwrap();
    change(&store, &PeopleChange::Revoke { name: human("cleo") }, "ann").await.unwrap();

    for (taken, says) in [
        (PeopleChange::Invite(standing("BOB@example.com", false)), "`BOB@example.com` is `bob` already"),
        (PeopleChange::Invite(alias(standing("eve", false), "Ann")), "`Ann` is `ann` already"),
        (PeopleChange::Invite(alias(standing("eve", false), "Cleo")), "`Cleo` is `cleo` already"),
        (PeopleChange::Invite(alias(standing("eve", false), "D@example.com")), "`D@example.com` is `dana` already"),
        (PeopleChange::Regroup(alias(standing("bob", false), "Dana")), "`Dana` is `dana` already"),
        (PeopleChange::Invite(standing("Bob", false)), "write `Bob` as `bob`"),
        (PeopleChange::Revoke { name: human("ANN") }, "write `ANN` as `ann`"),
        (PeopleChange::Invite(standing("bob", false)), "an invitation only adds a passkey"),
        (PeopleChange::Invite(standing("ann", false)), "an invitation only adds a passkey"),
        (PeopleChange::Regroup(standing("eve", false)), "there is no active approver `eve`"),
        (PeopleChange::Regroup(standing("cleo", true)), "there is no active approver `cleo`"),
        (PeopleChange::Revoke { name: human("cleo") }, "there is no active approver `cleo`"),
    ] {
        let refused = why(propose(&store, &taken).await);
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn another_passkey_changes_nothing_else() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let bob = standing("bob", false);
    change(&store, &PeopleChange::Invite(bob.clone()), "ann").await.unwrap();
    let demoted = Standing { groups: BTreeSet::new(), ..bob.clone() };
    change(&store, &PeopleChange::Regroup(demoted.clone()), "ann").await.unwrap();

    assert!(why(enrol(&store, &bob, "link of bob", "tablet").await).contains("changed in the meantime"));
    assert!(why(enrol(&store, &demoted, "link of bob", "ann-key").await).contains("enrolled already"));
    enrol(&store, &demoted, "link of bob", "tablet").await.unwrap();
    let person = find(&store, "bob").await;
    assert_eq!((person.passkeys.len(), person.standing()), (2, demoted));
}

#[tokio::test]
async fn the_last_admin_stays() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let revoke = |name| PeopleChange::Revoke { name: human(name) };
    assert!(why(propose(&store, &revoke("ann")).await).contains("`ann` is the last admin"));
    let demote = PeopleChange::Regroup(standing("ann", false));
    assert!(why(propose(&store, &demote).await).contains("`ann` is the last admin"));

    change(&store, &PeopleChange::Regroup(standing("bob", true)), "ann").await.unwrap();
    let (ann, bob) = (propose(&store, &revoke("ann")).await.unwrap(), propose(&store, &revoke("bob")).await.unwrap());
    let (one, other) = tokio::join!(sign(&store, &ann, "ann", ""), sign(&store, &bob, "ann", ""));
    assert!(one.is_ok() != other.is_ok());
    let people = store.people().await.unwrap();
    assert_eq!(people.iter().filter(|person| person.admin && person.is_active()).count(), 1);
}

#[tokio::test]
async fn an_admin_who_was_revoked_signs_nothing_any_more() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    change(&store, &PeopleChange::Regroup(standing("bob", true)), "ann").await.unwrap();
    let proposed = propose(&store, &PeopleChange::Invite(standing("dana", false))).await.unwrap();
    change(&store, &PeopleChange::Revoke { name: human("ann") }, "bob").await.unwrap();
    assert!(why(sign(&store, &proposed, "ann", "link").await).contains("`ann` may not sign any more"));
    sign(&store, &proposed, "bob", "link").await.unwrap();
}

#[tokio::test]
async fn people_approve_each_once_and_never_their_own_plan() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    change(&store, &PeopleChange::Regroup(alias(standing("bob", false), "DANA")), "ann").await.unwrap();
    let plan = file(&store, &["i-1"]).await;
    let approval = |by| signature(&plan, by, GrantKind::Approval);
    give(&store, &approval("ann")).await.unwrap();
    assert_eq!(why_not(give(&store, &approval("ann")).await), "`ann` has approved this plan already");
    assert_eq!(why_not(give(&store, &approval("Ann")).await), "`Ann` is not how `ann` is written");
    let own = "the plan is made for `dana`, who can't be its second person too";
    assert_eq!(why_not(give(&store, &approval("bob")).await), own);
    assert_eq!(why_not(give(&store, &approval("dana")).await), "there is no approver `dana`");
    give(&store, &approval("cleo")).await.unwrap();

    let unsigned = |kind| GrantRecord { signed: None, ..signature(&plan, "cleo", kind) };
    assert_eq!(why_not(give(&store, &unsigned(GrantKind::Approval)).await), "it is not signed");
    assert_eq!(why_not(give(&store, &unsigned(GrantKind::Application)).await), "it is not signed");
    let another = "the plan is made for `dana`, not for `cleo`";
    assert_eq!(why_not(give(&store, &unsigned(GrantKind::Confirmation)).await), another);
    assert_eq!(why_not(give(&store, &signature(&plan, "cleo", GrantKind::Confirmation)).await), another);
    give(&store, &signature(&plan, "bob", GrantKind::Confirmation)).await.unwrap();
    let agents = "the agent carries this plan out, not a person";
    assert_eq!(why_not(give(&store, &signature(&plan, "bob", GrantKind::Application)).await), agents);
    assert_eq!(store.grants(&plan.content.id).await.unwrap().len(), 3);
    assert_eq!(count(&store, "signed").await, 3);
}

#[tokio::test]
async fn a_signature_counts_for_what_it_says() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let (plan, other) = (file(&store, &["i-1"]).await, file(&store, &["i-2"]).await);
    let right = signature(&plan, "bob", GrantKind::Approval);
    let with = |signed| GrantRecord { signed: Some(signed), ..right.clone() };
    let saying = |kind| signature(&plan, "bob", kind).signed.unwrap();
    let mut wrong = vec![
        with(saying(GrantKind::Application)),
        with(saying(GrantKind::Confirmation)),
        with(signature(&other, "bob", GrantKind::Approval).signed.unwrap()),
        with(signature(&plan, "cleo", GrantKind::Approval).signed.unwrap()),
        with(signed("bob", Saying::SignIn)),
    ];
    let different = Saying::Approve { plan: plan.content.id.clone(), digest: other.digest };
    wrong.push(with(signed("bob", different)));
    for grant in wrong {
        assert_eq!(why_not(give(&store, &grant).await), "what was signed is not what it stands for");
    }
    let says = || right.signed.clone().unwrap().statement.saying;
    for stolen in [passkey("cleo-key"), Passkey { credential: json!({ "key": "forged" }), ..passkey("bob-key") }] {
        let grant = with(signed_with("bob", stolen, says()));
        assert_eq!(why_not(give(&store, &grant).await), "it is not signed with a passkey of `bob`");
    }
    assert_eq!(count(&store, "signed").await, 0);
}

#[tokio::test]
async fn what_a_revoked_person_signed_counts_no_more_not_even_when_they_come_back() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let plan = file(&store, &["i-1"]).await;
    let grant = signature(&plan, "bob", GrantKind::Approval);
    give(&store, &grant).await.unwrap();
    let bob = standing("bob", false);
    change(&store, &PeopleChange::Invite(bob.clone()), "ann").await.unwrap();
    change(&store, &PeopleChange::Revoke { name: human("bob") }, "ann").await.unwrap();
    assert_eq!(find(&store, "bob").await.revoked_at, Some(now()));
    assert_eq!(store.invitation(&token("link of bob"), after(6)).await.unwrap(), None);
    assert!(store.grants(&plan.content.id).await.unwrap().is_empty());
    let claimed = || store.claim(claim(&plan, &[&grant]), intent(&plan));
    assert_eq!(why_not(claimed().await), "`bob` may not sign any more");
    let again = signature(&plan, "bob", GrantKind::Approval);
    assert_eq!(why_not(give(&store, &again).await), "`bob` may not sign any more");

    let other = passkey("new-key");
    change(&store, &PeopleChange::Invite(bob.clone()), "ann").await.unwrap();
    store.enrol(&token("link of bob"), other.clone(), enrolled(&bob, &other)).await.unwrap();
    assert_eq!(find(&store, "bob").await, Approver::new(bob, other.clone()));
    assert_eq!(why_not(claimed().await), "`bob` may not sign any more");
    assert_eq!(why_not(give(&store, &again).await), "it is not signed with a passkey of `bob`");
    let says = again.signed.clone().unwrap().statement.saying;
    let anew = GrantRecord { signed: Some(signed_with("bob", other, says)), ..again };
    give(&store, &anew).await.unwrap();
    store.claim(claim(&plan, &[&anew]), intent(&plan)).await.unwrap();
}

#[tokio::test]
async fn whoever_carries_a_plan_out_is_not_its_second_person() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let mut plan = open_plan(&["i-1"], now()).unwrap();
    plan.content.obligations.push(Obligation::Person);
    plan.digest = plan.content.digest().unwrap();
    store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    let [bobs, cleos] = ["bob", "cleo"].map(|by| signature(&plan, by, GrantKind::Approval));
    let applied = signature(&plan, "bob", GrantKind::Application);
    for grant in [&bobs, &cleos, &applied] {
        give(&store, grant).await.unwrap();
    }
    let refused = why_not(store.claim(claim(&plan, &[&cleos, &bobs, &applied]), intent(&plan)).await);
    assert_eq!(refused, "`bob` carries the plan out");
    store.claim(claim(&plan, &[&cleos, &applied]), intent(&plan)).await.unwrap();
}

#[tokio::test]
async fn a_claim_looks_again_at_who_signed() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let plan = file(&store, &["i-1"]).await;
    let grant = signature(&plan, "bob", GrantKind::Approval);
    give(&store, &grant).await.unwrap();
    change(&store, &PeopleChange::Regroup(alias(standing("bob", false), "dana")), "ann").await.unwrap();
    let refused = why_not(store.claim(claim(&plan, &[&grant]), intent(&plan)).await);
    assert_eq!(refused, "the plan is made for `dana`, who can't be its second person too");
    change(&store, &PeopleChange::Regroup(standing("bob", false)), "ann").await.unwrap();
    store.claim(claim(&plan, &[&grant]), intent(&plan)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_revoked_while_they_approve_has_not_approved() {
    for _ in 0..8 {
        let place = Place::new();
        let (one, other) = (place.open().await, place.open().await);
        staff(&one).await;
        let plan = file(&one, &["i-1"]).await;
        let grant = signature(&plan, "bob", GrantKind::Approval);
        let proposed = propose(&one, &PeopleChange::Revoke { name: human("bob") }).await.unwrap();
        let (_, revoked) = tokio::join!(give(&one, &grant), sign(&other, &proposed, "ann", ""));
        revoked.unwrap();
        assert!(one.grants(&plan.content.id).await.unwrap().is_empty());
        assert!(one.claim(claim(&plan, &[&grant]), intent(&plan)).await.is_err());
    }
}

#[tokio::test]
async fn a_rejected_plan_can_not_be_signed_or_claimed() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let plan = file(&store, &["i-1"]).await;
    let grant = signature(&plan, "bob", GrantKind::Approval);
    give(&store, &grant).await.unwrap();
    let rejected = |at| Event {
        at,
        ..event(What::Rejected {
            plan: plan.content.id.clone(),
            digest: plan.digest,
            by: human("cleo"),
            reason: "not tonight".into(),
        })
    };
    let late = store.reject(&plan.content.id, "not tonight", rejected(plan.content.expires_at)).await;
    assert!(matches!(late, Err(StoreError::NotOpen { state: PlanState::Expired, .. })));
    store.reject(&plan.content.id, "not tonight", rejected(after(40))).await.unwrap();
    let ended = store.plan(&plan.content.id, after(60)).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.outcome.as_deref()), (PlanState::Rejected, Some("not tonight")));

    let closed = |error| matches!(error, StoreError::NotOpen { state: PlanState::Rejected, .. });
    assert!(closed(give(&store, &signature(&plan, "ann", GrantKind::Approval)).await.unwrap_err()));
    assert!(closed(store.claim(claim(&plan, &[&grant]), intent(&plan)).await.unwrap_err()));
    assert!(closed(store.reject(&plan.content.id, "again", rejected(after(50))).await.unwrap_err()));
    assert_eq!(count(&store, "rejected").await, 1);
}

#[tokio::test]
async fn a_passkey_counts_up_or_not_at_all() {
    let place = Place::new();
    let store = place.open().await;
    staff(&store).await;
    let bob = human("bob");
    let count = |counter| store.count_signature(&bob, "bob-key", counter);
    assert!(count(0).await.unwrap());
    assert!(count(0).await.unwrap());
    assert!(count(3).await.unwrap());
    assert!(!count(3).await.unwrap());
    assert!(!count(0).await.unwrap());
    assert!(count(4).await.unwrap());
    assert!(why(store.count_signature(&bob, "ann-key", 9).await).contains("has no such passkey"));
    assert!(why(store.count_signature(&human("eve"), "x", 9).await).contains("there is no approver"));
}

#[tokio::test]
async fn one_of_those_who_follow_the_record_moves_the_cursor() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    assert_eq!(one.cursor("webhook").await.unwrap(), 0);
    let (a, b) = tokio::join!(one.move_cursor("webhook", 0, 7), other.move_cursor("webhook", 0, 7));
    assert!(a.unwrap() != b.unwrap());
    assert_eq!(one.cursor("webhook").await.unwrap(), 7);
    assert_eq!(one.cursor("another").await.unwrap(), 0);
    assert!(!one.move_cursor("webhook", 3, 9).await.unwrap());
}

#[tokio::test]
async fn checkpoints_are_kept_by_size() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(store.checkpoint(None).await.unwrap(), None);
    store.keep_checkpoint(5, "five").await.unwrap();
    store.keep_checkpoint(9, "nine").await.unwrap();
    store.keep_checkpoint(9, "nine by another key").await.unwrap();
    let newest = Some((9, "nine by another key".to_owned()));
    assert_eq!(store.checkpoint(None).await.unwrap(), newest);
    assert_eq!(store.checkpoint(Some(9)).await.unwrap(), newest);
    assert_eq!(store.checkpoint(Some(10)).await.unwrap(), None);
}
