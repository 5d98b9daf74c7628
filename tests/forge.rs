//! Programs that forge, skip or reuse a stage of the chain, and don't compile.

#[test]
fn no_stage_can_be_forged_skipped_or_reused() {
    trybuild::TestCases::new().compile_fail("tests/forge/*.rs");
}
