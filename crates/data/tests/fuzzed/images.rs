//! What must hold of any bytes that are taken for a picture: they are decoded or refused within bounds, and what is decoded can be
//! resized, cropped and brought to a network's input.

use arbitrary::{Result, Unstructured};
use pellucid_data::image::{
    Alpha, ChannelOrder, DecodeOptions, ImageSteps, Layout, PixelScale, Resampling, Resize, Size, decode,
    resize,
};

/// Takes options from the last bytes, and decodes the others.
pub(crate) fn picture(data: &[u8]) {
    let (file, rest) = data.split_at(data.len() - data.len().min(16));
    let u = &mut Unstructured::new(rest);
    let Ok(steps) = steps(u) else { return };
    let options = DecodeOptions { alpha: steps.alpha, max_pixels: 1 << 18, max_bytes: 1 << 20 };
    let Ok(pixels) = decode(file, &options) else { return };
    let size = pixels.size();
    assert!(size.width > 0 && size.height > 0 && (size.width * size.height) as u64 <= options.max_pixels);
    assert_eq!(pixels.data().len(), size.width * size.height * pixels.channels());
    let Ok(to) = small(u) else { return };
    for how in [Resampling::Nearest, Resampling::Bilinear, Resampling::Bicubic, Resampling::Lanczos] {
        if let Ok(resized) = resize(&pixels, to, how) {
            assert_eq!(resized.size(), to);
        }
    }
    let Ok((tensor, region)) = steps.apply(&pixels) else { return };
    let (channels, pixels) = (steps.channel_count(), tensor.len() / steps.channel_count());
    assert_eq!(tensor.shape().first(), Some(&1));
    assert!(region.left.is_finite() && region.top.is_finite() && region.width > 0.0 && region.height > 0.0);
    let (height, width) = match steps.layout {
        Layout::Nchw => (tensor.shape()[2], tensor.shape()[3]),
        Layout::Nhwc => (tensor.shape()[1], tensor.shape()[2]),
    };
    assert_eq!(height * width, pixels);
    let values = vec![1.0; tensor.len()];
    match steps.fold_channels(&values, Size { width, height }) {
        Ok(sums) => assert!(sums.iter().all(|&s| s == channels as f64)),
        Err(e) => panic!("attributions of an input's size do not fold: {e}"),
    }
}

fn small(u: &mut Unstructured<'_>) -> Result<Size> {
    Ok(Size { width: u.int_in_range(0..=70)?, height: u.int_in_range(0..=70)? })
}

fn steps(u: &mut Unstructured<'_>) -> Result<ImageSteps> {
    let mut steps = ImageSteps {
        alpha: *u.choose(&[Alpha::White, Alpha::Drop])?,
        channels: *u.choose(&[ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Grey])?,
        resampling: *u.choose(&[
            Resampling::Bilinear,
            Resampling::Nearest,
            Resampling::Bicubic,
            Resampling::Lanczos,
        ])?,
        resize: match u.int_in_range(0..=2u8)? {
            0 => Resize::Keep,
            1 => Resize::ShorterSide(u.int_in_range(0..=40)?),
            _ => Resize::Exact(small(u)?),
        },
        scale: *u.choose(&[PixelScale::Unit, PixelScale::Symmetric, PixelScale::Raw])?,
        layout: *u.choose(&[Layout::Nchw, Layout::Nhwc])?,
        ..ImageSteps::default()
    };
    if u.ratio(1, 2)? {
        steps.crop = Some(small(u)?);
    }
    if u.ratio(1, 2)? {
        steps.mean = ImageSteps::IMAGENET_MEAN.to_vec();
        steps.deviation = vec![u.int_in_range(0..=2)?.into()];
    }
    Ok(steps)
}
