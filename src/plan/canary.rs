//! Before the first dry run on an endpoint: does it know what a dry run is?
//!
//! Some local clouds ignore EC2's `DryRun` and carry the call out. A harmless `DescribeInstances` with `DryRun` must come
//! back as `DryRunOperation`, or no dry run is ever sent to that endpoint.

use std::collections::HashMap;

use serde_json::json;
use tokio::sync::Mutex;

use crate::names::OperationId;
use crate::ports::{CloudError, CloudSession};

/// What is known of endpoints.
#[derive(Debug, Default)]
pub struct Canary {
    verdicts: Mutex<HashMap<String, Result<(), String>>>,
}

impl Canary {
    /// Says whether the endpoint that `reader` would send EC2 calls to honours `DryRun`; the error says why not.
    pub async fn check(&self, reader: &dyn CloudSession) -> Result<(), String> {
        let harmless = OperationId::new("ec2", "DescribeInstances");
        let endpoint = reader.endpoint(&harmless).map_err(|error| error.to_string())?;
        // Held over the call on purpose: one canary an endpoint, and the others wait for its answer.
        let mut verdicts = self.verdicts.lock().await;
        if let Some(verdict) = verdicts.get(&endpoint) {
            return verdict.clone();
        }
        let verdict = match reader.send(&harmless, &json!({ "DryRun": true })).await {
            Err(CloudError::Refused { code, .. }) if code == "DryRunOperation" => Ok(()),
            Ok(_) => Err(format!("{endpoint} ignores `DryRun` and would carry the call out")),
            // Says nothing about the endpoint, so it isn't kept.
            Err(error) => return Err(format!("the harmless dry run to try it with failed: {error}")),
        };
        verdicts.insert(endpoint, verdict.clone());
        verdict
    }
}
