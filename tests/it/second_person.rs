//! The second person from end to end, in headless Chromium with its virtual authenticator: `tests/python/second_person.py`
//! tells the story, before the sandbox.

use countersign::auth::token::NewToken;
use countersign::sandbox::PROD;
use tokio::process::Command;

use crate::console::browser;
use crate::support::clouds::{create_table, table_exists};
use crate::support::serving::{Serving, free_port};
use crate::support::{Installation, repository, sandbox};

#[tokio::test]
async fn an_agent_asks_and_two_people_sign() {
    let Some(chromium) = browser() else { return };
    let python = repository().join(".venv/bin/python");
    assert!(python.exists(), "there is no `.venv`: run `make venv`");
    let table = "second-person";
    create_table(&PROD, table).await;
    let (port, token) = (free_port(), NewToken::random().unwrap());
    let installation = Installation::before_sandbox(sandbox().await)
        .set("http.listen", format!("127.0.0.1:{port}"))
        .set("http.reading_time", "2s")
        .set("http.tokens.ann.sha256", token.sha256())
        .set("http.tokens.ann.agent", "demo-agent")
        .set("http.tokens.ann.human", "ann")
        .set("http.tokens.ann.expires", "2099-01-01T00:00:00Z");
    let serving = Serving::start(&installation, port).await;
    let mut story = Command::new(python);
    story
        .env("CHROMIUM", chromium)
        .arg(repository().join("tests/python/second_person.py"))
        .arg(env!("CARGO_BIN_EXE_countersign"));
    story.arg(installation.config()).args([serving.origin(), token.reveal(), table]);
    let told = story.output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{text}\n{}", serving.end().await);
    assert!(!table_exists(&PROD, table).await);
    let record = installation.record();
    assert_eq!((record.count("intent"), record.count("outcome"), record.count("signed")), (1, 1, 2), "{text}");
    assert_eq!(record.of_kind("outcome")[0]["result"], "applied");
    println!("{text}");
}
