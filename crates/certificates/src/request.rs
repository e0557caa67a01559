//! Signing requests (PKCS#10).

use crate::asn1::{self, Reader, tag};
use crate::extension::Extensions;
use crate::key::{Key, PublicKey};
use crate::names::Name;
use crate::signing::{self, Hash};
use crate::{Error, pem};

const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";

/// A signing request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whom the certificate shall be for.
    pub subject: Name,
    /// The key that it shall certify.
    pub key: PublicKey,
    /// What it shall say besides.
    pub extensions: Extensions,
    /// Whether the key's owner signed it.
    pub is_signed: bool,
    der: Vec<u8>,
}

impl Request {
    /// A new one, signed.
    pub fn make(
        subject: Name,
        extensions: Extensions,
        key: &Key,
        hash: Hash,
    ) -> Result<Self, Error> {
        let public = key.public();
        let attributes = if extensions.0.is_empty() {
            Vec::new()
        } else {
            let value = asn1::set(vec![extensions.der()]);
            asn1::sequence(&[asn1::oid(EXTENSION_REQUEST)?, value])
        };
        let info = asn1::sequence(&[
            asn1::unsigned(&[0]),
            subject.der(),
            public.der().to_vec(),
            asn1::context(0, true, &attributes),
        ]);
        let signature = asn1::bits(&signing::sign(key, hash, &info)?);
        let der = asn1::sequence(&[info, signing::algorithm(key, hash)?, signature]);
        Ok(Self { subject, key: public, extensions, is_signed: true, der })
    }

    /// From a text.
    pub fn read(content: &[u8]) -> Result<Self, Error> {
        let is_request = |label: &str| label.ends_with("CERTIFICATE REQUEST");
        let block = pem::find(content, is_request)
            .ok_or_else(|| Error::new("it is no certificate signing request in PEM"))?;
        let mut outer = Reader::new(&block.content).expect(tag::SEQUENCE)?.inside();
        let info = outer.expect(tag::SEQUENCE)?;
        let algorithm = outer.expect(tag::SEQUENCE)?.whole;
        let signature = outer.expect(tag::BIT_STRING)?.content.get(1..).unwrap_or_default();
        let mut reader = info.inside();
        reader.expect(tag::INTEGER)?;
        let subject = Name::of_item(reader.expect(tag::SEQUENCE)?)?;
        let key = PublicKey::of_der(reader.expect(tag::SEQUENCE)?.whole);
        let mut extensions = Extensions::default();
        if let Some(attributes) = reader.optional(0xa0)? {
            for attribute in attributes.inside().all()? {
                let mut attribute = attribute.inside();
                if asn1::dotted(attribute.expect(tag::OID)?.content) == EXTENSION_REQUEST {
                    let list = attribute.expect(tag::SET)?.inside().expect(tag::SEQUENCE)?;
                    extensions = Extensions::of_item(list)?;
                }
            }
        }
        let is_signed = signing::verifies(&key, algorithm, info.whole, signature);
        Ok(Self { subject, key, extensions, is_signed, der: block.content })
    }

    /// As a text.
    pub fn pem(&self) -> String {
        pem::armour("CERTIFICATE REQUEST", &self.der)
    }
}
