//! Gates: what lets a value through where another one is positive, or between two bounds. The derivatives of Relu and Clip are such.

use std::collections::HashMap;

use pellucid_graph::error::{OpError, OpResult};
use pellucid_graph::{Graph, Kernel, Slice, SliceMut, Then, ValueId, View, ViewMut};
use pellucid_kernels::{Real, broadcast};

use crate::fuse::{Draft, What};

/// Whether a value is a constant of zeros, none of which is −0: that has a sign to keep.
pub(crate) fn is_zero(graph: &Graph, id: Option<ValueId>) -> bool {
    let all = id.and_then(|id| graph.constant(id)?.to_f64());
    all.is_some_and(|all| all.iter().all(|v| v.to_bits() == 0))
}

/// The float that a value is.
fn number(graph: &Graph, id: Option<ValueId>) -> Option<f64> {
    let constant = graph.constant(id?).filter(|t| t.dtype().is_float() && t.len() == 1)?;
    let [number] = constant.to_f64()?[..] else { return None };
    Some(number)
}

/// Lets comparisons with a bound read what was kept within it.
pub(crate) fn read_bounded(graph: &Graph, steps: &mut [Option<Draft>]) {
    // By value, what it is within its bounds, and those: max(x, 0) has a lower one, a clipped value both.
    let mut bounded: HashMap<ValueId, (ValueId, f64, Option<f64>)> = HashMap::new();
    for step in steps.iter_mut().flatten() {
        let (Some(x), [y]) = (step.input(0), step.outputs.as_slice()) else { continue };
        if step.is("Relu") {
            bounded.insert(x, (*y, 0.0, None));
        } else if step.is("Clip")
            && let Some((low, high)) = bounds(graph, step)
        {
            bounded.insert(x, (*y, low, Some(high)));
        } else if let (Some(at), Some(&(y, low, high))) = (number(graph, step.input(1)), bounded.get(&x))
            && (step.is("Greater") && at == low || step.is("Less") && Some(at) == high)
        {
            step.inputs[0] = Some(y);
        }
    }
}

/// The two bounds of a Clip, the lower below the upper.
pub(crate) fn bounds(graph: &Graph, step: &Draft) -> Option<(f64, f64)> {
    let (low, high) = (number(graph, step.input(1))?, number(graph, step.input(2))?);
    (low < high).then_some((low, high))
}

/// Makes gates of selections by where something is positive, or between two bounds.
pub(crate) fn make_gates(graph: &Graph, steps: &mut [Option<Draft>]) {
    // Masks, by what is above or below which number; and what is let through where something is above one.
    let mut above: HashMap<ValueId, (ValueId, f64)> = HashMap::new();
    let mut below: HashMap<ValueId, (ValueId, f64)> = HashMap::new();
    let mut let_through: HashMap<ValueId, (ValueId, ValueId, f64)> = HashMap::new();
    for step in steps.iter_mut().flatten() {
        let (Some(first), [y]) = (step.input(0), step.outputs.as_slice()) else { continue };
        if let Some(at) = number(graph, step.input(1))
            && graph.shape(*y) == graph.shape(first)
            && (step.is("Greater") || step.is("Less"))
        {
            let masks = if step.is("Greater") { &mut above } else { &mut below };
            masks.insert(*y, (first, at));
        } else if step.is("Where")
            && number(graph, step.input(2)).is_some_and(|v| v.to_bits() == 0)
            && let Some(g) = step.input(1)
        {
            let fits = |x: &ValueId| graph.fact(*x) == graph.fact(*y);
            if let Some(&(x, low)) = above.get(&first).filter(|(x, _)| fits(x)) {
                let_through.insert(*y, (g, x, low));
                if low == 0.0 {
                    step.what = What::Gate(Gate(Then::Gate));
                    step.inputs = vec![Some(g), Some(x)];
                }
            } else if let Some(&(x, high)) = below.get(&first)
                && let Some(&(g, of, low)) = let_through.get(&g)
                && of == x
                && low < high
            {
                step.what = What::Gate(Gate(Then::Inside(low, high)));
                step.inputs = vec![Some(g), Some(x)];
            }
        }
    }
}

/// Input 0 where input 1 is as a gate has it, else 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate(pub(crate) Then);

impl Kernel for Gate {
    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        fn gate<T: Real>(
            then: Then,
            (g, g_shape): (&[T], &[usize]),
            x: &[T],
            (out, shape): (&mut [T], &[usize]),
        ) {
            let (g, x, out) = ((g, g_shape), (x, shape), (out, shape));
            if let Then::Inside(low, high) = then {
                let (low, high) = (T::of(low), T::of(high));
                broadcast::zip(g, x, out, |&g, &x| if x > low && x < high { g } else { T::ZERO });
            } else {
                broadcast::zip(g, x, out, |&g, &x| if x > T::ZERO { g } else { T::ZERO });
            }
        }
        let ([Some(g), Some(x)], [y]) = (inputs, outputs) else {
            return Err(OpError("a gate has two inputs and an output".into()));
        };
        let then = self.0;
        match (g.data, x.data, &mut y.data) {
            (Slice::F32(gs), Slice::F32(xs), SliceMut::F32(ys)) => {
                gate(then, (gs, g.shape), xs, (ys, y.shape));
            }
            (Slice::F64(gs), Slice::F64(xs), SliceMut::F64(ys)) => {
                gate(then, (gs, g.shape), xs, (ys, y.shape));
            }
            _ => return Err(OpError("a gate is of floats of one type".into())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::fuse::steps;
    use crate::fuse::tests::check_bits;
    use pellucid_graph::differentiate::{differentiate, no_rule};
    use pellucid_graph::ops::window::Window;
    use pellucid_graph::{Builder, DType, Fact, Graph, Tensor, ops};

    /// Clipped convolutions, plain and with groups, behind each other, and the derivative of their sum.
    fn network(dtype: DType) -> Graph {
        let mut b = Builder::new(2);
        let number = |seed: usize, shape: &[usize]| {
            let n: usize = shape.iter().product();
            let values = (0..n).map(|i| ((i * 37 + seed * 11) % 23) as f64 / 11.0 - 1.0).collect();
            Tensor::new::<f64>(shape, values).unwrap().with_precision(dtype)
        };
        let scalar = |v: f64| Tensor::new::<f64>(&[], vec![v]).unwrap().with_precision(dtype);
        let (low, high) = (b.constant_value(scalar(0.0)), b.constant_value(scalar(1.5)));
        let below = b.constant_value(scalar(-0.5));
        let x = b.input("x", Fact::new(dtype, &[2, 5, 6, 7]));
        let (w1, c1) = (b.constant_value(number(1, &[6, 5, 1, 1])), b.constant_value(number(2, &[6])));
        let w2 = b.constant_value(number(3, &[6, 1, 3, 3]));
        let window = Window { pads: vec![1; 4], ..Window::default() };
        let z1 = b.push(ops::Conv::new(1, Window::default()), &[x, w1, c1]).unwrap();
        let h1 = b.push(ops::Clip, &[z1, low, high]).unwrap();
        let z2 = b.push(ops::Conv::new(6, window), &[h1, w2]).unwrap();
        let h2 = b.push(ops::Clip, &[z2, below, high]).unwrap();
        let seed = b.constant_value(number(4, &[2, 6, 6, 7]));
        let back = differentiate(&mut b, &[(h2, seed)], &[x], &mut no_rule).unwrap();
        b.finish(&[back[0].unwrap()])
    }

    #[test]
    fn clipped_convolutions_give_the_same_bits() {
        for dtype in [DType::F32, DType::F64] {
            let graph = network(dtype);
            let (found, _) = steps(&graph).unwrap();
            let names: Vec<&str> = found.iter().map(|s| s.operator).collect();
            assert_eq!(names, ["Conv", "Conv", "Gate", "ConvTranspose", "ConvTranspose"]);
            check_bits(&graph);
        }
    }
}
