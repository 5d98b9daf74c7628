//! Waiters of AWS's models: which read tells how far a long operation is, how often to ask, and what its answers mean.
//!
//! The form is botocore's (`waiters-2.json`), and answers are judged in its order: the first acceptor that matches counts.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::aws::models::{ModelError, Models, nearest};
use crate::manifest::expression::{BadExpression, Expression};
use crate::names::OperationId;
use crate::ports::CloudError;

/// A waiter, ready to judge answers.
#[derive(Debug)]
pub struct Waiter {
    /// What it reads.
    pub operation: OperationId,
    /// Between two reads.
    pub delay: Duration,
    /// How often it reads at most.
    pub most: u32,
    acceptors: Vec<Acceptor>,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What is waited for has come.
    Reached,
    /// It can't come any more.
    Failed,
    /// Not yet.
    NotYet,
    /// The answer says neither; a lower-case fragment tells why.
    Untold(String),
}

/// Why there is no waiter.
#[derive(Debug, thiserror::Error)]
pub enum NoWaiter {
    /// The service can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The service has none of this name.
    #[error("`{service}` has no waiter `{name}`{}", nearest.first().map(|best| format!("; did you mean `{best}`?")).unwrap_or_default())]
    NotThere {
        /// The service.
        service: String,
        /// The name.
        name: String,
        /// The nearest names there are.
        nearest: Vec<String>,
    },
    /// The model's waiter has another form than is known here.
    #[error("the waiter `{name}` can't be followed: {why}")]
    Misread {
        /// The name.
        name: String,
        /// What is odd.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawWaiter {
    operation: String,
    delay: u64,
    max_attempts: u32,
    acceptors: Vec<RawAcceptor>,
}

#[derive(Deserialize)]
struct RawAcceptor {
    state: RawState,
    matcher: String,
    #[serde(default)]
    argument: Option<String>,
    expected: Value,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawState {
    Success,
    Failure,
    Retry,
}

#[derive(Debug)]
struct Acceptor {
    means: RawState,
    matcher: Matcher,
    expected: Value,
}

#[derive(Debug)]
enum Matcher {
    Path(Expression),
    PathAll(Expression),
    PathAny(Expression),
    Status,
    Error,
}

impl Waiter {
    /// A service's waiter.
    ///
    /// # Errors
    /// Where there is none of that name, or it has a form that isn't known.
    pub fn of(models: &Models, service: &str, name: &str) -> Result<Self, NoWaiter> {
        let waiters = models.service(service)?.waiters()?;
        let found = waiters.get(name).ok_or_else(|| NoWaiter::NotThere {
            service: service.to_owned(),
            name: name.to_owned(),
            nearest: nearest(name, waiters.keys().map(String::as_str)),
        })?;
        let odd = |why: String| NoWaiter::Misread { name: name.to_owned(), why };
        let raw: RawWaiter = serde_json::from_value(found.clone()).map_err(|error| odd(error.to_string()))?;
        let acceptors = raw.acceptors.into_iter().map(Acceptor::of).collect::<Result<_, String>>().map_err(odd)?;
        Ok(Self {
            operation: OperationId::new(service, raw.operation),
            // A model that asks without a pause would hammer AWS.
            delay: Duration::from_secs(raw.delay.max(1)),
            most: raw.max_attempts,
            acceptors,
        })
    }

    /// What an answer means.
    pub fn judge(&self, answer: Result<&Value, &CloudError>) -> Verdict {
        match self.acceptors.iter().find(|acceptor| acceptor.matches(answer)).map(|acceptor| acceptor.means) {
            Some(RawState::Success) => Verdict::Reached,
            Some(RawState::Failure) => Verdict::Failed,
            Some(RawState::Retry) => Verdict::NotYet,
            None => match answer {
                Ok(_) => Verdict::NotYet,
                Err(error) => Verdict::Untold(error.to_string()),
            },
        }
    }
}

impl Acceptor {
    fn of(raw: RawAcceptor) -> Result<Self, String> {
        let path = || {
            let argument = raw.argument.as_deref().ok_or("an acceptor has no path")?;
            Expression::compile(argument).map_err(|error: BadExpression| error.to_string())
        };
        let matcher = match raw.matcher.as_str() {
            "path" => Matcher::Path(path()?),
            "pathAll" => Matcher::PathAll(path()?),
            "pathAny" => Matcher::PathAny(path()?),
            "status" => Matcher::Status,
            "error" => Matcher::Error,
            other => return Err(format!("there is no matcher `{other}`")),
        };
        Ok(Self { means: raw.state, matcher, expected: raw.expected })
    }

    fn matches(&self, answer: Result<&Value, &CloudError>) -> bool {
        let items = |path: &Expression| match answer.ok().map(|output| path.search(output)) {
            Some(Ok(Value::Array(items))) => items,
            _ => Vec::new(),
        };
        let is_expected = |item: &Value| *item == self.expected;
        match &self.matcher {
            Matcher::Path(path) => {
                answer.is_ok_and(|output| path.search(output).is_ok_and(|found| is_expected(&found)))
            }
            Matcher::PathAll(path) => {
                let items = items(path);
                !items.is_empty() && items.iter().all(is_expected)
            }
            Matcher::PathAny(path) => items(path).iter().any(is_expected),
            Matcher::Status => {
                let status = match answer {
                    Ok(_) => 200,
                    Err(CloudError::Refused { status, .. }) => *status,
                    Err(_) => return false,
                };
                self.expected.as_u64() == Some(u64::from(status))
            }
            Matcher::Error => match (&self.expected, answer) {
                (Value::Bool(wanted), answer) => {
                    *wanted == matches!(answer, Err(CloudError::Refused { .. }))
                        && !matches!(answer, Err(CloudError::NotSent { .. } | CloudError::Unknown { .. }))
                }
                (expected, Err(CloudError::Refused { code, .. })) => expected.as_str() == Some(code),
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(code: &str, status: u16) -> CloudError {
        CloudError::Refused { code: code.to_owned(), message: "no".to_owned(), status, request_id: None }
    }

    #[test]
    fn every_waiter_of_every_service_can_be_followed() {
        let models = Models::embedded().unwrap();
        let services: Vec<&str> = models.services().collect();
        let mut count = 0;
        for service in services {
            for name in models.service(service).unwrap().waiters().unwrap().keys() {
                let waiter = Waiter::of(&models, service, name).unwrap();
                models.operation(&waiter.operation).unwrap();
                count += 1;
            }
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn answers_are_judged_in_the_models_order() {
        let models = Models::embedded().unwrap();
        let gone = Waiter::of(&models, "rds", "DBInstanceDeleted").unwrap();
        let state = |word: &str| json!({ "DBInstances": [{ "DBInstanceStatus": word }] });
        assert_eq!(gone.judge(Ok(&state("deleting"))), Verdict::NotYet);
        assert_eq!(gone.judge(Ok(&state("creating"))), Verdict::Failed);
        assert_eq!(gone.judge(Err(&refused("DBInstanceNotFound", 404))), Verdict::Reached);
        let stopped = Waiter::of(&models, "ec2", "InstanceStopped").unwrap();
        let states = |words: &[&str]| {
            let instances: Vec<Value> = words.iter().map(|word| json!({ "State": { "Name": word } })).collect();
            json!({ "Reservations": [{ "Instances": instances }] })
        };
        assert_eq!(stopped.judge(Ok(&states(&["stopped", "stopping"]))), Verdict::NotYet);
        assert_eq!(stopped.judge(Ok(&states(&["stopped", "stopped"]))), Verdict::Reached);
        assert_eq!(stopped.judge(Ok(&states(&["stopping", "terminated"]))), Verdict::Failed);
        assert_eq!(stopped.judge(Ok(&states(&[]))), Verdict::NotYet);
        let bucket = Waiter::of(&models, "s3", "BucketNotExists").unwrap();
        assert_eq!(bucket.judge(Err(&refused("NotFound", 404))), Verdict::Reached);
        assert_eq!(bucket.judge(Ok(&json!({}))), Verdict::NotYet);
        assert!(matches!(bucket.judge(Err(&refused("AccessDenied", 403))), Verdict::Untold(_)));
        let lost = CloudError::Unknown { reason: "broken".to_owned(), request_id: None };
        assert!(matches!(gone.judge(Err(&lost)), Verdict::Untold(_)));
    }

    #[test]
    fn a_misspelt_waiter_is_answered_with_the_nearest() {
        let models = Models::embedded().unwrap();
        let error = Waiter::of(&models, "rds", "DBInstanceDelete").unwrap_err().to_string();
        assert_eq!(error, "`rds` has no waiter `DBInstanceDelete`; did you mean `DBInstanceDeleted`?");
    }
}
