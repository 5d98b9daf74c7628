//! Signed notes: a text that anybody can check who has the public key, in the form that transparency logs use.
//!
//! Only ed25519 (signature type 1) is made and checked here.
//!
//! <https://c2sp.org/signed-note>

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::text::escape::quoted;

/// The byte that says ed25519.
const TYPE: u8 = 1;
/// What a signature's line begins with: an em dash.
const LINE: &str = "\u{2014} ";
/// Most bytes of a note that is read.
const MOST_BYTES: usize = 1 << 20;
/// Most signatures of a note that is read.
const MOST_SIGNATURES: usize = 100;

/// What is wrong with a note, a key or a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// A text has not the form of a note.
    #[error("it is not a signed note: {0}")]
    Form(&'static str),
    /// A text is not a public key.
    #[error("{} is not a key: write it as it was printed, `name+12345678+...`", quoted(.0, 160))]
    Key(String),
    /// A text is not a private key. It is not told, not even its beginning.
    #[error("it is not a private key as countersign writes them")]
    PrivateKey,
    /// There is no signature of the key.
    #[error("it is not signed with key {}", quoted(.0, 160))]
    NotSigned(String),
    /// The signature of the key is not one of this text.
    #[error("the signature with key {} is not one of this text", quoted(.0, 160))]
    NotGood(String),
    /// The system gives no random bytes, or signing failed.
    #[error("no key or signature can be made: the cryptographic library failed; try again")]
    Failed,
}

/// A public key with its name, which together tell who signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells the keys of one name apart.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', TYPE]).chain_update(self.public);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), typed(&self.public))
    }
}

impl FromStr for VerifierKey {
    type Err = BadNote;

    fn from_str(text: &str) -> Result<Self, BadNote> {
        let parsed = || {
            let mut parts = text.splitn(3, '+');
            let (name, _, public) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { name: name.to_owned(), public: untyped(public)? })
        };
        // Written again it must be the same, its id included.
        let same = |key: &Self| is_name(&key.name) && key.to_string() == text;
        parsed().filter(same).ok_or_else(|| BadNote::Key(text.to_owned()))
    }
}

/// A private key. It is shown nowhere but in [`SigningKey::secret`].
pub struct SigningKey {
    verifier: VerifierKey,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key of this name.
    pub fn generate(name: &str) -> Result<Self, BadNote> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| BadNote::Failed)?;
        Self::of(name, seed)
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The key as text, for a file that nobody else can read: `PRIVATE+KEY+name+id+...`, as Go's `sumdb/note` has it.
    pub fn secret(&self) -> String {
        let VerifierKey { name, .. } = &self.verifier;
        format!("PRIVATE+KEY+{name}+{}+{}", hex::encode(self.verifier.id()), typed(&self.seed))
    }

    /// Reads what [`SigningKey::secret`] wrote.
    pub fn from_secret(text: &str) -> Result<Self, BadNote> {
        let mut parts = text.strip_prefix("PRIVATE+KEY+").ok_or(BadNote::PrivateKey)?.splitn(3, '+');
        let (Some(name), Some(_), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadNote::PrivateKey);
        };
        let key = Self::of(name, untyped(seed).ok_or(BadNote::PrivateKey)?)?;
        if key.secret() == text { Ok(key) } else { Err(BadNote::PrivateKey) }
    }

    /// The key of a seed.
    pub(super) fn of(name: &str, seed: [u8; 32]) -> Result<Self, BadNote> {
        if !is_name(name) {
            return Err(BadNote::Key(name.to_owned()));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| BadNote::Failed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadNote::Failed)?;
        Ok(Self { verifier: VerifierKey { name: name.to_owned(), public }, seed, pair })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.verifier.to_string()).finish()
    }
}

/// A text and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl Note {
    /// Signs a text, which ends with the end of a line.
    pub fn sign(text: &str, key: &SigningKey) -> Result<Self, BadNote> {
        check_text(text)?;
        let signature = key.pair.try_sign(text.as_bytes()).map_err(|_| BadNote::Failed)?.as_ref().to_vec();
        let VerifierKey { name, .. } = key.verifier();
        let signatures = vec![Signature { name: name.clone(), id: key.verifier().id(), signature }];
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note; who signed is not checked yet.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        if note.len() > MOST_BYTES {
            return Err(BadNote::Form("it is too long"));
        }
        let parted = note.rfind("\n\n").and_then(|at| note.split_at_checked(at.saturating_add(1)));
        let Some((text, lines)) = parted else {
            return Err(BadNote::Form("no empty line stands before its signatures"));
        };
        check_text(text)?;
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let Some(lines) = lines else { return Err(BadNote::Form("its last line has no end")) };
        let signatures = lines.split('\n').map(Signature::parse).collect::<Option<Vec<_>>>();
        match signatures {
            Some(signatures) if signatures.len() <= MOST_SIGNATURES => Ok(Self { text: text.to_owned(), signatures }),
            Some(_) => Err(BadNote::Form("it has too many signatures")),
            None => Err(BadNote::Form("one of its last lines is not a signature")),
        }
    }

    /// What was signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many signatures there are, whoever they are by.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Checks the signature with this key. Signatures with other keys say nothing.
    pub fn check(&self, key: &VerifierKey) -> Result<(), BadNote> {
        let own = |signature: &&Signature| signature.name == key.name && signature.id == key.id();
        let Some(signature) = self.signatures.iter().find(own) else {
            return Err(BadNote::NotSigned(key.to_string()));
        };
        let public = UnparsedPublicKey::new(&ED25519, key.public);
        let good = public.verify(self.text.as_bytes(), &signature.signature);
        good.map_err(|_| BadNote::NotGood(key.to_string()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(LINE)?.split_once(' ')?;
        let bytes = BASE64.decode(bytes).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let parsed = Self { name: name.to_owned(), id: *id, signature: signature.to_vec() };
        (is_name(name) && !signature.is_empty()).then_some(parsed)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.signature].concat();
        write!(f, "{LINE}{} {}", self.name, BASE64.encode(bytes))
    }
}

fn check_text(text: &str) -> Result<(), BadNote> {
    if !text.ends_with('\n') || text == "\n" {
        return Err(BadNote::Form("its text has no line"));
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(BadNote::Form("there are control characters in it"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn typed(key: &[u8; 32]) -> String {
    BASE64.encode([&[TYPE][..], key].concat())
}

fn untyped(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text).ok()?.strip_prefix(&[TYPE])?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::of("countersign.test", [7; 32]).unwrap()
    }

    #[test]
    fn a_note_of_another_program_is_checked() {
        // The example of Go's `sumdb/note`.
        let verifier: VerifierKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let parsed = Note::parse(note).unwrap();
        parsed.check(&verifier).unwrap();
        assert_eq!(parsed.to_string(), note);
        assert_eq!(verifier.name(), "PeterNeumann");
    }

    #[test]
    fn keys_survive_their_texts_and_are_not_shown() {
        let key = key();
        let again = SigningKey::from_secret(&key.secret()).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert_eq!(key.verifier().to_string().parse::<VerifierKey>().unwrap(), *key.verifier());
        insta::assert_snapshot!(format!("{key:?}"), @r#"SigningKey("countersign.test+ff56a4b4+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")"#);
        assert!(!format!("{key:?}").contains(&typed(&key.seed)));
        for wrong in ["", "a+b+c", "PRIVATE+KEY+a+00000000+AQ==", &key.verifier().to_string().to_uppercase()] {
            assert!(SigningKey::from_secret(wrong).is_err() && wrong.parse::<VerifierKey>().is_err(), "{wrong}");
        }
        assert_ne!(SigningKey::generate("a").unwrap().secret(), SigningKey::generate("a").unwrap().secret());
        assert!(SigningKey::generate("a b").is_err());
    }

    #[test]
    fn other_signatures_are_left_aside_and_a_wrong_one_of_the_key_is_not() {
        let (one, other) = (key(), SigningKey::generate("witness").unwrap());
        let mut note = Note::sign("text\n", &one).unwrap();
        note.signatures.extend(Note::sign("text\n", &other).unwrap().signatures);
        let note = Note::parse(&note.to_string()).unwrap();
        assert!(note.check(one.verifier()).is_ok() && note.check(other.verifier()).is_ok());
        let stranger = SigningKey::generate("countersign.test").unwrap();
        assert!(matches!(note.check(stranger.verifier()), Err(BadNote::NotSigned(_))));
        let wrong = Note { text: "another\n".into(), ..note };
        assert!(matches!(wrong.check(one.verifier()), Err(BadNote::NotGood(_))));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let good = Note::sign("text\n", &key()).unwrap().to_string();
        let no_end = good.trim_end();
        for wrong in
            ["", "\n", "\n\n", "text\n", "text\n\n", no_end, &good.replace('t', "\r"), &good.replace(LINE, "- ")]
        {
            assert!(matches!(Note::parse(wrong), Err(BadNote::Form(_))), "{wrong:?}");
        }
        assert!(Note::sign("no end", &key()).is_err());
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_found(text in "[a-z\n]{0,40}", at in any::<Index>(), to in any::<u8>()) {
            let (key, text) = (key(), format!("a{text}\n"));
            let note = Note::sign(&text, &key).unwrap().to_string();
            Note::parse(&note).unwrap().check(key.verifier()).unwrap();
            let mut bytes = note.clone().into_bytes();
            *at.get_mut(&mut bytes) = to;
            prop_assume!(bytes != note.as_bytes());
            let passes = String::from_utf8(bytes).ok().and_then(|text| Note::parse(&text).ok());
            prop_assert!(passes.is_none_or(|note| note.check(key.verifier()).is_err()));
        }
    }
}
