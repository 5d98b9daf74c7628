//! The sealed state of the newest version in an attacker's hands.

use rmcp::model::{CallToolResponse, InputRequiredResult, InputResponses};

use super::*;
use crate::approval::ask::{Answer, Prompt};
use crate::call::request::{Caller, ClientInfo, ToolRequest};
use crate::digest::Digest;
use crate::mcp::sealed::{Asked, Binding, Sealer};
use crate::names::{CallId, PlanId};
use crate::ports::Store;
use crate::testing::FailingStore;

/// A session in which the first call has been made, and what it came back with.
async fn asked() -> (Session, InputRequiredResult) {
    let session = Session::of(Act::Types("orders"), NEWEST).await;
    let question = session.client.call_tool_once(call("wipe", first_arguments())).await.unwrap();
    let CallToolResponse::InputRequired(question) = question else { panic!("{question:?}") };
    (session, question)
}

fn first_arguments() -> Value {
    json!({ "bucket": "orders", "plan_id": "plan-1" })
}

fn typed(text: &str) -> InputResponses {
    let form = json!({ "action": "accept", "content": { "confirmation": text } });
    InputResponses::from([("confirmation".to_owned(), form)])
}

impl Session {
    async fn answer_with(
        &self,
        tool: &'static str,
        arguments: Value,
        state: Option<&str>,
        responses: Option<InputResponses>,
    ) -> CallToolResult {
        let mut params = call(tool, arguments);
        params.request_state = state.map(str::to_owned);
        params.input_responses = responses;
        match self.client.call_tool_once(params).await.unwrap() {
            CallToolResponse::Complete(result) => result,
            other => panic!("{other:?}"),
        }
    }

    async fn answer(&self, state: &str) -> CallToolResult {
        self.answer_with("wipe", first_arguments(), Some(state), Some(typed("orders"))).await
    }
}

#[tokio::test]
async fn an_answer_counts_once() {
    let (session, question) = asked().await;
    let state = question.request_state.unwrap();
    assert_eq!(session.desk.wiped(), 0);
    assert_eq!(session.answer(&state).await.is_error, Some(false));
    assert_eq!(session.desk.wiped(), 1);
    let again = session.answer(&state).await;
    assert_eq!(refusal_message(&again), "the answer was used before");
    assert_eq!(session.desk.wiped(), 1);
}

#[tokio::test]
async fn the_desk_is_told_which_plan_an_authentic_answer_belongs_to() {
    let (session, question) = asked().await;
    session.answer("forged").await;
    session.answer(&question.request_state.unwrap()).await;
    let plan = PlanId::from_outside("plan-1");
    assert_eq!(*session.desk.resumed.lock().unwrap(), [None, None, Some(plan)]);
}

#[tokio::test]
async fn a_declined_question_can_not_be_accepted_later() {
    let (session, question) = asked().await;
    let state = question.request_state.unwrap();
    let declined = InputResponses::from([("confirmation".to_owned(), json!({ "action": "decline" }))]);
    let result = session.answer_with("wipe", first_arguments(), Some(&state), Some(declined)).await;
    assert_eq!(refusal_message(&result), "not confirmed: declined");
    assert_eq!(refusal_message(&session.answer(&state).await), "the answer was used before");
    assert_eq!(session.desk.wiped(), 0);
}

#[tokio::test]
async fn a_state_that_was_changed_anywhere_is_worthless() {
    let (session, question) = asked().await;
    let state = question.request_state.unwrap();
    let not_ours = "the state that came with the answer was not made by this server for this call";
    for at in (0..state.len()).step_by(7) {
        let mut bytes = state.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(refusal_message(&session.answer(&changed).await), not_ours, "changed at {at}");
    }
    for forged in ["", "x", "rs1.AAAA.AAAA", "null"] {
        assert_eq!(refusal_message(&session.answer(forged).await), not_ours);
    }
    assert_eq!(session.desk.wiped(), 0);
    // Failed attempts by others don't spoil the person's answer.
    assert_eq!(session.answer(&state).await.is_error, Some(false));
}

#[tokio::test]
async fn a_state_counts_only_for_the_very_call_it_was_made_for() {
    let other_calls = [
        ("wipe", json!({ "bucket": "orders", "plan_id": "plan-2" })),
        ("wipe", json!({ "bucket": "logs", "plan_id": "plan-1" })),
        ("wipe", json!({ "bucket": "orders", "plan_id": "plan-1", "force": true })),
        ("wipe", json!({ "bucket": "orders" })),
        ("wipe_twice", first_arguments()),
    ];
    for (tool, arguments) in other_calls {
        let (session, question) = asked().await;
        let result =
            session.answer_with(tool, arguments, question.request_state.as_deref(), Some(typed("orders"))).await;
        assert_eq!(refusal_code(&result), "not_confirmed");
        assert_eq!(session.desk.wiped(), 0);
    }
}

#[tokio::test]
async fn a_state_is_worthless_at_another_server() {
    let (_one, question) = asked().await;
    let (other, _) = asked().await;
    let result = other.answer(&question.request_state.unwrap()).await;
    assert_eq!(refusal_code(&result), "not_confirmed");
    assert_eq!(other.desk.wiped(), 0);
}

#[tokio::test]
async fn a_late_answer_is_worthless() {
    let (session, question) = asked().await;
    session.clock.advance(jiff::SignedDuration::from_secs(20));
    let result = session.answer(&question.request_state.unwrap()).await;
    assert_eq!(refusal_message(&result), "not confirmed: timed out");
    assert_eq!(session.desk.last_answer(), Some(Answer::TimedOut { after: Duration::from_secs(20) }));
    assert_eq!(session.desk.wiped(), 0);
}

#[tokio::test]
async fn the_time_a_person_took_is_measured_by_the_servers_clock() {
    let (session, question) = asked().await;
    session.clock.advance(jiff::SignedDuration::from_millis(4_321));
    session.answer(&question.request_state.unwrap()).await;
    let Some(Answer::Typed { after, .. }) = session.desk.last_answer() else { panic!() };
    assert_eq!(after, Duration::from_millis(4_321));
}

#[tokio::test]
async fn half_an_answer_is_worthless() {
    let (session, question) = asked().await;
    let state = question.request_state.unwrap();
    let stray = session.answer_with("wipe", first_arguments(), None, Some(typed("orders"))).await;
    assert_eq!(refusal_message(&stray), "an answer came without the state it belongs to");
    let silent = session.answer_with("wipe", first_arguments(), Some(&state), None).await;
    assert_eq!(refusal_message(&silent), "the call came back without the person's answer");
    assert_eq!(session.desk.wiped(), 0);
}

#[tokio::test]
async fn no_form_of_answer_but_mcps_is_understood() {
    for nonsense in [json!("orders"), json!({ "action": "approve" }), json!({ "confirmation": "orders" }), json!(true)]
    {
        let (session, question) = asked().await;
        let responses = InputResponses::from([("confirmation".to_owned(), nonsense)]);
        let state = question.request_state;
        let result = session.answer_with("wipe", first_arguments(), state.as_deref(), Some(responses)).await;
        assert_eq!(refusal_code(&result), "not_confirmed");
        assert_eq!(session.desk.wiped(), 0);
    }
}

#[tokio::test]
async fn the_state_does_not_hold_the_text_to_type() {
    let (_session, question) = asked().await;
    let state = question.request_state.unwrap();
    let readable: Vec<u8> = state
        .split('.')
        .filter_map(|part| {
            use base64::Engine as _;
            base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()
        })
        .flatten()
        .collect();
    let readable = String::from_utf8_lossy(&readable);
    assert!(readable.contains("expires_at") && !readable.contains("orders"), "{readable}");
}

#[tokio::test]
async fn a_suspended_call_is_a_question_with_one_form() {
    let (_session, mut question) = asked().await;
    question.request_state = Some("(sealed)".into());
    insta::assert_snapshot!(serde_json::to_string_pretty(&question).unwrap(), @r#"
    {
      "resultType": "input_required",
      "inputRequests": {
        "confirmation": {
          "method": "elicitation/create",
          "params": {
            "mode": "form",
            "message": "Delete bucket `orders` in shop-dev?\nType its name.",
            "requestedSchema": {
              "type": "object",
              "properties": {
                "confirmation": {
                  "type": "string",
                  "title": "Confirmation",
                  "description": "type orders to confirm"
                }
              },
              "required": [
                "confirmation"
              ]
            }
          }
        }
      },
      "requestState": "(sealed)"
    }
    "#);
}

fn request(caller: Caller) -> ToolRequest {
    let arguments = first_arguments().as_object().unwrap().clone();
    ToolRequest { call: CallId::fresh(), tool: "wipe".into(), arguments, caller }
}

fn caller() -> Caller {
    let client = ClientInfo { name: "a".into(), version: "1".into(), protocol: "2026-07-28".into() };
    Caller { agent: Agent::new("a"), human: Human::new("ana"), session: SessionId::new("s"), client, source: None }
}

fn prompt() -> Prompt {
    Prompt {
        plan: PlanId::from_outside("plan-1"),
        digest: Digest::of_bytes("t", b"plan"),
        text: "Delete?".into(),
        field_label: "type orders".into(),
        expected: "orders".into(),
    }
}

fn sealer(store: Arc<dyn Store>) -> Sealer {
    Sealer::new(&[7; 32], Arc::new(FixedClock::default()), store, Duration::from_secs(20)).unwrap()
}

#[tokio::test]
async fn a_state_counts_only_for_the_caller_it_was_made_for() {
    let desk = FakeDesk::open().await;
    let sealer = sealer(desk.store.clone());
    let sealed = sealer.seal(&Binding::of(&request(caller())).unwrap(), &Asked::form(&prompt()).unwrap()).unwrap();
    let client =
        |name: &str, protocol: &str| ClientInfo { name: name.into(), version: "1".into(), protocol: protocol.into() };
    let others = [
        Caller { agent: Agent::new("b"), ..caller() },
        Caller { human: Human::new("ben"), ..caller() },
        Caller { session: SessionId::new("t"), ..caller() },
        Caller { client: client("b", "2026-07-28"), ..caller() },
        Caller { client: client("a", "2025-11-25"), ..caller() },
    ];
    for other in others {
        let binding = Binding::of(&request(other)).unwrap();
        assert!(matches!(sealer.open(&binding, &sealed), Err(Answer::Void { .. })));
    }
    let question = sealer.open(&Binding::of(&request(caller())).unwrap(), &sealed).unwrap();
    assert_eq!(question.plan().as_str(), "plan-1");
    assert_eq!(sealer.redeem(question, &Asked::form(&prompt()).unwrap()).await, Ok(Duration::ZERO));
}

#[tokio::test]
async fn a_state_counts_only_for_the_question_that_was_asked() {
    let other_questions = [
        Prompt { digest: Digest::of_bytes("t", b"drifted"), ..prompt() },
        Prompt { text: "Delete it all?".into(), ..prompt() },
        Prompt { expected: "logs".into(), ..prompt() },
        Prompt { plan: PlanId::from_outside("plan-2"), ..prompt() },
    ];
    let desk = FakeDesk::open().await;
    let sealer = sealer(desk.store.clone());
    for other in other_questions {
        let binding = Binding::of(&request(caller())).unwrap();
        let sealed = sealer.seal(&binding, &Asked::form(&prompt()).unwrap()).unwrap();
        let question = sealer.open(&binding, &sealed).unwrap();
        let Err(Answer::Void { why }) = sealer.redeem(question, &Asked::form(&other).unwrap()).await else { panic!() };
        assert_eq!(why, "the answer is to another question than this call asks");
    }
}

#[tokio::test]
async fn a_store_that_can_not_tell_whether_an_answer_is_used_voids_it() {
    let sealer = sealer(Arc::new(FailingStore));
    let binding = Binding::of(&request(caller())).unwrap();
    let sealed = sealer.seal(&binding, &Asked::form(&prompt()).unwrap()).unwrap();
    let question = sealer.open(&binding, &sealed).unwrap();
    assert!(matches!(sealer.redeem(question, &Asked::form(&prompt()).unwrap()).await, Err(Answer::Void { .. })));
}

#[tokio::test]
async fn a_state_is_good_at_another_process_before_the_same_store_and_once() {
    let desk = FakeDesk::open().await;
    let (asks, restarted) = (sealer(desk.store.clone()), sealer(desk.store.clone()));
    let (binding, asked) = (Binding::of(&request(caller())).unwrap(), Asked::form(&prompt()).unwrap());
    let sealed = asks.seal(&binding, &asked).unwrap();
    let open = |sealer: &Sealer| sealer.open(&binding, &sealed).unwrap();
    assert_eq!(restarted.redeem(open(&restarted), &asked).await, Ok(Duration::ZERO));
    assert!(matches!(asks.redeem(open(&asks), &asked).await, Err(Answer::Void { .. })));
}

#[tokio::test]
async fn where_there_are_no_sessions_a_state_outlives_what_stands_for_one_and_nothing_else() {
    let desk = FakeDesk::open().await;
    let sealer = sealer(desk.store.clone());
    let binding = |caller: Caller| Binding::of(&request(caller)).unwrap().in_any_session();
    let sealed = sealer.seal(&binding(caller()), &Asked::form(&prompt()).unwrap()).unwrap();
    let elsewhere = Some("192.0.2.7".parse().unwrap());
    for same in [Caller { session: SessionId::new("t"), ..caller() }, Caller { source: elsewhere, ..caller() }] {
        assert!(sealer.open(&binding(same), &sealed).is_ok());
    }
    for other in [Caller { agent: Agent::new("b"), ..caller() }, Caller { human: Human::new("ben"), ..caller() }] {
        assert!(sealer.open(&binding(other), &sealed).is_err());
    }
    assert!(sealer.open(&Binding::of(&request(caller())).unwrap(), &sealed).is_err(), "a session's is another");
}
