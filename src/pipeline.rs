//! All stages in order. This is the only place that puts them together.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;
use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::approval::ask::{Answer, Asker, Prompt};
use crate::approval::redeem::{ApprovedPlan, Redemption, redeem};
use crate::audit::breakers::open_tripped;
use crate::audit::record::{Origin, Recorded, Recorder};
use crate::audit::redact::redact_arguments;
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::call::listing::ToolListing;
use crate::call::refused::{Code, Refused, cancelled};
use crate::call::request::{CONSOLE, Caller, ClientInfo, ToolRequest};
use crate::call::resolve::resolve;
use crate::call::validate::{Intention, ValidatedCall, validate};
use crate::config::Config;
use crate::digest::Digest;
use crate::execute::arm::arm;
use crate::execute::back::{compare, keep, keep_after};
use crate::execute::reconcile::Witness;
use crate::execute::run::run;
use crate::execute::wait::{LONGEST, Waiting};
use crate::manifest::catalog::{Catalog, Entry};
use crate::manifest::route::route;
use crate::manifest::tool_schema;
use crate::names::{Agent, CallId, Human, OperationId, PlanId, SessionId};
use crate::own_tools::OwnTool;
use crate::own_tools::undo_plan::Undoing;
use crate::plan::build::{Workbench, build};
use crate::plan::canary::Canary;
use crate::plan::filed::{FiledPlan, PlanContent, PlanState, Undo};
use crate::plan::identity::identify;
use crate::policy::circumstances::{Surroundings, counted};
use crate::policy::decide::{at_home, decide};
use crate::policy::in_force::InForce;
use crate::policy::set::Policies;
use crate::policy::visible::visible;
use crate::ports::{Clock, Cloud, Store, StoreError};

/// For a set of policies, an agent and its human: the names of tools.
type Visible = LruCache<(Digest, Agent, Human), Arc<BTreeSet<String>>>;

/// For so many agents it is remembered which tools they are shown.
const AGENTS_REMEMBERED: usize = 64;

/// The chain of stages with all it needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What every stage takes its part of.
    world: Arc<World>,
    /// How the tools are made known; put together when they are first asked for.
    listings: Arc<OnceLock<Vec<ToolListing>>>,
    /// The names of the tools that a set of policies could ever permit an agent.
    visible: Arc<Mutex<Visible>>,
}

/// Everything the stages need.
#[derive(Debug)]
pub struct World {
    /// The configuration.
    pub config: Config,
    /// The tools.
    pub catalog: Catalog,
    /// AWS's service models.
    pub models: Models,
    /// The policies in force.
    pub policies: InForce,
    /// AWS.
    pub cloud: Arc<dyn Cloud>,
    /// Plans and the record.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which endpoints can be trusted with a dry run.
    pub canary: Canary,
}

impl Pipeline {
    /// Puts the chain together.
    pub fn new(world: World) -> Self {
        let remembered = NonZeroUsize::new(AGENTS_REMEMBERED).unwrap_or(NonZeroUsize::MIN);
        Self {
            world: Arc::new(world),
            listings: Arc::default(),
            visible: Arc::new(Mutex::new(LruCache::new(remembered))),
        }
    }

    /// What the stages work with.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// One tool, listed or not.
    pub fn listing(&self, name: &str) -> Option<ToolListing> {
        let World { catalog, models, config, .. } = &*self.world;
        let listed = self.listings().iter().find(|tool| tool.name == name).cloned();
        listed.or_else(|| {
            let tool = catalog.get(name)?;
            tool_schema::of_tool(tool, models, &config.accounts, config.ticket.as_ref()).ok()
        })
    }

    /// The tools that are made known.
    pub fn listings(&self) -> &[ToolListing] {
        self.listings.get_or_init(|| {
            let World { catalog, models, config, .. } = &*self.world;
            let declared = tool_schema::listings(catalog, models, &config.accounts, config.ticket.as_ref())
                .unwrap_or_else(|error| {
                    // The catalog was compiled against the same models: only a damaged program gets here.
                    tracing::error!(%error, "the tools can't be described, so none but the server's own is listed");
                    Vec::new()
                });
            declared.into_iter().chain(OwnTool::ALL.into_iter().map(OwnTool::listing)).collect()
        })
    }

    /// The tools that the policies in force could ever permit an agent, and the server's own.
    pub fn listings_for(&self, agent: &Agent, human: &Human) -> Vec<ToolListing> {
        let visible = self.visible_to(&self.world.policies.now(), agent, human);
        let own = |name: &str| OwnTool::named(name).is_some();
        self.listings().iter().filter(|tool| own(&tool.name) || visible.contains(&tool.name)).cloned().collect()
    }

    fn visible_to(&self, policies: &Policies, agent: &Agent, human: &Human) -> Arc<BTreeSet<String>> {
        let key = (policies.digest(), agent.clone(), human.clone());
        let mut seen = self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(seen.get_or_insert(key, || Arc::new(visible(policies, agent, human))))
    }

    fn sees(&self, policies: &Policies, call: &ValidatedCall) -> bool {
        let caller = call.caller();
        self.visible_to(policies, &caller.agent, &caller.human).contains(&call.spec().name)
    }

    /// Carries a request as far as it gets. Whatever comes out is on record; where the record itself fails there is no
    /// answer but that.
    pub async fn handle(
        &self,
        request: ToolRequest,
        asker: &dyn Asker,
        cancel: CancellationToken,
    ) -> Result<Recorded, StoreError> {
        let world = &*self.world;
        let request = world.routed(request);
        let began = Instant::now();
        let origin = Origin { call: request.call.clone(), caller: request.caller.clone() };
        let plan = request.arguments.get("plan_id").and_then(|id| id.as_str()).map(PlanId::from_outside);
        let shown = world.recordable(&request);
        world.recorder().requested(&origin, &request.tool, redact_arguments(&shown)).await?;
        let answer = match OwnTool::named(&request.tool) {
            Some(OwnTool::UndoPlan) => match Undoing::of(request, world).await {
                Ok((undoing, inverse)) => {
                    self.advance(inverse, Some(undoing), origin.clone(), asker, cancel, began).await
                }
                Err(refused) => Err(refused),
            },
            Some(own) => match own.serve(&request, world, asker, &cancel).await {
                Ok((structured, text)) => return world.recorder().served(&origin, own.name(), structured, text).await,
                Err(refused) => Err(refused),
            },
            None => self.advance(request, None, origin.clone(), asker, cancel, began).await,
        };
        match answer {
            Ok(recorded) => Ok(recorded),
            Err(refused) => {
                let recorded = world.recorder().refused(&origin, refused, plan).await?;
                world.look_at_breakers(&origin, "").await;
                Ok(recorded)
            }
        }
    }

    /// Carries out a plan for an approver, who has signed that in the console: the same call, through the same stages.
    /// Whoever asked for the plan stays its agent.
    pub async fn apply_for(&self, plan: &FiledPlan, by: &Human) -> Result<Recorded, StoreError> {
        let content = &plan.content;
        let session = SessionId::new(format!("console-{by}"));
        let caller = Caller {
            agent: content.agent.clone(),
            human: content.human.clone(),
            session,
            client: ClientInfo {
                name: CONSOLE.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: String::new(),
            },
            source: None,
        };
        let call = CallId::fresh();
        let Some(Value::Object(mut arguments)) = plan.input.clone() else {
            let refused = Refused::new(
                Code::PlanNotUsable,
                format!("the arguments of plan `{}` are not kept, because something in them is sensitive", content.id),
                "have the agent carry it out, where the policies let it",
            );
            let origin = Origin { call, caller };
            return self.world.recorder().refused(&origin, refused, Some(content.id.clone())).await;
        };
        arguments.insert("dry_run".to_owned(), Value::Bool(false));
        arguments.insert("plan_id".to_owned(), Value::from(content.id.as_str()));
        let request = ToolRequest { call, tool: content.tool.clone(), arguments, caller };
        self.handle(request, &FromConsole { by: by.clone() }, CancellationToken::new()).await
    }

    /// One stage after the other; each takes what the one before made.
    async fn advance(
        &self,
        request: ToolRequest,
        undoing: Option<Undoing>,
        origin: Origin,
        asker: &dyn Asker,
        cancel: CancellationToken,
        began: Instant,
    ) -> Result<Recorded, Refused> {
        // Kept as they are only where nothing in them had to be left out.
        let shown = self.world.recordable(&request);
        let input = (shown.as_object() == Some(&request.arguments)).then_some(shown);
        let World { config, catalog, models, cloud, store, clock, canary, .. } = &*self.world;
        let surroundings = self.world.surroundings();
        let policies = surroundings.policies.now();
        let (held, mut all_let_go) = tokio::sync::mpsc::channel(1);
        let chain = config.limits.chain;
        let workbench = Workbench { cloud: &**cloud, models, canary, store, clock, asker, chain, held: &held };
        let worked = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(cancelled()),
            worked = async {
                let call = validate(request, catalog, models, &config.accounts, config.ticket.as_ref())?;
                let identity = identify(&call, asker.resumes(), &**store, &**clock, &config.limits).await?;
                let undoes = Undoing::agreed(undoing, &identity, call.caller(), &self.world).await?;
                let preview = *call.intention() == Intention::Preview;
                let circumstances = surroundings.of(&call).await?;
                let visible = self.sees(&policies, &call);
                at_home(&call, &policies, &circumstances, visible)?;
                let resolved = resolve(call, &**cloud, models, catalog.iam(), &config.tag_rules).await?;
                let permitted = decide(resolved, &policies, circumstances)?;
                let plan = build(permitted, identity, undoes, &workbench).await?;
                if preview {
                    return self.world.recorder().previewed(plan, input).await.map(Step::Done);
                }
                Ok(match redeem(plan, asker, &surroundings, input).await? {
                    Redemption::Approved(approved) => Step::Go(approved),
                    Redemption::Suspended(suspension) => Step::Done(self.world.recorder().suspended(suspension)),
                    Redemption::Waiting(waiting) => {
                        Step::Done(self.world.recorder().waiting(&origin, *waiting).await?)
                    }
                })
            } => worked,
        };
        // A call is not over before what its preview had AWS make is deleted again.
        drop(held);
        let _ = all_let_go.recv().await;
        match worked? {
            Step::Done(recorded) => Ok(recorded),
            Step::Go(approved) => {
                let plan = approved.plan().sheet().map(|sheet| sheet.content.clone());
                let left = || LONGEST.saturating_sub(began.elapsed());
                let begun = self.carry_out(*approved, origin.clone(), cancel.clone());
                let (mut recorded, waiting) = match &plan {
                    Some(content) if !content.recovery_points.is_empty() => {
                        match going_on(begun, content, left(), asker, &cancel).await {
                            Some(ended) => ended?,
                            None => return self.world.recorder().going_on(&origin, content).await,
                        }
                    }
                    _ => ended(begun.await)?,
                };
                // A page that a person has open is not held.
                let held = asker.applying().is_none();
                if let Some(waiting) = waiting.filter(|_| held) {
                    let waited = waiting.run(left(), asker, &cancel).await;
                    recorded = self.world.recorder().waited(&origin, recorded, &waited).await;
                }
                match plan {
                    Some(content) => Ok(self.look_back(&content, recorded, held.then(left), asker, &cancel).await),
                    None => Ok(recorded),
                }
            }
        }
    }

    /// After an accepted change: keeps what its targets are now, and, where it undoes another plan, tells whether all is as
    /// it was before that one. Whatever goes wrong here, the call's own answer stands.
    async fn look_back(
        &self,
        content: &PlanContent,
        recorded: Recorded,
        patience: Option<Duration>,
        asker: &dyn Asker,
        cancel: &CancellationToken,
    ) -> Recorded {
        let World { store, clock, .. } = &*self.world;
        let witness = self.world.witness();
        match store.plan(&content.id, clock.now()).await {
            Ok(Some(filed)) if filed.state == PlanState::Applied => {
                // What is gone for good, or read the same way, needs no second look to be undone.
                if matches!(filed.content.undo, Undo::Recipe { .. }) {
                    keep_after(&filed, &witness).await;
                }
            }
            _ => return recorded,
        }
        let Some(undoes) = &content.undoes else { return recorded };
        let compared = match store.plan(&undoes.plan, clock.now()).await {
            Ok(Some(original)) => compare(&original, &witness, patience.unwrap_or_default(), asker, cancel).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match compared {
            Ok(undone) => recorded.looked_back(&undoes.plan, undone.as_ref()),
            Err(error) => {
                tracing::error!(plan = %undoes.plan, %error, "what became of an undone plan can't be told");
                recorded
            }
        }
    }

    /// From here nothing stops half-way: the task goes on even where nobody waits for it any more. What is cancelled before
    /// the call is sent isn't sent, and the plan ends as failed.
    fn carry_out(&self, approved: ApprovedPlan, origin: Origin, cancel: CancellationToken) -> JoinHandle<Carried> {
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            let account = approved.plan().call().call().call().account().id.clone();
            let armed = match arm(approved, &*world.cloud, &world.store, &world.surroundings(), &cancel).await {
                Ok(armed) => armed,
                Err(refused) => {
                    world.look_at_breakers(&origin, &account).await;
                    return Err(refused);
                }
            };
            let most_bytes = world.config.limits.result_bytes;
            let outcome = run(armed, &world.models, most_bytes).await;
            keep(&outcome, &world.store).await;
            let waiting = Waiting::after(&outcome, &*world.cloud, &world.models).await;
            let ended = world.recorder().ended(&origin, outcome, &world.models, most_bytes).await;
            world.look_at_breakers(&origin, &account).await;
            ended.map(|recorded| (recorded, waiting)).map_err(|error| {
                Refused::new(
                    Code::OutcomeUnknown,
                    "the call was sent, and its outcome can't be recorded",
                    "do NOT repeat it; tell an operator, and ask `plan_status`",
                )
                .with_operator_detail(error.to_string())
            })
        })
    }
}

/// What a carried out call has come to: its answer, and what there is to be waited for.
type Carried = Result<(Recorded, Option<Waiting>), Refused>;

fn ended(carried: Result<Carried, JoinError>) -> Carried {
    carried.unwrap_or_else(|error| {
        Err(Refused::new(Code::OutcomeUnknown, "the call broke off", "do NOT repeat it; ask `plan_status`")
            .with_operator_detail(error.to_string()))
    })
}

/// How often the client is told that recovery points are still being taken.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Waits for a call that takes recovery points first, as long as its client does. `None` where it takes longer: it goes on
/// by itself. One that is cancelled ends by itself, unless it was sent.
async fn going_on(
    mut begun: JoinHandle<Carried>,
    content: &PlanContent,
    left: Duration,
    asker: &dyn Asker,
    cancel: &CancellationToken,
) -> Option<Carried> {
    let labels: Vec<&str> = content.recovery_points.iter().map(|point| point.label.as_str()).collect();
    let began = Instant::now();
    loop {
        let next = (began.elapsed() + TELL_EVERY).min(left);
        tokio::select! {
            biased;
            carried = &mut begun => return Some(ended(carried)),
            () = cancel.cancelled() => {
                return tokio::time::timeout_at(began + left, &mut begun).await.ok().map(ended);
            }
            () = tokio::time::sleep_until(began + next) => {}
        }
        if began.elapsed() >= left {
            return None;
        }
        let labels = labels.join(", ");
        asker.progress(&format!("before the call: {labels} ({} s)", began.elapsed().as_secs())).await;
    }
}

/// A call that an approver makes in the console: they have typed and signed there, and are asked nothing more.
struct FromConsole {
    by: Human,
}

#[async_trait]
impl Asker for FromConsole {
    fn applying(&self) -> Option<Human> {
        Some(self.by.clone())
    }

    async fn ask(&self, _prompt: &Prompt) -> Answer {
        Answer::Unavailable { why: "the plan is carried out from the approvals console".to_owned() }
    }

    async fn progress(&self, _message: &str) {}
}

/// How far the first part of the chain got.
enum Step {
    Done(Recorded),
    Go(Box<ApprovedPlan>),
}

impl World {
    /// Where circumstances are looked up.
    fn surroundings(&self) -> Surroundings<'_> {
        let Self { config, catalog, policies, store, clock, .. } = self;
        Surroundings { config, store: &**store, clock: &**clock, iam: catalog.iam(), policies }
    }

    /// Writes the record.
    pub fn recorder(&self) -> Recorder<'_> {
        Recorder { store: &self.store, clock: &*self.clock }
    }

    /// Opens the breakers that what was just recorded calls for. Where that fails the next call does it, before anything
    /// else.
    async fn look_at_breakers(&self, origin: &Origin, account: &str) {
        let who = counted(&origin.caller.agent, &origin.caller.session, account);
        if let Err(error) = open_tripped(&*self.store, &*self.clock, &self.config.breakers, &who).await {
            tracing::error!(%error, "breakers can't be looked at");
        }
    }

    /// A call through a family as its tool's, so that it is recorded and kept as that. What can't be told stays as it is, and is
    /// refused when it is validated.
    fn routed(&self, mut request: ToolRequest) -> ToolRequest {
        if let Ok(Some((tool, arguments))) = route(&request.tool, &request.arguments, &self.catalog) {
            (request.tool, request.arguments) = (tool, arguments);
        }
        request
    }

    /// A request's arguments without what the service model calls sensitive. Nothing in them was checked yet.
    fn recordable(&self, request: &ToolRequest) -> Value {
        let all = &request.arguments;
        let hidden = |operation: &OperationId, value: &Value| {
            redact(&self.models, operation, Direction::Input, value)
                .unwrap_or_else(|_| Value::from("[left out: no such operation]"))
        };
        match self.catalog.entry(&request.tool) {
            Some(Entry::Tool(spec)) => hidden(&spec.operation, &Value::Object(all.clone())),
            Some(Entry::Family(_)) => {
                let mut shown = all.clone();
                if let Some(own) = shown.get_mut("arguments") {
                    let operation = all.get("operation").and_then(Value::as_str).and_then(|text| text.parse().ok());
                    *own = match operation {
                        Some(operation) => hidden(&operation, own),
                        None => Value::from("[left out: no such operation]"),
                    };
                }
                Value::Object(shown)
            }
            None => Value::Object(all.clone()),
        }
    }

    /// Reads targets to settle unknown outcomes.
    pub fn witness(&self) -> Witness<'_> {
        Witness {
            cloud: &*self.cloud,
            store: &*self.store,
            clock: &*self.clock,
            catalog: &self.catalog,
            models: &self.models,
            accounts: &self.config.accounts,
            tag_rules: &self.config.tag_rules,
        }
    }
}

#[cfg(test)]
mod tests;
