//! What clients read besides tools: prompts and resources, through the real binary, in all versions.

use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams, ResourceContents};
use serde_json::{Value, json};

use crate::support::{Act, Installation, Session, Stub, VERSIONS};

async fn read(session: &Session, uri: &str) -> Result<(String, String), String> {
    match session.client().read_resource(ReadResourceRequestParams::new(uri)).await {
        Ok(result) => match result.contents.first() {
            Some(ResourceContents::TextResourceContents { text, mime_type, .. }) => {
                Ok((text.clone(), mime_type.clone().unwrap_or_default()))
            }
            other => panic!("{other:?}"),
        },
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn manifests_plans_and_the_record_of_the_session_are_read_and_that_is_on_record() {
    for version in VERSIONS {
        let stub = Stub::start().await;
        let installation = Installation::before_stub(&stub);
        let session = Session::start(&installation, version, Act::Declines).await;
        let listed = session.client().list_all_resources().await.unwrap();
        let templates = session.client().list_all_resource_templates().await.unwrap();
        assert_eq!((listed.len(), templates.len()), (3, 2));

        let (manifest, kind) = read(&session, "countersign://manifests/ec2_terminate_instances").await.unwrap();
        assert_eq!(kind, "application/yaml");
        assert!(manifest.contains("operation: ec2:TerminateInstances"), "{manifest}");
        let (index, _) = read(&session, "countersign://manifests").await.unwrap();
        let index: Value = serde_json::from_str(&index).unwrap();
        assert!(index["tools"].as_array().unwrap().iter().any(|tool| tool["tool"] == "aws_change"), "{index}");

        session.call("whoami", json!({})).await;
        let (plans, _) = read(&session, "countersign://plans").await.unwrap();
        assert_eq!(plans, r#"{"plans":[]}"#);
        let (record, _) = read(&session, "countersign://session/record").await.unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        let tools: Vec<&Value> =
            record["entries"].as_array().unwrap().iter().map(|entry| &entry["what"]["tool"]).collect();
        assert!(tools.contains(&&json!("whoami")) && tools.contains(&&json!("resources/read")), "{record}");

        for uri in ["countersign://manifests/none", "countersign://plans/plan-of-nobody", "file:///etc/passwd", ""] {
            let told = read(&session, uri).await.unwrap_err();
            assert!(told.contains("there is no"), "{told}");
        }
        session.end().await;
        assert_eq!(installation.record().refusals().len(), 4);
    }
}

#[tokio::test]
async fn another_session_s_entries_are_not_shown() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let first = Session::start(&installation, VERSIONS[1].clone(), Act::Declines).await;
    first.call("find_operations", json!({ "query": "queues" })).await;
    first.end().await;
    let second = Session::start(&installation, VERSIONS[1].clone(), Act::Declines).await;
    let (record, _) = read(&second, "countersign://session/record").await.unwrap();
    assert!(!record.contains("find_operations"), "{record}");
    second.end().await;
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    for version in VERSIONS {
        let session = Session::start(&installation, version, Act::Declines).await;
        let names: Vec<String> =
            session.client().list_all_prompts().await.unwrap().into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["investigate", "propose_change", "roll_back"]);
        let arguments = json!({ "plan_id": "plan-1" }).as_object().unwrap().clone();
        let got = session.client().get_prompt(GetPromptRequestParams::new("roll_back").with_arguments(arguments)).await;
        let text = serde_json::to_string(&got.unwrap().messages).unwrap();
        assert!(text.contains("Roll back the plan `plan-1`"), "{text}");
        let slip = session.client().get_prompt(GetPromptRequestParams::new("roll_back")).await.unwrap_err();
        assert!(slip.to_string().contains("needs the argument `plan_id`"), "{slip}");
        session.end().await;
    }
}
