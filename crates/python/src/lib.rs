//! The native half of the Python package: models and explanations over numpy arrays.

use std::sync::Mutex;

use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods, ToPyArray};
use pellucid::engine::Control;
use pellucid::graph::{Buffer, Tensor};
use pellucid::{Batch, Explanation, METHODS, Precision, Spec};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

create_exception!(
    pellucid,
    PellucidError,
    PyException,
    "A model, a specification or data that Pellucid refuses."
);

fn refused(error: impl std::fmt::Display) -> PyErr {
    PellucidError::new_err(error.to_string())
}

/// A specification that the Python half wrote.
fn specification(text: &str) -> PyResult<Spec> {
    serde_json::from_str(text).map_err(|e| {
        let whole: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let given = whole["method"].as_object();
        let info = METHODS.iter().find(|m| whole["method"]["name"] == m.name);
        match (given, info) {
            (Some(given), Some(info)) => {
                refused(info.refusal(given.keys().filter(|k| *k != "name"), &e, str::to_owned))
            }
            _ => refused(e),
        }
    })
}

/// An array as a tensor. The Python half hands over arrays that are contiguous.
fn tensor(array: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    macro_rules! try_types {
        ($($type:ty),*) => { $(
            if let Ok(a) = array.cast::<PyArrayDyn<$type>>() {
                let shape = a.shape().to_vec();
                let data = a.to_vec().map_err(|e| PyValueError::new_err(e.to_string()))?;
                return Tensor::new(&shape, data).ok_or_else(|| PyValueError::new_err("an array lost its shape"));
            }
        )* };
    }
    try_types!(f32, f64, i64, i32, bool, i8, i16, u8, u16, u32, u64);
    texts(array).ok_or_else(|| {
        PyTypeError::new_err("expected a numpy array of floats, integers, booleans or texts")
    })?
}

fn tensors(list: &[Bound<'_, PyAny>]) -> PyResult<Vec<Tensor>> {
    list.iter().map(tensor).collect()
}

/// An array of texts, or of objects that are all texts.
fn texts(array: &Bound<'_, PyAny>) -> Option<PyResult<Tensor>> {
    let shape = array.cast::<PyUntypedArray>().ok()?.shape().to_vec();
    let list = array.call_method0("ravel").and_then(|flat| flat.call_method0("tolist"));
    let data: Vec<String> = list.ok()?.extract().ok()?;
    Some(Tensor::new(&shape, data).ok_or_else(|| PyValueError::new_err("an array lost its shape")))
}

/// A tensor as an array.
fn array<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! of {
        ($v:expr) => {
            Ok($v.to_pyarray(py).reshape(tensor.shape().to_vec())?.into_any())
        };
    }
    match tensor.data() {
        Buffer::F32(v) => of!(v),
        Buffer::F64(v) => of!(v),
        Buffer::I8(v) => of!(v),
        Buffer::I16(v) => of!(v),
        Buffer::I32(v) => of!(v),
        Buffer::I64(v) => of!(v),
        Buffer::U8(v) => of!(v),
        Buffer::U16(v) => of!(v),
        Buffer::U32(v) => of!(v),
        Buffer::U64(v) => of!(v),
        Buffer::Bool(v) => of!(v),
        Buffer::String(v) => {
            let objects = PyDict::new(py);
            objects.set_item("dtype", "object")?;
            let flat = py.import("numpy")?.call_method("array", (v,), Some(&objects))?;
            flat.call_method1("reshape", (tensor.shape().to_vec(),))
        }
    }
}

/// A trained network, read from ONNX.
#[pyclass(module = "pellucid", frozen)]
struct Model {
    model: pellucid::Model,
    precision: Precision,
    threads: usize,
    tile: Option<usize>,
    pool: Mutex<Option<std::sync::Arc<rayon::ThreadPool>>>,
}

impl Model {
    /// The threads, started when they are first needed, so that a process may fork before.
    fn pool(&self) -> PyResult<std::sync::Arc<rayon::ThreadPool>> {
        let mut held = self.pool.lock().map_err(refused)?;
        if let Some(pool) = &*held {
            return Ok(std::sync::Arc::clone(pool));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().map_err(refused)?;
        let pool = std::sync::Arc::new(pool);
        *held = Some(std::sync::Arc::clone(&pool));
        Ok(pool)
    }
}

#[pymethods]
impl Model {
    /// Reads an ONNX file.
    #[staticmethod]
    #[pyo3(signature = (path, precision, threads, tile))]
    fn load(
        py: Python<'_>,
        path: &str,
        precision: &str,
        threads: usize,
        tile: Option<usize>,
    ) -> PyResult<Self> {
        let precision: Precision = precision.parse().map_err(refused)?;
        let model = py.detach(|| pellucid::Model::load(path)).map_err(refused)?;
        Ok(Self { model, precision, threads, tile, pool: Mutex::new(None) })
    }

    /// The precision of the computation.
    #[getter]
    fn precision(&self) -> &'static str {
        match self.precision {
            Precision::Float32 => "float32",
            Precision::Float64 => "float64",
        }
    }

    /// The names of the inputs.
    #[getter]
    fn input_names(&self) -> Vec<String> {
        self.model.input_names().into_iter().map(str::to_owned).collect()
    }

    /// The names of the outputs.
    #[getter]
    fn output_names(&self) -> Vec<String> {
        self.model.output_names().into_iter().map(str::to_owned).collect()
    }

    /// What a person should know of a layer.
    fn note_of(&self, layer: Option<&str>) -> Option<String> {
        self.model.network().note_of(layer?)
    }

    /// Key and value pairs of the file.
    #[getter]
    fn metadata(&self) -> std::collections::BTreeMap<String, String> {
        self.model.network().metadata.clone()
    }

    /// Runs the model on rows.
    fn run<'py>(&self, py: Python<'py>, inputs: Vec<Bound<'py, PyAny>>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let inputs = tensors(&inputs)?;
        let pool = self.pool()?;
        let found = py
            .detach(|| {
                let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
                self.model.run(&inputs, self.precision, self.tile, &control)
            })
            .map_err(refused)?;
        found.iter().map(|t| array(py, t)).collect()
    }

    /// Runs the model on items of rows, each of its own shape.
    fn run_ragged<'py>(
        &self,
        py: Python<'py>,
        items: Vec<Vec<Bound<'py, PyAny>>>,
    ) -> PyResult<Vec<Vec<Bound<'py, PyAny>>>> {
        let items: Vec<Vec<Tensor>> = items.iter().map(|i| tensors(i)).collect::<PyResult<_>>()?;
        let pool = self.pool()?;
        let found = py
            .detach(|| {
                let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
                self.model.run_ragged(&items, self.precision, self.tile, &control)
            })
            .map_err(refused)?;
        found.iter().map(|item| item.iter().map(|t| array(py, t)).collect()).collect()
    }

    /// Explains items of rows, each of its own shape, as a specification in JSON says.
    #[pyo3(signature = (spec, items, baselines=None, feature_mask=None))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        spec: &str,
        items: Arrays<'py>,
        baselines: Option<Arrays<'py>>,
        feature_mask: Option<Arrays<'py>>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut spec = specification(spec)?;
        spec.precision = self.precision;
        spec.tile = self.tile;
        let of = |lists: &Option<Arrays<'py>>, i: usize| {
            lists.as_ref().and_then(|l| l.get(i)).map(|l| tensors(l)).transpose()
        };
        let batches = items.iter().enumerate().map(|(i, item)| {
            Ok(Batch {
                inputs: tensors(item)?,
                baselines: of(&baselines, i)?,
                feature_mask: of(&feature_mask, i)?,
                labels: None,
            })
        });
        let batches: Vec<Batch> = batches.collect::<PyResult<_>>()?;
        let pool = self.pool()?;
        let found = py
            .detach(|| {
                let control = Control { pool: &pool, cancel: None, progress: None, profile: None };
                match batches.as_slice() {
                    [one] => self.model.explain(&spec, one, &control).map(|e| vec![e]),
                    many => self.model.explain_ragged(&spec, many, &control),
                }
            })
            .map_err(refused)?;
        found.iter().map(|e| explanation(py, e)).collect()
    }
}

/// For each item, an array for each input.
type Arrays<'py> = Vec<Vec<Bound<'py, PyAny>>>;

fn explanation<'py>(py: Python<'py>, found: &Explanation) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let attributions: Vec<_> = found.attributions.iter().map(|t| array(py, t)).collect::<PyResult<_>>()?;
    let of =
        |part: fn(&pellucid::Source) -> Option<String>| found.sources.iter().map(part).collect::<Vec<_>>();
    dict.set_item("sources", of(|s| Some(s.name.clone())))?;
    dict.set_item("embeddings", of(|s| s.embedding.clone()))?;
    let per_token = (0..found.sources.len())
        .map(|i| found.per_token(i).map(|t| array(py, &t)).transpose())
        .collect::<PyResult<Vec<_>>>()?;
    dict.set_item("per_token", per_token)?;
    dict.set_item("attributions", attributions)?;
    dict.set_item("output", &found.output)?;
    dict.set_item("baseline_output", &found.baseline_output)?;
    dict.set_item("convergence_delta", found.check.as_ref().map(|c| &c.delta))?;
    dict.set_item("record", serde_json::to_string(&found.record).map_err(refused)?)?;
    Ok(dict)
}

/// The native half of the package.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{Model, PellucidError};

    /// The package's version.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
