//! TLS 1.2 and 1.3, with a certificate that can be replaced while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::TlsFiles;

/// The names of the protocols that are spoken over TLS (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS with the certificate of two files.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    now: RwLock<Arc<ServerConfig>>,
}

/// Why TLS can't be done.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or holds no such thing.
    #[error("`{file}` can't be used as {what}: {error}; it must be a PEM file that the server may read")]
    File {
        /// The file.
        file: String,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        error: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key don't go together, or can't be used.
    #[error("the certificate and its key can't be used: {0}; check that they belong together")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let now = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, now })
    }

    /// Reads the files again, for connections that come from now on. Where they are not good the old ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(read(&self.files)?);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// What connections are taken with now.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let wrong = |file: &std::path::Path, what| {
        let file = file.display().to_string();
        move |error| TlsError::File { file, what, error }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(wrong(&files.certificate, "a certificate chain"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(wrong(&files.key, "a private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified(folder: &std::path::Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files =
            TlsFiles { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn files_that_do_not_go_together_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (certified(folder.path(), "one"), certified(folder.path(), "other"));
        Tls::load(one.clone()).unwrap();
        let mixed = TlsFiles { key: other.key, ..one.clone() };
        assert!(Tls::load(mixed).unwrap_err().to_string().contains("belong together"));
        let swapped = TlsFiles { certificate: one.key.clone(), key: one.certificate.clone() };
        assert!(Tls::load(swapped).is_err());
        let missing = TlsFiles { key: folder.path().join("none"), ..one };
        assert!(Tls::load(missing).unwrap_err().to_string().contains("none` can't be used as a private key"));
    }

    #[test]
    fn a_certificate_that_is_not_good_does_not_replace_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = certified(folder.path(), "one");
        let tls = Tls::load(files.clone()).unwrap();
        let before = Arc::as_ptr(tls.acceptor().config());
        std::fs::write(&files.key, "nothing").unwrap();
        tls.reload().unwrap_err();
        assert_eq!(Arc::as_ptr(tls.acceptor().config()), before);
        certified(folder.path(), "one");
        tls.reload().unwrap();
        assert_ne!(Arc::as_ptr(tls.acceptor().config()), before);
    }
}
