//! A model that several views label with, one after another.

use std::sync::Arc;

use super::error::ModelError;
use super::model::{Looked, Model, Wanted};
use super::network::Look;
use crate::domain::classification::{Labels, ModelId};
use crate::preprocess::Preprocessor;
use crate::preprocess::samples::Samples;
use glimpsed_base::sync::Mutex;
use glimpsed_inference::{InputSpec, Tensor};

/// A loaded model with its buffers. It is used by one thread at a time.
pub struct SharedModel {
    pub id: Arc<ModelId>,
    pub input: InputSpec,
    labels: Labels,
    model: Mutex<Model>,
}

impl From<Model> for Arc<SharedModel> {
    fn from(model: Model) -> Self {
        Self::new(SharedModel::from(model))
    }
}

impl From<Model> for SharedModel {
    fn from(model: Model) -> Self {
        let (id, input, labels) = (model.id.clone(), model.input.clone(), model.labels().clone());
        Self { id, input, labels, model: Mutex::new(model) }
    }
}

impl SharedModel {
    /// In class order.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Labels a picture, which is the part `look` of a frame. `prepared` is called between the preparation of the tensor and the
    /// inference; neither happens if the network has just looked at it for another view. `probabilities` receives those of all classes.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn classify(
        &self,
        look: Option<Look>,
        (preprocessor, samples): (&mut Preprocessor, Samples<'_>),
        prepared: impl FnOnce(),
        wanted: Wanted,
        probabilities: &mut Vec<f32>,
    ) -> Result<Looked, ModelError> {
        let prepare = |tensor: &mut Tensor| {
            preprocessor.prepare(samples, tensor);
            prepared();
        };
        self.model.lock().look(look, prepare, wanted, probabilities)
    }

    /// Labels a tensor that was made for this model.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn classify_tensor(
        &self,
        tensor: &Tensor,
        wanted: Wanted,
        probabilities: &mut Vec<f32>,
    ) -> Result<Looked, ModelError> {
        self.model.lock().look_at(tensor, wanted, probabilities)
    }
}
