//! An answer that is not on record can't be presented.

use countersign::audit::record::Answered;
use countersign::mcp::present;

fn shown(answer: &Answered) {
    let _shown = present::result(answer, None);
}

fn main() {}
