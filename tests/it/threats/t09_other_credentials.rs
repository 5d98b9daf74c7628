//! 9: arguments that pick other credentials, endpoints or accounts.

use super::*;
use crate::support::{NEWEST, with};

#[tokio::test]
async fn t09_no_argument_reaches_credentials_endpoint_or_signing() {
    let scene = Scene::new().await;
    let elsewhere = Stub::start().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let attempts = [
        json!({ "profile": "admin" }),
        json!({ "endpoint_url": elsewhere.endpoint() }),
        json!({ "endpoint": elsewhere.endpoint() }),
        json!({ "role_arn": "arn:aws:iam::210987654321:role/admin" }),
        json!({ "aws_access_key_id": "AKIAOTHER", "aws_secret_access_key": "secret" }),
        json!({ "no_sign_request": true }),
    ];
    for attempt in attempts {
        for tool in ["ec2_terminate_instances", "ec2_describe_instances"] {
            let mut arguments = with(&terminate(WEB), attempt.clone());
            if tool == "ec2_describe_instances" {
                arguments.as_object_mut().unwrap().shift_remove("reason");
            }
            let answer = session.call(tool, arguments).await;
            scene.refused(&answer, "invalid_arguments");
        }
        let any = with(&attempt, json!({ "account": "shop-dev", "operation": "ec2:DescribeVpcs" }));
        scene.refused(&session.call("aws_read", any).await, "invalid_arguments");
        let inside = json!({ "account": "shop-dev", "operation": "ec2:DescribeVpcs", "arguments": attempt });
        scene.refused(&session.call("aws_read", inside).await, "invalid_arguments");
    }
    assert_eq!((scene.stub.requests(), elsewhere.requests()), (0, 0), "nothing was sent anywhere");
}

#[tokio::test]
async fn t09_a_web_identity_token_goes_to_no_endpoint_of_the_environment() {
    let scene = Scene::new().await;
    let elsewhere = Stub::start().await;
    let config = std::fs::read_to_string(scene.installation.config()).unwrap();
    let config = config.replace("credentials_file = \"credentials\"\nprofile = \"server\"\n", "");
    std::fs::write(scene.installation.config(), config).unwrap();
    let token = scene.installation.write("token", "planted-web-identity");
    let mut command = scene.installation.command();
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", token).env("AWS_ROLE_SESSION_NAME", "server");
    command.env("AWS_ROLE_ARN", "arn:aws:iam::210987654321:role/server").env("AWS_REGION", "eu-central-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1");
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
        command.env(name, elsewhere.endpoint());
    }
    let session = Session::start_with(command, NEWEST, Act::HasNoForms).await;
    let read = session.call("ec2_describe_instances", json!({ "account": "shop-dev" })).await;
    let message = read.refused("target_unreadable");
    assert!(message.contains("no AWS credentials of its own") && message.contains("AWS_ENDPOINT_URL_STS"), "{message}");
    assert_eq!((elsewhere.requests(), scene.stub.requests()), (0, 0), "the token went nowhere");
}

#[tokio::test]
async fn t09_accounts_and_regions_come_from_the_configuration_only() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let attempts = [
        json!({ "account": "999999999999" }),
        json!({ "account": "arn:aws:iam::999999999999:root" }),
        json!({ "account": "" }),
        json!({ "account": "SHOP-DEV" }),
        json!({ "region": "us-east-1" }),
        json!({ "region": "eu-central-1.evil.test/" }),
        json!({ "region": "" }),
    ];
    for attempt in attempts {
        let answer = session.call("ec2_terminate_instances", with(&terminate(WEB), attempt)).await;
        scene.refused(&answer, "unknown_account_or_region");
    }
    assert_eq!(scene.stub.requests(), 0, "nothing was sent");
}

#[tokio::test]
async fn t09_the_environment_reaches_neither_endpoint_nor_credentials() {
    let scene = Scene::new().await;
    let elsewhere = Stub::start().await;
    let mut command = scene.installation.command();
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY", "http_proxy"] {
        command.env(name, elsewhere.endpoint());
    }
    command.env("AWS_ACCESS_KEY_ID", "AKIAOTHER").env("AWS_SECRET_ACCESS_KEY", "other").env("AWS_PROFILE", "other");
    let session = Session::start_with(command, NEWEST, Act::HasNoForms).await;
    let read = session.call("ec2_describe_instances", json!({ "account": "shop-dev" })).await;
    assert_ne!(read.result.is_error, Some(true), "{:#}", read.structured());
    assert_eq!(elsewhere.requests(), 0);
    assert_eq!(scene.stub.signers("AssumeRole"), ["AKIASERVER"]);
    scene.unchanged();
}
