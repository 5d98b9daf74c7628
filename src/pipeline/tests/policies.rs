//! What policies add to the chain: free writes, tickets, windows, agents' accounts, and sets that change.

use jiff::Timestamp;

use super::*;

/// Puts the profile with some policies besides into force.
fn enforce(desk: &Desk, own: &str) {
    desk.put_in_force(Profile::Standard, vec![Source::new("own.cedar", own)]);
}

const WRITES_NEED_A_TICKET: &str = r#"@id("ticket")
forbid (principal, action in Action::"write", resource) unless { context has ticket && context.ticket like "CHG-*" };"#;

const WRITES_NEED_A_WINDOW: &str =
    r#"@id("window") forbid (principal, action in Action::"write", resource) unless { context.windowOpen };"#;

const WRITES_ARE_CONFIRMED: &str =
    r#"@id("confirm") forbid (principal, action in Action::"write", resource) unless { context.confirmed };"#;

fn now(mut arguments: Value) -> Value {
    arguments["dry_run"] = json!(false);
    arguments
}

#[tokio::test]
async fn an_own_policy_makes_a_free_write_need_a_confirmation() {
    let desk = desk().await;
    enforce(&desk, WRITES_ARE_CONFIRMED);
    let person = Person::types(INSTANCE);
    assert_eq!(succeeded(desk.call("ec2_start_instances", now(start()), &person).await)["status"], "applied");
    assert_eq!(person.asked(), 1);
}

#[tokio::test]
async fn a_plan_without_its_ticket_can_be_looked_at_and_not_applied() {
    let desk = desk().await;
    enforce(&desk, WRITES_NEED_A_TICKET);
    let plan = desk.preview("ec2_start_instances", start()).await;
    assert_eq!(plan["needs"], json!(["a ticket"]));
    let person = Person::never_asked();
    let refused = desk.call("ec2_start_instances", apply(start(), &plan), &person).await;
    assert_eq!(code(refused), Code::NeedsTicket);
    desk.nothing_changed();
}

#[tokio::test]
async fn with_its_ticket_it_is_applied() {
    let desk = desk_of(cloud(), None, "[ticket]\npattern = \"CHG-[0-9]+\"\n").await;
    enforce(&desk, WRITES_NEED_A_TICKET);
    let mut arguments = start();
    arguments["ticket"] = json!("CHG-7");
    let plan = desk.preview("ec2_start_instances", arguments.clone()).await;
    assert_eq!(plan["needs"], json!(["nothing more"]));
    let applied = desk.call("ec2_start_instances", apply(arguments, &plan), &Person::never_asked()).await;
    assert_eq!(succeeded(applied)["status"], "applied");
}

#[tokio::test]
async fn outside_of_a_window_what_needs_one_is_refused_with_the_time_it_opens() {
    let text = "[windows]\ntime_zone = \"Europe/Berlin\"\nallowed = [\"Mon-Thu 09:00-16:00\"]\n";
    let desk = desk_of(cloud(), None, text).await;
    enforce(&desk, WRITES_NEED_A_WINDOW);
    let at = |time: &str| desk.clock.set(time.parse::<Timestamp>().unwrap());
    // a Friday
    at("2026-11-20T10:00:00Z");
    let plan = desk.preview("ec2_start_instances", start()).await;
    assert_eq!(plan["needs"], json!(["an open change window"]));
    let Answered::Refused(refused) =
        desk.call("ec2_start_instances", apply(start(), &plan), &Person::never_asked()).await
    else {
        panic!("not refused")
    };
    assert_eq!(refused.code, Code::WindowClosed);
    insta::assert_snapshot!(refused.message);
    desk.nothing_changed();
    // the Monday after: a plan says the same, whenever it is made
    at("2026-11-23T08:59:00Z");
    let plan = desk.preview("ec2_start_instances", start()).await;
    assert_eq!(plan["needs"], json!(["an open change window"]));
    let applied = desk.call("ec2_start_instances", apply(start(), &plan), &Person::never_asked()).await;
    assert_eq!(succeeded(applied)["status"], "applied");
}

#[tokio::test]
async fn a_window_that_closes_while_the_person_reads_is_closed() {
    let text = "[windows]\ntime_zone = \"UTC\"\nallowed = [\"Mon 09:00-16:00\"]\n";
    let desk = desk_of(cloud(), None, text).await;
    enforce(&desk, &format!("{WRITES_NEED_A_WINDOW}\n{WRITES_ARE_CONFIRMED}"));
    desk.clock.set("2026-11-23T15:59:00Z".parse().unwrap());
    let mut person = Person::types(INSTANCE);
    let clock = desk.clock.clone();
    person.meanwhile = Box::new(move || clock.set("2026-11-23T16:01:00Z".parse().unwrap()));
    let answer = desk.call("ec2_start_instances", now(start()), &person).await;
    assert_eq!(person.asked(), 1);
    assert_eq!(code(answer), Code::Forbidden);
    desk.nothing_changed();
}

#[tokio::test]
async fn an_answer_faster_than_reading_is_none_in_production() {
    let desk = desk().await;
    let mut arguments = now(start());
    arguments["account"] = json!("shop-prod");
    let hasty = Person::answers(Answer::Typed { text: INSTANCE.to_owned(), after: Duration::from_millis(900) });
    let answer = desk.call("ec2_start_instances", arguments, &hasty).await;
    assert_eq!(code(answer), Code::Forbidden);
    desk.nothing_changed();
}

#[tokio::test]
async fn an_agent_gets_nothing_of_an_account_that_is_not_its_own() {
    let text = "[agents.agent]\nroles = [\"operator\"]\naccounts = [\"shop-dev\"]\n";
    let desk = desk_of(cloud(), None, text).await;
    for (tool, arguments) in [
        ("ec2_describe_instances", json!({ "account": "shop-prod" })),
        ("ec2_terminate_instances", terminate("shop-prod")),
    ] {
        let answer = desk.call(tool, arguments, &Person::never_asked()).await;
        assert_eq!(code(answer), Code::Forbidden);
    }
    assert_eq!(desk.cloud.sent().len(), 0, "not even its state is read");
}

#[tokio::test]
async fn an_expired_agent_does_nothing() {
    let text = "[agents.agent]\nroles = [\"operator\"]\naccounts = [\"shop-dev\"]\nexpires = \"2026-12-01\"\n";
    let desk = desk_of(cloud(), None, text).await;
    desk.clock.set("2026-11-30T23:59:59Z".parse().unwrap());
    succeeded(desk.call("ec2_describe_instances", json!({ "account": "shop-dev" }), &Person::never_asked()).await);
    desk.clock.set("2026-12-01T00:00:00Z".parse().unwrap());
    for (tool, arguments) in
        [("ec2_describe_instances", json!({ "account": "shop-dev" })), ("ec2_start_instances", now(start()))]
    {
        assert_eq!(code(desk.call(tool, arguments, &Person::never_asked()).await), Code::Forbidden);
    }
    desk.nothing_changed();
}

#[tokio::test]
async fn a_plan_of_another_set_of_policies_is_previewed_again() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    enforce(&desk, WRITES_ARE_CONFIRMED);
    let person = Person::types(INSTANCE);
    let answer = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(answer), Code::PlanMismatch);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn policies_that_change_while_the_person_reads_void_the_answer() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let mut person = Person::types(INSTANCE);
    let pipeline = desk.pipeline.clone();
    person.meanwhile = Box::new(move || {
        let world = pipeline.world();
        let own = Source::new("own.cedar", WRITES_ARE_CONFIRMED);
        let _ = world.policies.replace(policies(&world.config, &world.catalog, Profile::Standard, vec![own]));
    });
    let answer = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(answer), Code::PlanMismatch);
    assert_eq!(person.asked(), 1);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_read_that_would_need_consent_can_not_be_had() {
    let desk = desk().await;
    enforce(&desk, r#"@id("r") forbid (principal, action in Action::"read", resource) unless { context.confirmed };"#);
    let answer = desk.call("ec2_describe_instances", json!({ "account": "shop-dev" }), &Person::never_asked()).await;
    assert_eq!(code(answer), Code::Forbidden);
    assert_eq!(desk.cloud.sent().len(), 0);
}

const SECRETS: &str = "[agents.agent]\nroles = [\"operator\", \"secrets\"]\naccounts = [\"shop-dev\"]\n";

fn api_key() -> Value {
    json!({
        "account": "shop-dev", "operation": "apigateway:GetApiKey",
        "arguments": { "apiKey": "k1", "includeValue": true }, "reason": "the client lost it",
    })
}

#[tokio::test]
async fn a_secret_by_the_family_of_changes_takes_the_role_for_secrets_and_is_not_shown() {
    let answers = || cloud().answers("apigateway:GetApiKey", json!({ "id": "k1", "value": "hunter2hunter2" }));
    let desk = desk_with(answers(), None).await;
    assert_eq!(code(desk.call("aws_change", api_key(), &Person::never_asked()).await), Code::Forbidden);

    let desk = desk_of(answers(), None, SECRETS).await;
    let plan = desk.preview("aws_change", api_key()).await;
    let person = Person::types("apigateway:GetApiKey in shop-dev");
    let applied = succeeded(desk.call("aws_change", apply(api_key(), &plan), &person).await);
    assert_eq!(applied["status"], "applied");
    assert!(!applied.to_string().contains("hunter2"), "{applied}");
    assert!(applied["result"]["withheld"].is_string(), "{applied}");
}

#[tokio::test]
async fn what_a_call_without_targets_holds_is_counted_by_its_longest_list() {
    let desk = desk().await;
    let objects = |count: usize| {
        let keys: Vec<Value> = (0..count).map(|number| json!({ "Key": format!("k{number}") })).collect();
        json!({
            "account": "shop-dev", "operation": "s3:DeleteObjects", "reason": "cleaning up",
            "arguments": { "Bucket": "carts", "Delete": { "Objects": keys } },
        })
    };
    let answer = desk.call("aws_change", objects(101), &Person::never_asked()).await;
    assert_eq!(code(answer), Code::Forbidden, "an agent touches at most 100 at once");
    desk.preview("aws_change", objects(20)).await;
}

#[tokio::test]
async fn where_tags_can_mean_production_a_call_without_targets_may_be_about_it() {
    let text = "[[tags]]\ntag = \"env\"\nvalue = \"prod*\"\nstage = \"prod\"\n";
    let desk = desk_of(cloud(), None, text).await;
    let volume = json!({
        "account": "shop-dev", "operation": "ec2:DeleteDhcpOptions", "arguments": { "DhcpOptionsId": "dopt-0aaaaaaaa" },
        "reason": "nobody seems to use it",
    });
    let plan = desk.preview("aws_change", volume.clone()).await;
    let answer = desk.call("aws_change", apply(volume, &plan), &Person::never_asked()).await;
    assert_eq!(code(answer), Code::NeedsSecondPerson);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_target_that_becomes_protected_while_the_person_reads_is_not_destroyed() {
    let text = "[[tags]]\ntag = \"keep\"\nprotected = true\n";
    let desk = desk_of(cloud(), None, text).await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let mut person = Person::types(INSTANCE);
    let cloud = desk.cloud.clone();
    let mut tagged = instance("stopped");
    tagged["Reservations"][0]["Instances"][0]["Tags"] = json!([{ "Key": "keep", "Value": "" }]);
    person.meanwhile = Box::new(move || cloud.change("ec2:DescribeInstances", tagged.clone()));
    let answer = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(answer), Code::Drift);
    desk.nothing_changed();
}
