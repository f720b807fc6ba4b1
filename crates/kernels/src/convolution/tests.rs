//! Convolutions against their definition.

use super::*;
use crate::random::Stream;

fn axis(wide: usize, kernel: usize, stride: usize, dilation: usize, before: i64, after: i64) -> Axis {
    let narrow = (wide as i64 + before + after - (dilation * (kernel - 1)) as i64 - 1) / stride as i64 + 1;
    Axis { wide, narrow: narrow as usize, kernel, stride, dilation, before }
}

/// Calls `body` with the flat places of both sides and of the weight, for every product of the definition.
fn each(c: &Convolution, batch: usize, mut body: impl FnMut(usize, usize, usize)) {
    let (per_wide, per_narrow) = (c.wide_channels / c.groups, c.narrow_channels / c.groups);
    let size = |f: fn(&Axis) -> usize| c.axes.map(|a| f(&a));
    let (wide, narrow, kernel) = (size(|a| a.wide), size(|a| a.narrow), size(|a| a.kernel));
    let flat = |shape: [usize; 3], at: [usize; 3]| (at[0] * shape[1] + at[1]) * shape[2] + at[2];
    let all = |shape: [usize; 3]| {
        let n: usize = shape.iter().product();
        (0..n).map(move |i| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]])
    };
    for n in 0..batch {
        for m in 0..c.narrow_channels {
            for w in 0..per_wide {
                for o in all(narrow) {
                    for k in all(kernel) {
                        let at: [i64; 3] = std::array::from_fn(|i| {
                            let a = &c.axes[i];
                            (o[i] * a.stride + k[i] * a.dilation) as i64 - a.before
                        });
                        if (0..3).all(|i| (0..wide[i] as i64).contains(&at[i])) {
                            let channel = m / per_narrow * per_wide + w;
                            let size: usize = wide.iter().product();
                            let there =
                                (n * c.wide_channels + channel) * size + flat(wide, at.map(|v| v as usize));
                            let here = (n * c.narrow_channels + m) * narrow.iter().product::<usize>()
                                + flat(narrow, o);
                            body(there, here, (m * per_wide + w) * c.taps() + flat(kernel, k));
                        }
                    }
                }
            }
        }
    }
}

fn cases() -> Vec<Convolution> {
    let of = |axes: [Axis; 3], groups: usize, wide: usize, narrow: usize| Convolution {
        axes,
        groups,
        wide_channels: wide,
        narrow_channels: narrow,
    };
    let plane = |a: Axis, b: Axis| [Axis::NONE, a, b];
    let line = |a: Axis| [Axis::NONE, Axis::NONE, a];
    vec![
        of(plane(axis(7, 3, 1, 1, 1, 1), axis(9, 3, 1, 1, 1, 1)), 1, 3, 8),
        of(plane(axis(8, 3, 2, 1, 1, 1), axis(70, 3, 2, 1, 1, 1)), 1, 5, 7),
        of(plane(axis(6, 1, 1, 1, 0, 0), axis(11, 1, 1, 1, 0, 0)), 1, 13, 17),
        of(plane(axis(9, 1, 2, 1, 0, 0), axis(11, 1, 2, 1, 0, 0)), 1, 4, 6),
        of(plane(axis(9, 2, 3, 2, 0, 3), axis(12, 4, 3, 2, 2, 0)), 2, 8, 12),
        of(plane(axis(9, 3, 1, 1, 1, 1), axis(20, 3, 1, 1, 1, 1)), 6, 6, 6),
        of(plane(axis(9, 3, 2, 1, 0, 1), axis(23, 5, 2, 1, 2, 2)), 4, 4, 12),
        of(plane(axis(9, 3, 2, 1, 0, 1), axis(7, 5, 2, 1, 2, 2)), 3, 12, 3),
        of(plane(axis(19, 5, 1, 1, 2, 2), axis(75, 5, 1, 1, 2, 2)), 3, 3, 3),
        of(plane(axis(9, 2, 3, 1, 0, 1), axis(10, 1, 4, 1, 0, 0)), 2, 2, 4),
        of([axis(4, 3, 1, 1, 1, 1), axis(5, 2, 2, 1, 0, 1), axis(34, 3, 1, 1, 1, 1)], 2, 2, 2),
        of(plane(axis(6, 3, 2, 1, 1, 0), axis(32, 3, 2, 1, 1, 0)), 2, 2, 2),
        of(line(axis(150, 7, 1, 1, 3, 3)), 2, 2, 2),
        of(plane(axis(5, 3, 1, 2, 2, 2), axis(5, 3, 2, 3, 4, 4)), 1, 2, 9),
        of(line(axis(40, 7, 2, 1, 3, 3)), 1, 30, 6),
        of(line(axis(9, 5, 3, 1, 2, 2)), 1, 170, 230),
        of(line(axis(10, 2, 4, 1, 0, 0)), 1, 2, 5),
        of(line(axis(10, 3, 1, 1, -2, -1)), 1, 2, 5),
        of([axis(4, 3, 1, 1, 1, 1), axis(5, 2, 2, 1, 0, 1), axis(6, 3, 2, 1, 1, 0)], 1, 3, 4),
        of(plane(axis(4, 4, 1, 1, 0, 0), axis(4, 4, 1, 1, 0, 0)), 1, 40, 33),
        // With few multiplications, in single precision.
        of(plane(axis(14, 3, 1, 1, 1, 1), axis(13, 3, 1, 1, 1, 1)), 1, 16, 20),
        of(plane(axis(3, 3, 1, 1, 0, 2), axis(70, 3, 1, 1, 2, 0)), 1, 33, 17),
        of(plane(axis(5, 3, 1, 1, -1, 3), axis(6, 3, 1, 1, 4, -2)), 1, 18, 16),
        of(plane(axis(3, 3, 1, 1, 1, 1), axis(1, 3, 1, 1, 1, 1)), 1, 185, 179),
    ]
}

fn draws<T: Real>(n: usize, key: u64) -> Vec<T> {
    let mut stream = Stream::new(key, [n as u64, 0, 0]);
    (0..n).map(|_| T::of(stream.normal())).collect()
}

fn check<T: Real>(tolerance: f64) {
    for c in cases() {
        assert!(c.is_bounded());
        let size = |f: fn(&Axis) -> usize| c.axes.iter().map(f).product::<usize>();
        let (wide, narrow) = (c.wide_channels * size(|a| a.wide), c.narrow_channels * size(|a| a.narrow));
        let weights = draws::<T>(c.narrow_channels * c.wide_channels / c.groups * c.taps(), 3);
        for batch in [1, 3] {
            for direction in [Direction::Convolve, Direction::Transpose] {
                let forward = direction == Direction::Convolve;
                let (reads, writes) = if forward { (wide, narrow) } else { (narrow, wide) };
                let channels = if forward { c.narrow_channels } else { c.wide_channels };
                let (x, bias) = (draws::<T>(batch * reads, 5), draws::<T>(channels, 7));
                let per = writes / channels;
                let mut want: Vec<f64> =
                    (0..batch * writes).map(|i| bias[i / per % channels].wide()).collect();
                each(&c, batch, |there, here, w| {
                    let (from, to) = if forward { (there, here) } else { (here, there) };
                    want[to] += x[from].wide() * weights[w].wide();
                });
                let filter = match c.shares_weights::<T>() {
                    true => c.filter_sharing(direction, c.transformed(&weights).into()),
                    false => c.filter(direction, &weights),
                };
                let mut out = vec![T::of(f64::NAN); batch * writes];
                filter.run(&x, Some(&bias), After::Nothing, batch, &mut out);
                for (i, (got, want)) in out.iter().zip(&want).enumerate() {
                    assert!(
                        (got.wide() - want).abs() < tolerance,
                        "{c:?} {direction:?} at {i}: {got:?}, {want}"
                    );
                }
                let (gate, high) = (draws::<T>(out.len(), 11), Some(T::of(0.7)));
                for bounds in [Bounds::POSITIVE, Bounds { low: T::of(-0.5), high }] {
                    let inside = |v: T| v > bounds.low && bounds.high.is_none_or(|h| v < h);
                    let clipped = |v: T| bounds.high.map_or(v, |h| v.smaller(h)).larger(bounds.low);
                    for (after, of) in [
                        (After::Clip(bounds), &(|_, v| clipped(v)) as &dyn Fn(T, T) -> T),
                        (After::Gate(&gate, bounds), &|g, v| if inside(g) { v } else { T::ZERO }),
                    ] {
                        let mut found = vec![T::of(f64::NAN); batch * writes];
                        filter.run(&x, Some(&bias), after, batch, &mut found);
                        let want = gate.iter().zip(&out).map(|(g, v)| of(*g, *v));
                        assert!(found.iter().copied().eq(want), "{c:?} {direction:?} {bounds:?}");
                    }
                }
                // A record has the same bits alone.
                let mut one = vec![T::ZERO; writes];
                filter.run(&x[(batch - 1) * reads..], Some(&bias), After::Nothing, 1, &mut one);
                assert!(one == out[(batch - 1) * writes..], "{c:?} {direction:?}");
            }
        }
    }
}

#[test]
fn convolutions_are_their_definition() {
    check::<f64>(1e-11);
    check::<f32>(1e-3);
}

/// The L2 norm of the error over that of the result, of convolutions of what a Relu leaves of random numbers: about what is lost where a result is only
/// rounded (2.5e-8), as often as there is room for.
#[test]
fn sums_lose_little() {
    let cases = [
        // Products, whatever their length.
        (1, 64, 9, [1.3e-7, 1.3e-7]),
        (1, 2048, 4, [1.3e-7, 1.3e-7]),
        (5, 64, 9, [1.3e-7, 1.3e-7]),
        // F(2×2), and where there are few channels F(4×4) for the transpose.
        (3, 64, 12, [2.5e-7, 7e-7]),
        (3, 384, 5, [2.5e-7, 2.5e-7]),
    ];
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    for (kernel, channels, size, most) in cases {
        let around = (kernel / 2) as i64;
        let side = axis(size, kernel, 1, 1, around, around);
        let c = Convolution {
            axes: [Axis::NONE, side, side],
            groups: 1,
            wide_channels: channels,
            narrow_channels: channels,
        };
        let x: Vec<f32> = draws::<f32>(channels * size * size, 5).iter().map(|v| v.max(0.0)).collect();
        let weights = draws::<f32>(channels * channels * kernel * kernel, 3);
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        for (direction, most) in [Direction::Convolve, Direction::Transpose].into_iter().zip(most) {
            let mut want = vec![0.0; x.len()];
            c.filter(direction, &wide(&weights)).run(&wide(&x), None, After::Nothing, 1, &mut want);
            let mut got = vec![0.0; x.len()];
            c.filter(direction, &weights).run(&x, None, After::Nothing, 1, &mut got);
            let error = norm(&mut want.iter().zip(&got).map(|(w, g)| w - f64::from(*g)));
            let error = error / norm(&mut want.iter().copied());
            assert!(error < most, "{kernel}, {channels}, {direction:?}: {error}");
        }
    }
}

/// Sums in double are those of a convolution in double precision, rounded, for several records as for one.
#[test]
fn sums_in_double_are_rounded_once() {
    for c in cases() {
        let size = |f: fn(&Axis) -> usize| c.axes.iter().map(f).product::<usize>();
        let (reads, writes) = (c.wide_channels * size(|a| a.wide), c.narrow_channels * size(|a| a.narrow));
        let weights = draws::<f32>(c.narrow_channels * c.wide_channels / c.groups * c.taps(), 3);
        let (x, bias) = (draws::<f32>(3 * reads, 5), draws::<f32>(c.narrow_channels, 7));
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let (exact, found) = (c.filter(Direction::Convolve, &wide(&weights)), c.filter_in_double(&weights));
        let mut want = vec![f64::NAN; 3 * writes];
        exact.run(&wide(&x), Some(&wide(&bias)), After::Nothing, 3, &mut want);
        let mut got = vec![f32::NAN; 3 * writes];
        found.run(&x, Some(&bias), After::Nothing, 3, &mut got);
        assert!(want.iter().map(|v| *v as f32).eq(got.iter().copied()), "{c:?}");
        let after = After::Gate(&got, Bounds::POSITIVE);
        let mut gated = vec![f32::NAN; 3 * writes];
        found.run(&x, Some(&bias), after, 3, &mut gated);
        assert!(got.iter().map(|v| v.max(0.0)).eq(gated.iter().copied()), "{c:?}");
        let mut one = vec![f32::NAN; writes];
        found.run(&x[2 * reads..], Some(&bias), After::Nothing, 1, &mut one);
        assert!(one == got[2 * writes..], "{c:?}");
    }
}

#[test]
fn nothing_to_read_or_write_is_no_work() {
    let line = |wide, narrow| [Axis::NONE, Axis::NONE, Axis { wide, narrow, kernel: 3, ..Axis::NONE }];
    let of = |axes, channels| Convolution { axes, groups: 1, wide_channels: channels, narrow_channels: 5 };
    let mut out = vec![f64::NAN; 15];
    of(line(5, 3), 0).filter(Direction::Convolve, &[]).run(&[], Some(&[2.0; 5]), After::Nothing, 1, &mut out);
    assert_eq!(out, [2.0; 15]);
    let weights = [1.0; 30];
    of(line(2, 0), 2).filter(Direction::Convolve, &weights).run(&[1.0; 4], None, After::Nothing, 1, &mut []);
    let mut out = vec![f64::NAN; 4];
    of(line(2, 0), 2).filter(Direction::Transpose, &weights).run(&[], None, After::Nothing, 1, &mut out);
    assert_eq!(out, [0.0; 4]);
}

#[test]
fn sizes_beyond_memory_are_seen() {
    let far = Axis { wide: 4, narrow: 2, kernel: 2, stride: 1 << 40, dilation: 1, before: 1 << 40 };
    let axes = [Axis::NONE, Axis::NONE, far];
    assert!(!Convolution { axes, groups: 1, wide_channels: 1, narrow_channels: 1 }.is_bounded());
}
