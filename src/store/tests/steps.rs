//! Steps about things: found again, and judged once more when a plan is claimed.

use super::*;
use crate::names::{Agent, Human, StepKind};
use crate::plan::chain::{PlannedStep, recognise};
use crate::plan::filed::{PlanState, Undoes};
use crate::ports::{StepsAsked, StepsFound, StoreError};

/// A plan that does something to a table, made for a human by an agent.
fn step(is: StepKind, thing: &str, agent: &str, human: &str) -> FiledPlan {
    let mut plan = open_plan(&["i-1"], now()).unwrap();
    let id = plan.content.id.clone();
    for target in &mut plan.content.targets {
        target.arn = format!("arn:of:{id}");
    }
    plan.content.agent = Agent::new(agent);
    plan.content.human = Human::new(human);
    plan.content.obligations.clear();
    plan.content.steps = vec![PlannedStep { is, of: thing.to_owned() }];
    plan.digest = plan.content.digest().unwrap();
    plan
}

fn undoes(plan: &FiledPlan) -> Undoes {
    let (plan, title) = (plan.content.id.clone(), plan.content.title.clone());
    Undoes { plan, title, targets: Vec::new(), loses: Vec::new(), since: Vec::new(), by_hand: None }
}

async fn filed(store: &SqliteStore, plan: FiledPlan) -> FiledPlan {
    store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    plan
}

fn asked(agent: &str, human: &str) -> StepsAsked {
    let plan = step(StepKind::Stop, "x", agent, human).content;
    StepsAsked {
        agent: plan.agent,
        human: plan.human,
        account: plan.account.id,
        since: now(),
        own: plan.id,
        undone: None,
    }
}

async fn kinds(store: &SqliteStore, agent: &str, human: &str) -> (Vec<StepKind>, Vec<StepKind>) {
    let StepsFound { taken, open } = store.steps(&asked(agent, human), after(120)).await.unwrap();
    // Those of one moment come in any order.
    let kinds = |steps: Vec<crate::plan::chain::EarlierStep>| {
        let mut kinds: Vec<StepKind> = steps.into_iter().map(|step| step.is).collect();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        kinds
    };
    (kinds(taken), kinds(open))
}

#[tokio::test]
async fn steps_are_those_of_the_agent_and_for_the_human_in_the_account() {
    let place = Place::new();
    let store = place.open().await;
    let first = filed(&store, step(StepKind::Stop, "arn:x", "agent", "ann")).await;
    filed(&store, step(StepKind::Delete, "arn:x", "another", "Ann")).await;
    filed(&store, step(StepKind::Detach, "arn:x", "another", "bob")).await;
    assert_eq!(kinds(&store, "agent", "ann").await, (vec![], vec![StepKind::Delete, StepKind::Stop]));
    store.claim(claim(&first, &[]), intent(&first)).await.unwrap();
    assert_eq!(kinds(&store, "agent", "cleo").await, (vec![StepKind::Stop], vec![]));
    assert_eq!(kinds(&store, "somebody", "ANN").await, (vec![StepKind::Stop], vec![StepKind::Delete]));
    let mut elsewhere = asked("agent", "ann");
    elsewhere.account = "999999999999".to_owned();
    assert_eq!(store.steps(&elsewhere, after(120)).await.unwrap(), StepsFound::default());
    let mut later = asked("agent", "ann");
    later.since = after(60);
    assert_eq!(store.steps(&later, after(120)).await.unwrap().taken, vec![]);
    store.settle(&first.content.id, PlanState::Failed, outcome(&first, ResultWord::Failed)).await.unwrap();
    assert_eq!(kinds(&store, "agent", "cleo").await, (vec![], vec![]), "what failed changed nothing");
}

#[tokio::test]
async fn of_two_steps_at_once_the_second_is_judged_anew() {
    let place = Place::new();
    let store = place.open().await;
    let create = filed(&store, step(StepKind::Create, "arn:aws:x:table/orders", "agent", "ann")).await;
    let delete = filed(&store, step(StepKind::Delete, "arn:aws:x:table/Orders", "other", "ann")).await;
    store.claim(claim(&delete, &[]), intent(&delete)).await.unwrap();
    let error = store.claim(claim(&create, &[]), intent(&create)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotGranted(_)), "{error}");

    // One that undoes the other is no further step after it.
    store.settle(&delete.content.id, PlanState::Applied, outcome(&delete, ResultWord::Applied)).await.unwrap();
    let mut back = step(StepKind::Create, "arn:aws:x:table/orders", "agent", "ann");
    back.content.undoes = Some(undoes(&delete));
    back.digest = back.content.digest().unwrap();
    let asking = StepsAsked { undone: Some(delete.content.id.clone()), ..asked("agent", "ann") };
    assert_eq!(store.steps(&asking, after(120)).await.unwrap().taken, vec![]);
    let back = filed(&store, back).await;
    store.claim(claim(&back, &[]), intent(&back)).await.unwrap();
    store.settle(&back.content.id, PlanState::Failed, outcome(&back, ResultWord::Failed)).await.unwrap();

    // A plan that knows the step before can be claimed.
    let mut knowing = step(StepKind::Create, "arn:aws:x:table/orders", "agent", "ann");
    let found = store.steps(&asked("agent", "ann"), after(120)).await.unwrap();
    knowing.content.chains = recognise(&knowing.content.steps, &found.taken);
    assert_eq!(knowing.content.chains.len(), 1);
    knowing.digest = knowing.content.digest().unwrap();
    let knowing = filed(&store, knowing).await;
    store.claim(claim(&knowing, &[]), intent(&knowing)).await.unwrap();
}
