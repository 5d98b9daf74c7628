//! Credentials for hiding an object destroy none of its versions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign::ports::Purpose;
use countersign::sandbox::DEV;
use serde_json::json;

use super::{Bench, HERE, let_through};
use crate::support::clouds::root_call;

#[tokio::test]
async fn credentials_for_a_delete_marker_destroy_no_version() {
    let bench = Bench::new().await;
    let bucket = "scopes-versions";
    let created = json!({ "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": HERE } });
    root_call(&DEV, "s3:CreateBucket", created).await.unwrap();
    let versioning = json!({ "Bucket": bucket, "VersioningConfiguration": { "Status": "Enabled" } });
    root_call(&DEV, "s3:PutBucketVersioning", versioning).await.unwrap();
    let object = json!({ "Bucket": bucket, "Key": "a.txt", "Body": BASE64.encode("a") });
    root_call(&DEV, "s3:PutObject", object).await.unwrap();
    let listed = root_call(&DEV, "s3:ListObjectVersions", json!({ "Bucket": bucket })).await.unwrap();
    let version = listed["Versions"][0]["VersionId"].as_str().unwrap().to_owned();
    let (hide, destroy) = (
        json!({ "Bucket": bucket, "Key": "a.txt" }),
        json!({ "Bucket": bucket, "Key": "a.txt", "VersionId": version }),
    );
    let tool = bench.tool("s3_delete_object", "s3:DeleteObject");
    let target = format!("{bucket}/a.txt");
    let (policy, _) = bench.policy(&tool, Purpose::Change, &target, &hide);
    let session = bench.open("shop-dev", Purpose::Change, policy, HERE).await;
    assert_eq!(let_through(&*session, &tool.operation, &destroy).await.unwrap_err(), "AccessDenied");
    session.send(&tool.operation, &hide).await.unwrap();
    let (policy, _) = bench.policy(&tool, Purpose::Change, &target, &destroy);
    let session = bench.open("shop-dev", Purpose::Change, policy, HERE).await;
    session.send(&tool.operation, &destroy).await.unwrap();
}
