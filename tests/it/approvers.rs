//! Who may sign, by the command line: the first admin, proposals, and what is told where it can't be.

use std::sync::Arc;

use countersign::approval::approve::Approvals;
use countersign::clock::SystemClock;
use countersign::config::HttpConfig;
use countersign::names::Human;
use countersign::ports::Store;
use countersign::store::SqliteStore;
use countersign::testing::SoftKey;

use crate::support::{Installation, Ran};

const ORIGIN: &str = "http://localhost:8470";

fn installation() -> Installation {
    Installation::before("http://127.0.0.1:1").with_config("[http]\n\n[policy]\ngroups = [\"senior\"]\n")
}

/// Everything a run showed, with what differs from run to run replaced by its name.
macro_rules! assert_shown {
    ($installation:expr, [$($argument:expr),+]) => {{
        let installation: &Installation = $installation;
        let Ran { code, out, err } = installation.run(&["approver", $($argument),+]);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("snapshots");
        settings.set_omit_expression(true);
        settings.add_filter(r"\bchange-[0-9a-z]{26}\b", "change-[id]");
        settings.add_filter(r"/enrol/[A-Za-z0-9_-]{43}\b", "/enrol/[token]");
        settings.add_filter(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]");
        settings.add_filter(r"`([^`]+ \()?uid \d+\)?`", "`[operator]`");
        settings.add_filter(r#""[^"]*uid \d+\)?""#, "\"[operator]\"");
        settings.add_filter(r#""id": "[A-Za-z0-9_-]{22}""#, r#""id": "[passkey]""#);
        let command = [$($argument),+].join(" ");
        let text = format!("countersign approver {command}\nexit {}\n{out}{err}", code.unwrap());
        let text = text.replace(&installation.folder().display().to_string(), "[folder]");
        settings.bind(|| insta::assert_snapshot!(text));
    }};
}

/// The desk of a console on an installation's store.
async fn desk(installation: &Installation) -> (Arc<SqliteStore>, Approvals) {
    let store = Arc::new(SqliteStore::open(&installation.store()).await.unwrap());
    let groups = ["approvers".to_owned(), "senior".to_owned()].into();
    let http = HttpConfig::default();
    let approvals = Approvals::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(SystemClock), &http, groups).unwrap();
    (store, approvals)
}

/// Enrols a key by the link that a run showed.
async fn enrol(approvals: &Approvals, shown: &str) -> SoftKey {
    let token = shown.split("/enrol/").nth(1).unwrap().split_whitespace().next().unwrap();
    let asked = approvals.begin_enrol(token).await.unwrap();
    let mut key = SoftKey::new().unwrap();
    let answer = key.register(&asked.options, ORIGIN).unwrap();
    approvals.finish_enrol(&asked.ceremony, token, "laptop", &answer).await.unwrap();
    key
}

#[tokio::test]
async fn the_first_is_made_here_and_all_others_are_proposed() {
    let installation = installation();
    assert_shown!(&installation, ["invite", "ann", "--alias", "ann@example.com"]);
    assert_shown!(&installation, ["list"]);
    let ran = installation.run(&["approver", "invite", "ann", "--alias", "ann@example.com"]);
    let (store, approvals) = desk(&installation).await;
    let mut anns = enrol(&approvals, &ran.out).await;

    assert_shown!(&installation, ["invite", "bob", "--group", "senior", "--alias", "bob@example.com"]);
    assert_shown!(&installation, ["list"]);
    assert_shown!(&installation, ["list", "--json"]);

    let proposal = store.proposals(countersign::ports::Clock::now(&SystemClock)).await.unwrap().pop().unwrap();
    let ann = Human::new("ann");
    let asked = approvals.begin_sign_proposal(&proposal.id, &proposal.digest().unwrap(), &ann).await.unwrap();
    let answer = anns.sign(&asked.options, ORIGIN).unwrap();
    let changed = approvals.finish_sign_proposal(&asked.ceremony, &ann, &answer).await.unwrap();
    enrol(&approvals, &changed.link.unwrap()).await;

    assert_shown!(&installation, ["regroup", "bob", "--no-aliases", "--admin"]);
    assert_shown!(&installation, ["revoke", "bob"]);
    assert_shown!(&installation, ["invite", "bob"]);
    let proposal = store.proposals(countersign::ports::Clock::now(&SystemClock)).await.unwrap().pop().unwrap();
    assert_eq!(installation.run(&["approver", "withdraw", proposal.id.as_str()]).code, Some(0));
    assert_shown!(&installation, ["list"]);
    let record = installation.record();
    let counts = ["people_changed", "people_proposed", "people_withdrawn", "enrolled"].map(|kind| record.count(kind));
    assert_eq!(counts, [3, 4, 1, 2]);
}

#[tokio::test]
async fn what_cannot_be_is_told_with_the_mend() {
    let installation = installation();
    assert_shown!(&installation, ["list"]);
    assert_shown!(&installation, ["invite", "ann\u{202e}"]);
    assert_shown!(&installation, ["invite", "ann", "--group", "seniors"]);
    assert_shown!(&installation, ["revoke", "ann"]);
    let (_, approvals) = desk(&installation).await;
    enrol(&approvals, &installation.run(&["approver", "invite", "ann"]).out).await;
    assert_shown!(&installation, ["revoke", "ann"]);
    assert_shown!(&installation, ["regroup", "ann", "--no-admin"]);
    assert_shown!(&installation, ["regroup", "ann"]);
    assert_shown!(&installation, ["regroup", "bob", "--admin"]);
    assert_shown!(&installation, ["invite", "Ann"]);
    assert_shown!(&installation, ["invite", "bob", "--alias", "ANN"]);
    assert_shown!(&installation, ["withdraw", "change-1"]);
    // Only ann's second passkey.
    assert_eq!(installation.record().count("people_proposed"), 1);
}

#[test]
fn without_a_console_nobody_is_invited() {
    let installation = Installation::before("http://127.0.0.1:1");
    assert_shown!(&installation, ["invite", "ann"]);
    assert!(!installation.store().exists());
}
