//! `openssl_csr`: a certificate signing request in a file.

use std::path::PathBuf;

use certificates::{CrlPoint, Key, Name, Request, Wanted};
use model::{Args, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

use super::material;
use super::product::{FileChange, New, Product};
use crate::arguments::{Presence, arguments, python_text};
use crate::contract::{Check, Failure, Module};
use crate::crypto::openssl_privatekey::Backend;
use crate::files::{FileAttributes, path_value};

arguments! {
    /// Makes a certificate signing request. One that does not ask for what the arguments say is replaced.
    pub struct OpensslCsr {
        /// The file.
        pub path: PathBuf,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        /// The private key that signs it.
        pub privatekey_path: Option<PathBuf>,
        /// Its content, in place of the path.
        pub privatekey_content: Option<Secret<String>>,
        /// What protects it.
        pub privatekey_passphrase: Option<Secret<String>>,
        /// The digest that is signed; Ed25519 keys have their own.
        pub digest: String { default: "sha256" },
        /// The version of the request; only 1.
        pub version: u64 { default: 1 },
        /// The subject: attributes by name. A list gives an attribute several times.
        pub subject: Args,
        /// The same, in this order: each element has one attribute.
        pub subject_ordered: Vec<Value>,
        /// The subject's countryName.
        pub country_name: Option<String> { aliases: ["C", "countryName"] },
        /// The subject's stateOrProvinceName.
        pub state_or_province_name: Option<String> { aliases: ["ST", "stateOrProvinceName"] },
        /// The subject's localityName.
        pub locality_name: Option<String> { aliases: ["L", "localityName"] },
        /// The subject's organizationName.
        pub organization_name: Option<String> { aliases: ["O", "organizationName"] },
        /// The subject's organizationalUnitName.
        pub organizational_unit_name: Option<String> { aliases: ["OU", "organizationalUnitName"] },
        /// The subject's commonName.
        pub common_name: Option<String> { aliases: ["CN", "commonName"] },
        /// The subject's emailAddress.
        pub email_address: Option<String> { aliases: ["E", "emailAddress"] },
        /// Alternative names: `DNS:`, `IP:`, `email:`, `URI:`, `RID:`, `dirName:`, `otherName:`.
        pub subject_alt_name: Vec<String> { aliases: ["subjectAltName"] },
        /// Whether they are critical.
        pub subject_alt_name_critical: bool { aliases: ["subjectAltName_critical"], default: false },
        /// Without alternative names, make the commonName one.
        pub use_common_name_for_san: bool { aliases: ["useCommonNameForSAN"], default: true },
        /// What the key may be used for.
        pub key_usage: Vec<String> { aliases: ["keyUsage"] },
        /// Whether that is critical.
        pub key_usage_critical: bool { aliases: ["keyUsage_critical"], default: false },
        /// What programs may use the key for.
        pub extended_key_usage: Vec<String> { aliases: ["extKeyUsage", "extendedKeyUsage"] },
        /// Whether that is critical.
        pub extended_key_usage_critical: bool { aliases: ["extKeyUsage_critical", "extendedKeyUsage_critical"], default: false },
        /// `CA:TRUE`, `pathlen:0`.
        pub basic_constraints: Vec<String> { aliases: ["basicConstraints"] },
        /// Whether that is critical.
        pub basic_constraints_critical: bool { aliases: ["basicConstraints_critical"], default: false },
        /// Servers must staple the answer of the OCSP.
        pub ocsp_must_staple: bool { aliases: ["ocspMustStaple"], default: false },
        /// Whether that is critical.
        pub ocsp_must_staple_critical: bool { aliases: ["ocspMustStaple_critical"], default: false },
        /// The names that the authority may certify.
        pub name_constraints_permitted: Vec<String>,
        /// The names that it must not certify.
        pub name_constraints_excluded: Vec<String>,
        /// Whether these are critical.
        pub name_constraints_critical: bool { default: false },
        /// Make the subject key identifier from the key.
        pub create_subject_key_identifier: bool { default: false },
        /// The subject key identifier, in hexadecimal digits.
        pub subject_key_identifier: Option<String>,
        /// The authority key identifier, in hexadecimal digits.
        pub authority_key_identifier: Option<String>,
        /// The names of the authority's issuer.
        pub authority_cert_issuer: Vec<String>,
        /// The authority's serial number.
        pub authority_cert_serial_number: Option<u64>,
        /// Where lists of revoked certificates are: `full_name`, `crl_issuer`.
        pub crl_distribution_points: Vec<Args>,
        /// Make it in any case.
        pub force: bool { default: false },
        /// Keep the old version beside the file.
        pub backup: bool { default: false },
        /// Return the request as `csr`.
        pub return_content: bool { default: false },
        /// Ignored: there is one.
        pub select_crypto_backend: Backend { default: "auto" },
        pub file: FileAttributes,
    }
    mutually_exclusive: [&["privatekey_path", "privatekey_content"], &["subject", "subject_ordered"]];
    required_together: [&["authority_cert_issuer", "authority_cert_serial_number"]];
}

impl Module for OpensslCsr {
    type Change = FileChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<FileChange>, Failure> {
        let product = Product::find(host, &self.path, &self.file, self.backup)?;
        result.insert("filename".into(), path_value(&self.path));
        if self.state == Presence::Absent {
            return Ok(product.absent());
        }
        if self.version != 1 {
            return Err(Failure::new("The version of a signing request is 1"));
        }
        let key = material::private_key(
            host,
            self.privatekey_path.as_deref(),
            self.privatekey_content.as_ref(),
            self.privatekey_passphrase.as_ref(),
        )?;
        let wanted = self.request(&key)?;
        self.tell(&wanted, result)?;
        let current = product.read(host)?;
        let found = current.as_ref().and_then(|bytes| Request::read(bytes).ok());
        let is_same = found.as_ref().is_some_and(|found| self.is_same(found, &wanted));
        if self.return_content {
            let kept = current.filter(|_| is_same && !self.force);
            let text = kept.map_or(wanted.pem(), |bytes| String::from_utf8_lossy(&bytes).into());
            result.insert("csr".into(), text.into());
        }
        let new =
            (!is_same || self.force).then(|| New::Bytes(Secret::new(wanted.pem().into_bytes())));
        let sides = (found.as_ref().map_or(json!({}), described), described(&wanted));
        let check = product.present(host, new, None, sides)?;
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

impl OpensslCsr {
    fn request(&self, key: &Key) -> Result<Request, Failure> {
        let hash = material::digest(&self.digest)?;
        let failed = |error| Failure::new(format!("cannot make the signing request: {error}"));
        let pairs = self.subject_pairs()?;
        let borrowed = pairs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let subject = Name::of(borrowed).map_err(failed)?;
        let names = self.alternative_names();
        let points = self.crl_points()?;
        let identifier = match &self.subject_key_identifier {
            Some(_) if self.create_subject_key_identifier => {
                return Err(Failure::new(
                    "subject_key_identifier cannot be specified if create_subject_key_identifier is true",
                ));
            }
            Some(digits) => Some(bytes_of("subject_key_identifier", digits)?),
            None => self.create_subject_key_identifier.then(|| key.public().identifier()),
        };
        let authority = self.authority_key_identifier.as_deref();
        let wanted = Wanted {
            alternative_names: (&names, self.subject_alt_name_critical),
            key_usage: (&self.key_usage, self.key_usage_critical),
            extended_key_usage: (&self.extended_key_usage, self.extended_key_usage_critical),
            basic_constraints: (&self.basic_constraints, self.basic_constraints_critical),
            must_staple: (self.ocsp_must_staple, self.ocsp_must_staple_critical),
            permitted: &self.name_constraints_permitted,
            excluded: &self.name_constraints_excluded,
            constraints_critical: self.name_constraints_critical,
            subject_key: identifier,
            authority_key: authority
                .map(|digits| bytes_of("authority_key_identifier", digits))
                .transpose()?,
            authority: (&self.authority_cert_issuer, self.authority_cert_serial_number),
            crl_points: &points,
        };
        let extensions = wanted.extensions().map_err(failed)?;
        Request::make(subject, extensions, key, hash).map_err(failed)
    }

    /// The attributes of the subject: those with arguments of their own come first.
    fn subject_pairs(&self) -> Result<Vec<(String, String)>, Failure> {
        let own = [
            ("C", &self.country_name),
            ("ST", &self.state_or_province_name),
            ("L", &self.locality_name),
            ("O", &self.organization_name),
            ("OU", &self.organizational_unit_name),
            ("CN", &self.common_name),
            ("emailAddress", &self.email_address),
        ];
        let mut pairs: Vec<(String, String)> = own
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text.clone()?)))
            .collect();
        let mut add = |name: &str, value: &Value| match value {
            Value::Array(list) => {
                pairs.extend(list.iter().map(|text| (name.to_owned(), python_text(text))));
            }
            Value::Null => {}
            text => pairs.push((name.to_owned(), python_text(text))),
        };
        for (name, value) in &self.subject {
            add(name, value);
        }
        for element in &self.subject_ordered {
            match element.as_object() {
                Some(one) if one.len() == 1 => {
                    one.iter().for_each(|(name, value)| add(name, value));
                }
                _ => return Err(Failure::new("each element of subject_ordered has one attribute")),
            }
        }
        Ok(pairs)
    }

    fn alternative_names(&self) -> Vec<String> {
        if !self.subject_alt_name.is_empty() || !self.use_common_name_for_san {
            return self.subject_alt_name.clone();
        }
        let pairs = self.subject_pairs().unwrap_or_default();
        let common = pairs.iter().find(|(name, _)| matches!(name.as_str(), "CN" | "commonName"));
        common.map(|(_, text)| format!("DNS:{text}")).into_iter().collect()
    }

    fn crl_points(&self) -> Result<Vec<CrlPoint>, Failure> {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().map_or_else(Vec::new, |list| list.iter().map(python_text).collect())
        };
        let point = |given: &Args| {
            let mut point = CrlPoint::default();
            for (name, value) in given {
                match name.as_str() {
                    _ if value.is_null() => {}
                    "full_name" => point.full_name = texts(value),
                    "crl_issuer" => point.issuer = texts(value),
                    other => {
                        return Err(Failure::new(format!(
                            "crl_distribution_points: `{other}` is not supported; full_name and crl_issuer are"
                        )));
                    }
                }
            }
            Ok(point)
        };
        self.crl_distribution_points.iter().map(point).collect()
    }

    /// An order is compared only where one was asked for.
    fn is_same(&self, found: &Request, wanted: &Request) -> bool {
        let is_same_subject = if self.subject_ordered.is_empty() {
            found.subject.is_like(&wanted.subject)
        } else {
            found.subject == wanted.subject
        };
        found.is_signed
            && found.key == wanted.key
            && is_same_subject
            && found.extensions.is_like(&wanted.extensions)
    }

    fn tell(&self, wanted: &Request, result: &mut Args) -> Result<(), Failure> {
        let or_null = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
        result.insert("subject".into(), json!(self.subject_pairs()?));
        result.insert("subjectAltName".into(), or_null(&wanted.extensions.alternative_names()));
        result.insert("keyUsage".into(), or_null(&self.key_usage));
        result.insert("extendedKeyUsage".into(), or_null(&self.extended_key_usage));
        result.insert("basicConstraints".into(), or_null(&self.basic_constraints));
        result.insert("ocsp_must_staple".into(), self.ocsp_must_staple.into());
        let constraints = [
            ("name_constraints_permitted", &self.name_constraints_permitted),
            ("name_constraints_excluded", &self.name_constraints_excluded),
        ];
        for (name, list) in constraints {
            result.insert(name.into(), or_null(list));
        }
        if let Some(path) = &self.privatekey_path {
            result.insert("privatekey".into(), path_value(path));
        }
        Ok(())
    }
}

fn bytes_of(name: &str, digits: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(digits.replace(':', "")).map_err(|_| {
        Failure::new(format!("Cannot parse {name}: `{digits}` is no hexadecimal text"))
    })
}

/// A request for people.
fn described(request: &Request) -> Value {
    json!({
        "subject": request.subject.pairs(),
        "subject_alt_name": request.extensions.alternative_names(),
        "key_usage": request.extensions.key_usage(),
        "extended_key_usage": request.extensions.purposes(),
        "basic_constraints": request.extensions.basic_constraints(),
        "ocsp_must_staple": request.extensions.must_staple().is_some(),
        "public_key": request.key.pem(),
    })
}
