//! Plots of ordinary and of hostile data, shared by the tests.

#![allow(dead_code)]

use pellucid_report::*;

/// Names that break what does not escape or measure.
pub(crate) fn hostile_names() -> Vec<String> {
    vec![
        "<script>alert(1)</script>".to_owned(),
        "\"quoted\" & 'single'".to_owned(),
        "line\nbreak\r\n\ttab".to_owned(),
        "\u{0}\u{1b}[31mred\u{7}\u{ffff}".to_owned(),
        "]]></svg><!-- x".to_owned(),
        "a_very_long_name_".repeat(40),
        "W".repeat(300),
        "余额（人民币）余额（人民币）余额（人民币）".to_owned(),
        "שלום \u{202e}עולם".to_owned(),
        "e\u{301}".repeat(90),
        "🦀🦀".to_owned(),
        String::new(),
        "   ".to_owned(),
    ]
}

/// Numbers that break what divides or formats carelessly.
pub(crate) fn hostile_numbers() -> Vec<Vec<f64>> {
    vec![
        vec![],
        vec![0.0],
        vec![-0.0, 0.0, 0.0],
        vec![1.0],
        vec![-1.0],
        vec![f64::NAN],
        vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5],
        vec![f64::MAX, f64::MIN, f64::MAX],
        vec![f64::MIN_POSITIVE / 8.0, -f64::MIN_POSITIVE],
        vec![1e-9, 1.0, -1e-9],
        vec![1e12, -3.0],
        vec![-1e6, 1.0],
        (0..500).map(|i| f64::from(i * 37 % 101 - 50) / 17.0).collect(),
    ]
}

pub(crate) fn bars(names: &[String], values: &[f64]) -> AttributionBars {
    let bar = |(i, value): (usize, &f64)| AttributionBar {
        name: names[i % names.len()].clone(),
        shown_value: (i % 3 == 0).then(|| names[(i + 1) % names.len()].clone()),
        value: *value,
    };
    AttributionBars { bars: values.iter().enumerate().map(bar).collect(), ..Default::default() }
}

/// Every plot with every kind of hostile data, each with a name for messages.
pub(crate) fn hostile_plots() -> Vec<(String, Box<dyn Plot>)> {
    let names = hostile_names();
    let short = vec!["no".to_owned(), "yes".to_owned()];
    let mut plots: Vec<(String, Box<dyn Plot>)> = Vec::new();
    for (i, values) in hostile_numbers().into_iter().enumerate() {
        for (k, names) in [&names, &short].into_iter().enumerate() {
            let title = names[i % names.len()].clone();
            for (order, top) in [(BarOrder::Magnitude, Some(10)), (BarOrder::AsGiven, None)] {
                for kind in [BarValues::Signed, BarValues::Magnitude] {
                    let plot = AttributionBars {
                        title: title.clone(),
                        subtitle: names[(i + 3) % names.len()].clone(),
                        axis: names[(i + 5) % names.len()].clone(),
                        positive: names[(i + 1) % names.len()].clone(),
                        negative: names[(i + 2) % names.len()].clone(),
                        order,
                        top,
                        values: kind,
                        ..bars(names, &values)
                    };
                    plots.push((format!("bars {i} {k} {order:?} {kind:?}"), Box::new(plot)));
                }
            }
            let whole = |value: &f64| value.abs().min(1e19) as u64;
            let category = |(j, value): (usize, &f64)| Category {
                name: names[j % names.len()].clone(),
                counts: vec![whole(value); 1 + k + i % 2],
            };
            let counts = CategoryCounts {
                title: title.clone(),
                axis: title.clone(),
                classes: names[..i.min(2)].to_vec(),
                categories: values.iter().enumerate().map(category).collect(),
                ..Default::default()
            };
            plots.push((format!("counts {i} {k}"), Box::new(counts)));
            let classes = values.len().min(25);
            let matrix = ConfusionMatrix {
                title: title.clone(),
                classes: names.iter().cycle().take(classes).cloned().collect(),
                counts: (0..classes).map(|row| values[..row].iter().map(whole).collect()).collect(),
                ..Default::default()
            };
            plots.push((format!("confusion {i} {k}"), Box::new(matrix)));
            let threshold = |value: f64| RocThreshold {
                label: title.clone(),
                false_positive_rate: value,
                true_positive_rate: -value,
            };
            let curve = RocSeries {
                name: title.clone(),
                points: values.iter().map(|value| (*value, 1.0 - *value)).collect(),
                auc: values.first().copied(),
                threshold: values.first().copied().map(threshold),
            };
            let roc = RocCurve { title: title.clone(), curves: vec![curve; i % 9], ..Default::default() };
            plots.push((format!("roc {i} {k}"), Box::new(roc)));
            let series = |(j, name): (usize, &String)| CurveSeries {
                name: name.clone(),
                values: values.iter().map(|value| value / (j + 1) as f64).collect(),
            };
            let panel =
                CurvePanel { label: title.clone(), series: names.iter().enumerate().map(series).collect() };
            let loss = LossCurve {
                title,
                panels: vec![panel.clone(), CurvePanel::default(), panel],
                best_epoch: Some(i),
                ..Default::default()
            };
            plots.push((format!("loss {i} {k}"), Box::new(loss)));
            plots.push((format!("image {i} {k}"), Box::new(image(i, names, &values))));
        }
    }
    plots
}

/// Pictures of awkward sizes, maps of awkward numbers in awkward places.
fn image(i: usize, names: &[String], values: &[f64]) -> ImageAttributions {
    const SIGNS: [Sign; 4] = [Sign::All, Sign::Positive, Sign::Negative, Sign::AbsoluteValue];
    const VIEWS: [ImageView; 6] = [
        ImageView::Original,
        ImageView::HeatMap,
        ImageView::Overlay,
        ImageView::Blended,
        ImageView::Masked,
        ImageView::AlphaScaling,
    ];
    let (width, height) = [(1, 1), (3, 90), (120, 2), (16, 9)][i % 4];
    let rgb = (0..width * height * 3).map(|v| (v * 37) as u8).collect();
    let picture = Picture::new(width, height, rgb).unwrap();
    let regions = [(0.0, 0.0, width as f64, height as f64), (-5.0, 1e9, 2.5, 1.0), (0.4, -0.5, 1e-9, 1e300)];
    let panel = |k: usize| {
        let (left, top, width, height) = regions[k % 3];
        let region = PictureRegion { left, top, width, height };
        ImagePanel {
            title: names[k % names.len()].clone(),
            lines: names[..k % names.len()].to_vec(),
            view: VIEWS[k % 6],
            map: AttributionMap::new(values.len(), 1, values.to_vec(), region),
            sign: SIGNS[(k + i) % 4],
            outlier_percent: values.first().copied().unwrap_or(2.0),
            interpolation: if k.is_multiple_of(2) { Interpolation::Nearest } else { Interpolation::Bilinear },
        }
    };
    let row = |count: usize| ImageRow { picture: picture.clone(), panels: (0..count).map(panel).collect() };
    ImageAttributions {
        title: names[i % names.len()].clone(),
        note: names[(i + 4) % names.len()].clone(),
        rows: [vec![], vec![row(1)], vec![row(0), row(7)], vec![row(3), row(2)]][i % 4].clone(),
        ..Default::default()
    }
}
