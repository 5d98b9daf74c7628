//! What the claims of a verified token mean here: which agent, for which human.

use serde_json::{Map, Value};

use super::{Principal, Refusal, Source};
use crate::config::auth::{AgentRule, OAuthConfig};
use crate::digest::Digest;
use crate::names::Human;
use crate::text::escape::quoted;

/// Most characters of a human's name, as in the configuration.
const LONGEST_NAME: usize = 64;

/// Claims under which issuers name the client; the first two are standards (RFC 9068, OpenID Connect), the last is
/// Microsoft's older one.
const CLIENT_CLAIMS: [&str; 3] = ["client_id", "azp", "appid"];

/// Who a token is for. The token must have been verified.
pub(super) fn principal(claims: &Map<String, Value>, config: &OAuthConfig) -> Result<Principal, Refusal> {
    require_scope(claims, &config.scope)?;
    let rule = config.agents.iter().find(|rule| matches(rule, claims));
    let agent = match (rule, &config.default_agent) {
        (Some(rule), _) => &rule.agent,
        (None, Some(agent)) => agent,
        (None, None) => {
            let client = client(claims).map_or("no client".to_owned(), |client| quoted(client, 64));
            return Err(Refusal::Nobody(format!("no rule of `[[http.oauth.agents]]` matches a token of {client}")));
        }
    };
    let human = match rule.and_then(|rule| rule.human.as_ref()) {
        Some(human) => human.clone(),
        None => human(claims, &config.human_claim)?,
    };
    let subject = text(claims, "sub").unwrap_or_default();
    let subject = Digest::of("countersign.subject.v1", &(&config.issuer, subject))
        .map_err(|error| Refusal::Invalid(format!("its subject has no digest: {error}")))?;
    Ok(Principal { agent: agent.clone(), human, source: Source::OAuth { subject } })
}

/// `scope` is a text of words (RFC 9068, section 2.2.3); `scp` is what Microsoft (a text) and Okta (a list) write.
fn require_scope(claims: &Map<String, Value>, wanted: &str) -> Result<(), Refusal> {
    let has = |claim: &Value| match claim {
        Value::String(words) => words.split(' ').any(|word| word == wanted),
        Value::Array(words) => words.iter().any(|word| word.as_str() == Some(wanted)),
        _ => false,
    };
    match ["scope", "scp"].iter().filter_map(|name| claims.get(*name)).any(has) {
        true => Ok(()),
        false => Err(Refusal::Scope(format!("it lacks the scope `{wanted}`"))),
    }
}

fn matches(rule: &AgentRule, claims: &Map<String, Value>) -> bool {
    match claims.get(&rule.claim) {
        Some(Value::String(text)) => *text == rule.value,
        Some(Value::Array(members)) => members.iter().any(|member| member.as_str() == Some(&rule.value)),
        _ => false,
    }
}

/// One claim names people, and no other stands in for it: somebody with two names could be the second person of a plan
/// that was made for them.
fn human(claims: &Map<String, Value>, claim: &str) -> Result<Human, Refusal> {
    let nobody = |reason: String| Err(Refusal::Nobody(reason));
    let Some(name) = text(claims, claim) else {
        return nobody(format!(
            "it has no claim `{claim}`, which would name its human: let the issuer put it into access tokens, set \
             `human_claim`, or give the client's rule a `human`"
        ));
    };
    let verified = matches!(claims.get("email_verified"), Some(Value::Bool(true)))
        || text(claims, "email_verified") == Some("true");
    if claim == "email" && !verified {
        return nobody("its `email` is not verified: `email_verified` is not true".to_owned());
    }
    if client(claims) == Some(name) {
        return nobody(format!(
            "it stands for the client {} and no human: give its rule a `human` if it acts for one person",
            quoted(name, 64)
        ));
    }
    if !is_plain(name) {
        return nobody(format!("its claim `{claim}` is no plain name: {}", quoted(name, 64)));
    }
    Ok(Human::new(name))
}

/// Only what can't be mistaken for somebody else: no spaces, no look-alikes, nothing that prompts and pages would have to
/// escape.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"`\\<>\"'".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(plain)
}

fn client(claims: &Map<String, Value>) -> Option<&str> {
    CLIENT_CLAIMS.iter().find_map(|claim| text(claims, claim))
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    claims.get(claim).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::oauth;
    use crate::config::auth::AgentRule;
    use crate::names::Agent;
    use proptest::prelude::*;
    use serde_json::json;

    fn claims(more: Value) -> Map<String, Value> {
        let base = json!({
            "sub": "u-1", "scope": "openid countersign", "client_id": "kiro-client",
            "email": "dana@example.com", "email_verified": true,
        });
        let mut claims = base.as_object().unwrap().clone();
        for (name, value) in more.as_object().unwrap() {
            claims.insert(name.clone(), value.clone());
            if value.is_null() {
                claims.remove(name);
            }
        }
        claims
    }

    fn found(more: Value, config: &OAuthConfig) -> String {
        match principal(&claims(more), config) {
            Ok(principal) => format!("{} for {}", principal.agent, principal.human),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn claims_become_an_agent_and_a_human() {
        let mut config = oauth("https://issuer.example.com");
        let rule = |claim: &str, value: &str, human: Option<&str>| AgentRule {
            claim: claim.to_owned(),
            value: value.to_owned(),
            agent: Agent::new(format!("agent-of-{value}")),
            human: human.map(Human::new),
        };
        config.agents.push(rule("groups", "night", None));
        config.agents.push(rule("azp", "batch", Some("cleo")));
        let subject = OAuthConfig { human_claim: "sub".to_owned(), ..config.clone() };
        let with_default = OAuthConfig { default_agent: Some(Agent::new("any")), ..config.clone() };
        let cases = [
            ("by its client", found(json!({}), &config)),
            ("the first rule", found(json!({ "groups": ["night"] }), &config)),
            ("a member of a list", found(json!({ "client_id": "x", "groups": ["day", "night"] }), &config)),
            ("no rule", found(json!({ "client_id": "kiro-client2" }), &config)),
            ("no client", found(json!({ "client_id": null }), &config)),
            ("a default", found(json!({ "client_id": "x" }), &with_default)),
            ("a human by rule", found(json!({ "client_id": null, "azp": "batch", "email": null }), &config)),
            ("scope as a list", found(json!({ "scope": null, "scp": ["a", "countersign"] }), &config)),
            ("no scope", found(json!({ "scope": null }), &config)),
            ("a longer scope", found(json!({ "scope": "countersign2 xcountersign" }), &config)),
            ("no email", found(json!({ "email": null }), &config)),
            ("an unverified email", found(json!({ "email_verified": false }), &config)),
            ("an email nobody speaks for", found(json!({ "email_verified": null }), &config)),
            ("a subject", found(json!({}), &subject)),
            ("a client as subject", found(json!({ "sub": "kiro-client" }), &subject)),
            ("a name with a line in it", found(json!({ "email": "dana@example.com\n(admin)" }), &config)),
            ("a name with look-alikes", found(json!({ "email": "d\u{430}na@example.com" }), &config)),
            ("a name that turns around", found(json!({ "email": "\u{202E}anad" }), &config)),
            ("a name with a space", found(json!({ "email": "dana " }), &config)),
            ("an empty name", found(json!({ "email": "" }), &config)),
            ("a long name", found(json!({ "email": "d".repeat(65) }), &config)),
            ("a name that is no text", found(json!({ "email": ["dana"] }), &config)),
        ];
        let shown: Vec<String> = cases.iter().map(|(case, found)| format!("{case}: {found}")).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn subjects_of_other_issuers_are_others() {
        let of = |issuer: &str, sub: &str| principal(&claims(json!({ "sub": sub })), &oauth(issuer)).unwrap().source;
        assert_eq!(of("https://a.example.com", "1"), of("https://a.example.com", "1"));
        assert_ne!(of("https://a.example.com", "1"), of("https://a.example.com", "2"));
        assert_ne!(of("https://a.example.com", "1"), of("https://b.example.com", "1"));
    }

    proptest! {
        #[test]
        fn a_name_is_shown_as_it_is(name in "\\PC{0,70}|[a-z@.+|:/-]{1,70}") {
            if is_plain(&name) {
                prop_assert_eq!(quoted(&name, 200).replace("\\|", "|").replace("\\]", "]"), format!("`{name}`"));
            }
        }
    }
}
