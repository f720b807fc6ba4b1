//! What is checked of a WebP file before it is decoded.

/// Checks that what stands beside the pixels lies inside the file: the decoder takes the memory that a chunk says it needs before it reads any.
pub(super) fn check_chunks(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, size @ ..] = *head;
        let size = u32::from_le_bytes(size) as usize;
        let name = [a, b, c, d];
        if behind.len() < size {
            let beside = matches!(&name, b"EXIF" | b"ICCP" | b"XMP ");
            let what =
                || format!("a chunk {} of {size} bytes where {} are left", name.escape_ascii(), behind.len());
            return if beside { Err(what()) } else { Ok(()) };
        }
        rest = behind.get(size + size % 2..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_chunks;

    #[test]
    fn what_stands_beside_the_pixels_lies_inside_the_file() {
        let file = |chunks: &[(&[u8; 4], u32, &[u8])]| {
            let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
            for (name, size, data) in chunks {
                bytes.extend_from_slice(*name);
                bytes.extend_from_slice(&size.to_le_bytes());
                bytes.extend_from_slice(data);
            }
            bytes
        };
        let pixels: (&[u8; 4], u32, &[u8]) = (b"VP8L", 3, &[1, 2, 3, 0]);
        assert_eq!(check_chunks(&file(&[pixels, (b"EXIF", 2, &[1, 2])])), Ok(()));
        let long = check_chunks(&file(&[pixels, (b"EXIF", u32::MAX, &[1, 2])])).unwrap_err();
        assert_eq!(long, "a chunk EXIF of 4294967295 bytes where 2 are left");
        // Pixels that end early are the decoder's to refuse.
        assert_eq!(check_chunks(&file(&[(b"VP8L", 9, &[1])])), Ok(()));
        assert_eq!(check_chunks(b"RIFF"), Ok(()));
    }
}
