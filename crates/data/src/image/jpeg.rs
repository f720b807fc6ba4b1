//! Whether a JPEG file is all there: decoders fill what is missing with grey.

/// Walks the segments to the marker that ends the picture; an error in words where there is none.
pub(super) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    const START_OF_SCAN: u8 = 0xDA;
    const END: u8 = 0xD9;
    let early = || "the file ends early".to_owned();
    let mut at = 2;
    loop {
        // Bytes that fill up, and a marker that is no filling.
        while bytes.get(at).copied() == Some(0xFF) && bytes.get(at + 1).copied() == Some(0xFF) {
            at += 1;
        }
        let (Some(&first), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) else { return Err(early()) };
        if first != 0xFF {
            return Err(format!("a marker is expected at byte {at}"));
        }
        at += 2;
        match marker {
            END => return Ok(()),
            // Markers without a segment.
            0x01 | 0xD0..=0xD8 => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..at + 2).and_then(|b| <&[u8; 2]>::try_from(b).ok())
                else {
                    return Err(early());
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                if length < 2 {
                    return Err(format!("a segment at byte {at} that is shorter than its own length"));
                }
                at += length;
                if marker == START_OF_SCAN {
                    at = end_of_scan(bytes, at).ok_or_else(early)?;
                }
            }
        }
    }
}

/// The next marker that is neither a stuffed byte nor a restart.
fn end_of_scan(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)?;
        match bytes.get(at + 1)? {
            0x00 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}
