//! Pictures against PIL's, and one test for each way in which a file can be wrong. `tests/files/images/make.py` wrote the files.
#![cfg(feature = "images")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use pellucid_data::ErrorKind;
use pellucid_data::arrays;
use pellucid_data::image::*;
use pellucid_graph::Tensor;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files/images").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

fn expected() -> BTreeMap<String, Tensor> {
    arrays::load(file("expected.npz")).unwrap().into_iter().collect()
}

fn pixels(tensor: &Tensor) -> Pixels {
    let (size, channels) = match *tensor.shape() {
        [height, width] => (Size { width, height }, 1),
        [height, width, channels] => (Size { width, height }, channels),
        ref other => panic!("{other:?}"),
    };
    Pixels::new(size, channels, tensor.as_slice::<u8>().unwrap().to_vec()).unwrap()
}

/// The largest and the mean difference of two pictures of one size.
fn difference(a: &Pixels, b: &Pixels) -> (u8, f64) {
    assert_eq!((a.size(), a.channels()), (b.size(), b.channels()));
    let each = || a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b));
    (each().max().unwrap(), each().map(f64::from).sum::<f64>() / a.data().len() as f64)
}

#[test]
fn resizing_is_that_of_pil_bit_for_bit() {
    let scene = read(file("scene.png"), &DecodeOptions::default()).unwrap();
    let mut checked = 0;
    for (name, values) in expected() {
        let Some(rest) = name.strip_prefix("resize/") else { continue };
        let how = rest.split('/').next().unwrap();
        let (source, how) = match how {
            "nearest" => (scene.clone(), Resampling::Nearest),
            "bilinear" => (scene.clone(), Resampling::Bilinear),
            "bicubic" => (scene.clone(), Resampling::Bicubic),
            "lanczos" => (scene.clone(), Resampling::Lanczos),
            _ => (scene.to_grey(), Resampling::Bicubic),
        };
        let values = pixels(&values);
        let found = resize(&source, values.size(), how).unwrap();
        assert_eq!(difference(&found, &values).0, 0, "{name}");
        checked += 1;
    }
    assert_eq!(checked, 61);
    assert_eq!(scene.to_grey(), pixels(&expected()["grey"]));
}

#[test]
fn steps_are_those_of_torchvision() {
    let all = expected();
    let steps = ImageSteps {
        resize: Resize::ShorterSide(24),
        crop: Some(Size::square(21)),
        mean: ImageSteps::IMAGENET_MEAN.to_vec(),
        deviation: ImageSteps::IMAGENET_DEVIATION.to_vec(),
        ..ImageSteps::default()
    };
    let scene = read(file("scene.png"), &DecodeOptions::default()).unwrap();
    let (tensor, region) = steps.apply(&scene).unwrap();
    assert_eq!(tensor.shape(), [1, 3, 21, 21]);
    let values = all["steps/imagenet"].as_slice::<f32>().unwrap();
    for (a, b) in tensor.as_slice::<f32>().unwrap().iter().zip(values) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    // 61 × 43 becomes 34 × 24; the crop at (6, 2), since Python rounds 6.5 and 1.5 to even numbers.
    assert_eq!(all["steps/box"].to_f64().unwrap(), [6.0, 2.0, 21.0, 21.0]);
    assert_eq!((region.left, region.top), (6.0 * 61.0 / 34.0, 2.0 * 43.0 / 24.0));
    assert_eq!((region.width, region.height), (21.0 * 61.0 / 34.0, 21.0 * 43.0 / 24.0));
}

#[test]
fn files_are_decoded_as_pil_does() {
    let options = DecodeOptions { alpha: Alpha::Drop, ..DecodeOptions::default() };
    let mut checked = 0;
    for (name, values) in expected() {
        let Some(name) = name.strip_prefix("decode/") else { continue };
        let found = read(file(name), &options).unwrap_or_else(|e| panic!("{e}"));
        // Lossy formats leave decoders some room: for roundings, and for smoothing colours of fewer samples.
        let (most, mean) = match name {
            "subsampled.jpg" | "lossy.webp" => (24, 2.0),
            "cmyk.jpg" => (4, 1.0),
            n if n.ends_with(".jpg") => (3, 0.6),
            _ => (0, 0.0),
        };
        let (largest, average) = difference(&found.to_rgb(), &pixels(&values).to_rgb());
        assert!(largest <= most && average <= mean, "{name}: {largest}, mean {average}");
        checked += 1;
    }
    assert_eq!(checked, 24);
}

#[test]
fn transparency_is_laid_on_white() {
    for name in ["alpha.png", "palette-alpha.png"] {
        let found = read(file(name), &DecodeOptions::default()).unwrap();
        assert!(difference(&found, &pixels(&expected()[&format!("white/{name}")])).0 <= 1, "{name}");
    }
}

/// A PNG with one chunk of data.
fn png(width: u32, height: u32, depth: u8, color: u8, data: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([depth, color, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", head.as_slice()), (b"IDAT", data), (b"IEND", b"")] {
        file.extend((body.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        file.extend(kind);
        file.extend(body);
        file.extend(crc.sum().to_be_bytes());
    }
    file
}

#[track_caller]
fn refused(bytes: &[u8], says: &str) -> pellucid_data::Error {
    let error = decode(bytes, &DecodeOptions::default()).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    error
}

#[test]
fn a_picture_of_65535_squared_is_refused_by_its_header() {
    let bomb = png(65535, 65535, 8, 2, &[0x78, 0x9c, 0x03, 0x00]);
    let error = refused(&bomb, "a picture of 65535 × 65535 pixels: expected at most 100000000 pixels in all");
    assert!(matches!(error.kind(), ErrorKind::PictureTooLarge { width: 65535, height: 65535, .. }));
    let error = refused(&png(u32::MAX, u32::MAX, 16, 6, b""), "pixels");
    assert!(!error.to_string().is_empty());
    // The same in a JPEG: the size is in its frame header.
    let mut jpeg = bytes("turned-1.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    let error = refused(&jpeg, "65535 × 65535");
    assert!(matches!(error.kind(), ErrorKind::PictureTooLarge { .. }));
    // And in a WebP, up to the 2¹⁴ in each direction that it can have; a frame larger than the canvas around it is refused as such.
    let mut lossless = bytes("alpha.webp");
    lossless[21..25].copy_from_slice(&(0x0FFF_FFFFu32).to_le_bytes());
    refused(&lossless, "not a valid WebP picture");
    let mut lossy = bytes("lossy.webp");
    lossy[26..30].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
    let error = refused(&lossy, "16383 × 16383");
    assert!(matches!(error.kind(), ErrorKind::PictureTooLarge { .. }));
    // A limit is a limit: 61 × 43 = 2,623.
    let limit = |max_pixels| DecodeOptions { max_pixels, ..DecodeOptions::default() };
    assert!(read(file("scene.png"), &limit(2623)).is_ok());
    let error = read(file("scene.png"), &limit(2622)).unwrap_err();
    assert!(error.to_string().contains("scene.png: a picture of 61 × 43"), "{error}");
    let few = DecodeOptions { max_bytes: 100, ..DecodeOptions::default() };
    assert!(read(file("scene.png"), &few).unwrap_err().to_string().contains("more than 100 bytes"));
}

#[test]
fn a_compressed_text_is_no_way_around_the_limits() {
    // A megabyte of zeros in the colour profile, again and again inside 200 bytes of text, would be 100 MB.
    let mut profile = b"p\0\0".to_vec();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..100 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    profile.extend(encoder.finish().unwrap());
    let mut file = bytes("scene.png");
    let mut chunk = (profile.len() as u32).to_be_bytes().to_vec();
    let mut crc = flate2::Crc::new();
    for part in [b"iCCP".as_slice(), &profile] {
        crc.update(part);
        chunk.extend(part);
    }
    chunk.extend(crc.sum().to_be_bytes());
    file.splice(33..33, chunk);
    // The picture is read without it, or refused; its pixels are the same.
    if let Ok(found) = decode(&file, &DecodeOptions::default()) {
        assert_eq!(found, read(self::file("scene.png"), &DecodeOptions::default()).unwrap());
    }
}

#[test]
fn no_size_no_picture() {
    refused(b"", "empty");
    refused(b"GIF89a\x01\0\x01\0\0\0\0;", "not those of PNG, JPEG or WebP");
    refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not those of PNG, JPEG or WebP");
    refused(&png(0, 5, 8, 2, b""), "PNG");
    refused(&png(5, 0, 8, 0, b""), "PNG");
    refused(&png(5, 5, 7, 0, b""), "PNG");
    refused(&png(5, 5, 8, 9, b""), "PNG");
    refused(&png(5, 5, 8, 2, &[0x78, 0x9c, 0x03, 0x00]), "PNG");
    let error = read(file("no such file.png"), &DecodeOptions::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)) && error.to_string().contains("no such file.png"));
}

#[test]
fn a_name_does_not_make_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really-a-png.jpg");
    std::fs::copy(file("scene.png"), &path).unwrap();
    let options = DecodeOptions::default();
    assert_eq!(read(&path, &options).unwrap(), read(file("scene.png"), &options).unwrap());
}

#[test]
fn files_that_end_early_are_errors() {
    let names = ["scene.png", "turned-6.png", "sixteen.png", "turned-6.webp", "lossy.webp", "alpha.webp"];
    let lossy = ["turned-3.jpg", "progressive.jpg", "cmyk.jpg", "subsampled.jpg"];
    for name in names.into_iter().chain(lossy) {
        let whole = bytes(name);
        let options = DecodeOptions::default();
        let good = decode(&whole, &options).unwrap();
        for length in (0..whole.len()).step_by(if whole.len() > 2000 { 7 } else { 1 }) {
            // What is behind the last byte of the pixels may be lost.
            if let Ok(found) = decode(&whole[..length], &options) {
                assert_eq!(found, good, "{name} cut at {length} of {}", whole.len());
                assert!(!name.ends_with("jpg"), "{name} cut at {length} of {}", whole.len());
            }
        }
    }
}

#[test]
fn broken_bytes_are_errors_or_pictures() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let options = DecodeOptions { max_pixels: 1 << 16, ..DecodeOptions::default() };
    // More rounds than a test has time for: PELLUCID_FUZZ_ROUNDS.
    let rounds = std::env::var("PELLUCID_FUZZ_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(300);
    for entry in std::fs::read_dir(file("")).unwrap() {
        let path = entry.unwrap().path();
        if !is_image(&path) {
            continue;
        }
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..rounds {
            let mut broken = whole.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() as usize % broken.len();
                broken[at] = next() as u8;
            }
            if next() % 5 == 0 {
                broken.truncate(next() as usize % broken.len());
            }
            if let Ok(found) = decode(&broken, &options) {
                let size = found.size();
                assert_eq!(found.data().len(), size.width * size.height * found.channels());
            }
        }
    }
}

fn small() -> Pixels {
    let data = (0..4 * 2 * 3).map(|v| v * 10).collect();
    Pixels::new(Size { width: 4, height: 2 }, 3, data).unwrap()
}

#[test]
fn scales_channels_and_layouts() {
    let encode = |steps: &ImageSteps| steps.apply(&small()).unwrap().0;
    let first = |steps: ImageSteps| encode(&steps).as_slice::<f32>().unwrap()[..3].to_vec();
    let steps = || ImageSteps { layout: Layout::Nhwc, scale: PixelScale::Raw, ..ImageSteps::default() };
    assert_eq!(first(steps()), [0.0, 10.0, 20.0]);
    assert_eq!(first(ImageSteps { channels: ChannelOrder::Bgr, ..steps() }), [20.0, 10.0, 0.0]);
    assert_eq!(first(ImageSteps { layout: Layout::Nchw, ..steps() }), [0.0, 30.0, 60.0]);
    assert_eq!(first(ImageSteps { scale: PixelScale::Unit, ..steps() })[1], 10.0 / 255.0);
    assert_eq!(first(ImageSteps { scale: PixelScale::Symmetric, ..steps() })[0], -1.0);
    let moved = ImageSteps { mean: vec![1.0, 2.0, 3.0], deviation: vec![2.0], ..steps() };
    assert_eq!(first(moved), [-0.5, 4.0, 8.5]);
    let grey = ImageSteps { channels: ChannelOrder::Grey, ..steps() };
    assert_eq!(encode(&grey).shape(), [1, 2, 4, 1]);
    assert_eq!(first(grey), [8.0, 38.0, 68.0]);
    let wide = ImageSteps { resize: Resize::Exact(Size { width: 2, height: 6 }), ..steps() };
    assert_eq!(encode(&wide).shape(), [1, 6, 2, 3]);
    assert_eq!(encode(&ImageSteps::default()).shape(), [1, 3, 2, 4]);
}

#[test]
fn attributions_are_folded_to_pixels() {
    let size = Size { width: 2, height: 1 };
    let chw = ImageSteps::default();
    assert_eq!(chw.fold_channels(&[1.0, 2.0, 10.0, 20.0, 100.0, 200.0], size).unwrap(), [111.0, 222.0]);
    let hwc = ImageSteps { layout: Layout::Nhwc, ..chw.clone() };
    assert_eq!(hwc.fold_channels(&[1.0, 10.0, 100.0, 2.0, 20.0, 200.0], size).unwrap(), [111.0, 222.0]);
    assert!(chw.fold_channels(&[1.0; 5], size).is_err());
}

#[test]
fn steps_that_make_no_sense_are_refused() {
    let refused = |steps: ImageSteps, says: &str| {
        let error = steps.apply(&small()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    let steps = ImageSteps::default;
    refused(ImageSteps { mean: vec![0.5, 0.5], ..steps() }, "expected one number or 3, got 2");
    refused(ImageSteps { deviation: vec![0.0], ..steps() }, "above zero for a deviation, got 0");
    refused(ImageSteps { mean: vec![f64::NAN], ..steps() }, "finite");
    refused(ImageSteps { crop: Some(Size { width: 0, height: 3 }), ..steps() }, "0 × 3");
    refused(ImageSteps { resize: Resize::ShorterSide(usize::MAX), ..steps() }, "pixels");
    refused(ImageSteps { resize: Resize::ShorterSide(8000), ..steps() }, "would be resized to 16000 × 8000");
    assert!(ImageSteps::cropped(224, 0.0).is_err() && ImageSteps::cropped(224, 1.5).is_err());
    assert_eq!(ImageSteps::cropped(224, 0.875).unwrap().resize, Resize::ShorterSide(256));
}

/// `torchvision.transforms.functional.center_crop` of the same pictures (torchvision pads by `(crop − size) // 2` before and one more
/// behind where that is odd, and crops the other axis as ever).
#[test]
fn a_crop_that_is_larger_than_the_picture_has_zeros_around_it() {
    let grey = |width: usize, height: usize| {
        let data = (1..=(width * height) as u8).collect();
        Pixels::new(Size { width, height }, 1, data).unwrap()
    };
    let cropped = |picture: &Pixels, width: usize, height: usize| {
        let crop = Some(Size { width, height });
        let steps = ImageSteps { channels: ChannelOrder::Grey, crop, ..ImageSteps::default() };
        steps.view(picture).unwrap()
    };
    let view = cropped(&grey(2, 2), 5, 4);
    assert_eq!(view.pixels.data(), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(view.region, Region { left: -1.0, top: -1.0, width: 5.0, height: 4.0 });
    // Wider, and less high: padded along one axis, cut along the other, 1.5 rounded to 2.
    let view = cropped(&grey(2, 5), 4, 2);
    assert_eq!(view.pixels.data(), [0, 5, 6, 0, 0, 7, 8, 0]);
    assert_eq!(view.region, Region { left: -1.0, top: 2.0, width: 4.0, height: 2.0 });
    assert_eq!(cropped(&grey(2, 2), 3, 2).pixels.data(), [1, 2, 0, 3, 4, 0]);
    let steps =
        ImageSteps { resize: Resize::ShorterSide(2), crop: Some(Size::square(4)), ..ImageSteps::default() };
    let (tensor, region) = steps.apply(&small()).unwrap();
    assert_eq!(tensor.shape(), [1, 3, 4, 4]);
    assert!(region.left <= 0.0 && region.top < 0.0);
}

#[test]
fn a_folder_is_sorted_and_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(file("scene.png"), path).unwrap();
    };
    let empty = ImageFolder::open(folder.path()).unwrap_err().to_string();
    assert!(empty.contains("no picture: expected files ending in jpeg, jpg, png, webp"), "{empty}");
    for name in ["b.PNG", "a.jpeg", "notes.txt", ".hidden.png", "dogs/2.png", "cats/10.png", "cats/1.webp"] {
        put(name);
    }
    let names = |f: &ImageFolder| f.files().iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    let plain = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(names(&plain), ["a.jpeg", "b.PNG"]);
    let labelled = ImageFolder::open_labelled(folder.path()).unwrap();
    assert_eq!(names(&labelled), ["cats/1.webp", "cats/10.png", "dogs/2.png"]);
    assert_eq!(labelled.classes(), ["cats", "dogs"]);
    assert_eq!(labelled.files().iter().map(|f| f.class).collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
    let one = ImageFolder::open(folder.path().join("b.PNG")).unwrap();
    assert_eq!(names(&one), ["b.PNG"]);
    assert!(ImageFolder::open(folder.path().join("none")).is_err());
    std::fs::write(folder.path().join("c.png"), b"not a picture").unwrap();
    let broken = &ImageFolder::open(folder.path()).unwrap().files()[2].path.clone();
    let error = read(broken, &DecodeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("c.png: not a valid picture"), "{error}");
}

#[test]
fn names_of_classes_are_read_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classes.txt");
    let with = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        read_classes(&path)
    };
    assert_eq!(with("tabby\r\n tiger cat\n\n".as_bytes()).unwrap(), ["tabby", "tiger cat"]);
    assert!(with(b"a\n\nb").unwrap_err().to_string().contains("classes.txt, line 2"));
    assert!(with(b"\xff").is_err() && with(b"\n").is_err());
}

#[test]
fn steps_travel_in_a_document() {
    use pellucid_data::metadata::Metadata;
    let steps = ImageSteps { mean: vec![0.5], ..ImageSteps::cropped(224, 0.875).unwrap() };
    let record = ImageRecord { steps, classes: vec!["cat".to_owned(), "dog".to_owned()] };
    let document = Metadata::of_images(record);
    let json = document.to_json().unwrap();
    assert_eq!(Metadata::from_json(&json).unwrap(), document);
    // What a person or a script writes need not name what is as usual.
    let short = r#"{"version": 2, "images": {"steps": {"resize": {"shorter_side": 256}, "crop": {"width": 224,
        "height": 224}, "mean": [0.5]}, "classes": ["cat", "dog"]}}"#;
    assert_eq!(Metadata::from_json(short).unwrap(), document);
    for (bad, says) in [
        (short.replace("\"version\": 2", "\"version\": 1"), "version 1 is on a table"),
        (short.replace("\"version\": 2", "\"version\": 3"), "version 3 is not 1 or 2"),
        (short.replace("[0.5]", "[0.5, 1]"), "expected one number or 3"),
        (short.replace("mean", "maen"), "maen"),
        (r#"{"version": 2}"#.to_owned(), "version 1 is on a table"),
    ] {
        let error = Metadata::from_json(&bad).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
