//! Files that are not ONNX: what they are instead, and the line that makes ONNX of them.

use std::path::Path;

/// How to make ONNX of a PyTorch model.
const FROM_PYTORCH: &str = "export it from Python, in evaluation mode: \
     torch.onnx.export(model, (example,), \"model.onnx\", dynamo=True, dynamic_shapes=({0: \"batch\"},))";

/// How to make ONNX of a TensorFlow model.
fn from_tensorflow(option: &str, name: &str) -> String {
    format!("convert it: python -m tf2onnx.convert {option} {name} --output model.onnx")
}

/// What to say of a folder.
pub(super) fn folder(path: &Path) -> String {
    let name = path.display();
    if path.join("saved_model.pb").is_file() {
        let line = from_tensorflow("--saved-model", &name.to_string());
        return format!("{name} is a TensorFlow SavedModel, not an ONNX model; {line}");
    }
    let inside: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .take(10_000)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".onnx"))
        .take(3)
        .collect();
    if inside.is_empty() {
        format!("{name} is a folder, expected an ONNX file")
    } else {
        format!("{name} is a folder, expected an ONNX file; it contains {}", inside.join(", "))
    }
}

/// What the bytes certainly are, where that is not ONNX. `path` is where they come from, if from a file.
pub(super) fn recognise(bytes: &[u8], path: Option<&Path>) -> Option<String> {
    let name = name_of(path);
    let file = path.map_or_else(|| "model".to_owned(), |p| p.display().to_string());
    let extension = extension_of(path);
    let contains = |part: &[u8]| {
        let (head, tail) =
            (&bytes[..bytes.len().min(1 << 16)], &bytes[bytes.len().saturating_sub(1 << 16)..]);
        [head, tail].iter().any(|b| b.windows(part.len()).any(|w| w == part))
    };
    if bytes.is_empty() {
        return Some(format!("{name} is empty, expected an ONNX model"));
    }
    if bytes.iter().take(4096).all(|&b| b == 0) {
        return Some(format!("{name} begins with nothing but zeros; it was not written or copied whole"));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Some(format!(
            "{name} is a pointer of Git LFS, not the model itself; fetch it with `git lfs pull`"
        ));
    }
    if bytes.starts_with(b"\x89HDF\r\n") {
        return Some(format!(
            "{name} is an HDF5 file, as Keras writes them, not an ONNX model; {}",
            from_keras(&file)
        ));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(if contains(b"model.weights.h5") || extension == "keras" {
            format!("{name} is a Keras model, not an ONNX model; {}", from_keras(&file))
        } else if contains(b"data.pkl") || ["pt", "pth", "ckpt", "bin"].contains(&extension.as_str()) {
            format!("{name} is a PyTorch file, not an ONNX model; {FROM_PYTORCH}")
        } else if extension == "pt2" {
            format!(
                "{name} is a PyTorch exported program, not an ONNX model; \
                 torch.onnx.export(torch.export.load({file:?}), (example,), \"model.onnx\", dynamo=True)"
            )
        } else if extension == "npz" || contains(b".npy") {
            format!("{name} holds NumPy arrays, expected an ONNX model")
        } else {
            format!("{name} is a zip archive, expected an ONNX model; unpack it first if one is inside")
        });
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Some(format!("{name} is compressed with gzip, expected an ONNX model; unpack it first"));
    }
    if bytes.starts_with(b"\x93NUMPY") {
        return Some(format!("{name} is a NumPy array, expected an ONNX model"));
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some(format!(
            "{name} is a TensorFlow Lite model, not an ONNX model; {}",
            from_tensorflow("--tflite", &file)
        ));
    }
    // A pickle's second byte is its protocol's version.
    if bytes[0] == 0x80 && bytes.get(1).is_some_and(|v| (2..=5).contains(v)) {
        // What older versions of PyTorch begin their files with.
        let torch = contains(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
        return Some(if torch || contains(b"torch") || ["pt", "pth", "ckpt"].contains(&extension.as_str()) {
            format!("{name} is a PyTorch file, not an ONNX model; {FROM_PYTORCH}")
        } else {
            format!(
                "{name} is a Python pickle, not an ONNX model; a scikit-learn model is converted from Python with \
                 skl2onnx.to_onnx(model, example), a PyTorch one with torch.onnx.export"
            )
        });
    }
    let header = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    if header.is_some_and(|n| n < 100_000_000) && bytes.get(8..10).is_some_and(|b| b == b"{\"" || b == b"{}")
    {
        return Some(format!(
            "{name} is a safetensors file: weights without a graph. Load them into their PyTorch model, then {FROM_PYTORCH}"
        ));
    }
    None
}

/// What the bytes may be, once they have failed to be read as ONNX; `why` is what the decoder said.
pub(super) fn guess(bytes: &[u8], path: Option<&Path>, why: &str) -> String {
    let name = name_of(path);
    let file = path.map_or_else(|| "model.pb".to_owned(), |p| p.display().to_string());
    let head = &bytes[..bytes.len().min(4096)];
    if is_text(head) {
        let first = String::from_utf8_lossy(head)
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect::<String>();
        return format!("{name} is text, expected an ONNX model; it begins with {first:?}");
    }
    let has = |part: &[u8]| bytes[..bytes.len().min(1 << 20)].windows(part.len()).any(|w| w == part);
    if has(b"saved_model_main_op")
        || has(b"serving_default")
        || path.is_some_and(|p| p.ends_with("saved_model.pb"))
    {
        let folder = path.and_then(Path::parent).map_or_else(|| ".".to_owned(), |p| p.display().to_string());
        return format!(
            "{name} is part of a TensorFlow SavedModel, not an ONNX model; {}",
            from_tensorflow("--saved-model", if folder.is_empty() { "." } else { &folder })
        );
    }
    // A frozen TensorFlow graph is a list of nodes, its first field.
    if bytes[0] == 0x0a && (extension_of(path) == "pb" || has(b"Placeholder") || has(b"Const")) {
        return format!(
            "{name} is a TensorFlow graph, not an ONNX model; {} --inputs INPUT:0 --outputs OUTPUT:0",
            from_tensorflow("--graphdef", &file)
        );
    }
    if let Some(truncated) = truncation(bytes) {
        return format!("{name} is truncated: {truncated}");
    }
    format!("{name} is not an ONNX model: {why}")
}

/// Where a file of an ONNX model's structure ends too early; `None` where it does not have that structure.
fn truncation(bytes: &[u8]) -> Option<String> {
    let mut at = 0;
    let mut fields = 0;
    while at < bytes.len() {
        let start = at;
        let cut =
            |message: &str| (fields > 0).then(|| format!("it ends after {} bytes, {message}", bytes.len()));
        let Some(key) = varint(bytes, &mut at) else { return cut("within a field's number") };
        let field = key >> 3;
        let name = FIELDS.iter().find(|(n, _)| *n == field)?.1;
        match key & 7 {
            0 => {
                if varint(bytes, &mut at).is_none() {
                    return cut(&format!("within {name}"));
                }
            }
            2 => {
                let Some(length) = varint(bytes, &mut at) else { return cut(&format!("within {name}")) };
                let left = (bytes.len() - at) as u64;
                if length > left {
                    return cut(&format!(
                        "but {name}, which begins at byte {start}, needs {} more",
                        length - left
                    ));
                }
                at += length as usize;
            }
            _ => return None,
        }
        fields += 1;
    }
    None
}

/// The fields of a model, by number.
const FIELDS: &[(u64, &str)] = &[
    (1, "its ir_version"),
    (2, "its producer_name"),
    (3, "its producer_version"),
    (4, "its domain"),
    (5, "its model_version"),
    (6, "its doc_string"),
    (7, "its graph"),
    (8, "its opset_import"),
    (14, "its metadata_props"),
    (20, "its training_info"),
    (25, "its functions"),
    (26, "its configuration"),
];

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn from_keras(file: &str) -> String {
    format!(
        "convert it from Python: tf2onnx.convert.from_keras(keras.models.load_model({file:?}), output_path=\"model.onnx\"), \
         or model.export(\"model.onnx\", format=\"onnx\") with Keras 3"
    )
}

fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character that is cut at the end is none of the text's fault.
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    valid.chars().all(|c| !c.is_control() || c.is_whitespace()) && !valid.is_empty()
}

fn name_of(path: Option<&Path>) -> String {
    path.map_or_else(|| "the model".to_owned(), |p| p.display().to_string())
}

fn extension_of(path: Option<&Path>) -> String {
    path.and_then(Path::extension).map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}
