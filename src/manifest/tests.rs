//! Whole manifests through the whole of the compiler.

use super::catalog::Catalog;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::config::ManifestsConfig;

fn facts() -> (Models, IamFacts) {
    (Models::embedded().unwrap(), IamFacts::embedded().unwrap())
}

#[test]
fn every_shipped_manifest_agrees_with_all_facts() {
    let (models, iam) = facts();
    match Catalog::check_shipped(&models, &iam) {
        Ok(count) => assert!(count >= 16),
        Err(problems) => panic!("{}", problems.pretty(false)),
    }
    Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
}
