//! The cases of every operator, and the one loop that checks them all.
//!
//! For each case: the inferred types and shapes are the actual ones; the values are as expected; the derivative agrees with finite
//! differences in f64, by random inner products; the second derivative too; a kernel made ready gives the same bits; the
//! kind that is told is true; and rows do not interact where the analysis says so.

mod derivative;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::build::{Builder, run_alone};
use crate::graph::{Fact, Graph, ValueId};
use crate::import::{Import, ImportInput};
use crate::operator::{Arg, Kind, Operator, Then};
use crate::ops;
use crate::random::Stream;
use crate::rows::{Rows, RowsInput, RowsSite};
use crate::tensor::{Buffer, DType, Tensor, View, ViewMut, elements};

pub(crate) use derivative::gradients;

/// One case of an operator: a node with its inputs and what it should give.
#[derive(Clone, Debug)]
pub struct Case {
    op: Arc<dyn Operator>,
    inputs: Vec<Option<Tensor>>,
    expected: Vec<Tensor>,
    tolerance: f64,
    rows: Option<Vec<(usize, Rows)>>,
    fixed: Vec<usize>,
    mixes: bool,
}

impl Case {
    /// A node without inputs.
    pub(crate) fn new(op: impl Operator) -> Self {
        Self {
            op: Arc::new(op),
            inputs: Vec::new(),
            expected: Vec::new(),
            tolerance: 1e-6,
            rows: None,
            fixed: Vec::new(),
            mixes: false,
        }
    }

    /// A node of a file of some opset, read by its operator's `import`.
    pub(crate) fn imported(name: &str, opset: i64, attributes: &Attributes, inputs: Vec<Tensor>) -> Self {
        Self::imported_with(name, opset, attributes, inputs, 1)
    }

    /// The same, of a node with several outputs.
    pub(crate) fn imported_with(
        name: &str,
        opset: i64,
        attributes: &Attributes,
        inputs: Vec<Tensor>,
        outputs: usize,
    ) -> Self {
        let definition = definition(name);
        let mut left: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        let given = left.iter().enumerate().map(|(i, t)| ImportInput::Value(i, t.clone())).collect();
        let mut node = Import { operator: name, opset, attributes, inputs: given, outputs };
        let op = (definition.import)(&mut node).unwrap_or_else(|e| panic!("{name}: import: {e}"));
        let inputs = node
            .inputs
            .into_iter()
            .map(|input| match input {
                ImportInput::Missing => None,
                ImportInput::Value(i, _) => left[i].take(),
                ImportInput::Constant(t) => Some(t),
            })
            .collect();
        Self { op, inputs, ..Self::new(ops::Relu) }
    }

    /// The same operator with its floats in another precision.
    pub(crate) fn in_precision(mut self, precision: DType) -> Self {
        if let Some(op) = self.op.with_precision(precision) {
            self.op = op;
        }
        self
    }

    /// What the node gives.
    pub(crate) fn outputs(&self) -> Vec<Tensor> {
        self.run(&self.inputs)
    }

    /// One more input.
    pub(crate) fn input(mut self, tensor: Tensor) -> Self {
        self.inputs.push(Some(tensor));
        self
    }

    /// One more input, left out.
    pub(crate) fn missing(mut self) -> Self {
        self.inputs.push(None);
        self
    }

    /// One more input, of normal draws.
    pub(crate) fn random(self, shape: &[usize]) -> Self {
        self.between(shape, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// One more input, of draws between two numbers (normal draws where they are infinite).
    pub(crate) fn between(mut self, shape: &[usize], low: f64, high: f64) -> Self {
        let mut stream = Stream::new(11, [self.inputs.len() as u64, shape.len() as u64, 0]);
        let n = elements(shape).unwrap();
        let draw =
            |s: &mut Stream| if low.is_finite() { low + (high - low) * s.uniform() } else { s.normal() };
        let data = (0..n).map(|_| draw(&mut stream)).collect::<Vec<f64>>();
        self.inputs.push(Tensor::new(shape, data));
        self
    }

    /// What the next output should be.
    pub(crate) fn expect(mut self, tensor: Tensor) -> Self {
        self.expected.push(tensor);
        self
    }

    /// Which inputs have rows along their first axis. Without it: the first input, where it has dimensions.
    pub(crate) fn rows(mut self, inputs: &[usize]) -> Self {
        self.rows = Some(inputs.iter().map(|&i| (i, Rows::BATCH)).collect());
        self
    }

    /// One more input with rows, which lie along any axis.
    pub(crate) fn rows_at(mut self, input: usize, rows: Rows) -> Self {
        self.rows.get_or_insert_default().push((input, rows));
        self
    }

    /// Float inputs that are not varied: parameters in which the operator is not differentiable, or not meant to be.
    pub(crate) fn fixed(mut self, inputs: &[usize]) -> Self {
        self.fixed.extend(inputs);
        self
    }

    /// The analysis must find that rows mix.
    pub(crate) fn mixes(mut self) -> Self {
        self.mixes = true;
        self
    }

    fn label(&self) -> String {
        let shapes: Vec<String> = self
            .inputs
            .iter()
            .map(|x| x.as_ref().map_or_else(|| "-".to_owned(), |t| format!("{}{:?}", t.dtype(), t.shape())))
            .collect();
        format!("{:?} of {}", self.op, shapes.join(", "))
    }

    fn args<'a>(&'a self, facts: &'a [Option<Fact>]) -> Vec<Option<Arg<'a>>> {
        facts
            .iter()
            .zip(&self.inputs)
            .map(|(f, t)| f.as_ref().map(|fact| Arg { fact, constant: t.as_ref() }))
            .collect()
    }

    fn facts(&self) -> Vec<Option<Fact>> {
        self.inputs.iter().map(|t| t.as_ref().map(|t| Fact::new(t.dtype(), t.shape()))).collect()
    }

    /// Runs the node on its own: the fused `run` where there is one, else the body.
    fn run(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let facts = self.facts();
        let inferred =
            self.op.infer(&self.args(&facts)).unwrap_or_else(|e| panic!("{}: infer: {e}", self.label()));
        if let Some(known) = self.op.known(&self.args(&facts)) {
            return known;
        }
        if self.op.runs() {
            let views: Vec<Option<View<'_>>> = inputs.iter().map(|t| t.as_ref().map(Tensor::view)).collect();
            return run_alone(&*self.op, &views, &inferred)
                .unwrap_or_else(|e| panic!("{}: run: {e}", self.label()));
        }
        self.run_body(inputs).unwrap_or_else(|| panic!("{}: neither runs nor lowers", self.label()))
    }

    /// Runs the body of a composite; `None` for a primitive.
    fn run_body(&self, inputs: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        let mut b = Builder::new(1);
        let ids = self.enter(&mut b, inputs, &[]);
        let outputs =
            self.op.lower(&mut b, &ids).unwrap_or_else(|e| panic!("{}: lower: {e}", self.label()))?;
        Some(outputs.iter().map(|o| b.constant(*o).expect("a body of constants folds").clone()).collect())
    }

    /// Adds the inputs to a graph: those in `active` as inputs, the others as constants.
    fn enter(&self, b: &mut Builder, inputs: &[Option<Tensor>], active: &[usize]) -> Vec<Option<ValueId>> {
        inputs
            .iter()
            .enumerate()
            .map(|(i, t)| {
                t.as_ref().map(|t| {
                    if active.contains(&i) {
                        b.input(&format!("x{i}"), Fact::new(t.dtype(), t.shape()))
                    } else {
                        b.constant_value(t.clone())
                    }
                })
            })
            .collect()
    }

    fn differentiable_inputs(&self) -> Vec<usize> {
        let float = |t: &Option<Tensor>| t.as_ref().is_some_and(|t| t.dtype() == DType::F64 && !t.is_empty());
        (0..self.inputs.len()).filter(|i| float(&self.inputs[*i]) && !self.fixed.contains(i)).collect()
    }
}

/// An operator's entry, of ONNX's own domain or of ai.onnx.ml.
fn definition(name: &str) -> &'static crate::operator::Definition {
    let found = ["", "ai.onnx.ml", "com.microsoft"].iter().find_map(|domain| ops::find(domain, name));
    found.unwrap_or_else(|| panic!("no operator {name}"))
}

/// What reading a node with one input gives.
pub(crate) fn import_alone(
    name: &str,
    opset: i64,
    attributes: &Attributes,
) -> crate::OpResult<Arc<dyn Operator>> {
    let inputs = vec![ImportInput::Value(0, None)];
    (definition(name).import)(&mut Import { operator: name, opset, attributes, inputs, outputs: 1 })
}

/// A tensor of 64-bit floats.
pub(crate) fn f64s(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::new(shape, data.to_vec()).unwrap()
}

/// A one-dimensional tensor of 64-bit integers.
pub(crate) fn i64s(data: &[i64]) -> Tensor {
    Tensor::vector(data.to_vec())
}

/// A tensor of booleans.
pub(crate) fn bools(shape: &[usize], data: &[bool]) -> Tensor {
    Tensor::new(shape, data.to_vec()).unwrap()
}

/// A tensor of strings.
pub(crate) fn strings(shape: &[usize], data: &[&str]) -> Tensor {
    Tensor::new(shape, data.iter().map(|&s| s.to_owned()).collect::<Vec<String>>()).unwrap()
}

/// The message with which an operator refuses constant inputs.
pub(crate) fn refusal(op: impl Operator, inputs: &[Tensor]) -> String {
    let mut b = Builder::new(1);
    let ids: Vec<ValueId> = inputs.iter().map(|t| b.constant_value(t.clone())).collect();
    let label = format!("{op:?}");
    match b.push(op, &ids) {
        Ok(_) => panic!("{label} is not refused"),
        Err(e) => e.0,
    }
}

/// Evaluates a graph, one operator at a time.
pub(crate) fn evaluate(graph: &Graph, inputs: &[(ValueId, Tensor)], wanted: &[ValueId]) -> Vec<Tensor> {
    crate::evaluate::evaluate(graph, inputs, wanted).unwrap_or_else(|e| panic!("{e}"))
}

fn floats(t: &Tensor) -> Vec<f64> {
    t.to_f64().unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn direction(len: usize, key: u64) -> Vec<f64> {
    let mut stream = Stream::new(23, [key, len as u64, 0]);
    (0..len).map(|_| stream.normal()).collect()
}

fn moved(t: &Tensor, along: &[f64], by: f64) -> Tensor {
    let data = floats(t).iter().zip(along).map(|(x, d)| x + by * d).collect::<Vec<f64>>();
    Tensor::new(t.shape(), data).unwrap()
}

fn check_values(case: &Case) {
    let label = case.label();
    let facts = case.facts();
    let inferred = case.op.infer(&case.args(&facts)).unwrap_or_else(|e| panic!("{label}: infer: {e}"));
    let results = case.run(&case.inputs);
    assert_eq!(inferred.len(), results.len(), "{label}: number of outputs");
    for (f, t) in inferred.iter().zip(&results) {
        assert_eq!((f.dtype, f.shape.as_slice()), (t.dtype(), t.shape()), "{label}: inferred and actual");
    }
    for (i, want) in case.expected.iter().enumerate() {
        let got = &results[i];
        assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "{label}: output {i}");
        match (got.to_f64(), want.to_f64()) {
            (Some(g), Some(w)) => {
                for (k, (g, w)) in g.iter().zip(&w).enumerate() {
                    let near =
                        (g - w).abs() <= 1e-6 * (1.0 + w.abs()) || (g.is_nan() && w.is_nan()) || g == w;
                    assert!(near, "{label}: output {i} at {k}: {g}, expected {w}");
                }
            }
            _ => assert_eq!(got.data(), want.data(), "{label}: output {i}"),
        }
    }
    if case.op.runs()
        && let Some(body) = case.run_body(&case.inputs)
    {
        for (g, w) in results.iter().zip(&body) {
            if let (Some(g), Some(w)) = (g.to_f64(), w.to_f64()) {
                for (g, w) in g.iter().zip(&w) {
                    assert!(
                        (g - w).abs() <= 1e-9 * (1.0 + w.abs()) || (g.is_nan() && w.is_nan()),
                        "{label}: fused {g}, body {w}"
                    );
                }
            }
        }
    }
}

/// Whether the kind that an operator tells is true of it, as far as values can show.
fn check_kind(case: &Case) {
    let label = case.label();
    for i in case.differentiable_inputs() {
        let flags: Vec<bool> = (0..case.inputs.len()).map(|k| k == i).collect();
        let kind = case.op.kind(&flags);
        let x = case.inputs[i].as_ref().unwrap();
        let run_at = |t: Tensor| {
            let mut inputs = case.inputs.clone();
            inputs[i] = Some(t);
            case.run(&inputs)
        };
        let results = |t: Tensor| -> Vec<f64> {
            run_at(t).iter().filter(|t| t.dtype() == DType::F64).flat_map(floats).collect()
        };
        let base = results(x.clone());
        let d1 = direction(x.len(), 41);
        let d2 = direction(x.len(), 43);
        match kind {
            Kind::Affine | Kind::Route => {
                let (a, c) = (results(moved(x, &d1, 0.5)), results(moved(x, &d2, 0.25)));
                let both: Vec<f64> = d1.iter().zip(&d2).map(|(p, q)| 0.5 * p + 0.25 * q).collect();
                let sum = results(moved(x, &both, 1.0));
                for k in 0..base.len() {
                    let want = a[k] + c[k] - base[k];
                    assert!(
                        (sum[k] - want).abs() <= 1e-7 * (1.0 + want.abs()),
                        "{label}: not affine in input {i}"
                    );
                }
            }
            Kind::Elementwise => {
                assert_eq!(base.len(), results(x.clone()).len());
                // Moving one element moves at most as many outputs as broadcasting repeats it.
                let repeats = base.len().div_ceil(x.len().max(1));
                for k in 0..x.len().min(3) {
                    let mut one = vec![0.0; x.len()];
                    one[k] = 0.3;
                    let moved_outputs =
                        results(moved(x, &one, 1.0)).iter().zip(&base).filter(|(a, b)| a != b).count();
                    assert!(
                        moved_outputs <= repeats,
                        "{label}: one element of input {i} moves {moved_outputs} outputs"
                    );
                }
            }
            Kind::Constant => {
                let near = results(moved(x, &d1, 1e-9));
                assert_eq!(base, near, "{label}: a small move of input {i} changes the output");
            }
            Kind::Select => {
                let values = floats(x);
                assert!(
                    base.iter().all(|v| values.contains(v) || case.inputs.len() > 1),
                    "{label}: an output is not one of the inputs"
                );
            }
            Kind::Product | Kind::Normalize | Kind::Other => {}
        }
    }
}

/// Whether rows stay apart where the analysis says so, and lie where it says.
fn check_rows(case: &Case) {
    let label = case.label();
    let with_rows: Vec<(usize, Rows)> = match &case.rows {
        Some(list) => list.clone(),
        None => (0..1)
            .filter(|&i| case.inputs.get(i).and_then(Option::as_ref).is_some_and(|t| !t.shape().is_empty()))
            .map(|i| (i, Rows::BATCH))
            .collect(),
    };
    let Some(&(first, place)) = with_rows.first() else { return };
    let count = case.inputs[first].as_ref().unwrap().shape()[place.axis] / (place.outer * place.inner);
    if count < 2 {
        return;
    }
    let facts = case.facts();
    let outputs = case.op.infer(&case.args(&facts)).unwrap();
    let output_refs: Vec<&Fact> = outputs.iter().collect();
    let site_inputs: Vec<Option<RowsInput<'_>>> = facts
        .iter()
        .enumerate()
        .map(|(i, f)| {
            f.as_ref().map(|fact| {
                let rows = with_rows.iter().find(|(k, _)| *k == i).map(|(_, rows)| *rows);
                let constant = if rows.is_some() { None } else { case.inputs[i].as_ref() };
                RowsInput { fact, rows, constant }
            })
        })
        .collect();
    let site = RowsSite { rows: count, inputs: &site_inputs, outputs: &output_refs };
    let found = match case.op.rows(&site) {
        Ok(found) => found,
        Err(why) => {
            assert!(case.mixes || case.rows.is_none(), "{label}: rows mix: {why}");
            return;
        }
    };
    assert!(!case.mixes, "{label}: the analysis does not see that rows mix");
    let base = case.run(&case.inputs);
    // Exchange rows 0 and 1 of every input with rows; the outputs' rows must be exchanged and nothing else.
    let mut inputs = case.inputs.clone();
    for &(i, rows) in &with_rows {
        let t = inputs[i].as_ref().unwrap();
        inputs[i] = Some(exchange(t, rows, count));
    }
    let swapped = case.run(&inputs);
    for ((rows, before), after) in found.iter().zip(&base).zip(&swapped) {
        let want = match rows {
            Some(rows) => {
                assert_eq!(
                    before.shape()[rows.axis],
                    rows.outer * count * rows.inner,
                    "{label}: {rows:?} does not fit"
                );
                exchange(before, *rows, count)
            }
            None => before.clone(),
        };
        match (after.to_f64(), want.to_f64()) {
            (Some(a), Some(w)) => {
                for (a, w) in a.iter().zip(&w) {
                    assert!(
                        (a - w).abs() <= 1e-9 * (1.0 + w.abs()) || (a.is_nan() && w.is_nan()) || a == w,
                        "{label}: rows are not where {rows:?} says"
                    );
                }
            }
            _ => assert_eq!(after.data(), want.data(), "{label}: rows are not where {rows:?} says"),
        }
    }
}

/// A kernel made ready, its inputs constant or not, gives the same bits as the operator, with what comes after done to each element.
fn check_prepared(case: &Case) {
    let outputs = case.run(&case.inputs);
    let facts = case.facts();
    let like_output = |values: Vec<f64>| {
        Tensor::new(outputs[0].shape(), values).unwrap().with_precision(outputs[0].dtype())
    };
    let signs: Vec<f64> = (0..outputs[0].len()).map(|i| [-1.0, 0.0, 2.0][i % 3]).collect();
    for all in [false, true] {
        let mut args = case.args(&facts);
        if !all {
            args.iter_mut().flatten().for_each(|a| a.constant = None);
        }
        let all = [Then::Relu, Then::Gate, Then::Clip(-0.25, 0.5), Then::Inside(-0.5, 0.75)];
        for then in [None].into_iter().chain(all.map(Some)) {
            let Some(kernel) = case.op.prepare(&args, then).unwrap() else { continue };
            let mut inputs = case.inputs.clone();
            let mut want = outputs.clone();
            let plain = outputs[0].to_f64().unwrap();
            let bent = plain.iter().zip(&signs).map(|(v, s)| match then {
                None => *v,
                Some(Then::Relu) => v.max(0.0),
                Some(Then::Clip(low, high)) => v.clamp(low, high),
                Some(Then::Gate) if *s > 0.0 => *v,
                Some(Then::Inside(low, high)) if *s > low && *s < high => *v,
                Some(Then::Gate | Then::Inside(..)) => 0.0,
            });
            want[0] = like_output(bent.collect());
            if then.is_some_and(Then::is_gate) {
                inputs.push(Some(like_output(signs.clone())));
            }
            let views: Vec<Option<View<'_>>> = inputs.iter().map(|t| t.as_ref().map(Tensor::view)).collect();
            let mut buffers: Vec<Buffer> =
                outputs.iter().map(|t| Buffer::zeros(t.dtype(), t.len())).collect();
            let shapes = outputs.iter().map(Tensor::shape);
            let mut targets: Vec<ViewMut<'_>> = buffers
                .iter_mut()
                .zip(shapes)
                .map(|(b, shape)| ViewMut { shape, data: b.as_slice_mut() })
                .collect();
            kernel.run(&views, &mut targets).unwrap();
            let got: Vec<Tensor> = buffers
                .into_iter()
                .zip(&want)
                .map(|(b, t)| Tensor::from_buffer(t.shape(), b).unwrap())
                .collect();
            assert_eq!(got, want, "{}: made ready with {then:?}", case.label());
        }
    }
}

fn exchange(t: &Tensor, rows: Rows, count: usize) -> Tensor {
    let (outer, each) = rows.flat(t.shape(), count);
    let mut buffer = t.data().clone();
    crate::each_type!(&mut buffer, Buffer, v => {
        for o in 0..outer {
            let start = o * count * each;
            for k in 0..each {
                v.swap(start + k, start + each + k);
            }
        }
    });
    Tensor::from_buffer(t.shape(), buffer).unwrap()
}

#[test]
fn every_case_of_every_operator_holds() {
    let mut failed = Vec::new();
    for definition in ops::TABLE {
        let cases = (definition.cases)();
        assert!(!cases.is_empty(), "{} has no cases", definition.name);
        for case in cases {
            assert_eq!(case.op.definition().name, definition.name, "a case of another operator");
            for check in [
                check_values,
                check_prepared,
                derivative::check,
                derivative::check_second,
                check_kind,
                check_rows,
            ] {
                if std::panic::catch_unwind(AssertUnwindSafe(|| check(&case))).is_err() {
                    failed.push(case.label());
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} checks failed, of {failed:#?}", failed.len());
}

#[test]
fn the_table_is_sorted_and_says_what_it_should() {
    let keys: Vec<(&str, &str)> = ops::TABLE.iter().map(|d| (d.name, d.domain)).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(keys, sorted);
    for d in ops::TABLE {
        assert!(!d.summary.is_empty() && !d.derivative.is_empty() && d.since >= 1, "{}", d.name);
    }
}
