//! Names: distinguished ones, and the general ones of alternative names and constraints.

use std::net::IpAddr;

use crate::asn1::{self, Item, Reader, tag};
use crate::{Error, pem};

/// Attributes of distinguished names: what people call them, and what they are.
const ATTRIBUTES: &[(&[&str], &str)] = &[
    (&["CN", "commonName"], "2.5.4.3"),
    (&["C", "countryName"], "2.5.4.6"),
    (&["ST", "stateOrProvinceName"], "2.5.4.8"),
    (&["L", "localityName"], "2.5.4.7"),
    (&["O", "organizationName"], "2.5.4.10"),
    (&["OU", "organizationalUnitName"], "2.5.4.11"),
    (&["emailAddress", "E", "Email"], EMAIL),
    (&["serialNumber"], "2.5.4.5"),
    (&["SN", "surname"], "2.5.4.4"),
    (&["GN", "givenName"], "2.5.4.42"),
    (&["initials"], "2.5.4.43"),
    (&["title"], "2.5.4.12"),
    (&["street", "streetAddress"], "2.5.4.9"),
    (&["postalCode"], "2.5.4.17"),
    (&["postalAddress"], "2.5.4.16"),
    (&["description"], "2.5.4.13"),
    (&["businessCategory"], "2.5.4.15"),
    (&["dnQualifier"], "2.5.4.46"),
    (&["generationQualifier"], "2.5.4.44"),
    (&["pseudonym"], "2.5.4.65"),
    (&["organizationIdentifier"], "2.5.4.97"),
    (&["UID", "userId"], "0.9.2342.19200300.100.1.1"),
    (&["DC", "domainComponent"], DOMAIN),
];
const EMAIL: &str = "1.2.840.113549.1.9.1";
const DOMAIN: &str = "0.9.2342.19200300.100.1.25";
const COUNTRY: &str = "2.5.4.6";
const SERIAL: &str = "2.5.4.5";

/// A distinguished name: attributes by identifier, in order.
#[derive(Debug, Clone, Default)]
pub struct Name {
    pairs: Vec<(String, String)>,
    /// As it was read: others compare issuers byte by byte.
    der: Option<Vec<u8>>,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.pairs == other.pairs
    }
}

impl Eq for Name {}

impl Name {
    /// A name from attributes as people call them.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut name = Self::default();
        for (key, text) in pairs {
            let oid = oid_of(key).ok_or_else(|| {
                Error::new(format!("Cannot find an object identifier for `{key}`"))
            })?;
            if oid == COUNTRY && text.chars().count() != 2 {
                return Err(Error::new(format!(
                    "Country name must be a 2 character country code, not `{text}`"
                )));
            }
            if text.is_empty() {
                return Err(Error::new(format!("the value of `{key}` is empty")));
            }
            name.pairs.push((oid, text.to_owned()));
        }
        Ok(name)
    }

    /// The attributes with their long names.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.pairs.iter().map(|(oid, text)| (long_name(oid), text.clone())).collect()
    }

    /// The same attributes, whatever their order.
    pub fn is_like(&self, other: &Self) -> bool {
        let sorted = |name: &Self| {
            let mut pairs = name.pairs.clone();
            pairs.sort();
            pairs
        };
        sorted(self) == sorted(other)
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        if let Some(der) = &self.der {
            return der.clone();
        }
        let parts: Vec<Vec<u8>> = self
            .pairs
            .iter()
            .map(|(oid, text)| {
                let kind = match oid.as_str() {
                    EMAIL | DOMAIN => tag::IA5,
                    COUNTRY | SERIAL => tag::PRINTABLE,
                    _ => tag::UTF8,
                };
                let oid = asn1::oid(oid).expect("it was read or looked up");
                asn1::set(vec![asn1::sequence(&[oid, asn1::value(kind, text.as_bytes())])])
            })
            .collect();
        asn1::sequence(&parts)
    }

    pub(crate) fn of_item(item: Item<'_>) -> Result<Self, Error> {
        let mut name = Self { pairs: Vec::new(), der: Some(item.whole.to_vec()) };
        for set in item.inside().all()? {
            for pair in set.inside().all()? {
                let mut pair = pair.inside();
                let oid = asn1::dotted(pair.expect(tag::OID)?.content);
                let text = String::from_utf8_lossy(pair.next()?.content).into_owned();
                name.pairs.push((oid, text));
            }
        }
        Ok(name)
    }
}

fn oid_of(key: &str) -> Option<String> {
    let known = ATTRIBUTES.iter().find(|(names, _)| names.contains(&key));
    known
        .map(|(_, oid)| (*oid).to_owned())
        .or_else(|| asn1::oid(key).is_ok().then(|| key.to_owned()))
}

fn long_name(oid: &str) -> String {
    let known = ATTRIBUTES.iter().find(|(_, known)| *known == oid);
    known
        .map_or(oid, |(names, _)| {
            let long = names.iter().find(|name| name.len() > 3 || names.len() == 1);
            long.copied().unwrap_or(oid)
        })
        .to_owned()
}

/// General names as they stand after each other, from texts such as `DNS:example.com`.
pub fn alternative_names(texts: &[String]) -> Result<Vec<Vec<u8>>, Error> {
    texts.iter().map(|text| general(text, false)).collect()
}

/// One general name. `is_range`: an address is a network, as constraints have it.
pub(crate) fn general(text: &str, is_range: bool) -> Result<Vec<u8>, Error> {
    let odd = || {
        Error::new(format!(
            "Cannot parse Subject Alternative Name \"{text}\" (potentially unsupported by cryptography backend)"
        ))
    };
    let (kind, rest) = text.split_once(':').ok_or_else(odd)?;
    let ascii = || rest.is_ascii().then_some(rest.as_bytes()).ok_or_else(odd);
    Ok(match kind {
        "email" => asn1::context(1, false, ascii()?),
        "DNS" => asn1::context(2, false, ascii()?),
        "dirName" => asn1::context(4, true, &directory(rest).ok_or_else(odd)?.der()),
        "URI" => asn1::context(6, false, ascii()?),
        "IP" if is_range => asn1::context(7, false, &network(rest).ok_or_else(odd)?),
        "IP" => asn1::context(7, false, &address(rest).ok_or_else(odd)?),
        "RID" => {
            let oid = asn1::oid(rest)?;
            asn1::context(8, false, Reader::new(&oid).next()?.content)
        }
        "otherName" => {
            let (oid, content) = rest.split_once(';').ok_or_else(odd)?;
            let value = match content.split_once(':') {
                Some(("UTF8", text)) => asn1::value(tag::UTF8, text.as_bytes()),
                Some(("IA5", text)) => asn1::value(tag::IA5, text.as_bytes()),
                Some((_, _)) => pem::bytes_of(&content.replace(':', "")).ok_or_else(odd)?,
                None => pem::bytes_of(content).ok_or_else(odd)?,
            };
            let content = asn1::join(&[asn1::oid(oid)?, asn1::context(0, true, &value)]);
            asn1::context(0, true, &content)
        }
        _ => return Err(odd()),
    })
}

/// A general name as a text.
pub(crate) fn general_text(item: Item<'_>) -> String {
    let text = String::from_utf8_lossy(item.content).into_owned();
    match item.tag {
        0x81 => format!("email:{text}"),
        0x82 => format!("DNS:{text}"),
        0x86 => format!("URI:{text}"),
        0x87 => format!("IP:{}", address_text(item.content)),
        0x88 => format!("RID:{}", asn1::dotted(item.content)),
        0xa4 => {
            let name = item.inside().next().and_then(Name::of_item).unwrap_or_default();
            let pairs = name.pairs.iter().rev().map(|(oid, text)| {
                let known = ATTRIBUTES.iter().find(|(_, known)| known == oid);
                format!("{}={text}", known.map_or(oid.as_str(), |(names, _)| names[0]))
            });
            format!("dirName:{}", pairs.collect::<Vec<_>>().join(","))
        }
        0xa0 => {
            let mut inside = item.inside();
            let oid = inside.expect(tag::OID).map(|oid| asn1::dotted(oid.content));
            let value = inside.next().map(|value| value.content).unwrap_or_default();
            let digits: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("otherName:{};{}", oid.unwrap_or_default(), digits.join(":"))
        }
        other => format!("unknown {other}"),
    }
}

fn directory(text: &str) -> Option<Name> {
    let separator = text.chars().next().filter(|c| !c.is_alphanumeric() && *c != ' ');
    let body = separator.map_or(text, |c| &text[c.len_utf8()..]);
    let mut pairs = Vec::new();
    for part in body.split(separator.unwrap_or(',')) {
        let (key, value) = part.split_once('=')?;
        pairs.push((key.trim(), value.trim()));
    }
    // As LDAP writes names (RFC 4514): the last one first.
    pairs.reverse();
    Name::of(pairs).ok()
}

fn address(text: &str) -> Option<Vec<u8>> {
    Some(match text.trim().parse().ok()? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}

fn network(text: &str) -> Option<Vec<u8>> {
    let (start, length) = text.split_once('/')?;
    let bytes = address(start)?;
    let length: usize = length.parse().ok().filter(|length| *length <= bytes.len() * 8)?;
    let mask = (0..bytes.len()).map(|place| match length.saturating_sub(place * 8) {
        0 => 0,
        count @ 1..8 => 0xffu8 << (8 - count),
        _ => 0xff,
    });
    Some(bytes.iter().copied().chain(mask).collect())
}

fn address_text(bytes: &[u8]) -> String {
    let one = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| IpAddr::from(b).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|b| IpAddr::from(b).to_string()),
        _ => None,
    };
    match bytes.len() {
        8 | 32 => {
            let (start, mask) = bytes.split_at(bytes.len() / 2);
            let length: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
            format!("{}/{length}", one(start).unwrap_or_default())
        }
        _ => one(bytes).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_names_go_both_ways() {
        for text in [
            "DNS:a.example.com",
            "IP:10.1.2.3",
            "IP:2001:db8::1",
            "email:a@b.c",
            "URI:https://x/y",
            "RID:1.2.3.4",
            "dirName:CN=a,O=b",
        ] {
            let bytes = general(text, false).unwrap();
            assert_eq!(general_text(Reader::new(&bytes).next().unwrap()), text);
        }
        let bytes = general("IP:10.0.0.0/8", true).unwrap();
        assert_eq!(general_text(Reader::new(&bytes).next().unwrap()), "IP:10.0.0.0/8");
    }

    #[test]
    fn odd_names_are_refused() {
        for text in ["example.com", "IP:1.2.3", "DNS:bücher", "RID:x", "X:y", "otherName:1.2.3"] {
            assert!(general(text, false).is_err(), "{text}");
        }
        assert!(Name::of([("C", "Germany")]).is_err());
        assert!(Name::of([("nonsense", "x")]).is_err());
    }
}
