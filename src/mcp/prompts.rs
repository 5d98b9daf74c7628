//! MCP prompts: the common ways of working, for people to pick in their client. They change nothing and ask nobody.

use rmcp::model::{GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Map, Value};

use crate::text::escape::quoted;

/// Longest argument that is taken over, in characters.
const LONGEST: usize = 300;

struct Sheet {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    text: &'static str,
}

struct Argument {
    name: &'static str,
    description: &'static str,
    required: bool,
}

const ACCOUNT: Argument =
    Argument { name: "account", description: "The account, by the name it has here", required: true };

/// `{name}` stands for an argument, quoted.
const SHEETS: [Sheet; 3] = [
    Sheet {
        name: "investigate",
        title: "Investigate, change nothing",
        description: "Find out what is wrong in an account, with reads only, and report.",
        arguments: &[
            ACCOUNT,
            Argument {
                name: "symptom",
                description: "What was noticed, such as `orders-api answers 502`",
                required: true,
            },
        ],
        text: "Investigate in the account {account}: {symptom}.\n\n\
               Use tools that only read; change nothing and preview nothing. Begin with `whoami`, then look from the symptom \
               inwards: what is unhealthy, what changed lately, what it depends on. `find_operations` finds operations, \
               `aws_read` calls those without a tool of their own. Ask for few columns (`query`) and follow cursors where \
               they matter. Report: what you saw (with resource names and times), what you conclude and how sure you are, \
               what you could not see, and which change you would propose, without making it.",
    },
    Sheet {
        name: "propose_change",
        title: "Propose a change",
        description: "Preview a change, explain the plan, and apply it only when the person says so.",
        arguments: &[
            ACCOUNT,
            Argument { name: "goal", description: "What shall be true afterwards", required: true },
            Argument { name: "ticket", description: "The ticket it belongs to", required: false },
        ],
        text: "Propose a change in the account {account}. Goal: {goal}. Ticket: {ticket}.\n\n\
               Read the present state first. Choose the smallest change that reaches the goal, and the tool that can be undone \
               over one that can't. Preview it (`dry_run: true`) with a true `reason`. Then stop and tell the person: what \
               changes on which targets, before and after; what depends on them; how it is undone and what would not come \
               back; what could not be known; and who must agree. Apply only after the person has told you to, with the same \
               arguments and the plan's `plan_id`. Where a plan waits for other people, give its link and wait with \
               `plan_status`. If the state has changed meanwhile, preview again. Never split a change to make it look \
               smaller.",
    },
    Sheet {
        name: "roll_back",
        title: "Roll back a plan",
        description: "Undo what a plan did, after saying what will not come back.",
        arguments: &[Argument { name: "plan_id", description: "The plan that was applied", required: true }],
        text: "Roll back the plan {plan_id}.\n\n\
               Look at it with `plan_status`: what it did, whether its outcome is known, and whether it can be undone. Preview \
               the undo with `undo_plan`. Tell the person what comes back, what does not, and what has changed since, before \
               you apply it. If it can't be undone, or the undo fails, say so plainly, report what the plan says is to be \
               done by hand, and do nothing else.",
    },
];

/// All prompts.
pub(super) fn list() -> Vec<Prompt> {
    let argument = |argument: &Argument| {
        PromptArgument::new(argument.name).with_description(argument.description).with_required(argument.required)
    };
    SHEETS
        .iter()
        .map(|sheet| {
            let arguments = sheet.arguments.iter().map(argument).collect();
            Prompt::new(sheet.name, Some(sheet.description), Some(arguments)).with_title(sheet.title)
        })
        .collect()
}

/// One prompt with its arguments filled in. The error says what is wrong with the request.
pub(super) fn get(name: &str, arguments: &Map<String, Value>) -> Result<GetPromptResult, String> {
    let sheet = SHEETS.iter().find(|sheet| sheet.name == name).ok_or_else(|| {
        let names: Vec<&str> = SHEETS.iter().map(|sheet| sheet.name).collect();
        format!("there is no prompt {}; there are {}", quoted(name, 64), names.join(", "))
    })?;
    if let Some(unknown) = arguments.keys().find(|key| sheet.arguments.iter().all(|known| known.name != key.as_str())) {
        return Err(format!("the prompt `{name}` has no argument {}", quoted(unknown, 64)));
    }
    let mut shown = Vec::new();
    for argument in sheet.arguments {
        let given = arguments.get(argument.name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        shown.push((
            argument.name,
            match (given, argument.required) {
                (Some(given), _) => quoted(given, LONGEST),
                (None, true) => {
                    return Err(format!("the prompt `{name}` needs the argument `{}`, a text", argument.name));
                }
                (None, false) => "none".to_owned(),
            },
        ));
    }
    let text: String = sheet.text.split_inclusive(['{', '}']).fold(String::new(), |text, piece| {
        match shown.iter().find(|(name, _)| piece.strip_suffix('}') == Some(name)) {
            Some((_, value)) => text + value,
            None => text + piece.trim_end_matches('{'),
        }
    });
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(sheet.description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(name: &str, arguments: Value) -> Result<String, String> {
        let got = get(name, arguments.as_object().unwrap())?;
        Ok(serde_json::to_value(&got.messages[0]).unwrap()["content"]["text"].as_str().unwrap().to_owned())
    }

    #[test]
    fn what_each_says() {
        let all = [
            filled("investigate", json!({ "account": "shop-prod", "symptom": "502 from\n# orders" })),
            filled("propose_change", json!({ "account": "shop-dev", "goal": "two instances" })),
            filled("roll_back", json!({ "plan_id": "plan-01jd0000000000000000000000" })),
        ];
        insta::assert_snapshot!(all.map(Result::unwrap).join("\n\n----\n\n"));
    }

    #[test]
    fn slips_are_told() {
        let slips = [
            filled("undo", json!({})),
            filled("roll_back", json!({})),
            filled("roll_back", json!({ "plan_id": 7 })),
            filled("roll_back", json!({ "plan_id": "p", "force": "yes" })),
        ];
        insta::assert_snapshot!(slips.map(Result::unwrap_err).join("\n"), @r"
        there is no prompt `undo`; there are investigate, propose_change, roll_back
        the prompt `roll_back` needs the argument `plan_id`, a text
        the prompt `roll_back` needs the argument `plan_id`, a text
        the prompt `roll_back` has no argument `force`
        ");
    }

    #[test]
    fn an_argument_is_never_taken_for_a_place() {
        let text = filled("investigate", json!({ "account": "a {symptom}", "symptom": "s" })).unwrap();
        assert!(text.contains("in the account `a {symptom}`: `s`."), "{text}");
    }
}
