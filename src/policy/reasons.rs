//! Why a question is denied, in words for the agent.

use serde_json::{Value, json};

use super::question::{Evidence, Question};
use super::set::{Policies, Verdict};
use crate::text::escape::quoted;

/// Why, and what would help.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasons {
    /// One sentence, a lower-case fragment.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The same for programs.
    pub data: Value,
}

/// Says why a question was denied.
pub fn why(_policies: &Policies, question: &Question, _evidence: &Evidence, verdict: &Verdict) -> Reasons {
    let (forbidden_by, errors) = match verdict {
        Verdict::Permitted { .. } => (Vec::new(), Vec::new()),
        Verdict::Denied { forbidden_by, errors } => (forbidden_by.clone(), errors.clone()),
    };
    let by = match forbidden_by.as_slice() {
        [] => "no policy permits it".to_owned(),
        names => format!("forbidden by `{}`", names.join("`, `")),
    };
    Reasons {
        message: format!("{} on {}: {by}", question.operation, quoted(&question.resource.arn, 120)),
        hint: "ask the person you work for; don't try another way".to_owned(),
        data: json!({ "forbidden_by": forbidden_by, "errors": errors }),
    }
}
