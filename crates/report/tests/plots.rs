//! Every plot with hostile data: well-formed, inside its view box, without broken numbers.

mod samples;

use pellucid_report::*;
use roxmltree::Document;
use samples::{bars, hostile_names, hostile_numbers, hostile_plots};

const THEMES: [Theme; 3] = [Theme::Light, Theme::Dark, Theme::Auto];

#[test]
fn every_svg_is_well_formed_and_named() {
    for (name, plot) in hostile_plots() {
        for theme in THEMES {
            let svg = plot.to_svg(theme);
            let document = Document::parse(&svg).unwrap_or_else(|e| panic!("{name}: {e}"));
            let root = document.root_element();
            assert_eq!(root.attribute("role"), Some("img"), "{name}");
            let labelled = root.attribute("aria-labelledby").unwrap();
            for id in labelled.split(' ') {
                let of_id = document.descendants().find(|n| n.attribute("id") == Some(id)).unwrap();
                assert!(!of_id.text().unwrap_or("").is_empty(), "{name}: empty {id}");
            }
            assert!(document.descendants().all(|n| !n.has_tag_name("script")), "{name}");
            for node in document.descendants() {
                for attribute in node.attributes() {
                    let value = attribute.value();
                    let is_number =
                        !matches!(attribute.name(), "class" | "role" | "id" | "aria-labelledby" | "href");
                    assert!(
                        !(is_number && (value.contains("NaN") || value.contains("inf"))),
                        "{name}: {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_label_and_shape_is_inside_the_view_box() {
    for (name, plot) in hostile_plots() {
        let drawing = plot.drawing();
        let (width, height) = (drawing.width(), drawing.height());
        assert!(width > 0.0 && height > 0.0, "{name}");
        assert!(width.fract() == 0.0 && height.fract() == 0.0, "{name}: {width} x {height}");
        for label in drawing.label_boxes() {
            let inside =
                label.left >= 0.0 && label.right <= width && label.top >= 0.0 && label.bottom <= height;
            assert!(inside, "{name}: {label:?} leaves {width} x {height}");
        }
        let svg = drawing.to_svg(Theme::Light);
        let document = Document::parse(&svg).unwrap();
        for rect in document.descendants().filter(|n| n.has_tag_name("rect")) {
            let number = |key| rect.attribute(key).unwrap().parse::<f64>().unwrap();
            let (right, bottom) = (number("x") + number("width"), number("y") + number("height"));
            let inside =
                number("x") >= 0.0 && number("y") >= 0.0 && right <= width + 0.02 && bottom <= height + 0.02;
            assert!(inside, "{name}: {:?}", &svg[rect.range()]);
        }
    }
}

#[test]
fn no_two_labels_overlap() {
    for (name, plot) in hostile_plots() {
        let labels = plot.drawing().label_boxes();
        let mut by_top: Vec<_> = labels.iter().collect();
        by_top.sort_by(|a, b| a.top.total_cmp(&b.top));
        for (i, a) in by_top.iter().enumerate() {
            for b in by_top[i + 1..].iter().take_while(|b| b.top < a.bottom) {
                // Lines of one text may come as near as two units, as lines of text do.
                let (across, down) = (a.right.min(b.right) - a.left.max(b.left), a.bottom - b.top);
                assert!(across <= 2.0 || down <= 2.0, "{name}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn names_are_whole() {
    let squeeze = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    for name in hostile_names() {
        let plot = AttributionBars {
            bars: vec![AttributionBar { name: name.clone(), value: 1.0, ..Default::default() }],
            ..Default::default()
        };
        let drawn: String = plot.drawing().label_boxes().into_iter().map(|label| label.text).collect();
        assert!(squeeze(&drawn).contains(&squeeze(&name)), "{name}: {drawn}");
    }
}

#[test]
fn what_is_not_a_number_is_said() {
    let plot = bars(&["a".to_owned()], &[f64::NAN, 1.0, f64::INFINITY]);
    assert_eq!(plot.to_svg(Theme::Light).matches(">n/a<").count(), 2);
    assert_eq!(plot.table().rows[2].last().unwrap(), "n/a");
}

#[test]
fn the_rest_is_one_bar() {
    #[track_caller]
    fn check(values: &[f64], top: usize, order: BarOrder, expected: &[&str]) {
        let names: Vec<String> = (0..values.len()).map(|i| format!("f{i}")).collect();
        let mut plot = bars(&names, values);
        plot.bars.iter_mut().for_each(|bar| bar.shown_value = None);
        plot.top = Some(top);
        plot.order = order;
        let labels: Vec<String> = plot.drawing().label_boxes().into_iter().map(|l| l.text).collect();
        let got: Vec<&str> = labels
            .iter()
            .map(String::as_str)
            .filter(|l| l.starts_with('f') || l.starts_with("sum"))
            .collect();
        assert_eq!(got, expected);
        assert_eq!(plot.table().rows.len(), values.len());
    }
    let values = [0.1, -5.0, 2.0, 0.2, f64::NAN];
    check(&values, 2, BarOrder::Magnitude, &["f1", "f2", "sum of 3 others (1 n/a)"]);
    check(&values, 2, BarOrder::AsGiven, &["f1", "f2", "sum of 3 others (1 n/a)"]);
    check(&values, 3, BarOrder::AsGiven, &["f1", "f2", "f3", "sum of 2 others (1 n/a)"]);
    // A rest of one feature is that feature.
    check(&values[..3], 2, BarOrder::Magnitude, &["f1", "f2", "f0"]);
    check(&values, 0, BarOrder::Magnitude, &["sum of 5 others (1 n/a)"]);
    check(&values, usize::MAX, BarOrder::Magnitude, &["f1", "f2", "f3", "f0", "f4"]);
    let plot = AttributionBars { top: Some(1), ..bars(&["a".to_owned()], &[3.0, 0.25, -0.5, 0.125]) };
    assert!(plot.to_svg(Theme::Light).contains(">\u{2212}0.12<"), "0.25 - 0.5 + 0.125 = -0.125");
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    for ((_, a), (_, b)) in hostile_plots().into_iter().zip(hostile_plots()) {
        assert_eq!(a.to_svg(Theme::Auto), b.to_svg(Theme::Auto));
    }
}

#[test]
fn bars_have_lengths_in_proportion() {
    let plot = bars(&["a".to_owned()], &[4.0, -2.0, 1.0]);
    let svg = plot.to_svg(Theme::Light);
    let document = Document::parse(&svg).unwrap();
    let widths: Vec<f64> = document
        .descendants()
        .filter(|n| n.has_tag_name("rect") && n.has_children())
        .map(|n| n.attribute("width").unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths.len(), 3);
    assert!((widths[0] / widths[1] - 2.0).abs() < 0.01 && (widths[0] / widths[2] - 4.0).abs() < 0.01);
    assert_eq!(svg.matches("#1f70c1").count() - svg.matches("#d46210").count(), 1);
}

#[test]
fn tables_are_whole() {
    for values in hostile_numbers() {
        let plot = bars(&hostile_names(), &values);
        assert_eq!(plot.table().rows.len(), values.len());
    }
}

/// Refresh with `PELLUCID_UPDATE=1 cargo test -p pellucid-report --test plots`.
#[test]
fn a_small_chart_is_as_it_was() {
    let plot = AttributionBars {
        title: "What moved the score".to_owned(),
        axis: "sum of attributions".to_owned(),
        positive: "towards yes".to_owned(),
        negative: "towards no".to_owned(),
        bars: [("duration", 0.61), ("month_may", -0.12), ("balance", f64::NAN)]
            .map(|(name, value)| AttributionBar { name: name.to_owned(), value, shown_value: None })
            .to_vec(),
        ..Default::default()
    };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/bars.svg");
    let got = plot.to_svg(Theme::Auto);
    if std::env::var_os("PELLUCID_UPDATE").is_some() {
        std::fs::write(path, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(path).unwrap().replace("\r\n", "\n"));
}
