//! 4: approve one thing, do another.

use super::*;
use crate::support::{NEWEST, OLDER, VERSIONS, repository, with};

#[tokio::test]
async fn t04_a_plan_is_good_for_exactly_the_call_that_was_previewed() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(OTHER)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let others = [
            ("ec2_terminate_instances", json!({ "InstanceIds": [OTHER] }), "another target"),
            ("ec2_terminate_instances", json!({ "InstanceIds": [WEB, OTHER] }), "one target more"),
            ("ec2_terminate_instances", json!({ "reason": "another one than was shown" }), "another reason"),
            ("ec2_stop_instances", json!({}), "another tool"),
            ("ec2_terminate_instances", json!({ "account": "shop-prod" }), "another account"),
        ];
        for (tool, change, why) in others {
            for text in [WEB, OTHER] {
                session.now(Act::types(text));
                let answer = session.call(tool, with(&apply, change.clone())).await;
                let message = scene.refused(&answer, "plan_mismatch");
                assert!(message.contains("not the one that was previewed"), "{version}: {why}: {message}");
            }
        }
        assert!(session.forms().is_empty(), "{version}: nobody was asked for the wrong thing");
    }
}

#[tokio::test]
async fn t04_an_answer_to_one_question_is_none_to_another() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::Declines).await;
    let one = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let other = session.preview("ec2_terminate_instances", &terminate(OTHER)).await;
    let question = session.asked("ec2_terminate_instances", one.clone()).await;
    let state = question.request_state.unwrap();
    for text in [WEB, OTHER] {
        let answer = session.answer("ec2_terminate_instances", other.clone(), &state, text).await;
        scene.refused(&answer, "not_confirmed");
    }
    let swapped = with(&one, json!({ "InstanceIds": [OTHER] }));
    let answer = session.answer("ec2_terminate_instances", swapped, &state, WEB).await;
    scene.refused(&answer, "plan_mismatch");
}

#[tokio::test]
async fn t04_what_the_person_reads_is_what_is_done() {
    for version in [&OLDER[1], &NEWEST] {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        session.call("ec2_terminate_instances", apply).await.applied();
        let forms = session.forms();
        let text = forms[0]["message"].as_str().unwrap();
        for said in [WEB, "orders-web-1", "shop-dev", "eu-central-1", "IRREVERSIBLE", "ann", "test-agent"] {
            assert!(text.contains(said), "{version}: `{said}` is missing in\n{text}");
        }
        assert!(!text.contains(OTHER), "{text}");
        scene.terminated_once();
        assert_eq!(scene.stub.instance(OTHER).state, "running");
        // And under credentials of the role for changes, minted for this one call.
        let signer = scene.stub.signers("TerminateInstances").pop().unwrap();
        assert!(signer.starts_with("ASIA-countersign-change-"), "{signer}");
    }
}

#[tokio::test]
async fn t04_a_manifest_that_changed_since_the_preview_is_another_thing() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    session.end().await;

    let shipped = repository().join("tool-manifests/ec2/ec2_terminate_instances.yaml");
    let edited = std::fs::read_to_string(shipped).unwrap().replace("title: Terminate", "title: Tidy up");
    scene.installation.write("mine/ec2_terminate_instances.yaml", &edited);
    let Scene { stub, installation } = scene;
    let folders = toml_edit::Array::from_iter(["mine"]);
    let scene = Scene { stub, installation: installation.set("manifests.folders", folders) };
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let answer = session.call("ec2_terminate_instances", apply).await;
    let message = scene.refused(&answer, "plan_mismatch");
    assert!(message.contains("manifest changed"), "{message}");
    assert!(session.forms().is_empty());

    // Which manifests were in force when is on record.
    let record = scene.installation.record();
    let started = record.of_kind("started");
    assert_eq!(started.len(), 2);
    assert_ne!(started[0]["manifests"], started[1]["manifests"]);
    assert_ne!(started[0]["config"], started[1]["config"]);
}
