//! The clients, as data: where each keeps its MCP servers, in what shape, and what it can't do.
//!
//! Each client's own documentation is named beside it; what it doesn't say was tried, or is not claimed.

use super::formats::Format;
use super::places::Place;

/// An MCP client.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    /// What is typed for it.
    pub(in crate::cli) word: &'static str,
    /// Its name.
    pub(in crate::cli) name: &'static str,
    /// The page of its documentation.
    pub(in crate::cli) page: &'static str,
    /// The language of its files.
    pub(super) format: Format,
    /// The key all servers stand under.
    pub(super) servers: &'static str,
    /// The file for all of a user's projects.
    pub(super) user: Place,
    /// The file of one project, in its folder; `None` where it reads none.
    pub(super) project: Option<&'static str>,
    /// What says that it is installed: its program, and a folder it keeps.
    pub(super) program: &'static str,
    /// A folder (or file) that is there once it has run.
    pub(super) trace: Place,
    /// An entry for a server that it starts.
    pub(super) stdio: &'static [(&'static str, Piece)],
    /// An entry for a server over HTTP.
    pub(super) http: &'static [(&'static str, Piece)],
    /// Whether a person can answer forms in it.
    pub(super) forms: Forms,
    /// How a token gets to a server over HTTP.
    pub(super) token: Token,
    /// What else its users should know.
    pub(super) notes: &'static [&'static str],
    /// Where it is told to run tools without asking.
    pub(super) approvals: &'static [Approval],
}

/// One value of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// This text.
    Text(&'static str),
    /// The name of the entry.
    Name,
    /// The absolute path of this program.
    Program,
    /// Its arguments.
    Arguments,
    /// The server's address.
    Url,
    /// The header `Authorization`, with the client's own way to write an environment variable's value.
    Bearer(&'static str),
    /// The name of the token's environment variable.
    TokenVariable,
    /// A list with that name.
    TokenVariables,
    /// True to begin with; what a person sets instead stays.
    SwitchedOn,
    /// Seconds to begin with; what a person sets instead stays.
    Seconds(u32),
}

/// Whether a person can answer the server's forms (MCP elicitation) in a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forms {
    /// Yes.
    Yes,
    /// No: what takes a typed confirmation is refused, or goes through the console.
    No,
    /// It doesn't say so.
    NotDocumented,
}

/// How a token gets to a server over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The client puts the value of an environment variable into the header.
    Variable,
    /// It can't: a person signs in (OAuth).
    SignIn,
}

/// A setting that lets a client run tools without asking.
#[derive(Debug)]
pub(super) struct Approval {
    /// The file it stands in.
    pub(super) file: Kept,
    /// The keys down to it; `{name}` is the entry's, `*` is any.
    pub(super) at: &'static [&'static str],
    /// What it says then.
    pub(super) sign: Sign,
}

/// The file of a setting.
#[derive(Debug)]
pub(super) enum Kept {
    /// The one with the servers.
    WithServers,
    /// Another of the user's.
    User(Place),
    /// Another of the project's.
    Project(&'static str),
}

/// What a setting says where it approves.
#[derive(Debug)]
pub(super) enum Sign {
    /// `true`.
    True,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A list with any tool in it that is more than a look at the server's own books.
    AnyTool,
    /// A list with something in it that begins like one of these; `{name}` is the entry's.
    Begins(&'static [&'static str]),
}

const MCP_JSON_STDIO: &[(&str, Piece)] = &[("command", Piece::Program), ("args", Piece::Arguments)];

/// All of them, in the order of `--detect`.
pub(in crate::cli) const CLIENTS: &[Client] = &[
    Client {
        word: "kiro",
        name: "Kiro",
        page: "https://kiro.dev/docs/mcp/configuration",
        format: Format::Json,
        servers: "mcpServers",
        user: Place::home(".kiro/settings/mcp.json"),
        project: Some(".kiro/settings/mcp.json"),
        program: "kiro",
        trace: Place::home(".kiro"),
        stdio: MCP_JSON_STDIO,
        http: &[("url", Piece::Url), ("headers", Piece::Bearer("${COUNTERSIGN_TOKEN}"))],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &["it drops tools beyond the first 30 or so: `toolsets` under [manifests] keeps the list short"],
        approvals: &[Approval {
            file: Kept::WithServers,
            at: &["mcpServers", "{name}", "autoApprove"],
            sign: Sign::AnyTool,
        }],
    },
    Client {
        word: "claude-code",
        name: "Claude Code",
        page: "https://code.claude.com/docs/en/mcp",
        format: Format::Json,
        servers: "mcpServers",
        user: Place::home(".claude.json").moved("CLAUDE_CONFIG_DIR", ".claude.json"),
        project: Some(".mcp.json"),
        program: "claude",
        trace: Place::home(".claude.json").moved("CLAUDE_CONFIG_DIR", ".claude.json"),
        stdio: &[("type", Piece::Text("stdio")), ("command", Piece::Program), ("args", Piece::Arguments)],
        http: &[("type", Piece::Text("http")), ("url", Piece::Url), ("headers", Piece::Bearer("${COUNTERSIGN_TOKEN}"))],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &["hooks for elicitations can answer forms for a person: don't install any for this server"],
        // https://code.claude.com/docs/en/permissions
        approvals: &[
            Approval {
                file: Kept::User(Place::home(".claude/settings.json").moved("CLAUDE_CONFIG_DIR", "settings.json")),
                at: &["permissions", "allow"],
                sign: Sign::Begins(&["mcp__{name}", "mcp__*"]),
            },
            Approval {
                file: Kept::User(Place::home(".claude/settings.json").moved("CLAUDE_CONFIG_DIR", "settings.json")),
                at: &["permissions", "defaultMode"],
                sign: Sign::OneOf(&["bypassPermissions"]),
            },
            Approval {
                file: Kept::Project(".claude/settings.json"),
                at: &["permissions", "allow"],
                sign: Sign::Begins(&["mcp__{name}", "mcp__*"]),
            },
            Approval {
                file: Kept::Project(".claude/settings.local.json"),
                at: &["permissions", "allow"],
                sign: Sign::Begins(&["mcp__{name}", "mcp__*"]),
            },
        ],
    },
    Client {
        word: "vscode",
        name: "VS Code",
        page: "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
        format: Format::Json,
        servers: "servers",
        user: Place::settings("Code/User/mcp.json").on_mac("Library/Application Support/Code/User/mcp.json"),
        project: Some(".vscode/mcp.json"),
        program: "code",
        trace: Place::settings("Code/User").on_mac("Library/Application Support/Code/User"),
        stdio: &[("type", Piece::Text("stdio")), ("command", Piece::Program), ("args", Piece::Arguments)],
        http: &[
            ("type", Piece::Text("http")),
            ("url", Piece::Url),
            ("headers", Piece::Bearer("${env:COUNTERSIGN_TOKEN}")),
        ],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &[],
        // https://code.visualstudio.com/docs/copilot/reference/copilot-settings
        approvals: &[
            Approval {
                file: Kept::User(
                    Place::settings("Code/User/settings.json")
                        .on_mac("Library/Application Support/Code/User/settings.json"),
                ),
                at: &["chat.tools.global.autoApprove"],
                sign: Sign::True,
            },
            Approval {
                file: Kept::User(
                    Place::settings("Code/User/settings.json")
                        .on_mac("Library/Application Support/Code/User/settings.json"),
                ),
                at: &["chat.tools.autoApprove"],
                sign: Sign::True,
            },
            Approval {
                file: Kept::Project(".vscode/settings.json"),
                at: &["chat.tools.autoApprove"],
                sign: Sign::True,
            },
        ],
    },
    Client {
        word: "cursor",
        name: "Cursor",
        page: "https://cursor.com/docs/mcp",
        format: Format::Json,
        servers: "mcpServers",
        user: Place::home(".cursor/mcp.json"),
        project: Some(".cursor/mcp.json"),
        program: "cursor",
        trace: Place::home(".cursor"),
        stdio: MCP_JSON_STDIO,
        http: &[("url", Piece::Url), ("headers", Piece::Bearer("${env:COUNTERSIGN_TOKEN}"))],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &["it shows about 40 tools of all servers together: `toolsets` under [manifests] keeps the list short"],
        // https://cursor.com/docs/reference/permissions
        approvals: &[
            Approval {
                file: Kept::User(Place::home(".cursor/permissions.json")),
                at: &["mcpAllowlist"],
                sign: Sign::Begins(&["{name}:", "*:"]),
            },
            Approval {
                file: Kept::Project(".cursor/permissions.json"),
                at: &["mcpAllowlist"],
                sign: Sign::Begins(&["{name}:", "*:"]),
            },
        ],
    },
    Client {
        word: "codex",
        name: "Codex CLI",
        page: "https://developers.openai.com/codex/mcp",
        format: Format::Toml,
        servers: "mcp_servers",
        user: Place::home(".codex/config.toml").moved("CODEX_HOME", "config.toml"),
        project: Some(".codex/config.toml"),
        program: "codex",
        trace: Place::home(".codex").moved("CODEX_HOME", ""),
        // A tool may take 60 seconds there; a person gets 240 for a confirmation.
        stdio: &[("command", Piece::Program), ("args", Piece::Arguments), ("tool_timeout_sec", Piece::Seconds(300))],
        http: &[
            ("url", Piece::Url),
            ("bearer_token_env_var", Piece::TokenVariable),
            ("tool_timeout_sec", Piece::Seconds(300)),
        ],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &[
            "with full access it answers forms by itself; the server refuses what was not typed, and can't see who typed",
        ],
        // https://developers.openai.com/codex/config-reference
        approvals: &[
            Approval {
                file: Kept::WithServers,
                at: &["mcp_servers", "{name}", "default_tools_approval_mode"],
                sign: Sign::OneOf(&["approve"]),
            },
            Approval {
                file: Kept::WithServers,
                at: &["mcp_servers", "{name}", "tools", "*", "approval_mode"],
                sign: Sign::OneOf(&["approve"]),
            },
            Approval { file: Kept::WithServers, at: &["approval_policy"], sign: Sign::OneOf(&["never"]) },
        ],
    },
    Client {
        word: "gemini",
        name: "Gemini CLI",
        page: "https://geminicli.com/docs/tools/mcp-server",
        format: Format::Json,
        servers: "mcpServers",
        user: Place::home(".gemini/settings.json").moved("GEMINI_CLI_HOME", ".gemini/settings.json"),
        project: Some(".gemini/settings.json"),
        program: "gemini",
        trace: Place::home(".gemini").moved("GEMINI_CLI_HOME", ".gemini"),
        stdio: MCP_JSON_STDIO,
        http: &[("httpUrl", Piece::Url), ("headers", Piece::Bearer("${COUNTERSIGN_TOKEN}"))],
        forms: Forms::No,
        token: Token::Variable,
        notes: &["it starts servers in folders that you have told it to trust only"],
        approvals: &[
            Approval { file: Kept::WithServers, at: &["mcpServers", "{name}", "trust"], sign: Sign::True },
            Approval {
                file: Kept::WithServers,
                at: &["tools", "allowed"],
                sign: Sign::Begins(&["mcp_{name}", "{name}__"]),
            },
        ],
    },
    Client {
        word: "windsurf",
        name: "Windsurf",
        page: "https://docs.windsurf.com/windsurf/cascade/mcp",
        format: Format::Json,
        servers: "mcpServers",
        user: Place::home(".codeium/windsurf/mcp_config.json"),
        project: None,
        program: "windsurf",
        trace: Place::home(".codeium/windsurf"),
        stdio: MCP_JSON_STDIO,
        http: &[("serverUrl", Piece::Url), ("headers", Piece::Bearer("${env:COUNTERSIGN_TOKEN}"))],
        forms: Forms::NotDocumented,
        token: Token::Variable,
        notes: &[],
        approvals: &[Approval {
            file: Kept::WithServers,
            at: &["mcpServers", "{name}", "alwaysAllow"],
            sign: Sign::AnyTool,
        }],
    },
    Client {
        word: "zed",
        name: "Zed",
        page: "https://zed.dev/docs/ai/mcp",
        format: Format::Json,
        servers: "context_servers",
        user: Place::settings("zed/settings.json").on_mac(".config/zed/settings.json"),
        project: Some(".zed/settings.json"),
        program: "zed",
        trace: Place::settings("zed").on_mac(".config/zed"),
        stdio: &[("source", Piece::Text("custom")), ("command", Piece::Program), ("args", Piece::Arguments)],
        http: &[("source", Piece::Text("custom")), ("url", Piece::Url)],
        forms: Forms::No,
        token: Token::SignIn,
        notes: &[],
        // https://zed.dev/docs/ai/agent-settings
        approvals: &[
            Approval { file: Kept::WithServers, at: &["agent", "always_allow_tool_actions"], sign: Sign::True },
            Approval {
                file: Kept::WithServers,
                at: &["agent", "tool_permissions", "default"],
                sign: Sign::OneOf(&["allow"]),
            },
        ],
    },
    Client {
        word: "goose",
        name: "Goose",
        page: "https://block.github.io/goose/docs/guides/config-files",
        format: Format::Yaml,
        servers: "extensions",
        user: Place::settings("goose/config.yaml").on_mac(".config/goose/config.yaml"),
        project: None,
        program: "goose",
        trace: Place::settings("goose").on_mac(".config/goose"),
        stdio: &[
            ("enabled", Piece::SwitchedOn),
            ("type", Piece::Text("stdio")),
            ("name", Piece::Name),
            ("cmd", Piece::Program),
            ("args", Piece::Arguments),
            ("timeout", Piece::Seconds(300)),
        ],
        http: &[
            ("enabled", Piece::SwitchedOn),
            ("type", Piece::Text("streamable_http")),
            ("name", Piece::Name),
            ("uri", Piece::Url),
            ("headers", Piece::Bearer("${COUNTERSIGN_TOKEN}")),
            ("env_keys", Piece::TokenVariables),
            ("timeout", Piece::Seconds(300)),
        ],
        forms: Forms::Yes,
        token: Token::Variable,
        notes: &["without `GOOSE_MODE: approve` it runs tools without asking"],
        approvals: &[Approval { file: Kept::WithServers, at: &["GOOSE_MODE"], sign: Sign::OneOf(&["auto"]) }],
    },
];

/// The keys that only one of the two kinds of entries has, and that the other must not keep.
pub(super) const TRANSPORTS: [&[&str]; 2] = [
    &["command", "args", "cmd", "cwd"],
    &["url", "httpUrl", "serverUrl", "uri", "headers", "bearer_token_env_var", "env_keys"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_named_once_and_documented() {
        let words: std::collections::BTreeSet<&str> = CLIENTS.iter().map(|client| client.word).collect();
        assert_eq!(words.len(), CLIENTS.len());
        for client in CLIENTS {
            assert!(client.page.starts_with("https://"), "{}", client.word);
            let has =
                |entry: &[(&str, Piece)], wanted: fn(&Piece) -> bool| entry.iter().any(|(_, piece)| wanted(piece));
            assert!(has(client.stdio, |piece| matches!(piece, Piece::Program)), "{}", client.word);
            assert!(has(client.http, |piece| matches!(piece, Piece::Url)), "{}", client.word);
            let variable = |piece: &Piece| matches!(piece, Piece::Bearer(_) | Piece::TokenVariable);
            assert_eq!(has(client.http, variable), client.token == Token::Variable, "{}", client.word);
        }
    }
}
