//! TreeEnsembleRegressor: for each target, the sum, mean, least or largest of the leaves that a row reaches in decision trees.

use std::sync::Arc;

use super::forest::{DERIVATIVE, Forest, numbers, write_numbers};
use super::ml::{DOMAIN, first, follows_precision, forward_only, rows_of_columns};
use super::post_transform::PostTransform;
use super::support::{fact, no_type, output, view, write_floats};
use crate::attributes::{Attribute, Attributes};
use crate::build::Builder;
use crate::error::{OpError, OpResult};
use crate::graph::{Fact, ValueId};
use crate::operator::{Arg, Definition, Operator};
use crate::refuse;
use crate::rows::{Rows, RowsSite};
use crate::tensor::{DType, Slice, Tensor, View, ViewMut};

/// TreeEnsembleRegressor's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "TreeEnsembleRegressor",
    domain: DOMAIN,
    since: 1,
    summary: "for each target, what the leaves give that a row reaches in decision trees",
    derivative: DERIVATIVE,
    import: |node| {
        node.expect_inputs(1, 1)?;
        let targets = node.int("n_targets")?.unwrap_or(1);
        let targets = usize::try_from(targets).map_err(|_| OpError(format!("attribute n_targets is {targets}")))?;
        let base = numbers(node, "base_values")?;
        if !base.is_empty() && base.len() != targets {
            refuse!("it has {} base_values for {targets} targets", base.len());
        }
        let forest = Arc::new(Forest::read(node, "target", targets)?);
        Ok(Arc::new(TreeEnsembleRegressor { forest, base, post: PostTransform::read(node)?, float: DType::F32 }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// For each target, what the leaves give that a row reaches. Without base values and transformation it is a primitive, to which its other
/// forms and the other tree operators come down.
#[derive(Clone, Debug)]
pub struct TreeEnsembleRegressor {
    forest: Arc<Forest>,
    base: Vec<f64>,
    post: PostTransform,
    float: DType,
}

/// Scores [rows, targets] of trees, with base values added.
pub(crate) fn scores(
    b: &mut Builder,
    x: ValueId,
    forest: &Arc<Forest>,
    base: &[f64],
    float: DType,
) -> OpResult<ValueId> {
    let plain = TreeEnsembleRegressor {
        forest: Arc::clone(forest),
        base: Vec::new(),
        post: PostTransform::None,
        float,
    };
    let scores = b.push(plain, &[x])?;
    if base.is_empty() {
        return Ok(scores);
    }
    let base = b.constant_value(Tensor::vector(base.to_vec()).with_precision(float));
    b.add(scores, base)
}

impl Operator for TreeEnsembleRegressor {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    fn attributes(&self) -> Attributes {
        let mut found = self.forest.attributes();
        found.set("post_transform", Attribute::Text(self.post.name().to_owned()));
        if !self.base.is_empty() {
            write_numbers(&mut found, "base_values", &self.base);
        }
        found
    }

    fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        if !matches!(x.dtype, DType::F32 | DType::F64 | DType::I32 | DType::I64) {
            return no_type(x.dtype);
        }
        let (rows, columns) = match *x.shape {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => refuse!("its input has shape {:?}, expected rows of numbers", x.shape),
        };
        if columns < self.forest.columns() {
            refuse!("its rows have {columns} columns, its trees look at {}", self.forest.columns());
        }
        Ok(vec![Fact::new(self.float, &[rows, self.forest.targets])])
    }

    forward_only!();

    fn rows(&self, site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
        rows_of_columns(site)
    }

    fn runs(&self) -> bool {
        self.base.is_empty() && self.post == PostTransform::None
    }

    fn lower(&self, b: &mut Builder, inputs: &[Option<ValueId>]) -> OpResult<Option<Vec<ValueId>>> {
        if self.runs() {
            return Ok(None);
        }
        let scores = scores(b, first(inputs)?, &self.forest, &self.base, self.float)?;
        Ok(Some(vec![self.post.emit(b, scores)?]))
    }

    fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let columns = x.shape.last().copied().unwrap_or(0);
        let targets = self.forest.targets;
        let output = output(outputs, 0)?;
        let (mut sums, mut reached) = (vec![0.0; targets], vec![false; targets]);
        macro_rules! go {
            ($v:expr) => {
                for row in 0..output.shape[0] {
                    let row_of = &$v[row * columns..][..columns];
                    self.forest.scores(|i| row_of[i] as f64, &mut sums, &mut reached);
                    write_floats(output, row * targets, sums.iter().copied())?;
                }
            };
        }
        match x.data {
            Slice::F32(v) => go!(v),
            Slice::F64(v) => go!(v),
            Slice::I64(v) => go!(v),
            Slice::I32(v) => go!(v),
            other => return no_type(other.dtype()),
        }
        Ok(())
    }

    follows_precision!();
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s};
    use crate::tensor::DType;

    /// Two trees: x ≤ 0 leads to one leaf, else to another; and a leaf alone.
    pub(crate) fn trees() -> Attributes {
        let texts = |list: &[&str]| A::Texts(list.iter().map(|&s| s.to_owned()).collect());
        Attributes::new()
            .with("nodes_treeids", A::Ints(vec![0, 0, 0, 1]))
            .with("nodes_nodeids", A::Ints(vec![0, 1, 2, 0]))
            .with("nodes_featureids", A::Ints(vec![0, 0, 0, 0]))
            .with("nodes_values", A::Floats(vec![0.0; 4]))
            .with("nodes_modes", texts(&["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"]))
            .with("nodes_truenodeids", A::Ints(vec![1, 0, 0, 0]))
            .with("nodes_falsenodeids", A::Ints(vec![2, 0, 0, 0]))
    }

    fn of(aggregate: &str, base: &[f32]) -> Attributes {
        let found = trees()
            .with("target_treeids", A::Ints(vec![0, 0, 1]))
            .with("target_nodeids", A::Ints(vec![1, 2, 0]))
            .with("target_ids", A::Ints(vec![0, 0, 0]))
            .with("target_weights", A::Floats(vec![0.25, -0.75, 0.5]))
            .with("aggregate_function", A::Text(aggregate.to_owned()));
        if base.is_empty() { found } else { found.with("base_values", A::Floats(base.to_vec())) }
    }

    pub(super) fn cases() -> Vec<Case> {
        let case = |attributes: &Attributes| {
            let x = f64s(&[3, 1], &[-1.0, 1.0, f64::NAN]);
            Case::imported("TreeEnsembleRegressor", 3, attributes, vec![x])
                .in_precision(DType::F64)
                .fixed(&[0])
        };
        let column = |list: &[f64]| f64s(&[3, 1], list);
        vec![
            case(&of("SUM", &[])).expect(column(&[0.75, -0.25, -0.25])),
            case(&of("SUM", &[0.25])).expect(column(&[1.0, 0.0, 0.0])),
            case(&of("AVERAGE", &[0.25])).expect(column(&[0.625, 0.125, 0.125])),
            case(&of("MIN", &[])).expect(column(&[0.25, -0.75, -0.75])),
            case(&of("MAX", &[])).expect(column(&[0.5, 0.5, 0.5])),
            // What is missing goes to the true branch.
            case(&of("SUM", &[]).with("nodes_missing_value_tracks_true", A::Ints(vec![1, 0, 0, 0])))
                .expect(column(&[0.75, -0.25, 0.75])),
        ]
    }

    #[test]
    fn malformed_trees_are_refused() {
        let refused = |attributes: Attributes| {
            let network = crate::cases::import_alone("TreeEnsembleRegressor", 3, &attributes);
            network.expect_err("it is not refused").0
        };
        let ints = |list: &[i64]| A::Ints(list.to_vec());
        assert!(refused(of("SUM", &[]).with("nodes_truenodeids", ints(&[0, 0, 0, 0]))).contains("back to itself"));
        assert!(refused(of("SUM", &[]).with("nodes_falsenodeids", ints(&[9, 0, 0, 0]))).contains("not there"));
        assert!(refused(of("SUM", &[]).with("nodes_nodeids", ints(&[0, 1, 1, 0]))).contains("two nodes 1"));
        assert!(refused(of("SUM", &[]).with("nodes_featureids", ints(&[-1, 0, 0, 0]))).contains("feature"));
        assert!(refused(of("SUM", &[]).with("target_ids", ints(&[0, 0, 1]))).contains("target 1 of 1"));
        assert!(refused(of("SUM", &[]).with("nodes_values", A::Floats(vec![0.0]))).contains("1 values"));
        assert!(refused(of("MODE", &[])).contains("MODE"));
    }
}
