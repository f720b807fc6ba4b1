//! A convolution in single precision whose sums are taken in double: what it reads is widened, what it writes is rounded once.

use super::{Ends, Filter};
use crate::real::Real;
use crate::scratch::Room;
use crate::vector::widest;

/// Outputs of a channel that are worth a call: of records with fewer, several are taken together.
const FEW: usize = 128;

pub(super) fn run<T: Real>(filter: &Filter<f64>, x: &[T], ends: Ends<'_, T>, out: &mut [T]) {
    let (reads, writes) =
        (filter.groups * filter.from * filter.source, filter.groups * filter.to * filter.out);
    let batch = out.len() / writes;
    let together = FEW.div_ceil(filter.out).min(batch);
    let bias: Option<Vec<f64>> = ends.bias.map(|bias| bias.iter().map(|v| v.wide()).collect());
    let (mut source, mut sums) = (Room::<f64>::new(together * reads), Room::<f64>::new(together * writes));
    for (i, (x, out)) in x.chunks(together * reads).zip(out.chunks_mut(together * writes)).enumerate() {
        let (source, sums) = (&mut source[..x.len()], &mut sums[..out.len()]);
        widest(|| source.iter_mut().zip(x).for_each(|(to, v)| *to = v.wide()));
        filter.run(source, bias.as_deref(), super::After::Nothing, out.len() / writes, sums);
        widest(|| {
            out.iter_mut().zip(&*sums).for_each(|(to, v)| *to = T::of(*v));
            ends.after.apply(i * together * writes, out);
        });
    }
}
