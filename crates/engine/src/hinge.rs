//! Finds layers of Relu units on a line, in a stage whose points lie side by side, and lets them run by their knots
//! ([`pellucid_kernels::knots`]): the stage then begins behind the product that reads the units, and ends before the one whose gradient comes back to
//! them.

use std::sync::Arc;

use pellucid_graph::tensor::Element;
use pellucid_graph::{Attribute, Buffer, DType, Graph, Node, Slice, SliceMut, Tensor, ValueId};
use pellucid_kernels::Real;
use pellucid_kernels::knots::{self, ByUnit, Knots};

use crate::error::{Error, Result};
use crate::gate::is_zero;
use crate::stage::{Feed, Layout};
use crate::tile::{Segment, record};

/// The fewest points of a row for which knots pay: each row goes through all weights for itself, where a product uses them for a whole tile.
pub(crate) const FEWEST: usize = 16;

/// Fewer others than these are worth their gaps only for so many weights.
const MOST_GAPS: usize = 8;
const MOST_WITH_GAPS: usize = 1 << 18;

/// The weights between units and what lies beyond them.
#[derive(Debug)]
pub(crate) enum Weights {
    F32(Arc<ByUnit<f32>>),
    F64(Arc<ByUnit<f64>>),
}

impl Weights {
    /// Those of a matrix with a row for each unit, or a column where `transposed` says so.
    fn new(matrix: &Tensor, transposed: bool, scale: f32) -> Option<Self> {
        let &[rows, columns] = matrix.shape() else { return None };
        let sizes = if transposed { (columns, rows) } else { (rows, columns) };
        // Many units with few others would be laid out with more gaps than weights.
        if sizes.1 < MOST_GAPS && matrix.len() > MOST_WITH_GAPS {
            return None;
        }
        fn laid_out<T: Real + Element>(
            matrix: &Tensor,
            sizes: (usize, usize),
            transposed: bool,
            scale: f32,
        ) -> Option<Arc<ByUnit<T>>> {
            let values = matrix.as_slice::<T>()?;
            let make = || ByUnit::new(values, sizes, transposed, T::of(f64::from(scale)));
            Some(matrix.form((sizes, transposed, scale.to_bits()), make))
        }
        match matrix.dtype() {
            DType::F32 => laid_out(matrix, sizes, transposed, scale).map(Self::F32),
            DType::F64 => laid_out(matrix, sizes, transposed, scale).map(Self::F64),
            _ => None,
        }
    }

    /// The number of units.
    pub(crate) fn units(&self) -> usize {
        match self {
            Self::F32(w) => w.units(),
            Self::F64(w) => w.units(),
        }
    }

    /// About how many steps a point takes, of which a group has some tens.
    pub(crate) fn work_of_point(&self) -> usize {
        let weights = match self {
            Self::F32(w) => w.state(1),
            Self::F64(w) => w.state(1),
        };
        self.units().saturating_mul(1 + weights / 16)
    }

    /// How many numbers the sum over a group of points takes that goes on.
    pub(crate) fn state(&self, points: usize) -> usize {
        match self {
            Self::F32(w) => w.state(points),
            Self::F64(w) => w.state(points),
        }
    }
}

/// An input of a stage that is a product with units on a line.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) weights: Weights,
    bias: Option<Tensor>,
}

impl Ahead {
    /// Finds the knots of a segment's group and writes the product's values at the segment's points. `at` are the numbers of all points of the group.
    pub(crate) fn feed(
        &self,
        knots: &mut Knots,
        [(start, start_is), (difference, difference_is)]: [(Slice<'_>, Layout); 2],
        row: usize,
        at: &[f64],
        segment: &Segment,
        (to, to_is): (SliceMut<'_>, Layout),
    ) -> Result<()> {
        if !at.is_sorted() {
            return Err(Error::Mismatch(format!("the points {at:?} of a line do not ascend")));
        }
        macro_rules! go {
            ($weights:expr, $start:expr, $difference:expr, $to:expr) => {{
                let (mut starts, mut differences) = (Vec::new(), Vec::new());
                let start = record($start, start_is, row, &mut starts);
                let difference = record($difference, difference_is, row, &mut differences);
                let at: Vec<_> = at.iter().map(|&v| Real::of(v)).collect();
                let bias = self.bias.as_ref().and_then(|b| b.as_slice());
                knots.find(start, difference, &at);
                let place = place(segment, to_is);
                knots::values(knots, (start, difference), &at, ($weights, bias), &place, $to);
            }};
        }
        match (&self.weights, start, difference, to) {
            (Weights::F32(w), Slice::F32(s), Slice::F32(d), SliceMut::F32(t)) => go!(w, s, d, t),
            (Weights::F64(w), Slice::F64(s), Slice::F64(d), SliceMut::F64(t)) => go!(w, s, d, t),
            _ => {}
        }
        Ok(())
    }
}

/// An output of a stage from which a gradient goes back to units on a line, of which it is the sum over points that is wanted.
#[derive(Debug)]
pub(crate) struct Behind {
    /// The input that is ahead of the units.
    pub(crate) input: usize,
    pub(crate) weights: Weights,
}

impl Behind {
    /// Adds what comes back at a segment's points, times `factors`, to a sum that goes on, and gives the total where the group ends.
    pub(crate) fn add(
        &self,
        knots: &Knots,
        (from, from_is): (Slice<'_>, Layout),
        factors: &[f64],
        segment: &Segment,
        (state, total): (&mut Buffer, &mut Buffer),
    ) {
        macro_rules! go {
            ($weights:expr, $from:expr, $state:expr, $total:expr) => {{
                let factors: Vec<_> = factors.iter().map(|&w| Real::of(w)).collect();
                knots::sum_products(
                    knots,
                    $weights,
                    ($from, &factors),
                    &place(segment, from_is),
                    $state,
                    $total,
                );
            }};
        }
        match (&self.weights, from, state, total) {
            (Weights::F32(w), Slice::F32(f), Buffer::F32(s), Buffer::F32(t)) => go!(w, f, s, t),
            (Weights::F64(w), Slice::F64(f), Buffer::F64(s), Buffer::F64(t)) => go!(w, f, s, t),
            _ => {}
        }
    }
}

fn place(segment: &Segment, layout: Layout) -> knots::Segment {
    let points = segment.first..segment.first + segment.count;
    knots::Segment { points, width: layout.rows, left: segment.place }
}

/// A graph without the layers of units that run by their knots.
pub(crate) struct Cut {
    pub(crate) graph: Graph,
    pub(crate) feeds: Vec<Feed>,
    /// For each input.
    pub(crate) ahead: Vec<Option<Ahead>>,
    /// For each output.
    pub(crate) behind: Vec<Option<Behind>>,
}

/// What is found at an input on a line.
struct Found {
    line: Feed,
    /// The value of the product that reads the units.
    product: ValueId,
    ahead: Ahead,
    /// For each output that comes back to the units, by position, the value before its product, and that one's weights.
    behind: Vec<(usize, ValueId, Weights)>,
}

/// Cuts what can run by knots out of a graph that holds points in its columns; `None` where there is nothing.
pub(crate) fn cut(graph: &Graph, feeds: &[Feed]) -> Option<Cut> {
    let found: Vec<Found> =
        graph.inputs().iter().zip(feeds).filter_map(|(&id, feed)| look(graph, id, *feed)).collect();
    if found.is_empty() {
        return None;
    }
    let mut outputs = graph.outputs().to_vec();
    for (output, value, _) in found.iter().flat_map(|f| &f.behind) {
        outputs[*output] = *value;
    }
    let products: Vec<ValueId> = found.iter().map(|f| f.product).collect();
    let (sliced, map) = graph.slice(&products, &outputs).ok()?;
    let input_of = |old: ValueId| {
        let new = map.get(&old)?;
        sliced.inputs().iter().position(|i| i == new)
    };
    let mut new_feeds: Vec<Option<Feed>> = vec![None; sliced.inputs().len()];
    for (&old, feed) in graph.inputs().iter().zip(feeds) {
        if let Some(i) = input_of(old) {
            new_feeds[i] = Some(*feed);
        }
    }
    let mut ahead: Vec<Option<Ahead>> = new_feeds.iter().map(|_| None).collect();
    let mut behind: Vec<Option<Behind>> = outputs.iter().map(|_| None).collect();
    for one in found {
        let input = input_of(one.product)?;
        new_feeds[input] = Some(one.line);
        ahead[input] = Some(one.ahead);
        for (output, _, weights) in one.behind {
            behind[output] = Some(Behind { input, weights });
        }
    }
    Some(Cut { graph: sliced, feeds: new_feeds.into_iter().collect::<Option<_>>()?, ahead, behind })
}

/// Whether an input on a line goes to units of a Relu only, these to one product, and what comes back to them to outputs.
fn look(graph: &Graph, input: ValueId, feed: Feed) -> Option<Found> {
    if !matches!(feed, Feed::Line { .. }) || is_output(graph, input) {
        return None;
    }
    let (mut product, mut behind) = (None, Vec::new());
    for reader in readers(graph, input) {
        match reader.op.definition().name {
            "Relu" if product.is_none() => {
                let [units] = reader.outputs[..] else { return None };
                let [gemm] = readers(graph, units).collect::<Vec<_>>()[..] else { return None };
                let ([value], false) = (&gemm.outputs[..], is_output(graph, units)) else { return None };
                let (matrix, scale) = weights(graph, gemm, units)?;
                let bias = match gemm.inputs.get(2).copied().flatten() {
                    Some(bias) => Some(graph.constant(bias)?.clone()),
                    None => None,
                };
                product = Some((*value, Ahead { weights: Weights::new(matrix, true, scale)?, bias }));
            }
            "Greater"
                if is_zero(graph, reader.inputs.get(1).copied().flatten())
                    && reader.inputs.first() == Some(&Some(input)) =>
            {
                let [mask] = reader.outputs[..] else { return None };
                if graph.shape(mask) != graph.shape(input) {
                    return None;
                }
                for choice in readers(graph, mask) {
                    behind.extend(comes_back(graph, mask, choice)?);
                }
                if is_output(graph, mask) {
                    return None;
                }
            }
            _ => return None,
        }
    }
    let (product, ahead) = product?;
    let units = graph.shape(input).first() == Some(&ahead.weights.units());
    let fits = units && behind.iter().all(|(.., w)| w.units() == ahead.weights.units());
    (fits && !behind.is_empty()).then_some(Found { line: feed, product, ahead, behind })
}

/// The outputs that are a product where the mask lets it through, each with what is multiplied and its weights.
fn comes_back(graph: &Graph, mask: ValueId, choice: &Node) -> Option<Vec<(usize, ValueId, Weights)>> {
    let (&[Some(first), Some(back), _], &[y]) = (&choice.inputs[..], &choice.outputs[..]) else {
        return None;
    };
    let is_gate = choice.op.definition().name == "Where"
        && first == mask
        && is_zero(graph, choice.inputs.get(2).copied().flatten());
    let alike = graph.shape(mask) == graph.shape(back) && graph.shape(y) == graph.shape(back);
    if !is_gate || !alike || readers(graph, y).next().is_some() || is_output(graph, back) {
        return None;
    }
    let mut makers = graph.nodes().iter().filter(|n| n.outputs.contains(&back));
    let (gemm, None, 1) = (makers.next()?, makers.next(), readers(graph, back).count()) else { return None };
    let from = gemm.inputs.first().copied().flatten()?;
    let (matrix, scale) = weights(graph, gemm, from)?;
    let plain = gemm.inputs.get(2).copied().flatten().is_none() && graph.constant(from).is_none();
    let outputs = graph.outputs().iter().enumerate().filter(|(_, o)| **o == y);
    let found = outputs.map(|(i, _)| Some((i, from, Weights::new(matrix, false, scale)?)));
    if plain { found.collect() } else { None }
}

/// The constant weights of a product with `x`, and their factor.
fn weights<'a>(graph: &'a Graph, gemm: &Node, x: ValueId) -> Option<(&'a Tensor, f32)> {
    if gemm.op.definition().name != "ColumnGemm" || gemm.inputs.first() != Some(&Some(x)) {
        return None;
    }
    let scale = match gemm.op.attributes().get("alpha") {
        Some(Attribute::Float(v)) => *v,
        _ => 1.0,
    };
    let matrix = graph.constant(gemm.inputs.get(1).copied().flatten()?)?;
    (!matrix.shape().contains(&0)).then_some((matrix, scale))
}

fn readers(graph: &Graph, value: ValueId) -> impl Iterator<Item = &Node> {
    graph.nodes().iter().filter(move |n| n.inputs.contains(&Some(value)))
}

fn is_output(graph: &Graph, value: ValueId) -> bool {
    graph.outputs().contains(&value)
}
