//! Models and photographs that are not part of the project; each test says aloud when it finds none.

use std::path::{Path, PathBuf};

use glimpsed_core::models::spec::ModelSpec;
use glimpsed_inference::{Precision, Scores};

use crate::bundle::{compare_with_reference, compare_with_reference_but_for};
use crate::support::{ConfigFile, bundled, model, run, shared};

fn mobilenet(directory: &Path, name: &str) -> ModelSpec {
    let scaling = (!name.ends_with("u8")).then_some((0.5, 0.5));
    model(name, directory.join(format!("{name}.onnx")), scaling)
}

#[test]
fn fp32_models_answer_as_onnxruntime_does_within_a_thousandth() {
    let Some(directory) = shared("models") else { return };
    for name in ["mobilenet-v1", "mobilenet-v2"] {
        assert!(compare_with_reference(&mobilenet(&directory, name)) < 1e-3, "{name}");
    }
}

#[test]
fn int8_models_name_the_same_class_as_onnxruntime() {
    let Some(directory) = shared("models") else { return };
    // Logits here: 0.29 was measured, and onnxruntime differs from itself without its optimisations by up to 0.36.
    assert!(compare_with_reference(&mobilenet(&directory, "mobilenet-v2-int8")) < 0.5);
    // Probabilities here: 0.02 was measured. On the cat the two best classes, both cats, are one step of the quantised
    // logits apart (0.3125 and 0.28125), and rounding decides.
    let other = mobilenet(&directory, "mobilenet-v2-int8-nhwc-u8");
    assert!(compare_with_reference_but_for(&other, Some("chelsea")) < 0.05);
}

#[test]
fn every_model_is_described_by_its_file() {
    let Some(directory) = shared("models") else { return };
    let inspect = |name| glimpsed_core::infer::inspect(&mobilenet(&directory, name)).expect(name).file;
    let v2 = inspect("mobilenet-v2");
    assert_eq!(v2.precision, Precision::Fp32);
    assert_eq!(v2.scores, Scores::Logits);
    // 300 million multiply-adds and 3.5 million parameters: Sandler et al. 2018, table 4.
    assert!((299_000_000..=302_000_000).contains(&v2.macs), "{}", v2.macs);
    assert!((3_480_000..=3_520_000).contains(&v2.parameters), "{}", v2.parameters);
    let v1 = inspect("mobilenet-v1");
    // 569 million and 4.2 million: Howard et al. 2017, table 8.
    assert!((565_000_000..=575_000_000).contains(&v1.macs), "{}", v1.macs);
    assert!((4_200_000..=4_260_000).contains(&v1.parameters), "{}", v1.parameters);
    let u8_input = inspect("mobilenet-v2-int8-nhwc-u8");
    assert_eq!(u8_input.precision, Precision::Int8);
    assert_eq!(u8_input.scores, Scores::Softmax);
    assert_eq!(u8_input.input.shape(), [1, 224, 224, 3]);
    assert_eq!(u8_input.macs, v2.macs, "the same network in another file");
    assert_eq!(inspect("mobilenet-v2-int8").parameters, v2.parameters);
}

/// What each photograph shows.
const SUBJECTS: [(&str, &[&str]); 10] = [
    ("cat.png", &["Egyptian cat", "tabby", "tiger cat"]),
    ("cat_720p.jpg", &["Egyptian cat", "tabby", "tiger cat"]),
    ("parrot.jpg", &["macaw"]),
    ("bird.png", &["chickadee"]),
    ("dragonfly.png", &["dragonfly"]),
    ("sunflower.png", &["daisy"]),
    ("hot_dog.jpg", &["hotdog"]),
    ("pets.jpg", &["Boston bull"]),
    ("dog_test_0.png", &["poodle", "terrier"]),
    ("grace_hopper.png", &["military uniform"]),
];

/// Photographs whose best `k` labels do not hold what they show, each with its first label.
fn mislabelled(photos: &Path, config: &ConfigFile, model: &str, k: usize) -> Vec<String> {
    let files: Vec<PathBuf> = SUBJECTS.iter().map(|(name, _)| photos.join(name)).collect();
    let files: Vec<&str> = files.iter().map(|file| file.to_str().expect("UTF-8")).collect();
    let ran = run(&[&["classify", "--json", "-c", &config.path(), "--model", model], &files[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let answers = ran.json();
    let answers = SUBJECTS.iter().zip(answers.as_array().expect("a list"));
    let wrong = answers.filter_map(|((name, expected), answer)| {
        let top = answer["top"].as_array().expect("top");
        let labels: Vec<&str> = top.iter().filter_map(|one| one["label"].as_str()).collect();
        let right = labels[..k].iter().any(|label| expected.iter().any(|expected| label.contains(expected)));
        (!right).then(|| format!("{name}: {}", labels[0]))
    });
    wrong.collect()
}

/// A table for each model, with `rest` in it.
fn tables(models: &[(&str, PathBuf)], rest: &str) -> ConfigFile {
    let tables = models.iter().map(|(name, path)| format!("[models.{name}]\npath = {path:?}\n{rest}"));
    ConfigFile::new(&tables.collect::<String>())
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_whole_of_each_photograph_gets_its_label_from_mobilenet_v2() {
    let (Some(models), Some(photos)) = (shared("models"), shared("photos")) else { return };
    let at = |name: &'static str| (name, models.join(format!("{name}.onnx")));
    let rest = "mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\nfit = \"stretch\"\n";
    let config = tables(&[at("mobilenet-v2"), at("mobilenet-v2-int8"), at("mobilenet-v2-int8-nhwc-u8")], rest);
    assert_eq!(mislabelled(&photos, &config, "mobilenet-v2", 1), NOTHING);
    assert_eq!(mislabelled(&photos, &config, "mobilenet-v2-int8", 1), NOTHING);
    // The other publisher's takes the Boston bull for a greyhound first, in onnxruntime too.
    assert_eq!(mislabelled(&photos, &config, "mobilenet-v2-int8-nhwc-u8", 1), ["pets.jpg: Italian greyhound"]);
    assert_eq!(mislabelled(&photos, &config, "mobilenet-v2-int8-nhwc-u8", 3), NOTHING);
}

#[test]
fn the_centre_of_each_photograph_gets_its_label_from_mobilenet_v2_but_for_the_portrait() {
    let (Some(models), Some(photos)) = (shared("models"), shared("photos")) else { return };
    let at = |name: &'static str| (name, models.join(format!("{name}.onnx")));
    let config = tables(&[at("mobilenet-v2")], "mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n");
    // The crop cuts the uniform off; onnxruntime says the same of Pillow's crop.
    assert_eq!(mislabelled(&photos, &config, "mobilenet-v2", 3), ["grace_hopper.png: mortarboard"]);
}

#[test]
fn each_photograph_gets_its_label_from_the_bundled_models() {
    let Some(photos) = shared("photos") else { return };
    let names = ["efficientnet-lite0", "efficientnet-lite0-int8"];
    let whole = tables(&names.map(|name| (name, bundled(name).path)), "fit = \"stretch\"\n");
    let centre = ConfigFile::new("");
    for name in names {
        assert_eq!(mislabelled(&photos, &whole, name, 1), NOTHING, "{name}");
        assert_eq!(mislabelled(&photos, &centre, name, 3), NOTHING, "{name}");
        // The uniform is the third guess of its centre, in onnxruntime too.
        assert_eq!(mislabelled(&photos, &centre, name, 1), ["grace_hopper.png: academic gown"], "{name}");
    }
}
