//! Fetching, caching and rotating the issuer's keys.

use std::time::Duration;

use super::issuer::Behaves;
use super::*;
use crate::auth::jwks::KeySet;

fn status(answer: Result<Principal, Challenge>) -> u16 {
    answer.map_or_else(|challenge| challenge.status.as_u16(), |_| 200)
}

#[tokio::test]
async fn a_rotated_key_is_fetched_and_the_old_one_dropped() {
    let (issuer, clock) = (Issuer::start().await, clock());
    let gate = gate_of(oauth(&issuer.address), &clock);
    let (old, new) = (issuer.key(), SigningKey::ecdsa("k2"));
    let of = |key: &SigningKey| sign(key, &claims(&issuer.address));
    assert_eq!(status(ask(&gate, &of(&old)).await), 200);
    issuer.has(vec![new.clone()]);
    assert_eq!(status(ask(&gate, &of(&new)).await), 401, "keys were fetched a moment ago");
    clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(ask(&gate, &of(&new)).await), 200);
    assert_eq!(status(ask(&gate, &of(&old)).await), 401, "the issuer took it out");
    // Another key under the same name is another key.
    issuer.has(vec![SigningKey::ecdsa("k2")]);
    clock.advance(SignedDuration::from_mins(16));
    let later = with(&claims(&issuer.address), json!({ "exp": clock.now().as_second() + 60 }));
    assert_eq!(status(ask(&gate, &sign(&new, &later)).await), 401);
}

#[tokio::test]
async fn made_up_key_ids_make_no_load_at_the_issuer() {
    let (issuer, clock) = (Issuer::start().await, clock());
    let gate = gate_of(oauth(&issuer.address), &clock);
    assert_eq!(status(ask(&gate, &sign(&issuer.key(), &claims(&issuer.address))).await), 200);
    assert_eq!(issuer.fetches(), 1);
    let flood = async |from: usize| {
        let asked = (from..from + 100).map(|n| {
            let token = sign(&SigningKey { id: format!("k-{n}"), ..issuer.key() }, &claims(&issuer.address));
            let gate = gate.clone();
            async move { status(ask(&gate, &token).await) }
        });
        assert!(futures::future::join_all(asked).await.iter().all(|status| *status == 401));
    };
    flood(0).await;
    assert_eq!(issuer.fetches(), 1, "keys were fetched a moment ago");
    clock.advance(SignedDuration::from_secs(31));
    flood(100).await;
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn many_first_requests_fetch_once() {
    let (issuer, clock) = (Issuer::start().await, clock());
    issuer.behaves(Behaves::TakesAWhile);
    let gate = gate_of(oauth(&issuer.address), &clock);
    let token = sign(&issuer.key(), &claims(&issuer.address));
    let asked = (0..50).map(|_| ask(&gate, &token));
    assert!(futures::future::join_all(asked).await.into_iter().all(|answer| status(answer) == 200));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn who_hangs_up_does_not_use_up_the_turn() {
    let (issuer, clock) = (Issuer::start().await, clock());
    let gate = gate_of(oauth(&issuer.address), &clock);
    assert_eq!(status(ask(&gate, &sign(&issuer.key(), &claims(&issuer.address))).await), 200);
    let new = SigningKey::ecdsa("k2");
    issuer.has(vec![new.clone()]);
    issuer.behaves(Behaves::TakesAWhile);
    clock.advance(SignedDuration::from_secs(31));
    let unknown = sign(&SigningKey { id: "made-up".to_owned(), ..issuer.key() }, &claims(&issuer.address));
    assert!(tokio::time::timeout(Duration::from_millis(100), ask(&gate, &unknown)).await.is_err());
    assert_eq!(status(ask(&gate, &sign(&new, &claims(&issuer.address))).await), 200);
}

#[tokio::test]
async fn keys_count_on_while_the_issuer_is_away_and_not_for_ever() {
    let (issuer, clock) = (Issuer::start().await, clock());
    let gate = gate_of(oauth(&issuer.address), &clock);
    let token = async || {
        let lasting = with(&claims(&issuer.address), json!({ "exp": clock.now().as_second() + 60 }));
        status(ask(&gate, &sign(&issuer.key(), &lasting)).await)
    };
    assert_eq!(token().await, 200);
    issuer.behaves(Behaves::IsDown);
    clock.advance(SignedDuration::from_hours(23));
    assert_eq!(token().await, 200);
    clock.advance(SignedDuration::from_mins(61));
    assert_eq!(token().await, 503);
    issuer.behaves(Behaves::Well);
    assert_eq!(token().await, 503, "it was asked a moment ago");
    clock.advance(SignedDuration::from_secs(31));
    assert_eq!(token().await, 200);
}

#[tokio::test]
async fn keys_of_a_doubtful_source_are_not_taken() {
    for behaves in [Behaves::IsDown, Behaves::Redirects, Behaves::TalksOn] {
        let issuer = Issuer::start().await;
        issuer.behaves(behaves);
        let gate = gate_of(oauth(&issuer.address), &clock());
        assert_eq!(status(ask(&gate, &sign(&issuer.key(), &claims(&issuer.address))).await), 503);
    }
    let other = Issuer::start().await;
    other.face.lock().unwrap().issuer = "http://127.0.0.1:1".to_owned();
    let gate = gate_of(oauth(&other.address), &clock());
    assert_eq!(status(ask(&gate, &sign(&other.key(), &claims(&other.address))).await), 503, "it is another issuer's");
    let unreachable = gate_of(oauth("http://127.0.0.1:1"), &clock());
    let token = sign(&other.key(), &claims("http://127.0.0.1:1"));
    assert_eq!(status(ask(&unreachable, &token).await), 503);
}

#[tokio::test]
async fn an_address_of_keys_needs_no_description() {
    let issuer = Issuer::start().await;
    let url = format!("{}/jwks", issuer.address).parse().unwrap();
    let name = "https://login.example.com";
    let gate = gate_of(OAuthConfig { keys: KeySource::Url(url), ..oauth(name) }, &clock());
    assert_eq!(status(ask(&gate, &sign(&issuer.key(), &claims(name))).await), 200);
}

#[tokio::test]
async fn a_file_of_keys_is_read_again() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let file = folder.path().join("jwks.json");
    let write = |key: &SigningKey| std::fs::write(&file, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    let (old, new) = (SigningKey::ed25519("k1"), SigningKey::ed25519("k2"));
    write(&old);
    let name = "https://login.example.com";
    let gate = gate_of(OAuthConfig { keys: KeySource::File(file.clone()), ..oauth(name) }, &clock);
    assert_eq!(status(ask(&gate, &sign(&old, &claims(name))).await), 200);
    write(&new);
    clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(ask(&gate, &sign(&new, &claims(name))).await), 200);
    assert_eq!(status(ask(&gate, &sign(&old, &claims(name))).await), 401);
    // Half a file is no reason to forget the keys.
    std::fs::write(&file, "{\"keys\": [").unwrap();
    clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(ask(&gate, &sign(&old, &claims(name))).await), 401);
    assert_eq!(status(ask(&gate, &sign(&new, &claims(name))).await), 200);
}

#[test]
fn only_keys_that_check_signatures_are_kept() {
    let rsa = SigningKey::rsa("rsa", jsonwebtoken::Algorithm::RS256).jwk();
    let ec = SigningKey::ecdsa("ec").jwk();
    let but = |jwk: &Value, more: Value| with(jwk, more);
    let kept = |keys: Value| match KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()) {
        Ok(set) => set.ids(),
        Err(wrong) => wrong,
    };
    assert_eq!(kept(json!([rsa, ec])), "`rsa`, `ec`");
    assert_eq!(kept(json!([but(&rsa, json!({ "alg": null })), but(&ec, json!({ "use": null }))])), "`rsa`, `ec`");
    let useless = [
        json!({ "kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0" }),
        but(&rsa, json!({ "use": "enc" })),
        but(&ec, json!({ "key_ops": ["sign"] })),
        but(&rsa, json!({ "alg": "RSA-OAEP" })),
        but(&rsa, json!({ "alg": "HS256-of-tomorrow" })),
        but(&rsa, json!({ "n": "AQAB" })),
        but(&ec, json!({ "crv": "secp256k1" })),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        json!(7),
    ];
    for key in useless {
        assert_eq!(kept(json!([key])), "none of them can check signatures", "{key}");
        assert_eq!(kept(json!([key, ec])), "`ec`", "{key}");
    }
    assert_eq!(kept(json!(vec![ec; 101])), "there are more than 100");
    for none in ["", "[]", "{}", "{\"keys\": {}}", "{\"keys\": []}"] {
        assert!(KeySet::parse(none.as_bytes()).is_err(), "{none}");
    }
}
