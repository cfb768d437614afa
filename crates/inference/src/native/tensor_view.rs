//! The tensor view: buffer, shape and stride of a result.

use super::layer::{Shape, Window};

/// The buffer of a result that is never materialised.
pub const NO_BUFFER: usize = usize::MAX;

/// A channels-last result in a buffer.
#[derive(Debug, Clone, Copy)]
pub struct TensorView {
    /// The index of the buffer among those of its element type.
    pub buffer: usize,
    /// The shape.
    pub shape: Shape,
    /// Elements from one pixel to the next.
    pub stride: usize,
}

impl TensorView {
    /// The number of elements, the padding of the channels included.
    pub fn length(&self) -> usize {
        self.shape.pixels() * self.stride
    }

    /// A window over the whole picture, and the view of its output, which is one pixel.
    pub fn to_point(self) -> (Window, Self) {
        let Shape { height, width, .. } = self.shape;
        let window = Window { size: [height, width], ..Window::POINT };
        (window, Self { shape: Shape { height: 1, width: 1, ..self.shape }, ..self })
    }
}
