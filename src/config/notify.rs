//! Who is told when a plan needs people.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Who is told when a plan needs people, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Where it is posted to.
    pub to: NotifyTarget,
    /// The file with the secret that signs it; there always is one but for [`NotifyFormat::Slack`].
    pub secret_file: Option<PathBuf>,
    /// What is told; default everything.
    pub events: BTreeSet<NotifyEvent>,
    /// How.
    pub format: NotifyFormat,
}

/// Where notifications are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyTarget {
    /// This address.
    Url(Url),
    /// The address in this file: where knowing it is all it takes to post.
    File(PathBuf),
}

/// What can be told. Only plans that were put before people are spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// A plan waits for people.
    Waiting,
    /// Somebody approved it.
    Approved,
    /// Somebody rejected it.
    Rejected,
    /// It was carried out.
    Applied,
    /// AWS refused it; nothing changed.
    Failed,
    /// It is not known whether AWS acted.
    Unknown,
    /// Undoing it failed, or it is not known whether that was carried out. Told of any plan.
    Stuck,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Approved, Self::Rejected, Self::Applied, Self::Failed, Self::Unknown, Self::Stuck];
}

/// How notifications are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyFormat {
    /// Signed JSON, as the Standard Webhooks specification has it.
    #[default]
    Signed,
    /// What Slack's incoming webhooks take: they can't check a signature.
    Slack,
}
