//! `pellucid explain` of pictures: how they are prepared, their classes, and plots of what each pixel did.

use std::path::{Path, PathBuf};

use pellucid_recipe::data::image::{ImageSteps, Layout, Resize, Size, read_classes};
use pellucid_recipe::explain::explain as run;
use pellucid_recipe::image::figure::{MapStyle, Run, figure};
use pellucid_recipe::image::{ExplainedPicture, Pictures, declared_input, folder, is_pictures, steps_of};
use pellucid_recipe::pellucid::Method;
use pellucid_recipe::record::Record;
use pellucid_recipe::result::{Explained, Header, Sink};
use pellucid_recipe::write::{ResultWriter, check_place, write_bytes};
use pellucid_recipe::{OpenModel, Request, Result};
use pellucid_report::{
    Align, ImageView, Interpolation, Plot, Sign, Table, Theme, format_count, format_fixed, format_signed,
    format_significant, render_png,
};

use super::explain::{Goal, goal, request_for};
use super::{usage, with_activity};
use crate::arguments::{Colours, Explain, Images, SignOf, View};
use crate::screen::{Style, print};

/// The most pictures that are listed, and that are plotted.
const LISTED: usize = 5;
const PLOTTED: usize = 20;
const TOP: usize = 5;

/// Whether the data are pictures. Options for pictures make no sense with anything else.
pub(super) fn is_asked(options: &Explain) -> Result<bool> {
    let pictures = is_pictures(&options.data);
    if !pictures && options.images != Images::default() {
        let given = match options.images.plot {
            Some(_) => {
                "--plot draws what the pixels of pictures did; `pellucid run` draws what the columns of a table did"
            }
            None => "an option for pictures is given",
        };
        let data = options.data.display();
        return Err(usage(format!("{data} is neither a picture nor a folder of pictures: {given}")));
    }
    Ok(pictures)
}

pub(super) fn explain(options: &Explain, quiet: bool) -> Result<()> {
    let methods = &options.how.method;
    let mut requests: Vec<Request> = match methods.as_slice() {
        [] => vec![request_for(options, None)?],
        [one] => vec![request_for(options, Some(one))?],
        several => side_by_side(options, several)?,
    };
    requests.iter().try_for_each(|r| r.method().map(drop))?;
    let goal = goal(options)?;
    match &goal {
        Goal::Global(..) => {
            return Err(usage("there is no global table of pictures: pixels are no features"));
        }
        Goal::Rows(..) if requests.len() > 1 => {
            return Err(usage("a result is written for one method at a time"));
        }
        _ if options.output.global => {
            return Err(usage("there is no global table of pictures: pixels are no features"));
        }
        _ => {}
    }
    let plot =
        options.images.plot.as_deref().map(|path| Kind::of(path).map(|kind| (path, kind))).transpose()?;
    if let Some((path, _)) = plot {
        check_place(path)?;
    }
    folder(&options.data, options.what.label.as_deref())?;
    let mut model = OpenModel::load(&options.model)?;
    if let Some(path) = &options.images.classes {
        model = model.with_class_names(read_classes(path)?);
    }
    for request in &mut requests {
        request.images = asked_steps(&options.images, &model, request.images.take())?;
    }
    let mut writer = match &goal {
        Goal::Rows(format, place) => Some(ResultWriter::new(*format, place.open())),
        _ => None,
    };
    let profile = options.output.profile.then(Default::default);
    let mut done: Vec<(Record, Pictures)> = Vec::new();
    with_activity(options.how.threads, quiet, profile.as_ref(), |activity| {
        for request in &requests {
            let steps = steps_of(&model, request.images.as_ref(), &options.data)?.clone();
            let files = folder(&options.data, request.label.as_deref())?;
            let most = if plot.is_some() { PLOTTED } else { LISTED };
            let mut pictures = Pictures::new(files, steps, most, options.images.top.unwrap_or(TOP));
            let record = {
                let mut sink = Both { pictures: &mut pictures, writer: writer.as_mut() };
                run(&model, &options.data, request, &mut sink, activity)?
            };
            done.push((record, pictures));
        }
        Ok(())
    })?;
    if let (Some(writer), Some((record, _))) = (writer, done.first()) {
        writer.finish(record)?;
    }
    if let Some((path, kind)) = plot {
        draw(options, &done, path, kind)?;
    }
    if matches!(goal, Goal::Show) {
        print(&text(&done))?;
    }
    if let Some(profile) = profile {
        super::explain::print_profile(
            &profile.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }
    done.iter().try_for_each(|(record, _)| record.verify())
}

/// A request for each of several methods. What only some of them take is theirs alone; what none takes is refused.
fn side_by_side(options: &Explain, methods: &[String]) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> =
        methods.iter().map(|m| request_for(options, Some(m))).collect::<Result<_>>()?;
    let takes: Vec<Vec<String>> = requests.iter().map(Request::takes).collect::<Result<_>>()?;
    for name in requests[0].arguments().into_keys() {
        if !takes.iter().flatten().any(|t| *t == name) {
            return Err(usage(format!("none of the methods takes {}", Request::option(&name))));
        }
        for (request, _) in requests.iter_mut().zip(&takes).filter(|(_, t)| !t.contains(&name)) {
            request.forget(&name);
        }
    }
    Ok(requests)
}

struct Both<'a> {
    pictures: &'a mut Pictures,
    writer: Option<&'a mut ResultWriter>,
}

impl Sink for Both<'_> {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        self.pictures.take(header, rows)?;
        self.writer.as_mut().map_or(Ok(()), |w| w.take(header, rows))
    }
}

/// How a plot is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            _ => Err(usage(format!("{}: a plot is written as .svg or .png", path.display()))),
        }
    }
}

fn draw(options: &Explain, done: &[(Record, Pictures)], path: &Path, kind: Kind) -> Result<()> {
    let o = &options.images;
    let percent = o.outliers.unwrap_or(2.0);
    if !(0.0..=100.0).contains(&percent) {
        return Err(usage(format!("--outliers: expected 0 to 100 percent, got {percent}")));
    }
    let style = MapStyle {
        view: match o.view.unwrap_or(View::Overlay) {
            View::Overlay => ImageView::Overlay,
            View::HeatMap => ImageView::HeatMap,
            View::Blended => ImageView::Blended,
            View::Masked => ImageView::Masked,
            View::AlphaScaling => ImageView::AlphaScaling,
            View::Original => ImageView::Original,
        },
        sign: match o.sign.unwrap_or(SignOf::All) {
            SignOf::All => Sign::All,
            SignOf::Positive => Sign::Positive,
            SignOf::Negative => Sign::Negative,
            SignOf::AbsoluteValue => Sign::AbsoluteValue,
        },
        outlier_percent: percent,
        patch: o.patch.unwrap_or(1),
        interpolation: if o.nearest { Interpolation::Nearest } else { Interpolation::Bilinear },
    };
    let runs: Vec<Run> = done
        .iter()
        .map(|(record, pictures)| Run {
            title: record.computed.method.clone(),
            unsigned: matches!(record.computed.spec.method, Method::Saliency { absolute: true }),
            pictures: pictures.found.clone(),
        })
        .collect();
    let file = |p: &PathBuf| p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
    let title = format!("{} on {}", file(&options.model), file(&options.data));
    let mut plot = figure(&title, &runs, &style)?;
    if let Some((_, pictures)) = done.first().filter(|(_, p)| p.total > p.found.len() as u64) {
        plot.subtitle =
            format!("The first {} of {} pictures", pictures.found.len(), format_count(pictures.total));
    }
    let theme = match (o.theme, kind) {
        (Some(Colours::Dark), _) => Theme::Dark,
        (Some(Colours::Light), _) | (_, Kind::Png) => Theme::Light,
        (Some(Colours::Auto) | None, Kind::Svg) => Theme::Auto,
    };
    let svg = plot.to_svg(theme);
    match kind {
        Kind::Svg => write_bytes(path, svg.as_bytes()),
        Kind::Png => write_bytes(path, &render_png(&svg, 2.0)?),
    }
}

/// The pictures in words: their classes, and what each method found.
fn text(done: &[(Record, Pictures)]) -> String {
    let mut text = String::new();
    let Some((_, first)) = done.first() else { return text };
    for (i, picture) in first.found.iter().take(LISTED).enumerate() {
        text.push_str(&classes_text(picture));
        let mut table = Table::new("")
            .column("method", Align::Left)
            .column("target", Align::Left)
            .column("scale", Align::Left)
            .column("F(x)", Align::Right)
            .column("F(baseline)", Align::Right)
            .column("delta", Align::Right);
        for (record, pictures) in done {
            for map in pictures.found.get(i).map(|p| p.maps.as_slice()).unwrap_or_default() {
                table = table.row([
                    record.computed.method.clone(),
                    map.target.clone(),
                    map.scale.clone(),
                    format_significant(map.output, 4),
                    map.baseline_output.map_or_else(String::new, |b| format_significant(b, 4)),
                    map.delta.map_or_else(String::new, |d| format_signed(d, 4)),
                ]);
            }
        }
        text.push_str(&format!("\n{}\n", table.to_text()));
    }
    if first.total > LISTED as u64 {
        text.push_str(&format!("and {} more pictures\n", format_count(first.total - LISTED as u64)));
    }
    text
}

fn classes_text(picture: &ExplainedPicture) -> String {
    let style = Style::of_stdout();
    let truth = picture.truth.as_ref().map_or_else(String::new, |t| format!(", in truth {t}"));
    let seen = format!("{}, seen as {}{truth}", picture.picture.size(), picture.size);
    let mut table = Table::new("").column("class", Align::Left);
    table = table.column(if picture.has_probabilities { "probability" } else { "output" }, Align::Right);
    for (name, score) in &picture.classes {
        let score =
            if picture.has_probabilities { format_fixed(*score, 4) } else { format_significant(*score, 4) };
        table = table.row([name.clone(), score]);
    }
    format!("{}  {}\n{}", style.heading(&picture.name), style.quiet(&seen), table.to_text())
}

/// The recipe that the options describe, over that of a specification or of the model; `None` where the model's is taken as it is.
fn asked_steps(o: &Images, model: &OpenModel, given: Option<ImageSteps>) -> Result<Option<ImageSteps>> {
    let ranges = [&o.pixel_scale, &o.mean, &o.std];
    let others = [&o.image_size, &o.crop, &o.resampling, &o.layout, &o.channels, &o.alpha];
    let known = given.clone().or_else(|| model.images().map(|i| i.steps.clone()));
    if ranges.iter().chain(&others).all(|v| v.is_none()) && known.is_some() {
        return Ok(given);
    }
    if known.is_none() && ranges.iter().all(|v| v.is_none()) {
        return Err(usage(format!(
            "{} does not say how its pictures are prepared: give --mean and --std (numbers, or imagenet), or --pixel-scale",
            model.path().display()
        )));
    }
    let layout: Option<Layout> = o.layout.as_deref().map(|v| named("layout", v)).transpose()?;
    let mut steps = match known {
        Some(steps) => ImageSteps { layout: layout.unwrap_or(steps.layout), ..steps },
        None => usual(model, layout),
    };
    if let Some(v) = &o.image_size {
        steps.resize = match size("image-size", v)? {
            (side, None) => Resize::ShorterSide(side),
            (width, Some(height)) => Resize::Exact(Size { width, height }),
        };
    }
    match o.crop.as_deref() {
        None => {}
        Some("none") => steps.crop = None,
        Some(v) => {
            let (width, height) = size("crop", v)?;
            steps.crop = Some(Size { width, height: height.unwrap_or(width) });
            // What is cut out of must be as large.
            if o.image_size.is_none() && matches!(steps.resize, Resize::ShorterSide(s) if s < width) {
                steps.resize = Resize::ShorterSide(width.max(height.unwrap_or(width)));
            }
        }
    }
    if let Some(v) = &o.resampling {
        steps.resampling = named("resampling", v)?;
    }
    if let Some(v) = &o.pixel_scale {
        steps.scale = named("pixel-scale", v)?;
    }
    if let Some(v) = &o.channels {
        steps.channels = named("channels", v)?;
    }
    if let Some(v) = &o.alpha {
        steps.alpha = named("alpha", v)?;
    }
    if let Some(v) = &o.mean {
        steps.mean = numbers("mean", v, &ImageSteps::IMAGENET_MEAN)?;
    }
    if let Some(v) = &o.std {
        steps.deviation = numbers("std", v, &ImageSteps::IMAGENET_DEVIATION)?;
    }
    steps.check()?;
    Ok(Some(steps))
}

/// What the shape of a model's input says: the order of its axes, its channels, and its size, which the picture is brought to.
fn usual(model: &OpenModel, layout: Option<Layout>) -> ImageSteps {
    use pellucid_recipe::data::image::ChannelOrder;
    let [a, b, c] = declared_input(model).unwrap_or([None; 3]);
    let is_channels = |n: Option<usize>| matches!(n, Some(1 | 3));
    let guess = if !is_channels(a) && is_channels(c) { Layout::Nhwc } else { Layout::Nchw };
    let layout = layout.unwrap_or(guess);
    let (channels, height, width) = match layout {
        Layout::Nchw => (a, b, c),
        Layout::Nhwc => (c, a, b),
    };
    let crop = width.zip(height).map(|(width, height)| Size { width, height });
    let resize = match crop {
        Some(s) if s.width == s.height => Resize::ShorterSide(s.width),
        Some(s) => Resize::Exact(s),
        None => Resize::Keep,
    };
    let channels = if channels == Some(1) { ChannelOrder::Grey } else { ChannelOrder::Rgb };
    ImageSteps { layout, channels, crop, resize, ..ImageSteps::default() }
}

/// A name that serde knows.
fn named<T: serde::de::DeserializeOwned>(option: &str, name: &str) -> Result<T> {
    let value = serde_json::Value::from(name.to_ascii_lowercase().replace('-', "_"));
    serde_json::from_value(value).map_err(|e| usage(format!("--{option}: {e}")))
}

/// `256`, or `320x240`: the width first.
fn size(option: &str, text: &str) -> Result<(usize, Option<usize>)> {
    let wrong = || usage(format!("--{option}: expected a size such as 256 or 320x240, got {text:?}"));
    let number = |t: &str| t.trim().parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(wrong);
    match text.split_once(['x', 'X', '×']) {
        None => Ok((number(text)?, None)),
        Some((width, height)) => Ok((number(width)?, Some(number(height)?))),
    }
}

fn numbers(option: &str, text: &str, imagenet: &[f64]) -> Result<Vec<f64>> {
    if text == "imagenet" {
        return Ok(imagenet.to_vec());
    }
    let all: Option<Vec<f64>> = text.split(',').map(|t| t.trim().parse().ok()).collect();
    all.ok_or_else(|| {
        usage(format!("--{option}: expected numbers separated by commas, or imagenet, got {text:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers() {
        assert_eq!(size("crop", "224").unwrap(), (224, None));
        assert_eq!(size("crop", "320x240").unwrap(), (320, Some(240)));
        for bad in ["", "0", "x", "10x", "-3", "1e3"] {
            assert!(size("crop", bad).is_err(), "{bad}");
        }
        assert_eq!(numbers("mean", "0.5, -1", &[9.0]).unwrap(), [0.5, -1.0]);
        assert_eq!(numbers("mean", "imagenet", &[9.0]).unwrap(), [9.0]);
        assert!(numbers("mean", "half", &[]).is_err());
        assert!(named::<Layout>("layout", "NHWC").is_ok() && named::<Layout>("layout", "chwn").is_err());
    }
}
