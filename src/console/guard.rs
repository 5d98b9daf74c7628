//! What stands before every page: headers, same origin, who is signed in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Console;
use super::trouble::Trouble;

/// What a page may load: the two files of its own, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Sent with every answer.
const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // With `no-referrer` browsers would send forms with the origin `null`, as if from nowhere.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)"),
    ("x-robots-tag", "noindex, nofollow"),
];

/// Lets a request in that only reads, or that comes from this origin; puts the headers on every answer.
pub(super) async fn guard(State(console): State<Console>, request: Request, next: Next) -> Response {
    let refused = !request.method().is_safe() && !is_from_here(request.headers(), console.origin());
    let mut response = if refused {
        let path = request.uri().path().to_owned();
        let trouble = Trouble::new(
            StatusCode::FORBIDDEN,
            "the request does not come from this console’s own pages",
            format!("open the console at {} and try again", console.origin()),
        );
        if is_call(&path) { trouble.json() } else { trouble.into_response() }
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// True where a script asks, which reads JSON.
pub(super) fn is_call(path: &str) -> bool {
    path.starts_with("/api/") || path == "/events"
}

/// True where the browser says that the request comes from a page of this origin. It must say so.
fn is_from_here(headers: &HeaderMap, origin: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(named), None) => named.as_bytes() == origin.as_bytes(),
        (Some(_), Some(_)) => false,
        (None, _) => {
            let mut sites = headers.get_all("sec-fetch-site").iter();
            sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_very_origin_is_here() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            is_from_here(&headers, "https://guard.example.com")
        };
        assert!(from(&[("origin", "https://guard.example.com")]));
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        for other in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://guard.example.com")],
            &[("origin", "https://guard.example.com:8443")],
            &[("origin", "https://guard.example.com.evil.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://guard.example.com"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("referer", "https://guard.example.com/")],
        ] {
            assert!(!from(other), "{other:?}");
        }
    }
}
