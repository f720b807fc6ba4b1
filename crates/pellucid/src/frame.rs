//! The graph of a model for batches of one size, with the target, the layer and the baseline that a method asks for.

use std::collections::HashMap;

use pellucid_engine::{Feed, Stage};
use pellucid_graph::{Builder, DType, Fact, Graph, Kind, OpError, Rows, Tensor, ValueId};

use crate::compiled::Outputs;
use crate::error::{Error, Result};
use crate::explanation::Batch;
use crate::model::Model;
use crate::spec::{Baseline, InputBaseline, Role, Spec};
use crate::starts::Start;
use crate::target;

/// What a job computes with: the model, what is asked, and what the data looks like.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) model: &'a Model,
    pub(crate) spec: &'a Spec,
    /// The inputs in the model's types and the spec's precision.
    pub(crate) inputs: &'a [Tensor],
    pub(crate) batch: &'a Batch,
    /// The output that is explained, by position among the network's symbols.
    pub(crate) output: usize,
    /// The layer, likewise.
    pub(crate) layer: Option<usize>,
}

/// What comes in for each row, in the order in which the engine gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowInput {
    /// An input of the model.
    Input(usize),
    /// The baseline of an input.
    Baseline(usize),
    /// The element that a target is in each row.
    Chosen(usize),
    /// The feature groups of an input.
    Mask(usize),
}

/// A graph with the places that methods speak of.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) b: Builder,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) layer: Option<ValueId>,
    pub(crate) targets: Vec<ValueId>,
    /// The scale of the targets.
    pub(crate) scale: &'static str,
    /// How many elements a row's output has.
    pub(crate) width: usize,
    /// Values with smaller numbers belong to the model itself: they have the same numbers for every batch size.
    pub(crate) own: usize,
    /// Where the rows of the model's own values lie.
    pub(crate) rows: Vec<Option<Rows>>,
    feeds: HashMap<String, (Feed, Option<Rows>)>,
    row_inputs: Vec<RowInput>,
}

pub(crate) fn refused(e: OpError) -> Error {
    Error::Spec(e.0)
}

impl Setup<'_> {
    /// What comes in for each row.
    pub(crate) fn row_inputs(&self) -> Vec<RowInput> {
        let n = self.inputs.len();
        let mut list: Vec<RowInput> = (0..n).map(RowInput::Input).collect();
        list.extend((0..n).filter(|&i| self.baseline_comes(i)).map(RowInput::Baseline));
        list.extend(
            (0..self.spec.targets.len())
                .filter(|&t| target::is_per_row(&self.spec.targets[t]))
                .map(RowInput::Chosen),
        );
        if let Some(masks) = &self.batch.feature_mask {
            let own = |i: &usize| masks[*i].shape().first().is_some_and(|&d| d != 1);
            list.extend((0..masks.len().min(n)).filter(own).map(RowInput::Mask));
        }
        list
    }

    /// The graph for batches of `rows` rows.
    pub(crate) fn frame(&self, rows: usize) -> Result<Frame> {
        self.frame_with(rows, false)
    }

    /// The same, with composites that are neither affine nor elementwise replaced by their bodies where `open` says so.
    pub(crate) fn frame_with(&self, rows: usize, open: bool) -> Result<Frame> {
        let network = self.model.network();
        let how = |rows| self.model.specialisation(self.inputs, rows, self.spec.precision);
        let mut wanted: Vec<usize> = self.layer.into_iter().collect();
        if !self.spec.targets.is_empty() {
            wanted.push(self.output);
        }
        let mut specialised = network.specialise_rows(how, rows, &wanted)?;
        // A composite that only runs through its body is its body from here on, or the derivative would compute that once more.
        let whole = |n: &pellucid_graph::Node| {
            let kind = || n.op.kind(&vec![true; n.inputs.len()]);
            !n.op.runs() || open && matches!(kind(), Kind::Normalize | Kind::Other)
        };
        if specialised.graph.nodes().iter().any(whole) {
            let (graph, map) = pellucid_graph::lower::lower(&specialised.graph, &whole)?;
            for value in specialised.values.iter_mut().flatten() {
                *value = map[value];
            }
            specialised.graph = graph;
        }
        let values = specialised.values;
        let place = |symbol: usize| {
            values[symbol].ok_or_else(|| {
                Error::Spec(format!(
                    "{:?} is not computed on the way to the output",
                    network.symbols()[symbol].name
                ))
            })
        };
        let layer = self.layer.map(place).transpose()?;
        let inputs: Vec<ValueId> = network.inputs().iter().map(|&s| place(s)).collect::<Result<_>>()?;
        let row_inputs = self.row_inputs();
        let mut feeds = HashMap::new();
        for (i, &id) in inputs.iter().enumerate() {
            feeds.insert(specialised.graph.label(id), (Feed::Row(i), Some(Rows::BATCH)));
        }
        let graph = specialised.graph;
        let rowed = inputs.iter().filter(|id| graph.constant(**id).is_none());
        let batch = rowed.map(|&id| (id, Rows::BATCH)).collect();
        let own = graph.values().count();
        let places = graph.rows_of_values(&batch)?;
        let mut frame = Frame {
            b: Builder::from(graph),
            inputs,
            layer,
            targets: Vec::new(),
            scale: "",
            width: 0,
            own,
            rows: places,
            feeds,
            row_inputs,
        };
        if !self.spec.targets.is_empty() {
            self.add_targets(&mut frame, place(self.output)?)?;
        }
        Ok(frame)
    }

    /// Whether another output of the model is the sigmoid or softmax of the one that is explained. The graph of the explained output
    /// alone does not hold it.
    fn is_logit(&self) -> bool {
        let network = self.model.network();
        network.nodes().iter().any(|n| {
            let name = n.op.as_ref().map_or("", |op| op.definition().name);
            matches!(name, "Sigmoid" | "Softmax" | "LogSoftmax")
                && n.inputs.contains(&Some(self.output))
                && n.outputs.iter().flatten().any(|o| network.outputs().contains(o))
        })
    }

    fn add_targets(&self, frame: &mut Frame, output: ValueId) -> Result<()> {
        let mut scaled = target::scaled(&mut frame.b, output, self.spec.scale, self.is_logit())?;
        let mut shape = frame.b.shape(output).to_vec();
        let binary = scaled.width == 1 && scaled.name != "output";
        if binary && self.spec.targets.iter().any(target::names_classes) {
            if !self.spec.targets.iter().all(target::names_classes) {
                return Err(Error::Spec(
                    "targets by class and by index cannot be mixed on a single output".to_owned(),
                ));
            }
            scaled = target::both_classes(&mut frame.b, &scaled)?;
            shape = vec![frame.b.rows(), 2];
        }
        frame.scale = scaled.name;
        frame.width = scaled.width;
        for (t, target) in self.spec.targets.iter().enumerate() {
            let chosen = target::is_per_row(target)
                .then(|| frame.row_input(RowInput::Chosen(t), Fact::new(DType::I64, &[frame.b.rows(), 1])))
                .transpose()?;
            let value = target::select(&mut frame.b, &scaled, &shape, target, chosen)?;
            frame.targets.push(value);
        }
        Ok(())
    }

    /// What an input is compared with.
    fn baseline_of(&self, input: usize) -> Result<InputBaseline> {
        if let Some(own) = self.own_baseline(input) {
            return Ok(own);
        }
        Ok(match &self.spec.baseline {
            Baseline::Zero => InputBaseline::Zero,
            Baseline::Scalar(v) => InputBaseline::Scalar(*v),
            Baseline::Row(rows) => InputBaseline::Row(rows.get(input).cloned().ok_or_else(|| {
                Error::Baseline(format!(
                    "it has rows for {} inputs, the model has {}",
                    rows.len(),
                    self.inputs.len()
                ))
            })?),
            Baseline::Each | Baseline::Several => InputBaseline::Each,
        })
    }

    /// Whether an input's baseline comes with the data.
    pub(crate) fn baseline_comes(&self, input: usize) -> bool {
        self.role(input) != Role::Fixed && matches!(self.baseline_of(input), Ok(InputBaseline::Each))
    }

    /// The values from which attributions start, each with what stands in its place at the baseline.
    pub(crate) fn moves(&self, frame: &mut Frame, starts: &[Start]) -> Result<Vec<(ValueId, ValueId)>> {
        starts.iter().map(|s| Ok((s.value, self.base(frame, s)?))).collect()
    }

    fn base(&self, frame: &mut Frame, start: &Start) -> Result<ValueId> {
        let x = frame.inputs[start.input];
        let baseline = self.baseline_of(start.input)?;
        if start.embedding.is_none() {
            return self.baseline(frame, start.input, x, &baseline);
        }
        if baseline == InputBaseline::Zero {
            let fact = frame.b.fact(start.value);
            let zeros = Tensor::zeros(fact.dtype, &fact.shape);
            let zeros = zeros.ok_or_else(|| Error::Baseline("its embedding is too large".to_owned()))?;
            let rows = frame.rows_of(start.value);
            return Ok(frame.b.constant_of_rows(zeros, rows));
        }
        let ids = self.baseline(frame, start.input, x, &baseline)?;
        let embedded = frame.b.replay(&[(x, ids)], &[start.value])?;
        Ok(embedded.get(&start.value).copied().unwrap_or(start.value))
    }

    fn baseline(&self, frame: &mut Frame, i: usize, x: ValueId, baseline: &InputBaseline) -> Result<ValueId> {
        let fact = frame.b.fact(x).clone();
        // An input without dimensions is one value for all rows.
        let batch = (!fact.shape.is_empty()).then_some(Rows::BATCH);
        let name = self.model.input_names().get(i).copied().unwrap_or_default();
        let row = match baseline {
            InputBaseline::Zero => {
                let zeros = Tensor::zeros(fact.dtype, &fact.shape);
                let zeros = zeros.ok_or_else(|| Error::Baseline(format!("input {name:?} is too large")))?;
                return Ok(frame.b.constant_of_rows(zeros, batch));
            }
            InputBaseline::Text(text) if fact.dtype == DType::String => {
                let all = Tensor::new(&fact.shape, vec![text.clone(); fact.len()]);
                let all = all.ok_or_else(|| Error::Baseline(format!("input {name:?} is too large")))?;
                return Ok(frame.b.constant_of_rows(all, batch));
            }
            InputBaseline::Text(_) => {
                return Err(Error::Baseline(format!(
                    "a text for input {name:?}, which is of {}",
                    fact.dtype
                )));
            }
            InputBaseline::Each => return frame.row_input(RowInput::Baseline(i), fact),
            InputBaseline::Scalar(v) => vec![*v],
            InputBaseline::Row(row) => {
                let each: usize = fact.shape.iter().skip(1).product();
                if row.len() != each {
                    return Err(Error::Baseline(format!(
                        "its row for input {i} has {} elements, expected {each}",
                        row.len()
                    )));
                }
                row.clone()
            }
        };
        let all: Vec<f64> = row.iter().copied().cycle().take(fact.len()).collect();
        let tensor =
            tensor_of(&fact, &all).map_err(|why| Error::Baseline(format!("input {name:?} {why}")))?;
        Ok(frame.b.constant_of_rows(tensor, batch))
    }
}

/// Numbers as elements of a type; integers from whole numbers only.
fn tensor_of(fact: &Fact, values: &[f64]) -> Result<Tensor, String> {
    let whole = |v: f64| {
        let fits = v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
        fits.then_some(v as i64).ok_or_else(|| format!("is of {}, {v} is none", fact.dtype))
    };
    let integers = || values.iter().map(|&v| whole(v)).collect::<Result<Vec<i64>, String>>();
    macro_rules! narrow {
        ($type:ty) => {{
            let narrow =
                |v: i64| <$type>::try_from(v).map_err(|_| format!("is of {}, {v} is none", fact.dtype));
            Tensor::new(&fact.shape, integers()?.into_iter().map(narrow).collect::<Result<Vec<_>, _>>()?)
        }};
    }
    let tensor = match fact.dtype {
        DType::F32 => Tensor::new(&fact.shape, values.iter().map(|&v| v as f32).collect()),
        DType::F64 => Tensor::new(&fact.shape, values.to_vec()),
        DType::Bool => Tensor::new(&fact.shape, values.iter().map(|&v| v != 0.0).collect()),
        DType::I64 => Tensor::new(&fact.shape, integers()?),
        DType::I8 => narrow!(i8),
        DType::I16 => narrow!(i16),
        DType::I32 => narrow!(i32),
        DType::U8 => narrow!(u8),
        DType::U16 => narrow!(u16),
        DType::U32 => narrow!(u32),
        DType::U64 => narrow!(u64),
        DType::String => None,
    };
    tensor.ok_or_else(|| format!("is of {}, which has no numbers", fact.dtype))
}

impl Frame {
    /// Where the rows of one of the model's own values lie.
    pub(crate) fn rows_of(&self, value: ValueId) -> Option<Rows> {
        self.rows.get(value.index()).copied().flatten()
    }

    /// The number of rows of the batch.
    pub(crate) fn count(&self) -> usize {
        self.b.rows()
    }

    /// Adds an input that comes in for each row.
    pub(crate) fn row_input(&mut self, which: RowInput, fact: Fact) -> Result<ValueId> {
        let position = self
            .row_inputs
            .iter()
            .position(|r| *r == which)
            .ok_or_else(|| Error::Spec(format!("{which:?} does not come with the data")))?;
        let rows = Some(Rows::BATCH);
        Ok(self.input(&format!("pellucid:{which:?}"), fact, Feed::Row(position), rows))
    }

    /// Adds an input with its feed.
    pub(crate) fn input(&mut self, name: &str, fact: Fact, feed: Feed, rows: Option<Rows>) -> ValueId {
        self.feeds.insert(name.to_owned(), (feed, rows));
        self.b.input(name, fact)
    }

    /// Adds an input that carries an output of the first stage.
    pub(crate) fn carried(&mut self, position: usize, fact: Fact, rows: Option<Rows>) -> ValueId {
        self.input(&format!("pellucid:carried:{position}"), fact, Feed::Carried(position), rows)
    }

    /// Makes one of the model's own values an input that carries an output of the first stage.
    pub(crate) fn carry_own(&mut self, value: ValueId, position: usize) {
        let name = format!("pellucid:carried:{position}");
        self.b.rename(value, &name);
        self.feeds.insert(name, (Feed::Carried(position), self.rows[value.index()]));
    }

    /// Adds a value on the line between two outputs of the first stage, for each point at its `number`.
    pub(crate) fn line(&mut self, ends: (usize, usize), number: usize, fact: Fact, rows: Rows) -> ValueId {
        let (start, difference) = ends;
        let name = format!("pellucid:line:{start}:{difference}:{number}");
        self.input(&name, fact, Feed::Line { start, difference, number }, Some(rows))
    }

    /// Adds a number for each point, shaped to be multiplied with values whose rows lie as those of a value of `rank` dimensions do.
    pub(crate) fn point_number(
        &mut self,
        number: usize,
        name: &str,
        dtype: DType,
        rows: Rows,
        rank: usize,
    ) -> Result<ValueId> {
        let count = self.count();
        let plain = self.input(
            &format!("pellucid:point:{name}:{number}"),
            Fact::new(dtype, &[count]),
            Feed::Point(number),
            Some(Rows::BATCH),
        );
        let spread = |b: &mut Builder| {
            let column = b.reshape(plain, &[1, count, 1])?;
            let wide = b.expand(column, &[rows.outer, count, rows.inner])?;
            let mut shape = vec![1; rank];
            shape[rows.axis] = rows.outer * count * rows.inner;
            b.reshape(wide, &shape)
        };
        spread(&mut self.b).map_err(refused)
    }

    /// Adds an input that holds a sum over the row's points.
    pub(crate) fn sum(&mut self, position: usize, fact: Fact, rows: Option<Rows>) -> ValueId {
        self.input(&format!("pellucid:sum:{position}"), fact, Feed::Sum(position), rows)
    }

    /// The stage that computes some values, the values in `given` being inputs.
    pub(crate) fn stage(self, given: &[ValueId], outputs: &Outputs) -> Result<Stage> {
        self.stage_with(given, outputs, Stage::new)
    }

    /// The same for points, of which a row has so many.
    pub(crate) fn stage_of_points(
        self,
        given: &[ValueId],
        outputs: &Outputs,
        points: usize,
    ) -> Result<Stage> {
        self.stage_with(given, outputs, |graph, feeds, rows, places| {
            Stage::of_points(graph, feeds, rows, places, points)
        })
    }

    fn stage_with(
        self,
        given: &[ValueId],
        outputs: &Outputs,
        make: impl Fn(&Graph, &[Feed], &[Option<Rows>], &[Option<Rows>]) -> pellucid_engine::Result<Stage>,
    ) -> Result<Stage> {
        let values: Vec<ValueId> = outputs.0.iter().map(|o| o.0).collect();
        let places: Vec<Option<Rows>> = outputs.0.iter().map(|o| o.1).collect();
        let (graph, _) = self.b.finish(&values).slice(given, &values)?;
        let mut feeds = Vec::new();
        let mut rows = Vec::new();
        for &id in graph.inputs() {
            let label = graph.label(id);
            let Some((feed, place)) = self.feeds.get(&label) else {
                return Err(Error::Spec(format!("input {label:?} is not fed")));
            };
            feeds.push(*feed);
            rows.push(*place);
        }
        Ok(make(&graph, &feeds, &rows, &places)?)
    }
}
