//! Large answers in parts, projections, and waiting for what a call began.

use super::*;

fn object(number: usize) -> Value {
    json!({ "Key": format!("orders/{number:05}.json"), "Size": number, "StorageClass": "STANDARD" })
}

fn objects(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers.map(object).collect()
}

fn list() -> Value {
    json!({ "account": "shop-dev", "Bucket": "orders" })
}

fn with(mut arguments: Value, name: &str, value: Value) -> Value {
    arguments[name] = value;
    arguments
}

fn keys(result: &Value) -> Vec<String> {
    let contents = result["result"]["Contents"].as_array().unwrap();
    contents.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
}

const OBJECTS: &str = "s3:ListObjectsV2";

#[tokio::test]
async fn pages_are_joined() {
    let first = json!({ "Contents": objects(0..3), "IsTruncated": true, "NextContinuationToken": "second" });
    let second = json!({ "Contents": objects(3..5), "IsTruncated": false });
    let cloud = FakeCloud::new().answers(OBJECTS, first).answers(OBJECTS, second);
    let desk = desk_with(cloud, None).await;
    let result = succeeded(desk.call("s3_list_objects", list(), &Person::never_asked()).await);
    assert_eq!(keys(&result).len(), 5);
    assert!(result.get("more").is_none() && result.get("cut").is_none(), "{result}");
    let sent = desk.cloud.sent();
    assert_eq!(sent[1].arguments["ContinuationToken"], "second");
    assert_eq!(desk.events().await, ["requested", "answered"]);
}

#[tokio::test]
async fn a_page_of_a_size_stays_one_page_and_says_how_to_go_on() {
    let first = json!({ "Contents": objects(0..3), "IsTruncated": true, "NextContinuationToken": "second" });
    let desk = desk_with(FakeCloud::new().answers(OBJECTS, first), None).await;
    let arguments = with(list(), "MaxKeys", json!(3));
    let result = succeeded(desk.call("s3_list_objects", arguments.clone(), &Person::never_asked()).await);
    assert_eq!(desk.cloud.sent().len(), 1);
    assert_eq!(result["more"]["further_pages"], true);
    assert!(result["result"].get("NextContinuationToken").is_none(), "the cursor stands for it: {result}");
    let more = with(arguments, "cursor", result["more"]["cursor"].clone());
    succeeded(desk.call("s3_list_objects", more, &Person::never_asked()).await);
    assert_eq!(desk.cloud.sent()[1].arguments["ContinuationToken"], "second");
}

#[tokio::test]
async fn what_was_cut_off_comes_with_the_cursor_and_nothing_twice() {
    let all = json!({ "Contents": objects(0..900), "CommonPrefixes": [{ "Prefix": "a/" }], "IsTruncated": false });
    let desk = desk_of(FakeCloud::new().answers(OBJECTS, all), None, "[limits]\nresult_bytes = 8192\n").await;
    let (mut seen, mut prefixes, mut cursor, mut calls) = (Vec::new(), 0, Value::Null, 0);
    loop {
        let arguments = with(list(), "cursor", cursor.clone());
        let result = succeeded(desk.call("s3_list_objects", arguments, &Person::never_asked()).await);
        assert!(result.to_string().len() < 8192 + 1024, "{}", result.to_string().len());
        seen.extend(keys(&result));
        prefixes += result["result"]["CommonPrefixes"].as_array().map_or(0, Vec::len);
        calls += 1;
        match &result["more"] {
            Value::Null => break,
            more => {
                assert_eq!(more["items_left_on_this_page"], 900 - seen.len());
                cursor = more["cursor"].clone();
            }
        }
    }
    let expected: Vec<String> = (0..900).map(|number| format!("orders/{number:05}.json")).collect();
    assert_eq!(seen, expected);
    assert_eq!(prefixes, 1);
    assert!(calls > 5, "{calls}");
}

#[tokio::test]
async fn a_cursor_is_good_for_the_very_call_only() {
    let first = json!({ "Contents": objects(0..3), "IsTruncated": true, "NextContinuationToken": "second" });
    let desk = desk_with(FakeCloud::new().answers(OBJECTS, first), None).await;
    let arguments = with(list(), "MaxKeys", json!(3));
    let result = succeeded(desk.call("s3_list_objects", arguments.clone(), &Person::never_asked()).await);
    let cursor = result["more"]["cursor"].clone();
    let arguments = with(arguments, "cursor", cursor.clone());
    for (name, value) in [
        ("Bucket", json!("secrets")),
        ("account", json!("shop-prod")),
        ("MaxKeys", json!(4)),
        ("query", json!("Contents")),
        ("cursor", json!(format!("{}x", cursor.as_str().unwrap()))),
    ] {
        let other = with(arguments.clone(), name, value);
        assert_eq!(code(desk.call("s3_list_objects", other, &Person::never_asked()).await), Code::InvalidArguments);
    }
    let other = desk.call_as("bob", "s3_list_objects", arguments, &Person::never_asked()).await.unwrap();
    assert_eq!(code(other), Code::InvalidArguments);
    assert_eq!(desk.cloud.sent().len(), 1);
}

#[tokio::test]
async fn an_agent_asks_for_what_it_needs() {
    let page = json!({ "Contents": objects(0..3), "IsTruncated": false });
    let desk = desk_with(FakeCloud::new().answers(OBJECTS, page), None).await;
    let ask = |query: &str| with(list(), "query", json!(query));
    let result = desk.call("s3_list_objects", ask("Contents[?Size > `1`].Key | [0]"), &Person::never_asked()).await;
    assert_eq!(succeeded(result)["result"], "orders/00002.json");
    let through_a_family = json!({
        "account": "shop-dev", "operation": OBJECTS, "arguments": { "Bucket": "orders" }, "query": "length(Contents)",
    });
    let counted = desk.call("aws_read", through_a_family, &Person::never_asked()).await;
    assert_eq!(succeeded(counted)["result"], 3, "it is its own tool's call");
    let before = desk.cloud.sent().len();
    for (query, told) in
        [("Contnts[].Key", "there is no `Contnts` here; did you mean `Contents`?"), ("Contents[", "at character")]
    {
        match desk.call("s3_list_objects", ask(query), &Person::never_asked()).await {
            Answered::Refused(refused) => assert!(refused.message.contains(told), "{}", refused.message),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(desk.cloud.sent().len(), before, "a slip is found before anything is sent");
}

const DATABASE: &str = "rds:DescribeDBInstances";

fn database(words: &[&str]) -> Value {
    let instances: Vec<Value> = words
        .iter()
        .map(|word| json!({ "DBInstanceIdentifier": "orders", "DbiResourceId": "db-1", "DBInstanceStatus": word }))
        .collect();
    json!({ "DBInstances": instances })
}

/// Deletes a database; AWS answers with `afterwards` once it has accepted.
async fn deleted(afterwards: Value) -> (Desk, Value) {
    let cloud = FakeCloud::new()
        .answers(DATABASE, database(&["available"]))
        .answers("rds:DescribeDBSnapshots", json!({ "DBSnapshots": [] }))
        .answers("rds:DeleteDBInstance", json!({ "DBInstance": { "DBInstanceIdentifier": "orders" } }));
    let desk = desk_with(cloud, None).await;
    let arguments = json!({
        "account": "shop-dev", "reason": "it is not needed any more", "DBInstanceIdentifier": "orders",
        "FinalDBSnapshotIdentifier": "orders-last",
    });
    let plan = desk.preview("rds_delete_db_instance", arguments.clone()).await;
    let reads = desk.cloud.sent().iter().filter(|sent| sent.operation.to_string() == DATABASE).count();
    // As many as before, and one more just before the call; then what comes afterwards.
    let mut cloud = desk.cloud.clone();
    for _ in 0..reads {
        cloud = cloud.answers(DATABASE, database(&["available"]));
    }
    cloud.answers(DATABASE, afterwards);
    let answer = desk.call("rds_delete_db_instance", apply(arguments, &plan), &Person::types("orders")).await;
    (desk, succeeded(answer))
}

#[tokio::test]
async fn what_a_call_began_is_waited_for_and_recorded() {
    let (desk, applied) = deleted(database(&[])).await;
    assert_eq!(applied["status"], "applied");
    assert_eq!(applied["wait"]["result"], "reached", "{applied}");
    assert_eq!(desk.events().await.last().unwrap(), "waited");
    let purposes: Vec<Purpose> = desk
        .cloud
        .sent()
        .iter()
        .filter(|sent| sent.operation.to_string() == DATABASE)
        .map(|sent| sent.purpose)
        .collect();
    assert!(purposes.iter().all(|purpose| *purpose == Purpose::Read), "polling reads with read credentials");
}

#[tokio::test]
async fn a_wait_that_fails_changes_nothing_about_the_plan() {
    let (desk, applied) = deleted(database(&["creating"])).await;
    assert_eq!((&applied["status"], &applied["wait"]["result"]), (&json!("applied"), &json!("failed")));
    let id = applied["plan_id"].clone();
    desk.cloud.change(DATABASE, database(&[]));
    let status = succeeded(desk.call("plan_status", json!({ "plan_id": id }), &Person::never_asked()).await);
    assert_eq!((&status["status"], &status["wait"]["result"]), (&json!("applied"), &json!("reached")));
}
