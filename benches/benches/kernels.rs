//! The kernels on the sizes that the workloads give them, on one thread, beside what bounds them: the first group is the machine's ceiling.
//!
//! `cargo bench -p pellucid-benches` shows for each the multiplications and additions a second (as items), or the bytes read and
//! written.
#![allow(missing_docs)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use pellucid_kernels::activation::{gelu, gelu_slope};
use pellucid_kernels::broadcast;
use pellucid_kernels::convolution::{After, Axis, Convolution, Direction};
use pellucid_kernels::matrix::{Finish, Matrix, Packed, PackedLeft, product, product_left, product_packed};
use pellucid_kernels::normalize::{LayerNorm, layer_norm, softmax};
use pellucid_kernels::vector::widest;

fn main() {
    divan::main();
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 2003) as f32 / 1000.0 - 1.0).collect()
}

mod ceiling {
    use super::*;

    /// Chains of multiply-adds in as many registers as hide their latency.
    #[divan::bench]
    fn multiply_add(bencher: Bencher<'_, '_>) {
        const CHAINS: usize = 16 * 20;
        const STEPS: usize = 4096;
        #[inline(always)]
        fn run(factor: f32, sums: &mut [f32; CHAINS]) {
            let mut held = *sums;
            for _ in 0..STEPS {
                held.iter_mut().for_each(|v| *v = v.mul_add(factor, factor));
            }
            *sums = held;
        }
        let mut sums = [0.5; CHAINS];
        bencher.counter(ItemsCount::new(2 * CHAINS * STEPS)).bench_local(|| {
            widest(|| run(black_box(0.25), &mut sums));
        });
    }

    /// Numbers copied: in the first cache, in the second, in the third, in memory.
    #[divan::bench(args = [8 << 10, 256 << 10, 4 << 20, 128 << 20])]
    fn copy(bencher: Bencher<'_, '_>, bytes: usize) {
        let (from, mut to) = (numbers(bytes / 8), vec![0.0; bytes / 8]);
        bencher.counter(BytesCount::new(bytes)).bench_local(|| to.copy_from_slice(black_box(&from)));
    }
}

mod products {
    use super::*;

    /// Rows by a constant right factor: rows, inner size, columns.
    #[divan::bench(args = [(128, 384, 384), (128, 384, 1536), (128, 1536, 384), (1024, 384, 384), (2048, 128, 128)])]
    fn by_weights(bencher: Bencher<'_, '_>, (m, k, n): (usize, usize, usize)) {
        let (a, b) = (numbers(m * k), Packed::new(&numbers(k * n), Matrix::new(k, n)));
        let mut out = vec![0.0; m * n];
        bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
            product_packed((black_box(&a), Matrix::new(m, k)), &b, Finish::new(1.0, 0.0), &mut out);
        });
    }

    /// The heads of an attention, by strides: scores, and the values that they weigh.
    #[divan::bench(args = [(128, 32, 128), (128, 128, 32)])]
    fn of_heads(bencher: Bencher<'_, '_>, (m, k, n): (usize, usize, usize)) {
        const HEADS: usize = 12;
        let scores = n > k;
        let (a, b) = (numbers(HEADS * m * k), numbers(HEADS * k * n));
        let mut out = vec![0.0; HEADS * m * n];
        // Queries and keys, or values, of all heads lie side by side; the scores of each head for themselves.
        let (a_is, a_step) =
            if scores { (Matrix::new(m, k).rows_apart(HEADS * k), k) } else { (Matrix::new(m, k), m * k) };
        let (b_is, b_step) = if scores {
            (Matrix::new(k, n).stored(true).rows_apart(HEADS * k), k)
        } else {
            (Matrix::new(k, n).rows_apart(HEADS * n), n)
        };
        bencher.counter(ItemsCount::new(2 * HEADS * m * k * n)).bench_local(|| {
            for (h, out) in out.chunks_exact_mut(m * n).enumerate() {
                let (a, b) = (black_box(&a[h * a_step..]), &b[h * b_step..]);
                product((a, a_is), (b, b_is), Finish::new(1.0, 0.0), out);
            }
        });
    }

    /// A constant left factor by points that stand side by side: rows, inner size, points.
    #[divan::bench(args = [(80, 51, 240), (30, 80, 240), (10, 30, 240), (64, 96, 240), (100, 13, 240), (50, 100, 240)])]
    fn side_by_side(bencher: Bencher<'_, '_>, (m, k, n): (usize, usize, usize)) {
        let (a, b) = (PackedLeft::new(&numbers(m * k), m, k, false), numbers(k * n));
        let mut out = vec![0.0; m * n];
        bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
            product_left(&a, (black_box(&b), n), Finish::new(1.0, 0.0), &mut out);
        });
    }
}

mod convolutions {
    use super::*;

    /// Channels, side, kernel, stride; counted as direct convolutions, whatever way they are computed.
    const FULL: [(usize, usize, usize, usize); 5] =
        [(64, 56, 3, 1), (128, 28, 3, 1), (256, 14, 3, 1), (512, 7, 3, 1), (128, 56, 3, 2)];
    const DEPTHWISE: [(usize, usize, usize, usize); 5] =
        [(32, 112, 3, 1), (96, 112, 3, 2), (144, 56, 3, 1), (672, 14, 5, 1), (1152, 7, 5, 1)];

    fn sizes((channels, side, kernel, stride): (usize, usize, usize, usize), groups: usize) -> Convolution {
        let (wide, before) = (side, kernel as i64 / 2);
        let axis = Axis { wide, narrow: side / stride.max(1), kernel, stride, dilation: 1, before };
        Convolution {
            axes: [Axis::NONE, axis, axis],
            groups,
            wide_channels: channels,
            narrow_channels: channels,
        }
    }

    fn run(bencher: Bencher<'_, '_>, direction: Direction, sizes: Convolution) {
        let [_, axis, _] = sizes.axes;
        let weights = sizes.narrow_channels * sizes.wide_channels / sizes.groups * axis.kernel * axis.kernel;
        let filter = sizes.filter(direction, &numbers(weights));
        let (wide, narrow) =
            (sizes.wide_channels * axis.wide * axis.wide, sizes.narrow_channels * axis.narrow * axis.narrow);
        let (from, to) = if direction == Direction::Convolve { (wide, narrow) } else { (narrow, wide) };
        let (x, mut out) = (numbers(from), vec![0.0; to]);
        bencher.counter(ItemsCount::new(2 * weights * axis.narrow * axis.narrow)).bench_local(|| {
            filter.run(black_box(&x), None, After::Nothing, 1, &mut out);
        });
    }

    #[divan::bench(args = FULL)]
    fn convolve(bencher: Bencher<'_, '_>, is: (usize, usize, usize, usize)) {
        run(bencher, Direction::Convolve, sizes(is, 1));
    }

    #[divan::bench(args = FULL)]
    fn transpose(bencher: Bencher<'_, '_>, is: (usize, usize, usize, usize)) {
        run(bencher, Direction::Transpose, sizes(is, 1));
    }

    #[divan::bench(args = DEPTHWISE)]
    fn depthwise(bencher: Bencher<'_, '_>, is: (usize, usize, usize, usize)) {
        run(bencher, Direction::Convolve, sizes(is, is.0));
    }

    #[divan::bench(args = DEPTHWISE)]
    fn depthwise_transpose(bencher: Bencher<'_, '_>, is: (usize, usize, usize, usize)) {
        run(bencher, Direction::Transpose, sizes(is, is.0));
    }

    /// Kernels of one element: channels read, channels written, side.
    #[divan::bench(args = [(16, 96, 112), (96, 24, 56), (24, 144, 56), (112, 672, 14), (1152, 192, 7)])]
    fn pointwise(bencher: Bencher<'_, '_>, (from, to, side): (usize, usize, usize)) {
        let sizes = Convolution { wide_channels: from, narrow_channels: to, ..sizes((from, side, 1, 1), 1) };
        run(bencher, Direction::Convolve, sizes);
    }
}

mod rows {
    use super::*;

    const COUNT: usize = 128;

    /// The scores of a head.
    #[divan::bench]
    fn softmax_of_128(bencher: Bencher<'_, '_>) {
        let (x, mut out) = (numbers(COUNT * 128), vec![0.0; COUNT * 128]);
        bencher
            .counter(BytesCount::new(2 * size_of_val(&x[..])))
            .bench_local(|| softmax(black_box(&x), 128, 1, &mut out));
    }

    #[divan::bench]
    fn layer_norm_of_384(bencher: Bencher<'_, '_>) {
        let (x, scale, mut y) = (numbers(COUNT * 384), numbers(384), vec![0.0; COUNT * 384]);
        bencher.counter(BytesCount::new(2 * size_of_val(&x[..]))).bench_local(|| {
            let mut out = LayerNorm { y: &mut y, mean: None, inverse: None };
            layer_norm(black_box(&x), &scale, Some(&scale), 1e-5, &mut out);
        });
    }

    #[divan::bench]
    fn gelu_of_1536(bencher: Bencher<'_, '_>) {
        elementwise(bencher, gelu);
    }

    #[divan::bench]
    fn gelu_slope_of_1536(bencher: Bencher<'_, '_>) {
        elementwise(bencher, gelu_slope);
    }

    fn elementwise(bencher: Bencher<'_, '_>, f: impl Fn(f32) -> f32 + Copy) {
        let (x, mut out) = (numbers(COUNT * 1536), vec![0.0; COUNT * 1536]);
        bencher
            .counter(BytesCount::new(2 * size_of_val(&x[..])))
            .bench_local(|| broadcast::map_real(black_box(&x), &mut out, |v| f(*v)));
    }
}
