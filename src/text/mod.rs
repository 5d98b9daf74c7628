//! Text for people: what comes from outside is shown so that it can't be taken for the server's own words.

pub mod escape;
pub mod words;
