//! A deployed role's trust policy, judged: whether this server can assume it, and who else can.

use super::compare::Difference;
use super::condition::{self, Condition, Known, Verdict, judge, requires};
use super::deployed::{Policy, Principals, Statement};
use super::role::{ASSUME, ASSUMING};
use crate::config::Account;
use crate::credentials::SESSION_TAGS;

const EXTERNAL_ID: &str = "sts:ExternalId";
const PRINCIPAL: &str = "aws:PrincipalArn";

/// Somebody a statement speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Somebody {
    /// Anybody at all.
    Anybody,
    /// Every identity of an account that may assume roles there.
    Account(String),
    /// A role, a user or a session.
    Identity(String),
    /// A service of AWS, an identity provider, or what else isn't an identity of AWS: kind and name.
    Other(String, String),
}

/// Holds a trust policy against the server's own identity, `trusted`, an ARN of a role or a user.
pub fn compare(policy: &Policy, account: &Account, trusted: &str, difference: &mut Difference) {
    let judge = Judge { account, trusted, home: trusted.split(':').nth(4).unwrap_or_default() };
    for action in ASSUMING {
        judge.can_use(policy, action, difference);
    }
    let allowing = |statement: &&Statement| statement.allows;
    for statement in policy.statements.iter().filter(allowing) {
        judge.who_else(statement, difference);
        // the other actions give no credentials
        if statement.actions.takes_action(ASSUME) {
            judge.external_id(statement, difference);
        }
    }
}

struct Judge<'a> {
    account: &'a Account,
    trusted: &'a str,
    /// The account of the server's own identity.
    home: &'a str,
}

impl Judge<'_> {
    /// The server itself must be let in, and not be denied.
    fn can_use(&self, policy: &Policy, action: &str, difference: &mut Difference) {
        let (mut allowed, mut doubt, mut unmet) = (false, None, None);
        for statement in policy.statements.iter().filter(|statement| statement.actions.takes_action(action)) {
            let Some(meant) = self.means_the_server(statement) else {
                difference.unclear(format!(
                    "its trust policy {} `{action}` with `NotPrincipal`",
                    if statement.allows { "allows" } else { "denies" }
                ));
                continue;
            };
            if !meant {
                continue;
            }
            let verdict = self.conditions(statement, action);
            match (statement.allows, verdict) {
                (true, Ok(())) => allowed = true,
                (true, Err((Verdict::Unknown, condition))) => doubt = Some(condition.clone()),
                (true, Err((_, condition))) => unmet = Some(condition.clone()),
                (false, Ok(())) => difference.missing(format!("its trust policy denies `{action}` to this server")),
                (false, Err((Verdict::Unknown, condition))) => difference.unclear(format!(
                    "its trust policy denies `{action}` to this server under {}",
                    condition::told(condition)
                )),
                (false, Err(_)) => {}
            }
        }
        match (allowed, doubt, unmet) {
            (true, _, _) => {}
            (false, Some(condition), _) => difference
                .unclear(format!("its trust policy allows `{action}` only under {}", condition::told(&condition))),
            (false, None, Some(condition)) => difference.missing(self.why_not(action, &condition)),
            (false, None, None) => {
                difference.missing(format!("its trust policy does not allow `{action}` to `{}`", self.trusted));
            }
        }
    }

    fn why_not(&self, action: &str, condition: &Condition) -> String {
        match (&self.account.external_id, condition.1.eq_ignore_ascii_case(EXTERNAL_ID)) {
            (Some(id), true) => format!("its trust policy asks for another external id than `{id}` for `{action}`"),
            (None, true) => format!(
                "its trust policy asks for an external id for `{action}`, and none is configured (`external_id`)"
            ),
            (_, false) => format!(
                "its trust policy allows `{action}` only under {}, which this server's calls don't meet",
                condition::told(condition)
            ),
        }
    }

    /// Whether all conditions hold for the server's own requests; else the first that doesn't, unknown ones last.
    fn conditions<'s>(&self, statement: &'s Statement, action: &str) -> Result<(), (Verdict, &'s Condition)> {
        let one = |text: &str| [text.to_owned()];
        let role = self.trusted.contains(":role/");
        let (arn, home, yes) = (one(self.trusted), one(self.home), one("true"));
        let kind = one(if role { "AssumedRole" } else { "User" });
        let tags = SESSION_TAGS.map(str::to_owned);
        let id: Vec<String> = self.account.external_id.iter().cloned().collect();
        let known = |key: &str| match key.to_ascii_lowercase().as_str() {
            // sts:ExternalId is AssumeRole's alone
            "sts:externalid" if action == ASSUME && !id.is_empty() => Known::One(&id),
            "sts:externalid" | "aws:sourceaccount" | "aws:sourcearn" => Known::Absent,
            "aws:multifactorauthpresent" | "aws:multifactorauthage" if role => Known::Absent,
            "aws:principalarn" => Known::One(&arn),
            "aws:principalaccount" => Known::One(&home),
            "aws:principaltype" => Known::One(&kind),
            "aws:securetransport" => Known::One(&yes),
            "aws:tagkeys" if action != "sts:SetSourceIdentity" => Known::Several(&tags),
            "sts:sourceidentity" if action != "sts:TagSession" => Known::Present,
            "sts:rolesessionname" if action == ASSUME => Known::Present,
            _ => Known::Nothing,
        };
        let mut doubt = None;
        for condition in &statement.conditions {
            match judge(condition, known(&condition.1)) {
                Verdict::Always => {}
                Verdict::Unknown => doubt = Some((Verdict::Unknown, condition)),
                verdict @ (Verdict::Never | Verdict::Sometimes) => return Err((verdict, condition)),
            }
        }
        doubt.map_or(Ok(()), Err)
    }

    /// Whether a statement speaks of the server's own identity; `None` where that can't be told.
    fn means_the_server(&self, statement: &Statement) -> Option<bool> {
        Some(self.somebodies(&statement.principals)?.iter().any(|one| match one {
            Somebody::Anybody => true,
            Somebody::Account(id) => id == self.home,
            Somebody::Identity(arn) => arn == self.trusted,
            Somebody::Other(..) => false,
        }))
    }

    /// Who besides the server can assume the role by a statement. A condition on the caller's ARN may leave nobody else.
    fn who_else(&self, statement: &Statement, difference: &mut Difference) {
        let Some(found) = self.somebodies(&statement.principals) else {
            // told for each action
            return;
        };
        let only = [self.trusted.to_owned()];
        let narrowed = statement.conditions.iter().any(|condition| requires(condition, PRINCIPAL, &only));
        for one in found {
            let who = match &one {
                Somebody::Identity(arn) if arn == self.trusted => continue,
                Somebody::Anybody | Somebody::Account(_) if narrowed => continue,
                Somebody::Anybody => "anybody".to_owned(),
                Somebody::Account(id) if id == self.home => {
                    format!("every identity of the server's account `{id}`")
                }
                Somebody::Account(id) if *id == self.account.id => format!("every identity of its own account `{id}`"),
                Somebody::Account(id) => format!("the foreign account `{id}`"),
                Somebody::Identity(arn) => format!("`{arn}`"),
                Somebody::Other(kind, name) => format!("the {kind} `{name}`"),
            };
            let under = match statement.conditions.iter().map(condition::told).collect::<Vec<_>>() {
                none if none.is_empty() => String::new(),
                some => format!(", under {}", some.join(" and ")),
            };
            difference
                .too_much(format!("its trust policy lets {who} assume it{under}; this server is `{}`", self.trusted));
        }
    }

    /// The external id keeps another customer's roles from being assumed by mistake: it must be demanded.
    fn external_id(&self, statement: &Statement, difference: &mut Difference) {
        let Some(id) = &self.account.external_id else { return };
        if statement.conditions.iter().any(|condition| requires(condition, EXTERNAL_ID, std::slice::from_ref(id))) {
            return;
        }
        let of_it: Vec<&Condition> =
            statement.conditions.iter().filter(|(_, key, _)| key.eq_ignore_ascii_case(EXTERNAL_ID)).collect();
        let line = match of_it.as_slice() {
            [] => format!("its trust policy does not ask for the external id `{id}`"),
            // that it is another one is told as missing
            [only] if judge(only, Known::One(std::slice::from_ref(id))) == Verdict::Never => return,
            [first, ..] => {
                format!(
                    "its trust policy does not demand the external id `{id}`: {} lets others pass",
                    condition::told(first)
                )
            }
        };
        difference.too_much(line);
    }

    fn somebodies(&self, principals: &Principals) -> Option<Vec<Somebody>> {
        match principals {
            Principals::Some(named) => Some(named.iter().map(|(kind, name)| somebody(kind, name)).collect()),
            Principals::None => Some(Vec::new()),
            Principals::NoneOf => None,
        }
    }
}

fn somebody(kind: &str, name: &str) -> Somebody {
    let account = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    let other = |kind: &str| Somebody::Other(kind.to_owned(), name.to_owned());
    match kind {
        "*" => Somebody::Anybody,
        "AWS" => match name.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            ["*"] => Somebody::Anybody,
            [id] if account(id) => Somebody::Account((*id).to_owned()),
            ["arn", _, "iam", "", id, "root"] if account(id) => Somebody::Account((*id).to_owned()),
            ["arn", ..] => Somebody::Identity(name.to_owned()),
            // IAM writes the unique id where the identity is gone
            _ => other("lost identity"),
        },
        "Service" => other("service"),
        "Federated" => other("identity provider"),
        kind => other(&format!("`{kind}`")),
    }
}
