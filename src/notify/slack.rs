//! Messages for Slack's incoming webhooks: a text in its mrkdwn.

use serde_json::json;

use super::message::Data;
use crate::config::notify::NotifyEvent;

/// The body for Slack. Texts from elsewhere are within backticks, where nothing is formatted; and what could still name
/// people, channels or links (`<`, `>`, `&`) is written as Slack wants it escaped.
pub(super) fn body(event: NotifyEvent, data: &Data<'_>) -> Result<String, serde_json::Error> {
    let by = data.by.as_deref().unwrap_or_default();
    let happened = match event {
        NotifyEvent::Waiting => "A plan waits for people".to_owned(),
        NotifyEvent::Approved => format!("Approved by {by}"),
        NotifyEvent::Rejected => format!("Rejected by {by}"),
        NotifyEvent::Applied => "Applied".to_owned(),
        NotifyEvent::Failed => "Failed: AWS refused it, nothing changed".to_owned(),
        NotifyEvent::Stuck => "STUCK: undoing it failed, or nobody knows".to_owned(),
        NotifyEvent::Unknown => "Outcome unknown: look at the targets".to_owned(),
    };
    let mut lines = vec![
        format!("{happened}: {}", data.title),
        format!("{} in {} ({}), {}", data.stage.loud(), data.account, data.region, data.effect),
        format!("{}; targets: {}, dependents: {}", data.operation, data.targets, data.dependents),
        format!("{} for {}, because: {}", data.agent, data.human, data.reason),
    ];
    if !data.needs.is_empty() {
        lines.push(format!("needs: {}", data.needs.join(", ")));
    }
    if let Some(why) = &data.why {
        lines.push(format!("why: {why}"));
    }
    let mut text = escaped(&lines.join("\n"));
    text.push_str(&format!("\n<{}|Open it in the console>", data.url));
    serde_json::to_string(&json!({ "text": text, "unfurl_links": false }))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
