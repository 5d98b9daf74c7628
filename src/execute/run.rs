//! [`ArmedCall`] to [`Outcome`]: the call is sent once, and AWS's answer is put into one of four words.

use super::arm::{ArmedCall, arguments};
use super::pages::{Gathered, gather};
use crate::approval::redeem::ApprovedPlan;
use crate::aws::models::Models;
use crate::call::resolve::Seen;
use crate::call::target::Target;
use crate::plan::kept::KeptPoint;
use crate::ports::{CloudError, CloudReply};

/// How the call ended. Not on record yet.
#[derive(Debug)]
pub struct Outcome {
    approved: ApprovedPlan,
    ending: Ending,
    gathered: Option<Gathered>,
    points: Vec<KeptPoint>,
}

/// The four endings.
#[derive(Debug)]
pub enum Ending {
    /// AWS accepted the call.
    Succeeded(CloudReply),
    /// AWS refused it.
    Refused {
        /// AWS's error code.
        code: String,
        /// AWS's message.
        message: String,
        /// AWS's request id.
        request_id: Option<String>,
    },
    /// Nothing was sent.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It was sent, and no conclusive answer came.
    Unknown {
        /// Why.
        reason: String,
        /// AWS's request id, where an answer came.
        request_id: Option<String>,
    },
}

/// Sends the call.
///
/// A read goes on to further pages, up to `most_bytes` of what the agent gets.
pub async fn run(armed: ArmedCall, models: &Models, most_bytes: usize) -> Outcome {
    let operation = armed.approved().plan().call().call().call().spec().operation.clone();
    let ending = match armed.session().send(&operation, arguments(armed.approved())).await {
        Ok(reply) => Ending::Succeeded(reply),
        Err(CloudError::Refused { code, message, request_id, .. }) => Ending::Refused { code, message, request_id },
        Err(CloudError::NotSent { reason }) => Ending::NotSent { reason },
        Err(CloudError::Unknown { reason, request_id }) => Ending::Unknown { reason, request_id },
    };
    let gathered = match (&ending, armed.approved().plan().sheet()) {
        (Ending::Succeeded(reply), None) => {
            let call = armed.approved().plan().call().call().call();
            Some(gather(call, reply, armed.session(), models, most_bytes).await)
        }
        _ => None,
    };
    let points = armed.secured().points().to_vec();
    let approved = armed.into_approved();
    let ending = doubted(ending, &approved).await;
    Outcome { approved, ending, gathered, points }
}

/// AWS may refuse a call with several targets after acting on some of them: `TerminateInstances` does so across
/// Availability Zones. Only targets that are all as before make such a refusal a plain one.
async fn doubted(ending: Ending, approved: &ApprovedPlan) -> Ending {
    let resolved = approved.plan().call().call();
    let Ending::Refused { code, message, request_id } = &ending else { return ending };
    if approved.plan().sheet().is_none() || resolved.targets().len() < 2 {
        return ending;
    }
    let as_before =
        |now: &Seen, before: &Target| matches!(now, Seen::Read(now) if now.fingerprint == before.fingerprint);
    let same = match resolved.read_again().await {
        Ok(now) => now.iter().zip(resolved.targets()).all(|(now, before)| as_before(now, before)),
        Err(_) => false,
    };
    if same {
        return ending;
    }
    let reason = format!("AWS refused the call ({code}: {message}), but not all of its targets are as before");
    Ending::Unknown { reason, request_id: request_id.clone() }
}

impl Outcome {
    /// The plan that was carried out.
    pub fn approved(&self) -> &ApprovedPlan {
        &self.approved
    }

    /// What a read's agent gets of the answer; `None` for a change, and where there is no answer.
    pub fn gathered(&self) -> Option<&Gathered> {
        self.gathered.as_ref()
    }

    /// The recovery points that were taken before it.
    pub fn points(&self) -> &[KeptPoint] {
        &self.points
    }

    /// How it ended.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }
}
