//! SVMClassifier: a machine for each pair of classes. The class with the most votes wins, of several the first.
//!
//! Its scores are, as ONNX Runtime gives them: the classes' probabilities where the file has what they follow from; else each machine's sum,
//! in the order of pairs, for two classes its negative and itself.

use std::sync::Arc;

use super::ml::{DOMAIN, Labels, first, follows_precision, forward_only, rows_of_columns};
use super::post_transform::PostTransform;
use super::support::{fact, no_type, write_floats};
use super::support_vectors::{DERIVATIVE, SupportVectors, list, numbers, rows_of};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::import::Import;
use crate::operator::{Arg, Definition, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, SliceMut, View, ViewMut};

/// SVMClassifier's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "SVMClassifier",
    domain: DOMAIN,
    since: 1,
    summary: "a support vector machine for each pair of classes, and the label with the most votes",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        let post = PostTransform::read(node)?;
        if !matches!(post, PostTransform::None | PostTransform::Logistic) {
            refuse!("its post_transform {} is not computed", post.name());
        }
        Ok(Arc::new(SvmClassifier {
            attributes: node.attributes.clone(),
            machine: Arc::new(Machine::read(node)?),
            post,
            float: DType::F32,
        }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The machines of all pairs of classes.
#[derive(Debug)]
struct Machine {
    vectors: SupportVectors,
    /// [classes − 1, support vectors].
    weights: Vec<f64>,
    /// Where the support vectors of each class begin, and the end.
    starts: Vec<usize>,
    rho: Vec<f64>,
    /// The two coefficients of each pair's probability; empty where there are none.
    probability: Vec<(f64, f64)>,
    labels: Labels,
}

impl Machine {
    fn read(node: &Import<'_>) -> OpResult<Self> {
        let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
        let mut starts = vec![0usize];
        for &n in &node.ints("vectors_per_class")?.unwrap_or_default() {
            let n = usize::try_from(n).map_err(|_| OpError(format!("a class has {n} support vectors")))?;
            let end = starts[starts.len() - 1].checked_add(n);
            starts.push(end.ok_or_else(|| OpError("it has too many support vectors".to_owned()))?);
        }
        let classes = starts.len() - 1;
        let count = starts[classes];
        if classes < 2 || labels.len() != classes {
            refuse!("it has {} labels for support vectors of {classes} classes", labels.len());
        }
        let (weights, rho) = (list(node, "coefficients")?, list(node, "rho")?);
        let pairs = classes * (classes - 1) / 2;
        if Some(weights.len()) != count.checked_mul(classes - 1) || rho.len() != pairs {
            refuse!("it has {} coefficients and {} rho for {classes} classes", weights.len(), rho.len());
        }
        let (a, b) = (list(node, "prob_a")?, list(node, "prob_b")?);
        if a.len() != b.len() || !(a.is_empty() || a.len() == pairs) {
            refuse!("it has {} prob_a and {} prob_b for {pairs} pairs of classes", a.len(), b.len());
        }
        let probability = a.into_iter().zip(b).collect();
        Ok(Self { vectors: SupportVectors::read(node, count)?, weights, starts, rho, probability, labels })
    }

    fn classes(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of scores of a row.
    fn width(&self) -> usize {
        if self.probability.is_empty() { self.rho.len().max(2) } else { self.classes() }
    }

    /// The scores of a row, and the class that wins.
    fn scores(&self, row: &[f64]) -> (Vec<f64>, usize) {
        let kernels = self.vectors.of(row);
        let (classes, count) = (self.classes(), kernels.len());
        let part = |of: usize, against: usize| -> f64 {
            let line = if of < against { against - 1 } else { against };
            let range = self.starts[of]..self.starts[of + 1];
            range.map(|v| self.weights[line * count + v] * kernels[v]).sum()
        };
        let mut votes = vec![0usize; classes];
        let mut sums = Vec::with_capacity(self.rho.len());
        for i in 0..classes {
            for j in i + 1..classes {
                let sum = part(i, j) + part(j, i) + self.rho[sums.len()];
                votes[if sum > 0.0 { i } else { j }] += 1;
                sums.push(sum);
            }
        }
        let best = (0..classes).fold(0, |best, i| if votes[i] > votes[best] { i } else { best });
        let scores = match (self.probability.is_empty(), sums.as_slice()) {
            (false, _) => self.probabilities(&sums),
            (true, &[sum]) => vec![-sum, sum],
            (true, _) => sums,
        };
        (scores, best)
    }

    /// The classes' probabilities from those of the pairs (Wu, Lin and Weng 2004, the second method), as libsvm iterates them.
    fn probabilities(&self, sums: &[f64]) -> Vec<f64> {
        let n = self.classes();
        let mut pairs = vec![0.0; n * n];
        let mut k = 0;
        for i in 0..n {
            for j in i + 1..n {
                let (a, b) = self.probability[k];
                let p = 1.0 - 1.0 / (1.0 + (-(sums[k] * a + b)).exp());
                let p = p.clamp(1e-7, 1.0 - 1e-7);
                (pairs[i * n + j], pairs[j * n + i]) = (p, 1.0 - p);
                k += 1;
            }
        }
        let mut q = vec![0.0; n * n];
        for i in 0..n {
            for j in (0..n).filter(|&j| j != i) {
                q[i * n + i] += pairs[j * n + i] * pairs[j * n + i];
                q[i * n + j] = -pairs[j * n + i] * pairs[i * n + j];
            }
        }
        let mut p = vec![1.0 / n as f64; n];
        for _ in 0..n.max(100) {
            let mut qp: Vec<f64> =
                (0..n).map(|i| (0..n).map(|j| q[i * n + j] * p[j]).sum::<f64>()).collect();
            let mut pqp: f64 = p.iter().zip(&qp).map(|(p, q)| p * q).sum();
            if qp.iter().all(|v| (v - pqp).abs() < 0.005 / n as f64) {
                break;
            }
            for i in 0..n {
                let step = (pqp - qp[i]) / q[i * n + i];
                p[i] += step;
                let scale = 1.0 + step;
                pqp = (pqp + step * (step * q[i * n + i] + 2.0 * qp[i])) / scale / scale;
                for j in 0..n {
                    qp[j] = (qp[j] + step * q[i * n + j]) / scale;
                    p[j] /= scale;
                }
            }
        }
        p
    }
}

/// A machine for each pair of classes: the label with the most votes (output 0) and the scores (output 1).
#[derive(Clone, Debug)]
pub struct SvmClassifier {
    attributes: Attributes,
    machine: Arc<Machine>,
    post: PostTransform,
    float: DType,
}

impl Operator for SvmClassifier {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone().with("post_transform", Attribute::Text(self.post.name().to_owned()))
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let rows = rows_of(fact(inputs, 0)?, self.machine.vectors.columns)?;
        let labels = self.machine.labels.tensor().dtype();
        Ok(vec![Fact::new(labels, &[rows]), Fact::new(self.float, &[rows, self.machine.width()])])
    }

    forward_only!();

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows_of_columns(site)
    }

    fn runs(&self) -> bool {
        self.post == PostTransform::None
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        if self.runs() {
            return Ok(None);
        }
        let plain = Arc::new(Self { post: PostTransform::None, ..self.clone() });
        let found = b.node(plain, &[Some(first(inputs)?)])?;
        let &[label, scores] = found.as_slice() else { refuse!("it has {} outputs", found.len()) };
        Ok(Some(vec![label, self.post.emit(b, scores)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = numbers(inputs)?;
        let [label, scores] = outputs else { refuse!("it has {} outputs, expected 2", outputs.len()) };
        let width = self.machine.width();
        for (r, row) in x.chunks_exact(self.machine.vectors.columns.max(1)).enumerate() {
            let (found, best) = self.machine.scores(row);
            match (&mut label.data, &self.machine.labels) {
                (SliceMut::I64(o), Labels::Integers(list)) => o[r] = list[best],
                (SliceMut::String(o), Labels::Texts(list)) => o[r].clone_from(&list[best]),
                (other, _) => return no_type(other.dtype()),
            }
            write_floats(scores, r * width, found)?;
        }
        Ok(())
    }

    follows_precision!();
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::tensor::DType;

    fn machine(counts: &[i64], weights: &[f32], rho: &[f32]) -> Attributes {
        let classes = counts.len() as i64;
        Attributes::new()
            .with("kernel_type", A::Text("RBF".to_owned()))
            .with("kernel_params", A::Floats(vec![0.5, 0.0, 3.0]))
            .with("support_vectors", A::Floats(vec![1.0, 1.0, -1.0, 0.5, 0.2, -2.0]))
            .with("coefficients", A::Floats(weights.to_vec()))
            .with("rho", A::Floats(rho.to_vec()))
            .with("vectors_per_class", A::Ints(counts.to_vec()))
            .with("classlabels_ints", A::Ints((7..7 + classes).collect()))
    }

    fn of(attributes: &Attributes) -> Case {
        let x = f64s(&[4, 2], &[1.0, 2.0, -1.5, 0.3, 0.0, 0.0, 0.2, -3.0]);
        Case::imported_with("SVMClassifier", 1, attributes, vec![x], 2)
            .in_precision(DType::F64)
            .fixed(&[0])
    }

    pub(super) fn cases() -> Vec<Case> {
        let two = || machine(&[1, 2], &[1.0, -0.6, -0.4], &[0.1]);
        let three = || machine(&[1, 1, 1], &[1.0, -0.6, 0.4, 0.3, 0.2, -0.5], &[0.1, -0.2, 0.3]);
        let words = two()
            .with("classlabels_ints", A::Ints(Vec::new()))
            .with("classlabels_strings", A::Texts(vec!["a".to_owned(), "b".to_owned()]));
        vec![
            of(&two()).expect(i64s(&[7, 8, 7, 8])),
            of(&two().with("post_transform", A::Text("LOGISTIC".to_owned()))).expect(i64s(&[7, 8, 7, 8])),
            of(&words).expect(strings(&[4], &["a", "b", "a", "b"])),
            of(&three()).expect(i64s(&[7, 8, 7, 7])),
        ]
    }

    /// The scores of ONNX Runtime 1.31, in four digits.
    #[test]
    fn scores_are_those_of_onnx_runtime() {
        let near = |attributes: &Attributes, want: &[f64]| {
            let got = of(attributes).outputs().remove(1).to_f64().unwrap();
            assert_eq!(got.len(), want.len());
            for (g, w) in got.iter().zip(want) {
                assert!((g - w).abs() < 6e-5, "{got:?}, expected {want:?}");
            }
        };
        let two = machine(&[1, 2], &[1.0, -0.6, -0.4], &[0.1]);
        near(&two, &[-0.6801, 0.6801, 0.3913, -0.3913, -0.0937, 0.0937, 0.1430, -0.1430]);
        let sure = two.clone().with("prob_a", A::Floats(vec![-1.5])).with("prob_b", A::Floats(vec![0.2]));
        near(&sure, &[0.6943, 0.3057, 0.3128, 0.6872, 0.4851, 0.5149, 0.3969, 0.6031]);
        let logistic = two.with("post_transform", A::Text("LOGISTIC".to_owned()));
        near(&logistic, &[0.3362, 0.6638, 0.5966, 0.4034, 0.4766, 0.5234, 0.5357, 0.4643]);
        let three = machine(&[1, 1, 1], &[1.0, -0.6, 0.4, 0.3, 0.2, -0.5], &[0.1, -0.2, 0.3]);
        let sums = [
            [0.6802, -0.0179, 0.3087],
            [-0.3846, -0.1830, 0.4646],
            [0.1467, -0.0366, 0.3407],
            [0.0996, 0.0427, -0.0031],
        ];
        near(&three, &sums.concat());
        let sure = three
            .with("prob_a", A::Floats(vec![-1.5, -1.0, -2.0]))
            .with("prob_b", A::Floats(vec![0.2, 0.1, 0.0]));
        let probabilities = [
            [0.4150, 0.2902, 0.2948],
            [0.2211, 0.5421, 0.2368],
            [0.3298, 0.4005, 0.2697],
            [0.3218, 0.3379, 0.3403],
        ];
        near(&sure, &probabilities.concat());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let refused = |attributes: Attributes| {
            crate::cases::import_alone("SVMClassifier", 1, &attributes).expect_err("it is not refused").0
        };
        assert!(refused(machine(&[1, 2], &[1.0], &[0.1])).contains("1 coefficients"));
        assert!(refused(machine(&[1, -2], &[1.0], &[0.1])).contains("-2 support vectors"));
        assert!(refused(machine(&[3], &[], &[])).contains("1 classes"));
        let softmax = machine(&[1, 2], &[1.0, -0.6, -0.4], &[0.1]);
        assert!(refused(softmax.with("post_transform", A::Text("SOFTMAX".to_owned()))).contains("SOFTMAX"));
    }
}
