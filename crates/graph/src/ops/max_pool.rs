//! MaxPool: the largest element of each window, in one to three dimensions; where it lies is the second output, counted through all
//! records and channels.

use std::sync::Arc;

use super::number::{Number, number_type};
use super::support::{data, fact, out, view};
use super::window::{self, Window, joined, narrow};
use super::MaxPoolScatter;
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::OpResult;
use crate::graph::Fact;
use crate::import::Import;
use crate::operator::{Arg, Cotangents, Definition, Kind, Operator, Site};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, View, ViewMut};
use pellucid_kernels::convolution::Axis;
use pellucid_kernels::pool;

/// MaxPool's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "MaxPool",
    domain: "",
    since: 1,
    summary: "the largest element of each window, in one to three dimensions, and where it lies",
    derivative: "that of the first of the largest elements",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(MaxPool {
            window: Window::import(node)?,
            column_major: node.flag("storage_order", false)?,
            indices: node.outputs > 1,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The largest element of each window.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// How the window slides.
    pub window: Window,
    /// Whether places are counted column by column within a channel.
    pub column_major: bool,
    /// Whether the places are a second output.
    pub indices: bool,
}

/// The axes of a window that pools an input of a shape.
pub(crate) fn axes(window: &Window, shape: &[usize]) -> OpResult<[Axis; 3]> {
    let (_, _, spatial) = window::split(shape)?;
    window.slide(spatial, window.kernel()?)
}

/// The shape that pooling gives.
pub(crate) fn pooled(window: &Window, shape: &[usize]) -> OpResult<Vec<usize>> {
    let axes = axes(window, shape)?;
    Ok(shape[..2].iter().copied().chain(narrow(&axes, shape.len() - 2)).collect())
}

/// The window of an operator that chooses the largest elements of windows of an input of a shape; `None` for other operators.
pub fn window_of(op: &dyn Operator, shape: &[usize]) -> OpResult<Option<Window>> {
    let attributes = op.attributes();
    match op.definition().name {
        "MaxPool" => {
            let node = Import {
                operator: "MaxPool",
                opset: crate::EXPORT_OPSET,
                attributes: &attributes,
                inputs: Vec::new(),
                outputs: 1,
            };
            Window::import(&node).map(Some)
        }
        "GlobalMaxPool" => Ok(Some(Window::whole(window::split(shape)?.2))),
        _ => Ok(None),
    }
}

impl MaxPool {
    fn choose<T: Number>(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let axes = axes(&self.window, x.shape)?;
        let xs = data::<T>(inputs, 0)?;
        pool::largest(xs, &axes, T::LOWEST, T::larger, out::<T>(outputs, 0)?);
        if !self.indices {
            return Ok(());
        }
        let places = out::<i64>(outputs, 1)?;
        let sizes = axes.map(|a| a.wide);
        let plane: usize = sizes.iter().product();
        pool::places(xs, &axes, |o, place| {
            // A window with nothing inside names the first element.
            let place = if place == pool::NOWHERE { 0 } else { place };
            let place = if self.column_major {
                let (base, at) = (place - place % plane.max(1), place % plane.max(1));
                let [i, j, k] = [at / (sizes[1] * sizes[2]), at / sizes[2] % sizes[1], at % sizes[2]];
                base + i + sizes[0] * (j + sizes[1] * k)
            } else {
                place
            };
            places[o] = place as i64;
        });
        Ok(())
    }
}

impl Operator for MaxPool {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        joined(self.window.attributes(), &[("storage_order", Attribute::Int(i64::from(self.column_major)))])
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let shape = pooled(&self.window, &x.shape)?;
        let mut facts = vec![Fact::new(x.dtype, &shape)];
        if self.indices {
            facts.push(Fact::new(DType::I64, &shape));
        }
        Ok(facts)
    }

    fn kind(&self, _active: &[bool]) -> Kind {
        Kind::Select
    }

    fn with_outputs(&self, count: usize) -> Option<Arc<dyn Operator>> {
        (self.indices && count < 2).then(|| Arc::new(Self { indices: false, ..self.clone() }) as Arc<dyn Operator>)
    }

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        if self.indices && site.rows > 1 && site.rows_of(0).is_some() {
            refuse!("its second output counts through all records");
        }
        window::rows(site, &[0])
    }

    fn derivative(&self, b: &mut Builder, site: &Site<'_>) -> OpResult<Option<Cotangents>> {
        let Some(g) = site.cotangents[0] else { return Ok(Some(vec![None])) };
        let scatter = MaxPoolScatter { window: self.window.clone() };
        Ok(Some(vec![Some(b.push(scatter, &[g, site.input(0)?])?)]))
    }

    fn work(&self, _inputs: &[Option<Arg<'_>>], outputs: &[Fact]) -> u64 {
        let taps = self.window.kernel.iter().copied();
        super::support::steps(outputs.first().map(Fact::len).into_iter().chain(taps))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        number_type!(view(inputs, 0)?.data.dtype(), T => self.choose::<T>(inputs, outputs))
    }
}

#[cfg(test)]
mod tests {
    use super::{MaxPool, Window};
    use crate::attributes::{Attribute, Attributes};
    use crate::cases::{Case, f64s, gradients, i64s, refusal};
    use crate::ops::window::AutoPad;
    use crate::tensor::Tensor;

    pub(in crate::ops) fn window(kernel: &[usize], strides: &[usize], pads: &[usize]) -> Window {
        Window { kernel: kernel.to_vec(), strides: strides.to_vec(), pads: pads.to_vec(), ..Window::default() }
    }

    fn of(window: Window) -> Case {
        Case::new(MaxPool { window, column_major: false, indices: false })
    }

    pub(super) fn cases() -> Vec<Case> {
        let counted: Vec<f64> = (1..=9).map(f64::from).collect();
        let plane = || f64s(&[1, 1, 3, 3], &counted);
        let with_places = |column_major| {
            Case::new(MaxPool { window: window(&[2, 2], &[], &[]), column_major, indices: true })
                .input(plane())
                .expect(f64s(&[1, 1, 2, 2], &[5.0, 6.0, 8.0, 9.0]))
        };
        let places = |data: &[i64]| Tensor::new(&[1, 1, 2, 2], data.to_vec()).unwrap();
        let old = Attributes::new()
            .with("kernel_shape", Attribute::Ints(vec![2]))
            .with("auto_pad", Attribute::Text("SAME_UPPER".to_owned()));
        let ceil = |w: Window| Window { ceil: true, ..w };
        vec![
            with_places(false).expect(places(&[4, 5, 7, 8])),
            with_places(true).expect(places(&[4, 7, 5, 8])),
            Case::imported("MaxPool", 1, &old, vec![f64s(&[1, 1, 3], &[-1.0, -3.0, -2.0])])
                .expect(f64s(&[1, 1, 3], &[-1.0, -2.0, -2.0])),
            of(ceil(window(&[2, 2], &[2, 2], &[]))).input(plane()).expect(f64s(&[1, 1, 2, 2], &[5.0, 6.0, 8.0, 9.0])),
            // The last window would begin behind the input.
            of(ceil(window(&[1], &[2], &[]))).input(f64s(&[1, 1, 2], &[1.0, 2.0])).expect(f64s(&[1, 1, 1], &[1.0])),
            of(window(&[2], &[], &[1, 0]))
                .input(Tensor::new(&[1, 1, 3], vec![5u8, 0, 7]).unwrap())
                .expect(Tensor::new(&[1, 1, 3], vec![5u8, 5, 7]).unwrap()),
            of(window(&[3, 3], &[2, 2], &[1, 1, 1, 1])).random(&[2, 3, 7, 6]),
            of(ceil(window(&[3, 2], &[2, 3], &[1, 0, 1, 1]))).random(&[2, 2, 6, 7]),
            of(Window { dilations: vec![2, 3], ..window(&[2, 2], &[], &[]) }).random(&[3, 1, 5, 6]),
            of(Window { auto_pad: AutoPad::SameLower, ..window(&[4], &[3], &[]) }).random(&[2, 3, 8]),
            of(window(&[2, 1, 2], &[1, 1, 2], &[])).random(&[2, 2, 3, 2, 5]),
        ]
    }

    #[test]
    fn of_ties_the_first_is_chosen() {
        let x = f64s(&[1, 1, 4], &[1.0, 2.0, 2.0, 2.0]);
        let op = MaxPool { window: window(&[2], &[], &[]), column_major: false, indices: false };
        let found = gradients(op, &[x], &[]);
        assert_eq!(found[0], f64s(&[1, 1, 4], &[0.0, 2.0, 1.0, 0.0]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = |window| MaxPool { window, column_major: false, indices: false };
        assert!(refusal(op(Window::default()), &[f64s(&[1, 1, 1], &[1.0])]).contains("kernel_shape is missing"));
        assert!(refusal(op(window(&[2], &[], &[])), &[i64s(&[1])]).contains("has no spatial axes"));
        let message = refusal(op(window(&[2], &[], &[])), &[f64s(&[1, 1, 1], &[1.0])]);
        assert!(message.contains("a window of 2 positions does not fit"), "{message}");
    }
}
