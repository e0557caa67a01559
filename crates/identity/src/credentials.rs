//! A key, its certificate and the authority's: one file, so that it is never half there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{Peer, PeerError};

/// A file with credentials that cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the key in it.
    #[error(
        "{} holds a private key and its mode is {mode:04o}: others can read it; \
         if nobody did, `chmod 600` it", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not PEM, or something is missing in it.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A private key with its certificate, and the certificates of the authority that signed it.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The authority's certificates: what peers are verified against. At least one.
    pub authority: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            certificate: self.certificate.clone(),
            authority: self.authority.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Credentials {
    pub(crate) fn new(
        certificate: CertificateDer<'static>,
        authority: Vec<CertificateDer<'static>>,
        key: PrivatePkcs8KeyDer<'static>,
    ) -> Self {
        Self { certificate, authority, key }
    }

    /// Who they speak of. A controller's own have no identity.
    pub fn peer(&self) -> Result<Peer, PeerError> {
        Peer::of(&self.certificate)
    }

    pub(crate) fn pkcs8(&self) -> &PrivatePkcs8KeyDer<'static> {
        &self.key
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }

    /// Reads what [`Credentials::save`] wrote. `None`: there is no such file.
    pub fn load(path: &Path) -> Result<Option<Self>, FileError> {
        let read = |source| FileError::Read { path: path.to_owned(), source };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(read(error)),
        };
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read(path).map_err(read)?;
        let damaged = |what| FileError::Damaged { path: path.to_owned(), what };
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text)
            .map_err(|_| damaged("it has no private key in PKCS#8"))?;
        let mut certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, pem::Error>>()
            .map_err(|_| damaged("it is not PEM"))?;
        if certificates.is_empty() {
            return Err(damaged("it has no certificate"));
        }
        let certificate = certificates.remove(0);
        if certificates.is_empty() {
            return Err(damaged("it has no certificate of the authority"));
        }
        Ok(Some(Self { certificate, authority: certificates, key }))
    }

    /// Writes them to a file that only its owner can read: whole or not at all, also when the power fails.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let write = |source| FileError::Write { path: path.to_owned(), source };
        let mut text = encode("PRIVATE KEY", self.key.secret_pkcs8_der());
        text.push_str(&encode("CERTIFICATE", &self.certificate));
        for certificate in &self.authority {
            text.push_str(&encode("CERTIFICATE", certificate));
        }
        write_private(path, text.as_bytes()).map_err(write)
    }
}

/// A directory for secrets, made with its parents if need be.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file: 0600, synced, and the name only points to it when it is whole.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    private_directory(directory)?;
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new(
            vec![1; 100].into(),
            vec![vec![2; 200].into(), vec![3; 1].into()],
            vec![4; 50].into(),
        )
    }

    #[test]
    fn credentials_survive_their_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/agent.pem");
        assert_eq!(Credentials::load(&path).unwrap(), None);
        credentials().save(&path).unwrap();
        assert_eq!(Credentials::load(&path).unwrap(), Some(credentials()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!format!("{:?}", credentials()).contains("4, 4"), "the key is not shown");
    }

    #[test]
    fn unusable_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.pem");
        let check = |mode: u32, content: &str, expected: &str| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Credentials::load(&path).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        };
        let key = encode("PRIVATE KEY", &[1]);
        let certificate = encode("CERTIFICATE", &[1]);
        check(0o644, "", "others can read it; if nobody did, `chmod 600` it");
        check(0o600, "", "is damaged: it has no private key in PKCS#8");
        check(0o600, &key, "is damaged: it has no certificate");
        check(
            0o600,
            &format!("{key}{certificate}"),
            "is damaged: it has no certificate of the authority",
        );
        let cut = &certificate[..40];
        check(0o600, &format!("{key}{certificate}{cut}"), "is damaged: it is not PEM");
        assert!(matches!(Credentials::load(&path.join("x")), Err(FileError::Read { .. })));
    }
}
