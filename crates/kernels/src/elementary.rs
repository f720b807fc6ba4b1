//! Elementary functions in single precision, without branches or tables, so that loops over them become vector instructions.
//!
//! They are the polynomials of S. Moshier's Cephes library, each step a multiply-add that is rounded once on every machine, so that all of them give the
//! same bits; one that has no instruction for it takes its time. Errors are a few units in the last place at most; the tests hold them to that
//! against double precision.

use crate::real::Real;
use crate::vector::for_widest;

#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, *c);
    }
    sum
}

/// The exponential.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // What is added and taken away again leaves the nearest integer, in the lowest bits of the sum too.
    const SHIFT: f32 = 12_582_912.0;
    // Beyond these the result is infinite, or zero. NaN passes both comparisons.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let p =
        polynomial(r, [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let e = (p * r).mul_add(r, r) + 1.0;
    // Two factors, so that the results between the smallest normal number and zero, and those next to infinity, come out too.
    let n = (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    e * power(half) * power(n.wrapping_sub(half))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let p =
        polynomial(square, [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let small = (p * square).mul_add(x, x).copysign(x);
    let large = (1.0 - 2.0 / (exp(size + size) + 1.0)).copysign(x);
    if size < 0.625 { small } else { large }
}

/// The error function.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let small = x * polynomial(
        square,
        [
            7.853_861_4e-5,
            -8.010_194e-4,
            5.188_327_7e-3,
            -2.685_381_2e-2,
            1.128_358_5e-1,
            -3.761_262_6e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
    );
    // Beyond 1 it is one less what is left, exp(−x²) / |x| times a polynomial in 1 / x².
    let inverse = 1.0 / size;
    let q = inverse * inverse;
    let near = polynomial(
        q,
        [
            2.326_819_9e-2,
            -1.387_039_4e-1,
            3.687_424_7e-1,
            -5.824_733e-1,
            6.210_004_6e-1,
            -4.944_515_3e-1,
            3.404_88e-1,
            -2.741_127e-1,
            5.638_259_4e-1,
        ],
    );
    let far = polynomial(
        q,
        [
            -1.047_766_4e1,
            1.297_72e1,
            -7.495_519,
            2.921_019,
            -1.015_265_3,
            4.218_463_4e-1,
            -2.820_767_4e-1,
            5.641_895e-1,
        ],
    );
    let rest = exp(-square) * inverse;
    let large = rest.mul_add(if size < 2.0 { -near } else { -far }, 1.0).copysign(x);
    // Behind 4 nothing is left that a single-precision number next to one could show.
    let large = if size > 4.0 { 1f32.copysign(x) } else { large };
    if size < 1.0 || x.is_nan() { small } else { large }
}

/// Functions of every element of a slice, compiled for the machine's vector instructions.
macro_rules! along {
    ($($(#[$doc:meta])* $name:ident: |$v:ident| $body:expr;)*) => { for_widest! {$(
        $(#[$doc])*
        pub fn $name<T: Real>(x: &[T], out: &mut [T]) {
            for (o, x) in out.iter_mut().zip(x) {
                let $v = *x;
                *o = $body;
            }
        }
    )*} };
}

along! {
    /// The exponential of each element.
    exp_of: |v| v.exp();
    /// The hyperbolic tangent of each element.
    tanh_of: |v| v.tanh();
    /// The error function of each element.
    erf_of: |v| v.erf();
    /// [`sigmoid`](crate::activation::sigmoid) of each element.
    sigmoid_of: |v| crate::activation::sigmoid(v);
    /// [`gelu`](crate::activation::gelu) of each element.
    gelu_of: |v| crate::activation::gelu(v);
    /// [`gelu_tanh`](crate::activation::gelu_tanh) of each element.
    gelu_tanh_of: |v| crate::activation::gelu_tanh(v);
    /// [`gelu_slope`](crate::activation::gelu_slope) of each element.
    gelu_slope_of: |v| crate::activation::gelu_slope(v);
    /// [`gelu_tanh_slope`](crate::activation::gelu_tanh_slope) of each element.
    gelu_tanh_slope_of: |v| crate::activation::gelu_tanh_slope(v);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units of the last place over all numbers of every 97th bit pattern in a range.
    fn worst(f: impl Fn(f32) -> f32, want: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let mut worst: f64 = 0.0;
        for bits in (from.to_bits()..=to.to_bits()).step_by(97) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let want = want(f64::from(x));
                let found = f64::from(f(x));
                if want as f32 == found as f32 {
                    continue;
                }
                let unit = f64::from(f32::from_bits((want.abs() as f32).to_bits() + 1))
                    - f64::from(want.abs() as f32);
                worst = worst.max((found - want).abs() / unit);
            }
        }
        worst
    }

    #[test]
    fn errors_are_a_few_units_in_the_last_place() {
        assert!(worst(exp, f64::exp, 1e-20, 110.0) < 2.0);
        assert!(worst(tanh, f64::tanh, 1e-20, 50.0) < 3.0);
        assert!(worst(erf, libm::erf, 1e-20, 10.0) < 3.0);
    }

    #[test]
    fn ends_and_what_is_no_number() {
        assert_eq!((exp(f32::INFINITY), exp(f32::NEG_INFINITY), exp(0.0)), (f32::INFINITY, 0.0, 1.0));
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY), tanh(0.0)), (1.0, -1.0, 0.0));
        assert_eq!((erf(f32::INFINITY), erf(f32::NEG_INFINITY), erf(0.0)), (1.0, -1.0, 0.0));
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && erf(f32::NAN).is_nan());
        assert!(tanh(-0.0).is_sign_negative() && erf(-0.0).is_sign_negative());
    }

    #[test]
    fn slices_have_the_bits_of_single_numbers() {
        let x: Vec<f32> = (0..77).map(|i| (i as f32 - 38.0) * 0.31).collect();
        let mut out = vec![0.0; 77];
        gelu_of(&x, &mut out);
        for (x, found) in x.iter().zip(&out) {
            assert_eq!(crate::activation::gelu(*x).to_bits(), found.to_bits());
        }
        exp_of(&x, &mut out);
        assert!(x.iter().zip(&out).all(|(x, found)| exp(*x).to_bits() == found.to_bits()));
    }
}
