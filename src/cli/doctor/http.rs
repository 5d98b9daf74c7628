//! HTTP: whether people can be asked at all, and whether there are any.

use std::sync::Arc;

use super::{About, Finding};
use crate::auth::Gate;
use crate::clock::SystemClock;
use crate::config::{Config, HttpConfig, Profile};
use crate::http::exposure;
use crate::http::tls::Tls;
use crate::store::Reader;

pub(super) async fn http(config: &Config) -> Vec<Finding> {
    let Some(http) = &config.http else {
        let needs = matches!(config.policy.profile, Profile::Standard | Profile::Regulated);
        let says = "there is no [http], so plans can't be put before other people";
        return vec![match needs {
            true => Finding::warning(
                About::Http,
                format!("{says}: what needs a second person is refused"),
                "add [http] to the configuration, and run `countersign serve --http`",
            ),
            false => Finding::ok(About::Http, format!("{says}; the profile `{}` asks for none", config.policy.profile)),
        }];
    };
    let mut findings = vec![address(http), exposed(config, http)];
    if let Some(files) = &http.tls {
        findings.push(match Tls::load(files.clone()) {
            Ok(_) => Finding::ok(About::Http, format!("TLS with {}", files.certificate.display())),
            Err(error) => Finding::problem(About::Http, error.to_string(), "mend the files that [http] names"),
        });
    }
    findings.extend(approvers(config).await);
    findings
}

/// The configuration has none that browsers give no passkeys at.
fn address(http: &HttpConfig) -> Finding {
    let (origin, host) = (http.origin(), http.host());
    match http.public_url {
        Some(_) => Finding::ok(About::Http, format!("people reach it at {origin}; passkeys are bound to `{host}`")),
        None => Finding::warning(
            About::Http,
            format!("people reach it at {origin}, on this machine only"),
            "write `public_url` under [http] before anybody enrols: passkeys are bound to its host",
        ),
    }
}

fn exposed(config: &Config, http: &HttpConfig) -> Finding {
    let listens = format!("listens at {}", http.listen);
    let checked = Gate::new(http, &config.caller, Arc::new(SystemClock))
        .map_err(|error| error.to_string())
        .and_then(|gate| exposure::check(http, &gate).map(|()| gate.asks_for_credentials()));
    match checked {
        Ok(true) => Finding::ok(About::Http, format!("{listens}, and asks callers for credentials")),
        Ok(false) => Finding::ok(About::Http, format!("{listens}, for this machine only")),
        Err(why) => Finding::problem(About::Http, format!("the server does not listen: {why}"), "correct [http]"),
    }
}

async fn approvers(config: &Config) -> Vec<Finding> {
    let invite = "`countersign approver invite` invites the first, who becomes the admin";
    if !config.store.exists() {
        return vec![Finding::warning(About::Http, "nobody can approve yet: there is no store", invite)];
    }
    let people = match Reader::open(&config.store).await {
        Ok(reader) => reader.people().await,
        Err(error) => Err(error),
    };
    let people = match people {
        Ok(people) => people,
        Err(error) => return vec![Finding::problem(About::Http, error.to_string(), "see the store, above")],
    };
    let active: Vec<_> = people.iter().filter(|person| person.is_active()).collect();
    let admins = active.iter().filter(|person| person.admin).count();
    let others = active.iter().filter(|person| !person.is(&config.caller.human)).count();
    let says = format!("{} approvers are enrolled, {admins} of them admins", active.len());
    vec![match (active.len(), admins, others) {
        (0, ..) => {
            Finding::warning(About::Http, "nobody is enrolled: what needs a second person waits for ever", invite)
        }
        (_, _, 0) => Finding::warning(
            About::Http,
            format!(
                "{says}, and none is anybody else than `{}`, who can't approve what is done for them",
                config.caller.human
            ),
            "invite somebody else in the console",
        ),
        (_, 1, _) => Finding::warning(
            About::Http,
            format!("{says}: if that one loses their passkey, nobody can be added"),
            "make somebody else an admin too",
        ),
        _ => Finding::ok(About::Http, says),
    }]
}
