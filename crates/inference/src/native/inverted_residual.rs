//! The fused inverted residual: a pointwise convolution that expands the channels, a depthwise one, and a pointwise one
//! that projects to few channels again (Sandler et al., "MobileNetV2", 2018). It is computed in row tiles (strips), so
//! that of the expanded picture only a few rows are materialised, which stay in the second-level cache.

use std::ops::Range;

use super::convolution::{Dense, Depthwise, Part, WEIGHT_BLOCK};
use super::element_type::{ElementType, Inputs, Worker};
use super::kernels::operands::MAX_TAPS;
use super::layer::{Conv, Shape, Window};
use super::tensor_view::TensorView;

/// The second-level cache per core of the supported boards, in bytes. An expanded picture is computed in row tiles if
/// it is larger, and a few of its rows are not.
const CACHE: usize = 256 << 10;

/// The bytes of a row tile's intermediate rows, unless those for one output row are more.
const KEPT: usize = 128 << 10;

/// A fused inverted residual.
#[derive(Debug)]
pub(super) struct InvertedResidual<N: ElementType> {
    expand: Dense<N>,
    expanded: TensorView,
    depthwise: Depthwise<N>,
    filtered: TensorView,
    project: Dense<N>,
    /// Output rows of a row tile.
    rows: usize,
}

/// Whether three convolutions, each of which is all that looks at the one before it, can be an inverted residual in
/// strips.
pub(super) fn is_possible([expand, depthwise, project]: [&Conv; 3]) -> bool {
    let is_point = |conv: &Conv| conv.window == Window::POINT && conv.groups == 1;
    let is_filter = depthwise.is_depthwise() && depthwise.window.taps() <= MAX_TAPS;
    is_point(expand) && is_point(project) && is_filter && depthwise.window.dilation == [1, 1]
}

/// Whether the many channels are so many bytes that a few rows are better than all, and a few are few enough.
pub(super) fn is_worth_while([expand, depthwise, project]: [&Conv; 3], shape: Shape, element_bytes: usize) -> bool {
    let weights = (expand.inputs * expand.outputs + project.inputs * project.outputs) * element_bytes;
    let row = shape.width.saturating_mul(expand.outputs).saturating_mul(element_bytes);
    let rows = depthwise.window.size[0] + 1;
    // The weights of both pointwise convolutions are read again for each row tile.
    row.saturating_mul(shape.height) > CACHE && row.saturating_mul(rows) <= CACHE && weights <= WEIGHT_BLOCK
}

impl<N: ElementType> InvertedResidual<N> {
    /// `expanded` and `filtered` are what the first two would make of everything.
    pub(super) fn new(
        expand: Dense<N>,
        expanded: TensorView,
        mut depthwise: Depthwise<N>,
        filtered: TensorView,
        project: Dense<N>,
    ) -> Self {
        let Window { size, stride, .. } = depthwise.source.window;
        let row_bytes = |place: TensorView| place.shape.width * place.stride * size_of::<N>();
        let first = size[0] * row_bytes(expanded) + row_bytes(filtered);
        let each = stride[0] * row_bytes(expanded) + row_bytes(filtered);
        let rows = (1 + KEPT.saturating_sub(first) / each.max(1)).min(filtered.shape.height);
        depthwise.source.kept = (size[0] + (rows - 1) * stride[0]).min(expanded.shape.height);
        Self { expand, expanded, depthwise, filtered, project, rows }
    }

    /// Numbers that a thread needs room for: rows of the expanded picture, what lies outside of it, and rows of the
    /// filtered one.
    pub(super) fn space(&self) -> usize {
        self.kept() + self.depthwise.tail() + self.rows * self.filtered.shape.width * self.filtered.stride
    }

    fn kept(&self) -> usize {
        self.depthwise.source.kept * self.expanded.shape.width * self.expanded.stride
    }

    /// Multiplications and additions for all of it.
    pub(super) fn operations(&self) -> usize {
        let dense = |dense: &Dense<N>, output: TensorView| output.length() * dense.depth;
        let filter = self.filtered.length() * self.depthwise.source.window.taps();
        dense(&self.expand, self.expanded) + filter + dense(&self.project, self.filtered)
    }

    /// What happens to the sums of the last convolution.
    pub(super) fn epilogue(&mut self) -> &mut N::Epilogue {
        &mut self.project.epilogue
    }

    /// What the first convolution looks at.
    pub(super) fn input(&self) -> &Dense<N> {
        &self.expand
    }

    /// The convolutions that put their inputs in order.
    pub(super) fn dense(&self) -> [&Dense<N>; 2] {
        [&self.expand, &self.project]
    }

    /// Computes `rows` of the output.
    pub(super) fn compute(
        &self,
        worker: &mut Worker<N>,
        space: &mut [N],
        Inputs { picture, residual }: Inputs<N>,
        output: TensorView,
        rows: Range<usize>,
        out: &mut [N],
    ) {
        let source = &self.depthwise.source;
        let Window { size, stride, pads, .. } = source.window;
        let (expanded, filtered) = space.split_at_mut(self.kept() + self.depthwise.tail());
        source.fill_outside(expanded, self.depthwise.tail());
        let width = output.shape.width;
        // The first expanded row that has not been computed yet.
        let mut next = (rows.start * stride[0]).saturating_sub(pads[0]);
        for start in rows.clone().step_by(self.rows) {
            let end = (start + self.rows).min(rows.end);
            let needed = ((end - 1) * stride[0] + size[0]).saturating_sub(pads[0]).min(self.expanded.shape.height);
            next = next.max((start * stride[0]).saturating_sub(pads[0]));
            while next < needed {
                next = self.expand_rows(worker, picture, next..needed, expanded);
            }
            self.depthwise.compute(worker, expanded, self.filtered, start..end, filtered);
            let range = (start - rows.start) * width * output.stride..(end - rows.start) * width * output.stride;
            let residual = residual.map(|residual| &residual[range.clone()]);
            // The filtered rows in memory are those of this row tile alone.
            let part = Part { pixels: 0..(end - start) * width, panels: self.project.panels(output) };
            let inputs = Inputs { picture: filtered, residual };
            self.project.compute(worker, inputs, output, part, &mut out[range]);
        }
    }

    /// Expands as many of the rows as are contiguous in the ring buffer. Returns the first row that is left.
    fn expand_rows(&self, worker: &mut Worker<N>, picture: &[N], rows: Range<usize>, expanded: &mut [N]) -> usize {
        let (kept, width) = (self.depthwise.source.kept, self.expanded.shape.width);
        let at = rows.start % kept;
        let end = rows.end.min(rows.start + kept - at);
        let part = Part { pixels: rows.start * width..end * width, panels: self.expand.panels(self.expanded) };
        let row = width * self.expanded.stride;
        let out = &mut expanded[at * row..][..(end - rows.start) * row];
        self.expand.compute(worker, Inputs { picture, residual: None }, self.expanded, part, out);
        end
    }
}
