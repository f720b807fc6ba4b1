//! Plots, tables and pages from plain numbers.
//!
//! A plot is a struct of plain data. It implements [`Plot`], which gives an SVG text in a light, a dark or an
//! automatic [`Theme`], and the same numbers as a [`Table`]. [`render_png`] turns an SVG into a PNG with the
//! font that this crate carries, so that a picture does not depend on the machine it is drawn on. A [`Page`]
//! puts paragraphs, figures, tables and checks into one HTML file that needs nothing else, or into Markdown.
//!
//! Nothing here computes statistics: every number shown was given. The one exception is the bar that sums the
//! features left out of a chart, the shares of a row in a confusion matrix, and the scale of an image's colours. The crate writes no files,
//! and every text given is escaped.
//!
//! ```
//! use pellucid_report::{AttributionBar, AttributionBars, Plot, Theme, render_png};
//!
//! let plot = AttributionBars {
//!     title: "What moved the score".into(),
//!     bars: vec![
//!         AttributionBar { name: "duration".into(), value: 0.61, ..Default::default() },
//!         AttributionBar { name: "month_may".into(), value: -0.12, ..Default::default() },
//!     ],
//!     ..Default::default()
//! };
//! let svg = plot.to_svg(Theme::Light);
//! let png = render_png(&svg, 2.0)?;
//! assert!(svg.contains("+0.610") && png.starts_with(b"\x89PNG"));
//! # Ok::<(), pellucid_report::Error>(())
//! ```

mod axis;
mod drawing;
mod error;
mod escape;
mod font;
mod inline;
mod number;
mod page;
mod plot;
mod plots;
mod png;
mod raster;
mod table;
mod theme;

pub use drawing::{Drawing, LabelBox};
pub use error::{Error, ErrorKind};
pub use inline::Text;
pub use number::{
    NOT_AVAILABLE, format_count, format_fixed, format_number, format_percent, format_signed,
    format_significant,
};
pub use page::{Block, Check, Figure, FigureFile, Outcome, Page, Section};
pub use plot::Plot;
pub use plots::attribution::{AttributionBar, AttributionBars, BarOrder, BarValues};
pub use plots::confusion::ConfusionMatrix;
pub use plots::counts::{Category, CategoryCounts};
pub use plots::image::{
    AttributionMap, ImageAttributions, ImagePanel, ImageRow, ImageView, Interpolation, Picture,
    PictureRegion, Sign,
};
pub use plots::loss::{CurvePanel, CurveSeries, LossCurve};
pub use plots::roc::{RocCurve, RocSeries, RocThreshold};
pub use png::render_png;
pub use table::{Align, Column, Table};
pub use theme::Theme;
