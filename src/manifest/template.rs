//! Templates of manifests: JSON values with `{expression}` in their texts.
//!
//! A text that is exactly one `{expression}` becomes that expression's value, whatever its type; an object's member
//! whose value so becomes null is left out. In any other text the values must be scalars and are put in as they are.
//! `{{` and `}}` stand for braces; an expression that itself begins with a brace is set off by a space: `{ {a: b} }`.
//! Values are never looked at for templates again, so whatever an agent or AWS names a thing stays a name.
//!
//! The context of one target is an object of [`TARGET_CONTEXT`].

use std::str::CharIndices;

use serde_json::{Map, Value};

use super::expression::{BadExpression, Expression, NotEvaluated};

/// What a template of one target may use: its name, ARN, state and tags; the operation's arguments; where it is.
/// `resource` is what names it within its account where `target` is its whole ARN or the URL of a queue: in an ARN of the
/// call's own partition, region and account what follows these; in a URL whose path is the account and a name, the name.
pub const TARGET_CONTEXT: [&str; 10] =
    ["target", "resource", "arn", "state", "tags", "arguments", "account", "account_name", "region", "partition"];

/// A JSON value with expressions in its texts.
#[derive(Clone, Debug)]
pub struct Template(Node);

#[derive(Clone, Debug)]
enum Node {
    Plain(Value),
    Whole(Expression),
    Text(Vec<Piece>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Expression(Expression),
}

/// A value that is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {column}")]
pub struct BadTemplate {
    /// JSON pointer, inside the template, to the text.
    pub pointer: String,
    /// Where in that text, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// A template that could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRendered {
    /// An expression failed.
    #[error(transparent)]
    NotEvaluated(#[from] NotEvaluated),
    /// A text is needed, but the expression gives none.
    #[error("`{{{expression}}}` gives {found}, where a text is needed")]
    NotText {
        /// The expression.
        expression: String,
        /// What it gives.
        found: &'static str,
    },
    /// The template is not a text at all.
    #[error("the template is not a text")]
    NotATextTemplate,
}

impl Template {
    /// Compiles a template.
    pub fn compile(value: &Value) -> Result<Self, BadTemplate> {
        compile(value, String::new()).map(Self)
    }

    /// Fills it in.
    pub fn render(&self, context: &Value) -> Result<Value, NotRendered> {
        render(&self.0, context)
    }

    /// Fills in what doesn't depend on an expression that `later` names. What does is null for now; it is told by its JSON
    /// pointer, with the text it is made from.
    pub fn render_known(
        &self,
        context: &Value,
        later: &dyn Fn(&Expression) -> bool,
    ) -> Result<(Value, Vec<(String, String)>), NotRendered> {
        let mut left = Vec::new();
        let known = known(&self.0, context, later, String::new(), &mut left)?;
        Ok((known, left))
    }

    /// Fills in a template that is one text, such as an ARN. A number or boolean becomes text; null is an error.
    pub fn render_text(&self, context: &Value) -> Result<String, NotRendered> {
        self.render_text_through(context, &|_, value| value)
    }

    /// As [`Self::render_text`], with what each expression gives passed through `put`; the template's own text is not.
    pub fn render_text_through(
        &self,
        context: &Value,
        put: &dyn Fn(&Expression, String) -> String,
    ) -> Result<String, NotRendered> {
        match &self.0 {
            Node::Plain(Value::String(text)) => Ok(text.clone()),
            Node::Whole(expression) => Ok(put(expression, scalar(expression, context)?)),
            Node::Text(pieces) => text(pieces, context, put),
            _ => Err(NotRendered::NotATextTemplate),
        }
    }

    /// The form of a template that is one text: `fill` says what stands for each expression. `None` where it isn't one
    /// text, or where `fill` has nothing to say.
    pub fn form(&self, fill: &dyn Fn(&Expression) -> Option<String>) -> Option<String> {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(literal) => Some(literal.clone()),
            Piece::Expression(expression) => fill(expression),
        };
        match &self.0 {
            Node::Plain(Value::String(text)) => Some(text.clone()),
            Node::Whole(expression) => fill(expression),
            Node::Text(pieces) => pieces.iter().map(piece).collect(),
            _ => None,
        }
    }

    /// All its expressions, each with the JSON pointer of its text.
    pub fn expressions(&self) -> Vec<(String, &Expression)> {
        let mut found = Vec::new();
        collect(&self.0, String::new(), &mut found);
        found
    }

    /// The names of its members, where it is an object.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let members = match &self.0 {
            Node::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, _)| name.as_str())
    }

    /// True where it has no expression: it is the same whatever the context.
    pub fn is_constant(&self) -> bool {
        self.expressions().is_empty()
    }
}

/// Appends a key to a JSON pointer.
pub fn join_pointer(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn compile(value: &Value, pointer: String) -> Result<Node, BadTemplate> {
    match value {
        Value::String(text) => pieces(text, pointer),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| compile(item, join_pointer(&pointer, &index.to_string())))
            .collect::<Result<_, _>>()
            .map(Node::List),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| Ok((name.clone(), compile(member, join_pointer(&pointer, name))?)))
            .collect::<Result<_, _>>()
            .map(Node::Object),
        plain => Ok(Node::Plain(plain.clone())),
    }
}

fn pieces(text: &str, pointer: String) -> Result<Node, BadTemplate> {
    let bad = |byte: usize, message: String| BadTemplate {
        pointer: pointer.clone(),
        column: text.get(..byte).map_or(0, |before| before.chars().count()) + 1,
        message,
    };
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let doubled = chars.clone().next().is_some_and(|(_, next)| next == c);
        match c {
            '{' | '}' if doubled => {
                chars.next();
                literal.push(c);
            }
            '}' => return Err(bad(at, "`}` closes nothing; a literal brace is written `}}`".to_owned())),
            '{' => {
                let end = closing(&mut chars)
                    .ok_or_else(|| bad(at, "`{` is never closed; a literal brace is written `{{`".to_owned()))?;
                let inner = text.get(at + 1..end).unwrap_or_default();
                let expression = Expression::compile(inner).map_err(|BadExpression { column, message }| {
                    let mut error = bad(at + 1, message);
                    error.column += column - 1;
                    error
                })?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Expression(expression));
            }
            c => literal.push(c),
        }
    }
    if pieces.is_empty() {
        return Ok(Node::Plain(Value::String(literal)));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    match pieces.as_slice() {
        [Piece::Expression(only)] => Ok(Node::Whole(only.clone())),
        _ => Ok(Node::Text(pieces)),
    }
}

/// The byte where the expression's brace closes. Braces in JMESPath's quoted parts don't count.
fn closing(chars: &mut CharIndices<'_>) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn render(node: &Node, context: &Value) -> Result<Value, NotRendered> {
    Ok(match node {
        Node::Plain(value) => value.clone(),
        Node::Whole(expression) => expression.search(context)?,
        Node::Text(pieces) => Value::String(text(pieces, context, &|_, value| value)?),
        Node::List(items) => Value::Array(items.iter().map(|item| render(item, context)).collect::<Result<_, _>>()?),
        Node::Object(members) => {
            let mut filled = Map::with_capacity(members.len());
            for (name, member) in members {
                let value = render(member, context)?;
                if !(value.is_null() && matches!(member, Node::Whole(_))) {
                    filled.insert(name.clone(), value);
                }
            }
            Value::Object(filled)
        }
    })
}

fn known(
    node: &Node,
    context: &Value,
    later: &dyn Fn(&Expression) -> bool,
    pointer: String,
    left: &mut Vec<(String, String)>,
) -> Result<Value, NotRendered> {
    let depends = match node {
        Node::Whole(expression) => later(expression),
        Node::Text(pieces) => {
            pieces.iter().any(|piece| matches!(piece, Piece::Expression(expression) if later(expression)))
        }
        _ => false,
    };
    if depends {
        left.push((pointer, written(node)));
        return Ok(Value::Null);
    }
    Ok(match node {
        Node::List(items) => {
            let item = |(index, item): (usize, &Node)| {
                known(item, context, later, join_pointer(&pointer, &index.to_string()), left)
            };
            Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Node::Object(members) => {
            let mut filled = Map::with_capacity(members.len());
            for (name, member) in members {
                let at = join_pointer(&pointer, name);
                let value = known(member, context, later, at.clone(), left)?;
                let awaited = left.iter().any(|(pointer, _)| *pointer == at);
                if awaited || !(value.is_null() && matches!(member, Node::Whole(_))) {
                    filled.insert(name.clone(), value);
                }
            }
            Value::Object(filled)
        }
        other => render(other, context)?,
    })
}

/// A text as it was written, but for the braces that were doubled.
fn written(node: &Node) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(literal) => literal.clone(),
        Piece::Expression(expression) => format!("{{{}}}", expression.text()),
    };
    match node {
        Node::Whole(expression) => format!("{{{}}}", expression.text()),
        Node::Text(pieces) => pieces.iter().map(piece).collect(),
        _ => String::new(),
    }
}

fn text(pieces: &[Piece], context: &Value, put: &dyn Fn(&Expression, String) -> String) -> Result<String, NotRendered> {
    let mut whole = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => whole.push_str(literal),
            Piece::Expression(expression) => whole.push_str(&put(expression, scalar(expression, context)?)),
        }
    }
    Ok(whole)
}

fn scalar(expression: &Expression, context: &Value) -> Result<String, NotRendered> {
    let found = match expression.search(context)? {
        Value::String(text) => return Ok(text),
        number @ Value::Number(_) => return Ok(number.to_string()),
        boolean @ Value::Bool(_) => return Ok(boolean.to_string()),
        Value::Null => "null",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Err(NotRendered::NotText { expression: expression.text().to_owned(), found })
}

fn collect<'a>(node: &'a Node, pointer: String, found: &mut Vec<(String, &'a Expression)>) {
    match node {
        Node::Plain(_) => {}
        Node::Whole(expression) => found.push((pointer, expression)),
        Node::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
            Piece::Expression(expression) => Some((pointer.clone(), expression)),
            Piece::Literal(_) => None,
        })),
        Node::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, join_pointer(&pointer, &index.to_string()), found);
            }
        }
        Node::Object(members) => {
            for (name, member) in members {
                collect(member, join_pointer(&pointer, name), found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn render(template: Value, context: Value) -> Value {
        Template::compile(&template).unwrap().render(&context).unwrap()
    }

    #[test]
    fn a_lone_expression_keeps_its_type_and_others_become_text() {
        let context = json!({"target": "i-1", "n": 3, "list": [1, 2], "none": null});
        assert_eq!(
            render(
                json!({"ids": ["{target}"], "n": "{n}", "l": "{list}", "t": "a-{n}-{target}", "x": "{none}"}),
                context
            ),
            json!({"ids": ["i-1"], "n": 3, "l": [1, 2], "t": "a-3-i-1"})
        );
    }

    #[test]
    fn braces_quotes_and_hashes_inside() {
        let context = json!({"a": "x"});
        assert_eq!(render(json!("{{literal}} {a}"), context.clone()), json!("{literal} x"));
        assert_eq!(render(json!("{ {b: a, c: 'o}k'} }"), context.clone()), json!({"b": "x", "c": "o}k"}));
        assert_eq!(render(json!("{'it\\'s }'}{a}"), context.clone()), json!("it's }x"));
        assert_eq!(render(json!("{`{\"k\": \"}\"}`.k}-{a}"), context), json!("}-x"));
    }

    #[test]
    fn slips_name_their_place() {
        let error = |text: &str| {
            let BadTemplate { pointer, column, message } = Template::compile(&json!({"k": [text]})).unwrap_err();
            format!("{pointer} {column}: {message}")
        };
        insta::assert_snapshot!([error("arn:{a"), error("x}"), error("é{a..b}"), error("{}")].join("\n"), @r#"
/k/0 5: `{` is never closed; a literal brace is written `{{`
/k/0 2: `}` closes nothing; a literal brace is written `}}`
/k/0 5: Expected identifier, '*', '{', '[', '&', or '[?' -- found Dot
/k/0 2: the expression is empty
"#);
    }

    #[test]
    fn null_in_a_text_names_the_expression() {
        let template = Template::compile(&json!("arn:aws:{region}:{account}")).unwrap();
        let error = template.render_text(&json!({"region": "eu-central-1"})).unwrap_err();
        assert_eq!(error.to_string(), "`{account}` gives null, where a text is needed");
        let list = Template::compile(&json!("{a}")).unwrap().render_text(&json!({"a": [1]})).unwrap_err();
        assert_eq!(list.to_string(), "`{a}` gives a list, where a text is needed");
    }

    proptest! {
        #[test]
        fn values_are_never_templates(name in ".{0,20}", inject in prop_oneof!["\\{account\\}", "\\{\\{", "\\}\\}", "'\\}"]) {
            let target = format!("{name}{inject}");
            let context = json!({"target": target, "account": "111122223333"});
            let template = Template::compile(&json!({"a": "{target}", "b": "x{target}y"})).unwrap();
            prop_assert_eq!(template.render(&context).unwrap(), json!({"a": target, "b": format!("x{target}y")}));
        }

        #[test]
        fn doubled_braces_give_back_any_text(text in ".{0,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::compile(&json!(escaped)).unwrap().render(&json!({})).unwrap(), json!(text));
        }

        #[test]
        fn no_text_panics(text in "[a{}'`\"\\\\|é ]{0,60}") {
            let _ = Template::compile(&json!(text));
        }
    }
}
