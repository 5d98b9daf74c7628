//! How problems of files are shown: underlined in their text at a terminal, one line each elsewhere.

use crate::document::Problems;

/// The problems for a terminal or for a pipe.
pub(super) fn shown(problems: &Problems, terminal: bool) -> String {
    match terminal {
        true => problems.pretty(std::env::var_os("NO_COLOR").is_none()),
        false => problems.plain(),
    }
}
