//! SVG drawn as PNG with the embedded font only.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};

use crate::error::{Error, ErrorKind};
use crate::font::{BOLD, REGULAR};

/// The most pixels that a picture may have: 256 MiB of them.
const PIXEL_LIMIT: u64 = 64 << 20;
/// The family name that the embedded fonts carry.
const FAMILY: &str = "Inter";

/// The PNG of an SVG at the given scale: 2.0 doubles its width and height.
///
/// Every text is drawn in the font that this crate carries, whatever family the SVG names and whatever is
/// installed. External files are not read. An SVG of [`Theme::Auto`](crate::Theme::Auto) comes out light.
pub fn render_png(svg: &str, scale: f32) -> Result<Vec<u8>, Error> {
    if !scale.is_finite() || scale <= 0.0 {
        return Err(ErrorKind::InvalidScale(scale).into());
    }
    let mut fonts = Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_serif_family(FAMILY);
    fonts.set_monospace_family(FAMILY);
    fonts.set_cursive_family(FAMILY);
    fonts.set_fantasy_family(FAMILY);
    let mut options =
        Options { font_family: FAMILY.to_owned(), fontdb: Arc::new(fonts), ..Options::default() };
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let tree = Tree::from_str(svg, &options).map_err(|e| ErrorKind::InvalidSvg(e.to_string()))?;

    let pixels = |length: f32| (f64::from(length) * f64::from(scale)).round().max(1.0) as u64;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let too_large = || ErrorKind::TooLarge { width, height, limit: PIXEL_LIMIT };
    if width.checked_mul(height).is_none_or(|count| count > PIXEL_LIMIT) {
        return Err(too_large().into());
    }
    let mut pixmap = Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|e| ErrorKind::Encode(e.to_string()).into())
}
