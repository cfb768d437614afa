//! Pictures that are made for a test: of one colour, and of noise that is the same each time.

use crate::domain::framing::Framing;
use crate::preprocess::Preprocessor;
use crate::preprocess::samples::Samples;
use glimpsed_inference::{InputSpec, Tensor};

/// The side in pixels of a patch of one colour.
const PATCH_PX: usize = 16;

pub(super) struct TestPictures {
    random: fastrand::Rng,
    preprocessor: Preprocessor,
    width: usize,
    height: usize,
}

impl TestPictures {
    pub(super) fn new(input: &InputSpec) -> Self {
        Self {
            random: fastrand::Rng::with_seed(1),
            preprocessor: Preprocessor::new(input.clone(), Framing::default()),
            width: input.width,
            height: input.height,
        }
    }

    pub(super) fn white(&mut self, tensor: &mut Tensor) {
        self.prepare(tensor, |_, _, _| 255);
    }

    pub(super) fn grey(&mut self, tensor: &mut Tensor) {
        self.prepare(tensor, |_, _, _| 128);
    }

    /// Each sample for itself.
    pub(super) fn noise(&mut self, tensor: &mut Tensor) {
        self.prepare(tensor, |random, _, _| random.u8(..));
    }

    /// Patches of black, white and the six colours between them.
    pub(super) fn patches(&mut self, tensor: &mut Tensor) {
        let patches = self.width.div_ceil(PATCH_PX);
        let colours: Vec<u8> =
            (0..patches * self.height.div_ceil(PATCH_PX) * 3).map(|_| 255 * self.random.u8(..2)).collect();
        self.prepare(tensor, |_, (column, row), channel| {
            colours[((row / PATCH_PX) * patches + column / PATCH_PX) * 3 + channel]
        });
    }

    fn prepare(
        &mut self,
        tensor: &mut Tensor,
        mut sample: impl FnMut(&mut fastrand::Rng, (usize, usize), usize) -> u8,
    ) {
        let (width, height, random) = (self.width, self.height, &mut self.random);
        let bytes: Vec<u8> = (0..width * height * 3)
            .map(|index| sample(random, (index / 3 % width, index / 3 / width), index % 3))
            .collect();
        self.preprocessor.prepare(Samples::rgb(width, height, &bytes), tensor);
    }
}
