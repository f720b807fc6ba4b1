//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a failure of the system, such as a file that cannot be written
  2    wrong usage: an option, target, layer or recipe that does not exist or fit
  3    bad input: a model, table or array file that is missing, malformed or does not fit
  4    the model needs an operator or a derivative that is not there
  5    a check failed, such as --max-delta
  130  interrupted

Data goes to the standard output, all else to the error output. NO_COLOR, CLICOLOR and CLICOLOR_FORCE are heeded.";

/// Says how much each input of a trained network contributed to its predictions.
#[derive(Debug, Parser)]
#[command(name = "pellucid", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Print errors as JSON.
    #[arg(long, global = true)]
    pub(crate) json_errors: bool,
    /// Say nothing on the error output but errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a recipe: data, training, evaluation, explanations and a page that shows them.
    #[cfg(feature = "train")]
    Run(Run),
    /// Train the network of a recipe and save it as ONNX.
    #[cfg(feature = "train")]
    Train(Train),
    /// Judge a model on rows whose truth is known.
    Evaluate(Evaluate),
    /// Explain the predictions of a model for rows of a table or of arrays, or for pictures.
    Explain(Box<Explain>),
    /// Write a model that takes a table's columns as they are: its preprocessing as ONNX nodes before the network.
    Export(Export),
    /// Show what is in a model: inputs, outputs, layers, and operators that are missing.
    Inspect(Inspect),
    /// List the attribution methods.
    Methods(Methods),
    /// Print completions for a shell.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The recipe, a TOML file.
    pub(crate) recipe: PathBuf,
    /// Train and explain anew, whatever the output folder holds.
    #[arg(long)]
    pub(crate) force: bool,
    /// The output folder; `out` beside the recipe, or as the recipe says.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Threads; one for each core by default.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The recipe, a TOML file; its sections data, split, model and train are used.
    pub(crate) recipe: PathBuf,
    /// Train anew where a model is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// The output folder; `out` beside the recipe, or as the recipe says.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The model, an ONNX file.
    pub(crate) model: PathBuf,
    /// The data: CSV, Parquet, .npy, .npz or .safetensors.
    pub(crate) data: PathBuf,
    /// Which rows; may be given several times. The parts of the model's split by default, or all.
    #[arg(long, value_name = "ROWS")]
    pub(crate) rows: Vec<String>,
    /// A threshold for two classes, on the probability (0.5) or the logit (logit:0.5); may be given several times.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) threshold: Vec<String>,
    /// The column with the truth, where the model does not say.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// The network's columns in its order, where the model does not say.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) features: Option<Vec<String>>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Threads; one for each core by default.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Rows that run together. Does not change results; 1 for a model whose rows mix.
    #[arg(long, value_name = "N")]
    pub(crate) tile: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The model, an ONNX file that `pellucid train` wrote.
    pub(crate) model: PathBuf,
    /// The file to write. Its inputs are the table's columns: texts, of which the empty one is missing, 64-bit floats, of which NaN is, and 64-bit
    /// integers for codes that are too long for 32-bit floats.
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model, an ONNX file.
    pub(crate) model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Methods {
    /// Show one method in full.
    pub(crate) method: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How explained rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A table for people.
    Table,
    Csv,
    Jsonl,
    Parquet,
    Npy,
    Safetensors,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The model, an ONNX file.
    pub(crate) model: PathBuf,
    /// The data: CSV, Parquet, .npy, .npz or .safetensors; rows of different length as .jsonl, an object with the inputs by name in each line; a
    /// picture (PNG, JPEG, WebP) or a folder of pictures.
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) how: How,
    #[cfg(feature = "images")]
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How pictures are prepared and shown.
#[cfg(feature = "images")]
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Pictures")]
pub(crate) struct Images {
    /// The size before the crop: of the shorter side (256), or both (320x240); that of the model's input by default.
    #[arg(long, value_name = "SIZE")]
    pub(crate) image_size: Option<String>,
    /// The size that is cut from the middle (224, 224x192), or none; that of the model's input by default.
    #[arg(long, value_name = "SIZE")]
    pub(crate) crop: Option<String>,
    /// How pictures are resized: bilinear, bicubic, lanczos or nearest, as PIL.
    #[arg(long, value_name = "NAME")]
    pub(crate) resampling: Option<String>,
    /// What 0 to 255 becomes before mean and deviation: unit (0 to 1), symmetric (-1 to 1) or raw.
    #[arg(long, value_name = "RANGE")]
    pub(crate) pixel_scale: Option<String>,
    /// Subtracted: one number, one for each channel, or imagenet.
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub(crate) mean: Option<String>,
    /// Divides the difference: one number, one for each channel, or imagenet.
    #[arg(long, value_name = "NUMBERS")]
    pub(crate) std: Option<String>,
    /// The order of the input's axes: nchw or nhwc; as its shape says by default.
    #[arg(long, value_name = "ORDER")]
    pub(crate) layout: Option<String>,
    /// The order of the channels: rgb, bgr or grey; as the input's shape says by default.
    #[arg(long, value_name = "ORDER")]
    pub(crate) channels: Option<String>,
    /// What becomes of transparency: white or drop.
    #[arg(long, value_name = "WHAT")]
    pub(crate) alpha: Option<String>,
    /// The names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// How many classes are listed; 5 by default.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Draws pictures and attributions to a .svg or .png file, several methods side by side.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// What is drawn: overlay, heat-map, blended, masked, alpha-scaling or original.
    #[arg(long, value_enum, value_name = "VIEW")]
    pub(crate) view: Option<View>,
    /// Which attributions are drawn: all, positive, negative or absolute-value.
    #[arg(long, value_enum, value_name = "SIGN")]
    pub(crate) sign: Option<SignOf>,
    /// The largest magnitudes with the strongest colour, in percent of the sum of all; 2 by default.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) outliers: Option<f64>,
    /// Sums attributions over squares of so many of the network's pixels before they are drawn.
    #[arg(long, value_name = "N")]
    pub(crate) patch: Option<usize>,
    /// Whether the pixels of a map keep their edges when they are enlarged.
    #[arg(long)]
    pub(crate) nearest: bool,
    /// The colours of the plot: auto (SVG only), light or dark.
    #[arg(long, value_enum, value_name = "THEME")]
    pub(crate) theme: Option<Colours>,
}

/// What is drawn of a picture and its attributions.
#[cfg(feature = "images")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    Overlay,
    HeatMap,
    Blended,
    Masked,
    AlphaScaling,
    Original,
}

/// Which attributions are drawn.
#[cfg(feature = "images")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignOf {
    All,
    Positive,
    Negative,
    AbsoluteValue,
}

/// The colours of a plot.
#[cfg(feature = "images")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colours {
    Auto,
    Light,
    Dark,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is explained")]
pub(crate) struct What {
    /// Which rows: numbers and ranges (0,5,10..20), a part of the split (test, test[100]), a condition (age > 30), all.
    #[arg(long, value_name = "ROWS")]
    pub(crate) rows: Option<String>,
    /// A class by name or number, predicted, true, runner-up, or indices of the output (2,-1); may be given several times.
    #[arg(long, value_name = "TARGET", allow_hyphen_values = true)]
    pub(crate) target: Vec<String>,
    /// The scale of the target: output, logit, probability or log-odds.
    #[arg(long, value_name = "SCALE")]
    pub(crate) scale: Option<String>,
    /// Which output of the model; the first by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) output_name: Option<String>,
    /// The layer that is attributed to, for methods that have one; `pellucid inspect` lists them.
    #[arg(long, value_name = "NAME")]
    pub(crate) layer: Option<String>,
    /// Inputs of the model that are explained too, besides those of floats, and those of ids from their embedding on.
    #[arg(long, value_name = "INPUTS", value_delimiter = ',')]
    pub(crate) explained: Vec<String>,
    /// Inputs of the model that are held fixed, such as a mask.
    #[arg(long, value_name = "INPUTS", value_delimiter = ',')]
    pub(crate) fixed: Vec<String>,
    /// The network's columns in its order, where the model does not say.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) features: Option<Vec<String>>,
    /// The column with the truth, where the model does not say; `folder` takes the names of pictures' sub-folders.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub(crate) struct How {
    /// A specification, or the record of a result; other options override it.
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Option<PathBuf>,
    /// The method; `pellucid methods` lists them. Integrated gradients by default. Several, for pictures, are shown side by side.
    #[arg(long, short, value_name = "NAME", value_delimiter = ',')]
    pub(crate) method: Vec<String>,
    /// zero, mean, a number, a file, row:N, sample:N (averaged over N training rows), or column=value,…
    #[arg(long, value_name = "BASELINE", allow_hyphen_values = true)]
    pub(crate) baseline: Option<String>,
    /// Whose numbers a baseline has: encoded (the network's) or raw (the table's).
    #[arg(long, value_name = "SPACE", value_parser = ["encoded", "raw"])]
    pub(crate) baseline_space: Option<String>,
    /// Numbers of features (.npy, .npz or .safetensors), for feature_ablation: those with the same number, such as the pixels of a segment, are
    /// replaced together, and each gets their common difference (a picture shows the sum of its channels). In the shape of a row, or one that repeats
    /// to it; several inputs by name.
    #[arg(long, value_name = "FILE")]
    pub(crate) feature_mask: Option<PathBuf>,
    /// The integral's rule: gausslegendre, riemann_left, riemann_middle, riemann_right or riemann_trapezoid.
    #[arg(long, value_name = "RULE")]
    pub(crate) quadrature: Option<String>,
    /// The integral's nodes; 50 by default.
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<usize>,
    /// Set nodes row by row, about as many as --nodes at first and 65,536 at most, until what the attributions miss of F(x) − F(baseline) is at most this share of it.
    #[arg(long, value_name = "X")]
    pub(crate) tolerance: Option<f64>,
    /// Whether gradients are multiplied by the difference from the baseline.
    #[arg(long, value_name = "BOOL")]
    pub(crate) multiply_by_inputs: Option<bool>,
    /// Whether a saliency loses its sign.
    #[arg(long, value_name = "BOOL")]
    pub(crate) absolute: Option<bool>,
    /// Below which difference DeepLIFT takes the derivative.
    #[arg(long, value_name = "X")]
    pub(crate) eps: Option<f64>,
    /// float32 or float64.
    #[arg(long, value_name = "TYPE")]
    pub(crate) precision: Option<String>,
    /// The seed of random draws.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Threads; one for each core by default. Does not change results.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Points that run together. Does not change results; 1 for a model whose rows mix.
    #[arg(long, value_name = "N")]
    pub(crate) tile: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Where the result goes, as its ending says: .csv, .jsonl, .parquet, .npy, .safetensors; `-` for the standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format, where the ending does not say.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<OutputFormat>,
    /// Columns of the data to pass through; of pictures there is `file`.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) keep: Vec<String>,
    /// Sum one-hot columns into the columns they come from, and an embedding's elements into their token (the default).
    #[arg(long, overrides_with = "no_fold")]
    pub(crate) fold: bool,
    /// Give an attribution for each of the network's columns.
    #[arg(long, overrides_with = "fold")]
    pub(crate) no_fold: bool,
    /// Give the global table, over all rows, in place of the rows.
    #[arg(long)]
    pub(crate) global: bool,
    /// Fail with exit code 5 where a row's |delta| is above this share of |F(x) − F(baseline)|.
    #[arg(long, value_name = "X")]
    pub(crate) max_delta: Option<f64>,
    /// Print the time of each operator on the error output.
    #[arg(long)]
    pub(crate) profile: bool,
}
