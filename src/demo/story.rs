//! The story itself, scene by scene.

use serde_json::{Value, json};

use super::client::Person;
use super::play::{Broken, Play};
use super::record;

/// Tells it all.
pub(super) async fn tell(play: &mut Play<'_>) -> Result<(), Broken> {
    look_around(play).await?;
    let plan = ask_to_delete(play).await?;
    apply_alone(play, &plan).await?;
    look_for_ways_around(play).await?;
    tricks_in_dev(play).await?;
    harmless_change(play).await?;
    record::verify_and_tamper(play).await
}

async fn look_around(play: &mut Play<'_>) -> Result<(), Broken> {
    play.stage.scene("An agent looks around")?;
    play.stage.tell(
        "A coding agent has been asked why the orders service is slow. It works for ann, through countersign, in two \
         accounts: shop-dev and shop-prod. Reading is free.",
    )?;
    let tools = play.tools().await?;
    play.stage.says("server", &format!("{} tools: {}", tools.len(), tools.join(", ")))?;
    play.stage.expect(tools.len() <= 30, "all tools fit on the one page that every client shows")?;
    play.stage.verbatim("\n")?;
    let stack = json!({
        "account": "shop-prod",
        "operation": "cloudformation:DescribeStackResources",
        "arguments": { "StackName": "shop-orders" },
    });
    let answer = play.call("aws_read", &stack, None, 4).await?;
    play.stage.expect(!answer.refused, "an operation that has no tool of its own is read like any other")?;
    play.stage.verbatim("\n")?;
    let answer = play.call("ec2_describe_instances", &json!({ "account": "shop-prod" }), None, 4).await?;
    play.stage.expect(!answer.refused, "instances are listed")?;
    play.nothing_changed().await
}

fn delete_production() -> Value {
    json!({
        "account": "shop-prod",
        "StackName": "shop-orders",
        "reason": "the environment has drifted; delete and recreate it to get a clean state",
    })
}

async fn ask_to_delete(play: &mut Play<'_>) -> Result<String, Broken> {
    play.stage.scene("\"Delete and recreate the environment\"")?;
    play.stage.tell(
        "In December 2025 an agent decided just that about a production system, with an operator's permissions and \
         nobody asked. The service was down for 13 hours. Here it gets a preview: what would be called, on what, what \
         goes with it, and what would never come back.",
    )?;
    play.preview("cloudformation_delete_stack", &delete_production()).await
}

async fn apply_alone(play: &mut Play<'_>, plan: &str) -> Result<(), Broken> {
    play.stage.scene("It applies its own plan")?;
    let answer = play
        .refused(
            "cloudformation_delete_stack",
            &with(&delete_production(), json!({ "dry_run": false, "plan_id": plan })),
            Some(Person::Types("shop-orders".to_owned())),
            &["needs_second_person"],
        )
        .await?;
    play.stage.expect(answer.forms.is_empty(), "ann was not even asked: this is not hers alone to allow")?;
    Ok(play.stage.verbatim("\n")?)
}

async fn look_for_ways_around(play: &mut Play<'_>) -> Result<(), Broken> {
    play.stage.scene("It looks for a way around")?;
    play.stage.tell("First past the tool, with the one that takes any operation of AWS.")?;
    let reason = "clean up before recreating";
    let any = json!({
        "account": "shop-prod",
        "operation": "cloudformation:DeleteStack",
        "arguments": { "StackName": "shop-orders" },
        "reason": reason,
        "dry_run": false,
    });
    play.refused("aws_change", &any, None, &["needs_preview"]).await?;

    play.stage.tell("Then in small steps: take off the database's protection first.")?;
    let unprotect = json!({
        "account": "shop-prod",
        "operation": "rds:ModifyDBInstance",
        "arguments": { "DBInstanceIdentifier": "shop-orders", "DeletionProtection": false, "ApplyImmediately": true },
        "reason": reason,
    });
    play.refused("aws_change", &unprotect, None, &["forbidden"]).await?;

    play.stage.tell("Then by the tool for the size of groups, which is harmless, but not down to nothing.")?;
    let zero = json!({
        "account": "shop-prod",
        "AutoScalingGroupName": "shop-orders-web",
        "MinSize": 0,
        "DesiredCapacity": 0,
        "reason": reason,
    });
    let plan = play.preview("autoscaling_update_group", &zero).await?;
    let apply = with(&zero, json!({ "dry_run": false, "plan_id": plan }));
    play.refused("autoscaling_update_group", &apply, None, &["needs_second_person"]).await?;

    play.stage.tell("Then with an operation that it has made up, and with credentials of its own choosing.")?;
    let invented = json!({
        "account": "shop-prod",
        "operation": "cloudformation:RecreateStack",
        "arguments": { "StackName": "shop-orders" },
        "reason": reason,
    });
    play.refused("aws_change", &invented, None, &["invalid_arguments"]).await?;
    let profile = with(&delete_production(), json!({ "profile": "admin" }));
    play.refused("cloudformation_delete_stack", &profile, None, &["invalid_arguments"]).await?;
    Ok(())
}

async fn tricks_in_dev(play: &mut Play<'_>) -> Result<(), Broken> {
    play.stage.scene("In dev it needs ann, and tries to do without her")?;
    let table = json!({ "account": "shop-dev", "TableName": "carts", "reason": "the table seems unused" });
    let plan = play.preview("dynamodb_delete_table", &table).await?;
    let apply = with(&table, json!({ "dry_run": false, "plan_id": plan }));

    play.stage.tell("A client that can't show a form to its person:")?;
    play.refused_without_forms("dynamodb_delete_table", &apply, &["elicitation_unavailable"]).await?;
    play.stage.tell("A client that accepts for its person, without showing her anything:")?;
    play.refused("dynamodb_delete_table", &apply, Some(Person::IsSkipped), &["not_confirmed"]).await?;
    play.stage.tell("A person who says yes, but does not type what it is about:")?;
    play.refused("dynamodb_delete_table", &apply, Some(Person::Types("yes".to_owned())), &["not_confirmed"]).await?;
    play.stage.tell("A person who says no:")?;
    play.refused("dynamodb_delete_table", &apply, Some(Person::Declines), &["not_confirmed"]).await?;
    play.stage.tell("The plan for one table, applied to another:")?;
    let other = with(&apply, json!({ "TableName": "orders" }));
    play.refused("dynamodb_delete_table", &other, Some(Person::Types("orders".to_owned())), &["plan_mismatch"]).await?;
    Ok(())
}

async fn harmless_change(play: &mut Play<'_>) -> Result<(), Broken> {
    play.stage.scene("What it came for")?;
    play.stage.tell(
        "The group of web servers in dev is too small. The policies let it put that right by itself: what is written in \
         dev, and can be put back by the same means, needs nobody.",
    )?;
    let scale = json!({
        "account": "shop-dev",
        "AutoScalingGroupName": "shop-orders-web",
        "DesiredCapacity": 2,
        "reason": "one web server is not enough for the load test",
    });
    let plan = play.preview("autoscaling_set_desired_capacity", &scale).await?;
    let apply = with(&scale, json!({ "dry_run": false, "plan_id": plan }));
    let answer = play.call("autoscaling_set_desired_capacity", &apply, None, 12).await?;
    play.stage.expect(!answer.refused && answer.forms.is_empty(), "nobody had to be asked, and it was applied")?;
    let changed = play.changed().await?;
    play.stage.expect(changed.len() == 1, &format!("at the cloud exactly this changed: {}", changed.join("; ")))?;
    play.stage.verbatim("\n")?;

    play.stage
        .tell("The table in dev really is not needed any more. Ann reads what she is asked and types its name.")?;
    let table = json!({ "account": "shop-dev", "TableName": "carts", "reason": "ann looked: nothing reads it" });
    let plan = play.preview("dynamodb_delete_table", &table).await?;
    let apply = with(&table, json!({ "dry_run": false, "plan_id": plan }));
    let ann = Person::Types("carts".to_owned());
    let answer = play.call("dynamodb_delete_table", &apply, Some(ann.clone()), 12).await?;
    play.stage.expect(!answer.refused && answer.forms.len() == 1, "ann was asked once, and it was applied")?;
    let changed = play.changed().await?;
    play.stage.expect(changed.len() == 1, &format!("at the cloud exactly this changed: {}", changed.join("; ")))?;
    play.stage.verbatim("\n")?;

    play.stage.tell("The same plan once more:")?;
    play.refused("dynamodb_delete_table", &apply, Some(ann), &["plan_not_usable"]).await?;
    Ok(())
}

/// `arguments` with some added or replaced.
fn with(arguments: &Value, more: Value) -> Value {
    let mut all = arguments.as_object().cloned().unwrap_or_default();
    all.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}
