//! A person at the approvals console without a browser: the same requests as its pages make, with a passkey in software.

use countersign::testing::SoftKey;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::installation::Installation;

/// An approver with a passkey.
pub(crate) struct Approver {
    client: Client,
    origin: String,
    /// What they sign with; can be made to lie.
    pub(crate) key: SoftKey,
    cookie: Option<String>,
}

impl Approver {
    /// Somebody who has no passkey enrolled yet.
    pub(crate) fn at(origin: &str) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, origin: origin.to_owned(), key: SoftKey::new().unwrap(), cookie: None }
    }

    /// The first approver of an installation: invited from the command line, an admin.
    pub(crate) async fn first(installation: &Installation, origin: &str, name: &str) -> Self {
        let invited = installation.run(&["approver", "invite", name, "--group", "approvers", "--admin"]);
        assert_eq!(invited.code, Some(0), "{invited:?}");
        let link = invited.out.split_whitespace().find(|word| word.contains("/enrol/")).unwrap();
        Self::enrolled(origin, link).await
    }

    /// Enrols with a one-time link, and signs in.
    pub(crate) async fn enrolled(origin: &str, link: &str) -> Self {
        let mut person = Self::at(origin);
        assert_eq!(person.enrol(link).await.0, 200);
        person.sign_in().await;
        person
    }

    /// Tries to enrol: the status and what was told.
    pub(crate) async fn enrol(&mut self, link: &str) -> (u16, Value) {
        let token = link.rsplit('/').next().unwrap();
        let (status, begun) = self.ask("/api/enrol/begin", json!({ "token": token })).await;
        if status != 200 {
            return (status, begun);
        }
        let credential = self.key.register(&begun["options"], &self.origin).unwrap();
        let finish = json!({ "token": token, "ticket": begun["ticket"], "label": "laptop", "credential": credential });
        self.ask("/api/enrol/finish", finish).await
    }

    /// Signs in with the passkey.
    pub(crate) async fn sign_in(&mut self) {
        let (status, begun) = self.ask("/api/sign-in/begin", json!({ "name": null })).await;
        assert_eq!(status, 200, "{begun}");
        let credential = self.key.sign(&begun["options"], &self.origin).unwrap();
        let finish = json!({ "ticket": begun["ticket"], "credential": credential });
        let answer = self.post("/api/sign-in/finish", &finish, "").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    }

    /// As an admin: proposes an invitation and signs it; the link.
    pub(crate) async fn invite(&mut self, name: &str, group: &str) -> String {
        let wanted = json!({ "change": "invite", "name": name, "groups": [group], "admin": false, "aliases": "" });
        let (status, told) = self.change_people(wanted).await;
        assert_eq!(status, 200, "{told}");
        told["link"].as_str().unwrap().to_owned()
    }

    /// As an admin: proposes a change of people and signs it.
    pub(crate) async fn change_people(&mut self, wanted: Value) -> (u16, Value) {
        let (status, proposed) = self.ask("/api/people/propose", wanted).await;
        if status != 200 {
            return (status, proposed);
        }
        self.signed("/api/people", proposed).await
    }

    /// Signs a plan: `approve`, `confirm` or `apply`. The digest is the one its page shows.
    pub(crate) async fn sign(&mut self, kind: &str, plan: &str, typed: Option<&str>) -> (u16, Value) {
        let digest = self.digest(plan).await;
        self.sign_digest(kind, plan, &digest, typed).await
    }

    /// Signs a plan by the digest it is said to have.
    pub(crate) async fn sign_digest(
        &mut self,
        kind: &str,
        plan: &str,
        digest: &str,
        typed: Option<&str>,
    ) -> (u16, Value) {
        let asked = json!({ "kind": kind, "plan": plan, "digest": digest, "typed": typed });
        self.signed("/api/sign", asked).await
    }

    /// The digest of a plan, by its page.
    pub(crate) async fn digest(&self, plan: &str) -> String {
        let page = self.page(&format!("/plans/{plan}")).await;
        let (_, after) = page.split_once("Digest</dt>").unwrap_or_else(|| panic!("no digest: {page}"));
        let digest = after.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 64);
        digest.unwrap_or_else(|| panic!("no digest: {after}")).to_owned()
    }

    /// Rejects a plan: the status.
    pub(crate) async fn reject(&self, plan: &str, reason: &str) -> u16 {
        let csrf = self.csrf().await;
        let form = form(&[("csrf", &csrf), ("reason", reason)]);
        let request = self.client.post(self.url(&format!("/plans/{plan}/reject"))).header(ORIGIN, &self.origin);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        self.with_cookie(request).send().await.unwrap().status().as_u16()
    }

    /// A page's text.
    pub(crate) async fn page(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// A page, and where it leads to who may not see it.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.with_cookie(self.client.get(self.url(path))).send().await.unwrap()
    }

    /// True where a page sends to the sign-in.
    pub(crate) async fn is_sent_away(&self, path: &str) -> bool {
        let answer = self.get(path).await;
        answer.status().is_redirection() && answer.headers()[LOCATION].to_str().unwrap().starts_with("/sign-in")
    }

    /// A call of the pages' script with the session's token: status and answer.
    pub(crate) async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        let csrf = if self.cookie.is_some() { self.csrf().await } else { String::new() };
        read(self.post(path, &body, &csrf).send().await.unwrap()).await
    }

    /// A request as another page would make it: from another origin, or without the session's token.
    pub(crate) async fn forged(&self, path: &str, body: &Value, origin: Option<&str>, csrf: &str) -> u16 {
        let mut request = self.client.post(self.url(path)).header(CONTENT_TYPE, "application/json");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = self.with_cookie(request.header("x-csrf", csrf).body(body.to_string()));
        request.send().await.unwrap().status().as_u16()
    }

    async fn signed(&mut self, path: &str, asked: Value) -> (u16, Value) {
        let (status, begun) = self.ask(&format!("{path}/begin"), asked).await;
        if status != 200 {
            return (status, begun);
        }
        let credential = self.key.sign(&begun["options"], &self.origin).unwrap();
        self.ask(&format!("{path}/finish"), json!({ "ticket": begun["ticket"], "credential": credential })).await
    }

    async fn csrf(&self) -> String {
        let page = self.page("/people").await;
        let (_, after) = page.split_once("data-csrf=\"").unwrap_or(("", "\""));
        after.split('"').next().unwrap().to_owned()
    }

    fn post(&self, path: &str, body: &Value, csrf: &str) -> RequestBuilder {
        let request = self.client.post(self.url(path)).header(ORIGIN, &self.origin).header("x-csrf", csrf);
        self.with_cookie(request.header(CONTENT_TYPE, "application/json").body(body.to_string()))
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    /// The console's origin.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
