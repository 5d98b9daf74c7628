//! Every client, whatever its file looks like.

use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::formats::{Edit, Format, without_empty};
use super::*;

/// A home of its own, with a project in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.0.path().join("project")).unwrap();
        home
    }

    fn around(&self) -> Surroundings {
        Surroundings {
            home: Some(self.0.path().to_owned()),
            working: self.0.path().join("project"),
            program: "/opt/countersign".into(),
            ..Surroundings::default()
        }
    }

    fn file(&self, client: &Client, scope: Scope, text: &str) -> PathBuf {
        let path = place(client, scope, &self.around()).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What is told, and what the file holds afterwards.
    fn told(&self, wish: &Wish<'_>) -> String {
        let around = self.around();
        let told = match wish.change(&around) {
            Err(error) => format!("error: {error}\n"),
            Ok(Change { told, after: None, .. }) => told,
            Ok(Change { told, after: Some(after), file }) => {
                file.write(&after).unwrap();
                format!("{told}--- file\n{after}")
            }
        };
        told.replace(&self.0.path().display().to_string(), "[home]")
    }
}

fn stdio(client: &'static Client) -> Wish<'static> {
    let way = Way::Stdio { program: "/opt/countersign".into(), config: "/etc/countersign.toml".into() };
    Wish { client, scope: Scope::User, name: "countersign", way, remove: false }
}

fn http(client: &'static Client) -> Wish<'static> {
    let way =
        Way::Http { url: "https://guard.example.com/mcp".parse().unwrap(), token: client.token == Token::Variable };
    Wish { way, ..stdio(client) }
}

/// A file that somebody keeps by hand.
fn kept(client: &Client) -> String {
    let servers = client.servers;
    match client.format {
        Format::Json => format!(
            "{{\n    // mine\n    \"{servers}\": {{\n        \"other\": {{ \"command\": \"other-server\", \"args\": [] }} // keep it\n    \
             }},\n\n    \"theme\":   \"dark\",\n}}\n"
        ),
        Format::Toml => format!(
            "# mine\nmodel = \"large\"   # keep it\n\n[{servers}.other]\ncommand = 'other-server'\nargs = []\n\n[tui]\ntheme = \"dark\"\n"
        ),
        Format::Yaml => format!(
            "# mine\n{servers}:\n    other: # keep it\n        type: stdio\n        cmd: other-server\n        args: []\n\n# the rest\n\
             GOOSE_MODE: approve\n"
        ),
    }
}

/// An entry for another program, with what a person added.
fn by_hand(client: &Client) -> String {
    let servers = client.servers;
    match client.format {
        Format::Json => format!(
            "{{\n  \"{servers}\": {{\n    \"countersign\": {{\n      // the old one\n      \"command\": \"/old/countersign\",\n      \
             \"args\": [\"serve\"],\n      \"autoApprove\": [\"whoami\", \"ec2_stop_instances\"],\n      \"alwaysAllow\": [\"*\"],\n      \
             \"trust\": true,\n      \"env\": {{ \"AWS_PROFILE\": \"guard\" }} // mine\n    }}\n  }}\n}}\n"
        ),
        Format::Toml => format!(
            "approval_policy = \"never\"\n\n[{servers}.countersign]\n# the old one\ncommand = \"/old/countersign\" # from May\n\
             args = [\"serve\"]\ntool_timeout_sec = 600\ndefault_tools_approval_mode = \"approve\"\n\n\
             [{servers}.countersign.env]\nAWS_PROFILE = \"guard\"\n"
        ),
        Format::Yaml => format!(
            "GOOSE_MODE: auto\n{servers}:\n  countersign:\n    # the old one\n    enabled: false\n    type: stdio\n    name: countersign\n    \
             cmd: /old/countersign\n    args:\n    - serve\n    envs:\n      AWS_PROFILE: guard # mine\n    timeout: 600\n"
        ),
    }
}

fn broken(client: &Client) -> &'static str {
    match client.format {
        Format::Json => "{\n  \"mcpServers\": {\n    \"other\": { \"command\": \"x\" \"args\": [] }\n  }\n}\n",
        Format::Toml => "[mcp_servers.other]\ncommand = \"x\nargs = []\n",
        Format::Yaml => "extensions:\n  other:\n    cmd: [x\n  type: stdio\n",
    }
}

#[test]
fn every_client_whatever_its_file_looks_like() {
    for client in CLIENTS {
        let mut all = String::new();
        let mut tell = |title: &str, text: Option<&str>, wishes: &[Wish<'_>]| {
            let home = Home::new();
            if let Some(text) = text {
                home.file(client, Scope::User, text);
            }
            for wish in wishes {
                all.push_str(&format!("=== {title}\n{}\n", home.told(wish)));
            }
        };
        let remove = || Wish { remove: true, ..stdio(client) };
        tell("a new file", None, &[stdio(client)]);
        tell("a new file, over http", None, &[http(client)]);
        tell("beside others", Some(&kept(client)), &[stdio(client)]);
        tell("changed by hand", Some(&by_hand(client)), &[stdio(client)]);
        tell("changed by hand, now over http", Some(&by_hand(client)), &[http(client)]);
        tell("broken", Some(broken(client)), &[stdio(client)]);
        tell("taken out", Some(&by_hand(client)), &[remove(), remove()]);
        insta::with_settings!({ snapshot_suffix => client.word, omit_expression => true }, {
            insta::assert_snapshot!("client", all);
        });
    }
}

#[test]
fn what_is_registered_is_not_registered_again_and_can_be_taken_out() {
    for client in CLIENTS {
        for wish in [stdio, http] {
            for text in [kept(client), by_hand(client), String::new()] {
                let home = Home::new();
                let path = home.file(client, Scope::User, &text);
                let first = home.told(&wish(client));
                assert!(first.contains("--- file"), "{first}");
                let once = std::fs::read_to_string(&path).unwrap();
                let again = home.told(&wish(client));
                assert!(again.contains("nothing to do") && !again.contains("--- file"), "{again}");
                let known = registered(&home.around());
                assert_eq!(known.len(), 1, "{known:?}");
                let removed = home.told(&Wish { remove: true, ..wish(client) });
                assert!(removed.contains("--- file"), "{removed}\n{once}");
                assert!(registered(&home.around()).is_empty());
                if text == kept(client) {
                    assert_eq!(
                        client.format.read(&Source::new("x", std::fs::read_to_string(&path).unwrap())).unwrap(),
                        client.format.read(&Source::new("x", text)).unwrap()
                    );
                }
            }
        }
    }
}

#[test]
fn a_project_s_file_holds_no_secret_and_is_where_the_client_looks() {
    let mut told = String::new();
    for client in CLIENTS {
        let home = Home::new();
        for wish in [stdio(client), http(client)] {
            let wish = Wish { scope: Scope::Project, ..wish };
            told.push_str(&format!("=== {}\n{}\n", client.name, home.told(&wish)));
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn rights_stay_links_are_followed_and_every_backup_is_kept() {
    let client = &CLIENTS[0];
    let home = Home::new();
    let path = home.file(client, Scope::User, &kept(client));
    let real = home.0.path().join("dotfiles.json");
    std::fs::rename(&path, &real).unwrap();
    symlink(&real, &path).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    home.told(&stdio(client));
    home.told(&http(client));
    assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let backup = |n: u32| home.0.path().join(format!("dotfiles.json.countersign-backup-{n}"));
    assert_eq!((mode(&real), mode(&backup(1)), mode(&backup(2))), (0o640, 0o640, 0o640));
    assert_eq!(std::fs::read_to_string(backup(1)).unwrap(), kept(client));
    assert!(std::fs::read_to_string(backup(2)).unwrap().contains("/opt/countersign"));
    assert!(std::fs::read_to_string(&real).unwrap().contains("guard.example.com"));
    let fresh = Home::new();
    fresh.told(&stdio(client));
    assert_eq!(mode(&place(client, Scope::User, &fresh.around()).unwrap()), 0o600);
}

#[test]
fn a_file_that_the_client_has_written_meanwhile_is_left_to_it() {
    let client = &CLIENTS[1];
    let home = Home::new();
    let path = home.file(client, Scope::User, "{}\n");
    let change = stdio(client).change(&home.around()).unwrap();
    std::fs::write(&path, "{ \"history\": [1] }\n").unwrap();
    let error = change.file.write(&change.after.unwrap()).unwrap_err().to_string();
    assert!(error.contains("has changed in the meantime"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ \"history\": [1] }\n");
    assert_eq!(std::fs::read_dir(home.0.path()).unwrap().count(), 2, "no backup, no leftovers");
}

#[test]
fn a_link_that_leads_nowhere_and_a_folder_are_told() {
    let client = &CLIENTS[1];
    let home = Home::new();
    let path = place(client, Scope::User, &home.around()).unwrap();
    symlink(home.0.path().join("gone"), &path).unwrap();
    assert!(home.told(&stdio(client)).contains("leads nowhere"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(home.told(&stdio(client)).contains("is no file"));
}

#[test]
fn what_can_t_be_edited_safely_is_left_alone() {
    let refused = |format: Format, text: &str| {
        let edit = Edit { path: vec!["mcpServers".to_owned(), "a".to_owned()], value: Some(json!({ "command": "x" })) };
        format.edit(&Source::new("file", text), &[edit]).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            refused(Format::Json, "[]"),
            refused(Format::Json, "{ \"mcpServers\": [] }"),
            refused(Format::Json, "{ \"mcpServers\": {}, \"mcpServers\": {} }"),
            refused(Format::Json, "{ \"mcpServers\": {} } trailing"),
            refused(Format::Toml, "mcpServers = 1"),
            refused(Format::Yaml, "{ mcpServers: { b: {} } }"),
            refused(Format::Yaml, "mcpServers: { b: { c: 1 } }"),
            refused(Format::Yaml, "x: &anchor 1\ny: *anchor\n"),
            refused(Format::Yaml, "a: 1\n---\nb: 2\n"),
        ]
        .join("\n")
    );
}

#[test]
fn marks_and_line_ends_of_windows_stay() {
    let client = &CLIENTS[0];
    for (format, text) in
        [(Format::Json, kept(client)), (Format::Toml, kept(&CLIENTS[4])), (Format::Yaml, kept(&CLIENTS[8]))]
    {
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let edit = Edit { path: vec!["more".to_owned(), "a".to_owned()], value: Some(json!({ "command": "x" })) };
        let after = format.edit(&Source::new("file", windows), &[edit]).unwrap();
        assert!(after.starts_with('\u{feff}'), "{after}");
        assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "{after:?}");
    }
}

#[test]
fn addresses_and_names_that_could_leak_or_break_are_refused() {
    for good in [
        "https://guard.example.com/mcp",
        "http://localhost:8470/mcp",
        "http://127.0.0.1:8470/mcp",
        "http://[::1]:1/mcp",
    ] {
        address(good).unwrap();
    }
    let bad = [
        "guard.example.com",
        "http://guard.example.com/mcp",
        "http://127.0.0.1.example.com/mcp",
        "https://user:secret@guard.example.com/mcp",
        "https://guard.example.com/mcp?token=secret",
        "file:///etc/passwd",
    ];
    insta::assert_snapshot!(bad.map(|bad| address(bad).unwrap_err().to_string()).join("\n"));
    for bad in ["", "a b", "-x", "a.b", "a\"", &"a".repeat(21)] {
        check_name(bad).unwrap_err();
    }
    assert_eq!(client("Claude_Code").unwrap().word, "claude-code");
    insta::assert_snapshot!(
        [client("kirro").unwrap_err().to_string(), client("emacs").unwrap_err().to_string()].join("\n")
    );
}

#[test]
fn approvals_elsewhere_are_found() {
    let home = Home::new();
    for (path, text) in [
        (
            ".claude/settings.json",
            r#"{ "permissions": { "allow": ["Bash(ls)", "mcp__countersign__ec2_stop_instances"], "defaultMode": "bypassPermissions" } }"#,
        ),
        ("project/.claude/settings.local.json", r#"{ "permissions": { "allow": ["mcp__countersign__whoami"] } }"#),
        (".cursor/permissions.json", "{ // all\n \"mcpAllowlist\": [\"*:*\"] }"),
        (".config/Code/User/settings.json", r#"{ "chat.tools.global.autoApprove": true }"#),
        (".config/zed/settings.json", r#"{ "agent": { "tool_permissions": { "default": "allow" } } }"#),
        (".codex/config.toml", "[mcp_servers.countersign.tools.aws_change]\napproval_mode = \"approve\"\n"),
    ] {
        let path = home.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    for client in CLIENTS {
        home.told(&stdio(client));
    }
    let told: Vec<String> = registered(&home.around())
        .iter()
        .flat_map(|one| {
            one.approved.iter().map(|found| format!("{}: {} is {}", one.client.name, found.key, found.says))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    insta::assert_snapshot!(detected(&home.around()).replace(&home.0.path().display().to_string(), "[home]"));
}

/// A text that says something, with comments wherever the format has them.
fn document(format: Format) -> impl Strategy<Value = String> {
    let key = "[a-z]{1,6}";
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~äß]{0,12}".prop_map(Value::from)
    ];
    let entry = (key, prop::collection::btree_map(key, scalar, 1..4), any::<bool>(), any::<bool>());
    prop::collection::btree_map(key, entry, 0..5).prop_map(move |tables| {
        let mark = if format == Format::Json { "//" } else { "#" };
        let mut text = String::new();
        let count = tables.len();
        for (at, (key, (_, members, above, behind))) in tables.into_iter().enumerate() {
            let behind = if behind { format!(" {mark} behind, \"{key}\"") } else { String::new() };
            if above {
                text.push_str(&format!("  {mark} above: {{ {key}\n\n"));
            }
            let last = members.len() - 1;
            match format {
                Format::Json => {
                    text.push_str(&format!("  \"{key}\":  {{{behind}\n"));
                    for (at, (name, value)) in members.iter().enumerate() {
                        let comma = if at < last { "," } else { "" };
                        text.push_str(&format!("     \"{name}\" : {value}{comma}{behind}\n"));
                    }
                    text.push_str(&format!("  }}{}{behind}\n", if at + 1 < count { "," } else { "" }));
                }
                Format::Toml => {
                    text.push_str(&format!("[{key}]{behind}\n"));
                    members.iter().for_each(|(name, value)| text.push_str(&format!("{name}  = {value}{behind}\n")));
                }
                Format::Yaml => {
                    text.push_str(&format!("{key}:{behind}\n"));
                    members.iter().for_each(|(name, value)| text.push_str(&format!("   {name}:  {value}{behind}\n")));
                }
            }
        }
        if format == Format::Json { format!("{{\n{text}}}\n") } else { text.replace("\n  #", "\n#") }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_else_is_in_a_file_stays(
        (format, text) in prop_oneof![Just(Format::Json), Just(Format::Toml), Just(Format::Yaml)]
            .prop_flat_map(|format| (Just(format), document(format))),
        beside in any::<bool>(),
    ) {
        let source = Source::new("file", text.clone());
        let before = match format.read(&source) {
            Ok(before) => before,
            // what the strategy wrote is not all within TOML's and YAML's escapes
            Err(_) => return Ok(()),
        };
        let under = match before.as_object().and_then(|all| all.keys().next()).filter(|_| beside) {
            Some(key) => key.clone(),
            None => "mcpServers".to_owned(),
        };
        let path = vec![under, "countersign-x".to_owned()];
        let value = json!({ "command": "/opt/it's \"here\"", "args": ["--config", "/a b#c", "serve"], "timeout": 300 });
        let added = format.edit(&source, &[Edit { path: path.clone(), value: Some(value.clone()) }]).unwrap();
        let plain = |line: &str| line.replace(',', "");
        let mut lines = added.lines();
        for line in text.lines() {
            prop_assert!(lines.any(|other| other == line || plain(other) == plain(line)), "`{line}` is gone:\n{text}\n---\n{added}");
        }
        if format != Format::Json {
            let mut lines = added.lines();
            prop_assert!(text.lines().all(|line| lines.any(|other| other == line)), "{text}\n---\n{added}");
        }
        let source = Source::new("file", added.clone());
        let deeper = |key: &str| [path.clone(), vec![key.to_owned()]].concat();
        let changed = format.edit(&source, &[Edit { path: deeper("command"), value: Some(json!("/new")) }]).unwrap();
        prop_assert_eq!(added.lines().count(), changed.lines().count());
        prop_assert_eq!(added.lines().zip(changed.lines()).filter(|(a, b)| a != b).count(), 1);
        let removed = format.edit(&source, &[Edit { path: path.clone(), value: None }]).unwrap();
        let before = without_empty(before);
        let after = format.read(&Source::new("file", removed.clone())).unwrap();
        prop_assert_eq!(without_empty(after), before, "{}\n---\n{}", text, removed);
        let mut lines = removed.lines();
        for line in text.lines().filter(|line| plain(line).trim().len() > 1) {
            prop_assert!(lines.any(|other| plain(other) == plain(line)), "`{line}` is gone:\n{text}\n---\n{removed}");
        }
    }
}
