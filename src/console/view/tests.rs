//! Pages of everything at once, of hostile text, and of emptiness.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::enter;
use super::history::{History, history};
use super::people::{People, people};
use super::plan::{Answer, PlanPage, plan};
use super::queue::{Queue, Waiting, queue};
use super::shell::{Page, Viewer, bare, framed};
use super::story::Story;
use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal, Standing};
use crate::approval::statement::{Saying, Signed, Statement};
use crate::audit::event::{Event, ResultWord, What};
use crate::call::refused::Code;
use crate::call::request::{Caller, ClientInfo};
use crate::console::assets::{ICON, SCRIPT, STYLE};
use crate::console::standing::{Ground, standing};
use crate::digest::Digest;
use crate::names::{Agent, CallId, Effect, GrantId, Human, OperationId, PlanId, ProposalId, SessionId, Stage};
use crate::plan::filed::tests::sample;
use crate::plan::filed::{Dependents, DryRun, FiledPlan, Obligation, PlanState, Undo};
use crate::plan::kept::{UndoState, Undone};
use crate::ports::{Breaker, BreakerScope, GrantKind, GrantRecord};

/// What attackers would put into names, tags, reasons and answers.
const HOSTILE: &str = "web\n\n<script>alert(1)</script>\u{202e}\u{200b}\u{1b}[2J Approved by security. \u{e0041}\" onload=x '--> &amp; ✓ approved";

fn now() -> Timestamp {
    "2026-01-02T10:03:20Z".parse().unwrap()
}

fn key(of: &str, label: &str) -> Passkey {
    let added_at = "2025-12-20T08:00:00Z".parse().unwrap();
    Passkey { id: format!("key-{of}"), label: label.into(), added_at, credential: json!({}) }
}

fn approver(name: &str, groups: &[&str], admin: bool) -> Approver {
    let standing = Standing {
        name: Human::new(name),
        aliases: BTreeSet::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        admin,
    };
    Approver::new(standing, key(name, "laptop"))
}

fn team() -> Vec<Approver> {
    let mut dana = approver("dana", &["approvers"], false);
    dana.aliases.insert(Human::new("dana@example.com"));
    let mut cleo = approver("cleo", &["approvers"], false);
    cleo.revoked_at = Some("2025-12-30T12:00:00Z".parse().unwrap());
    let ann = approver("ann", &["approvers", "database-owners"], true).and(key("ann-2", "key on the ring"));
    vec![ann, approver("bob", &["approvers"], false), cleo, dana]
}

fn viewer(name: &str) -> Viewer {
    let approver = team().into_iter().find(|person| person.name.as_str() == name).unwrap();
    Viewer { approver, csrf: "token-of-the-session".into(), waiting: 2 }
}

fn grant(plan: &FiledPlan, kind: GrantKind, by: &str) -> GrantRecord {
    let at = plan.content.created_at + SignedDuration::from_secs(95);
    let saying = Saying::Approve { plan: plan.content.id.clone(), digest: plan.digest };
    let origin = "https://countersign.example.com".into();
    let statement = Statement { saying, by: Human::new(by), origin, at, nonce: "0".repeat(32) };
    GrantRecord {
        id: GrantId::fresh(),
        plan: plan.content.id.clone(),
        digest: plan.digest,
        by: Human::new(by),
        at,
        expires_at: plan.content.expires_at,
        answered_after_ms: 31_000,
        kind,
        signed: Some(Box::new(Signed { statement, passkey: key(by, "laptop"), assertion: json!({}) })),
    }
}

fn filed(content: crate::plan::filed::PlanContent) -> FiledPlan {
    let digest = content.digest().unwrap();
    let parked_at = Some(content.created_at);
    FiledPlan {
        content,
        digest,
        state: PlanState::Open,
        outcome: None,
        input: Some(json!({})),
        parked_at,
        kept: None,
        undone: None,
    }
}

/// Two production databases are terminated for good.
fn terminate() -> FiledPlan {
    let mut content = sample();
    content.human = Human::new("dana");
    content.agent = Agent::new("kiro");
    content.account.name = "shop-prod".into();
    content.account.stage = Stage::Prod;
    content.targets[0].stage = Stage::Prod;
    content.targets[0].tags.insert("env".into(), "prod".into());
    content.targets[0].owner = Some("team-orders".into());
    let mut second = content.targets[0].clone();
    second.id = "i-0fedcba9876543210".into();
    second.arn = "arn:aws:ec2:eu-central-1:210987654321:instance/i-0fedcba9876543210".into();
    second.tags.insert("Name".into(), "orders-web-2".into());
    content.targets.push(second);
    content.arguments = json!({ "InstanceIds": ["i-0123456789abcdef0", "i-0fedcba9876543210"] });
    content.dependents.push(Dependents {
        label: "Auto Scaling groups that will replace it".into(),
        target: "i-0fedcba9876543210".into(),
        count: None,
        sample: vec![],
        unknown_because: Some(
            "AWS answered AccessDenied: `not authorized to perform autoscaling:DescribeAutoScalingInstances`".into(),
        ),
    });
    content.obligations = vec![
        Obligation::Preview,
        Obligation::Confirmation { text: "i-0123456789abcdef0".into() },
        Obligation::Approvals { count: 2, groups: ["database-owners".into()].into() },
        Obligation::Window,
    ];
    content.permitted_by = vec!["standard-change".into()];
    content.ticket = Some("CHG-20417".into());
    content.expires_at = content.created_at + SignedDuration::from_hours(4);
    filed(content)
}

/// A table's capacity is changed; the call says what it becomes.
fn resize() -> FiledPlan {
    let mut content = sample();
    content.id = PlanId::from_outside("plan-01jd0000000000000000000001");
    content.title = "Set the desired capacity of an Auto Scaling group".into();
    content.tool = "autoscaling_set_desired_capacity".into();
    content.operation = OperationId::new("autoscaling", "SetDesiredCapacity");
    content.effect = Effect::Destructive;
    content.human = Human::new("cleo");
    content.raised.clear();
    content.warnings.clear();
    content.account.stage = Stage::Staging;
    content.account.name = "shop-staging".into();
    content.reason = "load test tonight: fewer machines are enough".into();
    content.arguments = json!({ "AutoScalingGroupName": "orders-web", "DesiredCapacity": 2, "HonorCooldown": true });
    let target = &mut content.targets[0];
    target.id = "orders-web".into();
    target.arn =
        "arn:aws:autoscaling:eu-central-1:210987654321:autoScalingGroup:*:autoScalingGroupName/orders-web".into();
    target.state = json!({ "AutoScalingGroupName": "orders-web", "DesiredCapacity": 6, "MinSize": 2, "MaxSize": 12, "HealthCheckType": "ELB" });
    target.fingerprint = json!({ "desired": 6, "min": 2, "max": 12 });
    target.stage = Stage::Staging;
    target.tags.clear();
    content.dependents[0].label = "instances that would be terminated".into();
    content.dependents[0].target = "orders-web".into();
    content.dependents[0].count = Some(4);
    content.dry_run = DryRun::NotOffered;
    content.undo = Undo::Recipe {
        tool: "autoscaling_set_desired_capacity".into(),
        arguments: json!({ "AutoScalingGroupName": "orders-web", "DesiredCapacity": 6 }),
        loses: vec!["what the terminated instances held in memory and on instance store".into()],
        later: Vec::new(),
        by_hand: None,
    };
    content.obligations = vec![
        Obligation::Confirmation { text: "orders-web".into() },
        Obligation::Approvals { count: 1, groups: BTreeSet::new() },
    ];
    content.expires_at = content.created_at + SignedDuration::from_hours(4);
    filed(content)
}

/// Something a person applies.
fn suggested() -> FiledPlan {
    let mut plan = resize();
    plan.content.id = PlanId::from_outside("plan-01jd0000000000000000000002");
    plan.content.account.stage = Stage::Dev;
    plan.content.targets[0].stage = Stage::Dev;
    plan.content.account.name = "shop-dev".into();
    plan.content.human = Human::new("ann");
    plan.content.effect = Effect::Write;
    plan.content.obligations = vec![Obligation::Confirmation { text: "orders-web".into() }, Obligation::Person];
    filed(plan.content)
}

/// Everything foreign is hostile.
fn hostile() -> FiledPlan {
    let mut content = terminate().content;
    content.reason = format!("{HOSTILE}{}", "A".repeat(900));
    content.human = Human::new(format!("dana{HOSTILE}"));
    content.agent = Agent::new(HOSTILE);
    content.title = format!("Terminate {HOSTILE}");
    content.account.name = HOSTILE.into();
    content.warnings = vec![HOSTILE.into()];
    content.arguments = json!({ "InstanceIds": [HOSTILE], HOSTILE: { HOSTILE: HOSTILE } });
    content.ticket = Some(HOSTILE.into());
    for target in &mut content.targets {
        target.id = HOSTILE.into();
        target.arn = format!("arn:aws:ec2:eu-central-1:1:instance/{HOSTILE}");
        target.tags = [("Name".to_owned(), HOSTILE.to_owned()), (HOSTILE.to_owned(), HOSTILE.repeat(30))].into();
        target.state = json!({ HOSTILE: HOSTILE });
        target.fingerprint = json!({ HOSTILE: [HOSTILE], "b": null });
        target.owner = Some(HOSTILE.into());
    }
    content.request.url = format!("https://{HOSTILE}");
    content.request.body = format!("Action=x&y={HOSTILE}");
    content.request.headers = vec![(HOSTILE.into(), HOSTILE.into())];
    content.dependents[0].label = HOSTILE.into();
    content.dependents[0].sample = vec![HOSTILE.into()];
    content.undo = Undo::None { reason: HOSTILE.into(), by_hand: Some(HOSTILE.into()) };
    content.obligations.push(Obligation::Confirmation { text: HOSTILE.into() });
    content.permitted_by = vec![HOSTILE.into()];
    filed(content)
}

fn event(at: &str, what: What) -> Event {
    let caller = Caller {
        agent: Agent::new("kiro"),
        human: Human::new("dana"),
        session: SessionId::new("session-1"),
        client: ClientInfo::default(),
        source: None,
    };
    Event { at: at.parse().unwrap(), call: Some(CallId::from_outside("call-1")), caller: Some(caller), what }
}

fn before() -> Story {
    let operation = OperationId::new("ec2", "DescribeInstances");
    let refusal = What::Refused {
        code: Code::Forbidden,
        message: "policy forbids it: what is destructive in production needs one approval".into(),
        operator_detail: None,
        plan: Some(PlanId::from_outside("plan-01jc")),
    };
    let outcome = What::Outcome {
        plan: PlanId::from_outside("plan-01jb"),
        result: ResultWord::Applied,
        request_id: Some("req-1".into()),
        detail: None,
    };
    let events = vec![
        (4811, event("2026-01-02T09:52:01Z", What::Answered { operation, request_id: None })),
        (4819, event("2026-01-02T09:54:40Z", outcome)),
        (4823, event("2026-01-02T09:58:12Z", refusal)),
    ];
    Story { events, cut: false }
}

fn story(plan: &FiledPlan) -> Story {
    let id = plan.content.id.clone();
    let previewed = What::Previewed {
        plan: id.clone(),
        digest: plan.digest,
        operation: plan.content.operation.clone(),
        effect: plan.content.effect,
        targets: plan.content.targets.iter().map(|target| target.arn.clone()).collect(),
    };
    let parked = What::Parked { plan: id, digest: plan.digest, needs: vec![] };
    let events = vec![(4830, event("2026-01-02T10:00:00Z", previewed)), (4831, event("2026-01-02T10:00:09Z", parked))];
    Story { events, cut: false }
}

fn page(filed: &FiledPlan, by: &str, grants: &[GrantRecord]) -> PlanPage {
    let people = team();
    let ground = Ground { plan: filed, grants, people: &people, now: now() };
    PlanPage {
        standing: standing(&ground, &viewer(by).approver),
        read_on: if filed.content.effect == Effect::Irreversible { 14 } else { 0 },
        before: before(),
        story: story(filed),
        says: BTreeMap::from([("standard-change".into(), "agents with the role `operator` change things".into())]),
        answer: Answer::default(),
        now: now(),
        plan: filed.clone(),
    }
}

fn waiting(filed: FiledPlan, grants: &[GrantRecord], by: &str) -> Waiting {
    let people = team();
    let standing = standing(&Ground { plan: &filed, grants, people: &people, now: now() }, &viewer(by).approver);
    Waiting { plan: filed, standing }
}

fn a_queue(by: &str) -> Queue {
    let signed = [grant(&terminate(), GrantKind::Approval, "ann")];
    let scope = BreakerScope::Agent(Agent::new("nightly-cleaner"));
    let opened_at = now();
    let why = "6 of its calls failed within an hour, 5 are allowed".into();
    Queue {
        yours: vec![waiting(terminate(), &signed, by), waiting(resize(), &[], by)],
        others: vec![waiting(FiledPlan { input: None, ..suggested() }, &[], by)],
        breakers: vec![Breaker { scope, opened_at, why }],
        unknown: 1,
        stuck: vec![FiledPlan {
            state: PlanState::Applied,
            undone: Some(Box::new(Undone {
                state: UndoState::Stuck,
                by: PlanId::from_outside("plan-01jd0000000000000000000009"),
                details: vec!["the undo failed".into()],
            })),
            ..resize()
        }],
        more: false,
        now: now(),
    }
}

fn a_history() -> History {
    let ended = |mut plan: FiledPlan, id: &str, state| {
        plan.content.id = PlanId::from_outside(id);
        FiledPlan { state, ..plan }
    };
    let plans = vec![
        terminate(),
        ended(resize(), "plan-2", PlanState::Applied),
        ended(suggested(), "plan-3", PlanState::Rejected),
        ended(terminate(), "plan-4", PlanState::Unknown),
        ended(resize(), "plan-5", PlanState::Expired),
    ];
    let older = Some(PlanId::from_outside("plan-5"));
    History { plans, text: "orders".into(), states: vec![PlanState::Applied], older, paged: false }
}

fn a_people() -> People {
    let proposal = |id: &str, change, by: &str| Proposal {
        id: ProposalId::from_outside(id),
        change,
        by: by.into(),
        at: "2026-01-02T09:30:00Z".parse().unwrap(),
        expires_at: "2026-01-03T09:30:00Z".parse().unwrap(),
    };
    let aliases = [Human::new("eve@example.com")].into();
    let invited = Standing { name: Human::new("eve"), aliases, groups: ["approvers".into()].into(), admin: false };
    let mut bob = approver("bob", &["approvers", "database-owners"], true).standing();
    bob.aliases.insert(Human::new("bob@example.com"));
    let proposals = vec![
        proposal("change-1", PeopleChange::Invite(invited), "root"),
        proposal("change-2", PeopleChange::Regroup(bob), "ann"),
    ];
    let groups = ["approvers".to_owned(), "database-owners".to_owned()].into();
    People { people: team(), proposals, groups, problem: None, now: now() }
}

fn invitation() -> Invitation {
    let standing = approver("bob", &["approvers", "database-owners"], true).standing();
    Invitation {
        token: Digest::of_bytes("t", b"t"),
        standing,
        at: now(),
        expires_at: now() + SignedDuration::from_hours(23),
        by: None,
    }
}

/// A page's text as it is read, without what is for the eye only.
fn read(page: &Page) -> String {
    let html = page.main.clone().into_string();
    let mut out = String::new();
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        if ["p", "li", "h1", "h2", "h3", "dt", "dd", "tr", "section", "div", "form", "summary", "blockquote"]
            .contains(&name)
        {
            out.push('\n');
        } else if ["td", "th", "button", "label", "input"].contains(&name) {
            out.push_str(" | ");
        }
        out.push_str(text);
    }
    let lines =
        out.lines().map(str::trim).filter(|line| !line.is_empty() && line.chars().any(|c| c != '|' && c != ' '));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_queue_as_it_is_read() {
    insta::assert_snapshot!(read(&queue(&a_queue("bob"))));
}

#[test]
fn an_empty_queue_is_calm() {
    let empty =
        Queue { yours: vec![], others: vec![], breakers: vec![], unknown: 0, stuck: vec![], more: false, now: now() };
    insta::assert_snapshot!(read(&queue(&empty)), @r"
    Queue
    Waiting for you0
    Nothing waits for you. What does appears here by itself.
    ");
}

#[test]
fn a_plan_in_production_as_it_is_read() {
    let filed = terminate();
    let signed = [grant(&filed, GrantKind::Approval, "ann"), grant(&filed, GrantKind::Approval, "cleo")];
    insta::assert_snapshot!(read(&plan(&page(&filed, "bob", &signed), &viewer("bob"))));
}

#[test]
fn a_plan_that_a_person_applies_as_it_is_read() {
    insta::assert_snapshot!(read(&plan(&page(&suggested(), "bob", &[]), &viewer("bob"))));
}

#[test]
fn the_history_as_it_is_read() {
    insta::assert_snapshot!(read(&history(&a_history())));
}

#[test]
fn people_as_they_are_read() {
    insta::assert_snapshot!(read(&people(&a_people(), &viewer("ann"))));
}

#[test]
fn who_is_no_admin_changes_nobody() {
    let page = people(&a_people(), &viewer("bob")).main.into_string();
    assert!(!page.contains("data-propose") && !page.contains("data-people"), "{page}");
}

#[test]
fn hostile_text_stays_text() {
    let filed = hostile();
    let mut shown = page(&filed, "bob", &[]);
    shown.answer = Answer { problem: Some("say why".into()), reason: HOSTILE.into() };
    shown.says.insert(HOSTILE.into(), HOSTILE.into());
    shown.before.events.push((1, event("2026-01-02T10:00:00Z", What::Served { tool: HOSTILE.into() })));
    let mut of_people = a_people();
    of_people.people[0].passkeys[0].label = HOSTILE.into();
    of_people.people[0].name = Human::new(HOSTILE);
    of_people.proposals[0].by = HOSTILE.into();
    let found = History { plans: vec![filed.clone()], text: HOSTILE.into(), ..a_history() };
    let mut lined = a_queue("bob");
    lined.yours = vec![waiting(filed, &[], "bob")];
    lined.breakers[0].why = HOSTILE.into();
    let mut hostile_viewer = viewer("ann");
    hostile_viewer.approver.name = Human::new(HOSTILE);
    for page in [plan(&shown, &viewer("bob")), people(&of_people, &hostile_viewer), history(&found), queue(&lined)] {
        let html = framed(&page, &hostile_viewer).into_string();
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(!html.contains("\" onload=x"), "{html}");
        let hides = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' | '\u{1b}');
        // What goes back to the server as it is: hidden fields, what was typed.
        let attributes = html.split("value=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let kept: usize = attributes.map(|value| value.chars().filter(hides).count()).sum();
        let typed: usize = html
            .split("<textarea")
            .skip(1)
            .map(|rest| rest.split("</textarea").next().unwrap().chars().filter(hides).count())
            .sum();
        assert_eq!(html.chars().filter(hides).count(), kept + typed, "{}: {html}", page.title);
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_nothing_is_inline() {
    for (name, html) in all() {
        for forbidden in ["style=", "onclick", "onload", "javascript:", "<style", "http://", "https://fonts"] {
            assert!(!html.contains(forbidden), "{name}: {forbidden}");
        }
        let scripts = html.matches("<script").count();
        assert_eq!(
            scripts,
            html.matches(&format!("<script src=\"{}\" defer></script>", SCRIPT.path())).count(),
            "{name}"
        );
    }
}

#[test]
fn every_field_has_a_label_and_every_id_is_one() {
    for (name, html) in all() {
        let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: an id twice in {ids:?}");
        for id in html.split(" for=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(ids.contains(&id), "{name}: a label for `{id}`, which there isn't");
        }
        for by in html.split("aria-labelledby=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(ids.contains(&by), "{name}: named by `{by}`, which there isn't");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
    }
}

/// Every page.
fn all() -> Vec<(&'static str, String)> {
    let bob = viewer("bob");
    let ann = viewer("ann");
    let signed = [grant(&terminate(), GrantKind::Approval, "ann")];
    let many = {
        let mut content = terminate().content;
        content.targets = (0..7)
            .map(|at| {
                let mut target = content.targets[0].clone();
                target.id = format!("i-0123456789abcde{at:02}");
                target
            })
            .collect();
        filed(content)
    };
    let applied = FiledPlan { state: PlanState::Applied, outcome: Some("AWS request 7f3c".into()), ..terminate() };
    let empty =
        Queue { yours: vec![], others: vec![], breakers: vec![], unknown: 0, stuck: vec![], more: false, now: now() };
    let trouble = enter::trouble("There is no such page", "Nothing is at this address.", "Plans are in the queue.");
    vec![
        ("queue", framed(&queue(&a_queue("bob")), &bob).into_string()),
        ("empty", framed(&queue(&empty), &bob).into_string()),
        ("plan", framed(&plan(&page(&terminate(), "bob", &signed), &bob), &bob).into_string()),
        ("resize", framed(&plan(&page(&resize(), "bob", &[]), &bob), &bob).into_string()),
        ("suggested", framed(&plan(&page(&suggested(), "bob", &[]), &bob), &bob).into_string()),
        ("many", framed(&plan(&page(&many, "bob", &signed), &bob), &bob).into_string()),
        ("applied", framed(&plan(&page(&applied, "bob", &[]), &bob), &bob).into_string()),
        ("history", framed(&history(&a_history()), &bob).into_string()),
        ("people", framed(&people(&a_people(), &ann), &ann).into_string()),
        ("signin", enter::sign_in("/", "https://countersign.example.com").into_string()),
        (
            "enrol",
            enter::enrol(&invitation(), "token", "countersign.example.com", "https://countersign.example.com", now())
                .into_string(),
        ),
        ("trouble", bare("Not found", &trouble).into_string()),
    ]
}

/// Writes every page into `target/console`, to be served there and looked at.
#[test]
#[ignore = "for looking at the pages"]
fn write_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/console");
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for (name, html) in all() {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    let shown = page(&hostile(), "bob", &[]);
    let html = framed(&plan(&shown, &viewer("bob")), &viewer("bob")).into_string();
    std::fs::write(folder.join("hostile.html"), html).unwrap();
    for asset in [&*STYLE, &*SCRIPT, &*ICON] {
        std::fs::write(folder.join(asset.path().trim_start_matches('/')), asset.text()).unwrap();
    }
}
