//! Who calls over HTTP: the tokens of a real OpenID provider, and static tokens.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::serving::{Serving, free_port, told};
use crate::support::{Installation, Stub, repository};

/// `oidc-provider` on loopback, with tokens that its clients have got from it.
struct Provider {
    issuer: String,
    tokens: Value,
    _process: Child,
}

impl Provider {
    /// Starts it; most of the tokens are for `resource`.
    async fn start(resource: &str) -> Self {
        let node = repository().join(".venv/bin/node");
        let folder = repository().join("tests/oidc");
        assert!(
            node.exists() && folder.join("node_modules").exists(),
            "the OpenID provider is not installed: run `make node`"
        );
        let mut command = Command::new(node);
        command.arg("issuer.js").arg(resource).current_dir(folder).kill_on_drop(true);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let issuer = said["issuer"].as_str().unwrap().to_owned();
        Self { issuer, tokens: said["tokens"].clone(), _process: process }
    }

    fn token(&self, name: &str) -> &str {
        self.tokens[name].as_str().unwrap_or_else(|| panic!("there is no token `{name}`"))
    }

    fn config(&self) -> String {
        format!(
            r#"
[agents.test-agent]
roles = ["operator"]
accounts = ["shop-dev"]
[agents.kiro]
roles = ["operator"]
accounts = ["shop-dev", "shop-prod"]
[agents.batch]
roles = ["reader"]
accounts = ["shop-dev"]
[http.oauth]
issuer = "{}"
[[http.oauth.agents]]
claim = "client_id"
value = "kiro-client"
agent = "kiro"
[[http.oauth.agents]]
claim = "client_id"
value = "batch-client"
agent = "batch"
human = "cleo"
"#,
            self.issuer
        )
    }
}

#[tokio::test]
async fn tokens_of_an_openid_provider_let_their_clients_in() {
    let (port, stub) = (free_port(), Stub::start().await);
    let provider = Provider::start(&format!("http://localhost:{port}/mcp")).await;
    let installation = Installation::before_stub(&stub).with_config(&provider.config());
    let server = Serving::start(&installation, port).await;

    // As a client finds its way: the challenge names the metadata, the metadata names the issuer.
    let challenged = told(server.hello()).await;
    assert_eq!(challenged.status, 401);
    let address = challenged.challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    for address in [address, &format!("{}/.well-known/oauth-protected-resource", server.origin())] {
        let metadata: Value = server.http.get(address).send().await.unwrap().json().await.unwrap();
        assert_eq!(metadata["resource"], server.endpoint());
        assert_eq!(metadata["authorization_servers"], serde_json::json!([provider.issuer]));
        assert_eq!(metadata["bearer_methods_supported"], serde_json::json!(["header"]));
    }

    let who = |agent: &str, human: &str| (agent.to_owned(), human.to_owned());
    assert_eq!(server.whoami(provider.token("person")).await, who("kiro", "dana@example.com"));
    assert_eq!(server.whoami(provider.token("batch")).await, who("batch", "cleo"));

    for (name, status, error) in [
        ("id_token", 401, "invalid_token"),
        ("other_audience", 401, "invalid_token"),
        ("batch_rs256", 401, "invalid_token"),
        ("without_scope", 403, "insufficient_scope"),
        ("unverified", 403, ""),
        ("unknown_client", 403, ""),
    ] {
        let answer = server.tells(provider.token(name)).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.challenge.contains(&format!("error=\"{error}\"")), !error.is_empty(), "{name}: {answer:?}");
    }
    let person = provider.token("person");
    let in_query = server.http.post(format!("{}?access_token={person}", server.endpoint())).body("{}");
    assert_eq!(told(in_query).await.status, 401);
    let in_body = server.http.post(server.endpoint()).header("content-type", "application/x-www-form-urlencoded");
    let in_body = in_body.body(format!("access_token={person}"));
    assert_eq!(told(in_body).await.status, 401);

    let log = server.end().await;
    let record = installation.record();
    let callers: Vec<&Value> =
        record.events().iter().map(|event| &event["caller"]).filter(|who| who.is_object()).collect();
    assert!(callers.iter().any(|caller| caller["human"] == "dana@example.com" && caller["agent"] == "kiro"));
    assert!(callers.iter().all(|caller| caller["human"] != "ann" && caller["human"] != "unknown-client"));
    let kept = format!("{log}{}", installation.run(&["audit", "export"]).out);
    for (name, token) in provider.tokens.as_object().unwrap() {
        for part in token.as_str().unwrap().split('.').skip(1) {
            assert!(!kept.contains(part), "the token `{name}` is in the log or in the record");
        }
    }
    assert!(log.contains("it is for another audience"), "the operator is told why:\n{log}");
}

#[tokio::test]
async fn an_audience_of_ones_own_takes_the_place_of_the_address() {
    let (port, stub) = (free_port(), Stub::start().await);
    let provider = Provider::start(&format!("http://localhost:{port}/mcp")).await;
    let rs256 = toml_edit::Array::from_iter(["https://rs256.example.com/mcp"]);
    let installation =
        Installation::before_stub(&stub).with_config(&provider.config()).set("http.oauth.audience", rs256);
    let server = Serving::start(&installation, port).await;
    assert_eq!(server.whoami(provider.token("batch_rs256")).await, ("batch".to_owned(), "cleo".to_owned()));
    assert_eq!(server.tells(provider.token("person")).await.status, 401);
    assert_eq!(server.tells(provider.token("batch")).await.status, 401);
}

#[tokio::test]
async fn a_static_token_is_made_pasted_and_used() {
    let (port, stub) = (free_port(), Stub::start().await);
    let installation = Installation::before_stub(&stub);
    let made = installation.run(&["token", "new", "--agent", "test-agent", "--human", "dana", "--expires", "1d"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let token = made.out.lines().find_map(|line| line.trim().strip_prefix("cs_")).map(|rest| format!("cs_{rest}"));
    let token = token.unwrap();
    let table = made.out.split("start the server again:").nth(1).unwrap();
    let ended = table.replace("[http.tokens.test-agent]", "[http.tokens.ended]");
    let other = installation.run(&["token", "new", "--agent", "test-agent", "--human", "ann"]).out;
    let other_token = other.lines().find(|line| line.trim().starts_with("cs_")).unwrap().trim().to_owned();
    let other_hash = other.lines().find(|line| line.starts_with("sha256")).unwrap();
    let ended: Vec<String> = ended
        .lines()
        .map(|line| match line.split(' ').next() {
            Some("sha256") => other_hash.to_owned(),
            Some("expires") => "expires = \"2020-01-01\"".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let installation = installation.with_config(table).with_config(&ended.join("\n"));

    let unknown = installation.run(&["token", "new", "--agent", "kira", "--human", "dana"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("there is no agent `kira`"), "{unknown:?}");

    let server = Serving::start(&installation, port).await;
    assert_eq!(server.whoami(&token).await, ("test-agent".to_owned(), "dana".to_owned()));
    for wrong in [other_token, token.to_uppercase(), format!("{token}A"), token[..45].to_owned()] {
        let answer = server.tells(&wrong).await;
        assert_eq!((answer.status, answer.challenge.as_str()), (401, "Bearer error=\"invalid_token\""));
    }
    let metadata = server.get("/.well-known/oauth-protected-resource").send().await.unwrap();
    assert_eq!(metadata.status().as_u16(), 404, "there is no issuer to send clients to");
    let log = server.end().await;
    assert!(!log.contains(&token), "{log}");
}
