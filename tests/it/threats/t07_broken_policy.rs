//! 7: a policy file with a slip turns the guard off.

use super::*;
use crate::support::NEWEST;

const GOOD: &str = "@id(\"frozen\")\nforbid (principal, action in Action::\"change\", resource)\nwhen { resource.hasTag(\"freeze\") };\n";

/// Slips, and where they are.
const SLIPS: [(&str, &str, &str); 7] = [
    ("hasTag(\"freeze\")", "hasTag(\"freeze\"),", ":3:"),
    ("forbid", "Forbid", ":2:1:"),
    ("resource.hasTag(\"freeze\")", "resource.Protected", ":3:"),
    ("Action::\"change\"", "Action::\"chagne\"", ":2:"),
    ("@id(\"frozen\")\n", "", ":1:1:"),
    ("};\n", "}\n", ":"),
    (GOOD, "", ":1:1:"),
];

#[tokio::test]
async fn t07_no_server_starts_on_a_policy_with_a_slip() {
    let Scene { stub, mut installation } = Scene::new().await;
    for (meant, slip, place) in SLIPS {
        installation = installation.with_policy(&GOOD.replace(meant, slip));
        let served = installation.run(&["serve"]);
        assert_eq!(served.code, Some(2), "{slip}: {served:?}");
        assert!(served.out.is_empty(), "{served:?}");
        assert!(served.err.contains(&format!("own.cedar{place}")), "{slip}: {}", served.err);
        let checked = installation.run(&["policy", "check"]);
        assert_eq!(checked.code, Some(1), "{slip}: {checked:?}");
        assert!(checked.err.contains(&format!("own.cedar{place}")), "{slip}: {}", checked.err);
    }
    assert!(stub.changes().is_empty());
    assert!(!installation.store().exists(), "nothing was opened");
}

#[tokio::test]
async fn t07_the_same_policy_without_the_slip_holds() {
    let Scene { stub, installation } = Scene::new().await;
    stub.put(Instance::running(OTHER).tagged("freeze", "until friday"));
    let scene = Scene { stub, installation: installation.with_policy(GOOD) };
    let session = scene.session(&NEWEST, Act::types(OTHER)).await;
    let answer = session.call("ec2_terminate_instances", terminate(OTHER)).await;
    let message = scene.refused(&answer, "forbidden");
    assert!(message.contains("`frozen`") && message.contains("the tag `freeze`"), "{message}");
    session.preview("ec2_terminate_instances", &terminate(WEB)).await;
}
