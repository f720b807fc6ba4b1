//! Shorthand for adding single operators: the language in which derivatives, bodies and rules are written.

use std::sync::Arc;

use crate::build::{Builder, filled};
use crate::error::{OpError, OpResult};
use crate::graph::ValueId;
use crate::ops;
use crate::tensor::{DType, Tensor};

macro_rules! unary {
    ($($name:ident => $op:ident: $doc:literal),* $(,)?) => { impl Builder { $(
        #[doc = $doc]
        pub fn $name(&mut self, x: ValueId) -> OpResult<ValueId> {
            self.push(ops::$op, &[x])
        }
    )* } };
}

macro_rules! binary {
    ($($name:ident => $op:ident: $doc:literal),* $(,)?) => { impl Builder { $(
        #[doc = $doc]
        pub fn $name(&mut self, x: ValueId, y: ValueId) -> OpResult<ValueId> {
            self.push(ops::$op, &[x, y])
        }
    )* } };
}

unary! {
    abs => Abs: "|x|.",
    cos => Cos: "The cosine.",
    erf => Erf: "The error function.",
    exp => Exp: "The exponential.",
    log => Log: "The natural logarithm.",
    neg => Neg: "−x.",
    not => Not: "Logical not.",
    reciprocal => Reciprocal: "1 / x.",
    relu => Relu: "max(x, 0).",
    sigmoid => Sigmoid: "1 / (1 + exp(−x)).",
    sign => Sign: "−1, 0 or 1.",
    sin => Sin: "The sine.",
    sqrt => Sqrt: "The square root.",
    tanh => Tanh: "The hyperbolic tangent.",
}

binary! {
    add => Add: "x + y, broadcast.",
    and => And: "Logical and, broadcast.",
    div => Div: "x / y, broadcast.",
    equal => Equal: "x = y, broadcast.",
    greater => Greater: "x > y, broadcast.",
    greater_or_equal => GreaterOrEqual: "x ≥ y, broadcast.",
    less => Less: "x < y, broadcast.",
    matmul => MatMul: "The matrix product over the last two dimensions.",
    mul => Mul: "x · y, broadcast.",
    pow => Pow: "x to the power y, broadcast.",
    sub => Sub: "x − y, broadcast.",
}

impl Builder {
    /// A constant of the type of `like` and no dimensions.
    pub fn scalar_like(&mut self, like: ValueId, value: f64) -> OpResult<ValueId> {
        let dtype = self.fact(like).dtype;
        let tensor =
            filled(dtype, &[], value).ok_or_else(|| OpError(format!("no constant of type {dtype}")))?;
        Ok(self.constant_value(tensor))
    }

    /// A constant list of 64-bit integers, as shapes and axes are given.
    pub fn integers(&mut self, values: &[i64]) -> ValueId {
        self.constant_value(Tensor::vector(values.to_vec()))
    }

    /// Zeros of the type and shape of `like`.
    pub fn zeros_like(&mut self, like: ValueId) -> OpResult<ValueId> {
        self.full_like(like, 0.0)
    }

    /// Ones of the type and shape of `like`.
    pub fn ones_like(&mut self, like: ValueId) -> OpResult<ValueId> {
        self.full_like(like, 1.0)
    }

    /// One value in the type and shape of `like`.
    pub fn full_like(&mut self, like: ValueId, value: f64) -> OpResult<ValueId> {
        let fact = self.fact(like).clone();
        let tensor = filled(fact.dtype, &fact.shape, value)
            .ok_or_else(|| OpError(format!("no constant of type {}", fact.dtype)))?;
        Ok(self.constant_value(tensor))
    }

    /// x · c.
    pub fn scale(&mut self, x: ValueId, factor: f64) -> OpResult<ValueId> {
        let factor = self.scalar_like(x, factor)?;
        self.mul(x, factor)
    }

    /// x + c.
    pub fn shift(&mut self, x: ValueId, constant: f64) -> OpResult<ValueId> {
        let constant = self.scalar_like(x, constant)?;
        self.add(x, constant)
    }

    /// Where `condition` holds, `yes`, else `no`; broadcast.
    pub fn select(&mut self, condition: ValueId, yes: ValueId, no: ValueId) -> OpResult<ValueId> {
        self.push(ops::Where, &[condition, yes, no])
    }

    /// `x` where `condition` holds, else zero; broadcast.
    pub fn masked(&mut self, condition: ValueId, x: ValueId) -> OpResult<ValueId> {
        let zero = self.scalar_like(x, 0.0)?;
        self.select(condition, x, zero)
    }

    /// Whether x > 0.
    pub fn positive(&mut self, x: ValueId) -> OpResult<ValueId> {
        let zero = self.scalar_like(x, 0.0)?;
        self.greater(x, zero)
    }

    /// The elements of x as another type.
    pub fn cast(&mut self, x: ValueId, to: DType) -> OpResult<ValueId> {
        if self.fact(x).dtype == to { Ok(x) } else { self.push(ops::Cast { to }, &[x]) }
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, x: ValueId, shape: &[usize]) -> OpResult<ValueId> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let shape = self.integers(&shape);
        self.push(ops::Reshape { allow_zero: true }, &[x, shape])
    }

    /// Axes in another order: output axis `i` is input axis `order[i]`.
    pub fn transpose(&mut self, x: ValueId, order: &[usize]) -> OpResult<ValueId> {
        if order.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(x);
        }
        self.push(ops::Transpose { order: Some(order.to_vec()) }, &[x])
    }

    /// The last two axes exchanged.
    pub fn transpose_matrix(&mut self, x: ValueId) -> OpResult<ValueId> {
        let rank = self.shape(x).len();
        if rank < 2 {
            return Ok(x);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        self.transpose(x, &order)
    }

    /// x broadcast to a larger shape.
    pub fn expand(&mut self, x: ValueId, shape: &[usize]) -> OpResult<ValueId> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let shape = self.integers(&shape);
        self.push(ops::Expand, &[x, shape])
    }

    /// The sum over `axes`, which stay as dimensions of size one or go.
    pub fn reduce_sum(&mut self, x: ValueId, axes: &[usize], keep: bool) -> OpResult<ValueId> {
        if axes.is_empty() {
            return Ok(x);
        }
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        let axes = self.integers(&axes);
        self.push(ops::ReduceSum { keep, noop_with_empty_axes: false }, &[x, axes])
    }

    /// The sum of a cotangent over what broadcasting repeated: the transpose of broadcasting `shape` to the shape of `x`.
    pub fn unbroadcast(&mut self, x: ValueId, shape: &[usize]) -> OpResult<ValueId> {
        let from = self.shape(x).to_vec();
        if from == shape {
            return Ok(x);
        }
        let extra = from.len().saturating_sub(shape.len());
        let axes: Vec<usize> =
            (0..from.len()).filter(|&i| i < extra || (shape[i - extra] == 1 && from[i] != 1)).collect();
        let sum = self.reduce_sum(x, &axes, true)?;
        self.reshape(sum, shape)
    }

    /// Elements `start..start + size` of an axis.
    pub fn narrow(&mut self, x: ValueId, axis: usize, start: usize, size: usize) -> OpResult<ValueId> {
        if start == 0 && self.shape(x).get(axis) == Some(&size) {
            return Ok(x);
        }
        let start_at = self.integers(&[start as i64]);
        let end = self.integers(&[(start + size) as i64]);
        let axis = self.integers(&[axis as i64]);
        self.push(ops::Slice, &[x, start_at, end, axis])
    }

    /// An axis in the opposite order.
    pub fn flip(&mut self, x: ValueId, axis: usize) -> OpResult<ValueId> {
        let [start, end, step] = ops::slice::backwards().map(|t| self.constant_value(t));
        let axis = self.integers(&[axis as i64]);
        self.push(ops::Slice, &[x, start, end, axis, step])
    }

    /// `before` and `after` zeros around an axis.
    pub fn pad_axis(&mut self, x: ValueId, axis: usize, before: usize, after: usize) -> OpResult<ValueId> {
        let mut pads = [vec![0i64; self.shape(x).len()], vec![0i64; self.shape(x).len()]];
        for (pads, n) in pads.iter_mut().zip([before, after]) {
            match pads.get_mut(axis) {
                Some(pad) => *pad = n as i64,
                None => crate::refuse!("axis {axis} is outside a tensor of {} dimensions", pads.len()),
            }
        }
        self.pad(x, &pads[0], &pads[1])
    }

    /// Zeros before and after each axis; negative numbers take elements away.
    pub fn pad(&mut self, x: ValueId, before: &[i64], after: &[i64]) -> OpResult<ValueId> {
        if before.iter().chain(after).all(|&n| n == 0) {
            return Ok(x);
        }
        let pads = self.integers(&[before, after].concat());
        self.push(ops::Pad { mode: ops::pad::Mode::Constant }, &[x, pads])
    }

    /// Inputs joined along an axis.
    pub fn concat(&mut self, inputs: &[ValueId], axis: usize) -> OpResult<ValueId> {
        self.push(ops::Concat { axis: axis as i64 }, inputs)
    }

    /// The elements at `indices` along an axis, each beside its index along the others.
    pub fn gather_elements(&mut self, x: ValueId, indices: ValueId, axis: i64) -> OpResult<ValueId> {
        self.push(ops::GatherElements { axis }, &[x, indices])
    }

    /// A node like another with its operator.
    pub fn again(
        &mut self,
        op: &Arc<dyn crate::Operator>,
        inputs: &[Option<ValueId>],
    ) -> OpResult<Vec<ValueId>> {
        self.node(Arc::clone(op), inputs)
    }
}
