//! Steps about one thing that are harmless one by one: recognised over sessions, agents, tools and families, and judged by
//! the worst of them. And families, which are no way around a tool.

use super::*;

/// Tools that only write, and say that they make anew and that they weaken; and two agents of ann's.
async fn desk_with_steps() -> Desk {
    let tools = tempfile::tempdir().unwrap();
    let start = include_str!("../../../tool-manifests/ec2/ec2_start_instances.yaml");
    for (name, operation, is) in
        [("ec2_revive", "ec2:StartInstances", "create"), ("ec2_unwatch", "ec2:UnmonitorInstances", "weaken")]
    {
        let text = start.replace("tool: ec2_start_instances", &format!("tool: {name}"));
        let text = text.replace("ec2:StartInstances", operation);
        let text = text.replace("\nwarn:", &format!("\nsteps: [{{ is: {is} }}]\nwarn:"));
        std::fs::write(tools.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let agents: String = ["agent", "other"]
        .map(|name| format!("[agents.{name}]\nroles = [\"operator\"]\naccounts = [\"shop-dev\", \"shop-prod\"]\n"))
        .concat();
    let manifests = format!("[manifests]\nfolders = [\"{}\"]\n", tools.path().display());
    let cloud = cloud().answers("ec2:UnmonitorInstances", json!({}));
    desk_of(cloud, None, &format!("{manifests}{agents}")).await
}

fn revive() -> Value {
    json!({ "InstanceIds": [INSTANCE], "account": "shop-dev", "reason": "it is made anew" })
}

fn with_family(operation: &str, arguments: Value) -> Value {
    json!({ "operation": operation, "arguments": arguments, "account": "shop-dev", "reason": "it is made anew" })
}

impl Desk {
    async fn terminated(&self) {
        let plan = self.preview("ec2_terminate_instances", terminate("shop-dev")).await;
        let call = apply(terminate("shop-dev"), &plan);
        let applied = self.call("ec2_terminate_instances", call, &Person::types(INSTANCE)).await;
        assert_eq!(succeeded(applied)["status"], "applied");
    }

    async fn call_from(&self, agent: &str, session: &str, tool: &str, arguments: Value) -> Answered {
        let request = ToolRequest {
            call: CallId::fresh(),
            tool: tool.to_owned(),
            arguments: arguments.as_object().unwrap().clone(),
            caller: Caller {
                agent: Agent::new(agent),
                human: Human::new("ann"),
                session: SessionId::new(session),
                client: ClientInfo::default(),
                source: None,
            },
        };
        let person = Person::never_asked();
        self.pipeline.handle(request, &person, CancellationToken::new()).await.unwrap().answer().clone()
    }
}

#[tokio::test]
async fn a_create_after_a_delete_is_judged_by_the_delete() {
    let desk = desk_with_steps().await;
    assert_eq!(desk.preview("ec2_revive", revive()).await["effect"], "write");
    desk.terminated().await;
    let plan = desk.preview("ec2_revive", revive()).await;
    assert_eq!(plan["effect"], "irreversible");
    let chain = format!("second step of a delete-and-recreate of `{INSTANCE}`");
    assert_eq!(plan["raised"][0]["because"], json!(chain));
    assert_eq!(plan["chains"][0]["earlier"][0]["is"], "delete");
    let mut at_once = revive();
    at_once["dry_run"] = json!(false);
    assert_eq!(code(desk.call("ec2_revive", at_once, &Person::never_asked()).await), Code::NeedsPreview);
    let person = Person::types(INSTANCE);
    let applied = desk.call("ec2_revive", apply(revive(), &plan), &person).await;
    assert_eq!(succeeded(applied)["status"], "applied");
    let prompt = person.asked.lock().unwrap()[0].text.clone();
    assert!(prompt.contains(&format!("This is the {chain}. Done before: deletes at 2026")), "{prompt}");
}

#[tokio::test]
async fn neither_another_session_nor_another_agent_of_the_same_human_forgets() {
    let desk = desk_with_steps().await;
    desk.terminated().await;
    for (agent, session) in [("agent", "another"), ("other", "s")] {
        let plan = succeeded(desk.call_from(agent, session, "ec2_revive", revive()).await);
        assert_eq!(plan["effect"], "irreversible", "{agent} {session}");
    }
    let day = desk.pipeline.world().config.limits.chain;
    desk.clock.advance(SignedDuration::try_from(day).unwrap());
    let plan = succeeded(desk.call_from("agent", "s", "ec2_revive", revive()).await);
    assert_eq!((&plan["effect"], &plan["chains"]), (&json!("write"), &json!([])), "what is older is no part of it");
}

#[tokio::test]
async fn a_step_between_preview_and_call_needs_a_new_preview() {
    let desk = desk_with_steps().await;
    let plan = desk.preview("ec2_revive", revive()).await;
    desk.terminated().await;
    let changes = desk.cloud.changes().len();
    let refused = desk.call("ec2_revive", apply(revive(), &plan), &Person::never_asked()).await;
    match &refused {
        Answered::Refused(refused) => assert!(refused.to_string().contains("judged") || refused.code == Code::Drift),
        other => panic!("{other:?}"),
    }
    assert!(matches!(code(refused), Code::Drift | Code::PlanMismatch));
    assert_eq!(desk.cloud.changes().len(), changes);
}

#[tokio::test]
async fn open_plans_about_the_same_thing_are_told() {
    let desk = desk_with_steps().await;
    let first = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let second = desk.preview("ec2_revive", revive()).await;
    assert_eq!(second["other_open_plans"][0]["plan"], first["plan_id"]);
    // Told, and no part of what must be the same.
    let third = desk.preview("ec2_unwatch", revive()).await;
    assert_eq!(third["other_open_plans"].as_array().unwrap().len(), 2);
    let applied = desk.call("ec2_revive", apply(revive(), &second), &Person::never_asked()).await;
    assert_eq!(succeeded(applied)["status"], "applied");
}

#[tokio::test]
async fn a_family_s_call_is_a_step_about_the_names_in_its_arguments() {
    let cloud = cloud().answers("elasticbeanstalk:DeleteConfigurationTemplate", json!({}));
    let desk = desk_with(cloud, None).await;
    let names = json!({ "ApplicationName": "shop", "TemplateName": "prod-orders" });
    let call = with_family("elasticbeanstalk:DeleteConfigurationTemplate", names);
    let plan = desk.preview("aws_change", call.clone()).await;
    let text = "elasticbeanstalk:DeleteConfigurationTemplate in shop-dev";
    let applied = desk.call("aws_change", apply(call, &plan), &Person::types(text)).await;
    assert_eq!(succeeded(applied)["status"], "applied");
    let names = json!({ "ApplicationName": "other", "TemplateName": "PROD-Orders", "Description": "x" });
    let plan = desk.preview("aws_change", with_family("elasticbeanstalk:CreateConfigurationTemplate", names)).await;
    assert_eq!(plan["chains"][0]["kind"], "recreate");
    assert_eq!(plan["chains"][0]["thing"], "PROD-Orders");
    // By the name of an ARN too, and the other way round.
    desk.terminated().await;
    let names = json!({ "RecoveryPointArn": INSTANCE, "Metadata": {} });
    let plan = desk.preview("aws_change", with_family("backup:StartRestoreJob", names)).await;
    assert_eq!(plan["chains"], json!([]), "it starts something, and takes nothing");
}

#[tokio::test]
async fn a_family_s_call_of_a_declared_operation_is_the_tool_s() {
    let desk = desk().await;
    let call = json!({
        "operation": "ec2:TerminateInstances", "arguments": { "InstanceIds": [INSTANCE] }, "account": "shop-dev",
        "reason": "it is not needed any more",
    });
    let plan = desk.preview("aws_change", call.clone()).await;
    assert_eq!(plan["dependents"][0]["count"], 1, "its preview is the tool's");
    let direct = apply(terminate("shop-dev"), &plan);
    assert_eq!(code(desk.call("aws_change", apply(call, &plan), &Person::types("no")).await), Code::NotConfirmed);
    let applied = desk.call("ec2_terminate_instances", direct, &Person::types(INSTANCE)).await;
    assert_eq!(succeeded(applied)["status"], "applied", "and its plan is the tool's");
    let records = desk.pipeline.world().store.records(1, 1).await.unwrap();
    assert!(records[0].event.contains("\"tool\":\"ec2_terminate_instances\""), "{}", records[0].event);
}

#[tokio::test]
async fn a_policy_that_forbids_the_tool_forbids_its_operation_through_a_family() {
    let desk = desk().await;
    let own = r#"@id("never") forbid (principal, action in Action::"ec2_terminate_instances", resource);"#;
    desk.put_in_force(Profile::Standard, vec![Source::new("own.cedar", own)]);
    let call = json!({
        "operation": "ec2:TerminateInstances", "arguments": { "InstanceIds": [INSTANCE] }, "account": "shop-dev", "reason": "r",
    });
    assert_eq!(code(desk.call("aws_change", call.clone(), &Person::never_asked()).await), Code::Forbidden);
    assert_eq!(code(desk.call("aws_read", call, &Person::never_asked()).await), Code::InvalidArguments);
    desk.nothing_changed();
}
