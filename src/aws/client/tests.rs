//! The client against a stub that speaks just enough HTTP.

use std::time::Duration;

use aws_credential_types::Credentials;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::aws::stub::{Act, Stub};

fn client(url: &str) -> Client {
    let aws = AwsConfig { endpoint_url: Some(url.to_owned()), ..AwsConfig::default() };
    client_with(aws, Duration::from_secs(20))
}

fn client_with(aws: AwsConfig, call_timeout: Duration) -> Client {
    let limits = LimitsConfig {
        plan_ttl: Duration::from_secs(900),
        chain: Duration::from_secs(86_400),
        approval_ttl: Duration::from_secs(900),
        confirmation_timeout: Duration::from_secs(240),
        call_timeout,
        result_bytes: 65536,
        concurrent_calls: 8,
    };
    Client::new(Models::embedded().unwrap(), &aws, &limits)
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "hunter2", Some("hunter2-token".to_owned()), None, "test")
}

async fn call(client: &Client, operation: &str, arguments: Value, purpose: Purpose) -> Result<CloudReply, CloudError> {
    let (operation, region) = (operation.parse().unwrap(), Region::new("eu-central-1"));
    let credentials = Some(credentials());
    client.call(Request { operation: &operation, arguments: &arguments, region: &region, credentials, purpose }).await
}

async fn sign(client: &Client, operation: &str, arguments: Value) -> Result<SignedRequest, CloudError> {
    let (operation, region) = (operation.parse().unwrap(), Region::new("eu-central-1"));
    let (credentials, purpose) = (Some(credentials()), Purpose::Change);
    client.sign(Request { operation: &operation, arguments: &arguments, region: &region, credentials, purpose }).await
}

const DELETE: &str = "dynamodb:DeleteTable";

fn table() -> Value {
    json!({ "TableName": "orders" })
}

#[tokio::test]
async fn a_good_answer_comes_back_with_its_request_id() {
    let id = vec![("x-amzn-requestid", "R1".to_owned())];
    let stub = Stub::start(vec![Act::AnswerWith(200, id, br#"{"TableNames":["a","b"]}"#.to_vec())]).await;
    let reply = call(&client(&stub.url), "dynamodb:ListTables", json!({}), Purpose::Read).await.unwrap();
    assert_eq!(reply.output, json!({ "TableNames": ["a", "b"] }));
    assert_eq!(reply.request_id.as_deref(), Some("R1"));
    let request = stub.requests().remove(0);
    assert!(request.contains("x-amz-target: DynamoDB_20120810.ListTables"), "{request}");
    assert!(request.contains("Credential=AKIDEXAMPLE/") && request.contains("/eu-central-1/dynamodb/aws4_request"));
    assert!(request.contains(concat!("user-agent: countersign/", env!("CARGO_PKG_VERSION"))), "{request}");
}

#[tokio::test]
async fn a_4xx_is_a_refusal() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}"#;
    let stub = Stub::start(vec![Act::Answer(400, body)]).await;
    let error = call(&client(&stub.url), DELETE, table(), Purpose::Change).await.unwrap_err();
    let CloudError::Refused { code, message, status, .. } = error else { panic!("{error}") };
    assert_eq!((code.as_str(), message.as_str(), status), ("ResourceNotFoundException", "no such table", 400));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn what_leaves_open_whether_aws_acted_is_unknown_and_a_change_is_not_repeated() {
    let cases = [
        Act::Answer(500, "{}"),
        Act::Answer(503, "<html>gateway</html>"),
        Act::HangUp,
        Act::HangUpInBody,
        Act::Answer(200, "{\"TableDescription\": [[["),
        Act::Silence,
    ];
    for act in cases {
        let stub = Stub::start(vec![act]).await;
        let aws = AwsConfig { endpoint_url: Some(stub.url.clone()), ..AwsConfig::default() };
        let client = client_with(aws, Duration::from_millis(700));
        let error = call(&client, DELETE, table(), Purpose::Change).await.unwrap_err();
        assert!(matches!(error, CloudError::Unknown { .. }), "{error}");
        assert_eq!(stub.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_host_mean_that_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [format!("http://{free}"), "http://nowhere.invalid:1".to_owned()] {
        let error = call(&client(&url), DELETE, table(), Purpose::Change).await.unwrap_err();
        assert!(matches!(error, CloudError::NotSent { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_throttled_change_is_repeated_and_a_read_survives_a_5xx() {
    let throttled = r#"{"__type":"ThrottlingException","message":"slow down"}"#;
    let stub = Stub::start(vec![Act::Answer(400, throttled), Act::Answer(200, "{}")]).await;
    call(&client(&stub.url), DELETE, table(), Purpose::Change).await.unwrap();
    assert_eq!(stub.requests().len(), 2);
    let stub = Stub::start(vec![Act::Answer(500, "{}"), Act::HangUp, Act::Answer(200, "{}")]).await;
    call(&client(&stub.url), "dynamodb:ListTables", json!({}), Purpose::Read).await.unwrap();
    assert_eq!(stub.requests().len(), 3);
}

#[tokio::test]
async fn a_change_with_a_token_is_repeated_with_the_same_one_and_doubt_outlives_a_later_refusal() {
    let refusal =
        "<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>no</Message></Error></Errors></Response>";
    let stub = Stub::start(vec![Act::HangUp, Act::Answer(400, refusal)]).await;
    let arguments = json!({ "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1 });
    let error = call(&client(&stub.url), "ec2:RunInstances", arguments, Purpose::Change).await.unwrap_err();
    assert!(matches!(error, CloudError::Unknown { .. }), "{error}");
    let token = |request: &String| {
        request.split('&').find_map(|field| field.strip_prefix("ClientToken=")).map(str::to_owned).unwrap()
    };
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(token(&requests[0]), token(&requests[1]));
    assert_eq!(token(&requests[0]).len(), 36);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let huge = vec![b' '; super::super::plugins::LARGEST_ANSWER + 1];
    let stub = Stub::start(vec![Act::AnswerWith(200, vec![], huge)]).await;
    let error = call(&client(&stub.url), DELETE, table(), Purpose::Change).await.unwrap_err();
    assert!(matches!(error, CloudError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn equal_calls_sign_to_equal_texts_without_secrets() {
    let client = client_with(AwsConfig::default(), Duration::from_secs(5));
    let arguments = json!({ "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "UserData": "aHVudGVyMg==" });
    let one = sign(&client, "ec2:RunInstances", arguments.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let other = sign(&client, "ec2:RunInstances", arguments).await.unwrap();
    assert_eq!(one, other);
    assert_eq!(one.url, "https://ec2.eu-central-1.amazonaws.com/");
    let text = format!("{one:?}");
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    assert!(text.contains("ImageId=ami-1"), "{text}");
    assert!(one.headers.contains(&("authorization".to_owned(), MARK.to_owned())), "{text}");
    assert!(one.headers.contains(&("x-amz-security-token".to_owned(), MARK.to_owned())), "{text}");
}

#[tokio::test]
async fn s3_addresses_checksums_and_paths() {
    let real = client_with(AwsConfig::default(), Duration::from_secs(5));
    let arguments = json!({ "Bucket": "shop", "Key": "a b/c.txt", "VersionId": "3" });
    let signed = sign(&real, "s3:DeleteObject", arguments.clone()).await.unwrap();
    assert_eq!(signed.url, "https://shop.s3.eu-central-1.amazonaws.com/a%20b/c.txt?versionId=3");
    let local = client("http://127.0.0.1:4566");
    let signed = sign(&local, "s3:DeleteObject", arguments).await.unwrap();
    assert!(signed.url.starts_with("http://127.0.0.1:4566/shop/a%20b/c.txt?"), "{}", signed.url);
    let several = json!({ "Bucket": "shop", "Delete": { "Objects": [{ "Key": "a" }] } });
    let signed = sign(&real, "s3:DeleteObjects", several).await.unwrap();
    let header = |name: &str| signed.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert!(header("x-amz-checksum-crc32").is_some(), "{signed:?}");
    assert_eq!(header("x-amz-sdk-checksum-algorithm"), Some("CRC32"));
    assert!(header("x-amz-content-sha256").is_some_and(|digest| digest.len() == 64), "{signed:?}");
}

#[tokio::test]
async fn a_failure_inside_of_a_good_answer_is_no_success() {
    let body = "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>try again</Message></Error>";
    let stub = Stub::start(vec![Act::Answer(200, body)]).await;
    let arguments = json!({ "Bucket": "b", "Key": "k", "CopySource": "b/other" });
    let error = call(&client(&stub.url), "s3:CopyObject", arguments, Purpose::Change).await.unwrap_err();
    assert!(matches!(&error, CloudError::Unknown { reason, .. } if reason.contains("InternalError")), "{error}");
}

#[tokio::test]
async fn host_prefixes_take_only_host_labels() {
    let client = client_with(AwsConfig::default(), Duration::from_secs(5));
    let good = json!({ "AccountId": "123456789012", "Name": "point" });
    let signed = sign(&client, "s3control:GetAccessPoint", good).await.unwrap();
    assert!(signed.url.starts_with("https://123456789012.s3-control.eu-central-1.amazonaws.com/"), "{}", signed.url);
    let hostile = json!({ "AccountId": "evil.example/", "Name": "point" });
    let error = sign(&client, "s3control:GetAccessPoint", hostile).await.unwrap_err();
    assert!(matches!(error, CloudError::NotSent { .. }), "{error}");
    let query = |graph: &str| json!({ "graphIdentifier": graph, "queryId": "q" });
    let signed = sign(&client, "neptune-graph:GetQuery", query("g-0123456789")).await.unwrap();
    assert!(signed.url.starts_with("https://g-0123456789."), "{}", signed.url);
    let error = sign(&client, "neptune-graph:GetQuery", query("evil.example/")).await.unwrap_err();
    assert!(matches!(error, CloudError::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_called_is_said_and_nothing_is_sent() {
    let stub = Stub::start(vec![Act::Answer(200, "{}")]).await;
    let client = client(&stub.url);
    let select = json!({ "Bucket": "b", "Key": "k" });
    for (operation, arguments) in [
        ("s3:SelectObjectContent", select),
        ("ec2:TerminateInstance", json!({})),
        ("nosuch:Thing", json!({})),
        (DELETE, json!([1])),
        (DELETE, json!({ "TableName": 5 })),
    ] {
        let error = call(&client, operation, arguments, Purpose::Change).await.unwrap_err();
        assert!(matches!(error, CloudError::NotSent { .. }), "{operation}: {error}");
    }
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn operations_without_authentication_go_unsigned() {
    let stub = Stub::start(vec![Act::Answer(200, "<AssumeRoleWithWebIdentityResponse/>")]).await;
    let arguments = json!({ "RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "s", "WebIdentityToken": "t" });
    let _ = call(&client(&stub.url), "sts:AssumeRoleWithWebIdentity", arguments, Purpose::Read).await;
    let request = stub.requests().remove(0).to_lowercase();
    assert!(!request.contains("authorization:"), "{request}");
}

#[tokio::test]
async fn memory_stays_flat_over_every_operation() {
    let client = client("http://127.0.0.1:1");
    let models = Models::embedded().unwrap();
    let mut most = 0;
    for (nth, entry) in models.operation_index().unwrap().iter().enumerate() {
        let wire = client.wire(&entry.id()).unwrap();
        if nth % 29 == 0 {
            wire.input().unwrap();
            wire.output().unwrap();
        }
        client.trim();
        most = most.max(client.weight());
    }
    assert!(most < OPERATIONS_BYTES + (8 << 20), "{most}");
}
