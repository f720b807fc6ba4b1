//! Quadratures: nodes in [0, 1] with weights that sum to one.

use std::num::NonZeroUsize;

use gauss_quad::GaussLegendre;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A rule for choosing nodes and weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Gauss and Legendre: exact for polynomials of degree 2n − 1.
    #[default]
    #[serde(rename = "gausslegendre")]
    GaussLegendre,
    /// The left ends of n equal intervals.
    RiemannLeft,
    /// The middles of n equal intervals.
    RiemannMiddle,
    /// The right ends of n equal intervals.
    RiemannRight,
    /// The true trapezoid rule: both ends and n − 2 nodes between, 1/(n − 1) apart. (Captum's of this name divides by n, so that its
    /// weights sum to (n − 1)/n.)
    RiemannTrapezoid,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [
        Self::GaussLegendre,
        Self::RiemannLeft,
        Self::RiemannMiddle,
        Self::RiemannRight,
        Self::RiemannTrapezoid,
    ];

    /// The name that Captum gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussLegendre => "gausslegendre",
            Self::RiemannLeft => "riemann_left",
            Self::RiemannMiddle => "riemann_middle",
            Self::RiemannRight => "riemann_right",
            Self::RiemannTrapezoid => "riemann_trapezoid",
        }
    }
}

impl std::str::FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|r| r.name()).collect();
            Error::Spec(format!("there is no quadrature {name:?}; there are {}", names.join(", ")))
        })
    }
}

/// Nodes in [0, 1], ascending, with weights that sum to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Quadrature {
    nodes: Vec<f64>,
    weights: Vec<f64>,
}

impl Quadrature {
    /// A checked quadrature of one's own.
    pub fn new(nodes: Vec<f64>, weights: Vec<f64>) -> Result<Self> {
        let bad = |why: &str| Err(Error::Spec(format!("not a quadrature: {why}")));
        if nodes.is_empty() || nodes.len() != weights.len() {
            return bad("it needs as many weights as nodes, and at least one");
        }
        if nodes.iter().any(|n| !(0.0..=1.0).contains(n)) {
            return bad("a node lies outside [0, 1]");
        }
        if nodes.windows(2).any(|w| w[0] >= w[1]) {
            return bad("the nodes do not ascend");
        }
        let sum: f64 = weights.iter().sum();
        if sum.is_nan() || (sum - 1.0).abs() >= 1e-9 {
            return bad("the weights do not sum to one");
        }
        Ok(Self { nodes, weights })
    }

    /// The rule's nodes and weights, `n` of them; computed in time proportional to `n`.
    pub fn of(rule: Rule, n: usize) -> Result<Self> {
        let least = if rule == Rule::GaussLegendre { 1 } else { 2 };
        if n < least || n > 1 << 24 {
            return Err(Error::Spec(format!(
                "{} needs {least} to {} nodes, {n} were asked for",
                rule.name(),
                1 << 24
            )));
        }
        let count = n as f64;
        let even =
            |first: f64, step: f64| -> Vec<f64> { (0..n).map(|k| (k as f64 + first) / step).collect() };
        let (nodes, weights) = match rule {
            Rule::GaussLegendre => gauss_legendre(n),
            Rule::RiemannLeft => (even(0.0, count), vec![1.0 / count; n]),
            Rule::RiemannMiddle => (even(0.5, count), vec![1.0 / count; n]),
            Rule::RiemannRight => (even(1.0, count), vec![1.0 / count; n]),
            Rule::RiemannTrapezoid => {
                let step = count - 1.0;
                let mut weights = vec![1.0 / step; n];
                weights[0] /= 2.0;
                weights[n - 1] /= 2.0;
                (even(0.0, step), weights)
            }
        };
        Self::new(nodes, weights)
    }

    /// The nodes.
    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    /// The weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

/// Nodes and weights on [0, 1], by Bogaert's expansion (SIAM J. Sci. Comput. 36, 2014): each node in constant time.
fn gauss_legendre(n: usize) -> (Vec<f64>, Vec<f64>) {
    let Some(degree) = NonZeroUsize::new(n) else { return (Vec::new(), Vec::new()) };
    let mut pairs: Vec<(f64, f64)> =
        GaussLegendre::new(degree).iter().map(|(x, w)| ((1.0 + x) / 2.0, w / 2.0)).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(q: &Quadrature, f: impl Fn(f64) -> f64) -> f64 {
        q.nodes().iter().zip(q.weights()).map(|(&x, &w)| w * f(x)).sum()
    }

    #[test]
    fn gauss_legendre_is_exact_for_polynomials_of_degree_2n_minus_1() {
        for n in [1, 2, 3, 7, 50, 101, 1000, 5001] {
            let q = Quadrature::of(Rule::GaussLegendre, n).unwrap();
            for degree in [0, 1, 2, 2 * n - 1].into_iter().filter(|d| *d < 2 * n) {
                let want = 1.0 / (degree as f64 + 1.0);
                let got = integral(&q, |x| x.powi(degree as i32));
                assert!((got - want).abs() < 1e-12, "n = {n}, degree {degree}: {got}, expected {want}");
            }
        }
    }

    #[test]
    fn claimed_orders_are_measured_ones() {
        // exp on [0, 1]: halving the step divides the error by 2 (left, right) or 4 (middle, trapezoid).
        for (rule, order) in [
            (Rule::RiemannLeft, 1.0),
            (Rule::RiemannRight, 1.0),
            (Rule::RiemannMiddle, 2.0),
            (Rule::RiemannTrapezoid, 2.0),
        ] {
            let extra = usize::from(rule == Rule::RiemannTrapezoid);
            let error = |n: usize| {
                let q = Quadrature::of(rule, n + extra).unwrap();
                (integral(&q, f64::exp) - (std::f64::consts::E - 1.0)).abs()
            };
            let measured = (error(64) / error(128)).log2();
            assert!((measured - order).abs() < 0.05, "{}: order {measured}", rule.name());
        }
    }

    #[test]
    fn nodes_of_the_riemann_rules_are_those_of_the_definition() {
        let nodes = |rule, n| Quadrature::of(rule, n).unwrap().nodes().to_vec();
        assert_eq!(nodes(Rule::RiemannLeft, 4), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(nodes(Rule::RiemannRight, 4), [0.25, 0.5, 0.75, 1.0]);
        assert_eq!(nodes(Rule::RiemannMiddle, 2), [0.25, 0.75]);
        assert_eq!(nodes(Rule::RiemannTrapezoid, 3), [0.0, 0.5, 1.0]);
        assert_eq!(Quadrature::of(Rule::RiemannTrapezoid, 3).unwrap().weights(), [0.25, 0.5, 0.25]);
    }

    #[test]
    fn what_is_not_a_quadrature_is_refused() {
        for (nodes, weights) in [
            (vec![], vec![]),
            (vec![0.5], vec![0.9]),
            (vec![0.5, 0.2], vec![0.5, 0.5]),
            (vec![-0.1, 0.5], vec![0.5, 0.5]),
            (vec![0.5], vec![f64::NAN]),
            (vec![f64::NAN], vec![1.0]),
        ] {
            assert!(Quadrature::new(nodes, weights).is_err());
        }
        assert!(Quadrature::of(Rule::RiemannLeft, 1).is_err());
        assert!(Quadrature::of(Rule::GaussLegendre, 0).is_err());
    }
}
