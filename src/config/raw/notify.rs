//! Who is told when a plan needs people, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::notify::{NotifyEvent, NotifyFormat};

/// Who is told when a plan needs people. `countersign serve --http` tells them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawNotify {
    /// Where it is posted to.
    pub(in crate::config) url: Option<String>,
    /// A file with that address, where knowing it is all it takes to post.
    #[schemars(length(min = 1))]
    pub(in crate::config) url_file: Option<String>,
    /// A file with the secret that signs it, `whsec_` and base64. Needed but for `slack`.
    #[schemars(length(min = 1))]
    pub(in crate::config) secret_file: Option<String>,
    /// What is told of plans that were put before people. Default: everything.
    #[schemars(length(min = 1))]
    pub(in crate::config) events: Option<Vec<NotifyEvent>>,
    /// `signed` JSON (Standard Webhooks), or what `slack` takes. Default: `signed`.
    #[serde(default)]
    pub(in crate::config) format: NotifyFormat,
}
