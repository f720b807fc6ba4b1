//! A small table, a model of it, and the command.
#![allow(unreachable_pub)]
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pellucid_data::metadata::{KEY, Metadata, SplitRecord};
use pellucid_data::split::{Split, SplitOptions};
use pellucid_data::steps::{self, StepsOptions};
use pellucid_data::table::{self, ReadOptions};
use pellucid_data::target::{Target, TargetOptions};
use pellucid_graph::{DType, Dim, Network, Tensor, ops};

/// A folder with `clients.csv` and `model.onnx`.
pub struct Place {
    folder: tempfile::TempDir,
}

pub const ROWS: usize = 60;

impl Place {
    pub fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(this.path("clients.csv"), clients()).unwrap();
        this.model();
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Runs the command in the folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran::new(&output)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pellucid"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("CLICOLOR_FORCE")
            .env("NO_COLOR", "1");
        command
    }

    /// `pellucid explain model.onnx clients.csv …`, which must succeed.
    pub fn explain(&self, arguments: &[&str]) -> String {
        let ran = self.run(&[&["explain", "model.onnx", "clients.csv"], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        ran.stdout
    }

    /// The same, which must fail with a code and say something.
    #[track_caller]
    pub fn refuses(&self, arguments: &[&str], code: i32, says: &[&str]) {
        let ran = self.run(&[&["explain", "model.onnx", "clients.csv"], arguments].concat());
        ran.refused(code, says);
    }

    /// Two hidden layers on 2 scaled numbers and 3 + 2 one-hot columns, with everything about the table inside.
    fn model(&self) {
        let table = table::read(self.path("clients.csv"), &ReadOptions::default()).unwrap();
        let options = SplitOptions::Stratified { validation: 0.0, test: 0.25, seed: 3, column: None };
        let split = Split::make(&table, &options, Some("y")).unwrap();
        let features = ["age", "job", "balance", "loan"].map(str::to_owned);
        let steps = steps::fit(&table, &features, Some(&split), &StepsOptions::default()).unwrap();
        let target = Target::fit(&table, "y", Some(&split), &TargetOptions::default()).unwrap();
        assert_eq!(steps.width(), 7);
        let mut network = network(&[7, 6, 5, 1]);
        let record = Metadata::new(steps, Some(target), Some(SplitRecord::new(&split, Some(options))));
        network.metadata.insert(KEY.to_owned(), record.to_json().unwrap());
        network.save(self.path("model.onnx")).unwrap();
    }
}

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn new(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn refused(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for word in says {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// A network of Gemm and Relu with weights that are the same every time, and the outputs `logit` and `probability`.
pub fn network(widths: &[usize]) -> Network {
    let mut network = Network::new();
    let shape = |n| [Dim::Symbol("batch".to_owned()), Dim::Fixed(n)];
    let mut value = network.add_input("input", DType::F32, &shape(widths[0])).unwrap();
    for (k, pair) in widths.windows(2).enumerate() {
        let wave = |i: usize, step: f32| ((i as f32 + 1.0) * step + k as f32).sin();
        let weight = (0..pair[0] * pair[1]).map(|i| 0.9 * wave(i, 1.7)).collect();
        let bias = (0..pair[1]).map(|i| 0.2 * wave(i, 0.9)).collect();
        let weight = Tensor::new(&[pair[1], pair[0]], weight).unwrap();
        let weight = network.add_constant(&format!("layer{k}.weight"), weight).unwrap();
        let bias = network.add_constant(&format!("layer{k}.bias"), Tensor::vector::<f32>(bias)).unwrap();
        let last = k + 2 == widths.len();
        let name = if last { "logit".to_owned() } else { format!("layer{k}") };
        let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
        value = network.add_node(&name, gemm, &[value, weight, bias], &name).unwrap();
        if !last {
            value = network.add_node(&format!("relu{k}"), ops::Relu, &[value], &format!("relu{k}")).unwrap();
        }
    }
    let outputs = widths[widths.len() - 1];
    network.add_output(value, DType::F32, &shape(outputs));
    let probability = if outputs == 1 {
        network.add_node("probability", ops::Sigmoid, &[value], "probability").unwrap()
    } else {
        network
            .add_node("probability", ops::Softmax { axis: 1, flatten: false }, &[value], "probability")
            .unwrap()
    };
    network.add_output(probability, DType::F32, &shape(outputs));
    network
}

/// Sixty clients.
pub fn clients() -> String {
    let jobs = ["admin", "student", "retired"];
    let mut text = "id,age,job,balance,loan,y\n".to_owned();
    for i in 0..ROWS {
        let (age, job) = (20 + (i * 7) % 50, jobs[(i * i + i / 4) % 3]);
        let balance = (i as i64 * 97) % 1000 - 200;
        let loan = if i % 4 == 1 { "yes" } else { "no" };
        let y = if (age > 45) == (i % 5 != 0) { "yes" } else { "no" };
        text.push_str(&format!("c{i:02},{age},{job},{balance},{loan},{y}\n"));
    }
    text
}

/// The lines of a CSV text as fields; no field of these tests is quoted.
pub fn fields(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect()
}

/// A column of numbers of a CSV text.
pub fn column(text: &str, name: &str) -> Vec<f64> {
    let rows = fields(text);
    let place =
        rows[0].iter().position(|c| c == name).unwrap_or_else(|| panic!("no {name} in {:?}", rows[0]));
    rows[1..].iter().map(|r| r[place].parse().unwrap()).collect()
}

/// A table that a command wrote.
pub fn table(path: &Path) -> table::Batch {
    table::read(path, &ReadOptions::default()).unwrap()
}
