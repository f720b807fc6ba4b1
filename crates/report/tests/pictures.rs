//! PNG pictures: sizes, limits, fonts.

mod samples;

use pellucid_report::*;

fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

fn small() -> AttributionBars {
    AttributionBars { title: "Balance".to_owned(), ..samples::bars(&["a".to_owned()], &[1.0, -2.0]) }
}

#[test]
fn a_picture_has_the_size_asked_for() {
    let drawing = small().drawing();
    for theme in [Theme::Light, Theme::Dark, Theme::Auto] {
        for scale in [0.5, 1.0, 2.0] {
            let (width, height, pixels) = decode(&render_png(&drawing.to_svg(theme), scale).unwrap());
            assert_eq!(f64::from(width), (drawing.width() * f64::from(scale)).round());
            assert_eq!(f64::from(height), (drawing.height() * f64::from(scale)).round());
            let corner: [u8; 4] = pixels[..4].try_into().unwrap();
            let expected = if theme == Theme::Dark { [0x0d, 0x11, 0x17, 255] } else { [255; 4] };
            assert_eq!(corner, expected, "{theme:?}");
        }
    }
}

#[test]
fn text_is_drawn_whatever_the_family() {
    let ink = |family: &str, text: &str| {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"30\">\
             <text x=\"5\" y=\"20\" font-size=\"16\" font-family=\"{family}\">{text}</text></svg>"
        );
        let (_, _, pixels) = decode(&render_png(&svg, 1.0).unwrap());
        pixels.chunks(4).map(|pixel| u64::from(pixel[3])).sum::<u64>()
    };
    let inter = ink("Inter", "Balance");
    assert!(inter > 10_000);
    for family in ["sans-serif", "serif", "monospace", "system-ui, Arial", "No Such Font"] {
        assert_eq!(ink(family, "Balance"), inter, "{family}");
    }
    assert!(ink("Inter", "Ünïcödé βα Дж −±×") > inter / 2);
}

#[test]
fn bad_pictures_are_errors() {
    let svg = small().to_svg(Theme::Light);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(render_png(&svg, scale).unwrap_err().kind(), ErrorKind::InvalidScale(_)));
    }
    assert!(matches!(render_png(&svg, 1e4).unwrap_err().kind(), ErrorKind::TooLarge { .. }));
    assert!(matches!(render_png(&svg, 1e30).unwrap_err().kind(), ErrorKind::TooLarge { .. }));
    for text in [
        "",
        "<svg",
        "<html/>",
        "\u{0}",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"0\"/>",
    ] {
        assert!(matches!(render_png(text, 1.0).unwrap_err().kind(), ErrorKind::InvalidSvg(_)), "{text:?}");
    }
}

#[test]
fn hostile_plots_can_be_drawn() {
    for (name, plot) in samples::hostile_plots().into_iter().step_by(7) {
        let drawing = plot.drawing();
        if drawing.width() * drawing.height() < 4e6 {
            let (width, ..) = decode(&render_png(&drawing.to_svg(Theme::Dark), 0.5).unwrap());
            assert_eq!(f64::from(width), (drawing.width() / 2.0).round(), "{name}");
        }
    }
}
