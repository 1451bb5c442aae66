use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// No object is larger than this when it is unpacked: a page of events, or a single one, and what is around them. One with more
/// can be written and cannot be read.
pub const MOST_BYTES: u32 = 64 * 1024 * 1024;

/// Lines as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    bytes: Bytes,
    checksum: [u8; 32],
    text_checksum: [u8; 32],
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It has another checksum than it was written with.
    #[error("its checksum is another one")]
    Checksum,
    /// It has the right checksum and cannot be unpacked, or does not hold what belongs there.
    #[error("{0}")]
    Content(String),
}

impl Pack {
    /// Packs lines, none of which has a line break in it.
    #[expect(clippy::missing_panics_doc, reason = "it never does")]
    pub fn of(lines: &[String]) -> Self {
        let text = lines.join("\n");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        let bytes = Bytes::from(written.expect("memory takes whatever is written to it"));
        let checksum = Sha256::digest(&bytes).into();
        Self { bytes, checksum, text_checksum: Sha256::digest(&text).into() }
    }

    /// What is stored.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The SHA-256 of what is stored.
    pub const fn checksum(&self) -> &[u8; 32] {
        &self.checksum
    }

    /// The SHA-256 of the lines, joined by line breaks.
    pub const fn text_checksum(&self) -> &[u8; 32] {
        &self.text_checksum
    }
}

/// The lines of what was stored with a checksum.
pub(crate) fn lines(bytes: &[u8], checksum: &[u8]) -> Result<Vec<String>, Damage> {
    lines_within(bytes, checksum, MOST_BYTES)
}

fn lines_within(bytes: &[u8], checksum: &[u8], most: u32) -> Result<Vec<String>, Damage> {
    if Sha256::digest(bytes).as_slice() != checksum {
        return Err(Damage::Checksum);
    }
    let mut text = Vec::new();
    // One more shows that there is more.
    GzDecoder::new(bytes)
        .take(u64::from(most) + 1)
        .read_to_end(&mut text)
        .map_err(|error| Damage::Content(format!("it cannot be unpacked: {error}")))?;
    if text.len() as u64 > u64::from(most) {
        return Err(Damage::Content(format!("it has more than {most} bytes when it is unpacked")));
    }
    let text = String::from_utf8(text).map_err(|_| Damage::Content("it is no text".to_owned()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_too_large_is_damage_and_never_a_part_of_its_lines() {
        let lines = vec!["first".to_owned(), "second".to_owned()];
        let pack = Pack::of(&lines);
        assert_eq!(lines_within(pack.bytes(), pack.checksum(), 12), Ok(lines));
        let damage = lines_within(pack.bytes(), pack.checksum(), 11).unwrap_err();
        assert_eq!(damage.to_string(), "it has more than 11 bytes when it is unpacked");
    }
}
