use proptest::prelude::*;

use super::*;
use crate::approval::statement::Saying;
use crate::names::PlanId;
use crate::testing::SoftKey;

const ORIGIN: &str = "https://guard.example.com";

fn site() -> Site {
    Site::at(ORIGIN).unwrap()
}

fn now() -> Timestamp {
    "2026-01-02T10:00:00.5Z".parse().unwrap()
}

fn ann() -> Human {
    Human::new("ann")
}

fn statement() -> Statement {
    let (plan, digest) = (PlanId::from_outside("plan-1"), Digest::of_bytes("t", b"plan"));
    let saying = Saying::Approve { plan, digest };
    Statement { saying, by: ann(), origin: ORIGIN.into(), at: now(), nonce: "0123456789abcdef".repeat(2) }
}

/// A key, and the passkey it became.
fn enrolled() -> (SoftKey, Passkey) {
    let mut key = SoftKey::new().unwrap();
    let (options, registration) = Registration::begin(&site(), &ann(), &[]).unwrap();
    let answer = key.register(&options, ORIGIN).unwrap();
    (key, registration.finish(&site(), &answer, " Ann's phone\n ", now()).unwrap())
}

fn sign(key: &mut SoftKey, passkey: &Passkey) -> Value {
    key.sign(&request(&site(), &statement(), &[&passkey.id]).unwrap(), ORIGIN).unwrap()
}

fn checked(passkey: &Passkey, answer: &Value) -> Result<(Signed, u32), NotSigned> {
    verify(&site(), &statement(), &ann(), std::slice::from_ref(passkey), answer)
}

fn signed() -> Signed {
    let (mut key, passkey) = enrolled();
    let answer = sign(&mut key, &passkey);
    checked(&passkey, &answer).unwrap().0
}

#[test]
fn an_enrolled_passkey_signs_and_anybody_can_check_it_later() {
    let (mut key, passkey) = enrolled();
    assert_eq!((passkey.label.as_str(), passkey.added_at), ("Ann's phone", now()));
    let answer = sign(&mut key, &passkey);
    let (signed, counter) = checked(&passkey, &answer).unwrap();
    assert_eq!(counter, 0);
    verify_signed(&signed).unwrap();
    let text = serde_json::to_string(&signed).unwrap();
    verify_signed(&serde_json::from_str(&text).unwrap()).unwrap();
    assert!(!text.contains("userHandle") && !text.contains("clientExtensionResults"));
}

#[test]
fn browsers_are_asked_for_a_verified_user() {
    let (_, passkey) = enrolled();
    let (mut options, _) = Registration::begin(&site(), &ann(), std::slice::from_ref(&passkey)).unwrap();
    let asked = request(&site(), &statement(), &["AAEC"]).unwrap();
    let random = options.pointer_mut("/publicKey/challenge").unwrap().take();
    assert_eq!(BASE64.decode(random.as_str().unwrap()).unwrap().len(), 32);
    assert_eq!(options.pointer_mut("/publicKey/excludeCredentials/0/id").unwrap().take(), json!(passkey.id));
    insta::assert_json_snapshot!([&options, &asked]);
    let challenge = asked["publicKey"]["challenge"].as_str().unwrap();
    assert_eq!(BASE64.decode(challenge).unwrap(), statement().challenge().unwrap().as_bytes());
}

#[test]
fn a_passkey_is_enrolled_once_on_this_site_by_a_verified_user_for_this_request() {
    let attempt = |change: &dyn Fn(&mut SoftKey), origin: &str| {
        let mut key = SoftKey::new().unwrap();
        change(&mut key);
        let (options, registration) = Registration::begin(&site(), &ann(), &[]).unwrap();
        registration.finish(&site(), &key.register(&options, origin).unwrap(), "", now()).unwrap_err().to_string()
    };
    assert_eq!(attempt(&|_| (), "https://guard.example.org"), "the answer is for another site");
    assert_eq!(attempt(&|_| (), "https://guard.example.com/"), "the answer is for another site");
    assert_eq!(attempt(&|_| (), "https://guard.example.com:8443"), "the answer is for another site");
    assert_eq!(attempt(&|key| key.host = Some("example.com".into()), ORIGIN), "the answer is for another site");
    let framed = |key: &mut SoftKey| key.client_data = json!({ "crossOrigin": true });
    assert_eq!(attempt(&framed, ORIGIN), "the answer is for another site");
    assert_eq!(attempt(&|key| key.verifies_user = false, ORIGIN), "the passkey did not verify who used it");
    let typed = |key: &mut SoftKey| key.client_data = json!({ "type": "webauthn.get" });
    assert_eq!(attempt(&typed, ORIGIN), "the answer is for another kind of request");

    let (mut key, passkey) = enrolled();
    let (options, registration) = Registration::begin(&site(), &ann(), &[passkey]).unwrap();
    let answer = key.register(&options, ORIGIN).unwrap();
    assert!(matches!(registration.finish(&site(), &answer, "", now()), Err(NotSigned::Enrolled)));
    let (_, another) = Registration::begin(&site(), &ann(), &[]).unwrap();
    let error = another.finish(&site(), &answer, "", now()).unwrap_err();
    assert_eq!(error.to_string(), "the answer is for another request");
}

#[test]
fn a_signature_counts_on_this_site_by_a_verified_user_for_this_statement() {
    let (mut key, passkey) = enrolled();
    let mut attempt = |change: &dyn Fn(&mut SoftKey)| {
        change(&mut key);
        let answer = sign(&mut key, &passkey);
        (key.origin, key.host, key.verifies_user, key.client_data) = (None, None, true, json!({}));
        checked(&passkey, &answer).unwrap_err().to_string()
    };
    for origin in ["https://guard.example.org", "http://guard.example.com", "https://guard.example.com/", "null"] {
        let said = attempt(&|key| key.origin = Some(origin.into()));
        assert_eq!(said, "the answer is for another site", "{origin}");
    }
    let elsewhere = attempt(&|key| key.host = Some("example.com".into()));
    assert_eq!(elsewhere, "the answer is for another site");
    for framed in [json!({ "crossOrigin": true }), json!({ "topOrigin": "https://other.example.com" })] {
        assert_eq!(attempt(&|key| key.client_data = framed.clone()), "the answer is for another site");
    }
    assert_eq!(attempt(&|key| key.verifies_user = false), "the passkey did not verify who used it");
    let created = json!({ "type": "webauthn.create" });
    assert_eq!(attempt(&|key| key.client_data = created.clone()), "the answer is for another kind of request");
    let replayed = json!({ "challenge": BASE64.encode([7; 32]) });
    assert_eq!(attempt(&|key| key.client_data = replayed.clone()), "the answer is for another request");

    let answer = sign(&mut key, &passkey);
    let other = Statement { nonce: "f".repeat(32), ..statement() };
    let replayed = verify(&site(), &other, &ann(), std::slice::from_ref(&passkey), &answer).unwrap_err();
    assert_eq!(replayed.to_string(), "the answer is for another request");
    let moved = Site::at("https://other.example.com").unwrap();
    let moved = verify(&moved, &statement(), &ann(), std::slice::from_ref(&passkey), &answer).unwrap_err();
    assert_eq!(moved.to_string(), "the answer is for another site");
}

#[test]
fn a_passkey_of_somebody_else_signs_for_nobody() {
    let ((mut key, passkey), (mut other_key, other)) = (enrolled(), enrolled());
    let answer = sign(&mut other_key, &other);
    assert!(matches!(checked(&passkey, &answer), Err(NotSigned::UnknownPasskey)));
    assert!(matches!(verify(&site(), &statement(), &ann(), &[], &answer), Err(NotSigned::UnknownPasskey)));

    // Under the name of the passkey it should have been.
    other_key.id.clone_from(&key.id);
    let forged = sign(&mut other_key, &passkey);
    assert!(matches!(checked(&passkey, &forged), Err(NotSigned::Invalid)));

    // The authenticator keeps it for another person.
    let honest = sign(&mut key, &passkey);
    let keys = std::slice::from_ref(&passkey);
    assert!(matches!(verify(&site(), &statement(), &Human::new("bob"), keys, &honest), Err(NotSigned::UnknownPasskey)));
}

#[test]
fn a_counter_that_goes_back_shows_a_copy() {
    let mut key = SoftKey::new().unwrap();
    (key.counts, key.counter) = (true, 5);
    let (options, registration) = Registration::begin(&site(), &ann(), &[]).unwrap();
    let answer = key.register(&options, ORIGIN).unwrap();
    let passkey = registration.finish(&site(), &answer, "", now()).unwrap();
    assert_eq!(checked(&passkey, &sign(&mut key, &passkey)).unwrap().1, 6);
    key.counter = 3;
    assert!(matches!(checked(&passkey, &sign(&mut key, &passkey)), Err(NotSigned::Copied)));
}

#[test]
fn what_was_kept_is_what_was_signed() {
    let signed = signed();
    let with = |change: &dyn Fn(&mut Signed)| {
        let mut other = signed.clone();
        change(&mut other);
        verify_signed(&other).unwrap_err()
    };
    with(&|other| other.statement.by = Human::new("bob"));
    with(&|other| other.statement.at = "2026-01-02T10:00:00.6Z".parse().unwrap());
    with(&|other| other.statement.origin = "https://guard.example.org".into());
    with(&|other| other.statement.origin = "https://guard.example.com/".into());
    with(&|other| other.statement.saying = Saying::SignIn);
    with(&|other| other.passkey = enrolled().1);
    with(&|other| other.passkey.id = "AAEC".into());
    with(&|other| other.passkey.credential["backup_eligible"] = json!(true));
    with(&|other| other.passkey.credential["unknown"] = json!(1));
    with(&|other| other.assertion["unknown"] = json!(1));
    with(&|other| other.assertion["response"]["userHandle"] = json!("AAEC"));
    with(&|other| other.assertion["type"] = json!("private-key"));
}

#[test]
fn only_secure_origins_are_sites() {
    for origin in ["https://guard.example.com", "https://guard.example.com:8443", "http://localhost:8470"] {
        assert_eq!(Site::at(origin).unwrap().origin(), origin);
    }
    for address in [
        "",
        "guard.example.com",
        "http://guard.example.com",
        "https://guard.example.com/",
        "https://guard.example.com:443",
        "https://Guard.example.com",
        "https://ann@guard.example.com",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "file:///etc",
    ] {
        assert!(matches!(Site::at(address), Err(NotSigned::NotASite(_))), "{address}");
    }
    let http = HttpConfig { public_url: Some("https://guard.example.com/".parse().unwrap()), ..HttpConfig::default() };
    assert_eq!(Site::of(&http).unwrap().host(), "guard.example.com");
    assert_eq!(Site::of(&HttpConfig::default()).unwrap().origin(), "http://localhost:8470");
}

#[test]
fn what_is_no_answer_is_an_error() {
    let (_, passkey) = enrolled();
    for answer in [json!(null), json!({}), json!([1]), json!({ "rawId": passkey.id }), json!("text")] {
        assert!(checked(&passkey, &answer).is_err(), "{answer}");
        let (_, registration) = Registration::begin(&site(), &ann(), &[]).unwrap();
        assert!(registration.finish(&site(), &answer, "", now()).is_err(), "{answer}");
    }
}

/// One bit of a text or of the bytes a text stands for.
fn flipped(text: &str, at: usize, bit: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 1 << bit;
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_flipped_bit_and_nothing_is_signed(at in any::<usize>(), bit in 0_u8..7) {
        static SIGNED: std::sync::LazyLock<Signed> = std::sync::LazyLock::new(signed);
        let text = serde_json::to_string(&*SIGNED).unwrap();
        let Ok(other) = serde_json::from_str::<Signed>(&flipped(&text, at, bit)) else { return Ok(()) };
        // Label and time of enrolment are not signed; the record holds them. Digests and times have more than one
        // spelling that means the same.
        let same = other.statement == SIGNED.statement && other.assertion == SIGNED.assertion;
        let key = |signed: &Signed| (signed.passkey.id.clone(), signed.passkey.credential["cred"].clone());
        if !(same && key(&other) == key(&SIGNED)) {
            prop_assert!(verify_signed(&other).is_err());
        }
    }

    #[test]
    fn one_flipped_bit_of_an_answer_and_it_does_not_count(field in 0_usize..3, at in any::<usize>(), bit in 0_u8..8) {
        static ANSWER: std::sync::LazyLock<(Passkey, Value)> = std::sync::LazyLock::new(|| {
            let (mut key, passkey) = enrolled();
            let answer = sign(&mut key, &passkey);
            (passkey, answer)
        });
        let (passkey, mut answer) = ANSWER.clone();
        let field = ["authenticatorData", "clientDataJSON", "signature"][field];
        let mut bytes = BASE64.decode(answer["response"][field].as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        answer["response"][field] = json!(BASE64.encode(bytes));
        prop_assert!(checked(&passkey, &answer).is_err());
    }
}
