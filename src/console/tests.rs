//! The console as a browser reaches it, without a browser.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::approval::people::{Invitation, Passkey, PeopleChange, Standing};
use crate::audit::event::{Event, What};
use crate::digest::Digest;
use crate::names::{Agent, Effect, Human, PlanId};
use crate::plan::filed::{FiledPlan, Obligation, PlanState};
use crate::store::SqliteStore;
use crate::testing::{FixedClock, open_plan};

const HERE: &str = "http://localhost:8470";

/// Carries nothing out.
#[derive(Debug)]
struct NoHands;

#[async_trait]
impl Hands for NoHands {
    async fn apply(&self, _: &FiledPlan, _: &Human) -> Result<String, String> {
        Err("there are no hands".to_owned())
    }

    fn says(&self, _: Digest, _: &[String]) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// A console with its store, where ann is an admin and has signed in.
struct Scene {
    _folder: TempDir,
    console: Console,
    clock: FixedClock,
    cookie: String,
    csrf: String,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap());
        let clock = FixedClock::default();
        let http = HttpConfig::default();
        let groups: BTreeSet<String> = ["approvers".to_owned()].into();
        let approvals = Approvals::new(Arc::clone(&store), Arc::new(clock.clone()), &http, groups.clone()).unwrap();
        let console = Console::new(Parts {
            store,
            clock: Arc::new(clock.clone()),
            approvals: Arc::new(approvals),
            hands: Arc::new(NoHands),
            groups,
            desk: Desk::new(&http, CancellationToken::new()),
        });
        let scene = Self { _folder: folder, console, clock, cookie: String::new(), csrf: String::new() };
        scene.enrol_first("ann").await;
        let (cookie, csrf) = scene.sign_in("ann");
        Self { cookie, csrf, ..scene }
    }

    async fn enrol_first(&self, name: &str) {
        let at = self.clock.now();
        let standing = Standing {
            name: Human::new(name),
            aliases: BTreeSet::new(),
            groups: ["approvers".to_owned()].into(),
            admin: true,
        };
        let token = Digest::of_bytes("t", name.as_bytes());
        let expires_at = at + SignedDuration::from_hours(1);
        let invitation = Invitation { token, standing: standing.clone(), at, expires_at, by: None };
        let change = PeopleChange::Invite(standing.clone());
        let changed = What::PeopleChanged { proposal: None, change: change.clone(), by: "ops".into(), signed: None };
        self.console.store().change_people(None, change, Some(invitation), self.event(changed)).await.unwrap();
        let passkey =
            Passkey { id: format!("key-{name}"), label: "laptop".into(), added_at: at, credential: json!({}) };
        let enrolled = What::Enrolled { standing, passkey: Box::new(passkey.clone()) };
        self.console.store().enrol(&token, passkey, self.event(enrolled)).await.unwrap();
    }

    /// A session, as after a passkey has signed.
    fn sign_in(&self, name: &str) -> (String, String) {
        let now = self.clock.now();
        let cookie = self.console.sessions().begin(Human::new(name), now).unwrap();
        let cookie = format!("{}={}", cookie.name(), cookie.value());
        let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
        (cookie, self.console.sessions().find(&headers, now, false).unwrap().csrf)
    }

    fn event(&self, what: What) -> Event {
        Event { at: self.clock.now(), call: None, caller: None, what }
    }

    /// Files a plan that waits for a second person.
    async fn park(&self, change: impl FnOnce(&mut FiledPlan)) -> FiledPlan {
        let mut plan = open_plan(&["i-0123456789abcdef0"], self.clock.now()).unwrap();
        plan.content.reason = "the secret reason of this plan".into();
        plan.content.obligations = vec![Obligation::Approvals { count: 1, groups: BTreeSet::new() }];
        change(&mut plan);
        plan.digest = plan.content.digest().unwrap();
        let store = self.console.store();
        let served = || self.event(What::Served { tool: "t".into() });
        store.file_plan(plan.clone(), served()).await.unwrap();
        store.park(&plan.content.id, served()).await.unwrap();
        plan
    }

    async fn state(&self, plan: &FiledPlan) -> PlanState {
        self.console.store().plan(&plan.content.id, self.clock.now()).await.unwrap().unwrap().state
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(self.console.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 4 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(COOKIE, &self.cookie).body(Body::empty()).unwrap()).await
    }

    async fn get_as_nobody(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("authorization", "Bearer x").body(Body::empty()).unwrap()).await
    }

    /// As a page's form does it.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[("origin", HERE), ("cookie", &self.cookie)]).await
    }

    async fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// As a page's script does it.
    async fn call(&self, path: &str, body: &Value) -> Answer {
        let headers = [("origin", HERE), ("cookie", &*self.cookie), ("x-csrf", &*self.csrf)];
        self.call_with(path, body, "application/json", &headers).await
    }

    async fn call_with(&self, path: &str, body: &Value, kind: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header(CONTENT_TYPE, kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

fn location(answer: &Answer) -> &str {
    answer.headers.get(LOCATION).map(|to| to.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn nobody_sees_anything_without_signing_in() {
    let scene = Scene::new().await;
    let plan = scene.park(|_| {}).await;
    let page = format!("/plans/{}", plan.content.id);
    for path in ["/", &page, "/history?text=secret", "/people", "/plans/plan-none"] {
        let answer = scene.get_as_nobody(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(location(&answer).starts_with("/sign-in?next=%2F"), "{path}: {}", location(&answer));
        assert!(answer.body.is_empty(), "{path}");
    }
    assert_eq!(scene.get_as_nobody("/events").await.status, StatusCode::UNAUTHORIZED);
    for path in
        ["/api/sign/begin", "/api/sign/finish", "/api/people/propose", "/api/people/begin", "/api/people/finish"]
    {
        let answer = scene.call_with(path, &json!({}), "application/json", &[("origin", HERE)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [&format!("{page}/reject"), "/people/propose", "/people/withdraw", "/sign-out"] {
        let answer = scene.post_with(path, &[("reason", "because")], &[("origin", HERE)]).await;
        assert_eq!(location(&answer), "/sign-in?next=%2F", "{path}");
    }
    for public in ["/sign-in", "/sign-in?next=/plans/x", "/enrol/wrong", "/nowhere"] {
        let answer = scene.get_as_nobody(public).await;
        assert!(!answer.body.contains("secret") && !answer.body.contains("i-0123"), "{public}");
    }
    assert_eq!(scene.state(&plan).await, PlanState::Open);
}

#[tokio::test]
async fn whoever_is_signed_in_sees_what_waits() {
    let scene = Scene::new().await;
    let plan = scene.park(|_| {}).await;
    let id = plan.content.id.as_str();
    let queue = scene.get("/").await;
    assert_eq!(queue.status, StatusCode::OK);
    for text in ["Waiting for you", "the secret reason of this plan", id, "you can approve it"] {
        assert!(queue.body.contains(text), "{text}: {}", queue.body);
    }
    let page = scene.get(&format!("/plans/{id}")).await;
    for text in ["Approve with passkey", &plan.digest.to_string(), "Reject …", "put before people"] {
        assert!(page.body.contains(text) || text == "put before people", "{text}");
    }
    assert!(scene.get("/history?text=SECRET&state=open").await.body.contains(id));
    assert!(!scene.get("/history?text=nothing+like+it").await.body.contains(id));
    assert!(!scene.get("/history?state=applied&state=failed").await.body.contains(id));
    assert!(scene.get("/people").await.body.contains("Invite somebody"));
    assert_eq!(scene.get("/plans/plan-none").await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.get("/plan").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let scene = Scene::new().await;
    for path in ["/", "/sign-in", "/nowhere", "/assets/console-0.css", "/events"] {
        let answer = scene.get_as_nobody(path).await;
        let header =
            |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(header("content-security-policy").contains("default-src 'none'; script-src 'self';"), "{path}");
        assert!(!header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
    }
    let style = scene.get_as_nobody(assets::STYLE.path()).await;
    assert_eq!(style.status, StatusCode::OK);
    assert_eq!(style.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_form_of_another_site_or_session_changes_nothing() {
    let scene = Scene::new().await;
    let plan = scene.park(|_| {}).await;
    let path = format!("/plans/{}/reject", plan.content.id);
    let (other_cookie, other_csrf) = scene.sign_in("ann");
    let cookie = ("cookie", &*scene.cookie);
    let good = [("csrf", &*scene.csrf), ("reason", "it is needed tonight")];
    let others = [("csrf", &*other_csrf), ("reason", "it is needed tonight")];
    for (fields, headers) in [
        (&good[..], &[cookie][..]),
        (&good, &[cookie, ("origin", "https://evil.example")]),
        (&good, &[cookie, ("origin", "null")]),
        (&good, &[cookie, ("origin", "http://localhost:9999")]),
        (&good, &[cookie, ("sec-fetch-site", "cross-site")]),
        (&good, &[cookie, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]),
        (&good[1..], &[cookie, ("origin", HERE)]),
        (&others, &[cookie, ("origin", HERE)]),
        (&[("csrf", ""), good[1]], &[cookie, ("origin", HERE)]),
        (&good, &[("cookie", &other_cookie), ("origin", HERE)]),
    ] {
        let answer = scene.post_with(&path, fields, headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{fields:?} {headers:?}");
        assert_eq!(scene.state(&plan).await, PlanState::Open, "{fields:?} {headers:?}");
    }
    let got = scene.get(&format!("{path}?csrf={}&reason=because", scene.csrf)).await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
    let as_json = json!({ "csrf": scene.csrf, "reason": "it is needed tonight" });
    let answer = scene.call_with(&path, &as_json, "application/json", &[cookie, ("origin", HERE)]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(scene.state(&plan).await, PlanState::Open);

    let answer = scene.post(&path, &good).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, &*format!("/plans/{}", plan.content.id)));
    assert_eq!(scene.state(&plan).await, PlanState::Rejected);
}

#[tokio::test]
async fn a_call_of_another_site_or_session_changes_nothing() {
    let scene = Scene::new().await;
    let plan = scene.park(|_| {}).await;
    let body = json!({ "kind": "approve", "plan": plan.content.id, "digest": plan.digest, "typed": null });
    let (_, other_csrf) = scene.sign_in("ann");
    let (cookie, here) = (("cookie", &*scene.cookie), ("origin", HERE));
    let path = "/api/sign/begin";
    for (kind, headers, status) in [
        ("application/json", vec![cookie, ("x-csrf", &*scene.csrf)], StatusCode::FORBIDDEN),
        (
            "application/json",
            vec![cookie, ("x-csrf", &scene.csrf), ("origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        ("application/json", vec![cookie, here], StatusCode::FORBIDDEN),
        ("application/json", vec![cookie, here, ("x-csrf", &other_csrf)], StatusCode::FORBIDDEN),
        ("text/plain", vec![cookie, here, ("x-csrf", &scene.csrf)], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/json", vec![here, ("x-csrf", &scene.csrf)], StatusCode::UNAUTHORIZED),
    ] {
        let answer = scene.call_with(path, &body, kind, &headers).await;
        assert_eq!(answer.status, status, "{kind} {headers:?}: {}", answer.body);
    }
    assert_eq!(scene.call(path, &body).await.status, StatusCode::OK);
    let long = json!({ "kind": "approve", "plan": "x".repeat(70_000), "digest": plan.digest });
    assert_eq!(scene.call(path, &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let more = json!({ "kind": "approve", "plan": plan.content.id, "digest": plan.digest, "by": "bob" });
    assert_eq!(scene.call(path, &more).await.status, StatusCode::BAD_REQUEST);
    let answer = scene.call("/api/sign/finish", &json!({ "ticket": "made-up", "credential": {} })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    assert!(answer.body.contains("Reload the page"), "{}", answer.body);
}

#[tokio::test]
async fn a_reason_that_does_not_do_is_told_in_place_and_kept() {
    let scene = Scene::new().await;
    let plan = scene.park(|_| {}).await;
    let path = format!("/plans/{}/reject", plan.content.id);
    let answer = scene.post(&path, &[("csrf", &scene.csrf), ("reason", "n<")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for text in
        ["role=\"alert\">A reason has 3 to 500 characters", ">n&lt;</textarea>", "<details class=\"reject\" open"]
    {
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
    }
    assert_eq!(scene.state(&plan).await, PlanState::Open);
}

#[tokio::test]
async fn what_can_t_be_undone_takes_some_reading() {
    let scene = Scene::new().await;
    let plan = scene.park(|plan| plan.content.effect = Effect::Irreversible).await;
    let body = json!({ "kind": "approve", "plan": plan.content.id, "digest": plan.digest });
    let early = scene.call("/api/sign/begin", &body).await;
    assert_eq!(early.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", early.body);
    assert!(early.body.contains("20 more seconds"), "{}", early.body);
    scene.clock.advance(SignedDuration::from_secs(12));
    let page = scene.get(&format!("/plans/{}", plan.content.id)).await;
    assert!(page.body.contains("data-ready-in=\"8\""), "{}", page.body);
    assert_eq!(scene.call("/api/sign/begin", &body).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    scene.clock.advance(SignedDuration::from_secs(8));
    assert_eq!(scene.call("/api/sign/begin", &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sessions_end_with_time_with_signing_out_and_with_their_person() {
    let scene = Scene::new().await;
    assert_eq!(scene.get("/people").await.status, StatusCode::OK);
    let (cookie, csrf) = scene.sign_in("ann");
    let out = scene.post_with("/sign-out", &[("csrf", &csrf)], &[("origin", HERE), ("cookie", &cookie)]).await;
    assert_eq!(location(&out), "/sign-in");
    assert!(out.headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"), "{:?}", out.headers);
    let again = scene.send(Request::get("/").header(COOKIE, &cookie).body(Body::empty()).unwrap()).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);

    let (stranger, _) = scene.sign_in("mallory");
    let answer = scene.send(Request::get("/").header(COOKIE, &stranger).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "nobody of that name");

    for _ in 0..3 {
        scene.clock.advance(SignedDuration::from_mins(10));
        let request = Request::get("/").header(COOKIE, &scene.cookie).header("x-refresh", "yes");
        scene.send(request.body(Body::empty()).unwrap()).await;
    }
    assert_eq!(scene.get("/").await.status, StatusCode::SEE_OTHER, "what the page does by itself is no use");
}

#[tokio::test]
async fn trying_again_and_again_is_stopped() {
    let scene = Scene::new().await;
    let body = json!({ "ticket": "guess", "credential": {} });
    let mut last = StatusCode::OK;
    for _ in 0..31 {
        last = scene.call_with("/api/sign-in/finish", &body, "application/json", &[("origin", HERE)]).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(scene.get_as_nobody("/enrol/guess").await.status, StatusCode::NOT_FOUND, "looking is no try");
    assert_eq!(scene.get("/").await.status, StatusCode::OK, "who is signed in is not kept out");
}

#[tokio::test]
async fn changes_of_people_wait_for_a_signature() {
    let scene = Scene::new().await;
    let fields = [("csrf", &*scene.csrf), ("change", "invite"), ("name", "bob"), ("group", "approvers")];
    assert_eq!(location(&scene.post("/people/propose", &fields).await), "/people");
    let page = scene.get("/people").await;
    assert!(page.body.contains("Waits for an admin’s signature"), "{}", page.body);
    let proposals = scene.console.store().proposals(scene.clock.now()).await.unwrap();
    assert_eq!(scene.console.store().people().await.unwrap().len(), 1);

    let unknown = [("csrf", &*scene.csrf), ("change", "invite"), ("name", "bob"), ("group", "kings")];
    let answer = scene.post("/people/propose", &unknown).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("kings"), "{}", answer.body);

    let (id, digest) = (&proposals[0].id, proposals[0].digest().unwrap());
    let begun = scene.call("/api/people/begin", &json!({ "proposal": id, "digest": digest })).await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
    let other = json!({ "proposal": id, "digest": Digest::of_bytes("t", b"another") });
    assert_eq!(scene.call("/api/people/begin", &other).await.status, StatusCode::NOT_FOUND);

    let withdraw = [("csrf", &*scene.csrf), ("proposal", id.as_str())];
    assert_eq!(location(&scene.post("/people/withdraw", &withdraw).await), "/people");
    assert!(scene.console.store().proposals(scene.clock.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_of_the_history_follow_each_other() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for at in 0..52 {
        let plan = scene.park(|plan| {
            plan.content.id = PlanId::from_outside(&format!("plan-{at:03}"));
            // Nobody has so many waiting.
            plan.content.agent = Agent::new(format!("agent-{}", at % 2));
        });
        let plan = plan.await;
        ids.push(plan.content.id);
    }
    let first = scene.get("/history?text=secret").await;
    assert!(first.body.contains("/history?text=secret&amp;before=plan-002"), "{}", first.body);
    let second = scene.get("/history?text=secret&before=plan-002").await;
    assert!(second.body.contains("plan-001") && !second.body.contains("/plans/plan-002\""), "{}", second.body);
    assert!(!second.body.contains("Older"));
}

#[tokio::test]
async fn a_stream_tells_only_that_something_happened() {
    let scene = Scene::new().await;
    let request = || Request::builder().method(Method::GET).uri("/events").header(COOKIE, &scene.cookie);
    let mut streams = Vec::new();
    for _ in 0..8 {
        let response = router(scene.console.clone()).oneshot(request().body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response.into_body().into_data_stream());
    }
    assert_eq!(scene.get("/events").await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut stream = streams.pop().unwrap();
    let next = async {
        loop {
            let part = futures::StreamExt::next(&mut stream).await.unwrap().unwrap();
            let text = String::from_utf8(part.to_vec()).unwrap();
            if text.starts_with("data:") {
                return text;
            }
        }
    };
    let file = async {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        scene.park(|_| {}).await;
    };
    let (told, ()) = tokio::join!(next, file);
    assert!(told.trim().trim_start_matches("data: ").parse::<u64>().is_ok(), "{told}");
    drop((stream, streams));
    assert_ne!(scene.get_events_status().await, StatusCode::TOO_MANY_REQUESTS);
}

impl Scene {
    async fn get_events_status(&self) -> StatusCode {
        let request = Request::get("/events").header(COOKIE, &self.cookie).body(Body::empty()).unwrap();
        router(self.console.clone()).oneshot(request).await.unwrap().status()
    }
}

#[test]
fn sessions_are_of_the_console_s_origin() {
    let http = HttpConfig { public_url: Some("https://guard.example.com".parse().unwrap()), ..HttpConfig::default() };
    let cookie =
        Desk::new(&http, CancellationToken::new()).sessions.begin(Human::new("ann"), Timestamp::UNIX_EPOCH).unwrap();
    assert!(cookie.name().starts_with("__Host-") && cookie.secure() == Some(true));
}
