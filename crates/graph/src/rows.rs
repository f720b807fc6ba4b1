//! Where the rows of a batch lie in a value, and whether an operator keeps them apart.
//!
//! A value's rows lie along one axis, of size `outer × rows × inner`: the plain batch has `outer` and `inner` of 1, windows ×
//! batch has `outer` windows, batch × heads has `inner` heads. A value without rows is the same for all rows.

use crate::error::OpResult;
use crate::graph::Fact;
use crate::refuse;
use crate::tensor::Tensor;

/// Where a value's rows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// The axis.
    pub axis: usize,
    /// How often the whole batch is repeated along the axis.
    pub outer: usize,
    /// How many neighbouring positions along the axis belong to one row.
    pub inner: usize,
}

impl Rows {
    /// One row for each position of the first axis.
    pub const BATCH: Self = Self { axis: 0, outer: 1, inner: 1 };

    /// Rows one for each position of `axis`.
    pub fn plain(axis: usize) -> Self {
        Self { axis, outer: 1, inner: 1 }
    }

    /// The whole of a value, which belongs to a single row.
    pub fn whole(shape: &[usize]) -> Self {
        Self { axis: 0, outer: shape.first().copied().unwrap_or(1), inner: 1 }
    }

    /// The same for a single row, if that lies there in a value of this shape; else the whole.
    pub(crate) fn of_one(self, shape: &[usize]) -> Self {
        if shape.get(self.axis) == Some(&(self.outer * self.inner)) { self } else { Self::whole(shape) }
    }

    /// In the flat, row-major data: how many blocks hold all rows, and how many elements a row has in each.
    pub fn flat(self, shape: &[usize], rows: usize) -> (usize, usize) {
        let before: usize = shape[..self.axis].iter().product();
        let total: usize = shape.iter().product();
        let outer = before * self.outer;
        let each = outer * rows;
        (outer, total.checked_div(each).unwrap_or(0))
    }
}

/// An input of a node, as the analysis sees it.
#[derive(Clone, Copy, Debug)]
pub struct RowsInput<'a> {
    /// Its type and shape.
    pub fact: &'a Fact,
    /// Where its rows lie; `None` where it has none.
    pub rows: Option<Rows>,
    /// Its value, where it is constant.
    pub constant: Option<&'a Tensor>,
}

/// A node, as the analysis sees it.
#[derive(Clone, Copy, Debug)]
pub struct RowsSite<'a> {
    /// The number of rows in the batch.
    pub rows: usize,
    /// Its inputs; `None` where an optional one is left out.
    pub inputs: &'a [Option<RowsInput<'a>>],
    /// The types and shapes of its outputs.
    pub outputs: &'a [&'a Fact],
}

impl<'a> RowsSite<'a> {
    /// The input at a position, if it is there.
    pub fn input(&self, i: usize) -> Option<RowsInput<'a>> {
        self.inputs.get(i).copied().flatten()
    }

    /// The rows of the input at a position.
    pub fn rows_of(&self, i: usize) -> Option<Rows> {
        self.input(i).and_then(|x| x.rows)
    }

    /// The same answer for every output.
    pub fn all(&self, rows: Option<Rows>) -> OpResult<Vec<Option<Rows>>> {
        Ok(vec![rows; self.outputs.len()])
    }

    /// Whether no input but those at `allowed` has rows; else which one does.
    pub fn only(&self, allowed: &[usize]) -> OpResult<()> {
        for (i, input) in self.inputs.iter().enumerate() {
            if input.is_some_and(|x| x.rows.is_some()) && !allowed.contains(&i) {
                refuse!("its input {i} differs from row to row");
            }
        }
        Ok(())
    }
}

/// For operators that work on each element, with inputs broadcast as numpy does.
pub fn elementwise(site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    let Some(output) = site.outputs.first() else { return Ok(Vec::new()) };
    let rank = output.shape.len();
    let mut found: Option<Rows> = None;
    for x in site.inputs.iter().flatten() {
        let Some(rows) = x.rows else { continue };
        let Some(axis) = (rows.axis + rank).checked_sub(x.fact.shape.len()) else {
            refuse!("an input of shape {:?} does not broadcast to {:?}", x.fact.shape, output.shape);
        };
        let here = Rows { axis, ..rows };
        match found {
            Some(other) if other != here => refuse!("two inputs hold their rows along different axes"),
            _ => found = Some(here),
        }
    }
    if let Some(rows) = found {
        for x in site.inputs.iter().flatten().filter(|x| x.rows.is_none()) {
            let shape = &x.fact.shape;
            let Some(axis) = (rows.axis + shape.len()).checked_sub(rank) else { continue };
            if shape.get(axis).is_some_and(|&n| n != 1)
                && !same_in_all_rows(x, Rows { axis, ..rows }, site.rows)
            {
                refuse!("an input that is not computed from the batch has a value for each row");
            }
        }
    }
    site.all(found)
}

/// Whether a constant has the same elements for every row.
pub fn same_in_all_rows(x: &RowsInput<'_>, rows: Rows, count: usize) -> bool {
    if count <= 1 {
        return true;
    }
    let Some(tensor) = x.constant else { return false };
    if x.fact.shape.get(rows.axis) != Some(&(rows.outer * count * rows.inner)) {
        return false;
    }
    let (outer, each) = rows.flat(&x.fact.shape, count);
    let blocks = |same: &dyn Fn(usize, usize) -> bool| {
        (0..outer).all(|o| (1..count).all(|r| same(o * count * each, (o * count + r) * each)))
    };
    match tensor.data() {
        // Zeros of either sign are equal, and what is computed from them is not.
        Buffer::F32(v) => blocks(&|a, b| alike(&v[a..a + each], &v[b..b + each], |x| x.to_bits())),
        Buffer::F64(v) => blocks(&|a, b| alike(&v[a..a + each], &v[b..b + each], |x| x.to_bits())),
        other => crate::each_type!(other, Buffer, v => blocks(&|a, b| v[a..a + each] == v[b..b + each])),
    }
}

fn alike<T, B: PartialEq>(x: &[T], y: &[T], bits: impl Fn(&T) -> B) -> bool {
    x.iter().zip(y).all(|(x, y)| bits(x) == bits(y))
}

use crate::tensor::Buffer;

/// For operators that combine elements along `axes` of input 0 and keep the axes' places.
pub fn along(site: &RowsSite<'_>, axes: &[usize]) -> OpResult<Vec<Option<Rows>>> {
    site.only(&[0])?;
    let Some(rows) = site.rows_of(0) else { return site.all(None) };
    if axes.contains(&rows.axis) && site.rows > 1 {
        refuse!("it combines values along axis {}, which holds the rows", rows.axis);
    }
    site.all(Some(rows))
}

/// For operators that reduce `axes` of input 0.
pub fn reduce(site: &RowsSite<'_>, axes: &[usize], keep: bool) -> OpResult<Vec<Option<Rows>>> {
    let kept = along(site, axes)?;
    if keep {
        return Ok(kept);
    }
    Ok(kept
        .into_iter()
        .map(|rows| {
            rows.and_then(|r| {
                (!axes.contains(&r.axis))
                    .then(|| Rows { axis: r.axis - axes.iter().filter(|&&a| a < r.axis).count(), ..r })
            })
        })
        .collect())
}

/// Where rows lie when `start..start + size` of an axis is taken; positions outside it are zeros put around it.
///
/// Along the axis of the rows only whole batches can be taken.
pub fn window(
    rows: Rows,
    axis: usize,
    (start, size): (i64, usize),
    from: usize,
    count: usize,
) -> OpResult<Rows> {
    if rows.axis != axis || (start == 0 && size == from) {
        return Ok(rows);
    }
    let block = count * rows.inner;
    if block == 0 || size % block != 0 || start % block as i64 != 0 {
        refuse!("it takes {size} of {from} positions of axis {axis}, which holds the rows");
    }
    Ok(Rows { outer: size / block, ..rows })
}

/// For operators that work on each element of inputs of the same shape but for `axis`, along which they mix or join them.
///
/// Gives the place of the rows; refuses where an input has them elsewhere, or differs from row to row without having any.
pub fn beside(site: &RowsSite<'_>, inputs: &[usize], axis: usize) -> OpResult<Option<Rows>> {
    let mut found: Option<Rows> = None;
    for rows in inputs.iter().filter_map(|&i| site.rows_of(i)) {
        match found {
            Some(other) if other != rows => refuse!("two inputs hold their rows along different axes"),
            _ => found = Some(rows),
        }
    }
    let Some(rows) = found else { return Ok(None) };
    if rows.axis == axis {
        refuse!("it works along axis {axis}, which holds the rows");
    }
    for x in inputs.iter().filter_map(|&i| site.input(i)).filter(|x| x.rows.is_none()) {
        if !same_in_all_rows(&x, rows, site.rows) {
            refuse!("an input that is not computed from the batch has a value for each row");
        }
    }
    Ok(found)
}

/// For operators that keep the row-major order of input 0 and change its shape.
pub fn reshape(site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    site.only(&[0])?;
    let (Some(x), Some(output)) = (site.input(0), site.outputs.first()) else { return site.all(None) };
    let Some(rows) = x.rows else { return site.all(None) };
    match reshaped(rows, &x.fact.shape, &output.shape, site.rows) {
        Some(rows) => site.all(Some(rows)),
        None => refuse!("shape {:?} splits or joins rows of shape {:?}", output.shape, x.fact.shape),
    }
}

/// Where rows lie after a reshape, if they still lie along one axis.
///
/// A single row can be said to lie along many axes; one that holds nothing else is taken before the others.
pub fn reshaped(rows: Rows, from: &[usize], to: &[usize], count: usize) -> Option<Rows> {
    let (outer, inner) = rows.flat(from, count);
    let mut before = 1;
    let mut first = None;
    for (axis, &size) in to.iter().enumerate() {
        let after: usize = to[axis + 1..].iter().product();
        if before > 0
            && after > 0
            && outer % before == 0
            && inner % after == 0
            && size == (outer / before) * count * (inner / after)
        {
            let here = Rows { axis, outer: outer / before, inner: inner / after };
            if here == Rows::plain(axis) {
                return Some(here);
            }
            first = first.or(Some(here));
        }
        before *= size;
    }
    first
}

/// Where rows lie in a value of this shape whose elements are each taken from one row: the element at a position is of row `row`, and
/// `alike` says of two positions of different rows whether they take the same of their rows. `None` where they do not lie along an axis.
pub fn taken(
    shape: &[usize],
    count: usize,
    row: &dyn Fn(usize) -> usize,
    alike: &dyn Fn(usize, usize) -> bool,
) -> Option<Rows> {
    let total: usize = shape.iter().product();
    let plain = (0..shape.len()).filter(|&a| shape[a] == count).map(Rows::plain);
    let joined =
        (0..shape.len()).filter(|&a| count > 0 && shape[a] > count && shape[a].is_multiple_of(count));
    let blocks = joined.flat_map(|axis| {
        let several = shape[axis] / count;
        [Rows { axis, outer: 1, inner: several }, Rows { axis, outer: several, inner: 1 }]
    });
    plain.chain(blocks).find(|rows| {
        let (_, each) = rows.flat(shape, count);
        (0..total).all(|at| {
            let own = at / each.max(1) % count;
            row(at) == own && alike(at, at - own * each)
        })
    })
}

/// For operators that move the axes of input 0: output axis `i` is input axis `order[i]`.
pub fn transpose(site: &RowsSite<'_>, order: &[usize]) -> OpResult<Vec<Option<Rows>>> {
    site.only(&[0])?;
    let Some(rows) = site.rows_of(0) else { return site.all(None) };
    match order.iter().position(|&axis| axis == rows.axis) {
        Some(axis) => site.all(Some(Rows { axis, ..rows })),
        None => refuse!("the axis of the rows is lost"),
    }
}
