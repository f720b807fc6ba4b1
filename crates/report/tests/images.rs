//! Attributions to pixels: what is drawn where, and in which colours.

use pellucid_report::*;

type Rgb = [u8; 3];

/// 8 × 4 grey pixels, of which the network sees the 4 × 4 in the middle as 2 × 2.
fn plot(view: ImageView, sign: Sign) -> ImageAttributions {
    let picture = Picture::new(8, 4, vec![120; 8 * 4 * 3]).unwrap();
    let region = PictureRegion { left: 2.0, top: 0.0, width: 4.0, height: 4.0 };
    let map = AttributionMap::new(2, 2, vec![3.0, 0.0, 0.0, -3.0], region);
    let panel = ImagePanel {
        title: "IG".to_owned(),
        lines: vec!["tabby, delta 0.01".to_owned()],
        view,
        map,
        sign,
        interpolation: Interpolation::Nearest,
        ..ImagePanel::default()
    };
    ImageAttributions { rows: vec![ImageRow { picture, panels: vec![panel] }], ..Default::default() }
}

/// The first picture in an SVG, as rows of red, green, blue and opacity.
fn first_picture(svg: &str) -> (usize, usize, Vec<[u8; 4]>) {
    use base64::Engine as _;
    let text = svg.split("data:image/png;base64,").nth(1).unwrap().split('"').next().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    let channels = info.color_type.samples();
    let rgba = data[..info.buffer_size()].chunks(channels);
    let rgba = rgba.map(|p| [p[0], p[1], p[2], p.get(3).copied().unwrap_or(255)]).collect();
    (info.width as usize, info.height as usize, rgba)
}

fn rgb(p: [u8; 4]) -> Rgb {
    [p[0], p[1], p[2]]
}

fn is_blue([r, _, b]: Rgb) -> bool {
    b > r.saturating_add(60)
}

fn is_orange([r, _, b]: Rgb) -> bool {
    r > b.saturating_add(60)
}

#[test]
fn a_map_lies_where_the_network_looked() {
    for theme in [Theme::Light, Theme::Dark] {
        let (width, height, pixels) = first_picture(&plot(ImageView::Overlay, Sign::All).to_svg(theme));
        assert_eq!((width, height), (8, 4), "the picture's own resolution");
        let at = |x: usize, y: usize| rgb(pixels[y * width + x]);
        assert!(is_blue(at(2, 0)) && is_blue(at(3, 1)), "{theme:?} {:?}", at(2, 0));
        assert!(is_orange(at(4, 2)) && is_orange(at(5, 3)), "{theme:?} {:?}", at(5, 3));
        for (x, y) in [(0, 0), (1, 3), (4, 0), (3, 3), (7, 3)] {
            // The dark background is not quite grey.
            let [r, _, b] = at(x, y);
            assert!(r.abs_diff(b) < 10, "{theme:?} ({x}, {y}) {:?}", at(x, y));
        }
        assert_ne!(at(0, 0), at(4, 0), "what is not seen is faded");
    }
}

#[test]
fn signs_are_chosen() {
    let colours = |sign| {
        let (width, _, pixels) = first_picture(&plot(ImageView::HeatMap, sign).to_svg(Theme::Light));
        [(2, 0), (5, 3), (5, 0)].map(|(x, y)| rgb(pixels[y * width + x]))
    };
    let [up, down, zero] = colours(Sign::All);
    assert!(up[2] > up[0] && down[0] > down[2] && zero == [0xf7; 3]);
    let [up, down, zero] = colours(Sign::Positive);
    assert!(up[2] > up[0] && down == zero);
    let [up, down, zero] = colours(Sign::Negative);
    assert!(up == zero && down[0] > down[2]);
    let [up, down, zero] = colours(Sign::AbsoluteValue);
    assert!(up == down && down != zero);
}

#[test]
fn masks_and_opacity() {
    let (width, _, pixels) = first_picture(&plot(ImageView::Masked, Sign::Positive).to_svg(Theme::Light));
    let at = |x: usize, y: usize| pixels[y * width + x];
    assert_eq!((at(2, 0), at(5, 3), at(0, 0)[3]), ([120, 120, 120, 255], [0, 0, 0, 255], 0));
    let (width, _, pixels) = first_picture(&plot(ImageView::AlphaScaling, Sign::All).to_svg(Theme::Light));
    let at = |x: usize, y: usize| pixels[y * width + x];
    assert_eq!((at(2, 0), at(5, 3), at(5, 0)[3]), ([120, 120, 120, 255], [120, 120, 120, 255], 0));
    let (_, _, pixels) = first_picture(&plot(ImageView::Original, Sign::All).to_svg(Theme::Dark));
    assert!(pixels.iter().all(|p| *p == [120, 120, 120, 255]));
    // Captum's blend: half the grey picture, half the colour map.
    let (width, _, pixels) = first_picture(&plot(ImageView::Blended, Sign::All).to_svg(Theme::Light));
    assert_eq!(rgb(pixels[width - 3]), [184; 3], "(120 + 247) / 2");
}

#[test]
fn a_finer_map_is_not_lost() {
    let picture = Picture::new(2, 2, vec![0; 12]).unwrap();
    let region = PictureRegion { left: 0.0, top: 0.0, width: 2.0, height: 2.0 };
    let values = (0..64).map(|i| f64::from(i % 2)).collect();
    let panel = ImagePanel {
        view: ImageView::HeatMap,
        map: AttributionMap::new(8, 8, values, region),
        ..ImagePanel::default()
    };
    let plot =
        ImageAttributions { rows: vec![ImageRow { picture, panels: vec![panel] }], ..Default::default() };
    let svg = plot.to_svg(Theme::Light);
    assert_eq!(first_picture(&svg).0, 8);
    assert!(svg.contains("image-rendering:pixelated"));
}

#[test]
fn the_colour_bar_has_numbers_and_the_panel_its_lines() {
    let svg = plot(ImageView::Overlay, Sign::All).to_svg(Theme::Light);
    for text in [">\u{2264} \u{2212}3.0<", ">0<", ">\u{2265} 3.0<", ">IG<", ">tabby, delta 0.01<"] {
        assert!(svg.contains(text), "{text}");
    }
    let svg = plot(ImageView::Overlay, Sign::Negative).to_svg(Theme::Light);
    assert!(svg.contains(">0<") && svg.contains("\u{2212}3.0") && !svg.contains("\u{2265}"));
    assert!(!plot(ImageView::Masked, Sign::Positive).to_svg(Theme::Light).contains("\u{2265}"));
    let mut none = plot(ImageView::Overlay, Sign::Positive);
    let region = PictureRegion { left: 0.0, top: 0.0, width: 8.0, height: 4.0 };
    none.rows[0].panels[0].map = AttributionMap::new(1, 1, vec![-1.0], region);
    assert!(none.to_svg(Theme::Light).contains("none of this sign"));
}

#[test]
fn one_svg_serves_both_themes() {
    let svg = plot(ImageView::HeatMap, Sign::All).to_svg(Theme::Auto);
    assert!(svg.contains(".pellucid-on-dark{display:inline}") && svg.contains("display=\"none\""));
    let light = |svg: &str| first_picture(svg).2;
    assert_eq!(light(&svg), light(&plot(ImageView::HeatMap, Sign::All).to_svg(Theme::Light)));
    let original = plot(ImageView::Original, Sign::All).to_svg(Theme::Auto);
    assert_eq!(original.matches("<image").count(), 1);
}

#[test]
fn pictures_are_drawn_into_a_png() {
    let svg = plot(ImageView::HeatMap, Sign::All).to_svg(Theme::Light);
    let bytes = render_png(&svg, 1.0).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    let strong = data.chunks(info.color_type.samples());
    let blue = strong.filter(|p| p[0] < 60 && p[2] > 80 && p[2] > p[1]).count();
    assert!(blue > 5000, "{blue}");
}

#[test]
fn what_does_not_fit_is_none() {
    assert!(Picture::new(2, 2, vec![0; 11]).is_none() && Picture::new(0, 2, vec![]).is_none());
    assert!(Picture::new(usize::MAX, 2, vec![]).is_none());
}

#[test]
fn panels_fill_their_lines_evenly() {
    let width = |count: usize| {
        let mut plot = plot(ImageView::HeatMap, Sign::All);
        let panel = plot.rows[0].panels[0].clone();
        plot.rows[0].panels = vec![panel; count];
        plot.drawing().width()
    };
    // Five are three and two rather than four and one, six twice three.
    assert!(width(5) == width(3) && width(6) == width(3) && width(7) == width(4) && width(9) == width(3));
    assert!(width(1) < width(2) && width(2) < width(3) && width(3) < width(4));
}
