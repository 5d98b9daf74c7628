use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::gather::Gatherer;
use super::verify::{Story, verify};
use super::{Receipt, text};
use crate::approval::people::{Passkey, PeopleChange, Proposal, Standing};
use crate::approval::statement::{Saying, Signed, Statement};
use crate::audit::chain;
use crate::audit::checkpoint::{Follower, key_event};
use crate::audit::event::{Event, Head, ResultWord, StoredRecord, What};
use crate::audit::note::{SigningKey, VerifierKey};
use crate::call::refused::Code;
use crate::call::request::{Caller, ClientInfo};
use crate::credentials::session_policy::SessionPolicy;
use crate::digest::Digest;
use crate::names::{Agent, CallId, GrantId, Human, PlanId, ProposalId, SessionId};
use crate::plan::filed::tests::sample;
use crate::plan::filed::{Obligation, PlanContent};
use crate::ports::GrantKind;

/// The record of an installation: bob is the admin, cleo a senior; ann's agent plans, both sign, it is applied.
struct Book {
    content: PlanContent,
    lines: Vec<(Option<CallId>, What)>,
    key: SigningKey,
}

fn human(name: &str) -> Human {
    Human::new(name)
}

fn created() -> Timestamp {
    sample().created_at
}

fn passkey(of: &str) -> Passkey {
    Passkey { id: format!("key-of-{of}"), label: "phone".into(), added_at: created(), credential: json!({}) }
}

fn standing(name: &str, groups: &[&str], admin: bool) -> Standing {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Standing { name: human(name), aliases: BTreeSet::new(), groups, admin }
}

fn signed(by: &str, saying: Saying) -> Box<Signed> {
    let statement = Statement {
        saying,
        by: human(by),
        origin: "https://guard.example.com".into(),
        at: created(),
        nonce: "0".repeat(32),
    };
    Box::new(Signed { statement, passkey: passkey(by), assertion: json!({ "good": true }) })
}

/// What stands for WebAuthn here.
fn check(signed: &Signed) -> Result<(), String> {
    if signed.assertion == json!({ "good": true }) { Ok(()) } else { Err("it is not valid".into()) }
}

fn enrolled(standing: &Standing) -> What {
    let passkey = Box::new(passkey(standing.name.as_str()));
    What::Enrolled { standing: standing.clone(), passkey }
}

/// Proposed by bob and signed by `admin`.
fn change(id: &str, change: PeopleChange, admin: &str) -> [What; 2] {
    let id = ProposalId::from_outside(id);
    let expires_at = created() + SignedDuration::from_hours(24);
    let proposal = Proposal { id: id.clone(), change: change.clone(), by: "bob".into(), at: created(), expires_at };
    let signed = Some(signed(admin, Saying::People { change: proposal.digest().unwrap() }));
    [What::PeopleProposed { proposal }, What::PeopleChanged { proposal: Some(id), change, by: admin.into(), signed }]
}

impl Book {
    fn new() -> Self {
        Self::of(|_| ())
    }

    fn of(change_plan: impl FnOnce(&mut PlanContent)) -> Self {
        let mut content = sample();
        content.obligations.push(Obligation::Approvals { count: 2, groups: ["senior".to_owned()].into() });
        change_plan(&mut content);
        let key = SigningKey::of("countersign.test", [7; 32]).unwrap();
        let mut book = Self { content, lines: Vec::new(), key };
        let (bob, cleo) = (standing("bob", &["owners"], true), standing("cleo", &["senior"], false));
        let founded = PeopleChange::Invite(bob.clone());
        book.line(None, key_event(book.key.verifier(), None).unwrap());
        book.line(
            None,
            What::PeopleChanged { proposal: None, change: founded, by: "dana (uid 1000)".into(), signed: None },
        );
        book.line(None, enrolled(&bob));
        change("change-1", PeopleChange::Invite(cleo.clone()), "bob")
            .into_iter()
            .for_each(|what| book.line(None, what));
        book.line(None, enrolled(&cleo));
        book.line(Some("call-1"), requested());
        book.line(Some("call-1"), book.previewed());
        book.line(Some("call-0"), requested());
        book.line(Some("call-0"), What::Served { tool: "whoami".into() });
        book.line(Some("call-2"), requested());
        let (plan, digest) = book.plan();
        book.line(Some("call-2"), What::Asked { plan: plan.clone(), digest, prompt: digest });
        book.line(Some("call-2"), book.confirmed());
        book.line(Some("call-2"), What::Parked { plan: plan.clone(), digest, needs: vec!["two people".into()] });
        book.line(None, book.approved("bob"));
        book.line(None, book.approved("cleo"));
        book.line(Some("call-3"), requested());
        book.line(Some("call-3"), book.intent());
        let request_id = Some("5f2c1a7e-0000".to_owned());
        book.line(Some("call-3"), What::Outcome { plan, result: ResultWord::Applied, request_id, detail: None });
        book.line(Some("call-4"), requested());
        book
    }

    fn line(&mut self, call: Option<&str>, what: What) {
        self.lines.push((call.map(CallId::from_outside), what));
    }

    fn plan(&self) -> (PlanId, Digest) {
        (self.content.id.clone(), self.content.digest().unwrap())
    }

    fn previewed(&self) -> What {
        let (plan, digest) = self.plan();
        let PlanContent { operation, effect, .. } = self.content.clone();
        What::Previewed { plan, digest, operation, effect, targets: self.targets() }
    }

    fn confirmed(&self) -> What {
        let (plan, digest) = self.plan();
        What::Confirmed { plan, digest, answered_after_ms: 60_000, faster_than_reading: false }
    }

    fn approved(&self, by: &str) -> What {
        let (plan, digest) = self.plan();
        self.signed(by, GrantKind::Approval, Saying::Approve { plan, digest })
    }

    fn signed(&self, by: &str, kind: GrantKind, saying: Saying) -> What {
        let (plan, digest) = self.plan();
        let grant = GrantId::from_outside(&format!("grant-{by}"));
        What::Signed { plan, digest, kind, grant, by: human(by), answered_after_ms: 61_000, signed: signed(by, saying) }
    }

    fn intent(&self) -> What {
        let (plan, digest) = self.plan();
        let PlanContent { operation, credentials, session_policy, .. } = self.content.clone();
        let session_policy = session_policy.as_deref().map(SessionPolicy::digest_of);
        What::Intent { plan, digest, operation, targets: self.targets(), role: credentials.role, session_policy }
    }

    fn targets(&self) -> Vec<String> {
        self.content.targets.iter().map(|target| target.arn.clone()).collect()
    }

    /// The place of the `nth` line of a kind, such as `signed`.
    fn place(&self, kind: &str, nth: usize) -> usize {
        let is = |what: &What| serde_json::to_value(what).unwrap()["event"] == kind;
        self.lines.iter().enumerate().filter(|(_, (_, what))| is(what)).nth(nth).unwrap().0
    }

    fn what(&mut self, kind: &str, nth: usize) -> &mut What {
        let place = self.place(kind, nth);
        &mut self.lines[place].1
    }

    fn without(mut self, kind: &str, nth: usize) -> Self {
        self.lines.remove(self.place(kind, nth));
        self
    }

    fn insert(&mut self, before: (&str, usize), call: Option<&str>, what: What) {
        let place = self.place(before.0, before.1);
        self.lines.insert(place, (call.map(CallId::from_outside), what));
    }

    /// The chain; each event a second after the one before.
    fn records(&self) -> Vec<StoredRecord> {
        let caller = |agent: &str| Caller {
            agent: Agent::new(agent),
            human: human("ann"),
            session: SessionId::new("s-1"),
            client: ClientInfo::default(),
            source: None,
        };
        let mut head = chain::empty();
        let mut records = Vec::new();
        for (call, what) in &self.lines {
            let at = created() + SignedDuration::from_secs(records.len() as i64);
            let caller = call.as_ref().map(|_| caller("claude-code"));
            let event = Event { at, call: call.clone(), caller, what: what.clone() };
            let record = chain::next(&head, chain::canonical_event(&event).unwrap());
            head = Head { seq: record.seq, hash: record.hash };
            records.push(record);
        }
        records
    }

    fn receipt(&self) -> Receipt {
        let records = self.records();
        let mut follower = Follower::new(Vec::new(), Vec::new());
        let mut gatherer = Gatherer::new(self.content.id.clone());
        for record in &records {
            follower.take(record).unwrap();
            gatherer.look(record);
        }
        records.iter().for_each(|record| gatherer.look_again(record));
        let checkpoint = follower.checkpoint(&self.key).unwrap();
        let content = crate::digest::canonical_json(&serde_json::to_value(&self.content).unwrap()).unwrap();
        gatherer.finish(String::from_utf8(content).unwrap(), &checkpoint, &self.key).unwrap()
    }

    fn verified(&self) -> Result<Story, Vec<String>> {
        verify(&self.receipt().text().unwrap(), Some(self.key.verifier()), &check)
    }

    #[track_caller]
    fn refused(&self, why: &str) {
        let flaws = self.verified().unwrap_err().join("; ");
        assert!(flaws.contains(why), "`{why}` is not among: {flaws}");
    }
}

fn requested() -> What {
    What::Requested { tool: "ec2_terminate_instances".into(), arguments: json!({ "reason": "r" }) }
}

#[test]
fn a_plan_that_two_people_signed_is_proven() {
    let book = Book::new();
    let story = book.verified().unwrap();
    insta::assert_snapshot!(text::proven(&story));
    insta::assert_snapshot!(serde_json::to_string_pretty(&text::json(&story)).unwrap());
    let receipt = book.receipt();
    let numbers: Vec<u64> = receipt.records.iter().map(|record| record.seq).collect();
    // All but `whoami` with its request, and the request that came later.
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    insta::assert_snapshot!(receipt.text().unwrap());

    let unpinned = verify(&receipt.text().unwrap(), None, &check).unwrap();
    assert!(text::proven(&unpinned).contains("NOT PINNED"));
}

#[test]
fn a_plan_that_needs_nobody_else_is_proven_without_people() {
    let mut book = Book::of(|plan| drop(plan.obligations.pop()));
    for _ in 0..2 {
        book = book.without("signed", 0);
    }
    // Typed in another call than it was applied in: then it was asked for again.
    book.refused("a confirmation by `ann`");
    let confirmed = book.confirmed();
    book.insert(("intent", 0), Some("call-3"), confirmed);
    let receipt = book.receipt();
    assert!(receipt.records.iter().all(|record| !record.event.contains("enrolled")));
    book.verified().unwrap();
}

#[test]
fn what_was_not_applied_is_told_as_such() {
    let headline = |book: &Book| text::proven(&book.verified().unwrap()).lines().next().unwrap().to_owned();
    let open = Book::new().without("outcome", 0).without("intent", 0);
    assert!(headline(&open).contains("was not carried out"));
    let mut rejected = open;
    let (plan, digest) = rejected.plan();
    rejected.line(None, What::Rejected { plan, digest, by: human("cleo"), reason: "not on a \u{1b}Friday".into() });
    assert!(headline(&rejected).contains("was rejected"));
    assert!(headline(&Book::new().without("outcome", 0)).contains("not known"));

    let mut unknown = Book::new();
    let plan = unknown.content.id.clone();
    *unknown.what("outcome", 0) =
        What::Outcome { plan: plan.clone(), result: ResultWord::Unknown, request_id: None, detail: None };
    unknown.line(
        None,
        What::Refused {
            code: Code::OutcomeUnknown,
            message: "m".into(),
            operator_detail: None,
            plan: Some(plan.clone()),
        },
    );
    assert!(headline(&unknown).contains("not known"));
    unknown.line(None, What::Reconciled { plan, result: ResultWord::Applied, detail: "it is gone".into() });
    assert!(headline(&unknown).contains("was carried out"));
}

#[test]
fn consents_that_are_missing_are_found() {
    Book::new().without("confirmed", 0).refused("a confirmation by `ann`");
    Book::new().without("signed", 0).refused("one more person");
    Book::new().without("signed", 1).refused("somebody of senior");
    let mut twice = Book::new();
    *twice.what("signed", 1) = twice.approved("bob");
    twice.refused("one more person");
    Book::of(|plan| plan.obligations.push(Obligation::Ticket)).refused("without the ticket");
    Book::of(|plan| plan.obligations.push(Obligation::Person)).refused("a person who applies it");
    let mut applied = Book::of(|plan| plan.obligations.push(Obligation::Person)).without("confirmed", 0);
    let (plan, digest) = applied.plan();
    let by_bob = applied.signed("bob", GrantKind::Application, Saying::Apply { plan, digest });
    applied.insert(("intent", 0), None, by_bob);
    applied.refused("one more person");
    Book::new().without("previewed", 0).refused("had not been filed");
}

#[test]
fn people_sign_only_what_is_theirs_to_sign() {
    let mut own = Book::of(|plan| plan.human = human("Bob"));
    own.refused("`bob` approved a plan made for them");
    own = Book::new();
    let mut alias = standing("bob", &["owners"], true);
    alias.aliases = [human("ANN")].into();
    let [proposed, changed] = change("change-2", PeopleChange::Regroup(alias), "bob");
    own.insert(("requested", 0), None, proposed);
    own.insert(("requested", 0), None, changed);
    own.refused("`bob` approved a plan made for them");

    let mut bad = Book::new();
    let stranger = bad.approved("mallory");
    bad.insert(("intent", 0), None, stranger);
    bad.refused("`mallory` signed, and had not enrolled");
    for (edit, why) in [
        (|signed: &mut Signed| signed.assertion = json!({}), "the signature of `cleo` is not good"),
        (|signed: &mut Signed| signed.passkey.id.push('x'), "a passkey that they had not enrolled"),
        (|signed: &mut Signed| signed.statement.by = human("bob"), "not what it is recorded as"),
        (|signed: &mut Signed| signed.statement.saying = Saying::SignIn, "not what it is recorded as"),
    ] as [(fn(&mut Signed), &str); 4]
    {
        let mut book = Book::new();
        if let What::Signed { signed, .. } = book.what("signed", 1) {
            edit(signed);
        }
        book.refused(why);
    }
    let mut relabelled = Book::new();
    if let What::Signed { kind, .. } = relabelled.what("signed", 1) {
        *kind = GrantKind::Application;
    }
    relabelled.refused("not what it is recorded as");
    let mut confirms = Book::new();
    let (plan, digest) = confirms.plan();
    let by_bob = confirms.signed("bob", GrantKind::Confirmation, Saying::Confirm { plan, digest });
    confirms.insert(("intent", 0), None, by_bob);
    confirms.refused("`bob` confirmed a plan made for somebody else");
}

#[test]
fn who_signs_was_let_in_and_not_revoked() {
    let revoke = || change("change-2", PeopleChange::Revoke { name: human("cleo") }, "bob");
    let mut before = Book::new();
    revoke().into_iter().for_each(|what| before.insert(("signed", 0), None, what));
    before.refused("`cleo` signed, and had been revoked");
    let mut after = Book::new();
    revoke().into_iter().for_each(|what| after.insert(("intent", 0), None, what));
    after.refused("somebody of senior");
    Book::new().without("enrolled", 1).refused("`cleo` signed, and had not enrolled");
    Book::new().without("people_changed", 1).refused("`cleo` enrolled without an invitation");
    Book::new().without("people_proposed", 0).refused("what was signed about `cleo` is not here");

    let mut other = Book::new();
    if let What::PeopleProposed { proposal } = other.what("people_proposed", 0) {
        proposal.change = PeopleChange::Invite(standing("cleo", &[], true));
    }
    other.refused("another change");
    let mut unsigned = Book::new();
    if let What::PeopleChanged { proposal, signed, .. } = unsigned.what("people_changed", 1) {
        (*proposal, *signed) = (None, None);
    }
    unsigned.refused("`cleo` was not signed");
    let mut promoted = Book::new();
    if let What::Enrolled { standing, .. } = promoted.what("enrolled", 1) {
        standing.groups.insert("owners".into());
    }
    promoted.refused("`cleo` enrolled as somebody else than was invited");
    let mut by_cleo = Book::new();
    change("change-2", PeopleChange::Regroup(standing("bob", &["senior"], true)), "cleo")
        .into_iter()
        .for_each(|what| by_cleo.insert(("signed", 0), None, what));
    by_cleo.refused("not signed by an admin");
}

#[test]
fn what_was_carried_out_is_the_plan() {
    type Edit = fn(&mut What);
    let edits: [(Edit, &str); 5] = [
        (
            |what| {
                if let What::Intent { targets, .. } = what {
                    targets.clear()
                }
            },
            "otherwise than planned",
        ),
        (
            |what| {
                if let What::Intent { role, .. } = what {
                    *role = None
                }
            },
            "another role's credentials",
        ),
        (
            |what| {
                if let What::Intent { session_policy, .. } = what {
                    *session_policy = None
                }
            },
            "another session policy",
        ),
        (
            |what| {
                if let What::Intent { digest, .. } = what {
                    *digest = Digest::of_bytes("t", b"")
                }
            },
            "another digest",
        ),
        (|what| *what = What::Served { tool: "t".into() }, "ended before it was carried out"),
    ];
    for (edit, why) in edits {
        let mut book = Book::new();
        edit(book.what("intent", 0));
        book.refused(why);
    }
    let mut twice = Book::new();
    let (intent, outcome) = (twice.intent(), twice.lines[twice.place("outcome", 0)].1.clone());
    twice.insert(("outcome", 0), Some("call-3"), intent);
    twice.refused("a second time");
    let mut ended = Book::new();
    ended.line(Some("call-3"), outcome);
    ended.refused("ended a second time");
    let late = Book::of(|plan| plan.expires_at = created() + SignedDuration::from_secs(15));
    late.refused("after the plan had expired");
    let mut rejected = Book::new();
    let (plan, digest) = rejected.plan();
    rejected.insert(("intent", 0), None, What::Rejected { plan, digest, by: human("cleo"), reason: "no".into() });
    rejected.refused("after it had been rejected");
}

#[test]
fn another_key_is_not_trusted_and_a_rotated_one_is() {
    let text = Book::new().receipt().text().unwrap();
    let stranger = SigningKey::generate("countersign.test").unwrap();
    let flaws = verify(&text, Some(stranger.verifier()), &check).unwrap_err();
    assert!(flaws[0].contains("another installation's receipt, or a forged one"), "{flaws:?}");

    let mut rotated = Book::new();
    let first: VerifierKey = rotated.key.verifier().clone();
    let next = SigningKey::generate("countersign.test").unwrap();
    let succession = key_event(next.verifier(), Some(&rotated.key)).unwrap();
    rotated.insert(("intent", 0), None, succession);
    rotated.key = next;
    rotated.verified().unwrap();
    verify(&rotated.receipt().text().unwrap(), Some(&first), &check).unwrap();
    *rotated.what("checkpoint_key", 1) = key_event(rotated.key.verifier(), None).unwrap();
    rotated.verified().unwrap();
    assert!(verify(&rotated.receipt().text().unwrap(), Some(&first), &check).is_err());
}

/// All places of a value, as JSON pointers, the containers included.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, inner)| places(inner, &format!("{at}/{key}"), into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, inner)| places(inner, &format!("{at}/{n}"), into))
        }
        _ => {}
    }
    into.push(at.to_owned());
}

#[test]
fn no_part_of_a_receipt_can_be_changed_removed_or_added() {
    let text = Book::new().receipt().text().unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let passes = |value: &Value| {
        let text = crate::text::escape::ascii_json(&serde_json::to_string_pretty(value).unwrap()) + "\n";
        verify(&text, None, &check).is_ok()
    };
    assert!(passes(&whole) && all.len() > 100);
    for place in all.iter().filter(|place| !place.is_empty()) {
        let (parent, key) = place.rsplit_once('/').unwrap();
        let mut less = whole.clone();
        match less.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.shift_remove(key)),
            Value::Array(items) => drop(items.remove(key.parse().unwrap())),
            other => panic!("{other}"),
        }
        assert!(!passes(&less), "without {place}");
        let mut changed = whole.clone();
        match changed.pointer_mut(place).unwrap() {
            Value::String(text) => text.push('0'),
            Value::Number(number) => *number = (number.as_u64().unwrap() + 1).into(),
            Value::Array(items) => items.push(items[0].clone()),
            Value::Object(members) => drop(members.insert("more".into(), json!(1))),
            other => panic!("{other}"),
        }
        assert!(!passes(&changed), "changed {place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_changed_missing_or_added_byte_is_found(at in any::<Index>(), to in any::<u8>(), how in 0..3) {
        thread_local!(static TEXT: String = Book::new().receipt().text().unwrap());
        let text = TEXT.with(Clone::clone);
        let mut bytes = text.clone().into_bytes();
        let place = at.index(bytes.len());
        match how {
            0 => bytes[place] = to,
            1 => drop(bytes.remove(place)),
            _ => bytes.insert(place, to),
        }
        prop_assume!(bytes != text.as_bytes());
        let passes = String::from_utf8(bytes).is_ok_and(|changed| verify(&changed, None, &check).is_ok());
        prop_assert!(!passes, "{how} at {place}");
    }
}
