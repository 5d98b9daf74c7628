//! The policies that come with this program.

use crate::config::Profile;
use crate::document::Source;

/// Holds under every profile.
const FLOOR: (&str, &str) = ("policies/floor.cedar", include_str!("../../policies/floor.cedar"));

/// The policies of a profile, the floor first.
pub fn sources(profile: Profile) -> Vec<Source> {
    let own = match profile {
        Profile::Observe => Some(("policies/observe.cedar", include_str!("../../policies/observe.cedar"))),
        Profile::Suggest => Some(("policies/suggest.cedar", include_str!("../../policies/suggest.cedar"))),
        Profile::Standard => Some(("policies/standard.cedar", include_str!("../../policies/standard.cedar"))),
        Profile::Regulated => Some(("policies/regulated.cedar", include_str!("../../policies/regulated.cedar"))),
        Profile::None => None,
    };
    std::iter::once(FLOOR).chain(own).map(|(path, text)| Source::new(path, text)).collect()
}
