//! Converts the errors of the layers below to [`CommandError`], which says whether the requester may try again.

use crate::bus::commands::CommandError;
use crate::config::edit::EditError;
use crate::error::Error;
use crate::pipeline::orders::OrderError;
use crate::pipeline::second_opinion::NoOpinion;
use crate::preprocess::encode::PictureError;
use crate::teach::lessons::TeachError;
use crate::teach::store::StoreError;

impl From<OrderError> for CommandError {
    fn from(error: OrderError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<NoOpinion> for CommandError {
    fn from(error: NoOpinion) -> Self {
        let text = error.to_string();
        match error {
            NoOpinion::Off => Self::Refused(text),
            NoOpinion::SwitchedOff | NoOpinion::Exchanged | NoOpinion::Busy => Self::Unavailable(text),
            NoOpinion::Ended | NoOpinion::Failed(_) => Self::Failed(text),
        }
    }
}

impl From<PictureError> for CommandError {
    fn from(error: PictureError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        let text = error.to_string();
        match error {
            EditError::NotReplaced(_) | EditError::Panicked => Self::Failed(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<TeachError> for CommandError {
    fn from(error: TeachError) -> Self {
        let text = error.to_string();
        match error {
            TeachError::NotInUse(error) => error,
            TeachError::Busy => Self::Unavailable(text),
            TeachError::Model(_) | TeachError::Thread(_) | TeachError::Store(StoreError::Write { .. }) => {
                Self::Failed(text)
            }
            _ => Self::Refused(text),
        }
    }
}

/// An error that ends the daemon is on its way to it; the requester is told meanwhile.
impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}
