//! Files that are not ONNX are recognised, and the message says how to convert them.

use std::path::Path;

use crate::error::ErrorKind;
use crate::network::Network;

#[track_caller]
fn check(name: &str, bytes: &[u8], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    check_path(&path, parts);
}

#[track_caller]
fn check_path(path: &Path, parts: &[&str]) {
    let error = Network::load(path).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotOnnx(_)), "{error:?}");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} does not contain {part:?}");
    }
}

#[test]
fn pytorch_files() {
    let line = "torch.onnx.export(model, (example,), \"model.onnx\", dynamo=True, dynamic_shapes=";
    check("model.pt", b"PK\x03\x04......model/data.pkl......", &["model.pt", "PyTorch", line]);
    check("weights.pth", b"PK\x03\x04................", &["PyTorch", line]);
    let old = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    check("old.pth", old, &["PyTorch", line]);
    check("program.pt2", b"PK\x03\x04......", &["torch.export.load"]);
}

#[test]
fn tensorflow_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("saved_model.pb"), b"\x08\x01").unwrap();
    check_path(folder.path(), &["SavedModel", "python -m tf2onnx.convert --saved-model"]);
    std::fs::write(folder.path().join("saved_model.pb"), b"\x08\x01\x12\x04\xff\xfe\xfd\xfc").unwrap();
    check_path(&folder.path().join("saved_model.pb"), &["SavedModel", "--saved-model"]);
    check("frozen.pb", b"\x0a\x18\x0a\x05input\x12\x0bPlaceholder", &["TensorFlow graph", "--graphdef"]);
    check("model.tflite", b"\x1c\0\0\0TFL3\0\0\0\0", &["TensorFlow Lite", "--tflite"]);
}

#[test]
fn keras_files() {
    check("model.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0", &["HDF5", "tf2onnx.convert.from_keras"]);
    check("model.keras", b"PK\x03\x04....metadata.json....", &["Keras", "from_keras"]);
}

#[test]
fn weights_alone() {
    check("w.safetensors", b"\x10\0\0\0\0\0\0\0{\"a\":{}}", &["safetensors", "torch.onnx.export"]);
    check("w.npz", b"PK\x03\x04....a.npy", &["NumPy"]);
    check("w.npy", b"\x93NUMPY\x01\0", &["NumPy"]);
    check("model.pkl", b"\x80\x04\x95\x10\0\0\0", &["pickle", "skl2onnx"]);
}

#[test]
fn files_that_did_not_arrive() {
    check("model.onnx", b"", &["is empty"]);
    check("model.onnx", &[0; 100], &["zeros"]);
    check("model.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:", &["git lfs pull"]);
    check("model.onnx", b"\x1f\x8b\x08", &["gzip"]);
}

#[test]
fn text() {
    check("bank.csv", b"age;job;marital\n30;unemployed;married\n", &["is text", "age;job;marital"]);
    check("page.onnx", b"<!DOCTYPE html><html>", &["is text", "<!DOCTYPE html>"]);
}

#[test]
fn other_bytes_and_folders() {
    check("noise.onnx", &[0xff, 0x13, 0x88, 0x01, 0xfe, 0x7c], &["is not an ONNX model"]);
    let folder = tempfile::tempdir().unwrap();
    check_path(folder.path(), &["is a folder"]);
    std::fs::write(folder.path().join("net.onnx"), b"").unwrap();
    check_path(folder.path(), &["it contains net.onnx"]);
}

#[test]
fn a_file_that_is_not_there() {
    let error = Network::load("no/such/model.onnx").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io { path, .. } if path == "no/such/model.onnx"), "{error}");
}
