//! The decoded planes.

/// One colour component of the picture, at reduced size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plane {
    /// At least `height` rows of `stride` bytes, of which the first `width` belong to the picture.
    pub pixels: Vec<u8>,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of this plane per pixel of the picture, horizontally and vertically.
    pub scale: [f64; 2],
    /// Where the picture's left and upper edges are, in pixels of this plane: below 1, and 0 unless it was turned.
    pub start: [f64; 2],
}

impl Plane {
    fn at(&self, x: usize, y: usize) -> u8 {
        self.pixels[y.min(self.height - 1) * self.stride + x.min(self.width - 1)]
    }

    /// As it is shown, by the orientation tag of Exif (1 to 8). `size` is the picture's width and height before.
    pub(super) fn turn(&mut self, orientation: u8, size: [usize; 2]) {
        let (width, height) = (self.width, self.height);
        let swaps = orientation >= 5;
        let (across, down) = if swaps { (height, width) } else { (width, height) };
        let mut pixels = Vec::with_capacity(across * down);
        for y in 0..down {
            for x in 0..across {
                let (x, y) = match orientation {
                    2 => (width - 1 - x, y),
                    3 => (width - 1 - x, height - 1 - y),
                    4 => (x, height - 1 - y),
                    5 => (y, x),
                    6 => (y, height - 1 - x),
                    7 => (width - 1 - y, height - 1 - x),
                    8 => (width - 1 - y, x),
                    _ => (x, y),
                };
                pixels.push(self.pixels[y * self.stride + x]);
            }
        }
        let scale = if swaps { [self.scale[1], self.scale[0]] } else { self.scale };
        // The last pixel may lie across the picture's edge, and is the first one of a mirrored picture.
        let over = [0, 1].map(|axis| [width, height][axis] as f64 - size[axis] as f64 * self.scale[axis]);
        let start = match orientation {
            2 => [over[0], 0.0],
            3 => over,
            4 => [0.0, over[1]],
            6 => [over[1], 0.0],
            7 => [over[1], over[0]],
            8 => [0.0, over[0]],
            _ => [0.0; 2],
        };
        *self = Self { pixels, width: across, height: down, stride: across, scale, start };
    }
}

/// Makes red, green and blue of four planes of inks, in place of the first three. `transformed` says that the first three
/// are Y, Cb and Cr; `inverted` that 255 is no ink, as Adobe writes it.
pub(super) fn from_inks(planes: &mut [Plane; 4], transformed: bool, inverted: bool) {
    let (width, height) = (planes[0].width, planes[0].height);
    let mut colours = [0; 3].map(|_: u8| Vec::with_capacity(width * height));
    for y in 0..height {
        for x in 0..width {
            let sample = |plane: &Plane| {
                let place = |at: usize, axis: usize| (at as f64 * plane.scale[axis] / planes[0].scale[axis]) as usize;
                plane.at(place(x, 0), place(y, 1))
            };
            let mut inks = [0, 1, 2, 3].map(|at: usize| sample(&planes[at]));
            if transformed {
                let [luma, blue, red] = [inks[0], inks[1], inks[2]].map(f32::from);
                let (blue, red) = (blue - 128.0, red - 128.0);
                // The transform is that of the complement of the stored inks.
                inks[0] = 255 - (luma + 1.402 * red).round() as u8;
                inks[1] = 255 - (luma - 0.344_136 * blue - 0.714_136 * red).round() as u8;
                inks[2] = 255 - (luma + 1.772 * blue).round() as u8;
            }
            let light = |ink: u8| u16::from(if inverted { ink } else { 255 - ink });
            for (colour, ink) in colours.iter_mut().zip(inks) {
                colour.push(((light(ink) * light(inks[3]) + 127) / 255) as u8);
            }
        }
    }
    let scale = planes[0].scale;
    for (plane, pixels) in planes.iter_mut().zip(colours) {
        *plane = Plane { pixels, width, height, stride: width, scale, start: [0.0; 2] };
    }
}
