//! Methods of bytes: the few that make sense in a template.

use crate::args::Args;
use crate::error::Error;
use crate::value::Value;

pub(super) const NAMES: &[&str] = &["decode", "hex"];

pub(super) fn call(content: &[u8], name: &str, args: &mut Args) -> Result<Value, Error> {
    if name == "hex" {
        return Ok(hex::encode(content).into());
    }
    let encoding = args.text("encoding")?.unwrap_or_else(|| "utf-8".into());
    let errors = args.text("errors")?.unwrap_or_else(|| "strict".into());
    decode(content, &encoding, &errors).map(Value::from)
}

/// Bytes as text.
pub(crate) fn decode(content: &[u8], encoding: &str, errors: &str) -> Result<String, Error> {
    match encoding.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" | "ascii" | "us-ascii" => match std::str::from_utf8(content) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) if errors != "strict" => Ok(String::from_utf8_lossy(content).into_owned()),
            Err(error) => Err(Error::value_error(format!(
                "'utf-8' codec can't decode byte 0x{:02x} in position {}: invalid start byte",
                content[error.valid_up_to()],
                error.valid_up_to()
            ))),
        },
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => {
            Ok(content.iter().copied().map(char::from).collect())
        }
        "utf-16-le" | "utf-16le" => {
            let pairs = content.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            char::decode_utf16(pairs)
                .collect::<Result<String, _>>()
                .map_err(|_| Error::value_error("'utf-16-le' codec can't decode these bytes"))
        }
        _ => Err(Error::value_error(format!("unknown encoding: {encoding}"))),
    }
}

/// Text as bytes.
pub(crate) fn encode(text: &str, encoding: &str) -> Result<Vec<u8>, Error> {
    match encoding.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" => Ok(text.as_bytes().to_vec()),
        "ascii" | "us-ascii" if text.is_ascii() => Ok(text.as_bytes().to_vec()),
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1"
            if text.chars().all(|letter| (letter as u32) < 256) =>
        {
            Ok(text.chars().map(|letter| letter as u8).collect())
        }
        "utf-16-le" | "utf-16le" => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "ascii" | "us-ascii" | "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => {
            Err(Error::value_error(format!(
                "'{encoding}' codec can't encode all characters of this text"
            )))
        }
        _ => Err(Error::value_error(format!("unknown encoding: {encoding}"))),
    }
}
