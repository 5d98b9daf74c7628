//! Where a request came from.

use std::net::IpAddr;

use http::HeaderMap;

use crate::config::Network;

/// The header in which proxies say where a request came from.
const FORWARDED: &str = "x-forwarded-for";

/// The address a request came from; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub IpAddr);

/// The connection's other end; an extension of every request, put there by the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Where a request came from: `peer`, unless that is a trusted proxy. Proxies add to the end of the header, so it is read
/// from there, and the first address that is no trusted proxy's is the one; what stands before it anybody can write.
///
/// Where a trusted proxy says nothing that can be read, the proxy is what is known.
pub fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Source {
    let mut known = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let values: Vec<&str> = headers.get_all(FORWARDED).iter().map(|value| value.to_str().unwrap_or("")).collect();
    let mut said = values.iter().flat_map(|value| value.split(',')).collect::<Vec<_>>();
    while is_trusted(known) {
        match said.pop().map(|address| address.trim().parse::<IpAddr>()) {
            Some(Ok(address)) => known = address.to_canonical(),
            Some(Err(_)) | None => break,
        }
    }
    Source(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, said: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for said in said {
            headers.append(FORWARDED, said.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        source(peer.parse().unwrap(), &headers, &trusted).0.to_string()
    }

    #[test]
    fn nobody_is_believed_but_trusted_proxies() {
        assert_eq!(from("192.0.2.7", &["10.0.0.1"], &[]), "192.0.2.7");
        assert_eq!(from("192.0.2.7", &["10.0.0.1"], &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(from("10.0.0.9", &["192.0.2.7"], &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(from("::ffff:10.0.0.9", &["192.0.2.7"], &["10.0.0.0/8"]), "192.0.2.7");
    }

    #[test]
    fn what_a_caller_writes_in_front_is_not_believed() {
        assert_eq!(from("10.0.0.9", &["10.0.0.1, 192.0.2.7"], &["10.0.0.9"]), "192.0.2.7");
        assert_eq!(from("10.0.0.9", &["127.0.0.1", "192.0.2.7, 10.0.0.8"], &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(from("10.0.0.9", &["192.0.2.7, nonsense"], &["10.0.0.0/8"]), "10.0.0.9");
        assert_eq!(from("10.0.0.9", &[], &["10.0.0.0/8"]), "10.0.0.9");
        assert_eq!(from("10.0.0.9", &["10.0.0.1,10.0.0.2"], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
