//! The error type: why a model cannot be used.

/// Why a model cannot be loaded or run. Each text continues "the model ..." or names the file.
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
    /// The file's hash is not the expected one.
    #[error("`{path}` is not the file that was meant: its sha256 is {found}, not {expected}")]
    WrongHash {
        /// The file.
        path: String,
        /// The expected SHA-256 in lower-case hexadecimal.
        expected: String,
        /// The file's SHA-256 in lower-case hexadecimal.
        found: String,
    },
    /// The file is damaged, or is no ONNX file.
    #[error("`{path}` is not an ONNX model: {cause}")]
    NotOnnx {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Weights are in another file that is not opened, or is not there.
    #[error("keeps weights in another file (`{location}`), {cause}")]
    ExternalData {
        /// The other file, as this one names it.
        location: String,
        /// Why it is not read, and what to do.
        cause: String,
    },
    /// No backend supports these operators.
    #[error("uses operators that are not supported: {operators}")]
    UnsupportedOperators {
        /// The operators, each with a node that uses it.
        operators: String,
    },
    /// The native kernels were demanded, or are the only backend, and do not support it.
    #[error("cannot run on the native kernels: {reason}")]
    NotNative {
        /// What they do not support.
        reason: String,
    },
    /// Its input or output is not that of an image classifier.
    #[error("is not a picture classifier: {cause}")]
    NotAClassifier {
        /// What is different.
        cause: String,
    },
    /// Several outputs may be that of the classes.
    #[error("has several outputs, and not just one of them has a number for each of {labels} labels: {outputs}")]
    SeveralOutputs {
        /// The outputs with their lengths.
        outputs: String,
        /// The number of labels.
        labels: usize,
    },
    /// The output that was asked for is none of its outputs.
    #[error("has no output `{name}`; it has {outputs}")]
    NoSuchOutput {
        /// The name that was asked for.
        name: String,
        /// The outputs with their lengths.
        outputs: String,
    },
    /// It was exported as it is while it is trained.
    #[error(
        "was exported while it was being trained: its {operator} (at `{at}`) does not answer for the picture alone; call `model.eval()` before the export"
    )]
    TrainingMode {
        /// The operator that works in another way then.
        operator: String,
        /// Where it stands.
        at: String,
    },
    /// It has no last matrix that another could take the place of.
    #[error("has no last matrix that could be taught: {cause}")]
    NoLastMatrix {
        /// What stands there instead.
        cause: String,
    },
    /// Neither the file nor the hints have the mean and standard deviation of the input.
    #[error("does not say how its input is scaled: `mean` and `std` are needed")]
    UnknownScaling,
    /// Neither the file nor the hints have the size of the input.
    #[error("is not a picture classifier: it leaves its input size open")]
    SizeLeftOpen,
    /// The network cannot be evaluated.
    #[error("cannot be evaluated: {cause}")]
    Evaluation {
        /// What went wrong, and at which node.
        cause: String,
    },
}

/// What is wrong with weights of which one is no number, in the words of both backends.
pub(crate) fn broken_weights(name: &str) -> String {
    format!("the weights `{name}` hold infinite numbers or NaN: the training has diverged, or the file is damaged")
}
