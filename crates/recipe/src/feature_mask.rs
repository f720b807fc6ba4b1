//! Feature masks from a file: features with the same number are replaced together.

use std::path::{Path, PathBuf};

use pellucid::graph::Tensor;
use pellucid_data::arrays;

use crate::error::{Error, Result};

/// How far from zero a feature's number may be, so that each is a float of its own.
const FARTHEST: u64 = 1 << 53;

/// The masks of a file, for a model's inputs by name.
#[derive(Debug)]
pub(crate) struct FeatureMasks {
    path: PathBuf,
    masks: Vec<(String, Tensor)>,
}

impl FeatureMasks {
    /// Reads the arrays of a file. A single one is that of a model with one input.
    pub(crate) fn load(path: &Path, names: &[&str]) -> Result<Self> {
        let mut masks = arrays::load(path)?;
        if let ([mask], [only]) = (masks.as_mut_slice(), names) {
            mask.0 = (*only).to_owned();
        }
        if masks.is_empty() {
            return Err(Error::input(format!("{}: there is no array in it", path.display())));
        }
        for (_, mask) in &masks {
            let numbers = mask.to_i64().unwrap_or_default();
            if let Some(far) = numbers.iter().find(|n| n.unsigned_abs() > FARTHEST) {
                return Err(Error::input(format!(
                    "{}: a feature of number {far}; numbers reach from −2⁵³ to 2⁵³",
                    path.display()
                )));
            }
        }
        match masks.iter().find(|m| !names.contains(&m.0.as_str())) {
            None => Ok(Self { path: path.to_path_buf(), masks }),
            Some((name, _)) => {
                let found = if name.is_empty() { "without a name".to_owned() } else { format!("{name:?}") };
                Err(Error::input(format!(
                    "{}: a feature mask {found}, expected each to be named after an input: {}",
                    path.display(),
                    names.join(", ")
                )))
            }
        }
    }

    /// For inputs with their rows first, masks [1, …] of a row's shape. The features of an input without one each stand alone.
    pub(crate) fn of(&self, names: &[&str], inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut next = 0;
        for (_, mask) in &self.masks {
            next = next.max(mask.to_i64().and_then(|m| m.into_iter().max()).unwrap_or(0).saturating_add(1));
        }
        let one = |(name, x): (&&str, &Tensor)| {
            let mut shape = x.shape().to_vec();
            if let Some(rows) = shape.first_mut() {
                *rows = 1;
            }
            let numbers = match self.masks.iter().find(|m| m.0 == **name) {
                Some((_, mask)) => self.spread(name, mask, &shape)?,
                None => {
                    let first = next;
                    next = next.saturating_add(shape.iter().product::<usize>() as i64);
                    (first..next).collect()
                }
            };
            Tensor::new(&shape, numbers).ok_or_else(|| Error::input("a feature mask has lost elements"))
        };
        names.iter().zip(inputs).map(one).collect()
    }

    /// The numbers of a mask, repeated along the axes that it lacks or has once.
    fn spread(&self, name: &str, mask: &Tensor, shape: &[usize]) -> Result<Vec<i64>> {
        let row = shape.get(1..).unwrap_or_default();
        // A picture's height and width before its channels, for one.
        let hint = match row.strip_prefix(mask.shape()) {
            Some(behind) if !behind.is_empty() && !mask.shape().is_empty() && mask.to_i64().is_some() => {
                format!("; in shape {:?} it repeats", [mask.shape(), &vec![1; behind.len()]].concat())
            }
            _ => String::new(),
        };
        let wrong = || {
            Error::input(format!(
                "{}: the feature mask of {name:?} holds {} in shape {:?}, expected whole numbers in the shape of a row, {row:?}, or \
                 one that repeats to it{hint}",
                self.path.display(),
                mask.dtype(),
                mask.shape(),
            ))
        };
        let numbers = mask.to_i64().ok_or_else(wrong)?;
        let lacking = shape.len().checked_sub(mask.shape().len()).ok_or_else(wrong)?;
        let own: Vec<usize> = std::iter::repeat_n(1, lacking).chain(mask.shape().iter().copied()).collect();
        if own.iter().zip(shape).any(|(&own, &size)| own != 1 && own != size) {
            return Err(wrong());
        }
        let mut places = vec![0];
        let mut step = numbers.len();
        for (&own, &size) in own.iter().zip(shape) {
            step /= own.max(1);
            let stride = if own == 1 { 0 } else { step };
            places = places.iter().flat_map(|&p| (0..size).map(move |i| p + i * stride)).collect();
        }
        places.into_iter().map(|p| numbers.get(p).copied().ok_or_else(wrong)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{FeatureMasks, Tensor};

    fn masks(masks: &[(&str, Tensor)]) -> FeatureMasks {
        FeatureMasks {
            path: "m.npz".into(),
            masks: masks.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect(),
        }
    }

    #[test]
    fn a_mask_repeats_and_inputs_without_one_have_features_of_their_own() {
        let plane = Tensor::new(&[2, 2], vec![5i64, 5, 6, 7]).unwrap();
        let inputs = [
            Tensor::new(&[3, 2, 2, 2], vec![0f32; 24]).unwrap(),
            Tensor::new(&[3, 2], vec![0f32; 6]).unwrap(),
        ];
        let found = masks(&[("x", plane)]).of(&["x", "y"], &inputs).unwrap();
        assert_eq!(found[0], Tensor::new(&[1, 2, 2, 2], vec![5i64, 5, 6, 7, 5, 5, 6, 7]).unwrap());
        assert_eq!(found[1], Tensor::new(&[1, 2], vec![8i64, 9]).unwrap());
        let columns = Tensor::new(&[1, 2, 1], vec![1i64, 2]).unwrap();
        let found = masks(&[("x", columns)]).of(&["x"], &inputs[..1]).unwrap();
        assert_eq!(found[0], Tensor::new(&[1, 2, 2, 2], vec![1i64, 1, 2, 2, 1, 1, 2, 2]).unwrap());
    }

    #[test]
    fn what_does_not_repeat_to_a_row_is_refused() {
        let x = [Tensor::new(&[3, 4], vec![0f32; 12]).unwrap()];
        for bad in [
            Tensor::new(&[3], vec![0i64; 3]).unwrap(),
            Tensor::new(&[3, 4], vec![0i64; 12]).unwrap(),
            Tensor::new(&[1, 1, 4], vec![0i64; 4]).unwrap(),
            Tensor::new(&[4], vec![0.5f32; 4]).unwrap(),
            Tensor::new(&[0], Vec::<i64>::new()).unwrap(),
        ] {
            let message = masks(&[("x", bad)]).of(&["x"], &x).unwrap_err().to_string();
            assert!(message.contains("m.npz") && message.contains("in the shape of a row, [4]"), "{message}");
        }
    }

    #[test]
    fn a_plane_before_channels_is_shown_how_to_repeat() {
        let x = [Tensor::new(&[3, 2, 2, 4], vec![0f32; 48]).unwrap()];
        let plane = Tensor::new(&[2, 2], vec![0i64; 4]).unwrap();
        let error = masks(&[("x", plane)]).of(&["x"], &x).unwrap_err().to_string();
        assert!(error.contains("in shape [2, 2, 1] it repeats"), "{error}");
    }
}
