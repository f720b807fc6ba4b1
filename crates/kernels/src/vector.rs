//! Vector instructions: which ones are used, and loops compiled for them.

use std::sync::OnceLock;

/// A set of vector instructions. Later ones contain the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What every machine of the target has.
    Plain,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl Instructions {
    /// Its name in results: of the plain set, the architecture's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => std::env::consts::ARCH,
            Self::Avx2 => "x86-64 with AVX2 and FMA",
            Self::Avx512 => "x86-64 with AVX-512",
        }
    }
}

/// The widest instructions that the machine has; at most those that the environment variable `PELLUCID_INSTRUCTIONS` names (`plain`,
/// `avx2` or `avx512`), so that machines with different ones can be made to give the same bits.
pub fn instructions() -> Instructions {
    static FOUND: OnceLock<Instructions> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let wanted = match std::env::var("PELLUCID_INSTRUCTIONS").as_deref() {
            Ok("plain") => Instructions::Plain,
            Ok("avx2") => Instructions::Avx2,
            _ => Instructions::Avx512,
        };
        wanted.min(machine())
    })
}

#[cfg(target_arch = "x86_64")]
fn machine() -> Instructions {
    use std::arch::is_x86_feature_detected as has;
    if !has!("avx2") || !has!("fma") {
        Instructions::Plain
    } else if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
        Instructions::Avx512
    } else {
        Instructions::Avx2
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn machine() -> Instructions {
    Instructions::Plain
}

/// One of three calls: of functions compiled for AVX-512 and for AVX2 and FMA, or a plain one.
macro_rules! by_instructions {
    ($instructions:expr, $avx512:expr, $avx2:expr, $plain:expr) => {
        match $instructions {
            // SAFETY: only instructions that the machine has are ever found.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            $crate::vector::Instructions::Avx512 => unsafe { $avx512 },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            $crate::vector::Instructions::Avx2 => unsafe { $avx2 },
            _ => $plain,
        }
    };
}

pub(crate) use by_instructions;

/// Functions that are compiled for each set of instructions, and run the widest. What they call has to be inlined into them.
macro_rules! for_widest {
    ($($(#[$about:meta])* $public:vis fn $name:ident<$($generic:ident: $bound:path),*>($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$about])*
        $public fn $name<$($generic: $bound),*>($($argument: $type),*) {
            #[inline(always)]
            fn plain<$($generic: $bound),*>($($argument: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512<$($generic: $bound),*>($($argument: $type),*) {
                plain($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<$($generic: $bound),*>($($argument: $type),*) {
                plain($($argument),*);
            }
            $crate::vector::by_instructions!(
                $crate::vector::instructions(),
                avx512($($argument),*),
                avx2($($argument),*),
                plain($($argument),*)
            );
        }
    )*};
}

pub(crate) use for_widest;

/// Calls `f`, compiled for the widest instructions, where `f` is small enough to be inlined.
///
/// Plain arithmetic is never fused or reordered, so it has the same bits on all of them.
#[inline]
pub fn widest<R>(f: impl FnOnce() -> R) -> R {
    by_instructions!(instructions(), avx512(f), avx2(f), f())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}
