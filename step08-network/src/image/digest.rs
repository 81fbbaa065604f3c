//! Digests: names for content that nothing else can have, and by which whoever receives it sees that it is whole.

use anyhow::{Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};

/// What a digest is written with before its digits. The OCI image specification allows others; no tool uses them.
const ALGORITHM: &str = "sha256:";

/// A SHA-256 sum, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes that are in memory.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::finished(Sha256::new_with_prefix(bytes))
    }

    /// Reads a digest as documents have it.
    pub fn parse(text: &str) -> Result<Digest> {
        match text.strip_prefix(ALGORITHM) {
            Some(digits) => Digest::from_hex(digits),
            None => bail!("digest {text:?}: it does not start with sha256:, the one kind that is known here"),
        }
    }

    /// Reads a digest as file names have it: its digits alone.
    pub fn from_hex(digits: &str) -> Result<Digest> {
        let valid =
            digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ensure!(valid, "digest {digits:?}: not 64 lower-case hexadecimal digits");
        Ok(Digest(digits.to_owned()))
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// The twelve digits that lists show.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    fn finished(hasher: Sha256) -> Digest {
        Digest(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Digest> {
        Digest::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// A reader or writer that takes the digest and the length of what goes through it.
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    length: u64,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Hashing<T> {
        Hashing { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The digest and the length in bytes of everything that went through, and what it went to or came from.
    pub fn finish(self) -> (Digest, u64, T) {
        (Digest::finished(self.hasher), self.length, self.inner)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.add(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Hashing};
    use std::io::{self, Read, Write};

    /// From the test vectors of FIPS 180-4.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_sum_is_sha256() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
    }

    #[test]
    fn readers_and_writers_give_the_same_sum() {
        let mut reader = Hashing::new(&b"abc"[..]);
        reader.read_to_end(&mut Vec::new()).unwrap();
        let (digest, length, _) = reader.finish();
        assert_eq!((digest, length), (Digest::parse(ABC).unwrap(), 3));
        let mut writer = Hashing::new(io::sink());
        writer.write_all(b"ab").unwrap();
        writer.write_all(b"c").unwrap();
        let (digest, length, _) = writer.finish();
        assert_eq!((digest, length), (Digest::parse(ABC).unwrap(), 3));
    }

    #[test]
    fn only_one_spelling_is_a_digest() {
        let bare = ABC.strip_prefix("sha256:").unwrap();
        let wrong = [
            bare,
            "",
            "sha256:",
            &ABC[..70],
            &ABC.to_uppercase(),
            &format!("{ABC}0"),
            &format!("sha512:{bare}"),
        ];
        for text in wrong {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
        assert!(Digest::parse(&format!("sha256:{}", bare.to_uppercase())).is_err());
        assert!(Digest::parse(&format!("sha256:../{}", &bare[3..])).is_err());
    }

    #[test]
    fn json_has_it_as_a_string() {
        let digest: Digest = serde_json::from_str(&format!("\"{ABC}\"")).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{ABC}\""));
        assert!(serde_json::from_str::<Digest>("\"sha256:12\"").is_err());
    }
}
