//! `countersign register`: writes the server into an MCP client's own file, in that file's own shape.
//!
//! Nothing else in the file changes, nothing is approved in advance, no secret is written, and a file that can't be read is
//! left alone.

mod approvals;
mod clients;
mod entry;
mod file;
mod formats;
mod jsonc;
mod places;
mod registered;
mod toml;
mod yaml;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use url::{Host, Url};

use super::Failure;
use crate::aws::models::nearest;
use crate::config::{self, Environment};
use crate::document::{Problem, Source};

pub(super) use approvals::Found;
pub(super) use clients::CLIENTS;
use clients::{Client, Forms, Token};
use entry::{TOKEN_VARIABLE, Way};
use file::ClientFile;
pub(super) use places::Surroundings;
pub(super) use registered::{Registered, registered};

/// `countersign register`
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The client: kiro, claude-code, vscode, cursor, codex, gemini, windsurf, zed or goose.
    #[arg(value_name = "CLIENT", required_unless_present = "detect", conflicts_with = "detect")]
    client: Option<String>,
    /// Lists the clients that are installed here, and whether the server is registered with them.
    #[arg(long)]
    detect: bool,
    /// For all of the user's projects, or for the project in the working directory.
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// A server that runs already, by its address, such as `https://countersign.example.com/mcp`. Without it the client
    /// starts one.
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// With `--http`: no token is sent, a person signs in (OAuth).
    #[arg(long, requires = "http")]
    sign_in: bool,
    /// What the server is called in the client.
    #[arg(long, value_name = "NAME", default_value = "countersign")]
    name: String,
    /// Shows the entry and where it goes, and changes nothing.
    #[arg(long, conflicts_with_all = ["remove", "yes"])]
    print: bool,
    /// Takes the server out again.
    #[arg(long)]
    remove: bool,
    /// Writes without asking.
    #[arg(long)]
    yes: bool,
}

/// Whose file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scope {
    /// The user's.
    User,
    /// The project's, in the working directory.
    Project,
}

/// Runs the command. `config` is `--config`.
pub fn run(args: &RegisterArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let around = Surroundings::of_process()?;
    let mut out = anstream::stdout().lock();
    let Some(word) = &args.client else {
        out.write_all(detected(&around).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let client = client(word)?;
    check_name(&args.name)?;
    let way = match &args.http {
        Some(url) => Way::Http { url: address(url)?, token: !args.sign_in && client.token == Token::Variable },
        None if args.remove => Way::Stdio { program: PathBuf::new(), config: PathBuf::new() },
        None => Way::Stdio { program: around.program.clone(), config: configuration(config)? },
    };
    let wish = Wish { client, scope: args.scope, name: &args.name, way, remove: args.remove };
    if args.print {
        out.write_all(wish.printed(&around)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let change = wish.change(&around)?;
    out.write_all(change.told.as_bytes())?;
    let Some(after) = change.after else { return Ok(ExitCode::SUCCESS) };
    out.flush()?;
    if !args.yes && !agreed()? {
        writeln!(out, "nothing was written")?;
        return Ok(ExitCode::FAILURE);
    }
    let backup = change.file.write(&after)?;
    writeln!(out, "wrote {}", change.file.path.display())?;
    if let Some(backup) = backup {
        writeln!(out, "what it was is kept in {}", backup.display())?;
    }
    if !args.remove {
        writeln!(out, "start {} anew; ask it to call `whoami` to see that it works", client.name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for.
#[derive(Debug)]
struct Wish<'a> {
    client: &'static Client,
    scope: Scope,
    name: &'a str,
    way: Way,
    remove: bool,
}

/// What would be done.
#[derive(Debug)]
struct Change {
    file: ClientFile,
    /// For people: the difference, warnings, notes.
    told: String,
    /// The file's new text; `None` where there is nothing to do.
    after: Option<String>,
}

impl Wish<'_> {
    fn change(&self, around: &Surroundings) -> Result<Change, Failure> {
        let Self { client, name, .. } = *self;
        let path = place(client, self.scope, around)?;
        let file = ClientFile::read(&path, self.scope == Scope::User)?;
        let source = file.source();
        let value = client.format.read(&source).map_err(|problem| left_alone(&problem))?;
        let edits = match self.remove {
            true => entry::removal(client, name, &value).into_iter().collect(),
            false => entry::edits(client, name, &self.way, &value),
        };
        let whose = match self.scope {
            Scope::User => "all your projects",
            Scope::Project => "this project",
        };
        let mut told = format!("{}, for {whose}: {}\n", client.name, path.display());
        if edits.is_empty() {
            told.push_str(&match (self.remove, file.is_there()) {
                (true, _) => format!("  there is no server `{name}` in it: nothing to do\n"),
                (false, _) => format!("  `{name}` is registered as it should be: nothing to do\n"),
            });
            if !self.remove {
                told.push_str(&self.warned(&path, around));
            }
            return Ok(Change { file, told, after: None });
        }
        let after = client.format.edit(&source, &edits).map_err(|problem| left_alone(&problem))?;
        told.push_str(&file.difference(&after));
        if !self.remove {
            told.push_str(&self.warned(&path, around));
            told.push_str(&self.noted());
        }
        Ok(Change { file, told, after: Some(after) })
    }

    /// The entry as the file would hold it alone, and where that is.
    fn printed(&self, around: &Surroundings) -> Result<String, Failure> {
        let Self { client, name, .. } = *self;
        let path = place(client, self.scope, around)?;
        let nothing = Source::new(path.as_path(), "");
        let edits = entry::edits(client, name, &self.way, &serde_json::Value::Null);
        Ok(client.format.edit(&nothing, &edits)?)
    }

    /// What makes the client less safe than it is by itself.
    fn warned(&self, path: &Path, around: &Surroundings) -> String {
        let mut told = String::new();
        for Found { file, key, says } in approvals::found(self.client, self.name, path, around) {
            told.push_str(&format!(
                "warning: {} runs tools of `{}` without asking you: `{key}` is {says} in {}; take that out\n",
                self.client.name,
                self.name,
                file.display()
            ));
        }
        told
    }

    /// What a person should know of this client.
    fn noted(&self) -> String {
        let client = self.client;
        let mut notes: Vec<String> = Vec::new();
        match client.forms {
            Forms::Yes => {}
            Forms::No => notes.push(format!(
                "{} shows no forms: what takes a typed confirmation is refused there, or goes through the approvals console \
                 ([http] in countersign.toml)",
                client.name
            )),
            Forms::NotDocumented => notes.push(format!(
                "whether {} shows forms is not documented: where it doesn't, what takes a typed confirmation is refused, or \
                 goes through the approvals console ([http] in countersign.toml)",
                client.name
            )),
        }
        match &self.way {
            Way::Http { token: true, .. } => notes.push(format!(
                "{} sends the token that it finds in the environment variable {TOKEN_VARIABLE}; the file holds its name only",
                client.name
            )),
            Way::Http { token: false, .. } => {
                let because = match client.token {
                    Token::SignIn => ": it has no way to take a token from the environment",
                    Token::Variable => "",
                };
                notes.push(format!("{} sends no token, you sign in when it connects{because}", client.name));
            }
            Way::Stdio { .. } if self.scope == Scope::Project => {
                notes.push("the entry names paths of this machine: don't share the file as it is".to_owned());
            }
            Way::Stdio { .. } => {}
        }
        notes.extend(client.notes.iter().map(|note| format!("{}: {note}", client.name)));
        notes.push(format!("nothing is approved in advance; the client's own page: {}", client.page));
        notes.iter().map(|note| format!("note: {note}\n")).collect()
    }
}

/// The clients that are here, and whether the server is registered with them.
fn detected(around: &Surroundings) -> String {
    let mut told = String::new();
    let known = registered(around);
    for client in CLIENTS {
        let traced = client.trace.find(around).is_some_and(|path| path.exists());
        let here = match (around.has_program(client.program), traced) {
            (true, _) => "installed",
            (false, true) => "has run here",
            (false, false) => continue,
        };
        told.push_str(&format!("{:<12} {} ({here})\n", client.word, client.name));
        let with: Vec<&Registered> = known.iter().filter(|one| one.client.word == client.word).collect();
        for one in &with {
            told.push_str(&format!("{:<12} `{}` in {}\n", "", one.name, one.file.display()));
        }
        if with.is_empty() {
            told.push_str(&format!("{:<12} not registered: `countersign register {}`\n", "", client.word));
        }
    }
    if told.is_empty() {
        let words: Vec<&str> = CLIENTS.iter().map(|client| client.word).collect();
        told = format!("none of the clients that are known here is installed: {}\n", words.join(", "));
    }
    told
}

fn client(word: &str) -> Result<&'static Client, Failure> {
    let wanted = word.to_lowercase().replace([' ', '_'], "-");
    CLIENTS.iter().find(|client| client.word == wanted).ok_or_else(|| {
        let words = || CLIENTS.iter().map(|client| client.word);
        let mend = match nearest(&wanted, words()).first() {
            Some(best) => format!("did you mean `{best}`?"),
            None => format!("write one of {}", words().collect::<Vec<_>>().join(", ")),
        };
        format!("there is no client `{word}`: {mend}").into()
    })
}

fn place(client: &Client, scope: Scope, around: &Surroundings) -> Result<PathBuf, Failure> {
    match (scope, client.project) {
        (Scope::User, _) => client
            .user
            .find(around)
            .ok_or_else(|| format!("where {} keeps its settings is not known: set HOME", client.name).into()),
        (Scope::Project, Some(path)) => Ok(around.working.join(path)),
        (Scope::Project, None) => {
            Err(format!("{} has no file for one project: leave `--scope project` out", client.name).into())
        }
    }
}

/// Names go into keys of every format, and into the names of tools that models see.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=20).contains(&name.len()) && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return Ok(());
    }
    Err(format!(
        "`--name {name}`: write 1 to 20 letters, digits, `-` and `_`, a letter first; some clients cut longer ones"
    )
    .into())
}

/// A token travels with every request, so it must not travel openly, and the address itself must hold no secret.
fn address(text: &str) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::from(format!("`--http {text}`: {what}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("{error}; write https://host/mcp")))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(wrong("it names no host; write https://host/mcp")),
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        // The secret is not repeated.
        return Err("`--http`: an address holds no secret; leave name, password and what follows `?` out".into());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        "http" => Err(wrong("a token would travel openly; write https")),
        _ => Err(wrong("write https://host/mcp")),
    }
}

/// The configuration that the client's server will read.
fn configuration(explicit: Option<&Path>) -> Result<PathBuf, Failure> {
    let environment = Environment::of_process();
    let path = config::find(explicit, &environment)
        .map_err(|error| format!("{error}\n`countersign init` writes one for AWS"))?;
    let whole = std::path::absolute(&path)?;
    if !whole.is_file() {
        return Err(format!("there is no configuration at `{}`: `countersign init` writes one", whole.display()).into());
    }
    // Clients' files are text: another path would be written than the one that is meant.
    if whole.to_str().is_none() {
        return Err(format!("the path `{}` is not UTF-8: move the configuration", whole.display()).into());
    }
    Ok(whole)
}

fn left_alone(problem: &Problem) -> Failure {
    format!("the file is left as it is:\n{problem}").into()
}

/// Asks on a terminal; elsewhere nobody can agree.
fn agreed() -> Result<bool, Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err("there is no terminal to ask on: look at the difference, then run it again with `--yes`".into());
    }
    Ok(dialoguer::Confirm::new().with_prompt("Write this?").default(false).interact()?)
}
