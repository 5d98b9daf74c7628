//! Pages, as functions of what they show. Nothing here asks the store, the time or the request.

pub(crate) mod back;
mod change;
pub(crate) mod decide;
pub(crate) mod details;
pub(crate) mod enter;
pub(crate) mod history;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod shell;
pub(crate) mod story;
pub(crate) mod words;

#[cfg(test)]
mod tests;
