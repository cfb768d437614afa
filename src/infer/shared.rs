//! A model that several views label with, one after another.

use std::sync::Arc;

use super::error::ModelError;
use super::model::Model;
use crate::domain::classification::{Labels, ModelId, Top};
use crate::preprocess::Preprocessor;
use crate::preprocess::samples::Samples;
use glimpsed_base::sync::Mutex;
use glimpsed_inference::{InputSpec, Tensor};

/// A loaded model with one set of buffers. Whoever labels has it alone for that time.
pub struct SharedModel {
    pub id: Arc<ModelId>,
    pub input: InputSpec,
    labels: Labels,
    turn: Mutex<Turn>,
}

struct Turn {
    model: Model,
    tensor: Tensor,
}

impl From<Model> for Arc<SharedModel> {
    fn from(model: Model) -> Self {
        Self::new(SharedModel::from(model))
    }
}

impl From<Model> for SharedModel {
    fn from(model: Model) -> Self {
        let tensor = Tensor::for_input(&model.input);
        let (id, input, labels) = (model.id.clone(), model.input.clone(), model.labels().clone());
        Self { id, input, labels, turn: Mutex::new(Turn { model, tensor }) }
    }
}

impl SharedModel {
    /// In class order.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Labels a picture. `prepared` is called between the preparation of the tensor and the inference; `probabilities` receives those of
    /// all classes.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn classify(
        &self,
        (preprocessor, samples): (&mut Preprocessor, Samples<'_>),
        prepared: impl FnOnce(),
        k: usize,
        probabilities: &mut Vec<f32>,
    ) -> Result<Top, ModelError> {
        let turn = &mut *self.turn.lock();
        preprocessor.prepare(samples, &mut turn.tensor);
        prepared();
        turn.model.classify_into(&turn.tensor, k, probabilities)
    }

    /// Labels a tensor that was made for this model.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn classify_tensor(
        &self,
        tensor: &Tensor,
        k: usize,
        probabilities: &mut Vec<f32>,
    ) -> Result<Top, ModelError> {
        self.turn.lock().model.classify_into(tensor, k, probabilities)
    }
}
