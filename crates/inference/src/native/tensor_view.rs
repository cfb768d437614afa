//! The tensor view: buffer, shape and stride of a result.

use super::layer::{Shape, Window};

/// In place of the buffer of a result that is never there as a whole.
pub(super) const NO_BUFFER: usize = usize::MAX;

/// A channels-last result in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TensorView {
    pub buffer: usize,
    /// The shape.
    pub shape: Shape,
    /// Elements from one pixel to the next.
    pub stride: usize,
}

impl TensorView {
    /// Elements of the picture.
    pub(super) fn length(&self) -> usize {
        self.shape.pixels() * self.stride
    }

    /// A window over all of it, and where what it makes of it lies.
    pub(super) fn to_point(self) -> (Window, Self) {
        let Shape { height, width, .. } = self.shape;
        let window = Window { size: [height, width], ..Window::POINT };
        (window, Self { shape: Shape { height: 1, width: 1, ..self.shape }, ..self })
    }
}
