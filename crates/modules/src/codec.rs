//! Texts in other encodings than UTF-8.

use encoding_rs::Encoding;

use crate::contract::Failure;

/// The encoding of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec(&'static Encoding);

impl Codec {
    /// By one of the names that Python knows; `None`: no such encoding.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('_', "-");
        let label = match name.as_str() {
            "utf8" | "u8" | "utf-8-sig" => "utf-8",
            "latin-1" | "latin" | "l1" | "iso8859-1" | "8859" => "iso-8859-1",
            "ascii" | "us-ascii" | "646" => "us-ascii",
            "cp932" | "ms932" => "shift_jis",
            "cp936" | "ms936" => "gbk",
            "cp949" => "euc-kr",
            "cp950" | "big5-tw" => "big5",
            "utf-16" | "u16" => "utf-16le",
            other => other,
        };
        let label = match label.strip_prefix("cp125") {
            Some(digit) => format!("windows-125{digit}"),
            None => label.to_owned(),
        };
        Encoding::for_label(label.as_bytes()).map(Self)
    }

    /// That of an argument `encoding`.
    pub(crate) fn of_argument(name: &str) -> Result<Self, Failure> {
        Self::named(name).ok_or_else(|| Failure::new(format!("unknown encoding: {name}")))
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.0 == encoding_rs::UTF_8
    }

    /// The text; `None`: the bytes are not in this encoding.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<String> {
        self.0.decode_without_bom_handling_and_without_replacement(bytes).map(Into::into)
    }

    /// The bytes of a text; `None`: the encoding lacks a letter.
    pub(crate) fn encode(self, text: &str) -> Option<Vec<u8>> {
        // The library reads UTF-16 and never writes it.
        if self.0 == encoding_rs::UTF_16LE {
            return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
        if self.0 == encoding_rs::UTF_16BE {
            return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        }
        let (bytes, _, lacks) = self.0.encode(text);
        (!lacks).then(|| bytes.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_the_way_there_and_back() {
        for (name, text, first) in [
            ("utf-8", "é", 0xc3),
            ("latin-1", "é", 0xe9),
            ("gbk", "你", 0xc4),
            ("CP1252", "€", 0x80),
            ("utf_16", "é", 0xe9),
        ] {
            let codec = Codec::named(name).expect("known");
            let bytes = codec.encode(text).expect("it has the letter");
            assert_eq!((bytes[0], codec.decode(&bytes).as_deref()), (first, Some(text)), "{name}");
        }
        assert!(Codec::named("nosuch").is_none());
        assert!(Codec::named("utf-8").expect("known").decode(b"\xff").is_none());
        assert!(Codec::named("latin-1").expect("known").encode("你").is_none());
    }
}
