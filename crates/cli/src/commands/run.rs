//! `pellucid run` and `pellucid train`: a recipe, whole or up to the model.

use pellucid_recipe::data::metrics::ScoreScale;
use pellucid_recipe::evaluate::{Evaluation, Metrics};
use pellucid_recipe::recipe::Recipe;
use pellucid_recipe::{Result, run as recipe_run, train as recipe_train};
use pellucid_report::format_significant;

use super::with_activity;
use crate::arguments::{Run, Train};
use crate::screen::print;

pub(super) fn run(options: &Run, quiet: bool) -> Result<()> {
    let recipe = Recipe::load(&options.recipe)?;
    let how = recipe_run::Options { force: options.force, out: options.out.clone() };
    let outcome =
        with_activity(options.threads, quiet, None, |activity| recipe_run::run(&recipe, &how, activity))?;
    let mut text: String = outcome.evaluations.iter().map(line).collect();
    text.push_str(&format!("{}\n", outcome.page.display()));
    print(&text)
}

pub(super) fn train(options: &Train, quiet: bool) -> Result<()> {
    let recipe = Recipe::load(&options.recipe)?;
    let how = recipe_run::Options { force: options.force, out: options.out.clone() };
    let out = recipe_run::out_folder(&recipe, &how);
    let made = with_activity(Some(1), quiet, None, |activity| {
        let made = recipe_train::make(&recipe, &out, options.force, activity)?;
        recipe_run::say(&recipe, &made, activity);
        Ok(made)
    })?;
    print(&format!("{}\n", made.model.path().display()))
}

/// The metrics of a part on one line.
fn line(e: &Evaluation) -> String {
    let number = |x: Option<f64>| x.map_or_else(|| "n/a".to_owned(), |x| format_significant(x, 4));
    match &e.metrics {
        Metrics::Binary { report, .. } => {
            let at = report.at.iter().map(|a| {
                let scale = if a.threshold.scale == ScoreScale::Logit { "logit" } else { "probability" };
                format!(", accuracy {} at {scale} {}", number(a.accuracy), a.threshold.value)
            });
            format!("{}: ROC AUC {}{}\n", e.rows, number(report.roc_auc), at.collect::<String>())
        }
        Metrics::Multiclass { report, .. } => format!(
            "{}: accuracy {}, ROC AUC {}\n",
            e.rows,
            number(Some(report.accuracy)),
            number(report.roc_auc_one_vs_rest)
        ),
        Metrics::Regression(r) => {
            format!(
                "{}: RMSE {}, MAE {}, R² {}\n",
                e.rows,
                number(Some(r.rmse)),
                number(Some(r.mae)),
                number(r.r2)
            )
        }
    }
}
