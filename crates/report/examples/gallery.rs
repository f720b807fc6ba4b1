//! Writes every plot in both themes, and a page that shows them, to the folder given.
//!
//! `cargo run --release -p pellucid-report --example gallery -- FOLDER`

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use pellucid_report::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("expected the folder to write to")?);
    fs::create_dir_all(folder.join("figures"))?;
    let plots = plots();
    for (name, plot) in &plots {
        for (suffix, theme) in [("light", Theme::Light), ("dark", Theme::Dark), ("auto", Theme::Auto)] {
            let svg = plot.to_svg(theme);
            fs::write(folder.join(format!("{name}-{suffix}.svg")), &svg)?;
            if theme != Theme::Auto {
                fs::write(folder.join(format!("{name}-{suffix}.png")), render_png(&svg, 2.0)?)?;
            }
        }
        fs::write(folder.join(format!("{name}.txt")), plot.table().to_text())?;
    }
    let page = page(&plots);
    fs::write(folder.join("page.html"), page.to_html())?;
    fs::write(folder.join("README.md"), page.to_markdown("figures"))?;
    for file in page.figure_files("figures") {
        fs::write(folder.join(file.path), file.svg)?;
    }
    Ok(())
}

fn plots() -> Vec<(&'static str, Box<dyn Plot>)> {
    vec![
        ("global", Box::new(global(None, BarValues::Signed))),
        ("global-top", Box::new(global(Some(15), BarValues::Signed))),
        ("magnitude", Box::new(global(Some(20), BarValues::Magnitude))),
        ("one-row", Box::new(one_row())),
        ("months", Box::new(months(false))),
        ("months-split", Box::new(months(true))),
        ("jobs", Box::new(jobs())),
        ("confusion", Box::new(confusion())),
        ("confusion-ten", Box::new(confusion_of_ten())),
        ("roc", Box::new(roc())),
        ("loss", Box::new(loss())),
        ("image-methods", Box::new(image_methods())),
        ("image-views", Box::new(image_views())),
        ("image-digits", Box::new(image_digits())),
    ]
}

/// Made-up numbers between -1 and 1 that fall off with the index.
fn made_up(index: usize) -> f64 {
    let wave = ((index * 7919 + 13) % 101) as f64 / 50.5 - 1.0;
    wave * 0.88f64.powi(index as i32)
}

fn global(top: Option<usize>, values: BarValues) -> AttributionBars {
    let plain = ["age", "balance", "day", "duration", "campaign", "pdays", "previous"];
    let encoded = [
        (
            "job",
            "admin. blue-collar entrepreneur housemaid management retired self-employed services student \
                 technician unemployed unknown",
        ),
        ("marital", "divorced married single"),
        ("education", "primary secondary tertiary unknown"),
        ("default", "no yes"),
        ("housing", "no yes"),
        ("loan", "no yes"),
        ("contact", "cellular telephone unknown"),
        ("month", "apr aug dec feb jan jul jun mar may nov oct sep"),
        ("poutcome", "failure other success unknown"),
    ];
    let names = plain.iter().map(|name| (*name).to_owned());
    let categories =
        encoded.iter().flat_map(|(name, all)| all.split_whitespace().map(move |c| format!("{name}_{c}")));
    let bar = |(i, name): (usize, String)| AttributionBar {
        name,
        shown_value: None,
        value: if values == BarValues::Signed { made_up(i) } else { made_up(i).abs() },
    };
    let bars = names.chain(categories).enumerate().map(bar).collect();
    let (title, axis) = match values {
        BarValues::Signed => ("Which features moved the prediction", "sum over the test rows, L1-normalised"),
        BarValues::Magnitude => {
            ("How much each feature moved the prediction", "mean |attribution| over the test rows")
        }
    };
    AttributionBars {
        title: title.to_owned(),
        subtitle:
            "Integrated Gradients of the logit, baseline zero, 50 nodes, 905 test rows (made-up numbers)"
                .to_owned(),
        axis: axis.to_owned(),
        bars,
        top,
        values,
        positive: "towards a deposit".to_owned(),
        negative: "away from a deposit".to_owned(),
        ..Default::default()
    }
}

fn one_row() -> AttributionBars {
    let rows = [
        ("duration", "1,370 s", 2.913),
        ("poutcome", "success", 1.204),
        ("contact", "cellular", 0.310),
        ("balance", "1,787", 0.094),
        ("age", "30", -0.021),
        ("campaign", "1", 0.0003),
        ("housing", "yes", -0.412),
        ("month", "may", -0.877),
        (
            "a name that somebody wrote as a whole sentence about what the column means",
            "not known at the time",
            0.2,
        ),
        ("education", "missing", f64::NAN),
    ];
    AttributionBars {
        title: "Why client 17 is expected to make a deposit".to_owned(),
        subtitle:
            "Probability 0.94, predicted yes, in truth yes. Logit at the baseline \u{2212}1.92, here 2.75."
                .to_owned(),
        axis: "attribution to the logit".to_owned(),
        bars: rows
            .map(|(name, shown, value)| AttributionBar {
                name: name.to_owned(),
                shown_value: Some(shown.to_owned()),
                value,
            })
            .to_vec(),
        positive: "towards a deposit".to_owned(),
        negative: "away from a deposit".to_owned(),
        ..Default::default()
    }
}

fn months(split: bool) -> CategoryCounts {
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let counts = [148u64, 222, 49, 293, 1398, 531, 706, 633, 52, 80, 389, 20];
    let category = |(name, count): (&str, u64)| Category {
        name: name.to_owned(),
        counts: if split { vec![count - count / 7, count / 7] } else { vec![count] },
    };
    CategoryCounts {
        title: "Last contact by month".to_owned(),
        subtitle: "All 4,521 clients".to_owned(),
        axis: "clients".to_owned(),
        classes: if split { vec!["no deposit".to_owned(), "deposit".to_owned()] } else { Vec::new() },
        categories: months.into_iter().zip(counts).map(category).collect(),
        ..Default::default()
    }
}

fn jobs() -> CategoryCounts {
    let jobs = [
        ("management", 969u64, 131u64),
        ("blue-collar", 946, 69),
        ("technician", 768, 83),
        ("administration and office work", 478, 58),
        ("services", 417, 38),
        ("unknown", 38, 7),
    ];
    let category = |(name, count, yes): (&str, u64, u64)| Category {
        name: name.to_owned(),
        counts: vec![count - yes, yes],
    };
    CategoryCounts {
        title: "Clients by job".to_owned(),
        axis: "clients".to_owned(),
        classes: vec!["no deposit".to_owned(), "deposit".to_owned()],
        categories: jobs.map(category).to_vec(),
        ..Default::default()
    }
}

fn confusion() -> ConfusionMatrix {
    ConfusionMatrix {
        title: "Confusion matrix".to_owned(),
        subtitle: "905 test rows, threshold: probability 0.5".to_owned(),
        classes: vec!["no".to_owned(), "yes".to_owned()],
        counts: vec![vec![706, 95], vec![31, 73]],
        ..Default::default()
    }
}

fn confusion_of_ten() -> ConfusionMatrix {
    let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let count =
        |i: usize, j: usize| if i == j { 700 + 23 * i as u64 } else { ((i * 31 + j * 17) % 61) as u64 };
    ConfusionMatrix {
        title: "Ten classes".to_owned(),
        classes: classes.map(str::to_owned).to_vec(),
        counts: (0..10).map(|i| (0..10).map(|j| count(i, j)).collect()).collect(),
        ..Default::default()
    }
}

fn roc() -> RocCurve {
    let curve = |power: f64| (0..=200).map(|i| f64::from(i) / 200.0).map(|x| (x, x.powf(power))).collect();
    let series = |name: &str, power: f64, auc, threshold| RocSeries {
        name: name.to_owned(),
        points: curve(power),
        auc: Some(auc),
        threshold,
    };
    let threshold = RocThreshold {
        label: "probability 0.5".to_owned(),
        false_positive_rate: 0.119,
        true_positive_rate: 0.119f64.powf(0.136),
    };
    RocCurve {
        title: "ROC curve".to_owned(),
        subtitle: "3,616 training rows and 905 test rows".to_owned(),
        curves: vec![series("train", 0.05, 0.952, None), series("test", 0.136, 0.880, Some(threshold))],
        ..Default::default()
    }
}

fn loss() -> LossCurve {
    let curve = |from: f64, to: f64, rise: f64| -> Vec<f64> {
        let at =
            |i: u32| to + (from - to) * (-f64::from(i) / 14.0).exp() + rise * (f64::from(i) / 120.0).powi(2);
        (0..120).map(|i| at(i) + 0.006 * f64::from(i * 37 % 11) / 11.0).collect()
    };
    let series = |name: &str, values: Vec<f64>| CurveSeries { name: name.to_owned(), values };
    LossCurve {
        title: "Training".to_owned(),
        subtitle: "Adam, learning rate 0.001, batches of 10".to_owned(),
        panels: vec![
            CurvePanel {
                label: "binary cross-entropy (positives weighted 7.68)".to_owned(),
                series: vec![
                    series("train", curve(1.1, 0.42, 0.0)),
                    series("validation", curve(1.0, 0.55, 0.35)),
                ],
            },
            CurvePanel {
                label: "ROC AUC".to_owned(),
                series: vec![series("validation", curve(0.6, 0.905, -0.03))],
            },
        ],
        best_epoch: Some(34),
        ..Default::default()
    }
}

/// A picture that nobody has to look at: hills, a sun, a house.
fn landscape(width: usize, height: usize) -> Picture {
    let (w, h) = (width as f64, height as f64);
    let pixel = |x: usize, y: usize| -> [f64; 3] {
        let (u, v) = (x as f64 / w, y as f64 / h);
        let hill = 0.62 + 0.12 * (u * 7.0).sin() + 0.05 * (u * 23.0).sin();
        if (u - 0.78).hypot((v - 0.22) * h / w) < 0.07 {
            [250.0, 214.0, 96.0]
        } else if (0.28..0.46).contains(&u) && (0.45..0.72).contains(&v) {
            [176.0 - 90.0 * (u - 0.28), 96.0, 80.0]
        } else if v > hill {
            [70.0 + 60.0 * u, 128.0 - 60.0 * (v - hill), 66.0]
        } else {
            [150.0 + 80.0 * v, 186.0 + 40.0 * v, 232.0]
        }
    };
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).map(|v| v as u8).collect();
    Picture::new(width, height, rgb).expect("the sizes fit")
}

/// A map that likes the house, and not the sun.
fn liking(seed: f64) -> Option<AttributionMap> {
    let value = |i: usize| {
        let (x, y) = ((i % 56) as f64 / 56.0, (i / 56) as f64 / 56.0);
        let blob = |cx: f64, cy: f64, s: f64| (-((x - cx).powi(2) + (y - cy).powi(2)) / s).exp();
        let noise = ((i as f64 * 12.9898 + seed).sin() * 43758.547).fract();
        3e-3 * (blob(0.3, 0.6, 0.02) - 0.7 * blob(0.93, 0.2, 0.01)) + 4e-4 * noise
    };
    let region = PictureRegion { left: 50.0, top: 0.0, width: 300.0, height: 300.0 };
    AttributionMap::new(56, 56, (0..56 * 56).map(value).collect(), region)
}

fn image_panel(title: &str, view: ImageView, sign: Sign) -> ImagePanel {
    ImagePanel {
        title: title.to_owned(),
        lines: vec!["house, logit 7.31".to_owned(), "delta +0.0021".to_owned()],
        view,
        map: liking(title.len() as f64),
        sign,
        ..ImagePanel::default()
    }
}

fn image_methods() -> ImageAttributions {
    let original = ImagePanel {
        lines: vec!["hill.png, 400 \u{d7} 300".to_owned(), "house 0.82, barn 0.11, castle 0.02".to_owned()],
        ..image_panel("Original", ImageView::Original, Sign::All)
    };
    let panels = vec![
        original,
        image_panel("Integrated Gradients", ImageView::Overlay, Sign::All),
        image_panel("DeepLIFT (rescale)", ImageView::HeatMap, Sign::All),
        image_panel("Saliency", ImageView::Overlay, Sign::AbsoluteValue),
    ];
    ImageAttributions {
        title: "Why this is a house".to_owned(),
        subtitle: "Three methods on made-up numbers; the network sees the framed square".to_owned(),
        note: "Colours: attribution to the logit of a pixel, summed over its channels.".to_owned(),
        rows: vec![ImageRow { picture: landscape(400, 300), panels }],
        ..Default::default()
    }
}

fn image_views() -> ImageAttributions {
    let views = [
        ("heat map, negative", ImageView::HeatMap, Sign::Negative),
        ("heat map, absolute value", ImageView::HeatMap, Sign::AbsoluteValue),
        ("blended, all", ImageView::Blended, Sign::All),
        ("masked, positive", ImageView::Masked, Sign::Positive),
        ("alpha scaling, positive", ImageView::AlphaScaling, Sign::Positive),
        ("overlay, positive", ImageView::Overlay, Sign::Positive),
    ];
    ImageAttributions {
        title: "Ways to show a map".to_owned(),
        rows: vec![ImageRow {
            picture: landscape(400, 300),
            panels: views.map(|(title, view, sign)| image_panel(title, view, sign)).to_vec(),
        }],
        ..Default::default()
    }
}

/// Small pictures, as of digits.
fn image_digits() -> ImageAttributions {
    let row = |turn: usize| {
        let picture = landscape(28, 28);
        let region = PictureRegion { left: 0.0, top: 0.0, width: 28.0, height: 28.0 };
        let values = (0..28 * 28).map(|i| made_up((i * (turn + 3)) % 41)).collect();
        let map = ImagePanel {
            map: AttributionMap::new(28, 28, values, region),
            interpolation: Interpolation::Nearest,
            ..image_panel("Integrated Gradients", ImageView::HeatMap, Sign::All)
        };
        let original = ImagePanel { map: None, ..image_panel("Original", ImageView::Original, Sign::All) };
        ImageRow { picture, panels: vec![original, map] }
    };
    ImageAttributions {
        title: "Two small pictures".to_owned(),
        rows: vec![row(0), row(1)],
        ..Default::default()
    }
}

fn page(plots: &[(&'static str, Box<dyn Plot>)]) -> Page {
    let figure = |(name, plot): &(&'static str, Box<dyn Plot>)| {
        Block::Figure(Figure::new(name, plot.as_ref(), format!("The plot {name}.")))
    };
    Page {
        title: "What a network learned about 4,521 bank clients".to_owned(),
        lead: vec![
            Text::from("Every plot of this crate, with made-up numbers. Written by ")
                .code("gallery")
                .plain("."),
        ],
        opening: vec![Block::Checks(vec![
            Check {
                name: "Completeness of every row".to_owned(),
                outcome: Outcome::Passed,
                found: "mean |delta| 0.0012".to_owned(),
                expected: "below 0.01".to_owned(),
            },
            Check {
                name: "ROC AUC against PyTorch".to_owned(),
                outcome: Outcome::Failed,
                found: "0.843".to_owned(),
                expected: "0.88 within 0.02".to_owned(),
            },
            Check { name: "Second seed".to_owned(), ..Default::default() },
        ])],
        sections: vec![
            Section {
                title: "What moved the prediction".to_owned(),
                blocks: plots[..4].iter().map(figure).collect(),
            },
            Section { title: "The data".to_owned(), blocks: plots[4..7].iter().map(figure).collect() },
            Section { title: "How good it is".to_owned(), blocks: plots[7..11].iter().map(figure).collect() },
            Section { title: "Pictures".to_owned(), blocks: plots[11..].iter().map(figure).collect() },
            Section {
                title: "How it was made".to_owned(),
                blocks: vec![
                    Block::Definitions(vec![
                        (Text::from("Method"), Text::from("Integrated Gradients, Gauss-Legendre, 50 nodes")),
                        (
                            Text::from("Baseline"),
                            Text::from("zero in the network's space, that is the mean of each column"),
                        ),
                    ]),
                    Block::Note(Text::from(
                        "A sum over one-hot columns with a zero baseline ranks by frequency.",
                    )),
                    Block::Code {
                        language: "sh".to_owned(),
                        text: "pellucid run examples/01-bank/recipe.toml".to_owned(),
                    },
                ],
            },
        ],
        footer: vec![Text::from("pellucid 0.1.0, seed 42, AVX-512")],
    }
}
