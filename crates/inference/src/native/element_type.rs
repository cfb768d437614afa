//! The two element types, f32 and quantised u8: their differences, so that everything else about convolutions is
//! generic.

use std::fmt::Debug;
use std::ops::Range;

use super::aligned::Aligned;
use super::kernels::Kernels;
use super::kernels::layout::{Layout, PackedBytes};
use super::kernels::operands::{Bounds, ByteBounds, Requantise, Span, Tile, ToByte};
use super::layer::{PoolKind, Quant};
use super::pointwise;
use super::tensor_view::TensorView;

const MEAN: PoolKind = PoolKind::Average { with_padding: false };

/// A float, or a byte that stands for one.
pub(super) trait ElementType: Copy + Default + Send + Sync + 'static {
    type Weight: Sync;
    /// The type of biases and accumulators.
    type Sum: Sync;
    /// Packed weights, biases, and the epilogue of a convolution.
    type Epilogue: Debug + Sync;
    /// The parameters of a mean: bounds, or the quantisation of input and output.
    type Mean: Debug + Sync;

    /// The value of the padding, from a byte.
    fn of_byte(byte: u8) -> Self;

    /// The operands of a convolution of this picture.
    fn operands<'a>(epilogue: &'a Self::Epilogue, picture: &'a [Self]) -> Operands<'a, Self>;

    /// The largest number of pixels in a tile.
    fn rows(layout: &Layout) -> usize;

    /// Computes the outputs of a tile whose first output channel is `channel`, into `out` with its row stride.
    /// `workspace` is that of [`Kernels::tile_u8`].
    fn tile(
        kernels: &Kernels,
        workspace: &mut [u8],
        epilogue: &Self::Epilogue,
        tile: &Tile<Self, Self::Weight, Self::Sum>,
        channel: usize,
        residual: Option<&[Self]>,
        out: (&mut [Self], usize),
    );

    /// Computes the outputs of a span.
    fn span(kernels: &Kernels, epilogue: &Self::Epilogue, span: &Span<Self, Self::Weight, Self::Sum>, out: &mut [Self]);

    /// Computes the mean over all pixels of a picture, for each channel.
    fn means(picture: (&[Self], TensorView), mean: &Self::Mean, out: &mut [Self]);
}

/// What a convolution looks at and is multiplied with.
pub(super) struct Operands<'a, N: ElementType> {
    pub picture: &'a [N],
    /// The packed weights.
    pub weights: &'a [N::Weight],
    /// The initial values of the accumulators, one for each output channel.
    pub bias: &'a [N::Sum],
    /// See [`PackedBytes::narrow`].
    pub narrow: bool,
}

/// The inputs of a step.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a, N> {
    pub picture: &'a [N],
    /// What is added to the thread's part of the output, in the same layout.
    pub residual: Option<&'a [N]>,
}

/// A thread at work on numbers of one kind.
pub(super) struct Worker<'a, N> {
    pub kernels: &'a Kernels,
    /// The thread's scratch.
    pub scratch: &'a mut Scratch<N>,
    /// See [`Layout::workspace`].
    pub workspace: &'a mut [u8],
}

/// A thread's scratch for the operands of a tile.
#[derive(Debug, Default)]
pub(super) struct Scratch<N> {
    pub offsets: Vec<u32>,
    /// The gathered windows.
    pub gathered: Vec<N>,
}

/// Weights and epilogue of a convolution of floats.
#[derive(Debug)]
pub(super) struct FloatEpilogue {
    pub weights: Aligned<f32>,
    /// One bias for each stored output channel.
    pub bias: Vec<f32>,
    /// The bounds of the result.
    pub bounds: Bounds,
}

/// Weights and epilogue of an int8 convolution.
#[derive(Debug)]
pub(super) struct ByteEpilogue {
    pub packed: PackedBytes,
    /// The requantisation factor of each stored output channel: input scale * weight scale / output scale.
    pub scale: Vec<f32>,
    /// Zero point and bounds of the output.
    pub to: ToByte,
    /// The lowest and the highest byte of each channel; `None` if those of `to` hold for all.
    pub channels: Option<[Vec<u8>; 2]>,
    /// The fused residual addition, if there is one.
    pub added: Option<Added>,
}

/// A quantised addition, one of whose operands is the result of the convolution that it is fused with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Added {
    /// Of what is added, in this order.
    pub quants: [Quant; 2],
    /// Whether the convolution's result is the first operand.
    pub made_first: bool,
    /// The scale of the sum.
    pub scale: f32,
    /// Zero point and bounds of the sum.
    pub to: ToByte,
}

impl Added {
    /// Bytes that are added at once.
    const BLOCK: usize = 256;

    fn add(&self, kernels: &Kernels, others: &[u8], out: &mut [u8]) {
        let mut block = [0; Self::BLOCK];
        for (out, other) in out.chunks_mut(Self::BLOCK).zip(others.chunks(Self::BLOCK)) {
            let made = &mut block[..out.len()];
            made.copy_from_slice(out);
            let [a, b] = if self.made_first { [&*made, other] } else { [other, &*made] };
            kernels.add_u8([(a, self.quants[0]), (b, self.quants[1])], self.scale, self.to, out);
        }
    }
}

impl ElementType for f32 {
    type Weight = f32;
    type Sum = f32;
    type Epilogue = FloatEpilogue;
    type Mean = Bounds;

    fn of_byte(byte: u8) -> f32 {
        f32::from(byte)
    }

    fn operands<'a>(epilogue: &'a FloatEpilogue, picture: &'a [f32]) -> Operands<'a, f32> {
        Operands { picture, weights: &epilogue.weights, bias: &epilogue.bias, narrow: false }
    }

    fn rows(layout: &Layout) -> usize {
        layout.float_rows
    }

    fn tile(
        kernels: &Kernels,
        _workspace: &mut [u8],
        epilogue: &FloatEpilogue,
        tile: &Tile<f32, f32, f32>,
        _channel: usize,
        residual: Option<&[f32]>,
        (out, row_stride): (&mut [f32], usize),
    ) {
        kernels.tile_f32(tile, epilogue.bounds, residual, out, row_stride);
    }

    fn span(kernels: &Kernels, epilogue: &FloatEpilogue, span: &Span<f32, f32, f32>, out: &mut [f32]) {
        kernels.span_f32(span, epilogue.bounds, out);
    }

    fn means((picture, place): (&[f32], TensorView), bounds: &Bounds, out: &mut [f32]) {
        let (window, output) = place.to_point();
        pointwise::pool_f32((picture, place), MEAN, &window, *bounds, (output, 0), out);
    }
}

impl ElementType for u8 {
    type Weight = i8;
    type Sum = i32;
    type Epilogue = ByteEpilogue;
    type Mean = (Quant, f32, ToByte);

    fn of_byte(byte: u8) -> u8 {
        byte
    }

    fn operands<'a>(epilogue: &'a ByteEpilogue, picture: &'a [u8]) -> Operands<'a, u8> {
        let packed = &epilogue.packed;
        Operands { picture, weights: &packed.weights, bias: &packed.bias, narrow: packed.narrow }
    }

    fn rows(layout: &Layout) -> usize {
        layout.byte_rows
    }

    fn tile(
        kernels: &Kernels,
        workspace: &mut [u8],
        epilogue: &ByteEpilogue,
        tile: &Tile<u8, i8, i32>,
        channel: usize,
        residual: Option<&[u8]>,
        (out, row_stride): (&mut [u8], usize),
    ) {
        let channels = tile.bias.len();
        let requantise = epilogue.requantise(channel..channel + channels);
        kernels.tile_u8(tile, requantise, workspace, out, row_stride);
        // ONNX defines the convolution's result as bytes, so the sums are requantised before the addition.
        if let (Some(added), Some(residual)) = (&epilogue.added, residual) {
            if channels == row_stride {
                return added.add(kernels, residual, out);
            }
            for (out, residual) in out.chunks_mut(row_stride).zip(residual.chunks(row_stride)) {
                added.add(kernels, &residual[..channels], &mut out[..channels]);
            }
        }
    }

    fn span(kernels: &Kernels, epilogue: &ByteEpilogue, span: &Span<u8, i8, i32>, out: &mut [u8]) {
        kernels.span_u8(span, epilogue.requantise(0..epilogue.scale.len()), out);
    }

    fn means((picture, place): (&[u8], TensorView), &(from, scale, to): &Self::Mean, out: &mut [u8]) {
        let (window, output) = place.to_point();
        pointwise::mean_u8((picture, place, from), false, &window, (scale, to), (output, 0), out);
    }
}

impl ByteEpilogue {
    /// The requantisation of some of the channels.
    fn requantise(&self, channels: Range<usize>) -> Requantise<'_> {
        let bounds = self
            .channels
            .as_ref()
            .map(|[low, high]| ByteBounds { low: &low[channels.clone()], high: &high[channels.clone()] });
        Requantise { scale: &self.scale[channels], to: self.to, channels: bounds }
    }
}
