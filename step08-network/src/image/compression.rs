//! Compressed streams, known by their first bytes: what a file is called says nothing sure.

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

/// The first bytes of streams that this program does not read, and what made them.
const UNREADABLE: [(&[u8], &str); 3] =
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];

const GZIP: [u8; 2] = *b"\x1f\x8b";

const BUFFER: usize = 1 << 16;

/// The content of a stream, whether it is compressed with gzip or not at all.
///
/// One gzip stream may follow another, as in gzip(1). Anything else after the end is an error: nobody who only unpacks
/// would see it.
pub fn decompress<'a>(mut stream: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut start = Vec::new();
    stream.by_ref().take(6).read_to_end(&mut start).context("read the first bytes")?;
    for (magic, name) in UNREADABLE {
        if start.starts_with(magic) {
            bail!(
                "it is compressed with {name}, and only gzip is known here; 'skopeo copy --dest-compress-format gzip' converts images"
            );
        }
    }
    let gzipped = start.starts_with(&GZIP);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(start).chain(stream));
    Ok(if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Whether a file is compressed with gzip.
pub fn is_gzip(file: &File) -> Result<bool> {
    let mut start = [0; GZIP.len()];
    let count = file.read_at(&mut start, 0).context("read the first bytes")?;
    Ok(start[..count] == GZIP)
}

#[cfg(test)]
mod tests {
    use super::decompress;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{Read, Write};

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn content(stream: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompress(stream)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn content_comes_out_of_every_form() {
        assert_eq!(content(b"").unwrap(), b"");
        assert_eq!(content(b"abc").unwrap(), b"abc");
        assert_eq!(content(&gzip(b"abcdefgh")).unwrap(), b"abcdefgh");
        assert_eq!(content(&[gzip(b"abc"), gzip(b"def")].concat()).unwrap(), b"abcdef");
    }

    #[test]
    fn damage_is_an_error() {
        let whole = gzip(&[7; 10_000]);
        let mut changed = whole.clone();
        changed[whole.len() - 6] ^= 1;
        assert!(content(&changed).is_err());
        assert!(content(&whole[..whole.len() - 1]).is_err());
        assert!(content(&[whole.as_slice(), b"more"].concat()).is_err());
    }

    #[test]
    fn other_compression_is_named() {
        let error = content(b"\x28\xb5\x2f\xfd rest").unwrap_err();
        assert!(error.to_string().contains("zstd"), "{error:#}");
    }
}
