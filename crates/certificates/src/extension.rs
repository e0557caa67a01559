//! Extensions of requests and certificates.

use crate::asn1::{self, Item, Reader, tag};
use crate::{Error, names};

const ALTERNATIVE_NAME: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const KEY_USAGE: &str = "2.5.29.15";
const MUST_STAPLE: &str = "1.3.6.1.5.5.7.1.24";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const CRL_POINTS: &str = "2.5.29.31";
pub(crate) const SUBJECT_KEY: &str = "2.5.29.14";
pub(crate) const AUTHORITY_KEY: &str = "2.5.29.35";

/// What a key may be used for, in the order of the bits.
const USAGES: &[&[&str]] = &[
    &["digitalSignature", "Digital Signature"],
    &["nonRepudiation", "Non Repudiation", "contentCommitment"],
    &["keyEncipherment", "Key Encipherment"],
    &["dataEncipherment", "Data Encipherment"],
    &["keyAgreement", "Key Agreement"],
    &["keyCertSign", "Certificate Sign"],
    &["cRLSign", "CRL Sign"],
    &["encipherOnly", "Encipher Only"],
    &["decipherOnly", "Decipher Only"],
];

const PURPOSES: &[(&[&str], &str)] = &[
    (&["serverAuth", "TLS Web Server Authentication"], "1.3.6.1.5.5.7.3.1"),
    (&["clientAuth", "TLS Web Client Authentication"], "1.3.6.1.5.5.7.3.2"),
    (&["codeSigning", "Code Signing"], "1.3.6.1.5.5.7.3.3"),
    (&["emailProtection", "E-mail Protection"], "1.3.6.1.5.5.7.3.4"),
    (&["timeStamping", "Time Stamping"], "1.3.6.1.5.5.7.3.8"),
    (&["OCSPSigning", "OCSP Signing"], "1.3.6.1.5.5.7.3.9"),
    (&["anyExtendedKeyUsage", "Any Extended Key Usage"], "2.5.29.37.0"),
    (&["ipsecEndSystem", "IPSec End System"], "1.3.6.1.5.5.7.3.5"),
    (&["ipsecTunnel", "IPSec Tunnel"], "1.3.6.1.5.5.7.3.6"),
    (&["ipsecUser", "IPSec User"], "1.3.6.1.5.5.7.3.7"),
    (&["msSmartcardLogin"], "1.3.6.1.4.1.311.20.2.2"),
    (&["pkInitKDC", "Signing KDC Response"], "1.3.6.1.5.2.3.5"),
    (&["qcStatements"], "1.3.6.1.5.5.7.1.3"),
    (&["DVCS", "dvcs"], "1.3.6.1.5.5.7.3.10"),
    (&["biometricInfo", "Biometric Info"], "1.3.6.1.5.5.7.1.2"),
];

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extension {
    /// What it is.
    pub oid: String,
    /// Who does not know it must refuse.
    pub is_critical: bool,
    /// Its encoding.
    pub value: Vec<u8>,
}

/// Extensions, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions(pub Vec<Extension>);

/// What is to be asked for; each with whether it is critical.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Alternative names, such as `DNS:example.com`.
    pub alternative_names: (&'a [String], bool),
    /// What the key may be used for.
    pub key_usage: (&'a [String], bool),
    /// The same, for programs.
    pub extended_key_usage: (&'a [String], bool),
    /// `CA:TRUE`, `pathlen:0`.
    pub basic_constraints: (&'a [String], bool),
    /// Whether a server must staple.
    pub must_staple: (bool, bool),
    /// Names that the authority may sign.
    pub permitted: &'a [String],
    /// Names that it must not sign.
    pub excluded: &'a [String],
    /// Whether these two are critical.
    pub constraints_critical: bool,
    /// The identifier of the key.
    pub subject_key: Option<Vec<u8>>,
    /// The identifier of the authority's key.
    pub authority_key: Option<Vec<u8>>,
    /// The authority's issuer and serial number.
    pub authority: (&'a [String], Option<u64>),
    /// Where lists of revoked certificates are.
    pub crl_points: &'a [CrlPoint],
}

/// A place with a list of revoked certificates.
#[derive(Debug, Clone, Default)]
pub struct CrlPoint {
    /// The names of the place.
    pub full_name: Vec<String>,
    /// Who issues the list, if not the issuer of the certificate.
    pub issuer: Vec<String>,
}

fn sequence_of_names(texts: &[String]) -> Result<Vec<u8>, Error> {
    Ok(asn1::join(&names::alternative_names(texts)?))
}

impl Wanted<'_> {
    /// As extensions.
    pub fn extensions(&self) -> Result<Extensions, Error> {
        let mut list = Extensions::default();
        let (texts, critical) = self.alternative_names;
        if !texts.is_empty() {
            list.add(
                ALTERNATIVE_NAME,
                critical,
                asn1::value(tag::SEQUENCE, &sequence_of_names(texts)?),
            );
        }
        let (usages, critical) = self.key_usage;
        if !usages.is_empty() {
            list.add(KEY_USAGE, critical, usage_bits(usages)?);
        }
        let (purposes, critical) = self.extended_key_usage;
        if !purposes.is_empty() {
            let oids: Vec<Vec<u8>> =
                purposes.iter().map(|p| purpose(p)).collect::<Result<_, _>>()?;
            list.add(EXTENDED_KEY_USAGE, critical, asn1::sequence(&oids));
        }
        let (constraints, critical) = self.basic_constraints;
        if !constraints.is_empty() {
            list.add(BASIC_CONSTRAINTS, critical, basic_constraints(constraints)?);
        }
        let (staple, critical) = self.must_staple;
        if staple {
            list.add(MUST_STAPLE, critical, asn1::sequence(&[asn1::unsigned(&[5])]));
        }
        if !self.permitted.is_empty() || !self.excluded.is_empty() {
            let subtrees = |number: u8, texts: &[String]| -> Result<Vec<u8>, Error> {
                if texts.is_empty() {
                    return Ok(Vec::new());
                }
                let trees: Vec<Vec<u8>> = texts
                    .iter()
                    .map(|text| Ok(asn1::sequence(&[names::general(text, true)?])))
                    .collect::<Result<_, Error>>()?;
                Ok(asn1::context(number, true, &asn1::join(&trees)))
            };
            let both = [subtrees(0, self.permitted)?, subtrees(1, self.excluded)?];
            list.add(NAME_CONSTRAINTS, self.constraints_critical, asn1::sequence(&both));
        }
        self.identifiers(&mut list)?;
        if !self.crl_points.is_empty() {
            let points = self.crl_points.iter().map(crl_point).collect::<Result<Vec<_>, _>>()?;
            list.add(CRL_POINTS, false, asn1::sequence(&points));
        }
        Ok(list)
    }

    fn identifiers(&self, list: &mut Extensions) -> Result<(), Error> {
        if let Some(id) = &self.subject_key {
            list.add_subject_key(id);
        }
        let (issuer, serial) = self.authority;
        if self.authority_key.is_none() && issuer.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        if let Some(id) = &self.authority_key {
            parts.push(asn1::context(0, false, id));
        }
        if !issuer.is_empty() {
            parts.push(asn1::context(1, true, &sequence_of_names(issuer)?));
        }
        if let Some(serial) = serial {
            let number = asn1::unsigned(&serial.to_be_bytes());
            parts.push(asn1::context(2, false, Reader::new(&number).next()?.content));
        }
        list.add(AUTHORITY_KEY, false, asn1::sequence(&parts));
        Ok(())
    }
}

fn crl_point(point: &CrlPoint) -> Result<Vec<u8>, Error> {
    let mut parts = Vec::new();
    if !point.full_name.is_empty() {
        let full = asn1::context(0, true, &sequence_of_names(&point.full_name)?);
        parts.push(asn1::context(0, true, &full));
    }
    if !point.issuer.is_empty() {
        parts.push(asn1::context(2, true, &sequence_of_names(&point.issuer)?));
    }
    Ok(asn1::sequence(&parts))
}

fn usage_bits(usages: &[String]) -> Result<Vec<u8>, Error> {
    let mut bits = [0u8; 2];
    let mut last = 0;
    for usage in usages {
        let place = USAGES
            .iter()
            .position(|names| names.contains(&usage.as_str()))
            .ok_or_else(|| Error::new(format!("Unknown key usage \"{usage}\"")))?;
        bits[place / 8] |= 0x80 >> (place % 8);
        last = last.max(place);
    }
    let unused = 7 - (last % 8) as u8;
    let content = asn1::join(&[&[unused], &bits[..=last / 8]]);
    Ok(asn1::value(tag::BIT_STRING, &content))
}

fn purpose(name: &str) -> Result<Vec<u8>, Error> {
    let known = PURPOSES.iter().find(|(names, _)| names.contains(&name));
    asn1::oid(known.map_or(name, |(_, oid)| oid))
        .map_err(|_| Error::new(format!("Cannot find an object identifier for `{name}`")))
}

fn basic_constraints(texts: &[String]) -> Result<Vec<u8>, Error> {
    let mut parts = Vec::new();
    let mut path_length = None;
    for text in texts {
        match text.to_ascii_lowercase().split_once(':') {
            Some(("ca", "true")) => parts.push(asn1::value(tag::BOOLEAN, &[0xff])),
            Some(("ca", "false")) => {}
            Some(("pathlen", digits)) if digits.parse::<u32>().is_ok() => {
                path_length = digits.parse::<u32>().ok();
            }
            _ => return Err(Error::new(format!("Unknown basic constraint \"{text}\""))),
        }
    }
    if let Some(length) = path_length {
        if parts.is_empty() {
            return Err(Error::new("pathlen needs CA:TRUE"));
        }
        parts.push(asn1::unsigned(&length.to_be_bytes()));
    }
    Ok(asn1::sequence(&parts))
}

impl Extensions {
    pub(crate) fn add(&mut self, oid: &str, is_critical: bool, value: Vec<u8>) {
        self.0.push(Extension { oid: oid.to_owned(), is_critical, value });
    }

    pub(crate) fn add_subject_key(&mut self, id: &[u8]) {
        self.add(SUBJECT_KEY, false, asn1::value(tag::OCTET_STRING, id));
    }

    pub(crate) fn get(&self, oid: &str) -> Option<&Extension> {
        self.0.iter().find(|extension| extension.oid == oid)
    }

    /// The identifier of the key that it is for.
    pub fn subject_key(&self) -> Option<Vec<u8>> {
        let extension = self.get(SUBJECT_KEY)?;
        Some(Reader::new(&extension.value).expect(tag::OCTET_STRING).ok()?.content.to_vec())
    }

    /// The alternative names as texts.
    pub fn alternative_names(&self) -> Vec<String> {
        let items = self
            .get(ALTERNATIVE_NAME)
            .and_then(|extension| Reader::new(&extension.value).next().ok()?.inside().all().ok());
        items.unwrap_or_default().into_iter().map(names::general_text).collect()
    }

    /// What the key may be used for, with whether that is critical.
    pub fn key_usage(&self) -> Option<(Vec<&'static str>, bool)> {
        let extension = self.get(KEY_USAGE)?;
        let content = Reader::new(&extension.value).expect(tag::BIT_STRING).ok()?.content;
        let bits = content.get(1..)?;
        let is_set =
            |place: usize| bits.get(place / 8).is_some_and(|b| b & (0x80 >> (place % 8)) != 0);
        let names = USAGES.iter().enumerate().filter(|(place, _)| is_set(*place));
        Some((names.map(|(_, names)| names[1]).collect(), extension.is_critical))
    }

    /// What programs may use the key for, by long name or identifier.
    pub fn purposes(&self) -> Option<(Vec<String>, bool)> {
        let extension = self.get(EXTENDED_KEY_USAGE)?;
        let items = Reader::new(&extension.value).next().ok()?.inside().all().ok()?;
        let name = |item: &Item<'_>| {
            let oid = asn1::dotted(item.content);
            let known = PURPOSES.iter().find(|(_, known)| *known == oid);
            known.map_or(oid, |(names, _)| names[names.len() - 1].to_owned())
        };
        Some((items.iter().map(name).collect(), extension.is_critical))
    }

    /// `CA:TRUE` and its like.
    pub fn basic_constraints(&self) -> Option<(Vec<String>, bool)> {
        let extension = self.get(BASIC_CONSTRAINTS)?;
        let mut reader = Reader::new(&extension.value).expect(tag::SEQUENCE).ok()?.inside();
        let ca = reader.optional(tag::BOOLEAN).ok()?.is_some_and(|item| item.content != [0]);
        let mut texts = vec![format!("CA:{}", if ca { "TRUE" } else { "FALSE" })];
        if let Some(length) = reader.optional(tag::INTEGER).ok()? {
            let length = length.content.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            texts.push(format!("pathlen:{length}"));
        }
        Some((texts, extension.is_critical))
    }

    /// Whether a server must staple.
    pub fn must_staple(&self) -> Option<bool> {
        self.get(MUST_STAPLE).map(|extension| extension.is_critical)
    }

    /// The identifier of the authority's key.
    pub fn authority_key(&self) -> Option<Vec<u8>> {
        let extension = self.get(AUTHORITY_KEY)?;
        let mut reader = Reader::new(&extension.value).expect(tag::SEQUENCE).ok()?.inside();
        Some(reader.optional(0x80).ok()??.content.to_vec())
    }

    /// The same extensions, whatever their order and that of the names and purposes in them.
    pub fn is_like(&self, other: &Self) -> bool {
        self.comparable(|_| true) == other.comparable(|_| true)
    }

    /// The same, without those that an authority sets itself.
    pub(crate) fn is_like_apart_from(&self, other: &Self, left_out: &[&str]) -> bool {
        let counts = |oid: &str| !left_out.contains(&oid);
        self.comparable(counts) == other.comparable(counts)
    }

    fn comparable(&self, counts: impl Fn(&str) -> bool) -> Vec<(String, bool, Vec<Vec<u8>>)> {
        let mut list: Vec<_> = self
            .0
            .iter()
            .filter(|extension| counts(&extension.oid))
            .map(|extension| {
                let is_list =
                    [ALTERNATIVE_NAME, EXTENDED_KEY_USAGE].contains(&extension.oid.as_str());
                let items = is_list
                    .then(|| Reader::new(&extension.value).next().ok()?.inside().all().ok())
                    .flatten();
                let mut parts: Vec<Vec<u8>> = match items {
                    Some(items) => items.iter().map(|item| item.whole.to_vec()).collect(),
                    None => vec![extension.value.clone()],
                };
                parts.sort();
                parts.dedup();
                (extension.oid.clone(), extension.is_critical, parts)
            })
            .collect();
        list.sort();
        list
    }

    /// The encoded sequence.
    pub(crate) fn der(&self) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = self
            .0
            .iter()
            .map(|extension| {
                let mut parts = vec![asn1::oid(&extension.oid).expect("it was read or looked up")];
                if extension.is_critical {
                    parts.push(asn1::value(tag::BOOLEAN, &[0xff]));
                }
                parts.push(asn1::value(tag::OCTET_STRING, &extension.value));
                asn1::sequence(&parts)
            })
            .collect();
        asn1::sequence(&parts)
    }

    pub(crate) fn of_item(item: Item<'_>) -> Result<Self, Error> {
        let mut list = Self::default();
        for extension in item.inside().all()? {
            let mut reader = extension.inside();
            let oid = asn1::dotted(reader.expect(tag::OID)?.content);
            let critical = reader.optional(tag::BOOLEAN)?.is_some_and(|item| item.content != [0]);
            list.add(&oid, critical, reader.expect(tag::OCTET_STRING)?.content.to_vec());
        }
        Ok(list)
    }
}
