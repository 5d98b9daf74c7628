//! `[notify]`.

use url::Url;

use super::Compiler;
use super::auth::is_secure;
use crate::config::notify::{NotifyConfig, NotifyEvent, NotifyFormat, NotifyTarget};
use crate::config::raw::RawNotify;
use crate::notify::address::Address;
use crate::notify::sign::Secret;
use crate::text::escape::quoted;

impl Compiler<'_> {
    /// `linked`: there is a console that links can lead to.
    pub(super) fn notify(&mut self, raw: RawNotify, linked: bool) -> Option<NotifyConfig> {
        if !linked {
            let mend = "add `[http]`: it is the server over HTTP that tells people, and links lead to its console";
            self.wrong("/notify", "people are told of plans that they can't look at", mend);
        }
        let secret_file = raw.secret_file.as_ref().map(|written| self.path(written));
        match &secret_file {
            Some(file) => {
                if let Err(wrong) = Secret::read(file) {
                    let mend = "make one with `echo \"whsec_$(openssl rand -base64 32)\"`, for its owner's eyes only";
                    self.wrong("/notify/secret_file", wrong, mend);
                }
            }
            None if raw.format == NotifyFormat::Signed => {
                let mend = "add `secret_file`, so that receivers know that it is this server who tells them";
                self.wrong("/notify", "nothing signs what is told", mend);
            }
            None => {}
        }
        let to = match (raw.url, raw.url_file) {
            (Some(written), None) => match Url::parse(&written) {
                Ok(url) if is_secure(&url) => Some(NotifyTarget::Url(url)),
                _ => {
                    let message = format!("{} is not an address to post to", quoted(&written, 200));
                    let mend = "write an `https://` address; only on this machine it can do without https";
                    self.wrong("/notify/url", message, mend);
                    None
                }
            },
            (None, Some(written)) => {
                let file = self.path(&written);
                if let Err(wrong) = Address::read(&file) {
                    self.wrong("/notify/url_file", wrong, "write the address, and nothing else, into that file");
                }
                Some(NotifyTarget::File(file))
            }
            _ => {
                self.wrong("/notify", "where to post is not clear", "write exactly one of `url` and `url_file`");
                None
            }
        };
        let events = raw.events.unwrap_or_else(|| NotifyEvent::ALL.to_vec()).into_iter().collect();
        Some(NotifyConfig { to: to?, secret_file, events, format: raw.format })
    }
}
