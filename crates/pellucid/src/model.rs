//! A model: loaded, inspected, run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pellucid_engine::{Control, Feed, Stage, Sweep, Yield};
use pellucid_graph::network::Declared;
use pellucid_graph::{DType, Dim, Network, Rows, Specialisation, Tensor, View};
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Kept, Key};
use crate::error::{Error, Result, empty_tile};
use crate::spec::Precision;

/// The most rows that run at once.
const MOST_ROWS: usize = 64;

/// A trained network, read from ONNX.
///
/// Plans that were made for it are kept for the next call, a few of those used last: at most 16, of 256 MiB of weights in all or the last
/// one alone. Clones share them, and calls from several threads may.
#[derive(Clone, Debug)]
pub struct Model {
    network: Arc<Network>,
    sha256: String,
    plans: Arc<Cache>,
}

/// A plan that runs the model on rows, and the shapes of what it gives for a block of them.
#[derive(Debug)]
pub(crate) struct Forward {
    sweep: Sweep,
    shapes: Vec<Vec<usize>>,
}

impl Precision {
    /// The type of its numbers.
    pub fn dtype(self) -> DType {
        match self {
            Self::Float32 => DType::F32,
            Self::Float64 => DType::F64,
        }
    }
}

impl Model {
    /// Reads an ONNX file, and the external data that it names beside it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let network = Network::load(path)?;
        let bytes = std::fs::read(path).map_err(|source| {
            pellucid_graph::Error::from(pellucid_graph::ErrorKind::Io {
                path: path.display().to_string(),
                source,
            })
        })?;
        Ok(Self::new(network, &bytes))
    }

    /// Reads the bytes of an ONNX file that needs no other file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self::new(Network::from_bytes(bytes, None)?, bytes))
    }

    /// A model of a network that was built in memory.
    pub fn from_network(network: Network) -> Result<Self> {
        let bytes = network.to_bytes()?;
        Ok(Self::new(network, &bytes))
    }

    fn new(network: Network, bytes: &[u8]) -> Self {
        let sha256 = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        Self { network: Arc::new(network), sha256, plans: Arc::default() }
    }

    /// What the file says.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// SHA-256 of the file's bytes.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The names of the inputs.
    pub fn input_names(&self) -> Vec<&str> {
        self.network.input_names().collect()
    }

    /// The names of the outputs.
    pub fn output_names(&self) -> Vec<&str> {
        self.network.output_names().collect()
    }

    /// The output that is meant where none is named, by position: the first that is not of labels. Classifiers of scikit-learn give labels
    /// before scores. `None` where there is no output.
    pub fn main_output(&self) -> Option<usize> {
        let outputs = self.network.outputs();
        let declared = |o: usize| self.network.symbols()[o].declared.as_ref();
        let scores = outputs.iter().position(|&o| declared(o).is_none_or(|d| d.dtype.is_float()));
        scores.or((!outputs.is_empty()).then_some(0))
    }

    /// What the file declares of an input.
    pub fn input_declared(&self, input: usize) -> Option<&Declared> {
        self.network.symbols()[*self.network.inputs().get(input)?].declared.as_ref()
    }

    /// Runs the model on rows: each input's first axis. Gives each output, its first axis the rows.
    ///
    /// `tile` rows run together, as many as fit the caches where it is `None`, or as the file fixes; one by one, a model's rows may mix. Memory beyond inputs and outputs
    /// does not grow with the rows.
    pub fn run(
        &self,
        inputs: &[Tensor],
        precision: Precision,
        tile: Option<usize>,
        control: &Control<'_>,
    ) -> Result<Vec<Tensor>> {
        let outputs: Vec<usize> = self.network.outputs().to_vec();
        self.evaluate(inputs, &outputs, (precision, tile), control)
    }

    /// The values at some places of the network, by position among its symbols, their first axis the rows.
    pub(crate) fn evaluate(
        &self,
        inputs: &[Tensor],
        symbols: &[usize],
        (precision, tile): (Precision, Option<usize>),
        control: &Control<'_>,
    ) -> Result<Vec<Tensor>> {
        let inputs = self.prepare_inputs(inputs, precision)?;
        let count = rows_of(&inputs);
        let Forward { sweep, shapes } = &*self.forward(&inputs, symbols, (precision, tile))?;
        let views: Vec<View<'_>> = inputs.iter().map(Tensor::view).collect();
        let found = sweep.run(&views, count, None, control)?;
        found
            .into_iter()
            .zip(shapes)
            .map(|(t, shape)| {
                let mut full = vec![count];
                full.extend(shape.iter().skip(1));
                Ok(t.reshaped(&full).unwrap_or(t))
            })
            .collect()
    }

    /// The plan that runs the model on such inputs, planned now or before.
    fn forward(
        &self,
        inputs: &[Tensor],
        symbols: &[usize],
        (precision, tile): (Precision, Option<usize>),
    ) -> Result<Arc<Forward>> {
        if tile == Some(0) {
            return Err(empty_tile());
        }
        let count = rows_of(inputs);
        let key = Key::Run {
            symbols: symbols.to_vec(),
            precision,
            shapes: shapes_behind_rows(inputs),
            shared: shared(inputs),
            rows: count.max(1).next_power_of_two().min(MOST_ROWS),
            tile,
        };
        if let Some(Kept::Run(ready)) = self.plans.get(&key) {
            return Ok(ready);
        }
        let attempt = |rows: usize| {
            let how = |rows| self.specialisation(inputs, rows, precision);
            let graph = self.network.specialise_rows(how, rows, symbols)?.graph;
            let before = forward_stage(&self.network, &graph)?;
            let shapes = graph.outputs().iter().map(|o| graph.shape(*o).to_vec()).collect();
            let results = (0..symbols.len()).map(Yield::Before).collect();
            Ok(Forward { sweep: Sweep { before, point: None, after: None, results }, shapes })
        };
        let ready = Arc::new(match (self.network.fixed_rows(), tile) {
            (Some(fixed), _) => attempt(fixed)?,
            (None, Some(n)) => with_fallback(count, n.min(MOST_ROWS), attempt)?,
            (None, None) => with_fallback(count, self.tile(inputs, symbols, precision)?, attempt)?,
        });
        self.plans.put(key, Kept::Run(Arc::clone(&ready)), self.bytes_of_weights(precision));
        Ok(ready)
    }

    /// The plans that are kept.
    pub(crate) fn plans(&self) -> &Cache {
        &self.plans
    }

    /// How many plans are kept.
    pub fn kept_plans(&self) -> usize {
        self.plans.len()
    }

    /// Lets go of the plans that are kept, and of their memory.
    pub fn forget_plans(&self) {
        self.plans.clear();
    }

    /// The bytes of the constants that a plan holds, about.
    pub(crate) fn bytes_of_weights(&self, precision: Precision) -> usize {
        let constants = self.network.symbols().iter().filter_map(|s| s.constant.as_ref());
        let size = |t: &Tensor| {
            let each = if t.dtype().is_float() { precision.dtype().size() } else { t.dtype().size() };
            t.len().saturating_mul(each)
        };
        constants.fold(0, |sum: usize, t| sum.saturating_add(size(t)))
    }

    /// How many rows to run at once: as many as there are, as long as the largest value stays in a core's cache, and a few in any case, so
    /// that weights are used more than once when they are fetched.
    fn tile(&self, inputs: &[Tensor], symbols: &[usize], precision: Precision) -> Result<usize> {
        const CACHE: usize = 1 << 20;
        const FEW: usize = 4;
        const MANY: usize = MOST_ROWS;
        let count = rows_of(inputs).max(1);
        let trial = count.min(FEW);
        let specialised =
            match self.network.specialise(&self.specialisation(inputs, trial, precision), symbols) {
                Ok(specialised) => specialised,
                // The attempt itself says what is wrong.
                Err(_) => return Ok(count.next_power_of_two().min(MANY)),
            };
        let computed = specialised.graph.values().filter(|(_, v)| v.producer.is_some());
        let largest =
            computed.map(|(_, v)| v.fact.len().saturating_mul(v.fact.dtype.size())).max().unwrap_or(0);
        let fitting = (CACHE / largest.div_ceil(trial).max(1)).clamp(FEW, MANY);
        Ok((1 << fitting.ilog2()).min(count.next_power_of_two()))
    }

    /// How the network is specialised for batches of `rows` of such inputs.
    pub(crate) fn specialisation(
        &self,
        inputs: &[Tensor],
        rows: usize,
        precision: Precision,
    ) -> Specialisation {
        let mut known = BTreeMap::new();
        let mut shapes = BTreeMap::new();
        for (name, t) in self.network.input_names().zip(inputs) {
            let mut shape = t.shape().to_vec();
            match shape.first_mut() {
                Some(first) => {
                    *first = rows;
                    shapes.insert(name.to_owned(), shape);
                }
                None => {
                    known.insert(name.to_owned(), t.clone());
                }
            }
        }
        Specialisation {
            rows,
            precision: Some(precision.dtype()),
            shapes,
            known,
            ..Specialisation::default()
        }
    }

    /// The inputs in the types that the model declares, floats in the given precision; refused where number, shapes or types do not fit.
    pub(crate) fn prepare_inputs(&self, inputs: &[Tensor], precision: Precision) -> Result<Vec<Tensor>> {
        let names = self.input_names();
        if inputs.len() != names.len() {
            return Err(Error::Spec(format!(
                "the model has {} inputs ({}), {} were given",
                names.len(),
                names.join(", "),
                inputs.len()
            )));
        }
        let count = rows_of(inputs);
        let mut prepared = Vec::with_capacity(inputs.len());
        for (i, tensor) in inputs.iter().enumerate() {
            if let Some(rows) = tensor.shape().first().filter(|&&n| n != count) {
                let message = format!(
                    "it has {rows} rows, the first input {count}; rows lie along the first axis of every input: a model that has them along another is exported \
                     with a Transpose behind the input, and what is the same for all rows is a constant of the file"
                );
                return Err(Error::Input { name: names[i].to_owned(), message });
            }
            prepared.push(self.prepare_input(i, tensor, precision)?);
        }
        self.check_symbols(inputs)?;
        Ok(prepared)
    }

    /// One input in the type that the model declares; refused where shape or type do not fit.
    pub(crate) fn prepare_input(
        &self,
        input: usize,
        tensor: &Tensor,
        precision: Precision,
    ) -> Result<Tensor> {
        let name = self.input_names().get(input).copied().unwrap_or_default().to_owned();
        let bad = |message: String| Error::Input { name, message };
        let Some(declared) = self.input_declared(input) else {
            return Err(bad("the file does not declare it".to_owned()));
        };
        if let Some(dims) = &declared.shape {
            let agree = |(d, &n): (&Dim, &usize)| !matches!(d, Dim::Fixed(want) if *want != n);
            let fits =
                dims.len() == tensor.shape().len() && dims.iter().zip(tensor.shape()).skip(1).all(agree);
            if !fits {
                let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
                let expected = dims.join(", ");
                return Err(bad(format!("expected shape [{expected}], found {:?}", tensor.shape())));
            }
        }
        converted(tensor, declared.dtype, precision)
            .ok_or_else(|| bad(format!("expected {}, found {}", declared.dtype, tensor.dtype())))
    }

    /// Whether dimensions of one name have one size in all inputs.
    fn check_symbols(&self, inputs: &[Tensor]) -> Result<()> {
        let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (i, tensor) in inputs.iter().enumerate() {
            let dims = self.input_declared(i).and_then(|d| d.shape.as_deref()).unwrap_or_default();
            for (dim, &size) in dims.iter().zip(tensor.shape()) {
                let Dim::Symbol(symbol) = dim else { continue };
                let (first, expected) = *sizes.entry(symbol).or_insert((i, size));
                if size != expected {
                    let names = self.input_names();
                    return Err(Error::Input {
                        name: names[i].to_owned(),
                        message: format!(
                            "its dimension {symbol:?} is {size}, that of input {:?} is {expected}",
                            names[first]
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

/// A tensor in a declared type: floats in the wanted precision from any number, integers only from integers.
fn converted(tensor: &Tensor, declared: DType, precision: Precision) -> Option<Tensor> {
    if declared.is_float() {
        let values = tensor.with_precision(precision.dtype());
        if values.dtype() == precision.dtype() {
            return Some(values);
        }
        let wide = tensor.to_f64()?;
        return match precision {
            Precision::Float32 => Tensor::new(tensor.shape(), wide.iter().map(|&v| v as f32).collect()),
            Precision::Float64 => Tensor::new(tensor.shape(), wide),
        };
    }
    if tensor.dtype() == declared {
        return Some(tensor.clone());
    }
    let integers = tensor.to_i64()?;
    match declared {
        DType::I64 => Tensor::new(tensor.shape(), integers),
        DType::I32 => Tensor::new(
            tensor.shape(),
            integers.iter().map(|&v| i32::try_from(v).ok()).collect::<Option<Vec<_>>>()?,
        ),
        DType::Bool => Tensor::new(tensor.shape(), integers.iter().map(|&v| v != 0).collect()),
        _ => None,
    }
}

/// The shapes of inputs without their rows.
pub(crate) fn shapes_behind_rows(inputs: &[Tensor]) -> Vec<Vec<usize>> {
    inputs.iter().map(|t| t.shape().get(1..).unwrap_or(&[]).to_vec()).collect()
}

/// The inputs without dimensions: one value for all rows.
pub(crate) fn shared(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs.iter().filter(|t| t.shape().is_empty()).cloned().collect()
}

/// The number of rows: the first axis of the first input that has one.
pub(crate) fn rows_of(inputs: &[Tensor]) -> usize {
    inputs.iter().find_map(|t| t.shape().first()).copied().unwrap_or(1)
}

/// The stage that runs a graph whose inputs are those of the network.
fn forward_stage(network: &Network, graph: &pellucid_graph::Graph) -> Result<Stage> {
    let names: Vec<&str> = network.input_names().collect();
    let mut feeds = Vec::new();
    let mut rows = Vec::new();
    for &id in graph.inputs() {
        let label = graph.label(id);
        let position = names.iter().position(|n| *n == label);
        feeds.push(Feed::Row(position.unwrap_or(usize::MAX)));
        rows.push(Some(Rows::BATCH));
    }
    let places = vec![Some(Rows::BATCH); graph.outputs().len()];
    Ok(Stage::new(graph, &feeds, &rows, &places)?)
}

/// Tries tiles of the wanted size; where the model mixes rows, a single row is still possible.
pub(crate) fn with_fallback<T>(rows: usize, tile: usize, attempt: impl Fn(usize) -> Result<T>) -> Result<T> {
    match attempt(tile) {
        Err(e) if rows <= 1 && tile > 1 && mixes_rows(&e) => attempt(1),
        other => other,
    }
}

/// Whether a model was refused because rows of a batch influence each other.
pub(crate) fn mixes_rows(error: &Error) -> bool {
    match error {
        Error::Graph(e) | Error::Engine(pellucid_engine::Error::Graph(e)) => {
            matches!(e.kind(), pellucid_graph::ErrorKind::RowsMix { .. })
        }
        _ => false,
    }
}
