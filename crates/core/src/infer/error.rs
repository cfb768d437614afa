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
    #[error("{cause}")]
    Scores { cause: String },
    #[error(
        "answers with {found} for a test picture ({numbers} numbers): its scores are infinite or no numbers; set `family`, or `mean` and `std`, to what it was trained with, and if that is right, export it again in float32"
    )]
    NotFinite { found: String, numbers: String },
    #[error(
        "has {classes} classes, but `{labels}` holds no label; write one line for each class into it, in the order of the classes"
    )]
    NoLabels { classes: usize, labels: String },
    #[error(
        "gives one number, but `{labels}` has {found} labels; one number tells two labels apart, or says whether one is true"
    )]
    OneNumber { labels: String, found: usize },
}

/// What is wrong, and the key of [models.NAME] that mends it.
pub(super) fn with_remedy(name: &str, cause: &Error) -> String {
    match cause {
        Error::WrongHash { .. } => format!("{cause}; fetch it again"),
        Error::NotNative { .. } if cfg!(feature = "tract") => {
            format!("{cause}; leave `backend` out, and tract runs it")
        }
        Error::NotNative { .. } => format!("{cause}, and this program was built without tract, which might"),
        Error::UnknownScaling => format!(
            "does not say how its input is scaled; set `family` in [models.{name}] (\"imagenet\" for what PyTorch's libraries trained, \"inception\" for TensorFlow's MobileNets), or `mean` and `std`"
        ),
        Error::SeveralOutputs { outputs, .. } => {
            let first = outputs.split('`').nth(1).unwrap_or_default();
            format!("{cause}; set `output` in [models.{name}] to that of the classes, such as `output = \"{first}\"`")
        }
        Error::SizeLeftOpen => format!("{cause}; set `input = [height, width]` in [models.{name}]"),
        other => other.to_string(),
    }
}
