//! From a decoded picture to the tensor that a model takes.

pub mod decode;
pub mod thumbnail;
mod view;

use fast_image_resize::images::ImageRef;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};

use crate::config::typed::Rotation;
use crate::models::spec::{ChannelOrder, Element, Fit, InputSpec, Layout};
use decode::{DecodeError, RgbImage};
pub use view::{Region, View};

/// Input of a model, in the order and element type that its [`InputSpec`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl Tensor {
    /// Zeros, of the model's size.
    pub fn for_input(spec: &InputSpec) -> Self {
        match spec.element {
            Element::F32 => Self::F32(vec![0.0; spec.len()]),
            Element::U8 => Self::U8(vec![0; spec.len()]),
        }
    }
}

/// Turns pictures into tensors for one model; its buffers serve again for every frame.
pub struct Preprocessor {
    spec: InputSpec,
    view: View,
    resizer: Resizer,
    /// The picture at the model's size, before it is turned.
    small: Vec<u8>,
    turned: Vec<u8>,
    /// `(value / 255 - mean) / std` for every value of a colour: a look-up is cheaper than two divisions.
    normalised: Box<[[f32; 256]; 3]>,
}

impl Preprocessor {
    pub fn new(spec: InputSpec, view: impl Into<View>) -> Self {
        let mut normalised = Box::new([[0.0; 256]; 3]);
        for (colour, table) in normalised.iter_mut().enumerate() {
            for (value, entry) in table.iter_mut().enumerate() {
                *entry = (value as f32 / 255.0 - spec.mean[colour]) / spec.std[colour];
            }
        }
        let small = vec![0; spec.len()];
        Self { turned: small.clone(), small, resizer: Resizer::new(), normalised, view: view.into(), spec }
    }

    pub fn view(&self) -> View {
        self.view
    }

    /// Fills `tensor` (made by [`Tensor::for_input`]) from `picture`.
    ///
    /// The resampling is Pillow's bilinear filter with antialiasing, from the very part of the picture that torchvision's
    /// `Resize` and `CenterCrop` would keep, in one step and without the rows and columns that would be thrown away.
    ///
    /// # Errors
    /// When the picture's pixels are not what its size says.
    pub fn prepare(&mut self, picture: &RgbImage, tensor: &mut Tensor) -> Result<(), DecodeError> {
        self.resample(picture)?;
        let pixels = match self.view.rotation {
            Rotation::None => &self.small,
            rotation => {
                turn(&self.small, self.spec.width, self.spec.height, rotation, &mut self.turned);
                &self.turned
            }
        };
        pack(&self.spec, &self.normalised, pixels, tensor);
        Ok(())
    }

    fn resample(&mut self, picture: &RgbImage) -> Result<(), DecodeError> {
        let (width, height) = match self.view.rotation {
            Rotation::None | Rotation::Half => (self.spec.width, self.spec.height),
            Rotation::Quarter | Rotation::ThreeQuarters => (self.spec.height, self.spec.width),
        };
        let window = self.view.before_turning().pixels(picture.width, picture.height);
        let (left, across, top, down) = match self.spec.fit {
            Fit::Stretch => (0.0, window.width as f64, 0.0, window.height as f64),
            Fit::Crop { shorter_px } => {
                let (left, across) = centre_crop(window.width, window.height, shorter_px, width);
                let (top, down) = centre_crop(window.height, window.width, shorter_px, height);
                (left, across, top, down)
            }
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            window.x as f64 + left,
            window.y as f64 + top,
            across,
            down,
        );
        let fail = |cause: String| DecodeError::Resize { width: picture.width, height: picture.height, cause };
        let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3)
            .map_err(|error| fail(error.to_string()))?;
        let mut target = Image::from_slice_u8(width as u32, height as u32, &mut self.small, PixelType::U8x3)
            .map_err(|error| fail(error.to_string()))?;
        self.resizer.resize(&source, &mut target, &options).map_err(|error| fail(error.to_string()))
    }
}

/// Start and length, in pixels of the source, of what remains of one side after torchvision's `Resize(shorter_px)` and
/// `CenterCrop(target)`; `side` is that side's length and `other` the other's.
fn centre_crop(side: usize, other: usize, shorter_px: usize, target: usize) -> (f64, f64) {
    // torchvision truncates the longer side, and rounds the offset half to even.
    let resized = if side <= other { shorter_px } else { shorter_px * side / other };
    let offset = ((resized as f64 - target as f64) / 2.0).round_ties_even();
    let scale = side as f64 / resized as f64;
    let length = (target as f64 * scale).min(side as f64);
    let start = (offset * scale).clamp(0.0, side as f64 - length);
    (start, length)
}

/// The picture with a longer side of at most `side` pixels.
///
/// # Errors
/// When the picture's pixels are not what its size says.
pub fn shrunk(picture: RgbImage, side: usize) -> Result<RgbImage, DecodeError> {
    let longer = picture.width.max(picture.height);
    if longer <= side {
        return Ok(picture);
    }
    let [width, height] = [picture.width, picture.height].map(|length| (length * side / longer).max(1));
    let fail = |cause: String| DecodeError::Resize { width: picture.width, height: picture.height, cause };
    let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3);
    let mut small = Image::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let resized = source.map_err(|error| fail(error.to_string())).and_then(|source| {
        Resizer::new().resize(&source, &mut small, &options).map_err(|error| fail(error.to_string()))
    });
    resized.map(|()| RgbImage { width, height, pixels: small.into_vec() })
}

/// The picture as it is to be seen.
pub fn turned(picture: RgbImage, rotation: Rotation) -> RgbImage {
    let (width, height) = match rotation {
        Rotation::None => return picture,
        Rotation::Half => (picture.width, picture.height),
        Rotation::Quarter | Rotation::ThreeQuarters => (picture.height, picture.width),
    };
    let mut pixels = vec![0; picture.pixels.len()];
    turn(&picture.pixels, width, height, rotation, &mut pixels);
    RgbImage { width, height, pixels }
}

/// Turns clockwise; `width` and `height` are the result's.
fn turn(source: &[u8], width: usize, height: usize, rotation: Rotation, out: &mut [u8]) {
    for (index, pixel) in out.chunks_exact_mut(3).enumerate() {
        let (x, y) = (index % width, index / width);
        let from = match rotation {
            Rotation::None => index,
            Rotation::Half => width * height - 1 - index,
            Rotation::Quarter => (width - 1 - x) * height + y,
            Rotation::ThreeQuarters => x * height + (height - 1 - y),
        };
        pixel.copy_from_slice(&source[3 * from..3 * from + 3]);
    }
}

fn pack(spec: &InputSpec, normalised: &[[f32; 256]; 3], pixels: &[u8], tensor: &mut Tensor) {
    // `order[i]` is the colour that stands i-th in the tensor.
    let order = match spec.channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    match tensor {
        Tensor::F32(values) => {
            arrange(spec.layout, order, pixels, values, |colour, value| normalised[colour][usize::from(value)]);
        }
        Tensor::U8(values) => arrange(spec.layout, order, pixels, values, |_, value| value),
    }
}

fn arrange<T>(layout: Layout, order: [usize; 3], pixels: &[u8], out: &mut [T], value: impl Fn(usize, u8) -> T) {
    match layout {
        Layout::Nhwc => {
            for (pixel, entry) in pixels.chunks_exact(3).zip(out.chunks_exact_mut(3)) {
                for (position, &colour) in order.iter().enumerate() {
                    entry[position] = value(colour, pixel[colour]);
                }
            }
        }
        Layout::Nchw => {
            let plane = pixels.len() / 3;
            for (values, colour) in out.chunks_exact_mut(plane.max(1)).zip(order) {
                for (entry, pixel) in values.iter_mut().zip(pixels.chunks_exact(3)) {
                    *entry = value(colour, pixel[colour]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(element: Element, layout: Layout, channels: ChannelOrder) -> InputSpec {
        InputSpec { height: 1, width: 2, layout, element, channels, mean: [0.0; 3], std: [1.0; 3], fit: Fit::Stretch }
    }

    fn tensor(spec: InputSpec, rotation: Rotation) -> Tensor {
        let picture = RgbImage { width: 2, height: 1, pixels: vec![0, 51, 102, 153, 204, 255] };
        let mut tensor = Tensor::for_input(&spec);
        Preprocessor::new(spec, rotation).prepare(&picture, &mut tensor).expect("a whole picture");
        tensor
    }

    #[test]
    fn layouts_and_channel_orders_arrange_the_same_pixels() {
        use {ChannelOrder::*, Element::*, Layout::*};
        assert_eq!(tensor(spec(U8, Nhwc, Rgb), Rotation::None), Tensor::U8(vec![0, 51, 102, 153, 204, 255]));
        assert_eq!(tensor(spec(U8, Nhwc, Bgr), Rotation::None), Tensor::U8(vec![102, 51, 0, 255, 204, 153]));
        assert_eq!(tensor(spec(U8, Nchw, Rgb), Rotation::None), Tensor::U8(vec![0, 153, 51, 204, 102, 255]));
        assert_eq!(tensor(spec(U8, Nchw, Bgr), Rotation::None), Tensor::U8(vec![102, 255, 51, 204, 0, 153]));
        assert_eq!(tensor(spec(F32, Nchw, Rgb), Rotation::None), Tensor::F32(vec![0.0, 0.6, 0.2, 0.8, 0.4, 1.0]));
    }

    #[test]
    fn half_a_turn_swaps_the_pixels() {
        use {ChannelOrder::*, Element::*, Layout::*};
        assert_eq!(tensor(spec(U8, Nhwc, Rgb), Rotation::Half), Tensor::U8(vec![153, 204, 255, 0, 51, 102]));
    }

    #[test]
    fn quarter_turns_are_clockwise() {
        // 1 2        3 1        2 4
        // 3 4   ->   4 2   and  1 3
        let source: Vec<u8> = [1u8, 2, 3, 4].iter().flat_map(|&value| [value; 3]).collect();
        let turned = |rotation| {
            let mut out = vec![0; 12];
            turn(&source, 2, 2, rotation, &mut out);
            out.chunks(3).map(|pixel| pixel[0]).collect::<Vec<_>>()
        };
        assert_eq!(turned(Rotation::Quarter), [3, 1, 4, 2]);
        assert_eq!(turned(Rotation::ThreeQuarters), [2, 4, 1, 3]);
    }

    #[test]
    fn a_picture_one_pixel_wide_is_resampled_like_any_other() {
        let spec = InputSpec {
            height: 8,
            width: 8,
            fit: Fit::Crop { shorter_px: 9 },
            ..spec(Element::U8, Layout::Nhwc, ChannelOrder::Rgb)
        };
        let picture = RgbImage { width: 1, height: 5000, pixels: vec![77; 15_000] };
        let mut tensor = Tensor::for_input(&spec);
        Preprocessor::new(spec, Rotation::None).prepare(&picture, &mut tensor).expect("a whole picture");
        assert_eq!(tensor, Tensor::U8(vec![77; 192]));
    }
}
