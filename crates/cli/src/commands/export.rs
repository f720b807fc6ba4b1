//! `pellucid export`: a model with its preprocessing as ONNX nodes.

use pellucid_recipe::write::check_place;
use pellucid_recipe::{OpenModel, Result, raw};

use crate::arguments::Export;

pub(super) fn export(options: &Export) -> Result<()> {
    check_place(&options.output)?;
    raw::write(&OpenModel::load(&options.model)?, &options.output)
}
