//! Expressions of manifests: JMESPath (<https://jmespath.org/specification.html>) with [some functions](super::functions)
//! more, compiled once, bounded in size and in what they make of a value.

use jmespath::ast::Ast;
use jmespath::{ErrorReason, Rcvar, RuntimeError, Variable};
use serde_json::Value;

use super::functions::{RUNTIME, judges, reads_json};

/// The longest expression, in characters.
const LONGEST: usize = 2000;

/// Most signs that can make the parser nest: brackets, negations, references, projections.
const MOST_NESTING: usize = 200;

/// How often an expression may name one value over again. `[@, @] | [@, @] | ...` doubles it with each step: an agent's query
/// could fill the memory.
const MOST_COPIES: u64 = 2000;

/// A compiled JMESPath expression. Evaluating one changes nothing and always ends.
#[derive(Clone, Debug)]
pub struct Expression(jmespath::Expression<'static>);

/// A text that is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {column}")]
pub struct BadExpression {
    /// Where in the expression, in characters, from 1.
    pub column: usize,
    /// What is wrong with it.
    pub message: String,
}

/// An expression that could not be evaluated over a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` can't be evaluated: {reason}")]
pub struct NotEvaluated {
    /// The expression.
    pub expression: String,
    /// Why.
    pub reason: String,
}

impl Expression {
    /// Compiles an expression. Unknown functions and wrong numbers of arguments are found here, not at evaluation.
    pub fn compile(text: &str) -> Result<Self, BadExpression> {
        if text.trim().is_empty() {
            return Err(BadExpression { column: 1, message: "the expression is empty".to_owned() });
        }
        if text.chars().count() > LONGEST || text.chars().filter(|c| "([{!&*".contains(*c)).count() > MOST_NESTING {
            return Err(BadExpression { column: 1, message: "the expression is too long or too deep".to_owned() });
        }
        let compiled = RUNTIME
            .compile(text)
            .map_err(|error| BadExpression { column: error.offset + 1, message: reason(&error.reason) })?;
        check_functions(compiled.as_ast())?;
        if copies(compiled.as_ast()) > MOST_COPIES {
            return Err(BadExpression { column: 1, message: "the expression multiplies what it is given".to_owned() });
        }
        Ok(Self(compiled))
    }

    /// Evaluates it. What is not there is null.
    pub fn search(&self, value: &Value) -> Result<Value, NotEvaluated> {
        let fail = |reason: String| NotEvaluated { expression: self.text().to_owned(), reason };
        let found = self.0.search(value).map_err(|error| fail(reason(&error.reason)))?;
        serde_json::to_value(&*found).map_err(|error| fail(error.to_string()))
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    /// True where it asks for a member of one of these names, of whatever it may be.
    pub fn mentions(&self, names: &[&str]) -> bool {
        fn asks(ast: &Ast, names: &[&str]) -> bool {
            let own = matches!(ast, Ast::Field { name, .. } if names.contains(&name.as_str()));
            own || children(ast).into_iter().any(|child| asks(child, names))
        }
        asks(self.ast(), names)
    }

    /// Its syntax tree.
    pub(super) fn ast(&self) -> &Ast {
        self.0.as_ast()
    }
}

fn reason(reason: &ErrorReason) -> String {
    match reason {
        ErrorReason::Parse(what) => what.trim_end_matches(['.', '\n']).to_owned(),
        ErrorReason::Runtime(what) => what.to_string(),
    }
}

/// The parser accepts any function name with any arguments. Each call is tried with as many nulls as it has arguments:
/// a name or number that doesn't fit fails in its own way, before the types are looked at.
fn check_functions(ast: &Ast) -> Result<(), BadExpression> {
    if let Ast::Function { offset, name, args } = ast {
        let null = Ast::Literal { offset: *offset, value: Rcvar::new(Variable::Null) };
        let call = Ast::Function { offset: *offset, name: name.clone(), args: vec![null; args.len()] };
        let tried = jmespath::Expression::new(name.as_str(), call, &RUNTIME).search(());
        if let Err(error) = tried
            && let ErrorReason::Runtime(
                what @ (RuntimeError::UnknownFunction(_)
                | RuntimeError::TooManyArguments { .. }
                | RuntimeError::NotEnoughArguments { .. }),
            ) = &error.reason
        {
            let message = match what {
                RuntimeError::UnknownFunction(_) => format!("there is no function `{name}`"),
                other => format!("`{name}`: {}", other.to_string().to_lowercase()),
            };
            return Err(BadExpression { column: offset + 1, message });
        }
        let from_json = |argument: &Ast| matches!(argument, Ast::Function { name, .. } if reads_json(name));
        if judges(name) && args.iter().any(from_json) {
            let why = "reads texts itself; `json` before it makes nothing of what can't be read";
            return Err(BadExpression { column: offset + 1, message: format!("`{name}` {why}") });
        }
    }
    children(ast).into_iter().try_for_each(check_functions)
}

/// The most copies of what it is given that an expression can make: what stands side by side adds up, what comes one after
/// the other multiplies.
fn copies(ast: &Ast) -> u64 {
    let product = |one: u64, other: u64| one.saturating_mul(other);
    match ast {
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => product(copies(lhs), copies(rhs)),
        Ast::Function { args, .. } if args.iter().any(|argument| matches!(argument, Ast::Expref { .. })) => {
            args.iter().map(copies).fold(1, product)
        }
        // Each time it doubles what it has to escape.
        Ast::Function { name, args, .. } if name == "to_string" => args.iter().map(copies).fold(2, product),
        _ => children(ast).into_iter().map(copies).fold(0, u64::saturating_add).max(1),
    }
}

fn children(ast: &Ast) -> Vec<&Ast> {
    match ast {
        Ast::Comparison { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => vec![lhs, rhs],
        Ast::Condition { predicate, then, .. } => vec![predicate, then],
        Ast::Expref { ast, .. } => vec![ast],
        Ast::Flatten { node, .. } | Ast::Not { node, .. } | Ast::ObjectValues { node, .. } => vec![node],
        Ast::Function { args, .. } => args.iter().collect(),
        Ast::MultiList { elements, .. } => elements.iter().collect(),
        Ast::MultiHash { elements, .. } => elements.iter().map(|pair| &pair.value).collect(),
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Literal { .. } | Ast::Slice { .. } => {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn search(text: &str, value: Value) -> Value {
        Expression::compile(text).unwrap().search(&value).unwrap()
    }

    #[test]
    fn evaluates_and_keeps_integers() {
        let reply = json!({"Reservations": [{"Instances": [{"State": {"Name": "running"}, "CpuCount": 4}]}]});
        assert_eq!(
            search("Reservations[0].Instances[0].{s: State.Name, n: CpuCount}", reply),
            json!({"s": "running", "n": 4})
        );
        assert_eq!(search("missing.member", json!({})), Value::Null);
        assert_eq!(search("n", json!({"n": 9007199254740993_u64})), json!(9007199254740993_u64));
    }

    #[test]
    fn what_an_expression_asks_for() {
        let mentions = |text: &str| Expression::compile(text).unwrap().mentions(&["lock"]);
        for text in ["lock", "a.lock", "!lock", "a || lock == 'x'", "length(a[?lock])", "{a: lock}", "[lock]"] {
            assert!(mentions(text), "{text}");
        }
        assert!(!["block", "'lock'", "`\"lock\"`", "{lock: a}"].iter().any(|text| mentions(text)));
    }

    #[test]
    fn slips_are_found_when_compiled() {
        let error = |text: &str| Expression::compile(text).unwrap_err().to_string();
        insta::assert_snapshot!([error("a[?b=='c'"), error("lenght(a)"), error("length(a, b)"), error(" "), error("a b")]
            .join("\n"), @r#"
Expected ']' -- found Eof, at character 10
there is no function `lenght`, at character 7
`length`: too many arguments: expected 1, found 2, at character 7
the expression is empty, at character 1
Did not parse the complete expression -- found Identifier("b"), at character 3
"#);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c(){}\\[\\]!&*.|'`\"@?:=<> 0-9,]{0,400}") {
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.search(&json!({"a": [{"b": 1}, {"c": "x"}], "b": "text"}));
            }
        }
    }

    #[test]
    fn what_multiplies_is_refused() {
        for step in ["[@,@]", "{a:@,b:@}.values(@)", "join('',[@,@])", "map(&[@,@],@)[]", "[@,@][]", "to_string([@])"] {
            assert!(Expression::compile(&vec![step; 30].join("|")).is_err(), "{step}");
        }
        let wide: Vec<String> = (0..60).map(|n| format!("m{n}: Some.Path{n}")).collect();
        Expression::compile(&format!("Reservations[].Instances[].{{{}}} | [?m1]", wide.join(", "))).unwrap();
    }

    #[test]
    fn depth_is_bounded() {
        for sign in ["(", "!", "[", "a.*.", "&", "{a:"] {
            assert!(Expression::compile(&sign.repeat(1000)).is_err());
        }
        Expression::compile(&format!("{}a", "!".repeat(199))).unwrap();
        let long = vec!["a"; 900].join("|");
        assert_eq!(Expression::compile(&long).unwrap().search(&json!({})).unwrap(), Value::Null);
    }
}
