//! `countersign doctor` before clouds, real and silent.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Installation, Ran, sandbox};

fn findings(ran: &Ran) -> Vec<(String, String, String)> {
    let read: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = read["findings"].as_array().unwrap();
    all.iter().map(|one| (text(&one["about"]), text(&one["level"]), text(&one["says"]))).collect()
}

#[tokio::test]
async fn before_a_cloud_identity_roles_and_clock_are_looked_at() {
    let installation = Installation::before_sandbox(sandbox().await);
    let ran = installation.run(&["doctor", "--json", "--patience", "20"]);
    let findings = findings(&ran);
    let aws: Vec<&(String, String, String)> = findings.iter().filter(|(about, ..)| about == "aws").collect();
    let says = |part: &str| aws.iter().any(|(_, level, says)| level == "ok" && says.contains(part));
    assert!(says("the server's own identity is arn:"), "{aws:#?}");
    assert!(says("this machine's clock is AWS's"), "{aws:#?}");
    assert_eq!(aws.iter().filter(|(.., says)| says.ends_with("can be assumed")).count(), 4, "{aws:#?}");
    assert!(!installation.store().exists(), "a doctor makes nothing");
}

#[test]
fn without_a_way_to_aws_it_says_so_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let installation = Installation::before(&format!("http://{}", silent.local_addr().unwrap()));
    let started = Instant::now();
    let ran = installation.run(&["doctor"]);
    let took = started.elapsed();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("AWS can't be reached"), "{ran:?}");
    // 2 s for AWS; the rest is an unoptimised build on a machine that does other things as well.
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(!ran.out.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn init_ends_with_the_doctor_and_what_it_writes_is_good() {
    let installation = Installation::empty();
    let ran = installation.run(&["init"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("--human, --account (or --accounts-from-aws)"), "{ran:?}");

    let account = "shop-dev=111122223333,dev,eu-central-1";
    let flags = ["init", "--human", "ann", "--account", account, "--profile", "observe"];
    let ran = installation.run(&flags);
    assert!(ran.out.contains("wrote ") && ran.out.contains("countersign doctor:"), "{ran:?}");
    assert_eq!(installation.run(&["config", "check"]).code, Some(0));
    let before = std::fs::read_to_string(installation.config()).unwrap();

    let again = installation.run(&flags);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("is there already"), "{again:?}");
    let wrong = installation.run(&["init", "--replace", "--human", "ann", "--account", "x=111122223333,dev,nowhere"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("nothing was written"), "{wrong:?}");
    assert_eq!(std::fs::read_to_string(installation.config()).unwrap(), before);

    installation.write(
        ".aws/config",
        "[profile shop-staging]\nsso_account_id = 222233334444\nregion = eu-west-1\n[profile x]\nrole_arn = arn:aws:iam::333344445555:role/x\n",
    );
    let ran = installation.run(&["init", "--replace", "--no-doctor", "--human", "ann", "--accounts-from-aws"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let checked = installation.run(&["config", "check"]);
    assert!(checked.out.contains("shop-staging (222233334444), staging, eu-west-1"), "{checked:?}");
    assert!(checked.out.contains("x (333344445555), prod, us-east-1"), "{checked:?}");
}
