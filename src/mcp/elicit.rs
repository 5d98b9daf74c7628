//! Asking the person through the client: elicitation, in the two ways that MCP has known.
//!
//! What counts is the text in the form's only field, never the button that was pressed. The form has no default, no
//! placeholder and no choices, so that a client that answers for its person has nothing to answer with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rmcp::model::{
    CancelledNotificationParam, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputResponses, PrimitiveSchemaDefinition, ProgressNotificationParam, ProgressToken, RequestId,
    ServerRequest, StringSchema,
};
use rmcp::service::{ElicitationMode, Peer, PeerRequestOptions, RequestContext, RoleServer, ServiceError};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sealed::{Asked, Binding, Question, Sealer};
use crate::approval::ask::{Answer, Asker, Opened, Page, Prompt};
use crate::names::PlanId;
use crate::text::escape::quoted;

/// The form's only field.
pub const FIELD: &str = "confirmation";

/// The key of the question among a result's input requests (MCP 2026-07-28).
pub const QUESTION: &str = "confirmation";

/// The key of the page among a result's input requests (MCP 2026-07-28).
pub const PAGE: &str = "approvals";

/// How long a notification may take to be sent before it is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the person is waited for who is to open a page: the plan waits on its own, the call need not.
const PAGE_PATIENCE: Duration = Duration::from_secs(60);

/// Why an answer of no known form is void.
const NOT_MCP: &str = "the client's answer to the form is not one that MCP knows";

/// The longest foreign error message that is passed on, in characters.
const MESSAGE_MAX: usize = 200;

/// The form that is shown for a prompt.
pub fn form(prompt: &Prompt) -> Result<ElicitRequestParams, &'static str> {
    let field = StringSchema::new().title("Confirmation").description(prompt.field_label.clone());
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: prompt.text.clone(),
        requested_schema: ElicitationSchema::builder()
            .required_property(FIELD, PrimitiveSchemaDefinition::String(field))
            .build()?,
    })
}

/// The request to open a page (MCP 2025-11-25, elicitation, URL mode). Its id is the plan's: there is one page for it.
pub fn link(page: &Page) -> ElicitRequestParams {
    ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: page.text.clone(),
        url: page.url.clone(),
        elicitation_id: page.plan.to_string(),
    }
}

/// What a client says of a page.
fn opened(action: &ElicitationAction) -> Opened {
    match action {
        ElicitationAction::Accept => Opened::Shown,
        _ => Opened::NotWanted,
    }
}

/// What a form that came back says. `after`: since it was shown.
fn reading(result: ElicitResult, after: Duration) -> Answer {
    match result.action {
        ElicitationAction::Accept => match only_text(result.content) {
            Some(text) => Answer::Typed { text, after },
            None => Answer::Void { why: format!("the form came back without a text in `{FIELD}` and nothing else") },
        },
        ElicitationAction::Decline => Answer::Declined,
        ElicitationAction::Cancel => Answer::Cancelled,
        _ => Answer::Void { why: "the form came back with an action that MCP doesn't know".into() },
    }
}

fn only_text(content: Option<Value>) -> Option<String> {
    let Some(Value::Object(mut members)) = content else { return None };
    match (members.remove(FIELD), members.is_empty()) {
        (Some(Value::String(text)), true) => Some(text),
        _ => None,
    }
}

fn no_form() -> Answer {
    Answer::Unavailable { why: "the client did not declare that it can show forms (capability `elicitation`)".into() }
}

/// Tells the client how a call goes, if it asked for that with a progress token.
pub struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    told: AtomicU64,
    cancel: CancellationToken,
}

impl Progress {
    /// For the call `context` belongs to; `cancel` ends it.
    pub fn of(context: &RequestContext<RoleServer>, cancel: CancellationToken) -> Self {
        Self { peer: context.peer.clone(), token: context.meta.get_progress_token(), told: AtomicU64::new(0), cancel }
    }

    async fn tell(&self, message: &str) {
        let Some(token) = self.token.clone() else { return };
        if self.cancel.is_cancelled() {
            return;
        }
        let step = self.told.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // The counter says only that something goes on; there is no total.
        let step = f64::from(u32::try_from(step).unwrap_or(u32::MAX));
        let notification = ProgressNotificationParam::new(token, step).with_message(message);
        let sent = tokio::time::timeout(PATIENCE, self.peer.notify_progress(notification)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("a progress notification was not sent");
        }
    }
}

/// Asks during the call, with a request of the server's own (MCP 2025-06-18 and 2025-11-25).
pub struct InCall {
    progress: Progress,
    timeout: Duration,
    still_waiting: Duration,
}

impl InCall {
    /// Waits at most `timeout` for the person, and tells the client every `still_waiting` that it still does.
    pub fn new(progress: Progress, timeout: Duration, still_waiting: Duration) -> Self {
        Self { progress, timeout, still_waiting }
    }

    async fn answer(&self, params: ElicitRequestParams) -> Answer {
        let peer = &self.progress.peer;
        let shown = Instant::now();
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
        let options = PeerRequestOptions::with_timeout(self.timeout);
        let handle = match peer.send_cancellable_request(request, options).await {
            Ok(handle) => handle,
            Err(error) => return self.without_answer(error, shown),
        };
        let mut form = OpenForm::new(peer.clone(), handle.id.clone());
        let mut waiting = std::pin::pin!(handle.await_response());
        let mut still_waiting = tokio::time::interval_at(shown + self.still_waiting, self.still_waiting);
        let response = loop {
            tokio::select! {
                response = &mut waiting => break response,
                () = self.progress.cancel.cancelled() => return Answer::Cancelled,
                _ = still_waiting.tick() => self.progress.tell("waiting for the person's confirmation").await,
            }
        };
        form.closed();
        match response {
            Ok(ClientResult::ElicitResult(result)) => reading(result, shown.elapsed()),
            Ok(_) => Answer::Void { why: NOT_MCP.to_owned() },
            Err(error) => self.without_answer(error, shown),
        }
    }

    fn without_answer(&self, error: ServiceError, shown: Instant) -> Answer {
        match error {
            ServiceError::Timeout { .. } => Answer::TimedOut { after: shown.elapsed() },
            ServiceError::Cancelled { .. } => Answer::Cancelled,
            ServiceError::McpError(error) => Answer::Unavailable {
                why: format!(
                    "the client answered the form with an error: {} {}",
                    error.code.0,
                    quoted(&error.message, MESSAGE_MAX)
                ),
            },
            ServiceError::UnexpectedResponse => Answer::Void { why: NOT_MCP.to_owned() },
            other => {
                tracing::warn!(error = %other, "the form did not reach the client");
                Answer::Unavailable { why: "the form did not reach the client".into() }
            }
        }
    }
}

/// A form that the client shows. Dropped before it came back, it is withdrawn: nobody waits for it any more, whether the
/// call was cancelled or its task was dropped.
struct OpenForm {
    peer: Peer<RoleServer>,
    question: Option<RequestId>,
}

impl OpenForm {
    fn new(peer: Peer<RoleServer>, question: RequestId) -> Self {
        Self { peer, question: Some(question) }
    }

    fn closed(&mut self) {
        self.question = None;
    }
}

impl Drop for OpenForm {
    fn drop(&mut self) {
        let (Some(question), Ok(runtime)) = (self.question.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let reason = Some("the call was cancelled".to_owned());
            let told = peer.notify_cancelled(CancelledNotificationParam::new(Some(question), reason));
            if !matches!(tokio::time::timeout(PATIENCE, told).await, Ok(Ok(()))) {
                tracing::debug!("a form could not be withdrawn");
            }
        });
    }
}

#[async_trait]
impl Asker for InCall {
    async fn ask(&self, prompt: &Prompt) -> Answer {
        if !self.progress.peer.supported_elicitation_modes().contains(&ElicitationMode::Form) {
            return no_form();
        }
        if self.progress.cancel.is_cancelled() {
            return Answer::Cancelled;
        }
        match form(prompt) {
            Ok(params) => self.answer(params).await,
            Err(why) => Answer::Unavailable { why: format!("the form could not be made: {why}") },
        }
    }

    async fn open(&self, page: &Page) -> Opened {
        let offered = self.progress.peer.supported_elicitation_modes().contains(&ElicitationMode::Url);
        if !offered || self.progress.cancel.is_cancelled() {
            return Opened::NotOffered;
        }
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(link(page)));
        let options = PeerRequestOptions::with_timeout(self.timeout.min(PAGE_PATIENCE));
        match self.progress.peer.send_cancellable_request(request, options).await {
            Ok(handle) => match handle.await_response().await {
                Ok(ClientResult::ElicitResult(result)) => opened(&result.action),
                _ => Opened::NotWanted,
            },
            Err(_) => Opened::NotOffered,
        }
    }

    async fn progress(&self, message: &str) {
        self.progress.tell(message).await;
    }
}

/// Asks with the call's result, and gives out the answer that came with the next call (MCP 2026-07-28).
pub struct AcrossCalls<'a> {
    progress: Progress,
    can_show_forms: bool,
    can_open_pages: bool,
    sealer: &'a Sealer,
    resumes: Option<PlanId>,
    returned: Mutex<Returned>,
}

/// What the client sent along with the call.
#[derive(Debug)]
enum Returned {
    /// Nothing: it is the first call.
    Nothing,
    /// A state, opened, and answers.
    Answer { question: Result<Question, Answer>, responses: InputResponses },
    /// Answers, and no state that would say to what.
    Stray,
    /// It was given out.
    Taken,
}

impl<'a> AcrossCalls<'a> {
    /// For the call `binding` names, with what the client sent along.
    pub fn new(
        progress: Progress,
        context: &RequestContext<RoleServer>,
        sealer: &'a Sealer,
        binding: &Binding,
        state: Option<String>,
        responses: Option<InputResponses>,
    ) -> Self {
        let returned = match (state, responses) {
            (None, None) => Returned::Nothing,
            (None, Some(_)) => Returned::Stray,
            (Some(state), responses) => {
                Returned::Answer { question: sealer.open(binding, &state), responses: responses.unwrap_or_default() }
            }
        };
        let resumes = match &returned {
            Returned::Answer { question: Ok(question), .. } => Some(question.plan().clone()),
            _ => None,
        };
        // Neither form nor URL said: form is meant (MCP 2025-11-25, elicitation, capabilities).
        let elicitation = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        let can_open_pages = elicitation.as_ref().is_some_and(|elicitation| elicitation.url.is_some());
        let can_show_forms =
            elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none());
        Self { progress, can_show_forms, can_open_pages, sealer, resumes, returned: Mutex::new(returned) }
    }
}

#[async_trait]
impl Asker for AcrossCalls<'_> {
    fn resumes(&self) -> Option<PlanId> {
        self.resumes.clone()
    }

    async fn ask(&self, prompt: &Prompt) -> Answer {
        let void = |why: &str| Answer::Void { why: why.to_owned() };
        if !self.can_show_forms {
            return no_form();
        }
        let mut returned = self.returned.lock().await;
        match std::mem::replace(&mut *returned, Returned::Taken) {
            Returned::Nothing => Answer::Suspended,
            Returned::Stray => void("an answer came without the state it belongs to"),
            Returned::Taken => void("the person was asked before in this call"),
            Returned::Answer { question: Err(instead), .. } => instead,
            Returned::Answer { question: Ok(question), mut responses } => {
                let Ok(asked) = Asked::form(prompt) else { return void("the question has no digest") };
                match self.sealer.redeem(question, &asked).await {
                    Err(instead) => instead,
                    Ok(after) => match responses.remove(QUESTION).map(serde_json::from_value::<ElicitResult>) {
                        Some(Ok(result)) => reading(result, after),
                        Some(Err(_)) => void(NOT_MCP),
                        None => void("the call came back without the person's answer"),
                    },
                }
            }
        }
    }

    async fn open(&self, page: &Page) -> Opened {
        if !self.can_open_pages {
            return Opened::NotOffered;
        }
        let mut returned = self.returned.lock().await;
        match std::mem::replace(&mut *returned, Returned::Taken) {
            // An answer that came with this call was to the form: the page is another question.
            Returned::Nothing | Returned::Taken => Opened::Suspended,
            Returned::Stray | Returned::Answer { question: Err(_), .. } => Opened::NotWanted,
            Returned::Answer { question: Ok(question), mut responses } => {
                let Ok(asked) = Asked::page(page) else { return Opened::NotWanted };
                let redeemed = self.sealer.redeem(question, &asked).await.is_ok();
                match responses.remove(PAGE).map(serde_json::from_value::<ElicitResult>) {
                    Some(Ok(result)) if redeemed => opened(&result.action),
                    _ => Opened::NotWanted,
                }
            }
        }
    }

    async fn progress(&self, message: &str) {
        self.progress.tell(message).await;
    }
}
