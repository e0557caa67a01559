//! Certificates: issued and read.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::asn1::{self, Item, Reader, tag};
use crate::extension::{AUTHORITY_KEY, Extensions, SUBJECT_KEY};
use crate::key::{Key, PublicKey};
use crate::names::Name;
use crate::request::Request;
use crate::signing::{self, Hash};
use crate::{Error, pem};

/// A certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: Name,
    /// Who signed it.
    pub issuer: Name,
    /// The certified key.
    pub key: PublicKey,
    /// What it says besides.
    pub extensions: Extensions,
    /// When it begins to hold.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// The digits of its number.
    pub serial: Vec<u8>,
    /// 1 to 3.
    pub version: u8,
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    der: Vec<u8>,
}

/// How a certificate is issued.
pub struct Issuing<'a> {
    /// The key that signs.
    pub key: &'a Key,
    /// The authority; `None`: the certificate is its own.
    pub authority: Option<&'a Certificate>,
    /// The digest.
    pub hash: Hash,
    /// When it begins to hold.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Make the identifier of the key even if the request has one (`Some(true)`), or if it has none (`None`).
    pub subject_key: Option<bool>,
    /// Name the authority's key.
    pub names_authority_key: bool,
}

impl Issuing<'_> {
    /// The extensions of a certificate for a request.
    fn extensions(&self, request: &Request) -> Extensions {
        let mut list = request.extensions.clone();
        let replaces = self.subject_key == Some(true);
        if replaces {
            list.0.retain(|extension| extension.oid != SUBJECT_KEY);
        }
        if self.subject_key != Some(false) && list.get(SUBJECT_KEY).is_none() {
            list.add_subject_key(&request.key.identifier());
        }
        if let Some(authority) = self.authority.filter(|_| self.names_authority_key) {
            list.0.retain(|extension| extension.oid != AUTHORITY_KEY);
            let id = authority.extensions.subject_key();
            let id = id.unwrap_or_else(|| authority.key.identifier());
            list.add(AUTHORITY_KEY, false, asn1::sequence(&[asn1::context(0, false, &id)]));
        }
        list
    }

    /// Signs.
    pub fn issue(&self, request: &Request) -> Result<Certificate, Error> {
        let mut serial: [u8; 20] = rand::random();
        serial[0] &= 0x7f;
        serial[0] |= 0x40;
        let issuer = self.authority.map_or(&request.subject, |authority| &authority.subject);
        let algorithm = signing::algorithm(self.key, self.hash)?;
        let extensions = self.extensions(request);
        let times = asn1::sequence(&[time(self.not_before), time(self.not_after)]);
        let signed = asn1::sequence(&[
            asn1::context(0, true, &asn1::unsigned(&[2])),
            asn1::unsigned(&serial),
            algorithm.clone(),
            issuer.der(),
            times,
            request.subject.der(),
            request.key.der().to_vec(),
            asn1::context(3, true, &extensions.der()),
        ]);
        let signature = asn1::bits(&signing::sign(self.key, self.hash, &signed)?);
        let der = asn1::sequence(&[signed, algorithm, signature]);
        Certificate::of_der(&der)
    }

    /// Whether a certificate is what would be issued for a request, but for its times and number.
    pub fn matches(&self, certificate: &Certificate, request: &Request) -> bool {
        let issuer = self.authority.map_or(&request.subject, |authority| &authority.subject);
        let left_out: &[&str] = match self.subject_key {
            // What is made by itself may have been made in another way.
            None if request.extensions.get(SUBJECT_KEY).is_none() => &[SUBJECT_KEY],
            _ => &[],
        };
        certificate.key == request.key
            && certificate.subject == request.subject
            && certificate.issuer == *issuer
            && certificate.is_signed_by(&self.key.public())
            && certificate.extensions.is_like_apart_from(&self.extensions(request), left_out)
    }
}

fn time(at: Timestamp) -> Vec<u8> {
    let at = at.to_zoned(TimeZone::UTC);
    if (1950..2050).contains(&at.year()) {
        asn1::value(tag::UTC_TIME, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        asn1::value(tag::GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

fn time_of(item: Item<'_>) -> Result<Timestamp, Error> {
    let text = String::from_utf8_lossy(item.content).into_owned();
    let text = match (item.tag, text.get(..2)) {
        (tag::UTC_TIME, Some(year)) if year < "50" => format!("20{text}"),
        (tag::UTC_TIME, _) => format!("19{text}"),
        _ => text,
    };
    absolute(&text).ok_or_else(|| Error::new(format!("`{text}` is no time")))
}

fn absolute(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text)
        .or_else(|_| DateTime::strptime("%Y%m%d%H%MZ", text))
        .ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A time as people write it: `+3650d`, `-1h30m`, `20301231235959Z`.
pub fn days_from(now: Timestamp, text: &str) -> Result<Timestamp, Error> {
    let odd = || Error::new(format!("The time spec \"{text}\" is invalid"));
    let (is_back, spec) = match text.as_bytes().first() {
        Some(b'+') => (false, &text[1..]),
        Some(b'-') => (true, &text[1..]),
        _ => return absolute(text).ok_or_else(odd),
    };
    let mut seconds: i64 = 0;
    let mut digits = String::new();
    for letter in spec.chars() {
        let factor = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            'w' => 604_800,
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(odd()),
        };
        let count: i64 = digits.parse().map_err(|_| odd())?;
        digits.clear();
        seconds = count.checked_mul(factor).and_then(|s| s.checked_add(seconds)).ok_or_else(odd)?;
    }
    if !digits.is_empty() || spec.is_empty() {
        return Err(odd());
    }
    let whole = Timestamp::from_second(now.as_second()).map_err(|_| odd())?;
    let span = jiff::SignedDuration::from_secs(if is_back { -seconds } else { seconds });
    whole.checked_add(span).map_err(|_| odd())
}

impl Certificate {
    /// From a text.
    pub fn read(content: &[u8]) -> Result<Self, Error> {
        let is_certificate = |label: &str| label.ends_with("CERTIFICATE");
        let block = pem::find(content, is_certificate)
            .ok_or_else(|| Error::new("it is no certificate in PEM"))?;
        Self::of_der(&block.content)
    }

    /// From its encoding.
    pub fn of_der(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(der).expect(tag::SEQUENCE)?.inside();
        let signed = outer.expect(tag::SEQUENCE)?;
        let algorithm = outer.expect(tag::SEQUENCE)?.whole.to_vec();
        let signature = outer.expect(tag::BIT_STRING)?.content.get(1..).unwrap_or_default();
        let mut reader = signed.inside();
        let version = reader.optional(0xa0)?;
        let version = version.and_then(|item| item.content.last().copied()).unwrap_or(0);
        let serial = reader.expect(tag::INTEGER)?.content.to_vec();
        reader.expect(tag::SEQUENCE)?;
        let issuer = Name::of_item(reader.expect(tag::SEQUENCE)?)?;
        let mut times = reader.expect(tag::SEQUENCE)?.inside();
        let subject = Name::of_item(reader.expect(tag::SEQUENCE)?)?;
        let key = PublicKey::of_der(reader.expect(tag::SEQUENCE)?.whole);
        reader.optional(0x81)?;
        reader.optional(0x82)?;
        let extensions = match reader.optional(0xa3)? {
            Some(item) => Extensions::of_item(item.inside().expect(tag::SEQUENCE)?)?,
            None => Extensions::default(),
        };
        Ok(Self {
            subject,
            issuer,
            key,
            extensions,
            not_before: time_of(times.next()?)?,
            not_after: time_of(times.next()?)?,
            serial,
            version: version.saturating_add(1),
            signed: signed.whole.to_vec(),
            algorithm,
            signature: signature.to_vec(),
            der: der.to_vec(),
        })
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        signing::verifies(key, &self.algorithm, &self.signed, &self.signature)
    }

    /// The digest that was signed.
    pub fn hash(&self) -> Option<Hash> {
        signing::hash_of(&self.algorithm)
    }

    /// Its encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As a text.
    pub fn pem(&self) -> String {
        pem::armour("CERTIFICATE", &self.der)
    }
}
