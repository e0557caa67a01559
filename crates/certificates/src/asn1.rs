//! DER, as much as keys, requests and certificates need: a writer of values and a bounded reader. It knows no formats.

use crate::Error;

/// Tags that formats name.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 1;
    pub(crate) const INTEGER: u8 = 2;
    pub(crate) const BIT_STRING: u8 = 3;
    pub(crate) const OCTET_STRING: u8 = 4;
    pub(crate) const NULL: u8 = 5;
    pub(crate) const OID: u8 = 6;
    pub(crate) const UTF8: u8 = 12;
    pub(crate) const PRINTABLE: u8 = 19;
    pub(crate) const IA5: u8 = 22;
    pub(crate) const UTC_TIME: u8 = 23;
    pub(crate) const GENERALIZED_TIME: u8 = 24;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// A value with its tag and length.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len();
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let digits: Vec<u8> =
            length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        bytes.push(0x80 | digits.len() as u8);
        bytes.extend(digits);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A sequence of values that are encoded already.
pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    value(tag::SEQUENCE, &join(parts))
}

/// Values after each other.
pub(crate) fn join<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.as_ref().iter().copied()).collect()
}

/// A set, in the order that DER wants.
pub(crate) fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    value(tag::SET, &join(&parts))
}

/// A tag of the context, with structure or without.
pub(crate) fn context(number: u8, is_constructed: bool, content: &[u8]) -> Vec<u8> {
    value(0x80 | number | if is_constructed { 0x20 } else { 0 }, content)
}

/// An integer that is not negative, from its big-endian digits.
pub(crate) fn unsigned(digits: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = digits.iter().copied().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|byte| byte & 0x80 != 0) {
        content.insert(0, 0);
    }
    value(tag::INTEGER, &content)
}

/// Whole bytes as a bit string.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    value(tag::BIT_STRING, &join(&[&[0], bytes]))
}

/// An object identifier, from `1.2.840.10045.2.1`.
pub(crate) fn oid(dotted: &str) -> Result<Vec<u8>, Error> {
    let odd = || Error::new(format!("`{dotted}` is no object identifier"));
    let arcs: Vec<u64> =
        dotted.split('.').map(|arc| arc.parse().map_err(|_| odd())).collect::<Result<_, _>>()?;
    let [first, second, rest @ ..] = arcs.as_slice() else { return Err(odd()) };
    if *first > 2 || (*first < 2 && *second > 39) || *second > u64::MAX - 80 {
        return Err(odd());
    }
    let mut content = Vec::new();
    for arc in std::iter::once(first * 40 + second).chain(rest.iter().copied()) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut left = arc >> 7;
        while left > 0 {
            groups.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        content.extend(groups.into_iter().rev());
    }
    Ok(value(tag::OID, &content))
}

/// The dotted form of an object identifier's content.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc: u64 = 0;
    for byte in content {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc - first * 40]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// One value that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    /// Its tag.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// All of it, with tag and length.
    pub whole: &'a [u8],
}

impl<'a> Item<'a> {
    /// The values in it.
    pub(crate) fn inside(self) -> Reader<'a> {
        Reader { rest: self.content }
    }
}

/// Reads values one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value, whatever it is.
    pub(crate) fn next(&mut self) -> Result<Item<'a>, Error> {
        let cut = || Error::new("the DER encoding is cut short or broken");
        let (tag, first) = match self.rest {
            [tag, first, ..] if tag & 0x1f != 0x1f => (*tag, *first),
            _ => return Err(cut()),
        };
        let (length, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let count = usize::from(first & 0x7f);
            let digits = self.rest.get(2..2 + count).filter(|_| (1..=4).contains(&count));
            let length =
                digits.ok_or_else(cut)?.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
            (length, 2 + count)
        };
        let whole = self.rest.get(..header + length).ok_or_else(cut)?;
        self.rest = &self.rest[header + length..];
        Ok(Item { tag, content: &whole[header..], whole })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Item<'a>, Error> {
        let item = self.next()?;
        if item.tag == tag {
            Ok(item)
        } else {
            Err(Error::new(format!("the DER encoding has tag {} in place of {tag}", item.tag)))
        }
    }

    /// The next value, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Item<'a>>, Error> {
        if self.rest.first() == Some(&tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// What is left.
    pub(crate) fn all(mut self) -> Result<Vec<Item<'a>>, Error> {
        let mut items = Vec::new();
        while !self.is_empty() {
            items.push(self.next()?);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_both_ways() {
        for dotted_form in
            ["1.2.840.10045.2.1", "2.5.29.17", "2.999.3", "0.9.2342.19200300.100.1.25"]
        {
            let bytes = oid(dotted_form).unwrap();
            assert_eq!(dotted(Reader::new(&bytes).next().unwrap().content), dotted_form);
        }
        for odd in ["", "1", "3.1", "1.40", "a.b", "1..2"] {
            assert!(oid(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_broken_length_is_an_error() {
        for bytes in [
            &[0x30][..],
            &[0x30, 5, 1],
            &[0x30, 0x84, 255, 255, 255, 255],
            &[0x30, 0x80],
            &[0x1f, 1, 1],
        ] {
            assert!(Reader::new(bytes).next().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn long_values_have_long_lengths() {
        let bytes = value(tag::OCTET_STRING, &[7; 300]);
        assert_eq!(&bytes[..4], [4, 0x82, 1, 44]);
        assert_eq!(Reader::new(&bytes).next().unwrap().content.len(), 300);
    }
}
