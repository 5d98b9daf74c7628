//! The two roles of an account: what they need for the loaded manifests, how they are written down, and what deployed ones
//! have too little or too much of.
//!
//! [`needs`] collects what reads and changes of all tools ask for; [`role`] makes IAM policies of it, split under AWS's
//! limits and bounded; [`template`] writes them for CloudFormation and Terraform; [`compare`] holds deployed roles against
//! them, with [`trust`], [`bounds`] and [`condition`]. A call's own credentials are narrower still (see `credentials`): a role is only what they are cut from.

pub mod actions;
pub mod bounds;
pub mod compare;
pub mod condition;
pub mod deployed;
pub mod glob;
pub mod needs;
pub mod role;
pub mod template;
pub mod trust;

#[cfg(test)]
mod tests;
