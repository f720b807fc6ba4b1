//! `pellucid explain` on pictures and a small model of them.
#![cfg(feature = "images")]

mod common;

use common::{Place, Ran, column, fields};
use pellucid_data::image::{ImageRecord, ImageSteps, Size};
use pellucid_data::metadata::{KEY, Metadata};
use pellucid_graph::{DType, Dim, Network, Tensor, ops};

const SIDE: usize = 6;

/// Logits of three classes: the mean of red, of green, and of blue minus red in the left half.
fn model(place: &Place, name: &str, images: Option<ImageRecord>) {
    let mut network = Network::new();
    let rows = || Dim::Symbol("N".to_owned());
    let shape = [rows(), Dim::Fixed(3), Dim::Fixed(SIDE), Dim::Fixed(SIDE)];
    let input = network.add_input("image", DType::F32, &shape).unwrap();
    let flat = network.add_node("flat", ops::Flatten { axis: 1 }, &[input], "flat").unwrap();
    let pixels = SIDE * SIDE;
    let weight = |class: usize, i: usize| {
        let (channel, left) = (i / pixels, i % SIDE < SIDE / 2);
        let value = match class {
            2 if left => [-1.0, 0.0, 1.0][channel],
            2 => 0.0,
            _ if channel == class => 1.0,
            _ => 0.0,
        };
        value / pixels as f32
    };
    let weights = (0..3).flat_map(|c| (0..3 * pixels).map(move |i| weight(c, i))).collect();
    let weights = network.add_constant("w", Tensor::new(&[3, 3 * pixels], weights).unwrap()).unwrap();
    let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
    let logits = network.add_node("logits", gemm, &[flat, weights], "logits").unwrap();
    network.add_output(logits, DType::F32, &[rows(), Dim::Fixed(3)]);
    if let Some(images) = images {
        network.metadata.insert(KEY.to_owned(), Metadata::of_images(images).to_json().unwrap());
    }
    network.save(place.path(name)).unwrap();
}

/// A PNG of two halves.
fn picture(place: &Place, name: &str, width: usize, height: usize, left: [u8; 3], right: [u8; 3]) {
    let path = place.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixels = (0..width).flat_map(|x| if x < width / 2 { left } else { right });
    let row: Vec<u8> = std::iter::once(0).chain(pixels).collect();
    let rows = row.repeat(height);
    std::fs::write(path, png(width as u32, height as u32, &rows)).unwrap();
}

/// A PNG of stored blocks: no encoder is needed.
fn png(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    let mut data = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = rows.chunks(65535).collect();
    for (i, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        data.push(u8::from(i + 1 == blocks.len()));
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(*block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in rows {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    data.extend((b << 16 | a).to_be_bytes());
    let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
    head.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", head), (b"IDAT", data), (b"IEND", Vec::new())] {
        file.extend((body.len() as u32).to_be_bytes());
        let start = file.len();
        file.extend(kind);
        file.extend(body);
        file.extend(crc(&file[start..]).to_be_bytes());
    }
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

fn place() -> Place {
    let place = Place::new();
    model(&place, "plain.onnx", None);
    let steps =
        ImageSteps { mean: vec![0.5], deviation: vec![0.5], ..ImageSteps::cropped(SIDE, 1.0).unwrap() };
    let classes = ["red", "green", "blue left"].map(str::to_owned).to_vec();
    model(&place, "known.onnx", Some(ImageRecord { steps, classes }));
    picture(&place, "photos/b.png", 12, 6, [255, 0, 0], [0, 0, 255]);
    picture(&place, "photos/a.png", 9, 9, [0, 255, 0], [0, 255, 0]);
    picture(&place, "labelled/red/1.png", 6, 6, [250, 10, 10], [250, 10, 10]);
    picture(&place, "labelled/green/1.png", 6, 6, [10, 250, 10], [10, 250, 10]);
    place
}

fn explain(place: &Place, arguments: &[&str]) -> Ran {
    let ran = place.run(&[&["explain"], arguments].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
    ran
}

#[test]
fn classes_targets_and_checks_are_listed() {
    let place = place();
    let text = explain(&place, &["known.onnx", "photos", "--method", "integrated_gradients,saliency"]).stdout;
    let a = text.find("a.png  9 × 9, seen as 6 × 6").unwrap_or_else(|| panic!("{text}"));
    assert!(a < text.find("b.png  12 × 6, seen as 6 × 6").unwrap(), "{text}");
    assert!(text.contains("Integrated Gradients") && text.contains("Saliency"), "{text}");
    let first = text.lines().find(|l| l.starts_with("green")).unwrap();
    // The mean of green is 1, of red −1, of blue minus red 0: softmax of (−1, 1, 0).
    let expected = 1f64.exp() / (1f64.exp() + (-1f64).exp() + 1.0);
    assert!(first.ends_with(&format!("{expected:.4}")), "{first} {expected}");
    let top = explain(&place, &["known.onnx", "photos/a.png", "--top", "1"]).stdout;
    assert!(!top.contains("red"), "{top}");
}

#[test]
fn attributions_are_exact_and_in_the_pictures_order() {
    let place = place();
    let arguments = [
        "known.onnx",
        "photos",
        "--format",
        "csv",
        "--keep",
        "file",
        "--target",
        "blue left",
        "--precision",
        "float64",
    ];
    let csv = explain(&place, &arguments).stdout;
    let rows = fields(&csv);
    assert_eq!((rows.len(), &*rows[1][8], &*rows[2][8]), (3, "a.png", "b.png"), "{:?}", &rows[0][..10]);
    assert!(csv.contains("attribution.image[0,0,0]") && csv.contains("attribution.image[2,5,5]"));
    // b.png is cropped to its middle: the left three columns are red, the others blue. Red in the left half counts against.
    let values: Vec<f64> = rows[2][9..].iter().map(|v| v.parse().unwrap()).collect();
    let (pixels, each) = (SIDE * SIDE, 1.0 / (SIDE * SIDE) as f64);
    for (i, value) in values.iter().enumerate() {
        let left = i % SIDE < SIDE / 2;
        let expected = match (i / pixels, left) {
            (0, true) => -each,
            (2, true) => -each,
            _ => 0.0,
        };
        assert!((value - expected).abs() < 1e-9, "{i}: {value}");
    }
    assert!(column(&csv, "delta").iter().all(|d| d.abs() < 1e-9));
    let one = explain(&place, &[&arguments[..], &["--rows", "file == \"b.png\""]].concat()).stdout;
    assert_eq!(fields(&one)[1][1..], rows[2][1..]);
}

#[test]
fn options_say_what_the_model_does_not() {
    let place = place();
    let csv = |arguments: &[&str]| {
        let all = [arguments, &["--format", "csv", "--target", "0", "--precision", "float64"]].concat();
        column(&explain(&place, &all).stdout, "output")[0]
    };
    // The mean of red: of 10/255 on each scale, or normalised.
    let (one, ten) = ("labelled/green/1.png", 10.0 / 255.0);
    assert!((csv(&["plain.onnx", one, "--pixel-scale", "unit"]) - ten).abs() < 1e-6);
    assert!((csv(&["plain.onnx", one, "--pixel-scale", "raw"]) - 10.0).abs() < 1e-5);
    assert!((csv(&["plain.onnx", one, "--pixel-scale", "symmetric"]) - (10.0 / 127.5 - 1.0)).abs() < 1e-6);
    let imagenet = csv(&["plain.onnx", one, "--mean", "imagenet", "--std", "imagenet"]);
    assert!((imagenet - (ten - 0.485) / 0.229).abs() < 1e-6);
    assert!(
        (csv(&["plain.onnx", one, "--mean", "0.1,0.2,0.3", "--channels", "bgr"]) - (ten - 0.1)).abs() < 1e-6
    );
    assert!((csv(&["known.onnx", one, "--mean", "0"]) - ten / 0.5).abs() < 1e-6, "the rest is the model's");
    // What was used is recorded, and the record can be given again.
    explain(&place, &["plain.onnx", one, "--pixel-scale", "raw", "--target", "0", "--output", "r.csv"]);
    assert!(place.read("r.record.json").contains("\"scale\": \"raw\""));
    let again = csv(&["plain.onnx", one, "--spec", "r.record.json"]);
    assert!((again - 10.0).abs() < 1e-5);
}

#[test]
fn black_white_and_pictures_are_baselines() {
    let place = place();
    let base = |baseline: &[&str]| {
        let all = ["known.onnx", "labelled/red/1.png", "--format", "csv", "--target", "red"];
        column(&explain(&place, &[&all[..], baseline].concat()).stdout, "baseline_output")[0]
    };
    assert!(base(&[]).abs() < 1e-6, "zero is the middle of the scale");
    assert!((base(&["--baseline", "0", "--baseline-space", "raw"]) + 1.0).abs() < 1e-6);
    assert!((base(&["--baseline", "255", "--baseline-space", "raw"]) - 1.0).abs() < 1e-6);
    let green = base(&["--baseline", "photos/a.png"]);
    assert!((green + 1.0).abs() < 1e-6, "{green}");
}

#[test]
fn sub_folders_are_classes() {
    let place = place();
    let text = explain(&place, &["known.onnx", "labelled", "--label", "folder", "--target", "true"]).stdout;
    assert!(text.contains("green/1.png") && text.contains("in truth green"), "{text}");
    let ran = place.run(&["explain", "known.onnx", "photos", "--label", "folder"]);
    ran.refused(3, &["photos", "no picture in sub-folders"]);
    place
        .run(&["explain", "known.onnx", "labelled"])
        .refused(3, &["labelled", "no picture", "label \"folder\""]);
    let csv = explain(&place, &["known.onnx", "labelled", "--label", "folder", "--format", "csv"]).stdout;
    assert_eq!(fields(&csv)[1][4], "green");
    place.write("names.txt", "x\ny\nz\n");
    let ran =
        place.run(&["explain", "known.onnx", "labelled", "--label", "folder", "--classes", "names.txt"]);
    ran.refused(3, &["no class \"green\"", "x, y, z"]);
}

#[test]
fn plots_are_written() {
    let place = place();
    let both = "integrated_gradients,input_x_gradient";
    explain(&place, &["known.onnx", "photos", "--plot", "p.svg", "--method", both, "--view", "heat-map"]);
    let svg = place.read("p.svg");
    assert_eq!(
        svg.matches("data:image/png").count(),
        2 * (1 + 2 * 2 + 2 * 2),
        "an original, two maps and bars in two themes"
    );
    for text in [">Integrated Gradients<", ">Input × gradient<", ">a.png<", "<desc", "delta "] {
        assert!(svg.contains(text), "{text}");
    }
    explain(
        &place,
        &["known.onnx", "photos/a.png", "--plot", "p.png", "--theme", "dark", "--sign", "positive"],
    );
    assert!(std::fs::read(place.path("p.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn threads_do_not_change_a_bit() {
    let place = place();
    let one = explain(&place, &["known.onnx", "photos", "--format", "csv", "--threads", "1"]).stdout;
    assert_eq!(one, explain(&place, &["known.onnx", "photos", "--format", "csv", "--threads", "3"]).stdout);
}

#[test]
fn what_cannot_be_is_refused() {
    let place = place();
    place.write("photos/c.png", "not a picture");
    place.write("bomb.png", {
        let mut file = png(1, 1, &[0, 0, 0, 0]);
        file[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        file
    });
    std::fs::create_dir(place.path("empty")).unwrap();
    let cases: [(&[&str], i32, &[&str]); 16] = [
        (&["known.onnx", "photos"], 3, &["c.png", "not those of PNG, JPEG or WebP"]),
        (&["known.onnx", "bomb.png"], 3, &["bomb.png", "65535 × 65535"]),
        (&["known.onnx", "empty"], 3, &["empty", "no picture"]),
        (&["plain.onnx", "photos/a.png"], 2, &["plain.onnx does not say", "--mean", "--pixel-scale"]),
        (&["model.onnx", "photos/a.png", "--mean", "0"], 3, &["four axes", "with 2 axes"]),
        (&["known.onnx", "photos/a.png", "--crop", "5"], 3, &["expected shape"]),
        // A crop larger than the picture is padded, and does not fit the network.
        (&["known.onnx", "photos/a.png", "--crop", "7", "--image-size", "6"], 3, &["expected shape", "7, 7"]),
        (&["known.onnx", "photos/a.png", "--image-size", "big"], 2, &["--image-size", "big"]),
        (&["known.onnx", "photos/a.png", "--layout", "chwn"], 2, &["--layout", "nhwc"]),
        (&["known.onnx", "photos/a.png", "--std", "0"], 2, &["deviation"]),
        (&["known.onnx", "photos/a.png", "--plot", "p.pdf"], 2, &["p.pdf", ".svg or .png"]),
        (&["known.onnx", "photos/a.png", "--global"], 2, &["pixels are no features"]),
        (&["known.onnx", "photos/a.png", "--target", "yellow"], 2, &["yellow", "blue left"]),
        (&["known.onnx", "photos/a.png", "--label", "y"], 2, &["folder"]),
        (&["model.onnx", "clients.csv", "--mean", "0"], 2, &["clients.csv", "neither a picture"]),
        (&["model.onnx", "clients.csv", "--plot", "p.svg"], 2, &["clients.csv", "--plot", "pellucid run"]),
    ];
    for (arguments, code, says) in cases {
        place.run(&[&["explain"], arguments].concat()).refused(code, says);
    }
    place.refuses(&["--method", "saliency,deep_lift"], 2, &["several methods at once are for pictures"]);
    assert_eq!(Size::square(6).to_string(), "6 × 6");
}

#[test]
fn methods_side_by_side_take_each_what_is_theirs() {
    let place = place();
    let both: [&'static str; 4] = ["known.onnx", "photos/a.png", "--method", "saliency,integrated_gradients"];
    let with = |more: &[&'static str]| [&both[..], more].concat();
    explain(&place, &with(&["--nodes", "3", "--absolute", "false"]));
    let refused = |arguments: &[&str], says: &[&str]| {
        place.run(&[&["explain"], arguments].concat()).refused(2, says);
    };
    refused(&with(&["--eps", "0.1"]), &["none of the methods takes eps"]);
    refused(&with(&["--nodes", "0"]), &["0 were asked for"]);
    refused(&["known.onnx", "photos/a.png", "--method", "saliency", "--nodes", "3"], &["--nodes"]);
    // Magnitudes have one colour, and what has no colours has no numbers beside them.
    explain(&place, &with(&["--nodes", "3", "--plot", "both.svg"]));
    let svg = place.read("both.svg");
    assert!(svg.contains("Numbers beside the colours") && svg.matches(">0</text>").count() == 2, "{svg}");
    assert_eq!(svg.matches("≤ −").count(), 1, "a saliency has no negative side");
    explain(&place, &with(&["--nodes", "3", "--view", "masked", "--plot", "masked.svg"]));
    let svg = place.read("masked.svg");
    assert!(svg.contains("The brighter, the larger") && !svg.contains("Numbers beside"), "{svg}");
}

#[test]
fn a_folder_without_pictures_says_so() {
    let place = place();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run(&["explain", "model.onnx", "empty"]).refused(3, &["empty", "no picture", "png"]);
    place
        .run(&["explain", "known.onnx", "photos", "--plot", "nowhere/a.svg"])
        .refused(1, &["nowhere/a.svg", "there is no folder nowhere"]);
}
