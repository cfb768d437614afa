//! Loading: from a model file to a network on the native kernels, or else on tract.

use crate::classifier::Classifier;
use crate::error::Error;
use crate::input::{Backend, InputHints, InputSpec, Scores};
use crate::inspection::{Declared, Inspection};
use crate::native::kernels::Kernels;
use crate::onnx::OnnxFile;
use crate::onnx::graph::{Graph, choose_output};
use crate::scores::End;
use crate::source::Source;
use crate::{native, onnx};

/// A network that is ready to run, and its properties.
pub struct Loaded {
    /// Runs the network.
    pub classifier: Box<dyn Classifier>,
    /// The properties of the file.
    pub inspection: Inspection,
}

/// Loads a model file with the fastest kernels of this processor.
///
/// # Errors
/// When the file cannot be read, has another hash than the expected one, is not an ONNX image classifier, or is not
/// supported by the demanded backend.
pub fn load(source: &Source<'_>) -> Result<Loaded, Error> {
    load_onto(source, Kernels::detect())
}

/// As [`load`], with the kernels of another instruction set.
///
/// # Errors
/// As [`load`].
pub fn load_onto(source: &Source<'_>, kernels: Kernels) -> Result<Loaded, Error> {
    load_part(source, kernels, Part::Whole)
}

/// What a model file says of itself beside its graph: its labels, its input. The network is not loaded.
///
/// # Errors
/// When the file cannot be read or is no ONNX file.
pub fn declared(path: &std::path::Path) -> Result<Declared, Error> {
    let source = Source { path, sha256: None, input: &InputHints::default(), backend: Backend::Auto };
    Ok(onnx::metadata::of(&OnnxFile::open(&source)?.decode()?.proto))
}

/// The hints, with those of the file where they say nothing. Its labels decide which output is meant, unless others do.
fn completed(hints: &InputHints, declared: &Declared) -> InputHints {
    let labels = Some(declared.labels.len()).filter(|labels| *labels > 0);
    InputHints { labels: hints.labels.or(labels), ..hints.clone().or(declared.hints.clone()) }
}

/// How much of a network is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// All that stands before its last matrix.
    Vector,
}

impl Part {
    /// Chooses the output, and leaves out what is not needed for it.
    fn of(self, proto: &mut onnx::pb::ModelProto, hints: &InputHints) -> Result<(), Error> {
        choose_output(proto, hints)?;
        match self {
            Self::Whole => {
                onnx::surgery::keep_first_output(proto);
                Ok(())
            }
            Self::Vector => onnx::surgery::cut(proto).map(drop),
        }
    }
}

pub(crate) fn load_part(source: &Source<'_>, kernels: Kernels, part: Part) -> Result<Loaded, Error> {
    let mut file = OnnxFile::open(source)?;
    let prepared = prepare(&mut file, source, kernels, part);
    // The error of a wrong hash comes first: other errors of an unintended file would mislead. That something is no ONNX
    // file is said at once, without reading all of it.
    let prepared = match prepared {
        Err(error) if !file.is_expected() || matches!(error, Error::NotOnnx { .. }) => return Err(error),
        prepared => prepared,
    };
    let sha256 = file.verify()?;
    let (facts, running) = prepared?;
    let file = (file.path.clone(), file.bytes(), file.weights.clone());
    Ok(Loaded { inspection: facts.inspection(file, sha256, &running), classifier: running.classifier })
}

/// The properties that are read from the graph.
struct Facts {
    opset: i64,
    producer: String,
    input: InputSpec,
    operators: Vec<(String, usize)>,
    graph: onnx::graph::Figures,
    scores: Option<Scores>,
    declared: Declared,
    end: End,
}

/// The network on its backend, and the properties that depend on the backend.
struct Running {
    classifier: Box<dyn Classifier>,
    /// Multiply-accumulate operations for one picture.
    macs: u64,
    /// The output tensor's shape.
    output: Vec<usize>,
    /// Bytes of the results that are kept at the same time.
    result_bytes: u64,
    backend: String,
    /// Why the native kernels do not run it; `None` if they do.
    not_native: Option<String>,
}

impl Facts {
    fn inspection(
        self,
        (path, file_bytes, weights_file): (String, u64, Option<String>),
        sha256: String,
        running: &Running,
    ) -> Inspection {
        let classes = running.output.iter().product();
        // One sigmoid tells two classes apart.
        let binary = |scores| if scores == Scores::Sigmoid && classes == 1 { Scores::Binary } else { scores };
        Inspection {
            path,
            sha256,
            file_bytes,
            weights_file,
            opset: self.opset,
            producer: self.producer,
            precision: self.graph.precision,
            parameters: self.graph.parameters,
            macs: running.macs,
            layers: self.graph.layers,
            residual: self.graph.residual,
            memory_bytes: self.graph.weight_bytes.saturating_add(running.result_bytes),
            classes,
            output: running.output.clone(),
            input: self.input,
            scores: self.scores.or(self.end.scores.map(binary)).unwrap_or(Scores::Logits),
            end: self.end,
            declared: self.declared,
            operators: self.operators,
            backend: running.backend.clone(),
            not_native: running.not_native.clone(),
        }
    }
}

fn prepare(file: &mut OnnxFile, source: &Source<'_>, kernels: Kernels, part: Part) -> Result<(Facts, Running), Error> {
    let mut decoded = file.decode()?;
    Graph::new(&decoded.proto, &file.path)?.refuse_external_data()?;
    let declared = onnx::metadata::of(&decoded.proto);
    onnx::metadata::refuse_other_task(&declared)?;
    let hints = completed(source.input, &declared);
    part.of(&mut decoded.proto, &hints)?;
    let graph = Graph::new(&decoded.proto, &file.path)?;
    graph.refuse_training_mode()?;
    let (input, input_name) = match graph.input(&hints) {
        // What metadata say of a size may be meant of something else: the shape of the input counts.
        Err(_) if hints.size != source.input.size => {
            let InputHints { size, resize, .. } = *source.input;
            graph.input(&InputHints { size, resize, ..hints.clone() })?
        }
        found => found?,
    };
    let facts = Facts {
        opset: graph.opset(),
        producer: decoded.proto.producer_name.clone(),
        input: input.clone(),
        operators: graph.operators(),
        graph: graph.figures(),
        scores: source.input.scores,
        declared,
        end: graph.end(),
    };
    let reason = match without_kernels(source.backend, kernels) {
        Some(reason) => {
            drop(decoded);
            reason.to_owned()
        }
        None => match native::compile(decoded, &input, kernels) {
            Ok(compiled) => {
                let running = Running {
                    classifier: compiled.classifier,
                    macs: compiled.macs,
                    output: vec![1, compiled.classes],
                    result_bytes: compiled.result_bytes,
                    backend: format!("native ({})", compiled.kernels),
                    not_native: None,
                };
                return Ok((facts, running));
            }
            Err(unsupported) if unsupported.is_unreadable() => {
                return Err(Error::Unreadable { path: file.path.clone(), cause: unsupported.to_string() });
            }
            Err(unsupported) if source.backend == Backend::Native => {
                return Err(Error::NotNative { reason: unsupported.to_string() });
            }
            Err(unsupported) => unsupported.to_string(),
        },
    };
    Ok((facts, with_tract(file, (part, &hints), &input, &input_name, reason)?))
}

/// Loads the file with tract; `reason` is why the native kernels do not run it.
#[cfg(feature = "tract")]
fn with_tract(
    file: &mut OnnxFile,
    (part, hints): (Part, &InputHints),
    input: &InputSpec,
    input_name: &str,
    reason: String,
) -> Result<Running, Error> {
    let mut whole = file.decode_whole()?;
    // tract gets only a checked graph of a file with the expected hash.
    Graph::new(&whole, &file.path)?.refuse_external_data()?;
    part.of(&mut whole, hints)?;
    onnx::widen::widen(&mut whole);
    file.verify()?;
    let loaded = crate::tract::load(whole, input, input_name)?;
    Ok(Running {
        classifier: loaded.classifier,
        macs: loaded.macs,
        output: loaded.shape,
        result_bytes: loaded.result_bytes,
        backend: "tract".into(),
        not_native: Some(reason),
    })
}

#[cfg(not(feature = "tract"))]
fn with_tract(
    _: &mut OnnxFile,
    _: (Part, &InputHints),
    _: &InputSpec,
    _: &str,
    reason: String,
) -> Result<Running, Error> {
    Err(Error::NotNative { reason })
}

/// Why the native kernels are not tried; `None` if they are.
fn without_kernels(backend: Backend, kernels: Kernels) -> Option<&'static str> {
    match backend {
        Backend::Tract => Some("the configuration says so"),
        Backend::Auto if cfg!(feature = "tract") && !kernels.are_fast() => {
            Some("there are no kernels for this processor yet")
        }
        Backend::Auto | Backend::Native => None,
    }
}
