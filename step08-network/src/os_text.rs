//! Names and paths in a JSON document. Linux lets them hold any bytes and JSON does not: one that is no text is written as a
//! list of its bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

pub fn serialize<S: Serializer>(name: &impl AsRef<OsStr>, to: S) -> Result<S::Ok, S::Error> {
    let name = name.as_ref();
    let written = name
        .to_str()
        .map_or_else(|| Written::Bytes(name.as_bytes().to_vec()), |text| Written::Text(text.into()));
    written.serialize(to)
}

pub fn deserialize<'de, T: From<OsString>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(match Written::deserialize(from)? {
        Written::Text(text) => OsString::from(text),
        Written::Bytes(bytes) => OsString::from_vec(bytes),
    }
    .into())
}
