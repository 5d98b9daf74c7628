//! What the person does with the form, in every version.

use super::*;
use crate::approval::ask::Answer;
use crate::mcp::server::VERSIONS;

#[tokio::test]
async fn the_right_text_confirms_in_every_version() {
    for version in VERSIONS {
        let session = Session::of(Act::Types("orders"), version.clone()).await;
        let result = session.wipe().await;
        assert_eq!(result.structured_content, Some(json!({ "done": "wiped" })), "{version}");
        assert_eq!((session.desk.wiped(), session.person.times_asked()), (1, 1), "{version}");
    }
}

#[tokio::test]
async fn nothing_but_the_exact_text_confirms() {
    let worthless = [
        (Act::Types("logs"), "another text"),
        (Act::Types(" orders "), "spaces around it are part of the text"),
        (Act::Types("ORDERS"), "another case"),
        (Act::Types(""), "an empty text"),
        (Act::Types("reject"), "accepted, and says no"),
        (Act::Accepts(None), "no content"),
        (Act::Accepts(Some(json!({}))), "an empty form"),
        (Act::Accepts(Some(json!({ "confirmation": true }))), "a boolean"),
        (Act::Accepts(Some(json!({ "confirmation": null }))), "null"),
        (Act::Accepts(Some(json!({ "confirmation": ["orders"] }))), "a list"),
        (Act::Accepts(Some(json!({ "confirm": "orders" }))), "another field"),
        (Act::Accepts(Some(json!({ "confirmation": "orders", "also": "this" }))), "a field too many"),
        (Act::Accepts(Some(json!("orders"))), "not a form"),
        (Act::Declines, "declined"),
        (Act::Cancels, "cancelled"),
    ];
    for version in VERSIONS {
        for (act, why) in &worthless {
            let session = Session::of(act.clone(), version.clone()).await;
            let result = session.wipe().await;
            assert_eq!(refusal_code(&result), "not_confirmed", "{version}: {why}");
            assert_eq!(session.person.times_asked(), 1, "{version}: {why}");
            assert_eq!((session.desk.wiped(), session.desk.refusals().await), (0, 1), "{version}: {why}");
        }
    }
}

#[tokio::test]
async fn the_text_arrives_as_it_was_typed() {
    for version in VERSIONS {
        let session = Session::of(Act::Types(" or\u{200B}ders\n"), version.clone()).await;
        session.wipe().await;
        let Some(Answer::Typed { text, .. }) = session.desk.last_answer() else { panic!("{version}") };
        assert_eq!(text, " or\u{200B}ders\n");
    }
}

#[tokio::test]
async fn a_client_without_forms_is_refused_and_that_is_recorded() {
    for version in VERSIONS {
        let session = Session::of(Act::HasNoForms, version.clone()).await;
        let result = session.wipe().await;
        assert_eq!(refusal_code(&result), "elicitation_unavailable", "{version}");
        assert_eq!(session.person.times_asked(), 0, "{version}");
        assert_eq!((session.desk.wiped(), session.desk.refusals().await), (0, 1), "{version}");
    }
}

#[tokio::test]
async fn a_client_that_declares_forms_and_fails_to_show_them_is_refused() {
    for version in OLDER {
        let session = Session::of(Act::FailsToShow, version).await;
        let result = session.wipe().await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(refusal_message(&result), @r"the client answered the form with an error: -32603 `no\nwindow`");
        }
        assert_eq!(refusal_code(&result), "elicitation_unavailable");
        assert_eq!(session.desk.wiped(), 0);
    }
}

#[tokio::test]
async fn a_person_who_does_not_answer_in_time_has_not_confirmed() {
    for version in OLDER {
        let session = Session::with_patience(Act::Ignores, version, Duration::from_millis(80)).await;
        let result = session.wipe().await;
        assert_eq!(refusal_message(&result), "not confirmed: timed out");
        let Some(Answer::TimedOut { after }) = session.desk.last_answer() else { panic!() };
        assert!(after >= Duration::from_millis(80), "{after:?}");
        // The client is told to take the form away.
        session.person.withdrawn.cancelled().await;
        assert_eq!(session.desk.wiped(), 0);
    }
}

#[tokio::test]
async fn asking_twice_in_a_call_gives_no_second_answer_in_the_newest_version() {
    let session = Session::of(Act::Types("orders"), NEWEST).await;
    let result = session.call("wipe_twice", json!({ "bucket": "orders" })).await;
    assert_eq!(refusal_message(&result), "the person was asked before in this call");
    assert_eq!(session.desk.wiped(), 0);
}

#[tokio::test]
async fn the_form_has_one_text_field_and_nothing_to_accept_by_default() {
    for version in VERSIONS {
        let session = Session::of(Act::Types("orders"), version.clone()).await;
        session.wipe().await;
        let form = serde_json::to_value(&session.person.asked.lock().unwrap()[0]).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(serde_json::to_string_pretty(&form).unwrap(), @r#"
            {
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
            "#);
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_for_progress_hears_that_the_person_is_waited_for() {
    for version in OLDER {
        let session = Session::with_patience(Act::Ignores, version, Duration::from_millis(130)).await;
        session.wipe().await;
        let told = session.person.told.lock().unwrap().clone();
        assert!(told.len() >= 2, "{told:?}");
        assert_eq!(told[0], "1 waiting for the person's confirmation");
        assert!(told[1].starts_with("2 "), "progress increases: {told:?}");
    }
}
