//! Runs neighbouring elementwise and row-wise steps together, block by block, so that what lies between them stays in the cache.
//!
//! The derivative of a GELU is a dozen steps, that of a layer normalization or a softmax another: each alone reads and writes values of
//! megabytes. Along the leading axes they all do the same again and again, so a block of that is taken through all of them before the next.
//! Each step runs its own operator on its block, and so gives the bits that it gives alone.

use std::collections::HashSet;
use std::sync::Arc;

use pellucid_graph::error::{OpError, OpResult};
use pellucid_graph::{
    Attribute, Buffer, DType, Fact, Graph, Kernel, Operator, Slice, ValueId, View, ViewMut,
};

use crate::fuse::Run;

/// About how many elements a step writes at a time.
const BLOCK: usize = 4096;
/// The most members.
const LONGEST: usize = 32;
/// The most elements that cannot be cut further: beyond it, blocks would not stay in the cache.
const MOST: usize = 1 << 14;

/// A step that may become a member of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) inputs: &'a [Option<ValueId>],
    pub(crate) output: ValueId,
    /// The first axis along which elements depend on each other; the rank where they do not.
    along: usize,
}

impl<'a> Link<'a> {
    /// A step that runs an operator; `None` where it does not take its output's leading axes one by one.
    pub(crate) fn of_operator(
        graph: &Graph,
        name: &'a Arc<str>,
        op: &dyn Operator,
        inputs: &'a [Option<ValueId>],
        outputs: &[ValueId],
    ) -> Option<Self> {
        let [output] = *outputs else { return None };
        let rank = graph.shape(output).len();
        let first = inputs.first().copied().flatten()?;
        let attribute = |name: &str, default: i64| match op.attributes().get(name) {
            Some(Attribute::Int(v)) => *v,
            _ => default,
        };
        let from_end = |axis: i64| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok();
        let definition = op.definition();
        let along = match definition.name {
            _ if definition.is_elementwise() => rank,
            _ if !definition.domain.is_empty() => return None,
            "Softmax" | "LogSoftmax" | "LayerNormalization" | "RMSNormalization" => {
                from_end(attribute("axis", -1))?
            }
            "ReduceSum" | "ReduceMean" | "ReduceMax" if attribute("keepdims", 1) == 1 => {
                let axes = graph.constant(inputs.get(1).copied().flatten()?)?.to_i64()?;
                axes.into_iter().map(from_end).min()??
            }
            _ => return None,
        };
        // Beside an elementwise step's, only the first input has the leading axes.
        let rest = inputs.iter().skip(1).flatten();
        let plain = along == rank || rest.into_iter().all(|&v| graph.constant(v).is_some());
        (plain && graph.shape(first).len() <= rank).then_some(Self { name, inputs, output, along })
    }

    /// A step of one element each.
    pub(crate) fn elementwise(
        graph: &Graph,
        name: &'a Arc<str>,
        inputs: &'a [Option<ValueId>],
        outputs: &[ValueId],
    ) -> Option<Self> {
        let [output] = *outputs else { return None };
        Some(Self { name, inputs, output, along: graph.shape(output).len() })
    }

    /// Whether its output takes several blocks.
    pub(crate) fn is_large(&self, graph: &Graph) -> bool {
        graph.fact(self.output).len() > BLOCK
    }
}

/// Which steps run together with one, and how their values are cut.
#[derive(Debug)]
pub(crate) struct Group {
    /// The steps' positions, ascending; the last gives the result.
    pub(crate) members: Vec<usize>,
    cut: Cut,
}

/// Values of `axes` leading axes of a common size, cut along these.
#[derive(Clone, Debug)]
struct Cut {
    shape: Vec<usize>,
    axes: usize,
}

impl Cut {
    /// What all leading axes together have.
    fn outer(&self) -> usize {
        self.shape[..self.axes].iter().product()
    }

    /// Whether a shape has all of the leading axes.
    fn holds(&self, shape: &[usize]) -> bool {
        shape.len() == self.shape.len() && shape[..self.axes] == self.shape[..self.axes]
    }

    /// Whether a shape is the same everywhere along the leading axes.
    fn shares(&self, shape: &[usize]) -> bool {
        let own = (shape.len() + self.axes).saturating_sub(self.shape.len());
        shape[..own].iter().all(|&n| n == 1)
    }

    /// A shape of `count` places along the leading axes.
    fn block(&self, shape: &[usize], count: usize) -> Vec<usize> {
        let mut block = shape.to_vec();
        block[..self.axes].fill(1);
        block[self.axes - 1] = count;
        block
    }
}

impl Group {
    /// Gathers the steps before `last` that only it and each other read. `None` where it stays alone.
    ///
    /// `links` has each step's, where it may be a member; `producer` says which step makes a value, `readers` how many read it.
    pub(crate) fn around(
        graph: &Graph,
        last: usize,
        links: &[Option<Link<'_>>],
        producer: impl Fn(ValueId) -> Option<usize>,
        readers: impl Fn(ValueId) -> usize,
    ) -> Option<Self> {
        let mut members = vec![last];
        let mut cut = Cut::of(graph, &[links[last].as_ref()?])?;
        let mut refused = HashSet::new();
        while members.len() < LONGEST {
            let chain = |members: &[usize]| -> Vec<&Link<'_>> {
                members.iter().filter_map(|&m| links[m].as_ref()).collect()
            };
            let read = chain(&members).into_iter().flat_map(|l| l.inputs.iter().flatten().copied());
            let within = |v: ValueId, members: &[usize]| {
                let inputs = chain(members).into_iter().flat_map(|l| l.inputs.iter().flatten());
                inputs.filter(|&&x| x == v).count()
            };
            let next = read.filter_map(|v| producer(v).map(|p| (v, p))).find(|&(v, p)| {
                links[p].is_some()
                    && !members.contains(&p)
                    && !refused.contains(&p)
                    && readers(v) == within(v, &members)
            });
            let Some((_, p)) = next else { break };
            let mut wider = members.clone();
            wider.push(p);
            match Cut::of(graph, &chain(&wider)) {
                Some(found) => (members, cut) = (wider, found),
                None => {
                    refused.insert(p);
                }
            }
        }
        members.sort_unstable();
        let is_large = members.iter().filter_map(|&m| links[m].as_ref()).any(|l| l.is_large(graph));
        (members.len() > 1 && is_large).then_some(Self { members, cut })
    }
}

impl Cut {
    /// The most leading axes along which all links can be cut; `None` where blocks would be too large.
    fn of(graph: &Graph, links: &[&Link<'_>]) -> Option<Self> {
        let values = || {
            links
                .iter()
                .flat_map(|l| l.inputs.iter().flatten().copied().chain([l.output]))
                .map(|v| graph.shape(v))
        };
        let rank = graph.shape(links.first()?.output).len();
        let most = links.iter().map(|l| l.along).min()?;
        (1..=most.min(rank)).rev().find_map(|axes| {
            let shape = graph.shape(links.first()?.output).to_vec();
            let cut = Self { shape, axes };
            let outer = cut.outer();
            let fits = outer > 1
                && links.iter().all(|l| cut.holds(graph.shape(l.output)))
                && values().all(|s| cut.holds(s) || cut.shares(s));
            let inner =
                values().filter(|s| cut.holds(s)).map(|s| s[axes..].iter().product::<usize>()).max()?;
            (fits && inner <= MOST).then_some(cut)
        })
    }
}

/// Where a member reads.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The whole's input, by position: a block of that many elements each, or all of it.
    Given(usize, Option<usize>),
    /// A value between members.
    Made(usize),
}

#[derive(Debug)]
struct Member {
    name: Arc<str>,
    run: Run,
    inputs: Vec<Option<(Source, [Vec<usize>; 2])>>,
    /// The value between members that it makes; `None` for the result.
    makes: Option<usize>,
    /// The shapes of a block, and of the last one.
    shapes: [Vec<usize>; 2],
    /// How many elements it makes for each place along the leading axes.
    each: usize,
}

/// Steps that run together, block by block.
#[derive(Debug)]
pub(crate) struct Chain {
    members: Vec<Member>,
    /// The values between members: for each place along the leading axes, so many elements.
    made: Vec<(DType, usize)>,
    outer: usize,
    /// Places in a block.
    count: usize,
}

impl Chain {
    /// A group's steps as one, and the values that it reads. `run` gives each step's own.
    pub(crate) fn new(
        graph: &Graph,
        group: &Group,
        links: &[Option<Link<'_>>],
        mut run: impl FnMut(usize) -> Run,
    ) -> (Self, Vec<Option<ValueId>>) {
        let cut = &group.cut;
        let outer = cut.outer();
        let chain: Vec<(usize, &Link<'_>)> =
            group.members.iter().filter_map(|&m| links[m].as_ref().map(|l| (m, l))).collect();
        let each = |v: ValueId| graph.shape(v)[cut.axes..].iter().product::<usize>();
        let widest = chain.iter().map(|(_, l)| each(l.output)).max().unwrap_or(1);
        let count = (BLOCK / widest.max(1)).clamp(1, outer);
        let tail = if outer.is_multiple_of(count) { count } else { outer % count };
        let blocks = |shape: &[usize]| [cut.block(shape, count), cut.block(shape, tail)];
        let mut given: Vec<Option<ValueId>> = Vec::new();
        let mut places = Places::default();
        let mut members = Vec::with_capacity(chain.len());
        for (i, &(m, link)) in chain.iter().enumerate() {
            let inputs = link.inputs.iter().map(|v| {
                let v = (*v)?;
                let shape = graph.shape(v);
                if let Some(place) = places.of(v) {
                    return Some((Source::Made(place), blocks(shape)));
                }
                let at = given.iter().position(|g| *g == Some(v)).unwrap_or_else(|| {
                    given.push(Some(v));
                    given.len() - 1
                });
                Some(match cut.holds(shape) {
                    true => (Source::Given(at, Some(each(v))), blocks(shape)),
                    false => (Source::Given(at, None), [shape.to_vec(), shape.to_vec()]),
                })
            });
            let inputs = inputs.collect();
            let last = i + 1 == chain.len();
            let makes = (!last).then(|| places.take(link.output, graph.fact(link.output), each(link.output)));
            for v in link.inputs.iter().flatten() {
                if !chain[i + 1..].iter().any(|(_, l)| l.inputs.contains(&Some(*v))) {
                    places.free(*v);
                }
            }
            let shapes = blocks(graph.shape(link.output));
            let name = Arc::clone(link.name);
            members.push(Member { name, run: run(m), inputs, makes, shapes, each: each(link.output) });
        }
        (Self { members, made: places.all, outer, count }, given)
    }
}

/// The values between members, in as few places as their lifetimes allow.
#[derive(Debug, Default)]
struct Places {
    all: Vec<(DType, usize)>,
    held: Vec<Option<ValueId>>,
}

impl Places {
    fn of(&self, v: ValueId) -> Option<usize> {
        self.held.iter().position(|h| *h == Some(v))
    }

    fn take(&mut self, v: ValueId, fact: &Fact, each: usize) -> usize {
        let free = (0..self.all.len()).find(|&i| self.held[i].is_none() && self.all[i].0 == fact.dtype);
        let place = free.unwrap_or_else(|| {
            self.all.push((fact.dtype, 0));
            self.held.push(None);
            self.all.len() - 1
        });
        self.held[place] = Some(v);
        self.all[place].1 = self.all[place].1.max(each);
        place
    }

    fn free(&mut self, v: ValueId) {
        if let Some(place) = self.of(v) {
            self.held[place] = None;
        }
    }
}

impl Kernel for Chain {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let [result] = outputs else { return Err(OpError("a chain has one output".into())) };
        let mut made: Vec<Buffer> =
            self.made.iter().map(|&(dtype, each)| Buffer::zeros(dtype, each * self.count)).collect();
        for first in (0..self.outer).step_by(self.count) {
            let count = self.count.min(self.outer - first);
            let form = usize::from(count < self.count);
            for member in &self.members {
                let len = member.each * count;
                // A value leaves its place while it is written, so that the others can be read beside it.
                let mut target =
                    member.makes.map(|m| std::mem::replace(&mut made[m], Buffer::Bool(Vec::new())));
                let views: Vec<Option<View<'_>>> = member
                    .inputs
                    .iter()
                    .map(|input| {
                        let (source, shapes) = input.as_ref()?;
                        let shape = shapes[form].as_slice();
                        let data: Slice<'_> = match *source {
                            Source::Made(m) => made[m].as_slice().range(0..shape.iter().product()),
                            Source::Given(at, Some(each)) => {
                                inputs[at]?.data.range(first * each..(first + count) * each)
                            }
                            Source::Given(at, None) => inputs[at]?.data,
                        };
                        Some(View { shape, data })
                    })
                    .collect();
                let data = match &mut target {
                    Some(buffer) => buffer.as_slice_mut().range(0..len),
                    None => result.data.reborrow().range(first * member.each..first * member.each + len),
                };
                let mut output = [ViewMut { shape: &member.shapes[form], data }];
                member
                    .run
                    .run(&views, &mut output)
                    .map_err(|e| OpError(format!("{}: {}", member.name, e.0)))?;
                if let (Some(m), Some(buffer)) = (member.makes, target) {
                    made[m] = buffer;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::steps;
    use crate::fuse::tests::check_bits;
    use pellucid_graph::{Builder, Tensor, ops};

    fn numbers(seed: usize, fact: &Fact) -> Tensor {
        let values = (0..fact.len()).map(|i| ((i * 37 + seed * 11) % 101) as f64 / 50.0 - 1.0).collect();
        Tensor::new::<f64>(&fact.shape, values).unwrap().with_precision(fact.dtype)
    }

    /// The derivatives of a GELU, a softmax and a layer normalization, with constants along rows and columns and a mask; some values are read
    /// outside of the chains too. Blocks do not divide the rows evenly.
    fn network(dtype: DType) -> Graph {
        let mut b = Builder::new(7);
        let shape = [7, 5, 300];
        let x = b.input("x", Fact::new(dtype, &shape));
        let g = b.input("g", Fact::new(dtype, &shape));
        let row = b.constant_value(numbers(3, &Fact::new(dtype, &[300])));
        let column = b.constant_value(numbers(4, &Fact::new(dtype, &[1, 5, 1])));
        let mut ends = Vec::new();
        let scaled = b.mul(x, row).unwrap();
        let shifted = b.add(scaled, column).unwrap();
        let bell = b.exp(shifted).unwrap();
        let slope = b.push(ops::GeluSlope { tanh: false }, &[bell]).unwrap();
        ends.push(b.mul(slope, g).unwrap());
        let y = b.push(ops::Softmax { axis: -1, flatten: false }, &[x]).unwrap();
        let weighted = b.mul(g, y).unwrap();
        let sum = b.reduce_sum(weighted, &[2], true).unwrap();
        let centred = b.sub(g, sum).unwrap();
        ends.push(b.mul(centred, y).unwrap());
        ends.push(y);
        let on = b.positive(x).unwrap();
        let masked = b.masked(on, weighted).unwrap();
        let both = b.reduce_sum(masked, &[1, 2], true).unwrap();
        ends.push(b.mul(both, column).unwrap());
        b.finish(&ends)
    }

    /// Products of transposed values, one of which is read otherwise too, and a sum of padded ones.
    fn moving(dtype: DType) -> Graph {
        let mut b = Builder::new(2);
        let x = b.input("x", Fact::new(dtype, &[2, 9, 3, 8]));
        let y = b.input("y", Fact::new(dtype, &[2, 3, 9, 8]));
        let order = |order: [usize; 4]| ops::Transpose { order: Some(order.to_vec()) };
        let heads = b.push(order([0, 2, 1, 3]), &[x]).unwrap();
        let across = b.push(order([0, 2, 3, 1]), &[x]).unwrap();
        let left = b.push(order([0, 1, 3, 2]), &[y]).unwrap();
        let one = b.matmul(y, across).unwrap();
        let other = b.matmul(left, heads).unwrap();
        let pads = |before: i64, after: i64| Tensor::vector(vec![0, 0, before, 0, 0, 0, after, 0]);
        let padded = [(0, 19), (9, 10), (19, 0)].map(|(before, after)| {
            let value = b.scale(y, before as f64 - 5.0).unwrap();
            let pads = b.constant_value(pads(before, after));
            b.push(ops::Pad { mode: ops::pad::Mode::Constant }, &[value, pads]).unwrap()
        });
        let sum = b.add(padded[0], padded[1]).unwrap();
        let sum = b.add(sum, padded[2]).unwrap();
        b.finish(&[one, other, sum])
    }

    #[test]
    fn steps_that_move_elements_are_spared() {
        let (found, _) = steps(&moving(DType::F32)).unwrap();
        let names: Vec<&str> = found.iter().map(|s| s.operator).collect();
        assert!(
            !names.contains(&"Transpose") && !names.contains(&"Pad") && names.contains(&"Concat"),
            "{names:?}"
        );
    }

    #[test]
    fn chains_are_found() {
        let (found, _) = steps(&network(DType::F32)).unwrap();
        let chains = found.iter().filter(|s| s.operator == "Chain").count();
        assert!(chains >= 3, "{:?}", found.iter().map(|s| s.operator).collect::<Vec<_>>());
    }

    #[test]
    fn joined_steps_give_the_bits_of_single_ones() {
        for graph in [DType::F32, DType::F64].into_iter().flat_map(|dtype| [network(dtype), moving(dtype)]) {
            check_bits(&graph);
        }
    }
}
