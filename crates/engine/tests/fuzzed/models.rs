//! What must hold of any bytes that are taken for an ONNX file: they are read or refused; what is read runs or is refused, and can be
//! written and read again.

use pellucid_graph::{DType, Dim, Network, Specialisation, Tensor, ValueId};

use super::graphs::{is_small, planned_is_plain};

/// Reads bytes as a model and, where it is small, runs one row.
pub(crate) fn model(data: &[u8]) {
    let Ok(network) = Network::from_bytes(data, None) else { return };
    if let Ok(bytes) = network.to_bytes()
        && let Err(e) = Network::from_bytes(&bytes, None)
    {
        panic!("what was written is not read again: {e}");
    }
    for precision in [None, Some(DType::F64)] {
        let mut how = Specialisation { rows: 1, precision, ..Specialisation::default() };
        for &input in network.inputs() {
            let symbol = &network.symbols()[input];
            match symbol.declared.as_ref().map(|d| d.shape.as_deref()) {
                Some(Some(dims)) => {
                    for dim in dims {
                        if let Dim::Symbol(name) = dim {
                            how.sizes.insert(name.clone(), 2);
                        }
                    }
                    if dims.contains(&Dim::Unknown) {
                        let size = |d: &Dim| if let Dim::Fixed(n) = d { *n } else { 2 };
                        how.shapes.insert(symbol.name.clone(), dims.iter().map(size).collect());
                    }
                }
                Some(None) => {
                    how.shapes.insert(symbol.name.clone(), vec![1, 3]);
                }
                None => {}
            }
        }
        let Ok(specialised) = network.specialise(&how, network.outputs()) else { continue };
        let graph = specialised.graph;
        if !is_small(&graph) {
            continue;
        }
        let inputs: Vec<(ValueId, Tensor)> =
            graph.inputs().iter().filter_map(|&v| Some((v, ramp(graph.fact(v))?))).collect();
        planned_is_plain(&graph, &inputs);
    }
}

/// 0, 1/4, 1/2, … or as many whole numbers.
fn ramp(fact: &pellucid_graph::Fact) -> Option<Tensor> {
    let n = fact.len();
    match fact.dtype {
        DType::F32 => Tensor::new(&fact.shape, (0..n).map(|i| i as f32 / 4.0).collect()),
        DType::F64 => Tensor::new(&fact.shape, (0..n).map(|i| i as f64 / 4.0).collect()),
        DType::I64 => Tensor::new(&fact.shape, (0..n).map(|i| i as i64).collect()),
        dtype => Tensor::zeros(dtype, &fact.shape),
    }
}
