//! What training does besides its arithmetic: stopping, cancelling, the seed, units, and what it refuses.

#![expect(clippy::print_stdout, reason = "one test reads another's output; one prints a timing")]

use pellucid_graph::random::Stream;
use pellucid_train::{Epoch, ErrorKind, Head, Progress, Recipe, Samples, Step, Targets, Trained, fit};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

static RUNNING: AtomicBool = AtomicBool::new(false);

fn recipe(text: &str) -> Recipe {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Rows of three features in [−1, 1], and a class: whether x₀ > x₁, turned over with the chance given.
fn rows(count: usize, noise: f64, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut stream = Stream::new(seed, [0; 3]);
    let features: Vec<f32> = (0..3 * count).map(|_| (2.0 * stream.uniform() - 1.0) as f32).collect();
    let class = |row: &[f32]| u32::from((row[0] > row[1]) != (stream.uniform() < noise));
    let classes = features.chunks_exact(3).map(class).collect();
    (features, classes)
}

fn binary<'a>((features, classes): &'a (Vec<f32>, Vec<u32>)) -> Samples<'a> {
    Samples { features, columns: 3, targets: Targets::Classes { classes, count: 2 } }
}

const SMALL: &str = r#"
loss = { kind = "binary_cross_entropy", pos_weight = "balanced" }
learning_rate = 0.01
epochs = 8
batch_size = 10
seed = 3
network = { layers = [12, 6], dropout = 0.2 }
"#;

#[test]
fn a_network_learns() {
    let (train, test) = (rows(400, 0.0, 1), rows(200, 0.0, 2));
    let mut recipe = recipe(SMALL);
    recipe.epochs = 40;
    let trained = fit(&recipe, &binary(&train), Some(&binary(&test)), &mut (), &RUNNING).unwrap();
    assert_eq!((trained.head(), trained.history.len(), trained.best_epoch), (&Head::Logit, 40, 40));
    assert!(!trained.stopped_early);
    let logits = trained.predict(&test.0).unwrap();
    let right = logits.iter().zip(&test.1).filter(|&(&z, &class)| (z > 0.0) == (class == 1)).count();
    assert!(right >= 190, "{right} of 200");
    let positives = train.1.iter().filter(|&&class| class == 1).count() as f64;
    assert_eq!(trained.loss_weights, [(400.0 - positives) / positives]);
}

fn hash(trained: &Trained) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for layer in trained.layers() {
        layer.weight().iter().chain(layer.bias()).for_each(|x| x.to_bits().hash(&mut hasher));
    }
    hasher.finish()
}

fn large_run() -> Trained {
    // Wide and with large batches, so that a matrix product with threads would use them.
    let train = rows(1200, 0.1, 4);
    let recipe = recipe(
        r#"
        loss = { kind = "binary_cross_entropy" }
        epochs = 2
        batch_size = 512
        network = { layers = [256, 256], dropout = 0.1, activation = "gelu" }
        "#,
    );
    fit(&recipe, &binary(&train), None, &mut (), &RUNNING).unwrap()
}

/// Run in processes of their own by the test below.
#[test]
#[ignore = "a part of another test"]
fn print_the_hash_of_a_run() {
    println!("hash {:016x}", hash(&large_run()));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let run = |threads: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "print_the_hash_of_a_run", "--ignored", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let at = text.find("hash ").unwrap_or_else(|| panic!("{text}"));
        text[at + 5..at + 21].to_owned()
    };
    let expected = format!("{:016x}", hash(&large_run()));
    assert_eq!([run("1"), run("2"), run("7")], [expected.clone(), expected.clone(), expected]);
}

#[test]
fn the_seed_decides() {
    let train = rows(100, 0.1, 5);
    let run = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = recipe(SMALL);
        change(&mut recipe);
        hash(&fit(&recipe, &binary(&train), None, &mut (), &RUNNING).unwrap())
    };
    let first = run(&|_| ());
    assert_eq!(first, run(&|_| ()));
    assert_ne!(first, run(&|recipe| recipe.seed = 4));
    assert_ne!(first, run(&|recipe| recipe.shuffle = false));
    assert_ne!(first, run(&|recipe| recipe.network.dropout = 0.0));
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    // Labels of pure noise: the validation loss soon rises.
    let (train, held_out) = (rows(60, 0.5, 6), rows(60, 0.5, 7));
    let mut recipe = recipe(SMALL);
    (recipe.epochs, recipe.network.dropout, recipe.network.layers) = (200, 0.0, vec![40, 40]);
    let run =
        |recipe: &Recipe| fit(recipe, &binary(&train), Some(&binary(&held_out)), &mut (), &RUNNING).unwrap();
    recipe.early_stopping = Some(toml::from_str("patience = 3").unwrap());
    let stopped = run(&recipe);
    assert!(stopped.stopped_early && stopped.history.len() < 200);
    assert_eq!(stopped.history.len(), stopped.best_epoch + 3);
    let loss = |epoch: &Epoch| epoch.validation_loss.unwrap();
    let lowest = stopped.history.iter().map(loss).fold(f64::INFINITY, f64::min);
    assert_eq!(loss(&stopped.history[stopped.best_epoch - 1]), lowest);

    // The weights are those of a run that ends at the best epoch.
    let mut short = recipe.clone();
    (short.epochs, short.early_stopping) = (stopped.best_epoch, None);
    assert_eq!(run(&short).layers(), stopped.layers());
    // Unless the last are asked for.
    recipe.early_stopping = Some(toml::from_str("patience = 3\nrestore_best = false").unwrap());
    let last = run(&recipe);
    assert_eq!(last.best_epoch, last.history.len());
    assert_ne!(last.layers(), stopped.layers());
}

#[test]
fn a_standardised_target_is_predicted_in_its_own_units() {
    let (features, _) = rows(300, 0.0, 8);
    let values: Vec<f32> = features.chunks_exact(3).map(|x| 5e5 + 1e5 * (x[0] - 0.5 * x[2])).collect();
    let samples = Samples {
        features: &features,
        columns: 3,
        targets: Targets::Numbers { values: &values, outputs: 1 },
    };
    let recipe = recipe(
        r#"
        loss = "squared_error"
        standardise_target = true
        learning_rate = 0.01
        epochs = 60
        batch_size = 20
        network = { layers = [] }
        "#,
    );
    let trained = fit(&recipe, &samples, Some(&samples), &mut (), &RUNNING).unwrap();
    let Head::Prediction(Some(target)) = trained.head() else { panic!("{:?}", trained.head()) };
    let mean = values.iter().map(|&y| f64::from(y)).sum::<f64>() / 300.0;
    assert!((f64::from(target.mean[0]) - mean).abs() < 0.1);
    let predicted = trained.predict(&features).unwrap();
    let worst = predicted.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 2000.0, "{worst}");
    // The last losses are in deviations, for both splits.
    let last = trained.history.last().unwrap();
    assert!(last.train_loss < 1e-3 && last.validation_loss.unwrap() < 1e-3);
}

struct CancelAfter<'a>(usize, &'a AtomicBool);

impl Progress for CancelAfter<'_> {
    fn batch(&mut self, step: Step) {
        assert_eq!((step.epochs, step.batches), (8, 10));
        if step.epoch == 2 && step.batch == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn cancelling_interrupts() {
    let train = rows(100, 0.1, 9);
    let cancel = AtomicBool::new(false);
    let error =
        fit(&recipe(SMALL), &binary(&train), None, &mut CancelAfter(3, &cancel), &cancel).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Interrupted { epoch: 2 }), "{error}");
}

#[test]
fn divergence_is_an_error() {
    let (features, _) = rows(100, 0.0, 10);
    let values: Vec<f32> = features.iter().step_by(3).map(|x| 1e6 * x).collect();
    let samples = Samples {
        features: &features,
        columns: 3,
        targets: Targets::Numbers { values: &values, outputs: 1 },
    };
    let mut recipe = recipe(SMALL);
    recipe.loss = toml::from_str::<toml::Table>("kind = \"squared_error\"").unwrap().try_into().unwrap();
    recipe.optimiser = toml::from_str::<toml::Table>("kind = \"sgd\"").unwrap().try_into().unwrap();
    recipe.learning_rate = Some(10.0);
    let error = fit(&recipe, &samples, None, &mut (), &RUNNING).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("smaller learning rate"), "{error}");
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let good = rows(10, 0.0, 11);
    let with = |features: &[f32], columns, targets: Targets<'_>, loss: &str| {
        let mut recipe = recipe(SMALL);
        recipe.loss = toml::from_str::<toml::Table>(&format!("kind = {loss:?}")).unwrap().try_into().unwrap();
        let samples = Samples { features, columns, targets };
        fit(&recipe, &samples, None, &mut (), &RUNNING).unwrap_err().to_string()
    };
    let classes = Targets::Classes { classes: &good.1, count: 2 };
    let numbers = [0.5f32; 10];
    let values = Targets::Numbers { values: &numbers, outputs: 1 };
    let (bce, ce, mse) = ("binary_cross_entropy", "cross_entropy", "squared_error");
    let mut broken = good.0.clone();
    broken[4] = f32::NAN;
    let large = [2.0f32; 10];
    let cases = [
        (with(&[], 3, classes, bce), "expected at least one row of 3 features, got 0 numbers"),
        (with(&good.0, 0, classes, bce), "at least one row of 0 features"),
        (with(&good.0[1..], 3, classes, bce), "got 29 numbers"),
        (with(&broken, 3, classes, bce), "NaN in row 1, column 1"),
        (with(&good.0[3..], 3, classes, bce), "expected 9 targets, one per row, got 10"),
        (
            with(&good.0, 3, Targets::Classes { classes: &[7; 10], count: 2 }, bce),
            "classes below 2, got 7 in row 0",
        ),
        (with(&good.0, 3, Targets::Classes { classes: &[0; 10], count: 3 }, bce), "two classes"),
        (with(&good.0, 3, Targets::Classes { classes: &[0; 10], count: 1 }, ce), "two or more classes"),
        (with(&good.0, 3, classes, mse), "expected numbers for squared_error, got classes"),
        (with(&good.0, 3, values, ce), "expected classes for cross_entropy, got numbers"),
        (with(&good.0, 3, Targets::Numbers { values: &numbers, outputs: 2 }, mse), "10 rows of 2 targets"),
        (with(&good.0, 3, Targets::Numbers { values: &numbers, outputs: 0 }, mse), "10 rows of 0 targets"),
        (
            with(&good.0, 3, Targets::Numbers { values: &large, outputs: 1 }, bce),
            "targets from 0 to 1, got 2",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }

    let train = binary(&good);
    let narrow = Samples { columns: 2, features: &good.0[..20], ..train };
    let error = fit(&recipe(SMALL), &train, Some(&narrow), &mut (), &RUNNING).unwrap_err().to_string();
    assert!(error.contains("the validation rows: expected 3 features and 1 outputs, got 2"), "{error}");
    let one_sided = Samples { targets: Targets::Classes { classes: &[0; 10], count: 2 }, ..train };
    let error = fit(&recipe(SMALL), &one_sided, None, &mut (), &RUNNING).unwrap_err().to_string();
    assert!(error.contains("0 positive and 10 negative"), "{error}");
}

#[test]
fn recipes_out_of_range_are_refused() {
    let cases = [
        ("epochs", "0", "epochs: expected at least 1, got 0"),
        ("batch_size", "0", "batch_size: expected at least 1, got 0"),
        ("learning_rate", "-0.1", "learning_rate: expected a positive number, got -0.1"),
        ("learning_rate", "nan", "learning_rate"),
        ("weight_decay", "-1.0", "weight_decay"),
        ("standardise_target", "true", "the loss squared_error with it, got binary_cross_entropy"),
        (
            "network",
            "{ layers = [4, 0] }",
            "network.layers: expected widths of at least 1, got 0 for layer 2",
        ),
        ("network", "{ layers = [100000, 100000] }", "at most 100000000 parameters, got 10000600001"),
        ("network", "{ layers = [9223372036854775807, 2] }", "at most 100000000 parameters"),
        ("network", "{ layers = [4], dropout = 1.0 }", "network.dropout"),
        ("loss", "{ kind = \"binary_cross_entropy\", pos_weight = 0.0 }", "loss.pos_weight"),
        ("loss", "{ kind = \"cross_entropy\", class_weights = [1.0, -1.0] }", "loss.class_weights"),
        (
            "loss",
            "{ kind = \"cross_entropy\", class_weights = [1.0] }",
            "expected 2 weights, one per class, got 1",
        ),
        ("optimiser", "{ kind = \"adam\", betas = [0.9, 1.0] }", "optimiser.betas"),
        ("optimiser", "{ kind = \"adamw\", epsilon = 0.0 }", "optimiser.epsilon"),
        ("optimiser", "{ kind = \"rmsprop\", alpha = -0.1 }", "optimiser.alpha"),
        ("optimiser", "{ kind = \"sgd\", momentum = 1.5 }", "optimiser.momentum"),
        ("optimiser", "{ kind = \"sgd\", momentum = 0.5, dampening = 2.0 }", "optimiser.dampening"),
        ("optimiser", "{ kind = \"sgd\", nesterov = true }", "optimiser.nesterov: expected a momentum"),
        ("early_stopping", "{ patience = 0 }", "early_stopping.patience"),
        ("early_stopping", "{ patience = 2, min_delta = -1.0 }", "early_stopping.min_delta"),
        (
            "early_stopping",
            "{ patience = 2 }",
            "early_stopping: expected validation rows to stop by, got none",
        ),
    ];
    let train = rows(20, 0.0, 12);
    for (option, value, expected) in cases {
        let mut table: toml::Table = toml::from_str(SMALL).unwrap();
        let change: toml::Table = toml::from_str(&format!("{option} = {value}")).unwrap();
        table.extend(change);
        let recipe: Recipe = table.try_into().unwrap_or_else(|error| panic!("{option} = {value}: {error}"));
        let error = fit(&recipe, &binary(&train), None, &mut (), &RUNNING).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Recipe { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    }
}

#[test]
fn recipes_that_cannot_be_read_say_where() {
    let cases = [
        ("epoch = 3", "unknown field `epoch`"),
        (
            "optimiser = \"adagrad\"",
            "unknown variant `adagrad`, expected one of `adam`, `adamw`, `rmsprop`, `sgd`",
        ),
        ("optimiser = { kind = \"adam\", momentum = 0.9 }", "unknown field `momentum`"),
        ("optimiser = 3", "a name, or a table with `kind`"),
        ("loss = \"hinge\"", "unknown variant `hinge`"),
        ("loss = { kind = \"binary_cross_entropy\", pos_weight = \"heavy\" }", "a number or \"balanced\""),
        ("loss = { kind = \"cross_entropy\", class_weights = 3.0 }", "one number per class or \"balanced\""),
        ("network = { layers = [3], activation = \"swish\" }", "unknown variant `swish`"),
        ("network = { layers = [3], drop = 0.3 }", "unknown field `drop`"),
        ("network = { layers = [-3] }", "-3"),
        ("early_stopping = {}", "missing field `patience`"),
    ];
    for (text, expected) in cases {
        let name = text.split(' ').next().unwrap();
        let kept: Vec<&str> = SMALL.lines().filter(|line| !line.starts_with(name)).collect();
        let error =
            toml::from_str::<Recipe>(&format!("{}\n{text}", kept.join("\n"))).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} does not say {expected:?}");
    }
}

#[test]
fn a_recipe_survives_writing() {
    for text in [SMALL, "loss = \"squared_error\"\nepochs = 1\nbatch_size = 1\nnetwork = { layers = [] }"] {
        let first = recipe(text);
        assert_eq!(recipe(&toml::to_string(&first).unwrap()), first);
    }
}

#[test]
fn initial_weights_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.safetensors");
    let train = rows(20, 0.0, 13);
    let mut recipe = recipe(SMALL);
    (recipe.network.layers, recipe.network.initial_weights) = (vec![2], Some(path.clone()));
    let refusal = |bytes: Option<Vec<u8>>| {
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        match fit(&recipe, &binary(&train), None, &mut (), &RUNNING) {
            Ok(_) => "taken".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let file = |tensors: &[(&str, Dtype, &[usize])], fill: f32| {
        let data: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, dtype, shape)| {
                let count = shape.iter().product();
                match dtype {
                    Dtype::F64 => vec![f64::from(fill).to_le_bytes(); count].concat(),
                    Dtype::F32 => vec![fill.to_le_bytes(); count].concat(),
                    _ => vec![0; 2 * count],
                }
            })
            .collect();
        let views = tensors.iter().zip(&data).map(|((name, dtype, shape), data)| {
            (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap())
        });
        Some(safetensors::serialize(views, None).unwrap())
    };
    let (w1, b1): (&[usize], &[usize]) = (&[2, 3], &[2]);
    let (w2, b2): (&[usize], &[usize]) = (&[1, 2], &[1]);
    let f32s = [
        ("layer1.weight", Dtype::F32, w1),
        ("layer1.bias", Dtype::F64, b1),
        ("layer2.weight", Dtype::F32, w2),
        ("layer2.bias", Dtype::F32, b2),
    ];
    let changed = |at: usize, tensor| {
        let mut tensors = f32s;
        tensors[at] = tensor;
        tensors
    };
    assert!(refusal(None).contains("cannot read the initial weights"));
    assert_eq!(refusal(file(&f32s, 0.5)), "taken");
    let whole = file(&f32s, 0.5).unwrap();
    let mut claim = whole.clone();
    claim[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cases = [
        (Some(whole[..whole.len() - 1].to_vec()), "expected a safetensors file"),
        (Some(b"PK\x03\x04 not it".to_vec()), "expected a safetensors file"),
        (Some(Vec::new()), "expected a safetensors file"),
        (Some(claim), "expected a safetensors file"),
        (Some(vec![0; 2 << 20]), "expected the 11 parameters of this network"),
        (file(&f32s[..3], 0.5), "expected 4 tensors, layer1.weight to layer2.bias, got 3"),
        (file(&changed(3, ("bias", Dtype::F32, b2)), 0.5), "expected a tensor layer2.bias, got bias,"),
        (file(&changed(0, ("layer1.weight", Dtype::F32, &[3, 2])), 0.5), "of shape [2, 3], got [3, 2]"),
        (file(&changed(0, ("layer1.weight", Dtype::F16, w1)), 0.5), "layer1.weight of f32 or f64, got F16"),
        (file(&f32s, f32::NAN), "finite numbers in layer1.weight, got NaN"),
    ];
    for (bytes, expected) in cases {
        let message = refusal(bytes);
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn weights_can_be_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.safetensors");
    let train = rows(50, 0.1, 14);
    let mut recipe = recipe(SMALL);
    let first = fit(&recipe, &binary(&train), None, &mut (), &RUNNING).unwrap();
    std::fs::write(&path, first.to_safetensors()).unwrap();
    (recipe.network.initial_weights, recipe.learning_rate) = (Some(path), Some(1e-30));
    let second = fit(&recipe, &binary(&train), None, &mut (), &RUNNING).unwrap();
    assert_eq!(first.layers(), second.layers());
}

/// The recipe of the bank example, on rows of its size: run with `--ignored --nocapture` to see the time.
#[test]
#[ignore = "takes seconds; prints a timing"]
fn bank_sized_training() {
    let mut stream = Stream::new(1, [1; 3]);
    let features: Vec<f32> = (0..3616 * 51).map(|_| stream.normal() as f32).collect();
    let classes: Vec<u32> = features.chunks_exact(51).map(|row| u32::from(row[0] + row[1] > 1.5)).collect();
    let samples = Samples {
        features: &features,
        columns: 51,
        targets: Targets::Classes { classes: &classes, count: 2 },
    };
    let recipe = recipe(
        r#"
        loss = { kind = "binary_cross_entropy", pos_weight = "balanced" }
        optimiser = "adam"
        epochs = 120
        batch_size = 10
        network = { layers = [80, 30, 10], dropout = 0.3 }
        "#,
    );
    let start = std::time::Instant::now();
    let trained = fit(&recipe, &samples, None, &mut (), &RUNNING).unwrap();
    let last = trained.history.last().unwrap();
    println!("{} epochs in {:.1} s, loss {:.4}", last.number, start.elapsed().as_secs_f64(), last.train_loss);
}
