//! Counters, budgets and breakers.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::call::refused::Code;
use crate::call::request::{Caller, ClientInfo};
use crate::names::{Agent, SessionId};
use crate::plan::filed::PlanState;
use crate::ports::{Breaker, BreakerScope, BudgetSpan, Counted, PlanFilter, StoreError, Tally};

/// The agent and the account of all test plans.
const ACCOUNT: &str = "111122223333";

fn refused_to(agent: &str, code: Code, at: Timestamp) -> Event {
    let caller = Caller {
        agent: Agent::new(agent),
        human: Human::new("dana"),
        session: SessionId::new("session-1"),
        client: ClientInfo::default(),
        source: None,
    };
    let what = What::Refused { code, message: "no".into(), operator_detail: None, plan: None };
    Event { at, call: None, caller: Some(caller), what }
}

/// A refusal that counts for the agent of all test plans.
pub(super) fn denial(at: Timestamp) -> Event {
    refused_to("agent", Code::NotConfirmed, at)
}

pub(super) async fn tally(store: &SqliteStore, plan: &FiledPlan, at: Timestamp) -> Tally {
    store.tally(&counted(plan), at).await.unwrap()
}

fn agents() -> BreakerScope {
    BreakerScope::Agent(Agent::new("agent"))
}

fn accounts() -> BreakerScope {
    BreakerScope::Account(ACCOUNT.into())
}

async fn open(store: &SqliteStore, scope: BreakerScope) -> bool {
    let (why, opened_at) = ("5 calls failed".to_owned(), after(10));
    let what = What::BreakerOpened { scope: scope.clone(), why: why.clone() };
    store.open_breaker(Breaker { scope, opened_at, why }, event(what)).await.unwrap()
}

async fn close(store: &SqliteStore, scope: &BreakerScope) -> bool {
    let what = What::BreakerClosed { scope: scope.clone(), by: "bob".into(), reason: "mended".into() };
    store.close_breaker(scope, event(what)).await.unwrap()
}

fn budgets(changes_per_session: u32, changes_per_hour: u32) -> BudgetsConfig {
    BudgetsConfig { changes_per_session, changes_per_hour }
}

/// Files, claims and settles a plan of its own.
async fn end_with(store: &SqliteStore, result: ResultWord, state: PlanState) -> FiledPlan {
    let plan = file(store, &["i-1"]).await;
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    store.settle(&plan.content.id, state, outcome(&plan, result)).await.unwrap();
    plan
}

#[tokio::test]
async fn only_a_no_by_policy_person_or_limit_is_a_denial() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let all = [
        Code::UnknownTool,
        Code::InvalidArguments,
        Code::UnknownAccountOrRegion,
        Code::TargetNotFound,
        Code::TargetUnreadable,
        Code::Forbidden,
        Code::NeedsSecondPerson,
        Code::NeedsPreview,
        Code::PreviewFailed,
        Code::PlanNotUsable,
        Code::PlanMismatch,
        Code::Drift,
        Code::ElicitationUnavailable,
        Code::NotConfirmed,
        Code::OverLimit,
        Code::TargetBusy,
        Code::AwsRefused,
        Code::OutcomeUnknown,
        Code::Internal,
    ];
    let mut counting = Vec::new();
    for code in all {
        let before = tally(&store, &plan, now()).await.denials_in_hour;
        store.append(vec![refused_to("agent", code, now()), refused_to("another", code, now())]).await.unwrap();
        if tally(&store, &plan, now()).await.denials_in_hour > before {
            counting.push(code);
        }
    }
    assert_eq!(counting, [Code::Forbidden, Code::NeedsSecondPerson, Code::NotConfirmed, Code::OverLimit]);
    let counts = tally(&store, &plan, now()).await;
    assert_eq!(counts, Tally { denials_in_hour: 4, ..Tally::default() });
    assert_eq!(tally(&store, &plan, after(3600)).await, Tally::default());
}

#[tokio::test]
async fn failed_and_unknown_outcomes_are_errors_of_the_plan_s_agent_and_account() {
    let place = Place::new();
    let store = place.open().await;
    end_with(&store, ResultWord::Applied, PlanState::Applied).await;
    end_with(&store, ResultWord::Failed, PlanState::Failed).await;
    let plan = end_with(&store, ResultWord::Unknown, PlanState::Unknown).await;
    let counts = tally(&store, &plan, after(60)).await;
    assert_eq!((counts.errors_in_hour, counts.account_errors_in_hour, counts.denials_in_hour), (2, 2, 0));
    assert_eq!((counts.changed_in_session, counts.changed_in_hour), (3, 3));

    let of = |agent: &str, account: &str| Counted {
        agent: Agent::new(agent),
        session: SessionId::new("session-1"),
        account: account.into(),
    };
    let other_agent = store.tally(&of("another", ACCOUNT), after(60)).await.unwrap();
    assert_eq!(other_agent, Tally { account_errors_in_hour: 2, ..Tally::default() });
    let other_account = store.tally(&of("agent", "999999999999"), after(60)).await.unwrap();
    assert_eq!((other_account.errors_in_hour, other_account.account_errors_in_hour), (2, 0));
    assert_eq!(tally(&store, &plan, after(3600)).await.errors_in_hour, 0);
}

#[tokio::test]
async fn a_plan_that_a_dead_process_left_counts_as_an_error() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    store.close().await;
    let store = place.open().await;
    for _ in 0..2 {
        store.orphans(&gone).await.unwrap();
        assert_eq!(tally(&store, &plan, after(60)).await.errors_in_hour, 1);
    }
}

#[tokio::test]
async fn budgets_count_resources_by_session_and_by_hour() {
    let place = Place::new();
    let store = place.open().await;
    let ask = |plan: &FiledPlan, session: &str, resources, at| Claim {
        who: Counted { session: SessionId::new(session), ..counted(plan) },
        resources,
        budgets: budgets(5, 8),
        now: at,
        ..claim(plan, &[])
    };
    let mut plans = Vec::new();
    for number in 0..6 {
        let mut plan = open_plan(&[&format!("i-{number}")], now()).unwrap();
        plan.content.expires_at = after(10_000);
        plan.digest = plan.content.digest().unwrap();
        store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
        plans.push(plan);
    }
    let [a, b, c, d, e, _] = &plans[..] else { panic!() };
    store.claim(ask(a, "s-1", 3, after(0)), intent(a)).await.unwrap();
    let over = store.claim(ask(b, "s-1", 3, after(1)), intent(b)).await.unwrap_err();
    assert!(matches!(over, StoreError::OverChanges { span: BudgetSpan::Session, most: 5, left: 2, asks: 3 }), "{over}");
    assert_eq!(over.to_string(), "the budget of 5 changed resources a session has 2 left, this call needs 3");
    // A claim that says nothing counts as one.
    store.claim(ask(b, "s-1", 0, after(1)), intent(b)).await.unwrap();
    store.claim(ask(c, "s-2", 4, after(2)), intent(c)).await.unwrap();
    let over = store.claim(ask(d, "s-3", 1, after(3)), intent(d)).await.unwrap_err();
    assert!(matches!(over, StoreError::OverChanges { span: BudgetSpan::Hour, most: 8, left: 0, asks: 1 }), "{over}");
    assert_eq!(count(&store, "intent").await, 3);

    // What left the hour is free again; the session's budget is not.
    store.claim(ask(d, "s-3", 3, after(3600)), intent(d)).await.unwrap();
    let over = store.claim(ask(e, "s-1", 2, after(7300)), intent(e)).await.unwrap_err();
    assert!(matches!(over, StoreError::OverChanges { span: BudgetSpan::Session, left: 1, .. }), "{over}");
    store.claim(ask(e, "s-1", 1, after(7300)), intent(e)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_do_not_overdraw_a_budget() {
    let place = Place::new();
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let mut tasks = Vec::new();
    for number in 0..24 {
        let store = Arc::clone(&stores[number % 2]);
        let plan = file(&store, &[&format!("i-{number}")]).await;
        let session = SessionId::new(format!("s-{}", number % 3));
        let who = Counted { session, ..counted(&plan) };
        let claim = Claim { who, resources: 2, budgets: budgets(6, 13), ..claim(&plan, &[]) };
        tasks.push(tokio::spawn(async move { (store.claim(claim, intent(&plan)).await, plan) }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            (Ok(()), _) => won += 1,
            (Err(StoreError::OverChanges { .. }), _) => {}
            (Err(error), _) => panic!("{error}"),
        }
    }
    // Three each in three sessions would be nine; the hour has room for six.
    assert_eq!(won, 6);
    assert_eq!(count(&stores[0], "intent").await, 6);
    let plan = file(&stores[0], &["i-1"]).await;
    assert_eq!(tally(&stores[1], &plan, after(60)).await.changed_in_hour, 12);
    intact(&stores[0]).await;
}

#[tokio::test]
async fn an_open_breaker_stops_claims_until_it_is_closed() {
    for scope in [agents(), accounts()] {
        let place = Place::new();
        let (store, other) = (place.open().await, place.open().await);
        let plan = file(&store, &["i-1"]).await;
        assert!(open(&other, scope.clone()).await);
        match store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap_err() {
            StoreError::BreakerOpen(breaker) => assert_eq!(breaker.scope, scope),
            error => panic!("{error}"),
        }
        assert_eq!(tally(&store, &plan, after(60)).await.open.len(), 1);
        // It outlives every process.
        store.close().await;
        other.close().await;
        let store = place.open().await;
        assert!(matches!(store.claim(claim(&plan, &[]), intent(&plan)).await, Err(StoreError::BreakerOpen(_))));
        assert_eq!(count(&store, "intent").await, 0);
        assert!(close(&store, &scope).await);
        store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    }
}

#[tokio::test]
async fn a_breaker_of_someone_else_stops_nobody() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    assert!(open(&store, BreakerScope::Agent(Agent::new(ACCOUNT))).await);
    assert!(open(&store, BreakerScope::Account("agent".into())).await);
    assert!(tally(&store, &plan, after(60)).await.open.is_empty());
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
}

#[tokio::test]
async fn a_breaker_opens_and_closes_once_however_many_try() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let (a, b) = tokio::join!(open(&one, agents()), open(&other, agents()));
    assert!(a != b);
    assert_eq!(count(&one, "breaker_opened").await, 1);
    let (a, b) = (agents(), agents());
    let (a, b) = tokio::join!(close(&one, &a), close(&other, &b));
    assert!(a != b);
    assert!(!close(&one, &accounts()).await);
    assert_eq!(count(&one, "breaker_closed").await, 1);
    assert!(other.breakers().await.unwrap().is_empty());
    intact(&one).await;
}

#[tokio::test]
async fn closing_forgets_what_was_counted_for_that_breaker_only() {
    let place = Place::new();
    let store = place.open().await;
    let plan = end_with(&store, ResultWord::Failed, PlanState::Failed).await;
    store.append(vec![denial(now())]).await.unwrap();
    assert!(!close(&store, &agents()).await);
    assert_eq!(tally(&store, &plan, after(60)).await.errors_in_hour, 1, "it was not open");
    assert!(open(&store, agents()).await && open(&store, accounts()).await);
    let both = store.breakers().await.unwrap();
    assert_eq!(both.iter().map(|breaker| breaker.scope.clone()).collect::<Vec<_>>(), [accounts(), agents()]);
    assert!(close(&store, &agents()).await);
    let counts = tally(&store, &plan, after(60)).await;
    assert_eq!((counts.errors_in_hour, counts.denials_in_hour, counts.account_errors_in_hour), (0, 0, 1));
    assert_eq!((counts.changed_in_hour, counts.open.len()), (1, 1), "a budget is not a breaker");
}

#[tokio::test]
async fn a_claim_counts_for_nobody_but_the_plan_s_agent_and_account() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let whos = [
        Counted { agent: Agent::new("another"), ..counted(&plan) },
        Counted { account: "999999999999".into(), ..counted(&plan) },
    ];
    for who in whos {
        let error = store.claim(Claim { who, ..claim(&plan, &[]) }, intent(&plan)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotGranted(_)), "{error}");
    }
    assert_eq!(tally(&store, &plan, after(60)).await, Tally::default());
}

#[tokio::test]
async fn a_refused_claim_counts_nothing() {
    let place = Place::new();
    let store = place.open().await;
    let (plan, busy) = (file(&store, &["i-1"]).await, file(&store, &["i-1"]).await);
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    assert!(matches!(store.claim(claim(&busy, &[]), intent(&busy)).await, Err(StoreError::TargetBusy { .. })));
    let again = store.settle(&busy.content.id, PlanState::Failed, outcome(&busy, ResultWord::Failed)).await;
    assert!(again.is_err());
    let counts = tally(&store, &plan, after(60)).await;
    assert_eq!((counts.changed_in_session, counts.errors_in_hour), (1, 0));
}

#[tokio::test]
async fn counts_and_breakers_are_there_after_opening_again_and_old_rows_are_not() {
    let place = Place::new();
    let store = place.open().await;
    let plan = end_with(&store, ResultWord::Failed, PlanState::Failed).await;
    store.append(vec![denial(now())]).await.unwrap();
    assert!(open(&store, accounts()).await);
    let before = tally(&store, &plan, after(60)).await;
    assert_eq!((before.changed_in_session, before.errors_in_hour, before.denials_in_hour), (1, 1, 1));
    store.close().await;
    let store = place.open().await;
    assert_eq!(tally(&store, &plan, after(60)).await, before);

    assert!(close(&store, &accounts()).await);
    let days = 2 * 24 * 3600;
    let mut late = open_plan(&["i-9"], after(days)).unwrap();
    late.content.agent = Agent::new("another");
    late.digest = late.content.digest().unwrap();
    store.file_plan(late.clone(), previewed(&late)).await.unwrap();
    store.claim(Claim { now: after(days + 60), ..claim(&late, &[]) }, intent(&late)).await.unwrap();
    store.append(vec![denial(after(days))]).await.unwrap();
    for (table, left) in [("changes", 1), ("sessions", 1), ("mishaps", 1)] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut place.raw().await).await.unwrap();
        assert_eq!(rows, left, "{table}");
    }
}

#[tokio::test]
async fn a_database_of_a_version_before_gets_the_new_tables() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let consent = grant(&store, &plan).await;
    store.close().await;
    place
        .tamper(
            "DROP TABLE changes; DROP TABLE sessions; DROP TABLE mishaps; DROP TABLE breakers; \
             DROP TABLE people; DROP TABLE proposals; DROP TABLE invitations; DROP TABLE signatures; \
             DROP TABLE cursors; DROP TABLE checkpoints; DROP TABLE plan_texts; \
             DROP INDEX plans_to_list; DROP INDEX one_approval_each; DROP INDEX grants_by_signer; \
             ALTER TABLE plans DROP COLUMN parked_at; ALTER TABLE plans DROP COLUMN input; \
             ALTER TABLE grants DROP COLUMN kind; ALTER TABLE grants DROP COLUMN signer; \
             DROP INDEX plans_stuck; ALTER TABLE plans DROP COLUMN kept; ALTER TABLE plans DROP COLUMN undone; \
             DROP TABLE steps; PRAGMA user_version = 1",
        )
        .await;
    assert!(crate::store::Reader::open(&place.path()).await.is_err());
    let store = place.open().await;
    for text in ["INSTANCE/I-1", "stopinst", "not used at night", plan.content.id.as_str()] {
        let filter = PlanFilter { text: Some(text.into()), limit: 2, ..PlanFilter::default() };
        assert_eq!(store.plans(filter, after(60)).await.unwrap(), std::slice::from_ref(&plan), "{text}");
    }
    store.claim(claim(&plan, &[&consent]), intent(&plan)).await.unwrap();
    assert_eq!(tally(&store, &plan, after(60)).await.changed_in_session, 1);
    assert_eq!(intact(&store).await, 3);
}

#[tokio::test]
async fn a_breaker_that_was_tampered_with_stops_everything() {
    let tampered = [
        "UPDATE breakers SET record = '{}'",
        "UPDATE breakers SET record = replace(record, '\"agent\"', '\"other\"')",
        "UPDATE breakers SET record = replace(record, '\"name\":\"agent\"', '\"name\":\"other\"')",
    ];
    for sql in tampered {
        let place = Place::new();
        let store = place.open().await;
        let plan = file(&store, &["i-1"]).await;
        assert!(open(&store, agents()).await);
        place.tamper(sql).await;
        let claimed = store.claim(claim(&plan, &[]), intent(&plan)).await;
        assert!(matches!(claimed, Err(StoreError::Failed(_))), "{sql}");
        assert!(store.tally(&counted(&plan), after(60)).await.is_err(), "{sql}");
        assert!(store.breakers().await.is_err(), "{sql}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Deny {
        agent: usize,
    },
    /// Claims, and settles where there is a result.
    Change {
        agent: usize,
        session: usize,
        resources: u32,
        result: Option<ResultWord>,
    },
    Open {
        agent: usize,
    },
    Close {
        agent: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let result = prop_oneof![
        Just(None),
        Just(Some(ResultWord::Applied)),
        Just(Some(ResultWord::Failed)),
        Just(Some(ResultWord::Unknown)),
    ];
    prop_oneof![
        2 => (0_i64..2500).prop_map(Step::Wait),
        3 => (0_usize..2).prop_map(|agent| Step::Deny { agent }),
        6 => (0_usize..2, 0_usize..2, 1_u32..4, result).prop_map(|(agent, session, resources, result)| {
            Step::Change { agent, session, resources, result }
        }),
        1 => (0_usize..2).prop_map(|agent| Step::Open { agent }),
        1 => (0_usize..2).prop_map(|agent| Step::Close { agent }),
        1 => Just(Step::Reopen),
    ]
}

const AGENTS: [&str; 2] = ["kiro", "codex"];
const SESSIONS: [&str; 2] = ["s-1", "s-2"];

/// What the store must come to: everything that happened, looked through from the start each time.
#[derive(Default)]
struct Model {
    now: i64,
    changes: Vec<(i64, usize, usize, u32)>,
    errors: Vec<(i64, usize)>,
    denials: Vec<(i64, usize)>,
    account_errors: Vec<i64>,
    open: [bool; 2],
}

impl Model {
    const BUDGETS: BudgetsConfig = BudgetsConfig { changes_per_session: 9, changes_per_hour: 6 };

    fn recent(&self, at: i64) -> bool {
        at > self.now - 3600
    }

    fn sums(&self, agent: usize, session: usize) -> [u32; 5] {
        let mine = |of: &&(i64, usize, usize, u32)| of.1 == agent;
        let counted = |of: &[(i64, usize)]| {
            u32::try_from(of.iter().filter(|(at, whose)| *whose == agent && self.recent(*at)).count()).unwrap()
        };
        [
            self.changes.iter().filter(mine).filter(|of| of.2 == session).map(|of| of.3).sum(),
            self.changes.iter().filter(mine).filter(|of| self.recent(of.0)).map(|of| of.3).sum(),
            counted(&self.errors),
            counted(&self.denials),
            u32::try_from(self.account_errors.iter().filter(|at| self.recent(**at)).count()).unwrap(),
        ]
    }

    async fn take(&mut self, step: &Step, store: &SqliteStore, number: usize) {
        let at = after(self.now);
        match step {
            Step::Wait(seconds) => self.now += seconds,
            Step::Deny { agent } => {
                store.append(vec![refused_to(AGENTS[*agent], Code::Forbidden, at)]).await.unwrap();
                self.denials.push((self.now, *agent));
            }
            Step::Change { agent, session, resources, result } => {
                let mut plan = open_plan(&[&format!("i-{number}")], at).unwrap();
                plan.content.agent = Agent::new(AGENTS[*agent]);
                plan.digest = plan.content.digest().unwrap();
                store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
                let who = Counted { session: SessionId::new(SESSIONS[*session]), ..counted(&plan) };
                let ask = Claim { who, resources: *resources, budgets: Self::BUDGETS, now: at, ..claim(&plan, &[]) };
                let [in_session, in_hour, ..] = self.sums(*agent, *session);
                let fits = in_session + resources <= 9 && in_hour + resources <= 6 && !self.open[*agent];
                let claimed = store.claim(ask, intent(&plan)).await;
                assert_eq!(claimed.is_ok(), fits, "{claimed:?}");
                if !fits {
                    return;
                }
                self.changes.push((self.now, *agent, *session, *resources));
                let Some(result) = result else { return };
                let state = match result {
                    ResultWord::Applied => PlanState::Applied,
                    ResultWord::Failed => PlanState::Failed,
                    ResultWord::Unknown => PlanState::Unknown,
                };
                let ended = Event { at, ..outcome(&plan, *result) };
                store.settle(&plan.content.id, state, ended).await.unwrap();
                if *result != ResultWord::Applied {
                    self.errors.push((self.now, *agent));
                    self.account_errors.push(self.now);
                }
            }
            Step::Open { agent } => {
                let scope = BreakerScope::Agent(Agent::new(AGENTS[*agent]));
                assert_eq!(open(store, scope).await, !self.open[*agent]);
                self.open[*agent] = true;
            }
            Step::Close { agent } => {
                let scope = BreakerScope::Agent(Agent::new(AGENTS[*agent]));
                assert_eq!(close(store, &scope).await, self.open[*agent]);
                if std::mem::take(&mut self.open[*agent]) {
                    self.errors.retain(|(_, whose)| whose != agent);
                    self.denials.retain(|(_, whose)| whose != agent);
                }
            }
            Step::Reopen => {}
        }
    }

    async fn agrees(&self, store: &SqliteStore) {
        for (agent, name) in AGENTS.iter().enumerate() {
            for (session, of) in SESSIONS.iter().enumerate() {
                let who = Counted { agent: Agent::new(*name), session: SessionId::new(*of), account: ACCOUNT.into() };
                let counts = store.tally(&who, after(self.now)).await.unwrap();
                let sums = [
                    counts.changed_in_session,
                    counts.changed_in_hour,
                    counts.errors_in_hour,
                    counts.denials_in_hour,
                    counts.account_errors_in_hour,
                ];
                assert_eq!(sums, self.sums(agent, session));
                assert_eq!(!counts.open.is_empty(), self.open[agent]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_are_those_of_a_simple_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let mut store = place.open().await;
            let mut model = Model::default();
            for (number, step) in steps.iter().enumerate() {
                if matches!(step, Step::Reopen) {
                    store.close().await;
                    store = place.open().await;
                }
                model.take(step, &store, number).await;
            }
            model.agrees(&store).await;
            intact(&store).await;
        });
    }
}
