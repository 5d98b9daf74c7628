//! What scenes are made of: calls that must be refused, calls that must go through, and looks at the cloud.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::client::{Client, Person, ToolAnswer};
use super::stage::Stage;
use super::witness;
use crate::sandbox::Sandbox;

/// Anything that breaks a demonstration off.
pub(super) type Broken = Box<dyn Error + Send + Sync>;

/// A demonstration under way.
pub(super) struct Play<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) sandbox: Sandbox,
    binary: PathBuf,
    python: PathBuf,
    agent: Client,
    /// The cloud as it must still be.
    cloud: Value,
}

impl<'a> Play<'a> {
    /// Connects the agent, with a client that can show forms to its person.
    pub(super) async fn begin(
        stage: Stage<'a>,
        sandbox: Sandbox,
        binary: PathBuf,
        python: PathBuf,
    ) -> Result<Self, Broken> {
        let agent = connect(&binary, &sandbox, true).await?;
        let cloud = witness::look(&sandbox).await?;
        Ok(Self { stage, sandbox, binary, python, agent, cloud })
    }

    /// The names of the server's tools.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, Broken> {
        Ok(self.agent.tools().await?)
    }

    /// Calls a tool and shows the call, the form that the person sees, and at most `lines` of the answer.
    pub(super) async fn call(
        &mut self,
        tool: &str,
        arguments: &Value,
        person: Option<Person>,
        lines: usize,
    ) -> Result<ToolAnswer, Broken> {
        self.stage.agent(tool, arguments)?;
        let answer = self.agent.call(tool, arguments.clone(), person.clone()).await?;
        for form in &answer.forms {
            let (title, does) = what_the_person_does(person.as_ref());
            self.stage.person(form, title, &does)?;
        }
        self.stage.server(&answer, lines)?;
        Ok(answer)
    }

    /// A call that must be refused with one of these codes, and must leave the cloud as it is.
    pub(super) async fn refused(
        &mut self,
        tool: &str,
        arguments: &Value,
        person: Option<Person>,
        codes: &[&str],
    ) -> Result<ToolAnswer, Broken> {
        let answer = self.call(tool, arguments, person, 6).await?;
        self.check_refusal(&answer, codes).await?;
        Ok(answer)
    }

    /// The same call through a client that can't show forms to its person.
    pub(super) async fn refused_without_forms(
        &mut self,
        tool: &str,
        arguments: &Value,
        codes: &[&str],
    ) -> Result<(), Broken> {
        let mut other = connect(&self.binary, &self.sandbox, false).await?;
        self.stage.agent(tool, arguments)?;
        let answer = other.call(tool, arguments.clone(), None).await?;
        self.stage.server(&answer, 6)?;
        self.check_refusal(&answer, codes).await
    }

    async fn check_refusal(&mut self, answer: &ToolAnswer, codes: &[&str]) -> Result<(), Broken> {
        let refused = answer.refused && codes.contains(&answer.code());
        self.stage.expect(refused, &format!("refused: {}", codes.join(" or ")))?;
        self.nothing_changed().await
    }

    /// Makes a preview, which must change nothing; returns the plan's id.
    pub(super) async fn preview(&mut self, tool: &str, arguments: &Value) -> Result<String, Broken> {
        let answer = self.call(tool, arguments, None, 30).await?;
        let plan = answer.structured.get("plan_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.stage.expect(!answer.refused && !plan.is_empty(), "a preview, and nobody was asked anything")?;
        self.nothing_changed().await?;
        Ok(plan)
    }

    /// Looks at the cloud with its root key: it must be as it was.
    pub(super) async fn nothing_changed(&mut self) -> Result<(), Broken> {
        let differences = self.changed().await?;
        let told = if differences.is_empty() {
            "the cloud, looked at with its root key, is as it was".to_owned()
        } else {
            format!("the cloud is as it was: {}", differences.join("; "))
        };
        self.stage.expect(differences.is_empty(), &told)?;
        writeln_gap(&mut self.stage)
    }

    /// What is otherwise at the cloud than when last looked; from now on that is how it must be.
    pub(super) async fn changed(&mut self) -> Result<Vec<String>, Broken> {
        let now = witness::look(&self.sandbox).await?;
        let differences = witness::differences(&self.cloud, &now);
        self.cloud = now;
        Ok(differences)
    }

    /// The server's binary.
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A Python interpreter.
    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    /// Ends the demonstration and tells how many expectations there were, and how many did not hold.
    pub(super) fn end(
        mut self,
        last: impl FnOnce(&mut Stage<'a>, &Sandbox) -> std::io::Result<()>,
    ) -> Result<(u32, u32), Broken> {
        last(&mut self.stage, &self.sandbox)?;
        Ok(self.stage.score())
    }
}

fn writeln_gap(stage: &mut Stage<'_>) -> Result<(), Broken> {
    Ok(stage.verbatim("\n")?)
}

async fn connect(binary: &Path, sandbox: &Sandbox, elicitation: bool) -> Result<Client, Broken> {
    let log = sandbox.folder().join("server.log");
    Ok(Client::connect(binary, &sandbox.config_path(), &log, elicitation).await?)
}

/// A title for the form, and what comes back.
fn what_the_person_does(person: Option<&Person>) -> (&'static str, String) {
    let seen = "what ann sees";
    match person {
        Some(Person::Types(text)) => (seen, format!("ann types: {text}")),
        Some(Person::IsSkipped) => ("what ann should see", "the client answers `accept` by itself".to_owned()),
        Some(Person::Declines) | None => (seen, "ann declines".to_owned()),
    }
}
