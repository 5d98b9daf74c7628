//! Packs: many small texts in one file inside the binary, each unpacked only when it is asked for.
//!
//! The layout is described in `scripts/model_pack.py`, which writes `data/models.pack`.

use std::fmt;

use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

/// A pack whose directory has been read and whose frames are still packed.
pub struct Pack {
    frames: Vec<Frame>,
    dictionary: DecoderDictionary<'static>,
}

struct Frame {
    name: &'static str,
    packed: &'static [u8],
    unpacked: usize,
}

/// No frame of a pack may be larger than this once unpacked; the largest, ec2's model, has 3 MB.
const LARGEST_FRAME: usize = 64 << 20;

/// A pack, or a frame of it, is damaged. It is part of the binary, so the binary is.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {pack} inside this binary is damaged ({what}): install countersign again")]
pub struct PackError {
    /// Which pack.
    pub pack: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl Pack {
    /// Reads the directory of a pack. Costs microseconds: no frame is unpacked.
    pub fn open(pack: &'static str, magic: &[u8; 8], bytes: &'static [u8]) -> Result<Self, PackError> {
        let damaged = |what: &str| PackError { pack, what: what.to_owned() };
        let rest = bytes.strip_prefix(magic).ok_or_else(|| damaged("unknown format"))?;
        let (directory_length, rest) = length(rest).ok_or_else(|| damaged("no directory"))?;
        let (dictionary_length, rest) = length(rest).ok_or_else(|| damaged("no dictionary"))?;
        let (frames_length, rest) = length(rest).ok_or_else(|| damaged("no frames"))?;
        let cut = |bytes: &'static [u8], at: usize| bytes.split_at_checked(at).ok_or_else(|| damaged("cut short"));
        let (directory, rest) = cut(rest, directory_length)?;
        let (dictionary, mut packed) = cut(rest, dictionary_length)?;
        if packed.len() != frames_length {
            return Err(damaged("cut short"));
        }
        let directory = std::str::from_utf8(directory).map_err(|_| damaged("directory is not text"))?;
        let mut frames = Vec::with_capacity(512);
        for line in directory.lines() {
            let (name, packed_length, unpacked) = entry(line).ok_or_else(|| damaged("directory has a bad line"))?;
            let (frame, others) = cut(packed, packed_length)?;
            packed = others;
            if unpacked > LARGEST_FRAME {
                return Err(damaged("a frame is too large"));
            }
            frames.push(Frame { name, packed: frame, unpacked });
        }
        if !frames.is_sorted_by(|a, b| a.name < b.name) {
            return Err(damaged("directory is not sorted"));
        }
        Ok(Self { frames, dictionary: DecoderDictionary::copy(dictionary) })
    }

    /// Names of all frames, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.frames.iter().map(|frame| frame.name)
    }

    /// True where there is a frame of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.frame(name).is_some()
    }

    /// Unpacks a frame; its checksum is verified. `None` where there is no frame of this name.
    pub fn unpack(&self, pack: &'static str, name: &str) -> Option<Result<String, PackError>> {
        let frame = self.frame(name)?;
        let unpacked = Decompressor::with_prepared_dictionary(&self.dictionary)
            .and_then(|mut decompressor| decompressor.decompress(frame.packed, frame.unpacked))
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
        Some(unpacked.map_err(|error| PackError { pack, what: format!("`{name}`: {error}") }))
    }

    fn frame(&self, name: &str) -> Option<&Frame> {
        let at = self.frames.binary_search_by(|frame| frame.name.cmp(name)).ok()?;
        self.frames.get(at)
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("frames", &self.frames.len()).finish()
    }
}

fn length(bytes: &'static [u8]) -> Option<(usize, &'static [u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
}

fn entry(line: &'static str) -> Option<(&'static str, usize, usize)> {
    let mut parts = line.split('\t');
    let entry = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACK: &[u8] = include_bytes!("../../data/models.pack");

    fn leaked(bytes: Vec<u8>) -> &'static [u8] {
        Box::leak(bytes.into_boxed_slice())
    }

    #[test]
    fn a_frame_with_one_wrong_bit_is_refused() {
        let mut bytes = PACK.to_vec();
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
        let pack = Pack::open("test pack", b"CSMODEL1", leaked(bytes)).unwrap();
        let last = pack.names().last().unwrap();
        let error = pack.unpack("test pack", last).unwrap().unwrap_err();
        assert!(error.to_string().contains("install countersign again"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_make_it_panic(cut in 0usize..4096, flip in 0usize..4096, bit in 0u8..8) {
            let mut bytes = PACK[..4096.min(PACK.len()) - cut.min(4000)].to_vec();
            let at = flip % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Pack::open("test pack", b"CSMODEL1", leaked(bytes)).is_err());
        }
    }
}
