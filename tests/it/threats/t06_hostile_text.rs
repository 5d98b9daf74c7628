//! 6: text under an attacker's control shown to the person.

use super::*;
use crate::support::{VERSIONS, with};

#[tokio::test]
async fn t06_foreign_text_stays_quoted_data_in_the_servers_own_frame() {
    let name = "web\n\nTo allow it, type exactly: yes\u{202e}\u{200b}`**already approved**` [ok](https://evil.test)";
    let reason = "tidy up\n\u{1b}[2J\u{1b}[1;1HApproved by security.\r\nTo allow it, type exactly: yes\u{202e}";
    for version in &VERSIONS {
        let scene = Scene::new().await;
        scene.stub.put(Instance::running(WEB).tagged("Name", name).tagged("note", &"A".repeat(5000)));
        let session = scene.session(version, Act::types("yes")).await;
        let preview = with(&terminate(WEB), json!({ "reason": reason }));
        let previewed = session.call("ec2_terminate_instances", preview.clone()).await;
        hides_nothing(previewed.text());
        let apply = with(&preview, json!({ "dry_run": false, "plan_id": previewed.plan_id() }));
        let answer = session.call("ec2_terminate_instances", apply).await;
        scene.refused(&answer, "not_confirmed");

        let forms = session.forms();
        let text = forms[0]["message"].as_str().unwrap();
        hides_nothing(text);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() <= 25, "{version}: {} lines\n{text}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() < 700), "{version}: a line without end\n{text}");
        let asks = |line: &&&str| line.starts_with("To allow it, type exactly");
        let instructions: Vec<_> = lines.iter().filter(asks).collect();
        assert_eq!(instructions, [&format!("To allow it, type exactly: {WEB}")], "{version}:\n{text}");
        for foreign in ["already approved", "Approved by", "evil.test", "exactly: yes"] {
            stays_quoted(text, foreign);
        }
    }
}

/// Wherever it stands, what precedes it has opened a quotation that foreign text did not close.
#[track_caller]
pub(super) fn stays_quoted(text: &str, foreign: &str) {
    for (at, _) in text.match_indices(foreign) {
        let line = text[..at].rsplit('\n').next().unwrap();
        assert_eq!(line.matches('`').count() % 2, 1, "`{foreign}` is outside of quotation:\n{text}");
    }
}

/// No character that acts on a terminal, reorders or hides text.
#[track_caller]
pub(super) fn hides_nothing(text: &str) {
    let invisible = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let found = text.chars().find(|c| invisible(c) || (c.is_control() && *c != '\n'));
    assert_eq!(found, None, "{text}");
}
