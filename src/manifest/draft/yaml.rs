//! Writes values into a draft's YAML.

/// A text in block context, or between the brackets of a flow: bare where that is safe, else in double quotes.
pub(super) fn text(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let bare = text.chars().all(|c| c.is_ascii_alphanumeric() || " _./-()".contains(c));
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let odd = text.ends_with(' ') || word.contains(&text.to_lowercase().as_str());
    if first && bare && !odd { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes. JSON's escapes are YAML's too.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `[a, b]`.
pub(super) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|one| text(one)).collect::<Vec<_>>().join(", "))
}

/// `{ a: b, c: d }` of keys and values that are YAML already.
pub(super) fn flow(pairs: &[(String, String)]) -> String {
    match pairs {
        [] => "{}".to_owned(),
        pairs => {
            let written: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{ {} }}", written.join(", "))
        }
    }
}

/// Names as comment lines of at most 116 characters.
pub(super) fn comment(indent: &str, lead: &str, names: &[String]) -> String {
    let mut lines = String::new();
    let mut line = format!("{indent}# {lead}");
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        if line.len() + name.len() + 2 > 116 {
            lines.push_str(&line);
            lines.push('\n');
            line = format!("{indent}#  ");
        }
        line.push_str(&format!(" {name}{comma}"));
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_read_otherwise_is_quoted() {
        assert_eq!(
            ["a b", "no", "{x}", "404", "a: b", ""].map(text),
            ["a b", "\"no\"", "\"{x}\"", "\"404\"", "\"a: b\"", "\"\""]
        );
    }
}
