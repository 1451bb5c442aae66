use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Error, SslMode};

/// The TLS configuration an [`SslMode`] asks for; `None` when it asks for none. One crypto provider: aws-lc-rs.
pub fn client_config(mode: &SslMode) -> Result<Option<ClientConfig>, Error> {
    let SslMode::VerifyFull { root_certificates } = mode else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    if let Some(path) = root_certificates {
        let unreadable = |source| Error::RootCertificates { path: path.clone(), source };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            roots.add(certificate.map_err(unreadable)?).map_err(Error::Tls)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(Error::NoRootCertificates);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(config))
}
