//! From a permitted call to a plan that a person can judge: what would happen, to what, and how it could be undone.

pub mod filed;
