//! Activation functions of one number. All of them give NaN for NaN.

use crate::real::Real;

/// 1 / (1 + exp(−x)).
#[inline(always)]
pub fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// log(1 + exp(x)), computed as max(x, 0) + log1p(exp(−|x|)), which neither overflows nor cancels.
pub fn softplus<T: Real>(x: T) -> T {
    x.larger(T::ZERO) + (-x.abs()).exp().ln_1p()
}

/// x / (1 + |x|).
pub fn softsign<T: Real>(x: T) -> T {
    x / (T::ONE + x.abs())
}

/// x · Φ(x), with the normal distribution function Φ.
#[inline(always)]
pub fn gelu<T: Real>(x: T) -> T {
    let half = T::of(0.5);
    half * x * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

/// The approximation of [`gelu`] by the hyperbolic tangent: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).
#[inline(always)]
pub fn gelu_tanh<T: Real>(x: T) -> T {
    let inner = T::of(GELU_SCALE) * (x + T::of(GELU_CUBE) * x * x * x);
    T::of(0.5) * x * (T::ONE + inner.tanh())
}

/// The derivative of [`gelu`]: Φ(x) + x · φ(x), with the normal density φ.
#[inline(always)]
pub fn gelu_slope<T: Real>(x: T) -> T {
    let scaled = x * T::of(std::f64::consts::FRAC_1_SQRT_2);
    // The error function has this exponential in it too, and needs no second one.
    let density = T::of(NORMAL_DENSITY) * (-(scaled * scaled)).exp();
    T::of(0.5) * (T::ONE + scaled.erf()) + x * density
}

/// The derivative of [`gelu_tanh`]: (1 + t)/2 + x/2 · (1 − t²) · √(2/π) · (1 + 3 · 0.044715 · x²), where t is the hyperbolic tangent within.
#[inline(always)]
pub fn gelu_tanh_slope<T: Real>(x: T) -> T {
    let square = x * x;
    let t = (T::of(GELU_SCALE) * (x + T::of(GELU_CUBE) * square * x)).tanh();
    let inner = T::ONE + T::of(3.0 * GELU_CUBE) * square;
    T::of(0.5) * (T::ONE + t) + T::of(0.5 * GELU_SCALE) * x * (T::ONE - t * t) * inner
}

/// 1/√(2π), the normal density at 0.
const NORMAL_DENSITY: f64 = 0.398_942_280_401_432_7;

/// √(2/π), of [`gelu_tanh`].
pub const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
/// The factor of the cube in [`gelu_tanh`].
pub const GELU_CUBE: f64 = 0.044_715;

/// x · tanh(softplus(x)).
pub fn mish<T: Real>(x: T) -> T {
    x * softplus(x).tanh()
}

/// x · sigmoid(α·x).
pub fn swish<T: Real>(x: T, alpha: T) -> T {
    x * sigmoid(alpha * x)
}

/// x · max(0, min(1, x/6 + 1/2)).
pub fn hard_swish<T: Real>(x: T) -> T {
    x * hard_sigmoid(x, T::of(1.0 / 6.0), T::of(0.5))
}

/// max(0, min(1, α·x + β)).
pub fn hard_sigmoid<T: Real>(x: T, alpha: T, beta: T) -> T {
    (alpha * x + beta).smaller(T::ONE).larger(T::ZERO)
}

/// x where x > 0, else α·x.
pub fn leaky_relu<T: Real>(x: T, alpha: T) -> T {
    if x < T::ZERO { alpha * x } else { x }
}

/// x where x > 0, else α·(exp(x) − 1).
pub fn elu<T: Real>(x: T, alpha: T) -> T {
    if x < T::ZERO { alpha * x.exp_m1() } else { x }
}

/// x where x > 0, else α·(exp(x/α) − 1).
pub fn celu<T: Real>(x: T, alpha: T) -> T {
    if x < T::ZERO { alpha * (x / alpha).exp_m1() } else { x }
}

/// γ·x where x > 0, else γ·α·(exp(x) − 1).
pub fn selu<T: Real>(x: T, alpha: T, gamma: T) -> T {
    gamma * elu(x, alpha)
}

/// x where x > α, else 0.
pub fn thresholded_relu<T: Real>(x: T, alpha: T) -> T {
    if x <= alpha { T::ZERO } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()) || got == want, "{got}, expected {want}");
    }

    #[test]
    fn nothing_overflows_far_out() {
        close(sigmoid(-1e4), 0.0);
        close(sigmoid(1e4), 1.0);
        close(softplus(1e4), 1e4);
        close(softplus(-1e4), 0.0);
        close(softplus(-30.0), (-30.0f64).exp());
        close(mish(1e4), 1e4);
        close(gelu(-50.0), 0.0);
        close(gelu_tanh(50.0), 50.0);
        assert_eq!(softplus(200.0f32), 200.0);
        assert_eq!(sigmoid(-200.0f32), 0.0);
    }

    #[test]
    fn values_are_those_of_the_definitions() {
        for x in [-3.5f64, -1.0, -0.2, 0.0, 0.3, 1.0, 4.0] {
            close(softplus(x), x.exp().ln_1p());
            close(mish(x), x * x.exp().ln_1p().tanh());
            close(softsign(x), x / (1.0 + x.abs()));
            close(swish(x, 1.5), x / (1.0 + (-1.5 * x).exp()));
            close(hard_swish(x), x * (x + 3.0).clamp(0.0, 6.0) / 6.0);
            close(elu(x, 1.5), if x > 0.0 { x } else { 1.5 * (x.exp() - 1.0) });
            close(celu(x, 1.5), if x > 0.0 { x } else { 1.5 * ((x / 1.5).exp() - 1.0) });
            close(thresholded_relu(x, 0.3), if x > 0.3 { x } else { 0.0 });
            assert!((gelu(x) - gelu_tanh(x)).abs() < 1e-3);
        }
        close(gelu(1.0), 0.841_344_746_068_542_9);
    }

    #[test]
    fn nan_stays() {
        let nan = f64::NAN;
        for y in [
            sigmoid(nan),
            softplus(nan),
            softsign(nan),
            gelu(nan),
            swish(nan, 1.0),
            gelu_tanh(nan),
            mish(nan),
            hard_swish(nan),
            leaky_relu(nan, 0.1),
            elu(nan, 1.0),
            celu(nan, 1.0),
            thresholded_relu(nan, 1.0),
        ] {
            assert!(y.is_nan());
        }
    }
}
