//! Names at AWS that are this server's own, which no call may name, by whichever tool.

use serde_json::Value;

use super::refused::{Code, Refused};
use crate::names::OperationId;

/// How names of the change sets begin that previews make and delete again.
pub const OWN_CHANGE_SETS: &str = "countersign-";

/// Service, member of the input, how its reserved names begin, why.
const RESERVED: &[(&str, &str, &str, &str)] = &[(
    "cloudformation",
    "ChangeSetName",
    OWN_CHANGE_SETS,
    "it is a change set that a preview makes and deletes again, and nobody has consented to what it does",
)];

/// Refuses a call that names what is this server's own, by its name or by its ARN, in any case.
pub(super) fn refuse(operation: &OperationId, arguments: &Value) -> Result<(), Refused> {
    for (service, member, beginning, because) in RESERVED {
        let given = arguments.get(*member).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let named = given.split([':', '/']).any(|part| part.trim().starts_with(beginning));
        if operation.service() == *service && named {
            let message = format!("`{member}` names what begins with `{beginning}`: {because}");
            return Err(Refused::new(Code::Forbidden, message, "preview the update of the stack itself"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn this_server_s_own_change_sets_are_named_by_no_call() {
        let told = |operation: &str, name: &str| {
            refuse(&operation.parse().unwrap(), &json!({ "StackName": "orders", "ChangeSetName": name })).is_err()
        };
        let arn = "arn:aws:cloudformation:eu-central-1:210987654321:changeSet/countersign-plan-1/5a1b";
        for operation in ["ExecuteChangeSet", "DeleteChangeSet", "DescribeChangeSet", "GetTemplate", "CreateChangeSet"]
        {
            let operation = format!("cloudformation:{operation}");
            for name in ["countersign-plan-1", "Countersign-plan-1", " countersign-x", arn] {
                assert!(told(&operation, name), "{operation} {name}");
            }
            for name in ["orders", "my-countersign-x", ""] {
                assert!(!told(&operation, name), "{operation} {name}");
            }
        }
        assert!(!told("s3:PutObject", "countersign-plan-1"), "a member of another service");
    }
}
