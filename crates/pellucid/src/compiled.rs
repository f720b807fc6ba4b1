//! A method made ready to run on rows: the stages, the points, and what the results are.

use std::borrow::Cow;
use std::ops::Range;

use pellucid_engine::{Points, Sweep, Yield};
use pellucid_graph::{Fact, Rows, ValueId};

use crate::explanation::{Evaluations, InputUse, Source};
use crate::frame::{Frame, RowInput};
use crate::refine::Refinement;

/// Where the results of a method are among those of the sweep.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) sweep: Sweep,
    pub(crate) points: Option<Along>,
    /// For each target, its value.
    pub(crate) outputs: Vec<usize>,
    /// For each target, its value at the baseline.
    pub(crate) baseline_outputs: Option<Vec<usize>>,
    /// For each source and target; `None` where the target does not depend on the source.
    pub(crate) attributions: Vec<Vec<Option<usize>>>,
    /// For each source, its shape behind the rows.
    pub(crate) shapes: Vec<Vec<usize>>,
    pub(crate) sources: Vec<Source>,
    pub(crate) inputs: Vec<InputUse>,
    pub(crate) row_inputs: Vec<RowInput>,
    pub(crate) scale: &'static str,
    pub(crate) evaluations: Evaluations,
    /// Whether the attributions should add up to the difference of outputs.
    pub(crate) complete: bool,
}

/// The points of a row.
#[derive(Clone, Debug)]
pub(crate) enum Along {
    /// The same for every row.
    Fixed(PointSet),
    /// For each row, found as it is explained.
    Refined(Refinement),
}

/// Points that are the same for every row.
#[derive(Clone, Debug)]
pub(crate) struct PointSet {
    /// For each number that a point has, its values over the points.
    pub(crate) numbers: Vec<Vec<f64>>,
    pub(crate) weights: Vec<f64>,
}

impl Points for PointSet {
    fn count(&self, _row: usize) -> usize {
        self.weights.len()
    }

    fn values(&self, input: usize, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        Cow::Borrowed(&self.numbers[input][points])
    }

    fn weights(&self, _row: usize, points: Range<usize>) -> Cow<'_, [f64]> {
        Cow::Borrowed(&self.weights[points])
    }
}

/// The outputs of a stage, as they are collected, each with where its rows lie, should it turn out to be constant.
#[derive(Debug, Default)]
pub(crate) struct Outputs(pub(crate) Vec<(ValueId, Option<Rows>)>);

impl Outputs {
    /// Adds an output and gives its position; one that is there already keeps its own.
    pub(crate) fn add(&mut self, value: ValueId, rows: Option<Rows>) -> usize {
        match self.0.iter().position(|v| v.0 == value) {
            Some(position) => position,
            None => {
                self.0.push((value, rows));
                self.0.len() - 1
            }
        }
    }
}

/// The results of a sweep, as they are collected.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<Yield>);

impl Results {
    /// Adds a result and gives its position.
    pub(crate) fn add(&mut self, y: Yield) -> usize {
        self.0.push(y);
        self.0.len() - 1
    }
}

/// The shape of a source behind its rows: as it stands where the rows are its first axis, flat otherwise.
pub(crate) fn shape_of_source(frame: &Frame, source: ValueId) -> Vec<usize> {
    let fact: &Fact = frame.b.fact(source);
    match frame.rows_of(source) {
        Some(Rows::BATCH) => fact.shape.get(1..).unwrap_or(&[]).to_vec(),
        Some(rows) => {
            let (outer, each) = rows.flat(&fact.shape, frame.count());
            vec![outer * each]
        }
        None => fact.shape.clone(),
    }
}
