//! `x509_certificate`: a certificate in a file, signed by its own key or by an authority whose key is at hand.

use std::path::PathBuf;

use certificates::{Certificate, Issuing, Key, Name, Request, days_from};
use jiff::Timestamp;
use model::{Args, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

use super::material;
use super::product::{FileChange, New, Product};
use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Check, Failure, Module};
use crate::crypto::openssl_privatekey::Backend;
use crate::files::{FileAttributes, path_value};

choices! {
    /// Who signs.
    pub enum Provider {
        /// Not supported: use an ACME client.
        Acme = "acme",
        /// An authority whose key is at hand.
        OwnCa = "ownca",
        /// The certificate's own key.
        SelfSigned = "selfsigned",
    }
}

choices! {
    /// When the subject key identifier is made from the key.
    pub enum MakeIdentifier {
        /// When the request has none.
        IfNotProvided = "create_if_not_provided",
        /// Always.
        Always = "always_create",
        /// Never.
        Never = "never_create",
    }
}

impl MakeIdentifier {
    fn as_option(self) -> Option<bool> {
        match self {
            Self::IfNotProvided => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

arguments! {
    /// Makes a certificate. One that is not as request, key and authority say is replaced.
    pub struct X509Certificate {
        /// The file.
        pub path: PathBuf,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// Who signs.
        pub provider: Option<Provider>,
        /// The signing request.
        pub csr_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub csr_content: Option<String>,
        /// The private key of the certificate.
        pub privatekey_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub privatekey_content: Option<Secret<String>>,
        /// What protects it.
        pub privatekey_passphrase: Option<Secret<String>>,
        /// Leave a certificate alone whose times are others.
        pub ignore_timestamps: bool { default: true },
        /// The version of a self-signed certificate; only 3.
        pub selfsigned_version: u64 { default: 3 },
        /// The digest that is signed.
        pub selfsigned_digest: String { default: "sha256" },
        /// When it begins to hold: `+0s`, or as `20301231235959Z`.
        pub selfsigned_not_before: String { aliases: ["selfsigned_notBefore"], default: "+0s" },
        /// When it ends.
        pub selfsigned_not_after: String { aliases: ["selfsigned_notAfter"], default: "+3650d" },
        /// When the subject key identifier is made.
        pub selfsigned_create_subject_key_identifier: MakeIdentifier { default: "create_if_not_provided" },
        /// The certificate of the authority.
        pub ownca_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub ownca_content: Option<String>,
        /// The authority's private key.
        pub ownca_privatekey_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub ownca_privatekey_content: Option<Secret<String>>,
        /// What protects it.
        pub ownca_privatekey_passphrase: Option<Secret<String>>,
        /// The digest that is signed.
        pub ownca_digest: String { default: "sha256" },
        /// The version of the certificate; only 3.
        pub ownca_version: u64 { default: 3 },
        /// When it begins to hold.
        pub ownca_not_before: String { default: "+0s" },
        /// When it ends.
        pub ownca_not_after: String { default: "+3650d" },
        /// When the subject key identifier is made.
        pub ownca_create_subject_key_identifier: MakeIdentifier { default: "create_if_not_provided" },
        /// Name the authority's key.
        pub ownca_create_authority_key_identifier: bool { default: true },
        /// Not supported, as the next three.
        pub acme_accountkey_path: Option<PathBuf>,
        /// Not supported.
        pub acme_challenge_path: Option<PathBuf>,
        /// Not supported.
        pub acme_chain: bool { default: false },
        /// Not supported.
        pub acme_directory: String { default: "https://acme-v02.api.letsencrypt.org/directory" },
        /// Make it in any case.
        pub force: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Return the certificate as `certificate`.
        pub return_content: bool { default: false },
        /// Ignored: there is one.
        pub select_crypto_backend: Backend { default: "auto" },
        pub file: FileAttributes,
    }
    mutually_exclusive: [&["csr_path", "csr_content"], &["privatekey_path", "privatekey_content"], &["ownca_path", "ownca_content"], &["ownca_privatekey_path", "ownca_privatekey_content"]];
    required_if: [("state", "present", &["provider"])];
}

/// What it takes to sign.
struct Signer {
    key: Key,
    authority: Option<Certificate>,
    request: Request,
}

impl Module for X509Certificate {
    type Change = FileChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<FileChange>, Failure> {
        let product = Product::find(host, &self.path, &self.file, self.backup)?;
        result.insert("filename".into(), path_value(&self.path));
        for (name, path) in [("privatekey", &self.privatekey_path), ("csr", &self.csr_path)] {
            result.insert(name.into(), path.as_deref().map_or(Value::Null, path_value));
        }
        if self.state == Presence::Absent {
            return Ok(product.absent());
        }
        let signer = self.signer(host)?;
        let now = Timestamp::try_from(host.now()).unwrap_or_default();
        let issuing = self.issuing(&signer, now)?;
        let current = product.read(host)?;
        let found = current.as_ref().and_then(|bytes| Certificate::read(bytes).ok());
        let is_same = found.as_ref().is_some_and(|found| {
            issuing.matches(found, &signer.request)
                && (self.ignore_timestamps
                    || (found.not_before == issuing.not_before
                        && found.not_after == issuing.not_after))
        });
        let mut new = None;
        if !is_same || self.force {
            let made = issuing
                .issue(&signer.request)
                .map_err(|error| Failure::new(format!("cannot issue the certificate: {error}")))?;
            new = Some(made.pem());
        }
        let text = new
            .clone()
            .or_else(|| current.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        let shown = text.as_ref().and_then(|text| Certificate::read(text.as_bytes()).ok());
        if let Some(shown) = &shown {
            tell(shown, result);
        }
        if self.return_content {
            result.insert("certificate".into(), text.into());
        }
        let after = json!({
            "subject": signer.request.subject.pairs(),
            "extensions": signer.request.extensions.alternative_names(),
            "public_key": signer.request.key.pem(),
        });
        let before = found.as_ref().map_or(json!({}), |found| {
            json!({
                "subject": found.subject.pairs(),
                "extensions": found.extensions.alternative_names(),
                "public_key": found.key.pem(),
            })
        });
        let new = new.map(|text| New::Bytes(Secret::new(text.into_bytes())));
        let check = product.present(host, new, None, (before, after))?;
        Ok(match check {
            Check::Drift(change) if is_same && self.force => Check::Act(change),
            other => other,
        })
    }

    fn apply(
        &self,
        change: FileChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        change.apply(host, result)
    }
}

impl X509Certificate {
    fn own_key(&self, host: &dyn Probe) -> Result<Key, Failure> {
        material::private_key(
            host,
            self.privatekey_path.as_deref(),
            self.privatekey_content.as_ref(),
            self.privatekey_passphrase.as_ref(),
        )
    }

    fn signer(&self, host: &dyn Probe) -> Result<Signer, Failure> {
        let request =
            material::request(host, self.csr_path.as_deref(), self.csr_content.as_deref())?;
        if request.as_ref().is_some_and(|request| !request.is_signed) {
            return Err(Failure::new(
                "The signature of the signing request is not that of its key",
            ));
        }
        match self.provider {
            Some(Provider::SelfSigned) => {
                let key = self.own_key(host)?;
                let request = match request {
                    Some(request) => request,
                    None => bare(&key)?,
                };
                if request.key != key.public() {
                    return Err(Failure::new(
                        "The private key does not belong to the signing request",
                    ));
                }
                Ok(Signer { key, authority: None, request })
            }
            Some(Provider::OwnCa) => {
                let request = request.ok_or_else(|| {
                    Failure::new("csr_path or csr_content is required for the ownca provider")
                })?;
                self.authority(host, request)
            }
            Some(Provider::Acme) => Err(Failure::new(
                "the provider acme is not supported: use an ACME client such as certbot, and this module's other providers",
            )),
            None => {
                Err(Failure::new("state is present but all of the following are missing: provider"))
            }
        }
    }

    fn authority(&self, host: &dyn Probe, request: Request) -> Result<Signer, Failure> {
        let path = self.ownca_path.as_deref();
        let authority = material::certificate(host, path, self.ownca_content.as_deref())?
            .ok_or_else(|| {
                Failure::new("ownca_path or ownca_content is required for the ownca provider")
            })?;
        let key = material::private_key(
            host,
            self.ownca_privatekey_path.as_deref(),
            self.ownca_privatekey_content.as_ref(),
            self.ownca_privatekey_passphrase.as_ref(),
        )?;
        if key.public() != authority.key {
            return Err(Failure::new("The CA private key does not belong to the CA certificate"));
        }
        if self.privatekey_path.is_some() || self.privatekey_content.is_some() {
            let own = self.own_key(host)?;
            if own.public() != request.key {
                return Err(Failure::new("The private key does not belong to the signing request"));
            }
        }
        Ok(Signer { key, authority: Some(authority), request })
    }

    fn issuing<'a>(&self, signer: &'a Signer, now: Timestamp) -> Result<Issuing<'a>, Failure> {
        let is_own = signer.authority.is_none();
        let (version, digest, from, to, identifier) = if is_own {
            (
                self.selfsigned_version,
                &self.selfsigned_digest,
                (&self.selfsigned_not_before, "selfsigned_not_before"),
                (&self.selfsigned_not_after, "selfsigned_not_after"),
                self.selfsigned_create_subject_key_identifier,
            )
        } else {
            (
                self.ownca_version,
                &self.ownca_digest,
                (&self.ownca_not_before, "ownca_not_before"),
                (&self.ownca_not_after, "ownca_not_after"),
                self.ownca_create_subject_key_identifier,
            )
        };
        if version != 3 {
            return Err(Failure::new(format!("certificates have version 3, not {version}")));
        }
        let time = |(text, name): (&String, &str)| {
            days_from(now, text).map_err(|error| Failure::new(format!("{error} for {name}")))
        };
        Ok(Issuing {
            key: &signer.key,
            authority: signer.authority.as_ref(),
            hash: material::digest(digest)?,
            not_before: time(from)?,
            not_after: time(to)?,
            subject_key: identifier.as_option(),
            names_authority_key: self.ownca_create_authority_key_identifier,
        })
    }
}

/// A request that asks for nothing, for a self-signed certificate without one.
fn bare(key: &Key) -> Result<Request, Failure> {
    let hash = material::digest("sha256")?;
    Request::make(Name::default(), certificates::Extensions::default(), key, hash)
        .map_err(|error| Failure::new(format!("cannot issue the certificate: {error}")))
}

fn tell(certificate: &Certificate, result: &mut Args) {
    let time = |at: Timestamp| {
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        Value::from(at.strftime("%Y%m%d%H%M%SZ").to_string())
    };
    result.insert("notBefore".into(), time(certificate.not_before));
    result.insert("notAfter".into(), time(certificate.not_after));
}
