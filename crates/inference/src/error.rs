//! Why a model cannot be used.

/// What is wrong with a model file, or what is missing to run it. Each sentence continues "the model ..." or names the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The file exists but cannot be read.
    #[error("cannot read `{path}`: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// There is no such file.
    #[error("cannot read `{path}`: {cause}")]
    NotFound {
        /// The file.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The file is not the one that was meant.
    #[error("`{path}` is not the file that was meant: its sha256 is {found}, not {expected}")]
    WrongHash {
        /// The file.
        path: String,
        /// Lower-case hexadecimal.
        expected: String,
        /// Lower-case hexadecimal.
        found: String,
    },
    /// The file is damaged, or something else.
    #[error("`{path}` is not an ONNX model: {cause}")]
    NotOnnx {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Weights are in another file, whose path comes from this one.
    #[error("keeps weights in another file (`{location}`), which is never opened; save it as one file")]
    ExternalData {
        /// The other file, as this one names it.
        location: String,
    },
    /// No backend has these operators.
    #[error("uses operators that are not supported: {operators}")]
    UnsupportedOperators {
        /// Each with the node that uses it.
        operators: String,
    },
    /// The native kernels were asked for and cannot run it.
    #[error("cannot run on the native kernels: {reason}")]
    NotNative {
        /// What they lack.
        reason: String,
    },
    /// It takes or gives something else than a picture classifier does.
    #[error("is not a picture classifier: {cause}")]
    NotAClassifier {
        /// What is different.
        cause: String,
    },
    /// Neither the file nor the hints say how pixels are scaled.
    #[error("does not say how its input is scaled: `mean` and `std` are needed")]
    UnknownScaling,
    /// Neither the file nor the hints say how large the input is.
    #[error("is not a picture classifier: it leaves its input size open")]
    SizeLeftOpen,
    /// The network cannot be evaluated.
    #[error("cannot be evaluated: {cause}")]
    Evaluation {
        /// Where it stopped.
        cause: String,
    },
}
