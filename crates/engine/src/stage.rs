//! A plan with what its inputs are fed from and where the rows of its values lie.

use std::collections::HashMap;
use std::ops::Range;

use pellucid_graph::rows::{RowsInput, same_in_all_rows};
use pellucid_graph::{Fact, Graph, Rows, Slice, SliceMut, ValueId};

use crate::columns::columns;
use crate::error::{Error, Result};
use crate::hinge::{self, Ahead, Behind, Weights};
use crate::plan::{Plan, Workspace};

/// What feeds an input of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// A row input of the sweep, by position.
    Row(usize),
    /// An output of the first stage, by position.
    Carried(usize),
    /// A number for each point, by position.
    Point(usize),
    /// A value on a line, for each point: an output of the first stage, plus the point's number times another one.
    Line {
        /// Where the line begins, by position among the outputs of the first stage.
        start: usize,
        /// What the number is multiplied with, likewise.
        difference: usize,
        /// The number, by position.
        number: usize,
    },
    /// A sum over the row's points, by position among the outputs of the point stage.
    Sum(usize),
}

/// How the rows of a value lie in its flat, row-major elements: `outer` blocks of all rows, `each` elements of a row in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) outer: usize,
    pub(crate) rows: usize,
    pub(crate) each: usize,
    /// Whether the value is the same for all rows; then it is one record, whatever the row.
    pub(crate) shared: bool,
}

impl Layout {
    pub(crate) fn new(fact: &Fact, rows: Option<Rows>, count: usize) -> Self {
        match rows {
            Some(r) => {
                let (outer, each) = r.flat(&fact.shape, count);
                Self { outer, rows: count, each, shared: false }
            }
            None => Self { outer: 1, rows: 1, each: fact.len(), shared: true },
        }
    }

    /// A value with its rows first, as the sweep's inputs and results have them.
    pub(crate) fn plain(rows: usize, each: usize) -> Self {
        Self { outer: 1, rows, each, shared: false }
    }

    /// The number of elements that a row has.
    pub(crate) fn record(&self) -> usize {
        self.outer * self.each
    }

    /// The pieces of a row: where each starts, all of `each` elements.
    pub(crate) fn pieces(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let row = if self.shared { 0 } else { row };
        (0..self.outer).map(move |o| (o * self.rows + row) * self.each)
    }
}

/// Copies one row's elements from one value to another whose rows have as many.
pub(crate) fn copy_row(
    (from, from_is, from_row): (Slice<'_>, Layout, usize),
    (to, to_is, to_row): (SliceMut<'_>, Layout, usize),
) {
    macro_rules! go {
        ($from:expr, $to:expr) => {
            if from_is.each == to_is.each && from_is.outer == to_is.outer {
                for (a, b) in from_is.pieces(from_row).zip(to_is.pieces(to_row)) {
                    $to[b..b + to_is.each].clone_from_slice(&$from[a..a + from_is.each]);
                }
            } else {
                let elements = from_is.pieces(from_row).flat_map(|a| $from[a..a + from_is.each].iter());
                let places = to_is.pieces(to_row).flat_map(|b| b..b + to_is.each);
                for (place, element) in places.zip(elements) {
                    $to[place] = element.clone();
                }
            }
        };
    }
    match (from, to) {
        (Slice::F32(f), SliceMut::F32(t)) => go!(f, t),
        (Slice::F64(f), SliceMut::F64(t)) => go!(f, t),
        (Slice::I8(f), SliceMut::I8(t)) => go!(f, t),
        (Slice::I16(f), SliceMut::I16(t)) => go!(f, t),
        (Slice::I32(f), SliceMut::I32(t)) => go!(f, t),
        (Slice::I64(f), SliceMut::I64(t)) => go!(f, t),
        (Slice::U8(f), SliceMut::U8(t)) => go!(f, t),
        (Slice::U16(f), SliceMut::U16(t)) => go!(f, t),
        (Slice::U32(f), SliceMut::U32(t)) => go!(f, t),
        (Slice::U64(f), SliceMut::U64(t)) => go!(f, t),
        (Slice::Bool(f), SliceMut::Bool(t)) => go!(f, t),
        (Slice::String(f), SliceMut::String(t)) => go!(f, t),
        _ => {}
    }
}

/// Copies some elements of a value to another place in it.
fn repeat_piece(value: &mut SliceMut<'_>, from: Range<usize>, to: usize) {
    match value {
        SliceMut::F32(v) => v.copy_within(from, to),
        SliceMut::F64(v) => v.copy_within(from, to),
        SliceMut::I8(v) => v.copy_within(from, to),
        SliceMut::I16(v) => v.copy_within(from, to),
        SliceMut::I32(v) => v.copy_within(from, to),
        SliceMut::I64(v) => v.copy_within(from, to),
        SliceMut::U8(v) => v.copy_within(from, to),
        SliceMut::U16(v) => v.copy_within(from, to),
        SliceMut::U32(v) => v.copy_within(from, to),
        SliceMut::U64(v) => v.copy_within(from, to),
        SliceMut::Bool(v) => v.copy_within(from, to),
        SliceMut::String(v) => {
            for (k, at) in from.enumerate() {
                v[to + k] = v[at].clone();
            }
        }
    }
}

/// A plan, the feeds of its inputs, and the layouts of its values.
#[derive(Debug)]
pub struct Stage {
    pub(crate) plan: Plan,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) inputs: Vec<Layout>,
    pub(crate) outputs: Vec<Layout>,
    /// Whether points lie side by side. Sums and products of them take any number, so that places without a point may hold anything.
    pub(crate) columns: bool,
    /// For each input, whether it is a product with units that run by their knots.
    pub(crate) ahead: Vec<Option<Ahead>>,
    /// For each output, whether it goes back to such units.
    pub(crate) behind: Vec<Option<Behind>>,
}

impl Stage {
    /// Plans a graph whose inputs are fed as `feeds` says and hold their rows where `input_rows` says. `constant_rows` says where the rows of
    /// an output lie that turns out to be constant, the same for every row; it may be empty.
    ///
    /// An error, naming the node, where the graph mixes rows.
    pub fn new(
        graph: &Graph,
        feeds: &[Feed],
        input_rows: &[Option<Rows>],
        constant_rows: &[Option<Rows>],
    ) -> Result<Self> {
        let n = graph.inputs().len();
        if feeds.len() != n || input_rows.len() != n {
            return Err(Error::Mismatch(format!(
                "a stage of {n} inputs is given {} feeds and {} places of rows",
                feeds.len(),
                input_rows.len()
            )));
        }
        let given: HashMap<_, _> =
            graph.inputs().iter().zip(input_rows).filter_map(|(id, rows)| rows.map(|r| (*id, r))).collect();
        let rows = graph.rows_of_values(&given)?;
        let count = graph.rows();
        let layout = |id, r: Option<Rows>| Layout::new(graph.fact(id), r, count);
        let repeated = |(i, id): (usize, &ValueId)| {
            let expected = constant_rows.get(i).copied().flatten()?;
            let input = RowsInput { fact: graph.fact(*id), rows: None, constant: graph.constant(*id) };
            let fits =
                input.fact.shape.get(expected.axis) == Some(&(expected.outer * count * expected.inner));
            (fits && same_in_all_rows(&input, expected, count)).then_some(expected)
        };
        let output_rows: Vec<Option<Rows>> =
            graph.outputs().iter().enumerate().map(|x| rows[x.1.index()].or_else(|| repeated(x))).collect();
        Ok(Self {
            plan: Plan::fed_anew(graph)?,
            feeds: feeds.to_vec(),
            inputs: graph.inputs().iter().zip(input_rows).map(|(&id, r)| layout(id, *r)).collect(),
            outputs: graph.outputs().iter().zip(&output_rows).map(|(&id, r)| layout(id, *r)).collect(),
            columns: false,
            ahead: graph.inputs().iter().map(|_| None).collect(),
            behind: graph.outputs().iter().map(|_| None).collect(),
        })
    }

    /// The same for a stage that runs on points, of which a row has about so many. Where the graph allows it they are laid side by side, and layers
    /// of Relu units on a line run by their knots.
    pub fn of_points(
        graph: &Graph,
        feeds: &[Feed],
        input_rows: &[Option<Rows>],
        constant_rows: &[Option<Rows>],
        points: usize,
    ) -> Result<Self> {
        let first = input_rows.iter().all(|r| *r == Some(Rows::BATCH));
        let Some(turned) = first.then(|| columns(graph)).flatten() else {
            return Self::new(graph, feeds, input_rows, constant_rows);
        };
        let in_columns = |graph: &Graph, feeds: &[Feed]| {
            let last = |id: &ValueId| Some(Rows::plain(graph.shape(*id).len().saturating_sub(1)));
            let input_rows: Vec<Option<Rows>> = graph.inputs().iter().map(last).collect();
            Ok(Self { columns: true, ..Self::new(graph, feeds, &input_rows, constant_rows)? })
        };
        match (points >= hinge::FEWEST).then(|| hinge::cut(&turned, feeds)).flatten() {
            Some(hinge::Cut { graph, feeds, ahead, behind }) => {
                Ok(Self { ahead, behind, ..in_columns(&graph, &feeds)? })
            }
            None => in_columns(&turned, feeds),
        }
    }

    /// Fills places of every input with what one of them holds. Knots feed no place, and only points side by side have some.
    pub(crate) fn repeat(&self, space: &mut Workspace, from: usize, places: Range<usize>) {
        for (i, layout) in self.inputs.iter().enumerate() {
            let mut input = self.plan.input(space, i);
            for place in places.clone().filter(|_| !layout.shared) {
                for (a, b) in layout.pieces(from).zip(layout.pieces(place)) {
                    repeat_piece(&mut input, a..a + layout.each, b);
                }
            }
        }
    }

    /// The elements that each row or point feeds to an input.
    pub(crate) fn fed(&self, input: usize) -> usize {
        self.ahead[input].as_ref().map_or_else(|| self.inputs[input].record(), |a| a.weights.units())
    }

    /// The elements of the sum of an output over points.
    pub(crate) fn summed(&self, output: usize) -> usize {
        self.behind[output].as_ref().map_or_else(|| self.outputs[output].record(), |b| b.weights.units())
    }

    /// Whether points lie side by side.
    pub fn in_columns(&self) -> bool {
        self.columns
    }

    /// About how many steps a run takes, with what knots take.
    pub(crate) fn work(&self) -> f64 {
        let weights = self.ahead.iter().flatten().map(|a| &a.weights);
        let weights = weights.chain(self.behind.iter().flatten().map(|b| &b.weights));
        let knots: usize = weights.map(Weights::work_of_point).sum();
        self.plan.work() as f64 + (knots * self.plan.rows()) as f64
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
