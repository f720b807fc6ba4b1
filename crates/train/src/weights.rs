//! Weights from and to safetensors files: `layer1.weight` [outputs, inputs], `layer1.bias`, and so on.

use crate::error::{Error, ErrorKind, Result};
use crate::trained::Layer;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The layers as the bytes of a safetensors file.
pub(crate) fn write(layers: &[Layer]) -> Vec<u8> {
    let mut tensors = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let weight =
            (format!("layer{}.weight", i + 1), vec![layer.outputs, layer.inputs], bytes(&layer.weight));
        let bias = (format!("layer{}.bias", i + 1), vec![layer.outputs], bytes(&layer.bias));
        tensors.extend([weight, bias]);
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name, view.expect("a layer's shape is that of its numbers"))
    });
    safetensors::serialize(views, None).expect("numbers in memory can be written to memory")
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Reads the layers of the given widths, inputs first. Tensors of f32 and f64 are taken, others refused.
pub(crate) fn read(path: &Path, widths: &[usize]) -> Result<Vec<Layer>> {
    let io = |source| Error::from(ErrorKind::Read { path: path.into(), source });
    let fail =
        |expected: String, got: String| Error::from(ErrorKind::Weights { path: path.into(), expected, got });
    // Eight bytes a number at most, and room for the header: no other file is of this network.
    let numbers: u64 = widths.windows(2).map(|pair| ((pair[0] + 1) * pair[1]) as u64).sum();
    let most = 8 * numbers + (1 << 20);
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(fail(format!("the {numbers} parameters of this network"), format!("over {most} bytes")));
    }
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| fail("a safetensors file".into(), error.to_string()))?;
    let expected = 2 * (widths.len() - 1);
    if tensors.len() != expected {
        let mut names = tensors.names();
        names.sort_unstable();
        let got = format!("{}: {}", tensors.len(), names.join(", "));
        return Err(fail(
            format!("{expected} tensors, layer1.weight to layer{}.bias", widths.len() - 1),
            got,
        ));
    }
    let tensor = |name: String, shape: &[usize]| {
        let view = tensors.tensor(&name).map_err(|_| {
            let mut names = tensors.names();
            names.sort_unstable();
            fail(format!("a tensor {name}"), names.join(", "))
        })?;
        if view.shape() != shape {
            return Err(fail(format!("{name} of shape {shape:?}"), format!("{:?}", view.shape())));
        }
        let numbers: Vec<f32> = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            other => return Err(fail(format!("{name} of f32 or f64"), format!("{other:?}"))),
        };
        match numbers.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(fail(format!("finite numbers in {name}"), x.to_string())),
            None => Ok(numbers),
        }
    };
    let layer = |(i, pair): (usize, &[usize])| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let weight = tensor(format!("layer{}.weight", i + 1), &[outputs, inputs])?;
        let bias = tensor(format!("layer{}.bias", i + 1), &[outputs])?;
        Ok(Layer { inputs, outputs, weight, bias })
    };
    widths.windows(2).enumerate().map(layer).collect()
}
