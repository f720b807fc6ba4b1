//! Inputs of some size for a model whose sizes are open, and shapes that say which sizes were.

use std::collections::BTreeMap;

use pellucid::graph::{DType, Dim, Network, Specialisation, Tensor};

/// Open sizes that are tried, the smallest first, and by how much the two tries differ.
const TRIES: [(usize, usize); 3] = [(11, 1), (64, 16), (224, 32)];

/// Rows of the two tries.
const ROWS: [usize; 2] = [7, 5];

/// Two sets of sizes, by which what follows from them is told from what is fixed.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    rows: [usize; 2],
    sizes: BTreeMap<String, [usize; 2]>,
    shapes: [BTreeMap<String, Vec<usize>>; 2],
}

impl Probe {
    /// The sets of sizes to try; none where the file does not say the rank of an input.
    pub(super) fn all(network: &Network) -> Vec<Self> {
        let probes: Vec<Self> =
            TRIES.into_iter().filter_map(|(base, step)| Self::new(network, base, step)).collect();
        // Without open sizes all tries are the same.
        let open = probes.first().is_some_and(|p| !p.sizes.is_empty());
        probes.into_iter().take(if open { TRIES.len() } else { 1 }).collect()
    }

    fn new(network: &Network, base: usize, step: usize) -> Option<Self> {
        let rows = match network.fixed_rows() {
            Some(n) => [n; 2],
            None => ROWS,
        };
        let declared = |i: usize| network.symbols()[i].declared.as_ref()?.shape.as_deref();
        let batch: Vec<&str> = network
            .inputs()
            .iter()
            .filter_map(|&i| match declared(i)?.first()? {
                Dim::Symbol(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let mut probe = Self { rows, sizes: BTreeMap::new(), shapes: Default::default() };
        for (&i, name) in network.inputs().iter().zip(network.input_names()) {
            let dims = declared(i)?;
            let mut pairs = Vec::with_capacity(dims.len());
            for (axis, dim) in dims.iter().enumerate() {
                let open = match dim {
                    Dim::Fixed(n) => {
                        pairs.push([*n; 2]);
                        continue;
                    }
                    _ if axis == 0 => {
                        pairs.push(rows);
                        continue;
                    }
                    Dim::Symbol(symbol) if batch.contains(&symbol.as_str()) => {
                        pairs.push(rows);
                        continue;
                    }
                    Dim::Symbol(symbol) => symbol.clone(),
                    Dim::Unknown => format!("?{name}:{axis}"),
                };
                let next = base + 2 * step * probe.sizes.len();
                pairs.push(*probe.sizes.entry(open).or_insert([next, next + step]));
            }
            for (which, shapes) in probe.shapes.iter_mut().enumerate() {
                shapes.insert(name.to_owned(), pairs.iter().map(|p| p[which]).collect());
            }
        }
        Some(probe)
    }

    /// How the network is specialised for one of the two sets.
    pub(super) fn specialisation(&self, which: usize) -> Specialisation {
        Specialisation {
            rows: self.rows[which],
            precision: Some(DType::F32),
            shapes: self.shapes[which].clone(),
            ..Specialisation::default()
        }
    }

    /// The open sizes that were chosen; `None` where the file leaves none open.
    pub(super) fn tried(&self) -> Option<String> {
        let one = |(name, pair): (&String, &[usize; 2])| match name
            .strip_prefix('?')
            .and_then(|n| n.rsplit_once(':'))
        {
            Some((input, axis)) => format!("{} for dimension {axis} of {input}", pair[0]),
            None => format!("{name} = {}", pair[0]),
        };
        let all: Vec<String> = self.sizes.iter().map(one).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Rows of zeros for the inputs; `None` where there is no memory for them.
    pub(super) fn inputs(&self, network: &Network) -> Option<Vec<Tensor>> {
        let zeros = |(&i, name): (&usize, &str)| {
            let dtype = network.symbols()[i].declared.as_ref()?.dtype;
            Tensor::zeros(dtype, self.shapes[0].get(name)?)
        };
        network.inputs().iter().zip(network.input_names()).map(zeros).collect()
    }

    /// A shape that came out as the one and as the other: the rows as `N`, an open size by its name, what follows from open sizes as `?`.
    pub(super) fn shape(&self, one: &[usize], other: &[usize]) -> Vec<String> {
        if one.len() != other.len() {
            return vec!["…".to_owned()];
        }
        one.iter().zip(other).enumerate().map(|(axis, (&a, &b))| self.size(axis, a, b)).collect()
    }

    fn size(&self, axis: usize, a: usize, b: usize) -> String {
        let [rows, others] = self.rows;
        if a == b {
            // A number of rows that the file fixes is one all the same.
            return if axis == 0 && rows == others && a == rows { "N".to_owned() } else { a.to_string() };
        }
        if let Some((name, _)) = self.sizes.iter().find(|(_, pair)| **pair == [a, b]) {
            return if name.starts_with('?') { "?".to_owned() } else { name.clone() };
        }
        if rows != others
            && a.is_multiple_of(rows)
            && b.is_multiple_of(others)
            && a.checked_div(rows) == b.checked_div(others)
        {
            return match a / rows {
                1 => "N".to_owned(),
                n => format!("{n}N"),
            };
        }
        "?".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(dims: &[Dim]) -> Network {
        let mut n = Network::new();
        n.add_input("x", DType::F32, dims).unwrap();
        n
    }

    #[test]
    fn sizes_are_told_apart() {
        let symbol = |s: &str| Dim::Symbol(s.to_owned());
        let probes = Probe::all(&network(&[symbol("batch"), Dim::Fixed(3), symbol("height"), Dim::Unknown]));
        assert_eq!(probes.len(), 3);
        let probe = &probes[0];
        let of = |which: usize| probe.shapes[which]["x"].clone();
        assert_eq!(probe.shape(&of(0), &of(1)), ["N", "3", "height", "?"]);
        assert_eq!(probe.shape(&[84, 5], &[60, 6]), ["12N", "?"]);
        assert_eq!(probe.shape(&[1], &[1, 2]), ["…"]);
        assert_eq!(probe.tried().unwrap(), "13 for dimension 3 of x, height = 11");
    }

    #[test]
    fn one_try_where_nothing_is_open() {
        let probes = Probe::all(&network(&[Dim::Fixed(4), Dim::Fixed(2)]));
        assert_eq!(probes.len(), 1);
        assert_eq!(probes[0].shape(&[4, 4], &[4, 4]), ["N", "4"]);
        assert_eq!(probes[0].tried(), None);
    }
}
