//! What of a model can be explained: by which methods, from where, and what is in the way.

use pellucid_graph::{Obstacle, Refusal, Specialised, Tensor, flow};

use crate::error::{Error, Result};
use crate::explain::Job;
use crate::explanation::{Batch, InputUse};
use crate::methods::{self, MethodInfo, TABLE};
use crate::model::{Model, mixes_rows, rows_of};
use crate::spec::{Method, Precision, Spec, Target};

/// What of a model can be explained.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Every method of the table, in its order.
    pub methods: Vec<MethodReach>,
    /// Whether rows of a batch influence each other, so that the model is explained one row at a time.
    pub one_row: bool,
    /// For each value of the network, by position among its symbols: whether it is of floats and depends on an input, so that it can be a
    /// layer.
    pub values: Vec<bool>,
    /// For each value, whether the main output's gradient reaches it too, as all layer methods but activation need.
    pub gradients: Vec<bool>,
    /// Every node that a gradient from the main output to the inputs would have to pass and cannot. Behind an operator that is missing, or that refuses
    /// its inputs, those that let none pass whatever the sizes.
    pub obstacles: Vec<Obstacle>,
    /// Every node that refuses its inputs at these sizes. Whether what lies behind one refuses its own is not known.
    pub refusals: Vec<Refusal>,
}

/// How far one method reaches.
#[derive(Clone, Debug)]
pub struct MethodReach {
    /// The method.
    pub info: &'static MethodInfo,
    /// The inputs that it explains, with embeddings where it starts there; none for layer methods.
    pub inputs: Vec<InputUse>,
    /// How many layers it can attribute to; 0 for other methods.
    pub layers: usize,
    /// Why it does not work; `None` where it does.
    pub reason: Option<String>,
}

impl Model {
    /// Finds out which methods work, and from where, for inputs of the shapes of some rows. Their elements play no part, and nothing is run.
    ///
    /// Methods are planned one after another, each with its default arguments, those of layers at the last layer that they reach. Two rows
    /// show whether rows mix; one does not.
    pub fn survey(&self, inputs: &[Tensor]) -> Survey {
        let count = self.network().symbols().len();
        let mut found = Survey {
            methods: Vec::new(),
            one_row: false,
            values: vec![false; count],
            gradients: vec![false; count],
            obstacles: Vec::new(),
            refusals: Vec::new(),
        };
        let ends = self.layers(inputs, &mut found);
        if ends.is_err() {
            found.obstacles = self.obstacles_at_any_size();
        }
        for info in TABLE {
            let reach = match &ends {
                Ok(ends) => self.reach(inputs, info, ends, &mut found),
                Err(error) => Err(error.to_string()),
            };
            let (inputs, layers, reason) = match reach {
                Ok((inputs, layers)) => (inputs, layers, None),
                Err(reason) => (Vec::new(), 0, Some(reason)),
            };
            found.methods.push(MethodReach { info, inputs, layers, reason });
        }
        found
    }

    /// The nodes in the way of a gradient from the main output to the inputs, as far as no size need be known for that.
    pub fn obstacles_at_any_size(&self) -> Vec<Obstacle> {
        self.main_symbol().map(|main| self.network().obstacles(main, None)).unwrap_or_default()
    }

    fn main_symbol(&self) -> Option<usize> {
        self.main_output().map(|i| self.network().outputs()[i])
    }

    /// The inputs or the number of layers that a method reaches, or why it does not work.
    fn reach(
        &self,
        inputs: &[Tensor],
        info: &MethodInfo,
        ends: &Ends,
        found: &mut Survey,
    ) -> Result<(Vec<InputUse>, usize), String> {
        let places = if info.has_target { &found.gradients } else { &found.values };
        let layers: Vec<usize> = (0..places.len()).filter(|&s| places[s]).collect();
        // The output is a layer too, but not one to explain it by.
        let layer = layers.iter().rev().copied().find(|&s| Some(s) != ends.main || !info.has_target);
        let layer = match (info.has_layer, layer) {
            (true, None) if info.has_target => {
                return Err("the output's gradient reaches no layer before it".to_owned());
            }
            (true, None) => return Err("no layer is of floats".to_owned()),
            (has_layer, layer) => layer.filter(|_| has_layer),
        };
        let spec = self.probing(info, &ends.target, layer).map_err(|e| e.to_string())?;
        let (explained, one_row) = self.planned(inputs, &spec).map_err(|e| match e {
            Error::Refused { reason, .. } => reason,
            other => other.to_string(),
        })?;
        found.one_row |= one_row;
        Ok(if info.has_layer { (Vec::new(), layers.len()) } else { (explained, 0) })
    }

    /// Finds the values that can be layers, and what is explained.
    fn layers(&self, inputs: &[Tensor], found: &mut Survey) -> Result<Ends> {
        let network = self.network();
        let inputs = self.prepare_inputs(inputs, Precision::Float32)?;
        let how = self.specialisation(&inputs, rows_of(&inputs), Precision::Float32);
        let wanted: Vec<usize> =
            network.nodes().iter().flat_map(|n| n.outputs.iter().flatten().copied()).collect();
        let (known, refusals) = network.specialise_leniently(&how, &wanted)?;
        found.refusals = refusals;
        let Specialised { graph, values, .. } = &known;
        let active = graph.dependents(graph.inputs());
        let own = |s: usize| values[s].filter(|v| active[v.index()] && graph.fact(*v).dtype.is_float());
        for symbol in wanted {
            found.values[symbol] = own(symbol).is_some();
        }
        let main_symbol = self.main_symbol();
        let Some(main) = main_symbol.and_then(|o| values[o]) else {
            found.obstacles = main_symbol.map(|o| network.obstacles(o, Some(&known))).unwrap_or_default();
            return Ok(Ends { target: Target::Output, main: None });
        };
        let flow = flow(graph, &[main]);
        for (symbol, reached) in found.gradients.iter_mut().enumerate() {
            *reached = found.values[symbol] && own(symbol).is_some_and(|v| flow.reaches[v.index()]);
        }
        found.obstacles = flow.obstacles;
        let behind = graph.shape(main).get(1..).unwrap_or(&[]);
        let single = behind.iter().product::<usize>() == 1;
        let target = if single { Target::Output } else { Target::Index(vec![0; behind.len()]) };
        Ok(Ends { target, main: main_symbol })
    }

    /// A method with its default arguments.
    fn probing(&self, info: &MethodInfo, target: &Target, layer: Option<usize>) -> Result<Spec> {
        let method: Method = serde_json::from_value(serde_json::json!({ "name": info.name }))
            .map_err(|e| Error::Spec(e.to_string()))?;
        let layer = layer.map(|s| self.network().symbols()[s].name.clone());
        Ok(Spec { targets: vec![target.clone()], layer, ..Spec::new(method) })
    }

    /// Plans a method: which inputs it explains, and whether only for single rows.
    fn planned(&self, inputs: &[Tensor], spec: &Spec) -> Result<(Vec<InputUse>, bool)> {
        let job = Job::new(self, spec)?;
        let inputs = self.prepare_inputs(inputs, spec.precision)?;
        let batch = Batch::new(inputs.clone());
        let setup = job.setup(&batch, &inputs);
        let rows = self.network().fixed_rows().unwrap_or_else(|| rows_of(&inputs));
        let (compiled, one_row) = match methods::compile(&setup, rows, rows) {
            Err(e) if rows > 1 && mixes_rows(&e) => (methods::compile(&setup, 1, 1)?, true),
            other => (other?, false),
        };
        Ok((compiled.inputs.into_iter().filter(|i| i.explained).collect(), one_row))
    }
}

/// What is explained.
struct Ends {
    /// An element of the main output.
    target: Target,
    /// That output, by position among the network's symbols; `None` where it cannot be computed.
    main: Option<usize>,
}
