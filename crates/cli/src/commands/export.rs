//! `pellucid export`: a model with its preprocessing as ONNX nodes.

use pellucid_recipe::{OpenModel, Result, raw};

use crate::arguments::Export;

pub(super) fn export(options: &Export) -> Result<()> {
    raw::write(&OpenModel::load(&options.model)?, &options.output)
}
