//! Checks expressions against AWS's shapes: a misspelt path yields null at run time, and null would look like
//! "not protected" or "no dependents".

use std::sync::Arc;

use jmespath::ast::Ast;

use super::expression::{BadExpression, Expression};
use crate::aws::models::{Models, nearest};
use crate::aws::{ModelError, ServiceModel, ShapeKind};
use crate::names::OperationId;

/// What is known of a value's form.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Nothing: anything may be asked of it.
    Any,
    /// A shape of a service's model.
    Shape(Arc<ServiceModel>, String),
    /// A list.
    List(Box<Form>),
    /// An object with exactly these members.
    Object(Vec<(String, Form)>),
}

/// What an expression asks for that an operation's output can't have, as lower-case fragments.
pub(crate) fn of_output(expression: &Expression, models: &Models, operation: &OperationId) -> Vec<String> {
    let Ok((service, operation)) = models.operation(operation) else { return Vec::new() };
    let Some(output) = &operation.output else { return Vec::new() };
    match check(expression, &Form::Shape(service, output.shape.clone())) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            errors.into_iter().map(|error| format!("{}, at character {}", error.message, error.column)).collect()
        }
    }
}

/// What an expression yields over a value of a form; every path that can't exist is an error.
pub(super) fn check(expression: &Expression, over: &Form) -> Result<Form, Vec<BadExpression>> {
    let mut checker = Checker { errors: Vec::new() };
    let form = checker.form(expression.ast(), over);
    if checker.errors.is_empty() { Ok(form) } else { Err(checker.errors) }
}

/// Why a value can't be given a further member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It has one of that name.
    #[error("the state has a member of that name already")]
    Taken,
    /// It has no members at all.
    #[error("the state is no object, so nothing can be put into it")]
    NoObject,
}

/// The members of a value of a form. `None` where they aren't known.
fn members(form: &Form) -> Result<Option<Vec<(String, Form)>>, Unfit> {
    match form {
        Form::Any => Ok(None),
        Form::List(_) => Err(Unfit::NoObject),
        Form::Object(members) => Ok(Some(members.clone())),
        Form::Shape(service, shape) => match service.shape(shape).map(|found| found.kind.clone()) {
            Ok(ShapeKind::Structure { members, .. }) => {
                let of = |member: &crate::aws::Member| {
                    (member.name.clone(), Form::Shape(service.clone(), member.shape.clone()))
                };
                Ok(Some(members.iter().map(of).collect()))
            }
            Ok(ShapeKind::Map { .. } | ShapeKind::Document) | Err(_) => Ok(None),
            Ok(_) => Err(Unfit::NoObject),
        },
    }
}

/// What JMESPath's `merge` gives: all members, the last of a name.
fn merged(forms: &[Form]) -> Form {
    let mut all: Vec<(String, Form)> = Vec::new();
    for form in forms {
        let Ok(Some(more)) = members(form) else { return Form::Any };
        all.retain(|(name, _)| more.iter().all(|(newer, _)| newer != name));
        all.extend(more);
    }
    Form::Object(all)
}

/// The form of a value with one member more.
pub(super) fn with_member(form: &Form, name: &str, more: Form) -> Result<Form, Unfit> {
    let Some(mut members) = members(form)? else { return Ok(Form::Any) };
    if members.iter().any(|(known, _)| known == name) {
        return Err(Unfit::Taken);
    }
    members.push((name.to_owned(), more));
    Ok(Form::Object(members))
}

struct Checker {
    errors: Vec<BadExpression>,
}

impl Checker {
    fn form(&mut self, ast: &Ast, over: &Form) -> Form {
        match ast {
            Ast::Identity { .. } | Ast::Slice { .. } => over.clone(),
            Ast::Literal { .. } => Form::Any,
            Ast::Field { offset, name } => self.field(*offset, name, over),
            Ast::Index { offset, .. } => self.item(*offset, over),
            Ast::Subexpr { lhs, rhs, .. } => {
                let left = self.form(lhs, over);
                self.form(rhs, &left)
            }
            Ast::Projection { offset, lhs, rhs } => {
                let left = self.form(lhs, over);
                let item = self.item(*offset, &left);
                Form::List(Box::new(self.form(rhs, &item)))
            }
            Ast::Flatten { offset, node } => {
                let list = self.form(node, over);
                let item = self.item(*offset, &list);
                match self.list_item(&item) {
                    Some(inner) => Form::List(Box::new(inner)),
                    None => Form::List(Box::new(item)),
                }
            }
            Ast::ObjectValues { node, .. } => {
                self.form(node, over);
                Form::Any
            }
            Ast::Condition { predicate, then, .. } => {
                self.form(predicate, over);
                self.form(then, over)
            }
            Ast::Or { lhs, rhs, .. } | Ast::And { lhs, rhs, .. } => {
                self.form(lhs, over);
                self.form(rhs, over)
            }
            Ast::Comparison { lhs, rhs, .. } => {
                self.form(lhs, over);
                self.form(rhs, over);
                Form::Any
            }
            Ast::Not { node, .. } => {
                self.form(node, over);
                Form::Any
            }
            Ast::Expref { .. } => Form::Any,
            Ast::Function { name, args, .. } => {
                let forms: Vec<Form> = args.iter().map(|argument| self.form(argument, over)).collect();
                let items = forms.iter().find_map(|form| self.list_item(form)).unwrap_or(Form::Any);
                for argument in args {
                    if let Ast::Expref { ast, .. } = argument {
                        self.form(ast, &items);
                    }
                }
                match name.as_str() {
                    "merge" => merged(&forms),
                    // What stands in for it has its form, or is empty.
                    "not_null" => forms.into_iter().next().unwrap_or(Form::Any),
                    _ => Form::Any,
                }
            }
            Ast::MultiList { elements, .. } => {
                for element in elements {
                    self.form(element, over);
                }
                Form::List(Box::new(Form::Any))
            }
            Ast::MultiHash { elements, .. } => {
                Form::Object(elements.iter().map(|pair| (pair.key.clone(), self.form(&pair.value, over))).collect())
            }
        }
    }

    fn field(&mut self, offset: usize, name: &str, over: &Form) -> Form {
        match over {
            Form::Any => Form::Any,
            Form::List(_) => self.wrong(offset, format!("`{name}` is asked of a list; write `[]` or `[0]` before it")),
            Form::Object(members) => match members.iter().find(|(known, _)| known == name) {
                Some((_, form)) => form.clone(),
                None => self.unknown(offset, name, members.iter().map(|(known, _)| known.as_str())),
            },
            Form::Shape(service, shape) => match service.shape(shape).map(|found| found.kind.clone()) {
                Err(error) => self.unreadable(offset, &error),
                Ok(ShapeKind::Structure { members, .. }) => match members.iter().find(|member| member.name == name) {
                    Some(member) => Form::Shape(service.clone(), member.shape.clone()),
                    None => self.unknown(offset, name, members.iter().map(|member| member.name.as_str())),
                },
                Ok(ShapeKind::Map { value, .. }) => Form::Shape(service.clone(), value.shape),
                Ok(ShapeKind::Document) => Form::Any,
                Ok(ShapeKind::List { .. }) => {
                    self.wrong(offset, format!("`{name}` is asked of a list; write `[]` or `[0]` before it"))
                }
                Ok(_) => self.wrong(offset, format!("`{name}` is asked of `{shape}`, which has no members")),
            },
        }
    }

    fn item(&mut self, offset: usize, over: &Form) -> Form {
        match (self.list_item(over), over) {
            (Some(item), _) => item,
            (None, Form::Any) => Form::Any,
            (None, _) => self.wrong(offset, "an item is asked of what is not a list".to_owned()),
        }
    }

    fn list_item(&self, over: &Form) -> Option<Form> {
        match over {
            Form::List(item) => Some((**item).clone()),
            Form::Shape(service, shape) => match &service.shape(shape).ok()?.kind {
                ShapeKind::List { member, .. } => Some(Form::Shape(service.clone(), member.shape.clone())),
                _ => None,
            },
            Form::Any | Form::Object(_) => None,
        }
    }

    fn unknown<'n>(&mut self, offset: usize, name: &str, known: impl Iterator<Item = &'n str>) -> Form {
        let known: Vec<&str> = known.collect();
        let hint = match nearest(name, known.iter().copied()).first() {
            Some(best) => format!("; did you mean `{best}`?"),
            None if known.len() <= 12 => format!("; known here: `{}`", known.join("`, `")),
            None => String::new(),
        };
        self.wrong(offset, format!("there is no `{name}` here{hint}"))
    }

    fn unreadable(&mut self, offset: usize, error: &ModelError) -> Form {
        self.wrong(offset, error.to_string())
    }

    fn wrong(&mut self, offset: usize, message: String) -> Form {
        self.errors.push(BadExpression { column: offset + 1, message });
        Form::Any
    }
}
