//! Where notifications are posted to. Who knows such an address may be able to post there, so it is shown nowhere.

use std::fmt;
use std::path::Path;

use url::Url;

use crate::config::auth::is_loopback;
use crate::config::notify::NotifyTarget;

/// An address to post to: https, or on this machine.
#[derive(Clone)]
pub struct Address(Url);

impl Address {
    /// The address of a configured target.
    ///
    /// # Errors
    /// What is wrong with its file.
    pub fn of(target: &NotifyTarget) -> Result<Self, String> {
        match target {
            NotifyTarget::Url(url) => Ok(Self(url.clone())),
            NotifyTarget::File(file) => Self::read(file),
        }
    }

    /// The address in a file.
    ///
    /// # Errors
    /// What is wrong with the file; what is in it isn't repeated.
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{shown}` can't be read: {error}"))?;
        let url = Url::parse(text.trim()).ok().filter(|url| {
            url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
        });
        url.map(Self).ok_or_else(|| format!("`{shown}` does not hold an `https://` address"))
    }

    /// The address, to post to.
    pub(super) fn reveal(&self) -> &Url {
        &self.0
    }

    /// True where it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_loopback(&self.0)
    }
}

/// The host only.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or("nowhere"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
