//! Elements that are no numbers. A line to one has no points and its difference from a baseline is no number, so methods that multiply with
//! such differences refuse it: what a model makes of it (an imputation, for one) is not known outside.

use pellucid_graph::{Buffer, Tensor};

use crate::error::{Error, Result};
use crate::explanation::InputUse;
use crate::spec::Method;

/// Refuses explained inputs with NaN or an infinity, where the method needs numbers.
pub(crate) fn check(method: &Method, uses: &[InputUse], inputs: &[Tensor]) -> Result<()> {
    if !method.needs_numbers() {
        return Ok(());
    }
    for (input, tensor) in uses.iter().zip(inputs).filter(|(u, _)| u.explained && u.embeddings.is_empty()) {
        if let Some((place, found)) = first_not_finite(tensor) {
            let (row, place) = place.split_first().map_or((0, Vec::new()), |(r, rest)| (*r, rest.to_vec()));
            let (method, name) = (method.info().name, input.name.clone());
            return Err(Error::NotFinite { method, name, row: row as u64, place, found });
        }
    }
    Ok(())
}

/// Where the first element that is NaN or infinite stands, and what it is.
pub(crate) fn first_not_finite(tensor: &Tensor) -> Option<(Vec<usize>, f64)> {
    let (mut at, found) = match tensor.data() {
        Buffer::F32(v) => first(v, |v| v.is_finite()).map(|i| (i, f64::from(v[i])))?,
        Buffer::F64(v) => first(v, |v| v.is_finite()).map(|i| (i, v[i]))?,
        _ => return None,
    };
    let mut place: Vec<usize> = Vec::with_capacity(tensor.shape().len());
    for &size in tensor.shape().iter().rev() {
        place.push(at % size);
        at /= size;
    }
    place.reverse();
    Some((place, found))
}

/// The first value that does not hold. Looked for in pieces, each as a whole: most often there is none.
fn first<T: Copy>(values: &[T], holds: impl Fn(T) -> bool) -> Option<usize> {
    const PIECE: usize = 64;
    let piece = values.chunks(PIECE).position(|p| !p.iter().fold(true, |all, &v| all & holds(v)))?;
    let start = piece * PIECE;
    values[start..].iter().position(|&v| !holds(v)).map(|i| start + i)
}

#[cfg(test)]
mod tests {
    use super::first_not_finite;
    use pellucid_graph::Tensor;

    #[test]
    fn the_place_is_that_of_the_first() {
        let mut numbers = vec![0.0f32; 24];
        let tensor = |n: &[f32]| Tensor::new(&[2, 3, 4], n.to_vec()).unwrap();
        assert_eq!(first_not_finite(&tensor(&numbers)), None);
        (numbers[18], numbers[23]) = (f32::NEG_INFINITY, f32::NAN);
        assert_eq!(first_not_finite(&tensor(&numbers)), Some((vec![1, 1, 2], f64::NEG_INFINITY)));
        assert_eq!(first_not_finite(&Tensor::vector(Vec::<f64>::new())), None);
        assert_eq!(first_not_finite(&Tensor::vector(vec![1i64])), None);
    }
}
