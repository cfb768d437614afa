//! Why a model cannot be used, with a remedy in terms of the configuration.

use glimpsed_inference::Error;

/// Why a model cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The engine's refusal, with the model's name in the configuration.
    #[error("{}", with_remedy(name, cause))]
    Engine { name: String, cause: Error },
    #[error("cannot read `{path}`: {cause}")]
    Labels { path: String, cause: String },
    #[error("`{path}` is not there; `glimpsed models fetch {name}` downloads it")]
    NotFetched { path: String, name: String },
    #[error(
        "has {classes} classes, but `{labels}` has {found} labels; they must match, or one more class than labels, and `background = true` in [models.{name}]: the first class is a background class without a label"
    )]
    LabelCount { name: String, classes: usize, labels: String, found: usize },
    #[error(
        "gives numbers that add up to {sum}, which are no probabilities; leave `scores` out or set it to \"logits\""
    )]
    NotProbabilities { sum: f32 },
}

fn with_remedy(name: &str, cause: &Error) -> String {
    match cause {
        Error::WrongHash { .. } => format!("{cause}; fetch it again"),
        Error::NotNative { .. } if cfg!(feature = "tract") => {
            format!("{cause}; leave `backend` out, and tract runs it")
        }
        Error::NotNative { .. } => format!("{cause}, and this program was built without tract, which might"),
        Error::ExternalData { location } => {
            format!("keeps weights in another file (`{location}`), which glimpsed refuses to open; save it as one file")
        }
        Error::UnknownScaling => format!(
            "does not say how its input is scaled; set `family` in [models.{name}] (\"imagenet\" for what PyTorch's libraries trained, \"inception\" for TensorFlow's MobileNets), or `mean` and `std`"
        ),
        Error::SizeLeftOpen => format!("{cause}; set `input = [height, width]` in [models.{name}]"),
        other => other.to_string(),
    }
}
