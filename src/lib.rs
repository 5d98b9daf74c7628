//! countersign: an MCP server through which AI agents operate AWS, and never alone.
//!
//! Agents do the work, people keep the decision, AWS itself enforces the scope, and every step can be verified
//! afterwards.
//!
//! # A call's way through
//!
//! ```text
//! ToolSpec + ToolRequest -> ValidatedCall -> ResolvedCall -> PermittedCall -> Plan
//!                        -> ApprovedPlan -> ArmedCall -> Outcome -> Recorded -> what the client sees
//! ```
//!
//! | stage | made by | holds |
//! |---|---|---|
//! | [`ToolSpec`](manifest::spec::ToolSpec) | [`manifest`] | one compiled manifest |
//! | [`ToolRequest`](call::request::ToolRequest) | [`mcp`] | tool, arguments, caller; nothing looked at |
//! | [`ValidatedCall`](call::validate::ValidatedCall) | [`call::validate`] | arguments that fit the manifest *and* AWS's service model; account and region from the configuration |
//! | [`ResolvedCall`](call::resolve::ResolvedCall) | [`call::resolve`] | each target's ARN, state, tags, stage, protection, read with read-only credentials |
//! | [`PermittedCall`](policy::decide::PermittedCall) | [`policy::decide`] | the policies' decision for each target, the strictest counts, and what is still needed, found by asking |
//! | [`Plan`](plan::build::Plan) | [`plan::build`] | the signed, unsent request, AWS's dry run, dependents, undo, raised effect, expiry, and the digest over all of it |
//! | [`ApprovedPlan`](approval::redeem::ApprovedPlan) | [`approval::redeem`] | every obligation met, each consent bound to the digest, and the policies' last word on it |
//! | [`ArmedCall`](execute::arm::ArmedCall) | [`execute::arm`] | the plan claimed, the intent on record, recovery points usable, fingerprints read again and equal, credentials of its own |
//! | [`Outcome`](execute::run::Outcome) | [`execute::run`] | AWS's answer, or that there is none |
//! | [`Recorded`](audit::record::Recorded) | [`audit::record`] | the proof that the answer is on record; nothing else can be shown |
//!
//! [`pipeline`] puts them in order, on one screen. A stage type has no public field and no constructor but the function
//! that consumes the stage before; `tests/forge` holds programs that try otherwise and don't compile.
//!
//! # What holds everywhere
//!
//! - Nothing reaches AWS before its intent is on record: a request's record comes before its first read, a change's
//!   intent before its first byte, also that of a change set which a preview makes and deletes again.
//! - Whatever is missing, unreadable, erroring or expired is a refusal.
//! - Nothing that travels in tool arguments counts as consent, and no argument reaches credentials, endpoint or signing.
//! - A consent is bound to the digest of the plan. Applying makes the plan *anew* from the world as it is now, and it must
//!   come out the same: that one comparison refuses changed arguments, changed targets, a changed manifest or policy.
//!   Only what a manifest leaves out of a target's fingerprint may have moved.
//! - Policies have the first and the last word. What a call needs is a forecast, made by asking them under a fixed list of
//!   circumstances; when the consent is there they are asked again with what really is. A policy that could fail, or that
//!   names what isn't there, never comes into force: Cedar skips a `forbid` that fails. One set decides a call from its
//!   beginning to its end, and its digest is in the plan.
//! - The second person is out of the agent's reach. A plan that needs people is parked, and waits for them outside of any
//!   call. What a passkey signs is a [`Statement`](approval::statement::Statement), whose digest is the challenge, so that
//!   anybody can check the signature later. Whose signature counts is judged when it is given, when the plan is applied, and
//!   in the transaction that uses it up: active approvers, each once, never the human the agent acts for.
//! - A plan is good for one call. Claiming it, using up its consents, holding its targets and recording the intent are one
//!   transaction. What can be one resource is held by one plan only, by whatever spelling or pattern; a call without targets
//!   holds all of its service.
//! - Where a plan names recovery points, an [`ArmedCall`](execute::arm::ArmedCall) holds the
//!   [proof](execute::points::Secured) that each was taken and seen to be usable, and that the policies permitted the call
//!   again afterwards. Without it nothing is sent.
//! - An undo is a call like any other: made from what the plan and AWS's answer have told, permitted, previewed and consented
//!   to anew. One that fails is never quiet.
//! - Steps about one thing are judged together ([`plan::chain`]): what goes on with what was done before, by the same agent or
//!   for the same human, takes the worst effect of all its steps.
//! - A tool is guarded the same way by whatever name it is called ([`manifest::route`]): a family's call of a declared
//!   operation is that tool's, and what does the same in another form is refused with the tool ([`manifest::siblings`]).
//! - What was sent is seen through to its outcome, whoever hangs up; an outcome nobody knows is `unknown`, is never tried
//!   again, and is settled only by reading the targets ([`execute::reconcile`]).
//!
//! # The map
//!
//! | where | what | never |
//! |---|---|---|
//! | [`names`], [`digest`], [`text`] | words of the domain, canonical digests, escaping of foreign text | |
//! | [`ports`] | what the chain needs of the world: [`Cloud`](ports::Cloud), [`Store`](ports::Store), [`Clock`](ports::Clock) | |
//! | [`config`], [`document`] | `countersign.toml`; YAML and TOML with positions, so that errors point at the text | |
//! | [`manifest`] | raw form, compiled form, catalog, families, tool schemas | asks AWS |
//! | [`call`] | request, validation, targets | decides |
//! | [`policy`] | Cedar policies: vocabulary, compiled sets, decisions, obligations, reasons, which tools are shown, windows, tags, breakers; [`policy::prove`] proves what must never be permitted | does IO |
//! | [`plan`] | the preview: blast radius, effects, what changes, undo, dry run, change sets, digest, comparison with the filed plan | changes anything, but for a change set that it deletes again |
//! | [`credentials`] | the session policy that narrows a call's credentials to its scopes and targets | holds credentials |
//! | [`approval`] | asking the person; approvers, passkeys, what people sign and what of it counts; redeeming consent | trusts the client's word for more than the typed text |
//! | [`roles`] | what an account's roles need for the loaded tools, as templates, and against deployed ones | does IO |
//! | [`execute`] | recovery points, arm, run, reconcile, and how targets are after an undo | retries a change whose outcome is unknown |
//! | [`audit`] | events, the hash chain, redaction, export; the Merkle tree, signed checkpoints, receipts | holds a secret |
//! | [`own_tools`] | `whoami`, `find_operations`, `list_plans`, `plan_status`, and `undo_plan`, which makes a request for the inverse call | changes anything at AWS by itself |
//! | [`pipeline`] | all stages in order | |
//! | [`aws`] | models, schemas, codecs, client, endpoints, IAM facts: the only place that knows AWS's wire | knows policy or people |
//! | [`store`] | SQLite behind the port: the only place that knows SQL | |
//! | [`mcp`] | the protocol's three versions: the only place that knows it | decides |
//! | [`http`] | the listener for agents and people: TLS, limits, guards, health | knows MCP or pages |
//! | [`auth`] | who calls over HTTP | passes a credential on |
//! | [`console`] | where people see plans, sign and reject them: pages made on the server | decides |
//! | [`notify`] | tells people of plans that wait for them | decides, or holds up a call |
//! | [`sandbox`], [`demo`] | a local cloud with a believable environment, and the incident as a story on it | |
//! | [`cli`] | flags, wiring, exit codes; one file a command | |
//!
//! `tests/it/tidy.rs` fails where a folder reaches for what is not its own.

pub mod approval;
pub mod audit;
pub mod auth;
pub mod aws;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod credentials;
pub mod demo;
pub mod digest;
pub mod document;
pub mod execute;
pub mod http;
pub mod manifest;
pub mod mcp;
pub mod names;
pub mod notify;
pub mod own_tools;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod roles;
pub mod sandbox;
pub mod store;
#[doc(hidden)]
pub mod testing;
pub mod text;
