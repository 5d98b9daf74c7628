//! Commands of shells: found in scripts, held against the command line, and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::error::ErrorKind;

use crate::support::{Installation, Ran, repository};

/// The commands of a script that call this program, as words.
pub(super) fn of_script(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let commands = joined.lines().flat_map(simple_commands);
    commands.filter_map(|words| after_prefixes(&words)).collect()
}

/// The simple commands of a line: what `|`, `;`, `&` and redirections part.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let (mut quote, mut redirected) = (None, false);
    let end = |word: &mut Option<String>, words: &mut Vec<String>, redirected: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(redirected)
        {
            words.push(word);
        }
    };
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => end(&mut word, &mut words, &mut redirected),
            (None, '|' | ';' | '&' | '(' | ')') => {
                end(&mut word, &mut words, &mut redirected);
                commands.push(std::mem::take(&mut words));
            }
            (None, '>' | '<') => {
                end(&mut word, &mut words, &mut redirected);
                redirected = true;
            }
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    end(&mut word, &mut words, &mut redirected);
    commands.push(words);
    commands
}

/// The words from this program's name on, where it is what is called.
fn after_prefixes(words: &[String]) -> Option<Vec<String>> {
    let is_set = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let is_program = |word: &str| word == "countersign" || word.ends_with("/countersign");
    let mut rest = words;
    loop {
        match rest {
            [first, more @ ..] if is_set(first) || first == "!" => rest = more,
            [first, user, _, more @ ..] if first == "sudo" && user == "-u" => rest = more,
            [first, more @ ..] if first == "sudo" => rest = more,
            [first, ..] if is_program(first) => {
                let mut words = rest.to_vec();
                words[0] = "countersign".to_owned();
                return Some(words);
            }
            _ => return None,
        }
    }
}

/// Whether the command line takes the words.
pub(super) fn parses(line: &clap::Command, words: &[String]) -> Result<(), String> {
    match line.clone().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) if !error.use_stderr() => Ok(()),
        // What stands for a reader's own.
        Err(error) if error.kind() == ErrorKind::ValueValidation && words.iter().any(|word| word.contains("...")) => {
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a command that is only named is one: its subcommands and flags exist. Values may be left out.
pub(super) fn exists(line: &clap::Command, mention: &str) -> Result<(), String> {
    let mut at = line;
    let mut within = true;
    for word in mention.split_whitespace().skip(1) {
        let word = word.trim_matches(['[', ']', ',']);
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap();
            let known = |command: &clap::Command| {
                flag == "help" || flag == "version" || command.get_arguments().any(|a| a.get_long() == Some(flag))
            };
            if !known(at) && !known(line) {
                return Err(format!("`{}` has no `--{flag}`", at.get_name()));
            }
            within = false;
        } else if let Some(flag) = word.strip_prefix('-') {
            let flag = flag.chars().next();
            if !at.get_arguments().any(|a| a.get_short() == flag) {
                return Err(format!("`{}` has no `{word}`", at.get_name()));
            }
            within = false;
        } else if let Some(sub) = at.find_subcommand(word).filter(|_| within) {
            at = sub;
        } else if within && at.has_subcommands() && at.get_positionals().next().is_none() {
            return Err(format!("`{}` has no command `{word}`", at.get_name()));
        } else {
            within = false;
        }
    }
    Ok(())
}

/// Runs a script of bash in an installation's folder, with the program on its path and the examples beside it.
pub(super) fn run(installation: &Installation, script: &str, plan: &str) -> Ran {
    let folder = installation.folder();
    copy(&repository().join("examples"), &folder.join("examples"));
    fs::create_dir_all(folder.join("bin")).unwrap();
    let program = installation.command().get_program().to_owned();
    std::os::unix::fs::symlink(program, folder.join("bin/countersign")).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!("{}:{}", folder.join("bin").display(), path.display());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).env_clear();
    command.env("PATH", path).env("HOME", folder).env("PLAN", plan);
    command.env("COUNTERSIGN_CONFIG", installation.config());
    Ran::of(command.output().unwrap())
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All Rust sources of some folders, as one text.
pub(super) fn sources(folders: &[&str]) -> String {
    let mut waiting: Vec<_> = folders.iter().map(|folder| repository().join(folder)).collect();
    let mut text = String::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}
