//! Windows that slide over spatial axes: the attributes that convolutions and pools share, and the sizes that follow from them.

use super::support::fact;
use crate::attributes::{Attribute, Attributes};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::import::Import;
use crate::operator::Arg;
use crate::refuse;
use crate::rows::{Rows, RowsSite, same_in_all_rows};
use pellucid_kernels::convolution::Axis;

/// The most spatial axes that are computed.
const MOST_AXES: usize = 3;
/// The largest stride, dilation, pad or kernel size that is read.
const MOST: i64 = 1 << 30;

/// How pads are found where they are not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoPad {
    /// They are given.
    #[default]
    NotSet,
    /// As many as make the output as large as the input over the stride; an odd one comes after.
    SameUpper,
    /// The same; an odd one comes before.
    SameLower,
    /// None.
    Valid,
}

impl AutoPad {
    const ALL: [(Self, &'static str); 4] = [
        (Self::NotSet, "NOTSET"),
        (Self::SameUpper, "SAME_UPPER"),
        (Self::SameLower, "SAME_LOWER"),
        (Self::Valid, "VALID"),
    ];

    fn parse(name: &str) -> OpResult<Self> {
        match Self::ALL.iter().find(|(_, n)| *n == name) {
            Some((found, _)) => Ok(*found),
            None => {
                refuse!("attribute auto_pad is {name:?}, expected NOTSET, SAME_UPPER, SAME_LOWER or VALID")
            }
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("NOTSET", |(_, name)| name)
    }

    /// How many of some pads come before.
    pub(crate) fn before(self, total: i64) -> i64 {
        if self == Self::SameLower { total - total / 2 } else { total / 2 }
    }
}

/// How a window slides. Empty lists stand for ones, for pads zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// How pads are found.
    pub auto_pad: AutoPad,
    /// The sizes of the kernel, where they are not those of weights.
    pub kernel: Vec<usize>,
    /// The distance of neighbouring windows along each axis.
    pub strides: Vec<usize>,
    /// The distance of neighbouring taps along each axis.
    pub dilations: Vec<usize>,
    /// How far windows may reach before each axis, and then behind each.
    pub pads: Vec<usize>,
    /// Whether a last window may reach further.
    pub ceil: bool,
}

impl Window {
    /// Reads the attributes of a node.
    pub(crate) fn import(node: &Import<'_>) -> OpResult<Self> {
        let list = |name: &str, least: i64| -> OpResult<Vec<usize>> {
            let values = node.ints(name)?.unwrap_or_default();
            if let Some(bad) = values.iter().find(|v| !(least..=MOST).contains(*v)) {
                refuse!("attribute {name} has {bad}, expected numbers from {least} to {MOST}");
            }
            Ok(values.into_iter().map(|v| v as usize).collect())
        };
        let auto_pad = AutoPad::parse(node.text("auto_pad")?.as_deref().unwrap_or("NOTSET"))?;
        Ok(Self {
            auto_pad,
            kernel: list("kernel_shape", 1)?,
            strides: list("strides", 1)?,
            dilations: list("dilations", 1)?,
            // Writers give zeros beside other modes, where pads are not read.
            pads: if auto_pad == AutoPad::NotSet { list("pads", 0)? } else { Vec::new() },
            ceil: node.flag("ceil_mode", false)?,
        })
    }

    /// As ONNX writes them, for `axes` spatial axes.
    pub(crate) fn attributes(&self) -> Attributes {
        let ints = |list: &[usize]| Attribute::Ints(list.iter().map(|&v| v as i64).collect());
        let lists = [
            ("kernel_shape", &self.kernel),
            ("strides", &self.strides),
            ("dilations", &self.dilations),
            ("pads", &self.pads),
        ];
        let mut found = Attributes::new();
        if self.auto_pad != AutoPad::NotSet {
            found.set("auto_pad", Attribute::Text(self.auto_pad.name().to_owned()));
        }
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            found.set(name, ints(list));
        }
        if self.ceil {
            found.set("ceil_mode", Attribute::Int(1));
        }
        found
    }

    /// A list's number for an axis, or what stands for an empty list.
    fn of(list: &[usize], i: usize, rank: usize, default: usize, name: &str) -> OpResult<usize> {
        match list.len() {
            0 => Ok(default),
            n if n == rank => Ok(list[i]),
            n => refuse!("attribute {name} has {n} numbers, expected {rank}"),
        }
    }

    /// The pads before and behind an axis.
    pub(crate) fn pads(&self, i: usize, rank: usize) -> OpResult<(i64, i64)> {
        match self.pads.len() {
            0 => Ok((0, 0)),
            n if n == 2 * rank => Ok((self.pads[i] as i64, self.pads[rank + i] as i64)),
            n => refuse!("attribute pads has {n} numbers, expected {}", 2 * rank),
        }
    }

    /// Kernel size, stride and dilation along an axis.
    pub(crate) fn steps(&self, kernel: &[usize], i: usize) -> OpResult<(usize, usize, usize)> {
        let rank = kernel.len();
        Ok((
            kernel[i],
            Self::of(&self.strides, i, rank, 1, "strides")?,
            Self::of(&self.dilations, i, rank, 1, "dilations")?,
        ))
    }

    /// The axes of windows of a kernel over spatial sizes, which are the wide side; those that lack come first.
    pub(crate) fn slide(&self, wide: &[usize], kernel: &[usize]) -> OpResult<[Axis; 3]> {
        let rank = wide.len();
        check_rank(rank, kernel.len())?;
        let mut axes = [Axis::NONE; MOST_AXES];
        for i in 0..rank {
            let (kernel, stride, dilation) = self.steps(kernel, i)?;
            let (size, s) = (wide[i] as i64, stride as i64);
            let extent = kernel as i64 * dilation as i64 - dilation as i64 + 1;
            let (narrow, before) = match self.auto_pad {
                AutoPad::NotSet => {
                    let (before, after) = self.pads(i, rank)?;
                    let room = size + before + after - extent;
                    let mut narrow = (room + if self.ceil { s - 1 } else { 0 }).div_euclid(s) + 1;
                    // A window that would begin behind the input is not counted.
                    if self.ceil && (narrow - 1) * s >= size + before {
                        narrow -= 1;
                    }
                    (narrow, before)
                }
                AutoPad::Valid => ((size - extent).div_euclid(s) + 1, 0),
                mode => {
                    let narrow = (size + s - 1) / s;
                    let total = ((narrow - 1) * s + extent - size).max(0);
                    (narrow, mode.before(total))
                }
            };
            if narrow < 1 {
                refuse!("a window of {extent} positions does not fit axis {} of {size} with its pads", i + 2);
            }
            axes[MOST_AXES - rank + i] =
                Axis { wide: wide[i], narrow: narrow as usize, kernel, stride, dilation, before };
        }
        Ok(axes)
    }

    /// One window over everything.
    pub(crate) fn whole(spatial: &[usize]) -> Self {
        Self { kernel: spatial.to_vec(), ..Self::default() }
    }

    /// How far windows may reach behind an axis that [`Window::slide`] gave: as far as the pads go, found or given.
    pub(crate) fn behind(&self, axis: &Axis, i: usize, rank: usize) -> OpResult<i64> {
        match self.auto_pad {
            AutoPad::NotSet => Ok(self.pads(i, rank)?.1),
            AutoPad::Valid => Ok(0),
            _ => {
                let extent = (axis.kernel as i64 - 1) * axis.dilation as i64 + 1;
                let reach = (axis.narrow as i64 - 1) * axis.stride as i64 + extent;
                Ok((reach - axis.wide as i64 - axis.before).max(0))
            }
        }
    }

    /// The kernel's sizes, which must be given.
    pub(crate) fn kernel(&self) -> OpResult<&[usize]> {
        if self.kernel.is_empty() {
            refuse!("attribute kernel_shape is missing");
        }
        Ok(&self.kernel)
    }
}

/// Refuses more spatial axes than are computed, none, and a kernel of another number.
pub(crate) fn check_rank(spatial: usize, kernel: usize) -> OpResult<()> {
    if spatial == 0 || spatial > MOST_AXES {
        refuse!("it has {spatial} spatial axes, expected 1 to {MOST_AXES}");
    }
    if spatial != kernel {
        refuse!("a kernel of {kernel} dimensions for {spatial} spatial axes");
    }
    Ok(())
}

/// The type and shape of what keeps one element of each channel: the spatial axes stay as dimensions of size one.
pub(crate) fn infer_global(inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
    let x = fact(inputs, 0)?;
    let (records, channels, spatial) = split(&x.shape)?;
    let ones = spatial.iter().map(|_| 1);
    let shape: Vec<usize> = [records, channels].into_iter().chain(ones).collect();
    Ok(vec![Fact::new(x.dtype, &shape)])
}

/// Records, channels and spatial sizes of a shape.
pub(crate) fn split(shape: &[usize]) -> OpResult<(usize, usize, &[usize])> {
    match shape {
        [records, channels, spatial @ ..] if !spatial.is_empty() => Ok((*records, *channels, spatial)),
        _ => refuse!("input 0 of shape {shape:?} has no spatial axes; expected [records, channels, …]"),
    }
}

/// The narrow sizes of the last `rank` axes.
pub(crate) fn narrow(axes: &[Axis; 3], rank: usize) -> impl Iterator<Item = usize> + '_ {
    axes[MOST_AXES - rank..].iter().map(|a| a.narrow)
}

/// For operators that keep records (axis 0) apart and mix everything within each. Only the inputs at `allowed` may hold rows.
pub(crate) fn rows(site: &RowsSite<'_>, allowed: &[usize]) -> OpResult<Vec<Option<Rows>>> {
    let mut places = site.inputs.iter().flatten().filter_map(|x| x.rows);
    if let (1, Some(first)) = (site.rows, places.next()) {
        // Everything is of the one row.
        let records = site.outputs.first().and_then(|o| o.shape.first()).copied().unwrap_or(1);
        let whole = Rows { outer: records, ..Rows::BATCH };
        let kept = first.axis == 0 && first.outer * first.inner == records && places.all(|r| r == first);
        return site.all(Some(if kept { first } else { whole }));
    }
    site.only(allowed)?;
    let Some(rows) = allowed.iter().find_map(|&i| site.rows_of(i)) else { return site.all(None) };
    if rows.axis != 0 {
        refuse!("axis {} holds the rows, expected axis 0", rows.axis);
    }
    if allowed.iter().any(|&i| site.rows_of(i) != Some(rows)) {
        refuse!("its inputs do not hold their rows alike");
    }
    site.all(Some(rows))
}

/// For operators of two inputs, records of both side by side.
pub(crate) fn rows_of_pair(site: &RowsSite<'_>) -> OpResult<Vec<Option<Rows>>> {
    if site.rows == 1 {
        return rows(site, &[0, 1]);
    }
    let found = site.rows_of(0).or(site.rows_of(1));
    let Some(found) = found else { return site.all(None) };
    if found.axis != 0 {
        refuse!("axis {} holds the rows, expected axis 0", found.axis);
    }
    for x in [0, 1].into_iter().filter_map(|i| site.input(i)) {
        match x.rows {
            Some(rows) if rows == found => {}
            Some(_) => refuse!("its inputs do not hold their rows alike"),
            None if same_in_all_rows(&x, found, site.rows) => {}
            None => refuse!("an input that is not computed from the batch has a value for each row"),
        }
    }
    site.all(Some(found))
}

/// The attributes of `other` behind those of `first`.
pub(crate) fn joined(first: Attributes, other: &[(&str, Attribute)]) -> Attributes {
    other.iter().fold(first, |all, (name, value)| all.with(name, value.clone()))
}

/// An error for sizes that memory would not hold.
pub(crate) fn too_far() -> OpError {
    OpError("its strides, dilations or pads reach too far beyond the input".to_owned())
}
