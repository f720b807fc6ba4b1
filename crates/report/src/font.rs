//! The widths of texts, and lines broken to fit a width.

use std::sync::LazyLock;

use ttf_parser::Face;
use unicode_width::UnicodeWidthChar;

use crate::escape::plain;

/// The regular font that texts are measured and drawn with.
pub(crate) const REGULAR: &[u8] = include_bytes!("../fonts/Inter-Regular-subset.ttf");
/// The bold font that texts are measured and drawn with.
pub(crate) const BOLD: &[u8] = include_bytes!("../fonts/Inter-SemiBold-subset.ttf");

/// How much wider than the embedded font a viewer's font may be: DejaVu Sans, the widest in common use,
/// is up to 1.12 times as wide, in bold 1.21 times.
const WIDER_REGULAR: f64 = 1.12;
const WIDER_BOLD: f64 = 1.21;

static REGULAR_FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(REGULAR, 0).ok());
static BOLD_FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(BOLD, 0).ok());

/// The width of a text in the embedded font.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    text.chars().map(|c| char_width(c, bold)).sum::<f64>() * size
}

/// The width to keep free for a text, enough for a wider font too.
pub(crate) fn reserved(text: &str, size: f64, bold: bool) -> f64 {
    width(text, size, bold) * if bold { WIDER_BOLD } else { WIDER_REGULAR }
}

fn char_width(c: char, bold: bool) -> f64 {
    let face = if bold { &*BOLD_FACE } else { &*REGULAR_FACE };
    let advance = face.as_ref().and_then(|face| {
        let units = f64::from(face.units_per_em());
        let glyph = face.glyph_index(c)?;
        Some(f64::from(face.glyph_hor_advance(glyph)?) / units)
    });
    // A character that the font lacks is drawn as a box here and by another font elsewhere.
    advance.unwrap_or_else(|| if c.width() == Some(2) { 1.35 } else { 0.75 })
}

/// The lines of a text, none wider than the limit (in reserved widths) unless one character is.
///
/// Breaks come after spaces and joints such as `_`, `-` and `=`; within a word only where nothing else fits.
pub(crate) fn wrap(text: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let text = plain(text);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut line_width = 0.0;
    for piece in pieces(&text) {
        let piece_width = reserved(piece.trim_end(), size, bold);
        if line_width + piece_width > limit && !line.trim().is_empty() {
            lines.push(std::mem::take(&mut line).trim().to_owned());
            line_width = 0.0;
        }
        if piece_width > limit {
            for c in piece.chars() {
                let c_width = reserved(c.encode_utf8(&mut [0; 4]), size, bold);
                let joins = c.width() == Some(0);
                if line_width + c_width > limit && !joins && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    line_width = 0.0;
                }
                line.push(c);
                line_width += c_width;
            }
        } else {
            line.push_str(piece);
            line_width += reserved(piece, size, bold);
        }
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line.trim().to_owned());
    }
    lines
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((_, c)) = chars.next() {
        let Some(&(next_at, next)) = chars.peek() else { break };
        let ends_word = c == ' ' && next != ' ';
        let ends_part = matches!(c, '_' | '-' | '/' | '=' | ',' | ';' | ':' | '|') && next.is_alphanumeric();
        if ends_word || ends_part {
            pieces.push(&text[start..next_at]);
            start = next_at;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fonts_are_readable() {
        assert!(REGULAR_FACE.is_some() && BOLD_FACE.is_some());
        assert!(width("iii", 10.0, false) < width("WWW", 10.0, false));
        assert!(width("balance", 10.0, false) < width("balance", 10.0, true));
        assert_eq!(width("", 10.0, false), 0.0);
    }

    #[test]
    fn lines_fit_and_lose_nothing() {
        for text in [
            "the quick brown fox jumps over the lazy dog",
            "poutcome_success_with_a_very_long_name=unknown",
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
            "余额余额余额余额余额余额余额余额余额余额",
            "",
            "   ",
            "a\nb",
        ] {
            let lines = wrap(text, 12.0, false, 100.0);
            assert!(lines.iter().all(|l| reserved(l, 12.0, false) <= 100.0), "{lines:?}");
            let squeeze = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(squeeze(&lines.concat()), squeeze(text));
        }
        assert_eq!(wrap("WW", 12.0, false, 1.0), ["W", "W"]);
    }
}
